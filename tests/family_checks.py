"""What must hold of every family of models, as small functions that each family's tests call.

    @pytest.fixture(scope="module")
    def family(...):
        return Family(models.load(name, device="cpu", dtype="float32"), pictures, texts)

    @pytest.mark.parametrize("check", CHECKS)
    def test_family(check, family, tmp_path):
        check(family, tmp_path)

    def test_states(family):
        states_are_those_of(reference, family)  # written with transformers' own generate or forward

The pictures should differ in size, the instructions in their number of tokens; weights should be lively enough that
both change the answers.
"""

import json
from dataclasses import dataclass, field
from functools import cached_property
from threading import Event

import numpy as np
import pytest
import torch

from brainalign import models
from brainalign.models import plain, verify


@dataclass
class Family:
    """A loaded model with what it is tested on.

    pictures : at least 3, uint8 (height, width, 3); texts : at least 2 instructions; length : of an answer at most
    options : more of what `states_many` takes, for models that need it
    """

    adapter: object
    pictures: list
    texts: tuple
    length: int = 10
    options: dict = field(default_factory=dict)

    @cached_property
    def pooled(self):
        """Everything at once: the instructions share the pictures' part, in batches of unequal size."""
        return self.states_many(self.pictures, self.texts, batch_size=len(self.pictures) // 2 + 1)

    def states_many(self, pictures, texts, **options):
        return self.adapter.states_many(pictures, texts, max_new_tokens=self.length, **self.options | options)


def close(found, expected):
    """Agreement to 1e-5 of the largest value of each layer. Arrays (..., n_layers, n_dims)."""
    assert found.shape == expected.shape
    scale = np.abs(expected).max(-1, keepdims=True)
    np.testing.assert_allclose(found / scale, expected / scale, rtol=0, atol=1e-5)


def states_are_those_of(reference, family):
    """reference(picture, text) -> (answer, {pooling: (n_layers, n_dims)}), by the book and for one pair alone."""
    for text in family.texts:
        answers, states = family.pooled[text]
        for i, picture in enumerate(family.pictures):
            words, expected = reference(picture, text)
            assert answers[i] == words
            assert set(expected) == set(family.adapter.poolings)
            for pooling, values in expected.items():
                close(states[pooling][i], np.asarray(values))


def by_generate(adapter, net, inputs, length):
    """What transformers' own generate says to one prompt, and every layer's states, which are made one by one.

    net : what generates; inputs : its keyword arguments. Returns the answer, the prompt's states
    (n_layers, n_tokens, n_dims) and the answer's, without its end; those of an empty one are the prompt's last.
    """
    with torch.inference_mode():
        out = net.generate(
            **inputs,
            max_new_tokens=length + 1,  # the last token made has no state
            min_new_tokens=length + 1,
            eos_token_id=999_999,
            do_sample=False,
            output_hidden_states=True,
            return_dict_in_generate=True,
        )
    new = out.sequences[0, -length - 1 : -1].tolist()
    ends, pairs = {(token,) for token in adapter.ends.tolist()}, set(getattr(adapter, "pairs", ()))
    stops = ((i, stop) for i in range(length) for stop in (tuple(new[i : i + 1]), tuple(new[i : i + 2])))
    n, stop = next((found for found in stops if found[1] in ends | pairs), (length, ()))
    prompt = torch.stack(out.hidden_states[0])[:, 0]
    said = [torch.stack(step)[:, 0, 0] for step in out.hidden_states[1 : n + 1]] or [prompt[:, -1]]
    return adapter._text(new[: n + len(stop)]), prompt, torch.stack(said, 1)


def of_the_tower(layers, first=0):
    """vision_mean and vision_cls from the states (n, 1 + n_patches, n_dims) of each layer of a tower."""
    return {
        "vision_mean": torch.stack([layer[first, 1:].mean(0) for layer in layers]),
        "vision_cls": torch.stack([layer[first, 0] for layer in layers]),
    }


def shapes_are_as_named(family, tmp_path=None):
    """Every pooling is float32 (n_images, n_layers, n_dims), with a name for each of its layers."""
    for answers, states in family.pooled.values():
        assert len(answers) == len(family.pictures)
        assert tuple(states) == family.adapter.poolings
        for pooling, values in states.items():
            names = family.adapter.layer_names(pooling)
            assert len(set(names)) == len(names)
            assert values.shape[:2] == (len(family.pictures), len(names)), pooling
            assert values.dtype == np.float32


def batches_and_sharing_change_nothing(family, tmp_path=None):
    """One picture and one instruction alone give what they give among others, of other lengths."""
    for text in family.texts:
        answers, states = family.pooled[text]
        for i in (0, len(family.pictures) - 1):
            alone, expected = family.states_many([family.pictures[i]], [text])[text]
            assert alone == [answers[i]]
            for pooling in family.adapter.poolings:
                close(states[pooling][i], expected[pooling][0])


def only_declared_poolings_ignore_the_instruction(family, tmp_path=None):
    """And none ignores the picture, unless the model sees none."""
    one, other = (family.pooled[text][1] for text in family.texts[:2])
    same = {p for p in family.adapter.poolings if np.allclose(one[p], other[p], rtol=1e-4, atol=1e-5)}
    assert same == set(family.adapter.fixed_poolings)
    assert family.adapter.uses_instruction == (same != set(family.adapter.poolings))


def pictures_change_every_pooling(family, tmp_path=None):
    """For models that see a picture: no pooling is the same for two of them."""
    if family.adapter.model.kind == "language":
        return
    for pooling, values in family.pooled[family.texts[0]][1].items():
        assert not np.allclose(values[0], values[1], rtol=1e-4, atol=1e-5), pooling


def poolings_can_be_chosen(family, tmp_path=None):
    """Each pooling alone gives what it gives among all."""
    text = family.texts[0]
    for pooling in family.adapter.poolings:
        _, states = family.states_many(family.pictures[:1], [text], poolings=(pooling,))[text]
        assert list(states) == [pooling]
        close(states[pooling][0], family.pooled[text][1][pooling][0])


def streamed_pieces_are_the_answer(family, tmp_path=None):
    """Joined, the pieces are the answer that comes with the states; a model without words says so."""
    text, lengths = family.texts[0], []
    if not family.adapter.answers:
        with pytest.raises(ValueError, match="cannot answer in words"):
            list(family.adapter.stream(family.pictures[0], text))
        return
    for i, picture in enumerate(family.pictures):
        stream = family.adapter.stream(picture, text, max_new_tokens=family.length)
        pieces = list(stream)
        assert "".join(pieces) == family.pooled[text][0][i]
        assert len(pieces) <= stream.tokens <= family.length
        lengths.append(len(pieces))
    assert max(lengths) > 1, "no answer came in more than one piece"


def cancel_stops_within_two_tokens(family, tmp_path=None):
    """Some answer must go on for four tokens or more, or this tests nothing."""
    if not family.adapter.answers:
        return
    for text in family.texts:
        for picture in family.pictures:
            if _cancelled(family, picture, text):
                return
    raise AssertionError("no answer was long enough to be cancelled")


def _cancelled(family, picture, text):
    cancel = Event()
    stream = family.adapter.stream(picture, text, max_new_tokens=60, cancel=cancel)
    if next(stream, None) is None or next(stream, None) is None:
        return False
    cancel.set()
    seen = stream.tokens
    list(stream)
    assert stream.tokens <= seen + 2
    return seen < 50


def a_low_picture_is_not_taken_for_channels(family, tmp_path):
    """Pictures of one colour and form have the same states at 1 and at 3 pixels of height as at twice these."""
    if hasattr(family.adapter, "regions"):
        return  # of files that the tests do not have for these pictures
    for height in (1, 3):
        pair = [np.full((h, 3 * h, 3), (200, 30, 10), np.uint8) for h in (height, 2 * height)]
        found = [family.states_many([picture], family.texts[:1]) for picture in pair]
        (answers, states), (expected, others) = (one[family.texts[0]] for one in found)
        assert answers == expected
        for pooling in states:
            close(states[pooling], others[pooling])


def saved_again_it_loads_the_same(family, tmp_path):
    """Written with transformers' own save_pretrained and loaded through the table."""
    adapter, text = family.adapter, family.texts[1]
    adapter.net.save_pretrained(tmp_path / adapter.model.name)
    (getattr(adapter, "processor", None) or adapter.tokenizer).save_pretrained(tmp_path / adapter.model.name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINALIGN_MODELS", str(tmp_path))
        assert models.rehearse(adapter.model.name) == ""
        again = models.load(adapter.model.name, device="cpu", dtype=adapter.dtype)
    answers, states = Family(again, family.pictures, family.texts, family.length, family.options).states_many(
        family.pictures, [text]
    )[text]
    assert answers == family.pooled[text][0]
    for pooling in adapter.poolings:
        close(states[pooling], family.pooled[text][1][pooling])


def plain_transformers_agree(family, tmp_path):
    """By `brainalign models --verify`, wherever transformers' Auto classes run the saved checkpoint."""
    adapter, row = family.adapter, family.adapter.model
    if row.control or not row.checkpoint or family.options:
        return
    folder = tmp_path / row.name
    adapter.net.save_pretrained(folder)
    (getattr(adapter, "processor", None) or adapter.tokenizer).save_pretrained(folder)
    kind = json.loads((folder / "config.json").read_text())["model_type"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINALIGN_MODELS", str(tmp_path))
        report = verify.verify(row.name, family.pictures[:2], "cpu", adapter.dtype, family.texts[:2])
    told = verify.as_text(report)
    if kind not in plain.READERS:
        assert report["equal"] is None, told
        assert told.count(f"plain transformers cannot run it here: it has no network of the kind {kind}") == 1
        return
    assert report["equal"], told
    assert not report["not_compared"], told


CHECKS = (
    shapes_are_as_named,
    batches_and_sharing_change_nothing,
    only_declared_poolings_ignore_the_instruction,
    pictures_change_every_pooling,
    poolings_can_be_chosen,
    streamed_pieces_are_the_answer,
    cancel_stops_within_two_tokens,
    a_low_picture_is_not_taken_for_channels,
    saved_again_it_loads_the_same,
    plain_transformers_agree,
)
