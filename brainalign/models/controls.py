"""Controls: an adapter that sees less than its model could, to tell what each part of the input does."""

from zlib import crc32

import numpy as np

GREY = 127


def controlled(adapter, control):
    """The adapter's class with the control's input; random weights are the loader's business."""
    kind = {"image-only": ImageOnly, "instruction-only": InstructionOnly, "shuffled": Shuffled}.get(control)
    return type(f"{kind.__name__}{adapter.__name__}", (kind, adapter), {}) if kind else adapter


class Control:
    """The poolings are the row's: those that make sense for what is left."""

    def __init__(self, model, *args):
        self.poolings, self.fixed_poolings = model.poolings, model.fixed_poolings
        super().__init__(model, *args)


class ImageOnly(Control):
    """No instruction: the model reads an empty one, whatever it is asked."""

    uses_instruction = False

    def sent(self, text):
        return super().sent("")

    def answer(self, image, text, stream, max_new_tokens=64):
        super().answer(image, "", stream, max_new_tokens)

    def likely(self, image, text, *args):
        return super().likely(image, "", *args)

    def states_many(self, images, texts, *args, **kwargs):
        found = super().states_many(images, [""], *args, **kwargs)[""]
        return dict.fromkeys(texts, found)


class InstructionOnly(Control):
    """A uniform grey picture: answers and states are those of the instruction, the same for every picture."""

    def answer(self, image, text, stream, max_new_tokens=64):
        super().answer(grey(image), text, stream, max_new_tokens)

    def likely(self, image, text, *args):
        return super().likely(grey(image), text, *args)

    def states_many(self, images, texts, *args, **kwargs):
        """One picture is enough for all of its shape, and makes their states equal to the last bit."""
        found = super().states_many([grey(images[0])], texts, *args, **kwargs)
        n = len(images)
        return {
            text: (answers * n, {p: np.repeat(states, n, 0) for p, states in pooled.items()})
            for text, (answers, pooled) in found.items()
        }


class Shuffled(Control):
    """The instruction's words in another order, which depends on the instruction alone."""

    def sent(self, text):
        return super().sent(shuffled(text))

    def answer(self, image, text, stream, max_new_tokens=64):
        super().answer(image, shuffled(text), stream, max_new_tokens)

    def likely(self, image, text, *args):
        return super().likely(image, shuffled(text), *args)

    def states_many(self, images, texts, *args, **kwargs):
        found = super().states_many(images, [shuffled(text) for text in texts], *args, **kwargs)
        return {text: found[shuffled(text)] for text in texts}

    def states_of_texts(self, texts, *args, **kwargs):
        return super().states_of_texts([shuffled(text) for text in texts], *args, **kwargs)


def grey(image):
    """A uniform picture of the same shape."""
    return np.full_like(np.asarray(image), GREY)


def shuffled(text):
    """The words of a text in another order, always the same for the same text; one word stays as it is."""
    words = text.split()
    rng, mixed = np.random.default_rng(crc32(text.encode())), words
    while mixed == words and len(set(words)) > 1:
        mixed = [words[i] for i in rng.permutation(len(words))]
    return " ".join(mixed)
