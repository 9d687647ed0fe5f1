"""Special tokens of a checkpoint: its tokenizer, generation settings and configuration need not agree on them.

An answer ends at any token that one of them calls an end: whichever the model was trained to write, it stops there.
(InstructBLIP's published settings say 1, its tokenizer 2, and it writes 2; one of Qwen's two ends is its padding.)
Only what the files themselves say counts, not what a class of transformers takes for granted: that is an ordinary word
in another vocabulary. An id beyond the vocabulary is no token.
"""

from transformers import GenerationConfig, LlamaTokenizer, PreTrainedConfig
from transformers.models.auto.tokenization_auto import get_tokenizer_config
from transformers.utils import cached_file

NAMES = ("eos_token_id", "bos_token_id", "pad_token_id", "decoder_start_token_id")
PICTURE = ("image_token_id", "image_token_index")  # its name in a configuration, today and before
NOWHERE = -1  # stands for a picture's token where the vocabulary has no word for it


class Special:
    """What the files of a checkpoint say of its special tokens.

    source : folder or hub id; config : as it was loaded
    """

    def __init__(self, source, tokenizer, config):
        text = config.get_text_config()
        known = PreTrainedConfig.get_config_dict(source)[0]
        self.size = max(len(tokenizer), text.vocab_size + getattr(text, "additional_vocab_size", 0))
        self.tokenizer, self.assumed = tokenizer, text
        self.sources = [
            {name: getattr(tokenizer, name, None) for name in NAMES},
            _generation(source),
            known.get("text_config") or {},
            known,
        ]

    @property
    def ends(self):
        """Ids that end an answer, ascending: those of all sources together."""
        told = {token for source in self.sources for token in self._ids(source.get("eos_token_id"))}
        return sorted(told or self._ids(getattr(self.assumed, "eos_token_id", None)))

    def first(self, name):
        """The id of the first source that has one; None if none has."""
        told = (token for source in self.sources for token in self._ids(source.get(name)))
        return next(told, None)

    def greedy(self, **more):
        """Settings to generate with, of which nothing but the special tokens is the checkpoint's."""
        pad = self.first("pad_token_id") or 0
        return GenerationConfig(do_sample=False, eos_token_id=self.ends or None, pad_token_id=pad, **more)

    def picture(self, mark):
        """The id of a picture's tokens: of the configuration's file, or of the mark in the tokenizer, or NOWHERE."""
        told = *(self.sources[-1].get(name) for name in PICTURE), token_id(self.tokenizer, mark), NOWHERE
        return next(token for token in told if token is not None)

    def _ids(self, told):
        told = told if isinstance(told, list | tuple) else [told]
        return [token for token in told if isinstance(token, int) and 0 <= token < self.size]


def _generation(source):
    try:
        return GenerationConfig.from_pretrained(source).to_dict()
    except OSError:  # many checkpoints have no such file
        return {}


def with_bos(tokenizer, source):
    """The tokenizer, which puts a LLaMA's mark of the beginning first where no setting says whether it should.

    So it was before transformers 5, for which such older checkpoints were made. A tokenizer.json says it itself.
    """
    quiet = {"_raise_exceptions_for_missing_entries": False, "_raise_exceptions_for_connection_errors": False}
    whole = cached_file(source, "tokenizer.json", **quiet)
    if isinstance(tokenizer, LlamaTokenizer) and not whole and "add_bos_token" not in get_tokenizer_config(source):
        tokenizer.add_bos_token = True
    return tokenizer


def token_id(tokenizer, token):
    """The id of a token, None if the tokenizer has no such token of its own."""
    return tokenizer.get_vocab().get(token)
