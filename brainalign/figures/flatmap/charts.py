"""What stands beside a flatmap: one unit's scores over layers, and cortex in three dimensions."""

import numpy as np

APART = 8.0  # mm between the hemispheres
CLOSE = 2.1  # how much larger than Plotly's own the hemispheres are drawn
VIEWS = {"behind": (0, -2, 0.35), "left": (-2, 0, 0), "right": (2, 0, 0), "below": (0, -0.01, -2)}


def unit_layers(rows, colours, names, chosen):
    """One unit's r over layers, a line for each map.

    rows : columns one (the map), layer, r; colours, names : of each map, in the order of the lines
    chosen : map -> the layer that training images choose for this unit, which is ringed
    """
    import plotly.graph_objects as go

    from brainalign.figures.theme import MUTED, finish

    figure = go.Figure()
    for one, name in names.items():
        line = rows[rows.one == one].sort_values("layer")
        figure.add_scatter(
            x=line.layer, y=line.r, mode="lines+markers", name=name, line={"color": colours[one], "width": 2},
            marker={"size": [11 if layer == chosen.get(one) else 5 for layer in line.layer]},
            hovertemplate="layer %{x}: r = %{y:.3f}",
        )  # fmt: skip
    marked = "; large: chosen by training images" if chosen else ""
    figure.update_xaxes(title=f"layer (0: embeddings){marked}", dtick=1, showgrid=False)
    figure.update_yaxes(title="r", zeroline=True, zerolinecolor=MUTED, zerolinewidth=1)
    if rows.layer.max() >= 16:
        figure.update_xaxes(dtick=4)
    return finish(figure, 340)


def solid(xyz, faces, colours, view, vertex=None):
    """Both hemispheres in three dimensions, moved apart, in the colours of the flatmap.

    xyz : (n_vertices, 3); faces : (n_faces, 3); colours : (n_vertices, 3) uint8; view : of VIEWS
    vertex : one to mark
    """
    import plotly.graph_objects as go

    half = len(xyz) // 2
    left, right = xyz[:half].copy(), xyz[half:].copy()
    left[:, 0] -= left[:, 0].max() + APART / 2
    right[:, 0] -= right[:, 0].min() - APART / 2
    both = np.concatenate([left, right]).astype("f4")
    (x, y, z), (i, j, k) = both.T, faces.astype("i4").T
    shades = ["#{:02x}{:02x}{:02x}".format(*colour) for colour in colours.tolist()]
    light = {"ambient": 0.7, "diffuse": 0.45, "specular": 0.05, "roughness": 0.9}
    mesh = go.Mesh3d(x=x, y=y, z=z, i=i, j=j, k=k, vertexcolor=shades, lighting=light, hoverinfo="skip")
    figure = go.Figure(mesh)
    if vertex is not None:
        at = both[[vertex]]
        ring = {"size": 9, "color": "#ffd166", "line": {"color": "#000", "width": 2}}
        figure.add_scatter3d(x=at[:, 0], y=at[:, 1], z=at[:, 2], mode="markers", marker=ring, hoverinfo="skip")
    hidden = {axis: {"visible": False} for axis in ("xaxis", "yaxis", "zaxis")}
    camera = {"eye": dict(zip("xyz", VIEWS[view])), "up": {"x": 0, "y": float(view == "below"), "z": 1}}
    camera["projection"] = {"type": "orthographic"}
    size = np.ptp(both, axis=0)
    ratio = dict(zip("xyz", (CLOSE * size / size.max()).tolist()))
    figure.update_layout(scene=hidden | {"aspectratio": ratio, "camera": camera}, showlegend=False)
    figure.update_layout(height=460, margin={"l": 0, "r": 0, "t": 0, "b": 0})
    return figure
