"""What is asked of a store, in the words of the pages' links; a name it lacks is an error that suggests one."""

from dataclasses import dataclass, field
from difflib import get_close_matches


@dataclass
class Wish:
    """Choices asked for (key -> text) of a store; `made` collects what was chosen."""

    store: object
    asked: dict
    made: dict = field(default_factory=dict)

    @property
    def known(self):
        """The store's `Catalogue`."""
        return self.store.catalogue

    def one(self, key, options, default=None, what=None):
        """The option asked for; else the default, else the first."""
        text, options = self.asked.get(key), list(options)
        if not options:
            raise ValueError(f"the store has no {what or key} for this choice; see what it has on the overview page")
        chosen = (
            match(what or key, text, options) if text is not None else default if default in options else options[0]
        )
        self.made[key] = str(chosen)
        return chosen

    def several(self, key, options, default, what=None):
        """The options asked for, separated by commas, in the options' order."""
        text, options = self.asked.get(key), list(options)
        parts = [part.strip() for part in text.split(",")] if text is not None else None
        wanted = default if parts is None else [match(what or key, part, options) for part in parts]
        self.made[key] = ",".join(map(str, wanted))
        return [option for option in options if option in wanted]

    def listed(self, key, sets, options):
        """The name of a set; or a list of options, separated by commas."""
        text = self.asked.get(key)
        if text is None or text in sets:
            return self.one(key, sets)
        if "," not in text and text not in options:
            match(key, text, [*sets, *options])
        return self.several(key, options, [])

    def number(self, key, default):
        """A number, or the default."""
        text = self.asked.get(key, default)
        try:
            value = float(text)
        except ValueError:
            raise ValueError(f"{key} is {text!r}; expected a number such as {default}") from None
        if not 0 <= value <= 100:
            raise ValueError(f"{key} is {text}; expected percent, from 0 to 100")
        self.made[key] = f"{value:g}"
        return value

    def end(self, key, default):
        """A number of any size, or the default."""
        text = self.asked.get(key)
        if text is None:
            return default
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not abs(value) < float("inf"):
            raise ValueError(f"{key} is {text!r}; expected a number such as 0.5")
        self.made[key] = f"{value:g}"
        return value


def match(what, text, options):
    """The option that a text names; as `tables` name it, in any case."""
    texts = {str(option): option for option in options}
    folded = {name.casefold(): option for name, option in texts.items()}
    if text in texts or str(text).casefold() in folded:
        return texts.get(text, folded.get(str(text).casefold()))
    near = get_close_matches(str(text).casefold(), folded, n=1, cutoff=0.5)
    guess = f"did you mean {folded[near[0]]}? There are" if near else "there are"
    raise ValueError(f"no {what} {text!r}; {guess} {', '.join(name or 'none' for name in texts)}")
