"""The parts of `plain` that read a picture and a text together and write nothing."""

import torch
from PIL import Image

from brainalign.models.plain_readers import Reader, Said, array


class Bridging(Reader):
    """BridgeTower: the cross-modal layers, and the image tower before them."""

    def _prepare(self, place):
        from transformers import AutoProcessor

        self.processor = AutoProcessor.from_pretrained(place, backend="pil")

    def _read(self, picture, before, text, after, limit):
        inputs = self.processor(Image.fromarray(picture), text, return_tensors="pt")
        inputs = {name: inputs[name] for name in ("input_ids", "attention_mask", "pixel_values")}
        _, image, cross = self.net(**self._to_device(inputs), output_hidden_states=True).hidden_states
        image = torch.stack(image)[:, :, 0].float()  # of the tower (n_layers, n_tokens, n_dims)
        said, seen = (torch.stack([pair[i][0] for pair in cross]) for i in (0, 1))
        tower = {"vision_mean": array(image[:, 1:].mean(1)), "vision_cls": array(image[:, 0])}
        return Said(met(said, seen[:, 1:]) | tower)


class Regional(Reader):
    """LXMERT and VisualBERT, which read a picture's regions: those that the adapter reads, from files or a grid."""

    def __init__(self, place, device, dtype):
        from brainalign.models import regions

        super().__init__(place, device, dtype)
        self.regions = regions.load(place, device)

    def _prepare(self, place):
        from transformers import AutoTokenizer

        from brainalign.models import checkpoint, complete
        from brainalign.models.table import MODELS

        own = complete.has_tokenizer(place)
        self.tokenizer = AutoTokenizer.from_pretrained(place if own else checkpoint.source(MODELS["bert-base"]))

    def _read(self, picture, before, text, after, limit):
        features, boxes = (torch.from_numpy(part) for part in self.regions([picture]))
        words = self._to_device({**self.tokenizer(text, return_tensors="pt"), "features": features, "boxes": boxes})
        return Said(self._met(words, words.pop("features"), words.pop("boxes")))


class Crossing(Regional):
    """LXMERT: its lists of states are those of each part's own layers, then of the cross-modal ones."""

    def _met(self, words, features, boxes):
        out = self.net(**words, visual_feats=features, visual_pos=boxes, output_hidden_states=True)
        embedded, alone, own = self.net.encoder.visn_fc(features, boxes), self.config.r_layers, self.config.l_layers
        said, seen = (torch.cat(list(part)) for part in (out.language_hidden_states, out.vision_hidden_states))
        first = torch.cat([embedded, seen[:alone]]).float()
        return met(said[own:], seen[alone:]) | {"vision_mean": array(first.mean(1))}


class Joining(Regional):
    """VisualBERT: words, then regions, in every layer."""

    def _met(self, words, features, boxes):
        layers = torch.cat(list(self.net(**words, visual_embeds=features, output_hidden_states=True).hidden_states))
        n = words["input_ids"].shape[1]
        return met(layers[:, :n], layers[:, n:])


def met(said, seen):
    """Poolings of layers (n_layers, n_tokens, n_dims): a text's tokens between its two marks, and a picture's."""
    said, seen = said.float(), seen.float()
    pooled = {"mean_instruction": said[:, 1:-1].mean(1), "cls": said[:, 0], "mean_image": seen.mean(1)}
    return {name: array(values) for name, values in pooled.items()}
