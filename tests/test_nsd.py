"""The reader against a root written independently of it, and against formulas worked out in other ways."""

import json
import os
import shutil
import tracemalloc

import h5py
import nibabel as nib
import nsd_fixture
import numpy as np
import pandas as pd
import pytest
from numpy.polynomial import Polynomial

from brainalign import nsd, tables
from brainalign.demo.cortex import load_truth, signal
from brainalign.demo.geometry import hemisphere
from brainalign.demo.root import write_root
from brainalign.demo.scenes import scene
from brainalign.nsd import design, read, trend
from brainalign.nsd.layout import Layout
from brainalign.nsd.subject import standardise
from brainalign.stats import correlate
from brainalign.types import Roi


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("nsd") / "root"
    return root, nsd_fixture.write(root)


@pytest.fixture(scope="module")
def root(made):
    return made[0]


@pytest.fixture(scope="module")
def subject(root):
    return nsd.load_subject(root, "subj01")


@pytest.fixture(scope="module")
def surface(root):
    return nsd.load_subject(root, "subj02", space="fsaverage")


@pytest.fixture
def copy(root, tmp_path):
    """A copy of the root whose files may be deleted or replaced (they are links, so not changed in place)."""
    return shutil.copytree(root, tmp_path / "copy", copy_function=os.link)


def voxel_trials(root, s, unit):
    """(n_sessions, 750) stored integers of one voxel, straight from the NIfTI files."""
    folder = Layout(root).betas(f"subj{s:02d}", "func1pt8mm", nsd_fixture.VERSION)
    where = np.unravel_index(unit, nsd_fixture.SHAPES[s])
    return np.stack([nib.load(path).dataobj[where] for path in sorted(folder.glob("betas_session*.nii.gz"))])


def by_hand(trials, shown):
    """{image id: mean z-score} in float64, one trial after another."""
    values = {}
    for session, ids in zip(trials.astype(float), shown):
        if session.std() == 0 or np.isnan(session).any():
            continue
        for image, z in zip(ids, (session - session.mean()) / session.std(ddof=1)):
            values.setdefault(int(image), []).append(z)
    return {image: np.mean(z) for image, z in values.items()}


def test_betas_are_the_mean_of_z_scores_within_session(made, subject):
    root, plan = made
    shown = nsd_fixture.shown(plan, 1, 3).reshape(3, 750)
    partly = np.flatnonzero(~subject.valid.all(0))
    assert len(partly) >= 2
    assert not subject.valid[1, partly].any()
    for column in [0, 17, len(subject.units) - 1, *partly[:2]]:
        expected = by_hand(voxel_trials(root, 1, subject.units[column]), shown)
        got = subject.betas[:, column]
        there = np.isfinite(got)
        assert set(subject.image_ids[there]) == set(expected)
        np.testing.assert_allclose(got[there], [expected[i] for i in subject.image_ids[there]], atol=1e-5)


def test_images_repeats_and_test_set_follow_the_design(made, subject):
    root, plan = made
    ids, counts = np.unique(nsd_fixture.shown(plan, 1, 3), return_counts=True)
    np.testing.assert_array_equal(subject.image_ids, ids)
    np.testing.assert_array_equal(subject.repeats, counts)
    assert subject.repeats.sum() == 3 * 750
    assert subject.is_test.sum() == 60
    np.testing.assert_array_equal(subject.is_test, np.isin(ids, plan["sharedix"] - 1))
    np.testing.assert_array_equal(nsd.image_ids(root, "subj01"), ids)
    run = np.repeat(np.arange(36), np.tile([63, 62], 18))
    each = [len(set(run[nsd_fixture.shown(plan, 1, 3) == image])) for image in ids]
    np.testing.assert_array_equal(nsd.image_runs(root, "subj01"), each)
    np.testing.assert_array_equal(nsd.shared_ids(root), plan["sharedix"][0] - 1)


def test_planned_trials_beyond_the_sessions_present_are_dropped(made):
    root, plan = made
    second = nsd.load_subject(root, "subj02")
    assert second.repeats.sum() == 2 * 750
    np.testing.assert_array_equal(second.image_ids, np.unique(nsd_fixture.shown(plan, 2, 2)))
    assert nsd.subjects(root) == ["subj01", "subj02"]


def test_each_session_keeps_its_own_trials_when_one_is_missing(copy, made, subject):
    for path in Layout(copy).betas("subj01", "func1pt8mm", nsd_fixture.VERSION).glob("betas_session02*"):
        path.unlink()
    gap = nsd.load_subject(copy, "subj01")
    shown = nsd_fixture.shown(made[1], 1, 3).reshape(3, 750)[[0, 2]]
    np.testing.assert_array_equal(gap.image_ids, np.unique(shown))
    expected = by_hand(voxel_trials(copy, 1, gap.units[40]), shown)
    np.testing.assert_allclose(gap.betas[:, 40], [expected[i] for i in gap.image_ids], atol=1e-5)


def test_nifti_and_hdf5_give_the_same_betas(copy, subject):
    for path in Layout(copy).betas("subj01", "func1pt8mm", nsd_fixture.VERSION).glob("*.hdf5"):
        path.unlink()
    np.testing.assert_array_equal(nsd.load_subject(copy, "subj01").betas, subject.betas)


def test_hdf5_stored_in_other_chunks_reads_the_same(root, tmp_path):
    path = Layout(root).betas("subj02", "func1pt8mm", nsd_fixture.VERSION) / "betas_session01.hdf5"
    shape, voxels = nsd_fixture.SHAPES[2], np.array([700, 3, 1200, 1201])
    with h5py.File(path) as file, h5py.File(tmp_path / "other.hdf5", "w") as other:
        whole = file["betas"][:]
        other["betas"] = whole
    expected = whole.transpose(3, 2, 1, 0).reshape(-1, 750)[voxels].T
    np.testing.assert_array_equal(read.hdf5_betas(path, voxels, shape), expected)
    np.testing.assert_array_equal(read.hdf5_betas(tmp_path / "other.hdf5", voxels, shape), expected)


def test_units_are_the_union_of_rois_within_the_brain(root, subject):
    folder = Layout(root).func("subj01") / "roi"
    for collection, label, name in [
        ("prf-visualrois", (1, 2), "V1"),
        ("floc-faces", (2, 3), "FFA"),
        ("HCP_MMP1", (20, 21, 22, 159), "LOC"),
        ("nsdgeneral", (1,), "visual cortex (nsdgeneral)"),
    ]:
        mask = np.isin(nib.load(folder / f"{collection}.nii.gz").get_fdata(), label)
        np.testing.assert_array_equal(subject.units[subject.rois[name]], np.flatnonzero(mask))
        assert mask.any()
    brain = nib.load(Layout(root).func("subj01") / "brainmask.nii.gz").get_fdata().ravel() > 0
    assert brain[subject.units].all()
    assert list(subject.rois) == list(tables.rois())
    assert np.any(list(subject.rois.values()), axis=0).all()


def test_an_empty_or_absent_roi_is_all_false(root):
    ghost = [
        Roi("FBA-2", "bodies", "high", "floc-bodies", ("FBA-2",)),
        Roi("no", "x", "high", "Kastner2015", ("V1v",)),
    ]
    subject = nsd.load_subject(root, "subj02", rois=[*ghost, tables.rois()["V1"]])
    assert not subject.rois["FBA-2"].any()
    assert not subject.rois["no"].any()
    assert 0 < subject.rois["V1"].sum() < len(subject.units)


def test_stored_ncsnr_follows_from_the_betas(root, subject, made):
    """Read back trial by trial through the reader, the authors' recipe gives the file's own ncsnr."""
    folder = Layout(root).betas("subj01", "func1pt8mm", nsd_fixture.VERSION)
    sessions = []
    for path in sorted(folder.glob("*.hdf5")):
        part = read.hdf5_betas(path, subject.units, nsd_fixture.SHAPES[1]).astype(np.float32) / np.float32(300)
        standardise(part)
        sessions.append(part)
    scores, shown = np.concatenate(sessions), nsd_fixture.shown(made[1], 1, 3)
    ids, counts = np.unique(shown, return_counts=True)
    variances = [scores[shown == i].var(0, ddof=1) for i in ids[counts == 3]]
    noise = np.nanmean(variances, axis=0)
    np.testing.assert_allclose(subject.ncsnr, np.sqrt(np.maximum(0, 1 - noise) / noise), atol=1e-4)


def test_three_repeats_shrink_the_noise_variance_by_three(subject):
    """Var of the mean over n trials is signal + noise / n: the slope over 1/n is the noise variance."""
    ncsnr2 = subject.ncsnr.astype(float) ** 2
    noise = np.nanmean(1 / (1 + ncsnr2))
    one, three = (np.nanmean(np.nanvar(subject.betas[subject.repeats == n], axis=0)) for n in (1, 3))
    assert one - three == pytest.approx(noise * (1 - 1 / 3), rel=0.1)


def test_fsaverage_is_not_divided_and_its_missing_vertices_are_nan(made, surface, root):
    folder = Layout(root).betas("subj02", "fsaverage", nsd_fixture.VERSION)
    shown = nsd_fixture.shown(made[1], 2, 2).reshape(2, 750)
    right = np.flatnonzero(surface.units >= nsd_fixture.VERTICES)[50]
    vertex = surface.units[right] - nsd_fixture.VERTICES
    trials = np.stack([nib.load(folder / f"rh.betas_session0{n}.mgh").get_fdata()[vertex, 0, 0] for n in (1, 2)])
    expected = by_hand(trials, shown)
    np.testing.assert_allclose(surface.betas[:, right], [expected[i] for i in surface.image_ids], atol=1e-5)
    lost = surface.units % nsd_fixture.VERTICES < 7
    assert lost.any()
    assert np.isnan(surface.betas[:, lost]).all()
    assert not surface.valid[:, lost].any()
    assert np.isfinite(surface.betas[:, ~lost]).all()


def test_localizer_rois_reach_fsaverage_through_the_subjects_own_surface(root, surface):
    layout, inside = Layout(root), []
    for h in ("lh", "rh"):
        native = nib.load(layout.surface_roi("subj02", "floc-places", h)).get_fdata()[:, 0, 0]
        nearest = nib.load(layout.transform("subj02", h, "white-to-fsaverage")).get_fdata()[:, 0, 0]
        inside += [native[int(v) - 1] == 2 for v in nearest]
    assert sum(inside) > 10
    np.testing.assert_array_equal(surface.units[surface.rois["PPA"]], np.flatnonzero(inside))


def test_flat_units_of_a_volume_go_through_both_transforms(root, subject):
    flat = nsd.flat_units(root, "subj01", "func1pt8mm", subject.units)
    assert flat.shape == (20484,)
    assert flat.dtype == np.int32
    layout, shape, column = Layout(root), nsd_fixture.SHAPES[1], {u: i for i, u in enumerate(subject.units)}
    for side, h in enumerate(("lh", "rh")):
        nearest = nib.load(layout.transform("subj01", h, "white-to-fsaverage")).get_fdata()[:, 0, 0]
        places = nib.load(layout.transform("subj01", h, "func1pt8-to-layerB2")).get_fdata().squeeze()
        for vertex in range(nsd_fixture.VERTICES):
            place = places[int(nearest[vertex]) - 1]
            voxel = np.round(place).astype(int) - 1
            inside = place[0] != 9999
            expected = column.get(int(np.ravel_multi_index(voxel, shape)), -1) if inside else -1
            assert flat[side * 10242 + vertex] == expected
    mapped = flat.reshape(2, 10242)[:, : nsd_fixture.VERTICES]
    assert (mapped >= 0).mean() > 0.5
    assert (flat.reshape(2, 10242)[:, nsd_fixture.VERTICES :] == -1).all()
    x = subject.units[mapped[0][mapped[0] >= 0]] // (shape[1] * shape[2])
    assert (x < shape[0] // 2).all()


def test_flat_units_of_fsaverage_are_the_vertices_themselves(root, surface):
    flat = nsd.flat_units(root, "subj02", "fsaverage", surface.units).reshape(2, 10242)
    for position in (0, 100, len(surface.units) - 1):
        side, vertex = divmod(surface.units[position], nsd_fixture.VERTICES)
        assert flat[side, vertex] == position
    assert (flat >= 0).sum() == len(surface.units)


def test_pictures_are_found_by_an_id_counted_from_zero(root, subject):
    for nsd_id in subject.image_ids[[0, 5, -1]]:
        picture = nsd.stimulus(root, nsd_id)
        assert picture.shape == (425, 425, 3)
        assert (picture == nsd_fixture.colour(nsd_id)).all()
    with pytest.raises(ValueError, match="from 0 to 72999"):
        nsd.stimulus(root, 73_000)


def test_coco_ids_are_those_of_the_table_of_pictures(copy):
    np.testing.assert_array_equal(nsd.coco_ids(copy), np.arange(73_000) * 7)  # as the fixture has them; 0 is none
    path = Layout(copy).stimulus_table
    table = pd.read_csv(path, index_col=0)
    path.unlink()
    assert not nsd.coco_ids(copy).any()
    table.cocoId += 10_000_000  # as a simulated root invents them
    table.loc[5, "cocoId"] = 391895
    table.sample(frac=1, random_state=0).to_csv(path)
    assert np.flatnonzero(nsd.coco_ids(copy)).tolist() == [5]
    assert nsd.coco_ids(copy)[5] == 391895


def test_simulated_manifest(root, copy):
    assert nsd.simulated(root)["fsaverage_vertices"] == nsd_fixture.VERTICES
    (copy / "SIMULATED.json").unlink()
    assert nsd.simulated(copy) is None
    (copy / "SIMULATED.json").write_text("[1]")
    with pytest.raises(ValueError, match="expected an object"):
        nsd.simulated(copy)
    assert json.loads((root / "SIMULATED.json").read_text())["simulated"]


def test_progress_counts_the_sessions(root):
    seen = []
    nsd.load_subject(root, "subj02", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"subject": "subj9"}, "no subject 'subj9'; try subj0"),
        ({"subject": "subj03"}, "no betas in"),
        ({"subject": "subj01", "space": "func1mm"}, "try func1pt8mm"),
        ({"subject": "subj01", "beta_version": "betas_fithrff"}, "try betas_fithrf"),
    ],
)
def test_wrong_arguments_are_answered_with_what_to_try(root, arguments, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        nsd.load_subject(root, **arguments)


def test_a_truncated_session_names_its_file(copy):
    folder = Layout(copy).betas("subj01", "func1pt8mm", nsd_fixture.VERSION)
    path = folder / "betas_session02.hdf5"
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"betas_session02\.hdf5 cannot be read as an HDF5 file"):
        nsd.load_subject(copy, "subj01")


def test_a_session_that_the_design_does_not_have():
    plan = design.Design(
        np.zeros(30_000, int), np.zeros((8, 10_000), int), np.zeros(1000, int), np.zeros((40, 12), int)
    )
    with pytest.raises(ValueError, match="sessions 1 to 40"):
        plan.session("subj01", 41)


def test_memory_is_the_result_and_a_few_sessions(root, monkeypatch):
    """The bound that the docstring states, on 12 sessions."""
    layout = Layout(root)
    paths = layout.beta_files("subj01", "func1pt8mm", nsd_fixture.VERSION)[1]
    monkeypatch.setattr(Layout, "beta_files", lambda *_: dict.fromkeys(range(1, 13), paths))
    nsd.load_subject(root, "subj01")
    tracemalloc.start()
    subject = nsd.load_subject(root, "subj01")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    n_units = len(subject.units)
    bound = subject.betas.nbytes + 4 * (750 + subject.is_test.sum()) * n_units * 4
    fixed = 4_000_000  # the design and the label volumes
    assert subject.repeats.sum() == 12 * 750
    assert subject.betas.nbytes < peak < bound + fixed


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A root that the project's own simulation writes, from the same description as the fixture."""
    root = tmp_path_factory.mktemp("demo") / "root"
    write_root(root, subjects=(5,), sessions=2, seed=11)
    return root


def test_a_simulated_root_gives_back_what_was_planted(demo):
    assert nsd.check(demo).faults == []
    subject, truth = nsd.load_subject(demo, "subj05"), load_truth(demo / "truth/subj05.npz")
    np.testing.assert_array_equal(subject.units, truth.places)
    good = subject.valid.all(0) & (truth.ncsnr > 0.4)
    assert good.sum() > 300
    assert np.corrcoef(subject.ncsnr[good], truth.ncsnr[good])[0, 1] > 0.9
    planted = signal(truth, [scene(int(i), 11) for i in subject.image_ids])[:, good]
    three = subject.repeats == 3
    r = correlate(subject.betas[:, good][three], planted[three])
    ceiling = truth.ncsnr[good] ** 2 / (truth.ncsnr[good] ** 2 + 1 / 3)
    assert np.mean(r**2) == pytest.approx(ceiling.mean(), rel=0.1)


def test_a_simulated_roots_table_repeats_are_its_design(demo):
    table = pd.read_csv(Layout(demo).stimulus_table)
    plan = design.load(demo)
    for s in (1, 5, 8):
        trials = plan.trials(f"subj{s:02d}")
        for k in range(3):
            trial = table[f"subject{s}_rep{k}"].to_numpy()
            np.testing.assert_array_equal(trials[trial[trial > 0] - 1], np.flatnonzero(trial > 0))


def test_flat_units_of_a_simulated_root_lie_where_they_were_planted(demo):
    """Most vertices reach, through the transforms, a unit planted at a vertex close by."""
    truth, subject = load_truth(demo / "truth/subj05.npz"), nsd.load_subject(demo, "subj05")
    flat = nsd.flat_units(demo, "subj05", "func1pt8mm", subject.units)
    seen = np.flatnonzero(flat >= 0)
    assert len(seen) > 2000
    xyz = np.concatenate([hemisphere(h).depth(0.5) for h in ("lh", "rh")])
    apart = np.linalg.norm(xyz[seen] - xyz[truth.vertices[flat[seen]]], axis=1)
    assert np.median(apart) < 6


def _fitted(run):
    return Polynomial.fit(np.arange(len(run)), run, nsd.DEGREE)(np.arange(len(run)))


def test_single_trials_are_what_a_polynomial_of_each_run_leaves(made, subject):
    """z-scores within session of what NumPy's least squares leaves of the stored values of each run."""
    root, plan = made
    wanted, starts = subject.image_ids[subject.is_test][::7], np.cumsum([63, 62] * 6)[:-1]
    found, ids = nsd.load_trials(root, "subj01", wanted), nsd_fixture.shown(plan, 1, 3)
    own = np.flatnonzero(np.isin(ids, wanted))
    np.testing.assert_array_equal(wanted[found.shown], ids[own])
    np.testing.assert_array_equal(found.run, own // 750 * 12 + np.searchsorted(starts, own % 750, side="right"))
    for column in [0, 17, len(subject.units) - 1, np.flatnonzero(~subject.valid.all(0))[0]]:
        expected = []
        for session, valid in zip(voxel_trials(root, 1, subject.units[column]), subject.valid[:, column]):
            runs = np.split(session.astype(float), starts)
            left = np.concatenate([run - _fitted(run) for run in runs])
            expected.append(left / left.std(ddof=1) if valid else np.full(750, np.nan))
        np.testing.assert_allclose(found.values[:, column], np.concatenate(expected)[own], atol=1e-4)


def test_a_drift_is_taken_out_of_each_run_and_pictures_are_left():
    place = np.concatenate([np.arange(63), np.arange(62)])[:, None]
    evoked = np.random.default_rng(0).standard_normal((125, 5)).astype(np.float32)
    before, drifting = evoked.var(), evoked + np.where(np.arange(125)[:, None] < 63, 40 - 3 * place, 0.02 * place**2)
    for values in (evoked, drifting):
        trend.remove(values, [63, 62])
    np.testing.assert_allclose(drifting, evoked, atol=1e-4)
    assert evoked.var() / before == pytest.approx(1 - 6 / 125, abs=0.02)


@pytest.mark.parametrize("space", ["func1pt8mm", "fsaverage"])
@pytest.mark.parametrize("nifti", [False, True])
def test_the_sources_of_a_subject_are_the_files_that_are_read(copy, monkeypatch, space, nifti):
    if nifti:
        for path in Layout(copy).betas("subj02", "func1pt8mm", nsd_fixture.VERSION).glob("*.hdf5"):
            path.unlink()
    seen, reading = set(), read.reading

    def noted(path, kind):
        seen.add(path)
        return reading(path, kind)

    monkeypatch.setattr(read, "reading", noted)
    monkeypatch.setattr(design, "reading", noted)
    units = nsd.load_subject(copy, "subj02", space).units
    nsd.flat_units(copy, "subj02", space, units)
    found = nsd.sources(copy, "subj02", space, nsd_fixture.VERSION)
    assert len(found) == len(set(found)) > 20
    assert set(found) == seen


def test_nsds_own_label_names_have_the_numbers_of_its_tables():
    """Ids that others printed from NSD's own files, and how many labels each collection has."""
    names = tables.label_names()
    counts = {"Kastner2015": 25, "HCP_MMP1": 180, "nsdgeneral": 1, "streams": 7, "prf-visualrois": 7, "prf-eccrois": 5}
    counts |= {"floc-faces": 5, "floc-words": 5, "floc-places": 3, "floc-bodies": 4}
    assert {collection: len(found) - 1 for collection, found in names.items()} == counts
    glasser = {18: "FFC", 163: "VVC", 160: "VMV2", 154: "VMV3", 126: "PHA1", 155: "PHA2", 127: "PHA3", 133: "TE1p"}
    assert {number: names["HCP_MMP1"][number] for number in glasser} == glasser
    assert [names["Kastner2015"][k] for k in (7, 12, 13, 14, 15, 25)] == ["hV4", "TO2", "TO1", "LO2", "LO1", "FEF"]
    assert names["streams"][5] == "ventral"
    assert {found[0] for found in names.values()} == {"Unknown"}
    for collection, labels in nsd_fixture.TABLES.items():
        known = {k: name for k, name in enumerate(labels, 1) if not name.startswith("area")}
        assert {k: names[collection][k] for k in known} == known
