"""Whether a checkpoint's folder holds what loading needs: configuration, weights, tokenizer, processor, packages.

Looks at files alone and is free of torch; whether the weights are those of the network is found by `models.rehearse`.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from zipfile import is_zipfile

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
TOKENIZERS = (
    ("tokenizer.json",),
    ("tokenizer.model",),
    ("spiece.model",),
    ("vocab.json", "merges.txt"),
    ("vocab.txt",),
)
PROCESSORS = ("preprocessor_config.json", "processor_config.json")
READS_PIECES = {"sentencepiece": "sentencepiece", "protobuf": "google.protobuf"}  # package: module


@dataclass(frozen=True)
class Fault:
    """What is wrong with a folder.

    found : in words; damaged : the files that have to be deleted and fetched again, relative to the folder
    lost : those that have to be fetched, () if no single ones can be named; weights : whether weights are among them
    package : what has to be installed instead
    """

    found: str
    damaged: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    weights: bool = False
    package: str = ""


def fault(folder, parts=(), weights=True):
    """The first fault of a folder, None if there is none.

    parts : what is needed beside configuration and weights: "tokenizer", "processor", a folder with a further
        tokenizer, or a JSON file; weights : whether the weights are needed
    """
    if not folder.is_dir():
        return Fault(f"there is no folder {folder}", weights=weights)
    checks = [_json_fault(folder, "config.json"), *(_weights_faults(folder) if weights else ())]
    if (folder / "generation_config.json").exists():
        checks.append(_json_fault(folder, "generation_config.json"))
    checks += [_part_fault(folder, part) for part in parts]
    return next(filter(None, checks), None)


def _part_fault(folder, part):
    if part == "processor":
        return _processor_fault(folder)
    return _json_fault(folder, part) if part.endswith(".json") else _tokenizer_fault(folder, part)


def _json_fault(folder, name):
    file = folder / name
    if not file.is_file():
        return Fault(f"{folder} has no {name}", lost=(name,))
    if not isinstance(_json(file), dict):
        return Fault(f"{file} is not JSON", damaged=(name,))
    return None


def _json(file):
    """What a JSON file holds, None if it cannot be read as such."""
    try:
        return json.loads(file.read_bytes())
    except (ValueError, OSError):
        return None


# Weights ----------------------------------------------------------------------------------------------------


def weight_files(folder):
    """The weight files of a folder, one or those that an index names: safetensors, or else PyTorch's own.

    The latter are pickles; they are only ever read as tensors (weights_only), so that they cannot run code.
    """
    for name in WEIGHTS:
        index = folder / f"{name}.index.json"
        if index.exists():
            return _indexed(index)
        if (folder / name).exists():
            return [folder / name]
    return [folder / WEIGHTS[0]]


def _indexed(index):
    try:
        names = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
        return [index.with_name(Path(name).name) for name in names]
    except (ValueError, KeyError, AttributeError, TypeError):
        raise ValueError(f"{index} is damaged") from None


def _weights_faults(folder):
    try:
        files = weight_files(folder)
    except ValueError as error:
        index = next(name for name in WEIGHTS if (folder / f"{name}.index.json").exists())
        return [Fault(str(error), damaged=(f"{index}.index.json",))]
    lost = [file for file in files if not file.exists()]
    if files == lost == [folder / WEIGHTS[0]] and not (folder / f"{WEIGHTS[0]}.index.json").exists():
        return [Fault(f"{folder} has no weights: {WEIGHTS[0]} is missing, and {WEIGHTS[1]} too", weights=True)]
    if lost:
        names, others = tuple(file.name for file in lost), f" ({len(lost)} of {len(files)} files)"
        return [Fault(f"{lost[0]} is missing{others if len(files) > 1 else ''}", lost=names, weights=True)]
    return [_weights_fault(file) for file in files]


def _weights_fault(file):
    found = _safetensors_fault(file) if file.suffix == ".safetensors" else _pytorch_fault(file)
    return Fault(found, damaged=(file.name,), weights=True) if found else None


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


# Tokenizer and processor ------------------------------------------------------------------------------------


def has_tokenizer(folder):
    """The names of a folder's tokenizer files, the first kind that is whole; () if there is none."""
    return next((names for names in TOKENIZERS if all((folder / name).is_file() for name in names)), ())


def _tokenizer_fault(folder, part):
    own = "" if part == "tokenizer" else f"{part}/"
    names = has_tokenizer(folder / own)
    if not names:
        wanted = " or ".join(" with ".join(names) for names in TOKENIZERS)
        return Fault(f"{folder / own} has no tokenizer: {wanted} is missing")
    for name in (*names, "tokenizer_config.json"):
        file = folder / own / name
        if name.endswith(".model"):
            for package, module in READS_PIECES.items():
                if not _installed(module):
                    return Fault(f"{file} is read by {package}, which is not installed", package=package)
        if file.is_file() and not _readable(file, file.stat().st_mtime_ns):
            return Fault(f"{file} is damaged", damaged=(f"{own}{name}",))
    return None


def _installed(module):
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@lru_cache(maxsize=256)
def _readable(file, changed):
    """Whether a tokenizer's file can be read; changed : when it was, for files are read once."""
    try:
        if file.name == "tokenizer.json":
            from tokenizers import Tokenizer

            return bool(Tokenizer.from_file(str(file)))
        if file.suffix == ".model":
            from sentencepiece import SentencePieceProcessor

            return SentencePieceProcessor(model_file=str(file)).get_piece_size() > 0
    except Exception:  # tokenizers raises no other, sentencepiece several
        return False
    return file.stat().st_size > 0 and (file.suffix != ".json" or isinstance(_json(file), dict))


def _processor_fault(folder):
    """Older checkpoints have the picture's part in a file of its own."""
    held = {name: _json(folder / name) for name in PROCESSORS if (folder / name).is_file()}
    damaged = [name for name, content in held.items() if not isinstance(content, dict)]
    if damaged:
        return Fault(f"{folder / damaged[0]} is not JSON", damaged=(damaged[0],))
    if PROCESSORS[0] in held or "image_processor" in held.get(PROCESSORS[1], {}):
        return None
    return Fault(f"{folder} does not say how pictures are prepared: {PROCESSORS[0]} is missing", lost=(PROCESSORS[0],))
