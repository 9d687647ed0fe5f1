"""One model minus the others on paper: a row for each of them, the subjects below one another in it."""

from brainalign.figures import frames, theme
from brainalign.paper import legend
from brainalign.paper.page import Plot, within
from brainalign.paper.sheet import INK, MUTED, line_height, text_width, wrapped

STEP, APART, BELOW = 1.8, 2.2, 9.0  # mm: from subject to subject, between rows, the axis
LABEL = 0.36  # of the width: the longest name
INTERVAL = "#80868e"


def compare(frame, axis, about, choices=None, query="", family=""):
    """A `Plot` of differences with their intervals: as `figures.forest`, with the same frame.

    family : of the tests
    """
    names, subjects = list(dict.fromkeys(frame.name)), sorted(set(frame.subject))
    entries = {
        f"better, q < {frames.LEVEL}": legend.dot(theme.BETTER, theme.MUTED),
        f"worse, q < {frames.LEVEL}": legend.dot(theme.WORSE, theme.MUTED),
        f"q ≥ {frames.LEVEL}": legend.dot("white", theme.MUTED),
        "95 % interval": legend.line(INTERVAL, 0.8),
    }

    def row(width):
        lines = max(wrapped(name, LABEL * width).count("\n") + 1 for name in names)
        return max(STEP * len(subjects) + APART, line_height() * lines + 1)

    def draw(sheet, x, y, width):
        y += legend.draw(sheet, entries, x, y, width)
        told = [wrapped(name, LABEL * width) for name in names]
        left, high = 2 + max(text_width(name) for name in told), row(width)
        axes = sheet.axes(x + left, y, width - left - 4, high * len(names))
        _rows(axes, frame, names, subjects, STEP / high)
        axes.set_yticks(range(len(names)), told)
        axes.tick_params(axis="y", length=0)
        axes.set(ylim=(len(names) - 0.5, -0.5))
        axes.set_xlabel(axis, labelpad=2)

    def height(width):
        return legend.height(list(entries), width) + row(width) * len(names) + BELOW

    return within(Plot("compare", draw, height, frames.sides(frame), about, choices or {}, query), family)


def _rows(axes, frame, names, subjects, step):
    for k in range(0, len(names), 2):
        axes.axhspan(k - 0.5, k + 0.5, color=theme.MUTED, alpha=0.08, lw=0, zorder=0)
    axes.axvline(0, color=INK, lw=0.5)
    for row in frame.itertuples():
        at = names.index(row.name) + (subjects.index(row.subject) - (len(subjects) - 1) / 2) * step
        fill = (theme.BETTER if row.difference > 0 else theme.WORSE) if row.q < frames.LEVEL else "white"
        axes.hlines(at, row.low, row.high, INTERVAL, linewidth=0.7, zorder=2)
        axes.plot(row.difference, at, "o", ms=3.4, mfc=fill, mec=MUTED, mew=0.4, zorder=3)
