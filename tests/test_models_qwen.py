"""Qwen2.5-VL and Qwen3-VL with tiny random weights, held against transformers' own generate."""

import numpy as np
import pytest
import torch
from family_checks import CHECKS, Family, states_are_those_of
from tiny_text import liven, tokenizer

from brainalign import models
from brainalign.demo import drawing, language, scenes
from brainalign.models.qwen import PicturesOnly

ASKED = ("What is in this image?", "How many animals are there in the image?")
NAMES = ("qwen2.5-vl-7b", "qwen3-vl-8b")
MARKS = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
TEMPLATE = (  # as the published one writes a turn
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ c['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
END = language.vocabulary()["▁Orange"]


def text_config(words):
    return {
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "vocab_size": len(words),
        "max_position_embeddings": 400,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]},
    }


def nets(words):
    import transformers

    ids = words.convert_tokens_to_ids
    told = {
        "image_token_id": ids("<|image_pad|>"),
        "video_token_id": ids("<|video_pad|>"),
        "text_config": text_config(words),
    }
    told |= {"vision_start_token_id": ids("<|vision_start|>"), "vision_end_token_id": ids("<|vision_end|>")}
    vision = {"depth": 3, "hidden_size": 48, "intermediate_size": 64, "num_heads": 4, "out_hidden_size": 64}
    windows = {"window_size": 56, "fullatt_block_indexes": [1], "patch_size": 14}
    deep = {"deepstack_visual_indexes": [0, 2], "num_position_embeddings": 64, "patch_size": 14}
    for kind, own in (("Qwen2_5_VL", windows), ("Qwen3VL", deep)):
        config = getattr(transformers, f"{kind}Config")(vision_config=vision | own, **told)
        torch.manual_seed(1)
        yield liven(getattr(transformers, f"{kind}ForConditionalGeneration")(config).eval())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from transformers import Qwen2VLImageProcessorPil

    made, words = tmp_path_factory.mktemp("models"), tokenizer(MARKS, eos_token="<|im_end|>", pad_token="<pad>")
    pixels = Qwen2VLImageProcessorPil(patch_size=14, merge_size=2, size={"shortest_edge": 6000, "longest_edge": 14000})
    for name, net in zip(NAMES, nets(words)):
        net.generation_config.update(eos_token_id=[words.eos_token_id, END], pad_token_id=words.pad_token_id)
        net.save_pretrained(made / name)
        PicturesOnly(pixels, words, chat_template=TEMPLATE).save_pretrained(made / name)
    return made


@pytest.fixture(scope="module", params=NAMES)
def family(request, folder):
    drawn = [drawing.render(scenes.scene(i)) for i in range(4)]
    pictures = [drawn[0], drawn[1][:250], drawn[2], np.ascontiguousarray(drawn[3][:, :250])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINALIGN_MODELS", str(folder))
        return Family(models.load(request.param, device="cpu", dtype="float32"), pictures, ASKED)


@pytest.mark.parametrize("check", CHECKS)
def test_family(check, family, tmp_path):
    check(family, tmp_path)


def reference(adapter, length):
    """Answer and states by transformers' own processor call and generate, which works out positions for itself."""

    @torch.inference_mode()
    def states(picture, text):
        content = [{"type": "image"}, {"type": "text", "text": text}]
        turn = [{"role": "user", "content": content}]
        written = adapter.processor.apply_chat_template(turn, add_generation_prompt=True)
        inputs = adapter.processor(images=[picture], text=[written], return_tensors="pt")
        ids = inputs["input_ids"][0]
        kept = {"output_hidden_states": True, "return_dict_in_generate": True}
        out = adapter.net.generate(**inputs, max_new_tokens=length + 1, eos_token_id=9999, do_sample=False, **kept)
        new = out.sequences[0, len(ids) :][:length].tolist()
        n = next((i for i, token in enumerate(new) if token in (adapter.tokenizer.eos_token_id, END)), length)
        prompt = torch.stack(out.hidden_states[0])[:, 0]
        said = [torch.stack(step)[:, 0, 0] for step in out.hidden_states[1 : n + 1]]
        tower = adapter.net.get_image_features(
            inputs["pixel_values"], inputs["image_grid_thw"], output_hidden_states=True, return_dict=True
        )
        after = (ids == adapter.tokenizer.convert_tokens_to_ids("<|vision_end|>")).nonzero()[0, 0] + 1
        end = (ids == adapter.tokenizer.eos_token_id).nonzero()[-1, 0]
        return adapter.tokenizer.decode(new[: n + 1], skip_special_tokens=True).strip(), {
            "mean_generated": torch.stack(said).mean(0) if said else prompt[:, -1],
            "last_prompt": prompt[:, -1],
            "mean_instruction": prompt[:, after:end].mean(1),
            "mean_image": prompt[:, ids == adapter.net.config.image_token_id].mean(1),
            "mean_prompt": prompt.mean(1),
            "vision_mean": torch.stack(tower.hidden_states).mean(1),
            "connector_mean": tower.pooler_output[0].mean(0)[None],
        }

    return states


def test_states_are_those_of_generate(family):
    states_are_those_of(reference(family.adapter, family.length), family)


def test_positions_are_those_of_transformers(family):
    """For pictures of several shapes: rows and columns of the picture, then the text after it."""
    adapter = family.adapter
    for picture in family.pictures:
        inputs = adapter.processor.image_processor([picture], return_tensors="pt")
        n = int(inputs["image_grid_thw"].prod()) // 4
        adapter._see([picture], ())
        ids = adapter._prompt(ASKED[0], n, 5).ids[None]
        kinds = (ids == adapter.net.config.image_token_id).int()
        expected, _ = adapter.net.model.get_rope_index(ids, kinds, inputs["image_grid_thw"])
        found = adapter._rotary(torch.arange(ids.shape[1])[None])
        assert torch.equal(found, expected)


def test_pictures_have_as_many_tokens_as_their_shape_asks_for(family):
    counts = [len(family.adapter._see([picture], ()).tokens[0]) for picture in family.pictures]
    assert counts == [16, 15, 16, 15], "of 4 x 4, 3 x 5, 4 x 4 and 5 x 3"


def test_deepstack_reaches_the_language_model(folder, monkeypatch):
    """Without what rides along behind the tokens, Qwen3-VL's states are others."""
    monkeypatch.setenv("BRAINALIGN_MODELS", str(folder))
    adapter = models.load("qwen3-vl-8b", device="cpu", dtype="float32")
    picture = drawing.render(scenes.scene(0))
    states = adapter.states([picture], ASKED[0], ("mean_image",))[1]["mean_image"]
    size = adapter.net.config.text_config.hidden_size
    monkeypatch.setattr(adapter, "_tokens_of", lambda seen: [tokens[:, :size] for tokens in seen.pooler_output])
    without = adapter.states([picture], ASKED[0], ("mean_image",))[1]["mean_image"]
    np.testing.assert_allclose(without[:, 0], states[:, 0], atol=1e-5)
    assert np.abs(without[:, 2] - states[:, 2]).max() > 0.01 * np.abs(states[:, 2]).max()


def test_random_weights_know_where_an_answer_ends(folder, monkeypatch):
    """As the trained ones do: from the tokenizer and from the checkpoint's settings."""
    monkeypatch.setenv("BRAINALIGN_MODELS", str(folder))
    control = models.load("qwen3-vl-8b-random", device="cpu", dtype="float32")
    assert control.ends.tolist() == sorted([END, control.tokenizer.convert_tokens_to_ids("<|im_end|>")])


def test_the_published_layout_of_the_processor_is_read(folder, tmp_path):
    """Older checkpoints keep the parts in preprocessor_config.json and chat_template.json, and name a fast class."""
    import json

    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(folder / NAMES[0]).save_pretrained(tmp_path)
    (tmp_path / "chat_template.json").write_text(json.dumps({"chat_template": TEMPLATE}))
    told = {"min_pixels": 3136, "max_pixels": 12845056, "patch_size": 14, "merge_size": 2, "temporal_patch_size": 2}
    told |= {"image_processor_type": "Qwen2VLImageProcessorFast", "processor_class": "Qwen2_5_VLProcessor"}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(told))
    read = PicturesOnly.from_pretrained(tmp_path, backend="pil")
    assert read.chat_template == TEMPLATE
    assert read.image_processor.size["longest_edge"] == 12845056
