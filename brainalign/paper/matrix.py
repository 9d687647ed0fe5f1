"""One signed quantity over instructions and regions on paper, each cell with its number where there is room."""

import numpy as np

from brainalign.figures import theme
from brainalign.figures.numerals import said
from brainalign.paper.page import Plot
from brainalign.paper.profiles import named
from brainalign.paper.sheet import SIZE, line_height, text_width

ROW, WIDEST = 5.2, 15.0  # mm: height of a row, the widest column
BAR, LONG, TICKS = 2.4, 45.0, 4.5  # mm: the colour bar's height and length, its numbers
GAP = 0.3  # mm between cells


def matrix(frame, title, about, kind="matrix", choices=None, query="", across="roi"):
    """A `Plot` as `figures.matrix`: colours symmetric about 0, NaN cells empty.

    frame : index the instructions, columns the regions, in the order drawn; title : what the colours are
    across : what the columns are in the data
    """
    values, regions = frame.to_numpy(float), [named(roi) for roi in frame.columns]
    limit = np.nanmax(np.abs(values)) if np.isfinite(values).any() else 1.0
    left = 2 + max(text_width(str(row)) for row in frame.index)

    def cell(width):
        return min(WIDEST, (width - left - 1) / len(regions))

    def head(width):
        turned = any(text_width(roi) + 1 > cell(width) for roi in regions)
        return turned, 2.0 + (max(text_width(roi) for roi in regions) if turned else line_height())

    def draw(sheet, x, y, width):
        turned, high = head(width)
        wide, top = cell(width), y + high
        for column, roi in enumerate(regions):
            at = x + left + (column + 0.5) * wide
            sheet.text(at, top - 1, roi, ha="center", va="bottom", rotation=90 if turned else 0)
        for row, name in enumerate(frame.index):
            sheet.text(x + left - 1.5, top + (row + 0.5) * ROW, str(name), ha="right")
        _cells(sheet, values, limit, x + left, top, wide)
        _bar(sheet, limit, title, x + left, top + ROW * len(frame) + 2, min(LONG, width - left - 6))

    def height(width):
        return head(width)[1] + ROW * len(frame) + 2 + BAR + TICKS + line_height() + 0.5

    data = frame.rename_axis("instruction").reset_index().melt("instruction", var_name=across, value_name="value")
    return Plot(kind, draw, height, data, about, choices or {}, query)


def _cells(sheet, values, limit, x, y, wide):
    texts = [[said(value) for value in row] for row in values]
    size = next((size for size in (SIZE, SIZE - 0.5) if _widest(values, texts, size) + 0.5 < wide - GAP), None)
    for (row, column), value in np.ndenumerate(values):
        if not np.isfinite(value):
            continue
        left, top, colour = x + column * wide, y + row * ROW, theme.diverging(value / (limit or 1.0))
        sheet.box(left + GAP / 2, top + GAP / 2, wide - GAP, ROW - GAP, colour)
        if size:
            ink = theme.ink_on(colour)
            sheet.text(left + wide / 2, top + ROW / 2, texts[row][column], ha="center", color=ink, fontsize=size)


def _widest(values, texts, size):
    """mm of the longest number."""
    return max((text_width(t, size) for v, row in zip(values, texts) for n, t in zip(v, row) if n == n), default=0)


def _bar(sheet, limit, title, x, y, width):
    """The colours from -limit to limit as a strip of vectors, each reaching on to the right so that no seam shows."""
    steps = np.linspace(-1, 1, 65)
    for k, share in enumerate(steps):
        left = x + width * k / len(steps)
        sheet.box(left, y, x + width - left, BAR, theme.diverging(share))
    for share in (-1, 0, 1):
        at = x + width * (share + 1) / 2
        sheet.lines([[(at, y + BAR), (at, y + BAR + 0.8)]])
        sheet.text(at, y + BAR + 2.4, f"{share * limit:z.3g}".replace("-", "−"), ha="center")
    sheet.text(x + width / 2, y + BAR + TICKS + line_height() / 2, title, ha="center")
