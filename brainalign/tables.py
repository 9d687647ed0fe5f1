"""The editable tables in `data/`: instructions, ROIs and earlier studies."""

import csv
from functools import cache
from pathlib import Path

from brainalign.catalogue import Catalogue
from brainalign.types import Instruction, Roi

DATA = Path(__file__).resolve().parent.parent / "data"


def rows(name, key):
    """Rows of a table in `data/` as dictionaries; key : the column in which no two are alike, upper or lower case."""
    found, lines = [], {}
    with open(DATA / name, newline="", encoding="utf-8") as file:
        for row in (reader := csv.DictReader(file)):
            found.append(row)
            lines.setdefault((row[key] or "").strip().casefold(), []).append(reader.line_num)
    for value, places in lines.items():
        if len(places) > 1:
            where = f"{', '.join(map(str, places[:-1]))} and {places[-1]}"
            raise ValueError(f"data/{name}: lines {where} have the same {key}, {value!r}; each needs its own")
    return found


@cache
def instructions():
    """Instructions by id, in the fixed order of `data/instructions.csv`."""
    return {row["id"]: Instruction(**row | {"level": int(row["level"])}) for row in rows("instructions.csv", "id")}


@cache
def rois():
    """ROIs by name, in the fixed order of `data/rois.csv`."""
    return {
        row["roi"]: Roi(
            row["roi"], row["family"], row["level"], row["collection"], tuple(row["labels"].split("|")), row["note"]
        )
        for row in rows("rois.csv", "roi")
    }


def today():
    """Instructions and ROIs as the tables have them now: for what is asked or run now, not for what a store holds."""
    return Catalogue(instructions(), rois())


def related_work():
    """Earlier studies of models and brain responses to pictures, films or stories, as rows of `data/related_work.csv`.

    Each row names its source: the study's abstract, or the table on the authors' project page.
    """
    return rows("related_work.csv", "study")


def find_instruction(text):
    """An instruction by its id (`IC`, any case) or, for anything else, the typed text itself with the id "free"."""
    text = text.strip()
    if not text:
        raise ValueError("the instruction is empty; type a question or an id such as IC or VQ1")
    by_id = {key.casefold(): value for key, value in instructions().items()}
    return by_id.get(text.casefold()) or Instruction("free", "free", 0, "free", text)
