"""The picture itself: the control without any model."""

import numpy as np
from PIL import Image
from torch.nn import Module

from brainalign.models import checkpoint
from brainalign.models.adapter import Adapter

SIDES = (2, 4, 8, 16)


class Pixels(Adapter):
    """Colours of a picture at coarse resolutions, which stand for layers.

    pixels : mean colour (red, green, blue in [0, 1]) of each cell of a grid of 2 x 2 to 16 x 16 cells. All have the
        dimensions of the finest, in which the cells of a coarser grid repeat.
    """

    poolings = fixed_poolings = ("pixels",)
    uses_instruction = False
    answers = False

    def _load(self):
        self.net = Module()
        self.layers = tuple(f"{side} x {side}" for side in SIDES)

    @property
    def checkpoint_info(self):
        return checkpoint.describe(self.model, self.source, self.dtype)

    def _batch(self, images, texts, poolings, max_new_tokens):
        grids = np.stack([[_grid(image, side) for side in SIDES] for image in images])
        for text in texts:
            yield text, [""] * len(images), {"pixels": grids}


def _grid(image, side):
    """Mean colours of side x side cells, repeated to the finest grid and flattened: float32 (768,)."""
    cells = [
        Image.fromarray(channel).resize((side, side), Image.Resampling.BOX)
        for channel in (image / np.float32(255)).transpose(2, 0, 1)
    ]
    repeats = SIDES[-1] // side
    return np.stack(cells, -1).repeat(repeats, 0).repeat(repeats, 1).reshape(-1)
