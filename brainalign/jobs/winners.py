"""How far winner-take-all maps can be relied on: the same contest held twice, on odd and on even test images."""

import numpy as np
import pandas as pd

from brainalign.figures import frames

UNITS = 2000  # drawn of a subject's reliable ones: enough to know an agreement to 0.01


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


def reliability(y, predictions, seed=0, rounds=frames.DEALS):
    """Agreement of the winners on odd and on even images: {"maps", "units", "kappa", "ami", "chance", "p"}.

    y : (n_images, n_units); predictions : (n_maps, n_images, n_units); the winner has the highest Pearson r
    kappa : Cohen's, of the two maps of winners; ami : their adjusted mutual information
    chance : 95th percentile of kappa if the maps were alike: for every image their predictions are dealt to them anew,
    which leaves what neighbouring units have in common; p : how often that agrees as well
    """
    from sklearn.metrics import adjusted_mutual_info_score, cohen_kappa_score

    known = np.isfinite(y).all(0) & np.isfinite(predictions).all((0, 1)) & (y.std(0) > 0)
    y, predictions = y[:, known], predictions[:, :, known]
    found = {"maps": len(predictions), "units": int(known.sum())}
    if found["units"] < 2 or len(y) < 4:
        return found | dict.fromkeys(("kappa", "ami", "chance", "p"), np.nan)
    deals = _deals(len(predictions), len(y), rounds, seed)
    odd, even = (_winners(y[half::2], predictions[:, half::2], deals[:, :, half::2]) for half in (1, 0))
    labels = range(len(predictions))
    kappas = np.nan_to_num([cohen_kappa_score(a, b, labels=labels) for a, b in zip(odd, even)], nan=0.0)
    found |= {"kappa": kappas[0], "ami": adjusted_mutual_info_score(odd[0], even[0])}
    p = (1 + (kappas[1:] >= kappas[0]).sum()) / (1 + rounds)
    return found | {"chance": np.percentile(kappas[1:], 95), "p": p}


def _deals(n_maps, n_images, rounds, seed):
    """Whose prediction each map has for each image, (1 + rounds, n_maps, n_images): first its own, then dealt anew."""
    rng = np.random.default_rng(seed)
    own = np.broadcast_to(np.arange(n_maps)[:, None], (1, n_maps, n_images))
    return np.concatenate([own, rng.permuted(np.broadcast_to(own, (rounds, n_maps, n_images)), axis=1)])


def _winners(y, predictions, deals):
    """(n_deals, n_units): the map with the highest r in each deal.

    The sums that r is made of are sums over images of one map's terms each, so all deals are one product with a matrix
    of zeros and ones, (n_deals x n_maps, n_maps x n_images).
    """
    n_maps, n_images, n_units = predictions.shape
    y, predictions = y - y.mean(0), predictions - predictions.mean((0, 1))
    taken = (deals[:, :, None] == np.arange(n_maps)[:, None]).reshape(-1, n_maps * n_images).astype(np.float32)
    terms = predictions.reshape(-1, n_units).astype(np.float32)
    product = taken @ (np.tile(y, (n_maps, 1)) * terms).astype(np.float32)
    spread = taken @ terms**2 - (taken @ terms) ** 2 / n_images
    r = product / np.sqrt(np.maximum(spread, np.finfo(np.float32).tiny))  # y's own spread is the same for all maps
    return r.reshape(len(deals), n_maps, n_units).argmax(1)
