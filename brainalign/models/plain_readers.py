"""The parts of `plain` that read without answering, and what all of them share."""

from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from PIL import Image

CAPTION = "caption: "  # before the name of a pooling of a text about a picture, and of the picture beside it


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


class Reader:
    """A model of an Auto class and what prepares its inputs."""

    auto = "AutoModel"

    def __init__(self, place, device, dtype):
        import transformers

        self.place, self.device, self.dtype = place, device, dtype
        net = getattr(transformers, self.auto).from_pretrained(place, dtype=dtype)
        self.net, self.config = net.to(device).eval(), net.config
        self._prepare(place)

    def read(self, picture, before, text, after, limit):
        """picture : uint8 (height, width, 3); before, after : what is around the instruction in the prompt."""
        with torch.inference_mode():
            return self._read(picture, before, text, after, limit)

    def _to_device(self, inputs):
        return {k: v.to(self.device, self.dtype if v.is_floating_point() else None) for k, v in inputs.items()}

    def _tower(self, run, words):
        """What run() returns, and {word: [input of the first block, output of each]} of the parts named so."""
        with watched(self.net, words) as seen:
            return run(), seen


class Vision(Reader):
    """ViT: its class token and patches after every block."""

    def _prepare(self, place):
        from transformers import AutoImageProcessor

        self.processor = AutoImageProcessor.from_pretrained(place, backend="pil")

    def _read(self, picture, before, text, after, limit):
        inputs = self._to_device(self.processor(Image.fromarray(picture), return_tensors="pt"))
        layers = torch.stack(self.net(**inputs, output_hidden_states=True).hidden_states)[:, 0].float()
        return Said({"mean_patches": array(layers[:, 1:].mean(1)), "cls": array(layers[:, 0])})


class TwoTowers(Reader):
    """CLIP: the image tower after every block, the embedding that it shares with the text tower, and what both give
    for a picture with a caption."""

    def _prepare(self, place):
        from transformers import AutoProcessor

        self.processor = AutoProcessor.from_pretrained(place, backend="pil")

    def _read(self, picture, before, text, after, limit):
        inputs = self._to_device(self.processor(text=text, images=Image.fromarray(picture), return_tensors="pt"))
        out, seen = self._tower(lambda: self.net(**inputs, output_hidden_states=True), ("vision_model",))
        tower, pixels = of_tower(seen["vision_model"]), inputs.pop("pixel_values")
        layers = torch.stack(out.text_model_output.hidden_states)[:, 0].float()
        read = {
            "mean_instruction": array(layers[:, 1:-1].mean(1)),
            "cls": array(layers[:, -1]),
            "joint": array(self.net.get_text_features(**inputs).pooler_output.float()),
            "pair": array(torch.cat([out.image_embeds, out.text_embeds], 1).float()),
        }
        joint = array(self.net.get_image_features(pixel_values=pixels).pooler_output.float())
        return Said(tower | {"joint": joint} | {CAPTION + name: states for name, states in (tower | read).items()})


class Encoder(Reader):
    """BERT: the words of a text and its first token."""

    def _prepare(self, place):
        from transformers import AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(place)

    def _read(self, picture, before, text, after, limit):
        inputs = self.tokenizer(text, return_tensors="pt").to(self.device)
        layers = torch.stack(self.net(**inputs, output_hidden_states=True).hidden_states)[:, 0].float()
        return Said({"mean_instruction": array(layers[:, 1:-1].mean(1)), "cls": array(layers[:, 0])})


@contextmanager
def watched(net, words):
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


def of_tower(layers):
    """vision_mean and vision_cls of the first, whole picture; a tower without a class token has the mean alone."""
    if layers[0].ndim == 2:
        return {"vision_mean": array(torch.stack([layer.float().mean(0) for layer in layers]))}
    first = [layer[0].float() for layer in layers]
    pooled = {
        "vision_mean": [layer[1:].mean(0) for layer in first],
        "vision_cls": [layer[0] for layer in first],
        "vision_all": [layer.mean(0) for layer in first],
    }
    return {name: array(torch.stack(layers)) for name, layers in pooled.items()}


def array(values):
    return values.cpu().numpy()
