"""Files that people edit, read as spreadsheets and editors of any system save them; and what identifies a file.

`decoded` says which texts are understood. What is written, see `writing`.
"""

import codecs
import csv
import io
import json
import os
import re
import tomllib
import warnings
from hashlib import sha256
from pathlib import Path

import numpy as np

HALF = 2.0**-14, 65504.0  # the smallest and the largest number that float16 holds with three digits
SAMPLE = 65536  # bytes read at the start, middle and end of a file by `file_identity`
MARKS = {  # byte-order marks, the longer ones first
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
WESTERN = "cp1252"  # what Windows saves in Western Europe and America; Latin-1 and more
FOREIGN = re.compile(r"[^\x00-\x7f\s«»“”‘’„…–—]{4}")  # such a run is no Western word: the text is in another encoding
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
SEPARATORS = ",;\t"
VARIABLE = re.compile(r"\$(\w+)|\$\{([^}]*)\}")


# --- Texts and tables that people edit ---


def text(path):
    """A text file as a string whose lines end in "\\n"; see `decoded`. Errors name the file and the line."""
    path = Path(path)
    try:
        return decoded(path.read_bytes(), path)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def decoded(data, name="the text"):
    """Bytes of a text as a string whose lines end in "\\n".

    Understood: UTF-8; UTF-8, UTF-16 and UTF-32 with a byte-order mark; and, where it is not UTF-8, Windows-1252, which
    holds Latin-1; of the last a warning tells, with `name`. Lines may end as on Unix, Windows or old Macintoshes.
    What is none of these raises a ValueError that names the line.
    """
    mark = next((mark for mark in MARKS if data.startswith(mark)), b"")
    data = data.removeprefix(mark)
    encoding = MARKS.get(mark) or ("utf-8" if _is_utf8(data) else WESTERN)
    try:
        found = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = _line_of(data[: error.start].decode(encoding, "ignore"))
        if encoding == WESTERN:
            raise _foreign(line) from None
        found = f"line {line} holds bytes that are no text in {encoding.upper()} (0x{data[error.start]:02x})"
        raise ValueError(f"{found}; save the file as UTF-8") from None
    if encoding == WESTERN and (strange := FOREIGN.search(found)):
        raise _foreign(_line_of(found[: strange.start()]))
    if control := CONTROL.search(found):
        line = _line_of(found[: control.start()])
        raise ValueError(f"line {line} holds the control character {control[0]!r}; expected a text file in UTF-8")
    if encoding == WESTERN:
        warnings.warn(f"{name} is not in UTF-8 and was read as Western European ({WESTERN})", stacklevel=3)
    return _unix(found)


def _foreign(line):
    return ValueError(f"line {line} is neither UTF-8 nor Western European text; save the file as UTF-8")


def _is_utf8(data):
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _unix(found):
    return found.replace("\r\n", "\n").replace("\r", "\n")


def _line_of(before):
    return _unix(before).count("\n") + 1


def toml(found, path):
    """The entries of a TOML file at `path`, of which `text` gave `found`; an error names the file and the line."""
    try:
        return tomllib.loads(found)
    except tomllib.TOMLDecodeError as error:
        escapes = re.search("escape|hex", str(error), re.IGNORECASE)
        hint = "; write a Windows path in single quotes: 'C:\\data'" if escapes else ""
        raise ValueError(f"{path} is not a TOML file: {error}{hint}") from None


def rows(path, columns=(), make=dict, key=""):
    """The rows of a table with a header, in order: make(row) of each {column: text}.

    Cells stand apart by commas, semicolons or tabs, and their texts lose blanks at their ends. Empty lines and empty
    columns without a name are left out; cells missing at the end of a row are empty.
    columns : names that the table must have; make : what becomes of a row, and may raise a ValueError
    key : the column, if any, whose texts all differ, upper or lower case
    An error names the file and the line.
    """
    path = Path(path)
    records = _records(text(path), path)
    _, header = next(records, (1, []))
    while header and not header[-1]:
        header.pop()
    missing = [name for name in columns if name not in header]
    twice = sorted({name for name in header if header.count(name) > 1})
    if missing or twice or not header:
        wrong = f"has the column {twice[0]!r} twice" if twice else f"has no column {(missing or ['with a name'])[0]!r}"
        raise ValueError(f"{path} {wrong}; its first line is {', '.join(header) or 'empty'}")
    found, lines = [], {}
    for line, cells in records:
        if any(cells[len(header) :]):
            raise ValueError(
                f"{path}, line {line}: {len(cells)} cells, but the header names {len(header)} columns; "
                'a text that holds a separator stands in "quotes"'
            )
        try:
            row = dict(zip(header, cells + [""] * len(header)))
            found.append(make(row))
        except ValueError as error:
            raise ValueError(f"{path}, line {line}: {error}") from None
        if key:
            lines.setdefault(row[key].casefold(), []).append(line)
    _all_differ(lines, key, path)
    return found


def _all_differ(lines, key, path):
    """An error that names the lines where a text of the column `key` is there again; lines : {text: line numbers}."""
    for value, places in lines.items():
        if len(places) > 1:
            where = f"{', '.join(map(str, places[:-1]))} and {places[-1]}"
            raise ValueError(f"{path}: lines {where} have the same {key}, {value!r}; each line needs its own")


def separator(found):
    """What the cells of a table stand apart by: of comma, semicolon and tab the one that makes most of its header."""
    declared = re.match(r"sep=(.)\n", found)  # Excel's own note
    if declared:
        return declared[1]
    head = found.lstrip("\n")
    return max(SEPARATORS, key=lambda mark: len(next(csv.reader(io.StringIO(head), delimiter=mark), ())))


def _records(found, path):
    """(line number from 1, stripped cells) of each record of a table that is not empty."""
    declared = len(re.match(r"(sep=.\n)?", found)[0])
    lines = csv.reader(io.StringIO(found[declared:]), delimiter=separator(found), strict=True)
    while True:
        line = lines.line_num + 1 + bool(declared)
        try:
            cells = [cell.strip() for cell in next(lines)]
        except StopIteration:
            return
        except csv.Error as error:
            raise ValueError(f"{path}, line {line}: {error}; is a quotation mark missing or too many?") from None
        if any(cells):
            yield line, cells


def place(given, beside, where):
    """The path that a file or a setting names: with ~ and $VARIABLE, and relative to the folder `beside`.

    where : what names it, for errors: a variable or a user that is not known, or a path with a control character
    """

    def value(match):
        name = match[1] or match[2]
        if name not in os.environ:
            raise ValueError(f"{where} is {given!r}, but ${name} is not set in the environment")
        return os.environ[name]

    if CONTROL.search(given) or set(given) & set("\t\n\r\v\f"):
        raise ValueError(f"{where} is {given!r}, which holds a control character; put a Windows path in single quotes")
    expanded = os.path.expanduser(VARIABLE.sub(value, given))
    user = re.match(r"~[^/\\]*", expanded)
    if user:
        raise ValueError(f"{where} is {given!r}, but the home folder of {user[0]} is not known; write the whole path")
    return Path(beside) / expanded


def named_folder(variable):
    """The folder that a variable of the environment names, with ~ and variables in it; None where it is not set."""
    given = os.environ.get(variable)
    return place(given, "", f"${variable}") if given else None


# --- What is said of a file, and what identifies it ---


def in_words(error):
    """What went wrong, in a sentence; of an error of the system the file and the reason, without its number."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


def fingerprint(*parts):
    """16 hex digits that change with anything in `parts` (what JSON can hold)."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256(text.encode()).hexdigest()[:16]


def file_identity(path):
    """Size and a hash of three samples of a file: cheap for any size, and changed by any usual change."""
    path = Path(path)
    size = path.stat().st_size
    digest = sha256()
    with open(path, "rb") as file:
        for start in (0, size // 2, max(0, size - SAMPLE)):
            file.seek(start)
            digest.update(file.read(SAMPLE))
    return [size, digest.hexdigest()[:16]]


def compact(values):
    """Numbers as they are kept in files: float16 where it suffices, else float32.

    float16 ends at 65,504 and loses digits below 6e-5. It suffices where the largest magnitude lies between the two,
    or all values are 0. NaN has its place in both.
    """
    values = np.asarray(values, np.float32)
    largest = np.abs(values).max(initial=0, where=~np.isnan(values))
    return values.astype(np.float16) if largest == 0 or HALF[0] <= largest <= HALF[1] else values
