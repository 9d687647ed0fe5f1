"""Partition of planted variance through the whole joint fit."""

import numpy as np
import pytest

from brainalign import encoding, variance

ALPHAS = np.logspace(0, 5, 11)


def planted(shared, only_a, only_b, n_dims=10, n_units=50, seed=0):
    """Two feature spaces with a common part, responses with these shares of variance, 1,000 of 3,000 test images."""
    rng = np.random.default_rng(seed)
    common, own_a, own_b = rng.standard_normal((3, 3000, n_dims))
    parts = [part @ rng.standard_normal((n_dims, n_units)) for part in (common, own_a, own_b)]
    parts = [part / part.std(0) for part in parts]
    shares = np.sqrt([shared, only_a, only_b, 1 - shared - only_a - only_b])
    noise = rng.standard_normal((3000, n_units))
    Y = sum(share * part for share, part in zip(shares, [*parts, noise]))
    return {"a": np.hstack([common, own_a]), "b": np.hstack([common, own_b])}, Y, np.arange(3000) >= 2000


def parts_of(joint):
    return variance.partition(joint.alone["a"].r2, joint.alone["b"].r2, joint.r2)


def test_partition_recovers_planted_variance():
    parts = parts_of(encoding.fit_joint(*planted(0.3, 0.2, 0.1), ALPHAS))
    means = {name: part.mean() for name, part in parts.items()}
    assert means == pytest.approx({"shared": 0.3, "unique_a": 0.2, "unique_b": 0.1}, abs=0.02)


def test_a_band_of_noise_explains_nothing():
    """Beside a band that carries the whole signal, |unique| and |shared| of noise average less than 0.005."""
    rng = np.random.default_rng(1)
    signal, noise = rng.standard_normal((2, 2000, 100))
    Y = signal @ rng.standard_normal((100, 200)) / 10 + rng.standard_normal((2000, 200))
    is_test = np.arange(2000) >= 1500
    parts = parts_of(encoding.fit_joint({"a": signal, "b": noise}, Y, is_test, ALPHAS))
    assert parts["unique_a"].mean() == pytest.approx(0.47, abs=0.03)
    assert np.abs(parts["unique_b"]).mean() < 0.005
    assert np.abs(parts["shared"]).mean() < 0.005


def test_parts_keep_their_sign_and_add_up_to_the_joint_r2():
    rng = np.random.default_rng(2)
    r2_a, r2_b, r2_ab = rng.normal(0, 0.1, (3, 100))
    parts = variance.partition(r2_a, r2_b, r2_ab)
    np.testing.assert_allclose(sum(parts.values()), r2_ab)
    np.testing.assert_allclose(parts["shared"] + parts["unique_a"], r2_a)
    assert all((part < 0).any() for part in parts.values())


def test_summary_of_a_roi():
    parts = {"shared": np.array([0.1, -0.3, np.nan, 9]), "unique_a": np.array([0.2, 0.4, 0.5, np.inf])}
    expected = {"n": 2, "shared": -0.1, "unique_a": 0.3, "shared_negative": 0.5, "unique_a_negative": 0.0}
    assert variance.summarise(parts, np.arange(4)) == pytest.approx(expected)
    empty = variance.summarise(parts, np.zeros(4, bool))
    assert empty["n"] == 0
    assert np.isnan(empty["shared"])
