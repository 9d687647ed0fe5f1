"""Files that many workers may write: a file that exists is complete, and one worker at a time makes it."""

import fcntl
import json
import os
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import numpy as np

HALF = 2.0**-14, 65504.0  # the smallest and the largest number that float16 holds with three digits
SAMPLE = 65536  # bytes read at the start, middle and end of a file by `fingerprint`


def write_once(path, write):
    """Let `write(aside)` make a file beside `path`, then rename it; nothing is left behind when it fails."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{uuid4().hex}{path.suffix}")
    try:
        write(aside)
        os.replace(aside, path)
    except OSError as error:
        raise OSError(
            error.errno, f"cannot write {path}: {error.strerror or error}; what is finished is kept"
        ) from None
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def claimed(path, wait=False):
    """Whether this worker alone may make `path`: yields False at once (or waits) where another one holds it.

    The claim is an advisory lock on `<path>.lock`; it ends with its process, so a killed worker blocks nobody.
    """
    lock = Path(path).with_name(Path(path).name + ".lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with open(lock, "a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            if not _same(file, lock):
                continue  # the holder before us removed this lock file
            try:
                yield True
            finally:
                lock.unlink(missing_ok=True)
            return


def _same(file, path):
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def fingerprint(*parts):
    """16 hex digits that change with anything in `parts` (what JSON can hold)."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256(text.encode()).hexdigest()[:16]


def file_identity(path):
    """Size and a hash of three samples of a file: cheap for any size, and changed by any usual change."""
    path = Path(path)
    size = path.stat().st_size
    digest = sha256()
    with open(path, "rb") as file:
        for start in (0, size // 2, max(0, size - SAMPLE)):
            file.seek(start)
            digest.update(file.read(SAMPLE))
    return [size, digest.hexdigest()[:16]]


def compact(values):
    """Numbers as they are kept in files: float16 where it suffices, else float32.

    float16 ends at 65,504 and loses digits below 6e-5. It suffices where the largest magnitude lies between the two,
    or all values are 0. NaN has its place in both.
    """
    values = np.asarray(values, np.float32)
    largest = np.abs(values).max(initial=0, where=~np.isnan(values))
    return values.astype(np.float16) if largest == 0 or HALF[0] <= largest <= HALF[1] else values
