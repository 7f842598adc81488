"""Colour spaces that a file declares without a profile: shown as a browser shows them."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from vision_models.media.photos import read_photo

Photo = NDArray[np.uint8]

# The same two colours in sRGB, in Display P3 and in Adobe RGB.
SRGB = [(40, 160, 60), (200, 60, 50)]
P3 = [(80, 158, 73), (185, 71, 58)]
ADOBE = [(96, 159, 70), (173, 62, 53)]


def two_colours(colours: list[tuple[int, int, int]]) -> Photo:
    return np.array(colours, np.uint8)[None].repeat(40, 0).repeat(20, 1)


def png(photo: Photo, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG with further chunks before its pixels."""
    file = BytesIO()
    Image.fromarray(photo).save(file, "PNG")
    content = file.getvalue()
    extra = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
    return content[:33] + extra + content[33:]


def avif(photo: Photo, primaries: int, transfer: int) -> bytes:
    """An AVIF whose colour box says something else than its writer meant."""
    file = BytesIO()
    Image.fromarray(photo).save(file, "AVIF", quality=100, subsampling="4:4:4")
    before, box, after = file.getvalue().partition(b"colrnclx")
    assert box, "Pillow writes no colour box any more"
    return before + box + struct.pack(">HH", primaries, transfer) + after[4:]


def seen(content: bytes) -> list[tuple[int, ...]]:
    picture = read_photo(content)
    return [tuple(int(value) for value in picture[20, column]) for column in (10, 30)]


def assert_near(content: bytes, expected: list[tuple[int, int, int]], tolerance: int = 2) -> None:
    assert np.abs(np.array(seen(content)) - expected).max() <= tolerance, seen(content)


def test_display_p3_is_converted_in_png_and_avif() -> None:
    assert_near(png(two_colours(P3), (b"cICP", bytes([12, 13, 0, 1]))), SRGB)
    assert_near(avif(two_colours(P3), 12, 13), SRGB, 4)  # AVIF loses a little


def test_what_declares_srgb_or_nothing_stays_as_it_is() -> None:
    for chunks in ((), [(b"cICP", bytes([1, 13, 0, 1]))], [(b"gAMA", struct.pack(">I", 45455))]):
        assert seen(png(two_colours(SRGB), *chunks)) == SRGB


def test_a_png_of_linear_light_is_not_dark() -> None:
    light = (np.array(SRGB) / 255) ** 2.2
    linear = two_colours([tuple(row) for row in np.round(light * 255).astype(int).tolist()])
    assert_near(png(linear, (b"gAMA", struct.pack(">I", 100_000))), SRGB, 12)  # 8 bits of light are coarse
    srgb_wins = png(linear, (b"gAMA", struct.pack(">I", 100_000)), (b"sRGB", b"\0"))
    assert_near(srgb_wins, linear[0, [0, 39]].tolist(), 0)


def test_primaries_of_a_png_count_with_its_gamma() -> None:
    p3 = [31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000]
    chunks = (b"gAMA", struct.pack(">I", 45455)), (b"cHRM", struct.pack(">8I", *p3))
    assert_near(png(two_colours(P3), *chunks), SRGB, 6)  # a power is not quite sRGB's curve


def test_a_camera_set_to_adobe_rgb_without_a_profile_is_read_right(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA005] = {1: "R03", 2: b"0100"}
    Image.fromarray(two_colours(ADOBE)).save(tmp_path / "adobe.jpg", quality=100, subsampling=0, exif=exif)
    assert_near((tmp_path / "adobe.jpg").read_bytes(), SRGB, 4)


@pytest.mark.parametrize("transfer", [16, 18], ids=["PQ", "HLG"])
def test_an_hdr_picture_without_lights_looks_like_the_ordinary_one(transfer: int) -> None:
    light = np.array([0.02, 0.2]) * 203  # of a display, in cd/m^2
    if transfer == 16:
        power = (light / 1e4) ** 0.1593017578125
        codes = ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    else:
        scene = (light / 1e3) ** (1 / 1.2)
        codes = np.where(
            scene <= 1 / 12,
            np.sqrt(3 * scene),
            0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-6)) + 0.55991073,
        )
    greys = two_colours([(value,) * 3 for value in np.round(codes * 255).astype(int).tolist()])
    wanted = np.round(255 * (1.055 * np.array([0.02, 0.2]) ** (1 / 2.4) - 0.055))
    for content in (png(greys, (b"cICP", bytes([9, transfer, 0, 1]))), avif(greys, 9, transfer)):
        assert np.abs(np.array(seen(content))[:, 0] - wanted).max() <= 5


def test_lights_beyond_white_are_compressed_and_not_cut_off() -> None:
    ramp = np.linspace(130, 200, 60).round().astype(np.uint8)[None, :, None].repeat(40, 0).repeat(3, 2)
    shown = read_photo(png(ramp, (b"cICP", bytes([9, 16, 0, 1]))))[20, :, 0].astype(int)
    assert (np.diff(shown) >= 0).all()
    assert shown[-1] >= 250
    assert len(np.unique(shown[-30:])) > 4


@pytest.mark.parametrize(
    "chunk",
    [(b"cICP", b"\x0c"), (b"gAMA", b"\0\0\0\0"), (b"gAMA", b"\xff\xff\xff\xff"), (b"cHRM", bytes(32))],
    ids=["short", "no gamma", "huge gamma", "no primaries"],
)
def test_a_broken_declaration_is_none(chunk: tuple[bytes, bytes]) -> None:
    gamma = [] if chunk[0] != b"cHRM" else [(b"gAMA", struct.pack(">I", 50_000))]
    assert read_photo(png(two_colours(SRGB), chunk, *gamma)).shape == (40, 40, 3)
