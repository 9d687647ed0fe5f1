"""A page measured in millimetres from its top left corner, and the files it becomes.

Text stays text: TrueType fonts are embedded in a PDF, and an SVG names its font. Matplotlib's `Figure` is used
without pyplot, whose state all threads of a server would share.
"""

from functools import cache, cached_property

MM = 1 / 25.4  # inches
FONT, SIZE = "DejaVu Sans", 7  # the text of all figures, in points; the font comes with matplotlib
INK, MUTED = "#1f2933", "#6b747d"
FORMATS = ("pdf", "svg", "png")
BADGE, BADGE_HEIGHT = "#b45309", 5.0  # dark orange, and mm at the top of a page


@cache
def _settings():
    """What matplotlib takes from its global settings; constants, so that threads cannot disagree."""
    import matplotlib

    matplotlib.rcParams.update(
        {"pdf.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "brainalign", "font.family": FONT}
        | {"font.size": SIZE, "axes.linewidth": 0.5, "axes.edgecolor": INK, "text.color": INK}
        | {"axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK, "axes.unicode_minus": True}
        | {f"{axis}tick.major.{key}": value for axis in "xy" for key, value in (("width", 0.5), ("size", 2))}
    )


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
        axes.tick_params(pad=1.5)
        return axes

    def text(self, x, y, text, **options):
        """Text at (x, y), centred on its line's middle unless `va` says otherwise."""
        return self.page.text(x, y, text, **{"va": "center", "fontsize": SIZE, "linespacing": 1.2} | options)

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


@cache
def text_width(text, size=SIZE):
    """Width in mm of the longest line of a text."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    _settings()
    measure, font = TextToPath().get_text_width_height_descent, FontProperties(family=FONT, size=size)
    return max(measure(line, font, False)[0] for line in text.split("\n")) / 72 / MM


def wrapped(text, width, size=SIZE):
    """A text in lines no wider than `width` mm (a longer word stays whole)."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, size) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return "\n".join(lines)


def line_height(size=SIZE):
    """mm from line to line."""
    return size * 1.25 / 72 / MM
