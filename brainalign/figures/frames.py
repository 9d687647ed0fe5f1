"""From a store's ROI tables to the rows that the figures draw."""

import numpy as np
import pandas as pd

from brainalign import stats
from brainalign.catalogue import in_order
from brainalign.figures.numerals import said

QUANTITIES = {"r_mean": "r", "r2_mean": "R²", "r_norm_mean": "r / ceiling"}
POOLINGS = {
    "mean_generated": "the answer's words (mean)",
    "last_prompt": "the last word before the answer",
    "mean_instruction": "the words of the instruction or of the text that is read (mean)",
    "mean_image": "the picture's patches (mean)",
    "mean_patches": "the picture's patches (mean)",
    "pair": "the embeddings of picture and text together",
    "vision_mean": "the vision tower's patches (mean)",
    "vision_cls": "the vision tower's class token",
    "connector_mean": "the connector's tokens (mean)",
    "mean_prompt": "the whole prompt with the picture (mean)",
    "vision_all": "all tokens of the vision tower (mean)",
    "connector_all": "all tokens of the connector (mean)",
    "cls": "the class token",
    "joint": "the embedding in the space that pictures and texts share",
    "pixels": "the picture's pixels",
}
FIRST_POOLING = next(iter(POOLINGS))
SCORES = ("r", "r_norm", "r2")
MAP = ("model", "instruction", "pooling")  # what names a map of a subject
# rows of `roi_nested` for a level's areas together
GROUPS = {
    "early": "early visual areas",
    "high": "high-level visual areas",
    "language": "language and semantic areas",
}
LEVEL = 0.05  # of q
DRAWS = 100  # in which no map is better, by which it is known how often winners agree by chance
# R² of pairs of instructions as sums of the parts of variance
SUMS = {part: (part,) for part in ("shared", "unique_a", "unique_b")}
SUMS |= {"r2_a": ("shared", "unique_a"), "r2_b": ("shared", "unique_b"), "r2_ab": ("shared", "unique_a", "unique_b")}
WHOLE = "visual cortex (nsdgeneral)"


def places(rows, known):
    """Levels of areas, then regions, that rows of `roi_nested` have: as a page offers them; known : a Catalogue."""
    present = set(rows.roi)
    return [*(name for name in GROUPS if name in present), *known.sort_regions(present - set(GROUPS))]


def p_of_draws(p):
    """A p of `winner_reliability` in words; the lowest that so many draws can give is said to be that."""
    return f"p ≤ 1/{1 + DRAWS}" if p < 1.5 / (1 + DRAWS) else f"p = {p:.2f}"


def in_families(scores, chosen, known):
    """Rows whose ROI belongs to one of the families; known : a Catalogue."""
    return scores[scores.roi.map(known.family).isin(chosen)]


def pooled(scores, pooling):
    """Rows with this pooling; a model that lacks it keeps the first it has, in the order of POOLINGS."""
    kept = {}
    for model, found in scores.groupby("model").pooling.unique().items():
        kept[model] = pooling if pooling in found else in_order(found, POOLINGS)[0]
    return scores[scores.pooling == scores.model.map(kept)]


def pooling_name(pooling):
    """A pooling in words."""
    return POOLINGS.get(pooling, pooling)


def under(scores, instruction):
    """Rows of every model under one instruction; of a model that takes none, those it has."""
    takes = set(scores[scores.instruction != ""].model)
    return scores[(scores.instruction == instruction) | ((scores.instruction == "") & ~scores.model.isin(takes))]


def of_two_maps(contrasts):
    """Rows of `roi_contrasts` or `rsa_contrasts` that are not of two regions within one map."""
    return contrasts[(contrasts[[f"{n}_a" for n in MAP]].to_numpy() != contrasts[[f"{n}_b" for n in MAP]]).any(axis=1)]


def contrasts_of(contrasts, shown):
    """Rows of `roi_contrasts` between two of the maps that are shown."""
    maps = pd.MultiIndex.from_frame(shown[list(MAP)].drop_duplicates())
    sides = [contrasts[[f"{name}_{side}" for name in MAP]] for side in "ab"]
    found = [pd.MultiIndex.from_frame(side).isin(maps) for side in sides]
    return contrasts[found[0] & found[1] & (sides[0].to_numpy() != sides[1].to_numpy()).any(axis=1)]


def of_subject(rows, subject, everyone):
    """Rows of one subject, or of all."""
    return rows if subject == everyone else rows[rows.subject == subject]


def apart(rows, by, value, names):
    """For `signed_bars`: one row a subject; for each of `names` in the column `by` its value and interval, and where
    its floor is known the value less it, with the value itself as `<name>_raw`, and p."""
    wide = {name: rows[rows[by] == name].set_index("subject") for name in names}
    ends = {"": value, "_low": "low", "_high": "high"}
    found = {f"{name}{end}": own[column] for name, own in wide.items() for end, column in ends.items()}
    if floored(rows):
        found |= {f"{name}_p": own.p for name, own in wide.items()}
        found |= {f"{name}_raw": own[value] for name, own in wide.items()}
        found |= {name: own[value] - own.floor for name, own in wide.items()}
    return pd.DataFrame(found).rename_axis("subject").reset_index()


def stacked(wide, names, by):
    """What `apart` made, one row a subject and name: subject, `by`, value, low, high, and raw and p where known."""
    kept = [end for end in ("", "_low", "_high", "_raw", "_p") if all(f"{name}{end}" in wide for name in names)]
    columns = [end.removeprefix("_") or "value" for end in kept]
    parts = [
        wide[["subject", *(f"{name}{end}" for end in kept)]]
        .set_axis(["subject", *columns], axis=1)
        .assign(**{by: name})
        for name in names
    ]
    found = pd.concat(parts, ignore_index=True)
    return found[["subject", by, *columns]].dropna(subset=["value", "low", "high"], how="all")


def floored(rows):
    """Whether the floors of parts of variance are known; stores of an earlier version have none."""
    return any(name in rows and rows[name].notna().any() for name in ("floor", "shared_floor"))


def less_floor(pairs):
    """Rows of `roi_variance` with each part less its floor, and the part itself as `<part>_raw`.

    R² of one and of both together are sums of parts, and so are their floors. Where no floor is known: as they are.
    """
    if not floored(pairs):
        return pairs
    floors = {name: sum(pairs[f"{part}_floor"] for part in parts) for name, parts in SUMS.items()}
    raw = {f"{name}_raw": pairs[name] for name in floors}
    return pairs.assign(**raw, **{name: pairs[name] - floor for name, floor in floors.items()})


def claimed(frame, names):
    """Which parts lie above 0 and which below in every subject: two lists of `names`; none where nothing was tested.

    frame : as for `signed_bars`; q by Benjamini-Hochberg over the names, subject by subject
    """
    p = frame.reindex(columns=[f"{name}_p" for name in names]).to_numpy(float)
    sure = np.array([stats.fdr(row) for row in p]) < LEVEL
    values = frame[list(names)].to_numpy(float)
    sides = [(sure & beyond).all(0) for beyond in (values > 0, values < 0)]
    return tuple([name for name, found in zip(names, side) if found] for side in sides)


def grid(rows, by, value, known):
    """Means over subjects: instructions (the column `by`) by regions, both in the order of `known`, a Catalogue."""
    found = rows.groupby([by, "roi"])[value].mean().unstack("roi")
    return found.loc[known.sort_instructions(found.index), known.sort_regions(found.columns)]


def square(rows, part, known):
    """Means over subjects of one part for every two instructions, the first down and the second across.

    rows : of roi_variance in one region; known : a Catalogue. Where the part is what is shared, R² of each alone
    stands on the diagonal.
    """
    found = rows.groupby(["a", "b"])[part].mean().unstack("b")
    ids = known.sort_instructions(found.index.union(found.columns))
    found = found.reindex(index=ids, columns=ids)
    if part == "shared":
        for id, alone in rows.groupby("a").r2_a.mean().items():
            found.loc[id, id] = alone
    return found


def ends(grid):
    """`highest IC in FFA 0.120, lowest SR in V1 −0.030`: the ends of a matrix in words, "" where it is empty."""
    cells = grid.stack().dropna().sort_values()
    told = {"highest": cells.tail(1), "lowest": cells.head(1)}
    return ", ".join(f"{end} {row} in {roi} {said(v)}" for end, one in told.items() for (row, roi), v in one.items())


def specialisation(nested, model, known):
    """Instructions by areas: a model's r less the mean of all its instructions there, means over subjects."""
    found = grid(instructed(nested[nested.model == model], known), "instruction", "r", known)
    return found - found.mean()


def instructed(nested, known):
    """Rows of `roi_nested` of areas, with an instruction, of one pooling a model; known : a Catalogue."""
    rows = pooled(nested[nested.instruction != ""], FIRST_POOLING)
    return rows[rows.roi.map(known.is_area).astype(bool)]


def covered(coverage, known, order=()):
    """What a store covers: one row a model and instruction, models in this order, those without instruction last.

    known : a Catalogue; coverage : columns subject, model, instruction, maps. Columns model, instruction, maps of a
    subject, subjects, and `said`, which tells how many subjects have them where not all do
    """
    everyone = coverage.subject.nunique()
    maps = coverage.groupby(["model", "instruction"]).agg(maps=("maps", "max"), subjects=("subject", "nunique"))
    some = [f" ({n} of {everyone})" * (n < everyone) for n in maps.subjects]
    maps["said"] = maps.maps.astype(str) + some
    models = [name for name in order if name in set(coverage.model)] or sorted(set(coverage.model))
    cells = [(model, id) for model in models for id in known.sort_instructions(coverage.instruction)]
    return maps.loc[[cell for cell in cells if cell in maps.index]].reset_index()


def parts_of_three(three):
    """The seven parts of three instructions, those of one first: part -> who shares it."""
    a, b, c = three
    return {
        "unique_a": (a,),
        "unique_b": (b,),
        "unique_c": (c,),
        "shared_ab": (a, b),
        "shared_ac": (a, c),
        "shared_bc": (b, c),
        "shared_abc": (a, b, c),
    }


def entered(rows):
    """The layer at which each instruction enters partitions of variance: columns subject, instruction, layer.

    rows : of the store's tables of parts; in stores of an earlier version all enter at one `layer`
    """
    if "instruction" in rows:
        return rows[["subject", "instruction", "layer"]].drop_duplicates()
    at = {side: f"layer_{side}" if f"layer_{side}" in rows else "layer" for side in "abc" if side in rows}
    columns = ["subject", "instruction", "layer"]
    each = [rows[["subject", side, layer]].set_axis(columns, axis=1) for side, layer in at.items()]
    return pd.concat(each, ignore_index=True).drop_duplicates()


def elsewhere(pairs):
    """Whether pairs have their parts at other layers too (`<part>_at_a`, `<part>_at_b`), which are not their own."""
    known = "shared_at_a" in pairs and pairs.shared_at_a.notna().any()
    return bool(known and (pairs.layer_a != pairs.layer_b).any())


def sides(differences):
    """What `differences` returns, each row as one map minus another: subject, model, instruction, pooling, the same
    with `minus_`, roi, difference, low, high, p, q."""
    turned, found = differences.model_a == differences.other, {"subject": differences.subject}
    for minus, (one, other) in {"": "ab", "minus_": "ba"}.items():
        for name in MAP:
            found[f"{minus}{name}"] = differences[f"{name}_{one}"].where(~turned, differences[f"{name}_{other}"])
    kept = ("roi", "difference", "low", "high", "p", "q")
    return pd.DataFrame(found | {name: differences[name] for name in kept if name in differences})


def both_ways(contrasts):
    """Contrasts as they are and turned round, so that each is found from either of its maps."""
    names = {f"{name}_{x}": f"{name}_{y}" for name in MAP for x, y in ("ab", "ba")}
    turned = contrasts.rename(columns=names)
    ends = {"difference": -contrasts.difference, "low": -contrasts.high, "high": -contrasts.low}
    return pd.concat([contrasts, turned.assign(**ends)], ignore_index=True)


def between(contrasts, one, other):
    """Rows of `roi_contrasts` of one map (model, instruction, pooling) minus another, signed so; none of a map minus
    itself, since tests within one map are of two regions."""
    names = [f"{name}_{side}" for side in "ab" for name in MAP]
    found = both_ways(contrasts)
    return found[(found[names] == [*one, *other]).all(axis=1) & (tuple(one) != tuple(other))]


def from_side(contrasts, side, name):
    """Contrasts that have `name` on one side, turned so that it is what the other is subtracted from.

    Adds the column `other`; difference, low and high change their sign where `name` was subtracted.
    """
    a, b = contrasts[f"{side}_a"], contrasts[f"{side}_b"]
    found = contrasts[(a == name) != (b == name)]
    first = found[f"{side}_a"] == name
    sign = np.where(first, 1, -1)
    low, high = np.where(first, found.low, -found.high), np.where(first, found.high, -found.low)
    other = found[f"{side}_b"].where(first, found[f"{side}_a"])
    return found.assign(other=other, difference=sign * found.difference, low=low, high=high)


def differences(contrasts, shown, model, roi):
    """One model minus each other in a region, for `forest`: the one it exceeds most first, then by subject."""
    found = contrasts_of(contrasts, shown)
    found = from_side(found[found.roi == roi], "model", model)
    mean = found.groupby("other").difference.transform("mean")
    found = found.assign(name="minus " + found.other, mean=mean)
    return found.sort_values(["mean", "other", "subject"], ascending=[False, True, True]).drop(columns="mean")


def at_layer(scores, layer, quantity):
    """Rows at one layer, or at the "best" one.

    Best is chosen for each subject, model, instruction and ROI as the layer with the highest mean score over the
    *other* subjects, so that a subject's own noise has no say; with one subject it is that subject's own maximum.
    """
    if layer != "best":
        return scores[scores.layer == int(layer)]
    cell = scores.groupby(["model", "instruction", "pooling", "roi", "layer"])[quantity]
    known = scores[quantity].notna()
    others = cell.transform("count") - known
    mean = (cell.transform("sum") - scores[quantity].fillna(0)) / others.where(others > 0)
    rank = mean.fillna(scores[quantity]).fillna(-np.inf)
    best = rank.groupby([scores[key] for key in ("subject", "model", "instruction", "pooling", "roi")]).idxmax()
    return scores.loc[best.sort_values()]


def at_chosen(rows):
    """Rows of the store's `roi_nested`, named as those of `roi_scores`: each unit at the layer its training images
    choose, with the ends of the 95 % interval as `<quantity>_low` and `<quantity>_high`.
    """
    ends = ("", "_low", "_high")
    return rows[~rows.roi.isin(GROUPS)].rename(columns={f"{s}{e}": f"{s}_mean{e}" for s in SCORES for e in ends})


def marks(contrasts, side, reference, groups):
    """How each group's mean compares with the reference's in each region: (roi, group) -> a mark.

    contrasts : rows of the store's `roi_contrasts`; side : "instruction" or "model", what the groups are
    A full triangle, up or down: the difference has this sign and q below 0.05 in every subject; a hollow one: in at
    least half of them, and in none with the other sign.
    """
    found = from_side(contrasts, side, reference).rename(columns={"other": "group"})
    found["better"] = -found.difference
    sure = found.q < LEVEL
    found = found.assign(up=sure & (found.better > 0), down=sure & (found.better < 0))
    share = found[found.group.isin(groups)].groupby(["roi", "group"])[["up", "down"]].mean()
    return {key: mark for key, mark in zip(share.index, map(_mark, share.up, share.down)) if mark}


def _mark(up, down):
    if up and down:
        return ""
    full, half = ("▲", "△") if up else ("▼", "▽")
    return full if up + down == 1 else half if up + down >= 0.5 else ""


def ceiling(scores, quantity):
    """The mean that a perfect model would reach over each region's units, from rows with r_ceiling and nc_mean."""
    share = scores.nc_mean / 100
    return {"r_mean": scores.r_ceiling, "r2_mean": share, "r_norm_mean": share * 0 + 1}[quantity]


def roi_frame(scores, quantity, group):
    """Rows for `roi_bars`: subject, roi, group, value, low, high, ceiling, n, n_all, layer; low and high are NaN
    where no interval is known. Of r also ceiling_low and ceiling_high, in stores that know them."""
    frame = scores[["subject", "roi", "n", "n_all", "layer"]].copy()
    frame["group"], frame["value"] = scores[group], scores[quantity]
    for end in ("low", "high"):
        frame[end] = scores.get(f"{quantity}_{end}", np.nan)
    frame["ceiling"] = ceiling(scores, quantity)
    if quantity == "r_mean" and "r_ceiling_low" in scores:
        frame["ceiling_low"], frame["ceiling_high"] = scores.r_ceiling_low, scores.r_ceiling_high
    return frame.reset_index(drop=True)
