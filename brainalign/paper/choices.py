"""From a store and what is asked for, in the words of the pages' links, to a `Plot`: the command line's way in.

What is not asked for is what the page shows at first. A name that the store lacks is an error that suggests one.
Several subjects or instructions, separated by commas, make a grid of flatmaps.
"""

from difflib import get_close_matches
from urllib.parse import parse_qsl, urlsplit

from brainalign.paper import maps, partition, regional, rsa_asked
from brainalign.paper.wish import Wish, match

LINKED = {
    "layers": {"instructions": "instruction lines", "models": "model lines"}
}  # choices that pages name otherwise
GROUPED = ("quantity", "model", "instruction", "instructions", "models", "pooling", "regions")
MAPS = ("subject", "quantity", "model", "instruction", "pooling", "layer", "threshold", "outlines", "families")
MAPS = (*MAPS, "difference", "minus_model", "minus_instruction", "a", "b", "among", "margin", "second", "lines")
MAPS = (*MAPS, "limits", "vmin", "vmax")
SIMILAR = ("by", "model", "instruction", "instructions", "models", "pooling")
PARTED = ("model", "subject", "pooling")
KINDS = {  # kind -> (how its plot is made, what it can be asked for)
    "flatmap": (maps.chosen, MAPS),
    "rois": (regional.bars, ("by", *GROUPED, "layer", "reference", "order", "bars")),
    "layers": (regional.layers, ("lines", *GROUPED, "roi", "depth")),
    "chosen": (regional.chosen, ("model", "instruction", "pooling")),
    "shares": (regional.shares, ("model", "pooling")),
    "variance": (partition.variance, (*PARTED, "a", "b", "roi")),
    "matrix": (partition.matrix, (*PARTED, "a", "part", "regions")),
    "pairs": (partition.pairs, (*PARTED, "roi", "square")),
    "unique": (partition.unique, (*PARTED, "roi")),
    "triple": (partition.triple, (*PARTED, "three", "roi")),
    "compare": (regional.compare, ("model", "instruction", "roi")),
    "specialisation": (regional.specialisation, ("model",)),
    "coverage": (regional.coverage, ()),
    "rsa": (rsa_asked.bars, (*SIMILAR, "regions", "reference")),
    "rsa-layers": (rsa_asked.layers, (*SIMILAR, "roi")),
    "rdms": (rsa_asked.matrices, (*SIMILAR, "roi", "map", "sorted")),
}
PAGES = {  # kind -> the page that shows it and, where a page shows one of several views at a time, which
    "flatmap": ("flatmaps", ""),
    "rois": ("rois", ""),
    "layers": ("layers", "profile"),
    "chosen": ("layers", "areas"),
    "shares": ("layers", "states"),
    "variance": ("variance", "pair"),
    "matrix": ("variance", "all"),
    "pairs": ("variance", "all"),
    "unique": ("variance", "rest"),
    "triple": ("variance", "three"),
    "compare": ("compare", "models"),
    "specialisation": ("compare", "instructions"),
    "coverage": ("overview", ""),
    "rsa": ("rsa", "bars"),
    "rsa-layers": ("rsa", "depth"),
    "rdms": ("rsa", "pictures"),
}


def plot(store, kind, **asked):
    """The `Plot` of a kind; asked : choices as in the page's link, all text, None as if not given."""
    kind = match("kind of figure", kind, KINDS)
    asked = {key: str(value) for key, value in asked.items() if value is not None}
    for key in asked:
        if key not in KINDS[kind][1]:
            near = get_close_matches(key, KINDS[kind][1], n=1)
            also = f"did you mean {near[0]}? It takes" if near else "it takes"
            raise ValueError(f"{kind} takes no {key!r}; {also} {', '.join(KINDS[kind][1]) or 'no choices'}")
    return KINDS[kind][0](Wish(store, asked))


def heard(plot, typed):
    """An error where something was asked for that this figure does not depend on; typed : key -> text or None."""
    for key, text in typed.items():
        if text is None or key in plot.choices or plot.panels:
            continue
        told = {name: plot.choices[name] for name in ("quantity", "by", "lines", "outlines") if name in plot.choices}
        shown = ", ".join(f"{name} {value}" for name, value in told.items())
        raise ValueError(f"{key} {text!r} has no say in this {plot.kind} ({shown}); leave it out or ask for another")


def from_link(link, kind=None):
    """(kind, choices) of a page's address: the page's main figure, or the one of `kind` where the page shows it; what
    does not concern the figure is left out."""
    parts = urlsplit(link)
    asked = dict(parse_qsl(parts.query))
    page = parts.path.strip("/").rpartition("/")[2] or "overview"
    shown = [name for name in KINDS if PAGES[name][0] == page]
    if not shown:
        known = ", ".join(dict.fromkeys(page for page, _ in PAGES.values()))
        raise ValueError(f"the link leads to {page!r}; figures are made of {known}")
    if kind not in shown:
        kind = next((name for name in shown if PAGES[name][1] == asked.get("view")), shown[0])
    own = {name: key for key, name in LINKED.get(kind, {}).items()}
    found = {own.get(key, key): value for key, value in asked.items()}
    return kind, {key: value for key, value in found.items() if key in KINDS[kind][1]}
