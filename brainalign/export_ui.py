"""The export control of a page: what is on the screen as a figure for a paper, as data, or both in a bundle."""

from urllib.parse import urlsplit

import streamlit as st

from brainalign import unmet
from brainalign.paper import filename, render
from brainalign.paper.fonts import SHIPPED, USUAL, chain

FORMATS = {"pdf": "PDF", "svg": "SVG", "png": "PNG", "csv": "CSV", "parquet": "Parquet", "zip": "Bundle"}
BRAINS = {"func.gii": "GIFTI", "hdf": "pycortex"}
SAYS = {
    "pdf": "Text stays text; outlines, bars and colour key are vectors, maps pixels at full resolution.",
    "svg": "As the PDF, to edit; opens in Inkscape, Illustrator and browsers.",
    "png": "Pixels alone, at the resolution chosen.",
    "csv": "Exactly the values that are drawn.",
    "parquet": "Exactly the values that are drawn, with their types.",
    "zip": "The figure in three formats, its data, the query, the link, versions, and a draft of the caption.",
    "func.gii": "The map on fsaverage5, a .func.gii for each hemisphere; of classes a .label.gii with their names and "
    "colours.",
    "hdf": "The map on fsaverage5 as a Vertex view that `cortex.load` reads; of classes in their colours and "
    "as numbers with their names.",
}
MAPS = ("flatmap", "predicted")
WIDTHS, DPIS = [85, 180], [300, 600]
NAMES = {  # what the button exports, so that each on a page is told from the others without seeing where it stands
    "flatmap": "the map",
    "predicted": "the maps",
    "rois": "the bars",
    "layers": "the lines",
    "chosen": "the chosen layers",
    "shares": "the shares",
    "variance": "circles and bars",
    "matrix": "the matrix",
    "pairs": "every two",
    "unique": "the unique parts",
    "triple": "the seven parts",
    "compare": "the differences",
    "specialisation": "the matrix",
    "coverage": "the overview",
    "rsa": "the bars",
    "rdms": "the matrices",
    "rsa-layers": "the lines",
}


def export(plot, store, key):
    """A button that opens the choice of a format and downloads what the page shows.

    plot : called when the reader downloads, with the choices in the page's link; returns the paper.Plot of what is
        on the screen
    key : of the widgets, one a figure of the page
    """
    what = NAMES.get(key, key)
    with st.popover(f"Export {what}", icon=":material/download:"):
        formats = FORMATS | (BRAINS if key in MAPS else {})
        format = st.segmented_control(
            "Format", list(formats), format_func=formats.get, default="pdf", required=True, key=f"export format {key}"
        )
        width, dpi, font = 180, 300, ""
        if format in ("pdf", "svg", "png", "zip"):
            columns = st.columns(2)
            width = columns[0].selectbox("Width, mm", WIDTHS, index=1, key=f"export width {key}")
            dpi = columns[1].selectbox("Dots per inch", DPIS, key=f"export dpi {key}")
            font = chosen_font(key)
        st.caption(SAYS[format])
        made, address = st.query_params.to_dict(), _address()
        st.download_button(
            f"Download {what}",
            data=lambda: render(plot(made), store, format, float(width), dpi, address, font=font),
            file_name=filename(key, made, format),
            icon=":material/download:",
            type="primary",
            on_click="ignore",
            key=f"export {key}",
        )


def chosen_font(key):
    """The font that the reader types, "" for the usual one; of one that is not installed it says so."""
    font = st.text_input("Font", key=f"export font {key}", placeholder=f"{' or '.join(USUAL)}, else {SHIPPED}").strip()
    try:
        return font and chain(font)[0]
    except ValueError as problem:
        st.error(unmet.literal(str(problem)))
        return ""


def _address():
    """Where this app is, as the reader's browser sees it."""
    parts = urlsplit(st.context.url or "")
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else "http://127.0.0.1:8501"
