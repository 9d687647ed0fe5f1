"""The parts of `plain` that answer in words: a language model alone, or behind a picture."""

import torch
from PIL import Image
from tokenizers import AddedToken
from transformers import GenerationConfig, PreTrainedConfig

from brainalign.models.plain_readers import Reader, Said, array, of_tower
from brainalign.models.special import with_bos

TOWERS = ("vision_tower", "vision_model", "visual")  # what vision towers are called within a model
KINDS = "mm_token_type_ids"  # 1 for the tokens of a picture
ENDS = ("<end_of_utterance>",)  # tokens that end a turn of some models, and are named in no setting


class Speaker(Reader):
    """A language model that answers, alone or behind a picture."""

    auto = "AutoModelForCausalLM"
    pairs = ()  # of tokens that end an answer together

    def _prepare(self, place):
        from transformers import AutoTokenizer

        self.tokenizer = with_bos(AutoTokenizer.from_pretrained(place), place)

    def _inputs(self, picture, whole):
        bos = self.tokenizer.bos_token
        return self.tokenizer(whole, return_tensors="pt", add_special_tokens=not (bos and whole.startswith(bos)))

    def _ends(self):
        """Whatever the files of generation settings, configuration or tokenizer call an end."""
        told = PreTrainedConfig.get_config_dict(self.place)[0]
        found = [part.get("eos_token_id") for part in (told, told.get("text_config") or {}, _generation(self.place))]
        found += [self.tokenizer.eos_token_id, *(self._id(token) for token in ENDS)]
        return sorted({end for ids in found if ids is not None for end in (ids if isinstance(ids, list) else [ids])})

    def _id(self, token):
        return self.tokenizer.get_vocab().get(token)

    def _read(self, picture, before, text, after, limit):
        inputs = self._to_device(self._inputs(picture, before + text + after))
        ends = self._ends()
        greedy = {"do_sample": False, "num_beams": 1, "eos_token_id": ends, "max_new_tokens": limit}
        greedy = GenerationConfig(**greedy, **self._settings())
        greedy.pad_token_id = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else ends[0]
        greedy.decoder_start_token_id = getattr(self.config.get_text_config(), "decoder_start_token_id", None)
        new = self.net.generate(**inputs, generation_config=greedy)[0]
        new = new[self._n_before(inputs) :]
        new, stopped = self._stopped(new, ends)
        said = new[: len(new) - stopped]
        word = f"the token {self.tokenizer.convert_ids_to_tokens(int(new[-1]))!r} ({int(new[-1])})"
        answer = self.tokenizer.decode(new, skip_special_tokens=True).strip()
        places = self._places(inputs, before, text, after)
        return Said(self._states(inputs, said, places), answer, word if stopped else "its limit", len(new))

    def _stopped(self, new, ends):
        """The tokens up to where an answer ends, and how many of them end it."""
        for i, pair in enumerate(zip(new.tolist(), new[1:].tolist())):
            if pair in self.pairs:
                return new[: i + 2], 2
        return new, int(int(new[-1]) in ends)

    def _settings(self):
        """More of how to generate."""
        return {}

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
            name: array(values) for name, values in (pooled | self._pictured(inputs, layers)).items()
        } | self._seen(seen)

    def _longer(self, inputs, said):
        """The inputs with the answer behind the prompt."""
        ids = torch.cat([inputs["input_ids"], said[None].to(inputs["input_ids"])], 1)
        longer = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        if KINDS in inputs:
            longer[KINDS] = torch.nn.functional.pad(inputs[KINDS], (0, len(said)))
        return {**inputs, **longer}

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
        self.tokenizer = with_bos(self.processor.tokenizer, place)
        told = getattr(self.config, "image_token_id", None)
        self.image_token = self._id(str(self.processor.image_token)) if told is None else told

    def _inputs(self, picture, whole):
        bos = self.tokenizer.bos_token
        special = {"add_special_tokens": not (bos and whole.startswith(bos))}
        if self.config.model_type == "llava":
            picture = padded(picture, self.processor.image_processor)
        return self.processor(text=whole, images=Image.fromarray(picture), return_tensors="pt", **special)

    def _parts(self):
        return TOWERS

    def _pictured(self, inputs, layers):
        shown = inputs["input_ids"][0] == self.image_token
        tokens = layers[:, : len(shown)][:, shown]
        return {"mean_image": tokens.mean(1), "connector_mean": tokens[:1].mean(1)}

    def _seen(self, seen):
        found = next((seen[word] for word in TOWERS if seen.get(word)), None)
        return of_tower(found) if found else {}


def padded(picture, processor):
    """A picture as LLaVA's publishers pad it, by transformers' own code, where the published processor would crop."""
    from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

    if not processor.do_center_crop:
        return picture
    colour = tuple(int(value * 255) for value in processor.image_mean)
    return LlavaImageProcessorPil().pad_to_square(picture.transpose(2, 0, 1), colour).transpose(1, 2, 0)


class Tiling(Looker):
    """Qwen-VL, whose own processor needs torchvision even without a video: its parts are put together here."""

    def _prepare(self, place):
        from transformers import AutoImageProcessor, AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(place)
        self.pixels = AutoImageProcessor.from_pretrained(place, backend="pil")
        self.image_token = self.config.image_token_id

    def _inputs(self, picture, whole):
        seen, mark = (
            self.pixels(Image.fromarray(picture), return_tensors="pt"),
            self.tokenizer.convert_ids_to_tokens(self.image_token),
        )
        n = int(seen["image_grid_thw"].prod()) // self.pixels.merge_size**2
        words = self.tokenizer(whole.replace(mark, mark * n), return_tensors="pt")
        return {**words, **seen, KINDS: (words["input_ids"] == self.image_token).long()}


class Querying(Looker):
    """BLIP-2 and InstructBLIP: a Q-Former between the tower and a decoder, or an encoder and a decoder.

    Their processors put a picture's tokens first, without a mark in the prompt.
    """

    def _prepare(self, place):
        super()._prepare(place)
        self.mark = str(self.processor.image_token)
        self.processor.image_token = AddedToken(self.mark, normalized=False, special=True)  # it asks for its content

    def _inputs(self, picture, whole):
        return super()._inputs(picture, whole.replace(self.mark, ""))

    def _places(self, inputs, before, text, after):
        return super()._places(inputs, before.replace(self.mark, ""), text, after)

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
        return super()._seen(seen) | {name: array(torch.stack(layers)) for name, layers in asked.items()}

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
        return {name: array(values) for name, values in pooled.items()} | self._seen(seen)


class Amid(Querying):
    """MiniGPT-4 with Vicuna: BLIP-2's network, but the picture's tokens are in the middle of the prompt."""

    turn, pairs = [835], [(2277, 29937)]  # ids of LLaMA's tokenizer for ### alone, and ## and #

    def _prepare(self, place):
        Looker._prepare(self, place)
        self.net.vision_model.post_layernorm.eps = 1e-5

    def _inputs(self, picture, whole):
        head, tail = whole.split("<ImageHere>")
        head = self.tokenizer(head)["input_ids"]
        tail = self.tokenizer(tail, add_special_tokens=False)["input_ids"]
        unused = max(set(range(self.config.get_text_config().vocab_size)) - {*head, *tail})
        self.image_token = self.net.config.image_token_id = unused  # its place is taken by what the Q-Former saw
        ids = torch.tensor([[*head, *[unused] * self.config.num_query_tokens, *tail]])
        pixels = self.processor.image_processor(Image.fromarray(picture), return_tensors="pt")["pixel_values"]
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": pixels}

    def _places(self, inputs, before, text, after):
        return Speaker._places(self, inputs, before.partition("<ImageHere>")[2], text, after)

    def _ends(self):
        return [*super()._ends(), *self.turn]

    def _read(self, *asked):
        said = super()._read(*asked)
        said.answer = said.answer.partition("###")[0].strip()
        return said


class Between(Looker):
    """IDEFICS, whose processor takes pictures between pieces of text, and whose layers look at them from the side."""

    around = "<fake_token_around_image>"

    def _prepare(self, place):
        from transformers import IdeficsProcessor

        self.processor = IdeficsProcessor.from_pretrained(place, backend="pil")
        self.tokenizer = self.processor.tokenizer
        self.image_token = self._id("<image>")

    def _inputs(self, picture, whole):
        head, tail = whole.removeprefix(self.tokenizer.bos_token).split(f"{self.around}<image>{self.around}")
        asked = [[head, Image.fromarray(picture), tail]]
        return self.processor(text=asked, add_end_of_utterance_token=False, return_tensors="pt")

    def _settings(self):
        return {"bad_words_ids": [[self.image_token], [self._id(self.around)]]}

    def _longer(self, inputs, said):
        seen = inputs["image_attention_mask"]  # (1, n_tokens, n_pictures)
        mask = torch.cat([seen, seen[:, -1:].expand(-1, len(said), -1)], 1)
        return super()._longer(inputs, said) | {"image_attention_mask": mask}

    def _pictured(self, inputs, layers):
        tokens = self.net(**inputs).image_hidden_states.float()
        return {
            "mean_image": super()._pictured(inputs, layers)["mean_image"],
            "connector_mean": tokens.reshape(1, -1, tokens.shape[-1]).mean(1),
        }


def _generation(place):
    try:
        return GenerationConfig.from_pretrained(place).to_dict()
    except OSError:  # many checkpoints have no such file
        return {}
