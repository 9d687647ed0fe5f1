// Messages (../payload.py) and the parts among them that maps have in common, which the browser keeps by their name.

const ARRAYS = { u1: Uint8Array, u2: Uint16Array, i4: Int32Array, f4: Float32Array };
const parts = new Map(); // name -> {ready, resolve, here}

// What a message holds; null where it is a part that is here already.
export function decode(data) {
  const length = new DataView(data.buffer, data.byteOffset, 4).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(data.subarray(4, 4 + length)));
  if (header.kind === "part" && entry(header.name).here) return null;
  for (const [name, [type, offset, shape]] of Object.entries(header.arrays)) {
    const start = 4 + length + offset;
    const bytes = shape.reduce((a, b) => a * b, 1) * ARRAYS[type].BYTES_PER_ELEMENT;
    header[name] = new ARRAYS[type](data.slice(start, start + bytes).buffer);
    header[name].shape = shape;
  }
  return header;
}

function entry(name) {
  if (!parts.has(name)) {
    const made = {};
    made.ready = new Promise((resolve) => (made.resolve = (part) => { made.here = true; resolve(part); }));
    parts.set(name, made);
  }
  return parts.get(name);
}

export const keep = (part) => entry(part.name).resolve(part);
// A part, once it has come.
export const part = (name) => entry(name).ready;
