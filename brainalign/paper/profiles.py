"""Profiles over layers on paper: a small chart for each region, a line for each instruction or model."""

import numpy as np
import pandas as pd

from brainalign.figures import theme
from brainalign.figures.profiles import STEP, beside, shared_ceilings
from brainalign.paper import legend
from brainalign.paper.page import Plot
from brainalign.paper.sheet import INK, line_height, wrapped

LEFT, CHART, APART, BELOW = 11.0, 17.0, 2.5, 9.0  # mm: axis, height of a chart, between charts, the lowest axis
ALONE = 48.0  # mm: height of the only chart
NARROWEST = 21.0  # mm of a chart
MARKED = "at the layers chosen by training images"


def layers(frame, colours, names, axis, about, choices=None, query="", chosen=None, relative=False, order=None):
    """A `Plot` of the mean over subjects at each layer: as `figures.layer_profile`, a chart for each region.

    frame, chosen : as there, with a column roi, which is what stands above each chart; order : of the charts
    """
    order = order or list(dict.fromkeys(frame.roi))
    groups = [group for group in names if group in set(frame.group)]
    known = chosen is not None and bool(chosen.value.notna().any())
    entries = {names[group]: legend.line(colours[group], 1.4) for group in groups}
    entries |= {"range of subjects": legend.square("#d5d8dc")} | ({MARKED: _diamond} if known else {})
    if frame.ceiling.notna().any():
        entries["noise ceiling"] = legend.line(theme.MUTED, 1.0, ":")
    high, step = CHART if len(order) > 1 else ALONE, STEP[relative]
    last = 1.0 if relative else float(frame.layer.max())
    at = beside(groups, last + step, step)
    limits = _limits(frame, chosen if known else None)

    def draw(sheet, x, y, width):
        y += legend.draw(sheet, entries, x, y, width)
        columns, wide, title = _grid(order, width)
        for k, roi in enumerate(order):
            row, column = divmod(k, columns)
            left, top = x + LEFT + column * (wide + APART), y + title + row * (high + title + APART)
            axes = sheet.axes(left, top, wide, high)
            sheet.text(left + wide / 2, top - 0.5, wrapped(named(roi), wide), ha="center", va="bottom")
            _profile(axes, frame[frame.roi == roi], groups, colours, relative)
            if known:
                _marks(axes, chosen[chosen.roi == roi], colours, at)
                axes.axvline(last + step / 2, color=theme.MUTED, lw=0.4, ls=":")
            _ceilings(axes, frame[frame.roi == roi], colours, at, 0.05 * step)
            below = k + columns >= len(order)
            axes.set(ylim=limits, xlim=(-0.4 * step, last + step * (1.5 if known else 0.5)))
            axes.tick_params(labelleft=column == 0, labelbottom=below)
            axes.set_xlabel(("depth" if relative else "layer") if below else "", labelpad=1)
            axes.set_ylabel(axis if column == 0 else "", labelpad=2)
            ticks = np.arange(0, last + 1e-6, 0.5 if relative else max(1, -(-last // 4)))
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])

    def height(width):
        columns, _, title = _grid(order, width)
        return legend.height(list(entries), width) + -(-len(order) // columns) * (high + title + APART) + BELOW - APART

    both = [frame.assign(scored_at="layer"), *([chosen.assign(scored_at="chosen")] if known else [])]
    return Plot("layers", draw, height, pd.concat(both, ignore_index=True), about, choices or {}, query)


def _grid(order, width):
    """Columns, mm of a chart, and mm of the names above them."""
    columns = max(1, min(len(order), int((width - LEFT - 1) // (NARROWEST + APART))))
    wide = (width - LEFT - 1 - (columns - 1) * APART) / columns
    wide = wide if len(order) == 1 else min(wide, 60.0)
    return columns, wide, 1 + line_height() * max(wrapped(named(roi), wide).count("\n") + 1 for roi in order)


def named(roi):
    """A region's name without what stands in brackets."""
    return roi.split(" (")[0]


def _limits(frame, chosen):
    there = np.concatenate([frame.value, frame.ceiling, [] if chosen is None else chosen.value, [0.0]])
    there = there[np.isfinite(there)]
    low, high = there.min(), there.max()
    margin = 0.06 * (high - low or 1.0)
    return low - margin, high + margin


def _profile(axes, rows, groups, colours, relative):
    """Lines of means in the ranges of subjects."""
    for group in groups:
        own = rows[rows.group == group]
        line = own.groupby("layer").value.agg(["mean", "min", "max"]).dropna()
        x = line.index / max(1, own.layer.max()) if relative else line.index
        axes.fill_between(x, line["min"], line["max"], color=colours[group], alpha=0.13, lw=0)
        axes.plot(x, line["mean"], color=colours[group], lw=1)
    axes.axhline(0, color=INK, lw=0.4)


def _marks(axes, chosen, colours, at):
    """The scores at the layers that training images choose, side by side in their column; at : group -> x."""
    for group, x in at.items():
        values = chosen[chosen.group == group].value.dropna()
        if len(values):
            axes.vlines(x, values.min(), values.max(), colours[group], linewidth=0.8)
            axes.plot(x, values.mean(), "D", ms=2.6, color=colours[group], mec="white", mew=0.3)


def _ceilings(axes, rows, colours, at, half):
    """One line where all groups share the noise ceiling, else a short one above each group's mark."""
    means, shared = shared_ceilings(rows, list(at))
    if shared:
        axes.hlines(means.iloc[:1], 0, max(at.values()) + half, theme.MUTED, ":", linewidth=1)
        return
    for group, value in means.items():
        axes.hlines(value, at[group] - half, at[group] + half, colours[group], linewidth=1.2)


def _diamond(sheet, x, y):
    from matplotlib.path import Path

    sheet.path(Path([(x + 1.6, y - 1), (x + 2.6, y), (x + 1.6, y + 1), (x + 0.6, y), (x + 1.6, y - 1)]), fill=INK)
