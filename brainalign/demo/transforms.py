"""The transforms of a simulated subject, as nsdcode reads them: coordinates from 1, and 9999 outside the source.

- {lh,rh}.<volume>-to-<surface>.mgz : for each vertex of the subject's own surface, the voxel of the volume
- {lh,rh}.white-to-fsaverage.mgz, {lh,rh}.fsaverage-to-white.mgz : the nearest vertex
- <volume>-to-<volume>.nii.gz : for each voxel of the second volume, the voxel of the first one

func1pt8 goes to and from MNI and the anatomy at 0.8 and 1 mm. NSD's other pairs of volumes are left out: they would
take seconds and megabytes each, and nothing of the simulation lies there.
"""

import numpy as np

from brainalign.demo import files
from brainalign.demo.head import SURFACES
from brainalign.demo.space import ANAT, MNI

OUTSIDE = 9999
FINE = 32  # volumes hold coordinates in steps of 1/32 voxel, which packs well


def write(folder, anatomy):
    """All transforms of a Head."""
    for side, surface in anatomy.sides.items():
        files.save_mgh(folder / f"{side}.white-to-fsaverage.mgz", surface.from_white.astype("f4") + 1)
        files.save_mgh(folder / f"{side}.fsaverage-to-white.mgz", surface.to_white.astype("f4") + 1)
        for number, layer in enumerate(surface.layers, 1):
            _save_vertices(folder / f"{side}.func1pt8-to-layerB{number}.mgz", anatomy.grid, layer)
        for name in SURFACES:
            _write_surface(folder, anatomy, side, name)
    _write_volumes(folder, anatomy)


def _write_surface(folder, anatomy, side, name):
    """One surface of one hemisphere in each volume; the layers in func1pt8 are there already."""
    points = anatomy.surface(side, name)
    grids = ANAT if name.startswith("layer") else ANAT | {"func1pt8": anatomy.grid}
    for volume, grid in grids.items():
        _save_vertices(folder / f"{side}.{volume}-to-{name}.mgz", grid, grid.voxels(points))
    _save_vertices(folder / f"{side}.MNI-to-{name}.mgz", MNI, MNI.voxels(anatomy.warp.registered(points)))


def _save_vertices(path, grid, voxels):
    files.save_mgh(path, np.where(grid.inside(voxels)[:, None], voxels + 1, OUTSIDE).astype("f4"))


def _write_volumes(folder, anatomy):
    """Between the functional volume and the others, both ways."""
    spaces, own = ANAT | {"MNI": MNI}, anatomy.grid
    for name, grid in spaces.items():
        to_head = anatomy.warp.matrix if name == "MNI" else np.eye(3)
        _save_volume(folder / f"func1pt8-to-{name}.nii.gz", own, grid, to_head, grid.affine)
        _save_volume(folder / f"{name}-to-func1pt8.nii.gz", grid, own, np.linalg.inv(to_head), own.centred)


def _save_volume(path, source, target, matrix, affine):
    """Where each voxel of the target lies in the source; matrix : (3, 3) from mm of the target to mm of the source.

    A coordinate is the sum of a part for each axis of the target, so that a plane is quickly made and nothing larger
    is held.
    """
    scale = matrix * target.step / source.step[:, None]
    first = (matrix @ target.start - source.start) / source.step
    parts = [[_fine(scale[c, a] * np.arange(target.shape[a])) for a in range(3)] for c in range(3)]

    def coordinate(c, z):
        """(X, Y) of a plane, from 1."""
        x, y, deep = parts[c]
        return x[:, None] + (y + (deep[z] + _fine(first[c]) + 1))

    def within(z):
        return np.all([np.abs(coordinate(c, z) - (n + 1) / 2) <= n / 2 for c, n in enumerate(source.shape)], axis=0)

    inside = [within(z) for z in range(target.shape[2])]
    nothing = np.full(target.shape[:2], OUTSIDE, "f4")
    planes = (
        np.where(here, coordinate(c, z), np.float32(OUTSIDE)) if here.any() else nothing
        for c in range(3)
        for z, here in enumerate(inside)
    )
    files.save_planes(path, (*target.shape, 3), affine, planes)


def _fine(voxels):
    return (np.rint(voxels * FINE) / FINE).astype("f4")
