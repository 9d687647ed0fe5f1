"""Representational similarity: the regions' matrices of a subject, and how a model's compare with them.

All subjects' matrices are of the same test pictures: those that every subject of the study saw in two runs (in one,
where the distance is not cross-validated), so that subjects bound each other's ceiling. All saw them in one order:
what drifts within a run would make subjects alike, and is taken out of it (`nsd.load_trials`).
"""

import time
from functools import partial

import numpy as np

from brainalign import features, nsd, rsa, stats
from brainalign.jobs import planning, reading, results

FEWEST = 8  # pictures, of which a matrix says anything at all
SHOWN = 32  # pictures whose matrices the store keeps to look at
RUNS = {"crossnobis": 2, "correlation": 1}  # in which a picture was shown
OF_STATES = {"crossnobis": rsa.euclidean, "correlation": rsa.correlation}


def make_rdms(job, resident, progress=None):
    """Matrices of every region of a subject: of the common test pictures, and of training pictures to choose layers.

    Memory: the trials of these pictures (pictures x repeats x units x 4 bytes), and 8 bytes a pair of pictures.
    """
    started, study, choice = time.perf_counter(), resident.study, resident.study.rsa
    person = results.read_arrays(planning.subject_path(study, job.subject), leave="betas")
    ids = {"test": common(study, RUNS[choice.distance]), "train": _training(person, choice, study.seed)}
    for name, found in ids.items():
        if len(found) < FEWEST:
            raise ValueError(_too_few(job.subject, name, len(found), choice))
    every = np.union1d(ids["test"], ids["train"])
    trials = nsd.load_trials(study.root, job.subject, every, study.space, study.beta_version)
    masks = {n: mask for n, mask in zip(person["rois"].tolist(), person["inside"]) if mask.any()}
    arrays = {"regions": np.array(list(masks)), **{f"{name}_ids": found for name, found in ids.items()}}
    arrays["n_all"] = np.array([mask.sum() for mask in masks.values()])
    arrays["n"] = np.array([(mask & person["reliable"]).sum() for mask in masks.values()])
    units = [np.flatnonzero(mask & person["reliable"]) for mask in masks.values()]
    sd = rsa.noise_sd(trials.values, trials.shown) if choice.distance == "crossnobis" else None
    for name, found in ids.items():
        own = np.isin(every[trials.shown], found)
        of = np.searchsorted(found, every[trials.shown[own]]), trials.run[own]
        rdms = [_rdm(trials.values[np.ix_(own, inside)], *of, None if sd is None else sd[inside]) for inside in units]
        arrays[name] = np.stack(rdms).astype(np.float32)
    results.write_arrays(job.path, arrays, results.about(job, time.perf_counter() - started))


def _rdm(trials, shown, runs, sd):
    """(n_pairs,) of a region's trials; NaN where it has no reliable unit."""
    n = shown.max() + 1
    if not trials.shape[1]:
        return np.full(n * (n - 1) // 2, np.nan)
    if sd is not None:
        return rsa.crossnobis(trials / sd, shown, runs)
    return rsa.mean_correlation(trials, shown, runs)


def common(study, runs):
    """Ids, ascending, of the test pictures that every subject saw in so many runs."""
    seen = []
    for name in planning.subjects(study):
        person = results.read_arrays(planning.subject_path(study, name), leave="betas")
        seen.append(set(person["image_ids"][person["is_test"] & (person["runs"] >= runs)].tolist()))
    return np.array(sorted(set.intersection(*seen)), int)


def _training(person, choice, seed):
    """Ids of the training pictures by which layers are chosen: those shown most often, drawn among their likes."""
    often = np.flatnonzero(~person["is_test"] & (person["runs"] >= RUNS[choice.distance]))
    often = np.random.default_rng(seed).permutation(often)
    order = np.argsort(-person["repeats"][often], kind="stable")
    return np.sort(person["image_ids"][often[order[: choice.training_images]]])


def _too_few(subject, name, n, choice):
    often = " in two runs" if RUNS[choice.distance] > 1 else ""
    which = f"test pictures that all subjects saw{often}"
    if name == "train":
        which = f"training pictures of {subject}" + (" that were shown in two runs" if often else "")
    also = '; with distance = "correlation" under [rsa] one trial is enough' if often else ""
    return f"similarity needs {FEWEST} pictures or more, and there are {n} {which}; add sessions{also}"


def make_rsa(job, resident, progress=None):
    """rho_a of every layer with every region on the test pictures; beside it the layer that training pictures choose.

    States are standardised by the training pictures. Memory: 4 bytes a pair of test pictures for each layer, and
    about 100 MB for permutations.
    """
    started, study = time.perf_counter(), resident.study
    brain = results.read_arrays(planning.rdms_path(study, job.subject))
    ranked = {name: rsa.ranks(brain[name]) for name in ("test", "train")}
    folder = reading.folder(study, job.model, job.instruction)
    maps, rows, layers = reading.maps(features.manifest(folder), job), [], {}
    for k, (layer, pooling) in enumerate(maps):
        own = _states(folder, layer, pooling, brain, OF_STATES[study.rsa.distance])
        scores = {name: rsa.rho(own[name][None], ranked[name])[0] for name in ranked}
        rows += [(layer, pooling, *row) for row in zip(brain["regions"].tolist(), scores["test"])]
        layers.setdefault(pooling, {})[layer] = own["test"], scores["train"], scores["test"]
        if progress:
            progress(k + 1, len(maps), f"layer {layer} {pooling}")
    arrays = {"regions": brain["regions"]}
    for pooling, found in layers.items():
        chosen = _chosen(found, ranked["test"], study.statistics, study.seed)
        arrays |= {f"{pooling}.{name}": values for name, values in chosen.items()}
    about = partial(results.about, job, time.perf_counter() - started)
    results.write_arrays(job.beside, arrays, about())
    columns = dict(zip(("layer", "pooling", "roi", "rho"), map(np.array, zip(*rows))))
    results.write_table(job.path, columns | {"layer": columns["layer"].astype(np.uint8)}, about())


def _states(folder, layer, pooling, brain, distance):
    """{"test", "train"}: ranked distances of a layer's states."""
    test, train = brain["test_ids"], brain["train_ids"]
    values = reading.rows(folder, layer, pooling, np.concatenate([test, train]))
    fitted = np.arange(len(values)) >= len(test)
    values = stats.standardise(values, fitted)
    return {"test": rsa.ranks(distance(values[~fitted])), "train": rsa.ranks(distance(values[fitted]))}


def _chosen(layers, brain, choice, seed):
    """For each region the layer most similar in training pictures, and how sure it is on test pictures: {name: array}.

    layers : layer -> (ranks of the test pairs, rho_a by region on training pictures, on test pictures)
    layer : (n_regions,), -1 where none is defined; rho, p : (n_regions,); draws : (n_draws, n_regions)
    shown : (n_layers, n_pairs) ranks of the pairs of the pictures that are kept to look at, of each of `layers`
    """
    numbers = np.array(list(layers), np.int16)
    test, training, scores = (np.stack(part) for part in zip(*layers.values()))
    known = np.isfinite(training).any(0)
    best = np.where(known, np.nan_to_num(training, nan=-np.inf).argmax(0), 0)
    order = np.argsort(best, kind="stable")  # regions with the same layer one after the other
    p, draws = np.empty(len(best)), np.empty((choice.draws, len(best)))
    p[order] = rsa.permutation_p(brain[order], test[best[order]], choice.permutations, seed)
    draws[:, order] = rsa.bootstrap(brain[order], test[best[order]], choice.draws, seed)
    return {
        "layer": np.where(known, numbers[best], -1).astype(np.int16),
        "rho": scores[best, np.arange(len(best))].astype(np.float32),
        "p": p.astype(np.float32),
        "draws": draws.astype(np.float32),
        "layers": numbers,
        "shown": shown(test),
    }


def shown(ranked):
    """Pairs of the SHOWN pictures, evenly spaced among all: (..., n_pairs) -> (..., fewer)."""
    places = shown_places(rsa.n_pictures(ranked))
    i, j = rsa.pairs(len(places))
    return rsa.square(ranked)[..., places[i], places[j]]


def shown_places(n):
    """Which of n pictures are kept to look at."""
    return np.linspace(0, n - 1, min(SHOWN, n)).round().astype(int)
