"""Signed parts of the variance as bars: means over subjects, the subjects themselves as points."""

import numpy as np
import plotly.graph_objects as go

from brainalign.figures.numerals import digits, said
from brainalign.figures.theme import EDGE, INTERVAL, MUTED, RING, finish, translucent

ASIDE = {"a": -0.36, "b": 0.36}  # from a bar's middle, in bars: where its part at another layer stands


def signed_bars(frame, colours, names, axis, moved=None):
    """Signed parts of the variance as bars (mean over subjects), the subjects as points.

    frame : one row a subject, a column a part, and where known <part>_low and <part>_high, an interval, and
        <part>_raw, the part with what estimated weights cost: a line at its mean
    names : column -> what the axis says, in order
    moved : side -> (name, colour) of an instruction: diamonds at the means of <part>_at_<side>, the part had all
        entered at that one's layer
    """
    means = frame[list(names)].mean()
    at, places = np.arange(len(names)), digits(means)
    bars = {
        "type": "bar",
        "x": at,
        "y": means.to_numpy(),
        "width": 0.6,
        "marker": {"color": [colours[part] for part in names], "line": EDGE},
        "customdata": list(names.values()),
        "hovertemplate": "%{customdata}: mean %{y:.4f}<extra></extra>",
    }
    spread = np.linspace(-0.2, 0.2, len(frame)) if len(frame) > 1 else [0.0]
    rows = zip(spread, (row for _, row in frame.iterrows()))
    figure = go.Figure([bars, *(_point(at + offset, row, list(names)) for offset, row in rows)])
    figure.add_traces(_raw(frame, list(names)))
    figure.add_traces([_diamonds(frame, list(names), side, *one) for side, one in (moved or {}).items()])
    texts = [f"{name}<br><b>{said(means[part], places)}</b>".removeprefix("<br>") for part, name in names.items()]
    figure.update_xaxes(tickvals=at, ticktext=texts)
    figure.update_yaxes(title=axis, zeroline=True, zerolinecolor=MUTED, zerolinewidth=1)
    return finish(figure, 400, showlegend=False)


def _raw(frame, parts):
    """Dotted lines at the means of parts that are drawn less their floor."""
    raw = frame.reindex(columns=[f"{part}_raw" for part in parts]).mean().to_numpy()
    if not np.isfinite(raw).any():
        return []
    floors = raw - frame[parts].mean().to_numpy()
    ends = np.array([-0.3, 0.3, np.nan])
    told = [f"{said(value, 4)}, its floor {said(floor, 4)}" for value, floor in zip(raw, floors)]
    return [
        {
            "type": "scatter",
            "x": (np.arange(len(parts))[:, None] + ends).ravel(),
            "y": np.repeat(raw, 3),
            "mode": "lines",
            "line": {"color": RING["line"]["color"], "width": 1.5, "dash": "dot"},
            "customdata": np.repeat(told, 3),
            "hovertemplate": "raw mean %{customdata}<extra></extra>",
        }
    ]


def _diamonds(frame, parts, side, name, colour):
    """Means of the parts at another layer, beside the subjects' points."""
    means = frame.reindex(columns=[f"{part}_at_{side}" for part in parts]).mean()
    return {
        "type": "scatter",
        "x": np.arange(len(parts)) + ASIDE[side],
        "y": means.to_numpy(),
        "mode": "markers",
        "marker": {"size": 9, "symbol": "diamond", "color": colour, "line": RING["line"]},
        "hovertemplate": f"both at the layer of {name}: mean %{{y:.4f}}<extra></extra>",
    }


def _point(x, row, parts):
    """One subject's values, with their intervals where known."""
    y = row[parts].to_numpy(float)
    ends = {end: row.reindex([f"{part}_{end}" for part in parts]).to_numpy(float) for end in ("low", "high")}
    told = [f" [{said(low, 4)}, {said(high, 4)}]" if np.isfinite(low) else "" for low, high in zip(*ends.values())]
    return {
        "type": "scatter",
        "x": x,
        "y": y,
        "mode": "markers",
        "name": row.subject,
        "marker": {"size": 7} | RING,
        "error_y": {
            "array": ends["high"] - y,
            "arrayminus": y - ends["low"],
            "color": INTERVAL,
            "thickness": 1.2,
            "width": 0,
        },
        "customdata": told,
        "hovertemplate": f"{row.subject}: %{{y:.4f}}%{{customdata}}<extra></extra>",
    }


def upset(frame, parts, three, colours):
    """The seven parts of three instructions as signed bars, with dots below that say who shares each.

    frame : as for `signed_bars`; parts : column -> the instructions that share it; three : the instructions
    colours : dict a, b, c
    """
    shade = {"unique_a": colours["a"], "unique_b": colours["b"], "unique_c": colours["c"]}
    figure = signed_bars(frame, {part: shade.get(part, MUTED) for part in parts}, dict.fromkeys(parts, ""), "R²")
    cells = [(k, row) for row in range(3) for k in range(len(parts))]
    sharing = [three[row] in list(parts.values())[k] for k, row in cells]
    shades = [colours["abc"[row]] if own else translucent(MUTED, 0.25) for (_, row), own in zip(cells, sharing)]
    figure.add_trace(
        {"type": "scatter", "x": [k for k, _ in cells], "y": [row for _, row in cells], "yaxis": "y2",
         "mode": "markers", "hoverinfo": "skip", "marker": {"size": 11, "color": shades}}
    )  # fmt: skip
    figure.update_layout(
        yaxis={"domain": [0.36, 1]},
        yaxis2={"domain": [0, 0.24], "tickvals": [0, 1, 2], "ticktext": list(three), "range": [2.5, -0.5],
                "showgrid": False, "zeroline": False, "anchor": "x"},
    )  # fmt: skip
    figure.update_xaxes(anchor="y2")
    return figure
