"""The session against single fits, its parts against the whole; layers, other subjects, the estimator."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, PredefinedSplit

from brainalign import encoding, stats, variance
from brainalign.encoding import session as sessions
from brainalign.encoding.estimator import RidgeCV

ALPHAS = np.logspace(0, 4, 9)


def data(n=260, p=20, n_units=10, seed=0):
    """Three feature spaces, responses to all of them, a quarter of the images for the test."""
    rng = np.random.default_rng(seed)
    spaces = {name: rng.standard_normal((n, p)) for name in "abc"}
    Y = sum(X @ rng.standard_normal((p, n_units)) for X in spaces.values()) / 4 + rng.standard_normal((n, n_units))
    return spaces, Y, np.arange(n) % 4 == 0


def test_equal_feature_spaces_are_fitted_once(monkeypatch):
    spaces, Y, is_test = data()
    calls, solve = [], encoding.SOLVERS["ridge"]
    monkeypatch.setitem(sessions.SOLVERS, "ridge", lambda *args, **more: calls.append(args) or solve(*args, **more))
    subject = encoding.Session(Y, is_test, ALPHAS)
    first = subject.fit(spaces["a"])
    assert subject.fit(spaces["a"].copy()) is first
    assert len(calls) == 1
    joint = subject.fit_joint({"x": spaces["a"], "y": spaces["b"]})
    assert joint.alone["x"] is first
    assert len(calls) == 3  # b alone, and the inside of the grid
    changed = spaces["a"].copy()
    changed[0, 0] += 1e-9
    assert subject.fit(changed) is not first


@pytest.mark.parametrize("solver", encoding.SOLVERS)
def test_kept_predictions_have_the_scores_told_and_are_the_sum_of_their_parts(solver):
    spaces, Y, is_test = data()
    Y[is_test.nonzero()[0][:5], 3] = np.nan
    Y[:, 4] = np.nan
    subject = encoding.Session(Y, is_test, ALPHAS, solver=solver)
    joint = subject.fit_joint({"a": spaces["a"], "b": spaces["b"]}, split=True)
    for fit in (joint, joint.alone["a"]):
        for unit in (0, 3, 9):
            known = ~np.isnan(subject.y_test[:, unit])
            y, yhat = subject.y_test[known, unit, None], fit.yhat[known, unit, None]
            np.testing.assert_allclose(stats.r2(y, yhat, 0)[0], fit.r2[unit], atol=1e-9)
            assert known.sum() == is_test.sum() - (5 if unit == 3 else 0)
        assert np.isnan(fit.yhat[:, 4]).all()
    assert subject.fit_joint({"a": spaces["a"], "b": spaces["b"]}).r2[0] == pytest.approx(joint.r2[0], abs=1e-9)
    parts = variance.product_measure(subject.y_test[:, :3], {k: v[:, :3] for k, v in joint.split.items()})
    np.testing.assert_allclose(sum(parts.values()), stats.r2(subject.y_test, joint.yhat)[:3], atol=1e-8)
    assert min(part.min() for part in parts.values()) > 0.02


def test_all_subsets_partition_planted_variance():
    """Shares 0.2 to all three, 0.15 to a and b, 0.1 to each alone: found within 0.02 on average."""
    rng = np.random.default_rng(0)
    everyone, both, a, b, c = rng.standard_normal((5, 3000, 8))
    spaces = {
        "a": np.hstack([everyone, both, a]),
        "b": np.hstack([everyone, both, b]),
        "c": np.hstack([everyone, c]),
    }
    shares = dict(zip("dfabc", (0.2, 0.15, 0.1, 0.1, 0.1)))
    signal = {"d": everyone, "f": both, "a": a, "b": b, "c": c}
    Y = np.sqrt(1 - sum(shares.values())) * rng.standard_normal((3000, 60))
    for name, X in signal.items():
        part = X @ rng.standard_normal((8, 60))
        Y = Y + np.sqrt(shares[name]) * part / part.std(0)
    subject = encoding.Session(Y, np.arange(3000) >= 2000, ALPHAS)
    r2 = subject.subsets(spaces)
    found = {name: part.mean() for name, part in variance.partition_three(r2).items()}
    expected = {"unique_a": 0.1, "unique_b": 0.1, "unique_c": 0.1, "shared_ab": 0.15, "shared_abc": 0.2}
    assert found == pytest.approx(expected | {"shared_ac": 0, "shared_bc": 0}, abs=0.02)
    assert sum(found.values()) == pytest.approx(r2["abc"].mean())
    unique = subject.unique(spaces)
    assert {name: part.mean() for name, part in unique.items()} == pytest.approx(dict.fromkeys("abc", 0.1), abs=0.02)


def test_layers_are_chosen_without_the_test_images():
    spaces, Y, is_test = data()
    rng = np.random.default_rng(1)
    layers = [spaces["a"] + s * rng.standard_normal(spaces["a"].shape) for s in (3, 0.1, 1)]
    fits = [encoding.fit(X, Y, is_test, ALPHAS) for X in layers]
    one, layer = encoding.nested(fits, per_unit=False)
    assert layer == 1
    assert one is fits[1]
    each, layer = encoding.nested(fits)
    cv = np.stack([fit.cv for fit in fits])
    np.testing.assert_array_equal(layer, cv.argmax(0))
    np.testing.assert_array_equal(each.r2, [fits[k].r2[unit] for unit, k in enumerate(layer)])
    Y[is_test] = rng.standard_normal(Y[is_test].shape)
    shuffled = [encoding.fit(X, Y, is_test, ALPHAS) for X in layers]
    np.testing.assert_array_equal(encoding.nested(shuffled)[1], layer)


@pytest.mark.parametrize("p", [20, 300])
def test_the_estimator_equals_scikit_learns_grid_search(p):
    X, Y = np.random.default_rng(0).standard_normal((2, 120, p)) + 1
    Y = X @ Y[:p, :4].repeat(p // len(Y[:p]) + 1, 0)[:p] / p + np.random.default_rng(1).standard_normal((120, 4))
    labels = np.arange(120) % 4
    model = RidgeCV(ALPHAS, labels).fit(X, Y)
    for unit in range(4):
        search = GridSearchCV(Ridge(), {"alpha": ALPHAS}, cv=PredefinedSplit(labels)).fit(X, Y[:, unit])
        assert model.alpha_[unit] == search.best_params_["alpha"]
        np.testing.assert_allclose(model.cv_scores_[unit], search.best_score_, atol=1e-8)
        np.testing.assert_allclose(model.coef_[:, unit], search.best_estimator_.coef_, atol=1e-8)
        np.testing.assert_allclose(model.intercept_[unit], search.best_estimator_.intercept_, atol=1e-8)
    np.testing.assert_allclose(model.score(X, Y), stats.r2(Y, model.predict(X)))


def test_the_estimator_keeps_scikit_learns_rules():
    from sklearn.base import clone
    from sklearn.exceptions import NotFittedError

    X, y = np.random.default_rng(0).standard_normal((60, 5)), np.arange(60.0)
    model = clone(RidgeCV(ALPHAS, cv=3, shared_alpha=True, random_state=4))
    with pytest.raises(NotFittedError):
        model.predict(X)
    assert model.fit(X, y).predict(X).shape == (60,)
    assert isinstance(model.score(X, y), float)
    with pytest.raises(ValueError, match="features"):
        model.predict(X[:, :3])
    shared = model.fit(X, np.stack([y, X[:, 0], -y], 1))
    assert len(set(shared.alpha_)) == 1


def test_predictions_of_old_fits_are_let_go(monkeypatch):
    """A study makes thousands of fits: their predictions would fill the memory, their scores do not."""
    monkeypatch.setattr("brainalign.encoding.session.PREDICTIONS", 2)
    rng = np.random.default_rng(0)
    session = encoding.Session(rng.standard_normal((120, 3)), np.arange(120) < 30, [1.0, 10.0], 3)
    spaces = rng.standard_normal((4, 120, 2))
    fits = [session.fit(X, keep=True) for X in spaces]
    assert session.fit(spaces[3], keep=True) is fits[3]
    again = session.fit(spaces[0], keep=True)
    assert again is not fits[0]
    np.testing.assert_array_equal(again.yhat, fits[0].yhat)


def test_what_a_space_adds_to_the_others_comes_with_predictions():
    rng = np.random.default_rng(0)
    spaces = dict(zip("abc", rng.standard_normal((3, 300, 4))))
    Y = (spaces["a"] + spaces["b"]) @ rng.standard_normal((4, 5)) + rng.standard_normal((300, 5))
    session = encoding.Session(Y, np.arange(300) < 100, np.logspace(-1, 3, 5), 3)
    unique = session.unique(spaces)
    for name, everything, others in session.beyond(spaces, keep=True):
        np.testing.assert_allclose(stats.r2(session.y_test, everything.yhat, 0), everything.r2, atol=1e-6)
        np.testing.assert_allclose(stats.r2(session.y_test, others.yhat, 0), others.r2, atol=1e-6)
        np.testing.assert_allclose(everything.r2 - others.r2, unique[name], atol=1e-6)
    assert unique["a"].mean() > 0.2
    assert abs(unique["c"].mean()) < 0.02


@pytest.mark.parametrize("solver", ["ridge", "himalaya"])
@pytest.mark.parametrize("n_dims", [4, 400])
def test_weights_predict_what_the_fit_predicts(solver, n_dims):
    """On features as they are, with an offset, a constant column, a unit without some images and a constant one."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((240, n_dims)) * 5 + 3
    X[:, 1] = 7.0
    Y = X[:, :4] @ rng.standard_normal((4, 6)) + rng.standard_normal((240, 6))
    Y[10:30, 2], Y[:, 4] = np.nan, 1.0
    session = encoding.Session(Y, np.arange(240) % 4 == 0, np.logspace(0, 3, 4), 3, solver)
    fit, (W, bias) = session.fit(X, keep=True), session.weights(X)
    assert np.isnan(W[:, 4]).all()
    seen = ~np.isnan(fit.yhat)
    np.testing.assert_allclose((X[session.is_test] @ W + bias)[seen], fit.yhat[seen], atol=1e-4)
    assert seen[:, [0, 1, 3, 5]].all()


@pytest.mark.parametrize("solver", encoding.SOLVERS)
def test_a_large_mean_costs_only_what_float32_loses_of_the_input(solver):
    """float32 holds numbers near 1e4 to 1e-3: those numbers, held as float64 without their mean, have the same fit."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 30))
    Y = 0.2 * X @ rng.normal(size=(30, 20)) + rng.normal(size=(400, 20))
    far_x, far_y = ((values + 1e4).astype("f4") for values in (X, Y))
    is_test = np.arange(400) >= 300

    def r2(X, Y):
        return encoding.Session(Y, is_test, np.logspace(-1, 4, 6), solver=solver).fit(X).r2

    np.testing.assert_allclose(r2(far_x, far_y), r2(far_x.astype("f8") - 1e4, far_y.astype("f8") - 1e4), atol=1e-6)
