"""Figures for papers: PDF, SVG and PNG at an exact width in millimetres, with their data and where they come from.

`plot(store, "flatmap", subject="subj01")` makes a `Plot`, `write(plot, store, "out.pdf", width=180)` a file. A page
that has its data already makes the same plots with the function named as the kind.
"""

from brainalign.paper import queries, words
from brainalign.paper.bars import rois, unique
from brainalign.paper.choices import KINDS, from_link, plot
from brainalign.paper.command import command
from brainalign.paper.cortex import Map, flatmap
from brainalign.paper.coverage import coverage
from brainalign.paper.depth import chosen, shares
from brainalign.paper.export import ENDINGS, filename, render, write
from brainalign.paper.forest import compare
from brainalign.paper.maps import of_maps
from brainalign.paper.matrix import matrix
from brainalign.paper.page import Plot
from brainalign.paper.profiles import layers
from brainalign.paper.regional import AXES
from brainalign.paper.rsa_drawn import rdms, rsa, rsa_layers
from brainalign.paper.venn import variance
from brainalign.paper.venn_three import triple

__all__ = [
    "AXES",
    "ENDINGS",
    "KINDS",
    "Map",
    "Plot",
    "chosen",
    "command",
    "compare",
    "coverage",
    "filename",
    "flatmap",
    "from_link",
    "layers",
    "matrix",
    "of_maps",
    "plot",
    "queries",
    "rdms",
    "render",
    "rois",
    "rsa",
    "rsa_layers",
    "shares",
    "triple",
    "unique",
    "variance",
    "words",
    "write",
]
