"""Tables of the chosen layers' scores, how sure they are, and which differ, from the files beside the encode jobs."""

from itertools import combinations

import numpy as np
import pandas as pd

from brainalign import stats
from brainalign.jobs import results
from brainalign.jobs.frames import ceilings, labelled, mean, regions, rounded, rounded_means

LEVEL = 0.05
ENDS = 3  # decimals of a unit's interval in the store: it is tens of times as wide
SCORES = ("r", "r_norm", "r2")
LEVELS = "high - early"  # stands in the place of a region
COLUMNS = ("r", "r2", "r_low", "r_high", "p", "q")
TESTED = ("difference", "low", "high", "p", "q")


def nested(job, person):
    """Rows of `nested`: one Arrow table a pooling."""
    for pooling, found in _chosen(job).items():
        units = {"unit": np.arange(len(found["layer"]), dtype=np.uint32), "layer": found["layer"].astype(np.int8)}
        found["q"] = _q(found["p"], person)
        found |= {end: np.round(found[end].astype(np.float64), ENDS) for end in ("r_low", "r_high")}
        columns = units | {name: found[name] for name in COLUMNS}
        labels = {"subject": job.subject, "model": job.model, "instruction": job.instruction, "pooling": pooling}
        yield labelled(columns, COLUMNS, **labels)


def roi_nested(job, person):
    """Rows of `roi_nested`."""
    rows, tops, row = [], ceilings(person), _row(job)
    for pooling, found in _chosen(job).items():
        q = _q(found["p"], person)
        for roi, (n_all, units) in regions(person).items():
            known = units[found["layer"][units] >= 0]
            rows.append({"pooling": pooling, "roi": roi, "n": len(known), "n_all": n_all})
            rows[-1] |= {"layer": mean(found["layer"][known], np.median)} | tops[roi]
            rows[-1] |= {"significant": mean(1.0 * (q[known] < LEVEL))}
            means = {score: mean(found[score][units]) for score in ("r", "r2")}
            means["r_norm"] = means["r"] / tops[roi]["r_ceiling"]
            for score in SCORES:
                value, draws = means[score], found[f"draws_{score}"][:, row[roi]].astype(np.float64)
                low, high = stats.interval_r2(value, draws) if score == "r2" else stats.interval(draws)
                rows[-1] |= {score: value, f"{score}_low": low, f"{score}_high": high}
    labels = {"subject": job.subject, "model": job.model, "instruction": job.instruction}
    return rounded_means(pd.DataFrame([labels | row for row in rows]).sort_values(["pooling", "roi"]))


def contrasts(jobs, person):
    """Rows of `roi_contrasts` for one subject: differences of means, by draws of the same test images.

    Compared are r of the instructions of one model and of the models under one instruction (or where one takes
    none), and r / ceiling of the high-level with the early areas in each map, whose ceilings differ.
    """
    maps = [(job.model, job.instruction, pooling) for job in jobs for pooling in job.inputs["poolings"]]
    draws, means, levels = {}, {}, []
    for job in jobs:
        for pooling, found in _chosen(job).items():
            key = job.model, job.instruction, pooling
            draws[key] = pd.DataFrame(found["draws_r"], columns=_row(job))
            means[key] = pd.Series({roi: mean(found["r"][units]) for roi, (_, units) in regions(person).items()})
            levels += _levels(key, found, _row(job), person)
    rows = compared(maps, draws, means)
    if levels:
        levels = pd.concat(levels)
        rows.append(levels.assign(q=stats.fdr(levels.p)))
    frame = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()
    return frame.assign(subject=jobs[0].subject, **{n: rounded(frame[n]) for n in TESTED})


def compared(maps, draws, means):
    """Frames of the differences of every two maps that can be compared, q over the regions of each.

    maps : (model, instruction, pooling) in the study's order; draws : map -> frame, a column a region; means : map ->
    series by region
    """
    usual = {(model, instruction): pooling for model, instruction, pooling in reversed(maps)}
    return [_compared(a, b, draws, means) for a, b in combinations(maps, 2) if _comparable(a, b, usual)]


def _comparable(a, b, usual):
    same_model, same_words = a[0] == b[0], a[1] == b[1] or "" in (a[1], b[1])
    if same_model:
        return a[1] != b[1] and a[2] == b[2]
    return same_words and usual[a[:2]] == a[2] and usual[b[:2]] == b[2]


def _compared(a, b, draws, means):
    found = pd.DataFrame(_tested(draws[a] - draws[b], means[a] - means[b]))
    found["q"] = stats.fdr(found.p)
    return found.assign(**_named("a", a), **_named("b", b))


def _levels(key, found, row, person):
    """[High-level minus early areas in one map], where the subject has both."""
    if not {"early", "high"} <= set(row):
        return []
    tops, units = ceilings(person), regions(person)
    high, early = (mean(found["r"][units[level][1]]) / tops[level]["r_ceiling"] for level in ("high", "early"))
    difference = pd.Series({LEVELS: high - early})
    drawn = pd.DataFrame({LEVELS: found["draws_r_norm"][:, row["high"]] - found["draws_r_norm"][:, row["early"]]})
    return [pd.DataFrame(_tested(drawn, difference)).assign(**_named("a", key), **_named("b", key))]


def _tested(draws, difference):
    values = draws.to_numpy(np.float64)
    low, high = stats.interval(values)
    p = np.where(np.isnan(values).any(0), np.nan, stats.sign_p(values))
    return {"roi": list(draws), "difference": difference[list(draws)].to_numpy(), "low": low, "high": high, "p": p}


def _named(side, key):
    return dict(zip((f"model_{side}", f"instruction_{side}", f"pooling_{side}"), key))


def _q(p, person):
    """Benjamini-Hochberg over the reliable units; NaN for the others."""
    return stats.fdr(np.where(person["reliable"], p, np.nan))


def _chosen(job):
    """{pooling: {name: array}} of the file beside an encode job, without the predictions."""
    found = results.read_arrays(job.beside, leave=".yhat")
    return {
        pooling: {name.partition(".")[2]: found[name] for name in found if name.startswith(f"{pooling}.")}
        for pooling in sorted(job.inputs["poolings"])
    }


def _row(job):
    """Region -> its column in the draws."""
    return {name: k for k, name in enumerate(results.read_arrays(job.beside, leave=".")["regions"].tolist())}
