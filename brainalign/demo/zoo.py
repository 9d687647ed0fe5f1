"""Small models of real transformers architectures for the demo's scenes: their shapes and how they are saved.

They are saved exactly as a checkpoint of the hub is, so that they load through the adapters of the large models.
"""

from brainalign.demo.language import BOS, CHAT_TEMPLATE, EOS, IMAGE, PAD, tokenizer, vocabulary
from brainalign.demo.scenes import BACKGROUNDS, SPRITES

PIXELS, PATCH = 144, 12
IMAGE_TOKENS = (PIXELS // PATCH) ** 2
LABELS = (*BACKGROUNDS, *SPRITES)  # what the classifier says of a scene: where it is, and each kind of thing in it


def llava_config():
    """A LLaVA of 7.8 M parameters: a CLIP tower of six layers, a projector, a LLaMA of six layers."""
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig

    vision = CLIPVisionConfig(
        hidden_size=192,
        intermediate_size=768,
        num_hidden_layers=6,
        num_attention_heads=6,
        image_size=PIXELS,
        patch_size=PATCH,
        projection_dim=192,
    )
    text = LlamaConfig(
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=6,
        num_attention_heads=8,
        num_key_value_heads=8,
        vocab_size=len(vocabulary()),
        max_position_embeddings=512,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
    )
    return LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=IMAGE,
        image_seq_length=IMAGE_TOKENS,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        pad_token_id=PAD,
        tie_word_embeddings=False,
    )


def vit_config():
    """A ViT of 1.3 M parameters that names the background and every kind of thing in a scene."""
    from transformers import ViTConfig

    return ViTConfig(
        hidden_size=128,
        intermediate_size=512,
        num_hidden_layers=6,
        num_attention_heads=4,
        image_size=PIXELS,
        patch_size=PATCH,
        problem_type="multi_label_classification",
        id2label=dict(enumerate(LABELS)),
        label2id={label: i for i, label in enumerate(LABELS)},
    )


def image_processor(kind):
    """Pictures to 144 x 144, in [-1, 1]; kind : the name of a class of transformers."""
    import transformers

    half = [0.5, 0.5, 0.5]
    square = {"height": PIXELS, "width": PIXELS}
    options = {"size": square, "resample": 3, "image_mean": half, "image_std": half}
    if kind == "CLIPImageProcessorPil":
        options |= {"do_center_crop": False, "do_convert_rgb": True}
    return getattr(transformers, kind)(**options)


def llava_processor():
    """Pictures to 144 x 144, one image token a patch, and the prompt: picture, question, separator."""
    from transformers import LlavaProcessor

    return LlavaProcessor(
        image_processor=image_processor("CLIPImageProcessorPil"),
        tokenizer=tokenizer(),
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        image_token="<image>",
        chat_template=CHAT_TEMPLATE,
    )


def untrained_llava(seed=0):
    """The demo LLaVA with random weights."""
    import torch
    from transformers import LlavaForConditionalGeneration

    torch.manual_seed(seed)
    return LlavaForConditionalGeneration(llava_config()).eval()


def untrained_vit(seed=0):
    """The demo classifier with random weights."""
    import torch
    from transformers import ViTForImageClassification

    torch.manual_seed(seed)
    return ViTForImageClassification(vit_config()).eval()


def save_llava(model, folder):
    """Write a complete checkpoint folder: float16 safetensors, configuration, tokenizer and processor."""
    model.generation_config.update(do_sample=False, pad_token_id=PAD, bos_token_id=BOS, eos_token_id=EOS)
    model.half().save_pretrained(folder)
    llava_processor().save_pretrained(folder)


def save_vit(model, folder):
    """Write a complete checkpoint folder of the classifier."""
    model.half().save_pretrained(folder)
    image_processor("ViTImageProcessorPil").save_pretrained(folder)


def save_untrained_llava(folder, seed=0):
    """A complete checkpoint folder of the demo LLaVA with random weights."""
    save_llava(untrained_llava(seed), folder)


def save_untrained_vit(folder, seed=0):
    """A complete checkpoint folder of the classifier with random weights."""
    save_vit(untrained_vit(seed), folder)
