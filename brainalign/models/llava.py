"""LLaVA: a vision tower's patches become tokens of a language model, which reads the instruction after them."""

from transformers import LlavaForConditionalGeneration, LlavaProcessor

from brainalign.models.prefix import PicturePrefix


class Llava(PicturePrefix):
    """LLaVA 1.5 and everything saved in its shape."""

    net_class, processor_class = LlavaForConditionalGeneration, LlavaProcessor
    template = "USER: <image>\n{text} ASSISTANT:"
