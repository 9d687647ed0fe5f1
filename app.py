"""BrainAlign in the browser: `python -m streamlit run app.py`."""

import streamlit as st

from brainalign import ui

VIEWS = {
    "overview": ("Overview", ":material/dashboard:"),
    "live": ("Live", ":material/chat:"),
    "flatmaps": ("Flatmaps", ":material/map:"),
    "rois": ("ROIs", ":material/bar_chart:"),
    "layers": ("Layers", ":material/layers:"),
    "variance": ("Variance", ":material/join:"),
    "compare": ("Compare", ":material/balance:"),
    "runs": ("Runs", ":material/history:"),
}

st.set_page_config(page_title="BrainAlign", page_icon="data/icon.svg", layout="wide")
pages = [
    st.Page(f"pages/{name}.py", title=title, icon=icon, url_path=name, default=name == "overview")
    for name, (title, icon) in VIEWS.items()
]
ui.spare_the_collector()
st.navigation(pages, position="top").run()
