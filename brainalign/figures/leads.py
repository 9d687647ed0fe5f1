"""Whether the best instruction of a region is ahead of the next, or only happens to be the best."""

import pandas as pd

from brainalign.figures import frames
from brainalign.figures.numerals import digits, said


def leads(rows, contrasts, known):
    """Which map is the best of each region, by its mean over subjects, and how sure it is ahead of the next.

    rows : of roi_nested, the maps of one model; contrasts : of roi_contrasts; known : a Catalogue
    One row a region: roi, best, second, lead (difference of the means), subjects, tested (of them), sure (q below 0.05
    for the best)
    """
    keys, tests = ["instruction", "pooling"], frames.both_ways(frames.contrasts_of(contrasts, rows))
    found = []
    for roi in known.sort_regions(rows.roi):
        here = rows[rows.roi == roi].dropna(subset=["r"])
        means = here.groupby(keys).r.mean().nlargest(2)
        if len(means) < 2:
            continue
        (best, _), (second, _) = means.index
        pair = tests[(tests.roi == roi) & (tests.instruction_a == best) & (tests.instruction_b == second)]
        sure = ((pair.q < frames.LEVEL) & (pair.difference > 0)).sum()
        found.append((roi, best, second, means.iloc[0] - means.iloc[1], here.subject.nunique(), len(pair), sure))
    return pd.DataFrame(found, columns=["roi", "best", "second", "lead", "subjects", "tested", "sure"])


def sentence(leads, n, corrected):
    """What `leads` of n instructions come to; corrected : how their tests are."""
    tested = leads[leads.tested > 0]
    if tested.empty:
        return "Which instruction is best in a region is not tested in this store."
    sure = tested[tested.sure == tested.subjects]
    places = digits(leads.lead)
    where = "; ".join(f"{r.roi} ({r.best} over {r.second}, {said(r.lead, places)})" for r in sure.itertuples())
    untested = f" Not tested: {', '.join(leads[leads.tested == 0].roi)}." if len(tested) < len(leads) else ""
    return (
        f"The best instruction of a region is ahead of the next by {said(leads.lead.min(), places)} to "
        f"{said(leads.lead.max(), places)}; significantly in every subject in {len(sure)} of {len(tested)} regions"
        f"{': ' * bool(where)}{where} (paired bootstrap over test images, q < {frames.LEVEL}; {corrected}, nor for "
        f"choosing the best of {n}).{untested}"
    )
