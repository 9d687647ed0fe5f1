"""Which partition of variance is asked for, and the plots of it."""

from brainalign.figures import frames, theme
from brainalign.paper import bars, queries, words
from brainalign.paper.matrix import matrix as draw_matrix
from brainalign.paper.regional import needed
from brainalign.paper.venn import variance as draw_variance
from brainalign.paper.venn_three import triple as draw_triple

PARTS = ("unique_a", "shared", "unique_b")
MEAN = "mean of subjects"


def _rows(wish, table):
    """Rows of a table of one model, and of one subject unless the mean is asked for."""
    rows = needed(wish, table)
    rows = rows[rows.model == wish.one("model", sorted(set(rows.model)))]
    return _one_space(wish, _of_subject(wish, rows))


def _of_subject(wish, rows):
    subject = wish.one("subject", [MEAN, *sorted(set(rows.subject))])
    return frames.of_subject(rows, subject, MEAN)


def _one_space(wish, rows):
    """Where a store has partitions of several poolings, those of one."""
    each = [name for name in ("subject", "a", "b", "c", "instruction") if name in rows]
    if (rows.groupby(each).pooling.nunique() > 1).any():
        return rows[rows.pooling == wish.one("pooling", sorted(set(rows.pooling)))]
    return rows


def _in_region(wish, rows):
    roi = wish.one("roi", wish.known.sort_regions(rows.roi), frames.WHOLE, "region")
    return rows[rows.roi == roi]


def variance(wish):
    """Two instructions in a region."""
    table = _rows(wish, "roi_variance")
    a = wish.one("a", wish.known.sort_instructions(table.a), what="first instruction")
    b = wish.one("b", wish.known.sort_instructions(table[table.a == a].b), what="second instruction")
    pair = _in_region(wish, table)
    pair, roi = pair[(pair.a == a) & (pair.b == b)].dropna(subset=list(PARTS)), wish.made["roi"]
    if pair.empty:
        raise ValueError(f"the partition of {a} and {b} is not defined in {roi} for {wish.made['subject']}")
    colours = {"a": theme.instruction_colour(a), "b": theme.instruction_colour(b)}
    about = words.of_variance(wish.store, pair, a, b, roi)
    return draw_variance(pair, {"a": a, "b": b}, colours, about, wish.made, queries.variance(pair))


def matrix(wish):
    """One part of each pair's variance: the second instruction by region."""
    table = _rows(wish, "roi_variance")
    table = frames.less_floor(table)
    a = wish.one("a", wish.known.sort_instructions(table.a), what="first instruction")
    part, kinds = wish.one("part", ["shared", "unique_a", "unique_b"]), wish.known.families(table.roi)
    regions = wish.several("regions", kinds, [kind for kind in kinds if kind != "streams"], "family of regions")
    rows = frames.in_families(table[table.a == a], regions, wish.known)
    if rows.empty:
        raise ValueError("choose at least one family of regions")
    about = words.of_matrix(wish.store, rows, a, part)
    query = queries.matrix(rows, part)
    return draw_matrix(frames.grid(rows, "b", part, wish.known), "R²", about, "matrix", wish.made, query)


def pairs(wish):
    """One part of every two instructions' variance in a region."""
    rows = frames.less_floor(_in_region(wish, _rows(wish, "roi_variance")))
    part = wish.one("square", ["shared", "unique_a"], what="part")
    grid, about = frames.square(rows, part, wish.known), words.of_square(wish.store, rows, part)
    return draw_matrix(grid, "R²", about, "pairs", wish.made, queries.square(rows, part), "other")


def unique(wish):
    """What each instruction explains in a region beyond all the others."""
    rows = _in_region(wish, _rows(wish, "roi_uniques"))
    if not rows.unique_r2.notna().any():
        raise ValueError(f"no unique variance is defined in {wish.made['roi']}")
    order = wish.known.sort_instructions(rows.instruction)
    frame = frames.apart(rows, "instruction", "unique_r2", order)
    colours, about = {id: theme.instruction_colour(id) for id in order}, words.of_unique(wish.store, rows)
    return bars.unique(frame, colours, about, wish.made, queries.uniques(rows))


def triple(wish):
    """Three instructions in a region."""
    rows = _rows(wish, "roi_triples")
    sets = dict.fromkeys(map(",".join, zip(rows.a, rows.b, rows.c)))
    three = wish.one("three", sets, what="three instructions").split(",")
    rows = _in_region(wish, rows)
    rows = rows[(rows.a == three[0]) & (rows.b == three[1]) & (rows.c == three[2])]
    if not rows.value.notna().any():
        raise ValueError(f"the partition of {', '.join(three)} is not defined in {wish.made['roi']}")
    frame = frames.apart(rows, "part", "value", frames.parts_of_three(three))
    colours = {side: theme.instruction_colour(id) for side, id in zip("abc", three)}
    about = words.of_three(wish.store, rows, three)
    return draw_triple(frame, three, colours, about, wish.made, queries.triples(rows))
