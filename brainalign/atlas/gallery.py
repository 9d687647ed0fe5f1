"""The picture of the live page: pages of pictures to pick from, or one of the visitor's own."""

import streamlit as st

from brainalign import pictures, ui

ACROSS = 12  # pictures of a page
KINDS = {"test": "Test images, shared", "training": "Training images"}
MEGABYTE = 1 << 20  # bytes, as Streamlit counts them
STYLE = """<style>
.st-key-gallery [class*="st-key-pick-"] { position: relative; }
.st-key-gallery img { border-radius: 0.4rem; }
.st-key-gallery [data-testid="stElementToolbar"] { display: none; }
.st-key-gallery [class*="st-key-picture-"] { position: absolute; inset: 0; width: auto; z-index: 1; }
.st-key-gallery .stButton, .st-key-gallery .stButton button { height: 100%; width: 100%; }
.st-key-gallery .stButton button { justify-content: start; align-items: end; padding: 0.15rem; min-height: 0;
  background: transparent; border: 3px solid transparent; }
.st-key-gallery .stButton button:hover, .st-key-gallery .stButton button:focus-visible { border-color: #e69f0099; }
.st-key-gallery .stButton button[kind="primary"] { border-color: #e69f00; }
.st-key-gallery .stButton p { background: #ffffffd0; color: #1f2933; border-radius: 0.25rem; padding: 0 0.3rem;
  font-size: 0.72rem; line-height: 1.3; white-space: nowrap; }
.st-key-own-picture [aria-invalid="true"] { flex-wrap: wrap; height: auto; max-width: none; }
.st-key-own-picture [aria-invalid="true"] [role="alert"] { position: static; width: auto; height: auto; margin: 0;
  clip: auto; clip-path: none; overflow: visible; white-space: normal; }
.st-key-own-picture:has([aria-invalid="true"]) .stAlert { display: none; }
</style>"""  # the last three lines: a file that the browser refuses says why, and what was said of the one before goes


def show(store, stimuli, chosen):
    """Pages of pictures; a click picks one.

    stimuli : where pictures are, as the store names it; chosen : id of the one that is picked, or None
    """
    st.html(STYLE)
    left, middle, right = st.columns([1.2, 1, 1], vertical_alignment="bottom")
    kind = ui.segments("Pictures", list(KINDS), "kind", KINDS.get, container=left)
    wanted = ui.text("Search", "search", "a number, or a word of an answer", 60, middle).strip()
    ids = found(store, wanted, kind == "test")
    if not ids:
        st.info(f"No picture among these is found for “{wanted}”." if wanted else "The store lists no such pictures.")
        return
    start = ids.index(chosen) // ACROSS + 1 if chosen in ids else 1
    with right.container(horizontal=True, horizontal_alignment="right"):
        page = st.pagination(-(-len(ids) // ACROSS), default=start, key=f"page of {kind} {wanted}")
    shown = ids[(page - 1) * ACROSS : page * ACROSS]
    try:
        small = {image_id: ui.thumbnail(stimuli, image_id) for image_id in shown}
    except (ValueError, FileNotFoundError):
        return  # the page says why pictures cannot be shown
    with st.container(key="gallery", gap="small"):
        for column, image_id, name in zip(st.columns(ACROSS, gap="small"), shown, store.all_numbered(shown)):
            with column.container(key=f"pick-{image_id}", gap=None):
                st.image(small[image_id], width="stretch", alt=f"Picture {name}")
                style = "primary" if image_id == chosen else "tertiary"
                label, key = str(image_id), f"picture {image_id}"
                st.button(label, key=key, on_click=pick, args=[image_id], type=style, width="stretch")


def found(store, wanted, shared):
    """Ids of the pictures that the search finds: by their number, or by a word of any answer about them."""
    if not wanted:
        return store.image_ids(shared=shared).tolist()
    if wanted.isdecimal():
        return [id for id in store.image_ids(shared=shared).tolist() if str(id).startswith(wanted.lstrip("0") or "0")]
    return store.search(wanted, shared).tolist()


def pick(image_id):
    ui.hold("picture", image_id)
    st.session_state.uploads = st.session_state.get("uploads", 0) + 1  # a fresh, empty uploader


def picked(first):
    """Id of the picture that the link or a click names; `first` where none does."""
    return ui.held("picture", first, lambda text: int(text) if text.isdecimal() and len(text) < 9 else None)


def uploaded():
    """The visitor's own picture, or None, and what was done to it in words.

    It stays in this session's memory, and no link can name it.
    """
    megabytes = min(st.get_option("server.maxUploadSize"), pictures.MAX_BYTES / MEGABYTE)
    limits = f"up to {megabytes:.0f} MB and {pictures.MAX_PIXELS / 1e6:.0f} million pixels"
    popover = st.popover("Use your own picture", icon=":material/upload:", width="stretch")
    with popover.container(key="own-picture"):
        file = st.file_uploader(
            f"PNG, JPEG or WebP, {limits}. It stays on this machine and is forgotten with the page.",
            type=["png", "jpg", "jpeg", "webp"],
            key=f"upload {st.session_state.get('uploads', 0)}",
        )
        if file is None:
            return None, ()
        try:
            return pictures.read(file.getvalue(), pictures.UPLOADS)
        except ValueError as fault:
            said = str(fault)
            st.error(f"{said[:1].upper()}{said[1:]}.", icon=":material/error:")
            return None, ()
