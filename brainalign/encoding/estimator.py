"""The engine as an estimator in scikit-learn's manner, for people who script."""

import warnings

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from brainalign import arrays, stats
from brainalign.encoding import checks, ridge


class RidgeCV(RegressorMixin, BaseEstimator):
    """Ridge of many targets at once, alpha for each (or shared) by K-fold cross-validation, with an intercept.

    min over w, b of ||y - b - X w||^2 + alpha ||w||^2; features are centred, not scaled.

    alphas : penalties to try
    cv : number of folds drawn by random_state, or (n_samples,) labels of folds
    shared_alpha : one alpha for all targets, by their mean score
    device : of torch; None: a GPU where there is one

    After fit: alpha_ (n_targets,), cv_scores_ (n_targets,) R2 on left-out samples, mean over folds,
    coef_ (n_features, n_targets), intercept_ (n_targets,).
    """

    def __init__(self, alphas=(0.1, 1.0, 10.0), cv=5, shared_alpha=False, device=None, random_state=0):
        self.alphas = alphas
        self.cv = cv
        self.shared_alpha = shared_alpha
        self.device = device
        self.random_state = random_state

    def fit(self, X, y):
        """X : (n_samples, n_features), y : (n_samples, n_targets) or (n_samples,)."""
        X, y = (arrays.numbers(values, name) for values, name in ((X, "X"), (y, "y")))
        X, y = validate_data(self, X, y, multi_output=True, y_numeric=True, dtype=[np.float64, np.float32], order="C")
        self._flat = y.ndim == 1
        Y = np.asarray(y, X.dtype).reshape(len(X), -1)
        alphas = checks.alphas(self.alphas)
        folds = checks.folds(self.cv, np.zeros(len(X), bool), self.random_state)
        mean_x, mean_y = X.mean(0, dtype=np.float64), Y.mean(0, dtype=np.float64)
        # predictions for the unit vectors are the coefficients
        space = (X - mean_x).astype(X.dtype), np.eye(X.shape[1], dtype=X.dtype)
        centred = (Y - mean_y).astype(Y.dtype)
        found = next(ridge.solve([space], centred, [[1.0]], alphas, folds, self.device, self.shared_alpha))
        for text in found.warnings:
            warnings.warn(text, stacklevel=2)
        self.alpha_, self.cv_scores_, self.coef_ = found.alpha, found.cv, found.yhat.cpu().numpy()
        self.intercept_ = mean_y - mean_x @ self.coef_
        return self

    def predict(self, X):
        """(n_samples, n_targets), or (n_samples,) if y was."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        yhat = X @ self.coef_.astype(np.float64) + self.intercept_
        return yhat[:, 0] if self._flat else yhat

    def score(self, X, y):
        """R2 of each target, (n_targets,), or a number if y was (n_samples,)."""
        r2 = stats.r2(np.asarray(y).reshape(len(X), -1), self.predict(X).reshape(len(X), -1))
        return float(r2[0]) if self._flat else r2
