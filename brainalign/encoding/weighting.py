"""Weights for many feature spaces in one banded model, found from what each space alone predicts of left-out images.

A grid over the weights of ten spaces has too many points. So each space's predictions of left-out training images are
combined by least squares with weights of 0 and more (stacking; Breiman 1996, Mach Learn 24:49-64), which takes one
small problem a unit, whichever spaces are in the model. What the parts of a unit's combination explain are the weights
that its banded model should have; those of all units are summed up in a few typical ones, between which
cross-validation chooses for every unit.
"""

import numpy as np

TYPICAL = 5  # weightings that are tried for each set of spaces
LEAST = 0.01  # smaller weights are 0
ROUNDS = 200  # of coordinate descent


class Stacking:
    """Sums over left-out images of products of the predictions by every space alone, and with the responses.

    gram : (n_units, n_spaces, n_spaces), product : (n_units, n_spaces)
    """

    def __init__(self, n_units, n_spaces):
        self.gram, self.product = np.zeros((n_units, n_spaces, n_spaces)), np.zeros((n_units, n_spaces))

    def add(self, units, y, predicted):
        """Left-out images of units: y (n_images, n), predicted : a list of the same, one a space."""
        for i, one in enumerate(predicted):
            self.product[units, i] += np.einsum("nu,nu->u", one, y, dtype=np.float64)
            for j, other in enumerate(predicted[: i + 1]):
                self.gram[units, i, j] += np.einsum("nu,nu->u", one, other, dtype=np.float64)
                self.gram[units, j, i] = self.gram[units, i, j]

    def explained(self, spaces):
        """(n_units, n_spaces) share that each of the spaces, given by position, has in what they explain together.

        The part of a space is the mean square of its weighted predictions. Units of which nothing is predicted are
        left out.
        """
        gram, product = self.gram[:, spaces][:, :, spaces], self.product[:, spaces]
        weights = nonnegative(gram, product)
        parts = weights**2 * np.diagonal(gram, axis1=1, axis2=2)
        total = parts.sum(1)
        return parts[total > 0] / total[total > 0, None]


def nonnegative(gram, product):
    """Least squares of many units with weights of 0 and more, by coordinate descent: (n_units, n_spaces).

    gram : (n_units, n_spaces, n_spaces) X'X, product : (n_units, n_spaces) X'y
    """
    weights, own = np.zeros_like(product), np.diagonal(gram, axis1=1, axis2=2)
    for _ in range(ROUNDS):
        before = weights.copy()
        for k in range(product.shape[1]):
            step = (product[:, k] - np.einsum("uj,uj->u", gram[:, k], weights)) / np.where(
                own[:, k] > 0, own[:, k], np.inf
            )
            weights[:, k] = np.maximum(0, weights[:, k] + step)
        if np.abs(weights - before).max(initial=0) < 1e-5:
            break
    return weights


def typical(shares, seed=0, n=TYPICAL):
    """At most n weightings, (n, n_spaces), each row summing to 1, that stand for those of all units; no corners.

    shares : (n_units, n_spaces) as from `Stacking.explained`. Clustered are their roots, in which a doubled weight
    makes the same difference wherever it is.
    """
    from sklearn.cluster import KMeans

    distinct = len(np.unique(np.sqrt(shares).round(6), axis=0))
    if not distinct:
        return np.zeros((0, shares.shape[1]))
    found = KMeans(min(n, distinct), n_init=4, random_state=seed).fit(np.sqrt(shares)).cluster_centers_ ** 2
    found /= found.sum(1, keepdims=True)
    found[found < LEAST] = 0
    found /= found.sum(1, keepdims=True)
    return found[found.max(1) < 1]
