// A surface in three dimensions as one more image of pixels -> vertices: turned, projected along parallel lines, and
// where surfaces lie behind one another the nearest is kept (a z-buffer). No WebGL: 20,000 triangles that face the eye
// take a few milliseconds, and what paints the flat map paints this image too.
// Model: mm, x to the right, y to the front, z up. Screen: x to the right, y downwards, z towards the eye.

const GAP = 8; // mm between the hemispheres
const AROUND = 8; // mm left free at each side of the picture
const AMBIENT = 0.45; // light that comes from everywhere
const BRIGHT = 1.18; // of the lamp: what faces the eye has the palette's own colour
const LAMP = [-0.3, 0.45, 0.84]; // from the upper left behind the eye, in screen directions with y upwards
const SIDES = { behind: [0, 10, 0], left: [-90, 0, 0], right: [90, 0, 0], below: [180, -90, 0], inside: [0, 0, 90] };

const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

// How a surface is held: the eye `round` degrees to the right of behind and `up` degrees above, each hemisphere opened
// by `open` degrees like a book's page (90 shows both from inside), enlarged `times`, with `x`, `y` (mm) in the middle.
export function poseOf(text) {
  const [round, up, open, times = 1, x = 0, y = 0] = SIDES[text] ?? text.split(",").map(Number);
  const fine = [round, up, open, times, x, y].every(Number.isFinite);
  return fine ? { round, up, open, times, x, y } : poseOf("behind");
}

export function textOf({ round, up, open, times, x, y }) {
  const numbers = [Math.round(round), Math.round(up), open];
  const side = Object.keys(SIDES).find((name) => SIDES[name].join() === numbers.join());
  return times === 1 && side ? side : [...numbers, times.toFixed(2), Math.round(x), Math.round(y)].join();
}

export class Mesh {
  constructor(part, shape) {
    const { low, step } = part.reading[shape];
    this.xyz = Float32Array.from(part[shape], (code) => low + step * code);
    this.n = this.xyz.length / 3;
    const half = this.n / 2;
    this.faces = new Uint16Array(2 * part.faces.length); // both hemispheres are joined alike
    this.faces.set(part.faces);
    this.faces.set(part.faces.map((vertex) => vertex + half), part.faces.length);
    this.centre();
    this.normals = this.findNormals();
  }

  range(axis, from, to, of = (v) => this.xyz[3 * v + axis]) {
    let [low, high] = [Infinity, -Infinity];
    for (let v = from; v < to; v++) [low, high] = [Math.min(low, of(v)), Math.max(high, of(v))];
    return [low, high];
  }

  // The middle of each hemisphere becomes its origin; the other two axes are both hemispheres' own.
  centre() {
    const half = this.n / 2;
    const middle = (axis, from, to) => this.range(axis, from, to).reduce((a, b) => (a + b) / 2);
    const [y, z] = [middle(1, 0, this.n), middle(2, 0, this.n)];
    const x = [middle(0, 0, half), middle(0, half, this.n)];
    for (let v = 0; v < this.n; v++) {
      this.xyz[3 * v] -= x[v < half ? 0 : 1];
      this.xyz[3 * v + 1] -= y;
      this.xyz[3 * v + 2] -= z;
    }
  }

  // Outward, of length 1: the mean of the faces around a vertex, each as heavy as it is large.
  findNormals() {
    const { xyz, faces } = this;
    const sums = new Float32Array(xyz.length);
    for (let f = 0; f < faces.length; f += 3) {
      const [a, b, c] = [3 * faces[f], 3 * faces[f + 1], 3 * faces[f + 2]];
      const p = [0, 1, 2].map((k) => xyz[b + k] - xyz[a + k]);
      const q = [0, 1, 2].map((k) => xyz[c + k] - xyz[a + k]);
      for (let k = 0; k < 3; k++) {
        const across = p[(k + 1) % 3] * q[(k + 2) % 3] - p[(k + 2) % 3] * q[(k + 1) % 3];
        for (const vertex of [a, b, c]) sums[vertex + k] += across;
      }
    }
    for (let v = 0; v < sums.length; v += 3) {
      const length = Math.hypot(sums[v], sums[v + 1], sums[v + 2]) || 1;
      for (let k = 0; k < 3; k++) sums[v + k] /= length;
    }
    return sums;
  }

  // Where the hemispheres stand when opened: for each the cosine and sine of its own turn and its shift to the side,
  // and half the size of one of them in mm: across, deep and high.
  arrange(open) {
    if (this.arranged?.open === open) return this.arranged;
    const half = this.n / 2;
    const boxes = [-1, 1].map((sign, k) => {
      const [c, s] = [Math.cos((sign * open * Math.PI) / 180), Math.sin((sign * open * Math.PI) / 180)];
      const turned = (a, b) => this.range(0, k * half, (k + 1) * half, (v) => a * this.xyz[3 * v] + b * this.xyz[3 * v + 1]);
      return { c, s, x: turned(c, -s), y: turned(s, c) };
    });
    const halves = ([low, high]) => (high - low) / 2;
    const most = (axis) => Math.max(...boxes.map((box) => halves(box[axis])));
    const sizes = [most("x"), most("y"), halves(this.range(2, 0, this.n))];
    const sides = boxes.map(({ c, s, x }, k) => ({ c, s, shift: k ? GAP / 2 - x[0] : -GAP / 2 - x[1] }));
    return (this.arranged = { open, sides, sizes });
  }

  // Half the width and height in mm of what is seen, taking a hemisphere for an ellipsoid: so it fills the picture.
  extent({ open, round, up }) {
    const [across, deep, high] = this.arrange(open).sizes;
    const [c, s] = [Math.abs(Math.cos((round * Math.PI) / 180)), Math.abs(Math.sin((round * Math.PI) / 180))];
    const away = GAP / 2 + across;
    const width = Math.hypot(across * c, deep * s) + away * c;
    const length = Math.hypot(across * s, deep * c) + away * s;
    const height = Math.hypot(high * Math.cos((up * Math.PI) / 180), length * Math.sin((up * Math.PI) / 180));
    return [width + AROUND, height + AROUND];
  }
}

// The picture: `vertex` shown by each pixel or -1, its `shade` (0..255) and its depth; and each vertex's place in it.
export class Raster {
  resize(width, height) {
    if (this.width === width && this.height === height) return;
    Object.assign(this, { width, height });
    this.vertex = new Int32Array(width * height);
    this.shade = new Uint8Array(width * height);
    this.depth = new Float32Array(width * height);
  }

  draw(mesh, pose) {
    this.project(mesh, pose);
    this.vertex.fill(-1);
    this.depth.fill(-Infinity);
    const { faces } = mesh;
    for (let f = 0; f < faces.length; f += 3) this.triangle(faces[f], faces[f + 1], faces[f + 2]);
  }

  // x, y (pixels), z (mm) and light of each vertex.
  project(mesh, pose) {
    const { n, xyz, normals } = mesh;
    const { round, up, open, times, x, y } = pose;
    if (this.x?.length !== n) for (const name of ["x", "y", "z", "light"]) this[name] = new Float32Array(n);
    const [width, height] = mesh.extent(pose);
    this.fit = Math.min(this.width / width, this.height / height) / 2; // pixels of a mm when it is seen whole
    const scale = times * this.fit;
    const [a, b] = [round, up].map((degrees) => (degrees * Math.PI) / 180);
    const [ca, sa, cb, sb] = [Math.cos(a), Math.sin(a), Math.cos(b), Math.sin(b)];
    const axes = [[ca, sa, 0], [-sb * sa, sb * ca, cb], [sa * cb, -ca * cb, sb]]; // of the screen, in the model
    mesh.arrange(open).sides.forEach(({ c, s, shift }, k) => {
      const [r, u, e] = axes.map(([i, j, l]) => [c * i + s * j, c * j - s * i, l]); // and in the hemisphere itself
      const lamp = [0, 1, 2].map((axis) => LAMP[0] * r[axis] + LAMP[1] * u[axis] + LAMP[2] * e[axis]);
      const [left, top, near] = axes.map((axis) => axis[0] * shift);
      for (let v = (k * n) / 2; v < ((k + 1) * n) / 2; v++) {
        const [i, j, l] = [xyz[3 * v], xyz[3 * v + 1], xyz[3 * v + 2]];
        this.x[v] = this.width / 2 + scale * (r[0] * i + r[1] * j + r[2] * l + left - x);
        this.y[v] = this.height / 2 - scale * (u[0] * i + u[1] * j + u[2] * l + top - y);
        this.z[v] = e[0] * i + e[1] * j + e[2] * l + near;
        const lit = lamp[0] * normals[3 * v] + lamp[1] * normals[3 * v + 1] + lamp[2] * normals[3 * v + 2];
        this.light[v] = 255 * Math.min(1, AMBIENT + (1 - AMBIENT) * BRIGHT * Math.max(0, lit));
      }
    });
  }

  // Pixels whose centre lies in a triangle that faces the eye; its corners' weights are linear over the picture.
  triangle(a, b, c) {
    const { width, height, vertex, depth, shade, light, z } = this;
    const [xa, ya, xb, yb, xc, yc] = [this.x[a], this.y[a], this.x[b], this.y[b], this.x[c], this.y[c]];
    const area = (xb - xa) * (yc - ya) - (yb - ya) * (xc - xa);
    if (area >= 0) return; // seen from inside
    const left = Math.max(0, Math.ceil(Math.min(xa, xb, xc) - 0.5));
    const right = Math.min(width - 1, Math.floor(Math.max(xa, xb, xc) - 0.5));
    const top = Math.max(0, Math.ceil(Math.min(ya, yb, yc) - 0.5));
    const bottom = Math.min(height - 1, Math.floor(Math.max(ya, yb, yc) - 0.5));
    const [ax, ay, bx, by] = [(yb - yc) / area, (xc - xb) / area, (yc - ya) / area, (xa - xc) / area];
    for (let row = top; row <= bottom; row++) {
      const [dx, dy] = [left + 0.5 - xc, row + 0.5 - yc];
      let wa = ax * dx + ay * dy;
      let wb = bx * dx + by * dy;
      for (let i = row * width + left; i <= row * width + right; i++, wa += ax, wb += bx) {
        const wc = 1 - wa - wb;
        if (wa < -1e-5 || wb < -1e-5 || wc < -1e-5) continue;
        const near = z[a] * wa + z[b] * wb + z[c] * wc;
        if (near <= depth[i]) continue;
        depth[i] = near;
        vertex[i] = wa > wb ? (wa > wc ? a : c) : wb > wc ? b : c;
        shade[i] = light[a] * wa + light[b] * wb + light[c] * wc;
      }
    }
  }

  // Whether a triangle faces the eye.
  faces(a, b, c) {
    const { x, y } = this;
    return (x[b] - x[a]) * (y[c] - y[a]) < (y[b] - y[a]) * (x[c] - x[a]);
  }

  // Whether nothing lies before a place of the surface.
  sees(x, y, z) {
    const [column, row] = [Math.floor(x), Math.floor(y)];
    if (column < 0 || row < 0 || column >= this.width || row >= this.height) return false;
    return z > this.depth[row * this.width + column] - 2; // mm: the surface's own slope within a pixel
  }

  // pixels: packed colours, of each vertex's colour in its light.
  paint(pixels, colours) {
    for (let i = 0; i < pixels.length; i++) {
      const vertex = this.vertex[i];
      if (vertex < 0) {
        pixels[i] = 0;
        continue;
      }
      const [colour, light] = [colours[vertex], this.shade[i] + 1];
      const outer = (((colour & 0xff00ff) * light) >>> 8) & 0xff00ff; // red and blue at once
      pixels[i] = (255 << 24) | outer | ((((colour & 0xff00) * light) >>> 8) & 0xff00);
    }
  }
}
