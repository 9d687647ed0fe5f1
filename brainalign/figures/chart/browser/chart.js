// A Plotly chart in the page. Messages are described in ../__init__.py; text goes in as Plotly's, never as HTML of ours.

import Plotly from "./plotly.js";

const CORNERS = { width: 24, height: 24, path: "M3 3h7v2H5v5H3zM14 3h7v7h-2V5h-5zM3 14h2v5h5v2H3zM19 14h2v7h-7v-2h5z" };
const charts = new WeakMap();

export default function ({ data, parentElement }) {
  if (!charts.has(parentElement)) charts.set(parentElement, new Chart(parentElement));
  const chart = charts.get(parentElement);
  chart.draw(data);
  return () => {
    chart.close();
    charts.delete(parentElement);
  };
}

class Chart {
  constructor(parent) {
    this.at = document.createElement("div");
    this.at.setAttribute("role", "img");
    parent.append(this.at);
    this.watch = new ResizeObserver(() => this.fit());
    this.watch.observe(this.at);
  }

  draw(told) {
    if (told === this.told) return; // so that what the reader hid or enlarged stays
    this.told = told;
    const { alt, figure } = JSON.parse(told);
    this.at.setAttribute("aria-label", alt);
    this.height = figure.layout.height;
    const whole = { name: "whole", title: "Whole screen", icon: CORNERS, click: () => this.at.requestFullscreen() };
    Plotly.react(this.at, figure.data, figure.layout, {
      displaylogo: false,
      showSendToCloud: false, // what is shown is the lab's own
      plotlyServerURL: "",
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
      modeBarButtonsToAdd: [whole],
      toImageButtonOptions: { filename: "brainalign", scale: 2 },
    });
  }

  fit() {
    const { clientWidth: width, clientHeight } = this.at;
    const height = document.fullscreenElement === this.at ? clientHeight : this.height;
    const { width: now, height: high } = this.at._fullLayout ?? {};
    if (width && now && (width !== now || height !== high)) Plotly.relayout(this.at, { width, height });
  }

  close() {
    this.watch.disconnect();
    Plotly.purge(this.at);
    this.at.remove();
  }
}
