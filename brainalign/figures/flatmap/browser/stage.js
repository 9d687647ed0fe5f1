// One map on its stage: cortex painted pixel by pixel on one canvas, and vectors (lines.js) on another above it.
// `view` is the Flatmap (component.js) that holds what all its stages share: map, surface, layer, zoom.
// Places are told in pixels of the surface with the row `view.top` on top, and "screen" in pixels of the canvas.

import { make, put } from "./elements.js";
import { Hand } from "./hand.js";
import { FlatLines } from "./lines.js";

const STEP = 12; // screen pixels that an arrow key moves the pointer

export class Stage {
  constructor(view, parent) {
    this.view = view;
    this.root = make("div", "stage", parent);
    this.title = make("div", "title", this.root);
    this.canvas = make("canvas", "map", this.root, { role: "img" });
    this.lines = make("canvas", "lines", this.root, { tabindex: "0", role: "application" });
    make("span", "side left", this.root).textContent = "L";
    make("span", "side right", this.root).textContent = "R";
    this.tip = make("div", "tip", this.root, { hidden: "", role: "status" });
    this.mark = make("span", "mark", this.root, { hidden: "" });
    this.raster = document.createElement("canvas");
    this.vectors = new FlatLines(this);
    this.lines.addEventListener("blur", () => this.point(null));
    new Hand(this);
  }

  // offset: where this subject's values start in the map's codes; first: its first unit among all subjects'
  update(subject, title, offset, first) {
    if (this.subject !== subject) this.ringAt = this.firsts = null;
    Object.assign(this, { subject, offset, first });
    put(this.title, title);
    this.title.hidden = !title;
    this.root.style.aspectRatio = `${this.view.width} / ${this.view.height}`;
    const { top, height, width } = this.view;
    Object.assign(this.canvas.dataset, { top, rows: height, columns: width });
    this.lines.setAttribute("aria-label", `${title} flatmap: arrows move a pointer, Enter picks, + and − zoom, 0 resets`);
  }

  resize() {
    const ratio = window.devicePixelRatio || 1;
    const width = Math.round(this.root.clientWidth * ratio);
    const height = Math.round(this.root.clientHeight * ratio);
    for (const canvas of [this.canvas, this.lines]) {
      if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    }
    this.ratio = ratio;
    return width > 0;
  }

  // --- Where things are ---

  get scale() {
    return (this.canvas.width / this.view.width) * this.view.zoom.times;
  }

  // The place in the top left corner of the screen.
  get corner() {
    const { zoom, width, height } = this.view;
    return [zoom.x - width / zoom.times / 2, zoom.y - height / zoom.times / 2];
  }

  toScreen([x, y]) {
    const corner = this.corner;
    return [(x - corner[0]) * this.scale, (y - corner[1]) * this.scale];
  }

  // What is under a pointer: x and y in the page's own pixels, the place, and the vertex and unit there.
  under(event) {
    const box = this.lines.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const { zoom, width, height } = this.view;
    const place = [this.corner[0] + (x / box.width) * (width / zoom.times), this.corner[1] + (y / box.height) * (height / zoom.times)];
    return { x, y, box, place, ...this.at(place) };
  }

  at([x, y]) {
    const { surface, width, top } = this.view;
    const [column, row] = [Math.floor(x), Math.floor(y) + top];
    const inside = column >= 0 && row >= 0 && column < width && row < surface.pixel_vertex.shape[0];
    const vertex = inside ? surface.pixel_vertex[row * width + column] : -1;
    return { vertex, unit: vertex < 0 ? -1 : this.subject.vertex_unit[vertex] };
  }

  // The first vertex on the map that shows a unit, or -1.
  vertexOf(unit) {
    if (!this.firsts) {
      this.firsts = new Int32Array(this.subject.nc.length).fill(-1);
      for (const vertex of this.view.surface.pixel_vertex) {
        const own = vertex < 0 ? -1 : this.subject.vertex_unit[vertex];
        if (own >= 0 && this.firsts[own] < 0) this.firsts[own] = vertex;
      }
    }
    return this.firsts[unit] ?? -1;
  }

  isIn(roi, unit) {
    const stride = this.subject.members.shape[1];
    return unit >= 0 && (this.subject.members[roi * stride + (unit >> 3)] & (128 >> (unit & 7))) > 0;
  }

  // --- Values and their colours ---

  value(unit) {
    const { map, row, margin } = this.view;
    const code = map.codes[this.offset + row * this.subject.nc.length + unit];
    if (code === map.missing) return NaN;
    if (map.lead && map.lead[this.first + unit] <= margin) return map.classes.length - 1;
    return map.low + map.step * code;
  }

  // Packed colour of each unit, its weight as opacity; 0 where the folds show through.
  colours() {
    const { map, row, margin, threshold } = this.view;
    const { codes, missing, step, lead, weights, palette } = map; // value() in one piece, since these may be 300,000
    const { nc } = this.subject;
    const [low, high] = map.limits;
    const shades = new Uint32Array(256);
    for (let k = 0; k < 256; k++) shades[k] = (palette[3 * k + 2] << 16) | (palette[3 * k + 1] << 8) | palette[3 * k];
    const shadeOf = (value) => shades[Math.max(0, Math.min(255, Math.round(((value - low) / (high - low)) * 255)))];
    const few = codes.BYTES_PER_ELEMENT === 1; // codes, each looked up once
    const coded = Uint32Array.from({ length: few ? 256 : 0 }, (_, code) => shadeOf(map.low + step * code));
    const tied = map.classes && shadeOf(map.classes.length - 1);
    const colours = new Uint32Array(nc.length);
    const first = this.offset + row * nc.length;
    for (let unit = 0; unit < colours.length; unit++) {
      const code = codes[first + unit];
      if (code === missing || !(nc[unit] >= threshold)) continue;
      const tie = lead !== undefined && lead[this.first + unit] <= margin;
      const shade = tie ? tied : few ? coded[code] : shadeOf(map.low + step * code);
      colours[unit] = ((weights ? weights[this.first + unit] : 255) << 24) | shade;
    }
    return colours;
  }

  // Of each vertex, for this map and for the solid one.
  vertexColours() {
    const { sulcus, greys } = this.view.surface;
    const { vertex_unit } = this.subject;
    const colours = this.colours();
    const folds = greys.map((grey) => over(0, grey));
    const vertices = new Uint32Array(sulcus.length);
    for (let vertex = 0; vertex < vertices.length; vertex++) {
      const unit = vertex_unit[vertex];
      const colour = unit < 0 ? 0 : colours[unit];
      const weight = colour >>> 24;
      const fold = sulcus[vertex];
      vertices[vertex] = weight === 255 ? colour : weight === 0 ? folds[fold] : over(colour, greys[fold]);
    }
    return vertices;
  }

  paint() {
    const { surface, width, height, top } = this.view;
    const { raster } = this;
    const vertices = (this.vertices = this.vertexColours());
    if (raster.width !== width || raster.height !== height) {
      Object.assign(raster, { width, height });
      this.image = null;
    }
    const pen = raster.getContext("2d");
    this.image ??= pen.createImageData(width, height);
    const pixels = new Uint32Array(this.image.data.buffer);
    const first = top * width;
    for (let i = 0; i < pixels.length; i++) {
      const vertex = surface.pixel_vertex[first + i];
      pixels[i] = vertex < 0 ? 0 : vertices[vertex];
    }
    pen.putImageData(this.image, 0, 0);
    this.compose();
    const { map, layer, threshold, margin, row } = this.view;
    const painted = `${map.key}#${layer}#${threshold}${map.lead ? `#${margin}` : ""}`;
    Object.assign(this.canvas.dataset, { painted, layer: map.layers[row] });
  }

  // The painted cortex, as far as the zoom shows it.
  compose() {
    const { zoom, width, height } = this.view;
    const pen = this.canvas.getContext("2d");
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    pen.imageSmoothingEnabled = this.scale < 2; // enlarged more, places stay crisp instead of blurred
    const box = [...this.corner, width / zoom.times, height / zoom.times];
    pen.drawImage(this.raster, ...box, 0, 0, this.canvas.width, this.canvas.height);
    this.canvas.dataset.zoom = zoom.times;
  }

  drawLines() {
    this.vectors.draw();
    this.mark.hidden = true;
  }

  // --- What is said of a place ---

  describe({ vertex, unit }) {
    const { surface, map } = this.view;
    const half = surface.sulcus.length / 2;
    const where = `vertex ${vertex < half ? vertex : vertex - half} of the ${vertex < half ? "left" : "right"} hemisphere`;
    if (unit < 0) return [["value", "no unit here"], ["fine", where]];
    const { rois, nc } = this.subject;
    const said = [["value", this.words(unit)]];
    const level = map.second?.words[map.weights[this.first + unit]];
    if (level) said.push(["fine", level]);
    said.push(["rois", rois.filter((_, roi) => this.isIn(roi, unit)).join(", ") || "in no ROI"]);
    said.push(["fine", Number.isNaN(nc[unit]) ? "noise ceiling not defined" : `noise ceiling ${nc[unit].toFixed(1)} %`]);
    return [...said, ["fine", `unit ${unit}, ${where}`]];
  }

  words(unit) {
    const { map } = this.view;
    const value = this.value(unit);
    if (Number.isNaN(value)) return `${map.symbol} is not defined`;
    if (!map.classes) return `${map.symbol} = ${number(value, map.step > 0.002 ? 2 : 3)}`;
    const name = map.classes[Math.round(value)][0];
    return map.lead ? `${name}, ahead by ${number(map.lead[this.first + unit], 3)}` : `${map.symbol}: ${name}`;
  }

  // tip : where it is said, here or on the solid one
  say(at, tip = this.tip) {
    tip.hidden = at.vertex < 0;
    if (tip === this.tip) this.view.pointAt(this, at.vertex);
    if (at.vertex < 0) return;
    tip.replaceChildren();
    for (const [name, words] of this.describe(at)) make("div", name, tip).textContent = words;
    const left = at.x + 16 + 300 > at.box.width ? `max(${at.x - 12}px - 100%, 0px)` : `${at.x + 16}px`;
    const top = at.y + 110 > at.box.height ? `calc(${at.y - 12}px - 100%)` : `${at.y + 16}px`;
    tip.style.transform = `translate(${left}, ${top})`;
  }

  leave() {
    this.tip.hidden = true;
    this.view.pointAt(this, -1);
  }

  // A place that is pointed at elsewhere.
  markAt(vertex) {
    const place = this.view.placeOf(vertex);
    const [x, y] = place ? this.toScreen(place).map((part) => part / this.ratio) : [-1, -1];
    this.mark.hidden = x < 0 || y < 0 || x > this.root.clientWidth || y > this.root.clientHeight;
    this.mark.style.transform = `translate(${x}px, ${y}px)`;
  }

  // --- The reader's hand (hand.js) ---

  pick({ unit, vertex, place }) {
    if (unit >= 0) this.view.pick(this, unit, vertex, place);
  }

  drag(right, down) {
    const per = this.view.width / this.view.zoom.times / this.lines.clientWidth;
    this.view.pan(-right * per, -down * per);
  }

  magnify(by, place) {
    this.view.magnify(by, place);
  }

  enclose(points) {
    this.view.enclose(points);
  }

  press(key) {
    return this.view.press(key);
  }

  step([dx, dy], times) {
    const { zoom, width, height } = this.view;
    const by = (STEP * times * this.ratio) / this.scale;
    const [x, y] = this.pointer ?? [zoom.x, zoom.y];
    const inside = (value, size) => Math.max(0.5, Math.min(size - 0.5, value));
    this.point([inside(x + dx * by, width), inside(y + dy * by, height)]);
  }

  // The keyboard's pointer: drawn, said, and kept in sight.
  point(place) {
    this.pointer = place;
    if (!this.view.surface) return;
    if (place) this.view.seek(place);
    this.drawLines();
    if (!place) return this.leave();
    const box = this.lines.getBoundingClientRect();
    const [x, y] = this.toScreen(place).map((part) => part / this.ratio);
    this.say({ x, y, box, ...this.at(place) });
  }
}

export const number = (value, digits) => value.toFixed(digits).replace("-", "−");

// A packed colour with its opacity over a grey, rounded as palettes.mix rounds.
export function over(colour, grey) {
  const weight = colour >>> 24;
  const part = (shift) => Math.floor((2 * (((colour >> shift) & 255) * weight + grey * (255 - weight)) + 255) / 510);
  return ((255 << 24) | (part(16) << 16) | (part(8) << 8) | part(0)) >>> 0;
}
