"""Scenes: the same seed gives the same picture, and every answer is true of the picture it belongs to."""

import itertools
import re

import numpy as np
import pytest

from brainalign.demo import language
from brainalign.demo.answers import answers
from brainalign.demo.drawing import render
from brainalign.demo.scenes import BACKGROUNDS, MAX_OBJECTS, SKY, SPRITES, scene
from brainalign.demo.sprites import NUMBERS, sprites
from brainalign.tables import instructions

SCENES = [scene(i, seed=5) for i in range(400)]
WORDS = {form: name for name, s in sprites().items() for form in (s.name, s.plural)}
NOUNS = "|".join(sorted(WORDS, key=len, reverse=True))


def read_counts(sentence):
    """What an answer says is there: an independent reading of its English."""
    found = {}
    for number, noun in re.findall(rf"\b(an?|one|two|three|four|five) ({NOUNS})\b", sentence.lower()):
        n = 1 if number in ("a", "an") else NUMBERS.index(number)
        assert noun == (WORDS[noun] if n == 1 else sprites()[WORDS[noun]].plural)
        found[WORDS[noun]] = n
    return found


def shown(scene, *categories):
    found = {}
    for thing in scene.objects:
        if not categories or SPRITES[thing.name] in categories:
            found[thing.name] = found.get(thing.name, 0) + 1
    return found


def test_a_scene_is_fixed_by_its_seed_and_id():
    assert scene(12) == scene(12)
    assert scene(12) != scene(13)
    assert scene(12, seed=1) != scene(12)
    assert np.array_equal(render(scene(12)), render(scene(12)))


def test_things_are_plausible_and_apart():
    for s in SCENES:
        assert 1 <= len(s.objects) <= MAX_OBJECTS
        for thing in s.objects:
            assert thing.name in s.place.things
            assert thing.y > s.horizon - 0.05 or (thing.name in SKY and s.place.outdoor)
        for a, b in itertools.combinations(s.objects, 2):
            assert abs(a.y - b.y) > 0.02
            assert abs(a.x - b.x) > 0.06


def test_counts_in_the_answers_are_those_of_the_scene():
    for s in SCENES:
        told = answers(s)
        assert read_counts(told["IC"].removesuffix(f" {s.place.place}.")) == shown(s)
        assert read_counts(told["VQ1"]) == shown(s)
        assert read_counts(told["VQ2"]) == shown(s, "people")
        assert read_counts(told["IU2"]) == shown(s, "food")
        animals = sum(shown(s, "animal").values())
        assert told["IU3"] == ("There is one animal." if animals == 1 else f"There are {NUMBERS[animals]} animals.")
        assert told["VQ2"].startswith("Yes" if shown(s, "people") else "No")


def test_the_foreground_is_the_lowest_thing_and_the_relation_holds():
    for s in SCENES:
        lowest = sorted(s.objects, key=lambda o: o.y)[-1].name
        assert re.match(rf"An? {lowest} is in the foreground", answers(s)["VQ3"])
        relation = re.fullmatch(rf"The ({NOUNS}) is to the (left|right) of the ({NOUNS})\.", answers(s)["VR"])
        living = [o for o in s.objects if SPRITES[o.name] in ("people", "animal")]
        lifeless = [o for o in s.objects if SPRITES[o.name] not in ("people", "animal")]
        assert bool(relation) == bool(living and lifeless)
        if relation:
            a = max((o for o in living), key=lambda o: o.y)
            b = max((o for o in lifeless), key=lambda o: o.y)
            assert (relation[1], relation[3]) == (a.name, b.name)
            assert (relation[2] == "left") == (a.x < b.x)


def test_the_picture_shows_the_scene():
    """Each thing changes the picture where the scene says it is, and nowhere far from there."""
    s = next(s for s in SCENES if len(s.objects) >= 3)
    whole = render(s).astype(int)
    for thing in s.objects:
        others = tuple(o for o in s.objects if o is not thing)
        without = render(type(s)(s.image_id, s.background, s.horizon, s.texture, others)).astype(int)
        rows, columns = np.nonzero(np.abs(whole - without).max(-1) > 8)
        half = 1.06 * thing.size * 425 / 2 + 3  # its shadow reaches a little below it
        assert len(rows) > 200
        assert np.abs(columns - thing.x * 425).max() <= half
        assert np.abs(rows - thing.y * 425).max() <= half


def test_the_dominant_colour_is_that_of_the_pixels():
    """The named colour is the nearest of the named colours to the middle of the background's pixels."""
    for name in BACKGROUNDS:
        s = next(s for s in (scene(i, 6) for i in range(500)) if s.background == name)
        empty = render(type(s)(0, name, s.horizon, s.texture, ())).reshape(-1, 3) / 255
        assert named_colour(empty) == s.place.colour, name


def named_colour(pixels):
    """Name each pixel by hue, saturation and lightness; the commonest name rules."""
    import colorsys

    names = []
    for r, g, b in pixels[:: len(pixels) // 2000]:
        h, light, _ = colorsys.rgb_to_hls(r, g, b)
        saturation = (max(r, g, b) - min(r, g, b)) / max(r, g, b, 1e-9)
        hue = h * 360
        if light < 0.27 and saturation < 0.75 and max(r, g, b) < 0.32:
            names.append("black")
        elif saturation < 0.22:
            names.append("white" if light > 0.82 else "gray")
        elif hue < 20 or hue >= 300:
            names.append("pink" if hue >= 300 else "brown")
        elif hue < 36:
            names.append("orange" if saturation > 0.62 else "brown" if light < 0.6 else "yellow")
        elif hue < 65:
            names.append("yellow")
        else:
            names.append("green" if hue < 170 else "blue")
    return max(set(names), key=names.count)


def test_every_answer_survives_the_tokenizer():
    tokenizer = language.tokenizer()
    for s in SCENES:
        for text in answers(s).values():
            assert tokenizer.decode(language.encode_answer(text), skip_special_tokens=True) == text


def test_the_tokenizer_reads_questions_as_training_did():
    tokenizer = language.tokenizer()
    for asked in language.questions().values():
        for text in asked:
            ids = tokenizer(f"<bos><image>{text}<sep>")["input_ids"]
            assert ids == [language.BOS, language.IMAGE, *language.encode_question(text)]
            assert language.UNK not in ids


@pytest.mark.parametrize("key", [i.id for i in instructions().values() if i.paper == "ten"])
def test_each_instruction_has_answers_and_several_wordings(key):
    assert len(language.questions()[key]) >= 7
    assert len({answers(s)[key] for s in SCENES}) >= (4 if key == "IU3" else 5)
