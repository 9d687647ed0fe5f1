"""The controls above the flatmap, the pictures that follow from them, and how far winners can be relied on."""

import streamlit as st

from brainalign import ui
from brainalign.atlas.stock import Kept
from brainalign.figures import frames
from brainalign.figures.flatmap import palettes
from brainalign.paper import asked as asking
from brainalign.paper import map_words, pictured
from brainalign.paper.method import WEAK

LABELS = {
    "quantity": ("Map", asking.QUANTITIES.get),
    "second": ("Colour shows", asking.SECOND.get),
    "among": ("Winner among", asking.AMONG.get),
    "model": ("Model", str),
    "instruction": ("Instruction", None),  # None: as the store names instructions
    "pooling": ("States of", frames.pooling_name),
    "minus_model": ("Model to subtract", str),
    "minus_instruction": ("Instruction to subtract", None),
    "a": ("First instruction", None),
    "b": ("Second instruction", None),
}


def subjects(everyone, container):
    """The subjects to show, as the reader chooses: one, all, or the several that a link names with commas."""
    names = {subject: subject for subject in everyone}
    if len(everyone) > 1:
        names[asking.EVERYONE] = "all, in a grid"
    linked = st.query_params.get("subject", "")
    if "," in linked and set(linked.split(",")) <= set(everyone):
        names[linked] = f"{linked.replace(',', ', ')}, in a grid"
    chosen = ui.choice("Subject", names, "subject", names.get, container=container)
    return [one for one in everyone if chosen == asking.EVERYONE or one in chosen.split(",")]


def choose(stock, subjects, places, below):
    """The controls: Asked.

    subjects : those that are shown; places, below : columns of the first and the second row, from the quantity on
    """
    at = dict(zip(("quantity", "model", "instruction", "pooling"), places))
    at |= {"a": at["instruction"], "b": at["pooling"], "second": below[0], "among": below[0], "difference": below[1]}
    at |= {"minus_model": below[2], "minus_instruction": below[3]}

    def pick(key, options, default):
        if key == "difference":
            return str(ui.switch("Subtract another map", key, container=at[key]))
        control = ui.segments if key in ("second", "among") else ui.choice
        label, name = LABELS[key]
        return control(label, options, key, name or stock["known"].label, default, container=at[key])

    return asking.choose(stock, subjects, pick)


def pictures(store, stock, subjects, asked, limits):
    """subject -> Picture of each; a ValueError says what the store lacks.

    limits : of the colours, as `kept_limits` gives them; such as do not fit this map are told and let go
    """
    found = pictured.grid(Kept(store), stock, subjects, asked)
    try:
        return dict(zip(found, palettes.limited(list(found.values()), *asking.limits(limits))))
    except ValueError as problem:
        st.toast(str(problem), icon=":material/palette:")
        ui.hold("limits", asking.AUTOMATIC)
        return found


def kept_limits(asked):
    """The colour limits that the reader keeps, as text for the link; of another quantity they are let go."""
    now = asked.quantity, asked.minus is not None
    if st.session_state.setdefault("limits of", now) != now:
        st.session_state["limits of"] = now
        ui.hold("limits", asking.AUTOMATIC)
    return ui.held("limits", asking.AUTOMATIC, _readable)


def _readable(text):
    try:
        asking.limits(text)
    except ValueError:
        return None  # the page says that the link asked for it
    return text


def colours(found, container):
    """The control that keeps the present colour limits for the next maps; found : subject -> Picture."""
    several = list(found.values())
    classes = bool(several and several[0].classes)
    inside = container.popover("Colours", icon=":material/palette:", width="stretch", disabled=classes or not several)
    if classes or not several:
        return
    low, high = palettes.limits_of(several)
    now = asking.limits_text((low, high))
    if several[0].limits:
        ui.hold("limits", now)
    said = f"{'kept' if several[0].limits else 'keep'}: {low:.4g} to {high:.4g}".replace("-", "−")
    names = {asking.AUTOMATIC: "automatic", now: said}
    ui.segments("Colour limits", list(names), "limits", names.get, container=inside)


def reliability(store, subjects, asked):
    """Rows of `winner_reliability` of a map of winners; None where that is not asked for."""
    if asked.quantity != "winner" or asked.among == "layers":
        return None
    return map_words.reliability(store, asked, subjects)


def doubt(rows):
    """What a badge says beside winners that the other half of the images hardly confirms; "" if it does."""
    weak = rows[rows.kappa < WEAK]
    said = [_two(row.kappa) + f" ({row.subject})" * (len(rows) > 1) for row in weak.itertuples()]
    return f"winners hardly reliable, κ = {', '.join(said)}" if said else ""


def relied(rows):
    """How far a map of winners can be relied on, in a sentence."""
    if rows.empty:
        return "The store does not tell how reliable these winners are."
    said = [
        f"{row.subject} κ = {_two(row.kappa)} (95th percentile by chance {_two(row.chance)}, "
        f"{frames.p_of_draws(row.p)}), AMI = {_two(row.ami)}"
        for row in rows.itertuples()
    ]
    return (
        f"Reliability of the winners, ties aside: on two halves of the test images, {'; '.join(said)}. κ = 1: the "
        "same winner everywhere; 0: no more agreement than chance, which is known from "
        f"{frames.DRAWS} draws in which no map is better. AMI: adjusted mutual information."
    )


def _two(value):
    return f"{value:.2f}".replace("-", "−")
