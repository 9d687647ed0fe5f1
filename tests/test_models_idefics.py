"""IDEFICS with tiny random weights, held against transformers' own processor and generate."""

import json
import shutil

import pytest
import torch
from family_checks import CHECKS, Family, close, states_are_those_of
from tiny_text import liven, tokenizer

from brainalign import models
from brainalign.demo import drawing, language, scenes
from brainalign.models import prefix

ASKED = ("What is in this image?", "How many animals are there in the image?")
NAME = "idefics-9b-instruct"
MARKS = ("<fake_token_around_image>", "<end_of_utterance>")
END = language.vocabulary()["▁Orange"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from transformers import IdeficsConfig, IdeficsForVisionText2Text, IdeficsImageProcessorPil, IdeficsProcessor

    made, words = tmp_path_factory.mktemp("models"), tokenizer(MARKS, bos_token="<s>", eos_token="</s>")
    config = IdeficsConfig(
        vocab_size=len(words) - 3,
        additional_vocab_size=3,  # as the published one has for its marks
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=200,
        alpha_initializer="ones",  # gates that start at 0 would hide the picture
        cross_layer_interval=2,
        qk_layer_norms=True,
        use_resampler=True,
        vision_config={"embed_dim": 48, "image_size": 56, "intermediate_size": 64, "num_hidden_layers": 3}
        | {"patch_size": 14, "num_attention_heads": 4},
        perceiver_config={"use_resampler": True, "resampler_n_latents": 5, "resampler_depth": 2}
        | {"resampler_n_heads": 2, "resampler_head_dim": 16, "qk_layer_norms_perceiver": True},
        pad_token_id=words.pad_token_id,
    )
    torch.manual_seed(2)
    net = liven(IdeficsForVisionText2Text(config).eval())
    net.generation_config.update(eos_token_id=END, pad_token_id=words.pad_token_id)
    net.save_pretrained(made / NAME)
    IdeficsProcessor(IdeficsImageProcessorPil(image_size=56), words).save_pretrained(made / NAME)
    return made


def loaded(folder, name):
    pictures = [drawing.render(scenes.scene(i)) for i in range(4)]
    pictures[1] = pictures[1][:300]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINALIGN_MODELS", str(folder))
        return Family(models.load(name, device="cpu", dtype="float32"), pictures, ASKED)


@pytest.fixture(scope="module")
def family(folder):
    return loaded(folder, NAME)


@pytest.fixture(scope="module")
def authors(folder):
    return loaded(folder, f"{NAME}-authors")


@pytest.mark.parametrize("kind", ["family", "authors"])
@pytest.mark.parametrize("check", CHECKS)
def test_family(check, kind, request, tmp_path):
    check(request.getfixturevalue(kind), tmp_path)


def picture_first(picture, text):
    return ["User:", picture, f"{text}<end_of_utterance>", "\nAssistant:"]


def text_first(picture, text):
    """As the published example and the code of the paper's authors have it."""
    return [f"User: {text}", picture, "<end_of_utterance>", "\nAssistant:"]


def by_the_book(family, written):
    """Answer and states by transformers' own processor call and generate, from the picture's pixels on.

    written(picture, text) : what the processor is given
    """
    adapter, length, recorded = family.adapter, family.length, {}
    id_of = adapter.tokenizer.convert_tokens_to_ids
    tower, perceiver = adapter.net.model.vision_model, adapter.net.model.perceiver_resampler

    def keep(name):
        return lambda module, args, out: recorded.setdefault(name, out)

    @torch.inference_mode()
    def states(picture, text):
        inputs = adapter.processor(
            text=[written(picture, text)], add_end_of_utterance_token=False, return_tensors="pt"
        )
        ids = inputs["input_ids"][0]
        recorded.clear()
        hooks = [layer.register_forward_hook(keep(i + 1)) for i, layer in enumerate(tower.encoder.layers)]
        hooks += [tower.pre_layrnorm.register_forward_hook(keep(0)), perceiver.register_forward_hook(keep("tokens"))]
        out = adapter.net.generate(
            **inputs,
            max_new_tokens=length + 1,
            eos_token_id=9999,
            bad_words_ids=[[id_of("<image>")], [id_of("<fake_token_around_image>")]],
            do_sample=False,
            output_hidden_states=True,
            return_dict_in_generate=True,
        )
        for hook in hooks:
            hook.remove()
        new = out.sequences[0, len(ids) :][:length].tolist()
        n = next((i for i, token in enumerate(new) if token in (END, id_of("<end_of_utterance>"))), length)
        prompt = torch.stack(out.hidden_states[0])[:, 0]
        after = (ids == id_of("<fake_token_around_image>")).nonzero()[-1, 0] + 1
        end = (ids == id_of("<end_of_utterance>")).nonzero()[0, 0]
        steps = [torch.stack(step)[:, 0, 0] for step in out.hidden_states[1 : n + 1]]
        seen = torch.stack([recorded[i][0] for i in range(len(tower.encoder.layers) + 1)])
        asked = {"mean_instruction": prompt[:, after:end].mean(1)} if written is picture_first else {}
        return adapter.tokenizer.decode(new[: n + 1], skip_special_tokens=True).strip(), asked | {
            "mean_generated": torch.stack(steps).mean(0) if steps else prompt[:, -1],
            "last_prompt": prompt[:, -1],
            "mean_image": prompt[:, ids == id_of("<image>")][:, 0],
            "mean_prompt": prompt.mean(1),
            "vision_mean": seen[:, 1:].mean(1),
            "vision_cls": seen[:, 0],
            "connector_mean": recorded["tokens"][0].mean(0)[None],
        }

    return states


def test_states_are_those_of_generate(family):
    states_are_those_of(by_the_book(family, picture_first), family)


def test_states_with_the_text_first_are_those_of_generate(authors):
    """Where every state at the picture depends on the instruction, which is nothing that instructions could share."""
    states_are_those_of(by_the_book(authors, text_first), authors)
    fakes = "<fake_token_around_image><image><fake_token_around_image>"
    assert authors.adapter.sent(ASKED[0]) == f"<s>User: {ASKED[0]}{fakes}<end_of_utterance>\nAssistant:"
    one, other = (authors.pooled[text][1]["mean_image"] for text in ASKED)
    assert abs(one - other).max() > 1e-2


def test_the_authors_prompt_is_part_of_the_identity(folder, monkeypatch):
    monkeypatch.setenv("BRAINALIGN_MODELS", str(folder))
    plain, asked = models.identity(NAME), models.identity(f"{NAME}-authors")
    assert asked == plain | {"prompt": "authors"}
    assert models.identity(f"{NAME}-authors-shuffled") == asked | {"control": "shuffled"}


def test_the_picture_stays_in_view_of_many_instructions(family, monkeypatch):
    """More instructions than are answered at once go on from a copy of the picture's cache."""
    monkeypatch.setattr(prefix, "TOGETHER", 1)
    found = family.states_many(family.pictures, family.texts)
    for text in family.texts:
        assert found[text][0] == family.pooled[text][0]
        for pooling, states in found[text][1].items():
            close(states, family.pooled[text][1][pooling])


def test_random_weights_see_the_picture(folder, family, tmp_path, monkeypatch):
    """Though the published shape starts with closed gates."""
    shutil.copytree(folder / NAME, tmp_path / NAME)
    told = json.loads((tmp_path / NAME / "config.json").read_text()) | {"alpha_initializer": "zeros"}
    (tmp_path / NAME / "config.json").write_text(json.dumps(told))
    monkeypatch.setenv("BRAINALIGN_MODELS", str(tmp_path))
    control = models.load(f"{NAME}-random", device="cpu", dtype="float32")
    states = control.states(family.pictures[:2], ASKED[0], ("last_prompt",))[1]["last_prompt"]
    assert (states[0, 1:] != states[1, 1:]).any(-1).all()


def test_an_answer_ends_with_the_utterance_and_has_no_pictures(family, monkeypatch):
    adapter = family.adapter
    mark, end, sentence = adapter.tokenizer.convert_tokens_to_ids([*MARKS, "</s>"])
    assert adapter.ends.tolist() == sorted([END, end, sentence, adapter.net.config.eos_token_id])
    logits = torch.zeros(1, 1, len(adapter.tokenizer))
    logits[..., mark], logits[..., language.IMAGE], logits[..., 7] = 3, 2, 1
    monkeypatch.setattr(adapter.net.lm_head, "forward", lambda final: logits)
    assert adapter._predict(torch.zeros(1, 1, 64)) == 7


def test_the_base_model_is_asked_in_its_own_format(folder, family, tmp_path, monkeypatch):
    """Its tokenizer has no mark for an utterance's end: the prompt has none, and no other token becomes an end."""
    from transformers import AutoTokenizer, IdeficsImageProcessorPil, IdeficsProcessor

    shutil.copytree(folder / NAME, tmp_path / "idefics-9b")
    words = tokenizer(MARKS[:1], bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    IdeficsProcessor(IdeficsImageProcessorPil(image_size=56), words).save_pretrained(tmp_path / "idefics-9b")
    assert MARKS[1] not in AutoTokenizer.from_pretrained(tmp_path / "idefics-9b").get_vocab()
    monkeypatch.setenv("BRAINALIGN_MODELS", str(tmp_path))
    base = models.load("idefics-9b", device="cpu", dtype="float32")
    around = f"{MARKS[0]}<image>{MARKS[0]}"
    assert base.sent(ASKED[0]) == f"<s>User:{around}{ASKED[0]}\nAssistant:"
    assert family.adapter.sent(ASKED[0]) == f"<s>User:{around}{ASKED[0]}{MARKS[1]}\nAssistant:"
    asked = ["User:", family.pictures[0], ASKED[0], "\nAssistant:"]
    by_processor = base.processor(text=[asked], add_end_of_utterance_token=False, return_tensors="pt")["input_ids"][0]
    assert base._prompt(ASKED[0], 1, 5).ids.tolist() == by_processor.tolist()
    assert words.unk_token_id not in base.ends
    assert base.ends.tolist() == sorted([END, words.eos_token_id, base.net.config.eos_token_id])
