"""Which pictures of a subject are asked for: scores, differences, parts of variance, ceilings, winners."""

import numpy as np

from brainalign.figures import frames, theme
from brainalign.figures.flatmap import palettes, pictures
from brainalign.paper.wish import in_order

SCORES, PARTS = ("r", "r_norm", "r2"), ("shared", "unique_a", "unique_b")
QUANTITIES = (*SCORES, "layer", "winner", *PARTS, "unique", "nc", "across")
AMONG, SECOND = ("instructions", "models", "layers"), ("value", "ceiling", "q")


def pictures_of(wish, subject, quantity):
    """(title, Picture) of each map of a subject that is asked for; the title tells several instructions apart."""
    nc = wish.store.noise_ceiling(subject)
    if quantity == "nc":
        return [("", pictures.ceiling(nc))]
    if quantity == "across":
        r = wish.store.units(subject).get("across_r")
        if r is None or r.isna().all():
            raise ValueError(f"the store has no cross-subject ceiling of {subject}")
        found = [("", pictures.across(r.to_numpy()))]
    elif quantity in PARTS:
        found = [("", _part(wish, subject, quantity))]
    elif quantity == "unique":
        found = [("", _unique(wish, subject))]
    elif quantity == "winner":
        return [("", _winner(wish, subject))]
    else:
        return _scores(wish, subject, quantity, nc)
    return [(title, _over_ceiling(wish, picture, nc)) for title, picture in found]


def _over_ceiling(wish, picture, nc):
    if wish.one("second", SECOND) == "value":
        return picture
    if wish.made["second"] == "q":
        raise ValueError("significance is known of r, r_norm and r2 of a single map; take --second ceiling or value")
    ceilings = [wish.store.noise_ceiling(name) for name in wish.store.subjects().subject]
    return pictures.over_ceiling(picture, nc, palettes.limits(np.concatenate(ceilings))[1])


def _spaces(wish, subject):
    spaces = wish.store.spaces()
    return spaces[spaces.subject == subject]


def _nested(wish, subject, *chosen):
    """What Store.nested_map returns, None where the store has none."""
    try:
        return wish.store.nested_map(subject, *chosen)
    except ValueError:
        return None


def _scores(wish, subject, quantity, nc):
    rows = _spaces(wish, subject)
    model = wish.one("model", frames.in_order(rows.model, wish.store.models()))
    rows_of = rows[rows.model == model]
    offered = in_order(rows_of.instruction)
    chosen, found = wish.several("instruction", offered, offered[:1]), []
    pooling = wish.one("pooling", frames.in_order(rows_of.pooling, frames.POOLINGS))
    for instruction in chosen:
        picture = _score(wish, subject, quantity, nc, (model, instruction, pooling))
        if quantity in SCORES and _subtracts(wish):
            other = _other(wish, rows, model, instruction, pooling)
            subtracted = _score(wish, subject, quantity, nc, other)
            picture = pictures.difference(picture, subtracted, map_name(*other[:2]))
        nested = _nested(wish, subject, model, instruction, pooling)
        if wish.asked.get("second") == "q" and nested is not None and quantity in SCORES and not _subtracts(wish):
            wish.made["second"] = "q"
            picture = pictures.over_significance(pictures.chosen_only(picture), nested["q"])
        else:
            picture = _over_ceiling(wish, picture, nc)
        found.append((instruction, picture))
    return found


def _score(wish, subject, quantity, nc, chosen):
    nested, name = _nested(wish, subject, *chosen), map_name(*chosen[:2])
    layers, r, r2 = wish.store.layer_maps(subject, *chosen)
    if quantity == "layer":
        if nested is None:
            raise ValueError("the store does not know which layer training images choose; publish it again")
        return pictures.chosen_layer(nested["layer"], layers, name)
    least = float(wish.store.info().get("min_nc", 0))
    return pictures.score(quantity, layers, r, r2, nc, least, name, nested)


def map_name(model, instruction):
    """A map in words."""
    return f"{model} with {instruction}" if instruction else model


def _subtracts(wish):
    """Whether a map is to be subtracted; a page's link may still name one after that was switched off."""
    wanted = wish.asked.keys() & {"minus_model", "minus_instruction"}
    return bool(wanted) and wish.one("difference", ["True", "False"]) == "True"


def _other(wish, rows, model, instruction, pooling):
    """(model, instruction, pooling) of the map to subtract."""
    other = wish.one("minus_model", sorted(set(rows.model)), model, "model")
    rows = rows[rows.model == other]
    asked = wish.one("minus_instruction", in_order(rows.instruction), instruction, "instruction")
    poolings = frames.in_order(rows[rows.instruction == asked].pooling, frames.POOLINGS)
    return other, asked, pooling if pooling in poolings else poolings[0]


def _part(wish, subject, quantity):
    pairs = wish.store.pairs()
    pairs = pairs[pairs.subject == subject]
    pairs = pairs[pairs.model == wish.one("model", sorted(set(pairs.model)))]
    pairs = pairs[pairs.a == wish.one("a", in_order(pairs.a), what="first instruction")]
    pairs = pairs[pairs.b == wish.one("b", in_order(pairs.b), what="second instruction")]
    pairs = pairs[pairs.pooling == pairs.pooling.iloc[0]].sort_values("layer")
    row = pairs.iloc[0]
    parts = [wish.store.variance_map(subject, row.model, row.a, row.b, layer, row.pooling) for layer in pairs.layer]
    return pictures.part(quantity, parts, pairs.layer.tolist(), row.a, row.b, row.model)


def _unique(wish, subject):
    rows = wish.store.rows("roi_uniques", subject=subject)
    rows = rows[rows.model == wish.one("model", sorted(set(rows.model)), what="model with unique variance")]
    row = rows[rows.instruction == wish.one("instruction", in_order(rows.instruction))].iloc[0]
    found = wish.store.unique_map(subject, row.model, row.instruction, row.layer, row.pooling)
    return pictures.unique(found["unique_r2"], int(row.layer), row.instruction, row.model)


def _winner(wish, subject):
    among, rows = wish.one("among", AMONG), _spaces(wish, subject)
    if among == "layers":
        model = wish.one("model", frames.in_order(rows.model, wish.store.models()))
        rows = rows[rows.model == model]
        asked = wish.one("instruction", in_order(rows.instruction))
        pooling = wish.one("pooling", frames.in_order(rows.pooling, frames.POOLINGS))
        layers, r, _ = wish.store.layer_maps(subject, model, asked, pooling)
        about = f"The layer with the highest test r in each unit: {map_name(model, asked)}"
        names = palettes.ordered([str(layer) for layer in layers])
        return pictures.winner(r, names, "layer with the highest r", about, ordered=True)
    if among == "models":
        asked = wish.one("instruction", in_order(set(rows.instruction) - {""}))
        maps = [(name, i, frames.in_order(own.pooling, frames.POOLINGS)[0]) for (name, i), own in
                frames.under(rows, asked).groupby(["model", "instruction"])]  # fmt: skip
        classes = {name: theme.model_colour(name) for name, *_ in maps}
        about = f"The model with the highest r in each unit, each with {asked}"
    else:
        several = [name for name, own in rows.groupby("model") if own.instruction.nunique() > 1]
        rows = rows[rows.model == wish.one("model", frames.in_order(several, wish.store.models()))]
        pooling = wish.one("pooling", frames.in_order(rows.pooling, frames.POOLINGS))
        known = in_order(rows[rows.pooling == pooling].instruction)
        maps = [(wish.made["model"], i, pooling) for i in known]
        classes = {i: theme.instruction_colour(i) for i in known}
        about = f"The instruction with the highest r in each unit: {wish.made['model']}"
        about += f", states of {frames.pooling_name(pooling)}"
    nested = [(one, _nested(wish, subject, *one)) for one in maps]
    scores = [found["r"] for _, found in nested if found is not None]
    if len(scores) < 2:
        raise ValueError(f"a winner needs at least two {among} at the layer that training images choose")
    what = 0 if among == "models" else 1
    names = [(one[what], classes[one[what]]) for one, found in nested if found is not None]
    about += ", at the layer that training images choose"
    return pictures.winner(scores, names, f"{among.removesuffix('s')} with the highest r", about)
