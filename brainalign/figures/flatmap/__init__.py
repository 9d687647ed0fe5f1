"""Flatmaps on screen: a Streamlit component that paints cortex on a canvas.

What a browser needs comes in three messages, so that a new map is only its own values: the surface (which vertex
each pixel shows; once for all), the subject (which unit each vertex shows, ROIs and noise ceiling) and the map
(values of all layers). The first two are kept in the browser under their hash; Streamlit sends an identical message
only once. A page calls `keep` with the first two and `show` with the map.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from brainalign import surface
from brainalign.figures.flatmap import palettes
from brainalign.figures.flatmap.payload import encode, quantise

HERE = Path(__file__).parent
SPECK = 8  # outlines of so few points go around one vertex; such specks of coarse voxels are not drawn


@dataclass(frozen=True)
class Picture:
    """What a flatmap shows.

    values : (n_layers, n_units), NaN where there is none; layers : their numbers, 0 being the embeddings
    symbol, label : the quantity for a pointer and for the colour bar
    about : what is seen in a sentence without its end, also for screen readers
    diverging : whether colours are symmetric about zero; layered : False where there are no layers, but one row
    first : the layer to start with; None: the one with the highest mean value
    """

    values: np.ndarray
    layers: tuple
    symbol: str
    label: str
    about: str
    diverging: bool = False
    layered: bool = True
    first: int | None = None

    def name(self, layer):
        """What a layer is called."""
        return f"layer {layer}" + " (embeddings)" * (layer == 0) if self.layered else ""

    def row(self, layer):
        """The row of the layer nearest to the one wanted."""
        return int(np.argmin([abs(other - layer) for other in self.layers]))


def surface_part(geometry):
    """The message with a surface.FlatGeometry, named by the geometry's hash."""
    header = {"kind": "part", "name": geometry.hash, "greys": [palettes.GYRUS, palettes.SULCUS]}
    return encode(
        header,
        pixel_vertex=geometry.pixel_vertex,
        sulcus=(geometry.curvature > 0).astype(np.uint8),
    )


def subject_part(geometry, flat_units, rois, nc):
    """(name, message) of what a subject's maps have in common.

    flat_units : (n_vertices,) the unit each vertex shows, or -1; rois : name -> units; nc : (n_units,) percent
    """
    inside = np.zeros((len(rois), len(nc)), bool)
    points, outlines, labels = [np.zeros((0, 2), "f4")], [], []
    for row, units in zip(inside, rois.values()):
        row[units] = True
        vertices = (flat_units >= 0) & row[flat_units]
        lines = [line for line in surface.outlines(geometry, vertices) if len(line) > SPECK]
        points += lines
        outlines.append([len(line) for line in lines])
        labels.append(surface.label_positions(geometry, vertices))
    arrays = {
        "vertex_unit": flat_units.astype("<i4"),
        "nc": nc.astype("<f4"),
        "members": np.packbits(inside, axis=1),
        "points": np.concatenate(points).astype("<f4"),
    }
    header = {"kind": "part", "rois": list(rois), "outlines": outlines, "labels": labels}
    name = hashlib.sha256(encode(header, **arrays)).hexdigest()[:16]
    return name, encode(header | {"name": name}, **arrays)


def map_part(picture, *, surface, subject, start, rois=()):
    """The message with one map.

    picture : a Picture; surface, subject : names of the parts it belongs to; rois : which outlines to draw
    start : {"layer": number, "threshold": percent, "unit": number or None, "serial": n}; the reader moves on from
        there, and it is taken again when `serial` changes
    """
    codes, reading = quantise(picture.values)
    limits = palettes.limits(picture.values, picture.diverging)
    header = {
        "kind": "map",
        "key": hashlib.sha256(codes.tobytes() + repr((picture.label, reading)).encode()).hexdigest()[:12],
        "layers": list(picture.layers),
        "names": [picture.name(layer) for layer in picture.layers],
        "limits": limits,
        "ticks": palettes.ticks(*limits),
        "symbol": picture.symbol,
        "label": picture.label,
        "about": picture.about,
        "diverging": picture.diverging,
        "surface": surface,
        "subject": subject,
        "rois": list(rois),
        "start": start,
    }
    palette = palettes.table("diverging" if picture.diverging else "sequential")
    return encode(header | reading, codes=codes, palette=palette)


@cache
def _component():
    import streamlit as st

    read = [(HERE / name).read_text(encoding="utf-8") for name in ("component.js", "component.css")]
    return st.components.v2.component("brainalign_flatmap", js=read[0], css=read[1])


def show(message, key, on_view, on_unit):
    """Paint a map.

    on_view, on_unit : called when the reader has moved a slider or clicked a unit; `st.session_state[key]` then has
        `view` {"layer": number, "threshold": percent} or `unit` {"unit": number, "vertex": number}
    """
    _component()(data=message, key=key, on_view_change=on_view, on_unit_change=on_unit)


def keep(message, key):
    """Give the browser a surface's or a subject's part; paints nothing."""
    _component()(data=message, key=key, height=1)
