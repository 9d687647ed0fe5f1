"""A model against its controls on paper: a row for each region, and the difference with the best control."""

import numpy as np
import pandas as pd

from brainalign.figures import frames, theme
from brainalign.paper import legend
from brainalign.paper.page import Plot
from brainalign.paper.profiles import named
from brainalign.paper.sheet import INK, MUTED, line_height, text_width
from brainalign.tables import rois as known_rois

ROW, BELOW, RIGHT = 4.2, 9.0, 27.0  # mm: a region, the axis, the column of differences
HEAD = "Δ to the best\ncontrol, subjects > 0"


def compare(frame, model, colours, names, axis, about, choices=None, query=""):
    """A `Plot` of one model and others in each region.

    frame : one row a subject, region and group (the models): subject, roi, group, value, ceiling
    model : the one that the others are controls of; colours, names : group -> colour, what the legend says
    """
    order = frames.in_order(set(frame.roi), known_rois())
    groups = [group for group in names if group in set(frame.group)]
    table = differences(frame, model)
    entries = {
        names[group]: legend.dot(colours[group], "white" if group == model else INK, 0.95 if group == model else 0.75)
        for group in groups
    }
    entries |= {"a subject": legend.line(MUTED, 0.8), "noise ceiling": legend.line(theme.MUTED, 1.2, ":")}

    def draw(sheet, x, y, width):
        y += legend.draw(sheet, entries, x, y, width) + 2 * line_height()
        left = 2 + max(text_width(named(roi)) for roi in order)
        wide, high = width - left - RIGHT, ROW * len(order)
        axes = sheet.axes(x + left, y, wide, high)
        _rows(axes, frame, order, groups, model, colours)
        axes.set_yticks(range(len(order)), [named(roi) for roi in order])
        axes.tick_params(axis="y", length=0)
        axes.set(ylim=(len(order) - 0.5, -0.5))
        axes.set_xlabel(axis, labelpad=2)
        sheet.text(x + width - RIGHT / 2, y - 0.8, HEAD, ha="center", va="bottom", color=MUTED)
        for k, roi in enumerate(order):
            sheet.text(x + width - RIGHT / 2, y + (k + 0.5) * ROW, _said(table.loc[roi]), ha="center")

    def height(width):
        return legend.height(list(entries), width) + 2 * line_height() + ROW * len(order) + BELOW

    return Plot("compare", draw, height, frame, about, choices or {}, query)


def differences(frame, model):
    """By region: `difference` (mean over subjects of model minus its best control), `above` 0 of `n` subjects.

    The best control is that with the highest mean over subjects in the region.
    """
    rows = {}
    for roi, found in frame.groupby("roi"):
        values = found.pivot_table(index="subject", columns="group", values="value")
        others = values.drop(columns=model, errors="ignore").mean()
        if model not in values or others.isna().all():
            rows[roi] = {"difference": np.nan, "above": 0, "n": 0, "control": ""}
            continue
        away = (values[model] - values[others.idxmax()]).dropna()
        rows[roi] = {
            "difference": away.mean(),
            "above": int((away > 0).sum()),
            "n": len(away),
            "control": others.idxmax(),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _said(row):
    if not row.n:
        return "–"
    return f"{row.difference:+.3f}  {row.above}/{row.n}".replace("-", "−")


def _rows(axes, frame, order, groups, model, colours):
    means = frame.groupby(["roi", "group"]).value.mean()
    ceiling = frame.drop_duplicates(["subject", "roi"]).groupby("roi").ceiling.mean()
    for k, roi in enumerate(order):
        if k % 2 == 0:
            axes.axhspan(k - 0.5, k + 0.5, color=theme.MUTED, alpha=0.08, lw=0, zorder=0)
        if np.isfinite(ceiling[roi]):
            axes.vlines(ceiling[roi], k - 0.4, k + 0.4, theme.MUTED, ":", linewidth=1.2)
        found = [means.get((roi, group), np.nan) for group in groups]
        axes.hlines(k, np.nanmin(found), np.nanmax(found), theme.MUTED, linewidth=0.6) if np.isfinite(
            found
        ).any() else None
        for group in groups:
            rows = frame[(frame.roi == roi) & (frame.group == group)]
            axes.vlines(rows.value, k - 0.22, k + 0.22, colours[group], linewidth=0.7)
            style = (
                {"ms": 4.6, "mec": "white", "zorder": 4} if group == model else {"ms": 3.4, "mec": INK, "zorder": 3}
            )
            axes.plot(means.get((roi, group), np.nan), k, "o", mfc=colours[group], mew=0.5, **style)
    axes.axvline(0, color=INK, lw=0.5)
