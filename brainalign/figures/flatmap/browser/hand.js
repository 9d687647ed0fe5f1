// The reader's hand on a stage, flat (stage.js) or in three dimensions (solid.js): pointing, picking, zooming, dragging,
// drawing a region, and the same by keyboard. The stage says what they mean: under, say, leave, pick, drag, magnify,
// press and step; only a flat one has `corners` drawn on it.

export const MOST = 12; // times the zoom enlarges
const APART = 5; // screen pixels between the corners of a drawn region
const CORNERS = 80; // of a drawn region, at most

export class Hand {
  constructor(stage) {
    this.stage = stage;
    this.touching = new Map(); // pointer id -> its last event
    const lines = stage.lines;
    lines.addEventListener("pointerdown", (event) => this.down(event));
    lines.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel"]) lines.addEventListener(end, (event) => this.up(event));
    lines.addEventListener("pointerleave", () => stage.leave());
    lines.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    lines.addEventListener("keydown", (event) => this.key(event));
  }

  get view() {
    return this.stage.view;
  }

  down(event) {
    if (!this.view.surface || event.button > 0) return;
    this.stage.lines.setPointerCapture(event.pointerId);
    this.touching.set(event.pointerId, event);
    this.moved = false;
    this.from = event;
    if (this.view.drawing && this.stage.enclose) this.corners = [this.stage.under(event).place];
  }

  move(event) {
    if (!this.view.surface) return;
    const before = this.touching.get(event.pointerId);
    if (!before) return this.stage.say(this.stage.under(event));
    if (Math.hypot(event.clientX - this.from.clientX, event.clientY - this.from.clientY) > 3) this.moved = true;
    if (!this.moved) return;
    this.stage.leave();
    if (this.corners) this.draw(event);
    else if (this.touching.size > 1) this.pinch(event, before);
    else this.stage.drag(event.clientX - before.clientX, event.clientY - before.clientY, event.shiftKey);
    this.touching.set(event.pointerId, event);
  }

  up(event) {
    if (!this.touching.delete(event.pointerId)) return;
    if (this.corners) return this.finish();
    if (!this.moved && event.type === "pointerup") this.stage.pick(this.stage.under(event));
    else this.view.report();
  }

  // --- Zoom ---

  pinch(event, before) {
    const other = [...this.touching.values()].find((touch) => touch.pointerId !== event.pointerId);
    const apart = (touch) => Math.hypot(touch.clientX - other.clientX, touch.clientY - other.clientY);
    this.stage.magnify(apart(event) / Math.max(1, apart(before)), this.stage.under(event).place);
  }

  // With Ctrl, by two fingers on a touchpad, or once the map was clicked; else the page scrolls.
  wheel(event) {
    if (!event.ctrlKey && !event.metaKey && this.stage.lines.getRootNode().activeElement !== this.stage.lines) return;
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode ? 30 : 1);
    this.stage.magnify(Math.exp(-pixels / (event.ctrlKey ? 120 : 400)), this.stage.under(event).place);
    this.view.report();
  }

  // --- A drawn region ---

  draw(event) {
    const { place } = this.stage.under(event);
    const last = this.corners.at(-1);
    if (Math.hypot(place[0] - last[0], place[1] - last[1]) * this.stage.scale < APART * this.stage.ratio) return;
    this.corners.push(place);
    this.view.lasso = this.corners.flatMap(([x, y]) => [x, y + this.view.top]);
    this.view.drawLines();
  }

  finish() {
    const every = Math.ceil(this.corners.length / CORNERS);
    const kept = this.corners.filter((_, i) => i % every === 0);
    this.corners = null;
    this.stage.enclose(kept.length > 2 ? kept.flatMap(([x, y]) => [Math.round(x), Math.round(y + this.view.top)]) : []);
  }

  // --- Keyboard ---

  key(event) {
    const { view, stage } = this;
    if (!view.surface || event.altKey || event.metaKey || event.ctrlKey) return;
    const towards = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (towards) stage.step(towards, event.shiftKey ? 4 : 1);
    else if (event.key === "Enter" && stage.pointer) stage.pick({ place: stage.pointer, ...stage.at(stage.pointer) });
    else if (event.key === "Escape") view.escape();
    else if (stage.press(event.key)) view.report();
    else return;
    event.preventDefault();
  }
}
