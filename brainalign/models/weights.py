"""A model's network with its weights: the checkpoint's, those in 8 or 4 bit, or random ones of its shape."""

from contextlib import contextmanager
from importlib.util import find_spec
from zipfile import is_zipfile

import torch
from safetensors import safe_open
from transformers import GenerationConfig
from transformers.utils import logging

from brainalign.models import checkpoint
from brainalign.models.checkpoint import ModelError, is_quantised

REPORT = {"output_loading_info": True, "ignore_mismatched_sizes": True}
VISION = ("vision", "visual", "perceiver")  # in the names of parts that stay in 16 bit, wherever they are


def network(model, net_class, source, device, dtype, **options):
    """An instance of `net_class` on a device, ready to run.

    dtype : one of `checkpoint.DTYPES`; options : further arguments of the class, such as add_pooling_layer=False
    """
    with _quiet():
        _check_kind(model, net_class, source)
        if model.random:
            return _random(net_class, source, options).to(device, _torch_dtype(dtype)).eval()
        if is_quantised(dtype):
            options = options | {"quantization_config": quantization(model, net_class, source, device, dtype)}
        options |= {"dtype": _torch_dtype(dtype), "device_map": {"": device}}
        return _whole(model, source, net_class.from_pretrained(source, **options, **REPORT)).eval()


def unread(model, net_class, source, device, dtype, **options):
    """The network of `network` without its weights' numbers, on the meta device: names and shapes are compared."""
    with _quiet():
        _check_kind(model, net_class, source)
        config = net_class.config_class.from_pretrained(source)
        if model.random:
            with torch.device("meta"):
                return net_class(config, **options)
        options |= {"config": config, "state_dict": _shapes(source), "device_map": {"": "meta"}}
        net = _whole(model, source, net_class.from_pretrained(None, **options, **REPORT))
    if net.can_generate() and (source / "generation_config.json").exists():
        net.generation_config = GenerationConfig.from_pretrained(source)
    return net


def _check_kind(model, net_class, source):
    """The kind of model that a folder's config.json tells is the row's; old ones tell the class of the network alone.

    One that tells neither would stand for the largest model of the kind, which is made in memory before it fails.
    """
    if isinstance(source, str):  # the hub's is not fetched twice
        return
    told, wanted = net_class.config_class.get_config_dict(source)[0], net_class.config_class.model_type
    kind = told.get("model_type")
    if kind != wanted and (kind or not told.get("architectures")):
        kind = f"is that of a {kind}" if kind else "does not say of which kind of model it is"
        found = f"config.json in {source} {kind}, expected a {wanted}"
        raise ModelError(f"{model.name}: {found}. {checkpoint.unlike(model)}")


def _whole(model, source, loaded):
    """The network of (network, report of its loading), in which no weight is missing or of another shape."""
    net, info = loaded
    lost, other = sorted(info["missing_keys"]), sorted(info["mismatched_keys"])
    if not lost and not other:
        return net
    n = len(net.state_dict())
    found = f"{len(lost)} of the {n} weights it needs are not in {source}, the first is {lost[0]}" if lost else ""
    if other and not lost:
        name, held, needed = other[0]
        found = f"{name} in {source} has shape {tuple(held)}, its config.json asks for {tuple(needed)}"
    raise ModelError(f"{model.name}: {found}. {checkpoint.unlike(model)}")


def _shapes(folder):
    """{name: tensor without memory} of all weights in a folder's files, by their headers where they have one."""
    found = {}
    for file in checkpoint.weight_files(folder):
        if file.suffix == ".safetensors":
            with safe_open(file, "pt") as held:
                shapes = {name: held.get_slice(name).get_shape() for name in held.keys()}  # noqa: SIM118
            found |= {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
        else:
            found |= torch.load(file, map_location="meta", weights_only=True, mmap=is_zipfile(file))
    return found


def quantization(model, net_class, source, device, dtype):
    """transformers' settings for 8 or 4 bit, of the language model alone."""
    advice = "load it with dtype bfloat16"
    if not model.answers:
        raise ModelError(f"{model.name} has no language model to hold in {dtype}; {advice}")
    if device.type != "cuda":
        raise ModelError(f"{model.name}: {dtype} needs an NVIDIA GPU, found {device}; {advice}")
    if not find_spec("bitsandbytes"):
        raise ModelError(f"{model.name}: {dtype} needs bitsandbytes: pip install bitsandbytes; or {advice}")
    from transformers import BitsAndBytesConfig

    kept = unquantised(net_class, source)
    if dtype == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=kept)
    nf4 = {"bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": torch.bfloat16}
    return BitsAndBytesConfig(load_in_4bit=True, llm_int8_skip_modules=kept, **nf4)


def unquantised(net_class, source):
    """Full names of the linear parts that stay in 16 bit: vision, connector and the output over words.

    Full, because transformers matches a name from the start: "vision_tower" would miss "model.vision_tower".
    """
    with torch.device("meta"):
        net = net_class(net_class.config_class.from_pretrained(source))
    language = {id(module) for module in net.get_decoder().modules()} - {id(net.get_output_embeddings())}
    linear = {name: module for name, module in net.named_modules() if isinstance(module, torch.nn.Linear)}
    return [
        name for name, module in linear.items() if id(module) not in language or any(part in name for part in VISION)
    ]


def _random(net_class, source, options):
    """Always the same weights; the random state of others is left alone."""
    config = net_class.config_class.from_pretrained(source)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return net_class(config, **options)


def _torch_dtype(dtype):
    return torch.bfloat16 if is_quantised(dtype) else getattr(torch, dtype)


@contextmanager
def _quiet():
    """Without transformers' table of the weights it left out; those it lacks are an error of ours."""
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)
