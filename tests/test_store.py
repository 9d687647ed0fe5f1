"""The store answers as a search through the plain tables would, and a new version replaces the old one at once."""

import os
import threading

import duckdb
import numpy as np
import pandas as pd
import pytest
from stores import (
    DIMS,
    INSTRUCTIONS,
    N_UNITS,
    SUBJECTS,
    info,
    maps,
    nested,
    scores,
    tables,
    tiny_store,
    units,
    variance,
)

from brainalign import store, surface
from brainalign.files import compact


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    with store.Store(tiny_store(tmp_path_factory.mktemp("tiny"))) as opened:
        yield opened


def brute(frame, **values):
    """Rows of a table where all columns have the values named."""
    for name, value in values.items():
        frame = frame[frame[name] == value]
    return frame


def test_a_map_is_the_column_of_the_plain_table(tiny):
    for key in maps():
        subject, model, instruction, layer, pooling = key
        rows = brute(
            scores(), subject=subject, model=model, instruction=instruction, layer=layer, pooling=pooling
        ).sort_values("unit")
        r, r2 = tiny.unit_map(*key)
        np.testing.assert_array_equal(r, rows.r.to_numpy())
        np.testing.assert_array_equal(r2, rows.r2.to_numpy())


def test_layer_maps_are_the_maps_of_each_layer(tiny):
    layers, r, r2 = tiny.layer_maps("subj02", "llava-demo", "VQ1", "last_prompt")
    assert layers == [0, 1, 2, 3]
    for k, layer in enumerate(layers):
        one_r, one_r2 = tiny.unit_map("subj02", "llava-demo", "VQ1", layer, "last_prompt")
        np.testing.assert_array_equal(r[k], one_r)
        np.testing.assert_array_equal(r2[k], one_r2)


def test_what_is_there(tiny):
    assert tiny.models() == ["llava-demo", "vit-demo"]
    assert tiny.instructions("llava-demo") == ["IC", "VQ1", "IU3"]  # the table's order, not the alphabet's
    assert tiny.instructions("vit-demo") == [""]
    assert tiny.layers("vit-demo") == [0, 1, 2, 3]
    assert tiny.poolings("llava-demo") == ["last_prompt", "mean_generated"]
    assert tiny.subjects().subject.tolist() == list(SUBJECTS)
    assert tiny.info()["study_name"] == "tiny"
    assert tiny.simulated
    counts = scores().drop_duplicates(["subject", "model", "instruction", "layer", "pooling"])
    expected = counts.groupby(["subject", "model", "instruction"]).size()
    found = tiny.coverage().set_index(["subject", "model", "instruction"]).maps
    pd.testing.assert_series_equal(found.sort_index(), expected, check_names=False, check_dtype=False)


def test_units_and_regions(tiny):
    plain = brute(units(), subject="subj05").reset_index(drop=True)
    np.testing.assert_allclose(tiny.noise_ceiling("subj05"), plain.nc, rtol=1e-6)
    pd.testing.assert_frame_equal(tiny.units("subj05"), plain.drop(columns="subject"), check_dtype=False)
    regions = tiny.rois("subj05")
    assert list(regions) == ["V1", "FFA", "PPA", "visual cortex (nsdgeneral)"]
    assert regions["FFA"].tolist() == list(range(60, 110))


@pytest.mark.parametrize(
    "where", [{}, {"subject": "subj01"}, {"model": "vit-demo", "layer": 0}, {"roi": "FFA", "instruction": ""}]
)
def test_roi_scores_are_filtered_as_asked(tiny, where):
    plain = brute(pd.concat(tables()["roi_scores"]), **where)
    found = tiny.roi_scores(**where)
    key = ["subject", "model", "instruction", "layer", "pooling", "roi"]
    assert len(found) == len(plain) > 0
    plain = plain.sort_values(key)[list(found.columns)].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, plain, check_dtype=False, rtol=1e-6)


def test_partitions(tiny):
    parts = tiny.variance_map("subj01", "llava-demo", "IC", "IU3", "mean_generated")
    rows = brute(variance(), subject="subj01", b="IU3").sort_values("unit")
    for name, values in parts.items():
        np.testing.assert_allclose(values, rows[name], rtol=1e-6, atol=1e-7)
    assert len(tiny.pairs()) == len(SUBJECTS) * (len(INSTRUCTIONS) - 1)
    regions = tiny.roi_variance(subject="subj01", b="IU3", roi="visual cortex (nsdgeneral)").iloc[0]
    assert regions.n < regions.n_all == 280
    inside = rows[(rows.unit < 280) & (rows.unit % 50 > 0)]
    assert regions.shared == pytest.approx(inside.shared.mean(), rel=1e-5)
    assert regions.unique_b_negative == pytest.approx((inside.unique_b < 0).mean(), rel=1e-5)


def test_chosen_layers_and_unique_variance(tiny):
    key = {"subject": "subj02", "model": "llava-demo", "instruction": "VQ1", "pooling": "last_prompt"}
    found, rows = tiny.nested_map(**key), brute(nested(), **key).sort_values("unit")
    assert sorted(set(found["layer"])) == [2, 3]
    for name, values in found.items():
        np.testing.assert_allclose(values, rows[name], rtol=1e-6)
    found = tiny.unique_map("subj02", "llava-demo", "IC", "mean_generated")
    assert found.mean() == pytest.approx(0.05, abs=1e-6)
    assert len(tiny.rows("roi_triples", subject="subj01", roi="V1")) == 7
    assert tiny.rows("roi_contrasts", subject="subj01", roi="high - early").difference.item() > 0


def test_a_table_or_column_that_is_not_there(tiny):
    with pytest.raises(ValueError, match="no table 'score'; it has store, models"):
        tiny.rows("score")
    with pytest.raises(ValueError, match="roi_scores has no column 'r OR true'; it has subject"):
        tiny.rows("roi_scores", **{"r OR true": 1})


def test_a_store_of_an_earlier_version_lacks_tables_and_says_so(tmp_path):
    path = tiny_store(tmp_path)
    with duckdb.connect(str(path)) as db:
        db.execute("DROP TABLE roi_nested; DROP TABLE nested")
    with store.Store(path) as old:
        assert old.rows("roi_nested").empty
        with pytest.raises(ValueError, match="earlier version and has no nested; publish it again"):
            old.nested_map("subj02", "llava-demo", "VQ1", "last_prompt")


def test_pictures_answers_and_surface(tiny):
    assert tiny.image_ids().tolist() == list(range(0, 120, 3))
    assert tiny.image_ids(shared=True).tolist() == list(range(0, 30, 3))
    assert tiny.image_ids("subj02").tolist() == list(range(0, 30, 3))
    assert len(tiny.image_ids("subj01", shared=False)) == 30
    assert tiny.answer("llava-demo", "IC", 9) == "IC: a dog <b>and</b> 9 cats"
    assert tiny.answer("llava-demo", "IC", 1) is None
    assert tiny.search("B> 9 CATS").tolist() == [9]
    assert tiny.search("<b>and</b> 9 cats").tolist() == [9]
    assert tiny.search("cats", shared=True).tolist() == list(range(0, 30, 3))
    assert tiny.search("%").tolist() == []
    flat = surface.flat_geometry(256, 128)
    assert tiny.geometry().hash == flat.hash
    shown = tiny.flat_units("subj02")
    assert shown.shape == (surface.N_VERTICES,)
    assert set(shown.tolist()) == set(range(-1, N_UNITS))


def test_a_picture_has_its_coco_id_beside_nsds_numbers_where_it_is_known(tiny, tmp_path):
    assert tiny.coco_ids([0, 3]) == {}
    assert tiny.numbered(3) == "3"
    known = tables()
    known["images"] = [known["images"][0].assign(coco_id=pd.array([391895] + [None] * 39, "Int32"))]
    path = store.write(tmp_path, known, info())
    with store.Store(path) as found:
        assert found.coco_ids(np.array([0, 3, 6])) == {0: 391895}
        assert [found.numbered(k) for k in (0, 3)] == ["0 (73KID 1, COCO 391895)", "3"]
        assert found.all_numbered(np.array([3, 0])) == ["3", "0 (73KID 1, COCO 391895)"]
    with duckdb.connect(str(path)) as db:
        db.execute("ALTER TABLE images DROP COLUMN coco_id")
    with store.Store(path) as earlier:
        assert earlier.image_ids().tolist() == tiny.image_ids().tolist()
        assert earlier.coco_ids([0]) == {}
        assert earlier.numbered(0) == "0"


def test_what_is_not_there_is_named(tiny):
    with pytest.raises(ValueError, match="no map of subj01, llava-demo, no instruction, layer 1, cls"):
        tiny.unit_map("subj01", "llava-demo", "", 1, "cls")
    with pytest.raises(ValueError, match=r"no subject 'subj08' in results-.*; it has subj01, subj02, subj05"):
        tiny.n_units("subj08")
    with pytest.raises(ValueError, match=r"no variance of subj01 with .*b .SR."):
        tiny.variance_map("subj01", "llava-demo", "IC", "SR", "mean_generated")


@pytest.mark.parametrize("name", ["x' OR 1=1 --", 'x"; DROP TABLE scores; --'])
def test_text_from_a_link_is_never_sql(tiny, name):
    assert tiny.roi_scores(subject=name).empty
    assert tiny.answer(name, "IC", 3) is None
    with pytest.raises(ValueError, match="no maps of"):
        tiny.layer_maps("subj01", name, "IC", "last_prompt")


def test_threads_share_one_store(tiny):
    keys, wrong = list(maps()), []
    expected = {key: tiny.unit_map(*key)[0] for key in keys}

    def read(seed):
        for k in np.random.default_rng(seed).permutation(len(keys)):
            if not np.array_equal(tiny.unit_map(*keys[k])[0], expected[keys[k]], equal_nan=True):
                wrong.append(keys[k])

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# Versions ----------------------------------------------------------------------------------------------------


def test_the_same_tables_give_the_same_version_and_others_another(tmp_path):
    first, again = tiny_store(tmp_path / "a"), tiny_store(tmp_path / "b")
    assert first.name == again.name
    other = tables()
    other["scores"] = [scores().assign(r=scores().r + np.float32(0.001))]
    assert store.write(tmp_path / "a", other, info()).name != first.name
    assert tiny_store(tmp_path / "a", study_name="renamed").name != first.name


def test_a_new_version_is_switched_to_while_the_old_one_is_open(tmp_path):
    old_path = tiny_store(tmp_path)
    with store.open_latest(tmp_path) as old:
        before = old.unit_map("subj01", "vit-demo", "", 0, "mean_image")[0]
        changed = tables()
        changed["scores"] = [scores().assign(r=scores().r + np.float32(0.5))]
        new_path = store.write(tmp_path, changed, info())
        assert store.latest(tmp_path) == new_path != old_path
        with store.open_latest(tmp_path) as new:
            after = new.unit_map("subj01", "vit-demo", "", 0, "mean_image")[0]
            np.testing.assert_allclose(after, before + 0.5, rtol=1e-6)
        np.testing.assert_array_equal(old.unit_map("subj01", "vit-demo", "", 0, "mean_image")[0], before)


@pytest.mark.parametrize("spoil", ["order", "twice", "failing"])
def test_a_version_that_goes_wrong_leaves_the_last_one(tmp_path, spoil):
    path = tiny_store(tmp_path)
    bad = tables()
    if spoil == "order":
        bad["scores"] = [scores().iloc[::-1]]
    elif spoil == "twice":
        bad["variance"] = [pd.concat([variance().iloc[:1], variance()])]
    else:
        bad["runs"] = (1 / 0 for _ in range(1))
    with pytest.raises((ValueError, ZeroDivisionError)):
        store.write(tmp_path, bad, info())
    assert sorted(os.listdir(tmp_path)) == ["LATEST", path.name]
    assert store.latest(tmp_path) == path


def test_a_table_that_the_store_does_not_have(tmp_path):
    with pytest.raises(ValueError, match="the store has no table scoers; it has store, models"):
        store.write(tmp_path, {"scoers": []}, {})


def test_no_store_a_lost_version_and_a_damaged_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a file LATEST there"):
        store.open_latest(tmp_path)
    path = tiny_store(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[:5000])
    with pytest.raises(ValueError, match="is not a store that can be read"):
        store.open_latest(tmp_path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"names results-.* which is not there"):
        store.open_latest(tmp_path)


def test_a_store_is_read_only_and_its_rows_lie_in_key_order(tiny):
    with tiny.cursor() as db:
        with pytest.raises(duckdb.Error):
            db.execute("DELETE FROM scores")
        found = db.execute("SELECT subject, model, instruction, layer, pooling, unit FROM scores ORDER BY rowid").df()
    assert list(found.itertuples(index=False)) == sorted(found.itertuples(index=False))


@pytest.mark.parametrize(("size", "width"), [(1.0, 2), (1e6, 4), (1e-7, 4)])
def test_weights_and_responses_of_any_size_come_back(tmp_path, size, width):
    """As float16 where it suffices, else exactly."""
    own, rng = tables(), np.random.default_rng(1)
    into = compact(rng.normal(size=(DIMS, 2)) * size)
    measured = compact(rng.normal(size=N_UNITS) * size)
    assert into.itemsize == measured.itemsize == width
    weights = own["weights"][0].assign(into_rank=[store.to_bytes(into)])
    responses = pd.DataFrame([{"subject": "subj01", "image_id": 6, "data": store.to_bytes(measured)}])
    path = store.write(tmp_path, own | {"weights": [weights], "responses": [responses]}, info())
    with store.open_latest(path) as opened:
        np.testing.assert_array_equal(opened.readout("subj01", "llava-demo", "IC")[0].into, into)
        np.testing.assert_array_equal(opened.response("subj01", 6), measured.astype(np.float32))
        np.testing.assert_array_equal(opened.responses_of("subj01", 3)[1], measured[3:4].astype(np.float32))
