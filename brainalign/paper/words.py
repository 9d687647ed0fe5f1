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
    said += [f"Bars: means over {frame.subject.nunique()} subjects; points: the subjects"]
    said[-1] += f"{', with 95 % intervals by drawing test images with replacement' * known}; dotted: noise ceiling."
    if made.get("reference", "nothing") != "nothing":
        said.append(MARKS.format(made["reference"]))
    return " ".join(said + _common(store, frame, made))


def of_layers(store, frame, axis, made, chosen):
    """What profiles over layers show."""
    which = "that left-out training images choose (median over units)" if chosen else "with the highest mean"
    said = f"{SPOKEN.get(axis, axis)} of each layer in each region: means over {frame.subject.nunique()} subjects and "
    said += f"over the region's reliable units. A ring marks the layer {which}."
    return " ".join([said, *_common(store, frame, made)])


def of_comparison(store, frame, axis, made):
    """What a model beside its controls shows."""
    asked = made.get("instruction", "no instruction")
    said = (
        f"{SPOKEN.get(axis, axis)} by region of {made['model']} with {asked} and of "
        f"{made['controls'].replace(',', ', ')}. Large marks: means over {frame.subject.nunique()} subjects; short "
        "lines: the subjects; dotted: noise ceiling. Right: mean difference to the best control, and in how many "
        "subjects it is above 0."
    )
    return " ".join([said, *_common(store, frame, made)])


def _common(store, frame, made):
    """What every figure by region says besides."""
    subjects = sorted(set(frame.subject))
    said = [rule(made["layer"], len(subjects))] if "layer" in made else []
    return [*said, tested(store, subjects), ceiling(store, made["quantity"]), method(store, made["pooling"])]


def of_variance(store, pair, a, b, roi):
    """What the circles and bars of two instructions show."""
    layers = ", ".join(f"{row.layer} ({row.subject})" for row in pair.itertuples())
    units = f"{pair.n.min()}–{pair.n.max()}" if pair.n.min() < pair.n.max() else pair.n.min()
    known = "shared_low" in pair and bool(pair.shared_low.notna().any())
    return (
        f"Variance (R²) that {a} and {b} explain in {roi}, together and apart. Bars: signed means over {len(pair)} "
        f"subjects; points: the subjects{', with 95 % intervals by drawing test images' * known}. {quoted([a, b])}. "
        f"Shared = R²({a}) + R²({b}) − R²(both), only {a} = R²(both) − R²({b}); both together by banded ridge "
        f"regression. Model layer {layers}; {units} reliable units. {tested(store, pair.subject)} "
        f"{method(store, pair.pooling.iloc[0])}"
    )
