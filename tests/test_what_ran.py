"""What ran is what is shown: a store is read with the words that it carries, whatever the tables say today."""

import json
from dataclasses import replace

import pytest
import stores
from test_pages import VIEWS, charts, no_model, show, words

from brainalign import live, paper, store, tables
from brainalign.demo import language, sprites
from brainalign.models.table import by_name
from brainalign.paper import export
from brainalign.types import Roi

__all__ = ["no_model"]  # pages load no model here either
NEW = "Count the clouds, edited since"
IC = "Generate some text to describe the image"
QUOTING = {(page, "") for page in ("overview", "flatmaps", "rois", "layers", "variance", "compare")}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    directory = tmp_path_factory.mktemp("ran")
    stores.tiny_store(directory)
    return directory


@pytest.fixture
def edited(published, monkeypatch):
    """The store of before; every instruction and region of today's tables is another one, and in another order."""
    asked, regions = tables.instructions(), tables.rois()
    later = {id: replace(one, text=NEW, family="edited", level=3) for id, one in reversed(asked.items())}
    moved = {name: Roi(name, "edited", "language", "other", ("x",), NEW) for name in reversed(regions)}
    for place in (tables, live):
        monkeypatch.setattr(place, "instructions", lambda: later)
    monkeypatch.setattr(tables, "rois", lambda: moved)
    return published


def offered(app):
    """All that the page's controls offer and say, as text."""
    return "\n".join(f"{one.label} {one.options}" for kind in (app.selectbox, app.pills) for one in kind)


def everything(app):
    tables_said = "\n".join(one.value.to_csv() for kind in (app.table, app.dataframe) for one in kind)
    return "\n".join([words(app), offered(app), tables_said, json.dumps([list(one) for one in charts(app).values()])])


@pytest.mark.parametrize(("page", "view"), [one for one in VIEWS if one[0] != "live"])
def test_pages_show_the_words_that_ran(page, view, published, monkeypatch, request):
    before = everything(show(page, published, monkeypatch, view=view))
    request.getfixturevalue("edited")
    after = everything(show(page, published, monkeypatch, view=view))
    assert after == before
    assert "edited" not in after
    if (page, view) in QUOTING:
        assert IC in after


def test_figures_and_captions_show_the_words_that_ran(published, edited):
    with store.open_latest(published) as opened:
        for kind in paper.KINDS:
            plot = paper.plot(opened, kind, **({"roi": "FFA"} if kind == "compare" else {}))
            told = export.caption(plot, opened) + json.dumps(export.about(plot, opened, 180, 300), default=str)
            drawn = paper.render(plot, opened, "svg", 180).decode()
            assert "edited" not in told + drawn, kind
        bars = export.caption(paper.plot(opened, "rois", instructions="IC,VQ1"), opened)
        assert f"IC: “{IC}”; VQ1: “What is in this image?”" in bars  # in the order of then
        lines = paper.plot(opened, "rois", regions="early visual,faces")
        assert set(lines.data.roi) == {"V1", "FFA"}
        with pytest.raises(ValueError, match="no family of regions 'edited'"):
            paper.plot(opened, "rois", regions="edited")


def test_the_live_page_says_which_words_an_answer_was_to(published, edited, monkeypatch):
    app = show("live", published, monkeypatch, instruction="IC", model="llava-demo", picture="3")
    said = words(app)
    assert NEW in said  # what would be asked now
    assert f"Asked when the study ran: “{IC}”. The text above is today's." in said
    assert "IC: a dog <b>and</b> 3 cats" in said
    assert not [one for one in app.markdown if "badge" in one.value and "true answer" in one.value]  # of the old words


def test_the_live_page_says_nothing_of_it_where_the_words_are_the_same(published, monkeypatch):
    app = show("live", published, monkeypatch, instruction="IC", model="llava-demo", picture="3")
    assert "IC: a dog <b>and</b> 3 cats" in words(app)
    assert "Asked when the study ran" not in words(app)
    assert [one for one in app.markdown if "badge" in one.value and "true answer" in one.value]


def test_a_caption_from_a_store_without_words_says_whose_they_are(tmp_path):
    import duckdb

    path = stores.tiny_store(tmp_path)
    with duckdb.connect(str(path)) as db:
        db.execute("DROP TABLE instructions")
    with store.open_latest(tmp_path) as opened:
        told = export.caption(paper.plot(opened, "rois"), opened)
    assert "as today's table has them; the store, of an earlier version, does not carry them: publish again" in told


# A repeated id ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "read", "again"),
    [
        ("instructions.csv", lambda: tables.instructions.__wrapped__(), "ic ,image captioning,0,ten,Say something"),
        ("rois.csv", lambda: tables.rois.__wrapped__(), "V1,faces,high,floc-faces,OFA,"),
        ("related_work.csv", lambda: tables.related_work(), None),
        ("label_tables.csv", lambda: tables.label_names.__wrapped__(), None),
        ("sprites.csv", lambda: sprites.sprites.__wrapped__(), None),
        ("demo_questions.csv", lambda: language.questions.__wrapped__(), None),
    ],
)
def test_a_repeated_id_in_a_table_names_the_lines(name, read, again, tmp_path, monkeypatch):
    for path in (*tables.DATA.glob("*.csv"), sprites.FOLDER / "sprites.csv"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    text = (tmp_path / name).read_text(encoding="utf-8")
    for place, folder in ((tables, "DATA"), (language, "DATA"), (sprites, "FOLDER")):
        monkeypatch.setattr(place, folder, tmp_path)
    read()
    lines = text.rstrip("\n").split("\n")
    (tmp_path / name).write_text("\n".join([*lines, again or lines[1]]) + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=f"{name}: lines 2 and {len(lines) + 1} have the same "):
        read()


def test_a_model_is_named_once():
    from brainalign.models import MODELS

    rows = [MODELS["llava-demo"], MODELS["vit-demo"], replace(MODELS["clip-demo"], name="vit-demo")]
    with pytest.raises(ValueError, match="the table of models has vit-demo more than once"):
        by_name(rows)
    assert list(by_name(rows[:2])) == ["llava-demo", "vit-demo"]
