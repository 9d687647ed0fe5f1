"""The engine against explicit refits of every fold by scikit-learn, against himalaya, and itself in float64."""

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from brainalign.encoding import bands, device, ridge

ALPHAS = np.logspace(-2, 4, 7)
ROUTES = [ridge.LeaveOut, ridge.DownDate]


def data(n=90, p=20, n_units=8, rank=None, seed=0, dtype=np.float64):
    """Centred features with a steep spectrum, responses from none to much signal, unequal folds, test features."""
    rng = np.random.default_rng(seed)
    rank = rank or p
    both = rng.standard_normal((n + 30, rank)) @ (rng.standard_normal((rank, p)) / np.arange(1, rank + 1)[:, None])
    X, X_test = 5 * both[:n], 5 * both[n:]
    Y = X @ rng.standard_normal((p, n_units)) * np.linspace(0, 0.3, n_units) + rng.standard_normal((n, n_units))
    folds = rng.choice(4, n, p=[0.1, 0.2, 0.3, 0.4])
    X_test, X = X_test - X.mean(0), X - X.mean(0)
    return X.astype(dtype), X_test.astype(dtype), (Y - Y.mean(0)).astype(dtype), folds


def table(X, X_test, Y, folds, route, alphas=ALPHAS):
    """Cross-validated R2 of every alpha and unit."""
    targets = ridge.Targets(Y, folds, "cpu")
    return ridge.cross_validate(
        bands.Bands([(X, X_test)], targets.device).basis([1.0]), targets, alphas, route
    ).numpy()


def refitted(X, Y, folds, alphas=ALPHAS):
    """The same by fitting each fold's other images anew, with their own intercept."""
    cv = np.zeros((len(alphas), Y.shape[1]))
    for i, alpha in enumerate(alphas):
        for k in np.unique(folds):
            out = folds == k
            yhat = Ridge(alpha, solver="svd").fit(X[~out], Y[~out]).predict(X[out])
            cv[i] += r2_score(Y[out], yhat, multioutput="raw_values")
    return cv / len(np.unique(folds))


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(("p", "rank"), [(20, None), (20, 7), (85, None), (300, None), (300, 12)])
def test_leaving_out_a_fold_equals_refitting_without_it(route, p, rank):
    X, X_test, Y, folds = data(p=p, rank=rank)
    np.testing.assert_allclose(table(X, X_test, Y, folds, route), refitted(X, Y, folds), atol=1e-8)


@pytest.mark.parametrize("p", [30, 200])
def test_solution_equals_himalaya(p):
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import KernelRidgeCV
    from himalaya.ridge import RidgeCV
    from himalaya.scoring import r2_score

    set_backend("numpy")
    X, X_test, Y, folds = data(p=p, n_units=30)
    cv = [(np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in range(4)]
    found = next(ridge.solve([(X, X_test)], Y, [[1.0]], ALPHAS, folds, "cpu"))
    peer = RidgeCV(ALPHAS, fit_intercept=True, cv=cv, solver_params={"score_func": r2_score, "warn": False}).fit(X, Y)
    np.testing.assert_allclose(found.alpha, peer.best_alphas_, rtol=1e-12)
    np.testing.assert_allclose(found.cv, peer.cv_scores_, atol=1e-8)
    np.testing.assert_allclose(found.yhat.numpy(), peer.predict(X_test), atol=1e-8)
    kernel = KernelRidgeCV(
        ALPHAS, kernel="linear", fit_intercept=True, cv=cv, solver_params={"score_func": r2_score}, warn=False
    )
    np.testing.assert_allclose(found.yhat.numpy(), kernel.fit(X, Y).predict(X_test), atol=1e-8)
    assert len(np.unique(found.alpha)) > 2


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("p", [60, 400])
def test_float32_chooses_and_predicts_as_float64(route, p):
    exact, single = data(n=300, p=p, n_units=200), data(n=300, p=p, n_units=200, dtype=np.float32)
    alphas = np.logspace(-1, 5, 20)
    cv, cv32 = table(*exact, route, alphas), table(*single, route, alphas)
    np.testing.assert_allclose(cv32, cv, atol=2e-4)
    chosen = np.take_along_axis(cv, cv32.argmax(0)[None], 0)[0]
    assert (chosen > cv.max(0) - 1e-4).mean() >= 0.995
    solutions = [next(ridge.solve([d[:2]], d[2], [[1.0]], alphas, d[3], "cpu")) for d in (exact, single)]
    same = solutions[0].alpha == solutions[1].alpha
    np.testing.assert_allclose(solutions[1].yhat.numpy()[:, same], solutions[0].yhat.numpy()[:, same], atol=1e-3)


def test_a_nearly_singular_correction_gives_way_to_the_other_route():
    """With more dimensions than images and almost no penalty float32 would lose I - H; the answer must stay."""
    X, X_test, Y, folds = data(p=300, dtype=np.float32)
    tiny, dtype = [3e-3, 1e-2], torch.float32
    basis = bands.Bands([(X, X_test)], device.choose("cpu")).basis([1.0])
    with pytest.raises(ridge.NearlySingular):
        ridge.LeaveOut(basis, torch.as_tensor(np.flatnonzero(folds == 3)), dtype).predictor(3e-3)
    exact = refitted(X.astype(np.float64), Y.astype(np.float64), folds, tiny)
    np.testing.assert_allclose(table(X, X_test, Y, folds, ridge.LeaveOut, tiny), exact, atol=2e-3)


def test_a_singular_correction_gives_way_to_the_other_route(monkeypatch):
    X, X_test, Y, folds = data()
    monkeypatch.setattr(device, "solve_positive", lambda M, B, times_B: (None, 0.0))
    np.testing.assert_allclose(table(X, X_test, Y, folds, ridge.LeaveOut), refitted(X, Y, folds), atol=1e-8)


def test_a_shared_alpha_has_the_best_mean():
    X, X_test, Y, folds = data()
    found = next(ridge.solve([(X, X_test)], Y, [[1.0]], ALPHAS, folds, "cpu", shared=True))
    cv = refitted(X, Y, folds)
    assert set(found.alpha) == {ALPHAS[cv.mean(1).argmax()]}
    np.testing.assert_allclose(found.cv, cv[cv.mean(1).argmax()], atol=1e-8)
    np.testing.assert_allclose(found.yhat.numpy(), Ridge(found.alpha).fit(X, Y).predict(X_test), atol=1e-8)


def test_batches_within_the_memory_budget_give_the_same_answer(monkeypatch):
    X, X_test, Y, folds = data(n_units=50)
    whole = next(ridge.solve([(X, X_test)], Y, [[1.0]], ALPHAS, folds, "cpu"))
    monkeypatch.setattr(device, "CPU_BYTES", 7 * 8 * (2 * 90 + 3 * 20))
    parts = next(ridge.solve([(X, X_test)], Y, [[1.0]], ALPHAS, folds, "cpu"))
    for name in ("yhat", "alpha", "cv"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), atol=1e-11)


def test_running_out_of_memory_halves_the_batch_and_goes_on():
    _, _, Y, folds = data(n_units=50)
    done, tried = [], []

    def work(units):
        tried.append(units)
        columns = range(50)[units]
        if len(columns) > 15:
            raise torch.OutOfMemoryError
        done.extend(columns)

    ridge.Targets(Y, folds, "cpu").each(20, work)
    assert done == list(range(50))
    assert [len(range(50)[units]) for units in tried[:3]] == [50, 25, 12]
    with pytest.raises(torch.OutOfMemoryError):
        ridge.Targets(Y[:, :1], folds, "cpu").each(20, lambda units: (_ for _ in ()).throw(torch.OutOfMemoryError()))


def test_an_eigensolver_that_fails_gives_way_to_a_slower_one(monkeypatch):
    X, X_test, Y, folds = data()
    expected, lapack, tried = table(X, X_test, Y, folds, None), scipy.linalg.eigh, []

    def fails(*args, driver, **more):
        tried.append(driver)
        if driver in broken:
            raise scipy.linalg.LinAlgError("did not converge")
        return lapack(*args, driver=driver, **more)

    monkeypatch.setattr(scipy.linalg, "eigh", fails)
    broken = {"evd"}
    np.testing.assert_allclose(table(X, X_test, Y, folds, None), expected, atol=1e-9)
    assert tried[:2] == ["evd", "ev"]


def test_the_route_follows_the_shape(monkeypatch):
    """Few dimensions and many alphas: one decomposition a fold; many dimensions in small folds: the correction."""
    X, X_test, Y, folds = data()
    targets, space = ridge.Targets(Y, folds, "cpu"), bands.Bands([(X, X_test)], device.choose("cpu"))
    assert ridge._route(space.basis([1.0]), targets, 20) is ridge.DownDate
    X, X_test, Y, _ = data(p=300, n=400)
    targets = ridge.Targets(Y, np.arange(400) % 40, "cpu")
    space = bands.Bands([(X, X_test)], device.choose("cpu"))
    assert ridge._route(space.basis([1.0]), targets, 5) is ridge.LeaveOut


def test_a_unit_constant_within_a_fold_scores_0_there():
    X, X_test, Y, folds = data()
    Y[folds == 2, 3] = 1
    Y[:, 3] -= Y[:, 3].mean()
    rest = [k for k in range(4) if k != 2]
    scores = np.zeros(len(ALPHAS))
    for i, alpha in enumerate(ALPHAS):
        for k in rest:
            out = folds == k
            scores[i] += r2_score(Y[out, 3], Ridge(alpha).fit(X[~out], Y[~out, 3]).predict(X[out])) / 4
    np.testing.assert_allclose(table(X, X_test, Y, folds, ridge.DownDate)[:, 3], scores, atol=1e-8)


@pytest.mark.parametrize("shape", [(40, 30, 50), (3, 1, 7), (5, 129, 1)])
def test_the_fast_product_is_the_product(shape):
    n, k, m = shape
    rng = np.random.default_rng(0)
    A, B = rng.standard_normal((n, k)).astype(np.float32), rng.standard_normal((k, m)).astype(np.float32)
    found = device.times(torch.from_numpy(B))(torch.from_numpy(A)).numpy()
    np.testing.assert_allclose(found, A.astype(np.float64) @ B, atol=1e-5 * k)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(ROUTES), st.integers(3, 60), st.floats(0.01, 100))
def test_order_rotation_and_scale_do_not_matter(seed, route, p, scale):
    """Images in another order, features rotated, features and sqrt(alpha) scaled, responses scaled: one answer."""
    X, X_test, Y, folds = data(n=40, p=p, n_units=3, seed=seed)
    rng = np.random.default_rng(seed)
    order, Q = rng.permutation(40), np.linalg.qr(rng.standard_normal((p, p)))[0]
    before = table(X, X_test, Y, folds, route)
    after = table(scale * X[order] @ Q, X_test @ Q, 7 * Y[order], folds[order], route, ALPHAS * scale**2)
    np.testing.assert_allclose(after, before, atol=1e-6)
