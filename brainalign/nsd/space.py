"""Where the voxels of a volume lie: every image of a subject is brought to one orientation, or refused.

That orientation is NSD's own: voxels go from left to right, from posterior to anterior and from inferior to superior
(RAS for nibabel). The HDF5 betas, which have no affine, keep that order, and NSD's transforms count voxels in it. An
image whose affine says another order is flipped and its axes exchanged, which is exact; an image that lies elsewhere
than the subject's brain mask is refused. An image that states no place (sform and qform 0) is taken as NSD's order.
"""

from dataclasses import dataclass

import numpy as np
from nibabel import orientations

NEAR = 0.1  # of a voxel: how far the corners of two grids may lie apart; float32 headers differ by 1e-5


@dataclass(frozen=True, eq=False)
class Grid:
    """The voxels of one image.

    path : of its file
    shape : (X, Y, Z) in NSD's order
    stored : (4, 4) from a voxel as stored to mm; None where the header states no place
    axes : (3, 2) what turns the stored axes into NSD's, as nibabel.orientations has it
    affine : (4, 4) from a voxel in NSD's order to mm; None where the header states no place
    """

    path: object
    shape: tuple
    stored: np.ndarray | None
    axes: np.ndarray
    affine: np.ndarray | None

    @property
    def size(self):
        return int(np.prod(self.shape))

    @property
    def stored_shape(self):
        return tuple(self.shape[int(axis)] for axis in self.axes[:, 0])

    @property
    def turned(self):
        """The order in which another image is stored, such as "LAS"; "" where it is NSD's own."""
        own = np.array_equal(self.axes, [[0, 1], [1, 1], [2, 1]])
        return "" if own else "".join(orientations.ornt2axcodes(self.axes))

    def ordered(self, values):
        """Stored values (3-D, or more) in NSD's order."""
        return orientations.apply_orientation(values, self.axes)

    def places(self):
        """(n_voxels,) where each voxel, in C order of `shape`, lies in a stored frame, flat in Fortran order."""
        return self.ordered(np.arange(self.size).reshape(self.stored_shape, order="F")).ravel()

    def differs(self, other):
        """(found, expected, what to do) where this image does not lie on the grid `other`; else ()."""
        of = f"of {other.path.name}"
        if self.shape != other.shape:
            return f"shape {self.shape}", f"{other.shape}, that {of}", "look whether it is another subject's"
        if self.affine is None or other.affine is None or apart(self.affine, other.affine, self.shape) <= NEAR:
            return ()
        todo = "take NSD's own file, or resample it to the brain mask's grid: its voxels lie elsewhere"
        return f"the affine {written(self.stored)}", f"{written(other.stored)}, that {of}", todo


def grid(path, shape, affine):
    """The Grid of an image of `shape` (X, Y, Z, ...) with its affine, None where its header states no place."""
    shape, axes = tuple(shape[:3]), np.array([[0, 1.0], [1, 1], [2, 1]])
    if affine is None:
        return Grid(path, shape, None, axes, None)
    affine = np.asarray(affine, float)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise ValueError(f"{path}: its affine {written(affine)} places all voxels in a plane, expected a volume")
    axes = orientations.io_orientation(affine)
    new = affine @ orientations.inv_ornt_aff(axes, shape)
    turned = np.empty(3, int)
    turned[axes[:, 0].astype(int)] = shape
    return Grid(path, tuple(turned.tolist()), affine, axes, new)


def centred(shape, zooms):
    """NSD's own affine of a volume in its order: the middle of the volume is at 0 mm."""
    affine = np.diag([*zooms[:3], 1.0])
    affine[:3, 3] = -(np.array(shape[:3]) - 1) / 2 * zooms[:3]
    return affine


def apart(a, b, shape):
    """How far two affines place the same voxel apart, in voxels of the first: the largest of the eight corners."""
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape])).reshape(3, -1)
    difference = (a - b)[:3] @ np.vstack([corners, np.ones(corners.shape[1])])
    size = np.linalg.norm(a[:3, :3], axis=0).min()
    return np.linalg.norm(difference, axis=0).max() / size


def written(affine):
    """The three rows of an affine, such as [-1.8 0 0 72; 0 1.8 0 -92.7; 0 0 1.8 -73.8]."""
    return "[" + "; ".join(" ".join(f"{value:.6g}" for value in row) for row in np.asarray(affine)[:3] + 0.0) + "]"
