"""BLIP-2 (OPT and T5) and InstructBLIP with tiny random weights, held against transformers' own generate."""

import json
import shutil

import pytest
import torch
from family_checks import CHECKS, Family, by_generate, close, of_the_tower, states_are_those_of
from tiny_text import liven, tokenizer
from tokenizers import AddedToken

from brainalign import models
from brainalign.demo import drawing, language, scenes

ASKED = ("What is in this image?", "How many animals are there in the image?")
NAMES = ("blip2-opt-2.7b", "blip2-flan-t5-xl", "instructblip-vicuna-7b", "instructblip-flan-t5-xl")
LENGTH, QUERIES, SIDE = 10, 5, 28
ENDS = dict(zip(NAMES, ("▁strawberries", "▁caption", "▁House", "▁caption")))


def text_config(name):
    from transformers import LlamaConfig, OPTConfig, T5Config

    told = {"vocab_size": len(language.vocabulary()), "eos_token_id": language.EOS, "pad_token_id": language.PAD}
    shape = {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "max_position_embeddings": 120}
    if "opt" in name:
        return OPTConfig(**shape, ffn_dim=64, word_embed_proj_dim=48, bos_token_id=language.BOS, **told)
    if "t5" in name:
        shape = {"d_model": 48, "d_kv": 12, "d_ff": 64, "num_layers": 3, "num_decoder_layers": 2, "num_heads": 4}
        return T5Config(**shape, decoder_start_token_id=language.PAD, feed_forward_proj="gated-gelu", **told)
    return LlamaConfig(**shape, intermediate_size=64, bos_token_id=language.BOS, **told)


def network(name):
    import transformers

    kind = "InstructBlip" if "instruct" in name else "Blip2"
    shape = {"hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4}
    tower = {"image_size": SIDE, "patch_size": 7, "initializer_range": 0.02}
    queries = {"encoder_hidden_size": 48, "vocab_size": len(language.vocabulary()), "max_position_embeddings": 40}
    config = getattr(transformers, f"{kind}Config")(
        vision_config=getattr(transformers, f"{kind}VisionConfig")(**shape, **tower),
        qformer_config=getattr(transformers, f"{kind}QFormerConfig")(**shape, **queries),
        text_config=text_config(name),
        num_query_tokens=QUERIES,
        image_token_index=language.IMAGE,
    )
    torch.manual_seed(3)
    net = getattr(transformers, f"{kind}ForConditionalGeneration")(config).eval()
    liven(net, 8, skip=("block",))
    liven(net.language_model, 2.5 if "t5" in name else 1, skip=("shared", "head"))  # T5 does not scale its products
    net.query_tokens.data.normal_()
    end = language.vocabulary()[ENDS[name]]
    net.generation_config.update(eos_token_id=[language.EOS, end], pad_token_id=language.PAD)
    return net


def words_of(template):
    """The demo's tokenizer, putting the special tokens that each kind has around a text."""
    from tokenizers.processors import TemplateProcessing

    made = tokenizer()
    marks = [("<bos>", language.BOS), ("<eos>", language.EOS)]
    made.backend_tokenizer.post_processor = TemplateProcessing(single=template, special_tokens=marks)
    return made


def processor(name):
    from transformers import Blip2Processor, BlipImageProcessorPil, InstructBlipProcessor

    pixels = BlipImageProcessorPil(size={"height": SIDE, "width": SIDE})
    words = words_of("$A <eos>" if "t5" in name else "<bos> $A")
    if "instruct" in name:
        return InstructBlipProcessor(pixels, words, words_of("<bos> $A <eos>"), num_query_tokens=QUERIES)
    return Blip2Processor(pixels, words, num_query_tokens=QUERIES)


@pytest.fixture(scope="module", params=NAMES)
def family(request, tmp_path_factory):
    folder, name = tmp_path_factory.mktemp("models"), request.param
    network(name).save_pretrained(folder / name)
    processor(name).save_pretrained(folder / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINALIGN_MODELS", str(folder))
        adapter = models.load(name, device="cpu", dtype="float32")
    adapter.processor.image_token = AddedToken("<image>")  # as where the tokenizer has none of that name
    return Family(adapter, [drawing.render(scenes.scene(i)) for i in range(4)], ASKED, LENGTH)


@pytest.mark.parametrize("check", CHECKS)
def test_family(check, family, tmp_path):
    check(family, tmp_path)


def written(adapter, text):
    return text if adapter.model.name.startswith("instruct") else f"Question: {text} Answer:"


def seen(adapter, inputs):
    """The poolings before the language model, by a forward of the whole model's parts."""
    net, asked = adapter.net, {k: v for k, v in inputs.items() if k.startswith("qformer")}
    told = {"output_hidden_states": True, "return_dict": True}
    with torch.inference_mode():
        tower = net.vision_model(inputs["pixel_values"], **told)
        queries = {"query_embeds": net.query_tokens, "encoder_hidden_states": tower.last_hidden_state}
        if asked:
            mask = torch.ones(1, QUERIES, dtype=torch.long)
            queries["input_ids"] = asked["qformer_input_ids"]
            queries["attention_mask"] = torch.cat([mask, asked["qformer_attention_mask"]], 1)
        layers = net.qformer(**queries, **told).hidden_states
    found = of_the_tower(tower.hidden_states)
    found |= {"connector_mean": torch.stack([x[0, :QUERIES].mean(0) for x in layers])}
    if asked:  # over the whole sequences, as the paper's authors take them
        whole = {"vision_all": tower.hidden_states, "connector_all": layers}
        assert layers[0].shape[1] == QUERIES + asked["qformer_input_ids"].shape[1]
        found |= {pooling: torch.stack([x[0].mean(0) for x in states]) for pooling, states in whole.items()}
    return found


def test_states_are_those_of_generate(family):
    """With ids as transformers' processor makes them, and the whole model's own generate."""
    adapter = family.adapter

    def reference(picture, text):
        inputs = adapter.processor(images=[picture], text=[written(adapter, text)], return_tensors="pt")
        ids, asked = inputs["input_ids"][0], [language.vocabulary()["▁" + w] for w in language.asked_words(text)]
        start = next(i for i in range(len(ids)) if ids[i : i + len(asked)].tolist() == asked)
        if "t5" in adapter.model.name:
            words, encoder, decoder = by_encoder(adapter, inputs)
            last, said = decoder[:, 0], decoder[:, 1:] if decoder.shape[1] > 1 else decoder
        else:
            words, encoder, said = by_generate(adapter, adapter.net, inputs, LENGTH)
            last = encoder[:, -1]
        return words, {
            "mean_generated": said.mean(1),
            "last_prompt": last,
            "mean_instruction": encoder[:, start : start + len(asked)].mean(1),
            "mean_image": encoder[:, :QUERIES].mean(1),
            "mean_prompt": encoder.mean(1),
        } | seen(adapter, inputs)

    states_are_those_of(reference, family)


def by_encoder(adapter, inputs):
    """The answer of generate, and the states of encoder and decoder from one forward of the whole model."""
    with torch.inference_mode():
        ids = adapter.net.generate(**inputs, max_new_tokens=LENGTH, do_sample=False)
        n = next((i for i, token in enumerate(ids[0, 1:]) if token in adapter.ends), LENGTH)
        out = adapter.net(**inputs, decoder_input_ids=ids[:, : n + 1], output_hidden_states=True)
    out = out.language_model_outputs
    encoder, decoder = (torch.stack(x)[:, 0] for x in (out.encoder_hidden_states, out.decoder_hidden_states))
    return adapter._text(ids[0, 1:]), encoder, decoder


@pytest.mark.parametrize("text", ["<image> and more", "?!", "dog " * 600])
def test_instructions_that_cannot_be_read(family, text):
    said = {"<": "a mark of", "?": "reads nothing", "d": "shorten the instruction"}[text[0]]
    with pytest.raises(ValueError, match=said):
        family.adapter.states(family.pictures[:1], text)


def test_without_an_instruction(family):
    """An empty one, as the control has it: BLIP-2 captions, with no question around nothing."""
    adapter = family.adapter
    answers, states = adapter.states(family.pictures[:2], "", ("last_prompt", "mean_image"), LENGTH)
    inputs = adapter.processor(images=[family.pictures[1]], text=[""], return_tensors="pt")
    with torch.inference_mode():
        ids = adapter.net.generate(**inputs, max_new_tokens=LENGTH, eos_token_id=adapter.ends.tolist())[0]
    assert answers[1] == adapter._text(ids[ids != language.IMAGE])
    assert states["last_prompt"].shape[0] == 2


@torch.inference_mode()
def test_probabilities_are_those_of_generate(family):
    """Of every token of an answer, for all kinds of language models: the likeliest are the answer's words."""
    adapter, text = family.adapter, family.texts[0]
    for i, picture in enumerate(family.pictures):
        steps = adapter.likely(picture, text, family.length, k=3)
        words = "".join(step[0][0] for step in steps if step[0][0] != "<eos>")
        assert words.lower() == family.pooled[text][0][i].lower().replace(" ", "")
        assert all(1 >= step[0][1] >= step[1][1] >= step[2][1] > 0 for step in steps)


@pytest.mark.parametrize("told", [None, 9_999])
def test_a_configuration_without_a_usable_id_for_the_picture(family, tmp_path, monkeypatch, told):
    """As before transformers 4.46, or one beyond the vocabulary: the picture's places need be no word."""
    name = family.adapter.model.name
    shutil.copytree(family.adapter.source, tmp_path / name)
    held = json.loads((tmp_path / name / "config.json").read_text())
    for key in ("image_token_index", "image_token_id"):
        held.pop(key, None)
    held |= {"image_token_index": told} if told else {}
    held["text_config"].pop("decoder_start_token_id", None)  # T5 starts with its padding, as it was trained
    (tmp_path / name / "config.json").write_text(json.dumps(held))
    monkeypatch.setenv("BRAINALIGN_MODELS", str(tmp_path))
    old = models.load(name, device="cpu", dtype="float32")
    answers, states = old.states(family.pictures[:2], ASKED[0], max_new_tokens=LENGTH)
    expected, truth = family.pooled[ASKED[0]]
    assert answers == expected[:2]
    for pooling, values in states.items():
        close(values, truth[pooling][:2])
