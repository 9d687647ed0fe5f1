"""The live page's models: one stays loaded and answers one question at a time; pictures and true answers by id.

A single worker thread loads and generates, in the order of the questions, so that no two readers share a model.
Nothing here waits for it except the reader of a stream.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

from brainalign import models, pictures
from brainalign.models.streaming import Stream
from brainalign.tables import find_instruction, instructions

LARGE = 1_000_000_000  # bytes; only one model above this stays in memory
LONGEST = 64  # tokens of an answer

_loaded = {}  # name -> adapter; touched by the worker alone
_states = {}  # name -> "loading", "ready" or "busy"


@cache
def _worker():
    return ThreadPoolExecutor(1, thread_name_prefix="brainalign-live")


@dataclass(frozen=True)
class Resident:
    """A model that stays loaded between questions."""

    name: str

    @property
    def state(self):
        """ "cold" (not loaded), "loading", "ready" or "busy"; never waits."""
        return _states.get(self.name, "cold")

    def warm(self):
        """Load it in the background; the returned future tells when, or what went wrong."""
        return _worker().submit(_adapter, self.name)

    def stream(self, image, text, cancel=None, max_new_tokens=LONGEST):
        """Iterator over the pieces of its answer; see `brainalign.models.streaming.Stream` for the times it keeps."""

        def work(stream):
            adapter = _adapter(self.name)
            if stream.stopped:  # while the model was loading
                return
            with _busy(self.name):
                stream.begin()
                adapter.answer(image, text, stream, max_new_tokens)

        return Stream(work, cancel, _worker().submit)

    def states(self, image, text, pooling, max_new_tokens=LONGEST):
        """Its states for one picture and instruction, when the model is free: (n_layers, n_dims) float32."""
        return self._asked(lambda adapter: adapter.states([image], text, [pooling], max_new_tokens)[1][pooling][0])

    def likely(self, image, text, max_new_tokens=LONGEST):
        """How likely each token of its answer is, when the model is free; see `Adapter.likely`."""
        return self._asked(lambda adapter: adapter.likely(image, text, max_new_tokens))

    def _asked(self, question):
        def work():
            adapter = _adapter(self.name)
            with _busy(self.name):
                return question(adapter)

        return _worker().submit(work).result()


def choices():
    """The models that answer in words: {name: what keeps it from loading here and what to do, "" if nothing}."""
    return models.answering()


def resident(name):
    """The resident model of this name; it loads when it is first asked or warmed."""
    model = models.find(name)
    if not model.answers:
        raise ValueError(f"{name} cannot answer in words; choose {', '.join(choices())}")
    return Resident(model.name)


def stream(model, image, text, cancel=None, max_new_tokens=LONGEST):
    """Iterator over the pieces of a model's answer about a picture.

    image : uint8 (height, width, 3); cancel : threading.Event that stops it within a token or two
    Leaving the loop early stops the model too. A model that cannot load or fails raises ValueError to the reader.
    """
    return resident(model).stream(image, text, cancel, max_new_tokens)


def _adapter(name):
    if name in _loaded:
        return _loaded[name]
    _states[name] = "loading"
    try:
        _forget_large()
        _loaded[name] = models.load(name)
        _states[name] = "ready"
    finally:
        if name not in _loaded:
            del _states[name]
    return _loaded[name]


def _forget_large():
    for name in [name for name, adapter in _loaded.items() if adapter.n_bytes > LARGE]:
        adapter = _loaded.pop(name)
        del _states[name]
        adapter.release()


@contextmanager
def _busy(name):
    _states[name] = "busy"
    try:
        yield
    finally:
        _states[name] = "ready"


def picture(stimuli, image_id):
    """A picture by its id: uint8 (425, 425, 3).

    stimuli : "demo:<seed>", or "root:<path>" of an NSD root (a real one only once NSD's terms are confirmed)
    """
    kind, where = _stimuli(stimuli)
    if kind == "demo":
        from brainalign.demo.drawing import render

        return render(_scene(where, image_id))
    from brainalign import nsd

    if nsd.simulated(where) is None and os.environ.get("BRAINALIGN_NSD_TERMS") != "accepted":
        raise ValueError(
            "the pictures of NSD are shown only to those who have agreed to its terms of use "
            "(naturalscenesdataset.org); if you have, set BRAINALIGN_NSD_TERMS=accepted in the environment"
        )
    return nsd.stimulus(where, int(image_id))


def truth(stimuli, image_id):
    """The true answers to the ten instructions by id, for a picture of the demo; None where nobody knows them."""
    kind, where = _stimuli(stimuli)
    if kind != "demo":
        return None
    from brainalign.demo.answers import answers

    return answers(_scene(where, image_id))


def _stimuli(stimuli):
    kind, _, where = str(stimuli).partition(":")
    if kind == "root" and where:
        return kind, where
    if kind == "demo" and where.isdecimal():
        return kind, int(where)
    raise ValueError(f"pictures of {stimuli!r} are unknown; expected demo:<seed> or root:<path>")


def _scene(seed, image_id):
    from brainalign.demo import scenes

    if not 0 <= int(image_id) < 73000:
        raise ValueError(f"the demo has no picture {image_id}; ids go from 0 to 72999")
    return scenes.scene(int(image_id), seed)


def some_pictures(folder=None, n=3):
    """n pictures of different shapes: the first files of a folder by name, or scenes of the demo."""
    if folder is None:
        scenes = [picture("demo:0", i) for i in range(n)]
        return [scene[: len(scene) - 100 * (i % 2)] for i, scene in enumerate(scenes)]
    endings = {f".{name.lower()}" for name in (*pictures.FORMATS, "jpg", "tif")}
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in endings)[:n]
    if not files:
        raise ValueError(f"{folder} has no picture files; expected one of {', '.join(pictures.FORMATS)}")
    return [pictures.read(file)[0] for file in files]


def ask(image, instruction, model="llava-demo", stimuli="demo:0"):
    """One question to one model, for the command line.

    image : the id of a picture, or an image file; instruction : an id (IC, VQ1 ...) or free text
    Returns image, instruction, text, model, answer, truth (None where unknown), seconds, tokens and notes: sentences
    on what was done to the picture of a file, and on what the model did not see of it.
    """
    by_id = str(image).isdecimal()
    pixels, notes = (picture(stimuli, int(image)), ()) if by_id else pictures.read(image)
    asked = find_instruction(instruction)
    answers = truth(stimuli, int(image)) if by_id else None
    said = stream(model, pixels, asked.text)
    answer = "".join(said)
    return {
        "image": int(image) if by_id else str(image),
        "instruction": asked.id,
        "text": asked.text,
        "model": model,
        "answer": answer,
        "truth": (answers or {}).get(meant(asked)),
        "seconds": round(said.seconds, 3),
        "tokens": said.tokens,
        "notes": [*notes, *said.notes],
    }


def meant(instruction):
    """Id of the table's instruction that is meant: its own, or that of a text known to ask the same; None if new."""
    if instruction.id in instructions():
        return instruction.id
    from brainalign.demo.language import asked_words, questions

    words = asked_words(instruction.text)
    return next((key for key, ways in questions().items() if words in map(asked_words, ways)), None)
