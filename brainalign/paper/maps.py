"""Which flatmaps are asked for: one map, or a grid of subjects and instructions."""

import numpy as np

from brainalign.figures.flatmap import CHOSEN, palettes, pictures
from brainalign.paper import asked, map_queries, map_words, pictured
from brainalign.paper.cortex import Map, flatmap
from brainalign.paper.page import within
from brainalign.paper.wish import Wish, match

SPOKEN = {"a": "first instruction", "b": "second instruction", "second": "second dimension"}
SPOKEN |= {"minus_model": "model", "minus_instruction": "instruction"}


def chosen(wish):
    """The Plot of what is asked for."""
    store, stock = wish.store, asked.offered(wish.store)
    if not stock["maps"]:
        raise ValueError("the store has no maps yet; run `brainalign publish STUDY.toml`")
    subjects = _subjects(wish, list(stock["maps"]))
    by_instruction = _by_instruction(wish, stock, subjects)
    grids = _limited(wish, {i: pictured.grid(store, stock, subjects, one) for i, one in by_instruction.items()})
    threshold = wish.number("threshold", round(stock["least"]))
    margin = wish.number("margin", pictures.MARGIN) if wish.made["quantity"] == "winner" else 0.0
    lines, geometry, maps = asked.LINES[wish.one("lines", asked.LINES, "medium")], store.geometry(), []
    for subject in subjects:
        rois = store.rois(subject)
        drawn = {name: rois[name] for name in _outlined(wish, rois)}
        for instruction, grid in grids.items():
            title = [subject] * (len(subjects) > 1) + [instruction] * (len(grids) > 1)
            maps.append(
                Map(geometry, store.flat_units(subject), store.noise_ceiling(subject), drawn, grid[subject],
                    _layer(wish, grid[subject]), threshold, subject, ", ".join(title), margin, lines,
                    by_instruction[instruction])
            )  # fmt: skip
    _some_shown(maps, threshold)
    return of_maps(store, maps, wish.made)


def _limited(wish, grids):
    """Pictures with the colour limits that are asked for: instruction -> subject -> Picture."""
    low, high = asked.limits(wish.asked.get("limits", asked.AUTOMATIC))
    low, high = (wish.end(key, end) for key, end in (("vmin", low), ("vmax", high)))
    keys = [(instruction, subject) for instruction, grid in grids.items() for subject in grid]
    found = palettes.limited([grids[i][subject] for i, subject in keys], low, high)
    if found[0].limits:
        wish.made["limits"] = asked.limits_text(found[0].limits)
    limited = dict(zip(keys, found))
    return {i: {subject: limited[i, subject] for subject in grid} for i, grid in grids.items()}


def _some_shown(maps, threshold):
    """An error where a threshold leaves nothing."""
    for one in maps:
        if threshold > 0 and not one.shown.any():
            highest = np.nanmax(one.nc, initial=0)
            raise ValueError(
                f"no unit of {one.subject} with a value has a noise ceiling of {threshold:g} % (threshold); the "
                f"highest ceiling is {highest:.1f} %"
            )


def of_maps(store, maps, made):
    """The Plot of some Maps of a store; made : choices as in the page's link."""
    about, query = map_words.of_maps(store, maps), map_queries.maps(store, maps)
    made = flatmap(maps, about, made, query, map_words.doubt(store, maps))
    return within(made, map_words.family(store, maps))


def _subjects(wish, everyone):
    if wish.asked.get("subject") == asked.EVERYONE:
        wish.made["subject"] = asked.EVERYONE
        return everyone
    return wish.several("subject", everyone, everyone[:1])


def _by_instruction(wish, stock, subjects):
    """instruction -> Asked, for each instruction that is asked for and matters; in their table's order."""
    if wish.asked.keys() & {"minus_model", "minus_instruction"}:
        wish.asked = {"difference": "True"} | wish.asked
    texts, found = wish.asked.get("instruction"), {}
    for text in [None] if texts is None else texts.split(","):
        one = wish if text is None else Wish(wish.store, wish.asked | {"instruction": text.strip()}, wish.made)
        asked_for = asked.choose(stock, subjects, lambda *pick, one=one: one.one(*pick, SPOKEN.get(pick[0])))
        found[wish.made.get("instruction", "")] = asked_for
    ordered = wish.known.sort_instructions(found)
    if "instruction" in wish.made:
        wish.made["instruction"] = ",".join(ordered)
    return {name: found[name] for name in ordered}


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
    """The regions to outline: a set of them, families, or a list of names."""
    which = wish.listed("outlines", asked.OUTLINES, rois)
    if isinstance(which, list):
        return which
    families = wish.known.families(rois)
    if which == "chosen":
        families = wish.several("families", families, families[:1], "family of regions")
    return asked.outlined(wish.known, rois, which, families)
