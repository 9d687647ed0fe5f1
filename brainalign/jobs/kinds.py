"""What each kind of job does: read its inputs, compute, write its one result file."""

import time
from functools import partial

import numpy as np

from brainalign import encoding, features, models, nsd, stats, variance
from brainalign.jobs import planning, results


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

    def adapter(self, name):
        if self._adapter[0] != name:
            self._adapter = None, None
            self._adapter = name, models.load(name)
        return self._adapter[1]


def make_features(jobs, resident, progress=None):
    """Features of one model for several instructions, which share the work on each picture."""
    study, pictures = resident.study, planning.picture_ids(resident.study)
    model = next(model for model in study.models if model.name == jobs[0].model)
    asked = {job.path.parent: planning.request(study, model, job.instruction, pictures) for job in jobs}
    load = partial(resident.adapter, model.name)
    features.extract(asked, load, partial(nsd.stimulus, study.root), progress)


def make_subject(job, resident, progress=None):
    """Where a subject's units lie and how well they can be predicted."""
    started, subject = time.perf_counter(), resident.subject(job.subject)
    reliable = np.isfinite(subject.ncsnr) & subject.valid.all(0)
    arrays = {
        "place": subject.units,
        "ncsnr": subject.ncsnr,
        "nc": stats.noise_ceiling(subject.ncsnr, subject.repeats[subject.is_test]),
        "reliable": reliable,
        "rois": np.array(list(subject.rois)),
        "inside": np.stack(list(subject.rois.values())),
        "flat_units": nsd.flat_units(resident.study.root, job.subject, subject.space, subject.units),
        "image_ids": subject.image_ids,
        "is_test": subject.is_test,
        "repeats": subject.repeats,
        "sessions": np.array(len(subject.valid)),
    }
    results.write_arrays(job.path, arrays, results.about(job, time.perf_counter() - started))


def make_encode(job, resident, progress=None):
    """Test r and R2, alpha and cross-validated R2 of every unit, for every layer and pooling."""
    started, study, subject = time.perf_counter(), resident.study, resident.subject(job.subject)
    session = resident.session(job.subject)
    folder = _folder(study, job.model, job.instruction)
    maps, columns, warnings = _maps(features.manifest(folder), job), [], []
    for k, (layer, pooling) in enumerate(maps):
        fit = session.fit(_rows(folder, layer, pooling, subject))
        columns.append({"layer": layer, "pooling": pooling, "unit": np.arange(len(fit.r))} | _scores(fit))
        warnings += [f"layer {layer} {pooling}: {text}" for text in fit.warnings]
        if progress:
            progress(k + 1, len(maps), f"layer {layer} {pooling}")
    provenance = results.about(job, time.perf_counter() - started, warnings)
    results.write_table(job.path, _stack(columns), provenance)


def make_pair(job, resident, progress=None):
    """R2 of two instructions alone and together, and what follows: shared and unique variance, signed."""
    started, study, subject = time.perf_counter(), resident.study, resident.subject(job.subject)
    a, b, layer, pooling = job.inputs["a"], job.instruction, job.inputs["layer"], job.inputs["pooling"]
    spaces = {name: _rows(_folder(study, job.model, name), layer, pooling, subject) for name in (a, b)}
    joint = resident.session(job.subject).fit_joint(spaces, study.variance.gammas)
    r2_a, r2_b = joint.alone[a].r2, joint.alone[b].r2
    parts = {"r2_a": r2_a, "r2_b": r2_b, "r2_ab": joint.r2} | variance.partition(r2_a, r2_b, joint.r2)
    columns = {"layer": layer, "pooling": pooling, "unit": np.arange(len(r2_a))} | parts
    provenance = results.about(job, time.perf_counter() - started, joint.warnings)
    results.write_table(job.path, _stack([columns]), provenance)


MAKERS = {"subject": make_subject, "encode": make_encode, "pair": make_pair}


def _folder(study, model, instruction):
    return planning.feature_sets(study)[model, instruction].path.parent


def _maps(manifest, job):
    """(layer, pooling) of every map to fit, in key order."""
    poolings = {name: manifest["poolings"][name]["layers"] for name in job.inputs["poolings"]}
    layers = job.inputs["layers"] or range(max(poolings.values()))
    beyond = [layer for layer in layers if layer >= max(poolings.values())]
    if beyond:
        raise ValueError(f"{job.model} has layers 0 to {max(poolings.values()) - 1}, there is no layer {beyond[0]}")
    return [(layer, pooling) for layer in layers for pooling in sorted(poolings) if layer < poolings[pooling]]


def _rows(folder, layer, pooling, subject):
    """Features of the subject's images, in their order: (n_images, n_dims)."""
    found = features.load(folder, layer, pooling)
    return found.values[found.rows(subject.image_ids)]


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
