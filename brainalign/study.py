"""A study: the TOML file that says which subjects, models and instructions are compared, and how.

`load("study.toml")` checks every name and gives a frozen `Study`. Paths are relative to the study file, and may begin
with ~ or hold $VARIABLES of the environment.
`data/study-demo.toml` is an example with every setting explained.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainalign import captions, entries, files, models, tables
from brainalign.nsd.layout import BETA_VERSIONS, SPACES, UNREAD_SPACES
from brainalign.rsa import DISTANCES

SUBJECTS = tuple(f"subj{k:02d}" for k in range(1, 9))
USUAL = {"multimodal": 2, "vision": 1, "language": 1}  # how many poolings a study takes if it names none
SECTIONS = ("study", "models", "encoding", "variance", "live", "rsa", "statistics", "features")
GROUPS = ("ten", "families")
ANSWERS = "answers:"


@dataclass(frozen=True)
class ModelChoice:
    """One [[models]] entry: which of a model's states are compared.

    instructions : ids of data/instructions.csv; [""] for a model that takes none
    poolings : how states of many tokens become one vector
    layers : layer numbers, 0 being the embeddings; () for all
    text : what a model that reads texts reads about each picture: "answers:<model>", a model of the study, whose
        instructions it then has; or a table of captions, see `brainalign.captions`; "" for the instruction itself,
        which is the same for every picture
    """

    name: str
    instructions: tuple[str, ...] = ()
    poolings: tuple[str, ...] = ()
    layers: tuple[int, ...] = ()
    text: str = ""

    @property
    def reads(self):
        """The model whose answers it reads, "" if none."""
        return self.text.removeprefix(ANSWERS) if self.text.startswith(ANSWERS) else ""

    @property
    def captions(self):
        """Path of the captions that it reads, "" if none."""
        return "" if self.reads else self.text

    @property
    def fixed_poolings(self):
        """Those of its poolings that cannot depend on the instruction."""
        if self.text:
            return () if self.reads else self.poolings
        fixed = models.find(self.name).fixed_poolings
        return tuple(pooling for pooling in self.poolings if pooling in fixed)


@dataclass(frozen=True)
class EncodingChoice:
    """[encoding]: ridge regression of every unit on the features of one layer."""

    solver: str = "ridge"
    alphas: tuple[float, ...] = tuple(float(a) for a in np.logspace(0, 6, 13))
    folds: int = 5


@dataclass(frozen=True)
class VarianceChoice:
    """[variance]: what two instructions of the model explain together and apart, and three, and each beyond the rest.

    pairs : "anchor", which is paired with each other instruction; or "all": every two of them, of which the store
        keeps maps for those of the anchor and means over regions for all
    layer : a number, at which all instructions enter; or "best": each at that whose features predict left-out
        training images best, and the pairs of the anchor at the layer of either too, to tell what depends on it
    pooling : one of the model's; its first where none is named
    gammas : shares of the first in the banded joint model; 0 and 1 (one of the two alone) are among them
    triples : three instructions each, whose seven shares are told
    unique : what each instruction explains beyond all the others of the model jointly
    """

    model: str
    anchor: str = "IC"
    pairs: str = "anchor"
    layer: int | str = "best"
    pooling: str = ""
    gammas: tuple[float, ...] = (0.0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 1.0)
    triples: tuple[tuple[str, ...], ...] = ()
    unique: bool = True


@dataclass(frozen=True)
class LiveChoice:
    """[live]: weights kept so that the app can predict the response to any picture and instruction on the screen.

    instructions : those under which weights are kept; () for the first of the model
    subjects : () for all; their responses to the shared images are kept too
    rank : of the weights kept
    """

    model: str
    instructions: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    pooling: str = ""
    rank: int = 48


@dataclass(frozen=True)
class RsaChoice:
    """[rsa]: which pictures regions and models tell apart, and whether the same ones.

    distance : "crossnobis", which noise does not raise and which needs a picture in two runs; or "correlation" of
        mean patterns, which noise raises
    training_images : at most, by which the layer is chosen for each subject and region
    """

    distance: str = "crossnobis"
    training_images: int = 300


@dataclass(frozen=True)
class StatisticsChoice:
    """[statistics]: how sure scores are, by resampling the test images; the models are never fitted again."""

    permutations: int = 5000  # of the images' order, for p of each unit
    draws: int = 1000  # of the images with replacement, for intervals and paired differences


@dataclass(frozen=True)
class FeatureChoice:
    """[features]: how pictures are shown, answers generated and states kept."""

    max_new_tokens: int = 64
    batch_size: int = 16
    shard: int = 128  # pictures in one file; a killed run loses at most this many
    pixels: int = 0  # side to which all pictures are resized before a model prepares them itself; 0: as they are


@dataclass(frozen=True)
class Study:
    """Everything a result depends on, but for the data itself.

    root : the NSD root, output : where jobs keep results, store : where versions are published
    subjects : names, () for all that the root has
    text : the TOML as it was read; path : where
    """

    name: str
    root: Path
    output: Path
    store: Path
    subjects: tuple[str, ...]
    space: str
    beta_version: str
    seed: int
    models: tuple[ModelChoice, ...]
    encoding: EncodingChoice
    variance: VarianceChoice | None
    live: LiveChoice | None
    rsa: RsaChoice | None
    statistics: StatisticsChoice
    features: FeatureChoice
    path: Path
    text: str


def load(path):
    """Read and check a study file."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no study file {path}; copy data/study-demo.toml and change it")
    text = files.text(path)
    raw = files.toml(text, path)
    try:
        return _study(raw, path, text)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _study(raw, path, text):
    entries.all_known(raw, SECTIONS, "section")
    head = dict(entries.section(raw, "study"))
    known = ("name", "root", "output", "store", "seed", "subjects", "space", "beta_version")
    entries.all_known(head, known, "key in [study]")
    for key in ("name", "root", "output"):
        if not isinstance(head.get(key), str) or not head[key]:
            raise ValueError(f'[study] needs {key} = "..."')
    given = raw.get("models", [])
    if not isinstance(given, list) or not given:
        raise ValueError('no model named; add a section [[models]] with name = "..."')
    chosen = tuple(_model(entry, path.parent) for entry in given)
    entries.once([model.name for model in chosen], "[[models]]")
    _readable(chosen)
    places = {key: _place(head, key, path) for key in ("root", "output", "store") if key in head}
    return Study(
        name=head["name"],
        root=places["root"],
        output=places["output"],
        store=places.get("store") or places["output"] / "store",
        subjects=entries.names_of(head.get("subjects", "all"), SUBJECTS, "[study] subjects"),
        space=_space(head.get("space", SPACES[0])),
        beta_version=entries.one_of(head.get("beta_version", BETA_VERSIONS[2]), BETA_VERSIONS, "[study] beta_version"),
        seed=entries.whole(head.get("seed", 0), 0, "[study] seed"),
        models=chosen,
        encoding=_encoding(entries.section(raw, "encoding")),
        variance=_variance(raw["variance"], chosen) if "variance" in raw else None,
        live=_live(raw["live"], chosen) if "live" in raw else None,
        rsa=_rsa(entries.section(raw, "rsa")) if "rsa" in raw else None,
        statistics=entries.wholes(entries.section(raw, "statistics"), StatisticsChoice, "[statistics]"),
        features=entries.wholes(entries.section(raw, "features"), FeatureChoice, "[features]", least={"pixels": 0}),
        path=path,
        text=text,
    )


def _space(given):
    if given in UNREAD_SPACES:
        supported = " or ".join(SPACES)
        raise ValueError(f"[study] space is {given!r}, a space of NSD's that is not supported; try {supported}")
    return entries.one_of(given, SPACES, "[study] space")


def _place(head, key, path):
    if not isinstance(head[key], str) or not head[key]:
        raise ValueError(f'[study] {key} is {head[key]!r}, expected a path such as "results"')
    return files.place(head[key], path.parent, f"[study] {key}")


def _model(entry, folder):
    where = "[[models]]"
    values = entries.fill(entry, ModelChoice, where)
    model = models.find(values["name"])
    where = f"[[models]] {model.name}"
    if model.outside:
        raise ValueError(f"{where}: {model.outside}")
    values["text"] = _text(values["text"], folder, f"{where} text")
    values["instructions"] = _asked(values, model, where)
    known = (model.reading_poolings if values["text"] else ()) or model.poolings
    values["poolings"] = entries.names_of(values["poolings"], known, f"{where} poolings") or known[: USUAL[model.kind]]
    layers = values["layers"]
    layers = () if layers in ("all", ()) else layers if isinstance(layers, list) else [layers]
    values["layers"] = tuple(sorted(entries.whole(layer, 0, f"{where} layers") for layer in layers))
    entries.once(values["layers"], f"{where} layers")
    return ModelChoice(**values)


def _text(text, folder, where):
    """What a model reads about each picture: a table of captions is looked for beside the study file, and read."""
    if not isinstance(text, str):
        raise ValueError(f'{where} is {text!r}, expected "{ANSWERS}<model>" or a table of captions')
    if not text or text.startswith(ANSWERS):
        return text
    if not text.lower().endswith(captions.ENDINGS):
        raise ValueError(f'{where} is {text!r}, expected "{ANSWERS}<model>", or captions such as "captions.csv"')
    path = files.place(text, folder, where)
    captions.read(path)
    return str(path)


def _asked(values, model, where):
    """Ids of the instructions of an entry; "" alone for a model that takes none or reads captions."""
    captioned = values["text"] and not values["text"].startswith(ANSWERS)
    if not captioned and (values["text"] or model.uses_instruction):
        return _instructions(values["instructions"] or "ten", where)
    if values["instructions"]:
        reads = "reads captions and " if captioned else ""
        raise ValueError(f"{where} {reads}takes no instruction; leave `instructions` out")
    return ("",)


def _readable(chosen):
    """Every model that reads answers finds them, under each of its instructions."""
    by_name = {model.name: model for model in chosen}
    for model in chosen:
        where = f"[[models]] {model.name} text"
        known = models.find(model.name).reading_poolings
        if model.text and not set(model.poolings) <= set(known):
            has = f"its states of texts are {', '.join(known)}" if known else "it reads no texts on their own"
            raise ValueError(f"{where}: {model.name} cannot give {', '.join(model.poolings)} of a text; {has}")
        if model.reads:
            source = by_name[entries.one_of(model.reads, by_name, f"model in {where}")]
            if source.text or not models.find(source.name).answers:
                raise ValueError(f"{where}: {source.name} does not answer in words")
            if source.poolings == source.fixed_poolings:
                raise ValueError(f"{where}: {source.name} has no states under an instruction here, and so no answers")
            for instruction in model.instructions:
                entries.one_of(instruction, source.instructions, f"instruction in {where}")


def _instructions(names, where):
    """Ids, in order, from ids and names of sets ("ten", "families")."""
    table = tables.instructions()
    found = []
    for name in entries.listed(names, where):
        group = [key for key, value in table.items() if value.paper == name]
        found += group or [entries.one_of(name, (*table, *GROUPS), f"{where} instructions")]
    entries.once(found, f"{where} instructions")
    entries.once([table[name].text for name in found], f"{where} instructions")
    return tuple(found)


def _encoding(raw):
    values = entries.fill(raw, EncodingChoice, "[encoding]")
    from brainalign.encoding import SOLVERS

    entries.one_of(values["solver"], SOLVERS, "[encoding] solver")
    values["alphas"] = _alphas(values["alphas"])
    values["folds"] = entries.whole(values["folds"], 2, "[encoding] folds")
    return EncodingChoice(**values)


def _alphas(given):
    """A list of penalties, or a table {low, high, n} of n of them spaced evenly in log."""
    where = "[encoding] alphas"
    if isinstance(given, dict):
        entries.all_known(given, ("low", "high", "n"), f"key in {where}")
        low, high, n = (given.get(key) for key in ("low", "high", "n"))
        spaced = entries.numbers([low, high]) and 0 < low < high
        given = np.geomspace(low, high, entries.whole(n, 2, f"{where} n")).tolist() if spaced else given
    if not entries.numbers(given) or not given or min(given) <= 0:
        raise ValueError(f"{where} is {given!r}, expected positive numbers or {{low = 1, high = 1e6, n = 13}}")
    entries.once(given, where)
    return tuple(sorted(float(a) for a in given))


def _variance(raw, chosen):
    values = entries.fill(raw, VarianceChoice, "[variance]")
    by_name = {model.name: model for model in chosen}
    model = by_name[entries.one_of(values["model"], by_name, "[variance] model")]
    entries.one_of(values["anchor"], model.instructions, f"[variance] anchor ({model.name})")
    if len(model.instructions) < 2:
        raise ValueError(f"[variance]: {model.name} has no instruction beside {values['anchor']} to pair it with")
    entries.one_of(values["pairs"], ("anchor", "all"), "[variance] pairs")
    pooling = values["pooling"] or model.poolings[0]
    values["pooling"] = entries.one_of(pooling, model.poolings, f"[variance] pooling ({model.name})")
    if values["layer"] != "best":
        entries.whole(values["layer"], 0, '[variance] layer (or "best")')
    gammas = values["gammas"]
    if not entries.numbers(gammas) or not {0, 1} <= set(gammas) or min(gammas) < 0 or max(gammas) > 1:
        raise ValueError(f"[variance] gammas is {gammas!r}, expected shares from 0 to 1, both of them included")
    entries.once(gammas, "[variance] gammas")
    values["gammas"] = tuple(sorted(map(float, gammas)))
    values["triples"] = _triples(values["triples"], model)
    if not isinstance(values["unique"], bool):
        raise ValueError(f"[variance] unique is {values['unique']!r}, expected true or false")
    return VarianceChoice(**values)


def _live(raw, chosen):
    values, by_name = entries.fill(raw, LiveChoice, "[live]"), {model.name: model for model in chosen}
    model = by_name[entries.one_of(values["model"], by_name, "[live] model")]
    if not models.find(model.name).answers:
        raise ValueError(f"[live] model is {model.name}, which does not answer: the app cannot ask it")
    if model.text:
        raise ValueError(f"[live] model is {model.name}, which reads texts here: the app shows pictures to a model")
    instructions = values["instructions"] or model.instructions[:1]
    values["instructions"] = entries.names_of(instructions, model.instructions, f"[live] instructions ({model.name})")
    values["subjects"] = entries.names_of(values["subjects"], SUBJECTS, "[live] subjects")
    usable = [pooling for pooling in model.poolings if pooling not in model.fixed_poolings]
    values["pooling"] = entries.one_of(
        values["pooling"] or (usable or [""])[0], usable, f"[live] pooling ({model.name})"
    )
    entries.whole(values["rank"], 1, "[live] rank")
    return LiveChoice(**values)


def _rsa(raw):
    values = entries.fill(raw, RsaChoice, "[rsa]")
    entries.one_of(values["distance"], DISTANCES, "[rsa] distance")
    entries.whole(values["training_images"], 8, "[rsa] training_images")
    return RsaChoice(**values)


def _triples(given, model):
    where = f"[variance] triples ({model.name})"
    if not isinstance(given, list | tuple):
        raise ValueError(f'{where} is {given!r}, expected a list such as [["IC", "VQ1", "CR"]]')
    found = tuple(entries.names_of(three, model.instructions, where) for three in given)
    wrong = [three for three in found if len(three) != 3]
    if wrong:
        raise ValueError(f"{where}: {list(wrong[0])} has {len(wrong[0])} instructions, expected three")
    entries.once(["+".join(sorted(three)) for three in found], where)
    return found
