"""Sentences of method that captions are made of: data, states, layers, fits, ceilings, tests."""

import tomllib
from pathlib import PurePath

from brainalign.figures import frames
from brainalign.study import ANSWERS

OWN = "the best in each region, chosen on the same test images and so a little too good"
CHOSEN = "for each unit the one that predicts left-out training images best; the test images had no say"
BY_TRAINING = "by cross-validation on training images"
OTHERS = "for each region and subject the one that was best in the other subjects"
FORMULA = "NC = 100 · ncsnr² / (ncsnr² + mean(1/n)) percent of variance, n the repeats of each test image"
DOTTED = {  # in a store of an earlier version
    "r_mean": "√(NC/100), averaged over the region's units",
    "r2_mean": "NC/100, averaged over the region's units",
    "r_norm_mean": "1",
}
PAIRED = "paired bootstrap of the difference over test images, two-sided"
OF_REGION = (
    "Noise ceiling: what a perfect model would reach on average over the same units, from NC = 1 − v · mean(1/n) / "
    "var(y), v the variance of trials about their test image's mean, n the repeats of each test image, var(y) the "
    "variance of their means; the scatter of training images' trials chose the units."
)
OF_UNIT = "Of a single unit this ratio carries the noise of its NC."
INTERVAL_OF_RATIO = "its interval draws both on the same test images"
KNOWN = (
    "less its floor, which is what estimating weights from a finite number of training images adds to it or takes "
    "from it (by the predictive variance of ridge regression)"
)
HELD = (
    "95 % intervals by drawing test images with replacement, the weights as fitted; added are the differences of "
    "units that test images do not explain, and 15 % of the floor as its own standard error"
)
TESTED = (
    "two-sided by the same draws of the part less its floor with and without the cost of shrinkage, the less sure of "
    "both; q < {} by Benjamini–Hochberg over the {} of a subject in the region, not corrected over regions{}"
)
INTERVAL = "95 % intervals by drawing test images with replacement, without fitting again"
BORROWED = " (as today's table has them; the store, of an earlier version, does not carry them: publish again)"
WEAK = 0.2  # kappa below which agreement is slight (Landis and Koch 1977, Biometrics 33:159)


def people(rows):
    """`4 subjects`: how many there are in rows."""
    n = rows.subject.nunique()
    return f"{n} subject{'s' * (n != 1)}"


def simulated(store):
    """A warning, where one is due."""
    return "SIMULATED DATA: this says how the software works and nothing about brains. " if store.simulated else ""


def tested(store, subjects):
    """`Test images: subj01 149, shown 2.8 times on average; ...`."""
    about = store.subjects().set_index("subject")
    rows = [(name, about.loc[name]) for name in sorted(set(subjects)) if name in about.index]
    said = (f"{name} {row.test_images:.0f}, shown {row.repeats_mean:.1f} times on average" for name, row in rows)
    return f"Test images: {'; '.join(said)}."


def units(store, rows, what="a region and subject"):
    """`17–208 reliable units a region and subject (...).`, of rows with a column n."""
    low, high = int(rows.n.min()), int(rows.n.max())
    n = f"{low}–{high}" if low < high else low
    return f"{n} reliable units {what} ({reliable(store)})."


def reliable(store):
    """Which units a region's means are taken over."""
    return f"data in every session, noise ceiling of at least {store.info().get('min_nc', '0')} %"


def drift(store):
    """What was done to trials that are compared between subjects; "" for stores of versions that did nothing."""
    degree = store.info().get("trend_degree")
    return (
        f"All subjects saw the pictures in one order: what drifts in the course of a run, fitted by a polynomial of "
        f"degree {degree}, was taken out of each unit's trials."
        if degree
        else ""
    )


def quoted(store, ids):
    """`Instructions: IC: “Generate some text ...”; VQ1: ...`, in the words that the store carries."""
    said = store.catalogue.quoted(ids)
    return f"Instructions{BORROWED * store.catalogue.borrowed}: {'; '.join(said)}." if said else ""


def states(rows):
    """Which hidden states were taken, of each model where they differ; rows : with model, instruction and pooling."""
    of = {}
    for model, pooling in rows[["model", "pooling"]].drop_duplicates().itertuples(index=False):
        of.setdefault(frames.pooling_name(pooling), []).append(model)
    if len(of) == 1:
        return f"States: {next(iter(of))}."
    return f"States: {'; '.join(f'{chr(44).join(models)}: {name}'.replace(',', ', ') for name, models in of.items())}."


def unasked(rows):
    """Which models had no instruction, where others had one."""
    without = list(dict.fromkeys(rows[rows.instruction == ""].model))
    return f"Without instruction: {', '.join(without)}." if without and (rows.instruction != "").any() else ""


def read(store, models):
    """What of these models read a text about each picture: another one's answers or captions."""
    chosen = tomllib.loads(store.info().get("study_toml", "")).get("models", [])
    texts = {one["name"]: one["text"] for one in chosen if one.get("text") and one["name"] in set(models)}
    said = (f"{model} read {_text(text)} about each picture" for model, text in texts.items())
    return f"Texts: {'; '.join(said)}." if texts else ""


def _text(text):
    source = text.removeprefix(ANSWERS)
    return f"the answer of {source}" if source != text else f"a caption ({PurePath(text).name})"


def rule(layer, subjects):
    """How the layer was chosen."""
    if layer == "chosen":
        return f"Layer: {CHOSEN}."
    return f"Layer: {OTHERS if subjects > 1 else OWN}." if layer == "best" else f"Layer {layer}."


def parted_at(store, rows):
    """The layers at which instructions enter a partition of variance; rows : of the store's tables of parts."""
    choice = tomllib.loads(store.info().get("study_toml", "")).get("variance", {})
    found = frames.entered(rows)
    if choice.get("layer", "best") != "best":
        return f"Layer {found.layer.iloc[0]}, as the study says."
    if not store.own_layers:
        of = choice.get("anchor", "IC")
        return f"Layer, for all instructions that of {of} ({BY_TRAINING}): {_where(found)}."
    ids = store.catalogue.sort_instructions(found.instruction)
    each = (f"{id} {_where(found[found.instruction == id])}" for id in ids)
    return f"Layers, of each instruction its own ({BY_TRAINING}): {', '.join(each)}."


def _where(layers):
    """`5`, or `5 (subj01, subj02) and 4 (subj05)`; layers : rows with subject and layer."""
    of = layers.drop_duplicates(["subject", "layer"]).groupby("layer", sort=False).subject.agg(", ".join)
    return str(of.index[0]) if len(of) == 1 else " and ".join(f"{layer} ({names})" for layer, names in of.items())


def fitted(store):
    """How scores come about, for every kind of figure."""
    info = store.info()
    choice = tomllib.loads(info.get("study_toml", "")).get("encoding", {})
    folds = f"{choice['folds']}-fold " if "folds" in choice else ""
    pixels = info.get("pixels", "0")
    shown = f" Models were shown pictures resized to {pixels} x {pixels} pixels." if pixels != "0" else ""
    what = "vertices of fsaverage" if info.get("space") == "fsaverage" else f"voxels of {info.get('space', '')}"
    return (
        f"Ridge regression from the states to the response of each unit ({what}), fitted on training images, the "
        f"penalty of each unit chosen by {folds}cross-validation among them; scores are of the held-out test images."
        f"{shown}"
    )


def ceiling(store, quantity=""):
    """What the noise ceiling of a unit is, and the threshold of what is divided by it."""
    least = store.info().get("min_nc", "0")
    text = f"Noise ceiling: what a perfect model would reach, {FORMULA}"
    return f"{text}; r / √(NC/100) counts units with NC ≥ {least} %. {OF_UNIT}" if "norm" in quantity else f"{text}."


def regional_ceiling(store, rows, quantity=""):
    """What the noise ceiling of a region is; rows : of roi_scores or roi_nested."""
    if not _of_trials(rows):
        return ceiling(store, quantity)
    return f"{OF_REGION} r / ceiling: the mean r over that; {INTERVAL_OF_RATIO}." if "norm" in quantity else OF_REGION


def dotted(rows, quantity):
    """What stands dotted in a figure of regions, in its grey band; rows : of roi_scores or roi_nested."""
    if not _of_trials(rows) or quantity == "r_norm_mean":
        return DOTTED[quantity]
    band = ", in grey its 95 % interval by drawing test images, mean of the subjects'"
    return "noise ceiling" + band * (quantity == "r_mean")


def _of_trials(rows):
    """Whether ceilings are by trials that did not choose the units; by ncsnr in stores of an earlier version."""
    return "r_ceiling_low" in rows and bool(rows.r_ceiling_low.notna().any())


def family(store, table, own):
    """The family of the q of some rows in words and numbers: (over what they are corrected, over what they are not),
    the latter "" where the store holds no such test.

    table : "roi_contrasts", "rsa_contrasts" or "rsa_chosen", of which `own` are rows; or "nested", of single units,
    where `own` are rows with the subjects whose maps are seen
    """
    per, maps = list(frames.MAP), store.rows("roi_nested" if table == "nested" else table)
    if "contrasts" in table:
        per, maps, own = [f"{name}_{side}" for side in "ab" for name in per], *map(frames.of_two_maps, (maps, own))
    if table == "nested":
        tested = store.reliable_units()
        n = [tested[subject] for subject in set(own.subject) & set(tested)]
    else:
        whole = maps.merge(own[["subject", *per]].drop_duplicates())  # of comparisons of which one region may be seen
        n = whole[whole.q.notna()].groupby(["subject", *per]).roi.nunique()
    what, one = "reliable unit" if table == "nested" else "region", "comparison" if "contrasts" in table else "map"
    others = _counted(len(maps[per].drop_duplicates()), one)
    beyond = f"{others} and {_counted(maps.subject.nunique(), 'subject')} of this store" if len(maps) else ""
    return f"{_span(n, what)} of one {one} in one subject", beyond


def _span(n, what):
    low, high = (min(n), max(n)) if len(n) else (0, 0)
    return f"{low:,}–{high:,} {what}s" if low < high else _counted(high, what) if high else f"{what}s"


def _counted(n, what):
    return f"{n:,} {what}{'s' * (n != 1)}"


def corrected(store, table, own):
    """How tests are corrected, and for what they are not; arguments as of `family`."""
    over, beyond = family(store, table, own)
    overlap = ", of which some contain others" if table != "nested" else ""
    left = f"not corrected over the {beyond}" if beyond else "this store holds no such test"
    return f"Benjamini–Hochberg over the {over}{overlap}; {left}"


def short_family(store, table, own):
    """The same in a line that stands on a figure and in its table; "" where the store holds no such test."""
    over, beyond = family(store, table, own)
    return f"q over the {over}; not corrected over the {beyond}" if beyond else ""


def marks(store, table, own, reference):
    """What the triangles of differences from a reference mean."""
    return (
        f"▲ better or ▼ worse than {reference} in every subject, △ ▽ in at least half and opposite in none: {PAIRED}, "
        f"q < {frames.LEVEL} by {corrected(store, table, own)}."
    )
