"""The small language of the demo: a word-level vocabulary, its tokenizer, and ways of asking the ten instructions."""

import re
from functools import cache

from brainalign.demo.scenes import BACKGROUNDS, CATEGORIES
from brainalign.demo.sprites import NUMBERS, sprites
from brainalign.files import rows
from brainalign.tables import DATA, instructions

SPECIAL = ("<pad>", "<bos>", "<eos>", "<image>", "<sep>", "<unk>")
PAD, BOS, EOS, IMAGE, SEP, UNK = range(len(SPECIAL))
WORD = "▁"  # marks the start of a word, as in sentencepiece; punctuation has none, so that it joins the word before
CHAT_TEMPLATE = "<bos><image>{{ messages[-1]['content'][-1]['text'] }}<sep>"


@cache
def questions():
    """Every way of asking that the demo models are trained on, by instruction id; the first is the paper's wording.

    The others are the rows of `data/demo_questions.csv`.
    """
    asked = {key: [instruction.text] for key, instruction in instructions().items() if instruction.paper == "ten"}
    for row in rows(DATA / "demo_questions.csv", ("instruction", "question"), key="question"):
        asked[row["instruction"]].append(row["question"])
    return {key: tuple(texts) for key, texts in asked.items()}


def asked_words(text):
    """A question as the tokenizer sees it: lower case, letters and digits only."""
    return re.sub(r"[^a-z0-9]+", " ", text.lower()).split()


def answer_tokens(text):
    """An answer as vocabulary entries; case and punctuation are kept: "There is a dog." -> ▁There ▁is ▁a ▁dog ."""
    return [part if part in ",." else WORD + part for part in re.findall(r"[A-Za-z0-9]+|[.,]", text)]


@cache
def vocabulary():
    """Token -> id: the special tokens, then every word of any question or answer, sorted."""
    words = {WORD + w for asked in questions().values() for text in asked for w in asked_words(text)}
    nouns = [name for s in sprites().values() for name in (s.name, s.plural)]
    places = [text for b in BACKGROUNDS.values() for text in (b.place, b.noun, b.colour)]
    phrases = nouns + places + list(NUMBERS) + list(CATEGORIES)
    words |= {token for text in phrases for token in answer_tokens(text)}
    words |= {token for text in phrases for token in answer_tokens(text[0].upper() + text[1:])}
    words |= {token for text in _FRAMES for token in answer_tokens(text)}
    return {token: i for i, token in enumerate([*SPECIAL, *sorted(words)])}


# every fixed word of an answer, so that the vocabulary does not depend on which scenes happen to be drawn
_FRAMES = (
    "There is are a an and , .",
    "The the A An to left right of",
    "image shows Yes No there are no people is in foreground background",
    "There is no interaction. It is an outdoor indoor environment",
    "The most dominant color is. There are no food items. animal animals. natural outdoor scene.",
)


def tokenizer(begin="", end="", **named):
    """The vocabulary as a transformers tokenizer; decoding gives plain English back.

    begin, end : special tokens to put before and behind every text
    named : what is to be otherwise than LLaVA's, which has a token that stands for a picture
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.WordLevel(vocabulary(), unk_token="<unk>"))
    core.normalizer = normalizers.Sequence(
        [normalizers.Lowercase(), normalizers.Replace(Regex("[^a-z0-9]+"), " "), normalizers.Strip()]
    )
    core.pre_tokenizer = pre_tokenizers.Metaspace(WORD, prepend_scheme="always")
    core.decoder = decoders.Metaspace(WORD, prepend_scheme="always")
    core.add_special_tokens(list(SPECIAL))
    if begin or end:
        core.post_processor = processors.TemplateProcessing(
            single=f"{begin} $A {end}".split(), special_tokens=[(mark, SPECIAL.index(mark)) for mark in SPECIAL]
        )
    names = {"pad_token": "<pad>", "bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>"}
    settings = {"padding_side": "left", "model_max_length": 512, "clean_up_tokenization_spaces": False}
    settings["extra_special_tokens"] = {"image_token": "<image>"}
    return PreTrainedTokenizerFast(tokenizer_object=core, **names | settings | named)


def encode_question(text):
    """Token ids of a question between the picture and the answer."""
    vocab = vocabulary()
    return [vocab.get(WORD + word, UNK) for word in asked_words(text)] + [SEP]


def encode_answer(text):
    """Token ids of an answer with its end."""
    vocab = vocabulary()
    return [vocab[token] for token in answer_tokens(text)] + [EOS]
