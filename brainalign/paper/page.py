"""What is drawn and what it says: the one thing that pages, command line and panels hand to an export."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pandas as pd

from brainalign.paper.sheet import BADGE_HEIGHT, Sheet


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


def caption(plot, width):
    """What is seen at a width of so many mm."""
    return " ".join(filter(None, (plot.about, plot.notes(width))))


def sheet(plot, width, dpi, simulated):
    """A page of that width in mm with the plot on it, and a badge where the data are simulated."""
    top = BADGE_HEIGHT if simulated else 0
    page = Sheet(width, top + plot.height(width), dpi)
    plot.draw(page, 0, top, width)
    if simulated:
        page.badge()
    return page
