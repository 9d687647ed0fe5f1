"""Shared and unique variance on paper: circles whose areas are the numbers, and the numbers as signed bars."""

from brainalign.figures import frames, theme
from brainalign.figures.numerals import digits, said
from brainalign.figures.venn import circles, regions
from brainalign.paper import bars
from brainalign.paper.page import Plot
from brainalign.paper.sheet import MUTED, SIZE, line_height, wrapped

DISC, SIGNED = 44.0, 34.0  # mm: height of the diagram, of the bars
BESIDE = 120.0  # mm from which both stand side by side
TRUE = "Areas are true to the numbers."
PARTS = ("unique_a", "shared", "unique_b")


def variance(pair, names, colours, about, choices=None, query=""):
    """A `Plot` of the partition of two instructions' variance in one region.

    pair : rows of `roi_variance`, one a subject; names, colours : dict a, b
    """
    frame = frames.less_floor(pair)
    parts = frame[list(PARTS)].mean().to_dict()
    called = {"unique_a": f"{names['a']} only", "shared": "shared", "unique_b": f"{names['b']} only"}
    note = says(parts, called)
    signed = called | {"r2_ab": "both"}
    moved = {side: (names[side], colours[side]) for side in "ab"} if frames.elsewhere(frame) else None
    bar_colours = {"unique_a": colours["a"], "shared": theme.MUTED, "unique_b": colours["b"], "r2_ab": theme.MUTED}

    def draw(sheet, x, y, width):
        beside = width >= BESIDE
        wide = width * 0.52 if beside else width
        _venn(sheet, parts, names, colours, called, x, y, wide)
        lines = wrapped(note, wide - 2)
        sheet.text(x + wide / 2, y + DISC, lines, ha="center", va="top", fontsize=SIZE - 0.5, color=MUTED)
        left, top = (x + wide + 2, y + 3) if beside else (x, y + _note_height(note, wide) + DISC + 3)
        across = width - wide - 2 if beside else width
        bars.signed(sheet, frame, bar_colours, signed, "R²", left, top, across, SIGNED, moved)

    def height(width):
        beside = width >= BESIDE
        wide = width * 0.48 - 2 if beside else width
        under = SIGNED + 3 + bars.below(frame[list(bar_colours)].mean(), signed, wide)
        discs = DISC + _note_height(note, width * 0.52 if beside else width)
        return max(discs, under) if beside else discs + under

    return Plot("variance", draw, height, pair, f"{about} {note}", choices or {}, query)


def says(parts, called):
    """Whether the areas are true, and which parts are not drawn because they are negative."""
    decimals = digits(list(parts.values()))
    below = [f"{called[part]} is negative ({said(value, decimals)})" for part, value in parts.items() if value < 0]
    return f"{'; '.join(below)} and drawn with no area; the areas are not true." if below else TRUE


def _note_height(note, width):
    return line_height() * (wrapped(note, width - 2).count("\n") + 1) + 1


def _venn(sheet, parts, names, colours, called, x, y, width):
    from matplotlib.colors import to_rgba
    from matplotlib.path import Path

    a, b, distance = circles(*(parts[part] for part in PARTS))
    left, right = min(-a, distance - b), max(a, distance + b)
    room = 6.5  # mm above the discs and below
    scale = min((DISC - 2 * room) / (2 * max(a, b) or 1), (width - 4) / ((right - left) or 1))
    middle, centre = y + DISC / 2, x + width / 2 - scale * (left + right) / 2
    for at, radius, which in ((0.0, a, "a"), (distance, b, "b")):
        disc = Path.circle((centre + scale * at, middle), scale * radius)
        if radius > 0:
            sheet.path(disc, fill=to_rgba(colours[which], 0.42), line=colours[which], width=1)

    def to_page(at):
        return centre + scale * at

    _numbers(sheet, parts, called, regions(a, b, distance), to_page, middle, x, width)
    apart = max(8.0, scale * distance)
    half = centre + scale * distance / 2
    for which, at in (("a", half - apart / 2), ("b", half + apart / 2)):
        sheet.text(at, middle - scale * max(a, b) - 2.5, names[which], ha="center")


def _numbers(sheet, parts, called, ends, to_page, middle, x, width):
    """The signed number in each region, or below with a line where that is too narrow or not drawn."""
    outside, decimals = [], digits(list(parts.values()))
    for part in PARTS:
        text = said(parts[part], decimals)
        span = ends[part]
        if span and to_page(span[1]) - to_page(span[0]) > 9:
            sheet.text(to_page(sum(span) / 2), middle, text, ha="center")
        else:
            outside.append((part, text, to_page(sum(span) / 2) if span else None))
    for k, (part, text, at) in enumerate(outside):
        across = x + width * (k + 0.5) / len(outside)
        sheet.text(across, y_below(middle), f"{called[part]} {text}", ha="center")
        if at is not None:
            sheet.lines([[(at, middle), (across, y_below(middle) - 1.6)]], MUTED, 0.6)


def y_below(middle):
    """mm: the line of text below the discs."""
    return middle + DISC / 2 - 2.5
