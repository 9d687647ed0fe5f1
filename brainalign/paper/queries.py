"""How a figure's numbers are got from the store, as SQL to read or to paste; made : choices as in a page's link."""

from brainalign.paper.asked import EVERYONE, PARTS


def maps(made):
    """Values of a flatmap's units."""
    columns = {"across": "across_r", "unique": "unique_r2"}.get(made.get("quantity"), made.get("quantity"))
    if made.get("quantity") in ("nc", "across"):
        return f"SELECT unit, {columns} FROM units WHERE {_where(made, 'subject')}"
    if made.get("quantity") in PARTS:
        return f"SELECT unit, {made['quantity']} FROM variance WHERE {_where(made, 'subject', 'model', 'a', 'b')}"
    if made.get("quantity") == "unique":
        return f"SELECT unit, {columns} FROM uniques WHERE {_where(made, 'subject', 'model', 'instruction')}"
    if made.get("layer") == "chosen" or made.get("quantity") in ("winner", "layer"):
        where = _where(made, "subject", "model", "instruction", "pooling")
        return f"SELECT model, instruction, unit, layer, r, r2, q FROM nested WHERE {where}"
    return f"SELECT layer, unit, r, r2 FROM scores WHERE {_where(made, 'subject', 'model', 'instruction', 'pooling')}"


def regions(made):
    """Scores of regions."""
    layer = made.get("layer", "")
    table = "roi_nested" if layer == "chosen" else "roi_scores"
    also = f" AND layer = {layer}" if layer.isdecimal() else ""
    return f"SELECT * FROM {table} WHERE {_where(made, 'model', 'instruction', 'pooling')}{also}"


def coverage():
    """How many maps of a subject the store has."""
    counted = (
        "SELECT subject, model, instruction, count(DISTINCT (layer, pooling)) AS maps FROM roi_scores GROUP BY ALL"
    )
    return (
        "SELECT model, instruction, max(maps) AS maps, count(*) AS subjects\n"
        f"FROM ({counted})\nGROUP BY model, instruction"
    )


def variance(made):
    """The partition of two instructions' variance in a region."""
    return f"SELECT * FROM roi_variance WHERE {_where(made, 'model', 'a', 'b', 'roi')}"


def contrasts(made):
    """Differences of a model and each other in a region."""
    return f"SELECT * FROM roi_contrasts WHERE {_where(made, 'roi')} AND {_text(made['model'])} IN (model_a, model_b)"


def uniques(made):
    """What each instruction explains beyond all the others in a region."""
    return f"SELECT * FROM roi_uniques WHERE {_where(made, 'model', 'roi')}"


def triples(made):
    """The partition of three instructions' variance in a region."""
    three = dict(zip("abc", made["three"].split(",")))
    return f"SELECT * FROM roi_triples WHERE {_where(made | three, 'model', 'a', 'b', 'c', 'roi')}"


def shares(made):
    """What a model's states depend on."""
    return f"SELECT * FROM shares WHERE {_where(made, 'model', 'pooling')}"


def _text(value):
    return "'" + value.replace("'", "''") + "'"


def _where(made, *keys):
    """Conditions as SQL to read or to paste."""

    def equals(key):
        texts = [_text(text) for text in made[key].split(",")]
        return f"{key} = {texts[0]}" if len(texts) == 1 else f"{key} IN ({', '.join(texts)})"

    return " AND ".join(equals(key) for key in keys if made.get(key) not in (None, EVERYONE)) or "true"
