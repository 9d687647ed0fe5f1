"""BrainAlign in the browser: `python -m streamlit run app.py`."""

import streamlit as st

from brainalign import serving, ui

VIEWS = {
    "overview": ("Overview", ":material/dashboard:"),
    "live": ("Live", ":material/chat:"),
    "flatmaps": ("Flatmaps", ":material/map:"),
    "rois": ("ROIs", ":material/bar_chart:"),
    "layers": ("Layers", ":material/layers:"),
    "variance": ("Variance", ":material/join:"),
    "rsa": ("RSA", ":material/scatter_plot:"),
    "compare": ("Compare", ":material/balance:"),
    "runs": ("Runs", ":material/history:"),
}
OPTIONAL = {"rsa": "rsa_ceilings"}  # views that are offered where the store has this table
ROOT = {"overview": "start"}  # the view at the root, and the name that Streamlit wants all the same

st.set_page_config(page_icon="data/icon.svg", layout="wide")
pages = [
    st.Page(
        f"pages/{name}.py",
        title=title,
        icon=icon,
        url_path=ROOT.get(name, name),
        default=name in ROOT,
        visibility="visible" if OPTIONAL.get(name) is None or ui.has(OPTIONAL[name]) else "hidden",
    )
    for name, (title, icon) in VIEWS.items()
]


def named():
    """The overview lives at the root; a link to it by its name leads there."""
    st.switch_page(pages[0], query_params=st.query_params.to_dict())


pages.append(st.Page(named, title="Overview", url_path="overview", visibility="hidden"))
serving.spare_the_collector()
serving.send_at_once()
page = st.navigation(pages, position="top")
st.set_page_config(page_title=f"{page.title} · BrainAlign")
ui.run(page)
