"""Where the names of regions go on a flatmap: inside where they fit, else beside the colours with a line to them.

All places are mm, y downwards; a box is left, top, right, bottom; arrays hold one candidate a row.
"""

from dataclasses import dataclass

import numpy as np

CLEAR = 0.5  # mm between names
NEAREST, FARTHEST = 1.5, 0.28  # mm from a region to its name beside it; the farthest as a share of the page's width
ANGLES = np.linspace(0, 2 * np.pi, 36, endpoint=False)
NEAR = [(0, 0), (0, -0.5), (0, 0.5), (0, -1), (0, 1), (-0.3, 0), (0.3, 0), (0, -2), (0, 2), (0, -3), (0, 3)]
TRIES = 2  # in vain, until it is given up
PASSES = 2  # in which each name beside moves nearer where others have made room
ORDERS = (lambda at, page: abs(at[0] - page[0] / 2), lambda at, page: at[1], lambda at, page: -at[1])
STEPS = np.linspace(0, 1, 30)  # along a line, for what it passes over


@dataclass(frozen=True)
class Label:
    """A name with its middle (x, y); `anchor` is the place in the region that a line leads to, None without line."""

    text: str
    x: float
    y: float
    width: float
    height: float
    anchor: tuple | None = None

    @property
    def box(self):
        return _boxes(np.array([[self.x, self.y]]), self.width, self.height)[0]

    @property
    def start(self):
        """Where the line to the anchor leaves the name."""
        away = np.abs(np.subtract(self.anchor, (self.x, self.y)))
        share = min(1, *(half / max(d, 1e-9) for half, d in zip((self.width / 2, self.height / 2 + 0.2), away)))
        return self.x + share * (self.anchor[0] - self.x), self.y + share * (self.anchor[1] - self.y)


class Cover:
    """How much of a box lies in a mask (rows, columns) of `scale` pixels a mm, in constant time."""

    def __init__(self, mask, scale):
        self.mask, self.scale = mask, scale
        self.sums = np.pad(mask.astype("i4"), ((1, 0), (1, 0))).cumsum(0).cumsum(1)

    def share(self, boxes):
        """The share of each box (n, 4)."""
        high, wide = self.mask.shape
        left, top, right, bottom = np.rint(boxes.T * self.scale).astype(int)
        (left, right), (top, bottom) = (
            np.clip(pair, 0, n) for pair, n in (((left, right), wide), ((top, bottom), high))
        )
        inside = self.sums[bottom, right] - self.sums[top, right] - self.sums[bottom, left] + self.sums[top, left]
        return inside / ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) * self.scale**2)

    def along(self, start, ends):
        """The share of each straight line from `start` (2,) to `ends` (n, 2)."""
        column, row = np.rint(_walk(start, ends) * self.scale - 0.5).astype(int).transpose(2, 0, 1)
        return self.mask[row.clip(0, len(self.mask) - 1), column.clip(0, self.mask.shape[1] - 1)].mean(1)


def place(regions, busy, scale, size, height, patient=True):
    """Labels for regions, none on another; the order that leaves fewest unnamed, then has the shortest lines.

    A name without room is left out, rather than written over colours: on a narrow map outline fewer regions.

    regions : (name, (x, y) deepest in it in mm, mask (rows, columns)) for each part of a region
    busy : (rows, columns) what a name beside should not cover; scale : pixels a mm
    size : name -> width in mm; height : of a name in mm; patient : whether to try again where names have no room
    """
    page, covered, within, waiting = (busy.shape[1] / scale, busy.shape[0] / scale), Cover(busy, scale), [], []
    for name, at, mask in regions:
        others = [other for _, other, _ in regions if other is not at]
        label = _inside(name, np.array(at), Cover(mask, scale), size(name), height, within, page, others)
        (within if label else waiting).append(label or (name, at))
    found = []
    for order in ORDERS:
        found = max(found, _tried(within, waiting, order, covered, size, height, page, patient), key=_worth)
        if len(found) == len(regions) or not patient:
            break
    for _ in range(PASSES):
        for label in [label for label in found if label.anchor]:
            others = [other for other in found if other is not label]
            nearer = _beside(label.text, np.array(label.anchor), covered, label.width, height, others, page)
            found = [*others, nearer or label]
    return found


def _tried(within, waiting, order, covered, size, height, page, patient):
    """The best of several tries, each of which begins with the names that had no room in the one before."""
    waiting, best, vain = sorted(waiting, key=lambda one: order(one[1], page)), [], 0
    while vain < TRIES:
        done, left = list(within), []
        for name, at in waiting:
            beside = _beside(name, np.array(at), covered, size(name), height, done, page)
            (done if beside else left).append(beside or (name, at))
        vain = 0 if len(done) > len(best) else vain + 1
        best = max(best, done, key=_worth)
        if not left or not patient:
            break
        waiting = left + [one for one in waiting if one not in left]
    return best


def _worth(done):
    """More names first, then shorter lines."""
    return len(done), -sum(_length(label) for label in done)


def _length(label):
    return np.hypot(label.x - label.anchor[0], label.y - label.anchor[1]) if label.anchor else 0.0


def _inside(name, at, region, width, height, done, page, others):
    """Where a name fits into its region without covering the place of another, to which a line may lead."""
    middles = at + np.array(NEAR) * (width, height)
    good = (region.share(_boxes(middles, width, height)) > 0.8) & _free(middles, width, height, done, page)
    for other in others:
        good &= ~_hits(np.array(other), _boxes(middles, width + 1, height + 1).T)
    return Label(name, *map(float, middles[good.argmax()]), width, height) if good.any() else None


def _beside(name, at, covered, width, height, done, page):
    """The nearest free place off the colours, in its own half, whose line crosses neither a name nor another line."""
    reaches = np.linspace(NEAREST, FARTHEST * page[0], 24)
    reach, angle = (part.ravel() for part in np.meshgrid(reaches, ANGLES, indexing="ij"))
    middles = at + np.stack([np.cos(angle) * (reach + width / 2), np.sin(angle) * (reach + height / 2)], 1)
    good = (middles[:, 0] < page[0] / 2) == (at[0] < page[0] / 2)
    good &= _free(middles, width, height, done, page) & (covered.share(_boxes(middles, width, height)) < 0.01)
    middles, reach = middles[good], reach[good]
    taken = np.array([other.box for other in done]).reshape(-1, 4) + np.array([-0.2, -0.2, 0.2, 0.2])
    clear = ~_hits(_walk(at, middles)[:, :, None], taken.T).any((1, 2))
    if led := [other for other in done if other.anchor]:
        ends, starts = np.array([other.anchor for other in led]), np.array([(other.x, other.y) for other in led])
        clear &= ~_meet(at, middles[:, None], starts, ends).any(1)
        ways = (starts + STEPS[:, None, None] * (ends - starts)).reshape(-1, 1, 2)
        clear &= ~_hits(ways, _boxes(middles, width, height).T).any(0)
    if not clear.any():
        return None
    middles, reach = middles[clear], reach[clear]
    cost = reach * (1 + covered.along(at, middles))
    return Label(name, *map(float, middles[cost.argmin()]), width, height, (float(at[0]), float(at[1])))


def _boxes(middles, width, height):
    half = np.array([width / 2, height / 2])
    return np.concatenate([middles - half, middles + half], axis=1)


def _free(middles, width, height, done, page):
    """Whether names with these middles lie on the page and clear of those that are placed."""
    box = _boxes(middles, width, height).T
    free = (box[0] > 0.3) & (box[1] > 0.3) & (box[2] < page[0] - 0.3) & (box[3] < page[1] - 0.3)
    if not done:
        return free
    left, top, right, bottom = np.array([other.box for other in done]).T[..., None]
    apart = (box[0] > right + CLEAR) | (box[2] < left - CLEAR) | (box[1] > bottom + CLEAR / 2)
    return free & (apart | (box[3] < top - CLEAR / 2)).all(0)


def _walk(start, ends):
    """Points on the way from `start` (2,) to each of `ends` (n, 2): (n, steps, 2)."""
    return start + STEPS[:, None] * (ends - start)[:, None]


def _hits(points, box):
    """Which points (..., 2) lie in a box."""
    x, y = points[..., 0], points[..., 1]
    return (x > box[0]) & (x < box[2]) & (y > box[1]) & (y < box[3])


def _meet(start, ends, a, b):
    """Whether the lines from `start` to each of `ends` cross the line ab."""
    return (_side(start, ends, a) * _side(start, ends, b) < 0) & (_side(a, b, start) * _side(a, b, ends) < 0)


def _side(p, q, r):
    """On which side of the line pq the point r lies: positive or negative."""
    p, q, r = np.asarray(p), np.asarray(q), np.asarray(r)
    return (q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1]) - (q[..., 1] - p[..., 1]) * (r[..., 0] - p[..., 0])
