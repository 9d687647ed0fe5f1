"""Checks of a TOML file's entries that say what was found, what was expected, and the nearest name."""

import sys
from dataclasses import MISSING, fields
from difflib import get_close_matches

LARGEST = sys.float_info.max


def section(raw, name):
    """The keys of a section; none where it is left out."""
    value = raw.get(name, {})
    if not isinstance(value, dict):
        raise ValueError(f"[{name}] is {value!r}, expected a section with keys")
    return value


def fill(raw, kind, where):
    """The values of a section, by the fields of its dataclass; its defaults where a key is left out."""
    if not isinstance(raw, dict):
        raise ValueError(f"{where} is {raw!r}, expected a section with keys")
    all_known(raw, [field.name for field in fields(kind)], f"key in {where}")
    values = {f.name: f.default for f in fields(kind) if f.default is not MISSING} | raw
    missing = [field.name for field in fields(kind) if field.name not in values]
    if missing:
        raise ValueError(f"{where} needs {missing[0]} = ...")
    return values


def all_known(given, known, what):
    """Every name is one that is known."""
    for name in given:
        one_of(name, known, what)


def one_of(name, known, what):
    """The name, if it is known; else an error with the nearest one."""
    if name not in known:
        near = isinstance(name, str) and get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(map(str, known))}"
        raise ValueError(f"unknown {what}: {name!r}; {hint}")
    return name


def names_of(given, known, where):
    """A tuple of known names; "all" gives ()."""
    if given == "all":
        return ()
    given = listed(given, where)
    once(given, where)
    return tuple(one_of(name, known, where) for name in given)


def listed(given, where):
    """A list of names; one name alone makes one."""
    given = [given] if isinstance(given, str) else given
    if not isinstance(given, list | tuple) or not all(isinstance(name, str) for name in given):
        raise ValueError(f"{where} is {given!r}, expected a list of names")
    return given


def numbers(given):
    """Whether it is a list of plain numbers, none of them NaN, infinite or beyond what a float holds."""
    plain = isinstance(given, list | tuple)
    return plain and all(isinstance(g, int | float) and not isinstance(g, bool) and abs(g) <= LARGEST for g in given)


def once(names, where):
    """No name stands twice."""
    twice = {name for name in names if list(names).count(name) > 1}
    if twice:
        raise ValueError(f"{where} names {', '.join(sorted(map(str, twice)))} twice")


def whole(value, least, where):
    """A whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{where} is {value!r}, expected a whole number of at least {least}")
    return value


def wholes(raw, kind, where, least=None):
    """A section of whole numbers, of at least 1 or what `least` says of a key."""
    least = least or {}
    values = fill(raw, kind, where)
    return kind(**{key: whole(value, least.get(key, 1), f"{where} {key}") for key, value in values.items()})
