"""The layer to report, chosen by what the training images alone can say."""

from dataclasses import fields

import numpy as np

from brainalign import arrays
from brainalign.encoding.results import Fit


def best_layer(cv, per_unit=False):
    """Position of the layer that predicts left-out training images best; the test images have no say.

    cv : (n_layers, n_units) cross-validated R2 of each layer's Fit
    Returns an int, the best mean over the units that every layer has; or with `per_unit` an (n_units,) array,
    -1 where a unit has no score.
    """
    cv = arrays.numbers(cv, "cv of the layers", 2)
    scored = ~np.isnan(cv).any(0)
    if per_unit:
        return np.where(scored, np.where(scored, cv, 0).argmax(0), -1)
    if not scored.any():
        raise ValueError(f"no unit has a cross-validated score in all {len(cv)} layers: nothing to choose by")
    return int(cv[:, scored].mean(1).argmax())


def nested(fits, per_unit=True):
    """The Fit of the chosen layer, for each unit its own or one for all, and the layer: Fit, (n_units,) or int.

    fits : one Fit a layer. The choice is made inside the training folds, so the test scores stay unbiased by it.
    """
    layer = best_layer([fit.cv for fit in fits], per_unit)
    if not per_unit:
        return fits[layer], layer
    chosen = {}
    for name in (field.name for field in fields(Fit) if field.name not in ("warnings", "cost", "yhat")):
        values = np.take_along_axis(np.stack([getattr(fit, name) for fit in fits]), np.maximum(layer, 0)[None], 0)[0]
        chosen[name] = np.where(layer >= 0, values, np.nan)
    return Fit(**chosen, warnings=tuple(dict.fromkeys(text for fit in fits for text in fit.warnings))), layer
