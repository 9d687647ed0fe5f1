"""Weights kept small: what the best product of a rank can keep, and no less."""

import numpy as np
import pytest

from brainalign import encoding


@pytest.fixture
def fitted():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 12)) @ rng.standard_normal((12, 12)) + 2
    W, bias = rng.standard_normal((12, 40)).astype(np.float32), rng.standard_normal(40).astype(np.float32)
    W[:, 7], bias[7] = np.nan, np.nan
    return X, W, bias


def test_at_full_rank_nothing_is_lost(fitted):
    X, W, bias = fitted
    readout = encoding.compress(W, bias, X, rank=100)
    assert readout.kept == pytest.approx(1, abs=1e-5)
    wanted, found = X @ W + bias, readout.predict(X)
    assert np.isnan(found[:, 7]).all()
    np.testing.assert_allclose(np.delete(found, 7, 1), np.delete(wanted, 7, 1), atol=0.02 * np.nanstd(wanted))


def test_a_low_rank_keeps_what_the_leading_singular_values_hold(fitted):
    X, W, bias = fitted
    readout = encoding.compress(W, bias, X, rank=3)
    predicted = np.delete((X - X.mean(0)) @ W, 7, 1)
    s = np.linalg.svd(predicted, compute_uv=False)
    assert readout.kept == pytest.approx((s[:3] ** 2).sum() / (s**2).sum(), rel=1e-3)
    lost = np.delete(readout.predict(X) - (X @ W + bias), 7, 1)
    assert (lost**2).sum() == pytest.approx((s[3:] ** 2).sum(), rel=0.02)


@pytest.mark.parametrize("size", [1e5, 1e-7])
def test_weights_of_very_large_or_small_states_are_kept(fitted, size):
    """States of a size need weights of its inverse, which float16 would make infinite, coarse or 0."""
    X, W, bias = fitted
    X, W = X * size, W / np.float32(size)
    readout = encoding.compress(W, bias, X, rank=100)
    assert readout.into.dtype == np.float32
    wanted = np.delete(X @ W + bias, 7, 1)
    found = np.delete(readout.predict(X), 7, 1)
    np.testing.assert_allclose(found, wanted, atol=0.02 * wanted.std())


def test_weights_of_one_huge_state_among_others_are_kept(fitted):
    X, W, bias = fitted
    X[:, 0], W[0] = X[:, 0] * 1e7, W[0] / np.float32(1e7)
    readout = encoding.compress(W, bias, X, rank=100)
    wanted = np.delete(X @ W + bias, 7, 1)
    np.testing.assert_allclose(np.delete(readout.predict(X), 7, 1), wanted, atol=2e-3 * wanted.std())


def test_ordinary_weights_stay_float16(fitted):
    X, W, bias = fitted
    readout = encoding.compress(W, bias, X)
    assert readout.into.dtype == readout.out.dtype == np.float16
