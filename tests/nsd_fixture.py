"""A very small NSD root, written from the description of NSD's layout alone: it shares no code with the reader."""

import json
import warnings
import zlib
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pandas as pd
from scipy.io import savemat

SESSIONS = {1: 3, 2: 2}
SHAPES = {1: (12, 15, 10), 2: (13, 14, 11)}  # X, Y, Z
NATIVE = {1: (700, 690), 2: (650, 655)}  # vertices of the subject's own surface, left and right
VERTICES = 642  # of one fsaverage hemisphere here
VERSION = "betas_fithrf_GLMdenoise_RR"
LOST = 5  # voxels without data in session 2
HCP = {"LO1": 20, "LO2": 21, "PIT": 22, "LO3": 159, "TGd": 131, "TE1a": 132, "TE2a": 134, "TGv": 172}
HCP |= {"TE1m": 177, "p47r": 171, "a47r": 77}
HCP |= {"44": 74, "45": 75, "47l": 76, "IFJa": 79, "IFJp": 80, "IFSp": 81, "IFSa": 82}
TABLES = {
    "prf-visualrois": ["V1v", "V1d", "V2v", "V2d", "V3v", "V3d", "hV4"],
    "floc-faces": ["OFA", "FFA-1", "FFA-2", "mTL-faces", "aTL-faces"],
    "floc-bodies": ["EBA", "FBA-1", "FBA-2", "mTL-bodies"],
    "floc-places": ["OPA", "PPA", "RSC"],
    "floc-words": ["OWFA", "VWFA-1", "VWFA-2", "mfs-words", "mTL-words"],
    "streams": ["early", "midventral", "midlateral", "midparietal", "ventral", "lateral", "parietal"],
    "nsdgeneral": ["nsdgeneral"],
    "HCP_MMP1": [next((name for name, i in HCP.items() if i == k), f"area{k}") for k in range(1, 181)],
}


def write(root, sessions=SESSIONS, seed=0):
    """Writes the root and returns the design as plain arrays: masterordering, subjectim, sharedix (all from 1)."""
    root, rng = Path(root), np.random.default_rng(seed)
    plan = _design(rng)
    _write_design(root, plan)
    _write_stimuli(root, plan, sessions)
    for collection, names in TABLES.items():
        for place in ["fsaverage"] if "-" not in collection else [f"subj{s:02d}" for s in sessions]:
            lines = [f"{i} {name}\n" for i, name in enumerate(["Unknown", *names])]
            _text(root / f"nsddata/freesurfer/{place}/label/{collection}.mgz.ctab", "".join(lines))
        if "-" not in collection:
            for h in ("lh", "rh"):
                labels = rng.integers(0, len(names) + 1, VERTICES) * (rng.random(VERTICES) < 0.7)
                _mgh(root / f"nsddata/freesurfer/fsaverage/label/{h}.{collection}.mgz", labels)
    for s, n in sessions.items():
        _write_subject(root, plan, s, n, rng)
    manifest = {"simulated": True, "seed": seed, "version": 1, "fsaverage_vertices": VERTICES, "voxel_size_mm": 9.0}
    _text(root / "SIMULATED.json", json.dumps(manifest | {"subjects": {f"subj{s:02d}": {} for s in sessions}}))
    return plan


def _design(rng):
    ids = rng.permutation(73_000) + 1
    shared, own = np.sort(ids[:1000]), ids[1000:].reshape(8, 9000)
    early = np.concatenate([rng.choice(1000, 60, False) + 1, rng.choice(9000, 840, False) + 1001])
    times = np.repeat([3, 2, 1], [550, 250, 100])
    first = rng.permutation(np.repeat(early, times))
    left = np.full(10_001, 3)
    left[0] = 0
    np.subtract.at(left, first, 1)
    order = np.concatenate([first, rng.permutation(np.repeat(np.arange(10_001), left))])
    images = np.hstack([np.tile(shared, (8, 1)), own])
    return {"masterordering": order[None], "subjectim": images, "sharedix": shared[None]}


def _write_design(root, plan):
    folder = root / "nsddata/experiments/nsd"
    folder.mkdir(parents=True)
    order = plan["masterordering"][0]
    pattern = np.zeros((40, 12, 75), np.uint8)
    for run in range(12):
        pattern[:, run, : 63 if run % 2 == 0 else 62] = 1
    counts = [np.bincount(np.bincount(part), minlength=4)[1:4] for part in order.reshape(40, 750)]
    stored = {name: value.astype(np.int32) for name, value in plan.items()}
    savemat(folder / "nsd_expdesign.mat", stored | {"stimpattern": pattern, "basiccnt": np.array(counts).T})

    seen = [[] for _ in range(10_001)]
    for trial, picture in enumerate(order, start=1):
        seen[picture].append(trial)
    repeats = np.array([[0, 0, 0], *seen[1:]])
    table = {"": np.arange(73_000), "cocoId": np.arange(73_000) * 7, "cocoSplit": "train2017"}
    table |= {"cropBox": "(0, 0, 0.1, 0.1)", "loss": 0.0, "nsdId": np.arange(73_000)}
    table |= {"flagged": False, "BOLD5000": False, "shared1000": np.isin(np.arange(1, 73_001), plan["sharedix"])}
    rows = [row - 1 for row in plan["subjectim"]]
    table |= {f"subject{s}": _at(row, 1) for s, row in enumerate(rows, start=1)}
    for s, row in enumerate(rows, start=1):
        table |= {f"subject{s}_rep{k}": _at(row, repeats[1:, k]) for k in range(3)}
    pd.DataFrame(table).to_csv(folder / "nsd_stim_info_merged.csv", index=False)


def _at(rows, values):
    column = np.zeros(73_000, int)
    column[rows] = values
    return column


def colour(nsd_id):
    """The one colour of the picture with an id counted from 0."""
    return np.array([nsd_id % 200 + 1, nsd_id // 200 % 200 + 1, 77], np.uint8)


def _write_stimuli(root, plan, sessions):
    path = root / "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"
    path.parent.mkdir(parents=True)
    with h5py.File(path, "w") as file:
        shape = (73_000, 425, 425, 3)
        pictures = file.create_dataset("imgBrick", shape, np.uint8, chunks=(1, 425, 425, 3), compression=1)
        for nsd_id in {i for s, n in sessions.items() for i in shown(plan, s, n)}:
            packed = zlib.compress(np.tile(colour(nsd_id), 425 * 425).tobytes(), 1)
            pictures.id.write_direct_chunk((int(nsd_id), 0, 0, 0), packed)


def shown(plan, s, n_sessions):
    """NSD id from 0 of each trial, in order."""
    return plan["subjectim"][s - 1][plan["masterordering"][0, : n_sessions * 750] - 1] - 1


def _write_subject(root, plan, s, n_sessions, rng):
    shape, ppdata = SHAPES[s], root / f"nsddata/ppdata/subj{s:02d}"
    trials = shown(plan, s, n_sessions)
    _responses(ppdata, plan, s, n_sessions)
    brain = np.zeros(shape, np.int16)
    brain[1:-1, 1:-1, 1:-1] = 1
    _nii(ppdata / "func1pt8mm/brainmask.nii.gz", brain)
    labels = _rois(ppdata, shape, brain)
    _surface(root, s, shape, labels, rng)

    inside = np.flatnonzero(brain)
    betas = _simulate(trials, len(inside), rng)
    lost = inside[3 :: len(inside) // LOST][:LOST]
    folder = root / f"nsddata_betas/ppdata/subj{s:02d}/func1pt8mm/{VERSION}"
    folder.mkdir(parents=True)
    stored = []
    for n in range(n_sessions):
        volume = np.zeros((*shape, 750), np.int16)
        part = np.clip(np.rint(betas[n * 750 : (n + 1) * 750] * 300), -32768, 32767)
        volume.reshape(-1, 750)[inside] = part.T
        valid = brain.copy()
        if n == 1:
            valid.ravel()[lost] = 0
            volume.reshape(-1, 750)[lost] = 0
        _nii(ppdata / f"func1pt8mm/valid_session{n + 1:02d}.nii.gz", valid)
        _nii(folder / f"betas_session{n + 1:02d}.nii.gz", volume)
        with h5py.File(folder / f"betas_session{n + 1:02d}.hdf5", "w") as file:
            file.create_dataset("betas", data=volume.transpose(3, 2, 1, 0), chunks=(750, 1, 1, 1))
        stored.append(volume.reshape(-1, 750)[inside].T.astype(float))
    ncsnr = np.full(shape, np.nan, np.float32)
    ncsnr.ravel()[inside] = noise_ceiling_snr(stored, trials)
    _nii(folder / "ncsnr.nii.gz", ncsnr)

    folder = root / f"nsddata_betas/ppdata/subj{s:02d}/fsaverage/{VERSION}"
    for h in ("lh", "rh"):
        betas = _simulate(trials, VERTICES, rng).astype(np.float32)
        betas[:, :7] = np.nan
        for n in range(n_sessions):
            _mgh(folder / f"{h}.betas_session{n + 1:02d}.mgh", betas[n * 750 : (n + 1) * 750].T)
        parts = [part.astype(float) for part in np.split(betas, n_sessions)]
        _mgh(folder / f"{h}.ncsnr.mgh", noise_ceiling_snr(parts, trials))


def _simulate(trials, n_units, rng):
    """(n_trials, n_units) percent signal change: ten picture features, noise, and each session's own scale."""
    features = np.random.default_rng(9).normal(size=(73_000, 10))
    weights = rng.normal(size=(10, n_units)) * np.linspace(0.1, 0.5, n_units)
    betas = features[trials] @ weights + rng.normal(size=(len(trials), n_units))
    for part in np.split(betas, len(trials) // 750):
        part *= rng.uniform(0.8, 1.5, n_units)
        part += rng.normal(size=n_units)
    return betas


def noise_ceiling_snr(sessions, trials):
    """NSD's own recipe: z-score within session, images with three trials, unbiased variance over them."""
    scores = []
    for part in sessions:
        with np.errstate(invalid="ignore", divide="ignore"):
            scores.append((part - part.mean(0)) / part.std(0, ddof=1))
    scores = np.concatenate(scores)
    ids, counts = np.unique(trials, return_counts=True)
    groups = np.stack([scores[trials == i] for i in ids[counts == 3]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a vertex without data has no mean
        noise = np.nanmean(_variance(groups), axis=0)
    return np.sqrt(np.maximum(0, 1 - noise)) / np.sqrt(noise)


def _variance(groups):
    """Over the trials of each picture; NaN where a trial is missing."""
    return ((groups - groups.mean(1, keepdims=True)) ** 2).sum(1) / (groups.shape[1] - 1)


def _responses(ppdata, plan, s, n_sessions):
    order = plan["masterordering"][0, : n_sessions * 750]
    trial = np.arange(len(order))
    columns = {"SUBJECT": s, "SESSION": trial // 750 + 1, "RUN": trial % 750 * 12 // 750 + 1, "TRIAL": trial % 63 + 1}
    columns |= {"73KID": plan["subjectim"][s - 1][order - 1], "10KID": order, "TIME": trial / 1e5}
    rest = "ISOLD ISCORRECT RT CHANGEMIND MEMORYRECENT MEMORYFIRST ISOLDCURRENT ISCORRECTCURRENT"
    columns |= dict.fromkeys(f"{rest} TOTAL1 TOTAL2 BUTTON MISSINGDATA".split(), 0)
    (ppdata / "behav").mkdir(parents=True)
    pd.DataFrame(columns).to_csv(ppdata / "behav/responses.tsv", sep="\t", index=False)


def _rois(ppdata, shape, brain):
    """Stripes of labels along y and z; FFA-2 only in the right hemisphere, FBA-2 nowhere."""
    x, y, z = np.indices(shape)
    sides = {"lh": x < shape[0] // 2, "rh": x >= shape[0] // 2}
    stripes = {
        "prf-visualrois": np.where(y < 5, z, 0),
        "floc-faces": np.where(y == 6, z, 0),
        "floc-bodies": np.where((y == 7) & (z != 3), z, 0),
        "floc-places": np.where(y == 8, z, 0),
        "floc-words": np.where(y == 9, z, 0),
        "streams": np.where(y < 9, z, 0),
        "nsdgeneral": np.where(y < 9, 1, 0),
        "HCP_MMP1": (x * 31 + y * 17 + z * 7) % 181,
    }
    combined = {}
    for collection, labels in stripes.items():
        labels = np.where(labels <= len(TABLES[collection]), labels, 0)
        whole = np.full(shape, -1.0)
        for h, side in sides.items():
            mine = np.where(side & (brain > 0), labels, -1.0)
            if collection == "floc-faces" and h == "lh":
                mine[mine == 3] = 0
            whole = np.maximum(whole, mine)
            _nii(ppdata / f"func1pt8mm/roi/{h}.{collection}.nii.gz", mine)
        _nii(ppdata / f"func1pt8mm/roi/{collection}.nii.gz", whole)
        combined[collection] = whole
    return combined


def _surface(root, s, shape, labels, rng):
    """The subject's own surface: each vertex lies near the middle of a voxel; a few lie outside (9999)."""
    for h, n in zip(("lh", "rh"), NATIVE[s]):
        half = shape[0] // 2
        low, high = ((1, 1, 1), (half, shape[1] - 1, shape[2] - 1))
        if h == "rh":
            low, high = (half, 1, 1), (shape[0] - 1, shape[1] - 1, shape[2] - 1)
        voxels = rng.integers(low, high, (n, 3))
        places = voxels + 1 + rng.uniform(-0.45, 0.45, (n, 3))
        places[:9] = 9999
        transforms = root / f"nsddata/ppdata/subj{s:02d}/transforms"
        _mgh(transforms / f"{h}.func1pt8-to-layerB2.mgz", places)
        _mgh(transforms / f"{h}.white-to-fsaverage.mgz", rng.integers(1, n + 1, VERTICES))
        for collection, volume in labels.items():
            if "-" in collection:
                native = np.maximum(volume[tuple(voxels.T)], 0)
                _mgh(root / f"nsddata/freesurfer/subj{s:02d}/label/{h}.{collection}.mgz", native)


def _text(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _mgh(path, values):
    """(n_vertices,) or (n_vertices, n_frames) as (n_vertices, 1, 1, n_frames) float32."""
    values = np.asarray(values, np.float32)
    values = values[:, None, None] if values.ndim == 1 else values[:, None, None, :]
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.MGHImage(values, np.eye(4)).to_filename(path)


def _nii(path, volume):
    affine = np.diag([9.0, 9, 9, 1])
    affine[:3, 3] = -(np.array(volume.shape[:3]) - 1) / 2 * 9
    image = nib.Nifti1Image(volume, affine)
    image.set_sform(affine, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.openers.Opener.default_compresslevel = 1
    image.to_filename(path)
