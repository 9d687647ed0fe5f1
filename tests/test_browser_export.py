"""What a page exports is what it shows: the same pixels, the same numbers, downloaded as a reader downloads it."""

import io
import json
import re
import zipfile
from base64 import b64decode
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import expect
from stores import tiny_store

from brainalign import export_ui, paper
from brainalign.store import open_latest

pytestmark = pytest.mark.browser
SAYS = {name: export_ui.SAYS[key] for key, name in export_ui.FORMATS.items()}
LINK = "subject=subj02&model=llava-demo&instruction=VQ1&pooling=last_prompt&layer=2&threshold=15"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with open_latest(tiny_store(tmp_path_factory.mktemp("export"))) as opened:
        yield opened


def download(page, format, figure=0):
    """The bytes of what the page's export control gives in a format; figure : which one of the page."""
    if not page.get_by_test_id("stDownloadButton").is_visible():
        expect(page.get_by_test_id("stSkeleton")).to_have_count(0)  # a chart that comes in moves the buttons
        page.get_by_role("button", name="Export").nth(figure).click()
    page.get_by_role("radio", name=format, exact=True).click()
    page.get_by_text(SAYS[format]).wait_for()
    page.wait_for_selector('[data-test-script-state="notRunning"]')
    with page.expect_download() as got:
        page.get_by_test_id("stDownloadButton").get_by_role("button").click()
    return got.value.suggested_filename, Path(got.value.path()).read_bytes()


def raster(svg):
    """The map's pixels in an exported SVG, (height, width, 3) uint8."""
    found = re.search(rb'data:image/png;base64,\s*([^"]+)"', svg)
    return np.asarray(Image.open(io.BytesIO(b64decode(found[1]))).convert("RGB"))


@pytest.mark.parametrize(
    "link",
    [
        LINK,
        "quantity=shared&subject=subj01&b=IU3&threshold=0",
        "quantity=winner&among=instructions&pooling=mean_generated&margin=0.02&threshold=20",
        "quantity=r&subject=subj01&instruction=VQ1&pooling=last_prompt&second=q&threshold=0",
        "quantity=r2&subject=subj01&instruction=VQ1&pooling=last_prompt&second=ceiling&layer=2&threshold=0",
    ],
)
def test_paper_has_the_screens_pixels(store, serve, visit, link):
    page = visit(f"{serve(store.path)}/flatmaps?{link}")
    page.wait_for_selector("canvas.map[data-painted]")
    page.locator(".stage").evaluate("stage => Object.assign(stage.style, {width: '768px', maxWidth: 'none'})")
    expect(page.locator("canvas.map")).to_have_attribute("width", "768")  # three pixels for one
    url = page.locator("canvas.map").evaluate("canvas => canvas.toDataURL()")
    screen = np.asarray(Image.open(io.BytesIO(b64decode(url.partition(",")[2])))).astype(int)
    plot = paper.plot(store, "flatmap", **dict(part.split("=") for part in link.split("&")))
    printed = raster(paper.render(plot, store, "svg", width=76.8, dpi=254)).astype(int)  # ten pixels a millimetre
    assert printed.shape[:2] == screen.shape[:2]
    cortex = screen[1::3, 1::3, 3] == 255  # the middle of each pixel of the geometry
    away = np.abs(screen[1::3, 1::3, :3] - printed[1::3, 1::3]).max(2)[cortex]
    assert len(away) > 13_000
    assert away.max() <= 6  # one step of the palette: the screen's values come in 16 bits
    assert (away > 0).mean() < 0.01
    both = (screen[..., 3] == 255) & (printed < 255).any(2)
    assert both.sum() > 0.98 * (screen[..., 3] == 255).sum()
    same = (np.abs(screen[..., :3] - printed).max(2) <= 6)[both].mean()
    assert same > 0.75  # between the middles the paper follows each vertex, the screen whole pixels


def test_a_reader_downloads_the_flatmap_on_the_screen(store, serve, visit):
    page = visit(f"{serve(store.path)}/flatmaps?{LINK}")
    page.wait_for_selector("canvas.map[data-painted]")
    name, data = download(page, "PDF")
    assert name == "flatmap_subj02_r_llava-demo_VQ1.pdf"
    assert data.startswith(b"%PDF")
    assert b"layer=2" in data
    _, data = download(page, "CSV")
    table = pd.read_csv(io.BytesIO(data))
    _, r, _ = store.layer_maps("subj02", "llava-demo", "VQ1", "last_prompt")
    np.testing.assert_allclose(table.value, r[2], rtol=1e-6)
    assert table.drawn.sum() == (np.isfinite(r[2]) & (store.noise_ceiling("subj02") >= 15)).sum()


def test_a_layer_moved_on_the_screen_is_the_layer_exported(store, serve, visit):
    page = visit(f"{serve(store.path)}/flatmaps?{LINK}")
    page.wait_for_selector("canvas.map[data-painted]")
    page.get_by_role("slider", name="Layer").press("ArrowRight")
    expect(page.get_by_text("layer 3.").first).to_be_visible()
    table = pd.read_csv(io.BytesIO(download(page, "CSV")[1]))
    _, r, _ = store.layer_maps("subj02", "llava-demo", "VQ1", "last_prompt")
    np.testing.assert_allclose(table.value, r[3], rtol=1e-6)


def test_limits_that_a_reader_keeps_hold_for_the_next_map_and_its_figure(store, serve, visit):
    page = visit(f"{serve(store.path)}/flatmaps?{LINK.replace('VQ1', 'IC')}")
    page.wait_for_selector("canvas.map[data-painted]")
    page.get_by_role("button", name="Colours").click()
    page.get_by_role("radio", name="keep: 0 to").click()
    expect(page.get_by_role("radio", name="kept: 0 to")).to_be_checked()
    kept = parse_qs(urlsplit(page.url).query)["limits"][0]
    page.goto(page.url.replace(f"limits={kept.replace(',', '%2C')}", "limits=0.1%2C0.3").replace("=IC", "=VQ1"))
    page.wait_for_selector("canvas.map[data-painted]")
    page.get_by_role("button", name="Colours").click()
    expect(page.get_by_role("radio", name="kept: 0.1 to 0.3")).to_be_checked()
    page.keyboard.press("Escape")
    _, data = download(page, "SVG")
    assert b">0.15<" in data
    assert b"from 0.1 to 0.3 (set by hand)" in data


@pytest.mark.parametrize(
    ("link", "figure", "kind"),
    [
        ("rois?by=model&instruction=IU3&layer=2", 0, "rois"),
        ("layers?lines=model&instruction=IU3&roi=PPA", 0, "layers"),
        ("layers?view=areas&instruction=IU3", 0, "chosen"),
        ("layers?view=states&pooling=last_prompt", 0, "shares"),
        ("variance?b=IU3&roi=FFA", 0, "variance"),
        ("variance?view=all&part=unique_a&regions=faces,places&subject=subj02", 0, "matrix"),
        ("variance?view=all&roi=PPA", 1, "pairs"),
        ("variance?view=rest&roi=PPA", 0, "unique"),
        ("variance?view=three&roi=V1&subject=subj05", 0, "triple"),
        ("compare?instruction=VQ1&roi=FFA&model=vit-demo", 0, "compare"),
        ("compare?view=instructions", 0, "specialisation"),
        ("overview", 0, "coverage"),
        ("rsa?by=model&instruction=IU3&reference=vit-demo", 0, "rsa"),
        ("rsa?view=pictures&roi=FFA&map=VQ1&sorted=model", 0, "rdms"),
        ("rsa?view=depth&roi=V1&instructions=IC,IU3", 0, "rsa-layers"),
    ],
)
def test_a_bundle_of_a_page_says_where_it_comes_from(store, serve, visit, link, figure, kind):
    address = serve(store.path)
    page = visit(f"{address}/{link}")
    name, data = download(page, "Bundle", figure)
    assert name.startswith(kind)
    assert name.endswith(".zip")
    with zipfile.ZipFile(io.BytesIO(data)) as files:
        about = json.loads(files.read("about.json"))
        table = pd.read_parquet(io.BytesIO(files.read("data.parquet")))
        assert b"SIMULATED" in files.read("caption.txt")
    panel = about["panels"][0]
    made = parse_qs(urlsplit(panel["link"]).query)
    assert panel["link"].partition("?")[0] == f"{address}/{link.partition('?')[0]}"
    assert all(made[key] == value for key, value in parse_qs(urlsplit(link).query).items())
    typed = paper.plot(store, kind, **paper.from_link(f"{address}/{link}", kind)[1]).data
    typed = typed.drop(columns=["ceiling", *["low", "high"] * (kind == "layers")], errors="ignore")
    pd.testing.assert_frame_equal(table[list(typed)], typed.reset_index(drop=True), check_dtype=False)


@pytest.mark.parametrize(("link", "many"), [("variance", 1), ("variance?view=all", 2)])
def test_each_export_of_a_page_has_a_name_of_its_own(store, serve, visit, link, many):
    page = visit(f"{serve(store.path)}/{link}")
    buttons = page.get_by_role("button", name="Export ")
    expect(buttons).to_have_count(many)
    names = buttons.locator("p").all_inner_texts()
    assert len(set(names)) == many
    buttons.first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name=names[0].replace("Export", "Download"))).to_be_visible()
    expect(page.get_by_role("radiogroup", name="Format")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("stDownloadButton")).to_have_count(0)
