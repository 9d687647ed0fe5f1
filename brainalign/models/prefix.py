"""Language models that read a picture as tokens before the instruction: the part that such families share."""

from dataclasses import dataclass

import torch
from transformers import DynamicCache, GenerationConfig

from brainalign.models.adapter import Adapter
from brainalign.models.streaming import Pieces


@dataclass(frozen=True)
class Prompt:
    """A picture and an instruction as tokens.

    ids : (1, n_tokens); prefix : tokens up to the last one of the picture, the same for every instruction
    instruction : (n_tokens - prefix,) True for the tokens of the instruction itself, without the template around it
    """

    ids: torch.Tensor
    prefix: int
    instruction: torch.Tensor


class PicturePrefix(Adapter):
    """A decoder that reads a picture's tokens, then an instruction, then writes its answer.

    Attention looks back only, so the picture's part is computed once for all instructions; and states at the
    picture's tokens cannot depend on the instruction, which is why the poolings keep them apart:
    mean_generated : the answer's tokens without the end mark (an empty answer: the last token of the prompt)
    last_prompt : the token from which the first word is predicted
    mean_instruction, mean_image : the instruction's and the picture's tokens
    """

    poolings = ("mean_generated", "last_prompt", "mean_instruction", "mean_image")
    fixed_poolings = ("mean_image",)
    net_class = processor_class = None
    template = None  # the prompt around {text}, for checkpoints without a chat template

    def _load(self):
        self.net = self._weights(self.net_class)
        self.processor = self.processor_class.from_pretrained(self.source, backend="pil")
        self.tokenizer = self.processor.tokenizer
        text, told = self.net.config.get_text_config(), self.net.generation_config
        ends = told.eos_token_id if told.eos_token_id is not None else text.eos_token_id
        self.ends = torch.tensor(ends, device=self.device).reshape(-1)
        self.net.generation_config = GenerationConfig(
            do_sample=False, eos_token_id=self.ends.tolist(), pad_token_id=self.tokenizer.pad_token_id or 0
        )
        self.layers = ("embeddings", *(f"layer {i + 1}" for i in range(text.num_hidden_layers)))

    def _prompt(self, image, text, max_new_tokens):
        """The instruction in the model's template behind one picture."""
        text = self._plain(text)
        written = self._written(text)
        bos = self.tokenizer.bos_token
        special = {"add_special_tokens": not (bos and written.startswith(bos))}
        ids = self.processor(images=[image], text=[written], return_tensors="pt", **special)["input_ids"]
        pictured = (ids[0] == self.processor.image_token_id).nonzero()[:, 0]
        mark = self.processor.image_token
        whole = written.replace(mark, mark * len(pictured))
        spans = self.tokenizer(whole, return_offsets_mapping=True, **special)["offset_mapping"]
        start = whole.rindex(text)
        inside = torch.tensor([a < start + len(text) and b > start and b > a for a, b in spans])
        prefix = int(pictured[-1]) + 1
        if inside[:prefix].any() or not inside.any():
            raise ValueError(f"{self.model.name} reads nothing of the instruction {text!r}; try other words")
        longest = self.net.config.get_text_config().max_position_embeddings
        if ids.shape[1] + max_new_tokens > longest:
            raise ValueError(
                f"{ids.shape[1]} tokens of picture and instruction and {max_new_tokens} of answer are more than "
                f"{self.model.name} can hold ({longest}); shorten the instruction"
            )
        return Prompt(ids.to(self.device), prefix, inside[prefix:].to(self.device))

    def _plain(self, text):
        text = text.strip()
        for mark in {*self.tokenizer.all_special_tokens, self.processor.image_token}:
            if mark in text:
                raise ValueError(f"the instruction contains {mark!r}, a mark of {self.model.name}; leave it out")
        return text

    def _written(self, text):
        if not self.processor.chat_template:
            return self.template.format(text=text)
        content = [{"type": "image"}, {"type": "text", "text": text}]
        return self.processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)

    def _pixels(self, images):
        pixels = self.processor.image_processor(images, return_tensors="pt")["pixel_values"]
        return pixels.to(self.device, self.net.dtype)

    def _text(self, ids):
        return self.tokenizer.decode(ids, skip_special_tokens=True).strip()

    def _answer(self, image, text, stream, max_new_tokens):
        prompt = self._prompt(image, text, max_new_tokens)
        self.net.generate(
            input_ids=prompt.ids,
            attention_mask=torch.ones_like(prompt.ids),
            pixel_values=self._pixels([image]),
            max_new_tokens=max_new_tokens,
            streamer=Pieces(stream, self._text),
            stopping_criteria=[lambda ids, scores: torch.full((len(ids),), stream.stopped, device=ids.device)],
        )

    def _batch(self, images, texts, poolings, max_new_tokens):
        prompts = [self._prompt(images[0], text, max_new_tokens) for text in texts]
        ids, prefix = prompts[0].ids[:, : prompts[0].prefix], prompts[0].prefix
        cache = DynamicCache(config=self.net.config.get_text_config())
        seen = self.net(
            input_ids=ids.expand(len(images), -1),
            pixel_values=self._pixels(images),
            past_key_values=cache,
            output_hidden_states=True,
            logits_to_keep=1,
        )
        pictured = (ids == self.processor.image_token_id).float().expand(len(images), -1)
        shared = _pooled(seen.hidden_states, {"mean_image": pictured}) if "mean_image" in poolings else {}
        del seen
        for text, prompt in zip(texts, prompts):
            new, states, weights = self._one(prompt, cache, len(images), max_new_tokens)
            pooled = shared | _pooled(states, {p: w for p, w in weights.items() if p in poolings})
            yield text, [self._text(row) for row in new], pooled
            cache.crop(prefix - cache.get_seq_length())

    def _one(self, prompt, cache, n, max_new_tokens):
        """Answer one instruction on a cache of n pictures, then take every layer's states in one pass.

        Returns new tokens (n, n_new), states (n, n_suffix + n_new, n_dims) of each layer, and the tokens' weights.
        """
        ids = prompt.ids.expand(n, -1)
        mask = torch.ones_like(ids)
        ids = self.net.generate(ids, attention_mask=mask, past_key_values=cache, max_new_tokens=max_new_tokens)
        cache.crop(prompt.prefix - cache.get_seq_length())
        ids = ids[:, prompt.prefix :]
        seen = self.net(input_ids=ids, past_key_values=cache, output_hidden_states=True, logits_to_keep=1)
        new = ids[:, len(prompt.instruction) :]
        return new, seen.hidden_states, self._token_weights(prompt, new)

    def _token_weights(self, prompt, new):
        """Which tokens after the picture each pooling takes: {pooling: (n, n_suffix + n_new) of 0 or 1}."""
        n_suffix = len(prompt.instruction)
        last, instruction, generated = torch.zeros(3, len(new), n_suffix + new.shape[1], device=self.device)
        last[:, n_suffix - 1] = 1
        instruction[:, :n_suffix] = prompt.instruction.float()
        generated[:, n_suffix:] = torch.isin(new, self.ends).cumsum(1) == 0
        generated = torch.where(generated.any(1, keepdim=True), generated, last)
        return {"mean_generated": generated, "last_prompt": last, "mean_instruction": instruction}


def _pooled(states, weights):
    """Weighted means over tokens in float32: {pooling: array (n, n_layers, n_dims)}.

    states : n_layers of (n, n_tokens, n_dims); weights : {pooling: (n, n_tokens)}
    """
    if not weights:
        return {}
    mix = torch.stack(list(weights.values()), 1)
    mix = mix / mix.sum(-1, keepdim=True)
    pooled = torch.stack([mix @ layer.float() for layer in states], 2).cpu().numpy()
    return {name: pooled[:, i] for i, name in enumerate(weights)}
