"""Small studies whose truth is known: responses that no model explains, or those that one instruction's states drive.

A study is files as any other: a simulated NSD root with NSD's design, and features in their shards.
No network runs: the states are drawn, and lie where the plan of the study asks for those of its models.
"""

import json
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from brainalign import features, study
from brainalign.demo import cortex, files, noise
from brainalign.demo.atlas import TABLES
from brainalign.demo.design import N_IMAGES, N_TRIALS, design, expdesign
from brainalign.demo.geometry import N_VERTICES, SIDES
from brainalign.jobs import planning
from brainalign.nsd.layout import Layout
from brainalign.tables import instructions

SESSIONS = 3  # about 800 training and 143 test pictures
SHAPE, VOXEL = (5, 6, 5), 1.8  # of the volume, every voxel of which is a unit of one region
REGIONS = {  # region: collection and label
    "V1": ("prf-visualrois", "V1v"),
    "V2": ("prf-visualrois", "V2v"),
    "hV4": ("prf-visualrois", "hV4"),
    "FFA": ("floc-faces", "FFA-1"),
    "EBA": ("floc-bodies", "EBA"),
    "PPA": ("floc-places", "PPA"),
}
SPACE, BETAS = "func1pt8mm", "betas_fithrf_GLMdenoise_RR"
MODELS = {"llava-demo": ("IC", "VQ1", "CR", "IU3"), "instructblip-demo": ("IC",)}
MODEL, DRIVER = "llava-demo", "VQ1"  # whose parts of variance are told; and what drives responses, where one does
POOLING = "mean_generated"
LAYERS, DRIVEN_LAYER, KEPT = 2, 1, 0.6  # of the variance of the last layer, this share is in the first one
DIMS = 40  # of states, and of what responses depend on
COMMON = 0.5  # share of the signal's variance that subjects have in common, where they have any
TEXT = """
[study]
name = "planted"
root = "root"
output = "out"
seed = {seed}
{models}
[encoding]
alphas = {{ low = 0.1, high = 1e5, n = 10 }}
[variance]
model = "{model}"
anchor = "{anchor}"
pairs = "all"
gammas = [0, 0.1, 0.5, 0.9, 1]
triples = [["IC", "VQ1", "CR"]]
[rsa]
[statistics]
permutations = {permutations}
draws = {draws}
"""


@dataclass(frozen=True)
class Plan:
    """What is planted.

    driver : the instruction of MODEL whose states at DRIVEN_LAYER the responses follow; "" where they follow no model
    related : of each other instruction, the share of the variance of its states that is the driver's; where none
        drives, that all have in common
    common : whether subjects have a part of their signal in common, where no instruction drives it
    subjects : numbers
    permutations, draws : of the study's statistics
    """

    seed: int
    driver: str = ""
    related: tuple[float, ...] = (0.5,) * 4
    common: bool = True
    subjects: tuple[int, ...] = (1, 2)
    permutations: int = 3000  # with 150 units, one alone can have q below 0.05
    draws: int = 1000

    def rng(self, *numbers):
        return np.random.default_rng([self.seed, *numbers])


def write(folder, plan):
    """Write the files of a study into an empty folder, features included; returns the `Study`, ready to run."""
    sessions = _Sessions(plan)
    _write_root(folder / "root", plan, sessions)
    entries = "\n".join(
        f'[[models]]\nname = "{model}"\ninstructions = {json.dumps(ids)}\npoolings = ["{POOLING}"]'
        for model, ids in MODELS.items()
    )
    about = {"model": MODEL, "anchor": MODELS[MODEL][0], "models": entries, "seed": plan.seed}
    text = TEXT.format(**about, permutations=plan.permutations, draws=plan.draws)
    (folder / "study.toml").write_text(text, encoding="utf-8")
    found = study.load(folder / "study.toml")
    _write_features(found, sessions)
    return found


class _Sessions:
    """Who saw which picture when, and all states, of the pictures that anyone saw."""

    def __init__(self, plan):
        self.plan, self.design = plan, design(plan.seed)
        self.trials = {number: self.design.trials(number, SESSIONS) for number in plan.subjects}
        self.ids = np.unique(np.concatenate(list(self.trials.values())))

    @cached_property
    def states(self):
        """(model, instruction) -> (n_pictures, LAYERS, DIMS) float32 of `ids`."""
        found = {}
        for k, (model, ids) in enumerate(MODELS.items()):
            others = [one for one in ids if one != self.plan.driver]
            shares = dict(zip(others, self.plan.related)) | {self.plan.driver: 1.0}
            states = _states(len(self.ids), [shares[one] for one in ids], self.plan.rng(1, k))
            found |= {(model, one): values for one, values in zip(ids, states)}
        return found

    def signal(self, number):
        """(n_trials, n_units) of a subject: as `_signal`."""
        rng, n = self.plan.rng(2, number), len(self.ids)
        if self.plan.driver:
            sources = self.states[MODEL, self.plan.driver][:, DRIVEN_LAYER]
        else:
            sources = _mixed(self.plan.rng(3).normal(size=(n, DIMS)), COMMON * self.plan.common, rng)
        return _signal(sources, self.plan.rng(4))[np.searchsorted(self.ids, self.trials[number])]


def _states(n, shares, rng):
    """Yield (n, LAYERS, DIMS) of each instruction, with a falling spectrum and, at each layer, axes of its own.

    shares : of each, the share of its variance that comes from what is common to all
    """
    scale = np.arange(1, DIMS + 1) ** -0.5
    turns = [np.linalg.qr(rng.normal(size=(DIMS, DIMS)))[0] for _ in range(LAYERS)]
    common = rng.normal(size=(n, DIMS))
    for share in shares:
        own = _mixed(common, share, rng)
        layers = _mixed(own, KEPT, rng), own
        yield np.stack([layer * scale @ turn for layer, turn in zip(layers, turns)], axis=1).astype("f4")


def _mixed(values, share, rng):
    """Values of variance 1, of which `share` is left and the rest drawn anew."""
    return share**0.5 * values + (1 - share) ** 0.5 * rng.normal(size=values.shape)


def _signal(sources, rng):
    """(n_pictures, n_units) of variance 1, linear in `sources` (n_pictures, DIMS); the same weights for all subjects.

    Three parts of equal variance: all units follow four directions, those of a region four more, and each its own.
    """
    sources, n = (sources - sources.mean(0)) / sources.std(0), np.prod(SHAPE)
    region = np.arange(n) * len(REGIONS) // n
    weights = rng.normal(size=(DIMS, n)) + rng.normal(size=(DIMS, 4)) @ rng.normal(size=(4, n)) / 2
    for k in range(len(REGIONS)):
        weights[:, region == k] += rng.normal(size=(DIMS, 4)) @ rng.normal(size=(4, (region == k).sum())) / 2
    signal = sources @ weights
    return ((signal - signal.mean(0)) / signal.std(0)).astype("f4")


# --- Files ---


def _write_root(root, plan, sessions):
    """What `nsd.sources` reads of a root, and the pictures."""
    layout = Layout(root)
    files.save_mat(layout.design, expdesign(sessions.design))
    ids, shape = sessions.ids.tolist(), (N_IMAGES, 1, 1, 3)
    list(files.save_pictures(layout.stimuli, ids, shape, lambda image_id: files.compressed(_picture(image_id))))
    for number in plan.subjects:
        _write_anatomy(layout, f"subj{number:02d}")
        _write_betas(layout, f"subj{number:02d}", sessions.signal(number), plan.rng(5, number), sessions.design)
    manifest = {"simulated": True, "seed": plan.seed, "fsaverage_vertices": N_VERTICES}
    files.save_text(layout.manifest, json.dumps(manifest))


def _picture(image_id):
    """One pixel that holds the picture's number."""
    return np.array([[[image_id % 256, image_id // 256 % 256, image_id // 65536]]], np.uint8)


def _write_anatomy(layout, name):
    everywhere, n = np.ones(SHAPE), np.prod(SHAPE)
    region = (np.arange(n) * len(REGIONS) // n).reshape(SHAPE)
    files.save_nifti(layout.brainmask(name), everywhere.astype("i2"), VOXEL)
    files.save_nifti(layout.roi(name, "nsdgeneral"), everywhere, VOXEL)
    for collection in {collection for collection, _ in REGIONS.values()}:
        values = np.zeros(SHAPE)
        for k, (own, label) in enumerate(REGIONS.values()):
            if own == collection:
                values[region == k] = TABLES[collection].index(label) + 1
        files.save_nifti(layout.roi(name, collection), values, VOXEL)
    places = np.argwhere(everywhere) + 1.0
    for side in SIDES:  # the surface shows voxel after voxel
        files.save_mgh(layout.transform(name, side, "func1pt8-to-layerB2"), places.astype("f4"))
        nearest = np.arange(N_VERTICES) * n // N_VERTICES + 1
        files.save_mgh(layout.transform(name, side, "white-to-fsaverage"), nearest.astype("f4"))


def _write_betas(layout, name, signal, rng, plan):
    """Sessions with the demo's noise, and ncsnr as in NSD."""
    n, folder = signal.shape[1], layout.betas(name, SPACE, BETAS)
    folder.mkdir(parents=True)
    sd, standard = noise.noise_sd(n, rng).astype("f4"), []
    ceiling = cortex.TYPICAL
    snr = np.sqrt(ceiling / (1 - ceiling) / 3) * rng.lognormal(0, cortex.SPREAD, n)
    signal, every = signal * (snr * sd).astype("f4"), np.arange(n)
    for session in range(SESSIONS):
        percent = noise.record(signal[session * N_TRIALS :][:N_TRIALS], every, sd, rng)
        integers = np.clip(np.rint(percent * 300), -32768, 32767).astype("i2")
        files.save_betas(folder / f"betas_session{session + 1:02d}.hdf5", integers, every, SHAPE)
        standard.append(noise.standardised(integers.astype("f4")))
    ordering = plan.ordering[: len(signal)]
    for suffix, values in noise.ncsnr_files(np.concatenate(standard), ordering).items():
        files.save_nifti(folder / f"ncsnr{suffix}.nii.gz", values.reshape(SHAPE).astype("f4"), VOXEL)


def _write_features(found, sessions):
    """The states of every model, as `features.extract` writes those of a network."""
    asked = planning.requests(found)
    for model in MODELS:
        jobs = {job.path.parent: asked[key] for key, job in planning.feature_sets(found).items() if key[0] == model}
        known = {instructions()[one].text: values for (of, one), values in sessions.states.items() if of == model}
        adapter = _Known(sessions.ids, known)
        features.extract(jobs, lambda adapter=adapter: adapter, _picture)


class _Known:
    """In the place of a model's adapter: knows the states of each picture, whose number its pixel holds."""

    layers, checkpoint_info = ("changed states", "states"), {"checkpoint": "planted"}

    def __init__(self, ids, states):
        self.ids, self.states = ids, states

    def sent(self, text):
        return text

    def lost(self, images=(), texts=()):
        return {}

    def states_many(self, images, texts, poolings, max_new_tokens, batch_size):
        rows = np.searchsorted(self.ids, [image[0, 0] @ [1, 256, 65536] for image in images])
        return {text: (["planted"] * len(rows), dict.fromkeys(poolings, self.states[text][rows])) for text in texts}
