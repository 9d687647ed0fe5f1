"""IDEFICS: a language model looks at a picture from between its layers, through cross-attention to a perceiver."""

import torch
from transformers import IdeficsForVisionText2Text, IdeficsProcessor

from brainalign.models.branches import ALL, Branches, Means, Roomy, roomy_cache
from brainalign.models.prefix import PicturePrefix, Seen, _mixed
from brainalign.models.special import token_id
from brainalign.pictures import for_processors

END = "<end_of_utterance>"


class PicturesAndWords(IdeficsProcessor):
    """The processor with the name of a picture's mark, as others have it."""

    image_token = "<image>"


class Idefics(PicturePrefix):
    """IDEFICS with a perceiver, such as IDEFICS-9b-instruct. Beside its language model's poolings:

    vision_mean, vision_cls : patches and class token of the vision tower after each block
    connector_mean : what the perceiver makes of them, the same for every instruction

    The prompt has one mark for the picture. It and all tokens after it attend to the perceiver's tokens; mean_image is
    the mark's state. The tokens travel as a further layer of the cache, so that they leave it with their row.
    A base model, whose tokenizer has no mark for the end of an utterance, is asked as its documentation does: in the
    same turns without that mark.
    """

    net_class, processor_class = IdeficsForVisionText2Text, PicturesAndWords
    poolings = (*PicturePrefix.poolings, "vision_mean", "vision_cls", "connector_mean")
    fixed_poolings = ("mean_image", "vision_mean", "vision_cls", "connector_mean")
    _chats = False
    template = "<s>User:<fake_token_around_image><image><fake_token_around_image>{text}" + END + "\nAssistant:"

    def _load(self):
        super()._load()
        end = token_id(self.tokenizer, END)
        if end is None:
            self.template = self.template.replace(END, "")
        else:
            self.ends = torch.cat([self.ends, self.ends.new_tensor([end])]).unique()
        never = self.tokenizer.convert_tokens_to_ids(["<image>", "<fake_token_around_image>"])
        self.never = torch.tensor(never, device=self.device)
        if self.model.random:
            for name, weight in self.net.named_parameters():
                if ".alpha_" in name:  # gates that would start closed: no picture would be seen
                    weight.data.fill_(1)

    def layer_names(self, pooling):
        if pooling == "connector_mean":
            return ("perceiver",)
        if pooling.startswith("vision_"):
            return ("embeddings", *(f"layer {i + 1}" for i in range(self.net.config.vision_config.num_hidden_layers)))
        return self.layers

    def _see(self, images, poolings):
        pictures = for_processors(images)
        pixels = self.processor.image_processor(pictures, return_tensors="pt").to(self.device, self.net.dtype)
        tower = self.net.model.vision_model
        states, pooled = tower.pre_layrnorm(tower.embeddings(pixels)), {"vision_mean": [], "vision_cls": []}
        for layer in (*tower.encoder.layers, None):
            pooled["vision_mean"].append(states[:, 1:].float().mean(1))
            pooled["vision_cls"].append(states[:, 0].float())
            states = layer(states, None) if layer else states
        tokens = self.net.model.perceiver_resampler(states)
        pooled["connector_mean"] = [tokens.float().mean(1)]
        return Seen(list(tokens), {p: torch.stack(pooled[p], 1).cpu().numpy() for p in poolings if p in pooled})

    def _prompt(self, text, n_picture, max_new_tokens):
        prompt = super()._prompt(text, 1, max_new_tokens)
        self.start = int((prompt.ids == self.net.config.image_token_id).nonzero()[-1])
        return prompt

    def _filled(self, ids, tokens):
        self.shown = tokens  # to the pass that follows
        return self._embed(ids).expand(len(tokens), -1, -1)

    def _forward(self, embeds, mask, positions, cache, states=True):
        if not cache.get_seq_length():
            cache.layers.append(Roomy())
            cache.layers[-1].update(self.shown[:, None], self.shown[:, None])
        seen = self.net.model(
            inputs_embeds=embeds,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            perceiver_embeddings=cache.layers[-1].keys,
            image_attention_mask=(positions >= self.start)[..., None],
            output_hidden_states=states,
            use_cache=True,
        )
        return seen.hidden_states if states else (), seen.last_hidden_state

    def _predict(self, final):
        """The likeliest next token that is not a mark of a picture."""
        return self.net.get_output_embeddings()(final).index_fill(-1, self.never, -torch.inf).argmax(-1)


class IdeficsAuthors(Idefics):
    """IDEFICS asked as the code of the paper's authors asks it: with the instruction before the picture.

    So every state at the picture and after it depends on the instruction, and no instruction shares another one's
    pass. The instruction's own tokens do not see the picture, so that there is no mean_instruction.
    """

    picture_first = False
    poolings = tuple(pooling for pooling in Idefics.poolings if pooling != "mean_instruction")
    fixed_poolings = ("vision_mean", "vision_cls", "connector_mean")
    template = "<s>User: {text}<fake_token_around_image><image><fake_token_around_image>" + END + "\nAssistant:"

    def _group(self, tokens, texts, poolings, max_new_tokens):
        return {text: self._alone(tokens, text, poolings, max_new_tokens) for text in texts}

    def _alone(self, tokens, text, poolings, max_new_tokens):
        """Answers and states under one instruction: one pass over the whole prompt, alike for all pictures."""
        n, prompt = len(tokens), self._prompt(text, 1, max_new_tokens)
        cache, places = roomy_cache(self.net.config.get_text_config()), self._places(n, 0, len(prompt.ids))
        grown = Branches(self._forward, cache, n, self.device, single=True)
        states, final = grown.feed(self._filled(prompt.ids, tokens), torch.full_like(places, ALL), places)
        every = torch.ones_like(prompt.ids)
        which = {
            "last_prompt": every.cumsum(0) == len(every),
            "mean_image": prompt.ids == self.net.config.image_token_id,
            "mean_prompt": every,
        }
        pooled = {pooling: _mixed(states, tokens.float()[None]) for pooling, tokens in which.items()}
        del states
        means, first = Means(pooled["last_prompt"]), self._predict(final[:, -1:])
        options = self._embed, self._predict, self._stops(), max_new_tokens
        answers = grown.answer(first, places[:, -1:] + 1, *options, means.take)
        pooled["mean_generated"] = means.means()
        found = {pooling: pooled[pooling][:, 0].cpu().numpy() for pooling in poolings if pooling in pooled}
        return [self._text(row[0]) for row in answers], found
