"""All files of one simulated subject: behaviour, anatomy, ROIs, transforms, betas, ncsnr, and the planted truth."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainalign.demo import cortex, files, noise, transforms
from brainalign.demo.atlas import TABLES, atlas
from brainalign.demo.content import features
from brainalign.demo.design import N_TRIALS, Design, responses
from brainalign.demo.geometry import N_VERTICES, SIDES
from brainalign.demo.head import head
from brainalign.demo.scenes import scene
from brainalign.demo.schematic import VOLUME_TABLES
from brainalign.demo.space import finer

VOXEL = 4.8  # mm, for NSD's 1.8
FINER = 1.8  # how many of the voxels that NSD calls 1 mm lie along one of those
BETAS = "betas_fithrf_GLMdenoise_RR"
ATLASES = (
    "HCP_MMP1",
    "streams",
    "nsdgeneral",
    "Kastner2015",
    "corticalsulc",
)  # collections that fsaverage/label holds as well


@dataclass(frozen=True)
class Job:
    """What is to be written for one subject."""

    root: Path
    design: Design
    number: int
    sessions: int
    seed: int
    space: str

    @property
    def name(self):
        return f"subj{self.number:02d}"

    @property
    def trials(self):
        """(750 * sessions,) image ids from 0."""
        return self.design.trials(self.number, self.sessions)

    @property
    def func(self):
        return self.root / "nsddata/ppdata" / self.name / "func1pt8mm"

    @property
    def betas(self):
        return self.root / "nsddata_betas/ppdata" / self.name / "func1pt8mm" / BETAS

    @property
    def surface_betas(self):
        return self.root / "nsddata_betas/ppdata" / self.name / "fsaverage" / BETAS

    def rng(self, *numbers):
        return np.random.default_rng([self.seed, 5, self.number, *numbers])


def write_subject(job):
    """Write all files of one subject; yields how much work each stage was, in pictures."""
    anatomy = head(job.number, job.seed, VOXEL)
    table = responses(job.design, job.number, job.sessions, job.seed)
    files.save_text(job.func.parent / "behav/responses.tsv", table.to_csv(sep="\t", index=False, na_rep="NaN"))
    _write_anatomy(job, anatomy)
    images, rows, repeats = np.unique(job.trials, return_inverse=True, return_counts=True)
    values = np.stack([features(scene(i, job.seed)) for i in images.tolist()])
    truth = _plant(job, anatomy, values, repeats)
    signal = cortex.responses(truth, values).astype("f4")[rows]
    yield 200
    yield from _write_sessions(job, anatomy, truth, signal)


def _plant(job, anatomy, values, repeats):
    """Choose the units, plant their truth and write it down."""
    vertices = anatomy.home.ravel()[anatomy.places]
    planted = cortex.vertex_regions()[vertices] >= 0
    truth = cortex.plant(anatomy.places[planted], vertices[planted], values, repeats, job.rng(0))
    path = job.root / "truth" / f"{job.name}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **truth.arrays())
    return truth


def _write_anatomy(job, anatomy):
    """Brain mask, ROIs with their tables, and transforms."""
    labels = job.root / "nsddata/freesurfer"
    for collection, names in TABLES.items():
        for side in (None, *SIDES):
            name = f"{side}.{collection}" if side else collection
            values = anatomy.volume(collection, side).astype("f8")
            files.save_nifti(job.func / "roi" / f"{name}.nii.gz", values, VOXEL)
        places = {job.name: {side: anatomy.native(collection, side) for side in SIDES}}
        if collection in ATLASES:
            places["fsaverage"] = {side: anatomy.labels(collection, side) for side in SIDES}
        for place, values in places.items():
            values = {side: array.astype("f4") for side, array in values.items()}
            files.save_sides(labels / place / "label", f"{collection}.mgz", values)
            files.save_table(labels / place / "label" / f"{collection}.mgz.ctab", names)
    _write_below(job, anatomy)
    _write_images(job, anatomy)
    transforms.write(job.func.parent / "transforms", anatomy)


def _write_below(job, anatomy):
    """MTL and thalamus: in the volume alone, their tables beside the templates."""
    for collection, names in VOLUME_TABLES.items():
        for side in (None, *SIDES):
            name = f"{side}.{collection}" if side else collection
            files.save_nifti(job.func / "roi" / f"{name}.nii.gz", anatomy.below(collection, side), VOXEL)
        files.save_table(job.root / f"nsddata/templates/{collection}.ctab", names)


def _write_images(job, anatomy):
    """Mean images, the grid that NSD calls 1 mm, and pRF maps."""
    fine = finer(anatomy.grid, FINER)
    nearest = np.rint(anatomy.grid.voxels(fine.points())).astype(int)
    brain = anatomy.brain[tuple(np.moveaxis(np.clip(nearest, 0, np.array(anatomy.shape) - 1), -1, 0))]
    for folder, mask, voxel in ((job.func, anatomy.brain, VOXEL), (job.func.parent / "func1mm", brain, VOXEL / FINER)):
        files.save_nifti(folder / "brainmask.nii.gz", mask.astype("i2"), voxel)
        files.save_nifti(folder / "mean.nii.gz", np.where(mask, 1000, 100).astype("f4"), voxel)
    for name in ("angle", "eccentricity", "size"):
        values = np.where(anatomy.home >= 0, atlas()[name][anatomy.home], np.nan)
        values = values % 360 if name == "angle" else values
        files.save_nifti(job.func / f"prf_{name}.nii.gz", values.astype("f4"), VOXEL)


def _write_sessions(job, anatomy, truth, signal):
    """Betas of each session, then what is computed from all of them; yields as `write_subject`."""
    columns = np.searchsorted(anatomy.places, truth.places)
    noise_sd = noise.noise_sd(len(anatomy.places), job.rng(1)).astype("f4")
    noise_sd[columns] = truth.noise_sd
    depths = _depths(anatomy) if job.space == "fsaverage" else None
    standard, surface, means, valid = [], [], [], []
    for session in range(job.sessions):
        rng = job.rng(2, session)
        percent = noise.record(signal[session * N_TRIALS :][:N_TRIALS], columns, noise_sd, rng)
        integers = np.clip(np.rint(percent * 300), -32768, 32767).astype("i2")
        valid.append(_valid(session, job.sessions, columns, len(noise_sd), rng))
        integers[:, ~valid[-1]] = 0
        _write_session(job, anatomy, session + 1, integers, valid[-1])
        means.append(integers.mean(0, dtype="f8"))
        standard.append(noise.standardised(integers.astype("f4")))
        if depths is not None:
            surface.append(_write_surface_session(job, session + 1, integers, valid[-1], depths))
        yield 100
    files.save_nifti(job.func / "valid.nii.gz", _volume(anatomy, np.mean(valid, axis=0), "f4"), VOXEL)
    files.save_nifti(job.betas / "meanbeta.nii.gz", _volume(anatomy, np.mean(means, axis=0), "f4"), VOXEL)
    ordering = job.design.ordering[: len(signal)]
    for suffix, values in noise.ncsnr_files(np.concatenate(standard), ordering).items():
        volume = _volume(anatomy, values, "f4", outside=np.nan)
        files.save_nifti(job.betas / f"ncsnr{suffix}.nii.gz", volume, VOXEL)
    if surface:
        for suffix, values in noise.ncsnr_files(np.concatenate(surface), ordering).items():
            files.save_sides(job.surface_betas, f"ncsnr{suffix}.mgh", _halves(values.astype("f4")))


def _depths(anatomy):
    """(3, 20484) column of the brain mask's voxel at each depth below each vertex of fsaverage5; -1 where none is."""
    column = np.full(anatomy.brain.size, -1)
    column[anatomy.places] = np.arange(len(anatomy.places))
    sides = []
    for side in anatomy.sides.values():
        voxels = np.rint(side.layers[:, side.from_white]).astype(int)
        inside = (voxels < anatomy.shape).all(-1)
        flat = np.ravel_multi_index(np.moveaxis(voxels, -1, 0), anatomy.shape, mode="clip")
        sides.append(np.where(inside, column[flat], -1))
    return np.concatenate(sides, axis=1)


def _write_surface_session(job, number, integers, valid, depths):
    """The mean of three depths in percent signal change, NaN where one lacks; returns it z-scored."""
    percent = np.where(valid, integers, np.nan).astype("f4") / 300
    percent = np.concatenate([percent, np.full((len(percent), 1), np.nan, "f4")], axis=1)  # column -1 is nowhere
    betas = (percent[:, depths[0]] + percent[:, depths[1]] + percent[:, depths[2]]) / 3
    files.save_sides(job.surface_betas, f"betas_session{number:02d}.mgh", _halves(betas.T))
    return noise.standardised(betas)


def _halves(values):
    return {"lh": values[:N_VERTICES], "rh": values[N_VERTICES:]}


def _valid(session, sessions, columns, n_voxels, rng):
    """(n_voxels,) False for a few voxels of the last session of several, some of them units with a signal."""
    valid = np.ones(n_voxels, bool)
    if 0 < session == sessions - 1:
        valid[rng.choice(columns, 8, replace=False)] = False
        valid[rng.choice(n_voxels, 20, replace=False)] = False
    return valid


def _volume(anatomy, values, dtype, outside=0):
    """Values (..., n_voxels) of the brain mask as a volume (X, Y, Z, ...)."""
    volume = np.full((np.prod(anatomy.shape), *values.shape[:-1]), outside, dtype)
    volume[anatomy.places] = np.moveaxis(values, -1, 0)
    return volume.reshape(*anatomy.shape, *values.shape[:-1])


def _write_session(job, anatomy, number, integers, valid):
    name = f"session{number:02d}"
    files.save_nifti(job.func / f"valid_{name}.nii.gz", _volume(anatomy, valid, "i2"), VOXEL)
    files.save_nifti(job.betas / f"betas_{name}.nii.gz", _volume(anatomy, integers, "i2"), VOXEL)
    files.save_betas(job.betas / f"betas_{name}.hdf5", integers, anatomy.places, anatomy.shape)
    mean = _volume(anatomy, integers.mean(0, dtype="f8"), "f4")
    files.save_nifti(job.betas / f"meanbeta_{name}.nii.gz", mean, VOXEL)
