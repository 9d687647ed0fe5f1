"""From what is asked to the picture of a subject: `Asked` -> figures.flatmap.Picture, for the page and for paper.

`source` is a Store, or something that keeps in memory what it has read and is asked in the same words.
"""

from dataclasses import replace

import numpy as np

from brainalign.figures import frames, theme
from brainalign.figures.flatmap import palettes, pictures
from brainalign.paper.asked import PARTS


def grid(source, stock, subjects, asked):
    """subject -> Picture, such that one slider can show all: of the same layers, or each of its first layer alone."""
    found = {subject: picture(source, stock, subject, asked) for subject in subjects}
    if len({one.layers for one in found.values()}) == 1:
        return found
    return {subject: _first_alone(one) for subject, one in found.items()}


def _first_alone(picture):
    layer = pictures.best_layer(picture)
    about = f"{picture.about}, {picture.name(layer)}"
    values = picture.values[picture.row(layer)][None]
    return replace(picture, values=values, layers=(0,), about=about, layered=False, first=layer)


def picture(source, stock, subject, asked):
    """The Picture of one subject; a ValueError says what the store lacks.

    stock : what `asked.offered` returns
    """
    nc = source.noise_ceiling(subject)
    found = _plain(source, stock, subject, asked, nc)
    if asked.second == "ceiling":
        return pictures.over_ceiling(found, nc, ceiling_top(source, stock))
    if asked.second == "q":
        q = source.nested_map(subject, *asked.chosen)["q"]
        return pictures.over_significance(pictures.chosen_only(found), q)
    return found


def ceiling_top(source, stock):
    """The noise ceiling in percent from which colours are full: the same for all subjects."""
    return palettes.limits(np.concatenate([source.noise_ceiling(one) for one in stock["maps"]]))[1]


def _plain(source, stock, subject, asked, nc):
    if asked.quantity == "nc":
        return pictures.ceiling(nc)
    if asked.quantity == "across":
        return pictures.across(source.units(subject).across_r.to_numpy())
    if asked.quantity in PARTS:
        return _part(source, stock, subject, asked)
    if asked.quantity == "unique":
        return _unique(source, stock, subject, asked)
    if asked.quantity == "winner":
        return _contest(source, stock, subject, asked)
    if asked.quantity == "layer":
        return _best_layer(source, subject, asked.chosen)
    if asked.minus == asked.chosen:
        raise ValueError(f"{map_name(asked.chosen)} minus itself is 0 everywhere; subtract another map")
    found = _score(source, stock, subject, asked.quantity, asked.chosen, nc)
    if asked.minus is None:
        return found
    other = _score(source, stock, subject, asked.quantity, asked.minus, nc)
    return pictures.difference(found, other, map_name(asked.minus))


def map_name(chosen):
    """A map in words."""
    return f"{chosen[0]} with {chosen[1]}" if chosen[1] else chosen[0]


def _score(source, stock, subject, quantity, chosen, nc):
    layers, r, r2 = source.layer_maps(subject, *chosen)
    nested = source.nested_map(subject, *chosen) if (subject, *chosen) in stock["nested"] else None
    return pictures.score(quantity, layers, r, r2, nc, stock["least"], map_name(chosen), nested)


def _best_layer(source, subject, chosen):
    layers, *_ = source.layer_maps(subject, *chosen)
    return pictures.chosen_layer(source.nested_map(subject, *chosen)["layer"], layers, map_name(chosen))


def subtracted_layer(source, stock, subject, asked, layer):
    """The layer of the map that is subtracted where the other one's is shown, as `pictures.difference` pairs them."""
    nc = source.noise_ceiling(subject)
    one, other = (_score(source, stock, subject, asked.quantity, at, nc) for at in (asked.chosen, asked.minus))
    return layer if one.layers == other.layers else pictures.best_layer(other)


def partition(stock, subject, asked):
    """What a subject has of the variance that is asked for: a row with model and pooling."""
    model = asked.chosen[0]
    if asked.quantity in PARTS:
        (a, b), held = asked.pair, stock["pairs"][subject]
        rows = [r for r in held if (r["model"], r["a"], r["b"]) == (model, a, b)]
        lacks = f"partition of the variance of {a} and {b}"
    else:
        held, lacks = stock["uniques"][subject], f"unique variance of {asked.chosen[1]}"
        rows = [r for r in held if (r["model"], r["instruction"]) == asked.chosen[:2]]
    if not rows:
        raise ValueError(f"{subject} has no {lacks} with {model}")
    return rows[0]


def _part(source, stock, subject, asked):
    model, (a, b) = asked.chosen[0], asked.pair
    parts = source.variance_map(subject, model, a, b, partition(stock, subject, asked)["pooling"])
    return pictures.part(asked.quantity, parts, a, b, model)


def _unique(source, stock, subject, asked):
    model, instruction, _ = asked.chosen
    found = source.unique_map(subject, model, instruction, partition(stock, subject, asked)["pooling"])
    return pictures.unique(found, instruction, model)


# Winners -----------------------------------------------------------------------------------------------------


def _contest(source, stock, subject, asked):
    model, instruction, pooling = asked.chosen
    if asked.among == "layers":  # the test images must not choose: their r would be the best of many by chance
        return _best_layer(source, subject, asked.chosen)
    maps = contest(stock, subject, asked)
    if len(maps) < 2:
        raise ValueError(f"A winner needs at least two {asked.among}; choose others, or look at r.")
    scores = [source.nested_map(subject, *one)["r"] for one in maps]
    if asked.among == "models":
        classes = [(name, theme.model_colour(name)) for name, *_ in maps]
        about = f"The model with the highest r in each unit, each with {instruction or 'no instruction'}"
    else:
        classes = [(i, theme.instruction_colour(i)) for _, i, _ in maps]
        about = f"The instruction with the highest r in each unit: {model}, states of {frames.pooling_name(pooling)}"
    about += ", at the layer that training images choose"
    return pictures.winner(scores, classes, f"{asked.among.removesuffix('s')} with the highest r", about)


def contest(stock, subject, asked):
    """The maps (model, instruction, pooling) of a subject that compete, at layers chosen by training images."""
    return [one for one in contestants(stock["maps"][subject], asked) if (subject, *one) in stock["nested"]]


def contestants(maps, asked):
    """The maps (model, instruction, pooling) of a subject that compete for each unit.

    maps : model -> instruction -> poolings
    """
    model, instruction, pooling = asked.chosen
    if asked.among == "instructions":
        known = maps.get(model, {})
        return [(model, i, pooling) for i in known if i and pooling in known[i]]
    found = []
    for name, known in maps.items():  # a model that takes no instruction competes as it is
        own = instruction if instruction in known else "" if set(known) == {""} else None
        if own is not None:
            found.append((name, own, known[own][0]))
    return found
