"""What feature spaces explain together and apart."""

import numpy as np

from brainalign import arrays


def partition(r2_a, r2_b, r2_ab):
    """Shared and unique variance of two feature spaces; signed, in the unit of R2, never clipped.

    r2_a, r2_b : (n_units,) R2 on the test images of each space alone
    r2_ab : (n_units,) R2 of the banded joint model on the same images
    Returns shared = r2_a + r2_b - r2_ab, unique_a = r2_ab - r2_b, unique_b = r2_ab - r2_a. Regions may be
    negative: noise makes small ones, suppression between the spaces larger ones.
    """
    r2_a, r2_b, r2_ab = arrays.alike(r2_a=r2_a, r2_b=r2_b, r2_ab=r2_ab)
    return {"shared": r2_a + r2_b - r2_ab, "unique_a": r2_ab - r2_b, "unique_b": r2_ab - r2_a}


def partition_three(r2):
    """The seven regions of three feature spaces a, b, c, by inclusion and exclusion; signed, never clipped.

    r2 : {"a", "b", "c", "ab", "ac", "bc", "abc"} -> (n_units,) R2 of each set of spaces on the same test images
    Returns unique_a ..., shared_ab (by a and b but not c) ..., and shared_abc; they add up to r2["abc"].
    """
    names = ("a", "b", "c", "ab", "ac", "bc", "abc")
    if missing := [name for name in names if name not in r2]:
        raise ValueError(f"R2 of {', '.join(missing)} is missing; a partition of three needs {', '.join(names)}")
    a, b, c, ab, ac, bc, abc = arrays.alike(**{name: r2[name] for name in names})
    return {
        "unique_a": abc - bc,
        "unique_b": abc - ac,
        "unique_c": abc - ab,
        "shared_ab": ac + bc - c - abc,
        "shared_ac": ab + bc - b - abc,
        "shared_bc": ab + ac - a - abc,
        "shared_abc": a + b + c - ab - ac - bc + abc,
    }


def known_weights(r2, cost):
    """R2 that a model would have if its weights were known, not estimated from a finite number of images.

    r2 : (..., n) R2 on the test images, means over regions or draws of them
    cost : encoding.costs.Cost of (n,), in the unit of R2: the mean over the same units
    Returns (without_noise, known), both (..., n). The first adds to R2 only what the noise of the training responses
    costs, and misses what shrinkage takes from the predictions and what the choice of penalties costs. The second adds
    these too, shrinkage in proportion to the signal that the test images show: what `cost` has it, times the R2 found
    over the R2 that `cost` implies, from 0 to 2. So a model that predicts nothing gains nothing by it.
    """
    without_noise = r2 + cost.variance
    expected = cost.signal - cost.bias
    share = np.where(expected > 0, without_noise / np.where(expected > 0, expected, 1), 0).clip(0, 2)
    return without_noise, without_noise + share * cost.bias + cost.choice


def product_measure(y, split):
    """R2 of a joint model as a sum over its spaces, himalaya's way: name -> (n_units,), signed.

    y : (n_images, n_units); split : name -> (n_images, n_units) each space's part of the predictions. It is another
    quantity than unique variance: what two spaces share is divided between them.
    """
    from himalaya.backend import set_backend
    from himalaya.scoring import r2_score_split

    set_backend("numpy")
    y, *parts = arrays.alike(y=y, **split)
    mean = y.mean(0)  # himalaya asks for responses of mean 0: taken from the predictions in equal parts too
    return dict(zip(split, r2_score_split(y - mean, np.stack(parts) - mean / len(parts))))


def summarise(parts, units):
    """Means over a ROI, and for each the fraction of its units below 0.

    parts : name -> (n_units,), as from `partition`; units : the ROI, as mask or positions
    Returns {"n": units counted, name: mean, ..., name + "_negative": fraction, ...}. Units that are NaN in any
    part are left out of all, so that the means of the parts add up as the parts do.
    """
    values = np.stack(arrays.alike(**parts)).astype(np.float64)[:, units]
    values = values[:, np.isfinite(values).all(0)]
    n = values.shape[1]
    means = values.mean(1) if n else np.full(len(parts), np.nan)
    negative = (values < 0).mean(1) if n else np.full(len(parts), np.nan)
    return (
        {"n": n}
        | dict(zip(parts, means.tolist()))
        | {f"{name}_negative": f for name, f in zip(parts, negative.tolist())}
    )
