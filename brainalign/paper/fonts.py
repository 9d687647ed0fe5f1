"""Fonts of exports: the one asked for, others for the letters that it lacks, and what is said where none has them.

Matplotlib puts Arabic, Hebrew and other joined or right-to-left scripts in their right shapes and order by itself.
"""

import re
from difflib import get_close_matches
from functools import cache
from unicodedata import category, name

SHIPPED = "DejaVu Sans"  # comes with matplotlib: Latin, Greek, Cyrillic, Arabic, Hebrew and more
USUAL = ("Helvetica", "Arial")  # what journals ask for, where installed
UNUSABLE = re.compile(r"cm\w+\d|Last Resort|STIX(Size|Non)|.*(Emoji|Symbol|Dingbats)")  # other codes, boxes, colours
SCRIPTS = {  # how the Unicode names of a script's letters begin: its name, and fonts to look for first
    "HIRAGANA": ("Japanese", ("Noto Sans CJK JP", "Hiragino Sans", "Yu Gothic", "MS Gothic")),
    "KATAKANA": ("Japanese", ("Noto Sans CJK JP", "Hiragino Sans", "Yu Gothic", "MS Gothic")),
    "HANGUL": ("Korean", ("Noto Sans CJK KR", "Apple SD Gothic Neo", "Malgun Gothic")),
    "CJK": ("Chinese", ("Noto Sans CJK SC", "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "SimHei")),
}
SCRIPTS |= dict.fromkeys(("IDEOGRAPHIC", "FULLWIDTH", "BOPOMOFO"), SCRIPTS["CJK"])
EAST_ASIAN = {"Japanese", "Korean", "Chinese"}


def chain(font=""):
    """Names of the fonts that text is drawn with, the first that has a letter draws it.

    font : the first of them; where it is "", the first of USUAL that is installed. One that is not is a ValueError.
    """
    known = installed()
    if not font:
        found = next((usual for usual in USUAL if usual in known), SHIPPED)
    else:
        folded = {one.casefold(): one for one in known}
        found = folded.get(font.strip().casefold())
    if found is None:
        near = get_close_matches(font.casefold(), folded, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(folded[one] for one in near)}? " if near else ""
        usual = f"{' or '.join(USUAL)} where installed, else {SHIPPED}"
        raise ValueError(f"no font {font!r} on this machine; {hint}install it, or leave it out for {usual}")
    return tuple(dict.fromkeys((found, SHIPPED)))


def completed(texts, fonts):
    """(fonts, letters): the fonts with those added that have what is missing in texts; and what no font here has."""
    missing = {letter for letter in "".join(texts) if category(letter)[0] in "LMNPS"} - _letters_of(fonts)
    if not missing:
        return tuple(fonts), set()
    _look_again()
    first = [one for script in SCRIPTS if _has(missing, script) for one in SCRIPTS[script][1] if one in installed()]
    for font in (*first, *sorted(installed(), key=lambda one: not one.startswith("Noto Sans"))):
        if missing and missing & letters(font):
            fonts, missing = (*fonts, font), missing - letters(font)
    return tuple(fonts), missing


def note(missing):
    """What to say of letters that no font here has; "" if there are none."""
    found = {}
    for letter in sorted(missing):
        start = name(letter, "UNNAMED").split()[0].split("-")[0]
        script, fonts = SCRIPTS.get(start, (start.capitalize(), (f"Noto Sans {start.capitalize()}",)))
        found[script] = fonts[0]
    if not found:
        return ""
    packages = sorted({"fonts-noto-cjk" if script in EAST_ASIAN else "fonts-noto-core" for script in found})
    scripts, fonts = " and ".join(found), " and ".join(dict.fromkeys(found.values()))
    return (
        f"No font on this machine has the {scripts} letters of this figure, which are boxes here: install {fonts} (on "
        f"Debian and Ubuntu the package {' and '.join(packages)}), or take the SVG, whose text is drawn with the "
        "fonts of whoever opens it."
    )


def installed():
    """Names of the fonts of this machine that can draw text."""
    from matplotlib import font_manager

    return sorted({font.name for font in font_manager.fontManager.ttflist if not UNUSABLE.match(font.name)})


@cache
def letters(font):
    """The letters that a font has."""
    from matplotlib import font_manager

    path = font_manager.findfont(font_manager.FontProperties(family=font), fallback_to_default=False)
    return frozenset(map(chr, font_manager.get_font(path).get_charmap()))


def _letters_of(fonts):
    return frozenset().union(*map(letters, fonts))


def _has(missing, script):
    return any(name(letter, "").startswith(script) for letter in missing)


def _look_again():
    """Take in fonts that were installed since matplotlib last looked: it keeps its list over all runs."""
    from matplotlib import font_manager

    manager = font_manager.fontManager
    known = {font.fname for font in manager.ttflist}
    for path in font_manager.findSystemFonts():
        if path not in known:
            try:
                manager.addfont(path)
            except (OSError, RuntimeError, ValueError):  # a file that is no font that can be drawn
                continue
