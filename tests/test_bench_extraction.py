"""The bench of extraction: both ways do the same work and get the same, and every field is told."""

import json
from importlib import import_module

import pytest

from brainalign import bench

FIELDS = {"pairs_per_s", "naive_pairs_per_s", "tokens_per_s", "ratio", "device", "prefill", "live", "hours"}


@pytest.fixture(scope="module")
def found():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(import_module("brainalign.bench.extraction").NAIVE, "cpu", (3, 5))
        return bench.extract(n=2, p=3, t=12, repeats=1, device="cpu")


def test_both_ways_get_the_same(found):
    assert set(found) >= FIELDS
    assert found["same_answers"] == 1
    assert 0 < found["max_difference"] < 1e-5
    assert found["naive_batch"] in (3, 5)
    assert (found["pictures"], found["instructions"], found["longest"]) == (2, 3, 12)


def test_rates_belong_together(found):
    assert found["ratio"] == pytest.approx(found["pairs_per_s"] / found["naive_pairs_per_s"])
    assert found["tokens_per_s"] / found["naive_tokens_per_s"] == pytest.approx(found["ratio"])
    assert found["hours"] == pytest.approx(100_000 / found["pairs_per_s"] / 3600, abs=0.01)
    assert found["prefill"]["ratio"] > 0
    assert all(value > 0 for value in found["live"].values())
    json.dumps(found)


def test_in_words(found):
    text = bench.as_text(found)
    for part in (
        "2 pictures, 3 instructions: llava-demo, float32 on cpu",
        f"naive {found['naive_pairs_per_s']:8.1f}: {found['ratio']:.1f} times as fast",
        f"first token after {found['live']['first_token_s'] * 1000:.1f} ms",
        "100.0% of answers equal",
    ):
        assert part in text
