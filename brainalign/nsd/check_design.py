"""Checks of the design, the table of pictures, the pictures and the responses."""

import h5py
import numpy as np

from brainalign.nsd import design as designs
from brainalign.nsd.layout import IMAGES, MAX_SESSIONS, SESSIONS_DONE, TRIALS
from brainalign.nsd.read import frame, reading

HEADER = [
    *["cocoId", "cocoSplit", "cropBox", "loss", "nsdId", "flagged", "BOLD5000", "shared1000"],
    *(f"subject{s}" for s in range(1, 9)),
    *(f"subject{s}_rep{k}" for s in range(1, 9) for k in range(3)),
]
RESPONSES = (
    "SUBJECT SESSION RUN TRIAL 73KID 10KID TIME ISOLD ISCORRECT RT CHANGEMIND MEMORYRECENT MEMORYFIRST ISOLDCURRENT "
    "ISCORRECTCURRENT TOTAL1 TOTAL2 BUTTON MISSINGDATA"
)
PICTURES = 32  # of each subject, that are looked at


def design(inspector):
    """The design when it obeys every rule, else None and a fault for each rule broken."""
    path = inspector.layout.design
    raw = inspector.read(designs.fields, path)
    if raw is None:
        return None
    broken = designs.problems(raw)
    for found, expected in broken:
        inspector.fault(path, found, expected)
    return None if broken else designs.load(inspector.layout.root)


def _left_out(inspector, path, instead):
    """Whether a file that no analysis reads was not downloaded: a warning, and of a simulated root a fault."""
    if inspector.simulated or path.exists():
        return False
    inspector.warn(f"{path} is missing; {instead}")
    return True


def stimulus_table(inspector, plan, present):
    """nsd_stim_info_merged.csv against the design."""
    path = inspector.layout.stimulus_table
    if _left_out(inspector, path, "without it pictures have no COCO ids"):
        return
    table = inspector.read(frame, path, "a table with commas")
    if table is None:
        return
    if list(table.columns[1:]) != HEADER:
        wrong = [name for name in HEADER if name not in table.columns] or ["the order of the columns"]
        inspector.fault(path, f"a header of {table.shape[1]} columns; amiss: {wrong[0]}", "an index and 40 columns")
    elif len(table) != IMAGES or not np.array_equal(table["nsdId"], np.arange(IMAGES)):
        inspector.fault(path, f"{len(table)} rows", f"{IMAGES} rows with nsdId 0 to {IMAGES - 1} in order")
    elif plan:
        for found, expected in _table_problems(table, plan, present):
            inspector.fault(path, found, expected)


def _table_problems(table, plan, present):
    """(found, expected) where the table's columns contradict the design; trials never run may be 0."""
    shared = np.isin(np.arange(IMAGES), plan.shared)
    if not np.array_equal(table["shared1000"].astype(str).str.lower() == "true", shared):
        yield "shared1000 marks other pictures than sharedix", "the same 1000 pictures"
    repeats = np.argsort(plan.order, kind="stable") + 1  # trials from 1, grouped by picture
    seen = np.bincount(plan.order, minlength=10_000)
    trials = np.zeros((10_000, 3), int)
    trials[np.arange(3) < seen[:, None]] = repeats
    for s in range(1, 9):
        expected = np.zeros((IMAGES, 4), int)
        expected[plan.images[s - 1]] = np.c_[np.ones(10_000, int), trials]
        if not np.array_equal(table[f"subject{s}"], expected[:, 0]):
            yield f"subject{s} marks other pictures than subjectim", "the pictures of the design"
        never_run = TRIALS * max(present.get(f"subj{s:02d}", [0]))
        for k in range(3):
            found, planned = table[f"subject{s}_rep{k}"].to_numpy(), expected[:, k + 1]
            wrong = (found != planned) & ~((found == 0) & (planned > never_run))
            if wrong.any():
                row = int(np.flatnonzero(wrong)[0])
                yield (
                    f"subject{s}_rep{k} differs from the design for {wrong.sum()} pictures; nsdId {row} has "
                    f"trial {found[row]}",
                    f"trial {planned[row]}, as in masterordering",
                )
                break


def stimuli(inspector, plan, present):
    """The file of pictures: its type, its size, and that pictures shown are there and not black."""
    path = inspector.layout.stimuli
    shape = inspector.read(_brick, path)
    if shape is None or plan is None:
        return
    shown = {name: np.unique(plan.trials(name)[: TRIALS * max(numbers)]) for name, numbers in present.items()}
    highest = max((ids[-1] for ids in shown.values() if len(ids)), default=0)
    if shape[0] <= highest:
        inspector.fault(path, f"{shape[0]} pictures", f"at least {highest + 1}, as the design shows that many")
        return
    for ids in shown.values():
        some = ids[np.linspace(0, len(ids) - 1, PICTURES).astype(int)]
        black = inspector.read(_black, path, some)
        if black is None:
            return
        if len(black):
            found = f"{len(black)} of {len(some)} pictures looked at are empty, the first is id {black[0]}"
            inspector.fault(path, found, "a picture for each id of the design")
            return


def _brick(path):
    with reading(path, "an HDF5 file of pictures"), h5py.File(path) as file:
        pictures = file["imgBrick"]
        if pictures.shape[1:] != (425, 425, 3) or pictures.dtype != np.uint8:
            raise ValueError(f"imgBrick is {pictures.shape} {pictures.dtype}, expected (73000, 425, 425, 3) uint8")
        return pictures.shape


def _black(path, ids):
    with reading(path, "an HDF5 file of pictures"), h5py.File(path) as file:
        return [int(i) for i in ids if not file["imgBrick"][int(i)].any()]


def responses(inspector, subject, sessions, plan):
    """responses.tsv: a row for each trial of the sessions, with the design's ids."""
    path = inspector.layout.responses(subject)
    if _left_out(inspector, path, "which pictures were shown is known from the design alone"):
        return
    table = inspector.read(frame, path, "a table with tabs")
    if table is None:
        return
    if " ".join(table.columns) != RESPONSES:
        wrong = [name for name in RESPONSES.split() if name not in table.columns] or ["the order of the columns"]
        inspector.fault(path, f"{table.shape[1]} columns; amiss: {wrong[0]}", "the 19 columns from SUBJECT on")
        return
    rows = len(table)
    if rows % TRIALS or rows > MAX_SESSIONS * TRIALS or rows < TRIALS * max(sessions):
        expected = f"{TRIALS} rows for each of {max(sessions)} sessions or more, to session {MAX_SESSIONS}"
        inspector.fault(path, f"{rows} rows", expected)
        return
    if rows > TRIALS * max(sessions):
        inspector.warn(f"{subject}: responses of {rows // TRIALS} sessions, betas to session {max(sessions)}")
    number = int(subject[4:])
    expected = {"SUBJECT": np.full(rows, number), "SESSION": np.arange(rows) // TRIALS + 1}
    if plan:
        expected |= {"10KID": plan.order[:rows] + 1, "73KID": plan.trials(subject)[:rows] + 1}
    for column, values in expected.items():
        found = table[column].to_numpy()
        wrong = np.flatnonzero(found != values)
        if len(wrong):
            text = f"{column} differs from the design in {len(wrong)} rows; row {wrong[0] + 1} has {found[wrong[0]]}"
            inspector.fault(path, text, f"{values[wrong[0]]}, as planned for {subject}")
            return


def finished(inspector, subject):
    """Sessions that a subject did, as far as the root says: its responses, else NSD's own list."""
    path = inspector.layout.responses(subject)
    table = inspector.read(frame, path, "a table with tabs") if path.exists() else None
    return SESSIONS_DONE[subject] if table is None else len(table) // TRIALS
