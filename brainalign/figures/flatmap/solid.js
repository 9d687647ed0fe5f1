// Cortex in three dimensions beside the flat maps: the same vertices in the same colours, turned by hand. It shows the
// map that was picked last; what is pointed at, picked or drawn in one view is marked in the other. `view` is the
// Flatmap (component.js), `stage` the flat map (stage.js) that it shows, `raster` the image (raster.js) it looks like.

const SHAPES = { infl: "Inflated", pial: "Pial" };
const SEEN = { behind: "Behind", left: "Left", right: "Right", below: "Below", inside: "Inside" };
const FINE = 2; // pixels of the raster for one of the page, at rest; in motion there is one
const REST = 160; // milliseconds without a turn
const TURN = 0.45; // degrees that a pixel's drag turns
const ARROW = 6; // degrees that an arrow key turns
const HELP = "Turned surface: arrows turn it, plus and minus zoom, 0 shows it whole; a click picks a place";
const NONE = "This store's surface is not fsaverage5; there is none in three dimensions for it.";

class Solid {
  constructor(view) {
    this.view = view;
    this.raster = new Raster();
    this.meshes = {};
  }

  build(parent) {
    this.root = make("div", "solid", parent, { role: "group", "aria-label": "Surface in three dimensions" });
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
    return this.shown ? { solid: "True", surface: this.shape, side: textOf(this.pose) } : { solid: "", surface: "", side: "" };
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
    this.raster.draw(this.mesh, this.pose);
    const side = textOf(this.pose);
    for (const button of this.sides) button.setAttribute("aria-pressed", button.value === side);
    const seen = SEEN[side] ? `seen from ${SEEN[side].toLowerCase()}` : "turned";
    this.canvas.dataset.pose = `${this.shape} ${side}`;
    this.canvas.setAttribute("aria-label", `${this.view.map.about}, on the ${SHAPES[this.shape].toLowerCase()} surface of fsaverage5, ${seen}`);
    this.paint();
    this.drawLines();
  }

  // In the colours of the flat map's vertices.
  paint() {
    if (!this.shown || !this.mesh || !this.raster.width) return;
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
  }

  // --- Where things are: a place is [x, y] in pixels of the page ---

  under(event) {
    const box = this.lines.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const { raster } = this;
    const [column, row] = [Math.floor((x / box.width) * raster.width), Math.floor((y / box.height) * raster.height)];
    const inside = this.mesh && column >= 0 && row >= 0 && column < raster.width && row < raster.height;
    const vertex = inside ? raster.vertex[row * raster.width + column] : -1;
    return { x, y, box, place: [x, y], vertex, unit: vertex < 0 ? -1 : this.stage.subject.vertex_unit[vertex] };
  }

  // [x, y] on the lines' canvas, and whether nothing lies before it; of a vertex or between two.
  onScreen(a, b = a) {
    const { raster } = this;
    const [x, y, z] = [raster.x, raster.y, raster.z].map((of) => (of[a] + of[b]) / 2);
    const times = this.lines.width / raster.width;
    return [x * times, y * times, raster.sees(x, y, z)];
  }

  // --- Outlines, what is picked and drawn ---

  drawLines() {
    if (!this.shown || !this.mesh || !this.raster.width) return;
    const { map } = this.view;
    const pen = this.lines.getContext("2d");
    pen.clearRect(0, 0, this.lines.width, this.lines.height);
    pen.lineJoin = pen.lineCap = "round";
    const outlines = this.trace(this.bordersOf("rois", map.rois, () => this.roiBorders()));
    const thin = 0.65 * map.width * this.ratio;
    for (const [line, colour] of strokes(map)) {
      pen.lineWidth = line * thin;
      pen.strokeStyle = colour;
      pen.stroke(outlines);
    }
    this.drawRegion(pen);
    this.drawRing(pen);
    this.drawSides(pen);
    this.mark.hidden = true;
  }

  // Kept until what they depend on changes.
  bordersOf(name, by, find) {
    const kept = (this.kept ??= {});
    const key = [...by].join();
    if (kept[name]?.key !== key || kept[name].subject !== this.stage.subject) {
      kept[name] = { key, subject: this.stage.subject, found: find() };
    }
    return kept[name].found;
  }

  roiBorders() {
    const { stage } = this;
    const units = stage.subject.vertex_unit;
    const shown = this.view.map.rois.map((name) => stage.subject.rois.indexOf(name)).filter((roi) => roi >= 0);
    return shown.flatMap((roi) => borders(this.mesh.faces, Uint8Array.from(units, (unit) => stage.isIn(roi, unit))));
  }

  trace(edges) {
    const path = new Path2D();
    for (let i = 0; i < edges.length; i += 4) {
      const from = this.onScreen(edges[i], edges[i + 1]);
      const to = this.onScreen(edges[i + 2], edges[i + 3]);
      if (!from[2] || !to[2]) continue;
      path.moveTo(from[0], from[1]);
      path.lineTo(to[0], to[1]);
    }
    return path;
  }

  drawRegion(pen) {
    const { lasso } = this.view;
    if (lasso.length < 6) return;
    const border = this.trace(this.bordersOf("drawn", lasso, () => borders(this.mesh.faces, this.view.enclosed(lasso))));
    for (const [line, colour] of [[3.5, "#000"], [2, "#ffd166"]]) {
      pen.lineWidth = line * this.ratio;
      pen.strokeStyle = colour;
      pen.stroke(border);
    }
  }

  // Around the picked place; dashed where it is behind.
  drawRing(pen) {
    const vertex = this.view.pickedVertex(this.stage);
    if (vertex < 0) return;
    const [x, y, seen] = this.onScreen(vertex);
    if (!seen) pen.setLineDash([3 * this.ratio, 3 * this.ratio]);
    ring(pen, [x, y], this.ratio);
    pen.setLineDash([]);
    Object.assign(this.lines.dataset, { vertex, x: x / this.ratio, y: y / this.ratio, seen });
  }

  // Which hemisphere is which, under each; of one behind the other only the nearer.
  drawSides(pen) {
    const { mesh, raster } = this;
    const [left, right] = [0, mesh.n / 2].map((first) => {
      const middle = (of) => { const [low, high] = mesh.range(0, first, first + mesh.n / 2, (v) => of[v]); return (low + high) / 2; };
      return { x: middle(raster.x), z: middle(raster.z) };
    });
    const apart = Math.abs(left.x - right.x) > raster.width / 12;
    const times = this.lines.width / raster.width;
    pen.font = `600 ${14 * this.ratio}px ${getComputedStyle(this.root).fontFamily}`;
    pen.fillStyle = getComputedStyle(this.root).color;
    pen.textAlign = "center";
    pen.globalAlpha = 0.65;
    for (const [name, own, other] of [["L", left, right], ["R", right, left]]) {
      if (apart || own.z > other.z) pen.fillText(name, own.x * times, this.lines.height - 4 * this.ratio);
    }
    pen.globalAlpha = 1;
  }

  // A place that is pointed at elsewhere.
  markAt(vertex) {
    if (!this.shown || !this.mesh || !this.raster.width) return;
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
    const { pose, raster } = this;
    const mm = raster.width / this.lines.clientWidth / raster.scale;
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
    const { pose, raster } = this;
    const times = Math.max(1, Math.min(MOST, pose.times * by));
    const { clientWidth, clientHeight } = this.lines;
    const mm = (raster.width / clientWidth / raster.scale) * (1 - pose.times / times);
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
