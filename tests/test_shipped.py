"""What comes with the repository: small models that answer, a store that holds what was planted, within size."""

import subprocess

import numpy as np
import pytest

from brainalign import study, tables
from brainalign.demo.score import score
from brainalign.store import open_latest

ROOT = tables.DATA.parent
MB = 1_000_000
TEN = [i.id for i in tables.instructions().values() if i.paper == "ten"]


@pytest.fixture(scope="module")
def store():
    with open_latest(tables.DATA / "store") as opened:
        yield opened


def test_data_stays_small():
    tracked = subprocess.run(["git", "ls-files", "data"], capture_output=True, text=True, cwd=ROOT, check=True)
    sizes = {name: (ROOT / name).stat().st_size for name in tracked.stdout.split("\n") if name}
    assert sum(sizes.values()) < 40 * MB
    assert sizes["data/models/llava-demo/model.safetensors"] < 16 * MB


def test_the_small_llava_answers_unseen_scenes():
    """500 scenes gave .97 on average; of 24 scenes, fewer than four fifths right would be a broken model."""
    rates = score(n=24, seed=977)
    assert list(rates) == TEN
    assert np.mean(list(rates.values())) > 0.88
    assert min(rates.values()) > 0.6


def test_the_store_is_that_of_the_demo_study(store):
    chosen = study.load(tables.DATA / "study-demo.toml")
    info = store.info()
    assert info["simulated"] == "true"
    assert info["study_toml"] == chosen.text
    assert tuple(store.subjects().subject) == chosen.subjects
    assert set(store.models()) == {model.name for model in chosen.models}
    assert set(store.instructions("llava-demo")) == set(TEN)


def by_layer(store, model, instruction, roi):
    """Mean r of each layer in a region, over subjects."""
    means = []
    for subject in store.subjects().subject:
        _, r, _ = store.layer_maps(subject, model, instruction, "mean_generated")
        means.append(np.nanmean(r[:, store.rois(subject)[roi]], axis=1))
    return np.mean(means, axis=0)


def ceiling(store, roi):
    """The mean r that a perfect model could reach."""
    nc = [np.nanmean(store.noise_ceiling(s)[store.rois(s)[roi]]) for s in store.subjects().subject]
    return np.sqrt(np.mean(nc) / 100)


@pytest.mark.parametrize(("roi", "gain"), [("FFA", 0.25), ("EBA", 0.25), ("VWFA", 0.2), ("PPA", 0.08)])
def test_regions_follow_what_was_planted(store, roi, gain):
    """A model that learned of people, signs and places predicts their regions, below the ceiling; random weights do
    much worse, least so for places, whose colours any projection of the picture keeps."""
    trained, untrained = (by_layer(store, model, "IC", roi).max() for model in ("llava-demo", "llava-demo-random"))
    assert untrained + gain < trained < ceiling(store, roi)
    assert trained > 0.7 * ceiling(store, roi)


def test_the_words_of_an_answer_predict_the_regions_they_speak_of(store):
    """Layer 0 knows the words alone: those about people predict EBA, those about the environment PPA."""
    people, places = ({roi: by_layer(store, "llava-demo", i, roi)[0] for roi in ("EBA", "PPA")} for i in ("VQ2", "CR"))
    assert people["EBA"] > places["EBA"] + 0.15
    assert places["PPA"] > people["PPA"] + 0.15


def test_the_parts_add_up_to_the_joint_model(store):
    pairs = store.pairs()
    assert len(pairs) == 9 * len(store.subjects())
    for pair in pairs.itertuples():
        parts = store.variance_map(pair.subject, pair.model, pair.a, pair.b, pair.layer, pair.pooling)
        total = parts["shared"] + parts["unique_a"] + parts["unique_b"]
        assert np.nanmax(np.abs(total - parts["r2_ab"])) < 1e-4
        assert np.nanmax(np.abs(parts["unique_a"] + parts["shared"] - parts["r2_a"])) < 1e-4
