"""Benches: what the parts of BrainAlign take, measured beside their peers in the same run; and how often it claims
what is not there (`nulls`).

`python -m brainalign.bench all` prints those of the engine as JSON, with what they mean for whole studies; it needs
torch, numpy, scikit-learn and himalaya, no data, and uses the first GPU where there is one. A bench is a function of
sizes, by name in BENCHES, that returns a dict of plain numbers; one of another part is a module here and a line there.
"""

from importlib import import_module

from brainalign.bench.projection import MODELS, projection
from brainalign.bench.projection import whole as study

BENCHES = {"ridge": "engine:ridge", "banded": "engine:banded", "extract": "extraction:extract", "app": "apps:app"}
BENCHES |= {"ceilings": "ceilings:ceilings", "nulls": "rates:nulls"}
__all__ = ["BENCHES", "as_text", "projection", "study", *BENCHES]


def __getattr__(name):
    if name not in BENCHES:
        raise AttributeError(f"no bench {name!r}; there are {', '.join(BENCHES)}")
    module, _, function = BENCHES[name].partition(":")
    return getattr(import_module(f"brainalign.bench.{module}"), function)


def as_text(found):
    """A result of a bench as a few lines to read."""
    if "pages" in found:
        return import_module("brainalign.bench.apps").as_text(found)
    if "planted" in found:
        return import_module("brainalign.bench.ceilings").as_text(found)
    if "pairs_per_s" in found:
        return import_module("brainalign.bench.extraction").as_text(found)
    if "tests" in found:
        return import_module("brainalign.bench.rates").as_text(found)
    lines = [f"n {found['n']}, p {found['p']}, T {found['T']}, {found['alphas']} alphas on {found['device']}"]
    times = {"BrainAlign": found["seconds"], **found["peer_seconds"]}
    width = max(map(len, times))
    lines += [f"  {name:{width}}  {seconds:10.3f} s" for name, seconds in times.items()]
    lines += [f"  {name:{width}}  stopped: {error}" for name, error in found.get("failed", {}).items()]
    if found["ratio"]:
        lines.append(f"{found['ratio']:.1f} times as fast as the fastest peer")
    lines.append(
        f"against float64: {found['alpha_agreement']:.2%} of alphas within 1e-4 of the best, "
        f"test r differs by {found['mean_abs_dr']:.1e} on average, {found['max_abs_dr']:.1e} at most"
    )
    lines += [
        f"a study of {row['subjects']} subjects, {MODELS} models: {row['fits']} fits, {row['hours']:.2f} h on "
        f"{row['gpus']} such machine{'s' * (row['gpus'] > 1)}"
        for row in found["projection"]
    ]
    return "\n".join(lines)
