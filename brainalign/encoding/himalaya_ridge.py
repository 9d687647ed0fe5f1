"""Ridge through himalaya, the reference solver: its cross-validation chooses, a closed form in float64 predicts.

Every weighting of the feature spaces, corners included, is one plain ridge on the spaces side by side, each
scaled by the root of its gamma. So a space alone and a joint model go through the same steps, and no gamma of
exactly 0 reaches himalaya, whose group ridge gives NaN for it.
"""

import numpy as np

from brainalign.encoding import costs
from brainalign.encoding.results import Solution

UNITS_AT_ONCE = 500  # keeps himalaya's predictions for all alphas near the processor's cache
VALUES_AT_ONCE = 2**27  # numbers in himalaya's (n_alphas, n_dims, n_train) array, 0.5 GB in float32


def solve(spaces, Y, gammas, alphas, folds, n_costed=None):
    """Yield one Solution per gamma; see `brainalign.encoding.SOLVERS` for the arguments."""
    spaces = [_narrow(*space) for space in spaces]
    for gamma in gammas:
        used = [(np.sqrt(g), space) for g, space in zip(gamma, spaces) if g > 0]
        X, X_test = (np.hstack([(g * space[i]).astype(Y.dtype) for g, space in used]) for i in (0, 1))
        power = np.square(X_test[:n_costed], dtype=np.float64).sum(1).mean()
        X, X_test = _narrow(X, X_test)
        alpha, cv = _choose(X, Y, alphas, folds)
        cost = None if n_costed is None else _cost(X, Y, X_test[:n_costed], power, alphas, alpha, len(used) > 1)
        yield Solution(_predict(X, Y, X_test, alpha), alpha, cv, cost)


def _narrow(X, X_test):
    """The same ridge with at most as many columns as training images: rotated onto the span of their rows."""
    if X.shape[1] <= X.shape[0]:
        return X, X_test
    from scipy.linalg import qr

    Q, R = qr(X.T, mode="economic")
    return R.T, X_test @ Q


def _choose(X, Y, alphas, folds):
    """For each unit the alpha with the best R2, mean over folds, and that R2; an intercept in every fold."""
    from himalaya.backend import set_backend
    from himalaya.ridge import solve_group_ridge_random_search
    from himalaya.scoring import r2_score

    set_backend("numpy")
    with np.errstate(invalid="ignore"):  # a unit may be constant within a fold; himalaya scores it 0 there
        deltas, _, cv, _ = solve_group_ridge_random_search(
            [X],
            Y,
            n_iter=np.ones((1, 1)),
            alphas=np.asarray(alphas, X.dtype),
            fit_intercept=True,
            score_func=r2_score,
            cv=[(np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in np.unique(folds)],
            return_weights=False,
            n_targets_batch=UNITS_AT_ONCE,
            n_alphas_batch=max(1, VALUES_AT_ONCE // X.size),
            progress_bar=False,
            warn=False,
        )
    nearest = np.abs(np.log(alphas)[:, None] + deltas).argmin(0)  # deltas are -log(alpha), rounded
    return alphas[nearest], cv[0]


def _predict(X, Y, X_test, alpha):
    """Test predictions of the refit on all training images: X_test (X'X + alpha I)^-1 X'Y with each unit's alpha."""
    X = X.astype(np.float64)
    eigenvalues, Q = np.linalg.eigh(X.T @ X)
    XQ, X_test_Q = X @ Q, X_test @ Q
    yhat = np.empty((len(X_test), Y.shape[1]))
    for start in range(0, Y.shape[1], UNITS_AT_ONCE):
        units = slice(start, start + UNITS_AT_ONCE)
        shrunk = (XQ.T @ Y[:, units]) / (np.maximum(eigenvalues, 0)[:, None] + alpha[units])
        yhat[:, units] = X_test_Q @ shrunk
    return yhat


def _cost(X, Y, X_test, power, alphas, alpha, several):
    """What it costs the predictions that weights are estimated; see `costs`."""
    import torch

    X, Y, X_test = (torch.as_tensor(values, dtype=torch.float64) for values in (X, Y, X_test))
    l, Q = torch.linalg.eigh(X.T @ X)
    l, Q = l[l > l[-1] * 1e-12], Q[:, l > l[-1] * 1e-12]
    return costs.of_basis(l, X_test @ Q, power, (X @ Q).T @ Y, Y, alphas, torch.as_tensor(alpha), several)
