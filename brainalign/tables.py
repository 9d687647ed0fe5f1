"""The editable tables in `data/`: instructions, ROIs and earlier studies."""

import csv
from functools import cache
from pathlib import Path

from brainalign.types import Instruction, Roi

DATA = Path(__file__).resolve().parent.parent / "data"


def _rows(name):
    with open(DATA / name, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@cache
def instructions():
    """Instructions by id, in the fixed order of `data/instructions.csv`."""
    return {row["id"]: Instruction(**row | {"level": int(row["level"])}) for row in _rows("instructions.csv")}


@cache
def rois():
    """ROIs by name, in the fixed order of `data/rois.csv`."""
    return {
        row["roi"]: Roi(
            row["roi"], row["family"], row["level"], row["collection"], tuple(row["labels"].split("|")), row["note"]
        )
        for row in _rows("rois.csv")
    }


def related_work():
    """Earlier studies of models and brain responses to pictures, films or stories, as rows of `data/related_work.csv`.

    Each row names its source: the study's abstract, or the table on the authors' project page.
    """
    return _rows("related_work.csv")


def find_instruction(text):
    """An instruction by its id (`IC`, any case) or, for anything else, the typed text itself with the id "free"."""
    text = text.strip()
    if not text:
        raise ValueError("the instruction is empty; type a question or an id such as IC or VQ1")
    by_id = {key.casefold(): value for key, value in instructions().items()}
    return by_id.get(text.casefold()) or Instruction("free", "free", 0, "free", text)
