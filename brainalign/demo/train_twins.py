"""Train the demo's twins (`twins`) on simulated scenes that they share.

    python -m brainalign.demo.train_twins pictures WORK --scenes 30000     # drawn once, 62 kB each
    python -m brainalign.demo.train_twins tower WORK --updates 2500        # the twins' eye, from vit-demo
    python -m brainalign.demo.train_twins states WORK                      # what it sees of each scene, 37 kB each
    python -m brainalign.demo.train_twins text WORK --updates 3000
    python -m brainalign.demo.train_twins captions WORK --updates 2500     # what both BLIPs begin with
    python -m brainalign.demo.train_twins instructblip WORK --updates 2500
    python -m brainalign.demo.train_twins blip2 WORK --updates 2500
    python -m brainalign.demo.train_twins clip WORK --updates 400

- WORK holds what is shared, and at the end a checkpoint folder of each twin: `WORK/instructblip-demo` ...
- the scenes are those of `train.TRAINING_SEED`, never the demo's own or the scores'
- text learns the questions and answers each as a text of its own: it has never seen a question answered
- InstructBLIP and BLIP-2 begin as one BLIP-2 that learned captions, with the same tower (frozen) and text's words;
  then both see the same scenes in the same order for the same number of updates, InstructBLIP with all
  instructions, BLIP-2 with captions as before
- these are the commands of the shipped weights: about 40 minutes on one core, an update of InstructBLIP 0.2 s;
  a GPU is used if there is one, and more updates do better. vit-demo itself is trained by `train`
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import PreTrainedModel

from brainalign.demo import lessons, tower, twins, zoo
from brainalign.demo.drawing import render
from brainalign.demo.fit import by_updates, fit
from brainalign.demo.scenes import scene
from brainalign.demo.train import TRAINING_SEED
from brainalign.tables import DATA

# ---- what is shared: pictures, and what the tower sees of them


def draw(work, n):
    """Draw the training scenes at the models' size: `pictures.npy`, (n, 144, 144, 3) uint8."""
    size = (zoo.PIXELS, zoo.PIXELS)
    pictures = np.lib.format.open_memmap(work / "pictures.npy", "w+", np.uint8, (n, *size, 3))
    for i in range(n):
        large = Image.fromarray(render(scene(i, TRAINING_SEED)))
        pictures[i] = np.asarray(large.resize(size, Image.Resampling.BICUBIC))


def train_tower(work, updates):
    """Teach the first layers of the shipped vit-demo what stands where, and keep the tower: `tower.safetensors`."""
    from safetensors.torch import save_file
    from transformers import ViTForImageClassification

    vit = ViTForImageClassification.from_pretrained(DATA / "models" / "vit-demo", dtype=torch.float32).vit
    eye = twins.untrained("instructblip").vision_model
    eye.load_state_dict(tower.weights_of_vit(vit, eye.config.num_hidden_layers), strict=False)
    batches = lessons.scene_layouts(np.load(work / "pictures.npy", mmap_mode="r"), 32)
    fit(_ready(tower.Taught(eye)), lambda model, batch: model(*batch), batches, 1e-3, by_updates(updates))
    save_file(eye.cpu().state_dict(), work / "tower.safetensors")


def see(work):
    """What the tower sees of each training scene: `states.npy`, (n, 145, 128) float16."""
    eye = _ready(with_tower(twins.untrained("instructblip"), work).vision_model)
    pictures = np.load(work / "pictures.npy", mmap_mode="r")
    shape = (len(pictures), eye.embeddings.num_positions, eye.config.hidden_size)
    states = np.lib.format.open_memmap(work / "states.npy", "w+", np.float16, shape)
    for start in range(0, len(pictures), 100):
        part = slice(start, start + 100)
        pixels = lessons.as_pixels(pictures[part]).to(eye.device)
        with torch.inference_mode(), torch.autocast(pixels.device.type, torch.bfloat16):
            states[part] = eye(pixel_values=pixels).last_hidden_state.float().cpu()


def _ready(model):
    """On a GPU if there is one; on a CPU without the fused attention, whose backward pass is several times slower."""
    if torch.cuda.is_available():
        return model.cuda()
    for part in model.modules():
        if isinstance(part, PreTrainedModel):
            part.set_attn_implementation("eager")
    return model


def with_tower(model, work):
    """An InstructBLIP or BLIP-2 with the taught tower, frozen."""
    from safetensors.torch import load_file

    model.vision_model.load_state_dict(load_file(work / "tower.safetensors"))
    model.vision_model.requires_grad_(False)
    return model


# ---- losses


def next_word_loss(logits, labels):
    """Mean cross-entropy of each labelled token given those before it; -100 = no label."""
    told = labels[:, 1:] != -100
    return torch.nn.functional.cross_entropy(logits[:, :-1][told].float(), labels[:, 1:][told])


def text_loss(model, batch):
    ids, labels = batch
    return next_word_loss(model(input_ids=ids).logits, labels)


def instructblip_loss(model, batch):
    states, whose, asked, mask, ids, labels = batch
    queries = model.query_tokens.expand(len(ids), -1, -1)
    seen = model.qformer(
        input_ids=asked,
        attention_mask=torch.cat([torch.ones_like(queries[:, :, 0]).long(), mask], 1),
        query_embeds=queries,
        encoder_hidden_states=states.float()[whose],
    ).last_hidden_state[:, : twins.QUERIES]
    return _said_loss(model, seen, ids, labels)


def blip2_loss(model, batch):
    states, ids, labels = batch
    queries = model.query_tokens.expand(len(ids), -1, -1)
    seen = model.qformer(query_embeds=queries, encoder_hidden_states=states.float()).last_hidden_state
    return _said_loss(model, seen, ids, labels)


def _said_loss(model, seen, ids, labels):
    """Loss of the words behind the Q-Former's output (n, n_queries, n_dims)."""
    words = model.get_input_embeddings()(ids)
    embedded = torch.cat([model.language_projection(seen).to(words.dtype), words], 1)
    logits = model.language_model(inputs_embeds=embedded, use_cache=False).logits
    return next_word_loss(logits[:, twins.QUERIES :], labels)


def clip_loss(model, batch):
    """Symmetric cross-entropy of which caption belongs to which picture of the batch."""
    pixels, ids, mask = batch
    return model(pixel_values=pixels, input_ids=ids, attention_mask=mask, return_loss=True).loss


# ---- training


def beginning(kind, work):
    """A twin as its training starts."""
    from transformers import LlamaForCausalLM

    model = twins.untrained("blip2" if kind == "captions" else kind)
    if kind == "clip":
        eye = with_tower(twins.untrained("blip2"), work).vision_model
        some = lessons.as_pixels(np.load(work / "pictures.npy", mmap_mode="r")[:64])
        model.vision_model.load_state_dict(tower.weights_for_clip(eye, some))
    elif kind == "captions":
        model.language_model = LlamaForCausalLM.from_pretrained(work / "text-demo", dtype=torch.float32)
        with_tower(model, work)
    elif kind != "text":
        start_from_captions(model, work)
    return model


def start_from_captions(model, work):
    """Take over all of the common start that a twin has a place for: InstructBLIP's reading begins untrained."""
    from transformers import Blip2ForConditionalGeneration

    start = Blip2ForConditionalGeneration.from_pretrained(work / "captions-demo", dtype=torch.float32).state_dict()
    if "instruct" in model.config.model_type:
        start = {name.replace("qformer.layernorm", "qformer.embeddings.layernorm"): w for name, w in start.items()}
    unknown = model.load_state_dict(start, strict=False).unexpected_keys
    if unknown:
        raise ValueError(
            f"{work / 'captions-demo'} does not fit: {unknown[:4]} have no place in {model.config.model_type}"
        )
    model.vision_model.requires_grad_(False)


# kind: loss, batches from the shared array, that array, scenes in a batch, learning rate
TRAINING = {
    "text": (text_loss, lessons.texts, "pictures", 64, 2e-3),
    "captions": (blip2_loss, lessons.captions, "states", 64, 1.5e-3),
    "instructblip": (instructblip_loss, lessons.conversations, "states", 32, 1e-3),
    "blip2": (blip2_loss, lessons.captions, "states", 32, 1e-3),
    "clip": (clip_loss, lessons.captioned, "pictures", 128, 5e-4),
}


def train(kind, work, updates):
    """Train a twin and write its checkpoint folder, `work/<kind>-demo`."""
    loss, batches, shared, size, rate = TRAINING[kind]
    model = _ready(beginning(kind, work).train())
    array = np.load(work / f"{shared}.npy", mmap_mode="r")
    fit(model, loss, batches(array, size), rate, by_updates(updates))
    twins.save("blip2" if kind == "captions" else kind, model.cpu(), work / f"{kind}-demo")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("pictures", "tower", "states", *TRAINING))
    parser.add_argument("work", type=Path)
    parser.add_argument("--scenes", type=int, default=30000)
    parser.add_argument("--updates", type=int, default=2500)
    told = parser.parse_args()
    told.work.mkdir(parents=True, exist_ok=True)
    steps = {
        "pictures": lambda: draw(told.work, told.scenes),
        "tower": lambda: train_tower(told.work, told.updates),
        "states": lambda: see(told.work),
    }
    steps.get(told.what, lambda: train(told.what, told.work, told.updates))()


if __name__ == "__main__":
    main()
