"""What it costs a prediction that its weights are estimated from a finite number of training images.

Let y = w'x + e, the noise e of variance 1, and the weights as ridge with penalty alpha takes them to be: independent,
of mean 0 and variance 1 / alpha. Then the prediction of a new image x errs by the variance of the estimate and by its
bias, the shrinkage; together they are the predictive variance of Bayesian linear regression less that of the noise
(Rasmussen and Williams 2006, equation 2.9). With X'X = sum_j l_j q_j q_j' and z_j = q_j'x:
variance = sum_j z_j^2 l_j / (l_j + alpha)^2, bias = sum_j z_j^2 alpha / (l_j + alpha)^2, signal = |x|^2 / alpha.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cost:
    """Means over the test images in units of the variance of the noise, each a number or (n_units,).

    variance : of the predictions, through the noise in the training responses
    bias : the mean square of what shrinkage takes from the predictions
    signal : variance of the responses that the features explain, if the weights are as large as the penalty implies
    """

    variance: object
    bias: object
    signal: object


def of_directions(l, squares, power, alpha):
    """Cost in a basis of eigenvectors: l (rank,), squares (rank,) means of z_j^2, power the mean of |x|^2."""
    inside = squares / (l + alpha) ** 2
    variance, outside = (inside * l).sum(), max(0.0, float(power - squares.sum()))
    return Cost(float(variance), float(alpha * inside.sum()) + outside / alpha, float(power) / alpha)


def of_units(of_alpha, alpha):
    """Cost of each unit, (n_units,), from the function that gives that of a penalty; alpha : (n_units,)."""
    values, place = np.unique(alpha, return_inverse=True)
    found = [of_alpha(float(value)) for value in values]
    return Cost(*(np.array([getattr(one, name) for one in found])[place] for name in ("variance", "bias", "signal")))
