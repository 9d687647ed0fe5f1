"""Files that many workers may write: a file that exists is complete, and one worker at a time makes it."""

import errno
import os
import time
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from brainalign.files import in_words

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

PAUSES = (0.1, 0.3, 1.0)  # seconds to wait for a file that another program holds
LOCKLESS = {errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS}  # what file systems without locks say
ATTEMPTS = 1000  # at a lock whose file seems to be another one each time, as on drives that number files anew


@contextmanager
def _writing(path):
    """Turns what the system says while `path` is written into one sentence."""
    try:
        yield
    except OSError as error:
        held = isinstance(error, PermissionError) and Path(path).exists()
        todo = "close the program that has it open, or ask for the right to write there; " if held else ""
        reason = error.strerror or error
        raise OSError(f"cannot write {path}: {reason}; {todo}what is finished is kept") from None


def write_once(path, write):
    """Let `write(aside)` make a file beside `path`, then rename it; nothing is left behind when it fails."""
    path = Path(path)
    aside = path.with_name(f".{uuid4().hex}{path.suffix}")
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(aside)
            _replace(aside, path)
        finally:
            aside.unlink(missing_ok=True)


def _replace(aside, path):
    """Rename; where a program reads `path`, Windows and network drives refuse for as long as it is open."""
    for pause in PAUSES:
        try:
            return os.replace(aside, path)
        except PermissionError:
            if not path.exists():
                raise
            time.sleep(pause)
    return os.replace(aside, path)


@contextmanager
def claimed(path, wait=False):
    """Whether this worker alone may make `path`: yields False at once (or waits) where another one holds it.

    The claim is an advisory lock on `<path>.lock`; it ends with its process, so a killed worker blocks nobody.
    Where the file system knows no locks, every worker may, which a warning says: work can then be done twice, and
    never wrongly, as files appear only when they are complete.
    """
    lock = Path(path).with_name(Path(path).name + ".lock")
    for attempt in range(ATTEMPTS):
        with _writing(lock):
            lock.parent.mkdir(parents=True, exist_ok=True)
            file = open(lock, "a")  # noqa: SIM115
        with file:
            if not _locked(file, wait):
                yield False
                return
            if not _same(file, lock) and attempt < ATTEMPTS - 1:
                continue  # the holder before us removed this lock file
            try:
                yield True
            finally:
                with suppress(OSError):  # Windows removes no open file
                    lock.unlink()
            return


def _locked(file, wait):
    """Whether the file is locked for this process; True where there are no locks."""
    try:
        if fcntl is None:
            raise OSError(errno.ENOSYS, "no locks")
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in LOCKLESS:
            raise OSError(f"cannot lock {file.name}: {in_words(error)}") from None
        folder = Path(file.name).parent
        warnings.warn(f"{folder} knows no file locks: let one run at a time work there", stacklevel=4)
    return True


def _same(file, path):
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except OSError:  # removed; a network drive says so in its own way
        return False
