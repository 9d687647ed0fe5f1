"""What of a picture reaches a model: padding and squashing as the publishers do, and words for what is cut off."""

import json

import numpy as np
import pytest
import torch
from family_checks import close
from PIL import Image
from tiny_models import write_models
from transformers import BridgeTowerImageProcessorPil, CLIPImageProcessorPil

from brainalign import models
from brainalign.demo import drawing, scenes
from brainalign.models import framing, verify

ASKED = "What is in this image?"
MEAN = (0.48145466, 0.4578275, 0.40821073)


def ends(left, right, height=60):
    """A picture three times as wide as high: its middle is white, its ends have colours."""
    picture = np.full((height, 3 * height, 3), 255, np.uint8)
    picture[:, :height], picture[:, -height:] = left, right
    return picture


def published(side=28):
    """As the processor of LLaVA-1.5 and of CLIP is published."""
    return CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side})


def test_a_padded_picture_is_what_the_publishers_make_of_it():
    """By Pillow's own paste, as in their expand2square."""
    picture = ends((250, 10, 0), (0, 20, 240))
    for image in (picture, picture.transpose(1, 0, 2)):
        square = Image.new("RGB", (180, 180), tuple(int(value * 255) for value in MEAN))
        height, width = image.shape[:2]
        square.paste(Image.fromarray(image), ((180 - width) // 2, (180 - height) // 2))
        np.testing.assert_array_equal(framing.squared(image, MEAN), np.asarray(square))
    same = np.zeros((9, 9, 3), np.uint8)
    assert framing.squared(same, MEAN) is same


def test_a_thin_picture_does_not_fill_memory():
    long = framing.squared(np.full((3, 90_000, 3), 255, np.uint8), MEAN)
    assert long.shape == (framing.LONGEST, framing.LONGEST, 3)
    assert (long == 255).all(-1).sum() == framing.LONGEST, "one line of the picture is left"


@pytest.mark.parametrize(
    ("processor", "shape", "expected"),
    [
        (published(), (425, 425), (0, 0)),
        (published(), (100, 300), (0, 2 / 3)),
        (published(), (300, 100), (2 / 3, 0)),
        (CLIPImageProcessorPil(size={"shortest_edge": 256}), (425, 425), (1 / 8, 1 / 8)),
        (CLIPImageProcessorPil(size={"height": 28, "width": 28}, do_center_crop=False), (100, 300), (0, 0)),
        (CLIPImageProcessorPil(do_resize=False), (448, 448), (0.5, 0.5)),
        (BridgeTowerImageProcessorPil(), (300, 400), (0, 1 - 288 / 384)),
        (None, (100, 300), (0, 0)),
    ],
)
def test_shares_that_are_cut_off(processor, shape, expected):
    assert framing.cut(processor, (*shape, 3)) == pytest.approx(expected)


def test_what_is_cut_off_is_what_changes_nothing():
    """A ramp from left to right shows which columns are left."""
    ramp = np.zeros((100, 300, 3), np.uint8)
    ramp[..., 0] = np.linspace(0, 255, 300)
    processor = published(100)
    processor.do_normalize = processor.do_rescale = False
    seen = processor([ramp], return_tensors="np")["pixel_values"][0, 0, 0]
    _, columns = framing.cut(processor, ramp.shape)
    left = 255 * columns / 2
    assert (seen.min(), seen.max()) == pytest.approx((left, 255 - left), abs=2)


def test_squashed_instead_of_cropped():
    """The same pixels as Pillow's resize to a square."""
    picture, processor = ends((250, 10, 0), (0, 20, 240)), published()
    processor.do_normalize = processor.do_rescale = False
    framing.squash(processor)
    assert framing.cut(processor, picture.shape) == (0, 0)
    small = np.asarray(Image.fromarray(picture).resize((28, 28), Image.Resampling.BICUBIC))
    found = processor([picture], return_tensors="np")["pixel_values"][0].transpose(1, 2, 0)
    np.testing.assert_array_equal(found, small)


def test_what_was_not_seen_in_words():
    assert (
        framing.in_words((0, 2 / 3)) == "Not seen by this model: 67 % of the picture's width, at its left and right."
    )
    assert framing.in_words((0.125, 0.125)) == (
        "Not seen by this model: 12 % of the picture's height, at its top and bottom and "
        "12 % of the picture's width, at its left and right."
    )
    assert framing.in_words((0.0, 0.0)) == ""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny LLaVA with the published processor's settings, which crop."""
    folder = write_models(tmp_path_factory.mktemp("models"))
    place = folder / "llava-demo" / "processor_config.json"
    told = json.loads(place.read_text())
    told["image_processor"] |= {"size": {"shortest_edge": 144}, "crop_size": {"height": 144, "width": 144}}
    told["image_processor"] |= {"do_center_crop": True}
    place.write_text(json.dumps(told))
    return folder


@pytest.fixture(scope="module")
def llava(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINALIGN_MODELS", str(folder))
        return models.load("llava-demo", device="cpu", dtype="float32")


def test_llava_sees_the_ends_of_a_wide_picture(llava):
    """As if it had been shown the padded square, which its own processor then leaves whole."""
    pictures = [ends((250, 10, 0), (0, 20, 240)), ends((255, 255, 255), (255, 255, 255))]
    mean = llava.processor.image_processor.image_mean
    states = llava.states(pictures, ASKED, max_new_tokens=4)[1]
    padded = llava.states([framing.squared(picture, mean) for picture in pictures], ASKED, max_new_tokens=4)[1]
    for pooling, values in states.items():
        close(values, padded[pooling])
        assert np.abs(values[0, -1] - values[1, -1]).max() > 1e-3, pooling
    assert [llava.unseen(picture) for picture in pictures] == [(0, 0), (0, 0)]


def test_a_square_picture_is_left_as_it_was(llava):
    picture = drawing.render(scenes.scene(0))
    pixels = llava.processor.image_processor([picture], return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        tokens = llava.net.get_image_features(pixels).pooler_output[0]
        assert torch.equal(llava._see([picture], ()).tokens[0], tokens)


def test_the_answer_says_what_was_not_seen(llava, monkeypatch):
    stream = llava.stream(ends((9, 9, 9), (9, 9, 9)), ASKED, max_new_tokens=2)
    list(stream)
    assert stream.notes == []
    monkeypatch.setattr(llava, "_framed", lambda image: image)
    stream = llava.stream(ends((9, 9, 9), (9, 9, 9)), ASKED, max_new_tokens=2)
    list(stream)
    assert stream.notes == ["Not seen by this model: 67 % of the picture's width, at its left and right."]


def test_pictures_that_are_padded_agree_with_plain_transformers(folder, monkeypatch):
    """Photographs are seldom square: `brainalign models --verify` pads them too, by transformers' own code."""
    monkeypatch.setenv("BRAINALIGN_MODELS", str(folder))
    pictures = [ends((250, 10, 0), (0, 20, 240)), ends((9, 200, 9), (0, 0, 0)).transpose(1, 0, 2)]
    report = verify.verify("llava-demo", pictures, "cpu", "float32", (ASKED,))
    assert report["equal"] is True, verify.as_text(report)
    assert {row["pooling"] for row in report["states"]} >= {"mean_generated", "mean_image", "vision_mean"}
