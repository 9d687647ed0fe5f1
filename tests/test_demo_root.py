"""The simulated root held against NSD's rules and against its own planted truth."""

import json
from dataclasses import replace

import h5py
import nibabel
import numpy as np
import pandas as pd
import pytest
from scipy.io import loadmat

from brainalign import nsd, tables
from brainalign.demo import files
from brainalign.demo.atlas import TABLES, atlas
from brainalign.demo.cortex import load_truth, signal
from brainalign.demo.design import design
from brainalign.demo.drawing import render
from brainalign.demo.geometry import geodesic, hemisphere
from brainalign.demo.root import write_root
from brainalign.demo.scenes import Placed, scene

BETAS = "nsddata_betas/ppdata/{}/{}/betas_fithrf_GLMdenoise_RR"
SEED = 3  # of the fixture simulated_root


@pytest.fixture(scope="module")
def root(simulated_root):
    return simulated_root


def volume(root, name, subject="subj02"):
    return np.asarray(nibabel.load(root / f"nsddata/ppdata/{subject}/func1pt8mm/{name}.nii.gz").dataobj)


def surface(path):
    return nibabel.load(path).get_fdata().squeeze()


def betas(root, session, subject="subj02"):
    """(750, n_voxels) int16 of the brain mask, from the HDF5 file."""
    with h5py.File(root / BETAS.format(subject, "func1pt8mm") / f"betas_session{session:02d}.hdf5") as file:
        return file["betas"][:][:, volume(root, "brainmask", subject).T == 1]


def standardised(root):
    """(1500, n_units) z-scored within session at the places of the truth, and the 10k id of each trial."""
    places = load_truth(root / "truth/subj02.npz").places
    sessions = []
    for session in (1, 2):
        with h5py.File(root / BETAS.format("subj02", "func1pt8mm") / f"betas_session{session:02d}.hdf5") as file:
            flat = file["betas"][:].transpose(0, 3, 2, 1).reshape(750, -1)[:, places] / 300
        with np.errstate(invalid="ignore"):
            sessions.append((flat - flat.mean(0)) / flat.std(0, ddof=1))
    mat = loadmat(root / "nsddata/experiments/nsd/nsd_expdesign.mat")
    return np.concatenate(sessions), mat["masterordering"][0, :1500].astype(int)


# ---- the same bytes


def test_same_seed_gives_same_bytes_whichever_other_subjects_are_written(root, tmp_path, monkeypatch):
    monkeypatch.setattr("brainalign.demo.root._write_pictures", lambda *_: ())
    again = tmp_path / "again"
    write_root(again, subjects=(2, 1), sessions=2, seed=SEED)
    paths = [p.relative_to(again) for p in again.rglob("*") if p.is_file()]
    common = [p for p in paths if (root / p).exists() and p.name != "SIMULATED.json"]
    assert len(common) > 85
    assert [str(p) for p in common if (root / p).read_bytes() != (again / p).read_bytes()] == []
    manifest = json.loads((again / "SIMULATED.json").read_text())
    assert [manifest["subjects"][name]["sessions"] for name in ("subj02", "subj01")] == [2, 1]
    assert volume(again, "brainmask", "subj01").shape != volume(again, "brainmask").shape
    assert set(manifest["subjects"]) == {p.name for p in (again / "nsddata/ppdata").iterdir()}


def test_pictures_are_the_same_bytes_twice(tmp_path):
    for name in ("a", "b"):
        path = tmp_path / name / "x.hdf5"
        list(files.save_pictures(path, [3, 8], (10, 60, 60, 3), lambda i: files.compressed(render(scene(i), 60))))
    assert (tmp_path / "a/x.hdf5").read_bytes() == (tmp_path / "b/x.hdf5").read_bytes()


# ---- the experiment


def test_design_files_agree_with_each_other(root):
    mat = loadmat(root / "nsddata/experiments/nsd/nsd_expdesign.mat")
    shapes = {name: value.shape for name, value in mat.items() if not name.startswith("__")}
    assert shapes == {
        "masterordering": (1, 30000), "subjectim": (8, 10000), "sharedix": (1, 1000),
        "stimpattern": (40, 12, 75), "basiccnt": (3, 40),
    }  # fmt: skip
    ordering, images = mat["masterordering"][0].astype(int), mat["subjectim"].astype(int)
    assert (np.bincount(ordering, minlength=10001)[1:] == 3).all()
    assert (images[:, :1000] == mat["sharedix"]).all()
    assert all(len(np.unique(row)) == 10000 and row.min() >= 1 and row.max() <= 73000 for row in images)
    assert (mat["stimpattern"].sum((1, 2)) == 750).all()
    assert (np.array([1, 2, 3]) @ mat["basiccnt"] == 750).all()

    table = pd.read_csv(root / "nsddata/experiments/nsd/nsd_stim_info_merged.csv")
    assert table.shape == (73000, 41)
    assert (table.nsdId == np.arange(73000)).all()
    assert set(table.nsdId[table.shared1000] + 1) == set(mat["sharedix"][0])
    for subject in (1, 2, 8):
        shown = np.zeros(30001, int)
        for repeat in range(3):
            trials = table[f"subject{subject}_rep{repeat}"]
            shown[trials] = table.nsdId + 1
        assert (shown[1:] == images[subject - 1, ordering - 1]).all()


def test_responses_follow_the_design(root):
    mat = loadmat(root / "nsddata/experiments/nsd/nsd_expdesign.mat")
    table = pd.read_csv(root / "nsddata/ppdata/subj02/behav/responses.tsv", sep="\t")
    ordering = mat["masterordering"][0, :1500].astype(int)
    assert table.shape == (1500, 19)
    assert (table["73KID"] == mat["subjectim"][1, ordering - 1]).all()
    assert (table["10KID"] == ordering).all()
    assert (table.groupby(["SESSION", "RUN"]).TRIAL.max() == [63, 62] * 12).all()
    assert (table["10KID"].duplicated() == table.ISOLD).all()
    assert (table.ISCORRECT.dropna() == ((table.BUTTON == 2) == table.ISOLD)[table.ISCORRECT.notna()]).all()


@pytest.mark.parametrize(("sessions", "own"), [(2, (450, 700)), (3, (700, 1000))])
def test_few_sessions_hold_a_test_set_and_mixed_repeats(sessions, own):
    repeats = np.bincount(design(SEED).ordering[: 750 * sessions], minlength=10001)[1:]
    shared, rest = repeats[:1000], repeats[1000:]
    assert 120 <= (shared > 0).sum() <= 155
    assert (shared == 3).sum() > 0.85 * (shared > 0).sum()
    assert own[0] <= (rest > 0).sum() <= own[1]
    assert min((rest == n).sum() for n in (1, 2, 3)) > 50
    assert sum(n * (repeats == n).sum() for n in (1, 2, 3)) == 750 * sessions


# ---- volumes


def test_nifti_and_hdf5_hold_the_same_integers(root):
    brain = volume(root, "brainmask").astype(bool)
    assert len(set(brain.shape)) == 3
    folder = root / BETAS.format("subj02", "func1pt8mm")
    for session in (1, 2):
        image = nibabel.load(folder / f"betas_session{session:02d}.nii.gz")
        with h5py.File(folder / f"betas_session{session:02d}.hdf5") as file:
            data = file["betas"]
            assert (data.shape, data.chunks, data.dtype) == ((750, *brain.shape[::-1]), (750, 1, 1, 1), np.int16)
            assert data.compression is None
            values = data[:]
        nifti = np.asarray(image.dataobj)
        assert nifti.dtype == np.int16
        assert (values.transpose(3, 2, 1, 0) == nifti).all()
        assert (values[:, ~brain.T] == 0).all()
        assert (np.sort(values[5][brain.T]) == np.sort(nifti[brain][:, 5])).all()
        assert 110 < np.abs(nifti).max() < 32767  # percent times 300, and not saturated
    assert image.header["sform_code"] == 1
    assert image.header["qform_code"] == 0
    assert np.allclose(image.affine @ [*(np.array(brain.shape) - 1) / 2, 1], [0, 0, 0, 1], atol=1e-4)


def test_a_few_voxels_are_missing_in_one_session_only(root):
    brain = volume(root, "brainmask").astype(bool)
    valid = np.stack([volume(root, f"valid_session{session:02d}")[brain] for session in (1, 2)])
    zero = np.stack([(betas(root, session) == 0).all(0) for session in (1, 2)])
    assert np.allclose(volume(root, "valid")[brain], valid.mean(0))
    assert (valid[0] == 1).all()
    assert 0 < (valid[1] == 0).sum() < 40
    assert zero.sum(1).tolist() == [0, (valid[1] == 0).sum()]


def test_labels_are_in_their_tables_and_sides_make_the_whole(root):
    labels = root / "nsddata/freesurfer/subj02/label"
    one_sided = []
    for collection, names in TABLES.items():
        table = [line.split() for line in (labels / f"{collection}.mgz.ctab").read_text().splitlines()]
        assert table == [[str(number), name] for number, name in enumerate(("Unknown", *names))]
        both, left, right = (volume(root, f"roi/{side}{collection}") for side in ("", "lh.", "rh."))
        assert set(np.unique(both)) <= set(range(-1, len(names) + 1))
        assert (np.maximum(left, right) == both).all()
        assert not ((left >= 0) & (right >= 0)).any()
        one_sided += [n for n in np.unique(both[both > 0]) if (left == n).any() != (right == n).any()]
    assert len(TABLES["HCP_MMP1"]) == len(set(TABLES["HCP_MMP1"])) == 180
    assert len(one_sided) == 1
    for roi in tables.rois().values():
        wanted = [TABLES[roi.collection].index(label) + 1 for label in roi.labels]
        assert np.isin(volume(root, f"roi/{roi.collection}"), wanted).sum() >= 15, roi.name


def test_truth_covers_the_rois_within_the_brain_mask(root):
    inside = np.zeros(volume(root, "brainmask").shape, bool)
    for roi in tables.rois().values():
        wanted = [TABLES[roi.collection].index(label) + 1 for label in roi.labels]
        inside |= np.isin(volume(root, f"roi/{roi.collection}"), wanted)
    brain = volume(root, "brainmask") == 1
    assert (inside & ~brain).any()
    assert (np.flatnonzero(inside & brain) == load_truth(root / "truth/subj02.npz").places).all()


def test_transforms_lead_from_fsaverage_to_the_voxels_of_the_same_region(root):
    folder = root / "nsddata/ppdata/subj02/transforms"
    labels = volume(root, "roi/prf-visualrois")
    for side, half in (("lh", slice(0, 10242)), ("rh", slice(10242, None))):
        native = surface(folder / f"{side}.white-to-fsaverage.mgz").astype(int) - 1
        back = surface(folder / f"{side}.fsaverage-to-white.mgz").astype(int) - 1
        layer = surface(folder / f"{side}.func1pt8-to-layerB2.mgz")
        assert layer.shape == (len(back), 3)
        assert len(native) == 10242 != len(back)
        assert 0.95 < (back[native] == np.arange(10242)).mean() < 1
        assert 0 < (layer == 9999).all(1).sum() < 0.1 * len(layer)
        expected = atlas()["prf-visualrois"][half]
        inside = np.flatnonzero((expected > 0) & (layer[native] < 9999).all(1))
        voxel = np.rint(layer[native[inside]]).astype(int) - 1
        assert (labels[tuple(voxel.T)] == expected[inside]).mean() > 0.75
        own = surface(root / f"nsddata/freesurfer/subj02/label/{side}.prf-visualrois.mgz")
        assert (own[native] == expected).mean() > 0.99


# ---- surface


def test_surface_betas_are_the_mean_of_three_depths_in_percent(root):
    folder = root / "nsddata/ppdata/subj02/transforms"
    percent = np.asarray(nibabel.load(root / BETAS.format("subj02", "func1pt8mm") / "betas_session02.nii.gz").dataobj)
    brain = (volume(root, "brainmask") == 1) & (volume(root, "valid_session02") == 1)
    for side in ("lh", "rh"):
        image = nibabel.load(root / BETAS.format("subj02", "fsaverage") / f"{side}.betas_session02.mgh")
        assert image.shape == (10242, 1, 1, 750)
        assert image.get_data_dtype() == np.dtype(">f4")
        values = image.get_fdata()[:, 0, 0]
        native = surface(folder / f"{side}.white-to-fsaverage.mgz").astype(int) - 1
        depths = [surface(folder / f"{side}.func1pt8-to-layerB{n}.mgz")[native] for n in (1, 2, 3)]
        known = np.isfinite(values).all(1)
        assert 0 < (~known).sum() < 1500
        for vertex in range(0, 10242, 97):
            voxels = [tuple(np.rint(depth[vertex] - 1).astype(int)) for depth in depths]
            assert known[vertex] == all(max(v) < 9000 and brain[v] for v in voxels)
            if known[vertex]:
                assert np.allclose(values[vertex], np.mean([percent[v] / 300 for v in voxels], axis=0), atol=1e-5)


# ---- signal and noise


def test_ncsnr_is_what_nsds_rule_gives_and_what_was_planted(root):
    truth = load_truth(root / "truth/subj02.npz")
    z, ordering = standardised(root)
    trials = pd.DataFrame(z).groupby(ordering)
    three = trials.count().max(axis=1) == 3
    variance = trials.var(ddof=1)[three & (trials.size() == 3)]
    complete = np.isfinite(z).all(0)
    v = np.sqrt(variance.mean(axis=0).to_numpy())
    expected = np.sqrt(np.maximum(0, 1 - v**2)) / v
    for suffix, rows in (("", slice(None)), ("_split1", slice(0, None, 2)), ("_split2", slice(1, None, 2))):
        path = root / BETAS.format("subj02", "func1pt8mm") / f"ncsnr{suffix}.nii.gz"
        written = np.asarray(nibabel.load(path).dataobj).ravel()[truth.places]
        v = np.sqrt(variance.iloc[rows].mean(axis=0).to_numpy())
        expected = np.sqrt(np.maximum(0, 1 - v**2)) / v
        assert np.abs(written - expected)[complete].max() < 1e-4
        if not suffix:
            assert np.corrcoef(written[complete], truth.ncsnr[complete])[0, 1] > 0.9
            assert written[complete].mean() == pytest.approx(truth.ncsnr[complete].mean(), rel=0.05)
    ceiling = 100 * truth.ncsnr**2 / (truth.ncsnr**2 + 1 / 3)
    assert 25 < np.median(ceiling) < 38
    assert np.median(ceiling[np.isin(truth.regions, ["ATL", "IFG"])]) < 12


def test_averaging_three_trials_shrinks_the_noise_variance_by_three(root):
    truth = load_truth(root / "truth/subj02.npz")
    z, ordering = standardised(root)
    ids = design(SEED).trials(2, 2)
    images, rows = np.unique(ids, return_inverse=True)
    planted = signal(truth, [scene(int(i), SEED) for i in images])[rows]
    assert np.allclose(planted.var(0), truth.signal_variance, rtol=1e-3)
    assert np.abs(planted.mean(0) / planted.std(0)).max() < 1e-4
    complete = np.isfinite(z).all(0)
    z, planted = z[:, complete], (planted / planted.std(0, ddof=1))[:, complete]
    noise = z - planted * (z * planted).mean(0)
    trials = np.argsort(ordering, kind="stable")
    trials = trials[np.bincount(ordering)[ordering[trials]] == 3].reshape(-1, 3)
    single, averaged = noise[trials.ravel()].var(0), noise[trials].mean(1).var(0)
    assert single.mean() / averaged.mean() == pytest.approx(3, rel=0.03)
    snr = planted[trials].mean(1).var(0).mean()
    assert snr == pytest.approx(1, abs=0.1)


def test_the_check_finds_no_fault(root):
    assert nsd.check(root, deep=True).faults == []


@pytest.mark.parametrize("space", ["func1pt8mm", "fsaverage"])
def test_the_reader_gives_what_was_planted(root, space):
    subject = nsd.load_subject(root, "subj02", space=space)
    assert (subject.is_test == np.isin(subject.image_ids, nsd.shared_ids(root))).all()
    assert all(mask.any() for mask in subject.rois.values())
    if space == "func1pt8mm":
        truth = load_truth(root / "truth/subj02.npz")
        assert (subject.units == truth.places).all()
        planted = signal(truth, [scene(int(i), SEED) for i in subject.image_ids])
        z = (planted - planted.mean(0)) / planted.std(0, ddof=1)
        r = np.nanmean(z * subject.betas, axis=0) / np.nanstd(subject.betas, axis=0)
        explained = truth.ncsnr**2 / (truth.ncsnr**2 + np.mean(1 / subject.repeats))
        assert np.abs(r**2 - explained).mean() < 0.04


def with_thing(scene, name, x=0.5, y=0.6, size=0.3):
    return replace(scene, objects=(*scene.objects, Placed(name, x, y, size, False)))


def test_regions_answer_to_what_was_planted_in_them(root):
    truth = load_truth(root / "truth/subj02.npz")
    scenes = [scene(i, SEED) for i in range(40)]
    sd = np.sqrt(truth.signal_variance)

    def change(name, region):
        after, before = ([with_thing(s, name) for s in scenes], scenes)
        return ((signal(truth, after) - signal(truth, before)).mean(0) / sd)[truth.regions == region].mean()

    for name, region in (
        ("walker", "FFA"),
        ("walker", "EBA"),
        ("dog", "FBA"),
        ("house", "PPA"),
        ("stop sign", "VWFA"),
    ):
        assert change(name, region) > 0.5, (name, region)
    assert change("pizza", "food") > 0.5
    for name, region in (("pizza", "FFA"), ("walker", "VWFA"), ("stop sign", "FFA"), ("dog", "VWFA")):
        assert abs(change(name, region)) < 0.25, (name, region)


def test_visual_areas_see_the_opposite_half_of_the_picture(root):
    truth = load_truth(root / "truth/subj02.npz")
    scenes = [scene(i, SEED) for i in range(40)]
    v1 = truth.regions == "V1"
    left = v1 & (truth.vertices < 10242)
    right = v1 & ~left
    assert np.all(np.cos(np.radians(truth.angle[left])) >= -1e-6)
    for x, near, far in ((0.15, right, left), (0.85, left, right)):
        moved = signal(truth, [with_thing(s, "car", x) for s in scenes]) - signal(truth, scenes)
        power = (moved**2).mean(0) / truth.signal_variance
        assert power[near].mean() > 3 * power[far].mean()


def test_pictures_lie_at_their_ids_and_nothing_else_takes_space(root):
    ids = design(SEED).trials(2, 2)
    path = root / "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"
    with h5py.File(path) as file:
        data = file["imgBrick"]
        assert (data.shape, data.dtype, data.chunks) == ((73000, 425, 425, 3), np.uint8, (1, 425, 425, 3))
        for i in (ids[0], ids.max()):
            assert (data[i] == render(scene(int(i), SEED))).all()
        unseen = np.setdiff1d(np.arange(73000), ids)
        assert not data[unseen[0]].any()
    assert path.stat().st_size < 500e6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"subjects": (0,)}, "from 1 to 8"),
        ({"subjects": ()}, "from 1 to 8"),
        ({"sessions": 41}, "1 to 40"),
        ({"space": "MNI"}, "func1pt8mm or fsaverage"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_written(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        write_root(tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()


def test_a_directory_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(ValueError, match="not an empty directory"):
        write_root(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


# ---- the atlas


def centre(collection, label, side):
    """Distance from the midline, y and z of a region's middle, in mm."""
    half = slice(0, 10242) if side == "lh" else slice(10242, None)
    inside = atlas()[collection][half] == TABLES[collection].index(label) + 1
    x, y, z = hemisphere(side).depth(0.5)[inside].mean(0)
    return abs(x), y, z


@pytest.mark.parametrize("side", ["lh", "rh"])
@pytest.mark.parametrize(
    ("collection", "label", "low", "high"),
    [
        ("prf-visualrois", "V1v", (0, -105, -15), (20, -75, 8)),
        ("floc-faces", "FFA-2", (34, -58, -28), (46, -35, -12)),
        ("floc-places", "PPA", (18, -55, -18), (33, -35, -2)),
        ("floc-places", "RSC", (5, -65, 0), (22, -45, 22)),
        ("floc-places", "OPA", (25, -92, 12), (45, -70, 32)),
        ("floc-bodies", "EBA", (38, -85, -8), (56, -58, 14)),
        ("HCP_MMP1", "TGd", (25, 0, -45), (48, 25, -20)),
        ("HCP_MMP1", "45", (38, 15, -5), (58, 40, 22)),
    ],
)
def test_regions_lie_where_anatomy_has_them(side, collection, label, low, high):
    middle = centre(collection, label, side)
    assert (np.less(low, middle) & np.less(middle, high)).all(), middle


def test_distances_along_the_surface_are_no_shorter_than_straight_ones():
    half = hemisphere("lh").depth(0.5)
    straight = np.linalg.norm(half - half[100], axis=1)
    along = geodesic("lh", [100])
    near = straight < 6
    assert (along >= straight - 1e-6).all()
    assert np.median(along[near] / np.maximum(straight[near], 1e-9)) < 1.5
