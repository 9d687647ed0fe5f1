"""What is said of a region of the map, drawn or known, and its label to take away."""

import io
import zipfile

import numpy as np
import pandas as pd
import streamlit as st

from brainalign import ui
from brainalign.figures.flatmap import CHOSEN, regions

POWERS = {"r": 0.5, "r2": 1.0, "across": 0.5}  # of the share of variance that can be explained
SCORES = ("r", "r_norm", "r2")
FORMATS = {"label": "FreeSurfer .label", "gii": "GIFTI .label.gii"}


def choose(rois, view, place):
    """The region that is asked for: a name, "drawn" or "none"."""
    names = {"none": "None"} | ({"drawn": "The one drawn"} if "lasso" in view else {}) | {name: name for name in rois}
    return ui.choice("Statistics of a region", names, "region", names.get, container=place)


def vertices(name, geometry, rois, flat_units, view, n_units):
    """(n_vertices,) True inside the region."""
    if name == "drawn":
        return regions.enclosed(geometry.xy, np.reshape(view["lasso"], (-1, 2)))
    inside = np.zeros(n_units, bool)
    inside[rois.get(name, [])] = True
    return regions.vertices_of(inside, flat_units)


def row(name, quantity, values, shown, nc, rois, inside, least):
    """Statistics of a region in one map, named for reading."""
    if name != "drawn":
        inside = np.isin(np.arange(len(nc)), rois.get(name, []))
    found = regions.summary(values, nc, inside, shown, least, POWERS.get(quantity))
    said = {"units shown": found["n"], "units in the region": found["n_all"], "median": found["median"]}
    said |= {"middle half from": found["low"], "to": found["high"]}
    return said | ({"median share of the ceiling": found["ceiling"]} if quantity in POWERS else {})


def shares(name, picture, values, shown, rois, inside):
    """The share of a region's shown units that each class has, in percent."""
    if name != "drawn":
        inside = np.isin(np.arange(len(values)), rois.get(name, []))
    own = values[inside & shown]
    counts = np.bincount(own.astype(int), minlength=len(picture.classes)) / max(len(own), 1)
    classes = {f"{one} %": 100 * share for (one, _), share in zip(picture.classes, counts)}
    return {"units shown": len(own), "units in the region": int(inside.sum())} | classes


def with_interval(store, name, subject, asked, layer):
    """Number of the region's reliable units, their mean and its 95 % interval, where the store has them."""
    if name == "drawn" or asked.quantity not in SCORES or asked.minus or layer != CHOSEN:
        return {}
    key = dict(zip(("model", "instruction", "pooling"), asked.chosen))
    found = store.rows("roi_nested", subject=subject, roi=name, **key)
    q = asked.quantity
    if found.empty:
        return {}
    about = {"reliable units": found.n[0], "mean": found[q][0]}
    return about | {"95 % interval from": found[f"{q}_low"][0], "to ": found[f"{q}_high"][0]}


def explained(name, asked, layer, rows):
    """What the columns of statistics are taken over, and why there is no interval where there is none."""
    share = "median share of the ceiling" in rows[0]
    said = [
        f"Median{',' if share else ' and'} middle half{' and share of the ceiling' * share}: over the units shown."
    ]
    if share:
        said.append(
            "Shares are of units that the same NC chose, and too small where few sessions leave it noisy; r / ceiling "
            "of a whole region is free of that."
        )
    if "mean" in rows[0]:
        said.append(
            "Mean and 95 % interval: over the region's reliable units, shown or not, by drawing the test images with "
            "replacement."
        )
    elif name == "drawn":
        said.append(
            "A region drawn by hand has no 95 % interval: that takes its mean in each draw of test images, and the "
            "store keeps these means for the regions with a name, not for each unit."
        )
    elif asked.quantity in SCORES and not asked.minus and layer != CHOSEN:
        said.append("The mean and its 95 % interval are known at the layer that training images choose.")
    return " ".join(said)


def table(rows):
    """Statistics by subject."""
    frame = pd.DataFrame(rows)
    whole = ("subject", "units shown", "units in the region", "reliable units")
    columns = {
        name: st.column_config.NumberColumn(format="%.0f" if name.endswith(" %") else "%.3f")
        for name in frame
        if name not in whole
    }
    st.dataframe(
        frame, hide_index=True, column_config=columns, width="content", key="region statistics", placeholder="–",
        alt="Statistics of the region by subject",
    )  # fmt: skip


def download(name, inside):
    """The region's label, a file for a hemisphere, both as a zip."""
    if not inside.any():
        st.caption("No vertex lies in this region.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        format = st.segmented_control(
            "Label", FORMATS, format_func=FORMATS.get, default="label", required=True, key="label format"
        )
        title = "drawn region" if name == "drawn" else name
        single = [side for side, half in zip(("lh", "rh"), np.split(inside, 2)) if half.any()]
        ending = {"label": "label", "gii": "label.gii"}[format] if len(single) == 1 else "zip"
        stem = "".join(c if c.isalnum() else "_" for c in title).strip("_")
        st.download_button(
            "Save the label",
            data=lambda: packed(regions.labels(title, inside, format)),
            file_name=f"{single[0]}.{stem}.{ending}" if len(single) == 1 else f"{stem}.zip",
            icon=":material/download:",
            on_click="ignore",
            key="save label",
        )


def packed(files):
    """One file as it is, several as a zip."""
    if len(files) == 1:
        return next(iter(files.values()))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()
