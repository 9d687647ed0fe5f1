"""`brainalign models --verify`: the demo's models agree with plain transformers, and planted differences are told."""

import json
import shutil

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from brainalign import live, models
from brainalign.cli import main
from brainalign.models import checkpoint, clip, llava, verify

DEMOS = ("llava-demo", "instructblip-demo", "blip2-demo", "clip-demo", "vit-demo", "text-demo")


def asked(*args):
    done = CliRunner().invoke(main, ["models", "--verify", *args, "--device", "cpu"])
    return done.exit_code, done.output


@pytest.mark.parametrize("name", DEMOS)
def test_the_demos_models_agree_with_plain_transformers(name):
    code, output = asked(name, "--json")
    report = json.loads(output[output.index("{") :])
    assert code == 0, output
    assert report["equal"] is True
    assert report["not_compared"] == {}
    layers = {pooling: len(found) for pooling, found in by_pooling(report).items()}
    adapter = models.load(name, device="cpu")
    own = {pooling: len(adapter.layer_names(pooling)) for pooling in adapter.poolings}
    read = models.find(name).reading_poolings if name == "clip-demo" else ()
    assert layers == own | {f"caption: {pooling}": len(adapter.layer_names(pooling)) for pooling in read}
    assert all(row["relative"] < 1e-5 for row in report["states"])
    assert (report["device"], report["dtype"]) == ("cpu", "float32")
    assert set(report["versions"]) == {"python", *verify.PACKAGES}
    assert report["checkpoint"] == models.identity(name)
    n = {"language": 1, "vision": 0}.get(models.find(name).kind, 3) * 2 if models.find(name).answers else 0
    assert len(report["answers"]) == n
    for row in report["answers"]:
        assert row["answer"] == row["plain"]
        assert row["equal"]


def by_pooling(report):
    found = {}
    for row in report["states"]:
        found.setdefault(row["pooling"], []).append(row)
    return found


def test_answers_end_where_plain_transformers_do():
    report = verify.verify("llava-demo", live.some_pictures(), "cpu")
    for row in report["answers"]:
        assert row["tokens"] == row["plain_tokens"] < verify.LIMIT
        assert (row["last_token"], row["plain_stopped_by"]) == ("<eos>", "the token '<eos>' (2)")


def test_a_difference_in_one_layer_is_told_and_exits_with_1(monkeypatch):
    see = llava.Llava._see

    def changed(self, images, poolings):
        seen = see(self, images, poolings)
        if "vision_cls" in seen.pooled:
            seen.pooled["vision_cls"][:, 3, 7] += 0.25
        return seen

    monkeypatch.setattr(llava.Llava, "_see", changed)
    code, output = asked("llava-demo")
    assert code == 1
    assert "vision_cls: 6 of 7 layers agree; the largest difference 0.25 " in output
    assert "layer 3 DIFFERS: 0.25 " in output
    assert output.rstrip().endswith("llava-demo: DIFFERS: see above")


def test_a_caption_that_is_read_otherwise_is_told(monkeypatch):
    """Of CLIP the end of a text counts; here its beginning does."""
    monkeypatch.setattr(clip, "last", lambda seen: seen & (seen.cumsum(1) == 1))
    report = verify.verify("clip-demo", live.some_pictures(n=1), "cpu")
    assert {row["pooling"] for row in report["states"] if not row["within"]} == {"caption: cls"}


def test_an_answer_that_runs_on_differs_although_it_reads_alike(monkeypatch):
    """The end token alone is not an end: the text stays clean, the states do not."""
    load = llava.Llava._load

    def endless(self):
        load(self)
        self.ends = self.ends[:0]

    monkeypatch.setattr(llava.Llava, "_load", endless)
    report = verify.verify("llava-demo", live.some_pictures(n=1), "cpu")
    assert report["equal"] is False
    assert report["answers"][0]["tokens"] == verify.LIMIT > report["answers"][0]["plain_tokens"]
    assert not report["answers"][0]["equal"]


def test_a_tiny_checkpoint_in_a_folder_and_pictures_of_ones_own(tmp_path, monkeypatch):
    """Random weights in the shape of a published model."""
    from tiny_models import write_models

    write_models(tmp_path / "made")
    shutil.copytree(tmp_path / "made/llava-demo", tmp_path / "models/llava-1.5-7b-hf")
    monkeypatch.setenv("BRAINALIGN_MODELS", str(tmp_path / "models"))
    (tmp_path / "photos").mkdir()
    rng = np.random.default_rng(0)
    for i, shape in enumerate([(60, 90, 3), (90, 60, 3), (50, 50, 3), (10, 10, 3)]):
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(tmp_path / f"photos/{i}.png")
    code, output = asked("llava-1.5-7b", "--pictures", str(tmp_path / "photos"), "--dtype", "float32", "--json")
    report = json.loads(output[output.index("{") :])
    assert (code, report["equal"]) == (0, True)
    assert {row["picture"] for row in report["answers"]} == {0, 1, 2}


def test_pictures_that_the_published_processor_crops_are_padded(tmp_path, monkeypatch):
    """As LLaVA 1.5 needs it: both ends of a wide picture count, in the adapter and in the plain reader."""
    folder = tmp_path / "llava-demo"
    shutil.copytree(checkpoint.SHIPPED / "llava-demo", folder)
    settings = json.loads((folder / "processor_config.json").read_text())
    square = {"height": 144, "width": 144}
    cropped = {"do_center_crop": True, "crop_size": square, "size": {"shortest_edge": 144}}
    settings["image_processor"] |= cropped | {"image_processor_type": "CLIPImageProcessor"}
    (folder / "processor_config.json").write_text(json.dumps(settings))
    monkeypatch.setenv("BRAINALIGN_MODELS", str(tmp_path))
    wide = np.ascontiguousarray(live.some_pictures(n=1)[0][:140])
    report = verify.verify("llava-demo", [wide], "cpu")
    assert report["equal"], verify.as_text(report)
    monkeypatch.setattr("brainalign.models.plain_speakers.padded", lambda picture, processor: picture)
    assert verify.verify("llava-demo", [wide], "cpu")["equal"] is False


def test_a_dimension_that_is_thousands_of_times_larger_hides_no_difference():
    """As layers of LLaMAs have them: other states are told in 16 bits too, those that were rounded are not."""
    rng = np.random.default_rng(0)
    plain, others = rng.normal(size=(2, 3, 1, 4096)).astype(np.float32)
    plain[..., 7] = others[..., 7] = 2000
    rounded = torch.from_numpy(plain).bfloat16().float().numpy()
    for ours, within in ((others, False), (rounded, True)):
        (row,) = verify._layers("mean_prompt", list(zip(ours, plain)), verify.TOLERANCE["bfloat16"])
        assert row["within"] is within
    assert row["relative"] < 2**-8


def test_half_precision_has_its_own_tolerance():
    report = verify.verify("vit-demo", live.some_pictures(n=1), "cpu", "bfloat16")
    assert report["tolerance"] == verify.TOLERANCE["bfloat16"]
    assert report["equal"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("llava-demo-random",), "has no checkpoint of its own to verify; verify llava-demo"),
        (("pixels",), "has no checkpoint of its own to verify"),
        (("llava-demo", "--dtype", "8bit"), "states are compared in float32, float16, bfloat16, not in 8bit"),
        (("lava-demo",), "no model 'lava-demo'; try llava-demo"),
        (("llava-1.5-7b",), "no files on this machine"),
        (("llava-demo", "--pictures", "."), "has no picture files"),
    ],
)
def test_what_cannot_be_verified_is_said(tmp_path, monkeypatch, args, message):
    monkeypatch.setattr(checkpoint, "_cached", lambda hub_id: None)
    monkeypatch.setenv("BRAINALIGN_MODELS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    code, output = asked(*args)
    assert code == 1
    assert message in output
