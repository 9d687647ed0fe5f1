"""Labels of each unit, and ROIs as masks over them."""

from functools import partial

import numpy as np

from brainalign import tables
from brainalign.nsd import read
from brainalign.nsd.layout import HEMISPHERES, PER_SUBJECT


def volume_labels(layout, subject, collection, grid):
    """(X * Y * Z,) int16 labels of a collection on the Grid of the functional volume; None where it has no file."""
    path = layout.roi(subject, collection)
    return read.as_labels(read.volume(path, grid)).ravel() if path.exists() else None


def fsaverage_labels(layout, subject, collection):
    """(n_lh + n_rh,) int16 labels on fsaverage; None where the collection has no file.

    Atlases lie on fsaverage; the retinotopic and localizer ROIs on the subject's own surface, and are brought
    over by the nearest vertex.
    """
    own = collection.startswith(PER_SUBJECT)
    paths = {h: layout.surface_roi(subject if own else "fsaverage", collection, h) for h in HEMISPHERES}
    if not all(path.exists() for path in paths.values()):
        return None
    n = {h: native_vertices(layout, subject, h) if own else layout.fsaverage_vertices for h in HEMISPHERES}
    sides = {h: read.as_labels(read.surface(path, n[h])[:, 0]) for h, path in paths.items()}
    if own:
        sides = {h: side[to_native(layout, subject, h, len(side))] for h, side in sides.items()}
    return np.concatenate(list(sides.values()))


def native_vertices(layout, subject, hemisphere):
    """Vertices of a hemisphere of the subject's own surface; None where no transform tells."""
    path = native_transform(layout, subject, hemisphere)
    return read.header(path)[0][0] if path.exists() else None


def native_transform(layout, subject, hemisphere):
    """The transform, with a value for each vertex of the subject's own surface, that tells how many there are."""
    depth, white = (layout.transform(subject, hemisphere, n) for n in ("func1pt8-to-layerB2", "fsaverage-to-white"))
    return depth if depth.exists() else white


def to_native(layout, subject, hemisphere, n_native):
    """(n_fsaverage,) the subject's own vertex, from 0, nearest to each fsaverage vertex."""
    path = layout.transform(subject, hemisphere, "white-to-fsaverage")
    values = read.surface(path)[:, 0]
    if len(values) != layout.fsaverage_vertices or not ((values >= 1) & (values <= n_native)).all():
        raise ValueError(
            f"{path} has {len(values)} vertex numbers from {values.min():g} to {values.max():g}; "
            f"expected {layout.fsaverage_vertices} of them from 1 to {n_native}"
        )
    return np.rint(values).astype(np.int64) - 1


def label_names(layout, subject, collection):
    """{integer: name} of a collection's labels: its table's or, where no table was downloaded, NSD's fixed names."""
    path, fixed = layout.table(subject, collection), tables.label_names()
    return fixed[collection] if collection in fixed and not path.exists() else read.table(path)


def wanted(names, labels):
    """The integers in a label table ({integer: name}) of the `labels` of a ROI; names match in any case."""
    labels = {label.casefold() for label in labels}
    return [number for number, name in names.items() if name.casefold() in labels]


def masks(layout, subject, grid, rois):
    """{ROI name: bool over all voxels of the volume's Grid or, where that is None, all vertices of fsaverage}.

    A ROI that the subject does not have is left out.
    """
    labels_of = partial(volume_labels, grid=grid) if grid else fsaverage_labels
    found = {c: labels_of(layout, subject, c) for c in {roi.collection for roi in rois}}
    names = {c: label_names(layout, subject, c) for c, labels in found.items() if labels is not None}
    return {
        roi.name: np.isin(found[roi.collection], wanted(names[roi.collection], roi.labels))
        for roi in rois
        if roi.collection in names
    }
