"""How often the pages claim what is not there: simulated studies through the whole pipeline, from files to the store.

Null studies have responses that follow no model; in driven ones they follow one instruction of a model, and nothing
else is to be claimed. Every claim is counted by name and sign (`claims`), over studies that are made one after the
other in folders that are deleted.
"""

import json
import time
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from brainalign.bench import claims, planted

RELATED = {  # what of the states of each of the others is the driver's; in the demo most is
    "others unrelated": (0.0, 0.0, 0.0),
    "others half related": (0.5, 0.5, 0.5),
    "others closely related": (0.9, 0.9, 0.9),
    "one twin, others unrelated": (0.95, 0.0, 0.0),
}
DRIVEN = 0.4  # driven studies for each null one


def nulls(seeds=50, out=None, progress=None, **options):
    """Rates of false claims over `seeds` null studies and 0.4 times as many driven ones.

    out : a folder that keeps the counts of each study, so that a bench that was stopped goes on; None: none is kept
    progress(done, total, text) : called after each study
    options : of `planted.Plan`, such as draws
    Returns a dict: tests (name of test and sign -> {"rate", "n", "goal"}; the share of n cases with a false claim, or
    of n true effects that are missed, and the largest that it should be), means (quantities whose right value is 0 in
    null studies -> {"mean", "se", "n"} over studies), studies, seconds a study, device.
    """
    asked = list(plans(seeds, **options))
    kept = Path(out) / "studies.jsonl" if out else None
    known, found = _known(kept), []
    for done, (kind, plan) in enumerate(asked, 1):
        key = json.dumps({"kind": kind, "plan": asdict(plan), "commit": _commit()}, sort_keys=True)
        if key not in known:
            known[key] = study(kind, plan)
            if kept:
                kept.parent.mkdir(parents=True, exist_ok=True)
                with kept.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(json.loads(key) | {"found": known[key]}) + "\n")
        found.append(known[key])
        if progress:
            progress(done, len(asked), f"studies, {kind}")
    return summary(found) | {"studies": {"null": seeds, "driven": len(asked) - seeds}} | _about(found)


def plans(seeds, **options):
    """(kind, Plan) of every study: in every second null study subjects have nothing in common."""
    for seed in range(seeds):
        yield "null", planted.Plan(seed, common=seed % 2 == 0, **options)
    for k in range(round(DRIVEN * seeds)):
        kind = list(RELATED)[k % len(RELATED)]
        yield kind, planted.Plan(10_000 + k, planted.DRIVER, RELATED[kind], **options)


def study(kind, plan):
    """Make one study, count its claims, and delete it: {"counts", "goals", "means", "seconds"}."""
    from brainalign import jobs
    from brainalign.store import Store

    tests = claims.DRIVEN if plan.driver else claims.NULL
    started = time.perf_counter()
    with TemporaryDirectory(prefix="brainalign-") as folder:
        made = planted.write(Path(folder), plan)
        jobs.run(made)
        with Store(jobs.publish(made)) as store:
            counts = claims.counts(tests, store, plan, made)
            means = {} if plan.driver else claims.means(store, plan)
    goals = claims.goals(tests)
    return {
        "counts": {f"{kind}: {name}": numbers for name, numbers in counts.items()},
        "goals": {f"{kind}: {name}": goals[name] for name in counts},
        "means": means,
        "seconds": time.perf_counter() - started,
    }


def summary(found):
    """{"tests", "means"} of the counts of studies."""
    totals, means, goals = {}, {}, {}
    for one in found:
        goals |= one["goals"]
        for name, numbers in one["counts"].items():
            totals.setdefault(name, []).append(numbers)
        for name, value in one["means"].items():
            means.setdefault(name, []).append(value)
    sums = {name: np.sum(numbers, axis=0) for name, numbers in totals.items()}
    tests = {name: {"rate": float(k / n), "n": int(n), "goal": goals[name]} for name, (k, n) in sums.items()}
    return {"tests": tests, "means": {name: _mean(values) for name, values in means.items()}}


def _mean(values):
    n = len(values)
    return {"mean": float(np.mean(values)), "se": float(np.std(values, ddof=1) / n**0.5) if n > 1 else None, "n": n}


def as_text(found):
    """A line a test, in the order of the list; those above their goal are marked."""
    studies, width = found["studies"], max(map(len, [*found["tests"], *found["means"]]))
    lines = [f"{studies['null']} null and {studies['driven']} driven studies, {found['device']}"]
    for name, one in found["tests"].items():
        over = "  OVER" if one["rate"] > one["goal"] else ""
        lines.append(f"  {name:{width}}  {one['rate']:7.2%} of {one['n']:6}, at most {one['goal']:.1%}{over}")
    lines.append("right value 0 in null studies: mean over studies, standard error")
    for name, one in found["means"].items():
        lines.append(f"  {name:{width}}  {one['mean']:8.4f}" + (f", {one['se']:.4f}" if one["se"] else ""))
    return "\n".join(lines)


def _known(path):
    """{key: counts} of the studies that a folder keeps; a line that was cut off counts as none."""
    known = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path and path.exists() else ():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        known[json.dumps({name: row[name] for name in ("kind", "plan", "commit")}, sort_keys=True)] = row["found"]
    return known


def _commit():
    from brainalign.jobs.results import versions

    return versions().get("commit", "")


def _about(found):
    import torch

    from brainalign.encoding import device as dev

    device = dev.choose(None)
    cuda = device.type == "cuda"
    return {
        "seconds": round(float(np.median([one["seconds"] for one in found])), 1),
        "device": torch.cuda.get_device_name(device) if cuda else f"cpu, {torch.get_num_threads()} threads",
    }
