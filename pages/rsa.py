"""Which pictures a region tells apart, and whether a model tells the same ones apart."""

from base64 import b64encode

import streamlit as st

from brainalign import export_ui, figures, paper, ui
from brainalign.figures import frames, profiles, similarity
from brainalign.paper import rsa_asked, rsa_queries, rsa_words

VIEWS = {"bars": "Regions", "pictures": "Pictures in one region", "depth": "Every layer"}
EACH = {"bars": "A bar for each", "pictures": "A matrix for each", "depth": "A line for each"}
ORDERS = {"region": "the region", "model": "the model"}


@st.cache_data(max_entries=8, show_spinner=False)
def uris(stimuli, ids, size):
    """Picture -> data URI; empty where pictures may not be shown."""
    try:
        small = {picture: ui.thumbnail(stimuli, picture, size) for picture in ids}
    except (ValueError, FileNotFoundError):
        return {}
    return {picture: f"data:image/webp;base64,{b64encode(data).decode()}" for picture, data in small.items()}


def bars():
    """How similar each region is to each model or instruction."""
    marks, family = {}, ""
    if reference in shown:
        contrasts = frames.contrasts_of(store.rows("rsa_contrasts"), rows)
        marks = frames.marks(contrasts, by, reference, shown)
        family = paper.method.short_family(store, "rsa_contrasts", contrasts)
    regions, means = known.by_family(frame.roi), frame.groupby(["roi", "group"]).value.mean().dropna()
    spoken = (
        f"{roi} {group or 'no instruction'} {means[roi, group]:.2f}" for roi, group in means.groupby("roi").idxmax()
    )
    ui.plot(
        figures.roi_bars(frame, colours, shown_names, similarity.AXIS, regions, marks), "bars",
        f"Bars of representational similarity by region, one for each {by}; the highest: {', '.join(spoken)}",
    )  # fmt: skip
    export_ui.export(
        lambda made: paper.rsa(
            frame, colours, shown_names, regions, rsa_words.of_bars(store, rows, frame, made), made,
            rsa_queries.bars(rows, by), marks, family,
        ),
        store, "rsa",
    )  # fmt: skip
    ui.sentence(rsa_words.method(store))
    if reference in shown:
        ui.sentence(paper.method.marks(store, "rsa_contrasts", contrasts, reference) + rsa_words.UNMARKED)
    held = rows.merge(store.rows("rsa_ceilings")[["subject", "roi", "n", "lower", "upper"]])
    ui.data(held.assign(q_family=paper.method.short_family(store, "rsa_chosen", rows)), "similarity")


def region_of(container):
    """The region that is looked at: at first the one with the highest bar."""
    places, best = known.sort_regions(frame.roi), frame.groupby("roi").value.mean().idxmax()
    return ui.choice("Region", places, "roi", default=best, container=container)


def pictures():
    """One region's pictures: matrices of distances, and the pictures put side by side where they are alike."""
    controls = st.columns([1.3, 2.2, 2.2])
    roi = region_of(controls[0])
    here = frame[frame.roi == roi].groupby("group").value.mean()
    one = ui.choice("Matrix of", shown, "map", names.get, here.idxmax(), container=controls[1])
    basis = ui.segments("Pictures in the order of", list(ORDERS), "sorted", ORDERS.get, container=controls[2])
    told = rows[(rows[by] == one) & (rows.roi == roi)]
    found = None if told.empty else store.rdms(roi, *told.iloc[0][list(frames.MAP)])
    if not found:
        st.info(f"The store keeps no matrix of {names[one]} and {roi}; choose another region or map.")
        return
    titles, ids = rsa_words.titles(told, found), found["ids"]
    order, stimuli = similarity.order_of(found[basis]), store.info().get("stimuli", "")
    names_of = store.all_numbered(ids)
    strip, small = (uris(stimuli, tuple(ids), size) for size in (36, 72))
    for key, draw, what in (
        ("matrix", lambda rdm: figures.rdm(rdm, ids, order, strip, names_of), "Matrix of distances"),
        ("plane", lambda rdm: figures.arranged(rdm, ids, small, names_of), "Pictures arranged by their distances"),
    ):
        for column, side in zip(st.columns(2), ("region", "model")):
            with column:
                st.markdown(f"**{what}: {titles[side]}**")
                alt = f"{what} between {len(ids)} pictures: {titles[side]}"
                ui.plot(draw(found[side]), f"{key}-{side}", alt)
    export_ui.export(
        lambda made: paper.rdms(
            found, order, titles, rsa_words.of_matrices(store, told, found, made), made,
            rsa_queries.matrices(told, found), rsa_asked.pictures_of(store, ids),
        ),
        store, "rdms",
    )  # fmt: skip
    ui.sentence(
        f"{len(ids)} of the {rsa_words.n_pictures(store)} test pictures, evenly spaced; distances are ranked "
        f"within each matrix. Over all test pictures the similarity of {rsa_words.map_name(told)} and {roi} is "
        f"{told.rho.mean():.2f} (ρₐ, mean over subjects). Multidimensional scaling puts the pictures: near means "
        "alike, directions mean nothing."
    )
    if not small:
        ui.sentence("The pictures themselves cannot be shown here; the Live page says why.")


def depth():
    """Similarity in one region at every layer."""
    roi = region_of(st.columns([1.3, 4.4])[0])
    through = scores[scores.roi == roi].merge(rows[list(frames.MAP)].drop_duplicates())
    profile = similarity.profile_rows(through, by)
    depth = similarity.profile_rows(rows[rows.roi == roi], by)
    st.header(f"Through the layers: {roi}", anchor=False)
    tops = profiles.tops(profile, depth)
    ui.plot(
        figures.layer_profile(profile, colours, shown_names, similarity.AXIS, depth), "profile",
        f"Lines of representational similarity by layer in {roi}, one for each {by}; the highest, of test "
        f"pictures and so too high: {profiles.spoken(tops)}",
    )  # fmt: skip
    export_ui.export(
        lambda made: paper.rsa_layers(
            profile, colours, shown_names, rsa_words.of_layers(store, profile, made, depth), made,
            rsa_queries.layers(through, by), depth,
        ),
        store, "rsa-layers",
    )  # fmt: skip
    ui.sentence(
        "Every layer by itself on the test pictures, means over subjects; diamonds are the similarity "
        f"at the layer that training pictures choose in each subject. {profiles.too_high(tops)}"
    )
    ui.data(through, "similarity by layer")


store = ui.page_store()
known = store.catalogue
ui.header(
    store,
    "RSA",
    "Representational similarity: does a model tell the same pictures apart as a region does? Nothing is fitted: "
    "distances between pictures are compared with distances between pictures.",
)
ui.hint(
    "rsa",
    "A bar near the grey band is as similar to the region as other people's brains are. The other views show what "
    "is behind a bar.",
)
chosen, scores = store.rows("rsa_chosen"), store.rows("rsa_scores")
if chosen.empty:
    st.info("The store has no representational similarity: add a section to the study, then run it again.")
    ui.empty("What is done already stays.", "[rsa]\n\nbrainalign run STUDY.toml\nbrainalign publish STUDY.toml")

# what to compare
view = ui.segments("Show", list(VIEWS), "view", VIEWS.get)
controls = st.columns([1.1, 1.5, 1.7, 1.5])
by = ui.segments(EACH[view], ["instruction", "model"], "by", container=controls[0])
if by == "instruction":
    models = [model for model in store.models() if model in set(chosen[chosen.instruction != ""].model)]
    model = ui.choice("Model", models or store.models(), "model", container=controls[1])
    chosen = chosen[chosen.model == model]
    chosen = chosen[chosen.instruction != ""] if (chosen.instruction != "").any() else chosen
else:
    ids = known.sort_instructions(set(chosen.instruction) - {""}) or [""]
    instruction = ui.choice("Instruction", ids, "instruction", known.label, container=controls[1])
    chosen = frames.under(chosen, instruction)
poolings = frames.in_order(chosen.pooling, frames.POOLINGS)
pooling = ui.choice("States of", poolings, "pooling", frames.pooling_name, container=controls[2])
chosen = frames.pooled(chosen, pooling)
groups, names, colours = rsa_asked.groups(store, chosen, by)
shown = groups
if view != "pictures":
    label, at_first = "Bars" if view == "bars" else "Lines", rsa_asked.at_first(store, groups, by)
    shown = ui.several(label, groups, f"{by}s", lambda g: g or "no instruction", at_first)
shown_names = {group: names[group] for group in shown}
rows = chosen[chosen[by].isin(shown)]
if view == "bars":
    kinds = known.families(chosen.roi)
    chosen_kinds = ui.several("Regions", kinds, "regions", default=[k for k in kinds if k != "streams"])
    rows = frames.in_families(rows, chosen_kinds, known)
    reference = ui.choice("Mark differences from", ["nothing", *shown], "reference", container=controls[3])
frame = similarity.bar_rows(rows, store.rows("rsa_ceilings"), by)
if frame.value.notna().sum() == 0:
    st.info("No similarity is defined for this choice; choose other bars or regions.")
    st.stop()
{"bars": bars, "pictures": pictures, "depth": depth}[view]()
