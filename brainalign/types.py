"""The nouns of BrainAlign: small, frozen, checked once when they are made, so that nobody checks again."""

from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np


@dataclass(frozen=True)
class Instruction:
    """A prompt put to a model with a picture; `level` goes from perception (0) to reasoning (3)."""

    id: str
    family: str
    level: int
    paper: str  # "ten": the paper's ten; "families": the project page's four; "free": typed by hand
    text: str


@dataclass(frozen=True)
class Roi:
    """A named region as a union of labels of one NSD collection; names alone are ambiguous (RSC, FEF, V3A)."""

    name: str
    family: str
    level: str  # "early", "high", "language" or "all"
    collection: str
    labels: tuple[str, ...]
    note: str = ""

    @property
    def is_area(self):
        """Whether it is one area, not a stream or all of visual cortex, which lie over the areas."""
        return self.family not in ("streams", "whole")


@dataclass(frozen=True)
class Subject:
    """One participant's responses to pictures.

    name : "subj01" .. "subj08"
    space : "func1pt8mm" (units are voxels) or "fsaverage" (units are vertices)
    betas : (n_images, n_units) float32, z-scored within session, mean over the repeats that exist; NaN: missing
    image_ids : (n_images,) NSD ids counted from 0, ascending
    repeats : (n_images,) trials averaged
    is_test : (n_images,) True for the images shared by all subjects
    units : (n_units,) where a unit lies: C-order index into the (X, Y, Z) volume in NSD's order (RAS for nibabel),
        or vertex number with the right hemisphere after the left
    rois : name -> (n_units,) bool
    ncsnr : (n_units,) signal sd over the noise sd of one trial; NaN where undefined
    valid : (n_sessions, n_units) False where a unit has no data in that session
    scatter : (n_test, n_units) float32 sum of squares of z-scored trials, without the linear trend of their session,
        about the mean of their test picture
    trend : (n_units,) what that trend adds to the variance over test pictures of the betas, less what is taken out of
        noise with the means and trends of sessions
    train_noise : (n_units,) variance of z-scored trials about the mean of their training picture
        These are NaN where a unit lacks a session. None where they are not known: ceilings then follow from ncsnr
    """

    name: str
    space: str
    betas: np.ndarray
    image_ids: np.ndarray
    repeats: np.ndarray
    is_test: np.ndarray
    units: np.ndarray
    rois: MappingProxyType
    ncsnr: np.ndarray
    valid: np.ndarray
    scatter: np.ndarray | None = None
    trend: np.ndarray | None = None
    train_noise: np.ndarray | None = None

    def __post_init__(self):
        n_images, n_units = self.betas.shape
        lengths = {"image_ids": n_images, "repeats": n_images, "is_test": n_images}
        lengths |= {"units": n_units, "ncsnr": n_units}
        for what, n in lengths.items():
            if getattr(self, what).shape != (n,):
                raise ValueError(f"{self.name}: {what} has shape {getattr(self, what).shape}, expected ({n},)")
        if self.valid.ndim != 2 or self.valid.shape[1] != n_units:
            raise ValueError(f"{self.name}: valid has shape {self.valid.shape}, expected (sessions, {n_units})")
        noise = {"scatter": (self.is_test.sum(), n_units), "trend": (n_units,), "train_noise": (n_units,)}
        for what, shape in noise.items():
            if getattr(self, what) is not None and getattr(self, what).shape != shape:
                raise ValueError(f"{self.name}: {what} has shape {getattr(self, what).shape}, expected {shape}")
        if (np.diff(self.image_ids) <= 0).any():
            raise ValueError(f"{self.name}: image_ids must ascend without repeats")
        for name, mask in self.rois.items():
            if mask.shape != (n_units,) or mask.dtype != bool:
                raise ValueError(f"{self.name}: ROI {name} is {mask.dtype} {mask.shape}, expected bool ({n_units},)")


@dataclass(frozen=True)
class Trials:
    """One participant's single trials of some pictures.

    shown : (n_trials,) which of the pictures was shown, counted from 0
    run : (n_trials,) in which run; trials of one run have noise in common
    values : (n_trials, n_units) float, responses; NaN: missing
    """

    shown: np.ndarray
    run: np.ndarray
    values: np.ndarray

    def __post_init__(self):
        values, shown, run = np.shape(self.values), np.shape(self.shown), np.shape(self.run)
        if len(values) != 2 or not shown == run == values[:1]:
            raise ValueError(
                f"trials have values {values}, pictures {shown} and runs {run}; expected a picture and a run for each "
                "row of values"
            )


@dataclass(frozen=True)
class Features:
    """What one layer of one model made of pictures under one instruction.

    values : (n_images, n_dims) float32
    image_ids : (n_images,) NSD ids counted from 0, ascending
    instruction : an instruction's id; "" where the states cannot depend on one (vision only)
    """

    values: np.ndarray
    image_ids: np.ndarray
    model: str
    instruction: str
    layer: int
    pooling: str

    def __post_init__(self):
        if self.values.ndim != 2 or len(self.values) != len(self.image_ids):
            raise ValueError(f"feature values {self.values.shape} for {len(self.image_ids)} image ids")
        if not np.isfinite(self.values).all():
            bad = int((~np.isfinite(self.values)).any(1).sum())
            raise ValueError(
                f"{self.model} {self.instruction} layer {self.layer} {self.pooling}: "
                f"{bad} of {len(self.values)} images have a state that is NaN or infinite"
            )

    def rows(self, image_ids):
        """Row of each image id, in the order asked for; ids without features are an error."""
        rows = np.searchsorted(self.image_ids, image_ids)
        known = self.image_ids[np.minimum(rows, len(self.image_ids) - 1)] == image_ids
        if not known.all():
            missing = np.asarray(image_ids)[~known]
            raise ValueError(f"{len(missing)} images have no features of {self.model}, the first is {missing[0]}")
        return rows


@dataclass(frozen=True)
class Scores:
    """How well one feature space predicts each unit on the test images; NaN: not defined.

    r : (n_units,) Pearson correlation, r2 : (n_units,) signed variance explained
    alpha : (n_units,) the penalty chosen by cross-validation on the training images
    """

    r: np.ndarray
    r2: np.ndarray
    alpha: np.ndarray
    warnings: tuple[str, ...] = field(default=())

    def __post_init__(self):
        if not self.r.shape == self.r2.shape == self.alpha.shape:
            raise ValueError(f"scores differ in shape: r {self.r.shape}, r2 {self.r2.shape}, alpha {self.alpha.shape}")
