"""What a caption says of the method: test images, repeats, ceiling, threshold, pooling, choice of layer."""

from brainalign.figures import frames
from brainalign.tables import instructions

OWN = "the best in each region, chosen on the same test images and so a little too good"
OTHERS = "for each region and subject the one that was best in the other subjects"


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


def best_rule(layer, subjects):
    """How the layer was chosen."""
    if layer != "best":
        return f"Layer {layer}."
    return f"Layer: {OTHERS if subjects > 1 else OWN}."
