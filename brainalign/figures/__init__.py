"""Data in, Plotly figure out: pure functions that never see Streamlit or the store."""

from brainalign.figures.bars import roi_bars, signed_bars
from brainalign.figures.matrix import coverage, matrix
from brainalign.figures.venn import venn

__all__ = ["coverage", "matrix", "roi_bars", "signed_bars", "venn"]
