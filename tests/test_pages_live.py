"""The live page: what is typed, uploaded and stopped, what a link carries, what is said of a prediction."""

import io
from threading import Event

import numpy as np
import pytest
import stores
from PIL import Image
from test_pages import no_model, show, tiny, words

from brainalign import export_ui, live, paper, pictures, store
from brainalign.atlas import gallery

__all__ = ["no_model", "tiny"]  # fixtures


class FakeStream:
    """As models.streaming.Stream: some words and the instruction; what a visitor does meanwhile is `meanwhile`."""

    waited = first_token_seconds = 0.0
    seconds, tokens, tokens_per_second = 1.0, 4, 4.0
    notes = ()

    def __init__(self, model, image, text, cancel):
        assert image.dtype == np.uint8
        self.text, self.cancel = text, cancel

    def __iter__(self):
        yield from ("Two ", "<b>dogs</b> ", "*run* ")
        self.meanwhile()
        if not self.cancel.is_set():
            yield self.text

    def meanwhile(self):
        pass


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(live, "stream", FakeStream)
    monkeypatch.setattr("brainalign.models.missing", lambda name: "")


def button(app, label):
    return next(button for button in app.button if button.label == label)


def test_live_answers_in_text_beside_the_stored_and_the_true_one(tiny, monkeypatch, fake):
    app = show("live", tiny, monkeypatch, picture="9", instruction="VQ1")
    button(app, "Ask").click().run()
    texts = [item.value for item in app.text]
    assert "Two <b>dogs</b> *run* What is in this image?" in texts
    assert "VQ1: a dog <b>and</b> 9 cats" in texts
    assert live.truth("demo:0", 9)["VQ1"] in texts
    assert not any("dogs" in item.value for item in app.markdown)  # text, never Markdown or HTML
    assert "4 tokens in 1.0 s" in words(app)
    assert not button(app, "Ask").disabled


def test_live_says_what_the_model_did_not_see(tiny, monkeypatch, fake):
    note = "Not seen by this model: 67 % of the picture's width, at its left and right."
    app = show("live", tiny, monkeypatch, picture="9")
    button(app, "Ask").click().run()
    assert note not in words(app)
    monkeypatch.setattr(FakeStream, "notes", [note])
    button(app, "Ask").click().run()
    assert note in [item.value for item in app.caption]


def test_live_keeps_what_was_said_before_the_stop(tiny, monkeypatch, fake):
    monkeypatch.setattr(FakeStream, "meanwhile", lambda self: self.cancel.set())
    app = show("live", tiny, monkeypatch, picture="9", instruction="own", text="Is it *nice*?")
    button(app, "Ask").click().run()
    assert "stopped" in words(app)
    assert "Two <b>dogs</b> *run*" in [item.value for item in app.text]
    assert r"Is it \*nice\*?" in words(app)


def test_live_compares_two_instructions(tiny, monkeypatch, fake):
    link = {"picture": "9", "answers": "2", "instruction": "IC", "instruction2": "IU3"}
    app = show("live", tiny, monkeypatch, **link)
    button(app, "Ask").click().run()
    assert "Two <b>dogs</b> *run* How many animals are there in the image?" in words(app)
    assert "Two <b>dogs</b> *run* Generate some text to describe the image" in words(app)


def test_another_question_puts_the_old_answer_away(tiny, monkeypatch, fake):
    app = show("live", tiny, monkeypatch, picture="9")
    button(app, "Ask").click().run()
    assert "Two <b>dogs</b>" in words(app)
    button(app, "12").click().run()
    assert "Two <b>dogs</b>" not in words(app)
    assert app.query_params["picture"] == "12"


def test_live_says_what_went_wrong(tiny, monkeypatch, fake):
    def broken(*_):
        raise ValueError("llava-demo: out of memory; try a smaller model")

    monkeypatch.setattr(FakeStream, "__iter__", broken)
    app = show("live", tiny, monkeypatch)
    button(app, "Ask").click().run()
    assert "out of memory; try a smaller model" in words(app)


def test_live_takes_ones_own_picture_and_refuses_what_is_none(tiny, monkeypatch, fake):
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (30, 20), "green").save(buffer, "PNG")
    app = show("live", tiny, monkeypatch, picture="9")
    app.file_uploader[0].set_value(("own.png", buffer.getvalue(), "image/png")).run()
    button(app, "Ask").click().run()
    assert "Two <b>dogs</b> *run*" in words(app)
    assert "a dog <b>and</b>" not in words(app)  # nothing stored and nothing known about it
    app.file_uploader[0].set_value(("own.png", b"<svg onload=alert(1)>", "image/png")).run()
    assert app.error[0].value == "This file is not a picture that can be read; expected one of PNG, JPEG, WebP."
    button(app, "12").click().run()
    assert "12 cats" in words(app)


def test_live_without_the_models_files_says_so(tiny, monkeypatch):
    monkeypatch.setattr("brainalign.models.missing", lambda name: f"{name}: no files on this machine")
    app = show("live", tiny, monkeypatch)
    assert button(app, "Ask").disabled
    assert "no files on this machine" in words(app)


@pytest.mark.parametrize("stimuli", ["", "root:/nowhere"])
def test_live_without_pictures_says_so(stimuli, tmp_path, monkeypatch):
    stores.tiny_store(tmp_path, stimuli=stimuli)
    app = show("live", tmp_path, monkeypatch)
    assert "cannot be shown" in app.error[0].value


def png(colour="green", size=(30, 20)):
    buffer = io.BytesIO()
    Image.new("RGBA" if isinstance(colour, tuple) else "RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def upload(app, content, name="own.png"):
    return app.file_uploader[0].set_value((name, content, "image/png")).run()


def test_a_text_beyond_the_limit_is_told_and_not_asked(tiny, monkeypatch, fake):
    """And the text asked before is not taken in its place."""
    app = show("live", tiny, monkeypatch, picture="9", instruction="own", text="What is it?")
    field = next(field for field in app.text_input if field.label == "Your instruction")
    field.set_value(301 * "x").run()
    assert "These are 301 characters; at most 300 are taken." in app.error[0].value
    assert button(app, "Ask").disabled
    assert app.query_params["text"] == ""
    assert "What is it?" not in words(app)
    field = next(field for field in app.text_input if field.label == "Your instruction")
    field.set_value(300 * "y").run()
    assert not app.error
    assert not button(app, "Ask").disabled


def test_the_uploader_tells_the_limits_that_hold(tiny, monkeypatch, fake):
    app = show("live", tiny, monkeypatch, picture="9")
    assert "PNG, JPEG or WebP, up to 8 MB and 40 million pixels" in app.file_uploader[0].label
    gif = io.BytesIO()
    Image.new("RGB", (30, 20)).save(gif, "GIF")
    upload(app, gif.getvalue())
    assert app.error[0].value.endswith("expected one of PNG, JPEG, WebP.")
    monkeypatch.setattr(pictures, "MAX_PIXELS", 500)
    upload(app, png())
    assert "more than" in app.error[0].value
    monkeypatch.setattr(pictures, "MAX_PIXELS", 600)
    upload(app, png("red"))
    assert not app.error


def test_what_was_done_to_an_uploaded_picture_is_said(tiny, monkeypatch, fake):
    app = show("live", tiny, monkeypatch, picture="9")
    upload(app, png((0, 255, 0, 128)))
    assert "Of this picture: what is transparent lies on white." in [caption.value for caption in app.caption]
    upload(app, png())
    assert not any(caption.value.startswith("Of this picture") for caption in app.caption)


def test_a_link_does_not_carry_an_uploaded_picture_and_the_page_says_so(tiny, monkeypatch, fake):
    app = show("live", tiny, monkeypatch, picture="9")
    assert app.query_params["picture"] == "9"
    upload(app, png())
    assert "picture" not in app.query_params
    assert "No link can carry it" in words(app)
    button(app, "12").click().run()
    assert app.query_params["picture"] == "12"
    assert "No link can carry it" not in words(app)


def test_stopping_while_the_model_loads_gives_one_clear_state(tiny, monkeypatch, fake):
    over = Event()

    def loads(stream):
        stream.cancel.set()  # the visitor presses Stop
        over.wait(20)  # and the model goes on loading
        yield from ()

    monkeypatch.setattr(FakeStream, "__iter__", loads)
    monkeypatch.setattr(FakeStream, "first_token_seconds", None)
    app = show("live", tiny, monkeypatch, picture="9")
    button(app, "Ask").click().run()
    assert not button(app, "Ask").disabled
    assert "Stop" not in [one.label for one in app.button]
    assert "Stopped before its first word." in words(app)
    assert "loading" not in words(app)
    monkeypatch.setattr(FakeStream, "__iter__", lambda stream: iter(["The next."]))
    button(app, "Ask").click().run()
    assert "The next." in words(app)
    over.set()


def test_a_page_of_pictures_holds_the_one_that_is_picked(tiny, monkeypatch):
    def shown(**link):
        return [int(one.label) for one in show("live", tiny, monkeypatch, **link).button if one.label.isdecimal()]

    training = list(range(30, 120, 3))
    assert shown() == list(range(0, 30, 3))
    assert shown(kind="training") == training[: gallery.ACROSS]
    assert shown(kind="training", picture="90") == training[12:24]


@pytest.fixture
def states(monkeypatch):
    """What the model's states are, of whatever picture and instruction."""
    found = np.random.default_rng(9).normal(size=(4, stores.DIMS)).astype(np.float32)
    monkeypatch.setattr(live.Resident, "states", lambda self, image, text, pooling: found)
    monkeypatch.setattr(live.models, "missing", lambda name: "")
    return found


def test_a_prediction_says_whether_it_is_one(tiny, monkeypatch, states):
    """Of a picture that the weights were fitted on it is none; of others the subject's own response may be missing."""
    link = {"predict": "True"}
    assert "In-sample" not in words(show("live", tiny, monkeypatch, picture="6", **link))
    assert "In-sample: subj01 saw this picture as a training image" in words(
        show("live", tiny, monkeypatch, picture="33", **link)
    )
    app = show("live", tiny, monkeypatch, picture="6", **link)
    upload(app, png())
    assert "No subject saw this picture" in words(app)


def test_a_prediction_sees_the_picture_in_the_size_of_the_features(tmp_path, tiny, monkeypatch, states):
    shapes = []
    monkeypatch.setattr(live.Resident, "states", lambda self, image, *rest: shapes.append(image.shape) or states)
    stores.tiny_store(tmp_path, pixels="227")
    show("live", tmp_path, monkeypatch, picture="9", predict="True")
    assert shapes[-1] == (227, 227, 3)
    show("live", tiny, monkeypatch, picture="9", predict="True")
    assert shapes[-1] == (425, 425, 3)


def test_the_maps_on_the_live_page_are_exported(tiny, monkeypatch, states):
    """The figure shows predicted and measured beside one another; its data are the predicted and measured values."""
    plots = {}
    monkeypatch.setattr(export_ui, "export", lambda plot, store, key: plots.update({key: plot}))
    show("live", tiny, monkeypatch, picture="6", predict="True", instruction="VQ1")
    made = plots["predicted"]({"picture": "6"})
    centre, into, out, bias = stores.readout()
    values = made.data.set_index(["map", "unit"]).value
    np.testing.assert_allclose(values["predicted"], (states[2] - centre) @ into @ out + bias, rtol=1e-5)
    np.testing.assert_allclose(values["measured"], stores.responses()[6].astype(float), rtol=1e-5)
    assert "Asked about picture 6: “What is in this image?”." in made.about
    with store.open_latest(tiny) as opened:
        svg = paper.render(made, opened, "svg", 85).decode()
        assert paper.export.link(made).endswith("/live?picture=6")
        assert sorted(paper.export._gifti(made, opened)) == [
            f"{m}.{s}.func.gii" for m in ("measured", "predicted") for s in ("lh", "rh")
        ]
    assert ">predicted<" in svg
    assert ">measured<" in svg


def test_pictures_are_found_by_number_and_by_answer(tiny, monkeypatch):
    def buttons(search):
        app = show("live", tiny, monkeypatch, search=search)
        return [button.label for button in app.button if button.label.isdecimal()], words(app)

    assert buttons("2")[0] == ["21", "24", "27"]
    assert buttons("and</b> 9 cats")[0] == ["9"]
    found, said = buttons("<script>")
    assert found == []
    assert "No picture among these is found for “<script>”." in said


def test_the_response_to_what_is_on_the_screen_is_predicted(tiny, monkeypatch):
    """Beside the measured one, for the units with enough ceiling; other weights than the question's are told."""
    states = np.random.default_rng(9).normal(size=(4, stores.DIMS)).astype(np.float32)
    monkeypatch.setattr(live.Resident, "states", lambda self, image, text, pooling: states)
    monkeypatch.setattr(live.models, "missing", lambda name: "")
    app = show("live", tiny, monkeypatch, picture="6", predict="True")
    centre, into, out, bias = stores.readout()
    predicted, measured = (states[2] - centre) @ into @ out + bias, stores.responses()[6].astype(float)
    shown = (stores.units()[: stores.N_UNITS].nc >= 10).to_numpy()
    r = np.corrcoef(predicted[shown], measured[shown])[0, 1]
    said = f"{r:z.2f}".replace("-", "−")
    assert f"Over these {shown.sum()} units predicted and measured pattern correlate with r = {said}." in words(app)
    app = show("live", tiny, monkeypatch, picture="6", predict="True", instruction="VQ1")
    assert "ridge weights fitted under IC, although another instruction was given here" in words(app)
    app = show("live", tiny, monkeypatch, picture="33", predict="True")
    assert "Measured responses are kept for test images" in words(app)
    monkeypatch.setattr(live.Resident, "states", lambda self, image, text, pooling: states[:, :5])
    app = show("live", tiny, monkeypatch, picture="9", predict="True", instruction="VQ2")
    assert "weights of 8 dimensions" in words(app)


def test_four_answers_stand_side_by_side(tiny, monkeypatch):
    app = show("live", tiny, monkeypatch, picture="9", answers="4", model="llava-demo", instruction3="VQ1")
    asked = [box.value for box in app.selectbox if box.label.startswith("Instruction")]
    assert asked == ["IC", "VQ1", "VQ1", "IU3"]
    assert {box.value for box in app.selectbox if box.label.startswith("Model")} == {"llava-demo"}
    assert "IU3: a dog <b>and</b> 9 cats" in words(app)


def test_how_likely_each_word_is(tiny, monkeypatch):
    said = [[("a", 0.9), ("<b>", 0.06), ("no", 0.0001)], [("dog", 0.5), ("cat", 0.4)]]
    monkeypatch.setattr(live.Resident, "likely", lambda self, image, text: said)
    monkeypatch.setattr(live.models, "missing", lambda name: "")
    table = show("live", tiny, monkeypatch, picture="6", likely="True").dataframe[0].value
    assert table.token.tolist() == ["a", "dog"]
    assert table.probability.tolist() == [0.9, 0.5]
    assert table["else"].tolist() == ["<b> 6.0 %", "cat 40.0 %"]
