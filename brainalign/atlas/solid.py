"""The same map in three dimensions, beside the flat one."""

import numpy as np
import streamlit as st

from brainalign import surface, ui
from brainalign.figures.flatmap import charts, palettes

SHAPES = {"infl": "Inflated", "pial": "Pial"}
SIDES = {"behind": "From behind", "left": "Left", "right": "Right", "below": "From below"}


def show(one, limits, unit):
    """A picture (`paper.Map`) on the inflated or the pial surface of fsaverage5; unit : the one picked, or None."""
    if len(one.flat_units) != surface.N_VERTICES:
        st.caption("This store's surface is not fsaverage5; there is no inflated one for it.")
        return
    with st.container(horizontal=True):
        shape = ui.segments("Surface", list(SHAPES), "surface", SHAPES.get)
        side = ui.segments("Seen", list(SIDES), "side", SIDES.get)
    colours = palettes.unit_colours(one.values, limits, palettes.table_of(one.picture))
    weights = one.picture.second.weights if one.picture.second else None
    vertices = palettes.vertex_colours(one.geometry, one.flat_units, colours, one.shown, weights)[:-1]
    there = np.flatnonzero(one.flat_units == unit) if unit is not None else []
    figure = charts.solid(*surface.mesh(shape), vertices, side, int(there[0]) if len(there) else None)
    alt = f"{one.picture.about}, on the {SHAPES[shape].lower()} surface of fsaverage5, {SIDES[side].lower()}"
    st.plotly_chart(figure, key="solid", alt=alt, config={"displaylogo": False})
    st.caption(
        "The colours of the flatmap above, layer and threshold too, on fsaverage5; drag to turn. The place picked on "
        "the flatmap is marked."
    )
