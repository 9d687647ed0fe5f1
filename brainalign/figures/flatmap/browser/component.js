// Flatmaps: sliders, one stage for each subject, the same in three dimensions if wanted, and the key below. Messages are
// described in ../__init__.py and ../payload.py. All text goes in as text, never as HTML.

import { make, put } from "./elements.js";
import { MOST } from "./hand.js";
import { Key } from "./key.js";
import { decode, keep, part } from "./parts.js";
import { Sheet } from "./sheet.js";
import { Solid } from "./solid.js";
import { number, Stage } from "./stage.js";

const MARGINS = 40; // steps of 0.0025 that a class can be asked to be ahead by
const views = new WeakMap();

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const message = decode(data);
  if (message === null) return; // a part that is here already
  if (message.kind === "part") return keep(message);
  if (!views.has(parentElement)) views.set(parentElement, new Flatmap(parentElement));
  const view = views.get(parentElement);
  view.tell = { setStateValue, setTriggerValue };
  view.wanted = message;
  Promise.all([message.surface, ...message.subjects].map(part)).then(([surface, ...subjects]) => {
    if (view.wanted === message) view.update(message, surface, subjects);
  });
  return () => view.close();
}

// The highest noise ceiling of a subject, looked up once.
const highest = (subject) => (subject.highest ??= subject.nc.reduce((most, one) => (one > most ? one : most), 0));

class Flatmap {
  constructor(parent) {
    this.root = make("div", "flat", parent);
    const controls = make("div", "controls", this.root);
    [this.layerSlider, this.layerText] = this.slider(controls, "Layer");
    [this.thresholdSlider, this.thresholdText] = this.slider(controls, "Lowest noise ceiling shown, in percent");
    [this.marginSlider, this.marginText] = this.slider(controls, "Lead up to which places count as ties");
    this.marginSlider.max = MARGINS;
    this.tools(make("div", "tools", controls));
    this.body = make("div", "views", this.root);
    this.grid = make("div", "grid", this.body);
    this.stages = [];
    this.solid = new Solid(this);
    this.key = new Key(this.root);
    this.zoom = { times: 1, x: 0, y: 0 };
    this.lasso = [];
    this.listen();
  }

  slider(parent, label) {
    const control = make("label", "control", parent);
    const text = make("output", "", control);
    return [make("input", "", control, { type: "range", step: 1, min: 0, "aria-label": label }), text];
  }

  tools(parent) {
    const button = (text, title, act) => {
      const made = make("button", "", parent, { type: "button", title, "aria-label": title });
      made.textContent = text;
      made.addEventListener("click", act);
      return made;
    };
    for (const [text, title, key] of [["+", "Zoom in", "+"], ["−", "Zoom out", "-"], ["Whole", "Show the whole map", "0"]]) {
      button(text, title, () => { this.press(key); this.report(); });
    }
    this.drawButton = button("Draw", "Draw around a region", () => this.arm(!this.drawing));
    this.drawButton.setAttribute("aria-pressed", false);
    this.solidButton = button("3-D", "Show in three dimensions", () => { this.solid.toggle(); this.report(0); });
  }

  listen() {
    this.layerSlider.addEventListener("input", () => this.choose({ layer: this.map.layers[+this.layerSlider.value] }));
    this.thresholdSlider.addEventListener("input", () => this.choose({ threshold: +this.thresholdSlider.value }));
    this.marginSlider.addEventListener("input", () => this.choose({ margin: +this.marginSlider.value / 400 }));
    for (const slider of [this.layerSlider, this.thresholdSlider, this.marginSlider]) {
      slider.addEventListener("change", () => this.report());
    }
    this.watch = new ResizeObserver(() => this.surface && this.redraw());
    this.watch.observe(this.body);
  }

  close() {
    this.watch.disconnect();
    clearTimeout(this.pending);
    clearTimeout(this.solid.resting);
  }

  update(map, surface, subjects) {
    const moved = map.start.serial !== this.serial; // a link asks for a view; otherwise the reader's own stays
    if (this.subjects?.join() !== map.subjects.join()) Object.assign(this, { unit: null, vertex: null });
    Object.assign(this, { map, surface, subjects: map.subjects, serial: map.start.serial, lasso: map.lasso ?? [] });
    if (this.sheet?.surface !== surface) this.sheet = new Sheet(surface);
    this.clamp();
    this.populate(map, subjects);
    if (moved) this.begin(map.start);
    this.thresholdSlider.max = Math.floor(Math.max(10, ...subjects.map(highest)));
    this.layerSlider.max = map.layers.length - 1;
    this.layerSlider.parentElement.hidden = map.layers.length < 2;
    this.marginSlider.parentElement.hidden = !map.lead;
    this.drawButton.hidden = !map.lasso;
    this.solidButton.hidden = !this.solid.offered;
    this.key.draw(map, surface);
    this.redraw();
  }

  // A stage for each subject, and where its values begin.
  populate(map, subjects) {
    while (this.stages.length < subjects.length) this.stages.push(new Stage(this, this.grid));
    for (const stage of this.stages.splice(subjects.length)) stage.root.remove();
    this.grid.classList.toggle("several", subjects.length > 1);
    this.grid.classList.toggle("many", subjects.length > 4);
    let first = 0;
    subjects.forEach((subject, k) => {
      this.stages[k].update(subject, map.titles[k], first * map.layers.length, first);
      first += subject.nc.length;
    });
  }

  begin(start) {
    const { layer, threshold, margin = 0, unit = null, whose = "", zoom = "" } = start;
    const [times, x, y] = zoom.split(",").map(Number);
    Object.assign(this, { layer, threshold, margin, unit, vertex: null, whose: Math.max(0, this.map.titles.indexOf(whose)) });
    this.zoom = times > 1 ? { times, x, y: y - this.top } : { times: 1, x: 0, y: 0 };
    this.clamp();
    this.grid.classList.toggle("zoomed", this.zoom.times > 1);
    for (const stage of this.stages) stage.ringAt = null;
    this.solid.begin(start);
  }

  get width() {
    return this.sheet.width;
  }

  get height() {
    return this.sheet.height;
  }

  get top() {
    return this.sheet.top;
  }

  placeOf(vertex) {
    return this.sheet.placeOf(vertex);
  }

  redraw() {
    if (!this.stages.map((stage) => stage.resize()).every(Boolean)) return;
    this.solidButton.setAttribute("aria-pressed", this.solid.shown);
    this.choose({});
    this.drawLines();
    this.solid.redraw();
  }

  drawLines() {
    for (const stage of this.stages) stage.drawLines();
    this.solid.drawLines();
  }

  // layer: the number wanted; a map without it shows the nearest it has, and the wish is kept. -1 is the layer chosen
  // for each unit by training images.
  choose(wish) {
    const { map } = Object.assign(this, wish);
    this.row = map.layers.indexOf(this.layer);
    if (this.row < 0 && this.layer < 0) this.row = map.first;
    if (this.row < 0) {
      const away = map.layers.map((other) => (other < 0 ? Infinity : Math.abs(other - this.layer)));
      this.row = away.indexOf(Math.min(...away));
    }
    this.layerSlider.value = this.row;
    this.thresholdSlider.value = this.threshold;
    this.marginSlider.value = Math.round(this.margin * 400);
    const name = map.names[this.row];
    put(this.layerText, name);
    this.layerSlider.setAttribute("aria-valuetext", name);
    put(this.thresholdText, `noise ceiling ≥ ${this.threshold} %`);
    this.thresholdSlider.setAttribute("aria-valuetext", `${this.threshold} percent`);
    put(this.marginText, `tie up to ${number(this.margin, 4).replace(/0+$/, "").replace(/\.$/, "")}`);
    for (const stage of this.stages) {
      stage.canvas.setAttribute("aria-label", name ? `${map.about}, ${name}` : map.about);
      stage.paint();
    }
    this.solid.paint();
    if (map.classes) this.key.count(map, this.stages, this.threshold);
  }

  // The last choice is told to the server once the hand rests: it needs no answer to paint.
  report(rest = 400) {
    clearTimeout(this.pending);
    this.pending = setTimeout(() => {
      const { times, x, y } = this.zoom;
      const zoom = times > 1 ? [times.toFixed(2), Math.round(x), Math.round(y + this.top)].join() : "";
      const { layer, threshold, margin } = this;
      this.tell.setStateValue("view", { layer, threshold, margin, zoom, ...this.solid.state });
    }, rest);
  }

  // place: where the ring is put on the flat map; none where the hand was elsewhere
  pick(stage, unit, vertex, place = null) {
    for (const other of this.stages) other.ringAt = null;
    stage.ringAt = place;
    Object.assign(this, { unit, vertex, whose: this.stages.indexOf(stage) });
    this.solid.paint();
    this.drawLines();
    this.tell.setTriggerValue("unit", { unit, vertex, map: this.stages.indexOf(stage) });
  }

  // The vertex to ring on a stage, or -1.
  pickedVertex(stage) {
    if (this.stages[this.whose] !== stage || this.unit === null) return -1;
    return this.vertex ?? stage.vertexOf(this.unit);
  }

  // Mark a vertex in all views but the one that is pointed at.
  pointAt(view, vertex) {
    for (const other of [...this.stages, this.solid]) if (other !== view) other.markAt(vertex);
  }

  // --- Zoom: the same for all stages ---

  magnify(by, [x, y]) {
    const times = Math.max(1, Math.min(MOST, this.zoom.times * by));
    const keep = this.zoom.times / times; // what is under the pointer stays there
    this.zoom = { times, x: x + (this.zoom.x - x) * keep, y: y + (this.zoom.y - y) * keep };
    this.look();
  }

  pan(x, y) {
    this.zoom = { times: this.zoom.times, x: this.zoom.x + x, y: this.zoom.y + y };
    this.look();
  }

  // Move so that a place is in sight.
  seek([x, y]) {
    const { times } = this.zoom;
    const within = (centre, place, size) => Math.max(place - (0.45 * size) / times, Math.min(place + (0.45 * size) / times, centre));
    this.pan(within(this.zoom.x, x, this.width) - this.zoom.x, within(this.zoom.y, y, this.height) - this.zoom.y);
  }

  clamp() {
    const { times, x, y } = this.zoom;
    const inside = (centre, size) => Math.max(size / times / 2, Math.min(size - size / times / 2, centre));
    this.zoom = { times, x: inside(x, this.width), y: inside(y, this.height) };
  }

  // Once a frame at most.
  look() {
    this.clamp();
    this.grid.classList.toggle("zoomed", this.zoom.times > 1);
    this.asked ??= requestAnimationFrame(() => {
      this.asked = null;
      for (const stage of this.stages) stage.compose();
      for (const stage of this.stages) stage.drawLines();
    });
  }

  press(key) {
    const centre = [this.zoom.x, this.zoom.y];
    if (key === "+" || key === "=") this.magnify(1.5, centre);
    else if (key === "-") this.magnify(1 / 1.5, centre);
    else if (key === "0") this.magnify(0, centre);
    else return false;
    return true;
  }

  // --- A drawn region ---

  arm(drawing) {
    this.drawing = drawing;
    this.drawButton.setAttribute("aria-pressed", drawing);
    this.grid.classList.toggle("drawing", drawing);
  }

  escape() {
    if (this.lasso.length) this.enclose([]);
    this.arm(false);
  }

  enclose(points) {
    this.lasso = points;
    this.arm(false);
    this.drawLines();
    this.tell.setTriggerValue("lasso", { points });
  }
}
