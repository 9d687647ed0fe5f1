"""The table of models and its adapters, held against transformers' own generate with tiny random weights."""

import json
import shutil
from threading import Event

import numpy as np
import pytest
import torch
from family_checks import CHECKS, Family, by_generate, close, of_the_tower, states_are_those_of
from tiny_models import write_models

from brainalign import models
from brainalign.demo import drawing, language, scenes
from brainalign.models import branches, prefix

ASKED = ("What is in this image?", "How many animals are there in the image?")
LENGTH = 10
END = language.vocabulary()["▁Orange"]  # some of the answers end on it, others run to their full length


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_models(tmp_path_factory.mktemp("models"), ends_on=END)


@pytest.fixture(autouse=True)
def own_models(folder, monkeypatch):
    monkeypatch.setenv("BRAINALIGN_MODELS", str(folder))


@pytest.fixture(scope="module")
def llava(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINALIGN_MODELS", str(folder))
        return models.load("llava-demo", device="cpu")


@pytest.fixture(scope="module")
def pictures():
    return [drawing.render(scenes.scene(i)) for i in range(5)]


@pytest.fixture(scope="module")
def family(llava, pictures):
    return Family(llava, pictures, ASKED, LENGTH)


@pytest.fixture(scope="module")
def vit(folder, pictures):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINALIGN_MODELS", str(folder))
        return Family(models.load("vit-demo", device="cpu"), pictures, ASKED)


@pytest.fixture(scope="module")
def pooled(family):
    return family.pooled


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("kind", ["family", "vit"])
def test_family(check, kind, request, tmp_path):
    check(request.getfixturevalue(kind), tmp_path)


def reference(llava, picture, text):
    """Answer and pooled states by the book: one picture, one prompt written by hand, generate's own hidden states."""
    ids = torch.tensor([[language.BOS] + [language.IMAGE] * 144 + language.encode_question(text)])
    pixels = llava.processor.image_processor([picture], return_tensors="pt")["pixel_values"]
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": pixels}
    words, prompt, said = by_generate(llava, llava.net, inputs, LENGTH)
    return words, {
        "mean_generated": said.mean(1),
        "last_prompt": prompt[:, -1],
        "mean_instruction": prompt[:, 145:-1].mean(1),
        "mean_image": prompt[:, 1:145].mean(1),
        "mean_prompt": prompt.mean(1),
    } | parts(llava.net.model, pixels)


def parts(net, pixels):
    """States of the vision tower and the projector, each run by hand."""
    with torch.inference_mode():
        layers = net.vision_tower(pixels, output_hidden_states=True).hidden_states
        handed = net.multi_modal_projector(layers[-1][:, 1:])
    return of_the_tower(layers) | {"connector_mean": handed.mean(1)}


def test_names_and_suggestions():
    assert models.find("llava-demo").tuned
    assert not models.find("llava-demo-random").tuned
    with pytest.raises(ValueError, match=r"try llava-1\.5-7b"):
        models.find("llava-1.5-7B")
    with pytest.raises(ValueError, match="no dtype 'int3'"):
        models.load("llava-demo", dtype="int3")
    with pytest.raises(ValueError, match="no device 'gpu'"):
        models.load("llava-demo", device="gpu")


def test_a_configuration_from_before_todays_transformers(folder, pictures, family, monkeypatch, tmp_path):
    """Without the id of the picture's token, for which a class of transformers takes 32000 for granted, and without
    the settings to generate with."""
    shutil.copytree(folder / "llava-demo", tmp_path / "llava-demo")
    told = json.loads((tmp_path / "llava-demo/config.json").read_text())
    for name in ("image_token_index", "image_seq_length", "vision_feature_select_strategy", "transformers_version"):
        told.pop(name, None)
    told["text_config"]["eos_token_id"] = [language.EOS, END]
    (tmp_path / "llava-demo/config.json").write_text(json.dumps(told))
    (tmp_path / "llava-demo/generation_config.json").unlink()
    monkeypatch.setenv("BRAINALIGN_MODELS", str(tmp_path))
    old = models.load("llava-demo", device="cpu", dtype="float32")
    answers, states = old.states(pictures[:2], ASKED[0], max_new_tokens=LENGTH)
    expected, truth = family.pooled[ASKED[0]]
    assert answers == expected[:2]
    for pooling, values in states.items():
        close(values, truth[pooling][:2])


@pytest.mark.parametrize("name", ["llava-demo", "llava-demo-random", "vit-demo"])
def test_the_table_says_what_the_adapter_does(name):
    row, adapter = models.find(name), models.load(name, device="cpu")
    assert (row.uses_instruction, row.answers) == (adapter.uses_instruction, adapter.answers)
    assert adapter.layers == ("embeddings", *(f"layer {i}" for i in range(1, 7)))
    assert adapter.checkpoint_info == models.identity(name)


def test_states_are_those_of_generate(llava, family):
    ended = set()

    def said(picture, text):
        words, states = reference(llava, picture, text)
        ended.add(words.endswith(" Orange"))
        return words, states

    states_are_those_of(said, family)
    assert ended == {True, False}, "answers of both kinds were meant to be tested"


def test_an_empty_answer_has_the_state_it_came_from(folder, pictures):
    llava = models.load("llava-demo", device="cpu")
    llava.ends = torch.arange(len(language.vocabulary()))
    llava.net.generation_config.eos_token_id = llava.ends.tolist()
    _, states = llava.states(pictures[:2], ASKED[0], max_new_tokens=LENGTH)
    np.testing.assert_array_equal(states["mean_generated"], states["last_prompt"])


def test_vit_states_by_its_own_forward(vit, pictures):
    vit = vit.adapter
    answers, states = vit.states(pictures, "", batch_size=2)
    small = np.stack([np.asarray(_squash(picture), np.float32) for picture in pictures])
    pixels = torch.tensor((small / 255 - 0.5) / 0.5).permute(0, 3, 1, 2)
    with torch.inference_mode():
        hidden = vit.net.vit(pixels, output_hidden_states=True).hidden_states
    assert answers == [""] * 5
    for layer, tokens in enumerate(hidden):
        np.testing.assert_allclose(states["cls"][:, layer], tokens[:, 0], atol=1e-5)
        np.testing.assert_allclose(states["mean_patches"][:, layer], tokens[:, 1:].mean(1), atol=1e-5)


def _squash(picture):
    from PIL import Image

    return Image.fromarray(picture).resize((144, 144), Image.Resampling.BICUBIC)


def test_poolings_and_pictures_are_checked(llava, pictures):
    only = llava.states(pictures[:1], ASKED[0], ("last_prompt",), max_new_tokens=2)[1]
    assert list(only) == ["last_prompt"]
    with pytest.raises(ValueError, match="no pooling 'mean'; choose mean_generated"):
        llava.states(pictures, ASKED[0], ("mean",))
    with pytest.raises(ValueError, match="expected uint8"):
        llava.states([pictures[0] / 255], ASKED[0])
    with pytest.raises(ValueError, match="no pictures"):
        llava.states([], ASKED[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [("<image> and more", "a mark of llava-demo"), ("?!", "reads nothing"), ("dog " * 500, "shorten the instruction")],
)
def test_instructions_that_cannot_be_read(llava, pictures, text, message):
    with pytest.raises(ValueError, match="an empty instruction has no tokens"):
        llava.states(pictures[:1], " ")
    with pytest.raises(ValueError, match=message):
        llava.states(pictures[:1], text)
    with pytest.raises(ValueError, match=message):
        list(llava.stream(pictures[0], text))


def test_many_instructions_go_in_groups_from_one_prefix(llava, pictures, pooled, monkeypatch):
    """In groups of two, with caches that grow token by token; rows that have ended leave their batch."""
    left, keep = [], branches.Branches.keep
    monkeypatch.setattr(prefix, "TOGETHER", 2)
    monkeypatch.setattr(branches, "ROOM", 1)
    monkeypatch.setattr(branches.Branches, "keep", lambda self, rows: (left.append(len(rows)), keep(self, rows)))
    others = ("What is it?", "Is it a dog?", "Describe this image in one sentence.")
    found = llava.states_many(pictures, (*others, *ASKED), max_new_tokens=LENGTH)
    assert left, "no row left its batch early"
    for text in ASKED:
        assert found[text][0] == pooled[text][0]
        for pooling in llava.poolings:
            close(found[text][1][pooling], pooled[text][1][pooling])


def test_a_stream_keeps_its_times(llava, pictures):
    stream = llava.stream(pictures[0], ASKED[0], max_new_tokens=LENGTH)
    list(stream)
    assert 0 < stream.first_token_seconds < stream.seconds
    assert stream.tokens_per_second == pytest.approx(
        (stream.tokens - 1) / (stream.seconds - stream.first_token_seconds)
    )
    assert list(stream) == [], "a stream that has ended stays ended"


def test_a_cancelled_stream_never_begins(llava, pictures):
    cancel = Event()
    cancel.set()
    stream = llava.stream(pictures[1], ASKED[0], cancel=cancel)
    assert list(stream) == []
    assert stream.tokens == 0


def test_random_control_is_reproducible_and_differs(llava, pictures, pooled):
    torch.manual_seed(7)
    one = models.load("llava-demo-random", device="cpu")
    before = torch.rand(1)
    two = models.load("llava-demo-random", device="cpu")
    torch.manual_seed(7)
    assert torch.rand(1) == before, "loading leaves the random state of others alone"
    for a, b in zip(one.net.parameters(), two.net.parameters()):
        assert torch.equal(a, b)
    control = one.states(pictures, ASKED[0], max_new_tokens=2)[1]["last_prompt"]
    trained = pooled[ASKED[0]][1]["last_prompt"]
    assert control.shape == trained.shape
    assert np.abs(np.corrcoef(control[0, -1], trained[0, -1])[0, 1]) < 0.3
    assert models.identity("llava-demo-random")["checkpoint"] == "random weights as llava-demo"


def test_the_same_adapter_reads_llava_1_5(llava, folder, pictures, monkeypatch, tmp_path):
    """The large model's row with a folder that has no chat template of its own: LLaVA 1.5's prompt is used."""
    shutil.copytree(folder / "llava-demo", tmp_path / "llava-1.5-7b-hf")
    (tmp_path / "llava-1.5-7b-hf/chat_template.jinja").unlink()
    monkeypatch.setenv("BRAINALIGN_MODELS", str(tmp_path))
    large = models.load("llava-1.5-7b", device="cpu", dtype="float32")
    assert large.sent("What is it?") == "USER: <image>\nWhat is it? ASSISTANT:"
    prompt = large._prompt("What is it?", 144, 5)
    words = large.tokenizer.convert_ids_to_tokens(prompt.ids)
    assert [w for w, inside in zip(words, prompt.instruction) if inside] == ["▁what", "▁is", "▁it"]
    assert large.states(pictures[:1], "What is it?", max_new_tokens=3)[1]["mean_instruction"].shape == (1, 7, 256)


def test_llava_1_5_is_asked_with_the_line_break_of_the_papers_authors(llava, folder, pictures, monkeypatch, tmp_path):
    """Whatever chat template its folder has; the ids are those of transformers' processor, the states of generate."""
    shutil.copytree(folder / "llava-demo", tmp_path / "llava-1.5-7b")
    monkeypatch.setenv("BRAINALIGN_MODELS", str(tmp_path))
    asked = models.load("llava-1.5-7b-authors", device="cpu", dtype="float32")
    assert asked.checkpoint_info == models.identity("llava-1.5-7b", dtype="float32") | {"prompt": "authors"}
    text = ASKED[0]
    assert asked.sent(text) == f"USER: <image>\n{text}\nASSISTANT:" != llava.sent(text)
    (tmp_path / "llava-1.5-7b/chat_template.jinja").unlink()
    assert models.load("llava-1.5-7b-authors", device="cpu", dtype="float32").sent(text) == asked.sent(text)
    answers, states = asked.states(pictures[:2], text, max_new_tokens=LENGTH)
    for i, picture in enumerate(pictures[:2]):
        inputs = asked.processor(images=[picture], text=[asked.sent(text)], return_tensors="pt")
        words, prompt, said = by_generate(asked, asked.net, inputs, LENGTH)
        assert answers[i] == words
        close(states["mean_prompt"][i], prompt.mean(1).numpy())
        close(states["mean_generated"][i], said.mean(1).numpy())


def test_half_precision_stays_near(folder, pictures, pooled):
    half = models.load("llava-demo", device="cpu", dtype="bfloat16")
    _, states = half.states(pictures, ASKED[0], ("mean_image",), max_new_tokens=1)
    expected = pooled[ASKED[0]][1]["mean_image"]
    assert states["mean_image"].dtype == np.float32
    assert half.checkpoint_info["dtype"] == "bfloat16"
    assert np.corrcoef(states["mean_image"][0, 1], expected[0, 1])[0, 1] > 0.99


# What goes wrong --------------------------------------------------------------------------------------------


def without(name):
    return lambda folder: (folder / name).unlink()


def cut(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])


def overwrite(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def drop_weights(folder):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    save_file(
        {k: v for k, v in weights.items() if "layers.3." not in k}, folder / "model.safetensors", {"format": "pt"}
    )


def pickled(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def reshape(folder):
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["intermediate_size"] = 100
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (shutil.rmtree, "there is no folder"),
        (without("config.json"), "has no config.json"),
        (overwrite("config.json", b"{"), "is not JSON"),
        (without("model.safetensors"), "model.safetensors is missing"),
        (overwrite("model.safetensors", b""), "not a safetensors file"),
        (overwrite("model.safetensors", b"version https://git-lfs.github.com/spec/v1\n"), "not a safetensors file"),
        (
            overwrite("model.safetensors.index.json", b'{"weight_map": {"a": "other.safetensors"}}'),
            "other.* is missing",
        ),
        (overwrite("model.safetensors.index.json", b"[]"), "index.json is damaged"),
        (pickled, "not a whole file of PyTorch weights"),
        (cut, "expected [0-9,]+"),
        (drop_weights, r"\d+ of the \d+ weights it needs are not in"),
        (reshape, r"has shape \(\d+, \d+\), its config.json asks for \(\d+, \d+\)"),
        (without("tokenizer.json"), "has no tokenizer: tokenizer.json or tokenizer.model or"),
        (overwrite("tokenizer.json", b"[]"), "tokenizer.json is damaged"),
        (without("processor_config.json"), "does not say how pictures are prepared"),
    ],
)
def test_missing_and_damaged_files(folder, tmp_path, monkeypatch, harm, message):
    shutil.copytree(folder / "llava-demo", tmp_path / "llava-demo")
    harm(tmp_path / "llava-demo")
    monkeypatch.setenv("BRAINALIGN_MODELS", str(tmp_path))
    monkeypatch.setattr(models.checkpoint, "source", lambda model: tmp_path / "llava-demo")
    with pytest.raises(models.ModelError, match=message) as raised:
        models.load("llava-demo", device="cpu")
    assert str(raised.value).startswith("llava-demo: ")
    assert "git checkout -- data/models/llava-demo" in str(raised.value)
    assert models.rehearse("llava-demo") == str(raised.value), "it is known before loading"


def test_what_is_missing_is_known_before_loading(folder, tmp_path, monkeypatch):
    assert models.available("llava-demo")
    assert models.missing("vit-demo") == ""
    monkeypatch.setenv("BRAINALIGN_MODELS", str(tmp_path))
    shutil.copytree(folder / "llava-demo", tmp_path / "llava-demo")
    cut(tmp_path / "llava-demo")
    size = (folder / "llava-demo/model.safetensors").stat().st_size
    assert f"has {size - 1000:,} bytes, expected {size:,}" in models.missing("llava-demo")
    assert not models.available("llava-demo")
    assert models.available("llava-demo-random"), "random weights need no weight file"


def test_a_hub_model_says_what_to_download(monkeypatch, tmp_path):
    monkeypatch.setenv("BRAINALIGN_MODELS", str(tmp_path))
    monkeypatch.setattr(models.checkpoint, "_cached", lambda hub_id: None)
    download = f"hf download llava-hf/llava-1.5-7b-hf --local-dir {tmp_path}/llava-1.5-7b-hf"
    assert download in models.missing("llava-1.5-7b")
    assert not models.available("llava-1.5-7b")
    refuse(monkeypatch, OSError("We couldn't connect to the hub"))
    with pytest.raises(models.ModelError, match="couldn't connect") as raised:
        models.load("llava-1.5-7b", device="cpu")
    assert download in str(raised.value)


def test_gated_and_out_of_memory(monkeypatch, tmp_path):
    from huggingface_hub.errors import GatedRepoError

    monkeypatch.setattr(models.checkpoint, "_cached", lambda hub_id: None)
    gated = OSError("You are trying to access a gated repo.")
    gated.__cause__ = GatedRepoError.__new__(GatedRepoError)
    refuse(monkeypatch, gated)
    with pytest.raises(models.ModelError, match=r"accept the terms at https://huggingface.co/llava-hf.*hf auth login"):
        models.load("llava-1.5-7b", device="cpu")
    refuse(monkeypatch, RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"))
    with pytest.raises(models.ModelError, match="not enough memory to load it"):
        models.load("llava-1.5-7b", device="cpu")


def refuse(monkeypatch, error):
    from transformers import LlavaForConditionalGeneration

    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(LlavaForConditionalGeneration, "from_pretrained", fail)


def test_out_of_memory_while_running_names_a_smaller_batch(pictures, monkeypatch):
    llava = models.load("llava-demo", device="cpu")

    def fail(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(llava.net, "get_image_features", fail)
    with pytest.raises(models.ModelError, match="out of memory on cpu; try batch_size 16"):
        llava.states(pictures, ASKED[0], batch_size=32)
    with pytest.raises(models.ModelError, match="a smaller model"):
        list(llava.stream(pictures[0], ASKED[0]))


def test_probabilities_are_those_of_generate(llava, pictures):
    """Token by token, against transformers' own scores; a model that does not tell says so."""
    found = llava.likely(pictures[0], ASKED[0], 8, 3)
    prompt = llava._prompt(ASKED[0], llava._shown(pictures[0], ASKED[0]).shape[1], 8)
    pixels = llava.processor.image_processor([pictures[0]], return_tensors="pt")["pixel_values"]
    told = llava.net.generate(
        prompt.ids[None],
        attention_mask=torch.ones_like(prompt.ids)[None],
        pixel_values=pixels,
        max_new_tokens=8,
        return_dict_in_generate=True,
        output_scores=True,
    )
    new = told.sequences[0, len(prompt.ids) :].tolist()
    assert [step[0][0] for step in found] == [llava.tokenizer.decode([token]) for token in new]
    for step, scores in zip(found, told.scores):
        best = scores[0].softmax(-1).topk(3)
        assert [p for _, p in step] == pytest.approx(best.values.tolist(), abs=1e-5)
    with pytest.raises(ValueError, match="does not tell how likely"):
        models.load("vit-demo").likely(pictures[0], ASKED[0])
