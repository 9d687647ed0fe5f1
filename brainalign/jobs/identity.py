"""Identities of what lies outside the study file: states, checkpoints, pictures, and the files of a subject."""

from dataclasses import asdict
from functools import cache
from pathlib import Path

from brainalign import features, models, nsd, tables
from brainalign.captions import of, read
from brainalign.files import file_identity, fingerprint
from brainalign.nsd.layout import Layout


def content(path):
    """What a feature set holds, by the path of its manifest."""
    return features.manifest(path.parent)["content"]


@cache
def weights(model):
    """Checkpoint, revision or content hash, and dtype of what would be loaded."""
    try:
        return models.identity(model)
    except FileNotFoundError as error:
        raise ValueError(models.missing(model) or str(error)) from None


captioned = cache(read)  # a table of captions, looked at once


def captions(path, image_ids):
    """{image_id: caption} of these pictures."""
    return of(captioned(path), image_ids, path)


@cache
def pictures(root):
    """Of the file of all pictures."""
    layout = Layout(root)
    if not layout.stimuli.exists():
        raise FileNotFoundError(f"{layout.stimuli} is missing; models need the pictures to see")
    return file_identity(layout.stimuli)


@cache
def subject(root, name, space, beta_version):
    """A hash over the ROIs' table, and names, sizes and samples of the files that a subject's data come from.

    Files beside those (notes, masks of one's own, what a file system leaves) change nothing.
    """
    rois, names = [asdict(roi) for roi in tables.rois().values()], tables.label_names()
    collections = sorted({roi["collection"] for roi in rois} & names.keys())
    fixed = {c: names[c] for c in collections if not Layout(root).table(name, c).exists()}
    found = nsd.sources(root, name, space, beta_version)
    files = [[path.relative_to(Path(root)).as_posix(), *file_identity(path)] for path in found]
    return fingerprint(rois, fixed, files)
