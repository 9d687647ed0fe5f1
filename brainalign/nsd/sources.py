"""The files that a subject's data come from, and no others: what `load_subject` and `flat_units` read."""

from brainalign import tables
from brainalign.nsd.layout import HEMISPHERES, PER_SUBJECT, Layout
from brainalign.nsd.rois import native_transform
from brainalign.nsd.subject import GENERAL, session_files


def sources(root, subject, space, beta_version):
    """Paths of the files that are read of a subject in a space, those of them that exist, in a fixed order."""
    layout = Layout(root)
    sessions = session_files(layout, subject, space, beta_version)
    collections = sorted({roi.collection for roi in (GENERAL, *tables.rois().values())})
    paths = [layout.design, *(path for files in sessions.values() for path in files)]
    paths += [layout.table(subject, collection) for collection in collections]
    paths += (_surface if space == "fsaverage" else _volume)(layout, subject, beta_version, collections, sessions)
    return [path for path in dict.fromkeys(paths) if path.is_file()]


def _volume(layout, subject, version, collections, sessions):
    paths = [layout.brainmask(subject), layout.ncsnr(subject, "func1pt8mm", version)]
    paths += [layout.valid(subject, number) for number in sessions]
    paths += [layout.roi(subject, collection) for collection in collections]
    names = "func1pt8-to-layerB2", "white-to-fsaverage"
    return paths + [layout.transform(subject, h, name) for name in names for h in HEMISPHERES]


def _surface(layout, subject, version, collections, sessions):
    paths = [layout.ncsnr(subject, "fsaverage", version, h) for h in HEMISPHERES]
    for collection in collections:
        own = collection.startswith(PER_SUBJECT)
        paths += [layout.surface_roi(subject if own else "fsaverage", collection, h) for h in HEMISPHERES]
    paths += [layout.transform(subject, h, "white-to-fsaverage") for h in HEMISPHERES]
    return paths + [native_transform(layout, subject, h) for h in HEMISPHERES]
