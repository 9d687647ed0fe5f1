"""How far winner-take-all maps can be relied on: the same contest held twice, on either half of the test images."""

import numpy as np
import pandas as pd

from brainalign import stats
from brainalign.figures import frames

UNITS = 2000  # drawn of a subject's reliable ones: enough to know an agreement to 0.01
BLOCK = 5  # neighbouring images that change sign together, should neighbours be alike


def tables(jobs, people):
    """Rows of `winner_reliability`, one frame a subject that has two maps or more.

    jobs : encode jobs; people : subject -> arrays of its job
    """
    found = (_of_subject([job for job in jobs if job.subject == name], name, people[name]) for name in people)
    return (pd.DataFrame(rows) for rows in found if rows)


def _of_subject(jobs, name, person, seed=0):
    units = np.flatnonzero(person["reliable"])
    units = np.sort(np.random.default_rng(seed).permutation(units)[:UNITS])
    held, rows = {}, []
    for about, maps in _contests(jobs):
        for job, pooling in maps:
            if (job.id, pooling) not in held:
                with np.load(job.beside, allow_pickle=False) as arrays:
                    held[job.id, pooling] = arrays[f"{pooling}.yhat"][:, units].astype(np.float32)
        predictions = np.stack([held[job.id, pooling] for job, pooling in maps])
        rows.append({"subject": name} | about | reliability(person["test_betas"][:, units], predictions, seed))
    return rows


def _contests(jobs):
    """(labels, [(job, pooling)]) of every contest of two maps or more.

    Among the instructions of a model with one pooling; among models under an instruction, each with its first
    pooling, where a model that takes no instruction competes as it is.
    """
    of = {}
    for job in jobs:
        of.setdefault(job.model, {})[job.instruction] = job
    for model, known in of.items():
        poolings = {p for i, job in known.items() if i for p in job.inputs["poolings"]}
        for pooling in frames.in_order(poolings, frames.POOLINGS):
            maps = [(job, pooling) for i, job in known.items() if i and pooling in job.inputs["poolings"]]
            if len(maps) > 1:
                yield {"among": "instructions", "model": model, "instruction": "", "pooling": pooling}, maps
    for instruction in sorted({i for known in of.values() for i in known if i}):
        found = [known.get(instruction) or (known[""] if set(known) == {""} else None) for known in of.values()]
        maps = [(job, frames.in_order(job.inputs["poolings"], frames.POOLINGS)[0]) for job in found if job]
        if len(maps) > 1:
            yield {"among": "models", "model": "", "instruction": instruction, "pooling": ""}, maps


def reliability(y, predictions, seed=0, rounds=frames.DRAWS):
    """Agreement of the winners on both halves of the images: {"maps", "units", "kappa", "ami", "chance", "p"}.

    y : (n_images, n_units); predictions : (n_maps, n_images, n_units); the winner has the highest Pearson r
    The halves are the first and the last images: odd and even ones would share what neighbouring images have in common
    kappa : Cohen's, of the two maps of winners; ami : their adjusted mutual information
    chance : 95th percentile of kappa if the maps were alike: the leads of the maps in all units, as far as single
    images cause them, change sign together, image by image. This leaves what units have in common and what maps have,
    which may differ in scale and in kind; p : how often that agrees as well. The fits are taken as they are: that one
    map was fitted better by luck is found too, and belongs to the fits
    """
    from sklearn.metrics import adjusted_mutual_info_score

    known = np.isfinite(y).all(0) & np.isfinite(predictions).all((0, 1)) & (y.std(0) > 0)
    y, predictions = y[:, known], predictions[:, :, known]
    found = {"maps": len(predictions), "units": int(known.sum())}
    if found["units"] < 2 or len(y) < 4:
        return found | dict.fromkeys(("kappa", "ami", "chance", "p"), np.nan)
    signs, middle = _signs(len(y), rounds, seed), len(y) // 2
    first, last = (_winners(y[h], predictions[:, h], signs[:, h]) for h in (slice(middle), slice(middle, None)))
    kappas = _kappa(first, last, len(predictions))
    found |= {"kappa": kappas[0], "ami": adjusted_mutual_info_score(first[0], last[0])}
    p = (1 + (kappas[1:] >= kappas[0]).sum()) / (1 + rounds)
    return found | {"chance": np.percentile(kappas[1:], 95), "p": p}


def _signs(n_images, rounds, seed):
    """(rounds, n_images): 1 or -1 by chance for each block of neighbouring images."""
    drawn = np.random.default_rng(seed).choice([-1.0, 1.0], (rounds, -(-n_images // BLOCK)))
    return np.repeat(drawn, BLOCK, 1)[:, :n_images].astype(np.float32)


def _kappa(one, other, n_maps):
    """Cohen's kappa of every two maps of winners, (n, n_units) twice -> (n,); 0 where one map wins everywhere."""
    agreed = (one == other).mean(1)
    by_chance = sum((one == k).mean(1) * (other == k).mean(1) for k in range(n_maps))
    return np.divide(agreed - by_chance, 1 - by_chance, out=np.zeros(len(one)), where=by_chance < 1)


def _winners(y, predictions, signs):
    """(n_signs, n_units): the map with the highest r; then the one ahead by what images cause, with these signs.

    What image i causes of r, to first order, is its influence a b - r (a^2 + b^2) / 2, of z-scores a and b, divided by
    the number of images (Devlin, Gnanadesikan & Kettenring 1975); over all images it sums to 0.
    """
    a, b = stats.standardise(y, slice(None)), [stats.standardise(one, slice(None)) for one in predictions]
    r = np.stack([(a * one).mean(0) for one in b])
    influence = [(a * one - score * (a**2 + one**2) / 2).astype(np.float32) for one, score in zip(b, r)]
    return np.concatenate([r.argmax(0)[None], np.stack([signs @ one for one in influence]).argmax(0)])
