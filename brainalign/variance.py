"""What two feature spaces explain together and apart."""

import numpy as np


def partition(r2_a, r2_b, r2_ab):
    """Shared and unique variance of two feature spaces; signed, in the unit of R2, never clipped.

    r2_a, r2_b : (n_units,) R2 on the test images of each space alone
    r2_ab : (n_units,) R2 of the banded joint model on the same images
    Returns shared = r2_a + r2_b - r2_ab, unique_a = r2_ab - r2_b, unique_b = r2_ab - r2_a. Regions may be
    negative: noise makes small ones, suppression between the spaces larger ones.
    """
    return {"shared": r2_a + r2_b - r2_ab, "unique_a": r2_ab - r2_b, "unique_b": r2_ab - r2_a}


def summarise(parts, units):
    """Means over a ROI, and for each the fraction of its units below 0.

    parts : name -> (n_units,), as from `partition`; units : the ROI, as mask or positions
    Returns {"n": units counted, name: mean, ..., name + "_negative": fraction, ...}. Units that are NaN in any
    part are left out of all, so that the means of the parts add up as the parts do.
    """
    values = np.stack([np.asarray(part, np.float64)[units] for part in parts.values()])
    values = values[:, np.isfinite(values).all(0)]
    n = values.shape[1]
    means = values.mean(1) if n else np.full(len(parts), np.nan)
    negative = (values < 0).mean(1) if n else np.full(len(parts), np.nan)
    return (
        {"n": n}
        | dict(zip(parts, means.tolist()))
        | {f"{name}_negative": f for name, f in zip(parts, negative.tolist())}
    )
