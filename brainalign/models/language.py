"""Language models: they see no picture, but read a text about each one, or an instruction alone."""

import numpy as np
import torch
from transformers import AutoTokenizer, BertModel, LlamaForCausalLM

from brainalign.models import prompts
from brainalign.models.fusion import first, mean
from brainalign.models.special import Special, with_bos
from brainalign.models.streaming import Pieces
from brainalign.models.texts import TextReader, last


class Language(TextReader):
    """A model of text alone. Asked about pictures it knows the instruction only: one state, the same for all of them.

    mean_instruction : the words of the text it reads, be it an instruction, a caption or another model's answer
    """

    net_class, options = None, {}

    def _load(self):
        self.net = self._weights(self.net_class, **self.options)
        self.tokenizer = with_bos(AutoTokenizer.from_pretrained(self.source), self.source)
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.longest = self.net.config.max_position_embeddings
        self.special = Special(self.source, self.tokenizer, self.net.config)
        self.layers = ("embeddings", *(f"layer {i + 1}" for i in range(self.net.config.num_hidden_layers)))

    def _batch(self, images, texts, poolings, max_new_tokens):
        for text in texts:
            prompt = self._prompt(text, max_new_tokens)
            pooled = self._text_states(*prompt)
            answer = self._said(prompt, max_new_tokens)
            yield text, [answer] * len(images), {p: np.repeat(pooled[p], len(images), 0) for p in poolings}

    def _prompt(self, text, max_new_tokens):
        """ids, seen and words of an instruction; see `_tokens`."""
        if more := self.unread(text):
            raise ValueError(
                f"the instruction has {more} tokens more than {self.model.name} can hold ({self.longest}); shorten it"
            )
        return self._tokens([text])

    def _said(self, prompt, max_new_tokens):
        return ""


class Bert(Language):
    """BERT and everything saved in its shape.

    mean_instruction : see `Language`
    cls : the class token
    """

    poolings = text_poolings = ("mean_instruction", "cls")
    answers = False
    net_class, options = BertModel, {"add_pooling_layer": False}

    def _text_states(self, ids, seen, words):
        states = self.net(ids, attention_mask=seen, output_hidden_states=True).hidden_states
        return {"mean_instruction": mean(states, words), "cls": first(states)}


class Decoder(prompts.Prompted, Language):
    """LLaMA and everything saved in its shape: it goes on from the instruction without having seen the picture.

    mean_instruction : see `Language`
    last_prompt : the last token, from which the next word is predicted
    """

    poolings = text_poolings = ("mean_instruction", "last_prompt")
    net_class = LlamaForCausalLM
    template = "{text}"  # the prompt around an instruction, for checkpoints without a chat template

    def _text_states(self, ids, seen, words):
        states = self.net.model(ids, attention_mask=seen, output_hidden_states=True).hidden_states
        return {"mean_instruction": mean(states, words), "last_prompt": mean(states, last(seen))}

    def _prompt(self, text, max_new_tokens):
        text = self._plain(text)
        before, after = self._around(text)
        found = prompts.tokens(self.tokenizer, before, text, after)
        ids, words = (torch.tensor([row], device=self.device) for row in found)
        self._fits(text, ids.shape[1], words.any(), max_new_tokens, self.longest)
        return ids, torch.ones_like(ids, dtype=torch.bool), words

    def _rendered(self, text):
        asked = [{"role": "user", "content": text}]
        return self.tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)

    def _text(self, ids):
        return self.tokenizer.decode(ids, skip_special_tokens=True).strip()

    def _load(self):
        super()._load()
        self.net.generation_config = self.special.greedy()

    def _generate(self, prompt, max_new_tokens, **options):
        ids, seen, _ = prompt
        new = self.net.generate(
            input_ids=ids,
            attention_mask=seen.long(),
            max_new_tokens=max_new_tokens,
            **options,
        )
        return new[0, ids.shape[1] :]

    def _said(self, prompt, max_new_tokens):
        return self._text(self._generate(prompt, max_new_tokens))

    def _answer(self, image, text, stream, max_new_tokens):
        self._generate(
            self._prompt(text, max_new_tokens),
            max_new_tokens,
            streamer=Pieces(stream, self._text),
            stopping_criteria=[lambda ids, scores: torch.full((len(ids),), stream.stopped, device=ids.device)],
        )


class Vicuna(Decoder):
    """LLaMA trained to follow instructions, with Vicuna 1.5's prompt."""

    template = (
        "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, "
        "detailed, and polite answers to the user's questions. USER: {text} ASSISTANT:"
    )
