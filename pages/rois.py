"""How well each region's responses are predicted, by instruction or by model."""

import streamlit as st

from brainalign import figures, ui
from brainalign.figures import frames, theme

store = ui.page_store()
ui.header(
    store,
    "ROIs",
    "How well a model's hidden states predict the response to each region's test images: "
    "bars are means over subjects, points the subjects, dotted lines the noise ceiling.",
)
scores = store.roi_scores()
if scores.empty:
    ui.empty("The store has no scores by region yet.", "brainalign run STUDY.toml\nbrainalign publish STUDY.toml")

# what to compare
controls = st.columns([1.1, 1.1, 1.5, 1.5, 1.1])
by = ui.segments("A bar for each", ["instruction", "model"], "by", container=controls[0])
quantity = ui.segments("Quantity", list(frames.QUANTITIES), "quantity", frames.QUANTITIES.get, container=controls[1])
if by == "instruction":
    chosen = ui.choice("Model", store.models(), "model", container=controls[2])
    scores = scores[scores.model == chosen]
    groups = ui.in_order(set(scores.instruction))
    names = {id: ui.instruction_label(id) for id in groups}
    colours = {id: theme.instruction_colour(id) for id in groups}
    shown_at_first = frames.one_per_family(groups)
else:
    ids = ui.in_order(set(scores.instruction) - {""})
    chosen = ui.choice("Instruction", ids, "instruction", ui.instruction_label, container=controls[2])
    scores = scores[scores.instruction.isin([chosen, ""])]
    groups = shown_at_first = store.models()
    names = {model: model for model in groups}
    colours = {model: theme.model_colour(model) for model in groups}
poolings = frames.in_order(scores.pooling, frames.POOLINGS)
pooling = ui.choice(
    "Hidden states of", poolings, "pooling", lambda p: frames.POOLINGS.get(p, p), container=controls[3]
)
layers = ["best", *map(str, sorted(set(scores.layer)))]
layer = ui.choice(
    "Layer", layers, "layer", lambda l: "best in each region" if l == "best" else l, container=controls[4]
)
shown = ui.several("Bars", groups, f"{by}s", lambda g: g or "no instruction", shown_at_first)
kinds = frames.families(scores.roi)
regions = ui.several("Regions", kinds, "regions", default=[k for k in kinds if k != "streams"])

# what is drawn
scores = frames.pooled(scores[scores[by].isin(shown)], pooling)
scores = frames.at_layer(frames.in_families(scores, regions), layer, quantity)
frame = frames.roi_frame(scores, quantity, by)
if frame.value.notna().sum() == 0:
    st.info("No score is defined for this choice; choose other bars, regions or another layer.")
    st.stop()
figure = figures.roi_bars(frame, colours, {group: names[group] for group in shown}, frames.QUANTITIES[quantity])
ui.plot(figure, "bars", f"Bars of {frames.QUANTITIES[quantity]} by region, one for each {by}")

rule = (
    "Layer: for each region and subject the one that was best in the other subjects"
    if layer == "best" and frame.subject.nunique() > 1
    else "Layer: the best in each region, chosen on the same test images and so a little too good"
    if layer == "best"
    else f"Layer {layer}"
)
tests = store.subjects().set_index("subject").test_images
images = ", ".join(f"{subject} {tests.get(subject, 0)}" for subject in sorted(set(frame.subject)))
ui.sentence(
    f"{rule}. Mean over the region's reliable units; test images: {images}. "
    "Noise ceiling: what a perfect model would reach given how often each test image was repeated, from the "
    "region's mean share of explainable variance"
    + (
        f"; r / ceiling counts units with at least {store.info().get('min_nc', '?')} % of it."
        if "norm" in quantity
        else "."
    )
)
if frame.value.isna().any():
    ui.sentence(f"{int(frame.value.isna().sum())} of {len(frame)} values are not defined and not drawn.")
with st.expander("Data: units, layers and values"):
    st.dataframe(frame[["roi", "group", "subject", "value", "ceiling", "n", "n_all", "layer"]], hide_index=True)
