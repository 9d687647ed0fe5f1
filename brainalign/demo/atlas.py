"""Regions on fsaverage5 for the simulated cortex, under the names of NSD's label tables.

V1-V3 and hV4, MT, 44 and 45 follow FreeSurfer's labels; every other region is schematic: a geodesic disc
around the rounded centre of published peaks, good for showing where a region lies and for nothing else. The
pRF maps are synthetic closed forms. `data/fsaverage5_rois.npz` holds the result; to make it again from
FreeSurfer's `subjects/fsaverage/label` folder run

    python -m brainalign.demo.atlas LABELS
"""

import sys
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np

from brainalign.demo.geometry import N_VERTICES, SIDES, geodesic, hemisphere, nearest_vertex
from brainalign.demo.schematic import DISCS
from brainalign.demo.schematic import TABLES as SCHEMATIC
from brainalign.tables import DATA, label_names

FILE = DATA / "fsaverage5_rois.npz"
# NSD's label tables, and those of what is schematic; value 0 is "Unknown", the first name is value 1
TABLES = {c: tuple(names.values())[1:] for c, names in label_names().items()} | SCHEMATIC
PEAKS = {  # collection -> label -> |x|, y, z in mm (MNI305, both hemispheres), radius in mm along cortex
    "floc-faces": {  # after Gauthier 2000, Kanwisher 1997, Weiner 2014, Rajimehr 2009
        "OFA": (40, -80, -12, 9),
        "FFA-1": (40, -62, -18, 8),
        "FFA-2": (41, -48, -20, 8),
        "aTL-faces": (34, -10, -38, 8),
    },
    "floc-bodies": {  # after Downing 2001, Peelen and Downing 2005
        "EBA": (48, -72, 2, 14),
        "FBA-1": (44, -56, -16, 7),
        "FBA-2": (43, -43, -20, 7),
    },
    "floc-places": {  # after Epstein and Kanwisher 1998, Dilks 2013, Epstein 2008
        "OPA": (34, -80, 22, 11),
        "PPA": (27, -45, -9, 11),
        "RSC": (17, -56, 12, 11),
    },
    "floc-words": {"OWFA": (38, -76, -13, 8), "VWFA-1": (44, -60, -13, 8), "VWFA-2": (44, -46, -18, 7)},  # Cohen 2000
    "HCP_MMP1": {
        "LO1": (33, -88, 2, 9),
        "LO2": (41, -84, -2, 9),
        "LO3": (46, -78, 8, 8),
        "PIT": (42, -78, -10, 8),
        "VVC": (30, -52, -12, 8),
        "PHA1": (22, -38, -12, 8),
        "IPS1": (23, -72, 40, 9),
        "LIPv": (27, -60, 52, 9),
        "TGd": (38, 14, -32, 12),
        "TGv": (36, -2, -42, 11),
        "TE1a": (57, -6, -24, 11),
        "TE2a": (53, -14, -34, 11),
        "TE1m": (62, -24, -16, 11),
        "47l": (46, 30, -8, 10),
        "IFJa": (44, 18, 24, 8),
        "IFJp": (42, 7, 31, 8),
        "IFSp": (46, 26, 20, 8),
        "IFSa": (46, 36, 10, 8),
        "p47r": (45, 42, 2, 8),
        "a47r": (40, 50, -6, 9),
    },
    "food": {"food": (32, -58, -13, 9)},  # after Jain 2023
}
STREAMS = {  # discs that fill the streams, in order of precedence
    "midventral": [(30, -78, -12, 9)],
    "midlateral": [(33, -88, 2, 12), (42, -82, -4, 11)],
    "midparietal": [(24, -86, 22, 13), (32, -82, 18, 10)],
    "ventral": [(40, -58, -18, 17), (38, -42, -20, 13), (27, -46, -9, 13)],
    "lateral": [(48, -70, 4, 17), (50, -58, 8, 13)],
    "parietal": [(24, -70, 42, 15), (28, -58, 52, 12)],
}


@cache
def atlas():
    """Read-only mapping of fsaverage5 arrays, each (20484,) with the right hemisphere after the left.

    A collection's name -> int16, the label's value; "food", "cortex" -> bool; "angle" (degrees counter-clockwise
    from the right), "eccentricity", "size" (degrees of visual field) -> float32, NaN outside V1-hV4.
    """
    with np.load(FILE) as file:
        return MappingProxyType({name: file[name] for name in file.files if name != "about"})


def build(labels):
    """The arrays of `atlas()` made from FreeSurfer's folder of fsaverage labels."""
    sides = [_build_side(Path(labels), side) for side in SIDES]
    return {name: np.concatenate([side[name] for side in sides]) for name in sides[0]}


def _build_side(labels, side):
    cortex = _label(labels, side, "cortex")
    maps = {"cortex": cortex} | _visual(labels, side, cortex)
    for collection, peaks in PEAKS.items():
        maps[collection] = _discs(side, peaks, TABLES.get(collection, ("food",))) * cortex
    maps["food"] = maps["food"] > 0
    hcp = maps["HCP_MMP1"]
    for name, label in {"MT": "MT_exvivo.thresh", "44": "BA44_exvivo.thresh", "45": "BA45_exvivo.thresh"}.items():
        hcp[_label(labels, side, label)] = TABLES["HCP_MMP1"].index(name) + 1
    for name, values in {"V1": (1, 2), "V2": (3, 4), "V3": (5, 6), "V4": (7,)}.items():
        hcp[np.isin(maps["prf-visualrois"], values)] = TABLES["HCP_MMP1"].index(name) + 1
    maps["streams"] = _streams(side, maps["prf-visualrois"]) * cortex
    maps |= schematic(side, maps["prf-visualrois"], cortex)
    core = (maps["streams"] > 0) | maps["food"]
    for collection in ("floc-places", "floc-bodies", "floc-words", "floc-faces"):
        core |= (maps[collection] > 0) & (maps[collection] < 5)  # not aTL-faces
    maps["nsdgeneral"] = ((geodesic(side, core) < 2.5) & cortex).astype("i2")
    return {name: values.astype("i2") if values.dtype == int else values for name, values in maps.items()}


def _label(labels, side, name):
    """(10242,) True in one of FreeSurfer's labels; fsaverage5 is the first vertices of fsaverage."""
    vertices = np.loadtxt(labels / f"{side}.{name}.label", skiprows=2, usecols=0).astype(int)
    inside = np.zeros(N_VERTICES, bool)
    inside[vertices[vertices < N_VERTICES]] = True
    return inside


def _discs(side, peaks, names):
    """Label values of geodesic discs; where two overlap a vertex goes to the nearer centre."""
    sign = -1 if side == "lh" else 1
    distance = np.stack([geodesic(side, [nearest_vertex(side, (sign * x, y, z))]) for x, y, z, _ in peaks.values()])
    radius = np.array([peak[3] for peak in peaks.values()])
    values = np.array([names.index(name) + 1 for name in peaks])
    return np.where((distance <= radius[:, None]).any(0), values[(distance / radius[:, None]).argmin(0)], 0)


def schematic(side, visual, cortex):
    """Kastner2015 and corticalsulc of one hemisphere, {collection: (10242,)}.

    visual : (10242,) values of prf-visualrois, which Kastner2015 repeats; cortex : (10242,) bool
    """
    found = {name: _discs(side, discs, TABLES[name]) * cortex for name, discs in DISCS.items()}
    return found | {"Kastner2015": np.where(visual > 0, visual, found["Kastner2015"])}


def _streams(side, visual):
    values = np.where((visual > 0) & (visual < 7), 1, 0)
    values[visual == 7] = 2
    for name, discs in STREAMS.items():
        inside = _discs(side, dict(enumerate(discs)), list(range(len(discs)))) > 0
        values[inside & (values == 0)] = TABLES["streams"].index(name) + 1
    return values


def _visual(labels, side, cortex):
    """V1-hV4 with the dorsal third area grown beside V2, and their synthetic pRF."""
    v1, v2, v3v, hv4 = (_label(labels, side, f"hOc{name}.mpm.vpnl") for name in ("1", "2", "3v", "4v"))
    v3v, hv4 = v3v & ~v2 & ~v1, hv4 & ~v3v & ~v2 & ~v1
    v2 &= ~v1
    dorsal = _dorsal(side, v1)
    v3d = (geodesic(side, v2 & dorsal) < 9) & cortex & dorsal & ~(v1 | v2 | v3v | hv4)
    v3d &= hemisphere(side).depth(0.5)[:, 1] < -70
    visual = np.zeros(N_VERTICES, int)
    for value, inside in enumerate((v1 & ~dorsal, v1 & dorsal, v2 & ~dorsal, v2 & dorsal, v3v, v3d, hv4), 1):
        visual[inside] = value
    eccentricity, angle = _eccentricity(side, visual), _angle(side, visual)
    size = eccentricity * np.array([0, 0.15, 0.15, 0.22, 0.22, 0.32, 0.32, 0.5])[visual] + 0.25 + 0.1 * (visual > 2)
    rings = np.where(visual > 0, 1 + np.digitize(eccentricity, [0.5, 1, 2, 4]), 0)
    maps = {"eccentricity": eccentricity, "angle": angle, "size": size}
    maps = {name: np.where(visual > 0, values, np.nan).astype("f4") for name, values in maps.items()}
    return maps | {"prf-visualrois": visual, "prf-eccrois": rings}


def _dorsal(side, v1):
    """(n,) True above V1's foveal end: the flat mesh is cut along the calcarine sulcus."""
    height = hemisphere(side).flat[:, 1]
    above = height > height[_fovea(side, v1)]
    return geodesic(side, above) < geodesic(side, ~above & np.isfinite(height))


def _fovea(side, v1):
    """The most posterior vertex of V1 that is on the flat mesh."""
    half = hemisphere(side).depth(0.5)[:, 1]
    return np.where(v1 & np.isfinite(hemisphere(side).flat[:, 1]), half, np.inf).argmin()


def _eccentricity(side, visual):
    """Degrees, growing exponentially with the distance in mm from the most posterior point of V1."""
    fovea = _fovea(side, (visual == 1) | (visual == 2))
    return 0.6 * np.expm1(geodesic(side, [fovea]) / 26)


def _angle(side, visual):
    """Polar angle in degrees: a mirror image at each border, vertical meridians at V1/V2 and at the outer V3.

    Elevation goes from +90 (upper field, at V1's ventral border) to -90; the left hemisphere sees the right.
    """

    def far(*values):
        return geodesic(side, np.isin(visual, values))

    def share(start, end):
        return start / np.maximum(start + end, 1e-9)

    elevation = np.zeros(len(visual))
    early = (visual == 1) | (visual == 2)
    elevation[early] = (90 - 180 * share(far(3), far(4)))[early]
    outside = far(1, 2, 3, 4, 5, 6)
    ring = geodesic(side, (visual == 0) & (outside < 12))
    for second, third, sign in ((3, 5, 1), (4, 6, -1)):
        from_v1 = share(far(1, 2), far(third))  # V2: 0 at V1, 1 at V3
        outer = share(far(second), far(7) if sign > 0 else ring)  # V3: 0 at V2, 1 at its outer border
        elevation[visual == second] = (sign * 90 * (1 - from_v1))[visual == second]
        elevation[visual == third] = (sign * 90 * outer)[visual == third]
    elevation[visual == 7] = (90 - 180 * share(far(5), ring))[visual == 7]
    return elevation if side == "lh" else 180 - elevation


def main(labels):
    np.savez_compressed(FILE, about=np.array(__doc__), **build(labels))


if __name__ == "__main__":
    main(sys.argv[1])
