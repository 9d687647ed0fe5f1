"""Bars on paper: regions by instruction or model, and the signed parts of the variance."""

from itertools import groupby

import numpy as np

from brainalign.figures import frames, theme
from brainalign.figures.bars import ASIDE
from brainalign.figures.numerals import digits, said
from brainalign.figures.regions import GROUP_WIDTH, crowded, offsets
from brainalign.paper import legend
from brainalign.paper.page import Plot, within
from brainalign.paper.sheet import INK, SIZE, line_height, text_width, wrapped

LEFT, WIDE_LEFT = 11.0, 15.0  # mm: the axis with its numbers and title; with small signed numbers
PANEL = 52.0  # mm: height of the bars
LEAST, LOW = {False: 1.5, True: 0.95}, 38.0  # mm: the narrowest bar and (True) dot; height of several rows
EDGE = 0.6  # from the middle of the outermost of a few bars to the end of the axis, in bars
BAND = "#cdd2d7"  # between the bounds of a noise ceiling
EDGED = {"edgecolor": theme.MUTED, "linewidth": 0.4}
RING = {"mfc": "white", "mec": "#30363d", "mew": 0.4, "ls": "none", "marker": "o", "clip_on": False}


def rois(frame, colours, names, axis, regions, about, choices=None, query="", marks=None, family=""):
    """A `Plot` of grouped bars or dots by region: as `figures.roi_bars`, with the same arguments; in as many rows as
    the width asks for. family : of the tests that the marks tell."""
    order, by_family, marks = list(regions), any(regions.values()), marks or {}
    groups = [group for group in names if group in set(frame.group)]
    dots = crowded(groups, order)
    mark = legend.square if not dots else lambda colour: legend.dot(colour, colour)
    entries = {names[group]: mark(colours[group]) for group in groups}
    one = {"range of subjects": legend.line(theme.MUTED, 0.8)}
    entries |= one if dots else {_subject(frame): legend.dot("white", "#30363d")}
    entries["noise ceiling"] = _ceiling_mark(frame)
    if marks:
        other = (choices or {}).get("reference", "the reference")
        entries[f"better or worse than {other}; hollow: not in every subject"] = _triangles
    limits = _span(frame)

    def rows(width):
        """The regions of each row of bars."""
        most = max(1, int((width - LEFT - 1) * GROUP_WIDTH / (LEAST[dots] * max(1, len(groups)))))
        n = -(-len(order) // most)
        size = -(-len(order) // max(1, n))
        return [order[k : k + size] for k in range(0, len(order), size)]

    def over(own, width):
        return _families_height({roi: regions[roi] for roi in own}, width) if by_family else 2.0

    def draw(sheet, x, y, width):
        y += legend.draw(sheet, entries, x, y, width)
        several = rows(width)
        size, high = len(several[0]), PANEL if len(several) == 1 else LOW
        for own in several:
            wide = (width - LEFT - 1) * len(own) / size
            top = y + over(own, wide + LEFT + 1)
            axes = sheet.axes(x + LEFT, top, wide, high)
            rest = frame[frame.roi.isin(own)]
            (_dots if dots else _grouped)(axes, rest, own, groups, colours, wide / len(own), marks)
            _ceilings(axes, rest, own)
            axes.set_ylim(*limits)
            if by_family:
                _family_bands(sheet, axes, {roi: regions[roi] for roi in own}, x + LEFT, top, wide)
            if not dots:
                _marks(axes, rest, own, groups, marks)
            axes.set_ylabel(axis, labelpad=2)
            name_regions(axes, own, wide + LEFT + 1)
            y = top + high + regions_height(own, wide + LEFT + 1)

    def height(width):
        several = rows(width)
        size, high = len(several[0]), PANEL if len(several) == 1 else LOW
        wide = [(width - LEFT - 1) * len(own) / size + LEFT + 1 for own in several]
        each = [over(own, w) + high + regions_height(own, w) for own, w in zip(several, wide)]
        return legend.height(list(entries), width) + sum(each)

    return within(Plot("rois", draw, height, frame, about, choices or {}, query), family)


def _span(frame):
    """Limits that all rows share: from 0 unless something is negative."""
    there = frame[[name for name in ("value", "low", "high", "ceiling", "ceiling_high") if name in frame]].to_numpy(
        float
    )
    there = np.append(there[np.isfinite(there)], 0.0)
    low, high = there.min(), there.max()
    margin = 0.05 * (high - low or 1.0)
    return (0.0 if low >= -0.005 * high else low - margin), high + margin


def _triangles(sheet, x, y):
    sheet.text(x + 0.3, y, "▲▼", fontsize=4.5)


def _subject(frame):
    """What the legend says of the points."""
    return "a subject with its 95 % interval" if frame.get("low", frame.value * np.nan).notna().any() else "a subject"


def _ceiling_mark(frame):
    return (
        legend.square(BAND)
        if "ceiling_low" in frame and "ceiling_high" not in frame
        else legend.line(theme.MUTED, 1.2, ":")
    )


def _intervals(axes, x, rows):
    """Thin lines from `low` to `high`, where these are known."""
    if "low" in rows:
        axes.vlines(x, rows.low, rows.high, "#80868e", linewidth=0.5, zorder=2)


def _marks(axes, frame, order, groups, marks):
    """Each mark above all that is drawn at its bar."""
    places = offsets(groups)
    top = frame[["value", *({"high"} & set(frame))]].max(axis=1).groupby([frame.roi, frame.group]).max()
    for (roi, group), mark in marks.items():
        if roi in order and group in groups and (roi, group) in top.index:
            at = order.index(roi) + places[group]
            axes.annotate(mark, (at, top[roi, group]), (0, 2), textcoords="offset points", ha="center", fontsize=4.5)


def short(roi):
    """A region's name without what stands in brackets, in two lines where it has two words or more."""
    first, _, rest = roi.split(" (")[0].partition(" ")
    return f"{first}\n{rest}" if rest else first


def _turned(order, width):
    return any(text_width(short(roi)) + 0.8 > (width - LEFT - 1) / len(order) for roi in order)


def name_regions(axes, order, width):
    """The regions' names below an axis that stands LEFT of a chart of this width, upwards where they are wide."""
    turned = _turned(order, width)
    named = [short(roi).replace("\n", " ") if turned else short(roi) for roi in order]
    axes.set_xticks(range(len(order)), named, rotation=90 if turned else 0)
    axes.tick_params(axis="x", length=0)


def regions_height(order, width):
    """mm that the regions' names take."""
    if _turned(order, width):
        return 3 + max(text_width(short(roi).replace("\n", " ")) for roi in order)
    return 3 + line_height() * max(short(roi).count("\n") + 1 for roi in order)


def _grouped(axes, frame, order, groups, colours, slot, marks):
    """Bars and the subjects as points; slot : mm of a region."""
    at, bar = {roi: i for i, roi in enumerate(order)}, GROUP_WIDTH / max(1, len(groups))
    size = float(np.clip(0.55 * bar * slot, 0.35, 1.1)) / 25.4 * 72
    for group, offset in offsets(groups).items():
        rows = frame[frame.group == group]
        means = rows.groupby("roi").value.mean()
        axes.bar([at[roi] + offset for roi in means.index], means, bar * 0.94, color=colours[group], **EDGED)
        points(axes, rows.dropna(subset=["value"]), at, offset, bar, size)


def _dots(axes, frame, order, groups, colours, slot, marks):
    """Dots of means with the range of subjects; a mark is the shape of its dot."""
    shapes = {"▲": "^", "△": "^", "▼": "v", "▽": "v"}
    size = float(np.clip(0.8 * GROUP_WIDTH / max(1, len(groups)) * slot, 0.7, 1.3)) / 25.4 * 72
    for group, offset in offsets(groups).items():
        found = frame[frame.group == group].groupby("roi").value.agg(["mean", "min", "max"]).dropna()
        for roi, row in found.iterrows():
            at, mark = order.index(roi) + offset, marks.get((roi, group))
            axes.vlines(at, row["min"], row["max"], colours[group], linewidth=0.6, alpha=0.55, zorder=2)
            fill = "white" if mark in ("△", "▽") else colours[group]
            style = {"mfc": fill, "mec": colours[group], "mew": 0.5, "zorder": 3}
            axes.plot(at, row["mean"], shapes.get(mark, "o"), ms=size * (1.15 if mark else 1), **style)


def _ceilings(axes, frame, order):
    """A line a region at the noise ceiling, in its interval; or a band up from its lower bound; and a line at 0."""
    bounds = frame.drop_duplicates(["subject", "roi"]).groupby("roi")[list(frame.filter(like="ceiling"))].mean()
    bounds, places = bounds.reindex(order), np.arange(len(order))
    if "ceiling_low" in bounds:
        high = bounds.get("ceiling_high", bounds.ceiling)
        axes.bar(places, high - bounds.ceiling_low, GROUP_WIDTH, bounds.ceiling_low, color=BAND, zorder=0.5)
    if "ceiling_low" not in bounds or "ceiling_high" in bounds:
        ends = places - GROUP_WIDTH / 2, places + GROUP_WIDTH / 2
        axes.hlines(bounds.ceiling, *ends, theme.MUTED, ":", linewidth=1.2)
    _from_zero(axes)
    axes.set_xlim(-0.5, max(1, len(order)) - 0.5)


def points(axes, rows, at, offset, bar, size):
    """Subjects side by side within their bar, in the same order as on the screen, with intervals where known."""
    subjects = sorted(set(rows.subject))
    spread = dict(zip(subjects, np.linspace(-0.3, 0.3, len(subjects)) if len(subjects) > 1 else [0.0]))
    x = [at[roi] + offset + spread[subject] * bar for roi, subject in zip(rows.roi, rows.subject)]
    _intervals(axes, x, rows)
    axes.plot(x, rows.value.to_numpy(), ms=size, zorder=3, **RING)


def _families(regions):
    """(name, first, last) of each family of regions in a row; regions : region -> family."""
    order = list(regions)
    for name, members in groupby(order, key=regions.get):
        members = [order.index(member) for member in members]
        yield name, members[0], members[-1]


def _family_name(name, width):
    """As many lines as the width asks for; "" where even a word is too wide."""
    lines = wrapped(name, width, SIZE - 1)
    return lines if text_width(lines, SIZE - 1) <= width + 1 else ""


def _families_height(regions, width):
    slot = (width - LEFT - 1) / max(1, len(regions))
    lines = [_family_name(name, (last - first + 1) * slot) for name, first, last in _families(regions)]
    return 1.5 + line_height(SIZE - 1) * max([line.count("\n") + 1 for line in lines if line], default=0)


def _family_bands(sheet, axes, regions, x, y, width):
    """Every other family on a faint ground, its name above."""
    slot = width / max(1, len(regions))
    for k, (name, first, last) in enumerate(_families(regions)):
        if k % 2 == 0:
            axes.axvspan(first - 0.5, last + 0.5, color=theme.MUTED, alpha=0.1, lw=0, zorder=0)
        text = _family_name(name, (last - first + 1) * slot)
        sheet.text(x + (first + last + 1) / 2 * slot, y - 0.8, text, ha="center", va="bottom", fontsize=SIZE - 1)


def signed(sheet, frame, colours, names, axis, x, y, width, height, moved=None):
    """Signed parts as bars (mean over subjects) with the subjects as points: as `figures.signed_bars`."""
    means, at = frame[list(names)].mean(), np.arange(len(names))
    axes = sheet.axes(x + WIDE_LEFT, y, width - WIDE_LEFT - 1, height)
    axes.bar(at, means, 0.6, color=[colours[part] for part in names], **EDGED)
    spread = np.linspace(-0.2, 0.2, len(frame)) if len(frame) > 1 else [0.0]
    for offset, (_, row) in zip(spread, frame.iterrows()):
        low, high = (row.reindex([f"{part}_{end}" for part in names]).to_numpy(float) for end in ("low", "high"))
        axes.vlines(at + offset, low, high, "#80868e", linewidth=0.6, zorder=2)
        axes.plot(at + offset, row[list(names)].to_numpy(float), ms=2.6, zorder=3, **RING)
    raw = frame.reindex(columns=[f"{part}_raw" for part in names]).mean()
    axes.hlines(raw, at - 0.3, at + 0.3, INK, ":", linewidth=0.8, zorder=2.5)
    for side, (_, colour) in (moved or {}).items():
        means_at = frame.reindex(columns=[f"{part}_at_{side}" for part in names]).mean()
        axes.plot(at + ASIDE[side], means_at, "D", ms=3, zorder=4, mfc=colour, mec=INK, mew=0.4)
    axes.set_ylabel(axis, labelpad=2)
    axes.yaxis.get_major_locator().set_params(nbins=6, steps=[1, 2, 5, 10])
    _from_zero(axes)
    texts, turned = _told(means, names, width)
    axes.set_xticks(at, texts, rotation=90 if turned else 0)
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-EDGE, len(names) - 1 + EDGE)


def places(n, x, width):
    """Middles in mm of n bars that `signed` draws."""
    return x + WIDE_LEFT + (np.arange(n) + EDGE) * _slot(n, width)


def _slot(n, width):
    return (width - WIDE_LEFT - 1) / (n - 1 + 2 * EDGE)


def _told(means, names, width):
    """What stands below each of `signed`'s bars, and whether it is turned to fit."""
    words = [name.replace(" only", "\nonly") for name in names.values()]
    lines = max(word.count("\n") + 1 for word in words) if any(words) else 0
    padded = [word + "\n" * (lines - word.count("\n")) * bool(lines) for word in words]
    places = digits([means[part] for part in names])
    numbers = [said(means[part], places) for part in names]
    texts = [word + number for word, number in zip(padded, numbers)]
    if all(text_width(text) + 0.6 < _slot(len(names), width) for text in texts):
        return texts, False
    return [f"{name}  {number}".strip() for name, number in zip(names.values(), numbers)], True


def below(means, names, width):
    """mm that the texts below `signed`'s bars take."""
    texts, turned = _told(means, names, width)
    return 3 + (max(map(text_width, texts)) if turned else line_height() * (texts[0].count("\n") + 1))


def unique(frame, colours, about, choices=None, query=""):
    """A `Plot` of what each instruction explains beyond all the others: signed bars.

    frame : one row a subject, a column an instruction, with its interval; colours : instruction -> colour, in order
    """
    names, means = {id: id for id in colours}, frame[list(colours)].mean()

    def draw(sheet, x, y, width):
        signed(sheet, frame, colours, names, "R²", x, y + 2, width, PANEL * 0.8)

    def height(width):
        return 2 + PANEL * 0.8 + below(means, names, width)

    data = frames.stacked(frame, colours, "instruction")
    return Plot("unique", draw, height, data, about, choices or {}, query)


def _from_zero(axes):
    """A line at zero instead of a frame below; the axis begins there unless something is negative."""
    axes.spines["bottom"].set_visible(False)
    axes.axhline(0, color=INK, lw=0.5)
    if axes.dataLim.y0 >= -0.005 * axes.dataLim.y1:
        axes.set_ylim(bottom=0)
