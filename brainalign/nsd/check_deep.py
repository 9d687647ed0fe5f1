"""Every byte of every file: what a look at headers, ends and samples misses.

A wrong byte in a gzip file is found by its checksum, and one in the HDF5 betas of a volume by comparing all values
with the session's NIfTI file. MGH files, and HDF5 files without a twin, have no checksum: of those only what cannot be
read, or cannot be percent signal change, is found, and exchanged hemispheres by the ncsnr that follows from them.
"""

import gzip
from functools import partial
from math import prod

import h5py
import numpy as np

from brainalign.nsd import design, read
from brainalign.nsd.check_betas import SURFACE_LIMIT, follows, vertices
from brainalign.nsd.check_files import folders
from brainalign.nsd.layout import HEMISPHERES, OWN_IMAGES
from brainalign.nsd.subject import standardise

PART = MB = 1 << 20  # bytes


def everything(inspector, subjects, progress=None):
    """Reads to its end every file that an analysis or another check knows; those at fault already are left.

    progress(done, total, name) : in megabytes, after each part of a file
    Memory: one session of a volume's betas, 1.2 GB at most. Ctrl-C ends the reading; the report tells how far it came.
    """
    scores = {}
    jobs = _jobs(inspector, subjects, scores)
    total, done = sum(size for size, *_ in jobs), 0
    try:
        for size, name, job in jobs:
            tick = partial(_tell, progress or (lambda *_: None), done, size, total, name)
            job(inspector, tick)
            tick(1)
            done += size
        _hemispheres(inspector, scores)
    except KeyboardInterrupt:
        inspector.stopped = f"stopped after {done / MB:,.0f} of {total / MB:,.0f} MB; the rest was not read whole"


def _tell(progress, done, size, total, name, share):
    progress((done + share * size) / MB, total / MB, name)


def _jobs(inspector, subjects, scores):
    """[(bytes, name, function of an inspector and of tick(share of the bytes that are read))], small files first.

    scores : takes, as the jobs are done, {(subject, version, hemisphere): {session: z-scored betas of some vertices}}
    """
    layout = inspector.layout
    found = {(layout.stimuli,): partial(_alone, layout.stimuli, _hdf5)}
    for subject in subjects:
        mask = layout.brainmask(subject)
        grid = read.grid(mask) if mask.exists() and not inspector.faulty(mask) else None
        images = [path for folder in folders(layout, subject) for path in folder.glob("*")]
        for path in sorted(path for path in images if OWN_IMAGES.fullmatch(path.name)):
            found[path,] = partial(_alone, path, _image)
        for space, version in layout.present(subject):
            for number, files in layout.beta_files(subject, space, version).items():
                nii, hdf5 = files.get("nii"), files.get("hdf5")
                for h in [h for h in HEMISPHERES if h in files]:
                    keep = partial(scores.setdefault((subject, version, h), {}).__setitem__, number)
                    found[files[h],] = partial(_alone, files[h], partial(_surface, keep))
                if nii and hdf5 and grid:
                    found.pop((nii,), None)
                    found[nii, hdf5] = partial(_twins, nii, hdf5, grid)
                elif hdf5:
                    found[hdf5,] = partial(_alone, hdf5, _hdf5)
    sizes = {paths: sum(path.stat().st_size for path in paths if path.is_file()) for paths in found}
    return sorted(((sizes[p], p[0].name, job) for p, job in found.items() if sizes[p]), key=lambda job: job[0])


def _alone(path, reader, inspector, tick):
    if not inspector.faulty(path):
        inspector.read(reader, path, tick)


def _twins(nii, hdf5, grid, inspector, tick):
    """A session's two files hold the same integers, and both can be read to their ends."""
    if inspector.faulty(nii) or inspector.faulty(hdf5):
        return
    share = hdf5.stat().st_size / (hdf5.stat().st_size + nii.stat().st_size)
    values = inspector.read(_betas, hdf5, lambda part: tick(part * share))
    if values is not None:
        inspector.read(_same, nii, hdf5.name, values, grid, lambda part: tick(share + part * (1 - share)))


def _betas(path, tick):
    """(750, Z, Y, X) int16 of a session."""
    with read.reading(path, "an HDF5 file of betas"), h5py.File(path) as file:
        values = np.full(file["betas"].shape, file["betas"].fillvalue, np.int16)  # what is stored nowhere is that
        for place in _slabs(file["betas"], tick):
            values[place] = file["betas"][place]
        return values


def _same(path, twin, values, grid, tick):
    places = read.grid(path).places().reshape(grid.shape).transpose(2, 1, 0).ravel()  # in the order of HDF5
    wrong = []
    for trial, frame in enumerate(read.frames(path)):
        wrong.append((frame[places] != values[trial].ravel()).sum())
        tick((trial + 1) / len(values))
    if any(wrong):
        first = np.flatnonzero(wrong)[0] + 1
        raise ValueError(f"{sum(wrong)} values differ from {twin}, first in trial {first}, expected the same integers")


def _hdf5(path, tick):
    """Reads each dataset of a file."""
    with read.reading(path, "an HDF5 file"), h5py.File(path) as file:
        for data in [item for item in file.values() if isinstance(item, h5py.Dataset) and item.ndim]:
            for place in _slabs(data, tick):
                data[place]


def _slabs(data, tick):
    """Slices that together read all that is stored of an HDF5 dataset, along the first axis that chunks divide."""
    chunks = data.chunks or (1, *data.shape[1:])
    axis = next((k for k, (part, whole) in enumerate(zip(chunks, data.shape)) if part < whole), 0)
    starts = set(range(0, data.shape[axis], chunks[axis]))
    if data.chunks:
        starts = set()
        data.id.chunk_iter(lambda chunk: starts.add(chunk.chunk_offset[axis]))
    for n, start in enumerate(sorted(starts), 1):
        yield (slice(None),) * axis + (slice(start, start + chunks[axis]),)
        tick(n / len(starts))


def _surface(keep, path, tick):
    """Reads the betas of a hemisphere; an error where one of them cannot be percent signal change.

    keep : is given the z-scored betas of some vertices
    """
    shape, largest, kept = read.header(path)[0], 0, []
    for trial, frame in enumerate(read.frames(path), 1):
        largest = max(largest, np.abs(frame[np.isfinite(frame)]).max(initial=0))
        kept.append(frame[vertices(shape[0])])
        tick(trial / shape[-1])
    if largest > SURFACE_LIMIT:
        raise ValueError(f"values up to {largest:g}, expected percent signal change below {SURFACE_LIMIT}")
    kept = np.stack(kept).astype(np.float32)
    standardise(kept)
    keep(kept)


def _hemispheres(inspector, scores):
    """ncsnr of each hemisphere follows from its betas: those of the other one have the same shape."""
    layout = inspector.layout
    plan = None if inspector.faulty(layout.design) else design.load(layout.root)
    for (subject, version, h), found in scores.items():
        path = layout.ncsnr(subject, "fsaverage", version, h)
        if len(found) == len(layout.beta_files(subject, "fsaverage", version)) and not inspector.faulty(path):
            stored = inspector.read(read.surface, path)[:, 0]
            follows(inspector, path, stored[vertices(len(stored))], found, subject, plan)


def _image(path, tick):
    """Reads an image to its end, where gzip keeps its checksum."""
    shape, dtype, offset = read.header(path)
    size, length = path.stat().st_size, 0
    with read.reading(path, "an image"), open(path, "rb") as raw:
        file = gzip.GzipFile(fileobj=raw) if path.suffix in (".gz", ".mgz") else raw
        while part := file.read(PART):
            length += len(part)
            tick(raw.tell() / size)
        if length < prod(shape) * dtype.itemsize + offset:
            raise ValueError(f"it holds {length} bytes, fewer than its header declares")
