"""Scores over a model's layers, and the layers that regions choose."""

import numpy as np
import plotly.graph_objects as go

from brainalign.figures.bars import INTERVAL, RING
from brainalign.figures.theme import BETTER, MUTED, WORSE, finish, translucent


def layer_profile(frame, colours, names, axis, chosen=None):
    """Mean over subjects by layer, a line for each group, the subjects' range as a band behind a single one.

    frame : one row a subject, group and layer: columns subject, group, layer, value
    colours, names : group -> colour, group -> what the legend says, in the order of the lines
    chosen : group -> the layer that training images choose, mean over subjects; marked on the line
    """
    figure = go.Figure()
    groups = [group for group in names if group in set(frame.group)]
    for group in groups:
        rows = frame[frame.group == group].groupby("layer").value.agg(["mean", "min", "max", "count"])
        if len(groups) == 1:
            figure.add_trace(_band(rows, colours[group]))
        figure.add_trace(
            go.Scatter(
                x=rows.index,
                y=rows["mean"],
                mode="lines+markers",
                name=names[group],
                line={"color": colours[group], "width": 2},
                marker={"size": 6},
                customdata=rows[["min", "max", "count"]].to_numpy(),
                hovertemplate="layer %{x}: %{y:.3f}<br>%{customdata[2]} subjects, "
                "from %{customdata[0]:.3f} to %{customdata[1]:.3f}",
            )
        )
        if chosen and np.isfinite(chosen.get(group, np.nan)):
            at = float(np.interp(chosen[group], rows.index, rows["mean"]))
            figure.add_trace(_diamond(chosen[group], at, colours[group], names[group]))
    figure.update_xaxes(title="layer (0: embeddings)", dtick=1 if frame.layer.max() < 16 else 4, showgrid=False)
    figure.update_yaxes(title=axis, zeroline=True, zerolinecolor=MUTED, zerolinewidth=1)
    return finish(figure, 460)


def chosen_layers(frame, colour, order):
    """The layers that regions choose, regions in the order given: bars for the mean, points for the subjects.

    frame : one row a subject and region: columns subject, roi, layer
    """
    order = [roi for roi in order if roi in set(frame.roi)]
    at = {roi: k for k, roi in enumerate(order)}
    means = frame.groupby("roi").layer.mean().reindex(order)
    figure = go.Figure(
        go.Bar(
            x=list(range(len(order))),
            y=means,
            marker={"color": translucent(colour, 0.55)},
            width=0.7,
            customdata=order,
            hovertemplate="%{customdata}: layer %{y:.1f}, mean over subjects<extra></extra>",
        )
    )
    subjects = sorted(set(frame.subject))
    spread = dict(zip(subjects, np.linspace(-0.22, 0.22, len(subjects)) if len(subjects) > 1 else [0.0]))
    figure.add_trace(
        go.Scatter(
            x=[at[roi] + spread[subject] for roi, subject in zip(frame.roi, frame.subject)],
            y=frame.layer,
            mode="markers",
            marker={"size": 6} | RING,
            customdata=frame[["subject", "roi"]].to_numpy(),
            hovertemplate="%{customdata[0]}, %{customdata[1]}: layer %{y:.1f}<extra></extra>",
        )
    )
    figure.update_xaxes(tickvals=list(range(len(order))), ticktext=[roi.split(" (")[0] for roi in order])
    figure.update_yaxes(title="layer", rangemode="tozero")
    return finish(figure, 360, showlegend=False)


SHARES = {  # column -> (name, colour), from the ground up
    "picture": ("the picture", "#009e73"),
    "together": ("both together only", "#cc79a7"),
    "instruction": ("the instruction", "#e69f00"),
}


def shares(frame):
    """Shares of the variance of states by layer, stacked to 1.

    frame : one row a layer: columns layer, picture, together, instruction
    """
    frame, figure = frame.sort_values("layer"), go.Figure()
    for column, (name, colour) in SHARES.items():
        figure.add_trace(
            go.Bar(
                x=frame.layer,
                y=frame[column],
                name=name,
                marker={"color": colour},
                width=0.75,
                hovertemplate="layer %{x}: %{y:.0%}",
            )
        )
    figure.update_xaxes(title="layer (0: embeddings)", dtick=1 if frame.layer.max() < 16 else 4)
    figure.update_yaxes(title="share of variance", range=[0, 1], tickformat=".0%")
    return finish(figure, 320, barmode="stack")


def forest(frame, axis):
    """Differences with their intervals, a row for each comparison, the subjects below one another in it.

    frame : columns name, subject, difference, low, high, q; rows come in the order drawn, top first
    """
    names, subjects = list(dict.fromkeys(frame.name)), sorted(set(frame.subject))
    step = 0.6 / max(1, len(subjects))
    y = [
        names.index(n) + (subjects.index(s) - (len(subjects) - 1) / 2) * step
        for n, s in zip(frame.name, frame.subject)
    ]
    sure = frame.q < 0.05
    figure = go.Figure(
        go.Scatter(
            x=frame.difference,
            y=y,
            mode="markers",
            marker={
                "size": 9,
                "color": np.where(sure, np.where(frame.difference > 0, BETTER, WORSE), "#ffffff"),
                "line": {"color": MUTED, "width": 1.2},
            },
            error_x={
                "array": frame.high - frame.difference,
                "arrayminus": frame.difference - frame.low,
                "color": INTERVAL,
                "thickness": 1.4,
                "width": 0,
            },
            customdata=frame[["name", "subject", "low", "high", "q"]].to_numpy(),
            hovertemplate="%{customdata[0]}, %{customdata[1]}: %{x:.3f} "
            "[%{customdata[2]:.3f}, %{customdata[3]:.3f}], q = %{customdata[4]:.3f}<extra></extra>",
        )
    )
    figure.add_vline(x=0, line_color=MUTED, line_width=1)
    figure.update_yaxes(tickvals=list(range(len(names))), ticktext=names, range=[len(names) - 0.5, -0.5])
    figure.update_xaxes(title=axis)
    return finish(figure, 110 + 44 * max(2, len(names)), showlegend=False)


def _band(rows, colour):
    return go.Scatter(
        x=[*rows.index, *rows.index[::-1]],
        y=[*rows["max"], *rows["min"][::-1]],
        fill="toself",
        fillcolor=translucent(colour, 0.15),
        line={"width": 0},
        name="range of subjects",
        hoverinfo="skip",
    )


def _diamond(layer, value, colour, name):
    return go.Scatter(
        x=[layer],
        y=[value],
        mode="markers",
        marker={"symbol": "diamond", "size": 12, "color": colour, "line": {"color": "#ffffff", "width": 1.5}},
        hovertemplate=f"{name}: layer %{{x:.1f}} is chosen (mean over subjects)<extra></extra>",
        showlegend=False,
    )
