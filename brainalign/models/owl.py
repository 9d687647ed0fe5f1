"""mPLUG-Owl: queries gather what a vision tower saw; a language model reads them between the turns of a talk."""

import torch
from transformers import AutoTokenizer, CLIPImageProcessorPil, LlavaProcessor

from brainalign.models import framing, prompts
from brainalign.models.owl_net import OwlForConditionalGeneration
from brainalign.models.prefix import PicturePrefix, Seen
from brainalign.models.special import NOWHERE
from brainalign.pictures import for_processors

TOLD = (
    "The following is a conversation between a curious human and AI assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions.\n"
)


class OwlProcessor(LlavaProcessor):
    """The published parts, whose own classes transformers does not have."""

    @classmethod
    def from_pretrained(cls, source, **kwargs):
        pixels, words = CLIPImageProcessorPil.from_pretrained(source), AutoTokenizer.from_pretrained(source)
        framing.squash(pixels)  # as the publishers do
        return cls(pixels, words, image_token="<image>")


class Owl(PicturePrefix):
    """mPLUG-Owl with a LLaMA. Beside its language model's poolings:

    vision_mean, vision_cls : patches and class token of the vision tower after each block
    connector_mean : the abstractor's tokens, without the one that ends every picture
    """

    net_class, processor_class = OwlForConditionalGeneration, OwlProcessor
    poolings = (*PicturePrefix.poolings, "vision_mean", "vision_cls", "connector_mean")
    fixed_poolings = ("mean_image", "vision_mean", "vision_cls", "connector_mean")
    _chats = False
    template = TOLD + "Human: <image>\nHuman: {text}\nAI: "

    def _load(self):
        super()._load()
        self.net.config.image_token_id = NOWHERE

    def layer_names(self, pooling):
        if pooling == "connector_mean":
            return ("abstractor",)
        if pooling.startswith("vision_"):
            return ("embeddings", *(f"layer {i + 1}" for i in range(self.net.config.vision_config.num_hidden_layers)))
        return self.layers

    def _see(self, images, poolings):
        pixels = self.processor.image_processor(for_processors(images), return_tensors="pt")["pixel_values"]
        wanted = bool({"vision_mean", "vision_cls"} & set(poolings))
        seen, tokens = self.net.see(pixels.to(self.device, self.net.dtype), output_hidden_states=wanted)
        layers = [layer.float() for layer in seen.hidden_states or ()]
        pooled = {
            "vision_mean": [layer[:, 1:].mean(1) for layer in layers],
            "vision_cls": [layer[:, 0] for layer in layers],
            "connector_mean": [tokens[:, :-1].float().mean(1)],
        }
        return Seen(list(tokens), {p: torch.stack(pooled[p], 1).cpu().numpy() for p in poolings if p in pooled})

    def _tokens(self, text, n_picture):
        """The beginning, the picture, and the rest are turned into tokens apart, as the model was trained."""
        before, after = self._around(text)
        start, between = before.split("<image>")
        head = self.tokenizer(start, add_special_tokens=False)["input_ids"]
        rest, inside = prompts.tokens(self.tokenizer, between, text, after, add_special_tokens=False)
        ids = [self.special.first("bos_token_id"), *head, *[NOWHERE] * n_picture, *rest]
        return ids, [False] * (len(ids) - len(rest)) + inside
