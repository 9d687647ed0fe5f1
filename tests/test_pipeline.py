"""The whole way, from NSD's files to the store: what was planted in cortex is what the store says.

The "model" reads a scene's true contents: under IC who and what is there, under VQ1 where it is. So regions for
people must follow IC, regions for places VQ1, and each unit's score what the planted weights allow.
"""

import numpy as np
import pytest

from brainalign import jobs, models, nsd, store, study
from brainalign.demo.content import CONTENTS, contents
from brainalign.demo.cortex import load_truth, signal
from brainalign.demo.root import write_root
from brainalign.demo.scenes import scene
from brainalign.tables import instructions

TEXT = """
[study]
name = "planted"
root = "root"
output = "out"
[[models]]
name = "llava-demo"
instructions = ["IC", "VQ1"]
poolings = ["mean_generated"]
[encoding]
alphas = [0.1, 1, 10, 100, 1000]
folds = 4
[variance]
model = "llava-demo"
gammas = [0, 0.2, 0.5, 0.8, 1]
"""
WHO = [k for k, name in enumerate(CONTENTS) if name.startswith(("count:", "nearest:"))]
WHERE = [k for k, name in enumerate(CONTENTS) if name.startswith(("place:", "colour:", "outdoor", "natural"))]
READ = {instructions()["IC"].text: WHO, instructions()["VQ1"].text: WHERE}
PEOPLE, PLACES = ["FFA", "OFA", "EBA", "FBA"], ["RSC"]


class Reader:
    """Knows each picture again by its bytes; layer 0 is noise, layer 1 the scene's contents."""

    layers, checkpoint_info = ("embeddings", "layer 1"), {"checkpoint": "the scenes themselves"}

    def __init__(self, root):
        ids = [i for name in nsd.subjects(root) for i in nsd.image_ids(root, name).tolist()]
        self.contents = {nsd.stimulus(root, i).tobytes(): contents(scene(i)) for i in ids}
        self.noise = np.random.default_rng(0)

    def sent(self, text):
        return text

    def lost(self, images=(), texts=()):
        return {}

    def states_many(self, images, texts, poolings, max_new_tokens, batch_size):
        read = np.stack([self.contents[image.tobytes()] for image in images])
        found = {}
        for text in texts:
            values = read[:, READ[text]]
            both = np.stack([self.noise.normal(size=values.shape), values], axis=1)
            found[text] = ["read"] * len(images), dict.fromkeys(poolings, both)
        return found


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """(store, planted truth) of one simulated subject of one session."""
    folder = tmp_path_factory.mktemp("planted")
    write_root(folder / "root", subjects=(1,), sessions=1, seed=0)
    (folder / "study.toml").write_text(TEXT)
    reader, found = Reader(folder / "root"), study.load(folder / "study.toml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "load", lambda name: reader)
        patch.setattr(models, "identity", lambda name: {"checkpoint": name})
        jobs.run(found)
        path = jobs.publish(found)
    with store.Store(path) as opened:
        yield opened, load_truth(folder / "root/truth/subj01.npz")


def in_regions(opened, truth, regions):
    """(units of the store, units of the truth) planted in some regions."""
    planted = np.flatnonzero(np.isin(truth.regions, regions))
    units = opened.units("subj01")
    at = {place: unit for unit, place in zip(units.unit, units.place)}
    there = [(at[place], k) for k, place in zip(planted, truth.places[planted].tolist()) if place in at]
    return np.array(there).T


def explainable(opened, truth, columns):
    """(n_units,) share of each planted signal over the test images that a linear reading of contents explains."""
    ids = opened.image_ids("subj01", shared=True).tolist()
    more = opened.image_ids("subj01").tolist()
    scenes = [scene(i) for i in more]
    X = np.stack([contents(s) for s in scenes])[:, columns]
    X = np.c_[X, np.ones(len(X))]
    Y = signal(truth, scenes)
    test = np.isin(more, ids)
    fitted = X @ np.linalg.lstsq(X[~test], Y[~test], rcond=1e-6)[0]
    return 1 - (Y - fitted)[test].var(0) / Y[test].var(0)


def test_scores_are_what_the_planted_weights_and_the_noise_allow(planted):
    opened, truth = planted
    r, _ = opened.unit_map("subj01", "llava-demo", "IC", 1, "mean_generated")
    units, k = in_regions(opened, truth, [*PEOPLE, *PLACES, "food", "OWFA", "VWFA"])
    nc = opened.noise_ceiling("subj01")[units] / 100
    expected = np.sqrt(np.clip(explainable(opened, truth, WHO)[k], 0, 1) * nc)
    assert len(units) > 50
    assert np.corrcoef(r[units], expected)[0, 1] > 0.7
    assert np.mean(r[units] - expected) == pytest.approx(0, abs=0.08)


def test_regions_follow_the_instruction_that_reads_what_they_answer_to(planted):
    opened, _ = planted
    scores = opened.roi_scores("subj01", layer=1).set_index(["roi", "instruction"]).r_mean
    for roi in ("FFA", "EBA", "FBA"):  # OFA shares half of its units with hV4
        assert scores[roi, "IC"] > scores[roi, "VQ1"] + 0.15, roi
    for roi in PLACES:
        assert scores[roi, "VQ1"] > scores[roi, "IC"] + 0.1, roi


def test_variance_is_unique_to_the_instruction_that_reads_it(planted):
    opened, truth = planted
    entered = opened.roi_variance()[["layer_a", "layer_b"]]
    assert (entered == 1).all(axis=None)  # chosen against the layer of noise
    parts = opened.variance_map("subj01", "llava-demo", "IC", "VQ1", "mean_generated")
    people, _ = in_regions(opened, truth, PEOPLE)
    places, _ = in_regions(opened, truth, PLACES)
    assert parts["unique_a"][people].mean() > 0.15
    assert abs(parts["unique_b"][people].mean()) < 0.03
    assert parts["unique_b"][places].mean() > 0.05


def test_noise_predicts_nothing(planted):
    opened, _ = planted
    scores = opened.roi_scores("subj01", layer=0, roi="visual cortex (nsdgeneral)")
    assert (scores.r_mean.abs() < 0.03).all()


def test_the_ceiling_of_a_region_is_what_was_planted_and_divides_its_mean(planted):
    opened, truth = planted
    rows = opened.rows("roi_nested", instruction="IC")
    known = rows[rows.r_ceiling.notna()].set_index("roi")
    assert {"V1", "EBA", "early", "high"} <= set(known.index)
    assert (known.r_ceiling_low < known.r_ceiling).all()
    assert (known.r_ceiling < known.r_ceiling_high).all()
    np.testing.assert_allclose(known.r_norm, known.r / known.r_ceiling, atol=1e-3)
    units, k = in_regions(opened, truth, ["V1"])
    reliable = opened.units("subj01").reliable.to_numpy()[units]
    signal, repeats = truth.ncsnr[k[reliable]] ** 2, opened.subjects().repeats_mean[0]
    assert known.r_ceiling["V1"] == pytest.approx(np.sqrt(signal / (signal + 1 / repeats)).mean(), rel=0.1)
    scores = opened.roi_scores("subj01", layer=1, instruction="IC").set_index("roi")
    np.testing.assert_allclose(scores.r_ceiling["V1"], known.r_ceiling["V1"])
    assert scores.r_norm_mean["V1"] == pytest.approx(scores.r_mean["V1"] / scores.r_ceiling["V1"], abs=1e-3)


def test_the_flat_map_shows_the_planted_regions_where_they_lie(planted):
    opened, truth = planted
    shown = opened.flat_units("subj01")
    units, k = in_regions(opened, truth, PEOPLE)
    for unit, vertex in zip(units, truth.vertices[k]):
        vertices = np.flatnonzero(shown == unit)
        if len(vertices):
            same_side = (vertices < 10242) == (vertex < 10242)
            assert same_side.mean() > 0.9
    assert np.isin(units, shown).mean() > 0.5


def test_the_store_says_where_it_comes_from(planted):
    opened, truth = planted
    info = opened.info()
    assert (info["simulated"], info["stimuli"], info["study_toml"]) == ("true", "demo:0", TEXT)
    assert opened.subjects().sessions.tolist() == [1]
    assert opened.n_units("subj01") >= len(in_regions(opened, truth, np.unique(truth.regions))[0]) > 1000
