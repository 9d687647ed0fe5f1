"""A region of the flatmap: what lies in it, what its scores are, and its label for other tools."""

import numpy as np

from brainalign.figures.flatmap import coded

HALF = 10242  # vertices of one hemisphere of fsaverage5
SIDES = {"lh": "CortexLeft", "rh": "CortexRight"}


def enclosed(xy, corners):
    """(n,) True for points (n, 2) inside a polygon with corners (m, 2), by how often a ray to the right crosses it."""
    x, y = np.asarray(xy, float).T[:, :, None]
    (ax, ay), (bx, by) = np.asarray(corners, float).T, np.roll(corners, -1, axis=0).T
    passes = (ay > y) != (by > y)
    slope = np.divide(bx - ax, by - ay, out=np.zeros(len(ax)), where=ay != by)
    return (passes & (x < ax + (y - ay) * slope)).sum(1) % 2 == 1


def units_in(vertices, flat_units, n_units):
    """(n_units,) True for the units that some of these vertices (n_vertices,) bool show."""
    inside = np.zeros(n_units, bool)
    inside[flat_units[vertices & (flat_units >= 0)]] = True
    return inside


def vertices_of(inside, flat_units):
    """(n_vertices,) True where a vertex shows one of the units inside (n_units,) bool."""
    return (flat_units >= 0) & inside[flat_units]


def summary(values, nc, inside, shown, least, power):
    """Scores of a region's units that are shown: a dictionary.

    values, nc : (n_units,), nc in percent; inside, shown : (n_units,) bool; least : lowest nc that is divided by
    power : of the share nc / 100 that a perfect model would reach: 0.5 for r, 1 for R2, None where there is none
    n, n_all : units shown, and all of the region; median, low, high : and the middle half; ceiling : the median of
    the share that is reached
    """
    own = inside & shown & np.isfinite(values)
    found = {"n": int(own.sum()), "n_all": int(inside.sum())}
    found |= dict.fromkeys(("median", "low", "high", "ceiling"), np.nan)
    if own.any():
        found |= dict(zip(("low", "median", "high"), np.percentile(values[own], [25, 50, 75])))
    sure = own & (nc >= least) & (nc > 0)
    if power is not None and sure.any():
        found["ceiling"] = float(np.median(values[sure] / (nc[sure] / 100) ** power))
    return found


def labels(name, vertices, format):
    """{file name: bytes} of a region's label in each hemisphere that has some of it.

    vertices : (20484,) bool; format : "label" (FreeSurfer's text) or "gii" (GIFTI)
    """
    if len(vertices) != 2 * HALF:
        raise ValueError(f"this surface has {len(vertices)} vertices, fsaverage5 has {2 * HALF}")
    write, ending = {"label": (_freesurfer, "label"), "gii": (_gifti, "label.gii")}[format]
    halves = {side: vertices[k * HALF :][:HALF] for k, side in enumerate(SIDES)}
    stem = "".join(c if c.isalnum() else "_" for c in name).strip("_") or "region"
    return {f"{side}.{stem}.{ending}": write(name, side, half) for side, half in halves.items() if half.any()}


def _freesurfer(name, side, inside):
    """As FreeSurfer writes it: number, place on the white surface in mm, and a value, which is 1 here."""
    from brainalign.surface import mesh

    xyz, members = mesh("white")[0][HALF * (side == "rh") :], np.flatnonzero(inside)
    rows = [f"{v} {xyz[v][0]:.3f} {xyz[v][1]:.3f} {xyz[v][2]:.3f} 1.000000" for v in members]
    return "\n".join(["#!ascii label, from subject fsaverage5 vox2ras=TkReg", str(len(rows)), *rows, ""]).encode()


def _gifti(name, side, inside):
    return coded.gifti(coded.Coded(inside.astype(np.int32), ((name, "#ffd166"),)), SIDES[side])
