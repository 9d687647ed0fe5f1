"""What the demo's twins are taught: endless batches of tensors about the training scenes, the same at every run."""

import random

import numpy as np
import torch

from brainalign.demo import language, tower, twins
from brainalign.demo.answers import answers
from brainalign.demo.scenes import scene
from brainalign.demo.train import TRAINING_SEED

HARD = {"IC": 3, "VQ1": 3, "VR": 3, "IU3": 2, "CR": 0.4, "IU1": 0.4, "SR": 0.4}  # how often asked; the others 1
CAPTION = "IC"
ASKED = 4  # instructions of one picture in an update
QUESTIONS = 0.15  # share of the texts that are questions
PAPERS_WORDING = 0.5  # how often an instruction is put in the words of the paper


def as_pixels(pictures):
    """uint8 (n, 144, 144, 3) as the image processors give it: float32 (n, 3, 144, 144) in [-1, 1]."""
    return torch.from_numpy(pictures.transpose(0, 3, 1, 2) / np.float32(127.5) - 1)


def shuffled(n, size, seed=0):
    """Endless rows of `size` different numbers below n, each epoch in another order."""
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(n)
        yield from (np.sort(order[at : at + size]) for at in range(0, n - size + 1, size))


def scene_layouts(pictures, size):
    """Batches for the tower: pictures, and what stands on each of their patches."""
    for numbers in shuffled(len(pictures), size):
        layouts = [tower.layout(scene(i, TRAINING_SEED)) for i in numbers]
        told = [np.array([getattr(one, what) for one in layouts]) for what in ("thing", "middle", "place")]
        yield [as_pixels(pictures[numbers]), *map(torch.from_numpy, told)]


def padded(rows, value):
    """Lists of numbers as one tensor, filled up at the end."""
    rows = [torch.tensor(row) for row in rows]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=value)


def asked_and_told(key, answer, rng):
    """Token ids of <bos> and one way to ask an instruction, and of the answer with its end."""
    ways = language.questions()[key]
    question = ways[0] if rng.random() < PAPERS_WORDING else rng.choice(ways)
    words = language.encode_question(question)[:-1]  # without <sep>, which is LLaVA's
    return [language.BOS, *words], language.encode_answer(answer)


def texts(pictures, size):
    """Batches of texts, each a question or an answer about a scene by itself: ids and labels (size, n_tokens)."""
    rng = random.Random(0)
    for numbers in shuffled(len(pictures), size):
        rows = []
        for i in numbers:
            key, answer = rng.choice(list(answers(scene(i, TRAINING_SEED)).items()))
            asked, told = asked_and_told(key, answer, rng)
            rows.append([*asked, language.EOS] if rng.random() < QUESTIONS else [language.BOS, *told])
        yield [padded(rows, language.PAD), padded(rows, -100)]


def conversations(states, size):
    """Batches for InstructBLIP: pictures' states, picture of each question, Q-Former's ids and mask, ids, labels."""
    rng = random.Random(0)
    for numbers in shuffled(len(states), size):
        whose, asked, ids, labels = [], [], [], []
        for row, i in enumerate(numbers):
            told = answers(scene(i, TRAINING_SEED))
            for key in sorted(told, key=lambda key: -(rng.random() ** (1 / HARD.get(key, 1))))[:ASKED]:
                question, answer = asked_and_told(key, told[key], rng)
                whose.append(row)
                asked.append(question)
                ids.append(question + answer)
                labels.append([-100] * len(question) + answer)
        asked = padded(asked, language.PAD)
        yield [
            torch.from_numpy(states[numbers]),
            torch.tensor(whose),
            asked,
            (asked != language.PAD).long(),
            padded(ids, language.PAD),
            padded(labels, -100),
        ]


def captions(states, size):
    """Batches for BLIP-2: pictures' states, and ids and labels of their captions."""
    for numbers in shuffled(len(states), size):
        told = [language.encode_answer(answers(scene(i, TRAINING_SEED))[CAPTION]) for i in numbers]
        ids = [[language.BOS, *row] for row in told]
        yield [
            torch.from_numpy(states[numbers]),
            padded(ids, language.PAD),
            padded([[-100, *row] for row in told], -100),
        ]


def captioned(pictures, size):
    """Batches for CLIP: pictures, and ids and mask of their captions as its tokenizer reads them."""
    read = twins.processor("clip").tokenizer
    for numbers in shuffled(len(pictures), size):
        told = [answers(scene(i, TRAINING_SEED))[CAPTION] for i in numbers]
        words = read(told, padding=True, return_tensors="pt")
        yield [as_pixels(pictures[numbers]), words["input_ids"], words["attention_mask"]]
