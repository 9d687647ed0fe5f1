"""Loading options: PyTorch's own files read as tensors only, the revision, and 8 or 4 bit of the language model."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import write_models

from brainalign import models
from brainalign.models import checkpoint, weights


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def copy(folder, tmp_path, monkeypatch):
    """A copy of a ViT's folder that a test may harm, and its weights."""
    from safetensors.torch import load_file

    shutil.copytree(folder / "vit-demo", tmp_path / "vit-demo")
    monkeypatch.setenv("BRAINALIGN_MODELS", str(tmp_path))
    held = load_file(tmp_path / "vit-demo/model.safetensors")
    (tmp_path / "vit-demo/model.safetensors").unlink()
    return tmp_path / "vit-demo", held


def whole(folder, held):
    torch.save(held, folder / "pytorch_model.bin")


def before_2020(folder, held):
    torch.save(held, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)


def in_two(folder, held):
    names = sorted(held)
    parts = {"pytorch_model-1.bin": names[:9], "pytorch_model-2.bin": names[9:]}
    for file, part in parts.items():
        torch.save({name: held[name] for name in part}, folder / file)
    index = {"metadata": {}, "weight_map": {name: file for file, part in parts.items() for name in part}}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize("write", [whole, before_2020, in_two])
def test_pytorch_files_hold_the_same_weights(copy, folder, write, monkeypatch):
    place, held = copy
    write(place, held)
    assert models.missing("vit-demo") == ""
    adapter, picture = models.load("vit-demo", device="cpu"), np.arange(30000, dtype=np.uint8).reshape(100, 100, 3)
    found = adapter.states([picture], "")[1]["cls"]
    assert adapter.checkpoint_info == models.identity("vit-demo")
    monkeypatch.setenv("BRAINALIGN_MODELS", str(folder))
    assert adapter.checkpoint_info != models.identity("vit-demo")
    np.testing.assert_array_equal(found, models.load("vit-demo", device="cpu").states([picture], "")[1]["cls"])


class Harmful:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("write", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content, 2))])
def test_a_pickle_cannot_run_code(copy, tmp_path, write):
    place, held = copy
    write(held | {"harm": Harmful(tmp_path / "done")}, place / "pytorch_model.bin")
    with pytest.raises(models.ModelError, match=r"vit-demo: a \.bin file in .* could run code: it was not read"):
        models.load("vit-demo", device="cpu")
    assert "could run code" in models.rehearse("vit-demo")
    assert not (tmp_path / "done").exists()


def test_half_a_pytorch_file_is_told_before_loading(copy):
    place, held = copy
    whole(place, held)
    file = place / "pytorch_model.bin"
    file.write_bytes(file.read_bytes()[:-500])
    assert "pytorch_model.bin is not a whole file of PyTorch weights" in models.missing("vit-demo")
    (place / "pytorch_model.bin.index.json").write_text('{"weight_map": {"a": "part-1.bin"}}')
    assert "part-1.bin is missing" in models.missing("vit-demo")


def test_the_revision_of_a_hub_model_is_its_commit(folder, tmp_path, monkeypatch):
    monkeypatch.delenv("BRAINALIGN_MODELS", raising=False)
    place = tmp_path / "models--llava-hf--llava-1.5-7b-hf/snapshots/abc123"
    shutil.copytree(folder / "llava-demo", place)
    monkeypatch.setattr(checkpoint, "_cached", lambda hub_id: place)
    expected = {"checkpoint": "llava-hf/llava-1.5-7b-hf", "revision": "abc123", "dtype": "bfloat16"}
    assert models.identity("llava-1.5-7b") == expected
    assert models.load("llava-1.5-7b", device="cpu").checkpoint_info == expected
    assert models.identity("llava-1.5-7b", "4bit") == expected | {"dtype": "4bit"}
    assert models.identity("llava-1.5-7b-shuffled") == expected | {"control": "shuffled"}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "Validation error for field 'hidden_size':\n  expected int",
            "(Validation error for field 'hidden_size': expected ",
        ),
        ("known are " + "bert, " * 900, "bert, ...). It comes with the repository"),
        ("update it with `pip install --upgrade transformers`", "cannot be loaded from"),
        ("num2words is required: `pip install num2words`", "Install it: pip install num2words"),
    ],
)
def test_what_transformers_says_is_told_in_a_line_of_bearable_length(said, told):
    found = checkpoint._why(models.find("vit-demo"), ValueError(said))
    assert told in found
    assert "\n" not in found
    assert len(found) < 500


# 8 and 4 bit ------------------------------------------------------------------------------------------------


@pytest.fixture
def bitsandbytes(monkeypatch):
    """As if the package were installed; transformers' settings do not need it."""
    monkeypatch.setattr(weights, "find_spec", lambda name: name)


def quantization(folder, dtype, device="cuda"):
    from transformers import LlavaForConditionalGeneration

    model = models.find("llava-demo")
    return weights.quantization(
        model, LlavaForConditionalGeneration, folder / "llava-demo", torch.device(device), dtype
    )


def test_what_8_and_4_bit_need_is_said(folder, monkeypatch):
    monkeypatch.setenv("BRAINALIGN_MODELS", str(folder))
    with pytest.raises(models.ModelError, match="4bit needs an NVIDIA GPU, found cpu; load it with dtype bfloat16"):
        models.load("llava-demo", device="cpu", dtype="4bit")
    with pytest.raises(models.ModelError, match="vit-demo has no language model to hold in 8bit"):
        models.load("vit-demo", device="cpu", dtype="8bit")
    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    with pytest.raises(models.ModelError, match="needs bitsandbytes: pip install bitsandbytes; or load it with dtype"):
        quantization(folder, "8bit")


def test_settings_of_8_and_4_bit(folder, bitsandbytes):
    eight, four = quantization(folder, "8bit"), quantization(folder, "4bit")
    assert eight.load_in_8bit
    assert not eight.load_in_4bit
    assert (four.load_in_4bit, four.bnb_4bit_quant_type) == (True, "nf4")
    assert four.bnb_4bit_compute_dtype == torch.bfloat16


def test_only_the_language_model_is_held_in_fewer_bits(folder, bitsandbytes):
    """By transformers' own rule, for every linear part of the whole model."""
    from transformers import LlavaConfig, LlavaForConditionalGeneration
    from transformers.quantizers.quantizers_utils import should_convert_module

    kept = quantization(folder, "4bit").llm_int8_skip_modules
    net = LlavaForConditionalGeneration(LlavaConfig.from_pretrained(folder / "llava-demo"))
    linear = [name for name, module in net.named_modules() if isinstance(module, torch.nn.Linear)]
    fewer = {name for name in linear if should_convert_module(name, kept)}
    assert fewer == {name for name in linear if name.startswith("model.language_model.layers.")}
    assert len(fewer) == 6 * 7
    assert {"lm_head", "model.multi_modal_projector.linear_1"} <= set(linear) - fewer
    assert any("vision_tower" in name for name in set(linear) - fewer)


@pytest.mark.parametrize(
    ("name", "fewer"),
    [
        ("Blip2ForConditionalGeneration", {"language_model"}),
        ("IdeficsForVisionText2Text", {"model.layers", "model.gated_cross_attn_layers"}),
        ("Qwen3VLForConditionalGeneration", {"model.language_model"}),
        ("LlamaForCausalLM", {"model.layers"}),
    ],
)
def test_which_parts_are_held_in_fewer_bits(name, fewer, tmp_path):
    """In the shapes that transformers takes for granted, without their memory."""
    import transformers

    net_class = getattr(transformers, name)
    net_class.config_class().save_pretrained(tmp_path)
    kept = set(weights.unquantised(net_class, tmp_path))
    with torch.device("meta"):
        net = net_class(net_class.config_class())
    linear = {name for name, module in net.named_modules() if isinstance(module, torch.nn.Linear)}
    assert kept < linear
    assert {part for part in fewer for name in linear - kept if name.startswith(part + ".")} == fewer
    assert all(name.startswith(tuple(fewer)) for name in linear - kept)
    assert not any(word in name for name in linear - kept for word in ("vision", "visual", "former", "lm_head"))
