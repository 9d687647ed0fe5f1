"""Representational similarity: which pictures a region tells apart, and whether a model tells the same ones apart.

A matrix of dissimilarities (RDM) of n pictures is held as the values of its pairs i < j, row by row: (n (n - 1) / 2,).
Two matrices are compared by rho_a, Spearman's correlation of the pairs where ties are broken at random (Schütt et al.
2023, eLife 12:e82566): a model has units of its own, so that only the order of its distances is asked for, and one
that holds many pictures for the same gains nothing by its ties.
"""

import numpy as np

from brainalign import arrays

BATCH = 2**23  # values of permuted matrices that are held at a time: 32 MB


def n_pictures(rdm):
    """How many pictures a matrix with these pairs (..., n_pairs) is of."""
    return round((1 + (1 + 8 * np.shape(rdm)[-1]) ** 0.5) / 2)


def pairs(n):
    """The pictures of each pair, in order: two arrays (n (n - 1) / 2,)."""
    return np.triu_indices(n, 1)


def square(rdm):
    """(..., n_pairs) -> (..., n, n), symmetric, 0 on the diagonal."""
    n = n_pictures(rdm)
    found = np.zeros((*np.shape(rdm)[:-1], n, n), np.asarray(rdm).dtype)
    i, j = pairs(n)
    found[..., i, j] = found[..., j, i] = rdm
    return found


# --- Distances ---

DISTANCES = ("crossnobis", "correlation")


def noise_sd(trials, shown):
    """(n_units,) standard deviation of trials of the same picture; NaN where no picture was shown twice.

    trials : (n_trials, n_units); shown : (n_trials,) the picture of each, counted from 0
    """
    trials, shown = _checked(trials, shown)
    counts, sums = _sums(trials, shown)
    free = len(shown) - (counts > 0).sum()
    apart = trials - (sums / np.maximum(counts, 1)[:, None])[shown]
    return np.sqrt((apart**2).sum(0) / free) if free else np.full(trials.shape[1], np.nan)


def crossnobis(trials, shown, runs):
    """(n_pairs,) cross-validated squared distance of two pictures' patterns, averaged over units.

    |a - b|^2 = aa - 2 ab + bb, each product over trials of different runs only, whose noise has nothing in common
    (Walther et al. 2016, NeuroImage 137:188-200). So noise has mean 0 in it: it does not grow with noise, and falls
    below 0 as often as above where two pictures evoke the same.

    trials : (n_trials, n_units), each unit in units of its noise; shown : (n_trials,) pictures 0 .. n - 1
    runs : (n_trials,) numbers of whatever has noise in common; each picture was shown in two of them or more
    """
    trials, shown, runs = _in_runs(trials, shown, runs)
    _, products, number = _products(trials, shown, runs)
    if n := (np.diag(number) == 0).sum():
        raise ValueError(f"a cross-validated distance needs trials of each picture in two runs; {n} have one run")
    products /= number
    i, j = pairs(len(number))
    return (products[i, i] + products[j, j] - 2 * products[i, j]) / max(1, trials.shape[1])


def _in_runs(trials, shown, runs):
    """What `_checked` gives, and the run of each trial."""
    trials, shown = _checked(trials, shown)
    runs = arrays.whole(runs, "the runs")
    if len(runs) != len(shown):
        raise ValueError(f"{len(shown)} trials, and runs of {len(runs)}; expected one run for each")
    return trials, shown, runs


def _products(trials, shown, runs):
    """Products of two pictures' trials, each (n_pictures, n_pictures): mean over all trials; sum over trials of
    different runs; and how many pairs of trials this sum is of.
    """
    counts, sums = _sums(trials, shown)
    products, number = sums @ sums.T, np.outer(counts, counts)
    mean = products / np.maximum(number, 1)
    for own in _groups(runs):
        at, part = np.ix_(shown[own], shown[own]), trials[own].astype(np.float64)
        np.subtract.at(products, at, part @ part.T)
        np.subtract.at(number, at, 1)
    return mean, products, number


def _groups(labels):
    """The positions of each label."""
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)


def mean_correlation(trials, shown, runs):
    """(n_pairs,) 1 - Pearson r of two pictures' mean patterns, their covariance from trials of different runs.

    Trials of one run have noise in common, and what was fitted to a run and taken out of it makes them unlike. A pair
    with all its trials in one run is compared by these. Nothing is cross-validated: noise lengthens patterns.

    trials : (n_trials, n_units); shown : (n_trials,) pictures 0 .. n - 1; runs : (n_trials,)
    """
    trials, shown, runs = _in_runs(trials, shown, runs)
    trials = trials - trials.mean(1, keepdims=True, dtype=np.float64)
    mean, products, number = _products(trials, shown, runs)
    length = np.sqrt(np.diag(mean))
    covariance = np.where(number > 0, products / np.maximum(number, 1), mean)
    return 1 - (covariance / _nonzero(np.outer(length, length)))[pairs(len(mean))]


def correlation(patterns):
    """(n_pairs,) 1 - Pearson r of two pictures' patterns (n_pictures, n_dims); NaN where one is constant."""
    centred = arrays.numbers(patterns, "patterns", 2).astype(np.float64)
    centred = centred - centred.mean(1, keepdims=True)
    length = np.sqrt((centred**2).sum(1, keepdims=True))
    normed = centred / _nonzero(length)
    return 1 - (normed @ normed.T)[pairs(len(normed))]


def _nonzero(lengths):
    """NaN in the place of 0, to divide by."""
    return np.where(lengths > 0, lengths, np.nan)


def euclidean(patterns):
    """(n_pairs,) squared distance of two pictures' patterns (n_pictures, n_dims), averaged over dimensions.

    Rounded to a millionth of the mean distance, so that pairs of equal patterns are ties.
    """
    patterns = arrays.numbers(patterns, "patterns", 2).astype(np.float64)
    i, j = pairs(len(patterns))
    gram = patterns @ patterns.T
    found = (np.diag(gram)[i] + np.diag(gram)[j] - 2 * gram[i, j]) / max(1, patterns.shape[1])
    mean = found.mean()
    return np.round(found / mean, 6) * mean if mean > 0 else found * 0


def _checked(trials, shown):
    """Trials (n_trials, n_units), and the picture of each, as plain arrays."""
    trials, shown = arrays.numbers(trials, "trials", 2), arrays.whole(shown, "the pictures shown")
    if len(trials) != len(shown) or not len(shown):
        raise ValueError(f"{len(trials)} trials, and pictures shown in {len(shown)}; expected one picture for each")
    if n := arrays.infinite_columns(trials):
        raise ValueError(f"{n} of {trials.shape[1]} units have infinite values in a trial")
    return trials, shown


def _sums(trials, shown):
    """Trials of each picture, and (n_pictures, n_units) their sums."""
    counts = np.bincount(shown)
    order = np.argsort(shown, kind="stable")
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    sums = np.add.reduceat(np.asarray(trials, np.float64)[order], np.minimum(starts, len(order) - 1), axis=0)
    sums[counts == 0] = 0
    return counts, sums


# --- Comparison ---


def ranks(rdms):
    """Ranks of the pairs, centred and scaled so that the product of two such rows is their rho_a.

    rdms : (..., n_pairs); ties have their mean rank, which makes a row shorter than 1. NaN in a row makes it NaN.
    """
    n = np.shape(rdms)[-1]
    return ((_ranked(rdms) - (n + 1) / 2) / np.sqrt((float(n) ** 3 - n) / 12)).astype(np.float32)


def _ranked(rdms):
    from scipy.stats import rankdata

    return rankdata(arrays.numbers(rdms, "matrices"), axis=-1, nan_policy="propagate")


def rho(a, b):
    """rho_a of every row of `a` with every row of `b`, both from `ranks`: (n_a, n_b)."""
    return a.astype(np.float64) @ b.astype(np.float64).T


def permutation_p(brain, model, n=5000, seed=0):
    """One-sided p of each rho_a: how often pictures in a wrong order are as similar, (1 + b) / (1 + n).

    brain, model : (n_rows, n_pairs) from `ranks`, compared row by row; the model's pictures are put in the same wrong
    orders for all rows. Equal rows of `model` that follow one another are permuted once.
    """
    pictures, rng = n_pictures(brain), np.random.default_rng(seed)
    (i, j), at_once = pairs(pictures), max(1, BATCH // max(1, brain.shape[1]))
    least, above = (brain * model).sum(1) - 1e-6, np.zeros(len(brain))
    starts = [k for k in range(len(model)) if k == 0 or not np.array_equal(model[k], model[k - 1], equal_nan=True)]
    matrices = [square(model[k]).ravel() for k in starts]
    for done in range(0, n, at_once):
        orders = np.stack([rng.permutation(pictures) for _ in range(min(at_once, n - done))])
        places = orders[:, i] * pictures + orders[:, j]
        for k, (first, matrix) in enumerate(zip(starts, matrices)):
            rows = slice(first, starts[k + 1] if k + 1 < len(starts) else None)
            above[rows] += (matrix[places] @ brain[rows].T >= least[rows]).sum(0)
    return np.where(np.isnan(least), np.nan, (1 + above) / (1 + n))


def bootstrap(brain, model, n=1000, seed=0):
    """rho_a on pictures drawn with replacement, row by row: (n, n_rows) float64.

    brain, model : (n_rows, n_pairs) from `ranks`. A pair counts as often as its pictures were drawn together; a
    picture makes no pair with itself. Pairs keep the ranks that they have among all pictures. The same seed draws the
    same pictures, so that the difference of two calls is a draw of the difference.
    """
    pictures = n_pictures(brain)
    drawn = np.random.default_rng(seed).multinomial(pictures, np.full(pictures, 1 / pictures), n).astype(np.float32)
    weight = (drawn.sum(1) ** 2 - (drawn**2).sum(1)) / 2

    def mean(values):
        """Of pairs (n_pairs,) over those drawn, (n,)."""
        return (((drawn @ square(values)) * drawn).sum(1, dtype=np.float64) / 2) / weight

    scale, found = np.sqrt(brain.shape[1]), np.full((n, len(brain)), np.nan)
    for row, (a, b) in enumerate(zip(brain * scale, model * scale)):  # mean squares are 1 without ties
        ma, mb, sa, sb = mean(a), mean(b), mean(a * a), mean(b * b)
        spread = np.sqrt(np.maximum((sa - ma**2) * (sb - mb**2), 1e-12))
        ties = np.sqrt((a * a).mean() * (b * b).mean())
        found[:, row] = (mean(a * b) - ma * mb) / spread * ties
    return found


def ceiling(rdms):
    """Bounds of what any model can reach, by the agreement of subjects: (lower, upper), each (n_subjects,).

    rdms : (n_subjects, n_pairs). A subject's rho_a with the mean of the others' ranks is too low for the true model's,
    since that mean is noisy; with the mean of all, the subject's own included, it is too high (Nili et al. 2014, PLoS
    Comput Biol 10:e1003553). NaN with one subject.
    """
    if len(rdms) < 2:
        return np.full((2, len(rdms)), np.nan)
    own, places = ranks(rdms), _ranked(rdms)
    others, everyone = ranks(places.sum(0) - places), ranks(places.sum(0))
    return np.stack([np.einsum("sp,sp->s", own, others), own @ everyone])


# --- Matrices to look at ---


def to_bytes(rdm):
    """Ranks of the pairs as uint8, from 0 for the nearest to 255 for the farthest."""
    places = _ranked(rdm) - 1
    return np.round(255 * places / max(1, len(places) - 1)).astype(np.uint8).tobytes()


def from_bytes(data):
    """(n_pairs,) from 0 for the nearest to 1 for the farthest."""
    return np.frombuffer(data, np.uint8) / 255


def arrangement(distances):
    """Places (n_pictures, 2) whose distances are near those of the matrix (n_pairs,), and the share of the variance
    of all directions that the two hold: classical multidimensional scaling.
    """
    squared = square(arrays.numbers(distances, "distances", 1).astype(np.float64)) ** 2
    centred = squared - squared.mean(0)
    values, vectors = np.linalg.eigh(-0.5 * (centred - centred.mean(1, keepdims=True)))
    kept, two = np.maximum(values[:-3:-1], 0), vectors[:, :-3:-1]
    two = two * np.where(two[np.abs(two).argmax(0), [0, 1]] < 0, -1, 1)  # a sign that every library gives
    return two * np.sqrt(kept), float(kept.sum() / max(np.maximum(values, 0).sum(), 1e-12))
