"""Figures hold the numbers they are given."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainalign import tables
from brainalign.figures import coverage, frames, matrix, roi_bars, signed_bars, theme, venn
from brainalign.figures.venn import circles, overlap
from brainalign.figures.venn_three import layout, middles, venn_three

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
    assert any("-0.020" in note.text for note in figure.layout.annotations)


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
    return pd.DataFrame(rows, columns=names).assign(nc_mean=25.0, r2_mean=0.0, r_norm_mean=0.0)


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
    nc = pd.Series([25.0, 100.0])
    assert frames.ceiling(nc, "r_mean").tolist() == [0.5, 1.0]
    assert frames.ceiling(nc, "r2_mean").tolist() == [0.25, 1.0]
    assert frames.ceiling(nc, "r_norm_mean").tolist() == [1.0, 1.0]


def test_roi_bars_are_means_with_the_subjects_as_points():
    frame = frames.roi_frame(frames.at_layer(scores(), "0", "r_mean"), "r_mean", "instruction")
    figure = roi_bars(frame, {"IC": "#000000", "VQ1": "#111111"}, {"IC": "IC", "VQ1": "VQ1"}, "r")
    bars = {trace.name: trace for trace in figure.data if trace.type == "bar"}
    assert bars["IC"].y.tolist() == pytest.approx([0.35])
    assert bars["VQ1"].y.tolist() == pytest.approx([0.4])
    points = [trace for trace in figure.data if trace.type == "scatter" and trace.mode == "markers"]
    assert sorted(np.concatenate([trace.y for trace in points])) == pytest.approx([0.2, 0.4, 0.5])
    ceiling = next(trace for trace in figure.data if trace.name == "noise ceiling")
    assert {y for y in ceiling.y if y is not None} == {0.5}
    assert list(figure.layout.xaxis.ticktext) == ["V1", "FFA"]  # the order of the table of ROIs


def test_roi_bars_of_nothing_but_nan_draw_nothing():
    frame = frames.roi_frame(scores().assign(r_mean=np.nan, nc_mean=np.nan), "r_mean", "instruction")
    figure = roi_bars(frame, {"IC": "#000000", "VQ1": "#111111"}, {"IC": "IC", "VQ1": "VQ1"}, "r")
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


def test_coverage_leaves_what_is_missing_empty():
    rows = [("subj01", "m", "VQ1", 8), ("subj01", "m", "IC", 8), ("subj02", "m", "IC", 4)]
    heat = coverage(pd.DataFrame(rows, columns=["subject", "model", "instruction", "maps"])).data[0]
    assert list(heat.x) == ["IC", "VQ1"]
    assert list(heat.text[0]) == ["8", "8 (1 of 2)"]
    rows.append(("subj01", "first", "", 3))
    frame = pd.DataFrame(rows, columns=["subject", "model", "instruction", "maps"])
    heat = coverage(frame, ["first", "absent", "m"]).data[0]
    assert (list(heat.y), list(heat.x)) == (["first", "m"], ["IC", "VQ1", "–"])
    np.testing.assert_array_equal(np.array(heat.z, float), [[np.nan, np.nan, 3], [8, 8, np.nan]])


def _deuteranope(colour):
    """What a deuteranope sees of a colour (Machado et al. 2009), as three numbers."""
    sees = np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]])
    return sees @ np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])


def test_colours_are_fixed_distinct_and_seen_by_colour_blind_readers():
    ten = [id for id, i in tables.instructions().items() if i.paper == "ten"]
    colours = [theme.instruction_colour(id) for id in ten]
    assert len(set(colours)) == 10
    families = [theme.FAMILIES[family] for family in dict.fromkeys(tables.instructions()[id].family for id in ten)]
    seen = np.array([_deuteranope(colour) for colour in families])
    apart = np.linalg.norm(seen[:, None] - seen[None], axis=-1)[np.triu_indices(len(seen), 1)]
    assert apart.min() > 25
    assert theme.model_colour("another") == theme.model_colour("another")
    zoo = [*theme.MODELS, *(f"llava-demo-{control}" for control in theme.CONTROLS)]
    assert len({theme.model_colour(name) for name in zoo}) == len(zoo)
    assert theme.model_colour("llava-demo-random") == theme.model_colour("any-random")


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
