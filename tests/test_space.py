"""Volumes in any orientation give the same voxels, and those that lie elsewhere are refused with both affines."""

import os
import shutil

import nibabel as nib
import nsd_fixture
import numpy as np
import pytest

from brainalign import nsd
from brainalign.nsd import read
from brainalign.nsd.layout import Layout

BETAS = f"nsddata_betas/ppdata/subj02/func1pt8mm/{nsd_fixture.VERSION}"
FUNC = "nsddata/ppdata/subj02/func1pt8mm"
MASK, NCSNR = f"{FUNC}/brainmask.nii.gz", f"{BETAS}/ncsnr.nii.gz"
ROI, VALID = f"{FUNC}/roi/prf-visualrois.nii.gz", f"{FUNC}/valid_session02.nii.gz"
NII = f"{BETAS}/betas_session01.nii.gz"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One subject, with NIfTI betas only: those have an affine."""
    root = tmp_path_factory.mktemp("space") / "root"
    nsd_fixture.write(root, {2: 2})
    return root


@pytest.fixture(scope="module")
def straight(made):
    return nsd.load_subject(made, "subj02")


@pytest.fixture
def root(made, tmp_path):
    """A copy whose files are links: they are replaced, never changed in place."""
    return shutil.copytree(made, tmp_path / "root", copy_function=os.link)


def without_hdf5(root):
    for path in (root / BETAS).glob("*.hdf5"):
        path.unlink()


def save(path, values, affine, sform=1, qform=0):
    """An image with the type that it had before."""
    dtype = nib.load(path).get_data_dtype()
    image = nib.Nifti1Image(values, affine, dtype=dtype)
    image.set_sform(affine, sform)
    image.set_qform(affine if qform else None, qform)
    path.unlink()
    image.to_filename(path)


def flip_x(values, affine):
    """The first axis runs the other way, and the affine says so."""
    new = affine.copy()
    new[:3, 0] = -affine[:3, 0]
    new[:3, 3] = affine[:3, 3] + affine[:3, 0] * (len(values) - 1)
    return values[::-1], new


def exchange(values, affine):
    """Stored as (z, -x, y), and the affine says so."""
    values, affine = flip_x(values, affine)
    order = [2, 0, 1]
    new = affine.copy()
    new[:3, :3] = affine[:3, order]
    return np.moveaxis(values, order, [0, 1, 2]), new


def oblique(values, affine):
    """The same voxels in a scanner whose axes are turned by 20 degrees, with the first axis reversed."""
    values, affine = flip_x(values, affine)
    a = np.radians(20)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]
    return values, turn @ affine


def change(path, how):
    image = nib.load(path)
    save(path, *how(np.asarray(image.dataobj), image.affine))


def same(subject, other):
    for name in ("betas", "units", "ncsnr", "valid", "image_ids"):
        np.testing.assert_array_equal(getattr(subject, name), getattr(other, name), err_msg=name)
    for name, mask in other.rois.items():
        np.testing.assert_array_equal(subject.rois[name], mask, err_msg=name)


@pytest.mark.parametrize("how", [flip_x, exchange])
@pytest.mark.parametrize("names", [(NII, NCSNR), (ROI,), (MASK,), (VALID,), (MASK, NCSNR, ROI, VALID, NII)])
def test_an_image_stored_in_another_order_gives_the_same_voxels(root, straight, how, names):
    without_hdf5(root)
    for name in names:
        change(root / name, how)
    same(nsd.load_subject(root, "subj02"), straight)


def test_hdf5_betas_keep_nsds_order_when_every_volume_is_stored_in_another(root, straight, made):
    """Oblique axes are those of the whole subject, so that nothing lies elsewhere."""
    for path in [*(root / FUNC).rglob("*.nii.gz"), *(root / BETAS).glob("*.nii.gz")]:
        change(path, oblique)
    same(nsd.load_subject(root, "subj02"), straight)
    flat = [nsd.flat_units(where, "subj02", "func1pt8mm", straight.units) for where in (root, made)]
    np.testing.assert_array_equal(*flat)
    report = nsd.check(root)
    assert [fault for fault in report.faults if "HDF5" in fault.found or fault.file.endswith(".gz")] == []


def test_the_check_has_no_fault_to_find_in_turned_volumes_and_says_which_they_are(root):
    for name in (NII, NCSNR, ROI):
        change(root / name, flip_x)
    report = nsd.check(root)
    assert report.faults == []
    assert any("subj02: 3 volumes stored in another order" in text and "LAS" in text for text in report.warnings)


def test_voxels_reversed_without_a_word_in_the_affine_are_found_by_their_values(root):
    change(root / NII, lambda values, affine: (values[::-1], affine))
    assert [fault.file for fault in nsd.check(root).faults] == [str(root / NII)]
    without_hdf5(root)
    for name in (NCSNR, NII):
        change(root / name, lambda values, affine: (values[::-1], affine))
    assert str(root / NCSNR) in {fault.file for fault in nsd.check(root).faults}


def shifted(values, affine):
    new = affine.copy()
    new[0, 3] += 9  # one voxel to the right
    return values, new


def finer(values, affine):
    new = affine.copy()
    new[:3, :3] *= 8 / 9
    return values, new


def plain(values, affine):
    """What numpy arrays are saved with when nobody thinks of space."""
    return values, np.eye(4)


@pytest.mark.parametrize("how", [shifted, finer, plain])
@pytest.mark.parametrize("name", [NII, NCSNR, ROI, VALID])
def test_an_image_that_lies_elsewhere_is_refused_with_both_affines(root, name, how):
    without_hdf5(root)
    change(root / name, how)
    mine, mask = (nib.load(root / n).affine[0, 3] for n in (name, MASK))
    with pytest.raises(ValueError, match="has the affine") as error:
        nsd.load_subject(root, "subj02")
    told = str(error.value)
    assert told.startswith(str(root / name))
    assert f"{mine:g};" in told.split(", expected ")[0]
    assert f"{mask:g};" in told.split(", expected ")[1]
    assert "brainmask.nii.gz" in told


@pytest.mark.parametrize("how", [shifted, finer])
def test_the_check_names_both_affines_of_each_image_that_lies_elsewhere(root, how):
    names = [NII, NCSNR, ROI, VALID, ROI.replace("prf-", "lh.prf-"), f"{FUNC}/roi/rh.streams.nii.gz"]
    for name in names:
        change(root / name, how)
    report = nsd.check(root)
    assert {fault.file for fault in report.faults} == {str(root / name) for name in names}
    for fault in report.faults:
        assert f"{nib.load(fault.file).affine[0, 3]:g};" in fault.found
        assert f"{nib.load(root / MASK).affine[0, 3]:g};" in fault.expected
        assert "brain mask" in fault.todo


@pytest.mark.parametrize("how", [shifted, finer, plain])
def test_a_brain_mask_that_lies_elsewhere_is_the_one_fault(root, how):
    change(root / MASK, how)
    (fault,) = nsd.check(root).faults
    assert fault.file == str(root / MASK)
    places = [nib.load(root / name).affine[0, 3] for name in (MASK, ROI)]
    assert all(f"{place:g};" in told for place, told in zip(places, (fault.found, fault.expected)))
    assert "as of most ROIs" in fault.expected


def test_float32_headers_quaternions_and_headers_without_a_place_are_no_disagreement(root, straight):
    without_hdf5(root)

    def noisy(values, affine):
        return values, affine + np.random.default_rng(0).normal(size=(4, 4)) * 1e-4 * (np.arange(4) < 3)[:, None]

    change(root / NII, noisy)
    image = nib.load(root / NCSNR)
    values = np.asarray(image.dataobj)
    save(root / NCSNR, *flip_x(values, image.affine), sform=0, qform=1)
    image = nib.load(root / ROI)
    save(root / ROI, np.asarray(image.dataobj), image.affine, sform=0, qform=0)
    same(nsd.load_subject(root, "subj02"), straight)
    report = nsd.check(root)
    assert report.faults == [] or {fault.expected for fault in report.faults} == {"a file for each session"}
    assert any("1 volume without a place" in text and ROI in text for text in report.warnings)


def test_an_affine_that_is_no_volume(root):
    image = nib.load(root / ROI)
    header = image.header.copy()
    header["srow_z"] = 0
    values = np.asarray(image.dataobj)
    (root / ROI).unlink()
    nib.Nifti1Image(values, None, header).to_filename(root / ROI)
    with pytest.raises(ValueError, match=r"prf-visualrois.*its affine .* in a plane"):
        nsd.load_subject(root, "subj02")
    assert [fault.file for fault in nsd.check(root).faults] == [str(root / ROI)]


def test_two_affines_in_one_header_that_contradict_each_other(root):
    image = nib.load(root / ROI)
    values, affine = np.asarray(image.dataobj), image.affine
    image = nib.Nifti1Image(values, affine)
    image.set_sform(affine, 1)
    image.set_qform(flip_x(values, affine)[1], 1)
    (root / ROI).unlink()
    image.to_filename(root / ROI)
    with pytest.raises(ValueError, match=r"has the sform \[9 0 0 .* its qform, \[-9 0 0"):
        nsd.load_subject(root, "subj02")
    (fault,) = nsd.check(root).faults
    assert (fault.file, fault.todo) == (str(root / ROI), "correct the one that is wrong")


def test_each_voxel_of_a_turned_grid_is_where_its_affine_says(tmp_path):
    """The grid's own affine takes NSD's voxels to the same millimetres as the stored one takes the stored voxels."""
    affine = np.array([[0, -2.0, 0, 7], [0, 0, 1.5, -3], [1.8, 0, 0, 4], [0, 0, 0, 1]])
    shape = (4, 3, 5)
    path = tmp_path / "x.nii"
    nib.Nifti1Image(np.arange(60, dtype="i2").reshape(shape), affine).to_filename(path)
    grid = read.grid(path)
    assert (grid.shape, grid.turned) == ((3, 5, 4), "SLA")
    assert (np.diag(grid.affine) > 0).all()
    frame = nib.load(path).get_fdata().ravel(order="F")
    in_order = frame[grid.places()].reshape(grid.shape)
    for voxel in np.ndindex(grid.shape):
        mm = grid.affine @ [*voxel, 1]
        stored = np.rint(np.linalg.inv(affine) @ mm).astype(int)[:3]
        assert in_order[voxel] == np.ravel_multi_index(stored, shape)


def test_surfaces_of_another_side_or_subject_are_refused_by_their_vertices(root):
    layout = Layout(root)
    left, right = (layout.surface_roi("subj02", "floc-faces", h) for h in ("lh", "rh"))
    left.rename(root / "aside"), right.rename(left), (root / "aside").rename(right)
    with pytest.raises(ValueError, match=r"lh\.floc-faces\.mgz has 655 vertices, expected 650"):
        nsd.load_subject(root, "subj02", "fsaverage")


def test_surface_ncsnr_with_another_number_of_vertices_is_refused(root):
    """Together both sides have as many vertices as expected, which is not enough."""
    folder = Layout(root).betas("subj02", "fsaverage", nsd_fixture.VERSION)
    for side, n in (("lh", 642 - 10), ("rh", 642 + 10)):
        path = folder / f"{side}.ncsnr.mgh"
        path.unlink()
        nib.MGHImage(np.ones((n, 1, 1), "f4"), np.eye(4)).to_filename(path)
    with pytest.raises(ValueError, match=r"lh\.ncsnr\.mgh has 632 vertices, expected 642"):
        nsd.load_subject(root, "subj02", "fsaverage")
