// The key below the maps: a colour bar, or the classes with how many places they have, and the greys of the folds.

import { make, put } from "./elements.js";
import { over } from "./stage.js";

const HIGH = 64; // rows of a key in two dimensions

export class Key {
  constructor(parent) {
    const root = make("div", "key", parent);
    this.label = make("div", "label", root);
    this.scale = make("div", "bar", root);
    this.side = make("div", "rungs", this.scale);
    this.bar = make("canvas", "", this.scale, { "aria-hidden": "true" });
    this.ticks = make("div", "ticks", this.scale);
    this.second = make("div", "label", root);
    this.list = make("ul", "classes", root);
    const none = make("div", "label", root);
    this.swatch = make("span", "swatch", none);
    none.append("no value, or below the noise ceiling chosen");
  }

  draw(map, surface) {
    const bar = !map.classes || map.ordered;
    put(this.label, map.label);
    this.scale.hidden = !bar;
    this.second.hidden = !map.second;
    put(this.second, map.second ? `↑ ${map.second.label}` : "");
    this.scale.classList.toggle("two", Boolean(map.second));
    if (bar) this.drawBar(map, surface);
    this.drawClasses(map);
    const [gyrus, sulcus] = surface.greys.map((grey) => `rgb(${grey} ${grey} ${grey})`);
    this.swatch.style.background = `linear-gradient(90deg, ${gyrus} 50%, ${sulcus} 50%)`;
  }

  // The second dimension goes up; it is drawn over the mean grey of the folds.
  drawBar(map, surface) {
    this.write(this.ticks, map.ticks, "left");
    this.write(this.side, map.second?.ticks ?? [], "bottom");
    const levels = map.second?.levels ?? [255];
    const all = [...map.palette, "levels", ...levels, ...surface.greys].join();
    if (this.painted === all) return;
    this.painted = all;
    const grey = Math.round((surface.greys[0] + surface.greys[1]) / 2);
    const rows = map.second ? HIGH : 1;
    Object.assign(this.bar, { width: 256, height: rows });
    const pen = this.bar.getContext("2d");
    const image = pen.createImageData(256, rows);
    const pixels = new Uint32Array(image.data.buffer);
    for (let row = 0; row < rows; row++) {
      const weight = levels[Math.floor(((rows - 1 - row) / rows) * levels.length)];
      for (let i = 0; i < 256; i++) {
        const [red, green, blue] = map.palette.subarray(3 * i, 3 * i + 3);
        pixels[row * 256 + i] = over((weight << 24) | (blue << 16) | (green << 8) | red, grey);
      }
    }
    pen.putImageData(image, 0, 0);
  }

  write(parent, ticks, side) {
    parent.replaceChildren();
    for (const [place, text] of ticks) {
      const tick = make("span", "", parent);
      tick.style[side] = `${100 * place}%`;
      tick.append(text);
    }
  }

  drawClasses(map) {
    this.list.replaceChildren();
    this.counts = [];
    const shown = !map.classes ? [] : map.ordered ? (map.lead ? [map.classes.length - 1] : []) : map.classes.keys();
    for (const k of shown) {
      const [name, colour] = map.classes[k];
      const item = make("li", "", this.list);
      make("span", "swatch", item).style.background = colour;
      make("span", "", item).textContent = name;
      this.counts[k] = make("span", "fine", item);
    }
    this.list.hidden = !this.list.children.length;
  }

  // The share of the units shown that each class has.
  count(map, stages, threshold) {
    const found = new Array(map.classes.length).fill(0);
    for (const stage of stages) {
      stage.subject.nc.forEach((nc, unit) => {
        const value = stage.value(unit);
        if (nc >= threshold && !Number.isNaN(value)) found[Math.round(value)]++;
      });
    }
    const all = found.reduce((a, b) => a + b, 0);
    this.counts.forEach((place, k) => (place.textContent = ` ${all ? Math.round((100 * found[k]) / all) : 0} %`));
  }
}
