"""The flatmap's pixels on paper: the screen's pixel map at any resolution."""

import numpy as np

EDGE = 4  # rows shown above and below cortex, as on the screen


def rows(geometry):
    """(first row, number of rows) of the part with cortex."""
    there = np.flatnonzero((geometry.pixel_vertex >= 0).any(1))
    first = max(0, int(there[0]) - EDGE)
    return first, min(int(there[-1]) + EDGE + 1, geometry.height) - first


def enlarge(geometry, columns):
    """The vertex of each pixel of a picture that is `columns` wide and shows the rows with cortex; -1 outside.

    As in the geometry's own map, a pixel shows the vertex nearest to its centre: the nearest of those that the four
    surrounding pixels of that map show. (height, columns) int32.
    """
    first, height = rows(geometry)
    scale = columns / geometry.width
    x = ((np.arange(columns) + 0.5) / scale).astype("f4")
    y = ((np.arange(max(1, round(height * scale))) + 0.5) / scale + first).astype("f4")
    corners = _corners(geometry.pixel_vertex, x, y)
    image = corners[0].copy()
    between = np.flatnonzero(np.logical_or.reduce([image != other for other in corners[1:]]))
    at = x.take(between % columns), y.take(between // columns)
    beyond = np.append(geometry.xy, np.float32([[1e9, 1e9]]), axis=0).T.copy()  # where vertex -1 is
    nearest, least = None, np.inf
    for corner in corners:
        vertex = corner.take(between)
        away = sum(np.square(axis.take(vertex, mode="wrap") - here) for axis, here in zip(beyond, at))
        nearest, least = (
            (vertex, away) if nearest is None else (np.where(away < least, vertex, nearest), np.minimum(away, least))
        )
    image[between] = nearest
    return image.reshape(len(y), columns)


def _corners(pixel_vertex, x, y):
    """What the four pixels around each place (x to the right, y downwards) show: four flat arrays."""
    height, width = pixel_vertex.shape
    left = np.clip(np.floor(x - 0.5).astype("i4"), 0, width - 2)
    above = np.clip(np.floor(y - 0.5).astype("i4"), 0, height - 2)
    sides = [pixel_vertex.take(left + right, axis=1) for right in (0, 1)]
    return [side.take(above + down, axis=0).ravel() for down in (0, 1) for side in sides]
