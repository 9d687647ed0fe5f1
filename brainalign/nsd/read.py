"""Low-level readers: one file in, one array out; a file that cannot be read is a ValueError that names it."""

from contextlib import contextmanager
from io import StringIO
from math import prod

import h5py
import nibabel as nib
import numpy as np
from nibabel.openers import ImageOpener

from brainalign.files import decoded, in_words, separator
from brainalign.nsd import space
from brainalign.nsd.layout import TRIALS

DEFLATE = 1100  # no gzip file holds more than this many times its own size


@contextmanager
def reading(path, kind):
    """Turns whatever goes wrong while reading `path` into one plain sentence."""
    try:
        if not path.exists():
            raise FileNotFoundError(f"{path} is missing")
        if not path.is_file():
            raise ValueError("it is not a file" if not path.is_dir() else "it is a folder")
        if not path.stat().st_size:
            raise ValueError("the file is empty")
        yield
    except FileNotFoundError:
        raise
    except PermissionError:
        raise ValueError(f"{path} cannot be read: permission denied") from None
    except Exception as error:  # the libraries raise nearly anything on a damaged file
        reason = (in_words(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path} cannot be read as {kind}: {reason}") from None


def header(path):
    """(shape, dtype, offset in bytes) of a NIfTI or MGH image, after a check that the file can hold them."""
    with reading(path, "an image"):
        proxy = nib.load(path).dataobj
        size = prod(int(n) for n in proxy.shape) * proxy.dtype.itemsize
        zipped = path.suffix in (".gz", ".mgz")
        room = path.stat().st_size * DEFLATE if zipped else path.stat().st_size - proxy.offset
        if min(proxy.shape, default=0) < 1 or size > room:
            raise ValueError(f"its header declares {proxy.shape} {proxy.dtype.name}, more than the file holds")
        return tuple(int(n) for n in proxy.shape), proxy.dtype, int(proxy.offset)


def grid(path):
    """Where the voxels of a NIfTI image lie: its `space.Grid`."""
    shape, _, _ = header(path)
    with reading(path, "a NIfTI image"):
        image = nib.load(path)
        stated = [form for form, code in (image.get_sform(coded=True), image.get_qform(coded=True)) if code]
    if len(stated) == 2 and space.apart(*stated, shape[:3]) > space.NEAR:
        sform, qform = map(space.written, stated)
        raise ValueError(f"{path} has the sform {sform}, expected its qform, {qform}; correct the one that is wrong")
    return space.grid(path, shape, stated[0] if stated else None)


def volume(path, on=None):
    """(X, Y, Z) values of a NIfTI volume in NSD's order; an error where it does not lie on the Grid `on`."""
    shape, _, _ = header(path)
    if len(shape) != 3:
        raise ValueError(f"{path} has shape {shape}, expected three dimensions")
    here = grid(path)
    if on is not None:
        _fits(here, on)
    return here.ordered(_whole(path, "a NIfTI volume"))


def _fits(here, on):
    wrong = here.differs(on)
    if wrong:
        raise ValueError(f"{here.path} has {wrong[0]}, expected {wrong[1]}; {wrong[2]}")


def surface(path, n_vertices=None):
    """(n_vertices, n_values) of an MGH or MGZ file; an error where it has not as many vertices as asked for."""
    shape, _, _ = header(path)
    if n_vertices not in (None, shape[0]):
        raise ValueError(f"{path} has {shape[0]} vertices, expected {n_vertices}; is it of the same surface and side?")
    return _whole(path, "an MGH surface file").reshape(shape[0], -1, order="F")


def _whole(path, kind):
    """All values of an image, after reading the file to its end, where gzip keeps its checksum."""
    with reading(path, kind), ImageOpener(path) as file:
        return np.asarray(type(nib.load(path)).from_bytes(file.read()).dataobj)


def as_labels(values):
    """Stored labels, whatever their type, as int16; NaN counts as -1 (not cortex)."""
    return np.rint(np.nan_to_num(values, nan=-1)).astype(np.int16)


def table(path):
    """{integer: name} of a label table: a line "<integer> <name>" for each label, counted from 0."""
    with reading(path, "a label table"):
        pairs = list(_labels(decoded(path.read_bytes(), path)))
        names = dict(pairs)
        if sorted(names) != list(range(len(pairs))):
            raise ValueError(f"its integers are {sorted(names)[:6]}..., expected each of 0..{len(pairs) - 1} once")
        return names


def _labels(text):
    """(integer, name) of each line of a label table that is not empty."""
    for line, written in enumerate(text.split("\n"), 1):
        parts = written.split(maxsplit=1)
        if parts and (len(parts) < 2 or not parts[0].isdecimal()):
            raise ValueError(f"line {line} is {written!r}, expected an integer and a name")
        if parts:
            yield int(parts[0]), parts[1].strip()


def frame(path, kind):
    """A table as it was saved by whatever program; columns without a name and content at its end are left out."""
    import pandas as pd

    with reading(path, kind):
        text = decoded(path.read_bytes(), path)
        noted = int(text.startswith("sep="))  # Excel's own note
        table = pd.read_csv(StringIO(text), sep=separator(text), skiprows=noted, low_memory=False)
        spare = [name for name in table.columns[1:] if str(name).startswith("Unnamed") and table[name].isna().all()]
        return table.drop(columns=spare)


def frames(path):
    """Each frame of a 4-D image in turn, flat in Fortran order and unscaled: never more than one in memory."""
    shape, dtype, offset = header(path)
    size = prod(shape[:3]) * dtype.itemsize
    with reading(path, "a 4-D image"), ImageOpener(path) as file:
        file.seek(offset)
        for frame in range(shape[3] if len(shape) > 3 else 1):
            data = file.read(size)
            if len(data) < size:
                raise ValueError(f"it ends in frame {frame + 1} of {shape[3]}")
            yield np.frombuffer(data, dtype)
        while file.read(1 << 16):  # to the end, where gzip keeps its checksum
            pass


def hdf5_betas(path, voxels, shape):
    """(750, n_voxels) int16 of a session's HDF5 file; `voxels` are C-order indices into `shape` (X, Y, Z).

    The dataset is (750, Z, Y, X), and says nothing of space: it is in NSD's order, RAS. NSD stores one voxel's
    trials to a chunk, so that each row of voxels is read from the first to the last one wanted; in a file stored
    otherwise, each trial is read once. Either way the memory used besides the result is at most one row's trials
    or one trial's voxels, 1.4 MB at the real size.
    """
    x, y, z = np.unravel_index(voxels, shape)
    out = np.empty((TRIALS, len(voxels)), np.int16)
    with reading(path, "an HDF5 file of betas"), h5py.File(path) as file:
        betas = file["betas"]
        if betas.shape != (TRIALS, *shape[::-1]) or betas.dtype != np.int16:
            raise ValueError(f"it holds {betas.shape} {betas.dtype.name}, expected {(TRIALS, *shape[::-1])} int16")
        if betas.chunks != (TRIALS, 1, 1, 1):
            for trial in range(TRIALS):
                out[trial] = betas[trial][z, y, x]
            return out
        row = z * shape[1] + y
        order = np.argsort(row, kind="stable")
        for here in np.split(order, np.flatnonzero(np.diff(row[order])) + 1):
            left = x[here].min()
            out[:, here] = betas[:, z[here[0]], y[here[0]], left : x[here].max() + 1][:, x[here] - left]
    return out


def nifti_betas(path, voxels, on):
    """The same as `hdf5_betas` from a session's NIfTI file, which lies on the Grid `on`.

    Its scale factors are ignored, as NSD's say nothing.
    """
    stored, dtype, _ = header(path)
    if len(stored) != 4 or stored[3] != TRIALS or dtype.newbyteorder("=") != np.int16:
        raise ValueError(f"{path} holds {stored} {dtype.name}, expected {(*on.shape, TRIALS)} int16")
    here = grid(path)
    _fits(here, on)
    places = here.places()[voxels]
    return np.stack([frame[places] for frame in frames(path)])


def surface_betas(path, vertices, n_vertices):
    """(750, n) float32 percent signal change of one hemisphere's MGH file at `vertices`."""
    stored, dtype, _ = header(path)
    if stored != (n_vertices, 1, 1, TRIALS) or dtype.kind != "f":
        raise ValueError(f"{path} holds {stored} {dtype.name}, expected {(n_vertices, 1, 1, TRIALS)} float32")
    return np.stack([frame[vertices] for frame in frames(path)]).astype(np.float32)
