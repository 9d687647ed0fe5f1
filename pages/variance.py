"""The variance that instructions explain together and apart."""

import streamlit as st

from brainalign import export_ui, figures, paper, ui
from brainalign.figures import frames, theme
from brainalign.figures.numerals import said
from brainalign.paper.partition import MEAN

VIEWS = {
    "pair": "Two instructions",
    "all": "All pairs",
    "rest": "Each against the rest",
    "three": "Three instructions",
}


def pair_of(table, container):
    """(first, second) instruction, as the reader chooses of the pairs in a table."""
    pairs = list(dict.fromkeys(zip(table.a, table.b)))
    firsts = known.sort_instructions({a for a, _ in pairs})
    a = ui.choice("First instruction", firsts, "a", known.label, container=container[0])
    others = known.sort_instructions({b for x, b in pairs if x == a})
    return a, ui.choice("Second instruction", others, "b", known.label, container=container[1])


def one_pair(table, a, b):
    """Circles and signed bars of two instructions in one region."""
    names = paper.words.called(a, b)
    colours = {"a": theme.instruction_colour(a), "b": theme.instruction_colour(b)}
    own = table[(table.a == a) & (table.b == b) & (table.roi == roi)].dropna(subset=list(names))
    if own.empty:
        st.info(f"The partition of {a} and {b} is not defined in {roi} for {subject}.")
        return
    pair = frames.less_floor(own)
    parts = pair[list(names)].mean().to_dict()
    spoken = ", ".join(f"{names[part]} {said(value)}" for part, value in parts.items())
    left, right = st.columns([1.15, 1], gap="large")
    with left:
        st.header(f"{a} and {b} in {roi}", anchor=False)
        ui.plot(figures.venn(parts, {"a": a, "b": b}, colours), "venn", f"Two circles: {spoken}")
        negative = [f"{names[part]} is {said(value, 4)}" for part, value in parts.items() if value < 0]
        if negative:
            st.badge(f"negative: {'; '.join(negative)}, drawn with area 0", icon=":material/warning:", color="orange")
            ui.sentence(
                "Numbers are R², shares of the variance of the response; a negative one has no area, so the "
                "areas are not true to the numbers."
            )
        else:
            ui.sentence("Areas are true to the numbers (R², share of the variance of the response).")
    with right:
        st.header("Signed values", anchor=False)
        bars = {"unique_a": colours["a"], "shared": theme.MUTED, "unique_b": colours["b"], "r2_ab": theme.MUTED}
        moved = {"a": (a, colours["a"]), "b": (b, colours["b"])} if frames.elsewhere(pair) else None
        signed = figures.signed_bars(pair, bars, names | {"r2_ab": "both together"}, "R²", moved)
        ui.plot(signed, "signed", f"The same numbers as bars, each subject a point: {spoken}")
        who = (
            "Bars: means over subjects; points: the subjects"
            if subject == MEAN
            else f"Bars and points: {subject} alone"
        )
        known = "shared_low" in pair and pair.shared_low.notna().any()
        interval = f", with {paper.words.interval_of(own)}" if known else ""
        rest = (
            paper.words.reduced(own),
            paper.words.units_negative(own, a, b),
            paper.words.at_other_layers(own, a, b),
        )
        ui.sentence(" ".join(filter(None, (f"{who}{interval}.", *rest))))
    if claims := paper.words.claims_of_pair(own, a, b):
        ui.sentence(claims)
    ui.sentence(told(own, a, b))
    to_the_map(own, a, b)
    export_ui.export(
        lambda made: paper.variance(
            own, {"a": a, "b": b}, colours, paper.words.of_variance(store, own, a, b, roi), made | {"a": a},
            paper.queries.variance(own),
        ),
        store, "variance",
    )  # fmt: skip
    ui.data(own, "pair")


def told(pair, a, b):
    """The instructions in full, the layers and the units of a pair."""
    units = f"{pair.n.min()}–{pair.n.max()}" if pair.n.min() < pair.n.max() else pair.n.min()
    texts = " ".join(known.quoted([a, b]))
    return (
        f"{texts} {paper.method.parted_at(store, pair)} {units} of the region's {pair.n_all.max()} units are "
        f"reliable ({paper.method.reliable(store)})."
    )


def to_the_map(pair, a, b):
    """A link to the map of what two instructions share, where the store keeps one: of some pairs, one way round."""
    seen = subject if subject != MEAN else pair.subject.iloc[0]
    mapped = store.pairs()
    for first, second in {*zip(mapped.a, mapped.b)} & {(a, b), (b, a)}:
        st.page_link(
            "pages/flatmaps.py",
            label=f"See where {a} and {b} share variance in the cortex of {seen}",
            icon=":material/map:",
            query_params={"subject": seen, "quantity": "shared", "model": model, "a": first, "b": second},
        )


def all_pairs(table, a):
    """One instruction with every other by region, and every two in one region."""
    st.header(f"{a} with every other instruction", anchor=False)
    words = {"shared": "shared", "unique_a": f"{a} only", "unique_b": "the other only"}
    part = ui.segments("Part", list(words), "part", words.get)
    kinds = known.families(table.roi)
    regions = ui.several("Regions", kinds, "regions", default=[k for k in kinds if k != "streams"])
    drawn = frames.less_floor(table)
    rows = frames.in_families(drawn[drawn.a == a], regions, known)
    if rows.empty:
        st.info("Choose at least one group of regions.")
    else:
        grid = frames.grid(rows, "b", part, known)
        ui.plot(
            figures.matrix(grid, "R²", known.label), "matrix",
            f"Variance (R²) of {a} with each other instruction, {words[part]}, by region; {frames.ends(grid)}",
        )  # fmt: skip
        if told := " ".join(filter(None, (_less(rows), paper.words.how_much_layers_matter(rows, part)))):
            ui.sentence(told)
        export_ui.export(
            lambda made: paper.matrix(
                grid, "R²", paper.words.of_matrix(store, rows, a, part), "matrix", made | {"a": a},
                paper.queries.matrix(rows, part),
            ),
            store, "matrix",
        )  # fmt: skip
        ui.data(table[table.a == a], "parts")
    here = drawn[drawn.roi == roi]
    if here.a.nunique() > 2:
        every_two(here)


def _less(rows):
    return f"Each value is{paper.words.less(rows).removeprefix(',')}." if frames.floored(rows) else ""


def every_two(here):
    st.header(f"Every two instructions in {roi}", anchor=False)
    ways = {"shared": "shared", "unique_a": "of the row beyond the column"}
    way = ui.segments("Part of every two", list(ways), "square", ways.get)
    square = frames.square(here, way, known)
    ui.plot(
        figures.matrix(square, "R²"), "square",
        f"Variance (R²) in {roi}, {ways[way]}, of every two instructions; {frames.ends(square)}",
    )  # fmt: skip
    told = (
        "Shared: R²(row) + R²(column) − R²(both); on the diagonal R² of one alone."
        if way == "shared"
        else "What the row's instruction explains that the column's does not: R²(both) − R²(column)."
    )
    ui.sentence(f"{told} {_less(here)}")
    export_ui.export(
        lambda made: paper.matrix(
            square, "R²", paper.words.of_square(store, here, way), "pairs", made, paper.queries.square(here, way),
            "other",
        ),
        store, "pairs",
    )  # fmt: skip


def each_against_the_rest(uniques):
    """What each instruction explains beyond all the others in one region."""
    alone = uniques[uniques.roi == roi]
    st.header(f"What each instruction explains beyond all the others in {roi}", anchor=False)
    if not alone.unique_r2.notna().any():
        st.info(f"What each instruction explains by itself is not defined in {roi} for {subject}.")
        return
    order = known.sort_instructions(alone.instruction)
    each = frames.apart(alone, "instruction", "unique_r2", order)
    shades = {id: theme.instruction_colour(id) for id in order}
    spoken = ", ".join(f"{id} {said(each[id].mean())}" for id in order)
    ui.plot(
        figures.signed_bars(each, shades, {id: id for id in order}, "R²"), "unique",
        f"Unique variance of each instruction, mean over subjects: {spoken}",
    )  # fmt: skip
    ui.sentence(
        f"R² of the {len(order)} instructions together less that of the others without this one, by banded ridge. "
        f"{paper.words.reduced(alone)} Points: the subjects, with {paper.words.interval_of(alone)}. "
        f"{paper.method.parted_at(store, alone)}"
    )
    if claims := paper.words.claims_of_each(each, order):
        ui.sentence(claims)
    export_ui.export(
        lambda made: paper.unique(
            each, shades, paper.words.of_unique(store, alone), made, paper.queries.uniques(alone)
        ),
        store, "unique",
    )  # fmt: skip
    ui.data(alone, "unique")


def seven_parts(triples):
    """Circles and bars of three instructions in one region."""
    triples = triples[triples.roi == roi]
    if not triples.value.notna().any():
        st.info(f"The partition of three instructions is not defined in {roi} for {subject}.")
        return
    sets = list(dict.fromkeys(map(",".join, zip(triples.a, triples.b, triples.c))))
    three = ui.choice("Three instructions", sets, "three", lambda ids: ids.replace(",", " · ")).split(",")
    found = triples[(triples.a == three[0]) & (triples.b == three[1]) & (triples.c == three[2])]
    st.header(f"{', '.join(three[:2])} and {three[2]} in {roi}", anchor=False)
    left, right = st.columns([1.15, 1], gap="large")
    called = frames.parts_of_three(three)
    seven = frames.apart(found, "part", "value", called)
    parts = seven[list(called)].mean().to_dict()
    tint = {side: theme.instruction_colour(id) for side, id in zip("abc", three)}
    spoken = ", ".join(f"{' and '.join(members)} {said(parts[part])}" for part, members in called.items())
    with left:
        ui.plot(figures.venn_three(parts, dict(zip("abc", three)), tint), "venn of three", f"Three circles: {spoken}")
        ui.sentence(
            "Three circles cannot have seven true areas in general: these are placed by each space's whole and each "
            "two's overlap, negative parts with no area. A part too small for its number has it in the bars, which "
            "are exact."
        )
    with right:
        ui.plot(figures.upset(seven, called, three, tint), "upset", f"Seven parts as bars: {spoken}")
        whose = "a point a subject" if subject == MEAN else f"{subject} alone"
        ui.sentence(
            f"Signed, {whose}, with {paper.words.interval_of(found)}. {paper.words.reduced(found)} "
            f"Dots below a bar say who shares the part. {paper.method.parted_at(store, found)}"
        )
    if claims := paper.words.claims_of_three(seven, three):
        ui.sentence(claims)
    export_ui.export(
        lambda made: paper.triple(
            seven, three, tint, paper.words.of_three(store, found, three), made, paper.queries.triples(found)
        ),
        store, "triple",
    )  # fmt: skip
    ui.data(found, "three")


store = ui.page_store()
known = store.catalogue
ui.header(
    store,
    "Variance",
    "What instructions explain of the response to test images together and apart: ridge models on each and a "
    "banded model on both; shared = R²(a) + R²(b) − R²(both), only a = R²(both) − R²(b).",
)
ui.hint(
    "variance",
    "Choose two instructions and a region: the overlap is what both explain. The other views take more at a time.",
)
table = store.roi_variance()
if table.empty:
    ui.empty("The store has no partition of variance yet.", "brainalign run STUDY.toml\nbrainalign publish STUDY.toml")

# what to partition
uniques, triples = store.rows("roi_uniques"), store.rows("roi_triples")
had = {"rest": uniques.unique_r2.notna().any(), "three": triples.value.notna().any()}
view = ui.segments("Show", [name for name in VIEWS if had.get(name, True)], "view", VIEWS.get)
controls = st.columns([1, 1, 1.4, 1.6, 1.6])
model = ui.choice("Model", sorted(set(table.model)), "model", container=controls[0])
table = table[table.model == model]
subject = ui.choice("Subject", [MEAN, *sorted(set(table.subject))], "subject", container=controls[1])
roi = ui.choice("Region", known.sort_regions(table.roi), "roi", default=frames.WHOLE, container=controls[2])
if view in ("pair", "all"):
    if (table.groupby(["subject", "a", "b"]).pooling.nunique() > 1).any():
        table = table[table.pooling == ui.choice("Pooling", sorted(set(table.pooling)), "pooling")]
    a, b = pair_of(table, controls[3:])
    shown = frames.of_subject(table, subject, MEAN)
    if view == "pair":
        one_pair(shown, a, b)
    else:
        all_pairs(shown, a)
elif view == "rest":
    each_against_the_rest(frames.of_subject(uniques[uniques.model == model], subject, MEAN))
else:
    seven_parts(frames.of_subject(triples[triples.model == model], subject, MEAN))
