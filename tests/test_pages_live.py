"""The live page: what is typed, uploaded and stopped, what a link carries, what is said of a prediction."""

import io
from threading import Event

import numpy as np
import pytest
import stores
from PIL import Image
from test_pages import FakeStream, button, fake, no_model, show, tiny, words

from brainalign import export_ui, live, paper, store
from brainalign.atlas import gallery

__all__ = ["fake", "no_model", "tiny"]  # fixtures


def png(colour="green", size=(30, 20)):
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
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
    monkeypatch.setattr(live, "MAX_PIXELS", 500)
    upload(app, png())
    assert "more than" in app.error[0].value
    monkeypatch.setattr(live, "MAX_PIXELS", 600)
    upload(app, png("red"))
    assert not app.error


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
            f"{m}.{s}" for m in ("measured", "predicted") for s in ("lh", "rh")
        ]
    assert ">predicted<" in svg
    assert ">measured<" in svg
