"""The flattened cortex of fsaverage5: which vertex each pixel shows, its folds, and outlines of regions.

Vertices are counted with the right hemisphere after the left (0..20483). Pixel coordinates have x to the
right and y downwards from the top left corner, so that pixel (row, column) has its centre at (column + 0.5,
row + 0.5). The left hemisphere is on the left, dorsal is up, and both occipital poles face the middle.
"""

import hashlib
import io
from collections import defaultdict
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path

import numpy as np

N_VERTICES = 20484  # 10,242 in each hemisphere
MARGIN, GAP = 8, 20  # pixels around the cortex and between the hemispheres


@dataclass(frozen=True)
class FlatGeometry:
    """A flat picture of cortex.

    pixel_vertex : (height, width) int32, the vertex shown by each pixel; -1 outside the cortex
    curvature : (n_vertices,) float32, positive in sulci
    xy : (n_vertices, 2) float32, pixel coordinates; NaN where a vertex belongs to no flat face
    faces : (n_faces, 3) int32
    """

    pixel_vertex: np.ndarray
    curvature: np.ndarray
    xy: np.ndarray
    faces: np.ndarray

    def __post_init__(self):
        n = len(self.curvature)
        if self.xy.shape != (n, 2) or self.faces.shape[1:] != (3,) or self.pixel_vertex.ndim != 2:
            shapes = f"xy {self.xy.shape}, faces {self.faces.shape}, pixels {self.pixel_vertex.shape}"
            raise ValueError(f"flat geometry does not fit its {n} vertices: {shapes}")
        if self.pixel_vertex.max() >= n or self.faces.max() >= n:
            raise ValueError(f"flat geometry points beyond its {n} vertices")

    @property
    def height(self):
        return self.pixel_vertex.shape[0]

    @property
    def width(self):
        return self.pixel_vertex.shape[1]

    @cached_property
    def hash(self):
        """16 hex digits that change with any of the content."""
        digest = hashlib.sha256()
        for array in (self.pixel_vertex, self.curvature, self.xy, self.faces):
            digest.update(str((array.shape, array.dtype.str)).encode() + array.tobytes())
        return digest.hexdigest()[:16]

    @cached_property
    def edges(self):
        """Edges (n_edges, 2), edges of each face (n_faces, 3), whether an edge is on the rim (n_edges,)."""
        sides = np.sort(self.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
        edges, of_face, count = np.unique(sides, axis=0, return_inverse=True, return_counts=True)
        return edges, of_face.reshape(-1, 3), count == 1

    @cached_property
    def turns(self):
        """Where outlines can turn: the middle of each edge, then each vertex, (n_edges + n_vertices, 2)."""
        return np.concatenate([self.xy[self.edges[0]].mean(1), self.xy])


@cache
def flat_geometry(width=1024, height=512):
    """fsaverage5 on a picture of that many pixels, from the meshes that the nilearn package ships."""
    hemispheres = [_hemisphere(side) for side in ("left", "right")]
    boxes = [(xy[faces].min((0, 1)), xy[faces].max((0, 1))) for xy, faces, _ in hemispheres]
    sizes = np.array([high - low for low, high in boxes])
    scale = min((width - 2 * MARGIN - GAP) / sizes[:, 0].sum(), (height - 2 * MARGIN) / sizes[:, 1].max())
    left = (width - GAP - scale * sizes[:, 0].sum()) / 2
    starts = [left, left + scale * sizes[0, 0] + GAP]
    low_y, high_y = min(low[1] for low, _ in boxes), max(high[1] for _, high in boxes)
    bottom = (height + scale * (high_y + low_y)) / 2
    xy = [
        np.c_[start + scale * (flat[:, 0] - low[0]), bottom - scale * flat[:, 1]]
        for start, (low, _), (flat, _, _) in zip(starts, boxes, hemispheres)
    ]
    xy = np.concatenate(xy)
    faces = np.concatenate([hemispheres[0][1], hemispheres[1][1] + len(hemispheres[0][0])])
    curvature = np.concatenate([curvature for *_, curvature in hemispheres])
    on_flat = np.zeros(len(xy), bool)
    on_flat[faces] = True
    xy[~on_flat] = np.nan  # vertices without a flat face keep stray coordinates in the file
    pixels = _pixel_vertex(xy, faces, on_flat, width, height)
    return FlatGeometry(pixels, curvature.astype("f4"), xy.astype("f4"), faces.astype("i4"))


def _hemisphere(side):
    """Flat coordinates (n, 2), faces (m, 3) and curvature (n,) of one hemisphere."""
    coordinates, faces = _arrays(f"flat_{side}")
    return coordinates[:, :2].astype("f8"), faces.astype("i4"), _arrays(f"curv_{side}")[0]


def _arrays(name):
    """The arrays of a file of fsaverage5 that the nilearn package ships."""
    import nibabel

    folder = Path(find_spec("nilearn").origin).parent / "datasets" / "data" / "fsaverage5"
    return [array.data for array in nibabel.load(folder / f"{name}.gii.gz").darrays]


@cache
def mesh(kind):
    """fsaverage5 in three dimensions: coordinates (20484, 3) float32 in mm and faces (40960, 3) int32.

    kind : "white", "pial" or "infl" (inflated). Each hemisphere has coordinates of its own, x to the right, y to the
    front and z up; inflated hemispheres overlap and have to be moved apart to be seen.
    """
    sides = [_arrays(f"{kind}_{side}") for side in ("left", "right")]
    faces = [sides[0][1], sides[1][1] + len(sides[0][0])]
    return np.concatenate([xyz for xyz, _ in sides]).astype("f4"), np.concatenate(faces).astype("i4")


def _pixel_vertex(xy, faces, on_flat, width, height):
    """The nearest vertex of every pixel whose centre lies in a face."""
    from scipy.spatial import cKDTree

    column, row = np.unique(_painted(xy[faces], width, height), axis=0).T
    vertices = np.flatnonzero(on_flat)
    nearest = cKDTree(xy[vertices]).query(np.c_[column + 0.5, row + 0.5])[1]
    image = np.full((height, width), -1, "i4")
    image[row, column] = vertices[nearest]
    return image


def _painted(triangles, width, height):
    """(column, row) of the pixels whose centre lies in a triangle (n, 3 corners, 2); some may come twice."""
    low = np.maximum(np.ceil(triangles.min(1) - 0.5).astype(int), 0)
    high = np.minimum(np.floor(triangles.max(1) - 0.5).astype(int), [width - 1, height - 1])
    columns, rows = np.maximum(high - low + 1, 0).T
    which = np.repeat(np.arange(len(triangles)), columns * rows)  # candidates: each triangle's bounding box
    within = np.arange(len(which)) - np.repeat(np.cumsum(columns * rows) - columns * rows, columns * rows)
    pixel = low[which] + np.c_[within % columns[which], within // columns[which]]
    a, b, c = triangles[which].transpose(1, 0, 2)
    turns = np.stack([_cross(q - p, pixel + 0.5 - p) for p, q in ((a, b), (b, c), (c, a))])
    return pixel[(turns >= 0).all(0) | (turns <= 0).all(0)]


def _cross(a, b):
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def outlines(geometry, inside):
    """Closed polylines around the vertices where `inside` (n_vertices,) is True: (n, 2) pixel positions.

    They run through the middle of each edge that leaves the region, and along the rim where the region meets
    a cut. The first point of a polyline is repeated at its end.
    """
    points, segments = _contour(geometry, np.asarray(inside, bool))
    at = defaultdict(list)
    for k, (a, b) in enumerate(segments):
        at[a].append((k, b))
        at[b].append((k, a))
    used, lines = np.zeros(len(segments), bool), []
    for start in sorted(at):
        while walk := _walk(start, at, used):
            lines.append(points[walk])
    return lines


def _contour(geometry, inside):
    """Points (n_edges + n_vertices, 2) and the segments (pairs of point numbers) that bound a region."""
    edges, of_face, rim = geometry.edges
    ends = inside[edges]
    mixed = ends[:, 0] != ends[:, 1]
    crossing = mixed[of_face]
    through = of_face[crossing.any(1)][crossing[crossing.any(1)]].reshape(-1, 2)
    along = edges[rim & ends.all(1)] + len(edges)
    half = np.flatnonzero(rim & mixed)
    inner = np.where(ends[half, 0], edges[half, 0], edges[half, 1]) + len(edges)
    return geometry.turns, np.concatenate([through, along, np.c_[half, inner]]).tolist()


def _walk(start, at, used):
    """Points on one way from `start` over unused segments back to it; empty if there is none."""
    way, here = [start], start
    while free := [(k, to) for k, to in at[here] if not used[k]]:
        k, here = free[0]
        used[k] = True
        way.append(here)
        if here == start:
            break
    return way if len(way) > 1 else []


def label_positions(geometry, inside):
    """Where to write a region's name: one (x, y) in each hemisphere, the pixel deepest inside the region."""
    shown = (geometry.pixel_vertex >= 0) & np.asarray(inside, bool)[geometry.pixel_vertex]
    right = geometry.pixel_vertex >= len(geometry.curvature) // 2
    return [_deepest(part) for part in (shown & ~right, shown & right) if part.any()]


def _deepest(mask):
    """(x, y) of the centre of the pixel that is farthest from the outside of a mask (height, width)."""
    from scipy.ndimage import distance_transform_edt

    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    depth = distance_transform_edt(np.pad(box, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(depth.argmax(), depth.shape)
    return float(columns[0] + column + 0.5), float(rows[0] + row + 0.5)


def to_bytes(geometry):
    """A compact copy for a database; the same geometry gives the same bytes."""
    file = io.BytesIO()
    np.savez_compressed(
        file,
        pixel_vertex=geometry.pixel_vertex,
        curvature=geometry.curvature,
        xy=geometry.xy,
        faces=geometry.faces,
    )
    return file.getvalue()


def from_bytes(data):
    """The geometry that `to_bytes` wrote."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return FlatGeometry(**arrays)
