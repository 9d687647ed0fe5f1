"""Make a checkpoint folder of MiniGPT-4 from its published files:

    python -m brainalign.models.compose PTH BLIP2 LANGUAGE FOLDER

PTH : the published .pth of MiniGPT-4, which holds the matrix between vision and language:
    for Vicuna 7B prerained_minigpt4_7b.pth (spelt so) of the Space Vision-CAIR/minigpt4, 768 x 4096:
        hf download Vision-CAIR/minigpt4 prerained_minigpt4_7b.pth --repo-type space --local-dir .
    for Vicuna 13B the .pth of the repository Vision-CAIR/MiniGPT-4 (47.4 MB), 768 x 5120:
        hf download Vision-CAIR/MiniGPT-4 --include "*.pth" --local-dir .
    for Llama-2 7B the one that the project's page links to, on a drive alone, 5632 x 4096
BLIP2 : folder of Salesforce/blip2-flan-t5-xxl, of whose vision tower and Q-Former MiniGPT-4 is made; one format of it:
        hf download Salesforce/blip2-flan-t5-xxl --include "model*.safetensors" --include "*.json" --local-dir blip2
LANGUAGE : folder of Vicuna v0 (Vision-CAIR/vicuna-7b, or Vision-CAIR/vicuna for 13B) or of Llama-2-7b-chat-hf
FOLDER : where to write it, such as ~/models/minigpt4-vicuna-7b; load it with BRAINALIGN_MODELS=~/models
"""

import json
import shutil
import sys
from pathlib import Path
from pickle import UnpicklingError

from brainalign.files import in_words
from brainalign.models import complete
from brainalign.models.checkpoint import ModelError, weight_files
from brainalign.models.published import MATRIX_7B, MATRIX_13B

TRAINED = {"llama_proj.weight": "language_projection.weight", "llama_proj.bias": "language_projection.bias"}
NORM = {f"ln_vision.{part}": f"vision_model.post_layernorm.{part}" for part in ("weight", "bias")}
PROJECTIONS = {4096: MATRIX_7B, 5120: MATRIX_13B}  # by the language model's dimensions
SEES = ("vision_model.", "qformer.", "query_tokens")  # what is taken of BLIP-2


def compose(published, blip2, language, folder):
    """Write the folder: one file of weights for the parts that see, then one for each of the language model's."""
    import torch

    folder, blip2, language = Path(folder), Path(blip2), Path(language)
    _check(blip2, "the folder of Salesforce/blip2-flan-t5-xxl", ("vision_config", "qformer_config"))
    _check(language, "that of a LLaMA, such as Vision-CAIR/vicuna-7b", ("hidden_size",), ("tokenizer",))
    held = _matrix(Path(published))
    config, sees = _config(held["llama_proj.weight"], blip2, language)
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value for file in weight_files(blip2) for name, value in _read(file).items() if sees(name)}
    if config["model_type"] != "blip-2":  # its published code never loaded BLIP-2's
        size = config["vision_config"]["hidden_size"]
        weights |= dict(zip(NORM.values(), (torch.ones(size), torch.zeros(size))))
    weights |= {ours: held[theirs] for theirs, ours in (TRAINED | NORM).items() if theirs in held}
    parts = [lambda: weights]
    parts += [lambda file=file: _renamed(_read(file)) for file in weight_files(language)]
    _write(folder, parts)
    _finish(folder, config, language)


def _check(place, wanted, settings, parts=()):
    """A folder is complete and what was `wanted`, in words: its configuration has these settings."""
    fault = complete.fault(place, parts)
    if fault:
        todo = f"Install it: pip install {fault.package}" if fault.package else _wanted(wanted)
        raise ModelError(f"{fault.found}. {todo}")
    told = json.loads((place / "config.json").read_bytes())
    if lost := [name for name in settings if name not in told]:
        raise ModelError(f"config.json in {place} has no {lost[0]}. {_wanted(wanted)}")


def _wanted(what):
    return f"Expected {what}: give the places in the order PTH BLIP2 LANGUAGE FOLDER, or fetch it anew"


def _matrix(published):
    """The weights of a published .pth, with the matrix among them."""
    held = _read(published)
    held = held.get("model", held) if isinstance(held, dict) else {}
    held = held if isinstance(held, dict) else {}
    if lost := [name for name, n_axes in zip(TRAINED, (2, 1)) if getattr(held.get(name), "ndim", 0) != n_axes]:
        raise ModelError(f"{published} has no {lost[0]}; expected a published .pth of MiniGPT-4, it has {_few(held)}")
    return held


def _config(matrix, blip2, language):
    """The folder's config.json, and which of BLIP-2's weights it takes."""
    sees, speaks = (json.loads((place / "config.json").read_bytes()) for place in (blip2, language))
    vision = sees["vision_config"]
    size, queries = vision.get("hidden_size", 1408), sees["qformer_config"].get("hidden_size", 768)
    if matrix.shape[0] != speaks["hidden_size"]:
        wanted, shape = speaks["hidden_size"], " x ".join(map(str, reversed(matrix.shape)))
        known = PROJECTIONS.get(wanted) if matrix.shape[1] == queries else None
        raise ModelError(
            f"the matrix is {shape}, so it makes tokens of {matrix.shape[0]} dimensions, {language} has {wanted}; "
            + (f"the one for it is {known}" if known else "take the language model that the .pth was trained with")
        )
    if matrix.shape[1] == queries:
        kept = {key: sees[key] for key in ("vision_config", "qformer_config", "num_query_tokens") if key in sees}
        kept |= {"architectures": ["Blip2ForConditionalGeneration"], "text_config": speaks, "image_token_index": None}
        return {"model_type": "blip-2"} | kept, lambda name: name.startswith(SEES)
    if matrix.shape[1] == 4 * size:
        kept = {"model_type": "minigpt4-patches", "vision_config": vision | {"hidden_size": size}}
        return kept | {"text_config": speaks}, lambda name: name.startswith(SEES[0])
    raise ModelError(f"the matrix has {matrix.shape[1]} columns, expected {queries} (Vicuna) or {4 * size} (Llama-2)")


def _read(file):
    """What a file holds, safetensors or PyTorch's own; of the latter tensors alone, which cannot run code."""
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(file)
    import torch

    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError):
        raise ModelError(
            f"{file} is not a file of weights alone: it is damaged, or holds what could run code, and was not read; "
            "take the published file"
        ) from None


def _renamed(weights):
    """The language model's under its name in the whole, without what transformers works out for itself."""
    return {f"language_model.{name}": value for name, value in weights.items() if "rotary_emb.inv_freq" not in name}


def _write(folder, parts):
    from safetensors.torch import save_file

    where, size = {}, 0
    for i, part in enumerate(parts):
        name, weights = f"model-{i + 1:05d}-of-{len(parts):05d}.safetensors", part()
        save_file({key: value.contiguous() for key, value in weights.items()}, folder / name, {"format": "pt"})
        where |= dict.fromkeys(weights, name)
        size += sum(value.nbytes for value in weights.values())
    index = {"metadata": {"total_size": size}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1))


def _finish(folder, config, language):
    """Tokenizer, processor and configuration; config.json last, since with it the folder is complete."""
    from transformers import AutoTokenizer, Blip2Processor, BlipImageProcessorPil

    from brainalign.models.special import with_bos

    side = config["vision_config"].get("image_size", 224)
    pixels = BlipImageProcessorPil(size={"height": side, "width": side})  # bicubic, CLIP's mean and deviation
    words = with_bos(AutoTokenizer.from_pretrained(language), language)
    Blip2Processor(pixels, words).save_pretrained(folder)
    if (language / "generation_config.json").exists():
        shutil.copy(language / "generation_config.json", folder)
    (folder / "config.json").write_text(json.dumps(config, indent=1))


def _few(names):
    return ", ".join(sorted(names)[:3]) or "nothing"


def main():
    """Compose what the command line names."""
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    try:
        compose(*sys.argv[1:])
    except (ValueError, OSError) as error:
        sys.exit(f"Error: {in_words(error)}")


if __name__ == "__main__":
    main()
