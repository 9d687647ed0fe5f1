"""A simulated NSD root: NSD's own layout and file formats, invented ids, and the planted truth beside the data.

- nsddata/, nsddata_stimuli/, nsddata_betas/ : as in NSD, on a coarse grid and on fsaverage5. Transforms lead to MNI
  and the anatomy, on NSD's own grids. Voxels of MTL and thalamus have labels and no responses
- SIMULATED.json : the seed and what differs from NSD; real roots have no such file. It is written last
- truth/subj0S.npz : what was planted (`cortex.load_truth`, `cortex.signal`)
"""

import json
from pathlib import Path

import numpy as np

from brainalign.demo import files
from brainalign.demo.design import N_IMAGES, N_SESSIONS, N_SUBJECTS, design, expdesign, stimulus_table
from brainalign.demo.drawing import render
from brainalign.demo.geometry import N_VERTICES
from brainalign.demo.head import head
from brainalign.demo.scenes import scene
from brainalign.demo.schematic import VOLUME_TABLES
from brainalign.demo.subject import BETAS, VOXEL, Job, write_subject

VERSION = 2  # of the simulation: raised whenever the same seed gives other bytes


def write_root(directory, subjects=(1, 2, 5, 7), sessions=3, seed=0, space="func1pt8mm", progress=None):
    """Write a simulated root into a new or empty directory.

    subjects : numbers 1..8; every second one has a session less, when there are several
    space : "fsaverage" adds surface betas to those of the volume
    progress(done, total, text) : called as the work goes on
    """
    root = Path(directory)
    counts = _checked(root, subjects, sessions, space)
    plan = design(seed)
    jobs = [Job(root, plan, number, count, seed, space) for number, count in counts.items()]
    ids = np.unique(np.concatenate([job.trials for job in jobs])).tolist()
    progress = progress or (lambda done, total, text: None)
    total = len(ids) + sum(200 + 100 * job.sessions for job in jobs)  # a session takes about as long as 100 pictures
    done = 0
    _write_experiment(root, plan, seed)
    for job in jobs:
        for weight in write_subject(job):
            done += weight
            progress(done, total, job.name)
    for _ in _write_pictures(root, ids, seed):
        done += 1
        progress(done, total, "pictures")
    manifest = _manifest(jobs, seed)
    files.save_text(root / "SIMULATED.json", json.dumps(manifest, indent=1) + "\n")


def _checked(root, subjects, sessions, space):
    """Sessions of each subject, by number."""
    subjects = list(subjects)
    if not subjects or len(set(subjects)) < len(subjects) or not set(subjects) <= set(range(1, N_SUBJECTS + 1)):
        raise ValueError(f"subjects are {subjects}, expected different numbers from 1 to {N_SUBJECTS}")
    if not 1 <= sessions <= N_SESSIONS:
        raise ValueError(f"{sessions} sessions asked for, expected 1 to {N_SESSIONS}")
    if space not in ("func1pt8mm", "fsaverage"):
        raise ValueError(f"space is {space!r}, expected func1pt8mm or fsaverage")
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise ValueError(f"{root} is not an empty directory; choose another or remove it first")
    return {number: max(1, sessions - place % 2) for place, number in enumerate(subjects)}


def _manifest(jobs, seed):
    return {
        "simulated": True,
        "seed": seed,
        "version": VERSION,
        "fsaverage_vertices": N_VERTICES,
        "voxel_size_mm": VOXEL,
        "tables_of_our_own": ["corticalsulc", *VOLUME_TABLES],
        "beta_version": BETAS,
        "subjects": {
            job.name: {
                "sessions": job.sessions,
                "shape": list(head(job.number, seed, VOXEL).shape),
                "truth": f"truth/{job.name}.npz",
            }
            for job in jobs
        },
    }


def _write_experiment(root, plan, seed):
    folder = root / "nsddata/experiments/nsd"
    files.save_mat(folder / "nsd_expdesign.mat", expdesign(plan))
    files.save_text(folder / "nsd_stim_info_merged.csv", stimulus_table(plan, seed).to_csv(index=False))


def _write_pictures(root, ids, seed):
    path = root / "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"
    return files.save_pictures(path, ids, (N_IMAGES, 425, 425, 3), lambda i: files.compressed(render(scene(i, seed))))
