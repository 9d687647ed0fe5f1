"""Vision transformers: they see a picture and no instruction."""

from transformers import ViTForImageClassification, ViTImageProcessorPil, ViTModel

from brainalign.models.adapter import Adapter
from brainalign.models.fusion import first, mean
from brainalign.pictures import for_processors


class Vit(Adapter):
    """A ViT classifier. Its states come after each block, before the last LayerNorm.

    mean_patches : mean over the patches' tokens
    cls : the class token, which the classifier reads
    """

    poolings = fixed_poolings = ("mean_patches", "cls")
    uses_instruction = False
    answers = False
    net_class, options = ViTForImageClassification, {}

    def _load(self):
        self.net = self._weights(self.net_class, **self.options)
        self.processor = ViTImageProcessorPil.from_pretrained(self.source)
        self.layers = ("embeddings", *(f"layer {i + 1}" for i in range(self.net.config.num_hidden_layers)))

    def _batch(self, images, texts, poolings, max_new_tokens):
        pictures = for_processors(images)
        pixels = self.processor(pictures, return_tensors="pt")["pixel_values"].to(self.device, self.net.dtype)
        states = self.net(pixel_values=pixels, output_hidden_states=True).hidden_states
        pooled = {"mean_patches": mean([layer[:, 1:] for layer in states]), "cls": first(states)}
        for text in texts:
            yield text, [""] * len(images), {pooling: pooled[pooling] for pooling in poolings}


class VitBackbone(Vit):
    """A ViT without a classifier; what a checkpoint has above its last block is left out."""

    net_class, options = ViTModel, {"add_pooling_layer": False}
