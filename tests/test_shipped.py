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
    assert sum(sizes.values()) < 48 * MB
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
    assert set(store.instructions("llava-demo")) == {*TEN, ""}  # "": its vision tower, which no instruction changes


def test_the_store_is_read_with_its_own_words(store):
    ran = store.catalogue
    assert not ran.borrowed
    assert ran.instructions == {id: tables.instructions()[id] for id in TEN}
    assert ran.regions == tables.rois()
    prompts = store.rows("prompts")
    asked = store.spaces()[["model", "instruction"]].query("instruction != ''").drop_duplicates()
    assert set(zip(prompts.model, prompts.instruction)) == set(asked.itertuples(index=False, name=None))
    own = prompts[prompts.model.isin(["llava-demo", "instructblip-demo", "blip2-demo"])]
    assert all(row.prompt in row.sent for row in own.itertuples())
    assert set(prompts[prompts.model == "text-demo"].sent) == {""}  # it reads answers, of each picture another
    words = prompts[prompts.model == "llava-demo-shuffled"].iloc[0]
    assert words.prompt not in words.sent
    assert all(word in words.sent for word in words.prompt.split())


def by_layer(store, model, instruction, roi):
    """Mean r of each layer in a region, over subjects."""
    means = []
    for subject in store.subjects().subject:
        _, r, _ = store.layer_maps(subject, model, instruction, "mean_generated")
        means.append(np.nanmean(r[:, store.rois(subject)[roi]], axis=1))
    return np.mean(means, axis=0)


def ceiling(store, roi):
    """The mean r that a perfect model could reach."""
    nc = [store.noise_ceiling(s)[store.rois(s)[roi]] for s in store.subjects().subject]
    return np.mean([np.nanmean(np.sqrt(one / 100)) for one in nc])


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
        parts = store.variance_map(pair.subject, pair.model, pair.a, pair.b, pair.pooling)
        total = parts["shared"] + parts["unique_a"] + parts["unique_b"]
        assert np.nanmax(np.abs(total - parts["r2_ab"])) < 3e-4  # four numbers of four decimals each
        assert np.nanmax(np.abs(parts["unique_a"] + parts["shared"] - parts["r2_a"])) < 3e-4


def test_the_tuned_twin_beats_its_base_where_the_question_is_about(store):
    """InstructBLIP and BLIP-2 saw the same scenes; only the first learned to answer "Are there any people?"."""
    rows = store.rows(
        "roi_contrasts", roi="EBA", model_a="blip2-demo", model_b="instructblip-demo", instruction_a="VQ2"
    )
    rows = rows[rows.instruction_b == "VQ2"]
    assert len(rows) == len(store.subjects())
    assert (rows.high < 0).all()


def test_what_is_planted_in_early_areas_needs_no_training_and_in_high_ones_does(store):
    chosen = store.rows("roi_nested").groupby(["model", "roi"]).r.mean()
    assert chosen["pixels", "early"] > 0.4 > 0.25 > chosen["pixels", "high"]
    assert chosen["llava-demo", "high"] > 1.5 * chosen["llava-demo-random", "high"]
    assert chosen["text-demo", "EBA"] > 2 * chosen["vit-demo", "EBA"]  # words about people, without a picture


def test_regions_choose_deeper_layers_the_higher_they_are(store):
    layers = store.rows("roi_nested", model="llava-demo", instruction="VQ2", pooling="mean_generated")
    layers = layers.groupby(["subject", "roi"]).layer.mean().unstack()
    assert (layers.high > layers.early + 1).all()


def test_what_is_unique_to_an_instruction_is_what_the_others_leave_out(store):
    """CR and SR ask for all that is seen: beyond IC they explain much, beyond all the others little is left."""
    rows = store.rows("roi_uniques", roi="visual cortex (nsdgeneral)")
    unique = rows.groupby("instruction").unique_r2.mean().sort_values()
    assert list(unique.index[-2:]) == ["SR", "CR"]
    assert rows.unique_r2.abs().max() < 0.005
    pairs = store.rows("roi_variance", roi="visual cortex (nsdgeneral)", a="IC").set_index("b")
    assert (pairs.loc[["CR", "SR"]].eval("unique_b - unique_b_floor") > 0.015).all()
    assert (pairs.loc[["CR", "SR"]].unique_b_p < 0.05).all()


def test_significance_follows_signal(store):
    for subject in store.subjects().subject:
        found = store.nested_map(subject, "llava-demo", "IC", "mean_generated")
        eba, ceiling = store.rois(subject)["EBA"], store.noise_ceiling(subject)
        assert np.nanmean(found["q"][eba] < 0.05) > 0.8
        assert np.nanmean(found["q"][ceiling < 2] < 0.05) < 0.3
        inside = (found["r_low"] <= found["r"]) & (found["r"] <= found["r_high"])
        assert inside[np.isfinite(found["r"])].mean() > 0.99


def test_the_shipped_weights_predict_pictures_as_they_are_seen_now(store):
    """From drawing to states to the predicted pattern, against the measured one; other pictures' fit much worse."""
    from brainalign import live, models

    readout, layer, pooling = store.readout("subj01", "llava-demo", "IC")
    ids = store.image_ids("subj01", shared=True)[:12]
    pictures = [live.picture(store.info()["stimuli"], i) for i in ids]
    text = tables.instructions()["IC"].text
    states = models.load("llava-demo").states(pictures, text, [pooling], 32)[1][pooling][:, layer]
    measured = np.stack([store.response("subj01", i) for i in ids])
    known = (store.noise_ceiling("subj01") > 20) & np.isfinite(measured).all(0)
    r = np.corrcoef(readout.predict(states)[:, known], measured[:, known])[:12, 12:]
    own, other = np.diag(r), r[~np.eye(12, dtype=bool)]
    assert own.mean() > 0.4
    assert own.mean() > other.mean() + 0.3


def test_similarity_follows_what_was_planted(store):
    """Early areas tell pictures apart by their pixels, those for people and animals as the answers about them do, and
    RSC by the place; an untrained model knows only the pixels, and no model is more like a region than people are."""
    rows = store.rows("rsa_chosen")
    rho = rows.groupby(["model", "instruction", "roi"]).rho.mean()
    people, place = rho["llava-demo", "VQ2"], rho["llava-demo", "CR"]
    assert rho["pixels", "", "V1"] > 0.5 > 0.1 > people["V1"]
    assert people["FFA"] > 0.5 > 0.3 > place["FFA"]
    assert people["EBA"] > place["EBA"] + 0.25
    assert place["RSC"] > people["RSC"] + 0.25
    assert rho["llava-demo-random", "VQ2", "FFA"] < 0.1
    assert rho["llava-demo-random", "VQ2", "V1"] > 0.5
    assert rho["text-demo", "VQ2", "FFA"] > 0.5  # words about people, without a picture
    upper = store.rows("rsa_ceilings").groupby("roi").upper.mean()
    assert (rows.groupby(["model", "instruction", "pooling", "roi"]).rho.mean().groupby("roi").max() < upper).all()


def test_layers_of_similarity_and_its_differences_are_as_planted(store):
    chosen = store.rows("rsa_chosen", model="llava-demo", instruction="VQ2", pooling="mean_generated")
    assert (chosen[chosen.roi.isin(["FFA", "EBA", "FBA"])].layer >= 5).all()
    contrasts = store.rows("rsa_contrasts", model_a="llava-demo", instruction_a="CR", model_b="llava-demo")
    contrasts = contrasts[contrasts.instruction_b == "VQ2"]
    assert (contrasts[contrasts.roi == "FFA"].high < 0).all()
    assert (contrasts[contrasts.roi == "RSC"].low > 0).all()
    assert len(contrasts[contrasts.roi == "FFA"]) == len(store.subjects())
