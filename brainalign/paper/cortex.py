"""Flatmaps on paper: the screen's pixels at full resolution under outlines, names and a colour key in vectors."""

from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import pandas as pd

from brainalign import surface
from brainalign.figures import flatmap as screen
from brainalign.figures.flatmap import palettes, pictures
from brainalign.paper import key, labels, raster
from brainalign.paper.asked import Asked
from brainalign.paper.page import Plot
from brainalign.paper.sheet import INK, MM, MUTED, text_path, text_width

GAP = 4.0  # mm between maps
TITLE = 4.5  # mm for a map's title
WIDE = 120.0  # mm from which a map is wide; others have smaller names and thinner outlines
NAMES, SMALL_NAMES = (6.5, 6, 5), (6, 5)  # points: the largest at which all regions find room; 5 is journals' least
COARSE = 2  # every other pixel is enough to find room for names
LINES = ((1.5, "#000000", 0.55), (0.6, "#ffffff", 1.0)), ((1.5, "#ffffff", 0.6), (0.6, "#222222", 1.0))


@dataclass(frozen=True)
class Map:
    """One map and the cortex it lies on.

    geometry : surface.FlatGeometry; flat_units : (n_vertices,) unit or -1; nc : (n_units,) percent
    rois : name -> units, for those to outline; picture : figures.flatmap.Picture; layer : the number shown
    threshold : lowest noise ceiling shown, in percent; subject, title : whose it is; what stands above it
    margin : by how much a class must be ahead not to be a tie; lines : width of the outlines, 1 being medium
    asked : what was asked for
    """

    geometry: surface.FlatGeometry
    flat_units: np.ndarray
    nc: np.ndarray
    rois: dict
    picture: screen.Picture
    layer: int
    threshold: float
    subject: str
    title: str = ""
    margin: float = 0.0
    lines: float = 1.0
    asked: Asked | None = None

    @property
    def values(self):
        """What is shown of each unit, (n_units,); of classes their numbers, ties being the last."""
        return pictures.settled(self.picture, self.margin).values[self.picture.row(self.layer)]

    @property
    def at(self):
        """The number of the layer that is shown, or CHOSEN; None where there is none."""
        picture = self.picture
        return picture.layers[picture.row(self.layer)] if picture.layered else picture.first

    @property
    def shown(self):
        return pictures.shown(self.picture, self.layer, self.nc, self.threshold)


def flatmap(maps, about, choices=None, query="", note=""):
    """A `Plot` of one map, or of several in a grid with the same limits; note : a warning that stands in the key."""
    limits = palettes.limits_of([one.picture for one in maps])

    @cache
    def named(k, wide):
        return _named(maps[k], wide)

    def draw(sheet, x, y, width):
        columns, wide = _grid(len(maps), width)
        for k, one in enumerate(maps):
            row, column = divmod(k, columns)
            at = x + column * (wide + GAP), y + row * _map_height(one, wide)
            _draw_map(sheet, one, limits, *at, wide, *named(k, wide)[:2])
        below = y + _map_height(maps[0], wide) * -(-len(maps) // columns) + 1
        key.draw(sheet, maps[0].picture, limits, x, below, width, note)

    def height(width):
        columns, wide = _grid(len(maps), width)
        return _map_height(maps[0], wide) * -(-len(maps) // columns) + 1 + key.height(maps[0].picture, width, note)

    def notes(width):
        _, wide = _grid(len(maps), width)
        left = {one.title: named(k, wide)[2] for k, one in enumerate(maps)}
        told = "; ".join(f"{title}: {', '.join(names)}".removeprefix(": ") for title, names in left.items() if names)
        return f"Outlined without a name, for which there is no room: {told}." if told else ""

    data = pd.concat(map(_table, maps), ignore_index=True)
    return Plot("flatmap", draw, height, data, about, choices or {}, query, tuple(maps), notes=notes)


def _table(one):
    """One row a unit."""
    columns = {"subject": one.subject, "map": one.title, "unit": np.arange(len(one.nc)), "value": one.values}
    if one.picture.classes:
        names = np.array([name for name, _ in one.picture.classes] + [""], object)
        columns["class"] = names[np.nan_to_num(one.values, nan=-1).astype(int)]
    if one.picture.lead is not None:
        columns["lead"] = one.picture.lead
    if one.picture.second:
        columns["opacity"] = one.picture.second.weights / 255
        if one.picture.second.words:
            columns["significance"] = [one.picture.second.words[weight] for weight in one.picture.second.weights]
    return pd.DataFrame(columns | {"noise_ceiling": one.nc, "drawn": one.shown})


def _grid(n, width):
    """(columns, mm of each)."""
    columns = 1 if n == 1 or width < 60 else 3 if n > 4 and width > 150 else 2
    return columns, (width - (columns - 1) * GAP) / columns


def _map_height(one, width):
    return width * raster.rows(one.geometry)[1] / one.geometry.width + (TITLE if one.title else 0)


# --- One map ---


def _draw_map(sheet, one, limits, x, y, width, names, size):
    """names : Labels; size : of theirs, in points."""
    from matplotlib.transforms import Affine2D

    geometry = one.geometry
    first, rows = raster.rows(geometry)
    if one.title:
        sheet.text(x + width / 2, y + TITLE / 2 - 0.3, one.title, ha="center")
        y += TITLE
    scale = width / geometry.width  # mm a pixel of the geometry
    to_page = Affine2D().translate(0, -first).scale(scale).translate(x, y)
    rim = _path(surface.outlines(geometry, np.isin(np.arange(len(geometry.xy)), geometry.faces)), False)
    image = sheet.page.imshow(
        pixels(one, limits, round(width * MM * sheet.dpi)),
        extent=(x, x + width, y + rows * scale, y), interpolation="none", aspect="auto",
    )  # fmt: skip
    image.set_clip_path(to_page.transform_path(rim), sheet.page.transData)
    sheet.page.set(xlim=(0, sheet.width), ylim=(sheet.height, 0))
    _outline(sheet, one, to_page)
    for label in names:
        _lead(sheet, label, x, y)
    for label in names:
        _write(sheet, label, x, y, size)
    for side, at, ha in (("L", 0.5, "left"), ("R", width - 0.5, "right")):
        sheet.text(x + at, y + 2, side, ha=ha, color=MUTED)


def pixels(one, limits, columns):
    """The map as a picture (height, columns, 3) uint8; white outside cortex."""
    picture = one.picture
    units = palettes.unit_colours(one.values, limits, palettes.table_of(picture))
    weights = picture.second.weights if picture.second else None
    found = palettes.vertex_colours(one.geometry, one.flat_units, units, one.shown, weights)
    return found[raster.enlarge(one.geometry, columns)]


def _inside(one, units):
    """(n_vertices,) True where a vertex shows one of these units."""
    member = np.zeros(len(one.nc), bool)
    member[units] = True
    return (one.flat_units >= 0) & member[one.flat_units]


def _path(lines, rounded=True):
    """Closed polylines as one path; rounded: a curve through the middle of each stretch, as on the screen."""
    from matplotlib.path import Path

    points, codes = [np.zeros((0, 2))], []
    for line in lines:
        if not rounded:
            points.append(line)
            codes += [Path.MOVETO] + [Path.LINETO] * (len(line) - 1)
            continue
        after = np.roll(line[:-1], -1, axis=0)
        middle = (line[:-1] + after) / 2
        curves = np.stack([after, np.roll(middle, -1, axis=0)], axis=1).reshape(-1, 2)
        points += [middle[:1], curves]
        codes += [Path.MOVETO] + [Path.CURVE3] * len(curves)
    return Path(np.concatenate(points), codes)


def _outline(sheet, one, to_page):
    lines = [line for units in one.rois.values() for line in surface.outlines(one.geometry, _inside(one, units))]
    lines = [line for line in lines if len(line) > screen.SPECK]
    path = to_page.transform_path(_path(lines))
    thin = 1.0 if to_page.transform((one.geometry.width, 0))[0] - to_page.transform((0, 0))[0] > WIDE else 0.65
    for width, colour, alpha in LINES[one.picture.diverging or bool(one.picture.classes)] if lines else ():
        sheet.path(path, line=colour, width=width * thin * one.lines, alpha=alpha)


def _named(one, width):
    """(Labels, their size, what is left out) of a map so many mm wide: white on the colours, dark beside them."""
    first, rows = raster.rows(one.geometry)
    scale = width / one.geometry.width
    vertex = one.geometry.pixel_vertex[first : first + rows : COARSE, ::COARSE]
    right, regions = vertex >= len(one.geometry.curvature) // 2, []
    for name, units in one.rois.items():
        inside = _inside(one, units)
        mask = np.append(inside, False)[vertex]
        for across, down in surface.label_positions(one.geometry, inside):
            side = across > one.geometry.width / 2
            regions.append((name, (across * scale, (down - first) * scale), mask & (right == side)))
    busy = np.append(_inside(one, one.shown), False)[vertex]
    sizes = NAMES if width > WIDE else SMALL_NAMES
    for size in sizes:
        wide, high = partial(text_width, size=size), size / 72 / MM
        found = labels.place(regions, busy, 1 / scale / COARSE, wide, high, patient=size == sizes[-1])
        if len(found) == len(regions):
            break
    there = {(label.text, label.x > width / 2) for label in found}
    places = {(name, at[0] > width / 2) for name, at, _ in regions}
    return found, size, [f"{('left', 'right')[side]} {name}" for name, side in sorted(places - there)]


def _lead(sheet, label, x, y):
    """The line from a name beside the colours to its place."""
    if label.anchor:
        line = np.array([label.start, label.anchor]) + np.array([x, y])
        for width, colour in ((1.3, "#ffffff"), (0.5, INK)):
            sheet.lines([line], colour, width, capstyle="round", zorder=4)
        sheet.path(_dot(line[1]), fill=INK, line="#ffffff", width=0.4, zorder=5)


def _dot(at, radius=0.35):
    from matplotlib.path import Path

    return Path.circle(at, radius)


def _write(sheet, label, x, y, size):
    """The name as text; its halo is a path beneath, because text with an effect would no longer be text."""
    from matplotlib.transforms import Affine2D

    colour, halo, wide = (INK, "#ffffff", 1.4) if label.anchor else ("#ffffff", "#000000", 1.6)
    left, base = x + label.x - label.width / 2, y + label.y + 0.36 * size / 72 / MM
    shape = text_path(label.text, size)
    to_page = Affine2D().scale(1 / 72 / MM, -1 / 72 / MM).translate(left, base)
    sheet.path(to_page.transform_path(shape), line=halo, width=wide, alpha=0.8, zorder=6)
    sheet.text(left, base, label.text, fontsize=size, color=colour, va="baseline", ha="left", zorder=7)
