"""Three instructions on paper: circles with the number of each part, and the seven parts as signed bars."""

import numpy as np

from brainalign.figures import frames, theme
from brainalign.figures.numerals import digits, said
from brainalign.figures.venn_three import fits, layout, middles
from brainalign.paper import bars, legend
from brainalign.paper.page import Plot
from brainalign.paper.sheet import MUTED, SIZE, line_height, text_width, wrapped

DISC, SIGNED, ROW = 50.0, 34.0, 4.0  # mm: height of the circles, of the bars, of the dots of an instruction
BESIDE = 120.0  # mm from which both stand side by side
EDGE = 1.5  # mm around the circles
NOTE = (
    "Circles: wholes and overlaps of two are true where three circles allow it; the bars are exact, dots below a bar "
    "say who shares it."
)
NEGATIVE = " Negative parts have no area."


def triple(frame, three, colours, about, choices=None, query=""):
    """A `Plot` of the partition of three instructions' variance in one region.

    frame : one row a subject, a column for each of `frames.parts_of_three`, with its interval
    three : the instructions; colours : dict a, b, c
    """
    called = frames.parts_of_three(three)
    means = frame[list(called)].mean().to_dict()
    entries = {name: legend.dot(colours[side], colours[side]) for side, name in zip("abc", three)}
    note = NOTE + NEGATIVE * any(value < 0 for value in means.values())

    def draw(sheet, x, y, width):
        beside = width >= BESIDE
        wide = width * 0.45 if beside else width
        head = legend.draw(sheet, entries, x, y, wide)
        _circles(sheet, means, colours, x, y + head, wide, DISC - head)
        lines = wrapped(note, wide - 5, SIZE - 0.5)
        sheet.text(x + wide / 2, y + DISC, lines, ha="center", va="top", fontsize=SIZE - 0.5, color=MUTED)
        left, top = (x + wide + 2, y + 3) if beside else (x, y + DISC + _note(note, wide) + 3)
        _bars(sheet, frame, called, three, colours, left, top, width - wide - 2 if beside else width)

    def height(width):
        beside = width >= BESIDE
        wide = width * 0.55 - 2 if beside else width
        under = SIGNED + 3 + ROW * 3 + bars.below(means, dict.fromkeys(called, ""), wide)
        return max(DISC + _note(note, width * 0.45), under) if beside else DISC + _note(note, width) + 3 + under

    data = frames.stacked(frame, called, "part")
    return Plot("triple", draw, height, data, f"{about} {note}", choices or {}, query)


def _note(note, width):
    return line_height(SIZE - 0.5) * (wrapped(note, width - 5, SIZE - 0.5).count("\n") + 1) + 1


def _circles(sheet, parts, colours, x, y, width, height):
    from matplotlib.colors import to_rgba
    from matplotlib.path import Path

    radii, centres = layout(parts)
    centres = centres * (1, -1)  # the page's y points downwards
    if not radii.any():
        return
    low, high = (centres - radii[:, None]).min(0), (centres + radii[:, None]).max(0)
    scale = min((np.array([width, height]) - 2 * EDGE) / (high - low))
    offset = np.array([x + width / 2, y + height / 2]) - scale * (low + high) / 2
    places, sizes = centres * scale + offset, radii * scale
    for which, at, radius in zip("abc", places, sizes):
        if radius > 0:
            disc = Path.circle(tuple(at), radius)
            sheet.path(disc, fill=to_rgba(colours[which], 0.42), line=colours[which], width=1)
    decimals = digits(list(parts.values()))
    for name, (_, at) in middles(radii, centres).items():
        text, at = said(parts[name], decimals), np.array(at) * scale + offset
        if fits(at, text_width(text) / 2, line_height() / 3, places, sizes):
            sheet.text(*at, text, ha="center")


def _bars(sheet, frame, called, three, colours, x, y, width):
    from matplotlib.path import Path

    shades = {f"unique_{side}": colour for side, colour in colours.items()}
    bars.signed(
        sheet, frame, {part: shades.get(part, theme.MUTED) for part in called}, dict.fromkeys(called, ""), "R²",
        x, y, width, SIGNED,
    )  # fmt: skip
    top = y + SIGNED + bars.below(frame[list(called)].mean(), dict.fromkeys(called, ""), width)
    places = bars.places(len(called), x, width)
    for row, (name, side) in enumerate(zip(three, "abc")):
        at = top + (row + 0.5) * ROW
        sheet.text(x + bars.WIDE_LEFT - 1, at, name, ha="right")
        for across, members in zip(places, called.values()):
            sheet.path(Path.circle((across, at), 1.2), fill=colours[side] if name in members else "#e3e6e9")
