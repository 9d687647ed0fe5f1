"""What each kind of job does: read its inputs, compute, write its one result file."""

import time
from functools import partial
from itertools import combinations

import numpy as np

from brainalign import ceilings, encoding, features, models, nsd, stats, variance
from brainalign.files import compact
from brainalign.jobs import nested, planning, reading, results, similarity
from brainalign.types import Trials

SAMPLE = 2000  # pictures from which the shares of variance are told


class Resident:
    """The subject and the model that were loaded last: jobs that share one come one after the other.

    A subject keeps its encoding session, so that its responses are prepared once for all fits.
    """

    def __init__(self, study):
        self.study = study
        self._subject = self._session = self._regions = self._adapter = None, None

    def subject(self, name):
        if self._subject[0] != name:
            self._subject = self._session = self._regions = None, None  # release the last one before loading the next
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
        """Masks by region, which units are reliable, and the regions' Ceilings, of a subject."""
        if self._regions[0] != name:
            subject = self.subject(name)
            masks, reliable = nested.regions(subject.rois), ceilings.reliable(subject, nested.MIN_NC)
            self._regions = name, (masks, reliable, ceilings.Ceilings(subject, masks, reliable))
        return self._regions[1]

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
    """Where a subject's units lie and how well they can be predicted; beside it its trials of the test pictures.

    The trials are kept in float16, and the files of betas are read once more for them.
    """
    started, subject = time.perf_counter(), resident.subject(job.subject)
    masks, reliable, of_regions = resident.regions(job.subject)
    low, high = of_regions.interval()
    arrays = {
        "place": subject.units,
        "ncsnr": subject.ncsnr,
        "nc": stats.noise_ceiling(subject.ncsnr, subject.repeats[subject.is_test]),
        "reliable": reliable,
        "regions": np.array(list(masks)),
        "nc_mean": of_regions.nc,
        "r_ceiling": of_regions.r,
        "r_ceiling_low": low,
        "r_ceiling_high": high,
        "rois": np.array(list(subject.rois)),
        "inside": np.stack(list(subject.rois.values())),
        "flat_units": nsd.flat_units(resident.study.root, job.subject, subject.space, subject.units),
        "image_ids": subject.image_ids,
        "is_test": subject.is_test,
        "repeats": subject.repeats,
        "runs": nsd.image_runs(resident.study.root, job.subject),
        "sessions": np.array(len(subject.valid)),
        "test_ids": subject.image_ids[subject.is_test],
        "test_betas": subject.betas[subject.is_test],
    }
    study = resident.study
    trials = nsd.load_trials(study.root, job.subject, arrays["test_ids"], study.space, study.beta_version)
    about = results.about(job, time.perf_counter() - started)
    kept = {"shown": trials.shown, "run": trials.run, "values": compact(trials.values)}
    results.write_arrays(planning.trials_path(study, job.subject), kept, about)
    results.write_arrays(job.path, arrays, about)


def make_across(job, resident, progress=None):
    """How well the other subjects' responses predict a subject's, for the test images that all saw in two runs."""
    started, study, choice = time.perf_counter(), resident.study, resident.study.encoding
    common = similarity.common(study, 2)
    people = {name: _trials(study, name, common) for name in planning.subjects(study)}
    person = people.pop(job.subject)
    scores = encoding.cross_subject(
        person, list(people.values()), choice.alphas, choice.folds, choice.solver, study.seed
    )
    columns = {"unit": np.arange(len(scores.r)), "r": scores.r, "r2": scores.r2}
    about = results.about(job, time.perf_counter() - started, scores.warnings, images=len(common))
    results.write_table(job.path, _stack([columns]), about)


def _trials(study, name, image_ids):
    """A subject's `Trials` of some test pictures (ascending NSD ids)."""
    kept = results.read_arrays(planning.trials_path(study, name))
    person = results.read_arrays(planning.subject_path(study, name), leave="betas")
    ids = person["test_ids"][kept["shown"]]
    own = np.isin(ids, image_ids)
    shown, values = np.searchsorted(image_ids, ids[own]), kept["values"][own].astype(np.float32)
    return Trials(shown, kept["run"][own], values)


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
    masks, reliable, of_regions = resident.regions(job.subject)
    y, study = resident.session(job.subject).y_test, resident.study
    arrays = {"regions": np.array(list(masks))}
    for pooling, chosen in best.items():
        found = nested.inference(y, chosen, masks, reliable, of_regions, study.statistics, study.seed)
        found |= {"layer": chosen.layer, "r": chosen.r, "r2": chosen.r2, "yhat": compact(chosen.yhat)}
        arrays |= {f"{pooling}.{name}": values for name, values in found.items()}
    results.write_arrays(job.beside, arrays, results.about(job, seconds))


def make_pair(job, resident, progress=None):
    """R2 of two instructions alone and together, and what follows: shared and unique variance, signed."""
    started = time.perf_counter()
    _write_parts(job, resident, _two(job, resident, _spaces(job, resident)), _of_two, started)


def make_alike(job, resident, progress=None):
    """The parts of a pair less their floors, means over regions, with both at the layer of the one and of the other.

    Of layers that are the same nothing is computed: the pair's own job has it.
    """
    started, study, session = time.perf_counter(), resident.study, resident.session(job.subject)
    masks, reliable, _ = resident.regions(job.subject)
    layers = sorted(set(job.inputs["layers"]))
    arrays, warnings = {"regions": np.array(list(masks))}, []
    for layer in layers if len(layers) > 1 else ():
        fits = _two(job, resident, _spaces(job, resident, layer))
        r2 = np.stack([fit.r2 for fit in fits.values()])
        means = nested.region_means(r2, masks, reliable & np.isfinite(r2).all(0))
        found = nested.part_intervals(session.y_test, fits, _of_two, masks, reliable, study.statistics, study.seed)
        for part, values in _of_two(dict(zip(fits, means))).items():
            arrays[f"{part}_{layer}"] = values - found[f"{part}_floor"]
        warnings += [f"layer {layer}: {text}" for text in fits["ab"].warnings]
    results.write_arrays(job.path, arrays, results.about(job, time.perf_counter() - started, warnings))


def _two(job, resident, spaces):
    """Fits of two spaces, each alone and both together, with their predictions."""
    joint = resident.session(job.subject).fit_joint(spaces, resident.study.variance.gammas, keep=True)
    return dict(zip("ab", joint.alone.values())) | {"ab": joint}


def _of_two(r2):
    return variance.partition(r2["a"], r2["b"], r2["ab"])


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
    spaces, fits = _spaces(job, resident), {}
    for k, (name, both, others) in enumerate(session.beyond(spaces, keep=True)):
        fits |= {name: both, f"without {name}": others}
        if progress:
            progress(k + 1, len(spaces), name)
    names = job.inputs["instructions"]
    _write_parts(job, resident, fits, lambda r2: {n: r2[n] - r2[f"without {n}"] for n in names}, started)


def make_weights(job, resident, progress=None):
    """What predicts the response to any picture from the states at the best layer; and the measured responses."""
    started, study, subject = time.perf_counter(), resident.study, resident.subject(job.subject)
    session, folder = resident.session(job.subject), reading.folder(study, job.model, job.instruction)
    X = reading.rows(folder, job.inputs["layer"], job.inputs["pooling"], subject.image_ids)
    readout = encoding.compress(*session.weights(X), X[~subject.is_test], job.inputs["rank"], study.seed)
    measured = {"test_ids": subject.image_ids[subject.is_test], "measured": compact(session.y_test)}
    results.write_arrays(job.path, vars(readout) | measured, results.about(job, time.perf_counter() - started))


def _spaces(job, resident, layer=None):
    """instruction -> features of the subject's images, each at its own layer or all at this one, in the job's pooling.

    layer : None for those of the job
    """
    ids, pooling = resident.subject(job.subject).image_ids, job.inputs["pooling"]
    asked = job.inputs["instructions"]
    layers = job.inputs["layers"] if layer is None else [layer] * len(asked)
    folders = [reading.folder(resident.study, job.model, i) for i in asked]
    return {i: reading.rows(folder, at, pooling, ids) for i, folder, at in zip(asked, folders, layers)}


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
    columns = {"pooling": job.inputs["pooling"], "unit": np.arange(len(reliable))}
    columns |= {f"r2_{name}": values for name, values in r2.items()} | parts(r2)
    results.write_table(job.path, _stack([columns]), about)


MAKERS = {
    "shares": make_shares,
    "subject": make_subject,
    "across": make_across,
    "encode": make_encode,
    "pair": make_pair,
    "alike": make_alike,
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
