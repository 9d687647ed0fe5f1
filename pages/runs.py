"""What was computed, with which versions and warnings, and how far a running study is."""

import json

import streamlit as st

from brainalign import ui
from brainalign.store import progress

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

controls = st.columns([1, 1, 1, 1.4], vertical_alignment="bottom")
for column, name in zip(controls, ("kind", "subject", "model")):
    options = ["all", *sorted(set(runs[name]) - {""})]
    wanted = ui.choice(name.capitalize(), options, name, container=column)
    runs = runs if wanted == "all" else runs[runs[name] == wanted]
if ui.switch("Only jobs with warnings", "warned", container=controls[3]):
    runs = runs[runs.warnings != ""]
if runs.empty:
    st.info("No job of this kind.")
    st.stop()
shown = runs[["kind", "subject", "model", "instruction", "created", "seconds", "warnings", "job"]]
picked = st.dataframe(
    shown, hide_index=True, key="runs", on_select="rerun", selection_mode="single-row",
    column_config={"seconds": st.column_config.NumberColumn(format="%.1f")}, alt="Jobs; choose a row for one's inputs",
)  # fmt: skip
ui.sentence("Choose a row for its inputs and versions.")
rows = picked.selection.rows
if rows and rows[0] < len(runs):
    row = runs.iloc[rows[0]]
    st.subheader(f"{row.kind} {row.subject} {row.model} {row.instruction}", anchor=False)
    for line in filter(None, row.warnings.split("\n")):
        st.text(f"⚠ {line}")
    st.json(json.loads(row.versions))
st.subheader("The study", anchor=False)
st.code(info.get("study_toml", ""), language="toml")
