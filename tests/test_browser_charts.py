"""Charts in a real browser: what is pointed at, hidden, enlarged and drawn in another width or theme."""

import re

import pytest
import stores
from browser import settled
from playwright.sync_api import expect

from brainalign.figures import theme

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return stores.tiny_store(tmp_path_factory.mktemp("charts"))


@pytest.fixture
def look(store, serve, visit):
    """look(link, ...) -> a page on which a chart is drawn."""

    def look(link="rois?instructions=IC,VQ1&regions=faces", **options):
        page = visit(f"{serve(store)}/{link}", **options)
        page.wait_for_selector(".js-plotly-plot .main-svg")
        return page

    return look


def size(page):
    box = page.locator(".js-plotly-plot .main-svg").first.bounding_box()
    return round(box["width"]), round(box["height"])


def room(page):
    """How wide the page's blocks are."""
    return round(
        page.locator("[data-testid=stMainBlockContainer] [data-testid=stCaptionContainer]").first.bounding_box()[
            "width"
        ]
    )


def test_pointing_at_a_bar_tells_the_number_that_a_screen_reader_hears(look):
    page = look()
    alt = page.get_by_role("img", name=re.compile("Bars of r by region")).get_attribute("aria-label")
    highest = re.search(r"FFA (IC|VQ1) (0\.\d+)", alt)
    told = set()
    bars = page.locator(".barlayer .point")
    for k in range(bars.count()):
        bars.nth(k).scroll_into_view_if_needed()
        box = bars.nth(k).bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.7)
        expect(page.locator(".hoverlayer .hovertext")).to_have_count(1)
        told.add(page.locator(".hoverlayer .hovertext").text_content())
    assert any(f"mean {highest[2]}" in text for text in told), told


def test_what_a_reader_hides_stays_hidden_until_the_chart_is_another(look):
    page = look()
    bars = page.locator(".barlayer .trace")
    shown = bars.count()
    page.locator(".legendtoggle").first.click()
    expect(bars).to_have_count(shown - 1)
    page.get_by_text("Data", exact=True).click()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    settled(page)
    expect(bars).to_have_count(shown - 1)
    page.get_by_role("radio", name="R²").click()
    expect(page.locator(".ytitle")).to_have_text("R²")
    expect(bars).to_have_count(shown)


@pytest.mark.parametrize("width", [900, 1920])
def test_a_chart_is_as_wide_as_its_page_also_when_that_changes(look, width):
    page = look()
    before, high = size(page)
    assert before == room(page)
    page.set_viewport_size({"width": width, "height": 900})
    changed = "before => Math.abs(document.querySelector('.main-svg').clientWidth - before) > 100"
    page.wait_for_function(changed, arg=before)
    assert size(page) == (room(page), high)


def test_a_chart_can_have_the_whole_screen_and_gives_it_back(look):
    page = look()
    before = size(page)
    page.locator(".js-plotly-plot").hover()
    page.locator(".modebar-btn[data-title='Whole screen']").click()
    page.wait_for_function("document.querySelector('.main-svg').clientHeight === innerHeight")
    assert size(page)[0] == page.evaluate("innerWidth")
    page.evaluate("document.exitFullscreen()")
    page.wait_for_function("high => document.querySelector('.main-svg').clientHeight === high", arg=before[1])
    assert size(page) == before


def test_a_charts_buttons_offer_nothing_that_leaves_the_machine(look):
    buttons = look().locator(".modebar-btn")
    offered = [buttons.nth(k).get_attribute("data-title") for k in range(buttons.count())]
    moves = ["Zoom", "Pan", "Zoom in", "Zoom out", "Reset axes"]
    assert offered == ["Download plot as a PNG", *moves, "Whole screen"]


@pytest.mark.parametrize("dark", [False, True])
def test_a_chart_has_the_pages_ink_on_the_pages_ground(look, dark):
    page = look(dark=dark)
    styles = "([selector, name]) => getComputedStyle(document.querySelector(selector))[name]"
    rgb = "rgb({}, {}, {})".format(*bytes.fromhex(theme.INK[dark][1:]))
    assert page.evaluate(styles, [".xtick text", "fill"]) == page.evaluate(styles, [".stApp", "color"]) == rgb
    ground = page.evaluate(styles, [".main-svg", "backgroundColor"])
    assert ground == page.evaluate(styles, [".stApp", "backgroundColor"])


def test_plotly_comes_once_for_all_pages_and_without_its_maps(look):
    heard = []
    page = look()
    page.on("request", lambda request: heard.append(request.url))
    page.get_by_role("link", name="Layers").click()
    expect(page.get_by_role("heading", name="Layers")).to_be_visible()
    page.wait_for_selector(".scatterlayer .trace")
    assert not [url for url in heard if "PlotlyChart" in url or "plotly.js" in url]
