"""Writing a version of the store: aside, checked, renamed, and only then pointed to."""

import shutil
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pyarrow as pa

from brainalign.store.connecting import reader, workshop, writer
from brainalign.store.schema import KEYS, TABLES, columns, taken
from brainalign.writing import write_once


def write(directory, tables, info):
    """Write `results-<version>.duckdb` in `directory`, switch LATEST to it, and return its path.

    tables : name -> iterable of pandas or Arrow tables; those of a table in schema.KEYS come in key order,
        one after the other, so that a study larger than memory can be written
    info : key -> text for the table `store`; version and created are added here
    The version is a hash of all rows but those of `runs`, whose times differ from run to run. Older versions stay
    for whoever has them open; remove them by hand.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    with workshop(directory) as place:
        made = place / "made.duckdb"
        version, counts = _fill(made, tables, info)
        _verify(made, counts)
        path = directory / f"results-{version}.duckdb"
        write_once(path, lambda aside: shutil.move(made, aside))
    point(directory, path.name)
    return path


def point(directory, name):
    """Switch the pointer file LATEST to a version, at once for every reader."""
    write_once(Path(directory) / "LATEST", lambda aside: aside.write_text(name + "\n", encoding="utf-8"))


def _fill(path, tables, info):
    """Create and load every table; returns (version, rows by table)."""
    unknown = set(tables) - set(TABLES)
    if unknown:
        raise ValueError(f"the store has no table {', '.join(sorted(unknown))}; it has {', '.join(TABLES)}")
    digest, counts = sha256(repr(sorted(info.items())).encode()), {}
    with writer(path) as db:
        for name, definition in TABLES.items():
            db.execute(f"CREATE TABLE {name} ({definition})")
            counts[name] = 0
            digest.update(name.encode())
            for frame in tables.get(name, ()):
                counts[name] += _insert(db, name, frame, None if name == "runs" else digest)
            _check_order(db, name)
        version = digest.hexdigest()[:12]
        stamp = {"version": version, "created": datetime.now(UTC).isoformat(timespec="seconds")}
        db.executemany("INSERT INTO store VALUES (?, ?)", [[k, str(v)] for k, v in (stamp | info).items()])
        counts["store"] = len(stamp | info)
    return version, counts


def _insert(db, name, frame, digest):
    """Append one table's rows, columns by name; returns their number."""
    rows = pa.Table.from_pandas(frame, preserve_index=False) if isinstance(frame, pd.DataFrame) else frame
    rows = rows.select(columns(name)).replace_schema_metadata(None)
    if digest is not None:
        with pa.ipc.new_stream(pa.PythonFile(_Sink(digest), "w"), rows.schema) as stream:
            stream.write_table(rows)
    db.register("incoming", rows)
    db.execute(f"INSERT INTO {name} SELECT {taken(name)} FROM incoming")
    db.unregister("incoming")
    return rows.num_rows


class _Sink:
    """A file that only hashes what is written to it."""

    closed = False

    def __init__(self, digest):
        self.digest = digest

    def write(self, data):
        self.digest.update(data)
        return len(data)

    def flush(self):
        pass


def _check_order(db, name):
    """Rows out of key order make every map tens of times slower, and a key twice is an error upstream."""
    if name not in KEYS:
        return
    key = ", ".join(KEYS[name])
    bad = db.execute(f"""
        SELECT count(*) FROM (SELECT ({key}) AS key, lag(({key})) OVER (ORDER BY rowid) AS before FROM {name})
        WHERE before >= key""").fetchone()[0]
    if bad:
        raise ValueError(f"{bad} rows of the table {name} are out of the order {key}, or there twice")


def _verify(path, counts):
    """Open what was written again and count its rows."""
    with reader(path) as db:
        for name, expected in counts.items():
            found = db.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
            if found != expected:
                raise ValueError(f"{path}: {found} rows in {name}, expected {expected}; publish again")
