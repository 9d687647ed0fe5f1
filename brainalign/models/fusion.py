"""Models that read a picture and a text together and write nothing: the part that such families share."""

import torch

from brainalign.models.adapter import Adapter


class Fusion(Adapter):
    """An encoder of pictures and texts. What depends on the picture alone is computed once for all instructions.

    A family gives two methods: `_see` the pictures, then let them `_meet` each instruction.
    """

    answers = False

    def _batch(self, images, texts, poolings, max_new_tokens):
        seen, fixed = self._see(images)
        for text in texts:
            pooled = dict(fixed)
            if not set(poolings) <= set(pooled):
                ids, words = self._read(text)
                pooled |= self._meet(seen, ids, words.expand(len(images), -1))
            yield text, [""] * len(images), {pooling: pooled[pooling] for pooling in poolings}

    def _see(self, images):
        """Whatever `_meet` needs of n pictures, and {pooling: (n, n_layers, n_dims)} of the fixed poolings."""
        raise NotImplementedError

    def _meet(self, seen, ids, words):
        """{pooling: (n, n_layers, n_dims)} of the other poolings.

        ids : (1, n_tokens) of one instruction; words : (n, n_tokens), True for its words, False for the marks around
        """
        raise NotImplementedError

    def _read(self, text):
        read = self.tokenizer(text.strip(), return_tensors="pt", return_special_tokens_mask=True)
        ids, words = read["input_ids"].to(self.device), read["special_tokens_mask"].to(self.device) == 0
        if "mean_instruction" in self.poolings and not words.any():
            raise ValueError(f"{self.model.name} reads nothing of the instruction {text!r}; try other words")
        if ids.shape[1] > self.longest:
            raise ValueError(
                f"the instruction has {ids.shape[1]} tokens, more than {self.model.name} can hold ({self.longest}); "
                "shorten it"
            )
        return ids, words


def mean(layers, which=None):
    """Mean over tokens in float32 of each layer: (n, n_tokens, n_dims) each -> array (n, n_layers, n_dims).

    which : (n, n_tokens), True for the tokens to take; by default all
    """
    layers = [layer.float() for layer in layers]
    if which is None:
        return torch.stack([layer.mean(1) for layer in layers], 1).cpu().numpy()
    share = which.float() / which.sum(1, keepdim=True).clamp(min=1)
    return torch.stack([torch.einsum("nt,ntd->nd", share, layer) for layer in layers], 1).cpu().numpy()


def first(layers):
    """The first token of each layer, where such models keep what they make of the whole: (n, n_layers, n_dims)."""
    return torch.stack([layer[:, 0].float() for layer in layers], 1).cpu().numpy()
