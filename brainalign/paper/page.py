"""What is drawn and what it says: the one thing that pages, command line and panels hand to an export."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pandas as pd

from brainalign.paper import fonts
from brainalign.paper.sheet import BADGE, BADGE_HEIGHT, MUTED, SIZE, Sheet, drawn_with, line_height, wrapped


@dataclass(frozen=True)
class Plot:
    """A figure before its size is known.

    kind : one of paper.KINDS, or panels
    draw : draw(sheet, x, y, width) puts it on a Sheet, all in mm; height : height(width) -> mm
    data : exactly what is plotted
    about : what is seen, in sentences, as a caption would say it
    choices : what was chosen, as in the page's link; query : how the numbers are got from the store
    maps : the paper.Map it shows, for formats of brains; panels : letter -> the Plot it is made of
    notes : notes(width) -> what a caption says besides at that width, "" if nothing
    family : over what the q that it shows are corrected, "" if it shows none
    """

    kind: str
    draw: Callable
    height: Callable
    data: pd.DataFrame
    about: str
    choices: dict = field(default_factory=dict)
    query: str = ""
    maps: tuple = ()
    panels: dict = field(default_factory=dict)
    notes: Callable = lambda width: ""
    family: str = ""


def within(plot, family):
    """The plot with the family of its tests named below it and in its table; as it is where there is none."""
    if not family:
        return plot

    def told(width):
        return wrapped(family, width - 2, SIZE - 1)

    def draw(sheet, x, y, width):
        plot.draw(sheet, x, y, width)
        sheet.text(x + 1, y + plot.height(width) + 1, told(width), va="top", fontsize=SIZE - 1, color=MUTED)

    def height(width):
        return plot.height(width) + 2 + (told(width).count("\n") + 1) * line_height(SIZE - 1)

    return replace(plot, draw=draw, height=height, family=family)


def caption(plot, width, lacking=""):
    """What is seen at a width of so many mm; lacking : what is said of letters that no font has."""
    return " ".join(filter(None, (plot.about, plot.notes(width), lacking)))


def sheet(plot, width, dpi, simulated, font="", live=False):
    """(page, lacking): a Sheet of that width in mm with the plot on it, and a badge where the data are simulated.

    font : as `fonts.chain` takes it; live : text stays text, for SVG
    lacking : what is said, below the plot too, of letters that no font has; "" if there are none, or text is live
    """
    chain = fonts.chain(font)
    page = _drawn(plot, width, dpi, simulated, chain)
    longer, missing = fonts.completed(page.texts(), chain)
    lacking = "" if live else fonts.note(missing)
    return _drawn(plot, width, dpi, simulated, longer, lacking) if lacking or longer != chain else page, lacking


def _drawn(plot, width, dpi, simulated, chain, lacking=""):
    with drawn_with(chain):
        top, high = BADGE_HEIGHT if simulated else 0, plot.height(width)
        below = wrapped(lacking, width - 2, SIZE - 1) if lacking else ""
        page = Sheet(width, top + high + bool(below) * (below.count("\n") + 2) * line_height(SIZE - 1), dpi)
        plot.draw(page, 0, top, width)
        if simulated:
            page.badge()
        if below:
            page.text(1, top + high + line_height(SIZE - 1), below, va="top", fontsize=SIZE - 1, color=BADGE)
        page.dress()
    return page
