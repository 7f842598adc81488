"""Several photos in, one archive out."""

import zipfile
from pathlib import Path

import pytest

from demos.batch import MOST, NOTE, make_archive
from vision_models.errors import PhotoError


def shout(path: Path, folder: Path) -> Path:
    """Stands in for a network."""
    text = path.read_text()
    if not text:
        raise PhotoError("This photo is empty.")
    file = folder / f"{path.stem}-loud.txt"
    file.write_text(text.upper())
    return file


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def photo(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_every_photo_is_in_the_archive_even_two_of_one_name(tmp_path: Path, out: Path) -> None:
    photos = [photo(tmp_path, "a.jpg", "one"), photo(tmp_path, "other/a.jpg", "two"), photo(tmp_path, "b.jpg", "three")]
    *before, (number, archive, refused) = make_archive(photos, shout, out)
    assert [number for number, _, _ in before] == [0, 1, 2]
    assert (number, refused) == (3, 0)
    assert archive is not None
    with zipfile.ZipFile(archive) as whole:
        assert {name: whole.read(name).decode() for name in whole.namelist()} == {
            "a-loud.txt": "ONE",
            "a-loud-2.txt": "TWO",
            "b-loud.txt": "THREE",
        }
    assert [file.name for file in out.iterdir()] == ["photos.zip"]


def test_one_photo_that_cannot_be_used_costs_none_of_the_others(tmp_path: Path, out: Path) -> None:
    photos = [photo(tmp_path, "empty.jpg", ""), photo(tmp_path, "b.jpg", "three")]
    *_, (_, archive, refused) = make_archive(photos, shout, out)
    assert refused == 1
    assert archive is not None
    with zipfile.ZipFile(archive) as whole:
        assert whole.read(NOTE).decode() == "empty.jpg: This photo is empty.\n"
        assert whole.read("b-loud.txt") == b"THREE"


@pytest.mark.parametrize(
    ("count", "text", "said"),
    [(0, "", "no photos yet"), (MOST + 1, "x", "more than 50"), (2, "", "None of these photos could be used")],
)
def test_nothing_to_do_is_said(count: int, text: str, said: str, tmp_path: Path, out: Path) -> None:
    photos = [photo(tmp_path, f"{number}.jpg", text) for number in range(count)]
    with pytest.raises(PhotoError, match=said):
        list(make_archive(photos, shout, out))
