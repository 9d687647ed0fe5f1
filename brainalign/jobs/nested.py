"""The layer of each unit that the training images choose, and how sure its scores on the test images are.

Kept beside the scores of all layers as one file a job: for every pooling the chosen layer, its predictions of the
test images, the permutation p of each unit, and draws of every region's mean. The draws of all jobs of a subject
resample the same test images, so the difference of two jobs' draws is a draw of the difference.
"""

import numpy as np

from brainalign import stats, tables

MIN_NC = 10.0  # percent: units whose noise ceiling is lower (`ceilings.reliable`) are left out of what regions say
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

    y : (n_test, n_units) responses; masks : name -> (n_units,) bool
    reliable : (n_units,) bool; ceilings : the regions' `ceilings.Ceilings`
    choice : study.StatisticsChoice
    p : (n_units,) of r, one-sided, by permutation of the test images
    r_low, r_high : (n_units,) ends of the 95 % interval of r by bootstrap
    draws_r, draws_r2 : (n_draws, n_regions) of the mean over a region's reliable units
    draws_r_norm : (n_draws, n_regions) of the mean r over the ceiling, which is drawn with it
    """
    r = stats.bootstrap(y, {"": nested.yhat}, choice.draws, seed, "r")[""]
    r2 = stats.bootstrap(y, {"": nested.yhat}, choice.draws, seed, "r2")[""]
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


def part_intervals(y, predictions, parts, masks, reliable, choice, seed):
    """Ends of the 95 % interval of each part's mean over a region: {part + "_low", part + "_high": (n_regions,)}.

    predictions : name -> (n_test, n_units); parts : function from {name: R2} to {part: R2}, linear, such as
    `variance.partition`: so the means of draws may be taken before the parts
    """
    drawn = stats.bootstrap(y, predictions, choice.draws, seed)
    usable = reliable & np.isfinite(np.stack([draws[0] for draws in drawn.values()])).all(0)
    means = parts({name: region_means(draws, masks, usable) for name, draws in drawn.items()})
    ends = {name: stats.interval(draws) for name, draws in means.items()}
    return {f"{name}_{end}": values for name, both in ends.items() for end, values in zip(("low", "high"), both)}


def region_means(draws, masks, usable):
    """(n_draws, n_regions) means of (n_draws, n_units) over each region's usable units; NaN where it has none."""
    inside = np.stack([mask & usable for mask in masks.values()], 1)
    n = inside.sum(0)
    return np.where(n > 0, np.where(usable, draws, 0) @ inside / np.maximum(n, 1), np.nan)
