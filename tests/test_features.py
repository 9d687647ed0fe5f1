"""Extraction: a kill loses at most a shard, no shard is made twice, and what is loaded is what the model gave."""

import json
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from safetensors import safe_open

from brainalign import features, pictures
from brainalign.features import Request

IDS = tuple(range(3, 103, 5))  # 20 pictures
POOLINGS = ("mean_generated", "last_prompt")
LAYERS = ("embeddings", "layer 1", "layer 2")
DIMS = 6


def stimulus(image_id):
    return np.full((2, 2, 3), image_id, np.uint8)


def true_states(image_id, prompt, pooling):
    """(n_layers, n_dims) by rule."""
    rng = np.random.default_rng([image_id, len(prompt), POOLINGS.index(pooling)])
    return rng.normal(size=(len(LAYERS), DIMS)).astype(np.float32)


class Adapter:
    """A model whose states follow a rule; counts what it is asked and can be made to fail."""

    layers, checkpoint_info = LAYERS, {"checkpoint": "rule", "revision": "1", "dtype": "float32"}

    def __init__(self, fail_at=None, seconds=0.0, poison=None):
        self.seen, self.fail_at, self.seconds, self.poison = [], fail_at, seconds, poison

    def sent(self, text):
        return f"Q: {text} A:"

    def lost(self, images=(), texts=()):
        return {}

    def states_many(self, images, texts, poolings, max_new_tokens, batch_size):
        assert len(images) <= batch_size
        ids = [int(image[0, 0, 0]) for image in images]
        time.sleep(self.seconds)
        if self.fail_at in ids:
            raise KeyboardInterrupt
        self.seen += [(image_id, text) for image_id in ids for text in texts]
        found = {}
        for text in texts:
            states = {p: np.stack([true_states(i, text, p) for i in ids]) for p in poolings}
            if self.poison and self.poison[0] in ids:
                states[poolings[0]][ids.index(self.poison[0]), 1, 2] = self.poison[1]
            found[text] = [f"{text} {i}" for i in ids], states
        return found


def requests(tmp_path, instructions=("IC", "VQ1"), shard=6, batch_size=4):
    make = {i: Request("rule", i, f"say {i}", IDS, POOLINGS, 8, batch_size, shard) for i in instructions}
    return {tmp_path / name: request for name, request in make.items()}


def extract(asked, adapter, progress=None):
    features.extract(asked, lambda: adapter, stimulus, progress)
    return adapter


def test_loading_gives_the_states_and_answers_of_the_model(tmp_path):
    asked = requests(tmp_path)
    extract(asked, Adapter())
    for directory, request in asked.items():
        for pooling in POOLINGS:
            for layer in range(len(LAYERS)):
                found = features.load(directory, layer, pooling)
                truth = np.stack([true_states(i, request.prompt, pooling)[layer] for i in IDS])
                np.testing.assert_array_equal(found.values, truth.astype(np.float16).astype(np.float32))
                assert found.image_ids.tolist() == list(IDS)
        assert list(features.answers(directory)) == [(i, f"{request.prompt} {i}") for i in IDS]
    about = features.manifest(tmp_path / "IC")
    assert about["checkpoint"] == Adapter.checkpoint_info
    assert (about["prompt"], about["sent"]) == ("say IC", "Q: say IC A:")
    assert about["poolings"]["last_prompt"] == {"layers": 3, "dims": [DIMS] * 3}


def test_a_model_that_reads_a_text_about_each_picture_is_sent_no_prompt(tmp_path):
    class Reader(Adapter):
        def states_of_texts(self, texts, poolings, batch_size):
            return {p: np.stack([true_states(len(text), "", p) for text in texts]) for p in poolings}

    (request,) = requests(tmp_path, ("IC",)).values()
    texts = {image_id: "x" * image_id for image_id in IDS}
    features.extract_texts(tmp_path / "IC", request, Reader, texts)
    assert features.manifest(tmp_path / "IC")["sent"] == ""
    found = features.load(tmp_path / "IC", 1, "last_prompt").values
    truth = [true_states(i, "", "last_prompt")[1] for i in IDS]
    np.testing.assert_array_equal(found, np.stack(truth).astype(np.float16).astype(np.float32))


def test_pictures_can_be_shown_smaller(tmp_path):
    """As squares of so many pixels, before the model prepares them; by the manifest, and only where it was wished."""
    adapter, shapes = Adapter(), []
    adapter.states_many = lambda images, *rest: (
        shapes.extend(x.shape for x in images) or Adapter().states_many([image[:2, :2] for image in images], *rest)
    )
    plain = requests(tmp_path, ("IC",))
    small = {tmp_path / "small": replace(plain[tmp_path / "IC"], pixels=5)}
    features.extract(small, lambda: adapter, lambda i: np.full((8, 10, 3), i, np.uint8))
    assert set(shapes) == {(5, 5, 3)}
    extract(plain, Adapter())
    assert features.manifest(tmp_path / "small")["pixels"] == 5
    assert "pixels" not in features.manifest(tmp_path / "IC")
    # a straight slope from black to white stays one, and cells of two by two become their mean in the middle
    slope = np.repeat(np.linspace(0, 255, 10).round().astype(np.uint8)[None, :, None], 10, 0).repeat(3, 2)
    found = pictures.resized(slope, 5)
    np.testing.assert_allclose(found[2, 1:4, 0], [slope[0, k : k + 2, 0].mean() for k in (2, 4, 6)], atol=1.5)
    assert pictures.resized(slope, 0) is slope


def test_what_was_cut_off_is_told_once_for_all_pictures(tmp_path):
    """Though the shards are made in two runs."""

    class Cuts(Adapter):
        def lost(self, images=(), texts=()):
            share = {8: 0.25, 13: 0.5, 73: 0.375}
            return {"unseen": np.array([share.get(int(image[0, 0, 0]), 0) for image in images])}

    with pytest.raises(KeyboardInterrupt):
        extract(requests(tmp_path), Cuts(fail_at=IDS[13]))
    extract(requests(tmp_path), Cuts())
    for name in ("IC", "VQ1"):
        told = ["3 of 20 pictures were not seen whole: up to 50% of a side was cut off, at both ends, for image 13"]
        assert features.manifest(tmp_path / name)["warnings"] == told
    plain = requests(tmp_path / "plain")
    extract(plain, Adapter())
    assert features.manifest(tmp_path / "plain/IC")["warnings"] == []
    with safe_open(tmp_path / "plain/IC/00003-00028.safetensors", "np") as file:
        assert "unseen" not in file.keys()  # noqa: SIM118


def test_texts_that_were_cut_are_told(tmp_path):
    class Reader(Adapter):
        def states_of_texts(self, texts, poolings, batch_size):
            return {p: np.stack([true_states(len(text), "", p) for text in texts]) for p in poolings}

        def lost(self, images=(), texts=()):
            return {"unread": np.array([max(0, len(text) - 90) for text in texts])}

    (request,) = requests(tmp_path, ("IC",)).values()
    features.extract_texts(tmp_path / "IC", request, Reader, {image_id: "x" * image_id for image_id in IDS})
    told = ["2 of 20 texts were not read to their end: up to 8 tokens were cut off, for image 98"]
    assert features.manifest(tmp_path / "IC")["warnings"] == told


def test_each_picture_is_shown_once_for_all_instructions(tmp_path):
    adapter = Adapter()
    shown = []
    features.extract(requests(tmp_path), lambda: adapter, lambda i: shown.append(i) or stimulus(i))
    assert shown == list(IDS)
    assert sorted(adapter.seen) == sorted((i, f"say {name}") for i in IDS for name in ("IC", "VQ1"))


def test_content_does_not_depend_on_batches_and_changes_with_the_states(tmp_path):
    extract(requests(tmp_path / "a"), Adapter())
    extract(requests(tmp_path / "b", batch_size=3), Adapter())
    extract(requests(tmp_path / "c"), Adapter(poison=(8, 0.5)))
    content = {name: features.manifest(tmp_path / name / "IC")["content"] for name in "abc"}
    assert content["a"] == content["b"] != content["c"]


def test_a_kill_loses_one_shard_and_no_more(tmp_path):
    asked = requests(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        extract(asked, Adapter(fail_at=IDS[13]))  # in the third shard of four
    directory = tmp_path / "IC"
    assert not (directory / features.MANIFEST).exists()
    assert len(list(directory.glob("*.safetensors"))) == 2
    with pytest.raises(FileNotFoundError, match="no complete feature set"):
        features.load(directory, 0, "last_prompt")
    again = extract(asked, Adapter())
    assert {image_id for image_id, _ in again.seen} == set(IDS[12:])
    assert features.load(directory, 0, "last_prompt").image_ids.tolist() == list(IDS)


def test_a_file_left_aside_by_a_kill_is_not_taken_as_a_shard(tmp_path):
    asked = requests(tmp_path)
    (tmp_path / "IC").mkdir()
    (tmp_path / "IC" / ".0123.safetensors").write_bytes(b"half")
    (tmp_path / "IC" / "00003-00028.safetensors.lock").write_bytes(b"")  # its holder is gone
    assert len(extract(asked, Adapter()).seen) == 2 * len(IDS)
    assert features.load(tmp_path / "IC", 1, "last_prompt").values.shape == (20, DIMS)


def test_a_complete_set_is_not_made_again(tmp_path):
    asked = requests(tmp_path)
    extract(asked, Adapter())
    assert extract(asked, Adapter()).seen == []


def test_one_instruction_more_does_not_redo_the_others(tmp_path):
    extract(requests(tmp_path), Adapter())
    more = extract(requests(tmp_path, ("IC", "VQ1", "IU3")), Adapter())
    assert {text for _, text in more.seen} == {"say IU3"}


def test_two_workers_make_no_shard_twice(tmp_path):
    asked, adapters = requests(tmp_path, shard=2), [Adapter(seconds=0.02), Adapter(seconds=0.02)]
    workers = [threading.Thread(target=extract, args=(asked, adapter)) for adapter in adapters]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    seen = adapters[0].seen + adapters[1].seen
    assert len(seen) == len(set(seen)) == 2 * len(IDS)
    assert all(adapter.seen for adapter in adapters), "one worker did everything"
    assert not list(tmp_path.rglob("*.lock"))


@pytest.mark.parametrize(("value", "why"), [(np.nan, "is not a number"), (-np.inf, "is infinite")])
def test_a_state_that_cannot_be_kept_stops_with_its_place(tmp_path, value, why):
    with pytest.raises(ValueError, match=f"rule IC: the state of image 28, layer 1, mean_generated, {why}"):
        extract(requests(tmp_path), Adapter(poison=(28, value)))
    assert not list((tmp_path / "IC").glob("*.safetensors"))


class Wide(Adapter):
    """Layer 1 has a state beyond float16 for image 28 (in the first shard), layer 2 has tiny states for all."""

    def states_many(self, images, texts, poolings, max_new_tokens, batch_size):
        found = super().states_many(images, texts, poolings, max_new_tokens, batch_size)
        for _, states in found.values():
            for row, image in enumerate(images):
                states["mean_generated"][row] = wide_states(int(image[0, 0, 0]), states["mean_generated"][row])
        return found


def wide_states(image_id, values):
    values = values * np.array([[1], [1], [1e-7]], np.float32)
    values[1, 0] = 123_456.7 if image_id == 28 else values[1, 0]
    return values


def test_states_beyond_float16_are_kept_exactly_and_told(tmp_path):
    extract(requests(tmp_path), Wide())
    about = features.manifest(tmp_path / "IC")
    truth = [wide_states(i, true_states(i, "say IC", "mean_generated")) for i in IDS]
    found = [features.load(tmp_path / "IC", layer, "mean_generated").values for layer in range(3)]
    truth = np.stack(truth)
    np.testing.assert_array_equal(found[0], truth[:, 0].astype(np.float16).astype(np.float32))
    np.testing.assert_array_equal(found[1][:6], truth[:6, 1])  # the shard with image 28
    np.testing.assert_array_equal(found[1][6:], truth[6:, 1].astype(np.float16).astype(np.float32))
    np.testing.assert_array_equal(found[2], truth[:, 2])
    assert about["dtype"] == "float16, float32"
    tiny = f"{np.abs(found[2]).max():.2g}"
    assert about["warnings"] == [
        "layer 1 mean_generated: states reach 1.23e+05, float16 ends at 65,504: held as float32 in 1 of 4 files",
        f"layer 2 mean_generated: states are {tiny} at most, too small for float16: held as float32 in 4 of 4 files",
    ]


def test_what_is_kept_of_wide_states_depends_on_neither_batches_nor_kills(tmp_path):
    extract(requests(tmp_path / "a"), Wide())
    extract(requests(tmp_path / "b", batch_size=3), Wide())
    with pytest.raises(KeyboardInterrupt):
        extract(requests(tmp_path / "c"), Wide(fail_at=IDS[13]))
    extract(requests(tmp_path / "c", batch_size=1), Wide())
    for name in "bc":
        for shard in features.manifest(tmp_path / "a/IC")["shards"]:
            of = [(tmp_path / run / "IC" / shard["file"]).read_bytes() for run in ("a", name)]
            assert of[0] == of[1]
    told = [features.manifest(tmp_path / name / "IC")["warnings"] for name in "abc"]
    assert told[0] == told[1] == told[2]


def test_a_disk_that_is_full_is_named(tmp_path, monkeypatch):
    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match=r"cannot write .*00003-00028\.safetensors: No space left on device"):
        extract(requests(tmp_path), Adapter())


def test_a_damaged_shard_is_named(tmp_path):
    asked = requests(tmp_path)
    extract(asked, Adapter())
    path = tmp_path / "IC" / "00003-00028.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"00003-00028\.safetensors cannot be read .* delete it"):
        features.load(tmp_path / "IC", 0, "last_prompt")


def test_names_that_are_not_there(tmp_path):
    extract(requests(tmp_path), Adapter())
    with pytest.raises(ValueError, match="layers 0 to 2, there is no layer 3"):
        features.load(tmp_path / "IC", 3, "last_prompt")
    with pytest.raises(ValueError, match="no pooling 'cls'; it has mean_generated, last_prompt"):
        features.load(tmp_path / "IC", 0, "cls")


def test_shards_are_float16_and_the_manifest_knows_their_bytes(tmp_path):
    extract(requests(tmp_path), Adapter())
    about = json.loads((tmp_path / "IC" / features.MANIFEST).read_text())
    assert [shard["images"] for shard in about["shards"]] == [6, 6, 6, 2]
    with safe_open(tmp_path / "IC" / about["shards"][0]["file"], "np") as file:
        assert file.get_tensor("last_prompt/2").dtype == np.float16
    assert (about["dtype"], about["warnings"]) == ("float16", [])


def test_progress_counts_pictures(tmp_path):
    calls = []
    extract(requests(tmp_path), Adapter(), lambda done, total, text: calls.append((done, total)))
    assert calls == [(6, 20), (12, 20), (18, 20), (20, 20)]
