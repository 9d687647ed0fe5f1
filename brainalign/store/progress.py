"""How far a running study is, as a small file beside the store that it will be published to."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from brainalign.writing import write_once

NAME = "progress.json"
STALE = 300  # seconds without news after which a study may have been stopped


def write(directory, done, total, text):
    """Tell how many jobs are done of how many, and which one is at work; a reader sees the old file or the new."""
    now = {"done": done, "total": total, "text": text, "updated": datetime.now(UTC).isoformat(timespec="seconds")}
    with suppress(OSError):  # news that cannot be told stop no study
        write_once(Path(directory) / NAME, lambda aside: aside.write_text(json.dumps(now), encoding="utf-8"))


def read(directory):
    """done, total, text, updated, and whether it is finished or stale; None where no study has told anything."""
    try:
        now = json.loads((Path(directory) / NAME).read_text(encoding="utf-8"))
        age = datetime.now(UTC) - datetime.fromisoformat(now["updated"])
        return now | {"finished": now["done"] >= now["total"], "stale": age.total_seconds() > STALE}
    except (OSError, ValueError, KeyError, TypeError):
        return None
