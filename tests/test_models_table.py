"""The table of models: rows that hold together, names of controls, suggestions, and what is present here."""

import inspect
import json
import re
import shutil
from dataclasses import replace
from fnmatch import fnmatch
from importlib import import_module
from math import prod

import pytest
from click.testing import CliRunner

from brainalign import models
from brainalign.cli import main
from brainalign.models import checkpoint, published, table

ROWS = [*models.MODELS.values(), table.ENDPOINT]


@pytest.mark.parametrize("adapter", list(table.FAMILIES))
def test_a_family_is_told_as_its_adapter_says(adapter):
    family, (module, _, cls) = table.FAMILIES[adapter], adapter.partition(":")
    cls = getattr(import_module(f"brainalign.models.{module}"), cls)
    assert (family.poolings, family.fixed_poolings) == (tuple(cls.poolings), tuple(cls.fixed_poolings))
    assert family.answers == cls.answers
    assert cls.uses_instruction == (family.poolings != family.fixed_poolings)
    assert family.text_poolings == getattr(cls, "text_poolings", ())
    assert family.pair_poolings == getattr(cls, "pair_poolings", ())
    assert set(family.fixed_poolings) <= set(family.poolings)
    assert inspect.getdoc(cls)
    assert adapter in {row.adapter for row in ROWS}, "a family without a model"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_rows_are_complete(row):
    assert row.base == "" or not models.find(row.base).control
    assert row.licence
    assert row.note
    assert row.parameters > 0 or not row.checkpoint or row.outside
    assert row.size or not isinstance(row.checkpoint, str) or not row.checkpoint or row.outside
    assert row.memory("float32") == 2 * row.memory("bfloat16") >= row.memory("8bit") >= row.memory("4bit")


def test_unknown_names_get_the_nearest():
    for wrong, near in (("llava-1.5-7B", "llava-1.5-7b"), ("llava-demo-shufled", "llava-demo-shuffled")):
        with pytest.raises(ValueError, match=f"no model '{wrong}'; try {near}, or see `brainalign models`"):
            models.find(wrong)


def test_controls_are_derived_from_any_row():
    shuffled = models.find("llava-1.5-7b-shuffled")
    assert (shuffled.control, shuffled.of, shuffled.tuned) == ("shuffled", "llava-1.5-7b", True)
    assert shuffled.poolings == models.find("llava-1.5-7b").poolings
    assert not models.find("vit-demo-random").tuned
    blind = models.find("llava-demo-instruction-only")
    assert not set(blind.poolings) & set(models.find("llava-demo").fixed_poolings)
    mute = models.find("llava-demo-image-only")
    assert not mute.uses_instruction
    assert "mean_instruction" not in mute.poolings
    assert mute.fixed_poolings == mute.poolings


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("vit-demo-shuffled", "its controls are random"),
        ("llava-demo-random-shuffled", "it has no control"),
        ("llava-demo-shuffled-random", "no model"),
    ],
)
def test_controls_that_make_no_sense_are_refused(name, said):
    with pytest.raises(ValueError, match=said):
        models.find(name)


def test_identities_tell_controls_apart():
    names = ("llava-demo", *(f"llava-demo-{control}" for control in models.CONTROLS))
    assert len({str(models.identity(name)) for name in names}) == 5
    plain = models.identity("llava-demo")
    assert models.identity("llava-demo-shuffled") == plain | {"control": "shuffled"}
    assert models.identity("llava-demo-random") == {
        "checkpoint": "random weights as data/models/llava-demo",
        "revision": models.identity("llava-demo-random")["revision"],
        "dtype": "float32",
    }


@pytest.mark.parametrize(
    "row", [row for row in ROWS if isinstance(row.checkpoint, checkpoint.Path)], ids=lambda row: row.name
)
def test_shipped_models_have_as_many_parameters_as_told(row):
    from safetensors import safe_open

    held = 0
    with safe_open(row.checkpoint / "model.safetensors", "np") as file:
        for name in file.keys():  # noqa: SIM118
            held += prod(file.get_slice(name).get_shape())
    assert row.parameters == pytest.approx(held, rel=0.02)


# What is on this machine ------------------------------------------------------------------------------------


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with one good model, one damaged, and nothing else but what ships."""
    monkeypatch.setenv("BRAINALIGN_MODELS", str(tmp_path))
    monkeypatch.setattr(checkpoint, "_cached", lambda hub_id: None)
    shutil.copytree(checkpoint.SHIPPED / "llava-demo", tmp_path / "llava-1.5-7b-hf")
    text = json.dumps({"w": {"dtype": "F32", "shape": [249], "data_offsets": [0, 999]}}).encode()
    (tmp_path / "bert-base").mkdir()
    (tmp_path / "bert-base/config.json").write_text("{}")
    (tmp_path / "bert-base/model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + b"12345678")
    return tmp_path


def shown(*args):
    done = CliRunner().invoke(main, ["models", *args])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_tells_what_is_here(machine):
    found = {entry["name"]: entry for entry in json.loads(shown("--json"))}
    assert list(found) == list(models.MODELS)
    states = {name: entry["state"] for name, entry in found.items()}
    here = {name for name, state in states.items() if state == "present"}
    shipped = {name for name, row in models.MODELS.items() if not isinstance(row.checkpoint, str)}
    assert here == shipped | {"llava-1.5-7b", "llava-1.5-7b-authors", "pixels"}
    assert [name for name, entry in found.items() if entry["prompt"]] == [
        "llava-1.5-7b-authors",
        "llava-1.5-13b-authors",
        "idefics-9b-instruct-authors",
    ]
    assert [name for name, state in states.items() if state == "incomplete"] == ["bert-base"]
    assert "bytes, expected" in found["bert-base"]["todo"]
    assert found["vit-h"]["command"] == (
        f"hf download google/vit-huge-patch14-224-in21k --local-dir {machine}/vit-huge-patch14-224-in21k "
        '--include "model*.safetensors" --include "*.j*" --include "*.txt" --include "*.model"'
    )
    assert '--include "pytorch_model*.bin"' in found["mplug-owl-7b"]["command"]
    assert found["instructblip-vicuna-7b"]["size"] == "31.7 GB of the 63 GB there"
    assert found["llava-1.5-13b"]["size"] == "about 27 GB"
    assert found["llava-1.5-7b"]["memory"]["bfloat16"] == pytest.approx(14.1e9, rel=0.01)


def test_the_table_fits_a_hundred_columns(machine, monkeypatch):
    monkeypatch.delenv("BRAINALIGN_MODELS")
    lines = shown().splitlines()
    assert max(map(len, lines)) <= 100
    where = next(i for i, line in enumerate(lines) if line.startswith("  vit-h "))
    assert lines[where].split() == ["vit-h", "vision", "-", "-", "631", "M", "2.5", "GB", "parts", "Apache", "2.0"]
    assert lines[where + 1] == "    # about 2.5 GB"
    assert lines[where + 2].startswith("    hf download google/vit-huge-patch14-224-in21k --local-dir ~/models/")
    assert lines[where + 2].endswith("\\")
    assert lines[where + 3].startswith('      --include "model*.safetensors" --include "*.j*"')
    asked = next(line for line in lines if line.startswith("  idefics-9b-instruct-authors "))
    assert asked.split(maxsplit=1)[1] == "the instruction before the picture"
    gated = next(i for i, line in enumerate(lines) if line.startswith("  llama-2-7b "))
    assert "accept its terms first: https://huggingface.co/meta-llama/Llama-2-7b-hf" in lines[gated + 1]
    assert any(line.startswith("  <name>-shuffled ") for line in lines)


def test_a_model_without_an_adapter_says_why_and_what_to_do(machine):
    """Wherever it is named; it is listed with the reason and without a download that would not help."""
    row = models.find("openflamingo-9b")
    with pytest.raises(models.ModelError, match="openflamingo-9b cannot be loaded: transformers has no class for it"):
        models.load("openflamingo-9b")
    with pytest.raises(ValueError, match="it has no control"):
        models.find("openflamingo-9b-random")
    assert models.find(row.outside.partition("Take ")[2].partition(",")[0]).adapter == "idefics:Idefics"
    assert models.answering()[row.name] == models.missing(row.name) != ""
    entry = next(entry for entry in json.loads(shown("--json")) if entry["name"] == row.name)
    assert (entry["state"], entry["command"], entry["todo"]) == ("outside", "", row.outside)
    text = shown()
    assert " ".join(text.partition("  openflamingo-9b ")[2].split()).count(row.outside) == 1
    assert f"hf download {row.checkpoint}" not in text


def test_random_weights_need_no_download_of_weights(machine):
    assert "safetensors" not in models.missing("vit-h-random")
    assert '--include "*.j*"' in models.missing("vit-h-random")
    assert "its settings alone" in models.missing("vit-h-random")
    assert "2.5 GB" in models.missing("vit-h")
    (machine / "vit-huge-patch14-224-in21k").mkdir()
    for name in ("config.json", "preprocessor_config.json"):
        (machine / "vit-huge-patch14-224-in21k" / name).write_text("{}")
    assert models.available("vit-h-random")
    assert not models.available("vit-h")


def test_terms_come_before_a_gated_download(machine):
    first = (
        "First accept the terms at https://huggingface.co/meta-llama/Llama-2-7b-hf and run `hf auth login`. Download"
    )
    assert first in models.missing("llama-2-7b")
    assert "accept" not in models.missing("llama-7b")


def test_a_fault_is_told_below_the_model(machine):
    lines = shown().splitlines()
    start = lines.index("Incomplete on this machine")
    assert lines[start + 2].startswith("  bert-base ")
    assert lines[start + 3].startswith("    ")
    assert "bytes, expected" in " ".join(lines[start + 3 : start + 7])


def test_what_a_row_was_checked_against_is_told(machine):
    found = {entry["name"]: entry["verified"] for entry in json.loads(shown("--json"))}
    assert found["clip-vit-l14"]["against"].startswith("published configuration, random weights")
    assert found["blip2-opt-2.7b"]["against"].endswith("not run")
    shipped = {name for name, row in models.MODELS.items() if isinstance(row.checkpoint, checkpoint.Path)}
    real = {name: told["real_weights"] for name, told in found.items()}
    assert {name for name in real if real[name] == "none"} == {"pixels", "llava-demo-random"}
    assert {name for name in real if real[name] == "here"} == shipped - {"llava-demo-random"}
    assert set(published.PUBLISHED) - set(found) == {"resnet-101"}
    equal = {"llava-1.5-7b", "llava-next-vicuna-7b", "mplug-owl-7b", "mplug-owl-7b-pt", "idefics-9b-instruct"}
    equal |= {"qwen2.5-vl-7b", "qwen3-vl-8b", "clip-vit-l14", "lxmert-base", "visualbert-vqa"}
    assert {name for name, told in found.items() if told["short"] == "equal"} == equal  # and no other prompt of them
    assert all(told["found"] for told in found.values() if told["short"] == "parts")
    legend = shown().partition("tested: ")[2]
    assert {told["short"] or "-" for told in found.values()} <= {line.split()[0] for line in legend.splitlines()[1:]}


@pytest.mark.parametrize("name", [name for name, row in models.MODELS.items() if isinstance(row.checkpoint, str)])
def test_a_download_takes_one_format_of_weights_and_all_else(machine, name):
    """The patterns against the file names of a repository with every format."""
    row = models.find(name)
    if not row.checkpoint or row.composed:
        return
    patterns = re.findall(r'--include "([^"]+)"', checkpoint.command(replace(row, name="elsewhere", checkpoint="a/b")))
    weights = {"model.safetensors", "model-00001-of-00002.safetensors", "pytorch_model-00001-of-00002.bin"}
    weights |= {"pytorch_model.bin", "tf_model.h5", "flax_model.msgpack", "onnx/model.onnx", "rust_model.ot"}
    settings = {"config.json", "tokenizer.model", "chat_template.jinja", "qformer_tokenizer/vocab.txt", "merges.txt"}
    settings |= {"model.safetensors.index.json", "pytorch_model.bin.index.json", "preprocessor_config.json"}
    taken = {file for file in weights | settings if any(fnmatch(file, pattern) for pattern in patterns)}
    assert settings < taken
    assert len({file.rpartition(".")[2] for file in taken & weights}) == 1
