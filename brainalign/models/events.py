"""What OpenAI-compatible servers send as an answer grows, with the freedoms that they take with the protocol.

`messages` reads server-sent events, or JSON alone; `chunk` says what one of its messages adds to the answer.
"""

import json
import re
from dataclasses import dataclass

DONE = "[DONE]"


class Malformed(ValueError):
    """Nothing that such a server sends; its text is what was sent."""


@dataclass(frozen=True)
class Chunk:
    """What a message adds: text of the answer, whether the model reasoned, and whether it is the answer's end."""

    text: str = ""
    reasoned: bool = False
    last: bool = False


def messages(lines):
    """(event's name, JSON object) of each message as soon as it is whole; the object of [DONE] is None.

    lines : bytes without their ends. A message is the `data:` of an event, on one line or several, or JSON alone.
    An EOFError where they end within a message.
    """
    held, bare, name = "", False, ""
    for line in lines:
        text = line.decode("utf-8-sig", "replace")
        bare = bare if held else text.lstrip().startswith("{")
        field, value = ("data", text) if bare else _field(text)
        if field == "event":
            name = value.strip()
        elif field == "end":
            if held:
                raise Malformed(held)
            name = ""
        elif field == "data":
            held = f"{held}\n{value}".strip()
            done = held.strip('"').upper() == DONE
            found = None if done else _whole(held)
            if found is not None or done:
                yield name, found
                held = ""
    if held:
        raise EOFError


def _field(text):
    """(name, value) of a line of an event; an empty line is its end, and a comment has no name."""
    if not text.strip():
        return "end", ""
    name, colon, value = text.partition(":")
    if not colon or not re.fullmatch(r"[\w-]*", name):
        raise Malformed(text)
    return name, value


def _whole(text):
    """The JSON object in a text, None where more of it is to come."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        raise Malformed(text)
    return found


def fault(name, found):
    """What went wrong, as a message says it; "" if nothing."""
    if found.get("error"):
        return reason(found)
    told = name == "error" or found.get("object") == "error" or (found.get("detail") and "choices" not in found)
    return reason(found) if told else ""


def reason(found):
    """What an error says, in any of the shapes that servers give it."""
    if isinstance(found, list) and found:
        return reason(found[0])
    error = found.get("error") or found if isinstance(found, dict) else found
    if isinstance(error, dict):
        error = error.get("message") or error.get("msg") or error.get("detail") or error
    return reason(error) if isinstance(error, list) and error else str(error)


def plain(text):
    """The words of a page of HTML, or of any other text, on one line."""
    body = re.sub(r"(?is)<(script|style)\b.*?</\1>|<[^>]*>", " ", text)
    return " ".join(body.split())


def chunk(found):
    """The `Chunk` of a message; None where it is about other things, such as usage."""
    choices = found.get("choices")
    if not choices:
        return None
    try:
        first = next((choice for choice in choices if int(choice.get("index") or 0) == 0), {})
        said = first.get("delta") or first.get("message") or {}
        text = _text(said.get("content")) or _text(said.get("refusal")) or _text(first.get("text"))
        reasoned = bool(said.get("reasoning_content") or said.get("reasoning"))
    except (AttributeError, TypeError, ValueError):
        raise Malformed(json.dumps(found)) from None
    return Chunk(text, reasoned, bool(first.get("finish_reason")) or "message" in first)


def _text(content):
    """Text, or a list of parts with text; "" where there is none."""
    if isinstance(content, list):
        return "".join(part if isinstance(part, str) else part.get("text") or "" for part in content)
    if content is not None and not isinstance(content, str):
        raise TypeError(content)
    return content or ""
