"""Captions as a table: what someone wrote about each picture, for models that read a text about it.

A text file of comma-separated values with the columns `image_id` (NSD ids counted from 0) and `caption`; further
columns are left alone.
"""

import csv

COLUMNS = ("image_id", "caption")
ENDINGS = (".csv", ".tsv", ".txt")
N_PICTURES = 73000  # of NSD
ONE_BASED = "ids here count from 0, as those of NSD's stimulus file do; subtract 1 from ids that count from 1"


def read(path):
    """{image_id: caption}, each picture once and no caption empty; what is wrong is named with its line."""
    found, lines = {}, {}
    for line, row in _rows(path):
        image_id, caption = _id(row["image_id"], f"{path}, line {line}"), (row["caption"] or "").strip()
        if image_id in found:
            raise ValueError(
                f"{path}: picture {image_id} has captions in lines {lines[image_id]} and {line}; give one a picture "
                f"(several can be joined in one cell). {ONE_BASED[0].upper()}{ONE_BASED[1:]}"
            )
        if not caption:
            raise ValueError(f"{path}, line {line}: the caption of picture {image_id} is empty; write one")
        found[image_id], lines[image_id] = caption, line
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


def _rows(path):
    """(number of the line, {column: text}) of every row."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            lacking = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if lacking:
                has = ", ".join(map(repr, reader.fieldnames or ())) or "nothing"
                raise ValueError(f"{path} has no column {lacking[0]!r}; expected {', '.join(COLUMNS)}, found {has}")
            yield from ((reader.line_num, row) for row in reader)
    except FileNotFoundError:
        raise ValueError(f"there is no table of captions {path}; paths are relative to the study file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is not a table of text in UTF-8: {error}") from None


def _id(text, where):
    text = (text or "").strip()
    if not text.isdecimal() or int(text) >= N_PICTURES:
        raise ValueError(
            f"{where}: image_id is {text!r}, expected a whole number from 0 to {N_PICTURES - 1}; {ONE_BASED}"
        )
    return int(text)
