"""What each kind of job does: read its inputs, compute, write its one result file."""

import time
from functools import partial
from itertools import combinations

import numpy as np

from brainalign import encoding, features, models, nsd, stats, variance
from brainalign.files import compact
from brainalign.jobs import nested, planning, reading, results, similarity

SAMPLE = 2000  # pictures from which the shares of variance are told


class Resident:
    """The subject and the model that were loaded last: jobs that share one come one after the other.

    A subject keeps its encoding session, so that its responses are prepared once for all fits.
    """

    def __init__(self, study):
        self.study = study
        self._subject = self._session = self._adapter = None, None

    def subject(self, name):
        if self._subject[0] != name:
            self._subject = self._session = None, None  # release the last one before loading the next
            study = self.study
            self._subject = name, nsd.load_subject(study.root, name, study.space, study.beta_version)
        return self._subject[1]

    def session(self, name):
        if self._session[0] != name:
            subject, choice = self.subject(name), self.study.encoding
            task = subject.betas, subject.is_test, choice.alphas, choice.folds, choice.solver, self.study.seed
            self._session = name, encoding.Session(*task)
        return self._session[1]

    def regions(self, name):
        """Masks by region, which units are reliable, and the noise ceiling, of a subject."""
        subject = self.subject(name)
        return nested.regions(subject.rois), reliable(subject), ceiling(subject)

    def adapter(self, name):
        if self._adapter[0] != name:
            self._adapter = None, None
            self._adapter = name, models.load(name)
        return self._adapter[1]


def make_features(jobs, resident, progress=None):
    """Features of one model for several instructions, which share the work on each picture."""
    study, name = resident.study, jobs[0].model
    requests = planning.requests(study)
    asked = {job.path.parent: requests[job.model, job.instruction] for job in jobs}
    load = partial(resident.adapter, name)
    stimulus = partial(nsd.stimulus, study.root)
    read = {path: request for path, request in asked.items() if request.text}
    for directory, request in read.items():
        look = stimulus if planning.sees(request) else None
        features.extract_texts(directory, request, load, reading.texts(study, request), progress, look)
    if read:
        return
    for poolings in dict.fromkeys(request.poolings for request in asked.values()):
        alike = {path: request for path, request in asked.items() if request.poolings == poolings}
        features.extract(alike, load, stimulus, progress)


def make_shares(job, resident, progress=None):
    """How much of a model's states depends on the picture, the instruction, and both together, layer by layer."""
    started, study, rows, warnings = time.perf_counter(), resident.study, [], []
    folders = [reading.folder(study, job.model, i) for i in job.inputs["instructions"]]
    maps = reading.maps(features.manifest(folders[0]), job)
    for k, (layer, pooling) in enumerate(maps):
        states = [_some(features.load(f, layer, pooling).values) for f in folders]
        row = {"layer": layer, "pooling": pooling, "images": len(states[0])}
        alike = len({array.shape for array in states}) == 1
        rows.append(row | stats.two_way(np.stack(states) if alike else np.zeros((1, 1, 1))))
        if not alike:
            warnings.append(f"layer {layer} {pooling}: states of {job.model} differ in size between instructions")
        if progress:
            progress(k + 1, len(maps), f"layer {layer} {pooling}")
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    results.write_table(job.path, columns, results.about(job, time.perf_counter() - started, warnings))


def make_subject(job, resident, progress=None):
    """Where a subject's units lie and how well they can be predicted."""
    started, subject = time.perf_counter(), resident.subject(job.subject)
    arrays = {
        "place": subject.units,
        "ncsnr": subject.ncsnr,
        "nc": ceiling(subject),
        "reliable": reliable(subject),
        "rois": np.array(list(subject.rois)),
        "inside": np.stack(list(subject.rois.values())),
        "flat_units": nsd.flat_units(resident.study.root, job.subject, subject.space, subject.units),
        "image_ids": subject.image_ids,
        "is_test": subject.is_test,
        "repeats": subject.repeats,
        "sessions": np.array(len(subject.valid)),
        "test_ids": subject.image_ids[subject.is_test],
        "test_betas": subject.betas[subject.is_test],
    }
    results.write_arrays(job.path, arrays, results.about(job, time.perf_counter() - started))


def ceiling(subject):
    """Noise ceiling of the test images: (n_units,) percent of variance."""
    return stats.noise_ceiling(subject.ncsnr, subject.repeats[subject.is_test])


def reliable(subject):
    """Units that means over a region are taken over: data in every session, and a noise ceiling of at least MIN_NC."""
    return subject.valid.all(0) & (ceiling(subject) >= nested.MIN_NC)


def make_across(job, resident, progress=None):
    """How well the other subjects' responses predict a subject's, for the test images that all of them saw."""
    started, study = time.perf_counter(), resident.study
    people = {name: results.read_arrays(planning.subject_path(study, name)) for name in planning.subjects(study)}
    common = sorted(set.intersection(*(set(person["test_ids"].tolist()) for person in people.values())))
    betas = {n: p["test_betas"][np.searchsorted(p["test_ids"], common)] for n, p in people.items()}
    others = [values for name, values in betas.items() if name != job.subject]
    choice = study.encoding
    task = betas[job.subject], others, choice.alphas, choice.folds, choice.solver, study.seed
    scores = encoding.cross_subject(*task)
    columns = {"unit": np.arange(len(scores.r)), "r": scores.r, "r2": scores.r2}
    about = results.about(job, time.perf_counter() - started, scores.warnings, images=len(common))
    results.write_table(job.path, _stack([columns]), about)


def make_encode(job, resident, progress=None):
    """Test r and R2, alpha and cross-validated R2 of every unit, for every layer and pooling.

    Beside it, for each pooling: each unit's best layer by the training images, and how sure its scores are.
    """
    started, study, subject = time.perf_counter(), resident.study, resident.subject(job.subject)
    session = resident.session(job.subject)
    folder = reading.folder(study, job.model, job.instruction)
    maps, columns, warnings = reading.maps(features.manifest(folder), job), [], []
    best = {pooling: nested.Nested(*session.y_test.shape) for pooling in sorted(job.inputs["poolings"])}
    for k, (layer, pooling) in enumerate(maps):
        fit = session.fit(reading.rows(folder, layer, pooling, subject.image_ids), keep=True)
        columns.append({"layer": layer, "pooling": pooling, "unit": np.arange(len(fit.r))} | _scores(fit))
        best[pooling].offer(layer, fit)
        warnings += [f"layer {layer} {pooling}: {text}" for text in fit.warnings]
        if progress:
            progress(k + 1, len(maps), f"layer {layer} {pooling}")
    _write_nested(job, resident, best, time.perf_counter() - started)
    provenance = results.about(job, time.perf_counter() - started, warnings)
    results.write_table(job.path, _stack(columns), provenance)


def _write_nested(job, resident, best, seconds):
    masks, reliable, nc = resident.regions(job.subject)
    y, study = resident.session(job.subject).y_test, resident.study
    arrays = {"regions": np.array(list(masks))}
    for pooling, chosen in best.items():
        found = nested.inference(y, chosen, masks, reliable, nc, study.statistics, study.seed)
        found |= {"layer": chosen.layer, "r": chosen.r, "r2": chosen.r2, "yhat": compact(chosen.yhat)}
        arrays |= {f"{pooling}.{name}": values for name, values in found.items()}
    results.write_arrays(job.beside, arrays, results.about(job, seconds))


def make_pair(job, resident, progress=None):
    """R2 of two instructions alone and together, and what follows: shared and unique variance, signed."""
    started, (a, b) = time.perf_counter(), job.inputs["instructions"]
    spaces, session = _spaces(job, resident), resident.session(job.subject)
    joint = session.fit_joint(spaces, resident.study.variance.gammas, keep=True)
    fits = {"a": joint.alone[a], "b": joint.alone[b], "ab": joint}
    _write_parts(job, resident, fits, lambda r2: variance.partition(r2["a"], r2["b"], r2["ab"]), started)


def make_triple(job, resident, progress=None):
    """R2 of three instructions, every two and each alone, and the seven parts that follow."""
    started, session = time.perf_counter(), resident.session(job.subject)
    spaces = dict(zip("abc", _spaces(job, resident).values()))
    sets = [names for size in (1, 2, 3) for names in combinations("abc", size)]
    fits = {"".join(names): _joint(session, {n: spaces[n] for n in names}) for names in sets}
    _write_parts(job, resident, fits, variance.partition_three, started)


def make_unique(job, resident, progress=None):
    """What each instruction explains beyond all the others of the model jointly."""
    started, session = time.perf_counter(), resident.session(job.subject)
    spaces = _spaces(job, resident)
    everything, without = session.beyond(spaces, keep=True)
    fits = {"all": everything}
    for k, (name, others) in enumerate(without):
        fits[f"without {name}"] = others
        if progress:
            progress(k + 1, len(spaces), name)
    names = job.inputs["instructions"]
    _write_parts(job, resident, fits, lambda r2: {n: r2["all"] - r2[f"without {n}"] for n in names}, started)


def make_weights(job, resident, progress=None):
    """What predicts the response to any picture from the states at the best layer; and the measured responses."""
    started, study, subject = time.perf_counter(), resident.study, resident.subject(job.subject)
    session, folder = resident.session(job.subject), reading.folder(study, job.model, job.instruction)
    X = reading.rows(folder, job.inputs["layer"], job.inputs["pooling"], subject.image_ids)
    readout = encoding.compress(*session.weights(X), X[~subject.is_test], job.inputs["rank"], study.seed)
    measured = {"test_ids": subject.image_ids[subject.is_test], "measured": compact(session.y_test)}
    results.write_arrays(job.path, vars(readout) | measured, results.about(job, time.perf_counter() - started))


def _spaces(job, resident):
    """instruction -> features of the subject's images, at the job's layer and pooling."""
    ids, at = resident.subject(job.subject).image_ids, (job.inputs["layer"], job.inputs["pooling"])
    folders = {i: reading.folder(resident.study, job.model, i) for i in job.inputs["instructions"]}
    return {i: reading.rows(folder, *at, ids) for i, folder in folders.items()}


def _joint(session, spaces):
    if len(spaces) == 1:
        return session.fit(*spaces.values(), keep=True)
    return session.fit_joint(spaces, keep=True)


def _write_parts(job, resident, fits, parts, started):
    """One row a unit: R2 of every model and the parts; beside it the intervals of the parts' means over regions.

    fits : name -> Fit with its predictions; parts : function from {name: R2} to {part: R2}, linear
    """
    study, session = resident.study, resident.session(job.subject)
    masks, reliable, _ = resident.regions(job.subject)
    r2 = {name: fit.r2 for name, fit in fits.items()}
    about = results.about(
        job, time.perf_counter() - started, dict.fromkeys(w for f in fits.values() for w in f.warnings)
    )
    ends = nested.part_intervals(session.y_test, fits, parts, masks, reliable, study.statistics, study.seed)
    results.write_arrays(job.beside, {"regions": np.array(list(masks))} | ends, about)
    columns = {"layer": job.inputs["layer"], "pooling": job.inputs["pooling"], "unit": np.arange(len(reliable))}
    columns |= {f"r2_{name}": values for name, values in r2.items()} | parts(r2)
    results.write_table(job.path, _stack([columns]), about)


MAKERS = {
    "shares": make_shares,
    "subject": make_subject,
    "across": make_across,
    "encode": make_encode,
    "pair": make_pair,
    "triple": make_triple,
    "unique": make_unique,
    "weights": make_weights,
    "rdms": similarity.make_rdms,
    "rsa": similarity.make_rsa,
}


def _some(values):
    """At most SAMPLE rows, evenly spaced: shares of variance need no more."""
    return values[:: -(-len(values) // SAMPLE)]


def _scores(fit):
    return {"r": fit.r, "r2": fit.r2, "alpha": fit.alpha, "cv": fit.cv}


def _stack(columns):
    """One long column of each name, numbers in the types of the store."""
    n = len(columns[0]["unit"])
    stacked = {name: np.concatenate([np.broadcast_to(c[name], n) for c in columns]) for name in columns[0]}
    types = {"layer": np.uint8, "unit": np.uint32}
    return {
        name: values if name == "pooling" else values.astype(types.get(name, np.float32))
        for name, values in stacked.items()
    }
