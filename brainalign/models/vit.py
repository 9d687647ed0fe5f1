"""Vision transformers: they see a picture and no instruction."""

import torch
from transformers import ViTForImageClassification, ViTImageProcessorPil

from brainalign.models.adapter import Adapter


class Vit(Adapter):
    """A ViT classifier. Its states come after each block, before the last LayerNorm.

    Poolings: mean over the patches' tokens, or the class token that the classifier reads.
    """

    poolings = fixed_poolings = ("mean_patches", "cls")
    uses_instruction = False
    answers = False

    def _load(self):
        self.net = self._weights(ViTForImageClassification)
        self.processor = ViTImageProcessorPil.from_pretrained(self.source)
        self.layers = ("embeddings", *(f"layer {i + 1}" for i in range(self.net.config.num_hidden_layers)))

    def _batch(self, images, texts, poolings, max_new_tokens):
        pixels = self.processor(images, return_tensors="pt")["pixel_values"].to(self.device, self.net.dtype)
        states = torch.stack(self.net(pixel_values=pixels, output_hidden_states=True).hidden_states, 1).float()
        pooled = {"mean_patches": states[:, :, 1:].mean(2), "cls": states[:, :, 0]}
        pooled = {name: pooled[name].cpu().numpy() for name in poolings}
        for text in texts:
            yield text, [""] * len(images), pooled
