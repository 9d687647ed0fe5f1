"""A two-circle Venn diagram whose areas are the numbers."""

import numpy as np
import plotly.graph_objects as go

from brainalign.figures.numerals import digits, said
from brainalign.figures.theme import MUTED, finish, translucent

GAP = 0.06  # between circles that share nothing, in radii of the larger one
CORNERS = 180  # of what is drawn as a circle: its area falls short by 1 in 5,000


def overlap(a, b, distance):
    """Area that two circles of radii a and b have in common, their centres `distance` apart."""
    if distance >= a + b:
        return 0.0
    if distance <= abs(a - b):
        return np.pi * min(a, b) ** 2
    at_a = np.arccos(np.clip((distance**2 + a**2 - b**2) / (2 * distance * a), -1, 1))
    at_b = np.arccos(np.clip((distance**2 + b**2 - a**2) / (2 * distance * b), -1, 1))
    return a**2 * (at_a - np.sin(2 * at_a) / 2) + b**2 * (at_b - np.sin(2 * at_b) / 2)


def circles(unique_a, shared, unique_b):
    """Radii and distance of two circles with these three areas; negative and vanishing areas count as 0."""
    least = 1e-9 * max(unique_a, shared, unique_b, 0.0)
    unique_a, shared, unique_b = (float(part) if part > least else 0.0 for part in (unique_a, shared, unique_b))
    a, b = np.sqrt((unique_a + shared) / np.pi), np.sqrt((unique_b + shared) / np.pi)
    if shared == 0:
        return a, b, a + b + GAP * max(a, b)
    if min(unique_a, unique_b) == 0:
        return a, b, abs(a - b)
    near, far = abs(a - b), a + b
    for _ in range(60):  # halvings: the overlap falls with the distance
        middle = (near + far) / 2
        near, far = (middle, far) if overlap(a, b, middle) > shared else (near, middle)
    return a, b, (near + far) / 2


def venn(parts, names, colours):
    """Two circles: variance that a explains alone, both share, b explains alone.

    parts : dict unique_a, shared, unique_b (signed); names, colours : dict a, b
    Areas are proportional to max(0, part); the numbers written in them are signed.
    """
    a, b, distance = circles(parts["unique_a"], parts["shared"], parts["unique_b"])
    figure = go.Figure()
    for centre, radius, which in ((0.0, a, "a"), (distance, b, "b")):
        if radius > 0:
            figure.add_trace(circle((centre, 0.0), radius, names[which], colours[which]))
    called = {"unique_a": f"{names['a']} only", "shared": "shared", "unique_b": f"{names['b']} only"}
    outside = _label_parts(figure, parts, called, a, b, distance)
    _label_circles(figure, names, a, b, distance)
    scale = max(a, b) or 1.0
    left, right = min(-a, distance - b), max(a, distance + b)
    figure.update_xaxes(visible=False, range=[left - 0.4 * scale, right + 0.4 * scale])
    figure.update_yaxes(visible=False, range=[-(1.45 if outside else 1.1) * scale, 1.35 * scale], scaleanchor="x")
    return finish(figure, 400, showlegend=False, dragmode=False)


def circle(centre, radius, name, colour):
    """A filled outline around a centre (x, y)."""
    angle = np.linspace(0, 2 * np.pi, CORNERS + 1)
    return go.Scatter(
        x=(centre[0] + radius * np.cos(angle)).astype("f4"),
        y=(centre[1] + radius * np.sin(angle)).astype("f4"),
        mode="lines",
        fill="toself",
        fillcolor=translucent(colour, 0.42),
        line={"color": colour, "width": 2},
        name=name,
        hoverinfo="name",
        hoveron="fills",
    )


def regions(a, b, distance):
    """Left and right end of each part along the line through both centres; None where it is not drawn."""
    ends = {
        "unique_a": (-a, min(a, distance - b)),
        "shared": (max(-a, distance - b), min(a, distance + b)),
        "unique_b": (max(distance - b, a), distance + b),
    }
    return {part: (low, high) if high - low > 1e-9 else None for part, (low, high) in ends.items()}


def _label_parts(figure, parts, called, a, b, distance):
    """The signed number in each region, or below where that is too narrow or not drawn; returns how many are."""
    scale, below, decimals = max(a, b) or 1.0, [], digits(list(parts.values()))
    places = {"unique_a": -a, "shared": (a + distance - b) / 2, "unique_b": distance + b}
    for part, ends in regions(a, b, distance).items():
        text = said(parts[part], decimals)
        middle = sum(ends) / 2 if ends else places[part]
        if ends and ends[1] - ends[0] > 0.45 * scale:
            figure.add_annotation(x=middle, y=0, text=f"<b>{text}</b>", showarrow=False, font_size=16)
            continue
        at = max(middle, below[-1] + scale) if below else middle
        below.append(at)
        figure.add_annotation(
            x=at, y=-1.28 * scale, text=f"{called[part]} <b>{text}</b>", showarrow=False, font_size=14
        )
        if ends:
            figure.add_shape(
                type="line", x0=middle, y0=0, x1=at, y1=-1.18 * scale, line={"color": MUTED, "width": 1.5}
            )
    return len(below)


def _label_circles(figure, names, a, b, distance):
    """Each circle's name above it, pulled apart where the circles lie in one another."""
    top, apart = 1.12 * (max(a, b) or 1.0), 0.35 * (max(a, b) or 1.0)
    at_a, at_b = (0.0, distance) if distance > 2 * apart else (distance / 2 - apart, distance / 2 + apart)
    figure.add_annotation(x=at_a, y=top, text=names["a"], showarrow=False, font_size=15, yanchor="bottom")
    figure.add_annotation(x=at_b, y=top, text=names["b"], showarrow=False, font_size=15, yanchor="bottom")
