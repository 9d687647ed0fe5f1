"""Qwen-VL: pictures in their own resolution and shape, told to the language model by position in two dimensions."""

import numpy as np
import torch
from transformers import (
    ProcessorMixin,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen3VLForConditionalGeneration,
)

from brainalign.models.prefix import PicturePrefix, Seen, _merged
from brainalign.pictures import for_processors

TURN = "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>{text}<|im_end|>\n<|im_start|>assistant\n"


class PicturesOnly(Qwen2_5_VLProcessor):
    """The processor without its part for videos, which needs torchvision."""

    def __init__(self, image_processor=None, tokenizer=None, chat_template=None, **kwargs):
        self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
        self.image_token_id, self.video_token_id = tokenizer.convert_tokens_to_ids(
            [self.image_token, self.video_token]
        )
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)


class Qwen(PicturePrefix):
    """Qwen2.5-VL. Beside its language model's poolings:

    vision_mean : the vision tower's patches after each block
    connector_mean : the tokens, each of 2 x 2 patches, that are handed to the language model

    How many tokens a picture has and where they are depends on its shape: pictures of one shape share their batches.
    """

    net_class, processor_class = Qwen2_5_VLForConditionalGeneration, PicturesOnly
    poolings = (*PicturePrefix.poolings, "vision_mean", "connector_mean")
    fixed_poolings = ("mean_image", "vision_mean", "connector_mean")

    template = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n" + TURN

    def layer_names(self, pooling):
        if pooling == "connector_mean":
            return ("merger",)
        if pooling == "vision_mean":
            return ("embeddings", *(f"layer {i + 1}" for i in range(self.net.config.vision_config.depth)))
        return self.layers

    def _batch(self, images, texts, poolings, max_new_tokens):
        shapes, groups, parts = [image.shape for image in images], [], []
        for shape in dict.fromkeys(shapes):
            groups.append([i for i, other in enumerate(shapes) if other == shape])
            parts.append(list(super()._batch([images[i] for i in groups[-1]], texts, poolings, max_new_tokens)))
        order = np.argsort(np.concatenate(groups))
        for text, *of_shapes in zip(texts, *parts):
            yield text, *_merged([found[1:] for found in of_shapes], order)

    def _see(self, images, poolings):
        """Pictures of one shape."""
        inputs = self.processor.image_processor(for_processors(images), return_tensors="pt").to(self.device)
        wanted = "vision_mean" in poolings
        seen = self.net.get_image_features(
            inputs["pixel_values"].to(self.net.dtype),
            inputs["image_grid_thw"],
            output_hidden_states=wanted,
            return_dict=True,
        )
        merge = self.net.config.vision_config.spatial_merge_size
        self.height, self.width = (inputs["image_grid_thw"][0, 1:] // merge).tolist()
        pooled = {"connector_mean": torch.stack([tokens.float().mean(0)[None] for tokens in seen.pooler_output])}
        if wanted:
            layers = [layer.float().unflatten(0, (len(images), -1)).mean(1) for layer in seen.hidden_states]
            pooled["vision_mean"] = torch.stack(layers, 1)
        return Seen(self._tokens_of(seen), {p: pooled[p].cpu().numpy() for p in poolings if p in pooled})

    def _tokens_of(self, seen):
        return list(seen.pooler_output)

    def _prompt(self, text, n_picture, max_new_tokens):
        prompt = super()._prompt(text, n_picture, max_new_tokens)
        self.start = prompt.prefix - n_picture
        return prompt

    def _forward(self, embeds, mask, positions, cache, states=True):
        return super()._forward(embeds, mask, self._rotary(positions), cache, states)

    def _rotary(self, positions):
        """Time, height and width (3, n, q) of tokens at places (n, q), as `get_rope_index` of Qwen2_5_VLModel.

        A picture's tokens share one time and count rows and columns from it; text goes on after the larger of both.
        """
        place = positions - self.start
        row, column = place.div(self.width, rounding_mode="floor"), place % self.width
        shown, n = (place >= 0) & (row < self.height), self.height * self.width
        text = torch.where(place < 0, place, place - n + max(self.height, self.width))
        seen = (torch.zeros_like(place), row, column)
        return torch.stack([torch.where(shown, axis, text) for axis in seen]) + self.start


class Qwen3(Qwen):
    """Qwen3-VL, which also adds what its tower saw on the way to the first layers of the language model (DeepStack).

    Those features ride along behind the tokens' own dimensions, as zeros behind those of text.
    """

    net_class = Qwen3VLForConditionalGeneration
    template = TURN

    def _tokens_of(self, seen):
        return [torch.cat(parts, -1) for parts in zip(seen.pooler_output, *seen.deepstack_features)]

    def _filled(self, ids, tokens):
        size = self.net.config.text_config.hidden_size
        embeds = super()._filled(ids, tokens[..., :size])
        deep = embeds.new_zeros(*embeds.shape[:2], tokens.shape[-1] - size)
        deep[:, ids == self.net.config.image_token_id] = tokens[..., size:].to(embeds.dtype)
        return torch.cat([embeds, deep], -1)

    def _forward(self, embeds, mask, positions, cache, states=True):
        own, *deep = embeds.split(self.net.config.text_config.hidden_size, -1)
        seen = self._decoder(
            inputs_embeds=own,
            attention_mask=mask,
            position_ids=self._rotary(positions),
            past_key_values=cache,
            visual_pos_masks=torch.ones(own.shape[:2], dtype=torch.bool, device=self.device),
            deepstack_visual_embeds=[layer.flatten(0, 1) for layer in deep],
            output_hidden_states=states,
            use_cache=True,
        )
        return seen.hidden_states if states else (), seen.last_hidden_state
