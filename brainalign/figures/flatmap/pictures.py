"""From a store's arrays to the pictures that a flatmap shows."""

import numpy as np

from brainalign import stats
from brainalign.figures.flatmap import Picture

SCORES = {"r": "r", "r_norm": "r / ceiling", "r2": "R²"}
WORDS = {
    "r": "Pearson r between predicted and measured response",
    "r_norm": "r as a share of the best possible, √(noise ceiling)",
    "r2": "R², share of variance predicted",
}


def score(quantity, layers, r, r2, nc, least, name):
    """r, R2 or normalised r of every layer.

    r, r2 : (n_layers, n_units); nc : (n_units,) percent; least : lowest nc that r is divided by; name : whose map
    """
    values = {"r": r, "r2": r2}[quantity] if quantity in ("r", "r2") else stats.normalise(r, nc, least)
    return Picture(values, tuple(layers), SCORES[quantity], WORDS[quantity], f"{SCORES[quantity]} of {name}.")


def difference(a, b):
    """Picture `a` minus picture `b` of the same subject: layer by layer, or best with best if the layers differ."""
    if a.layers == b.layers:
        values, layers, note = a.values - b.values, a.layers, ""
    else:
        rows = best_row(a), best_row(b)
        values, layers = (a.values[rows[0]] - b.values[rows[1]])[None], (a.layers[rows[0]],)
        note = f" (best layer of each: {a.layers[rows[0]]} and {b.layers[rows[1]]})"
    about = f"{a.about} Minus {b.about}"
    return Picture(values, layers, f"Δ {a.symbol}", f"difference of {a.symbol}{note}", about, diverging=True)


def ceiling(nc):
    """The noise ceiling itself: percent of variance that a perfect model could predict."""
    label = "noise ceiling, percent of the variance of the averaged response"
    return Picture(nc[None], (0,), "noise ceiling %", label, "Noise ceiling.", layered=False)


def part(name, parts, layers, a, b):
    """One part of the variance that two instructions a and b predict, signed.

    parts : for each layer what Store.variance_map returns
    """
    words = {"shared": f"shared by {a} and {b}", "unique_a": f"by {a} only", "unique_b": f"by {b} only"}
    values = np.stack([one[name] for one in parts])
    about = f"Variance predicted {words[name]}."
    return Picture(values, tuple(layers), "R²", f"R² {words[name]}, signed", about, diverging=True)


def best_row(picture):
    """The row with the highest mean value over all units."""
    there = np.isfinite(picture.values)
    total = np.where(there, picture.values, 0).sum(1)
    return int(np.argmax(np.where(there.any(1), total / np.maximum(there.sum(1), 1), -np.inf)))


def shown(picture, layer, nc, threshold):
    """(n_units,) True where a unit has a value and a noise ceiling of at least the threshold."""
    return np.isfinite(picture.values[picture.row(layer)]) & (nc >= threshold)
