"""Checks of brain masks, ROIs with their tables, and transforms."""

from dataclasses import dataclass

import numpy as np

from brainalign import tables
from brainalign.nsd import read
from brainalign.nsd.layout import COLLECTIONS, HEMISPHERES, OWN_IMAGES, PER_SUBJECT, VOLUME_ONLY
from brainalign.nsd.rois import wanted
from brainalign.nsd.space import Grid

SAMPLE, OUTSIDE = 512, 64  # voxels looked at in nsdgeneral and outside the brain


@dataclass(frozen=True)
class Cortex:
    """grid : where the functional volume lies; sample, outside : C-order voxels of it to look at
    rois : ROI name -> voxels within the brain mask
    """

    grid: Grid
    sample: np.ndarray
    outside: np.ndarray
    rois: dict


def spread(voxels, n):
    """At most `n` of `voxels`, evenly spread."""
    return voxels[np.linspace(0, len(voxels) - 1, min(n, len(voxels))).astype(int)] if len(voxels) else voxels


def needed():
    """{collection: labels} that `data/rois.csv` names."""
    labels = {}
    for roi in tables.rois().values():
        labels.setdefault(roi.collection, []).extend(roi.labels)
    return labels


def volume(inspector, subject, sessions):
    """Brain mask, validity and ROI volumes of a subject; returns its `Cortex`, or None without a mask."""
    folder, path = inspector.layout.func(subject), inspector.layout.brainmask(subject)
    grid = inspector.read(read.grid, path)
    brain = inspector.volume(path, grid) if grid else None
    if brain is None:
        return None
    if not np.isin(brain, (0, 1)).all() or not brain.any():
        inspector.fault(path, f"values from {brain.min():g} to {brain.max():g}", "0 outside and 1 inside the brain")
        return None
    if _misplaced(inspector, subject, grid):
        return None
    marked = [path for path in folder.glob("valid*.nii.gz") if OWN_IMAGES.fullmatch(path.name)]
    if any("session" in path.name for path in marked):  # some roots have none; a root has all or none
        marked = sorted({*marked, *(inspector.layout.valid(subject, n) for n in sessions)})
    for path in marked:
        valid = inspector.volume(path, grid)
        if valid is not None and not ((valid >= 0) & (valid <= 1)).all():
            inspector.fault(path, f"values from {valid.min():g} to {valid.max():g}", "values between 0 and 1")
    inside = (brain > 0).ravel()
    found = {c: _roi_volumes(inspector, subject, c, grid) for c in [*needed(), *_others(inspector, subject)]}
    rois = _counts(inspector, f"{subject} func1pt8mm", subject, found, inside)
    general = found.get("nsdgeneral")
    where = inside if general is None else inside & (general > 0)
    sample = spread(np.flatnonzero(where if where.any() else inside), SAMPLE)
    return Cortex(grid, sample, spread(np.flatnonzero(~inside), OUTSIDE), rois)


def _misplaced(inspector, subject, grid):
    """Whether most ROIs agree with each other and not with the brain mask's Grid: one fault, of the brain mask."""
    paths = [inspector.layout.roi(subject, collection) for collection in needed()]
    found = [here for path in paths if path.exists() and (here := inspector.read(read.grid, path))]
    elsewhere = [here for here in found if here.differs(grid)]
    if len(elsewhere) < 3 or 2 * sum(not here.differs(elsewhere[0]) for here in elsewhere) <= len(found):
        return False
    wrong, expected, _ = grid.differs(elsewhere[0])
    todo = "take NSD's own brain mask of this subject; its other volumes were not looked at"
    inspector.fault(grid.path, wrong, f"{expected}, as of most ROIs", todo)
    return True


def _others(inspector, subject):
    """NSD's collections in roi/ that no ROI is made of; a warning of what there is that is not NSD's."""
    paths = [path for path in (inspector.layout.func(subject) / "roi").glob("*.nii.gz") if path.name[0] != "."]
    found = {path.name.removeprefix("lh.").removeprefix("rh.").removesuffix(".nii.gz") for path in paths}
    own = sorted(found - set(COLLECTIONS) - needed().keys())
    if own:
        inspector.warn(f"{subject}: not NSD's collections in roi/, which were not looked at: {', '.join(own)}")
    return sorted((found & set(COLLECTIONS)) - needed().keys())


def _names(inspector, subject, collection):
    """{integer: name} of a collection's labels, as reading has them; None, and a fault, where they cannot be had.

    A table that was not downloaded is a fault only where a ROI needs names that are known from nowhere else.
    """
    path = inspector.layout.table(subject, collection)
    if not path.exists() and collection in tables.label_names():
        inspector.tables_missing.add(path)
        return tables.label_names()[collection]
    return inspector.read_once(read.table, path) if path.exists() or collection in needed() else None


def _roi_volumes(inspector, subject, collection, grid):
    """The combined labels (flat) of a collection, once its three files have been checked; None at fault."""
    layout = inspector.layout
    paths = {h: layout.roi(subject, collection, h) for h in ("", *HEMISPHERES)}
    if collection not in needed() or not (paths["lh"].exists() or paths["rh"].exists()):
        paths = {h: path for h, path in paths.items() if path.exists() or (collection in needed() and not h)}
    names = _names(inspector, subject, collection)
    lowest = 0 if collection in VOLUME_ONLY else -1
    kept = {}
    for h, path in paths.items():
        values = inspector.volume(path, grid)
        if values is not None:
            ok = names is None or labels(inspector, path, values, names, lowest)
            kept |= {h: read.as_labels(values)} if ok else {}
    if len(kept) == 3:
        _sides(inspector, paths, kept)
    return kept[""].ravel() if "" in kept else None


def labels(inspector, path, values, names, lowest):
    """Whether all values are whole numbers of the table (`lowest` -1: or -1); a fault where not."""
    wrong = ~np.isin(values, np.arange(lowest, len(names)))
    if wrong.any():
        found = f"{wrong.sum()} values outside the table, such as {values[wrong][0]:g}"
        inspector.fault(path, found, f"whole numbers from {lowest} to {len(names) - 1}")
    return not wrong.any()


def _sides(inspector, paths, kept):
    """The left hemisphere's file lies left of the right one's, and both together are the combined file."""
    left, right = (kept[h] for h in HEMISPHERES)
    both = [np.nonzero(side > 0 if (left > 0).any() and (right > 0).any() else side >= 0)[0] for side in (left, right)]
    if len(both[0]) and len(both[1]) and both[0].mean() > both[1].mean():
        todo = "look whether the lh. and rh. files were exchanged"
        inspector.fault(paths["lh"], "its labels lie to the right of those of the rh. file", "the left side", todo)
        return
    union = np.maximum(left, right)
    somewhere = (union > 0) | (kept[""] > 0)
    if somewhere.any() and (union == kept[""])[somewhere].mean() < 0.8:
        share = 100 * (union == kept[""])[somewhere].mean()
        found = f"only {share:.0f} % of its labels are those of the lh. and rh. files"
        todo = "look whether one of the three files was exchanged with another subject's"
        inspector.fault(paths[""], found, "the two hemispheres' labels together", todo)


def _counts(inspector, what, subject, found, inside):
    """{ROI name: units within `inside`}; labels that a table lacks are faults, labels without units warnings."""
    counts, empty = {}, []
    for roi in tables.rois().values():
        path, names = inspector.layout.table(subject, roi.collection), _names(inspector, subject, roi.collection)
        if names is None:
            continue
        listed = {name.casefold() for name in names.values()}
        missing = [label for label in roi.labels if label.casefold() not in listed]
        if missing and not inspector.faulty(path):
            expected = f"the labels of the ROI {roi.name} in data/rois.csv"
            inspector.fault(path, f"no label {missing[0]}", expected, "correct data/rois.csv or restore the table")
        values, numbers = found.get(roi.collection), wanted(names, roi.labels)
        if values is None:
            continue
        empty += [f"{roi.collection} {names[n]}" for n in numbers if not ((values == n) & inside).any()]
        counts[roi.name] = int((np.isin(values, numbers) & inside).sum())
    if empty:
        inspector.warn(f"{what}: no unit carries {', '.join(empty)}")
    return counts


def transforms(inspector, subject, cortex):
    """The two transforms of each hemisphere; returns {hemisphere: vertices of the subject's own surface}."""
    layout, places = inspector.layout, {}
    for h in HEMISPHERES:
        path = layout.transform(subject, h, "func1pt8-to-layerB2")
        values = inspector.read(read.surface, path) if cortex or path.exists() else None
        if values is not None and _places(inspector, path, values, cortex):
            places[h] = values
    middle = [np.median(values[values[:, 0] < 9999, 0]) for values in places.values()]
    if len(middle) == 2 and middle[0] > middle[1]:
        path = layout.transform(subject, "lh", "func1pt8-to-layerB2")
        todo = "look whether the lh. and rh. files were exchanged"
        inspector.fault(path, "its vertices lie to the right of those of the rh. file", "the left side", todo)
        places = {}
    n_native = {h: len(values) for h, values in places.items()}
    for h in HEMISPHERES:
        path = layout.transform(subject, h, "white-to-fsaverage")
        nearest = inspector.read(read.surface, path)
        if nearest is not None:
            _nearest(inspector, path, nearest[:, 0], n_native.get(h))
    return n_native


def _places(inspector, path, places, cortex):
    if places.shape[1] != 3:
        inspector.fault(path, f"{places.shape[1]} values a vertex", "3 coordinates a vertex")
        return False
    if not np.isfinite(places).all():
        found = f"{(~np.isfinite(places)).any(1).sum()} vertices with coordinates that are not finite"
        inspector.fault(path, found, "voxel coordinates from 1, or 9999 outside the volume")
        return False
    inside = ((places >= 0.5) & (places < np.add(cortex.grid.shape, 0.5))).all(1).mean() if cortex else 1
    if inside < 0.5:
        todo = "look whether it was exchanged with another subject's"
        inspector.fault(path, f"{100 * inside:.0f} % of its vertices lie inside the volume", "most of them", todo)
    return inside >= 0.5


def _nearest(inspector, path, nearest, n_native):
    n = inspector.vertices
    if len(nearest) != n:
        inspector.fault(path, f"{len(nearest)} vertices", f"{n}, one for each of fsaverage")
    elif not np.isfinite(nearest).all() or (nearest != np.rint(nearest)).any() or nearest.min() < 1:
        inspector.fault(path, "values that are no vertex numbers", "whole numbers from 1")
    elif n_native and nearest.max() > n_native:
        todo = "look whether it was exchanged with the other hemisphere's or another subject's"
        expected = f"at most {n_native}, the vertices of func1pt8-to-layerB2"
        inspector.fault(path, f"vertex numbers up to {nearest.max():g}", expected, todo)


def native(inspector, subject, n_native, required):
    """ROIs on the subject's own surface; returns {ROI name: vertices} of what is there."""
    layout, found = inspector.layout, {}
    for collection in [c for c in needed() if c.startswith(PER_SUBJECT)]:
        sides = []
        for h in HEMISPHERES:
            path = layout.surface_roi(subject, collection, h)
            if required or path.exists():
                sides.append(_surface_labels(inspector, subject, path, collection, (n_native or {}).get(h)))
        if len(sides) == 2 and all(side is not None for side in sides):
            found[collection] = np.concatenate(sides)
    return _counts(inspector, f"{subject} surface", subject, found, True) if required else {}


def fsaverage(inspector, present):
    """Atlas ROIs on fsaverage: required where a subject has fsaverage betas."""
    layout = inspector.layout
    required = any(space == "fsaverage" for name in present for space, _ in layout.present(name))
    for collection in [c for c in needed() if not c.startswith(PER_SUBJECT)]:
        for h in HEMISPHERES:
            path = layout.surface_roi("fsaverage", collection, h)
            if required or path.exists():
                n = inspector.vertices
                _surface_labels(inspector, "fsaverage", path, collection, n)


def _surface_labels(inspector, subject, path, collection, n):
    values = inspector.read(read.surface, path)
    names = _names(inspector, subject, collection)
    if values is None:
        return None
    if n and len(values) != n:
        todo = "look whether it was exchanged with the other hemisphere's or another subject's"
        inspector.fault(path, f"{len(values)} vertices", f"{n} vertices", todo)
        return None
    ok = names is None or labels(inspector, path, values, names, 0)
    return read.as_labels(values[:, 0]) if ok else None
