"""Drafts of captions of flatmaps: what is seen, how it was computed, and how sure it is."""

import pandas as pd

from brainalign.figures import frames
from brainalign.figures.flatmap import CHOSEN, palettes
from brainalign.paper import method
from brainalign.paper.asked import PARTS

RAW = "Units have their raw values, from which no floor (the cost of estimating weights) was taken."
PALETTE = {"viridis": "viridis", "RdBu_r": "blue below 0, red above"}


def of_maps(store, maps):
    """What one or several maps show, as a caption says it."""
    said = []
    for one in dict.fromkeys(m.picture.about for m in maps):
        m = next(m for m in maps if m.picture.about == one)
        layers = {x.picture.name(x.picture.layers[x.picture.row(x.layer)]) for x in maps if x.picture.about == one}
        said.append(f"{one}{', ' if m.picture.layered else ''}{' or '.join(sorted(layers))}.")
    tested = method.tested(store, [m.subject for m in maps]) if maps[0].asked.quantity != "across" else ""
    said += [_made(store, maps), tested, _coloured(maps)]
    said += [method.ceiling(store, maps[0].asked.quantity), _colours(maps), _ties(maps), relied(store, maps)]
    said += [_tested_differences(store, maps), _faded(store, maps)]
    return " ".join(filter(None, said))


def _made(store, maps):
    """Instructions, states, layers and fits."""
    asked = maps[0].asked
    if asked.quantity == "nc":
        return ""
    if asked.quantity == "across":
        return _across(store)
    said = [method.quoted(store, _instructions(maps))]
    if poolings := _poolings(store, maps):
        said.append(f"States: {'; '.join(poolings)}.")
    layers = [m.at for m in maps] + [CHOSEN] * (asked.quantity in ("layer", "winner"))
    said.append(method.rule("chosen", 1) if CHOSEN in layers else "")
    if layers := parted_at(store, maps):
        said.append(f"{layers} Several instructions together by banded ridge regression. {RAW}")
    return " ".join(filter(None, [*said, method.fitted(store)]))


def parted_at(store, maps):
    """The layers at which instructions enter the parts of variance that are shown; "" for other maps."""
    asked = maps[0].asked
    if asked.quantity not in (*PARTS, "unique"):
        return ""
    table, key = "roi_uniques", {"instruction": asked.chosen[1]}
    if asked.quantity in PARTS:
        table, key = "roi_variance", dict(zip("ab", asked.pair))
    rows = store.rows(table, model=asked.chosen[0], **key)
    return method.parted_at(store, rows[rows.subject.isin([m.subject for m in maps])])


def _instructions(maps):
    """Ids of all that are shown."""
    asked = maps[0].asked
    if asked.quantity == "winner" and asked.among == "instructions":
        return {name for m in maps for name, _ in m.picture.classes}
    return {one for m in maps for one in (*m.asked.chosen[1:2], *(m.asked.minus or ())[1:2], *m.asked.pair)}


def _poolings(store, maps):
    """The states of each model that is shown, in words; one where all have the same."""
    asked, of = maps[0].asked, {}
    if asked.quantity == "winner" and asked.among == "models":
        names = {name for m in maps for name, _ in m.picture.classes}
        nested = frames.under(store.rows("roi_nested"), asked.chosen[1])
        nested = frames.pooled(nested[nested.model.isin(names)], frames.FIRST_POOLING)
        return [method.states(nested).removeprefix("States: ").rstrip(".")]
    for m in maps:
        for chosen in filter(None, (m.asked.chosen, m.asked.minus)):
            of[chosen[0]] = frames.pooling_name(chosen[2])
    if asked.quantity in (*PARTS, "unique"):
        table = "roi_uniques" if asked.quantity == "unique" else "roi_variance"
        rows = store.rows(table, model=asked.chosen[0], subject=maps[0].subject)
        of = {asked.chosen[0]: frames.pooling_name(rows.pooling.iloc[0])}
    same = len(set(of.values())) == 1
    return [next(iter(of.values()))] if same else [f"{model}: {name}" for model, name in of.items()]


def _across(store):
    """How the cross-subject ceiling comes about, and on how many images."""
    people, images, info = set(store.subjects().subject), store.rows("images", shared=True), store.info()
    common = info.get("across_images") or sum(people <= set(seen.split()) for seen in images.subjects)
    drift = method.drift(store)
    text = (
        f"Ridge regression from the other subjects' responses, cross-validated within the {common} test images that "
        f"all {len(people)} subjects saw{' in two runs or more' * bool(drift)}: fewer than any other score has."
    )
    return f"{text} Each trial is predicted from the others' trials in other runs. {drift}" if drift else text


def _coloured(maps):
    counts = "; ".join(f"{m.title or m.subject} {m.shown.sum():,} of {m.shown.size:,}" for m in maps)
    return f"Coloured: units with a value and a noise ceiling of at least {maps[0].threshold:g} % ({counts})."


def _colours(maps):
    """What the colours' ends are and how they were chosen."""
    picture = maps[0].picture
    if picture.classes:
        return ""
    low, high = palettes.limits_of([m.picture for m in maps])
    told = PALETTE[palettes.PALETTES["diverging" if picture.diverging else "sequential"]]
    how = "set by hand" if picture.limits else "within which 99 % of the values lie"
    return f"Colours: {told}, from {_number(low)} to {_number(high)} ({how}); values beyond have the end's colour."


def _number(value):
    return f"{value:g}".replace("-", "−")


def _ties(maps):
    if maps[0].picture.lead is None:
        return ""
    return f"The winner has the highest r of the test images; tie: the next best is at most {maps[0].margin:g} behind."


def reliability(store, asked, subjects):
    """Rows of `winner_reliability` of a map of winners that are known; empty for other maps."""
    model, instruction, pooling = asked.chosen if len(asked.chosen) == 3 else ("", "", "")
    among = asked.among if asked.quantity == "winner" else "nothing"
    key = {"among": among, "model": model, "instruction": instruction, "pooling": pooling}
    rows = store.rows("winner_reliability", **key)
    return rows[rows.subject.isin(subjects) & rows.kappa.notna()]


def relied(store, maps):
    """How far winners can be relied on."""
    if maps[0].picture.lead is None:
        return ""
    rows = reliability(store, maps[0].asked, [m.subject for m in maps])
    if rows.empty:
        return "How reliable these winners are is not known."
    said = (
        f"{row.subject} κ = {row.kappa:.2f} ({frames.p_of_draws(row.p)}; 95th percentile by chance {row.chance:.2f}), "
        f"AMI = {row.ami:.2f}, {row.units} units"
        for row in rows.itertuples()
    )
    return (
        "Reliability, ties aside: agreement of the winners on two halves of the test images (Cohen's κ, adjusted "
        f"mutual information), chance by {frames.DRAWS} draws in which no map is better: "
        f"{'; '.join(said).replace('-', '−')}."
    )


def doubt(store, maps):
    """What stands beside the legend of winners that hardly agree between halves of the images; "" if they do."""
    rows = reliability(store, maps[0].asked, [m.subject for m in maps])
    weak = rows[rows.kappa < method.WEAK]
    named = len({m.subject for m in maps}) > 1
    said = [f"{row.subject} " * named + f"κ = {row.kappa:.2f}".replace("-", "−") for row in weak.itertuples()]
    return f"Winners hardly reliable: {', '.join(said)} between halves of the test images" if said else ""


def family(store, maps):
    """The family of the tests that a map shows by its colours' strength, in a line; "" where it shows none."""
    return method.short_family(store, "nested", _people(maps)) if _shows_q(maps) else ""


def _faded(store, maps):
    return f"q by {method.corrected(store, 'nested', _people(maps))}." if _shows_q(maps) else ""


def _shows_q(maps):
    return maps[0].asked.second == "q" and maps[0].picture.second is not None


def _people(maps):
    return pd.DataFrame({"subject": [m.subject for m in maps]})


def _tested_differences(store, maps):
    """Which regions' differences hold, where the store tested them."""
    if not any(m.asked.minus for m in maps):
        return ""
    untested = "The difference is not tested unit by unit"
    if maps[0].asked.quantity != "r" or any(m.at != CHOSEN for m in maps):
        return f"{untested}; regions are tested for r at the layers that training images choose."
    said, kept = [], []
    for m in maps:
        rows = frames.between(store.rows("roi_contrasts", subject=m.subject), m.asked.chosen, m.asked.minus)
        kept.append(rows)
        sure = rows[rows.q < frames.LEVEL].sort_values("difference", key=abs, ascending=False)
        names = sure.roi.replace(frames.GROUPS)
        named = (f"{roi} {value:+.3f}".replace("-", "−") for roi, value in zip(names, sure.difference))
        said.append(f"{m.title or m.subject}: {', '.join(named) or 'none'}" if len(rows) else "")
    if not any(said):
        return f"{untested}, and the store has no test of it by region."
    over = method.corrected(store, "roi_contrasts", pd.concat(kept))
    return (
        f"{untested}. Regions whose mean r differs with q < {frames.LEVEL} ({method.PAIRED}, {over}), "
        f"{'; '.join(filter(None, said))}."
    )
