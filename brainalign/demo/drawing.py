"""The picture of a scene: a graded background with a few details, a texture, and sprites with soft shadows."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from brainalign.demo.sprites import picture


def render(scene, size=425):
    """Draw a scene: (size, size, 3) uint8."""
    image = Image.fromarray(_ground(scene, size))
    for thing in scene.objects:
        _shadow(image, thing, scene, size)
        wide = max(8, round(thing.size * size))
        sprite = picture(thing.name).resize((wide, wide), Image.Resampling.BICUBIC).convert("RGBA")
        if thing.flip:
            sprite = sprite.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        image.paste(sprite, (round(thing.x * size - wide / 2), round(thing.y * size - wide / 2)), sprite)
    return np.asarray(image)


def _ground(scene, size):
    """Two graded surfaces that meet at the horizon, what stands at it, and a texture."""
    place = scene.place
    down = np.linspace(0, 1, size, dtype=np.float32)[:, None, None]
    upper = np.float32(place.upper) * (0.85 + 0.15 * down)
    lower = np.float32(place.lower) * (0.75 + 0.30 * down)
    image = np.where(down > scene.horizon, lower, upper).repeat(size, 1)
    rng = np.random.default_rng(scene.texture)
    image = _DETAILS.get(scene.background, lambda image, *_: image)(image, scene.horizon, rng)
    coarse = Image.fromarray(rng.standard_normal((18, 18)).astype(np.float32))
    texture = np.asarray(coarse.resize((size, size), Image.Resampling.BILINEAR))[..., None] * 8
    grain = rng.standard_normal((size, size, 1), dtype=np.float32) * 3
    return np.clip(image + texture + grain, 0, 255).astype(np.uint8)


def _shadow(image, thing, scene, size):
    if thing.y < scene.horizon - 0.1:  # in the air
        return
    half = thing.size * size / 2
    x, y = thing.x * size, thing.y * size + 0.88 * half
    mask = Image.new("L", image.size, 0)
    ImageDraw.Draw(mask).ellipse((x - 0.8 * half, y - 0.12 * half, x + 0.8 * half, y + 0.16 * half), fill=70)
    box = tuple(int(v) for v in (max(0, x - half), max(0, y - half / 2), min(size, x + half), min(size, y + half / 2)))
    if box[2] > box[0] and box[3] > box[1]:
        soft = mask.crop(box).filter(ImageFilter.GaussianBlur(0.04 * half + 0.5))
        image.paste((0, 0, 0), box[:2], soft)


def _rows(image, top, bottom):
    return slice(max(0, int(top * len(image))), max(0, int(bottom * len(image))))


def _sea(image, horizon, rng):
    """A band of sea between the sky and the sand, with a pale line of surf."""
    shore = horizon + 0.1
    image[_rows(image, horizon, shore)] = np.float32((70, 150, 205))
    image[_rows(image, shore - 0.012, shore + 0.006)] = np.float32((240, 248, 250))
    return image


def _waves(image, horizon, rng):
    for y in np.sort(rng.uniform(horizon + 0.02, 1, 14)):
        left, width = rng.integers(0, len(image), 2)
        image[_rows(image, y, y + 0.006), left : left + width // 3] += 28
    return image


def _trunks(image, horizon, rng):
    """Distant trunks above the horizon, and a darker line of leaves."""
    n = len(image)
    image[_rows(image, horizon - 0.16, horizon)] *= 0.82
    for x in rng.integers(0, n, 12):
        image[_rows(image, horizon - 0.26, horizon), x : x + max(1, n // 60)] *= 0.72
    return image


def _skyline(shade, lights):
    """Houses along the horizon; at night with lit windows."""

    def draw(image, horizon, rng):
        n, x = len(image), 0
        while x < n:
            width, height = int(rng.uniform(0.07, 0.14) * n), rng.uniform(0.05, 0.2)
            image[_rows(image, horizon - height, horizon), x : x + width] = np.float32(shade) * rng.uniform(0.9, 1.1)
            if lights:
                for row in np.arange(horizon - height + 0.02, horizon - 0.02, 0.035):
                    for column in range(x + n // 60, x + width - n // 50, max(2, n // 32)):
                        if rng.random() < 0.5:
                            image[_rows(image, row, row + 0.014), column : column + n // 70] = (225, 200, 110)
            x += width
        middle = _rows(image, (1 + horizon) / 2, (1 + horizon) / 2 + 0.014)
        for left in range(0, n, n // 6):
            image[middle, left : left + n // 12] += 45
        return image

    return draw


def _dunes(image, horizon, rng):
    n = len(image)
    crest = horizon - 0.04 * (1 + np.sin(np.linspace(0, rng.uniform(6, 12), n) + rng.uniform(0, 6)))
    rows = np.arange(n)[:, None] / n
    image[(rows > crest) & (rows <= horizon)] *= np.float32(0.93)
    return image


def _room(window, floor):
    """A skirting board, a window in the wall, boards or tiles on the floor."""

    def draw(image, horizon, rng):
        n = len(image)
        image[_rows(image, horizon - 0.025, horizon)] *= 0.86
        if window:
            left = int(rng.uniform(0.1, 0.65) * n)
            image[_rows(image, 0.06, horizon - 0.1), left : left + n // 4] = (205, 228, 240)
            image[_rows(image, 0.06, horizon - 0.1), left + n // 8 : left + n // 8 + max(1, n // 100)] = (
                245,
                245,
                240,
            )
        for y in np.arange(horizon + floor, 1, floor):
            image[_rows(image, y, y + 0.005)] *= 0.9
        return image

    return draw


_DETAILS = {
    "beach": _sea,
    "ocean": _waves,
    "forest": _trunks,
    "street": _skyline((160, 165, 175), lights=False),
    "city": _skyline((34, 36, 62), lights=True),
    "desert": _dunes,
    "snow": _dunes,
    "kitchen": _room(window=True, floor=0.09),
    "bedroom": _room(window=True, floor=0.14),
    "office": _room(window=True, floor=0.11),
    "gym": _room(window=False, floor=0.06),
}
