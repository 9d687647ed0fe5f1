"""What a link asks for that is not there: noted where a selection begins, told once above the view that is shown."""

import streamlit as st

LONGEST = 40  # letters of what a link asks for that are shown


def note(key, asked, shown):
    """Note that the link's parameter `key` asks for what is not there, and what is shown instead; both are text."""
    st.session_state.setdefault("unmet", {})[key] = asked, shown


def forget(key):
    """What the link's parameter asks for is there after all."""
    st.session_state.get("unmet", {}).pop(key, None)


def tell(place):
    """Say in one line what was noted since the last time, in a container or an empty place."""
    noted = st.session_state.pop("unmet", {})
    if noted:
        asked = "; ".join(_said(key, *noted[key]) for key in noted)
        place.warning(f"The link asks for what this store or view lacks: {asked}.", icon=":material/link_off:")


def _said(key, asked, shown):
    instead = f"shown instead: {literal(_short(shown))}" if shown is not None else "left out"
    return f"{literal(key.replace('_', ' '))} “{literal(_short(asked))}” ({instead})"


def _short(text):
    """One line of a text, without what has no room; "none" where it is empty."""
    text = " ".join(text.split())
    return (text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…") or "none"


def literal(text):
    """Text of others within a sentence, with nothing in it taken for Markdown."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]()<>#+-.!|~$:^" else c for c in text)
