"""A row of the table held against plain transformers, with the checkpoint that is on this machine.

Loads the model as BrainAlign does, answers some pictures and pools its states; then loads it again with transformers
alone (`brainalign.models.plain`) and compares answers, how they stopped, and the states of every pooling and layer.
"""

import platform
from importlib.metadata import version

import numpy as np

from brainalign import models
from brainalign.models import checkpoint
from brainalign.models.prompts import PLACE

TEXTS = ("What is in this image?", "Describe the most dominant color in the image.")
LIMIT = 32  # tokens of an answer
TOLERANCE = {"float32": 1e-4, "float16": 1e-2, "bfloat16": 5e-2}  # of `relative` in `_layers`
PACKAGES = ("torch", "transformers", "tokenizers", "safetensors")


def verify(name, pictures, device=None, dtype=None, texts=TEXTS):
    """What agrees and what differs, as a dictionary; `equal` is True, False, or None where nothing could be compared.

    pictures : uint8 (height, width, 3) each; device, dtype : as of `models.load`, without the quantised ones
    """
    model = models.find(name)
    dtype = dtype or model.dtype
    _check(model, dtype)
    texts = texts if model.uses_instruction else texts[:1]
    pictures = pictures[:1] if model.kind == "language" else pictures
    ours = _ours(name, pictures, texts, device, dtype)
    plain, why = _plain(model, pictures, texts, ours, dtype)
    report = {
        "model": name,
        "checkpoint": ours["checkpoint"],
        "device": ours["device"],
        "dtype": dtype,
        "tolerance": TOLERANCE[dtype],
        "versions": {"python": platform.python_version()} | {package: version(package) for package in PACKAGES},
        "prompt": ours["around"][0] + texts[0] + ours["around"][1],
        "answers": _answers(ours, plain, texts) if model.answers else [],
        "states": _states(ours, plain, TOLERANCE[dtype]),
    }
    left = [pooling for pooling in ours["poolings"] if pooling not in {row["pooling"] for row in report["states"]}]
    report["not_compared"] = {pooling: why or _why_not(pooling, plain) for pooling in left}
    found = [row["within"] for row in report["states"]]
    found += [row["equal"] for row in report["answers"] if row["equal"] is not None]
    return report | {"equal": all(found) if found else None}


def _check(model, dtype):
    if model.control or not model.checkpoint:
        raise ValueError(f"{model.name} has no checkpoint of its own to verify; verify {model.of or 'another row'}")
    if dtype not in TOLERANCE:
        raise ValueError(f"states are compared in {', '.join(TOLERANCE)}, not in {dtype}")
    missing = models.missing(model.name)
    if missing:
        raise models.ModelError(missing)


def _why_not(pooling, plain):
    if any(pooling in said.states for said in plain.values()):
        return "all answers differ, so that these are states of other words"
    return "a pass of plain transformers has no such states"


def _ours(name, pictures, texts, device, dtype):
    """Answers and states as BrainAlign has them: all pictures and instructions at once."""
    adapter = models.load(name, device, dtype)
    found = adapter.states_many(pictures, list(texts), max_new_tokens=LIMIT)
    poolings = (*adapter.poolings, *_captioned(adapter, pictures, found))
    sent = adapter.sent(PLACE) if adapter.uses_instruction else PLACE
    before, _, after = sent.partition(PLACE)
    ours = {"found": found, "poolings": poolings, "around": (before, after)}
    ours |= {"checkpoint": adapter.checkpoint_info, "device": str(adapter.device)}
    ours["steps"] = {(i, t): _steps(adapter, p, t) for t in texts for i, p in enumerate(pictures)}
    adapter.release()
    return ours


def _captioned(adapter, pictures, found):
    """Add the states of each picture with a text as its caption, where a model reads both; their names.

    Other models read a text as they read an instruction.
    """
    from brainalign.models.plain_readers import CAPTION

    names = ()
    if adapter.model.family.pair_poolings:
        for text, (_, states) in found.items():
            read = adapter.states_of_texts([text] * len(pictures), images=pictures)
            named = {CAPTION + pooling: values for pooling, values in read.items()}
            states |= named
            names = tuple(named)
    return names


def _steps(adapter, picture, text):
    """An answer token by token, with the one that ends it; None where the model does not tell."""
    try:
        return [step[0][0] for step in adapter.likely(picture, text, LIMIT, 1)]
    except models.ModelError:
        return None


def _plain(model, pictures, texts, ours, dtype):
    """{(picture, text): Said} of plain transformers, and why there are none."""
    from brainalign.models import plain

    around = ours["around"]
    try:
        reader = plain.reader(model, checkpoint.source(model), ours["device"], dtype)
        asked = [(i, picture, text) for text in texts for i, picture in enumerate(pictures)]
        return {(i, text): reader.read(picture, around[0], text, around[1], LIMIT) for i, picture, text in asked}, ""
    except Exception as error:  # of whatever kind: it is told, and nothing is compared
        first = str(error).strip().partition("\n")[0] or type(error).__name__
        return {}, f"plain transformers cannot run it here: {first}"


def _answers(ours, plain, texts):
    """One row a picture and instruction. Answers that end at different tokens differ, even if they read alike."""
    rows = []
    for text in texts:
        for i, said in enumerate(ours["found"][text][0]):
            steps, other = ours["steps"][i, text], plain.get((i, text))
            row = {"picture": i, "text": text, "answer": said, "tokens": None if steps is None else len(steps)}
            row["last_token"] = steps[-1] if steps else None
            if other:
                row |= {"plain": other.answer, "plain_tokens": other.tokens, "plain_stopped_by": other.stopped}
                row["equal"] = said == other.answer and (steps is None or len(steps) == other.tokens)
            rows.append({"equal": None} | row)
    return rows


def _states(ours, plain, tolerance):
    """One row a pooling and layer: the largest difference over pictures and instructions."""
    rows = []
    for pooling in ours["poolings"]:
        pairs = [
            (ours["found"][text][1][pooling][i], plain[i, text].states[pooling])
            for i, text in plain
            if pooling in plain[i, text].states and _comparable(pooling, ours["found"][text][0][i], plain[i, text])
        ]
        if pairs:
            rows += _layers(pooling, pairs, tolerance)
    return rows


def _comparable(pooling, answer, said):
    """States of an answer are those of other words where the answers differ."""
    return pooling != "mean_generated" or answer == said.answer


def _layers(pooling, pairs, tolerance):
    if any(a.shape != b.shape for a, b in pairs):
        shapes = " and ".join(str(part.shape) for part in pairs[0])
        return [{"pooling": pooling, "layer": None, "max_abs": None, "relative": None, "within": False, "why": shapes}]
    ours, plain = (np.stack(part) for part in zip(*pairs))  # (n, n_layers, n_dims)
    apart = np.abs(ours - plain)
    relative = _relative(apart, np.abs(plain))
    return [
        {"pooling": pooling, "layer": k, "max_abs": most, "relative": share, "within": share <= tolerance}
        for k, (most, share) in enumerate(zip(apart.max((0, 2)).tolist(), relative.tolist()))
    ]


def _relative(apart, size):
    """Difference of each layer: root mean square over dimensions, of the worst picture and instruction: (n_layers,).

    apart, size : (n, n_layers, n_dims) absolute differences, and absolute states of plain transformers
    Each difference is a share of its own state and of the layer's median state together: a few dimensions of language
    models are thousands of times larger than all others, so that a share of the largest would hide any difference.
    """
    typical = np.median(size, (0, 2))[:, None]
    shares = apart / np.maximum(size + typical, 1e-12)
    return np.sqrt((shares**2).mean(-1)).max(0)


def as_text(report):
    """The report for a reader: what differs is told layer by layer, what agrees in one line a pooling."""
    about = report["checkpoint"]
    lines = [f"{report['model']}: {about['checkpoint']} {about['revision']}, {report['dtype']} on {report['device']}"]
    lines += [", ".join(f"{name} {number}" for name, number in report["versions"].items()), ""]
    for row in report["answers"]:
        said = {True: "equal", False: "DIFFERS", None: "not compared"}[row["equal"]]
        lines += [f"picture {row['picture']}, {row['text']}  [{said}]", f"  ours:  {row['answer']!r}{_ended(row)}"]
        if "plain" in row:
            lines.append(
                f"  plain: {row['plain']!r}, {row['plain_tokens']} tokens, ended by {row['plain_stopped_by']}"
            )
    lines += [
        "",
        f"states: largest difference (and a layer's as a share of its states, at most {report['tolerance']:g})",
    ]
    for pooling in dict.fromkeys(row["pooling"] for row in report["states"]):
        lines += _pooling(pooling, [row for row in report["states"] if row["pooling"] == pooling])
    for why in dict.fromkeys(report["not_compared"].values()):
        alike = [pooling for pooling, other in report["not_compared"].items() if other == why]
        lines.append(f"  {', '.join(alike)}: not compared: {why}")
    verdict = {True: "equal", False: "DIFFERS: see above", None: "nothing could be compared"}[report["equal"]]
    if report["equal"] is False and report["dtype"] != "float32":
        verdict += "; 16 bits may turn a close choice of words: compare with --dtype float32"
    return "\n".join([*lines, "", f"{report['model']}: {verdict}"])


def _ended(row):
    return f", {row['tokens']} tokens, the last {row['last_token']!r}" if row["tokens"] else ""


def _pooling(pooling, rows):
    bad = [row for row in rows if not row["within"]]
    if any("why" in row for row in bad):
        return [f"  {pooling}: DIFFERS in shape: {bad[0]['why']}"]
    worst = max(rows, key=lambda row: row["relative"])
    told = f"  {pooling}: {len(rows) - len(bad)} of {len(rows)} layers agree; the largest difference {_apart(worst)}"
    return [told, *(f"    layer {row['layer']} DIFFERS: {_apart(row)}" for row in bad)]


def _apart(row):
    return f"{row['max_abs']:.3g} ({row['relative']:.2g}) in layer {row['layer']}"
