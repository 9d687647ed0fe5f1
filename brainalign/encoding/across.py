"""How well a subject's responses can be predicted from other subjects': a ceiling that no model of features sets."""

import numpy as np

from brainalign import arrays, stats
from brainalign.encoding import checks
from brainalign.encoding.results import Scores
from brainalign.encoding.session import Session


def cross_subject(Y, others, alphas, folds=5, solver="ridge", seed=0, device=None):
    """Ridge from other subjects' responses to the same images, each fold of images predicted from the rest.

    Y : (n_images, n_units) responses to the images that all subjects saw; others : list of (n_images, n_units_i),
        in the same order of images; their units without some image take no part
    Returns Scores: r and r2 within each fold, mean over folds; pooled over folds they would be biased, since the
    folds' means differ. alpha: geometric mean over folds. A warning of few test images counts those of all folds.
    """
    Y, others = arrays.numbers(Y, "responses", 2), [arrays.numbers(Y, "responses of others", 2) for Y in others]
    if any(len(other) != len(Y) for other in others) or not others:
        raise ValueError(f"{len(Y)} images, but the others have {[len(other) for other in others]}")
    for other in others:
        checks.finite(other, "responses of another subject")
    folds = checks.n_folds(folds, len(Y))
    X = np.hstack([stats.standardise(other[:, ~np.isnan(other).any(0)], np.ones(len(Y), bool)) for other in others])
    left_out = np.random.default_rng(seed).permutation(np.arange(len(Y)) % folds)
    found = [Session(Y, left_out == k, alphas, folds, solver, seed, device).fit(X) for k in range(folds)]
    r, r2, alpha = (np.stack([getattr(fit, name) for fit in found]) for name in ("r", "r2", "alpha"))
    of_folds = {text for k in range(folds) for text in checks.few((left_out == k).sum(), "test")}
    warnings = dict.fromkeys(text for fit in found for text in fit.warnings if text not in of_folds)
    return Scores(r.mean(0), r2.mean(0), np.exp(np.log(alpha).mean(0)), (*warnings, *checks.few(len(Y), "test")))
