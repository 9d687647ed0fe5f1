"""VisualBERT and LXMERT with tiny random weights, held against transformers' own forward; and their regions."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from family_checks import CHECKS, Family, close, states_are_those_of
from safetensors.torch import load_file
from tiny_text import liven, tokenizer

from brainalign import models
from brainalign.demo import drawing, scenes
from brainalign.models import regions

ASKED = ("What is in this image?", "How many animals are there in the image?")
NAMES = ("lxmert-base", "visualbert-vqa")
SIZE = {"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, "max_position_embeddings": 40}


def write(folder):
    """Both models and the ResNet whose grid stands in for their regions."""
    from transformers import LxmertConfig, LxmertModel, ResNetConfig, ResNetModel, VisualBertConfig, VisualBertModel

    words = tokenizer(around=("<bos>", "<eos>"))
    lxmert = LxmertConfig(vocab_size=len(words), l_layers=2, x_layers=3, r_layers=2, **SIZE)
    bert = VisualBertConfig(vocab_size=len(words), num_hidden_layers=3, visual_embedding_dim=2048, **SIZE)
    resnet = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16, 32, 2048], depths=[1, 1, 1, 1])
    torch.manual_seed(0)
    for net, name in ((LxmertModel(lxmert), NAMES[0]), (VisualBertModel(bert), NAMES[1])):
        liven(net).save_pretrained(folder / name)
        words.save_pretrained(folder / name)
    ResNetModel(resnet).save_pretrained(folder / "resnet-101")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("models")
    write(made)
    return made


@pytest.fixture(autouse=True)
def own_models(folder, monkeypatch):
    monkeypatch.setenv("BRAINALIGN_MODELS", str(folder))


@pytest.fixture(scope="module")
def pictures():
    drawn = [drawing.render(scenes.scene(i)) for i in range(3)]
    drawn[1] = drawn[1][:300]
    return drawn


@pytest.fixture(scope="module")
def held(tmp_path_factory, pictures):
    """A folder of region features, 36 a picture."""
    rng, made = np.random.default_rng(0), tmp_path_factory.mktemp("bottom-up")
    for picture in pictures:
        corners = np.sort(rng.random((36, 2, 2)), 1).astype(np.float32).reshape(36, 4)
        np.savez(made / f"{regions.key(picture)}.npz", features=rng.random((36, 2048), np.float32), boxes=corners)
    return made


@pytest.fixture(scope="module", params=[(name, kind) for name in NAMES for kind in ("files", "grid")])
def family(request, folder, held, pictures):
    name, kind = request.param
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINALIGN_MODELS", str(folder))
        if kind == "files":
            patch.setenv("BRAINALIGN_REGIONS", str(held))
        yield Family(models.load(name, device="cpu", dtype="float32"), pictures, ASKED)


@pytest.mark.parametrize("check", CHECKS)
def test_family(check, family, folder, tmp_path):
    (tmp_path / "resnet-101").symlink_to(folder / "resnet-101")
    check(family, tmp_path)


def test_states_are_those_of_the_whole_model(family):
    net, adapter = family.adapter.net, family.adapter

    def lxmert(words, features, boxes):
        out = net(**words, visual_feats=features, visual_pos=boxes, output_hidden_states=True)
        return out.language_hidden_states[2:], out.vision_hidden_states[2:], out.vision_hidden_states[:2]

    def visualbert(words, features, boxes):
        states = net(**words, visual_embeds=features, output_hidden_states=True).hidden_states
        n = words["input_ids"].shape[1]
        return [layer[:, :n] for layer in states], [layer[:, n:] for layer in states], ()

    @torch.inference_mode()
    def states(picture, text):
        words = adapter.tokenizer(text, return_tensors="pt")
        features, boxes = map(torch.from_numpy, adapter.regions([picture]))
        forward = lxmert if "lxmert" in adapter.model.name else visualbert
        said, seen, alone = forward(words, features, boxes)
        said, seen = torch.cat(list(said)), torch.cat(list(seen))
        found = {"mean_image": seen.mean(1), "mean_instruction": said[:, 1:-1].mean(1), "cls": said[:, 0]}
        if alone:
            embedded = net.encoder.visn_fc(features, boxes)
            found["vision_mean"] = torch.cat([embedded, *alone]).mean(1)
        return "", found

    states_are_those_of(states, family)


def refuse(place):
    raise OSError(f"no connection to {place}")


def test_published_checkpoints_are_read(folder, pictures, tmp_path, monkeypatch):
    """With the heads they were trained with; VisualBERT's without a tokenizer, which is BERT's."""
    from transformers import LxmertForPreTraining, VisualBertForPreTraining

    (tmp_path / "resnet-101").symlink_to(folder / "resnet-101")
    for name, whole in zip(NAMES, (LxmertForPreTraining, VisualBertForPreTraining)):
        net = whole.from_pretrained(folder / name)
        net.save_pretrained(tmp_path / name)
    tokenizer(around=("<bos>", "<eos>")).save_pretrained(tmp_path / NAMES[0])
    expected = [models.load(name, device="cpu").states(pictures[:1], ASKED[0])[1]["cls"] for name in NAMES]
    monkeypatch.setenv("BRAINALIGN_MODELS", str(tmp_path))
    monkeypatch.setattr(models.checkpoint, "_cached", lambda hub_id: None)
    with monkeypatch.context() as patch:
        patch.setattr("brainalign.models.visualbert.AutoTokenizer.from_pretrained", refuse)
        with pytest.raises(models.ModelError, match="hf download google-bert/bert-base-uncased"):
            models.load(NAMES[1], device="cpu")
    tokenizer(around=("<bos>", "<eos>")).save_pretrained(tmp_path / "bert-base-uncased")
    (tmp_path / "bert-base-uncased/config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "bert-base-uncased/model.safetensors").symlink_to(folder / NAMES[1] / "model.safetensors")
    for name, states in zip(NAMES, expected):
        close(models.load(name, device="cpu").states(pictures[:1], ASKED[0])[1]["cls"], states)


def test_where_the_regions_come_from_is_recorded(family, folder, held):
    info = family.adapter.checkpoint_info
    if isinstance(family.adapter.regions, regions.Grid):
        assert info["regions"].startswith("7 x 7 grid of resnet-101 sha256:")
    else:
        assert info["regions"] == f"files in {held.name}"
    assert info == models.identity(family.adapter.model.name)


def test_the_grid_is_the_whole_picture_cell_by_cell(folder):
    """What is painted into one cell of a grey picture changes the features at that cell most."""
    grid = regions.Grid("cpu")
    picture = np.full((140, 280, 3), 127, np.uint8)
    painted = picture.copy()
    painted[82:98, 130:150] = 255  # inside row 4, column 3
    with torch.inference_mode():
        features, boxes = grid([picture, painted])
    change = np.abs(features[1] - features[0]).mean(1)
    assert np.argmax(change) == 4 * 7 + 3
    np.testing.assert_allclose(boxes[1, 4 * 7 + 3], [3 / 7, 4 / 7, 4 / 7, 5 / 7], rtol=1e-6)


def test_a_picture_of_one_colour_has_no_regions(held, pictures):
    features, boxes = regions.from_files(held, [pictures[0], np.full((9, 9, 3), 127, np.uint8)])
    assert features.shape == (2, 36, 2048)
    assert not features[1].any()
    assert (boxes[1] == [0, 0, 1, 1]).all()
    assert features[0].any()


def test_the_instruction_alone(held, pictures, monkeypatch):
    monkeypatch.setenv("BRAINALIGN_REGIONS", str(held))
    _, states = models.load("lxmert-base-instruction-only", device="cpu").states(pictures, ASKED[0])
    close(states["cls"][:1], states["cls"][1:2])


def save(**arrays):
    return lambda file: np.savez(file, **arrays)


FINE = {"features": np.ones((36, 2048), np.float32), "boxes": np.full((36, 4), 0.5, np.float32)}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.unlink(), "no region features .*the name is brainalign.models.regions.key"),
        (lambda file: file.write_bytes(b"no zip"), "is no .npz with arrays"),
        (save(features=FINE["features"]), "is no .npz with arrays"),
        (save(features=np.array([{}]), boxes=FINE["boxes"]), "is no .npz with arrays"),
        (save(**FINE | {"features": np.ones((36, 100), np.float32)}), r"features \(36, 100\)"),
        (save(**FINE | {"boxes": 300 * FINE["boxes"]}), r"not shares of the picture"),
        (save(**FINE | {"features": np.nan * FINE["features"]}), "no numbers"),
        (save(features=FINE["features"][:10], boxes=FINE["boxes"][:10]), r"pictures have \[10, 36\] regions"),
    ],
)
def test_files_that_cannot_be_read(damage, message, pictures, tmp_path):
    for picture in pictures[:2]:
        np.savez(tmp_path / f"{regions.key(picture)}.npz", **FINE)
    damage(tmp_path / f"{regions.key(pictures[0])}.npz")
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        regions.from_files(tmp_path, pictures[:2])


def test_what_is_missing_is_said_before_loading(folder, monkeypatch, tmp_path):
    assert models.available("lxmert-base")
    monkeypatch.setenv("BRAINALIGN_REGIONS", str(tmp_path / "none"))
    assert "which is no folder" in models.missing("lxmert-base")
    monkeypatch.delenv("BRAINALIGN_REGIONS")
    monkeypatch.setenv("BRAINALIGN_MODELS", str(tmp_path))
    (tmp_path / "lxmert-base").symlink_to(folder / "lxmert-base")
    monkeypatch.setattr(models.checkpoint, "_cached", lambda hub_id: None)
    assert "hf download microsoft/resnet-101" in models.missing("lxmert-base")
    (tmp_path / "regions").mkdir()
    assert "hf download" in models.missing("lxmert-base")
    monkeypatch.setenv("BRAINALIGN_REGIONS", str(tmp_path / "regions"))
    assert models.available("lxmert-base")


def test_the_key_tells_pictures_apart(pictures):
    flat, turned = np.zeros((2, 6, 3), np.uint8), np.zeros((6, 2, 3), np.uint8)
    assert len({regions.key(p) for p in (*pictures, flat, turned)}) == 5
    assert regions.key(pictures[0][:, ::-1]) == regions.key(pictures[0][:, ::-1].copy())


def as_pytorch(folder, held):
    """A ResNet's folder as published: its weights, under the classifier's names, in a .bin file."""
    shutil.copytree(folder / "resnet-101", held / "resnet-101")
    weights = load_file(held / "resnet-101/model.safetensors")
    (held / "resnet-101/model.safetensors").unlink()
    return {f"resnet.{name}": value for name, value in weights.items()} | {"classifier.1.bias": torch.zeros(7)}


@torch.inference_mode()
def test_the_grid_is_read_from_a_bin_file(folder, pictures, tmp_path, monkeypatch):
    expected = regions.load(folder, "cpu")(pictures)[0]
    torch.save(as_pytorch(folder, tmp_path), tmp_path / "resnet-101/pytorch_model.bin")
    monkeypatch.setenv("BRAINALIGN_MODELS", str(tmp_path))
    assert regions.missing(folder) == ""
    np.testing.assert_array_equal(regions.load(folder, "cpu")(pictures)[0], expected)


class Harmful:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_grid_whose_file_would_run_code_is_refused(folder, tmp_path, monkeypatch, zipped):
    held = as_pytorch(folder, tmp_path) | {"harm": Harmful(tmp_path / "done")}
    torch.save(held, tmp_path / "resnet-101/pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    monkeypatch.setenv("BRAINALIGN_MODELS", str(tmp_path))
    with pytest.raises(models.ModelError, match="resnet-101: "):
        regions.load(folder, "cpu")
    assert not (tmp_path / "done").exists()


def test_half_a_grid_is_told(folder, tmp_path, monkeypatch):
    held = as_pytorch(folder, tmp_path)
    lost = next(name for name in held if "stages.2" in name)
    torch.save(
        {name: value for name, value in held.items() if name != lost}, tmp_path / "resnet-101/pytorch_model.bin"
    )
    monkeypatch.setenv("BRAINALIGN_MODELS", str(tmp_path))
    with pytest.raises(models.ModelError, match=f"resnet-101: 1 .* {lost.removeprefix('resnet.')}"):
        regions.load(folder, "cpu")
