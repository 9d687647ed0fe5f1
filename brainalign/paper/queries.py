"""How a figure's numbers are got from the store: SQL to read or to paste, which gives the figure's data.

Each is made from the rows that are drawn, so it holds for whatever was chosen; flatmaps have theirs in `map_queries`.
"""

from brainalign.figures import frames
from brainalign.paper.sql import lines, literal, where

MAP = "model instruction pooling"
CEILING = {"r": "r_ceiling", "r2": "nc_mean / 100", "r_norm": "1"}  # as frames.ceiling
PARTITION = ("subject", "model", "pooling")


def regions(rows, quantity, by, layer):
    """Scores of regions, a group for each of `by`, at the layer that is "chosen", "best" or has this number.

    rows : of roi_scores or roi_nested, those drawn; quantity : of frames.QUANTITIES
    """
    score, kept = quantity.removesuffix("_mean"), where(rows, "subject", MAP, "roi")
    if layer == "chosen":
        values = f"{score} AS value, {score}_low AS low, {score}_high AS high, {_ceiling(rows, score)}"
        return _regions("roi_nested", values, by, kept)
    values = f"{quantity} AS value, NULL AS low, NULL AS high, {_ceiling(rows, score)}"
    if layer != "best":
        return _regions("roi_scores", values, by, f"{kept}\n  AND layer = {layer}")
    return f"""WITH known AS (
  SELECT *, CASE WHEN isfinite({quantity}) THEN {quantity} END AS own
  FROM roi_scores
  WHERE {where(rows, MAP, "roi")}
), ranked AS (  -- each layer by its mean over the other subjects
  SELECT *, (sum(own) OVER every_subject - coalesce(own, 0))
    / nullif(count(own) OVER every_subject - (own IS NOT NULL)::INTEGER, 0) AS others
  FROM known
  WINDOW every_subject AS (PARTITION BY model, instruction, pooling, roi, layer)
)
{_regions("ranked", values, by, where(rows, "subject"))}
QUALIFY row_number() OVER (
  PARTITION BY subject, model, instruction, pooling, roi ORDER BY coalesce(others, own) DESC NULLS LAST, layer) = 1"""


def _regions(table, values, by, kept):
    return f'SELECT subject, roi, n, n_all, layer, {by} AS "group",\n  {values}\nFROM {table}\nWHERE {kept}'


def _ceiling(rows, score):
    """The columns of the noise ceiling, as frames.roi_frame has them of these rows."""
    ends = ", r_ceiling_low AS ceiling_low, r_ceiling_high AS ceiling_high"
    return f"{CEILING[score]} AS ceiling" + ends * (score == "r" and "r_ceiling_low" in rows)


def layers(rows, quantity, by, nested, above=None):
    """Scores of regions at every layer, a line for each of `by`, and those at the layers chosen.

    nested : rows of roi_nested that are drawn; above : what stands above the only chart
    """
    named, score = "roi" if above is None else f"{literal(above)} AS roi", quantity.removesuffix("_mean")
    kept, ceiling = f'SELECT subject, {named}, n, n_all, layer, {by} AS "group",', _ceiling(rows, score)
    found = (
        f"{kept} {quantity} AS value, NULL AS low, NULL AS high,\n  {ceiling}, 'layer' AS scored_at\n"
        f"FROM roi_scores\nWHERE {where(rows, 'subject', MAP, 'roi')}"
    )
    if nested.empty:
        return found
    return (
        f"{found}\nUNION ALL\n{kept} {score} AS value, {score}_low AS low, {score}_high AS high,\n  {ceiling}, "
        f"'chosen' AS scored_at\nFROM roi_nested\nWHERE {where(nested, 'subject', MAP, 'roi')}"
    )


def chosen(rows):
    """The layers that areas choose."""
    return (
        "SELECT subject, model, instruction, pooling, roi, n, n_all, layer\nFROM roi_nested\n"
        f"WHERE {where(rows, 'subject', MAP, 'roi')}\n  AND isfinite(layer)"
    )


def shares(rows):
    """What a model's states depend on."""
    return f"SELECT *\nFROM shares\nWHERE {where(rows, 'model', 'pooling')}\nORDER BY layer"


def specialisation(nested, model, known):
    """Which instruction suits which region; nested : rows of roi_nested; known : a Catalogue."""
    rows = frames.instructed(nested[nested.model == model], known)
    return (
        "WITH means AS (\n  SELECT instruction, roi, avg(r) FILTER (isfinite(r)) AS r\n  FROM roi_nested\n"
        f"  WHERE {where(rows, 'subject', MAP, 'roi')}\n  GROUP BY instruction, roi\n)\n"
        "SELECT instruction, roi, r - avg(r) OVER (PARTITION BY roi) AS value\nFROM means"
    )


def coverage():
    """How many maps of a subject the store has."""
    counted = (
        "SELECT subject, model, instruction, count(DISTINCT (layer, pooling)) AS maps FROM roi_scores GROUP BY ALL"
    )
    return (
        "SELECT model, instruction, max(maps) AS maps, count(*) AS subjects\n"
        f"FROM ({counted})\nGROUP BY model, instruction"
    )


def variance(rows):
    """The partition of two instructions' variance in a region; rows : of roi_variance."""
    return f"SELECT *\nFROM roi_variance\nWHERE {where(rows, *PARTITION, 'a', 'b', 'roi')}"


def _less_floor(rows, name):
    """What `frames.less_floor` makes of a column."""
    floors = "".join(f" - {part}_floor" for part in frames.SUMS[name])
    return name + floors * frames.floored(rows)


def _mean_part(rows, name):
    value = _less_floor(rows, name)
    return f"avg({value}) FILTER (isfinite({value}))"


def matrix(rows, part):
    """One part of many pairs' variance: means over subjects; rows : of roi_variance."""
    return (
        f"SELECT b AS instruction, roi, {_mean_part(rows, part)} AS value\nFROM roi_variance\n"
        f"WHERE {where(rows, *PARTITION, 'a', 'b', 'roi')}\nGROUP BY b, roi"
    )


def square(rows, part):
    """One part of every two instructions' variance in a region: means over subjects; rows : of roi_variance."""
    kept = where(rows, *PARTITION, "a", "b", "roi")
    query = f"SELECT a AS instruction, b AS other, {_mean_part(rows, part)} AS value\nFROM roi_variance\n"
    query += f"WHERE {kept}\nGROUP BY a, b"
    if part == "shared":
        query += f"\nUNION ALL  -- R2 of each alone\nSELECT a, a, {_mean_part(rows, 'r2_a')}\nFROM roi_variance\n"
        query += f"WHERE {kept}\nGROUP BY a"
    return query


def _of_part(rows, raw):
    """The columns that `frames.stacked` gives, of a value and what is known of it."""
    if not frames.floored(rows):
        return f"{raw} AS value, low, high"
    return f"{raw} AS raw, {raw} - floor AS value, low, high, p"


def uniques(rows):
    """What each instruction explains beyond all the others in a region; rows : of roi_uniques."""
    return (
        f"SELECT subject, instruction, {_of_part(rows, 'unique_r2')}\nFROM roi_uniques\n"
        f"WHERE {where(rows, *PARTITION, 'instruction', 'roi')}"
    )


def triples(rows):
    """The seven parts of three instructions' variance in a region; rows : of roi_triples."""
    return (
        f"SELECT subject, part, {_of_part(rows, 'value')}\nFROM roi_triples\n"
        f"WHERE {where(rows, *PARTITION, 'a', 'b', 'c', 'roi')}"
    )


def contrasts(differences):
    """One model minus each other in a region; differences : what `frames.differences` returns."""
    rows = frames.sides(differences)
    names = "model", "instruction", "pooling"
    sides = [", ".join(f"{name}_{side}" for name in names) for side in "ab"]
    named = [f"{name}_{side} AS {minus}{name}" for side, minus in zip("ab", ("", "minus_")) for name in names]
    others = rows[[f"minus_{name}" for name in names]].drop_duplicates().to_numpy()
    return f"""WITH both_ways AS (
  SELECT subject, {", ".join(named)}, roi, difference, low, high, p, q
  FROM roi_contrasts
  UNION ALL
  SELECT subject, {sides[1]}, {sides[0]}, roi, -difference, -high, -low, p, q
  FROM roi_contrasts
)
SELECT *
FROM both_ways
WHERE {where(rows, "subject", MAP, "roi")}
  AND (minus_model, minus_instruction, minus_pooling) IN (
    {lines(others)})"""
