"""Representational similarity against planted geometry, rsatoolbox, and its error rates where the truth is known."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import binom, spearmanr

from brainalign import rsa, stats


def simulate(n, n_units=40, noise=0.0, repeats=3, dims=6, seed=0):
    """(contents (n, dims), trials, shown, noiseless patterns (n, n_units)); units mix the contents at random."""
    rng = np.random.default_rng(seed)
    contents = rng.standard_normal((n, dims))
    patterns = contents @ np.random.default_rng(9).standard_normal((dims, n_units))
    shown = np.repeat(np.arange(n), repeats)
    return contents, patterns[shown] + noise * rng.standard_normal((n * repeats, n_units)), shown, patterns


def test_distances_equal_plain_formulas():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((9, 5))
    np.testing.assert_allclose(rsa.euclidean(x), pdist(x, "sqeuclidean") / 5, rtol=1e-5)
    np.testing.assert_allclose(rsa.correlation(x), pdist(x, "correlation"), atol=1e-12)
    _, trials, shown, patterns = simulate(9)
    found = rsa.crossnobis(trials, shown, np.arange(27))
    np.testing.assert_allclose(found, pdist(patterns, "sqeuclidean") / 40, atol=1e-10)
    square = rsa.square(rsa.euclidean(x))
    np.testing.assert_allclose(square[rsa.pairs(9)], rsa.euclidean(x))
    assert (square == square.T).all()
    assert rsa.n_pictures(rsa.euclidean(x)) == 9


def test_equal_patterns_are_ties():
    x = np.random.default_rng(0).standard_normal((4, 300)).astype(np.float32)[[0, 1, 2, 3, 0, 1]] * 1e3
    found = rsa.square(rsa.euclidean(x))
    assert found[0, 4] == found[1, 5] == 0
    assert found[0, 2] == found[4, 2]


def test_noise_has_no_mean_in_cross_validated_distances():
    """Noise three times the signal raises plain distances by twice its variance over repeats, these not at all."""
    crossed, plain = [], []
    _, _, shown, patterns = simulate(8)
    patterns[1] = patterns[0]
    for seed in range(400):
        trials = patterns[shown] + 7 * np.random.default_rng(seed).standard_normal((24, 40))
        crossed.append(rsa.crossnobis(trials, shown, np.arange(len(shown))))
        plain.append(pdist(trials.reshape(8, 3, 40).mean(1), "sqeuclidean") / 40)
    truth = pdist(patterns, "sqeuclidean") / 40
    error = np.std(crossed, axis=0) / 20
    assert (np.abs(np.mean(crossed, axis=0) - truth) < 4 * error).all()
    np.testing.assert_allclose(np.mean(plain, axis=0) - truth, 2 * 49 / 3, rtol=0.1)
    assert np.mean(np.array(crossed)[:, 0] < 0) == pytest.approx(0.5, abs=0.1)  # the two that are the same


def test_noise_sd_is_that_of_trials_around_their_pictures():
    _, trials, shown, _ = simulate(200, noise=0.0)
    sd = np.linspace(0.5, 4, 40)
    trials = trials + sd * np.random.default_rng(1).standard_normal(trials.shape)
    np.testing.assert_allclose(rsa.noise_sd(trials, shown), sd, rtol=0.15)
    assert np.isnan(rsa.noise_sd(trials[:3], np.arange(3))).all()
    with pytest.raises(ValueError, match="in two runs; 2 have one run"):
        rsa.crossnobis(trials[:5], np.array([0, 0, 1, 1, 2]), np.array([0, 1, 2, 2, 3]))


@pytest.mark.parametrize("cv", ["trial", "run", "session"])
def test_unequal_repeats_as_rsatoolbox_has_them(cv):
    """Products between trials, runs and sessions; of some pictures several trials lie in one run or session."""
    from rsatoolbox.data import Dataset
    from rsatoolbox.rdm import calc_rdm_unbalanced

    rng = np.random.default_rng(3)
    shown = np.concatenate([rng.permutation(10), rng.permutation(10), [0, 1, 1, 7, 7]])
    session = np.concatenate([np.repeat([0, 1], 10), [0, 1, 2, 2, 2]])
    about = {"picture": shown, "trial": np.arange(25), "run": 2 * session + np.arange(25) % 2, "session": session}
    trials, sd = rng.standard_normal((len(shown), 12)), rng.uniform(0.5, 2, 12)
    options = {"descriptor": "picture", "cv_descriptor": cv, "noise": np.diag(sd**-2.0)}
    peer = calc_rdm_unbalanced(Dataset(trials, obs_descriptors=about), method="crossnobis", **options)
    order = np.argsort(peer.pattern_descriptors["picture"])
    expected = peer.get_matrices()[0][np.ix_(order, order)][rsa.pairs(10)]
    np.testing.assert_allclose(rsa.crossnobis(trials / sd, shown, about[cv]), expected, atol=1e-10)


def test_correlation_of_means_leaves_out_products_within_a_run():
    """Of one trial a picture, each in its own run, it is the plain one; else Pearson's formula, by pairs of trials."""
    rng = np.random.default_rng(5)
    trials = rng.standard_normal((7, 30)) + rng.standard_normal(30)
    plain = rsa.mean_correlation(trials, np.arange(7), np.arange(7))
    np.testing.assert_allclose(plain, pdist(trials, "correlation"), atol=1e-12)
    shown, runs = np.array([0, 1, 2, 0, 1, 2, 1]), np.array([0, 0, 1, 1, 2, 1, 1])
    found = rsa.square(rsa.mean_correlation(trials, shown, runs))
    means = [trials[shown == k].mean(0) for k in range(3)]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        both = [(i, j) for i in np.flatnonzero(shown == a) for j in np.flatnonzero(shown == b) if runs[i] != runs[j]]
        covariance = np.mean([np.cov(trials[i], trials[j], ddof=0)[0, 1] for i, j in both])
        assert found[a, b] == pytest.approx(1 - covariance / means[a].std() / means[b].std())
    together = rsa.mean_correlation(trials, shown, np.zeros(7))
    np.testing.assert_allclose(together, pdist(np.stack(means), "correlation"), atol=1e-12)


def test_comparison_and_ceiling_as_rsatoolbox_has_them():
    from rsatoolbox.inference.noise_ceiling import boot_noise_ceiling
    from rsatoolbox.rdm import RDMs, compare

    rng = np.random.default_rng(4)
    common = rng.random(66)
    subjects, models = common + rng.random((4, 66)), np.round(rng.random((3, 66)) * 4)  # models with many ties
    expected = compare(RDMs(subjects), RDMs(models), "rho-a")
    np.testing.assert_allclose(rsa.rho(rsa.ranks(subjects), rsa.ranks(models)), expected, atol=1e-6)
    np.testing.assert_allclose(rsa.ceiling(subjects).mean(1), boot_noise_ceiling(RDMs(subjects), "rho-a"), atol=1e-6)
    assert rsa.rho(rsa.ranks(subjects), rsa.ranks(subjects))[0, 1] == pytest.approx(spearmanr(*subjects[:2])[0])
    assert np.isnan(rsa.ceiling(subjects[:1])).all()


def test_ties_gain_nothing():
    """A model that tells two groups of pictures apart and no more is not given the rest by its ties."""
    groups = np.repeat([0, 1], 10)[:, None]
    within = rsa.ranks(rsa.euclidean(groups))
    assert within @ within < 0.8
    assert rsa.rho(within[None], rsa.ranks(np.zeros((1, 190))))[0, 0] == 0


def test_the_ceiling_holds_the_true_model_between_its_bounds():
    """Four subjects with the same geometry and noise of their own: the true model lies within, another one below."""
    contents, *_ = simulate(60)
    rdms = []
    for seed in range(4):
        mixed = contents @ np.random.default_rng(20 + seed).standard_normal((6, 60))
        shown = np.repeat(np.arange(60), 3)
        trials = mixed[shown] + 6 * np.random.default_rng(seed).standard_normal((180, 60))
        rdms.append(rsa.crossnobis(trials, shown, np.arange(len(shown))))
    lower, upper = rsa.ceiling(np.stack(rdms)).mean(1)
    true, other = (rsa.rho(rsa.ranks(np.stack(rdms)), rsa.ranks(rsa.euclidean(c))[None]).mean() for c in
                   (contents, contents[:, :2]))  # fmt: skip
    assert lower < true < upper
    assert other < lower


def drawn(n, seed, strength=1.0):
    """Ranks of a region's and of a model's matrix that know the same contents; with strength 0 different ones."""
    contents, trials, shown, _ = simulate(n, noise=5.0, seed=seed)
    other = np.random.default_rng(seed + 10_000).standard_normal((n, 6))
    states = strength * contents * [1, 1, 0.5, 0, 0, 0] + (1 - strength) * other
    return rsa.ranks(rsa.crossnobis(trials, shown, np.arange(len(shown))))[None], rsa.ranks(rsa.euclidean(states))[
        None
    ]


def test_intervals_cover_the_similarity_in_a_large_world():
    brain, model = drawn(1200, 77)
    truth = float((brain * model).sum())
    inside = []
    for seed in range(150):
        low, high = stats.interval(rsa.bootstrap(*drawn(60, seed), 200, seed=seed)[:, 0])
        inside.append(low < truth < high)
    low, high = binom.interval(0.999, 150, 0.95)
    assert low <= sum(inside) <= high


def test_draws_equal_the_correlation_of_the_drawn_pairs():
    (brain, model), draws = drawn(12, 1), 5
    counts = np.random.default_rng(0).multinomial(12, np.full(12, 1 / 12), draws)
    i, j = rsa.pairs(12)
    for found, count in zip(rsa.bootstrap(brain, model, draws)[:, 0], counts):
        often = count[i] * count[j]
        expected = np.corrcoef(np.repeat(brain[0], often), np.repeat(model[0], often))[0, 1]
        assert found == pytest.approx(expected, abs=1e-5)


def test_p_is_uniform_where_nothing_is_shared_and_small_where_much_is():
    p = [rsa.permutation_p(*drawn(25, seed, strength=0), 199, seed)[0] for seed in range(300)]
    for level in (0.05, 0.2, 0.5):
        low, high = binom.interval(0.999, 300, level)
        assert low <= (np.array(p) <= level).sum() <= high
    assert rsa.permutation_p(*drawn(40, 1), 199)[0] == 1 / 200


def test_p_equals_brute_force_and_rows_keep_to_themselves():
    both = [drawn(10, seed, 0.5) for seed in (1, 2)]
    brain = np.concatenate([both[0][0], both[1][0], both[0][0], np.full((1, 45), np.nan, np.float32)])
    model = np.concatenate([both[0][1], both[0][1], both[1][1], both[1][1]])
    found = rsa.permutation_p(brain, model, 99, seed=4)
    rng = np.random.default_rng(4)
    orders = np.stack([rng.permutation(10) for _ in range(99)])
    for k in range(3):
        null = [brain[k] @ rsa.square(model[k])[np.ix_(o, o)][rsa.pairs(10)] for o in orders]
        assert found[k] == (1 + (np.array(null) >= brain[k] @ model[k] - 1e-6).sum()) / 100
    assert np.isnan(found[3])
    assert np.isnan(rsa.bootstrap(brain, model, 5)).all(0).tolist() == [False, False, False, True]


def test_an_arrangement_keeps_the_distances_of_a_plane():
    places = np.random.default_rng(0).standard_normal((12, 2))
    found, share = rsa.arrangement(pdist(places))
    np.testing.assert_allclose(pdist(found), pdist(places), atol=1e-8)
    assert share == pytest.approx(1)


def test_bytes_hold_the_order_of_pairs():
    rdm = np.random.default_rng(0).random(28)
    found = rsa.from_bytes(rsa.to_bytes(rdm))
    assert (found.min(), found.max()) == (0, 1)
    assert (np.argsort(found) == np.argsort(rdm)).all()
