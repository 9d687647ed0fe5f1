"""Scores against independent formulas; the noise ceiling against a simulation of the trials."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler

from brainalign import stats


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_correlation_equals_numpy(rng):
    a, b = rng.standard_normal((2, 40, 7))
    expected = [np.corrcoef(a[:, i], b[:, i])[0, 1] for i in range(7)]
    np.testing.assert_allclose(stats.correlate(a, b), expected, rtol=1e-12)


def test_correlation_with_a_constant_or_missing_column_is_nan(rng):
    a, b = rng.standard_normal((2, 40, 4)).astype(np.float32)
    a[:, 0], b[:, 1], a[3, 2] = 0.1, 7, np.nan
    np.testing.assert_array_equal(np.isnan(stats.correlate(a, b)), [True, True, True, False])


@given(st.floats(0.01, 100), st.floats(-100, 100), st.integers(0, 1000))
def test_correlation_ignores_scale_and_offset(scale, offset, seed):
    a, b = np.random.default_rng(seed).standard_normal((2, 30, 3))
    np.testing.assert_allclose(stats.correlate(scale * a + offset, b), stats.correlate(a, b), atol=1e-9)


def test_r2_equals_sklearn_and_is_signed(rng):
    y = rng.standard_normal((50, 5)) + 3
    yhat = y + rng.standard_normal((50, 5)) * [0.1, 0.5, 1, 2, 5]
    expected = r2_score(y, yhat, multioutput="raw_values")
    np.testing.assert_allclose(stats.r2(y, yhat), expected, rtol=1e-12)
    assert expected[-1] < -5


def test_r2_of_the_test_mean_is_zero_and_of_a_constant_unit_nan(rng):
    y = rng.standard_normal((50, 2))
    y[:, 1] = 0.3
    np.testing.assert_allclose(stats.r2(y, np.broadcast_to(y.mean(0), y.shape)), [0, np.nan], atol=1e-12)


def test_standardise_uses_training_rows_only(rng):
    values = rng.normal(5, 3, (60, 4))
    values[:, 1] = 0.1
    train = np.arange(60) < 40
    expected = StandardScaler().fit(values[train]).transform(values)
    expected[:, 1] = 0
    np.testing.assert_allclose(stats.standardise(values, train), expected, atol=1e-9)


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize(
    ("dtype", "mean", "sd"), [("f2", 100, 2), ("f4", 1e6, 4), ("f8", 1e6, 0.1), ("f8", 1e9, 1e-3)]
)
def test_a_small_variation_counts_as_far_as_its_dtype_holds_it(rng, dtype, mean, sd, library):
    """A column of several spacings is what it was drawn as; one that jumps by a single spacing is a constant."""
    drawn = rng.normal(mean, sd, (400, 1))
    one = np.array(mean, dtype)
    jumps = np.where(rng.random((400, 1)) < 0.5, one, np.nextafter(one, np.array(np.inf, dtype)))
    values = np.hstack([drawn, jumps, np.full((400, 1), 0.1)]).astype(dtype)
    train = np.arange(400) < 300
    if library == "torch":
        values, train = torch.as_tensor(values), torch.as_tensor(train)
    found = np.asarray(stats.standardise(values, train), np.float64)
    expected = (drawn - drawn[:300].mean()) / drawn[:300].std()
    np.testing.assert_allclose(found[:, :1], expected, atol=2 * np.finfo(dtype).eps * mean / sd)
    assert not found[:, 1:].any()


def test_noise_ceiling_is_the_r2_of_the_true_signal(rng):
    ncsnr, repeats = np.array([0.2, 0.5, 1.0]), rng.integers(1, 4, 100_000)
    signal = rng.standard_normal((len(repeats), 3)) * ncsnr
    trials = signal[:, None] + rng.standard_normal((len(repeats), 3, 3))
    used = np.arange(3) < repeats[:, None]
    averaged = (trials * used[..., None]).sum(1) / repeats[:, None]
    simulated = 100 * stats.r2(averaged, signal)
    np.testing.assert_allclose(stats.noise_ceiling(ncsnr, repeats), simulated, atol=0.7)
    perfect = stats.normalise(stats.correlate(averaged, signal), stats.noise_ceiling(ncsnr, repeats))
    np.testing.assert_allclose(perfect, 1, atol=0.02)


def test_noise_ceiling_of_three_equal_repeats_is_nsds_formula():
    ncsnr = np.array([0.0, 0.4, np.nan])
    expected = 100 * ncsnr**2 / (ncsnr**2 + 1 / 3)
    np.testing.assert_allclose(stats.noise_ceiling(ncsnr, np.full(100, 3)), expected)


def test_noise_ceiling_without_trials_is_an_error():
    for repeats in ([], [3, 0]):
        with pytest.raises(ValueError, match="at least one"):
            stats.noise_ceiling(np.ones(3), np.array(repeats))


def test_normalisation_leaves_out_tiny_ceilings():
    nc = np.array([25.0, 0.5, 0.0, np.nan])
    np.testing.assert_allclose(stats.normalise(np.full(4, 0.3), nc), [0.6, np.nan, np.nan, np.nan])
    np.testing.assert_allclose(stats.normalise_r2(np.full(4, -0.1), nc), [-0.4, np.nan, np.nan, np.nan])
    np.testing.assert_allclose(stats.normalise_r2(0.1, nc, least=30), np.nan)


def test_two_way_shares_are_those_that_were_planted():
    """Effects of known variance: 4 of the instructions, 9 of the pictures, 3 of both."""
    rng = np.random.default_rng(0)
    a, b, ab = rng.standard_normal((40, 1, 30)), rng.standard_normal((1, 400, 30)), rng.standard_normal((40, 400, 30))
    shares = stats.two_way(2 * a + 3 * b + np.sqrt(3) * ab)
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["instruction"] == pytest.approx(4 / 16, abs=0.02)
    assert shares["picture"] == pytest.approx(9 / 16, abs=0.02)
    assert stats.two_way(np.broadcast_to(b, ab.shape)) == pytest.approx(
        {"picture": 1, "instruction": 0, "together": 0}
    )
    assert all(np.isnan(share) for share in stats.two_way(np.ones((2, 3, 4))).values())
