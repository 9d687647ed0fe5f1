"""How the numbers of similarity are got from the store: SQL to read or to paste, which gives the figure's data."""

from brainalign.paper.sql import literal, where

MAP = "model instruction pooling"


def bars(rows, by):
    """Similarity by region, a group for each of `by`; rows : of rsa_chosen, those drawn."""
    return (
        f'SELECT subject, roi, n, n_all, layer, {by} AS "group", rho AS value, low, high, upper AS ceiling,\n'
        "  lower AS ceiling_low\nFROM rsa_chosen JOIN rsa_ceilings USING (subject, roi)\n"
        f"WHERE {where(rows, 'subject', MAP, 'roi')}"
    )


def layers(rows, by):
    """Similarity at every layer; rows : of rsa_scores, those drawn."""
    columns = "subject, model, instruction, layer, pooling, roi"
    return (
        f'SELECT {columns}, rho AS value, {by} AS "group"\nFROM rsa_scores\nWHERE {where(rows, "subject", MAP, "roi")}'
    )


def matrices(told, found):
    """Pairs of pictures in the matrices of a region and of a map.

    told : rows of rsa_chosen of both; found : as `Store.rdms` gives it
    """

    def ranked(name):
        return f"('0x' || substr(hex({name}.data), 2 * k + 1, 2))::INTEGER / 255 AS {name}"

    named = ['picture_a + 1 AS "73KID_a"', 'picture_b + 1 AS "73KID_b"'] + [
        f"(SELECT coco_id FROM images WHERE image_id = picture_{side}) AS coco_{side}" for side in "ab"
    ]
    numbers = "".join(f"\n  {column}," for column in named) if found["coco"] else ""
    return f"""WITH shown AS (
  SELECT string_split(value, ' ')::INTEGER[] AS ids FROM store WHERE key = 'rsa_pictures'
), pairs AS (
  SELECT ids[i] AS picture_a, ids[j] AS picture_b, row_number() OVER (ORDER BY i, j) - 1 AS k
  FROM shown, range(1, len(ids) + 1) AS a(i), range(1, len(ids) + 1) AS b(j) WHERE i < j
)
SELECT picture_a, picture_b,{numbers} {ranked("region")}, {ranked("model")}
FROM pairs, rsa_rdms AS region, (
  SELECT data FROM rsa_rdms WHERE {where(told, *MAP.split())} AND layer = {found["layer"]}
) AS model
WHERE region.roi = {literal(told.roi.iloc[0])} ORDER BY k"""
