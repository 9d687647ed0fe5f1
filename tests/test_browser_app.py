"""The app as a person meets it, in a real Chromium."""

import re

import pytest
import stores
from browser import settled
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


UNHURRIED = """
import time
from brainalign.models.streaming import Stream
emit = Stream.emit
Stream.emit = lambda stream, piece: (time.sleep(0.1), emit(stream, piece))
"""


@pytest.fixture(scope="module")
def address(serve, tmp_path_factory):
    """The app on the tiny store; an untrained model that takes a tenth of a second for each word."""
    from brainalign.demo import zoo

    directory = tmp_path_factory.mktemp("app")
    stores.tiny_store(directory / "store")
    zoo.save_untrained_llava(directory / "models" / "llava-demo")
    (directory / "sitecustomize.py").write_text(UNHURRIED)
    return serve(directory / "store", BRAINALIGN_MODELS=str(directory / "models"), PYTHONPATH=str(directory))


def test_a_link_to_a_page_is_the_first_a_fresh_server_sees(address, visit):
    """Must stay the first test here: pages/ alone would show without the app around it."""
    page = visit(f"{address}/variance?b=IU3&roi=FFA")
    expect(page.get_by_role("heading", name="IC and IU3 in FFA")).to_be_visible()
    expect(page.get_by_role("link", name="Overview")).to_be_visible()
    expect(page.get_by_text("SIMULATED").first).to_be_visible()


@pytest.mark.parametrize("name", ["", "overview", "live", "flatmaps", "rois", "layers", "variance", "compare", "runs"])
def test_every_page_has_an_address(address, visit, name):
    page = visit(f"{address}/{name}")
    title = {"": "BrainAlign", "overview": "BrainAlign", "rois": "ROIs"}.get(name, name.title())
    expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
    expect(page.get_by_text("Page not found")).to_have_count(0)
    expect(page).to_have_title(f"{title if name not in ('', 'overview') else 'Overview'} · BrainAlign")


def test_overview_leads_to_every_page(address, visit):
    page = visit(address)
    expect(page.get_by_role("heading", name="BrainAlign")).to_be_visible()
    expect(page.locator("[data-testid=stPlotlyChart]")).to_have_count(1)
    for name, title in {"Live": "Live", "Flatmaps": "Flatmaps", "ROIs": "ROIs", "Variance": "Variance"}.items():
        page.get_by_test_id("stTopNavLink").filter(has_text=name).click()
        expect(page.get_by_role("heading", name=title, level=1)).to_be_visible()
        settled(page)
        expect(page.get_by_test_id("stException")).to_have_count(0)


def test_venn_shows_its_numbers(address, visit):
    page = visit(f"{address}/variance?b=VQ1&roi=V1&subject=subj01")
    units = stores.variance()
    units = units[(units.b == "VQ1") & (units.subject == "subj01") & (units.unit < 60) & (units.unit % 50 > 0)]
    chart = page.locator("[data-testid=stPlotlyChart]").first
    for part in ("unique_a", "shared", "unique_b"):
        expect(chart.get_by_text(f"{units[part].mean():.3f}")).to_be_visible()
    page.get_by_role("link", name=re.compile("share variance in the cortex of subj01")).click()
    page.wait_for_url(re.compile(r"/flatmaps\?.*quantity=shared.*b=VQ1"))
    expect(page.get_by_role("heading", name="Flatmaps")).to_be_visible()


def test_a_choice_changes_the_view_and_its_link_restores_it(address, visit):
    page = visit(f"{address}/rois")
    page.get_by_role("radio", name="R²").click()
    page.get_by_role("button", name="IC", exact=True).click()
    expect(page.locator("[data-testid=stPlotlyChart] .ytitle").filter(has_text="R²")).to_have_count(1)
    expect(page.locator("[data-testid=stPlotlyChart] .legend .traces")).to_have_count(3)
    page.wait_for_url(re.compile("quantity=r2_mean.*instructions=VQ1"))
    page.reload()
    for view in (settled(page), visit(page.url)):
        expect(view.locator("[data-testid=stPlotlyChart] .ytitle").filter(has_text="R²")).to_have_count(1)
        expect(view.locator("[data-testid=stPlotlyChart] .legend .traces")).to_have_count(3)


def test_back_goes_to_the_view_before(address, visit):
    page = visit(f"{address}/variance?b=VQ1")
    page.wait_for_url(re.compile("regions="))
    page.get_by_role("combobox", name="IC with").click()
    page.get_by_role("option", name=re.compile("IU3")).click()
    expect(page.get_by_role("heading", name="IC and IU3")).to_be_visible()
    page.wait_for_url(re.compile("b=IU3"))
    page.wait_for_timeout(2100)  # until then the app takes the address for its own echo
    page.go_back()
    expect(page.get_by_role("heading", name="IC and VQ1")).to_be_visible()


def test_a_picture_and_an_instruction_give_a_streamed_answer_that_stops(address, visit):
    page = visit(f"{address}/live")
    page.get_by_role("button", name="12", exact=True).click()
    page.get_by_role("combobox", name="Instruction").click()
    page.get_by_role("option", name=re.compile("VQ1")).click()
    page.wait_for_url(re.compile("picture=12.*instruction=VQ1"))
    answer = page.locator(".st-key-answer-0")
    expect(answer).to_contain_text("VQ1: a dog <b>and</b> 12 cats")
    ask = page.get_by_test_id("stMain").get_by_role("button", name="Ask")
    stop = page.get_by_test_id("stMain").get_by_role("button", name="Stop")
    ask.click()
    expect(answer).to_contain_text("▌")
    expect(answer).to_contain_text(re.compile(r"first word after .*, [3-9] tokens"))
    stop.click()
    expect(answer).to_contain_text("stopped")
    expect(ask).to_be_enabled()
    expect(answer).to_contain_text(re.compile(r"\D[1-5]?\d tokens"))  # of 64, had it gone on
    expect(answer).not_to_contain_text("▌")


def test_compared_answers_stand_side_by_side(address, visit):
    page = visit(f"{address}/live?answers=2&instruction=IC&instruction2=IU3&picture=3")
    expect(page.locator(".st-key-answer-1")).to_contain_text("true answer")
    first, second = page.evaluate(
        "[0, 1].map(place => document.querySelector(`.st-key-answer-${place}`).getBoundingClientRect().toJSON())"
    )
    assert first["y"] == second["y"]
    assert first["right"] <= second["left"]
