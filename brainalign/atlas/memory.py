"""What the maps themselves hold (layer, threshold, margin, zoom, the picked unit) and how it gets into the link."""

import re

import numpy as np
import streamlit as st

from brainalign import ui, unmet
from brainalign.figures.flatmap import CHOSEN, pictures

CORNERS = 100  # of a drawn region, at most
LEAST_TOP, MOST_MARGIN = 10, 0.1  # the ends of the sliders: of the threshold at least; of the margin


def _number(text):
    return int(text) if text.isdecimal() and len(text) < 9 else None


def _layer(text):
    return CHOSEN if text == "chosen" else _number(text)


def _margin(text):
    return float(text) if re.fullmatch(r"0?\.\d{1,4}|0", text) else None


def _zoom(text):
    return text if re.fullmatch(r"\d{1,2}\.\d\d,\d{1,5},\d{1,5}", text) else None


def _name(text):
    return text or None


def _solid(text):
    return text if text == "True" else None


def _surface(text):
    return text if text in ("infl", "pial") else None


def _side(text):
    """A name such as "behind", or degrees to the right and up, degrees opened, zoom, and mm in the middle."""
    turned = r"-?\d{1,3},-?\d{1,2},-?\d{1,2},\d{1,2}\.\d\d,-?\d{1,3},-?\d{1,3}"
    return text if re.fullmatch(f"[a-z]{{4,6}}|{turned}", text) else None


def settle(subjects, picture, least, ceilings):
    """(start, view): where the flatmap starts and what it shows now.

    least : the threshold to begin with; ceilings : the noise ceiling (n_units,) of each subject, in percent

    The link wins when it was changed from outside; then what the reader last did; then the chosen or best layer.
    """
    memory = st.session_state.setdefault("flatmap memory", {"written": None, "view": {}, "serial": 0})
    linked = {key: text for key in READ if (text := st.query_params.get(key))}
    asked = {key: READ[key](text) for key, text in linked.items()}
    asked = {key: value for key, value in asked.items() if value is not None}
    if asked != memory["written"]:
        memory |= {"view": clamped(asked, picture, ceilings) or memory["view"], "start": None}
        memory.setdefault("subjects", subjects)
    view = memory["view"]
    if memory["subjects"] != subjects:
        view.pop("unit", None)
        memory["subjects"] = subjects
    if "unit" not in view or view.get("whose") not in subjects or len(subjects) == 1:
        view.pop("whose", None)
    view.setdefault("threshold", round(least))
    if "layer" not in view and picture.layered:
        view["layer"] = pictures.best_layer(picture)
        memory["start"] = None
    if memory["start"] is None:
        memory["serial"] += 1
        begin = {"layer": CHOSEN, "margin": pictures.MARGIN, "zoom": "", "unit": None} | view
        memory["start"] = begin | {"serial": memory["serial"]}
    _note(linked, asked, view, memory["written"] or {})
    return memory["start"], view


def _note(linked, asked, view, written):
    """Note what the link asks for and the view does not show; linked : the link's texts, asked : those that are read.

    What the app itself wrote into the link is no wish.
    """
    for key, text in linked.items():
        if text != _text(key, written.get(key)) and (key not in asked or asked[key] != view.get(key)):
            unmet.note(key, text, _text(key, view.get(key)) or None)


def clamped(view, picture, ceilings):
    """A link's view with its numbers brought to the nearest that the map offers, and without a unit it has not."""
    found = dict(view)
    if "threshold" in view:
        top = max(LEAST_TOP, max((np.nanmax(nc, initial=0) for nc in ceilings), default=0))
        found["threshold"] = min(view["threshold"], int(top))
    if "margin" in view:
        found["margin"] = min(view["margin"], MOST_MARGIN)
    if "layer" in view and picture.layered:
        found["layer"] = picture.layers[picture.row(view["layer"])]
    if view.get("unit", 0) >= max(map(len, ceilings)):
        found.pop("unit", None)
    return found


def remember(view):
    """Write what is shown into the link."""
    st.session_state["flatmap memory"]["written"] = dict(view)
    for key in READ:
        text = _text(key, view.get(key))
        if not text:
            st.query_params.pop(key, None)
        elif text != st.query_params.get(key):
            st.query_params[key] = text


def _text(key, value):
    if value is None or value == "":
        return ""
    if key == "margin":
        return f"{value:.4f}".rstrip("0").rstrip(".") if value else "0"
    if key == "lasso":
        return ",".join(map(str, value))
    return "chosen" if key == "layer" and value == CHOSEN else str(value)


# What the reader's hand did ----------------------------------------------------------------------------------


def moved(shows_margin):
    """A slider of the flatmap was moved, or it was zoomed."""
    seen, view = dict(st.session_state["flatmap"]["view"]), st.session_state["flatmap memory"]["view"]
    if not shows_margin:
        seen.pop("margin")
    for key in ("zoom", "solid", "surface", "side"):
        view.pop(key, None)
        text = READ[key](seen.pop(key))
        seen |= {key: text} if text else {}
    view.update(seen)


def clicked(subjects):
    """A unit of the flatmap was clicked."""
    found, view = st.session_state["flatmap"]["unit"], st.session_state["flatmap memory"]["view"]
    view["unit"] = found["unit"]
    if len(subjects) > 1:
        view["whose"] = subjects[found["map"]]


def drawn():
    """A region was drawn around, or taken away."""
    view = st.session_state["flatmap memory"]["view"]
    points = st.session_state["flatmap"]["lasso"]["points"]
    view.pop("lasso", None)
    if points:
        view["lasso"] = tuple(int(point) for point in points[: 2 * CORNERS])
    ui.hold("region", "drawn" if points else "none")


def _corners(text):
    numbers = [_number(part) for part in text.split(",")] if text else [None]
    fit = None not in numbers and len(numbers) % 2 == 0 and 6 <= len(numbers) <= 2 * CORNERS
    return tuple(numbers) if fit else None


READ = {"layer": _layer, "threshold": _number, "margin": _margin, "zoom": _zoom, "unit": _number, "whose": _name}
READ |= {"solid": _solid, "surface": _surface, "side": _side}  # of three dimensions
READ |= {"lasso": _corners}  # corners of a drawn region: x, y, x, y ... in the surface's pixels
