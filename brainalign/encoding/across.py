"""How well a subject's responses can be predicted from other subjects': a ceiling that no model of features sets."""

import numpy as np

from brainalign.encoding import checks
from brainalign.encoding.results import Scores
from brainalign.encoding.session import Session
from brainalign.types import Trials


def cross_subject(person, others, alphas, folds=5, solver="ridge", seed=0, device=None):
    """Ridge from other subjects' responses to the same pictures, each fold of pictures predicted from the rest.

    Fitted to means over trials. All subjects see the pictures in one order, so that noise which drifts in the course
    of a run is alike for the same pictures in all of them. Each trial of a picture that is left out is therefore
    predicted from the others' trials of that picture in other runs, and compared with that prediction alone.

    person, others : `Trials` of a subject, and a list of them; each picture was shown to each of them in two runs or
        more. Units of others that lack a trial take no part
    Returns Scores: `_scores` within each fold, mean over folds; pooled over folds they would be biased, since the
    folds' means differ. alpha: geometric mean over folds. A warning of few test images counts those of all folds.
    """
    person = checks.trials(person, "responses")
    others = [_complete(checks.trials(other, "responses of another subject")) for other in others]
    pictures, position = np.unique(person.shown, return_inverse=True)
    n_folds = checks.n_folds(folds, len(pictures))
    X = np.hstack([_mean(other, pictures[:, None] == other.shown) for other in others])
    Y = _mean(person, pictures[:, None] == person.shown)
    X_of_trials = np.hstack([_in_other_runs(person, other) for other in others])
    left_out = np.random.default_rng(seed).permutation(np.arange(len(pictures)) % n_folds)
    found, warnings = [], {}
    for k in range(n_folds):
        train, test = left_out != k, left_out[position] == k
        is_test = np.arange(train.sum() + test.sum()) >= train.sum()
        session = Session(np.vstack([Y[train], person.values[test]]), is_test, alphas, folds, solver, seed, device)
        fit = session.fit(np.vstack([X[train], X_of_trials[test]]), keep=True)
        found.append((*_scores(session.y_test, fit.yhat, position[test]), fit.alpha))
        of_fold = checks.few(test.sum(), "test")
        warnings |= dict.fromkeys(text for text in fit.warnings if text not in of_fold)
    r, r2, alpha = map(np.stack, zip(*found))
    few = checks.few(len(pictures), "test")
    return Scores(r.mean(0), r2.mean(0), np.exp(np.log(alpha).mean(0)), (*warnings, *few))


def _complete(trials):
    """`Trials` of the units that lack none."""
    return Trials(trials.shown, trials.run, trials.values[:, ~np.isnan(trials.values).any(0)])


def _in_other_runs(person, other):
    """(n_trials, n_units): mean of another's trials of the picture of each of a person's, in all runs but its own."""
    taken = (person.shown[:, None] == other.shown) & (person.run[:, None] != other.run)
    if n := (~taken.any(1)).sum():
        raise ValueError(f"{n} of {len(taken)} trials show pictures that another subject saw in no other run")
    return _mean(other, taken)


def _mean(trials, taken):
    """(n_rows, n_units) mean of the trials that each row of `taken` (n_rows, n_trials) takes; NaN where all lack."""
    from scipy.sparse import csr_array

    taken, known = csr_array(taken.astype(np.float32)), np.isfinite(trials.values)
    with np.errstate(invalid="ignore"):
        return (taken @ np.where(known, trials.values, 0)) / (taken @ known.astype(np.float32))


def _scores(y, yhat, shown):
    """(r, r2), each (n_units,), of the means over each picture's trials, whose predictions differ from trial to trial.

    A picture's mean response and its mean prediction would have runs in common. So products are of a trial and its own
    prediction, one picture weighing as much as another, while the variance of responses is that of their means: where
    the trials of a picture have one prediction, both are those of the means themselves, as a model's are.

    y : (n_trials, n_units), 0 the mean of the training trials, NaN: missing; yhat : the same; r2 is about that 0
    """
    from scipy.sparse import csr_array

    of = csr_array((np.unique(shown)[:, None] == shown).astype(float))
    known = np.isfinite(y * yhat)
    y, yhat = (np.where(known, values, 0).astype(np.float64) for values in (y, yhat))
    number = of @ known.astype(float)
    weight = known / np.maximum(of.T @ number, 1)
    mean, seen = of @ (weight * y), number > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        my, mh = mean.sum(0) / seen.sum(0), (weight * yhat).sum(0) / seen.sum(0)
        spread = (seen * (mean - my) ** 2).sum(0) * (weight * (yhat - mh) ** 2).sum(0)
        r = (weight * (y - my) * (yhat - mh)).sum(0) / np.sqrt(spread)
        r2 = (weight * (2 * y - yhat) * yhat).sum(0) / (mean**2).sum(0)
    return np.where(spread > 0, r, np.nan), np.where(spread > 0, r2, np.nan)
