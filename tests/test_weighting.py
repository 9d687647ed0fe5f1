"""Many feature spaces in one model, each with a weight of its own: planted truth, and scipy's least squares."""

import numpy as np
import pytest
from scipy.optimize import nnls

from brainalign import encoding, stats
from brainalign.encoding import weighting

ALPHAS = np.logspace(-1, 5, 9)


def session_of(spaces, shares, n_train=400, n_units=40, solver="ridge", seed=0):
    """A session of responses with these shares of their variance from each of the spaces, the rest noise."""
    rng = np.random.default_rng(seed)
    weights = {name: rng.standard_normal((X.shape[1], n_units)) for name, X in spaces.items()}
    parts = [share**0.5 * X @ (w := weights[name]) / (w**2).sum(0) ** 0.5
             for name, X in spaces.items() if (share := shares.get(name, 0))]  # fmt: skip
    noise = (1 - sum(shares.values())) ** 0.5 * rng.standard_normal((len(parts[0]), n_units))
    is_test = np.arange(len(noise)) >= n_train
    return encoding.Session((sum(parts) + noise).astype(np.float32), is_test, ALPHAS, solver=solver, device="cpu")


def spaces_of(names, n=543, n_dims=30, seed=1):
    values = np.random.default_rng(seed).standard_normal((len(names), n, n_dims))
    return dict(zip(names, values.astype(np.float32)))


@pytest.mark.parametrize("solver", encoding.SOLVERS)
def test_a_copy_among_irrelevant_spaces_leaves_nothing_unique(solver):
    """One weight for all the others dilutes the copy of what drives the responses: each then seems to add .05."""
    spaces = spaces_of(["a", *"ijk"])
    unique = session_of(spaces, {"a": 0.3}, solver=solver).unique(spaces | {"b": spaces["a"].copy()})
    for name, found in unique.items():
        assert abs(found.mean()) < 0.002, name


def test_spaces_half_related_to_the_one_that_drives_the_responses_add_nothing():
    spaces = spaces_of("abcd")
    half = {"a": spaces["a"]} | {name: (spaces["a"] + spaces[name]) / 2**0.5 for name in "bcd"}
    unique = session_of(spaces, {"a": 0.3}).unique(half)
    assert unique["a"].mean() > 0.05
    assert max(abs(unique[name].mean()) for name in "bcd") < 0.003


def test_unequal_shares_of_two_spaces_are_each_unique():
    spaces = spaces_of("abijk")
    session = session_of(spaces, {"a": 0.25, "b": 0.1}, n_units=60)
    unique = session.unique(spaces)
    everything = next(session.beyond(spaces))[1]
    assert 0.15 < unique["a"].mean() < 0.25
    assert 0.04 < unique["b"].mean() < 0.12
    assert unique["a"].mean() + unique["b"].mean() == pytest.approx(everything.r2.mean(), abs=0.04)
    assert max(abs(unique[name].mean()) for name in "ijk") < 0.004


@pytest.mark.parametrize("solver", encoding.SOLVERS)
def test_of_two_spaces_the_others_are_the_fit_of_the_one_left(solver):
    spaces = spaces_of("ab", n_dims=250)  # together wider than the images are many
    session = session_of(spaces, {"a": 0.3, "b": 0.3}, solver=solver)
    for name, everything, others in session.beyond(spaces, keep=True):
        left = session.fit(spaces["b" if name == "a" else "a"], keep=True)
        np.testing.assert_array_equal(others.yhat, left.yhat)
        assert (everything.cv >= left.cv).all()
        np.testing.assert_allclose(stats.r2(session.y_test, everything.yhat, 0), everything.r2, atol=1e-6)
    with pytest.raises(ValueError, match="two or more"):
        session.unique({"a": spaces["a"]})


def test_units_that_lack_images_are_stacked_by_the_images_they_have():
    spaces = spaces_of("abi")
    given = session_of(spaces, {"a": 0.3}, n_units=6)
    Y = np.zeros((543, 6), np.float32)
    Y[:400], Y[400:] = given._groups[0].train.Y.numpy(), given.y_test
    Y[:50, 0], Y[:, 1] = np.nan, np.nan
    unique = encoding.Session(Y, np.arange(543) >= 400, ALPHAS, device="cpu").unique(spaces)
    assert np.isnan(unique["a"][1])
    assert (np.delete(unique["a"], 1) > 0.1).all()


def test_nonnegative_least_squares_equal_scipys():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((8, 50, 4)), rng.standard_normal((8, 50))
    X[:, :, 3] = X[:, :, 2] + 0.1 * X[:, :, 3]
    found = weighting.nonnegative(np.einsum("uni,unj->uij", X, X), np.einsum("uni,un->ui", X, y))
    np.testing.assert_allclose(found, [nnls(*pair)[0] for pair in zip(X, y)], atol=1e-3)


def test_typical_weights_stand_for_the_units():
    one, other = [0.7, 0.3, 0, 0], [0, 0, 0.5, 0.5]
    shares = np.array([one] * 20 + [other] * 10 + [[1, 0, 0, 0]] * 5, float)
    found = weighting.typical(shares)
    np.testing.assert_allclose(sorted(found.tolist()), sorted([one, other]), atol=1e-9)
    assert not len(weighting.typical(np.zeros((0, 4))))
    noisy = weighting.typical(np.random.default_rng(0).dirichlet(np.ones(4), 200))
    assert len(noisy) == weighting.TYPICAL
    np.testing.assert_allclose(noisy.sum(1), 1)
