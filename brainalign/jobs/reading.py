"""Which states of a model a job reads, and which texts a model."""

from brainalign import features
from brainalign.jobs import identity, planning


def folder(study, model, instruction):
    """Where the states of a model under an instruction are."""
    return planning.feature_sets(study)[model, instruction].path.parent


def texts(study, request):
    """{image_id: text} that a model reads about each picture: another one's answers, or captions."""
    source = next(model.reads for model in study.models if model.name == request.model)
    if source:
        return dict(features.answers(folder(study, source, request.instruction)))
    return identity.captions(request.text, request.image_ids)


def maps(manifest, job):
    """(layer, pooling) of every map to fit, in key order."""
    poolings = {name: manifest["poolings"][name]["layers"] for name in job.inputs["poolings"]}
    layers = job.inputs["layers"] or range(max(poolings.values()))
    beyond = [layer for layer in layers if layer >= max(poolings.values())]
    if beyond:
        raise ValueError(f"{job.model} has layers 0 to {max(poolings.values()) - 1}, there is no layer {beyond[0]}")
    return [(layer, pooling) for layer in layers for pooling in sorted(poolings) if layer < poolings[pooling]]


def rows(folder, layer, pooling, image_ids):
    """States for these pictures, in their order: (n_images, n_dims)."""
    found = features.load(folder, layer, pooling)
    return found.values[found.rows(image_ids)]
