"""Models that read a text on its own: what someone wrote, or another model said, about each picture."""

import numpy as np
import torch

from brainalign.models.adapter import Adapter


class TextReader(Adapter):
    """A model with states of texts themselves, beside or instead of those of pictures.

    text_poolings : ways to make one vector of a text's tokens
    longest : how many tokens of a text it can hold; what follows is cut off
    A family gives `_text_states` and its `tokenizer`.
    """

    text_poolings: tuple[str, ...]
    longest: int

    def states_of_texts(self, texts, poolings=None, batch_size=32):
        """Pooled states of n texts: {pooling: float32 (n, n_layers, n_dims)}.

        An empty text has the states of the marks that stand around every text.
        """
        poolings, parts = self._chosen(poolings, self.text_poolings), []
        if not texts:
            raise ValueError("no texts were given")
        order = np.argsort([len(text) for text in texts], kind="stable")  # little padding in each batch
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            with self._running(len(rows)):
                parts.append(self._text_states(*self._tokens([texts[i] for i in rows])))
        back = np.argsort(order)
        return {pooling: np.concatenate([part[pooling] for part in parts])[back] for pooling in poolings}

    def unread(self, text):
        """How many tokens of a text are cut off at its end, because the model cannot hold more."""
        return max(0, len(self.tokenizer(text.strip(), verbose=False)["input_ids"]) - self.longest)

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


def last(seen):
    """The last token of each text: (n, n_tokens) True up to the padding -> True there alone."""
    return seen & (seen.sum(1, keepdim=True) == seen.cumsum(1))
