"""Each page on a store, on an empty one, on one with NaN everywhere, and on none: what it shows, never a traceback."""

import json
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest
import stores
import streamlit as st
from streamlit.testing.v1 import AppTest
from test_flatmap import sent

from brainalign import live, paper, store, ui
from brainalign.figures import frames
from brainalign.paper import export
from brainalign.tables import related_work, today

PAGES = ("overview", "live", "flatmaps", "rois", "layers", "variance", "rsa", "compare", "runs")
VIEWS = (  # those of a page that shows one at a time
    *((page, "") for page in PAGES),
    *(("layers", view) for view in ("areas", "states")),
    *(("variance", view) for view in ("all", "rest", "three")),
    *(("rsa", view) for view in ("pictures", "depth")),
    *(("compare", view) for view in ("instructions", "studies")),
)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tiny")
    stores.tiny_store(directory)
    return directory


@pytest.fixture(scope="session")
def undefined(tmp_path_factory):
    """The tiny store with NaN for every score and ceiling."""
    directory = tmp_path_factory.mktemp("undefined")
    tables = {name: [frame.copy() for frame in own] for name, own in stores.tables().items()}
    for frame in (frame for own in tables.values() for frame in own):
        numbers = frame.select_dtypes("floating").columns
        frame[numbers] = np.nan
    store.write(directory, tables, stores.info())
    return directory


@pytest.fixture(scope="session")
def empty(tmp_path_factory):
    """A store with every table and no row."""
    directory = tmp_path_factory.mktemp("empty")
    store.write(directory, {}, stores.info())
    return directory


@pytest.fixture(autouse=True)
def no_model(monkeypatch):
    """Pages may ask for a model to be loaded; tests that need one say so."""
    monkeypatch.setattr(live.Resident, "warm", lambda self: None)


def show(page, directory, monkeypatch, **link):
    monkeypatch.setenv("BRAINALIGN_STORE", str(directory))
    app = AppTest.from_file("../app.py", default_timeout=60)
    for key, value in link.items():
        app.query_params[key] = value
    app.run()
    if page != "overview":
        app.switch_page(f"pages/{page}.py")
        for key, value in link.items():
            app.query_params[key] = value
        app.run()
    assert not app.exception, app.exception
    return app


def words(app):
    """All text of a page."""
    found = [app.title, app.header, app.subheader, app.caption, app.markdown]
    found += [app.text, app.info, app.error, app.warning]
    return "\n".join(str(item.value) for kind in found for item in kind) + "\n".join(c.value for c in app.code)


def charts(app):
    """The Plotly figures of a page as plain data, and what a screen reader hears of each: key -> (figure, alt)."""
    drawn = [element.proto for element in app.get("bidi_component") if element.proto.component_name.endswith(".chart")]
    told = {one.id.split("-", 2)[2]: json.loads(json.loads(one.json)) for one in drawn}
    kinds = {trace["type"] for one in told.values() for trace in one["figure"]["data"]}
    assert kinds <= {"scatter", "bar", "heatmap"}, "of these is the app's Plotly.js"
    return {key: (one["figure"], one["alt"]) for key, one in told.items()}


def chart(app, key):
    """The Plotly figure whose key begins so, as plain data."""
    return next(figure for name, (figure, _) in charts(app).items() if name.startswith(key))


def numbers(values):
    """A Plotly array, plain or packed."""
    if isinstance(values, dict):
        import base64

        return np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"])
    return np.array(values, float)


@pytest.mark.parametrize("page", PAGES)
def test_no_store_says_what_to_run(page, tmp_path, monkeypatch):
    app = show(page, tmp_path / "nothing", monkeypatch)
    assert app.title[0].value == "No results yet"
    assert "brainalign publish" in words(app)


def test_a_font_that_is_not_installed_is_named_beside_the_export(tiny, monkeypatch):
    app = show("rois", tiny, monkeypatch)
    field = next(one for one in app.text_input if one.label == "Font")
    field.set_value("dejavu serif").run()
    assert not app.error
    next(one for one in app.text_input if one.label == "Font").set_value("Dejavu [Serf]").run()
    assert "no font 'Dejavu \\[Serf\\]' on this machine; did you mean DejaVu Serif" in app.error[0].value


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_store_says_so(page, empty, monkeypatch):
    app = show(page, empty, monkeypatch)
    if page != "live":
        assert "brainalign run" in words(app)


@pytest.mark.parametrize(("page", "view"), VIEWS)
def test_nothing_defined_is_no_fault(page, view, undefined, monkeypatch):
    app = show(page, undefined, monkeypatch, view=view)
    if page in ("rois", "variance") and view != "all":
        assert "defined" in app.info[-1].value


@pytest.mark.parametrize(("page", "view"), [(page, view) for page, view in VIEWS if view])
def test_each_view_of_a_page_has_a_link(page, view, tiny, monkeypatch):
    app = show(page, tiny, monkeypatch, view=view)
    assert app.query_params["view"] == view
    assert not app.info
    assert charts(app) or app.table


@pytest.mark.parametrize("page", PAGES)
def test_simulated_stores_carry_the_badge(page, tiny, monkeypatch):
    app = show(page, tiny, monkeypatch)
    assert "SIMULATED" in words(app)


def test_real_stores_carry_none(tmp_path, monkeypatch):
    stores.tiny_store(tmp_path, simulated="false")
    assert "SIMULATED" not in words(show("overview", tmp_path, monkeypatch))


def test_overview_tells_what_is_there(tiny, monkeypatch):
    app = show("overview", tiny, monkeypatch)
    heat = chart(app, "coverage")["data"][0]
    assert (heat["x"], heat["y"]) == (["IC", "VQ1", "IU3", "–"], ["llava-demo", "vit-demo"])
    assert heat["text"] == [["8", "8", "8", ""], ["", "", "", "4"]]
    assert app.table[0].value.subject.tolist() == list(stores.SUBJECTS)
    assert "Generate some text to describe the image" in app.table[1].value.text.tolist()
    _, alt = charts(app)["coverage"]
    assert "llava-demo 8 with 3, vit-demo 4 with 1" in alt


def expected_chosen(roi, instruction):
    """Mean r of each subject at the layers that its units choose, from the scores of single units."""
    frame = stores.scores()
    frame = frame[(frame.model == "llava-demo") & (frame.pooling == "mean_generated")]
    inside = range(*stores.ROIS[roi].indices(stores.N_UNITS))
    frame = frame[(frame.instruction == instruction) & frame.unit.isin(inside) & (frame.layer == 2 + frame.unit % 2)]
    return frame.groupby("subject").r.mean().tolist()


def test_rois_show_means_and_subjects(tiny, monkeypatch):
    app = show("rois", tiny, monkeypatch)
    spec = chart(app, "bars")
    bars = [trace for trace in spec["data"] if trace["type"] == "bar"]
    assert [bar["name"].split(" ")[0] for bar in bars] == ["IC", "VQ1", "IU3"]
    assert spec["layout"]["xaxis"]["ticktext"][:3] == ["V1", "FFA", "PPA"]
    want = [np.mean(expected_chosen(roi, "IC")) for roi in stores.ROIS]
    assert numbers(bars[0]["y"]) == pytest.approx(want, abs=1e-5)
    points = next(t for t in spec["data"] if t["type"] == "scatter" and t["mode"] == "markers")
    assert sorted(numbers(points["y"])) == pytest.approx(
        sorted(v for roi in stores.ROIS for v in expected_chosen(roi, "IC")), abs=1e-5
    )


def test_rois_by_model_take_each_models_own_pooling(tiny, monkeypatch):
    app = show("rois", tiny, monkeypatch, by="model", layer="3")
    bars = [trace for trace in chart(app, "bars")["data"] if trace["type"] == "bar"]
    assert [bar["name"] for bar in bars] == ["llava-demo", "vit-demo"]
    frame = stores.scores()
    vit = frame[(frame.model == "vit-demo") & (frame.layer == 3) & (frame.unit < 60)]
    assert numbers(bars[1]["y"])[0] == pytest.approx(vit.groupby("subject").r.mean().mean(), abs=1e-5)


def test_bars_stand_by_the_instructions_level(tiny, monkeypatch):
    bars = [t for t in chart(show("rois", tiny, monkeypatch, bars="level"), "bars")["data"] if t["type"] == "bar"]
    assert [bar["name"].split(" ·")[0] for bar in bars] == ["level 0: IC", "level 1: VQ1", "level 2: IU3"]
    told = today().by_level({"IC": "IC", "CR": "CR", "mine": "mine", "IU3": "IU3", "IU1": "IU1"})
    assert list(told) == ["IC", "IU1", "IU3", "CR", "mine"]
    assert told["CR"] == "level 3: CR"


def test_a_link_restores_the_view_and_strangers_in_it_are_ignored(tiny, monkeypatch):
    app = show("rois", tiny, monkeypatch, quantity="r2_mean", instructions="VQ1", layer="99", model="<script>")
    bars = [trace for trace in chart(app, "bars")["data"] if trace["type"] == "bar"]
    assert [bar["name"].split(" ")[0] for bar in bars] == ["VQ1"]
    assert chart(app, "bars")["layout"]["yaxis"]["title"]["text"] == "R²"
    assert app.query_params["layer"] == "chosen"
    assert app.query_params["model"] == "llava-demo"


def test_a_widget_writes_its_value_into_the_link(tiny, monkeypatch):
    app = show("variance", tiny, monkeypatch)
    box = next(box for box in app.selectbox if box.label == "Second instruction")
    box.select("IU3").run()
    assert app.query_params["b"] == "IU3"
    assert "IC and IU3" in app.header[0].value


def test_an_address_that_lags_behind_does_not_undo_a_choice(tiny, monkeypatch):
    """The second click of two comes with the address from before the first; going back later counts."""
    app = show("variance", tiny, monkeypatch)
    before = dict(app.query_params)
    next(box for box in app.selectbox if box.label == "Second instruction").select("IU3").run()
    app.query_params.update(before)
    next(box for box in app.selectbox if box.label == "Region").select("FFA").run()
    assert (app.query_params["b"], app.query_params["roi"]) == ("IU3", "FFA")
    monkeypatch.setattr(ui, "ECHO", 0.0)
    app.query_params.update(before)
    app.run()
    assert "IC and VQ1 in visual cortex" in app.header[0].value


def test_what_was_touched_on_one_page_has_no_say_in_a_link_to_another(tiny, monkeypatch):
    app = show("variance", tiny, monkeypatch)
    next(box for box in app.selectbox if box.label == "Region").select("FFA").run()
    app.switch_page("pages/flatmaps.py")
    app.query_params["instruction"] = "IU3"
    app.run()
    assert app.selectbox(key="widget instruction").value == "IU3"


def test_variance_draws_the_means_of_the_units(tiny, monkeypatch):
    app = show("variance", tiny, monkeypatch, b="VQ1", roi="FFA", subject="subj02")
    units = stores.variance()
    units = units[(units.b == "VQ1") & (units.subject == "subj02")]
    units = units[units.unit.between(60, 109) & (units.unit % 50 > 0)]
    floors = [stores.FLOORS[part] for part in ("unique_a", "shared", "unique_b")]
    raw = np.array([units[part].mean() for part in ("unique_a", "shared", "unique_b", "r2_ab")])
    want = raw - [*floors, sum(floors)]
    assert numbers(chart(app, "signed")["data"][0]["y"]) == pytest.approx(want, abs=1e-6)
    texts = " ".join(note["text"] for note in chart(app, "venn")["layout"]["annotations"])
    assert all(f"{value:.3f}" in texts for value in want[:3])
    circles = chart(app, "venn")["data"]
    x = [numbers(circle["x"]) for circle in circles]
    assert np.pi * np.ptp(x[0]) ** 2 / 4 == pytest.approx(want[0] + want[1], abs=1e-5)
    assert np.pi * np.ptp(x[1]) ** 2 / 4 == pytest.approx(want[2] + want[1], abs=1e-5)


def test_a_pair_shows_what_it_would_be_at_the_layer_of_either(tiny, monkeypatch):
    """VQ1 enters at another layer than IC, IU3 at the same one."""
    app = show("variance", tiny, monkeypatch, b="VQ1", roi="FFA")
    bars, *others = chart(app, "signed")["data"]
    diamonds = [trace for trace in others if trace.get("marker", {}).get("symbol") == "diamond"]
    assert [round(float(x), 2) for x in numbers(diamonds[0]["x"])] == [-0.36, 0.64, 1.64, 2.64]
    for trace, shift in zip(diamonds, stores.MOVED.values()):
        assert np.array(numbers(trace["y"]))[:3] - numbers(bars["y"])[:3] == pytest.approx(shift, abs=1e-6)
    assert "IC 2, VQ1 1." in words(app)
    assert "Diamonds: the means had both entered at one layer, at that of IC: IC only" in words(app)
    assert "Diamonds" not in words(show("variance", tiny, monkeypatch, b="IU3", roi="FFA"))
    assert "would differ by 0.0250 on average and by 0.0300 at most" in words(
        show("variance", tiny, monkeypatch, view="all")
    )


def test_negative_parts_are_marked(tmp_path, monkeypatch):
    tables = stores.tables()
    pairs = tables["roi_variance"][0].copy()
    pairs["shared"] = -0.01
    store.write(tmp_path, tables | {"roi_variance": [pairs]}, stores.info())
    app = show("variance", tmp_path, monkeypatch)
    assert "negative: shared is −0.0060" in words(app)  # less its floor
    assert "the areas are not true" in words(app)
    assert "Areas are true" not in words(app)


def test_a_pair_is_the_same_the_other_way_round(tiny, monkeypatch):
    pairs = (("IC", "IU3"), ("IU3", "IC"))
    one, other = (show("variance", tiny, monkeypatch, view="pair", a=a, b=b, roi="FFA") for a, b in pairs)
    bars = [numbers(chart(app, "signed")["data"][0]["y"]) for app in (one, other)]
    assert bars[0] == pytest.approx([bars[1][k] for k in (2, 1, 0, 3)])
    assert "IU3 and IC in FFA" in other.header[0].value
    every = show("variance", tiny, monkeypatch, view="all", roi="FFA")
    square = np.reshape(numbers(chart(every, "square")["data"][0]["z"]), (3, 3))
    assert square[0, 2] == square[2, 0] == pytest.approx(bars[0][1])
    assert np.isnan(square[1, 2])  # VQ1 and IU3 are no pair of this store
    units = stores.variance()
    units = units[units.unit.between(60, 109) & (units.unit % 50 > 0)]
    floors = stores.FLOORS["shared"] + stores.FLOORS["unique_a"]
    assert square[0, 0] == pytest.approx(units.r2_a.mean() - floors, abs=1e-6)  # all that IC explains


def test_only_configured_stores_open(tiny, undefined, tmp_path, monkeypatch):
    """A store in the link is taken by name from the configured ones; a path is not."""
    other = tmp_path / "other"
    stores.tiny_store(other, simulated="false")
    app = show("overview", f"{tiny}:{other}", monkeypatch, store="other")
    assert "SIMULATED" not in words(app)
    app = show("overview", tiny, monkeypatch, store=str(other))
    assert "SIMULATED" in words(app)


def test_stores_come_from_the_configuration_file(tmp_path, monkeypatch):
    monkeypatch.delenv("BRAINALIGN_STORE", raising=False)
    monkeypatch.chdir(tmp_path)
    assert list(ui.configured_stores().values()) == [ui.DEFAULT_STORE]
    (tmp_path / "brainalign.toml").write_text('stores = ["/a/one", "/b/two", "/c/two"]\n')
    assert list(ui.configured_stores()) == ["one", "/b/two", "/c/two"]


@pytest.mark.parametrize("written", ["stores = [", 'stores = "data/store"'])
def test_a_faulty_configuration_file_is_told(written, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "brainalign.toml").write_text(written)
    assert "brainalign.toml" in words(show("overview", "", monkeypatch))


def test_another_database_is_told_from_a_store(tmp_path, monkeypatch):
    import duckdb

    duckdb.connect(str(tmp_path / "other.duckdb")).close()
    assert "no store of BrainAlign" in words(show("overview", tmp_path / "other.duckdb", monkeypatch))


def test_the_app_is_served_to_this_machine_alone():
    import tomllib
    from pathlib import Path

    settings = tomllib.loads((Path(ui.__file__).parent.parent / ".streamlit" / "config.toml").read_text())
    server = settings["server"]
    assert server["address"] == "127.0.0.1"
    assert server["enableXsrfProtection"]
    assert server["enableCORS"]
    assert "*" not in server["allowedHosts"]
    assert server["maxUploadSize"] <= 20
    assert not settings["browser"]["gatherUsageStats"]
    assert settings["client"]["showErrorDetails"] == "none"


def test_the_first_charts_need_no_torch():
    import subprocess
    import sys

    code = (
        "import sys; from brainalign import ui, store, figures; from brainalign.figures import frames; "
        "print([m for m in ('torch', 'transformers', 'himalaya', 'nilearn', 'matplotlib') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_roi_marks_say_who_differs_from_whom(tiny, monkeypatch):
    """In the tiny store captioning is better in FFA only, in every subject."""
    app = show("rois", tiny, monkeypatch, reference="IC")
    marks = next(t for t in chart(app, "bars")["data"] if t.get("mode") == "text")
    assert marks["text"] == ["▼", "▼"]
    assert set(np.round(numbers(marks["x"]))) == {1.0}  # FFA
    assert "paired bootstrap" in words(app)
    assert "not corrected over the 5 comparisons and 3 subjects of this store" in words(app)


def test_roi_points_carry_their_intervals(tiny, monkeypatch):
    points = next(t for t in chart(show("rois", tiny, monkeypatch), "bars")["data"] if t.get("mode") == "markers")
    assert numbers(points["error_y"]["array"]) == pytest.approx(0.05, abs=1e-5)
    fixed = chart(show("rois", tiny, monkeypatch, layer="1"), "bars")["data"]
    assert np.isnan(numbers(next(t for t in fixed if t.get("mode") == "markers")["error_y"]["array"])).all()


def test_layers_show_the_profile_and_the_chosen_layer(tiny, monkeypatch):
    app = show("layers", tiny, monkeypatch, lines="instruction", roi="FFA")
    data = chart(app, "profile")["data"]
    line = next(t for t in data if t.get("name", "").startswith("IC"))
    frame = stores.scores()
    inside = (frame.unit >= 60) & (frame.unit < 110) & (frame.unit % 50 > 0)
    frame = frame[inside & (frame.model == "llava-demo") & (frame.pooling == "mean_generated")]
    want = frame[frame.instruction == "IC"].groupby(["subject", "layer"]).r.mean().groupby("layer").mean()
    assert numbers(line["y"]) == pytest.approx(want.to_numpy(), abs=1e-5)
    shares = [numbers(t["y"]) for t in chart(show("layers", tiny, monkeypatch, view="states"), "shares")["data"]]
    np.testing.assert_allclose(np.sum(shares, 0), 1, atol=1e-6)
    diamond = next(t for t in data if t.get("marker", {}).get("symbol") == "diamond")
    assert numbers(diamond["y"])[0] == pytest.approx(np.mean(expected_chosen("FFA", "IC")), abs=1e-5)
    assert numbers(diamond["x"])[0] > max(stores.LAYERS) + 0.5  # units differ in their layer: none is its place
    ceiling = next(t for t in data if t.get("name") == "noise ceiling")
    assert numbers(ceiling["y"]) == pytest.approx(frames_ceiling("FFA"), abs=1e-5)


def frames_ceiling(roi):
    """Mean r of a perfect model over a region's reliable units."""
    rows = stores.tables()["roi_scores"][0]
    return rows[rows.roi == roi].r_ceiling.mean()


def test_the_layers_of_areas_are_those_of_the_map_that_is_chosen(tiny, monkeypatch):
    app = show("layers", tiny, monkeypatch, view="areas", model="vit-demo")
    assert app.header[0].value == "From early to high-level areas: vit-demo"
    assert "model=vit-demo" in str(app.get("page_link")[0].proto)
    assert show("layers", tiny, monkeypatch, view="states").header[0].value.endswith("llava-demo")
    app = show("layers", tiny, monkeypatch, view="areas", model="llava-demo", instruction="IU3")
    assert app.header[0].value == "From early to high-level areas: llava-demo, IU3"
    assert "model=llava-demo" in str(app.get("page_link")[0].proto)
    nested = stores.tables()["roi_nested"][0]
    nested = nested[(nested.instruction == "IU3") & (nested.pooling == "mean_generated") & (nested.roi == "FFA")]
    bars = chart(app, "chosen")["data"][0]
    height = dict(zip(bars["customdata"], numbers(bars["y"])))
    assert height["FFA"] == pytest.approx(nested.layer.mean())


def test_models_of_one_depth_are_not_offered_another(tiny, monkeypatch):
    for link in ({"model lines": "vit-demo"}, {}):
        app = show("layers", tiny, monkeypatch, lines="model", instruction="IC", **link)
        assert not [control for control in app.get("button_group") if control.label == "Depth"]


def test_compare_turns_differences_towards_the_chosen_model(tiny, monkeypatch):
    app = show("compare", tiny, monkeypatch, roi="FFA", instruction="IC")
    assert numbers(chart(app, "forest")["data"][0]["x"]) == pytest.approx(0.2, abs=1e-6)
    app = show("compare", tiny, monkeypatch, roi="FFA", instruction="IC", model="vit-demo")
    assert numbers(chart(app, "forest")["data"][0]["x"]) == pytest.approx(-0.2, abs=1e-6)
    table = app.table[0].value.set_index("model")
    assert table["is"].to_dict() == {"llava-demo": "instruction-tuned", "vit-demo": "vision only"}
    assert table.r["llava-demo"] == f"{np.mean(expected_chosen('FFA', 'IC')):.3f}"


def test_specialisation_is_what_an_instruction_adds_to_the_mean(tiny, monkeypatch):
    heat = chart(show("compare", tiny, monkeypatch, view="instructions"), "specialisation")["data"][0]
    values = np.array(heat["z"], float) if isinstance(heat["z"], list) else numbers(heat["z"]).reshape(3, -1)
    np.testing.assert_allclose(values.sum(0), 0, atol=1e-6)


def test_unique_variance_and_three_instructions(tiny, monkeypatch):
    app = show("variance", tiny, monkeypatch, view="rest", roi="V1")
    unique = chart(app, "unique")["data"]
    assert numbers(unique[0]["y"])[0] > 0.03 > 0.02 > abs(numbers(unique[0]["y"])[1])
    assert "Above 0 in each of 3 subjects: IC; below 0: none (two-sided" in words(app)
    assert "over the 3 instructions of a subject in the region, not corrected over regions" in words(app)
    alone = words(show("variance", tiny, monkeypatch, view="rest", roi="V1", subject="subj02"))
    assert "Above 0 in subj02: IC" in alone
    assert "every subject" not in alone
    seven = numbers(chart(show("variance", tiny, monkeypatch, view="three", roi="V1"), "upset")["data"][0]["y"])
    assert seven == pytest.approx(
        np.array([0.05, 0.03, -0.01, 0.04, 0.02, 0.01, 0.1]) + 0.003, abs=1e-6
    )  # less floors


def test_runs_are_listed_and_a_running_study_shows(tmp_path, monkeypatch):
    stores.tiny_store(tmp_path)
    app = show("runs", tmp_path, monkeypatch, kind="encode", model="vit-demo")
    assert app.dataframe[0].value.model.unique().tolist() == ["vit-demo"]
    assert not app.get("progress")
    store.progress.write(tmp_path, 3, 8, "encode subj01")
    assert "3 of 8 jobs, encode subj01" in str(show("runs", tmp_path, monkeypatch).get("progress")[0].proto)
    (tmp_path / "progress.json").write_text("half a fi")
    show("runs", tmp_path, monkeypatch)


def test_charts_say_their_numbers_to_a_screen_reader(tiny, monkeypatch):
    def said(page, **link):
        return {key: alt for key, (_, alt) in charts(show(page, tiny, monkeypatch, **link)).items()}

    ffa = np.mean(expected_chosen("FFA", "IC"))
    bars = next(text for id, text in said("rois", instructions="IC").items() if "bars" in id)
    assert f"FFA IC {ffa:.3f}" in bars
    seven = next(text for id, text in said("variance", view="three", roi="V1").items() if "upset" in id)
    assert "IC 0.053" in seven
    assert "IU3 −0.007" in seven
    forest = next(text for id, text in said("compare", roi="FFA", instruction="IC").items() if "forest" in id)
    assert "minus vit-demo: 0.200" in forest
    lines = next(text for id, text in said("layers", lines="instruction", roi="FFA").items() if "profile" in id)
    assert lines.count(" at layer 3") == 3
    for instruction in stores.INSTRUCTIONS:  # beside each, what training images choose
        chosen = np.mean(expected_chosen("FFA", instruction))
        assert f"({chosen:.3f} at the layers chosen by training images)" in lines


def test_compare_stands_beside_earlier_work(tiny, tmp_path, monkeypatch):
    rows = show("compare", tiny, monkeypatch, view="studies").table[0].value
    own = next(row for _, row in rows.iterrows() if row.study.startswith("This store"))
    nested = stores.tables()["roi_nested"][0]
    nested = nested[(nested.roi == "visual cortex (nsdgeneral)") & (nested.pooling != "last_prompt")]
    mean = nested[nested.instruction.isin(["IC", ""])].groupby("model").r.mean()
    assert own.reported.startswith(f"llava-demo: r = {mean['llava-demo']:.3f}")
    assert own["gain on the project page"] == ""  # this store has no CLIP
    nested = stores.tables()["roi_nested"][0].replace("vit-demo", "clip-demo")
    keys = ["subject", "model", "instruction", "pooling", "roi"]
    store.write(tmp_path, stores.tables() | {"roi_nested": [nested.sort_values(keys)]}, stores.info())
    rows = show("compare", tmp_path, monkeypatch, view="studies").table[0].value
    assert rows.study.iloc[0] == "This store: tiny (simulated)"
    gain = 100 * (mean["llava-demo"] / mean["vit-demo"] - 1)
    assert rows["gain on the project page"][0] == f"{gain:+.0f} % of r over clip-demo"


def test_every_number_of_earlier_work_names_its_source():
    for row in related_work():
        assert row["study"]
        numbers = row["reported"] + row["gain on the project page"]
        assert not any(c.isdigit() for c in numbers) or any(
            s in row["source"] for s in ("doi:", "arXiv:", "project page")
        )
        assert bool(row["gain on the project page"]) <= ("project page" in row["source"])


@pytest.mark.parametrize(
    "asked",
    [
        {"subject": "subj01,subj05", "instruction": "VQ1", "pooling": "last_prompt", "layer": "2", "lines": "bold"},
        {"subject": "all", "quantity": "r_norm", "second": "ceiling", "threshold": "30"},
        {"subject": "subj05,subj02", "quantity": "shared", "b": "IU3", "outlines": "V1,PPA"},
        {"quantity": "r2", "instruction": "IU3", "minus_instruction": "IC", "lines": "thin"},
        {"quantity": "winner", "among": "models", "instruction": "IU3", "margin": "0.05", "outlines": "none"},
        {"quantity": "unique", "instruction": "VQ1", "subject": "subj02"},
        {"instruction": "VQ1", "second": "q"},
        {"quantity": "layer", "outlines": "chosen", "families": "faces"},
        {"quantity": "across", "second": "ceiling", "subject": "all"},
    ],
    ids=lambda asked: asked.get("quantity", "r"),
)
def test_the_link_of_a_printed_flatmap_opens_the_same_maps(asked, tiny, monkeypatch):
    with store.open_latest(tiny) as opened:
        plot = paper.plot(opened, "flatmap", **asked)
    link = dict(parse_qsl(urlsplit(export.link(plot)).query, keep_blank_values=True))
    app = show("flatmaps", tiny, monkeypatch, **link)
    header, values, _ = sent(app)
    values = values.reshape(len(plot.maps), -1, stores.N_UNITS)
    for one, found in zip(plot.maps, values, strict=True):
        assert list(one.rois) == header["rois"]
        assert one.lines == header["width"]
        assert one.picture.about == header["about"]
        np.testing.assert_allclose(found, one.picture.values, atol=0.51 * header["step"])
    assert header["start"]["threshold"] == plot.maps[0].threshold
    assert [one.title for one in plot.maps] == header["titles"]
    changed = {
        key: (value, app.query_params.get(key)) for key, value in link.items() if app.query_params[key] != value
    }
    assert not changed


def test_the_next_maps_are_read_while_the_reader_looks(tiny, monkeypatch):
    st.cache_resource.clear()
    read, plain = [], store.Store.layer_maps
    monkeypatch.setattr(store.Store, "layer_maps", lambda self, *key: read.append(key) or plain(self, *key))
    app = show("flatmaps", tiny, monkeypatch, subject="subj02", instruction="VQ1")
    model, pooling = app.selectbox(key="widget model").value, app.selectbox(key="widget pooling").value
    with store.open_latest(tiny) as opened:
        spaces = opened.spaces()
    spaces = spaces[(spaces.subject == "subj02") & (spaces.model == model) & (spaces.pooling == pooling)]
    assert {key[2] for key in read if key[:2] == ("subj02", model)} == set(spaces.instruction) > {"VQ1"}
    read.clear()
    app.selectbox(key="widget instruction").select("IU3").run()
    assert "IU3" in sent(app)[0]["about"]
    assert not read


@pytest.mark.parametrize("page", PAGES)
def test_each_view_has_a_hint_that_stays_away_once_it_is_read(page, tiny, monkeypatch):
    app = show(page, tiny, monkeypatch)
    (read,) = [button for button in app.button if button.label == "Got it"]
    assert any("touch_app" in caption.value for caption in app.caption)
    read.click().run()
    other = "runs" if page != "runs" else "rois"
    app.switch_page(f"pages/{other}.py").run()
    assert [button.label for button in app.button].count("Got it") == 1  # of the other view
    app.switch_page(f"pages/{page}.py").run()
    assert "Got it" not in [button.label for button in app.button]
    assert not any("touch_app" in caption.value for caption in app.caption)


def test_tables_and_matrices_say_what_they_hold(tiny, monkeypatch):
    alts = [table.proto.alt for table in show("overview", tiny, monkeypatch).table]
    assert [alt.split(":")[0] for alt in alts[:2]] == ["Subjects", "Instructions with their text, family and level"]
    assert alts[2].startswith("Models: what each is")
    app = show("compare", tiny, monkeypatch, roi="FFA")
    assert app.table[0].proto.alt.startswith("Every model in FFA")
    app = show("compare", tiny, monkeypatch, view="studies")
    assert app.table[0].proto.alt.startswith("This store beside earlier studies")
    app = show("compare", tiny, monkeypatch, view="instructions")
    grid = frames.specialisation(stores.tables()["roi_nested"][0], "llava-demo", today())
    _, alt = charts(app)["specialisation"]
    row, column = np.unravel_index(np.argmax(grid.to_numpy()), grid.shape)
    assert f"highest {grid.index[row]} in {grid.columns[column]} {grid.to_numpy().max():.3f}" in alt
