"""A table of captions: what it says is read, and what is wrong with it is told with the line."""

import pytest

from brainalign import captions


def written(tmp_path, text):
    path = tmp_path / "captions.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_captions_are_read_by_picture(tmp_path):
    path = written(
        tmp_path, 'caption,split,image_id\r\n" A dog, and a ""cat"" ",train,7\r\nZwei Hunde – größer,test,0\r\n\r\n'
    )
    found = captions.read(path)
    assert found == {7: 'A dog, and a "cat"', 0: "Zwei Hunde – größer"}
    assert captions.of(found, (0,), path) == {0: "Zwei Hunde – größer"}
    assert captions.read(written(tmp_path, "image_id;caption\n0;Zwei Hunde, und eine Katze\n")) == {
        0: "Zwei Hunde, und eine Katze"
    }
    assert captions.read(written(tmp_path, b"\xef\xbb\xbfimage_id,caption\n72999,A cat\n")) == {72999: "A cat"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image_id,caption\n3,A dog\n4,  \n", "line 3: the caption of picture 4 is empty"),
        ("image_id,caption\n3,A dog\n4\n", "line 3: the caption of picture 4 is empty"),
        (
            "image_id,caption\n3,A dog\n4,A cat\n3,A hound\n",
            "line 4: picture 3 has a caption in an earlier line too; give one",
        ),
        (
            "image_id,caption\n1,A dog\n73000,A cat\n",
            "'73000', expected a whole number from 0 to 72999; ids are NSD's own",
        ),
        ("image_id,caption\n-1,A dog\n", "line 2: image_id is '-1', expected a whole number"),
        ("image_id,caption\nnsd_03,A dog\n", "line 2: image_id is 'nsd_03', expected a whole number"),
        ("nsdId,caption\n1,A dog\n", "has no column 'image_id'; its first line is nsdId, caption"),
        ("", "has no column 'image_id'; its first line is empty"),
        ("image_id,caption\n", "holds no captions"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, said):
    with pytest.raises(ValueError) as error:
        captions.read(written(tmp_path, text))
    assert said in str(error.value)
    assert "captions.csv" in str(error.value)


def test_ids_that_count_from_one_are_recognised():
    told = {image_id + 1: "A dog" for image_id in (4, 5, 9)}
    with pytest.raises(ValueError, match="of 2 of 3 pictures, the first is 4; its ids seem to count from 1"):
        captions.of(told, (4, 5, 9), "captions.csv")
    with pytest.raises(ValueError, match="of 1 of 3 pictures, the first is 11; add them"):
        captions.of(told, (5, 6, 11), "captions.csv")
