// A flatmap: cortex painted pixel by pixel on one canvas, ROI outlines and names in vectors on another above it.
// Messages are described in __init__.py and payload.py. All text goes in as text, never as HTML.

const ARRAYS = { u1: Uint8Array, u2: Uint16Array, i4: Int32Array, f4: Float32Array };
const parts = (globalThis.brainalignFlatParts ??= new Map()); // name -> {ready, resolve, here}
const views = new WeakMap();

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const message = decode(data);
  if (message === null) return; // a part that is here already
  if (message.kind === "part") return entry(message.name).resolve(message);
  if (!views.has(parentElement)) views.set(parentElement, new Flatmap(parentElement));
  const view = views.get(parentElement);
  view.tell = { setStateValue, setTriggerValue };
  view.wanted = message;
  Promise.all([part(message.surface), part(message.subject)]).then(([surface, subject]) => {
    if (view.wanted === message) view.update(message, surface, subject);
  });
  return () => view.close();
}

function decode(data) {
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
const part = (name) => entry(name).ready;

function make(tag, name, parent, attributes = {}) {
  const element = document.createElement(tag);
  element.className = name;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent.append(element);
  return element;
}

class Flatmap {
  constructor(parent) {
    this.root = make("div", "flat", parent);
    const controls = make("div", "controls", this.root);
    [this.layerSlider, this.layerText] = this.slider(controls, "Layer");
    [this.thresholdSlider, this.thresholdText] = this.slider(controls, "Lowest noise ceiling shown, in percent");
    this.stage = make("div", "stage", this.root);
    this.canvas = make("canvas", "map", this.stage, { role: "img" });
    this.lines = make("canvas", "lines", this.stage, { "aria-hidden": "true" });
    make("span", "side left", this.stage).textContent = "L";
    make("span", "side right", this.stage).textContent = "R";
    this.tip = make("div", "tip", this.stage, { hidden: "" });
    const key = make("div", "key", this.root);
    this.label = make("div", "label", key);
    const bar = make("div", "bar", key);
    this.bar = make("canvas", "", bar, { width: 256, height: 1, "aria-hidden": "true" });
    this.ticks = make("div", "ticks", bar);
    const none = make("div", "label", key);
    this.swatch = make("span", "swatch", none);
    none.append("no value, or below the noise ceiling chosen");
    this.raster = document.createElement("canvas");
    this.listen();
  }

  slider(parent, label) {
    const control = make("label", "control", parent);
    const text = make("output", "", control);
    return [make("input", "", control, { type: "range", step: 1, min: 0, "aria-label": label }), text];
  }

  listen() {
    this.layerSlider.addEventListener("input", () => this.choose(this.map.layers[+this.layerSlider.value], this.threshold));
    this.thresholdSlider.addEventListener("input", () => this.choose(this.layer, +this.thresholdSlider.value));
    for (const slider of [this.layerSlider, this.thresholdSlider]) {
      slider.addEventListener("change", () => this.report());
    }
    this.lines.addEventListener("pointermove", (event) => this.hover(event));
    this.lines.addEventListener("pointerleave", () => (this.tip.hidden = true));
    this.lines.addEventListener("click", (event) => this.pick(event));
    this.watch = new ResizeObserver(() => this.surface && this.redraw());
    this.watch.observe(this.stage);
  }

  close() {
    this.watch.disconnect();
    clearTimeout(this.pending);
  }

  update(map, surface, subject) {
    if (this.subject !== subject) this.unit = this.ringAt = null;
    const moved = map.start.serial !== this.serial; // a link asks for a view; otherwise the reader's own stays
    Object.assign(this, { map, surface, subject, serial: map.start.serial });
    this.frame();
    if (moved) [this.unit, this.ringAt] = [map.start.unit ?? null, null];
    this.thresholdSlider.max = Math.floor(subject.nc.reduce((top, nc) => (nc > top ? nc : top), 10));
    this.layerSlider.max = map.layers.length - 1;
    this.layerSlider.parentElement.hidden = map.layers.length < 2;
    this.drawKey();
    if (moved) Object.assign(this, { layer: map.start.layer, threshold: map.start.threshold });
    this.redraw();
  }

  // Only the rows with cortex are shown: from `top`, `height` of them.
  frame() {
    const { pixel_vertex } = this.surface;
    const cortex = (vertex) => vertex >= 0;
    this.width = pixel_vertex.shape[1];
    this.top = Math.max(0, Math.floor(pixel_vertex.findIndex(cortex) / this.width) - 4);
    const last = Math.floor(pixel_vertex.findLastIndex(cortex) / this.width) + 5;
    this.height = Math.min(last, pixel_vertex.shape[0]) - this.top;
    this.stage.style.aspectRatio = `${this.width} / ${this.height}`;
    Object.assign(this.canvas.dataset, { top: this.top, rows: this.height, columns: this.width });
  }

  redraw() {
    const ratio = window.devicePixelRatio || 1;
    const width = Math.round(this.stage.clientWidth * ratio);
    const height = Math.round(this.stage.clientHeight * ratio);
    for (const canvas of [this.canvas, this.lines]) {
      if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    }
    if (!width) return;
    this.scale = width / this.width;
    const drawn = JSON.stringify([width, this.map.subject, this.map.rois, this.map.diverging, this.unit, this.ringAt]);
    if (drawn !== this.drawn) this.drawLines(ratio);
    this.drawn = drawn;
    this.choose(this.layer, this.threshold);
  }

  // layer: the number wanted; a map without it shows the nearest it has, and the wish is kept.
  choose(layer, threshold) {
    const { map } = this;
    Object.assign(this, { layer, threshold });
    const away = map.layers.map((other) => Math.abs(other - layer));
    this.row = away.indexOf(Math.min(...away));
    this.layerSlider.value = this.row;
    this.thresholdSlider.value = threshold;
    const name = map.names[this.row];
    this.layerText.textContent = name;
    this.layerSlider.setAttribute("aria-valuetext", name);
    this.thresholdText.textContent = `noise ceiling ≥ ${this.threshold} %`;
    this.thresholdSlider.setAttribute("aria-valuetext", `${this.threshold} percent`);
    this.canvas.setAttribute("aria-label", name ? `${map.about}, ${name}` : map.about);
    this.paint();
  }

  // The last choice is told to the server once the hand rests: it needs no answer to paint.
  report() {
    clearTimeout(this.pending);
    this.pending = setTimeout(() => {
      this.tell.setStateValue("view", { layer: this.layer, threshold: this.threshold });
    }, 400);
  }

  value(unit) {
    const code = this.map.codes[this.row * this.subject.nc.length + unit];
    return code === this.map.missing ? NaN : this.map.low + this.map.step * code;
  }

  // Packed colour of each unit; 0 where the folds show through.
  colours() {
    const { map, subject, threshold } = this;
    const [low, high] = map.limits;
    const colours = new Uint32Array(subject.nc.length);
    for (let unit = 0; unit < colours.length; unit++) {
      const value = this.value(unit);
      if (Number.isNaN(value) || !(subject.nc[unit] >= threshold)) continue;
      const k = 3 * Math.max(0, Math.min(255, Math.round(((value - low) / (high - low)) * 255)));
      colours[unit] = (255 << 24) | (map.palette[k + 2] << 16) | (map.palette[k + 1] << 8) | map.palette[k];
    }
    return colours;
  }

  paint() {
    const { surface, subject, raster } = this;
    const colours = this.colours();
    const vertices = new Uint32Array(surface.sulcus.length);
    for (let vertex = 0; vertex < vertices.length; vertex++) {
      const unit = subject.vertex_unit[vertex];
      const grey = surface.greys[surface.sulcus[vertex]];
      vertices[vertex] = (unit >= 0 && colours[unit]) || (255 << 24) | (grey << 16) | (grey << 8) | grey;
    }
    if (raster.width !== this.width || raster.height !== this.height) {
      Object.assign(raster, { width: this.width, height: this.height });
      this.image = null;
    }
    const pen = raster.getContext("2d");
    this.image ??= pen.createImageData(this.width, this.height);
    const pixels = new Uint32Array(this.image.data.buffer);
    const first = this.top * this.width;
    for (let i = 0; i < pixels.length; i++) {
      const vertex = surface.pixel_vertex[first + i];
      pixels[i] = vertex < 0 ? 0 : vertices[vertex];
    }
    pen.putImageData(this.image, 0, 0);
    const out = this.canvas.getContext("2d");
    out.clearRect(0, 0, this.canvas.width, this.canvas.height);
    out.imageSmoothingEnabled = this.scale < 2; // enlarged more, places stay crisp instead of blurred
    out.drawImage(raster, 0, 0, this.canvas.width, this.canvas.height);
    Object.assign(this.canvas.dataset, {
      painted: `${this.map.key}#${this.layer}#${this.threshold}`,
      layer: this.map.layers[this.row],
    });
  }

  // Outlines, names, and a ring around the picked unit.
  drawLines(ratio) {
    const pen = this.lines.getContext("2d");
    pen.clearRect(0, 0, this.lines.width, this.lines.height);
    const drawn = this.map.rois.map((name) => this.subject.rois.indexOf(name)).filter((i) => i >= 0);
    const path = new Path2D();
    for (const roi of drawn) this.trace(path, roi);
    pen.lineJoin = pen.lineCap = "round";
    const halo = this.map.diverging ? "rgb(255 255 255 / 60%)" : "rgb(0 0 0 / 55%)";
    for (const [width, colour] of [[3, halo], [1.3, this.map.diverging ? "#222" : "#fff"]]) {
      pen.lineWidth = width * ratio;
      pen.strokeStyle = colour;
      pen.stroke(path);
    }
    this.drawNames(pen, drawn, ratio);
    if (this.unit !== null && this.unit !== undefined) this.drawRing(pen, ratio);
  }

  // Closed polylines of one ROI, rounded: a curve through the middle of each stretch.
  trace(path, roi) {
    const { points, outlines } = this.subject;
    let at = outlines.slice(0, roi).flat().reduce((a, b) => a + b, 0);
    for (const length of outlines[roi]) {
      const point = (i) => [0, 1].map((k) => (points[2 * (at + (i % (length - 1))) + k] - k * this.top) * this.scale);
      const middle = (i) => point(i).map((p, k) => (p + point(i + 1)[k]) / 2);
      path.moveTo(...middle(0));
      for (let i = 1; i < length; i++) path.quadraticCurveTo(...point(i), ...middle(i));
      at += length;
    }
  }

  drawNames(pen, drawn, ratio) {
    const size = Math.max(10, Math.min(15, this.stage.clientWidth / 85)) * ratio;
    pen.font = `600 ${size}px ${getComputedStyle(this.root).fontFamily}`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.lineWidth = size / 4;
    const taken = [];
    for (const roi of drawn) {
      for (const place of this.subject.labels[roi]) {
        const box = this.freePlace(place, roi, pen.measureText(this.subject.rois[roi]).width, size, taken);
        if (!box) continue; // no room: hovering still names it
        taken.push(box);
        pen.strokeStyle = "rgb(0 0 0 / 80%)";
        pen.strokeText(this.subject.rois[roi], box.x, box.y);
        pen.fillStyle = "#fff";
        pen.fillText(this.subject.rois[roi], box.x, box.y);
      }
    }
    this.lines.dataset.names = taken.length;
  }

  // The first place near the wanted one that is in the region, in the picture, and clear of other names.
  freePlace([column, row], roi, width, height, taken) {
    const half = width / 2 + 2;
    for (const [dx, dy] of [[0, 0], [0, -0.7], [0, 0.7], [0, -1.3], [0, 1.3], [-0.5, 0], [0.5, 0]]) {
      const x = column * this.scale + dx * width;
      const y = (row - this.top) * this.scale + dy * height;
      const unit = this.unitAt(Math.floor(x / this.scale), Math.floor(y / this.scale) + this.top).unit;
      if (!this.isIn(roi, unit) || x < half || x > this.lines.width - half) continue;
      const clear = taken.every((o) => Math.abs(o.x - x) > half + o.half || Math.abs(o.y - y) > height * 1.1);
      if (clear) return { x, y, half };
    }
    return null;
  }

  drawRing(pen, ratio) {
    const { pixel_vertex } = this.surface;
    const first = pixel_vertex.findIndex((v) => v >= 0 && this.subject.vertex_unit[v] === this.unit);
    if (first < 0) return;
    const [x, y] = this.ringAt ?? [first % this.width, Math.floor(first / this.width)];
    for (const [width, colour] of [[4, "#000"], [2, "#fff"]]) {
      pen.lineWidth = width * ratio;
      pen.strokeStyle = colour;
      pen.beginPath();
      pen.arc((x + 0.5) * this.scale, (y + 0.5 - this.top) * this.scale, 7 * ratio, 0, 2 * Math.PI);
      pen.stroke();
    }
  }

  drawKey() {
    const { map, surface } = this;
    const pen = this.bar.getContext("2d");
    const image = pen.createImageData(256, 1);
    for (let i = 0; i < 256; i++) image.data.set([...map.palette.subarray(3 * i, 3 * i + 3), 255], 4 * i);
    pen.putImageData(image, 0, 0);
    this.label.textContent = map.label;
    this.ticks.replaceChildren();
    for (const [place, text] of map.ticks) {
      const tick = make("span", "", this.ticks);
      tick.style.left = `${100 * place}%`;
      tick.append(text);
    }
    const [gyrus, sulcus] = surface.greys.map((grey) => `rgb(${grey} ${grey} ${grey})`);
    this.swatch.style.background = `linear-gradient(90deg, ${gyrus} 50%, ${sulcus} 50%)`;
  }

  unitAt(column, row) {
    const inside = column >= 0 && row >= 0 && column < this.width && row < this.surface.pixel_vertex.shape[0];
    const vertex = inside ? this.surface.pixel_vertex[row * this.width + column] : -1;
    return { vertex, unit: vertex < 0 ? -1 : this.subject.vertex_unit[vertex] };
  }

  isIn(roi, unit) {
    const stride = this.subject.members.shape[1];
    return unit >= 0 && (this.subject.members[roi * stride + (unit >> 3)] & (128 >> (unit & 7))) > 0;
  }

  under(event) {
    const box = this.lines.getBoundingClientRect();
    const x = event.clientX - box.left;
    const y = event.clientY - box.top;
    const column = Math.floor((x / box.width) * this.width);
    const row = Math.floor((y / box.height) * this.height) + this.top;
    return { x, y, box, column, row, ...this.unitAt(column, row) };
  }

  hover(event) {
    if (!this.surface) return;
    const began = performance.now();
    const at = this.under(event);
    this.tip.hidden = at.vertex < 0;
    if (at.vertex < 0) return;
    this.tip.replaceChildren();
    for (const [name, text] of this.describe(at)) make("div", name, this.tip).textContent = text;
    const left = at.x + 16 + 300 > at.box.width ? `calc(${at.x - 12}px - 100%)` : `${at.x + 16}px`;
    const top = at.y + 110 > at.box.height ? `calc(${at.y - 12}px - 100%)` : `${at.y + 16}px`;
    this.tip.style.transform = `translate(${left}, ${top})`;
    this.tip.dataset.ms = performance.now() - began;
  }

  describe({ vertex, unit }) {
    const half = this.surface.sulcus.length / 2;
    const where = `vertex ${vertex < half ? vertex : vertex - half} of the ${vertex < half ? "left" : "right"} hemisphere`;
    if (unit < 0) return [["value", "no unit here"], ["fine", where]];
    const { rois, nc } = this.subject;
    const value = this.value(unit);
    const named = rois.filter((_, roi) => this.isIn(roi, unit));
    const digits = this.map.step > 0.002 ? 2 : 3;
    return [
      ["value", Number.isNaN(value) ? `${this.map.symbol} is not defined` : `${this.map.symbol} = ${value.toFixed(digits).replace("-", "−")}`],
      ["rois", named.join(", ") || "in no ROI"],
      ["fine", Number.isNaN(nc[unit]) ? "noise ceiling not defined" : `noise ceiling ${nc[unit].toFixed(1)} %`],
      ["fine", `unit ${unit}, ${where}`],
    ];
  }

  pick(event) {
    if (!this.surface) return;
    const { unit, vertex, column, row } = this.under(event);
    if (unit < 0) return;
    this.unit = unit;
    this.ringAt = [column, row];
    this.redraw();
    this.tell.setTriggerValue("unit", { unit, vertex });
  }
}
