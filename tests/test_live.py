"""The resident model: a queue of one, cancelling, errors that reach the reader; pictures and truth by id."""

import json
import time
from threading import Event, Thread

import numpy as np
import pytest
from PIL import Image
from tiny_models import write_models

from brainalign import live, models
from brainalign.demo import answers, drawing, scenes

ASKED = "What is in this image?"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(autouse=True)
def nothing_loaded(folder, monkeypatch):
    monkeypatch.setenv("BRAINALIGN_MODELS", str(folder))
    live._worker().submit(lambda: (live._loaded.clear(), live._states.clear())).result()


@pytest.fixture(scope="module")
def picture():
    return live.picture("demo:0", 1)


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def held_back(monkeypatch, name):
    """Make the worker wait inside a step until the returned event is set."""
    gate, original = Event(), getattr(models, name)

    def later(*args, **kwargs):
        gate.wait(20)
        return original(*args, **kwargs)

    monkeypatch.setattr(models, name, later)
    return gate


def test_states_from_cold_to_ready(picture, monkeypatch):
    gate = held_back(monkeypatch, "load")
    resident = live.resident("llava-demo")
    assert resident.state == "cold"
    stream = resident.stream(picture, ASKED, max_new_tokens=300)
    wait_for(lambda: resident.state == "loading")
    assert live.resident("llava-demo-random").state == "cold"
    gate.set()
    next(stream)
    assert resident.state == "busy"
    stream.close()
    wait_for(lambda: resident.state == "ready")
    assert stream.waited > 0
    assert stream.tokens < 300


def test_warm_loads_once(picture, monkeypatch):
    resident = live.resident("llava-demo")
    resident.warm().result()
    assert resident.state == "ready"
    monkeypatch.setattr(models, "load", lambda name: pytest.fail("it is loaded already"))
    assert "".join(live.stream("llava-demo", picture, ASKED))


def test_answer_is_that_of_the_adapter(picture):
    expected = models.load("llava-demo").states([picture], ASKED, max_new_tokens=20)[0][0]
    assert "".join(live.stream("llava-demo", picture, ASKED, max_new_tokens=20)) == expected


def test_states_are_those_of_the_adapter_and_wait_their_turn(picture):
    stream = live.stream("llava-demo", picture, ASKED, max_new_tokens=20)
    found = live.resident("llava-demo").states(picture, ASKED, "last_prompt", 4)
    assert stream.seconds > 0  # it was answered before
    want = models.load("llava-demo").states([picture], ASKED, ["last_prompt"], 4)[1]["last_prompt"][0]
    np.testing.assert_allclose(found, want, atol=1e-6)


def test_two_readers_queue(picture, monkeypatch):
    """Both get their whole answers, and the model never works on two at a time."""
    live.resident("llava-demo").warm().result()
    adapter, inside, most = live._loaded["llava-demo"], [], []
    generate = adapter._answer

    def watched(*args, **kwargs):
        inside.append(1)
        most.append(len(inside))
        try:
            return generate(*args, **kwargs)
        finally:
            inside.pop()

    monkeypatch.setattr(adapter, "_answer", watched)
    questions = (ASKED, "How many animals are there in the image?")
    expected = [adapter.states([picture], text, max_new_tokens=30)[0][0] for text in questions]
    found = {}

    def read(text):
        found[text] = "".join(live.stream("llava-demo", picture, text, max_new_tokens=30))

    readers = [Thread(target=read, args=(text,)) for text in questions * 2]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert [found[text] for text in questions] == expected
    assert max(most) == 1
    assert len(most) == 4


@pytest.mark.parametrize("how", ["cancel", "close", "leave the loop"])
def test_stopping_frees_the_model(picture, how):
    cancel = Event()
    stream = live.stream("llava-demo", picture, ASKED, cancel, max_new_tokens=340)
    next(stream)
    if how == "cancel":
        cancel.set()
    elif how == "close":
        stream.close()
    else:
        for _ in stream:
            break
    wait_for(lambda: live.resident("llava-demo").state == "ready")
    assert stream.tokens < 300
    assert "".join(live.stream("llava-demo", picture, ASKED, max_new_tokens=5))


def test_cancelled_in_the_queue_it_never_starts(picture):
    first = live.stream("llava-demo", picture, ASKED, max_new_tokens=340)
    next(first)
    cancel = Event()
    second = live.stream("llava-demo", picture, ASKED, cancel)
    cancel.set()
    first.close()
    assert list(second) == []
    assert second.tokens == 0


def test_stopped_while_the_model_loads_it_is_never_asked_and_the_queue_goes_on(picture, monkeypatch):
    gate, cancel = held_back(monkeypatch, "load"), Event()
    stopped = live.stream("llava-demo", picture, ASKED, cancel, max_new_tokens=5)
    after = live.stream("llava-demo", picture, ASKED, max_new_tokens=5)
    wait_for(lambda: live.resident("llava-demo").state == "loading")
    cancel.set()
    gate.set()
    assert list(stopped) == []
    assert stopped.tokens == 0
    assert "".join(after)


def test_errors_reach_the_reader(picture, monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="mark of llava-demo"):
        list(live.stream("llava-demo", picture, "<image>"))
    with pytest.raises(ValueError, match="expected uint8"):
        list(live.stream("llava-demo", picture / 255, ASKED))
    assert live.resident("llava-demo").state == "ready"
    (tmp_path / "llava-demo-random").mkdir()
    monkeypatch.setenv("BRAINALIGN_MODELS", str(tmp_path))
    with pytest.raises(ValueError, match=r"no config\.json"):
        list(live.stream("llava-demo-random", picture, ASKED))
    assert live.resident("llava-demo-random").state == "cold"


def test_models_without_words_and_unknown_ones():
    with pytest.raises(ValueError, match="vit-demo cannot answer in words; choose llava"):
        live.resident("vit-demo")
    with pytest.raises(ValueError, match="try llava-demo"):
        live.resident("llava-dem")


def test_choices_say_what_can_be_asked_here(monkeypatch):
    monkeypatch.setattr(models.checkpoint, "_cached", lambda hub_id: None)
    choices = live.choices()
    assert {"llava-1.5-7b", "llava-demo", "llava-demo-random"} <= set(choices)
    here = {name for name, fault in choices.items() if not fault}
    assert here == {name for name in choices if "-demo" in name} >= {"llava-demo", "llava-demo-random"}
    assert "hf download" in choices["llava-1.5-7b"]


def test_only_one_large_model_stays(picture, monkeypatch):
    live.resident("llava-demo").warm().result()
    live.resident("llava-demo-random").warm().result()
    assert [live.resident(n).state for n in ("llava-demo", "llava-demo-random")] == ["ready", "ready"]
    monkeypatch.setattr(live, "LARGE", 1_000_000)
    live._worker().submit(live._loaded.pop, "llava-demo-random").result()
    live.resident("llava-demo-random").warm().result()
    assert [live.resident(n).state for n in ("llava-demo", "llava-demo-random")] == ["cold", "ready"]


def test_pictures_and_truth_of_the_demo():
    scene = scenes.scene(12, 3)
    np.testing.assert_array_equal(live.picture("demo:3", 12), drawing.render(scene))
    assert live.truth("demo:3", 12) == answers.answers(scene)
    assert live.truth("root:/anywhere", 12) is None
    for stimuli in ("demo:", "demo:x", "root:", "elsewhere:1"):
        with pytest.raises(ValueError, match="expected demo:<seed> or root:<path>"):
            live.picture(stimuli, 1)
    with pytest.raises(ValueError, match="from 0 to 72999"):
        live.picture("demo:0", 73000)


def test_real_pictures_need_the_terms(tmp_path, monkeypatch):
    import h5py

    stimuli = tmp_path / "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"
    stimuli.parent.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 255, (2, 425, 425, 3), np.uint8)
    with h5py.File(stimuli, "w") as file:
        file["imgBrick"] = pixels
    monkeypatch.delenv("BRAINALIGN_NSD_TERMS", raising=False)
    with pytest.raises(ValueError, match="BRAINALIGN_NSD_TERMS=accepted"):
        live.picture(f"root:{tmp_path}", 1)
    monkeypatch.setenv("BRAINALIGN_NSD_TERMS", "accepted")
    np.testing.assert_array_equal(live.picture(f"root:{tmp_path}", 1), pixels[1])
    monkeypatch.delenv("BRAINALIGN_NSD_TERMS")
    (tmp_path / "SIMULATED.json").write_text(json.dumps({"simulated": True}))
    np.testing.assert_array_equal(live.picture(f"root:{tmp_path}", 0), pixels[0])


def test_ask_by_id_and_by_file(tmp_path):
    answer = live.ask("12", "iu3")
    assert list(answer) == ["image", "instruction", "text", "model", "answer", "truth", "seconds", "tokens", "notes"]
    assert (answer["image"], answer["instruction"], answer["model"]) == (12, "IU3", "llava-demo")
    assert answer["text"] == "How many animals are there in the image?"
    assert answer["truth"] == answers.answers(scenes.scene(12))["IU3"]
    assert 0 < answer["tokens"] <= live.LONGEST
    assert answer["seconds"] > 0
    Image.fromarray(live.picture("demo:0", 12)).save(tmp_path / "12.png")
    by_file = live.ask(str(tmp_path / "12.png"), "IU3")
    assert (by_file["answer"], by_file["truth"], by_file["notes"]) == (answer["answer"], None, [])
    json.dumps(by_file)


@pytest.mark.parametrize(
    ("text", "key"), [("how many animals ARE there", "IU3"), ("Is there any food?", "IU2"), ("Who painted it?", None)]
)
def test_truth_of_questions_in_other_words(text, key):
    truth = live.ask("7", text)["truth"]
    assert truth == (answers.answers(scenes.scene(7))[key] if key else None)
