"""Which map is asked for: the controls above it, and the picture that follows for each subject."""

from dataclasses import dataclass

import numpy as np

from brainalign import ui
from brainalign.atlas.stock import maps_of, nested_of, parts_of, subject_of, unique_of
from brainalign.figures import frames, theme
from brainalign.figures.flatmap import palettes, pictures

QUANTITIES = {
    "r": "r (correlation)",
    "r_norm": "r / noise ceiling",
    "r2": "R²",
    "layer": "Best layer",
    "winner": "Winner takes all",
    "shared": "Shared variance",
    "unique_a": "Variance of the first only",
    "unique_b": "Variance of the second only",
    "unique": "Unique variance of an instruction",
    "nc": "Noise ceiling",
    "across": "Cross-subject ceiling",
}
SCORES, PARTS = ("r", "r_norm", "r2"), ("shared", "unique_a", "unique_b")
PLAIN = ("nc", "winner")  # maps without a second dimension
AMONG = {"instructions": "Instructions", "models": "Models", "layers": "Layers"}
KEYS = {"value": "Value", "ceiling": "× ceiling", "q": "× significance"}


@dataclass(frozen=True)
class Asked:
    """What the controls say.

    quantity : of QUANTITIES; chosen : (model, instruction, pooling), those that matter; minus : another, or None
    among : of AMONG, for winners; pair : of instructions, for parts of variance; second : of KEYS
    """

    quantity: str
    chosen: tuple = ()
    minus: tuple | None = None
    among: str = ""
    pair: tuple = ()
    second: str = "value"


def choose(stock, subjects, places, below):
    """The controls: Asked.

    subjects : those that are shown; places, below : columns of the first and the second row, from the quantity on
    """
    quantity = ui.choice("Map", _offered(stock, subjects), "quantity", QUANTITIES.get, container=places[0])
    maps = stock["maps"][subjects[0]]
    if quantity in ("nc", "across"):
        return Asked(quantity, second=_second(quantity, False, below[0]))
    if quantity in PARTS:
        return _pair(stock, subjects, quantity, places[1:], below)
    if quantity == "unique":
        rows = stock["uniques"][subjects[0]]
        model = ui.choice("Model", _distinct(rows, "model"), "model", container=places[1])
        known = ui.in_order(_distinct([row for row in rows if row["model"] == model], "instruction"))
        asked = ui.choice("Instruction", known, "instruction", ui.instruction_label, container=places[2])
        return Asked(quantity, (model, asked, ""), second=_second(quantity, False, below[0]))
    if quantity == "winner":
        return _winner(maps, places[1:], below)
    chosen = _map(maps, places[1:])
    known = all((subject, *chosen) in stock["nested"] for subject in subjects)
    if quantity in SCORES and ui.switch("Subtract another map", "difference", container=below[1]):
        minus = _map(maps, below[2:], "minus_", chosen[2])
        return Asked(quantity, chosen, minus, second=_second(quantity, False, below[0]))
    return Asked(quantity, chosen, second=_second(quantity, known and quantity in SCORES, below[0]))


def _offered(stock, subjects):
    """Quantities that the store has for all of these subjects."""
    lacks = {
        "layer": not stock["nested"],
        "winner": not stock["nested"],
        "unique": not all(subject in stock["uniques"] for subject in subjects),
        "across": not all(subject in stock["across"] for subject in subjects),
    }
    lacks |= dict.fromkeys(PARTS, not all(subject in stock["pairs"] for subject in subjects))
    return [name for name in QUANTITIES if not lacks.get(name)]


def _second(quantity, tested, place):
    if quantity in PLAIN:
        return "value"
    keys = [key for key in KEYS if key != "q" or tested]
    return ui.segments("Colour shows", keys, "second", KEYS.get, container=place)


def _map(maps, places, prefix="", pooling=None):
    """Selectboxes for a model, an instruction and the states: (model, instruction, pooling), one that there is."""
    names = ("Model to subtract", "Instruction to subtract") if prefix else ("Model", "Instruction")
    model = ui.choice(names[0], maps, f"{prefix}model", container=places[0])
    known = maps[model]
    instruction = ui.choice(names[1], known, f"{prefix}instruction", ui.instruction_label, container=places[1])
    poolings = known[instruction]
    if pooling is None:
        pooling = ui.choice("States of", poolings, "pooling", frames.pooling_name, container=places[2])
    return model, instruction, pooling if pooling in poolings else poolings[0]


def _winner(maps, places, below):
    among = ui.segments("Winner among", list(AMONG), "among", AMONG.get, container=below[0])
    if among == "layers":
        return Asked("winner", _map(maps, places), among=among)
    if among == "models":
        known = ui.in_order({i for of_model in maps.values() for i in of_model if i} or {""})
        asked = ui.choice("Instruction", known, "instruction", ui.instruction_label, container=places[1])
        return Asked("winner", ("", asked, ""), among=among)
    model = ui.choice("Model", [name for name in maps if len(maps[name]) > 1], "model", container=places[0])
    known = frames.in_order({p for poolings in maps.get(model, {}).values() for p in poolings}, frames.POOLINGS)
    pooling = ui.choice("States of", known, "pooling", frames.pooling_name, container=places[2])
    return Asked("winner", (model, "", pooling), among=among)


def _pair(stock, subjects, quantity, places, below):
    rows = stock["pairs"][subjects[0]]
    model = ui.choice("Model", _distinct(rows, "model"), "model", container=places[0])
    rows = [row for row in rows if row["model"] == model]
    known = ui.in_order(_distinct(rows, "a"))
    a = ui.choice("First instruction", known, "a", ui.instruction_label, container=places[1])
    known = ui.in_order(_distinct([row for row in rows if row["a"] == a], "b"))
    b = ui.choice("Second instruction", known, "b", ui.instruction_label, container=places[2])
    return Asked(quantity, (model, "", ""), pair=(a, b), second=_second(quantity, False, below[0]))


def _distinct(rows, key):
    return list(dict.fromkeys(row[key] for row in rows))


# From what is asked to a picture -----------------------------------------------------------------------------


def picture(store, stock, subject, asked):
    """The Picture of one subject; a ValueError says what the store lacks."""
    units, _, nc, *_ = subject_of(store.path, store, subject)
    found = _plain(store, stock, subject, asked, units, nc)
    if asked.second == "ceiling":
        tops = [subject_of(store.path, store, one)[2] for one in stock["maps"]]
        return pictures.over_ceiling(found, nc, palettes.limits(np.concatenate(tops))[1])
    if asked.second == "q":
        q = nested_of(store.path, store, subject, *asked.chosen)["q"]
        return pictures.over_significance(pictures.chosen_only(found), q)
    return found


def _plain(store, stock, subject, asked, units, nc):
    if asked.quantity == "nc":
        return pictures.ceiling(nc)
    if asked.quantity == "across":
        return pictures.across(units.across_r.to_numpy())
    if asked.quantity in PARTS:
        return _part(store, stock, subject, asked)
    if asked.quantity == "unique":
        model, instruction, _ = asked.chosen
        row = next(r for r in stock["uniques"][subject] if (r["model"], r["instruction"]) == (model, instruction))
        values = unique_of(store.path, store, subject, model, instruction, row["layer"], row["pooling"])
        return pictures.unique(values, row["layer"], instruction, model)
    if asked.quantity == "winner":
        return _contest(store, stock, subject, asked)
    if asked.quantity == "layer":
        layers, *_ = maps_of(store.path, store, subject, *asked.chosen)
        nested = nested_of(store.path, store, subject, *asked.chosen)
        return pictures.chosen_layer(nested["layer"], layers, map_name(asked.chosen))
    found = _score(store, stock, subject, asked.quantity, asked.chosen, nc)
    if asked.minus is None:
        return found
    other = _score(store, stock, subject, asked.quantity, asked.minus, nc)
    return pictures.difference(found, other, map_name(asked.minus))


def map_name(chosen):
    """A map in words."""
    return f"{chosen[0]} with {chosen[1]}" if chosen[1] else chosen[0]


def _score(store, stock, subject, quantity, chosen, nc):
    layers, r, r2 = maps_of(store.path, store, subject, *chosen)
    known = (subject, *chosen) in stock["nested"]
    nested = nested_of(store.path, store, subject, *chosen) if known else None
    return pictures.score(quantity, layers, r, r2, nc, stock["least"], map_name(chosen), nested)


def _part(store, stock, subject, asked):
    model, (a, b) = asked.chosen[0], asked.pair
    rows = [r for r in stock["pairs"][subject] if (r["model"], r["a"], r["b"]) == (model, a, b)]
    rows = sorted((r for r in rows if r["pooling"] == rows[0]["pooling"]), key=lambda r: r["layer"])
    layers = [row["layer"] for row in rows]
    parts = [parts_of(store.path, store, subject, model, a, b, r["layer"], r["pooling"]) for r in rows]
    return pictures.part(asked.quantity, parts, layers, a, b, model)


def _contest(store, stock, subject, asked):
    model, instruction, pooling = asked.chosen
    if asked.among == "layers":
        layers, r, _ = maps_of(store.path, store, subject, *asked.chosen)
        about = f"The layer with the highest test r in each unit: {map_name(asked.chosen)}"
        names = palettes.ordered([str(layer) for layer in layers])
        return pictures.winner(r, names, "layer with the highest r", about, ordered=True)
    maps = [one for one in contestants(stock["maps"][subject], asked) if (subject, *one) in stock["nested"]]
    if len(maps) < 2:
        raise ValueError(f"A winner needs at least two {asked.among}; choose others, or look at r.")
    scores = [nested_of(store.path, store, subject, *one)["r"] for one in maps]
    if asked.among == "models":
        classes = [(name, theme.model_colour(name)) for name, *_ in maps]
        about = f"The model with the highest r in each unit, each with {instruction or 'no instruction'}"
    else:
        classes = [(i, theme.instruction_colour(i)) for _, i, _ in maps]
        about = f"The instruction with the highest r in each unit: {model}, states of {frames.pooling_name(pooling)}"
    about += ", at the layer that training images choose"
    return pictures.winner(scores, classes, f"{asked.among.removesuffix('s')} with the highest r", about)


def reliability(store, subjects, asked):
    """How far a map of winners can be relied on, in a sentence; "" where the store does not tell."""
    if asked.quantity != "winner" or asked.among == "layers":
        return ""
    model, instruction, pooling = asked.chosen
    key = {"among": asked.among, "model": model, "instruction": instruction, "pooling": pooling}
    rows = store.rows("winner_reliability", **key)
    rows = rows[rows.subject.isin(subjects)]
    if rows.empty:
        return "The store does not tell how reliable these winners are."
    said = [
        f"{row.subject} κ = {row.kappa:.2f} (chance up to {row.chance:.2f}, p = {row.p:.3f}), AMI = {row.ami:.2f}"
        for row in rows.itertuples()
    ]
    return (
        f"Reliability of the winners, ties aside: on odd and on even test images, {'; '.join(said)}. "
        "κ = 1: the same winner everywhere; 0: no more agreement than chance."
    )


def contestants(maps, asked):
    """The maps (model, instruction, pooling) of a subject that compete for each unit."""
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
