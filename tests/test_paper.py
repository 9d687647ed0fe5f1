"""Figures for papers: exact widths, text that stays text, and the same numbers and pixels as on the screen."""

import io
import re
import zlib
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from stores import SUBJECTS, tiny_store

from brainalign import figures, paper, surface
from brainalign.figures import frames
from brainalign.figures.flatmap import palettes
from brainalign.paper import export, labels, panels, raster, sheet, words
from brainalign.store import open_latest
from brainalign.tables import DATA, today

KINDS = list(paper.KINDS)
CHOICES = {"compare": {"roi": "FFA"}}  # of the tiny store, which compares models in FFA alone
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with open_latest(tiny_store(tmp_path_factory.mktemp("paper"))) as opened:
        yield opened


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The same numbers, said to be measured."""
    with open_latest(tiny_store(tmp_path_factory.mktemp("real"), simulated="false")) as opened:
        yield opened


STRING = rb"\(((?:\\.|[^\\()])*)\)"


def pdf_text(data):
    """What a PDF writes, one text after another; characters are written in two bytes, in strings between kernings."""
    found = []
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", data, re.S):
        try:
            content = zlib.decompress(stream)
        except zlib.error:
            continue
        if b" Tf" in content:
            for run in re.findall(rb"BT(.*?)ET", content, re.S):
                pieces = [re.sub(rb"\\(.)", rb"\1", piece) for piece in re.findall(STRING, run)]
                found.append(b"".join(pieces).decode("utf-16-be", "replace"))
    return " | ".join(found)


# --- Files ---


@pytest.mark.parametrize(("kind", "width"), [*zip(KINDS, [85, 180] * len(KINDS)), ("flatmap", 180)])
def test_a_pdf_is_as_wide_as_asked_and_embeds_its_fonts(store, kind, width):
    data = paper.render(paper.plot(store, kind, **CHOICES.get(kind, {})), store, "pdf", width)
    box = re.search(rb"/MediaBox \[ ?([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+)", data)
    assert float(box[3]) / 72 * 25.4 == pytest.approx(width, abs=1e-4)
    assert data.count(b"/FontFile2") >= 1
    assert data.count(b"/FontFile2") == data.count(b"/Type /FontDescriptor")
    assert b"/Type3" not in data
    assert "SIMULATED DATA" in pdf_text(data)


@pytest.mark.parametrize("kind", KINDS)
def test_an_svgs_text_is_text_at_the_width_asked(store, kind):
    plot = paper.plot(store, kind, **CHOICES.get(kind, {}))
    root = ElementTree.fromstring(paper.render(plot, store, "svg", 85))
    assert float(root.get("width").removesuffix("pt")) / 72 * 25.4 == pytest.approx(85, abs=1e-4)
    words = {"".join(text.itertext()).strip() for text in root.iter(f"{SVG}text")}
    assert "SIMULATED DATA" in words
    named = {"flatmap": "V1", "rois": "noise ceiling", "variance": "shared", "layers": "FFA", "chosen": "PPA"}
    named |= {"shares": "the picture", "matrix": "IU3", "unique": "R²", "triple": "VQ1", "specialisation": "FFA"}
    named |= {"pairs": "IU3", "compare": "minus vit-demo", "coverage": "vit-demo"}
    named |= {"rsa": "noise ceiling", "rsa-layers": "similarity (ρₐ)", "rdms": "unlike"}
    assert named[kind] in words


@pytest.mark.parametrize(("width", "dpi"), [(85, 300), (180, 300), (85, 600)])
def test_a_png_has_the_pixels_and_the_resolution(store, width, dpi):
    image = Image.open(io.BytesIO(paper.render(paper.plot(store, "flatmap"), store, "png", width, dpi)))
    assert image.width == round(width / 25.4 * dpi)
    assert image.info["dpi"][0] == pytest.approx(dpi, abs=0.01)


def test_real_data_carry_no_badge(real):
    assert "SIMULATED" not in pdf_text(paper.render(paper.plot(real, "rois"), real, "pdf"))


def test_files_say_where_they_come_from(store):
    plot = paper.plot(store, "flatmap", instruction="VQ1")
    version = store.info()["version"]
    image = Image.open(io.BytesIO(paper.render(plot, store, "png", 85)))
    assert version in image.text["Keywords"]
    assert "instruction=VQ1" in image.text["Source"]
    assert "SIMULATED" in image.text["Description"]
    svg = paper.render(plot, store, "svg", 85).decode()
    assert version in svg
    assert "instruction=VQ1" in svg
    pdf = paper.render(plot, store, "pdf", 85)
    assert version.encode() in pdf
    assert b"instruction=VQ1" in pdf
    assert b"LEFT JOIN nested" in pdf


def test_the_same_choice_gives_the_same_bytes(store):
    for format in ("pdf", "svg", "png", "zip"):
        once, twice = (paper.render(paper.plot(store, "variance"), store, format, 85) for _ in range(2))
        assert once == twice, format


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [85, 180])
def test_no_text_lies_on_another_or_is_cut(store, kind, width, monkeypatch):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    page, shown, draw = sheet_of(store, kind, width), [], Text.draw
    renderer = FigureCanvasAgg(page.figure).get_renderer()
    monkeypatch.setattr(Text, "draw", lambda text, *args: (shown.append(text), draw(text, *args)))
    page.figure.draw(renderer)
    shown = [text for text in shown if text.get_text().strip()]
    boxes = [text.get_window_extent(renderer) for text in shown]
    assert len(shown) > 5
    for text, box in zip(shown, boxes):
        outside = min(box.x0, box.y0, *(page.figure.bbox.max - box.max))
        assert outside >= -0.5, f"{text.get_text()!r} is cut"
        assert text.get_fontsize() >= 5
    for i, one in enumerate(boxes):
        for k in range(i + 1, len(boxes)):
            both = (
                min(one.x1, boxes[k].x1) - max(one.x0, boxes[k].x0),
                min(one.y1, boxes[k].y1) - max(one.y0, boxes[k].y0),
            )
            assert min(both) < 2, f"{shown[i].get_text()!r} lies on {shown[k].get_text()!r}"


def sheet_of(store, kind, width):
    from brainalign.paper.page import sheet

    return sheet(paper.plot(store, kind, **CHOICES.get(kind, {})), width, 100, store.simulated)[0]


# --- The map's pixels ---


def test_an_odd_enlargement_keeps_every_pixel_of_the_screen():
    geometry = surface.flat_geometry(256, 128)
    first, rows = raster.rows(geometry)
    there = geometry.pixel_vertex[first : first + rows]
    for times in (1, 3):
        found = raster.enlarge(geometry, 256 * times)[times // 2 :: times, times // 2 :: times]
        np.testing.assert_array_equal(found[there >= 0], there[there >= 0])


def test_between_the_screens_pixels_the_nearest_vertex_shows():
    """Against the same meshes painted anew at twice the size."""
    geometry = surface.flat_geometry(640, 320)
    large = surface._pixel_vertex(geometry.xy * 2, geometry.faces, np.isfinite(geometry.xy[:, 0]), 1280, 640)
    first, rows = raster.rows(geometry)
    large, found = large[2 * first : 2 * (first + rows)], raster.enlarge(geometry, 1280)
    both = (large >= 0) & (found >= 0)
    assert both.sum() > 0.99 * (large >= 0).sum()
    away = np.hypot(*(geometry.xy[large[both]] - geometry.xy[found[both]]).T)
    assert (away > 0).mean() < 0.02


def test_colours_are_the_palettes_of_the_share_between_the_limits():
    values = np.array([-1, 0, 0.1, 0.4, 0.8, 5, np.nan])
    table = palettes.table("sequential")
    found = palettes.unit_colours(values, (0.0, 0.8), table)
    np.testing.assert_array_equal(found[:6], table[[0, 0, 32, 128, 255, 255]])


def test_the_exported_map_shows_the_stores_values(store):
    plot = paper.plot(
        store, "flatmap", subject="subj02", instruction="VQ1", layer="2", pooling="last_prompt", threshold="20"
    )
    _, r, _ = store.layer_maps("subj02", "llava-demo", "VQ1", "last_prompt")
    nc, units = store.noise_ceiling("subj02"), store.flat_units("subj02")
    data = plot.data
    np.testing.assert_array_equal(data.value, r[2])
    np.testing.assert_array_equal(data.drawn, np.isfinite(r[2]) & (nc >= 20))
    from brainalign.paper.cortex import pixels

    limits = palettes.limits(r)
    image, vertex = pixels(plot.maps[0], limits, 256), raster.enlarge(plot.maps[0].geometry, 256)
    unit = np.append(units, -1)[vertex]
    shown = (unit >= 0) & np.append(data.drawn, False)[unit]
    place = np.floor(np.clip(r[2][unit[shown]] / limits[1], 0, 1) * 255 + 0.5).astype(int)
    np.testing.assert_array_equal(image[shown], palettes.table("sequential")[place])
    folds = (vertex >= 0) & ~shown
    assert set(np.unique(image[folds])) == {palettes.GYRUS, palettes.SULCUS}
    assert (image[vertex < 0] == 255).all()


def test_the_layer_chosen_by_training_images_is_the_default(store):
    plot = paper.plot(store, "flatmap", subject="subj02", instruction="VQ1")
    nested = store.nested_map("subj02", "llava-demo", "VQ1", "mean_generated")
    np.testing.assert_array_equal(plot.data.value, nested["r"])
    assert plot.choices["layer"] == "chosen"
    assert "layer chosen by training images" in plot.about


def test_winners_are_named_and_narrow_leads_are_ties(store):
    plot = paper.plot(store, "flatmap", quantity="winner", among="instructions", margin="0.05", subject="subj01")
    maps = [store.nested_map("subj01", "llava-demo", i, "mean_generated")["r"] for i in ("IC", "VQ1", "IU3")]
    known = np.isfinite(maps).all(0)
    ranked = np.sort(np.array(maps)[:, known], axis=0)
    expected = np.array(["IC", "VQ1", "IU3"])[np.argmax(np.array(maps)[:, known], axis=0)]
    expected = np.where(ranked[-1] - ranked[-2] > np.float32(0.05), expected, "tie")
    np.testing.assert_array_equal(plot.data["class"][known], expected)
    assert "tie" in paper.render(plot, store, "svg", 85).decode()


def test_colours_fade_with_the_noise_ceiling_as_on_the_screen(store):
    from brainalign.paper.cortex import pixels

    plot = paper.plot(store, "flatmap", second="ceiling", layer="1", threshold="0")
    one, nc = plot.maps[0], store.noise_ceiling("subj01")
    image, vertex = pixels(one, palettes.limits_of([one.picture]), 256), raster.enlarge(one.geometry, 256)
    unit = np.append(one.flat_units, -1)[vertex]
    shown = (unit >= 0) & np.append(one.shown, False)[unit]
    share = np.clip(nc / palettes.limits(nc)[1], 0, 1)[unit[shown]][:, None]
    plain = pixels(
        paper.plot(store, "flatmap", layer="1", threshold="0").maps[0], palettes.limits_of([one.picture]), 256
    )
    folds = np.where(one.geometry.curvature > 0, palettes.SULCUS, palettes.GYRUS)[vertex[shown]][:, None]
    expected = share * plain[shown] + (1 - share) * folds
    assert np.abs(image[shown] - expected).max() <= 1.5


def test_several_maps_share_their_limits(store):
    plot = paper.plot(store, "flatmap", subject="subj01,subj05", instruction="IC,IU3")
    assert [one.title for one in plot.maps] == ["subj01, IC", "subj01, IU3", "subj05, IC", "subj05, IU3"]
    assert len(plot.data) == 4 * 300
    assert set(plot.data.subject) == {"subj01", "subj05"}


def test_colour_limits_of_ones_own_hold_on_screen_and_paper(store):
    from brainalign.figures import flatmap
    from brainalign.paper.cortex import pixels

    plot = paper.plot(store, "flatmap", layer="1", vmax="0.4", limits="0.1,0.9")
    assert plot.choices["limits"] == "0.1,0.4"
    assert "from 0.1 to 0.4 (set by hand)" in plot.about
    one = plot.maps[0]
    image, vertex = pixels(one, palettes.limits_of([one.picture]), 256), raster.enlarge(one.geometry, 256)
    unit = np.append(one.flat_units, -1)[vertex]
    shown = (unit >= 0) & np.append(one.shown, False)[unit]
    share = np.clip((one.values[unit[shown]] - 0.1) / 0.3, 0, 1)
    table = palettes.table("sequential")
    assert np.abs(image[shown].astype(int) - table[np.floor(share * 255 + 0.5).astype(int)]).max() <= 3
    assert (share == 1).any()
    start = {"layer": 1, "threshold": 10, "margin": 0, "zoom": "", "unit": None, "serial": 1}
    message = flatmap.map_part([one.picture], surface="a", subjects=["b"], start=start)
    assert flatmap.payload.decode(message)[0]["limits"] == [0.1, 0.4]
    again = paper.plot(store, "flatmap", **paper.from_link(export.link(plot))[1])
    assert again.maps[0].picture.limits == (0.1, 0.4)


def test_limits_of_signed_maps_stay_symmetric_and_a_grid_shares_them(store):
    plot = paper.plot(store, "flatmap", difference="True", instruction="VQ1", vmax="0.25", subject="all")
    assert {one.picture.limits for one in plot.maps} == {(-0.25, 0.25)}
    assert plot.choices["limits"] == "-0.25,0.25"
    several = paper.plot(store, "flatmap", instruction="IC,VQ1", vmin="0.2")
    automatic = palettes.limits_of([one.picture for one in paper.plot(store, "flatmap", instruction="IC,VQ1").maps])
    assert {one.picture.limits for one in several.maps} == {(0.2, automatic[1])}


def test_winners_that_hardly_agree_say_so_beside_their_legend(store):
    def words(**chosen):
        plot = paper.plot(store, "flatmap", quantity="winner", **chosen)
        return " ".join(text.get_text() for text in drawn(plot).page.texts).replace("\n", " "), plot.about

    said, about = words(subject="subj05")  # its winners agree by chance
    assert "Winners hardly reliable: κ = 0.02 between halves of the test images" in said
    assert "κ = 0.02 (p = 0.40; 95th percentile by chance 0.06)" in about
    said, about = words(subject="subj01")
    assert "reliable" not in said
    assert "κ = 0.31 (p ≤ 1/101" in about
    assert "tie: the next best is at most 0.01 behind" in about
    assert "subj05 κ = 0.02" in words(subject="subj01,subj05")[0]


def test_a_differences_caption_says_which_regions_test_holds(store):
    about = paper.plot(store, "flatmap", instruction="IC", minus_instruction="VQ1").about
    assert "q < 0.05 (paired bootstrap of the difference" in about
    assert "over the 4 regions of one comparison in one subject" in about
    assert "subj01: FFA +0.100." in about
    turned = paper.plot(store, "flatmap", instruction="VQ1", minus_instruction="IC").about
    assert "subj01: FFA −0.100." in turned
    at_layer = paper.plot(store, "flatmap", instruction="VQ1", minus_instruction="IC", layer="1").about
    assert "not tested unit by unit" in at_layer
    assert "FFA −" not in at_layer


def test_outlines_are_as_wide_as_asked(store):
    found = {}
    for lines in ("thin", "medium", "bold"):
        page = drawn(paper.plot(store, "flatmap", lines=lines))
        found[lines] = [patch.get_linewidth() for patch in page.page.patches if patch.get_alpha() == 0.55]
    assert [len(widths) for widths in found.values()] == [1, 1, 1]
    assert found["thin"][0] / found["medium"][0] == pytest.approx(0.6)
    assert found["bold"][0] / found["medium"][0] == pytest.approx(1.8)


def test_a_subtracted_map_is_by_default_another_than_the_first(store):
    plot = paper.plot(store, "flatmap", difference="True", instruction="VQ1", layer="2")
    assert (plot.choices["minus_model"], plot.choices["minus_instruction"]) == ("llava-demo", "IC")
    maps = [store.layer_maps("subj01", "llava-demo", i, "mean_generated")[1][2] for i in ("VQ1", "IC")]
    np.testing.assert_allclose(plot.data.value, maps[0] - maps[1])
    plot = paper.plot(store, "flatmap", minus_instruction="IU3", instruction="VQ1", layer="2")
    assert plot.choices["difference"] == "True"
    plot = paper.plot(store, "flatmap", difference="False", minus_instruction="IU3", instruction="VQ1", layer="2")
    np.testing.assert_array_equal(plot.data.value, maps[0])


# --- Names on the cortex ---


def test_names_stand_in_large_regions_and_beside_small_ones():
    busy = np.zeros((100, 200), bool)
    busy[40:60, 20:80] = True
    large, small = np.zeros_like(busy), np.zeros_like(busy)
    large[40:60, 20:60], small[49:51, 71:73] = True, True
    found = labels.place(
        [("LARGE", (20, 25), large), ("S", (36, 25), small)], busy, 2.0, lambda name: 2.0 * len(name), 2.0
    )
    by_name = {label.text: label for label in found}
    assert by_name["LARGE"].anchor is None
    assert by_name["S"].anchor == (36, 25)
    left, top, right, bottom = (by_name["S"].box * 2).round().astype(int)  # pixels, of half a millimetre
    assert not busy[top:bottom, left:right].any()


def test_a_name_does_not_cover_the_place_of_another_region():
    busy = np.zeros((100, 200), bool)
    busy[30:70, 20:80] = True
    spot = np.zeros_like(busy)
    spot[49:51, 54:56] = True  # within the large region, where its name would stand
    found = labels.place([("LARGE", (27, 25), busy), ("S", (27.5, 25), spot)], busy, 2.0, lambda name: 9.0, 2.0)
    by_name = {label.text: label for label in found}
    assert set(by_name) == {"LARGE", "S"}
    left, top, right, bottom = by_name["LARGE"].box
    assert not (left < 27.5 < right and top < 25 < bottom)


def test_every_area_of_the_demo_is_named_at_a_columns_width():
    with open_latest(DATA / "store") as demo:
        for subject, wide in (("subj01", 85), ("subj02", 85), ("subj05", 180)):
            plot = paper.plot(demo, "flatmap", subject=subject)
            texts = [text.get_text() for text in drawn(plot, wide).page.texts]
            names = list(plot.maps[0].rois)
            assert len(names) > 14
            assert {name: texts.count(name) for name in names} == dict.fromkeys(names, 2)
            assert plot.notes(wide) == ""


def test_names_without_room_are_told_in_the_caption():
    with open_latest(DATA / "store") as demo:
        plot = paper.plot(demo, "flatmap", subject="subj01")
        caption = export.caption(plot, demo, 40)
        found = [text.get_text() for text in drawn(plot, 40).page.texts]
        told = caption.partition("Outlined without a name, for which there is no room: ")[2].strip().rstrip(".")
        left = [name.split(" ", 1)[1] for name in told.split(", ")]
        for name in plot.maps[0].rois:
            assert found.count(name) + left.count(name) == 2, name
        assert left
        panel = {"rows": ["ab"], "panels": {letter: {"kind": "flatmap", "subject": "subj01"} for letter in "ab"}}
        assert f"(b) Outlined without a name, for which there is no room: {told}." in panels.plot(demo, panel).notes(
            84
        )


def test_names_never_lie_on_one_another():
    rng = np.random.default_rng(0)
    busy = np.zeros((160, 320), bool)
    spots = [(f"R{k}", tuple(rng.uniform([20, 10], [140, 70])), busy) for k in range(24)]
    found = labels.place(spots, busy, 2.0, lambda name: 2.2 * len(name), 2.4)
    assert len(found) > 15
    for k, one in enumerate(found):
        for other in found[k + 1 :]:
            apart = one.box[:2] > other.box[2:]
            before = one.box[2:] < other.box[:2]
            assert (apart | before).any()


# --- Charts hold the numbers of the screen's ---


def test_bars_are_those_of_the_screen(store):
    plot = paper.plot(store, "rois", quantity="r2", layer="1", instructions="IC,IU3", model="llava-demo")
    regions, two = store.catalogue.by_family(plot.data.roi), ["IC", "IU3"]
    screen = figures.roi_bars(plot.data, dict.fromkeys(two, "#000000"), dict(zip(two, two)), "R²", regions)
    heights = [y for trace in screen.data if trace.type == "bar" for y in trace.y]
    page = sheet.Sheet(180, plot.height(180))
    plot.draw(page, 0, 0, 180)
    axes = next(axes for axes in page.figure.axes if axes.get_ylabel() == "R²")
    found = [bar.get_height() for group in axes.containers for bar in group]
    assert sorted(found) == pytest.approx(sorted(heights))
    scores = frames.pooled(frames.at_layer(store.roi_scores(), "1", "r2_mean"), "last_prompt")
    assert plot.data.value.sum() == pytest.approx(
        frames.pooled(scores, plot.choices["pooling"]).query("instruction in ['IC', 'IU3']").r2_mean.sum(), rel=1
    )


def test_circles_have_the_areas_of_the_numbers(store):
    plot = paper.plot(store, "variance", b="IU3", roi="FFA")
    rows = store.roi_variance(model="llava-demo", a="IC", b="IU3", roi="FFA")
    np.testing.assert_allclose(plot.data[["shared", "unique_a"]], rows[["shared", "unique_a"]])
    page = sheet.Sheet(180, plot.height(180))
    plot.draw(page, 0, 0, 180)
    discs = [patch.get_path() for patch in page.page.patches + page.page.artists if patch.get_linewidth() == 1]
    areas = [np.prod(disc.get_extents().size) * np.pi / 4 for disc in discs]
    parts = {part: max(0, (rows[part] - rows[f"{part}_floor"]).mean()) for part in ("unique_a", "shared", "unique_b")}
    whole = parts["unique_a"] + parts["shared"], parts["unique_b"] + parts["shared"]
    assert areas[0] / areas[1] == pytest.approx(whole[0] / whole[1], rel=1e-6)


def test_the_layers_at_which_instructions_enter_are_told_by_subject_where_they_differ(store):
    rows = store.roi_variance(a="IC", b="VQ1", roi="FFA")
    assert words.method.parted_at(store, rows).endswith("training images): IC 2, VQ1 1.")
    rows.loc[rows.subject == "subj05", "layer_b"] = 3
    assert words.method.parted_at(store, rows).endswith("IC 2, VQ1 1 (subj01, subj02) and 3 (subj05).")


def test_a_claim_is_that_of_the_test_and_not_of_the_interval(store):
    """In every subject and after correction over the figure's parts; a dotted line stands at the raw value."""
    frame = pd.DataFrame({"subject": ["s1", "s2"], "n": 9, "r2_a": 0.2, "r2_b": 0.2, "r2_ab": 0.25})
    values = {"shared": (0.09, 0.004), "unique_a": (0.05, 0.03), "unique_b": (-0.03, 0.021)}
    for part, (value, p) in values.items():
        ends = {"floor": -0.01, "low": value + 0.005, "high": value + 0.015, "p": [p, p], "negative": 0.4}
        frame = frame.assign(**{part: value}, **{f"{part}_{name}": end for name, end in ends.items()})
    said = words.claims_of_pair(frame, "IC", "VQ1")
    assert "Above 0 in each of 2 subjects: IC only, shared; below 0: VQ1 only (two-sided" in said
    one = words.claims_of_pair(frame.assign(unique_a_p=[0.03, 0.2]), "IC", "VQ1")
    assert "Above 0 in each of 2 subjects: shared; below 0: VQ1 only (" in one
    none = words.claims_of_pair(frame.assign(unique_a_p=0.06, unique_b_p=0.04), "IC", "VQ1")
    assert "Above 0 in each of 2 subjects: shared; below 0: none (" in none  # .04 among three is .06
    drawn_less = frames.less_floor(frame)
    assert drawn_less.unique_b.tolist() == pytest.approx([-0.02, -0.02])
    assert drawn_less.r2_ab.tolist() == pytest.approx([0.28, 0.28])
    figure = figures.signed_bars(drawn_less, dict.fromkeys(values, "#000"), {part: part for part in values}, "R²")
    line = next(trace for trace in figure.data if trace.type == "scatter" and trace.mode == "lines")
    assert list(line.y[::3]) == pytest.approx([0.09, 0.05, -0.03])


def test_the_figure_says_whether_areas_are_true(store):
    frame = pd.DataFrame(
        {"subject": ["subj01"], "unique_a": [-0.02], "shared": [0.1], "unique_b": [0.05], "r2_ab": [0.13]}
    )
    colours = {"a": "#0072b2", "b": "#e69f00"}
    false = paper.variance(frame, {"a": "IC", "b": "VQ1"}, colours, "")
    assert "IC only is negative (−0.020)" in false.about
    assert "not true" in false.about
    text = "".join(paper.render(false, store, "svg", 180).decode())
    assert "not true" in text
    true = paper.variance(frame.assign(unique_a=0.02), {"a": "IC", "b": "VQ1"}, colours, "")
    assert "Areas are true to the numbers." in paper.render(true, store, "svg", 180).decode()


def test_profiles_are_means_over_subjects(store):
    plot = paper.plot(store, "layers", instructions="VQ1", pooling="last_prompt")
    page = sheet.Sheet(180, plot.height(180))
    plot.draw(page, 0, 0, 180)
    rows = store.roi_scores(model="llava-demo", instruction="VQ1", pooling="last_prompt", roi="V1")
    expected = rows.groupby("layer").r_mean.mean()
    line = next(line for axes in page.figure.axes[1:] for line in axes.lines if len(line.get_xdata()) == 4)
    np.testing.assert_allclose(line.get_ydata(), expected)


def drawn(plot, width=180):
    """The page with a plot on it."""
    page = sheet.Sheet(width, plot.height(width))
    plot.draw(page, 0, 0, width)
    return page


def test_the_forest_holds_the_screens_differences(store):
    plot = paper.plot(store, "compare", roi="FFA", model="vit-demo", instruction="VQ1")
    assert plot.data.minus_model.tolist() == ["llava-demo"] * 3
    np.testing.assert_allclose(plot.data[["low", "difference", "high"]], [[-0.24, -0.2, -0.16]] * 3)
    (axes,) = [axes for axes in drawn(plot).figure.axes if axes.get_xlabel()]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [dot.get_xdata()[0] for dot in dots] == pytest.approx([-0.2] * 3)
    assert {dot.get_markerfacecolor() for dot in dots} == {"#b2182b"}  # worse, q < 0.05
    screen = figures.forest(plot.data.assign(name="minus llava-demo"), "").data[0]
    assert list(screen.x) == pytest.approx([-0.2] * 3)
    assert set(screen.marker.color) == {"#b2182b"}
    assert all(np.diff([dot.get_ydata()[0] for dot in dots]) > 0)


def test_comparisons_begin_with_the_largest_lead():
    rows = [("a", "b", 0.1), ("a", "c", 0.3), ("d", "a", 0.2)]
    frame = pd.DataFrame(
        [("s1", x, "IC", "p", y, "IC", "p", "V1", d, d - 0.1, d + 0.3, 0.01) for x, y, d in rows],
        columns=["subject", *(f"{n}_{s}" for s in "ab" for n in ("model", "instruction", "pooling")), "roi",
                 "difference", "low", "high", "q"],
    )  # fmt: skip
    shown = pd.DataFrame({"model": list("abcd"), "instruction": "IC", "pooling": "p"})
    found = frames.differences(frame, shown, "a", "V1")
    assert found.name.tolist() == ["minus c", "minus b", "minus d"]
    np.testing.assert_allclose(found[["low", "difference", "high"]].iloc[2], [-0.5, -0.2, -0.1])


def test_cells_have_the_screens_colours_and_numbers(store):
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Rectangle

    frame = pd.DataFrame([[0.2, -0.1], [np.nan, 0.0]], index=["IC", "VQ1"], columns=["V1", "FFA"])
    page = drawn(paper.matrix(frame, "R²", ""))
    cells = [p for p in page.page.get_children() if isinstance(p, Rectangle) and p.get_height() == pytest.approx(4.9)]
    blue = (np.array(to_rgb("#92c5de")), np.array(to_rgb("#f4a582")))  # at a quarter and three quarters of the scale
    np.testing.assert_allclose(cells[0].get_facecolor()[:3], to_rgb("#b2182b"), atol=0.01)
    np.testing.assert_allclose(cells[1].get_facecolor()[:3], blue[0], atol=0.01)
    np.testing.assert_allclose(cells[2].get_facecolor()[:3], to_rgb("#f2f2f2"), atol=0.01)
    assert len(cells) == 3  # NaN stays empty
    texts = [text.get_text() for text in page.page.texts]
    assert {"0.200", "−0.100", "0.000"} <= set(texts)
    assert "nan" not in texts


def test_specialisation_adds_up_to_nothing_in_each_region(store):
    data = paper.plot(store, "specialisation").data
    np.testing.assert_allclose(data.groupby("roi").value.sum(), 0, atol=1e-6)
    rows = store.rows("roi_nested", model="llava-demo", pooling="mean_generated", roi="FFA")
    means = rows.groupby("instruction").r.mean()
    found = data[data.roi == "FFA"].set_index("instruction").value
    np.testing.assert_allclose(found[means.index], means - means.mean(), atol=1e-6)


def test_three_instructions_make_seven_bars_and_whole_circles(store):
    plot = paper.plot(store, "triple", roi="V1")
    parts = np.array([0.05, 0.03, -0.01, 0.04, 0.02, 0.01, 0.1]) + 0.003  # less their floor
    page = drawn(plot)
    (axes,) = [axes for axes in page.figure.axes if axes.get_ylabel() == "R²"]
    assert [bar.get_height() for bar in axes.containers[0]] == pytest.approx(parts)
    assert [label.get_text() for label in axes.get_xticklabels()][2] == "−0.007"
    discs = [p.get_path() for p in page.page.patches + page.page.artists if p.get_linewidth() == 1]
    areas = np.array([np.prod(disc.get_extents().size) for disc in discs])
    np.testing.assert_allclose(areas / areas[0], np.array([0.222, 0.192, 0.139]) / 0.222, rtol=1e-5)
    assert "Negative parts have no area" in plot.about


def test_a_number_that_would_cross_a_line_is_left_to_the_bars():
    from brainalign.figures.venn_three import fits

    places, sizes = np.array([[10.0, 10.0], [30.0, 10.0]]), np.array([5.0, 5.0])
    assert fits(np.array([10, 10]), 3, 1, places, sizes)
    assert not fits(np.array([10, 10]), 6, 1, places, sizes)
    assert not fits(np.array([14, 10]), 3, 1, places, sizes)


def test_unique_variance_has_a_signed_bar_for_each_instruction(store):
    plot = paper.plot(store, "unique", roi="PPA")
    rows = store.rows("roi_uniques", roi="PPA")
    expected = (rows.unique_r2 - rows.floor).groupby(rows.instruction).mean()[["IC", "VQ1", "IU3"]]
    (axes,) = [axes for axes in drawn(plot).figure.axes if axes.get_ylabel() == "R²"]
    assert [bar.get_height() for bar in axes.containers[0]] == pytest.approx(expected.tolist())


def test_what_is_covered_is_told_in_full_or_with_a_star(store):
    frame = pd.DataFrame(
        [("s1", "m", "VQ1", 8), ("s1", "m", "IC", 8), ("s2", "m", "IC", 4), ("s1", "vision", "", 3)],
        columns=["subject", "model", "instruction", "maps"],
    )
    cells = frames.covered(frame, today(), ["vision", "m"])
    assert cells[["model", "instruction", "maps", "subjects"]].to_numpy().tolist() == [
        ["vision", "", 3, 1], ["m", "IC", 8, 2], ["m", "VQ1", 8, 1]
    ]  # fmt: skip
    plot = paper.coverage(cells, today().sort_instructions(cells.instruction), "")
    wide, narrow = ([text.get_text() for text in drawn(plot, width).page.texts] for width in (180, 30))
    assert wide == ["IC", "VQ1", "–", "vision", "m", "3 (1 of 2)", "8", "8 (1 of 2)"]
    assert narrow == ["IC", "VQ1", "–", "vision", "m", "3*", "8", "8*", "* not in every subject"]
    page = paper.plot(store, "coverage")
    assert page.data.maps.tolist() == [8, 8, 8, 4]
    assert "IC: “Generate some text" in page.about


def test_chosen_layers_and_shares_are_the_stores(store):
    (axes,) = [a for a in drawn(paper.plot(store, "chosen", instruction="VQ1")).figure.axes if a.get_ylabel()]
    assert [bar.get_height() for bar in axes.containers[0]] == pytest.approx([2.5] * 3, abs=0.5)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["V1", "FFA", "PPA"]
    (axes,) = [a for a in drawn(paper.plot(store, "shares", pooling="last_prompt")).figure.axes if a.get_ylabel()]
    top = [bar.get_y() + bar.get_height() for bar in axes.containers[2]]
    assert top == pytest.approx([1] * 4)
    assert [bar.get_height() for bar in axes.containers[0]] == pytest.approx([0.7, 0.6, 0.5, 0.4])


@pytest.fixture(scope="module")
def undefined(tmp_path_factory):
    """The store with NaN for every number but the ceilings'."""
    import stores

    from brainalign import store as write_store

    tables = stores.tables()
    for name in ("scores", "roi_scores", "roi_nested", "roi_contrasts", "variance", "roi_variance", "shares",
                 "roi_uniques", "roi_triples", "rsa_scores", "rsa_chosen"):  # fmt: skip
        numbers = tables[name][0].select_dtypes("floating").columns.difference(["nc_mean"])
        tables[name] = [tables[name][0].assign(**dict.fromkeys(numbers, np.float32(np.nan)))]
    with open_latest(write_store.write(tmp_path_factory.mktemp("nan"), tables, stores.info())) as opened:
        yield opened


@pytest.mark.parametrize("kind", KINDS)
def test_a_store_of_nothing_but_nan_draws_or_says_so(undefined, kind):
    if kind in ("rois", "variance", "chosen", "unique", "triple", "rsa", "rsa-layers", "rdms"):
        with pytest.raises(ValueError, match=r"defined|no score|no area|no similarity"):
            paper.plot(undefined, kind)
    else:
        plot = paper.plot(undefined, kind, **CHOICES.get(kind, {}))
        assert paper.render(plot, undefined, "pdf", 85).startswith(b"%PDF")


def test_every_subject_can_be_drawn(store):
    for subject in SUBJECTS:
        assert paper.plot(store, "flatmap", subject=subject.upper()).maps[0].subject == subject
