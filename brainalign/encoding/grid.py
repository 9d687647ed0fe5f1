"""Weights of feature spaces to try in a banded model."""

import numpy as np

from brainalign import arrays


def gamma_grid(n_spaces=2, n_inside=7):
    """Weights of feature spaces, (n_gammas, n_spaces): the corners, then the inside of each pair.

    Inside a pair the ratios of the weights are spaced evenly in log10 between 10^-1.5 and 10^1.5. With more than
    two spaces the even mixture of all is added.
    """
    share = 1 / (1 + 10 ** -np.linspace(-1.5, 1.5, n_inside))
    rows = list(np.eye(n_spaces))
    for i in range(n_spaces):
        for j in range(i + 1, n_spaces):
            rows += [s * np.eye(n_spaces)[i] + (1 - s) * np.eye(n_spaces)[j] for s in share]
    if n_spaces > 2:
        rows.append(np.full(n_spaces, 1 / n_spaces))
    return np.array(rows)


def with_corners(gammas, n_spaces):
    """The corners of the grid, in the order of the spaces, then whatever else the grid holds."""
    if gammas is None:
        return gamma_grid(n_spaces)
    gammas = arrays.numbers(gammas, "gammas").astype(np.float64)
    if gammas.ndim == 1 and n_spaces == 2:
        gammas = np.stack([gammas, 1 - gammas], axis=1)
    if gammas.ndim != 2 or gammas.shape[1] != n_spaces or not (gammas >= 0).all():
        raise ValueError(f"gammas {gammas.shape} must be weights from 0 to 1 for each of {n_spaces} spaces")
    if not np.allclose(gammas.sum(1), 1):
        raise ValueError("each row of gammas must sum to 1")
    return np.vstack([np.eye(n_spaces), gammas[gammas.max(1) < 1]])
