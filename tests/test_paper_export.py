"""From the command line to files: bundles, brains in other tools' formats, panels, and errors in one line."""

import io
import json
import zipfile

import duckdb
import h5py
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image
from pyarrow import parquet
from stores import N_UNITS, tiny_store

from brainalign import cli, paper
from brainalign.demo.geometry import SIDES
from brainalign.demo.geometry import folder as meshes
from brainalign.paper import export
from brainalign.paper.page import sheet
from brainalign.store import open_latest
from brainalign.tables import DATA

HALF = 10242
CHOICES = {"compare": {"roi": "FFA"}}  # of the tiny store, which compares models in FFA alone


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tiny_store(tmp_path_factory.mktemp("export"))


@pytest.fixture(scope="module")
def store(path):
    with open_latest(path) as opened:
        yield opened


@pytest.fixture
def figure(path, tmp_path):
    """figure(KIND, "name.pdf", options ...) -> (result, path of the file)."""

    def figure(kind, name, *options):
        out = tmp_path / name
        args = ["figure", kind, "--out", str(out), "--store", str(path), *map(str, options)]
        return CliRunner().invoke(cli.main, args), out

    return figure


# --- Commands ---


@pytest.mark.parametrize("kind", list(paper.KINDS))
def test_every_kind_is_a_command(figure, kind):
    roi = ["--roi", "FFA"] if kind == "compare" else []  # the tiny store compares models there alone
    done, out = figure(kind, f"{kind}.png", "--width-mm", 85, "--dpi", 150, *roi)
    assert done.exit_code == 0, done.output
    assert done.output.strip() == str(out)
    assert Image.open(out).width == round(85 / 25.4 * 150)


def test_the_demos_store_is_there_when_none_is_named(tmp_path):
    done = CliRunner().invoke(cli.main, ["figure", "flatmap", "--out", str(tmp_path / "x.csv")])
    assert done.exit_code == 0, done.output
    assert {"subj01"} == set(pd.read_csv(tmp_path / "x.csv").subject)


def test_options_are_what_the_kinds_can_be_asked_for():
    asked = {key for _, keys in paper.KINDS.values() for key in keys}
    assert set(cli.FIGURE_CHOICES) == asked


@pytest.mark.parametrize(
    ("kind", "name", "options", "said"),
    [
        ("flatmp", "x.pdf", (), "did you mean flatmap?"),
        ("flatmap", "x.pdf", ("--model", "lava-demo"), "did you mean llava-demo?"),
        ("flatmap", "x.pdf", ("--subject", "subj01,subj9"), "no subject 'subj9'; did you mean subj0"),
        ("flatmap", "x.pdf", ("--instruction", "VQ11"), "did you mean VQ1?"),
        ("flatmap", "x.pdf", ("--layer", "17"), "There are chosen, 0, 1, 2, 3"),
        ("flatmap", "x.pdf", ("--threshold", "high"), "expected a number"),
        ("flatmap", "x.pdf", ("--threshold", "101"), "from 0 to 100"),
        ("flatmap", "x.pdf", ("--outlines", "V11"), "did you mean V1?"),
        ("flatmap", "x.pdf", ("--quantity", "winer"), "did you mean winner?"),
        ("flatmap", "x.pdf", ("--lines", "bald"), "did you mean bold?"),
        (
            "flatmap",
            "x.pdf",
            ("--quantity", "shared", "--second", "q"),
            "no second dimension 'q'; there are",
        ),
        ("rois", "x.pdf", ("--roi", "V1"), "rois takes no 'roi'"),
        ("rois", "x.pdf", ("--regions", "face"), "did you mean faces?"),
        ("variance", "x.pdf", ("--b", "IC"), "no second instruction 'IC'"),
        ("variance", "x.pdf", ("--roi", "FFB"), "did you mean FFA?"),
        ("triple", "x.pdf", ("--three", "IC,VQ1"), "did you mean IC,VQ1,IU3?"),
        ("matrix", "x.pdf", ("--part", "share"), "did you mean shared?"),
        ("compare", "x.pdf", ("--roi", "V1"), "compares llava-demo with no other model in V1"),
        ("compare", "x.pdf", ("--model", "vit"), "did you mean vit-demo?"),
        ("unique", "x.pdf", ("--a", "IC"), "unique takes no 'a'"),
        ("unique", "x.pdf", ("--link", "http://h/compare?model=x"), "brainalign figure compare --link"),
        ("flatmap", "x.jpg", (), "take .pdf, .svg, .png"),
        ("flatmap", "none/x.pdf", (), "there is no folder"),
        ("flatmap", "x.pdf", ("--width-mm", "5"), "expected 30 to 400 mm"),
        ("flatmap", "x.pdf", ("--dpi", "9000"), "expected 72 to 1200"),
        ("flatmap", "x.pdf", ("--link", "http://h/rois?by=model"), "brainalign figure rois --link"),
        ("flatmap", "x.pdf", ("--link", "http://h/live"), "figures are made of flatmaps"),
        ("flatmap", "x.pdf", ("--link", "http://h/"), "brainalign figure coverage --link"),
        ("coverage", "x.pdf", ("--model", "llava-demo"), "takes no choices"),
        ("flatmap", "x.pdf", ("--store", "nowhere"), "no store in nowhere"),
        ("flatmap", "x.nii.gz", (), "--like nsddata/ppdata/subj01/func1pt8mm/brainmask.nii.gz"),
        ("flatmap", "x.pdf", ("--vmin", "0.9", "--vmax", "0.1"), "expected a low end below a high one, here for"),
        ("flatmap", "x.pdf", ("--vmin", "5"), "colour limits are 5 to automatic"),
        ("flatmap", "x.pdf", ("--vmax", "high"), "vmax is 'high'; expected a number"),
        ("flatmap", "x.pdf", ("--limits", "0;1"), "expected a low and a high end such as 0,0.5"),
        ("flatmap", "x.pdf", ("--limits", "0,nan"), "expected a low and a high end such as 0,0.5"),
        ("flatmap", "x.pdf", ("--difference", "True", "--limits", "-0.1,0.3"), "the same on both sides of 0"),
        ("flatmap", "x.pdf", ("--quantity", "winner", "--vmax", "1"), "this map shows classes, which have none"),
        ("flatmap", "x.pdf", ("--threshold", "99"), "the highest ceiling is 60.0 %"),
        ("flatmap", "x.pdf", ("--quantity", "winner", "--second", "q"), "second 'q' has no say in this flatmap"),
        ("flatmap", "x.pdf", ("--quantity", "nc", "--layer", "2"), "layer '2' has no say in this flatmap"),
        ("rois", "x.pdf", ("--by", "model", "--model", "vit-demo"), "model 'vit-demo' has no say in this rois"),
        ("panels", "x.pdf", ("nothere.toml",), "nothere.toml cannot be read (No such file or directory)"),
        ("rois", "x.func.gii", (), "ask for a flatmap"),
        ("flatmap", "x.nii", ("--subject", "subj01,subj02"), "a volume holds one map"),
        ("panels", "x.pdf", (), "panels needs a file"),
        ("rois", "x.pdf", ("figure.toml",), "takes no file figure.toml"),
    ],
)
def test_bad_choices_are_one_line_with_a_suggestion(figure, kind, name, options, said):
    done, out = figure(kind, name, *options)
    assert done.exit_code == 1
    assert said in done.output
    assert len(done.output.strip().splitlines()) == 1
    assert not out.exists()


def test_a_place_that_cannot_be_written_is_one_line(path, tmp_path):
    (tmp_path / "x.pdf").mkdir()
    for out, said in ((tmp_path / "x.pdf", "is a folder"), ("/proc/x.pdf", "/proc/x.pdf cannot be written")):
        args = ["figure", "coverage", "--out", str(out), "--store", str(path)]
        done = CliRunner().invoke(cli.main, args)
        assert done.exit_code == 1
        assert said in done.output
        assert len(done.output.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("kind", "choices", "format", "name"),
    [
        ("flatmap", {"subject": "subj01", "model": "llava-demo", "instruction": "IC", "layer": "2"}, "pdf",
         "flatmap_subj01_llava-demo_IC.pdf"),
        ("flatmap", {"subject": "all", "quantity": "nc", "model": "m"}, "func.gii", "flatmap_all_nc_gifti.zip"),
        ("flatmap", {"subject": "subj01,subj02", "quantity": "shared", "model": "m", "a": "IC", "b": "VQ1"}, "zip",
         "flatmap_subj01-subj02_shared_m_IC_VQ1.zip"),
        ("flatmap", {"quantity": "r2", "model": "../a b", "instruction": "IC", "difference": "True",
                     "minus_model": "ü", "minus_instruction": "VQ1"}, "png", "flatmap_r2_a-b_IC_VQ1.png"),
        ("rois", {"by": "model", "quantity": "r_norm_mean", "model": "x", "instruction": "VQ2"}, "csv",
         "rois_model_r-norm_VQ2.csv"),
        ("variance", {"subject": "mean of subjects", "a": "IC", "b": "VQ1", "roi": "V1"}, "svg",
         "variance_mean-of-subjects_IC_VQ1_V1.svg"),
        ("coverage", {"model": "m"}, "pdf", "coverage.pdf"),
    ],
)  # fmt: skip
def test_a_files_name_tells_kind_subject_and_map(kind, choices, format, name):
    assert export.filename(kind, choices, format) == name


def test_tables_say_that_they_are_simulated_and_where_they_come_from(store, tmp_path_factory):
    plot = paper.plot(store, "rois", by="model")
    table = pd.read_csv(io.BytesIO(paper.render(plot, store, "csv")))
    assert table.pop("simulated").tolist() == [True] * len(plot.data)
    assert list(table) == list(plot.data)
    data = paper.render(plot, store, "parquet")
    told = parquet.read_schema(io.BytesIO(data)).metadata
    assert told[b"simulated"] == b"true"
    assert told[b"version"].decode() == store.info()["version"]
    assert told[b"query"].decode() == plot.query
    assert b"/rois?by=model" in told[b"link"]
    pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(data)), plot.data)
    with open_latest(tiny_store(tmp_path_factory.mktemp("measured"), simulated="false")) as measured:
        plot = paper.plot(measured, "rois", by="model")
        assert "simulated" not in pd.read_csv(io.BytesIO(paper.render(plot, measured, "csv")))
        data = paper.render(plot, measured, "parquet")
        assert parquet.read_schema(io.BytesIO(data)).metadata[b"simulated"] == b"false"


def test_a_link_gives_the_figure_of_its_page(figure):
    link = "http://127.0.0.1:8501/flatmaps?subject=subj02&instruction=VQ1&layer=1&threshold=30&unit=5&store=x"
    done, out = figure("flatmap", "x.csv", "--link", link)
    assert done.exit_code == 0, done.output
    by_hand, other = figure(
        "flatmap", "y.csv", "--subject", "subj02", "--instruction", "vq1", "--layer", 1, "--threshold", 30
    )
    assert out.read_bytes() == other.read_bytes()
    assert by_hand.exit_code == 0


def test_the_link_of_a_figure_leads_to_the_same_figure(store):
    for kind in paper.KINDS:
        plot = paper.plot(store, kind, **CHOICES.get(kind, {}))
        again, choices = paper.from_link(export.link(plot), kind)
        assert again == kind
        assert paper.from_link(export.link(plot))[0] == {"pairs": "matrix"}.get(kind, kind)  # two of one view
        pd.testing.assert_frame_equal(paper.plot(store, again, **choices).data, plot.data)


def test_a_grid_of_instructions_has_an_address_for_each(store):
    plot = paper.plot(store, "flatmap", subject="subj01,subj05", instruction="IU3,IC", layer="1")
    first, second = export.link(plot).split(" ")
    for link, name in ((first, "IC"), (second, "IU3")):
        again = paper.plot(store, "flatmap", **paper.from_link(link)[1]).data
        own = plot.data[plot.data["map"].str.endswith(name)]
        np.testing.assert_array_equal(again.value, own.value)
        assert again.subject.tolist() == own.subject.tolist()


# --- Bundles ---


def test_a_bundle_holds_figure_data_query_link_versions_and_caption(figure, store):
    done, out = figure("flatmap", "map.pdf", "--instruction", "VQ1", "--bundle", "--threshold", "25", "--layer", 2)
    assert done.output.split() == [str(out), str(out.with_suffix(".zip"))]
    with zipfile.ZipFile(out.with_suffix(".zip")) as files:
        held = {name: files.read(name) for name in files.namelist()}
    assert set(held) == {f"flatmap.{end}" for end in ("pdf", "svg", "png")} | {
        *("data.csv", "data.parquet", "caption.txt", "query.sql", "about.json")
    }
    assert held["flatmap.pdf"] == out.read_bytes()
    table = pd.read_parquet(io.BytesIO(held["data.parquet"]))
    _, r, _ = store.layer_maps("subj01", "llava-demo", "VQ1", "mean_generated")
    about = json.loads(held["about.json"])
    panel = about["panels"][0]
    np.testing.assert_allclose(table.value, r[int(panel["choices"]["layer"])], rtol=1e-6)
    assert len(pd.read_csv(io.BytesIO(held["data.csv"]))) == N_UNITS
    assert about["store"]["version"] == store.info()["version"]
    assert about["simulated"] is True
    assert {"brainalign", "matplotlib"} <= set(about["versions"])
    assert "instruction=VQ1" in panel["link"]
    with store.cursor() as db:
        rows = db.execute(held["query.sql"].decode()).df()
    np.testing.assert_allclose(rows.value, table.value, rtol=1e-6)
    caption = held["caption.txt"].decode()
    for said in ("SIMULATED", "subj01 10, shown 2.5 times", "noise ceiling of at least 25 %", "layer 2.", "of 300"):
        assert said in caption


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (
            "rois",
            ("Ridge regression", "subj02 10, shown 2.5", "NC = 1 − v · mean(1/n)", "3 subjects", "in grey its 95"),
        ),
        ("variance", ("banded ridge", "IC 2, VQ1 1.", "R²(both)", "reliable units", "IC: “Generate")),
        ("layers", ("over 3 subjects", "the answer's words")),
        ("compare", ("llava-demo minus each other model", "paired bootstrap", "3 subjects", "not corrected over")),
        ("specialisation", ("columns add up to 0", "IC: “Generate", "3 subjects", "reliable units", "Not tested")),
        ("matrix", ("shared with IC", "banded ridge", "3 subjects", "IC 2, VQ1 1, IU3 2", "by 0.0250 on average")),
        (
            "unique",
            (
                "less that of the others",
                "3 subjects",
                "IC 2, VQ1 1, IU3 2",
                "the 3 instructions of a subject",
                "subj05 10",
            ),
        ),
        ("triple", ("IC, VQ1 and IU3", "inclusion and exclusion", "reliable units", "Negative parts")),
        ("chosen", ("llava-demo with IC", "3 subjects", "left-out training images")),
        ("shares", ("40 pictures", "the answer's words")),
        ("coverage", ("3 subjects", "one for each layer", "IC: “Generate")),
    ],
)
def test_captions_say_method_and_n(store, kind, said):
    caption = export.caption(paper.plot(store, kind, **CHOICES.get(kind, {})), store)
    for part in said:
        assert part in caption


def test_a_caption_of_models_names_the_states_and_units_of_each(store):
    about = paper.plot(store, "rois", by="model", instruction="VQ1", reference="llava-demo").about
    assert "States: llava-demo: the answer's words (mean); vit-demo: the picture's patches (mean)." in about
    assert "Without instruction: vit-demo." in about
    assert "VQ1: “What is in this image?”" in about
    rows = store.rows("roi_nested", instruction="VQ1", pooling="mean_generated")
    assert f"{rows.n.min()}–{rows.n.max()} reliable units a region and subject (data in every session, " in about
    assert "not corrected over the 5 comparisons and 3 subjects of this store" in about
    across = paper.plot(store, "flatmap", quantity="across").about
    assert "within the 10 test images that all 3 subjects saw" in across


@pytest.mark.parametrize(
    ("kind", "asked", "said"),
    [
        (
            "rois",
            {"reference": "IC"},
            "4 regions of one comparison in one subject; not corrected over the 5 comparisons",
        ),
        (
            "compare",
            {"roi": "FFA"},
            "1 region of one comparison in one subject; not corrected over the 5 comparisons",
        ),
        (
            "rsa",
            {"reference": "IC"},
            "4 regions of one comparison in one subject; not corrected over the 5 comparisons",
        ),
        ("flatmap", {"second": "q"}, "294 reliable units of one map in one subject; not corrected over the 7 maps"),
    ],
)
def test_a_figure_of_tests_names_their_family(store, kind, asked, said):
    """The tiny store compares three instructions in 4 regions, two of them with the ViT in FFA alone."""
    plot = paper.plot(store, kind, **asked)
    assert plot.family == f"q over the {said} and 3 subjects of this store"
    assert all(part in export.caption(plot, store) for part in said.split("; "))
    assert set(pd.read_csv(io.BytesIO(paper.render(plot, store, "csv"))).q_family) == {plot.family}
    page, _ = sheet(plot, 180, 100, False)
    assert plot.family in " ".join(page.texts()).replace("\n", " ")
    if kind != "compare":
        assert not paper.plot(store, kind).family


def test_a_store_without_tests_says_so(tmp_path):
    path = tiny_store(tmp_path)
    with duckdb.connect(str(path)) as db:
        db.execute("DROP TABLE roi_contrasts")
    with open_latest(path.parent) as opened:
        plot = paper.plot(opened, "rois", reference="IC")
    assert not plot.family
    assert "this store holds no such test" in plot.about


@pytest.mark.parametrize("distance", ["crossnobis", "correlation"])
def test_captions_tell_how_what_subjects_share_by_order_was_left_out(tmp_path, distance):
    """Of a store of this version; those of earlier ones say what was done then."""
    told = {"trend_degree": "2", "across_images": "7", "rsa_distance": distance}
    with open_latest(tiny_store(tmp_path / "new", **told).parent) as opened:
        across = paper.plot(opened, "flatmap", quantity="across").about
        similarity = paper.plot(opened, "rsa").about
    assert "within the 7 test images that all 3 subjects saw in two runs or more" in across
    assert "predicted from the others' trials in other runs" in across
    assert "trials of different runs" in similarity
    for about in (across, similarity):
        assert "fitted by a polynomial of degree 2" in about
    with open_latest(tiny_store(tmp_path / "old", rsa_distance=distance).parent) as opened:
        earlier = [paper.plot(opened, "flatmap", quantity="across").about, paper.plot(opened, "rsa").about]
    assert not any("polynomial" in about or " runs" in about for about in earlier)


def test_a_caption_tells_what_models_read_and_the_size_of_the_pictures(tmp_path):
    texts = {"vit-demo": "tables/captions.csv", "llava-demo": "answers:blip2-demo", "bert-base": "x.csv"}
    toml = "".join(f'[[models]]\nname = "{model}"\ntext = "{text}"\n' for model, text in texts.items())
    with open_latest(tiny_store(tmp_path, study_toml=toml, pixels="227").parent) as opened:
        about = paper.plot(opened, "rois", by="model", instruction="VQ1").about
        both = (
            "vit-demo read a caption (captions.csv) about each picture; llava-demo read the answer of blip2-demo about"
        )
        assert f"Texts: {both}" in about
        assert "bert-base" not in about
        assert "Models were shown pictures resized to 227 x 227 pixels." in about
        assert both in paper.plot(opened, "compare", model="llava-demo", roi="FFA").about


# --- Brains ---


def test_gifti_has_each_vertex_its_units_value(figure, store):
    done, out = figure("flatmap", "map.func.gii", "--layer", "2", "--threshold", "20")
    names = [out.with_name(f"map.{side}.func.gii") for side in ("lh", "rh")]
    assert done.output.split() == [str(name) for name in names]
    _, r, _ = store.layer_maps("subj01", "llava-demo", "IC", "mean_generated")
    shown = np.where(store.noise_ceiling("subj01") >= 20, r[2], np.nan)
    units = store.flat_units("subj01")
    for k, (name, structure) in enumerate(zip(names, ("CortexLeft", "CortexRight"))):
        image = nib.load(name)
        assert image.meta["AnatomicalStructurePrimary"] == structure
        assert "SIMULATED" in image.meta["Description"]
        unit = units[k * HALF : (k + 1) * HALF]
        np.testing.assert_array_equal(image.darrays[0].data, np.where(unit >= 0, shown[unit], np.nan).astype("f4"))


def test_nifti_has_each_voxel_its_units_value(figure, store, tmp_path):
    affine = np.diag([1.8, 1.8, 1.8, 1.0])
    nib.save(nib.Nifti1Image(np.zeros((20, 11, 10), "u1"), affine), tmp_path / "mask.nii.gz")
    done, out = figure("flatmap", "map.nii.gz", "--threshold", "0", "--layer", "3", "--like", tmp_path / "mask.nii.gz")
    assert done.exit_code == 0, done.output
    image = nib.load(out)
    np.testing.assert_allclose(image.affine, affine, rtol=1e-6)
    _, r, _ = store.layer_maps("subj01", "llava-demo", "IC", "mean_generated")
    found = image.get_fdata().ravel()
    np.testing.assert_array_equal(found[store.units("subj01").place], r[3].astype("f8"))
    assert np.isfinite(found).sum() == np.isfinite(r[3]).sum()


def turned(affine, shape):
    """The affine of the same volume stored as (-y, x, z)."""
    new = affine.copy()
    new[:3, 0], new[:3, 1] = -affine[:3, 1], affine[:3, 0]
    new[:3, 3] = affine[:3, 3] + affine[:3, 1] * (shape[1] - 1)
    return new


@pytest.mark.parametrize("stated", [True, False])
def test_nifti_is_stored_as_the_file_it_shall_be_like(figure, store, tmp_path, stated):
    """Units are counted in NSD's order; the file has each at its millimetres, and NSD's where it states none."""
    affine, shape = np.diag([1.8, 1.8, 1.8, 1.0]), (20, 11, 10)
    affine[:3, 3] = [-17.1, -9, -8.1]  # the middle at 0
    mask = np.zeros(shape, "u1")
    mask.ravel()[store.units("subj01").place] = 1
    stored = mask.transpose(1, 0, 2)[::-1] if stated else mask
    like = nib.Nifti1Image(stored, turned(affine, shape) if stated else None)
    like.header["pixdim"][1:4] = 1.8
    nib.save(like, tmp_path / "mask.nii.gz")
    done, out = figure("flatmap", "map.nii.gz", "--threshold", "0", "--layer", "3", "--like", tmp_path / "mask.nii.gz")
    assert done.exit_code == 0, done.output
    image, (_, r, _) = nib.load(out), store.layer_maps("subj01", "llava-demo", "IC", "mean_generated")
    assert image.shape == stored.shape
    values = image.get_fdata()
    for unit, place in enumerate(store.units("subj01").place):
        mm = affine @ [*np.unravel_index(place, shape), 1]
        voxel = tuple(np.rint(np.linalg.inv(image.affine) @ mm)[:3].astype(int))
        np.testing.assert_array_equal(values[voxel], r[3][unit].astype("f8"))


def test_a_mask_that_the_units_do_not_lie_in_is_refused(figure, tmp_path):
    mask = np.zeros((30, 30, 30), "u1")  # of another space: its shape would do
    mask[20:] = 1
    nib.save(nib.Nifti1Image(mask, np.eye(4)), tmp_path / "mask.nii.gz")
    done, _ = figure("flatmap", "map.nii", "--like", tmp_path / "mask.nii.gz")
    assert done.exit_code == 1
    assert "lie outside the mask" in done.output


def test_a_volume_of_another_shape_is_refused(figure, tmp_path):
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4), "u1"), np.eye(4)), tmp_path / "mask.nii.gz")
    done, _ = figure("flatmap", "map.nii", "--like", tmp_path / "mask.nii.gz")
    assert done.exit_code == 1
    assert "64 voxels" in done.output
    (tmp_path / "mask.nii").write_text("no image")
    done, _ = figure("flatmap", "map.nii", "--like", tmp_path / "mask.nii")
    assert "no NIfTI file that can be read" in done.output


def test_pycortex_reads_the_file_by_its_own_rules(figure, store):
    """The layout that pycortex 1.4 reads: /views/NAME holds eight JSON texts, /data/NAME values and their subject."""
    done, out = figure("flatmap", "map.hdf", "--layer", "2")
    assert done.exit_code == 0, done.output
    with h5py.File(out) as file:
        view = [text.decode() for text in file["views/map"]]
        assert len(view) == 8
        (name,) = json.loads(view[0])
        assert json.loads(view[2]) == ["viridis"]
        low, high = json.loads(view[3])[0], json.loads(view[4])[0]
        assert json.loads(view[7]) is None  # no transform: vertices
        attrs = json.loads(view[6])  # pycortex hands these to the view, as view.attrs
        assert attrs["priority"] == 1
        assert attrs["simulated"] is True
        assert attrs["version"] == store.info()["version"]
        assert "SIMULATED DATA" in view[1]
        data = file[f"data/{name}"]
        assert data.attrs["subject"] == "fsaverage5"
        values = data[:]
    assert values.shape == (2 * HALF,)
    assert 0 == low < np.nanpercentile(values, 90) < high


CODED = [  # what is asked for, the column of its names in the data, and how its files end
    ({"quantity": "winner", "among": "instructions", "margin": "0.02"}, ""),
    ({"quantity": "winner", "among": "models", "instruction": "VQ1"}, ""),
    ({"quantity": "layer"}, ""),
    ({"quantity": "r", "second": "q"}, "significance"),
]


def coded(store, asked):
    """(class of each unit, "" where nothing is drawn; {class: colour}) from the table of the figure and its key."""
    plot = paper.plot(store, "flatmap", threshold="20", **asked)
    if "second" in asked:
        q = store.nested_map("subj01", "llava-demo", "IC", "mean_generated")["q"]
        assert set(plot.data.opacity) == {64 / 255, 205 / 255}  # q is 0.002 or 0.8 in the tiny store
        named = np.where(q < 0.01, "q < 0.01", "q ≥ 0.05")
        assert plot.data.significance.tolist() == named.tolist()
        greys = [
            round(205 * (1 - weight / 255)) for weight in (64, 150, 205, 255)
        ]  # as far as the folds shine through
        found = {name: (g,) * 3 for name, g in zip(("q ≥ 0.05", "q < 0.05", "q < 0.01", "q < 0.001"), greys)}
    else:
        named, colours = plot.data["class"].to_numpy(str), dict(plot.maps[0].picture.classes)
        found = {name: tuple(bytes.fromhex(colour[1:])) for name, colour in colours.items()}
        assert len(set(named[plot.data.drawn])) > 1
    return np.where(plot.data.drawn, named, ""), found


def options(asked):
    return [word for key, value in {"threshold": "20", **asked}.items() for word in (f"--{key}", value)]


@pytest.mark.parametrize(("asked", "part"), CODED)
def test_gifti_of_classes_has_their_names_and_colours(figure, store, asked, part):
    done, out = figure("flatmap", "map.func.gii", *options(asked))
    assert done.exit_code == 0, done.output
    tails = [f"{side}.{part}{'.' * bool(part)}label.gii" for side in ("lh", "rh")]
    made = [out.with_name(f"map.{tail}") for tail in tails]
    assert set(map(str, made)) <= set(done.output.split())
    assert len(done.output.split()) == (4 if part else 2)
    named, colours = coded(store, asked)
    flat = store.flat_units("subj01")
    for k, path in enumerate(made):
        image = nib.load(path)
        data = image.darrays[0]
        assert nib.nifti1.intent_codes.label[data.intent] == "label"
        assert data.data.dtype == np.int32
        table = image.labeltable.get_labels_as_dict()
        rgba = {label.label: label.rgba for label in image.labeltable.labels}
        assert table[0] == "???"
        assert rgba.pop("???") == (0, 0, 0, 0)
        assert list(rgba) == list(colours)
        for name, colour in colours.items():
            assert rgba[name] == pytest.approx((*np.array(colour) / 255, 1), abs=1e-6)
        unit = flat[k * HALF : (k + 1) * HALF]
        expected = np.where(unit >= 0, named[unit], "")
        found = np.array([table[key].replace("???", "") for key in data.data.tolist()])
        np.testing.assert_array_equal(found, expected)
    assert len(set(found)) > 2


@pytest.mark.parametrize(("asked", "part"), CODED)
def test_a_volume_of_classes_has_them_in_its_header_and_beside_it(figure, store, tmp_path, asked, part):
    affine = np.diag([1.8, 1.8, 1.8, 1.0])
    nib.save(nib.Nifti1Image(np.zeros((20, 11, 10), "u1"), affine), tmp_path / "mask.nii.gz")
    done, out = figure("flatmap", "map.nii.gz", *options(asked), "--like", tmp_path / "mask.nii.gz")
    assert done.exit_code == 0, done.output
    stem = f"map.{part}{'.' * bool(part)}"
    path, beside = out.with_name(f"{stem}nii.gz"), out.with_name(f"{stem}tsv")
    assert {str(path), str(beside)} <= set(done.output.split())
    named, colours = coded(store, asked)
    image = nib.load(path)
    assert image.header.get_intent()[0] == "label"
    assert image.get_data_dtype() == np.int16
    np.testing.assert_allclose(image.affine, affine, rtol=1e-6)
    table = pd.read_csv(beside, sep="\t", dtype={"name": str})
    assert image.header.extensions[0].get_content() == beside.read_bytes()
    assert table.name.tolist() == list(colours)
    for colour, expected in zip(table.color, colours.values()):
        assert bytes.fromhex(colour[1:]) == bytes(expected)
    names = dict(zip(table["index"], table.name)) | {0: ""}
    found = np.asarray(image.dataobj).ravel()
    assert [names[k] for k in found[store.units("subj01").place]] == named.tolist()
    assert (found > 0).sum() == (named != "").sum()


@pytest.mark.parametrize(("asked", "part"), CODED)
def test_pycortex_draws_classes_in_their_colours_and_names_the_numbers(figure, store, asked, part):
    done, out = figure("flatmap", "map.hdf", *options(asked))
    assert done.exit_code == 0, done.output
    named, colours = coded(store, asked)
    flat = store.flat_units("subj01")
    expected = np.where(flat >= 0, named[flat], "")
    view = f"map_{part}" if part else "map"
    with h5py.File(out) as file:
        texts = [text.decode() for text in file[f"views/{view}"]]
        assert [json.loads(text) for text in texts[2:6]] == [None] * 4
        (channels,) = json.loads(texts[0])
        rgba = np.stack([file[f"data/{name}"][:] for name in channels], axis=1)
        codes = [text.decode() for text in file[f"views/{view}_codes"]]
        labels = json.loads(codes[6])["labels"]
        values = file[f"data/{json.loads(codes[0])[0]}"][:]
        assert set(file["views"]) == {"map", view, f"{view}_codes"}
    assert rgba.dtype == np.uint8
    assert ((rgba[:, 3] == 0) == (expected == "")).all()
    assert [label["name"] for label in labels.values()] == list(colours)
    assert all(f"{number} {label['name']}" in codes[1] for number, label in labels.items())
    for number, label in labels.items():
        here, colour = expected == label["name"], colours[label["name"]]
        assert ((values == int(number)) == here).all()
        assert (rgba[here] == (*colour, 255)).all()
        assert bytes.fromhex(label["color"][1:]) == bytes(colour)
    assert (np.isnan(values) == (expected == "")).all()


@pytest.fixture(scope="module")
def cortex(tmp_path_factory):
    """pycortex with a subject fsaverage5 made of nilearn's meshes; its wheel is built from source, so it may lack."""
    module = pytest.importorskip("cortex", reason="pip install pycortex (needs a C compiler)")
    folder = tmp_path_factory.mktemp("filestore")
    for name in ("surfaces", "transforms"):
        (folder / "fsaverage5" / name).mkdir(parents=True)
    for name, own in {"pia": "pial", "wm": "white", "inflated": "infl", "flat": "flat"}.items():
        for side, word in SIDES.items():
            mesh = nib.load(meshes() / f"{own}_{word}.gii.gz")
            nib.save(mesh, folder / "fsaverage5/surfaces" / f"{name}_{side}.gii")
    before, module.db.filestore = module.db.filestore, str(folder)
    module.db.reload_subjects()
    yield module
    module.db.filestore = before
    module.db.reload_subjects()


def test_pycortex_itself_loads_values_and_classes(cortex, figure, store):
    flat = store.flat_units("subj01")
    _, out = figure("flatmap", "map.hdf", "--layer", "2", "--threshold", "0")
    view = cortex.load(str(out)).views["map"]
    _, r, _ = store.layer_maps("subj01", "llava-demo", "IC", "mean_generated")
    np.testing.assert_array_equal(view.data, np.where(flat >= 0, r[2][flat], np.nan).astype("f4"))
    assert view.cmap == "viridis"
    asked = CODED[0][0]
    _, out = figure("flatmap", "winner.hdf", *options(asked))
    named, colours = coded(store, asked)
    expected = np.where(flat >= 0, named[flat], "")
    views = cortex.load(str(out)).views
    drawn = views["map"]
    assert type(drawn).__name__ == "VertexRGB"
    for name, colour in colours.items():
        for channel, level in zip((drawn.red, drawn.green, drawn.blue), colour):
            assert (channel.data[expected == name] == level).all()
    assert ((drawn.alpha.data > 0) == (expected != "")).all()
    labels = views["map_codes"].attrs["labels"]
    found = [labels[f"{code:.0f}"]["name"] if code == code else "" for code in views["map_codes"].data]
    assert found == expected.tolist()


def test_several_maps_are_several_files_and_views(figure, store):
    done, out = figure("flatmap", "map.func.gii", "--subject", "subj01,subj05", "--layer", "1")
    names = [
        out.with_name(f"map.{subject}.{side}.func.gii") for subject in ("subj01", "subj05") for side in ("lh", "rh")
    ]
    assert done.output.split() == [str(name) for name in names]
    done, out = figure("flatmap", "map.hdf", "--subject", "subj01,subj05", "--layer", "1", "--threshold", "0")
    _, r, _ = store.layer_maps("subj05", "llava-demo", "IC", "mean_generated")
    with h5py.File(out) as file:
        assert set(file["views"]) == {"subj01", "subj05"}
        (name,) = json.loads(file["views/subj05"][0])
        assert np.nanmax(file[f"data/{name}"]) == np.nanmax(r[1])


# --- Panels ---


def described(tmp_path, text):
    file = tmp_path / "figure.toml"
    file.write_text(text)
    return file


def test_the_shipped_example_makes_one_page(tmp_path):
    done = CliRunner().invoke(
        cli.main, ["figure", "panels", str(DATA / "figure-demo.toml"), "--out", str(tmp_path / "x.svg")]
    )
    assert done.exit_code == 0, done.output
    svg = (tmp_path / "x.svg").read_text()
    assert 'width="510.236' in svg  # 180 mm
    assert svg.count("<image ") == 4
    for text in (">a<", ">b<", ">c<", "SIMULATED DATA", "subj02, VQ1", "Areas are true to the numbers."):
        assert text in svg


PANELS = """
rows = ["ab"]
width_mm = 120
[panels.a]
kind = "rois"
regions = ["faces", "places"]
[panels.b]
kind = "variance"
b = "IU3"
title = "Shared"
"""


def test_panels_bundle_their_tables_and_links(figure, tmp_path):
    done, out = figure("panels", "x.zip", described(tmp_path, PANELS))
    assert done.exit_code == 0, done.output
    with zipfile.ZipFile(out) as files:
        about = json.loads(files.read("about.json"))
        assert {"data_a.csv", "data_b.parquet", "panels.pdf"} <= set(files.namelist())
        caption = files.read("caption.txt").decode()
    assert [panel["kind"] for panel in about["panels"]] == ["rois", "variance"]
    assert about["figure"]["width_mm"] == 120
    assert "(b) Shared." in caption


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('rows = ["ab"]', 'rows = ["aba"]'), "panel 'a' is in two places"),
        (('rows = ["ab"]', 'rows = ["abc"]'), "panel 'c' has no section"),
        (('rows = ["ab"]', 'rows = ["a"]'), "panel 'b' has a section but is in no row"),
        (('rows = ["ab"]', "rows = 3"), "expected texts such as"),
        (('kind = "rois"', 'kind = "roi"'), "panel a: no kind of figure 'roi'; did you mean rois?"),
        (('b = "IU3"', 'bb = "IU3"'), "panel b: variance takes no 'bb'; did you mean b?"),
        (("width_mm = 120", "width = 120"), "'width' is not known"),
        (("width_mm = 120", 'width_mm = "wide"'), "expected a number"),
        (("[panels.a]", "[panels.a"), "is not a TOML file"),
    ],
)
def test_a_bad_description_is_one_line(figure, tmp_path, change, said):
    done, _ = figure("panels", "x.pdf", described(tmp_path, PANELS.replace(*change)))
    assert done.exit_code == 1
    assert said in done.output
    assert len(done.output.strip().splitlines()) == 1
