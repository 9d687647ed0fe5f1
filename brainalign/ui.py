"""What every page of the app shares: the store it reads, selections that live in the link, and the header.

A selection is kept in three places that must agree: the widget, the address (`st.query_params`, so that every
view has a permalink) and the session (so that a subject chosen on one page is still chosen on the next).
"""

import os
import time
from contextlib import suppress
from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import StopException

from brainalign import files, live, tables, unmet
from brainalign.figures import chart, frames
from brainalign.paper.asked import EVERYONE
from brainalign.paper.partition import MEAN

DEFAULT_STORE = tables.DATA / "store"
CONFIGURATION = "brainalign.toml"
BORROWED = (
    ":material/warning: This store was published by an earlier version and carries no texts of its own: instructions "
    "and regions are named after today's tables, which may have been edited since. Publish the study again."
)
THROUGH_APP = "through app"  # in a session whose pages were reached by app.py
ECHO = 2.0  # seconds until the browser has surely taken over the address that a page wrote


# --- Stores ---


def configured_stores():
    """Store directories (or database files) the app may open, by name.

    From BRAINALIGN_STORE (paths separated as in PATH), else brainalign.toml (`stores = ["path", ...]`), else
    data/store. A link can choose among these by name and no others.
    """
    paths = [part for part in os.environ.get("BRAINALIGN_STORE", "").split(os.pathsep) if part]
    if not paths and Path(CONFIGURATION).is_file():
        paths = _written_stores()
    paths = [files.place(path, "", "the path of a store") for path in paths] or [DEFAULT_STORE]
    names = [path.name for path in paths]
    return {name if names.count(name) == 1 else str(path): path for name, path in zip(names, paths)}


def _written_stores():
    paths = files.toml(files.text(CONFIGURATION), CONFIGURATION).get("stores", [])
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise ValueError(f'{CONFIGURATION}: stores is {paths!r}, expected a list such as ["data/store"]')
    return paths


@st.cache_resource(max_entries=4, show_spinner=False, on_release=lambda opened: opened.close())
def _open(path):
    """One read-only handle for each published database file; old ones are closed when they fall out."""
    import duckdb

    from brainalign.store import Store

    opened = Store(path)
    try:
        opened.info()
    except duckdb.Error:
        opened.close()
        raise ValueError(f"{path} is a database but no store of BrainAlign; publish a study there") from None
    return opened


def _look_for_lacking(opened, name):
    """Note of the link what the store has not, also where the page never reads it; what it reads it notes itself."""
    known = opened.catalogue
    has = {
        "store": lambda: {name},
        "subject": lambda: {*opened.subjects().subject, EVERYONE, MEAN},
        "model": lambda: {*opened.models(), EVERYONE},
        "instruction": lambda: {*known.instructions, "own", ""},
        "roi": lambda: {*known.regions, *frames.GROUPS},
    }
    for key, names in has.items():
        asked = st.query_params.get(key)
        if asked in (None, st.session_state.get(f"link {key}")):
            continue
        if asked not in (there := names()) and not set(asked.split(",")) <= there:
            unmet.note(key, asked, name if key == "store" else None)


def _start_over_through_app():
    """A fresh server that is first asked for /rois takes pages/ for the app itself and does not run app.py.

    Streamlit decides so once, before any script runs, for all visitors who come until a script has run; st.navigation
    corrects it. So correct it, and begin each of their sessions again.
    """
    from streamlit.runtime.pages_manager import PagesManager

    if PagesManager.uses_pages_directory or THROUGH_APP not in st.session_state:
        st.session_state[THROUGH_APP] = True  # so that no page begins again and again
        PagesManager.uses_pages_directory = False
        st.rerun()


def page_store():
    """The store this page reads; where there is none yet, says how to make one and ends the page."""
    from brainalign import store

    _start_over_through_app()
    try:
        stores = configured_stores()
        name = choice("Store", list(stores), "store") if len(stores) > 1 else next(iter(stores))
        opened = _open(store.latest(stores[name]))
        _look_for_lacking(opened, name)
        return opened
    except (OSError, ValueError) as problem:
        st.title("No results yet")
        st.text(files.in_words(problem))
        st.write("A study fills the store. For the demo, which ships with the project, this takes some minutes:")
        st.code("brainalign run data/study-demo.toml\nbrainalign publish data/study-demo.toml", language="bash")
        st.stop()


def run(page):
    """Run a page, then say above it what its link asks for and the page does not show."""
    st.session_state[THROUGH_APP] = True
    arrived(page.url_path)
    place = st.empty()
    with suppress(StopException):  # an early end of the page, not of what there is to say
        page.run()
    unmet.tell(place)


def has(table):
    """Whether the store that pages read has rows in a table; False where there is none."""
    from brainalign import store

    try:
        stores = configured_stores()
        name = st.query_params.get("store") or st.session_state.get("widget store")
        return _has(store.latest(stores.get(name) or next(iter(stores.values()))), table)
    except (OSError, ValueError):
        return False


@st.cache_data(max_entries=16, show_spinner=False)
def _has(path, table):
    return not _open(path).rows(table).empty


def answering_models():
    """Models that answer in words, by name: what keeps each from loading on this machine, "" if nothing."""
    return live.choices()


# --- Header ---


def badge(store):
    """Marks simulated data wherever it shows; nothing for real data."""
    if store.info().get("simulated") == "true":
        st.badge(
            "SIMULATED",
            icon=":material/science:",
            color="orange",
            help="Pictures are drawn scenes and brain responses are computed from them by known rules. "
            "Nobody was scanned: these figures show how the software works and say nothing about brains.",
        )


def sentence(text):
    """One line that says what is seen and how it was computed."""
    st.caption(text)


def header(store, title, text):
    """Title, SIMULATED badge and the sentence of a view; of a store that lacks words of its own it says so."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.title(title, width="content", anchor=False)
        badge(store)
    sentence(text)
    if store.catalogue.borrowed:
        sentence(BORROWED)


def hint(view, text):
    """How to use a view, until the reader says that it is read; then no more in this session."""
    if st.session_state.get(f"{view} hint read"):
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f":material/touch_app: {text}", width="content")
        read = {f"{view} hint read": True}
        st.button("Got it", key=f"{view} hint", type="tertiary", on_click=st.session_state.update, args=[read])


def plot(figure, key, alt):
    """A chart in the page's colours; alt : what a screen reader says."""
    chart.show(figure, key, alt, st.context.theme.type == "dark")


def data(frame, key, label="Data"):
    """The data behind a view, sent once the reader opens it: a browser's code for tables would delay the charts."""
    opened = st.expander(label, key=f"data {key}", on_change="rerun")
    if opened.open:
        alt = f"{label} behind the view: {', '.join(map(str, frame.columns))}"
        opened.dataframe(frame, hide_index=True, alt=alt, placeholder="–")


def empty(what, command):
    """An empty view: what is missing and the command that would fill it; ends the page."""
    st.info(what, icon=":material/info:")
    st.code(command, language="bash")
    st.stop()


@st.cache_data(max_entries=2000, show_spinner=False)
def thumbnail(stimuli, image_id, size=144):
    """A picture as WebP, `size` pixels a side, to look at many."""
    from io import BytesIO

    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(live.picture(stimuli, image_id)).resize((size, size)).save(buffer, "WEBP", quality=82)
    return buffer.getvalue()


# --- Selections that live in the link ---


def _settle(key, default, decode, lost=lambda asked, found: False):
    """Put the value a widget starts from into its session slot and return the slot's name.

    The link wins where it changed since the app last wrote it (opened, shared, back button); then the widget;
    then the value last used on another page. decode : text -> value, None where the text is not acceptable;
    lost(text, value) : whether the value leaves out some of what the link asks for
    """
    slot, written = f"widget {key}", f"link {key}"
    asked = st.query_params.get(key)
    held = st.session_state.get(slot)
    if _just_touched() or asked == st.session_state.get(written):
        asked = None
    found = None if asked is None else decode(asked)
    texts = [None if held is None else _encode(held), st.session_state.get(written)]
    values = (found, *(decode(text) for text in texts if text is not None))
    st.session_state[slot] = next((value for value in values if value is not None), default)
    if asked is None:
        return slot
    if found is None or lost(asked, found):
        unmet.note(key, asked, _encode(st.session_state[slot]))
    else:
        unmet.forget(key)
    return slot


def _just_touched():
    """Whether a widget was moved moments ago: the browser's address may then still be an earlier one of our own.

    Asked before anything else of each selection, so that the first of a run sees what was moved.
    """
    now, held = time.monotonic(), st.session_state
    if now - held.get("touched", -ECHO) < ECHO:
        return True
    moved = any(slot in held and text != _encode(held[slot]) for slot, text in held.get("seen", {}).items())
    if moved:
        held["touched"] = now
    return moved


def arrived(page):
    """Note which page is shown: what was touched on another one has no say in this one's address."""
    if st.session_state.get("page") != page:
        st.session_state.update(page=page, touched=-ECHO)


def _encode(value):
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _remember(key, value, container=None):
    text, slot = _encode(value), f"widget {key}"
    st.session_state[f"link {key}"] = text
    st.session_state.setdefault("seen", {})[slot] = _encode(st.session_state[slot])
    if st.query_params.get(key) != text:
        link = container.link if isinstance(container, Later) else st.query_params
        link[key] = text
    return value


class Later:
    """A container whose widgets are drawn after what depends on them: each gives what it holds at once.

    For the selections of this module alone, whose value is in the session before they are drawn. `link` has what is
    new in the address: writing it makes the browser draw the page anew, so that waits too.
    """

    def __init__(self):
        self._asked, self.link = [], {}

    def _widget(name):
        def widget(self, *args, key, **options):
            self._asked.append((name, args, options | {"key": key}, None))
            return st.session_state.get(key)

        return widget

    selectbox, segmented_control, pills, toggle = map(_widget, ("selectbox", "segmented_control", "pills", "toggle"))

    def popover(self, *args, **options):
        """A popover, whose widgets are drawn later too."""
        inside = Later()
        inside.link = self.link
        self._asked.append(("popover", args, options, inside))
        return inside

    def draw(self, container):
        """Draw what was asked for, in its order."""
        for name, args, options, inside in self._asked:
            made = getattr(container, name)(*args, **options)
            if inside is not None:
                inside.draw(made)
        if self.link:  # each update is a message, also one of nothing
            st.query_params.update(self.link)


def choice(label, options, key, format_func=str, default=None, container=None):
    """A select box whose value lives in the link; returns the chosen option, None where there are none."""
    options = list(options)
    if not options:
        (container or st).selectbox(label, [], disabled=True, key=f"empty {key}")
        return None
    slot = _settle(key, default if default in options else options[0], {str(o): o for o in options}.get)
    return _remember(key, (container or st).selectbox(label, options, key=slot, format_func=format_func), container)


def segments(label, options, key, format_func=str, default=None, container=None):
    """As `choice`, with the few options side by side."""
    options = list(options)
    slot = _settle(key, default if default in options else options[0], {str(o): o for o in options}.get)
    control = (container or st).segmented_control
    return _remember(key, control(label, options, key=slot, format_func=format_func, required=True), container)


def several(label, options, key, format_func=str, default=(), container=None):
    """Any number of options, in the options' own order; lives in the link separated by commas."""
    options = list(options)
    by_text = {str(option): option for option in options}

    def decode(text):
        known = [by_text[part] for part in text.split(",") if part in by_text]
        return known if known or not text else None

    def lost(text, found):
        return bool(text) and len(found) < len(set(text.split(",")))

    slot = _settle(key, [option for option in default if option in options], decode, lost)
    pills = (container or st).pills
    chosen = pills(label, options, key=slot, format_func=format_func, selection_mode="multi")
    return _remember(key, [option for option in options if option in chosen], container)


def switch(label, key, default=False, help=None, container=None):
    """A toggle that lives in the link."""
    slot = _settle(key, default, {"True": True, "False": False}.get)
    return _remember(key, (container or st).toggle(label, key=slot, help=help), container)


def number(label, low, high, key, default=None, step=None, help=None, container=None):
    """A slider that lives in the link."""

    def decode(text):
        try:
            value = type(low)(text)
        except ValueError:
            return None
        return value if low <= value <= high else None

    slot = _settle(key, low if default is None else default, decode)
    slider = (container or st).slider
    return _remember(key, slider(label, min_value=low, max_value=high, step=step, key=slot, help=help), container)


def held(key, default, decode):
    """A value that lives in the link and has no widget of its own; decode : text -> value or None."""
    return _remember(key, st.session_state[_settle(key, default, decode)])


def hold(key, value):
    """Set a value that `held` or a widget of this key gives from the next run on."""
    st.session_state[f"widget {key}"] = value


def text(label, key, placeholder="", longest=300, container=None):
    """A line of text that lives in the link; of one that is too long it says so, and gives "".

    The field itself has no limit: what is pasted beyond one would be dropped without a word.
    """
    slot = _settle(key, "", str)
    typed = (container or st).text_input(label, key=slot, placeholder=placeholder)
    if len(typed) > longest:
        (container or st).error(f"These are {len(typed):,} characters; at most {longest} are taken. Shorten the text.")
        typed = ""
    return _remember(key, typed, container)


def leave(key):
    """Take a selection out of the link; it is still remembered."""
    if key in st.query_params:
        del st.query_params[key]
