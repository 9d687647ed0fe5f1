"""Models that read a text on its own: what someone wrote, or another model said, about each picture."""

import numpy as np
import torch

from brainalign.models.adapter import Adapter, _checked


class TextReader(Adapter):
    """A model with states of texts themselves, beside or instead of those of pictures.

    text_poolings : ways to make one vector of a text's tokens
    pair_poolings : further ones of a text and its picture together, or of the picture beside it
    longest : how many tokens of a text it can hold; what follows is cut off
    A family gives `_text_states` and its `tokenizer`.
    """

    text_poolings: tuple[str, ...]
    pair_poolings: tuple[str, ...] = ()
    longest: int

    def states_of_texts(self, texts, poolings=None, batch_size=32, images=None):
        """Pooled states of n texts: {pooling: float32 (n, n_layers, n_dims)}.

        images : the n pictures that the texts are about, for the poolings of both
        An empty text has the states of the marks that stand around every text.
        """
        pairs = () if images is None else self.pair_poolings
        poolings, parts = self._chosen(poolings, (*pairs, *self.text_poolings)), []
        if not texts:
            raise ValueError("no texts were given")
        if pairs and len(_checked(images)) != len(texts):
            raise ValueError(f"{len(images)} pictures were given with {len(texts)} texts, expected one each")
        order = np.argsort([len(text) for text in texts], kind="stable")  # little padding in each batch
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            with self._running(len(rows)):
                parts.append(self._text_states(*self._tokens([texts[i] for i in rows])))
                if set(poolings) & set(pairs):
                    parts[-1] |= self._pair_states([images[i] for i in rows], parts[-1])
        back = np.argsort(order)
        return {pooling: np.concatenate([part[pooling] for part in parts])[back] for pooling in poolings}

    def unread(self, text):
        """How many tokens of a text are cut off at its end, because the model cannot hold more."""
        return max(0, len(self.tokenizer(text.strip(), verbose=False)["input_ids"]) - self.longest)

    def lost(self, images=(), texts=()):
        """What is cut off of pictures, and of texts: also {"unread": (n,) tokens}."""
        return super().lost(images) | ({"unread": np.array([self.unread(text) for text in texts])} if texts else {})

    def _tokens(self, texts):
        """ids, seen (False for padding) and words (False for the marks around each text too), each (n, n_tokens)."""
        read = self.tokenizer(
            [text.strip() for text in texts],
            padding=True,
            padding_side="right",
            truncation=True,
            max_length=self.longest,
            return_special_tokens_mask=True,
            return_tensors="pt",
        ).to(self.device)
        seen = read["attention_mask"].bool()
        words = seen & (read["special_tokens_mask"] == 0)
        return read["input_ids"], seen, torch.where(words.any(1, keepdim=True), words, seen)

    def _text_states(self, ids, seen, words):
        """{pooling: float32 array (n, n_layers, n_dims)} of all text poolings."""
        raise NotImplementedError

    def _pair_states(self, images, read):
        """The same of all pair poolings, for n pictures; read : the text poolings of their texts."""
        raise NotImplementedError


def last(seen):
    """The last token of each text: (n, n_tokens) True up to the padding -> True there alone."""
    return seen & (seen.sum(1, keepdim=True) == seen.cumsum(1))
