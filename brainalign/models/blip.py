"""BLIP-2 and InstructBLIP: a Q-Former's queries look at a picture and become the first tokens of a language model."""

import torch
from transformers import (
    Blip2ForConditionalGeneration,
    Blip2Processor,
    InstructBlipForConditionalGeneration,
    InstructBlipProcessor,
)
from transformers.modeling_outputs import BaseModelOutput

from brainalign.models import prompts
from brainalign.models.prefix import PicturePrefix, Seen
from brainalign.models.streaming import Pieces
from brainalign.pictures import for_processors

PICTURE = "<image>"  # its place in a prompt; never a word, as older checkpoints have none for it


class Blip2(PicturePrefix):
    """BLIP-2 with a decoder (OPT), asked as it was for visual questions. Beside its language model's poolings:

    vision_mean, vision_cls : the vision tower's patches, and its class token; after each block
    connector_mean : the Q-Former's queries, after each of its layers
    """

    net_class, processor_class = Blip2ForConditionalGeneration, Blip2Processor
    poolings = (*PicturePrefix.poolings, "vision_mean", "vision_cls", "connector_mean")
    fixed_poolings = ("mean_image", "vision_mean", "vision_cls", "connector_mean")
    _chats = False
    template = PICTURE + "Question: {text} Answer:"

    def layer_names(self, pooling):
        config = self.net.config
        if pooling.startswith("vision_"):
            return ("embeddings", *(f"layer {i + 1}" for i in range(config.vision_config.num_hidden_layers)))
        if pooling.startswith("connector_"):
            return ("queries", *(f"Q-Former {i + 1}" for i in range(config.qformer_config.num_hidden_layers)))
        return self.layers

    @property
    def _decoder(self):
        return self.net.language_model.base_model

    def _see(self, images, poolings):
        patches, pooled = self._looked(images, poolings)
        tokens, connector = self._queried(patches, poolings)
        return Seen(list(tokens), pooled | connector)

    def _looked(self, images, poolings):
        """The vision tower's output for pictures, and its poolings."""
        pictures = for_processors(images)
        inputs = self.processor.image_processor(pictures, return_tensors="pt").to(self.device, self.net.dtype)
        wanted = [pooling for pooling in poolings if pooling.startswith("vision_")]
        seen = self.net.vision_model(inputs["pixel_values"], output_hidden_states=bool(wanted), return_dict=True)
        part = {"vision_mean": slice(1, None), "vision_cls": slice(1), "vision_all": slice(None)}
        pooled = {
            p: torch.stack([layer[:, part[p]].float().mean(1) for layer in seen.hidden_states], 1) for p in wanted
        }
        return seen.last_hidden_state, {p: states.cpu().numpy() for p, states in pooled.items()}

    def _queried(self, patches, poolings, **asked):
        """Tokens (n, n_queries, n_dims) for the language model, and the Q-Former's poolings; asked : what it reads."""
        queries = self.net.query_tokens.expand(len(patches), -1, -1)
        looked = self.net.qformer(
            query_embeds=queries,
            encoder_hidden_states=patches,
            output_hidden_states=bool({"connector_mean", "connector_all"} & set(poolings)),
            return_dict=True,
            **asked,
        )
        n = queries.shape[1]
        tokens = self.net.language_projection(looked.last_hidden_state[:, :n].to(patches.dtype))
        part, pooled = {"connector_mean": slice(n), "connector_all": slice(None)}, {}
        for pooling in part.keys() & set(poolings):
            states = [layer[:, part[pooling]].float().mean(1) for layer in looked.hidden_states]
            pooled[pooling] = torch.stack(states, 1).cpu().numpy()
        return tokens, pooled

    def _tokens(self, text, n_picture):
        """The picture comes first, even before the mark of the beginning."""
        before, after = self._around(text)
        ids, inside = prompts.tokens(self.tokenizer, before.removeprefix(PICTURE), text, after)
        return [self.net.config.image_token_id] * n_picture + ids, [False] * n_picture + inside

    def _around(self, text):
        """Without an instruction it captions."""
        return super()._around(text) if text else (PICTURE, "")


class Blip2T5(Blip2):
    """BLIP-2 with an encoder and a decoder (Flan-T5), where the language model's poolings mean:

    mean_image, mean_instruction, mean_prompt : the encoder's states at the picture's, the instruction's and all
        tokens. It looks both ways, so that all depend on picture and instruction.
    last_prompt : the decoder's first state, from which the first word is predicted
    mean_generated : the decoder's states at the answer's tokens without the end mark (an empty answer: its first)
    """

    fixed_poolings = ("vision_mean", "vision_cls", "connector_mean")

    def _load(self):
        super()._load()
        text = self.net.config.text_config
        self.encoder_layers = self.layers
        self.layers = ("embeddings", *(f"layer {i + 1}" for i in range(text.num_decoder_layers)))
        start = self.special.first("decoder_start_token_id")
        start = self.special.first("pad_token_id") if start is None else start  # as T5 was trained
        self.net.language_model.generation_config = self.special.greedy(decoder_start_token_id=start)

    def layer_names(self, pooling):
        encoded = pooling in ("mean_image", "mean_instruction", "mean_prompt")
        return self.encoder_layers if encoded else super().layer_names(pooling)

    def _longest(self):
        return getattr(self.net.config.text_config, "n_positions", 512)

    def _read(self, prompt, tokens, states=True):
        """The encoder's output for the same prompt about pictures' tokens (n, n_queries, n_dims)."""
        embeds = self._filled(prompt.ids, tokens)
        return self.net.language_model.encoder(inputs_embeds=embeds, output_hidden_states=states, return_dict=True)

    def _written_by(self, read, max_new_tokens, **options):
        """Answers as tokens, the decoder's first one in front."""
        output = BaseModelOutput(read.last_hidden_state)
        mask = torch.ones(read.last_hidden_state.shape[:2], dtype=torch.long, device=self.device)
        return self.net.language_model.generate(
            encoder_outputs=output, attention_mask=mask, max_new_tokens=max_new_tokens, **options
        )

    def _answer(self, image, text, stream, max_new_tokens):
        tokens = self._shown(image, text)
        prompt = self._prompt(text, tokens.shape[1], max_new_tokens)
        stop = [lambda ids, scores: torch.full((len(ids),), stream.stopped, device=ids.device)]
        read = self._read(prompt, tokens, states=False)
        self._written_by(read, max_new_tokens, streamer=Pieces(stream, self._text), stopping_criteria=stop)

    def _likely(self, image, text, max_new_tokens, k):
        tokens = self._shown(image, text)
        read = self._read(self._prompt(text, tokens.shape[1], max_new_tokens), tokens, states=False)
        kept = {"output_logits": True, "return_dict_in_generate": True}
        best = [step[0].float().softmax(-1).topk(k) for step in self._written_by(read, max_new_tokens, **kept).logits]
        decode = self.tokenizer.decode
        return [[(decode([i]), p) for i, p in zip(step.indices.tolist(), step.values.tolist())] for step in best]

    def _answered(self, tokens, texts, poolings, max_new_tokens):
        tokens = torch.stack(tokens)
        return {text: self._one(tokens, text, poolings, max_new_tokens) for text in texts}

    def _apart(self, tokens, poolings, max_new_tokens):
        return {text: self._one(own, text, poolings, max_new_tokens) for text, own in tokens.items()}

    def _one(self, tokens, text, poolings, max_new_tokens):
        """Answers and states for one instruction; the decoder's in one pass over its answers."""
        prompt = self._prompt(text, tokens.shape[1], max_new_tokens)
        read = self._read(prompt, tokens)
        ids = self._written_by(read, max_new_tokens)
        told = self.net.language_model.decoder(
            input_ids=ids, encoder_hidden_states=read.last_hidden_state, output_hidden_states=True, return_dict=True
        )
        pictured = prompt.ids == self.net.config.image_token_id
        first = torch.zeros_like(ids)
        first[:, 0] = 1
        said = (torch.isin(ids[:, 1:], self.ends).cumsum(1) == 0).long()
        said = torch.cat([(~said.any(1, keepdim=True)).long(), said], 1)
        weighted = {
            "mean_image": (read.hidden_states, pictured.expand(len(ids), -1)),
            "mean_instruction": (read.hidden_states, prompt.instruction.expand(len(ids), -1)),
            "mean_prompt": (read.hidden_states, torch.ones_like(prompt.ids).expand(len(ids), -1)),
            "last_prompt": (told.hidden_states, first),
            "mean_generated": (told.hidden_states, said),
        }
        pooled = {pooling: _weighted(*weighted[pooling]) for pooling in poolings if pooling in weighted}
        return [self._text(row) for row in ids[:, 1:]], pooled


class InstructBlip(Blip2):
    """InstructBLIP with Vicuna. Its Q-Former reads the instruction too, so that the picture's tokens depend on it:
    only what the vision tower sees is the same for all instructions. Beside BLIP-2's poolings those over the whole
    sequence of either part, as the code of the paper's authors takes them:

    vision_all : all of the vision tower's tokens, patches and class token
    connector_all : all of the Q-Former's tokens, its queries and the instruction's
    """

    net_class, processor_class = InstructBlipForConditionalGeneration, InstructBlipProcessor
    poolings = (*Blip2.poolings, "vision_all", "connector_all")
    fixed_poolings = ("vision_mean", "vision_cls", "vision_all")
    template = PICTURE + "{text}"

    def _asked(self, text, n):
        """The instruction as the Q-Former reads it, for n pictures."""
        told = self.processor.qformer_tokenizer(self._plain(text), return_tensors="pt").to(self.device)
        found, longest = told["input_ids"].shape[1], self.net.config.qformer_config.max_position_embeddings
        if found > longest:
            raise ValueError(
                f"{found} tokens are more than {self.model.name} reads ({longest}); shorten the instruction"
            )
        ids = told["input_ids"].expand(n, -1)
        mask = torch.ones(n, self.net.config.num_query_tokens + found, dtype=torch.long, device=self.device)
        return {"input_ids": ids, "attention_mask": mask}

    def _shown(self, image, text):
        patches, _ = self._looked([image], ())
        return self._queried(patches, (), **self._asked(text, 1))[0]

    def _batch(self, images, texts, poolings, max_new_tokens):
        patches, vision = self._looked(images, poolings)
        if set(poolings) <= set(vision):
            yield from ((text, [""] * len(images), vision) for text in texts)
            return
        queried = {text: self._queried(patches, poolings, **self._asked(text, len(images))) for text in texts}
        found = self._apart({text: tokens for text, (tokens, _) in queried.items()}, poolings, max_new_tokens)
        for text, (answers, pooled) in found.items():
            yield text, answers, pooled | vision | queried[text][1]


class InstructBlipT5(InstructBlip, Blip2T5):
    """InstructBLIP with Flan-T5, whose poolings mean what they mean in BLIP-2 with Flan-T5."""


def _weighted(states, weights):
    """Means over tokens in float32: (n, n_layers, n_dims); weights : (n, n_tokens)."""
    mix = weights.float() / weights.sum(1, keepdim=True)
    return torch.stack([(mix[:, None] @ layer.float())[:, 0] for layer in states], 1).cpu().numpy()
