"""Train the demo's models on simulated scenes.

    python -m brainalign.demo.train llava OUT --minutes 7            # one GPU, from scratch
    python -m brainalign.demo.train llava OUT --minutes 75 --init FOLDER [--vocab FILE]
    python -m brainalign.demo.train vit OUT --minutes 15

- every batch is new: no scene is seen twice, and the scenes of other seeds (the demo's own) are never seen
- one picture answers its instructions in one sequence: the picture's states are computed once, and a mask keeps
  each question and answer from seeing the others, so that the loss is that of ten separate sequences
- bfloat16 autocast, AdamW, cosine schedule over the wall time; the weights are saved every ten minutes
"""

import argparse
import itertools
import json
import random
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from brainalign.demo import language, zoo
from brainalign.demo.answers import answers
from brainalign.demo.drawing import render
from brainalign.demo.fit import by_minutes, fit
from brainalign.demo.scenes import scene

EASY = {"CR", "IU1", "SR"}  # learned within minutes: asked of three scenes in ten, which leaves time for the counts
TRAINING_SEED = 1_000_003  # the demo uses 0, the scores 4242: neither meets the training scenes


def pixels(scene):
    """The scene as the demo's image processors give it: (3, 144, 144) float32 in [-1, 1]."""
    small = Image.fromarray(render(scene)).resize((zoo.PIXELS, zoo.PIXELS), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.asarray(small).transpose(2, 0, 1) / np.float32(127.5) - 1)


class Scenes(torch.utils.data.IterableDataset):
    """Endless new scenes, each turned into tensors by `example`; workers take turns."""

    def __init__(self, example, start):
        self.example, self.start = example, start

    def __iter__(self):
        info = torch.utils.data.get_worker_info()
        first, step = (info.id, info.num_workers) if info else (0, 1)
        for i in itertools.count(self.start + first, step):
            yield self.example(scene(i, TRAINING_SEED), random.Random(i))


# ---- LLaVA


def conversation(scene, rng):
    """One picture and the ten instructions: pixels, ids, labels, segment of each token (0 = picture), positions."""
    ids = [language.BOS] + [language.IMAGE] * zoo.IMAGE_TOKENS
    labels, segments, positions = [-100] * len(ids), [0] * len(ids), list(range(len(ids)))
    prefix = len(ids)
    for number, (key, answer) in enumerate(answers(scene).items(), 1):
        if key in EASY and rng.random() > 0.3:
            continue
        asked = language.questions()[key]
        question = language.encode_question(asked[0] if rng.random() < 0.5 else rng.choice(asked))
        told = language.encode_answer(answer)
        ids += question + told
        labels += [-100] * len(question) + told
        segments += [number] * (len(question) + len(told))
        positions += range(prefix, prefix + len(question) + len(told))
    return pixels(scene), *(torch.tensor(row) for row in (ids, labels, segments, positions))


def collate(rows):
    """Pad a batch; the mask lets a token see the picture and its own question and answer, and nothing later."""
    images, ids, labels, segments, positions = zip(*rows)

    def pad(x, value):
        return torch.nn.utils.rnn.pad_sequence(x, batch_first=True, padding_value=value)

    ids, labels, positions = pad(ids, language.PAD), pad(labels, -100), pad(positions, 0)
    segments = pad(segments, -1)
    mine, theirs = segments[:, :, None], segments[:, None, :]
    order = torch.arange(ids.shape[1])
    seen = ((theirs == mine) | (theirs == 0)) & (order[:, None] >= order[None, :])
    mask = torch.zeros(seen.shape, dtype=torch.bfloat16).masked_fill(~seen, torch.finfo(torch.bfloat16).min)
    return torch.stack(images), ids, labels, positions, mask[:, None]  # added to the attention scores


def llava_loss(model, batch):
    """Mean cross-entropy of the answers' tokens."""
    images, ids, labels, positions, mask = batch
    states = model.model(
        input_ids=ids, pixel_values=images, attention_mask=mask, position_ids=positions, use_cache=False
    ).last_hidden_state[:, :-1]
    told = labels[:, 1:] != -100
    return torch.nn.functional.cross_entropy(model.lm_head(states[told]).float(), labels[:, 1:][told])


def start_from(model, folder, vocabulary_file=None):
    """Take over the weights of an earlier LLaVA of the same shape, word by word where its vocabulary differs.

    vocabulary_file : JSON list of that model's words by id; without it the vocabularies must be the same.
    """
    from safetensors.torch import load_file

    old = {_today(name): value for name, value in load_file(Path(folder) / "model.safetensors").items()}
    words = json.loads(Path(vocabulary_file).read_bytes()) if vocabulary_file else None
    new = model.state_dict()
    if set(old) != set(new):
        raise ValueError(f"{folder} does not hold this model: {sorted(set(old) ^ set(new))[:4]} differ")
    for name, value in new.items():
        if words and ("embed_tokens" in name or "lm_head" in name):
            value.copy_(_by_word(old[name].float(), words, value))
        else:
            value.copy_(old[name].float())


def _today(name):
    """Parameter names as the running transformers names them: a saved LLaVA keeps older ones."""
    for before, after in (("language_model.model.", "model.language_model."), ("language_model.lm_head", "lm_head")):
        name = name.replace(before, after) if name.startswith(before) else name
    for part in ("vision_tower", "multi_modal_projector", "language_model"):
        name = f"model.{name}" if name.startswith(part + ".") else name
    return name


_RENAMED = {
    "weightlifter": "lifter",
    "yogi": "sitter",
    "soccer": "football",
    "racket": "tennis-ball",
    "city": "night-city",
}


def _by_word(old, words, new):
    """Rows of `old` by the word they stand for; words that it does not know start at its mean with a little noise."""
    known = {word: i for i, word in enumerate(words)}
    rows = old[5:].mean(0) + 0.3 * old[5:].std(0) * torch.randn_like(new)
    for token, i in language.vocabulary().items():
        word = token.lstrip(language.WORD).lower()
        for candidate in (token, word, _RENAMED.get(word), word.removesuffix("s")):
            if candidate in known:
                rows[i] = old[known[candidate]]
                break
    return rows


# ---- the classifier


def labelled(scene, rng):
    """A picture and which backgrounds and things it shows, as zeros and ones over `zoo.LABELS`."""
    shown = {scene.background, *(thing.name for thing in scene.objects)}
    return pixels(scene), torch.tensor([float(label in shown) for label in zoo.LABELS])


def vit_loss(model, batch):
    images, shown = batch
    return model(pixel_values=images, labels=shown).loss * len(zoo.LABELS)


# ---- both

KINDS = {
    "llava": (zoo.untrained_llava, zoo.save_llava, llava_loss, conversation, collate),
    "vit": (zoo.untrained_vit, zoo.save_vit, vit_loss, labelled, None),
}


def train(kind, out, minutes, batch=16, rate=5e-4, workers=1, init=None, vocab=None, start=0):
    """Train for a wall time and save to `out`; `init` continues from weights of the same shape.

    start : the first scene to draw, so that a continued run sees new ones. Returns the number of scenes seen.
    """
    make, save, loss_of, example, join = KINDS[kind]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = make()
    if init:
        start_from(model, init, vocab)
    model = model.train().to(device)
    if device == "cpu":  # the fused attention's backward pass is several times slower there
        model.set_attn_implementation("eager")
    loader = torch.utils.data.DataLoader(Scenes(example, start), batch, collate_fn=join, num_workers=workers)
    saved = 0.0

    def save_now_and_then(done):
        nonlocal saved
        if (done - saved) * minutes > 10:
            saved = done
            _save(make, save, model, out)

    updates = fit(model, loss_of, loader, rate, by_minutes(minutes), save_now_and_then)
    _save(make, save, model, out)
    return updates * batch


def _save(make, save, model, out):
    copy = make()
    copy.load_state_dict({name: value.cpu() for name, value in model.state_dict().items()})
    save(copy, out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=7)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--init", type=Path, help="folder of an earlier model of the same shape")
    parser.add_argument("--vocab", type=Path, help="its words by id, where its vocabulary differs")
    parser.add_argument("--start", type=int, default=0, help="number of the first scene to draw")
    seen = train(**vars(parser.parse_args()))
    print(f"trained on {seen} scenes")


if __name__ == "__main__":
    main()
