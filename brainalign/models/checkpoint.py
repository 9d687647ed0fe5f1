"""Where a model's files are, whether they are complete, and what to do when they are not. Free of torch."""

import hashlib
import re
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten

from brainalign.files import named_folder
from brainalign.models import complete, published
from brainalign.models.complete import weight_files
from brainalign.tables import DATA

SHIPPED = DATA / "models"
FORMATS = {"safetensors": "model*.safetensors", "bin": "pytorch_model*.bin"}  # the hub has most weights in several
SETTINGS = ("*.j*", "*.txt", "*.model")  # configuration (JSON), templates (Jinja), tokenizers
PIP = re.compile(r"pip install (\w[\w-]*)")  # in the messages of transformers
DTYPES = ("float32", "bfloat16", "float16", "8bit", "4bit")  # the last two: of the language model alone


def is_quantised(dtype):
    return dtype in DTYPES[3:]


class ModelError(ValueError):
    """A model that cannot be loaded or run; the message says what to do."""


def source(model):
    """The folder with a model's files, its hub id if they would have to be downloaded, "" if it has none.

    First $BRAINALIGN_MODELS/<name, or last part of the checkpoint>, then the repository, then the hub's cache.
    """
    if not model.checkpoint:
        return ""
    own = named_folder("BRAINALIGN_MODELS")
    of = model.of, model.of.removesuffix(f"-{model.prompt}")
    for name in (model.name, *of, Path(model.checkpoint).name) if own else ():
        if name and (own / name).is_dir():
            return own / name
    return (_cached(model.checkpoint) if isinstance(model.checkpoint, str) else None) or model.checkpoint


def missing(model):
    """What keeps a model from loading from this machine, and what to do; "" if nothing."""
    place = source(model)
    if place == "":
        return ""
    if isinstance(place, str):
        return f"{model.name}: no files on this machine. {_todo(model)}"
    fault = complete.fault(place, model.parts, weights=not model.random)
    return f"{model.name}: {fault.found}. {_mended(model, place, fault)}" if fault else ""


def describe(model, place, dtype, commit=None):
    """What was loaded: checkpoint, revision (hub commit, or a hash of the files' content), dtype.

    A hash reads every byte, so it is taken once and only when asked for.
    """
    if place == "":
        name, revision = model.name, "none"
    elif isinstance(place, str):
        name, revision = place, commit or "unknown"
    elif place.parent.name == "snapshots":
        name, revision = model.checkpoint, place.name
    else:
        name = f"data/models/{place.name}" if place.parent == SHIPPED else place.name
        files = [place / "config.json"] + ([] if model.random else weight_files(place))
        revision = "sha256:" + _digest(files)
    if model.random:
        name = f"random weights as {name}"
    control = {"control": model.control} if model.control and not model.random else {}
    asked = {"prompt": model.prompt} if model.prompt else {}
    return {"checkpoint": name, "revision": revision, "dtype": dtype} | control | asked


def _digest(files):
    digest = hashlib.sha256()
    for file in files:
        with open(file, "rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()[:16]


def check_choice(device, dtype):
    """A device and dtype that exist, before anything large is read."""
    if dtype is not None and dtype not in DTYPES:
        raise ValueError(f"no dtype {dtype!r}; choose {', '.join(DTYPES)}")
    if device is not None and str(device).split(":")[0] not in ("cpu", "cuda", "mps"):
        raise ValueError(f"no device {device!r}; choose cpu, cuda, cuda:1 ... or mps")


@contextmanager
def explained(model):
    """Whatever goes wrong while a model loads ends as one message with what to do."""
    fault = "" if isinstance(source(model), str) else missing(model)
    if fault:
        raise ModelError(fault)
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"{model.name}: {_why(model, error)}") from error


def _why(model, error):
    """What an error while loading means, and what to do: each kind has its own advice."""
    said = shorten(str(error), 240, placeholder=" ...") or type(error).__name__  # some name all that they know
    package = error.name if isinstance(error, ModuleNotFoundError) else next(iter(PIP.findall(str(error))), "")
    if is_out_of_memory(error):
        return "not enough memory to load it; close other programs, or load it with dtype bfloat16"
    if _caused_by(error, "GatedRepoError"):
        return f"its files are gated. {_terms(model)}"
    if package:
        return f"a package is missing ({said}). Install it: pip install {package}"
    if _caused_by(error, "UnpicklingError"):
        return (
            f"a .bin file in {source(model)} is damaged, or holds more than weights, which could run code: it was not "
            f"read. Take the publisher's own file, or safetensors, and load it again"
        )
    if isinstance(source(model), str):
        return f"cannot be loaded from {source(model)} ({said}). {_todo(model)}"
    return f"cannot be loaded from {source(model)} ({said}). {unlike(model)}"


def unlike(model):
    """What to do about files that are whole, but not those of the model."""
    if isinstance(model.checkpoint, Path):
        return _todo(model)
    return (
        "Its files are whole, but not as expected: compare their versions with those published; "
        f"what differs is fetched by: {command(model)}"
    )


def is_out_of_memory(error):
    """Out of memory in Python, on the CPU or on an accelerator."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text


def _caused_by(error, name):
    while error is not None:
        if type(error).__name__ == name:
            return True
        error = error.__cause__ or error.__context__
    return False


def state(model):
    """Whether a model's files are on this machine: "present", "incomplete" or "not downloaded"."""
    if not missing(model):
        return "present"
    return "not downloaded" if isinstance(source(model), str) else "incomplete"


def command(model, files=(), weights=None):
    """The shell command that brings a model's files; those that are there already are not fetched again.

    files : names of single ones; weights : whether the weights are fetched too, by default if the model needs them
    """
    if isinstance(model.checkpoint, Path):
        return f"git checkout -- data/models/{model.checkpoint.name}"
    own = named_folder("BRAINALIGN_MODELS") or Path("~/models")
    if model.composed:
        return f"python -m brainalign.models.compose PTH BLIP2 LANGUAGE {own / (model.of or model.name)}"
    place = source(model)
    cached = isinstance(place, Path) and place.parent.name == "snapshots"
    where = "" if cached else f" --local-dir {place if isinstance(place, Path) else own / Path(model.checkpoint).name}"
    weights = not model.random if weights is None else weights
    patterns = SETTINGS if not weights else (FORMATS[published.of(model).format], *SETTINGS)
    which = [*files] or [f'--include "{pattern}"' for pattern in patterns]
    return f"hf download {model.checkpoint}{where} {' '.join(which)}".strip()


def _mended(model, place, fault):
    """What to do about a fault of a folder."""
    if fault.package:
        return f"Install it: pip install {fault.package}"
    if isinstance(model.checkpoint, Path) or model.composed:
        return _todo(model)
    if fault.damaged:
        return f"Delete it and fetch it again: {command(model, fault.damaged)}"
    return f"Fetch what is missing: {command(model, fault.lost, fault.weights)}"


def _todo(model):
    if isinstance(model.checkpoint, Path):
        return f"It comes with the repository: restore it with `{command(model)}`"
    export = "" if named_folder("BRAINALIGN_MODELS") else "export BRAINALIGN_MODELS=~/models && "
    size = "its settings alone" if model.random else published.size(model)
    terms = _terms(model) + " " if model.gated else ""
    if model.composed:
        parts = published.of(model).parts
        return f"{terms}Compose it once from its published files ({size}): {export}{command(model)}. {parts}"
    return f"{terms}Download it once ({size}): {export}{command(model)}"


def _terms(model):
    return f"First accept the terms at https://huggingface.co/{model.checkpoint} and run `hf auth login`."


def _cached(hub_id):
    """The folder of a hub checkpoint that was downloaded before, or None."""
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(hub_id, "config.json")
    return Path(config).parent if isinstance(config, str) else None
