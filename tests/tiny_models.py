"""Checkpoint folders of the demo's models with random weights, made lively enough to test answers with."""

import torch

from brainalign.demo import zoo


def write_models(folder, ends_on=None):
    """Write llava-demo and vit-demo into a folder.

    The LLaVA's language weights are scaled up so that pictures and instructions change its answers.
    ends_on : extra token id at which its answers end
    """
    net = zoo.untrained_llava(seed=3)
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if weight.ndim == 2 and "vision_tower" not in name:
                weight *= 5
    zoo.save_llava(net, folder / "llava-demo")
    if ends_on is not None:
        from transformers import GenerationConfig

        told = GenerationConfig.from_pretrained(folder / "llava-demo")
        told.eos_token_id = [told.eos_token_id, ends_on]
        told.save_pretrained(folder / "llava-demo")
    zoo.save_untrained_vit(folder / "vit-demo")
    return folder
