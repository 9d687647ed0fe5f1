"""Arrays of any layout, byte order and kind give the results of plain ones; what is no such array is told in words."""

import numpy as np
import pandas as pd
import pytest
import torch

from brainalign import arrays, encoding, rsa, stats, variance
from brainalign.encoding.estimator import RidgeCV
from brainalign.types import Trials

SETS = ("a", "b", "c", "ab", "ac", "bc", "abc")
ALPHAS = [1.0, 10.0, 100.0]
RNG = np.random.default_rng(0)
X, Y = RNG.integers(-9, 10, (80, 6)).astype(float), RNG.integers(-9, 10, (80, 4)).astype(float)  # what float16 holds
Y += X[:, :4]
OTHER = X[:, ::-1] + RNG.integers(-3, 4, X.shape)
IS_TEST = np.arange(80) % 4 == 0


def twice(values, lost=None):
    """Two trials of each of 40 pictures, each in another run; the lost picture under another number."""
    shown = np.arange(80) % 40
    return Trials(np.where(shown == lost, 99, shown), np.arange(80) // 40, values)


def strided(values):
    wide = np.full([2 * n for n in values.shape], np.nan if values.dtype.kind == "f" else 0, values.dtype)
    part = wide[tuple(slice(None, None, 2) for _ in values.shape)]
    part[...] = values
    return part


def readonly(values):
    values = values.copy()
    values.flags.writeable = False
    return values


EXACT = {  # the same numbers in the same precision
    "Fortran": np.asfortranarray,
    "backwards": lambda values: np.ascontiguousarray(values[::-1])[::-1],
    "strided": strided,
    "big-endian": lambda values: values.astype(values.dtype.newbyteorder(">")),
    "read-only": readonly,
    "in a buffer": lambda values: np.frombuffer(values.tobytes(), values.dtype).reshape(values.shape),
    "torch": torch.as_tensor,
    "torch, turned": lambda values: torch.as_tensor(np.ascontiguousarray(values.T)).permute(*range(values.ndim)[::-1]),
    "torch with gradients": lambda values: torch.as_tensor(values).requires_grad_(),
    "pandas": lambda values: {1: pd.Series, 2: pd.DataFrame}.get(values.ndim, np.array)(values),
    "lists": lambda values: values.tolist(),
    "object": lambda values: values.astype(object),
    "masked": lambda values: np.ma.masked_array(values),
}
NARROW = {  # the same numbers in another precision
    "float16": np.float16,
    "float32": np.float32,
    "longdouble": np.longdouble,
    "int8": np.int8,
    "int64, big-endian": ">i8",
    "bfloat16": lambda values: torch.as_tensor(values).to(torch.bfloat16),
}


def narrowed(kind):
    made = NARROW[kind]
    return made if kind == "bfloat16" else lambda values: np.asarray(values).astype(made)


def of_fits(fit):
    return [fit.r, fit.r2, fit.alpha, fit.cv]


DOORS = {  # name -> what it makes of (array, array, ...) that a caller gives it in any form
    "fit": (lambda x, y: of_fits(encoding.fit(x, y, IS_TEST, ALPHAS, 3)), (X, Y)),
    "fit by himalaya": (lambda x, y: of_fits(encoding.fit(x, y, IS_TEST, ALPHAS, 3, "himalaya")), (X, Y)),
    "joint": (
        lambda x, z, y: of_fits(encoding.fit_joint({"a": x, "b": z}, y, IS_TEST, ALPHAS, folds=3)),
        (X, OTHER, Y),
    ),
    "unique": (
        lambda x, z, y: list(encoding.Session(y, IS_TEST, ALPHAS, 3).unique({"a": x, "b": z}).values()),
        (X, OTHER, Y),
    ),
    "subsets": (
        lambda x, z, y: list(encoding.Session(y, IS_TEST, ALPHAS, 3).subsets({"a": x, "b": z}).values()),
        (X, OTHER, Y),
    ),
    "weights": (lambda x, y: encoding.Session(y, IS_TEST, ALPHAS, 3).weights(x), (X, Y)),
    "alphas, folds": (
        lambda alphas, folds: of_fits(encoding.fit(X, Y, IS_TEST, alphas, folds)),
        (np.array(ALPHAS), np.arange(80.0) // 20),
    ),
    "across subjects": (lambda x, y: [encoding.cross_subject(twice(y), [twice(x)], ALPHAS, 3).r2], (X, Y)),
    "best layer": (lambda x: [encoding.best_layer(x), *encoding.best_layer(x, per_unit=True)], (X,)),
    "compress": (lambda w, b, x: [encoding.compress(w, b, x, 2).predict(X)], (X[:6], X[0], X)),
    "estimator": (lambda x, y: [RidgeCV(ALPHAS, 3).fit(x, y).coef_], (X, Y)),
    "correlate": (lambda x, z: [stats.correlate(x, z)], (X, OTHER)),
    "r2": (lambda x, z: [stats.r2(x, z)], (X, OTHER)),
    "noise ceiling": (lambda n, r: [stats.noise_ceiling(n, r)], (abs(X[0]), abs(X[:, 0]) + 1)),
    "normalise": (lambda r, n: [stats.normalise(r, n), stats.normalise_r2(r, n)], (X[0], abs(X[1]) * 10)),
    "standardise": (lambda x: [stats.standardise(x, ~IS_TEST)], (X,)),
    "bootstrap": (lambda x, z: [stats.bootstrap(x, {"z": z}, 50, score=s)["z"] for s in ("r", "r2")], (X, OTHER)),
    "interval": (lambda x: [*stats.interval(x), stats.sign_p(x)], (X,)),
    "permutation": (lambda x, z: [stats.permutation_p(x, z, 50)], (X, OTHER)),
    "fdr": (lambda x: [stats.fdr(x)], (abs(X[0]) / 16,)),
    "contrast": (lambda x, d: list(stats.contrast(x, d, np.arange(6) < 3, np.arange(6) > 2).values()), (X[0], X)),
    "two-way": (lambda x: list(stats.two_way(x).values()), (X.reshape(4, 20, 6),)),
    "partition": (lambda *parts: list(variance.partition(*parts).values()), (X[0], X[1], X[2])),
    "three": (lambda *parts: list(variance.partition_three(dict(zip(SETS, parts))).values()), tuple(X[:7])),
    "product measure": (lambda y, a, b: list(variance.product_measure(y, {"a": a, "b": b}).values()), (X, OTHER, X)),
    "summarise": (lambda a, b: list(variance.summarise({"a": a, "b": b}, np.arange(6) > 1).values()), (X[0], X[1])),
    "noise sd": (lambda x, s: [rsa.noise_sd(x, s)], (X, np.arange(80.0) % 20)),
    "crossnobis": (lambda x, s, r: [rsa.crossnobis(x, s, r)], (X, np.arange(80.0) % 20, np.arange(80.0) // 20)),
    "mean correlation": (
        lambda x, s, r: [rsa.mean_correlation(x, s, r)],
        (X, np.arange(80.0) % 20, np.arange(80.0) // 20),
    ),
    "correlation": (lambda x: [rsa.correlation(x)], (X,)),
    "euclidean": (lambda x: [rsa.euclidean(x)], (X,)),
    "rho": (lambda a, b: [rsa.rho(rsa.ranks(a), rsa.ranks(b))], (X, OTHER)),
    "resampling": (
        lambda *rdms: [ask(*map(rsa.ranks, rdms), 50) for ask in (rsa.permutation_p, rsa.bootstrap)],
        (X, OTHER),
    ),
    "ceiling": (lambda a: [*rsa.ceiling(a)], (X,)),
    "arrangement": (lambda a: [rsa.arrangement(a)[0]], (abs(X[0]) + 1,)),
    "to bytes": (lambda a: [list(rsa.to_bytes(a))], (X[0],)),
}


def of(made):
    return [np.asarray(part.detach() if isinstance(part, torch.Tensor) else part, float) for part in made]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("form", EXACT)
@pytest.mark.parametrize("door", DOORS)
def test_any_layout_gives_the_same(door, form):
    ask, given = DOORS[door]
    expected, found = of(ask(*given)), of(ask(*map(EXACT[form], given)))
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-12)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", NARROW)
@pytest.mark.parametrize("door", DOORS)
def test_any_kind_of_number_gives_the_same(door, kind):
    """Within the precision that results of float32 have."""
    ask, given = DOORS[door]
    given = [np.rint(part * 16) / 16 if kind.startswith("float") else np.rint(part) for part in given]
    expected, found = of(ask(*given)), of(ask(*map(narrowed(kind), given)))
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(b, a, rtol=2e-4, atol=2e-5)


def test_numbers_are_not_copied_where_they_are_plain():
    for values in (np.ones((3, 2)), np.ones((3, 2), np.float32)):
        assert arrays.numbers(values, "x") is values or np.shares_memory(arrays.numbers(values, "x"), values)
        assert arrays.taken(values, "x") is values
    masked = np.ma.masked_array([1.5, 2.5], [False, True])
    np.testing.assert_array_equal(arrays.numbers(masked, "x"), [1.5, np.nan])
    np.testing.assert_array_equal(arrays.numbers(pd.Series([1, None], dtype="Int64"), "x"), [1, np.nan])
    np.testing.assert_array_equal(arrays.numbers([1, None], "x"), [1, np.nan])
    assert arrays.numbers(np.float16([[1]]), "x").dtype == np.float32


NOT_NUMBERS = {
    "texts": [["a", "b"]],
    "complex numbers": np.ones((80, 2)) * 1j,
    "dates": np.zeros((80, 2), "M8[s]"),
    "cannot be read as an array of numbers: list": [[1.0, 2.0], [3.0]],
    "holds object, expected numbers": {"a": 1},
}
IMPOSSIBLE = [
    (
        {"Y": np.where(np.arange(4) == 1, np.inf, Y)},
        "1 of 4 units have infinite responses; a response that is missing is NaN",
    ),
    ({"Y": Y[:, :0]}, r"responses \(80, 0\) have no units"),
    ({"Y": Y[:, 0]}, r"responses \(80,\) need a bool is_test"),
    ({"X": np.where(X[3, 3] == X, -np.inf, X)}, "the feature space has .* images with NaN or infinite values"),
    ({"X": X[:, :0]}, r"the feature space has shape \(80, 0\), expected \(80 images, n_dims\)"),
    ({"X": X[:, 0]}, r"the feature space has shape \(80,\), expected"),
    ({"is_test": IS_TEST.astype(int)}, "need a bool is_test"),
    ({"alphas": [1, np.nan]}, "alphas must be positive numbers, got nan"),
    ({"alphas": [1, np.inf]}, "alphas must be positive numbers, got inf"),
    ({"alphas": [1, -2.0]}, "alphas must be positive numbers, got -2"),
    ({"alphas": []}, "alphas must be positive numbers, one at least"),
    ({"alphas": ["ten"]}, "alphas holds texts, expected numbers"),
    ({"alphas": None}, "alphas must be positive numbers, got nan|alphas holds object"),
    (
        {"folds": 600},
        "^folds is 600, but 60 images make 2 to 30 of them: cross-validation needs two or more folds of at",
    ),
    ({"folds": 0}, "folds is 0, but 60 images make 2 to 30"),
    ({"folds": -3}, "folds is -3"),
    ({"folds": 2.5}, "folds is 2.5"),
    ({"folds": True}, "folds is True"),
    ({"folds": None}, "folds is None"),
    ({"folds": "5"}, "folds is '5'"),
    ({"folds": np.arange(80)}, "^60 training images in 60 folds, the smallest of 1; cross-validation needs"),
    ({"folds": np.where(np.arange(80) % 7 == 1, np.nan, np.arange(80) % 3)}, "folds has NaN or infinite labels"),
    ({"folds": np.arange(79) % 5}, r"folds has shape \(79,\); give a number or one label for each of 80 images"),
    ({"solver": "rigde"}, "no solver 'rigde'; try ridge"),
    ({"seed": -1}, "seed is -1, expected a whole number from 0"),
    ({"seed": "one"}, "seed is 'one', expected"),
]


@pytest.mark.parametrize(("change", "message"), IMPOSSIBLE)
def test_a_fit_that_cannot_be_is_told_in_words(change, message):
    given = {"X": X, "Y": Y, "is_test": IS_TEST, "alphas": ALPHAS} | change
    with pytest.raises(ValueError, match=message):
        encoding.fit(**given)


@pytest.mark.parametrize("message", NOT_NUMBERS)
def test_what_are_no_numbers_is_told_in_words(message):
    for given in ({"X": NOT_NUMBERS[message], "Y": Y}, {"X": X, "Y": NOT_NUMBERS[message]}):
        with pytest.raises(ValueError, match=message):
            encoding.fit(**given, is_test=IS_TEST, alphas=ALPHAS)


OTHER_DOORS = {
    "feature spaces are a dict .*, got list": lambda: encoding.fit_joint([X, X], Y, IS_TEST, ALPHAS),
    "feature spaces are a dict of one or more": lambda: encoding.fit_joint({}, Y, IS_TEST, ALPHAS),
    "feature space 'b' has 80 images with NaN": lambda: encoding.fit_joint(
        {"a": X, "b": X * np.nan}, Y, IS_TEST, ALPHAS
    ),
    "unique variance needs two or more": lambda: list(encoding.Session(Y, IS_TEST, ALPHAS).beyond({"a": X})),
    "gammas .* must be weights from 0 to 1": lambda: encoding.fit_joint(
        {"a": X, "b": X}, Y, IS_TEST, ALPHAS, gammas=[np.nan, 0.5]
    ),
    "40 images make 2 to 20": lambda: encoding.cross_subject(twice(Y), [twice(X)], ALPHAS, 600),
    "1 of 4 units have infinite": lambda: encoding.cross_subject(
        twice(np.where(np.arange(4) == 2, np.inf, Y)), [twice(X)], ALPHAS
    ),
    "6 of 6 units have infinite responses of": lambda: encoding.cross_subject(
        twice(Y), [twice(np.where(X == 1, np.inf, X))], ALPHAS
    ),
    "2 of 80 trials show pictures that another subject saw in no other run": lambda: encoding.cross_subject(
        twice(Y, lost=3), [twice(X)], ALPHAS
    ),
    "values \\(80, 4\\), pictures \\(80,\\) and runs \\(79,\\)": lambda: Trials(IS_TEST, IS_TEST[1:], Y),
    "cv of the layers has shape": lambda: encoding.best_layer([]),
    "alphas must be positive": lambda: RidgeCV([np.nan]).fit(X, Y),
    "r2_b has shape \\(3,\\), but r2_a has \\(4,\\)": lambda: variance.partition(Y[0], Y[0, :3], Y[0]),
    "R2 of bc, abc is missing": lambda: variance.partition_three(dict.fromkeys(SETS[:5], Y[0])),
    "b has shape": lambda: variance.product_measure(Y, {"a": Y, "b": Y[1:]}),
    "values \\(80, 4\\) and \\(80, 1\\) are compared": lambda: stats.r2(Y, Y[:, :1]),
    "values \\(80, 4\\) and \\(79, 4\\) are compared": lambda: stats.permutation_p(Y, Y[1:]),
    "an array and a tensor are compared": lambda: stats.correlate(Y, torch.as_tensor(Y)),
    "no score 'r3'; choose r or r2": lambda: stats.bootstrap(Y, {"a": Y}, score="r3"),
    "values \\(80, 4\\) and \\(80,\\) are compared": lambda: stats.bootstrap(Y, {"a": Y[:, 0]}),
    "at least one trial of each": lambda: stats.noise_ceiling([1.0], [np.nan]),
    "states has shape \\(80, 4\\), expected 3 axes": lambda: stats.two_way(Y),
    "2 trials, and pictures shown in 3": lambda: rsa.crossnobis(Y[:2], [0, 0, 1], [0, 1, 2]),
    "2 trials, and runs of 3": lambda: rsa.crossnobis(Y[:2], [0, 0], [0, 1, 2]),
    "must be whole numbers from 0": lambda: rsa.noise_sd(Y[:2], [0, -1]),
    "1 of 4 units have infinite values in a trial": lambda: rsa.noise_sd(
        np.where(np.arange(4) == 1, np.inf, Y), [0] * 80
    ),
    "patterns has shape \\(4,\\), expected 2 axes": lambda: rsa.correlation(Y[0]),
}


@pytest.mark.parametrize("message", OTHER_DOORS)
def test_other_doors_tell_in_words(message):
    with pytest.raises(ValueError, match=message):
        OTHER_DOORS[message]()
