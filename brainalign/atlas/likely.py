"""How sure a model was of each token of its answer, on the live page."""

import streamlit as st

from brainalign import live, ui


def show(questions, image):
    """A table for each question: its tokens, their probabilities, and what else was likely."""
    for column, (model, _, text) in zip(st.columns(len(questions)), questions):
        with column:
            try:
                with st.spinner(f"{model} answers again ..."):
                    found = _likely((model, text, image.tobytes()), image)
            except ValueError as fault:
                st.caption(str(fault))
                continue
            rows = [{"token": step[0][0], "probability": step[0][1], "else": _others(step[1:])} for step in found]
            bar = st.column_config.ProgressColumn(min_value=0.0, max_value=1.0, format="percent")
            st.dataframe(rows, hide_index=True, column_config={"probability": bar, "else": "what else was likely"})
    ui.sentence("Probabilities of the greedy answer's tokens, given those before; the last one ends the answer.")


def _others(step):
    return ", ".join(f"{text.strip() or '␣'} {100 * p:.1f} %" for text, p in step if p >= 0.001)


@st.cache_data(max_entries=64, show_spinner=False)
def _likely(key, _image):
    """key : (model, text, the picture's bytes)."""
    model, text, _ = key
    return live.resident(model).likely(_image, text)
