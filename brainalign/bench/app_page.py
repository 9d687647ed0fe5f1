"""What the bench of the app measures beside it: a bare selectbox, one Plotly chart of two points alone (?chart=1), and
flatmaps of as many vertices as the link says (?vertices=77000).

Streamlit runs this script with the app's own settings, and its server is treated as the app treats its own.
"""

import numpy as np
import streamlit as st

from brainalign import serving
from brainalign.figures import flatmap
from brainalign.surface import FlatGeometry

MAPS = [f"map {k}" for k in range(40)]
MOST = 1_000_000  # vertices
HEIGHT, WIDTH = 512, 1024  # pixels


@st.cache_resource(show_spinner=False)
def cortex(n_vertices):
    """Two ellipses, in whose pixels the vertices come one after the other, and the messages the browser keeps."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    inside = (abs(x - WIDTH / 2) - WIDTH / 4) ** 2 / 240**2 + (y - HEIGHT / 2) ** 2 / 240**2 < 1
    pixels = np.full((HEIGHT, WIDTH), -1, np.int32)
    pixels[inside] = np.linspace(0, n_vertices - 1, inside.sum()).astype(np.int32)
    curvature = np.sin(np.arange(n_vertices) / 50).astype("f4")
    geometry = FlatGeometry(pixels, curvature, np.zeros((n_vertices, 2), "f4"), np.array([[0, 1, 2]], "i4"))
    flat_units, nc = np.arange(n_vertices), np.full(n_vertices, 50, "f4")
    return geometry.hash, flatmap.surface_part(geometry), *flatmap.subject_part(geometry, flat_units, {}, nc)


@st.cache_resource(show_spinner=False)
def wave(n_vertices):
    """Values that are there, as the app's are."""
    return np.sin(np.arange(n_vertices, dtype="f4") / 1000)


def map_of(n_vertices, k, surface, subject):
    """The message of the k-th map, of one layer."""
    values = np.roll(wave(n_vertices), 997 * k)[None]
    picture = flatmap.Picture(values, (0,), "r", "r", f"map {k}", layered=False)
    start = {"layer": 0, "threshold": 0, "margin": 0, "zoom": "", "unit": None, "serial": 0}
    return flatmap.map_part([picture], surface=surface, subjects=[subject], start=start)


@st.fragment
def view(n_vertices):
    """A selectbox, and beneath it the name of what was chosen or a flatmap of it."""
    chosen = st.selectbox("Instruction", MAPS)
    if not n_vertices:
        st.text(chosen)
        return
    surface, _, subject, _ = cortex(n_vertices)
    flatmap.show(map_of(n_vertices, MAPS.index(chosen), surface, subject), "flatmap")


if __name__ == "__main__":
    st.set_page_config(layout="wide")
    serving.spare_the_collector()
    serving.send_at_once()
    vertices = min(MOST, int(st.query_params.get("vertices", 0)))
    st.title("Bench")
    if "chart" in st.query_params:
        st.plotly_chart({"data": [{"y": [1, 2]}]})
        st.stop()
    view(vertices)
    if vertices:
        for part in cortex(vertices)[1::2]:
            flatmap.keep(part, f"part {len(part)}")
