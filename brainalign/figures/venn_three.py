"""Three circles: each one's area and each two's overlap are true where possible; the middle is what results."""

import numpy as np
import plotly.graph_objects as go

from brainalign.figures.numerals import digits, said
from brainalign.figures.theme import finish
from brainalign.figures.venn import circle, circles

GRID = 160  # points a side, to find the middle of each region
HIGH, SIZE = 340, 13  # pixels: height of the circles, of their numbers


def layout(parts):
    """Radii and centres (3, 2) of circles a, b, c for the seven signed parts; negative ones count as 0.

    Each circle has the area of its whole. Two of them lie so that their overlap is what they share, with or without
    the third; where three such distances make no triangle, the longest gives way.
    """
    part = {name: max(0.0, float(value)) for name, value in parts.items()}
    whole = {s: sum(v for name, v in part.items() if s in name.split("_")[1]) for s in "abc"}
    radii = np.sqrt(np.array([whole[s] for s in "abc"]) / np.pi)
    distance = {}
    for x, y in ("ab", "ac", "bc"):
        both = part[f"shared_{x}{y}"] + part["shared_abc"]
        distance[x + y] = circles(whole[x] - both, both, whole[y] - both)[2]
    longest = max(distance, key=distance.get)
    distance[longest] = min(distance[longest], sum(d for pair, d in distance.items() if pair != longest))
    ab, ac, bc = distance["ab"], distance["ac"], distance["bc"]
    x = (ab**2 + ac**2 - bc**2) / (2 * ab) if ab > 0 else ac
    y = np.sqrt(max(0.0, ac**2 - x**2))
    return radii, np.array([[0, 0], [ab, 0], [x, -y]])


def middles(radii, centres):
    """Share of the drawing and middle of each region that the circles make: part -> (share, (x, y))."""
    low, high = (centres - radii[:, None]).min(0), (centres + radii[:, None]).max(0)
    x, y = np.meshgrid(*(np.linspace(a, b, GRID) for a, b in zip(low, high)))
    inside = [(x - cx) ** 2 + (y - cy) ** 2 <= r**2 for (cx, cy), r in zip(centres, radii)]
    found = {}
    for code in range(1, 8):
        members = [bool(code & (1 << k)) for k in range(3)]
        here = np.logical_and.reduce([mask == member for mask, member in zip(inside, members)])
        if here.any():
            letters = "".join(s for s, member in zip("abc", members) if member)
            name = ("unique_" if len(letters) == 1 else "shared_") + letters
            found[name] = here.mean(), _deepest(here, x, y)
    return found


def _deepest(here, x, y):
    """The point of a region that is farthest from its edge."""
    from scipy.ndimage import distance_transform_edt

    row, column = np.unravel_index(distance_transform_edt(np.pad(here, 1)).argmax(), (GRID + 2, GRID + 2))
    return float(x[row - 1, column - 1]), float(y[row - 1, column - 1])


def fits(at, half, tall, places, sizes):
    """Whether a text around a point lies within a single region of the circles.

    at : (x, y); half, tall : half its width and height; places, sizes : (3, 2) centres and (3,) radii
    """
    corners = at + np.array([(0, 0), *((i * half, k * tall) for i in (-1, 0, 1) for k in (-1, 1))])
    inside = np.hypot(*(corners[:, None] - places).transpose(2, 0, 1)) < sizes
    return bool((inside == inside[0]).all())


def venn_three(parts, names, colours):
    """Three circles with the signed number of each part in it where there is room.

    parts : unique_a ..., shared_ab ..., shared_abc (signed); names, colours : dict a, b, c
    """
    radii, centres = layout(parts)
    drawn = [circle(centre, r, names[s], colours[s]) for s, r, centre in zip("abc", radii, centres) if r > 0]
    figure = go.Figure(drawn).update_traces(showlegend=True)
    margin = 0.05 * (radii.max() or 1.0)
    low, high = (centres - radii[:, None]).min(0) - margin, (centres + radii[:, None]).max(0) + margin
    letter, places = (high - low)[1] / HIGH * SIZE, digits(list(parts.values()))
    for name, (_, at) in middles(radii, centres).items() if radii.any() else ():
        text = said(parts[name], places)
        if fits(np.array(at), 0.32 * len(text) * letter, 0.6 * letter, centres, radii):
            figure.add_annotation(x=at[0], y=at[1], text=text, showarrow=False, font_size=SIZE)
    figure.update_xaxes(visible=False, range=[low[0], high[0]])
    figure.update_yaxes(visible=False, range=[low[1], high[1]], scaleanchor="x")
    return finish(figure, HIGH + 80, dragmode=False)
