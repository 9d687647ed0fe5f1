"""What a link asks for in vain is said in one line, and no link ends in a fault."""

import re

import pytest
import stores
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from streamlit.testing.v1 import AppTest
from test_pages import PAGES, VIEWS, no_model, show

from brainalign.unmet import literal

__all__ = ["no_model"]  # pages load no model here either
LONG = "9" * 5000
ODD = (
    LONG,
    "inf",
    "nan",
    "-1",
    "1e400",
    "1e5",
    "٣",
    "",
    ",",
    "a\n# b",
    "<b>**x**</b>",
    "300",
    "2147483648",
    "1e300,1e301",
)
# every parameter that any page reads
SELECTIONS = ("store", "view", "by", "lines", "quantity", "model", "model2", "instruction", "instruction2", "pooling")
SELECTIONS += ("roi", "regions", "layer", "order", "bars", "reference", "instructions", "models", "a", "b", "part")
SELECTIONS += ("square", "three", "subject", "depth", "map", "sorted", "kind", "search", "picture", "answers", "text")
SELECTIONS += (
    "job",
    "warned",
    "likely",
    "predict",
    "whose",
    "weights",
    "roi lines",
    "instruction lines",
    "model lines",
)
ON_MAPS = ("second", "among", "minus_model", "minus_instruction", "difference", "outlines", "families", "region")
ON_MAPS += ("limits", "threshold", "margin", "zoom", "unit", "solid", "surface", "side", "lasso")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    directory = tmp_path_factory.mktemp("links")
    stores.tiny_store(directory)
    return directory


def told(app):
    """What a page says of its link, Markdown taken off; "" if nothing."""
    found = [one.value for one in app.warning if one.value.startswith("The link asks")]
    assert len(found) < 2
    return re.sub(r"\\(.)", r"\1", "".join(found))


def test_three_names_that_are_not_there_are_said_with_what_is_shown(tiny, monkeypatch):
    link = {"subject": "subj99", "model": "nope", "instruction": "ZZ"}
    app = show("flatmaps", tiny, monkeypatch, **link)
    assert told(app) == (
        "The link asks for what this store or view lacks: subject “subj99” (shown instead: subj01); "
        "model “nope” (shown instead: llava-demo); instruction “ZZ” (shown instead: IC)."
    )
    assert {key: app.query_params[key] for key in link} == dict(zip(link, ("subj01", "llava-demo", "IC")))
    app.run()  # the address is now that of what is shown
    assert told(app) == ""


@pytest.mark.parametrize("page", PAGES)
def test_every_page_says_so(page, tiny, monkeypatch):
    said = told(show(page, tiny, monkeypatch, subject="subj99", model="nope", instruction="ZZ", roi="V9", store="x"))
    for key, asked in {"subject": "subj99", "model": "nope", "instruction": "ZZ", "roi": "V9"}.items():
        assert f"{key} “{asked}” (" in said
    assert f"store “x” (shown instead: {tiny.name})" in said


@pytest.mark.parametrize(
    ("page", "link", "said"),
    [
        ("variance", {"view": "nine"}, "what this store or view lacks: view “nine” (shown instead: pair)"),
        ("layers", {"lines": "roi", "pooling": "cls"}, "pooling “cls” (shown instead: mean_generated)"),
        ("rois", {"layer": "77"}, "layer “77” (shown instead: chosen)"),
        ("rois", {"instructions": "IC,ZZ"}, "instructions “IC,ZZ” (shown instead: IC)"),
        ("rois", {"regions": "places,limbs"}, "regions “places,limbs” (shown instead: places)"),
        ("flatmaps", {"layer": "77"}, "layer “77” (shown instead: 3)"),
        ("flatmaps", {"layer": "deep"}, "layer “deep” (shown instead: chosen)"),
        ("flatmaps", {"unit": "300"}, "unit “300” (left out)"),
        ("flatmaps", {"threshold": "9999"}, "threshold “9999” (shown instead: 60)"),
        ("flatmaps", {"subject": "subj01,subj99"}, "subject “subj01,subj99” (shown instead: subj01)"),
        ("flatmaps", {"limits": "low,high"}, "limits “low,high” (shown instead: automatic)"),
        ("live", {"picture": LONG}, f"picture “{'9' * 39}…” (shown instead: 0)"),
        ("runs", {"job": "none"}, "job “none” (shown instead: none)"),
        ("rsa", {"view": "depth", "roi": "V9"}, "roi “V9” (shown instead: FFA)"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_named_with_what_is_shown(page, link, said, tiny, monkeypatch):
    assert said in told(show(page, tiny, monkeypatch, **link))


@pytest.mark.parametrize(
    ("page", "link"),
    [
        ("flatmaps", {"subject": "all", "model": "vit-demo", "instruction": "", "layer": "2", "threshold": "20"}),
        ("flatmaps", {"subject": "subj01,subj02", "quantity": "shared", "a": "IC", "b": "IU3"}),
        ("rois", {"by": "model", "instruction": "VQ1", "models": "vit-demo", "regions": "faces,places"}),
        ("variance", {"subject": "mean of subjects", "roi": "V1", "a": "VQ1", "b": "IC"}),
        ("compare", {"roi": "FFA", "instruction": "IU3", "model": "vit-demo"}),
        ("live", {"model": "blip2-demo", "instruction": "CR", "picture": "3"}),  # not of the store, but to be asked
        ("live", {"instruction": "own", "text": "Why?"}),
        ("runs", {"model": "all"}),
        ("overview", {"anything": "at all"}),
    ],
)  # fmt: skip
def test_nothing_is_said_of_a_link_that_is_met(page, link, tiny, monkeypatch):
    assert told(show(page, tiny, monkeypatch, **link)) == ""


def test_another_store_of_the_app_is_told_by_name(tiny, tmp_path, monkeypatch):
    stores.tiny_store(tmp_path / "second")
    monkeypatch.setenv("BRAINALIGN_STORE", f"{tiny}:{tmp_path / 'second'}")
    app = AppTest.from_file("../app.py", default_timeout=60)
    app.query_params["store"] = "third"
    assert f"store “third” (shown instead: {tiny.name})" in told(app.run())


@pytest.mark.parametrize(("page", "view"), VIEWS)
@pytest.mark.parametrize("turn", [0, 5, 9])
def test_no_odd_text_in_a_link_ends_in_a_fault(page, view, turn, tiny, monkeypatch):
    """Everything in a link is a number of absurd length (turn 0), or one odd text or another."""
    keys = (*SELECTIONS, *(ON_MAPS if page == "flatmaps" else ()))
    link = {key: ODD[(k + turn) % len(ODD) if turn else 0] for k, key in enumerate(keys)}
    show(page, tiny, monkeypatch, **link | ({"view": view} if view else {}))


@pytest.mark.parametrize("key", ["threshold", "margin", "unit", "layer", "limits", "zoom", "lasso"])
def test_no_number_in_a_link_ends_in_a_fault(key, tiny, monkeypatch):
    for odd in ODD:
        show("flatmaps", tiny, monkeypatch, **{key: odd})


VALUES = some.text(max_size=12) | some.sampled_from([LONG, *stores.SUBJECTS, *stores.ROIS, *stores.INSTRUCTIONS])


@pytest.mark.parametrize("page", PAGES)
@given(link=some.dictionaries(some.sampled_from((*SELECTIONS, *ON_MAPS)), VALUES | some.from_regex(r"\A-?\d{1,20}\Z")))
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_link_ends_in_a_fault(page, link, tiny):
    with pytest.MonkeyPatch.context() as patch:
        show(page, tiny, patch, **link)


def test_text_of_a_link_is_no_markdown():
    assert literal("[a](b) *c*") == r"\[a\]\(b\) \*c\*"
