"""Flatmaps on screen: a Streamlit component that paints cortex on a canvas.

What a browser needs comes in three messages, so that a new map is only its own values: the surface (which vertex
each pixel shows; once for all), the subject (which unit each vertex shows, ROIs and noise ceiling) and the map
(values of all layers). The first two are kept in the browser under their hash; Streamlit sends an identical message
only once. A page calls `keep` with the first two and `show` with the map, and `keep` with fsaverage5 in three
dimensions once the reader wants to see that.
"""

import hashlib
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from brainalign import surface
from brainalign.figures.flatmap import palettes
from brainalign.figures.flatmap.payload import encode, quantise

SPECK = 8  # outlines of so few points go around one vertex; such specks of coarse voxels are not drawn
CHOSEN = -1  # stands in the place of a layer's number: each unit at the layer that training images choose
FAR = 1000  # more than there are layers: CHOSEN is nearest to none of them
SOLID = "fsaverage5"  # the part with its surfaces in three dimensions


@dataclass(frozen=True)
class Second:
    """What a map shows besides its colours, by how opaque they lie over the folds.

    weights : (n_units,) uint8, 0 where only the folds are seen, 255 where only the colour; label : of the key
    levels : weights of the key's rows, from the bottom up; ticks : [(place from 0 to 1, text)] beside them
    words : for a pointer, by weight, where the rows are few
    """

    weights: np.ndarray
    label: str
    levels: tuple
    ticks: tuple
    words: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """What a flatmap shows.

    values : (n_layers, n_units), NaN where there is none; layers : their numbers, 0 being the embeddings, or CHOSEN
    symbol, label : the quantity for a pointer and for the colour bar
    about : what is seen in a sentence without its end, also for screen readers
    diverging : whether colours are symmetric about zero; layered : False where there are no layers, but one row
    first : the layer to start with; None: the one with the highest mean value
    classes : (name, "#rrggbb") of what the values then number from 0; ordered : whether they make a colour bar
    lead : (n_units,) by how much a class is ahead of the next; the last class is then that of ties
    limits : the ends of the colours where the reader sets them; None: they follow from the values
    """

    values: np.ndarray
    layers: tuple
    symbol: str
    label: str
    about: str
    diverging: bool = False
    layered: bool = True
    first: int | None = None
    classes: tuple = ()
    ordered: bool = False
    second: Second | None = None
    lead: np.ndarray | None = None
    limits: tuple | None = None

    def name(self, layer):
        """What a layer is called."""
        if layer == CHOSEN:
            return "layer chosen by training images"
        return f"layer {layer}" + " (embeddings)" * (layer == 0) if self.layered else ""

    def row(self, layer):
        """The row of the layer nearest to the one wanted; for CHOSEN where there is none, the first layer's."""
        if layer == CHOSEN not in self.layers:
            layer = self.first if self.first is not None else self.layers[0]
        return int(
            np.argmin([abs(other - layer) + (other != layer and other == CHOSEN) * 999 for other in self.layers])
        )


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


def solid_name(geometry):
    """What `map_part` takes for a store with that surface: the part in three dimensions, "" if there is none."""
    return SOLID if len(geometry.curvature) == surface.N_VERTICES else ""


@cache
def solid_part():
    """The message with the inflated and the pial surface of fsaverage5, in steps of some micrometres.

    infl, pial : (20484, 3) codes of mm; faces : (20480, 3) of the left hemisphere; those of the right one are the same
    """
    meshes = {kind: surface.mesh(kind) for kind in ("infl", "pial")}
    codes = {kind: quantise(xyz) for kind, (xyz, _) in meshes.items()}
    faces = np.split(meshes["infl"][1], 2)[0].astype(np.uint16)
    header = {"kind": "part", "name": SOLID, "reading": {kind: reading for kind, (_, reading) in codes.items()}}
    return encode(header, faces=faces, **{kind: values for kind, (values, _) in codes.items()})


def map_part(pictures, *, surface, subjects, start, rois=(), width=1.0, lasso=None, titles=("",), solid=None):
    """The message with one map, or with the same map of several subjects beside one another.

    pictures : Pictures of the same quantity and layers, which share their limits; titles : what stands above each
    surface, subjects : names of the parts they belong to; rois : which outlines to draw; width : of the outlines
    start : {"layer", "threshold": percent, "margin", "zoom", "unit": number or None, "serial": n}, and "solid",
        "surface" and "side" where it is shown in three dimensions too; the reader moves on from there, and it is
        taken again when `serial` changes
    lasso : x, y, x, y ... of a drawn region's corners in the surface's pixels; None: no region can be drawn
    solid : what `solid_name` gives; None: nothing is offered in three dimensions
    """
    first = pictures[0]
    codes, reading = quantise(np.concatenate([one.values.ravel() for one in pictures]))
    low, high = palettes.limits_of(pictures)
    arrays = {"codes": codes, "palette": palettes.table_of(first)}
    if first.second:
        arrays["weights"] = np.concatenate([one.second.weights for one in pictures])
    if first.lead is not None:
        arrays["lead"] = np.concatenate([one.lead for one in pictures]).astype("<f4")
    header = {
        "kind": "map",
        "key": hashlib.sha256(encode(reading | {"label": first.label}, **arrays)).hexdigest()[:12],
        "layers": list(first.layers),
        "first": first.row(CHOSEN),
        "names": [first.name(layer) for layer in first.layers],
        "limits": (low, high),
        "ticks": palettes.ticks_of(first, low, high),
        "symbol": first.symbol,
        "label": first.label,
        "about": first.about,
        "dark": first.diverging or bool(first.classes),
        "surface": surface,
        "subjects": list(subjects),
        "titles": list(titles),
        "rois": list(rois),
        "width": width,
        "lasso": None if lasso is None else list(lasso),
        "start": start,
    }
    if solid is not None:
        header["solid"] = solid
    if first.classes:
        header |= {"classes": first.classes, "ordered": first.ordered}
    if first.second:
        header["second"] = {name: getattr(first.second, name) for name in ("label", "levels", "ticks", "words")}
    return encode(header | reading, **arrays)


@cache
def _component():
    import streamlit as st

    return st.components.v2.component("brainalign.flatmap", js="component.js", css="component.css")


def _ignore():
    """The reader's hand is of no interest."""


def show(message, key, on_view=_ignore, on_unit=_ignore, on_lasso=_ignore):
    """Paint a map.

    on_view, on_unit, on_lasso : called when the reader has moved a slider or zoomed, clicked a unit, or drawn a
        region; `st.session_state[key]` then has `view` {"layer", "threshold": percent, "margin", "zoom": text,
        "solid": "True" or "", "surface": text, "side": text},
        `unit` {"unit": number, "vertex": number, "map": which of several} or `lasso` {"points": [x, y, ...]}
    """
    _component()(data=message, key=key, on_view_change=on_view, on_unit_change=on_unit, on_lasso_change=on_lasso)


def keep(message, key):
    """Give the browser a surface's or a subject's part; paints nothing."""
    _component()(data=message, key=key, height=1)
