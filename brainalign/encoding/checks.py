"""The door of a fit: its input as plain arrays, what is wrong with it as an error, and what is odd as a sentence."""

from collections.abc import Mapping
from difflib import get_close_matches

import numpy as np

from brainalign import arrays
from brainalign.types import Trials

FEW_TRAIN, FEW_TEST = 50, 30  # images below which a fit is told to be unreliable
PREDICTED = 0.01  # cross-validated R2 above which a unit counts as predicted at all


def responses(Y, is_test):
    """Both as plain arrays that fit together, of training and test images, without infinite responses."""
    Y, is_test = arrays.numbers(Y, "responses"), np.asarray(is_test)
    if Y.ndim != 2 or is_test.shape != (len(Y),) or is_test.dtype != bool:
        raise ValueError(
            f"responses {Y.shape} need a bool is_test of shape ({len(Y)},), got {is_test.dtype} {is_test.shape}"
        )
    if is_test.all() or not is_test.any():
        raise ValueError(f"{is_test.sum()} of {len(Y)} images are test images; a fit needs both kinds")
    if not Y.shape[1]:
        raise ValueError(f"responses {Y.shape} have no units")
    finite(Y, "responses")
    return Y, is_test


def trials(given, what):
    """`Trials` as plain arrays, without infinite responses."""
    values = arrays.numbers(given.values, what, 2)
    finite(values, what)
    return Trials(arrays.whole(given.shown, "the pictures shown"), arrays.whole(given.run, "the runs"), values)


def finite(Y, what):
    """No value is infinite."""
    if n := arrays.infinite_columns(Y):
        raise ValueError(f"{n} of {Y.shape[1]} units have infinite {what}; a response that is missing is NaN")


def spaces(spaces, n_images):
    """The feature spaces by name as plain arrays, each with a row for each image, of finite numbers."""
    if not isinstance(spaces, Mapping) or not spaces:
        raise ValueError(f"feature spaces are a dict of one or more, name -> array, got {type(spaces).__name__}")
    return {name: _space(X, name, n_images) for name, X in spaces.items()}


def _space(X, name, n_images):
    label = f"feature space {name!r}" if name else "the feature space"
    X = arrays.numbers(X, label)
    if X.ndim != 2 or len(X) != n_images or not X.shape[1]:
        raise ValueError(f"{label} has shape {X.shape}, expected ({n_images} images, n_dims)")
    if not np.isfinite(X).all():
        raise ValueError(f"{label} has {int((~np.isfinite(X)).any(1).sum())} images with NaN or infinite values")
    return X


def alphas(values):
    """The grid of penalties in ascending order, float64."""
    values = np.unique(arrays.numbers(values, "alphas").astype(np.float64))
    wrong = values[~(np.isfinite(values) & (values > 0))]
    if wrong.size or not values.size:
        raise ValueError(f"alphas must be positive numbers, {f'got {wrong[0]:g}' if wrong.size else 'one at least'}")
    return values


def solver(name, solvers):
    """The solver of that name."""
    if name in solvers:
        return solvers[name]
    near = get_close_matches(name, solvers, n=1) or sorted(solvers)
    raise ValueError(f"no solver {name!r}; try {', '.join(near)}")


def folds(folds, is_test, seed):
    """The fold of each image, (n_images,): drawn evenly by the seed, or as given; of no meaning for test images."""
    train = np.flatnonzero(~is_test)
    if np.ndim(folds) == 0:
        labels = np.zeros(len(is_test), int)
        labels[_generator(seed).permutation(train)] = np.arange(len(train)) % n_folds(folds, len(train))
        return labels
    labels = _labels(folds)
    if labels.shape != is_test.shape:
        raise ValueError(
            f"folds has shape {labels.shape}; give a number or one label for each of {len(is_test)} images"
        )
    if labels.dtype.kind == "f" and not np.isfinite(labels[train]).all():
        raise ValueError("folds has NaN or infinite labels; each training image needs the label of its fold")
    sizes = np.unique_counts(labels[train]).counts
    if len(sizes) < 2 or sizes.min() < 2:
        raise ValueError(
            f"{len(train)} training images in {len(sizes)} folds, the smallest of {sizes.min()}; "
            "cross-validation needs two or more folds of at least two images"
        )
    return labels


def _generator(seed):
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError):
        raise ValueError(f"seed is {seed!r}, expected a whole number from 0") from None


def _labels(folds):
    """Labels of folds as numbers or texts."""
    found = None if arrays.is_tensor(folds) else np.asarray(folds)
    if found is not None and found.dtype.kind in "iubUS":
        return found
    if found is not None and found.dtype == object and all(isinstance(label, str) for label in found.ravel()):
        return found.astype(str)
    return arrays.numbers(folds, "folds")


def n_folds(folds, n_images):
    """The number of folds, if so many folds of two images or more can be made of this many images."""
    if isinstance(folds, bool) or not isinstance(folds, int | np.integer) or not 2 <= folds <= n_images // 2:
        raise ValueError(
            f"folds is {folds!r}, but {n_images} images make 2 to {max(2, n_images // 2)} of them: "
            "cross-validation needs two or more folds of at least two images"
        )
    return int(folds)


def groups(Y, is_test, folds):
    """Units with the same images missing, as [(measured (n_images,) bool, positions of units)], and warnings.

    Units with less than half of the training or of the test images, or with one fold only, belong to no group.
    """
    missing = np.isnan(Y)
    patterns = np.ascontiguousarray(np.packbits(missing, axis=0).T)
    _, first, group = np.unique(patterns, axis=0, return_index=True, return_inverse=True)
    found, partial, dropped = [], 0, 0
    for g, unit in enumerate(first):
        measured, units = ~missing[:, unit], np.flatnonzero(group == g)
        enough = min(measured[is_test].mean(), measured[~is_test].mean()) >= 0.5
        if enough and len(np.unique(folds[measured & ~is_test])) > 1:
            found.append((measured, units))
            partial += 0 if measured.all() else len(units)
        else:
            dropped += len(units)
    told = few((~is_test).sum(), "training") + few(is_test.sum(), "test")
    return found, (*told, *_missing(partial, dropped, Y.shape[1]))


def constant_columns(spaces, train):
    """Warnings for columns of standardised features that do not vary over the training images."""
    for name, X in spaces.items():
        n = int((X[train] == 0).all(0).sum())
        if n:
            yield f"{n} of {X.shape[1]} feature columns{name and ' of ' + name} are constant and take no part"


def edges(alpha, cv, alphas):
    """A warning where more than 5 % of the units that are predicted at all chose an end of the grid of alphas."""
    predicted = cv > PREDICTED
    found = []
    for end, what, todo in ((alphas[-1], "largest", "larger"), (alphas[0], "smallest", "smaller")):
        share = (alpha[predicted] == end).mean() if predicted.any() else 0
        if share > 0.05:
            found.append(
                f"{share:.0%} of the units with a cross-validated R2 above {PREDICTED} chose the {what} alpha, "
                f"{end:g}: add {todo} ones"
            )
    return tuple(found)


def few(n, kind):
    """The sentence, in a tuple, that there are few "training" or "test" images; () where there are enough."""
    least = {"training": FEW_TRAIN, "test": FEW_TEST}[kind]
    return (f"only {n} {kind} images: the scores are unreliable",) if n < least else ()


def _missing(partial, dropped, n_units):
    if partial:
        yield f"{partial} of {n_units} units lack some images and were fitted on the images they have"
    if dropped:
        yield f"{dropped} of {n_units} units have under half of the training or test images, or one fold: no score"
