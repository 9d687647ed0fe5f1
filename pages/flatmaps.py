"""Where in cortex a model's representation predicts the response: every map on the flattened surface."""

import time

import streamlit as st

from brainalign import export_ui, paper, serving, ui, unmet
from brainalign.atlas import choices, memory, place, region
from brainalign.atlas.stock import flat_units_of, read_ahead, stock_of, subject_of, surface_of
from brainalign.figures import flatmap
from brainalign.figures.flatmap import pictures
from brainalign.paper import asked as asking

ROWS = ([1, 1.5, 1.4, 2.5, 2], [2.5, 1.7, 1.4, 1.9, 1.25, 1.2])  # of controls, their widths
PAINTING = 0.05  # seconds in which the browser paints a new map, before it hears of the rest
HINT = (
    "Point for values, click for one place in full. Once clicked, the wheel or + and − zoom, "
    "dragging moves, arrow keys point and Enter picks. Draw encloses a region."
)


def outlined(known, rois, container):
    """(names of the ROIs to outline, width of the lines), as the reader chooses."""
    inside = container.popover("Outlines", icon=":material/polyline:", width="stretch")
    linked = st.query_params.get("outlines", "")
    sets = asking.OUTLINES | ({linked: linked} if set(linked.split(",")) <= set(rois) else {})
    which = ui.segments("Outlines", list(sets), "outlines", sets.get, container=inside)
    families = known.families(rois)
    if which == "chosen":
        families = ui.several("Families of regions", families, "families", default=families[:1], container=inside)
    width = ui.segments("Lines", list(asking.LINES), "lines", default="medium", container=inside)
    return asking.outlined(known, rois, which, families), asking.LINES[width]


def sentence(store, stock, shown, view):
    """What is seen and how it was computed; shown : subject -> paper.Map."""
    first = next(iter(shown.values()))
    layer = first.picture.name(first.picture.layers[first.picture.row(first.layer)])
    counts = []
    for subject, one in shown.items():
        about = stock["subjects"][subject]
        counts.append(
            f"{subject}, {about['test_images']} test images shown {about['repeats_mean']:.1f} times on average: "
            f"{one.shown.sum():,} of {one.shown.size:,} units ({100 * one.shown.mean():.0f} %)"
        )
    said = [f"{first.picture.about}{', ' if layer else ''}{layer}. {'; '.join(counts)} coloured:"]
    said.append(f"those with a value and a noise ceiling of at least {view['threshold']} %.")
    if shown and first.picture.classes and any(name == "tie" for name, _ in first.picture.classes):
        said.append(f"Ties: the next best is no more than {view.get('margin', pictures.MARGIN):g} behind.")
    said.append(paper.map_words.parted_at(store, list(shown.values())))
    return " ".join(filter(None, said))


def on_screen(store, asked, found, drawn, width, view):
    """subject -> paper.Map of what is shown."""
    (geometry, _), maps, titles = surface_of(store.path, store), {}, len(found) > 1
    for subject, picture in found.items():
        _, rois, nc, *_ = subject_of(store.path, store, subject)
        kept = {roi: rois[roi] for roi in drawn if roi in rois}
        maps[subject] = paper.Map(
            geometry, flat_units_of(store.path, store, subject), nc, kept, picture, view.get("layer", flatmap.CHOSEN),
            view["threshold"], subject, subject if titles else "", view.get("margin", pictures.MARGIN), width, asked,
        )  # fmt: skip
    return maps


def below_the_map(store, stock, asked, shown, view, left):
    """Statistics of a region, and one place."""
    subjects = list(shown)
    first = subject_of(store.path, store, subjects[0])
    name = region.choose(first[1], view, left)
    if name != "none":
        statistics(store, stock, asked, shown, view, name)
    whose = view.get("whose", subjects[0])
    units, rois, *_ = subject_of(store.path, store, whose)
    unit = view.get("unit")
    if unit is None or not unit < len(units):
        st.caption("Click the map for one place under every model, instruction and layer.")
        return
    place.details(store, stock, whose, units, rois, unit, asked)


def statistics(store, stock, asked, shown, view, name):
    rows = []
    for subject, one in shown.items():
        _, rois, nc, *_ = subject_of(store.path, store, subject)
        inside = region.vertices(name, one.geometry, rois, one.flat_units, view, len(nc))
        members = region.regions.units_in(inside, one.flat_units, len(nc))
        if one.picture.classes:
            found = region.shares(name, one.picture, one.values, one.shown, rois, members)
            rows.append({"subject": subject} | found)
            continue
        quantity = "" if asked.minus else asked.quantity
        found = region.row(name, quantity, one.values, one.shown, nc, rois, members, stock["least"])
        layer = one.picture.layers[one.picture.row(one.layer)]
        rows.append({"subject": subject} | found | region.with_interval(store, name, subject, asked, layer))
    region.table(rows)
    if not one.picture.classes:
        st.caption(region.explained(name, asked, layer, rows))
    region.download(name, inside)


@st.fragment(key="flatmap view")
def view(store, stock):
    """The controls, the flatmap and what is said about it: one piece, so that a new map redraws nothing else.

    The map goes to the browser first and has it alone for a moment: the controls take longer to draw than the map.
    Returns (subjects, Asked) of what is shown.
    """
    serving.spare_the_collector()
    again, rows = "flatmap shows" in st.session_state, [[ui.Later() for _ in widths] for widths in ROWS]
    subjects = choices.subjects(list(stock["maps"]), rows[0][0])
    asked = choices.choose(stock, subjects, rows[0][1:], rows[1])
    drawn, width = outlined(store.catalogue, subject_of(store.path, store, subjects[0])[1], rows[1][-2])
    found, lacking = {}, ""
    try:
        found = choices.pictures(store, stock, subjects, asked, choices.kept_limits(asked))
    except ValueError as problem:
        lacking = str(problem)
    message, now = composed(store, stock, found, drawn, width) if found else (None, None)
    top = st.container()  # not sooner: each message that comes by itself makes the browser draw the page anew
    if found:
        paint(message, found)
        memory.remember(now)
    else:
        st.info(lacking, icon=":material/info:")
    choices.colours(found, rows[1][-1])
    for widths, row in zip(ROWS, rows):
        for later, column in zip(row, top.columns(widths, vertical_alignment="bottom")):
            later.draw(column)
    unmet.tell(top)
    if found:
        relied = choices.reliability(store, subjects, asked)
        if relied is not None and (doubt := choices.doubt(relied)):
            top.badge(doubt, icon=":material/warning:", color="orange")
        say(store, stock, asked, on_screen(store, asked, found, drawn, width, now), now, relied)
    if found and again:
        read_ahead(store, stock, subjects, asked)
    return subjects, asked


def composed(store, stock, found, drawn, width):
    """(message, what is shown of it): the map of some subjects, and its layer, the threshold, the unit picked ...

    found : subject -> Picture
    """
    subjects, picture = list(found), next(iter(found.values()))
    ceilings = [subject_of(store.path, store, subject)[2] for subject in subjects]
    start, now = memory.settle(subjects, picture, stock["least"], ceilings)
    geometry, _ = surface_of(store.path, store)
    message = flatmap.map_part(
        list(found.values()), surface=geometry.hash,
        subjects=[subject_of(store.path, store, subject)[3] for subject in subjects],
        start=start, rois=drawn, width=width, lasso=now.get("lasso", ()),
        titles=subjects if len(subjects) > 1 else [""], solid=flatmap.solid_name(geometry),
    )  # fmt: skip
    return message, now


def paint(message, found):
    """Send a map, and leave the browser alone with it for a moment."""
    flatmap.show(message, "flatmap", moved, clicked, memory.drawn)
    if "flatmap shows" in st.session_state:  # else there is no map yet, and nothing to wait for
        time.sleep(PAINTING)
    st.session_state["flatmap shows"] = list(found), next(iter(found.values())).lead is not None


def say(store, stock, asked, shown, now, relied):
    """What stands below the map, and the parts that the browser keeps.

    relied : what choices.reliability returns
    """
    ui.sentence(sentence(store, stock, shown, now))
    if family := paper.map_words.family(store, list(shown.values())):
        ui.sentence(f"Significance: {family}.")
    if relied is not None:
        ui.sentence(choices.relied(relied))
    if asked.minus and asked.quantity == "r":
        place.tested(store, list(shown), asked)
    ui.hint("flatmap", HINT)
    left, right = st.columns([1, 3], vertical_alignment="bottom")
    with right:
        export_ui.export(lambda made: paper.of_maps(store, list(shown.values()), made), store, "flatmap")
    below_the_map(store, stock, asked, shown, now, left)
    for subject in shown:
        flatmap.keep(subject_of(store.path, store, subject)[4], f"flatmap subject {subject}")
    if "solid" in now and flatmap.solid_name(surface_of(store.path, store)[0]):
        flatmap.keep(flatmap.solid_part(), "flatmap solid")


def moved():
    memory.moved(st.session_state["flatmap shows"][1])


def clicked():
    memory.clicked(st.session_state["flatmap shows"][0])


store = ui.page_store()
stock = stock_of(store.path, store)
ui.header(
    store,
    "Flatmaps",
    "Every map on the flattened cortex: how well a model's states predict each place, which model or instruction "
    "predicts it best, and how well it can be predicted at all.",
)
if not stock["maps"]:
    ui.empty("The store has no maps yet.", "brainalign run STUDY.toml\nbrainalign publish STUDY.toml")
shown = view(store, stock)
flatmap.keep(surface_of(store.path, store)[1], "flatmap surface")
read_ahead(store, stock, *shown)
