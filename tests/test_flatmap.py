"""Messages to the flatmap and the page that sends them, read back as the browser reads them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from hypothesis.extra.numpy import array_shapes, arrays
from matplotlib import colormaps
from matplotlib.path import Path
from stores import N_UNITS, ROIS, SUBJECTS, responses, tiny_store
from streamlit.testing.v1 import AppTest

from brainalign import surface
from brainalign.atlas.place import contrasts
from brainalign.figures import flatmap
from brainalign.figures.flatmap import CHOSEN, palettes, payload, pictures, regions
from brainalign.paper.asked import Asked
from brainalign.store import open_latest
from brainalign.tables import DATA

PAGE = str(DATA.parent / "pages" / "flatmaps.py")
FLOATS = some.floats(-1e3, 1e3, width=32) | some.just(np.nan)


# Messages ----------------------------------------------------------------------------------------------------


@given(arrays("f4", array_shapes(max_dims=2), elements=FLOATS), some.text())
def test_a_message_comes_back_as_it_was_sent(values, text):
    message = payload.encode({"text": text}, values=values, other=np.arange(3, dtype="u1"))
    header, found = payload.decode(message)
    assert header == {"text": text}
    np.testing.assert_array_equal(found["values"], values)
    np.testing.assert_array_equal(found["other"], [0, 1, 2])


@given(arrays("f4", 40, elements=FLOATS), some.sampled_from([600_000, 0]))
def test_quantised_values_are_off_by_half_a_step_at_most_and_nan_stays_nan(values, small):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(payload, "SMALL", small)
        codes, reading = payload.quantise(values)
    assert codes.dtype == (np.uint16 if small else np.uint8)
    np.testing.assert_array_equal(np.isnan(payload.read(codes, **reading)), np.isnan(values))
    if np.isfinite(values).any():
        width = np.nanmax(values.astype("f8")) - np.nanmin(values)
        error = np.nanmax(np.abs(payload.read(codes, **reading) - values))
        assert error <= 0.5001 * width / (65534 if small else 254) + 1e-12


def test_large_maps_take_one_byte_a_value():
    assert payload.quantise(np.zeros((33, 15_724)))[0].dtype == np.uint8
    assert payload.quantise(np.zeros((5, 15_724)))[0].dtype == np.uint16


@pytest.mark.parametrize(
    ("values", "diverging", "expected"),
    [
        (np.linspace(-0.2, 0.58, 1000), False, (0.0, 0.6)),
        (np.linspace(-0.2, 0.093, 1000), True, (-0.2, 0.2)),
        (np.full(9, np.nan), False, (0.0, 1.0)),
        (np.full(9, -0.3), False, (0.0, 1.0)),
        (np.zeros(9), True, (-1.0, 1.0)),
    ],
)
def test_limits_are_round_and_symmetric_for_differences(values, diverging, expected):
    assert palettes.limits(values, diverging) == pytest.approx(expected)


@pytest.mark.parametrize(("low", "high"), [(0, 0.6), (0, 1), (-0.25, 0.25), (0, 80), (-0.0015, 0.0015), (0, 0.03)])
def test_ticks_are_where_their_numbers_are(low, high):
    ticks = palettes.ticks(low, high)
    assert 3 <= len(ticks) <= 9
    for place, text in ticks:
        assert low + place * (high - low) == pytest.approx(float(text.replace("−", "-")), abs=1e-9)


def test_palettes_are_matplotlibs_and_the_sequential_one_grows_lighter():
    assert (palettes.table("sequential") == np.rint(255 * colormaps["viridis"](range(256))[:, :3])).all()
    lightness = palettes.table("sequential") @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) > -1).all()
    middle = palettes.table("diverging").astype(int)
    assert (middle[127:129] > 240).all()


def test_a_subjects_part_holds_its_units_and_outlines():
    geometry = surface.flat_geometry(256, 128)
    near = np.hypot(*(geometry.xy - [60, 60]).T) < 12
    flat = np.where(near, 3, np.where(np.hypot(*(geometry.xy - [200, 70]).T) < 12, 9, -1))
    name, message = flatmap.subject_part(geometry, flat, {"A": np.array([3]), "B": np.array([9])}, np.arange(12.0))
    header, found = payload.decode(message)
    assert header["name"] == name
    members = np.unpackbits(found["members"], axis=1, count=12).astype(bool)
    assert [np.flatnonzero(row).tolist() for row in members] == [[3], [9]]
    np.testing.assert_array_equal(found["vertex_unit"], flat)
    lengths = [n for lines in header["outlines"] for n in lines]
    assert sum(lengths) == len(found["points"])
    first = found["points"][: lengths[0]]
    assert np.abs(first.mean(0) - [60, 60]).max() < 3
    assert np.abs(np.array(header["labels"][0][0]) - [60, 60]).max() < 4
    changed = flatmap.subject_part(geometry, flat, {"A": np.array([3]), "B": np.array([9])}, np.arange(12.0) + 1)
    assert changed[0] != name


def test_the_solid_part_is_fsaverage5s_meshes():
    header, found = payload.decode(flatmap.solid_part())
    for kind in ("infl", "pial"):
        xyz, faces = surface.mesh(kind)
        reading = header["reading"][kind]
        np.testing.assert_allclose(payload.read(found[kind], **reading), xyz, atol=0.002)
        left = found["faces"].astype(int)
        np.testing.assert_array_equal(np.concatenate([left, left + surface.N_VERTICES // 2]), faces)
    other = surface.FlatGeometry(
        np.zeros((2, 2), "i4"), np.zeros(3, "f4"), np.zeros((3, 2), "f4"), np.array([[0, 1, 2]])
    )
    assert (flatmap.solid_name(other), flatmap.solid_name(surface.flat_geometry(256, 128))) == ("", header["name"])


def test_the_difference_of_models_with_other_layers_is_best_with_best():
    a = flatmap.Picture(np.array([[0.1, 0.2], [0.5, 0.4]]), (0, 1), "r", "r", "a")
    b = flatmap.Picture(np.array([[0.1, np.nan], [0.3, 0.1], [0.0, 0.0]]), (0, 6, 12), "r", "r", "b")
    picture = pictures.difference(a, b, "b")
    np.testing.assert_allclose(picture.values, [[0.2, 0.3]])
    assert picture.layers == (1,)
    assert "best layer is 6" in picture.about
    same = pictures.difference(a, a, "a")
    np.testing.assert_array_equal(same.values, np.zeros((2, 2)))
    assert same.layers == (0, 1)


# The page ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tiny_store(tmp_path_factory.mktemp("flatmaps"))


@pytest.fixture
def open_page(path, monkeypatch):
    monkeypatch.setenv("BRAINALIGN_STORE", str(path))

    def open_page(**link):
        app = AppTest.from_file(PAGE, default_timeout=30)
        for key, value in link.items():
            app.query_params[key] = value
        return run(app)

    return open_page


def run(app):
    app.run()
    assert not app.exception, app.exception[0].stack_trace
    return app


def sent(app):
    """(header, values (n_layers, n_units)) of the map, and the two parts."""
    messages = [payload.decode(shown.proto.bytes) for shown in app.get("bidi_component") if shown.proto.bytes]
    header, found = next(one for one in messages if one[0]["kind"] == "map")
    values = payload.read(found["codes"], header["low"], header["step"], header["missing"])
    values = values.reshape(-1 if len(header["subjects"]) > 1 else len(header["layers"]), N_UNITS)
    header["also"] = found
    return header, values, {one[0]["name"]: one for one in messages if one[0]["kind"] == "part"}


def texts(app):
    return " ".join(element.value for element in [*app.caption, *app.text])


def same(found, expected, header):
    np.testing.assert_array_equal(np.isnan(found), ~np.isfinite(expected))
    np.testing.assert_allclose(found, expected, atol=0.51 * header["step"])


def test_the_page_sends_all_layers_of_the_chosen_map(open_page, path):
    app = open_page(subject="subj02", model="llava-demo", instruction="VQ1", pooling="mean_generated", layer="1")
    header, values, parts = sent(app)
    with open_latest(path) as store:
        layers, r, _ = store.layer_maps("subj02", "llava-demo", "VQ1", "mean_generated")
        chosen = store.nested_map("subj02", "llava-demo", "VQ1", "mean_generated")["r"]
        same(values, np.vstack([chosen, r]), header)
        np.testing.assert_array_equal(parts[header["subjects"][0]][1]["vertex_unit"], store.flat_units("subj02"))
        np.testing.assert_array_equal(parts[header["surface"]][1]["pixel_vertex"], store.geometry().pixel_vertex)
    assert header["layers"] == [CHOSEN, *layers]
    assert header["start"]["layer"] == 1
    shown = np.isfinite(r[1]) & (np.linspace(60, 5, N_UNITS) >= 10)
    assert f"{shown.sum()} of 300 units" in texts(app)
    assert "llava-demo with VQ1, layer 1. subj02, 10 test images shown 2.5 times" in texts(app)


@pytest.mark.parametrize(
    "quantity", ["r2", "r_norm", "nc", "across", "layer", "shared", "unique_a", "unique_b", "unique"]
)
def test_each_quantity_shows_the_stores_numbers(open_page, path, quantity):
    app = open_page(subject="subj01", quantity=quantity, instruction="IC", pooling="last_prompt")
    header, values, _ = sent(app)
    with open_latest(path) as store:
        _, r, r2 = store.layer_maps("subj01", "llava-demo", "IC", "last_prompt")
        nc = store.noise_ceiling("subj01")
        chosen = store.nested_map("subj01", "llava-demo", "IC", "last_prompt")
        across = store.units("subj01").across_r.to_numpy()
        parts = store.variance_map("subj01", "llava-demo", "IC", "VQ1", "mean_generated")
        unique = store.unique_map("subj01", "llava-demo", "IC", "mean_generated")
    r, r2 = np.vstack([chosen["r"], r]), np.vstack([chosen["r2"], r2])
    expected = {"r2": r2, "r_norm": np.where(nc >= 10, r / np.sqrt(nc / 100), np.nan), "nc": nc[None]}
    expected |= {"across": across[None], "layer": chosen["layer"][None], "unique": unique[None]}
    same(values, expected[quantity] if quantity in expected else parts[quantity][None], header)
    if quantity in parts or quantity == "unique":
        assert header["limits"][0] == -header["limits"][1]


def test_a_difference_has_symmetric_limits(open_page, path):
    app = open_page(instruction="VQ1", difference="True", minus_model="llava-demo", minus_instruction="IU3")
    header, values, _ = sent(app)
    with open_latest(path) as store:
        _, a, _ = store.layer_maps("subj01", "llava-demo", "VQ1", "mean_generated")
        _, b, _ = store.layer_maps("subj01", "llava-demo", "IU3", "mean_generated")
        chosen = [store.nested_map("subj01", "llava-demo", i, "mean_generated")["r"] for i in ("VQ1", "IU3")]
    same(values, np.vstack([chosen[0] - chosen[1], a - b]), header)
    assert header["limits"][0] == -header["limits"][1] < 0
    assert "llava-demo with VQ1 minus llava-demo with IU3" in texts(app)


def test_a_vision_model_needs_no_instruction(open_page, path):
    header, values, _ = sent(open_page(model="vit-demo"))
    with open_latest(path) as store:
        same(values[1:], store.layer_maps("subj01", "vit-demo", "", "mean_image")[1], header)


def test_a_unit_in_the_link_shows_its_exact_values(open_page, path):
    app = open_page(subject="subj01", instruction="IU3", pooling="last_prompt", unit="70")
    with open_latest(path) as store:
        maps = store.nested_map("subj01", "llava-demo", "IU3", "last_prompt")
    table = app.dataframe[0].value
    assert len(table) == 7  # three instructions in two poolings, and the ViT
    assert (table.r.diff().dropna() <= 0).all()
    row = table[(table.instruction == "IU3") & (table["states of"] == "the last word before the answer")].iloc[0]
    assert (row.r, row["R²"], np.float32(row.q), row.layer) == tuple(
        maps[name][70] for name in ("r", "r2", "q", "layer")
    )
    assert "Unit 70 of subj01: FFA, visual cortex (nsdgeneral); noise ceiling 47.12 %" in texts(app)
    assert sent(app)[0]["start"]["unit"] == 70


def test_another_subject_drops_the_unit_and_keeps_the_rest(open_page):
    app = open_page(subject="subj01", unit="70", layer="2", threshold="20")
    before = sent(app)[0]
    app.selectbox[0].set_value(SUBJECTS[1])
    after = sent(run(app))[0]
    assert after["subjects"] != before["subjects"]
    assert not app.dataframe
    link = {key: app.query_params.get(key) for key in ("subject", "layer", "threshold", "unit")}
    assert link == {"subject": SUBJECTS[1], "layer": "2", "threshold": "20", "unit": None}


def test_another_map_starts_nothing_anew(open_page):
    app = open_page()
    before = sent(app)[0]
    assert before["start"]["layer"] == CHOSEN
    app.selectbox[3].set_value("VQ1")
    after = sent(run(app))[0]
    assert after["key"] != before["key"]
    assert after["start"] == before["start"]


@pytest.mark.parametrize("link", [{"unit": "99999", "layer": "77"}, {"unit": "<b>", "layer": "-1", "quantity": "x"}])
def test_a_link_with_nonsense_still_shows_a_map(open_page, link):
    assert np.isfinite(sent(open_page(**link))[1]).any()


def test_outlines_follow_the_choice(open_page):
    assert sent(open_page(outlines="areas"))[0]["rois"] == [name for name in ROIS if "nsdgeneral" not in name]
    assert sent(open_page(outlines="none"))[0]["rois"] == []


def test_outlines_of_chosen_families(open_page):
    assert sent(open_page(outlines="chosen", families="places", lines="bold"))[0]["rois"] == ["PPA"]
    assert sent(open_page(outlines="chosen", families="places", lines="bold"))[0]["width"] == 1.8


def test_winners_are_the_highest_of_the_chosen_layers_and_small_leads_are_ties(open_page, path):
    app = open_page(
        quantity="winner", among="instructions", model="llava-demo", pooling="mean_generated", margin="0.05"
    )
    header, values, _ = sent(app)
    with open_latest(path) as store:
        maps = [store.nested_map("subj01", "llava-demo", i, "mean_generated")["r"] for i in ("IC", "VQ1", "IU3")]
        nc = store.noise_ceiling("subj01")
    ranked = np.sort(maps, axis=0)
    assert [name for name, _ in header["classes"]] == ["IC", "VQ1", "IU3", "tie"]
    known = np.isfinite(maps[0])
    np.testing.assert_array_equal(np.rint(values[0][known]), np.argmax(np.stack(maps)[:, known], axis=0))
    np.testing.assert_allclose(header["also"]["lead"][known], (ranked[-1] - ranked[-2])[known], atol=1e-6)
    assert header["start"]["margin"] == 0.05
    assert f"{(known & (nc >= 10)).sum()} of 300 units" in texts(app)
    assert "no more than 0.05 behind" in texts(app)
    assert "subj01 κ = 0.31 (95th percentile by chance 0.06, p ≤ 1/101), AMI = 0.10" in texts(app)


def badges(app):
    return [item.value for item in app.markdown if "-badge[" in item.value]


def test_winners_that_the_other_half_of_the_images_denies_carry_a_badge(open_page):
    link = {"quantity": "winner", "among": "instructions", "model": "llava-demo", "pooling": "mean_generated"}
    assert not [one for one in badges(open_page(**link)) if "reliable" in one]
    (one,) = [one for one in badges(open_page(**link, subject="subj05")) if "reliable" in one]
    assert "winners hardly reliable, κ = 0.02" in one
    (several,) = [one for one in badges(open_page(**link, subject="all")) if "reliable" in one]
    assert "κ = 0.02 (subj05)" in several
    assert "p = 0.40" in texts(open_page(**link, subject="subj05"))


def test_winners_among_models(open_page, path):
    header, values, _ = sent(open_page(quantity="winner", among="models", instruction="VQ1", pooling="last_prompt"))
    maps = [("llava-demo", "VQ1", "mean_generated"), ("vit-demo", "", "mean_image")]
    with open_latest(path) as store:
        r = np.stack([store.nested_map("subj01", *one)["r"] for one in maps])
    known = np.isfinite(r).all(0)
    np.testing.assert_array_equal(np.rint(values[0][known]), r[:, known].argmax(0))
    assert not header["ordered"]


def test_winners_among_layers_are_chosen_by_training_images(open_page, path):
    """The layer with the highest test r would be picked by the numbers it is then praised for."""
    header, values, _ = sent(open_page(quantity="winner", among="layers", instruction="VQ1", pooling="last_prompt"))
    with open_latest(path) as store:
        chosen = store.nested_map("subj01", "llava-demo", "VQ1", "last_prompt")["layer"]
        best = store.layer_maps("subj01", "llava-demo", "VQ1", "last_prompt")[1].argmax(0)
    known = np.isfinite(chosen)
    np.testing.assert_array_equal(np.rint(values[0][known]), chosen[known])
    assert (best[known] != chosen[known]).any()
    assert "left-out training images" in header["about"]
    assert header["ordered"]


def test_colours_fade_with_the_noise_ceiling_or_without_significance(open_page, path):
    with open_latest(path) as store:
        nc, q = store.noise_ceiling("subj01"), store.nested_map("subj01", "llava-demo", "IC", "mean_generated")["q"]
    header, values, _ = sent(open_page(second="ceiling"))
    top = float(header["second"]["ticks"][-1][1])
    np.testing.assert_array_equal(header["also"]["weights"], np.rint(255 * np.clip(nc / top, 0, 1)))
    app = open_page(second="q")
    assert "Significance: q over the 294 reliable units of one map" in texts(app)
    header, values, _ = sent(app)
    assert header["layers"] == [CHOSEN]
    assert len(values) == 1
    words = {int(weight): text for weight, text in header["second"]["words"].items()}
    for weight, one in zip(header["also"]["weights"].tolist(), q):
        assert words[weight] == ("q < 0.01" if one < 0.01 else "q ≥ 0.05")


def test_all_subjects_share_limits_and_layers(open_page, path):
    header, values, parts = sent(open_page(subject="all", instruction="VQ1", pooling="last_prompt"))
    assert header["titles"] == list(SUBJECTS)
    assert set(header["subjects"]) <= set(parts)
    with open_latest(path) as store:
        maps = [store.layer_maps(subject, "llava-demo", "VQ1", "last_prompt")[1] for subject in SUBJECTS]
        chosen = [store.nested_map(subject, "llava-demo", "VQ1", "last_prompt")["r"] for subject in SUBJECTS]
    expected = [np.vstack([a, b]) for a, b in zip(chosen, maps)]
    same(values, np.concatenate(expected), header)
    assert tuple(header["limits"]) == palettes.limits(np.concatenate(expected))


def test_statistics_of_a_region_are_those_of_its_shown_units(open_page, path):
    app = open_page(region="PPA", threshold="30", instruction="VQ1", pooling="last_prompt")
    with open_latest(path) as store:
        r = store.nested_map("subj01", "llava-demo", "VQ1", "last_prompt")["r"]
        nc = store.noise_ceiling("subj01")
        tested = store.rows("roi_nested", subject="subj01", instruction="VQ1", pooling="last_prompt", roi="PPA")
    inside = np.zeros(N_UNITS, bool)
    inside[ROIS["PPA"]] = True
    own = inside & (nc >= 30) & np.isfinite(r)
    row = app.dataframe[0].value.iloc[0]
    assert (row["units shown"], row["units in the region"]) == (own.sum(), 70)
    assert row["median"] == pytest.approx(np.median(r[own]))
    assert row["median share of the ceiling"] == pytest.approx(np.median(r[own] / np.sqrt(nc[own] / 100)))
    assert (row["mean"], row["95 % interval from"]) == (tested.r[0], tested.r_low[0])
    assert row["reliable units"] == tested.n[0] != row["units shown"]
    assert "the region's reliable units, shown or not" in texts(app)
    fixed = open_page(region="PPA", threshold="30", instruction="VQ1", pooling="last_prompt", layer="1")
    assert "mean" not in fixed.dataframe[0].value
    assert "known at the layer that training images choose" in texts(fixed)


def test_statistics_of_winners_are_shares(open_page):
    app = open_page(quantity="winner", among="instructions", pooling="mean_generated", region="V1", margin="0")
    row = app.dataframe[0].value.iloc[0]
    assert row[["IC %", "VQ1 %", "IU3 %", "tie %"]].sum() == pytest.approx(100)
    assert row["tie %"] == 0


def test_a_place_shows_the_pictures_it_responds_to_most_with_their_answers(open_page):
    app = open_page(unit="70", instruction="VQ1")
    best = sorted(responses(), key=lambda image: -responses()[image][70])[:6]
    shown = texts(app).split("picture ")[1:]
    assert [int(text.split(":")[0]) for text in shown] == best
    assert f"VQ1: a dog <b>and</b> {best[0]} cats" in texts(app)
    assert len(app.get("image")) == 6


def test_a_drawn_region_holds_the_units_inside(open_page, path):
    box = [150, 20, 250, 20, 250, 100, 150, 100]
    app = open_page(region="drawn", lasso=",".join(map(str, box)), threshold="0")
    assert sent(app)[0]["lasso"] == box
    with open_latest(path) as store:
        x, y = store.geometry().xy.T
        units = np.unique(store.flat_units("subj01")[(x > 150) & (x < 250) & (y > 20) & (y < 100)])
    assert app.dataframe[0].value["units in the region"][0] == (units >= 0).sum()
    assert "A region drawn by hand has no 95 % interval" in texts(app)


def test_a_difference_comes_with_its_paired_test(open_page):
    app = open_page(instruction="VQ1", difference="True", minus_instruction="IC")
    table = app.dataframe[0].value
    row = table[table.region == "FFA"].iloc[0]
    assert (row.difference, row["95 % from"], row["to"]) == pytest.approx((-0.1, -0.14, -0.06))
    assert row.q == pytest.approx(0.002)
    assert table[table.holds].region.tolist() == ["FFA"]
    assert "(q < 0.05) in 1 of 3 areas: FFA −0.100." in texts(app)
    none = open_page(instruction="IU3", difference="True", minus_instruction="VQ1")
    assert "holds in none of 3 areas" in texts(none)


def test_a_map_minus_itself_is_not_drawn_and_not_tested(open_page, path):
    """The store's tests within one map, of its high against its early areas, are none of two maps."""
    app = open_page(instruction="IC", difference="True", minus_instruction="IC")
    assert [item.value for item in app.info] == [
        "llava-demo with IC minus itself is 0 everywhere; subtract another map"
    ]
    assert not app.dataframe
    same = Asked("r", (one := ("llava-demo", "IC", "mean_generated")), one)
    with open_latest(path) as store:
        assert contrasts(store, "subj01", same) is None


@pytest.mark.parametrize(
    ("asked", "offered"),
    [
        ({"threshold": "5000"}, {"threshold": "60"}),
        ({"layer": "99"}, {"layer": "3"}),
        ({"quantity": "winner", "margin": "0.9"}, {"margin": "0.1"}),
        ({"unit": "300"}, {"unit": None}),
    ],
    ids=str,
)
def test_numbers_of_a_link_are_brought_to_what_the_map_offers(open_page, asked, offered):
    app = open_page(**asked)
    start = sent(app)[0]["start"]
    for key, value in offered.items():
        assert start[key] == (None if value is None else float(value))
        assert app.query_params.get(key) == value


def test_a_link_with_everything_is_kept(open_page):
    link = {"zoom": "2.50,120,60", "layer": "chosen", "threshold": "12", "margin": "0.0075", "unit": "9"}
    app = open_page(**link, quantity="winner")
    start = sent(app)[0]["start"]
    assert (start["zoom"], start["layer"], start["margin"]) == ("2.50,120,60", CHOSEN, 0.0075)
    assert {key: app.query_params.get(key) for key in link} == link


def test_three_dimensions_are_sent_once_they_are_asked_for(open_page):
    assert flatmap.SOLID not in sent(open_page())[2]
    link = {"solid": "True", "surface": "pial", "side": "-12,3,0,1.50,3,-4"}
    app = open_page(**link)
    header, _, parts = sent(app)
    assert header["solid"] in parts
    assert {key: header["start"][key] for key in link} == link
    assert {key: app.query_params.get(key) for key in link} == link
    app = open_page(solid="<b>", surface="white", side="1,2")
    assert not set(link) & set(sent(app)[0]["start"])


# Regions and colours -----------------------------------------------------------------------------------------


@given(some.lists(some.floats(0.5, 15), min_size=3, max_size=30))
def test_enclosed_is_matplotlibs_inside(radii):
    turn = np.linspace(0, 2 * np.pi, len(radii), endpoint=False)
    corners = np.array(radii)[:, None] * np.c_[np.cos(turn), np.sin(turn)] + 15
    points = np.random.default_rng(0).uniform(0, 30, (200, 2))
    np.testing.assert_array_equal(regions.enclosed(points, corners), Path(corners).contains_points(points))


def test_labels_are_read_by_nibabel(tmp_path):
    import nibabel as nib

    inside = np.zeros(2 * regions.HALF, bool)
    inside[[5, 7, regions.HALF + 3]] = True
    files = regions.labels("my region", inside, "label")
    assert list(files) == ["lh.my_region.label", "rh.my_region.label"]
    (tmp_path / "a.label").write_bytes(files["lh.my_region.label"])
    np.testing.assert_array_equal(nib.freesurfer.read_label(tmp_path / "a.label"), [5, 7])
    row = files["rh.my_region.label"].decode().splitlines()[2].split()
    assert int(row[0]) == 3
    np.testing.assert_allclose(
        [float(part) for part in row[1:4]], surface.mesh("white")[0][regions.HALF + 3], atol=1e-3
    )
    (found,) = regions.labels("left", inside & (np.arange(len(inside)) < 9), "gii").values()
    image = nib.GiftiImage.from_bytes(found)
    np.testing.assert_array_equal(np.flatnonzero(image.darrays[0].data), [5, 7])
    assert image.labeltable.get_labels_as_dict()[1] == "left"


MACHADO = {  # Machado et al. 2009, severity 1: what dichromats see, in linear RGB
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("kind", MACHADO)
@pytest.mark.parametrize("name", palettes.PALETTES)
def test_palettes_are_told_apart_by_colour_blind_readers(kind, name):
    lab = _lab(palettes.table(name)[::16] / 255, np.array(MACHADO[kind]))
    distance = np.linalg.norm(lab[:, None] - lab[None], axis=2)
    apart = np.abs(np.subtract.outer(np.arange(16), np.arange(16)))
    assert distance[apart >= 4].min() > 12  # a just noticeable difference is about 2.3


def _lab(rgb, matrix):
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ matrix.T
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = (linear.clip(0, 1) @ to_xyz.T / [0.9505, 1, 1.089]).T
    f = [np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16) / 116) for t in (x, y, z)]
    return np.stack([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])], axis=1)


@given(some.integers(0, 255), some.integers(0, 255), some.integers(0, 255))
def test_mixing_is_within_half_a_step_of_the_exact_colour(colour, weight, ground):
    found = palettes.mix(np.array([colour]), np.array([weight]), np.array([ground]))[0]
    assert abs(found - (colour * weight + ground * (255 - weight)) / 255) <= 0.5


def test_the_class_of_a_number_has_its_own_colour():
    classes = tuple((str(k), f"#{k:02x}0000") for k in range(1, 34))
    picture = flatmap.Picture(np.arange(33.0)[None], (0,), "", "", "", classes=classes, layered=False)
    found = palettes.unit_colours(picture.values[0], palettes.limits_of([picture]), palettes.table_of(picture))
    np.testing.assert_array_equal(found[:, 0], range(1, 34))


def test_limits_of_a_difference_are_those_of_the_map_shown_first():
    values = np.stack([np.linspace(-0.1, 0.1, 100), np.linspace(-0.9, 0.9, 100)])
    picture = flatmap.Picture(values, (CHOSEN, 0), "", "", "", diverging=True, first=CHOSEN)
    assert palettes.limits_of([picture]) == (-0.1, 0.1)
