"""States of a model for many pictures under one instruction: resumable extraction to shards, and loading.

A feature set is a directory: shards `<first>-<last>.safetensors` by image id, and `manifest.json`, written last,
so that its existence means complete. A shard holds tensors `<pooling>/<layer>` (n_images, n_dims), the tensor
`image_ids`, and the answers; where a model was not shown all of a picture or text, also `unseen` or `unread`, as of
`Adapter.lost`. A tensor is float16, or float32 where float16 does not suffice (`files.compact`): its own
pictures alone decide, so that neither batches nor kills change what is kept. Features are by image id and never by
subject.
"""

import json
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import numpy as np

from brainalign.files import HALF, compact, fingerprint, in_words
from brainalign.pictures import resized
from brainalign.types import Features
from brainalign.writing import claimed, write_once

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Request:
    """What to extract.

    instruction, prompt : id and text; both "" for a model that takes no instruction
    image_ids : ascending NSD ids counted from 0
    shard : pictures in one file, which bounds the memory and what a kill can lose
    text : what is read about each picture instead of the prompt: "answers:<model>", the path of captions, or ""
    pixels : side of the square to which pictures are resized before the model's own preparation; 0: as they are
    """

    model: str
    instruction: str
    prompt: str
    image_ids: tuple[int, ...]
    poolings: tuple[str, ...]
    max_new_tokens: int = 64
    batch_size: int = 16
    shard: int = 128
    text: str = ""
    pixels: int = 0

    def shards(self):
        """(file name, image ids) of every shard."""
        parts = [self.image_ids[k : k + self.shard] for k in range(0, len(self.image_ids), self.shard)]
        return [(f"{ids[0]:05d}-{ids[-1]:05d}.safetensors", ids) for ids in parts]


def extract(requests, load_model, stimulus, progress=None):
    """Extract what is not there yet. Any number of workers may do this at once; none makes a shard twice.

    requests : {directory: Request}, at least one, which differ only in their instruction: a model sees each picture
        once and shares that work over the instructions
    load_model() : the adapter (models.load), asked for only if something is to be made
    stimulus(image_id) : the picture, uint8 (height, width, 3)
    progress(done, total, text) : called after each shard; done and total count pictures
    """

    pixels = next(iter(requests.values())).pixels

    def look(adapter, ids, prompts, options):
        pictures = _pictures(ids, stimulus, pixels)
        return adapter.states_many(pictures, prompts, *options), adapter.lost(images=pictures)

    _extract(requests, load_model, look, progress)


def extract_texts(directory, request, load_model, texts, progress=None, stimulus=None):
    """Extract the states of one text about each picture, by a model that reads texts; see `extract`.

    texts : {image_id: text}, such as captions or another model's `answers`
    stimulus : for the poolings of picture and text together
    """

    def read(adapter, ids, prompts, options):
        poolings, _, batch_size = options
        seen = {"images": _pictures(ids, stimulus, request.pixels)} if stimulus else {}
        written = [texts[image_id] for image_id in ids]
        states = adapter.states_of_texts(written, poolings, batch_size, **seen)
        return {prompt: ([""] * len(ids), states) for prompt in prompts}, adapter.lost(texts=written, **seen)

    def sent(adapter, prompt):
        return ""  # each picture has a text of its own

    missing = [image_id for image_id in request.image_ids if image_id not in texts]
    if missing:
        raise ValueError(f"{request.model}: {len(missing)} pictures have no text to read, the first is {missing[0]}")
    _extract({directory: request}, load_model, read, progress, sent)


def _pictures(ids, stimulus, pixels):
    return [resized(stimulus(image_id), pixels) for image_id in ids]


def _extract(requests, load_model, look, progress, sent=lambda adapter, prompt: adapter.sent(prompt)):
    """look(adapter, image ids, prompts, (poolings, max_new_tokens, batch_size)) : what `Adapter.states_many` and
        `Adapter.lost` give

    sent(adapter, prompt) : the whole prompt that the model reads
    """
    requests = {Path(d): request for d, request in requests.items() if not (Path(d) / MANIFEST).exists()}
    if not requests:
        return
    started, done = time.perf_counter(), 0
    first = next(iter(requests.values()))
    held = []
    for name, ids in first.shards():
        if not _make_shards(requests, name, ids, load_model, look):
            held.append((name, ids))
        done += len(ids)
        if progress:
            progress(done, len(first.image_ids), f"{first.model}, {len(requests)} instructions")
    for name, ids in held:  # another worker made these, or left them
        _make_shards(requests, name, ids, load_model, look, wait=True)
    for directory, request in requests.items():
        adapter = load_model()
        _finish(directory, request, adapter, time.perf_counter() - started, sent(adapter, request.prompt))


def _make_shards(requests, name, ids, load_model, look, wait=False):
    """Make the shards of some pictures for all instructions; False if another worker holds one of them."""
    with ExitStack() as claims:
        todo, free = {}, True
        for directory, request in requests.items():
            if (directory / name).exists():
                continue
            mine = claims.enter_context(claimed(directory / name, wait))
            free = free and mine
            if mine and not (directory / name).exists():
                todo[request.prompt] = directory / name, request
        if todo:
            _write_shards(todo, ids, load_model(), look)
    return free


def _write_shards(todo, ids, adapter, look):
    """todo : {prompt: (path, Request)}. States are held as float32 until the shard of their pictures is complete."""
    request = next(iter(todo.values()))[1]
    answers, states, lost = {prompt: [] for prompt in todo}, {prompt: [] for prompt in todo}, []
    for k in range(0, len(ids), request.batch_size):
        batch = ids[k : k + request.batch_size]
        options = request.poolings, request.max_new_tokens, request.batch_size
        made, missed = look(adapter, batch, list(todo), options)
        lost.append(missed)
        for prompt, (texts, found) in made.items():
            answers[prompt] += texts
            states[prompt].append({p: _finite(found[p], batch, todo[prompt][1], p) for p in request.poolings})
    for prompt, (path, _) in todo.items():
        _write_shard(path, ids, answers[prompt], states[prompt], lost)


def _write_shard(path, ids, answers, states, lost):
    """states : one {pooling: (n_images, n_layers, n_dims)} a batch; lost : one {name: (n_images,)} a batch."""
    from safetensors.numpy import save

    tensors = {"image_ids": np.array(ids, np.int64)}
    cut = {name: np.concatenate([batch[name] for batch in lost]).astype(np.float32) for name in lost[0]}
    tensors |= {name: values for name, values in cut.items() if values.any()}
    for pooling in states[0]:
        values = np.concatenate([batch[pooling] for batch in states])
        for layer in range(values.shape[1]):
            tensors[f"{pooling}/{layer}"] = compact(np.ascontiguousarray(values[:, layer]))
    texts = {"answers": json.dumps(answers, ensure_ascii=False)}  # one key: the order of several is not fixed
    write_once(path, lambda aside: aside.write_bytes(save(tensors, texts)))


def _finite(values, ids, request, pooling):
    """States (n_images, n_layers, n_dims) as float32; one that is not finite stops the extraction."""
    values = np.asarray(values, np.float32)
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        image, layer, dim = bad[0]
        found = values[image, layer, dim]
        why = "is not a number" if np.isnan(found) else "is infinite"
        raise ValueError(
            f"{request.model} {request.instruction or 'without instruction'}: the state of image {ids[image]}, "
            f"layer {layer}, {pooling}, {why} ({len(bad)} such values); "
            "load the model in another dtype (bfloat16 or float32) and run again"
        )
    return values


def _finish(directory, request, adapter, seconds, sent):
    """Hash every shard and write the manifest, which declares the set complete."""
    shards = []
    for name, ids in request.shards():
        digest = sha256((directory / name).read_bytes()).hexdigest()
        shards.append({"file": name, "images": len(ids), "sha256": digest})
    with _open(directory / shards[0]["file"]) as file:
        found = {pooling: _dims(file, pooling) for pooling in request.poolings}
    wide = _wide(directory, shards, found)
    content = {
        "model": request.model,
        "instruction": request.instruction,
        "prompt": request.prompt,
        "sent": sent,
        **({"text": Path(request.text).name} if request.text else {}),
        **({"pixels": request.pixels} if request.pixels else {}),
        "poolings": {name: {"layers": layers, "dims": dims} for name, (layers, dims) in found.items()},
        "layers": list(adapter.layers),
        "images": len(request.image_ids),
        "max_new_tokens": request.max_new_tokens,
        "dtype": "float16, float32" if wide else "float16",
        "warnings": [f"layer {layer} {pooling}: {text}" for (pooling, layer), text in wide.items()]
        + _cut(directory, shards, len(request.image_ids)),
        "checkpoint": adapter.checkpoint_info,
        "shards": shards,
        "content": fingerprint([shard["sha256"] for shard in shards]),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 2),
    }
    text = json.dumps(content, indent=1, ensure_ascii=False, default=str)
    write_once(directory / MANIFEST, lambda aside: aside.write_text(text, encoding="utf-8"))


def _dims(file, pooling):
    """Number of layers, and dimensions of each, that a shard holds for a pooling."""
    names = [name for name in file.keys() if name.startswith(f"{pooling}/")]  # noqa: SIM118
    return len(names), [file.get_slice(f"{pooling}/{k}").get_shape()[1] for k in range(len(names))]


def _wide(directory, shards, found):
    """{(pooling, layer): what is to be told} of the tensors that float16 does not hold; found : as of `_dims`."""
    largest = {}
    for shard in shards:
        with _open(directory / shard["file"]) as file:
            for pooling, (layers, _) in found.items():
                for layer in range(layers):
                    name = f"{pooling}/{layer}"
                    if file.get_slice(name).get_dtype() == "F32":
                        largest.setdefault((pooling, layer), []).append(float(np.abs(file.get_tensor(name)).max()))
    return {at: _told(sizes, len(shards)) for at, sizes in sorted(largest.items())}


def _told(largest, n_shards):
    """largest : the largest magnitude in each shard that is held as float32."""
    size = max(largest)
    why = f"reach {size:.0f}, too large" if size > HALF[1] else "are all below 0.00006, too small"
    return f"states {why} for float16: held as float32 in {len(largest)} of {n_shards} files"


def _cut(directory, shards, n_images):
    """What was cut off before a model saw or read it, as sentences."""
    told = {
        "unseen": "pictures were not seen whole: up to {:.0%} of a side was cut off, at both ends",
        "unread": "texts were not read to their end: up to {:.0f} tokens were cut off",
    }
    found = {name: [] for name in told}
    for shard in shards:
        with _open(directory / shard["file"]) as file:
            for name in told.keys() & set(file.keys()):
                found[name] += zip(file.get_tensor(name).tolist(), (-file.get_tensor("image_ids")).tolist())
    lines = []
    for name, values in found.items():
        if values:
            n, (most, image) = sum(value > 0 for value, _ in values), max(values)
            lines.append(f"{n} of {n_images} {told[name].format(most)}, for image {-image}")
    return lines


def _open(path):
    from safetensors import SafetensorError, safe_open

    try:
        return safe_open(path, framework="np")
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} cannot be read ({in_words(error)}); delete it and run the study again") from None


def manifest(directory):
    """The manifest of a complete feature set."""
    path = Path(directory) / MANIFEST
    if not path.exists():
        raise FileNotFoundError(f"{directory} holds no complete feature set; run the study again")
    return json.loads(path.read_text(encoding="utf-8"))


def load(directory, layer, pooling):
    """One layer and pooling of a feature set as `types.Features`; reads only these."""
    about = manifest(directory)
    if pooling not in about["poolings"]:
        has = ", ".join(about["poolings"])
        raise ValueError(f"{about['model']} {about['instruction']} has no pooling {pooling!r}; it has {has}")
    n_layers = about["poolings"][pooling]["layers"]
    if not 0 <= layer < n_layers:
        raise ValueError(f"{about['model']} has layers 0 to {n_layers - 1}, there is no layer {layer}")
    values, image_ids = [], []
    for shard in about["shards"]:
        with _open(Path(directory) / shard["file"]) as file:
            values.append(file.get_tensor(f"{pooling}/{layer}"))
            image_ids.append(file.get_tensor("image_ids"))
    values = np.concatenate(values).astype(np.float32)
    return Features(values, np.concatenate(image_ids), about["model"], about["instruction"], layer, pooling)


def answers(directory):
    """(image_id, answer) of every picture of a feature set; empty for a model that does not answer."""
    for shard in manifest(directory)["shards"]:
        with _open(Path(directory) / shard["file"]) as file:
            texts = json.loads(file.metadata()["answers"])
            yield from zip(file.get_tensor("image_ids").tolist(), texts)
