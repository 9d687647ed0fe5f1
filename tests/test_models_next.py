"""LLaVA-NeXT with tiny random weights: pictures of different shapes have different numbers of tokens."""

import numpy as np
import pytest
import torch
from family_checks import CHECKS, Family, by_generate, of_the_tower, states_are_those_of
from tiny_text import liven

from brainalign import models
from brainalign.demo import drawing, language, scenes

ASKED = ("What is in this image?", "How many animals are there in the image?")
NAME, LENGTH = "llava-next-mistral-7b", 10
END = language.vocabulary()["▁A"]
SIDE, PATCH = 28, 7
GRID = [[SIDE, 2 * SIDE], [2 * SIDE, SIDE], [2 * SIDE, 2 * SIDE]]


def network():
    from transformers import CLIPVisionConfig, LlavaNextConfig, LlavaNextForConditionalGeneration, MistralConfig

    shape = {"hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4}
    vision = CLIPVisionConfig(**shape, image_size=SIDE, patch_size=PATCH)
    shape |= {"num_key_value_heads": 2, "vocab_size": len(language.vocabulary()), "max_position_embeddings": 300}
    text = MistralConfig(**shape, bos_token_id=language.BOS, eos_token_id=language.EOS, sliding_window=None)
    config = LlavaNextConfig(
        vision_config=vision, text_config=text, image_token_index=language.IMAGE, image_grid_pinpoints=GRID
    )
    torch.manual_seed(2)
    net = LlavaNextForConditionalGeneration(config).eval()
    net.generation_config.update(eos_token_id=[language.EOS, END], pad_token_id=language.PAD)
    return liven(net, 8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from transformers import LlavaNextImageProcessorPil, LlavaNextProcessor

    made = tmp_path_factory.mktemp("models")
    square = {"height": SIDE, "width": SIDE}
    pixels = LlavaNextImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=square, image_grid_pinpoints=GRID)
    told = {"patch_size": PATCH, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    network().save_pretrained(made / NAME)
    LlavaNextProcessor(pixels, language.tokenizer(), **told).save_pretrained(made / NAME)
    return made


@pytest.fixture(scope="module")
def family(folder):
    drawn = [drawing.render(scenes.scene(i)) for i in range(5)]
    pictures = [drawn[0], drawn[1][:200], drawn[2], np.ascontiguousarray(drawn[3][:, :150]), drawn[4]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINALIGN_MODELS", str(folder))
        return Family(models.load(NAME, device="cpu", dtype="float32"), pictures, ASKED, LENGTH)


@pytest.mark.parametrize("check", CHECKS)
def test_family(check, family, tmp_path):
    check(family, tmp_path)


def test_states_are_those_of_generate(family):
    """With the prompt and its image tokens as transformers' processor makes them."""
    adapter, counts = family.adapter, set()

    def reference(picture, text):
        written = f"[INST] <image>\n{text} [/INST]"
        inputs = adapter.processor(images=[picture], text=[written], return_tensors="pt")
        pictured = inputs["input_ids"][0] == language.IMAGE
        counts.add(int(pictured.sum()))
        words, prompt, said = by_generate(adapter, adapter.net, inputs, LENGTH)
        end = int(pictured.nonzero()[-1]) + 1
        asked = slice(end, end + len(language.asked_words(text)))
        with torch.inference_mode():
            layers = adapter.net.model.vision_tower(inputs["pixel_values"][0], output_hidden_states=True).hidden_states
        return words, {
            "mean_generated": said.mean(1),
            "last_prompt": prompt[:, -1],
            "mean_instruction": prompt[:, asked].mean(1),
            "mean_image": prompt[:, pictured].mean(1),
            "mean_prompt": prompt.mean(1),
            "connector_mean": prompt[:1, pictured].mean(1),
        } | of_the_tower(layers)

    states_are_those_of(reference, family)
    assert len(counts) == 3, "three shapes of pictures were meant to be tested"
