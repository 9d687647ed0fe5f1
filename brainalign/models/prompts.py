"""How an instruction is put into the text that a model reads, so that its place is known and never searched for."""

PLACE = "\ue000"  # of a private use area: stands for the instruction while a chat template is rendered


def of_template(template):
    """(before, after) of a template with one {text}."""
    before, after = template.split("{text}")
    return before, after


def of_chat(render, text):
    """(before, after) of a chat template. render(text) -> the whole prompt, in which the text may be anything.

    An empty instruction may change what is around it, so that all of it counts as before.
    """
    if not text:
        return render(""), ""
    from jinja2 import TemplateError

    try:
        around, whole = render(PLACE).split(PLACE), render(text)
    except (TemplateError, TypeError) as error:
        raise ValueError(f"the chat template cannot be used ({error}); take the publisher's own") from error
    if len(around) != 2 or text.join(around) != whole:
        raise ValueError(
            f"the chat template does not write the instruction {text!r} once and unchanged; "
            "take the publisher's own chat template, or other words"
        )
    return tuple(around)


def tokens(tokenizer, before, text, after, **special):
    """Token ids of a prompt, and which of them are the instruction's own: two lists of as many entries.

    special : by default the tokenizer adds its marks unless the prompt begins with that of the beginning
    """
    bos, whole = tokenizer.bos_token, before + text + after
    special = special or {"add_special_tokens": not (bos and whole.startswith(bos))}
    read = tokenizer(whole, return_offsets_mapping=True, **special)
    start, end = len(before), len(before) + len(text)
    return read["input_ids"], [max(a, start) < min(b, end) for a, b in read["offset_mapping"]]


class Prompted:
    """An adapter that puts an instruction into a prompt: the checkpoint's chat template, or one of its own.

    template : the prompt around {text}, for checkpoints without a chat template
    """

    template = None

    def sent(self, text):
        text = self._plain(text)
        return text.join(self._around(text))

    def _plain(self, text):
        return text.strip()

    def _around(self, text):
        """What is before and after the instruction in the prompt."""
        return of_chat(self._rendered, text) if self._chats else of_template(self.template)

    @property
    def _chats(self):
        """Whether the checkpoint has a chat template, and the family is asked by it: _chats = False if not."""
        return bool(self.tokenizer.chat_template)

    def _rendered(self, text):
        """The chat template around an instruction."""
        raise NotImplementedError

    def _fits(self, text, n_tokens, read, max_new_tokens, longest):
        """Refuse an instruction of which nothing is read, or a prompt that leaves no room for the answer."""
        if not read:
            raise ValueError(f"{self.model.name} reads nothing of the instruction {text!r}; try other words")
        if n_tokens + max_new_tokens > longest:
            raise ValueError(
                f"{n_tokens} tokens of the prompt and {max_new_tokens} of the answer are more than "
                f"{self.model.name} can hold ({longest}); shorten the instruction"
            )
