"""What is known of the models' published files: their format, measured sizes, and what of a row was checked.

The checks ran with random weights in the hub's layout and the published configuration, tokenizer and processor
settings. Real weights of a published model were never loaded in them: `brainalign models --verify NAME` does that.
"""

from dataclasses import dataclass, replace

CHECKS = {  # what a row was checked against: what that means
    "equal": "published configuration, random weights: answers and states are those of plain transformers or of the "
    "publishers' code",
    "parts": "published configuration: parts of it, see `found` in --json; answers and states are those of plain "
    "transformers in small random networks alone",
    "counts": "published configuration: as many parameters as published or within 0.002 %, not run",
    "own": "all that it needs comes with the repository: the tests run it",
    "": "nothing yet",
}


@dataclass(frozen=True)
class Published:
    """Of one model's files.

    format : of the weights that are fetched, a key of `checkpoint.FORMATS`; the others there are left out
    size, whole : measured bytes of what is fetched and of all that is there, "" if not measured
    checked : a key of CHECKS; found : what the check showed beyond that
    parts : of a model that is composed of several publications: which they are
    """

    format: str = "safetensors"
    size: str = ""
    whole: str = ""
    checked: str = ""
    found: str = ""
    parts: str = ""


NEXT = "2,928 and 1,560 picture tokens for two shapes"
BIN = "published as .bin alone"
GRID = "with region files, not with the ResNet-101 that stands in for them"
MATRIX_7B = "prerained_minigpt4_7b.pth (spelt so) of the Space Vision-CAIR/minigpt4, a matrix of 768 x 4096"
MATRIX_13B = "the .pth of the repository Vision-CAIR/MiniGPT-4 (47.4 MB), a matrix of 768 x 5120"
SHIPPED = Published(checked="own")
SEES = "BLIP2: Salesforce/blip2-flan-t5-xxl"
PUBLISHED = {
    "llava-1.5-7b": Published(checked="equal", found="576 picture tokens; with and without a chat template"),
    "llava-1.5-13b": Published(checked="counts", found="the same adapter as llava-1.5-7b"),
    "llava-next-mistral-7b": Published(checked="counts"),
    "llava-next-vicuna-7b": Published(checked="equal", found=NEXT),
    "blip2-opt-2.7b": Published(checked="counts"),
    "blip2-flan-t5-xl": Published(checked="counts", found="1.7 % off: shared embeddings are counted once"),
    "instructblip-vicuna-7b": Published(
        size="31.7 GB",
        whole="63 GB",
        checked="parts",
        found="its generation settings end answers with token 1, its tokenizer with 2: both must end them",
    ),
    "instructblip-flan-t5-xl": Published(checked="counts", found="1.7 % off: shared embeddings are counted once"),
    "minigpt4-vicuna-7b": Published(
        checked="parts",
        found="its prompt, end tokens 835 and (2277, 29937), 224 pixels",
        parts=f"PTH: {MATRIX_7B} (`hf download Vision-CAIR/minigpt4 prerained_minigpt4_7b.pth --repo-type space "
        f"--local-dir ~/models/parts`); {MATRIX_13B} is that of 13B. {SEES}. "
        "LANGUAGE: Vision-CAIR/vicuna-7b (Vicuna v0)",
    ),
    "minigpt4-llama2-7b": Published(
        checked="parts",
        found="its prompt",
        parts=f"PTH: linked from the project's page alone, a matrix of 5632 x 4096. {SEES}. "
        "LANGUAGE: meta-llama/Llama-2-7b-chat-hf",
    ),
    "mplug-owl-7b": Published("bin", checked="equal", found=f"the publishers' network and prompt; {BIN}"),
    "mplug-owl-7b-pt": Published("bin", checked="equal", found=f"the publishers' network and prompt; {BIN}"),
    "idefics-9b-instruct": Published(checked="equal"),
    "idefics-9b": Published(
        checked="parts",
        found="its tokenizer, which has no <end_of_utterance>: it is not asked as the instruct model is",
    ),
    "qwen2.5-vl-7b": Published(checked="equal", found="225 and 198 picture tokens for two shapes"),
    "qwen2.5-vl-3b": Published(checked="counts", found="the same adapter as qwen2.5-vl-7b"),
    "qwen3-vl-8b": Published(checked="equal", found="169 and 144 picture tokens for two shapes"),
    "clip-vit-l14": Published(
        size="1.71 GB", whole="6.8 GB in four formats", checked="equal", found="real vocabulary, ids and pixels"
    ),
    "clip-vit-l14-336": Published(checked="counts"),
    "vit-h": Published(checked="parts", found="its files: safetensors and .bin of either age load"),
    "bert-base": Published(
        checked="parts", found="its file, a .bin: 108,891,648 weights are loaded, its pooler is left out"
    ),
    "bridgetower-base": Published(checked="counts"),
    "lxmert-base": Published(checked="equal", found=GRID),
    "visualbert-vqa": Published("bin", checked="equal", found=f"{GRID}; {BIN}"),
    "resnet-101": Published("bin", size="179 MB", whole="358 MB", found=BIN),
    "vicuna-7b": Published("bin", checked="counts", found=f"its tokenizer.model is read by sentencepiece; {BIN}"),
    "vicuna-13b": Published("bin", checked="counts", found="probably as vicuna-7b"),
    "llama-7b": Published(checked="counts"),
    "llama-2-7b": Published(checked="counts"),
    "pixels": SHIPPED,
}


def of(model):
    """What is known of a row of the table, or of the row that a control is made of."""
    if model.checkpoint and not isinstance(model.checkpoint, str):
        return SHIPPED
    known = PUBLISHED.get(model.of or model.name, Published())
    if model.prompt:
        return replace(known, checked="parts", found="its prompt, against the code of the paper's authors")
    return known


def real_weights(model):
    """Whether a check ran with its real weights: "here", "never here", or "none" for a row that has none."""
    if model.random or not (model.checkpoint or model.answers):
        return "none"
    return "here" if of(model) == SHIPPED else "never here"


def size(model):
    """Of what is fetched, in words: measured and within what, or about; of a composed model what comes of it."""
    known = of(model)
    if not known.size:
        composed = " once composed" if model.composed else ""
        return f"about {model.size}{composed}" if model.size else ""
    return f"{known.size} of the {known.whole} there" if known.whole else known.size
