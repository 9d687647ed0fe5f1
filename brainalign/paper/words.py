"""Drafts of captions: what is seen, of whom, with which states and layers, how it was computed and how sure it is."""

from brainalign.figures import frames, numerals, profiles
from brainalign.figures.regions import crowded
from brainalign.paper import method
from brainalign.paper.method import CHOSEN, people, simulated

__all__ = ["CHOSEN", "people", "simulated"]
PARTS = ("unique_a", "shared", "unique_b")
SPOKEN = {
    "r": "Pearson r of predicted and measured response",
    "R²": "Share of the response's variance that is predicted (R²)",
    "r / noise ceiling": "Pearson r of predicted and measured response over the best possible",
}


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
        own = frames.contrasts_of(store.rows("roi_contrasts"), scores)
        said.append(method.marks(store, "roi_contrasts", own, made["reference"]))
    dotted = f"Dotted: {method.dotted(scores, made['quantity'])}."
    return " ".join([*said, *_common(store, scores, made), dotted])


def of_layers(store, scores, axis, made, frame, chosen):
    """What profiles over layers show; scores : the rows of roi_scores that are drawn, as `frame` and `chosen`."""
    said = f"{SPOKEN.get(axis, axis)} of each layer in each region, each layer fitted by itself: lines are means over "
    said += f"{people(scores)}, bands their range."
    said += " Diamonds: each unit at the layer chosen by training images, with the range of subjects." * bool(
        len(chosen)
    )
    said += f" {profiles.too_high(profiles.tops(frame, chosen))}"
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
        f"{method.corrected(store, 'roi_contrasts', frame)}).",
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
    interval = f", with {interval_of(pair)}" * known
    return _sentences(
        f"Variance (R²) that {a} and {b} explain in {roi}, together and apart. Shared = R²({a}) + R²({b}) − R²(both), "
        f"only {a} = R²(both) − R²({b}); both together by banded ridge regression. {reduced(pair)}",
        f"Bars: signed means over {people(pair)}; points: the subjects{interval}.",
        claims_of_pair(pair, a, b),
        units_negative(pair, a, b),
        at_other_layers(pair, a, b),
        _partitioned(store, pair, [a, b]),
    )


def reduced(rows):
    """What is drawn of each part; "" in stores of an earlier version, which have the part itself."""
    return f"Each part is drawn {method.KNOWN}; dotted lines: the part itself." if frames.floored(rows) else ""


def interval_of(rows):
    """What the intervals are of, and what they hold fixed."""
    return method.HELD if frames.floored(rows) else method.INTERVAL


def units_negative(pair, a, b):
    """Of how many units a part itself is negative, which noise alone makes of half."""
    shares = {part: pair[f"{part}_negative"].mean() for part in PARTS if f"{part}_negative" in pair}
    told = ", ".join(f"{called(a, b)[part]} {100 * share:.0f} %" for part, share in shares.items())
    return f"Units whose raw value is negative: {told}." if told else ""


def called(a, b):
    """The parts of a pair in words."""
    return {"unique_a": f"{a} only", "shared": "shared", "unique_b": f"{b} only"}


def claims_of_pair(pair, a, b):
    """Which parts of a pair are told from 0."""
    return claims(frames.less_floor(pair), called(a, b), "three parts", " and pairs")


def claims(frame, names, family, also=""):
    """Which parts lie above 0 and which below, by a test and not by their intervals; "" where none was made.

    frame : as for `figures.signed_bars`; names : part -> in words; family : over what is corrected; also : over what
    else not
    """
    if not any(f"{name}_p" in frame and frame[f"{name}_p"].notna().any() for name in names):
        return ""
    n = len(frame)
    where = f"in {frame.subject.iloc[0]}" if n == 1 else f"in each of {n} subjects"
    above, below = (", ".join(names[one] for one in side) or "none" for side in frames.claimed(frame, names))
    return f"Above 0 {where}: {above}; below 0: {below} ({method.TESTED.format(frames.LEVEL, family, also)})."


def at_other_layers(pair, a, b):
    """What the parts would be, had both entered at the layer of the one or the other; "" where that is not known."""
    if not frames.elsewhere(pair):
        return ""
    names, told = called(a, b), []
    for side, of in zip("ab", (a, b)):
        values = (f"{name} {numerals.said(pair[f'{part}_at_{side}'].mean())}" for part, name in names.items())
        told.append(f"at that of {of}: {', '.join(values)}")
    return f"Diamonds: the means had both entered at one layer, {'; '.join(told)}."


def _sentences(*each):
    return " ".join(filter(None, each))


def how_much_layers_matter(rows, part):
    """By how much a part of many pairs changes with the layer at which both enter; "" where that is not known."""
    moved, rows = [f"{part}_at_a", f"{part}_at_b"], rows.dropna(subset=[part])
    if not frames.elsewhere(rows) or rows[moved].isna().any(axis=None):
        return ""
    means = rows.groupby(["b", "roi"])[[part, *moved]].mean()
    change = means[moved].sub(means[part], axis=0).abs().to_numpy()
    return (
        "Had both entered at the layer of either, these values would differ by "
        f"{numerals.said(change.mean(), 4)} on average and by {numerals.said(change.max(), 4)} at most."
    )


def of_matrix(store, rows, a, part):
    """What one part of many pairs' variance shows."""
    named = {"shared": f"shared with {a}", "unique_a": f"that only {a} explains", "unique_b": "unique to each"}
    parts = {
        "shared": f"R²({a}) + R²(b) − R²(both)",
        "unique_a": "R²(both) − R²(b)",
        "unique_b": f"R²(both) − R²({a})",
    }
    return _sentences(
        f"Variance (R²) {named[part]}, {a} with each other instruction b in each region: {parts[part]}, signed, both "
        f"together by banded ridge regression{less(rows)}; means over {people(rows)}. Not tested.",
        how_much_layers_matter(rows, part),
        _partitioned(store, rows, [a, *rows.b]),
    )


def less(rows):
    """What is taken from each value of a matrix; "" in stores of an earlier version."""
    return f", {method.KNOWN}" if frames.floored(rows) else ""


def of_square(store, rows, part):
    """What one part of every two instructions' variance in a region shows."""
    said = {
        "shared": "shared by the instruction of the row and that of the column, on the diagonal R² of one alone: "
        "R²(row) + R²(column) − R²(both)",
        "unique_a": "that the instruction of the row explains beyond that of the column: R²(both) − R²(column)",
    }
    return (
        f"Variance (R²) in {rows.roi.iloc[0]} {said[part]}, signed, both together by banded ridge regression"
        f"{less(rows)}; means over {people(rows)}. Not tested. {_partitioned(store, rows, [*rows.a, *rows.b])}"
    )


def of_unique(store, rows):
    """What each instruction explains beyond all the others."""
    ids = store.catalogue.sort_instructions(rows.instruction)
    return _sentences(
        f"R² in {rows.roi.iloc[0]} of the {len(ids)} instructions together less that of the others without this one, "
        f"by banded ridge regression. {reduced(rows)}",
        f"Bars: signed means over {people(rows)}; points: the subjects, with {interval_of(rows)}.",
        claims_of_each(frames.apart(rows, "instruction", "unique_r2", ids), ids),
        _partitioned(store, rows, ids),
    )


def claims_of_each(frame, ids):
    """Which instructions explain something beyond all the others; frame : as `frames.apart` makes it."""
    return claims(frame, {id: id for id in ids}, f"{len(ids)} instructions")


def of_three(store, rows, three):
    """What the circles and bars of three instructions show."""
    return _sentences(
        f"Variance (R²) that {', '.join(three[:2])} and {three[2]} explain in {rows.roi.iloc[0]}, alone and together, "
        "by banded ridge regressions of each, each two and all three, whose R² make the seven parts by inclusion and "
        f"exclusion. {reduced(rows)}",
        f"Bars: signed means over {people(rows)}; points: the subjects, with {interval_of(rows)}.",
        claims_of_three(frames.apart(rows, "part", "value", frames.parts_of_three(three)), three),
        _partitioned(store, rows, three),
    )


def claims_of_three(frame, three):
    """Which of the seven parts are told from 0; frame : as `frames.apart` makes it."""
    names = {part: " + ".join(members) for part, members in frames.parts_of_three(three).items()}
    return claims(frame, names, "seven parts", " and sets of three")


def _partitioned(store, rows, ids):
    """Instructions, layers, units, test images and method of a partition of variance."""
    said = [
        method.quoted(store, ids),
        f"{rows.model.iloc[0]}, {method.states(rows)[8:]}",
        method.parted_at(store, rows),
    ]
    said += [method.units(store, rows), method.tested(store, rows.subject), method.fitted(store)]
    return " ".join(filter(None, said))
