"""The models BrainAlign knows, by name: what each is, whether its files are here, and loading it.

`brainalign.models.table` holds the rows. Controls are names too: `<model>-random`, `-image-only`,
`-instruction-only`, `-shuffled`. Nothing here imports torch before `load`.
"""

from difflib import get_close_matches
from importlib import import_module

from brainalign.models import checkpoint, complete, endpoint, regions, table
from brainalign.models.checkpoint import ModelError
from brainalign.models.table import CONTROLS, MODELS, Model

__all__ = ["CONTROLS", "MODELS", "Model", "ModelError"]
__all__ += ["answering", "available", "find", "here", "identity", "load", "missing", "rehearse"]


def here():
    """All rows of the table by name, and that of a server's model where its address is set."""
    return MODELS | ({table.ENDPOINT.name: table.ENDPOINT} if endpoint.address() else {})


def answering():
    """The models that answer in words: {name: what keeps it from loading here and what to do, "" if nothing}."""
    return {name: missing(name) for name, model in here().items() if model.answers}


def find(name):
    """The table's row of a model or of a control."""
    if name in here():
        return here()[name]
    if name == table.ENDPOINT.name:
        raise ValueError(f"no server is set; export {endpoint.ADDRESS}=http://localhost:8000/v1 or where it is")
    for control in CONTROLS:
        of = str(name).removesuffix(f"-{control}")
        if of != name and of in MODELS:
            return table.controlled(MODELS[of], control)
    known = [*MODELS, *(f"{row.name}-{c}" for row in MODELS.values() for c in table.controls(row))]
    near = get_close_matches(str(name), known, n=1) or sorted(MODELS)
    raise ValueError(f"no model {name!r}; try {', '.join(near)}, or see `brainalign models`")


def missing(name):
    """What keeps a model from loading on this machine, and what to do; "" if its files are here and complete."""
    model = find(name)
    if model.outside:
        return f"{model.name} cannot be loaded: {model.outside}"
    fault = checkpoint.missing(model)
    if fault:
        return fault
    place, words = checkpoint.source(model), model.family.words_of
    if words and not complete.has_tokenizer(place):
        fault = checkpoint.missing(table.controlled(MODELS[words], "random"))  # all but its weights
    return fault or (regions.missing(place) if model.family.regions else "")


def rehearse(name):
    """What keeps a model from loading, found by loading all of it but its weights' numbers; "" if nothing.

    Their names and shapes are held against what the network needs. Imports torch; seconds for the largest models.
    """
    model = find(name)
    fault = missing(name)
    if fault or not model.checkpoint:
        return fault
    from brainalign.models import weights

    try:
        _loaded(model, "cpu", None, weights.unread)
    except ModelError as error:
        return str(error)
    return ""


def available(name):
    """Whether a model's files are on this machine and complete."""
    return not missing(name)


def identity(name, dtype=None):
    """What `load` would load, without loading it: checkpoint, revision (hub commit or content hash), dtype, and
    the control if it is one."""
    model = find(name)
    place = checkpoint.source(model)
    found = checkpoint.describe(model, place, dtype or model.dtype)
    return found | ({"regions": regions.described(place)} if model.family.regions else {})


def load(name, device=None, dtype=None):
    """A model's adapter, ready to answer and to give states.

    device : "cpu", "cuda", "cuda:1", "mps"; by default an accelerator if there is one
    dtype : "float32", "bfloat16", "float16", or "8bit" and "4bit", which need an NVIDIA GPU and bitsandbytes;
        by default the table's
    """
    checkpoint.check_choice(device, dtype)
    return _loaded(find(name), device, dtype)


def _loaded(model, device, dtype, *network):
    """network : what makes the network, if it is not `weights.network`."""
    from brainalign.models.controls import controlled

    if model.outside:
        raise ModelError(missing(model.name))
    module, _, cls = model.adapter.partition(":")
    with checkpoint.explained(model):
        adapter = controlled(getattr(import_module(f"brainalign.models.{module}"), cls), model.control)
        return adapter(model, checkpoint.source(model), device, dtype or model.dtype, *network)
