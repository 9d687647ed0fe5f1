"""Pick a picture and an instruction and watch a model answer, beside what it answered before and what is true."""

import logging
import time
from threading import Event, Thread

import streamlit as st

from brainalign import live, tables, ui, unmet
from brainalign.atlas import gallery, likely, predicted

OWN = "own"  # the id that stands for a typed instruction
STARTS = ("IC", "VQ1", "CR", "IU3")  # the instructions that up to four answers start with
STATES = {
    "cold": "waiting to load",
    "loading": "loading the model; the first time takes seconds",
    "busy": "thinking",
    "ready": "waiting",
}


class Asked:
    """A question put to a model: its answer grows on a thread of its own, whoever looks.

    text : the answer so far; done : the model is done with it; fault : what went wrong, "" if nothing
    """

    def __init__(self, model, image, instruction):
        self.text, self.fault, self.done, self.stopped = "", "", False, Event()
        self.stream = live.stream(model, image, instruction, self.stopped)
        Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        try:
            for piece in self.stream:
                self.text += piece
        except ValueError as error:
            self.fault = str(error)
        except Exception:
            logging.getLogger(__name__).exception("a model failed")
            self.fault = "the model failed; the reason is in the app's log"
        self.done = True

    @property
    def over(self):
        """Whether the page has nothing more to wait for: a stopped answer may leave the queue only later."""
        return self.done or self.stopped.is_set()

    @property
    def times(self):
        """`first word after 0.1 s, 14 tokens in 0.5 s (26 a second)`, as far as it is known."""
        s = self.stream
        if s.first_token_seconds is None:
            return ""
        rate = f" ({s.tokens_per_second:.0f} a second)" if s.tokens_per_second else ""
        waited = f"waited {s.waited:.1f} s, " if s.waited > 0.5 else ""
        return f"{waited}first word after {s.first_token_seconds:.2f} s, {s.tokens} tokens in {s.seconds:.1f} s{rate}"


def choose_instruction(number, container):
    """The n-th instruction: (id, text); an own text has the id "own"."""
    suffix = "" if number == 1 else str(number)
    today = tables.today()
    options = [*today.instructions, OWN]
    id = ui.choice(
        "Instruction" if number == 1 else f"Instruction {number}",
        options,
        f"instruction{suffix}",
        lambda id: "Type your own ..." if id == OWN else today.label(id),
        default=STARTS[number - 1],
        container=container,
    )
    if id != OWN:
        return id, today.instructions[id].text
    asked = ui.text("Your instruction", f"text{suffix}", "What is the dog doing?", container=container).strip()
    return OWN, asked


def choose_model(number, container, known, first=None):
    """The n-th model of those that answer in words; known ones first, those whose files are missing last.

    first : the model of the first answer, with which the others start
    """
    missing = ui.answering_models()
    names = sorted(missing, key=lambda name: (bool(missing[name]), name not in known))
    return ui.choice(
        "Model" if number == 1 else f"Model {number}",
        names,
        "model" if number == 1 else f"model{number}",
        lambda name: f"{name} (not on this machine)" if missing[name] else name,
        default=first or names[0],
        container=container,
    )


def choose_questions(known):
    """What is asked: a list of (model, instruction id, text); known : models that the store has answers of."""
    many = ui.segments("Answers side by side", list(range(1, len(STARTS) + 1)), "answers")
    questions = []
    for number in range(1, many + 1):
        left, right = st.columns([2, 1])
        model = choose_model(number, right, known, questions[0][0] if questions else None)
        questions.append((model, *choose_instruction(number, left)))
    return questions


def start(questions, image):
    """Put the questions; whatever was still running stops."""
    stop()
    st.session_state.asked = [Asked(model, image, text) for model, _, text in questions]


def stop():
    for asked in st.session_state.get("asked", []):
        asked.stopped.set()


def running():
    return [asked for asked in st.session_state.get("asked", []) if not asked.over]


def answers(store, questions, image_id, true):
    """Side by side: the answer as it comes, the one in the store, and the true one; returns the places to redraw."""
    places = []
    for place, (column, question) in enumerate(zip(st.columns(len(questions)), questions)):
        with column.container(border=True, key=f"answer-{place}", gap="xsmall", height="stretch"):
            places.append(draw_answer(store, question, image_id, true))
    return places


def redraw(places, questions, drawn):
    """Draw the live answers that changed since `drawn`, which is brought up to date."""
    for k, ((place, expected), (model, *_), answer) in enumerate(zip(places, questions, st.session_state.asked)):
        queued = k > 0 and not st.session_state.asked[k - 1].over
        state = "next, after the other answer" if queued else STATES[live.resident(model).state]
        seen = (answer.text, answer.done, answer.stopped.is_set(), state)
        if seen != drawn.get(k):
            drawn[k] = seen
            with place.container(gap="xsmall"):
                draw_live(model, answer, expected, state)


def follow(places, questions, drawn):
    """Go on drawing while the answers grow; then the page goes back to rest.

    A loop in one run, not a fragment that runs again and again: Streamlit collects all garbage after every run,
    which would hold up the model.
    """
    while running():
        redraw(places, questions, drawn)
        time.sleep(0.05)
    redraw(places, questions, drawn)
    st.rerun()


def draw_answer(store, question, image_id, true):
    """One question with its stored and its true answer; returns (place of the live answer, true answer or None)."""
    model, id, text = question
    st.caption(f"{model} · {'your own' if id == OWN else id} · {unmet.literal(text)}")
    place = st.empty()
    then = store.catalogue.instructions.get(id)
    edited = then is not None and then.text != text
    expected = None if edited else (true or {}).get(live.meant(tables.find_instruction(text)))
    stored = None if image_id is None or id == OWN else store.answer(model, id, image_id)
    if stored is not None:
        st.badge("stored", icon=":material/database:", color="gray", help="Given when the study was computed")
        if edited:
            st.caption(f"Asked when the study ran: “{unmet.literal(then.text)}”. The text above is today's.")
        st.text(stored)
    elif not st.session_state.asked:
        st.caption("No stored answer to this question; press Ask.")
    if expected is not None:
        st.badge("true answer", icon=":material/check:", color="green", help="The scene's contents are known")
        st.text(expected)
    return place, expected


def draw_live(model, answer, expected, state):
    whole = answer.done and not answer.stopped.is_set() and not answer.fault
    with st.container(horizontal=True):
        st.badge("live", icon=":material/bolt:", color="blue", help="Answered just now on this machine")
        if whole and expected is not None and answer.text.strip() == expected.strip():
            st.badge("equals the true answer", icon=":material/check:", color="green")
        if answer.stopped.is_set():
            st.badge("stopped", icon=":material/stop_circle:", color="orange")
    if answer.fault:
        st.error("The model could not answer.", icon=":material/error:")
        st.text(answer.fault)
    elif answer.stopped.is_set() and not answer.text:
        st.caption("Stopped before its first word.")
    elif answer.text or answer.done:
        st.text(answer.text + ("" if answer.over else " ▌"))
    else:
        st.caption(f"{model}: {state} ...")
    st.caption(answer.times)
    for note in answer.stream.notes:
        st.caption(note)


STYLE = """<style>[class*="st-key-answer-"] .stText { font-size: 1.05rem; }</style>"""


store = ui.page_store()
ui.header(
    store,
    "Live",
    "Pick a picture and an instruction and watch the model answer. Stored answers were given when the study was "
    "computed; for the demo's drawn scenes the true answer is known.",
)
ui.hint(
    "live",
    "Click a picture, choose an instruction or type your own, and press Ask; Stop ends an answer at once. "
    "Several answers can stand side by side.",
)
st.html(STYLE)
stimuli = store.info().get("stimuli", "")
first = store.image_ids(shared=True).tolist() or store.image_ids().tolist() or [0]
pictures = st.container()

left, right = st.columns([1, 2.2], gap="large")
with left:
    place = st.container()
    image, notes = gallery.uploaded()
    image_id = gallery.picked(first[0]) if image is None else None
    if image_id is None:
        ui.leave("picture")
        place.image(image, width="stretch", alt="Your own picture")
        place.caption("Your own picture. No link can carry it: whoever opens this page's link sees another picture.")
        for note in notes:
            place.caption(f"Of this picture: {note}.")
    else:
        try:
            image = live.picture(stimuli, image_id)
            place.image(image, caption=(name := f"Picture {store.numbered(image_id)}"), width="stretch", alt=name)
        except (ValueError, FileNotFoundError) as fault:
            st.error("This picture cannot be shown.", icon=":material/error:")
            st.text(str(fault))
true = None if image_id is None or image is None else live.truth(stimuli, image_id)
with pictures:
    gallery.show(store, stimuli, image_id)

with right:
    questions = choose_questions(store.models())
    view = (image_id, None if image_id is not None or image is None else hash(image.tobytes()), *questions)
    if st.session_state.get("view") != view:  # another question: its answer is not the old one
        stop()
        st.session_state.asked, st.session_state.view = [], view
    missing = ui.answering_models()
    absent = [missing[name] for name, *_ in questions if missing[name]]
    untyped = not all(text for *_, text in questions)
    if ran := bool(running()):
        st.button("Stop", icon=":material/stop_circle:", on_click=stop)
    else:
        able = image is not None and not untyped and not absent
        st.button(
            "Ask", type="primary", icon=":material/send:", disabled=not able, on_click=start, args=[questions, image]
        )
    for fault in absent:
        st.text(fault)

if not untyped:
    with right if len(questions) < 3 else st.container():  # more would be too narrow beside the picture
        places, drawn = answers(store, questions, image_id, true), {}
        redraw(places, questions, drawn)
        if image is not None and not absent and ui.switch("How likely each word is", "likely") and not ran:
            likely.show(questions, image)

model, id, text = questions[0]
if image is not None and text and not missing[model] and not predicted.offered(store, model).empty:
    with st.container(border=True):
        if ui.switch("Predict the brain's response to this", "predict") and not ran:
            predicted.show(store, model, id, text, image, image_id, float(store.info().get("min_nc", 0)))
if ran:
    follow(places, questions, drawn)
for name in {name for name, *_ in questions}:
    if not missing[name] and live.resident(name).state == "cold":
        live.resident(name).warm()  # the page is drawn; the model loads while the visitor chooses
