"""Through which layers a model's representation predicts the response, region by region."""

import streamlit as st

from brainalign import export_ui, figures, paper, ui
from brainalign.figures import frames, profiles, theme

VIEWS = {"profile": "Every layer", "areas": "Early to high-level areas", "states": "What states depend on"}
LINES = {"roi": "region", "instruction": "instruction", "model": "model"}
MARKED = (
    " Diamonds: each unit at the layer chosen by training images, so that the test images had no say; the line "
    "through one is the range of subjects, a dash in its colour the region's noise ceiling."
)
DEPTHS = {"layer": "layers", "relative": "relative"}
FIRST = ("V1", "hV4", "FFA", "EBA", "PPA", "VWFA", frames.WHOLE)  # regions with a line at first


def pooling_of(scores, container):
    """The states that are shown, as the reader chooses."""
    poolings = frames.in_order(scores.pooling, frames.POOLINGS)
    return ui.choice("States of", poolings, "pooling", frames.pooling_name, container=container)


def profile(scores, nested):
    """Lines over the layers of one model, or of several."""
    controls = st.columns([1.75, 1.25, 1.3, 1.6, 1.5])
    by = ui.segments("A line for each", list(LINES), "lines", LINES.get, container=controls[0])
    quantity = ui.segments(
        "Quantity", list(frames.QUANTITIES), "quantity", frames.QUANTITIES.get, container=controls[1]
    )
    if by != "model":
        model = ui.choice("Model", store.models(), "model", container=controls[2])
        scores, nested = scores[scores.model == model], nested[nested.model == model]
    if by != "instruction":
        ids = known.sort_instructions(scores.instruction)
        asked = [id for id in ids if id] or ids
        instruction = ui.choice("Instruction", asked, "instruction", known.label, container=controls[3])
        scores, nested = frames.under(scores, instruction), frames.under(nested, instruction)
    pooling = pooling_of(scores, controls[4])
    scores, nested = frames.pooled(scores, pooling), frames.pooled(nested, pooling)
    order = known.sort_regions(scores.roi)
    if by != "roi":
        container = controls[3 if by == "instruction" else 2]
        roi = ui.choice("Region", order, "roi", default=frames.WHOLE, container=container)
        scores, nested = scores[scores.roi == roi], nested[nested.roi == roi]
    if by == "roi":
        groups, names = order, {name: name for name in order}
        colours = {name: theme.roi_colour(name, known) for name in order}
        at_first = [name for name in FIRST if name in order]
    elif by == "instruction":
        groups = at_first = known.sort_instructions(scores.instruction)
        names = {id: known.label(id) for id in groups}
        colours = {id: theme.instruction_colour(id) for id in groups}
    else:
        groups = at_first = [name for name in store.models() if name in set(scores.model)]
        names, colours = {name: name for name in groups}, {name: theme.model_colour(name) for name in groups}
    shown = ui.several("Lines", groups, f"{by} lines", lambda g: g or "no instruction", at_first or groups)

    scores, nested = scores[scores[by].isin(shown)], nested[nested[by].isin(shown)]
    frame = frames.roi_frame(scores, quantity, by)
    if frame.value.notna().sum() == 0:
        st.info("No score is defined for this choice; choose other lines or another region.")
        return
    chosen = frames.roi_frame(frames.at_chosen(nested), quantity, by)
    relative = by == "model" and scores.groupby("model").layer.max().nunique() > 1 and (
        ui.segments("Depth", list(DEPTHS), "depth", DEPTHS.get) == "relative"
    )  # fmt: skip
    named = {g: names[g] for g in shown}
    tops = profiles.tops(frame, chosen)
    ui.plot(
        figures.layer_profile(frame, colours, named, frames.QUANTITIES[quantity], chosen, relative), "profile",
        f"Lines of {frames.QUANTITIES[quantity]} by layer, one for each {LINES[by]}; the highest, of test scores "
        f"and so too high: {profiles.spoken(tops)}",
    )  # fmt: skip
    ui.sentence(
        f"Lines: means over subjects of the mean over a region's reliable units ({paper.method.reliable(store)}), "
        "each layer fitted and scored by itself on the test images; bands: from the lowest subject to the "
        "highest. Dotted: noise ceiling." + MARKED * bool(chosen.value.notna().any()) + f" {profiles.too_high(tops)}"
    )
    above = f"{model}, {instruction}" if by == "roi" else roi  # the only chart's title
    export_ui.export(
        lambda made: paper.layers(
            frame.assign(roi=above), colours, named, paper.AXES[quantity],
            paper.words.of_layers(store, scores, paper.AXES[quantity], made, frame, chosen), made,
            paper.queries.layers(scores, quantity, by, nested, above), chosen.assign(roi=above), relative,
        ),
        store, "layers",
    )  # fmt: skip
    ui.data(
        scores[["subject", "model", "instruction", "pooling", "roi", "layer", "n", *frames.QUANTITIES, "nc_mean"]],
        "layers",
    )


def areas(nested):
    """Which layers the areas of one map choose, from early to high-level ones."""
    controls = st.columns([1.3, 2, 2, 1])
    models = [model for model in store.models() if model in set(nested.model)]
    model = ui.choice("Model", models, "model", container=controls[0])
    rows = nested[nested.model == model]
    ids = known.sort_instructions(rows.instruction)
    asked = [id for id in ids if id] or ids
    instruction = ui.choice("Instruction", asked, "instruction", known.label, container=controls[1])
    rows = frames.under(rows, instruction)
    pooling = pooling_of(rows, controls[2])
    rows = frames.pooled(rows, pooling)
    order = known.areas(rows.roi)
    rows = rows[rows.roi.isin(order)].dropna(subset=["layer"])
    if rows.empty:
        st.info("No area has a layer of its own for this choice; choose another model or instruction.")
        return
    one = rows.iloc[0][list(frames.MAP)].to_dict()
    whose = f"{model}, {one['instruction']}" if one["instruction"] else model
    st.header(f"From early to high-level areas: {whose}", anchor=False)
    spoken = ", ".join(f"{name} {value:.1f}" for name, value in rows.groupby("roi").layer.mean()[order].items())
    shade = theme.model_colour(model)
    ui.plot(figures.chosen_layers(rows, shade, order), "chosen", f"Chosen layer by area, mean over subjects: {spoken}")
    trend = rows.assign(level=rows.roi.map(lambda n: known.regions[n].level))
    means = trend.groupby(["level", "subject"]).layer.mean().unstack("level")
    ui.sentence(
        f"The layer chosen by training images, {frames.pooling_name(pooling)}: points are the medians over an "
        "area's units in each subject, bars their means."
    )
    if {"early", "high"} <= set(means.columns):
        deeper = (means.high > means.early).sum()
        ui.sentence(
            f"Early areas choose layer {means.early.mean():.1f}, high-level areas layer {means.high.mean():.1f} on "
            f"average; deeper for high-level areas in {deeper} of {len(means)} subjects (counted, not tested)."
        )
    seen = rows.subject.iloc[0]
    st.page_link(
        "pages/flatmaps.py",
        label=f"See the layer that each unit chooses in the cortex of {seen}",
        icon=":material/map:",
        query_params={"subject": seen, "quantity": "layer"} | one,
    )
    export_ui.export(
        lambda made: paper.chosen(
            rows, shade, order, paper.words.of_chosen(store, rows), made, paper.queries.chosen(rows),
        ),
        store, "chosen",
    )  # fmt: skip
    ui.data(rows[["subject", *frames.MAP, "roi", "n", "layer"]], "chosen layers")


def states(shares):
    """How much of the states of one model the instruction can change."""
    controls = st.columns([1.3, 2, 3])
    known = [model for model in store.models() if model in set(shares.model)]
    model = ui.choice("Model", known, "model", container=controls[0])
    rows = shares[shares.model == model]
    pooling = pooling_of(rows, controls[1])
    rows = frames.pooled(rows, pooling)
    st.header(f"What the states depend on: {model}", anchor=False)
    ends = rows.sort_values("layer").iloc[[0, -1]]
    spoken = "; ".join(f"layer {row.layer}: {row.picture:.0%}" for row in ends.itertuples())
    ui.plot(figures.shares(rows), "shares", f"Shares of the states' variance by layer, of the picture in {spoken}")
    ui.sentence(
        f"Variance of {model}'s states ({frames.pooling_name(pooling)}) over {rows.images.max()} "
        "pictures and all its instructions: what the picture explains whatever is asked, what the instruction "
        "explains whatever is seen, and what only both explain. Where the picture is nearly all, instructions "
        "cannot differ much in what they predict."
    )
    export_ui.export(
        lambda made: paper.shares(
            rows, paper.words.of_shares(store, rows), made,
            paper.queries.shares(rows),
        ),
        store, "shares",
    )  # fmt: skip
    ui.data(rows, "shares")


store = ui.page_store()
known = store.catalogue
ui.header(
    store,
    "Layers",
    "How prediction rises and falls through a model: mean score on test images at every layer; diamonds are the "
    "scores to report, each unit at the layer that left-out training images choose.",
)
ui.hint(
    "layers",
    "Point at a line for its value; the diamonds are the scores to report. In the legend, a click hides a line and "
    "a double click shows it alone.",
)
scores, nested, shares = store.roi_scores(), store.rows("roi_nested"), store.rows("shares")
if scores.empty:
    ui.empty("The store has no scores by layer yet.", "brainalign run STUDY.toml\nbrainalign publish STUDY.toml")
has = {"areas": nested.layer.notna().any(), "states": len(shares)}
view = ui.segments("Show", [name for name in VIEWS if has.get(name, True)], "view", VIEWS.get)
if view == "profile":
    profile(scores, nested)
elif view == "areas":
    areas(nested)
else:
    states(shares)
