"""Captions as a table: what someone wrote about each picture, for models that read a text about it.

A table (see `files.rows`) with the columns `image_id` (NSD ids counted from 0) and `caption`; further columns are left
alone.
"""

from brainalign.files import rows

COLUMNS = ("image_id", "caption")
ENDINGS = (".csv", ".tsv", ".txt")
N_PICTURES = 73000  # of NSD
ONE_BASED = "ids are NSD's own, which count from 0 here; subtract 1 from ids that count from 1"


def read(path):
    """{image_id: caption}, each picture once and no caption empty; what is wrong is named with its line."""
    found = {}

    def take(row):
        image_id = _id(row["image_id"])
        if image_id in found:
            raise ValueError(
                f"picture {image_id} has a caption in an earlier line too; give one a picture (several can be joined "
                f"in one cell). {ONE_BASED[0].upper()}{ONE_BASED[1:]}"
            )
        if not row["caption"]:
            raise ValueError(f"the caption of picture {image_id} is empty; write one")
        found[image_id] = row["caption"]

    try:
        rows(path, COLUMNS, take)
    except FileNotFoundError:
        raise ValueError(f"there is no table of captions {path}; paths are relative to the study file") from None
    if not found:
        raise ValueError(f"{path} holds no captions below its heading")
    return found


def of(captions, image_ids, path):
    """The captions of these pictures, {image_id: caption}; those that lack one are counted and the first named."""
    missing = [image_id for image_id in image_ids if image_id not in captions]
    if missing:
        shifted = all(image_id + 1 in captions for image_id in image_ids)
        hint = f"its ids seem to count from 1: {ONE_BASED}" if shifted else "add them"
        raise ValueError(
            f"{path} has no caption of {len(missing)} of {len(image_ids)} pictures, the first is {missing[0]}; {hint}"
        )
    return {image_id: captions[image_id] for image_id in image_ids}


def _id(text):
    if not text.isdecimal() or int(text) >= N_PICTURES:
        raise ValueError(f"image_id is {text!r}, expected a whole number from 0 to {N_PICTURES - 1}; {ONE_BASED}")
    return int(text)
