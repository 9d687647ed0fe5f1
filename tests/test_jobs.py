"""Jobs on a small study in memory: a run goes on where it was killed, and the store holds what the files held."""

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import MappingProxyType
from typing import ClassVar

import nsd_fixture
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from brainalign import catalogue, encoding, features, jobs, models, nsd, stats, store, study, tables
from brainalign.cli import main
from brainalign.jobs import kinds, results
from brainalign.nsd.layout import Layout
from brainalign.types import Subject, Trials

SUBJECTS = ("subj01", "subj05")
N_IMAGES, N_TEST, N_UNITS, DIMS = 160, 40, 30, 4
SPACE = "func1pt8mm", "betas_fithrf_GLMdenoise_RR"
LAYERS = ("embeddings", "layer 1", "layer 2")
SEEN = {"subj01": np.arange(0, 160), "subj05": np.r_[0:40, 160:280]}  # the first 40 are shared
# 4 feature sets, shares of one model; for each subject: itself, across, 4 encodes, 3 pairs, 2 of them at other layers
# too, triple, unique, weights
N_JOBS = 33
TEXT = """
[study]
name = "small"
root = "root"
output = "out"
[[models]]
name = "llava-demo"
instructions = ["IC", "VQ1", "IU3"]
poolings = ["mean_generated", "last_prompt"]
[[models]]
name = "vit-demo"
[encoding]
alphas = [1, 10, 100]
folds = 3
[variance]
model = "llava-demo"
pairs = "all"
gammas = [0, 0.5, 1]
triples = [["IC", "VQ1", "IU3"]]
[live]
model = "llava-demo"
instructions = ["VQ1"]
rank = 4
[statistics]
permutations = 300
draws = 200
[features]
batch_size = 40
shard = 100
"""


def states(image_ids, text, pooling):
    """(n_images, n_layers, n_dims): layer 1 holds what drives the units of a text, the others are noise."""
    seed = sum(map(ord, text + pooling))
    return np.stack([np.random.default_rng([i, seed]).normal(size=(len(LAYERS), DIMS)) for i in image_ids])


class Adapter:
    layers, checkpoint_info = LAYERS, {"checkpoint": "rule", "revision": "1", "dtype": "float32"}
    asked: ClassVar = []

    def sent(self, text):
        return text

    def lost(self, images=(), texts=()):
        return {}

    def states_many(self, images, texts, poolings, max_new_tokens, batch_size):
        ids = [int(image[0, 0, 0]) + 256 * int(image[0, 0, 1]) for image in images]
        Adapter.asked += [(i, text) for i in ids for text in texts]
        answers = {text: [f"{i}" if text else "" for i in ids] for text in texts}
        return {text: (answers[text], {p: states(ids, text, p) for p in poolings}) for text in texts}


def subject(name):
    """Units follow layer 1 of captioning (first half) or of VQ1 (second half), with noise."""
    rng = np.random.default_rng(int(name[4:]))
    ids, half = SEEN[name], N_UNITS // 2
    texts = ["Generate some text to describe the image", "What is in this image?"]
    drive = [states(ids, text, "mean_generated")[:, 1] @ rng.normal(size=(DIMS, half)) for text in texts]
    betas = np.hstack(drive) + rng.normal(size=(len(ids), N_UNITS))
    betas[ids == 7, 3] = np.nan
    ncsnr = np.full(N_UNITS, 1.0)
    ncsnr[5], ncsnr[7] = np.nan, 0.15  # a ceiling of 6 %, at three repeats
    valid = np.ones((2, N_UNITS), bool)
    valid[1, 3] = False
    rois = {"V1": np.arange(N_UNITS) < half, "FFA": np.arange(N_UNITS) >= half, "RSC": np.zeros(N_UNITS, bool)}
    return Subject(
        name=name,
        space="func1pt8mm",
        betas=betas.astype(np.float32),
        image_ids=ids,
        repeats=np.where(ids < N_TEST, 3, 1),
        is_test=ids < N_TEST,
        units=np.arange(N_UNITS) * 11,
        rois=MappingProxyType(rois),
        ncsnr=ncsnr,
        valid=valid,
    )


def trials(name, image_ids):
    """Three trials of each picture, each in another run: the rule's responses with noise."""
    found = subject(name)
    shown = np.tile(np.arange(len(image_ids)), 3)
    betas = found.betas[np.searchsorted(found.image_ids, image_ids)][shown]
    noise = np.random.default_rng(len(image_ids)).standard_normal(betas.shape)
    values = np.where(found.valid.all(0), betas + noise, np.nan).astype(np.float32)
    return Trials(shown, np.repeat(np.arange(3), len(image_ids)), values)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """The study, with NSD's files and the models replaced by rules; counts how often a subject is loaded."""
    layout, loaded = Layout(tmp_path / "root"), []
    betas = [layout.betas(name, *SPACE) / "betas_session01.hdf5" for name in SUBJECTS]
    for path in (layout.stimuli, layout.design, *betas):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
    monkeypatch.setattr(nsd, "subjects", lambda root: list(SUBJECTS))
    monkeypatch.setattr(nsd, "image_ids", lambda root, name: SEEN[name])
    monkeypatch.setattr(nsd, "shared_ids", lambda root: np.arange(N_TEST))
    coco = np.where(np.arange(73_000) < 100, 0, np.arange(73_000) + 1000)
    monkeypatch.setattr(nsd, "coco_ids", lambda root: coco)
    monkeypatch.setattr(nsd, "simulated", lambda root: {"seed": 4})
    monkeypatch.setattr(nsd, "load_subject", lambda root, name, *rest: loaded.append(name) or subject(name))
    monkeypatch.setattr(nsd, "image_runs", lambda root, name: subject(name).repeats)
    monkeypatch.setattr(nsd, "load_trials", lambda root, name, ids, *rest: trials(name, ids))
    monkeypatch.setattr(nsd, "flat_units", lambda root, name, space, units: np.arange(20484, dtype=np.int32) % 31 - 1)
    monkeypatch.setattr(nsd, "stimulus", lambda root, i: np.full((2, 2, 3), [i % 256, i // 256, 0], np.uint8))
    monkeypatch.setattr(models, "load", lambda name: Adapter())
    monkeypatch.setattr(models, "identity", lambda name: {"checkpoint": name, "revision": "1", "dtype": "float32"})
    monkeypatch.setattr(Adapter, "asked", [])
    path = tmp_path / "study.toml"
    path.write_text(TEXT)
    found = study.load(path)
    object.__setattr__(found, "loaded", loaded)
    return found


def files(found):
    """{path: when it was last written} of every result."""
    found = (path for path in found.output.rglob("*") if path.is_file() and path.name != "progress.json")
    return {path: path.stat().st_mtime_ns for path in found}


def test_a_run_does_every_job_and_loads_each_subject_once(small):
    calls = []
    done = jobs.run(small, progress=lambda *call: calls.append(call))
    assert all(job.done for job in done)
    kinds_done = pd.Series([job.kind for job in done]).value_counts().to_dict()
    assert kinds_done == {
        "features": 4,
        "shares": 1,
        "subject": 2,
        "across": 2,
        "encode": 8,
        "pair": 6,
        "alike": 4,
        "triple": 2,
        "unique": 2,
        "weights": 2,
    }
    assert small.loaded == list(SUBJECTS)
    assert calls[-1][:2] == (N_JOBS, N_JOBS)
    assert all(0 <= a[0] <= b[0] + 1e-9 for a, b in itertools.pairwise(calls))
    told = store.progress.read(small.store)
    assert (told["done"], told["total"], told["finished"], told["stale"]) == (N_JOBS, N_JOBS, True, False)
    assert len(Adapter.asked) == len(set(Adapter.asked)) == 4 * 280  # each picture once an instruction, for both


def test_a_second_run_does_nothing(small):
    jobs.run(small)
    before = files(small)
    small.loaded.clear()
    jobs.run(small)
    assert files(small) == before
    assert small.loaded == []


@pytest.mark.parametrize("kind", ["subject", "encode", "pair", "unique", "across"])
def test_a_run_goes_on_where_it_was_killed(small, monkeypatch, kind):
    maker, calls = kinds.MAKERS[kind], []

    def killed_at_the_second(job, *rest):
        calls.append(job)
        if len(calls) == 2:
            raise KeyboardInterrupt
        maker(job, *rest)

    monkeypatch.setitem(kinds.MAKERS, kind, killed_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        jobs.run(small)
    before = files(small)
    assert calls[0].path in before
    assert calls[1].path not in before
    assert all(job.done for job in jobs.run(small))
    after = files(small)
    assert {path: after[path] for path in before} == before, "a finished job was done again"


def test_a_half_written_result_is_not_taken_as_complete(small, monkeypatch):
    def half(table, where, **options):
        where.write_bytes(b"PAR1 half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(results.pq, "write_table", half)
        with pytest.raises(KeyboardInterrupt):
            jobs.run(small)
    assert not list(small.output.rglob("*.parquet"))
    stray = small.output / "encode" / ".0123.parquet"  # as kill -9 leaves it
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"PAR1 half")
    assert all(job.done for job in jobs.run(small))


def test_workers_share_the_work_and_make_nothing_twice(small, monkeypatch):
    made = []

    def noted(job, *rest):
        made.append(job.path)
        makers[job.kind](job, *rest)

    makers = dict(kinds.MAKERS)
    for kind in makers:
        monkeypatch.setitem(kinds.MAKERS, kind, noted)
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(jobs.run, small) for _ in range(3)]
        assert all(job.done for run in runs for job in run.result())
    assert len(made) == len(set(made)) == N_JOBS - 4


def test_features_are_made_again_when_a_model_is_asked_in_another_way(small, monkeypatch):
    """And nobody else's are: the row says so."""
    before = {str(job): job.path for job in jobs.plan(small) if job.kind == "features"}
    monkeypatch.setitem(models.MODELS, "llava-demo", replace(models.MODELS["llava-demo"], method=1))
    after = {str(job): job.path for job in jobs.plan(small) if job.kind == "features"}
    assert {name for name in before if before[name] != after[name]} == {
        name for name in before if name.split()[1] == "llava-demo"
    }


def test_an_executor_does_the_same(small):
    with ThreadPoolExecutor(2) as pool:
        calls = []
        done = jobs.run(small, pool, lambda *call: calls.append(call))
    assert all(job.done for job in done)
    assert calls[-1][:2] == (N_JOBS, N_JOBS)


def test_a_model_of_text_reads_what_another_one_answered(small, monkeypatch):
    """Its features come after those answers, and are their own states: here the number that was answered."""

    def states_of_texts(self, texts, poolings, batch_size):
        values = np.array([[float(text), 1.0] for text in texts], np.float32)
        return {p: np.repeat(values[:, None], len(LAYERS), 1) for p in poolings}

    monkeypatch.setattr(Adapter, "states_of_texts", states_of_texts, raising=False)
    reader = '[[models]]\nname = "bert-base"\ntext = "answers:llava-demo"\ninstructions = ["IC", "IU3"]\n'
    small.path.write_text(TEXT.replace('[[models]]\nname = "vit-demo"', reader + '[[models]]\nname = "vit-demo"'))
    found = study.load(small.path)
    waiting = {str(job): job.waits for job in jobs.plan(found)}
    assert waiting["features bert-base IU3"] == "the features llava-demo IU3"
    done = {str(job): job for job in jobs.run(found)}
    assert all(job.done for job in done.values())
    read = features.load(done["features bert-base IU3"].path.parent, 1, "mean_instruction")
    np.testing.assert_array_equal(read.values[:, 0], read.image_ids)
    assert ("encode subj01 bert-base VQ1" in done, "encode subj01 bert-base IC" in done) == (False, True)


def test_captions_are_read_by_models_of_text_and_beside_the_picture(small, monkeypatch):
    """Each caption here is a number, and so is each picture; what changes a caption changes the job, and only that."""

    def states_of_texts(self, texts, poolings, batch_size, images=None):
        seen = [[int(image[0, 0, 0]) + 256 * int(image[0, 0, 1])] for image in images or []]
        seen = seen or [[-1]] * len(texts)
        values = np.array([[float(text), *number] for text, number in zip(texts, seen)], np.float32)
        return {p: np.repeat(values[:, None], len(LAYERS), 1) for p in poolings}

    def write(rows):
        (small.path.parent / "captions.csv").write_text("image_id,caption\n" + "\n".join(rows))

    monkeypatch.setattr(Adapter, "states_of_texts", states_of_texts, raising=False)
    rows = [f"{i},{i + 0.5}" for i in range(280)]
    write(rows)
    readers = '[[models]]\nname = "bert-base"\ntext = "captions.csv"\n'
    readers += '[[models]]\nname = "clip-demo"\ntext = "captions.csv"\npoolings = ["pair", "cls"]\n'
    small.path.write_text(TEXT.replace('[[models]]\nname = "vit-demo"', readers + '[[models]]\nname = "vit-demo"'))
    found = study.load(small.path)
    done = {str(job): job for job in jobs.run(found)}
    assert {"encode subj01 bert-base", "encode subj05 clip-demo"} <= set(done)
    for name, seen in (("bert-base", lambda ids: -1), ("clip-demo", lambda ids: ids)):
        job = done[f"features {name}"]
        pooling = job.inputs["poolings"][0]
        read = features.load(job.path.parent, 1, pooling)
        np.testing.assert_array_equal(read.values[:, 0], read.image_ids + 0.5)
        np.testing.assert_array_equal(read.values[:, 1], seen(read.image_ids))
        assert features.manifest(job.path.parent)["text"] == "captions.csv"
    assert "pictures" in done["features clip-demo"].inputs
    assert "pictures" not in done["features bert-base"].inputs
    with store.Store(jobs.publish(found)) as opened:
        assert {"bert-base", "clip-demo"} <= set(opened.models())
        r, _ = opened.unit_map("subj01", "clip-demo", "", 1, "pair")
        fit = results.by_map(results.read_table(done["encode subj01 clip-demo"].path), ["r"])[1, "pair"]["r"]
        np.testing.assert_allclose(r, fit, atol=1e-3)
    smaller = jobs.planning.requests(replace(found, features=replace(found.features, pixels=227)))
    assert [smaller[name, ""].pixels for name in ("clip-demo", "bert-base", "vit-demo")] == [227, 0, 227]

    def changed():
        return {str(job) for job in jobs.plan(found) if str(job).startswith("features") and not job.done}

    write([*rows[::-1], "300,Nobody saw this one."])
    assert changed() == set(), "the order of rows and captions of other pictures change nothing"
    write(["0,A dog.", *rows[1:]])
    assert changed() == {"features bert-base", "features clip-demo"}
    write(rows[1:])
    with pytest.raises(ValueError, match="has no caption of 1 of 280 pictures, the first is 0; add them"):
        jobs.plan(found)


def test_what_a_model_did_not_see_is_told_at_the_end_of_a_run(small, monkeypatch):
    """Once for all jobs of a kind."""
    monkeypatch.setattr(Adapter, "lost", lambda self, images=(), texts=(): {"unseen": np.full(len(images), 0.25)})
    done = CliRunner().invoke(main, ["run", str(small.path)])
    assert done.exit_code == 0, done.output
    said = "280 of 280 pictures were not seen whole: up to 25% of a side was cut off, at both ends, for image 0"
    assert f"warning: features (4 jobs): {said}" in done.output.splitlines()


def test_jobs_wait_for_what_they_need_in_words(small):
    waiting = [job for job in jobs.plan(small) if job.waits]
    assert {str(job): job.waits for job in waiting if job.subject == "subj01"} == {
        "encode subj01 llava-demo IC": "the features llava-demo IC",
        "encode subj01 llava-demo VQ1": "the features llava-demo VQ1",
        "encode subj01 llava-demo IU3": "the features llava-demo IU3",
        "encode subj01 vit-demo": "the features vit-demo",
        "pair subj01 llava-demo IC+VQ1": "the features llava-demo IC",
        "alike subj01 llava-demo IC+VQ1": "the features llava-demo IC",
        "pair subj01 llava-demo IC+IU3": "the features llava-demo IC",
        "alike subj01 llava-demo IC+IU3": "the features llava-demo IC",
        "pair subj01 llava-demo VQ1+IU3": "the features llava-demo VQ1",
        "triple subj01 llava-demo IC+VQ1+IU3": "the features llava-demo IC",
        "unique subj01 llava-demo": "the features llava-demo IC",
        "weights subj01 llava-demo VQ1": "the encode subj01 llava-demo VQ1",
        "across subj01": "the subject subj01",
    }


def test_a_job_is_done_again_when_its_own_inputs_change_and_not_otherwise(small, tmp_path):
    ids = {str(job): job.id for job in jobs.run(small)}

    def changed(text):
        small.path.write_text(text)
        now = {str(job): job.id for job in jobs.plan(study.load(small.path))}
        assert now.keys() == ids.keys()
        return {name for name in ids if now[name] != ids[name]}

    fits = {n for n in ids if not n.startswith(("features", "subject", "shares"))}
    assert changed(TEXT.replace("[1, 10, 100]", "[1, 10]")) == fits
    assert changed(TEXT.replace("draws = 200", "draws = 300")) == {n for n in fits if not n.startswith("across")}
    assert changed(TEXT.replace("[0, 0.5, 1]", "[0, 1]")) == {
        n for n in ids if n.startswith(("pair", "alike", "unique"))
    }
    assert changed(TEXT.replace('name = "small"', 'name = "renamed"')) == set()
    assert changed(TEXT.replace("shard = 100", "shard = 100\npixels = 0")) == set()
    seen = {n for n in changed(TEXT.replace("shard = 100", "shard = 100\npixels = 227")) if n.startswith("features")}
    assert seen == {n for n in ids if n.startswith("features")}
    (Layout(small.root).betas("subj05", *SPACE) / "betas_session01.hdf5").write_text("other data")
    assert changed(TEXT) == {n for n in ids if "subj05" in n or n.startswith("across")}


def test_an_edited_instruction_is_asked_again_and_published_with_its_new_words(small, monkeypatch):
    ids = {str(job): job.id for job in jobs.run(small)}
    with store.Store(jobs.publish(small)) as opened:
        before = opened.catalogue
        prompts = opened.rows("prompts").set_index("instruction").prompt.to_dict()
    assert before == catalogue.Catalogue({id: tables.instructions()[id] for id in ("IC", "VQ1", "IU3")}, tables.rois())
    assert prompts == {id: one.text for id, one in before.instructions.items()}
    edited = tables.instructions() | {"IC": replace(tables.instructions()["IC"], text="Say what you see")}
    monkeypatch.setattr(tables, "instructions", lambda: edited)
    with pytest.raises(ValueError, match="jobs are not done: features llava-demo IC"):
        jobs.publish(small)
    now = {str(job): job.id for job in jobs.run(small)}
    changed = {name for name in ids if now[name] != ids[name]}
    assert changed == {name for name in ids if "IC" in name or name.startswith(("shares", "unique"))}
    with store.Store(jobs.publish(small)) as opened:
        assert opened.catalogue.instructions["IC"].text == "Say what you see"
        assert set(opened.rows("prompts", instruction="IC").prompt) == {"Say what you see"}


def test_states_under_other_words_are_not_published(small):
    manifest = next(job.path for job in jobs.run(small) if str(job) == "features llava-demo VQ1")
    about = json.loads(manifest.read_text()) | {"prompt": "Who is there?"}
    manifest.write_text(json.dumps(about))
    with pytest.raises(ValueError, match="llava-demo was asked 'Who is there"):
        jobs.publish(small)


def test_each_instruction_enters_partitions_at_the_layer_that_its_training_images_choose(small, monkeypatch):
    """V1 follows layer 1 of captioning and FFA layer 2 of VQ1, so at one layer for both, one of them is lost."""

    def load(root, name, *rest):
        person, rng = subject(name), np.random.default_rng(5)
        drive = states(person.image_ids, "What is in this image?", "mean_generated")[:, 2]
        betas = person.betas.copy()
        betas[:, N_UNITS // 2 :] = drive @ rng.normal(size=(DIMS, N_UNITS // 2))
        return replace(person, betas=betas + rng.normal(size=betas.shape).astype(np.float32) / 4)

    monkeypatch.setattr(nsd, "load_subject", load)
    parted = [job for job in jobs.run(small) if job.kind in ("pair", "alike", "triple", "unique")]
    for job in parted:
        layers = dict(zip(job.inputs["instructions"], job.inputs["layers"]))
        assert layers == layers | {i: layer for i, layer in {"IC": 1, "VQ1": 2}.items() if i in layers}
    with store.open_latest(jobs.publish(small)) as opened:
        pairs = opened.roi_variance(subject="subj01").set_index(["a", "b", "roi"])
        each = opened.rows("roi_uniques", subject="subj01").set_index(["instruction", "roi"])
        three = opened.rows("roi_triples", subject="subj01").set_index(["roi", "part"])
    there, back = pairs.loc["IC", "VQ1"], pairs.loc["VQ1", "IC"]
    assert (there.layer_a == 1).all()
    assert (there.layer_b == 2).all()
    assert min(there.unique_a["V1"], there.unique_b["FFA"]) > 0.5
    assert min(there.unique_a_at_a["V1"], there.unique_b_at_b["FFA"]) > 0.5
    assert max(abs(there.unique_a_at_b["V1"]), abs(there.unique_b_at_a["FFA"])) < 0.1
    same = pairs.loc["IC", "IU3"].query("layer_a == layer_b")  # then the layer of either is the pair's own
    np.testing.assert_allclose(same.shared_at_a, same.shared - same.shared_floor, atol=2e-4)
    for part, turned in {"unique_a": "unique_b", "unique_b": "unique_a", "shared": "shared"}.items():
        assert there[f"{part}_at_a"].tolist() == back[f"{turned}_at_b"].tolist()
        for end in ("", "_floor", "_low", "_high", "_p"):
            assert there[part + end].tolist() == back[turned + end].tolist()
    assert pairs.loc["VQ1", "IU3"][["shared_at_a", "unique_b_at_b"]].isna().all(axis=None)  # no pair of the anchor
    assert max(there.unique_a_p["V1"], there.unique_b_p["FFA"], each.p["IC", "V1"], three.p["FFA", "unique_b"]) < 0.05
    known = there.unique_a - there.unique_a_floor
    assert (there.unique_a_low["V1"] < known["V1"]) & (known["V1"] < there.unique_a_high["V1"])
    assert (each.layer["IC"] == 1).all()
    assert (each.layer["VQ1"] == 2).all()
    assert min(each.unique_r2["IC", "V1"], each.unique_r2["VQ1", "FFA"]) > 0.5
    assert three.value["FFA", "unique_b"] > 0.5
    assert (three[["layer_a", "layer_b"]] == [1, 2]).all(axis=None)


def test_a_layer_of_the_study_is_that_of_all_instructions(small):
    small.path.write_text(TEXT.replace('pairs = "all"', 'pairs = "all"\nlayer = 2'))
    found = study.load(small.path)
    parted = [job for job in jobs.run(found) if "layers" in job.inputs and "instructions" in job.inputs]
    assert {layer for job in parted if job.kind != "shares" for layer in job.inputs["layers"]} == {2}
    assert "alike" not in {job.kind for job in parted}
    with store.open_latest(jobs.publish(found)) as opened:
        assert opened.roi_variance().shared_at_a.isna().all()


def test_an_encode_result_is_what_encoding_gives(small):
    job = next(job for job in jobs.run(small) if str(job) == "encode subj05 llava-demo VQ1")
    person = subject("subj05")
    X = states(person.image_ids, "What is in this image?", "last_prompt")[:, 2].astype(np.float16).astype(np.float32)
    fit = encoding.fit(X, person.betas, person.is_test, (1, 10, 100), 3)
    found = results.by_map(results.read_table(job.path), ["r", "r2", "alpha", "cv"])[2, "last_prompt"]
    for name, values in found.items():
        np.testing.assert_allclose(values, getattr(fit, name), rtol=1e-4, atol=1e-5)


# Publishing --------------------------------------------------------------------------------------------------


def test_the_store_holds_what_the_result_files_hold(small):
    done = jobs.run(small)
    with store.Store(jobs.publish(small)) as opened:
        for job in (job for job in done if job.kind == "encode"):
            plain = results.by_map(results.read_table(job.path), ["r", "r2"])
            for (layer, pooling), columns in plain.items():
                r, r2 = opened.unit_map(job.subject, job.model, job.instruction, layer, pooling)
                np.testing.assert_allclose(r, columns["r"], atol=6e-5)
                np.testing.assert_allclose(r2, columns["r2"], atol=6e-5)
        pair = next(job for job in done if str(job) == "pair subj01 llava-demo IC+VQ1")
        parts = opened.variance_map("subj01", "llava-demo", "IC", "VQ1", "mean_generated")
        plain = results.read_table(pair.path)
        for name, values in parts.items():
            np.testing.assert_allclose(values, plain[name], atol=2e-4)  # sums of up to three rounded numbers
        np.testing.assert_allclose(parts["shared"] + parts["unique_a"], parts["r2_a"], atol=2e-4)
        assert opened.pairs()[["a", "b"]].drop_duplicates().to_numpy().tolist() == [["IC", "IU3"], ["IC", "VQ1"]]
        regions = opened.rows("roi_variance", subject="subj01", a="VQ1", b="IU3").set_index("roi")
        assert regions.unique_a["FFA"] > 0.3 > 0.05 > regions.unique_a["V1"]  # no map of it, but its means
        assert np.nanmean(parts["unique_a"][:15]) > 0.3 > 0.05 > np.nanmean(parts["unique_b"][:15])
        assert np.nanmean(parts["unique_b"][15:]) > 0.3 > 0.05 > np.nanmean(parts["unique_a"][15:])


def test_the_small_tables_agree_with_the_subject(small):
    jobs.run(small)
    with store.open_latest(jobs.publish(small)) as opened:
        person = subject("subj05")
        units = opened.units("subj05")
        np.testing.assert_allclose(units.nc, stats.noise_ceiling(person.ncsnr, np.full(40, 3)), rtol=1e-6)
        assert np.flatnonzero(~units.reliable).tolist() == [3, 5, 7]
        assert list(opened.rois("subj05")) == ["V1", "FFA"]
        row = opened.roi_scores(
            subject="subj05", model="llava-demo", instruction="IC", layer=1, pooling="mean_generated", roi="V1"
        ).iloc[0]
        assert (row.n, row.n_all) == (12, 15)
        r = opened.unit_map("subj05", "llava-demo", "IC", 1, "mean_generated")[0]
        kept = r[:15][units.reliable[:15]]
        assert row.r_mean == pytest.approx(kept.mean(), abs=1e-4)
        assert row.r_median == pytest.approx(np.median(kept), abs=1e-4)
        nc = units.nc[:15][units.reliable[:15]]
        assert row.r_norm_mean == pytest.approx(kept.mean() / np.sqrt(nc / 100).mean(), abs=1e-4)
        assert row.r_ceiling == pytest.approx(np.sqrt(nc / 100).mean(), abs=1e-4)
        assert opened.subjects().set_index("subject").loc["subj05"].to_dict() == {
            "sessions": 2,
            "images": 160,
            "test_images": 40,
            "units": 30,
            "repeats_mean": 3.0,
        }
        assert opened.image_ids(shared=True).tolist() == list(range(40))
        assert opened.image_ids("subj05").tolist() == SEEN["subj05"].tolist()
        assert opened.answer("llava-demo", "VQ1", 200) == "200"
        assert opened.answer("vit-demo", "", 200) is None
        assert opened.coco_ids(range(280)) == {i: 1000 + i for i in range(100, 280)}
        np.testing.assert_array_equal(opened.flat_units("subj01"), np.arange(20484) % 31 - 1)
        assert opened.info()["stimuli"] == "demo:4"
        assert opened.info()["study_toml"] == TEXT


def test_how_sure_scores_are_holds_against_what_drives_the_units(small):
    """V1 follows layer 1 of captioning, FFA layer 1 of VQ1, both as their answers' states have it."""
    jobs.run(small)
    key = {"subject": "subj01", "model": "llava-demo", "pooling": "mean_generated"}
    with store.open_latest(jobs.publish(small)) as opened:
        found, null = (opened.nested_map(**key, instruction=i) for i in ("IC", "IU3"))
        reliable = opened.units("subj01").reliable.to_numpy()
        regions = opened.rows("roi_nested", **key, instruction="IC").set_index("roi")
        contrasts = opened.rows("roi_contrasts", subject="subj01", pooling_a=key["pooling"], pooling_b=key["pooling"])
        uniques = opened.rows("roi_uniques", **key).set_index(["instruction", "roi"])
        triple = opened.rows("roi_triples", **key, roi="V1").set_index("part").value
        joint = opened.unique_map(**key, instruction="IC")
        units, shares = opened.units("subj01"), opened.rows("shares", pooling="last_prompt")
        r = opened.unit_map("subj01", "llava-demo", "IC", 1, "mean_generated")[0]
    driven = np.flatnonzero(reliable & (np.arange(N_UNITS) < 15))
    other = np.flatnonzero(reliable & (np.arange(N_UNITS) >= 15))
    assert (found["layer"][driven] == 1).all()
    np.testing.assert_array_equal(found["r"][driven], r[driven])
    assert (found["q"][driven] < 0.05).mean() > 0.9
    assert (null["q"][reliable] < 0.05).mean() < 0.1
    assert (found["q"][reliable] >= found["p"][reliable]).all()
    assert np.isnan(found["q"][~reliable]).all()
    assert ((found["r_low"] < found["r"]) & (found["r"] < found["r_high"]))[driven].all()
    assert regions.r["V1"] == pytest.approx(found["r"][driven].mean(), abs=1e-4)
    assert regions.r_low["V1"] < regions.r["V1"] < regions.r_high["V1"]
    assert regions.significant["V1"] > 0.9 > 0.3 > regions.significant["FFA"]
    assert regions.r["early"] == regions.r["V1"]
    assert regions.r["high"] == regions.r["FFA"]
    pair = contrasts[(contrasts.instruction_a == "IC") & (contrasts.instruction_b == "VQ1")].set_index("roi")
    assert pair.low["V1"] > 0 > pair.high["FFA"]
    assert pair.difference["V1"] == pytest.approx(
        regions.r["V1"] - np.nanmean(_r(small, "subj01", "VQ1")[driven]), abs=1e-3
    )
    levels = contrasts[(contrasts.instruction_a == "IC") & (contrasts.roi == "high - early")]
    assert levels.high.item() < 0
    assert uniques.loc[("IC", "V1")].low > 0.2
    assert uniques.loc[("VQ1", "FFA")].low > 0.2
    assert abs(uniques.loc[("IU3", "V1")].unique_r2) < 0.05
    v1 = uniques.loc[("IC", "V1")]
    assert v1.unique_r2 == pytest.approx(joint[driven].mean(), abs=1e-3)
    assert v1.unique_r2 == pytest.approx(v1.r2_all - v1.r2_others, abs=1e-3)
    assert (shares[["picture", "instruction", "together"]].sum(axis=1) - 1).abs().max() < 1e-5
    assert shares.picture.between(0.3, 0.4).all()  # the three texts' states have nothing in common: a third by chance
    assert (shares.images == 280).all()
    assert triple["unique_a"] > 0.2 > 0.1 > abs(triple["shared_abc"])
    assert np.nanmedian(units.across_r[other]) > 0.2  # the other subject's units follow the same states


def _r(small, name, instruction):
    job = next(j for j in jobs.plan(small) if str(j) == f"encode {name} llava-demo {instruction}")
    return results.read_arrays(job.beside)["mean_generated.r"]


def test_the_chosen_layers_are_those_that_encoding_would_choose(small):
    job = next(job for job in jobs.run(small) if str(job) == "encode subj01 llava-demo VQ1")
    person = subject("subj01")
    X = states(person.image_ids, "What is in this image?", "last_prompt").astype(np.float16).astype(np.float32)
    fits = [encoding.fit(X[:, k], person.betas, person.is_test, (1, 10, 100), 3) for k in range(len(LAYERS))]
    fit, layer = encoding.nested(fits)
    found = results.read_arrays(job.beside)
    np.testing.assert_array_equal(found["last_prompt.layer"], layer)
    np.testing.assert_allclose(found["last_prompt.r"], fit.r, atol=1e-5)


def test_the_weights_in_the_store_predict_what_the_fit_predicts(small):
    jobs.run(small)
    text = "What is in this image?"
    with store.open_latest(jobs.publish(small)) as opened:
        readout, layer, pooling = opened.readout("subj05", "llava-demo", "VQ1")
        assert (layer, pooling, readout.into.shape) == (1, "mean_generated", (DIMS, 4))
        assert readout.kept == pytest.approx(1, abs=1e-6)
        person = subject("subj05")
        test_ids = person.image_ids[person.is_test]
        predicted = readout.predict(states(test_ids, text, pooling)[:, layer])
        measured = np.stack([opened.response("subj05", i) for i in test_ids])
        assert opened.response("subj05", 250) is None
        r = opened.unit_map("subj05", "llava-demo", "VQ1", 1, "mean_generated")[0]
        assert opened.readouts().subject.tolist() == list(SUBJECTS)
        with pytest.raises(ValueError, match=r"name them under \[live\]"):
            opened.readout("subj05", "llava-demo", "IC")
    whole = ~np.isnan(measured).any(0)
    np.testing.assert_allclose(stats.correlate(measured, predicted)[whole], r[whole], atol=2e-3)
    with pytest.raises(ValueError, match="weights of 4 dimensions"):
        readout.predict(np.zeros(7))


def test_every_run_has_its_provenance(small):
    done = jobs.run(small)
    with store.open_latest(jobs.publish(small)) as opened:
        runs = opened.runs().set_index("job")
    assert sorted(runs.index) == sorted(job.id for job in done)
    asked = runs[(runs.instruction == "VQ1") & (runs.model == "llava-demo")]
    about = {row.kind: json.loads(row.versions) for row in asked.itertuples()}
    assert about["features"]["prompt"] == "What is in this image?"
    assert about["features"]["checkpoint"] == Adapter.checkpoint_info
    assert about["encode"]["inputs"]["data"]["beta_version"] == "betas_fithrf_GLMdenoise_RR"
    assert about["encode"]["versions"]["numpy"] == np.__version__
    assert runs[runs.kind == "encode"].warnings.str.contains("lack some images").all()


def test_publishing_twice_from_nothing_gives_the_same_version(small, tmp_path):
    jobs.run(small)
    first = jobs.publish(small)
    small.path.write_text(TEXT.replace('"out"', '"other"'))
    again = study.load(small.path)
    object.__setattr__(again, "text", small.text)
    jobs.run(again)
    assert jobs.publish(again).name == first.name


def test_an_incomplete_study_is_published_only_when_told(small, monkeypatch):
    with pytest.raises(ValueError, match=r"33 of 33 jobs are not done: features llava-demo IC, .*`brainalign run "):
        jobs.publish(small)
    with pytest.raises(ValueError, match="nothing to publish"):
        jobs.publish(small, partial=True)
    done = jobs.run(small)
    next(job for job in done if str(job) == "encode subj05 vit-demo").path.unlink()
    with pytest.raises(ValueError, match="1 of 33 jobs are not done: encode subj05 vit-demo;"):
        jobs.publish(small)
    with store.open_latest(jobs.publish(small, partial=True)) as opened:
        assert opened.coverage().groupby("model").size().to_dict() == {"llava-demo": 6, "vit-demo": 1}


def test_subjects_that_the_root_does_not_have(small):
    small.path.write_text(TEXT.replace('output = "out"', 'output = "out"\nsubjects = ["subj02"]'))
    with pytest.raises(ValueError, match="has no betas of subj02; it has subj01, subj05"):
        jobs.plan(study.load(small.path))


@pytest.mark.parametrize(
    ("folds", "of", "n"),
    [(61, "training pictures of subj01", 120), (21, "shared pictures that all subjects saw in two runs", 40)],
)
def test_too_many_folds_are_told_before_anything_is_computed(small, folds, of, n):
    small.path.write_text(TEXT.replace("folds = 3", f"folds = {folds}"))
    told = rf"study\.toml, {of}: folds is {folds}, but {n} images make 2 to {n // 2}"
    with pytest.raises(ValueError, match=told):
        jobs.run(study.load(small.path))
    assert files(small) == {}
    small.path.write_text(TEXT.replace("folds = 3", "folds = 20"))
    assert len(jobs.plan(study.load(small.path))) == N_JOBS


def test_a_layer_that_the_model_does_not_have(small):
    small.path.write_text(TEXT.replace('name = "vit-demo"', 'name = "vit-demo"\nlayers = [0, 9]'))
    with pytest.raises(ValueError, match="vit-demo has layers 0 to 2, there is no layer 9"):
        jobs.run(study.load(small.path))


@pytest.fixture(scope="module")
def files_of_nsd(tmp_path_factory):
    root = tmp_path_factory.mktemp("identity") / "root"
    nsd_fixture.write(root, {2: 2})
    return root


@pytest.mark.parametrize("space", ["func1pt8mm", "fsaverage"])
def test_a_subjects_identity_changes_with_every_file_that_is_read_and_with_no_other(files_of_nsd, space):
    layout, args = Layout(files_of_nsd), ("subj02", space, SPACE[1])

    def now():
        jobs.identity.subject.cache_clear()
        return jobs.identity.subject(files_of_nsd, *args)

    before = now()
    folders = [layout.betas(*args), layout.func("subj02"), layout.func("subj02") / "roi", layout.labels("subj02")]
    folders += [layout.labels("fsaverage"), layout.subject("subj02") / "transforms"]
    names = ("._betas_session01.hdf5", "Thumbs.db", "notes.txt", "my_mask.nii.gz", "betas_session03.bak")
    for folder in folders:
        for name in names:
            (folder / name).write_bytes(b"of no concern")
        (folder / "old").mkdir(exist_ok=True)
        (folder / "old" / "betas_session01.hdf5").write_bytes(b"of no concern")
    assert now() == before
    for path in nsd.sources(files_of_nsd, *args):
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert now() != before, path
        path.write_bytes(content)
    assert now() == before


def test_states_beyond_float16_reach_the_store_and_are_told(small, monkeypatch):
    """A million times as large: the weights that are published predict what the fit predicts."""
    size, ordinary = 1e6, Adapter.states_many

    def wide(self, *args):
        return {
            text: (a, {p: v * size for p, v in found.items()}) for text, (a, found) in ordinary(self, *args).items()
        }

    monkeypatch.setattr(Adapter, "states_many", wide)
    jobs.run(small)
    person, text = subject("subj05"), "What is in this image?"
    test_ids = person.image_ids[person.is_test]
    with store.open_latest(jobs.publish(small)) as opened:
        readout, layer, pooling = opened.readout("subj05", "llava-demo", "VQ1")
        measured = np.stack([opened.response("subj05", i) for i in test_ids])
        r = opened.unit_map("subj05", "llava-demo", "VQ1", layer, pooling)[0]
        warned = opened.rows("runs", kind="features").warnings
    assert readout.into.dtype == np.float32
    predicted = readout.predict(size * states(test_ids, text, pooling)[:, layer])
    whole = ~np.isnan(measured).any(0)
    np.testing.assert_allclose(stats.correlate(measured, predicted)[whole], r[whole], atol=2e-3)
    assert len(warned) == 4
    assert warned.str.contains("too large for float16: held as float32 in 3 of 3 files").all()
