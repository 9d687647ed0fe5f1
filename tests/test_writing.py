"""Files appear only when they are complete, wherever they lie: without locks, held by others, on a full disk."""

import errno
import importlib
import os
import subprocess
import sys

import duckdb
import pytest
import stores
from click.testing import CliRunner

from brainalign import cli, store, writing
from brainalign.store import connecting, progress

LOCKED = 'IO Error: Could not set lock on file "{path}": '
WITHOUT = [
    "Conflicting lock is held in PID 0. See also https://duckdb.org",  # what DuckDB makes of ENOLCK
    "File locks are not supported for this file system, cannot open the file in read-write mode.",
]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
@pytest.mark.parametrize("wait", [False, True])
def test_where_there_are_no_locks_work_is_done_and_a_warning_tells(number, wait, tmp_path, monkeypatch):
    def flock(file, how):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(writing.fcntl, "flock", flock)
    with pytest.warns(UserWarning, match=r"knows no file locks: let one run at a time work there"):  # noqa: SIM117
        with writing.claimed(tmp_path / "a/result", wait) as mine:
            assert mine
    assert os.listdir(tmp_path / "a") == []


def test_without_the_module_of_locks_too(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "fcntl", None)
    with pytest.warns(UserWarning, match="knows no file locks"), writing.claimed(tmp_path / "result") as mine:
        assert mine


def test_a_drive_that_numbers_its_files_anew_does_not_stop_a_claim(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "ATTEMPTS", 3)
    monkeypatch.setattr(writing, "_same", lambda file, path: False)
    with writing.claimed(tmp_path / "result") as mine:
        assert mine
    assert os.listdir(tmp_path) == []


def test_a_claim_that_another_process_holds(tmp_path):
    code = "import sys\nfrom brainalign.writing import claimed\nwith claimed(sys.argv[1]) as mine: print(mine)"
    ask = [sys.executable, "-c", code, str(tmp_path / "result")]
    with writing.claimed(tmp_path / "result") as mine:
        assert mine
        assert subprocess.run(ask, capture_output=True, text=True, check=True).stdout == "False\n"
    assert subprocess.run(ask, capture_output=True, text=True, check=True).stdout == "True\n"
    assert os.listdir(tmp_path) == []


def refuse(monkeypatch, times, error=PermissionError):
    """os.replace fails some times, as on Windows while another program reads the target."""
    replace, left = os.replace, [times]

    def held(aside, path):
        left[0] -= 1
        if left[0] >= 0:
            raise error(errno.EACCES, "Permission denied", str(aside))
        return replace(aside, path)

    monkeypatch.setattr(writing, "PAUSES", (0.001, 0.001))
    monkeypatch.setattr(writing.os, "replace", held)


def test_a_file_held_for_a_moment_is_waited_for_and_one_held_longer_is_told(tmp_path, monkeypatch):
    path = tmp_path / "LATEST"
    path.write_text("old")
    progress.write(tmp_path, 1, 2, "told")
    refuse(monkeypatch, 2)
    writing.write_once(path, lambda aside: aside.write_text("new"))
    assert path.read_text() == "new"
    refuse(monkeypatch, 100)
    with pytest.raises(OSError) as error:
        writing.write_once(path, lambda aside: aside.write_text("newer"))
    said = "Permission denied; close the program that has it open, or ask for the right to write there"
    assert str(error.value) == f"cannot write {path}: {said}; what is finished is kept"
    assert (path.read_text(), sorted(os.listdir(tmp_path))) == ("new", ["LATEST", "progress.json"])
    progress.write(tmp_path, 2, 2, "cannot be told")
    assert progress.read(tmp_path)["done"] == 1


@pytest.mark.parametrize("what", ["claim", "write", "command"])
def test_a_folder_that_cannot_be_made_is_told_without_a_number(what, tmp_path):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file/deeper/result"
    if what == "command":
        done = CliRunner().invoke(cli.main, ["demo", str(path), "--subjects", "1", "--sessions", "1"])
        said = done.output
        assert done.exit_code == 1
    else:
        with pytest.raises(OSError) as error, writing.claimed(path) if what == "claim" else writing._writing(path):
            writing.write_once(path, lambda aside: aside.write_text("x"))
        said = str(error.value)
    assert "Not a directory" in said
    assert str(tmp_path / "file") in said
    assert "Errno" not in said


def no_locks(monkeypatch, directory, said):
    """DuckDB as it is where files in a directory cannot be locked."""
    connect = duckdb.connect

    def refused(path, **options):
        if os.path.dirname(path) == str(directory):
            raise duckdb.IOException(LOCKED.format(path=path) + said)
        return connect(path, **options)

    monkeypatch.setattr(connecting.duckdb, "connect", refused)


@pytest.mark.parametrize("said", WITHOUT)
def test_a_store_is_written_where_there_are_no_locks(said, tmp_path, monkeypatch):
    expected = stores.tiny_store(tmp_path / "usual")
    no_locks(monkeypatch, tmp_path / "remote", said)
    path = stores.tiny_store(tmp_path / "remote")
    assert sorted(os.listdir(tmp_path / "remote")) == ["LATEST", path.name]
    assert path.name == expected.name
    with pytest.raises(ValueError, match="its file system knows no file locks; copy it to a local disk"):
        store.open_latest(tmp_path / "remote")
    monkeypatch.undo()
    with store.open_latest(tmp_path / "remote") as found, store.open_latest(tmp_path / "usual") as usual:
        assert found.subjects().equals(usual.subjects())


def test_a_store_that_another_program_writes_is_told_with_its_name(tmp_path):
    path = stores.tiny_store(tmp_path)
    code = "import sys, duckdb\ndb = duckdb.connect(sys.argv[1])\nprint('open', flush=True)\ninput()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code, str(path)], **pipes) as other:
        assert other.stdout.readline() == "open\n"
        with pytest.raises(ValueError) as error:
            store.open_latest(tmp_path)
        other.communicate("\n")
    assert f"(process {other.pid}) has it open for writing; close that program" in str(error.value)
    store.open_latest(tmp_path).close()


def test_a_full_disk_while_a_store_is_written(tmp_path, monkeypatch):
    def full(*_):
        raise duckdb.IOException('IO Error: Could not write file "x": No space left on device')

    monkeypatch.setattr(importlib.import_module("brainalign.store.write"), "_fill", full)
    with pytest.raises(OSError, match=r"no store can be written to .*: Could not write file .*: No space left"):
        stores.tiny_store(tmp_path)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("written", ["{name}\r\n", "\ufeff{name}\r\n", "{name}"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_the_pointer_may_be_edited_with_any_program(written, encoding, tmp_path):
    path = stores.tiny_store(tmp_path)
    text = written.format(name=path.name).removeprefix("\ufeff" if encoding == "utf-16" else "")
    (tmp_path / "LATEST").write_bytes(text.encode(encoding))
    assert store.latest(tmp_path) == path
