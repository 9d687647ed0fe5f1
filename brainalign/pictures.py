"""Pictures that people bring: a file of any usual kind becomes uint8 (height, width, 3), or a sentence says why not.

Depths are scaled to 8 bits, what is transparent lies on white, a picture held sideways is turned upright, and of
several frames the first is taken. `checked` says which arrays are pictures, and `for_processors` hands them on.
"""

from io import BytesIO
from pathlib import Path

import numpy as np

MAX_BYTES = 20_000_000
MAX_PIXELS = 40_000_000
FORMATS = ("PNG", "JPEG", "WebP", "BMP", "GIF", "TIFF")
UPLOADS = FORMATS[:3]  # of a visitor's own pictures
ANIMATED = ("PNG", "WEBP", "GIF", "TIFF")  # other formats keep previews and the like as further frames
ORIENTATION, BITS, PHOTOMETRIC = 0x0112, 258, 262  # EXIF and TIFF tags
UPRIGHT = {  # of (height, width, 3) by EXIF orientation
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: np.rot90(pixels),
}


def read(source, formats=FORMATS):
    """(picture, notes) from a file's path or its bytes: uint8 (height, width, 3), and what was done to it in words.

    formats : accepted ones. What cannot be read is a ValueError.
    """
    from PIL import Image

    name = "this file" if isinstance(source, bytes) else str(source)
    size = len(source) if isinstance(source, bytes) else _size(Path(source))
    if size > MAX_BYTES:
        raise ValueError(f"{name} has {size / 1e6:.0f} MB; at most {MAX_BYTES / 1e6:.0f} MB are read")
    kind = ""
    try:
        file = BytesIO(source) if isinstance(source, bytes) else source
        with Image.open(file, formats=[format.upper() for format in formats]) as image:
            kind, (width, height) = image.format, image.size
            if 0 < width * height <= MAX_PIXELS:
                return _pixels(image)
    except Image.DecompressionBombError:
        width = height = int(MAX_PIXELS**0.5) + 1
    except _Refused as error:
        raise ValueError(f"{name} {error}") from None
    except Exception:  # the decoders raise nearly anything on a damaged file
        if kind:
            raise ValueError(f"{name} is a damaged {kind} picture; save or copy it again") from None
        raise ValueError(f"{name} is not a picture that can be read; expected one of {', '.join(formats)}") from None
    if not width * height:
        raise ValueError(f"{name} is {width} x {height} pixels; expected at least one")
    raise ValueError(f"{name} has more than {MAX_PIXELS / 1e6:.0f} million pixels; make it smaller")


def checked(image):
    """An array that is a picture, its last axis being red, green and blue; else a ValueError.

    The rule is the same for every height and width: (3, 40, 3) is 3 pixels high, and (3, 40, 40) is no picture.
    """
    image = np.asarray(image)
    if image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.size:
        return image
    todo = ""
    if image.ndim == 3 and image.shape[0] == 3 and image.shape[2] != 3:
        todo = "; its colours come first: np.moveaxis(picture, 0, -1) puts them last"
    elif image.ndim == 3 and image.shape[2] == 3 and image.dtype != np.uint8:
        todo = "; scale its values to 0..255 and round them"
    raise ValueError(f"a picture is {image.dtype} {image.shape}, expected uint8 (height, width, 3){todo}")


def resized(image, pixels):
    """A picture squashed to (pixels, pixels, 3), bicubic; as it is where pixels is 0."""
    if not pixels:
        return image
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize((pixels, pixels), Image.Resampling.BICUBIC))


def for_processors(images):
    """Pictures for the image processors of models, which would take the short axis of an array for its colours."""
    from PIL import Image

    return [Image.fromarray(image) for image in images]


class _Refused(Exception):
    """A picture that was read but cannot be shown as it was meant."""


def _size(path):
    if not path.is_file():
        raise ValueError(f"there is no picture {path}; give an image file, or the id of a demo picture such as 12")
    return path.stat().st_size


def _pixels(image):
    notes = []
    if image.format in ANIMATED and getattr(image, "n_frames", 1) > 1:
        notes.append(f"of its {image.n_frames} frames the first is taken")
    image.load()
    pixels, transparent = _deep(image) if image.mode[0] in "IF" else _eight_bits(image)
    if transparent:
        notes.append("what is transparent lies on white")
    try:
        orientation = image.getexif().get(ORIENTATION)
        turn = UPRIGHT.get(orientation if isinstance(orientation, int) else None)
    except Exception:  # as above
        turn = None
        notes.append("its EXIF data are damaged, so that it may lie on its side")
    return np.ascontiguousarray(turn(pixels) if turn else pixels), tuple(notes)


def _eight_bits(image):
    """(pixels, whether any is transparent) of a picture with 8 bits a channel or fewer."""
    from PIL import Image

    if image.mode == "LAB":
        raise _Refused("has colours in LAB; save it with RGB colours")
    if not image.has_transparency_data:
        return np.asarray(image.convert("RGB")), False
    image = image.convert("RGBA")
    least, most = image.getextrema()[3]
    if not most:
        raise _Refused("is transparent everywhere, so that nothing would be seen")
    white = Image.new("RGBA", image.size, "white")
    return np.asarray(Image.alpha_composite(white, image).convert("RGB")), least < 255


def _deep(image):
    """(pixels, whether any is transparent) of grey values with more than 8 bits, scaled so that white is white."""
    values, tags = np.asarray(image), getattr(image, "tag_v2", {})
    if image.mode == "F":
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            raise _Refused("has fractions beyond 0..1, of which nobody knows which is white; save it with 8 bits")
        white = 1
    elif image.mode == "I" and image.format != "PNG":
        raise _Refused("has 32 bits or signed values, of which nobody knows which is white; save it with 8 bits")
    else:
        white = 2 ** tags.get(BITS, (16,))[0] - 1
    grey = np.rint(np.clip(values / np.float32(white), 0, 1) * 255)
    if tags.get(PHOTOMETRIC) == 0:  # white is zero
        grey = 255 - grey
    hidden = values == image.info.get("transparency", -1)
    return np.repeat(np.where(hidden, 255, grey).astype(np.uint8)[..., None], 3, 2), bool(hidden.any())
