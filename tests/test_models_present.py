"""Present means loads: real tokenizer files, what a folder lacks, and configurations of older versions."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from brainalign import models
from brainalign.demo import drawing, scenes
from brainalign.models import checkpoint, complete, verify

MISTRAL = Path(find_spec("mistral_common").origin).parent / "data/tokenizer.model.v1"
TEXT = "List any food items visible. ###Human: a 🐈, naïve café\n東京"
OLD = {  # as published in 2023: names that transformers has changed since
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "torch_dtype": "float16",
    "transformers_version": "4.31.0",
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 400,
    "vocab_size": 32000,
    "pretraining_tp": 1,
    "rope_scaling": None,
    "use_cache": True,
}
WORDS = {
    "add_bos_token": True,
    "add_eos_token": False,
    "bos_token": {"__type": "AddedToken", "content": "<s>", "lstrip": False, "normalized": False, "rstrip": False},
    "eos_token": {"__type": "AddedToken", "content": "</s>", "lstrip": False, "normalized": False, "rstrip": False},
    "unk_token": {"__type": "AddedToken", "content": "<unk>", "lstrip": False, "normalized": False, "rstrip": False},
    "legacy": False,
    "model_max_length": 4096,
    "sp_model_kwargs": {},
    "tokenizer_class": "LlamaTokenizer",
}


@pytest.fixture(autouse=True)
def own_models(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINALIGN_MODELS", str(tmp_path))


def write_json(file, content):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Vicuna in the hub's layout: pickled weights in two files, tokenizer.model alone, an old configuration."""
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("hub") / "vicuna-7b-v1.5"
    write_json(folder / "config.json", OLD)
    write_json(folder / "tokenizer_config.json", WORDS)
    shutil.copy(MISTRAL, folder / "tokenizer.model")
    torch.manual_seed(0)
    held = LlamaForCausalLM(LlamaConfig.from_pretrained(folder)).half().state_dict()
    held |= {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(8)}  # as published, needed no more
    names = sorted(held)
    parts = {"pytorch_model-00001-of-00002.bin": names[:9], "pytorch_model-00002-of-00002.bin": names[9:]}
    for file, part in parts.items():
        torch.save({name: held[name] for name in part}, folder / file)
    index = {"metadata": {}, "weight_map": {name: file for file, part in parts.items() for name in part}}
    write_json(folder / "pytorch_model.bin.index.json", index)
    return folder


@pytest.fixture
def vicuna(published, tmp_path):
    shutil.copytree(published, tmp_path / published.name)
    return tmp_path / published.name


# tokenizer.model --------------------------------------------------------------------------------------------


def pieces(text):
    from sentencepiece import SentencePieceProcessor

    return SentencePieceProcessor(model_file=str(MISTRAL)).encode(text)


def test_a_language_model_with_tokenizer_model_alone_loads(vicuna):
    """Its ids are sentencepiece's own, its answer is that of transformers' generate."""
    assert models.rehearse("vicuna-7b") == ""
    adapter = models.load("vicuna-7b", device="cpu", dtype="float32")
    assert adapter.tokenizer(TEXT)["input_ids"] == [1, *pieces(TEXT)]
    picture = drawing.render(scenes.scene(0))
    ((answer,), _) = adapter.states([picture], "Name a colour.", max_new_tokens=6)
    prompt = torch.tensor([[1, *pieces(adapter.template.format(text="Name a colour."))]])
    new = adapter.net.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=6, do_sample=False)
    assert answer == adapter.tokenizer.decode(new[0, prompt.shape[1] :], skip_special_tokens=True).strip()
    assert verify.verify("vicuna-7b", [picture], "cpu", "float32")["equal"]


def test_minigpt4_is_composed_of_a_language_model_with_tokenizer_model_alone(vicuna, tmp_path):
    """And the published ids of ###, alone and in two parts, are words of such a tokenizer."""
    from transformers import AutoTokenizer

    from brainalign.models import compose

    config = {"vision_config": {"image_size": 28}, "model_type": "blip-2"}
    compose._check(vicuna, "a LLaMA", ("hidden_size",), ("tokenizer",))
    (tmp_path / "made").mkdir()
    compose._finish(tmp_path / "made", config, vicuna)
    made = AutoTokenizer.from_pretrained(tmp_path / "made")
    assert made(TEXT)["input_ids"] == [1, *pieces(TEXT)]
    assert complete.fault(tmp_path / "made", ("tokenizer", "processor"), weights=False) is None


def test_owls_processor_reads_tokenizer_model_alone(vicuna):
    from brainalign.models.owl import OwlProcessor

    write_json(vicuna / "preprocessor_config.json", {"size": {"height": 28, "width": 28}, "crop_size": 28})
    write_json(vicuna / "config.json", {"model_type": "mplug-owl"})
    assert OwlProcessor.from_pretrained(vicuna).tokenizer(TEXT)["input_ids"] == [1, *pieces(TEXT)]
    (vicuna / "tokenizer_config.json").unlink()
    read = OwlProcessor.from_pretrained(vicuna).tokenizer(TEXT, add_special_tokens=False)
    assert read["input_ids"] == pieces(TEXT)
    assert complete.fault(vicuna, models.find("mplug-owl-7b").parts, weights=False) is None


@pytest.mark.parametrize(("package", "module"), complete.READS_PIECES.items())
def test_a_missing_package_is_named(vicuna, monkeypatch, package, module):
    monkeypatch.setattr(complete, "_installed", lambda name: name != module)
    said = models.missing("vicuna-7b")
    assert f"tokenizer.model is read by {package}, which is not installed. Install it: pip install {package}" in said
    assert "hf download" not in said


def test_every_package_that_reads_a_tokenizer_is_declared():
    import tomllib

    declared = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]["dependencies"]
    assert set(complete.READS_PIECES) <= {line.partition(">")[0] for line in declared}


# Each kind of fault -----------------------------------------------------------------------------------------


def gone(*names):
    return lambda folder: [(folder / name).unlink() for name in names]


def holds(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def without_a_weight(folder):
    file = folder / "pytorch_model-00001-of-00002.bin"
    held = torch.load(file, weights_only=True)
    torch.save({name: value for name, value in held.items() if name != "model.embed_tokens.weight"}, file)


def other_config(**changes):
    def change(folder):
        write_json(folder / "config.json", json.loads((folder / "config.json").read_text()) | changes)

    return change


def fewer_words(folder):
    """A network of fewer words, whole with its own configuration."""
    for name in ("pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"):
        held = torch.load(folder / name, weights_only=True)
        torch.save({key: value[:900].clone() for key, value in held.items()}, folder / name)
    other_config(vocab_size=900)(folder)


FETCH = "Fetch what is missing: hf download lmsys/vicuna-7b-v1.5 --local-dir "
AGAIN = "Delete it and fetch it again: hf download lmsys/vicuna-7b-v1.5 --local-dir "


@pytest.mark.parametrize(
    ("harm", "found", "todo"),
    [
        (gone("config.json"), "has no config.json", f"{FETCH}PLACE config.json"),
        (holds("config.json", b"[1]"), "config.json is not JSON", f"{AGAIN}PLACE config.json"),
        (gone("tokenizer.model"), "has no tokenizer: ", f'{FETCH}PLACE --include "*.j*"'),
        (holds("tokenizer.model", b"<html>"), "tokenizer.model is damaged", f"{AGAIN}PLACE tokenizer.model"),
        (holds("tokenizer_config.json", b"{"), "tokenizer_config.json is damaged", f"{AGAIN}PLACE tokenizer_config"),
        (holds("generation_config.json", b""), "generation_config.json is not JSON", f"{AGAIN}PLACE generation"),
        (
            gone("pytorch_model-00002-of-00002.bin"),
            "pytorch_model-00002-of-00002.bin is missing (1 of 2 files)",
            f"{FETCH}PLACE pytorch_model-00002-of-00002.bin",
        ),
        (
            holds("pytorch_model-00001-of-00002.bin", b"PK"),
            "not a whole file",
            f"{AGAIN}PLACE pytorch_model-00001-of-00002.bin",
        ),
        (
            gone(
                *(f"pytorch_model{end}" for end in (".bin.index.json", "-00001-of-00002.bin", "-00002-of-00002.bin"))
            ),
            "has no weights",
            f'{FETCH}PLACE --include "pytorch_model*.bin" --include "*.j*"',
        ),
        (
            without_a_weight,
            "1 of the 21 weights it needs are not in PLACE, the first is model.embed_tokens.weight",
            "",
        ),
        (
            other_config(intermediate_size=50),
            "has shape (32, 48), its config.json asks for (32, 50)",
            "whole, but not",
        ),
        (
            fewer_words,
            "the tokenizer in PLACE has 32,000 words, its config.json tells of 900",
            "compare their versions",
        ),
        (other_config(num_hidden_layers=3), "9 of the 30 weights it needs are not in PLACE", "compare their versions"),
        (holds("config.json", b"{}"), "PLACE does not say of which kind of model it is, expected a llama", "compare"),
        (other_config(model_type="bert"), "config.json in PLACE is that of a bert, expected a llama", "compare"),
    ],
)
def test_each_fault_has_its_own_advice(vicuna, harm, found, todo):
    harm(vicuna)
    said = models.rehearse("vicuna-7b")
    assert said.startswith("vicuna-7b: ")
    assert found.replace("PLACE", str(vicuna)) in said
    assert todo.replace("PLACE", str(vicuna)) in said
    entry = next(entry for entry in listed() if entry["name"] == "vicuna-7b")
    assert entry["state"] == "incomplete"
    assert entry["todo"] == said.removeprefix("vicuna-7b: ")
    with pytest.raises(models.ModelError) as raised:
        models.load("vicuna-7b", device="cpu")
    assert str(raised.value) == said


def listed():
    from brainalign.models import listing

    return listing.listing()


def test_files_of_another_model_are_told(tmp_path):
    shutil.copytree(checkpoint.SHIPPED / "blip2-demo", tmp_path / "llava-1.5-7b")
    said = models.rehearse("llava-1.5-7b")
    assert "is that of a blip-2, expected a llava" in said


@pytest.mark.parametrize(
    ("name", "lost", "found"),
    [
        ("instructblip-demo", "qformer_tokenizer/tokenizer.json", "qformer_tokenizer has no tokenizer"),
        ("clip-demo", "processor_config.json", "does not say how pictures are prepared"),
        ("vit-demo", "preprocessor_config.json", "does not say how pictures are prepared"),
        ("text-demo", "tokenizer.json", "has no tokenizer"),
    ],
)
def test_every_part_is_looked_for(tmp_path, name, lost, found):
    shutil.copytree(checkpoint.SHIPPED / name, tmp_path / name)
    assert models.rehearse(name) == ""
    (tmp_path / name / lost).unlink()
    assert found in models.missing(name)


def test_visualberts_words_are_those_of_bert(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "_cached", lambda hub_id: None)
    monkeypatch.setattr(models.regions, "missing", lambda place: "")
    write_json(tmp_path / "visualbert-vqa/config.json", {})
    save_file({"w": torch.zeros(1)}, tmp_path / "visualbert-vqa/model.safetensors")
    said = models.missing("visualbert-vqa")
    assert "google-bert/bert-base-uncased" in said
    assert "its settings alone" in said
    write_json(tmp_path / "bert-base/config.json", {})
    (tmp_path / "bert-base/vocab.txt").write_text("[UNK]\n")
    assert models.missing("visualbert-vqa") == ""


# Older configurations ---------------------------------------------------------------------------------------


def as_in_2023(folder):
    """LLaVA-demo's folder with the names and files of 2023."""
    config = json.loads((folder / "config.json").read_text())
    config["torch_dtype"] = config.pop("dtype", "float16")
    config["transformers_version"] = "4.36.0.dev0"
    for key in ("image_token_id", "image_seq_length", "multimodal_projector_bias"):
        value = config.pop(key, None)
        if key == "image_token_id" and value is not None:
            config["image_token_index"] = value
    for part in ("text_config", "vision_config"):
        config[part].pop("dtype", None)
        rope = config[part].pop("rope_parameters", None)
        if rope:
            config[part]["rope_theta"] = rope["rope_theta"]
    write_json(folder / "config.json", config)
    both = json.loads((folder / "processor_config.json").read_text())
    pixels = both.pop("image_processor")
    pixels["image_processor_type"], pixels["feature_extractor_type"] = "CLIPImageProcessor", "CLIPFeatureExtractor"
    write_json(folder / "preprocessor_config.json", pixels)
    write_json(folder / "processor_config.json", both | {"processor_class": "LlavaProcessor"})


def test_a_checkpoint_as_saved_in_2023_loads_the_same(tmp_path, monkeypatch):
    pictures = [drawing.render(scenes.scene(i)) for i in range(2)]
    expected = models.load("llava-demo", device="cpu").states(pictures, "What is in this image?")
    shutil.copytree(checkpoint.SHIPPED / "llava-demo", tmp_path / "llava-demo")
    as_in_2023(tmp_path / "llava-demo")
    assert models.rehearse("llava-demo") == ""
    found = models.load("llava-demo", device="cpu").states(pictures, "What is in this image?")
    assert found[0] == expected[0]
    for pooling, values in expected[1].items():
        np.testing.assert_allclose(found[1][pooling], values, atol=1e-5)


def squared(pixels):
    """A number where today's files have height and width, and the names of feature extractors."""
    named = {
        "size": lambda size: size.get("shortest_edge", size.get("height")),
        "crop_size": lambda size: size["height"],
        "image_processor_type": lambda kind: None,
        "processor_class": lambda kind: None,
    }
    old = {key: named[key](value) if key in named else value for key, value in pixels.items()}
    old["feature_extractor_type"] = "ViTFeatureExtractor"
    return {key: value for key, value in old.items() if value is not None}


@pytest.mark.parametrize("name", ["clip-demo", "vit-demo"])
def test_pictures_settings_of_2021_prepare_the_same(tmp_path, name):
    pictures = [drawing.render(scenes.scene(i))[: 425 - 100 * i] for i in range(2)]
    expected = models.load(name, device="cpu").states(pictures, "")[1]
    folder = tmp_path / name
    shutil.copytree(checkpoint.SHIPPED / name, folder)
    held = next(file for file in complete.PROCESSORS if (folder / file).exists())
    content = json.loads((folder / held).read_text())
    (folder / held).unlink()
    write_json(folder / "preprocessor_config.json", squared(content.get("image_processor", content)))
    assert models.rehearse(name) == ""
    for pooling, values in models.load(name, device="cpu").states(pictures, "")[1].items():
        np.testing.assert_array_equal(values, expected[pooling])


@pytest.mark.parametrize("name", ["generation_config.json", "tokenizer_config.json"])
@pytest.mark.parametrize("model", ["llava-demo", "blip2-demo", "text-demo"])
def test_without_a_settings_file_it_loads_or_the_file_is_named(tmp_path, model, name):
    shutil.copytree(checkpoint.SHIPPED / model, tmp_path / model)
    picture = drawing.render(scenes.scene(0))
    expected, _ = models.load(model, device="cpu").states([picture], "What is in this image?")
    (tmp_path / model / name).unlink()
    if name == "tokenizer_config.json":  # another class of tokenizer would read other words
        assert f"{tmp_path / model} has no tokenizer_config.json" in models.missing(model)
        return
    assert models.rehearse(model) == ""
    assert models.load(model, device="cpu").states([picture], "What is in this image?")[0] == expected


def test_the_shipped_weights_are_compared_by_their_headers_alone(tmp_path, monkeypatch):
    """No number of a weight is read: they could all be damaged."""
    shutil.copytree(checkpoint.SHIPPED / "vit-demo", tmp_path / "vit-demo")
    file = tmp_path / "vit-demo/model.safetensors"
    content = file.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    file.write_bytes(content[:start] + b"\xff" * (len(content) - start))
    assert models.rehearse("vit-demo") == ""
