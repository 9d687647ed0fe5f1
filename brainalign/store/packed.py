"""Arrays of numbers as bytes in a table: float16 where it suffices, else float32; their length tells which."""

import numpy as np


def to_bytes(values):
    """Little-endian bytes of float16 or float32 numbers (see `files.compact`), row by row."""
    return np.ascontiguousarray(values).astype(f"<f{values.dtype.itemsize}").tobytes()


def from_bytes(data, n):
    """The n numbers of `to_bytes`."""
    return np.frombuffer(data, f"<f{len(data) // n}")
