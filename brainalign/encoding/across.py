"""How well a subject's responses can be predicted from other subjects': a ceiling that no model of features sets."""

import numpy as np

from brainalign.encoding import checks
from brainalign.encoding.results import Scores
from brainalign.encoding.session import Session


def cross_subject(person, others, alphas, folds=5, solver="ridge", seed=0, device=None):
    """Ridge from other subjects' responses to the same pictures, each fold of pictures predicted from the rest.

    All subjects see the pictures in one order, so that noise which drifts in the course of a run is alike for the same
    pictures in all of them. Each trial is therefore predicted from the mean of the others' trials of its picture in
    other runs: nothing that is compared was measured in the same run.

    person, others : `Trials` of a subject, and a list of them; each picture was shown to each of them in two runs or
        more. Units of others that lack a trial take no part
    Returns Scores: `_scores` within each fold, mean over folds; pooled over folds they would be biased, since the
    folds' means differ. alpha: geometric mean over folds. Warnings of few images count pictures, those of all folds.
    """
    person = checks.trials(person, "responses")
    X = np.hstack([_in_other_runs(person, checks.trials(other, "responses of another subject")) for other in others])
    shown, pictures = person.shown, np.unique(person.shown)
    n_folds, rng = checks.n_folds(folds, len(pictures)), np.random.default_rng(seed)
    left_out = _dealt(pictures, n_folds, rng)[shown]
    found, warnings = [], {}
    for k in range(n_folds):
        is_test = left_out == k
        training = np.unique(shown[~is_test])
        inner = _dealt(training, checks.n_folds(folds, len(training)), rng)
        session = Session(person.values, is_test, alphas, inner[np.minimum(shown, training[-1])], solver, seed, device)
        fit = session.fit(X, keep=True)
        found.append((*_scores(session.y_test, fit.yhat, shown[is_test]), fit.alpha))
        of_trials = {*checks.few(is_test.sum(), "test"), *checks.few((~is_test).sum(), "training")}
        warnings |= dict.fromkeys(checks.few(len(training), "training"))
        warnings |= dict.fromkeys(text for text in fit.warnings if text not in of_trials)
    r, r2, alpha = map(np.stack, zip(*found))
    warnings |= dict.fromkeys(checks.few(len(pictures), "test"))
    return Scores(r.mean(0), r2.mean(0), np.exp(np.log(alpha).mean(0)), tuple(warnings))


def _in_other_runs(person, other):
    """(n_trials, n_units): mean of another's trials of the picture of each of a person's, in all runs but its own."""
    from scipy.sparse import csr_array

    taken = (person.shown[:, None] == other.shown) & (person.run[:, None] != other.run)
    number = taken.sum(1, keepdims=True)
    if n := (number == 0).sum():
        raise ValueError(f"{n} of {len(taken)} trials show pictures that another subject saw in no other run")
    values = other.values[:, ~np.isnan(other.values).any(0)]
    return csr_array(taken.astype(values.dtype)) @ values / number.astype(values.dtype)


def _dealt(pictures, n_folds, rng):
    """The fold of each picture by its number, drawn evenly; 0 for numbers that are not there."""
    fold = np.zeros(pictures[-1] + 1, int)
    fold[rng.permutation(pictures)] = np.arange(len(pictures)) % n_folds
    return fold


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
