"""What of a picture reaches a model: many processors keep the centre and cut off the ends of a longer side."""

import numpy as np
from PIL import Image

LONGEST = 4096  # pixels of a square's side: what is larger is made smaller first, or a thin picture would fill memory


def cut(processor, shape):
    """Shares of a picture's height and width that a processor of transformers cuts off at its ends: (0, 0) if none.

    shape : (height, width, ...) of the picture
    """
    if not getattr(processor, "do_center_crop", False):
        return 0.0, 0.0
    height, width = shape[:2]
    if processor.do_resize:
        blank = np.zeros((3, height, width), np.uint8)
        height, width = processor.resize(blank, processor.size, processor.resample).shape[1:]
    kept = processor.crop_size
    rows, columns = (kept.height, kept.width) if kept.height else (kept.shortest_edge, kept.shortest_edge)
    return max(0.0, 1 - rows / height), max(0.0, 1 - columns / width)


def squared(image, colour):
    """A picture in the middle of the smallest square that holds it, as LLaVA's publishers pad.

    colour : (red, green, blue) in [0, 1], the processor's mean, of the rest
    """
    height, width = image.shape[:2]
    if height == width:
        return image
    side = max(height, width)
    if side > LONGEST:
        height, width = (max(1, round(length * LONGEST / side)) for length in (height, width))
        image, side = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)), LONGEST
    square = np.empty((side, side, 3), np.uint8)
    square[:] = [int(value * 255) for value in colour]
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = image
    return square


def squash(processor):
    """Let a processor bring pictures to its size with another aspect ratio, instead of cropping them."""
    from transformers.image_utils import SizeDict

    side = processor.crop_size if processor.do_center_crop else processor.size
    height, width = side.height or side.shortest_edge, side.width or side.shortest_edge
    processor.size, processor.do_center_crop = SizeDict(height=height, width=width), False


def in_words(shares):
    """What was not seen of one picture, as a sentence; "" if nothing. shares : as `cut` gives"""
    sides = (("height, at its top and bottom", shares[0]), ("width, at its left and right", shares[1]))
    lost = [f"{share:.0%} of the picture's {where}".replace("%", " %") for where, share in sides if share > 0]
    return f"Not seen by this model: {' and '.join(lost)}." if lost else ""
