"""Scores of predictions and the ceiling that noise puts on them. Every function works on all units at once.

Scores take NumPy arrays or torch tensors, and give back what they take.
"""

import sys

import numpy as np


def correlate(a, b):
    """Pearson r of each column: (n_images, n_units) twice -> (n_units,); NaN where a column is constant."""
    a, b = _centred(a), _centred(b)
    return (a * b).sum(0) / _positive((a**2).sum(0) * (b**2).sum(0)) ** 0.5


def r2(y, yhat):
    """Signed share of variance explained: 1 - sum (y - yhat)^2 / sum (y - mean(y))^2 -> (n_units,).

    The mean is that of `y` itself, so on test images it is the test mean: a prediction that is worse than
    knowing this mean is negative, and it is not clipped. NaN where a column of `y` is constant.

    y, yhat : (n_images, n_units)
    """
    return 1 - ((_double(y) - yhat) ** 2).sum(0) / _positive((_centred(y) ** 2).sum(0))


def noise_ceiling(ncsnr, repeats):
    """Percent of variance that a perfect model could explain.

    ncsnr : (n_units,) signal sd over the noise sd of one trial; NaN stays NaN
    repeats : (n_images,) trials averaged for each test image; they may differ
    Returns (n_units,) in [0, 100].
    """
    repeats = np.asarray(repeats)
    if repeats.size == 0 or (repeats < 1).any():
        raise ValueError("a noise ceiling needs at least one test image and at least one trial of each")
    signal = np.asarray(ncsnr, np.float64) ** 2
    return 100 * signal / (signal + np.mean(1 / repeats))


def normalise(r, nc, least=1.0):
    """Correlation as a share of the best possible: r / sqrt(nc / 100); NaN where the ceiling is below `least`.

    r : (n_units,) Pearson r on the test images, nc : (n_units,) noise ceiling in percent of variance
    """
    return r / np.sqrt(_ceiling(nc, least))


def normalise_r2(r2, nc, least=1.0):
    """Variance explained as a share of what can be: r2 / (nc / 100); NaN where the ceiling is below `least`."""
    return r2 / _ceiling(nc, least)


def standardise(values, train):
    """Columns with mean 0 and sd 1 over the rows `train`; constant columns become 0 everywhere.

    values : (n_images, n_columns), train : (n_images,) bool. Constant means: up to the rounding of float32.
    """
    xp, known = _library(values), _double(values[train])
    mean = known.mean(0)
    sd = ((known - mean) ** 2).mean(0) ** 0.5
    scale = xp.where(sd > 1e-6 * abs(mean), sd, xp.inf)
    return (values - xp.asarray(mean, dtype=values.dtype)) / xp.asarray(scale, dtype=values.dtype)


def _ceiling(nc, least):
    nc = np.asarray(nc, np.float64)
    return np.where(nc >= max(least, np.finfo(float).tiny), nc / 100, np.nan)


def _centred(values):
    """Columns minus their means in float64; a column of one repeated value becomes exactly 0."""
    values = _double(values)
    return _library(values).where((values == values[:1]).all(0), 0, values - values.mean(0))


def _positive(values):
    """NaN in the place of 0, to divide by."""
    xp = _library(values)
    return xp.where(values > 0, values, xp.nan)


def _double(values):
    xp = _library(values)
    return xp.asarray(values, dtype=xp.float64)


def _library(values):
    """torch for its tensors, else NumPy: both know the few functions used here by the same names."""
    return sys.modules["torch"] if type(values).__module__ == "torch" else np
