"""What every family of models offers, so that the pipeline and the live page know no model by name."""

import gc
from contextlib import contextmanager
from functools import cached_property

import numpy as np
import torch
from transformers.utils import logging

from brainalign import pictures
from brainalign.models import checkpoint, framing, weights
from brainalign.models.checkpoint import ModelError
from brainalign.models.streaming import Stream

logging.disable_progress_bar()  # whoever loads a model says so in its own way


class Adapter:
    """A loaded model: answers in words, and states of every layer. A family fills in the methods with an underscore.

    layers : names of the layers of the part that writes or classifies; index 0 is the embeddings
    poolings : ways to make one vector of a layer's tokens
    fixed_poolings : those which cannot depend on the instruction
    uses_instruction : False if no state can depend on one
    answers : can put an answer into words
    """

    layers: tuple[str, ...]
    poolings: tuple[str, ...]
    fixed_poolings: tuple[str, ...] = ()
    uses_instruction = True
    answers = True

    def __init__(self, model, source, device, dtype, network=weights.network):
        """network : what makes the network, `weights.network` or `weights.unread`."""
        self.model, self.source, self.dtype, self._network = model, source, dtype, network
        self.device = torch.device(device or _accelerator())
        self._load()
        self._check_words()

    @cached_property
    def checkpoint_info(self):
        """Checkpoint, revision (hub commit or content hash) and dtype, for provenance."""
        return checkpoint.describe(self.model, self.source, self.dtype, getattr(self.net.config, "_commit_hash", None))

    def layer_names(self, pooling):
        """Names of the layers that a pooling has; one that looks at another part of the model has its own."""
        return self.layers

    def sent(self, text):
        """The whole prompt that the model reads for an instruction; "" for a model that reads none.

        The picture's place is shown once, by the model's own mark; marks that the tokenizer adds are not shown.
        """
        return text.strip() if self.uses_instruction else ""

    def unseen(self, image):
        """Shares of a picture's height and width that are cut off before the model sees it: (0.0, 0.0) if none."""
        processor = getattr(self, "processor", None)
        return framing.cut(getattr(processor, "image_processor", processor), image.shape)

    def lost(self, images=()):
        """What is cut off of each of n pictures: {"unseen": (n,) the larger share of `unseen`}."""
        one = {image.shape: image for image in images}
        shares = {shape: max(self.unseen(image)) for shape, image in one.items()}
        return {"unseen": np.array([shares[image.shape] for image in images])} if shares else {}

    @property
    def n_bytes(self):
        """Memory that the weights take."""
        return sum(p.numel() * p.element_size() for p in self.net.parameters())

    def release(self):
        """Give the memory of the weights back; the adapter cannot be used after."""
        self.net = None
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def stream(self, image, text, max_new_tokens=64, cancel=None):
        """Iterator over the pieces of the answer to `text` about one picture, generated on a thread of its own.

        image : uint8 (height, width, 3); cancel : threading.Event that stops it within a token or two
        """
        return Stream(lambda stream: self.answer(image, text, stream, max_new_tokens), cancel)

    def answer(self, image, text, stream, max_new_tokens=64):
        """Generate the answer here and now, handing each token's text to `stream`."""
        if not self.answers:
            raise ModelError(f"{self.model.name} cannot answer in words; choose a model that can, such as llava-demo")
        (image,) = _checked([image])
        stream.note(framing.in_words(self.unseen(image)))
        with self._running():
            self._answer(image, text, stream, max_new_tokens)

    def likely(self, image, text, max_new_tokens=64, k=5):
        """The greedy answer token by token, each with its k likeliest tokens first: [[(text, probability), ...], ...].

        The first of each is what the answer says; the last of all is what ends it, unless `max_new_tokens` does.
        """
        with self._running():
            return self._likely(_checked([image])[0], text, max_new_tokens, k)

    def states(self, images, text, poolings=None, max_new_tokens=64, batch_size=32):
        """Answers and pooled states for pictures under one instruction; see `states_many`."""
        return self.states_many(images, [text], poolings, max_new_tokens, batch_size)[text]

    def states_many(self, images, texts, poolings=None, max_new_tokens=64, batch_size=32):
        """Answers (greedy) and pooled states for pictures under several instructions, which share the picture's part.

        images : n pictures, uint8 (height, width, 3); texts : instructions as the model shall read them
        Returns {text: (n answers, {pooling: float32 (n, n_layers, n_dims)})}; a model without words answers "",
        and so does any where only states before the language model are asked for.
        """
        images, poolings = _checked(images), self._chosen(poolings)
        parts = {text: [] for text in texts}
        if "mean_instruction" in poolings and not all(text.strip() for text in parts):
            raise ValueError("an empty instruction has no tokens for the pooling mean_instruction; choose others")
        for start in range(0, len(images), batch_size):
            with self._running(batch_size):
                for text, *part in self._batch(
                    images[start : start + batch_size], list(parts), poolings, max_new_tokens
                ):
                    parts[text].append(part)
        return {text: _joined(part, poolings) for text, part in parts.items()}

    def _chosen(self, poolings, known=None):
        known = known or self.poolings
        poolings = tuple(poolings or known)
        for pooling in poolings:
            if pooling not in known:
                raise ValueError(f"{self.model.name} has no pooling {pooling!r}; choose {', '.join(known)}")
        return poolings

    @contextmanager
    def _running(self, batch_size=1):
        try:
            with torch.inference_mode():
                yield
        except (MemoryError, RuntimeError) as error:
            if not checkpoint.is_out_of_memory(error):
                raise
            less = f"batch_size {batch_size // 2}" if batch_size > 1 else "dtype bfloat16, a smaller model"
            raise ModelError(f"{self.model.name}: out of memory on {self.device}; try {less} or device cpu") from error

    def _load(self):
        """Set `net`, `layers` and whatever turns pictures and text into tensors."""
        raise NotImplementedError

    def _check_words(self):
        """A tokenizer with more words than the network has is that of another model."""
        tokenizer = getattr(self, "tokenizer", None)
        if tokenizer is None:
            return
        words, known = tokenizer.vocab_size, self.net.config.get_text_config().vocab_size
        if words > known:
            found = f"the tokenizer in {self.source} has {words:,} words, its config.json tells of {known:,}"
            raise ModelError(f"{self.model.name}: {found}. {checkpoint.unlike(self.model)}")

    def _answer(self, image, text, stream, max_new_tokens):
        """Generate greedily; call `stream.emit` once a token and end when `stream.stopped`."""
        raise NotImplementedError

    def _likely(self, image, text, max_new_tokens, k):
        """See `likely`."""
        raise ModelError(f"{self.model.name} does not tell how likely its words are")

    def _batch(self, images, texts, poolings, max_new_tokens):
        """Yield (text, answers, {pooling: float32 array (n_images, n_layers, n_dims)}) for each text."""
        raise NotImplementedError

    def _weights(self, model_class, **options):
        """The network with the checkpoint's weights, or with random ones of its shape.

        options : further arguments of the class, such as add_pooling_layer=False
        """
        return self._network(self.model, model_class, self.source, self.device, self.dtype, **options)


def _accelerator():
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _checked(images):
    if not len(images):
        raise ValueError("no pictures were given")
    return [pictures.checked(image) for image in images]


def _joined(parts, poolings):
    answers = [answer for part, _ in parts for answer in part]
    return answers, {p: np.concatenate([states[p] for _, states in parts]) for p in poolings}
