"""A simulated subject's anatomy: an own head shape, native surfaces, a coarse volume grid, the maps between them.

Every voxel that a surface passes through belongs to one home vertex of fsaverage5, and takes its regions from it.
"""

from dataclasses import dataclass

import numpy as np

from brainalign.demo.atlas import TABLES, atlas
from brainalign.demo.geometry import N_VERTICES, SIDES, hemisphere
from brainalign.demo.schematic import BALLS
from brainalign.demo.space import Grid, Warp, folded, folds

DEPTHS = (0.25, 0.5, 0.75)  # layerB1, B2, B3: the way from the pial to the white surface
SURFACES = {"white": 1.0, "pial": 0.0} | {f"layerB{n}": depth for n, depth in enumerate(DEPTHS, 1)}
NAMED = ("TGd", "TGv")  # areas of the anterior temporal lobe where signal dropout leaves the brain mask


@dataclass(frozen=True)
class Side:
    """One hemisphere.

    from_white : (10242,) the native vertex nearest to each vertex of fsaverage5
    to_white : (n_native,) the vertex of fsaverage5 nearest to each native vertex
    layers : (3, n_native, 3) voxel coordinates from 0 of layerB1, B2 and B3; some lie beyond the volume
    native : (n_native, 3) vertices of fsaverage5 of which each vertex is the middle
    """

    from_white: np.ndarray
    to_white: np.ndarray
    layers: np.ndarray
    native: np.ndarray


@dataclass(frozen=True)
class Head:
    """shape : (X, Y, Z) of the volume. sides : "lh", "rh" -> Side.

    home : (X, Y, Z) vertex of fsaverage5 (0..20483, right after left) that a voxel belongs to; -1 off the cortex
    brain : (X, Y, Z) True where there are data
    absent : (collection, label, side) that this subject lacks
    grid, warp : of the volume, and from MNI to the subject's head
    """

    shape: tuple[int, int, int]
    sides: dict[str, Side]
    home: np.ndarray
    brain: np.ndarray
    absent: tuple[str, str, str]
    grid: Grid
    warp: Warp

    def labels(self, collection, side):
        """(10242,) NSD's label values on fsaverage5, without the label that the subject lacks."""
        half = slice(0, N_VERTICES) if side == "lh" else slice(N_VERTICES, None)
        values = atlas()[collection][half].copy()
        if (collection, side) == (self.absent[0], self.absent[2]):
            values[values == TABLES[collection].index(self.absent[1]) + 1] = 0
        return values

    def native(self, collection, side):
        """(n_native,) label values on the subject's own surface."""
        return self.labels(collection, side)[self.sides[side].to_white]

    def volume(self, collection, side=None):
        """(X, Y, Z) label values: -1 outside the cortex of the hemisphere (or of both), 0 unlabelled, 1..N."""
        values = np.concatenate([self.labels(collection, side) for side in SIDES])
        inside = atlas()["cortex"].copy()
        if side:
            inside[N_VERTICES:] &= side == "rh"
            inside[:N_VERTICES] &= side == "lh"
        values[~inside] = -1
        return np.where(self.home >= 0, values[self.home], -1)

    def below(self, collection, side=None):
        """(X, Y, Z) label values of MTL or thalamus: 0 outside, 1..N in balls around their centres."""
        found = np.zeros(self.shape, "i2")
        mni, nearest = self.warp.registered(self.grid.points()), np.ones(self.shape)
        for sign in {None: (-1, 1), "lh": (-1,), "rh": (1,)}[side]:
            for value, (x, y, z, radius) in enumerate(BALLS[collection].values(), 1):
                distance = np.linalg.norm(mni - (sign * x, y, z), axis=-1) / radius
                closer = distance < nearest
                found[closer], nearest[closer] = value, distance[closer]
        return found

    def surface(self, side, name):
        """(n_native, 3) mm in the subject's head of the vertices of one of `SURFACES`."""
        return self.warp.head(_points(side, self.sides[side].native, SURFACES[name]), side)

    @property
    def places(self):
        """C-order index of each voxel of the brain mask, ascending."""
        return np.flatnonzero(self.brain)


def head(subject, seed=0, voxel=4.8):
    """The anatomy of subject 1..8; `voxel` in mm."""
    rng = np.random.default_rng([seed, 4, subject])
    matrix = _matrix(rng)
    native = {side: _native(side, rng) for side in SIDES}
    warp = Warp(matrix, {side: folds(rng) for side in SIDES})
    layers = {side: [_points(side, native[side], d) @ matrix.T for d in DEPTHS] for side in SIDES}
    layers = {side: folded(np.stack(points), warp.waves[side]) for side, points in layers.items()}
    points = np.concatenate([side.reshape(-1, 3) for side in layers.values()])
    low, high = points.min(0) - 1.5 * voxel, points.max(0) + 1.5 * voxel
    high[2] -= 2.5 * voxel  # the field of view ends below the top of the head
    shape = _unequal(np.ceil((high - low) / voxel).astype(int))
    sides = {side: _side(side, native[side], (layers[side] - low) / voxel - 0.5) for side in SIDES}
    home = _home(shape, sides)
    brain = (home >= 0) & ~_dropout(home)
    absent = ("floc-faces", "FFA-2", "lh") if subject % 2 else ("floc-bodies", "FBA-2", "rh")
    grid = Grid(shape, low + voxel / 2, np.full(3, voxel))
    return Head(shape, sides, home, brain, absent, grid, warp)


def _matrix(rng):
    """A head of other proportions, a little turned: (3, 3)."""
    a, b, c = rng.uniform(-0.06, 0.06, 3)
    turn = np.array([[1, -c, b], [c, 1, -a], [-b, a, 1]])
    return turn @ np.diag(rng.uniform(0.94, 1.06, 3))


def _unequal(shape):
    """The grid made larger where needed, so that no two of X, Y, Z are alike."""
    x, y, z = shape.tolist()
    while len({x, y, z}) < 3:
        x, z = (x + 1, z) if x == y else (x, z + 1)
    return x, y, z


def _native(side, rng):
    """Native vertices in random order as triples of fsaverage5 vertices of which each is the middle."""
    faces = hemisphere(side).faces
    kept = np.sort(rng.permutation(N_VERTICES)[: int(rng.uniform(0.96, 0.985) * N_VERTICES)])
    added = faces[np.sort(rng.permutation(len(faces))[: int(rng.uniform(300, 900))])]
    return rng.permutation(np.concatenate([np.stack([kept] * 3, axis=1), added]))


def _points(side, triples, depth):
    return hemisphere(side).depth(depth)[triples].mean(1)


def _side(side, triples, layers):
    """Nearest neighbours on the sphere, as FreeSurfer matches surfaces."""
    from scipy.spatial import cKDTree

    sphere = hemisphere(side).sphere
    native = sphere[triples].mean(1)
    native *= 100 / np.linalg.norm(native, axis=1, keepdims=True)
    return Side(cKDTree(native).query(sphere)[1], cKDTree(sphere).query(native)[1], layers, triples)


def _home(shape, sides):
    """The home vertex of each voxel that a layer passes through: that of the nearest native vertex half-way."""
    from scipy.spatial import cKDTree

    touched = np.concatenate([np.rint(side.layers).astype(int).reshape(-1, 3) for side in sides.values()])
    touched = touched[(touched < shape).all(1)]
    voxels = np.unique(np.ravel_multi_index(touched.T, shape))
    middle = np.concatenate([side.layers[1] for side in sides.values()])
    vertices = np.concatenate([sides["lh"].to_white, sides["rh"].to_white + N_VERTICES])
    nearest = cKDTree(middle).query(np.stack(np.unravel_index(voxels, shape), axis=1))[1]
    home = np.full(shape, -1)
    home.flat[voxels] = vertices[nearest]
    return home


def _dropout(home):
    """(X, Y, Z) True at the lowest end of the temporal pole, where the scanner lost the signal."""
    pole = np.isin(atlas()["HCP_MMP1"], [TABLES["HCP_MMP1"].index(name) + 1 for name in NAMED])
    here = (home >= 0) & pole[home]
    return here & (np.arange(home.shape[2]) <= np.quantile(np.nonzero(here)[2], 0.05))
