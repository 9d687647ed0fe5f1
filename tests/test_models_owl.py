"""mPLUG-Owl: a small checkpoint with the published key names, held against its formulas and LLaMA's own generate."""

import json

import numpy as np
import pytest
import torch
from family_checks import CHECKS, Family, by_generate, of_the_tower, states_are_those_of
from safetensors.torch import load_file, save_file
from tiny_text import tokenizer
from torch.nn.functional import layer_norm, linear, silu

from brainalign import models
from brainalign.demo import drawing, language, scenes

ASKED = ("What is in this image?", "How many animals are there in the image?")
NAME = "mplug-owl-7b"
SIZE, INNER, HEADS, LAYERS, QUERIES, WORDS = 32, 48, 4, 2, 5, 64
END = language.vocabulary()["▁Orange"]
SQUASHED = {"image_processor_type": "MplugOwlImageProcessor", "size": {"height": 28, "width": 28}}


def config(n_words):
    """As the published config.json is laid out."""
    tower = {
        "hidden_size": SIZE,
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
    }
    text = {"hidden_size": WORDS, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4}
    return {
        "architectures": ["MplugOwlForConditionalGeneration"],
        "model_type": "mplug-owl",
        "num_query_tokens": QUERIES,
        "vision_config": tower | {"image_size": 28, "patch_size": 14, "model_type": "mplug_owl_vision_model"},
        "visual_abstractor_config": tower | {"encoder_hidden_size": SIZE, "model_type": "mplug_owl_visual_abstract"},
        "text_config": text | {"vocab_size": n_words, "max_position_embeddings": 200, "model_type": "llama"},
    }


def published(n_words):
    """Random weights under the names of the published checkpoint."""
    torch.manual_seed(3)
    held = {
        "query_tokens": torch.randn(1, QUERIES, SIZE),
        "abstractor.vit_eos": torch.randn(1, 1, WORDS),
        "vision_model.embeddings.cls_token": torch.randn(1, 1, SIZE),
        "vision_model.embeddings.position_embedding": torch.randn(1, 5, SIZE),
        "vision_model.embeddings.patch_embed.weight": torch.randn(SIZE, 3, 14, 14) * 0.1,
        "language_model.model.embed_tokens.weight": torch.randn(n_words, WORDS),
        "language_model.lm_head.weight": torch.randn(n_words, WORDS),
        "language_model.model.norm.weight": 1 + 0.1 * torch.randn(WORDS),
    }

    def matrices(prefix, **shapes):
        for name, (rows, columns) in shapes.items():
            held[f"{prefix}{name.replace('__', '.')}.weight"] = torch.randn(rows, columns) / columns**0.5 * 1.5
            if not prefix.startswith("language"):
                held[f"{prefix}{name.replace('__', '.')}.bias"] = torch.randn(rows) * 0.2

    def norms(prefix, **sizes):
        for name, size in sizes.items():
            held[f"{prefix}{name.replace('__', '.')}.weight"] = 1 + 0.2 * torch.randn(size)
            if not prefix.startswith("language"):
                held[f"{prefix}{name.replace('__', '.')}.bias"] = 0.2 * torch.randn(size)

    norms("vision_model.", embeddings__pre_layernorm=SIZE, post_layernorm=SIZE)
    matrices("abstractor.", visual_fc=(WORDS, SIZE))
    square, up, down = (SIZE, SIZE), (INNER, SIZE), (SIZE, INNER)
    for i in range(LAYERS):
        at = f"vision_model.encoder.layers.{i}."
        matrices(at, self_attn__query_key_value=(3 * SIZE, SIZE), self_attn__dense=square, mlp__fc1=up, mlp__fc2=down)
        norms(at, input_layernorm=SIZE, post_attention_layernorm=SIZE)
        at = f"abstractor.encoder.layers.{i}.crossattention."
        matrices(at, attention__query=square, attention__key=square, attention__value=square, output__out_proj=square)
        matrices(at, output__mlp__w1=up, output__mlp__w2=down, output__mlp__w3=up)
        norms(at, norm1=SIZE, normk=SIZE, output__norm2=SIZE, output__mlp__ffn_ln=INNER)
    for i in range(3):
        at = f"language_model.model.layers.{i}."
        matrices(at, **{f"self_attn__{part}_proj": (WORDS, WORDS) for part in "qkvo"})
        matrices(at, mlp__gate_proj=(96, WORDS), mlp__up_proj=(96, WORDS), mlp__down_proj=(WORDS, 96))
        norms(at, input_layernorm=WORDS, post_attention_layernorm=WORDS)
    return held


def write(folder, save):
    folder.mkdir(parents=True)
    words = tokenizer(bos_token="<s>", eos_token="</s>")
    words.save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(config(len(words))))
    (folder / "preprocessor_config.json").write_text(json.dumps(SQUASHED | {"do_center_crop": False}))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [words.eos_token_id, END]}))
    held = published(len(words))
    save(held, folder)
    return held


def as_safetensors(held, folder):
    save_file(held, folder / "model.safetensors", {"format": "pt"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("models")
    write(made / NAME, as_safetensors)
    return made


@pytest.fixture(scope="module")
def family(folder):
    pictures = [drawing.render(scenes.scene(i)) for i in range(4)]
    pictures[1] = pictures[1][:300]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINALIGN_MODELS", str(folder))
        return Family(models.load(NAME, device="cpu", dtype="float32"), pictures, ASKED)


@pytest.mark.parametrize("check", CHECKS)
def test_family(check, family, tmp_path):
    check(family, tmp_path)


def attend(query, key, value):
    """(n_tokens, size) each, all heads' features one after another."""
    split = [x.reshape(len(x), HEADS, -1).transpose(0, 1) for x in (query, key, value)]
    scores = split[0] @ split[1].transpose(1, 2) / split[0].shape[-1] ** 0.5
    return (scores.softmax(-1) @ split[2]).transpose(0, 1).reshape(len(query), -1)


class ByTheBook:
    """The published model's vision part, straight from the published names."""

    def __init__(self, held):
        self.held = held

    def linear(self, x, name):
        return linear(x, self.held[f"{name}.weight"], self.held[f"{name}.bias"])

    def norm(self, x, name, eps=1e-5):
        weight = self.held[f"{name}.weight"]
        return layer_norm(x, weight.shape, weight, self.held[f"{name}.bias"], eps)

    def tower(self, pixels):
        """States (n_tokens, SIZE) after the embeddings and each block. pixels : (3, 28, 28)"""
        at = "vision_model.embeddings."
        patches = pixels.reshape(3, 2, 14, 2, 14).permute(1, 3, 0, 2, 4).reshape(4, -1)
        x = patches @ self.held[at + "patch_embed.weight"].reshape(SIZE, -1).T
        x = torch.cat([self.held[at + "cls_token"][0], x]) + self.held[at + "position_embedding"][0]
        states = [self.norm(x, at + "pre_layernorm", 1e-6)]
        for i in range(LAYERS):
            at, x = f"vision_model.encoder.layers.{i}.", states[-1]
            fused = self.linear(self.norm(x, at + "input_layernorm", 1e-6), at + "self_attn.query_key_value")
            parts = fused.reshape(len(x), HEADS, 3, -1).permute(2, 0, 1, 3).reshape(3, len(x), SIZE)
            x = x + self.linear(attend(*parts), at + "self_attn.dense")
            inner = self.linear(self.norm(x, at + "post_attention_layernorm", 1e-6), at + "mlp.fc1")
            states.append(x + self.linear(inner * torch.sigmoid(1.702 * inner), at + "mlp.fc2"))
        return states

    def tokens(self, state):
        """The abstractor: (QUERIES + 1, WORDS) from the tower's last state."""
        seen, queries = self.norm(state, "vision_model.post_layernorm", 1e-6), self.held["query_tokens"][0]
        for i in range(LAYERS):
            at = f"abstractor.encoder.layers.{i}.crossattention."
            queries = self.norm(queries, at + "norm1")
            both = torch.cat([queries, self.norm(seen, at + "normk")])
            parts = [self.linear(x, f"{at}attention.{name}") for x, name in zip((queries, both, both), KINDS)]
            x = queries + self.linear(attend(*parts), at + "output.out_proj")
            at += "output."
            y = self.norm(x, at + "norm2")
            inner = silu(self.linear(y, at + "mlp.w1")) * self.linear(y, at + "mlp.w3")
            queries = x + self.linear(self.norm(inner, at + "mlp.ffn_ln", 1e-6), at + "mlp.w2")
        return torch.cat([self.linear(queries, "abstractor.visual_fc"), self.held["abstractor.vit_eos"][0]])


KINDS = ("query", "key", "value")
MEAN, DEVIATION = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]


def squashed(picture):
    from PIL import Image

    small = np.asarray(Image.fromarray(picture).resize((28, 28), Image.Resampling.BICUBIC), np.float32) / 255
    return torch.from_numpy(((small - np.float32(MEAN)) / np.float32(DEVIATION)).transpose(2, 0, 1))


def test_states_are_those_of_the_published_formulas(family, folder):
    adapter, book = family.adapter, ByTheBook(load_file(folder / NAME / "model.safetensors"))
    before = (
        "The following is a conversation between a curious human and AI assistant. The assistant gives helpful, "
        "detailed, and polite answers to the user's questions.\nHuman: "
    )

    @torch.inference_mode()
    def states(picture, text):
        tower = book.tower(squashed(picture))
        tokens, language_model = book.tokens(tower[-1]), adapter.net.language_model
        segments = [f"{before}", "\nHuman: ", text, "\nAI: "]
        head, turn, asked, rest = (adapter.tokenizer.encode(part, add_special_tokens=False) for part in segments)
        words = language_model.model.embed_tokens
        start = [adapter.tokenizer.bos_token_id, *head]
        embeds = torch.cat([words(torch.tensor(start)), tokens, words(torch.tensor(turn + asked + rest))])
        inputs = {"inputs_embeds": embeds[None], "attention_mask": torch.ones(1, len(embeds), dtype=torch.long)}
        answer, prompt, said = by_generate(adapter, language_model, inputs, family.length)
        shown = len(start) + QUERIES + 1
        return answer, {
            "mean_generated": said.mean(1),
            "last_prompt": prompt[:, -1],
            "mean_instruction": prompt[:, shown + len(turn) : shown + len(turn + asked)].mean(1),
            "mean_image": prompt[:, len(start) : shown].mean(1),
            "mean_prompt": prompt.mean(1),
            **of_the_tower([state[None] for state in tower]),
            "connector_mean": tokens[:-1].mean(0)[None],
        }

    states_are_those_of(states, family)


def test_saved_again_it_has_the_published_names_and_weights(family, folder, tmp_path):
    family.adapter.net.save_pretrained(tmp_path)
    held, again = load_file(folder / NAME / "model.safetensors"), load_file(tmp_path / "model.safetensors")
    assert set(again) == set(held)
    for name, weights in held.items():
        assert torch.equal(again[name], weights), name


def as_shards(held, folder):
    """Two files that torch.save wrote, as published, with the leftovers of older LLaMAs."""
    held = held | {"language_model.model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(8)}
    files, names = {}, sorted(held)
    for i, half in enumerate((names[::2], names[1::2])):
        file = f"pytorch_model-0000{i + 1}-of-00002.bin"
        torch.save({name: held[name] for name in half}, folder / file)
        files |= dict.fromkeys(half, file)
    told = {"metadata": {"total_size": 1}, "weight_map": files}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(told))


def test_shards_as_published_are_read(family, tmp_path, monkeypatch):
    write(tmp_path / NAME, as_shards)
    monkeypatch.setenv("BRAINALIGN_MODELS", str(tmp_path))
    assert models.available(NAME)
    again = models.load(NAME, device="cpu", dtype="float32")
    for (name, weights), other in zip(family.adapter.net.named_parameters(), again.net.parameters()):
        assert torch.equal(weights, other), name
    assert again.checkpoint_info["revision"].startswith("sha256:")


def test_pictures_are_squashed_though_the_settings_crop(family, tmp_path, monkeypatch):
    """As the publishers' own processor does; nothing of a picture is lost."""
    write(tmp_path / NAME, as_safetensors)
    told = {"size": 28, "crop_size": 28, "do_center_crop": True, "do_resize": True}
    (tmp_path / NAME / "preprocessor_config.json").write_text(json.dumps(told))
    monkeypatch.setenv("BRAINALIGN_MODELS", str(tmp_path))
    again = models.load(NAME, device="cpu", dtype="float32")
    found = again.states(family.pictures, ASKED[0], ("vision_mean",))[1]["vision_mean"]
    np.testing.assert_allclose(found, family.pooled[ASKED[0]][1]["vision_mean"], atol=1e-6)
    assert again.unseen(family.pictures[1]) == (0, 0)


def test_a_weight_that_is_lost_is_named(tmp_path, monkeypatch):
    def without(held, folder):
        as_safetensors(
            {name: weights for name, weights in held.items() if "layers.1.self_attn.query" not in name}, folder
        )

    write(tmp_path / NAME, without)
    monkeypatch.setenv("BRAINALIGN_MODELS", str(tmp_path))
    with pytest.raises(models.ModelError, match=r"the first is vision_model.encoder.layers.1.self_attn.k_proj.bias"):
        models.load(NAME, device="cpu", dtype="float32")
