"""Matrices: what a store covers, and one quantity over instructions and ROIs."""

from textwrap import wrap

import numpy as np
import plotly.graph_objects as go

from brainalign.figures.theme import DIVERGING, MODELS, finish
from brainalign.tables import instructions

ROW = 36  # pixels
LINE = 48  # characters of a row's label before it goes on in a second line


def matrix(frame, title, labels=str):
    """One signed quantity, rows by columns, on a scale that is symmetric about 0; NaN cells stay empty.

    frame : index the rows, columns the columns, in the order drawn; labels : what the row's axis says
    """
    values = frame.to_numpy(float)
    limit = np.nanmax(np.abs(values)) if np.isfinite(values).any() else 1.0
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=[name.split(" (")[0] for name in frame.columns],
            y=["<br>".join(wrap(labels(row), LINE)) for row in frame.index],
            zmin=-limit,
            zmax=limit,
            colorscale=DIVERGING,
            xgap=2,
            ygap=2,
            texttemplate="%{z:.3f}",
            hovertemplate="%{y}<br>%{x}: %{z:.4f}<extra></extra>",
            colorbar={"title": {"text": title, "side": "right"}, "thickness": 12},
            hoverongaps=False,
        )
    )
    figure.update_yaxes(autorange="reversed", showgrid=False, ticks="")
    figure.update_xaxes(side="top", showgrid=False, tickangle=-45 if len(frame.columns) > 8 else 0, ticks="")
    return finish(figure, 130 + ROW * max(2, len(frame)))


def coverage(frame, order=()):
    """Maps of a subject by model (rows) and instruction (columns); an empty cell was not computed.

    frame : columns subject, model, instruction, maps; order : of the models. Where only some subjects have them, the
    cell says how many.
    """
    known = {id: k for k, id in enumerate(instructions())}
    columns = sorted(set(frame.instruction), key=lambda id: (id == "", known.get(id, len(known)), id))
    rows = [name for name in order if name in set(frame.model)] or sorted(set(frame.model))
    cells = frame.groupby(["model", "instruction"]).agg(maps=("maps", "max"), subjects=("subject", "nunique"))
    cells, everyone = cells.to_dict("index"), frame.subject.nunique()
    found = [[cells.get((row, column)) for column in columns] for row in rows]
    figure = go.Figure(
        go.Heatmap(
            z=[[np.nan if cell is None else cell["maps"] for cell in row] for row in found],
            x=[id or "–" for id in columns],
            y=rows,
            text=[[_maps(cell, everyone) for cell in row] for row in found],
            colorscale=[[0, MODELS["llava-demo"]], [1, MODELS["llava-demo"]]],
            showscale=False,
            xgap=2,
            ygap=2,
            texttemplate="%{text}",
            textfont={"color": "#10202b"},
            hovertemplate="%{y}, %{x}: %{z} maps a subject<extra></extra>",
            hoverongaps=False,
        )
    )
    figure.update_yaxes(autorange="reversed", showgrid=False, ticks="")
    figure.update_xaxes(side="top", showgrid=False, tickangle=0, ticks="", type="category")
    return finish(figure, 90 + ROW * max(1, len(rows)))


def _maps(cell, everyone):
    if cell is None:
        return ""
    return f"{cell['maps']}" + ("" if cell["subjects"] == everyone else f" ({cell['subjects']} of {everyone})")
