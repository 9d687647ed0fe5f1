"""From a store and what is asked for, in the words of the pages' links, to a `Plot`: the command line's way in.

What is not asked for is what the page shows at first. A name that the store lacks is an error that suggests one.
Several subjects or instructions, separated by commas, make a grid of flatmaps.
"""

from difflib import get_close_matches
from urllib.parse import parse_qsl, urlsplit

from brainalign import tables
from brainalign.figures import frames, theme
from brainalign.paper import maps, queries, words
from brainalign.paper.bars import rois as draw_rois
from brainalign.paper.controls import compare as draw_compare
from brainalign.paper.profiles import layers as draw_layers
from brainalign.paper.venn import variance as draw_variance
from brainalign.paper.wish import Wish, in_order, match

PARTS = ("unique_a", "shared", "unique_b")
MEAN = "mean of subjects"
LINKED = {
    "layers": {"instructions": "instruction lines", "models": "model lines"}
}  # choices that pages name otherwise
AXES = {"r_mean": "r", "r2_mean": "R²", "r_norm_mean": "r / noise ceiling"}


def plot(store, kind, **asked):
    """The `Plot` of a kind; asked : choices as in the page's link, all text, None as if not given."""
    kind = match("kind of figure", kind, KINDS)
    asked = {key: str(value) for key, value in asked.items() if value is not None}
    for key in asked:
        if key not in KINDS[kind][1]:
            near = get_close_matches(key, KINDS[kind][1], n=1)
            also = f"did you mean {near[0]}? It takes" if near else "it takes"
            raise ValueError(f"{kind} takes no {key!r}; {also} {', '.join(KINDS[kind][1])}")
    return KINDS[kind][0](Wish(store, asked))


def from_link(link):
    """(kind, choices) of a page's address; what does not concern the figure is left out."""
    parts = urlsplit(link)
    page = parts.path.strip("/").rpartition("/")[2]
    kind = "flatmap" if page == "flatmaps" else page
    if kind not in KINDS:
        known = ", ".join("flatmaps" if name == "flatmap" else name for name in KINDS)
        raise ValueError(f"the link leads to {page or 'the overview'!r}; figures are made of {known}")
    own = {name: key for key, name in LINKED.get(kind, {}).items()}
    found = {own.get(key, key): value for key, value in parse_qsl(parts.query)}
    return kind, {key: value for key, value in found.items() if key in KINDS[kind][1]}


# --- Regions ---


def _quantity(wish):
    """r_mean, r2_mean or r_norm_mean; r, r2 and r_norm mean the same."""
    asked = wish.asked.get("quantity")
    if asked is not None and not asked.endswith("_mean"):
        wish.asked = wish.asked | {"quantity": f"{asked}_mean"}
    return wish.one("quantity", frames.QUANTITIES)


def _at_layer(wish, quantity):
    """Rows of every map at the layer asked for: "chosen" by training images (where the store has it), "best", or a
    number."""
    scores, nested = wish.store.roi_scores(), wish.store.rows("roi_nested")
    if scores.empty:
        raise ValueError("the store has no scores by region yet; run `brainalign publish STUDY.toml`")
    layers = [*(["chosen"] if len(nested) else []), "best", *map(str, sorted(set(scores.layer)))]
    layer = wish.one("layer", layers)
    return frames.at_chosen(nested) if layer == "chosen" else frames.at_layer(scores, layer, quantity)


def _groups(wish, scores, by):
    """(scores of what is asked for, groups, names, colours) with a group for each instruction, or each model."""
    if by == "instruction":
        asked = [name for name in wish.store.models() if wish.store.instructions(name) != [""]]
        scores = scores[scores.model == wish.one("model", asked or wish.store.models())]
        scores = scores[scores.instruction != ""] if (scores.instruction != "").any() else scores
    else:
        offered = in_order(set(scores.instruction) - {""})
        scores = frames.under(scores, wish.one("instruction", offered)) if offered else scores
    pooling = wish.one("pooling", frames.in_order(scores.pooling, frames.POOLINGS))
    scores = frames.pooled(scores, pooling)
    if by == "model":
        groups = [name for name in wish.store.models() if name in set(scores.model)]
        return scores, groups, {name: name for name in groups}, {name: theme.model_colour(name) for name in groups}
    groups, known = in_order(scores.instruction), tables.instructions()
    names = {id: f"{id} · {known[id].text}" if id in known else id or "no instruction" for id in groups}
    return scores, groups, names, {id: theme.instruction_colour(id) for id in groups}


def _regions(wish, scores):
    kinds = frames.families(scores.roi)
    chosen = wish.several("regions", kinds, [k for k in kinds if k != "streams"], "family of regions")
    return frames.in_families(scores, chosen)


def _defined(frame):
    if frame.value.notna().sum() == 0:
        raise ValueError("no score is defined for this choice; choose other models, instructions, regions or layers")
    return frame


def _bars(wish):
    by, quantity = wish.one("by", ["instruction", "model"]), _quantity(wish)
    scores, groups, names, colours = _groups(wish, _at_layer(wish, quantity), by)
    shown = wish.several(f"{by}s", groups, frames.one_per_family(groups) if by == "instruction" else groups, by)
    scores = _regions(wish, scores[scores[by].isin(shown)])
    frame = _defined(frames.roi_frame(scores, quantity, by))
    marks = {}
    if wish.made["layer"] == "chosen" and quantity == "r_mean" and len(shown) > 1:
        reference = wish.one("reference", ["nothing", *shown])
        contrasts = frames.contrasts_of(wish.store.rows("roi_contrasts"), scores)
        marks = frames.marks(contrasts, by, reference, shown) if reference in shown else {}
    by_value = wish.one("order", ["family", "value"]) == "value"
    order = frame.groupby("roi").value.mean().sort_values(ascending=False).index.tolist() if by_value else None
    about = words.of_regions(wish.store, frame, AXES[quantity], wish.made)
    shown = {group: names[group] for group in shown}
    return draw_rois(frame, colours, shown, AXES[quantity], about, wish.made, queries.regions(wish.made), marks, order)


def _layers(wish):
    lines, quantity = wish.one("lines", ["instruction", "model", "roi"]), _quantity(wish)
    by = "model" if lines == "model" else "instruction"
    scores, groups, names, colours = _groups(wish, wish.store.roi_scores(), by)
    if lines == "roi":
        shown = [wish.one("instruction", groups)]
    else:
        shown = wish.several(f"{by}s", groups, frames.one_per_family(groups) if by == "instruction" else groups, by)
    scores = scores[scores[by].isin(shown)]
    if "roi" in wish.asked:
        scores = scores[scores.roi == wish.one("roi", frames.in_order(scores.roi, tables.rois()), what="region")]
    else:
        scores = _regions(wish, scores)
    frame, nested = frames.roi_frame(scores, quantity, by), wish.store.rows("roi_nested")
    kept = nested.merge(scores[["model", "instruction", "pooling", "roi"]].drop_duplicates())
    chosen = kept.groupby(["roi", by]).layer.mean().dropna().to_dict()
    about = words.of_layers(wish.store, frame, AXES[quantity], wish.made, bool(chosen))
    shown = {group: names[group] for group in shown}
    return draw_layers(frame, colours, shown, AXES[quantity], about, wish.made, queries.regions(wish.made), chosen)


def _compare(wish):
    quantity = _quantity(wish)
    scores, models, names, colours = _groups(wish, _at_layer(wish, quantity), "model")
    named_after = (name for name in models if any(other.startswith(f"{name}-") for other in models))
    model = wish.one("model", models, next(named_after, None))
    others = [name for name in models if name != model]
    if not others:
        raise ValueError(f"the store has no model to compare {model} with")
    controls = wish.several("controls", others, others, "control")
    scores = _regions(wish, scores[scores.model.isin([model, *controls])])
    frame = _defined(frames.roi_frame(scores, quantity, "model"))
    about = words.of_comparison(wish.store, frame, AXES[quantity], wish.made)
    names = {name: names[name] for name in (model, *controls)}
    return draw_compare(frame, model, colours, names, AXES[quantity], about, wish.made, queries.regions(wish.made))


# --- Variance ---


def _variance(wish):
    table = wish.store.roi_variance()
    if table.empty:
        raise ValueError("the store has no partition of variance yet; add [variance] to the study and publish it")
    table = table[table.model == wish.one("model", sorted(set(table.model)))]
    a = wish.one("a", in_order(table.a), what="first instruction")
    b = wish.one("b", in_order(table[table.a == a].b), what="second instruction")
    roi = wish.one("roi", frames.in_order(table.roi, tables.rois()), frames.WHOLE, "region")
    for key in ("pooling", "layer"):
        if (table.groupby(["subject", "a", "b"])[key].nunique() > 1).any():
            table = table[table[key].astype(str) == wish.one(key, sorted(map(str, set(table[key]))))]
    subject = wish.one("subject", [MEAN, *sorted(set(table.subject))])
    if subject != MEAN:
        table = table[table.subject == subject]
    pair = table[(table.a == a) & (table.b == b) & (table.roi == roi)].dropna(subset=list(PARTS))
    if pair.empty:
        raise ValueError(f"the partition of {a} and {b} is not defined in {roi} for {subject}")
    colours = {"a": theme.instruction_colour(a), "b": theme.instruction_colour(b)}
    about = words.of_variance(wish.store, pair, a, b, roi)
    return draw_variance(pair, {"a": a, "b": b}, colours, about, wish.made, queries.variance(wish.made))


GROUPED = ("quantity", "model", "instruction", "instructions", "models", "pooling", "regions")
MAPS = ("subject", "quantity", "model", "instruction", "pooling", "layer", "threshold", "outlines", "families")
MAPS = (*MAPS, "difference", "minus_model", "minus_instruction", "a", "b", "among", "margin", "second")
KINDS = {  # kind -> (how its plot is made, what it can be asked for)
    "flatmap": (maps.chosen, MAPS),
    "rois": (_bars, ("by", *GROUPED, "layer", "reference", "order")),
    "variance": (_variance, ("model", "subject", "a", "b", "roi", "pooling", "layer")),
    "layers": (_layers, ("lines", *GROUPED, "roi")),
    "compare": (_compare, ("quantity", "instruction", "model", "controls", "pooling", "layer", "regions")),
}
