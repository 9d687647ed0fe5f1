"""CLIP, a ViT without a classifier, and the pixels themselves, held against transformers' own forward pass."""

import numpy as np
import pytest
import torch
from family_checks import CHECKS, Family, close, states_are_those_of
from tiny_text import liven, tokenizer

from brainalign import models
from brainalign.demo import drawing, scenes

ASKED = ("What is in this image?", "How many animals are there in the image?")
TEXTS = ("There is a dog.", "", "Two animals, a dog and a bird. There are no people.")
MEAN, SD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def write_clip(folder):
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPProcessor

    words = tokenizer(extra=("<end>",), around=("<bos>", "<end>"), eos_token="<end>", pad_token="<end>")
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4, "projection_dim": 24}
    text = {"vocab_size": len(words), "max_position_embeddings": 20, "eos_token_id": words.eos_token_id}
    config = CLIPConfig(
        text_config=shape | text | {"num_hidden_layers": 2, "bos_token_id": 1, "pad_token_id": words.pad_token_id},
        vision_config=shape | {"num_hidden_layers": 3, "image_size": 32, "patch_size": 8},
        projection_dim=24,
    )
    torch.manual_seed(0)
    liven(CLIPModel(config)).save_pretrained(folder)
    pixels = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPProcessor(pixels, words).save_pretrained(folder)


def write_vit(folder):
    """As published: with a pooler that is not used, and an image processor."""
    from transformers import ViTConfig, ViTImageProcessorPil, ViTModel

    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4}
    liven(ViTModel(ViTConfig(**shape, image_size=32, patch_size=8))).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_clip(folder / "clip-vit-l14")
    write_vit(folder / "vit-h")
    return folder


@pytest.fixture(scope="module")
def pictures():
    pictures = [drawing.render(scenes.scene(i)) for i in range(4)]
    return [pictures[0], pictures[1][:300], pictures[2][:, :280], pictures[3]]


@pytest.fixture(scope="module", params=["clip-vit-l14", "vit-h", "pixels"])
def family(request, folder, pictures):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINALIGN_MODELS", str(folder))
        return Family(models.load(request.param, device="cpu", dtype="float32"), pictures, ASKED)


@pytest.fixture(scope="module")
def clip(folder, pictures):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINALIGN_MODELS", str(folder))
        return Family(models.load("clip-vit-l14", device="cpu"), pictures, ASKED)


@pytest.mark.parametrize("check", CHECKS)
def test_family(check, family, tmp_path):
    if check.__name__ == "saved_again_it_loads_the_same" and family.adapter.model.name == "pixels":
        pytest.skip("pixels have no weights to save")
    check(family, tmp_path)


def seen_by_clip(picture):
    """A picture as CLIP's paper has it: the shorter side to 32, the middle, its mean and standard deviation."""
    from PIL import Image

    height, width = picture.shape[:2]
    size = (32, int(32 * height / width)) if width <= height else (int(32 * width / height), 32)
    small = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC), np.float32)
    top, left = (small.shape[0] - 32) // 2, (small.shape[1] - 32) // 2
    return torch.tensor((small[top : top + 32, left : left + 32] / 255 - MEAN) / SD).permute(2, 0, 1)[None].float()


def test_clip_pictures_are_those_of_the_whole_model(clip):
    def reference(picture, text):
        pixels = seen_by_clip(picture)
        with torch.inference_mode():
            states = torch.stack(clip.adapter.net.vision_model(pixels, output_hidden_states=True).hidden_states)[:, 0]
            joint = clip.adapter.net.get_image_features(pixels).pooler_output
        return "", {"vision_mean": states[:, 1:].mean(1), "vision_cls": states[:, 0], "joint": joint}

    states_are_those_of(reference, clip)


def test_clip_texts_are_those_of_the_whole_model(clip):
    adapter = clip.adapter
    found = adapter.states_of_texts(TEXTS, batch_size=2)
    assert tuple(found) == adapter.text_poolings == models.find("clip-vit-l14").text_poolings
    for i, text in enumerate(TEXTS):
        words = adapter.tokenizer(text, return_tensors="pt")
        with torch.inference_mode():
            states = torch.stack(adapter.net.text_model(**words, output_hidden_states=True).hidden_states)[:, 0]
            joint = adapter.net.get_text_features(**words).pooler_output
        close(found["mean_instruction"][i], (states[:, 1:-1] if text else states).mean(1).numpy())
        close(found["cls"][i], states[:, -1].numpy())
        close(found["joint"][i], joint.numpy())
    assert [len(adapter.layer_names(p)) for p in adapter.text_poolings] == [3, 3, 1]
    assert [found[p].shape[1] for p in adapter.text_poolings] == [3, 3, 1]


def test_clip_says_how_well_picture_and_text_agree(clip):
    """From the joint embeddings alone, as the whole model says it."""
    pixels = torch.cat([seen_by_clip(picture) for picture in clip.pictures])
    words = clip.adapter.tokenizer(list(TEXTS), padding=True, padding_side="right", return_tensors="pt")
    with torch.inference_mode():
        expected = clip.adapter.net(pixel_values=pixels, **words).logits_per_image
        scale = clip.adapter.net.logit_scale.exp().item()
    pictures = clip.pooled[ASKED[0]][1]["joint"][:, 0]
    texts = clip.adapter.states_of_texts(TEXTS)["joint"][:, 0]
    pictures, texts = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (pictures, texts))
    np.testing.assert_allclose(scale * pictures @ texts.T, expected, rtol=1e-4, atol=1e-4)


def test_picture_and_caption_together_are_what_the_whole_model_gives(clip):
    """`pair` is the output of one forward pass over both, in another order than they are batched in."""
    texts = [*TEXTS, "A cat"]
    wanted = ("pair", "vision_mean", "vision_cls", "joint")
    found = clip.adapter.states_of_texts(texts, wanted, batch_size=3, images=clip.pictures)
    assert tuple(found) == wanted
    assert models.find("clip-vit-l14").reading_poolings == (*clip.adapter.pair_poolings, *clip.adapter.text_poolings)
    alone = clip.pooled[ASKED[0]][1]
    for i, (picture, text) in enumerate(zip(clip.pictures, texts)):
        with torch.inference_mode():
            out = clip.adapter.net(
                pixel_values=seen_by_clip(picture), **clip.adapter.tokenizer(text, return_tensors="pt")
            )
        close(found["pair"][i], torch.cat([out.image_embeds, out.text_embeds], 1).numpy())
        close(found["vision_mean"][i], alone["vision_mean"][i])
        close(found["vision_cls"][i], alone["vision_cls"][i])
    assert clip.adapter.layer_names("pair") == ("pair",)
    with pytest.raises(ValueError, match="has no pooling 'pair'"):
        clip.adapter.states_of_texts(texts, ("pair",))
    with pytest.raises(ValueError, match="3 pictures were given with 4 texts"):
        clip.adapter.states_of_texts(texts, ("pair",), images=clip.pictures[:3])


def test_vit_h_is_read_before_the_last_layer_norm(folder, pictures, monkeypatch):
    from PIL import Image
    from transformers import ViTModel

    monkeypatch.setenv("BRAINALIGN_MODELS", str(folder))
    _, states = models.load("vit-h", device="cpu").states(pictures, "")
    net = ViTModel.from_pretrained(folder / "vit-h").eval()
    for i, picture in enumerate(pictures):
        small = np.asarray(Image.fromarray(picture).resize((32, 32), Image.Resampling.BILINEAR), np.float32)
        with torch.inference_mode():
            out = net(torch.tensor(small / 127.5 - 1).permute(2, 0, 1)[None], output_hidden_states=True)
        hidden = torch.stack(out.hidden_states)[:, 0].numpy()
        close(states["cls"][i], hidden[:, 0])
        close(states["mean_patches"][i], hidden[:, 1:].mean(1))
        assert np.abs(out.last_hidden_state[0, 0].numpy() - hidden[-1, 0]).max() > 0.01


def test_pixels_are_the_mean_colours_of_cells():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (64, 128, 3), np.uint8)
    _, states = models.load("pixels", device="cpu").states([picture], "")
    for layer, side in enumerate((2, 4, 8, 16)):
        cells = picture.reshape(side, 64 // side, side, 128 // side, 3).mean((1, 3)) / 255
        each = states["pixels"][0, layer].reshape(16, 16, 3)
        np.testing.assert_allclose(each[:: 16 // side, :: 16 // side], cells, atol=1e-6)
        np.testing.assert_allclose(each[16 // side - 1 :: 16 // side, 16 // side - 1 :: 16 // side], cells, atol=1e-6)


def test_pixels_need_no_files():
    assert models.missing("pixels") == ""
    adapter = models.load("pixels", device="cpu")
    assert adapter.checkpoint_info == models.identity("pixels")
    assert adapter.checkpoint_info["checkpoint"] == "pixels"
    assert adapter.n_bytes == 0
    with pytest.raises(ValueError, match="it has no control"):
        models.find("pixels-random")


def test_what_is_cut_off_of_pictures_and_texts_is_known(clip):
    """CLIP sees the middle of a picture, as its publishers' own code does, and 20 tokens of a text here."""
    found = [clip.adapter.unseen(picture) for picture in clip.pictures]
    np.testing.assert_allclose(found, [(0, 0), (0, 1 - 32 / 45), (1 - 32 / 48, 0), (0, 0)])
    assert [clip.adapter.unread(text) for text in (*TEXTS, "dog " * 18, "dog " * 25)] == [0, 0, 0, 0, 7]
    lost = clip.adapter.lost(clip.pictures, ["dog " * 25, "dog"])
    np.testing.assert_allclose(lost["unseen"], [0, 1 - 32 / 45, 1 - 32 / 48, 0])
    assert lost["unread"].tolist() == [7, 0]
    assert clip.adapter.lost() == {}
