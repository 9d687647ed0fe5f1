"""The response that a model's states predict for what is on the live page, beside the measured one if it is known."""

import numpy as np
import streamlit as st

from brainalign import live, stats, ui
from brainalign.atlas.stock import subject_of, surface_of
from brainalign.figures import flatmap, frames
from brainalign.figures.flatmap import Picture

ABOUT = "Response in standard deviations over training images"


def offered(store, model):
    """Rows of the store's weights for a model: which subjects and instructions can be predicted."""
    return store.readouts(model=model)


def show(store, model, id, text, image, image_id, least):
    """The predicted map of one question, and the measured one where the subject saw the picture as a test image.

    id : of the instruction, of which the weights are taken where they are kept; else those of the first one kept
    """
    rows = offered(store, model)
    left, right, _ = st.columns([1, 2, 2], vertical_alignment="bottom")
    subject = ui.choice("Subject", list(dict.fromkeys(rows.subject)), "whose", container=left)
    kept = ui.in_order(set(rows[rows.subject == subject].instruction))
    of = ui.choice(
        "Weights fitted under", kept, "weights", ui.instruction_label, id if id in kept else kept[0], container=right
    )
    readout, layer, pooling = store.readout(subject, model, of)
    try:
        with st.spinner(f"{model} looks at the picture ..."):
            states = _states((model, text, pooling, image.tobytes()), image)
        predicted = readout.predict(states[layer])
    except (ValueError, IndexError) as fault:
        st.error("The response cannot be predicted.", icon=":material/error:")
        st.text(str(fault))
        return
    measured = None if image_id is None else store.response(subject, image_id)
    maps = {"predicted": predicted} | ({} if measured is None else {"measured": measured})
    _, rois, nc, name, message = subject_of(store.path, store, subject)
    geometry, surface = surface_of(store.path, store)
    found = [Picture(m[None], (0,), "z", "response (z)", f"{ABOUT}: {n}", True, False) for n, m in maps.items()]
    start = {"layer": 0, "threshold": round(least), "margin": 0, "zoom": "", "unit": None, "serial": 1}
    drawn = [roi for roi in rois if frames.is_area(roi)]
    part = flatmap.map_part(
        found,
        surface=geometry.hash,
        subjects=[name] * len(maps),
        start=start,
        rois=drawn,
        titles=list(maps) if len(maps) > 1 else [""],
        solid=(solid := flatmap.solid_name(geometry)),
    )
    flatmap.show(part, "predicted map")
    ui.sentence(_sentence(subject, model, of, id, layer, readout, predicted, measured, nc, least))
    flatmap.keep(message, f"flatmap subject {subject}")
    flatmap.keep(surface, "flatmap surface")
    if solid and (st.session_state["predicted map"].get("view") or {}).get("solid"):
        flatmap.keep(flatmap.solid_part(), "flatmap solid")


def _sentence(subject, model, of, id, layer, readout, predicted, measured, nc, least):
    said = f"What layer {layer} of {model} predicts for {subject}, by ridge weights fitted under {of}"
    said += "" if id == of else ", although another instruction was given here: read it with care"
    said += f" ({100 * readout.kept:.1f} % of their predictions' variance is kept). "
    said += f"Coloured: units with a noise ceiling of at least {least:g} %."
    if measured is None:
        return said + " Measured responses are kept for test images that the subject saw."
    shown = (nc >= least) & np.isfinite(predicted) & np.isfinite(measured)
    r = float(stats.correlate(predicted[shown][:, None], measured[shown][:, None])[0]) if shown.sum() > 2 else np.nan
    return said + f" Over these {shown.sum():,} units predicted and measured pattern correlate with r = {r:.2f}."


@st.cache_data(max_entries=64, show_spinner=False)
def _states(key, _image):
    """States of one question; key : (model, text, pooling, the picture's bytes)."""
    model, text, pooling, _ = key
    return live.resident(model).states(_image, text, pooling)
