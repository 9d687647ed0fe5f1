"""Models against their controls and matched twins, and which instruction suits which region."""

import pandas as pd
import streamlit as st

from brainalign import export_ui, figures, paper, tables, ui
from brainalign.figures import frames, leads
from brainalign.figures.numerals import said

store = ui.page_store()
ui.header(
    store,
    "Compare",
    "A model beside its controls and matched twins: where it predicts better, by how much, and how sure that is. "
    "Every model at the layers that left-out training images choose.",
)
ui.hint(
    "compare",
    "Choose a model and a region: right of zero it predicts better than the model named at the left. A click on "
    "a column's name sorts the table.",
)
nested = store.rows("roi_nested")
if nested.empty:
    lacking = "The store has no scores at the layers that training images choose, where models are compared."
    ui.empty(lacking, "brainalign run STUDY.toml\nbrainalign publish STUDY.toml")
about = store.rows("models").set_index("model")


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


# one model against the others
controls = st.columns([1.4, 2.2, 1.6])
ids = [id for id in ui.in_order(set(nested.instruction)) if id]
instruction = ui.choice("Instruction", ids or [""], "instruction", ui.instruction_label, container=controls[1])
maps = frames.pooled(frames.under(nested, instruction), frames.FIRST_POOLING)
models = [name for name in store.models() if name in set(maps.model)]
focus = ui.choice("Model", models, "model", container=controls[0])
roi = ui.choice("Region", frames.places(maps), "roi", lambda r: frames.GROUPS.get(r, r), "high", container=controls[2])
place = frames.GROUPS.get(roi, roi)

upper = st.container()  # filled last: the browser's code for tables would delay the charts
rows = []
for name in models:
    own = maps[maps.model == name]
    here = own[own.roi == roi]
    row = {"model": name, "is": role(name), "states": frames.pooling_name(own.pooling.iloc[0])}
    row |= {"r": here.r.mean(), "lowest": here.r.min(), "highest": here.r.max(), "r / ceiling": here.r_norm.mean()}
    row |= {"R²": here.r2.mean(), "units q < 0.05": 100 * here.significant.mean(), "layer": here.layer.mean()}
    rows.append(row)
table = pd.DataFrame(rows).sort_values("r", ascending=False)
decimals = {name: st.column_config.NumberColumn(format="%.3f") for name in ("r", "r / ceiling", "R²")}
decimals |= {name: st.column_config.NumberColumn(f"{name} subject", format="%.3f") for name in ("lowest", "highest")}
decimals |= {"units q < 0.05": st.column_config.NumberColumn(format="%.0f %%")}
decimals |= {"layer": st.column_config.NumberColumn(format="%.1f")}
n = maps[(maps.roi == roi)].groupby("subject").n.max()
units = f"{n.min()}–{n.max()}" if n.min() < n.max() else n.max()
said_of_all = (
    f"Means over {paper.words.people(maps)} in the {place}"
    + (f" under {instruction} (“{tables.instructions()[instruction].text}”)" if instruction in ids else "")
    + f"; {units} reliable units a subject ({paper.method.reliable(store)}). Units q < 0.05: share of units whose r "
    "beats permuted test images, Benjamini–Hochberg over the map; not corrected over models and subjects."
)

contrasts = store.rows("roi_contrasts")
corrected = paper.method.corrected(contrasts)
differences = frames.differences(contrasts, maps, focus, roi)
if differences.empty and len(models) > 1:
    ui.sentence(f"The store tests no difference of {focus} and another model in the {place} for this instruction.")
if not differences.empty:
    st.header(f"{focus} minus each other model", anchor=False)
    axis = f"difference in r, {place}"
    told = (
        f"{name}: {said(value)}" for name, value in differences.groupby("name", sort=False).difference.mean().items()
    )
    ui.plot(figures.forest(differences, axis), "forest", f"{focus}, {axis}, mean over subjects: {'; '.join(told)}")
    ui.sentence(
        "Each point is a subject with the 95 % interval of a paired bootstrap over test images; filled where q < 0.05 "
        f"(two-sided, {corrected}). Right of 0: {focus} predicts better."
    )
    export_ui.export(
        lambda made: paper.compare(
            differences, axis, paper.words.of_differences(store, differences, made), made,
            paper.queries.contrasts(differences),
        ),
        store, "compare",
    )  # fmt: skip

# which instruction suits which region
asked = nested[(nested.model == focus) & (nested.instruction != "")]
special = frames.specialisation(nested, focus) if asked.instruction.nunique() > 1 else asked.iloc[:0]
if special.size:
    st.header(f"Which instruction suits which region, {focus}", anchor=False)
    ui.plot(
        figures.matrix(special, "r minus the mean", ui.instruction_label), "specialisation",
        f"{focus}: r with each instruction less the mean of all instructions, by region; {frames.ends(special)}",
    )  # fmt: skip
    ui.sentence(
        "Specialisation: an instruction's r less the mean of all instructions in that region, means over subjects. "
        "Columns add up to 0; a column of small numbers says that the region does not care which instruction is given."
    )
    own = frames.pooled(asked[asked.roi.isin(special.columns)], frames.FIRST_POOLING)
    within = contrasts[(contrasts.model_a == focus) & (contrasts.model_b == focus)]
    ui.sentence(leads.sentence(leads.leads(own, within), asked.instruction.nunique(), corrected))
    export_ui.export(
        lambda made: paper.matrix(
            special, "r minus the mean", paper.words.of_specialisation(store, special, focus), "specialisation", made,
            paper.queries.specialisation(nested, focus),
        ),
        store, "specialisation",
    )  # fmt: skip

# beside the literature
st.header("Beside earlier work", anchor=False)
r = maps[maps.roi == frames.WHOLE].groupby("model")[["r", "r_norm"]].mean().dropna()
clip = next((name for name in r.index if name.startswith("clip")), focus)
own = {
    "study": f"This store: {store.info().get('study_name', '')}" + (" (simulated)" if store.simulated else ""),
    "models": ", ".join(store.models()),
    "brain data": f"{nested.subject.nunique()} subjects" + (", simulated" if store.simulated else " of NSD"),
    "regions": frames.WHOLE,
    "instruction-tuned": f"{focus}: {'yes' if tuned(focus) else 'no'}; {len(ids)} instructions",
    "variance partition": "pairs, triples and each against the rest" if len(store.pairs()) else "none",
    "reported": f"{focus}: r = {r.r[focus]:.3f}, {r.r_norm[focus]:.2f} of the ceiling" if focus in r.index else "",
    "gain on the project page": f"{100 * (r.r[focus] / r.r[clip] - 1):+.0f} % of r over {clip}"
    if focus != clip and focus in r.index
    else "",
    "source": "this page",
}
alt = "This store beside earlier studies: models, brain data, regions, instructions, partition, numbers, sources"
st.table([own, *tables.related_work()], border="horizontal", hide_index=True, alt=alt)
ui.sentence(
    "Gains as the data of the authors' project page give them (github.com/subbareddy248/subbareddy248.github.io, "
    "_data/vlm_comparison_rows.yml and research_table_rows.yml at 7e40afa), with CLIP as the baseline; it does not "
    "say of which score they are, and the paper itself calls its models comparable to CLIP. The other numbers are "
    "those of the abstracts named. Studies differ in data, regions and scores: read along the rows."
)
ui.data(maps, "maps")

with upper:
    st.header("Every model", anchor=False)
    alt = f"Every model in the {place}: r, its range over subjects, share of the ceiling, R², significant units, layer"
    st.dataframe(table, hide_index=True, column_config=decimals, key="every model", alt=alt, placeholder="–")
    ui.sentence(said_of_all)
