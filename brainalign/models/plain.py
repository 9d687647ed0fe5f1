"""A model as transformers alone runs it: what `verify` holds an adapter against.

Everything is read anew from the checkpoint with transformers' Auto classes, one picture and one instruction at a time,
without padding, sharing or a cache of the prompt. Of BrainAlign's own only the prompt as it is sent, whether a LLaMA's
begins with its mark (`special.with_bos`), the region features, and where VisualBERT's words lie are used.
"""

import torch
from transformers import PreTrainedConfig
from transformers.utils import logging

from brainalign.models.plain_fusions import Bridging, Crossing, Joining
from brainalign.models.plain_readers import Encoder, TwoTowers, Vision
from brainalign.models.plain_speakers import Amid, Between, Looker, Querying, Speaker, Tiling

READERS = {
    "vit": Vision,
    "clip": TwoTowers,
    "bert": Encoder,
    "llama": Speaker,
    "llava": Looker,
    "llava_next": Looker,
    "qwen2_5_vl": Tiling,
    "qwen3_vl": Tiling,
    "blip-2": Querying,
    "instructblip": Querying,
    "idefics": Between,
    "bridgetower": Bridging,
    "lxmert": Crossing,
    "visual_bert": Joining,
}


def reader(model, place, device, dtype):
    """Something with `read(picture, before, text, after, limit)` -> `Said`, for a row and its folder or hub id."""
    named = PreTrainedConfig.get_config_dict(place)[0].get("model_type")
    kind = Amid if model.composed and named == "blip-2" else READERS.get(named)
    if not kind:
        raise NotImplementedError(f"it has no network of the kind {named}")
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        return kind(place, torch.device(device), getattr(torch, dtype))
    finally:
        logging.set_verbosity(verbosity)
