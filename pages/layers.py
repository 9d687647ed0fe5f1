"""Through which layers a model's representation predicts the response, region by region."""

import streamlit as st

from brainalign import export_ui, figures, paper, tables, ui
from brainalign.figures import frames, theme

LINES = {"roi": "region", "instruction": "instruction", "model": "model"}

store = ui.page_store()
ui.header(
    store,
    "Layers",
    "How prediction rises and falls through a model: mean r on test images at every layer; a diamond marks the layer "
    "that left-out training images choose, which is the one to report.",
    charts=True,
)
ui.hint(
    "layers",
    "Point at a line for its value; diamonds mark what to report. In the legend, a click hides a line and "
    "a double click shows it alone.",
)
scores, nested = store.roi_scores(), store.rows("roi_nested")
if scores.empty:
    ui.empty("The store has no scores by layer yet.", "brainalign run STUDY.toml\nbrainalign publish STUDY.toml")

# what to compare
controls = st.columns([1.75, 1.25, 1.3, 1.6, 1.5])
by = ui.segments("A line for each", list(LINES), "lines", LINES.get, container=controls[0])
quantity = ui.segments("Quantity", list(frames.QUANTITIES), "quantity", frames.QUANTITIES.get, container=controls[1])
if by != "model":
    model = ui.choice("Model", store.models(), "model", container=controls[2])
    scores, nested = scores[scores.model == model], nested[nested.model == model]
ids = ui.in_order(set(scores.instruction))
if by != "instruction":
    asked = [id for id in ids if id] or ids
    instruction = ui.choice("Instruction", asked, "instruction", ui.instruction_label, container=controls[3])
    scores, nested = frames.under(scores, instruction), frames.under(nested, instruction)
poolings = frames.in_order(scores.pooling, frames.POOLINGS)
pooling = ui.choice("Hidden states of", poolings, "pooling", frames.pooling_name, container=controls[4])
scores, nested = frames.pooled(scores, pooling), frames.pooled(nested, pooling)
order = frames.in_order(scores.roi, tables.rois())
if by != "roi":
    roi = ui.choice("Region", order, "roi", default=frames.WHOLE, container=controls[3 if by == "instruction" else 2])
    scores, nested = scores[scores.roi == roi], nested[nested.roi == roi]
if by == "roi":
    groups, names = order, {name: name for name in order}
    colours = {name: theme.roi_colour(name) for name in order}
    at_first = [name for name in ("V1", "hV4", "FFA", "EBA", "PPA", "VWFA", frames.WHOLE) if name in order]
elif by == "instruction":
    groups = at_first = ui.in_order(set(scores.instruction))
    names = {id: ui.instruction_label(id) for id in groups}
    colours = {id: theme.instruction_colour(id) for id in groups}
else:
    groups = at_first = [name for name in store.models() if name in set(scores.model)]
    names, colours = {name: name for name in groups}, {name: theme.model_colour(name) for name in groups}
shown = ui.several("Lines", groups, f"{by} lines", lambda g: g or "no instruction", at_first or groups)

# what is drawn
scores = scores[scores[by].isin(shown)].assign(group=lambda rows: rows[by], value=lambda rows: rows[quantity])
if scores.value.notna().sum() == 0:
    st.info("No score is defined for this choice; choose other lines or another region.")
    st.stop()
chosen = nested[nested[by].isin(shown)].groupby(by).layer.mean().to_dict()
profile = figures.layer_profile(scores, colours, {g: names[g] for g in shown}, frames.QUANTITIES[quantity], chosen)
means = scores.groupby(["group", "layer"]).value.mean().dropna()
tops = means.groupby("group").idxmax()
spoken = (f"{group or 'no instruction'} {means[group, layer]:.3f} at layer {layer}" for group, layer in tops)
ui.plot(
    profile, "profile",
    f"Lines of {frames.QUANTITIES[quantity]} by layer, one for each {LINES[by]}; the highest: {', '.join(spoken)}",
)  # fmt: skip
ui.sentence(
    "Means over subjects of the mean over a region's reliable units, each layer fitted and scored by itself on the "
    "test images."
    + " The diamond is the median over the region's units of the layer chosen by cross-validation inside the training "
    "images, mean over subjects." * bool(chosen)
)

above = f"{model}, {instruction}" if by == "roi" else roi  # the only chart's title
export_ui.export(
    lambda made: paper.layers(
        frames.roi_frame(scores, quantity, by).assign(roi=above), colours, {g: names[g] for g in shown}, paper.AXES[quantity],
        paper.words.of_layers(store, scores, paper.AXES[quantity], made, bool(chosen)), made,
        paper.queries.layers(scores, quantity, by, above), {(above, group): layer for group, layer in chosen.items()},
    ),
    store, "layers",
)  # fmt: skip

# from early to high-level areas
rows = nested if by == "roi" else store.rows("roi_nested")
if by != "roi":
    first = shown[0] if shown else groups[0]
    rows = rows[rows[by] == first]
    rows = frames.under(rows, instruction) if by == "model" else rows[rows.model == model]
    rows = frames.pooled(rows, pooling)
areas = [name for name in frames.in_order(rows.roi, tables.rois()) if frames.is_area(name)]
rows = rows[rows.roi.isin(areas)].dropna(subset=["layer"])
if not rows.empty:
    told = rows.iloc[0]
    st.subheader("From early to high-level areas", anchor=False)
    ui.sentence(
        f"The layer that each area's units choose (median), {told.model}"
        + (f" under {told.instruction}" if told.instruction else "")
        + f", {frames.pooling_name(told.pooling)}: bars are means over subjects, points the subjects."
    )
    spoken = ", ".join(f"{name} {value:.1f}" for name, value in rows.groupby("roi").layer.mean()[areas].items())
    shade = theme.model_colour(told.model)
    ui.plot(figures.chosen_layers(rows, shade, areas), "chosen", f"Chosen layer by area, mean over subjects: {spoken}")
    export_ui.export(
        lambda made: paper.chosen(
            rows, shade, areas, paper.words.of_chosen(store, rows), made,
            paper.queries.chosen(rows),
        ),
        store, "chosen",
    )  # fmt: skip
    trend = rows[rows.roi.isin(areas)].assign(level=lambda r: r.roi.map(lambda n: tables.rois()[n].level))
    means = trend.groupby(["level", "subject"]).layer.mean().unstack("level")
    if {"early", "high"} <= set(means.columns):
        deeper = (means.high > means.early).sum()
        ui.sentence(
            f"Early areas choose layer {means.early.mean():.1f}, high-level areas layer {means.high.mean():.1f} on "
            f"average; deeper for high-level areas in {deeper} of {len(means)} subjects."
        )

# how much of the states the instruction can change
told = scores.model.iloc[0]
shares = store.rows("shares", model=told)
shares = shares[shares.pooling == scores[scores.model == told].pooling.iloc[0]]
if not shares.empty:
    st.subheader("What the states depend on", anchor=False)
    ends = shares.sort_values("layer").iloc[[0, -1]]
    spoken = "; ".join(f"layer {row.layer}: {row.picture:.0%}" for row in ends.itertuples())
    ui.plot(figures.shares(shares), "shares", f"Shares of the states' variance by layer, of the picture in {spoken}")
    export_ui.export(
        lambda made: paper.shares(
            shares, paper.words.of_shares(store, shares), made,
            paper.queries.shares(shares),
        ),
        store, "shares",
    )  # fmt: skip
    ui.sentence(
        f"Variance of {told}'s states ({frames.pooling_name(shares.pooling.iloc[0])}) over {shares.images.max()} "
        "pictures and all its instructions: what the picture explains whatever is asked, what the instruction "
        "explains whatever is seen, and what only both explain. Where the picture is nearly all, instructions "
        "cannot differ much in what they predict."
    )
ui.data(
    scores[["subject", "model", "instruction", "pooling", "roi", "layer", "n", *frames.QUANTITIES, "nc_mean"]],
    "layers",
)
