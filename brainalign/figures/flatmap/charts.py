"""What stands below a flatmap: one unit's scores over layers."""


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
