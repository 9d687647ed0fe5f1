"""The one home of colours: fixed for each instruction and model, told apart by colour-blind readers.

Instructions of a family have neighbouring hues. The ten of the paper were placed by simulated annealing in CIELCh,
each within its family's hues and all of a lightness that shows on white and on dark grounds, so that the least
difference (CIEDE2000) of any two, to readers with and without colour blindness (Machado et al. 2009), is large: 14.8,
where Petroff's ten have 11.9. Greys and the text's own colour come from the page.
"""

from zlib import crc32

import numpy as np

INSTRUCTIONS = {
    "IC": "#5389ee",
    "VQ1": "#d6d22d",
    "VQ2": "#744e0d",
    "VQ3": "#908f17",
    "VR": "#f49083",
    "CR": "#387d61",
    "IU1": "#a16f90",
    "IU2": "#5c4772",
    "IU3": "#6243db",
    "SR": "#7ccadf",
    "DESC": "#6a5acd",
    "ANA": "#aa4466",
    "ATT": "#999933",
    "REL": "#44aa99",
}
FAMILIES = {  # of models, by how their names begin
    "llava": "#4e7fbf",
    "instructblip": "#1dacff",
    "blip2": "#c19076",
    "minigpt4": "#e78148",
    "mplug-owl": "#9f6f98",
    "idefics": "#e7b3ad",
    "qwen": "#657f79",
    "clip": "#c43e66",
    "bridgetower": "#7ea1c2",
    "lxmert": "#a2928a",
    "visualbert": "#3162ab",
    "vit": "#c5c85a",
    "pixels": "#5c3d27",
} | dict.fromkeys(("text", "vicuna", "llama", "bert"), "#62781e")
CONTROLS = {"random": "#9aa0a6", "image-only": 0.55, "instruction-only": 0.75, "shuffled": -0.45}  # grey, or mixed
ROI_FAMILIES = {
    "early visual": "#6f6f6f",
    "faces": "#cc79a7",
    "bodies": "#d55e00",
    "places": "#009e73",
    "words": "#0072b2",
    "objects": "#e69f00",
    "language and semantics": "#6a5acd",
    "streams": "#56b4e9",
    "whole": "#8a6d3b",
}
OTHERS = ("#228833", "#aa3377", "#ee6677", "#7a6fd0", "#b0713c")
MUTED = "#8a929b"  # marks that carry no category: noise ceilings, axes through zero
COVERED = "#3c9dc7"  # what a store has
SEQUENTIAL = "Cividis"
INTERVAL = "rgba(128,134,142,0.75)"
EDGE = {"color": MUTED, "width": 1}  # of marks whose own colour may fade into a light or a dark page
INK, GROUND = {False: "#1f2933", True: "#e4e8ec"}, {False: "#ffffff", True: "#14181d"}  # in a light page, a dark one
GRID = {False: "#dde3e8", True: "#303943"}
FONT = '"Source Sans", sans-serif'
RING = {"color": "#ffffff", "line": {"color": "#30363d", "width": 1}}
BETTER, WORSE = "#2166ac", "#b2182b"  # differences above and below 0
DIVERGING = [[0.0, "#2166ac"], [0.25, "#92c5de"], [0.5, "#f2f2f2"], [0.75, "#f4a582"], [1.0, "#b2182b"]]


def _lighter(colour, share):
    """A colour mixed with white, share 0 .. 1; with black where the share is negative."""
    parts, ground = [int(colour[i : i + 2], 16) for i in (1, 3, 5)], 255 if share > 0 else 0
    return "#" + "".join(f"{round(part + (ground - part) * abs(share)):02x}" for part in parts)


def instruction_colour(id):
    """The fixed colour of an instruction; grey for one that the table does not list."""
    return INSTRUCTIONS.get(id, MUTED)


def model_colour(name):
    """The fixed colour of a model; one that the table does not list always gets the same of a few others.

    Members of a family have its hue, lighter or darker, and so has a control that of its model; random weights are
    grey.
    """
    for control, tint in CONTROLS.items():
        if name.endswith(f"-{control}"):
            return tint if isinstance(tint, str) else _lighter(model_colour(name.removesuffix(f"-{control}")), tint)
    family = next((family for family in FAMILIES if name.startswith(family)), None)
    if family is None:
        return OTHERS[crc32(name.encode()) % len(OTHERS)]
    if name in (family, f"{family}-demo"):
        return FAMILIES[family]
    return _lighter(FAMILIES[family], (crc32(name.encode()) % 41) / 50 - 0.4)


def roi_colour(name, known):
    """The fixed colour of a region: its family's hue, lighter from member to member; known : a Catalogue."""
    if name not in known.regions:
        return MUTED
    members = [other for other in known.regions if known.family(other) == known.family(name)]
    return _lighter(ROI_FAMILIES.get(known.family(name), MUTED), 0.6 * members.index(name) / max(1, len(members)))


def translucent(colour, alpha):
    """`#rrggbb` with an opacity, as Plotly writes it."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def finish(figure, height, legend_y=1.02, **layout):
    """Margins, legend and hover shared by all figures."""
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 28, "b": 8},
        legend={"orientation": "h", "y": legend_y, "yanchor": "bottom", "x": 0, "title": None},
        hoverlabel={"namelength": -1},
        bargap=0,
        **layout,
    )
    return figure


def of_page(dark):
    """Plotly's template for a chart that stands in a page of the app: its ink, its font and its lines."""
    ink, ground, grid = {"color": INK[dark]}, GROUND[dark], GRID[dark]
    small, title = ink | {"size": 12}, {"font": ink | {"size": 14}}
    axis = {"gridcolor": grid, "zerolinecolor": grid, "tickcolor": grid, "tickfont": small, "automargin": True}
    return {
        "layout": {
            "font": small | {"family": FONT},
            "paper_bgcolor": ground,
            "plot_bgcolor": ground,
            "xaxis": axis | {"title": title | {"standoff": 16}, "showgrid": False, "zeroline": False},
            "yaxis": axis | {"title": title | {"standoff": 24}},
            "margin": {"pad": 8},
            "hoverlabel": {"bgcolor": ground, "bordercolor": grid, "font": small},
        },
        "data": {"heatmap": [{"colorbar": {"outlinewidth": 0, "tickfont": small, "title": title}}]},
    }


def ink_on(colour):
    """Black or white, whichever stands out more from a ground (red, green, blue from 0 to 1): at least 4.5 : 1 by the
    contrast of WCAG 2."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "#000000" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "#ffffff"


def diverging(share):
    """The colour of a signed value as a share of the limit, -1 to 1: (red, green, blue) from 0 to 1."""
    places = [2 * place - 1 for place, _ in DIVERGING]
    shades = [[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for _, colour in DIVERGING]
    return tuple(float(np.interp(share, places, channel)) for channel in zip(*shades))
