"""Matrices: what a store covers, and one quantity over instructions and ROIs."""

from textwrap import wrap

import numpy as np
import plotly.graph_objects as go

from brainalign.figures.numerals import said
from brainalign.figures.theme import COVERED, DIVERGING, diverging, finish, ink_on

ROW = 36  # pixels
LINE = 48  # characters of a row's label before it goes on in a second line
LETTERS = 115  # of the columns' names side by side, where each has the room of the longest


def matrix(frame, title, labels=str):
    """One signed quantity, rows by columns, on a scale that is symmetric about 0; NaN cells stay empty.

    frame : index the rows, columns the columns, in the order drawn; labels : what the row's axis says
    """
    values = frame.to_numpy(float)
    limit = np.nanmax(np.abs(values)) if np.isfinite(values).any() else 1.0
    x = [name.split(" (")[0].replace(" ", "<br>") for name in frame.columns]
    y = ["<br>".join(wrap(labels(row), LINE)) for row in frame.index]
    heat = go.Heatmap(
        z=values,
        x=x,
        y=y,
        zmin=-limit,
        zmax=limit,
        colorscale=DIVERGING,
        xgap=2,
        ygap=2,
        hovertemplate="%{y}<br>%{x}: %{z:.4f}<extra></extra>",
        colorbar={"title": {"text": title, "side": "top"}, "thickness": 12, "len": 0.9},
        hoverongaps=False,
    )
    figure = go.Figure([heat, *_numbers(values, limit, x, y)])
    figure.update_yaxes(autorange="reversed", showgrid=False, ticks="")
    turned = max(len(word) for name in x for word in name.split("<br>")) * len(x) > LETTERS
    figure.update_xaxes(side="top", showgrid=False, tickangle=-90 if turned else 0, ticks="", tickfont={"size": 11})
    return finish(figure, 130 + ROW * max(2, len(frame)), showlegend=False)


def _numbers(values, limit, x, y):
    """The numbers of the cells as text: dark ones on light cells, white ones on dark cells."""
    cells = {"#000000": [], "#ffffff": []}
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            cells[ink_on(diverging(value / (limit or 1.0)))].append((x[column], y[row], said(value)))
    return [
        {
            "type": "scatter",
            "mode": "text",
            "x": [cell[0] for cell in own],
            "y": [cell[1] for cell in own],
            "text": [cell[2] for cell in own],
            "textfont": {"color": ink, "size": 11},
            "hoverinfo": "skip",
        }
        for ink, own in cells.items()
        if own
    ]


def coverage(cells, asked):
    """Maps of a subject by model (rows) and instruction (columns); an empty cell was not computed.

    cells : what `frames.covered` returns; asked : instructions in the order drawn
    """
    rows, columns = cells.model.unique(), asked
    maps, said = (
        cells.pivot(index="model", columns="instruction", values=v).loc[rows, columns] for v in ("maps", "said")
    )
    figure = go.Figure(
        go.Heatmap(
            z=maps.to_numpy(float),
            x=[id or "–" for id in columns],
            y=rows,
            text=said.fillna("").to_numpy(),
            colorscale=[[0, COVERED], [1, COVERED]],
            showscale=False,
            xgap=2,
            ygap=2,
            texttemplate="%{text}",
            textfont={"color": "#000000"},
            hovertemplate="%{y}, %{x}: %{z} maps a subject<extra></extra>",
            hoverongaps=False,
        )
    )
    figure.update_yaxes(autorange="reversed", showgrid=False, ticks="")
    figure.update_xaxes(side="top", showgrid=False, tickangle=0, ticks="", type="category")
    return finish(figure, 90 + ROW * max(1, len(rows)))
