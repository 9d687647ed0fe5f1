"""Arrays as people have them: of any layout, byte order and kind of number, from NumPy, torch, pandas or lists."""

import numpy as np

ROWS = 256  # looked at together, so that a check of large arrays needs little memory


def numbers(values, what, ndim=None):
    """The same numbers as a NumPy array of native float32 or float64, C-contiguous and writable; not copied if it is.

    float16 (and bfloat16) become float32, whole numbers and bool float64; masked and missing values become NaN.
    what : its name in errors; ndim : how many axes it must have, None for any
    """
    found = _plain(values, what)
    if found.dtype.kind not in "fiub":
        raise ValueError(f"{what} holds {_kind(found)}, expected numbers")
    small = found.dtype.kind == "f" and found.dtype.itemsize < 8
    found = np.ascontiguousarray(found, np.float32 if small else np.float64).reshape(found.shape)
    if ndim is not None and found.ndim != ndim:
        raise ValueError(f"{what} has shape {found.shape}, expected {ndim} {'axis' if ndim == 1 else 'axes'}")
    return found if found.flags.writeable else found.copy()


def is_tensor(values):
    """Whether it is a tensor of torch, which is not imported for the answer."""
    return type(values).__module__.partition(".")[0] == "torch"


def taken(values, what):
    """A tensor, or an array of floats of NumPy's, as it is; whatever else as `numbers` has it."""
    if is_tensor(values):
        return values.detach()
    return values if type(values) is np.ndarray and values.dtype.kind == "f" else numbers(values, what)


def alike(**named):
    """Several arrays of numbers by name, all of one shape: a tuple."""
    found = [numbers(values, name) for name, values in named.items()]
    for name, values in zip(named, found):
        if values.shape != found[0].shape:
            raise ValueError(f"{name} has shape {values.shape}, but {next(iter(named))} has {found[0].shape}")
    return tuple(found)


def whole(values, what):
    """Whole numbers from 0, (n,) int64, such as the pictures of trials."""
    found = numbers(values, what, 1)
    if not (np.isfinite(found).all() and (found == np.rint(found)).all() and (found >= 0).all()):
        raise ValueError(f"{what} must be whole numbers from 0")
    return found.astype(np.int64)


def infinite_columns(values):
    """How many columns of (n_rows, n_columns) hold an infinite value."""
    found = np.zeros(values.shape[1], bool)
    for start in range(0, len(values), ROWS):
        found |= np.isinf(values[start : start + ROWS]).any(0)
    return int(found.sum())


def _plain(values, what):
    """A NumPy array of whatever it is, missing values as NaN."""
    if isinstance(values, np.ma.MaskedArray):
        floats = values.dtype if values.dtype.kind == "f" else np.float64
        return values.astype(floats).filled(np.nan)
    try:
        if is_tensor(values):
            values = values.detach().cpu()
            values = values.float() if str(values.dtype) == "torch.bfloat16" else values
        found = np.asarray(values)
        if found.dtype != object:
            return found
        if hasattr(values, "to_numpy"):  # of pandas, with its own missing values
            return values.to_numpy(dtype=np.float64, na_value=np.nan)
        return found.astype(np.float64) if found.ndim else found
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{what} cannot be read as an array of numbers: {type(values).__name__}") from None


def _kind(found):
    return {"c": "complex numbers", "U": "texts", "S": "texts", "M": "dates"}.get(found.dtype.kind, str(found.dtype))
