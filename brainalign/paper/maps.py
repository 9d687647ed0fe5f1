"""Which flatmaps are asked for: one map, or a grid of subjects and instructions."""

from brainalign import tables
from brainalign.figures import frames
from brainalign.figures.flatmap import CHOSEN, pictures
from brainalign.paper import queries, words
from brainalign.paper.asked import QUANTITIES, pictures_of
from brainalign.paper.cortex import Map, flatmap
from brainalign.paper.wish import match

SETS = ("areas", "streams", "chosen", "none")
EVERYONE = "all"


def chosen(wish):
    """The Plot of what is asked for."""
    store, everyone = wish.store, sorted(set(wish.store.coverage().subject))
    if wish.asked.get("subject") == EVERYONE:
        wish.asked = wish.asked | {"subject": ",".join(everyone)}
    subjects = wish.several("subject", everyone, everyone[:1])
    quantity = wish.one("quantity", QUANTITIES)
    threshold = wish.number("threshold", round(float(store.info().get("min_nc", 0))))
    margin = wish.number("margin", pictures.MARGIN) if quantity == "winner" else 0.0
    cells = [(subject, *cell) for subject in subjects for cell in pictures_of(wish, subject, quantity)]
    geometry, maps = store.geometry(), []
    for subject, instruction, picture in cells:
        title = [subject] * (len(subjects) > 1) + [instruction] * (len(cells) > len(subjects))
        drawn = _outlined(wish, store.rois(subject))
        maps.append(
            Map(geometry, store.flat_units(subject), store.noise_ceiling(subject), drawn, picture,
                _layer(wish, picture), threshold, subject, ", ".join(title), margin)
        )  # fmt: skip
    return flatmap(maps, words.of_maps(store, maps), wish.made, queries.maps(wish.made))


def _layer(wish, picture):
    wanted = wish.asked.get("layer", "chosen")
    if not picture.layered or wanted in ("chosen", "best"):
        layer = pictures.best_layer(picture)
    else:
        numbers = [layer for layer in picture.layers if layer != CHOSEN]
        match("layer", wanted, [*["chosen"] * (CHOSEN in picture.layers), *numbers])
        layer = int(wanted)
    if picture.layered:
        wish.made["layer"] = "chosen" if layer == CHOSEN else str(layer)
    return layer


def _outlined(wish, rois):
    """name -> units of the regions to outline: a set of them, families, or a list of names."""
    which = wish.listed("outlines", SETS, rois)
    if isinstance(which, list):
        return {name: rois[name] for name in rois if name in which}
    known, families = tables.rois(), frames.families(rois)
    of = {name: known[name].family if name in known else "other" for name in rois}
    if which == "chosen":
        families = wish.several("families", families, families[:1], "family of regions")
    else:
        wide = {"streams", "whole"}
        families = {"areas": set(families) - wide, "streams": {"streams"}, "none": set()}[which]
    return {name: units for name, units in rois.items() if of[name] in families}
