"""A model behind an OpenAI-compatible server, which each test starts on this machine and lets misbehave."""

import json
import socket
import time
from base64 import b64decode
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from threading import Event, Thread

import numpy as np
import pytest
from PIL import Image

from brainalign import live, models
from brainalign.models import endpoint

PICTURE = np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8)
ASKED = "What is in this image?"
WORDS = (" There", " is", " a", " dög", ".")


class Handler(BaseHTTPRequestHandler):
    """Serves as vLLM does, but for what `server.does` says of a path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer({"object": "list", "data": [{"id": "small-vl"}, {"id": "large-vl"}]})

    def do_POST(self):
        self.server.asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.asked["model"] not in ("small-vl", "large-vl"):
            return self.answer({"error": {"message": "no such model"}}, 404)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.event({"choices": [{"delta": {"role": "assistant", "content": ""}}]})
        try:
            self.server.does(self)
        except OSError:
            self.server.left.set()
        self.close_connection = True

    def say(self, words=WORDS, end=True):
        for word in words:
            self.event({"choices": [{"index": 0, "delta": {"content": word}}]})
        if end:
            self.event({"choices": [{"delta": {}, "finish_reason": "stop"}]})
            self.event({"choices": [], "usage": {"completion_tokens": len(words)}})
            self.line(b"data: [DONE]\n\n")
            self.wfile.write(b"0\r\n\r\n")

    def event(self, content):
        self.line(b"data: " + json.dumps(content).encode() + b"\n\n")

    def line(self, text):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
        self.wfile.flush()

    def answer(self, content, status=200):
        key = self.headers.get("Authorization")
        if self.server.key and key != f"Bearer {self.server.key}":
            content, status = {"error": {"message": "wrong key"}}, 401
        status, content = self.server.statuses.get(self.path, (status, content))
        text = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args):
        pass


@contextmanager
def serving(monkeypatch, does=Handler.say, key="", statuses=()):
    """A server until the block ends; does(handler) sends an answer's words."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.does, server.key, server.statuses, server.left = does, key, dict(statuses), Event()
    server.daemon_threads = True
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setenv(endpoint.ADDRESS, f"http://127.0.0.1:{server.server_port}/v1/")
    monkeypatch.delenv(endpoint.SERVED, raising=False)
    monkeypatch.delenv(endpoint.KEY, raising=False)
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def said():
    return "".join(models.load("endpoint").stream(PICTURE, ASKED, max_new_tokens=20))


def test_it_is_there_only_where_configured(monkeypatch):
    monkeypatch.delenv(endpoint.ADDRESS, raising=False)
    assert "endpoint" not in live.choices()
    with pytest.raises(ValueError, match="no server is set; export BRAINALIGN_ENDPOINT="):
        models.find("endpoint")
    monkeypatch.setenv(endpoint.ADDRESS, "http://localhost:8000/v1")
    assert live.choices()["endpoint"] == ""
    assert "endpoint" not in models.MODELS


def test_the_request_holds_picture_and_instruction(monkeypatch):
    with serving(monkeypatch) as server:
        adapter = models.load("endpoint")
        stream = adapter.stream(PICTURE, ASKED, max_new_tokens=20)
        assert "".join(stream) == "There is a dög."
        assert stream.tokens >= len(WORDS)
    asked = server.asked
    assert (asked["model"], asked["max_tokens"], asked["temperature"]) == ("small-vl", 20, 0)
    image, text = asked["messages"][0]["content"]
    assert text == {"type": "text", "text": ASKED}
    kind, _, data = image["image_url"]["url"].partition(",")
    assert kind == "data:image/png;base64"
    np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(b64decode(data)))), PICTURE)
    with pytest.raises(ValueError, match="endpoint only answers"):
        adapter.states([PICTURE], ASKED)


def test_live_asks_it_like_any_other(monkeypatch):
    with serving(monkeypatch):
        assert "".join(live.stream("endpoint", PICTURE, ASKED)) == "There is a dög."
        assert live.resident("endpoint").state == "ready"
    live._worker().submit(lambda: (live._loaded.clear(), live._states.clear())).result()


def test_a_large_picture_is_sent_smaller():
    url = endpoint.data_url(np.zeros((3000, 1500, 3), np.uint8))
    assert Image.open(BytesIO(b64decode(url.partition(",")[2]))).size == (512, 1024)


def test_model_and_key_of_the_environment(monkeypatch):
    with serving(monkeypatch, key="secret") as server:
        with pytest.raises(ValueError, match=r"refuses the key; set BRAINALIGN_ENDPOINT_KEY") as raised:
            said()
        monkeypatch.setenv(endpoint.KEY, "secret")
        monkeypatch.setenv(endpoint.SERVED, "large-vl")
        assert said() == "There is a dög."
        assert server.asked["model"] == "large-vl"
        assert "secret" not in str(raised.value) + str(models.load("endpoint").checkpoint_info)


def test_cancel_hangs_up_while_waiting(monkeypatch):
    def slow(handler):
        handler.say(WORDS[:2], end=False)
        for _ in range(200):
            time.sleep(0.02)
            handler.line(b": still thinking\n\n")

    with serving(monkeypatch, slow) as server:
        cancel = Event()
        stream = models.load("endpoint").stream(PICTURE, ASKED, cancel=cancel)
        assert next(stream) == "There"
        cancel.set()
        assert "".join(stream) in ("", " is")
        assert server.left.wait(3), "the server was not told to stop"


def test_cancel_ends_the_wait_for_a_silent_server(monkeypatch):
    release = Event()
    with serving(monkeypatch, lambda handler: (handler.say(WORDS[:1], end=False), release.wait(30))):
        cancel = Event()
        stream = models.load("endpoint").stream(PICTURE, ASKED, cancel=cancel)
        assert next(stream) == "There"
        cancel.set()
        assert list(stream) == []
        release.set()


def refused_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("localhost:8000", "expected an address such as http://localhost:8000/v1"),
        ("http://127.0.0.1:{port}/v1", r"cannot be reached \(Connection refused\); start the server"),
        ("http://no-such-host.invalid/v1", "cannot be reached"),
    ],
)
def test_addresses_where_nobody_is(monkeypatch, where, message):
    monkeypatch.setenv(endpoint.ADDRESS, where.format(port=refused_port()))
    with pytest.raises(models.ModelError, match=message):
        said()


@pytest.mark.parametrize(
    ("statuses", "message"),
    [
        ({"/v1/models": (404, b"<html>")}, "has no list of models; such an address ends in /v1"),
        ({"/v1/models": (200, b"<html>Welcome</html>")}, "is no OpenAI-compatible server, it sent '<html>Welcome"),
        ({"/v1/models": (200, b"[1]")}, "is no OpenAI-compatible server"),
        ({"/v1/models": (200, b'{"data": 3}')}, "is no OpenAI-compatible server"),
        ({"/v1/models": (503, b'{"error": {"message": "still loading"}}')}, "answers 503: still loading"),
        ({"/v1/models": (500, b"")}, "answers 500: Internal Server Error"),
    ],
)
def test_servers_of_another_kind(monkeypatch, statuses, message):
    with serving(monkeypatch, statuses=statuses), pytest.raises(models.ModelError, match=message):
        said()


@pytest.mark.parametrize(
    ("does", "message"),
    [
        (lambda h: h.line(b"data: {oops\n\n"), "is no OpenAI-compatible server, it sent '{oops'"),
        (lambda h: h.line(b"<html>\n"), "it sent '<html>'"),
        (lambda h: h.event({"choices": [3]}), "is no OpenAI-compatible server"),
        (lambda h: h.event({"error": {"message": "out of memory"}}), "could not go on: out of memory"),
        (lambda h: h.say(WORDS[:2], end=False), "ask again"),
        (lambda h: time.sleep(2), "no word from .* for 0 seconds"),
    ],
)
def test_answers_that_go_wrong(monkeypatch, does, message):
    monkeypatch.setattr(endpoint, "SILENCE", 0.3)
    with serving(monkeypatch, does), pytest.raises(models.ModelError, match=message):
        said()


def test_a_model_that_is_not_served(monkeypatch):
    with serving(monkeypatch):
        monkeypatch.setenv(endpoint.SERVED, "other")
        with pytest.raises(
            models.ModelError,
            match="does not serve 'other'; set BRAINALIGN_ENDPOINT_MODEL to one of: small-vl, large-vl",
        ):
            said()
