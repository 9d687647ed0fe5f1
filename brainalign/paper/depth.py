"""What goes with layers on paper: the layer that each area chooses, and what the states depend on."""

from brainalign.figures.profiles import SHARES
from brainalign.paper import bars, legend
from brainalign.paper.page import Plot

PANEL, BELOW = 36.0, 8.0  # mm: height of the bars, the axis below


def chosen(frame, colour, order, about, choices=None, query=""):
    """A `Plot` of the layers that regions choose: as `figures.chosen_layers`, with the same arguments."""
    order = [roi for roi in order if roi in set(frame.roi)]

    def draw(sheet, x, y, width):
        from matplotlib.colors import to_rgba

        axes = sheet.axes(x + bars.LEFT, y + 2, width - bars.LEFT - 1, PANEL)
        means = frame.groupby("roi").layer.mean().reindex(order)
        axes.bar(range(len(order)), means, 0.7, color=to_rgba(colour, 0.55), linewidth=0)
        bars.points(axes, frame.assign(value=frame.layer), {roi: k for k, roi in enumerate(order)}, 0, 0.73, 2.4)
        axes.set(xlim=(-0.5, len(order) - 0.5), ylim=(0, None), ylabel="layer")
        bars.name_regions(axes, order, width)

    def height(width):
        return 2 + PANEL + bars.regions_height(order, width)

    kept = frame[["subject", "model", "instruction", "pooling", "roi", "n", "n_all", "layer"]]
    return Plot("chosen", draw, height, kept, about, choices or {}, query)


def shares(frame, about, choices=None, query=""):
    """A `Plot` of shares of the variance of states by layer, stacked to 1: as `figures.shares`."""
    frame = frame.sort_values("layer")
    entries = {name: legend.square(colour) for name, colour in SHARES.values()}

    def draw(sheet, x, y, width):
        y += legend.draw(sheet, entries, x, y, width) + 1
        axes, base = sheet.axes(x + bars.LEFT, y, min(width - bars.LEFT - 1, 8.0 * len(frame) + 20), PANEL), 0
        for column, (_, colour) in SHARES.items():
            axes.bar(frame.layer, frame[column], 0.75, bottom=base, color=colour, linewidth=0)
            base = base + frame[column].to_numpy()
        axes.set(ylim=(0, 1), xlabel="layer (0: embeddings)")
        axes.set_ylabel("share of variance, %", labelpad=2)
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1], [0, 25, 50, 75, 100])
        axes.xaxis.get_major_locator().set_params(integer=True)

    def height(width):
        return legend.height(list(entries), width) + 1 + PANEL + BELOW

    return Plot("shares", draw, height, frame, about, choices or {}, query)
