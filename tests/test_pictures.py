"""Pictures of every usual kind are seen as they were meant, and what cannot be is refused with the reason."""

from io import BytesIO

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from brainalign import live, pictures
from brainalign.cli import main

RGB = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
DEEP = np.arange(600, dtype=np.uint16).reshape(20, 30) * 109  # 0 to 65291
EIGHT = np.rint(DEEP / 257)  # the same in 8 bits
ON_WHITE = "what is transparent lies on white"


def encoded(picture, kind="PNG", **options):
    file = BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(file, kind, **options)
    return file.getvalue()


def seen(content, formats=pictures.FORMATS):
    picture, _ = pictures.read(content, formats)
    assert (picture.dtype, picture.shape[2]) == (np.uint8, 3)
    return picture


def test_files_and_bytes_and_what_is_none(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(encoded(RGB))
    np.testing.assert_array_equal(seen(tmp_path / "a.png"), RGB)
    np.testing.assert_array_equal(seen(encoded(RGB)), RGB)
    for content in (b"", b"hello"):
        with pytest.raises(ValueError, match="this file is not a picture that can be read; expected one of PNG, JPEG"):
            pictures.read(content)
    for kind in ("PNG", "JPEG", "TIFF"):
        cut = encoded(RGB, kind)
        with pytest.raises(ValueError, match=f"this file is a damaged {kind} picture; save or copy it again"):
            pictures.read(cut[: len(cut) * 3 // 4])
    with pytest.raises(ValueError, match=r"expected one of PNG, JPEG, WebP$"):
        pictures.read(encoded(RGB, "GIF"), pictures.UPLOADS)
    with pytest.raises(ValueError, match=r"there is no picture .*nothing\.png"):
        pictures.read(tmp_path / "nothing.png")
    monkeypatch.setattr(pictures, "MAX_PIXELS", 500)
    with pytest.raises(ValueError, match="more than"):
        pictures.read(encoded(RGB))
    monkeypatch.setattr(pictures, "MAX_BYTES", 50)
    with pytest.raises(ValueError, match="at most"):
        pictures.read(encoded(RGB))


def test_a_decompression_bomb_is_refused(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match="million pixels"):
        pictures.read(encoded(np.zeros((40, 40, 3), np.uint8)))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_deep_grey_is_scaled_by_its_depth(kind):
    found = seen(encoded(DEEP, kind))
    np.testing.assert_array_equal(found, np.repeat(EIGHT[..., None], 3, 2))
    assert found.max() == 254
    big = encoded(Image.fromarray(DEEP.astype(">u2")), kind)
    np.testing.assert_array_equal(seen(big), found)


def test_deep_tiffs_say_where_white_is():
    np.testing.assert_array_equal(seen(encoded(DEEP, "TIFF", tiffinfo={262: 0}))[..., 0], 255 - EIGHT)
    share = (DEEP / 65535).astype(np.float32)
    np.testing.assert_array_equal(seen(encoded(share, "TIFF"))[..., 0], EIGHT)
    for values in (share * 300, share - 0.1, np.full((2, 2), np.nan, np.float32)):
        with pytest.raises(ValueError, match=r"this file has fractions beyond 0\.\.1, of which nobody knows"):
            pictures.read(encoded(values, "TIFF"))
    with pytest.raises(ValueError, match="32 bits or signed values"):
        pictures.read(encoded(DEEP.astype(np.int32), "TIFF"))


def test_twelve_bits_are_not_sixteen():
    """A TIFF of 2 x 1 pixels of 12 bits: black and white."""
    tags = {256: 2, 257: 1, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: 3}  # of 4 bytes each
    entries = [
        np.array([tag, 4], "<u2").tobytes() + np.array([1, value], "<u4").tobytes() for tag, value in tags.items()
    ]
    head = b"II*\0" + np.array(12, "<u4").tobytes() + bytes([0x00, 0x0F, 0xFF, 0])
    content = b"".join([head, np.array(len(tags), "<u2").tobytes(), *entries, bytes(4)])
    np.testing.assert_array_equal(seen(content), [[[0, 0, 0], [255, 255, 255]]])


@pytest.mark.parametrize("kind", ["PNG", "WebP", "TIFF"])
def test_what_is_transparent_lies_on_white(kind):
    alpha = np.repeat(np.array([0, 85, 255], np.uint8), 10)[None].repeat(20, 0)
    options = {"lossless": True, "exact": True} if kind == "WebP" else {}
    found, notes = pictures.read(encoded(np.dstack([RGB, alpha]), kind, **options))
    share = alpha[..., None] / 255
    np.testing.assert_allclose(found, share * RGB + (1 - share) * 255, atol=1)
    assert (found[:, :10] == 255).all()
    np.testing.assert_array_equal(found[:, 20:], RGB[:, 20:])
    assert notes == (ON_WHITE,)
    grey = np.dstack([RGB[..., 0], alpha])
    found, _ = pictures.read(encoded(grey, kind, **options))
    np.testing.assert_allclose(found[..., 1], share[..., 0] * grey[..., 0] + (1 - share[..., 0]) * 255, atol=1)
    opaque = np.dstack([RGB, np.full((20, 30), 255, np.uint8)])
    found, notes = pictures.read(encoded(opaque, kind, **options))
    np.testing.assert_array_equal(found, RGB)
    assert notes == ()
    with pytest.raises(ValueError, match="transparent everywhere"):
        pictures.read(encoded(np.dstack([RGB, alpha * 0]), kind, **options))


def test_a_colour_may_stand_for_transparent():
    few = np.arange(600, dtype=np.uint8).reshape(20, 30) % 4
    palette = Image.fromarray(few, "P")
    palette.putpalette([9, 9, 9, 250, 0, 0, 0, 250, 0, 0, 0, 250])
    colours = np.array([[9, 9, 9], [250, 0, 0], [0, 250, 0], [0, 0, 250]])
    np.testing.assert_array_equal(seen(encoded(palette)), colours[few])
    colours[2] = 255
    for kind in ("PNG", "GIF"):
        found, notes = pictures.read(encoded(palette, kind, transparency=2))
        np.testing.assert_array_equal(found, colours[few])
        assert notes == (ON_WHITE,)
    half = encoded(palette, transparency=bytes([255, 51, 0, 255]))
    np.testing.assert_allclose(seen(half)[few == 1], np.tile([254, 204, 204], (150, 1)), atol=1)
    np.testing.assert_array_equal(seen(encoded(few, transparency=3))[few == 3], np.full((150, 3), 255))
    hidden = seen(encoded(DEEP, transparency=int(DEEP[3, 4])))[..., 0]
    np.testing.assert_array_equal(hidden, np.where(DEEP[3, 4] == DEEP, 255, EIGHT))
    key = seen(encoded(RGB, transparency=tuple(RGB[5, 6].tolist())))
    assert key[5, 6].tolist() == [255, 255, 255]
    np.testing.assert_array_equal(key[6:], RGB[6:])


def test_inks_and_other_colours():
    inks = np.zeros((16, 24, 4), np.uint8)
    inks[:, :8], inks[:, 8:16], inks[:, 16:, 3] = (255, 0, 0, 0), (0, 255, 255, 0), 204
    meant = np.repeat(np.array([[0, 255, 255], [255, 0, 0], [51, 51, 51]]), 8, 0)[None].repeat(16, 0)
    cmyk = Image.fromarray(inks, "CMYK")
    np.testing.assert_array_equal(seen(encoded(cmyk, "TIFF")), meant)
    adobe = encoded(cmyk, "JPEG", quality=100, subsampling=0)  # Adobe's marker and inverted inks, as Photoshop writes
    assert b"Adobe" in adobe
    np.testing.assert_allclose(seen(adobe).astype(int), meant, atol=3)
    luma = Image.fromarray(meant.astype(np.uint8)).convert("YCbCr")
    np.testing.assert_allclose(seen(encoded(luma, "TIFF")).astype(int), meant, atol=2)
    np.testing.assert_allclose(seen(encoded(luma, "JPEG", quality=100)).astype(int)[:, ::23], meant[:, ::23], atol=4)
    with pytest.raises(ValueError, match="this file has colours in LAB; save it with RGB colours"):
        pictures.read(encoded(Image.new("LAB", (4, 3)), "TIFF"))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF"])
def test_few_bits_and_grey(kind):
    bits = RGB[..., 0] > 127
    np.testing.assert_array_equal(seen(encoded(bits, kind)), np.repeat(bits[..., None] * 255, 3, 2))
    np.testing.assert_array_equal(seen(encoded(RGB[..., 0], kind)), np.repeat(RGB[..., :1], 3, 2))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WebP", "TIFF"])
def test_of_several_frames_the_first_is_taken_and_that_is_said(kind):
    frames = [Image.new("RGB", (30, 20), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if kind == "WebP" else {}
    found, notes = pictures.read(encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options))
    assert (found == [255, 0, 0]).all()
    assert notes == ("of its 3 frames the first is taken",)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_held_sideways_is_turned_upright(kind, orientation):
    stored = np.zeros((16, 24, 3), np.uint8)
    stored[:8, :8] = 200  # a bright corner at the top left
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"tiffinfo": {274: orientation}} if kind == "TIFF" else {"exif": exif}
    found = seen(encoded(stored, kind, **options))
    assert found.shape == ((16, 24, 3) if orientation < 5 else (24, 16, 3))
    corner = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (0, -1), 7: (-1, -1), 8: (-1, 0)}
    bright = [place for place in ((0, 0), (0, -1), (-1, -1), (-1, 0)) if found[place][0] > 100]
    assert bright == [corner[orientation]]


def with_exif(value):
    """A JPEG that lies on its side and has a text for its resolution, as some cameras and editors write."""
    exif = Image.Exif()
    exif[0x0112], exif[0x0131], exif[0x011A] = 6, "an editor", value
    return encoded(RGB, "JPEG", exif=exif)


def test_a_text_for_a_number_in_exif_is_no_matter():
    good = with_exif(72.0)
    broken = good.replace(b"\x01\x1a\x00\x05", b"\x01\x1a\x00\x02")
    assert broken != good
    np.testing.assert_array_equal(seen(broken), seen(good))
    assert seen(broken).shape == (30, 20, 3)


def small_files():
    """Small files of every format and many kinds."""
    exif = Image.Exif()
    exif[0x0112], exif[0x011A], exif[0x010F], exif[0x9003] = 6, 72.0, "camera", "2020:01:01 00:00:00"
    some = Image.fromarray(RGB)
    files = [encoded(some, kind, exif=exif) for kind in ("JPEG", "PNG", "WebP", "TIFF")]
    files += [encoded(DEEP, kind) for kind in ("PNG", "TIFF")]
    files += [encoded(some.convert("P"), kind) for kind in ("PNG", "BMP", "GIF")]
    files += [encoded(some.convert("RGBA"), "WebP"), encoded(some.convert("CMYK"), "JPEG")]
    files += [encoded(some, "GIF", save_all=True, append_images=[Image.new("RGB", (30, 20), "red")])]
    return [*files, encoded(some, "TIFF", compression="tiff_lzw")]


def damaged(content, rng, start, end):
    """The same bytes with one to three places changed, cut out or put in, between start and end."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        place, how = int(rng.integers(start, min(end, len(content)))), rng.integers(8)
        if how == 0:
            del content[place : place + int(rng.integers(1, 9))]
        elif how == 1:
            content[place:place] = rng.bytes(2)
        else:
            content[place] = rng.choice([0, 1, 2, 3, 7, 12, 127, 255, int(rng.integers(256))])
    return bytes(content)


def all_damaged():
    """3,000 files: of every kind and everywhere, and of pictures that lie on their side within their EXIF tags."""
    rng, files, tags = np.random.default_rng(0), small_files(), camera()
    for number in range(1500):
        yield damaged(files[number % len(files)], rng, 0, 10_000)
        yield damaged(tags, rng, tags.index(b"Exif") + 14, tags.index(b"camera") + 40)


def camera():
    exif = Image.Exif()
    exif[0x0112], exif[0x011A], exif[0x011B], exif[0x010F], exif[0x0132] = 6, 72.0, 72.0, "camera", "2020:01:01 00:00"
    exif.get_ifd(0x8769).update({0x829A: 0.01, 0x829D: 2.8, 0x9003: "2020:01:01 00:00", 0x9286: b"a comment"})
    return encoded(RGB, "JPEG", exif=exif)


@pytest.mark.filterwarnings("ignore")  # Pillow's own about damage
def test_every_damaged_file_is_a_picture_or_refused_in_words():
    count, said = 0, set()
    for content in all_damaged():
        try:
            picture, notes = pictures.read(content)
        except ValueError as error:
            said.add(str(error).split(";")[0])
        else:
            count += 1
            assert (picture.dtype, picture.ndim, picture.shape[2]) == (np.uint8, 3, 3)
            assert all(isinstance(note, str) for note in notes)
    assert 1500 < count < 2900
    assert "this file is not a picture that can be read" in said
    assert all(text.startswith("this file ") for text in said)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((3, 40, 40), np.uint8), r"uint8 \(3, 40, 40\), expected .*; its colours come first: np\.moveaxis"),
        (np.zeros((40, 40, 3)), r"float64 \(40, 40, 3\), expected uint8 .*; scale its values to 0\.\.255"),
        (np.zeros((40, 40), np.uint8), r"uint8 \(40, 40\), expected uint8 \(height, width, 3\)$"),
        (np.zeros((40, 40, 4), np.uint8), r"uint8 \(40, 40, 4\), expected uint8 \(height, width, 3\)$"),
        (np.zeros((0, 40, 3), np.uint8), r"uint8 \(0, 40, 3\), expected uint8"),
    ],
)
def test_an_array_that_is_no_picture_is_told_so(picture, message):
    with pytest.raises(ValueError, match=message):
        live.resident("llava-demo").states(picture, "What is it?", "last_prompt")


def test_asking_about_a_file_tells_what_was_done_to_it(tmp_path):
    alpha = np.full((20, 30), 255, np.uint8)
    alpha[:5] = 0
    (tmp_path / "cut.png").write_bytes(encoded(np.dstack([RGB, alpha])))
    done = CliRunner().invoke(main, ["ask", str(tmp_path / "cut.png"), "IU1"])
    assert done.exit_code == 0
    assert done.stderr == f"{ON_WHITE}\n"
    assert done.stdout.strip()
