"""From a store's arrays to the pictures that a flatmap shows."""

from dataclasses import replace

import numpy as np

from brainalign import stats
from brainalign.figures.flatmap import CHOSEN, Picture, Second, palettes

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
MARGIN = 0.01  # of r: a lead up to this is a tie until the reader says otherwise
FAINT = 64  # weight of what is not significant: seen, but faint
SURE = ((1.0, FAINT, "q ≥ 0.05"), (0.05, 150, "q < 0.05"), (0.01, 205, "q < 0.01"), (0.001, 255, "q < 0.001"))


# Scores ------------------------------------------------------------------------------------------------------


def score(quantity, layers, r, r2, nc, least, name, nested=None):
    """r, R2 or normalised r of every layer, and first of the layer chosen for each unit where that is known.

    r, r2 : (n_layers, n_units); nc : (n_units,) percent; least : lowest nc that r is divided by; name : whose map
    nested : what Store.nested_map returns
    """
    if nested is not None:
        layers, r, r2 = [CHOSEN, *layers], np.vstack([nested["r"], r]), np.vstack([nested["r2"], r2])
    values = {"r": r, "r2": r2}[quantity] if quantity in ("r", "r2") else stats.normalise(r, nc, least)
    found = Picture(values, tuple(layers), SYMBOLS[quantity], LABELS[quantity], f"{ABOUT[quantity]}: {name}")
    return replace(found, first=best_layer(found))


def chosen_only(picture):
    """A picture of scores with nothing but the layer chosen for each unit."""
    row = picture.row(CHOSEN)
    return replace(picture, values=picture.values[row : row + 1], layers=picture.layers[row : row + 1])


def difference(a, b, name):
    """Picture `a` minus picture `b` of the same subject, layer by layer; if the layers differ, chosen with chosen.

    Without chosen layers it is best with best.
    """
    first, other = best_layer(a), best_layer(b)
    if a.layers == b.layers:
        values, layers, note = a.values - b.values, a.layers, ""
    else:
        values, layers = (a.values[a.row(first)] - b.values[b.row(other)])[None], (first,)
        note = "" if first == other == CHOSEN else f", whose best layer is {other}"
    about = f"{a.about} minus {name}{note}"
    return Picture(values, layers, f"Δ {a.symbol}", f"difference of {a.symbol}", about, diverging=True, first=first)


def ceiling(nc):
    """The noise ceiling itself."""
    about = "Noise ceiling: percent of the variance of the averaged response that a perfect model could predict"
    label = "noise ceiling, percent of variance"
    return Picture(nc[None], (0,), "noise ceiling", label, about, layered=False)


def across(r):
    """The ceiling by other people: r of the response predicted from the other subjects' responses, (n_units,)."""
    about = "Cross-subject ceiling: Pearson r between the response and its prediction from other subjects' responses"
    return Picture(r[None], (0,), "r", "r, predicted from the other subjects", about, layered=False)


# Variance ----------------------------------------------------------------------------------------------------


def part(name, parts, a, b, model):
    """One part of the variance that two instructions a and b predict, signed.

    parts : what Store.variance_map returns
    """
    words = {"shared": f"shared by {a} and {b}", "unique_a": f"of {a} only", "unique_b": f"of {b} only"}
    rules = {
        "shared": f"R²({a}) + R²({b}) − R²(both)",
        "unique_a": f"R²(both) − R²({b})",
        "unique_b": f"R²(both) − R²({a})",
    }
    label = f"R² {words[name]}"
    about = f"{label}, signed: {rules[name]}, {model}"
    return Picture(parts[name][None], (0,), "R²", label, about, diverging=True, layered=False)


def unique(unique_r2, instruction, model):
    """What one instruction explains beyond all the others of its model, signed: (n_units,)."""
    about = f"R² of {instruction} beyond all other instructions, signed: R²(all) − R²(all but {instruction}), {model}"
    label = f"R² of {instruction} beyond all others"
    return Picture(unique_r2[None], (0,), "R²", label, about, diverging=True, layered=False)


# Classes -----------------------------------------------------------------------------------------------------


def chosen_layer(layer, layers, name):
    """The layer of each unit that training images choose; layer : (n_units,), NaN where there is none."""
    about = f"The layer of each unit that predicts left-out training images best: {name}"
    classes = palettes.ordered([str(one) for one in layers])
    numbers = np.where(np.isfinite(layer), np.searchsorted(layers, np.nan_to_num(layer)), np.nan)
    return Picture(
        numbers[None].astype("f4"), (0,), "layer", "layer chosen by training images", about,
        layered=False, classes=classes, ordered=True,
    )  # fmt: skip


def winner(scores, classes, what, about):
    """Which of several maps has the highest score in each unit, and by how much.

    scores : (n_classes, n_units); a map without a score there does not take part
    classes : (name, colour) of each; what : of the colour bar
    A lead up to the margin that the reader chooses is a tie.
    """
    scores = np.asarray(scores, np.float64)
    known = np.isfinite(scores)
    ranked = np.sort(np.where(known, scores, -np.inf), axis=0)
    enough = known.sum(0) > 1
    numbers = np.where(enough, np.where(known, scores, -np.inf).argmax(0), np.nan)
    lead = np.where(enough, np.subtract(*ranked[[-1, -2]], where=enough, out=np.zeros(len(enough))), np.nan)
    return Picture(
        numbers[None].astype("f4"), (0,), "winner", what, about, layered=False,
        classes=(*classes, ("tie", palettes.TIE)), lead=lead.astype("f4"),
    )  # fmt: skip


def settled(picture, margin):
    """A picture of winners with its ties made: where the lead is not above the margin, the last class."""
    if picture.lead is None:
        return picture
    tied = np.isfinite(picture.values) & ~(picture.lead > np.float32(margin))
    return replace(picture, values=np.where(tied, len(picture.classes) - 1, picture.values), lead=None)


# The second dimension ----------------------------------------------------------------------------------------


def over_ceiling(picture, nc, top):
    """A picture whose colours fade where the noise ceiling is low; nc : (n_units,) percent; top : full at this."""
    weights = np.rint(255 * np.clip(np.nan_to_num(nc) / top, 0, 1)).astype(np.uint8)
    second = Second(weights, "noise ceiling, %", tuple(range(0, 256, 5)), tuple(palettes.ticks(0, top)))
    about = f"{picture.about}; colours fade with the noise ceiling"
    return replace(picture, second=second, about=about)


def over_significance(picture, q):
    """A picture whose colours fade where r is not significant; q : (n_units,) after correction over units."""
    weights, words = np.full(len(q), FAINT, np.uint8), {}
    for below, weight, text in SURE:
        weights[np.nan_to_num(q, nan=1) < below] = weight
        words[weight] = text
    ticks = tuple(((k + 0.5) / len(SURE), text) for k, (_, _, text) in enumerate(SURE))
    second = Second(weights, "significance of r", tuple(weight for _, weight, _ in SURE), ticks, words)
    about = (
        f"{picture.about}; colours fade where r is not above chance (permutation of test images, "
        "Benjamini–Hochberg over units)"
    )
    return replace(picture, second=second, about=about)


# What is shown -----------------------------------------------------------------------------------------------


def best_layer(picture):
    """The layer to start with: the one a picture names, the chosen ones, or that with the highest mean value."""
    if picture.first is not None:
        return picture.first
    if CHOSEN in picture.layers:
        return CHOSEN
    there = np.isfinite(picture.values)
    total = np.where(there, picture.values, 0).sum(1)
    return int(picture.layers[np.argmax(np.where(there.any(1), total / np.maximum(there.sum(1), 1), -np.inf))])


def shown(picture, layer, nc, threshold):
    """(n_units,) True where a unit has a value and a noise ceiling of at least the threshold."""
    return np.isfinite(picture.values[picture.row(layer)]) & (nc >= threshold)
