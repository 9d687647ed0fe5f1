"""Result files: one Parquet file a job, with its provenance as JSON in the file's metadata."""

import io
import json
import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from brainalign.writing import write_once

PACKAGES = ("brainalign", "numpy", "torch", "transformers", "himalaya", "duckdb")
ABOUT = b"brainalign"  # key of the provenance in a Parquet file's metadata


def about(job, seconds, warnings=(), **more):
    """Where a result comes from: the job and its inputs, when and how long, with which versions."""
    return {
        "job": job.id,
        "inputs": job.inputs,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "warnings": list(warnings),
        "versions": versions(),
    } | more


@cache
def versions():
    """Versions of what computes, and the commit of a working copy (with + where files were changed)."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    commit = _git("rev-parse", "HEAD")
    if commit:
        found["commit"] = commit + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    return found


def _git(*words):
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists():
        return ""
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def write_table(path, columns, provenance):
    """Write columns (name -> array) as a Parquet file that appears only when it is complete."""
    table = pa.table(columns).replace_schema_metadata({ABOUT: json.dumps(provenance)})
    write_once(path, lambda aside: pq.write_table(table, aside, compression="zstd"))


def read_table(path, columns=None):
    """The columns of a result as arrays by name."""
    table = pq.read_table(path, columns=columns)
    return {name: table[name].to_numpy() for name in table.column_names}


def read_about(path):
    """The provenance of a result file of any kind."""
    path = Path(path)
    if path.suffix == ".json":
        return json.loads(path.read_text(encoding="utf-8"))
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            return json.loads(str(arrays["about"]))
    return json.loads(pq.read_schema(path).metadata[ABOUT])


def write_arrays(path, arrays, provenance):
    """Write arrays by name as an .npz file that appears only when it is complete."""
    file = io.BytesIO()
    np.savez_compressed(file, about=json.dumps(provenance), **arrays)
    write_once(path, lambda aside: aside.write_bytes(file.getvalue()))


def read_arrays(path, leave=None):
    """The arrays that `write_arrays` wrote, but for those with `leave` in their name."""
    with np.load(path, allow_pickle=False) as arrays:
        names = [name for name in arrays.files if name != "about" and not (leave and leave in name)]
        return {name: arrays[name] for name in names}


def by_map(columns, names):
    """{(layer, pooling): {name: (n_units,)}} of the rows of an encode result, in key order."""
    keys = list(zip(columns["layer"].tolist(), columns["pooling"].tolist()))
    starts = [k for k in range(len(keys)) if k == 0 or keys[k] != keys[k - 1]] + [len(keys)]
    return {keys[a]: {name: columns[name][a:b] for name in names} for a, b in pairwise(starts)}


def best_layer(path, pooling):
    """The layer of an encode result that predicts left-out training images best; test images have no say."""
    from brainalign import encoding

    maps = by_map(read_table(path, ["layer", "pooling", "cv"]), ["cv"])
    cv = {layer: columns["cv"] for (layer, name), columns in maps.items() if name == pooling}
    return list(cv)[encoding.best_layer(np.stack(list(cv.values())))]
