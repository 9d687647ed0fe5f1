"""A scene as named features: what is in it, and what the retina sees of it.

Contents: counts by category, the nearest thing, place, colour, layout, each thing. Retina: contrast and colour of
the rendered picture on a 12 x 12 grid.
"""

import numpy as np

from brainalign.demo.drawing import render
from brainalign.demo.scenes import BACKGROUNDS, CATEGORIES, SPRITES

GRID, CELL = 12, 6  # the retina: 12 x 12 cells of 6 x 6 pixels
FIELD = 8.4  # degrees of visual field that a picture fills
CHANNELS = ("contrast", "luminance", "redgreen", "blueyellow")
COLOURS = tuple(dict.fromkeys(place.colour for place in BACKGROUNDS.values()))
LAYOUT = ("horizon", "x", "spread", "area", "nearest size")
CONTENTS = (
    *(f"count:{c}" for c in CATEGORIES),
    "count:objects",
    "count:kinds",
    *(f"nearest:{c}" for c in CATEGORIES),
    "outdoor",
    "natural",
    *(f"place:{b}" for b in BACKGROUNDS),
    *(f"colour:{c}" for c in COLOURS),
    *(f"layout:{name}" for name in LAYOUT),
    *(f"thing:{name}" for name in SPRITES),
)
RETINA = tuple(f"retina:{c}:{row}:{column}" for c in CHANNELS for row in range(GRID) for column in range(GRID))
FEATURES = CONTENTS + RETINA


def features(scene):
    """(n_features,) float32 in the order of `FEATURES`."""
    return np.concatenate([contents(scene), retina(render(scene, GRID * CELL))])


def contents(scene):
    """(n_contents,) what is in the scene, in the order of `CONTENTS`."""
    names = [o.name for o in scene.objects]
    categories = [o.category for o in scene.objects]
    nearest = max(scene.objects, key=lambda o: o.y)
    x, size = np.array([(o.x, o.size) for o in scene.objects]).T
    layout = (scene.horizon, x.mean(), np.ptp(x), (size**2).sum(), nearest.size)
    values = (
        *(categories.count(c) for c in CATEGORIES),
        len(names),
        len(set(names)),
        *(nearest.category == c for c in CATEGORIES),
        scene.place.outdoor,
        scene.place.natural,
        *(scene.background == b for b in BACKGROUNDS),
        *(scene.place.colour == c for c in COLOURS),
        *layout,
        *(names.count(name) for name in SPRITES),
    )
    return np.array(values, "f4")


def retina(picture):
    """(n_retina,) contrast (sd of luminance within a cell), luminance and two opponent colours of each cell."""
    red, green, blue = np.moveaxis(picture.astype("f4") / 255, -1, 0)
    luminance = (red + green + blue) / 3
    cells = {
        "contrast": _cells(luminance).std(-1),
        "luminance": _cells(luminance).mean(-1),
        "redgreen": _cells(red - green).mean(-1),
        "blueyellow": _cells(blue - (red + green) / 2).mean(-1),
    }
    return np.concatenate([cells[channel].ravel() for channel in CHANNELS])


def _cells(image):
    """(72, 72) -> (12, 12, 36)"""
    return image.reshape(GRID, CELL, GRID, CELL).swapaxes(1, 2).reshape(GRID, GRID, -1)
