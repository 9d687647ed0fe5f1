"""Letters of any script in exports: drawn with a font that has them, or said to be missing; and the font asked for."""

import io
import re
import subprocess
import sys

import numpy as np
import pytest
import stores
from PIL import Image

from brainalign import paper, store
from brainalign.paper import export, fonts, page, panels, sheet

CHINESE, JAPANESE, ARABIC = "图片里有什么？请描述。", "この画像には何が写っていますか", "ماذا يوجد في هذه الصورة؟"
TEXTS = {"IC": CHINESE, "VQ1": JAPANESE, "IU3": ARABIC}


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """A store whose instructions are in Chinese, Japanese and Arabic."""
    tables = stores.tables()
    asked = tables["instructions"][0]
    tables["instructions"] = [asked.assign(text=asked.id.map(TEXTS))]
    with store.Store(store.write(tmp_path_factory.mktemp("foreign"), tables, stores.info())) as opened:
        yield opened


def bars(opened):
    return paper.plot(opened, "rois", instructions="IC,VQ1,IU3", regions="faces,places")


@pytest.fixture
def bare(monkeypatch):
    """A machine with the fonts that come with matplotlib and no others."""
    monkeypatch.setattr(fonts, "installed", lambda: [fonts.SHIPPED])
    monkeypatch.setattr(fonts, "_look_again", lambda: None)


def test_letters_that_no_font_has_are_said_on_the_page_and_in_the_caption(foreign, bare, recwarn):
    plot = bars(foreign)
    drawn, said = page.sheet(plot, 180, 100, True)
    assert "No font on this machine has the Chinese and Japanese letters" in said
    assert "Noto Sans CJK SC and Noto Sans CJK JP (on Debian and Ubuntu the package fonts-noto-cjk)" in said
    assert "Arabic" not in said  # the font that comes with matplotlib has it
    written = " ".join(" ".join(drawn.texts()).split())
    assert said in written
    files = export.bundle(plot, foreign, 180, 100)
    assert said in files["caption.txt"].decode()
    assert said in files["rois.png"].decode("latin1") or said.encode("utf-8") in files["rois.png"]
    assert [one for one in recwarn if said in str(one.message)]
    svg = files["rois.svg"].decode()
    assert said not in svg
    assert all(text in svg for text in ("sans-serif", CHINESE, JAPANESE, ARABIC))  # live text


def test_a_figure_whose_letters_are_all_there_says_nothing(foreign, bare):
    plot = paper.plot(foreign, "rois", instructions="IU3")
    drawn, said = page.sheet(plot, 180, 100, True)
    assert said == ""
    assert any(ARABIC in text for text in drawn.texts())


def ink(text, family):
    """The picture of a text, cropped: (height, width) bool."""
    from matplotlib.figure import Figure

    figure, file = Figure(figsize=(4, 0.6), dpi=200), io.BytesIO()
    figure.text(0.02, 0.4, text, family=family)
    figure.savefig(file)
    dark = np.asarray(Image.open(file).convert("L")) < 128
    return dark[:, np.flatnonzero(dark.any(0))[0] : np.flatnonzero(dark.any(0))[-1] + 1]


def test_arabic_is_joined_and_runs_from_right_to_left():
    joined, apart = ink("بيت", [fonts.SHIPPED]), ink("ب\u200cي\u200cت", [fonts.SHIPPED])
    assert joined.shape[1] < 0.8 * apart.shape[1]  # letters have other, narrower forms within a word
    tall = ink("ابب", [fonts.SHIPPED]).sum(0)  # the first letter is a high stroke, the others lie flat
    assert tall[-len(tall) // 4 :].max() > 1.5 * tall[: len(tall) // 4].max()


def test_letters_are_drawn_with_a_font_that_has_them(foreign):
    found, missing = fonts.completed([CHINESE, JAPANESE], [fonts.SHIPPED])
    if missing:
        pytest.skip("no font with Chinese and Japanese letters on this machine")
    assert found[0] == fonts.SHIPPED
    assert len(found) > 1
    drawn, said = page.sheet(bars(foreign), 180, 100, True)
    assert said == ""
    assert found[1] in drawn.page.texts[0].get_fontfamily()
    pdf = paper.render(bars(foreign), foreign, "pdf")
    assert found[1].replace(" ", "").lower().encode() in pdf.lower()  # embedded under its own name


def test_fonts_are_added_only_for_what_is_missing(monkeypatch):
    has = {"Plain": "abc ", "DejaVu Sans": "abcé", "Other": "字", "Noto Sans CJK SC": "字符", "Empty": ""}
    monkeypatch.setattr(fonts, "installed", lambda: sorted(has))
    monkeypatch.setattr(fonts, "letters", lambda font: frozenset(has[font]))
    monkeypatch.setattr(fonts, "_look_again", lambda: None)
    assert fonts.completed(["abé"], ("Plain", "DejaVu Sans")) == (("Plain", "DejaVu Sans"), set())
    assert fonts.completed(["a字\u200d"], ("Plain",)) == (("Plain", "Noto Sans CJK SC"), set())
    assert fonts.completed(["字क"], ("Plain",)) == (("Plain", "Noto Sans CJK SC"), {"क"})
    assert "has the Devanagari letters" in fonts.note({"क"})
    assert "Noto Sans Devanagari (on Debian and Ubuntu the package fonts-noto-core)" in fonts.note({"क"})
    assert fonts.note(set()) == ""


def test_the_usual_font_is_what_journals_ask_for_where_it_is_installed(monkeypatch):
    monkeypatch.setattr(fonts, "installed", lambda: ["Arial", "Courier New", "DejaVu Sans", "Helvetica"])
    assert fonts.chain() == ("Helvetica", "DejaVu Sans")
    assert fonts.chain("courier new ") == ("Courier New", "DejaVu Sans")
    monkeypatch.setattr(fonts, "installed", lambda: ["Arial", "DejaVu Sans"])
    assert fonts.chain() == ("Arial", "DejaVu Sans")
    monkeypatch.setattr(fonts, "installed", lambda: ["DejaVu Sans"])
    assert fonts.chain() == ("DejaVu Sans",)
    with pytest.raises(ValueError, match="no font 'Dejavu Sand' on this machine; did you mean DejaVu Sans"):
        fonts.chain("Dejavu Sand")


def families(svg):
    return set(re.findall(r"font-family: ([^;\"]*)", svg.decode()))


def test_all_text_of_a_figure_has_the_font_asked_for(foreign):
    plot = bars(foreign)
    for kind in ("rois", "layers", "flatmap", "matrix"):
        made = families(paper.render(paper.plot(foreign, kind), foreign, "svg", font="DejaVu Serif"))
        assert made
        assert all(one.startswith("'DejaVu Serif', 'DejaVu Sans'") and one.endswith("sans-serif") for one in made), (
            kind
        )
    pdf = paper.render(plot, foreign, "pdf", font="DejaVu Serif")
    assert b"DejaVuSerif" in pdf


def test_text_is_measured_in_the_font_that_draws_it():
    usual = sheet.text_width("minimum")
    with sheet.drawn_with(("DejaVu Sans Mono",)):
        assert sheet.text_width("minimum") != pytest.approx(usual, rel=0.02)
        assert sheet.text_width("iiii") == pytest.approx(sheet.text_width("mmmm"))
    assert sheet.text_width("minimum") == usual


def test_text_without_spaces_goes_on_in_the_next_line_and_no_line_begins_with_a_full_stop():
    lines = sheet.wrapped(CHINESE * 3, 20).split("\n")
    assert len(lines) > 2
    assert "".join(lines) == CHINESE * 3
    assert all(sheet.text_width(line) <= 20 for line in lines)
    assert not any(line[0] in "。？" for line in lines)
    assert sheet.wrapped("a bb  ccc", 1000) == "a bb  ccc"


def test_a_dollar_is_no_formula(tmp_path):
    tables = stores.tables()
    asked = tables["instructions"][0]
    tables["instructions"] = [asked.assign(text="Is it worth $5 or $10?")]
    with store.Store(store.write(tmp_path, tables, stores.info())) as opened:
        assert "IC · Is it worth $5 or $10?" in paper.render(bars(opened), opened, "svg").decode()


def test_panels_and_the_command_line_take_a_font(foreign, tmp_path):
    text = 'rows = ["a"]\nfont = "DejaVu Serif"\n[panels.a]\nkind = "rois"\n'
    (tmp_path / "figure.toml").write_text(text)
    (tmp_path / "wrong.toml").write_text(text.replace('"DejaVu Serif"', "3"))
    assert panels.read(tmp_path / "figure.toml")["font"] == "DejaVu Serif"
    with pytest.raises(ValueError, match="font is 3; expected a font's name"):
        panels.read(tmp_path / "wrong.toml")
    out = tmp_path / "out.svg"
    paper.command("panels", tmp_path / "figure.toml", out, foreign.path, None, None, False, None, None, None, {})
    assert all(one.startswith("'DejaVu Serif'") for one in families(out.read_bytes()))
    typed = [sys.executable, "-m", "brainalign.cli", "figure", "rois", "--store", str(foreign.path), "--out", str(out)]
    done = subprocess.run([*typed, "--font", "DejaVu Sans Mono"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(one.startswith("'DejaVu Sans Mono'") for one in families(out.read_bytes()))
    done = subprocess.run([*typed, "--font", "Helvetcia Neue 9"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "no font 'Helvetcia Neue 9' on this machine" in done.stderr
