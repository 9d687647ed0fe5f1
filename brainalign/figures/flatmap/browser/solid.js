// Cortex in three dimensions beside the flat maps: the same vertices in the same colours, turned by hand. It shows the
// map that was picked last; what is pointed at, picked or drawn in one view is marked in the other. `view` is the
// Flatmap (component.js), `stage` the flat map (stage.js) that it shows, `raster` the image (raster.js) it looks like,
// `vectors` what lies over it (contours.js).

import { SolidLines } from "./contours.js";
import { make } from "./elements.js";
import { Hand, MOST } from "./hand.js";
import { part } from "./parts.js";
import { Mesh, poseOf, Raster, textOf } from "./raster.js";

const SHAPES = { infl: "Inflated", pial: "Pial" };
const SEEN = { behind: "Behind", left: "Left", right: "Right", below: "Below", inside: "Inside" };
const FROM = { behind: "from behind", left: "from the left", right: "from the right", below: "from below", inside: "opened" };
const FINE = 2; // pixels of the raster for one of the page, at rest; in motion there is one
const REST = 160; // milliseconds without a turn
const TURN = 0.45; // degrees that a pixel's drag turns
const ARROW = 6; // degrees that an arrow key turns
const HELP = "Turned surface: arrows turn it, plus and minus zoom, 0 shows it whole; a click picks a place";
const NONE = "This store's surface is not fsaverage5; there is none in three dimensions for it.";

export class Solid {
  constructor(view) {
    this.view = view;
    this.raster = new Raster();
    this.vectors = new SolidLines(this);
    this.meshes = {};
  }

  build(parent) {
    this.root = make("div", "solid", parent, { role: "group", "aria-label": "Surface in three dimensions" });
    this.which = make("div", "which", this.root); // of several maps
    this.shapes = this.choices("Surface", SHAPES, (shape) => this.choose({ shape }));
    this.sides = this.choices("Seen from", SEEN, (side) => this.choose({ pose: poseOf(side) }));
    this.body = make("div", "stage", this.root);
    this.canvas = make("canvas", "cast", this.body, { role: "img" });
    this.lines = make("canvas", "lines", this.body, { tabindex: "0", role: "application", "aria-label": HELP });
    this.note = make("div", "note", this.body, { role: "status" });
    this.tip = make("div", "tip", this.body, { hidden: "", role: "status" });
    this.mark = make("span", "mark", this.body, { hidden: "" });
    this.image = document.createElement("canvas"); // of the raster
    new Hand(this);
  }

  choices(label, names, act) {
    const group = make("div", "tools", this.root, { role: "group", "aria-label": label });
    return Object.entries(names).map(([value, text]) => {
      const button = make("button", "", group, { type: "button", value });
      button.textContent = text;
      button.addEventListener("click", () => act(value));
      return button;
    });
  }

  get stage() {
    return this.view.stages[this.view.whose] ?? this.view.stages[0];
  }

  get ready() {
    return this.shown && this.mesh && this.raster.width > 0;
  }

  get offered() {
    return this.view.map.solid !== undefined;
  }

  // --- Being shown ---

  begin({ solid = "", surface = "infl", side = "behind" }) {
    this.shown = this.offered && Boolean(solid);
    this.shape = surface in SHAPES ? surface : "infl";
    this.pose = poseOf(side);
  }

  // What the link keeps.
  get state() {
    if (!this.shown) return { solid: "", surface: "", side: "" };
    return { solid: "True", surface: this.shape, side: textOf(this.pose) };
  }

  toggle() {
    this.shown = !this.shown;
    this.view.redraw();
  }

  choose(wish) {
    Object.assign(this, wish);
    this.redraw();
    this.view.report();
  }

  redraw() {
    this.view.body.classList.toggle("both", this.shown);
    if (this.root) this.root.hidden = !this.shown;
    if (!this.shown) return;
    if (!this.root) this.build(this.view.body);
    for (const [buttons, on] of [[this.shapes, this.shape], [this.sides, textOf(this.pose)]]) {
      for (const button of buttons) button.setAttribute("aria-pressed", button.value === on);
    }
    const { solid } = this.view.map;
    this.note.textContent = solid ? "Fetching the surface …" : NONE;
    if (!solid) return;
    part(solid).then((found) => {
      this.note.textContent = "";
      this.mesh = this.meshes[this.shape] ??= new Mesh(found, this.shape);
      this.turn();
    });
  }

  // Once a frame at most: coarse while it moves, fine when it rests.
  turn(moving = false) {
    clearTimeout(this.resting);
    this.detail = moving ? 1 : FINE;
    if (moving) this.resting = setTimeout(() => this.turn(), REST);
    this.asked ??= requestAnimationFrame(() => {
      this.asked = null;
      if (this.shown && this.mesh && this.resize()) this.draw();
    });
  }

  resize() {
    this.ratio = window.devicePixelRatio || 1;
    const [width, height] = [this.body.clientWidth, this.body.clientHeight];
    for (const canvas of [this.canvas, this.lines]) {
      const size = { width: Math.round(width * this.ratio), height: Math.round(height * this.ratio) };
      if (canvas.width !== size.width || canvas.height !== size.height) Object.assign(canvas, size);
    }
    this.raster.resize(Math.round(width * this.detail), Math.round(height * this.detail));
    return width > 0 && height > 0;
  }

  draw() {
    const { mesh, pose, raster } = this;
    const asked = [this.shape, ...Object.values(pose), raster.width, raster.height].join();
    if (this.drawn !== asked) raster.draw(mesh, pose); // else only the colours are new
    this.drawn = asked;
    const side = textOf(pose);
    for (const button of this.sides) button.setAttribute("aria-pressed", button.value === side);
    this.canvas.dataset.pose = `${this.shape} ${side}`;
    const where = `on the ${SHAPES[this.shape].toLowerCase()} surface of fsaverage5, ${FROM[side] ?? "turned"}`;
    this.canvas.setAttribute("aria-label", `${this.view.map.about}, ${where}`);
    this.paint();
    this.drawLines();
  }

  // In the colours of the flat map's vertices.
  paint() {
    if (!this.ready) return;
    const { image, raster } = this;
    if (image.width !== raster.width || image.height !== raster.height) {
      Object.assign(image, { width: raster.width, height: raster.height });
      this.data = null;
    }
    const pen = image.getContext("2d");
    this.data ??= pen.createImageData(image.width, image.height);
    raster.paint(new Uint32Array(this.data.data.buffer), this.stage.vertices);
    pen.putImageData(this.data, 0, 0);
    const { canvas } = this;
    const screen = canvas.getContext("2d");
    screen.clearRect(0, 0, canvas.width, canvas.height);
    screen.drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.dataset.painted = this.stage.canvas.dataset.painted;
    this.which.textContent = this.stage.title.textContent;
  }

  // --- Where things are: a place is [x, y] in pixels of the page ---

  // Of a pixel.
  get mm() {
    return this.raster.width / this.lines.clientWidth / this.raster.fit / this.pose.times;
  }

  under(event) {
    const box = this.lines.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    return { x, y, box, place: [x, y], ...this.at(x, y) };
  }

  at(x, y) {
    const { raster, lines } = this;
    const column = Math.floor((x / lines.clientWidth) * raster.width);
    const row = Math.floor((y / lines.clientHeight) * raster.height);
    const inside = this.ready && column >= 0 && row >= 0 && column < raster.width && row < raster.height;
    const vertex = inside ? raster.vertex[row * raster.width + column] : -1;
    return { vertex, unit: vertex < 0 ? -1 : this.stage.subject.vertex_unit[vertex] };
  }

  // [x, y] on the lines' canvas, and whether nothing lies before it; of a vertex or between two.
  onScreen(a, b = a) {
    const { raster } = this;
    const [x, y, z] = [raster.x, raster.y, raster.z].map((of) => (of[a] + of[b]) / 2);
    const times = this.lines.width / raster.width;
    return [x * times, y * times, raster.sees(x, y, z)];
  }

  drawLines() {
    if (!this.ready) return;
    this.vectors.draw();
    this.mark.hidden = true;
  }

  // A place that is pointed at elsewhere.
  markAt(vertex) {
    if (!this.ready) return;
    const [x, y, seen] = vertex < 0 ? [] : this.onScreen(vertex);
    this.mark.hidden = !seen;
    if (seen) this.mark.style.transform = `translate(${x / this.ratio}px, ${y / this.ratio}px)`;
  }

  // --- The reader's hand (hand.js) ---

  say(at) {
    at.vertex < 0 ? (this.tip.hidden = true) : this.stage.say(at, this.tip);
    this.view.pointAt(this, at.vertex);
  }

  pick({ unit, vertex }) {
    if (unit >= 0) this.view.pick(this.stage, unit, vertex);
  }

  drag(right, down, shift) {
    const { pose, mm } = this;
    if (shift) Object.assign(pose, { x: pose.x - right * mm, y: pose.y + down * mm });
    else this.rotate(-right * TURN, down * TURN);
    this.turn(true);
  }

  rotate(round, up) {
    const within = ((this.pose.round + round + 540) % 360) - 180;
    Object.assign(this.pose, { round: within, up: Math.max(-90, Math.min(90, this.pose.up + up)) });
  }

  // What is at a place stays there.
  magnify(by, [x, y]) {
    const { pose } = this;
    const times = Math.max(1, Math.min(MOST, pose.times * by));
    const mm = this.mm * (1 - pose.times / times);
    const { clientWidth, clientHeight } = this.lines;
    Object.assign(pose, { times, x: pose.x + (x - clientWidth / 2) * mm, y: pose.y - (y - clientHeight / 2) * mm });
    if (times === 1) Object.assign(pose, { x: 0, y: 0 });
    this.turn(true);
  }

  step([right, down], times) {
    this.rotate(-right * ARROW * times, down * ARROW * times);
    this.turn(true);
    this.view.report();
  }

  press(key) {
    const middle = [this.lines.clientWidth / 2, this.lines.clientHeight / 2];
    const by = { "+": 1.5, "=": 1.5, "-": 1 / 1.5, 0: 0 }[key];
    if (by !== undefined) this.magnify(by, middle);
    return by !== undefined;
  }

  leave() {
    this.tip.hidden = true;
    this.view.pointAt(this, -1);
  }
}
