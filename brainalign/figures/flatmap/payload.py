"""Messages to the browser: a JSON header and typed arrays in one block of bytes.

Layout: uint32 length of the header, the header padded with spaces to whole 8 bytes, then each array at an offset
(counted from the end of the header) that is a multiple of 8. `header["arrays"]` is name -> [dtype, offset, shape].
"""

import json
import struct

import numpy as np

SMALL = 600_000  # bytes of a map up to which its values are sent in 16 bits; larger ones take 8


def encode(header, **arrays):
    """One message; arrays are little-endian uint8, uint16, int32 or float32."""
    blocks, table, offset = [], {}, 0
    for name, array in arrays.items():
        array = np.ascontiguousarray(array, np.asarray(array).dtype.newbyteorder("<"))
        table[name] = [array.dtype.str[1:], offset, list(array.shape)]
        blocks.append(array.tobytes() + bytes(-array.nbytes % 8))
        offset += len(blocks[-1])
    text = json.dumps(header | {"arrays": table}, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 4) % 8)
    return struct.pack("<I", len(text)) + text + b"".join(blocks)


def decode(message):
    """(header, {name: array}) of a message, as the browser reads it."""
    start = 4 + struct.unpack_from("<I", message)[0]
    header = json.loads(message[4:start])
    arrays = {
        name: np.frombuffer(message, f"<{dtype}", int(np.prod(shape)), start + offset).reshape(shape)
        for name, (dtype, offset, shape) in header.pop("arrays").items()
    }
    return header, arrays


def quantise(values):
    """Integer codes of values (any shape), and how to read them: value = low + step * code, off by step / 2.

    The largest code means that there is no value. Returns (codes uint16 or uint8, {"low", "step", "missing"}).
    """
    dtype = np.uint16 if 2 * values.size <= SMALL else np.uint8
    missing = np.iinfo(dtype).max
    there = np.isfinite(values)
    inside = values[there]
    low, high = (float(inside.min()), float(inside.max())) if inside.size else (0.0, 0.0)
    step = (high - low) / (missing - 1) or 1.0
    codes = np.subtract(values, low, dtype="f8")
    codes /= step
    np.rint(codes, out=codes)
    codes[~there] = missing
    return codes.astype(dtype), {"low": low, "step": step, "missing": missing}


def read(codes, low, step, missing):
    """Values of codes; NaN where there is none."""
    return np.where(codes == missing, np.nan, low + step * codes.astype("f8"))
