"""The response that a model's states predict for what is on the live page, beside the measured one if it is known."""

from dataclasses import replace

import numpy as np
import streamlit as st

from brainalign import export_ui, live, paper, pictures, stats, ui
from brainalign.atlas.stock import flat_units_of, subject_of, surface_of
from brainalign.figures import flatmap
from brainalign.figures.flatmap import Picture
from brainalign.paper import sql

ABOUT = "Response in standard deviations over training images"
KEY = "predicted map"


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
    kept = store.catalogue.sort_instructions(rows[rows.subject == subject].instruction)
    of = ui.choice(
        "Weights fitted under", kept, "weights", store.catalogue.label, id if id in kept else kept[0], container=right
    )
    readout, layer, pooling = store.readout(subject, model, of)
    image = pictures.resized(image, int(store.info().get("pixels", 0)))  # as the weights' features saw pictures
    try:
        with st.spinner(f"{model} looks at the picture ..."):
            states = _states((model, text, pooling, image.tobytes()), image)
        responses = {"predicted": readout.predict(states[layer])}
    except (ValueError, IndexError) as fault:
        st.error("The response cannot be predicted.", icon=":material/error:")
        st.text(str(fault))
        return
    measured = None if image_id is None else store.response(subject, image_id)
    if measured is not None:
        responses["measured"] = measured
    maps = _maps(store, subject, responses, least)
    _paint(store, subject, list(maps.values()), least)
    said = [_fitted(subject, model, of, _fits(store, of, id, text), layer, readout)]
    said.append(_compared(store, subject, image_id, maps))
    ui.sentence(" ".join(said))
    source = _source(image_id if "measured" in maps else None, subject=subject, model=model, instruction=of)
    plot = paper.flatmap(
        list(maps.values()), " ".join([_asked(store, text, image_id), f"{ABOUT}.", *said]), query=source
    )
    export_ui.export(lambda made: replace(plot, kind="live", choices=made), store, "predicted")


def _maps(store, subject, responses, least):
    """name -> paper.Map of what is on the screen; responses : name -> (n_units,)."""
    _, rois, nc, *_ = subject_of(store.path, store, subject)
    geometry, _ = surface_of(store.path, store)
    drawn = {name: units for name, units in rois.items() if store.catalogue.is_area(name)}
    threshold = (st.session_state.get(KEY, {}).get("view") or {}).get("threshold", round(least))
    return {
        name: paper.Map(
            geometry, flat_units_of(store.path, store, subject), nc, drawn,
            Picture(values[None], (0,), "z", "response (z)", f"{ABOUT}: {name}", True, False),
            0, threshold, subject, name if len(responses) > 1 else "",
        )
        for name, values in responses.items()
    }  # fmt: skip


def _paint(store, subject, maps, least):
    """The maps on the screen."""
    *_, name, message = subject_of(store.path, store, subject)
    geometry, surface = surface_of(store.path, store)
    start = {"layer": 0, "threshold": round(least), "margin": 0, "zoom": "", "unit": None, "serial": 1}
    part = flatmap.map_part(
        [one.picture for one in maps],
        surface=geometry.hash,
        subjects=[name] * len(maps),
        start=start,
        rois=list(maps[0].rois),
        titles=[one.title for one in maps],
        solid=(solid := flatmap.solid_name(geometry)),
    )
    flatmap.show(part, KEY)
    flatmap.keep(message, f"flatmap subject {subject}")
    flatmap.keep(surface, "flatmap surface")
    if solid and (st.session_state[KEY].get("view") or {}).get("solid"):
        flatmap.keep(flatmap.solid_part(), "flatmap solid")


def _fits(store, of, id, text):
    """Whether weights fitted under one instruction are for what was asked: in the same words, if these are known."""
    known = store.catalogue.instructions
    return known[of].text == text if of in known else of == id


def _fitted(subject, model, of, fits, layer, readout):
    said = f"What layer {layer} of {model} predicts for {subject}, by ridge weights fitted under {of}"
    said += "" if fits else ", although another instruction was given here: read it with care"
    return said + f" ({100 * readout.kept:.1f} % of their predictions' variance is kept)."


def _compared(store, subject, image_id, maps):
    """Which units are coloured, and how the prediction can be judged, if it can."""
    shown, threshold = maps["predicted"].shown, maps["predicted"].threshold
    said = f"Coloured: units with a noise ceiling of at least {threshold:g} %."
    if "measured" in maps:
        both = shown & maps["measured"].shown
        predicted, measured = (maps[name].values[both][:, None] for name in ("predicted", "measured"))
        r = float(stats.correlate(predicted, measured)[0]) if both.sum() > 2 else np.nan
        said += f" Over these {both.sum():,} units predicted and measured pattern correlate with r = {r:z.2f}."
        return said.replace("= -", "= −")
    if image_id is None:
        return f"{said} No subject saw this picture: there is no measured response to hold the prediction against."
    if image_id in store.image_ids(subject=subject, shared=False):
        return (
            f"{said} In-sample: {subject} saw this picture as a training image, and the weights were fitted on the "
            "response to it, so this map is no test of the prediction. Measured responses are kept for test images."
        )
    return f"{said} {subject} did not see this picture, or the measured response is not kept."


def _asked(store, text, image_id):
    """What was on the screen, for a caption."""
    seen = "a picture of the visitor's own" if image_id is None else f"picture {store.numbered(image_id)}"
    return f"Asked about {seen}: “{text}”."


def _source(image_id=None, **of):
    """Where the numbers come from, as SQL, with a comment on what no query gives; of : whose weights."""
    said = (
        "-- predicted: (states - centre) @ into_rank @ out_of_rank + bias, with the model's states of that layer\n"
        f"SELECT layer, pooling, centre, into_rank, out_of_rank, bias FROM weights WHERE {_equal(**of)};"
    )
    if image_id is None:
        return said
    return f"{said}\nSELECT data FROM responses WHERE {_equal(subject=of['subject'], image_id=image_id)};"


def _equal(**values):
    return " AND ".join(f"{name} = {sql.literal(value)}" for name, value in values.items())


@st.cache_data(max_entries=64, show_spinner=False)
def _states(key, _image):
    """States of one question; key : (model, text, pooling, the picture's bytes)."""
    model, text, pooling, _ = key
    return live.resident(model).states(_image, text, pooling)
