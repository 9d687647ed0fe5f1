"""Encoding models: ridge from feature spaces to every unit; all choices are made on the training images.

fit          one feature space -> Fit (test r and R2, alpha per unit, cross-validated R2)
fit_joint    two or more spaces in a banded model -> Joint (the joint Fit, its gammas, each space alone)
best_layer   the layer to report, chosen by cross-validation
SOLVERS      name -> solve(spaces, Y, gammas, alphas, folds), a generator of one Solution per gamma:
    spaces : list of (X (n_train, n_dims), X_test (n_test, n_dims)), standardised
    Y : (n_train, n_units) standardised, no NaN
    gammas : (n_gammas, n_spaces) weights; a model's kernel is sum_i gamma_i X_i X_i'
    alphas : (n_alphas,) ascending, folds : (n_train,) the fold in which an image is left out
"""

import numpy as np

from brainalign import stats
from brainalign.encoding import checks, himalaya_ridge, ridge
from brainalign.encoding.results import Fit, Joint, Solution

__all__ = ["SOLVERS", "Fit", "Joint", "Solution", "best_layer", "fit", "fit_joint", "gamma_grid"]

SOLVERS = {"ridge": ridge.solve, "himalaya": himalaya_ridge.solve}


def fit(X, Y, is_test, alphas, folds=5, solver="ridge", seed=0):
    """Ridge of every unit on one feature space, alpha per unit by K-fold cross-validation.

    X : (n_images, n_dims) features; columns that are constant over the training images take no part
    Y : (n_images, n_units) responses. A unit without some of the images is fitted and scored on the images it
        has, as if the others did not exist; with less than half of the training or of the test images, or
        constant over the training images, it stays NaN
    is_test : (n_images,) bool; test images are predicted and scored, and touch nothing else
    alphas : penalties to try, for features and responses standardised on the training images
    folds : number of folds, or (n_images,) labels such as sessions (those of test images are ignored)
    seed : of the assignment of images to folds; the same for every feature space of a subject
    """
    return fit_joint({"": X}, Y, is_test, alphas, [[1.0]], folds, solver, seed).alone[""]


def fit_joint(spaces, Y, is_test, alphas, gammas=None, folds=5, solver="ridge", seed=0):
    """Banded ridge of every unit on several feature spaces: alpha and gamma per unit by cross-validation.

    The corners of the grid, each space alone, are always tried, and are the same fits as `fit` makes: where a
    space adds nothing, the joint model can leave it out, and noise does not pass for shared or unique variance.

    spaces : name -> (n_images, n_dims)
    gammas : (n_gammas, n_spaces) weights that sum to 1, or (n_gammas,) weights of the first of two spaces;
        None: `gamma_grid`. The other arguments are those of `fit`.
    """
    checks.inputs(spaces, Y, is_test)
    alphas, gammas = checks.alphas(alphas), _with_corners(gammas, len(spaces))
    folds = checks.folds(folds, is_test, seed)
    results, warnings = _every_gamma(spaces, Y, is_test, alphas, gammas, folds, checks.solver(solver, SOLVERS))
    best = np.where(np.isnan(results[:, -1]), -np.inf, results[:, -1]).argmax(0)
    chosen = np.take_along_axis(results, best[None, None], axis=0)[0]
    return Joint(
        **_named(chosen, warnings, alphas),
        gamma=np.where(np.isnan(chosen[-1])[:, None], np.nan, gammas[best]),
        alone={name: Fit(**_named(result, warnings, alphas)) for name, result in zip(spaces, results)},
    )


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


def best_layer(cv, per_unit=False):
    """Position of the layer that predicts left-out training images best; the test images have no say.

    cv : (n_layers, n_units) cross-validated R2 of each layer's Fit
    Returns an int, the best mean over the units that every layer has; or with `per_unit` an (n_units,) array,
    -1 where a unit has no score.
    """
    cv = np.asarray(cv)
    scored = ~np.isnan(cv).any(0)
    if per_unit:
        return np.where(scored, np.where(scored, cv, 0).argmax(0), -1)
    if not scored.any():
        raise ValueError(f"no unit has a cross-validated score in all {len(cv)} layers: nothing to choose by")
    return int(cv[:, scored].mean(1).argmax())


def _with_corners(gammas, n_spaces):
    """The corners of the grid, in the order of the spaces, then whatever else the grid holds."""
    if gammas is None:
        return gamma_grid(n_spaces)
    gammas = np.asarray(gammas, np.float64)
    if gammas.ndim == 1 and n_spaces == 2:
        gammas = np.stack([gammas, 1 - gammas], axis=1)
    if gammas.ndim != 2 or gammas.shape[1] != n_spaces or (gammas < 0).any():
        raise ValueError(f"gammas {gammas.shape} must be weights from 0 to 1 for each of {n_spaces} spaces")
    if not np.allclose(gammas.sum(1), 1):
        raise ValueError("each row of gammas must sum to 1")
    return np.vstack([np.eye(n_spaces), gammas[gammas.max(1) < 1]])


def _every_gamma(spaces, Y, is_test, alphas, gammas, folds, solve):
    """r, r2, alpha and cv of every unit under every gamma: (n_gammas, 4, n_units), and warnings."""
    results = np.full((len(gammas), 4, Y.shape[1]), np.nan)
    dtype = np.result_type(Y, np.float32)
    groups, warnings = checks.groups(Y, is_test, folds)
    for measured, units in groups:
        train, test = measured & ~is_test, measured & is_test
        Xs = [stats.standardise(X.astype(np.float64), train).astype(dtype) for X in spaces.values()]
        Z = stats.standardise(Y[:, units].astype(dtype), train)
        for i, found in enumerate(solve([(X[train], X[test]) for X in Xs], Z[train], gammas, alphas, folds[train])):
            found = stats.correlate(Z[test], found.yhat), stats.r2(Z[test], found.yhat), found.alpha, found.cv
            results[i][:, units] = np.where(Z[train].any(0), np.stack(found), np.nan)
    return results, (*warnings, *checks.constant_columns(spaces, ~is_test))


def _named(result, warnings, alphas):
    r, r2, alpha, cv = result
    return {"r": r, "r2": r2, "alpha": alpha, "cv": cv, "warnings": warnings + checks.edges(alpha, cv, alphas)}
