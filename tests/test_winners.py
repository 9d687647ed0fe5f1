"""Winners that are planted are found again in the other half of the images; where maps are alike they are not."""

import numpy as np
import pytest
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
    assert found["p"] == pytest.approx(1 / (1 + frames.DEALS))
    assert (found["maps"], found["units"]) == (3, 300)


def test_maps_that_are_alike_agree_by_chance_alone():
    rng = np.random.default_rng(1)
    p = []
    for seed in range(12):
        shared = rng.normal(size=(80, 100))
        predictions = shared + rng.normal(size=(3, 80, 100))
        p.append(winners.reliability(shared + rng.normal(size=(80, 100)), predictions, seed, 40)["p"])
    assert 0.2 < np.mean(p) < 0.8
    assert min(p) > 0.02


def test_a_unit_that_follows_its_neighbour_is_no_evidence():
    """Copies of few units would make a null that shuffles units too easy to beat; the deal keeps them together."""
    rng = np.random.default_rng(2)
    shared = rng.normal(size=(60, 4))
    y, predictions = shared + rng.normal(size=(60, 4)), shared + rng.normal(size=(3, 60, 4))
    found = winners.reliability(np.repeat(y, 50, axis=1), np.repeat(predictions, 50, axis=2), 0, 100)
    assert found["chance"] > 0.3


def test_kappa_is_that_of_winners_by_pearson_r():
    y, predictions = planted(2.0)
    halves = [np.stack([stats.correlate(y[h::2], one[h::2]) for one in predictions]).argmax(0) for h in (0, 1)]
    assert winners.reliability(y, predictions, rounds=5)["kappa"] == pytest.approx(cohen_kappa_score(*halves))


def test_units_without_a_prediction_do_not_take_part():
    y, predictions = planted(0.5)
    predictions[1, :, 7] = np.nan
    y[:, 9] = 1.0
    assert winners.reliability(y, predictions, rounds=5)["units"] == 298
    nothing = winners.reliability(y * np.nan, predictions, rounds=5)
    assert nothing["units"] == 0
    assert np.isnan(nothing["kappa"])
