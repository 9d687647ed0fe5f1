"""Controls: each sees exactly what its name says, and nothing else of the model changes."""

import subprocess
import sys

import numpy as np
import pytest
from family_checks import CHECKS, Family, close
from tiny_models import write_models

from brainalign import models
from brainalign.demo import drawing, scenes
from brainalign.models import controls

ASKED = ("What is in this image?", "How many animals are there in the image?")
LENGTH = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def pictures():
    return [drawing.render(scenes.scene(i)) for i in range(3)]


@pytest.fixture(scope="module")
def loaded(folder):
    """name -> adapter, each loaded once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINALIGN_MODELS", str(folder))
        names = ("llava-demo", *(f"llava-demo-{control}" for control in models.CONTROLS if control != "random"))
        return {name.removeprefix("llava-demo").lstrip("-"): models.load(name, device="cpu") for name in names}


def states(adapter, pictures, texts=ASKED):
    return adapter.states_many(pictures, texts, max_new_tokens=LENGTH)


def same(found, expected):
    """Answers equal, states within 1e-5, for the poolings that `found` has."""
    assert found[0] == expected[0]
    for pooling, values in found[1].items():
        close(values, expected[1][pooling])


@pytest.mark.parametrize("control", ["image-only", "instruction-only", "shuffled"])
def test_the_row_is_what_the_adapter_does(loaded, control, folder, monkeypatch):
    monkeypatch.setenv("BRAINALIGN_MODELS", str(folder))
    adapter, row = loaded[control], models.find(f"llava-demo-{control}")
    assert (adapter.poolings, adapter.fixed_poolings) == (row.poolings, row.fixed_poolings)
    assert adapter.uses_instruction == row.uses_instruction
    assert adapter.checkpoint_info == models.identity(row.name)
    assert adapter.checkpoint_info["control"] == control
    with pytest.raises(ValueError, match="no pooling 'nose'"):
        adapter.states([np.zeros((9, 9, 3), np.uint8)], ASKED[0], ("nose",))


@pytest.mark.parametrize("check", CHECKS)
def test_a_shuffled_model_is_a_model_like_any_other(check, loaded, pictures, tmp_path):
    check(Family(loaded["shuffled"], pictures, ASKED, LENGTH), tmp_path)


def test_the_image_alone_is_an_empty_instruction(loaded, pictures):
    found = states(loaded["image-only"], pictures)
    same(found[ASKED[0]], found[ASKED[1]])
    plain = states(loaded[""], pictures)[ASKED[0]]
    close(found[ASKED[0]][1]["mean_image"], plain[1]["mean_image"])
    assert np.abs(found[ASKED[0]][1]["last_prompt"] - plain[1]["last_prompt"]).max() > 1e-2
    assert len(set(map(bytes, found[ASKED[0]][1]["mean_generated"]))) == len(pictures)
    said = "".join(loaded["image-only"].stream(pictures[0], ASKED[1], max_new_tokens=LENGTH))
    assert said == found[ASKED[0]][0][0]


def test_the_instruction_alone_comes_with_a_grey_picture(loaded, pictures):
    found = states(loaded["instruction-only"], pictures)
    plain = states(loaded[""], [np.full_like(picture, controls.GREY) for picture in pictures])
    for text in ASKED:
        same(found[text], plain[text])
        for values in found[text][1].values():
            assert (values == values[:1]).all(), "equal to the last bit, or a fit would find something in it"
    assert np.abs(found[ASKED[0]][1]["last_prompt"] - found[ASKED[1]][1]["last_prompt"]).max() > 1e-2
    said = "".join(loaded["instruction-only"].stream(pictures[0], ASKED[1], max_new_tokens=LENGTH))
    assert said == found[ASKED[1]][0][0]


def test_a_shuffled_instruction_is_read_word_by_word(loaded, pictures):
    found = states(loaded["shuffled"], pictures)
    mixed = [controls.shuffled(text) for text in ASKED]
    plain = states(loaded[""], pictures, mixed)
    for text, other in zip(ASKED, mixed):
        same(found[text], plain[other])


def test_what_is_sent_is_what_the_control_leaves_of_the_instruction(loaded):
    sent = {control: adapter.sent("What is it?") for control, adapter in loaded.items()}
    around = "<bos><image>{}<sep>".format
    assert sent[""] == sent["instruction-only"] == around("What is it?")
    assert sent["image-only"] == around("")
    assert sent["shuffled"] == around(controls.shuffled("What is it?")) != sent[""]


def test_shuffled_words():
    for text in (*ASKED, "two words", "Is it it?"):
        mixed = controls.shuffled(text)
        assert mixed != text
        assert sorted(mixed.split()) == sorted(text.split())
    for text in ("Describe", "", "no no no"):
        assert controls.shuffled(text) == text
    code = f"from brainalign.models.controls import shuffled; print(shuffled({ASKED[1]!r}))"
    again = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert again.stdout.strip() == controls.shuffled(ASKED[1]), "the same in any process"


def test_random_weights_of_a_vision_model(folder, pictures, tmp_path, monkeypatch):
    trained = models.load("vit-demo", device="cpu").states(pictures, "")[1]["cls"]
    (tmp_path / "vit-demo").mkdir()
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / "vit-demo" / name).write_bytes((folder / "vit-demo" / name).read_bytes())
    monkeypatch.setenv("BRAINALIGN_MODELS", str(tmp_path))
    one, two = (models.load("vit-demo-random", device="cpu").states(pictures, "")[1] for _ in range(2))
    np.testing.assert_array_equal(one["cls"], two["cls"])
    assert np.abs(np.corrcoef(one["cls"][0, -1], trained[0, -1])[0, 1]) < 0.5
