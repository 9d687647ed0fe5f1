"""Planted parts of variance of two feature spaces against those found: raw, and less their floors, with intervals.

Responses are driven by a block of features that both spaces have and by one that each has alone, as much as the case
says; units have random weights of their own. The engine, grid and tests are those of a study.
"""

import numpy as np

SIZES = {"800/143": (800, 143, 0.01), "8500/1000": (8500, 1000, 0.005)}  # training and test images, the goal
CASES = {"both": (0.1, 0.1, 0.1), "apart": (0, 0.15, 0.15), "one": (0.1, 0.1, 0), "shared": (0.05, 0, 0)}
PARTS = ("shared", "unique_a", "unique_b")
COVER = 0.92, 0.98


def parts(data_sets=(40, 12), units=60, n_dims=25, draws=500, progress=None):
    """{"rows": [...], "reached"}: one row a size, case and part, means over data sets.

    data_sets : of each size; units : of the one region; n_dims : of each block
    Of a row: `truth`, `raw`, `found` (raw less the floor) and its standard error `se`; `covered`: the share of data
    sets whose 95 % interval holds the truth (only where a part was planted: what is 0 everywhere has no spread);
    `claimed`: the share of tests with p < .05
    """
    rows, total, done = [], sum(data_sets) * len(CASES), 0
    for (size, (n_train, n_test, goal)), n in zip(SIZES.items(), data_sets):
        for case, truth in CASES.items():
            found = []
            for seed in range(n):
                spaces, Y = planted(n_train + n_test, units, n_dims, truth, seed)
                own = measured(spaces, Y, np.arange(len(Y)) >= n_train, draws, seed)
                found.append([own[part] for part in PARTS])
                done += 1
                if progress:
                    progress(done, total, f"{size} {case}")
            for k, part in enumerate(PARTS):
                raw, value, low, high, p = np.array(found)[:, k].T
                row = {"images": size, "case": case, "part": part, "truth": truth[k], "raw": raw.mean()}
                row |= {"found": value.mean(), "se": value.std() / n**0.5, "claimed": (p < 0.05).mean()}
                covered = ((low <= truth[k]) & (truth[k] <= high)).mean() if truth[k] else np.nan
                row |= {"covered": covered, "data_sets": n, "goal": goal}
                rows.append({name: round(v, 4) if isinstance(v, float) else v for name, v in row.items()})
    true = [row for row in rows if row["truth"]]
    return {
        "rows": rows,
        "reached": all(abs(row["found"] - row["truth"]) <= row["goal"] for row in rows),
        "covered": round(float(np.mean([row["covered"] for row in true])), 3),
        "goal_covered": COVER,
    }


def planted(n, units, n_dims, truth, seed=0):
    """Spaces a and b, which have a block of features in common and one each alone, and responses (n, units)."""
    rng = np.random.default_rng(seed)
    X, w = rng.standard_normal((3, n, n_dims)), rng.standard_normal((3, n_dims, units))
    w /= (w**2).sum(1, keepdims=True) ** 0.5
    signal = sum(share**0.5 * x @ v for share, x, v in zip(truth, X, w))
    Y = signal + (1 - sum(truth)) ** 0.5 * rng.standard_normal((n, units))
    return {"a": np.hstack([X[0], X[1]]), "b": np.hstack([X[0], X[2]])}, Y


def measured(spaces, Y, is_test, draws=500, seed=0):
    """As a study finds them over all units as one region: {part: (raw, less its floor, low, high, p)}."""
    from brainalign import encoding, variance
    from brainalign.jobs import nested
    from brainalign.study import StatisticsChoice

    session = encoding.Session(Y.astype(np.float32), is_test, np.logspace(-2, 6, 17))
    joint = session.fit_joint(spaces, [0, 0.05, 0.2, 0.5, 0.8, 0.95, 1], keep=True)
    fits = {"a": joint.alone["a"], "b": joint.alone["b"], "ab": joint}

    def of(r2):
        return variance.partition(r2["a"], r2["b"], r2["ab"])

    everywhere, choice = np.ones(Y.shape[1], bool), StatisticsChoice(draws=draws)
    found = nested.part_intervals(session.y_test, fits, of, {"": everywhere}, everywhere, choice, seed)
    raw = of({name: fit.r2.mean() for name, fit in fits.items()})
    ends = {part: [found[f"{part}_{end}"][0] for end in ("floor", "low", "high", "p")] for part in PARTS}
    return {part: (raw[part], raw[part] - floor, *rest) for part, (floor, *rest) in ends.items()}


def as_text(found):
    """The table as lines to read."""
    lines = [f"{'images':>10} {'planted':8} {'part':9} {'truth':>6} {'raw':>7} {'less floor':>10} {'covered':>8}"]
    for row in found["rows"]:
        covered = f"{row['covered']:8.2f}" if row["truth"] else " " * 7 + "–"
        lines.append(
            f"{row['images']:>10} {row['case']:8} {row['part']:9} {row['truth']:6.2f} {row['raw']:7.4f} "
            f"{row['found']:10.4f} {covered}"
        )
    low, high = found["goal_covered"]
    lines.append(f"goal: within .01 at 800 images, .005 at 8,500: {'reached' if found['reached'] else 'missed'}")
    lines.append(f"95 % intervals of planted parts cover {found['covered']:.3f}; goal: {low} to {high}")
    return "\n".join(lines)
