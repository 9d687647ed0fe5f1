"""A study: the TOML file that says which subjects, models and instructions are compared, and how.

`load("study.toml")` checks every name and gives a frozen `Study`. Paths are relative to the study file.
`data/study-demo.toml` is an example with every setting explained.
"""

import tomllib
from dataclasses import MISSING, dataclass, fields
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from brainalign import models, tables
from brainalign.nsd.layout import BETA_VERSIONS, SPACES

SUBJECTS = tuple(f"subj{k:02d}" for k in range(1, 9))
USUAL = {"multimodal": 2, "vision": 1, "language": 1}  # how many poolings a study takes if it names none
GROUPS = ("ten", "families")
ANSWERS = "answers:"


@dataclass(frozen=True)
class ModelChoice:
    """One [[models]] entry: which of a model's states are compared.

    instructions : ids of data/instructions.csv; [""] for a model that takes none
    poolings : how states of many tokens become one vector
    layers : layer numbers, 0 being the embeddings; () for all
    text : what a model of text alone reads about each picture: "answers:<model>", a model of the study, whose
        instructions it then has; "" for the instruction itself, which is the same for every picture
    """

    name: str
    instructions: tuple[str, ...] = ()
    poolings: tuple[str, ...] = ()
    layers: tuple[int, ...] = ()
    text: str = ""

    @property
    def reads(self):
        """The model whose answers it reads, "" if none."""
        return self.text.removeprefix(ANSWERS)


@dataclass(frozen=True)
class EncodingChoice:
    """[encoding]: ridge regression of every unit on the features of one layer."""

    solver: str = "ridge"
    alphas: tuple[float, ...] = tuple(float(a) for a in np.logspace(0, 6, 13))
    folds: int = 5


@dataclass(frozen=True)
class VarianceChoice:
    """[variance]: the anchor instruction is paired with each other one of the model.

    layer : a number, or "best": the one whose anchor features predict left-out training images best
    pooling : one of the model's; its first where none is named
    gammas : shares of the anchor in the banded joint model; 0 and 1 (one of the two alone) are among them
    triples : three instructions each, whose seven shares are told
    unique : what each instruction explains beyond all the others of the model jointly
    """

    model: str
    anchor: str = "IC"
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
class StatisticsChoice:
    """[statistics]: how sure scores are, by resampling the test images; the models are never fitted again."""

    permutations: int = 5000  # of the images' order, for p of each unit
    draws: int = 1000  # of the images with replacement, for intervals and paired differences


@dataclass(frozen=True)
class FeatureChoice:
    """[features]: how answers are generated and states kept."""

    max_new_tokens: int = 64
    batch_size: int = 16
    shard: int = 128  # pictures in one file; a killed run loses at most this many


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
    statistics: StatisticsChoice
    features: FeatureChoice
    path: Path
    text: str


def load(path):
    """Read and check a study file."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        raw = tomllib.loads(text)
    except FileNotFoundError:
        raise FileNotFoundError(f"no study file {path}; copy data/study-demo.toml and change it") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a TOML file: {error}") from None
    try:
        return _study(raw, path, text)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _study(raw, path, text):
    _known(raw, ("study", "models", "encoding", "variance", "live", "statistics", "features"), "section")
    head = dict(_table(raw, "study"))
    known = ("name", "root", "output", "store", "seed", "subjects", "space", "beta_version")
    _known(head, known, "key in [study]")
    for key in ("name", "root", "output"):
        if not isinstance(head.get(key), str) or not head[key]:
            raise ValueError(f'[study] needs {key} = "..."')
    entries = raw.get("models", [])
    if not isinstance(entries, list) or not entries:
        raise ValueError('no model named; add a section [[models]] with name = "..."')
    chosen = tuple(_model(entry) for entry in entries)
    _unique([model.name for model in chosen], "[[models]]")
    _readable(chosen)
    output = path.parent / head["output"]
    return Study(
        name=head["name"],
        root=path.parent / head["root"],
        output=output,
        store=path.parent / head["store"] if "store" in head else output / "store",
        subjects=_names(head.get("subjects", "all"), SUBJECTS, "[study] subjects"),
        space=_one(head.get("space", SPACES[0]), SPACES, "[study] space"),
        beta_version=_one(head.get("beta_version", BETA_VERSIONS[2]), BETA_VERSIONS, "[study] beta_version"),
        seed=_whole(head.get("seed", 0), 0, "[study] seed"),
        models=chosen,
        encoding=_encoding(_table(raw, "encoding")),
        variance=_variance(raw["variance"], chosen) if "variance" in raw else None,
        live=_live(raw["live"], chosen) if "live" in raw else None,
        statistics=_wholes(_table(raw, "statistics"), StatisticsChoice, "[statistics]"),
        features=_wholes(_table(raw, "features"), FeatureChoice, "[features]"),
        path=path,
        text=text,
    )


def _model(entry):
    where = "[[models]]"
    values = _fill(entry, ModelChoice, where)
    model = models.find(values["name"])
    where = f"[[models]] {model.name}"
    if not model.uses_instruction:
        if values["instructions"]:
            raise ValueError(f"{where} takes no instruction; leave `instructions` out")
        values["instructions"] = ("",)
    else:
        values["instructions"] = _instructions(values["instructions"] or "ten", where)
    usual = model.poolings[: USUAL[model.kind]]
    values["poolings"] = _names(values["poolings"], model.poolings, f"{where} poolings") or usual
    layers = values["layers"]
    layers = () if layers in ("all", ()) else layers if isinstance(layers, list) else [layers]
    values["layers"] = tuple(sorted({_whole(layer, 0, f"{where} layers") for layer in layers}))
    return ModelChoice(**values)


def _readable(chosen):
    """Every model that reads answers finds them, under each of its instructions."""
    by_name = {model.name: model for model in chosen}
    for model in chosen:
        where = f"[[models]] {model.name} text"
        known = models.find(model.name).family.text_poolings
        if model.text and not set(model.poolings) <= set(known):
            has = f"its states of texts are {', '.join(known)}" if known else "it reads no texts on their own"
            raise ValueError(f"{where}: {model.name} cannot give {', '.join(model.poolings)} of a text; {has}")
        if model.text and not model.text.startswith(ANSWERS):
            raise ValueError(f'{where} is {model.text!r}, expected "{ANSWERS}<model>"')
        if model.text:
            source = by_name[_one(model.reads, by_name, f"model in {where}")]
            if not models.find(source.name).answers:
                raise ValueError(f"{where}: {source.name} does not answer in words")
            for instruction in model.instructions:
                _one(instruction, source.instructions, f"instruction in {where}")


def _instructions(names, where):
    """Ids, in order, from ids and names of sets ("ten", "families")."""
    table = tables.instructions()
    found = []
    for name in _listed(names, where):
        group = [key for key, value in table.items() if value.paper == name]
        found += group or [_one(name, (*table, *GROUPS), f"{where} instructions")]
    _unique(found, f"{where} instructions")
    _unique([table[name].text for name in found], f"{where} instructions")
    return tuple(found)


def _encoding(raw):
    values = _fill(raw, EncodingChoice, "[encoding]")
    from brainalign.encoding import SOLVERS

    _one(values["solver"], SOLVERS, "[encoding] solver")
    values["alphas"] = _alphas(values["alphas"])
    values["folds"] = _whole(values["folds"], 2, "[encoding] folds")
    return EncodingChoice(**values)


def _alphas(given):
    """A list of penalties, or a table {low, high, n} of n of them spaced evenly in log."""
    where = "[encoding] alphas"
    if isinstance(given, dict):
        _known(given, ("low", "high", "n"), f"key in {where}")
        low, high, n = (given.get(key) for key in ("low", "high", "n"))
        spaced = _numbers([low, high]) and 0 < low < high
        given = np.geomspace(low, high, _whole(n, 2, f"{where} n")).tolist() if spaced else given
    if not _numbers(given) or not given or min(given) <= 0:
        raise ValueError(f"{where} is {given!r}, expected positive numbers or {{low = 1, high = 1e6, n = 13}}")
    return tuple(sorted(float(a) for a in given))


def _variance(raw, chosen):
    values = _fill(raw, VarianceChoice, "[variance]")
    by_name = {model.name: model for model in chosen}
    model = by_name[_one(values["model"], by_name, "[variance] model")]
    _one(values["anchor"], model.instructions, f"[variance] anchor ({model.name})")
    if len(model.instructions) < 2:
        raise ValueError(f"[variance]: {model.name} has no instruction beside {values['anchor']} to pair it with")
    pooling = values["pooling"] or model.poolings[0]
    values["pooling"] = _one(pooling, model.poolings, f"[variance] pooling ({model.name})")
    if values["layer"] != "best":
        _whole(values["layer"], 0, '[variance] layer (or "best")')
    gammas = values["gammas"]
    if not _numbers(gammas) or not {0, 1} <= set(gammas) or min(gammas) < 0 or max(gammas) > 1:
        raise ValueError(f"[variance] gammas is {gammas!r}, expected shares from 0 to 1, both of them included")
    values["gammas"] = tuple(sorted({float(g) for g in gammas}))
    values["triples"] = _triples(values["triples"], model)
    if not isinstance(values["unique"], bool):
        raise ValueError(f"[variance] unique is {values['unique']!r}, expected true or false")
    return VarianceChoice(**values)


def _live(raw, chosen):
    values, by_name = _fill(raw, LiveChoice, "[live]"), {model.name: model for model in chosen}
    model = by_name[_one(values["model"], by_name, "[live] model")]
    if not models.find(model.name).answers:
        raise ValueError(f"[live] model is {model.name}, which does not answer: the app cannot ask it")
    instructions = values["instructions"] or model.instructions[:1]
    values["instructions"] = _names(instructions, model.instructions, f"[live] instructions ({model.name})")
    values["subjects"] = _names(values["subjects"], SUBJECTS, "[live] subjects")
    fixed = models.find(model.name).fixed_poolings
    usable = [pooling for pooling in model.poolings if pooling not in fixed]
    values["pooling"] = _one(values["pooling"] or (usable or [""])[0], usable, f"[live] pooling ({model.name})")
    _whole(values["rank"], 1, "[live] rank")
    return LiveChoice(**values)


def _triples(given, model):
    where = f"[variance] triples ({model.name})"
    if not isinstance(given, list | tuple):
        raise ValueError(f'{where} is {given!r}, expected a list such as [["IC", "VQ1", "CR"]]')
    found = tuple(_names(three, model.instructions, where) for three in given)
    wrong = [three for three in found if len(three) != 3]
    if wrong:
        raise ValueError(f"{where}: {list(wrong[0])} has {len(wrong[0])} instructions, expected three")
    _unique(["+".join(sorted(three)) for three in found], where)
    return found


def _wholes(raw, kind, where):
    """A section of whole numbers."""
    return kind(**{key: _whole(value, 1, f"{where} {key}") for key, value in _fill(raw, kind, where).items()})


# Checks that say what was found, what was expected, and the nearest name -------------------------------------


def _table(raw, name):
    value = raw.get(name, {})
    if not isinstance(value, dict):
        raise ValueError(f"[{name}] is {value!r}, expected a section with keys")
    return value


def _fill(raw, kind, where):
    """The values of a section, by the fields of its dataclass; its defaults where a key is left out."""
    if not isinstance(raw, dict):
        raise ValueError(f"{where} is {raw!r}, expected a section with keys")
    _known(raw, [field.name for field in fields(kind)], f"key in {where}")
    values = {f.name: f.default for f in fields(kind) if f.default is not MISSING} | raw
    missing = [field.name for field in fields(kind) if field.name not in values]
    if missing:
        raise ValueError(f"{where} needs {missing[0]} = ...")
    return values


def _known(given, known, what):
    for name in given:
        _one(name, known, what)


def _one(name, known, what):
    if name not in known:
        near = isinstance(name, str) and get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(map(str, known))}"
        raise ValueError(f"unknown {what}: {name!r}; {hint}")
    return name


def _names(given, known, where):
    """A tuple of known names; "all" gives ()."""
    if given == "all":
        return ()
    given = _listed(given, where)
    _unique(given, where)
    return tuple(_one(name, known, where) for name in given)


def _listed(given, where):
    given = [given] if isinstance(given, str) else given
    if not isinstance(given, list | tuple) or not all(isinstance(name, str) for name in given):
        raise ValueError(f"{where} is {given!r}, expected a list of names")
    return given


def _numbers(given):
    """Whether it is a list of plain numbers."""
    plain = isinstance(given, list | tuple)
    return plain and all(isinstance(g, int | float) and not isinstance(g, bool) for g in given)


def _unique(names, where):
    twice = {name for name in names if list(names).count(name) > 1}
    if twice:
        raise ValueError(f"{where} names {', '.join(sorted(map(str, twice)))} twice")


def _whole(value, least, where):
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{where} is {value!r}, expected a whole number of at least {least}")
    return value
