"""Data in, Plotly figure out: pure functions that never see Streamlit or the store."""

from brainalign.figures.bars import signed_bars, upset
from brainalign.figures.matrix import coverage, matrix
from brainalign.figures.profiles import chosen_layers, forest, layer_profile, shares
from brainalign.figures.regions import crowded, roi_bars
from brainalign.figures.similarity import arranged, rdm
from brainalign.figures.venn import venn
from brainalign.figures.venn_three import venn_three

__all__ = [
    "arranged",
    "chosen_layers",
    "coverage",
    "crowded",
    "forest",
    "layer_profile",
    "matrix",
    "rdm",
    "roi_bars",
    "shares",
    "signed_bars",
    "upset",
    "venn",
    "venn_three",
]
