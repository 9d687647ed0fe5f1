"""The layer of each unit that the training images choose, and how sure its scores on the test images are.

Kept beside the scores of all layers as one file a job: for every pooling the chosen layer, its predictions of the
test images, the permutation p of each unit, and draws of every region's mean. The draws of all jobs of a subject
resample the same test images, so the difference of two jobs' draws is a draw of the difference.
"""

import numpy as np

from brainalign import stats, tables, variance
from brainalign.encoding.costs import NAMES as COSTS
from brainalign.encoding.costs import Cost

MIN_NC = 10.0  # percent: units whose noise ceiling is lower (`ceilings.reliable`) are left out of what regions say
KNOWN_TO = 0.15  # of a floor: how far it was from the right one in simulations (root mean square, 800 images)
EQUAL = 5e-5  # parts that the store's decimals cannot tell from 0
GROUPS = ("early", "high", "language")  # levels of ROIs whose units are also taken together


class Nested:
    """The best of the layers seen so far, unit by unit, by cross-validation inside the training images.

    layer : (n_units,) int16, -1 where no layer gave a score
    r, r2, cv : (n_units,) of that layer; yhat : (n_test, n_units) its predictions
    """

    def __init__(self, n_test, n_units):
        self.layer = np.full(n_units, -1, np.int16)
        self.r, self.r2, self.cv = (np.full(n_units, np.nan, np.float32) for _ in range(3))
        self.yhat = np.full((n_test, n_units), np.nan, np.float32)

    def offer(self, layer, fit):
        """Take over the units that this layer's Fit, with its predictions, predicts better."""
        better = ~np.isnan(fit.cv) & ~(fit.cv <= self.cv)
        self.layer[better] = layer
        for name in ("r", "r2", "cv"):
            getattr(self, name)[better] = getattr(fit, name)[better]
        self.yhat[:, better] = fit.yhat[:, better]


def regions(rois):
    """The ROIs that a subject has, and the areas of each level together: name -> (n_units,) bool.

    rois : name -> (n_units,) bool. Streams and the whole of visual cortex hold the areas, so they make no part of
    these groups.
    """
    found, table = {name: inside for name, inside in rois.items() if inside.any()}, tables.rois()
    for level in GROUPS:
        areas = [name for name in found if name in table and table[name].is_area and table[name].level == level]
        if areas:
            found[level] = np.logical_or.reduce([found[name] for name in areas])
    return found


def inference(y, nested, masks, reliable, ceilings, choice, seed):
    """How sure the chosen layer's scores are: arrays by name.

    y : (n_test, n_units) responses, standardised on the training images; masks : name -> (n_units,) bool
    reliable : (n_units,) bool; ceilings : the regions' `ceilings.Ceilings`
    choice : study.StatisticsChoice
    p : (n_units,) of r, one-sided, by permutation of the test images
    r_low, r_high : (n_units,) ends of the 95 % interval of r by bootstrap
    draws_r, draws_r2 : (n_draws, n_regions) of the mean over a region's reliable units
    draws_r_norm : (n_draws, n_regions) of the mean r over the ceiling, which is drawn with it
    """
    r = stats.bootstrap(y, {"": nested.yhat}, choice.draws, seed, "r")[""]
    r2 = stats.bootstrap(y, {"": nested.yhat}, choice.draws, seed, "r2", mean=0.0)[""]
    usable = reliable & np.isfinite(nested.r)
    low, high = stats.interval(r)
    means = region_means(r, masks, usable)
    found = {
        "p": stats.permutation_p(y, nested.yhat, choice.permutations, seed),
        "r_low": low,
        "r_high": high,
        "draws_r": means,
        "draws_r_norm": means / ceilings.draws(choice.draws, seed),
        "draws_r2": region_means(r2, masks, usable),
    }
    return {name: values.astype(np.float32) for name, values in found.items()}


def part_intervals(y, fits, parts, masks, reliable, choice, seed):
    """How far each part of the variance, as a mean over a region, is from what it costs to estimate weights.

    fits : name -> encoding.Fit with its predictions; parts : function from {name: R2} to {part: R2}, linear, such as
    `variance.partition`: so the means of draws may be taken before the parts
    Returns {part + "_floor": (n_regions,), ...}:
    floor : the part less what it would be with weights that are known, see `variance.known_weights`
    low, high : 95 % interval of the part less its floor, by drawing test images again; the weights stay as fitted.
        R2 is too low on average, as a ratio of two uncertain sums: so draws are reflected at their origin, and their
        mean less it is part of the floor. Two things that draws of test images do not show are added to them: how
        well the floor is known (KNOWN_TO), and how much units differ beyond what test images explain, mostly by the
        luck of their own fits (`_between`)
    p : two-sided, that the part less its floor is 0. A part counts as above 0 only if it is without what shrinkage
        costs too, which is known less well
    """
    drawn = stats.bootstrap(y, {name: fit.yhat for name, fit in fits.items()}, choice.draws, seed, mean=0.0)
    usable = reliable & np.isfinite(np.stack([fit.r2 for fit in fits.values()])).all(0)
    between = _between(parts({name: fit.r2 for name, fit in fits.items()}), parts(drawn), masks, usable)
    raw, without_noise, known = {}, {}, {}
    for name, fit in fits.items():
        raw[name] = region_means(np.vstack([fit.r2[None], drawn.pop(name)]), masks, usable)
        cost = Cost(*region_means(np.stack([getattr(fit.cost, name) for name in COSTS]), masks, usable))
        without_noise[name], known[name] = variance.known_weights(raw[name], cost)
    raw, without_noise, known = parts(raw), parts(without_noise), parts(known)
    found, luck = {}, np.random.default_rng(seed).standard_normal((2, choice.draws, 1))
    luck -= luck.mean(1, keepdims=True)
    for part in known:
        draws = np.stack([2 * values[0] - values[1:] for values in (without_noise[part], known[part])])
        draws += between[part] * luck[0]
        draws[1] += KNOWN_TO * (known[part][0] - raw[part][0]) * luck[1]
        low, high = stats.interval(draws[1])
        found |= {f"{part}_floor": raw[part][0] - draws[1].mean(0), f"{part}_low": low, f"{part}_high": high}
        lower, upper = np.sort(draws, 0)
        found[f"{part}_p"] = stats.sign_p(lower - EQUAL, upper + EQUAL)
    return found


def _between(values, draws, masks, usable):
    """Standard error of each part's mean over a region through differences of its units: {part: (n_regions,)}.

    values : {part: (n_units,)}, draws : {part: (n_draws, n_units)} of test images, whose variance is taken off
    """
    found = {}
    for part, value in values.items():
        of_images = draws[part].var(0)
        own, n = [value[mask & usable] for mask in masks.values()], [(mask & usable).sum() for mask in masks.values()]
        spread = [units.var(ddof=1) if len(units) > 1 else 0 for units in own]
        spread = np.maximum(0, spread - np.nan_to_num(region_means(of_images[None], masks, usable)[0]))
        found[part] = (spread / np.maximum(n, 1)) ** 0.5
    return found


def region_means(draws, masks, usable):
    """(n_draws, n_regions) means of (n_draws, n_units) over each region's usable units; NaN where it has none."""
    inside = np.stack([mask & usable for mask in masks.values()], 1)
    n = inside.sum(0)
    return np.where(n > 0, np.where(usable, draws, 0) @ inside / np.maximum(n, 1), np.nan)
