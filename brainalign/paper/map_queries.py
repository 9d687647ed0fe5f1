"""How the values of flatmaps are got from the store: SQL to read or to paste, which gives the figure's data."""

from brainalign.figures.flatmap import CHOSEN, pictures
from brainalign.paper import pictured
from brainalign.paper.asked import PARTS, SCORES, offered
from brainalign.paper.sql import literal, table

MAP = ("model", "instruction", "pooling")
SCORE = {"r": "{}", "r2": "{}", "r_norm": "CASE WHEN nc BETWEEN {least:g} AND 100 THEN ({}) / sqrt(nc / 100) END"}
CONTEST = """WITH contest AS (
  SELECT * FROM {contest}
), best AS (
  SELECT subject, map, unit, arg_max(number, r) AS number, arg_max(class, r) AS class, max(r, 2) AS top
  FROM contest JOIN nested USING (subject, model, instruction, pooling)
  WHERE isfinite(r)
  GROUP BY subject, map, unit
  HAVING count(*) > 1
), won AS (
  SELECT *, (top[1]::DOUBLE - top[2])::FLOAT AS lead
  FROM best
)
SELECT subject, map, unit,
  CASE WHEN lead > {margin:g}::FLOAT THEN number WHEN lead IS NOT NULL THEN {ties} END AS value,
  CASE WHEN lead > {margin:g}::FLOAT THEN class WHEN lead IS NOT NULL THEN 'tie' ELSE '' END AS class,
  lead, nc AS noise_ceiling, {drawn}
FROM (SELECT DISTINCT subject, map FROM contest)
JOIN units USING (subject)
LEFT JOIN won USING (subject, map, unit)"""


def maps(store, shown):
    """The query of some paper.Maps, which show the same quantity."""
    stock, forms = offered(store), {}
    if shown[0].picture.lead is not None:
        return _winners(stock, shown)
    for one in shown:
        key, value, joined = _form(store, stock, one)
        selected = f"{value}{_opacity(store, stock, one.asked)},\n  nc AS noise_ceiling, {_drawn(one)}"
        rows = forms.setdefault((("subject", "map", *key), selected, joined), [])
        rows.append((one.subject, one.title, *key.values()))
    return "\nUNION ALL\n".join(
        f"SELECT subject, map, unit, {selected}\n"
        f"FROM {table('maps', columns, rows)}\nJOIN units USING (subject){joined}"
        for (columns, selected, joined), rows in forms.items()
    )


def _drawn(one):
    return f"coalesce(isfinite(value), false) AND nc BETWEEN {one.threshold:g} AND 100 AS drawn"


def _steps(values):
    """One of the values for each step of `pictures.SURE`, by q."""
    first, *others = values
    sure = " ".join(
        f"WHEN q < {below:g} THEN {v}" for (below, *_), v in reversed(list(zip(pictures.SURE[1:], others)))
    )
    return f"CASE {sure} ELSE {first} END"


def _opacity(store, stock, asked):
    """The columns that a second dimension adds."""
    if asked.second == "ceiling":
        top = pictured.ceiling_top(store, stock)
        return f",\n  CASE WHEN isfinite(nc) THEN round(255 * least(nc / {top:g}, 1)) / 255 ELSE 0 END AS opacity"
    if asked.second == "q":
        weights = _steps([weight for _, weight, _ in pictures.SURE])
        texts = _steps([literal(text) for *_, text in pictures.SURE])
        return f",\n  {weights} / 255 AS opacity,\n  {texts} AS significance"
    return ""


def _form(store, stock, one):
    """(what tells a map from others, the value in SQL, the table that is joined for it)."""
    asked = one.asked
    if asked.quantity in ("nc", "across"):
        return {}, {"nc": "nc", "across": "across_r"}[asked.quantity] + " AS value", ""
    if asked.quantity in SCORES:
        return _difference(store, stock, one) if asked.minus else _score(stock, one)
    if asked.quantity in PARTS:
        key = _partition(stock, one) | dict(zip("ab", asked.pair))
        return key, f"{asked.quantity} AS value", _joined("variance", key)
    if asked.quantity == "unique":
        key = _partition(stock, one) | {"instruction": asked.chosen[1]}
        return key, "unique_r2 AS value", _joined("uniques", key)
    key, layers = dict(zip(MAP, asked.chosen)), ", ".join(name for name, _ in one.picture.classes)
    value = f"CASE WHEN layer >= 0 THEN list_position([{layers}], layer) - 1 END AS value"
    return key, f"{value},\n  CASE WHEN layer >= 0 THEN layer::VARCHAR ELSE '' END AS class", _joined("nested", key)


def _partition(stock, one):
    row = pictured.partition(stock, one.subject, one.asked)
    return {"model": row["model"], "pooling": row["pooling"]}


def _joined(name, key):
    return f"\nLEFT JOIN {name} USING (subject, {', '.join(key)}, unit)"


def _of_score(stock, asked, value):
    return SCORE[asked.quantity].format(value, least=stock["least"]) + " AS value"


def _column(asked):
    return "r2" if asked.quantity == "r2" else "r"


def _at(chosen, layer, minus=""):
    """(what tells a map of scores from others, its table); of the layers chosen by training images there is one."""
    key = {f"{minus}{name}": value for name, value in zip(MAP, chosen)}
    return (key, "nested") if layer == CHOSEN else (key | {f"{minus}layer": int(layer)}, "scores")


def _score(stock, one):
    key, name = _at(one.asked.chosen, one.at)
    return key, _of_score(stock, one.asked, _column(one.asked)), _joined(name, key)


def _difference(store, stock, one):
    other, column = pictured.subtracted_layer(store, stock, one.subject, one.asked, one.at), _column(one.asked)
    key, name = _at(one.asked.chosen, one.at)
    minus, from_ = _at(one.asked.minus, other, "minus_")
    sides = [
        (f"(SELECT subject, {', '.join(key)}, unit, {column} AS first FROM {name})", key),
        (
            f"(SELECT subject, {', '.join(f'{n[6:]} AS {n}' for n in minus)}, unit, {column} AS other FROM {from_})",
            minus,
        ),
    ]
    return key | minus, _of_score(stock, one.asked, "first - other"), "".join(_joined(*side) for side in sides)


def _winners(stock, shown):
    rows = []
    for one in shown:
        held = pictured.contest(stock, one.subject, one.asked)
        names = [name for name, _ in one.picture.classes]
        rows += [(one.subject, one.title, k, names[k], *chosen) for k, chosen in enumerate(held)]
    columns = ("subject", "map", "number", "class", *MAP)
    ties = literal(len(shown[0].picture.classes) - 1)
    return CONTEST.format(
        contest=table("rows", columns, rows), margin=shown[0].margin, ties=ties, drawn=_drawn(shown[0])
    )
