"""Checks of betas and ncsnr."""

import warnings
from math import prod

import h5py
import numpy as np

from brainalign.nsd import read
from brainalign.nsd.check_anatomy import SAMPLE, spread
from brainalign.nsd.check_design import finished
from brainalign.nsd.check_files import SMALL, intact
from brainalign.nsd.layout import HEMISPHERES, MAX_SESSIONS, SESSIONS_DONE, TRIALS
from brainalign.nsd.subject import standardise

BRIEF = 3  # frames read of a larger one
LIMIT = 110  # percent signal change: int16 / 300 cannot hold more
# Surfaces are interpolated from such volumes. Cubic convolution overshoots by up to 1.25 along each axis, cubic
# splines by up to 1.55, so that noise at the limit gives 165 and more; no such weights reach four times the limit.
SURFACE_LIMIT = 4 * LIMIT
TYPICAL = 30  # percent: half of all values lie far below it, also in noise; 300 times as large they do not
NAMES = {"hdf5": "betas_session{:02d}.hdf5", "nii": "betas_session{:02d}.nii.gz"}
NAMES |= {h: h + ".betas_session{:02d}.mgh" for h in HEMISPHERES}
ENOUGH = 50  # pictures with three trials from which ncsnr is worked out again


def volume(inspector, subject, version, cortex, plan):
    """One beta version in the functional volume: each session in each format, their agreement, ncsnr."""
    layout = inspector.layout
    files = layout.beta_files(subject, "func1pt8mm", version)
    _sessions(inspector, layout.betas(subject, "func1pt8mm", version), subject, files)
    if cortex is None:
        return
    scores = {}
    for number, found in files.items():
        sampled = _hdf5(inspector, found["hdf5"], cortex) if "hdf5" in found else None
        if "nii" in found:
            twin = found["hdf5"] if sampled is not None else None
            other = _nifti(inspector, found["nii"], twin, sampled, cortex)
            sampled = other if sampled is None else sampled
        if sampled is not None and len(sampled) == TRIALS:
            scores[number] = sampled.astype(np.float32)
            standardise(scores[number])
    path = layout.ncsnr(subject, "func1pt8mm", version)
    stored = inspector.volume(path, cortex.grid)
    if stored is not None and _ncsnr(inspector, path, stored) and len(scores) == len(files):
        follows(inspector, path, stored.ravel()[cortex.sample], scores, subject, plan)


def _sessions(inspector, folder, subject, files):
    """Session numbers without a gap, in the same formats; fewer than the subject did are legal."""
    last = max([*files, inspector.declared(subject).get("sessions", 0)])
    missing = sorted(set(range(1, last + 1)) - set(files))
    if missing:
        numbers = ", ".join(f"{n:02d}" for n in missing)
        todo = "download it; without it the sessions that are there are read, each with its own trials"
        found = f"session {numbers} is missing, session {max(files):02d} is there"
        inspector.fault(folder / f"betas_session{missing[0]:02d}", found, "sessions from 01 without a gap", todo)
    if len(files) < SESSIONS_DONE[subject]:
        space = folder.parent.name
        inspector.warn(f"{subject} {space} {folder.name}: {len(files)} of {SESSIONS_DONE[subject]} sessions")
    for number, found in files.items():
        for kind in sorted(_kinds(files) - set(found)):
            path = folder / NAMES[kind].format(number)
            if inspector.simulated or kind in HEMISPHERES:
                inspector.fault(path, "missing, while its twin is there", "a file for each session")
            else:
                inspector.warn(f"{path} is missing; the session's other file is read")


def _kinds(files):
    """The formats that any session has; of surfaces always both hemispheres."""
    kinds = set().union(*files.values())
    return kinds | set(HEMISPHERES) if kinds & set(HEMISPHERES) else kinds


def _hdf5(inspector, path, cortex):
    """(750, n_sample) integers of a session, once its type and values have been checked; None at fault."""
    betas = inspector.read(read.hdf5_betas, path, np.r_[cortex.sample, cortex.outside], cortex.grid.shape)
    if betas is None:
        return None
    inside, outside = np.split(betas, [len(cortex.sample)], axis=1)
    return inside if _outside(inspector, path, outside) and _integers(inspector, path, inside) else None


def _outside(inspector, path, outside):
    """Whether (n_trials, n_voxels) outside the brain mask hold nothing; a fault where not."""
    stray = outside.any(0).mean() if outside.size else 0
    if stray > 0.05:
        found = f"{100 * stray:.0f} % of the voxels looked at outside the brain mask have values"
        inspector.fault(path, found, "0 outside the brain mask", "look whether it is another subject's file")
    return stray <= 0.05


def _integers(inspector, path, betas):
    """Whether (n_trials, n_voxels) integers look like 300 times the percent signal change; a fault where not."""
    largest, lost = np.abs(betas.astype(np.int32)).max(initial=0), 1 - betas.any(0).mean()
    if lost > 0.5:
        inspector.fault(
            path, f"{100 * lost:.0f} % of the voxels looked at in nsdgeneral are 0", "data in most of them"
        )
    elif largest <= LIMIT:
        found = f"values up to {largest}, as if they had been divided by 300 already"
        inspector.fault(path, found, f"integers above {LIMIT}: 300 times the percent signal change")
    return lost <= 0.5 and largest > LIMIT


def _nifti(inspector, path, twin, sampled, cortex):
    """The same of a session's NIfTI file, its first frames where it is large; and its agreement with its HDF5 file.

    twin : the HDF5 file, of which `sampled` was read; None where there is none to compare
    """
    header = inspector.read(read.header, path)
    if header is None:
        return None
    shape, dtype, _ = header
    if len(shape) != 4 or shape[3] != TRIALS or dtype.newbyteorder("=") != np.int16:
        inspector.fault(path, f"{shape} {dtype.name}", f"{(*cortex.grid.shape, TRIALS)} int16")
        return None
    if not inspector.lies_on(path, cortex.grid):
        return None
    small = prod(shape) * dtype.itemsize <= SMALL
    betas = inspector.read(_frames if small else _first_frames, path)
    if betas is None:
        return None
    places = read.grid(path).places()
    inside = betas[:, places[cortex.sample]]
    if not _outside(inspector, path, betas[:, places[cortex.outside]]) or not _integers(inspector, path, inside):
        return None
    if twin is not None:
        other = inspector.read(_everything, twin) if small else sampled[: len(betas)]
        _agree(inspector, path, twin, betas[:, places] if small else inside, other)
    return inside


def _agree(inspector, path, twin, mine, other):
    """A fault where (n_trials, n_voxels) of a session's two files are not the same integers."""
    if other is not None and (mine != other).any():
        trial, _ = np.argwhere(mine != other)[0]
        count = (mine != other).sum()
        found = f"{count} of {mine.size} values compared differ from {twin.name}, first in trial {trial + 1}"
        inspector.fault(path, found, "the same integers in both files", "download both files of this session again")


def _frames(path):
    return np.stack(list(read.frames(path)))


def _first_frames(path):
    """The first frames of a large file, after a look at the size that its last bytes declare."""
    intact(path)
    return np.stack([frame for frame, _ in zip(read.frames(path), range(BRIEF))])


def _everything(path):
    """(750, n_voxels) of an HDF5 file, in C order of (X, Y, Z)."""
    with read.reading(path, "an HDF5 file of betas"), h5py.File(path) as file:
        return file["betas"][:].transpose(0, 3, 2, 1).reshape(TRIALS, -1)


def surface(inspector, subject, version, cortex, plan):
    """One beta version on fsaverage: each session of each hemisphere, ncsnr."""
    layout, n = inspector.layout, inspector.vertices
    files = layout.beta_files(subject, "fsaverage", version)
    _sessions(inspector, layout.betas(subject, "fsaverage", version), subject, files)
    for h in HEMISPHERES:
        path = layout.ncsnr(subject, "fsaverage", version, h)
        stored = inspector.read(read.surface, path)
        scores, sample = {}, vertices(n)
        for number, found in files.items():
            betas = _mgh(inspector, found[h], n) if h in found else None
            if betas is not None and len(betas) == TRIALS:
                scores[number] = betas[:, sample].astype(np.float32)
                standardise(scores[number])
        if stored is None:
            continue
        if len(stored) != n:
            inspector.fault(path, f"{len(stored)} vertices", f"{n} vertices")
        elif _ncsnr(inspector, path, stored) and len(scores) == len(files):
            follows(inspector, path, stored[sample, 0], scores, subject, plan)


def vertices(n):
    """Those of a hemisphere's `n` vertices whose ncsnr is worked out again."""
    return spread(np.arange(n), SAMPLE)


def _mgh(inspector, path, n):
    """(n_frames, n) of a session of one hemisphere, all frames of a small file, once checked; None at fault."""
    header = inspector.read(read.header, path)
    if header is None:
        return None
    shape, dtype, _ = header
    if shape != (n, 1, 1, TRIALS) or dtype.kind != "f":
        inspector.fault(path, f"{shape} {dtype.name}", f"{(n, 1, 1, TRIALS)} float32")
        return None
    small = prod(shape) * dtype.itemsize <= SMALL
    betas = inspector.read(_frames if small else _first_frames, path)
    if betas is None:
        return None
    finite = np.abs(betas[np.isfinite(betas)])
    largest = finite.max(initial=0)
    usual = np.median(finite) if finite.size else 0
    if usual > TYPICAL:
        found = f"half of the values above {usual:.0f}, as if they were 300 times the percent signal change"
        inspector.fault(path, found, "percent signal change, mostly below 10")
    elif largest > SURFACE_LIMIT:
        inspector.fault(path, f"values up to {largest:g}", f"percent signal change below {SURFACE_LIMIT}")
    elif len(finite) < betas.size / 2 or not largest:
        inspector.fault(path, f"{len(finite) / betas.size:.0%} of the values finite, up to {largest:g}", "data")
    else:
        return betas
    return None


def _ncsnr(inspector, path, stored):
    """Whether ncsnr is a float, NaN or 0 and more; a fault where not."""
    finite = stored[np.isfinite(stored)]
    if stored.dtype.kind != "f":
        inspector.fault(path, f"values of type {stored.dtype.name}", "floating-point numbers")
    elif np.isinf(stored).any() or (finite < 0).any() or not finite.any():
        low, high = (finite.min(), finite.max()) if finite.size else (np.nan, np.nan)
        inspector.fault(
            path, f"values from {low:g} to {high:g}, {np.isinf(stored).sum()} infinite", "0 or more, or NaN"
        )
    else:
        return True
    return False


def follows(inspector, path, stored, scores, subject, plan):
    """ncsnr worked out again from z-scored betas, {session: (750, n)}, as NSD did, against the file's (n,).

    They are compared as the noise variance that they stand for, 1 / (1 + ncsnr**2) of a total of 1: every unit
    where all sessions are there and the root is simulated, else roughly, and only where most sessions are there.
    """
    done = finished(inspector, subject)
    if plan is None or len(scores) < 0.75 * done or max(scores) > MAX_SESSIONS:
        return
    shown = np.concatenate([plan.session(subject, number) for number in scores])
    counts = np.unique(shown, return_counts=True)[1]
    three = np.argsort(shown, kind="stable")[np.repeat(counts == 3, counts)].reshape(-1, 3)
    if len(three) < ENOUGH:
        return
    values = np.concatenate(list(scores.values()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a unit without data has no mean
        noise = np.nanmean(np.stack([values[trials].var(0, ddof=1) for trials in three]), axis=0)
    off = np.abs(np.minimum(noise, 1) - 1 / (1 + stored.astype(float) ** 2))
    off = off[np.isfinite(off)]
    exact = inspector.simulated and len(scores) == done
    if not off.size or (off.max() > 2e-3 if exact else np.median(off) > 0.05):
        again = np.sqrt(np.maximum(0, 1 - noise) / noise)
        found = f"ncsnr around {np.nanmedian(stored):.3f}; from the betas follows {np.nanmedian(again):.3f}"
        found += f", the noise variances differ by up to {off.max():.3f}" if off.size else ""
        todo = "look whether ncsnr or the betas are of another subject, hemisphere, session order or beta version"
        inspector.fault(path, found, "the ncsnr of these betas", todo)
