"""Each kind of damage to a root gives one plain line about the right file, and never an exception."""

import gzip
import json
import os
import re
import shutil
import tempfile
from pathlib import Path

import h5py
import nibabel as nib
import nsd_fixture
import numpy as np
import pandas as pd
import pytest
from scipy.io import loadmat

from brainalign import nsd, tables
from brainalign.nsd import design, pictures

V = nsd_fixture.VERSION
VOLUME = f"nsddata_betas/ppdata/subj01/func1pt8mm/{V}"
SURFACE = f"nsddata_betas/ppdata/subj02/fsaverage/{V}"
FUNC = "nsddata/ppdata/subj01/func1pt8mm"
MOVES = "nsddata/ppdata/subj01/transforms"
LABEL = "nsddata/freesurfer/subj02/label"
AVERAGE = "nsddata/freesurfer/fsaverage/label"
DESIGN = "nsddata/experiments/nsd/nsd_expdesign.mat"
TABLE = "nsddata/experiments/nsd/nsd_stim_info_merged.csv"
ANSWERS = "nsddata/ppdata/subj01/behav/responses.tsv"
STIMULI = "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("check") / "root"
    nsd_fixture.write(root)
    return root


@pytest.fixture
def root(made, tmp_path):
    """A copy whose files are links: they are replaced, never changed in place."""
    return shutil.copytree(made, tmp_path / "root", copy_function=os.link)


def replace(path, data):
    path.unlink()
    path.write_bytes(data)


def image(change):
    """Damage that writes an image again after `change(values)`; a type other than the file's is kept."""

    def damage(path):
        old = nib.load(path)
        values = change(np.asarray(old.dataobj).copy())
        path.unlink()
        new = type(old)(values, old.affine)
        new.set_data_dtype(values.dtype.newbyteorder("="))
        new.to_filename(path)

    return damage


def at(index, value):
    """The same array with one value changed."""

    def change(values):
        values[index] = value
        return values

    return change


def hdf5(name, change):
    def damage(path):
        with h5py.File(path) as file:
            values = change(file[name][:])
        path.unlink()
        with h5py.File(path, "w") as file:
            file.create_dataset(name, data=values)

    return damage


def csv(separator, change):
    def damage(path):
        table = pd.read_csv(path, sep=separator)
        table = change(table)
        path.unlink()
        table.to_csv(path, sep=separator, index=False)

    return damage


def cell(row, column, value):
    def change(table):
        table[column] = table[column].astype(object)
        table.loc[row, column] = value
        return table

    return change


def text(change):
    return lambda path: replace(path, change(path.read_text()).encode())


def swap(other):
    """Exchanges a file with another of the root (a path from the root)."""

    def damage(path):
        partner = next(parent for parent in path.parents if (parent / "SIMULATED.json").exists()) / other
        aside = path.with_name("aside")
        path.rename(aside), partner.rename(path), aside.rename(partner)

    damage.partner = other
    return damage


def smaller_brick(path):
    path.unlink()
    with h5py.File(path, "w") as file:
        file.create_dataset("imgBrick", (500, 425, 425, 3), np.uint8, chunks=(1, 425, 425, 3))


def black_pictures(path):
    path.unlink()
    with h5py.File(path, "w") as file:
        file.create_dataset("imgBrick", (73_000, 425, 425, 3), np.uint8, chunks=(1, 425, 425, 3))


def halve(path):
    replace(path, path.read_bytes()[: path.stat().st_size // 2])


def vanish(path):
    path.unlink()


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    replace(path, bytes(data))


SECOND = VOLUME.replace("subj01", "subj02")
ROI = f"{FUNC}/roi"
LAYER, NEAREST = f"{MOVES}/lh.func1pt8-to-layerB2.mgz", f"{MOVES}/rh.white-to-fsaverage.mgz"
HDF5, NII, MGH = (
    f"{VOLUME}/betas_session02.hdf5",
    f"{SECOND}/betas_session01.nii.gz",
    f"{SURFACE}/lh.betas_session01.mgh",
)

# kind: (file, damage, what the fault's `found` must say); those of the design are tested without the other files
DESIGNS = {
    "no field": (lambda f: f.pop("sharedix"), "no field sharedix"),
    "another shape": (lambda f: f.update(subjectim=f["subjectim"][:4]), r"subjectim \(4"),
    "an id out of range": (lambda f: f["subjectim"].__setitem__((0, 5000), 73_001), "out of range, such as 73001"),
    "counted from 0": (lambda f: f["masterordering"].__setitem__((0, 0), 0), "masterordering out of range, such as 0"),
    "four repeats": (lambda f: f["masterordering"].__setitem__((0, slice(0, 4)), 7), "shows a picture"),
    "other shared pictures": (lambda f: f["sharedix"].__setitem__((0, 0), 1), "subject 1 are not those of sharedix"),
    "a picture twice": (
        lambda f: f["subjectim"].__setitem__((2, 5000), f["subjectim"][2, 5001]),
        "twice for subject 3",
    ),
    "749 trials": (lambda f: f["stimpattern"].__setitem__((3, 0, 0), 0), "749 trials in session 4"),
    "text": (lambda f: f.update(sharedix=np.array(["a"])), "sharedix"),
}
# those that others would hide are tested alone
ALONE = {
    "design": (DESIGN, halve, "cannot be read"),
    "manifest": ("SIMULATED.json", halve, "cannot be read as JSON"),
    "manifest without vertices": ("SIMULATED.json", text(lambda t: t.replace("642", '"many"')), "fsaverage_vertices"),
    "mask of 2": (f"{FUNC}/brainmask.nii.gz", image(at((5, 5, 5), 2)), "from 0 to 2"),
    "mask is a folder": (f"{FUNC}/brainmask.nii.gz", lambda p: (vanish(p), p.mkdir()), "it is a folder"),
    "responses of subject 2": (ANSWERS, swap(ANSWERS.replace("subj01", "subj02")), "1500 rows"),
    "HDF5 of subject 2": (HDF5, swap(HDF5.replace("subj01", "subj02")), "750, 11"),
    "ncsnr of other betas": (f"{VOLUME}/ncsnr.nii.gz", image(lambda v: v[:, ::-1]), "from the betas follows"),
    "ncsnr sides exchanged": (f"{SURFACE}/lh.ncsnr.mgh", swap(f"{SURFACE}/rh.ncsnr.mgh"), "from the betas follows"),
}
FAULTS = {
    # the pictures and the responses
    "header": (TABLE, text(lambda t: t.replace("subject3_rep1", "subject3_repb", 1)), "amiss: subject3_rep1"),
    "cut short": (TABLE, csv(",", lambda t: t[:72_000]), "72000 rows"),
    "repeats": (TABLE, csv(",", lambda t: t.assign(subject5_rep2=t.subject5_rep1)), "subject5_rep2 differs"),
    "subjects": (TABLE, csv(",", lambda t: t.assign(subject2=1)), "subject2 marks other pictures"),
    "shared": (TABLE, csv(",", lambda t: t.assign(shared1000=False)), "shared1000 marks other"),
    "another id": (ANSWERS, csv("\t", cell(11, "73KID", 5)), "73KID differs from the design in 1 rows; row 12"),
    "fewer rows": (ANSWERS, csv("\t", lambda t: t[:1000]), "1000 rows"),
    "a column less": (ANSWERS, csv("\t", lambda t: t.drop(columns="RT")), "amiss: RT"),
    "no pictures": (STIMULI, vanish, "missing"),
    "too few": (STIMULI, smaller_brick, "500 pictures"),
    "black": (STIMULI, black_pictures, "32 of 32 pictures looked at are empty"),
    "half the pictures": (STIMULI, halve, "cannot be read"),
    # the ROIs and their tables
    "valid shape": (f"{FUNC}/valid_session02.nii.gz", image(lambda v: v[:-1]), r"shape \(11, 15, 10\)"),
    "valid above 1": (f"{FUNC}/valid_session02.nii.gz", image(at((5, 5, 5), 3)), "from 0 to 3"),
    "no valid": (f"{FUNC}/valid_session01.nii.gz", vanish, "missing"),
    "above the table": (f"{ROI}/floc-faces.nii.gz", image(at((5, 5, 5), 6)), "1 values outside .* such as 6"),
    "-2": (f"{ROI}/lh.streams.nii.gz", image(at((5, 5, 5), -2)), "such as -2"),
    "1.5": (f"{ROI}/streams.nii.gz", image(at((5, 5, 5), 1.5)), "such as 1.5"),
    "NaN": (f"{ROI}/streams.nii.gz", image(at((5, 5, 5), np.nan)), "such as nan"),
    "flipped bit": (f"{ROI}/streams.nii.gz", flip, "cannot be read"),
    "no ROI": (f"{ROI}/floc-places.nii.gz", vanish, "missing"),
    "no left side": (f"{ROI}/lh.floc-places.nii.gz", vanish, "missing"),
    "subject 2": (f"{ROI}/HCP_MMP1.nii.gz", swap(f"{ROI}/HCP_MMP1.nii.gz".replace("01", "02")), r"\(13, 14, 11\)"),
    "sides": (f"{ROI}/lh.nsdgeneral.nii.gz", swap(f"{ROI}/rh.nsdgeneral.nii.gz"), "lie to the right"),
    "collections": (f"{ROI}/prf-visualrois.nii.gz", swap(f"{ROI}/streams.nii.gz"), "% of its labels are"),
    "no such label": (f"{AVERAGE}/HCP_MMP1.mgz.ctab", text(lambda t: t.replace(" LO2", " l2")), "no label LO2"),
    "a gap": (f"{AVERAGE}/HCP_MMP1.mgz.ctab", text(lambda t: t.replace("3 area", "333 area")), "its integers are"),
    "surface -1": (f"{LABEL}/lh.floc-words.mgz", image(at((5, 0, 0), -1)), "such as -1"),
    "other side": (f"{LABEL}/lh.floc-words.mgz", swap(f"{LABEL}/rh.floc-words.mgz"), "655 vertices"),
    "600": (f"{AVERAGE}/rh.streams.mgz", image(lambda v: v[:600]), "600 vertices"),
    # transforms
    "not finite": (LAYER, image(at((50, 0, 0), np.nan)), "1 vertices with coordinates that are not finite"),
    "two coordinates": (LAYER, image(lambda v: v[..., :2]), "2 values a vertex"),
    "millimetres": (LAYER, image(lambda v: v * 9 - 60), "lie inside the volume"),
    "layer sides": (LAYER, swap(f"{MOVES}/rh.func1pt8-to-layerB2.mgz"), "lie to the right"),
    "from 0": (NEAREST, image(at((5, 0, 0), 0)), "no vertex numbers"),
    "too high": (NEAREST, image(at((5, 0, 0), 691)), "up to 691"),
    "too short": (NEAREST, image(lambda v: v[:600]), "600 vertices"),
    "a pipe": (NEAREST, lambda p: (vanish(p), os.mkfifo(p)), "it is not a file"),
    "no transform": (NEAREST, vanish, "missing"),
    # betas and ncsnr
    "floats": (HDF5, hdf5("betas", lambda v: v / np.float32(300)), "float32"),
    "axes": (HDF5, hdf5("betas", lambda v: v.transpose(0, 3, 2, 1)), r"\(750, 12"),
    "700 trials": (HDF5, hdf5("betas", lambda v: v[:700]), r"\(700, 10"),
    "divided": (HDF5, hdf5("betas", lambda v: v // 300), "divided by 300 already"),
    "zeros": (HDF5, hdf5("betas", lambda v: v * 0), "nsdgeneral are 0"),
    "outside": (HDF5, hdf5("betas", lambda v: v + 7), "outside the brain mask"),
    "another name": (HDF5, lambda p: (vanish(p), h5py.File(p, "w").close()), "betas"),
    "web page": (HDF5, lambda p: replace(p, b"<html>404</html>" * 99), "cannot be read"),
    "half of HDF5": (HDF5, halve, "truncated file"),
    "NIfTI of floats": (NII, image(lambda v: v / np.float32(300)), "float32"),
    "NIfTI of 700 trials": (NII, image(lambda v: v[..., :700]), "700"),
    "NIfTI divided": (NII, image(lambda v: v // 300), "divided by 300 already"),
    "one other value": (NII, image(at((2, 2, 2, 30), 99)), "first in trial 31"),
    "another session": (NII, swap(f"{SECOND}/betas_session02.nii.gz"), "differ from betas_session01.hdf5"),
    "empty": (NII, lambda p: replace(p, b""), "the file is empty"),
    "half of NIfTI": (NII, halve, "cannot be read"),
    "times 300": (MGH, image(lambda v: v * 300), "300 times"),
    "a broken float": (f"{SURFACE}/rh.betas_session02.mgh", image(at((50, 0, 0, 9), 1e12)), r"up to 1e\+12"),
    "integers": (MGH, image(lambda v: np.nan_to_num(v).astype(np.int16)), "int16"),
    "fewer vertices": (MGH, image(lambda v: v[:600]), r"\(600, 1, 1, 750\)"),
    "all NaN": (MGH, image(lambda v: v * np.nan), "0% of the values finite"),
    "one side": (MGH, vanish, "its twin is there"),
    "half of mgh": (MGH, halve, "more than the file holds"),
    "below 0": (f"{VOLUME}/ncsnr.nii.gz", image(at((5, 5, 5), -0.5)), "from -0.5"),
    "no floats": (f"{VOLUME}/ncsnr.nii.gz", image(lambda v: np.nan_to_num(v).astype(np.int16)), "int16"),
    "no numbers": (f"{VOLUME}/ncsnr.nii.gz", image(lambda v: v * np.nan), "nan to nan"),
    "ncsnr shape": (f"{VOLUME}/ncsnr.nii.gz", image(lambda v: v[:-1]), r"shape \(11, 15, 10\)"),
    "no ncsnr": (f"{VOLUME}/ncsnr.nii.gz", vanish, "missing"),
}


def rounds():
    """The faults in as few roots as can be: each file is damaged at most once in a round."""
    found = []
    for kind, (name, damage, _) in FAULTS.items():
        files = {name, getattr(damage, "partner", name)}
        free = [r for r in found if not files & r["files"]] or [{"files": set(), "kinds": []}]
        if free[0] not in found:
            found.append(free[0])
        free[0]["files"] |= files
        free[0]["kinds"].append(kind)
    return [tuple(r["kinds"]) for r in found]


def hold_against(report, root, faults):
    """Each damaged file has one fault that says what was done to it, and no other file has any."""
    touched = {str(root / f) for name, damage, _ in faults for f in (name, getattr(damage, "partner", name))}
    for name, _, found in faults:
        ours = [fault for fault in report.faults if fault.file == str(root / name)]
        assert len(ours) == 1, f"{name}, {found}: {report}"
        assert re.search(found, ours[0].found), ours[0]
    assert {fault.file for fault in report.faults} <= touched, str(report)
    assert all(f.found and f.expected and f.todo and "\n" not in f.found for f in report.faults)


@pytest.mark.parametrize("kinds", rounds(), ids=lambda kinds: f"{len(kinds)} from {kinds[0]}")
def test_each_kind_of_damage_is_one_line_about_its_file(root, kinds):
    faults = [FAULTS[kind] for kind in kinds]
    for name, damage, _ in faults:
        damage(root / name)
    hold_against(nsd.check(root), root, faults)


@pytest.mark.parametrize("kind", ALONE)
def test_damage_that_hides_other_damage(root, kind):
    name, damage, _ = ALONE[kind]
    damage(root / name)
    hold_against(nsd.check(root), root, [ALONE[kind]])


@pytest.mark.parametrize("kind", DESIGNS)
def test_each_rule_of_the_design(made, kind):
    change, found = DESIGNS[kind]
    raw = design.fields(made / DESIGN)
    assert design.problems(raw) == []
    change(raw)
    assert any(re.search(found, text) for text, _ in design.problems(raw))


def test_a_sound_root_has_no_fault_and_says_what_is_there(made):
    report = nsd.check(made)
    assert report.faults == []
    first, second = report.subjects
    assert (first["name"], first["sessions"], first["spaces"]) == ("subj01", [1, 2, 3], ["func1pt8mm", "fsaverage"])
    assert second["sessions"] == [1, 2]
    subject = nsd.load_subject(made, "subj01")
    assert first["images"] == len(subject.image_ids)
    assert first["shared"] == subject.is_test.sum()
    often = subject.repeats[subject.is_test]
    assert first["showings"] == [(often >= n).sum() for n in (1, 2, 3)]
    plan = loadmat(made / DESIGN)
    id = int(plan["subjectim"][0, plan["masterordering"][0, 0].astype(int) - 1]) - 1
    assert first["first"] == {"id": id, "73KID": id + 1, "COCO": id * 7}  # as the fixture's table has it
    both = nsd.load_subject(made, "subj02")
    least = [min(dict(zip(s.image_ids, s.repeats)).get(i, 0) for s in (subject, both)) for i in nsd.shared_ids(made)]
    assert report.common == [sum(n >= k for n in least) for k in (1, 2, 3)]
    assert f"  shared pictures: {often.size} seen, {(often >= 2).sum()} at least twice, " in str(report)
    assert f"  first trial: picture {id} (counted from 0; 73KID {id + 1}, COCO {id * 7})" in str(report)
    assert f"shared pictures of all 2 subjects: {report.common[0]} seen, " in str(report)
    assert 0 < report.common[0] < 60
    assert first["rois"] == {name: mask.sum() for name, mask in subject.rois.items()}
    assert any("FBA-2" in text for text in report.warnings)
    assert any("3 of 40 sessions" in text for text in report.warnings)
    again = json.loads(json.dumps(report.to_dict()))
    assert again["simulated"] is True
    assert again["faults"] == []
    assert "no fault" in str(report)


def test_a_root_of_surfaces_alone_counts_the_vertices_of_atlases_too(root):
    for folder in (FUNC, VOLUME):
        for s in ("subj01", "subj02"):
            shutil.rmtree(root / folder.replace("subj01", s), ignore_errors=True)
    report = nsd.check(root)
    assert {fault.expected for fault in report.faults} <= {"a file for each session"}
    subject = nsd.load_subject(root, "subj02", "fsaverage")
    atlases = [name for name, roi in tables.rois().items() if "-" not in roi.collection]
    counts = report.subjects[1]["rois"]
    assert len(atlases) > 10
    assert {name: counts[name] for name in atlases} == {name: subject.rois[name].sum() for name in atlases}


def test_texts_saved_again_by_a_spreadsheet_are_no_faults(root):
    """With semicolons, Excel's note of them, tabs, other line ends, empty columns and byte-order marks."""
    table = pd.read_csv(root / TABLE)
    table[""] = np.nan
    saved = ("sep=;\n" + table.to_csv(sep=";", index=False)).replace("\n", "\r\n")
    replace(root / TABLE, saved.encode("utf-8-sig"))
    replace(root / ANSWERS, (root / ANSWERS).read_text().replace("\n", "\r\n").encode("utf-16"))
    for path in root.glob("**/*.ctab"):
        replace(path, path.read_text().replace("\n", "\r\n").encode("utf-8-sig"))
    assert nsd.check(root).faults == []


def test_how_many_shared_pictures_apply_follows_from_the_sessions():
    """NSD's counts: 907 shared pictures after 30 sessions, 766 at least twice, 515 three times; all 1000 after 40."""
    rng = np.random.default_rng(5)
    shared = np.repeat([3, 2, 1, 0], [515, 251, 141, 93])
    early = np.repeat(np.arange(1000), shared)
    own = np.repeat(np.arange(1000, 10_000), 3)
    own = rng.permutation(own)
    first = np.r_[early, own[: 22_500 - len(early)]]
    rest = np.r_[np.repeat(np.arange(1000), 3 - shared), own[22_500 - len(early) :]]
    order = np.r_[rng.permutation(first), rng.permutation(rest)]
    images = np.arange(80_000).reshape(8, 10_000) % 73_000
    plan = design.Design(order, images, images[0, :1000], np.zeros((40, 12), int))
    counts = {"subj04": range(1, 31), "subj01": range(1, 41)}
    coco = np.where(np.arange(73_000) % 2, 0, np.arange(73_000) + 300_000)
    found = {name: pictures.summary(plan, name, list(numbers), coco) for name, numbers in counts.items()}
    assert found["subj04"]["showings"] == [907, 766, 515]
    assert found["subj01"]["showings"] == [1000, 1000, 1000]
    assert (found["subj01"]["images"], found["subj01"]["shared"]) == (10_000, 1000)
    assert pictures.common(plan, counts) == [907, 766, 515]
    assert pictures.common(plan, {"subj04": counts["subj04"]}) == []
    some = pictures.summary(plan, "subj04", [2, 5], coco)
    trials = np.r_[order[750:1500], order[3000:3750]]
    assert some["images"] == len(np.unique(trials))
    assert some["showings"] == [(np.bincount(trials, minlength=10_000)[:1000] >= n).sum() for n in (1, 2, 3)]
    id = int(images[3, order[750]])
    assert some["first"] == {"id": id, "73KID": id + 1, "COCO": None if id % 2 else id + 300_000}
    assert pictures.summary(None, "subj04", [1], coco) == {
        "images": 0,
        "shared": 0,
        "showings": [0] * 3,
        "first": None,
    }


def test_a_session_missing_in_the_middle_is_a_fault_of_both_spaces(root):
    for path in root.glob("nsddata_betas/ppdata/subj01/*/*/*session02*"):
        path.unlink()
    report = nsd.check(root)
    assert [Path(fault.file).name for fault in report.faults] == ["betas_session02", "betas_session02"]
    assert "session 02 is missing, session 03 is there" in report.faults[0].found


def test_numbers_of_sessions_that_the_design_does_not_have(root):
    for suffix in ("hdf5", "nii.gz"):
        (root / VOLUME / f"betas_session03.{suffix}").rename(root / VOLUME / f"betas_session41.{suffix}")
    assert any("session 03" in fault.found for fault in nsd.check(root).faults)


def test_legal_oddities_are_warnings(root):
    shutil.rmtree(root / "nsddata_betas/ppdata/subj02")
    replace(root / "SIMULATED.json", b'{"simulated": true, "fsaverage_vertices": 642}')
    report = nsd.check(root)
    assert report.faults == []
    assert any("subj02: no betas" in text for text in report.warnings)


def test_files_that_no_analysis_reads_may_be_left_out_of_a_real_root(root):
    (root / TABLE).unlink()
    (root / ANSWERS).unlink()
    shutil.rmtree(root / "nsddata_betas/ppdata/subj02/func1pt8mm")
    shutil.rmtree(root / "nsddata_betas/ppdata/subj02/fsaverage")
    left_out = {str(root / TABLE), str(root / ANSWERS)}
    assert {fault.file for fault in nsd.check(root).faults} >= left_out  # a simulated root is written whole
    (root / "SIMULATED.json").unlink()
    report = nsd.check(root)
    assert not left_out & {fault.file for fault in report.faults}
    assert all(any(text.startswith(f"{file} is missing") for text in report.warnings) for file in left_out)
    assert "subj02: no betas, so it cannot be loaded" in report.warnings


def test_one_of_two_formats_missing_is_a_fault_only_of_a_simulated_root(root):
    path = root / VOLUME / "betas_session01.hdf5"
    path.unlink()
    assert [fault.file for fault in nsd.check(root).faults] == [str(path)]
    (root / "SIMULATED.json").unlink()
    report = nsd.check(root)
    assert any(text.startswith(str(path)) for text in report.warnings)
    assert report.simulated is False
    assert {fault.expected for fault in report.faults if "white-to-fsaverage" in fault.file} == {
        "163842, one for each of fsaverage"
    }


def test_an_image_that_nothing_else_reads(root):
    path = root / VOLUME / "R2_session01.nii.gz"
    nib.Nifti1Image(np.random.default_rng(0).random((12, 15, 10)), np.eye(4)).to_filename(path)
    assert nsd.check(root).faults == []
    halve(path)
    assert [fault.file for fault in nsd.check(root).faults] == [str(path)]
    nib.Nifti1Image(np.zeros((9, 9, 9)), np.eye(4)).to_filename(path)
    assert "(9, 9, 9)" in nsd.check(root).faults[0].found


MASK = nib.Nifti1Image(np.ones((5, 5, 5), np.uint8), np.eye(4))


def test_files_that_are_not_nsds_are_no_faults(root):
    """Masks of one's own, what macOS and Windows leave beside files, and collections without their tables."""
    for folder in (f"{FUNC}/roi", FUNC, VOLUME, MOVES, LABEL, "nsddata_betas/ppdata/subj02/fsaverage"):
        for name in ("._brainmask.nii.gz", "._betas_session01.hdf5", "._lh.floc-faces.mgz", "Thumbs.db", ".DS_Store"):
            (root / folder / name).write_bytes(b"Mac OS X")
        MASK.to_filename(root / folder / "my_mask.nii.gz")
        MASK.to_filename(root / folder / "lh.my-mask.nii.gz")
        for name in ("valid_voxels", "floc_mask", "prf_mask"):
            MASK.to_filename(root / folder / f"{name}.nii.gz")
    brain = nib.load(root / FUNC / "brainmask.nii.gz")
    for name in ("MTL", "lh.MTL", "rh.MTL", "thalamus"):
        nib.Nifti1Image(np.asarray(brain.dataobj) * 7, brain.affine).to_filename(root / f"{FUNC}/roi/{name}.nii.gz")
    report = nsd.check(root)
    assert report.faults == []
    told = [text for text in report.warnings if "not NSD's collections" in text]
    names = "floc_mask, my-mask, my_mask, prf_mask, valid_voxels"
    assert told == [f"subj01: not NSD's collections in roi/, which were not looked at: {names}"]


def test_a_collection_with_its_table_is_held_against_it(root):
    table = root / "nsddata/templates/MTL.ctab"
    table.parent.mkdir()
    table.write_text("0 Unknown\n1 ERC\n2 CA1\n")
    brain = nib.load(root / FUNC / "brainmask.nii.gz")
    path = root / f"{FUNC}/roi/MTL.nii.gz"
    for value, faults in ((2, []), (3, [str(path)])):
        nib.Nifti1Image(np.asarray(brain.dataobj) * value, brain.affine).to_filename(path)
        assert [fault.file for fault in nsd.check(root).faults] == faults


def test_label_tables_that_were_not_downloaded_give_way_to_nsds_own_names(root):
    """Names, counts and masks are the same without any of the tables."""
    sound, before = nsd.check(root), nsd.load_subject(root, "subj02")
    for path in root.rglob("*.ctab"):
        path.unlink()
    report, after = nsd.check(root), nsd.load_subject(root, "subj02")
    assert report.faults == []
    assert any("label tables missing" in text for text in report.warnings)
    of = {name: n for name, n in report.subjects[1]["rois"].items() if n}
    assert of == {name: n for name, n in sound.subjects[1]["rois"].items() if n and name in of}
    assert {"V1", "FFA", "PPA", "EBA", "VWFA", "early stream", "LOC", "IFG"} <= set(of)
    for name in of:
        np.testing.assert_array_equal(after.rois[name], before.rois[name])


def test_surface_betas_beyond_the_volumes_range_are_no_fault(root):
    """Cubic interpolation of values clamped at 109.2 percent overshoots them."""
    quiet = (9, 0, 0, 3)  # not among the vertices whose ncsnr is worked out again
    image(at(quiet, 165.0))(root / MGH)
    image(at(quiet, -190.0))(root / MGH.replace("lh.", "rh."))
    assert nsd.check(root).faults == []


@pytest.mark.parametrize("space", ["func1mm", "MNI", "nativesurface"])
def test_a_root_of_a_space_that_is_not_supported_says_which_are(made, tmp_path, space):
    root = tmp_path / "root"
    for part in ("nsddata/experiments", "nsddata_stimuli"):
        shutil.copytree(made / part, root / part, copy_function=os.link)
    folder = root / "nsddata_betas/ppdata/subj01" / space / V
    folder.mkdir(parents=True)
    (folder / "lh.betas_session01.hdf5").write_bytes(b"not looked at")
    faults = nsd.check(root).faults
    assert [fault.file for fault in faults] == [str(folder.parent.parent)]
    assert f"betas of {space} only, which is not supported" in faults[0].found
    assert faults[0].expected == "func1pt8mm or fsaverage"
    assert "func1pt8mm" in faults[0].todo
    assert "again" not in faults[0].todo
    with pytest.raises(ValueError, match=f"NSD's space {space} is not supported; try func1pt8mm or fsaverage"):
        nsd.load_subject(root, "subj01", space)
    with pytest.raises(FileNotFoundError, match=f"its {space} cannot be read"):
        nsd.load_subject(root, "subj01")


def test_a_space_that_is_not_supported_beside_one_that_is_gives_a_warning(root):
    folder = root / "nsddata_betas/ppdata/subj01/func1mm" / V
    folder.mkdir(parents=True)
    (folder / "betas_session01.hdf5").write_bytes(b"not looked at")
    report = nsd.check(root)
    assert report.faults == []
    assert "subj01: betas of func1mm cannot be read; func1pt8mm and fsaverage can" in report.warnings


def test_a_cut_large_gzip_file_is_found_without_unpacking_it(tmp_path, monkeypatch):
    from brainalign.nsd import check_files

    path = tmp_path / "large.nii.gz"
    noise = np.random.default_rng(0).integers(0, 99, (99, 99, 99)).astype(np.int16)
    nib.Nifti1Image(noise, np.eye(4)).to_filename(path)
    monkeypatch.setattr(check_files, "BRIEF", 1000)
    with monkeypatch.context() as patch:
        patch.setattr(gzip, "GzipFile", None)  # unpacking would fail
        assert check_files.intact(path) == (99, 99, 99)
    halve(path)
    with pytest.raises(ValueError, match=r"large\.nii\.gz cannot be read"):
        check_files.intact(path)


@pytest.mark.parametrize("what", ["nothing", "file", "empty folder"])
def test_a_root_that_is_none(tmp_path, what):
    root = tmp_path / "root"
    if what == "file":
        root.write_text("x")
    if what == "empty folder":
        root.mkdir()
    report = nsd.check(root)
    assert report.faults
    assert report.subjects == []
    assert all(fault.todo for fault in report.faults)


def test_random_bytes_everywhere_are_faults_everywhere(root):
    rng = np.random.default_rng(0)
    for path in sorted(root.rglob("*.*")):
        if path.is_file() and path.name != "SIMULATED.json":
            replace(path, rng.bytes(3000))
    report = nsd.check(root)
    files = {Path(fault.file).name for fault in report.faults}
    assert {"nsd_expdesign.mat", "nsd_stim_info_merged.csv", "nsd_stimuli.hdf5", "responses.tsv"} <= files
    assert {"brainmask.nii.gz", "lh.white-to-fsaverage.mgz", "lh.betas_session01.mgh", "streams.mgz.ctab"} <= files


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up and take back its rights")
def test_a_file_that_may_not_be_read(made):
    nsd.check(made)  # everything is imported before the rights are given up
    with tempfile.TemporaryDirectory() as folder:
        root = shutil.copytree(made, Path(folder) / "root")
        os.chmod(folder, 0o755)
        (root / VOLUME / "betas_session01.hdf5").chmod(0)
        (root / MOVES).chmod(0)
        os.seteuid(65534)
        try:
            report = nsd.check(root)
        finally:
            os.seteuid(0)
    faults = {fault.file: fault.found for fault in report.faults}
    assert "permission denied" in faults[str(root / VOLUME / "betas_session01.hdf5")]
    assert any(str(root / MOVES) in file for file in faults)
