"""Whole numbers that stand for named classes, as other tools read them: with a name and a colour for each."""

from dataclasses import dataclass

import numpy as np

from brainalign.figures.flatmap import palettes

NOTHING = "???"  # what FreeSurfer and Workbench call the number 0: no class at all


@dataclass(frozen=True)
class Coded:
    """codes : (n,) int32, 0 where nothing is shown; classes : (name, "#rrggbb") of the numbers 1, 2 ..."""

    codes: np.ndarray
    classes: tuple

    def table(self):
        """index, name and color of each number, as BIDS names the columns of a table of labels; tab-separated."""
        rows = [f"{number}\t{name}\t{colour}" for number, (name, colour) in enumerate(self.classes, 1)]
        return "\n".join(["index\tname\tcolor", *rows, ""])

    def attrs(self):
        """The same as a dict of plain values."""
        return {str(k): {"name": name, "color": colour} for k, (name, colour) in enumerate(self.classes, 1)}

    def colours(self):
        """(n, 4) uint8 red, green, blue and alpha of each; alpha is 0 where nothing is shown."""
        rgba = [(0, 0, 0, 0), *((*rgb(colour), 255) for _, colour in self.classes)]
        return np.array(rgba, np.uint8)[self.codes]


def rgb(colour):
    """Red, green and blue, 0 to 255, of "#rrggbb"."""
    return tuple(int(colour[k : k + 2], 16) for k in (1, 3, 5))


def classes(picture, values, shown):
    """The classes of a Picture, or None where it shows a quantity.

    values : (n_units,) their numbers from 0, NaN where there is none; shown : (n_units,) bool
    """
    if not picture.classes:
        return None
    return Coded(np.where(shown, np.nan_to_num(values) + 1, 0).astype(np.int32), picture.classes)


def steps(picture, shown):
    """The steps of a Picture's second dimension, such as levels of significance; None where it has no named ones.

    Their colours are greys, the darker the surer, as the picture's own colours lie the fuller over the folds.
    """
    if not (picture.second and picture.second.words):
        return None
    weights = sorted(picture.second.words)
    greys = [int(palettes.mix(np.array(0), np.array(weight), palettes.GYRUS)) for weight in weights]
    named = tuple(
        (picture.second.words[weight], f"#{grey:02x}{grey:02x}{grey:02x}") for weight, grey in zip(weights, greys)
    )
    return Coded(np.where(shown, np.searchsorted(weights, picture.second.weights) + 1, 0).astype(np.int32), named)


def gifti(coded, structure, meta=None, name=""):
    """The bytes of a GIFTI label file (.label.gii) of one hemisphere, with its label table.

    coded : a Coded, of which `codes` are those of its vertices; structure : such as "CortexLeft"
    meta : texts that the file carries; name : of the map
    """
    import nibabel as nib

    table = nib.gifti.GiftiLabelTable()
    colours = [(0, 0, 0, 0), *((*np.array(rgb(colour)) / 255, 1) for _, colour in coded.classes)]
    for key, (text, colour) in enumerate(zip([NOTHING, *(name for name, _ in coded.classes)], colours)):
        label = nib.gifti.GiftiLabel(key, *map(float, colour))
        label.label = text
        table.labels.append(label)
    data = nib.gifti.GiftiDataArray(
        coded.codes.astype("i4"), intent="NIFTI_INTENT_LABEL", datatype="NIFTI_TYPE_INT32",
        meta=nib.gifti.GiftiMetaData({"Name": name} if name else {}),
    )  # fmt: skip
    about = nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": structure} | (meta or {}))
    return nib.gifti.GiftiImage(meta=about, darrays=[data], labeltable=table).to_bytes()
