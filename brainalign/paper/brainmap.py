"""A flatmap's values in the formats of other tools: GIFTI on fsaverage5, NIfTI in the subject's volume, pycortex."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np

from brainalign.figures.flatmap import palettes

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

    units : Store.units of the subject, whose `place` is the voxel in NSD's order; space : of the store
    like : a NIfTI file of the subject in that space, such as NSD's brainmask.nii.gz, for the shape, the order in which
    voxels are stored and the place in the scanner (NSD's own where it states none)
    """
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
        raise ValueError(f"{like} is no NIfTI file that can be read: {error}") from None
    shape, places = model.shape[:3], units.place.to_numpy()
    stated = model.header.get("sform_code", 0) or model.header.get("qform_code", 0)
    affine = model.affine if stated else centred(shape, model.header.get_zooms())
    here = grid(like, shape, affine)
    if places.max() >= here.size:
        raise ValueError(
            f"{like} has {here.size:,} voxels but {one.subject} has a unit at voxel {places.max():,}; take {space}"
        )
    if len(model.shape) == 3:
        _inside(read.volume(Path(like)), places, like, one.subject)
    volume = np.full(here.size, np.nan, "f4")
    volume[here.places()[places]] = np.where(one.shown, one.values, np.nan)
    image = nib.Nifti1Image(volume.reshape(shape, order="F"), affine)
    image.header["descrip"] = about.encode("ascii", "replace")[:79]
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
