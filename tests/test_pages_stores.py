"""Each page on stores that hold little: one map alone, and the tables of an earlier version. Never a traceback."""

import duckdb
import pytest
import stores
from test_pages import PAGES, VIEWS, chart, charts, no_model, show, words

from brainalign import paper, store

__all__ = ["no_model"]  # pages load no model here either
LATER = ("nested", "roi_nested", "roi_contrasts", "winner_reliability", "uniques", "roi_uniques", "roi_triples")
LATER = (*LATER, "shares", "models", "weights", "responses", "instructions", "regions", "prompts")
ONE = {
    "multimodal": {"subject": "subj01", "model": "llava-demo", "instruction": "IC", "pooling": "mean_generated"},
    "vision only": {"subject": "subj01", "model": "vit-demo", "instruction": "", "pooling": "mean_image"},
}
LAYER = 2


def of_one_map(key, nested):
    """The tiny store's tables with a single subject, model, instruction and layer; no partition of variance."""
    tables, partitions = stores.tables(), ("variance", "uniques", "triples", "weights", "reliability", "contrasts")

    def kept(name, frame):
        for column, value in (key | ({} if "nested" in name else {"layer": LAYER})).items():
            if column in frame and not (name == "shares" and column == "instruction"):
                frame = frame[frame[column] == value]
        return frame

    left = [name for name in tables if not any(part in name for part in partitions)]
    left = [name for name in left if nested or "nested" not in name]
    return {name: [kept(name, frame) for frame in tables[name]] for name in left}


@pytest.fixture(scope="module", params=[(kind, nested) for kind in ONE for nested in (False, True)], ids=str)
def single(request, tmp_path_factory):
    kind, nested = request.param
    directory = tmp_path_factory.mktemp("single")
    store.write(directory, of_one_map(ONE[kind], nested), stores.info())
    return directory


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    """The tiny store without the tables that came later."""
    directory = tmp_path_factory.mktemp("earlier")
    with duckdb.connect(str(stores.tiny_store(directory))) as db:
        for table in LATER:
            db.execute(f"DROP TABLE {table}")
        for part in ("shared", "unique_a", "unique_b"):
            for end in ("floor", "low", "high", "p", "at_a", "at_b"):
                db.execute(f"ALTER TABLE roi_variance DROP COLUMN {part}_{end}")
        db.execute("ALTER TABLE roi_variance DROP COLUMN layer_b")
        db.execute("ALTER TABLE roi_variance RENAME COLUMN layer_a TO layer")
        parts = "r2_a + r2_b - r2_ab AS shared, r2_ab - r2_b AS unique_a, r2_ab - r2_a AS unique_b"
        kept = "subject, model, layer_a AS layer, pooling, a, b, unit, r2_a, r2_b, r2_ab"
        db.execute(f"CREATE TABLE one AS SELECT {kept}, {parts} FROM variance")  # DuckDB alters no computed columns
        db.execute("DROP TABLE variance")
        db.execute("ALTER TABLE one RENAME TO variance")
    return directory


@pytest.mark.parametrize(("page", "view"), VIEWS)
def test_one_map_is_enough(page, view, single, monkeypatch):
    app = show(page, single, monkeypatch, view=view)
    if page == "rois":
        assert len([trace for trace in chart(app, "bars")["data"] if trace["type"] == "bar"]) == 1
    if page == "layers" and not view:
        assert "profile" in str(list(charts(app)))
    if page == "variance":
        assert "no partition of variance yet" in words(app)
    if page == "compare":
        assert "Every model" in words(app) or "project page" in words(app) or "where models are compared" in words(app)
        assert "nan" not in words(app)


@pytest.mark.parametrize("page", PAGES)
def test_a_store_of_an_earlier_version_opens(page, earlier, monkeypatch):
    app = show(page, earlier, monkeypatch)
    assert "today's tables" in words(app)
    assert "Publish the study again" in words(app)
    if page == "rois":  # there is no chosen layer to begin with
        assert len([trace for trace in chart(app, "bars")["data"] if trace["type"] == "bar"]) == 3
        assert app.query_params["layer"] == "3"
    if page == "layers":
        assert "diamond is" not in words(app)
        assert len(charts(app)) == 1
    if page == "variance":
        assert list(charts(app)) == ["venn", "signed"]
        assert "Layer, for all instructions that of IC (by cross-validation on training images): 2." in words(app)
        assert "Diamonds" not in words(app)
        assert "less its floor" not in words(app)
        mapped = words(show("flatmaps", earlier, monkeypatch, quantity="shared"))
        assert "that of IC (by cross-validation on training images): 2." in mapped
        app = show(page, earlier, monkeypatch, view="all")
        assert list(charts(app)) == ["matrix", "square"]
    if page == "compare":
        assert "brainalign publish" in words(app)


def missing(directory):
    """Kinds of figures that a store lacks the rows for -> what is said."""
    said = {}
    with store.open_latest(directory) as opened:
        for kind in paper.KINDS:
            try:
                assert paper.render(paper.plot(opened, kind), opened, "svg", 85).startswith(b"<?xml")
            except ValueError as error:
                said[kind] = str(error)
    return said


def test_figures_of_one_map_are_drawn_or_say_what_is_missing(single):
    said = missing(single)
    lacking = {"variance", "matrix", "pairs", "unique", "triple", "compare", "specialisation", "rdms"}
    assert set(said) - {"chosen", "shares"} == lacking
    assert "the store keeps no matrix of" in said.pop("rdms")
    assert all("the store has no" in text for text in said.values()), said


def test_figures_of_an_earlier_version_are_drawn_or_say_what_is_missing(earlier):
    said = missing(earlier)
    assert set(said) == {"chosen", "shares", "unique", "triple", "compare", "specialisation"}
    assert all("publish the study again" in text for text in said.values()), said
