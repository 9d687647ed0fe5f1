"""Scores of predictions and the ceiling that noise puts on them. Every function works on all units at once.

Scores take NumPy arrays or torch tensors, and give back what they take. How sure they are is told by resampling the
test images (`bootstrap`) and by breaking their order (`permutation_p`), never by fitting again.
"""

import sys

import numpy as np

from brainalign import arrays

ROUNDINGS = 4  # of a dtype, times the mean, are no variation: a constant that was computed differs by so much
UNITS_AT_ONCE = 256  # columns that are permuted together while they are in a processor's cache


def correlate(a, b):
    """Pearson r of each column: (n_images, n_units) twice -> (n_units,); NaN where a column is constant."""
    a, b = map(_centred, _both(a, b))
    return (a * b).sum(0) / _positive((a**2).sum(0) * (b**2).sum(0)) ** 0.5


def r2(y, yhat, mean=None):
    """Signed share of variance explained: 1 - sum (y - yhat)^2 / sum (y - mean)^2 -> (n_units,), not clipped.

    y, yhat : (n_images, n_units)
    mean : (n_units,) or a number, of the training responses: a prediction that knows nothing else scores 0
        (Campbell and Thompson 2008, Rev Financ Stud 21:1509-1531). None: that of `y` itself, as scikit-learn does;
        on n test images no prediction can know it, so that one that knows the training mean scores about -1 / n
    NaN where a column of `y` is constant.
    """
    y, yhat = _both(y, yhat)
    return 1 - ((y - yhat) ** 2).sum(0) / _positive((_about(y, mean) ** 2).sum(0))


def noise_ceiling(ncsnr, repeats):
    """Percent of variance that a perfect model could explain.

    ncsnr : (n_units,) signal sd over the noise sd of one trial; NaN stays NaN
    repeats : (n_images,) trials averaged for each test image; they may differ
    Returns (n_units,) in [0, 100].
    """
    repeats = arrays.numbers(repeats, "repeats")
    if repeats.size == 0 or not (repeats >= 1).all():
        raise ValueError("a noise ceiling needs at least one test image and at least one trial of each")
    signal = arrays.numbers(ncsnr, "ncsnr").astype(np.float64) ** 2
    return 100 * signal / (signal + np.mean(1 / repeats))


def normalise(r, nc, least=1.0):
    """Correlation as a share of the best possible: r / sqrt(nc / 100); NaN where the ceiling is below `least`.

    r : (n_units,) Pearson r on the test images, nc : (n_units,) noise ceiling in percent of variance
    """
    return arrays.numbers(r, "r") / np.sqrt(_ceiling(nc, least))


def normalise_r2(r2, nc, least=1.0):
    """Variance explained as a share of what can be: r2 / (nc / 100); NaN where the ceiling is below `least`."""
    return arrays.numbers(r2, "r2") / _ceiling(nc, least)


def standardise(values, train, dtype=None):
    """Columns with mean 0 and sd 1 over the rows `train`; constant columns become 0 everywhere.

    values : (n_images, n_columns), train : (n_images,) bool; dtype : of the result, None: float32 or float64 as given
    Constant means: up to a rounding of the values' dtype, which for float32 is 5e-7 of the mean. All is done in
    float64, about the first row, so that a large mean costs no digits but those that the values have lost.
    """
    given = arrays.taken(values, "values")
    values = _at_least_single(given)
    xp, first = _library(values), _double(values[train][:1])
    known = values[train] - first
    mean = known.mean(0)
    sd = ((known - mean) ** 2).mean(0) ** 0.5
    varies = sd > ROUNDINGS * _eps(given) * abs(first[0] + mean)
    del known
    centred = values - first
    centred -= mean
    centred /= xp.where(varies, sd, xp.inf)
    return xp.asarray(centred, dtype=dtype or values.dtype)


def bootstrap(y, predictions, n=2000, seed=0, score="r2", mean=None):
    """Scores on test images drawn with replacement, responses and all predictions together.

    y : (n_images, n_units); predictions : name -> (n_images, n_units)
    score : "r2" or "r"
    mean : of the training responses, which R2 refers to, as for `r2`. None: that of the drawn responses, about which
        their variance is (n - 1) / n of what it should be, on average; R2 makes up for that, else all draws would lie
        too low by (1 - R2) / n
    Returns name -> (n, n_units). The draws are paired: the difference of two predictions' draws is a draw of the
    difference, and `variance.partition` of draws gives draws of the parts.
    """
    if score not in ("r", "r2"):
        raise ValueError(f"no score {score!r}; choose r or r2")
    rng, n_images = np.random.default_rng(seed), len(y)
    counts = rng.multinomial(n_images, np.full(n_images, 1 / n_images), n) / n_images
    predictions = {name: _both(y, yhat)[1] for name, yhat in predictions.items()}
    known = score == "r2" and mean is not None
    of = _drawn_r if score == "r" else _drawn_r2_about if known else _drawn_r2
    origin, y = mean if known else _double(y).mean(0), _about(y, mean if known else None)
    counts = _library(y).asarray(counts, dtype=y.dtype, device=y.device)
    return {name: of(counts, y, yhat - origin) for name, yhat in predictions.items()}


def interval(draws, level=0.95):
    """Percentile interval of draws (n, ...): lower and upper end (...)."""
    xp, tail = _library(draws), (1 - level) / 2
    draws = arrays.taken(draws, "draws") if xp is np else _at_least_single(draws)
    return xp.quantile(draws, tail, 0), xp.quantile(draws, 1 - tail, 0)


def interval_r2(value, draws, level=0.95):
    """Interval of an R2, or of a mean of several, from its draws (n, ...): lower and upper end (...).

    The variance of few responses is itself uncertain, which makes R2 skewed and too low on average. So the percentiles
    are taken of log(1 - R2) and reflected at the value (...): the basic bootstrap interval after a transformation
    (Davison and Hinkley 1997, chapter 5). Of means over a region it covers in 0.90 to 0.96 of data sets of 30 to 143
    images, the percentiles of R2 itself in 0.77 to 0.95.
    """
    value, draws = arrays.taken(value, "value"), arrays.taken(draws, "draws")
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = interval(np.log(1 - draws), level)
        at = 2 * np.log(1 - value)
        return 1 - np.exp(at - low), 1 - np.exp(at - high)


def sign_p(draws, upper=None):
    """Two-sided p that the drawn quantity, (n, ...), is 0: twice the share of draws on the lesser side.

    upper : (n, ...) draws of a higher bound, where `draws` are of a lower one: the quantity lies above 0 where the
        lower bound does, and below where the higher one does
    """
    draws = arrays.taken(draws, "draws")
    upper = draws if upper is None else arrays.taken(upper, "draws of the higher bound")
    n = len(draws)
    below, above = (1 + _double((draws <= 0).sum(0))) / (1 + n), (1 + _double((upper >= 0).sum(0))) / (1 + n)
    xp = _library(draws)
    return xp.where(xp.isnan(draws + upper).any(0), xp.nan, (2 * xp.minimum(below, above)).clip(max=1))


def permutation_p(y, yhat, n=5000, seed=0, block=1):
    """One-sided p of each unit's score: how often predictions in a wrong order of images score as well.

    y, yhat : (n_images, n_units). Predictions stay as they are; images are permuted, all units alike; p is
    (1 + b) / (1 + n), b of n orders. It is the p of r and of R2: both rise with the sum of y yhat alone.
    block : images that stay together, for responses in the order of trials, where neighbours are alike
    """
    y, yhat = map(_unit_norm, _both(y, yhat))
    rng, xp = np.random.default_rng(seed), _library(y)
    orders = [_order(rng, len(y), block) for _ in range(n)]
    if xp is not np:
        orders = [xp.asarray(order, device=y.device) for order in orders]
    at_once = UNITS_AT_ONCE if xp is np or not y.is_cuda else y.shape[1]
    p = _double(y[0])
    for start in range(0, y.shape[1], at_once):
        units = slice(start, start + at_once)
        a, b = y[:, units], yhat[:, units]
        least = (a * b).sum(0) - 1e-6
        as_well = sum((xp.einsum("iu,iu->u", a[order], b) >= least) * 1.0 for order in orders)
        p[units] = (1 + _double(as_well)) / (1 + n)
    return xp.where(xp.isnan((y * yhat).sum(0)), xp.nan, p)


def fdr(p):
    """Benjamini-Hochberg q values: units with q below 0.05 hold at most 5 % false ones on average. NaN stays NaN.

    p : (n_units,)
    """
    p = arrays.numbers(p, "p").astype(np.float64)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known])]
    q = np.full(p.shape, np.nan)
    scaled = p[order] * len(order) / np.arange(1, len(order) + 1)
    q[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1)
    return q


def contrast(values, draws, one, other, level=0.95):
    """Mean over the units of one ROI less that over another, such as high-level less early, with its interval.

    values : (n_units,) scores; draws : (n, n_units) of them by `bootstrap`; one, other : (n_units,) bool
    Units without a score are left out. Returns {"difference", "low", "high", "p"}.
    """
    values, draws = arrays.numbers(values, "values", 1), arrays.numbers(draws, "draws", 2)
    known = np.isfinite(values)
    means = [np.stack([values, *draws])[:, known & units].mean(1) for units in (one, other)]
    difference, drawn = (means[0] - means[1])[0], (means[0] - means[1])[1:]
    low, high = interval(drawn, level)
    return {"difference": float(difference), "low": float(low), "high": float(high), "p": float(sign_p(drawn))}


def two_way(states):
    """Shares of the variance of states that pictures explain, instructions, and only both together; they sum to 1.

    states : (n_instructions, n_pictures, n_dims), summed over dimensions. Sums of squares of a two-way analysis of
    variance without repeats; NaN where nothing varies.
    """
    states = arrays.numbers(states, "states", 3).astype(np.float64)
    mean = states.mean((0, 1))
    total = ((states - mean) ** 2).sum()
    if not total > 0:
        return dict.fromkeys(("picture", "instruction", "together"), np.nan)
    picture = len(states) * ((states.mean(0) - mean) ** 2).sum() / total
    instruction = states.shape[1] * ((states.mean(1) - mean) ** 2).sum() / total
    return {"picture": float(picture), "instruction": float(instruction), "together": float(1 - picture - instruction)}


def _drawn_r2(counts, y, yhat):
    n = len(y)
    return 1 - (n - 1) / n * (counts @ (y - yhat) ** 2) / _positive(counts @ y**2 - (counts @ y) ** 2)


def _drawn_r2_about(counts, y, yhat):
    return 1 - (counts @ (y - yhat) ** 2) / _positive(counts @ y**2)


def _drawn_r(counts, y, yhat):
    yhat = _centred(yhat)
    my, mh = counts @ y, counts @ yhat
    return (counts @ (y * yhat) - my * mh) / _positive((counts @ y**2 - my**2) * (counts @ yhat**2 - mh**2)) ** 0.5


def _order(rng, n_images, block):
    """The images in a random order, in blocks of neighbours."""
    starts = rng.permutation(np.arange(0, n_images, block))
    return np.concatenate([np.arange(k, min(k + block, n_images)) for k in starts]) if block > 1 else starts


def _unit_norm(values):
    """Columns centred, of length 1, float32; NaN where constant."""
    values, xp = _centred(values), _library(values)
    return xp.asarray(values / _positive((values**2).sum(0)) ** 0.5, dtype=xp.float32)


def _ceiling(nc, least):
    nc = arrays.numbers(nc, "the noise ceiling").astype(np.float64)
    return np.where(nc >= max(least, np.finfo(float).tiny), nc / 100, np.nan)


def _centred(values):
    """Columns minus their means in float64; a column of one repeated value becomes exactly 0."""
    values = _double(values)
    return _library(values).where((values == values[:1]).all(0), 0, values - values.mean(0))


def _about(values, mean):
    """Columns minus a mean, None: their own; one of one repeated value becomes 0, to be undefined as a score."""
    if mean is None:
        return _centred(values)
    values = _double(values)
    return _library(values).where((values == values[:1]).all(0), 0, values - mean)


def _positive(values):
    """NaN in the place of 0, to divide by."""
    xp = _library(values)
    return xp.where(values > 0, values, xp.nan)


def _both(y, yhat):
    """Both in float64, of one shape and one library."""
    y, yhat = _double(y), _double(yhat)
    if y.shape != yhat.shape:
        raise ValueError(f"values {tuple(y.shape)} and {tuple(yhat.shape)} are compared; expected the same shape")
    if _library(y) is not _library(yhat):
        raise ValueError("an array and a tensor are compared; give two arrays, or two tensors")
    return y, yhat


def _at_least_single(values):
    """Values in float32 or float64, in which a mean and a quotient are not rounded to whole numbers."""
    values, xp = arrays.taken(values, "values"), _library(values)
    if values.dtype in (xp.float32, xp.float64):
        return values
    if xp is np:
        return arrays.numbers(values, "values")
    return values.to(xp.float32 if values.dtype.is_floating_point else xp.float64)


def _eps(values):
    """The relative spacing of the numbers that the values' dtype has; whole numbers are held as float64."""
    xp = _library(values)
    floats = values.dtype.is_floating_point if xp is not np else values.dtype.kind == "f"
    return xp.finfo(values.dtype if floats else xp.float64).eps


def _double(values):
    xp = _library(values)
    return xp.asarray(arrays.taken(values, "values"), dtype=xp.float64)


def _library(values):
    """torch for its tensors, else NumPy: both know the few functions used here by the same names."""
    return sys.modules["torch"] if arrays.is_tensor(values) else np
