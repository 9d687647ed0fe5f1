"""Charts on screen: a Streamlit component that draws a Plotly figure with the part of Plotly.js that our charts need.

Streamlit's own brings the whole library, which keeps a browser busy for 0.6 s before the first chart of a page.
"""

import json
from functools import cache

from brainalign.figures import theme


@cache
def _component():
    import streamlit as st

    return st.components.v2.component("brainalign.chart", js="chart.js", isolate_styles=False)


def show(figure, key, alt, dark=False):
    """Draw a figure as wide as its place.

    figure : Plotly, of bars, scatter and heatmaps, with a height; its text is in the page's own ink
    alt : what a screen reader says; dark : whether the page's ground is
    """
    figure.update_layout(template=theme.of_page(dark))
    message = f'{{"alt": {json.dumps(alt)}, "figure": {figure.to_json(validate=False)}}}'
    _component()(data=message, key=key, height=figure.layout.height)
