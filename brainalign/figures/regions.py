"""Scores by region: bars with the subjects as points; where bars would be slivers, dots with the range of subjects."""

from itertools import groupby

import numpy as np
import plotly.graph_objects as go

from brainalign.figures.theme import EDGE, INTERVAL, MUTED, RING, finish, translucent

GROUP_WIDTH = 0.84  # of the distance between two regions
MOST = 110  # bars in one chart
SYMBOLS = {"▲": "triangle-up", "△": "triangle-up-open", "▼": "triangle-down", "▽": "triangle-down-open"}


def roi_bars(frame, colours, names, axis, regions, marks=None):
    """Grouped bars by ROI, or where these are many (`crowded`) dots.

    frame : one row a subject, ROI and group: columns subject, roi, group, value, low, high, ceiling, n, n_all, layer;
        NaN values are left out of the means and drawn as nothing, and so are intervals
    colours, names : group -> colour, group -> what the legend says; their order is the order of the bars
    axis : what the value is called
    regions : region -> its family, in the order drawn; families are marked unless they are all None
    marks : (roi, group) -> ▲ △ ▼ ▽ above that bar, or instead of that dot
    With columns ceiling_low and ceiling_high, ends of its interval, the noise ceiling stands in a faint band; with
    ceiling_low alone, its lower bound, it is a band.
    """
    order, marks = list(regions), marks or {}
    at = {roi: i for i, roi in enumerate(order)}
    groups = [group for group in names if group in set(frame.group)]
    places = offsets(groups)
    traces = _dots if crowded(groups, order) else _bars
    figure = go.Figure([*traces(frame, groups, at, places, colours, names, marks), *_ceilings(frame, order)])
    layout = _family_bands(regions) if any(regions.values()) else {}
    layout["xaxis"] = {
        "tickvals": list(range(len(order))),
        "ticktext": [_wrapped(name) for name in order],
        "range": [-0.5, max(1, len(order)) - 0.5],
        "showgrid": False,
        "zeroline": False,
    }
    layout["yaxis"] = {"title": axis, "zeroline": True, "zerolinecolor": MUTED, "zerolinewidth": 1}
    return finish(figure, 560, legend_y=1.1, **layout)


def crowded(groups, order):
    """Whether so many bars would stand in a chart that none could be made out."""
    return len(groups) * len(order) > MOST


def offsets(groups):
    """Where each group stands beside the middle of a region, regions being 1 apart."""
    return {group: (k - (len(groups) - 1) / 2) * GROUP_WIDTH / max(1, len(groups)) for k, group in enumerate(groups)}


def summary(frame, order):
    """What each bar or dot says: group -> a row a region in this order, with roi, mean, min, max, subjects (how many),
    n and layers (`6, 8`: those that were used, once each)."""
    found = frame.groupby(["group", "roi"], sort=False)
    rows = found.value.agg(["mean", "min", "max", "count"]).rename(columns={"count": "subjects"})
    layers = {}
    for group, roi, layer in sorted(zip(frame.group, frame.roi, frame.layer)):
        if np.isfinite(layer):
            layers.setdefault((group, roi), {})[f"{layer:g}"] = None
    rows["n"], rows["layers"] = found.n.sum(), [", ".join(layers.get(key, ())) for key in rows.index]
    rows = rows.reset_index().sort_values("roi", key=lambda names: names.map({roi: k for k, roi in enumerate(order)}))
    return dict(list(rows.groupby("group")))


def _wrapped(name):
    return name.replace(" (", "<br>(").replace(" stream", "<br>stream")


def _bars(frame, groups, at, places, colours, names, marks):
    """A trace of bars and one of points for each group, and the marks."""
    width = GROUP_WIDTH / max(1, len(groups))
    size = 6 if len(groups) * len(at) < 50 else 4
    own = {group: frame[frame.group == group] for group in groups}
    means = summary(frame, at)
    bars = [_bar(means[group], at, places[group], width, colours[group], names[group]) for group in groups]
    points = [_points(rows, at, places[group], width, size) for group, rows in own.items()]
    return [*bars, *points, *([_marks(frame, at, places, marks)] if marks else [])]


def _bar(means, at, offset, width, colour, name):
    return {
        "type": "bar",
        "x": [at[roi] + offset for roi in means.roi],
        "y": means["mean"].to_numpy(),
        "width": width * 0.94,
        "name": name,
        "marker": {"color": colour, "line": EDGE},
        "customdata": means[["roi", "subjects", "n", "layers"]].to_numpy(),
        "hovertemplate": "%{customdata[0]}<br>mean %{y:.3f} over %{customdata[1]} subjects"
        "<br>%{customdata[2]} units, layer %{customdata[3]}",
    }


def _points(rows, at, offset, width, size):
    """Subjects side by side within their bar, always in the same order."""
    rows = rows.dropna(subset=["value"])
    subjects = sorted(set(rows.subject))
    spread = dict(zip(subjects, np.linspace(-0.3, 0.3, len(subjects)) if len(subjects) > 1 else [0.0]))
    about = rows[["subject", "roi", "n", "n_all", "layer"]].assign(interval=_intervals(rows))
    return {
        "type": "scatter",
        "x": [at[roi] + offset + spread[subject] * width for roi, subject in zip(rows.roi, rows.subject)],
        "y": rows.value.to_numpy(),
        "mode": "markers",
        "name": "subjects",
        "marker": {"size": size} | RING,
        "error_y": _error(rows.value, rows.low, rows.high, 1),
        "customdata": about.to_numpy(),
        "hovertemplate": "%{customdata[0]}, %{customdata[1]}: %{y:.3f}%{customdata[5]}"
        "<br>%{customdata[2]} of %{customdata[3]} units, layer %{customdata[4]}<extra></extra>",
        "showlegend": False,
    }


def _error(value, low, high, thickness, colour=INTERVAL):
    ends = {"array": (high - value).to_numpy(), "arrayminus": (value - low).to_numpy()}
    return ends | {"color": colour, "thickness": thickness, "width": 0}


def _intervals(rows):
    known = rows.low.notna()
    return [f" [{low:.3f}, {high:.3f}]" if k else "" for low, high, k in zip(rows.low, rows.high, known)]


def _marks(frame, at, places, marks):
    """Each mark above all that is drawn at its bar."""
    top = frame[["value", "high"]].max(axis=1).groupby([frame.roi, frame.group]).max()
    lift = 0.02 * top.max()
    shown = [(roi, group) for roi, group in marks if (roi, group) in top.index and group in places]
    return {
        "type": "scatter",
        "x": [at[roi] + places[group] for roi, group in shown],
        "y": [top[key] + lift for key in shown],
        "text": [marks[key] for key in shown],
        "mode": "text",
        "textposition": "top center",
        "textfont": {"size": 9},
        "hoverinfo": "skip",
        "showlegend": False,
        "name": "differences",
    }


def _dots(frame, groups, at, places, colours, names, marks):
    """A dot for each mean with a line from the lowest subject to the highest; a mark is the shape of its dot."""
    traces, all_means, dot = [], summary(frame, at), {"size": 7, "line": EDGE | {"width": 0.5}}
    for group in groups:
        means = all_means[group]
        found = [marks.get((roi, group)) for roi in means.roi]
        trace = {
            "type": "scatter",
            "x": [at[roi] + places[group] for roi in means.roi],
            "y": means["mean"].to_numpy(),
            "mode": "markers",
            "name": names[group],
            "legendgroup": group or names[group],
            "marker": {
                "color": colours[group],
                "size": [9 if one else 7 for one in found] if marks else 7,
                "line": EDGE,
            },
            "error_y": _error(means["mean"], means["min"], means["max"], 1.5, translucent(colours[group], 0.55)),
            "customdata": means[["roi", "subjects", "min", "max", "n", "layers"]].to_numpy(),
            "hovertemplate": "%{customdata[0]}<br>mean %{y:.3f} over %{customdata[1]} subjects, from "
            "%{customdata[2]:.3f} to %{customdata[3]:.3f}<br>%{customdata[4]} units, layer %{customdata[5]}",
        }
        if marks:  # the legend would show the shape of the first
            plain = {"x": [None], "y": [None], "marker": dot | {"color": colours[group]}, "error_y": None}
            traces.append({k: v for k, v in (trace | plain).items() if k not in ("customdata", "hovertemplate")})
            trace["marker"]["symbol"] = [SYMBOLS.get(one, "circle") for one in found]
            trace["showlegend"] = False
        traces.append(trace)
    return traces


def _ceilings(frame, order):
    """The mean over subjects of each ROI's noise ceiling: a line, or a band from its lower bound up; its interval."""
    means = frame.drop_duplicates(["subject", "roi"]).groupby("roi")[list(frame.filter(like="ceiling"))].mean()
    means = means.reindex(order)
    if "ceiling_low" in means and "ceiling_high" not in means:
        look = {"fillcolor": translucent(MUTED, 0.35), "line": {"color": MUTED, "width": 1}, "name": "noise ceiling"}
        return [_bands(means.ceiling_low, means.ceiling) | look]
    x, y, said = [], [], []
    for i, (ceiling, *ends) in enumerate(means.to_numpy()):
        if np.isfinite(ceiling):
            x += [i - GROUP_WIDTH / 2, i + GROUP_WIDTH / 2, None]
            y += [ceiling, ceiling, None]
            known = ends and np.isfinite(ends).all()
            said += [f"noise ceiling {ceiling:.3f}" + (f" [{ends[0]:.3f}, {ends[1]:.3f}]" if known else "")] * 3
    line = {
        "type": "scatter",
        "x": x,
        "y": y,
        "mode": "lines",
        "name": "noise ceiling",
        "line": {"color": MUTED, "width": 2, "dash": "dot"},
        "text": said,
        "hovertemplate": "%{text}<extra></extra>",
    }
    if "ceiling_high" not in means or not means.ceiling_high.notna().any():
        return [line]
    look = {"fillcolor": translucent(MUTED, 0.2), "line": {"width": 0}, "showlegend": False}
    return [_bands(means.ceiling_low, means.ceiling_high) | look, line]


def _bands(lows, highs):
    """A box a region, in their order, from a value to another."""
    x, y = [], []
    for i, (low, high) in enumerate(zip(lows, highs)):
        if np.isfinite(low) and np.isfinite(high):
            left, right = i - GROUP_WIDTH / 2, i + GROUP_WIDTH / 2
            x += [left, right, right, left, left, None]
            y += [low, low, high, high, low, None]
    return {"type": "scatter", "x": x, "y": y, "mode": "lines", "fill": "toself", "hoverinfo": "skip"}


def _family_bands(regions):
    """Every other family of ROIs on a faint ground, with its name along the top: parts of a layout."""
    order, shapes, notes = list(regions), [], []
    for k, (name, members) in enumerate(groupby(order, key=regions.get)):
        members = [order.index(member) for member in members]
        low, high = members[0] - 0.5, members[-1] + 0.5
        if k % 2 == 0:
            shapes.append(
                {"type": "rect", "x0": low, "x1": high, "y0": 0, "y1": 1, "yref": "paper", "layer": "below",
                 "fillcolor": translucent(MUTED, 0.09), "line": {"width": 0}}
            )  # fmt: skip
        text = name.replace(" and ", "<br>and ") if high - low < 3 else name
        notes.append(
            {"x": (low + high) / 2, "y": 1, "yref": "paper", "yanchor": "bottom", "text": text, "showarrow": False,
             "font": {"size": 11}, "opacity": 0.75}
        )  # fmt: skip
    return {"shapes": shapes, "annotations": notes}
