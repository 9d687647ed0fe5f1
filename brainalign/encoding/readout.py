"""From the states of one picture to a predicted response: a ridge fit's weights, small enough to be kept."""

from dataclasses import dataclass

import numpy as np

from brainalign import arrays
from brainalign.files import compact


@dataclass(frozen=True)
class Readout:
    """What predicts every unit's standardised response from one layer's states.

    centre : (n_dims,) mean states over the training images
    into : (n_dims, rank), out : (rank, n_units) the weights as a product of two
    bias : (n_units,) prediction at centre
    kept : share of the predictions' variance over the training images that the product keeps
    """

    centre: np.ndarray
    into: np.ndarray
    out: np.ndarray
    bias: np.ndarray
    kept: float

    def predict(self, states):
        """(..., n_dims) states -> (..., n_units) predictions, in a unit's standard deviations over training images."""
        states = np.asarray(states, np.float32)
        if states.shape[-1:] != self.centre.shape:
            raise ValueError(f"states {states.shape} for weights of {len(self.centre)} dimensions; another model's?")
        return (states - self.centre) @ self.into.astype(np.float32) @ self.out.astype(np.float32) + self.bias


def compress(W, bias, X, rank=48, seed=0):
    """The weights (W, bias) of `Session.weights` as a `Readout`, best at its rank for the images X.

    X : (n_images, n_dims) training images. The rows of `out` are the leading right singular vectors of the predictions
    X W, centred, so no product of this rank predicts these images more alike; stored as float16 where it suffices.
    """
    from sklearn.utils.extmath import randomized_svd

    W, bias, X = arrays.numbers(W, "weights", 2), arrays.numbers(bias, "bias", 1), arrays.numbers(X, "features", 2)
    centre, fitted = X.mean(0), ~np.isnan(bias)
    predicted = (X - centre) @ W[:, fitted]
    rank = min(rank, *predicted.shape, X.shape[1])
    _, s, Vt = randomized_svd(predicted, rank, n_iter=4, random_state=seed)
    into, out = W[:, fitted] @ Vt.T, np.full((rank, len(bias)), np.nan, np.float32)
    out[:, fitted] = Vt
    total = float((predicted.astype(np.float64) ** 2).sum())
    kept = float((s.astype(np.float64) ** 2).sum()) / total if total > 0 else 1.0
    into = _small(into, X - centre)
    return Readout(centre.astype(np.float32), into, compact(out), (centre @ W + bias).astype(np.float32), kept)


def _small(into, X):
    """`into` as float16 unless rounding would show: states of very different sizes have weights of different sizes.

    X : (n_images, n_dims) centred states. Shows: an error above a thousandth of the spread of X @ into.
    """
    half = compact(into)
    lost = X @ (into - half.astype(np.float32))
    return half if lost.std() <= 1e-3 * (X @ into).std() else into.astype(np.float32)
