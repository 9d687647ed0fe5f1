"""Colours of maps: one table for the screen and for paper, and limits and ticks that read well."""

from functools import cache

import numpy as np

PALETTES = {"sequential": "viridis", "diverging": "RdBu_r"}
GYRUS, SULCUS = 205, 160  # grey of the folds, 0..255


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
