"""What a caption says of the method: test images, repeats, ceiling, threshold, pooling, choice of layer."""

import numpy as np

from brainalign.figures import frames
from brainalign.tables import instructions

OWN = "the best in each region, chosen on the same test images and so a little too good"
CHOSEN = "for each unit the one that predicts left-out training images best; the test images had no say"
OTHERS = "for each region and subject the one that was best in the other subjects"
SPOKEN = {
    "r": "Pearson r of predicted and measured response",
    "R²": "Share of the response's variance that is predicted (R²)",
    "r / noise ceiling": "Pearson r of predicted and measured response over the best possible",
}
MARKS = (
    "▲ better or ▼ worse than {} in every subject, △ ▽ in at least half and opposite in none: paired bootstrap of the "
    "difference over test images, two-sided, Benjamini–Hochberg over regions, q < 0.05."
)


def people(rows):
    """`4 subjects`: how many there are in rows."""
    n = rows.subject.nunique()
    return f"{n} subject{'s' * (n != 1)}"


def tested(store, subjects):
    """`subj01: 149 test images shown 2.8 times on average; ...`."""
    about = store.subjects().set_index("subject")
    rows = [(name, about.loc[name]) for name in subjects if name in about.index]
    said = [
        f"{name}: {row.test_images:.0f} test images shown {row.repeats_mean:.1f} times on average"
        for name, row in rows
    ]
    return "; ".join(said) + "."


def method(store, pooling=None):
    """How the numbers were made, for every kind of figure."""
    info = store.info()
    states = f" of {frames.POOLINGS.get(pooling, pooling)}" if pooling else ""
    return (
        f"Ridge regression from the model's hidden states{states} to each unit's response, fitted on training images "
        f"with the penalty chosen by cross-validation; scores are of held-out test images ({info.get('space', '')})."
    )


def ceiling(store, quantity=""):
    """What the noise ceiling is, and the threshold of what is divided by it."""
    least = store.info().get("min_nc", "0")
    text = "Noise ceiling: what a perfect model would reach given the repeats of each test image"
    return f"{text}; r / ceiling counts units with at least {least} %." if "norm" in quantity else f"{text}."


def simulated(store):
    """A warning, where one is due."""
    return "SIMULATED DATA: this says how the software works and nothing about brains. " if store.simulated else ""


def quoted(ids):
    """`IC: "Generate some text ..."; ...` for the instructions of the table."""
    known = instructions()
    return "; ".join(f"{id}: “{known[id].text}”" for id in ids if id in known)


def rule(layer, subjects):
    """How the layer was chosen."""
    if layer == "chosen":
        return f"Layer: {CHOSEN}."
    return f"Layer: {OTHERS if subjects > 1 else OWN}." if layer == "best" else f"Layer {layer}."


def of_maps(store, maps):
    """What one or several maps show, as a caption says it."""
    said = []
    for one in dict.fromkeys(m.picture.about for m in maps):
        m = next(m for m in maps if m.picture.about == one)
        layers = {x.picture.name(x.picture.layers[x.picture.row(x.layer)]) for x in maps if x.picture.about == one}
        said.append(f"{one}{', ' if m.picture.layered else ''}{' or '.join(sorted(layers))}.")
    counts = "; ".join(f"{m.title or m.subject} {m.shown.sum():,} of {m.shown.size:,}" for m in maps)
    limits = "; values beyond the ends of the colour bar have the end's colour"
    least = f"{maps[0].threshold:g} %"
    said.append(tested(store, dict.fromkeys(m.subject for m in maps)))
    said.append(f"Coloured: units with a value and a noise ceiling of at least {least} ({counts}){limits}.")
    return " ".join(said)


def of_regions(store, frame, axis, made):
    """What bars by region show."""
    one = made["model"] if made["by"] == "instruction" else made["instruction"]
    whose = f"{one} with each instruction" if made["by"] == "instruction" else f"each model with {one}"
    known = bool(frame.get("low", frame.value * np.nan).notna().any())
    said = [f"{SPOKEN.get(axis, axis)} by region, {whose}; means over the region's reliable units."]
    said += [f"Bars: means over {people(frame)}; points: the subjects"]
    said[-1] += f"{', with 95 % intervals by drawing test images with replacement' * known}; dotted: noise ceiling."
    if made.get("reference", "nothing") != "nothing":
        said.append(MARKS.format(made["reference"]))
    return " ".join(said + _common(store, frame, made))


def of_layers(store, frame, axis, made, chosen):
    """What profiles over layers show."""
    which = "that left-out training images choose (median over units)" if chosen else "with the highest mean"
    said = f"{SPOKEN.get(axis, axis)} of each layer in each region: means over {people(frame)} and "
    said += f"over the region's reliable units. A ring marks the layer {which}."
    return " ".join([said, *_common(store, frame, made)])


def of_differences(store, frame, made):
    """What one model minus the others shows."""
    subjects, model, asked = sorted(set(frame.subject)), made["model"], made.get("instruction", "")
    said = (
        f"{SPOKEN['r']} in the {frames.GROUPS.get(made['roi'], made['roi'])}: {model} minus each other model"
        f"{', with ' + asked if asked else ''}, each the mean over the region's reliable "
        f"units. Points: {people(frame)}, from top to bottom {', '.join(subjects)}; lines: 95 % intervals "
        f"by a paired bootstrap over test images; filled: q < {frames.LEVEL} (two-sided, Benjamini–Hochberg over "
        f"regions), blue where {model} predicts better, red where it predicts worse."
    )
    said += f" {quoted([asked])}." if asked else ""
    return " ".join([said, rule("chosen", len(subjects)), tested(store, subjects), method(store)])


def of_specialisation(store, frame, model):
    """What an instruction adds in each area to the mean of all."""
    own = store.rows("roi_nested", model=model)
    own, subjects = own[own.roi.isin(frame.columns) & own.instruction.isin(frame.index)], sorted(set(own.subject))
    said = (
        f"Which instruction suits which region, {model}: r with each instruction less the mean r of all "
        f"{len(frame)} instructions in that region (columns add up to 0); means over {people(own)} and "
        f"over the region's reliable units ({own.n.min()}–{own.n.max()} a subject). {quoted(frame.index)}."
    )
    return " ".join([said, rule("chosen", len(subjects)), tested(store, subjects), method(store)])


def of_coverage(store, cells):
    """What a store covers."""
    some = " (in brackets or with a star: not of every subject)" if (cells.said != cells.maps.map(str)).any() else ""
    return (
        f"What the study {store.info().get('study_name', '')} computed, {people(store.subjects())}: number of maps of "
        f"a subject by model and instruction{some}, one for each layer and way of pooling the hidden states; – is for "
        f"states that no instruction can change. {quoted(frames.asked_in_order(cells.instruction))}"
    )


def of_chosen(store, rows):
    """What the layers that areas choose show."""
    first, subjects = rows.iloc[0], sorted(set(rows.subject))
    asked = f" with {first.instruction}" if first.instruction else ""
    said = (
        f"The layer that each area's units choose (median), {first.model}{asked}: bars are means over "
        f"{people(rows)}, points the subjects. {rule('chosen', len(subjects))} "
        f"{rows.n.min()}–{rows.n.max()} reliable units an area and subject."
    )
    return " ".join([said, tested(store, subjects), method(store, first.pooling)])


def of_shares(store, rows):
    """What the states of a model depend on."""
    return (
        f"Shares of the variance of {rows.model.iloc[0]}'s states ({frames.pooling_name(rows.pooling.iloc[0])}) by "
        f"layer, over {rows.images.max()} pictures and all its instructions: what the picture explains whatever is "
        "asked, what the instruction explains whatever is seen, and what only both together explain (two-way analysis "
        "of variance without replication)."
    )


def _common(store, frame, made):
    """What every figure by region says besides."""
    subjects = sorted(set(frame.subject))
    said = [rule(made["layer"], len(subjects))] if "layer" in made else []
    return [*said, tested(store, subjects), ceiling(store, made["quantity"]), method(store, made["pooling"])]


def of_variance(store, pair, a, b, roi):
    """What the circles and bars of two instructions show."""
    known = "shared_low" in pair and bool(pair.shared_low.notna().any())
    return (
        f"Variance (R²) that {a} and {b} explain in {roi}, together and apart. Bars: signed means over {people(pair)}"
        f"; points: the subjects{', with 95 % intervals by drawing test images' * known}. {quoted([a, b])}. "
        f"Shared = R²({a}) + R²({b}) − R²(both), only {a} = R²(both) − R²({b}); both together by banded ridge "
        f"regression. {_fitted(store, pair)}"
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
        f"together by banded ridge regression; means over {people(rows)}. "
        f"{quoted([a, *sorted(set(rows.b))])}. {_fitted(store, rows)}"
    )


def of_unique(store, rows):
    """What each instruction explains beyond all the others."""
    ids = frames.in_order(rows.instruction, instructions())
    return (
        f"R² in {rows.roi.iloc[0]} of the {len(ids)} instructions together less that of the others without this one, "
        f"by banded ridge regression. Bars: signed means over {people(rows)}; points: the "
        f"subjects, with 95 % intervals by drawing test images. {quoted(ids)}. {_fitted(store, rows)}"
    )


def of_three(store, rows, three):
    """What the circles and bars of three instructions show."""
    return (
        f"Variance (R²) that {', '.join(three[:2])} and {three[2]} explain in {rows.roi.iloc[0]}, alone and together, "
        "by banded ridge regressions of each, each two and all three, whose R² make the seven parts by inclusion and "
        f"exclusion. Bars: signed means over {people(rows)}; points: the subjects, with 95 % "
        f"intervals by drawing test images. {quoted(three)}. {_fitted(store, rows)}"
    )


def _fitted(store, rows):
    """Layers, units, test images and method of a partition of variance."""
    own = rows.drop_duplicates("subject")
    layers = ", ".join(f"{row.layer} ({row.subject})" for row in own.itertuples())
    units = f"{rows.n.min()}–{rows.n.max()}" if rows.n.min() < rows.n.max() else rows.n.min()
    said = f"Model layer {layers}; {units} reliable units."
    return f"{said} {tested(store, own.subject)} {method(store, rows.pooling.iloc[0])}"
