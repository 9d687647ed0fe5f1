"""`check --deep` reads every byte, and finds what a look at the ends of large files cannot."""

import os
import shutil

import h5py
import nibabel as nib
import nsd_fixture
import numpy as np
import pytest
from click.testing import CliRunner

from brainalign import cli, nsd
from brainalign.nsd import check_anatomy, check_betas, check_deep, check_files

V = nsd_fixture.VERSION
VOLUME = f"nsddata_betas/ppdata/subj02/func1pt8mm/{V}"
SURFACE = f"nsddata_betas/ppdata/subj02/fsaverage/{V}"
NII, HDF5 = f"{VOLUME}/betas_session01.nii.gz", f"{VOLUME}/betas_session02.hdf5"
STIMULI = "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("deep") / "root"
    nsd_fixture.write(root, {2: 2})
    return root


@pytest.fixture
def root(made, tmp_path, monkeypatch):
    """A copy of which every file of betas is large: the usual check looks at the first frames and at 30 voxels."""
    monkeypatch.setattr(check_betas, "SMALL", 0)
    monkeypatch.setattr(check_betas, "SAMPLE", 30)
    monkeypatch.setattr(check_files, "BRIEF", 1)
    return shutil.copytree(made, tmp_path / "root", copy_function=os.link)


def wrong_byte(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.unlink()
    path.write_bytes(bytes(data))


def found_only_deep(root, name, said):
    assert nsd.check(root).faults == []
    faults = nsd.check(root, deep=True).faults
    assert [fault.file for fault in faults] == [str(root / name)]
    assert said in faults[0].found, faults[0]


def test_a_sound_root_is_read_to_its_end_with_progress(root):
    calls = []
    report = nsd.check(root, True, lambda *call: calls.append(call))
    assert (report.faults, report.stopped) == ([], "")
    done, total, _ = zip(*calls)
    assert list(done) == sorted(done)
    assert done[-1] == pytest.approx(total[-1])
    folders = [root / name for name in (VOLUME, SURFACE)]
    betas = sum(path.stat().st_size for folder in folders for path in folder.iterdir())
    assert total[-1] > (betas + (root / STIMULI).stat().st_size) / 2**20
    assert {"nsd_stimuli.hdf5", "betas_session01.nii.gz", "lh.betas_session02.mgh", "streams.nii.gz"} <= {
        name for *_, name in calls
    }


def test_one_wrong_byte_late_in_a_large_gzip_file(root):
    """Of full size, and its last bytes are as they should be."""
    wrong_byte(root / NII, (root / NII).stat().st_size * 9 // 10)
    found_only_deep(root, NII, "cannot be read as a 4-D image")


def test_one_wrong_byte_in_a_file_that_no_other_check_reads(root):
    name = f"{VOLUME}/R2_session01.nii.gz"
    mask = nib.load(root / "nsddata/ppdata/subj02/func1pt8mm/brainmask.nii.gz")
    noise = np.random.default_rng(0).random(mask.shape)
    nib.Nifti1Image(noise, mask.affine).to_filename(root / name)
    wrong_byte(root / name, (root / name).stat().st_size - 6)  # in the checksum
    found_only_deep(root, name, "CRC check failed")


def test_one_other_value_in_the_hdf5_betas_differs_from_the_nifti_file(root):
    with h5py.File(root / HDF5) as file:
        values = file["betas"][:]
    values[700, 4, 4, 4] += 1
    (root / HDF5).unlink()
    with h5py.File(root / HDF5, "w") as file:
        file.create_dataset("betas", data=values, chunks=(750, 1, 1, 1))
    name = HDF5.replace(".hdf5", ".nii.gz")
    found_only_deep(root, name, "1 values differ from betas_session02.hdf5, first in trial 701")


def test_twins_agree_whatever_the_order_in_which_the_nifti_file_is_stored(root):
    image = nib.load(root / NII)
    affine = image.affine.copy()
    affine[:3, 0], affine[:3, 3] = -affine[:3, 0], affine[:3, 3] + affine[:3, 0] * (image.shape[0] - 1)
    values = np.asarray(image.dataobj)[::-1]
    (root / NII).unlink()
    nib.Nifti1Image(values, affine).to_filename(root / NII)
    assert nsd.check(root, deep=True).faults == []


def test_chunks_of_zeros_that_take_no_space_are_zeros(root):
    with h5py.File(root / HDF5) as file:
        values = file["betas"][:]
    (root / HDF5).unlink()
    with h5py.File(root / HDF5, "w") as file:
        betas = file.create_dataset("betas", values.shape, "<i2", chunks=(750, 1, 1, 1))
        for z, y, x in np.argwhere(values.any(0)):
            betas[:, z, y, x] = values[:, z, y, x]
        assert betas.id.get_num_chunks() < values[0].size
    assert nsd.check(root, deep=True).faults == []


def test_a_damaged_chunk_of_the_pictures(root):
    with h5py.File(root / STIMULI) as file:
        chunk = file["imgBrick"].id.get_chunk_info(5)
        at = chunk.byte_offset + chunk.size // 2
    wrong_byte(root / STIMULI, at)
    faults = nsd.check(root, deep=True).faults
    assert [fault.file for fault in faults] == [str(root / STIMULI)]


def test_a_surface_value_that_cannot_be(root):
    name = f"{SURFACE}/rh.betas_session02.mgh"
    image = nib.load(root / name)
    values = np.asarray(image.dataobj).copy()
    values[200, 0, 0, 600] = 7e9
    (root / name).unlink()
    nib.MGHImage(values, image.affine).to_filename(root / name)
    found_only_deep(root, name, "values up to 7e+09")


def test_exchanged_hemispheres_of_large_files(root):
    """Both have the same shape; ncsnr does not follow from the other one's betas."""
    for session in (1, 2):
        left, right = (root / SURFACE / f"{h}.betas_session0{session}.mgh" for h in ("lh", "rh"))
        left.rename(root / "aside"), right.rename(left), (root / "aside").rename(right)
    assert nsd.check(root).faults == []
    faults = nsd.check(root, deep=True).faults
    assert [fault.file for fault in faults] == [str(root / SURFACE / f"{h}.ncsnr.mgh") for h in ("lh", "rh")]
    assert all("from the betas follows" in fault.found for fault in faults)


def test_reading_can_be_stopped_and_tells_what_was_found_until_then(root, monkeypatch):
    wrong_byte(root / "nsddata/ppdata/subj02/func1pt8mm/roi/streams.nii.gz", 60)

    def stop(done, total, name):
        if done > total / 2:
            raise KeyboardInterrupt

    report = nsd.check(root, True, stop)
    assert [fault.file.rpartition("/")[2] for fault in report.faults] == ["streams.nii.gz"]
    assert report.stopped.startswith("stopped after")
    assert str(report).endswith("1 fault so far: " + report.stopped)
    assert report.to_dict()["stopped"] == report.stopped

    def stopped(inspector, subjects, progress):
        inspector.stopped = "stopped after 3 of 9 MB"

    monkeypatch.setattr(check_deep, "everything", stopped)
    done = CliRunner().invoke(cli.main, ["check", str(root), "--deep"])
    assert done.exit_code == 1
    assert "so far: stopped after 3 of 9 MB" in done.output


def test_a_check_that_is_stopped_before_reading_every_byte_tells_what_it_found(root, monkeypatch):
    (root / "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5").unlink()

    def stop(inspector, subject, sessions):
        raise KeyboardInterrupt

    monkeypatch.setattr(check_anatomy, "volume", stop)
    done = CliRunner().invoke(cli.main, ["check", str(root), "--deep"])
    assert done.exit_code == 1
    assert "nsd_stimuli.hdf5 is missing" in done.output.replace("\n  found:    ", " ")
    assert done.output.endswith("1 fault so far: stopped before every file was looked at\n")


def test_the_command_reads_deep_only_where_it_is_told(root):
    wrong_byte(root / NII, (root / NII).stat().st_size * 9 // 10)
    usual, deep = (CliRunner().invoke(cli.main, ["check", str(root), *more]) for more in ([], ["--deep"]))
    assert (usual.exit_code, deep.exit_code) == (0, 1)
    assert "no fault" in usual.output
    assert str(root / NII) in deep.output
