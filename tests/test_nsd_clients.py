"""The simulated root as other programs for NSD read it: nsdcode where it is installed, nsd_access by its file rules.

nsdcode asks for nibabel 3.1 and scikit-learn 0.23 but runs with ours: pip install --no-deps nsdcode tqdm
"""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from brainalign.demo.geometry import hemisphere
from brainalign.demo.schematic import BALLS

SIDES = ("lh", "rh")
SURFACES = ("white", "pial", "layerB1", "layerB2", "layerB3")


@pytest.fixture(scope="module")
def ppdata(simulated_root):
    return simulated_root / "nsddata/ppdata/subj02"


def values(path):
    return np.asarray(nib.load(path).dataobj)


# nsd_access: where it looks for atlases, maps and images (nsd_access/nsda.py), written anew ---------------------


def atlas(root, subject, name, data_format):
    """What read_atlas_results returns: (values, {label: number}); the table is fsaverage's, whatever the space."""
    labels = root / "nsddata/freesurfer/fsaverage/label"
    table = pd.read_csv(labels / f"{name}.mgz.ctab", delimiter=" ", header=None, index_col=0)[1]
    if data_format == "func1pt8mm":
        found = values(root / f"nsddata/ppdata/{subject}/func1pt8mm/roi/{name}.nii.gz")
    else:
        folder = root / f"nsddata/freesurfer/{subject}/label"
        found = np.squeeze(np.vstack([values(folder / f"{side}.{name}.mgz") for side in SIDES]))
    return found, {label: number for number, label in table.items()}


@pytest.mark.parametrize("name", ["Kastner2015", "corticalsulc", "HCP_MMP1", "streams", "nsdgeneral"])
def test_nsd_access_finds_the_atlases_in_both_spaces(simulated_root, name):
    flat, numbers = atlas(simulated_root, "fsaverage", name, "fsaverage")
    volume, _ = atlas(simulated_root, "subj02", name, "func1pt8mm")
    assert numbers["Unknown"] == 0
    assert flat.shape == (2 * 10242,)
    assert set(np.unique(flat)) <= set(numbers.values())
    assert set(np.unique(volume)) <= {-1, *numbers.values()}
    if name in ("Kastner2015", "corticalsulc"):
        assert set(np.unique(volume)) == {-1, *numbers.values()}
        assert set(np.unique(flat)) == set(numbers.values())
        assert len(numbers) == 1 + {"Kastner2015": 25, "corticalsulc": 28}[name]


def test_kastners_numbers_are_nsds(simulated_root):
    _, numbers = atlas(simulated_root, "fsaverage", "Kastner2015", "fsaverage")
    in_order = "V1v V1d V2v V2d V3v V3d hV4 VO1 VO2 PHC1 PHC2 TO2 TO1 LO2 LO1 V3B V3A IPS0 IPS1 IPS2 IPS3 IPS4 IPS5"
    assert list(numbers) == ["Unknown", *in_order.split(), "SPL1", "FEF"]
    own, _ = atlas(simulated_root, "subj02", "Kastner2015", "func1pt8mm")
    early = values(simulated_root / "nsddata/ppdata/subj02/func1pt8mm/roi/prf-visualrois.nii.gz")
    assert (own[early > 0] == early[early > 0]).all()


@pytest.mark.parametrize("name", ["MTL", "thalamus"])
def test_mtl_and_thalamus_lie_in_the_volume_with_a_table_among_the_templates(simulated_root, ppdata, name):
    lines = (simulated_root / f"nsddata/templates/{name}.ctab").read_text().splitlines()
    assert [line.split() for line in lines] == [[str(k), n] for k, n in enumerate(("Unknown", *BALLS[name]))]
    both, left, right = (values(ppdata / f"func1pt8mm/roi/{side}{name}.nii.gz") for side in ("", "lh.", "rh."))
    assert both.dtype == np.int16
    assert (np.maximum(left, right) == both).all()
    for side in (left, right):
        assert set(np.unique(side)) == set(range(len(BALLS[name]) + 1))
    assert np.nonzero(left)[0].max() < np.nonzero(right)[0].min()


def test_prf_maps_see_the_opposite_half_of_the_field(ppdata):
    angle, eccentricity, size = (
        values(ppdata / f"func1pt8mm/prf_{name}.nii.gz") for name in ("angle", "eccentricity", "size")
    )
    for side, sign in (("lh", 1), ("rh", -1)):
        v1 = np.isin(values(ppdata / f"func1pt8mm/roi/{side}.prf-visualrois.nii.gz"), (1, 2))
        assert ((angle[v1] >= 0) & (angle[v1] < 360)).all()
        assert (sign * np.cos(np.radians(angle[v1])) >= -1e-6).all()
        assert (size[v1] > 0).all()
        rings = values(ppdata / f"func1pt8mm/roi/{side}.prf-eccrois.nii.gz")
        assert (np.digitize(eccentricity[v1], [0.5, 1, 2, 4]) + 1 == rings[v1]).all()


def test_the_1_mm_grid_has_the_same_field_of_view(ppdata):
    coarse, fine = (nib.load(ppdata / f"{folder}/brainmask.nii.gz") for folder in ("func1pt8mm", "func1mm"))
    assert fine.shape == tuple(int(n * 1.8) for n in coarse.shape)
    np.testing.assert_allclose(np.divide(coarse.header.get_zooms(), fine.header.get_zooms()), 1.8, rtol=1e-6)
    volumes = [np.prod(one.header.get_zooms()) * np.asarray(one.dataobj).sum() for one in (coarse, fine)]
    assert volumes[1] == pytest.approx(volumes[0], rel=0.05)
    assert nib.load(ppdata / "func1mm/mean.nii.gz").shape == fine.shape


def test_images_of_one_space_have_one_affine(ppdata):
    for folder in ("func1pt8mm", "func1mm"):
        images = [nib.load(path) for path in (ppdata / folder).rglob("*.nii.gz")]
        expected = nib.load(ppdata / folder / "brainmask.nii.gz").affine
        np.testing.assert_allclose(expected @ [*(np.array(images[0].shape[:3]) - 1) / 2, 1], [0, 0, 0, 1], atol=1e-4)
        for image in images:
            np.testing.assert_array_equal(image.affine, expected)
    for path in (ppdata / "transforms").glob("*-to-func1pt8.nii.gz"):
        brain = nib.load(ppdata / "func1pt8mm/brainmask.nii.gz")
        np.testing.assert_array_equal(nib.load(path).affine, brain.affine)
        assert nib.load(path).shape == (*brain.shape, 3)
    mni = nib.load(ppdata / "transforms/func1pt8-to-MNI.nii.gz")
    np.testing.assert_array_equal(mni.affine @ [90, 126, 72, 1], [0, 0, 0, 1])  # as FSL's template of 1 mm
    assert mni.shape == (182, 218, 182, 3)
    assert mni.affine[0, 0] == -1


# transforms: that they agree with one another and with the cortex they come from --------------------------------


@pytest.mark.parametrize(("volume", "shape"), [("MNI", (182, 218, 182)), ("anat1pt0", (256, 256, 256))])
def test_two_ways_from_a_surface_to_the_volume_agree(ppdata, volume, shape):
    """A vertex's voxel of func1pt8, and that of the voxel of another volume in which the vertex lies."""
    field = nib.load(ppdata / f"transforms/func1pt8-to-{volume}.nii.gz")
    assert field.shape == (*shape, 3)
    field = np.asarray(field.dataobj)
    back = values(ppdata / f"transforms/{volume}-to-func1pt8.nii.gz")
    for side in SIDES:
        for name in ("white", "pial", "layerB2"):
            direct = values(ppdata / f"transforms/{side}.func1pt8-to-{name}.mgz").squeeze()
            other = values(ppdata / f"transforms/{side}.{volume}-to-{name}.mgz").squeeze()
            known = (direct < 9999).all(1) & (other < 9999).all(1)
            assert known.mean() > 0.9
            through = field[tuple(np.rint(other[known]).astype(int).T - 1)]
            inside = (through < 9999).all(1)
            assert inside.mean() > 0.98  # the rest lies within half a voxel of the edge
            assert np.abs(through - direct[known])[inside].max() < 0.25  # of 4.8 mm: half a mm a side, and steps
            returned = back[tuple(np.rint(direct[known]).astype(int).T - 1)]
            assert np.median(np.linalg.norm(returned - other[known], axis=1)) < 3  # half a voxel of 4.8 mm


def test_depths_lie_between_white_and_pial(ppdata):
    for side in SIDES:
        white, pial, *layers = (
            values(ppdata / f"transforms/{side}.anat0pt8-to-{name}.mgz").squeeze()
            for name in ("white", "pial", "layerB1", "layerB2", "layerB3")
        )
        assert (white < 9999).all()
        assert 1 < np.median(np.linalg.norm(white - pial, axis=1)) * 0.8 < 4  # mm: cortex is about 2.5 thick
        for layer, depth in zip(layers, (0.25, 0.5, 0.75)):
            np.testing.assert_allclose(layer, pial + depth * (white - pial), atol=0.3)  # folds bend a little


def test_surfaces_lie_in_mni_where_fsaverage_has_them(ppdata):
    for side in SIDES:
        native = values(ppdata / f"transforms/{side}.white-to-fsaverage.mgz").squeeze().astype(int) - 1
        i, j, k = values(ppdata / f"transforms/{side}.MNI-to-white.mgz").squeeze()[native].T
        world = np.stack([91 - i, j - 127, k - 73], axis=1)  # from voxels counted from 1, right to left
        apart = np.linalg.norm(world - hemisphere(side).white, axis=1)
        assert np.median(apart) < 3  # the subject's own folds are what an affine registration leaves
        assert np.corrcoef(world[:, 0], hemisphere(side).white[:, 0])[0, 1] > 0.99


# nsdcode itself -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mapdata(simulated_root):
    """nsd_mapdata of nsdcode, which still says np.int."""
    nsdcode = pytest.importorskip("nsdcode", reason="pip install --no-deps nsdcode tqdm")
    fitted = nsdcode.NSDmapdata(str(simulated_root))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np, "int", int, raising=False)
        yield lambda *arguments, **options: fitted.fit(2, *arguments, **options)


@pytest.mark.parametrize("surface", SURFACES)
def test_nsdcode_maps_labels_to_the_subjects_surfaces(mapdata, simulated_root, ppdata, surface):
    volume = values(ppdata / "func1pt8mm/roi/Kastner2015.nii.gz")
    for side in SIDES:
        found = mapdata("func1pt8", f"{side}.{surface}", volume, interptype="nearest", badval=-1)
        own = values(simulated_root / f"nsddata/freesurfer/subj02/label/{side}.Kastner2015.mgz").squeeze()
        there = (own > 0) & (found >= 0)
        assert there.sum() > 500
        assert (found == own)[there].mean() > (0.75 if surface == "layerB2" else 0.5)


def test_nsdcode_maps_between_the_surface_and_fsaverage(mapdata, simulated_root):
    for side in SIDES:
        own = values(simulated_root / f"nsddata/freesurfer/subj02/label/{side}.corticalsulc.mgz").squeeze()
        shared = values(simulated_root / f"nsddata/freesurfer/fsaverage/label/{side}.corticalsulc.mgz").squeeze()
        assert (mapdata(f"{side}.white", "fsaverage", own) == shared).mean() > 0.98
        assert (mapdata("fsaverage", f"{side}.white", shared) == own).mean() > 0.98


def test_nsdcode_writes_mni_images_that_lie_where_they_should(mapdata, ppdata, tmp_path):
    """The written image's own affine puts a region of the right hemisphere at its published place."""
    volume = values(ppdata / "func1pt8mm/roi/MTL.nii.gz")
    mapdata("func1pt8", "MNI", volume.astype(float), interptype="nearest", outputfile=str(tmp_path / "mtl.nii.gz"))
    image = nib.load(tmp_path / "mtl.nii.gz")
    found = np.asarray(image.dataobj)
    for number, (x, y, z, radius) in enumerate(BALLS["MTL"].values(), 1):
        places = nib.affines.apply_affine(image.affine, np.argwhere(found == number))
        for sign in (-1, 1):
            middle = places[np.sign(places[:, 0]) == sign].mean(0)
            assert np.linalg.norm(middle - (sign * x, y, z)) < radius + 3, (number, sign)


def test_nsdcode_brings_mni_and_anatomy_to_the_functional_volume(mapdata, ppdata):
    right = np.broadcast_to(90.0 - np.arange(182)[:, None, None], (182, 218, 182))  # x in mm, from right to left
    x = mapdata("MNI", "func1pt8", np.ascontiguousarray(right), interptype="linear", badval=np.nan)
    brain = values(ppdata / "func1pt8mm/brainmask.nii.gz")
    assert x.shape == brain.shape
    for side, sign in (("lh", -1), ("rh", 1)):
        cortex = (values(ppdata / f"func1pt8mm/roi/{side}.streams.nii.gz") > 0) & np.isfinite(x)
        assert (np.sign(x[cortex]) == sign).mean() > 0.95  # the rest lies at the midline
    rows = np.ascontiguousarray(np.broadcast_to(np.arange(256.0)[:, None, None], (256, 256, 256)))
    x = mapdata("anat1pt0", "func1pt8", rows, interptype="linear", badval=np.nan)
    steps = np.diff(x, axis=0)
    assert np.nanmean(steps) == pytest.approx(4.8, abs=0.02)  # mm from one voxel to the next
    for side in SIDES:
        surface = mapdata("anat1pt0", f"{side}.white", rows, interptype="linear")
        voxels = values(ppdata / f"transforms/{side}.anat1pt0-to-white.mgz").squeeze()
        np.testing.assert_allclose(surface, voxels[:, 0] - 1, atol=1e-3)
