"""Which map is asked for: from choices, in the words of the pages' links, to `Asked`; for the page and for paper.

What a store offers leads from one choice to the next. `choose` follows that way and does not care who answers: the
controls of the page, or what was typed or stands in a link.
"""

from dataclasses import dataclass

import numpy as np

from brainalign.figures import frames

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
SECOND = {"value": "Value", "ceiling": "× ceiling", "q": "× significance"}
OUTLINES = {"areas": "Areas", "streams": "Streams", "chosen": "Choose", "none": "None"}
LINES = {"thin": 0.6, "medium": 1.0, "bold": 1.8}  # width of the outlines
EVERYONE = "all"  # subjects
AUTOMATIC = "automatic"  # colour limits, which follow from the values


@dataclass(frozen=True)
class Asked:
    """One map.

    quantity : of QUANTITIES; chosen : (model, instruction, pooling), those that matter; minus : another, or None
    among : of AMONG, for winners; pair : of instructions, for parts of variance; second : of SECOND
    """

    quantity: str
    chosen: tuple = ()
    minus: tuple | None = None
    among: str = ""
    pair: tuple = ()
    second: str = "value"


def offered(store):
    """What a store has, as plain values: pandas would cost more than the map.

    subjects : name -> its row; models : in order; least : noise ceiling of a reliable unit
    known : the store's Catalogue
    maps : subject -> model -> instruction -> poolings; nested : {(subject, model, instruction, pooling)}
    pairs, uniques : subject -> rows as dictionaries; across : subjects with a cross-subject ceiling
    """
    nested, uniques = store.rows("roi_nested"), store.rows("roi_uniques")
    key = ["subject", "model", "instruction", "pooling"]
    subjects = store.subjects().set_index("subject").to_dict("index")
    return {
        "subjects": subjects,
        "models": store.models(),
        "known": store.catalogue,
        "maps": _maps(store.spaces(), store.models(), store.catalogue.instructions),
        "nested": set(nested[key].drop_duplicates().itertuples(index=False, name=None)),
        "pairs": _by_subject(store.pairs()),
        "uniques": _by_subject(uniques[key].drop_duplicates()),
        "across": [s for s in subjects if np.isfinite(store.units(s).get("across_r", np.nan)).any()],
        "least": float(store.info().get("min_nc", 0)),
    }


def _maps(spaces, models, instructions):
    """subject -> model -> instruction -> poolings, each in the order of its table."""
    found, order = {}, list(instructions)
    spaces = spaces.assign(
        a=spaces.model.map({name: k for k, name in enumerate(models)}),
        b=spaces.instruction.map({name: k for k, name in enumerate(order)}).fillna(len(order)),
        c=spaces.pooling.map({name: k for k, name in enumerate(frames.POOLINGS)}).fillna(len(frames.POOLINGS)),
    ).sort_values(["subject", "a", "b", "c"])
    for row in spaces.itertuples():
        of_model = found.setdefault(row.subject, {}).setdefault(row.model, {})
        of_model.setdefault(row.instruction, []).append(row.pooling)
    return found


def _by_subject(rows):
    return {subject: part.to_dict("records") for subject, part in rows.groupby("subject")}


# From one choice to the next ---------------------------------------------------------------------------------


def choose(stock, subjects, pick):
    """What is asked for of these subjects: Asked.

    stock : what `offered` returns; pick : pick(key, options, default) -> the option that is asked for
    """
    quantity = pick("quantity", _quantities(stock, subjects), None)
    if quantity in ("nc", "across"):
        return Asked(quantity, second=_second(quantity, False, pick))
    if quantity in PARTS:
        return _pair(stock["known"], stock["pairs"][subjects[0]], quantity, pick)
    if quantity == "unique":
        return _unique(stock["known"], stock["uniques"][subjects[0]], pick)
    maps = stock["maps"][subjects[0]]
    if quantity == "winner":
        return _winner(stock["known"], maps, pick)
    chosen = _map(maps, pick)
    if quantity in SCORES and pick("difference", ["False", "True"], None) == "True":
        return Asked(quantity, chosen, _other(maps, chosen, pick), second=_second(quantity, False, pick))
    tested = quantity in SCORES and all((subject, *chosen) in stock["nested"] for subject in subjects)
    return Asked(quantity, chosen, second=_second(quantity, tested, pick))


def _quantities(stock, subjects):
    """Quantities that the store has for all of these subjects."""
    lacks = {
        "layer": not stock["nested"],
        "winner": not stock["nested"],
        "unique": not all(subject in stock["uniques"] for subject in subjects),
        "across": not all(subject in stock["across"] for subject in subjects),
    }
    lacks |= dict.fromkeys(PARTS, not all(subject in stock["pairs"] for subject in subjects))
    return [name for name in QUANTITIES if not lacks.get(name)]


def _second(quantity, tested, pick):
    if quantity in PLAIN:
        return "value"
    return pick("second", [key for key in SECOND if key != "q" or tested], None)


def _map(maps, pick):
    """(model, instruction, pooling) of a map that there is."""
    model = pick("model", maps, None)
    instruction = pick("instruction", maps[model], None)
    return model, instruction, pick("pooling", maps[model][instruction], None)


def _other(maps, chosen, pick):
    """The map to subtract: by default another instruction of the same model, or the same one of another model."""
    model = pick("minus_model", maps, chosen[0])
    known = maps[model]
    others = [i for i in known if i != chosen[1]] if model == chosen[0] else [chosen[1]]
    instruction = pick("minus_instruction", known, others[0] if others else None)
    return model, instruction, chosen[2] if chosen[2] in known[instruction] else known[instruction][0]


def _winner(known, maps, pick):
    among = pick("among", AMONG, None)
    if among == "layers":
        return Asked("winner", _map(maps, pick), among=among)
    if among == "models":
        ids = known.sort_instructions({i for of_model in maps.values() for i in of_model if i} or {""})
        return Asked("winner", ("", pick("instruction", ids, None), ""), among=among)
    model = pick("model", [name for name in maps if len(maps[name]) > 1], None)
    poolings = frames.in_order({p for has in maps.get(model, {}).values() for p in has}, frames.POOLINGS)
    return Asked("winner", (model, "", pick("pooling", poolings, None)), among=among)


def _pair(known, rows, quantity, pick):
    model = pick("model", list(dict.fromkeys(row["model"] for row in rows)), None)
    rows = [row for row in rows if row["model"] == model]
    a = pick("a", known.sort_instructions(row["a"] for row in rows), None)
    b = pick("b", known.sort_instructions(row["b"] for row in rows if row["a"] == a), None)
    return Asked(quantity, (model, "", ""), pair=(a, b), second=_second(quantity, False, pick))


def _unique(known, rows, pick):
    model = pick("model", list(dict.fromkeys(row["model"] for row in rows)), None)
    ids = known.sort_instructions(row["instruction"] for row in rows if row["model"] == model)
    instruction = pick("instruction", ids, None)
    return Asked("unique", (model, instruction, ""), second=_second("unique", False, pick))


# Colour limits -----------------------------------------------------------------------------------------------


def limits(text):
    """(low, high) that a text such as "0,0.5" names, None for an end that is left out; of AUTOMATIC both are None."""
    if text in ("", AUTOMATIC):
        return None, None
    ends = [part.strip() for part in text.split(",")]
    try:
        low, high = (float(end) if end else None for end in ends)
    except ValueError:
        low = high = np.nan
    if not all(end is None or np.isfinite(end) for end in (low, high)):
        raise ValueError(f"limits are {text!r}; expected a low and a high end such as 0,0.5, or {AUTOMATIC}")
    return low, high


def limits_text(ends):
    """What `limits` reads: the ends without the noise of their last digits."""
    return ",".join(f"{end:.6g}" for end in ends)


# Outlines ----------------------------------------------------------------------------------------------------


def outlined(known, rois, which, families=()):
    """The regions to outline; known : a Catalogue; which : one of OUTLINES, or names with commas; families : of the
    set "chosen"."""
    if which not in OUTLINES:
        return [name for name in rois if name in which.split(",")]
    of = known.by_family(rois)
    wide = ("streams", "whole")
    keep = {
        "areas": lambda name: of[name] not in wide,
        "streams": lambda name: of[name] == "streams",
        "chosen": lambda name: of[name] in families,
        "none": lambda name: False,
    }[which]
    return [name for name in rois if keep(name)]
