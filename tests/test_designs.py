"""Every way to the same ridge gives the same answer; trouble on one way leads to another, and is told."""

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.linalg
import torch
from sklearn.linear_model import Ridge
from test_ridge import ALPHAS, data, refitted

from brainalign import encoding
from brainalign.encoding import bands, designs, device, estimator, folds, ridge

GAMMAS = encoding.gamma_grid(2, 3)


def spaces(p=20, dtype=np.float64):
    """Two correlated spaces, centred, with the test images; responses; folds."""
    X, X_test, Y, labels = data(p=p, n=150, dtype=dtype)
    rng = np.random.default_rng(1)
    B, B_test = (0.5 * part + rng.standard_normal(part.shape) for part in (X, X_test))
    mean = B.mean(0)
    return [(X, X_test), ((B - mean).astype(dtype), (B_test - mean).astype(dtype))], Y, labels


def solved(given, gammas=GAMMAS, **more):
    pairs, Y, labels = given
    return list(ridge.solve(pairs, Y, gammas, ALPHAS, labels, "cpu", **more))


def beside(pairs, gamma):
    return [np.hstack([np.sqrt(g) * space[i] for g, space in zip(gamma, pairs)]) for i in (0, 1)]


def assert_same(found, expected, tolerance=1e-8):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.alpha, other.alpha)
        np.testing.assert_allclose(one.cv, other.cv, atol=tolerance)
        np.testing.assert_allclose(one.yhat, other.yhat, atol=10 * tolerance)


def fail(*args, **more):
    raise scipy.linalg.LinAlgError("did not converge")


@pytest.mark.parametrize("p", [20, 60])
def test_a_pair_by_blocks_equals_refits_of_both_together(p, monkeypatch):
    given = spaces(p)
    decomposed = solved(given)
    monkeypatch.setattr(ridge, "_pair_pays", lambda widths, *args: widths is not None)
    made = []
    monkeypatch.setattr(ridge.Bands, "pair", lambda *args, pair=bands.Bands.pair: made.append(args) or pair(*args))
    found = solved(given)
    assert len(made) == 3  # the corners have one space only
    assert_same(found, decomposed)
    for gamma, solution in zip(GAMMAS, found):
        X, X_test = beside(given[0], gamma)
        cv = refitted(X, given[1], given[2])
        np.testing.assert_allclose(solution.cv, cv.max(0), atol=1e-8)
        expected = Ridge(solution.alpha).fit(X, given[1]).predict(X_test)
        np.testing.assert_allclose(solution.yhat, expected, atol=1e-8)


def test_a_pair_in_float32_scores_as_in_float64(monkeypatch):
    exact = solved(spaces())
    monkeypatch.setattr(ridge, "_pair_pays", lambda widths, *args: widths is not None)
    for one, other in zip(solved(spaces(dtype=np.float32)), exact):
        np.testing.assert_allclose(one.cv, other.cv, atol=2e-4)


def test_blocks_are_for_two_spaces_on_a_gpu():
    """Counted for 9,000 images, two spaces of 4,096: 20 alphas by blocks cost less than a decomposition of both."""
    large = SimpleNamespace(device=torch.device("cuda"), Y=np.empty((9000, 1)))
    assert ridge._pair_pays((4096, 4096), large, 20)
    assert not ridge._pair_pays((4096, 4096), large, 200)
    assert not ridge._pair_pays(None, large, 20)
    assert not ridge._pair_pays((40, 40), SimpleNamespace(device=torch.device("cpu"), Y=np.empty((90, 1))), 20)
    narrow, wide = (bands.Bands([space, space, space], device.choose("cpu")) for space in (data()[:2], data(p=50)[:2]))
    assert narrow.pairs_off([0.5, 0, 0.5]) == (20, 20)
    assert narrow.pairs_off([0.2, 0.3, 0.5]) is None
    assert narrow.pairs_off([1, 0, 0]) is None
    assert wide.pairs_off([0.5, 0, 0.5]) is None  # 100 dimensions, 90 images


def test_two_equal_spaces_make_a_pair_as_one(monkeypatch):
    (space, _), Y, labels = spaces()
    alone = solved(([space], Y, labels), [[1.0]])
    monkeypatch.setattr(ridge, "_pair_pays", lambda widths, *args: widths is not None)
    assert_same(solved(([space, space], Y, labels), [[0.3, 0.7]]), alone, 1e-7)


@pytest.mark.parametrize("p", [20, 200])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_without_any_eigenvalues_cholesky_solves_and_it_is_told(p, dtype, monkeypatch):
    given = spaces(p, dtype)
    expected = solved(given)
    monkeypatch.setattr(scipy.linalg, "eigh", fail)
    found = solved(given)
    assert all(solution.warnings == (ridge.BY_CHOLESKY,) for solution in found)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.cv, other.cv, atol=1e-8 if dtype == np.float64 else 1e-3)
        assert one.yhat.dtype == other.yhat.dtype
        if dtype == np.float64:
            np.testing.assert_allclose(one.yhat, other.yhat, atol=1e-7)


def test_a_session_tells_what_the_engine_had_to_mend(monkeypatch):
    rng = np.random.default_rng(0)
    X, Y, is_test = rng.standard_normal((200, 10)), rng.standard_normal((200, 4)), np.arange(200) % 4 == 0
    plain = encoding.fit(X, Y, is_test, ALPHAS)
    monkeypatch.setattr(scipy.linalg, "eigh", fail)
    mended = encoding.fit(X, Y, is_test, ALPHAS)
    assert ridge.BY_CHOLESKY in mended.warnings
    assert ridge.BY_CHOLESKY not in plain.warnings
    np.testing.assert_allclose(mended.r2, plain.r2, atol=1e-9)


def test_the_estimator_warns_of_what_was_mended(monkeypatch):
    X, _, Y, labels = data()
    plain = estimator.RidgeCV(ALPHAS, labels, device="cpu").fit(X, Y)
    monkeypatch.setattr(scipy.linalg, "eigh", fail)
    with pytest.warns(UserWarning, match="did not converge"):
        mended = estimator.RidgeCV(ALPHAS, labels, device="cpu").fit(X, Y)
    np.testing.assert_allclose(mended.coef_, plain.coef_, atol=1e-8)


def test_eigenvalues_that_fail_in_a_fold_leave_the_other_route(monkeypatch):
    """The whole decomposes, the folds do not: their correction needs no eigenvalues."""
    given = spaces()
    expected, lapack, calls = solved(given), scipy.linalg.eigh, []

    def once(*args, **more):
        calls.append(args)
        return lapack(*args, **more) if len(calls) == 1 else fail()

    monkeypatch.setattr(scipy.linalg, "eigh", once)
    assert_same(solved(given, [GAMMAS[2]]), [expected[2]])
    assert len(calls) > 1


def test_what_nothing_can_solve_is_told(monkeypatch):
    monkeypatch.setattr(scipy.linalg, "eigh", fail)
    monkeypatch.setattr(designs, "_cholesky", lambda matrix: (_ for _ in ()).throw(designs.NearlySingular()))
    with pytest.raises(ValueError, match="neither by eigenvalues nor by Cholesky"):
        solved(spaces())


def rounded(bits):
    """A product whose factors keep so many bits of mantissa, rounded to nearest, as a GPU's TF32 does with 10."""

    def cut(values):
        spare = 23 - bits
        return ((values.contiguous().view(torch.int32) + (1 << (spare - 1))) & -(1 << spare)).view(torch.float32)

    return lambda A, B: cut(A) @ cut(B)


def many_units():
    """One space, 700 units from none to much signal, float32."""
    X, X_test, Y, labels = data(n=400, p=80, n_units=700, dtype=np.float32)
    return [(X, X_test)], Y, labels


def test_tf32_chooses_as_well_as_float32(monkeypatch):
    given = many_units()
    exact = solved(given, [[1.0]])[0]
    tables, table = [], ridge._table
    monkeypatch.setattr(ridge, "_table", lambda *args: tables.append(args[-1]) or table(*args))
    monkeypatch.setattr(device, "rounds", lambda device: True)
    monkeypatch.setattr(device, "tf32_product", rounded(10))
    found = solved(given, [[1.0]])[0]
    assert tables == [True]  # proved on a sample, not made again
    assert not np.array_equal(found.cv, exact.cv)
    np.testing.assert_allclose(found.cv, exact.cv, atol=1e-4)
    X, Y, labels = given[0][0][0], given[1], given[2]
    cv = refitted(X.astype(np.float64), Y.astype(np.float64), labels)
    chosen = cv[np.searchsorted(ALPHAS, found.alpha), np.arange(700)]
    assert (chosen > cv.max(0) - 1e-4).mean() >= 0.995


def test_products_rounded_too_much_are_made_again_in_full(monkeypatch):
    given = many_units()
    exact = solved(given, [[1.0]])[0]
    monkeypatch.setattr(device, "rounds", lambda device: True)
    monkeypatch.setattr(device, "tf32_product", rounded(2))
    found = solved(given, [[1.0]])[0]
    np.testing.assert_array_equal(found.alpha, exact.alpha)
    np.testing.assert_array_equal(found.cv, exact.cv)


@pytest.mark.parametrize("units", [1, 90])
def test_the_sample_is_checked_in_batches_too(units, monkeypatch):
    """Even where a batch is so small that it holds none of the sample."""
    given = many_units()
    given = given[0], given[1][:, :90].copy(), given[2]
    monkeypatch.setattr(ridge, "SAMPLE", 40)
    monkeypatch.setattr(device, "rounds", lambda device: True)
    monkeypatch.setattr(device, "tf32_product", rounded(10))
    whole = solved(given, [[1.0]])[0]
    monkeypatch.setattr(device, "budget", lambda device: units * 4 * (2 * 400 + 12 * 80))
    parts = solved(given, [[1.0]])[0]
    np.testing.assert_allclose(parts.cv, whole.cv, atol=1e-4)
    np.testing.assert_allclose(
        parts.yhat[:, parts.alpha == whole.alpha], whole.yhat[:, parts.alpha == whole.alpha], atol=1e-4
    )


def test_the_sample_lies_in_every_batch():
    whole = ridge._sample(700, slice(0, 700), "cpu")
    assert len(whole) == ridge.SAMPLE
    assert whole[[0, -1]].tolist() == [0, 699]
    parts = [start + ridge._sample(700, slice(start, start + 150), "cpu") for start in range(0, 700, 150)]
    np.testing.assert_array_equal(torch.cat(parts), whole)


def once_out_of_memory(work):
    """work, but the first call finds no memory."""
    calls = []

    def first_fails(*args, **more):
        calls.append(args)
        if len(calls) == 1:
            raise torch.OutOfMemoryError
        return work(*args, **more)

    return first_fails


@pytest.mark.parametrize("place", [(device, "gram"), (device, "eigh"), (torch, "empty"), (folds, "positive")])
def test_memory_that_runs_out_for_products_or_tables_is_freed_and_the_work_done_again(place, monkeypatch):
    given, route = spaces(), folds.DownDate if place[0] is folds else folds.LeaveOut
    expected = solved(given)
    kept = bands.Kept(1e9)
    kept.get("of another fit", lambda: torch.zeros(3))
    monkeypatch.setattr(*place, once_out_of_memory(getattr(*place)))
    assert_same(solved(given, kept=kept, route=route), expected)
    assert kept.get("of another fit", lambda: torch.ones(3)).all()  # was given up


def test_memory_that_runs_out_for_units_halves_the_batch_and_is_told(monkeypatch):
    given = spaces()
    expected = solved(given)
    monkeypatch.setattr(folds.LeaveOut, "coefficients", once_out_of_memory(folds.LeaveOut.coefficients))
    found = solved(given, route=folds.LeaveOut)
    assert_same(found, expected)
    assert found[0].warnings == ("the device ran out of memory: went on with 4 units at a time",)
    assert found[1].warnings == ()


def test_kept_products_stay_within_their_bytes_and_the_latest_stay():
    kept, made = bands.Kept(300), []

    def get(key, size=100):
        return kept.get(key, lambda: made.append(key) or torch.zeros(size, dtype=torch.uint8))

    for key in "abcab":
        get(key)
    assert made == ["a", "b", "c"]
    get("d")  # c was asked for longest ago
    assert kept.bytes == 300
    get("a")
    get("c")
    assert made == ["a", "b", "c", "d", "c"]
    get("all", 400)
    assert kept.bytes == 0


def test_a_session_makes_the_products_of_two_spaces_once(monkeypatch):
    rng = np.random.default_rng(0)
    given = {name: rng.standard_normal((300, 12)) for name in "abcd"}
    Y = sum(X @ rng.standard_normal((12, 5)) for X in given.values()) + rng.standard_normal((300, 5))
    is_test = np.arange(300) % 4 == 0
    session = encoding.Session(Y, is_test, ALPHAS, device="cpu")
    grams, gram = [], device.gram
    monkeypatch.setattr(bands.dev, "gram", lambda X: grams.append(len(X)) or gram(X))
    session.unique(given)
    whole = [n for n in grams if n == (~is_test).sum()]
    assert len(whole) == 4
    kept = session._kept
    assert sum(key[0] == "gram" for key in kept._found) == 4 + 6
    assert kept.bytes <= kept.limit
