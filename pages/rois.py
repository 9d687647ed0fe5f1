"""How well each region's responses are predicted, by instruction or by model."""

import streamlit as st

from brainalign import export_ui, figures, paper, ui
from brainalign.figures import frames, theme
from brainalign.figures.numerals import said

CHOSEN = "chosen"
ORDERS = {"family": "by family", "value": "by value"}
BARS = {"table": "as listed", "level": "by level"}

store = ui.page_store()
known = store.catalogue
ui.header(
    store,
    "ROIs",
    "How well a model's hidden states predict the response of each region to test images: means over subjects, "
    "beside the noise ceiling.",
)
ui.hint(
    "rois",
    "Point at a bar or a point for its value. In the legend, a click hides a group and a double click shows it "
    "alone. Mark differences from one of the bars to see what is significant.",
)
nested, scores = store.rows("roi_nested"), store.roi_scores()
if scores.empty:
    ui.empty("The store has no scores by region yet.", "brainalign run STUDY.toml\nbrainalign publish STUDY.toml")

# what to compare
controls = st.columns([1.1, 1.2, 1.5, 1.6, 1.3])
by = ui.segments("A bar for each", ["instruction", "model"], "by", container=controls[0])
quantity = ui.segments("Quantity", list(frames.QUANTITIES), "quantity", frames.QUANTITIES.get, container=controls[1])
numbered = list(map(str, sorted(set(scores.layer))))
layers = [CHOSEN, *numbered] if len(nested) else numbered[::-1]
layer = ui.choice(
    "Layer", layers, "layer", lambda l: "chosen by training images" if l == CHOSEN else l, container=controls[4]
)
scores = frames.at_chosen(nested) if layer == CHOSEN else scores[scores.layer == int(layer)]
if by == "instruction":
    asked = set(scores[scores.instruction != ""].model)
    models = [model for model in store.models() if model in asked] or store.models()
    chosen = ui.choice("Model", models, "model", container=controls[2])
    scores = scores[scores.model == chosen]
    scores = scores[scores.instruction != ""] if (scores.instruction != "").any() else scores
else:
    ids = known.sort_instructions(set(scores.instruction) - {""})
    chosen = ui.choice("Instruction", ids, "instruction", known.label, container=controls[2])
    scores = frames.under(scores, chosen)
poolings = frames.in_order(scores.pooling, frames.POOLINGS)
pooling = ui.choice("States of", poolings, "pooling", frames.pooling_name, container=controls[3])
scores = frames.pooled(scores, pooling)
if by == "instruction":
    groups = known.sort_instructions(scores.instruction)
    names = {id: known.label(id) for id in groups}
    colours = {id: theme.instruction_colour(id) for id in groups}
    shown_at_first = known.one_per_family(groups)
else:
    groups = shown_at_first = [model for model in store.models() if model in set(scores.model)]
    names = {model: model for model in groups}
    colours = {model: theme.model_colour(model) for model in groups}
shown = ui.several("Bars", groups, f"{by}s", lambda g: g or "no instruction", shown_at_first)
kinds = known.families(scores.roi)
regions = ui.several("Regions", kinds, "regions", default=[k for k in kinds if k != "streams"])
below = st.columns([1.2, 1.4, 1.4, 2.7])
order = ui.segments("Regions in order", list(ORDERS), "order", ORDERS.get, container=below[0])
shown_names = {group: names[group] for group in shown}
if by == "instruction" and ui.segments("Bars in order", list(BARS), "bars", BARS.get, container=below[1]) == "level":
    shown_names = known.by_level(shown_names)
reference = None
if layer == CHOSEN and quantity == "r_mean" and len(shown) > 1:
    reference = ui.choice(
        "Mark differences from", ["nothing", *shown], "reference", container=below[2 if by == "instruction" else 1]
    )

# what is drawn
scores = frames.in_families(scores[scores[by].isin(shown)], regions, known)
frame = frames.roi_frame(scores, quantity, by)
if frame.value.notna().sum() == 0:
    st.info("No score is defined for this choice; choose other bars, regions or another layer.")
    st.stop()
marks, family = {}, ""
if reference in shown:
    contrasts = frames.contrasts_of(store.rows("roi_contrasts"), scores)
    marks = frames.marks(contrasts, by, reference, shown)
    family = paper.method.short_family(store, "roi_contrasts", contrasts)
drawn = known.by_family(frame.roi)
if order == "value":  # families are then not side by side
    drawn = dict.fromkeys(frame.groupby("roi").value.mean().sort_values(ascending=False).index)
figure = figures.roi_bars(frame, colours, shown_names, frames.QUANTITIES[quantity], drawn, marks)
means = frame.groupby(["roi", "group"]).value.mean().dropna()
spoken = (
    f"{roi} {group or 'no instruction'} {said(means[roi, group])}" for roi, group in means.groupby("roi").idxmax()
)
ui.plot(
    figure, "bars",
    f"Bars of {frames.QUANTITIES[quantity]} by region, one for each {by}; the highest: {', '.join(spoken)}",
)  # fmt: skip
axis = paper.AXES[quantity]
export_ui.export(
    lambda made: paper.rois(
        frame, colours, shown_names, axis, drawn, paper.words.of_regions(store, scores, frame, axis, made), made,
        paper.queries.regions(scores, quantity, by, layer), marks, family,
    ),
    store, "rois",
)  # fmt: skip

shown_groups, shown_rois = set(frame.group), list(dict.fromkeys(frame.roi))
bounded, dotted = bool(frame.low.notna().any()), paper.method.dotted(scores, quantity)
if figures.crowded(shown_groups, shown_rois):
    ui.sentence(
        f"Dots: means over subjects; lines: from the lowest subject to the highest; dotted: {dotted}. With fewer bars "
        "or regions, each subject shows" + (" with its 95 % interval." if bounded else ".")
    )
else:
    intervals = ", with 95 % intervals by drawing test images with replacement; the models are not fitted again"
    ui.sentence(f"Bars: means over subjects; points: the subjects{intervals * bounded}; dotted: {dotted}.")
tests = store.subjects().set_index("subject").test_images
images = ", ".join(f"{subject} {tests.get(subject, 0)}" for subject in sorted(set(frame.subject)))
ui.sentence(
    (f"Layer: {paper.words.CHOSEN}" if layer == CHOSEN else f"Layer {layer}")
    + f". Mean over the region's reliable units ({paper.method.reliable(store)}); test images: {images}. "
    + paper.method.regional_ceiling(store, scores, quantity)
)
if reference in shown:
    ui.sentence(paper.method.marks(store, "roi_contrasts", contrasts, reference))
if frame.value.isna().any():
    ui.sentence(f"{int(frame.value.isna().sum())} of {len(frame)} values are not defined and not drawn.")
ui.data(frame.drop(columns=[c for c in ("low", "high") if frame[c].isna().all()]), "bars")
