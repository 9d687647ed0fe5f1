"""The flatmaps page as a reader meets it: painting, pointing, clicking, scrubbing layers, sharing the link."""

import io
import re
from base64 import b64decode
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from browser import ROOT, settled
from PIL import Image
from playwright.sync_api import expect
from stores import ROIS, tiny_store

from brainalign import surface
from brainalign.bench import app_page
from brainalign.bench.browser import served
from brainalign.figures.flatmap import palettes
from brainalign.store import open_latest

pytestmark = pytest.mark.browser
LINK = "subject=subj01&model=llava-demo&instruction=VQ1&pooling=last_prompt&layer=2&threshold=0"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with open_latest(tiny_store(tmp_path_factory.mktemp("flatmaps"))) as opened:
        yield opened


@pytest.fixture
def look(store, serve, visit):
    """look(link, ...) -> a page on which the flatmap is painted."""

    def look(link=LINK, **options):
        page = visit(f"{serve(store.path)}/flatmaps?{link}", **options)
        page.wait_for_selector("canvas.map[data-painted]")
        return page

    return look


def painted(page):
    return page.locator("canvas.map").get_attribute("data-painted")


def pixels(page, canvas="canvas.map"):
    """What is on a canvas, (height, width, 4) uint8."""
    url = page.locator(canvas).evaluate("canvas => canvas.toDataURL()")
    return np.asarray(Image.open(io.BytesIO(b64decode(url.partition(",")[2]))))


def place(page, store, vertex):
    """Screen position of a vertex: the middle of one of its pixels."""
    canvas = page.locator("canvas.map")
    canvas.scroll_into_view_if_needed()
    shape = {key: int(canvas.get_attribute(f"data-{key}")) for key in ("top", "rows", "columns")}
    row, column = np.argwhere(store.geometry().pixel_vertex == vertex)[0]
    box = canvas.bounding_box()
    x = box["x"] + (column + 0.5) / shape["columns"] * box["width"]
    return x, box["y"] + (row + 0.5 - shape["top"]) / shape["rows"] * box["height"]


def vertex_of(store, unit):
    """A vertex that shows a unit and has a pixel."""
    visible = np.intersect1d(np.flatnonzero(store.flat_units("subj01") == unit), store.geometry().pixel_vertex)
    return int(visible[0])


def choose(page, label, option):
    page.get_by_role("combobox", name=re.compile(label)).click()
    page.get_by_role("option", name=option).click()


def messages(page):
    """Load the page again and return a list that grows with (direction, bytes) of each message."""
    seen = []

    def listen(socket):
        socket.on("framesent", lambda data: seen.append(("sent", len(data))))
        socket.on("framereceived", lambda data: seen.append(("received", len(data))))

    page.on("websocket", listen)
    page.reload()
    settled(page).wait_for_selector("canvas.map[data-painted]")
    page.wait_for_timeout(500)
    seen.clear()
    return seen


@pytest.mark.parametrize("dark", [False, True])
def test_the_flatmap_paints_cortex_folds_and_values(look, dark):
    image = pixels(look(dark=dark))
    inside = image[..., 3] == 255
    assert 0.4 < inside.mean() < 0.8
    colours = image[inside][:, :3].astype(int)
    grey = (np.ptp(colours, axis=1) == 0).mean()
    assert 0.3 < grey < 0.95  # three of four vertices of the tiny store show folds
    assert {palettes.GYRUS, palettes.SULCUS} <= set(np.unique(colours[np.ptp(colours, axis=1) == 0]))
    assert len(np.unique(colours, axis=0)) > 100


def test_a_pixel_has_the_palettes_colour_of_its_units_value(look, store):
    page = look()
    image, box = pixels(page), page.locator("canvas.map").bounding_box()
    _, r, _ = store.layer_maps("subj01", "llava-demo", "VQ1", "last_prompt")
    high = palettes.limits(r)[1]
    for unit in range(1, 60, 7):
        if not np.isfinite(r[2, unit]):
            continue
        x, y = place(page, store, vertex_of(store, unit))
        colour = image[int(y - box["y"]), int(x - box["x"]), :3].astype(int)
        expected = palettes.table("sequential")[int(np.clip(round(255 * r[2, unit] / high), 0, 255))]
        assert np.abs(colour - expected).max() <= 3


def test_pointing_names_the_roi_and_the_stores_value(look, store):
    page = look()
    unit = ROIS["FFA"].start + 3
    _, r, _ = store.layer_maps("subj01", "llava-demo", "VQ1", "last_prompt")
    page.mouse.move(*place(page, store, vertex_of(store, unit)))
    tip = page.locator(".tip")
    tip.wait_for()
    text = tip.inner_text()
    assert "FFA, visual cortex (nsdgeneral)" in text
    shown = float(re.search(r"r = (\S+)", text)[1].replace("−", "-"))
    assert shown == pytest.approx(r[2, unit], abs=0.0011)
    assert f"noise ceiling {store.noise_ceiling('subj01')[unit]:.1f} %" in text
    assert f"unit {unit}, vertex" in text
    page.mouse.move(5, 5)
    tip.wait_for(state="hidden")


def test_the_slider_scrubs_layers_without_the_server_and_then_tells_the_link(look):
    page = look()
    seen = messages(page)
    slider = page.get_by_role("slider", name="Layer")
    before, first = painted(page), pixels(page)
    slider.evaluate("s => { s.value = 1; s.dispatchEvent(new Event('input', { bubbles: true })); }")
    assert painted(page) != before
    assert (pixels(page) != first).any()
    assert page.locator("canvas.map").get_attribute("data-layer") == "0"
    assert slider.get_attribute("aria-valuetext") == "layer 0 (embeddings)"
    page.wait_for_timeout(600)
    assert seen == []
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_url(re.compile("layer=1"))
    assert painted(page).split("#")[1] == "1"
    page.get_by_text("with VQ1, layer 1.").wait_for()


def test_the_threshold_hides_units_of_a_low_noise_ceiling(look):
    page = look()

    def coloured():
        image = pixels(page)
        return (np.ptp(image[image[..., 3] == 255][:, :3].astype(int), axis=1) > 0).mean()

    before = coloured()
    slider = page.get_by_role("slider", name="noise ceiling")
    slider.evaluate("s => { s.value = 50; s.dispatchEvent(new Event('input', { bubbles: true })); }")
    assert 0 < coloured() < 0.4 * before  # 55 of the 300 units have more than 50 %


def test_clicking_shows_the_units_exact_values(look, store):
    page = look()
    unit = ROIS["PPA"].start + 5
    r = store.nested_map("subj01", "llava-demo", "VQ1", "last_prompt")["r"]
    page.mouse.click(*place(page, store, vertex_of(store, unit)))
    page.get_by_text(f"Unit {unit} of subj01: PPA, visual cortex (nsdgeneral)").wait_for()
    page.wait_for_url(re.compile(f"unit={unit}"))
    table = page.get_by_test_id("stDataFrame").locator("canvas").first
    expect(table).to_contain_text(str(float(r[unit]))[:6], timeout=15_000)


def test_another_instruction_changes_the_pixels_and_sends_only_the_map(look):
    page = look()
    seen = messages(page)
    before, first = painted(page), pixels(page)
    choose(page, "Instruction", re.compile("^IU3"))
    page.wait_for_selector(f"canvas.map:not([data-painted='{before}'])")
    assert (pixels(page) != first).any()
    assert page.locator("canvas.map").get_attribute("data-layer") == "2"  # the reader's layer stays
    page.wait_for_url(re.compile("instruction=IU3"))
    assert 0 < sum(n for direction, n in seen if direction == "received") < 60_000


def test_the_link_restores_the_view(look):
    page = look()
    page.get_by_role("slider", name="Layer").focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(re.compile("layer=1"))
    page.get_by_role("button", name="Outlines").click()
    page.get_by_text("Streams", exact=True).click()
    page.wait_for_url(re.compile("outlines=streams"))
    again = look(urlsplit(page.url).query)
    assert painted(again) == painted(page)
    np.testing.assert_array_equal(pixels(again), pixels(page))
    assert parse_qs(urlsplit(again.url).query) == parse_qs(urlsplit(page.url).query)


def test_the_map_fits_its_page_and_the_colour_bar_lies_below_the_cortex(look):
    page = look()
    for width in (700, 1280, 1920):
        page.set_viewport_size({"width": width, "height": 1000})
        page.wait_for_timeout(300)
        canvas, bar = page.locator("canvas.map").bounding_box(), page.locator(".bar").bounding_box()
        assert bar["y"] >= canvas["y"] + canvas["height"]
        assert canvas["x"] >= 0
        assert canvas["x"] + canvas["width"] <= width
        assert bar["x"] + bar["width"] <= width
        assert page.locator("canvas.map").evaluate("canvas => canvas.width") == round(canvas["width"])
        assert page.locator("canvas.lines").get_attribute("data-names") != "0"


# Zoom, keyboard, drawing --------------------------------------------------------------------------------------


def wheel(page, x, y, turns):
    page.mouse.move(x, y)
    page.keyboard.down("Control")
    for _ in range(abs(turns)):
        page.mouse.wheel(0, -60 if turns > 0 else 60)
    page.keyboard.up("Control")


def zoom(page):
    return float(page.locator("canvas.map").get_attribute("data-zoom"))


def test_the_wheel_zooms_at_the_pointer_and_a_new_map_and_the_link_keep_it(look, store):
    page = look()
    at = place(page, store, vertex_of(store, ROIS["FFA"].start + 3))
    page.mouse.move(*at)
    page.locator(".tip").wait_for()
    said = page.locator(".tip").inner_text()
    wheel(page, *at, 4)
    page.wait_for_url(re.compile("zoom="))
    assert zoom(page) > 4
    page.mouse.move(at[0] + 1, at[1])
    page.mouse.move(*at)
    assert page.locator(".tip").inner_text() == said  # the place under the pointer stayed there
    before, times = painted(page), zoom(page)
    choose(page, "Instruction", re.compile("^IU3"))
    page.wait_for_selector(f"canvas.map:not([data-painted='{before}'])")
    assert zoom(page) == times
    page.wait_for_url(re.compile("instruction=IU3"))
    again = look(urlsplit(page.url).query)
    assert zoom(again) == pytest.approx(times, abs=0.01)
    page.get_by_role("button", name="Show the whole map").click()
    page.wait_for_function("document.URL.indexOf('zoom=') < 0")
    assert zoom(page) == 1


def test_dragging_moves_the_enlarged_map_and_picks_nothing(look):
    page = look(f"{LINK}&zoom=3.00,128,60")
    canvas = page.locator("canvas.map").bounding_box()
    middle = canvas["x"] + canvas["width"] / 2, canvas["y"] + canvas["height"] / 2
    first = pixels(page)
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] - 60, middle[1], steps=4)
    page.mouse.up()
    page.wait_for_url(re.compile(r"zoom=3.00%2C1[3-9]\d%2C60"))
    after = pixels(page)
    np.testing.assert_array_equal(after[:, :-70], first[:, 60:-10])
    assert "unit=" not in page.url


def test_the_keyboard_points_picks_and_zooms(look):
    page = look()
    page.locator("canvas.lines").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    for _ in range(40):
        page.keyboard.press("ArrowRight")
        if found := re.search(r"unit (\d+)", page.locator(".tip").text_content()):
            break
    unit = found[1]
    page.keyboard.press("+")
    page.wait_for_url(re.compile("zoom=1.50"))
    page.keyboard.press("Enter")
    page.get_by_text(re.compile(f"^Unit {unit} of subj01")).wait_for()
    page.wait_for_url(re.compile(f"unit={unit}"))


def test_drawing_around_a_region_gives_its_statistics_and_its_label(look, store):
    page = look()
    page.get_by_role("button", name="Draw around a region").click()
    canvas = page.locator("canvas.map").bounding_box()
    x, y = canvas["x"] + 0.55 * canvas["width"], canvas["y"] + 0.3 * canvas["height"]
    page.mouse.move(x, y)
    page.mouse.down()
    for dx, dy in ((150, 0), (150, 150), (0, 150), (0, 10)):
        page.mouse.move(x + dx, y + dy, steps=8)
    page.mouse.up()
    page.wait_for_url(re.compile("region=drawn"))
    corners = np.array(parse_qs(urlsplit(page.url).query)["lasso"][0].split(","), int).reshape(-1, 2)
    xy = store.geometry().xy
    low, high = corners.min(0), corners.max(0)
    inside = ((xy > low) & (xy < high)).all(1)
    with page.expect_download() as got:
        page.get_by_role("button", name="Save the label").click()
    assert got.value.suggested_filename == "rh.drawn_region.label"
    lines = got.value.path().read_text().splitlines()
    assert int(lines[1]) == len(lines) - 2
    assert len(lines) - 2 == pytest.approx(inside.sum(), rel=0.1)
    page.locator("canvas.lines").focus()
    page.keyboard.press("Escape")
    page.wait_for_function("document.URL.indexOf('lasso=') < 0")


def test_classes_have_a_legend_and_the_margin_makes_ties(look):
    page = look("quantity=winner&among=instructions&pooling=mean_generated&margin=0")
    items = page.locator(".classes li")
    expect(items).to_have_text([re.compile(name) for name in ("IC", "VQ1", "IU3", "tie 0 %")])
    slider = page.get_by_role("slider", name="ties")
    slider.evaluate("s => { s.value = 40; s.dispatchEvent(new Event('input', { bubbles: true })); }")
    shares = [int(re.search(r"(\d+) %", text)[1]) for text in items.all_inner_texts()]
    assert shares[3] > 20
    assert sum(shares) == pytest.approx(100, abs=2)
    tie = [int(palettes.TIE[k : k + 2], 16) for k in (1, 3, 5)]
    assert (pixels(page) == [*tie, 255]).all(2).mean() > 0.02


def test_subjects_stand_in_a_grid_with_one_zoom(look):
    page = look("subject=all&instruction=VQ1&pooling=last_prompt&layer=2")
    expect(page.locator("canvas.map[data-painted]")).to_have_count(3)
    boxes = [page.locator(".stage").nth(k).bounding_box() for k in range(3)]
    assert boxes[0]["y"] == boxes[1]["y"] < boxes[2]["y"]
    page.get_by_role("button", name="Zoom in").click()
    page.wait_for_url(re.compile("zoom=1.50"))
    assert {page.locator("canvas.map").nth(k).get_attribute("data-zoom") for k in range(3)} == {"1.5"}


# Three dimensions ----------------------------------------------------------------------------------------------


def solid(look, link="", **options):
    page = look(f"{LINK}&solid=True&{link}", **options)
    page.wait_for_selector("canvas.cast[data-painted]")
    page.wait_for_timeout(300)
    return page


def pose(page):
    return page.locator("canvas.cast").get_attribute("data-pose")


def seen_from_the_side(side, shape):
    """Places (to the right, downwards) in mm of the silhouette's corners and of the vertices of the hemisphere that is
    seen; and some of these that lie before all its triangles, with the vertices that share a face with each."""
    half = surface.N_VERTICES // 2
    xyz, faces = surface.mesh(shape)
    right, faces = side == "right", faces[: len(faces) // 2]
    sign = 1 if right else -1  # towards the eye, and of the front on the screen
    both = np.c_[sign * xyz[:, 1], -xyz[:, 2]].astype("f8")
    flat, near = both[right * half :][:half], sign * xyz[right * half :][:half, 0]
    a, b, c = flat[faces].transpose(1, 0, 2)
    chosen = np.random.default_rng(0).choice(half, 60, replace=False)
    found = []
    for vertex in chosen:
        weights = np.stack([cross(q - flat[vertex], p - flat[vertex]) for p, q in ((c, b), (a, c), (b, a))], axis=1)
        hit = ((weights >= 0).all(1) | (weights <= 0).all(1)) & (np.abs(weights.sum(1)) > 1e-9)
        depth = (weights[hit] / weights[hit].sum(1, keepdims=True) * near[faces[hit]]).sum(1)
        own = faces[(faces == vertex).any(1)]
        if (
            depth.max() < near[vertex] + 0.01
            and np.abs(cross(*np.diff(flat[own], axis=1).transpose(1, 0, 2))).min() > 2
        ):
            found.append((vertex, set(own.ravel().tolist())))
    return (both.min(0), both.max(0)), flat, found


def cross(a, b):
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def test_pointing_at_a_vertex_in_three_dimensions_names_it_and_marks_the_flat_map(look, store):
    page = solid(look, "surface=pial&side=left")
    points_at_vertices(page, store, "left", "pial")
    page.get_by_role("button", name="Inflated").click()
    page.get_by_role("button", name="Right").click()
    page.wait_for_selector("canvas.cast[data-pose='infl right']")
    points_at_vertices(page, store, "right", "infl")


def points_at_vertices(page, store, side, shape):
    (least, most), flat, found = seen_from_the_side(side, shape)
    rows, columns = np.nonzero(pixels(page, "canvas.cast")[..., 3])
    low, high = np.array([columns.min(), rows.min()]), np.array([columns.max(), rows.max()]) + 1
    scale = (high - low) / (most - least)  # pixels of a mm, by the silhouette alone
    assert scale[0] == pytest.approx(scale[1], rel=0.02)
    box = page.locator("canvas.cast").bounding_box()
    assert len(found) >= 6
    for vertex, ring in found[:6]:
        x, y = low + (flat[vertex] - least) * scale
        page.mouse.move(box["x"] + x, box["y"] + y)
        said = re.search(r"vertex (\d+) of the (\w+) hemisphere", page.locator(".solid .tip").inner_text())
        assert (int(said[1]) in ring, said[2]) == (True, side)
        whole = int(said[1]) + (side == "right") * surface.N_VERTICES // 2
        assert page.locator(".grid .mark").is_visible() == (whole in store.geometry().pixel_vertex)


def test_a_click_in_three_dimensions_picks_the_unit_that_the_flat_map_then_marks(look, store):
    page = solid(look)
    box = page.locator("canvas.cast").bounding_box()
    for across in np.arange(0.25, 0.75, 0.01):
        x, y = box["x"] + across * box["width"], box["y"] + 0.6 * box["height"]
        page.mouse.move(x, y)
        if "unit " in page.locator(".solid .tip").inner_text() and page.locator(".grid .mark").is_visible():
            break
    unit = int(re.search(r"unit (\d+)", page.locator(".solid .tip").inner_text())[1])
    before = pixels(page, ".grid canvas.lines").astype(int)
    page.mouse.click(x, y)
    page.wait_for_url(re.compile(f"unit={unit}"))
    page.get_by_text(f"Unit {unit} of subj01").wait_for()
    changed = np.argwhere(np.abs(pixels(page, ".grid canvas.lines") - before).max(2) > 60)
    row, column = (changed.min(0) + changed.max(0) + 1) / 2  # the middle of the ring
    canvas = page.locator("canvas.map")
    shape = {key: int(canvas.get_attribute(f"data-{key}")) for key in ("top", "rows", "columns")}
    size = pixels(page).shape
    at = int(row / size[0] * shape["rows"]) + shape["top"], int(column / size[1] * shape["columns"])
    assert store.flat_units("subj01")[store.geometry().pixel_vertex[at]] == unit


def test_three_dimensions_have_the_maps_colours_in_light_and_shade_of_each_layer_without_the_server(look):
    page = solid(look)
    seen = messages(page)
    page.wait_for_selector("canvas.cast[data-painted]")
    page.wait_for_timeout(500)
    seen.clear()
    first = pixels(page, "canvas.cast")
    has_colours_in_light_and_shade(first[..., :3].astype(int))
    slider = page.get_by_role("slider", name="Layer")
    slider.evaluate("s => { s.value = 1; s.dispatchEvent(new Event('input', { bubbles: true })); }")
    after = pixels(page, "canvas.cast")
    assert page.locator("canvas.cast").get_attribute("data-painted") == painted(page)
    assert (after != first).any(2).mean() > 0.01
    np.testing.assert_array_equal(after[..., 3], first[..., 3])
    assert seen == []


def has_colours_in_light_and_shade(image):
    near = np.stack([np.roll(image, shift, axis) for shift in (-1, 1) for axis in (0, 1)])
    even = (np.abs(near - image).max((0, 3)) <= 3) & (image.sum(2) > 0)  # not where two vertices meet
    colours = np.unique(image[even], axis=0)
    assert len(colours) > 100
    table = np.concatenate([palettes.table("sequential"), [[palettes.GYRUS] * 3, [palettes.SULCUS] * 3]]).astype(int)
    light = np.clip((colours @ table.T) / (table**2).sum(1), 0, 1)  # that brings a colour of the table closest
    away = np.abs(light[..., None] * table - colours[:, None]).max(2).min(1)
    assert np.percentile(away, 95) <= 3
    assert np.ptp(colours, axis=1).max() > 100  # not only folds


def test_three_dimensions_open_turn_and_come_back_by_the_link(look):
    page = look()
    page.get_by_role("button", name="Show in three dimensions").click()
    page.wait_for_selector("canvas.cast[data-painted]")
    assert pose(page) == "infl behind"
    page.get_by_role("button", name="Pial").click()
    page.get_by_role("button", name="Inside").click()
    page.wait_for_url(re.compile("surface=pial&side=inside"))
    box = page.locator("canvas.cast").bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 150)
    page.mouse.down()
    page.mouse.move(box["x"] + 240, box["y"] + 150, steps=3)
    page.mouse.up()
    page.locator(".solid canvas.lines").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("+")
    page.wait_for_url(re.compile("side=-18%2C-6%2C90%2C1.50%2C0%2C0"))
    assert pose(page) == "pial -18,-6,90,1.50,0,0"
    before = painted(page)
    choose(page, "Instruction", re.compile("^IU3"))
    page.wait_for_selector(f"canvas.cast:not([data-painted='{before}'])")
    assert pose(page) == "pial -18,-6,90,1.50,0,0"
    page.wait_for_url(re.compile("instruction=IU3"))
    again = look(urlsplit(page.url).query)
    again.wait_for_selector("canvas.cast[data-painted]")
    assert pose(again) == "pial -18,-6,90,1.50,0,0"
    again.get_by_role("button", name="Show in three dimensions").click()
    again.wait_for_function("document.URL.indexOf('solid=') < 0")
    expect(again.locator("canvas.cast")).to_be_hidden()


def test_a_grid_shows_the_subject_picked_last_in_three_dimensions(look, store):
    page = look("subject=all&instruction=VQ1&pooling=last_prompt&layer=2&solid=True&threshold=0")
    page.wait_for_selector("canvas.cast[data-painted]")
    first = pixels(page, "canvas.cast")
    middle = page.locator(".grid .stage").nth(1).bounding_box()
    xy = store.geometry().pixel_vertex
    unit = store.flat_units("subj02")
    row, column = next((r, c) for r, c in np.argwhere(xy >= 0)[::7] if unit[xy[r, c]] >= 0)
    canvas = page.locator("canvas.map").nth(1)
    top, rows, columns = (int(canvas.get_attribute(f"data-{key}")) for key in ("top", "rows", "columns"))
    x = middle["x"] + (column + 0.5) / columns * middle["width"]
    page.mouse.click(x, middle["y"] + (row + 0.5 - top) / rows * middle["height"])
    page.wait_for_url(re.compile("whose=subj02"))
    assert (pixels(page, "canvas.cast") != first).any()


def test_a_map_of_302_000_vertices_has_the_palettes_colours(visit):
    """So large a map comes in one byte a value."""
    with served(ROOT / "brainalign" / "bench" / "app_page.py") as (_, address, _):
        as_wide = app_page.WIDTH + 160  # as makes a pixel of the map one of the screen
        page = visit(f"{address}/?vertices=302000", width=as_wide)
        page.wait_for_selector("canvas.map[data-painted]")
        image = pixels(page)
        shape = {key: int(page.locator("canvas.map").get_attribute(f"data-{key}")) for key in ("top", "rows")}
    y, x = np.mgrid[: app_page.HEIGHT, : app_page.WIDTH]
    inside = (abs(x - app_page.WIDTH / 2) - app_page.WIDTH / 4) ** 2 + (y - app_page.HEIGHT / 2) ** 2 < 240**2
    vertices = np.linspace(0, 301_999, inside.sum()).astype(int)
    values = np.sin(np.arange(302_000) / 1000)[vertices]
    table = palettes.table("sequential").astype(int)
    wanted = np.zeros((app_page.HEIGHT, app_page.WIDTH, 3), int)
    wanted[inside] = table[np.clip(np.rint(values / palettes.limits(values)[1] * 255), 0, 255).astype(int)]
    rows = slice(shape["top"], shape["top"] + shape["rows"])
    assert image.shape[1] == app_page.WIDTH
    away = np.abs(image[: shape["rows"], :, :3] - wanted[rows]).max(-1)[inside[rows]]
    assert (away <= 3).mean() > 0.999
