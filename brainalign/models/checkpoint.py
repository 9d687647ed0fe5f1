"""Where a model's files are, whether they are complete, and what to do when they are not. Free of torch."""

import hashlib
import json
import os
from contextlib import contextmanager
from pathlib import Path
from zipfile import is_zipfile

from brainalign.tables import DATA

SHIPPED = DATA / "models"
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
    own = os.environ.get("BRAINALIGN_MODELS")
    of = model.of, model.of.removesuffix(f"-{model.prompt}")
    for name in (model.name, *of, Path(model.checkpoint).name) if own else ():
        if name and (Path(own) / name).is_dir():
            return Path(own) / name
    return (_cached(model.checkpoint) if isinstance(model.checkpoint, str) else None) or model.checkpoint


def missing(model):
    """What keeps a model from loading from this machine, and what to do; "" if nothing."""
    place = source(model)
    if place == "":
        return ""
    if isinstance(place, str):
        return f"{model.name}: no files on this machine. {_todo(model)}"
    fault = folder_fault(place, weights=not model.random)
    return f"{model.name}: {fault}. {_todo(model)}" if fault else ""


def folder_fault(folder, weights=True):
    """What is wrong with a checkpoint folder, "" if nothing: its configuration and the ends of its weight files."""
    if not folder.is_dir():
        return f"there is no folder {folder}"
    try:
        json.loads((folder / "config.json").read_bytes())
    except FileNotFoundError:
        return f"{folder} has no config.json"
    except ValueError:
        return f"{folder / 'config.json'} is not JSON"
    if not weights:
        return ""
    try:
        faults = (_weights_fault(file) for file in weight_files(folder))
        return next(filter(None, faults), "")
    except ValueError as error:
        return str(error)


def weight_files(folder):
    """The weight files of a folder, one or those that an index names: safetensors, or else PyTorch's own.

    The latter are pickles; they are only ever read as tensors (weights_only), so that they cannot run code.
    """
    for name in ("model.safetensors", "pytorch_model.bin"):
        index = folder / f"{name}.index.json"
        if index.exists():
            return _indexed(index)
        if (folder / name).exists():
            return [folder / name]
    return [folder / "model.safetensors"]


def _indexed(index):
    try:
        names = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, TypeError):
        raise ModelError(f"{index} is damaged") from None
    return [index.with_name(Path(name).name) for name in names]


def _weights_fault(file):
    if not file.exists():
        return f"{file} is missing"
    return _safetensors_fault(file) if file.suffix == ".safetensors" else _pytorch_fault(file)


def _pytorch_fault(file):
    """A zip archive, whose end tells that it is whole; before 2020 a pickle."""
    with open(file, "rb") as opened:
        old = opened.read(2) == b"\x80\x02"
    return "" if old or is_zipfile(file) else f"{file} is not a whole file of PyTorch weights"


def _safetensors_fault(file):
    """A safetensors file holds 8 bytes of header length, a JSON header, then exactly the bytes the header names."""
    with open(file, "rb") as opened:
        n = int.from_bytes(opened.read(8), "little")
        found = file.stat().st_size
        try:
            header = json.loads(opened.read(n)) if 0 < n < found else None
            end = max(entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__")
        except (ValueError, KeyError, TypeError, AttributeError):
            return f"{file} is not a safetensors file"
    return "" if found == 8 + n + end else f"{file} has {found:,} bytes, expected {8 + n + end:,}"


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
        if is_out_of_memory(error):
            message = "not enough memory to load it; close other programs, or load it with dtype bfloat16"
        elif _caused_by(error, "GatedRepoError"):
            message = f"its files are gated. {_terms(model)}"
        else:
            first = str(error).strip().partition("\n")[0] or type(error).__name__
            message = f"cannot be loaded from {source(model)} ({first}). {_todo(model)}"
        raise ModelError(f"{model.name}: {message}") from error


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


def command(model):
    """The shell command that brings a model's files."""
    if isinstance(model.checkpoint, Path):
        return f"git checkout -- data/models/{model.checkpoint.name}"
    own = Path(os.environ.get("BRAINALIGN_MODELS") or "~/models")
    if model.composed:
        return f"python -m brainalign.models.compose PTH BLIP2 LANGUAGE {own / (model.of or model.name)}"
    folder = own / Path(model.checkpoint).name
    some = ' --exclude "*.safetensors" --exclude "*.bin"' if model.random else ""  # of those it needs the shape alone
    return f"hf download {model.checkpoint} --local-dir {folder}{some}"


def _todo(model):
    if isinstance(model.checkpoint, Path):
        return f"It comes with the repository: restore it with `{command(model)}`"
    export = "" if os.environ.get("BRAINALIGN_MODELS") else "export BRAINALIGN_MODELS=~/models && "
    size = "its settings alone" if model.random else model.size
    terms = _terms(model) + " " if model.gated else ""
    how = "Compose it once from its published files" if model.composed else "Download it once"
    return f"{terms}{how} ({size}): {export}{command(model)}"


def _terms(model):
    return f"First accept the terms at https://huggingface.co/{model.checkpoint} and run `hf auth login`."


def _cached(hub_id):
    """The folder of a hub checkpoint that was downloaded before, or None."""
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(hub_id, "config.json")
    return Path(config).parent if isinstance(config, str) else None
