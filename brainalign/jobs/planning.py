"""The jobs of a study. A job's id is the hash of its own inputs and its result's path follows from it.

Kinds, and what each makes once for the whole study:
features  the states and answers of a model under an instruction, for every picture of every subject
subject   where a subject's units lie, their ROIs, noise ceiling and place on the flat surface
across    how well the other subjects predict a subject's responses to the images all of them saw in two runs
encode    scores of all layers and poolings of one model and instruction, and how sure those of the best layers are
pair      the partition of variance between the anchor instruction and another one
alike     the same with both at one layer, once that of the one and once that of the other
triple    the partition among three instructions
unique    what each instruction explains beyond all others of the model
weights   what predicts the response to any picture, for the app, and the measured responses to the shared images
shares    how much of a model's states depends on the picture, the instruction, and both together
rdms      which pictures each region of a subject tells apart
rsa       how well that of all layers and poolings of one model and instruction compares with it

Some inputs are known only when other jobs are done (the content of features, the best layer); until then a job
waits, and has neither id nor path. The code itself is no input, but METHOD is, and `Model.method` of features: raise
them when results change.
"""

import re
from dataclasses import asdict, dataclass, replace
from functools import cache, reduce
from itertools import combinations
from pathlib import Path

import numpy as np

from brainalign import features, models, nsd, tables
from brainalign.encoding import checks
from brainalign.files import fingerprint
from brainalign.jobs import identity, results

METHOD = 5  # of everything after the features


@dataclass(frozen=True)
class Job:
    """One result file to make.

    inputs : everything that the result depends on; None while `waits` says what for
    path : of the result; a file that exists is complete
    beside : a second file of some jobs, written before the first
    """

    kind: str
    subject: str
    model: str
    instruction: str
    inputs: dict | None
    path: Path | None
    waits: str = ""

    @property
    def id(self):
        return fingerprint(self.kind, self.inputs) if self.inputs is not None else ""

    @property
    def done(self):
        return self.path is not None and self.path.exists()

    @property
    def beside(self):
        return self.path.with_suffix(".npz")

    def __str__(self):
        return " ".join(part for part in (self.kind, self.subject, self.model, self.instruction) if part)


def plan(study):
    """All jobs of a study in the order they are done: features, then everything of one subject after the other."""
    for known in (identity.weights, identity.pictures, identity.subject, identity.captioned, picture_ids):
        known.cache_clear()  # look at the files again
    _enough_pictures(study)
    return replan(study)


def _enough_pictures(study):
    """An error, before anything is computed, where pictures are too few for the folds of the study."""
    seen = {name: nsd.image_ids(study.root, name) for name in subjects(study)}
    shared = nsd.shared_ids(study.root)
    found = {f"training pictures of {name}": np.setdiff1d(ids, shared) for name, ids in seen.items()}
    if len(seen) > 1:
        often = [ids[nsd.image_runs(study.root, name) > 1] for name, ids in seen.items()]
        found["shared pictures that all subjects saw in two runs"] = reduce(np.intersect1d, often, shared)
    for what, ids in found.items():
        try:
            checks.n_folds(study.encoding.folds, len(ids))
        except ValueError as error:
            raise ValueError(f"{study.path}, {what}: {error}") from None


def replan(study):
    """The plan again, after some jobs were done: NSD's files and the models' are not looked at again."""
    spaces, people = feature_sets(study), [_subject(study, name) for name in subjects(study)]
    jobs = list(spaces.values()) + [_shares(study, model, spaces) for model in study.models if _asked(model)]
    for person in people:
        encodes = [_encode(study, person.subject, model, spaces[model.name, i]) for model, i in _spaces(study)]
        jobs += [person, *encodes]
        if study.variance:
            jobs += _variance(study, person.subject, spaces, encodes)
        if study.live and person.subject in (study.live.subjects or [other.subject for other in people]):
            jobs += [_weights_of(study, job) for job in encodes if _kept(study, job)]
        if len(people) > 1:
            jobs.append(_across(study, person, people))
        if study.rsa:
            rdms = _rdms(study, person.subject, people)
            jobs += [rdms, *(_rsa(study, rdms, model, spaces[model.name, i]) for model, i in _spaces(study))]
    return jobs


def feature_sets(study):
    """The jobs that make features: {(model, instruction): Job}."""
    asked, reads = requests(study), {model.name: model.reads for model in study.models}
    found = {key: _features(study, request) for key, request in asked.items() if not request.text}
    for key, request in asked.items():
        if request.text:
            source = found[reads[key[0]], key[1]] if reads[key[0]] else None
            found[key] = _features_of_texts(study, request, source)
    return {key: found[key] for key in asked}


def subjects(study):
    """Names of the study's subjects; all of the root where the study names none."""
    there = nsd.subjects(study.root)
    if not there:
        raise FileNotFoundError(f"no subject's betas in {study.root}; see `brainalign check {study.root}`")
    missing = [name for name in study.subjects if name not in there]
    if missing:
        raise ValueError(f"{study.root} has no betas of {', '.join(missing)}; it has {', '.join(there)}")
    return study.subjects or tuple(there)


@cache
def picture_ids(study):
    """Ids of all pictures that any of the study's subjects saw, ascending."""
    seen = [nsd.image_ids(study.root, name) for name in subjects(study)]
    return tuple(np.unique(np.concatenate(seen)).tolist())


def requests(study):
    """What `features.extract` is asked for: {(model, instruction): Request}.

    States that cannot depend on an instruction go under "", once and not under each.
    """
    pictures, choice, found = picture_ids(study), study.features, {}
    options = choice.max_new_tokens, choice.batch_size, choice.shard
    for model, instruction in _spaces(study):
        read = instruction or model.instructions[0]
        prompt = tables.instructions()[read].text if read else ""
        asked = features.Request(model.name, instruction, prompt, pictures, model.poolings, *options, model.text)
        found[model.name, instruction] = replace(asked, pixels=choice.pixels) if sees(asked) else asked
    return found


def _spaces(study):
    """Every (model, instruction) with features of its own, the model with the poolings that it has there."""
    found = []
    for model in study.models:
        once = model.fixed_poolings
        each = tuple(pooling for pooling in model.poolings if pooling not in once)
        if once:
            found.append((replace(model, poolings=once), ""))
        if each:
            found += [(replace(model, poolings=each), instruction) for instruction in model.instructions]
    return found


def _path(study, folder, inputs, kind, *names, suffix=""):
    name = "-".join(re.sub(r"[^\w.-]", "_", part) for part in (*names, fingerprint(kind, inputs)) if part)
    return study.output / folder / (name + suffix)


def _features(study, asked):
    inputs = {
        "weights": identity.weights(asked.model),
        "prompt": asked.prompt,
        "images": fingerprint(asked.image_ids),
        **_pictures(study, asked),
        "poolings": asked.poolings,
        "max_new_tokens": asked.max_new_tokens,
        "shard": asked.shard,
    }
    method = models.find(asked.model).method
    inputs |= {"method": method} if method else {}
    folder = _path(study, "features", inputs, "features", asked.model, asked.instruction)
    return Job("features", "", asked.model, asked.instruction, inputs, folder / features.MANIFEST)


def _features_of_texts(study, asked, source):
    """A model that reads texts needs those texts, and a picture only for poolings of both.

    source : the job of the answers that it reads, None for captions
    """
    job = ("features", "", asked.model, asked.instruction)
    if source and not source.done:
        return Job(*job, None, None, f"the {source}")
    if source:
        read = {"answers": identity.content(source.path)}
    else:
        read = {"captions": fingerprint(list(identity.captions(asked.text, asked.image_ids).values()))}
    inputs = {"weights": identity.weights(asked.model), "prompt": asked.prompt, **read}
    inputs |= {"images": fingerprint(asked.image_ids)}
    inputs |= {"poolings": asked.poolings, "shard": asked.shard}
    if sees(asked):
        inputs |= _pictures(study, asked)
    folder = _path(study, "features", inputs, "features", asked.model, asked.instruction)
    return Job(*job, inputs, folder / features.MANIFEST)


def _pictures(study, asked):
    """What a model sees depends on; the size only where it is not the pictures' own."""
    return {"pictures": identity.pictures(study.root)} | ({"pixels": asked.pixels} if asked.pixels else {})


def sees(asked):
    """Whether a model sees the pictures: one that reads texts does so only for poolings of both."""
    return not asked.text or bool(set(asked.poolings) & set(models.find(asked.model).family.pair_poolings))


def _kept(study, encode):
    """Whether the app shall be able to predict with the weights of this fit."""
    return encode.model == study.live.model and encode.instruction in study.live.instructions


def _weights_of(study, encode):
    job = ("weights", encode.subject, encode.model, encode.instruction)
    if not encode.done:
        return Job(*job, None, None, f"the {encode}")
    inputs = encode.inputs | {"layer": results.best_layer(encode.path, study.live.pooling)}
    inputs |= {"pooling": study.live.pooling, "rank": study.live.rank}
    return Job(*job, inputs, _path(study, "weights", inputs, *job, suffix=".npz"))


def _asked(model):
    """Whether a model has states under several instructions."""
    each = set(model.poolings) - set(model.fixed_poolings)
    return bool(each) and len(model.instructions) > 1


def _shares(study, model, spaces):
    job = ("shares", "", model.name, "")
    needed = [spaces[model.name, instruction] for instruction in model.instructions]
    waiting = [space for space in needed if not space.done]
    if waiting:
        return Job(*job, None, None, f"the {waiting[0]}")
    inputs = {
        "features": [identity.content(space.path) for space in needed],
        "instructions": model.instructions,
        "poolings": needed[0].inputs["poolings"],
        "layers": model.layers,
        "method": METHOD,
    }
    return Job(*job, inputs, _path(study, "shares", inputs, *job, suffix=".parquet"))


def _subject(study, name):
    inputs = {"data": _data(study, name), "method": METHOD}
    path = _path(study, "subjects", inputs, "subject", name, suffix=".npz")
    return Job("subject", name, "", "", inputs, path)


def subject_path(study, name):
    """Where the result of a subject's own job is."""
    return _subject(study, name).path


def trials_path(study, name):
    """Where the same job keeps the subject's single trials of the test pictures; written before its result."""
    path = subject_path(study, name)
    return path.with_name(f"{path.stem}-trials.npz")


def _data(study, name):
    """What a subject's responses depend on."""
    files = identity.subject(study.root, name, study.space, study.beta_version)
    return {"space": study.space, "beta_version": study.beta_version, "files": files}


def _encode(study, name, model, space):
    job = ("encode", name, model.name, space.instruction)
    if not space.done:
        return Job(*job, None, None, f"the {space}")
    inputs = {
        "data": _data(study, name),
        "features": identity.content(space.path),
        "poolings": model.poolings,
        "layers": model.layers,
        **_choices(study),
    }
    return Job(*job, inputs, _path(study, "encode", inputs, *job, suffix=".parquet"))


def _choices(study):
    """How every fit of the study is made and judged."""
    return {
        "encoding": asdict(study.encoding),
        "statistics": asdict(study.statistics),
        "seed": study.seed,
        "method": METHOD,
    }


def _across(study, person, people):
    job = ("across", person.subject, "", "")
    waiting = [other for other in people if not other.done]
    if waiting:
        return Job(*job, None, None, f"the {waiting[0]}")
    inputs = {"people": [str(other.path.name) for other in people], "encoding": asdict(study.encoding)}
    inputs |= {"subject": person.subject, "seed": study.seed, "method": METHOD}
    return Job(*job, inputs, _path(study, "across", inputs, *job, suffix=".parquet"))


def _rdms(study, name, people):
    """All subjects' matrices are of the pictures that all of them saw."""
    job = ("rdms", name, "", "")
    waiting = [other for other in people if not other.done]
    if waiting:
        return Job(*job, None, None, f"the {waiting[0]}")
    inputs = {"people": [other.path.name for other in people], "rsa": asdict(study.rsa), "subject": name}
    inputs |= {"data": _data(study, name), "seed": study.seed, "method": METHOD}
    return Job(*job, inputs, _path(study, "rdms", inputs, *job, suffix=".npz"))


def rdms_path(study, name):
    """Where the result of a subject's job of kind "rdms" is, once its own job and the other subjects' are done."""
    return _rdms(study, name, [_subject(study, other) for other in subjects(study)]).path


def _rsa(study, rdms, model, space):
    job = ("rsa", rdms.subject, model.name, space.instruction)
    waiting = [other for other in (rdms, space) if not other.done]
    if waiting:
        return Job(*job, None, None, f"the {waiting[0]}")
    inputs = {"rdms": rdms.path.name, "features": identity.content(space.path), "poolings": model.poolings}
    inputs |= {"layers": model.layers, "statistics": asdict(study.statistics), "seed": study.seed, "method": METHOD}
    return Job(*job, inputs, _path(study, "rsa", inputs, *job, suffix=".parquet"))


def _variance(study, name, spaces, encodes):
    """The jobs that partition variance: each instruction enters at a layer of its own, or all at the study's."""
    choice = study.variance
    model = next(model for model in study.models if model.name == choice.model)
    fitted = {
        job.instruction: job for job in encodes if job.model == model.name and job.instruction in model.instructions
    }
    layers = _entering(choice, fitted)
    others = [i for i in model.instructions if i != choice.anchor]
    kinds = ("pair", "alike") if choice.layer == "best" else ("pair",)
    sets = [(kind, (choice.anchor, i)) for i in others for kind in kinds]
    if choice.pairs == "all":
        sets += [("pair", two) for two in combinations(others, 2)]
    sets += [("triple", three) for three in choice.triples]
    if choice.unique:
        sets.append(("unique", model.instructions))
    for kind, ids in sets:
        label = "" if kind == "unique" else "+".join(ids)
        job = (kind, name, choice.model, label)
        needed = [spaces[choice.model, i] for i in ids]
        waiting = [j for j in (*needed, *(fitted[i] for i in ids if i not in layers)) if not j.done]
        if waiting:
            yield Job(*job, None, None, f"the {waiting[0]}")
            continue
        inputs = {
            "data": _data(study, name),
            "instructions": ids,
            "features": [identity.content(space.path) for space in needed],
            "layers": [layers[i] for i in ids],
            "pooling": choice.pooling,
            **({} if kind == "triple" else {"gammas": choice.gammas}),
            **_choices(study),
        }
        suffix = ".npz" if kind == "alike" else ".parquet"
        yield Job(*job, inputs, _path(study, kind, inputs, *job, suffix=suffix))


def _entering(choice, fitted):
    """instruction -> the layer at which it enters partitions of variance, where that is known.

    fitted : instruction -> its encode job
    """
    if choice.layer != "best":
        return dict.fromkeys(fitted, choice.layer)
    return {i: results.best_layer(job.path, choice.pooling) for i, job in fitted.items() if job.done}
