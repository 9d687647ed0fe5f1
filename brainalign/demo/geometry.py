"""The fsaverage5 surfaces that the nilearn package ships, and distances along them.

Coordinates are millimetres in MNI305 space (RAS). The right hemisphere's vertices follow the left's.
"""

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

N_VERTICES = 10242  # a hemisphere
SIDES = {"lh": "left", "rh": "right"}


@dataclass(frozen=True)
class Hemisphere:
    """white, pial, sphere : (n, 3) coordinates; faces : (m, 3) vertex numbers.

    flat : (n, 2) coordinates, upwards is dorsal; NaN for vertices that the flat mesh leaves out.
    """

    white: np.ndarray
    pial: np.ndarray
    sphere: np.ndarray
    flat: np.ndarray
    faces: np.ndarray

    def depth(self, fraction):
        """Coordinates that fraction of the way from the pial to the white surface."""
        return self.pial + fraction * (self.white - self.pial)


def folder():
    """Where nilearn keeps fsaverage5; nilearn itself is not imported."""
    return Path(find_spec("nilearn").origin).parent / "datasets" / "data" / "fsaverage5"


@cache
def hemisphere(side):
    """fsaverage5's "lh" or "rh"."""
    import nibabel

    def load(name):
        return [array.data for array in nibabel.load(folder() / f"{name}_{SIDES[side]}.gii.gz").darrays]

    white, faces = load("white")
    flat, flat_faces = load("flat")
    left_out = np.setdiff1d(np.arange(len(flat)), flat_faces)
    flat = flat[:, :2].astype("f8")
    flat[left_out] = np.nan
    pial, sphere = load("pial")[0], load("sphere")[0]
    return Hemisphere(white.astype("f8"), pial.astype("f8"), sphere.astype("f8"), flat, faces)


@cache
def _edges(side):
    """Sparse (n, n) matrix of the lengths of fsaverage5's edges half-way through cortex."""
    from scipy.sparse import csr_array

    half, faces = hemisphere(side).depth(0.5), hemisphere(side).faces
    a, b = np.unique(np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0).T
    length = np.linalg.norm(half[a] - half[b], axis=1)
    return csr_array((np.r_[length, length], (np.r_[a, b], np.r_[b, a])), shape=(len(half), len(half)))


def geodesic(side, sources):
    """Distance in mm of each vertex of one hemisphere to the nearest of `sources` (numbers or bool), along edges."""
    from scipy.sparse.csgraph import dijkstra

    sources = np.asarray(sources)
    if sources.dtype == bool:
        sources = np.flatnonzero(sources)
    return dijkstra(_edges(side), indices=sources, min_only=True)


def nearest_vertex(side, point):
    """The vertex of one hemisphere nearest to an MNI305 coordinate, half-way through cortex."""
    return int(np.linalg.norm(hemisphere(side).depth(0.5) - point, axis=1).argmin())
