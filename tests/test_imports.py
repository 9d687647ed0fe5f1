"""Imports point one way: from pages and the command line down to types; the bottom knows nothing of the top."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# every part may import those of the levels below its own
LEVELS = [
    {"types", "entries", "files", "catalogue", "pictures", "arrays"},
    {"tables", "stats", "serving", "unmet", "captions", "writing"},
    {"nsd", "surface", "models", "encoding", "variance", "rsa", "ceilings", "demo"},
    {"study", "store"},
    {"features", "figures", "live"},
    {"jobs", "paper"},
    {"ui", "export_ui", "bench"},
    {"atlas"},
    {"cli", "app", "pages"},
]
# within one level: a line each, with its reason
ALLOWED = {
    ("demo", "models"): "the demo's score asks a model",
}
HEAVY = {"torch", "transformers", "himalaya", "nilearn"}


def level(part):
    return next(i for i, parts in enumerate(LEVELS) if part in parts)


def part_of(path):
    relative = path.relative_to(ROOT)
    return (
        relative.parts[1].removesuffix(".py")
        if relative.parts[0] == "brainalign"
        else relative.parts[0].removesuffix(".py")
    )


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def sources():
    files = [ROOT / "app.py", *ROOT.glob("pages/*.py"), *ROOT.glob("brainalign/**/*.py")]
    return {
        path: ast.parse(path.read_text())
        for path in files
        if path.name != "__init__.py" or path.parent.name != "brainalign"
    }


def test_imports_point_down():
    upward = set()
    for path, tree in sources().items():
        part = part_of(path)
        for name in imported(tree):
            pieces = name.split(".")
            if pieces[0] != "brainalign" or len(pieces) < 2 or not is_part(pieces[1]):
                continue
            other = pieces[1]
            if other != part and level(other) >= level(part) and (part, other) not in ALLOWED:
                upward.add(f"{path.relative_to(ROOT)} imports brainalign.{other}")
    assert not upward, "\n".join(sorted(upward))


def is_part(name):
    return (ROOT / "brainalign" / name).is_dir() or (ROOT / "brainalign" / f"{name}.py").is_file()


def test_every_part_has_a_level():
    for path in sources():
        level(part_of(path))


def test_pages_do_not_ask_the_pipeline():
    for path, tree in sources().items():
        if part_of(path) in ("pages", "app", "ui"):
            tops = {name.split(".")[0] for name in imported(tree)} | set(imported(tree))
            forbidden = HEAVY | {"brainalign.nsd", "brainalign.encoding", "brainalign.models", "brainalign.jobs"}
            assert not tops & forbidden, f"{path.name} imports {tops & forbidden}"


def test_importing_brainalign_and_the_pages_parts_loads_nothing_heavy():
    code = (
        "import sys, brainalign, brainalign.store, brainalign.ui, brainalign.figures, brainalign.live, brainalign.cli;"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


# what a store is shown with comes from the store: the tables of today are for asking, planning and running
TODAY = {"today", "instructions", "rois", "find_instruction"}
NOW = {"brainalign/live.py", "pages/live.py"}  # asking now
FALLBACK = {"brainalign/store/queries.py": {"today"}}  # of a store of an earlier version


def test_what_is_shown_of_a_store_takes_its_words_from_the_store():
    for path, tree in sources().items():
        name = path.relative_to(ROOT).as_posix()
        if part_of(path) not in ("pages", "app", "ui", "export_ui", "figures", "paper", "atlas", "store", "live"):
            continue
        nodes = list(ast.walk(tree))
        own = {n.attr for n in nodes if isinstance(n, ast.Attribute) and getattr(n.value, "id", "") == "tables"}
        froms = [node for node in nodes if isinstance(node, ast.ImportFrom)]
        own |= {one.name for node in froms if node.module == "brainalign.tables" for one in node.names}
        allowed = TODAY if name in NOW else FALLBACK.get(name, set())
        assert not own & TODAY - allowed, f"{name} looks {own & TODAY - allowed} up in today's tables"
        models = {found for found in imported(tree) if found.startswith("brainalign.models")}
        assert not models or name in NOW, f"{name} imports {models}"
