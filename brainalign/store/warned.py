"""What jobs warned of, with the same words once: each layer of each job says again what is true of its data."""

import re

import pandas as pd

WHERE = re.compile(r"^layer \d+ \S+: ")
NUMBER = re.compile(r"\d+(?:\.\d+)?")
OF_THE_DATA = re.compile(r"[\d–]+ of [\d–]+ units ")  # what the data lack, which every job on them meets


def merged(runs):
    """One row a warning: its text, in how many jobs, of which kinds and subjects; those of the data come last.

    runs : rows of `runs`. Texts of a kind of job that differ in their numbers alone are one, with the numbers' range.
    """
    lines = [(*_plain(line), row.job, row.kind, row.subject) for row in runs.itertuples() for line in _lines(row)]
    frame, found = pd.DataFrame(lines, columns=["text", "form", "job", "kind", "subject"]), {}
    for _, part in frame.groupby(["form", "kind"], sort=False):
        found.setdefault(_ranged(part.text), []).append(part)
    rows = [{"warning": text} | _whose(pd.concat(parts)) for text, parts in found.items()]
    rows.sort(key=lambda row: (_last(row["warning"]), -row["jobs"]))
    return pd.DataFrame(rows, columns=["warning", "jobs", "kinds", "subjects"])


def of_job(row):
    """The warnings of one job as a list of texts, each once, with how often it was said; those of the data last."""
    found = {}
    for line in _lines(row):
        text, form = _plain(line)
        found.setdefault(form, []).append(text)
    said = sorted((_ranged(texts), len(texts)) for texts in found.values())
    return [f"{text} (× {n})" if n > 1 else text for text, n in sorted(said, key=lambda one: _last(one[0]))]


def _lines(row):
    return filter(None, row.warnings.split("\n"))


def _plain(line):
    """(text without the layer, the same without its numbers)."""
    text = WHERE.sub("", line)
    return text, NUMBER.sub("#", text)


def _ranged(texts):
    """One text for several that differ in their numbers alone, such as `7–32% of ...`."""
    numbers = zip(*(NUMBER.findall(text) for text in texts))
    ends = [sorted(set(column), key=float) for column in numbers]
    told = [found[0] if len(found) == 1 else f"{found[0]}–{found[-1]}" for found in ends]
    between = NUMBER.split(next(iter(texts)))
    return "".join(a + b for a, b in zip(between, [*told, ""]))


def _whose(rows):
    return {
        "jobs": rows.job.nunique(),
        "kinds": ", ".join(sorted(set(rows.kind))),
        "subjects": ", ".join(sorted(set(rows.subject) - {""})),
    }


def _last(text):
    return bool(OF_THE_DATA.match(text))
