"""Profiles over layers on paper: a small chart for each region, a line for each instruction or model."""

import numpy as np

from brainalign.figures import frames, theme
from brainalign.paper import legend
from brainalign.paper.page import Plot
from brainalign.paper.sheet import INK, line_height, wrapped
from brainalign.tables import rois as known_rois

LEFT, CHART, APART, BELOW = 11.0, 17.0, 2.5, 9.0  # mm: axis, height of a chart, between charts, the lowest axis
ALONE = 48.0  # mm: height of the only chart
NARROWEST = 21.0  # mm of a chart


def layers(frame, colours, names, axis, about, choices=None, query="", chosen=None):
    """A `Plot` of the mean over subjects at each layer.

    frame : one row a subject, region, group and layer: subject, roi, group, layer, value, ceiling (NaN: none drawn);
        `roi` is what stands above each chart
    colours, names : group -> colour, group -> what the legend says
    chosen : (region, group) -> the layer that training images choose, mean over subjects; without it the layer with
        the highest mean is marked
    """
    order = frames.in_order(set(frame.roi), known_rois())
    groups = [group for group in names if group in set(frame.group)]
    means = frame.groupby(["roi", "group", "layer"]).value.mean()
    entries = {names[group]: legend.line(colours[group], 1.4) for group in groups}
    entries["chosen layer" if chosen else "best layer"] = legend.dot("white", INK)
    if frame.ceiling.notna().any():
        entries["noise ceiling"] = legend.line(theme.MUTED, 1.0, ":")
    high = CHART if len(order) > 1 else ALONE
    ceiling = frame.drop_duplicates(["subject", "roi"]).groupby("roi").ceiling.mean()
    limits = _limits(means, ceiling)

    def draw(sheet, x, y, width):
        y += legend.draw(sheet, entries, x, y, width)
        columns, wide, title = _grid(order, width)
        for k, roi in enumerate(order):
            row, column = divmod(k, columns)
            left, top = x + LEFT + column * (wide + APART), y + title + row * (high + title + APART)
            axes = sheet.axes(left, top, wide, high)
            sheet.text(left + wide / 2, top - 0.5, wrapped(named(roi), wide), ha="center", va="bottom")
            at = {group: chosen.get((roi, group), np.nan) for group in groups} if chosen else None
            _profile(axes, means[roi], ceiling[roi], groups, colours, at)
            last = k + columns >= len(order)
            axes.set(ylim=limits, xlim=(frame.layer.min() - 0.4, frame.layer.max() + 0.4))
            axes.tick_params(labelleft=column == 0, labelbottom=last)
            axes.set_xlabel("layer" if last else "", labelpad=1)
            axes.set_ylabel(axis if column == 0 else "", labelpad=2)
            axes.xaxis.get_major_locator().set_params(integer=True, nbins=5)

    def height(width):
        columns, _, title = _grid(order, width)
        return legend.height(list(entries), width) + -(-len(order) // columns) * (high + title + APART) + BELOW - APART

    return Plot("layers", draw, height, frame, about, choices or {}, query)


def _grid(order, width):
    """Columns, mm of a chart, and mm of the names above them."""
    columns = max(1, min(len(order), int((width - LEFT - 1) // (NARROWEST + APART))))
    wide = (width - LEFT - 1 - (columns - 1) * APART) / columns
    wide = wide if len(order) == 1 else min(wide, 60.0)
    return columns, wide, 1 + line_height() * max(wrapped(named(roi), wide).count("\n") + 1 for roi in order)


def named(roi):
    """A region's name without what stands in brackets."""
    return roi.split(" (")[0]


def _limits(means, ceiling):
    there = np.concatenate([means.to_numpy(), ceiling.to_numpy(), [0.0]])
    there = there[np.isfinite(there)]
    low, high = there.min(), there.max()
    margin = 0.06 * (high - low or 1.0)
    return low - margin, high + margin


def _profile(axes, means, ceiling, groups, colours, chosen):
    for group in groups:
        if group not in means.index.get_level_values("group"):
            continue
        line = means[group].dropna()
        axes.plot(line.index, line, color=colours[group], lw=1)
        at = chosen[group] if chosen else line.idxmax() if len(line) else np.nan
        if len(line) and np.isfinite(at):
            height = np.interp(at, line.index, line)
            axes.plot(at, height, "o", ms=3, mfc="white", mec=colours[group], mew=0.9, zorder=3)
    axes.axhline(0, color=INK, lw=0.4)
    if np.isfinite(ceiling):
        axes.axhline(ceiling, color=theme.MUTED, lw=1, ls=":")
