"""mPLUG-Owl as a network of transformers' parts, under which the published checkpoints load: names, and fused weights.

The published vision tower is CLIP's with other names and with query, key and value in one matrix, head by head.
transformers converts both while it reads a checkpoint, and back when it saves one.
"""

from typing import ClassVar

import torch
from torch import nn
from transformers import (
    AutoConfig,
    CLIPVisionConfig,
    CLIPVisionModel,
    GenerationMixin,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.conversion_mapping import register_checkpoint_conversion_mapping
from transformers.core_model_loading import ConversionOps, WeightConverter, WeightRenaming


class OwlConfig(PreTrainedConfig):
    """As published: three dictionaries and the number of queries. The abstractor's stays a dictionary."""

    model_type = "mplug-owl"
    sub_configs: ClassVar = {"vision_config": CLIPVisionConfig, "text_config": LlamaConfig}

    vision_config: dict | PreTrainedConfig | None = None
    visual_abstractor_config: dict | None = None
    text_config: dict | PreTrainedConfig | None = None
    num_query_tokens: int = 64

    def __post_init__(self, **kwargs):
        tower = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
        tower |= {"patch_size": 14, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-6}
        queries = {"hidden_size": 1024, "num_hidden_layers": 6, "num_attention_heads": 16, "intermediate_size": 4096}
        queries |= {"layer_norm_eps": 1e-6, "encoder_hidden_size": 1024}
        self.visual_abstractor_config = queries | (self.visual_abstractor_config or {})
        if not isinstance(self.vision_config, CLIPVisionConfig):
            self.vision_config = CLIPVisionConfig(**tower | _own(self.vision_config))
        if not isinstance(self.text_config, LlamaConfig):
            self.text_config = LlamaConfig(**_own(self.text_config))
        super().__post_init__(**kwargs)


def _own(config):
    """A part's settings without those that say what the publishers called it."""
    return {k: v for k, v in (config or {}).items() if k not in ("model_type", "architectures", "_name_or_path")}


class OwlTower(CLIPVisionModel):
    """CLIP's vision tower, under a name of its own to which `PUBLISHED` belongs."""


class OwlForConditionalGeneration(PreTrainedModel, GenerationMixin):
    """Vision tower, abstractor and language model."""

    config_class = OwlConfig

    def __init__(self, config):
        super().__init__(config)
        part = config.visual_abstractor_config
        self.vision_model = OwlTower(config.vision_config)
        self.query_tokens = nn.Parameter(torch.randn(1, config.num_query_tokens, part["hidden_size"]))
        self.abstractor = Abstractor(part, config.text_config.hidden_size)
        self.language_model = LlamaForCausalLM(config.text_config)
        self.post_init()

    def get_input_embeddings(self):
        return self.language_model.get_input_embeddings()

    def get_output_embeddings(self):
        return self.language_model.get_output_embeddings()

    def get_decoder(self):
        return self.language_model.get_decoder()

    def see(self, pixels, **options):
        """What the tower gives, and the tokens (n, n_queries + 1, n_dims) for the language model."""
        seen = self.vision_model(pixel_values=pixels, **options)
        return seen, self.abstractor(self.query_tokens, self.vision_model.post_layernorm(seen.last_hidden_state))


class Abstractor(nn.Module):
    """Queries that gather what the vision tower saw, then a token that ends the picture."""

    def __init__(self, config, language_size):
        super().__init__()
        self.encoder = nn.ModuleDict({"layers": nn.ModuleList()})
        for _ in range(config["num_hidden_layers"]):
            self.encoder["layers"].append(nn.ModuleDict({"crossattention": Gathering(config)}))
        self.visual_fc = nn.Linear(config["hidden_size"], language_size)
        self.vit_eos = nn.Parameter(torch.randn(1, 1, language_size))

    def forward(self, queries, seen):
        queries = queries.expand(len(seen), -1, -1)
        for layer in self.encoder["layers"]:
            queries = layer["crossattention"](queries, seen)
        return torch.cat([self.visual_fc(queries), self.vit_eos.expand(len(seen), -1, -1)], 1)


class Gathering(nn.Module):
    """Queries attend to themselves and to what was seen; the residual starts from the normalised queries."""

    def __init__(self, config):
        super().__init__()
        size, seen = config["hidden_size"], config["encoder_hidden_size"]
        self.heads = config["num_attention_heads"]
        self.norm1, self.normk = nn.LayerNorm(size), nn.LayerNorm(seen)
        self.attention = nn.ModuleDict(
            {"query": nn.Linear(size, size), "key": nn.Linear(seen, size), "value": nn.Linear(seen, size)}
        )
        inner = config["intermediate_size"]
        mlp = {"w1": nn.Linear(size, inner), "w2": nn.Linear(inner, size), "w3": nn.Linear(size, inner)}
        mlp["ffn_ln"] = nn.LayerNorm(inner, eps=config["layer_norm_eps"])
        self.output = nn.ModuleDict(
            {"out_proj": nn.Linear(size, size), "norm2": nn.LayerNorm(size), "mlp": nn.ModuleDict(mlp)}
        )

    def forward(self, queries, seen):
        queries = self.norm1(queries)
        both = torch.cat([queries, self.normk(seen)], 1)
        parts = {"query": queries, "key": both, "value": both}
        heads = [self.attention[name](x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for name, x in parts.items()]
        gathered = nn.functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
        x, mlp = queries + self.output["out_proj"](gathered), self.output["mlp"]
        y = self.output["norm2"](x)
        return x + mlp["w2"](mlp["ffn_ln"](nn.functional.silu(mlp["w1"](y)) * mlp["w3"](y)))


class Deal(ConversionOps):
    """One matrix with (query, key, value) of head after head -> the three; `inverse` the other way."""

    def __init__(self, inverse=False):
        self.inverse = inverse

    def convert(self, input_dict, source_patterns, target_patterns, config, **kwargs):
        heads = config.vision_config.num_attention_heads
        held = [input_dict[name] for name in source_patterns]
        held = [value[0] if isinstance(value, list) else value for value in held]
        if self.inverse:
            fused = torch.stack([part.unflatten(0, (heads, -1)) for part in held], 1).flatten(0, 2)
            return {target_patterns[0]: fused}
        parts = held[0].unflatten(0, (heads, 3, -1)).unbind(1)
        return {name: part.flatten(0, 1).contiguous() for name, part in zip(target_patterns, parts)}

    @property
    def reverse_op(self):
        return Deal(not self.inverse)


class Unwrap(ConversionOps):
    """Leave out the first dimensions, each of length 1; a negative number puts them back."""

    def __init__(self, n):
        self.n = n

    def convert(self, input_dict, source_patterns, target_patterns, **kwargs):
        (held,) = input_dict.values()
        held = held[0] if isinstance(held, list) else held
        shaped = held.reshape(held.shape[self.n :]) if self.n > 0 else held[(None,) * -self.n]
        return {target_patterns[0]: shaped.contiguous()}

    @property
    def reverse_op(self):
        return Unwrap(-self.n)


PUBLISHED = [  # names within the vision tower; the others are as published
    WeightRenaming(r"embeddings\.patch_embed\.", "embeddings.patch_embedding."),
    WeightRenaming(r"embeddings\.pre_layernorm\.", "pre_layrnorm."),
    WeightRenaming(r"self_attn\.dense\.", "self_attn.out_proj."),
    WeightRenaming(r"\.input_layernorm\.", ".layer_norm1."),
    WeightRenaming(r"\.post_attention_layernorm\.", ".layer_norm2."),
    WeightConverter("embeddings.cls_token", "embeddings.class_embedding", [Unwrap(2)]),
    WeightConverter("embeddings.position_embedding", "embeddings.position_embedding.weight", [Unwrap(1)]),
    WeightConverter(
        "self_attn.query_key_value", ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"], [Deal()]
    ),
]
AutoConfig.register(OwlConfig.model_type, OwlConfig, exist_ok=True)
register_checkpoint_conversion_mapping(OwlTower.__name__, PUBLISHED, overwrite=True)
