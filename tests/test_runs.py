"""The page of runs: the same warning once, the real ones first; a chosen job that a link leads to."""

import json

import pandas as pd
import pytest
import stores
from test_pages import no_model, show, words

from brainalign import store
from brainalign.store import warned

__all__ = ["no_model"]  # pages load no model here either
LACKING = "layer {} mean_generated: 12 of 300 units lack some images and were fitted on the images they have"
EDGE = "layer {} mean_generated: {}% of the units with a cross-validated R2 above 0.01 chose the smallest alpha, 1"
FEW = "only 26 test images: the scores are unreliable"


def runs():
    """Three jobs of two subjects on data with gaps; in one the alphas end too early."""
    said = [
        "\n".join([LACKING.format(0), LACKING.format(1), EDGE.format(0, 7), EDGE.format(1, 32)]),
        "\n".join([LACKING.format(0), LACKING.format(1)]),
        FEW,
    ]
    frame = pd.DataFrame({"job": ["a" * 16, "b" * 16, "c" * 16], "kind": ["encode", "encode", "across"]})
    frame = frame.assign(subject=["subj01", "subj02", "subj02"], model=["llava-demo", "vit-demo", ""], instruction="")
    frame = frame.assign(created="2026-01-01T10:20:30+00:00", seconds=1.5)
    return frame.assign(versions=[json.dumps({"numpy": f"{k}.0"}) for k in range(3)], warnings=said)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs")
    store.write(path, stores.tables() | {"runs": [runs()]}, stores.info())
    return path


def test_the_same_warning_is_one_row_and_what_the_data_lack_comes_last():
    found = warned.merged(runs())
    assert found.warning.tolist() == [
        "7–32% of the units with a cross-validated R2 above 0.01 chose the smallest alpha, 1",
        FEW,
        "12 of 300 units lack some images and were fitted on the images they have",
    ]
    assert found.jobs.tolist() == [1, 1, 2]
    assert found.kinds.tolist() == ["encode", "across", "encode"]
    assert found.subjects.tolist() == ["subj01", "subj02", "subj01, subj02"]
    assert warned.merged(runs().assign(warnings="")).empty


def test_a_job_says_each_of_its_warnings_once():
    edge, lacking = warned.of_job(next(runs().itertuples()))
    assert edge.startswith("7–32% of the units")
    assert lacking == f"{LACKING.format(0).partition(': ')[2]} (× 2)"


def test_the_page_shows_the_warnings_merged(directory, monkeypatch):
    app = show("runs", directory, monkeypatch)
    assert app.table[0].value.jobs.tolist() == [1, 1, 2]
    assert words(app).count("lack some images") == 0  # nothing is said of a job before one is chosen


def test_a_link_leads_to_a_job_and_a_stranger_to_none(directory, monkeypatch):
    app = show("runs", directory, monkeypatch, job="b" * 16)
    assert app.query_params["job"] == "b" * 16
    assert "encode subj02 vit-demo" in [header.value for header in app.header]
    assert json.loads(app.json[0].value) == {"numpy": "1.0"}
    app = show("runs", directory, monkeypatch, job="b" * 16, kind="across")  # which leaves that job out
    assert not app.json
    app = show("runs", directory, monkeypatch, job="<script>")
    assert not app.json
    assert app.query_params["job"] == ""
