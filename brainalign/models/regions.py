"""Region features: what models that were trained behind an object detector read instead of pixels.

No detector of transformers gives the 2048-d Visual Genome features of VisualBERT and LXMERT. So they come from files,
one `<key>.npz` a picture, in the folder that $BRAINALIGN_REGIONS names or in `regions/` beside the model's weights:

    features : float (n_regions, 2048), of the detector (bottom-up attention: 36 regions)
    boxes : float (n_regions, 4), left, top, right, bottom as shares of the picture's width and height

with `key(picture)` as name: a hash of the pixels, for adapters are given pictures and no ids. Where there is no such
folder, the last feature map of a ResNet-101 stands in for the detector: 7 x 7 cells of 2048 dimensions, each with the
box of its cell. `described` tells which of the two it was, for the features' provenance. A stand-in: these models were
not trained on it. Free of torch until a grid is loaded.
"""

import hashlib
from functools import partial
from pathlib import Path

import numpy as np

from brainalign.files import in_words, named_folder
from brainalign.models import checkpoint
from brainalign.models.checkpoint import ModelError
from brainalign.models.table import Model

N_DIMS, CELLS = 2048, 7
BACKBONE = Model("resnet-101", "", "microsoft/resnet-101", parameters=42_500_160, licence="Apache 2.0", size="170 MB")


def key(picture):
    """Name of a picture's file without `.npz`. picture : uint8 (height, width, 3)."""
    shape = np.array(picture.shape, "<i8").tobytes()
    return hashlib.sha256(shape + np.ascontiguousarray(picture).tobytes()).hexdigest()[:16]


def folder(place):
    """The folder with region features for a model's folder, or None: the grid is used."""
    own = named_folder("BRAINALIGN_REGIONS")
    if own and not own.is_dir():
        raise ModelError(f"$BRAINALIGN_REGIONS names {own}, which is no folder; unset it to use a ResNet-101 grid")
    beside = Path(place) / "regions"
    return own if own else beside if beside.is_dir() else None


def described(place):
    """What a model's regions are, in words and without loading anything."""
    found = folder(place)
    if found:
        return f"files in {found.name}"
    grid = checkpoint.describe(BACKBONE, checkpoint.source(BACKBONE), "float32")
    return f"{CELLS} x {CELLS} grid of {grid['checkpoint']} {grid['revision']}"


def missing(place):
    """What keeps a model from having regions, and what to do; "" if nothing."""
    try:
        return "" if folder(place) else checkpoint.missing(BACKBONE)
    except ModelError as error:
        return str(error)


def load(place, device):
    """A function: pictures -> features (n, n_regions, 2048), boxes (n, n_regions, 4), float32 arrays."""
    found = folder(place)
    return partial(from_files, found) if found else Grid(device)


def from_files(found, pictures):
    """A picture of one colour shows no object: its features are zeros, its boxes the whole picture."""
    regions = [None if (picture == picture[0, 0]).all() else _read(found, picture) for picture in pictures]
    counts = {len(features) for features, _ in filter(None, regions)} or {36}
    if len(counts) > 1:
        raise ValueError(f"pictures have {sorted(counts)} regions in {found}, expected as many for each")
    n = counts.pop()
    empty = np.zeros((n, N_DIMS), np.float32), np.tile(np.array([0, 0, 1, 1], np.float32), (n, 1))
    features, boxes = zip(*(region or empty for region in regions))
    return np.stack(features), np.stack(boxes)


def _read(found, picture):
    file = found / f"{key(picture)}.npz"
    try:
        with np.load(file, allow_pickle=False) as held:
            features, boxes = held["features"], held["boxes"]
    except FileNotFoundError:
        raise FileNotFoundError(
            f"no region features {file.name} in {found}; the name is brainalign.models.regions.key(picture), of the "
            "picture as it is shown: where a study sets `pixels`, of brainalign.pictures.resized(picture, pixels)"
        ) from None
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{file} is no .npz with arrays 'features' and 'boxes' ({in_words(error)})") from None
    n = len(features)
    if n == 0 or features.shape != (n, N_DIMS) or boxes.shape != (n, 4) or features.dtype.kind != "f":
        raise ValueError(f"{file} has features {features.shape} and boxes {boxes.shape}, expected (36, 2048), (36, 4)")
    if not (np.isfinite(features).all() and boxes.min() >= 0 and boxes.max() <= 1.001):
        raise ValueError(
            f"{file} has values that are no numbers, or boxes that are not shares of the picture in [0, 1]"
        )
    return features.astype(np.float32), boxes.astype(np.float32)


class Grid:
    """The cells of a ResNet-101's last feature map as regions, row by row.

    The whole picture is squashed to 224 x 224 pixels, so that the cells cover it.
    """

    def __init__(self, device):
        from transformers import ResNetModel

        from brainalign.models import weights

        with checkpoint.explained(BACKBONE):
            self.net = weights.network(BACKBONE, ResNetModel, checkpoint.source(BACKBONE), device, "float32")
        self.device = device
        edges = np.arange(CELLS + 1, dtype=np.float32) / CELLS
        top, left = (grid.reshape(-1) for grid in np.mgrid[:CELLS, :CELLS])
        self.boxes = np.stack([edges[left], edges[top], edges[left + 1], edges[top + 1]], 1)

    def __call__(self, pictures):
        import torch

        cells = self.net(torch.from_numpy(_squashed(pictures)).to(self.device)).last_hidden_state
        if cells.shape[1:] != (N_DIMS, CELLS, CELLS):
            raise ModelError(f"{BACKBONE.name} gives {tuple(cells.shape[1:])}, expected {(N_DIMS, CELLS, CELLS)}")
        features = cells.flatten(2).transpose(1, 2).float().cpu().numpy()
        return features, np.tile(self.boxes, (len(pictures), 1, 1))


def _squashed(pictures):
    """(n, 3, 224, 224) as ImageNet's networks read them."""
    from PIL import Image

    small = [Image.fromarray(picture).resize((224, 224), Image.Resampling.BICUBIC) for picture in pictures]
    pixels = np.stack([np.asarray(picture, np.float32) for picture in small]) / 255
    mean, deviation = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]], np.float32)
    return np.ascontiguousarray(((pixels - mean) / deviation).transpose(0, 3, 1, 2))
