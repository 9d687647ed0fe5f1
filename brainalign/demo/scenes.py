"""Simulated scenes: a small specification from which the picture (`drawing`) and the true answers (`answers`) follow.

- every image id from 0 to 72,999 has a scene, fixed by the seed; `scene(12)` is always the same one
- things are where they plausibly would be: no couch in the sea, helicopters in the sky
- no two things are equally near or share a column, so "in the foreground" and "to the left of" have one answer
"""

import random
from collections import Counter
from dataclasses import dataclass

from brainalign.demo.sprites import sprites

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
