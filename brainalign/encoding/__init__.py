"""Encoding models: ridge from feature spaces to every unit; all choices are made on the training images.

Session        the responses of one subject, for any number of fits
fit            one feature space -> Fit (test r and R2, alpha per unit, cross-validated R2)
fit_joint      two or more spaces in a banded model -> Joint (the joint Fit, its gammas, each space alone)
best_layer     the layer to report, chosen by cross-validation; nested: its Fit, for each unit its own layer
cross_subject  what other subjects' responses predict
estimator.RidgeCV  the engine in scikit-learn's manner
SOLVERS        name -> solve(spaces, Y, gammas, alphas, folds), a generator of one Solution per gamma:
    spaces : list of (X (n_train, n_dims), X_test (n_test, n_dims)), standardised
    Y : (n_train, n_units) standardised, no NaN
    gammas : (n_gammas, n_spaces) weights; a model's kernel is sum_i gamma_i X_i X_i'
    alphas : (n_alphas,) ascending, folds : (n_train,) the fold in which an image is left out
"""

from brainalign.encoding.across import cross_subject
from brainalign.encoding.grid import gamma_grid
from brainalign.encoding.layers import best_layer, nested
from brainalign.encoding.readout import Readout, compress
from brainalign.encoding.results import Fit, Joint, Solution
from brainalign.encoding.session import SOLVERS, Session

__all__ = [
    "SOLVERS",
    "Fit",
    "Joint",
    "Readout",
    "Session",
    "Solution",
    "best_layer",
    "compress",
    "cross_subject",
    "fit",
    "fit_joint",
    "gamma_grid",
    "nested",
]


def fit(X, Y, is_test, alphas, folds=5, solver="ridge", seed=0):
    """Ridge of every unit on one feature space; see `Session` and `Session.fit` for the arguments."""
    return Session(Y, is_test, alphas, folds, solver, seed).fit(X)


def fit_joint(spaces, Y, is_test, alphas, gammas=None, folds=5, solver="ridge", seed=0):
    """Banded ridge of every unit on several feature spaces; see `Session` and `Session.fit_joint`."""
    return Session(Y, is_test, alphas, folds, solver, seed).fit_joint(spaces, gammas)
