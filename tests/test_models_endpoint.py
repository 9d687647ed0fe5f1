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
        if self.server.refuses:
            return self.answer(self.server.refuses[1], self.server.refuses[0])
        plain = self.server.plain
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        if type(plain) is int:
            self.send_header("Content-Length", str(plain))
        elif plain == "closing":
            self.send_header("Connection", "close")
        else:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if not plain:
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
        if 300 <= status < 400:
            self.send_header("Location", "https://elsewhere/v1")
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args):
        pass


@contextmanager
def serving(monkeypatch, does=Handler.say, key="", statuses=(), plain=False, refuses=None):
    """A server until the block ends; does(handler) sends an answer's words.

    plain : the answer is what `does` sends alone, in chunks; if "closing", until it hangs up; if a number, so long
    refuses : (status, body) of every answer
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.does, server.key, server.statuses, server.left = does, key, dict(statuses), Event()
    server.plain, server.refuses = plain, refuses
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


def delta(content, **more):
    return {"choices": [{"index": 0, "delta": {"content": content}, **more}]}


def sse(*parts, start=b"data: ", end=b"\n\n"):
    """Messages and plain texts as server-sent events."""
    return b"".join(
        part if isinstance(part, bytes) else start + json.dumps(part, ensure_ascii=False).encode() + end
        for part in parts
    )


DONE = b"data: [DONE]\n\n"
LAST = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
WHOLE = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "A dög."}, "finish_reason": "stop"}]}
SPOKEN = {  # bodies that hold "A dög."
    "as vLLM": sse({"choices": [{"delta": {"role": "assistant"}}]}, delta("A"), delta(" dög."), LAST, DONE),
    "no space after the colon": sse(delta("A"), delta(" dög."), b"data:[DONE]\n\n", b"x", start=b"data:"),
    "error is null": sse(*({**delta(text), "error": None} for text in ("A", " dög.")), DONE),
    "usage, no choices": sse(delta("A dög."), LAST, {"choices": [], "usage": {}}, {"choices": None}, DONE),
    "an empty delta": sse({"choices": [{"delta": None}]}, delta(None), delta("A dög."), LAST, DONE),
    "content in parts": sse(delta([{"type": "text", "text": "A"}, " d"]), delta([{"text": "ög."}]), LAST),
    "comments and other fields": sse(
        b": ping\n\n", b"event: message\nid: 7\nretry: 10\n", delta("A dög."), b":\n\n", DONE
    ),
    "CRLF": sse(delta("A"), delta(" dög."), b"data: [DONE]\r\n\r\n", end=b"\r\n\r\n"),
    "CR alone": sse(delta("A"), delta(" dög."), b"data: [DONE]\r\r", end=b"\r\r"),
    "a mark and no empty lines": b"\xef\xbb\xbf" + sse(delta("A"), delta(" dög."), LAST, end=b"\n"),
    "several lines of data": sse(
        json.dumps(delta("A dög."), indent=1).replace("\n", "\ndata: ").join(["data: ", "\n\n"]).encode(), LAST
    ),
    "empty data to keep alive": sse(b"data:\n\n", delta("A"), b"data: \n\n", delta(" dög."), LAST),
    "[DONE] in quotes": sse(delta("A"), delta(" dög."), b'data: "[done]"\n\n'),
    "its number as text": sse({"choices": [{"index": "0", "delta": {"content": "A dög."}}]}, LAST),
    "no [DONE]": sse(delta("A"), delta(" dög."), LAST),
    "no [DONE] and no reason to end": sse(delta("A"), delta(" dög.")),
    "all at once": json.dumps(WHOLE).encode(),
    "all at once, on many lines": json.dumps(WHOLE, indent=2).encode(),
    "all at once, as an event": sse(WHOLE, DONE),
    "JSON on each line": sse(delta("A"), delta(" dög."), LAST, start=b"", end=b"\n"),
    "reasoning first": sse(
        {"choices": [{"delta": {"reasoning_content": "Hm."}}]},
        {"choices": [{"delta": {"reasoning": "Hm."}}]},
        delta("A dög."),
        LAST,
    ),
    "another choice too": sse(
        {"choices": [{"index": 1, "delta": {"content": "No."}}, *delta("A dög.")["choices"]]}, LAST
    ),
    "the text of completions": sse({"choices": [{"index": 0, "text": "A dög."}]}, LAST),
    "a refusal": sse({"choices": [{"delta": {"content": None, "refusal": "A dög."}}]}, LAST),
    "escaped": sse(b'data: {"choices": [{"delta": {"content": "A d\\u00f6g."}}]}\n\n', LAST),
}


def sends(body, split=1):
    """Sends a body in chunks of `split` bytes, whatever they cut."""

    def does(handler):
        for start in range(0, len(body), split):
            handler.line(body[start : start + split])
        handler.wfile.write(b"0\r\n\r\n")

    return does


@pytest.mark.parametrize("how", SPOKEN)
def test_an_answer_is_the_same_however_a_server_sends_it(monkeypatch, how):
    for split in (7, 100_000):
        with serving(monkeypatch, sends(SPOKEN[how], split), plain=True):
            assert said() == "A dög."


def test_an_answer_whose_length_is_told_and_one_that_ends_with_the_connection(monkeypatch):
    for body, message in ((sse(delta("A"), LAST), ""), (sse(delta("A")), "broke off in the middle of its answer")):
        with serving(monkeypatch, lambda handler, body=body: handler.wfile.write(body), plain="closing"):
            if message:
                with pytest.raises(models.ModelError, match=message):
                    said()
            else:
                assert said() == "A"
    body = sse(delta("A"))
    with serving(monkeypatch, lambda handler: handler.wfile.write(body), plain=len(body)):
        assert said() == "A"
    with (
        serving(monkeypatch, lambda handler: handler.wfile.write(body), plain=len(body) + 1),
        pytest.raises(models.ModelError, match="broke off"),
    ):
        said()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (sse({"error": "no memory left"}), "could not go on: no memory left"),
        (sse({"error": {"message": "too long", "code": 400}}), "could not go on: too long"),
        (sse(b"event: error\n", {"message": "it fell over"}), "could not go on: it fell over"),
        (sse({"object": "error", "message": "old vLLM"}), "could not go on: old vLLM"),
        (json.dumps({"detail": [{"msg": "field required"}]}).encode(), "could not go on: field required"),
        (sse({"id": 1}, DONE), "is no OpenAI-compatible server, it sent"),
        (sse({"id": 1}), "is no OpenAI-compatible server, it sent"),
        (b"", "is no OpenAI-compatible server, it sent"),
        (sse(delta({"a": 1})), "is no OpenAI-compatible server, it sent"),
        (sse(delta("A"))[:-20], "broke off in the middle of its answer; ask again"),
        (sse({"choices": [{"delta": {"reasoning": "Hm."}}]}, LAST), "small-vl only reasoned"),
        (sse(b"data: " + b"[" * 100_000 + b"\n\n"), "is no OpenAI-compatible server"),
    ],
)
def test_real_faults_are_told_in_words(monkeypatch, body, message):
    with serving(monkeypatch, sends(body, 50), plain=True), pytest.raises(models.ModelError, match=message):
        said()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error": {"message": "picture too large"}}', "answers 422: picture too large$"),
        (b'{"error": "picture too large"}', "answers 422: picture too large$"),
        (b'{"detail": [{"loc": ["body"], "msg": "no pictures"}]}', "answers 422: no pictures$"),
        (b'[{"error": {"code": 422, "message": "of Google"}}]', "answers 422: of Google$"),
        (b'{"object": "error", "message": "of vLLM", "code": 422}', "answers 422: of vLLM$"),
        (b"plain\ntext\n", "answers 422: plain text$"),
        (
            b"<html><head><title>502 Bad Gateway</title><style>a{}</style></head>\n<body></body></html>",
            "422: 502 Bad Gateway$",
        ),
        ("Bild zu groß".encode("latin-1"), "answers 422: Bild zu gro.$"),
        (b"[" * 100_000, r"answers 422: \[+$"),
        (b"", "answers 422: Unprocessable"),
    ],
)
def test_what_a_server_says_when_it_refuses(monkeypatch, body, message):
    with serving(monkeypatch, refuses=(422, body)), pytest.raises(models.ModelError, match=message):
        said()


def test_an_address_that_moved_and_one_without_answers(monkeypatch):
    with (
        serving(monkeypatch, refuses=(308, b"")),
        pytest.raises(
            models.ModelError, match=r"answers 308: .*; it points to https://elsewhere/v1: correct BRAINALIGN_ENDPOINT"
        ),
    ):
        said()
    with (
        serving(monkeypatch, refuses=(404, b"no such page")),
        pytest.raises(models.ModelError, match="answers 404: no such page"),
    ):
        said()
