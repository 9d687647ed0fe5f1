"""What is in the store, and what can be seen of it."""

import streamlit as st

from brainalign import export_ui, figures, paper, ui
from brainalign.figures import frames

LINKS = {
    "live": "Ask a model about a picture and watch it answer",
    "flatmaps": "Where in cortex a model's representation predicts the response",
    "rois": "How well, region by region, for each instruction",
    "layers": "Through which layers, and how much the instruction changes them",
    "variance": "What instructions explain together and apart",
    "rsa": "Which pictures a region tells apart, and whether a model does",
    "compare": "A model beside its controls and matched twins",
    "runs": "Every job with its versions and warnings",
}
ACROSS = 4

store = ui.page_store()
info = store.info()
ui.header(
    store,
    "BrainAlign",
    "Which instructions make a multimodal language model represent a picture as the brain does? "
    "Each model saw the pictures that people saw in the scanner; ridge regression on its hidden states then "
    "predicted the people's responses to pictures that neither had been fitted on.",
)
ui.hint(
    "overview",
    "Every view keeps its choices in its address: copy the link and it opens the same view again, here or "
    "elsewhere. What is drawn can be exported for a paper.",
)
if store.simulated:
    st.info(
        "This store is a simulation. The pictures are drawn scenes and the responses follow from their contents "
        "by known rules plus noise, so nothing here says anything about real brains.",
        icon=":material/science:",
    )

names = [name for name in LINKS if name != "rsa" or ui.has("rsa_ceilings")]
for row in range(0, len(names), ACROSS):
    for column, name in zip(st.columns(ACROSS), names[row : row + ACROSS]):
        with column.container(border=True, height="stretch"):
            st.page_link(f"pages/{name}.py", icon=":material/arrow_forward:")
            st.caption(LINKS[name])

subjects, coverage, models, known = store.subjects(), store.coverage(), store.models(), store.catalogue
if coverage.empty:
    ui.empty("The store has no scores yet.", "brainalign run STUDY.toml\nbrainalign publish STUDY.toml")

st.header("What was computed", anchor=False)
ui.sentence(
    "Maps of each subject by model and instruction: one for each layer and way of pooling the hidden states; – is for "
    "states that no instruction can change."
)
cells, asked = frames.covered(coverage, known, models), known.sort_instructions(coverage.instruction)
most = cells.groupby("model", sort=False).maps.max()
told = ", ".join(
    f"{name} {n} with {k}" for (name, n), k in zip(most.items(), cells.groupby("model", sort=False).size())
)
ui.plot(figures.coverage(cells, asked), "coverage", f"Maps of a subject by model and instruction: {told}")
export_ui.export(
    lambda made: paper.coverage(cells, asked, paper.words.of_coverage(store, cells), {}, paper.queries.coverage()),
    store, "coverage",
)  # fmt: skip

left, right = st.columns([1, 1.3], gap="large")
with left:
    st.header("Subjects", anchor=False)
    ui.sentence("Test images are the shared ones, as far as each subject saw them; scores come from them alone.")
    st.table(
        subjects.assign(repeats_mean=subjects.repeats_mean.map("{:.2f}".format)).rename(
            columns={"test_images": "test images", "repeats_mean": "repeats (mean)"}
        ),
        border="horizontal",
        hide_index=True,
        alt="Subjects: sessions, images, test images, units (voxels or vertices in the masks) and mean repeats",
    )
with right:
    st.header("Instructions", anchor=False)
    ui.sentence("In the fixed order of the paper; levels go from perception (0) to reasoning (3).")
    rows = [known.instructions[id] for id in asked if id in known.instructions]
    st.table(
        [{"id": one.id, "text": one.text, "family": one.family, "level": one.level} for one in rows],
        border="horizontal",
        hide_index=True,
        alt="Instructions with their text, family and level",
    )

st.header("Models", anchor=False)
notes = store.rows("models").set_index("model").note.to_dict()
st.table(
    [
        {
            "model": name,
            "what it is": notes.get(name, ""),
            "layers": len(store.layers(name)),
            "states": ", ".join(map(frames.pooling_name, store.poolings(name))),
        }
        for name in models
    ],
    border="horizontal",
    hide_index=True,
    alt="Models: what each is, its number of layers and its kinds of states",
)

prompts = store.rows("prompts")
if len(prompts):
    sent = prompts.sent.replace("", "each picture's own text, such as another model's answer to it")
    shown = prompts.assign(sent=sent).rename(columns={"prompt": "instruction's text", "sent": "as sent"})
    ui.data(shown, "prompts", "Prompts")
with st.expander("Version and provenance"):
    named = {"version": info.get("version"), "created": info.get("created"), "file": store.path.name}
    named |= {key: info.get(key) for key in ("study_name", "space", "solver", "stimuli")}
    st.table({key: value or "–" for key, value in named.items()}, border="horizontal")
    st.code(info.get("study_toml", ""), language="toml")
    st.page_link("pages/runs.py", label="Every job that filled the store", icon=":material/history:")
