"""Language models that read a picture as tokens before the instruction: the part that such families share."""

from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch

from brainalign.models import checkpoint, prompts
from brainalign.models.adapter import Adapter
from brainalign.models.branches import ALL, Branches, Means, Stops, Suffix, roomy_cache
from brainalign.models.checkpoint import ModelError
from brainalign.models.special import Special, with_bos
from brainalign.models.streaming import Pieces

TOGETHER = 16  # instructions that are answered at once; more would mostly look at one another's masks


@dataclass(frozen=True)
class Prompt:
    """A picture and an instruction as tokens.

    ids : (n_tokens,); prefix : tokens up to the last one of the picture, the same for every instruction; 0 where the
        picture comes last
    instruction : (n_tokens,) True for the tokens of the instruction itself, without the template around it
    """

    ids: torch.Tensor
    prefix: int
    instruction: torch.Tensor


@dataclass(frozen=True)
class Seen:
    """Pictures as a language model gets them.

    tokens : one (n_tokens, n_dims) a picture
    pooled : states of the vision tower and the connector, {pooling: float32 array (n, n_layers, n_dims)}
    """

    tokens: list
    pooled: dict = field(default_factory=dict)


class PicturePrefix(prompts.Prompted, Adapter):
    """A decoder that reads a picture's tokens, then an instruction, then writes its answer.

    Attention looks back only, so the picture's part is computed once for all instructions; and states at the
    picture's tokens cannot depend on the instruction, which is why the poolings keep them apart:
    mean_generated : the answer's tokens without the end mark (an empty answer: the last token of the prompt)
    last_prompt : the token from which the first word is predicted
    mean_instruction, mean_image : the instruction's and the picture's tokens
    mean_prompt : all tokens before the answer: the picture's, the instruction's and those of the template
    """

    poolings = ("mean_generated", "last_prompt", "mean_instruction", "mean_image", "mean_prompt")
    fixed_poolings = ("mean_image",)
    net_class = processor_class = None
    unsure = "\ufffd \n"  # what may turn out not to belong to an answer while it ends on it
    pairs = ()  # of token ids that end an answer together
    picture_first = True  # False: the prompt has the picture behind the instruction, and nothing is shared

    def _load(self):
        self.net = self._weights(self.net_class)
        self.processor = self.processor_class.from_pretrained(self.source, backend="pil")
        self.tokenizer = with_bos(self.processor.tokenizer, self.source)
        config, mark = self.net.config, str(self.processor.image_token)
        self.special = Special(self.source, self.tokenizer, config)
        self.ends = torch.tensor(self.special.ends, dtype=torch.long, device=self.device)
        self.net.generation_config = self.special.greedy()
        config.image_token_id, text = self.special.picture(mark), config.get_text_config()
        self.template = self.template if self._chats else self._documented()
        self._around("words")  # a chat template that cannot be used is told now
        self.layers = ("embeddings", *(f"layer {i + 1}" for i in range(text.num_hidden_layers)))

    @property
    def _decoder(self):
        """The language model without its head."""
        return self.net.get_decoder()

    def _see(self, images, poolings):
        """What the language model gets of pictures, and the poolings of what comes before it: `Seen`."""
        raise NotImplementedError

    # Prompts ------------------------------------------------------------------------------------------------

    def _prompt(self, text, n_picture, max_new_tokens):
        """The instruction in the model's template behind a picture of so many tokens."""
        text = self._plain(text)
        ids, inside = self._tokens(text, n_picture)
        ids, inside = torch.tensor(ids, device=self.device), torch.tensor(inside, device=self.device)
        pictured = (ids == self.net.config.image_token_id).nonzero()
        if not len(pictured):
            raise ModelError(
                f"{self.model.name}: its tokenizer has no token {self.processor.image_token} for a picture, or "
                f"another than its configuration ({self.net.config.image_token_id}). {checkpoint.unlike(self.model)}"
            )
        prefix = int(pictured[-1]) + 1 if self.picture_first else 0
        read = not text or (inside.any() and not inside[:prefix].any())
        self._fits(text, len(ids), read, max_new_tokens, self._longest())
        return Prompt(ids, prefix, inside)

    def _longest(self):
        """How many tokens it can hold."""
        return self.net.config.get_text_config().max_position_embeddings

    def _tokens(self, text, n_picture):
        """Token ids of the whole prompt, and which of them are the instruction's own."""
        mark = str(self.processor.image_token)
        before, after = (part.replace(mark, mark * n_picture) for part in self._around(text))
        return prompts.tokens(self.tokenizer, before, text, after)

    def _plain(self, text):
        text = super()._plain(text)
        for mark in {*self.tokenizer.all_special_tokens, str(self.processor.image_token)}:
            if mark in text:
                raise ValueError(f"the instruction contains {mark!r}, a mark of {self.model.name}; leave it out")
        return text

    @property
    def _chats(self):
        return bool(self.processor.chat_template)

    def _around(self, text):
        """What is before and after the instruction in the prompt, with one mark for the picture."""
        before, after = super()._around(text)
        if self._chats and (before + after).count(str(self.processor.image_token)) != 1:
            raise ModelError(
                f"{self.model.name}: the chat template of {self.source} has no place for one picture "
                f"({self.processor.image_token}); take the publisher's own chat template"
            )
        return before, after

    def _documented(self):
        """The prompt around {text} that the publishers document, for a checkpoint without a chat template."""
        return self.template

    def _rendered(self, text):
        content = [{"type": "image"}, {"type": "text", "text": text}]
        return self.processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)

    def _text(self, ids):
        return self.tokenizer.decode(ids, skip_special_tokens=True).strip()

    # The language model -------------------------------------------------------------------------------------

    def _embed(self, ids):
        return self.net.get_input_embeddings()(ids)

    def _predict(self, final):
        return self.net.get_output_embeddings()(final).argmax(-1)

    def _forward(self, embeds, mask, positions, cache, states=True):
        """One pass of the language model: states of every layer, if wanted, and the final ones."""
        seen = self._decoder(
            inputs_embeds=embeds,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            output_hidden_states=states,
            use_cache=True,
        )
        return seen.hidden_states if states else (), seen.last_hidden_state

    def _filled(self, ids, tokens):
        """Embeddings (n, n_tokens, n_dims) of the same ids for n pictures, with each one's tokens in their places."""
        pictured = ids == self.net.config.image_token_id
        embeds = self._embed(ids.masked_fill(pictured, 0)).expand(len(tokens), -1, -1).clone()  # it need be no word
        embeds[:, pictured] = tokens.to(embeds.dtype)
        return embeds

    def _stops(self):
        return Stops(self.ends, torch.tensor(self.pairs, dtype=torch.long, device=self.device).reshape(-1, 2))

    def _places(self, n, first, last):
        return torch.arange(first, last, device=self.device).expand(n, -1)

    def _shown(self, image, text):
        """One picture's tokens (1, n_tokens, n_dims)."""
        return torch.stack(self._see([image], ()).tokens)

    def _answer(self, image, text, stream, max_new_tokens):
        pieces = Pieces(stream, self._text, self.unsure)

        def emit(token):
            pieces.put(token)
            return stream.stopped

        self._said(image, text, max_new_tokens, self._predict, emit, pieces.put)
        pieces.end()

    def _likely(self, image, text, max_new_tokens, k):
        heard = []

        def predict(final):
            best = self.net.get_output_embeddings()(final)[:, -1].float().softmax(-1).topk(k)
            heard.append((best.indices[0].tolist(), best.values[0].tolist()))
            return best.indices[:, :1]

        said = self._said(image, text, max_new_tokens, predict)
        return [[(self.tokenizer.decode([i]), p) for i, p in zip(*step)] for step in heard[: len(said)]]

    def _said(self, image, text, max_new_tokens, predict, emit=None, begin=None):
        """Generate for one picture: the tokens, with the one that ends them; begin(ids) gets those of the prompt."""
        tokens = self._shown(image, text)
        prompt = self._prompt(text, tokens.shape[1], max_new_tokens)
        n, cache = len(prompt.ids), roomy_cache(self.net.config.get_text_config())
        grown = Branches(partial(self._forward, states=False), cache, 1, self.device, single=True)
        places = self._places(1, 0, n)
        _, final = grown.feed(self._filled(prompt.ids, tokens), torch.full_like(places, ALL), places)
        if begin:
            begin(prompt.ids)
        first, start = predict(final[:, -1:]), places[:, -1:] + 1
        return grown.answer(first, start, self._embed, predict, self._stops(), max_new_tokens, emit=emit)[0][0]

    def _batch(self, images, texts, poolings, max_new_tokens):
        seen = self._see(images, poolings)
        if set(poolings) <= set(seen.pooled):  # the vision tower and the connector alone: nobody asks for an answer
            yield from ((text, [""] * len(images), seen.pooled) for text in texts)
            return
        found = self._answered(seen.tokens, texts, poolings, max_new_tokens)
        for text, (answers, pooled) in found.items():
            yield text, answers, pooled | seen.pooled

    def _answered(self, tokens, texts, poolings, max_new_tokens):
        """{text: (answers, states of the language model)}; pictures of as many tokens share their batches."""
        counts, groups = np.array([len(picture) for picture in tokens]), []
        for count in np.unique(counts):
            rows = np.flatnonzero(counts == count)
            group = torch.stack([tokens[row] for row in rows])
            groups.append((rows, self._group(group, texts, poolings, max_new_tokens)))
        order = np.argsort(np.concatenate([rows for rows, _ in groups]))
        return {text: _merged([found[text] for _, found in groups], order) for text in texts}

    def _group(self, tokens, texts, poolings, max_new_tokens):
        """The same for pictures (n, n_tokens, n_dims) of as many tokens: prefix once, then the instructions."""
        n, config, found = len(tokens), self.net.config.get_text_config(), {}
        prompts = [self._prompt(text, tokens.shape[1], max_new_tokens) for text in texts]
        cache, shared, before = self._prefix(prompts[0], tokens, poolings)
        for start in range(0, len(texts), TOGETHER):
            several, last = slice(start, start + TOGETHER), start + TOGETHER >= len(texts)
            own, suffix = cache if last else roomy_cache(config, cache), Suffix.branches(prompts[several])
            answers, pooled = self._grown(suffix, own, n, poolings, max_new_tokens, before)
            for i, text in enumerate(texts[several]):
                states = {name: values[:, i] for name, values in pooled.items()}
                found[text] = [self._text(row[i]) for row in answers], states | shared
        return found

    def _apart(self, tokens, poolings, max_new_tokens):
        """The same where each instruction has the pictures' tokens to itself: {text: (n, n_tokens, n_dims)}."""
        texts, found = list(tokens), {}
        for start in range(0, len(texts), TOGETHER):
            several = texts[start : start + TOGETHER]
            prompts = [self._prompt(text, tokens[text].shape[1], max_new_tokens) for text in several]
            rows = torch.cat([tokens[text] for text in several])
            cache, shared, before = self._prefix(prompts[0], rows, poolings)
            suffix = Suffix.rows([prompt for text, prompt in zip(several, prompts) for _ in tokens[text]])
            answers, pooled = self._grown(suffix, cache, len(rows), poolings, max_new_tokens, before)
            states, end = {name: values[:, 0] for name, values in pooled.items()} | shared, 0
            for text in several:
                begin, end = end, end + len(tokens[text])
                own = {name: values[begin:end] for name, values in states.items()}
                found[text] = [self._text(row[0]) for row in answers[begin:end]], own
        return found

    def _prefix(self, prompt, tokens, poolings):
        """A cache that has read a prompt up to the end of each of n pictures, their mean_image if wanted, and if that
        is wanted for mean_prompt the mean over all that was read: (n, n_layers, n_dims)."""
        ids, wanted = prompt.ids[: prompt.prefix], bool({"mean_image", "mean_prompt"} & set(poolings))
        cache, embeds = roomy_cache(self.net.config.get_text_config()), self._filled(ids, tokens)
        states, _ = self._forward(embeds, None, self._places(len(tokens), 0, len(ids)), cache, wanted)
        if not wanted:
            return cache, {}, None
        pictured = ids == self.net.config.image_token_id
        means = _mixed(states, torch.stack([pictured, torch.ones_like(pictured)]).float())
        shared = {"mean_image": means[:, 0].cpu().numpy()} if "mean_image" in poolings else {}
        return cache, shared, means[:, 1]

    def _grown(self, suffix, cache, n, poolings, max_new_tokens, before=None):
        """Answers on the cache of n rows, and {pooling: array (n, n_branches, n_layers, n_dims)}.

        before : for mean_prompt, see `_prefix`
        """
        wanted = {"mean_generated", "last_prompt", "mean_instruction", "mean_prompt"} & set(poolings)
        grown = Branches(partial(self._forward, states=bool(wanted)), cache, n, self.device, suffix.single)
        embeds = self._embed(suffix.ids).expand(n, -1, -1)
        states, final = grown.feed(embeds, suffix.branch.expand(n, -1), suffix.places.expand(n, -1))
        ends, pooled, take = suffix.ends.expand(n, -1), {}, None
        if wanted:
            last = torch.nn.functional.one_hot(suffix.ends, suffix.ids.shape[1]).float()
            means = Means(_mixed(states, last))
            pooled["last_prompt"] = means.otherwise
            take = means.take if "mean_generated" in wanted else None
        if "mean_instruction" in wanted:
            pooled["mean_instruction"] = _mixed(states, suffix.instruction.float())
        if "mean_prompt" in wanted:
            share = suffix.own.sum(-1) / (suffix.own.sum(-1) + suffix.places[:, :1])  # of a prompt, by the suffix
            pooled["mean_prompt"] = torch.lerp(before[:, None], _mixed(states, suffix.own), share[..., None, None])
        del states
        each = torch.arange(n, device=self.device)[:, None]
        first, start = self._predict(final[each, ends]), suffix.places.expand(n, -1).gather(1, ends) + 1
        answers = grown.answer(first, start, self._embed, self._predict, self._stops(), max_new_tokens, take)
        if take:
            pooled["mean_generated"] = means.means()
        return answers, {name: pooled[name].cpu().numpy() for name in poolings if name in pooled}


def _mixed(states, weights):
    """Weighted means over tokens in float32: (n, n_weights, n_layers, n_dims).

    states : n_layers of (n, n_tokens, n_dims); weights : ([n,] n_weights, n_tokens)
    """
    mix = weights / weights.sum(-1, keepdim=True)
    return torch.stack([mix @ layer.float() for layer in states], 2)


def _merged(parts, order):
    """(answers, {pooling: array}) of several groups of pictures as one, in the pictures' order."""
    answers = [answer for some, _ in parts for answer in some]
    pooled = {name: np.concatenate([states[name] for _, states in parts])[order] for name in parts[0][1]}
    return [answers[i] for i in order], pooled
