"""Language models with tiny random weights, held against transformers' own forward and generate."""

import json
import shutil

import numpy as np
import pytest
import torch
from family_checks import CHECKS, Family, close, states_are_those_of
from tiny_text import liven, tokenizer
from transformers import AutoTokenizer

from brainalign import models

ASKED = ("What is in this image?", "How many animals are there in the image?")
PICTURES = [np.full((40, 50 + i, 3), 60 * i, np.uint8) for i in range(3)]
TEXTS = ("There is a dog.", "", "Two animals, a dog and a bird. There are no people.", "A dog")


def write_bert(folder):
    from transformers import BertConfig, BertForMaskedLM

    words = tokenizer(around=("<bos>", "<eos>"))
    config = BertConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        vocab_size=len(words),
        max_position_embeddings=20,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    liven(BertForMaskedLM(config)).save_pretrained(folder)
    words.save_pretrained(folder)


def write_llama(folder):
    """LLaMA's tokenizer knows no padding, and neither does this one."""
    from tokenizers.processors import TemplateProcessing
    from transformers import LlamaConfig, LlamaForCausalLM

    words = tokenizer()
    words.backend_tokenizer.post_processor = TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 1)])
    words.pad_token = None
    config = LlamaConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        vocab_size=len(words),
        max_position_embeddings=120,
        bos_token_id=1,
        eos_token_id=2,
    )
    torch.manual_seed(1)
    liven(LlamaForCausalLM(config), scale=8.0).save_pretrained(folder)
    words.save_pretrained(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_bert(folder / "bert-base")
    for name in ("llama-2-7b", "vicuna-7b"):
        write_llama(folder / name)
    return folder


@pytest.fixture(scope="module", params=["bert-base", "llama-2-7b", "vicuna-7b"])
def family(request, folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINALIGN_MODELS", str(folder))
        return Family(models.load(request.param, device="cpu", dtype="float32"), PICTURES, ASKED)


@pytest.mark.parametrize("check", CHECKS)
def test_family(check, family, tmp_path):
    check(family, tmp_path)


def states_of(adapter, ids):
    with torch.inference_mode():
        return torch.stack(adapter.net(torch.tensor([ids]), output_hidden_states=True).hidden_states)[:, 0]


def asked_of(adapter, text):
    """Token ids of the prompt and of the instruction in it, put together by hand."""
    ids = adapter.tokenizer.convert_tokens_to_ids(adapter.tokenizer.tokenize(text))
    if adapter.model.name != "vicuna-7b":
        return [1, *ids, *([2] if adapter.model.name == "bert-base" else [])], range(1, 1 + len(ids))
    before, after = (adapter.tokenizer(part)["input_ids"][1:] for part in adapter.template.split("{text}"))
    return [1, *before, *ids, *after], range(1 + len(before), 1 + len(before) + len(ids))


def test_states_and_answers_are_those_of_the_whole_model(family):
    adapter = family.adapter

    def reference(picture, text):
        ids, inside = asked_of(adapter, text)
        states = states_of(adapter, ids)
        said = {"mean_instruction": states[:, list(inside)].mean(1)}
        if not adapter.answers:
            return "", said | {"cls": states[:, 0]}
        for _ in range(family.length):
            with torch.inference_mode():
                ids.append(int(adapter.net(torch.tensor([ids])).logits[0, -1].argmax()))
            if ids[-1] == 2:
                break
        answer = adapter.tokenizer.decode(ids[states.shape[1] :], skip_special_tokens=True)
        return answer.strip(), said | {"last_prompt": states[:, -1]}

    states_are_those_of(reference, family)


def test_texts_in_batches_are_read_as_each_alone(family):
    adapter = family.adapter
    found = adapter.states_of_texts(TEXTS, batch_size=3)
    assert tuple(found) == adapter.text_poolings == models.find(adapter.model.name).text_poolings
    for i, text in enumerate(TEXTS):
        ids = adapter.tokenizer(text)["input_ids"]
        states = states_of(adapter, ids)
        inside = [k for k, token in enumerate(ids) if token not in (1, 2)] or range(len(ids))
        close(found["mean_instruction"][i], states[:, list(inside)].mean(1).numpy())
        if adapter.answers:
            close(found["last_prompt"][i], states[:, -1].numpy())
        else:
            close(found["cls"][i], states[:, 0].numpy())


def test_a_text_too_long_is_cut(family):
    adapter = family.adapter
    room = adapter.longest - len(adapter.tokenizer("")["input_ids"])
    long, cut = adapter.states_of_texts(["dog " * 500, "dog " * room])["mean_instruction"]
    close(long, cut)
    with pytest.raises(ValueError, match="shorten the instruction" if adapter.answers else "tokens more than .* can"):
        adapter.states(PICTURES[:1], "dog " * 500)


def test_what_cannot_be_read_is_said(family):
    with pytest.raises(ValueError, match="no texts were given"):
        family.adapter.states_of_texts([])
    with pytest.raises(ValueError, match="has no pooling 'mean_image'; choose mean_instruction"):
        family.adapter.states_of_texts(TEXTS, ("mean_image",))


def test_shuffled_texts_keep_their_words(folder, monkeypatch):
    monkeypatch.setenv("BRAINALIGN_MODELS", str(folder))
    plain, mixed = (models.load(name, device="cpu") for name in ("bert-base", "bert-base-shuffled"))
    one, other = (adapter.states_of_texts(["two dogs left"])["mean_instruction"][0] for adapter in (plain, mixed))
    assert np.abs(one[-1] - other[-1]).max() > 1e-3
    order = models.controls.shuffled("two dogs left")
    close(other, plain.states_of_texts([order])["mean_instruction"][0])


def test_an_answer_ends_at_the_tokenizers_end_too(folder, tmp_path, monkeypatch):
    """Though the settings to generate with name another token; nothing else of those settings is used."""
    shutil.copytree(folder / "llama-2-7b", tmp_path / "llama-2-7b")
    place, told = tmp_path / "llama-2-7b", {"eos_token_id": 1, "do_sample": True, "temperature": 9.0, "top_k": 400}
    (place / "generation_config.json").write_text(json.dumps(told))
    (place / "config.json").write_text(
        json.dumps(json.loads((place / "config.json").read_text()) | {"eos_token_id": 1})
    )
    monkeypatch.setenv("BRAINALIGN_MODELS", str(tmp_path))
    adapter = models.load("llama-2-7b", device="cpu", dtype="float32")
    ids = adapter.tokenizer(ASKED[0])["input_ids"]
    asked = len(ids)
    for _ in range(8):
        with torch.inference_mode():
            ids.append(int(adapter.net(torch.tensor([ids])).logits[0, -1].argmax()))
    said = ids[asked:]
    k, end = next((i, token) for i, token in enumerate(said) if i > 1 and token not in said[:i] and token > 4)
    AutoTokenizer.from_pretrained(place, eos_token=adapter.tokenizer.convert_ids_to_tokens(end)).save_pretrained(place)
    again = models.load("llama-2-7b", device="cpu", dtype="float32")
    assert again.special.ends == sorted([1, end])
    expected = adapter.tokenizer.decode(said[:k], skip_special_tokens=True).strip()
    assert again.states(PICTURES[:1], ASKED[0], max_new_tokens=8)[0] == [expected]
    assert "".join(again.stream(PICTURES[0], ASKED[0], max_new_tokens=8)) == expected
