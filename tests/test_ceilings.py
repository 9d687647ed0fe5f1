"""Ceilings of regions: a predictor that knows the planted signal gets r / ceiling of 1, however weak the region."""

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from brainalign import bench, stats
from brainalign.ceilings import Ceilings, mean_root, reliable
from brainalign.nsd.subject import averaged, standardise
from brainalign.types import Subject

NSD = {3: (1000, 140), 40: (10_000, 1000)}  # sessions: pictures and those of the test


def planted(sessions, weak, strong, seed, drift=0.25):
    """(Subject, signal of the test pictures): pictures seen up to three times, some within a session; noise drifts."""
    rng, (n_images, n_test) = np.random.default_rng(seed), NSD[sessions]
    rows = np.repeat(np.arange(n_images), 3)[rng.permutation(3 * n_images)[: 750 * sessions]]
    rows = np.unique(rows, return_inverse=True)[1].reshape(sessions, 750)
    share = np.concatenate([0.04 * rng.lognormal(-0.4, 0.9, weak), 0.25 * rng.lognormal(-0.1, 0.4, strong)])
    share, n = np.minimum(share, 0.8), weak + strong
    signal = rng.standard_normal((rows.max() + 1, n), dtype=np.float32) * np.sqrt(share).astype(np.float32)

    def recorded():
        for row in rows:
            noise = rng.standard_normal((750, n)) + drift * np.linspace(-1, 1, 750)[:, None] * rng.standard_normal(n)
            session = (signal[row] + np.sqrt(1 - share) * noise + rng.standard_normal(n)).astype(np.float32)
            yield session, standardise(session)

    is_test = np.arange(len(signal)) < n_test
    betas, valid, known = averaged(recorded(), rows, is_test, n)
    rois = MappingProxyType({"weak": np.arange(n) < weak, "strong": np.arange(n) >= weak})
    repeats, noise = np.bincount(rows.ravel()), known["train_noise"]
    about = "subj01", "func1pt8mm", betas, np.arange(len(signal)), repeats, is_test, np.arange(n), rois
    return Subject(*about, np.sqrt(np.maximum(0, 1 - noise) / noise), valid, **known), signal[is_test]


def ratios(subject, signal):
    """region -> (r / ceiling of the planted signal, ends of its interval)."""
    chosen, y = reliable(subject, 10), subject.betas[subject.is_test]
    ceilings = Ceilings(subject, subject.rois, chosen)
    r, found = stats.correlate(y, signal), {}
    for k, (region, mask) in enumerate(subject.rois.items()):
        own = chosen & mask
        draws = stats.bootstrap(y[:, own], {"": signal[:, own]}, 300, score="r")[""].mean(1)
        found[region] = r[own].mean() / ceilings.r[k], *stats.interval(draws / ceilings.draws(300)[:, k])
    return found


@pytest.fixture(scope="module")
def short():
    """Subjects with three sessions."""
    return [planted(3, 500, 150, seed) for seed in range(12)]


def test_a_perfect_predictor_reaches_the_ceiling_at_three_sessions(short):
    found = [ratios(*one) for one in short]
    for region in ("weak", "strong"):
        ratio, low, high = np.array([one[region] for one in found]).T
        assert np.mean(ratio) == pytest.approx(1, abs=0.02)
        assert np.mean((low <= 1) & (high >= 1)) > 0.8
        assert ratio.std() < 0.1


def test_units_chosen_and_divided_by_the_same_noise_fall_short(short):
    """What these ceilings are for: each unit's r over its own ceiling, of units that this ceiling chose."""
    found = []
    for subject, signal in short[:4]:
        nc = stats.noise_ceiling(subject.ncsnr, subject.repeats[subject.is_test])
        r = stats.correlate(subject.betas[subject.is_test], signal)
        found.append(np.nanmean(stats.normalise(r, nc, 10)[subject.rois["weak"]]))
    assert np.mean(found) < 0.9


def test_a_perfect_predictor_reaches_the_ceiling_at_forty_sessions():
    found = ratios(*planted(40, 300, 60, 0))
    assert found["weak"][0] == pytest.approx(1, abs=0.02)
    assert found["strong"][0] == pytest.approx(1, abs=0.02)


def test_scatter_and_noise_are_those_of_the_trials():
    rng = np.random.default_rng(1)
    rows = rng.permutation(np.repeat(np.arange(40), 3)).reshape(2, 60)
    trials, is_test = rng.standard_normal((2, 60, 4)).astype(np.float32), np.arange(40) % 4 == 0
    there = np.array([[True] * 4, [True, True, True, False]])
    betas, valid, known = averaged(zip(trials.copy(), there), rows, is_test, 4)
    time = np.arange(60) - 29.5
    steady = trials - time[:, None] * np.stack([np.polyfit(time, one, 1)[0] for one in trials])[:, None]
    for place, picture in enumerate(np.flatnonzero(is_test)):
        own = steady[rows == picture]
        np.testing.assert_allclose(known["scatter"][place, :3], ((own - own.mean(0)) ** 2).sum(0)[:3], rtol=1e-4)
    variances = [trials[rows == picture].var(0, ddof=1) for picture in np.flatnonzero(~is_test)]
    np.testing.assert_allclose(known["train_noise"][:3], np.mean(variances, 0)[:3], rtol=1e-5)
    assert all(np.isnan(values[..., 3]).all() for values in known.values())
    assert not valid[1, 3]
    np.testing.assert_allclose(betas[7, :3], trials[rows == 7].mean(0)[:3], rtol=1e-5)


def test_a_trend_is_what_it_adds_to_the_test_pictures_and_nothing_where_there_is_none():
    found = {drift: planted(3, 0, 2000, 5, drift)[0] for drift in (0.0, 0.5)}
    assert found[0.0].trend.mean() == pytest.approx(0, abs=0.002)
    y = {drift: one.betas[one.is_test].var(0, ddof=1).mean() for drift, one in found.items()}
    share = 0.25 / 3 / (1 + 0.25 / 3)  # of the noise of a trial; trials of a picture share some of it
    assert 0.3 * share < found[0.5].trend.mean() < share
    assert y[0.5] > y[0.0] - 0.02


@pytest.mark.parametrize("spread", [0.0, 0.3, 0.6])
def test_mean_root_of_noisy_values(spread):
    """Lognormal, not the gamma that is assumed; noise as large as the mean."""
    rng = np.random.default_rng(0)
    true = 0.1 * rng.lognormal(-(spread**2) / 2, spread, 400_000)
    noisy = true + 0.1 * rng.standard_normal(len(true))
    assert mean_root(noisy, np.full(len(true), 0.01)) == pytest.approx(np.sqrt(true).mean(), rel=0.012)
    assert np.isnan(mean_root(noisy - 0.2, np.full(len(true), 0.01)))


def test_a_draw_is_the_ceiling_on_the_pictures_of_the_bootstraps_draw(short):
    subject, _ = short[0]
    test, chosen = np.flatnonzero(subject.is_test), reliable(subject, 10)
    draws = Ceilings(subject, subject.rois, chosen).draws(30, seed=4)
    y = np.tile(np.resize([-1.0, 1.0], len(test))[:, None], len(test))  # R2 misses what the one wrong picture counts
    counts = len(test) * (1 - stats.bootstrap(y, {"": y - np.eye(len(test))}, 30, 4, mean=0.0)[""])
    again = []
    for drawn in np.rint(counts).astype(int):
        rows = np.repeat(np.arange(len(test)), drawn)
        alone = replace(
            subject, betas=subject.betas[test[rows]], image_ids=np.arange(len(test)), scatter=subject.scatter[rows],
            repeats=subject.repeats[test[rows]], is_test=np.ones(len(test), bool),
        )  # fmt: skip
        again.append(Ceilings(alone, subject.rois, chosen).r)
    for k in range(2):
        assert (
            np.corrcoef(np.log(draws[:, k]), np.log(np.array(again)[:, k]))[0, 1] > 0.8
        )  # straightened about the ceiling
        assert draws[:, k].std() == pytest.approx(np.std(again, 0)[k], rel=0.25)


def test_no_ceiling_where_there_are_no_units_or_no_signal(short):
    subject, _ = short[0]
    noise = np.random.default_rng(3).standard_normal(subject.betas.shape) / np.sqrt(subject.repeats)[:, None]
    silent = replace(subject, betas=noise.astype(np.float32), scatter=0 * subject.scatter + 2, trend=0 * subject.trend)
    silent = replace(silent, repeats=np.full(len(noise), 3), betas=(noise / noise.std(0) / 3**0.5).astype(np.float32))
    everywhere, nowhere = np.ones(len(subject.units), bool), np.zeros(len(subject.units), bool)
    found = Ceilings(silent, {"all": everywhere, "none": nowhere}, everywhere)
    assert np.isnan(found.r).all()
    assert np.isnan(found.nc).all()
    assert np.isnan(found.interval()).all()


def test_without_the_scatter_of_trials_the_ceiling_is_that_of_ncsnr(short):
    subject = replace(short[0][0], scatter=None, trend=None, train_noise=None)
    chosen = reliable(subject, 10)
    nc = stats.noise_ceiling(subject.ncsnr, subject.repeats[subject.is_test])
    np.testing.assert_array_equal(chosen, nc >= 10)
    found = Ceilings(subject, subject.rois, chosen)
    for k, mask in enumerate(subject.rois.values()):
        assert found.r[k] == pytest.approx(np.sqrt(nc[mask & chosen] / 100).mean())
        assert found.nc[k] == pytest.approx(nc[mask & chosen].mean())
    np.testing.assert_array_equal(found.draws(3), np.tile(found.r, (3, 1)))
    assert np.isnan(found.interval()).all()


def test_the_bench_tells_every_region_and_whether_the_goal_is_reached():
    found = bench.ceilings((2,), units=150, studies=1, regions=("V1", "ATL"))
    assert [row["region"] for row in found["rows"]] == ["V1", "ATL"]
    v1, atl = found["rows"]
    assert v1["ratio"] == pytest.approx(1, abs=0.05)
    assert atl["ceiling"] < 0.5 < v1["ceiling"]
    assert found["reached"] == all(0.98 <= row["ratio"] <= 1.02 for row in found["rows"])
    assert "ATL" in bench.as_text(found)
