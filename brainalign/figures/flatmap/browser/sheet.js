// The flat surface: which of its rows have cortex, and where on it a vertex is seen.

export class Sheet {
  constructor(surface) {
    const { pixel_vertex } = surface;
    const cortex = (vertex) => vertex >= 0;
    this.surface = surface;
    this.width = pixel_vertex.shape[1];
    this.top = Math.max(0, Math.floor(pixel_vertex.findIndex(cortex) / this.width) - 4); // the first row that is shown
    const last = Math.floor(pixel_vertex.findLastIndex(cortex) / this.width) + 5;
    this.height = Math.min(last, pixel_vertex.shape[0]) - this.top;
    this.findPlaces();
  }

  // Of each vertex the sums of x and of y of its pixels, and how many they are.
  findPlaces() {
    const { pixel_vertex, sulcus } = this.surface;
    this.places = new Float32Array(3 * sulcus.length);
    for (let i = 0; i < pixel_vertex.length; i++) {
      const at = 3 * pixel_vertex[i];
      if (at < 0) continue;
      this.places[at] += (i % this.width) + 0.5;
      this.places[at + 1] += Math.floor(i / this.width) + 0.5 - this.top;
      this.places[at + 2]++;
    }
  }

  // [x, y] of a vertex, with the first shown row on top; null where it has no pixel.
  placeOf(vertex) {
    const count = vertex < 0 ? 0 : this.places[3 * vertex + 2];
    return count ? [this.places[3 * vertex] / count, this.places[3 * vertex + 1] / count] : null;
  }

  // (n_vertices,) 1 inside corners x, y, x, y ... in the surface's pixels, by how often a ray to the right crosses them.
  enclosed(corners) {
    const inside = new Uint8Array(this.surface.sulcus.length);
    for (let vertex = 0; vertex < inside.length; vertex++) {
      const place = this.placeOf(vertex);
      if (!place) continue;
      const [x, y] = [place[0], place[1] + this.top];
      for (let i = 0, j = corners.length - 2; i < corners.length; j = i, i += 2) {
        const [ax, ay, bx, by] = [corners[j], corners[j + 1], corners[i], corners[i + 1]];
        if (ay > y !== by > y && x < ax + ((y - ay) * (bx - ax)) / (by - ay)) inside[vertex] ^= 1;
      }
    }
    return inside;
  }
}
