"""Resampling and permutation against brute force, their error rates on data where the truth is known."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, false_discovery_control

from brainalign import stats, variance


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_bootstrap_scores_equal_scores_of_drawn_images(rng):
    y, yhat = rng.standard_normal((2, 40, 5)) + 3
    counts = np.random.default_rng(0).multinomial(40, np.full(40, 1 / 40), 20)
    for score, of in (("r2", lambda y, yhat: 1 - 39 / 40 * (1 - stats.r2(y, yhat))), ("r", stats.correlate)):
        found = stats.bootstrap(y, {"a": yhat, "b": y}, 20, 0, score)
        for draw, images in zip(found["a"], (np.repeat(np.arange(40), row) for row in counts)):
            np.testing.assert_allclose(draw, of(y[images], yhat[images]), atol=1e-10)
        np.testing.assert_allclose(found["b"], 1, atol=1e-10)


@pytest.mark.parametrize("score", ["r", "r2"])
def test_bootstrap_intervals_cover_the_truth(rng, score):
    """1,000 simulated experiments of 200 images, as units: 95 % intervals hold the true score in 92 to 98 %."""
    yhat = rng.standard_normal((200, 1000))
    y = 0.5 * yhat + np.sqrt(0.75) * rng.standard_normal(yhat.shape)
    low, high = stats.interval(stats.bootstrap(y, {"": 0.5 * yhat}, 1000, score=score)[""])
    truth = {"r": 0.5, "r2": 0.25}[score]
    assert 0.92 <= ((low < truth) & (truth < high)).mean() <= 0.98


def test_intervals_of_a_paired_difference_and_of_parts_cover_the_truth(rng):
    """Two predictions that share their signal: intervals of the difference and of unique variance, and its p."""
    common, own, noise = rng.standard_normal((3, 300, 600))
    y = 0.6 * common + 0.4 * own + np.sqrt(0.48) * noise
    draws = stats.bootstrap(y, {"a": 0.6 * common + 0.4 * own, "b": 0.6 * common}, 1000)
    for drawn in (draws["a"] - draws["b"], variance.partition(draws["a"], draws["b"], draws["a"])["unique_a"]):
        low, high = stats.interval(drawn)
        assert 0.92 <= ((low < 0.16) & (high > 0.16)).mean() <= 0.98
    assert (stats.sign_p(draws["a"] - draws["b"]) < 0.05).mean() > 0.99


def test_p_of_no_difference_is_small_as_often_as_it_should_be(rng):
    signal, first, second, noise = rng.standard_normal((4, 200, 1000))
    y = 0.6 * signal + noise
    draws = stats.bootstrap(y, {"a": 0.6 * signal + 0.2 * first, "b": 0.6 * signal + 0.2 * second}, 1000)
    assert 0.03 <= (stats.sign_p(draws["a"] - draws["b"]) < 0.05).mean() <= 0.08


def test_permutation_p_equals_brute_force_over_r_and_r2(rng):
    y, yhat = rng.standard_normal((2, 30, 3))
    yhat[:, 0] += 0.4 * y[:, 0]
    order = np.random.default_rng(5)
    orders = [order.permutation(np.arange(0, 30, 1)) for _ in range(200)]
    for of in (stats.correlate, stats.r2):
        null = np.stack([of(y[o], yhat) for o in orders])
        expected = (1 + (null >= of(y, yhat)).sum(0)) / 201
        np.testing.assert_allclose(stats.permutation_p(y, yhat, 200, seed=5), expected)


def test_false_positives_of_permutation_and_fdr_lie_within_binomial_bounds(rng):
    y, yhat = rng.standard_normal((2, 100, 1000))
    p = stats.permutation_p(y, yhat, 400)
    for level in (0.01, 0.05, 0.2):
        low, high = binom.interval(0.999, 1000, level)
        assert low <= (p <= level).sum() <= high
    families = stats.permutation_p(*rng.standard_normal((2, 60, 2000)), 1999).reshape(100, 20)
    false = sum((stats.fdr(family) < 0.05).any() for family in families)
    assert false <= binom.ppf(0.999, 100, 0.05)  # with no true effect, a family errs as often as its level


def test_blocks_keep_the_p_of_slow_drifts_honest(rng):
    """Responses and predictions that both drift over trials: single images permuted mislead, blocks do not."""
    drift = np.cumsum(rng.standard_normal((2, 400, 300)), axis=1)
    drift = drift[:, 40:] - drift[:, :-40]  # alike within 40 trials, not beyond
    single, blocks = (stats.permutation_p(*drift, 300, block=b) for b in (1, 60))
    assert (single < 0.05).mean() > 0.3
    assert (blocks < 0.05).mean() < 0.15


def test_permuted_blocks_hold_every_image_once(rng):
    for n, block in ((10, 3), (12, 4), (5, 1), (4, 9)):
        order = stats._order(rng, n, block)
        assert sorted(order) == list(range(n))
        steps = np.diff(order) == 1
        assert steps.sum() >= n - -(-n // block)


def test_a_unit_without_scores_has_no_p(rng):
    y, yhat = rng.standard_normal((2, 40, 3))
    y[:, 0], y[3, 1] = 1, np.nan
    p = stats.permutation_p(y, yhat, 50)
    np.testing.assert_array_equal(np.isnan(p), [True, True, False])
    np.testing.assert_array_equal(np.isnan(stats.sign_p(stats.bootstrap(y, {"": yhat}, 50)[""])), [True, True, False])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_fdr_equals_scipy_and_leaves_out_nan(p):
    expected = false_discovery_control(p)
    np.testing.assert_allclose(stats.fdr(p), expected, atol=1e-12)
    np.testing.assert_allclose(stats.fdr([*p, np.nan])[:-1], expected, atol=1e-12)
    assert np.isnan(stats.fdr([*p, np.nan])[-1])


def test_contrast_of_rois(rng):
    values = np.where(np.arange(100) < 50, 0.1, 0.4) + 0.01 * rng.standard_normal(100)
    values[7] = np.nan
    draws = values + 0.1 * rng.standard_normal((2000, 1)) * (np.arange(100) >= 50)
    found = stats.contrast(values, draws, np.arange(100) >= 50, np.arange(100) < 50)
    assert found["difference"] == pytest.approx(0.3, abs=0.01)
    assert found["low"] == pytest.approx(0.3 - 0.196, abs=0.02)
    assert found["high"] == pytest.approx(0.3 + 0.196, abs=0.02)
    assert 0 < found["p"] < 0.02


def test_intervals_of_early_against_high_level_rois_cover_the_truth():
    """200 experiments on ROIs of 30 units whose noise is shared: R2 0.1 in one, 0.3 (or as much) in the other."""
    early, high = np.arange(60) < 30, np.arange(60) >= 30
    for share, power in ((0.3, 0.9), (0.1, None)):
        truth, found = np.where(high, share, 0.1), []
        for seed in range(200):
            rng = np.random.default_rng(seed)
            signal, own = rng.standard_normal((2, 150, 60))
            noise = 0.6 * rng.standard_normal((150, 1)) + 0.8 * own
            y, yhat = np.sqrt(truth) * signal + np.sqrt(1 - truth) * noise, np.sqrt(truth) * signal
            draws = stats.bootstrap(y, {"": yhat}, 400, seed)[""]
            found.append(stats.contrast(stats.r2(y, yhat), draws, high, early))
        covered = sum(one["low"] < share - 0.1 < one["high"] for one in found)
        assert binom.ppf(0.001, 200, 0.95) <= covered
        significant = sum(one["p"] < 0.05 for one in found)
        assert significant > 200 * power if power else significant <= binom.ppf(0.9999, 200, 0.05)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(15, 40), st.integers(1, 6), st.floats(0.01, 100))
def test_p_and_intervals_follow_the_units_and_not_their_scale(seed, n, n_units, scale):
    rng = np.random.default_rng(seed)
    y, yhat = rng.standard_normal((2, n, n_units))
    order = rng.permutation(n_units)
    p = stats.permutation_p(y, yhat, 50, seed)
    np.testing.assert_array_equal(stats.permutation_p(scale * y[:, order] + 3, yhat[:, order], 50, seed), p[order])
    assert p.shape == (n_units,)
    assert ((p >= 1 / 51) & (p <= 1)).all()
    draws = stats.bootstrap(y, {"": yhat}, 30, seed)[""]
    scaled = stats.bootstrap(scale * y[:, order], {"": scale * yhat[:, order]}, 30, seed)[""]
    assert draws.shape == (30, n_units)
    np.testing.assert_allclose(scaled, draws[:, order], rtol=1e-6)
    low, high = stats.interval(draws)
    assert (low <= high).all()


def test_tensors_give_what_arrays_give(rng):
    y, yhat = rng.standard_normal((2, 40, 300)).astype(np.float32)
    y[:, 3], y[2, 5] = 0.5, np.nan
    a, b = torch.from_numpy(y), torch.from_numpy(yhat)
    train = np.arange(40) < 30
    for array, tensor in (
        (stats.correlate(y, yhat), stats.correlate(a, b)),
        (stats.r2(y, yhat), stats.r2(a, b)),
        (stats.standardise(y, train), stats.standardise(a, torch.from_numpy(train))),
        (stats.permutation_p(y, yhat, 99), stats.permutation_p(a, b, 99)),
        (stats.bootstrap(y, {"": yhat}, 30)[""], stats.bootstrap(a, {"": b}, 30)[""]),
        (stats.sign_p(stats.bootstrap(y, {"": yhat}, 30)[""]), stats.sign_p(stats.bootstrap(a, {"": b}, 30)[""])),
        (stats.interval(stats.bootstrap(y, {"": yhat}, 30)[""]), stats.interval(stats.bootstrap(a, {"": b}, 30)[""])),
    ):
        np.testing.assert_allclose(np.asarray([np.asarray(t) for t in tensor]), np.asarray(array), atol=1e-5)


def test_draws_of_r2_centre_on_the_score(rng):
    """Also with few images, where R2 of drawn images as it stands would be too low by (1 - R2) / n, here 0.035."""
    yhat = rng.standard_normal((20, 400))
    y = 0.5 * yhat + np.sqrt(0.75) * rng.standard_normal(yhat.shape)
    draws = stats.bootstrap(y, {"": 0.5 * yhat}, 2000)[""]
    assert abs((np.median(draws, 0) - stats.r2(y, 0.5 * yhat)).mean()) < 0.02
