"""What a solver hands back, and what a fit does."""

from dataclasses import dataclass

import numpy as np

from brainalign.encoding.costs import Cost
from brainalign.types import Scores


@dataclass(frozen=True)
class Solution:
    """Ridge of all units for one weighting of the feature spaces.

    yhat : (n_test, n_units) predictions for the test images, on the scale of the Y given; an array, or a tensor
        on the device where it was made
    alpha : (n_units,) the penalty chosen by cross-validation, one of the grid
    cv : (n_units,) R2 of that penalty on left-out training images, mean over folds
    cost : what it costs these predictions that weights are estimated, where that was asked for; see `costs`
    warnings : what went wrong on the way and was mended, as sentences
    """

    yhat: np.ndarray
    alpha: np.ndarray
    cv: np.ndarray
    cost: Cost | None = None
    warnings: tuple = ()


@dataclass(frozen=True, kw_only=True)
class Fit(Scores):
    """Scores on the test images, with the evidence from the training images alone.

    cv : (n_units,) R2 on left-out training images of the chosen alpha, mean over folds: what may choose a layer
    cost : what it costs the predictions that weights are estimated, where they were kept; see `costs`
    yhat : (n_test, n_units) predictions for the test images, where they were to be kept
    """

    cv: np.ndarray
    cost: Cost | None = None
    yhat: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class Joint(Fit):
    """Scores of a banded model of several feature spaces, and of each space alone.

    gamma : (n_units, n_spaces) the weights chosen by cross-validation, summing to 1; NaN where not fitted
    alone : name -> Fit of that space alone, as `encoding.fit` gives it
    split : name -> (n_test, n_units) that space's part of the predictions, where they were to be split
    """

    gamma: np.ndarray
    alone: dict
    split: dict | None = None
