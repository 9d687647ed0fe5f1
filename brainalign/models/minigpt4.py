"""MiniGPT-4: BLIP-2's vision part and one trained matrix before a language model that was not trained with it.

The published files hold little more than the matrix; `brainalign.models.compose` makes a checkpoint folder of them.
"""

from typing import ClassVar

import torch
from torch import nn
from transformers import (
    Blip2VisionConfig,
    Blip2VisionModel,
    GenerationMixin,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedConfig,
    PreTrainedModel,
)

from brainalign.models import prompts
from brainalign.models.blip import Blip2
from brainalign.models.special import NOWHERE

TOLD = (
    "Give the following image: <Img>ImageContent</Img>. "
    "You will be able to see the image once I provide it to you. Please answer my questions."
)
BESIDE = 4  # patches that become one token of the Llama-2 version


class PatchesConfig(PreTrainedConfig):
    """Vision tower and language model; the matrix between them follows from their sizes."""

    model_type = "minigpt4-patches"
    sub_configs: ClassVar = {"vision_config": Blip2VisionConfig, "text_config": LlamaConfig}

    vision_config: dict | PreTrainedConfig | None = None
    text_config: dict | PreTrainedConfig | None = None

    def __post_init__(self, **kwargs):
        if not isinstance(self.vision_config, Blip2VisionConfig):
            self.vision_config = Blip2VisionConfig(**(self.vision_config or {}))
        if not isinstance(self.text_config, LlamaConfig):
            self.text_config = LlamaConfig(**(self.text_config or {}))
        super().__post_init__(**kwargs)


class PatchesForConditionalGeneration(PreTrainedModel, GenerationMixin):
    """Vision tower, the matrix over four patches, language model: under BLIP-2's names."""

    config_class = PatchesConfig

    def __init__(self, config):
        super().__init__(config)
        self.vision_model = Blip2VisionModel(config.vision_config)
        self.language_projection = nn.Linear(BESIDE * config.vision_config.hidden_size, config.text_config.hidden_size)
        self.language_model = LlamaForCausalLM(config.text_config)
        self.post_init()

    def get_input_embeddings(self):
        return self.language_model.get_input_embeddings()

    def get_output_embeddings(self):
        return self.language_model.get_output_embeddings()

    def get_decoder(self):
        return self.language_model.get_decoder()


class Minigpt4(Blip2):
    """The version with Vicuna v0: BLIP-2's Q-Former, whose queries a matrix turns into Vicuna's tokens.

    The poolings are BLIP-2's. An answer ends with Vicuna's mark of a new turn, ###, in either of two spellings.
    """

    template = TOLD + "###Human: <Img><ImageHere></Img> {text}###Assistant: "
    turn, pairs = (835,), ((2277, 29937),)  # ids of LLaMA's tokenizer for ### alone, and ## and #
    unsure = Blip2.unsure + "#"

    def _load(self):
        super()._load()
        self.net.config.image_token_id = NOWHERE
        self.net.vision_model.post_layernorm.eps = 1e-5
        self.ends = torch.cat([self.ends, torch.tensor(self.turn, dtype=torch.long, device=self.device)])

    def _tokens(self, text, n_picture):
        """What is before and after the picture is turned into tokens apart, as the model was trained."""
        before, after = self._around(text)
        start, between = before.split("<ImageHere>")
        head = self.tokenizer(start)["input_ids"]
        rest, inside = prompts.tokens(self.tokenizer, between, text, after, add_special_tokens=False)
        return [*head, *[NOWHERE] * n_picture, *rest], [False] * (len(head) + n_picture) + inside

    def _around(self, text):
        return prompts.of_template(self.template)

    def _text(self, ids):
        return super()._text(ids).partition("###")[0].strip()


class Minigpt4Llama2(Minigpt4):
    """The version with Llama-2: no Q-Former, four patches after one another become one token.

    connector_mean : the tokens that the matrix hands to the language model
    """

    template = TOLD + "<s>[INST] <Img><ImageHere></Img> {text} [/INST] "
    turn, pairs, unsure = (), (), Blip2.unsure
    net_class = PatchesForConditionalGeneration

    def layer_names(self, pooling):
        return ("projection",) if pooling == "connector_mean" else super().layer_names(pooling)

    def _queried(self, patches, poolings):
        tokens = self.net.language_projection(patches[:, 1:].unflatten(1, (-1, BESIDE)).flatten(2))
        pooled = {"connector_mean": tokens.float().mean(1, keepdim=True).cpu().numpy()}
        return tokens, {pooling: pooled[pooling] for pooling in poolings if pooling in pooled}
