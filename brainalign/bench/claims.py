"""What the pages of a published store claim, and which of these claims are false where the truth was planted.

A test is a function of a store and its `Plan` that gives a frame: one row a case in which nothing is there to be
found, and the columns `above` and `below`, whether the store says there is; a one-sided test has `above` alone. Where
a page corrects over a family (q), the family is the case. A store is read by the columns that pages read, one subject
after the other: what a page says of all subjects holds in each of them, and is claimed less often.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from brainalign import stats
from brainalign.jobs import planning, results
from brainalign.jobs.frames import regions

LEVEL = 0.05
MAP = ["subject", "model", "instruction", "pooling"]
COMPARED = ["subject", *(f"{name}_{side}" for side in "ab" for name in ("model", "instruction", "pooling"))]


@dataclass(frozen=True)
class Test:
    """cases : (store, plan) -> frame, see above; goal : the largest rate of false ones, for each sign.

    of_study : cases takes the study too, whose files tell what the right value is
    """

    cases: Callable
    goal: float = LEVEL
    of_study: bool = False


def counts(tests, store, plan, study):
    """{name of the test and sign: (false claims, cases)} of one study."""
    found = {}
    for name, test in tests.items():
        claims = test.cases(store, plan, study) if test.of_study else test.cases(store, plan)
        found |= {f"{name}, {sign}": (int(claims[sign].sum()), len(claims)) for sign in claims}
    return {name: numbers for name, numbers in found.items() if numbers[1]}


def goals(tests):
    """{name of the test and sign: goal}, of all signs that a test may have."""
    return {f"{name}, {sign}": test.goal for name, test in tests.items() for sign in ("above", "below", "missed")}


# --- Claims, by the columns that tell them ---


def _ends(rows, low, high):
    """The whole interval is on one side of 0."""
    rows = rows.dropna(subset=[low, high])
    return pd.DataFrame({"above": rows[low] > 0, "below": rows[high] < 0})


def _tested(rows, value, p="p"):
    """p, or q, is below LEVEL, and the value has a sign."""
    rows = rows.dropna(subset=[value, p])
    sure = rows[p] < LEVEL
    return pd.DataFrame({"above": sure & (rows[value] > 0), "below": sure & (rows[value] < 0)})


def _one_sided(rows, p="p"):
    rows = rows.dropna(subset=[p])
    return pd.DataFrame({"above": rows[p] < LEVEL})


def _any(claims, rows, family):
    """Whether a family holds a claim; rows : those from which the claims were made."""
    return claims.groupby([rows.loc[claims.index, name] for name in family]).any()


# --- Scores, contrasts, similarity: where responses follow no model ---


def _region(score):
    return lambda store, plan: _ends(store.rows("roi_nested"), f"{score}_low", f"{score}_high")


def _region_r2(store, plan, study):
    """Responses that no model explains are independent of its predictions, whose R2 is the less their mean square.

    It is below 0: predictions by weights that are estimated are worse than the training mean. So an interval is wrong
    where it leaves this value out, not where it lies below 0.
    """
    rows = store.rows("roi_nested").dropna(subset=["r2_low", "r2_high"])
    right = _mean_squares(study)
    right = [-right[key] for key in zip(rows.subject, rows.model, rows.instruction, rows.pooling, rows.roi)]
    return pd.DataFrame({"above": rows.r2_low > right, "below": rows.r2_high < right})


def _mean_squares(study):
    """{(subject, model, instruction, pooling, region): mean square of the chosen layers' predictions}."""
    jobs, found = planning.plan(study), {}
    people = {job.subject: results.read_arrays(job.path) for job in jobs if job.kind == "subject"}
    for job in (job for job in jobs if job.kind == "encode"):
        kept = results.read_arrays(job.beside)
        for pooling in job.inputs["poolings"]:
            squares = np.square(kept[f"{pooling}.yhat"].astype(float)).mean(0)
            for roi, (_, units) in regions(people[job.subject]).items():
                found[job.subject, job.model, job.instruction, pooling, roi] = np.nanmean(squares[units])
    return found


def _units_interval(store, plan):
    return _ends(store.rows("nested"), "r_low", "r_high")


def _units_q(store, plan):
    rows = store.rows("nested")
    return _any(_one_sided(rows, "q"), rows, MAP)


def _contrasts(store, kind, table="roi_contrasts"):
    rows = store.rows(table)
    same = rows.model_a == rows.model_b
    levels = rows.roi == "high - early"
    return rows[{"instructions": same & ~levels, "models": ~same, "levels": levels}[kind]]


def _contrast_p(kind):
    return lambda store, plan: _tested(_contrasts(store, kind), "difference")


def _contrast_q(kind, table="roi_contrasts", family=tuple(COMPARED)):
    def cases(store, plan):
        rows = _contrasts(store, kind, table)
        return _any(_tested(rows, "difference", "q"), rows, list(family))

    return cases


def _rsa_contrast(kind):
    return lambda store, plan: _ends(_contrasts(store, kind, "rsa_contrasts"), "low", "high")


def _rsa_p(store, plan):
    return _one_sided(store.rows("rsa_chosen"))


def _rsa_interval(store, plan):
    return _ends(store.rows("rsa_chosen"), "low", "high")


def _rsa_q(store, plan):
    rows = store.rows("rsa_chosen")
    return _any(_one_sided(rows, "q"), rows, MAP)


def _across(store, plan):
    """Of units where subjects have nothing in common. Pages show the map without a test: here it is that of r of n
    pictures, with twice the variance, as in cross-validation each pair of pictures counts twice, once each way round.
    """
    n = int(store.info().get("across_images") or store.subjects().test_images.min())
    r, most = _reliable(store).across_r.dropna(), 1.96 * (2 / n) ** 0.5
    r = r if _apart(plan) else r[:0]
    return pd.DataFrame({"above": r > most, "below": r < -most})


def _winners(store, plan):
    return _one_sided(store.rows("winner_reliability"))


def _apart(plan):
    return not plan.common


def _reliable(store):
    """Rows of the reliable units of all subjects."""
    rows = store.rows("units")
    return rows[rows.reliable]


# --- Parts of variance ---

BY_P, BY_Q = "p < .05", "q < .05"
ENDS = ("floor", "low", "high", "p")


def _pairs(store):
    """Parts of two, a row each; of: the instructions whose part it is; others as in `_parts`."""
    rows = store.rows("roi_variance")
    rows = rows[rows.a < rows.b]  # each is there both ways round
    sides = {"shared": rows.a + " " + rows.b, "unique_a": rows.a, "unique_b": rows.b}
    long = []
    for part, of in sides.items():
        ends = {end: rows[f"{part}_{end}"] for end in ENDS if f"{part}_{end}" in rows}
        long.append(rows[["subject", "model", "a", "b", "roi"]].assign(part=part, of=of, value=rows[part], **ends))
    return _parts(pd.concat(long, ignore_index=True), ["subject", "model", "a", "b", "roi"])


def _triples(store):
    """Parts of three, as `_pairs`."""
    rows = store.rows("roi_triples")
    sides = rows.part.str.rpartition("_")[2]  # such as "ab"
    of = [" ".join(row[side] for side in letters) for letters, (_, row) in zip(sides, rows.iterrows())]
    return _parts(rows.assign(of=of), ["subject", "model", "a", "b", "c", "roi"])


def _rest(store):
    """What each explains beyond all the others, as `_pairs`."""
    rows = store.rows("roi_uniques")
    rows = rows.assign(of=rows.instruction, part="unique", value=rows.unique_r2)
    return _parts(rows, ["subject", "model", "roi"])


def _parts(rows, family):
    """Parts with q over the family that a page shows together, and `over`, how far they are from their floor.

    A store of an earlier version has neither floors nor p: there a part is claimed by its interval.
    """
    rows = rows.assign(family=[" ".join(map(str, row)) for row in rows[family].itertuples(index=False)])
    if "p" not in rows:
        return rows
    return rows.assign(q=rows.groupby("family").p.transform(stats.fdr), over=rows.value - rows.floor)


def _claimed(rows, by):
    if "p" not in rows:
        return _ends(rows, "low", "high")
    return _tested(rows, "over", by[0])


def _part(parts, kind):
    """Of every part of a kind, by itself."""

    def cases(store, plan):
        rows = parts(store)
        return _claimed(rows[rows.part.str.startswith(kind)], BY_P)

    return cases


def _any_part(parts):
    def cases(store, plan):
        rows = parts(store)
        return _any(_claimed(rows, BY_Q), rows, ["family"])

    return cases


NULL = {
    "unit r, 95 % interval": Test(_units_interval),
    "unit r, any q < .05 in a map": Test(_units_q),
    "region r, 95 % interval": Test(_region("r")),
    "region r / ceiling, 95 % interval": Test(_region("r_norm")),
    "region R2, 95 % interval": Test(_region_r2, of_study=True),
    "instructions compared, p < .05": Test(_contrast_p("instructions")),
    "instructions compared, any q < .05 in a comparison": Test(_contrast_q("instructions")),
    "models compared, p < .05": Test(_contrast_p("models")),
    "models compared, any q < .05 in a comparison": Test(_contrast_q("models")),
    "high - early, p < .05": Test(_contrast_p("levels")),
    "high - early, any q < .05 in a subject": Test(_contrast_q("levels", family=["subject"])),
    "shared of two, p < .05": Test(_part(_pairs, "shared")),
    "unique of two, p < .05": Test(_part(_pairs, "unique")),
    "parts of two, any q < .05": Test(_any_part(_pairs)),
    "shared parts of three, p < .05": Test(_part(_triples, "shared")),
    "unique parts of three, p < .05": Test(_part(_triples, "unique")),
    "parts of three, any q < .05": Test(_any_part(_triples)),
    "unique beyond all others, p < .05": Test(_part(_rest, "unique")),
    "unique beyond all others, any q < .05": Test(_any_part(_rest)),
    "similarity, p < .05": Test(_rsa_p),
    "similarity, any q < .05 in a map": Test(_rsa_q),
    "similarity, 95 % interval": Test(_rsa_interval),
    "similarity of instructions compared, 95 % interval": Test(_rsa_contrast("instructions")),
    "similarity of instructions compared, any q < .05": Test(_contrast_q("instructions", "rsa_contrasts")),
    "similarity of models compared, 95 % interval": Test(_rsa_contrast("models")),
    "similarity of models compared, any q < .05": Test(_contrast_q("models", "rsa_contrasts")),
    "winners agree, p < .05": Test(_winners),
    "unit r from other subjects, beyond 1.96 sqrt(2 / n), nothing in common": Test(_across),
}


# --- Parts of variance where one instruction drives the responses ---


def _own(parts):
    """What the driver alone explains: missed where it is not claimed to be above 0."""

    def cases(store, plan):
        rows = parts(store)
        return pd.DataFrame({"missed": ~_claimed(rows[rows.of == plan.driver], BY_Q).above})

    return cases


def _others(parts, by):
    """Parts without the driver in families that hold it: with it known, nothing is left for the others."""

    def cases(store, plan):
        rows = parts(store)
        without = ~_names(rows, plan.driver)
        return _claimed(rows[without & ~without.groupby(rows.family).transform("all")], by)

    return cases


def _names(rows, one):
    return rows.of.str.split(" ").map(lambda ids: one in ids)


def _unrelated(store, plan):
    """Shared parts of pairs, where no two instructions have anything in common."""
    rows = _pairs(store)
    return _claimed(rows[(rows.part == "shared") & (not any(plan.related))], BY_P)


SETS = {"of two": _pairs, "of three": _triples, "beyond all others": _rest}
DRIVEN = {f"the driver's own {where}": Test(_own(parts)) for where, parts in SETS.items()}
DRIVEN |= {
    f"others' {where}, {by}": Test(_others(parts, by), LEVEL / 2)
    for where, parts in SETS.items()
    for by in (BY_P, BY_Q)
}
DRIVEN |= {"shared of two, p < .05": Test(_unrelated, LEVEL / 2)}


# --- Quantities without a test of their own, whose right value is 0 where responses follow no model ---


MEANS = {  # name: function of a store, and of which plans
    "region R2": (lambda store: store.rows("roi_nested").r2, None),
    "region r": (lambda store: store.rows("roi_nested").r, None),
    "region r at a profile's best layer": (
        lambda store: store.roi_scores().groupby([*MAP, "roi"]).r_mean.max(),
        None,
    ),
    "shared of two": (lambda store: _reduced(_pairs(store), "shared"), None),
    "unique of two": (lambda store: _reduced(_pairs(store), "unique"), None),
    "unique beyond all others": (lambda store: _reduced(_rest(store), "unique"), None),
    "r of a subject from others, nothing in common": (lambda store: _reliable(store).across_r, _apart),
    "lower bound of similarity, nothing in common": (lambda store: store.rows("rsa_ceilings").lower, _apart),
}


def _reduced(rows, kind):
    """Parts less their floor, where the store has one."""
    rows = rows[rows.part.str.startswith(kind)]
    return rows.over if "over" in rows else rows.value


def means(store, plan):
    """{name: mean over a study}."""
    return {name: float(of(store).mean()) for name, (of, where) in MEANS.items() if where is None or where(plan)}
