"""Texts and tables are read as people's programs save them; what cannot be read is named with its line."""

import codecs
import csv
from io import StringIO

import pytest
from click.testing import CliRunner

from brainalign import cli, files, study, tables
from brainalign.nsd import read
from brainalign.paper import panels

ROWS = [
    {"id": "Q1", "level": "1", "text": "Wo sind, bitte, die Äpfel; und wo\nist „das“ Café?"},
    {"id": "Q2", "level": "3", "text": ""},
]


def table(separator=",", end="\n", last=""):
    """ROWS as a spreadsheet saves them; `last` is put at the end of each line of cells."""
    quoted = '"' + ROWS[0]["text"].replace("\n", end) + '"'
    lines = ["id", "level", "text"], ["Q1", "1", quoted], ["Q2", "3", ""]
    return "".join(separator.join(cells) + last + end for cells in lines)


SAVED = {
    "plain": table().encode(),
    "Excel, CSV UTF-8": codecs.BOM_UTF8 + table(",", "\r\n").encode(),
    "Excel, CSV UTF-8, German": codecs.BOM_UTF8 + table(";", "\r\n").encode(),
    "Excel, CSV, German": table(";", "\r\n").encode("cp1252"),
    "Excel, Unicode text": table("\t", "\r\n").encode("utf-16"),
    "UTF-16, the other order": codecs.BOM_UTF16_BE + table("\t").encode("utf-16-be"),
    "UTF-32": table().encode("utf-32"),
    "old Macintosh": table(",", "\r").encode(),
    "Excel's own note": ("sep=;\r\n" + table(";", "\r\n")).encode(),
    "empty lines and columns": (table(";", "\r\n", last=";;") + ";;;;\r\n\r\n;;;;\r\n").encode(),
    "no end of the last line": table().encode().rstrip(b"\n"),
    "blanks around": table(" , ").replace(' , "', ',"').encode(),
}


def written(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.filterwarnings("ignore:.*was read as Western European")
@pytest.mark.parametrize("how", SAVED)
def test_a_table_is_the_same_however_it_was_saved(how, tmp_path):
    assert files.rows(written(tmp_path / "t.csv", SAVED[how]), ("id", "text")) == ROWS


def test_of_a_guess_at_the_encoding_a_warning_tells(tmp_path):
    path = written(tmp_path / "t.csv", "Café, 2 €".encode("cp1252"))
    with pytest.warns(UserWarning, match=r"t\.csv is not in UTF-8 and was read as Western European"):
        assert files.text(path) == "Café, 2 €"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"one\r\ntwo \x81\n", "line 2 is neither UTF-8 nor Western European text; save the file as UTF-8"),
        ("eins\nzwei\nМожно ли".encode("cp1251"), "line 3 is neither UTF-8 nor Western European text"),
        ("one\n图片里有什么".encode("gb18030"), "line 2 is neither UTF-8 nor Western European text"),
        (codecs.BOM_UTF8 + b"one\n\xff", "line 2 holds bytes that are no text in UTF-8 (0xff)"),
        (
            codecs.BOM_UTF16_LE + "a\nb".encode("utf-16-le")[:-1],
            "line 2 holds bytes that are no text in UTF-16-LE (0x62)",
        ),
        ("a\nb".encode("utf-16-le"), r"line 1 holds the control character '\x00'"),
        (b"a\rb\rc\x1f", r"line 3 holds the control character '\x1f'"),
    ],
)
def test_what_is_no_text_is_named_with_its_line(content, message, tmp_path):
    with pytest.raises(ValueError) as error:
        files.text(written(tmp_path / "t.txt", content))
    assert str(error.value).startswith(f"{tmp_path / 't.txt'}: {message}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,text\n\nA,one, two\n", ", line 3: 3 cells, but the header names 2 columns; a text that holds"),
        ('id,text\nA,"one\nB,two\n', ", line 2: unexpected end of data; is a quotation mark missing"),
        ('id,text\nA,"one" two\n', ", line 2: ',' expected after '\"'"),
        ("id,text\nA," + "x" * 200_000, ", line 2: field larger than field limit"),
        ("id;txt\nA;b\n", " has no column 'text'; its first line is id, txt"),
        ("id,text,id\n", " has the column 'id' twice; its first line is id, text, id"),
        ("\n\n", " has no column 'id'; its first line is empty"),
        ('"a\nb",text,id\n\nx,y,no number\n', ", line 4: invalid literal for int()"),
    ],
)
def test_a_table_that_cannot_be_read_is_named_with_its_line(content, message, tmp_path):
    path = written(tmp_path / "t.csv", content)
    with pytest.raises(ValueError) as error:
        files.rows(path, ("id", "text"), lambda row: int(row["id"]))
    assert str(error.value).startswith(f"{path}{message}")


def test_the_separator_is_the_one_that_makes_most_of_the_header():
    assert files.separator("a;b,c;d\n1,2,3,4;5;6") == ";"
    assert files.separator('"x;y;z",b\n') == ","
    assert files.separator("one\n") == ","


STUDY = """[study]\r
name = "Größe"\r
root = "~/nsd"\r
output = "$SCRATCH/ä ${WHO}"\r
[[models]]\r
name = "vit-demo"\r
"""


@pytest.mark.filterwarnings("ignore:.*was read as Western European")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_study_is_read_however_it_was_saved_and_its_paths_are_expanded(encoding, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SCRATCH", str(tmp_path / "scratch"))
    monkeypatch.setenv("WHO", "me")
    found = study.load(written(tmp_path / "s.toml", STUDY.encode(encoding)))
    assert found.root == tmp_path / "home/nsd"
    assert found.output == tmp_path / "scratch/ä me"
    assert found.store == tmp_path / "scratch/ä me/store"
    assert (found.name, found.text) == ("Größe", STUDY.replace("\r", ""))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("$SCRATCH/ä ${WHO}", "$NOWHERE/x", "[study] output is '$NOWHERE/x', but $NOWHERE is not set"),
        ("$SCRATCH/ä ${WHO}", "${NO WHERE}/x", "but $NO WHERE is not set in the environment"),
        ("~/nsd", "~no one/nsd", "[study] root is '~no one/nsd', but the home folder of ~no one is not known"),
        ("~/nsd", r"C:\data\nsd", "write a Windows path in single quotes"),
        ("~/nsd", r"C:\new\nsd", "holds a control character; put a Windows path in single quotes"),
        ("[[models]]", "[[models]", "(at line 5, column 9)"),
        ('name = "Größe"', "store = 7\r\nname = 'x'", "[study] store is 7, expected a path"),
    ],
)
def test_a_study_that_cannot_be_read_says_where(old, new, message, tmp_path, monkeypatch):
    monkeypatch.setenv("SCRATCH", "/s")
    monkeypatch.setenv("WHO", "me")
    monkeypatch.delenv("NOWHERE", raising=False)
    path = written(tmp_path / "s.toml", STUDY.replace(old, new))
    with pytest.raises(ValueError) as error:
        study.load(path)
    assert message in str(error.value)
    assert str(path) in str(error.value)


def test_the_project_s_own_tables_survive_a_spreadsheet(tmp_path, monkeypatch):
    kept = dict(tables.instructions()), dict(tables.rois()), tables.related_work()
    for path in tables.DATA.glob("*.csv"):
        saved = StringIO(newline="")
        with open(path, newline="", encoding="utf-8") as file:
            csv.writer(saved, delimiter=";").writerows(csv.reader(file))
        written(tmp_path / path.name, saved.getvalue().encode("utf-16"))
    monkeypatch.setattr(tables, "DATA", tmp_path)
    again = dict(tables.instructions.__wrapped__()), dict(tables.rois.__wrapped__()), tables.related_work()
    assert again == kept
    assert list(again[0]) == list(kept[0])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("instructions.csv", "id,family,level,paper,text\nA,b,one,ten,What?\n", r"instructions.csv, line 2: .*'one'"),
        ("instructions.csv", "id,family,level,paper,text\nA,b,1,ten\n", r"instructions.csv, line 2: .*expected an id"),
        ("rois.csv", "roi,family,level,collection,labels,note\nV1,early,early,prf\n", r"rois.csv, line 2: .*labels"),
    ],
)
def test_a_row_of_the_project_s_tables_that_says_too_little(name, content, message, tmp_path, monkeypatch):
    written(tmp_path / name, content)
    monkeypatch.setattr(tables, "DATA", tmp_path)
    with pytest.raises(ValueError, match=message):
        getattr(tables, name.removesuffix(".csv")).__wrapped__()


def test_label_tables_and_figures_are_read_as_tolerantly(tmp_path):
    path = written(tmp_path / "x.ctab", "0\tUnknown\r\n1  V1v\r\n\r\n2 área dos\r\n".encode("utf-16"))
    assert read.table(path) == {0: "Unknown", 1: "V1v", 2: "área dos"}
    with pytest.raises(ValueError, match=r"x\.ctab cannot be read as a label table: line 2 is 'V1v', expected"):
        read.table(written(path, "0 Unknown\nV1v\n"))
    figure = 'rows = ["a"]\r\n[panels.a]\r\nkind = "flatmap"\r\ntitle = "Größe"\r\n'
    path = written(tmp_path / "f.toml", figure.encode("utf-16"))
    assert panels.read(path)["panels"]["a"]["title"] == "Größe"


def test_folders_that_the_environment_names_are_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SCRATCH", str(tmp_path / "scratch"))
    for given in ("~/models", "$HOME/models"):
        monkeypatch.setenv("BRAINALIGN_MODELS", given)
        assert files.named_folder("BRAINALIGN_MODELS") == tmp_path / "models"
    monkeypatch.delenv("BRAINALIGN_MODELS")
    assert files.named_folder("BRAINALIGN_MODELS") is None
    monkeypatch.setenv("BRAINALIGN_REGIONS", "$NOWHERE/regions")
    monkeypatch.delenv("NOWHERE", raising=False)
    with pytest.raises(ValueError, match=r"\$BRAINALIGN_REGIONS is '\$NOWHERE/regions', but \$NOWHERE is not set"):
        files.named_folder("BRAINALIGN_REGIONS")


def test_a_page_s_own_store_is_expanded_too(tmp_path, monkeypatch):
    monkeypatch.setenv("RESULTS", str(tmp_path / "nothing here"))
    path = written(tmp_path / "f.toml", 'store = "$RESULTS"\nrows = ["a"]\n[panels.a]\nkind = "flatmap"\n')
    done = CliRunner().invoke(cli.main, ["figure", "panels", str(path), "--out", str(tmp_path / "f.pdf")])
    assert f"no store in {tmp_path / 'nothing here'}" in done.output
