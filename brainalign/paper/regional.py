"""Which scores of regions and layers are asked for, and the plots of them."""

from brainalign.figures import frames, theme
from brainalign.paper import depth, method, queries, words
from brainalign.paper.bars import rois as draw_rois
from brainalign.paper.coverage import coverage as draw_coverage
from brainalign.paper.forest import compare as draw_compare
from brainalign.paper.matrix import matrix
from brainalign.paper.profiles import layers as draw_layers

AXES = {"r_mean": "r", "r2_mean": "R²", "r_norm_mean": "r / noise ceiling"}


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
        offered = wish.known.sort_instructions(set(scores.instruction) - {""})
        scores = frames.under(scores, wish.one("instruction", offered)) if offered else scores
    pooling = wish.one("pooling", frames.in_order(scores.pooling, frames.POOLINGS))
    scores = frames.pooled(scores, pooling)
    if by == "model":
        groups = [name for name in wish.store.models() if name in set(scores.model)]
        return scores, groups, {name: name for name in groups}, {name: theme.model_colour(name) for name in groups}
    groups = wish.known.sort_instructions(scores.instruction)
    return (
        scores,
        groups,
        {id: wish.known.label(id) for id in groups},
        {id: theme.instruction_colour(id) for id in groups},
    )


def _regions(wish, scores):
    kinds = wish.known.families(scores.roi)
    chosen = wish.several("regions", kinds, [k for k in kinds if k != "streams"], "family of regions")
    return frames.in_families(scores, chosen, wish.known)


def _defined(frame):
    if frame.value.notna().sum() == 0:
        raise ValueError("no score is defined for this choice; choose other models, instructions, regions or layers")
    return frame


def bars(wish):
    by, quantity = wish.one("by", ["instruction", "model"]), _quantity(wish)
    scores, groups, names, colours = _groups(wish, _at_layer(wish, quantity), by)
    shown = wish.several(f"{by}s", groups, wish.known.one_per_family(groups) if by == "instruction" else groups, by)
    scores = _regions(wish, scores[scores[by].isin(shown)])
    frame = _defined(frames.roi_frame(scores, quantity, by))
    marks, family = {}, ""
    if wish.made["layer"] == "chosen" and quantity == "r_mean" and len(shown) > 1:
        reference = wish.one("reference", ["nothing", *shown])
        contrasts = frames.contrasts_of(wish.store.rows("roi_contrasts"), scores)
        if reference in shown:
            marks = frames.marks(contrasts, by, reference, shown)
            family = method.short_family(wish.store, "roi_contrasts", contrasts)
    by_value = wish.one("order", ["family", "value"]) == "value"
    order = frame.groupby("roi").value.mean().sort_values(ascending=False).index if by_value else None
    drawn = wish.known.by_family(frame.roi) if order is None else dict.fromkeys(order)
    about = words.of_regions(wish.store, scores, frame, AXES[quantity], wish.made)
    query = queries.regions(scores, quantity, by, wish.made["layer"])
    shown = {group: names[group] for group in shown}
    if by == "instruction" and wish.one("bars", ["table", "level"]) == "level":
        shown = wish.known.by_level(shown)
    return draw_rois(frame, colours, shown, AXES[quantity], drawn, about, wish.made, query, marks, family)


def layers(wish):
    lines, quantity = wish.one("lines", ["instruction", "model", "roi"]), _quantity(wish)
    by = "model" if lines == "model" else "instruction"
    scores, groups, names, colours = _groups(wish, wish.store.roi_scores(), by)
    if lines == "roi":
        shown = [wish.one("instruction", groups)]
    else:
        shown = wish.several(
            f"{by}s", groups, wish.known.one_per_family(groups) if by == "instruction" else groups, by
        )
    scores = scores[scores[by].isin(shown)]
    if "roi" in wish.asked:
        scores = scores[scores.roi == wish.one("roi", wish.known.sort_regions(scores.roi), what="region")]
    else:
        scores = _regions(wish, scores)
    frame, nested = frames.roi_frame(scores, quantity, by), wish.store.rows("roi_nested")
    nested = nested.merge(scores[["subject", "model", "instruction", "pooling", "roi"]].drop_duplicates())
    chosen = frames.roi_frame(frames.at_chosen(nested), quantity, by)
    several = by == "model" and scores.groupby("model").layer.max().nunique() > 1
    relative = several and wish.one("depth", ["layer", "relative"]) == "relative"
    about = words.of_layers(wish.store, scores, AXES[quantity], wish.made, frame, chosen)
    shown, order = {group: names[group] for group in shown}, wish.known.sort_regions(frame.roi)
    query = queries.layers(scores, quantity, by, nested)
    return draw_layers(frame, colours, shown, AXES[quantity], about, wish.made, query, chosen, relative, order)


def chosen(wish):
    """The layer that each area's units choose, for one map."""
    nested = needed(wish, "roi_nested")
    scores, *_ = _groups(wish, nested, "instruction")
    offered = wish.known.sort_instructions(scores.instruction)
    scores = scores[scores.instruction == wish.one("instruction", offered)].dropna(subset=["layer"])
    areas = wish.known.areas(scores.roi)
    rows = scores[scores.roi.isin(areas)]
    if rows.empty:
        raise ValueError("no area has a chosen layer for this choice; choose another model or instruction")
    about, colour = words.of_chosen(wish.store, rows), theme.model_colour(wish.made["model"])
    return depth.chosen(rows, colour, areas, about, wish.made, queries.chosen(rows))


def shares(wish):
    """What a model's states depend on."""
    rows = needed(wish, "shares")
    rows = rows[rows.model == wish.one("model", frames.in_order(rows.model, wish.store.models()))]
    rows = rows[rows.pooling == wish.one("pooling", frames.in_order(rows.pooling, frames.POOLINGS))]
    return depth.shares(rows, words.of_shares(wish.store, rows), wish.made, queries.shares(rows))


def compare(wish):
    """One model minus each other in a region."""
    nested, contrasts = needed(wish, "roi_nested"), needed(wish, "roi_contrasts")
    asked = wish.known.sort_instructions(set(nested.instruction) - {""})
    maps = frames.pooled(frames.under(nested, wish.one("instruction", asked or [""])), frames.FIRST_POOLING)
    model = wish.one("model", [name for name in wish.store.models() if name in set(maps.model)])
    roi = wish.one("roi", frames.places(maps, wish.known), "high", "region")
    frame = frames.differences(contrasts, maps, model, roi)
    if frame.empty:
        raise ValueError(f"the store compares {model} with no other model in {roi} for this instruction")
    about = words.of_differences(wish.store, frame, wish.made)
    axis = f"difference in r, {frames.GROUPS.get(roi, roi)}"
    family = method.short_family(wish.store, "roi_contrasts", frame)
    return draw_compare(frame, axis, about, wish.made, queries.contrasts(frame), family)


def specialisation(wish):
    """Which instruction suits which region."""
    nested = needed(wish, "roi_nested")
    several = nested[nested.instruction != ""].groupby("model").instruction.nunique()
    models = frames.in_order(several[several > 1].index, wish.store.models())
    model = wish.one("model", models, what="model with several instructions")
    frame = frames.specialisation(nested, model, wish.known)
    about = words.of_specialisation(wish.store, frame, model)
    query = queries.specialisation(nested, model, wish.known)
    return matrix(frame, "r minus the mean", about, "specialisation", wish.made, query)


def coverage(wish):
    """What the store covers."""
    found = wish.store.coverage()
    if found.empty:
        raise ValueError("the store has no scores yet; run `brainalign publish STUDY.toml`")
    cells = frames.covered(found, wish.known, wish.store.models())
    asked = wish.known.sort_instructions(cells.instruction)
    return draw_coverage(cells, asked, words.of_coverage(wish.store, cells), wish.made, queries.coverage())


def needed(wish, table):
    """Rows of a table that this figure cannot be without."""
    rows = wish.store.rows(table)
    if rows.empty:
        raise ValueError(f"the store has no rows in {table}, which this figure shows; publish the study again")
    return rows
