"""Which picture was shown in which trial: the experiment's design, and the pictures themselves.

NSD counts ids from 1 in its design; everything here counts from 0.
"""

from dataclasses import dataclass

import h5py
import numpy as np

from brainalign.nsd.layout import IMAGES, MAX_SESSIONS, TRIALS, Layout
from brainalign.nsd.read import frame, reading

SHAPES = {
    "masterordering": (1, MAX_SESSIONS * TRIALS),
    "subjectim": (8, 10_000),
    "sharedix": (1, 1000),
    "stimpattern": (MAX_SESSIONS, 12, 75),
    "basiccnt": (3, MAX_SESSIONS),
}
MOST_COCO = 999_999  # the ids of COCO 2017 have six digits
RANGES = {"masterordering": (1, 10_000), "subjectim": (1, IMAGES), "sharedix": (1, IMAGES), "stimpattern": (0, 1)}


@dataclass(frozen=True)
class Design:
    """order : (30000,) the picture of each trial as a position in `images`, the same for all subjects
    images : (8, 10000) NSD ids from 0 of each subject's pictures; the first 1000 are shared by all
    shared : (1000,) NSD ids of the shared pictures
    runs : (40, 12) trials of each run of each session
    """

    order: np.ndarray
    images: np.ndarray
    shared: np.ndarray
    runs: np.ndarray

    def session(self, subject, session):
        """(750,) NSD ids shown in a session (counted from 1), in the order of its betas."""
        if not 1 <= session <= MAX_SESSIONS:
            raise ValueError(f"{subject} has a session {session}; the design has sessions 1 to {MAX_SESSIONS}")
        return self.trials(subject)[(session - 1) * TRIALS : session * TRIALS]

    def trials(self, subject):
        """(30000,) NSD ids of all trials planned for a subject."""
        return self.images[int(subject[4:]) - 1, self.order]

    def run(self, session):
        """(750,) the run of each trial of a session (counted from 1), from 0 and counted through all sessions."""
        runs = self.runs[session - 1]
        return np.repeat((session - 1) * len(runs) + np.arange(len(runs)), runs)


def fields(path):
    """The raw fields of nsd_expdesign.mat by name."""
    from scipy.io import loadmat

    with reading(path, "a MATLAB design file"):
        return {name: np.asarray(value) for name, value in loadmat(path).items() if not name.startswith("_")}


def problems(raw):
    """(found, expected) for each rule that the fields of a design break."""
    bad = []
    for name, shape in SHAPES.items():
        if name not in raw:
            bad.append((f"no field {name}", f"{name} of shape {shape}"))
        elif raw[name].shape != shape or raw[name].dtype.kind not in "iufb":
            bad.append((f"{name} {raw[name].shape} {raw[name].dtype}", f"{name} of numbers, shape {shape}"))
        elif name in RANGES:
            low, high = RANGES[name]
            values = raw[name].astype(float)
            wrong = ~((values >= low) & (values <= high) & (values == np.rint(values)))
            if wrong.any():
                found = f"{wrong.sum()} values of {name} out of range, such as {values[wrong][0]:g}"
                bad.append((found, f"whole numbers in {low}..{high}"))
    return bad or list(_contradictions(raw))


def _contradictions(raw):
    order, images, shared = (raw[name].astype(np.int64) for name in ("masterordering", "subjectim", "sharedix"))
    most = np.bincount(order.ravel()).max()
    if most > 3:
        yield f"masterordering shows a picture {most} times", "at most 3 repeats"
    for s, row in enumerate(images, start=1):
        if len(np.unique(row)) < row.size:
            yield f"subjectim lists pictures twice for subject {s}", "10000 different pictures"
        if not np.array_equal(row[:1000], shared[0]):
            yield f"the first 1000 pictures of subject {s} are not those of sharedix", "the shared pictures first"
    counts = raw["stimpattern"].astype(np.int64).sum((1, 2))
    if (counts != TRIALS).any():
        session = int(np.flatnonzero(counts != TRIALS)[0])
        yield f"stimpattern has {counts[session]} trials in session {session + 1}", f"{TRIALS} in every session"


def load(root):
    """The design of a root; an error where it breaks a rule."""
    path = Layout(root).design
    raw = fields(path)
    for found, expected in problems(raw):
        raise ValueError(f"{path}: {found}; expected {expected}")
    order, images, shared = (raw[name].astype(np.int64) - 1 for name in ("masterordering", "subjectim", "sharedix"))
    return Design(order[0], images, shared[0], raw["stimpattern"].astype(np.int64).sum(2))


def image_ids(root, subject):
    """NSD ids (from 0, ascending) of the pictures a subject saw in the sessions whose betas are there."""
    design, sessions = load(root), Layout(root).sessions(subject)
    if not sessions:
        raise ValueError(f"{root} has no betas of {subject}")
    return np.unique([design.session(subject, number) for number in sessions])


def image_runs(root, subject):
    """(n_images,) in how many runs each picture of `image_ids` was shown."""
    design, sessions = load(root), Layout(root).sessions(subject)
    seen = [np.stack([design.session(subject, number), design.run(number)]) for number in sessions]
    return np.unique(np.unique(np.hstack(seen), axis=1)[0], return_counts=True)[1]


def shared_ids(root):
    """NSD ids (from 0, ascending) of the 1000 pictures planned for every subject."""
    return np.sort(load(root).shared)


def coco_ids(root):
    """(73000,) the COCO id of each picture by its NSD id from 0; 0 where the table of pictures names none.

    A root may lack the table, and the table these columns. A simulated root invents numbers beyond COCO's own: they
    count as none.
    """
    path, found = Layout(root).stimulus_table, np.zeros(IMAGES, np.int64)
    if not path.exists():
        return found
    table = frame(path, "a table with commas")
    with reading(path, "a table with commas"):
        if {"nsdId", "cocoId"} <= set(table.columns):
            known = table["nsdId"].between(0, IMAGES - 1) & table["cocoId"].between(1, MOST_COCO)
            found[table["nsdId"][known]] = table["cocoId"][known]
    return found


def stimulus(root, image_id):
    """The picture with an NSD id counted from 0: uint8 (425, 425, 3)."""
    path = Layout(root).stimuli
    with reading(path, "the stimulus file"), h5py.File(path) as file:
        pictures = file["imgBrick"]
        if not 0 <= image_id < len(pictures):
            raise ValueError(f"it has no picture {image_id}; ids go from 0 to {len(pictures) - 1}")
        return pictures[int(image_id)]
