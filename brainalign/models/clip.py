"""CLIP: an image tower and a text tower that meet in one embedding."""

import numpy as np
from transformers import CLIPModel, CLIPProcessor

from brainalign.models.fusion import first, mean
from brainalign.models.texts import TextReader, last
from brainalign.pictures import for_processors


class Clip(TextReader):
    """States of the image tower, which no instruction can change; and of texts, by the text tower.

    vision_mean, vision_cls : patches and class token of the image tower, before its last LayerNorm
    mean_instruction, cls : a text's words, and its end, of which CLIP makes the embedding
    joint : the embedding of a picture or of a text, in the space that both share; one layer
    pair : what CLIP gives for a picture and a text about it: both embeddings, each of length 1, after one another
    """

    poolings = fixed_poolings = ("vision_mean", "vision_cls", "joint")
    text_poolings = ("mean_instruction", "cls", "joint")
    pair_poolings = ("pair", "vision_mean", "vision_cls")
    uses_instruction = False
    answers = False

    def _load(self):
        self.net = self._weights(CLIPModel)
        self.processor = CLIPProcessor.from_pretrained(self.source, backend="pil")
        self.tokenizer = self.processor.tokenizer
        self.longest = self.net.config.text_config.max_position_embeddings
        self.layers = _names(self.net.config.vision_config)

    def layer_names(self, pooling):
        if pooling in ("joint", "pair"):
            return (pooling,)
        return self.layers if pooling in self.poolings else _names(self.net.config.text_config)

    def _batch(self, images, texts, poolings, max_new_tokens):
        pooled = self._picture_states(images)
        for text in texts:
            yield text, [""] * len(images), {pooling: pooled[pooling] for pooling in poolings}

    def _picture_states(self, images):
        pixels = self.processor.image_processor(for_processors(images), return_tensors="pt")["pixel_values"]
        seen = self.net.vision_model(pixels.to(self.device, self.net.dtype), output_hidden_states=True)
        return {
            "vision_mean": mean([layer[:, 1:] for layer in seen.hidden_states]),
            "vision_cls": first(seen.hidden_states),
            "joint": first([self.net.visual_projection(seen.pooler_output)[:, None]]),
        }

    def _text_states(self, ids, seen, words):
        read = self.net.text_model(ids, attention_mask=seen, output_hidden_states=True)
        ends = last(seen)
        return {
            "mean_instruction": mean(read.hidden_states, words),
            "cls": mean(read.hidden_states, ends),
            "joint": first([self.net.text_projection(read.pooler_output)[:, None]]),
        }

    def _pair_states(self, images, read):
        seen = self._picture_states(images)
        both = [x / np.linalg.norm(x, axis=-1, keepdims=True) for x in (seen.pop("joint"), read["joint"])]
        return seen | {"pair": np.concatenate(both, -1)}


def _names(tower):
    return ("embeddings", *(f"layer {i + 1}" for i in range(tower.num_hidden_layers)))
