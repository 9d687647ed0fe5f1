"""From a subject's units to fsaverage5, through NSD's own transforms."""

import numpy as np

from brainalign.nsd import read
from brainalign.nsd.layout import FSAVERAGE5_VERTICES, HEMISPHERES, Layout, known_space
from brainalign.nsd.rois import to_native


def flat_units(root, subject, space, units):
    """For each vertex of fsaverage5, left then right, the position in `units` of the unit that lies there.

    units : (n_units,) as in `Subject`. Returns (20484,) int32; -1 where no unit lies. A volume is reached by
    {lh,rh}.white-to-fsaverage (the subject's vertex) and {lh,rh}.func1pt8-to-layerB2 (its voxel, the nearest).
    """
    known_space(space)
    layout = Layout(root)
    n = layout.fsaverage_vertices
    if space == "fsaverage":
        sides, size = [np.arange(n), n + np.arange(n)], 2 * n
    else:
        shape = read.grid(layout.brainmask(subject)).shape
        sides, size = [_voxels(layout, subject, h, shape) for h in HEMISPHERES], int(np.prod(shape))
    position = np.full(size + 1, -1, np.int32)  # the last place is "outside"
    position[np.asarray(units)] = np.arange(len(units))
    flat = np.full((2, FSAVERAGE5_VERTICES), -1, np.int32)
    for row, side in zip(flat, sides):
        side = side[:FSAVERAGE5_VERTICES]
        row[: len(side)] = position[side]
    return flat.ravel()


def _voxels(layout, subject, hemisphere, shape):
    """(n_fsaverage,) C-order voxel under the middle of the grey matter at each vertex; -1 outside the volume.

    The transform counts voxels in NSD's order, whatever the order in which a volume of the subject is stored.
    """
    native = read.surface(layout.transform(subject, hemisphere, "func1pt8-to-layerB2"))
    if native.shape[1] != 3:
        path = layout.transform(subject, hemisphere, "func1pt8-to-layerB2")
        raise ValueError(f"{path} has {native.shape[1]} values a vertex, expected 3 coordinates")
    places = native[to_native(layout, subject, hemisphere, len(native))]
    inside = (np.isfinite(places) & (places >= 0.5) & (places < np.add(shape, 0.5))).all(1)  # 9999 lies outside
    voxels = np.full(len(places), -1, np.int64)
    nearest = np.floor(places[inside] - 0.5).astype(np.int64)  # coordinates count from 1
    voxels[inside] = np.ravel_multi_index(nearest.T, shape)
    return voxels
