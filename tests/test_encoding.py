"""Ridge against scikit-learn, himalaya's own multiple-kernel ridge, and closed forms in float64."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from brainalign import encoding, stats

ALPHAS = np.logspace(-1, 4, 8)


def data(n=180, p=30, n_units=12, n_test=60, seed=0, dtype=np.float64):
    """Features of mixed scale and correlation, responses from none to much signal, test images shifted."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p)) @ rng.standard_normal((p, p)) * rng.uniform(0.1, 10, p) + rng.normal(0, 5, p)
    signal = stats.standardise(X @ rng.standard_normal((p, n_units)), np.ones(n, bool))
    Y = signal * np.linspace(0, 2, n_units) + rng.standard_normal((n, n_units)) + rng.normal(0, 1, n_units)
    is_test = np.zeros(n, bool)
    is_test[rng.permutation(n)[:n_test]] = True
    X[is_test] += 0.3
    return X.astype(dtype), Y.astype(dtype), is_test


def sklearn_fit(X, Y, is_test, folds):
    """alpha, cv and test predictions by scikit-learn: every alpha refitted in every fold, scaled once."""
    Xz = StandardScaler().fit(X[~is_test]).transform(X)
    Yz = StandardScaler().fit(Y[~is_test]).transform(Y)
    train, labels = Xz[~is_test], folds[~is_test]
    cv = np.zeros((len(ALPHAS), Y.shape[1]))
    for i, alpha in enumerate(ALPHAS):
        for k in np.unique(labels):
            out = labels == k
            ridge = Ridge(alpha).fit(train[~out], Yz[~is_test][~out])
            cv[i] += r2_score(Yz[~is_test][out], ridge.predict(train[out]), multioutput="raw_values")
    cv /= len(np.unique(labels))
    alpha = ALPHAS[cv.argmax(0)]
    ridge = make_pipeline(StandardScaler(), Ridge(alpha))
    return alpha, cv.max(0), ridge.fit(X[~is_test], Y[~is_test]).predict(X[is_test])


@pytest.mark.parametrize("solver", encoding.SOLVERS)
@pytest.mark.parametrize("p", [20, 100, 300])
def test_fit_equals_scikit_learn(p, solver):
    X, Y, is_test = data(p=p)
    folds = np.arange(len(X)) % 4
    alpha, cv, yhat = sklearn_fit(X, Y, is_test, folds)
    fit = encoding.fit(X, Y, is_test, ALPHAS, folds, solver)
    np.testing.assert_array_equal(fit.alpha, alpha)
    np.testing.assert_allclose(fit.cv, cv, atol=1e-7)
    knows_the_mean = ((Y[is_test] - Y[~is_test].mean(0)) ** 2).sum(0)
    np.testing.assert_allclose(fit.r2, 1 - ((Y[is_test] - yhat) ** 2).sum(0) / knows_the_mean, atol=1e-8)
    np.testing.assert_allclose(fit.r, stats.correlate(Y[is_test], yhat), atol=1e-8)
    assert len(np.unique(alpha)) > 2


@pytest.mark.parametrize("p", [30, 300])
def test_float32_gives_the_scores_of_float64(p):
    X, Y, is_test = data(p=p, n_units=40)
    exact = encoding.fit(X, Y, is_test, ALPHAS)
    single = encoding.fit(X.astype(np.float32), Y.astype(np.float32), is_test, ALPHAS)
    same = exact.alpha == single.alpha
    assert same.mean() > 0.9
    np.testing.assert_allclose(single.r[same], exact.r[same], atol=1e-4)
    np.testing.assert_allclose(single.cv, exact.cv, atol=1e-4)


@pytest.mark.parametrize("solver", encoding.SOLVERS)
@pytest.mark.parametrize("p", [25, 100])
def test_joint_fit_equals_an_explicit_banded_refit(p, solver):
    """(X'X + alpha G^-1) w = X'Y over both bands, with each unit's own alpha and gamma."""
    A, Y, is_test = data(p=p, n_units=20)
    B = data(p=p, seed=1)[0]
    joint = encoding.fit_joint({"a": A, "b": B}, Y, is_test, ALPHAS, solver=solver)
    X = np.hstack([stats.standardise(A, ~is_test), stats.standardise(B, ~is_test)])
    Z = stats.standardise(Y, ~is_test)
    yhat = np.zeros((is_test.sum(), Y.shape[1]))
    for unit, (alpha, gamma) in enumerate(zip(joint.alpha, joint.gamma)):
        scaled = X * np.repeat(np.sqrt(gamma), p)
        train = scaled[~is_test]
        w = np.linalg.solve(train.T @ train + alpha * np.eye(2 * p), train.T @ Z[~is_test, unit])
        yhat[:, unit] = scaled[is_test] @ w
    np.testing.assert_allclose(joint.r2, stats.r2(Z[is_test], yhat, 0), atol=1e-8)
    assert len(np.unique(joint.gamma, axis=0)) > 2


def test_joint_choice_equals_himalayas_multiple_kernel_ridge():
    from himalaya.kernel_ridge import solve_multiple_kernel_ridge_random_search
    from himalaya.scoring import r2_score

    A, Y, is_test = data(n_units=20)
    B = data(seed=1)[0]
    folds, gammas = np.arange(len(A)) % 5, encoding.gamma_grid()
    joint = encoding.fit_joint({"a": A, "b": B}, Y, is_test, ALPHAS, gammas, folds)
    train = [stats.standardise(X, ~is_test)[~is_test] for X in (A, B)]
    labels = folds[~is_test]
    with np.errstate(divide="ignore"):  # log of a gamma of 0
        deltas, _, cv, alphas, _ = solve_multiple_kernel_ridge_random_search(
            np.stack([X @ X.T for X in train]),
            stats.standardise(Y, ~is_test)[~is_test],
            n_iter=gammas,
            alphas=ALPHAS,
            score_func=r2_score,
            cv=[(np.flatnonzero(labels != k), np.flatnonzero(labels == k)) for k in range(5)],
            fit_intercept=True,
            return_weights="dual",
            return_alphas=True,
            progress_bar=False,
        )
    np.testing.assert_allclose(joint.cv, cv.max(0), atol=1e-7)
    np.testing.assert_allclose(joint.alpha, alphas)
    np.testing.assert_allclose(joint.gamma, (np.exp(deltas) * alphas).T, atol=1e-12)


def test_joint_model_contains_each_space_alone():
    A, Y, is_test = data(p=40)
    B = data(p=200, seed=1)[0]
    joint = encoding.fit_joint({"a": A, "b": B}, Y, is_test, ALPHAS, gammas=[0.5])
    for name, X in (("a", A), ("b", B)):
        alone = encoding.fit(X, Y, is_test, ALPHAS)
        for field in ("r", "r2", "alpha", "cv"):
            np.testing.assert_array_equal(getattr(joint.alone[name], field), getattr(alone, field))
        assert (joint.cv >= alone.cv).all()


def test_three_spaces_find_the_one_with_the_signal():
    X, Y, is_test = data(p=10, n_units=6)
    spaces = {"noise": data(seed=1)[0], "signal": X, "more noise": data(seed=2)[0]}
    joint = encoding.fit_joint(spaces, Y, is_test, ALPHAS)
    assert encoding.gamma_grid(3).shape == (3 + 3 * 7 + 1, 3)
    assert (joint.gamma[-3:].argmax(1) == 1).all()
    assert (joint.cv >= np.max([alone.cv for alone in joint.alone.values()], axis=0)).all()


@pytest.mark.parametrize("n_spaces", [2, 3])
def test_gamma_grid_holds_the_corners_once_and_sums_to_one(n_spaces):
    grid = encoding.gamma_grid(n_spaces)
    np.testing.assert_array_equal(grid[:n_spaces], np.eye(n_spaces))
    np.testing.assert_allclose(grid.sum(1), 1)
    assert len(np.unique(grid.round(9), axis=0)) == len(grid)
    assert (grid[n_spaces:].max(1) < 1).all()


def test_test_images_change_nothing_that_is_learned():
    X, Y, is_test = data()
    before = encoding.fit(X, Y, is_test, ALPHAS)
    X2, Y2 = X.copy(), Y.copy()
    X2[is_test] = X2[is_test] * 100 + 7
    Y2[is_test] = -3 * Y2[is_test]
    after = encoding.fit(X2, Y2, is_test, ALPHAS)
    np.testing.assert_array_equal(after.alpha, before.alpha)
    np.testing.assert_array_equal(after.cv, before.cv)
    np.testing.assert_allclose(after.r, -before.r, atol=1e-9)  # predictions only moved and scaled


def test_scale_and_offset_of_features_and_responses_do_not_matter():
    X, Y, is_test = data()
    before = encoding.fit(X, Y, is_test, ALPHAS)
    after = encoding.fit(X * np.geomspace(1e-3, 1e3, X.shape[1]) - 5, Y * 300 + 10, is_test, ALPHAS)
    for field in ("r", "r2", "alpha", "cv"):
        np.testing.assert_allclose(getattr(after, field), getattr(before, field), atol=1e-9)


def test_units_are_fitted_independently():
    X, Y, is_test = data(n_units=30)
    order = np.random.default_rng(0).permutation(30)[:20]
    whole, part = encoding.fit(X, Y, is_test, ALPHAS), encoding.fit(X, Y[:, order], is_test, ALPHAS)
    for field in ("r", "r2", "alpha", "cv"):
        np.testing.assert_allclose(getattr(part, field), getattr(whole, field)[order], atol=1e-12)


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(30, 60),
    st.lists(st.integers(1, 70), min_size=1, max_size=3),
    st.integers(1, 5),
    st.integers(2, 6),
)
def test_any_shape_has_its_scores_and_the_order_of_columns_does_not_matter(seed, n, widths, n_units, folds):
    rng = np.random.default_rng(seed)
    spaces = {str(i): rng.standard_normal((n, p)) for i, p in enumerate(widths)}
    Y, is_test = rng.standard_normal((n, n_units)) + spaces["0"][:, :1], np.arange(n) % 3 == 0
    session = encoding.Session(Y, is_test, ALPHAS, folds, seed=seed)
    fit = (
        session.fit(spaces["0"])
        if len(spaces) == 1
        else session.fit_joint(spaces, encoding.gamma_grid(len(spaces), 1))
    )
    order, units = rng.permutation(widths[0]), rng.permutation(n_units)
    again = encoding.Session(Y[:, units], is_test, ALPHAS, folds, seed=seed)
    spaces = {"0": spaces["0"][:, order]} | {name: X for name, X in spaces.items() if name != "0"}
    other = (
        again.fit(spaces["0"]) if len(spaces) == 1 else again.fit_joint(spaces, encoding.gamma_grid(len(spaces), 1))
    )
    for field in ("r", "r2", "alpha", "cv"):
        assert getattr(fit, field).shape == (n_units,)
        np.testing.assert_allclose(getattr(other, field), getattr(fit, field)[units], atol=1e-6)
    assert set(fit.alpha) <= set(ALPHAS)
    assert (np.abs(fit.r) <= 1 + 1e-12).all()
    assert (fit.r2 <= 1).all()


def test_a_unit_without_some_images_is_fitted_on_the_others():
    X, Y, is_test = data()
    folds = np.arange(len(X)) % 5
    gone = np.arange(len(X)) % 7 == 0
    Y[gone, 3:5] = np.nan
    fit = encoding.fit(X, Y, is_test, ALPHAS, folds)
    without = encoding.fit(X[~gone], Y[~gone], is_test[~gone], ALPHAS, folds[~gone])
    np.testing.assert_allclose(fit.r2[3:5], without.r2[3:5], atol=1e-12)
    np.testing.assert_array_equal(fit.alpha[3:5], without.alpha[3:5])
    others = np.delete(np.arange(Y.shape[1]), [3, 4])
    np.testing.assert_allclose(fit.r2[others], encoding.fit(X, Y[:, others], is_test, ALPHAS, folds).r2, atol=1e-12)
    assert "2 of 12 units lack some images" in fit.warnings[0]


def test_missing_and_constant_units_stay_nan():
    X, Y, is_test = data()
    Y[:, 0], Y[is_test, 1], Y[:, 2] = np.nan, np.nan, 0.1
    joint = encoding.fit_joint({"a": X, "b": X**2}, Y, is_test, ALPHAS)
    for fit in (joint, joint.alone["a"]):
        for field in ("r", "r2", "alpha", "cv"):
            np.testing.assert_array_equal(np.isnan(getattr(fit, field)), np.arange(12) < 3)
    np.testing.assert_array_equal(np.isnan(joint.gamma).all(1), np.arange(12) < 3)
    assert "2 of 12 units have under half" in joint.warnings[0]


def test_constant_columns_take_no_part_and_are_told():
    X, Y, is_test = data(dtype=np.float32)
    constant = np.full((len(X), 2), 0.1, np.float32)
    constant[is_test, 1] = 5  # varies, but not over the training images
    fit, plain = encoding.fit(np.hstack([X, constant]), Y, is_test, ALPHAS), encoding.fit(X, Y, is_test, ALPHAS)
    np.testing.assert_allclose(fit.r2, plain.r2, atol=1e-5)
    assert fit.warnings == ("2 of 32 feature columns are constant and take no part",)


def test_features_that_never_vary_predict_the_training_mean():
    _, Y, is_test = data()
    fit = encoding.fit(np.ones((len(Y), 3)), Y, is_test, ALPHAS)
    np.testing.assert_allclose(fit.r2, 0, atol=1e-12)
    assert np.isnan(fit.r).all()


def test_the_seed_fixes_the_folds():
    X, Y, is_test = data(n_units=40)
    first, again, other = (encoding.fit(X, Y, is_test, ALPHAS, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.cv, again.cv)
    assert not np.allclose(first.cv, other.cv)


def test_alphas_at_the_edge_are_told_for_units_that_are_predicted():
    X, Y, is_test = data()
    small, large = (encoding.fit(X, Y, is_test, grid) for grid in ([1e-4, 1e-3], [300, 1e6]))
    assert small.warnings[0].endswith("chose the largest alpha, 0.001: add larger ones")
    assert large.warnings[-1].endswith("chose the smallest alpha, 300: add smaller ones")
    noise = np.random.default_rng(0).standard_normal(Y.shape)
    assert encoding.fit(X, noise, is_test, np.logspace(0, 8, 9)).warnings == ()


def test_few_images_are_told():
    X, Y, is_test = data(n=40, p=5, n_test=10)
    warnings = encoding.fit(X, Y, is_test, ALPHAS).warnings
    assert warnings[:2] == (
        "only 30 training images: the scores are unreliable",
        "only 10 test images: the scores are unreliable",
    )


def test_best_layer_is_chosen_by_cross_validation():
    cv = np.array([[0.1, 0.2, np.nan, 0.3], [0.3, 0.1, 0.9, 0.3], [0.2, 0.2, 0.1, 0.5]])
    assert encoding.best_layer(cv) == 2
    np.testing.assert_array_equal(encoding.best_layer(cv, per_unit=True), [1, 0, -1, 2])
    with pytest.raises(ValueError, match="no unit"):
        encoding.best_layer(np.full((2, 3), np.nan))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.ones((179, 3))}, r"shape \(179, 3\), expected \(180 images"),
        ({"X": np.full((180, 3), np.inf)}, "180 images with NaN or infinite"),
        ({"is_test": np.zeros(180, bool)}, "needs both kinds"),
        ({"is_test": np.zeros(7, bool)}, r"\(180,\), got bool \(7,\)"),
        ({"alphas": [0, 1]}, "alphas must be positive"),
        ({"folds": 1}, "two or more folds"),
        ({"folds": np.zeros(5)}, r"folds has shape \(5,\)"),
        ({"solver": "himalya"}, "no solver 'himalya'; try himalaya"),
    ],
)
def test_bad_input_is_told(change, message):
    X, Y, is_test = data()
    arguments = {"X": X, "Y": Y, "is_test": is_test, "alphas": ALPHAS} | change
    with pytest.raises(ValueError, match=message):
        encoding.fit(**arguments)


@pytest.mark.parametrize("gammas", [[[0.5, 0.4]], [[1.5, -0.5]], [[1, 0, 0]], 0.5])
def test_bad_gammas_are_told(gammas):
    X, Y, is_test = data()
    with pytest.raises(ValueError, match="gammas"):
        encoding.fit_joint({"a": X, "b": X}, Y, is_test, ALPHAS, gammas)


def test_what_solves_is_imported_only_then():
    code = "import sys, brainalign.encoding; sys.exit(bool({'himalaya', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
