"""Winners that are planted are found again in the other half of the images; where maps are alike they are not."""

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.metrics import cohen_kappa_score

from brainalign import stats
from brainalign.figures import frames
from brainalign.jobs import winners


def planted(noise, seed=0, n_images=120, n_units=300, n_maps=3):
    """Responses and predictions; unit u is predicted best by map u % n_maps if noise is small."""
    rng = np.random.default_rng(seed)
    predictions = rng.normal(size=(n_maps, n_images, n_units))
    own = predictions[np.arange(n_units) % n_maps, :, np.arange(n_units)].T
    return own + noise * rng.normal(size=own.shape), predictions.astype("f4")


def test_planted_winners_are_found_in_both_halves():
    found = winners.reliability(*planted(0.5))
    assert found["kappa"] > 0.95
    assert found["ami"] > 0.9
    assert found["chance"] < 0.15
    assert found["p"] == pytest.approx(1 / (1 + frames.DRAWS))
    assert (found["maps"], found["units"]) == (3, 300)


def smooth(rng, n_images, n_dims, kept):
    """Series in which an image keeps a share of its neighbour."""
    values = rng.normal(size=(n_images, n_dims))
    for i in range(1, n_images):
        values[i] = kept * values[i - 1] + np.sqrt(1 - kept**2) * values[i]
    return values


def of_low_rank(rng, n_images, n_units, rank, kept=0.0):
    """Signals of sd 1 that units have in common, as neighbours in cortex have."""
    values = smooth(rng, n_images, rank, kept) @ rng.normal(size=(rank, n_units))
    return values / values.std(0)


def null(kind, rng, n_images=100, n_units=80):
    """Responses and predictions of maps that are equally good in every unit, or no good, and differ in other ways."""
    signal, white = (
        of_low_rank(rng, n_images, n_units, 6, 0.5 * (kind == "order")),
        rng.normal(size=(n_images, n_units)),
    )
    ranks = (3, 8, 40)
    maps = [of_low_rank(rng, n_images, n_units, rank, 0.5 * (kind == "order")) for rank in ranks]
    if kind == "twins":  # of two maps that are nearly the same and a third
        maps[1] = maps[0] + 0.3 * maps[1]
    if kind == "scales":  # as good as each other, with errors of other rank and of other size
        maps = [scale * (signal + 1.5 * one) for one, scale in zip(maps, (1, 3, 0.3))]
    return signal + white, np.stack(maps)


@pytest.mark.parametrize("kind", ["unrelated", "order", "twins", "scales"])
def test_maps_of_which_none_is_better_seem_reliable_in_five_percent(kind):
    """No more of 150 than the upper 2.5 % of a binomial at 5 %."""
    n = 150
    p = [winners.reliability(*null(kind, np.random.default_rng([seed, 3])), seed)["p"] for seed in range(n)]
    assert (np.array(p) < 0.05).sum() <= binom.ppf(0.975, n, 0.05)
    assert 0.4 < np.mean(p) < 0.65


def test_a_small_preference_is_found():
    """Maps of signals of their own, each of a tenth of its units' variance, are told apart in most data."""
    p = [winners.reliability(*planted(3.0, seed, n_units=60), seed)["p"] for seed in range(40)]
    assert (np.array(p) < 0.05).mean() > 0.9


def test_a_unit_that_follows_its_neighbour_is_no_evidence():
    """Copies of few units would make a null that shuffles units too easy to beat; the deal keeps them together."""
    rng = np.random.default_rng(2)
    shared = rng.normal(size=(60, 4))
    y, predictions = shared + rng.normal(size=(60, 4)), shared + rng.normal(size=(3, 60, 4))
    found = winners.reliability(np.repeat(y, 50, axis=1), np.repeat(predictions, 50, axis=2), 0, 100)
    assert found["chance"] > 0.3


def test_kappa_is_that_of_winners_by_pearson_r():
    y, predictions = planted(2.0)
    halves = [
        np.stack([stats.correlate(y[h], one[h]) for one in predictions]).argmax(0) for h in np.split(np.arange(120), 2)
    ]
    assert winners.reliability(y, predictions, rounds=5)["kappa"] == pytest.approx(cohen_kappa_score(*halves))


def test_units_without_a_prediction_do_not_take_part():
    y, predictions = planted(0.5)
    predictions[1, :, 7] = np.nan
    y[:, 9] = 1.0
    assert winners.reliability(y, predictions, rounds=5)["units"] == 298
    nothing = winners.reliability(y * np.nan, predictions, rounds=5)
    assert nothing["units"] == 0
    assert np.isnan(nothing["kappa"])
