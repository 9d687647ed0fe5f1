"""Doing the jobs of a study: here, or on whatever has `.submit(function, *arguments)` and gives futures.

A run can be killed anywhere and started again, on any number of workers at once: what is finished stays, and
two workers never make the same file. A model is loaded once for all its features, and a subject once for all
its fits.
"""

import time

from brainalign.jobs.kinds import MAKERS, Resident, make_features
from brainalign.jobs.planning import plan, replan
from brainalign.store import progress as news
from brainalign.writing import claimed

OF_ALL = ("across", "rdms", "rsa")  # kinds that wait for every subject's own job
EVERY = 5.0  # seconds between news for those who look at the store


def run(study, executor=None, progress=None):
    """Do every job that is not done; returns the plan, all done.

    executor : a ProcessPoolExecutor, a Dask client ...; None does the jobs in this process
    progress(done, total, text) : jobs done, as a number with a fraction within a long job; their number; which
    """
    jobs = plan(study)
    done = _counter(len(jobs), sum(job.done for job in jobs), progress, study.store)
    todo = [job for job in jobs if not job.done]
    readers = {model.name for model in study.models if model.reads}  # of answers: the others' features come first
    features = [job.model for job in todo if job.kind == "features"]
    _do(_features, study, _counts(name for name in features if name not in readers), executor, done)
    _do(_features, study, _counts(name for name in features if name in readers), executor, done)
    alone = [job.subject for job in todo if job.kind not in ("features", *OF_ALL)]
    _do(_subject, study, _counts(alone), executor, done)
    _do(_subject, study, _counts(job.subject for job in todo if job.kind in OF_ALL), executor, done)
    return replan(study)


def _do(work, study, groups, executor, done):
    """Do work(study, name) for each {name: number of jobs}; on an executor, progress is told as each one ends."""
    if executor is None:
        for name in groups:
            work(study, name, done)
        return
    futures = {name: executor.submit(work, study, name) for name in groups}
    for name, future in futures.items():
        future.result()
        done(groups[name], name)


def _counts(names):
    counts = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return counts


def _silent(n, text, within=0.0):
    pass


def _features(study, model, done=_silent):
    """All features of one model."""
    mine = [job for job in replan(study) if (job.kind, job.model) == ("features", model)]
    todo = [job for job in mine if _ready(job)]
    if todo:
        n = len(todo)
        make_features(todo, Resident(study), lambda k, total, text: done(0, f"features {text}", n * k / total))
        done(n, f"features {model}")


def _subject(study, name, done=_silent):
    """All jobs of one subject, also those that wait for others of them; with no name those of models alone."""
    resident = Resident(study)
    while todo := [job for job in replan(study) if job.kind != "features" and job.subject == name and _ready(job)]:
        held = [job for job in todo if not _one(job, resident, done)]
        for job in held:
            _one(job, resident, done, wait=True)


def _ready(job):
    return job.path is not None and not job.done


def _one(job, resident, done, wait=False):
    """Do one job unless it is done; False if another worker is at it."""
    with claimed(job.path, wait) as mine:
        if mine and not job.done:
            MAKERS[job.kind](job, resident, lambda k, total, text: done(0, f"{job}, {text}", k / total))
    if mine:
        done(1, str(job))
    return mine


def _counter(total, finished, progress, store):
    """A function done(n, text, within) that adds n jobs, or shows the fraction within one, and reports.

    It tells the caller each time, and the store's readers every few seconds and at the end.
    """
    told = 0.0

    def done(n, text, within=0.0):
        nonlocal finished, told
        finished += n
        if progress:
            progress(finished + within, total, text)
        if finished == total or time.monotonic() - told > EVERY:
            told = time.monotonic()
            news.write(store, finished, total, text)

    return done
