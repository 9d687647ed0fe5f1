"""Sentences of method that captions are made of: data, states, layers, fits, ceilings, tests."""

import tomllib
from pathlib import PurePath

from brainalign.figures import frames
from brainalign.study import ANSWERS

OWN = "the best in each region, chosen on the same test images and so a little too good"
CHOSEN = "for each unit the one that predicts left-out training images best; the test images had no say"
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
    """The layers of a partition of variance; rows : with subject and layer."""
    choice = tomllib.loads(store.info().get("study_toml", "")).get("variance", {}).get("layer", "best")
    how = " (by cross-validation on training images)" if choice == "best" else ""
    each = rows.drop_duplicates(["subject", "layer"])
    if each.layer.nunique() == 1:
        return f"Layer {each.layer.iloc[0]}{how}."
    return f"Layer{how}: {', '.join(f'{row.layer} ({row.subject})' for row in each.itertuples())}."


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


def corrected(contrasts):
    """Over what tests were corrected, and over what not; contrasts : rows of `roi_contrasts`, of one comparison."""
    n = contrasts.groupby([name for name in contrasts if name[-2:] in ("_a", "_b")]).roi.nunique()
    over = f"the {n.max()} regions" if len(n) else "the regions"
    return (
        f"Benjamini–Hochberg over {over} of one comparison and subject, of which some contain others; not corrected "
        "over comparisons and subjects"
    )
