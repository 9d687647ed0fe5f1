"""Figures hold the numbers they are given."""

import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plotly.offline import get_plotlyjs_version

from brainalign import tables
from brainalign.figures import (
    chart,
    coverage,
    frames,
    layer_profile,
    leads,
    matrix,
    numerals,
    profiles,
    roi_bars,
    signed_bars,
    theme,
    venn,
)
from brainalign.figures.flatmap import palettes
from brainalign.figures.venn import circles, overlap
from brainalign.figures.venn_three import fits, layout, middles, venn_three
from brainalign.models import MODELS

TODAY = tables.today()
SIZES = st.one_of(st.just(0.0), st.floats(0.001, 1))


def areas(trace_a, trace_b, n=500):
    """Areas of two filled outlines by counting points of a grid: (only a, both, only b)."""
    from matplotlib.path import Path

    x = np.concatenate([trace_a.x, trace_b.x])
    y = np.concatenate([trace_a.y, trace_b.y])
    columns, step_x = np.linspace(x.min(), x.max(), n, retstep=True)
    rows, step_y = np.linspace(y.min(), y.max(), n, retstep=True)
    points = np.stack(np.meshgrid(columns, rows), -1).reshape(-1, 2)
    a, b = (Path(np.column_stack([t.x, t.y])).contains_points(points) for t in (trace_a, trace_b))
    return np.array([(a & ~b).sum(), (a & b).sum(), (b & ~a).sum()]) * step_x * step_y


def drawn(ua, shared, ub):
    parts = {"unique_a": ua, "shared": shared, "unique_b": ub}
    return venn(parts, {"a": "IC", "b": "VQ1"}, {"a": "#0072b2", "b": "#e69f00"})


@pytest.mark.parametrize("parts", [(0.1, 0.05, 0.2), (0.02, 0.3, 0.01), (0.2, 0.1, 0.0), (0.3, 0.001, 0.3)])
def test_venn_areas_counted_on_a_grid_are_the_numbers(parts):
    assert areas(*drawn(*parts).data) == pytest.approx(parts, abs=1e-3)


@settings(max_examples=200, deadline=None)
@given(SIZES, SIZES, SIZES)
def test_circles_have_the_areas_by_integration(ua, shared, ub):
    """Independent of the closed form: the common part as an integral over the narrower of the two discs."""
    a, b, distance = circles(ua, shared, ub)
    x = np.linspace(-a, a, 20001)
    width_a = np.sqrt(np.maximum(0, a**2 - x**2))
    width_b = np.sqrt(np.maximum(0, b**2 - (x - distance) ** 2))
    common = np.trapezoid(2 * np.minimum(width_a, width_b), x) if a > 0 else 0.0
    assert [np.pi * a**2 - common, common, np.pi * b**2 - common] == pytest.approx([ua, shared, ub], abs=1e-3)


def test_negative_parts_have_no_area_and_keep_their_number():
    figure = drawn(-0.02, 0.1, 0.05)
    assert areas(*figure.data) == pytest.approx([0, 0.1, 0.05], abs=1e-3)
    assert any("−0.020" in note.text for note in figure.layout.annotations)


def test_nothing_shared_leaves_the_circles_apart():
    a, b, distance = circles(0.1, -0.01, 0.2)
    assert distance > a + b


def scores():
    """Two subjects, two instructions, two ROIs, two layers; the best layer differs between the subjects."""
    rows = [
        (s, "m", i, layer, p, roi, 10, 12, value)
        for p in ("mean_generated",)
        for s, i, layer, roi, value in [
            ("subj01", "IC", 0, "V1", 0.5),
            ("subj01", "IC", 1, "V1", 0.1),
            ("subj02", "IC", 0, "V1", 0.2),
            ("subj02", "IC", 1, "V1", 0.3),
            ("subj01", "VQ1", 0, "FFA", 0.4),
            ("subj01", "VQ1", 1, "FFA", np.nan),
        ]
    ]
    names = ["subject", "model", "instruction", "layer", "pooling", "roi", "n", "n_all", "r_mean"]
    return pd.DataFrame(rows, columns=names).assign(nc_mean=25.0, r_ceiling=0.5, r2_mean=0.0, r_norm_mean=0.0)


def test_best_layer_is_chosen_on_the_other_subjects():
    best = frames.at_layer(scores(), "best", "r_mean").set_index(["subject", "roi"])
    assert best.layer["subj01", "V1"] == 1  # subject 2's best, not its own
    assert best.layer["subj02", "V1"] == 0
    assert best.layer["subj01", "FFA"] == 0  # alone: its own maximum, never NaN
    assert len(best) == 3


def test_a_model_without_the_pooling_keeps_its_own():
    table = pd.concat([scores(), scores().assign(model="v", pooling="mean_image")])
    kept = frames.pooled(table, "mean_generated")
    assert set(zip(kept.model, kept.pooling)) == {("m", "mean_generated"), ("v", "mean_image")}


def test_ceiling_is_of_variance_and_its_root_of_correlation():
    rows = pd.DataFrame({"nc_mean": [29.0, 100.0], "r_ceiling": [0.5, 1.0]})  # units of 9 and 49 %
    assert frames.ceiling(rows, "r_mean").tolist() == [0.5, 1.0]
    assert frames.ceiling(rows, "r2_mean").tolist() == [0.29, 1.0]
    assert frames.ceiling(rows, "r_norm_mean").tolist() == [1.0, 1.0]


def test_roi_bars_are_means_with_the_subjects_as_points():
    frame = frames.roi_frame(frames.at_layer(scores(), "0", "r_mean"), "r_mean", "instruction")
    figure = roi_bars(
        frame, {"IC": "#000000", "VQ1": "#111111"}, {"IC": "IC", "VQ1": "VQ1"}, "r", TODAY.by_family(frame.roi)
    )
    bars = {trace.name: trace for trace in figure.data if trace.type == "bar"}
    assert bars["IC"].y.tolist() == pytest.approx([0.35])
    assert bars["VQ1"].y.tolist() == pytest.approx([0.4])
    points = [trace for trace in figure.data if trace.type == "scatter" and trace.mode == "markers"]
    assert sorted(np.concatenate([trace.y for trace in points])) == pytest.approx([0.2, 0.4, 0.5])
    ceiling = next(trace for trace in figure.data if trace.name == "noise ceiling")
    assert {y for y in ceiling.y if y is not None} == {0.5}
    assert list(figure.layout.xaxis.ticktext) == ["V1", "FFA"]  # the order of the table of ROIs


def test_the_ceiling_stands_in_its_interval_and_says_it():
    rows = scores().assign(r_ceiling_low=0.4, r_ceiling_high=0.7)
    frame = frames.roi_frame(frames.at_layer(rows, "0", "r_mean"), "r_mean", "instruction")
    shades = {"IC": "#000000", "VQ1": "#111111"}
    figure = roi_bars(frame, shades, {"IC": "IC", "VQ1": "VQ1"}, "r", TODAY.by_family(frame.roi))
    line = next(trace for trace in figure.data if trace.name == "noise ceiling")
    assert set(line.text) == {"noise ceiling 0.500 [0.400, 0.700]"}
    band = next(trace for trace in figure.data if trace.type == "scatter" and trace.fill == "toself")
    assert {y for y in band.y if y is not None} == {0.4, 0.7}
    assert "ceiling_low" not in frames.roi_frame(rows, "r_norm_mean", "instruction")  # there the ceiling is 1


def test_roi_bars_of_nothing_but_nan_draw_nothing():
    frame = frames.roi_frame(scores().assign(r_mean=np.nan, r_ceiling=np.nan), "r_mean", "instruction")
    figure = roi_bars(
        frame, {"IC": "#000000", "VQ1": "#111111"}, {"IC": "IC", "VQ1": "VQ1"}, "r", TODAY.by_family(frame.roi)
    )
    assert all(np.isnan(trace.y).all() for trace in figure.data if trace.type == "bar")
    assert next(trace for trace in figure.data if trace.name == "noise ceiling").y == ()


def test_signed_bars_keep_the_sign():
    frame = pd.DataFrame({"subject": ["subj01", "subj02"], "shared": [0.2, 0.4], "unique_a": [-0.1, -0.3]})
    colours = dict.fromkeys(["shared", "unique_a"], "#000000")
    figure = signed_bars(frame, colours, {"unique_a": "IC only", "shared": "shared"}, "R²")
    assert figure.data[0].y.tolist() == pytest.approx([-0.2, 0.3])
    assert figure.data[1].y.tolist() == [-0.1, 0.2]


def test_matrix_is_symmetric_about_zero():
    grid = pd.DataFrame({"V1": [0.1, np.nan], "FFA": [-0.3, 0.2]}, index=["VQ1", "SR"])
    heat = matrix(grid, "R²").data[0]
    assert (heat.zmin, heat.zmax) == (-0.3, 0.3)
    assert matrix(grid * np.nan, "R²").data[0].zmax == 1


def covered(frame, order=()):
    """The figure of what a store covers."""
    cells = frames.covered(frame, TODAY, order)
    return coverage(cells, TODAY.sort_instructions(cells.instruction))


def test_coverage_leaves_what_is_missing_empty():
    rows = [("subj01", "m", "VQ1", 8), ("subj01", "m", "IC", 8), ("subj02", "m", "IC", 4)]
    heat = covered(pd.DataFrame(rows, columns=["subject", "model", "instruction", "maps"])).data[0]
    assert list(heat.x) == ["IC", "VQ1"]
    assert list(heat.text[0]) == ["8", "8 (1 of 2)"]
    rows.append(("subj01", "first", "", 3))
    frame = pd.DataFrame(rows, columns=["subject", "model", "instruction", "maps"])
    heat = covered(frame, ["first", "absent", "m"]).data[0]
    assert (list(heat.y), list(heat.x)) == (["first", "m"], ["IC", "VQ1", "–"])
    np.testing.assert_array_equal(np.array(heat.z, float), [[np.nan, np.nan, 3], [8, 8, np.nan]])


SIGHT = {  # what a reader sees of linear red, green and blue: Machado et al. 2009, severity 1
    "normal": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def seen(colours, sight):
    """Colours `#rrggbb` as a reader sees them, in CIELAB (D65)."""
    srgb = np.array([[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour in colours])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ np.array(SIGHT[sight]).T, 0, 1)
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    xyz = linear @ np.array(to_xyz).T / (0.95047, 1, 1.08883)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], -1)


def ciede2000(one, other):
    """The colour difference of Sharma, Wu and Dalal 2005 for CIELAB arrays (..., 3)."""
    (l1, a1, b1), (l2, a2, b2) = np.moveaxis(one, -1, 0), np.moveaxis(other, -1, 0)
    chroma = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    g = 1.5 - 0.5 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7))
    c1, c2 = np.hypot(g * a1, b1), np.hypot(g * a2, b2)
    h1, h2 = np.degrees(np.arctan2(b1, g * a1)) % 360, np.degrees(np.arctan2(b2, g * a2)) % 360
    turn = (h2 - h1 + 180) % 360 - 180
    hue, light, c = h1 + turn / 2, (l1 + l2) / 2, (c1 + c2) / 2
    d_hue = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn) / 2)
    cosines = [np.cos(np.radians(k * hue + at)) for k, at in ((1, -30), (2, 0), (3, 6), (4, -63))]
    t = 1 + np.tensordot((-0.17, 0.24, 0.32, -0.20), cosines, 1)
    s_l = 1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2)
    twist = -2 * np.sqrt(c**7 / (c**7 + 25.0**7)) * np.sin(np.radians(60 * np.exp(-(((hue % 360 - 275) / 25) ** 2))))
    parts = (l2 - l1) / s_l, (c2 - c1) / (1 + 0.045 * c), d_hue / (1 + 0.015 * c * t)
    return np.sqrt(parts[0] ** 2 + parts[1] ** 2 + parts[2] ** 2 + twist * parts[1] * parts[2])


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((50, -1.0, 2.0), (50, 0, 0), 2.3669),
        ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_colour_differences_are_those_published(one, other, difference):
    assert ciede2000(np.array(one), np.array(other)) == pytest.approx(difference, abs=1e-4)


@pytest.mark.parametrize("sight", SIGHT)
def test_the_ten_instructions_are_told_apart_by_every_reader(sight):
    """Least CIEDE2000: 14 between two instructions, 11 from a tie and from the folds of a map."""
    ten = [id for id, i in tables.instructions().items() if i.paper == "ten"]
    grounds = [palettes.TIE, *("#" + f"{grey:02x}" * 3 for grey in (palettes.GYRUS, palettes.SULCUS))]
    lab = seen([*map(theme.instruction_colour, ten), *grounds], sight)
    apart = ciede2000(lab[:, None], lab[None])
    assert apart[:10, :10][np.triu_indices(10, 1)].min() > 14
    assert apart[:10, 10:].min() > 11


def luminance(colour):
    """Relative luminance of WCAG 2."""
    srgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def test_bars_and_points_stand_out_from_a_light_and_a_dark_page():
    """A colour of the ten may fade into the page; the edge has the 3 : 1 that WCAG 2 asks of graphics."""
    themes = tomllib.loads((tables.DATA.parent / ".streamlit" / "config.toml").read_text())["theme"]
    for mode in ("light", "dark"):
        one, other = sorted(map(luminance, (theme.EDGE["color"], themes[mode]["backgroundColor"])))
        assert (other + 0.05) / (one + 0.05) > 3
    frame = frames.roi_frame(frames.at_layer(scores(), "0", "r_mean"), "r_mean", "instruction")
    groups = sorted(set(frame.group))
    drawn = roi_bars(
        frame, dict.fromkeys(groups, "#000000"), {group: group for group in groups}, "r", TODAY.by_family(frame.roi)
    )
    assert all(trace.marker.line.color == theme.EDGE["color"] for trace in drawn.data if trace.type == "bar")


def test_ties_are_not_the_brightest_of_a_map():
    lightness = seen([palettes.TIE, "#cdcdcd"], "normal")[:, 0]
    assert lightness[0] < lightness[1]


def test_colours_of_models_are_fixed_and_distinct():
    assert theme.model_colour("another") == theme.model_colour("another")
    zoo = {*MODELS, *(f"llava-demo-{control}" for control in theme.CONTROLS)}
    assert len({theme.model_colour(name) for name in zoo}) == len(zoo)
    assert theme.model_colour("llava-demo-random") == theme.model_colour("any-random")
    assert theme.instruction_colour("mine") == theme.MUTED


@pytest.mark.parametrize("sight", SIGHT)
def test_models_are_told_apart_by_every_reader(sight):
    """Least CIEDE2000: 12 between those of the demo and its controls, 6 between any two families."""
    shown = [name for name in MODELS if name.endswith("-demo")] + ["pixels"]
    shown += [f"llava-demo-{control}" for control in ("random", "image-only", "shuffled")]
    lab = seen(list(map(theme.model_colour, shown)), sight)
    assert ciede2000(lab[:, None], lab[None])[np.triu_indices(len(shown), 1)].min() > 12
    lab = seen(sorted(set(theme.FAMILIES.values())), sight)
    assert ciede2000(lab[:, None], lab[None])[np.triu_indices(len(lab), 1)].min() > 6


SEVEN = ("unique_a", "unique_b", "unique_c", "shared_ab", "shared_ac", "shared_bc", "shared_abc")


@pytest.mark.parametrize("values", [(0.1, 0.1, 0.1, 0.03, 0.03, 0.03, 0.05), (0.2, 0.05, 0.1, 0.02, 0.04, 0.01, 0.1)])
def test_three_circles_have_true_wholes_and_overlaps_of_two(values):
    parts = dict(zip(SEVEN, values))
    radii, centres = layout(parts)
    for k, letter in enumerate("abc"):
        whole = sum(v for name, v in parts.items() if letter in name.split("_")[1])
        assert np.pi * radii[k] ** 2 == pytest.approx(whole)
    for i, j, pair in ((0, 1, "ab"), (0, 2, "ac"), (1, 2, "bc")):
        common = overlap(radii[i], radii[j], np.linalg.norm(centres[i] - centres[j]))
        assert common == pytest.approx(parts[f"shared_{pair}"] + parts["shared_abc"], rel=1e-3)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-0.1, 0.5), min_size=7, max_size=7))
def test_three_circles_are_drawn_for_any_parts(values):
    names = dict(zip("abc", "XYZ"))
    figure = venn_three(dict(zip(SEVEN, values)), names, dict.fromkeys("abc", "#0072b2"))
    points = np.concatenate([np.r_[t.x, t.y] for t in figure.data]) if figure.data else np.zeros(1)
    assert np.isfinite(points).all()


def test_a_number_in_the_circles_lies_in_its_region():
    parts = dict(zip(SEVEN, (0.1, 0.1, 0.1, 0.06, 0.06, 0.06, 0.05)))
    radii, centres = layout(parts)
    for name, (_, point) in middles(radii, centres).items():
        inside = "".join(s for s, c, r in zip("abc", centres, radii) if np.hypot(*(c - point)) < r)
        assert name.split("_")[1] == inside


def test_marks_need_every_subject_for_a_full_triangle():
    rows = [("IC", "VQ1", "FFA", 0.1, 0.01)] * 4 + [("VQ1", "IC", "V1", 0.1, 0.01)] * 2
    rows += [("VQ1", "IC", "V1", 0.1, 0.5)] * 2 + [("IC", "VQ1", "PPA", 0.1, 0.01), ("IC", "VQ1", "PPA", -0.1, 0.01)]
    names = ["instruction_a", "instruction_b", "roi", "difference", "q"]
    contrasts = pd.DataFrame(rows, columns=names).assign(low=0.0, high=0.2)
    assert frames.marks(contrasts, "instruction", "IC", ["VQ1"]) == {("FFA", "VQ1"): "▼", ("V1", "VQ1"): "△"}
    assert frames.marks(contrasts, "instruction", "VQ1", ["IC"]) == {("FFA", "IC"): "▲", ("V1", "IC"): "▽"}


def many(groups, regions):
    """Two subjects in every group and region, the second 0.1 above the first."""
    rows = [(s, roi, g, 0.2 + 0.1 * k) for k, s in enumerate(("subj01", "subj02")) for g in groups for roi in regions]
    frame = pd.DataFrame(rows, columns=["subject", "roi", "group", "value"])
    return frame.assign(low=np.nan, high=np.nan, ceiling=0.5, n=5, n_all=6, layer=1.0)


def test_many_bars_become_dots_whose_shape_is_their_mark():
    groups, regions = [f"m{k}" for k in range(10)], list(tables.rois())[:17]
    marks = {("FFA", "m3"): "▲", ("V1", "m3"): "▽"}
    names = {group: group for group in groups}
    figure = roi_bars(
        many(groups, regions), dict.fromkeys(groups, "#3c9dc7"), names, "r", TODAY.by_family(regions), marks
    )
    assert not [trace for trace in figure.data if trace.type == "bar"]
    dots = next(t for t in figure.data if t.name == "m3" and t.showlegend is False)
    shape = dict(zip((row[0] for row in dots.customdata), dots.marker.symbol))
    assert {roi: s for roi, s in shape.items() if s != "circle"} == {"FFA": "triangle-up", "V1": "triangle-down-open"}
    np.testing.assert_allclose(dots.y, 0.25)
    np.testing.assert_allclose(np.array(dots.error_y.array) + dots.error_y.arrayminus, 0.1)
    few = roi_bars(many(groups[:2], regions), dict.fromkeys(groups, "#3c9dc7"), names, "r", TODAY.by_family(regions))
    assert len([trace for trace in few.data if trace.type == "bar"]) == 2


def test_profiles_put_the_scores_at_chosen_layers_beside_the_layers():
    """No mark stands at a layer that does not exist; models of different depth share an axis from 0 to 1."""
    rows = [
        (s, g, k, 0.1 * k)
        for s in ("subj01", "subj02")
        for g, last in (("deep", 6), ("flat", 3))
        for k in range(last + 1)
    ]
    frame = pd.DataFrame(rows, columns=["subject", "group", "layer", "value"]).assign(ceiling=0.7)
    chosen = pd.DataFrame({"subject": ["subj01", "subj02"], "group": "deep", "layer": [1.0, 2.5], "value": [0.3, 0.5]})
    look = ({"deep": "#000000", "flat": "#111111"}, {"deep": "deep", "flat": "flat"}, "r", chosen)
    figure = layer_profile(frame, *look)
    mark = next(t for t in figure.data if t.marker.symbol == "diamond")
    assert mark.x[0] > 6.5
    assert (mark.y[0], mark.error_y.array[0], mark.error_y.arrayminus[0]) == pytest.approx((0.4, 0.1, 0.1))
    assert "1, 2.5" in mark.hovertemplate
    flat = next(
        t for t in layer_profile(frame, *look, relative=True).data if t.name == "flat" and t.mode == "lines+markers"
    )
    np.testing.assert_allclose(flat.x, np.arange(4) / 3)
    ceiling = [t for t in figure.data if t.name == "noise ceiling"]
    assert [list(t.y) for t in ceiling] == [[0.7, 0.7]]


def test_numbers_have_a_true_minus_and_places_enough():
    assert numerals.said(-0.0124) == "−0.012"
    assert numerals.said(-0.0001) == "0.000"
    assert numerals.digits([0.2, -0.0003]) == 4
    assert numerals.digits([0.2, 0.0, np.nan]) == 3


def test_a_matrix_writes_dark_on_light_and_light_on_dark():
    """By the contrast of WCAG 2."""
    for share in np.linspace(-1, 1, 41):
        colour = theme.diverging(share)
        ground, ink = (0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in map(linear, (colour, theme.ink_on(colour))))
        assert (max(ground, ink) + 0.05) / (min(ground, ink) + 0.05) > 4.5


def linear(colour):
    """Linear light of `#rrggbb` or of (red, green, blue) from 0 to 1."""
    rgb = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] if isinstance(colour, str) else colour
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]


def test_numbers_in_three_circles_stand_clear_of_outlines():
    parts = dict(zip(SEVEN, (0.004, 0.0, 0.023, 0.001, 0.004, 0.006, 0.193)))
    figure = venn_three(parts, dict(zip("abc", "XYZ")), dict.fromkeys("abc", "#0072b2"))
    radii, centres = layout(parts)
    assert {note.text for note in figure.layout.annotations} == {"0.193"}
    for note in figure.layout.annotations:
        assert fits(np.array([note.x, note.y]), 0.05 * radii.max(), 0.02 * radii.max(), centres, radii)
    assert [trace.name for trace in figure.data if trace.showlegend] == ["X", "Y", "Z"]


def test_the_best_instruction_leads_only_where_the_test_says_so():
    """FFA: sure in both subjects; V1: the other way round, and in one subject not surely; PPA: untested."""
    r = {"FFA": (0.5, 0.3), "V1": (0.2, 0.21), "PPA": (0.4, 0.1)}
    rows = [
        (s, "m", i, "p", roi, v) for s in ("s1", "s2") for roi, both in r.items() for i, v in zip(("IC", "VQ1"), both)
    ]
    rows = pd.DataFrame(rows, columns=["subject", "model", "instruction", "pooling", "roi", "r"])
    tests = [("s1", "FFA", 0.2, 0.01), ("s2", "FFA", 0.2, 0.01), ("s1", "V1", -0.01, 0.01), ("s2", "V1", -0.01, 0.3)]
    tests = pd.DataFrame(tests, columns=["subject", "roi", "difference", "q"]).assign(low=0.0, high=0.0)
    for side, instruction in (("a", "IC"), ("b", "VQ1")):
        tests = tests.assign(**{f"model_{side}": "m", f"instruction_{side}": instruction, f"pooling_{side}": "p"})
    found = leads.leads(rows, tests, TODAY).set_index("roi")
    assert found.best.to_dict() == {"V1": "VQ1", "FFA": "IC", "PPA": "IC"}
    assert found.sure.to_dict() == {"V1": 1, "FFA": 2, "PPA": 0}
    assert found.tested.to_dict() == {"V1": 2, "FFA": 2, "PPA": 0}
    said = leads.sentence(found.reset_index(), 2, "corrected so")
    assert "in 1 of 2 regions: FFA (IC over VQ1, 0.200)" in said
    assert said.endswith("Not tested: PPA.")
    assert "not tested" in leads.sentence(leads.leads(rows, tests.iloc[:0], TODAY), 2, "")


def test_the_highest_point_of_a_line_stands_beside_the_score_that_training_images_choose():
    """Of layers without any signal the highest mean is above 0; the chosen ones, of other noise, are not."""
    rng = np.random.default_rng(0)
    keys = [(subject, group) for subject in ("s1", "s2") for group in ("a", "b", "c")]
    frame = pd.DataFrame([(s, g, k, v) for s, g in keys for k, v in enumerate(rng.normal(0, 0.01, 12))])
    frame.columns = ["subject", "group", "layer", "value"]
    chosen = pd.DataFrame([(*key, 0.001) for key in keys], columns=["subject", "group", "value"])
    found = profiles.tops(frame, chosen)
    means = frame[frame.group == "b"].groupby("layer").value.mean()
    assert found[found.group == "b"][["layer", "highest"]].iloc[0].tolist() == [means.idxmax(), means.max()]
    said = profiles.too_high(found)
    assert f"mean over 3 lines {found.highest.mean():.3f}, at the layers that training images choose 0.001." in said
    assert profiles.spoken(found).count("(0.001 at the layers chosen by training images)") == 3
    assert found.highest.mean() > 0.005
    assert "no score at layers chosen" in profiles.too_high(profiles.tops(frame))


def test_charts_are_drawn_by_the_plotly_that_made_them():
    """The bundle is of the version that the installed plotly writes figures for."""
    bundle = (Path(chart.__file__).parent / "browser" / "plotly.js").read_text()
    assert f'="{get_plotlyjs_version()}"' in bundle
    for kind in ("scatter", "bar", "heatmap"):
        assert f'name:"{kind}"' in bundle
