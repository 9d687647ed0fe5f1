"""The app as a person meets it, in a real Chromium."""

import json
import re

import numpy as np
import pytest
import stores
from browser import ROOT, settled
from playwright.sync_api import expect

from brainalign import store

pytestmark = pytest.mark.browser


UNHURRIED = """
import os, time
from brainalign import models
from brainalign.models.streaming import Stream
emit, load = Stream.emit, models.load
Stream.emit = lambda stream, piece: (time.sleep(0.1), emit(stream, piece))

def patient(name):
    while name == "llava-demo-random" and not os.path.exists(os.path.join(os.environ["BRAINALIGN_MODELS"], "go")):
        time.sleep(0.05)
    return load(name)

models.load = patient
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Where the models are: an untrained one that takes a tenth of a second for each word, and its twin with other
    random weights, which loads when there is a file `go`."""
    from brainalign.demo import zoo

    folder = tmp_path_factory.mktemp("app") / "models"
    zoo.save_untrained_llava(folder / "llava-demo")
    (folder / "sitecustomize.py").write_text(UNHURRIED)
    return folder


@pytest.fixture(scope="module")
def address(serve, models):
    """The app on the tiny store, with weights for the states of its model."""
    width = json.loads((models / "llava-demo" / "config.json").read_text())["text_config"]["hidden_size"]
    centre, into = np.zeros(width, "<f4"), np.random.default_rng(0).normal(size=(width, 2)).astype("<f2")
    tables = stores.tables()
    weights = tables["weights"][0].assign(centre=[centre.tobytes()], into_rank=[into.tobytes()])
    store.write(models.parent / "store", tables | {"weights": [weights]}, stores.info())
    return serve(models.parent / "store", BRAINALIGN_MODELS=str(models), PYTHONPATH=str(models))


def test_a_link_to_a_page_is_the_first_a_fresh_server_sees(address, visit):
    """Must stay the first test here: pages/ alone would show without the app around it."""
    page = visit(f"{address}/variance?b=IU3&roi=FFA")
    expect(page.get_by_role("heading", name="IC and IU3 in FFA")).to_be_visible()
    expect(page.get_by_role("link", name="Overview")).to_be_visible()
    expect(page.get_by_text("SIMULATED").first).to_be_visible()


def test_several_links_may_be_the_first_that_a_fresh_server_sees(serve, models, address, chromium):
    """Opened at once, before any script has run: each has the app around it and says what its link asks for."""
    fresh = serve(models.parent / "store", PYTHONPATH=str(models), SERVER="another")
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    opened = [context.new_page() for _ in range(3)]
    for page, name in zip(opened, ("rsa", "rois", "compare")):
        page.goto(f"{fresh}/{name}?model=nope", wait_until="commit")
    for page in opened:
        expect(page.get_by_text("The link asks for what this store or view lacks: model “nope”")).to_be_visible()
        expect(page.get_by_role("link", name="Overview", exact=True)).to_be_visible()
    context.close()


@pytest.mark.parametrize(
    "name", ["", "overview", "live", "flatmaps", "rois", "layers", "variance", "rsa", "compare", "runs"]
)
def test_every_page_has_an_address(address, visit, name):
    page = visit(f"{address}/{name}")
    title = {"": "BrainAlign", "overview": "BrainAlign", "rois": "ROIs", "rsa": "RSA"}.get(name, name.title())
    expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
    expect(page.get_by_text("Page not found")).to_have_count(0)
    expect(page).to_have_title(f"{title if name not in ('', 'overview') else 'Overview'} · BrainAlign")


def test_overview_leads_to_every_page(address, visit):
    page = visit(address)
    expect(page.get_by_role("heading", name="BrainAlign")).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_have_count(1)
    for name, title in {"Live": "Live", "Flatmaps": "Flatmaps", "ROIs": "ROIs", "Variance": "Variance"}.items():
        page.get_by_test_id("stTopNavLink").filter(has_text=name).click()
        expect(page.get_by_role("heading", name=title, level=1)).to_be_visible()
        settled(page)
        expect(page.get_by_test_id("stException")).to_have_count(0)


def test_venn_shows_its_numbers(address, visit):
    page = visit(f"{address}/variance?b=VQ1&roi=V1&subject=subj01")
    units = stores.variance()
    units = units[(units.b == "VQ1") & (units.subject == "subj01") & (units.unit < 60) & (units.unit % 50 > 0)]
    chart = page.locator(".js-plotly-plot").first
    for part in ("unique_a", "shared", "unique_b"):
        known = units[part].mean() - stores.FLOORS[part]
        expect(chart.get_by_text(f"{known:.3f}")).to_be_visible()
    page.get_by_role("link", name=re.compile("share variance in the cortex of subj01")).click()
    page.wait_for_url(re.compile(r"/flatmaps\?.*quantity=shared.*b=VQ1"))
    expect(page.get_by_role("heading", name="Flatmaps")).to_be_visible()


def test_a_choice_changes_the_view_and_its_link_restores_it(address, visit):
    page = visit(f"{address}/rois")
    page.get_by_role("radio", name="R²").click()
    page.get_by_role("button", name="IC", exact=True).click()
    expect(page.locator(".js-plotly-plot .ytitle").filter(has_text="R²")).to_have_count(1)
    expect(page.locator(".js-plotly-plot .legend .traces")).to_have_count(3)
    page.wait_for_url(re.compile("quantity=r2_mean.*instructions=VQ1"))
    page.reload()
    for view in (settled(page), visit(page.url)):
        expect(view.locator(".js-plotly-plot .ytitle").filter(has_text="R²")).to_have_count(1)
        expect(view.locator(".js-plotly-plot .legend .traces")).to_have_count(3)


def test_the_views_of_a_page_are_a_click_apart(address, visit):
    page = visit(f"{address}/variance?roi=V1")
    for name, heading in (
        ("All pairs", "IC with every other instruction"),
        ("Each against the rest", "What each instruction explains beyond all the others in V1"),
        ("Three instructions", "IC, VQ1 and IU3 in V1"),
        ("Two instructions", "IC and VQ1 in V1"),
    ):
        page.get_by_role("radio", name=name, exact=True).click()
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
        expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
        expect(page.get_by_test_id("stException")).to_have_count(0)
    page.wait_for_url(re.compile("view=pair"))


def test_back_goes_to_the_view_before(address, visit):
    page = visit(f"{address}/variance?b=VQ1")
    page.wait_for_url(re.compile("roi="))
    page.get_by_role("combobox", name="Second instruction").click()
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


def button(page, name):
    return page.get_by_test_id("stMain").get_by_role("button", name=name)


def test_a_typed_question_is_answered_and_a_shared_link_holds_it(address, visit):
    page = visit(f"{address}/live?picture=9")
    page.get_by_role("combobox", name="Instruction").click()
    page.get_by_role("option", name="Type your own ...").click()
    field = page.get_by_role("textbox", name="Your instruction")
    field.fill("Is it day or night?")
    field.press("Enter")
    page.wait_for_url(re.compile("text=Is"))
    shared = page.url
    button(page, "Ask").click()
    expect(page.locator(".st-key-answer-0")).to_contain_text(re.compile(r"\d tokens"))
    button(page, "Stop").click()
    field.fill(400 * "x")
    field.press("Enter")
    expect(page.get_by_text("These are 400 characters; at most 300 are taken.")).to_be_visible()
    expect(button(page, "Ask")).to_be_disabled()
    other = visit(shared)
    expect(other.get_by_role("textbox", name="Your instruction")).to_have_value("Is it day or night?")
    expect(other.get_by_role("img", name="Picture 9", exact=True).last).to_be_visible()
    expect(button(other, "Ask")).to_be_enabled()


def test_stopping_while_a_model_loads_leaves_one_clear_state_and_the_queue_goes_on(address, models, visit):
    page = visit(f"{address}/live?picture=9&model=llava-demo-random")
    answer = page.locator(".st-key-answer-0")
    button(page, "Ask").click()
    expect(answer).to_contain_text("loading the model")
    button(page, "Stop").click()
    expect(answer).to_contain_text("Stopped before its first word.")
    expect(answer).not_to_contain_text("loading the model")
    expect(button(page, "Ask")).to_be_enabled()
    expect(button(page, "Stop")).to_have_count(0)
    (models / "go").touch()
    button(page, "Ask").click()
    expect(answer).to_contain_text(re.compile(r"\d tokens"))
    button(page, "Stop").click()


def test_ones_own_picture_is_shown_and_what_is_none_is_told(address, visit):
    page = visit(f"{address}/live?picture=9")
    page.wait_for_url(re.compile("picture=9"))
    page.get_by_role("button", name="Use your own picture").click()

    def upload(name, content):
        page.locator("input[type=file]").set_input_files({"name": name, "mimeType": "image/png", "buffer": content})

    upload("own.png", (ROOT / "docs" / "images" / "live.png").read_bytes())
    expect(page.get_by_text("No link can carry it")).to_be_visible()
    page.wait_for_function("!document.URL.includes('picture=')")
    upload("none.png", b"<svg onload=alert(1)>")
    told = page.get_by_text("This file is not a picture that can be read; expected one of PNG, JPEG, WebP.")
    expect(told).to_be_visible()
    upload("large.png", bytes(9 << 20))
    expect(page.get_by_text("File must be 8.0MB or smaller.").last).to_be_visible()
    expect(told).to_be_hidden()


def test_the_predicted_and_the_measured_map_are_painted_and_exported(address, visit):
    page = visit(f"{address}/live?picture=6")
    page.get_by_text("Predict the brain's response to this").click()
    expect(page.locator("canvas.map[data-painted]")).to_have_count(2)
    page.wait_for_url(re.compile("predict=True"))
    page.get_by_role("button", name="Export the maps").click()
    with page.expect_download() as got:
        page.get_by_role("button", name="Download the maps").click()
    assert got.value.path().read_bytes().startswith(b"%PDF")
    page.keyboard.press("Escape")
    page.get_by_role("radio", name="Training images").click()
    button(page, "33").click()
    expect(page.get_by_text(re.compile("In-sample: subj01 saw this picture"))).to_be_visible()
    expect(page.locator("canvas.map[data-painted]")).to_have_count(1)


def test_a_job_is_chosen_in_the_table_and_its_link_leads_to_it(address, visit):
    page = visit(f"{address}/runs?model=vit-demo")
    table = page.get_by_test_id("stDataFrame")
    table.locator("canvas").first.wait_for()
    table.scroll_into_view_if_needed()
    page.wait_for_timeout(500)  # the table finds its size
    box = table.bounding_box()
    page.mouse.click(box["x"] + 15, box["y"] + 35 + 17)  # the box of the first row, below the names of the columns
    page.wait_for_url(re.compile("job=[0-9a-f]{16}"))
    for view in (page, visit(page.url)):
        expect(view.get_by_role("heading", name="encode subj01 vit-demo", level=2)).to_be_visible()
    page.wait_for_timeout(2100)  # until then the app takes the address for its own echo
    page.go_back()
    expect(page.get_by_role("heading", name="encode subj01 vit-demo")).to_have_count(0)


def test_a_region_s_matrices_and_pictures_are_picked_and_looked_at(address, visit):
    page = visit(f"{address}/rsa?roi=FFA")
    expect(page.get_by_test_id("stTopNavLink").filter(has_text="RSA")).to_have_count(1)
    page.get_by_role("radio", name="Pictures in one region").click()
    expect(page.get_by_text("Matrix of distances: FFA, mean over 3 subjects")).to_be_visible()
    pictures = page.locator(".js-plotly-plot .imagelayer image")
    expect(pictures).to_have_count(2 * (12 + 6))  # along two sides of each matrix, and in each plane
    settled(page)  # charts that come in close a list that is open
    box = page.get_by_role("combobox", name="Region")
    box.click()
    box.fill("V1")
    box.press("Enter")
    expect(page.get_by_text("Matrix of distances: V1, mean over 3 subjects")).to_be_visible()
    settled(page)
    page.get_by_role("radio", name="the model").click()
    page.wait_for_url(re.compile("(?=.*roi=V1)(?=.*sorted=model)"))
    expect(page.get_by_text("Matrix of distances: llava-demo with IC, layer 2")).to_be_visible()
    expect(pictures).to_have_count(2 * (12 + 6))
    box = pictures.last.bounding_box()
    assert 15 < box["width"] < 120
    assert abs(box["width"] - box["height"]) < 1
