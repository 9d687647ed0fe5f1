"""Representational similarity drawn on paper: bars with a band for the ceiling, profiles, and matrices of pictures."""

from dataclasses import replace

import numpy as np
import pandas as pd

from brainalign import rsa as similarity
from brainalign.figures.similarity import AXIS
from brainalign.figures.theme import MUTED, SEQUENTIAL
from brainalign.paper import bars, profiles
from brainalign.paper.page import Plot
from brainalign.paper.sheet import line_height, wrapped

APART, KEY, BAR = 6.0, 9.0, 2.4  # mm: between the sides, what the key takes, its height
THUMB = 0.08  # of half a side's width, half a picture


def rsa(frame, colours, names, regions, about, choices, query, marks=None, family=""):
    """A `Plot` of similarity by region: as `bars.rois`."""
    made = bars.rois(frame, colours, names, AXIS, regions, about, choices, query, marks, family)
    return replace(made, kind="rsa")


def rsa_layers(frame, colours, names, about, choices, query, chosen):
    """A `Plot` of similarity through the layers of one region: as `profiles.layers`."""
    made = profiles.layers(frame.assign(ceiling=np.nan), colours, names, AXIS, about, choices, query, chosen)
    return replace(made, kind="rsa-layers", data=frame)


def rdms(found, order, titles, about, choices, query, pictures):
    """A `Plot` of two matrices of ranked distances side by side, and below them the pictures in the plane.

    found : as `Store.rdms` gives it; order : of the pictures; titles : {"region", "model"}
    pictures : id -> uint8 (height, width, 3); those that may not be shown are dots with their numbers
    """
    sides = ("region", "model")
    places = {name: similarity.arrangement(found[name])[0] for name in sides}
    reach = {name: np.maximum(np.abs(at).max(0), 1e-6) * (1 + 1.5 * THUMB) for name, at in places.items()}
    tall = max(across[1] / across[0] for across in reach.values())

    def side(width):
        return (width - APART) / 2

    def head(width):
        lines = max(wrapped(titles[name], side(width)).count("\n") for name in sides) + 1
        return lines * line_height() + 1.5

    def draw(sheet, x, y, width):
        wide, top = side(width), y + head(width)
        for k, name in enumerate(sides):
            left = x + k * (wide + APART)
            sheet.text(left, top - 1, wrapped(titles[name], wide), va="bottom")
            _matrix(sheet, found[name], order, left, top, wide)
            axes = sheet.axes(left, top + wide + KEY, wide, tall * wide)
            _plane(axes, places[name], found["ids"], pictures, reach[name][0], tall)
        _key(sheet, x, top + wide + 2, min(40.0, wide - 8))

    def height(width):
        return head(width) + (1 + tall) * side(width) + KEY + 0.5

    return Plot("rdms", draw, height, _pairs(found), about, choices, query)


def _pairs(found):
    i, j = similarity.pairs(len(found["ids"]))
    ids = np.array(found["ids"])
    numbers = {"picture_a": ids[i], "picture_b": ids[j]}
    if found["coco"]:
        coco = pd.array([found["coco"].get(picture) for picture in found["ids"]], "Int32")
        numbers |= {"73KID_a": ids[i] + 1, "73KID_b": ids[j] + 1, "coco_a": coco[i], "coco_b": coco[j]}
    return pd.DataFrame(numbers | {"region": found["region"], "model": found["model"]})


def _matrix(sheet, distances, order, x, y, wide):
    values = similarity.square(distances)[np.ix_(order, order)]
    np.fill_diagonal(values, np.nan)
    axes = sheet.axes(x, y, wide, wide)
    axes.imshow(values, cmap=SEQUENTIAL.lower(), vmin=0, vmax=1, interpolation="nearest", aspect="auto")
    axes.axis("off")


def _plane(axes, places, ids, pictures, reach, tall):
    """The pictures where their distances put them; reach : from the middle to a side; tall : height over width."""
    axes.set(xticks=[], yticks=[])
    axes.spines[["left", "bottom"]].set_visible(False)
    half = reach * THUMB
    for (across, up), picture in zip(places, ids):
        if picture in pictures:
            at = (across - half, across + half, up - half, up + half)
            axes.imshow(pictures[picture], extent=at, aspect="auto", zorder=2)
        else:
            axes.plot(across, up, "o", ms=2, color=MUTED)
    axes.set(xlim=(-reach, reach), ylim=(-reach * tall, reach * tall))


def _key(sheet, x, y, wide):
    from matplotlib import colormaps

    steps = np.linspace(0, 1, 65)
    for k, colour in enumerate(colormaps[SEQUENTIAL.lower()](steps)):
        left = x + wide * k / len(steps)
        sheet.box(left, y, x + wide - left, BAR, tuple(colour[:3]))
    for share, text, side in ((0, "alike", "left"), (0.5, "median", "center"), (1, "unlike", "right")):
        sheet.text(x + wide * share, y + BAR + 2, text, ha=side)
