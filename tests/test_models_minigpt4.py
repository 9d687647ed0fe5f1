"""MiniGPT-4 composed from small files with the published names, held against its parts run by hand."""

import json
import shutil
from types import SimpleNamespace

import pytest
import torch
from family_checks import CHECKS, Family, by_generate, of_the_tower, states_are_those_of
from tiny_text import liven
from torch.nn.functional import layer_norm

from brainalign import models
from brainalign.demo import drawing, language, scenes
from brainalign.models import compose as compose_module
from brainalign.models import minigpt4, plain, streaming
from brainalign.models.compose import compose, main

ASKED = ("What is in this image?", "How many animals are there in the image?")
KINDS = {"minigpt4-vicuna-7b": "vicuna", "minigpt4-llama2-7b": "llama2"}
LENGTH, QUERIES, SIDE, SIZE, WORDS = 10, 5, 28, 48, 64
SAID = (
    "Give the following image: <Img>ImageContent</Img>. You will be able to see the image once I provide it to you. "
)
SAID += "Please answer my questions."
TEMPLATES = {  # before and after the picture
    "vicuna": (SAID + "###Human: <Img>", "</Img> {}###Assistant: "),
    "llama2": (SAID + "<s>[INST] <Img>", "</Img> {} [/INST] "),
}


def word(token):
    return language.vocabulary()[token]


@pytest.fixture(scope="module", autouse=True)
def stops():
    """Words of the small vocabulary stand for ### in its two spellings."""
    with pytest.MonkeyPatch.context() as patch:
        for part in (minigpt4.Minigpt4, plain.Amid):
            patch.setattr(part, "turn", (word("▁Forest"),))
            patch.setattr(part, "pairs", ((word("▁buildings"), word("▁buildings")),))
        yield


def words():
    from tokenizers.processors import TemplateProcessing

    made = language.tokenizer()
    made.backend_tokenizer.post_processor = TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 1)])
    return made


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """The published files: BLIP-2, a LLaMA and, for each version, a .pth with the trained matrix."""
    import transformers

    folder = tmp_path_factory.mktemp("published")
    shape = {"hidden_size": SIZE, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4}
    tower = transformers.Blip2VisionConfig(**shape, image_size=SIDE, patch_size=7, initializer_range=0.02)
    queries = transformers.Blip2QFormerConfig(**shape, encoder_hidden_size=SIZE)
    t5 = transformers.T5Config(d_model=16, d_kv=4, d_ff=16, num_layers=1, num_heads=2, vocab_size=50)
    told = {"vision_config": tower, "qformer_config": queries, "text_config": t5, "num_query_tokens": QUERIES}
    torch.manual_seed(5)
    blip2 = liven(transformers.Blip2ForConditionalGeneration(transformers.Blip2Config(**told)).eval(), 8, ["language"])
    blip2.query_tokens.data.normal_()
    for norm in (blip2.vision_model.post_layernorm.weight, blip2.vision_model.post_layernorm.bias):
        norm.data += 0.3 * torch.randn(SIZE)
    blip2.save_pretrained(folder / "blip2")
    told = {"vocab_size": len(language.vocabulary()), "max_position_embeddings": 200, "bos_token_id": 1}
    told |= {"eos_token_id": language.EOS, "pad_token_id": language.PAD}
    llama = transformers.LlamaForCausalLM(transformers.LlamaConfig(**shape | {"hidden_size": WORDS}, **told)).eval()
    liven(llama, 8).save_pretrained(folder / "llama", max_shard_size="100KB")
    words().save_pretrained(folder / "llama")
    for kind, columns in (("vicuna", SIZE), ("llama2", 4 * SIZE)):
        matrix = {"llama_proj.weight": torch.randn(WORDS, columns) * 0.3, "llama_proj.bias": torch.randn(WORDS)}
        torch.save({"model": matrix, "config": {"model": {"arch": "mini_gpt4"}}, "epoch": 0}, folder / f"{kind}.pth")
    return folder


@pytest.fixture(scope="module", params=KINDS)
def family(request, parts, tmp_path_factory):
    name, folder = request.param, tmp_path_factory.mktemp("models")
    compose(parts / f"{KINDS[name]}.pth", parts / "blip2", parts / "llama", folder / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINALIGN_MODELS", str(folder))
        assert models.missing(name) == ""
        adapter = models.load(name, device="cpu", dtype="float32")
    return Family(adapter, [drawing.render(scenes.scene(i)) for i in range(4)], ASKED, LENGTH)


@pytest.mark.parametrize("check", CHECKS)
def test_family(check, family, tmp_path):
    check(family, tmp_path)


class ByHand:
    """The parts as published, put together by their formulas."""

    def __init__(self, parts, kind):
        from transformers import Blip2ForConditionalGeneration, LlamaForCausalLM

        self.kind = kind
        self.blip2 = Blip2ForConditionalGeneration.from_pretrained(parts / "blip2").eval()
        self.llama = LlamaForCausalLM.from_pretrained(parts / "llama").eval()
        self.matrix = torch.load(parts / f"{kind}.pth", weights_only=True)["model"]

    def look(self, pixels):
        """Tokens (n_tokens, WORDS), and the poolings on the way to them."""
        tower, told = self.blip2.vision_model, {"output_hidden_states": True, "return_dict": True}
        layers = tower(pixels, **told).hidden_states
        norm = (tower.post_layernorm.weight, tower.post_layernorm.bias) if self.kind == "vicuna" else ()
        patches = layer_norm(layers[-1], (SIZE,), *norm, eps=1e-5)
        if self.kind == "vicuna":
            queries = {"query_embeds": self.blip2.query_tokens, "encoder_hidden_states": patches}
            seen = self.blip2.qformer(**queries, **told)
            handed, connector = seen.last_hidden_state[0], torch.stack([x[0].mean(0) for x in seen.hidden_states])
        else:
            handed, connector = patches[0, 1:].reshape(4, 4 * SIZE), None
        tokens = handed @ self.matrix["llama_proj.weight"].T + self.matrix["llama_proj.bias"]
        connector = tokens.mean(0)[None] if connector is None else connector
        return tokens, of_the_tower(layers) | {"connector_mean": connector}


def test_states_are_those_of_the_parts(family, parts):
    adapter = family.adapter
    hand = ByHand(parts, KINDS[adapter.model.name])
    before, after = TEMPLATES[hand.kind]
    stopped = set()

    @torch.inference_mode()
    def reference(picture, text):
        tokens, pooled = hand.look(adapter.processor.image_processor([picture], return_tensors="pt")["pixel_values"])
        asked = [word("▁" + part) for part in language.asked_words(text)]
        head, rest = words()(before)["input_ids"], words()(after.format(text), add_special_tokens=False)["input_ids"]
        start = next(i for i in range(len(rest)) if rest[i : i + len(asked)] == asked) + len(head) + len(tokens)
        embed = hand.llama.get_input_embeddings()
        embeds = torch.cat([embed(torch.tensor(head)), tokens, embed(torch.tensor(rest))])[None]
        inputs = {"inputs_embeds": embeds, "attention_mask": torch.ones(embeds.shape[:2], dtype=torch.long)}
        answer, prompt, said = by_generate(adapter, hand.llama, inputs, LENGTH)
        stopped.add(said.shape[1])
        return answer, pooled | {
            "mean_generated": said.mean(1),
            "last_prompt": prompt[:, -1],
            "mean_instruction": prompt[:, start : start + len(asked)].mean(1),
            "mean_image": prompt[:, len(head) : len(head) + len(tokens)].mean(1),
            "mean_prompt": prompt.mean(1),
        }

    states_are_those_of(reference, family)
    assert (len(stopped) > 2) == (hand.kind == "vicuna"), "answers that end on either mark were meant to be tested"


def test_the_mark_of_a_turn_never_shows_in_pieces():
    """Its first half is held back until it is known whether the other follows."""
    said = [" A", " C", "#", " is", " here", "##", "#"]
    adapter = object.__new__(minigpt4.Minigpt4)
    adapter.tokenizer = SimpleNamespace(decode=lambda ids, **_: "".join(said[i] for i in ids))
    shown = []
    stream = SimpleNamespace(emit=shown.append, flush=shown.append)
    pieces = streaming.Pieces(stream, adapter._text, adapter.unsure)
    pieces.put(torch.tensor([0]))  # the prompt
    for i in range(len(said)):
        pieces.put(torch.tensor([i]))
    pieces.end()
    assert "".join(shown) == "A C# is here" == adapter._text(range(len(said)))


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"model": {"other.weight": torch.zeros(2)}}, "has no llama_proj.weight; expected .* it has other.weight"),
        (torch.zeros(8, SIZE), "makes tokens of 8 dimensions, .*llama has 64"),
        (torch.zeros(WORDS, 7), r"has 7 columns, expected 48 \(Vicuna\) or 192 \(Llama-2\)"),
        ([1, 2], "has no llama_proj.weight; expected .* it has nothing"),
        (SimpleNamespace(), "is not a file of weights alone"),
    ],
)
def test_files_that_do_not_fit(parts, tmp_path, capsys, monkeypatch, held, message):
    if isinstance(held, torch.Tensor):
        held = {"model": {"llama_proj.weight": held, "llama_proj.bias": torch.zeros(len(held))}}
    torch.save(held, tmp_path / "other.pth")
    files = [str(place) for place in (tmp_path / "other.pth", parts / "blip2", parts / "llama", tmp_path / "made")]
    with pytest.raises(models.ModelError, match=message):
        compose(*files)
    monkeypatch.setattr("sys.argv", ["compose", *files])
    with pytest.raises(SystemExit, match=message):
        main()
    assert not (tmp_path / "made").exists()


def shapes(vision, language, folder):
    """Configurations alone: the matrix is looked at before any weight."""
    folders = {"blip2": {"vision_config": {"hidden_size": 1408}, "qformer_config": {"hidden_size": vision}}}
    for name, config in (folders | {"llama": {"hidden_size": language}}).items():
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps(config))
    return compose_module._config, folder / "blip2", folder / "llama"


@pytest.mark.parametrize(
    ("found", "language", "says"),
    [
        ((5120, 768), 4096, r"768 x 5120.* has 4096; the one for it is prerained_minigpt4_7b\.pth .*Space"),
        ((4096, 768), 5120, r"768 x 4096.* has 5120; the one for it is the \.pth of the repository .*768 x 5120"),
        ((4096, 5632), 5120, r"5632 x 4096.* has 5120; take the language model"),
    ],
)
def test_the_published_matrix_of_the_other_size_is_named(tmp_path, found, language, says):
    config, *places = shapes(768, language, tmp_path)
    with pytest.raises(models.ModelError, match=says):
        config(torch.zeros(found, device="meta"), *places)


def test_places_in_another_order_are_told(parts, tmp_path):
    with pytest.raises(
        models.ModelError, match=r"llama has no vision_config\. Expected the folder of .*blip2-flan-t5-xxl"
    ):
        compose(parts / "vicuna.pth", parts / "llama", parts / "blip2", tmp_path / "made")
    with pytest.raises(models.ModelError, match=r"blip2 has no .*\. Expected that of a LLaMA"):
        compose(parts / "vicuna.pth", parts / "blip2", parts / "blip2", tmp_path / "made")
    (tmp_path / "empty.pth").touch()
    with pytest.raises(models.ModelError, match="is not a file of weights alone"):
        compose(tmp_path / "empty.pth", parts / "blip2", parts / "llama", tmp_path / "made")


def test_what_the_parts_lack_is_said_before_anything_is_written(parts, tmp_path):
    shutil.copytree(parts / "llama", tmp_path / "llama")
    (tmp_path / "llama/tokenizer.json").unlink()
    with pytest.raises(models.ModelError, match=r"llama has no tokenizer: tokenizer\.json or tokenizer\.model"):
        compose(parts / "vicuna.pth", parts / "blip2", tmp_path / "llama", tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_it_says_how_to_compose(monkeypatch, tmp_path):
    monkeypatch.setenv("BRAINALIGN_MODELS", str(tmp_path))
    said = models.missing("minigpt4-vicuna-7b")
    assert f"python -m brainalign.models.compose PTH BLIP2 LANGUAGE {tmp_path}/minigpt4-vicuna-7b" in said
    assert "prerained_minigpt4_7b.pth (spelt so) of the Space Vision-CAIR/minigpt4, a matrix of 768 x 4096" in said
    assert "Vision-CAIR/MiniGPT-4 (47.4 MB), a matrix of 768 x 5120 is that of 13B" in said
    monkeypatch.setattr("sys.argv", ["compose"])
    with pytest.raises(SystemExit, match=r"PTH : the published \.pth of MiniGPT-4"):
        main()
