"""VisualBERT: words of a text and regions of a picture as the tokens of one BERT."""

from contextlib import nullcontext
from functools import cached_property
from pathlib import Path

import torch
from transformers import AutoTokenizer, VisualBertModel

from brainalign.models import checkpoint, complete, regions
from brainalign.models.fusion import Fusion, first, mean
from brainalign.models.table import MODELS

BERT = MODELS["bert-base"]  # whose words it was trained with: the published checkpoints come without a tokenizer


class VisualBert(Fusion):
    """VisualBERT without its heads; see `regions` for where it gets a picture's regions.

    mean_image, mean_instruction, cls : the regions, the instruction's words and the first token, in every layer
    Every layer sees both, so that no state is free of the instruction but the regions' embeddings.
    """

    poolings = ("mean_image", "mean_instruction", "cls")

    def _load(self):
        self.net = self._weights(VisualBertModel)
        own = complete.has_tokenizer(Path(self.source))
        with nullcontext() if own else checkpoint.explained(BERT):
            self.tokenizer = AutoTokenizer.from_pretrained(self.source if own else checkpoint.source(BERT))
        self.regions = regions.load(self.source, self.device)
        self.longest = self.net.config.max_position_embeddings
        self.layers = ("embeddings", *(f"layer {i + 1}" for i in range(self.net.config.num_hidden_layers)))

    @cached_property
    def checkpoint_info(self):
        return super().checkpoint_info | {"regions": regions.described(self.source)}

    def _see(self, images):
        features, _ = self.regions(images)  # it has no place for their boxes
        return torch.from_numpy(features).to(self.device, self.net.dtype), {}

    def _meet(self, seen, ids, words):
        states = self.net(
            input_ids=ids.expand(len(seen), -1),
            attention_mask=torch.ones_like(ids).expand(len(seen), -1),
            visual_embeds=seen,
            output_hidden_states=True,
        ).hidden_states
        n = ids.shape[1]
        texts, images = [layer[:, :n] for layer in states], [layer[:, n:] for layer in states]
        return {"mean_image": mean(images), "mean_instruction": mean(texts, words), "cls": first(texts)}
