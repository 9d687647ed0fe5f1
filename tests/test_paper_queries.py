"""A bundle's query, run on the store, gives the bundle's data: for every kind of figure and its variants."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from stores import tiny_store

from brainalign import paper
from brainalign.store import open_latest
from brainalign.tables import DATA

FLAT = [
    {"quantity": "r"},
    {"quantity": "r_norm", "threshold": "20"},
    {"quantity": "r2", "layer": "1"},
    {"second": "q"},
    {"second": "ceiling", "layer": "2"},
    {"difference": "True"},
    {"difference": "True", "layer": "1", "quantity": "r_norm"},
    {"minus_model": "vit-demo", "second": "ceiling"},
    {"quantity": "winner", "among": "instructions"},
    {"quantity": "winner", "among": "models", "margin": "0.05", "subject": "all"},
    {"quantity": "winner", "among": "layers"},
    {"quantity": "layer"},
    {"quantity": "shared"},
    {"quantity": "unique_a", "subject": "all", "second": "ceiling"},
    {"quantity": "unique_b"},
    {"quantity": "unique", "subject": "all"},
    {"quantity": "nc"},
    {"quantity": "across", "second": "ceiling", "subject": "all"},
    {"subject": "all", "quantity": "r", "model": "vit-demo"},
]
SOME = [("flatmap", asked) for asked in FLAT] + [
    ("rois", {}),
    ("rois", {"by": "model", "quantity": "r_norm"}),
    ("rois", {"quantity": "r2", "layer": "1", "regions": "faces,places,early visual"}),
    ("rois", {"by": "model", "layer": "best"}),
    ("layers", {}),
    ("layers", {"lines": "model", "quantity": "r2"}),
    ("layers", {"lines": "roi"}),
    ("chosen", {}),
    ("shares", {}),
    ("variance", {}),
    ("variance", {"subject": "subj02", "roi": "V1"}),
    ("matrix", {}),
    ("matrix", {"subject": "subj02", "part": "unique_b"}),
    ("pairs", {}),
    ("pairs", {"subject": "subj01", "square": "unique_a", "roi": "FFA"}),
    ("unique", {}),
    ("unique", {"subject": "subj01"}),
    ("triple", {}),
    ("triple", {"subject": "subj05", "roi": "FFA"}),
    ("specialisation", {}),
    ("coverage", {}),
    ("rsa", {"by": "model"}),
    ("rsa-layers", {}),
    ("rdms", {}),
]
TINY = [
    *SOME,
    ("flatmap", {"subject": "subj01,subj05", "instruction": "IC,IU3"}),
    ("compare", {"roi": "FFA"}),
    ("compare", {"roi": "FFA", "model": "vit-demo", "instruction": "VQ1"}),
]
DEMO = [
    *SOME,
    ("flatmap", {"subject": "subj01,subj02", "instruction": "IC,VQ2", "quantity": "r2"}),
    ("flatmap", {"minus_model": "instructblip-demo", "instruction": "VQ2", "minus_instruction": "VQ2"}),
    ("flatmap", {"quantity": "winner", "among": "models", "instruction": "VQ2"}),
    ("rois", {"by": "model", "instruction": "VQ2"}),
    ("compare", {"model": "llava-demo", "instruction": "VQ2", "roi": "early"}),
    ("compare", {"model": "clip-demo"}),
    ("specialisation", {"model": "instructblip-demo"}),
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    with open_latest(tiny_store(tmp_path_factory.mktemp("queries"))) as opened:
        yield opened


@pytest.fixture(scope="module")
def demo():
    with open_latest(DATA / "store") as opened:
        yield opened


def asked(store, query):
    with store.cursor() as db:
        return db.execute(query).df()


def sorted_rows(frame, like):
    """The columns of `like` in their order and the rows in that of their names; empty cells left out."""
    assert set(frame) == set(like)
    frame = frame[list(like)]
    if "value" in frame and "unit" not in frame:
        frame = frame[frame.value.astype(float).notna()]
    names = [name for name in frame if not _is_number(like[name])]
    names += [name for name in ("layer", "unit") if name in frame]
    return frame.sort_values(names, kind="stable").reset_index(drop=True)


def _is_number(column):
    return pd.api.types.is_float_dtype(column) or pd.api.types.is_integer_dtype(column)


def same(store, kind, choices):
    plot = paper.plot(store, kind, **choices)
    found, data = (sorted_rows(frame, plot.data) for frame in (asked(store, plot.query), plot.data))
    assert len(found) == len(data) > 0
    for name in data:
        if _is_number(data[name]):
            one, other = (frame[name].astype(float).to_numpy() for frame in (found, data))
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=2e-6, err_msg=name)
        else:
            assert found[name].tolist() == data[name].tolist(), name


@pytest.mark.parametrize(("kind", "choices"), TINY)
def test_the_query_gives_the_data(tiny, kind, choices):
    same(tiny, kind, choices)


@pytest.mark.parametrize(("kind", "choices"), DEMO)
def test_the_query_gives_the_data_of_the_demo(demo, kind, choices):
    same(demo, kind, choices)


def test_every_kind_is_asked():
    assert {kind for kind, _ in TINY} == {kind for kind, _ in DEMO} == set(paper.KINDS)


def test_each_panels_query_gives_its_own_data(tiny):
    asked_for = {"rows": ["ab"], "panels": {"a": {"kind": "rois", "by": "model"}, "b": {"kind": "matrix"}}}
    page = paper.panels.plot(tiny, asked_for)
    files = paper.export.bundle(page, tiny, 180)
    assert files["query.sql"].decode().count("\n-- ") == 2
    panels = {panel["panel"]: panel["query"] for panel in json.loads(files["about.json"])["panels"]}
    for letter, query in panels.items():
        data = pd.read_csv(io.BytesIO(files[f"data_{letter}.csv"])).drop(columns="simulated")
        found = sorted_rows(asked(tiny, query), data)
        np.testing.assert_allclose(found.value, sorted_rows(data, data).value, rtol=1e-5)
    with tiny.cursor() as db:  # all of them in one script
        assert len(db.execute(files["query.sql"].decode()).df()) == len(page.panels["b"].data)


def test_a_quote_in_a_name_stays_within_it():
    from brainalign.paper.sql import literal

    assert literal("x' OR 'a' = 'a") == "'x'' OR ''a'' = ''a'"
