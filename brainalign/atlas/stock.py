"""What a store holds for the page of flatmaps, read once and kept in memory by the store's path and names."""

from contextlib import suppress
from dataclasses import fields, replace

import streamlit as st

from brainalign.figures import flatmap
from brainalign.paper import asked as asking
from brainalign.paper import pictured

AHEAD = 16e6  # bytes of maps that are read before anyone asks for them


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
def parts_of(path, _store, subject, model, a, b, pooling):
    """The partition of variance, (n_units,) each."""
    return _store.variance_map(subject, model, a, b, pooling)


@st.cache_resource(max_entries=64, show_spinner=False)
def unique_of(path, _store, subject, model, instruction, pooling):
    """What Store.unique_map returns."""
    return _store.unique_map(subject, model, instruction, pooling)


@st.cache_resource(max_entries=4, show_spinner=False)
def stock_of(path, _store):
    """What the controls offer."""
    return asking.offered(_store)


def read_ahead(store, stock, subjects, asked):
    """Read what the next maps in the list of instructions need, the nearest first, while the reader looks at this one.

    Stops where the reader makes another choice, and once AHEAD bytes of maps are read.
    """
    if asked.quantity in (*asking.SCORES, "layer"):
        _read_ahead(store.path, store, stock, tuple(subjects), *(getattr(asked, f.name) for f in fields(asked)))


@st.cache_resource(max_entries=256, show_spinner=False)  # once for each map and not at each look at it
def _read_ahead(path, _store, _stock, subjects, *wish):
    asked, kept, left = asking.Asked(*wish), Kept(_store), AHEAD
    model, instruction, pooling = asked.chosen
    maps = [_stock["maps"][subject][model] for subject in subjects]
    order = list(maps[0])
    here = order.index(instruction)
    for other in sorted(order, key=lambda id: abs(order.index(id) - here))[1:]:
        if left <= 0 or not all(pooling in has.get(other, ()) for has in maps):
            continue
        st.session_state.get("flatmap shows")  # asking the session for anything lets a newer choice in
        with suppress(ValueError):  # what the store lacks is said when it is asked for
            found = pictured.grid(kept, _stock, subjects, replace(asked, chosen=(model, other, pooling)))
            left -= sum(one.values.nbytes for one in found.values())


class Kept:
    """A store of which what was read stays in memory, to be asked for pictures in the store's own words."""

    def __init__(self, store):
        self.key = store.path, store

    def units(self, subject):
        return subject_of(*self.key, subject)[0]

    def noise_ceiling(self, subject):
        return subject_of(*self.key, subject)[2]

    def layer_maps(self, *chosen):
        return maps_of(*self.key, *chosen)

    def nested_map(self, *chosen):
        return nested_of(*self.key, *chosen)

    def variance_map(self, *chosen):
        return parts_of(*self.key, *chosen)

    def unique_map(self, *chosen):
        return unique_of(*self.key, *chosen)
