"""Models against their controls and matched twins, and which instruction suits which region."""

import pandas as pd
import streamlit as st

from brainalign import export_ui, figures, paper, tables, ui
from brainalign.figures import frames, leads
from brainalign.figures.numerals import said

VIEWS = {"models": "Models", "instructions": "Which instruction suits which region", "studies": "Beside earlier work"}


def tuned(name):
    """Whether a model was trained on instructions."""
    return name in about.index and bool(about.loc[name].tuned)


def role(name):
    """What a model is in the comparison."""
    if name not in about.index:
        return "model"
    row = about.loc[name]
    if row.control:
        return f"control of {row.of}"
    return {"vision": "vision only", "language": "text only"}.get(row.kind) or (
        "instruction-tuned" if tuned(name) else "not instruction-tuned"
    )


def model_of(known, container):
    return ui.choice("Model", [name for name in store.models() if name in set(known)], "model", container=container)


def instruction_of(container):
    """The instruction under which models are compared, as the reader chooses."""
    return ui.choice("Instruction", ids or [""], "instruction", known.label, container=container)


def under(instruction):
    """Rows of `roi_nested` of every model under one instruction, of its first pooling."""
    return frames.pooled(frames.under(nested, instruction), frames.FIRST_POOLING)


def corrected(differences):
    """How the tests of some differences are corrected, in words."""
    return paper.method.corrected(store, "roi_contrasts", differences)


def one_against_the_others():
    """One model minus each other in a region, and all of them in numbers."""
    controls = st.columns([1.4, 2.2, 1.6])
    instruction = instruction_of(controls[1])
    maps = under(instruction)
    focus = model_of(maps.model, controls[0])
    roi = ui.choice(
        "Region", frames.places(maps, known), "roi", lambda r: frames.GROUPS.get(r, r), "high", controls[2]
    )
    place = frames.GROUPS.get(roi, roi)
    differences = frames.differences(contrasts, maps, focus, roi)
    if not differences.empty:
        st.header(f"{focus} minus each other model", anchor=False)
        axis = f"difference in r, {place}"
        means = differences.groupby("name", sort=False).difference.mean()
        told = "; ".join(f"{name}: {said(value)}" for name, value in means.items())
        ui.plot(figures.forest(differences, axis), "forest", f"{focus}, {axis}, mean over subjects: {told}")
        ui.sentence(
            "Each point is a subject with the 95 % interval of a paired bootstrap over test images; filled where "
            f"q < 0.05 (two-sided, {corrected(differences)}). Right of 0: {focus} predicts better."
        )
        export_ui.export(
            lambda made: paper.compare(
                differences, axis, paper.words.of_differences(store, differences, made), made,
                paper.queries.contrasts(differences), paper.method.short_family(store, "roi_contrasts", differences),
            ),
            store, "compare",
        )  # fmt: skip
    elif maps.model.nunique() > 1:
        ui.sentence(f"The store tests no difference of {focus} and another model in the {place} for this instruction.")
    every_model(maps, roi, place, instruction)
    ui.data(maps, "maps")


def every_model(maps, roi, place, instruction):
    """A table of all models in one region, the best first."""
    here = maps[maps.roi == roi]
    rows = here.groupby("model").agg(
        r=("r", "mean"), lowest=("r", "min"), highest=("r", "max"), share=("r_norm", "mean"), r2=("r2", "mean"),
        sure=("significant", "mean"), layer=("layer", "mean"), states=("pooling", "first"),
    ).sort_values("r", ascending=False)  # fmt: skip
    table = [
        {
            "model": name,
            "is": role(name),
            "r": _said(row.r),
            "lowest to highest subject": f"{_said(row.lowest)} to {_said(row.highest)}",
            "r / ceiling": _said(row.share),
            "R²": _said(row.r2),
            "units q < 0.05": f"{100 * row.sure:.0f} %" if pd.notna(row.sure) else "–",
            "layer": f"{row.layer:.1f}" if pd.notna(row.layer) else "–",
            "states of": frames.pooling_name(row.states),
        }
        for name, row in rows.iterrows()
    ]
    st.header(f"Every model in {place}", anchor=False)
    alt = f"Every model in {place}: r, its range over subjects, share of the ceiling, R², significant units, layer"
    st.table(table, border="horizontal", hide_index=True, alt=alt)
    n = here.groupby("subject").n.max()
    units = f"{n.min()}–{n.max()}" if n.min() < n.max() else n.max()
    asked = (
        f" under {instruction} (“{known.instructions[instruction].text}”)" if instruction in known.instructions else ""
    )
    ui.sentence(
        f"Means over {paper.words.people(maps)} in {place}{asked}; {units} reliable units a subject "
        f"({paper.method.reliable(store)}). Units q < 0.05: share of units whose r beats permuted test images, "
        f"{paper.method.corrected(store, 'nested', maps)}."
    )


def _said(value):
    return "–" if pd.isna(value) else said(value)


def suits():
    """r with each instruction less the mean of all of them, by region."""
    models = nested[nested.instruction != ""].groupby("model").instruction.nunique()
    focus = model_of(models[models > 1].index, st.columns([1.4, 3.8])[0])
    asked = nested[(nested.model == focus) & (nested.instruction != "")]
    special = frames.specialisation(nested, focus, known)
    st.header(f"Which instruction suits which region, {focus}", anchor=False)
    if not special.size:
        st.info(f"No region has a score of {focus} with every instruction.")
        return
    ui.plot(
        figures.matrix(special, "r minus the mean", known.label), "specialisation",
        f"{focus}: r with each instruction less the mean of all instructions, by region; {frames.ends(special)}",
    )  # fmt: skip
    ui.sentence(
        "Specialisation: an instruction's r less the mean of all instructions in that region, means over subjects. "
        "Columns add up to 0; a column of small numbers says that the region does not care which instruction is given."
    )
    own = frames.pooled(asked[asked.roi.isin(special.columns)], frames.FIRST_POOLING)
    within = contrasts[(contrasts.model_a == focus) & (contrasts.model_b == focus)]
    ui.sentence(leads.sentence(leads.leads(own, within, known), asked.instruction.nunique(), corrected(within)))
    export_ui.export(
        lambda made: paper.matrix(
            special, "r minus the mean", paper.words.of_specialisation(store, special, focus), "specialisation", made,
            paper.queries.specialisation(nested, focus, known),
        ),
        store, "specialisation",
    )  # fmt: skip
    ui.data(own, "maps")


def beside_earlier_work():
    """This store's own numbers above those of the literature."""
    controls = st.columns([1.4, 2.2, 1.6])
    instruction = instruction_of(controls[1])
    maps = under(instruction)
    focus = model_of(maps.model, controls[0])
    r = maps[maps.roi == frames.WHOLE].groupby("model")[["r", "r_norm"]].mean().dropna()
    clip = next((name for name in r.index if name.startswith("clip")), focus)
    known = focus in r.index
    own = {
        "study": f"This store: {store.info().get('study_name', '')}" + (" (simulated)" if store.simulated else ""),
        "models": ", ".join(store.models()),
        "brain data": f"{nested.subject.nunique()} subjects" + (", simulated" if store.simulated else " of NSD"),
        "regions": frames.WHOLE,
        "instruction-tuned": f"{focus}: {'yes' if tuned(focus) else 'no'}; {len(ids)} instructions",
        "variance partition": "pairs, triples and each against the rest" if len(store.pairs()) else "none",
        "reported": f"{focus}: r = {r.r[focus]:.3f}, {r.r_norm[focus]:.2f} of the ceiling" if known else "",
        "gain on the project page": f"{100 * (r.r[focus] / r.r[clip] - 1):+.0f} % of r over {clip}"
        if known and focus != clip
        else "",
        "source": "this page",
    }
    alt = "This store beside earlier studies: models, brain data, regions, instructions, partition, numbers, sources"
    st.table([own, *tables.related_work()], border="horizontal", hide_index=True, alt=alt)
    ui.sentence(
        "Gains as the data of the authors' project page give them (github.com/subbareddy248/subbareddy248.github.io, "
        "_data/vlm_comparison_rows.yml and research_table_rows.yml at 7e40afa), with CLIP as the baseline; it does "
        "not say of which score they are, and the paper itself calls its models comparable to CLIP. The other numbers "
        "are those of the abstracts named. Studies differ in data, regions and scores: read along the rows."
    )


store = ui.page_store()
known = store.catalogue
ui.header(
    store,
    "Compare",
    "A model beside its controls and matched twins: where it predicts better, by how much, and how sure that is. "
    "Every model at the layers that left-out training images choose.",
)
ui.hint(
    "compare",
    "Choose a model and a region: right of zero it predicts better than the model named at the left. The other views "
    "show which instruction suits which region, and what others found.",
)
nested, contrasts = store.rows("roi_nested"), store.rows("roi_contrasts")
if nested.empty:
    lacking = "The store has no scores at the layers that training images choose, where models are compared."
    ui.empty(lacking, "brainalign run STUDY.toml\nbrainalign publish STUDY.toml")
about = store.rows("models").set_index("model")
ids = [id for id in known.sort_instructions(nested.instruction) if id]
several = (nested[nested.instruction != ""].groupby("model").instruction.nunique() > 1).any()
view = ui.segments("Show", [name for name in VIEWS if several or name != "instructions"], "view", VIEWS.get)
{"models": one_against_the_others, "instructions": suits, "studies": beside_earlier_work}[view]()
