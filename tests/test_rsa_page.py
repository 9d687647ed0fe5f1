"""The RSA page and its figures on paper: what they show of the tiny store, and without similarity what to do."""

import io

import numpy as np
import pandas as pd
import pytest
import stores
from PIL import Image
from streamlit.testing.v1 import AppTest
from test_pages import chart, numbers, show, tiny, words  # noqa: F401

from brainalign import paper, rsa, store
from brainalign.paper import export

SIMILAR = [name for name in store.schema.TABLES if name.startswith("rsa_")]


@pytest.fixture(scope="module")
def without(tmp_path_factory):
    """A store from before there was similarity."""
    directory = tmp_path_factory.mktemp("without")
    tables = {name: frames for name, frames in stores.tables().items() if name not in SIMILAR}
    store.write(directory, tables, {k: v for k, v in stores.info().items() if not k.startswith("rsa")})
    return directory


def test_bars_are_means_with_subjects_intervals_and_a_band_for_the_ceiling(tiny, monkeypatch):  # noqa: F811
    app = show("rsa", tiny, monkeypatch)
    spec = chart(app, "bars")
    bars = {trace["name"]: trace for trace in spec["data"] if trace["type"] == "bar"}
    ic = next(trace for name, trace in bars.items() if name.startswith("IC"))
    named = [row[0] for row in ic["customdata"]]
    expected = [np.mean([stores.rsa_rho(s, "IC", 2 if r == "V1" else 3, r) for s in stores.SUBJECTS]) for r in named]
    np.testing.assert_allclose(numbers(ic["y"]), expected, atol=1e-6)
    band = next(trace for trace in spec["data"] if trace["name"] == "noise ceiling")
    assert {0.5, 0.7} == {round(y, 6) for y in band["y"] if y is not None}
    points = [trace for trace in spec["data"] if trace["name"] == "subjects"]
    assert sum(len(numbers(trace["y"])) for trace in points) == 3 * len(stores.ROIS) * len(bars)
    said = words(app)
    for part in ("10 test pictures", "at least twice", "20 training pictures", "crossnobis", "ρₐ", "45 pairs"):
        assert part in said


def test_marks_matrices_and_pictures_follow_the_choice(tiny, monkeypatch):  # noqa: F811
    app = show("rsa", tiny, monkeypatch, reference="IC")
    marks = next(trace for trace in chart(app, "bars")["data"] if trace["name"] == "differences")
    assert marks["text"] == ["▼", "▼"]
    app = show("rsa", tiny, monkeypatch, view="pictures", roi="FFA", map="VQ1", sorted="model")
    found = rdms(tiny, "VQ1")
    places = rsa.arrangement(found["model"])[0]
    order = np.argsort(places[:, 0], kind="stable")
    for side in ("region", "model"):
        figure = chart(app, f"matrix-{side}")
        z = np.array(figure["data"][0]["z"], dtype=float) if isinstance(figure["data"][0]["z"], list) else numbers(
            figure["data"][0]["z"]).reshape(6, 6)  # fmt: skip
        expected = rsa.square(found[side])[np.ix_(order, order)]
        np.testing.assert_allclose(z[~np.eye(6, dtype=bool)], expected[~np.eye(6, dtype=bool)])
        assert np.isnan(np.diag(z)).all()
        assert len(figure["layout"]["images"]) == 12
    plane = chart(app, "plane-model")
    np.testing.assert_allclose(numbers(plane["data"][0]["x"]), places[:, 0])
    images = plane["layout"]["images"]
    assert len(images) == 6
    assert all(image["source"].startswith("data:image/webp;base64,") for image in images)
    assert "layer 3" in words(app)


def rdms(place, instruction):
    with store.open_latest(place) as opened:
        return opened.rdms("FFA", "llava-demo", instruction, "mean_generated")


def test_layers_are_means_over_subjects(tiny, monkeypatch):  # noqa: F811
    app = show("rsa", tiny, monkeypatch, view="depth", roi="FFA")
    line = next(
        t for t in chart(app, "profile")["data"] if t.get("name", "").startswith("IC") and "lines" in t["mode"]
    )
    expected = [np.mean([stores.rsa_rho(s, "IC", layer, "FFA") for s in stores.SUBJECTS]) for layer in stores.LAYERS]
    np.testing.assert_allclose(numbers(line["y"]), expected, atol=1e-6)


def test_by_model_a_model_without_instruction_stands_beside(tiny, monkeypatch):  # noqa: F811
    app = show("rsa", tiny, monkeypatch, by="model", instruction="VQ1")
    bars = [trace["name"] for trace in chart(app, "bars")["data"] if trace["type"] == "bar"]
    assert bars == ["llava-demo", "vit-demo"]
    app = show("rsa", tiny, monkeypatch, view="pictures", by="model", instruction="VQ1", map="vit-demo")
    assert "Matrix of distances: vit-demo, layer" in words(app)


def test_a_link_to_a_store_without_similarity_says_what_to_do(without, monkeypatch):
    said = words(show("rsa", without, monkeypatch))
    assert "no representational similarity" in said
    assert "[rsa]" in said


def offered():
    import streamlit as st

    from brainalign import ui

    st.text(str(ui.has("rsa_ceilings")))


def test_the_view_is_offered_where_the_store_has_it(tiny, without, tmp_path, monkeypatch):  # noqa: F811
    for place, expected in ((tiny, "True"), (without, "False"), (tmp_path / "nothing", "False")):
        monkeypatch.setenv("BRAINALIGN_STORE", str(place))
        assert AppTest.from_function(offered).run().text[0].value == expected


def test_pictures_that_may_not_be_shown_are_points_with_numbers(tmp_path, monkeypatch):
    monkeypatch.delenv("BRAINALIGN_NSD_TERMS", raising=False)
    stores.tiny_store(tmp_path, simulated="false", stimuli=f"root:{tmp_path}")
    app = show("rsa", tmp_path, monkeypatch, view="pictures")
    plane = chart(app, "plane-region")
    assert not plane["layout"].get("images")
    assert plane["data"][0]["text"] == [str(picture) for picture in stores.RSA_PICTURES]
    assert "cannot be shown" in words(app)


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    with store.open_latest(stores.tiny_store(tmp_path_factory.mktemp("paper"))) as found:
        yield found


def test_matrices_on_paper_hold_the_store_s_pairs_and_its_query_gives_them(opened):
    plot = paper.plot(opened, "rdms", roi="FFA", map="IU3", sorted="model")
    found = opened.rdms("FFA", "llava-demo", "IU3", "mean_generated")
    np.testing.assert_allclose(plot.data.region, found["region"])
    np.testing.assert_allclose(plot.data.model, found["model"])
    with opened.cursor() as db:
        rows = db.execute(plot.query).df()
    pd.testing.assert_frame_equal(rows, plot.data, check_dtype=False)
    caption = export.caption(plot, opened)
    for part in ("SIMULATED", "6 of the test pictures", "FFA, mean over 3 subjects", "llava-demo with IU3, layer 3"):
        assert part in caption
    image = np.asarray(Image.open(io.BytesIO(paper.render(plot, opened, "png", 85, 150))).convert("RGB"))
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 2000  # pictures, not dots


def test_matrices_name_coco_ids_where_the_store_has_them(tmp_path):
    known, coco = stores.tables(), 391000 + np.arange(40)
    known["images"] = [known["images"][0].assign(coco_id=pd.array([*coco[:-2], None, None], "Int32"))]
    with store.Store(store.write(tmp_path, known, stores.info())) as found:
        plot = paper.plot(found, "rdms", roi="FFA", map="IU3")
        with found.cursor() as db:
            rows = db.execute(plot.query).df()
    assert (plot.data.coco_a == 391000 + plot.data.picture_a // 3).all()
    assert (plot.data["73KID_b"] == plot.data.picture_b + 1).all()
    assert (plot.data.coco_b == 391000 + plot.data.picture_b // 3).all()
    pd.testing.assert_frame_equal(rows, plot.data, check_dtype=False)


@pytest.mark.parametrize("kind", ["rsa", "rsa-layers"])
def test_queries_of_similarity_give_what_is_drawn(opened, kind):
    plot = paper.plot(opened, kind, by="model", instruction="VQ1")
    with opened.cursor() as db:
        rows = db.execute(plot.query).df()
    shared = [name for name in rows if name in plot.data]
    key = ["subject", "roi", "group", "layer"]
    expected = plot.data[shared].sort_values(key).reset_index(drop=True)
    pd.testing.assert_frame_equal(rows[shared].sort_values(key).reset_index(drop=True), expected, check_dtype=False)
    assert {"value", "group"} <= set(shared)


@pytest.mark.parametrize(
    ("asked", "said"),
    [({"instructions": "XX"}, "no instruction 'XX'"), ({"map": "VQ"}, "did you mean VQ1"), ({"roi": "FFB"}, "FFA")],
)
def test_a_wrong_choice_is_named(opened, asked, said):
    with pytest.raises(ValueError, match=said):
        paper.plot(opened, "rdms", **asked)


def test_without_similarity_paper_says_what_to_do(without):
    with store.open_latest(without) as opened, pytest.raises(ValueError, match=r"add a section \[rsa\]"):
        paper.plot(opened, "rsa")
