"""A look at the images that no other check reads."""

import gzip
import struct
from math import prod

import numpy as np

from brainalign.nsd import read
from brainalign.nsd.layout import OWN_IMAGES

SMALL = 256 << 20  # bytes; a smaller file of betas is read whole
BRIEF = 1 << 20  # bytes; a smaller gzip file is unpacked to its end


def intact(path):
    """The shape of an image; raises where the file ends before its header says.

    A small gzip file is unpacked; of a large one the length that it declares is looked at: gzip keeps the size of
    the unpacked data, modulo 2**32, in its last four bytes. It is unpacked only where that is not as it should be.
    """
    shape, dtype, offset = read.header(path)
    if path.suffix in (".gz", ".mgz"):
        with read.reading(path, "a gzip file"), open(path, "rb") as file:
            file.seek(-4, 2)
            beyond = struct.unpack("<I", file.read())[0] - (prod(shape) * dtype.itemsize + offset) % 2**32
            if path.stat().st_size < BRIEF or not 0 <= beyond < BRIEF:
                file.seek(0)
                unpacked = gzip.GzipFile(fileobj=file)
                length = sum(map(len, iter(lambda: unpacked.read(1 << 20), b"")))
                if length < prod(shape) * dtype.itemsize + offset:
                    raise ValueError(f"it holds {length} bytes, fewer than its header declares")
    return shape


def folders(layout, subject):
    """The folders of a subject's images."""
    func, betas = layout.func(subject), [layout.betas(subject, *pair) for pair in layout.present(subject)]
    labels = [layout.labels(subject), layout.labels("fsaverage")]
    return [func, func / "roi", *betas, layout.subject(subject) / "transforms", *labels]


def other_images(inspector, subject, cortex):
    """NSD's images in a subject's folders that nothing else has read: as long as their headers say, on its grid."""
    for folder in folders(inspector.layout, subject):
        for path in sorted(folder.glob("*")):
            if path in inspector.examined or not OWN_IMAGES.fullmatch(path.name):
                continue
            shape = inspector.read(intact, path)
            here = inspector.read(read.grid, path) if shape and cortex and _in_volume(inspector, path) else None
            wrong = here.differs(cortex.grid) if here else ()
            if wrong and here.shape != cortex.grid.shape:
                inspector.fault(path, *wrong)
            elif wrong:
                inspector.warn(f"{path}: {wrong[0]}, expected {wrong[1]}; no analysis reads it")


def _in_volume(inspector, path):
    return "func1pt8mm" in path.relative_to(inspector.layout.root).parts


def planted_truth(inspector, subject):
    """The planted truth that the manifest of a simulated root names: every array can be read."""
    name = inspector.declared(subject).get("truth")
    if name:
        inspector.read(_arrays, inspector.layout.root / name)


def _arrays(path):
    with read.reading(path, "NumPy arrays"), np.load(path, allow_pickle=False) as file:
        return {key: file[key].shape for key in file.files}
