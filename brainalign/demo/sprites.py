"""The sprites that scenes are made of, and how they are cut from the emoji package they come from.

`data/sprites/` holds one WebP per row of `sprites.csv`, shrunk from npm's @lobehub/fluent-emoji-3d 1.1.0
(Fluent Emoji, Microsoft, MIT). To make them again, unpack that package and run

    python -m brainalign.demo.sprites PACKAGE/assets
"""

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image

from brainalign.files import rows
from brainalign.tables import DATA

FOLDER = DATA / "sprites"
PIXELS = 192  # the largest sprite in a 425-pixel scene is 170 pixels wide


@dataclass(frozen=True)
class Sprite:
    """One thing that can stand in a scene; `flips` is False where a mirror image would look wrong (letters)."""

    name: str
    plural: str
    category: str
    code: str
    flips: bool

    def count(self, n):
        """ "a dog", "two dogs": the noun phrase for n of them."""
        if n == 1:
            return f"{'an' if self.name[0] in 'aeiou' else 'a'} {self.name}"
        return f"{NUMBERS[n]} {self.plural}"

    @property
    def file(self):
        return FOLDER / f"{self.name.replace(' ', '-')}.webp"


NUMBERS = ("no", "one", "two", "three", "four", "five", "six")


@cache
def sprites():
    """Sprites by name, in the fixed order in which answers list them."""
    found = rows(FOLDER / "sprites.csv", ("name",), key="name")
    return {row["name"]: Sprite(**row | {"flips": row["flips"] == "yes"}) for row in found}


@cache
def picture(name):
    """The sprite as an RGBA image with colours multiplied by alpha, so that it can be resized without a halo."""
    return Image.open(sprites()[name].file).convert("RGBA").convert("RGBa")


def cut(assets):
    """Shrink every sprite of the table from the package's assets folder into `data/sprites/`."""
    for sprite in sprites().values():
        image = Image.open(Path(assets) / f"{sprite.code}.webp").convert("RGBA")
        image.resize((PIXELS, PIXELS), Image.Resampling.LANCZOS).save(sprite.file, quality=88, method=6)


if __name__ == "__main__":
    cut(sys.argv[1])
