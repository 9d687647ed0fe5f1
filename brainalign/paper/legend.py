"""Legends above a chart, flowing in as many rows as their names need."""

from brainalign.paper.sheet import MUTED, SIZE, line_height, text_width, wrapped

MARK, APART = 4.0, 4.0  # mm: a mark with its gap, and between entries


def _flow(names, width):
    """(x, y, lines) of each name, and the height of all."""
    places, x, y, row = [], 0.0, 0.0, 0
    for name in names:
        lines = wrapped(name, width - MARK)
        wide, high = MARK + text_width(lines), len(lines.split("\n"))
        if x and x + wide > width:
            x, y, row = 0.0, y + row * line_height(), 0
        places.append((x, y, lines))
        x, row = x + wide + APART, max(row, high)
    return places, y + row * line_height() + 1.5


def height(names, width):
    """mm that the legend takes."""
    return _flow(names, width)[1] if names else 0.0


def draw(sheet, entries, x, y, width):
    """entries : name -> mark, called as mark(sheet, x, y) to draw itself in the 3 mm to the right of (x, y)."""
    places, high = _flow(list(entries), width)
    for mark, (across, down, lines) in zip(entries.values(), places):
        mark(sheet, x + across, y + down + line_height() / 2)
        sheet.text(x + across + MARK, y + down, lines, va="top", fontsize=SIZE)
    return high


def square(colour):
    """A filled square."""
    return lambda sheet, x, y: sheet.box(x + 0.6, y - 1.1, 2.2, 2.2, colour, MUTED if colour == "#ffffff" else "none")


def line(colour, width=1.0, style="-"):
    """A line; style "-" or ":"."""
    return lambda sheet, x, y: sheet.lines([[(x + 0.5, y), (x + 3.2, y)]], colour, width, linestyles=style)


def dot(fill, edge, radius=0.75):
    """A circle."""
    from matplotlib.path import Path

    return lambda sheet, x, y: sheet.path(Path.circle((x + 1.6, y), radius), fill=fill, line=edge, width=0.5)
