"""The flat cortex, held against the meshes, an independent nearest-vertex search and even-odd filling."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.path import Path as Polygon
from scipy.spatial import Delaunay

from brainalign import surface
from brainalign.surface import N_VERTICES, flat_geometry, from_bytes, label_positions, outlines, to_bytes


@pytest.fixture(scope="module")
def geometry():
    return flat_geometry()


def disc(geometry, centre, radius):
    return np.hypot(*(geometry.xy - centre).T) < radius


def shoelace(line):
    x, y = line.T
    return (x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2


def test_every_pixel_shows_the_nearest_vertex_that_has_a_flat_face(geometry):
    shown = geometry.pixel_vertex[geometry.pixel_vertex >= 0]
    assert np.isin(shown, geometry.faces).all()
    rng = np.random.default_rng(0)
    rows, columns = np.nonzero(geometry.pixel_vertex >= 0)
    for k in rng.choice(len(rows), 200, replace=False):
        away = np.hypot(*(geometry.xy - [columns[k] + 0.5, rows[k] + 0.5]).T)
        assert away[geometry.pixel_vertex[rows[k], columns[k]]] == pytest.approx(np.nanmin(away), abs=1e-3)


def test_painted_area_is_the_area_of_the_faces(geometry):
    a, b, c = geometry.xy[geometry.faces].astype("f8").transpose(1, 0, 2)
    area = np.abs(surface._cross(b - a, c - a)).sum() / 2
    assert (geometry.pixel_vertex >= 0).sum() == pytest.approx(area, rel=0.002)


def test_painting_agrees_with_a_triangle_search():
    points = np.random.default_rng(1).uniform(0, 40, (30, 2))
    mesh = Delaunay(points)
    painted = np.zeros((40, 40), bool)
    column, row = surface._painted(points[mesh.simplices], 40, 40).T
    painted[row, column] = True
    y, x = np.mgrid[:40, :40] + 0.5
    np.testing.assert_array_equal(painted, mesh.find_simplex(np.c_[x.ravel(), y.ravel()]).reshape(40, 40) >= 0)


def test_hemispheres_lie_left_and_right_with_the_occipital_poles_in_the_middle_and_dorsal_up(geometry):
    import nibabel

    folder = surface.Path(surface.find_spec("nilearn").origin).parent / "datasets/data/fsaverage5"
    pial = [nibabel.load(folder / f"pial_{side}.gii.gz").darrays[0].data for side in ("left", "right")]
    left, right = geometry.xy[: N_VERTICES // 2], geometry.xy[N_VERTICES // 2 :]
    assert np.nanmax(left[:, 0]) < np.nanmin(right[:, 0])
    for flat, anatomy, sign in ((left, pial[0], -1), (right, pial[1], 1)):
        on = ~np.isnan(flat[:, 0])
        anterior, superior = anatomy[on, 1], anatomy[on, 2]
        assert sign * np.corrcoef(flat[on, 0], anterior)[0, 1] > 0.8  # anterior is away from the middle
        assert np.corrcoef(flat[on, 1], superior)[0, 1] < -0.8  # y counts downwards
    turn = surface._cross(*(geometry.xy[geometry.faces[:, k]] - geometry.xy[geometry.faces[:, 0]] for k in (1, 2)))
    assert (turn < 0).all()  # seen from outside the brain: no face is mirrored


def test_cut_vertices_are_left_out_and_sulci_are_positive(geometry):
    without = np.isnan(geometry.xy[:, 0])
    assert (without[: N_VERTICES // 2].sum(), without[N_VERTICES // 2 :].sum()) == (777, 705)
    assert 0.3 < (geometry.curvature > 0).mean() < 0.6


def test_an_outline_is_closed_and_holds_its_region_and_nothing_else(geometry):
    inside = disc(geometry, [250, 250], 40) & ~disc(geometry, [250, 250], 15) | disc(geometry, [800, 300], 25)
    lines = outlines(geometry, inside)
    assert len(lines) == 3
    on = np.flatnonzero(~np.isnan(geometry.xy[:, 0]))
    depth = sum(Polygon(line).contains_points(geometry.xy[on]).astype(int) for line in lines)
    for line in lines:
        np.testing.assert_array_equal(line[0], line[-1])
    np.testing.assert_array_equal(depth % 2 == 1, inside[on])


def test_outline_of_everything_is_the_rim(geometry):
    lines = outlines(geometry, np.ones(N_VERTICES, bool))
    area = sum(abs(shoelace(line.astype("f8"))) for line in lines)
    assert len(lines) == 2
    assert area == pytest.approx((geometry.pixel_vertex >= 0).sum(), rel=0.002)
    assert outlines(geometry, np.zeros(N_VERTICES, bool)) == []


def test_outline_at_a_cut_follows_the_rim(geometry):
    edge = np.nanargmax(np.where(np.arange(N_VERTICES) < N_VERTICES // 2, geometry.xy[:, 0], np.nan))
    inside = disc(geometry, geometry.xy[edge], 30) & (np.arange(N_VERTICES) < N_VERTICES // 2)
    area = sum(abs(shoelace(line.astype("f8"))) for line in outlines(geometry, inside))
    assert area == pytest.approx(inside[geometry.pixel_vertex[geometry.pixel_vertex >= 0]].sum(), rel=0.05)


def test_a_label_lies_inside_its_region_once_in_each_hemisphere(geometry):
    inside = disc(geometry, [250, 250], 30) | disc(geometry, [800, 300], 30)
    (x1, y1), (x2, y2) = label_positions(geometry, inside)
    assert np.hypot(x1 - 250, y1 - 250) < 6
    assert np.hypot(x2 - 800, y2 - 300) < 6
    assert label_positions(geometry, np.zeros(N_VERTICES, bool)) == []


def test_bytes_keep_everything_and_the_hash_follows_the_content(geometry):
    data = to_bytes(geometry)
    again = from_bytes(data)
    assert to_bytes(again) == data
    assert again.hash == geometry.hash == flat_geometry.__wrapped__(1024, 512).hash
    assert len(data) < 800_000
    moved = geometry.curvature.copy()
    moved[5] += 0.01
    assert replace(geometry, curvature=moved).hash != geometry.hash
    assert flat_geometry(512, 256).hash != geometry.hash


def test_a_geometry_that_does_not_fit_is_refused(geometry):
    with pytest.raises(ValueError, match="does not fit its 20483 vertices"):
        replace(geometry, curvature=geometry.curvature[:-1])
    with pytest.raises(ValueError, match="points beyond"):
        replace(geometry, faces=geometry.faces + N_VERTICES)
