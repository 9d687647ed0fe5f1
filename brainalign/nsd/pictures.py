"""Which pictures the sessions of a root show: how many, how many of the shared ones how often, and their numbers."""

import numpy as np

from brainalign.nsd.layout import MAX_SESSIONS, TRIALS


def summary(plan, subject, sessions, coco):
    """What a report says of a subject's pictures: images, shared, showings and first.

    coco : (73000,) as `design.coco_ids` gives them, or None where they cannot be read
    """
    showings = _showings(plan, sessions)
    if plan is None or not showings.any():
        return {"images": 0, "shared": 0, "showings": at_least(showings), "first": None}
    shared = at_least(showings[:1000])
    first = int(plan.session(subject, min(n for n in sessions if n <= MAX_SESSIONS))[0])
    ids = {"id": first, "73KID": first + 1, "COCO": int(coco[first]) or None if coco is not None else None}
    return {"images": int((showings > 0).sum()), "shared": shared[0], "showings": shared, "first": ids}


def common(plan, present):
    """The shared pictures that every subject saw at least once, twice, three times; present : subject -> sessions."""
    each = [_showings(plan, sessions)[:1000] for sessions in present.values()]
    return at_least(np.min(each, axis=0)) if len(each) > 1 and plan else []


def at_least(showings):
    """[pictures shown at least once, twice, three times]."""
    return [int((showings >= n).sum()) for n in (1, 2, 3)]


def _showings(plan, sessions):
    """(10000,) how often each picture of the design comes up in some sessions; the first 1000 are shared by all."""
    if plan is None:
        return np.zeros(10_000, int)
    trials = [plan.order[(n - 1) * TRIALS : n * TRIALS] for n in sessions if n <= MAX_SESSIONS]
    return np.bincount(np.concatenate([np.zeros(0, int), *trials]), minlength=10_000)
