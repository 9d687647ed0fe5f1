"""What the tables of a store have in common: labels of long columns, rounding, regions and their means."""

import numpy as np
import pyarrow as pa

from brainalign.jobs import nested

DECIMALS = 4  # of scores in the store, which DuckDB then packs tightly; result files keep all
CEILING = ("nc_mean", "r_ceiling", "r_ceiling_low", "r_ceiling_high")


def rounded(values, decimals=DECIMALS):
    """Scores as the store holds them."""
    return np.round(values.astype(np.float64), decimals).astype(np.float32)


def rounded_means(frame):
    """A frame whose numbers with a fraction are as the store holds scores; nc_mean is in percent."""
    digits = {name: DECIMALS - 2 * (name == "nc_mean") for name in frame.select_dtypes("floating")}
    return frame.assign(**{name: rounded(frame[name], n) for name, n in digits.items()})


def labelled(columns, names, **labels):
    """An Arrow table of columns, those of `names` rounded, and of labels that hold one value in all rows."""
    n = len(columns["unit"])
    same = {name: pa.repeat(pa.scalar(value), n) for name, value in labels.items()}
    return pa.table(same | columns | {name: rounded(columns[name]) for name in names})


def regions(person):
    """(name, units before masking, reliable units) of every ROI that a subject has, and of the groups of them."""
    found = nested.regions(dict(zip(person["rois"].tolist(), person["inside"])))
    return {name: (int(mask.sum()), np.flatnonzero(mask & person["reliable"])) for name, mask in found.items()}


def areas(person):
    """As `regions`, without the groups."""
    return {name: found for name, found in regions(person).items() if name not in nested.GROUPS}


def ceilings(person):
    """region -> what a perfect model would reach on average over its reliable units, as columns of a table: nc_mean in
    percent of variance, r_ceiling with the ends of its 95 % interval."""
    columns = {name: person[name].tolist() for name in CEILING}
    return {roi: {name: columns[name][k] for name in CEILING} for k, roi in enumerate(person["regions"].tolist())}


def mean(values, how=np.mean):
    """Over the units that have a value; NaN where none has."""
    values = values[np.isfinite(values)]
    return float(how(values)) if len(values) else np.nan
