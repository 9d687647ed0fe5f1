"""How fast answers and states are extracted, beside transformers' own generate, and how fast a live answer comes.

Naive: one generate with hidden states for every picture and instruction, in left-padded batches of the size that is
fastest, pooled alike. On a CPU both run the demo's LLaVA; on a GPU the shape of LLaVA 1.5 7B with random weights in
bfloat16, whose answers all take their full length.
"""

import time
from functools import partial
from itertools import product
from tempfile import TemporaryDirectory

import numpy as np

from brainalign import models
from brainalign.tables import instructions

SIZES = {"cpu": (24, 10, 64), "cuda": (32, 10, 64)}  # pictures, instructions, longest answer
NAIVE = {"cpu": (4, 16, 64), "cuda": (16, 40, 80)}  # pairs in a batch that are tried
TUNED_ON = 80  # pairs
BATCH = 32  # pictures
BEFORE = ("last_prompt", "mean_instruction", "mean_image")
WHOLE = 10_000, 10  # pictures and instructions, for the projection


def extract(n=None, p=None, t=None, repeats=3, device=None):
    """Pairs of picture and instruction a second, ours and naive, in interleaved rounds of which the median counts.

    n, p, t : pictures, instructions, tokens of an answer at most; None: what suits the device
    Returns a dict: pairs_per_s, naive_pairs_per_s, ratio, tokens_per_s, naive_tokens_per_s (of answers), prefill (the
    same without answers), live (see `live`), same_answers (share of pairs), max_difference (of states, relative to
    the largest of their layer), hours for the whole of NSD's 10,000 pictures of a subject, device and sizes.
    """
    adapter = _adapter(device)
    kind = adapter.device.type
    n, p, t = (given or usual for given, usual in zip((n, p, t), SIZES.get(kind, SIZES["cpu"])))
    pictures, texts = _pictures(n), [i.text for i in instructions().values() if i.paper == "ten"][:p]
    sizes = NAIVE.get(kind, NAIVE["cpu"])
    whole = _compared(adapter, pictures, texts, ("mean_generated", *BEFORE), t, repeats, sizes)
    prefill = _compared(adapter, pictures, texts, BEFORE, 1, repeats, sizes)
    hours = WHOLE[0] * WHOLE[1] / whole["pairs_per_s"] / 3600
    kept = ("pairs_per_s", "naive_pairs_per_s", "ratio", "naive_batch")
    return whole | {
        "prefill": {key: prefill[key] for key in kept},
        "live": live(adapter, pictures[0], texts[0], t, max(repeats, 9)),
        "hours": round(hours, 2),
        "pictures": n,
        "instructions": len(texts),
        "longest": t,
        "repeats": repeats,
        **_about(adapter),
    }


def _compared(adapter, pictures, texts, poolings, longest, repeats, sizes):
    """Ours and naive at the same work."""
    ours = partial(adapter.states_many, pictures, texts, poolings, longest, BATCH)
    pairs = list(product(texts, range(len(pictures))))
    with _no_gradients():
        adapter.states_many(pictures[:2], texts, poolings, longest)  # imports, kernels, memory
        some = partial(naive, adapter, pictures, pairs[:TUNED_ON], poolings, longest)
        batch = min(sizes, key=lambda size: _timed(adapter, partial(some, size))[0])
        times, theirs = ([], []), None
        for _ in range(repeats):
            seconds, found = _timed(adapter, ours)
            times[0].append(seconds)
            seconds, theirs = _timed(adapter, partial(naive, adapter, pictures, pairs, poolings, longest, batch))
            times[1].append(seconds)
    mine, plain = map(np.median, times)
    tokens = sum(len(ids) for ids, _ in theirs)
    return {
        "pairs_per_s": len(pairs) / mine,
        "naive_pairs_per_s": len(pairs) / plain,
        "ratio": plain / mine,
        "tokens_per_s": tokens / mine,
        "naive_tokens_per_s": tokens / plain,
        "naive_batch": batch,
        **_agreement(adapter, pairs, found, theirs),
    }


def naive(adapter, pictures, pairs, poolings, longest, batch):
    """[(ids of the answer, {pooling: (n_layers, n_dims)})] of each (instruction, index of a picture)."""
    found = []
    for start in range(0, len(pairs), batch):
        found += _generated(adapter, pictures, pairs[start : start + batch], poolings, longest)
    return found


def _generated(adapter, pictures, pairs, poolings, longest):
    import torch

    texts = [adapter.sent(text) for text, _ in pairs]
    special = {"add_special_tokens": not texts[0].startswith(adapter.tokenizer.bos_token)}
    images = [pictures[i] for _, i in pairs]
    inputs = adapter.processor(images=images, text=texts, padding=True, return_tensors="pt", **special)
    inputs = inputs.to(adapter.device, adapter.net.dtype)
    kept = {"output_hidden_states": True, "return_dict_in_generate": True}
    out = adapter.net.generate(**inputs, max_new_tokens=longest, **kept)
    ids, prompt = inputs["input_ids"], out.hidden_states[0]
    new = out.sequences[:, ids.shape[1] :]
    weights = {"mean_image": ids == adapter.net.config.image_token_id, "last_prompt": torch.zeros_like(ids)}
    weights["last_prompt"][:, -1] = 1
    weights["mean_instruction"] = torch.zeros_like(ids)
    for row, (text, _) in enumerate(pairs):
        inside = adapter._prompt(text, int(weights["mean_image"][row].sum()), longest).instruction
        weights["mean_instruction"][row, -len(inside) :] = inside.long()
    pooled = {name: _mean(prompt, weights[name]) for name in poolings if name in weights}
    said = torch.isin(new, adapter.ends).cumsum(1) == 0
    if "mean_generated" in poolings and len(out.hidden_states) > 1:
        steps = [torch.cat(layers, 1) for layers in zip(*out.hidden_states[1:])]
        pooled["mean_generated"] = _mean(steps, said[:, : steps[0].shape[1]])
    answers = [row[: int(alive.sum()) + 1].tolist() for row, alive in zip(new, said)]
    return [(answer, {name: states[i] for name, states in pooled.items()}) for i, answer in enumerate(answers)]


def _mean(states, weights):
    """n_layers of (n, n_tokens, n_dims), weights (n, n_tokens) -> float32 array (n, n_layers, n_dims)."""
    import torch

    mix = (weights / weights.sum(1, keepdim=True).clamp(min=1))[:, None]
    return torch.cat([mix.float() @ layer.float() for layer in states], 1).cpu().numpy()


def _agreement(adapter, pairs, found, theirs):
    """Share of equal answers; the largest difference of a state before the answer, relative to its layer's largest."""
    same, worst = [], 0.0
    for (text, i), (ids, states) in zip(pairs, theirs):
        answers, pooled = found[text]
        same.append(answers[i] == adapter._text(ids))
        for name in BEFORE:
            scale = np.abs(states[name]).max(-1, keepdims=True)
            worst = max(worst, float(np.abs((pooled[name][i] - states[name]) / scale).max()))
    return {"same_answers": float(np.mean(same)), "max_difference": worst}


def live(adapter, picture, text, longest, repeats):
    """One answer of a set length as it streams, beside a bare generate: seconds to the first token, tokens a second.

    Returns first_token_s, naive_first_token_s, tokens_per_s, naive_tokens_per_s; medians of interleaved rounds.
    """
    ends, adapter.ends = adapter.ends, adapter.ends[:0]
    rounds = {"first_token_s": [], "naive_first_token_s": [], "tokens_per_s": [], "naive_tokens_per_s": []}
    try:
        with _no_gradients():
            for _ in range(repeats + 1):
                stream = adapter.stream(picture, text, longest)
                list(stream)
                rounds["first_token_s"].append(stream.first_token_seconds)
                rounds["tokens_per_s"].append(stream.tokens_per_second)
                one, _ = _timed(adapter, partial(_bare, adapter, picture, text, 1))
                many, _ = _timed(adapter, partial(_bare, adapter, picture, text, longest))
                rounds["naive_first_token_s"].append(one)
                rounds["naive_tokens_per_s"].append((longest - 1) / (many - one))
    finally:
        adapter.ends = ends
    return {name: float(np.median(values[1:])) for name, values in rounds.items()}


def _bare(adapter, picture, text, longest):
    written = adapter.sent(text)
    special = {"add_special_tokens": not written.startswith(adapter.tokenizer.bos_token)}
    inputs = adapter.processor(images=[picture], text=[written], return_tensors="pt", **special)
    inputs = inputs.to(adapter.device, adapter.net.dtype)
    return adapter.net.generate(**inputs, max_new_tokens=longest, min_new_tokens=longest)


def as_text(found):
    """A result of `extract` as a few lines to read."""
    work = {"states and answers": found, "states before the answer": found["prefill"]}
    asked = f"{found['pictures']} pictures, {found['instructions']} instructions"
    lines = [f"{asked}: {found['model']} on {found['device']}"]
    for name, rates in work.items():
        ours, plain = rates["pairs_per_s"], rates["naive_pairs_per_s"]
        lines.append(f"  {name:24}  {ours:8.1f} pairs/s, naive {plain:8.1f}: {rates['ratio']:.1f} times as fast")
    now = found["live"]
    return "\n".join(
        [
            *lines,
            f"  {'tokens of answers':24}  {found['tokens_per_s']:8.1f} a second",
            f"  {'live':24}  first token after {now['first_token_s'] * 1000:.1f} ms, bare generate "
            f"{now['naive_first_token_s'] * 1000:.1f}; {now['tokens_per_s']:.1f} tokens/s, "
            f"bare {now['naive_tokens_per_s']:.1f}",
            f"{found['same_answers']:.1%} of answers equal, states differ by {found['max_difference']:.1e} at most",
            f"10,000 pictures and 10 instructions: {found['hours']:.2f} h on one such machine",
        ]
    )


def _adapter(device):
    """The demo's LLaVA, or on a GPU one of LLaVA 1.5's shape with random weights."""
    from brainalign.encoding.device import choose

    device = str(choose(device))
    if not device.startswith("cuda"):
        return models.load("llava-demo", device="cpu")
    with TemporaryDirectory() as folder:
        _save_processor(folder)
        return _shaped()(models.find("llava-1.5-7b"), folder, device, "bfloat16")


def _shaped():
    import torch
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig

    from brainalign.demo import language
    from brainalign.models.llava import Llava

    class Shaped(Llava):
        def _weights(self, net_class):
            vision = CLIPVisionConfig(
                hidden_size=1024,
                intermediate_size=4096,
                num_hidden_layers=24,
                num_attention_heads=16,
                image_size=336,
                patch_size=14,
            )
            text = LlamaConfig(vocab_size=32064, max_position_embeddings=4096, eos_token_id=language.EOS)
            config = LlavaConfig(vision_config=vision, text_config=text, image_token_index=language.IMAGE)
            before = torch.get_default_dtype()
            torch.set_default_dtype(torch.bfloat16)
            try:
                with self.device:
                    return net_class(config).eval()
            finally:
                torch.set_default_dtype(before)

    return Shaped


def _save_processor(folder):
    from transformers import CLIPImageProcessorPil, LlavaProcessor

    from brainalign.demo.language import tokenizer

    pixels = CLIPImageProcessorPil(size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336})
    counted = {"patch_size": 14, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    LlavaProcessor(image_processor=pixels, tokenizer=tokenizer(), **counted).save_pretrained(folder)


def _pictures(n):
    from brainalign.demo import drawing, scenes

    return [drawing.render(scenes.scene(i)) for i in range(n)]


def _no_gradients():
    import torch

    return torch.inference_mode()


def _timed(adapter, work):
    import torch

    wait = torch.cuda.synchronize if adapter.device.type == "cuda" else lambda: None
    wait()
    start = time.perf_counter()
    found = work()
    wait()
    return time.perf_counter() - start, found


def _about(adapter):
    import torch

    cuda = adapter.device.type == "cuda"
    named = torch.cuda.get_device_name(adapter.device) if cuda else f"cpu, {torch.get_num_threads()} threads"
    return {"device": named, "model": f"{adapter.model.name}, {adapter.dtype}" + ", random weights" * cuda}
