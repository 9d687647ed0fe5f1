"""Which flatmaps are asked for: one map, or a grid of subjects and instructions."""

from brainalign import tables
from brainalign.figures import frames
from brainalign.figures.flatmap import pictures
from brainalign.paper import queries, words
from brainalign.paper.cortex import Map, flatmap
from brainalign.paper.wish import in_order, match

SCORES, PARTS = ("r", "r_norm", "r2"), ("shared", "unique_a", "unique_b")
OUTLINES = ("areas", "streams", "none")
WIDE = ("streams", "whole")  # families of regions that lie over the areas


def chosen(wish):
    store = wish.store
    coverage = store.coverage()
    subjects = wish.several("subject", sorted(set(coverage.subject)), sorted(set(coverage.subject))[:1])
    quantity = wish.one("quantity", [*SCORES, "nc", *PARTS])
    least = float(store.info().get("min_nc", 0))
    threshold = wish.number("threshold", round(least))
    outlined = wish.listed("outlines", OUTLINES, store.rois(subjects[0]))
    cells = []
    for subject in subjects:
        cells += [(subject, *cell) for cell in _pictures(wish, coverage, subject, quantity, least)]
    fixed = cells[0][2] if len(cells) == 1 else None
    wanted = wish.asked.get("layer", "best")
    maps, geometry = [], store.geometry()
    for subject, title, picture in cells:
        layer = _layer(wanted, picture)
        names = (subject if len(subjects) > 1 else "", title if len(cells) > len(subjects) else "")
        maps.append(
            Map(geometry, store.flat_units(subject), store.noise_ceiling(subject), outlines(store, subject, outlined),
                picture, layer, threshold, subject, ", ".join(filter(None, names)))
        )  # fmt: skip
    wish.made["layer"] = str(maps[0].layer) if fixed is not None else wanted
    return flatmap(maps, words.of_maps(store, maps), wish.made, queries.maps(wish.made))


def _layer(wanted, picture):
    if wanted == "best" or not picture.layered:
        return pictures.best_layer(picture)
    return match("layer", wanted, picture.layers)


def outlines(store, subject, which):
    """name -> units of the regions to outline: "areas", "streams", "none", or a list of their names."""
    if isinstance(which, list):
        return {name: units for name, units in store.rois(subject).items() if name in which}
    family = {name: roi.family for name, roi in tables.rois().items()}
    keep = {
        "areas": lambda name: family.get(name) not in WIDE,
        "streams": lambda name: family.get(name) == "streams",
        "none": lambda name: False,
    }[which]
    return {name: units for name, units in store.rois(subject).items() if keep(name)}


def _pictures(wish, coverage, subject, quantity, least):
    """(title, Picture) of each map of a subject that is asked for."""
    store, nc = wish.store, wish.store.noise_ceiling(subject)
    if quantity == "nc":
        return [("", pictures.ceiling(nc))]
    if quantity in PARTS:
        return [("", _part(wish, subject, quantity))]
    rows = coverage[coverage.subject == subject]
    model = wish.one("model", sorted(set(rows.model)))
    offered = in_order(rows[rows.model == model].instruction)
    chosen = wish.several("instruction", offered, offered[:1])
    pooling = wish.one("pooling", frames.in_order(store.poolings(model), frames.POOLINGS))
    found = []
    for instruction in chosen:
        picture = _score(store, subject, quantity, nc, least, (model, instruction, pooling))
        if _subtracts(wish):
            other = wish.one("minus_model", sorted(set(rows.model)), model, "model")
            others = in_order(rows[rows.model == other].instruction)
            other = (other, wish.one("minus_instruction", others, instruction, "instruction"))
            own = pooling if pooling in store.poolings(other[0]) else store.poolings(other[0])[0]
            subtracted = _score(store, subject, quantity, nc, least, (*other, own))
            picture = pictures.difference(picture, subtracted, map_name(*other))
        found.append((instruction, picture))
    return found


def _subtracts(wish):
    """Whether a map is to be subtracted; a page's link may still name one after that was switched off."""
    wanted = wish.asked.keys() & {"minus_model", "minus_instruction"}
    return bool(wanted) and wish.one("difference", ["True", "False"]) == "True"


def map_name(model, instruction):
    return f"{model} with {instruction}" if instruction else model


def _score(store, subject, quantity, nc, least, chosen):
    layers, r, r2 = store.layer_maps(subject, *chosen)
    return pictures.score(quantity, layers, r, r2, nc, least, map_name(*chosen[:2]))


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
