"""Bars: means over subjects as bars, the subjects themselves as points, noise ceilings as lines."""

from itertools import groupby

import numpy as np
import plotly.graph_objects as go

from brainalign.figures.theme import MUTED, finish, translucent
from brainalign.tables import rois

GROUP_WIDTH = 0.84  # of the distance between two ROIs
INTERVAL = "rgba(128,134,142,0.75)"
RING = {"color": "#ffffff", "line": {"color": "#30363d", "width": 1}}


def roi_bars(frame, colours, names, axis, marks=None, order=None):
    """Grouped bars by ROI.

    frame : one row a subject, ROI and group: columns subject, roi, group, value, low, high, ceiling, n, n_all, layer;
        NaN values are left out of the means and drawn as nothing, and so are intervals
    colours, names : group -> colour, group -> what the legend says; their order is the order of the bars
    axis : what the value is called
    marks : (roi, group) -> text above that bar
    order : of the ROIs; by default that of their table, their families marked
    """
    present = set(frame.roi)
    by_family = order is None
    order = order or [name for name in rois() if name in present] + sorted(present - set(rois()))
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
    if marks:
        offsets = {group: (k - (len(groups) - 1) / 2) * width for k, group in enumerate(groups)}
        figure.add_trace(_marks(frame, at, offsets, marks))
    if by_family:
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
        error_y={
            "array": rows.high - rows.value,
            "arrayminus": rows.value - rows.low,
            "color": INTERVAL,
            "thickness": 1,
            "width": 0,
        },
        customdata=np.column_stack([rows.subject, rows.roi, rows.n, rows.n_all, rows.layer, _intervals(rows)]),
        hovertemplate="%{customdata[0]}, %{customdata[1]}: %{y:.3f}%{customdata[5]}"
        "<br>%{customdata[2]} of %{customdata[3]} units, layer %{customdata[4]}<extra></extra>",
        showlegend=False,
    )


def _intervals(rows):
    known = rows.low.notna()
    return [f" [{low:.3f}, {high:.3f}]" if k else "" for low, high, k in zip(rows.low, rows.high, known)]


def _marks(frame, at, offsets, marks):
    """Each mark above all that is drawn at its bar."""
    top = frame[["value", "high"]].max(axis=1).groupby([frame.roi, frame.group]).max()
    lift = 0.02 * top.max()
    shown = [(roi, group) for roi, group in marks if (roi, group) in top.index and group in offsets]
    return go.Scatter(
        x=[at[roi] + offsets[group] for roi, group in shown],
        y=[top[key] + lift for key in shown],
        text=[marks[key] for key in shown],
        mode="text",
        textposition="top center",
        textfont={"size": 9},
        hoverinfo="skip",
        showlegend=False,
        name="differences",
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

    frame : one row a subject, a column a part, and where known <part>_low and <part>_high, an interval
    names : column -> what the axis says, in order
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
    for offset, (_, row) in zip(spread, frame.iterrows()):
        figure.add_trace(_point(at + offset, row, list(names)))
    figure.update_xaxes(tickvals=at, ticktext=[f"{name}<br><b>{means[part]:z.3f}</b>" for part, name in names.items()])
    figure.update_yaxes(title=axis, zeroline=True, zerolinecolor=MUTED, zerolinewidth=1)
    return finish(figure, 400, showlegend=False)


def _point(x, row, parts):
    """One subject's values, with their intervals where known."""
    y = row[parts].to_numpy(float)
    ends = {end: row.reindex([f"{part}_{end}" for part in parts]).to_numpy(float) for end in ("low", "high")}
    return go.Scatter(
        x=x,
        y=y,
        mode="markers",
        name=row.subject,
        marker={"size": 7} | RING,
        error_y={
            "array": ends["high"] - y,
            "arrayminus": y - ends["low"],
            "color": INTERVAL,
            "thickness": 1.2,
            "width": 0,
        },
        customdata=[f" [{low:.4f}, {high:.4f}]" if np.isfinite(low) else "" for low, high in zip(*ends.values())],
        hovertemplate=f"{row.subject}: %{{y:.4f}}%{{customdata}}<extra></extra>",
    )


def upset(frame, parts, three, colours):
    """The seven parts of three instructions as signed bars, with dots below that say who shares each.

    frame : as for `signed_bars`; parts : column -> the instructions that share it; three : the instructions
    colours : dict a, b, c
    """
    shade = {"unique_a": colours["a"], "unique_b": colours["b"], "unique_c": colours["c"]}
    figure = signed_bars(frame, {part: shade.get(part, MUTED) for part in parts}, {part: part for part in parts}, "R²")
    at = {part: k for k, part in enumerate(parts)}
    for row, name in enumerate(three):
        inside = [name in members for members in parts.values()]
        for kind in (False, True):
            xs = [k for k, shared in zip(at.values(), inside) if shared == kind]
            figure.add_trace(
                go.Scatter(
                    x=xs, y=[row] * len(xs), yaxis="y2", mode="markers", hoverinfo="skip",
                    marker={"size": 11, "color": colours["abc"[row]] if kind else translucent(MUTED, 0.25)},
                )
            )  # fmt: skip
    figure.update_layout(
        yaxis={"domain": [0.36, 1]},
        yaxis2={"domain": [0, 0.24], "tickvals": [0, 1, 2], "ticktext": list(three), "range": [2.5, -0.5],
                "showgrid": False, "zeroline": False, "anchor": "x"},
    )  # fmt: skip
    means = frame[list(parts)].mean()
    figure.update_xaxes(tickvals=list(at.values()), ticktext=[f"<b>{means[p]:z.3f}</b>" for p in parts], anchor="y2")
    return figure
