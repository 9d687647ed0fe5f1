"""Opening a database file of the store, with DuckDB's own errors in words."""

import re
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import duckdb

BLOCK = "32768"  # bytes; with DuckDB's 256 KB a small store is mostly padding, and a large one no smaller
HOLDER = re.compile(r"Conflicting lock is held in (.*?)\(PID ([1-9]\d*)\)")


def reader(path):
    """A connection that only reads; a file that cannot be opened is a ValueError that says what to do."""
    try:
        return duckdb.connect(str(path), read_only=True)
    except duckdb.Error as error:
        raise ValueError(f"{path} is not a store that can be read: {_reason(error)}") from None


def writer(path):
    """A connection that makes a new file."""
    return duckdb.connect(str(path), config={"default_block_size": BLOCK})


@contextmanager
def workshop(directory):
    """A folder in which a database can be made: within `directory`, or where that knows no file locks a local one.

    It goes with all that is in it. What DuckDB cannot write there (a full disk ...) is an OSError.
    """
    try:
        place = directory if _knows_locks(directory) else None
        with TemporaryDirectory(prefix=".", dir=place, ignore_cleanup_errors=True) as made:
            yield Path(made)
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise OSError(f"no store can be written to {directory}: {_reason(error)}") from None


def _knows_locks(directory):
    trial = directory / f".{uuid4().hex}.duckdb"
    try:
        writer(trial).close()
    except duckdb.IOException as error:
        if "Could not set lock" in str(error):
            return False
        raise
    finally:
        trial.unlink(missing_ok=True)
    return True


def _reason(error):
    said = str(error).splitlines()[0].removeprefix("IO Error: ")
    if "Could not set lock" not in said:
        return said
    if holder := HOLDER.search(said):
        return f"{holder[1].strip() or 'a program'} (process {holder[2]}) has it open for writing; close that program"
    return "its file system knows no file locks; copy it to a local disk, or mount that place with locks"
