"""A flatmap in the formats of other tools: GIFTI on fsaverage5, NIfTI in the subject's volume, pycortex.

Values are floats, NaN where nothing is drawn. Classes, such as winners, are whole numbers from 1, and 0 where nothing
is drawn, and carry their names and colours; so do the levels of significance where a map shows them.
"""

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from brainalign.figures.flatmap import coded, palettes
from brainalign.files import in_words

HALF = 10242  # vertices of one hemisphere of fsaverage5
SIDES = {"lh": "CortexLeft", "rh": "CortexRight"}


SIGNIFICANCE = "significance"


def parts(one):
    """What a file holds of each unit: {"": (n_units,) float32 or Coded, "significance": Coded where it is shown}."""
    classes = coded.classes(one.picture, one.values, one.shown)
    found = {"": np.where(one.shown, one.values, np.nan).astype("f4") if classes is None else classes}
    steps = coded.steps(one.picture, one.shown)
    return found if steps is None else found | {SIGNIFICANCE: steps}


def vertices(one, part):
    """A part of `parts` at each vertex of fsaverage5, left then right: (20484,) float32, or a Coded of so many."""
    if len(one.flat_units) != 2 * HALF:
        raise ValueError(f"this map has {len(one.flat_units)} vertices, fsaverage5 has {2 * HALF}")
    if isinstance(part, coded.Coded):
        return replace(part, codes=_at_vertices(one, part.codes, np.int32(0)))
    return _at_vertices(one, part, np.float32(np.nan))


def _at_vertices(one, values, nothing):
    return np.append(values, nothing)[np.where(one.flat_units >= 0, one.flat_units, len(values))]


def gifti(one, about):
    """{"lh.func.gii": bytes ...}: a file of each part and hemisphere of fsaverage5; of classes a .label.gii."""
    files = {}
    for name, part in parts(one).items():
        whole, stem = vertices(one, part), f".{name}" if name else ""
        for k, (side, structure) in enumerate(SIDES.items()):
            half = slice(k * HALF, (k + 1) * HALF)
            if isinstance(whole, coded.Coded):
                own, title = replace(whole, codes=whole.codes[half]), name or one.picture.label
                files[f"{side}{stem}.label.gii"] = coded.gifti(own, structure, {"Description": about}, title)
            else:
                files[f"{side}{stem}.func.gii"] = _func(one.picture.label, structure, whole[half], about)
    return files


def _func(label, structure, values, about):
    import nibabel as nib

    data = nib.gifti.GiftiDataArray(
        values, intent="NIFTI_INTENT_NONE", datatype="NIFTI_TYPE_FLOAT32",
        meta=nib.gifti.GiftiMetaData({"Name": label}),
    )  # fmt: skip
    meta = nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": structure, "Description": about})
    return nib.gifti.GiftiImage(meta=meta, darrays=[data]).to_bytes()


def nifti(one, units, space, like, about):
    """{"nii": bytes ...}: a volume of each part, not compressed, with each unit's value at its voxel.

    NIfTI has no table of labels: classes are marked as labels, and their names and colours stand in a comment of the
    header and in a file "tsv" beside it. units : Store.units of the subject, whose `place` is the voxel
    in NSD's order; space : of the store; like : a NIfTI file of the subject in that space, such as NSD's
    brainmask.nii.gz, for the shape, the order in which voxels are stored and the place in the scanner (NSD's own where
    it states none)
    """
    here, files = _grid(one, units, space, like), {}
    for name, part in parts(one).items():
        stem = f"{name}." if name else ""
        files[f"{stem}nii"] = _volume(part, units.place.to_numpy(), here, about)
        if isinstance(part, coded.Coded):
            files[f"{stem}tsv"] = part.table().encode()
    return files


def _grid(one, units, space, like):
    """The Grid of the image `like`, which a volume is stored as, once it is known to fit."""
    import nibabel as nib

    from brainalign.nsd import read
    from brainalign.nsd.space import centred, grid

    if space == "fsaverage":
        raise ValueError("this store's units are vertices; write .func.gii instead of a volume")
    if like is None:
        raise ValueError(
            f"a volume needs a file of {one.subject} in {space} for its shape: --like "
            f"nsddata/ppdata/{one.subject}/{space}/brainmask.nii.gz"
        )
    try:
        model = nib.load(like)
    except (nib.filebasedimages.ImageFileError, OSError) as error:
        raise ValueError(f"{like} is no NIfTI file that can be read: {in_words(error)}") from None
    here, places = read.grid(Path(like)), units.place.to_numpy()
    if here.stored is None:
        here = grid(like, model.shape, centred(model.shape, model.header.get_zooms()))
    if places.max() >= here.size:
        raise ValueError(
            f"{like} has {here.size:,} voxels but {one.subject} has a unit at voxel {places.max():,}; take {space}"
        )
    if len(model.shape) == 3:
        _inside(read.volume(Path(like)), places, like, one.subject)
    return here


def _volume(part, places, here, about):
    """A volume stored as the image of the Grid `here`, with a value at each of `places` in NSD's order, as bytes."""
    import nibabel as nib

    labelled = isinstance(part, coded.Coded)
    values, nothing, kind = (part.codes, 0, np.int16) if labelled else (part, np.nan, np.float32)
    volume = np.full(here.size, nothing, kind)
    volume[here.places()[places]] = values
    image = nib.Nifti1Image(volume.reshape(here.stored_shape, order="F"), here.stored)
    image.header["descrip"] = about.encode("ascii", "replace")[:79]
    if labelled:
        image.header.set_intent("label")
        image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", part.table().encode()))
    return image.to_bytes()


def _inside(mask, places, like, subject):
    """An error where `like` is a mask and the units, which all lie in the brain, do not lie in it."""
    outside = (mask.ravel()[places] == 0).sum()
    if outside and set(np.unique(mask)) == {0, 1}:
        raise ValueError(
            f"{outside:,} of {len(places):,} units of {subject} lie outside the mask {like}; take the brain mask of "
            f"{subject} and of the study's space"
        )


def pycortex(maps, limits, about, origin, subject="fsaverage5"):
    """An HDF5 file that `cortex.load` reads as views of vertices, as bytes.

    maps : name of the view -> paper.Map; about : what each view has as its description
    origin : dict of plain values, which each view has among its attrs
    subject : what fsaverage5 is called in the reader's pycortex database
    Layout as pycortex 1.4 writes it: values under /data with their subject, each view's JSON under /views. Classes
    are a VertexRGB in the colours shown, and a Vertex "<name>_codes" whose attrs name each number under "labels".
    """
    import h5py

    file = io.BytesIO()
    with h5py.File(file, "w") as h5:
        for view, one in maps.items():
            for name, part in parts(one).items():
                own, whole = "_".join(filter(None, (view, name))), vertices(one, part)
                if isinstance(whole, coded.Coded):
                    _coded_views(h5, own, whole, about, origin, subject)
                else:
                    palette = palettes.PALETTES["diverging" if one.picture.diverging else "sequential"]
                    data = _dataset(h5, own, whole.astype("f8"), subject)
                    _view(h5, own, data, about, origin, palette, limits)
    return file.getvalue()


def _coded_views(h5, view, whole, about, origin, subject):
    channels = [_dataset(h5, f"{view} {k}", values, subject) for k, values in enumerate(whole.colours().T)]
    _view(h5, view, channels, about, origin)
    data = _dataset(h5, view, np.where(whole.codes > 0, whole.codes, np.nan), subject)
    named = ", ".join(f"{number} {name}" for number, (name, _) in enumerate(whole.classes, 1))
    origin, ends = origin | {"labels": whole.attrs()}, (0.5, len(whole.classes) + 0.5)
    _view(h5, f"{view}_codes", data, f"{about}; {named}", origin, palettes.PALETTES["sequential"], ends)


def _dataset(h5, of, values, subject):
    """Values under a name of their own, which is returned."""
    name = "__" + hashlib.sha1(of.encode() + values.tobytes()).hexdigest()[:16]
    h5.create_dataset(f"data/{name}", data=values).attrs["subject"] = subject
    return name


def _view(h5, name, data, about, origin, palette=None, limits=(None, None)):
    """The eight texts of a view; without a palette, of one whose data are channels of colour."""
    import h5py

    attrs = origin | {"priority": len(h5.get("views", ())) + 1}
    colours = [None] * 3 if palette is None else [[palette], [limits[0]], [limits[1]]]
    first, *rest = (json.dumps(part) for part in ([data], *colours, None, attrs, None))
    h5.create_dataset(f"views/{name}", data=[first, about, *rest], dtype=h5py.special_dtype(vlen=str))
