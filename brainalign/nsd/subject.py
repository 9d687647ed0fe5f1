"""One subject's files -> `Subject`: betas z-scored within session and averaged over repeats."""

from types import MappingProxyType

import numpy as np

from brainalign import tables
from brainalign.nsd import design, read, trend
from brainalign.nsd.layout import BETA_VERSIONS, HEMISPHERES, SESSIONS_DONE, Layout, known, known_space
from brainalign.nsd.rois import masks as roi_masks
from brainalign.types import Roi, Subject, Trials

GENERAL = Roi("nsdgeneral", "whole", "all", "nsdgeneral", ("nsdgeneral",))
BLOCK = 256  # images divided by their trials at a time


def load_subject(
    root, subject, space="func1pt8mm", beta_version="betas_fithrf_GLMdenoise_RR", rois=None, progress=None
):
    """Everything the analyses need of one subject.

    Its units are the union of nsdgeneral and the ROIs (`rois`: Roi objects; those of `data/rois.csv` by default)
    within the brain mask. Volumes are brought to one orientation by their affines (`nsd.space`), and refused where
    they do not lie on the brain mask's grid. Betas are z-scored per unit within each session, then averaged over the
    trials of each picture in the sessions that are there; a unit has no value in a session where it is all 0, has a
    NaN or is marked invalid. `progress(done, total)` is called after each session.

    Memory: the result (n_images x n_units x 4 bytes) and about four arrays of one session (750 x n_units x 4) and of
    the test pictures (n_test x n_units x 4).
    """
    layout, named = Layout(root), list(tables.rois().values() if rois is None else rois)
    files = session_files(layout, subject, space, beta_version)
    units, masks, grid = _units(layout, subject, space, named)
    plan = design.load(root)
    shown = np.stack([plan.session(subject, number) for number in files])
    image_ids, rows = np.unique(shown, return_inverse=True)
    rows = rows.reshape(shown.shape)

    sessions = _sessions(layout, subject, files, units, grid)
    is_test = np.isin(image_ids, plan.shared)
    betas, valid, noise = averaged(sessions, rows, is_test, len(units), progress)
    return Subject(
        name=subject,
        space=space,
        betas=betas,
        image_ids=image_ids,
        repeats=np.bincount(rows.ravel()),
        is_test=is_test,
        units=units,
        rois=MappingProxyType({name: mask[units] for name, mask in masks.items()}),
        ncsnr=_ncsnr(layout, subject, beta_version, grid)[units],
        valid=valid,
        **noise,
    )


def averaged(sessions, rows, is_test, n_units, progress=None):
    """betas and valid of `types.Subject` from sessions of z-scored trials, and by name what it knows of their noise.

    sessions : of each (n_trials, n_units) float32, whose columns without data are overwritten, and (n_units,) whether
    a unit has data; rows : (n_sessions, n_trials) the picture of each trial, counted from 0; is_test : (n_images,)
    """
    betas, valid = np.zeros((len(is_test), n_units), np.float32), np.zeros((len(rows), n_units), bool)
    steady, squares = np.zeros((2, is_test.sum(), n_units), np.float32)  # of test trials without trend
    train_squares, place = np.zeros(n_units), np.cumsum(is_test) - 1
    for s, (session, there) in enumerate(sessions):
        valid[s] = there
        session[:, ~there] = 0
        for row, trial in zip(rows[s], session):
            betas[row] += trial
        time = _time(len(session))
        slope = time @ session
        for k in np.flatnonzero(is_test[rows[s]]):
            trial = session[k] - time[k] * slope
            steady[place[rows[s, k]]] += trial
            squares[place[rows[s, k]]] += trial**2
        train_squares += np.square(session[~is_test[rows[s]]]).sum(0, dtype=np.float64)
        if progress:
            progress(s + 1, len(rows))
    trials = np.stack([np.bincount(row, minlength=len(is_test)) for row in rows], axis=1)
    _average(betas, trials, valid)
    _average(steady, trials[is_test], valid)
    repeats = trials.sum(1)
    if not (repeats[is_test] > 1).any() or not (repeats[~is_test] > 1).any():
        return betas, valid, {}
    trend = betas[is_test].var(0, ddof=1) - steady.var(0, ddof=1)
    steady *= np.sqrt(repeats[is_test, None]).astype(np.float32)
    squares -= np.square(steady, out=steady)
    trend -= squares.sum(0) / (repeats[is_test] - 1).sum() * _fitted(rows, is_test)
    train_noise = _noise(betas, np.flatnonzero(~is_test), repeats, train_squares)
    noise = {"scatter": squares, "trend": trend, "train_noise": train_noise}
    for values in noise.values():
        values[..., ~valid.all(0)] = np.nan
    return betas, valid, noise


def _time(n_trials):
    """(n_trials,) float32 straight line over a session, with mean 0 and length 1."""
    time = np.linspace(-1, 1, n_trials)
    return (time / np.sqrt((time**2).sum())).astype(np.float32)


def _fitted(rows, is_test):
    """How much of the noise of a trial the means and trends of sessions take out of the variance of test pictures.

    They are fitted to noise too: of noise with variance 1, the mean over a picture's trials is freed of its part of
    each session's mean and trend, squared and summed.
    """
    parts = np.zeros((len(is_test), len(rows), 2))
    for s, row in enumerate(rows):
        shape = np.stack([np.full(len(row), len(row) ** -0.5), _time(len(row))], axis=1)
        np.add.at(parts[:, s], row, shape)
    repeats = np.bincount(rows.ravel(), minlength=len(is_test))
    return (parts / repeats[:, None, None])[is_test].var(0, ddof=1).sum()


def _noise(means, pictures, repeats, squares):
    """(n_units,) variance of the trials of some pictures about their means; squares : (n_units,) of those trials."""
    explained = np.zeros(means.shape[1])
    for start in range(0, len(pictures), BLOCK):
        block = pictures[start : start + BLOCK]
        explained += repeats[block] @ np.square(means[block], dtype=np.float64)
    return (squares - explained) / (repeats[pictures] - 1).sum()


def load_trials(root, subject, image_ids, space="func1pt8mm", beta_version="betas_fithrf_GLMdenoise_RR"):
    """`Trials` of some pictures (ascending NSD ids), without the noise's drift: for what compares trials with trials.

    A unit's trials are z-scored within session after `trend.remove`; NaN where a unit has no value in that session.
    All files of betas are read. Memory: the values and about three arrays of one session (750 x n_units x 4 bytes).
    """
    layout, image_ids = Layout(root), np.asarray(image_ids)
    files = session_files(layout, subject, space, beta_version)
    units, _, grid = _units(layout, subject, space, list(tables.rois().values()))
    plan, shown, run, values = design.load(root), [], [], []
    for number, (session, there) in zip(files, _sessions(layout, subject, files, units, grid)):
        trend.remove(session, plan.runs[number - 1])
        session[:, ~(standardise(session) & there)] = np.nan
        ids = plan.session(subject, number)
        wanted = np.isin(ids, image_ids)
        shown.append(np.searchsorted(image_ids, ids[wanted]))
        run.append(plan.run(number)[wanted])
        values.append(session[wanted])
    return Trials(*map(np.concatenate, (shown, run, values)))


def _sessions(layout, subject, files, units, grid):
    """Of each session: (750, n_units) z-scored trials, and (n_units,) which units have values in it."""
    for number, paths in files.items():
        session = _session(layout, paths, units, grid)
        yield session, standardise(session) & _marked_valid(layout.valid(subject, number), units, grid)


def standardise(session):
    """z-scores each column of (n_trials, n_units) float32 in place; returns (n_units,) whether it could be.

    A column with a missing or infinite value, or that never varies, becomes NaN. The standard deviation is the
    unbiased one (n - 1), as in NSD's own noise ceiling.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        session -= session.mean(0, dtype=np.float64).astype(np.float32)
        sd = np.sqrt(np.square(session).sum(0, dtype=np.float64) / (len(session) - 1)).astype(np.float32)
        valid = np.isfinite(sd) & (sd > 1e-6)
        session /= np.where(valid, sd, np.nan)
    return valid


def _average(betas, trials, valid):
    """Sums over trials -> means over the trials that exist, in place; NaN where a unit has none.

    betas : (n_images, n_units), trials : (n_images, n_sessions), valid : (n_sessions, n_units)
    """
    there = valid.astype(np.float32)
    for start in range(0, len(betas), BLOCK):
        block = slice(start, start + BLOCK)
        count = trials[block].astype(np.float32) @ there
        betas[block] /= np.where(count > 0, count, np.nan)


def session_files(layout, subject, space, version):
    """{session: paths in reading order}: HDF5 before NIfTI, or both hemispheres."""
    known("subject", subject, list(SESSIONS_DONE))
    known_space(space)
    known("beta version", version, BETA_VERSIONS)
    folder = layout.betas(subject, space, version)
    files = {}
    for number, found in layout.beta_files(subject, space, version).items():
        if space == "fsaverage":
            missing = [h for h in HEMISPHERES if h not in found]
            if missing:
                raise FileNotFoundError(f"{folder}: session {number} has no {missing[0]}.betas file")
            files[number] = [found[h] for h in HEMISPHERES]
        else:
            files[number] = [found.get("hdf5") or found["nii"]]
    if not files:
        others = f"; its {', '.join(layout.unread(subject))} cannot be read" if layout.unread(subject) else ""
        raise FileNotFoundError(f"no betas in {folder}; expected files such as betas_session01{others}")
    return files


def _units(layout, subject, space, named):
    """(units, {ROI name: mask over all voxels or vertices}, Grid of the volume or None on fsaverage)."""
    if space == "fsaverage":
        grid, inside = None, np.ones(2 * layout.fsaverage_vertices, bool)
    else:
        grid = read.grid(layout.brainmask(subject))
        inside = read.volume(layout.brainmask(subject)).ravel() > 0
    masks = roi_masks(layout, subject, grid, [GENERAL, *named])
    everywhere = np.zeros(len(inside), bool)
    units = np.flatnonzero(np.any(list(masks.values()) or [everywhere], axis=0) & inside)
    if not len(units):
        raise ValueError(f"{subject}: no unit of {space} lies in nsdgeneral or a ROI; `brainalign check` says why")
    return units, {roi.name: masks.get(roi.name, everywhere) for roi in named}, grid


def _session(layout, paths, units, grid):
    """(750, n_units) float32 percent signal change of one session."""
    if grid:
        hdf5 = paths[0].suffix == ".hdf5"
        betas = read.hdf5_betas(paths[0], units, grid.shape) if hdf5 else read.nifti_betas(paths[0], units, grid)
        return betas.astype(np.float32) / np.float32(300)
    n = layout.fsaverage_vertices
    sides = [units[units < n], units[units >= n] - n]
    return np.hstack([read.surface_betas(path, side, n) for path, side in zip(paths, sides)])


def _marked_valid(path, units, grid):
    """(n_units,) what NSD's own file says of a session; True where there is none."""
    if grid and path.exists():
        return read.volume(path, grid).ravel()[units] > 0
    return np.ones(len(units), bool)


def _ncsnr(layout, subject, version, grid):
    """ncsnr of all voxels (C order of the Grid) or, where that is None, vertices, float32; NaN where undefined."""
    if grid:
        return read.volume(layout.ncsnr(subject, "func1pt8mm", version), grid).ravel().astype(np.float32)
    paths = [layout.ncsnr(subject, "fsaverage", version, h) for h in HEMISPHERES]
    return np.concatenate([read.surface(p, layout.fsaverage_vertices)[:, 0] for p in paths]).astype(np.float32)
