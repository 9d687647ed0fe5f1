"""BridgeTower with tiny random weights, held against transformers' own forward pass."""

import numpy as np
import pytest
import torch
from family_checks import CHECKS, Family, close, states_are_those_of
from tiny_text import liven, tokenizer

from brainalign import models
from brainalign.demo import drawing, scenes

NAME = "bridgetower-base"
ASKED = ("What is in this image?", "How many animals are there in the image?")


def write(folder):
    """A checkpoint folder of a small BridgeTower: four layers a tower, three cross-modal ones."""
    from transformers import BridgeTowerConfig, BridgeTowerImageProcessorPil, BridgeTowerModel, BridgeTowerProcessor

    words = tokenizer(around=("<bos>", "<eos>"))
    config = BridgeTowerConfig(
        hidden_size=64,
        num_attention_heads=4,
        num_hidden_layers=3,
        text_config={
            "hidden_size": 64,
            "intermediate_size": 96,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "vocab_size": len(words),
            "max_position_embeddings": 40,
            "pad_token_id": words.pad_token_id,
        },
        vision_config={"hidden_size": 128, "num_hidden_layers": 4, "image_size": 64, "patch_size": 16},
    )
    torch.manual_seed(0)
    liven(BridgeTowerModel(config)).save_pretrained(folder)
    pixels = BridgeTowerImageProcessorPil(size={"shortest_edge": 64}, crop_size={"shortest_edge": 64})
    BridgeTowerProcessor(pixels, words).save_pretrained(folder)


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write(folder / NAME)
    pictures = [drawing.render(scenes.scene(i)) for i in range(4)]
    pictures[1] = pictures[1][:300]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINALIGN_MODELS", str(folder))
        return Family(models.load(NAME, device="cpu", dtype="float32"), pictures, ASKED)


@pytest.mark.parametrize("check", CHECKS)
def test_family(check, family, tmp_path):
    check(family, tmp_path)


@pytest.fixture(scope="module")
def reference(family):
    """States of one pair by the whole model's forward."""
    from transformers import BridgeTowerModel

    adapter = family.adapter
    net = BridgeTowerModel.from_pretrained(adapter.source).eval()

    def states(picture, text):
        words = adapter.tokenizer(text, return_tensors="pt")
        pixels = adapter.processor.image_processor([picture], return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            _, image, cross = net(**words, pixel_values=pixels, output_hidden_states=True).hidden_states
        image = torch.stack(image)[:, :, 0]
        said, seen = (torch.stack([pair[i][0] for pair in cross]) for i in (0, 1))
        return "", {
            "vision_mean": image[:, 1:].mean(1),
            "vision_cls": image[:, 0],
            "mean_image": seen[:, 1:].mean(1),
            "mean_instruction": said[:, 1:-1].mean(1),
            "cls": said[:, 0],
        }

    return states


def test_states_are_those_of_the_whole_model(family, reference):
    states_are_those_of(reference, family)


def test_the_cross_modal_layers_look_both_ways(family):
    """What the last patch shows reaches the first token of the picture's stream."""
    adapter = family.adapter
    with torch.inference_mode():
        state = torch.randn(1, 5, 64)
        changed = state.clone()
        changed[0, -1] += 1
        layer = adapter.net.cross_modal_image_layers[0]
        one, other = (layer(x, torch.zeros(1, 2, 64))[0][0, 0] for x in (state, changed))
    assert not torch.allclose(one, other, atol=1e-4)


def test_instructions_that_cannot_be_read(family):
    for text, message in (("?!", "reads nothing"), ("dog " * 50, "52 tokens, more than bridgetower-base can hold")):
        with pytest.raises(ValueError, match=message):
            family.adapter.states(family.pictures[:1], text)


def test_the_image_alone_is_read_without_an_instruction(family):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINALIGN_MODELS", str(family.adapter.source.parent))
        control = models.load(f"{NAME}-image-only", device="cpu")
    _, states = control.states(family.pictures[:2], ASKED[0])
    assert tuple(states) == ("mean_image", "cls", "vision_mean", "vision_cls")
    close(states["vision_mean"], family.pooled[ASKED[0]][1]["vision_mean"][:2])
    assert not np.allclose(states["mean_image"], family.pooled[ASKED[0]][1]["mean_image"][:2], atol=1e-3)
