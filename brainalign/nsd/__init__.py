"""NSD files -> `Subject`, pictures by id, and a check of a root before anything long starts."""

from brainalign.nsd.check import check
from brainalign.nsd.design import coco_ids, image_ids, image_runs, shared_ids, stimulus
from brainalign.nsd.layout import simulated, subjects
from brainalign.nsd.report import Fault, Report
from brainalign.nsd.sources import sources
from brainalign.nsd.subject import load_subject, load_trials
from brainalign.nsd.transforms import flat_units
from brainalign.nsd.trend import DEGREE

__all__ = [
    "DEGREE",
    "Fault",
    "Report",
    "check",
    "coco_ids",
    "flat_units",
    "image_ids",
    "image_runs",
    "load_subject",
    "load_trials",
    "shared_ids",
    "simulated",
    "sources",
    "stimulus",
    "subjects",
]
