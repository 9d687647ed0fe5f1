"""Drafts of captions: what is seen, of whom, with which states and layers, how it was computed and how sure it is."""

from brainalign.figures import frames
from brainalign.figures.regions import crowded
from brainalign.paper import method
from brainalign.paper.method import CHOSEN, people, simulated

__all__ = ["CHOSEN", "people", "simulated"]
SPOKEN = {
    "r": "Pearson r of predicted and measured response",
    "R²": "Share of the response's variance that is predicted (R²)",
    "r / noise ceiling": "Pearson r of predicted and measured response over the best possible",
}
MARKS = (
    "▲ better or ▼ worse than {} in every subject, △ ▽ in at least half and opposite in none: "
    f"{method.PAIRED}, q < {frames.LEVEL} by Benjamini–Hochberg over the regions of one comparison and subject, some "
    "of which contain others; not corrected over comparisons."
)


# Regions and layers ------------------------------------------------------------------------------------------


def of_regions(store, scores, frame, axis, made):
    """What bars by region show; scores : the rows of roi_scores or roi_nested that are drawn."""
    one = made["model"] if made["by"] == "instruction" else made.get("instruction", "")
    whose = f"{one} with each instruction" if made["by"] == "instruction" else f"each model{' with ' * bool(one)}{one}"
    known = bool(frame.get("low", frame.value * float("nan")).notna().any())
    many = crowded(set(frame.group), set(frame.roi))
    drawn = "Dots: means over {}; lines: their range" if many else "Bars: means over {}; points: the subjects"
    said = [f"{SPOKEN.get(axis, axis)} by region, {whose}. {drawn.format(people(frame))}"]
    said[0] += f", with {method.INTERVAL}." if known and not many else "."
    if made.get("reference", "nothing") != "nothing":
        said.append(MARKS.format(made["reference"]))
    dotted = f"Dotted: {method.dotted(scores, made['quantity'])}."
    return " ".join([*said, *_common(store, scores, made), dotted])


def of_layers(store, scores, axis, made, chosen):
    """What profiles over layers show; scores : the rows of roi_scores that are drawn."""
    said = f"{SPOKEN.get(axis, axis)} of each layer in each region, each layer fitted by itself: lines are means over "
    said += f"{people(scores)}, bands their range."
    said += " Diamonds: each unit at the layer chosen by training images, with the range of subjects." * bool(chosen)
    return " ".join([said, *_common(store, scores, made)])


def _common(store, scores, made):
    """What every figure by region says besides."""
    said = [
        method.units(store, scores),
        method.quoted(store, scores.instruction),
        method.unasked(scores),
        method.read(store, scores.model),
        method.states(scores),
    ]
    said += [method.rule(made["layer"], scores.subject.nunique())] if "layer" in made else []
    said += [
        method.tested(store, scores.subject),
        method.fitted(store),
        method.regional_ceiling(store, scores, made["quantity"]),
    ]
    return list(filter(None, said))


def of_differences(store, frame, made):
    """What one model minus the others shows; frame : what `frames.differences` returns."""
    model, rows = made["model"], frames.sides(frame)
    maps = rows[["subject", "model", "instruction", "pooling"]].drop_duplicates()
    others = rows[[name for name in rows if name.startswith("minus_")]].drop_duplicates()
    others = others.rename(columns=lambda name: name.removeprefix("minus_"))
    nested = store.rows("roi_nested", roi=made["roi"]).merge(maps)
    asked = made.get("instruction", "")
    said = [
        f"{SPOKEN['r']} in the {frames.GROUPS.get(made['roi'], made['roi'])}: {model} minus each other model"
        f"{', with ' + asked if asked else ''}. Points: {people(frame)}, from top to bottom "
        f"{', '.join(sorted(set(frame.subject)))}; lines: 95 % intervals; filled: q < {frames.LEVEL}, blue where "
        f"{model} predicts better, red where it predicts worse ({method.PAIRED}, "
        f"{method.corrected(store.rows('roi_contrasts', subject=frame.subject.iloc[0]).merge(_pairs(frame)))}).",
        method.units(store, nested, "a subject") if len(nested) else "",
        _members(store, made["roi"]),
        method.quoted(store, [asked]),
        *_of_both(maps, others),
        method.read(store, {*maps.model, *others.model}),
        method.rule("chosen", 1),
        method.tested(store, frame.subject),
        method.fitted(store),
    ]
    return " ".join(filter(None, said))


def _pairs(frame):
    names = [name for name in frame if name[-2:] in ("_a", "_b")]
    return frame[["subject", *names]].drop_duplicates()


def _of_both(maps, others):
    both = [rows[["model", "instruction", "pooling"]] for rows in (maps, others)]
    rows = both[0].merge(both[1], how="outer").drop_duplicates()
    return method.states(rows), method.unasked(rows)


def _members(store, group):
    """The areas that a level's group is made of."""
    names = store.catalogue.members(group, {roi for s in store.subjects().subject for roi in store.rois(s)})
    return f"{frames.GROUPS[group].capitalize()}: {', '.join(names)}." if names else ""


def of_specialisation(store, frame, model):
    """What an instruction adds in each area to the mean of all."""
    own = frames.instructed(store.rows("roi_nested", model=model), store.catalogue)
    own = own[own.roi.isin(frame.columns)]
    said = (
        f"Which instruction suits which region, {model}: r with each instruction less the mean r of all "
        f"{len(frame)} instructions in that region (columns add up to 0); means over {people(own)}. Not tested: a "
        "column's highest is the best of many."
    )
    return " ".join([said, *_chosen_rows(store, own)])


def of_chosen(store, rows):
    """What the layers that areas choose show."""
    first = rows.iloc[0]
    asked = f" with {first.instruction}" if first.instruction else ""
    said = (
        f"The layer that each area's units choose (median), {first.model}{asked}: bars are means over {people(rows)}, "
        "points the subjects."
    )
    return " ".join([said, *_chosen_rows(store, rows)])


def _chosen_rows(store, rows):
    """States, layers, units, images and fits of rows of `roi_nested`."""
    said = [method.units(store, rows), method.quoted(store, rows.instruction), method.states(rows)]
    said.append(method.rule("chosen", 1))
    return [*filter(None, said), method.tested(store, rows.subject), method.fitted(store)]


def of_shares(store, rows):
    """What the states of a model depend on."""
    return (
        f"Shares of the variance of {rows.model.iloc[0]}'s states ({frames.pooling_name(rows.pooling.iloc[0])}) by "
        f"layer, over {rows.images.max()} pictures and all its instructions: what the picture explains whatever is "
        "asked, what the instruction explains whatever is seen, and what only both together explain (two-way analysis "
        "of variance without replication)."
    )


def of_coverage(store, cells):
    """What a store covers."""
    some = " (in brackets or with a star: not of every subject)" if (cells.said != cells.maps.map(str)).any() else ""
    return (
        f"What the study {store.info().get('study_name', '')} computed, {people(store.subjects())}: number of maps of "
        f"a subject by model and instruction{some}, one for each layer and way of pooling the hidden states; – is for "
        f"states that no instruction can change. {method.quoted(store, cells.instruction)}"
    )


# Variance ----------------------------------------------------------------------------------------------------


def of_variance(store, pair, a, b, roi):
    """What the circles and bars of two instructions show."""
    known = "shared_low" in pair and bool(pair.shared_low.notna().any())
    below = ", ".join(
        f"{name} {100 * pair[f'{part}_negative'].mean():.0f} %"
        for part, name in {"unique_a": f"{a} only", "shared": "shared", "unique_b": f"{b} only"}.items()
        if f"{part}_negative" in pair
    )
    return (
        f"Variance (R²) that {a} and {b} explain in {roi}, together and apart. Shared = R²({a}) + R²({b}) − R²(both), "
        f"only {a} = R²(both) − R²({b}); both together by banded ridge regression. Bars: signed means over "
        f"{people(pair)}; points: the subjects{f', with {method.INTERVAL}' * known}. "
        f"{f'Units below 0: {below}. ' * bool(below)}{_partitioned(store, pair, [a, b])}"
    )


def of_matrix(store, rows, a, part):
    """What one part of many pairs' variance shows."""
    named = {"shared": f"shared with {a}", "unique_a": f"that only {a} explains", "unique_b": "unique to each"}
    parts = {
        "shared": f"R²({a}) + R²(b) − R²(both)",
        "unique_a": "R²(both) − R²(b)",
        "unique_b": f"R²(both) − R²({a})",
    }
    return (
        f"Variance (R²) {named[part]}, {a} with each other instruction b in each region: {parts[part]}, signed, both "
        f"together by banded ridge regression; means over {people(rows)}. Not tested. "
        f"{_partitioned(store, rows, [a, *rows.b])}"
    )


def of_square(store, rows, part):
    """What one part of every two instructions' variance in a region shows."""
    said = {
        "shared": "shared by the instruction of the row and that of the column, on the diagonal R² of one alone: "
        "R²(row) + R²(column) − R²(both)",
        "unique_a": "that the instruction of the row explains beyond that of the column: R²(both) − R²(column)",
    }
    return (
        f"Variance (R²) in {rows.roi.iloc[0]} {said[part]}, signed, both together by banded ridge regression; means "
        f"over {people(rows)}. Not tested. {_partitioned(store, rows, [*rows.a, *rows.b])}"
    )


def of_unique(store, rows):
    """What each instruction explains beyond all the others."""
    ids = store.catalogue.sort_instructions(rows.instruction)
    return (
        f"R² in {rows.roi.iloc[0]} of the {len(ids)} instructions together less that of the others without this one, "
        f"by banded ridge regression. Bars: signed means over {people(rows)}; points: the subjects, with "
        f"{method.INTERVAL}; the intervals are of one instruction each, not corrected over {len(ids)}. "
        f"{_partitioned(store, rows, ids)}"
    )


def of_three(store, rows, three):
    """What the circles and bars of three instructions show."""
    return (
        f"Variance (R²) that {', '.join(three[:2])} and {three[2]} explain in {rows.roi.iloc[0]}, alone and together, "
        "by banded ridge regressions of each, each two and all three, whose R² make the seven parts by inclusion and "
        f"exclusion. Bars: signed means over {people(rows)}; points: the subjects, with {method.INTERVAL}. "
        f"{_partitioned(store, rows, three)}"
    )


def _partitioned(store, rows, ids):
    """Instructions, layers, units, test images and method of a partition of variance."""
    own = rows.drop_duplicates("subject")
    said = [
        method.quoted(store, ids),
        f"{rows.model.iloc[0]}, {method.states(rows)[8:]}",
        method.parted_at(store, own),
    ]
    said += [method.units(store, rows), method.tested(store, own.subject), method.fitted(store)]
    return " ".join(filter(None, said))
