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
            return [entry["id"] for entry in found["data"]] or [""]
        except (KeyError, TypeError):
            raise self._strange(json.dumps(found)) from None

    def answer(self, asked, stream):
        """Pieces of a streamed answer: lines `data: {...}`, at last `data: [DONE]`; ends early when stopped."""
        connection, response = self._request("POST", "/chat/completions", asked)
        with closing(connection), closing(response), self._heard(stream), _hung_up(connection.socket, stream):
            while not stream.stopped:
                line = response.readline(LONGEST)
                event = line.strip()
                if event == b"data: [DONE]" or stream.stopped:
                    return
                if event.startswith(b"data:"):
                    yield self._piece(event[5:])
                elif not line:
                    raise ModelError(f"{self.address} broke off in the middle of its answer; ask again")
                elif event and event.partition(b":")[0] not in (b"", b"event", b"id", b"retry"):
                    raise self._strange(line)

    def _piece(self, event):
        found = self._parsed(event)
        if "error" in found:
            raise ModelError(f"{self.address} could not go on: {_message(found)}")
        try:
            return "".join(choice["delta"].get("content") or "" for choice in found["choices"])
        except (KeyError, TypeError, AttributeError):
            raise self._strange(event) from None

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
        if response.status != 200:
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
        if response.status in (401, 403):
            return ModelError(f"{self.address} refuses the key; set {KEY} to a right one")
        if response.status == 404 and path == "/models":
            return ModelError(f"{self.address} has no list of models; such an address ends in /v1: correct {ADDRESS}")
        if response.status == 404:
            served = ", ".join(self.models())
            return ModelError(f"{self.address} does not serve {body['model']!r}; set {SERVED} to one of: {served}")
        with self._heard():
            said = response.read(LONGEST).decode(errors="replace")
        with suppress(ValueError):
            said = _message(json.loads(said))
        return ModelError(f"{self.address} answers {response.status}: {said.strip()[:300] or response.reason}")

    def _parsed(self, text):
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise self._strange(text)
        return found

    def _strange(self, sent):
        sent = sent.decode(errors="replace") if isinstance(sent, bytes) else sent
        return ModelError(
            f"{self.address} is no OpenAI-compatible server, it sent {sent.strip()[:60]!r}; correct {ADDRESS}"
        )


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


def _message(found):
    """What an error says, in any of the shapes that servers give it."""
    error = found.get("error", found) if isinstance(found, dict) else found
    return str(error.get("message") or error.get("detail") or error) if isinstance(error, dict) else str(error)


def data_url(image):
    """A picture, uint8 (height, width, 3), as the text of a PNG."""
    from PIL import Image

    picture, file = Image.fromarray(image), BytesIO()
    picture.thumbnail((SIDE, SIDE))
    picture.save(file, "PNG")
    return "data:image/png;base64," + b64encode(file.getvalue()).decode()
