"""Figures for papers: PDF, SVG and PNG at an exact width in millimetres, with their data and where they come from.

`plot(store, "flatmap", subject="subj01")` makes a `Plot`, `write(plot, store, "out.pdf", width=180)` a file. A page
that has its data already makes the same plots with `flatmap`, `rois`, `variance`, `layers` and `compare`.
"""

from brainalign.paper import queries, words
from brainalign.paper.bars import rois
from brainalign.paper.choices import AXES, KINDS, from_link, plot
from brainalign.paper.command import command
from brainalign.paper.controls import compare
from brainalign.paper.cortex import Map, flatmap
from brainalign.paper.export import ENDINGS, render, write
from brainalign.paper.page import Plot
from brainalign.paper.profiles import layers
from brainalign.paper.venn import variance

__all__ = [
    "AXES",
    "ENDINGS",
    "KINDS",
    "Map",
    "Plot",
    "command",
    "compare",
    "flatmap",
    "from_link",
    "layers",
    "plot",
    "queries",
    "render",
    "rois",
    "variance",
    "words",
    "write",
]
