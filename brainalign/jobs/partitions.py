"""Tables of the variance that instructions explain together and apart, from the result files of those jobs."""

import re

import pandas as pd

from brainalign import variance
from brainalign.jobs import results
from brainalign.jobs.frames import areas, labelled, rounded_means

MODELS = ("r2_a", "r2_b", "r2_ab")
PARTS = (*MODELS, "shared", "unique_a", "unique_b")
UNIQUE = ("r2_all", "r2_others", "unique_r2")
REGIONS = ("shared_ab", "shared_ac", "shared_bc", "shared_abc", "unique_a", "unique_b", "unique_c")


def key(job):
    """Sorts the jobs of pairs as the store does."""
    return (job.subject, job.model, job.inputs["layer"], job.inputs["pooling"], job.inputs["instructions"])


def pair(job):
    """Rows of `variance`."""
    columns = results.read_table(job.path, ["layer", "pooling", "unit", *MODELS])
    a, b = job.inputs["instructions"]
    return labelled(columns, MODELS, subject=job.subject, model=job.model, a=a, b=b)


def roi_pair(job, person):
    """Rows of `roi_variance`: the pair, and the same the other way round."""
    columns, ends = results.read_table(job.path, list(PARTS)), _ends(job)
    a, b = job.inputs["instructions"]
    one = _by_region(job, person, lambda name, units: variance.summarise(columns, units) | ends(name), a=a, b=b)
    return pd.concat([one, one.rename(columns=_other_way)])


def _other_way(name):
    """What a column is called once the two instructions are exchanged."""
    found = re.fullmatch(r"(|r2_|unique_)([ab])(|_low|_high|_negative)", name)
    return found[1] + {"a": "b", "b": "a"}[found[2]] + found[3] if found else name


def roi_triple(job, person):
    """Rows of `roi_triples`: one a part."""
    columns, ends = results.read_table(job.path, list(REGIONS)), _ends(job)
    labels = dict(zip("abc", job.inputs["instructions"]))
    frames = []
    for part in REGIONS:
        frames.append(_by_region(job, person, _one_part(columns[part], part, ends), part=part, **labels))
    return pd.concat(frames).sort_values(["roi", "part"])


def uniques(job):
    """Rows of `uniques`: one Arrow table an instruction, in key order."""
    for name in sorted(job.inputs["instructions"]):
        found = results.read_table(job.path, ["layer", "pooling", "unit", name])
        found["unique_r2"] = found.pop(name)
        yield labelled(found, ["unique_r2"], subject=job.subject, model=job.model, instruction=name)


def roi_uniques(job, person):
    """Rows of `roi_uniques`."""
    ends, frames = _ends(job), []
    for name in job.inputs["instructions"]:
        found = dict(zip(UNIQUE, results.read_table(job.path, list(_of(name))).values()))
        part = _one_part(found["unique_r2"], name, ends)

        def summary(roi, units, found=found, part=part):
            means = variance.summarise({key: found[key] for key in UNIQUE[:2]}, units)
            return means | {to: part(roi, units)[of] for to, of in _NAMES.items()}

        frames.append(_by_region(job, person, summary, instruction=name))
    return pd.concat(frames)


_NAMES = {"unique_r2": "value", "low": "low", "high": "high", "negative": "negative"}


def _of(instruction):
    """Columns of a result of kind "unique" that belong to an instruction, in the order of UNIQUE."""
    return "r2_all", f"r2_without {instruction}", instruction


def _ends(job):
    """Function from a region's name to the ends of the parts' intervals there."""
    found = results.read_arrays(job.beside)
    row = {name: k for k, name in enumerate(found.pop("regions").tolist())}
    return lambda region: {name: float(values[row[region]]) for name, values in found.items()}


def _one_part(values, name, ends):
    def summary(region, units):
        found, end = variance.summarise({"value": values}, units), ends(region)
        renamed = {"value": found["value"], "negative": found["value_negative"], "n": found["n"]}
        return renamed | {"low": end[f"{name}_low"], "high": end[f"{name}_high"]}

    return summary


def _by_region(job, person, summary, **labels):
    """One row a ROI: summary(name, units) beside what tells the job."""
    about = {"subject": job.subject, "model": job.model, "layer": job.inputs["layer"]}
    about |= {"pooling": job.inputs["pooling"]} | labels
    rows = [about | {"roi": r, "n_all": n} | summary(r, units) for r, (n, units) in areas(person).items()]
    return rounded_means(pd.DataFrame(rows).sort_values("roi"))
