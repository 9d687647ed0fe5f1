"""The tables in `data/`: instructions, ROIs and earlier studies, which can be edited, and NSD's names of labels."""

from functools import cache
from pathlib import Path

from brainalign.catalogue import Catalogue
from brainalign.files import rows
from brainalign.types import Instruction, Roi

DATA = Path(__file__).resolve().parent.parent / "data"


@cache
def instructions():
    """Instructions by id, in the fixed order of `data/instructions.csv`."""
    columns = ("id", "family", "level", "paper", "text")
    return {one.id: one for one in rows(DATA / "instructions.csv", columns, _instruction, "id")}


def _instruction(row):
    if not row["level"].isdecimal() or not row["id"] or not row["text"]:
        raise ValueError(f"{row}; expected an id, a text, and a whole number from 0 as its level")
    return Instruction(row["id"], row["family"], int(row["level"]), row["paper"], row["text"])


@cache
def rois():
    """ROIs by name, in the fixed order of `data/rois.csv`."""
    columns = ("roi", "family", "level", "collection", "labels", "note")
    return {one.name: one for one in rows(DATA / "rois.csv", columns, _roi, "roi")}


def _roi(row):
    labels = tuple(filter(None, map(str.strip, row["labels"].split("|"))))
    if not row["roi"] or not row["collection"] or not labels:
        raise ValueError(f"{row}; expected a name, a collection, and its labels with | between them")
    return Roi(row["roi"], row["family"], row["level"], row["collection"], labels, row["note"])


@cache
def label_names():
    """NSD's own label tables by collection, {collection: {integer: name}}, from 0, which is "Unknown".

    They are the same for every subject; those of corticalsulc, MTL and thalamus come only with NSD's files.
    """
    found = rows(DATA / "label_tables.csv", ("collection", "labels"), key="collection")
    names = {row["collection"]: row["labels"].split("|") for row in found}
    return {collection: dict(enumerate(["Unknown", *labels])) for collection, labels in names.items()}


def today():
    """Instructions and ROIs as the tables have them now: for what is asked or run now, not for what a store holds."""
    return Catalogue(instructions(), rois())


def related_work():
    """Earlier studies of models and brain responses to pictures, films or stories, as rows of `data/related_work.csv`.

    Each row names its source: the study's abstract, or the table on the authors' project page.
    """
    return rows(DATA / "related_work.csv", ("study",), key="study")


def find_instruction(text):
    """An instruction by its id (`IC`, any case) or, for anything else, the typed text itself with the id "free"."""
    text = text.strip()
    if not text:
        raise ValueError("the instruction is empty; type a question or an id such as IC or VQ1")
    by_id = {key.casefold(): value for key, value in instructions().items()}
    return by_id.get(text.casefold()) or Instruction("free", "free", 0, "free", text)
