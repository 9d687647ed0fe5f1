"""Several figures on one page, described in a short TOML file.

rows = ["aab", "cdd"]     # one text a row, a letter for each twelfth, half or what you like; widths follow
[panels.a]
kind = "flatmap"          # then any choices of that kind; a list where several are allowed
subject = ["subj01", "subj02"]
title = "Two subjects"    # optional, above the panel
"""

from itertools import groupby
from pathlib import Path

from brainalign import files
from brainalign.paper import choices
from brainalign.paper.page import Plot
from brainalign.paper.sheet import SIZE

APART = 4.0  # mm between panels
HEAD = 5.0  # mm for a panel's letter and title
KNOWN = ("rows", "panels", "width_mm", "dpi", "store", "font")


def read(path):
    """The description in a TOML file, checked: {"rows", "panels" and, where given, the other names in KNOWN}."""
    path = Path(path)
    try:
        asked = files.toml(files.text(path), path)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); panels needs a TOML file") from None
    unknown = [key for key in asked if key not in KNOWN]
    if unknown:
        raise ValueError(f"{path}: {unknown[0]!r} is not known; it takes {', '.join(KNOWN)}")
    rows, parts = asked.get("rows"), asked.get("panels", {})
    if not isinstance(rows, list) or not rows or not all(isinstance(row, str) and row for row in rows):
        raise ValueError(f'{path}: rows is {rows!r}; expected texts such as ["aab", "ccc"]')
    letters = [letter for row in rows for letter, _ in groupby(row)]
    for letter in letters:
        if letters.count(letter) > 1:
            raise ValueError(f"{path}: panel {letter!r} is in two places; its letters stand side by side in one row")
        if not isinstance(parts.get(letter), dict) or "kind" not in parts[letter]:
            raise ValueError(f"{path}: panel {letter!r} has no section [panels.{letter}] with a kind")
    if spare := [letter for letter in parts if letter not in letters]:
        raise ValueError(f"{path}: panel {spare[0]!r} has a section but is in no row")
    if not isinstance(asked.get("font", ""), str):
        raise ValueError(f'{path}: font is {asked["font"]!r}; expected a font\'s name such as "Arial"')
    for key in ("width_mm", "dpi"):
        if not isinstance(asked.get(key, 1), int | float):
            raise ValueError(f"{path}: {key} is {asked[key]!r}; expected a number")
    return asked


def plot(store, asked):
    """One `Plot` of what `read` gave."""
    made, titles = {}, {}
    for letter, wish in asked["panels"].items():
        wish = dict(wish)
        titles[letter] = str(wish.pop("title", ""))
        try:
            kind, typed = wish.pop("kind"), {key: _text(value) for key, value in wish.items()}
            made[letter] = choices.plot(store, kind, **typed)
            choices.heard(made[letter], typed)
        except ValueError as error:
            raise ValueError(f"panel {letter}: {error}") from None
    made = {letter: made[letter] for row in asked["rows"] for letter, _ in groupby(row)}

    def draw(sheet, x, y, width):
        for row in asked["rows"]:
            for letter, across, wide in _places(row, width):
                sheet.text(x + across, y + HEAD / 2 - 0.5, letter, fontsize=SIZE + 2, fontweight="bold")
                sheet.text(x + across + 5, y + HEAD / 2 - 0.4, titles[letter])
                made[letter].draw(sheet, x + across, y + HEAD, wide)
            y += _row_height(made, row, width) + APART

    def height(width):
        return sum(_row_height(made, row, width) + APART for row in asked["rows"]) - APART

    def notes(width):
        wide = {letter: own for row in asked["rows"] for letter, _, own in _places(row, width)}
        told = {letter: one.notes(wide[letter]) for letter, one in made.items()}
        return " ".join(f"({letter}) {text}" for letter, text in told.items() if text)

    about = " ".join(
        f"({letter}) {titles[letter] + '. ' if titles[letter] else ''}{one.about}" for letter, one in made.items()
    )
    query = "\n".join(f"-- {letter}\n{one.query};" for letter, one in made.items())
    return Plot("panels", draw, height, next(iter(made.values())).data, about, {}, query, (), made, notes)


def _text(value):
    return ",".join(map(str, value)) if isinstance(value, list) else value


def _places(row, width):
    """(letter, mm from the left, mm wide) of each panel of a row."""
    runs = [(letter, len(list(run))) for letter, run in groupby(row)]
    column = (width - APART * (len(runs) - 1)) / len(row)
    across = 0.0
    for letter, length in runs:
        yield letter, across, column * length
        across += column * length + APART


def _row_height(made, row, width):
    return HEAD + max(made[letter].height(wide) for letter, _, wide in _places(row, width))
