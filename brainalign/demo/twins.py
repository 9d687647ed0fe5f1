"""Small twins of the demo's models that share their scenes: InstructBLIP, BLIP-2, CLIP and a language model alone.

- InstructBLIP and BLIP-2 have the same tower, the same Q-Former (InstructBLIP's also reads the instruction) and the
  same LLaMA, so that what was asked of them in training is all that sets them apart
- each is saved exactly as a checkpoint of the hub is, so that it loads through the adapter of the large model
"""

from brainalign.demo.language import BOS, EOS, IMAGE, PAD, SPECIAL, tokenizer, vocabulary
from brainalign.demo.zoo import PATCH, PIXELS, image_processor

QUERIES = 16
CLIP_END = "<sep>"  # transformers takes an end numbered 2, as <eos> is here, for "the highest number of the text"
_SEES = {
    "hidden_size": 128,
    "intermediate_size": 512,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "image_size": PIXELS,
    "patch_size": PATCH,
    "layer_norm_eps": 1e-12,
}  # the first three layers of the demo's ViT: wide enough to tell the things, half the size


def text_config():
    """A LLaMA of 0.55 M parameters."""
    from transformers import LlamaConfig

    return LlamaConfig(
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=4,
        vocab_size=len(vocabulary()),
        max_position_embeddings=256,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
        tie_word_embeddings=True,
    )


def _blip_config(family, qformer):
    """Tower, Q-Former of two layers that both look at the picture, LLaMA; family : "InstructBlip" or "Blip2"."""
    import transformers

    config, vision, queries = (
        getattr(transformers, family + part) for part in ("Config", "VisionConfig", "QFormerConfig")
    )
    shape = {
        "hidden_size": 96,
        "intermediate_size": 192,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "cross_attention_frequency": 1,
        "encoder_hidden_size": 128,
        "vocab_size": len(vocabulary()),
        "max_position_embeddings": 64,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
    return config(
        vision_config=vision(**_SEES, initializer_range=0.02),
        qformer_config=queries(**shape, **qformer),
        text_config=text_config(),
        num_query_tokens=QUERIES,
        image_token_index=IMAGE,
        tie_word_embeddings=True,
    )


def instructblip_config():
    """An InstructBLIP of 1.6 M parameters."""
    return _blip_config("InstructBlip", {})


def blip2_config():
    """The same without the Q-Former's reading of the instruction: 1.5 M parameters."""
    return _blip_config("Blip2", {"use_qformer_text_input": False})


def clip_config():
    """A CLIP of 0.8 M parameters: the twins' tower, and a transformer of two layers for captions."""
    from transformers import CLIPConfig, CLIPTextConfig, CLIPVisionConfig

    text = CLIPTextConfig(
        vocab_size=len(vocabulary()),
        hidden_size=64,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=SPECIAL.index(CLIP_END),
    )
    vision = CLIPVisionConfig(**_SEES, hidden_act="gelu")
    return CLIPConfig(text_config=text, vision_config=vision, projection_dim=64)


def untrained(kind, seed=0):
    """A twin with random weights; kind : a key of `SHAPES`."""
    import torch
    import transformers

    name, config = SHAPES[kind]
    torch.manual_seed(seed)
    model = getattr(transformers, name)(config()).eval()
    if hasattr(model, "query_tokens"):  # transformers starts them at zero, where all would stay alike
        torch.nn.init.normal_(model.query_tokens, std=0.5)
    return model


SHAPES = {
    "instructblip": ("InstructBlipForConditionalGeneration", instructblip_config),
    "blip2": ("Blip2ForConditionalGeneration", blip2_config),
    "clip": ("CLIPModel", clip_config),
    "text": ("LlamaForCausalLM", text_config),
}


def processor(kind):
    """What turns pictures and words into a twin's input: pictures to 144 x 144, words behind <bos>."""
    from transformers import Blip2Processor, CLIPProcessor, InstructBlipProcessor

    plain = {"begin": "<bos>", "extra_special_tokens": None}  # the BLIPs' processors bring the picture's token
    if kind == "text":
        return tokenizer(**plain)
    if kind == "clip":
        ended = tokenizer(**plain, end=CLIP_END, eos_token=CLIP_END, padding_side="right")
        return CLIPProcessor(image_processor("CLIPImageProcessorPil"), ended)
    pictures = image_processor("BlipImageProcessorPil")
    if kind == "blip2":
        return Blip2Processor(pictures, tokenizer(**plain), num_query_tokens=QUERIES)
    return InstructBlipProcessor(pictures, tokenizer(**plain), tokenizer(**plain), num_query_tokens=QUERIES)


def save(kind, model, folder):
    """Write a complete checkpoint folder: float16 safetensors, configuration, tokenizer and processor."""
    if kind != "clip":
        model.generation_config.update(do_sample=False, pad_token_id=PAD, bos_token_id=BOS, eos_token_id=EOS)
    model.half().save_pretrained(folder)
    processor(kind).save_pretrained(folder)


def save_untrained(kind, folder, seed=0):
    """A complete checkpoint folder of a twin with random weights."""
    save(kind, untrained(kind, seed), folder)
