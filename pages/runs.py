"""What was computed, with which versions and warnings, and how far a running study is."""

import json

import streamlit as st

from brainalign import ui
from brainalign.store import progress, warned

store = ui.page_store()
ui.header(
    store, "Runs", "Every job behind the results: when it ran, for how long, with which versions, and its warnings."
)
ui.hint(
    "runs",
    "Narrow the list with the boxes above it, and choose a row for that job's inputs and versions.",
)


@st.fragment(run_every=5)
def running():
    """How far a study is that will be published here."""
    now = progress.read(store.path.parent)
    if now and not now["finished"]:
        share = min(1.0, now["done"] / max(1, now["total"]))
        st.progress(share, f"A study is running: {now['done']:.0f} of {now['total']} jobs, {now['text']}")
        if now["stale"]:
            ui.sentence(
                f"Nothing new since {now['updated']} (UTC): it may have been stopped; running it again goes on."
            )


running()
runs = store.runs()
if runs.empty:
    ui.empty("The store tells of no runs.", "brainalign run STUDY.toml\nbrainalign publish STUDY.toml")
info = store.info()
facts = st.columns(4)
facts[0].metric("Jobs", len(runs))
facts[1].metric("Computing time", f"{runs.seconds.sum() / 60:.0f} min")
facts[2].metric("Jobs with warnings", int((runs.warnings != "").sum()))
facts[3].metric("Published", info.get("created", "–")[:10])

common = warned.merged(runs)
if len(common):
    st.header("Warnings", anchor=False)
    st.table(common, border="horizontal", hide_index=True, alt="Warnings, each once: how many jobs, kinds, subjects")

st.header("Jobs", anchor=False)
controls = st.columns([1, 1, 1, 1.4], vertical_alignment="bottom")
filters = []
for column, name in zip(controls, ("kind", "subject", "model")):
    options = ["all", *sorted(set(runs[name]) - {""})]
    filters.append(ui.choice(name.capitalize(), options, name, container=column))
    runs = runs if filters[-1] == "all" else runs[runs[name] == filters[-1]]
if ui.switch("Only jobs with warnings", "warned", container=controls[3]):
    runs, filters = runs[runs.warnings != ""], [*filters, "warned"]
if runs.empty:
    st.info("No job of this kind.")
    st.stop()


def table(runs, chosen):
    """The jobs, one of which can be chosen; chosen : id of the one that is, or ""."""
    jobs = runs.job.tolist()
    serial, last = st.session_state.get("runs table", (0, chosen))
    if chosen != last:  # by the link: a table that stands keeps its own choice
        serial += 1
    st.session_state["runs table"] = serial, chosen
    key = f"runs {serial} {' '.join(filters)}"

    def choose():
        rows = st.session_state[key].selection.rows
        job = jobs[rows[0]] if rows else ""
        st.session_state["runs table"] = serial, job
        ui.hold("job", job)

    shown = runs[["kind", "subject", "model", "instruction", "created", "seconds", "warnings", "job"]]
    shown = shown.assign(
        created=shown.created.str[:16].str.replace("T", " "),
        warnings=["; ".join(map(str, warned.of_job(row))) for row in runs.itertuples()],
    )
    st.dataframe(
        shown, hide_index=True, key=key, on_select=choose, selection_mode="single-row",
        selection_default={"selection": {"rows": [jobs.index(chosen)] if chosen in jobs else []}},
        column_config={
            "seconds": st.column_config.NumberColumn(format="%.1f"),
            "warnings": st.column_config.Column(width="large"),
        },
        alt="Jobs; choose a row for one's inputs",
    )  # fmt: skip


known = set(runs.job)
job = ui.held("job", "", lambda text: text if not text or text in known else None)
table(runs, job)
ui.sentence("Choose a row for its inputs, versions and warnings; the link then leads to it.")
for row in runs[runs.job == job].itertuples():
    st.header(" ".join(filter(None, (row.kind, row.subject, row.model, row.instruction))), anchor=False)
    for text in warned.of_job(row):
        st.text(f"⚠ {text}")
    st.json(json.loads(row.versions))
st.header("The study", anchor=False)
st.code(info.get("study_toml", ""), language="toml")
