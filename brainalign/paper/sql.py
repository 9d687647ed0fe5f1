"""Pieces of SQL to read and to paste, with the values that a figure drew written into them."""

import numpy as np


def literal(value):
    """A value as SQL writes it."""
    if isinstance(value, bool | int | float | np.number):
        return f"{value:g}" if isinstance(value, float | np.floating) else str(value)
    return "'" + str(value).replace("'", "''") + "'"


def row(values):
    """(1, 'a')."""
    return f"({', '.join(map(literal, values))})"


def table(name, columns, rows):
    """Rows as a table to select from."""
    return f"(VALUES\n    {lines(rows)}) AS {name}({', '.join(columns)})"


def lines(rows):
    """(1, 'a'), (2, 'b'), each on a line of its own."""
    return ",\n    ".join(map(row, rows))


def where(rows, *keys):
    """The condition that keeps those rows of a table whose values were drawn.

    rows : what was drawn; keys : names of columns, those that only their combinations tell apart in one text
    """
    return "\n  AND ".join(part for key in keys for part in _equal(rows, key.split()))


def _equal(rows, names):
    found = rows[names].drop_duplicates()
    several = [name for name in names if found[name].nunique() > 1]
    yield from (f"{name} = {literal(found[name].iloc[0])}" for name in names if name not in several)
    if len(several) == 1:
        yield f"{several[0]} IN {row(found[several[0]])}"
    elif several:
        yield f"({', '.join(several)}) IN (\n    {lines(found[several].to_numpy())})"
