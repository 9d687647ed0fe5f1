"""The command line: help with an example for each command, errors in one line."""

import json

import pytest
from click.testing import CliRunner

from brainalign.cli import main


def run(*args):
    return CliRunner().invoke(main, [str(a) for a in args])


@pytest.mark.parametrize("name", list(main.commands))
def test_every_command_has_help_with_an_example(name):
    done = run(name, "--help")
    assert done.exit_code == 0
    assert "Example" in done.output
    assert f"brainalign {name} " in done.output
    first = main.commands[name].help.splitlines()[0]
    assert first.endswith(".")


def test_the_list_of_commands_names_them_all():
    done = run("--help")
    assert all(name in done.output for name in main.commands)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("demo", "{tmp}/x", "--subjects", "one"), "expected numbers with commas"),
        (("ask", "{tmp}/no.png", "IC"), "no.png"),
        (("ask", "12", "IC", "--model", "llava-dmo"), "llava-demo"),
        (("ask", "12", " "), "the instruction is empty"),
        (("demo-score", "--n", "0"), "at least one scene"),
        (("run", "{tmp}/none.toml"), "none.toml"),
        (("publish", "{tmp}/none.toml"), "none.toml"),
    ],
)
def test_errors_are_one_line_and_say_what_to_do(args, said, tmp_path):
    done = run(*(a.format(tmp=tmp_path) for a in args))
    assert done.exit_code == 1
    assert said in done.output
    assert "Traceback" not in done.output


def test_a_warning_is_one_line_without_code_and_said_once(tmp_path):
    study = tmp_path / "study.toml"
    study.write_bytes(
        "[study]\nname = 'Müller'\nroot = 'none'\noutput = 'out'\nsubjects = ['subj01']\n".encode("cp1252")
    )
    done = run("run", study)
    assert [line for line in done.output.splitlines() if "Western" in line] == [
        f"warning: {study} is not in UTF-8 and was read as Western European (cp1252)"
    ]
    assert ".py" not in done.output


def test_check_of_a_folder_that_is_no_root(tmp_path):
    done = run("check", tmp_path, "--json")
    assert done.exit_code == 1
    faults = json.loads(done.output)["faults"]
    assert faults
    assert {"file", "found", "expected", "todo"} <= set(faults[0])
