"""r / ceiling of a perfect predictor in every region of the simulated cortex; it should be 1 however weak the region.

Units are planted as in a simulated root (`demo.cortex`), many in each region, and answer its pictures in its order of
trials, with its noise. They are z-scored and averaged as NSD's are; the prediction is the planted signal itself.
"""

import numpy as np

from brainalign import stats
from brainalign.ceilings import Ceilings, reliable

GOAL = 0.98, 1.02
LEAST = 10.0  # percent: the noise ceiling from which a unit stands for its region, as in a study


def ceilings(sessions=(3, 40), units=1200, studies=8, regions=None):
    """{"rows": [...], "goal", "reached"}: one row a region and number of sessions, means over studies.

    units : planted in a region; studies : of which each has its own pictures, trials and noise; a quarter of both
    from ten sessions on, where less noise is left; regions : names, by default all that are planted
    Of a row: `ratio`: mean r over the mean ceiling, over the region's reliable units; `sd` over studies; `inside`: the
    share of studies whose 95 % interval of r / ceiling holds 1; `by_ncsnr`: the mean of r / sqrt(NC) with units chosen
    and divided by one ncsnr; `ceiling` and `units` of them
    """
    rows = []
    for n in sessions:
        part = 4 if n >= 10 else 1
        found = [_study(n, units // part, seed, regions) for seed in range(max(1, studies // part))]
        for region in found[0]:
            values = {name: np.array([study[region][name] for study in found]) for name in found[0][region]}
            means = {name: round(float(np.mean(own)), 3) for name, own in values.items()}
            rows.append({"region": region, "sessions": n} | means | {"sd": round(float(np.std(values["ratio"])), 3)})
    reached = all(GOAL[0] <= row["ratio"] <= GOAL[1] for row in rows)
    return {"rows": rows, "goal": GOAL, "reached": reached, "studies": studies, "planted": units}


def as_text(found):
    """The table as lines to read."""
    lines = [f"r / ceiling of a perfect predictor, {found['studies']} studies, {found['planted']} units a region"]
    lines += [
        f"{'region':15} {'sessions':>8} {'units':>6} {'ceiling':>8} {'by ncsnr':>9} {'r / ceiling':>12} {'sd':>6}"
    ]
    for row in found["rows"]:
        lines.append(
            f"{row['region']:15} {row['sessions']:8} {row['units']:6.0f} {row['ceiling']:8.3f} {row['by_ncsnr']:9.3f} "
            f"{row['ratio']:12.3f} {row['sd']:6.3f}"
        )
    low, high = found["goal"]
    return "\n".join([*lines, f"goal: {low} to {high} everywhere: {'reached' if found['reached'] else 'missed'}"])


def simulated(sessions, units, seed=0, regions=None):
    """(Subject, noiseless signal of its test pictures (n_test, n_units)); regions : names, by default all planted."""
    from types import MappingProxyType

    from brainalign.demo import cortex, noise
    from brainalign.demo.content import features
    from brainalign.demo.design import N_TRIALS, design
    from brainalign.demo.head import head
    from brainalign.demo.scenes import scene
    from brainalign.demo.subject import VOXEL
    from brainalign.nsd.subject import averaged
    from brainalign.types import Subject

    rng, plan, anatomy = np.random.default_rng([seed, 7]), design(seed), head(1, seed, VOXEL)
    ids, rows, repeats = np.unique(plan.trials(1, sessions), return_inverse=True, return_counts=True)
    vertices = anatomy.home.ravel()[anatomy.places]
    planted, regions = cortex.vertex_regions()[vertices], regions or cortex.REGIONS
    chosen = np.concatenate([rng.choice(np.flatnonzero(planted == cortex.REGIONS.index(r)), units) for r in regions])
    values = np.stack([features(scene(i, seed)) for i in ids.tolist()])
    truth = cortex.plant(anatomy.places[chosen], vertices[chosen], values, repeats, rng)
    signal, sd = cortex.responses(truth, values).astype("f4"), truth.noise_sd.astype("f4")
    rows, everywhere = rows.reshape(sessions, N_TRIALS), np.arange(len(chosen))

    def shown():
        for row in rows:
            yield noise.standardised(noise.record(signal[row], everywhere, sd, rng)), np.ones(len(chosen), bool)

    is_test = np.isin(ids + 1, plan.shared)
    betas, valid, known = averaged(shown(), rows, is_test, len(chosen))
    named = np.repeat(list(regions), units)
    rois = {region: named == region for region in regions}
    about = "subj01", "func1pt8mm", betas, ids, repeats, is_test, everywhere, MappingProxyType(rois)
    freedom = repeats - 1
    trial = (known["scatter"].sum(0) + known["train_noise"] * freedom[~is_test].sum()) / freedom.sum()
    ncsnr = np.sqrt(np.maximum(0, 1 - trial) / trial)
    return Subject(*about, ncsnr, valid, **known), signal[is_test]


def _study(sessions, units, seed, regions):
    """region -> {"ratio", "inside", "by_ncsnr", "ceiling", "units"} of one simulated subject."""
    subject, signal = simulated(sessions, units, seed, regions)
    y, chosen = subject.betas[subject.is_test], reliable(subject, LEAST)
    r, nc = stats.correlate(y, signal), stats.noise_ceiling(subject.ncsnr, subject.repeats[subject.is_test])
    ceilings, found = Ceilings(subject, subject.rois, chosen), {}
    alone = stats.normalise(r, nc, LEAST)
    draws = ceilings.draws(500)
    for k, (region, mask) in enumerate(subject.rois.items()):
        own = mask & chosen
        drawn = stats.bootstrap(y[:, own], {"": signal[:, own]}, 500, score="r")[""].mean(1)
        low, high = stats.interval(drawn / draws[:, k])
        found[region] = {
            "ratio": r[own].mean() / ceilings.r[k],
            "inside": low <= 1 <= high,
            "by_ncsnr": np.nanmean(alone[mask]),
            "ceiling": ceilings.r[k],
            "units": own.sum(),
        }
    return found
