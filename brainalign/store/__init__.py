"""The published results: one DuckDB file a version, written once and then only read.

`open_latest("data/store")` gives a `Store`, whose methods each answer one question.
`write(directory, tables)` makes a version and switches the pointer file `LATEST` to it.
"""

from brainalign.store.packed import from_bytes, to_bytes
from brainalign.store.queries import Store, latest, open_latest
from brainalign.store.schema import TABLES
from brainalign.store.write import write

__all__ = ["TABLES", "Store", "from_bytes", "latest", "open_latest", "to_bytes", "write"]
