"""Identities of what lies outside the study file: states, checkpoints, pictures, and the files of a subject."""

from dataclasses import asdict
from functools import cache

from brainalign import features, models, tables
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
    """A hash over names, sizes and samples of the files that a subject's data comes from, and the ROIs' table."""
    layout = Layout(root)
    folders = [layout.betas(name, space, beta_version), layout.func(name), layout.subject(name) / "transforms"]
    folders += [layout.labels(name), layout.labels("fsaverage")]
    rois = [asdict(roi) for roi in tables.rois().values()]
    design = file_identity(layout.design) if layout.design.exists() else None
    return fingerprint(rois, design, [_files(folder) for folder in folders])


def _files(folder):
    """[name, size, sampled hash] of every file below a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return [[path.relative_to(folder).as_posix(), *file_identity(path)] for path in paths]
