"""What trials share by their order alone passes for nothing between subjects, and what pictures evoke is found."""

import numpy as np
import pytest

from brainalign import encoding, rsa
from brainalign.demo.design import design
from brainalign.nsd import trend
from brainalign.types import Trials

SESSIONS, SUBJECTS, UNITS = 3, 4, 60
RUNS = np.array([63, 62] * 6)
RUN = np.repeat(np.arange(12 * SESSIONS), np.tile(RUNS, SESSIONS))
PLAN = design(0).ordering[: 750 * SESSIONS].astype(int)


def in_two_runs():
    """Trials of the shared pictures that were shown in two runs, and their pictures from 0."""
    shared = np.stack([PLAN, RUN])[:, PLAN <= 1000]
    pictures, count = np.unique(np.unique(shared, axis=1)[0], return_counts=True)
    rows = np.flatnonzero(np.isin(PLAN, pictures[count > 1]))
    return rows, np.unique(PLAN[rows], return_inverse=True)[1]


def drift(kind, rng):
    """(sessions, 750), a twelfth of a trial's noise in variance, as of a line from -0.5 to 0.5 of its sd."""
    time = np.linspace(-1, 1, 750)
    if kind == "linear":
        found = rng.choice([-1, 1], (SESSIONS, 1)) * time
    elif kind == "waves":
        found = rng.standard_normal((SESSIONS, 6)) @ np.cos(np.pi / 2 * np.arange(1, 7)[:, None] * (time + 1))
    else:
        found = rng.standard_normal((SESSIONS, 750)).cumsum(1)
    found -= found.mean(1, keepdims=True)
    return found / found.std(1, keepdims=True) / np.sqrt(12)


def subjects(kind="", alike=True, signal=0.0, seed=0):
    """(sessions, 750, units) of each subject: responses to pictures, noise, and a drift of one shape for all units."""
    rng, made = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    content = rng.standard_normal((10_001, 8)) / np.sqrt(8)
    shapes = [drift(kind, made) if kind else np.zeros((SESSIONS, 750)) for _ in range(SUBJECTS)]
    for k in range(SUBJECTS):
        values = signal * content[PLAN] @ rng.standard_normal((8, UNITS)) + rng.standard_normal((len(PLAN), UNITS))
        weight = 1 + 0.3 * rng.standard_normal(UNITS)
        yield values.reshape(SESSIONS, 750, UNITS) + shapes[0 if alike else k][:, :, None] * weight


def trials(people, detrended=True):
    rows, shown = in_two_runs()
    for sessions in people:
        for session in sessions:
            if detrended:
                trend.remove(session, RUNS)
            session -= session.mean(0)
            session /= session.std(0)
        yield Trials(shown, RUN[rows], sessions.reshape(-1, UNITS)[rows])


def across(people):
    return encoding.cross_subject(people[0], people[1:], np.logspace(0, 6, 7), 4).r.mean()


def lower_bound(people, distance=rsa.crossnobis, apart=True):
    """Of the ceiling of similarity, mean over subjects; apart : products of different runs only."""
    rdms = []
    for one in people:
        values = one.values / rsa.noise_sd(one.values, one.shown)
        rdms.append(distance(values, one.shown, one.run if apart else np.arange(len(one.run))))
    return rsa.ceiling(np.stack(rdms))[0].mean()


def of_means(people):
    """`across` of the means over all trials of a picture, as if each had been measured in two runs."""
    pictures = range(people[0].shown.max() + 1)
    means = [np.stack([one.values[one.shown == k].mean(0) for k in pictures]) for one in people]
    twice = np.arange(2 * len(means[0]))
    return across([Trials(twice % len(mean), twice // len(mean), np.tile(mean, (2, 1))) for mean in means])


def by_correlation(people):
    return lower_bound(people, rsa.mean_correlation)


@pytest.mark.parametrize("alike", [True, False])
@pytest.mark.parametrize("kind", ["linear", "waves", "walk"])
def test_a_drift_in_the_common_order_makes_no_subjects_alike(kind, alike):
    """The same noise with and without a drift, which does make subjects alike where trials are taken as they are."""
    found = []
    for seed in range(3):
        plain, drifting = (list(trials(subjects(k, alike, seed=seed))) for k in ("", kind))
        as_they_are = list(trials(subjects(kind, alike, seed=seed), detrended=False))
        scores = [ask(drifting) - ask(plain) for ask in (across, lower_bound, by_correlation)]
        found.append([*scores, of_means(as_they_are), lower_bound(as_they_are, apart=False)])
    *shared, untreated_r, untreated_lower = np.mean(found, axis=0)
    assert np.abs(shared).max() < 0.005
    assert min(untreated_r, untreated_lower) > 0.05


def test_noise_alone_makes_nobody_alike():
    asked = across, lower_bound, by_correlation
    found = [[ask(people) for ask in asked] for people in (list(trials(subjects(seed=k))) for k in range(6))]
    assert np.abs(np.mean(found, axis=0)).max() < 0.02


def test_what_pictures_evoke_is_found_and_scored_as_means_are():
    """r is lower than that of means over all trials only by the noise of the trials of others that are left out."""
    people = list(trials(subjects("walk", signal=1.0)))
    assert lower_bound(people) > 0.7
    assert of_means(people) - 0.05 < across(people) < of_means(people)
    assert across(people) > 0.6
