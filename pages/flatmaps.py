"""Where in cortex a model's representation predicts the response: every layer on the flattened surface."""

import pandas as pd
import streamlit as st

from brainalign import export_ui, paper, stats, tables, ui
from brainalign.figures import flatmap, frames
from brainalign.figures.flatmap import pictures

QUANTITIES = {
    "r": "r (correlation)",
    "r_norm": "r / noise ceiling",
    "r2": "R²",
    "nc": "Noise ceiling",
    "shared": "Shared variance",
    "unique_a": "Variance of the first only",
    "unique_b": "Variance of the second only",
}
SCORES = ("r", "r_norm", "r2")
PARTS = {"r2_a": "R² first", "r2_b": "R² second", "r2_ab": "R² both", "shared": "shared"}
PARTS |= {"unique_a": "first only", "unique_b": "second only"}
OUTLINES = {"areas": "Areas", "streams": "Streams", "none": "None"}
WIDE = ("streams", "whole")  # families of ROIs that lie over the areas
OUTLINED = {
    "areas": lambda roi: roi is None or roi.family not in WIDE,
    "streams": lambda roi: roi is not None and roi.family == "streams",
    "none": lambda roi: False,
}
VIEW = ("layer", "threshold", "unit")  # what the flatmap itself holds


# What the store holds, kept in memory by name ----------------------------------------------------------------


@st.cache_resource(max_entries=4, show_spinner="Unfolding the cortex ...")
def surface_of(path, _store):
    """The flat geometry and its message."""
    geometry = _store.geometry()
    return geometry, flatmap.surface_part(geometry)


@st.cache_resource(max_entries=16, show_spinner=False)
def subject_of(path, _store, subject):
    """Units, ROIs, and the name and the message of what a subject's maps have in common."""
    units, rois = _store.units(subject), _store.rois(subject)
    geometry, _ = surface_of(path, _store)
    nc = units.nc.to_numpy()
    return units, rois, *flatmap.subject_part(geometry, _store.flat_units(subject), rois, nc)


@st.cache_resource(max_entries=64, show_spinner=False)
def maps_of(path, _store, subject, model, instruction, pooling):
    """Layers, and r and R2 (n_layers, n_units)."""
    return _store.layer_maps(subject, model, instruction, pooling)


@st.cache_resource(max_entries=64, show_spinner=False)
def parts_of(path, _store, subject, model, a, b, layer, pooling):
    """The partition of variance at one layer, (n_units,) each."""
    return _store.variance_map(subject, model, a, b, layer, pooling)


@st.cache_resource(max_entries=4, show_spinner=False)
def stock_of(path, _store):
    """What the controls offer, as plain values: pandas would cost more than the map.

    maps : subject -> model -> instructions; least : noise ceiling of a reliable unit
    """
    coverage = _store.coverage().groupby(["subject", "model"]).instruction.unique()
    maps = {subject: found.droplevel("subject").to_dict() for subject, found in coverage.groupby("subject")}
    return {
        "subjects": _store.subjects().set_index("subject").to_dict("index"),
        "maps": maps,
        "poolings": {m: frames.in_order(_store.poolings(m), frames.POOLINGS) for m in _store.models()},
        "pairs": _store.pairs(),
        "least": float(_store.info().get("min_nc", 0)),
    }


# What is asked for -------------------------------------------------------------------------------------------


def choose_map(stock, subject, places, prefix="", pooling=None):
    """Selectboxes for a model, an instruction and a pooling; returns their values."""
    maps, poolings = stock["maps"][subject], stock["poolings"]
    names = ("Model to subtract", "Instruction to subtract") if prefix else ("Model", "Instruction")
    model = ui.choice(names[0], maps, f"{prefix}model", container=places[0])
    instruction = ui.choice(
        names[1], ui.in_order(maps[model]), f"{prefix}instruction", ui.instruction_label, container=places[1]
    )
    if pooling is None:
        pooling = ui.choice("States of", poolings[model], "pooling", pooling_name, container=places[2])
    return model, instruction, pooling if pooling in poolings[model] else poolings[model][0]


def pooling_name(pooling):
    return frames.POOLINGS.get(pooling, pooling)


def score_picture(store, stock, subject, quantity, chosen):
    """The picture of a map (model, instruction, pooling), and unit -> its table over layers."""
    layers, r, r2 = maps_of(store.path, store, subject, *chosen)
    nc, least = subject_of(store.path, store, subject)[0].nc.to_numpy(), stock["least"]

    def profile(unit):
        best = stats.normalise(r[:, unit], nc[unit], least)
        return pd.DataFrame({"layer": layers, "r": r[:, unit], "r / ceiling": best, "R²": r2[:, unit]})

    return pictures.score(quantity, layers, r, r2, nc, least, map_name(chosen)), profile


def map_name(chosen):
    return f"{chosen[0]} with {chosen[1]}" if chosen[1] else chosen[0]


def difference_picture(store, stock, subject, quantity, chosen, subtracted):
    """The picture of one map minus another, and unit -> both over layers."""
    (a, of_a), (b, of_b) = (score_picture(store, stock, subject, quantity, one) for one in (chosen, subtracted))

    def profile(unit):
        return of_a(unit).merge(of_b(unit), "outer", "layer", suffixes=("", " subtracted"))

    return pictures.difference(a, b, map_name(subtracted)), profile


def part_picture(store, stock, subject, quantity, places):
    """The picture of one part of the variance of two instructions that the reader chooses, and unit -> all parts."""
    pairs = stock["pairs"][stock["pairs"].subject == subject]
    model = ui.choice("Model", pairs.model.unique(), "model", container=places[0])
    pairs = pairs[pairs.model == model]
    a = ui.choice("First instruction", ui.in_order(pairs.a.unique()), "a", ui.instruction_label, container=places[1])
    pairs = pairs[pairs.a == a]
    b = ui.choice("Second instruction", ui.in_order(pairs.b.unique()), "b", ui.instruction_label, container=places[2])
    pairs = pairs[pairs.b == b]
    pairs = pairs[pairs.pooling == pairs.pooling.iloc[0]].sort_values("layer")
    layers = pairs.layer.tolist()
    parts = [parts_of(store.path, store, subject, model, a, b, layer, pairs.pooling.iloc[0]) for layer in layers]

    def profile(unit):
        values = pd.DataFrame([{key: part[key][unit] for key in part} for part in parts]).rename(columns=PARTS)
        return pd.concat([pd.Series(layers, name="layer"), values], axis=1)

    return pictures.part(quantity, parts, layers, a, b, model), profile


def chosen_picture(store, stock, subject, quantity, places, below):
    """What the controls ask for: a picture, and unit -> its table over layers."""
    if quantity == "nc":
        return pictures.ceiling(subject_of(store.path, store, subject)[0].nc.to_numpy()), None
    if quantity not in SCORES:
        return part_picture(store, stock, subject, quantity, places)
    chosen = choose_map(stock, subject, places)
    if not ui.switch("Subtract another map", "difference", container=below[1]):
        return score_picture(store, stock, subject, quantity, chosen)
    subtracted = choose_map(stock, subject, below[2:], "minus_", chosen[2])
    return difference_picture(store, stock, subject, quantity, chosen, subtracted)


# Layer, threshold and unit: held by the flatmap, kept in the link ---------------------------------------------


def settle(subject, picture, least):
    """(start, view): where the flatmap starts and what it shows now.

    The link wins when it was changed from outside; then what the reader last did; then the best layer.
    """
    memory = st.session_state.setdefault("flatmap memory", {"written": None, "view": {}, "serial": 0})
    texts = {key: st.query_params.get(key, "") for key in VIEW}
    asked = {key: int(text) for key, text in texts.items() if text.isdecimal()}
    if asked != memory["written"]:
        memory |= {"view": asked or memory["view"], "subject": subject, "start": None}
    view = memory["view"]
    if memory["subject"] != subject:
        view.pop("unit", None)
        memory["subject"] = subject
    view.setdefault("threshold", round(least))
    if "layer" not in view and picture.layered:
        view["layer"] = pictures.best_layer(picture)
        memory["start"] = None
    if memory["start"] is None:
        memory["serial"] += 1
        memory["start"] = {"layer": 0, "unit": None} | view | {"serial": memory["serial"]}
    return memory["start"], view


def remember(view):
    """Write what is shown into the link."""
    st.session_state["flatmap memory"]["written"] = dict(view)
    for key in VIEW:
        if key not in view:
            st.query_params.pop(key, None)
        elif str(view[key]) != st.query_params.get(key):
            st.query_params[key] = str(view[key])


def moved():
    """A slider of the flatmap was moved."""
    st.session_state["flatmap memory"]["view"].update(st.session_state["flatmap"]["view"])


def clicked():
    """A unit of the flatmap was clicked."""
    st.session_state["flatmap memory"]["view"]["unit"] = st.session_state["flatmap"]["unit"]["unit"]


# What is said about it ---------------------------------------------------------------------------------------


def sentence(stock, subject, picture, view, nc):
    """What is seen and how it was computed."""
    about, wanted = stock["subjects"][subject], view.get("layer", 0)
    layer = picture.name(picture.layers[picture.row(wanted)])
    shown = pictures.shown(picture, wanted, nc, view["threshold"])
    return (
        f"{picture.about}{', ' if layer else ''}{layer}. {subject}, {about['test_images']} test images shown "
        f"{about['repeats_mean']:.1f} times on average. Coloured: {shown.sum():,} of {shown.size:,} units "
        f"({100 * shown.mean():.0f} %), those with a value and a noise ceiling of at least {view['threshold']} %."
    )


def unit_details(units, rois, subject, profile, unit):
    """The exact values of a unit over the layers."""
    if unit is None or not unit < len(units):
        st.caption("Click the map for the exact values of a unit, layer by layer.")
        return
    row = units.loc[unit]
    named = ", ".join(name for name, members in rois.items() if unit in members) or "no ROI"
    st.text(f"Unit {unit} of {subject}: {named}; noise ceiling {row.nc:.2f} %, ncsnr {row.ncsnr:.3f}")
    if profile is None:
        return
    table = profile(unit)
    columns = {name: st.column_config.NumberColumn(format="%.4f") for name in table.columns[1:]}
    if "r" in table:
        table["profile"] = table.r.clip(0, 1)
        columns["profile"] = st.column_config.ProgressColumn("r, 0 to 1", min_value=0.0, max_value=1.0, format=" ")
    st.dataframe(table, hide_index=True, column_config=columns, width="content", key="unit profile")


def on_paper(store, geometry, outlined, picture, view, subject, made):
    """The figure for a paper of what the flatmap shows."""
    nc = store.noise_ceiling(subject)
    one = paper.Map(
        geometry, store.flat_units(subject), nc, outlined, picture, view.get("layer", 0), view["threshold"], subject
    )
    return paper.flatmap([one], paper.words.of_maps(store, [one]), made, paper.queries.maps(made))


# The view ----------------------------------------------------------------------------------------------------


@st.fragment(key="flatmap view")
def view(store, stock):
    """The controls, the flatmap and what is said about it: one piece, so that a new map redraws nothing else."""
    with_pairs = stock["pairs"].subject.to_numpy()
    first = st.columns([1, 1.4, 1.4, 2.6, 2])
    subject = ui.choice("Subject", stock["maps"], "subject", container=first[0])
    offered = [name for name in QUANTITIES if name not in PARTS or subject in with_pairs]
    quantity = ui.choice("Quantity", offered, "quantity", QUANTITIES.get, container=first[1])
    below = st.columns([2, 2, 1.8, 2.8], vertical_alignment="bottom")
    picture, profile = chosen_picture(store, stock, subject, quantity, first[2:], below)
    units, rois, name, message = subject_of(store.path, store, subject)
    start, now = settle(subject, picture, stock["least"])
    outlines = ui.segments("Outlines", list(OUTLINES), "outlines", OUTLINES.get, container=below[0])
    drawn = [roi for roi in rois if OUTLINED[outlines](tables.rois().get(roi))]
    geometry, _ = surface_of(store.path, store)
    part = flatmap.map_part(picture, surface=geometry.hash, subject=name, start=start, rois=drawn)
    flatmap.show(part, "flatmap", moved, clicked)
    remember(now)
    ui.sentence(sentence(stock, subject, picture, now, units.nc.to_numpy()))
    shown = {roi: rois[roi] for roi in drawn}
    export_ui.export(lambda made: on_paper(store, geometry, shown, picture, now, subject, made), store, "flatmap")
    unit_details(units, rois, subject, profile, now.get("unit"))
    flatmap.keep(message, "flatmap subject")


store = ui.page_store()
stock = stock_of(store.path, store)
ui.header(
    store, "Flatmaps", "How well a model's states predict each place of visual cortex, on the flattened surface."
)
if not stock["maps"]:
    ui.empty("The store has no maps yet.", "brainalign run STUDY.toml\nbrainalign publish STUDY.toml")
view(store, stock)
flatmap.keep(surface_of(store.path, store)[1], "flatmap surface")
