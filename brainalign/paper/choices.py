"""From a store and what is asked for, in the words of the pages' links, to a `Plot`: the command line's way in.

What is not asked for is what the page shows at first. A name that the store lacks is an error that suggests one.
Several subjects or instructions, separated by commas, make a grid of flatmaps.
"""

from difflib import get_close_matches
from urllib.parse import parse_qsl, urlsplit

from brainalign import tables
from brainalign.figures import frames, theme
from brainalign.paper import maps, words
from brainalign.paper.bars import rois as draw_rois
from brainalign.paper.controls import compare as draw_compare
from brainalign.paper.profiles import layers as draw_layers
from brainalign.paper.venn import variance as draw_variance
from brainalign.paper.wish import Wish, in_order, match, where

PARTS = ("unique_a", "shared", "unique_b")
MEAN = "mean of subjects"
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
    return kind, {key: value for key, value in parse_qsl(parts.query) if key in KINDS[kind][1]}


# --- Regions ---


def _quantity(wish):
    """r_mean, r2_mean or r_norm_mean; r, r2 and r_norm mean the same."""
    asked = wish.asked.get("quantity")
    if asked is not None and not asked.endswith("_mean"):
        wish.asked = wish.asked | {"quantity": f"{asked}_mean"}
    return wish.one("quantity", frames.QUANTITIES)


def _regions(wish, scores):
    kinds = frames.families(scores.roi)
    chosen = wish.several("regions", kinds, [k for k in kinds if k != "streams"], "family of regions")
    return frames.in_families(scores, chosen)


def _rows(wish, by, quantity):
    """(scores, groups, names, colours, shown at first) where there is one group an instruction or a model."""
    store, scores = wish.store, wish.store.roi_scores()
    if scores.empty:
        raise ValueError("the store has no scores by region yet; run `brainalign publish STUDY.toml`")
    if by == "instruction":
        scores = scores[scores.model == wish.one("model", store.models())]
        groups = in_order(scores.instruction)
        known = tables.instructions()
        names = {id: f"{id} · {known[id].text}" if id in known else id or "no instruction" for id in groups}
        colours, first = {id: theme.instruction_colour(id) for id in groups}, frames.one_per_family(groups)
    else:
        chosen = wish.one("instruction", in_order(set(scores.instruction) - {""}))
        scores = scores[scores.instruction.isin([chosen, ""])]
        groups = first = store.models()
        names, colours = {model: model for model in groups}, {model: theme.model_colour(model) for model in groups}
    return scores, groups, names, colours, first


def _bars(wish):
    by = wish.one("by", ["instruction", "model"])
    quantity = _quantity(wish)
    scores, groups, names, colours, first = _rows(wish, by, quantity)
    pooling = wish.one("pooling", frames.in_order(scores.pooling, frames.POOLINGS))
    layer = wish.one("layer", ["best", *map(str, sorted(set(scores.layer)))])
    shown = wish.several(f"{by}s", groups, first, by)
    scores = _regions(wish, frames.pooled(scores[scores[by].isin(shown)], pooling))
    frame = frames.roi_frame(frames.at_layer(scores, layer, quantity), quantity, by)
    if frame.value.notna().sum() == 0:
        raise ValueError("no score is defined for this choice; choose other groups, regions or another layer")
    about = rois_about(wish.store, frame, quantity, layer, pooling, by, wish.made)
    return draw_rois(
        frame, colours, {group: names[group] for group in shown}, AXES[quantity], about, wish.made, _roi_query(wish)
    )


def rois_about(store, frame, quantity, layer, pooling, by, made):
    """What the bars show, as a caption says it."""
    one = made["model"] if by == "instruction" else made["instruction"]
    whose = f"{one} with each instruction" if by == "instruction" else f"each model with {one}"
    spoken = {"r_mean": "Pearson r", "r2_mean": "R²", "r_norm_mean": "Pearson r over the noise ceiling"}
    said = [
        f"{spoken[quantity]} of predicted and measured response by region, {whose}.",
        "Means over the region's reliable units.",
        f"Bars are means over {frame.subject.nunique()} subjects, points the subjects; dotted: noise ceiling.",
        words.best_rule(layer, frame.subject.nunique()),
        words.tested(store, sorted(set(frame.subject))),
        words.ceiling(store, quantity),
        words.method(store, pooling),
    ]
    return " ".join(said)


def _roi_query(wish):
    keys = [key for key in ("model", "instruction") if key in wish.made]
    also = "" if wish.made.get("layer", "best") == "best" else f" AND layer = {wish.made['layer']}"
    return f"SELECT * FROM roi_scores WHERE {where(wish.made, *keys, 'pooling')}{also}"


def _layers(wish):
    by = wish.one("by", ["instruction", "model"])
    quantity = _quantity(wish)
    scores, groups, names, colours, first = _rows(wish, by, quantity)
    pooling = wish.one("pooling", frames.in_order(scores.pooling, frames.POOLINGS))
    shown = wish.several(f"{by}s", groups, first, by)
    scores = _regions(wish, frames.pooled(scores[scores[by].isin(shown)], pooling))
    frame = frames.roi_frame(scores, quantity, by)
    about = (
        f"{AXES[quantity]} of each layer in each region, means over {frame.subject.nunique()} subjects and over the "
        f"region's reliable units; a ring marks the layer with the highest mean. "
        f"{words.tested(wish.store, sorted(set(frame.subject)))} {words.ceiling(wish.store, quantity)} "
        f"{words.method(wish.store, pooling)}"
    )
    return draw_layers(
        frame, colours, {group: names[group] for group in shown}, AXES[quantity], about, wish.made, _roi_query(wish)
    )


def _compare(wish):
    quantity = _quantity(wish)
    scores, models, names, colours, _ = _rows(wish, "model", quantity)
    model = wish.one("model", models, next((name for name in models if _plain(name, models)), None))
    controls = wish.several(
        "controls", [name for name in models if name != model], [name for name in models if name != model], "control"
    )
    pooling = wish.one("pooling", frames.in_order(scores[scores.model == model].pooling, frames.POOLINGS))
    layer = wish.one("layer", ["best", *map(str, sorted(set(scores.layer)))])
    scores = _regions(wish, frames.pooled(scores[scores.model.isin([model, *controls])], pooling))
    frame = frames.roi_frame(frames.at_layer(scores, layer, quantity), quantity, "model")
    if frame.value.notna().sum() == 0:
        raise ValueError("no score is defined for this choice; choose another model, regions or another layer")
    subjects = frame.subject.nunique()
    about = (
        f"{AXES[quantity]} of {model} with {wish.made['instruction']} and of its controls ({', '.join(controls)}) by "
        f"region: large marks are means over {subjects} subjects, short lines the subjects, dotted lines the noise "
        f"ceiling. At the right the mean difference to the best control and in how many subjects it is above 0. "
        f"{words.best_rule(layer, subjects)} {words.tested(wish.store, sorted(set(frame.subject)))} "
        f"{words.ceiling(wish.store, quantity)} {words.method(wish.store, pooling)}"
    )
    return draw_compare(
        frame,
        model,
        colours,
        {name: names[name] for name in (model, *controls)},
        AXES[quantity],
        about,
        wish.made,
        _roi_query(wish),
    )


def _plain(name, models):
    """Whether a model is one that others are named after, such as `llava` with `llava-random`."""
    return any(other.startswith(f"{name}-") for other in models)


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
    query = f"SELECT * FROM roi_variance WHERE {where(wish.made, 'model', 'a', 'b', 'roi')}"
    return draw_variance(
        pair, {"a": a, "b": b}, colours, variance_about(wish.store, pair, a, b, roi), wish.made, query
    )


def variance_about(store, pair, a, b, roi):
    """What the circles and bars show, as a caption says it."""
    layers = ", ".join(f"{row.layer} ({row.subject})" for row in pair.itertuples())
    units = f"{pair.n.min()}–{pair.n.max()}" if pair.n.min() < pair.n.max() else pair.n.min()
    return (
        f"Variance (R²) that {a} and {b} explain in {roi}, together and apart; bars are means over {len(pair)} "
        f"subjects, points the subjects, signed. {words.quoted([a, b])}. Shared = R²({a}) + R²({b}) − R²(both), only "
        f"{a} = R²(both) − R²({b}); both together by banded ridge regression. Model layer {layers}; {units} reliable "
        f"units. {words.tested(store, pair.subject)} {words.method(store, pair.pooling.iloc[0])}"
    )


BY_ROI = ("by", "quantity", "model", "instruction", "instructions", "models", "pooling", "layer", "regions")
MAPS = ("subject", "quantity", "model", "instruction", "pooling", "layer", "threshold", "outlines")
MAPS = (*MAPS, "difference", "minus_model", "minus_instruction", "a", "b")
KINDS = {  # kind -> (how its plot is made, what it can be asked for)
    "flatmap": (maps.chosen, MAPS),
    "rois": (_bars, BY_ROI),
    "variance": (_variance, ("model", "subject", "a", "b", "roi", "pooling", "layer")),
    "layers": (_layers, tuple(key for key in BY_ROI if key != "layer")),
    "compare": (_compare, ("quantity", "instruction", "model", "controls", "pooling", "layer", "regions")),
}
