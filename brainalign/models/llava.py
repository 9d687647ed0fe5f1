"""LLaVA: a vision tower's patches become tokens of a language model, which reads the instruction after them."""

import torch
from transformers import (
    LlavaForConditionalGeneration,
    LlavaNextForConditionalGeneration,
    LlavaNextProcessor,
    LlavaProcessor,
)
from transformers.models.llava_next.modeling_llava_next import image_size_to_num_patches

from brainalign.models import prompts
from brainalign.models.prefix import PicturePrefix, Seen


class Llava(PicturePrefix):
    """LLaVA 1.5 and everything saved in its shape. Beside its language model's:

    vision_mean, vision_cls : the vision tower's patches, and its class token; after each block
    connector_mean : the tokens that the projector hands to the language model
    """

    net_class, processor_class = LlavaForConditionalGeneration, LlavaProcessor
    poolings = (*PicturePrefix.poolings, "vision_mean", "vision_cls", "connector_mean")
    fixed_poolings = ("mean_image", "vision_mean", "vision_cls", "connector_mean")
    template = "USER: <image>\n{text} ASSISTANT:"

    def layer_names(self, pooling):
        if pooling == "connector_mean":
            return ("projector",)
        if pooling.startswith("vision_"):
            return ("embeddings", *(f"layer {i + 1}" for i in range(self.net.config.vision_config.num_hidden_layers)))
        return self.layers

    def _see(self, images, poolings):
        inputs = self.processor.image_processor(images, return_tensors="pt").to(self.device, self.net.dtype)
        wanted = {"vision_mean", "vision_cls"} & set(poolings)
        seen = self.net.get_image_features(**inputs, output_hidden_states=bool(wanted), return_dict=True)
        pooled = {}
        if wanted:
            layers = [layer[self._whole(inputs)].float() for layer in seen.hidden_states]
            pooled["vision_mean"] = torch.stack([layer[:, 1:].mean(1) for layer in layers], 1)
            pooled["vision_cls"] = torch.stack([layer[:, 0] for layer in layers], 1)
        pooled["connector_mean"] = torch.stack([tokens.float().mean(0)[None] for tokens in seen.pooler_output])
        return Seen(list(seen.pooler_output), {p: pooled[p].cpu().numpy() for p in poolings if p in pooled})

    def _whole(self, inputs):
        """Where the whole pictures are among what the vision tower sees."""
        return slice(None)


class LlavaAuthors(Llava):
    """LLaVA 1.5 asked as the code of the paper's authors asks it: with a line break before its turn."""

    template = "USER: <image>\n{text}\nASSISTANT:"

    def _around(self, text):
        """Whatever chat template the checkpoint has."""
        return prompts.of_template(self.template)


class LlavaNext(Llava):
    """LLaVA-NeXT, also called 1.6: besides the whole picture, its parts in higher resolution become tokens.

    How many depends on a picture's shape: pictures of one shape share their batches. vision_mean and vision_cls are
    those of the whole picture; connector_mean and mean_image are over all tokens, with those that end a line.
    """

    net_class, processor_class = LlavaNextForConditionalGeneration, LlavaNextProcessor
    template = "[INST] <image>\n{text} [/INST]"

    def _whole(self, inputs):
        config = self.net.config
        side = config.vision_config.image_size
        counts = [image_size_to_num_patches(size, config.image_grid_pinpoints, side) for size in inputs["image_sizes"]]
        return torch.tensor([0, *counts[:-1]], device=self.device).cumsum(0)
