"""The key below flatmaps: a colour bar in vectors, in two dimensions where a map has two; or named classes."""

import numpy as np

from brainalign.figures.flatmap import palettes
from brainalign.paper import legend
from brainalign.paper.sheet import BADGE, SIZE, line_height, text_width, wrapped

LONG = 62.0  # mm: the longest colour bar
BAR, TALL = 2.4, 10.0  # mm: its height in one and in two dimensions
NONE = "no value, or below the noise ceiling chosen"
TICKS, APART = 4.0, 1.0  # mm: the numbers below the bar, and gaps


def height(picture, width, note=""):
    """mm that the key takes."""
    whole = _label_height(picture, width) + legend.height(_names(picture), width) + _note_height(note, width)
    return whole + _tall(picture) + TICKS + 0.5 if _has_bar(picture) else whole


def draw(sheet, picture, limits, x, y, width, note=""):
    """picture : figures.flatmap.Picture; limits : of its colours; (x, y) the upper left corner in mm.

    note : a warning below the legend
    """
    middle, label = x + width / 2, wrapped(_label(picture), width - 4)
    sheet.text(middle, y + _label_height(picture, width) / 2 - 0.4, label, ha="center")
    y += _label_height(picture, width)
    if _has_bar(picture):
        rungs = max((text_width(text) + 2 for _, text in picture.second.ticks), default=0) if picture.second else 0
        bar = min(LONG, width * 0.6, width - 2 * rungs - 6)
        _bar(sheet, picture, limits, middle - bar / 2, y, bar)
        y += _tall(picture) + TICKS + 0.5
    entries = dict(zip(_names(picture), [legend.square(colour) for _, colour in _classes(picture)]))
    entries[NONE] = _folds
    y += legend.draw(sheet, entries, *_centred(list(entries), x, width, y))
    if note:
        sheet.text(middle, y, wrapped(note, width - 4), ha="center", va="top", color=BADGE)


def _note_height(note, width):
    return line_height() * (wrapped(note, width - 4).count("\n") + 1) + 0.5 if note else 0.0


def _has_bar(picture):
    return not picture.classes or picture.ordered


def _classes(picture):
    """Classes that are told by name: all, or of those that make a colour bar only ties."""
    if not picture.ordered:
        return picture.classes
    return [one for one in picture.classes if one[1] == palettes.TIE]


def _names(picture):
    return [*[name for name, _ in _classes(picture)], NONE]


def _centred(names, x, width, y):
    """Left end, top and width of a legend; one that fits in a row stands in the middle."""
    whole = sum(text_width(name) + legend.MARK + legend.APART for name in names) - legend.APART
    return (x + (width - whole) / 2, y, whole + 0.1) if whole < width else (x, y, width)


def _label(picture):
    return f"{picture.label}; upwards: {picture.second.label}" if picture.second else picture.label


def _label_height(picture, width):
    return line_height() * (wrapped(_label(picture), width - 4).count("\n") + 1) + APART


def _tall(picture):
    return TALL if picture.second else BAR


def _bar(sheet, picture, limits, x, y, width):
    """The colours from left to right; where a map has two dimensions, the second from the bottom up over grey."""
    table, tall = palettes.table_of(picture), _tall(picture)
    if picture.second:
        levels, grey = picture.second.levels, np.uint8(round((palettes.GYRUS + palettes.SULCUS) / 2))
        levels = [levels[k] for k in np.linspace(0, len(levels) - 1, min(len(levels), 16)).round().astype(int)]
        step = tall / len(levels)
        for k, weight in enumerate(levels):
            row = palettes.mix(table[::4].astype(int), np.array([[weight]]), int(grey))
            _strip(sheet, row, x, y + tall - (k + 1) * step, width, step)
        _rungs(sheet, picture.second, x + width, y, tall)
    else:
        _strip(sheet, table, x, y, width, tall)
    ticks = [(x + place * width, text) for place, text in palettes.ticks_of(picture, *limits)]
    sheet.lines([[(at, y + tall), (at, y + tall + 0.8)] for at, _ in ticks])
    for at, text in ticks:
        sheet.text(at, y + tall + 2.4, text, ha="center")


def _strip(sheet, colours, x, y, width, height):
    """Rectangles side by side, each reaching on to the right end so that no seam shows."""
    from matplotlib.collections import PolyCollection

    left, right = x + np.linspace(0, width, len(colours) + 1)[:-1], x + width
    corners = [[(at, y), (right, y), (right, y + height), (at, y + height)] for at in left]
    sheet.page.add_artist(PolyCollection(corners, facecolors=colours / 255, edgecolors="none", antialiaseds=False))


def _rungs(sheet, second, x, y, tall):
    """What the second dimension says, to the right of the bar; of numbers that would touch only every other one."""
    close = len(second.ticks) > 1 and (second.ticks[1][0] - second.ticks[0][0]) * tall < line_height(SIZE - 0.5) * 0.8
    for place, text in second.ticks[:: 2 if close else 1]:
        at = y + (1 - place) * tall
        sheet.lines([[(x, at), (x + 0.8, at)]])
        sheet.text(x + 1.4, at, text, fontsize=SIZE - 0.5)


def _folds(sheet, x, y):
    """The greys of gyri and sulci."""
    for k, grey in enumerate((palettes.GYRUS, palettes.SULCUS)):
        sheet.box(x + 0.2 + 1.5 * k, y - 1.1, 1.5, 2.2, str(grey / 255))
