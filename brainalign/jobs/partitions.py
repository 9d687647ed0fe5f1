"""Tables of the variance that instructions explain together and apart, from the result files of those jobs."""

import pandas as pd

from brainalign import variance
from brainalign.jobs import results
from brainalign.jobs.frames import areas, labelled, rounded_means
from brainalign.store.schema import columns as stored

MODELS = ("r2_a", "r2_b", "r2_ab")
PARTS = (*MODELS, "shared", "unique_a", "unique_b")
UNIQUE = ("r2_all", "r2_others", "unique_r2")
ENDS = ("floor", "low", "high", "p")
REGIONS = ("shared_ab", "shared_ac", "shared_bc", "shared_abc", "unique_a", "unique_b", "unique_c")


def key(job):
    """Sorts the jobs of pairs as the store does."""
    return (job.subject, job.model, job.inputs["pooling"], job.inputs["instructions"])


def pair(job):
    """Rows of `variance`."""
    columns = results.read_table(job.path, ["pooling", "unit", *MODELS])
    return labelled(columns, MODELS, subject=job.subject, model=job.model, **_sides(job))


def _sides(job):
    """Columns that say which instructions a job parts, and the layer at which each enters."""
    sides = "abc"[: len(job.inputs["instructions"])]
    layers = dict(zip((f"layer_{side}" for side in sides), job.inputs["layers"]))
    return dict(zip(sides, job.inputs["instructions"])) | layers


def roi_pair(job, person, alike=None):
    """Rows of `roi_variance`: the pair, and the same the other way round.

    alike : the job of the same pair with both at one layer, None where there is none
    """
    columns, ends = results.read_table(job.path, list(PARTS)), _ends(job.beside)
    moved = _ends(alike.path) if alike else None

    def summary(region, units):
        found = variance.summarise(columns, units) | ends(region)
        return found | (_moved(job, found, moved(region)) if moved else {})

    one = _by_region(job, person, summary, **_sides(job)).reindex(columns=stored("roi_variance"))
    return pd.concat([one, one.rename(columns=_other_way)])


def _moved(job, found, there):
    """The parts less their floors with both at the layer of a, and of b.

    there : <part>_<layer>, where layers differ
    """
    return {
        f"{part}_at_{side}": there.get(f"{part}_{layer}", found[part] - found[f"{part}_floor"])
        for part in PARTS[3:]
        for side, layer in zip("ab", job.inputs["layers"])
    }


def _other_way(name):
    """What a column is called once the two instructions are exchanged."""
    exchanged = {"a": "b", "b": "a"}
    return "_".join(exchanged.get(word, word) for word in name.split("_"))


def roi_triple(job, person):
    """Rows of `roi_triples`: one a part."""
    columns, ends = results.read_table(job.path, list(REGIONS)), _ends(job.beside)
    frames = []
    for part in REGIONS:
        frames.append(_by_region(job, person, _one_part(columns[part], part, ends), part=part, **_sides(job)))
    return pd.concat(frames).sort_values(["roi", "part"])


def uniques(job):
    """Rows of `uniques`: one Arrow table an instruction, in key order."""
    for name, layer in sorted(_entering(job).items()):
        found = results.read_table(job.path, ["pooling", "unit", name])
        found["unique_r2"] = found.pop(name)
        yield labelled(found, ["unique_r2"], subject=job.subject, model=job.model, instruction=name, layer=layer)


def _entering(job):
    """instruction -> the layer at which it enters."""
    return dict(zip(job.inputs["instructions"], job.inputs["layers"]))


def roi_uniques(job, person):
    """Rows of `roi_uniques`."""
    ends, frames = _ends(job.beside), []
    for name, layer in _entering(job).items():
        found = dict(zip(UNIQUE, results.read_table(job.path, list(_of(name))).values()))
        part = _one_part(found["unique_r2"], name, ends)

        def summary(roi, units, found=found, part=part):
            means = variance.summarise({key: found[key] for key in UNIQUE[:2]}, units)
            return means | {to: part(roi, units)[of] for to, of in _NAMES.items()}

        frames.append(_by_region(job, person, summary, instruction=name, layer=layer))
    return pd.concat(frames)


_NAMES = {"unique_r2": "value"} | {name: name for name in (*ENDS, "negative")}


def _of(instruction):
    """Columns of a result of kind "unique" that belong to an instruction, in the order of UNIQUE."""
    return f"r2_{instruction}", f"r2_without {instruction}", instruction


def _ends(path):
    """Function from a region's name to the numbers of an arrays' file there: floors, ends of intervals, p."""
    found = results.read_arrays(path)
    row = {name: k for k, name in enumerate(found.pop("regions").tolist())}
    return lambda region: {name: float(values[row[region]]) for name, values in found.items()}


def _one_part(values, name, ends):
    def summary(region, units):
        found, end = variance.summarise({"value": values}, units), ends(region)
        renamed = {"value": found["value"], "negative": found["value_negative"], "n": found["n"]}
        return renamed | {which: end[f"{name}_{which}"] for which in ENDS}

    return summary


def _by_region(job, person, summary, **labels):
    """One row a ROI: summary(name, units) beside what tells the job."""
    about = {"subject": job.subject, "model": job.model, "pooling": job.inputs["pooling"]} | labels
    rows = [about | {"roi": r, "n_all": n} | summary(r, units) for r, (n, units) in areas(person).items()]
    return rounded_means(pd.DataFrame(rows).sort_values("roi"))
