"""One subject's responses, kept standardised and on their device for any number of feature spaces."""

from dataclasses import dataclass
from hashlib import sha256
from itertools import combinations

import numpy as np

from brainalign import stats
from brainalign.encoding import checks, himalaya_ridge, ridge
from brainalign.encoding.bands import Kept
from brainalign.encoding.costs import NAMES as COSTS
from brainalign.encoding.costs import Cost
from brainalign.encoding.device import to_keep
from brainalign.encoding.grid import with_corners
from brainalign.encoding.results import Fit, Joint
from brainalign.encoding.weighting import Stacking, typical

PREDICTIONS = 24  # fits with predictions that are kept for models that come soon after; without them all are
SCORES = ("r", "r2", "alpha", "cv")
SOLVERS = {"ridge": ridge.solve, "himalaya": himalaya_ridge.solve}


@dataclass(frozen=True)
class Group:
    """Units with the same images: measured (n_images,) bool, positions, responses as the solver wants them."""

    measured: np.ndarray
    units: np.ndarray
    train: object
    test: object
    varies: np.ndarray


class Session:
    """Fits of one subject. Feature spaces of the same content are fitted once, whatever they are called.

    Y : (n_images, n_units) responses. A unit without some of the images is fitted and scored on the images it
        has, as if the others did not exist; with less than half of the training or of the test images, or
        constant over the training images, it stays NaN
    is_test : (n_images,) bool; test images are predicted and scored, and touch nothing else
    alphas : penalties to try, for features and responses standardised on the training images
    folds : number of folds, or (n_images,) labels such as sessions (those of test images are ignored)
    solver : a name in SOLVERS; seed : of the assignment of images to folds; device : of torch, for "ridge"

    Products of feature spaces are kept for later fits, in a quarter of a GPU's memory or 2 GiB, the latest used stay.

    y_test : (n_test, n_units) what `keep`ed predictions are to be compared with: standardised, NaN where missing
    """

    def __init__(self, Y, is_test, alphas, folds=5, solver="ridge", seed=0, device=None):
        Y, is_test = checks.responses(Y, is_test)
        self.is_test, self.alphas = is_test, checks.alphas(alphas)
        self._folds = checks.folds(folds, is_test, seed)
        self._solve, self._seed = checks.solver(solver, SOLVERS), seed
        self._on_device = solver == "ridge"
        self._dtype = Y.dtype
        found, self._warnings = checks.groups(Y, is_test, self._folds)
        self.y_test = np.full((is_test.sum(), Y.shape[1]), np.nan, self._dtype)
        self._groups = [self._group(Y, measured, units, device) for measured, units in found]
        self._fits, self._kept = {}, None

    def fit(self, X, keep=False):
        """Ridge on one feature space (n_images, n_dims), alpha per unit by K-fold cross-validation.

        keep : keep the predictions of the test images, as `Fit.yhat`
        """
        X = checks.spaces({"": X}, len(self.is_test))[""]
        return self._alone(X, _content(X), keep)

    def fit_joint(self, spaces, gammas=None, keep=False, split=False):
        """Banded ridge on several feature spaces, name -> (n_images, n_dims): alpha and gamma per unit.

        The corners of the grid, each space alone, are always tried, and are the fits that `fit` makes: where a
        space adds nothing, the joint model can leave it out, and noise does not pass for shared or unique variance.

        gammas : (n_gammas, n_spaces) weights that sum to 1, or (n_gammas,) weights of the first of two spaces;
            None: `gamma_grid`
        keep, split : keep the predictions of the test images, and those by each space, as `Joint.yhat` and `.split`
        """
        spaces, keep = checks.spaces(spaces, len(self.is_test)), keep or split
        gammas, contents = with_corners(gammas, len(spaces)), [_content(X) for X in spaces.values()]
        alone = {name: self._alone(X, content, keep) for (name, X), content in zip(spaces.items(), contents)}
        best = self._nothing(len(spaces), len(spaces) if split else int(keep))
        for i, fit in enumerate(alone.values()):
            predicted = _one_of(len(spaces), i, fit.yhat) if split else _stacked(fit.yhat)
            self._improve(best, slice(None), gammas[i], fit, predicted)
        best, warnings = self._search(best, spaces, contents, gammas[len(spaces) :])
        return Joint(
            **self._scores(best),
            gamma=best["gamma"],
            alone=alone,
            yhat=best["yhat"].sum(0) if keep else None,
            split=dict(zip(spaces, best["yhat"])) if split else None,
            warnings=self._told(best, warnings),
        )

    def unique(self, spaces):
        """Variance that only one space explains, against all the others jointly: name -> (n_units,), signed."""
        return {name: both.r2 - others.r2 for name, both, others in self.beyond(spaces)}

    def beyond(self, spaces, keep=False):
        """Yield for each space its name, the Fit of all spaces together, and the Fit of all but this one.

        In every one of these banded models each space has a weight of its own (`weighting`): with one weight for all
        others, irrelevant ones dilute those that matter, and a copy of what they explain would pass for unique. Each
        space alone is a candidate too, and all that the others are tried with is tried for the model with the space:
        so where it adds nothing the model can leave it out, and no luck of the candidates passes for unique.

        keep : keep the predictions of the test images, as `Fit.yhat`
        """
        spaces = checks.spaces(spaces, len(self.is_test))
        if len(spaces) < 2:
            raise ValueError(f"unique variance needs two or more feature spaces, got {len(spaces)}")
        stacked, every = self._stacking(spaces), range(len(spaces))
        together = self._weighted(spaces, stacked, every, keep)
        for k, name in enumerate(spaces):
            others = self._weighted(spaces, stacked, [other for other in every if other != k], keep)
            best = self._nothing(len(spaces), int(keep))
            for fit in (others, together):
                self._improve(best, slice(None), np.full(len(spaces), np.nan), fit, _stacked(fit.yhat))
            yield name, self._fit(best, (*together.warnings, *others.warnings)), others

    def _weighted(self, spaces, stacked, chosen, keep):
        """The Fit of the spaces at the positions `chosen`, each alone or with typical weights of the units."""
        used = dict(list(spaces.items())[k] for k in chosen)
        contents = [_content(X) for X in used.values()]
        best = self._nothing(len(used), int(keep))
        for gamma, X, content in zip(np.eye(len(used)), used.values(), contents):
            alone = self._alone(X, content, keep)
            self._improve(best, slice(None), gamma, alone, _stacked(alone.yhat))
        # a kernel weighs as much as its weight times the mean square of its features, 1 where they are standardised
        shares = stacked.explained(list(chosen)) / [X.shape[1] for X in used.values()]
        gammas = typical(shares / shares.sum(1, keepdims=True), self._seed)
        return self._fit(*self._search(best, used, contents, gammas))

    def _stacking(self, spaces):
        """What each space alone predicts of each fold of training images from the others, in a `Stacking`."""
        found = Stacking(self.y_test.shape[1], len(spaces))
        for group in self._groups:
            train = group.measured & ~self.is_test
            arrays, labels = [self._standardised(X, train, group)[train] for X in spaces.values()], self._folds[train]
            Y = group.train.Y if self._on_device else group.train
            for fold in np.unique(labels):
                out, inside = labels == fold, np.flatnonzero(labels != fold)
                inner = labels[inside] if len(np.unique(labels[inside])) > 1 else np.arange(len(inside)) % 2
                origin = Y[inside].mean(0)
                targets = Y[inside] - origin
                targets = ridge.Targets(targets, inner, group.train.device) if self._on_device else targets
                predicted = []
                for X in arrays:
                    mean = X[inside].mean(0)
                    pair = X[inside] - mean, X[out] - mean
                    solved = next(iter(self._solve([pair], targets, [[1.0]], self.alphas, inner)))
                    predicted.append(_numpy(solved.yhat + origin))
                found.add(group.units, _numpy(Y[out]), predicted)
        return found

    def weights(self, X):
        """The fit of `fit` as weights of the features as they are: (W (n_dims, n_units), bias (n_units,)), float32.

        x @ W + bias predicts the standardised response to a picture of features x; NaN where a unit is not fitted.
        """
        X = checks.spaces({"": X}, len(self.is_test))[""]
        n_dims, n_units = X.shape[1], self.y_test.shape[1]
        W, bias = np.full((n_dims, n_units), np.nan, np.float32), np.full(n_units, np.nan, np.float32)
        for group in self._groups:
            train = np.append(group.measured & ~self.is_test, [False, False])
            Z = self._standardised(np.vstack([X, np.zeros(n_dims, X.dtype), np.ones(n_dims, X.dtype)]), train, group)
            # predictions for the rows of the identity are the weights of standardised features
            unit = np.eye(n_dims, dtype=self._dtype)
            pairs = [(Z[train], Z.new_tensor(unit) if self._on_device else unit)]
            found = next(iter(self._solve(pairs, group.train, [[1.0]], self.alphas, self._folds[train[:-2]])))
            zero, one = _numpy(Z[-2:])
            weights = np.where(group.varies, _numpy(found.yhat), np.nan)
            W[:, group.units], bias[group.units] = (one - zero)[:, None] * weights, zero @ weights
        return W, bias

    def subsets(self, spaces, gammas=None):
        """R2 of every set of the spaces, for a partition: names joined, "a", "b", "ab" for spaces a and b.

        gammas : None, or n_spaces -> the grid for that many
        """
        spaces = checks.spaces(spaces, len(self.is_test))
        sets = [names for size in range(1, len(spaces) + 1) for names in combinations(spaces, size)]
        return {"".join(names): self._r2({name: spaces[name] for name in names}, gammas) for names in sets}

    def _r2(self, spaces, gammas):
        if len(spaces) == 1:
            return self.fit(*spaces.values()).r2
        return self.fit_joint(spaces, gammas and gammas(len(spaces))).r2

    def _group(self, Y, measured, units, device):
        train, test = measured & ~self.is_test, measured & self.is_test
        Z = stats.standardise(Y[:, units], train)
        self.y_test[np.ix_(measured[self.is_test], units)] = Z[test]
        varies = Z[train].any(0)
        if not self._on_device:
            return Group(measured, units, Z[train], Z[test], varies)
        import torch

        targets = ridge.Targets(Z[train], self._folds[train], device)
        return Group(measured, units, targets, torch.as_tensor(Z[test]).to(targets.device), varies)

    def _alone(self, X, content, keep=False):
        """The Fit of one space; content : from `_content`, by which a fit that was made before is found."""
        key = keep, content
        if key not in self._fits:
            best = self._nothing(1, int(keep))
            self._fits[key] = self._fit(*self._search(best, {"": X}, [content], np.ones((1, 1))))
            predicting = [key for key in self._fits if key[0]]
            for oldest in predicting[:-PREDICTIONS]:
                del self._fits[oldest]
        return self._fits[key]

    def _fit(self, best, warnings):
        yhat = None if best["yhat"] is None else best["yhat"][0]
        return Fit(**self._scores(best), yhat=yhat, warnings=self._told(best, warnings))

    def _search(self, best, spaces, contents, gammas):
        """Improve on `best` with every gamma, for every group of units; and what is odd about the spaces."""
        warnings, each = (), best["yhat"] is not None and len(best["yhat"]) == len(spaces) > 1
        for g, group in enumerate(self._groups):
            train, test = (group.measured & rows for rows in (~self.is_test, self.is_test))
            arrays = [self._standardised(X, train, group) for X in spaces.values()]
            if group is max(self._groups, key=lambda g: g.measured.sum()):
                warnings = *checks.constant_columns(dict(zip(spaces, arrays)), train), *warnings
            pairs = [(X[train], _copies(X[test], i, len(arrays)) if each else X[test]) for i, X in enumerate(arrays)]
            keys = [(g, content, (i, len(contents)) if each else 0) for i, content in enumerate(contents)]
            more = self._shared(keys) | ({} if best["yhat"] is None else {"n_costed": int(test.sum())})
            solutions = self._solve(pairs, group.train, gammas, self.alphas, self._folds[train], **more)
            for gamma, found in zip(gammas, solutions):
                yhat = found.yhat.reshape(-1, *group.test.shape)
                # responses are standardised on the training images: their mean there is 0
                scores = (
                    stats.correlate(group.test, yhat[0]),
                    stats.r2(group.test, yhat[0], 0.0),
                    found.alpha,
                    found.cv,
                )
                scores = [np.where(group.varies, _numpy(values), np.nan) for values in scores]
                fit = Fit(**dict(zip(SCORES, scores)), cost=found.cost)
                kept = None if best["yhat"] is None else yhat[1:] if each else yhat
                kept = None if kept is None else self._spread(_numpy(kept), group)
                self._improve(best, group.units, np.asarray(gamma), fit, kept)
                warnings += tuple(text for text in found.warnings if text not in warnings)
        return best, warnings

    def _shared(self, keys):
        """Where the engine finds products made for other fits: at most `device.to_keep` bytes of them."""
        if not self._on_device:
            return {}
        if self._kept is None:
            self._kept = Kept(to_keep(self._groups[0].train.device))
        return {"keys": keys, "kept": self._kept}

    def _improve(self, best, units, gamma, fit, predicted):
        """Take over what a gamma gives to the units that it predicts better in cross-validation."""
        better = ~(fit.cv <= best["cv"][units]) & ~np.isnan(fit.cv)
        at = np.arange(len(best["cv"]))[units][better]
        for name in SCORES:
            best[name][at] = getattr(fit, name)[better]
        for name in COSTS if fit.cost else ():
            best[name][at] = getattr(fit.cost, name)[better]
        best["gamma"][at] = gamma
        if predicted is not None:
            best["yhat"][:, :, at] = predicted[:, :, better]

    def _nothing(self, n_spaces, n_kept):
        """Nothing found yet; n_kept : predictions to keep, 0, 1 (of all spaces together) or those by each space."""
        n_test, n_units = self.y_test.shape
        best = {name: np.full(n_units, np.nan) for name in (*SCORES, *COSTS)}
        yhat = np.full((n_kept, n_test, n_units), np.nan, self._dtype) if n_kept else None
        return best | {"gamma": np.full((n_units, n_spaces), np.nan), "yhat": yhat}

    def _standardised(self, X, train, group):
        if not self._on_device:
            return stats.standardise(X, train, self._dtype)
        import torch

        device = group.train.device
        return stats.standardise(torch.as_tensor(X).to(device), torch.as_tensor(train).to(device), torch.float64)

    def _spread(self, values, group):
        """(..., images measured, units) as (..., n_test, units), NaN where an image is missing."""
        spread = np.full((len(values), len(self.y_test), values.shape[2]), np.nan, self._dtype)
        spread[:, group.measured[self.is_test]] = values
        return spread

    def _scores(self, best):
        cost = None if best["yhat"] is None else Cost(*(best[name] for name in COSTS))
        return {name: best[name] for name in SCORES} | {"cost": cost}

    def _told(self, best, warnings):
        return (*self._warnings, *warnings, *checks.edges(best["alpha"], best["cv"], self.alphas))


def _content(X):
    """A name of the numbers in X that no other numbers have."""
    return X.shape, X.dtype.str, sha256(np.ascontiguousarray(X)).digest()


def _copies(X, i, n_spaces):
    """Test features of space i for predictions by all spaces and by each alone, where the others' are 0."""
    by_each = [X if j == i else 0 * X for j in range(n_spaces)]
    if isinstance(X, np.ndarray):
        return np.concatenate([X, *by_each])
    import torch

    return torch.cat([X, *by_each])


def _stacked(yhat):
    return None if yhat is None else yhat[None]


def _one_of(n_spaces, i, yhat):
    """Predictions by each space of a model that uses space i alone."""
    split = np.zeros((n_spaces, *yhat.shape), yhat.dtype)
    split[:, np.isnan(yhat)] = np.nan
    split[i] = yhat
    return split


def _numpy(values):
    return values if isinstance(values, np.ndarray) else values.cpu().numpy()
