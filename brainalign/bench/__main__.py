"""python -m brainalign.bench ridge|banded|all [n p T]: results as JSON."""

import json
import sys

from brainalign import bench


def main():
    """Measure what the command line names; `all`: the engine's benches and what they mean for whole studies."""
    kind, sizes = (sys.argv[1:2] or ["all"])[0], [int(size) for size in sys.argv[2:5]]
    found = {name: getattr(bench, name)(*sizes) for name in (("ridge", "banded") if kind == "all" else (kind,))}
    if kind == "all":
        found["study"] = bench.study(found["ridge"]["seconds"], found["banded"]["seconds"])
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
