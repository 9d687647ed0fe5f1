"""BridgeTower: a picture's and a text's towers, bridged layer by layer to cross-modal layers where both meet."""

from transformers import BridgeTowerModel, BridgeTowerProcessor

from brainalign.models.fusion import Fusion, first, mean
from brainalign.pictures import for_processors


class BridgeTower(Fusion):
    """BridgeTower without its heads.

    vision_mean, vision_cls : patches and class token of the image tower, before its last LayerNorm
    mean_image, mean_instruction, cls : in the cross-modal layers, the picture's patches, the instruction's words and
        the text's first token
    States of the text's own tower cannot depend on the picture, so they are not given.
    The image tower runs once a picture, the text tower once an instruction, the cross-modal layers once a pair.
    """

    poolings = ("mean_image", "mean_instruction", "cls", "vision_mean", "vision_cls")
    fixed_poolings = ("vision_mean", "vision_cls")

    def _load(self):
        self.net = self._weights(BridgeTowerModel)
        self.processor = BridgeTowerProcessor.from_pretrained(self.source, backend="pil")
        self.tokenizer = self.processor.tokenizer
        config = self.net.config
        self.longest = config.text_config.max_position_embeddings - config.text_config.pad_token_id - 1
        # the towers' first bridged layer
        self.first = config.text_config.num_hidden_layers - config.num_hidden_layers + 1
        self.layers = tuple(f"cross {i + 1}" for i in range(config.num_hidden_layers))

    def layer_names(self, pooling):
        if pooling not in self.fixed_poolings:
            return self.layers
        return ("embeddings", *(f"layer {i + 1}" for i in range(self.net.config.vision_config.num_hidden_layers)))

    def _see(self, images):
        pixels = self.processor.image_processor(for_processors(images), return_tensors="pt")["pixel_values"]
        tower = self.net.vision_model.visual
        states = [tower.forward_pre(pixels.to(self.device, self.net.dtype))]  # here (n_tokens, n, n_dims)
        for block in tower.transformer.resblocks:
            states.append(block(states[-1]))
        kind = self.net.token_type_embeddings.weight[1]
        bridged = [
            self.net._apply_image_transform(tower.forward_post(layer), i) + kind
            for i, layer in enumerate(states[self.first :])
        ]
        states = [layer.transpose(0, 1) for layer in states]
        return bridged, {"vision_mean": mean([layer[:, 1:] for layer in states]), "vision_cls": first(states)}

    def _meet(self, seen, ids, words):
        """The cross-modal part of `BridgeTowerModel.forward`."""
        net, texts, images = self.net, [], []
        for i, (image, text) in enumerate(zip(seen, self._text(ids))):
            text = text.expand(len(image), -1, -1)
            if i:
                text = net.cross_modal_text_link_tower[i - 1](text, texts[-1], None)
                image = net.cross_modal_image_link_tower[i - 1](image, images[-1], None)
            else:
                text, image = net.cross_modal_text_layernorm(text), net.cross_modal_image_layernorm(image)
            texts.append(net.cross_modal_text_layers[i](text, image)[0])
            images.append(net.cross_modal_image_layers[i](image, text)[0])
        return {
            "mean_image": mean([layer[:, 1:] for layer in images]),
            "mean_instruction": mean(texts, words),
            "cls": first(texts),
        }

    def _text(self, ids):
        """The text tower's bridged layers, (1, n_tokens, n_dims) each."""
        tower, kind = self.net.text_model, self.net.token_type_embeddings.weight[0]
        states = [tower.embeddings(input_ids=ids)]
        for layer in tower.encoder.layer:
            states.append(layer(states[-1], None))
        return [self.net._apply_text_transform(state, i) + kind for i, state in enumerate(states[self.first :])]
