"""Colours of maps: one home for the screen, for paper and for other tools, with limits and ticks that read well.

viridis and ColorBrewer's RdBu are told apart by readers with any kind of colour blindness: reds and blues differ to
all of them, greens and reds would not, and the middle is lighter than both ends. Tests hold them to it.
"""

from dataclasses import replace
from functools import cache

import numpy as np

PALETTES = {"sequential": "viridis", "diverging": "RdBu_r"}
GYRUS, SULCUS = 205, 160  # grey of the folds, 0..255
TIE = "#5c6068"  # where no class is ahead: darker than the folds, so that it draws no eye on any ground


@cache
def table(name):
    """The 256 colours of "sequential" or "diverging" as (256, 3) uint8."""
    from matplotlib import colormaps

    return np.rint(colormaps[PALETTES[name]](np.linspace(0, 1, 256))[:, :3] * 255).astype(np.uint8)


def limits(values, diverging=False):
    """Colour limits that hold 99 % of the values: from 0 to a round number, or symmetric about 0."""
    there = np.abs(values[np.isfinite(values)]) if diverging else values[np.isfinite(values)]
    top = float(np.percentile(there, 99)) if there.size else 1.0
    high = _round_up(top) if top > 0 else 1.0
    return (-high if diverging else 0.0), high


def _round_up(value):
    """The next number of the form 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8 or 10 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(m for m in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 15) if m * power >= value * 0.999) * power)


def ticks(low, high):
    """Four to seven round numbers in [low, high] as (place from 0 to 1, text)."""
    width = (high - low) / 4
    power = 10.0 ** np.floor(np.log10(width))
    step = power * max(m for m in (1, 2, 2.5, 5) if m * power <= width * 1.001)
    first, last = int(np.ceil(low / step - 1e-6)), int(np.floor(high / step + 1e-6))
    return [((k * step - low) / (high - low), f"{k * step:g}".replace("-", "−")) for k in range(first, last + 1)]


# Pictures: their colours, limits and ticks -------------------------------------------------------------------


def table_of(picture):
    """The 256 colours of a Picture: a palette, or its classes side by side in equal parts, (256, 3) uint8."""
    if not picture.classes:
        return table("diverging" if picture.diverging else "sequential")
    colours = np.array([[int(colour[k : k + 2], 16) for k in (1, 3, 5)] for _, colour in picture.classes], np.uint8)
    return colours[np.minimum(np.arange(256) * len(colours) // 255, len(colours) - 1)]


def limits_of(pictures):
    """The limits that Pictures of one quantity share: those that were set, else over all layers, or of differences
    those of the first shown."""
    first = pictures[0]
    if first.limits:
        return first.limits
    if first.classes:
        return -0.5, len(first.classes) - 0.5
    rows = [
        one.values[one.row(one.first)] if first.diverging and one.first in one.layers else one.values
        for one in pictures
    ]
    return limits(np.concatenate([values.ravel() for values in rows]), first.diverging)


def limited(pictures, low=None, high=None):
    """Pictures of one quantity with the ends of the colours set by hand; an end that is None follows the values."""
    if low is None and high is None:
        return pictures
    first, said = pictures[0], f"colour limits are {_said(low)} to {_said(high)}"
    if first.classes:
        raise ValueError(f"{said}, but this map shows classes, which have none")
    if first.diverging:
        ends = {abs(end) for end in (low, high) if end is not None}
        if len(ends) > 1 or 0 in ends or (low or 0) > 0 or (high or 0) < 0:
            raise ValueError(f"{said}; signed maps have them the same on both sides of 0, such as -0.2 to 0.2")
        low, high = -max(ends), max(ends)
    automatic = limits_of(pictures)
    ends = tuple(float(own if end is None else end) for own, end in zip(automatic, (low, high)))
    if not ends[0] < ends[1]:
        found = f"{_said(automatic[0])} to {_said(automatic[1])}"
        raise ValueError(f"{said}; expected a low end below a high one, here for example {found}")
    return [replace(one, limits=ends) for one in pictures]


def _said(end):
    return "automatic" if end is None else f"{end:g}"


def ticks_of(picture, low, high):
    """Ticks of a Picture's colour bar; of classes, the names of at most ten of them."""
    if not picture.classes:
        return ticks(low, high)
    names = [name for name, colour in picture.classes if colour != TIE]
    step = -(-len(names) // 10)
    return [((k - low) / (high - low), names[k]) for k in range(0, len(names), step)]


def ordered(names):
    """Classes for names in an order, such as layers: viridis in equal steps."""
    shades = table("sequential")[np.linspace(0, 255, max(2, len(names))).astype(int)]
    return tuple((name, "#{:02x}{:02x}{:02x}".format(*shade)) for name, shade in zip(names, shades.tolist()))


# Units and vertices ------------------------------------------------------------------------------------------


def unit_colours(values, limits, colours):
    """Colours of values (n_units,) between two limits, rounded as the screen rounds: (n_units, 3); any where NaN.

    colours : (256, 3) uint8
    """
    low, high = limits
    place = np.floor(np.nan_to_num((values - low) / (high - low)) * 255 + 0.5)
    return colours[np.clip(place, 0, 255).astype(int)]


def vertex_colours(geometry, flat_units, colours, shown, weights=None):
    """Colour of each vertex, (n_vertices + 1, 3) uint8: of its unit where shown, else of the folds; the last is white.

    flat_units : (n_vertices,) or -1; colours : (n_units, 3); shown : (n_units,) bool
    weights : (n_units,) uint8, how opaque the colours lie over the folds; None: wholly
    """
    folds = np.where(geometry.curvature > 0, SULCUS, GYRUS).astype(np.uint8)
    found = np.repeat(folds[:, None], 3, axis=1)
    here = (flat_units >= 0) & shown[flat_units]
    found[here] = colours[flat_units[here]]
    if weights is not None:
        found[here] = mix(colours[flat_units[here]], weights[flat_units[here]][:, None], folds[here][:, None])
    return np.concatenate([found, np.full((1, 3), 255, np.uint8)])


def mix(colours, weights, ground):
    """uint8 colours over a ground, weights from 0 (the ground) to 255; rounded as the screen rounds."""
    weights = np.asarray(weights, np.int32)
    return ((2 * (colours * weights + ground * (255 - weights)) + 255) // 510).astype(np.uint8)
