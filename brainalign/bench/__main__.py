"""python -m brainalign.bench ridge|banded|all [n p T]: results as JSON."""

import json
import sys

from brainalign import bench


def main():
    """Measure what the command line names."""
    kind, sizes = (sys.argv[1:2] or ["all"])[0], [int(size) for size in sys.argv[2:5]]
    kinds = {"ridge": bench.ridge, "banded": bench.banded}
    print(json.dumps({name: make(*sizes) for name, make in kinds.items() if kind in (name, "all")}, indent=2))


if __name__ == "__main__":
    main()
