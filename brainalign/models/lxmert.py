"""LXMERT: regions of a picture and words of a text, each read alone, then together in cross-modal layers."""

from functools import cached_property

import torch
from transformers import AutoTokenizer, LxmertModel

from brainalign.models import regions
from brainalign.models.fusion import Fusion, first, mean


class Lxmert(Fusion):
    """LXMERT without its heads; see `regions` for where it gets a picture's regions.

    vision_mean : the regions in the layers that see the picture alone
    mean_image, mean_instruction, cls : the regions, the instruction's words and the text's first token in the
        cross-modal layers
    States of the text before it meets the picture cannot depend on it, so they are not given.
    """

    poolings = ("mean_image", "mean_instruction", "cls", "vision_mean")
    fixed_poolings = ("vision_mean",)

    def _load(self):
        self.net = self._weights(LxmertModel)
        self.tokenizer = AutoTokenizer.from_pretrained(self.source)
        self.regions = regions.load(self.source, self.device)
        self.longest = self.net.config.max_position_embeddings
        self.layers = tuple(f"cross {i + 1}" for i in range(self.net.config.x_layers))

    @cached_property
    def checkpoint_info(self):
        return super().checkpoint_info | {"regions": regions.described(self.source)}

    def layer_names(self, pooling):
        if pooling != "vision_mean":
            return self.layers
        return ("embeddings", *(f"layer {i + 1}" for i in range(self.net.config.r_layers)))

    def _see(self, images):
        features, boxes = (torch.from_numpy(part).to(self.device, self.net.dtype) for part in self.regions(images))
        states = [self.net.encoder.visn_fc(features, boxes)]
        for layer in self.net.encoder.r_layers:
            states.append(layer(states[-1])[0])
        return states[-1], {"vision_mean": mean(states)}

    def _meet(self, seen, ids, words):
        """The language and cross-modal part of `LxmertEncoder.forward`."""
        said, pairs = self.net.embeddings(ids, torch.zeros_like(ids)), []
        for layer in self.net.encoder.layer:
            said = layer(said)[0]
        said = said.expand(len(seen), -1, -1)
        for layer in self.net.encoder.x_layers:
            said, seen = layer(said, None, seen, None)[:2]
            pairs.append((said, seen))
        texts, images = zip(*pairs)
        return {"mean_image": mean(images), "mean_instruction": mean(texts, words), "cls": first(texts)}
