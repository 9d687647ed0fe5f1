"""Special tokens where a checkpoint's tokenizer, generation settings and configuration tell different ones."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from family_checks import by_generate, close
from tiny_models import write_models
from tiny_text import tokenizer
from transformers import LlamaConfig, LlavaConfig

from brainalign import models
from brainalign.demo import drawing, language, scenes
from brainalign.models import special

ASKED, LENGTH = "What is in this image?", 12
PUBLISHED = {"eos_token_id": 1, "bos_token_id": 0, "pad_token_id": 452}  # so InstructBLIP-Vicuna's settings are off


def write(folder, config=(), text=(), generation=None):
    folder.mkdir(exist_ok=True)
    told = {"model_type": "llava"} | dict(config) | {"text_config": {"model_type": "llama"} | dict(text)}
    (folder / "config.json").write_text(json.dumps(told))
    if generation:
        (folder / "generation_config.json").write_text(json.dumps(generation))
    return folder


def told(folder, **names):
    config = LlavaConfig(text_config=LlamaConfig(vocab_size=453))
    made = tokenizer(**{name: text for name, text in names.items() if text})
    for name in (name for name, text in names.items() if not text):
        setattr(made, name, None)
    return special.Special(folder, made, config)


def test_an_answer_ends_at_the_ends_of_all_places(tmp_path):
    """As in the published settings of InstructBLIP-Vicuna: 1 and the tokenizer's 2, which it writes."""
    assert told(write(tmp_path, generation=PUBLISHED)).ends == [1, language.EOS]
    every = {"config": {"eos_token_id": 7}, "text": {"eos_token_id": [8, 9]}, "generation": {"eos_token_id": [9, 10]}}
    assert told(write(tmp_path, **every), eos_token="▁Orange").ends == sorted([7, 8, 9, 10, word("Orange")])


def test_only_what_the_files_say_counts(tmp_path):
    """Not a class's own 2, nor ids beyond the vocabulary, unless nothing else is known."""
    folder = write(tmp_path, text={"eos_token_id": 128_001}, generation={"eos_token_id": -1})
    assert told(folder, eos_token="▁Orange").ends == [word("Orange")]
    assert told(folder, eos_token=None).ends == [2]


def test_other_tokens_come_from_the_first_place_that_has_one(tmp_path):
    found = told(write(tmp_path, generation=PUBLISHED | {"decoder_start_token_id": 5}, text={"pad_token_id": 6}))
    assert [found.first(name) for name in special.NAMES] == [language.EOS, language.BOS, language.PAD, 5]
    found = told(write(tmp_path, generation={"eos_token_id": 3}, text={"pad_token_id": 6}), pad_token=None)
    assert found.first("pad_token_id") == found.greedy().pad_token_id == 6
    assert found.first("decoder_start_token_id") is None


@pytest.mark.parametrize(
    ("config", "mark", "expected"),
    [
        ({"image_token_index": 9}, "<image>", 9),
        ({"image_token_id": 8}, "<image>", 8),
        ({"image_token_index": None}, "<image>", language.IMAGE),
        ({}, "<image>", language.IMAGE),
        ({}, "<pic>", special.NOWHERE),
    ],
)
def test_a_pictures_token(tmp_path, config, mark, expected):
    """A class of transformers takes 32000 for granted, which no file says here."""
    assert told(write(tmp_path, config)).picture(mark) == expected


def word(text):
    return language.vocabulary()[f"▁{text}"]


@pytest.fixture(scope="module")
def pictures():
    return [drawing.render(scenes.scene(i)) for i in range(8)]


@pytest.fixture(scope="module")
def endless(tmp_path_factory, pictures):
    """A folder of tiny models, and what its LLaVA says about each picture when nothing ends an answer."""
    folder = write_models(tmp_path_factory.mktemp("models"))
    with pytest.MonkeyPatch.context() as patch, torch.inference_mode():
        patch.setenv("BRAINALIGN_MODELS", str(folder))
        llava = models.load("llava-demo", device="cpu", dtype="float32")
        llava.ends = llava.ends[:0]
        return folder, [llava._said(picture, ASKED, LENGTH, llava._predict) for picture in pictures]


def planted(said):
    """Three tokens, each the first of them in some answer, after a few others."""
    for k, first in enumerate(said):
        for second in said[k + 1 :]:
            for third in said[k + 2 :]:
                ends = first[2], second[4], third[5]
                if len(set(ends)) == 3 and all(
                    cut(row, ends) == n for row, n in zip((first, second, third), (2, 4, 5))
                ):
                    return ends
    raise AssertionError("no answers of these models can be told apart")


def cut(answer, ends):
    """How many tokens an answer has before the first that ends it."""
    return next((i for i, token in enumerate(answer) if token in ends), len(answer))


def test_states_after_the_first_end_of_any_place_are_not_pooled(endless, pictures, monkeypatch):
    folder, said = endless
    ends = planted(said)
    place = folder / "llava-demo"
    for file, key, end in zip(("generation_config.json", "config.json"), ("", "text_config"), ends):
        held = json.loads((place / file).read_text())
        (held[key] if key else held)["eos_token_id"] = end
        (place / file).write_text(json.dumps(held))
    held = json.loads((place / "tokenizer_config.json").read_text())
    held["eos_token"] = {token: text for text, token in language.vocabulary().items()}[ends[2]]
    (place / "tokenizer_config.json").write_text(json.dumps(held))
    monkeypatch.setenv("BRAINALIGN_MODELS", str(folder))
    llava = models.load("llava-demo", device="cpu", dtype="float32")
    assert llava.ends.tolist() == sorted(ends)
    answers, states = llava.states(pictures, ASKED, ("mean_generated",), LENGTH)
    planned = SimpleNamespace(ends=torch.tensor(ends), _text=llava._text)
    ids = torch.tensor([[language.BOS] + [language.IMAGE] * 144 + language.encode_question(ASKED)])
    for i, picture in enumerate(pictures):
        pixels = llava.processor.image_processor([picture], return_tensors="pt")["pixel_values"]
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": pixels}
        answer, _, truth = by_generate(planned, llava.net, inputs, LENGTH)
        assert truth.shape[1] == max(cut(said[i], ends), 1)
        assert answers[i] == answer == "".join(llava.stream(picture, ASKED, LENGTH))
        close(states["mean_generated"][i], np.asarray(truth.mean(1)))
