"""A model as transformers alone runs it: what `verify` holds an adapter against.

Everything is read anew from the checkpoint with transformers' Auto classes, one picture and one instruction at a time,
without padding, sharing or a cache of the prompt. Nothing of the adapters is used but the prompt as they send it.
"""

from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from transformers import AutoConfig, GenerationConfig
from transformers.utils import logging

from brainalign.pictures import for_processors

MARKLESS = ("blip-2", "instructblip")  # whose processors put a picture's tokens first, without a mark in the prompt
TOWERS = ("vision_tower", "vision_model", "visual")  # what vision towers are called within a model
ENDS = ("<end_of_utterance>",)  # tokens that end a turn of some models, and are named in no setting


@dataclass
class Said:
    """What a model made of one picture and instruction.

    states : {pooling: float32 array (n_layers, n_dims)} of those that can be had
    answer, stopped, tokens : in words; the token that ended it or "its limit"; how many there were, with that token
    """

    states: dict = field(default_factory=dict)
    answer: str = ""
    stopped: str = ""
    tokens: int = 0


def reader(place, device, dtype):
    """Something with `read(picture, before, text, after, limit)` -> `Said`, for a checkpoint's folder or hub id."""
    config = AutoConfig.from_pretrained(place)
    kind = READERS.get(config.model_type)
    if not kind:
        known = ", ".join(sorted(READERS))
        raise NotImplementedError(f"{config.model_type} is run by none of transformers' Auto classes here ({known})")
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        return kind(place, torch.device(device), getattr(torch, dtype))
    finally:
        logging.set_verbosity(verbosity)


class Reader:
    """A model of an Auto class and what prepares its inputs."""

    auto = "AutoModel"

    def __init__(self, place, device, dtype):
        import transformers

        self.device, self.dtype = device, dtype
        net = getattr(transformers, self.auto).from_pretrained(place, dtype=dtype)
        self.net, self.config = net.to(device).eval(), net.config
        self._prepare(place)

    def read(self, picture, before, text, after, limit):
        """picture : uint8 (height, width, 3); before, after : what is around the instruction in the prompt."""
        with torch.inference_mode():
            return self._read(for_processors([picture])[0], before, text, after, limit)

    def _to_device(self, inputs):
        return {k: v.to(self.device, self.dtype if v.is_floating_point() else None) for k, v in inputs.items()}

    def _tower(self, run, words):
        """What run() returns, and {word: [input of the first block, output of each]} of the parts named so."""
        with _watched(self.net, words) as seen:
            return run(), seen


class Vision(Reader):
    """ViT: its class token and patches after every block."""

    def _prepare(self, place):
        from transformers import AutoImageProcessor

        self.processor = AutoImageProcessor.from_pretrained(place, backend="pil")

    def _read(self, picture, before, text, after, limit):
        inputs = self._to_device(self.processor(picture, return_tensors="pt"))
        layers = torch.stack(self.net(**inputs, output_hidden_states=True).hidden_states)[:, 0].float()
        return Said({"mean_patches": _array(layers[:, 1:].mean(1)), "cls": _array(layers[:, 0])})


class TwoTowers(Reader):
    """CLIP: the image tower after every block, and the embedding that it shares with the text tower."""

    def _prepare(self, place):
        from transformers import AutoProcessor

        self.processor = AutoProcessor.from_pretrained(place, backend="pil")

    def _read(self, picture, before, text, after, limit):
        inputs = self._to_device(self.processor(text="a", images=picture, return_tensors="pt"))
        out, seen = self._tower(lambda: self.net(**inputs), ("vision_model",))
        scaled = self.net.get_image_features(pixel_values=inputs["pixel_values"]).pooler_output
        cosine = torch.nn.functional.cosine_similarity(scaled, out.image_embeds)
        assert torch.allclose(cosine, torch.ones_like(cosine), atol=1e-2), "image embeddings of two ways differ"
        return Said(_of_tower(seen["vision_model"]) | {"joint": _array(scaled.float())})


class Encoder(Reader):
    """BERT: the words of a text and its first token."""

    def _prepare(self, place):
        from transformers import AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(place)

    def _read(self, picture, before, text, after, limit):
        inputs = self.tokenizer(text, return_tensors="pt").to(self.device)
        layers = torch.stack(self.net(**inputs, output_hidden_states=True).hidden_states)[:, 0].float()
        return Said({"mean_instruction": _array(layers[:, 1:-1].mean(1)), "cls": _array(layers[:, 0])})


class Speaker(Reader):
    """A language model that answers, alone or behind a picture."""

    auto = "AutoModelForCausalLM"

    def _prepare(self, place):
        from transformers import AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(place)

    def _inputs(self, picture, whole):
        bos = self.tokenizer.bos_token
        return self.tokenizer(whole, return_tensors="pt", add_special_tokens=not (bos and whole.startswith(bos)))

    def _ends(self):
        """Whatever generation settings, configuration or tokenizer call an end."""
        told = (self.net.generation_config, self.config, self.config.get_text_config())
        found = [getattr(source, "eos_token_id", None) for source in told]
        found += [self.tokenizer.eos_token_id, *(self._id(token) for token in ENDS)]
        return sorted({end for ids in found if ids is not None for end in (ids if isinstance(ids, list) else [ids])})

    def _id(self, token):
        return self.tokenizer.get_vocab().get(token)

    def _read(self, picture, before, text, after, limit):
        inputs = self._to_device(self._inputs(picture, before + text + after))
        ends = self._ends()
        greedy = GenerationConfig(do_sample=False, num_beams=1, eos_token_id=ends, max_new_tokens=limit)
        greedy.pad_token_id = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else ends[0]
        greedy.decoder_start_token_id = getattr(self.config.get_text_config(), "decoder_start_token_id", None)
        new = self.net.generate(**inputs, generation_config=greedy)[0]
        new = new[self._n_before(inputs) :]
        stopped = int(new[-1]) in ends
        said = new[:-1] if stopped else new
        word = f"the token {self.tokenizer.convert_ids_to_tokens(int(new[-1]))!r} ({int(new[-1])})"
        answer = self.tokenizer.decode(new, skip_special_tokens=True).strip()
        places = self._places(inputs, before, text, after)
        return Said(self._states(inputs, said, places), answer, word if stopped else "its limit", len(new))

    def _n_before(self, inputs):
        return inputs["input_ids"].shape[1]

    def _places(self, inputs, before, text, after):
        """True for the instruction's tokens, counted from the end, where no picture's tokens are."""
        read = self.tokenizer(before + text + after, return_offsets_mapping=True, add_special_tokens=False)
        start, end, n = len(before), len(before) + len(text), inputs["input_ids"].shape[1]
        trailing = self._trailing(inputs["input_ids"][0].tolist(), read["input_ids"])
        inside, own = torch.zeros(n, dtype=torch.bool), read["offset_mapping"]
        for back, (a, b) in enumerate(reversed(own), 1 + trailing):
            if back <= n and max(a, start) < min(b, end):
                inside[n - back] = True
        return inside

    @staticmethod
    def _trailing(ids, own):
        """How many marks the tokenizer puts behind a prompt, such as the end that T5 reads."""
        return next((k for k in range(3) if ids[len(ids) - k - 1] == own[-1]), 0)

    def _states(self, inputs, said, places):
        """Poolings of one pass over the prompt and the answer."""
        n = inputs["input_ids"].shape[1]
        out, seen = self._tower(
            lambda: self.net(**self._longer(inputs, said), output_hidden_states=True), self._parts()
        )
        states = getattr(out, "hidden_states", None) or out.language_model_outputs.hidden_states
        layers = torch.stack(states)[:, 0].float()
        pooled = {"last_prompt": layers[:, n - 1], "mean_prompt": layers[:, :n].mean(1)}
        pooled["mean_generated"] = layers[:, n:].mean(1) if len(said) else layers[:, n - 1]
        if places.any():
            pooled["mean_instruction"] = layers[:, :n][:, places.to(layers.device)].mean(1)
        return {
            name: _array(values) for name, values in (pooled | self._pictured(inputs, layers)).items()
        } | self._seen(seen)

    def _longer(self, inputs, said):
        """The inputs with the answer behind the prompt."""
        ids = torch.cat([inputs["input_ids"], said[None].to(inputs["input_ids"])], 1)
        return {**inputs, "input_ids": ids, "attention_mask": torch.ones_like(ids)}

    def _parts(self):
        return ()

    def _pictured(self, inputs, layers):
        return {}

    def _seen(self, seen):
        return {}


class Looker(Speaker):
    """A vision tower, a connector and a decoder that reads the picture as tokens."""

    auto = "AutoModelForImageTextToText"

    def _prepare(self, place):
        from transformers import AutoProcessor

        self.processor = AutoProcessor.from_pretrained(place, backend="pil")
        self.tokenizer = self.processor.tokenizer
        self.image_token = self.config.image_token_id

    def _inputs(self, picture, whole):
        bos = self.tokenizer.bos_token
        special = {"add_special_tokens": not (bos and whole.startswith(bos))}
        return self.processor(text=whole, images=picture, return_tensors="pt", **special)

    def _parts(self):
        return TOWERS

    def _pictured(self, inputs, layers):
        shown = inputs["input_ids"][0] == self.image_token
        tokens = layers[:, : len(shown)][:, shown]
        return {"mean_image": tokens.mean(1), "connector_mean": tokens[:1].mean(1)}

    def _seen(self, seen):
        found = next((seen[word] for word in TOWERS if seen.get(word)), None)
        return _of_tower(found) if found else {}


class Querying(Looker):
    """BLIP-2 and InstructBLIP: a Q-Former between the tower and a decoder, or an encoder and a decoder."""

    def _inputs(self, picture, whole):
        return super()._inputs(picture, whole.replace(str(self.processor.image_token), ""))

    def _places(self, inputs, before, text, after):
        before = before.replace(str(self.processor.image_token), "")
        return super()._places(inputs, before, text, after)

    def _parts(self):
        return (*TOWERS, "qformer")

    @property
    def _t5(self):
        return self.config.get_text_config().is_encoder_decoder

    def _n_before(self, inputs):
        return 1 if self._t5 else super()._n_before(inputs)

    def _pictured(self, inputs, layers):
        return {"mean_image": super()._pictured(inputs, layers)["mean_image"]}

    def _seen(self, seen):
        queries = self.config.num_query_tokens
        of = {"connector_mean": slice(queries), "connector_all": slice(None)}
        asked = {name: [layer[0, which].float().mean(0) for layer in seen["qformer"]] for name, which in of.items()}
        return super()._seen(seen) | {name: _array(torch.stack(layers)) for name, layers in asked.items()}

    def _states(self, inputs, said, places):
        if not self._t5:
            return super()._states(inputs, said, places)
        start = torch.tensor([self.config.get_text_config().decoder_start_token_id], device=self.device)
        told = torch.cat([start, said.to(start)])[None]
        run = self.net(**inputs, decoder_input_ids=told, output_hidden_states=True)
        _, seen = self._tower(lambda: self.net(**inputs, decoder_input_ids=told), self._parts())
        out = run.language_model_outputs
        read, written = (
            torch.stack(part)[:, 0].float() for part in (out.encoder_hidden_states, out.decoder_hidden_states)
        )
        pooled = self._pictured(inputs, read) | {"last_prompt": written[:, 0], "mean_prompt": read.mean(1)}
        pooled["mean_generated"] = written[:, 1:].mean(1) if len(said) else written[:, 0]
        pooled["mean_instruction"] = read[:, places.to(read.device)].mean(1)
        return {name: _array(values) for name, values in pooled.items()} | self._seen(seen)


READERS = {
    "vit": Vision,
    "clip": TwoTowers,
    "bert": Encoder,
    "llama": Speaker,
    "llava": Looker,
    "llava_next": Looker,
    "qwen2_5_vl": Looker,
    "qwen3_vl": Looker,
    "blip-2": Querying,
    "instructblip": Querying,
}


@contextmanager
def _watched(net, words):
    """{word: states of a list of blocks}: the input of the first and the output of each, of one pass."""
    seen, hooks = {}, []
    for word in words:
        blocks = next(
            (m for name, m in net.named_modules() if word in name and isinstance(m, torch.nn.ModuleList)), None
        )
        if blocks is None:
            continue
        kept = seen[word] = []

        def first(module, args, kwargs, kept=kept):
            kept[:] = [args[0] if args else kwargs["hidden_states"]]

        def each(module, args, output, kept=kept):
            kept.append(output[0] if isinstance(output, tuple) else output)

        hooks.append(blocks[0].register_forward_pre_hook(first, with_kwargs=True))
        hooks += [block.register_forward_hook(each) for block in blocks]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _of_tower(layers):
    """vision_mean and vision_cls of the first, whole picture; a tower without a class token has the mean alone."""
    if layers[0].ndim == 2:
        return {"vision_mean": _array(torch.stack([layer.float().mean(0) for layer in layers]))}
    first = [layer[0].float() for layer in layers]
    pooled = {
        "vision_mean": [layer[1:].mean(0) for layer in first],
        "vision_cls": [layer[0] for layer in first],
        "vision_all": [layer.mean(0) for layer in first],
    }
    return {name: _array(torch.stack(layers)) for name, layers in pooled.items()}


def _array(values):
    return values.cpu().numpy()
