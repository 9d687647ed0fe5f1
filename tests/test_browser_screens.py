"""Every view on the shipped store looks as it did when somebody last looked at it.

`python tests/screenshots.py expected` makes the pictures anew; look at them before committing them.
"""

from itertools import combinations

import numpy as np
import pytest
from screenshots import EXPECTED, SCREENS, VIEWS, ready

from brainalign.tables import DATA

pytestmark = pytest.mark.browser

CELLS = (128, 90)  # a picture is compared in so many cells across and down: letters may be drawn a little otherwise
MEAN, FAR, SHARE = 2.0, 24, 0.02  # of 255: mean difference, and that of a cell, which at most this share may have


def cells(picture):
    """(down, across, 3) mean colours of a picture's cells, from 0 to 255."""
    from PIL import Image

    return np.asarray(picture.convert("RGB").resize(CELLS, Image.Resampling.BOX), np.float32)


def alike(a, b):
    """Whether two pictures' cells are the same within tolerance, and by how much they differ, in words."""
    away = np.abs(a - b).mean(-1)
    mean, share = away.mean(), (away > FAR).mean()
    return mean < MEAN and share < SHARE, f"mean difference {mean:.1f}, {100 * share:.1f} % of the cells far off"


def expected(name):
    from PIL import Image

    return Image.open(EXPECTED / f"{name}.webp")


@pytest.mark.parametrize("name", SCREENS)
def test_a_view_looks_as_expected(serve, visit, name, tmp_path):
    from PIL import Image

    page = visit(f"{serve(DATA / 'store')}/{VIEWS[name]}")
    ready(page, name, ask=False)
    page.screenshot(path=tmp_path / "now.png")
    same, told = alike(cells(Image.open(tmp_path / "now.png")), cells(expected(name)))
    assert same, f"{name}: {told}; look at `python tests/screenshots.py FOLDER {name}`"


def test_no_two_views_are_taken_for_one_another():
    looks = {name: cells(expected(name)) for name in SCREENS}
    assert not [pair for pair in combinations(looks, 2) if alike(looks[pair[0]], looks[pair[1]])[0]]
