"""An answer as it grows: pieces of text from a model that works on another thread."""

from queue import SimpleQueue
from threading import Event, Thread
from time import perf_counter


class Stream:
    """Iterator over the pieces of one answer; joined they are exactly the answer.

    work(stream) runs elsewhere, calls `emit(piece)` once a token and stops soon after `stopped` is True.
    An error in it is raised to the reader. Leaving the loop early stops the model.

    waited : seconds before the model began, in a queue or loading; the other times start there
    notes : what the model did not see of its input, as sentences
    tokens, first_token_seconds, seconds, tokens_per_second : so far
    """

    def __init__(self, work, cancel=None, submit=None):
        self._pieces, self._cancel, self._left = SimpleQueue(), cancel or Event(), Event()
        self._asked = perf_counter()
        self._began = self._first = self._last = None
        self.tokens, self.notes = 0, []
        (submit or _thread)(lambda: self._run(work))

    def _run(self, work):
        error = None
        try:
            if not self.stopped:
                self.begin()
                work(self)
        except Exception as raised:
            error = raised
        self._pieces.put(error or StopIteration())

    def begin(self):
        """Start the clock: the model begins now."""
        self._began = perf_counter()

    def emit(self, piece):
        """Hand over the text that one more token adds, which may be none."""
        self._last = perf_counter()
        self._first = self._first or self._last
        self.tokens += 1
        if piece:
            self._pieces.put(piece)

    def note(self, sentence):
        """Say what the model does not see of its input; "" says nothing."""
        self.notes += [sentence] if sentence else []

    def flush(self, piece):
        """Hand over text that was held back; no token of its own."""
        if piece:
            self._pieces.put(piece)

    @property
    def stopped(self):
        return self._cancel.is_set() or self._left.is_set()

    def close(self):
        """Stop the model within a token or two; the text so far stays readable."""
        self._left.set()

    def __next__(self):
        item = self._pieces.get()
        if isinstance(item, str):
            return item
        self._pieces.put(StopIteration())
        raise item

    def __iter__(self):
        try:
            while True:
                try:
                    yield next(self)
                except StopIteration:
                    return
        finally:
            self.close()

    @property
    def waited(self):
        return (self._began or perf_counter()) - self._asked

    @property
    def first_token_seconds(self):
        return self._first - self._began if self._first else None

    @property
    def seconds(self):
        return self._last - self._began if self._last else 0.0

    @property
    def tokens_per_second(self):
        between = self._last - self._first if self._last else 0
        return (self.tokens - 1) / between if between else None


def _thread(run):
    Thread(target=run, daemon=True).start()


class Pieces:
    """A transformers streamer that turns token ids into text pieces for a `Stream`.

    Space at the end and unfinished characters are held back until what follows is known, so that pieces never
    have to be taken back.

    unsure : characters to be held back at the end
    """

    def __init__(self, stream, decode, unsure="\ufffd \n"):
        self.stream, self.decode, self.unsure = stream, decode, unsure
        self.ids, self.sent, self.prompt_seen = [], 0, False

    def put(self, ids):
        if not self.prompt_seen:  # generate first hands over the prompt
            self.prompt_seen = True
            return
        self.ids += ids.reshape(-1).tolist()
        text = self.decode(self.ids).rstrip(self.unsure)
        self.stream.emit(text[self.sent :])
        self.sent = max(self.sent, len(text))

    def end(self):
        self.stream.flush(self.decode(self.ids)[self.sent :])
