// What lies over a painted map in vectors: outlines and names of ROIs, what is picked, pointed at and drawn.

const PLACES = [[0, 0], [0, -0.7], [0, 0.7], [0, -1.3], [0, 1.3], [-0.5, 0], [0.5, 0]]; // of a name, in its own size
export const DRAWN = [[3.5, "#000"], [2, "#ffd166"]]; // a drawn region's lines as [width, colour], the halo first

// Those of ROIs: seen on any colour.
export const strokes = ({ dark }) => [[3, dark ? "rgb(255 255 255 / 60%)" : "rgb(0 0 0 / 55%)"], [1.3, dark ? "#222" : "#fff"]];

export function ring(pen, [x, y], ratio) {
  for (const [line, colour] of [[4, "#000"], [2, "#fff"]]) {
    pen.lineWidth = line * ratio;
    pen.strokeStyle = colour;
    pen.beginPath();
    pen.arc(x, y, 7 * ratio, 0, 2 * Math.PI);
    pen.stroke();
  }
}

// names: [{name, at: [x, y], fits: whether a place belongs to what is named}]. Of each the first place near the wanted
// one that fits and is clear of other names; without any it is left out: pointing still names it. Returns how many.
export function writeNames(pen, names, size) {
  const { width, height } = pen.canvas;
  pen.font = `600 ${size}px ${getComputedStyle(pen.canvas).fontFamily}`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.lineWidth = size / 4;
  pen.strokeStyle = "rgb(0 0 0 / 80%)";
  pen.fillStyle = "#fff";
  const taken = [];
  for (const { name, at, fits } of names) {
    const wide = pen.measureText(name).width;
    const half = wide / 2 + 2;
    const free = ([x, y]) =>
      x >= half && x <= width - half && y >= size && y <= height - size && fits(x, y) &&
      taken.every((other) => Math.abs(other.x - x) > half + other.half || Math.abs(other.y - y) > size * 1.1);
    const place = PLACES.map(([dx, dy]) => [at[0] + dx * wide, at[1] + dy * size]).find(free);
    if (!place) continue;
    taken.push({ x: place[0], y: place[1], half });
    pen.strokeText(name, ...place);
    pen.fillText(name, ...place);
  }
  return taken.length;
}

// On a flat map.
export class FlatLines {
  constructor(stage) {
    this.stage = stage;
  }

  draw() {
    const { stage } = this;
    const { map, zoom, lasso, width, height } = stage.view;
    const picked = stage.view.pickedVertex(stage);
    const held = [map.rois, map.width, map.dark, zoom, lasso, picked, stage.ringAt, stage.pointer, width, height];
    const all = JSON.stringify([...held, stage.lines.width, stage.lines.height]);
    if (this.subject === stage.subject && this.drawn === all) return; // another map has the same lines
    this.drawn = all;
    const pen = stage.lines.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, stage.lines.width, stage.lines.height);
    const drawn = map.rois.map((name) => stage.subject.rois.indexOf(name)).filter((i) => i >= 0);
    const thin = (stage.canvas.width / stage.ratio < 500 ? 0.65 : 1) * map.width;
    const [x, y] = stage.corner;
    pen.setTransform(stage.scale, 0, 0, stage.scale, -x * stage.scale, -y * stage.scale);
    pen.lineJoin = pen.lineCap = "round";
    for (const [line, colour] of strokes(map)) {
      pen.lineWidth = (line * thin * stage.ratio) / stage.scale;
      pen.strokeStyle = colour;
      for (const roi of drawn) pen.stroke(this.path(roi));
    }
    this.drawRegion(pen);
    pen.setTransform(1, 0, 0, 1, 0, 0);
    this.drawNames(pen, drawn);
    this.drawPicked(pen);
    if (stage.pointer) this.drawPointer(pen);
  }

  // Closed polylines of one ROI, rounded: a curve through the middle of each stretch.
  path(roi) {
    const { subject, view } = this.stage;
    if (this.subject !== subject) Object.assign(this, { subject, paths: new Map() });
    if (this.paths.has(roi)) return this.paths.get(roi);
    const { points, outlines } = subject;
    const path = new Path2D();
    let at = outlines.slice(0, roi).flat().reduce((a, b) => a + b, 0);
    for (const length of outlines[roi]) {
      const point = (i) => [0, 1].map((k) => points[2 * (at + (i % (length - 1))) + k] - k * view.top);
      const middle = (i) => point(i).map((p, k) => (p + point(i + 1)[k]) / 2);
      path.moveTo(...middle(0));
      for (let i = 1; i < length; i++) path.quadraticCurveTo(...point(i), ...middle(i));
      at += length;
    }
    this.paths.set(roi, path);
    return path;
  }

  drawNames(pen, drawn) {
    const { stage } = this;
    const [left, top] = stage.corner;
    const names = drawn.flatMap((roi) =>
      stage.subject.labels[roi].map(([x, y]) => ({
        name: stage.subject.rois[roi],
        at: stage.toScreen([x, y - stage.view.top]),
        fits: (x, y) => stage.isIn(roi, stage.at([x / stage.scale + left, y / stage.scale + top]).unit),
      })),
    );
    const size = Math.max(10, Math.min(15, stage.root.clientWidth / 85)) * stage.ratio;
    stage.lines.dataset.names = writeNames(pen, names, size);
  }

  drawPicked(pen) {
    const { stage } = this;
    const vertex = stage.view.pickedVertex(stage);
    const place = stage.ringAt ?? stage.view.placeOf(vertex);
    if (vertex >= 0 && place) ring(pen, stage.toScreen(place), stage.ratio);
  }

  // Of the keyboard.
  drawPointer(pen) {
    const { stage } = this;
    const [x, y] = stage.toScreen(stage.pointer);
    const arm = 9 * stage.ratio;
    for (const [line, colour] of [[4, "#000"], [1.5, "#fff"]]) {
      pen.lineWidth = line * stage.ratio;
      pen.strokeStyle = colour;
      pen.beginPath();
      pen.moveTo(x - arm, y);
      pen.lineTo(x + arm, y);
      pen.moveTo(x, y - arm);
      pen.lineTo(x, y + arm);
      pen.stroke();
    }
  }

  // Its corners are in the surface's own pixels.
  drawRegion(pen) {
    const { stage } = this;
    const points = stage.view.lasso;
    if (points.length < 4) return;
    pen.beginPath();
    for (let i = 0; i < points.length; i += 2) pen.lineTo(points[i], points[i + 1] - stage.view.top);
    pen.closePath();
    const pixel = stage.ratio / stage.scale;
    for (const [k, [line, colour]] of DRAWN.entries()) {
      pen.lineWidth = line * pixel;
      pen.setLineDash(k ? [6 * pixel, 4 * pixel] : []);
      pen.strokeStyle = colour;
      pen.stroke();
    }
    pen.setLineDash([]);
  }
}
