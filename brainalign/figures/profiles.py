"""Scores over a model's layers, and what goes with layers: those that regions choose, what states depend on."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from brainalign.figures.numerals import said
from brainalign.figures.theme import BETTER, EDGE, INTERVAL, MUTED, RING, WORSE, finish, translucent

COLUMN = "at the<br>layers chosen"  # where a profile shows the scores of units at the layers of their own
STEP = {False: 1.0, True: 0.14}  # from the last layer to that column; True: of depth from 0 to 1


def layer_profile(frame, colours, names, axis, chosen=None, relative=False):
    """Mean over subjects by layer, a line for each group in the range of subjects.

    frame : one row a subject, group and layer: columns subject, group, layer, value and, where known, ceiling
    colours, names : group -> colour, group -> what the legend says, in the order of the lines
    chosen : one row a subject and group: subject, group, value, layer and low, high where known: the scores at the
        layers that training images choose, which stand in a column of their own, since units differ in their layer
    relative : layers as a share of each group's last one, for models of different depth
    """
    groups = [group for group in names if group in set(frame.group)]
    last, traces = 1.0 if relative else float(frame.layer.max()), []
    for group in groups:
        rows = frame[frame.group == group].groupby("layer").value.agg(["mean", "min", "max", "count"]).dropna()
        x = rows.index / max(1, frame[frame.group == group].layer.max()) if relative else rows.index
        traces += [_band(x, rows, colours[group], group), _line(x, rows, colours[group], names[group], group)]
    known, column = chosen is not None and chosen.value.notna().any(), last + STEP[relative]
    at = beside(groups, column, STEP[relative])
    if known:
        traces += [_chosen(chosen, group, at[group], colours[group], names[group]) for group in groups]
    figure = go.Figure(traces + _ceilings(frame, groups, colours, at, 0.05 * STEP[relative]))
    _depth_axis(figure, last, column if known else None, relative)
    figure.update_yaxes(title=axis, zeroline=True, zerolinecolor=MUTED, zerolinewidth=1)
    return finish(figure, 460)


def tops(frame, chosen=None):
    """Each line's highest point, the best of its layers on the test images and so too high, beside the mean at the
    layers that training images choose: columns group (and roi), layer, highest, nested, which is NaN where unknown.

    frame, chosen : as of `layer_profile`
    """
    line = [name for name in ("roi", "group") if name in frame]
    means = frame.groupby([*line, "layer"]).value.mean().dropna()
    best = means[means.groupby(line).idxmax()].rename("highest").reset_index("layer")
    nested = best.highest * np.nan if chosen is None else chosen.groupby(line).value.mean().reindex(best.index)
    return best.assign(nested=nested).reset_index()


def spoken(tops):
    """`IC 0.210 at layer 3 (0.203 at the layers chosen by training images); ...`"""
    return "; ".join(
        f"{row.group or 'no instruction'} {said(row.highest)} at layer {row.layer}"
        + f" ({said(row.nested)} at the layers chosen by training images)" * bool(np.isfinite(row.nested))
        for row in tops.itertuples()
    )


def too_high(tops):
    """What is to be known of the highest points of lines, wherever they are seen."""
    text = "A line's highest point is the best of its layers on the same test images, and so too high"
    known = tops[tops.nested.notna()]
    if known.empty:
        return f"{text}; this store has no score at layers chosen by training images."
    n, high, nested = len(known), said(known.highest.mean()), said(known.nested.mean())
    means = f"mean over {n} lines {high}, at" if n > 1 else f"{high}, at"
    return f"{text}: {means} the layers that training images choose {nested}."


def beside(groups, column, step):
    """Where each group's mark stands in the column after the last layer."""
    return dict(zip(groups, column + np.linspace(-0.3, 0.3, len(groups)) * step if len(groups) > 1 else [column]))


def _depth_axis(figure, last, column, relative):
    every = 0.25 if relative else 1 if last < 16 else 4
    ticks = np.arange(0, last + 1e-6, every).tolist()
    texts = [f"{tick:g}" for tick in ticks]
    step = STEP[relative]
    if column is not None:
        ticks, texts = [*ticks, column], [*texts, COLUMN]
        line = {"color": MUTED, "width": 1, "dash": "dot"}
        figure.add_shape(type="line", x0=last + step / 2, x1=last + step / 2, y0=0, y1=1, yref="paper", line=line)
    title = "depth (0: embeddings, 1: the last layer)" if relative else "layer (0: embeddings)"
    high = last + step * (0.5 if column is None else 1.5)
    figure.update_xaxes(title=title, tickvals=ticks, ticktext=texts, range=[-0.4 * step, high], showgrid=False)


def _band(x, rows, colour, group):
    return {
        "type": "scatter",
        "x": [*x, *x[::-1]],
        "y": [*rows["max"], *rows["min"][::-1]],
        "fill": "toself",
        "fillcolor": translucent(colour, 0.13),
        "line": {"width": 0},
        "mode": "lines",
        "legendgroup": str(group),
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _line(x, rows, colour, name, group):
    return {
        "type": "scatter",
        "x": x.to_numpy(),
        "y": rows["mean"].to_numpy(),
        "mode": "lines+markers",
        "name": name,
        "legendgroup": str(group),
        "line": {"color": colour, "width": 2},
        "marker": {"size": 7, "line": EDGE},
        "customdata": rows.reset_index()[["layer", "min", "max", "count"]].to_numpy(),
        "hovertemplate": "layer %{customdata[0]}: %{y:.3f}<br>%{customdata[3]} subjects, "
        "from %{customdata[1]:.3f} to %{customdata[2]:.3f}",
    }


def _chosen(chosen, group, x, colour, name):
    rows = chosen[chosen.group == group].dropna(subset=["value"])
    layers = ", ".join(f"{layer:g}" for layer in rows.layer)
    mean, low, high = (float(rows.value.agg(how)) for how in ("mean", "min", "max"))
    return {
        "type": "scatter",
        "x": [x],
        "y": [mean],
        "mode": "markers",
        "name": name,
        "legendgroup": str(group),
        "marker": {"symbol": "diamond", "size": 11, "color": colour, "line": {"color": "#ffffff", "width": 1}},
        "error_y": {"array": [high - mean], "arrayminus": [mean - low], "color": colour, "thickness": 2, "width": 0},
        "hovertemplate": f"{name}: %{{y:.3f}} at the layers chosen by training images<br>"
        f"(medians by subject: {layers})<extra></extra>",
        "showlegend": False,
    }


def shared_ceilings(frame, groups):
    """The mean noise ceiling of each group that has one, and whether it is the same for all."""
    if "ceiling" not in frame:
        return pd.Series(dtype=float), True
    means = frame.drop_duplicates(["subject", "group"]).groupby("group").ceiling.mean().reindex(groups).dropna()
    return means, len(set(means.round(6))) < 2


def _ceilings(frame, groups, colours, at, half):
    """One line where all groups share the noise ceiling, else a short one above each group's mark."""
    means, shared = shared_ceilings(frame, groups)
    line = {"type": "scatter", "mode": "lines", "name": "noise ceiling"}
    if shared and len(means):
        look = {"color": MUTED, "width": 2, "dash": "dot"}
        ends = {"x": [0, max(at.values()) + half], "y": [means.iloc[0]] * 2}
        return [line | ends | {"line": look, "hovertemplate": "noise ceiling %{y:.3f}<extra></extra>"}]
    own = {"showlegend": False, "hovertemplate": "noise ceiling %{y:.3f}"}
    return [
        line | own | {"x": [at[group] - half, at[group] + half], "y": [value, value], "legendgroup": str(group),
                      "line": {"color": colours[group], "width": 3}}
        for group, value in means.items()
    ]  # fmt: skip


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
                "color": np.where(sure, np.where(frame.difference > 0, BETTER, WORSE), MUTED),
                "symbol": np.where(sure, "circle", "circle-open"),
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
