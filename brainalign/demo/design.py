"""The simulated experiment: which subject sees which picture in which trial, with NSD's rules and invented ids.

Eight subjects of 40 planned sessions, 750 trials each; each subject's 10,000 images come up three times, 1,000 of
them are shared by all. Shared images come early, so that a few sessions already hold a useful test set.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

N_SUBJECTS, N_IMAGES, N_OWN, N_SHARED = 8, 73000, 10000, 1000
N_SESSIONS, N_TRIALS, N_RUNS, N_SLOTS = 40, 750, 12, 75
N_EARLY = 130  # shared images that begin in the first session
RESPONSES = (
    "SUBJECT SESSION RUN TRIAL 73KID 10KID TIME ISOLD ISCORRECT RT CHANGEMIND MEMORYRECENT MEMORYFIRST ISOLDCURRENT "
    "ISCORRECTCURRENT TOTAL1 TOTAL2 BUTTON MISSINGDATA"
)


@dataclass(frozen=True)
class Design:
    """All ids from 1, as in NSD's files.

    ordering : (30000,) number in 1..10000 of the image of each trial, common to all subjects; shared ones <= 1000
    images : (8, 10000) the 73k id of each subject's images; the first 1000 columns are alike
    slots : (40, 12, 75) 1 where a 4-s slot of a run shows an image
    """

    ordering: np.ndarray
    images: np.ndarray
    slots: np.ndarray

    @property
    def shared(self):
        return self.images[0, :N_SHARED]

    def trials(self, subject, sessions):
        """(750 * sessions,) index from 0 of the picture shown in each trial of subject 1..8."""
        return self.images[subject - 1, self.ordering[: N_TRIALS * sessions] - 1].astype(int) - 1


def design(seed=0):
    """The design of a seed; it does not depend on which subjects and sessions are written."""
    rng = np.random.default_rng([seed, 1])
    ids = rng.permutation(N_IMAGES) + 1
    shared = np.sort(ids[:N_SHARED])
    own = ids[N_SHARED:].reshape(N_SUBJECTS, -1)
    images = np.concatenate([np.tile(shared, (N_SUBJECTS, 1)), own], axis=1).astype("i4")
    return Design(_ordering(rng), images, _slots(rng))


def _ordering(rng):
    """Trials in the order of a time drawn for each: a first showing, then two repeats at random later times."""
    first = rng.uniform(0, N_SESSIONS, N_OWN)
    first[:N_EARLY] = rng.uniform(0, 0.9, N_EARLY)
    first[N_EARLY:N_SHARED] = rng.uniform(3, N_SESSIONS, N_SHARED - N_EARLY)
    soon = rng.random((N_OWN, 2)) < 0.4
    soon[:N_EARLY] |= rng.random((N_EARLY, 2)) < 0.85
    lags = np.where(soon, rng.exponential(0.15, soon.shape), rng.exponential(1.6, soon.shape)) + 0.012
    times = np.stack([first, first + lags[:, 0], first + lags.sum(1)], axis=1)
    order = np.argsort(times, axis=None, kind="stable")
    return (order // 3 + 1).astype("u2")


def _slots(rng):
    """63 images in odd runs, 62 in even ones; the first three and last four slots are blank."""
    slots = np.zeros((N_SESSIONS, N_RUNS, N_SLOTS), "u1")
    for session in slots:
        for run, shown in enumerate(session):
            shown[3 + rng.permutation(N_SLOTS - 7)[: 63 - run % 2]] = 1
    return slots


def expdesign(design):
    """The five fields of nsd_expdesign.mat."""
    counts = [np.bincount(np.bincount(s), minlength=4)[1:4] for s in design.ordering.reshape(N_SESSIONS, -1)]
    return {
        "masterordering": design.ordering[None],
        "basiccnt": np.array(counts, "u2").T,
        "sharedix": design.shared[None],
        "stimpattern": design.slots,
        "subjectim": design.images,
    }


def stimulus_table(design, seed=0):
    """The 41 columns of nsd_stim_info_merged.csv; cocoId is invented and lies beyond COCO's own numbers."""
    rng = np.random.default_rng([seed, 2])
    ids = np.arange(N_IMAGES)
    cut = np.round(rng.uniform(0, 0.33, N_IMAGES), 3)
    sideways = rng.random(N_IMAGES) < 0.7
    crop = [f"(0, 0, {c}, {c})" if s else f"({c}, {c}, 0, 0)" for c, s in zip(cut.tolist(), sideways)]
    table = {
        "": ids,
        "cocoId": 10_000_000 + rng.permutation(N_IMAGES),
        "cocoSplit": np.where(rng.random(N_IMAGES) < 0.04, "val2017", "train2017"),
        "cropBox": crop,
        "loss": np.round(rng.uniform(0, 0.5, N_IMAGES), 6),
        "nsdId": ids,
        "flagged": np.zeros(N_IMAGES, bool),
        "BOLD5000": np.zeros(N_IMAGES, bool),
        "shared1000": np.isin(ids + 1, design.shared),
    }
    numbers = np.arange(1, N_SUBJECTS + 1)
    table |= {f"subject{s}": np.isin(ids + 1, design.images[s - 1]).astype(int) for s in numbers}
    showings = np.argsort(design.ordering, kind="stable").reshape(N_OWN, 3) + 1  # trials from 1 of each image
    for s in numbers:
        for repeat in range(3):
            trial = np.zeros(N_IMAGES, int)
            trial[design.images[s - 1] - 1] = showings[:, repeat]
            table[f"subject{s}_rep{repeat}"] = trial
    return pd.DataFrame(table)


def responses(design, subject, sessions, seed=0):
    """The 19 columns of responses.tsv: the invented behaviour of an attentive subject, "old" or "new" per trial."""
    rng = np.random.default_rng([seed, 3, subject])
    n = N_TRIALS * sessions
    trial, own = np.arange(n), design.ordering[:n].astype(int)
    recent, first, old_today = _memory(own)
    old, answered = first >= 0, rng.random(n) > 0.01
    correct = rng.random(n) < np.where(old, 0.9 - 0.1 * (recent > N_TRIALS), 0.85)
    button = np.where(old == correct, 2, 1)
    session, run, within = _runs(design.slots[:sessions])
    seconds = 4 * within + 300 * run  # a run every five minutes
    table = {
        "SUBJECT": subject, "SESSION": session + 1, "RUN": run + 1, "TRIAL": trial % N_TRIALS - _start(run) + 1,
        "73KID": design.trials(subject, sessions) + 1, "10KID": own,
        "TIME": np.round(7 * session + 0.4 + seconds / 86400, 8),
        "ISOLD": old.astype(int), "ISCORRECT": np.where(answered, correct, np.nan),
        "RT": np.where(answered, np.round(rng.lognormal(6.7, 0.3, n), 3), np.nan),
        "CHANGEMIND": np.where(answered, rng.random(n) < 0.02, np.nan),
        "MEMORYRECENT": np.where(old, recent, np.nan), "MEMORYFIRST": np.where(old, first, np.nan),
        "ISOLDCURRENT": old_today.astype(int),
        "ISCORRECTCURRENT": np.where(answered, (button == 2) == old_today, np.nan),
        "TOTAL1": (answered & (button == 1)).astype(int), "TOTAL2": (answered & (button == 2)).astype(int),
        "BUTTON": np.where(answered, button, np.nan), "MISSINGDATA": 0,
    }  # fmt: skip
    return pd.DataFrame(table)[RESPONSES.split()]


def _memory(own):
    """Trials in between since the last and the first showing (-1: none), and whether one was in this session."""
    last, start = {}, {}
    recent, first = np.full(len(own), -1), np.full(len(own), -1)
    today = np.zeros(len(own), bool)
    for t, image in enumerate(own.tolist()):
        if image in last:
            recent[t], first[t] = t - last[image] - 1, t - start[image] - 1
            today[t] = last[image] // N_TRIALS == t // N_TRIALS
        start.setdefault(image, t)
        last[image] = t
    return recent, first, today


def _runs(slots):
    """Session, run and slot of each trial, all from 0."""
    return np.nonzero(slots)


def _start(run):
    """Trials of the session before a run: runs take turns with 63 and 62."""
    return run * 63 - run // 2
