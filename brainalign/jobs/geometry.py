"""Tables of representational similarity, from the result files of its jobs."""

import numpy as np
import pandas as pd

from brainalign import rsa, stats
from brainalign.jobs import results, significance, similarity
from brainalign.jobs.frames import rounded
from brainalign.store.schema import columns
from brainalign.tables import rois

DECIMALS = 3  # of rho in the store: its interval is a hundred times as wide


def tables(rdms, jobs):
    """{table: frames}; none where a study has no such jobs. Memory: all regions' matrices of all subjects."""
    brains = {job.subject: results.read_arrays(job.path) for job in rdms}
    jobs = [job for job in jobs if job.subject in brains]
    if not jobs:
        return {}
    found = {job.id: _chosen(job) for job in jobs}
    return {
        "rsa_scores": (_scores(job) for job in jobs),
        "rsa_chosen": (_rows(job, found[job.id]) for job in jobs),
        "rsa_ceilings": [_ceilings(brains)],
        "rsa_contrasts": (_contrasts([job for job in jobs if job.subject == name], found) for name in brains),
        "rsa_rdms": [pd.DataFrame([*_regions(brains), *_maps(jobs, found)])],
    }


def info(study, jobs):
    """Entries of the table `store`: the distance, and the pictures of the matrices in rsa_rdms, in their order."""
    rdms = next((job for job in jobs if job.kind == "rdms"), None)
    if study.rsa is None or rdms is None:
        return {}
    ids = results.read_arrays(rdms.path)["test_ids"]
    kept = ids[similarity.shown_places(len(ids))]
    return {"rsa_distance": study.rsa.distance, "rsa_pictures": " ".join(map(str, kept))}


def _rounded(values, decimals=DECIMALS):
    return rounded(np.asarray(values), decimals)


def _key(job):
    return {"subject": job.subject, "model": job.model, "instruction": job.instruction}


def _scores(job):
    found = results.read_table(job.path)
    frame = pd.DataFrame(found | {"rho": _rounded(found["rho"])}).assign(**_key(job))
    return frame.sort_values(["layer", "pooling", "roi"])


def _chosen(job):
    """pooling -> {name: array} of the file beside a job."""
    found = results.read_arrays(job.beside)
    poolings = sorted(job.inputs["poolings"])
    return {p: {n.removeprefix(f"{p}."): found[n] for n in found if n.startswith(f"{p}.")} for p in poolings} | {
        "regions": found["regions"].tolist()
    }


def _poolings(chosen):
    return [name for name in chosen if name != "regions"]


def _rows(job, chosen):
    frames = []
    for pooling in _poolings(chosen):
        own = chosen[pooling]
        low, high = stats.interval(own["draws"])
        numbers = {"rho": own["rho"], "low": low, "high": high}
        frames.append(pd.DataFrame({"roi": chosen["regions"], "layer": own["layer"], "p": _rounded(own["p"], 4)}))
        frames[-1] = frames[-1].assign(
            pooling=pooling, q=_rounded(stats.fdr(own["p"]), 4), **{n: _rounded(v) for n, v in numbers.items()}
        )
    return pd.concat(frames).assign(**_key(job)).sort_values(["pooling", "roi"])


def _contrasts(jobs, found):
    """Rows of `rsa_contrasts` of one subject."""
    maps, draws, rho = [], {}, {}
    for job in jobs:
        chosen = found[job.id]
        kept = [name for name in chosen["regions"] if name not in rois() or rois()[name].family != "streams"]
        for pooling in _poolings(chosen):
            maps.append((job.model, job.instruction, pooling))
            draws[maps[-1]] = pd.DataFrame(chosen[pooling]["draws"], columns=chosen["regions"])[kept]
            rho[maps[-1]] = pd.Series(chosen[pooling]["rho"], index=chosen["regions"])[kept]
    rows = significance.compared(maps, draws, rho)
    if not rows:
        return pd.DataFrame(columns=columns("rsa_contrasts"))
    frame = pd.concat(rows, ignore_index=True)
    ends = {name: _rounded(frame[name]) for name in ("difference", "low", "high")}
    return frame.assign(subject=jobs[0].subject, q=_rounded(frame.q, 4), **ends)


def _ceilings(brains):
    rows = []
    for name, bounds in _bounds(brains).items():
        for subject, (lower, upper) in bounds.items():
            brain = brains[subject]
            at = brain["regions"].tolist().index(name)
            rows.append({"subject": subject, "roi": name, "n": brain["n"][at], "n_all": brain["n_all"][at]})
            rows[-1] |= {"pictures": len(brain["test_ids"]), "training": len(brain["train_ids"])}
            rows[-1] |= {"lower": lower, "upper": upper}
    frame = pd.DataFrame(rows).sort_values(["subject", "roi"])
    return frame.assign(lower=_rounded(frame.lower), upper=_rounded(frame.upper))


def _bounds(brains):
    """region -> {subject: (lower, upper)}."""
    return {name: dict(zip(of, rsa.ceiling(np.stack(list(of.values()))).T)) for name, of in _by_region(brains).items()}


def _by_region(brains):
    """region -> {subject: (n_pairs,) distances} of the subjects that have it."""
    found = {}
    for subject, brain in brains.items():
        for name, rdm in zip(brain["regions"].tolist(), brain["test"]):
            if np.isfinite(rdm).all():
                found.setdefault(name, {})[subject] = rdm
    return found


# --- Matrices to look at ---


def _regions(brains):
    for name, of in _by_region(brains).items():
        mean = np.mean([similarity.shown(rsa.ranks(rdm)) for rdm in of.values()], axis=0)
        yield {"roi": name, "model": "", "instruction": "", "pooling": "", "layer": -1, "data": rsa.to_bytes(mean)}


def _maps(jobs, found):
    """Of each map the layers that a region shows: the median of those that its subjects choose."""
    of = {}
    for job in jobs:
        for pooling in _poolings(found[job.id]):
            of.setdefault((job.model, job.instruction, pooling), []).append(found[job.id])
    for key, subjects in of.items():
        own = [chosen[key[2]] for chosen in subjects]
        for layer in _shown_layers(subjects, key[2]):
            rows = [o["shown"][o["layers"].tolist().index(layer)] for o in own if layer in o["layers"]]
            label = dict(zip(("model", "instruction", "pooling"), key))
            yield {"roi": "", **label, "layer": layer, "data": rsa.to_bytes(np.mean(rows, axis=0))}


def _shown_layers(subjects, pooling):
    chosen = pd.concat([pd.Series(s[pooling]["layer"], index=s["regions"]) for s in subjects])
    medians = chosen[chosen >= 0].groupby(level=0).quantile(0.5, interpolation="lower")
    return sorted(set(medians.astype(int)))
