"""LLaVA: a vision tower's patches become tokens of a language model, which reads the instruction after them."""

from typing import ClassVar

import torch
from transformers import (
    LlavaForConditionalGeneration,
    LlavaNextForConditionalGeneration,
    LlavaNextProcessor,
    LlavaProcessor,
)
from transformers.models.llava_next.modeling_llava_next import image_size_to_num_patches

from brainalign.models import framing
from brainalign.models.checkpoint import ModelError
from brainalign.models.prefix import PicturePrefix, Seen
from brainalign.models.special import token_id
from brainalign.pictures import for_processors

OTHERS = ("<|im_start|>", "<|start_header_id|>")  # words of LLaMAs that were tuned on another format than Vicuna's
VICUNA = (
    "A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, detailed, "
    "and polite answers to the human's questions. USER: <image>\n{text} ASSISTANT:"
)


class Llava(PicturePrefix):
    """LLaVA 1.5 and everything saved in its shape. Beside its language model's:

    vision_mean, vision_cls : the vision tower's patches, and its class token; after each block
    connector_mean : the tokens that the projector hands to the language model
    """

    net_class, processor_class = LlavaForConditionalGeneration, LlavaProcessor
    poolings = (*PicturePrefix.poolings, "vision_mean", "vision_cls", "connector_mean")
    fixed_poolings = ("mean_image", "vision_mean", "vision_cls", "connector_mean")
    templates: ClassVar = {"llama": "USER: <image>\n{text} ASSISTANT:"}  # as documented, by language model

    def _documented(self):
        """Of this language model, and of no other: what it was not tuned on would be answered all the same."""
        kind = self.net.config.get_text_config().model_type
        if kind not in self.templates or any(token_id(self.tokenizer, mark) is not None for mark in OTHERS):
            raise ModelError(
                f"{self.model.name}: {self.source} has no chat template, and none is known for its language model "
                f"({kind}); take chat_template.json or chat_template.jinja from where the weights were published"
            )
        return self.templates[kind]

    def layer_names(self, pooling):
        if pooling == "connector_mean":
            return ("projector",)
        if pooling.startswith("vision_"):
            return ("embeddings", *(f"layer {i + 1}" for i in range(self.net.config.vision_config.num_hidden_layers)))
        return self.layers

    def _see(self, images, poolings):
        pictures = for_processors(self._framed(image) for image in images)
        inputs = self.processor.image_processor(pictures, return_tensors="pt").to(self.device, self.net.dtype)
        wanted = {"vision_mean", "vision_cls"} & set(poolings)
        seen = self.net.get_image_features(**inputs, output_hidden_states=bool(wanted), return_dict=True)
        pooled = {}
        if wanted:
            layers = [layer[self._whole(inputs)].float() for layer in seen.hidden_states]
            pooled["vision_mean"] = torch.stack([layer[:, 1:].mean(1) for layer in layers], 1)
            pooled["vision_cls"] = torch.stack([layer[:, 0] for layer in layers], 1)
        pooled["connector_mean"] = torch.stack([tokens.float().mean(0)[None] for tokens in seen.pooler_output])
        return Seen(list(seen.pooler_output), {p: pooled[p].cpu().numpy() for p in poolings if p in pooled})

    def _framed(self, image):
        """Padded as LLaVA's publishers do, where the published processor would cut off the ends of a longer side."""
        processor = self.processor.image_processor
        return framing.squared(image, processor.image_mean) if processor.do_center_crop else image

    def unseen(self, image):
        return super().unseen(self._framed(image))

    def _whole(self, inputs):
        """Where the whole pictures are among what the vision tower sees."""
        return slice(None)


class LlavaAuthors(Llava):
    """LLaVA 1.5 asked as the code of the paper's authors asks it: with a line break before its turn."""

    templates: ClassVar = {"llama": "USER: <image>\n{text}\nASSISTANT:"}
    _chats = False  # whatever chat template the checkpoint has


class LlavaNext(Llava):
    """LLaVA-NeXT, also called 1.6: besides the whole picture, its parts in higher resolution become tokens.

    How many depends on a picture's shape: pictures of one shape share their batches. vision_mean and vision_cls are
    those of the whole picture; connector_mean and mean_image are over all tokens, with those that end a line.
    """

    net_class, processor_class = LlavaNextForConditionalGeneration, LlavaNextProcessor
    templates: ClassVar = {"mistral": "[INST] <image>\n{text} [/INST]", "llama": VICUNA}

    def _framed(self, image):
        return image

    def unseen(self, image):
        return 0.0, 0.0  # its processor pads

    def _whole(self, inputs):
        config = self.net.config
        side = config.vision_config.image_size
        counts = [image_size_to_num_patches(size, config.image_grid_pinpoints, side) for size in inputs["image_sizes"]]
        return torch.tensor([0, *counts[:-1]], device=self.device).cumsum(0)
