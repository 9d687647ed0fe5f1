"""What it costs that weights are estimated: against the errors of predictions of which the truth is known."""

import numpy as np
import pytest

from brainalign import encoding, stats, variance
from brainalign.bench.parts import measured
from brainalign.bench.parts import planted as planted_parts
from brainalign.encoding.costs import Cost

ALPHAS = np.logspace(-2, 6, 17)


def planted(n_dims, n_train, share, first=None, n_test=150, n_units=300, seed=0, alphas=ALPHAS):
    """Features with a falling spectrum, signals of `share` of the variance in the first directions, and responses."""
    rng = np.random.default_rng(seed)
    n, size = n_train + n_test, np.arange(1, n_dims + 1) ** -0.5
    X = rng.standard_normal((n, n_dims)) * size
    w = rng.standard_normal((n_dims, n_units))
    if first:
        w[first:] = 0
    signal = X @ w / ((w * size[:, None]) ** 2).sum(0) ** 0.5 * share**0.5
    turned = X @ np.linalg.qr(rng.standard_normal((n_dims, n_dims)))[0]
    Y = signal + (1 - share) ** 0.5 * rng.standard_normal((n, n_units))
    is_test = np.arange(n) >= n_train
    return turned, signal, Y, is_test, alphas


@pytest.mark.parametrize("solver", encoding.SOLVERS)
@pytest.mark.parametrize(
    ("n_dims", "n_train", "first"), [(40, 400, None), (40, 400, 4), (150, 400, 10), (300, 200, 5)]
)
def test_the_error_of_predictions_is_their_variance_and_bias(solver, n_dims, n_train, first):
    """One penalty, so that none is chosen; more dimensions than images in the last case."""
    if solver == "himalaya" and n_dims > 150:
        pytest.skip("the same function as for the other solver, and slow")
    X, signal, Y, is_test, _ = planted(n_dims, n_train, 0.3, first)
    every = encoding.Session(Y, is_test, ALPHAS, solver=solver, device="cpu")
    alpha = float(np.median(every.fit(X).alpha))
    session = encoding.Session(Y, is_test, np.unique([*ALPHAS, alpha]), solver=solver, device="cpu")
    fit = session.fit(X, keep=True)
    sd, mean = Y[~is_test].std(0), Y[~is_test].mean(0)
    error = np.square(fit.yhat - (signal[is_test] - mean) / sd).mean(0)
    told = fit.cost.variance + fit.cost.bias
    assert told.mean() == pytest.approx(error.mean(), rel=0.17)
    assert fit.cost.signal.mean() == pytest.approx(0.3, abs=0.04)


def test_both_solvers_tell_the_same_cost():
    X, _, Y, is_test, alphas = planted(60, 200, 0.2, n_units=20)
    costs = [
        encoding.Session(Y, is_test, alphas, solver=solver, device="cpu").fit(X, keep=True).cost
        for solver in encoding.SOLVERS
    ]
    for name in ("variance", "bias", "signal", "choice"):
        np.testing.assert_allclose(*(getattr(cost, name) for cost in costs), rtol=1e-6)


def test_a_cost_is_told_only_where_predictions_are_kept():
    X, _, Y, is_test, alphas = planted(10, 100, 0.2, n_units=3)
    session = encoding.Session(Y, is_test, alphas, device="cpu")
    assert session.fit(X).cost is None
    assert session.fit(X, keep=True).cost.signal.shape == (3,)


def test_known_weights_give_back_what_estimating_them_cost():
    cost = Cost(*np.array([[0.02], [0.03], [0.15], [0.001]]))
    without_noise, known = variance.known_weights(np.array([[0.1], [0.04], [-0.02], [-0.1]]), cost)
    np.testing.assert_allclose(without_noise[:, 0], [0.12, 0.06, 0, -0.08])
    # as much bias as the penalty implies where R2 is as it implies, half of it at half the signal, none without
    np.testing.assert_allclose(known[:, 0], [0.151, 0.06 + 0.015 + 0.001, 0.001, -0.079])


@pytest.mark.parametrize("shares", [(0.1, 0.1, 0.1), (0, 0.15, 0.15), (0.1, 0.1, 0), (0.05, 0, 0)])
def test_parts_less_their_floors_are_the_planted_ones(shares):
    """At 800 training and 143 test images the raw ones are up to .03 too low."""
    found = []
    for seed in range(3):
        spaces, Y = planted_parts(943, 60, 25, shares, seed)
        found.append(measured(spaces, Y, np.arange(943) >= 800, 400))
    for part, share in zip(("shared", "unique_a", "unique_b"), shares):
        assert np.mean([parts[part][1] for parts in found]) == pytest.approx(share, abs=0.01), part
        claims = [parts[part][-1] < 0.05 for parts in found]
        assert all(claims) if share else sum(claims) <= 1
    raw = np.mean([[parts[part][0] for part in parts] for parts in found], 0)
    assert np.abs(raw - shares).max() > 0.012


def test_nothing_is_claimed_of_spaces_that_explain_nothing():
    claims = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        spaces = dict(zip("ab", rng.standard_normal((2, 400, 30))))
        parts = measured(spaces, rng.standard_normal((400, 40)), np.arange(400) >= 300, 400)
        claims += [p < 0.05 for *_, p in parts.values()]
    assert sum(claims) <= 4  # of 24; more than 4 have a probability of .003 at 5 %


def test_r2_of_a_prediction_that_knows_the_training_mean_is_0():
    rng = np.random.default_rng(0)
    Y = rng.standard_normal((200, 30)) + 3
    is_test = np.arange(200) >= 150
    fit = encoding.fit(np.ones((200, 2)), Y, is_test, ALPHAS)
    np.testing.assert_allclose(fit.r2, 0, atol=1e-12)
    session = encoding.Session(Y, is_test, ALPHAS, device="cpu")
    draws = stats.bootstrap(session.y_test, {"": np.zeros_like(session.y_test)}, 50, mean=0.0)[""]
    np.testing.assert_allclose(draws, 0, atol=1e-12)


@pytest.mark.parametrize("n", [30, 60, 143])
def test_the_interval_of_a_regions_r2_covers(n):
    """R2 of a known prediction, units that share noise; percentiles of R2 itself cover .60 to .87 at 30 images."""
    rng, covered = np.random.default_rng(n), 0
    for _ in range(150):
        w = rng.standard_normal((2, 5, 20)) / 5**0.5
        signal, noise = (rng.standard_normal((n, 5)) @ one for one in w)
        scale = ((w[0] ** 2).sum(0) * 0.25 + (w[1] ** 2).sum(0) * 0.75 + 0.2) ** 0.5
        y = (0.5 * signal + 0.75**0.5 * noise + 0.2**0.5 * rng.standard_normal((n, 20))) / scale
        predicted = 0.5 * signal / scale
        truth = (0.25 * (w[0] ** 2).sum(0) / scale**2).mean()
        value = stats.r2(y, predicted, 0).mean()
        draws = stats.bootstrap(y, {"": predicted}, 400, mean=0.0)[""].mean(1)
        low, high = stats.interval_r2(value, draws)
        covered += low <= truth <= high
    assert covered >= 0.86 * 150
