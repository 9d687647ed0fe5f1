"""What the pages of a published store claim, and which of these claims are false where the truth was planted.

A test is a function of a store and its `Plan` that gives a frame: one row a case in which nothing is there to be
found, and the columns `above` and `below`, whether the store says there is; a one-sided test has `above` alone. Where
a page corrects over a family (q), the family is the case. A store is read by the columns that pages read.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

LEVEL = 0.05
MAP = ["subject", "model", "instruction", "pooling"]
COMPARED = ["subject", *(f"{name}_{side}" for side in "ab" for name in ("model", "instruction", "pooling"))]
PARTS = ("shared", "unique_a", "unique_b")


@dataclass(frozen=True)
class Test:
    """cases : (store, plan) -> frame, see above; goal : the largest rate of false ones, for each sign."""

    cases: Callable
    goal: float = LEVEL


def counts(tests, store, plan):
    """{name of the test and sign: (false claims, cases)} of one study."""
    found = {}
    for name, test in tests.items():
        claims = test.cases(store, plan)
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
    r, most = _reliable(store).across_r.dropna(), 1.96 * (2 / store.subjects().test_images.min()) ** 0.5
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


def _part(rows, name):
    """Of a part of variance, by its p where a store has one, else by its interval; name : "" where a row is a part."""
    prefix = f"{name}_" if name else ""
    if f"{prefix}p" not in rows:
        return _ends(rows, f"{prefix}low", f"{prefix}high")
    value = name or ("value" if "value" in rows else "unique_r2")
    return _tested(rows.assign(over=rows[value] - rows[f"{prefix}floor"]), "over", f"{prefix}p")


def _pairs(store):
    """Rows of pairs, once each."""
    rows = store.rows("roi_variance")
    return rows[rows.a < rows.b]


def _shared(store, plan):
    return _part(_pairs(store), "shared")


def _unique(store, plan):
    return _part(store.rows("roi_variance"), "unique_a")  # each pair is there both ways round


def _triple(kind):
    def cases(store, plan):
        rows = store.rows("roi_triples")
        return _part(rows[rows.part.str.startswith(kind)], "")

    return cases


def _beyond_all(store, plan):
    return _part(store.rows("roi_uniques"), "")


NULL = {
    "unit r, 95 % interval": Test(_units_interval),
    "unit r, any q < .05 in a map": Test(_units_q),
    "region r, 95 % interval": Test(_region("r")),
    "region r / ceiling, 95 % interval": Test(_region("r_norm")),
    "region R2, 95 % interval": Test(_region("r2")),
    "instructions compared, p < .05": Test(_contrast_p("instructions")),
    "instructions compared, any q < .05 in a comparison": Test(_contrast_q("instructions")),
    "models compared, p < .05": Test(_contrast_p("models")),
    "models compared, any q < .05 in a comparison": Test(_contrast_q("models")),
    "high - early, p < .05": Test(_contrast_p("levels")),
    "high - early, any q < .05 in a subject": Test(_contrast_q("levels", family=["subject"])),
    "shared of two": Test(_shared),
    "unique of two": Test(_unique),
    "shared parts of three": Test(_triple("shared")),
    "unique parts of three": Test(_triple("unique")),
    "unique beyond all others": Test(_beyond_all),
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


def _missed(claims):
    return pd.DataFrame({"missed": ~claims.above})


def _own_of_two(store, plan):
    rows = store.rows("roi_variance", a=plan.driver)
    return _missed(_part(rows, "unique_a"))


def _own_beyond_all(store, plan):
    return _missed(_part(store.rows("roi_uniques", instruction=plan.driver), ""))


def _other_of_two(store, plan):
    """What another explains beyond the driver."""
    return _part(store.rows("roi_variance", a=plan.driver), "unique_b")


def _others_of_three(store, plan):
    """Parts of three that leave out the driver, which is one of them."""
    rows = store.rows("roi_triples")
    of = rows.part.str.rpartition("_")[2]  # such as "ab"
    without = [(rows[side] == plan.driver) & ~of.str.contains(side) for side in "abc"]
    return _part(rows[without[0] | without[1] | without[2]], "")


def _others_beyond_all(store, plan):
    rows = store.rows("roi_uniques")
    return _part(rows[rows.instruction != plan.driver], "")


def _shared_with_none(store, plan):
    """Shared parts of pairs, where no two instructions have anything in common."""
    return _part(_pairs(store)[: None if not any(plan.related) else 0], "shared")


DRIVEN = {
    "the driver's own beyond another": Test(_own_of_two),
    "the driver's own beyond all others": Test(_own_beyond_all),
    "another's beyond the driver": Test(_other_of_two, LEVEL / 2),
    "parts of three without the driver": Test(_others_of_three, LEVEL / 2),
    "another's beyond all others": Test(_others_beyond_all, LEVEL / 2),
    "shared of two": Test(_shared_with_none, LEVEL / 2),
}


# --- Quantities without a test of their own, whose right value is 0 where responses follow no model ---


MEANS = {  # name: function of a store, and of which plans
    "region R2": (lambda store: store.rows("roi_nested").r2, None),
    "region r": (lambda store: store.rows("roi_nested").r, None),
    "region r at a profile's best layer": (
        lambda store: store.roi_scores().groupby([*MAP, "roi"]).r_mean.max(),
        None,
    ),
    "shared of two": (lambda store: _reduced(_pairs(store), "shared"), None),
    "unique of two": (lambda store: _reduced(store.rows("roi_variance"), "unique_a"), None),
    "unique beyond all others": (lambda store: _reduced(store.rows("roi_uniques"), ""), None),
    "r of a subject from others, nothing in common": (lambda store: _reliable(store).across_r, _apart),
    "lower bound of similarity, nothing in common": (lambda store: store.rows("rsa_ceilings").lower, _apart),
}


def _reduced(rows, part):
    """Values of a part less their floor, where the store has one."""
    value = part or "unique_r2"
    floor = f"{part}_floor" if part else "floor"
    return rows[value] - rows[floor] if floor in rows else rows[value]


def means(store, plan):
    """{name: mean over a study}."""
    return {name: float(of(store).mean()) for name, (of, where) in MEANS.items() if where is None or where(plan)}
