"""The bench of false claims: what is planted is there, claims are counted as pages make them, few seeds are clean."""

import json
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy.stats import binom
from sklearn.linear_model import Ridge

from brainalign import features, nsd, stats
from brainalign.bench import claims, planted, rates
from brainalign.cli import main
from brainalign.jobs import planning

INDEPENDENT = 4  # cases of a study that may be taken as independent, of the many that share pictures and noise
QUICK = {"subjects": (1,), "permutations": 200, "draws": 200}


class Frames:
    """Tables in the place of a store's."""

    def __init__(self, **tables):
        self.tables = tables

    def rows(self, table, **equal):
        found = self.tables[table]
        for name, value in equal.items():
            found = found[found[name] == value]
        return found


KEY = {"subject": "subj01", "model": "llava-demo", "roi": "V1"}


def pairs(**columns):
    """Rows of `roi_variance` of IC and VQ1 in which no part is claimed, but for these columns."""
    ends = {"": 0.0, "_floor": 0.0, "_low": -0.1, "_high": 0.1, "_p": 0.5}
    usual = {f"{part}{end}": value for part in ("shared", "unique_a", "unique_b") for end, value in ends.items()}
    return pd.DataFrame(KEY | {"a": "IC", "b": "VQ1"} | usual | columns)


def test_an_interval_claims_what_lies_wholly_on_one_side():
    rows = pd.DataFrame({"r_low": [0.1, -0.2, -0.1, np.nan], "r_high": [0.2, -0.1, 0.1, np.nan]})
    tests = {"r": claims.Test(claims.NULL["region r, 95 % interval"].cases, 0.05)}
    assert claims.counts(tests, Frames(roi_nested=rows), None, None) == {"r, above": (1, 3), "r, below": (1, 3)}


def test_a_family_claims_when_any_of_its_members_does():
    key = {"subject": "subj01", "model": "m", "pooling": "p"}
    rows = pd.DataFrame(key | {"instruction": ["IC"] * 3 + ["CR"] * 2, "q": [0.2, 0.01, 0.04, 0.3, np.nan]})
    assert claims.NULL["unit r, any q < .05 in a map"].cases(Frames(nested=rows), None).above.tolist() == [False, True]
    row = {"subject": "subj01", "pooling_a": "p", "pooling_b": "p", "instruction_a": "IC", "instruction_b": "CR"}
    row |= {"model_a": ["m", "m", "m", "m"], "model_b": ["m", "m", "n", "m"]}
    row |= {"roi": ["V1", "V2", "V1", "high - early"]}
    rows = pd.DataFrame(row | {"difference": [-0.1, 0.1, 0.1, 0.1], "q": [0.01, 0.2, 0.01, 0.01]})
    found = claims.NULL["instructions compared, any q < .05 in a comparison"].cases(Frames(roi_contrasts=rows), None)
    assert found.values.tolist() == [[False, True]]


def test_a_part_with_a_floor_is_judged_by_its_own_p_and_its_side_of_the_floor():
    rows = pairs(shared=[-0.02, 0.01, 0.03, -0.09], shared_floor=-0.03, shared_p=[0.01, 0.2, 0.03, 0.01])
    rows = rows.assign(roi=list("wxyz"), shared_low=-1.0, shared_high=-0.5)
    store = Frames(roi_variance=pd.concat([rows, rows.assign(a="VQ1", b="IC")]))  # each pair both ways round
    found = claims.NULL["shared of two, p < .05"].cases(store, None)
    assert found.above.tolist() == [True, False, True, False]
    assert found.below.tolist() == [False, False, False, True]
    found = claims.NULL["parts of two, any q < .05"].cases(store, None)
    assert found.above.tolist() == [True, False, False, False]  # 0.03 is 0.09 among three
    assert found.below.tolist() == [False, False, False, True]


def test_where_no_p_is_known_the_interval_claims():
    rows = pairs(shared_low=[0.1, -0.3], shared_high=[0.2, -0.2]).drop(
        columns=["shared_p", "unique_a_p", "unique_b_p"]
    )
    found = claims.NULL["shared of two, p < .05"].cases(Frames(roi_variance=rows), None)
    assert found.values.tolist() == [[True, False], [False, True]]


def test_what_a_driver_explains_is_no_false_claim():
    """VQ1 drives: its own parts are to be found, parts that it has a share in are true, all others are false."""
    of = ["unique_a", "unique_b", "unique_c", "shared_ab", "shared_ac", "shared_bc", "shared_abc"]
    p = {"floor": 0.0, "low": np.nan, "high": np.nan, "p": 0.001}
    three = {"a": "IC", "b": "VQ1", "c": "CR", "part": of, "value": [0.1, 0.1, -0.1, 0.1, 0.1, 0.1, 0.1]}
    pair = {f"{part}_p": 0.001 for part in ("shared", "unique_a", "unique_b")}
    two = pd.concat([pairs(shared=[0.1], unique_a=0.1, unique_b=-0.1, **pair), pairs(b=["CR"], unique_a=0.1, **pair)])
    rest = {"instruction": ["IC", "VQ1", "CR"], "unique_r2": 0.1} | p | {"p": [0.04, 0.001, 0.4]}
    store = Frames(roi_triples=pd.DataFrame(KEY | three | p), roi_uniques=pd.DataFrame(KEY | rest), roi_variance=two)
    found = claims.counts(claims.DRIVEN, store, planted.Plan(0, "VQ1", (0.5, 0.5, 0.5)), None)
    assert found["others' of three, p < .05, above"] == (2, 3)  # unique_a and shared_ac, not unique_c
    assert found["others' of three, q < .05, below"] == (1, 3)
    assert found["others' beyond all others, p < .05, above"] == (1, 2)
    assert found["others' beyond all others, q < .05, above"] == (0, 2)  # 0.04 is 0.06 among three
    assert found["others' of two, p < .05, above"] == (1, 1)  # of IC beyond VQ1; IC and CR share what is VQ1's
    assert found["the driver's own of two, missed"] == (1, 1)  # it is below 0
    assert found["the driver's own of three, missed"] == (0, 1)
    assert found["the driver's own beyond all others, missed"] == (0, 1)
    assert "shared of two, p < .05, above" not in found  # half of each is the driver's: there is something to share


def test_rates_are_of_all_studies_and_their_largest_is_told():
    one = {"counts": {"a test, above": (1, 10)}, "goals": {"a test, above": 0.05}, "means": {"r": 0.1}, "seconds": 1}
    other = one | {"counts": {"a test, above": (0, 30)}, "means": {"r": 0.3}}
    found = rates.summary([one, other])
    assert found["tests"] == {"a test, above": {"rate": 0.025, "n": 40, "goal": 0.05}}
    assert found["means"]["r"] == pytest.approx({"mean": 0.2, "se": 0.1, "n": 2})
    over = rates.summary([one]) | {"studies": {"null": 1, "driven": 0}, "device": "cpu"}
    assert "a test, above   10.00% of     10, at most 5.0%  OVER" in rates.as_text(over)


def test_a_bench_that_was_stopped_goes_on(monkeypatch, tmp_path):
    made = []

    def study(kind, plan):
        made.append((kind, plan.seed))
        return {
            "counts": {f"{kind}: t, above": [0, 2]},
            "goals": {f"{kind}: t, above": 0.05},
            "means": {},
            "seconds": 1,
        }

    monkeypatch.setattr(import_module("brainalign.bench.rates"), "study", study)
    whole = CliRunner().invoke(main, ["bench", "nulls", "--seeds", "5", "--out", str(tmp_path), "--json"])
    assert whole.exit_code == 0, whole.output
    assert [seed for kind, seed in made if kind == "null"] == [0, 1, 2, 3, 4]
    assert len(made) == 7  # and two driven ones
    kept = tmp_path / "studies.jsonl"
    kept.write_text(kept.read_text()[:-20])  # killed while it wrote
    again = CliRunner().invoke(main, ["bench", "nulls", "--seeds", "5", "--out", str(tmp_path), "--json"])
    assert len(made) == 8
    assert json.loads(again.stdout)["tests"] == json.loads(whole.stdout)["tests"]


# --- Studies ---


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    """(study, plan) driven by VQ1, of which IC is nearly a twin."""
    folder, plan = tmp_path_factory.mktemp("twins"), planted.Plan(3, "VQ1", (0.95, 0.0, 0.0), **QUICK)
    return planted.write(folder, plan), plan


def states(study, subject, instruction):
    job = planning.feature_sets(study)[planted.MODEL, instruction]
    found = features.load(job.path.parent, planted.DRIVEN_LAYER, planted.POOLING)
    return found.values[found.rows(subject.image_ids)]


def test_responses_follow_the_driver_through_the_files(twins):
    study, _ = twins
    subject = nsd.load_subject(study.root, "subj01")
    assert subject.is_test.sum() == pytest.approx(143, abs=10)  # as few as two or three sessions of NSD hold
    assert (~subject.is_test).sum() == pytest.approx(800, abs=20)
    X = {one: states(study, subject, one) for one in planted.MODELS[planted.MODEL]}
    train, nc = ~subject.is_test, stats.noise_ceiling(subject.ncsnr, subject.repeats[subject.is_test]) / 100
    assert np.median(nc) == pytest.approx(0.31, abs=0.08)  # as the demo's units
    fits = {one: Ridge(10).fit(x[train], subject.betas[train]).predict(x[~train]) for one, x in X.items()}
    r = {one: stats.correlate(subject.betas[~train], yhat) for one, yhat in fits.items()}
    assert np.mean(r["VQ1"] / np.sqrt(np.maximum(nc, 0.1))) > 0.85
    assert 0 < np.mean(r["VQ1"] - r["IC"]) < 0.1
    for other in ("CR", "IU3"):
        assert abs(np.mean(r[other])) < 0.05
    other = {one: Ridge(1).fit(X["VQ1"][train], x[train]).score(X["VQ1"][~train], x[~train]) for one, x in X.items()}
    assert other["IC"] == pytest.approx(0.95, abs=0.02)
    assert abs(other["CR"]) < 0.1


def test_a_few_seeds_claim_no_more_than_luck_can():
    """Of tests whose rate is at its goal, all stay below these bounds together with a probability of 97 % or more."""
    plans = {"null": planted.Plan(0, **QUICK), "twins": planted.Plan(1, "VQ1", (0.95, 0.0, 0.0), **QUICK)}
    found = [rates.study(kind, plan) for kind, plan in plans.items()]
    for name, one in rates.summary(found)["tests"].items():
        n = min(INDEPENDENT, one["n"])
        most = binom.ppf(1 - 0.0005, n, one["goal"]) / n
        assert one["rate"] <= most, name
