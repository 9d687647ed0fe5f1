"""From a store's arrays to the pictures that a flatmap shows."""

import numpy as np

from brainalign import stats
from brainalign.figures.flatmap import Picture

SYMBOLS = {"r": "r", "r_norm": "r / ceiling", "r2": "R²"}
LABELS = {
    "r": "r, predicted and measured response",
    "r_norm": "r / √(noise ceiling)",
    "r2": "R², share of variance predicted",
}
ABOUT = {
    "r": "Pearson r between predicted and measured response",
    "r_norm": "Pearson r between predicted and measured response over the best possible, √(noise ceiling)",
    "r2": "R², the share of the response's variance that is predicted (below 0: worse than its mean)",
}


def score(quantity, layers, r, r2, nc, least, name):
    """r, R2 or normalised r of every layer.

    r, r2 : (n_layers, n_units); nc : (n_units,) percent; least : lowest nc that r is divided by; name : whose map
    """
    values = {"r": r, "r2": r2}[quantity] if quantity in ("r", "r2") else stats.normalise(r, nc, least)
    return Picture(values, tuple(layers), SYMBOLS[quantity], LABELS[quantity], f"{ABOUT[quantity]}: {name}")


def difference(a, b, name):
    """Picture `a` minus picture `b` of the same subject: layer by layer, or best with best if the layers differ."""
    first, other = best_layer(a), best_layer(b)
    if a.layers == b.layers:
        values, layers, note = a.values - b.values, a.layers, ""
    else:
        values, layers = (a.values[a.row(first)] - b.values[b.row(other)])[None], (first,)
        note = f", whose best layer is {other}"
    about = f"{a.about} minus {name}{note}"
    return Picture(values, layers, f"Δ {a.symbol}", f"difference of {a.symbol}", about, diverging=True, first=first)


def ceiling(nc):
    """The noise ceiling itself."""
    about = "Noise ceiling: percent of the variance of the averaged response that a perfect model could predict"
    label = "noise ceiling, percent of variance"
    return Picture(nc[None], (0,), "noise ceiling", label, about, layered=False)


def part(name, parts, layers, a, b, model):
    """One part of the variance that two instructions a and b predict, signed.

    parts : for each layer what Store.variance_map returns
    """
    words = {"shared": f"shared by {a} and {b}", "unique_a": f"of {a} only", "unique_b": f"of {b} only"}
    rules = {
        "shared": f"R²({a}) + R²({b}) − R²(both)",
        "unique_a": f"R²(both) − R²({b})",
        "unique_b": f"R²(both) − R²({a})",
    }
    values, label = np.stack([one[name] for one in parts]), f"R² {words[name]}"
    about = f"{label}, signed: {rules[name]}, {model}"
    return Picture(values, tuple(layers), "R²", label, about, diverging=True)


def best_layer(picture):
    """The layer to start with: the one a picture names, or that with the highest mean value over all units."""
    if picture.first is not None:
        return picture.first
    there = np.isfinite(picture.values)
    total = np.where(there, picture.values, 0).sum(1)
    return int(picture.layers[np.argmax(np.where(there.any(1), total / np.maximum(there.sum(1), 1), -np.inf))])


def shown(picture, layer, nc, threshold):
    """(n_units,) True where a unit has a value and a noise ceiling of at least the threshold."""
    return np.isfinite(picture.values[picture.row(layer)]) & (nc >= threshold)
