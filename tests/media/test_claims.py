"""Files that claim more than they hold are refused before any decoder sets memory aside for it."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from vision_models.errors import PhotoError
from vision_models.media.claims import MAX_SCANS
from vision_models.media.photos import read_photo

GIGABYTES = 4_000_000_000
SHADES = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)


def saved(kind: str, **options: object) -> bytes:
    file = BytesIO()
    Image.fromarray(SHADES).save(file, kind, **options)
    return file.getvalue()


def inflated(data: bytes, name: bytes, before: int, order: str = "big") -> bytes:
    """The file, whose part of that name claims gigabytes; its length lies `before` bytes before (or after) the name."""
    place = data.index(name) - before
    return data[:place] + GIGABYTES.to_bytes(4, order) + data[place + 4 :]  # type: ignore[arg-type]


def scans(count: int) -> bytes:
    data = saved("JPEG", progressive=True)
    last, end = data.rfind(b"\xff\xda"), data.rfind(b"\xff\xd9")
    return data[:end] + data[last:end] * count + data[end:]


def tiff(tag: int, value: int) -> bytes:
    """A TIFF, in one strip or tile, of which one tag says something else."""
    file = BytesIO()
    Image.fromarray(SHADES).save(file, "TIFF")
    data = bytearray(file.getvalue())
    directory = TiffImagePlugin.ImageFileDirectory_v2(bytes(data[:8]))
    place = directory.next
    for entry in range(int.from_bytes(data[place : place + 2], "little")):
        start = place + 2 + 12 * entry
        if int.from_bytes(data[start : start + 2], "little") == tag:
            data[start + 2 : start + 12] = (
                (4).to_bytes(2, "little") + (1).to_bytes(4, "little") + value.to_bytes(4, "little")
            )
    return bytes(data)


LIARS: dict[str, Callable[[], bytes]] = {
    "a PNG's picture": lambda: inflated(saved("PNG"), b"IDAT", 4),
    "a PNG's colour profile": lambda: inflated(saved("PNG", icc_profile=b"x" * 200), b"iCCP", 4),
    "a later frame of a PNG": lambda: inflated(
        saved("PNG", save_all=True, append_images=[Image.fromarray(255 - SHADES)]), b"fdAT", 4
    ),
    "a WebP's picture": lambda: inflated(saved("WebP"), b"VP8 ", -4, "little"),
    "a HEIC's or AVIF's picture": lambda: inflated(saved("AVIF"), b"mdat", 4),
    "a HEIC's or AVIF's list": lambda: inflated(saved("AVIF"), b"iprp", 4),
    "a JPEG's segment": lambda: saved("JPEG")[:-2] + b"\xff\xe1\xff\xff",
    "a TIFF's strip": lambda: tiff(279, GIGABYTES),
    "where a TIFF's strip lies": lambda: tiff(273, GIGABYTES),
}


@pytest.mark.parametrize("liar", LIARS)
def test_a_length_that_ends_behind_the_file_is_damage(liar: str) -> None:
    with pytest.raises(PhotoError, match="damaged or incomplete"):
        read_photo(LIARS[liar]())


def test_a_jpeg_of_thousands_of_scans_is_refused_at_once() -> None:
    with pytest.raises(PhotoError, match="damaged"):
        read_photo(scans(4000))


def test_a_jpeg_of_many_scans_is_read() -> None:
    assert read_photo(scans(MAX_SCANS - 20)).shape == (64, 64, 3)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WebP", "AVIF", "TIFF", "GIF", "BMP"])
def test_honest_files_are_read(kind: str) -> None:
    assert read_photo(saved(kind)).shape == (64, 64, 3)


def test_what_follows_the_end_of_a_picture_is_nobodys_business() -> None:
    """Phones append videos and gain maps to their JPEGs, downloads have rubbish behind them."""
    for kind in ("JPEG", "PNG"):
        assert read_photo(saved(kind) + b"\xff\xda\xff\xff" + b"rest" * 10).shape == (64, 64, 3)
