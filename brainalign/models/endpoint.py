"""A model behind an OpenAI-compatible server (vLLM and the like): it answers on the live page and has no states.

BRAINALIGN_ENDPOINT        its address, such as http://localhost:8000/v1; without it there is no such model
BRAINALIGN_ENDPOINT_MODEL  what it shall answer with, by default the first that it serves
BRAINALIGN_ENDPOINT_KEY    its key, if it wants one
"""

import json
import os
from base64 import b64encode
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from io import BytesIO
from socket import SHUT_RDWR
from threading import Event, Thread
from urllib.parse import urlsplit

from brainalign.models import events
from brainalign.models.checkpoint import ModelError
from brainalign.models.streaming import Stream

ADDRESS, SERVED, KEY = "BRAINALIGN_ENDPOINT", "BRAINALIGN_ENDPOINT_MODEL", "BRAINALIGN_ENDPOINT_KEY"
CONNECT, SILENCE = 5.0, 60.0  # seconds to wait for a connection, and for the next word
SIDE = 1024  # pixels: a larger picture is sent smaller
LONGEST = 1 << 20  # bytes of a line, or of a list of models


def address():
    """Where the server is, "" if none is set."""
    return os.environ.get(ADDRESS, "").strip().rstrip("/")


class Endpoint:
    """What the live page needs of an adapter."""

    answers, uses_instruction = True, False  # no state of it can depend on anything: it gives none
    layers = poolings = fixed_poolings = ()
    n_bytes = 0

    def __init__(self, model, *args):
        self.model, self.server = model, Server(address(), os.environ.get(KEY, ""))
        self.served = os.environ.get(SERVED) or self.server.models()[0]
        name = f"{self.served} at {self.server.address}"
        self.checkpoint_info = {"checkpoint": name, "revision": "unknown", "dtype": "unknown"}

    def release(self):
        """Nothing is held here."""

    def stream(self, image, text, max_new_tokens=64, cancel=None):
        """Iterator over the pieces of the answer; see `Adapter.stream`."""
        return Stream(lambda stream: self.answer(image, text, stream, max_new_tokens), cancel)

    def answer(self, image, text, stream, max_new_tokens=64):
        """Ask, and hand each piece of the answer to `stream`; to stop is to hang up."""
        content = [{"type": "image_url", "image_url": {"url": data_url(image)}}, {"type": "text", "text": text}]
        asked = {"model": self.served, "messages": [{"role": "user", "content": content}], "stream": True}
        said = False
        for piece in self.server.answer(asked | {"max_tokens": max_new_tokens, "temperature": 0}, stream):
            piece = piece if said else piece.lstrip()
            said = said or bool(piece)
            stream.emit(piece)

    def states_many(self, *args, **kwargs):
        raise ModelError(f"{self.model.name} only answers; states come from models whose weights are on this machine")

    states = states_many


class Server:
    """An OpenAI-compatible server; whatever goes wrong ends as one message with what to do."""

    def __init__(self, address, key=""):
        self.address, self.key, self.parts = address, key, urlsplit(address)
        if self.parts.scheme not in ("http", "https") or not self.parts.hostname:
            raise ModelError(f"{ADDRESS} is {address!r}, expected an address such as http://localhost:8000/v1")

    def models(self):
        """Names of the models that it serves."""
        connection, response = self._request("GET", "/models")
        with closing(connection), self._heard():
            found = self._parsed(response.read(LONGEST))
        try:
            return [entry["id"] for entry in found["data"] or ()] or [""]
        except (KeyError, TypeError):
            raise self._strange(json.dumps(found)) from None

    def answer(self, asked, stream):
        """Pieces of a streamed answer, which ends early when stopped; see `events`."""
        connection, response = self._request("POST", "/chat/completions", asked)
        said = reasoned = False
        with closing(connection), closing(response), self._heard(stream), _hung_up(connection.socket, stream):
            for chunk in self._chunks(response, stream):
                said, reasoned = said or bool(chunk.text), reasoned or chunk.reasoned
                yield chunk.text
        if reasoned and not said and not stream.stopped:
            raise ModelError(f"{asked['model']} only reasoned, for as many tokens as it had; choose one that answers")

    def _chunks(self, response, stream):
        """Each `events.Chunk`; a ModelError where the server tells of a fault, breaks off, or speaks otherwise."""
        found, told, over = {}, False, False
        try:
            for name, found in events.messages(_lines(response, stream)):
                if found is None:
                    over = True
                    break
                if fault := events.fault(name, found):
                    raise ModelError(f"{self.address} could not go on: {fault}")
                if chunk := events.chunk(found):
                    told, over = True, over or chunk.last
                    yield chunk
            if not (over or stream.stopped or _complete(response)):
                raise EOFError
        except events.Malformed as error:
            raise self._strange(str(error)) from None
        except EOFError:
            raise ModelError(f"{self.address} broke off in the middle of its answer; ask again") from None
        if not told and not stream.stopped:
            raise self._strange(json.dumps(found or {}))

    def _request(self, method, path, body=None):
        """An open connection and its response, once the server has accepted the request."""
        kind = HTTPSConnection if self.parts.scheme == "https" else HTTPConnection
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        try:
            connection = kind(self.parts.hostname, self.parts.port, timeout=CONNECT)
            connection.connect()
        except (OSError, HTTPException, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            message = f"{self.address} cannot be reached ({why}); start the server, or correct {ADDRESS}"
            raise ModelError(message) from error
        connection.socket = connection.sock  # http.client forgets it when the server will close
        connection.socket.settimeout(SILENCE)
        with self._heard():
            connection.request(method, self.parts.path + path, json.dumps(body) if body else None, headers)
            response = connection.getresponse()
        if not 200 <= response.status < 300:
            with closing(connection):
                raise self._refused(response, path, body)
        return connection, response

    @contextmanager
    def _heard(self, stream=None):
        """Silence, or a connection that ends, while waiting for the server."""
        try:
            yield
        except ModelError:
            raise
        except (OSError, HTTPException, ValueError) as error:
            if stream and stream.stopped:
                return
            if isinstance(error, TimeoutError):
                message = f"no word from {self.address} for {SILENCE:.0f} seconds; see whether the server is stuck"
            else:
                message = f"{self.address} hung up ({error or type(error).__name__}); ask again, or see its log"
            raise ModelError(message) from error

    def _refused(self, response, path, body):
        with self._heard():
            said = response.read(LONGEST).decode(errors="replace")
        try:
            said = events.reason(json.loads(said))
        except (ValueError, RecursionError):
            said = events.plain(said)
        said = said.strip()[:300] or response.reason
        if response.status in (401, 403):  # whose words may hold the key
            return ModelError(f"{self.address} refuses the key; set {KEY} to a right one")
        if response.status == 404 and path == "/models":
            return ModelError(f"{self.address} has no list of models; such an address ends in /v1: correct {ADDRESS}")
        if response.status == 404 and body["model"] not in (served := self.models()):
            served = ", ".join(served)
            return ModelError(f"{self.address} does not serve {body['model']!r}; set {SERVED} to one of: {served}")
        to = response.headers.get("Location")
        moved = f"; it points to {to}: correct {ADDRESS}" if to else ""
        return ModelError(f"{self.address} answers {response.status}: {said}{moved}")

    def _parsed(self, text):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise self._strange(text)
        return found

    def _strange(self, sent):
        sent = sent.decode(errors="replace") if isinstance(sent, bytes) else sent
        return ModelError(
            f"{self.address} is no OpenAI-compatible server, it sent {sent.strip()[:60]!r}; correct {ADDRESS}"
        )


def _lines(response, stream):
    """The lines of a response, without their ends; none after the stream is stopped."""
    while not stream.stopped and (line := response.readline(LONGEST)):
        yield from line.splitlines()


def _complete(response):
    """Whether all of a response came that it announced; a chunked one ends with a chunk of nothing."""
    return response.chunk_left is None if response.chunked else response.length == 0


@contextmanager
def _hung_up(socket, stream, every=0.1):
    """Hang up as soon as the stream is stopped, also while waiting for the next word."""
    done = Event()

    def watch():
        while not done.wait(every):
            if stream.stopped:
                with suppress(OSError):
                    socket.shutdown(SHUT_RDWR)
                return

    Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        done.set()


def data_url(image):
    """A picture, uint8 (height, width, 3), as the text of a PNG."""
    from PIL import Image

    picture, file = Image.fromarray(image), BytesIO()
    picture.thumbnail((SIDE, SIDE))
    picture.save(file, "PNG")
    return "data:image/png;base64," + b64encode(file.getvalue()).decode()
