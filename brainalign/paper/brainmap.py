"""A flatmap's values in the formats of other tools: GIFTI on fsaverage5, NIfTI in the subject's volume, pycortex."""

import hashlib
import io
import json

import numpy as np

from brainalign.figures.flatmap import palettes
from brainalign.files import in_words

HALF = 10242  # vertices of one hemisphere of fsaverage5
SIDES = {"lh": "CortexLeft", "rh": "CortexRight"}


def vertices(one):
    """Value of each vertex of fsaverage5, left then right, (20484,) float32; NaN where nothing is drawn."""
    if len(one.flat_units) != 2 * HALF:
        raise ValueError(f"this map has {len(one.flat_units)} vertices, fsaverage5 has {2 * HALF}")
    drawn = np.where(one.shown, one.values, np.nan).astype("f4")
    return np.append(drawn, np.float32(np.nan))[np.where(one.flat_units >= 0, one.flat_units, len(drawn))]


def gifti(one, about):
    """{"lh": bytes, "rh": bytes}: a .func.gii of each hemisphere of fsaverage5, NaN where nothing is drawn."""
    import nibabel as nib

    values, files = vertices(one), {}
    for k, (side, structure) in enumerate(SIDES.items()):
        data = nib.gifti.GiftiDataArray(
            values[k * HALF : (k + 1) * HALF], intent="NIFTI_INTENT_NONE", datatype="NIFTI_TYPE_FLOAT32",
            meta=nib.gifti.GiftiMetaData({"Name": one.picture.label}),
        )  # fmt: skip
        meta = nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": structure, "Description": about})
        files[side] = nib.gifti.GiftiImage(meta=meta, darrays=[data]).to_bytes()
    return files


def nifti(one, units, space, like, about):
    """A NIfTI volume with each unit's value at its voxel, NaN elsewhere, as bytes (not compressed).

    units : Store.units of the subject, whose `place` is the voxel; space : of the store; like : a NIfTI file of the
    subject in that space, such as NSD's brainmask.nii.gz, for the shape and the place in the scanner
    """
    import nibabel as nib

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
    places, size = units.place.to_numpy(), int(np.prod(model.shape[:3]))
    if places.max() >= size:
        raise ValueError(
            f"{like} has {size:,} voxels but {one.subject} has a unit at voxel {places.max():,}; take {space}"
        )
    volume = np.full(size, np.nan, "f4")
    volume[places] = np.where(one.shown, one.values, np.nan)
    image = nib.Nifti1Image(volume.reshape(model.shape[:3]), model.affine)
    image.header["descrip"] = about.encode("ascii", "replace")[:79]
    return image.to_bytes()


def pycortex(maps, limits, about, origin, subject="fsaverage5"):
    """An HDF5 file that `cortex.load` reads as Vertex views, as bytes.

    maps : name of the view -> paper.Map; about : what each view has as its description
    origin : dict of plain values, which each view has among its attrs
    subject : what fsaverage5 is called in the reader's pycortex database
    Layout as pycortex 1.4 writes it: values under /data with their subject, each view's JSON under /views.
    """
    import h5py

    file = io.BytesIO()
    with h5py.File(file, "w") as h5:
        for priority, (view, one) in enumerate(maps.items(), 1):
            values = vertices(one).astype("f8")
            name = "__" + hashlib.sha1(view.encode() + values.tobytes()).hexdigest()[:16]
            palette = palettes.PALETTES["diverging" if one.picture.diverging else "sequential"]
            told = [[name], about, [palette], [limits[0]], [limits[1]], None, origin | {"priority": priority}, None]
            told = [part if part is about else json.dumps(part) for part in told]
            h5.create_dataset(f"data/{name}", data=values).attrs["subject"] = subject
            h5.create_dataset(f"views/{view}", data=told, dtype=h5py.special_dtype(vlen=str))
    return file.getvalue()
