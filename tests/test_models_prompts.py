"""Prompts: what is sent is the model's own template, and the instruction's place is known without a search."""

import importlib.util
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny_text import liven
from transformers import AutoTokenizer

from brainalign import models
from brainalign.models import blip, idefics, language, llava, minigpt4, owl, prompts, qwen, special, verify

PICTURE = 5  # tokens of a picture
MARKS = ("<s>", "</s>", "<image>", "<|image_pad|>", "<fake_token_around_image>", "<end_of_utterance>")
OWL = (
    "The following is a conversation between a curious human and AI assistant. The assistant gives helpful, "
    "detailed, and polite answers to the user's questions.\nHuman: <image>\nHuman: "
)
MINIGPT4 = (
    "Give the following image: <Img>ImageContent</Img>. You will be able to see the image once I provide it to you. "
    "Please answer my questions."
)
VICUNA = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, "
    "and polite answers to the user's questions. USER: "
)
CHAT = (
    "{% for m in messages %}<s>user: {% for c in m['content'] %}{% if c['type'] == 'image' %}<|image_pad|>"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}{{ '\\n' }}{% endfor %}assistant:"
)
IDEFICS = "<fake_token_around_image><image><fake_token_around_image>"
FAMILIES = {  # adapter: (before, after the instruction), and a word that is in its template too
    llava.Llava: ("USER: <image>\n", " ASSISTANT:", "ASSISTANT"),
    llava.LlavaAuthors: ("USER: <image>\n", "\nASSISTANT:", "ASSISTANT"),
    llava.LlavaNext: ("[INST] <image>\n", " [/INST]", "INST"),
    blip.Blip2: ("<image>Question: ", " Answer:", "Answer"),
    blip.InstructBlip: ("<image>", "", "image"),
    minigpt4.Minigpt4: (f"{MINIGPT4}###Human: <Img><ImageHere></Img> ", "###Assistant: ", "Assistant"),
    minigpt4.Minigpt4Llama2: (f"{MINIGPT4}<s>[INST] <Img><ImageHere></Img> ", " [/INST] ", "INST"),
    owl.Owl: (OWL, "\nAI: ", "AI"),
    idefics.Idefics: (f"<s>User:{IDEFICS}", "<end_of_utterance>\nAssistant:", "Assistant"),
    idefics.IdeficsAuthors: ("<s>User: ", f"{IDEFICS}<end_of_utterance>\nAssistant:", "Assistant"),
    qwen.Qwen: ("<s>user: <|image_pad|>", "\nassistant:", "assistant"),
    language.Decoder: ("", "", "dog"),
    language.Vicuna: (VICUNA, " ASSISTANT:", "ASSISTANT"),
}

LANGUAGE = {llava.LlavaNext: "mistral"}  # what else than a LLaMA writes


def words():
    """A tokenizer of words and signs, which puts <s> in front of a text."""
    from tokenizers import Tokenizer, pre_tokenizers, processors
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    said = [*VICUNA.split(), "a", "dog"]
    core = Tokenizer(WordLevel({word: i for i, word in enumerate(dict.fromkeys(["<unk>", *said]))}, "<unk>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    core.add_special_tokens(list(MARKS))
    begin = [("<s>", core.token_to_id("<s>"))]
    core.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=begin)
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def adapter(kind):
    """An adapter without a network, which is enough to put prompts together."""
    made, tokenizer = object.__new__(kind), words()
    mark, chat = ("<|image_pad|>", CHAT) if kind is qwen.Qwen else ("<image>", None)
    made.model, made.tokenizer = SimpleNamespace(name=kind.__name__), tokenizer
    made.special = SimpleNamespace(first=lambda name: getattr(tokenizer, name))
    made.device, made.longest = torch.device("cpu"), 400
    of_text = SimpleNamespace(max_position_embeddings=400, model_type=LANGUAGE.get(kind, "llama"))
    image_token_id = -1 if issubclass(kind, owl.Owl | minigpt4.Minigpt4) else tokenizer.convert_tokens_to_ids(mark)
    made.net = SimpleNamespace(config=SimpleNamespace(image_token_id=image_token_id, get_text_config=lambda: of_text))

    def render(messages, add_generation_prompt):
        return tokenizer.apply_chat_template(messages, chat_template=chat, tokenize=False)

    made.processor = SimpleNamespace(image_token=mark, chat_template=chat, apply_chat_template=render)
    if not issubclass(kind, language.Language):
        made.template = made._documented()
    return made


@pytest.mark.parametrize("kind", FAMILIES, ids=lambda kind: kind.__name__)
def test_what_is_sent_is_the_template_around_the_instruction(kind):
    before, after, _ = FAMILIES[kind]
    assert adapter(kind).sent(" a dog ") == f"{before}a dog{after}"


@pytest.mark.parametrize("kind", FAMILIES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("more", ["", " a dog"])
def test_an_instruction_made_of_the_templates_words_is_found_at_its_own_place(kind, more):
    """Its tokens are those between as many tokens as the template has before it and after it."""
    before, after, word = FAMILIES[kind]
    made, text = adapter(kind), word + more
    if issubclass(kind, language.Language):
        ids, _, inside = (part[0] for part in made._prompt(text, 5))
        pictured = 0
    else:
        prompt = made._prompt(text, PICTURE, 5)
        ids, inside = prompt.ids, prompt.instruction
        pictured = 0 if issubclass(kind, idefics.Idefics) else PICTURE - 1
    plain, begins = before.replace("<ImageHere>", "<image>"), not before.startswith("<s>")
    parts = [made.tokenizer(part, add_special_tokens=False)["input_ids"] for part in (plain, text, after)]
    counts = begins + len(parts[0]) + pictured, len(parts[1]), len(parts[2])
    assert inside.tolist() == [False] * counts[0] + [True] * counts[1] + [False] * counts[2]
    assert ids[inside].tolist() == parts[1]


def test_a_chat_template_is_rendered_around_a_place_that_no_text_has():
    around = prompts.of_chat(lambda text: f"Answer: {text} Answer:", "Answer")
    assert around == ("Answer: ", " Answer:")
    assert prompts.of_chat(lambda text: f"say {text}" if text else "caption", "") == ("caption", "")


@pytest.mark.parametrize("render", [str.upper, "{0} {0}".format, lambda text: "a fixed text"])
def test_a_chat_template_that_changes_the_instruction_is_refused(render):
    with pytest.raises(ValueError, match="does not write the instruction 'a dog' once and unchanged"):
        prompts.of_chat(render, "a dog")


def test_a_token_across_the_border_belongs_to_the_instruction_and_one_of_no_length_to_nothing():
    spans = [(0, 0), (0, 3), (3, 5), (5, 5), (5, 8), (8, 9), (9, 12)]

    class Tokenizer:
        bos_token = None

        def __call__(self, whole, **options):
            assert whole == "abcdefghijkl"
            return {"input_ids": list(range(len(spans))), "offset_mapping": spans}

    tokenizer = Tokenizer()
    assert prompts.tokens(tokenizer, "abcd", "efgh", "ijkl")[1] == [False, False, True, False, True, False, False]
    assert not any(prompts.tokens(tokenizer, "abcd", "", "efghijkl")[1])


@pytest.mark.parametrize(
    ("kind", "language", "expected"),
    [
        (llava.Llava, "llama", "USER: <image>\n{text} ASSISTANT:"),
        (llava.LlavaNext, "mistral", "[INST] <image>\n{text} [/INST]"),
        (
            llava.LlavaNext,
            "llama",
            "A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, "
            "detailed, and polite answers to the human's questions. USER: <image>\n{text} ASSISTANT:",
        ),
        (
            qwen.Qwen,
            "qwen2_5_vl_text",
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<|vision_start|>"
            "<|image_pad|><|vision_end|>{text}<|im_end|>\n<|im_start|>assistant\n",
        ),
        (
            qwen.Qwen3,
            "qwen3_vl_text",
            "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>{text}<|im_end|>\n<|im_start|>assistant\n",
        ),
    ],
)
def test_without_a_chat_template_the_documented_one_is_used(kind, language, expected, monkeypatch):
    """That of its own language model: LLaVA-NeXT with Vicuna is not asked in Mistral's format."""
    monkeypatch.setitem(LANGUAGE, kind, language)
    assert adapter(kind)._documented() == expected


@pytest.mark.parametrize(
    ("kind", "language", "extra"),
    [(llava.Llava, "mistral", ()), (llava.LlavaNext, "qwen2", ()), (llava.LlavaNext, "llama", ["<|im_start|>"])],
)
def test_without_any_known_template_it_is_said(kind, language, extra, monkeypatch):
    made = adapter(kind)
    monkeypatch.setattr(made.net.config.get_text_config(), "model_type", language)
    made.tokenizer.add_tokens(list(extra), special_tokens=True)
    made.source = "the folder"
    with pytest.raises(models.ModelError, match=rf"the folder has no chat template, .*\({language}\); take chat_temp"):
        made._documented()


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{% for m in messages %}USER: {{ m['content'] }}{% endfor %}", "'a dog' once and unchanged"),
        ("{% for m in messages %}USER: {{ m['content'][-1]['text'] }}{% endfor %}", "has no place for one picture"),
        ("{% for m in messages %}{{ 'USER: ' + m['content'].strip() }}{% endfor %}", "cannot be used"),
        ("{{ raise_exception('only system messages') }}", r"cannot be used \(only system messages\)"),
    ],
)
def test_a_chat_template_for_text_alone_is_refused(template, message):
    """Such as one that writes a list of parts as Python does, without the picture's mark."""
    made = adapter(llava.Llava)
    tokenizer, made.source = made.tokenizer, "the folder"

    def render(messages, add_generation_prompt):
        return tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False)

    made.processor = SimpleNamespace(image_token="<image>", chat_template=template, apply_chat_template=render)
    with pytest.raises(ValueError, match=message):
        made._around("a dog")


def published(folder, **told):
    """A published tokenizer of a LLaMA's kind, Mistral's, as older checkpoints hold it: pieces and few settings."""
    package = importlib.util.find_spec("mistral_common").submodule_search_locations[0]
    shutil.copy(next(Path(package).rglob("tokenizer.model.v1")), folder / "tokenizer.model")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizer"} | told))
    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    tokenizer = special.with_bos(published(folder), folder)
    tokenizer.add_tokens(["<image>"], special_tokens=True)
    return tokenizer


def test_the_line_break_of_the_papers_authors_is_a_token_of_its_own(pieces):
    """13 is a line break; the instruction's own tokens stay the same."""
    asked = []
    for kind in (llava.Llava, llava.LlavaAuthors):
        before, after = prompts.of_template(kind.templates["llama"])
        ids, inside = prompts.tokens(pieces, before, "What is it?", after)
        asked.append((ids.count(13), [token for token, own in zip(ids, inside) if own]))
    (breaks, words), (more, same) = asked
    assert breaks + 1 == more == 2
    assert words == same != []


@pytest.mark.parametrize(
    ("told", "begins"), [({}, True), ({"add_bos_token": True}, True), ({"add_bos_token": False}, False)]
)
def test_a_llama_begins_with_its_mark_unless_its_settings_say_otherwise(tmp_path, told, begins):
    """As in all versions before transformers 5, which leaves it out where nothing is said."""
    ids = special.with_bos(published(tmp_path, **told), tmp_path)("a dog")["input_ids"]
    assert ids == [1] * begins + [264, 3914]


def test_a_tokenizer_json_says_itself_how_texts_begin(tmp_path):
    published(tmp_path).save_pretrained(tmp_path)  # without the mark
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizer"}))
    tokenizer = special.with_bos(AutoTokenizer.from_pretrained(tmp_path), tmp_path)
    assert tokenizer("a dog")["input_ids"] == [264, 3914]


@pytest.mark.parametrize(
    ("before", "text", "after", "expected"),
    [
        ("[INST] <image>\n", "INST", " [/INST]", "<s> ▁[ INST ] ▁ <image> <0x0A> *INST ▁[ / INST ]"),
        (
            "USER: <image>\n",
            "ASSISTANT",
            " ASSISTANT:",
            "<s> ▁US ER : ▁ <image> <0x0A> *ASS *IST *ANT ▁ASS IST ANT :",
        ),
        ("###Human: ", "dog", "###Assistant: ", "<s> ▁### H uman : *▁dog ### Ass istant : ▁"),
        ("A\n", "Was ist é日本", "x", "<s> ▁A <0x0A> *Was *▁ist *▁é *日 *本 x"),
        ("", "dog", "", "<s> *▁dog"),
        ("say", "", " dog", "<s> ▁say ▁dog"),
    ],
)
def test_places_with_a_published_tokenizer(pieces, before, text, after, expected):
    """Tokens of the instruction have a star."""
    ids, inside = prompts.tokens(pieces, before, text, after)
    words = pieces.convert_ids_to_tokens(ids)
    assert " ".join("*" * own + word for word, own in zip(words, inside)) == expected


def test_a_checkpoint_with_the_pieces_alone_is_read_from_its_beginning_on(tmp_path, monkeypatch):
    """A Vicuna as published, with nothing but tokenizer.model for its words."""
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    torch.manual_seed(0)
    net = LlamaForCausalLM(LlamaConfig(**shape, vocab_size=32_000, max_position_embeddings=200))
    liven(net, 8).save_pretrained(tmp_path / "vicuna-7b")
    published(tmp_path / "vicuna-7b")
    monkeypatch.setenv("BRAINALIGN_MODELS", str(tmp_path))
    ids, _, inside = models.load("vicuna-7b", device="cpu", dtype="float32")._prompt("a dog", 5)
    assert (int(ids[0, 0]), ids[0][inside[0]].tolist()) == (1, [264, 3914])
    report = verify.verify("vicuna-7b", [np.zeros((9, 9, 3), np.uint8)], "cpu", "float32", ("a dog",))
    assert report["equal"] is True, verify.as_text(report)
