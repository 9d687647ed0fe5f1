"""What a store covers on paper: the number of maps by model and instruction."""

from brainalign.figures import theme
from brainalign.paper.page import Plot
from brainalign.paper.sheet import SIZE, line_height, text_width

ROW, WIDEST, GAP = 5.2, 15.0, 0.3  # mm: height of a row, the widest column, between cells
INK = "#10202b"
STAR = "* not in every subject"


def coverage(cells, asked, about, choices=None, query=""):
    """A `Plot` as `figures.coverage`, with the same arguments."""
    models = list(cells.model.unique())
    left = 2 + max(map(text_width, models))
    short = cells.maps.astype(str).where(cells.said == cells.maps.map(str), cells.maps.map("{}*".format))

    def wide(width):
        return min(WIDEST, (width - left - 1) / len(asked))

    def head(width):
        turned = any(text_width(id) + 0.8 > wide(width) for id in asked)
        return turned, 2 + (max(map(text_width, asked)) if turned else line_height())

    def said(width):
        """What the cells say: with a star where what there is to say has no room."""
        fits = all(text_width(text) + 0.5 < wide(width) - GAP for text in cells.said)
        return cells.said if fits else short

    def starred(width):
        return said(width).str.endswith("*").any()

    def draw(sheet, x, y, width):
        (turned, high), column = head(width), wide(width)
        top = y + high
        for k, id in enumerate(asked):
            at = x + left + (k + 0.5) * column
            sheet.text(at, top - 1, id or "–", ha="center", va="bottom", rotation=90 if turned else 0)
        for k, model in enumerate(models):
            sheet.text(x + left - 1.5, top + (k + 0.5) * ROW, model, ha="right")
        for model, id, text in zip(cells.model, cells.instruction, said(width)):
            across, down = x + left + asked.index(id) * column, top + models.index(model) * ROW
            sheet.box(across + GAP / 2, down + GAP / 2, column - GAP, ROW - GAP, theme.COVERED)
            sheet.text(across + column / 2, down + ROW / 2, text, ha="center", color=INK)
        if starred(width):
            sheet.text(x + left, top + ROW * len(models) + line_height() / 2 + 0.5, STAR, fontsize=SIZE - 0.5)

    def height(width):
        return head(width)[1] + ROW * len(models) + 1 + line_height() * bool(starred(width))

    data = cells.drop(columns="said")
    return Plot("coverage", draw, height, data, about, choices or {}, query)
