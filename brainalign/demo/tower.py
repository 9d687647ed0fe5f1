"""The eye that the demo's twins share: the first layers of the demo's ViT, taught what stands on each patch.

InstructBLIP and BLIP-2 hold it frozen, as the real ones hold theirs, so that its states can be computed once a scene.
"""

from dataclasses import dataclass

import numpy as np
import torch

from brainalign.demo.scenes import BACKGROUNDS, SPRITES
from brainalign.demo.zoo import PATCH, PIXELS

ACROSS = PIXELS // PATCH
_NAMES = tuple(SPRITES)


def weights_of_vit(vit, n_layers):
    """A ViT's first layers under the names that the vision towers of InstructBLIP and BLIP-2 have (one qkv matrix)."""
    old, part = vit.state_dict(), "embeddings"
    new = {
        f"{part}.class_embedding": old[f"{part}.cls_token"],
        f"{part}.position_embedding": old[f"{part}.position_embeddings"],
    }
    for kind in ("weight", "bias"):
        new[f"{part}.patch_embedding.{kind}"] = old[f"{part}.patch_embeddings.projection.{kind}"]
        for i in range(n_layers):
            here, there = f"layers.{i}", f"encoder.layers.{i}"
            parts = [old[f"{here}.attention.{which}_proj.{kind}"] for which in "qkv"]
            new[f"{there}.self_attn.qkv.{kind}"] = torch.cat(parts)
            for before, after in _SAME.items():
                new[f"{there}.{after}.{kind}"] = old[f"{here}.{before}.{kind}"]
    return new


_SAME = {
    "attention.o_proj": "self_attn.projection",
    "layernorm_before": "layer_norm1",
    "layernorm_after": "layer_norm2",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}


def weights_for_clip(tower, pixels):
    """A taught tower under the names that CLIP's has, which normalises the embeddings before the first layer.

    That cannot be undone, only brought near: its gain is the embeddings' mean spread, so that the residual stream
    keeps its scale (within a fifth) and every first LayerNorm gives what it gave.
    pixels : (n, 3, 144, 144) to measure the spread on
    """
    old = tower.state_dict()
    position = old["embeddings.position_embedding"][0].clone()
    position[1:] += old["embeddings.patch_embedding.bias"]  # CLIP's patches have none
    with torch.no_grad():
        spread = tower.embeddings(pixels)[:, 1:].std(-1, unbiased=False).mean()
    new = {
        "embeddings.class_embedding": old["embeddings.class_embedding"][0, 0],
        "embeddings.patch_embedding.weight": old["embeddings.patch_embedding.weight"],
        "embeddings.position_embedding.weight": position,
        "pre_layrnorm.weight": torch.full_like(position[0], spread),
        "pre_layrnorm.bias": torch.zeros_like(position[0]),
    }
    for name, value in old.items():
        if name.startswith("post_layernorm") or ("encoder" in name and "self_attn" not in name):
            new[name] = value
        elif "qkv" in name:
            new |= {name.replace("qkv", f"{which}_proj"): part for which, part in zip("qkv", value.chunk(3))}
        elif "projection" in name:
            new[name.replace("projection", "out_proj")] = value
    return new


@dataclass(frozen=True)
class Layout:
    """What a scene's patches show.

    thing : (144,) the sprite that covers the patch's centre, from 1, in the order of `SPRITES`; 0 = none
    middle : (144,) whether the patch holds the middle of a thing
    place : number of the background
    """

    thing: np.ndarray
    middle: np.ndarray
    place: int


def layout(scene):
    """The true layout of a scene; a nearer thing hides a farther one."""
    centres = (np.arange(ACROSS) + 0.5) / ACROSS
    thing, middle = np.zeros((2, ACROSS, ACROSS), np.int64)
    for placed in scene.objects:
        near = [abs(centres - at) < 0.42 * placed.size for at in (placed.y, placed.x)]
        thing[np.ix_(*near)] = 1 + _NAMES.index(placed.name)
        middle[int(placed.y * ACROSS), int(placed.x * ACROSS)] = 1
    return Layout(thing.reshape(-1), middle.reshape(-1), tuple(BACKGROUNDS).index(scene.background))


class Taught(torch.nn.Module):
    """A tower with the three readings it is taught by, which are dropped afterwards."""

    def __init__(self, tower):
        super().__init__()
        width = tower.config.hidden_size
        self.tower = tower
        self.thing = torch.nn.Linear(width, 1 + len(SPRITES))
        self.middle = torch.nn.Linear(width, 2)
        self.place = torch.nn.Linear(width, len(BACKGROUNDS))

    def forward(self, pixels, thing, middle, place):
        """Sum of the mean cross-entropies of thing, middle and place."""
        states = self.tower(pixel_values=pixels).last_hidden_state
        patches = states[:, 1:].flatten(0, 1)
        entropy = torch.nn.functional.cross_entropy
        rare = torch.tensor([1.0, 5.0], device=patches.device)  # few patches hold a middle
        return (
            entropy(self.thing(patches).float(), thing.flatten())
            + entropy(self.middle(patches).float(), middle.flatten(), rare)
            + entropy(self.place(states[:, 0]).float(), place)
        )
