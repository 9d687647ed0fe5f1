// What lies over cortex in three dimensions in vectors. An outline runs through the triangles that a region cuts, as on
// the flat map, and is drawn where nothing lies before it.

import { DRAWN, ring, strokes, writeNames } from "./lines.js";

// Where a region of vertices ends: the triangles that it cuts, [a, b, c, ...] as they are wound, each with the corner
// first that is alone on its side; so the outline runs from the middle of a-b to that of a-c. A vertex alone is no region.
function borders(faces, inside) {
  const joined = new Uint8Array(inside.length);
  const cut = [];
  for (let f = 0; f < faces.length; f += 3) {
    const own = inside[faces[f]] + inside[faces[f + 1]] + inside[faces[f + 2]];
    if (own === 1 || own === 2) cut.push([faces[f], faces[f + 1], faces[f + 2]]);
    if (own > 1) for (let k = f; k < f + 3; k++) if (inside[faces[k]]) joined[faces[k]] = 1;
  }
  return cut
    .filter((corners) => corners.some((vertex) => joined[vertex]))
    .flatMap((corners) => {
      const few = inside[corners[0]] + inside[corners[1]] + inside[corners[2]] === 1;
      const alone = corners.findIndex((vertex) => Boolean(inside[vertex]) === few);
      return [0, 1, 2].map((k) => corners[(alone + k) % 3]);
    });
}

export class SolidLines {
  constructor(solid) {
    this.solid = solid;
    this.kept = {};
  }

  draw() {
    const { lines, ratio, view } = this.solid;
    const pen = lines.getContext("2d");
    pen.clearRect(0, 0, lines.width, lines.height);
    pen.lineJoin = pen.lineCap = "round";
    const rois = view.map.rois.map((name) => this.stage.subject.rois.indexOf(name)).filter((roi) => roi >= 0);
    const outlines = this.borders("rois", rois, () => rois.flatMap((roi) => this.around(roi)));
    this.stroke(pen, outlines, strokes(view.map), 0.65 * view.map.width);
    this.stroke(pen, this.borders("drawn", view.lasso, () => this.region()), DRAWN, 1);
    const size = Math.max(10, Math.min(13, lines.clientWidth / 40)) * ratio;
    writeNames(pen, this.names(rois), size);
    this.drawPicked(pen);
    this.drawSides(pen);
  }

  get stage() {
    return this.solid.stage;
  }

  // Kept until what they depend on changes.
  borders(name, by, find) {
    const { subject } = this.stage;
    const key = by.join();
    const kept = this.kept[name];
    if (kept?.key === key && kept.subject === subject) return kept.found;
    this.kept[name] = { key, subject, found: find() };
    return this.kept[name].found;
  }

  around(roi) {
    const inside = Uint8Array.from(this.stage.subject.vertex_unit, (unit) => this.stage.isIn(roi, unit));
    return borders(this.solid.mesh.faces, inside);
  }

  region() {
    const { view, mesh } = this.solid;
    return borders(mesh.faces, view.sheet.enclosed(view.lasso));
  }

  stroke(pen, triangles, strokes, width) {
    const path = new Path2D();
    for (let i = 0; i < triangles.length; i += 3) {
      const [a, b, c] = [triangles[i], triangles[i + 1], triangles[i + 2]];
      if (!this.solid.raster.faces(a, b, c)) continue;
      const [from, to] = [this.solid.onScreen(a, b), this.solid.onScreen(a, c)];
      if (!from[2] || !to[2]) continue;
      path.moveTo(from[0], from[1]);
      path.lineTo(to[0], to[1]);
    }
    for (const [line, colour] of strokes) {
      pen.lineWidth = line * width * this.solid.ratio;
      pen.strokeStyle = colour;
      pen.stroke(path);
    }
  }

  // Where the flat map has them, if that is in sight.
  names(rois) {
    const { solid, stage } = this;
    const { subject, view } = stage;
    const fits = (roi) => (x, y) => stage.isIn(roi, solid.at(x / solid.ratio, y / solid.ratio).unit);
    return rois.flatMap((roi) =>
      subject.labels[roi].flatMap(([x, y]) => {
        const { vertex } = stage.at([x, y - view.top]);
        const [left, top, seen] = vertex < 0 ? [] : solid.onScreen(vertex);
        return seen ? [{ name: subject.rois[roi], at: [left, top], fits: fits(roi) }] : [];
      }),
    );
  }

  // Dashed where it is behind.
  drawPicked(pen) {
    const { view, ratio } = this.solid;
    const vertex = view.pickedVertex(this.stage);
    if (vertex < 0) return;
    const [x, y, seen] = this.solid.onScreen(vertex);
    if (!seen) pen.setLineDash([3 * ratio, 3 * ratio]);
    ring(pen, [x, y], ratio);
    pen.setLineDash([]);
  }

  // Which hemisphere is which, below each; of one behind the other only the nearer.
  drawSides(pen) {
    const { mesh, raster, lines, ratio, root } = this.solid;
    const half = mesh.n / 2;
    const middle = (of, first) => mesh.range(0, first, first + half, (v) => of[v]).reduce((a, b) => (a + b) / 2);
    const [left, right] = [0, half].map((first) => ({ x: middle(raster.x, first), z: middle(raster.z, first) }));
    const apart = Math.abs(left.x - right.x) > raster.width / 12;
    pen.font = `600 ${14 * ratio}px ${getComputedStyle(root).fontFamily}`;
    pen.fillStyle = getComputedStyle(root).color;
    pen.textBaseline = "alphabetic";
    pen.globalAlpha = 0.65;
    for (const [name, own, other] of [["L", left, right], ["R", right, left]]) {
      if (apart || own.z > other.z) pen.fillText(name, (own.x / raster.width) * lines.width, lines.height - 4 * ratio);
    }
    pen.globalAlpha = 1;
  }
}
