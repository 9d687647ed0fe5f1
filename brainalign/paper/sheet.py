"""A page measured in millimetres from its top left corner, and the files it becomes.

Text stays text: TrueType fonts are embedded in a PDF, and an SVG names its font. Matplotlib's `Figure` is used
without pyplot, whose state all threads of a server would share.
"""

import re
import warnings
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, cached_property

from brainalign.paper.fonts import SHIPPED

MM = 1 / 25.4  # inches
SIZE = 7  # points, of the text of all figures
FONTS = ContextVar("fonts", default=(SHIPPED,))  # of the figure that is being drawn, see paper.fonts
ALONE = r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]"  # written without spaces: a line may end between any two
PIECE = re.compile(rf"{ALONE}[\u3001\u3002\uff01-\uff0f\uff1a-\uff1f]*|(?:(?!{ALONE})[^ ])+| +")  # of a line
INK, MUTED = "#1f2933", "#6b747d"
FORMATS = ("pdf", "svg", "png")
BADGE, BADGE_HEIGHT = "#b45309", 5.0  # dark orange, and mm at the top of a page


@cache
def _settings():
    """What matplotlib takes from its global settings; constants, so that threads cannot disagree."""
    import matplotlib

    warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font")  # fonts.note says it, once
    matplotlib.rcParams.update(
        {"pdf.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "brainalign", "font.family": SHIPPED}
        | {
            "font.sans-serif": [SHIPPED],
            "font.size": SIZE,
            "axes.linewidth": 0.5,
            "axes.edgecolor": INK,
            "text.color": INK,
        }
        | {"axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK, "axes.unicode_minus": True}
        | {f"{axis}tick.major.{key}": value for axis in "xy" for key, value in (("width", 0.5), ("size", 2))}
    )


@contextmanager
def drawn_with(fonts):
    """Text is measured and drawn with these fonts in this block, on this thread alone."""
    token = FONTS.set(tuple(fonts))
    try:
        yield
    finally:
        FONTS.reset(token)


class Sheet:
    """A page of width x height mm; `dpi` is that of the rasters in it, and of a PNG."""

    def __init__(self, width, height, dpi=300):
        from matplotlib.figure import Figure

        _settings()
        self.width, self.height, self.dpi = width, height, dpi
        self.figure = Figure(figsize=(width * MM, height * MM), dpi=dpi)

    @cached_property
    def page(self):
        """Axes over the whole page whose coordinates are mm, y downwards."""
        axes = self.figure.add_axes((0, 0, 1, 1), xlim=(0, self.width), ylim=(self.height, 0), zorder=2)
        axes.axis("off")
        return axes

    def axes(self, x, y, width, height):
        """Axes of their own data coordinates, their upper left corner at (x, y)."""
        place = (x / self.width, 1 - (y + height) / self.height, width / self.width, height / self.height)
        axes = self.figure.add_axes(place)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(pad=1.5, labelfontfamily=_families())
        return axes

    def text(self, x, y, text, **options):
        """Text at (x, y), centred on its line's middle unless `va` says otherwise; a $ is one."""
        usual = {"va": "center", "fontsize": SIZE, "linespacing": 1.2, "family": _families(), "parse_math": False}
        return self.page.text(x, y, text, **usual | options)

    def texts(self):
        """All that is written on the page."""
        from matplotlib.text import Text

        return [text.get_text() for text in self.figure.findobj(Text)]

    def dress(self):
        """Give all text of the page its fonts, the names of axes too."""
        from matplotlib.text import Text

        for text in self.figure.findobj(Text):
            text.set_fontfamily(_families())

    def lines(self, lines, colour=INK, width=0.5, **options):
        """Straight lines, each a list of points."""
        from matplotlib.collections import LineCollection

        self.page.add_artist(LineCollection(lines, colors=colour, linewidths=width, **options))

    def path(self, path, fill="none", line="none", width=0.0, **options):
        """A matplotlib Path in mm."""
        from matplotlib.patches import PathPatch

        patch = PathPatch(path, fc=fill, ec=line, lw=width, joinstyle="round", capstyle="round", **options)
        self.page.add_artist(patch)  # add_patch would measure every curve of it

    def box(self, x, y, width, height, colour, line="none"):
        """A filled rectangle."""
        from matplotlib.patches import Rectangle

        self.page.add_artist(Rectangle((x, y), width, height, fc=colour, ec=line, lw=0.4))

    def badge(self):
        """SIMULATED DATA, at the top right."""
        width = text_width("SIMULATED DATA") + 3
        style = {"boxstyle": "round,pad=0.3,rounding_size=0.4", "fc": "#fff4e5", "ec": BADGE, "lw": 0.6}
        at = self.width - 0.6 - width / 2
        self.text(at, BADGE_HEIGHT / 2, "SIMULATED DATA", ha="center", color=BADGE, bbox=style)

    def save(self, file, format, about=None):
        """Write the page as "pdf", "svg" or "png"; about : title, description, link and keywords for its metadata."""
        if format not in FORMATS:
            raise ValueError(f"a figure cannot be written as {format!r}; take {', '.join(FORMATS)}")
        if format == "png":  # whole pixels
            self.figure.set_size_inches(*(round(mm * MM * self.dpi) / self.dpi for mm in (self.width, self.height)))
        self.figure.savefig(
            file, format=format, dpi=self.dpi, metadata=_metadata(format, about or {}), facecolor="white"
        )


def _metadata(format, about):
    """title, description, link and keywords as each format names them."""
    about = {"title": "", "description": "", "link": "", "keywords": ""} | about
    if format == "pdf":
        named = {"Title": about["title"], "Subject": about["description"], "CreationDate": None}
        return named | {
            "Keywords": "; ".join(filter(None, (about["keywords"], about["link"]))),
            "Creator": "BrainAlign",
        }
    if format == "svg":
        named = {"Title": about["title"], "Description": about["description"], "Source": about["link"], "Date": None}
        return named | {"Keywords": [about["keywords"]], "Creator": ["BrainAlign"]}
    return {"Title": about["title"], "Description": about["description"], "Source": about["link"]} | {
        "Keywords": about["keywords"],
        "Software": "BrainAlign",
    }


def text_width(text, size=SIZE):
    """Width in mm of the longest line of a text."""
    return _text_width(text, size, FONTS.get())


@cache
def _text_width(text, size, fonts):
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    _settings()
    measure, font = TextToPath().get_text_width_height_descent, FontProperties(family=list(fonts), size=size)
    return max(measure(line, font, False)[0] for line in text.split("\n")) / 72 / MM


def text_path(text, size):
    """The outline of a text, in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    return TextPath((0, 0), text, size=size, prop=FontProperties(family=list(FONTS.get())))


def wrapped(text, width, size=SIZE):
    """A text in lines no wider than `width` mm (a longer word stays whole)."""
    lines = [""]
    for piece in PIECE.findall(text):
        longer = lines[-1] + piece
        if lines[-1] and not piece.isspace() and text_width(longer, size) > width:
            lines.append(piece)
        else:
            lines[-1] = longer
    return "\n".join(line.strip() for line in lines)


def _families():
    """As an SVG names them: at last whatever font without serifs whoever opens it has."""
    return [*FONTS.get(), "sans-serif"]


def line_height(size=SIZE):
    """mm from line to line."""
    return size * 1.25 / 72 / MM
