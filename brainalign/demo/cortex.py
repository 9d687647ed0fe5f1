"""How the simulated cortex answers a scene, and the noise around it.

Each unit's response is a weighted sum of the scene's features, with weights that follow from the unit's region;
the truth written beside the data holds these weights. A trial adds noise, and each session its own gain, offset
and drift.
"""

from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from functools import cache

import numpy as np
from threadpoolctl import threadpool_limits

from brainalign.demo.atlas import TABLES, atlas
from brainalign.demo.content import CHANNELS, CONTENTS, FEATURES, FIELD, GRID, features
from brainalign.demo.geometry import N_VERTICES
from brainalign.demo.noise import noise_sd

PLANTED = {  # region -> what it answers to, in sd of the feature; "place:*" shares random weights over a group
    "OFA": {"count:people": 0.8, "count:animal": 0.8, "nearest:people": 0.3},
    "FFA": {"count:people": 1.0, "count:animal": 0.5, "nearest:people": 0.4},
    "EBA": {"count:people": 1.0, "count:animal": 0.7, "count:sport": 0.3},
    "FBA": {"count:people": 0.8, "count:animal": 0.9},
    "PPA": {"outdoor": 0.5, "count:building": 0.8, "count:furniture": 0.4, "place:*": 0.5},
    "OPA": {"outdoor": 0.6, "count:building": 0.6, "layout:horizon": 0.4, "place:*": 0.4},
    "RSC": {"outdoor": 0.9, "natural": 0.5, "count:building": 0.4, "place:*": 0.4},
    "OWFA": {"count:sign": 1.0, "count:vehicle": 0.3},
    "VWFA": {"count:sign": 1.0, "count:building": 0.2},
    "food": {"count:food": 1.0, "count:plant": 0.2},
    "IPS": {"count:objects": 1.0, "count:kinds": 0.4, "layout:spread": 0.4},
    "LOC": {"count:*": 0.5, "nearest:*": 0.3, "layout:area": 0.6, "thing:*": 0.1},
    "ATL": {"*": 1.0},
    "IFG": {"*": 1.0},
    "visual cortex": {"count:*": 0.5, "place:*": 0.4, "colour:*": 0.3, "layout:*": 0.3, "retina": 0.5},
    "V1": {"retina": 1.0},
    "V2": {"retina": 1.0},
    "V3": {"retina": 1.0, "layout:*": 0.1},
    "hV4": {"retina": 0.8, "colour:*": 0.6},
}
REGIONS = tuple(PLANTED)
NOISE_CEILING = {"ATL": 0.08, "IFG": 0.07, "V1": 0.42, "V2": 0.40, "V3": 0.37, "hV4": 0.33}  # median, three trials
TYPICAL, SPREAD = 0.31, 0.45  # median elsewhere; sd of log ncsnr


PLACES = (  # region, collection and labels (None: all) where it is planted; later rows win
    ("visual cortex", "nsdgeneral", None),
    ("LOC", "streams", ("midlateral",)),
    ("IPS", "streams", ("midparietal", "parietal")),
    ("LOC", "HCP_MMP1", ("LO1", "LO2", "LO3", "PIT")),
    ("EBA", "floc-bodies", ("EBA",)),
    ("OPA", "floc-places", ("OPA",)),
    ("PPA", "floc-places", ("PPA",)),
    ("RSC", "floc-places", ("RSC",)),
    ("food", "food", None),
    ("OWFA", "floc-words", ("OWFA",)),
    ("VWFA", "floc-words", ("VWFA-1", "VWFA-2")),
    ("FBA", "floc-bodies", ("FBA-1", "FBA-2")),
    ("OFA", "floc-faces", ("OFA",)),
    ("FFA", "floc-faces", ("FFA-1", "FFA-2")),
    ("V1", "prf-visualrois", ("V1v", "V1d")),
    ("V2", "prf-visualrois", ("V2v", "V2d")),
    ("V3", "prf-visualrois", ("V3v", "V3d")),
    ("hV4", "prf-visualrois", ("hV4",)),
    ("ATL", "HCP_MMP1", ("TGd", "TGv", "TE1a", "TE2a", "TE1m")),
    ("IFG", "HCP_MMP1", ("44", "45", "47l", "IFJa", "IFJp", "IFSp", "IFSa", "p47r", "a47r")),
)


@dataclass(frozen=True)
class Truth:
    """What was planted in one subject; signals are in percent signal change.

    features : (n_features,) names; mean : (n_features,) subtracted before weighting
    weights : (n_features, n_units) so that the signal is (features - mean) @ weights
    places : (n_units,) C-order index of the voxel in the (X, Y, Z) volume, ascending
    vertices : (n_units,) vertex of fsaverage5 (0..20483) from which region and pRF come
    regions : (n_units,) names of `PLANTED`
    signal_variance, ncsnr : (n_units,) over the pictures shown; sd of signal over sd of the noise of one trial
    angle, eccentricity, size : (n_units,) pRF in degrees, NaN outside V1-hV4
    """

    features: np.ndarray
    mean: np.ndarray
    weights: np.ndarray
    places: np.ndarray
    vertices: np.ndarray
    regions: np.ndarray
    signal_variance: np.ndarray
    ncsnr: np.ndarray
    angle: np.ndarray
    eccentricity: np.ndarray
    size: np.ndarray

    @property
    def noise_sd(self):
        """(n_units,) percent signal change, of a single trial."""
        return np.sqrt(self.signal_variance) / self.ncsnr

    def arrays(self):
        return {field.name: getattr(self, field.name) for field in fields(self)}


def load_truth(path):
    """The truth that `write_root` left beside the data."""
    with np.load(path) as file:
        return Truth(**{name: file[name] for name in file.files})


def signal(truth, scenes):
    """Noiseless responses (n_scenes, n_units) in percent signal change; `scenes` also may be one scene."""
    scenes = scenes if isinstance(scenes, (list, tuple)) else [scenes]
    return responses(truth, np.stack([features(scene) for scene in scenes]))


def responses(truth, values):
    """Noiseless responses (n_images, n_units) to features (n_images, n_features)."""
    return _weighted(values - truth.mean, truth.weights)


@cache
def vertex_regions():
    """(20484,) position in `REGIONS` of each vertex of fsaverage5; -1 where nothing is planted."""
    planted = np.full(2 * N_VERTICES, -1)
    for region, collection, labels in PLACES:
        values = atlas()[collection]
        wanted = values > 0 if labels is None else np.isin(values, [TABLES[collection].index(x) + 1 for x in labels])
        planted[wanted] = REGIONS.index(region)
    return planted


def plant(places, vertices, values, repeats, rng):
    """The Truth of one subject's units.

    places, vertices : (n_units,) as in `Truth`. values : (n_images, n_features) of the pictures shown, repeats :
    (n_images,) how often each was.
    """
    regions = vertex_regions()[vertices]
    prf = {name: atlas()[name][vertices] for name in ("angle", "eccentricity", "size")}
    mean = np.average(values.astype("f8"), axis=0, weights=repeats)
    centred = values - mean
    sd = np.sqrt(np.average(centred**2, axis=0, weights=repeats))
    scale = np.divide(1, sd, out=np.zeros_like(sd), where=sd > 1e-6)[:, None]  # weights are per sd of a feature
    seen = _retina_weights(**prf, rng=rng) * scale[len(CONTENTS) :]
    seen *= _region_values("retina", regions) / _sd(centred[:, len(CONTENTS) :], seen, repeats)
    weights = np.concatenate([_content_weights(regions, rng) * scale[: len(CONTENTS)], seen])
    ncsnr = _ncsnr(regions, rng)
    noise = noise_sd(len(places), rng)
    weights = (weights * (ncsnr * noise / _sd(centred, weights, repeats))).astype("f4")
    variance = _sd(centred, weights, repeats) ** 2
    names = np.array(REGIONS)[regions]
    return Truth(np.array(FEATURES), mean, weights, places, vertices, names, variance, ncsnr, **prf)


def _region_values(key, regions):
    return np.array([PLANTED[name].get(key, 0) for name in REGIONS])[regions]


def _sd(centred, weights, repeats):
    """(n_units,) sd over trials of the weighted sum of centred features."""
    return np.sqrt(np.average(_weighted(centred, weights) ** 2, axis=0, weights=repeats))


def _ncsnr(regions, rng):
    """(n_units,) a lognormal spread around each region's median."""
    ceiling = np.array([NOISE_CEILING.get(name, TYPICAL) for name in REGIONS])[regions]
    return np.sqrt(ceiling / (1 - ceiling) / 3) * rng.lognormal(0, SPREAD, len(regions))


def _content_weights(regions, rng):
    """(n_contents, n_units) weights on standardised contents: the region's own, each unit's varied a little."""
    weights = np.zeros((len(CONTENTS), len(regions)))
    for number, region in enumerate(REGIONS):
        units = np.flatnonzero(regions == number)
        for pattern, weight in PLANTED[region].items():
            rows = [row for row, name in enumerate(CONTENTS) if fnmatchcase(name, pattern)]
            shape = (len(rows), len(units))
            varied = rng.normal(0, 1, shape) if "*" in pattern else rng.lognormal(0, 0.3, shape)
            weights[np.ix_(rows, units)] += weight * varied / np.sqrt(max(1, len(rows)))
    return weights


def _retina_weights(angle, eccentricity, size, rng):
    """(n_retina, n_units) a Gaussian pRF over the grid, times each unit's own mix of contrast and colours.

    A unit without a pRF gets a large one near the fovea.
    """
    n, none = len(angle), np.isnan(angle)
    angle = np.where(none, rng.uniform(-180, 180, n), angle)
    eccentricity = np.where(none, rng.uniform(0, 2, n), np.minimum(eccentricity, 0.45 * FIELD))
    size = np.where(none, 2.5, size)
    x, y = eccentricity * np.cos(np.radians(angle)), eccentricity * np.sin(np.radians(angle))
    centres = (np.arange(GRID) + 0.5) / GRID * FIELD - FIELD / 2
    across = np.exp(-0.5 * ((centres[:, None] - x) / size) ** 2)  # (12, n)
    down = np.exp(-0.5 * ((-centres[:, None] - y) / size) ** 2)
    mix = np.stack([np.ones(n), *rng.normal(0, 0.4, (len(CHANNELS) - 1, n))])
    return (mix[:, None, None] * down[:, None] * across[None, :]).reshape(-1, n)


def _weighted(values, weights):
    """(n_images, n_features) x (n_features, n_units) in double precision on one thread, so that no bit varies."""
    with threadpool_limits(1):
        return values.astype("f8") @ weights.astype("f8")
