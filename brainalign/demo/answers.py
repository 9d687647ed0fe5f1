"""The true answers to the ten instructions, in English that the scene alone decides."""

from brainalign.demo.sprites import NUMBERS, sprites


def _list(counts):
    """ "two dogs, a cyclist and a tent" """
    parts = [sprites()[name].count(n) for name, n in counts.items()]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _there(counts):
    """ "There is a dog" or "There are two dogs": the verb goes with the first thing named."""
    return f"{'is' if next(iter(counts.values())) == 1 else 'are'} {_list(counts)}"


def _capital(text):
    return text[0].upper() + text[1:]


def _nearest(objects):
    return max(objects, key=lambda o: o.y)


def _people(scene):
    found = scene.counts("people")
    return f"Yes, there {_there(found)}." if found else "No, there are no people."


def _foreground(scene):
    nearest = sprites()[_nearest(scene.objects).name].count(1)
    return f"{_capital(nearest)} is in the foreground and {_background(scene)} is in the background."


def _background(scene):
    noun = scene.place.noun
    article = "the " if noun in ("snow", "ocean") else "an " if noun[0] in "aeiou" else "a "
    return article + noun


def _interaction(scene):
    living = [o for o in scene.objects if o.category in ("people", "animal")]
    lifeless = [o for o in scene.objects if o.category not in ("people", "animal")]
    if not living or not lifeless:
        return "There is no interaction."
    a, b = _nearest(living), _nearest(lifeless)
    return f"The {a.name} is to the {'left' if a.x < b.x else 'right'} of the {b.name}."


def _food(scene):
    found = scene.counts("food")
    return f"There {_there(found)}." if found else "There are no food items."


def _animals(scene):
    n = sum(scene.counts("animal").values())
    return f"There {'is' if n == 1 else 'are'} {NUMBERS[n]} animal{'' if n == 1 else 's'}."


def _natural(scene):
    if not scene.place.natural:
        return "There is no natural outdoor scene."
    return f"{_capital(_background(scene))} in the background is a natural outdoor scene."


ANSWERS = {
    "IC": lambda s: f"There {_there(s.counts())} {s.place.place}.",
    "VQ1": lambda s: f"The image shows {_list(s.counts())}.",
    "VQ2": _people,
    "VQ3": _foreground,
    "VR": _interaction,
    "CR": lambda s: f"It is an {'outdoor' if s.place.outdoor else 'indoor'} environment {s.place.place}.",
    "IU1": lambda s: f"The most dominant color is {s.place.colour}.",
    "IU2": _food,
    "IU3": _animals,
    "SR": _natural,
}


def answers(scene):
    """The true answer to each of the ten instructions."""
    return {key: answer(scene) for key, answer in ANSWERS.items()}
