"""What the README says works: its commands exist, its files are there, its notebook lines run."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import brainalign
from brainalign.cli import main

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_first_two_commands_are_make_app_and_make_test():
    commands = re.findall(r"^\$ (.*?)(?:\s+#.*)?$", README, flags=re.MULTILINE)
    assert commands[:2] == ["make app", "make test"]
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert {"app", "test", "setup"} <= set(targets)


def test_commands_and_their_options_exist():
    told = re.findall(r"^\$ brainalign (.*?)(?:\s+#.*)?$", README, flags=re.MULTILINE)
    told += re.findall(r"`brainalign (.*?)`", README)
    assert len(told) >= 5
    for line in told:
        name, *rest = shlex.split(line)
        options = {option for p in main.commands[name].params for option in p.opts}
        assert {word for word in rest if word.startswith("--")} <= options | {"--help"}, line


def test_linked_files_are_there():
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / link).exists(), link


def test_the_notebook_lines_run():
    (code,) = blocks("python")
    assert len([line for line in code.splitlines() if line]) <= 5
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\d+ voxels, median r -?\d\.\d{3}, demo", done.stdout.strip())


def test_the_study_file_in_the_readme_is_the_shipped_one():
    (shown,) = blocks("toml")
    assert shown.strip() == (ROOT / "data" / "study-demo.toml").read_text().strip()


def test_public_names_can_be_imported():
    assert 8 <= len(brainalign.__all__) <= 12
    for name in brainalign.__all__:
        assert callable(getattr(brainalign, name))
