"""What a store holds for the page of flatmaps, read once and kept in memory by the store's path and names."""

import numpy as np
import streamlit as st

from brainalign import tables
from brainalign.figures import flatmap, frames


@st.cache_resource(max_entries=4, show_spinner="Unfolding the cortex ...")
def surface_of(path, _store):
    """The flat geometry and its message."""
    geometry = _store.geometry()
    return geometry, flatmap.surface_part(geometry)


@st.cache_resource(max_entries=16, show_spinner=False)
def subject_of(path, _store, subject):
    """Units, ROIs, the noise ceiling (n_units,), and the name and the message of what a subject's maps share."""
    units, rois = _store.units(subject), _store.rois(subject)
    geometry, _ = surface_of(path, _store)
    nc = units.nc.to_numpy()
    return units, rois, nc, *flatmap.subject_part(geometry, flat_units_of(path, _store, subject), rois, nc)


@st.cache_resource(max_entries=16, show_spinner=False)
def flat_units_of(path, _store, subject):
    """The unit that each vertex shows, or -1: (n_vertices,)."""
    return _store.flat_units(subject)


@st.cache_resource(max_entries=64, show_spinner=False)
def maps_of(path, _store, subject, model, instruction, pooling):
    """Layers, and r and R2 (n_layers, n_units)."""
    return _store.layer_maps(subject, model, instruction, pooling)


@st.cache_resource(max_entries=128, show_spinner=False)
def nested_of(path, _store, subject, model, instruction, pooling):
    """What Store.nested_map returns."""
    return _store.nested_map(subject, model, instruction, pooling)


@st.cache_resource(max_entries=64, show_spinner=False)
def parts_of(path, _store, subject, model, a, b, layer, pooling):
    """The partition of variance at one layer, (n_units,) each."""
    return _store.variance_map(subject, model, a, b, layer, pooling)


@st.cache_resource(max_entries=64, show_spinner=False)
def unique_of(path, _store, subject, model, instruction, layer, pooling):
    """What an instruction explains beyond all others, (n_units,)."""
    return _store.unique_map(subject, model, instruction, layer, pooling)["unique_r2"]


@st.cache_resource(max_entries=4, show_spinner=False)
def stock_of(path, _store):
    """What the controls offer, as plain values: pandas would cost more than the map.

    subjects : name -> its row; models : in order; least : noise ceiling of a reliable unit
    maps : subject -> model -> instruction -> poolings; nested : {(subject, model, instruction, pooling)}
    pairs, uniques : subject -> rows as dictionaries; across : subjects with a cross-subject ceiling
    """
    nested, uniques = _store.rows("roi_nested"), _store.rows("roi_uniques")
    key, layer = ["subject", "model", "instruction", "pooling"], ["subject", "model", "layer", "pooling"]
    subjects = _store.subjects().set_index("subject").to_dict("index")
    return {
        "subjects": subjects,
        "models": _store.models(),
        "maps": _maps(_store.spaces(), _store.models()),
        "nested": set(nested[key].drop_duplicates().itertuples(index=False, name=None)),
        "pairs": _by_subject(_store.pairs()),
        "uniques": _by_subject(uniques[[*layer, "instruction"]].drop_duplicates()),
        "across": [s for s in subjects if np.isfinite(_store.units(s).get("across_r", np.nan)).any()],
        "least": float(_store.info().get("min_nc", 0)),
    }


def _maps(spaces, models):
    """subject -> model -> instruction -> poolings, each in the order of its table."""
    found, order = {}, list(tables.instructions())
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
