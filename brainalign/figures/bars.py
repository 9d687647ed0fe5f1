"""Bars: means over subjects as bars, the subjects themselves as points, noise ceilings as lines."""

from itertools import groupby

import numpy as np
import plotly.graph_objects as go

from brainalign.figures.theme import MUTED, finish, translucent
from brainalign.tables import rois

GROUP_WIDTH = 0.84  # of the distance between two ROIs
RING = {"color": "#ffffff", "line": {"color": "#30363d", "width": 1}}


def roi_bars(frame, colours, names, axis):
    """Grouped bars by ROI.

    frame : one row a subject, ROI and group: columns subject, roi, group, value, ceiling, n, n_all, layer;
        NaN values are left out of the means and drawn as nothing
    colours, names : group -> colour, group -> what the legend says; their order is the order of the bars
    axis : what the value is called
    """
    present = set(frame.roi)
    order = [name for name in rois() if name in present] + sorted(present - set(rois()))
    at = {roi: i for i, roi in enumerate(order)}
    groups = [group for group in names if group in set(frame.group)]
    width = GROUP_WIDTH / max(1, len(groups))
    figure = go.Figure()
    for k, group in enumerate(groups):
        rows = frame[frame.group == group]
        offset = (k - (len(groups) - 1) / 2) * width
        figure.add_trace(_bars(rows, at, offset, width, colours[group], names[group]))
    for k, group in enumerate(groups):
        rows = frame[frame.group == group].dropna(subset=["value"])
        size = 6 if len(groups) * len(order) < 50 else 4
        figure.add_trace(_points(rows, at, (k - (len(groups) - 1) / 2) * width, width, size))
    figure.add_trace(_ceilings(frame, order))
    _family_bands(figure, order)
    figure.update_xaxes(
        tickvals=list(range(len(order))),
        ticktext=[_wrapped(name) for name in order],
        range=[-0.5, max(1, len(order)) - 0.5],
        showgrid=False,
        zeroline=False,
    )
    figure.update_yaxes(title=axis, zeroline=True, zerolinecolor=MUTED, zerolinewidth=1)
    return finish(figure, 560, legend_y=1.1)


def _wrapped(name):
    return name.replace(" (", "<br>(").replace(" stream", "<br>stream")


def _bars(rows, at, offset, width, colour, name):
    means = (
        rows.groupby("roi", sort=False)
        .agg(value=("value", "mean"), subjects=("value", "count"), n=("n", "sum"), layers=("layer", _layers))
        .reindex([roi for roi in at if roi in set(rows.roi)])
    )
    return go.Bar(
        x=[at[roi] + offset for roi in means.index],
        y=means.value,
        width=width * 0.94,
        name=name,
        marker={"color": colour},
        customdata=np.column_stack([means.index, means.subjects, means.n, means.layers]),
        hovertemplate="%{customdata[0]}<br>mean %{y:.3f} over %{customdata[1]} subjects"
        "<br>%{customdata[2]} units, layer %{customdata[3]}",
    )


def _layers(layers):
    """`6, 8`: the layers that were used, once each."""
    return ", ".join(str(int(layer)) for layer in sorted(set(layers)))


def _points(rows, at, offset, width, size):
    """Subjects side by side within their bar, always in the same order."""
    subjects = sorted(set(rows.subject))
    spread = dict(zip(subjects, np.linspace(-0.3, 0.3, len(subjects)) if len(subjects) > 1 else [0.0]))
    return go.Scatter(
        x=[at[roi] + offset + spread[subject] * width for roi, subject in zip(rows.roi, rows.subject)],
        y=rows.value,
        mode="markers",
        name="subjects",
        marker={"size": size} | RING,
        customdata=np.column_stack([rows.subject, rows.roi, rows.n, rows.n_all, rows.layer]),
        hovertemplate="%{customdata[0]}, %{customdata[1]}: %{y:.3f}"
        "<br>%{customdata[2]} of %{customdata[3]} units, layer %{customdata[4]}<extra></extra>",
        showlegend=False,
    )


def _ceilings(frame, order):
    """One horizontal line a ROI: the mean over subjects of the noise ceiling."""
    mean = frame.drop_duplicates(["subject", "roi"]).groupby("roi").ceiling.mean()
    x, y = [], []
    for i, roi in enumerate(order):
        if np.isfinite(mean[roi]):
            x += [i - GROUP_WIDTH / 2, i + GROUP_WIDTH / 2, None]
            y += [mean[roi], mean[roi], None]
    return go.Scatter(
        x=x,
        y=y,
        mode="lines",
        name="noise ceiling",
        line={"color": MUTED, "width": 2, "dash": "dot"},
        hovertemplate="noise ceiling %{y:.3f}<extra></extra>",
    )


def _family_bands(figure, order):
    """Every other family of ROIs on a faint ground, with its name along the top."""
    family = {name: rois()[name].family if name in rois() else "other" for name in order}
    for k, (name, members) in enumerate(groupby(order, key=family.get)):
        members = [order.index(member) for member in members]
        low, high = members[0] - 0.5, members[-1] + 0.5
        if k % 2 == 0:
            figure.add_vrect(x0=low, x1=high, fillcolor=translucent(MUTED, 0.09), line_width=0, layer="below")
        text = name.replace(" and ", "<br>and ") if high - low < 3 else name
        figure.add_annotation(
            x=(low + high) / 2, y=1, yref="paper", yanchor="bottom", text=text, showarrow=False, font_size=11,
            opacity=0.75,
        )  # fmt: skip


def signed_bars(frame, colours, names, axis):
    """Signed parts of the variance as bars (mean over subjects), the subjects as points.

    frame : one row a subject, a column a part; names : column -> what the axis says, in order
    """
    means = frame[list(names)].mean()
    at = np.arange(len(names))
    figure = go.Figure(
        go.Bar(
            x=at,
            y=means,
            width=0.6,
            marker={"color": [colours[part] for part in names]},
            customdata=list(names.values()),
            hovertemplate="%{customdata}: mean %{y:.4f}<extra></extra>",
        )
    )
    spread = np.linspace(-0.2, 0.2, len(frame)) if len(frame) > 1 else [0.0]
    for subject, offset, row in zip(frame.subject, spread, frame[list(names)].to_numpy()):
        figure.add_trace(_point(at + offset, row, subject))
    figure.update_xaxes(tickvals=at, ticktext=[f"{name}<br><b>{means[part]:.3f}</b>" for part, name in names.items()])
    figure.update_yaxes(title=axis, zeroline=True, zerolinecolor=MUTED, zerolinewidth=1)
    return finish(figure, 400, showlegend=False)


def _point(x, y, subject):
    return go.Scatter(
        x=x,
        y=y,
        mode="markers",
        name=subject,
        marker={"size": 7} | RING,
        hovertemplate=f"{subject}: %{{y:.4f}}<extra></extra>",
    )
