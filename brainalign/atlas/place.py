"""What is said of one place of cortex: its scores under every map of the store."""

import numpy as np
import pandas as pd
import streamlit as st

from brainalign import stats, ui
from brainalign.figures import frames, theme
from brainalign.figures.flatmap import charts
from brainalign.paper import method

KEY = ["model", "instruction", "pooling"]
SHOWN = {"r": "r", "r_low": "95 % from", "r_high": "to", "share": "r / ceiling", "r2": "R²", "q": "q"}
TESTED = ("difference", "95 % from", "to", "p", "q")
LINES = 12  # of the chart, at most
PICTURES = 6


@st.cache_resource(max_entries=64, show_spinner=False)
def scores_of(path, _store, subject, unit):
    """Rows of `scores` and of `nested` of one unit."""
    return _store.rows("scores", subject=subject, unit=unit), _store.rows("nested", subject=subject, unit=unit)


def details(store, stock, subject, units, rois, unit, asked):
    """A unit of a subject: where it lies, its scores under every map, and over the layers."""
    row = units.loc[unit]
    named = ", ".join(name for name, members in rois.items() if unit in members) or "no ROI"
    across = row.get("across_r")
    said = f"; predicted from other subjects with r = {across:.3f}" if across is not None and across == across else ""
    st.text(f"Unit {unit} of {subject}: {named}; noise ceiling {row.nc:.2f} %, ncsnr {row.ncsnr:.3f}{said}")
    scores, nested = scores_of(store.path, store, subject, unit)
    if scores.empty:
        return
    left, right = st.columns([1.15, 1])
    with left:
        table(scores, nested, row.nc, stock["least"])
    with right:
        chart(scores, nested, asked.chosen, stock["models"], stock["known"])
    preferred(store, subject, unit, asked.chosen)


def table(scores, nested, nc, least):
    """One row a map: at the layer that training images choose, or where that is not known, with the highest test r."""
    frame = nested
    if nested.empty:
        frame = scores.loc[scores.r.fillna(-1).groupby([scores[key] for key in KEY]).idxmax()]
    frame = frame.assign(share=stats.normalise(frame.r, nc, least)).sort_values("r", ascending=False)
    frame["layer"] = frame.layer.astype("Int64").where(frame.layer >= 0)
    frame["states of"] = frame.pooling.map(frames.pooling_name)
    found = frame[["model", "instruction", "layer", *(name for name in SHOWN if name in frame), "states of"]]
    found = found.replace({"instruction": {"": "–"}}).rename(columns=SHOWN)
    columns = {name: st.column_config.NumberColumn(format="%.3f") for name in SHOWN.values()}
    st.dataframe(found, hide_index=True, column_config=columns, height=340, key="unit profile", placeholder="–")
    chosen = "the layer that left-out training images choose for this unit"
    how = "the layer with its highest test r, which is too high," if nested.empty else chosen
    st.caption(
        f"Every map at {how}; r and R² on the test images. r / ceiling of one unit carries the noise of its NC."
    )


def chart(scores, nested, chosen, models, known):
    """r over layers: of the model's instructions where one is chosen, and of the other models."""
    keys = list(scores[KEY].drop_duplicates().itertuples(index=False, name=None))
    model, instruction, pooling = chosen or ("", "", "")
    own = [key for key in keys if key[0] == model and key[2] == pooling]
    order = known.sort_instructions(key[1] for key in own)
    own = sorted(own, key=lambda key: order.index(key[1]))
    own = own or [key for key in keys if key[0] == models[0]] or keys
    others = [key for key in keys if key[0] != own[0][0] and key[1] in (instruction, "")]
    lines = _first_of_each([*own, *others])[:LINES]
    single = len({key[1] for key in own}) < 2
    colours, names = {}, {}
    for key in sorted(lines, key=lambda key: (key not in own, lines.index(key))):
        one = " ".join(key)
        in_model = key in own and not single
        colours[one] = theme.instruction_colour(key[1]) if in_model else theme.model_colour(key[0])
        names[one] = key[1] if in_model else f"{key[0]} {key[1]}".strip()
    rows = scores.assign(one=scores[KEY].agg(" ".join, axis=1))
    at = dict(zip(nested[KEY].agg(" ".join, axis=1), nested.layer)) if len(nested) else {}
    alt = "r of this unit over the layers: " + ", ".join(names.values())
    ui.plot(charts.unit_layers(rows[rows.one.isin(names)], colours, names, at), "unit layers", alt)
    st.caption(f"Lines: {own[0][0]} under each instruction; other models beside it." if not single else "")


def preferred(store, subject, unit, chosen):
    """The test images that a unit responds to most, and what the chosen model said of them."""
    ids, values = store.responses_of(subject, unit)
    known = np.isfinite(values)
    best = np.argsort(-np.where(known, values, -np.inf))[: min(PICTURES, known.sum())]
    if not len(best):
        return
    model, instruction, _ = chosen or ("", "", "")
    said = f", and what {model} said with {instruction}" if instruction else ""
    st.markdown(f"**Test images with the highest measured response**{said}")
    for column, at in zip(st.columns(PICTURES), best):
        with column:
            _picture(store, int(ids[at]))
            st.caption(f"picture {store.numbered(ids[at])}: {values[at]:+.2f} sd".replace("-", "−"))
            answer = store.answer(model, instruction, ids[at]) if instruction else None
            if answer:
                st.text(answer)


def _picture(store, image_id):
    try:
        st.image(
            ui.thumbnail(store.info()["stimuli"], image_id), width="stretch", alt=f"Picture {store.numbered(image_id)}"
        )
    except (ValueError, FileNotFoundError):
        st.caption("This picture cannot be shown on this machine.")


def _first_of_each(keys):
    """One map for each model and instruction: the first of its poolings."""
    found = {}
    for model, instruction, pooling in keys:
        found.setdefault((model, instruction), (model, instruction, pooling))
    return list(found.values())


def tested(store, subjects, asked):
    """The difference of two maps by region with its paired test."""
    found = {subject: contrasts(store, subject, asked) for subject in subjects}
    found = {subject: rows for subject, rows in found.items() if rows is not None}
    if not found:
        st.caption("The store has no test of this difference by region.")
        return
    for subject, rows in found.items():
        st.text(f"{subject}: {holds(rows, store.catalogue)}")
    own = frames.between(store.rows("roi_contrasts"), asked.chosen, asked.minus)
    own = own[own.subject.isin(found)]
    with st.expander("Test of the difference by region"):
        frame = pd.concat([rows.assign(subject=subject) for subject, rows in found.items()])
        frame = frame.assign(holds=frame.q < frames.LEVEL)[["subject", "region", "holds", *TESTED]]
        columns = {name: st.column_config.NumberColumn(format="%.3f") for name in TESTED}
        st.dataframe(
            frame,
            hide_index=True,
            column_config=columns,
            width="content",
            key="region test",
            alt="Test of the difference by region",
        )
        st.caption(
            "Difference of mean r over the region's reliable units, each at its chosen layer; paired bootstrap over "
            f"test images, two-sided; it holds where q < {frames.LEVEL}, by "
            f"{method.corrected(store, 'roi_contrasts', own)}."
        )


def holds(rows, known):
    """Where a difference holds, in words: the areas with q below LEVEL, the largest difference first.

    known : a Catalogue
    """
    areas = rows[rows.region.map(known.is_area) & rows.q.notna()]
    sure = areas[areas.q < frames.LEVEL].sort_values("difference", key=abs, ascending=False)
    if sure.empty:
        return (
            f"the difference of mean r at the chosen layers holds in none of {len(areas)} areas (q ≥ {frames.LEVEL})."
        )
    named = ", ".join(f"{row.region} {row.difference:+.3f}".replace("-", "−") for row in sure.itertuples())
    return (
        f"the difference of mean r at the chosen layers holds (q < {frames.LEVEL}) in {len(sure)} of {len(areas)} "
        f"areas: {named}."
    )


def contrasts(store, subject, asked):
    """The tested difference of two maps by region, signed as the map is; None where the store has no test of it.

    Columns region, difference, low, high, p, q, as TESTED names them.
    """
    rows = frames.between(store.rows("roi_contrasts", subject=subject), asked.chosen, asked.minus)
    if rows.empty:
        return None
    values = (rows[name] for name in ("difference", "low", "high", "p", "q"))
    return pd.DataFrame({"region": rows.roi} | dict(zip(TESTED, values)))
