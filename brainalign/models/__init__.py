"""The models BrainAlign knows, as a table: name -> adapter, checkpoint and what kind of model it is.

Adding a model of a known family is one row here; a new family is one small file with an `Adapter` and its rows.
Nothing here imports torch before `load`.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

from brainalign.models import checkpoint
from brainalign.models.checkpoint import SHIPPED, ModelError

__all__ = ["MODELS", "Model", "ModelError", "available", "find", "identity", "load", "missing"]


@dataclass(frozen=True)
class Model:
    """One row of the table.

    adapter : "module:Class" within `brainalign.models`
    checkpoint : a hub id ("owner/name"), or the path of a folder that comes with the repository
    kind : "multimodal", "vision" or "language"
    tuned : trained to follow instructions
    answers : can put an answer into words
    random : random weights in the checkpoint's shape (the control), always from the same seed
    dtype : in which the weights are held unless `load` is told otherwise
    size : of what is downloaded
    """

    name: str
    adapter: str
    checkpoint: str | Path
    kind: str
    tuned: bool
    answers: bool
    random: bool = False
    dtype: str = "float32"
    size: str = ""
    note: str = ""

    @property
    def uses_instruction(self):
        """Whether its states can depend on an instruction."""
        return self.kind != "vision"


_ROWS = (
    Model(
        "llava-1.5-7b",
        "llava:Llava",
        "llava-hf/llava-1.5-7b-hf",
        "multimodal",
        tuned=True,
        answers=True,
        dtype="bfloat16",
        size="14 GB",
        note="LLaVA 1.5: CLIP ViT-L/14 at 336 pixels, a projector, Vicuna 7B",
    ),
    Model(
        "llava-demo",
        "llava:Llava",
        SHIPPED / "llava-demo",
        "multimodal",
        tuned=True,
        answers=True,
        note="a LLaVA of 8 M parameters trained on the demo's scenes and instructions",
    ),
    Model(
        "llava-demo-random",
        "llava:Llava",
        SHIPPED / "llava-demo",
        "multimodal",
        tuned=False,
        answers=True,
        random=True,
        note="control: llava-demo with random weights",
    ),
    Model(
        "vit-demo",
        "vit:Vit",
        SHIPPED / "vit-demo",
        "vision",
        tuned=False,
        answers=False,
        note="a small ViT that classifies what is in the demo's scenes; it sees no instruction",
    ),
)
MODELS = {model.name: model for model in _ROWS}


def find(name):
    """The table's row of a model."""
    if name in MODELS:
        return MODELS[name]
    near = get_close_matches(name, MODELS, n=1) or sorted(MODELS)
    raise ValueError(f"no model {name!r}; try {', '.join(near)}")


def missing(name):
    """What keeps a model from loading on this machine, and what to do; "" if its files are here and complete."""
    return checkpoint.missing(find(name))


def available(name):
    """Whether a model's files are on this machine and complete."""
    return not missing(name)


def identity(name):
    """What `load` would load, without loading it: checkpoint, revision (hub commit or content hash), dtype."""
    model = find(name)
    return checkpoint.describe(model, checkpoint.source(model), model.dtype)


def load(name, device=None, dtype=None):
    """A model's adapter, ready to answer and to give states.

    device : "cpu", "cuda", "cuda:1", "mps"; by default an accelerator if there is one
    dtype : "float32", "bfloat16" or "float16"; by default the table's
    """
    model = find(name)
    checkpoint.check_choice(device, dtype)
    module, _, cls = model.adapter.partition(":")
    with checkpoint.explained(model):
        adapter = getattr(import_module(f"brainalign.models.{module}"), cls)
        return adapter(model, checkpoint.source(model), device, dtype or model.dtype)
