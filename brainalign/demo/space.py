"""Where a point lies in each space that a simulated subject's files count in: functional, anatomical, and MNI.

MNI and fsaverage's MNI305 count as one here. Millimetres are RAS; voxels count from 0 and need not be whole.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Grid:
    """shape : (X, Y, Z) voxels; start, step : (3,) mm of the middle of the first one, and from one to the next."""

    shape: tuple[int, int, int]
    start: np.ndarray
    step: np.ndarray

    def voxels(self, points):
        """Voxel coordinates of points (..., 3) in mm."""
        return (points - self.start) / self.step

    def points(self):
        """(X, Y, Z, 3) mm of the middle of each voxel."""
        return np.stack(np.meshgrid(*self.axes(), indexing="ij"), axis=-1)

    def axes(self):
        """mm along each axis, three arrays."""
        return [start + step * np.arange(n) for start, step, n in zip(self.start, self.step, self.shape)]

    @property
    def affine(self):
        """(4, 4) from voxels to mm of the space that the grid belongs to."""
        return _affine(self.step, self.start)

    @property
    def centred(self):
        """(4, 4) as NSD's functional files have it: the origin in the middle of the volume."""
        return _affine(self.step, -(np.array(self.shape) - 1) / 2 * self.step)

    def inside(self, voxels):
        """(...,) True for voxel coordinates (..., 3) within the volume."""
        return ((voxels >= -0.5) & (voxels < np.array(self.shape) - 0.5)).all(-1)


def _affine(step, start):
    found = np.diag([*step, 1.0])
    found[:3, 3] = start
    return found


MNI = Grid((182, 218, 182), np.array([90.0, -126, -72]), np.array([-1.0, 1, 1]))  # from right to left, as NSD's


def anat(size, voxel):
    """One of NSD's cubes of the subject's anatomy around the middle of the head; voxel in mm."""
    return Grid((size,) * 3, np.full(3, -(size - 1) / 2 * voxel), np.full(3, voxel))


ANAT = {"anat0pt8": anat(320, 0.8), "anat1pt0": anat(256, 1.0)}


def finer(grid, ratio):
    """The same field of view in voxels that are smaller by a ratio, with the same middle."""
    shape = np.floor(np.array(grid.shape) * ratio).astype(int)
    middle = grid.start + (np.array(grid.shape) - 1) / 2 * grid.step
    step = grid.step / ratio
    return Grid(tuple(shape.tolist()), middle - (shape - 1) / 2 * step, step)


def folds(rng, size=1.5):
    """A subject's own folds of one hemisphere: three smooth waves of about `size` mm."""
    return [(rng.normal(0, 0.06, 3), rng.uniform(0, 2 * np.pi), rng.normal(0, size / 2, 3)) for _ in range(3)]


def folded(points, waves):
    """Points (..., 3) moved by the waves of `folds`."""
    for wave, phase, push in waves:
        points = points + np.sin(points @ wave + phase)[..., None] * push
    return points


@dataclass(frozen=True)
class Warp:
    """From MNI to a subject's own head; matrix : (3, 3); waves : "lh", "rh" -> what `folds` gives.

    Registration to MNI is by the matrix alone: each subject's own folds are what it leaves.
    """

    matrix: np.ndarray
    waves: dict

    def head(self, points, side):
        """Points (..., 3) of one hemisphere of MNI in the subject's head, with its own folds."""
        return folded(points @ self.matrix.T, self.waves[side])

    def registered(self, points):
        """Points (..., 3) of the subject's head in MNI."""
        return points @ np.linalg.inv(self.matrix).T
