"""What it costs a prediction that its weights are estimated from a finite number of training images.

Let y = w'x + e with noise of variance s. With X'X = sum_j l_j q_j q_j', the weights in the directions q_j are taken to
be independent, of mean 0 and variance t_j; z_j = q_j'x is a new image in these directions. Of its prediction by ridge
with penalty alpha (Hoerl and Kennard 1970, Technometrics 12:55-67):
variance  s sum_j z_j^2 l_j / (l_j + alpha)^2, through the noise in the training responses
bias      sum_j t_j z_j^2 alpha^2 / (l_j + alpha)^2, taken by shrinkage
signal    the variance of the responses that the features explain, 1 - s
choice    CHOICE s / n for the penalty, and as much for the weights of several spaces, which the n training images
          choose, as if each choice were so many weights more: what it costs in simulations without signal
s and t_j = t l_j^shape are means over the penalties tried, s / t = penalty, and over SHAPES, from signal in all
directions alike to signal in the strongest ones, weighted by how likely each makes the training responses (the
evidence of Bayesian regression; MacKay 1992, Neural Comput 4:415-447). The one penalty that cross-validation chooses
is too uncertain for that.
"""

from dataclasses import dataclass

import numpy as np

NAMES = ("variance", "bias", "signal", "choice")
CHOICE = 1.5
SHAPES = (0.0, 0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Cost:
    """Means over the test images, each (n_units,), in the unit of the variance of the training responses."""

    variance: np.ndarray
    bias: np.ndarray
    signal: np.ndarray
    choice: np.ndarray


def unknown(n_units):
    """The Cost where there are no eigenvectors to tell it by."""
    return Cost(*np.full((len(NAMES), n_units), np.nan))


def of_basis(l, test, power, C, Y, alphas, alpha, several=False):
    """The Cost of ridge in a basis of eigenvectors; tensors of torch, the results arrays.

    l : (rank,) eigenvalues; test : (n_test, rank) the test images in the basis; power : the mean of their squared
    length in all directions; C : (rank, n_units) Z'Y; Y : (n_train, n_units)
    alphas : (n_alphas,) penalties tried, alpha : (n_units,) those chosen
    several : whether the weights of several spaces were chosen too
    """
    import torch

    l, squares, alphas = l.double(), test.double().square().mean(0), l.new_tensor(alphas)
    outside = (power - squares.sum()).clamp_min(0)
    relative = l / (l.square().sum() / l.sum().clamp_min(1e-300)).clamp_min(1e-300)
    shapes = torch.stack([relative**shape for shape in SHAPES])
    noise, weights = _likely(l, shapes, C.double().square(), Y.double().square().sum(0), len(Y), alphas)

    shaped, beyond = squares * shapes, outside * l.new_tensor([shape == 0 for shape in SHAPES])
    values, place = alpha.unique(return_inverse=True)
    shrunk = values[:, None] / (l + values[:, None])
    variance = (squares * l / (l + values[:, None]) ** 2).sum(1)[place]
    bias = ((shaped @ shrunk.square().T + beyond[:, None])[:, place] * weights).sum(0)
    signal = (Y.double().square().mean(0) - noise).clamp_min(0)
    found = noise * variance, bias, signal, CHOICE * noise * (1 + several) / len(Y)
    return Cost(*(values.cpu().numpy() for values in found))


def _likely(l, shapes, squares, total, n, alphas):
    """The variance of the noise (n_units,), and that of the weights for each of SHAPES, (n_shapes, n_units)."""
    import torch

    ratio = (l * shapes)[:, None] / alphas[
        :, None
    ]  # (n_shapes, n_alphas, rank): variance of signal over that of noise
    explained = (shapes[:, None] / alphas[:, None] / (1 + ratio)).flatten(0, 1) @ squares
    noise = (total - explained).clamp_min(1e-300) / n
    evidence = -(torch.log1p(ratio).sum(2).flatten()[:, None] + n * noise.log()) / 2
    share = torch.softmax(evidence, 0) * noise
    weights = share.unflatten(0, (len(shapes), len(alphas))) / alphas[:, None]
    return share.sum(0), weights.sum(1)
