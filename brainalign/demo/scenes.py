"""Simulated scenes: a small specification from which the picture and the true answers both follow.

- every image id from 0 to 72,999 has a scene, fixed by the seed; `scene(12)` is always the same one
- things are where they plausibly would be: no couch in the sea, helicopters in the sky
- no two things are equally near or share a column, so "in the foreground" and "to the left of" have one answer
"""

import random
from collections import Counter
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from brainalign.demo.sprites import NUMBERS, picture, sprites

SPRITES = {name: sprite.category for name, sprite in sprites().items()}
CATEGORIES = tuple(dict.fromkeys(SPRITES.values()))
MAX_OBJECTS = 4
SKY = {"bird", "helicopter"}  # may be above the horizon, outdoors
NEAREST, FARTHEST = 0.82, 0.46  # where the centres of things on the ground may be, from the top


@dataclass(frozen=True)
class Background:
    """A kind of place: how it is spoken of, what colour rules it, and what can be found there."""

    place: str  # "on a beach"
    noun: str  # "beach"
    outdoor: bool
    natural: bool
    colour: str
    upper: tuple[int, int, int]
    lower: tuple[int, int, int]
    things: tuple[str, ...]


def _things(text):
    names = tuple(name.strip() for name in text.split(","))
    unknown = set(names) - set(SPRITES)
    if unknown:
        raise ValueError(f"no sprite called {', '.join(sorted(unknown))}")
    return names


_SNACKS = "pizza, burger, apple, banana, cake, orange, hot dog, donut, coffee, strawberry"
_BALLS = "soccer ball, basketball, tennis racket, skateboard, baseball"

BACKGROUNDS = {
    "beach": Background(
        "on a beach", "beach", True, True, "blue", (135, 206, 250), (238, 214, 175),
        _things("runner, walker, surfer, yogi, dancer, dog, horse, bird, duck, camel, palm, tent, soccer ball, "
                "tennis racket, apple, banana, orange, hot dog, coffee, strawberry"),
    ),
    "forest": Background(
        "in a forest", "forest", True, True, "green", (150, 190, 150), (50, 110, 45),
        _things("runner, walker, cyclist, yogi, dog, horse, bird, monkey, elephant, pig, sheep, tree, pine, tent, "
                "bicycle, apple, banana, strawberry"),
    ),
    "street": Background(
        "on a street", "street", True, False, "gray", (190, 200, 215), (110, 110, 115),
        _things("runner, walker, cyclist, dancer, dog, cat, bird, car, bus, bicycle, truck, scooter, tree, house, "
                "office building, church, stop sign, traffic light, coffee, hot dog, pizza, burger, donut, "
                "skateboard, soccer ball, basketball, helicopter"),
    ),
    "field": Background(
        "in a field", "field", True, True, "green", (120, 180, 240), (70, 150, 60),
        _things("runner, walker, cyclist, yogi, dancer, dog, cat, horse, cow, sheep, elephant, giraffe, zebra, pig, "
                "rooster, duck, bird, tree, pine, sunflower, house, church, tent, tractor, train, soccer ball, "
                "baseball, tennis racket, carrot, broccoli, apple, strawberry"),
    ),
    "desert": Background(
        "in a desert", "desert", True, True, "yellow", (250, 215, 150), (215, 165, 95),
        _things("walker, runner, camel, horse, bird, giraffe, elephant, zebra, cactus, palm, tent, truck, train, car, "
                "scooter, helicopter, banana, orange"),
    ),
    "snow": Background(
        "in the snow", "snow", True, True, "white", (190, 215, 240), (240, 244, 250),
        _things("skier, walker, runner, dog, horse, bird, sheep, pine, tree, house, church, tent, car, truck, bus, "
                "train"),
    ),
    "ocean": Background(
        "on the ocean", "ocean", True, True, "blue", (150, 210, 250), (30, 90, 170),
        _things("surfer, sailboat, duck, bird, helicopter"),
    ),
    "kitchen": Background(
        "in a kitchen", "kitchen", False, False, "brown", (226, 216, 196), (160, 124, 92),
        _things(f"walker, dancer, dog, cat, {_SNACKS}, carrot, broccoli, chair, clock, television, laptop"),
    ),
    "bedroom": Background(
        "in a bedroom", "bedroom", False, False, "pink", (236, 200, 216), (176, 122, 140),
        _things("walker, dancer, yogi, dog, cat, bed, couch, chair, television, laptop, teddy bear, clock, coffee, "
                "donut, cake, banana, soccer ball, basketball"),
    ),
    "office": Background(
        "in an office", "office", False, False, "gray", (205, 215, 220), (120, 125, 135),
        _things("walker, yogi, dog, cat, laptop, chair, clock, television, couch, coffee, donut, pizza, apple, "
                "banana, cake"),
    ),
    "city": Background(
        "in a city at night", "city at night", True, False, "black", (20, 24, 60), (60, 60, 70),
        _things("runner, walker, cyclist, dancer, dog, cat, car, bus, bicycle, truck, scooter, train, house, "
                "office building, church, stop sign, traffic light, pizza, burger, hot dog, coffee, "
                "skateboard, helicopter"),
    ),
    "gym": Background(
        "in a gym", "gym", False, False, "orange", (240, 220, 180), (204, 132, 60),
        _things(f"runner, weightlifter, dancer, yogi, walker, {_BALLS}, clock, television, chair, banana, apple, "
                "orange, coffee"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Placed:
    """One thing in a scene: x, y of its centre and its size as fractions of the picture."""

    name: str
    x: float
    y: float
    size: float
    flip: bool

    @property
    def category(self):
        return SPRITES[self.name]


@dataclass(frozen=True)
class Scene:
    """What a picture shows; objects are ordered from the farthest to the nearest."""

    image_id: int
    background: str
    horizon: float
    texture: int
    objects: tuple[Placed, ...]

    @property
    def place(self):
        return BACKGROUNDS[self.background]

    def counts(self, category=None):
        """How many of each thing, in the fixed order of the sprites."""
        found = Counter(o.name for o in self.objects if category in (None, o.category))
        return {name: found[name] for name in SPRITES if found[name]}


def scene(image_id, seed=0):
    """The scene of an image id: the same for the same seed, whatever was made before."""
    rng = random.Random(f"{seed}/{image_id}")
    background = rng.choice(tuple(BACKGROUNDS))
    horizon = rng.uniform(0.35, 0.48)
    texture = rng.getrandbits(32)
    wanted = rng.randint(1, MAX_OBJECTS)
    objects = []
    while not objects:
        objects = _place(rng, BACKGROUNDS[background], wanted)
    objects.sort(key=lambda o: o.y)
    return Scene(int(image_id), background, horizon, texture, tuple(objects))


def _place(rng, background, wanted):
    by_category = {}
    for name in background.things:
        by_category.setdefault(SPRITES[name], []).append(name)
    objects = []
    for _ in range(wanted):
        if objects and rng.random() < 0.35:
            name = rng.choice(objects).name
        else:
            name = rng.choice(by_category[rng.choice(tuple(by_category))])
        spot = _free_spot(rng, name, background, objects)
        if spot:
            objects.append(spot)
    return objects


def _free_spot(rng, name, background, objects):
    """A place where a thing hides no other and is clearly nearer or farther, left or right of each; else None."""
    flip = sprites()[name].flips and rng.random() < 0.5
    for _ in range(30):
        x = rng.uniform(0.1, 0.9)
        if name in SKY and background.outdoor and (name == "helicopter" or rng.random() < 0.5):
            y, size = rng.uniform(0.11, 0.24), rng.uniform(0.16, 0.2)
        else:
            y = rng.uniform(FARTHEST, NEAREST)
            size = 0.20 + 0.22 * (y - 0.45) / 0.45
        here = Placed(name, x, y, size, flip)
        if all(_apart(here, other) for other in objects):
            return here
    return None


def _apart(a, b):
    reach = (a.size + b.size) / 2
    clear = abs(a.x - b.x) > 0.8 * reach or abs(a.y - b.y) > 0.6 * reach
    return clear and abs(a.x - b.x) > 0.06 and abs(a.y - b.y) > 0.02


# ---- the picture


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


# ---- the true answers


def _list(counts):
    """ "two dogs, a cyclist and a tent" """
    parts = [sprites()[name].count(n) for name, n in counts.items()]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _there(counts):
    """ "There is a dog" or "There are two dogs": the verb goes with the first thing named."""
    return f"{'is' if next(iter(counts.values())) == 1 else 'are'} {_list(counts)}"


def _capital(text):
    return text[0].upper() + text[1:]


def _nearest(objects):
    return max(objects, key=lambda o: o.y)


def _people(scene):
    found = scene.counts("people")
    return f"Yes, there {_there(found)}." if found else "No, there are no people."


def _foreground(scene):
    nearest = sprites()[_nearest(scene.objects).name].count(1)
    return f"{_capital(nearest)} is in the foreground and {_background(scene)} is in the background."


def _background(scene):
    noun = scene.place.noun
    article = "the " if noun in ("snow", "ocean") else "an " if noun[0] in "aeiou" else "a "
    return article + noun


def _interaction(scene):
    living = [o for o in scene.objects if o.category in ("people", "animal")]
    lifeless = [o for o in scene.objects if o.category not in ("people", "animal")]
    if not living or not lifeless:
        return "There is no interaction."
    a, b = _nearest(living), _nearest(lifeless)
    return f"The {a.name} is to the {'left' if a.x < b.x else 'right'} of the {b.name}."


def _food(scene):
    found = scene.counts("food")
    return f"There {_there(found)}." if found else "There are no food items."


def _animals(scene):
    n = sum(scene.counts("animal").values())
    return f"There {'is' if n == 1 else 'are'} {NUMBERS[n]} animal{'' if n == 1 else 's'}."


def _natural(scene):
    if not scene.place.natural:
        return "There is no natural outdoor scene."
    return f"{_capital(_background(scene))} in the background is a natural outdoor scene."


ANSWERS = {
    "IC": lambda s: f"There {_there(s.counts())} {s.place.place}.",
    "VQ1": lambda s: f"The image shows {_list(s.counts())}.",
    "VQ2": _people,
    "VQ3": _foreground,
    "VR": _interaction,
    "CR": lambda s: f"It is an {'outdoor' if s.place.outdoor else 'indoor'} environment {s.place.place}.",
    "IU1": lambda s: f"The most dominant color is {s.place.colour}.",
    "IU2": _food,
    "IU3": _animals,
    "SR": _natural,
}


def answers(scene):
    """The true answer to each of the ten instructions."""
    return {key: answer(scene) for key, answer in ANSWERS.items()}
