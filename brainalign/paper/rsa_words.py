"""What captions and pages say of representational similarity."""

from brainalign.figures import frames, profiles
from brainalign.paper import method as methods
from brainalign.paper import words
from brainalign.paper.method import marks

UNMARKED = " Streams, which lie over the areas, are not tested."
DISTANCES = {
    "crossnobis": (
        "cross-validated squared distances of a region's response patterns (crossnobis, each unit by its own noise): "
        "products of {trials} only, so that noise does not raise them",
        "squared distances",
    ),
    "correlation": (
        "1 − Pearson r of a region's mean response patterns{covariance}: not cross-validated, so that noise raises "
        "them, and more for pictures shown fewer times, which are the same in all subjects",
        "1 − Pearson r",
    ),
}


def n_pictures(store):
    """How many test pictures the matrices are of."""
    counts = store.rows("rsa_ceilings").pictures
    return int(counts.max()) if len(counts) else 0


def titles(told, found):
    """What stands above the matrices: {"region", "model"}; told : rows of `rsa_chosen` of one map and region."""
    region = f"{told.roi.iloc[0]}, mean over {words.people(told)}"
    return {"region": region, "model": f"{map_name(told)}, layer {found['layer']}"}


def map_name(told):
    """A map in words."""
    return " with ".join(filter(None, told.iloc[0][["model", "instruction"]]))


def method(store):
    """Pictures, distances, comparison, ceiling, layers and intervals, as page and captions say it."""
    about, info = store.rows("rsa_ceilings").iloc[0], store.info()
    brain, states = DISTANCES.get(info.get("rsa_distance", ""), ("distances", "distances"))
    drift, n = methods.drift(store), about.pictures
    trials, often = ("trials of different runs", " in two runs") if drift else ("different trials", " at least twice")
    often = often if info.get("rsa_distance") == "crossnobis" else ""
    brain = brain.format(trials=trials, covariance=f", covariances of {trials}" if drift else "")
    return (
        f"{n} test pictures that all subjects saw{often}. {drift}{' ' * bool(drift)}Brain: {brain}; units with a "
        f"noise ceiling of at least {info.get('min_nc', '?')} %. Model: {states} of states standardised by training "
        f"pictures. Compared by ρₐ, the rank correlation of all {n * (n - 1) // 2:,} pairs, to which ties add "
        "nothing. Noise ceiling: agreement of a subject's matrix with the mean of the others' (lower bound) and of "
        "all (upper), means over subjects. Layer: for each subject and region the one most similar on "
        f"{about.training} training pictures; the test pictures had no say. Intervals: 95 %, by drawing test pictures "
        "with replacement, pairs of a picture with itself left out."
    )


def _whose(made):
    one = made["model"] if made["by"] == "instruction" else made["instruction"]
    return f"{one} with each instruction" if made["by"] == "instruction" else f"each model with {one}"


def of_bars(store, rows, frame, made):
    """What bars by region show; rows : of `rsa_chosen`, frame : what is drawn of them."""
    said = [f"Representational similarity of each region's responses and the states of {_whose(made)}."]
    said += [
        f"Bars: means over {words.people(frame)}; points: the subjects with their intervals; grey: noise ceiling."
    ]
    if made.get("reference", "nothing") != "nothing":
        own = frames.contrasts_of(store.rows("rsa_contrasts"), rows)
        said.append(marks(store, "rsa_contrasts", own, made["reference"]))
    return " ".join([*said, f"States: {frames.pooling_name(made['pooling'])}.", method(store)])


def of_layers(store, frame, made, chosen):
    """What profiles over layers show."""
    roi = frame.roi.iloc[0] if len(frame) else ""
    return (
        f"Representational similarity of {roi} and every layer of {_whose(made)}, means over {words.people(frame)} in "
        f"the range of subjects; diamonds: at the layers that training pictures choose. "
        f"{profiles.too_high(profiles.tops(frame, chosen))} {method(store)}"
    )


def of_matrices(store, told, found, made):
    """What two matrices and their arrangements show."""
    name, order = titles(told, found), made.get("sorted", "region")
    return (
        f"Distances between {len(found['ids'])} of the test pictures, ranked within each matrix: {name['region']}, "
        f"and {name['model']}; both in the order of the {order}'s first direction. Similarity over all test pictures: "
        f"ρₐ = {told.rho.mean():.2f}, mean over {words.people(told)}. Below, the same pictures where classical "
        f"multidimensional scaling puts them: near means alike. {method(store)}"
    )
