"""From a store's ROI tables to the rows that the figures draw."""

import numpy as np

from brainalign.tables import instructions, rois

QUANTITIES = {"r_mean": "r", "r2_mean": "R²", "r_norm_mean": "r / ceiling"}
POOLINGS = {
    "mean_generated": "the answer's words (mean)",
    "last_prompt": "the last word before the answer",
    "mean_instruction": "the instruction's words (mean)",
    "mean_image": "the picture's patches (mean)",
    "mean_patches": "the picture's patches (mean)",
}
WHOLE = "visual cortex (nsdgeneral)"


def in_order(names, table):
    """Names in a table's order, unknown ones last."""
    order = {name: k for k, name in enumerate(table)}
    return sorted(set(names), key=lambda name: (order.get(name, len(order)), str(name)))


def one_per_family(ids):
    """The first instruction of each family, in the table's order."""
    known = instructions()
    return list({known[id].family if id in known else id: id for id in reversed(list(ids))}.values())[::-1]


def families(names):
    """ROI families of these regions, in the table's order."""
    known = rois()
    return list(dict.fromkeys(known[name].family if name in known else "other" for name in in_order(names, known)))


def in_families(scores, chosen):
    """Rows whose ROI belongs to one of the families."""
    family = {name: roi.family for name, roi in rois().items()}
    return scores[scores.roi.map(family).fillna("other").isin(chosen)]


def pooled(scores, pooling):
    """Rows with this pooling; a model that lacks it keeps the first it has, in the order of POOLINGS."""
    kept = {}
    for model, found in scores.groupby("model").pooling.unique().items():
        kept[model] = pooling if pooling in found else in_order(found, POOLINGS)[0]
    return scores[scores.pooling == scores.model.map(kept)]


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


def ceiling(nc, quantity):
    """The highest value a perfect model could reach, from the noise ceiling in percent of variance."""
    share = nc / 100
    return {"r_mean": np.sqrt(share), "r2_mean": share, "r_norm_mean": share * 0 + 1}[quantity]


def roi_frame(scores, quantity, group):
    """Rows for `roi_bars`: subject, roi, group, value, ceiling, n, n_all, layer."""
    frame = scores[["subject", "roi", "n", "n_all", "layer"]].copy()
    frame["group"], frame["value"] = scores[group], scores[quantity]
    frame["ceiling"] = ceiling(scores.nc_mean, quantity)
    return frame.reset_index(drop=True)
