"""What a person meets who hands in a photo: the right colours the right way up, or one clear sentence.

Every picture is made here, with Pillow, NumPy or OpenCV, except the HEIC, which no library in this
project can write: it is a gradient of our own, encoded once and kept as text.
"""

from __future__ import annotations

import base64
import io
import struct
import sys
import warnings
import zlib
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, UnidentifiedImageError

from vision_models.errors import PhotoError, VisionModelsError
from vision_models.media import photos
from vision_models.media.photos import read_photo, resize_to_fit, write_photo, write_png
from vision_models.media.radiance import read_radiance, write_radiance

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WIDTH, HEIGHT = 64, 48
ORIENTATION = 0x0112

# A smooth ramp whose four corners differ: reads the same after lossy coding, and shows every rotation.
RAMP = np.dstack(
    np.broadcast_arrays(np.arange(WIDTH) * 4, np.arange(HEIGHT)[:, None] * 5, 64),
).astype(np.uint8)

# RAMP as HEIC, lying on its side (orientation 6), cropped by the format's own "clap" box from 64x64.
HEIC = base64.b64decode("""
AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAchtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAA
ADRpbG9jAAAAAERAAAIAAQAAAAAB7AABAAAAAAAAAG8AAgAAAAACWwABAAAAAAAAACQAAAA4aWluZgAAAAAAAgAAABVpbmZlAgAA
AAABAABodmMxAAAAABVpbmZlAgAAAQACAABFeGlmAAAAAA5waXRtAAAAAAABAAABB2lwcnAAAADmaXBjbwAAAHZodmNDAQNwAAAA
kAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq
5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xh
cAAAAEAAAAABAAAAMAAAAAEAAAAAAAAAAv////AAAAACAAAAEHBpeGkAAAAAAwgICAAAAAlpcm90AwAAABlpcG1hAAAAAAAAAAEA
AQaBAgMFhIYAAAAaaXJlZgAAAAAAAAAOY2RzYwACAAEAAQAAAJttZGF0AAAAaygBrxOA9UU941XBs/sF0d8lgisB7/a5H37pv6xI
gtPG1jUuPwNdP/knXIa1bhpi47gX0hzdWqvpCY/bR8d4Syv82dVET+qYZwAtTdcNHTBMLD3r1MOMih4vyo/bGEckt6xdjpioC9sV
CpqLAAAABkV4aWYAAE1NACoAAAAIAAEBEgADAAAAAQAGAAAAAAAA
""")


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def flat(mode: str, colour: str | float | tuple[int, ...]) -> Image.Image:
    return Image.new(mode, (WIDTH, HEIGHT), colour)


def through_opencv(ending: str, values: np.ndarray) -> bytes:
    """The bytes of a PNG or TIFF of 16-bit values in RGB order, which Pillow cannot write."""
    if values.ndim == 3:
        values = np.ascontiguousarray(values[..., [2, 1, 0, 3][: values.shape[2]]])
    return cv2.imencode(ending, values)[1].tobytes()


def with_tiff_tag(tiff: bytes, tag: int, old: int, new: int) -> bytes:
    """Change the value of one tag in a little-endian TIFF."""
    for kind in (3, 4):  # a short or a long, as the writer pleases
        tiff = tiff.replace(struct.pack("<HHII", tag, kind, 1, old), struct.pack("<HHII", tag, kind, 1, new))
    assert struct.pack("<II", 1, new) in tiff
    return tiff


def with_png_chunk(png: bytes, name: bytes, data: bytes) -> bytes:
    """Insert a chunk before the pixels."""
    chunk = struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    start = png.index(b"IDAT") - 4
    return png[:start] + chunk + png[start:]


def claiming_size(kind: str, width: int, height: int) -> bytes:
    """A tiny file whose header announces another size."""
    data = encoded(Image.fromarray(RAMP), kind)
    little, big = struct.Struct("<HH"), struct.Struct(">HH")
    if kind == "PNG":
        header = b"IHDR" + struct.pack(">II", width, height) + data[24:29]
        return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]
    if kind == "BMP":
        return data.replace(struct.pack("<ii", WIDTH, HEIGHT), struct.pack("<ii", width, height), 1)
    if kind == "GIF":
        return data.replace(little.pack(WIDTH, HEIGHT), little.pack(width, height))
    if kind == "WEBP":
        return data.replace(little.pack(WIDTH, HEIGHT), little.pack(width, height), 1)
    if kind == "TIFF":
        return with_tiff_tag(with_tiff_tag(data, 256, WIDTH, width), 257, HEIGHT, height)
    return data.replace(big.pack(HEIGHT, WIDTH), big.pack(height, width), 1)


def sentence_for(source: Any) -> str:
    """The text of the refusal; the source must be refused, silently otherwise."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(PhotoError) as refusal:
            read_photo(source)
    return str(refusal.value)


# --- what is refused, beginning with nothing at all ---


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "This file is empty. Please choose the photo again."),
        (b"\0", "This file is not a photo that can be read here. Please use a JPEG, PNG, WebP or HEIC photo."),
        (b"Dear diary, today it rained.", "This file is not a photo that can be read here."),
        (b"<html><body>404</body></html>", "This file is not a photo that can be read here."),
        (b"%PDF-1.7\n%\xe2\xe3", "This is a PDF document, not a photo. Please export its page as JPEG or PNG"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "This is an SVG drawing, not a photo. Please export it as PNG"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- hi -->\n<svg/>', "This is an SVG drawing"),
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41", "This is a video, not a photo. Please save one of its frames"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "This is a video"),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81\1", "This is a video"),
        (b"RIFF\x24\0\0\0AVI LIST", "This is a video"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "This file is not a photo that can be read here."),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "This is a camera raw file. Please export it as JPEG"),
        (b"II*\0\x10\0\0\0CR\2\0" + bytes(40), "This kind of TIFF cannot be read here. Please save it as JPEG or as"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 48\n", "This file is not a photo that can be read here."),
        (b"BMW is a car maker", "This photo is damaged or incomplete. Please save or download it again"),
        (b"\xff\xd8\xff", "This photo is damaged or incomplete."),
        (b"\x89PNG\r\n\x1a\n", "This photo is damaged or incomplete."),
        (b"GIF89a", "This photo is damaged or incomplete."),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "This photo is damaged or incomplete."),
        (b"\0\0\0\x18ftypavif\0\0\0\0mif1avif", "This photo is damaged or incomplete."),
    ],
)
def test_a_file_that_is_no_photo_gets_one_clear_sentence(content: bytes, sentence: str) -> None:
    assert sentence_for(content).startswith(sentence)


def test_a_missing_file_and_a_folder_get_a_sentence_without_their_path(tmp_path: Path) -> None:
    assert sentence_for(tmp_path / "gone.jpg") == "This photo cannot be found. Please choose it again."
    assert sentence_for(tmp_path) == "This is a folder, not a photo. Please choose one photo in it."
    assert sentence_for("null\0byte") == "This photo cannot be opened. Please choose it again, or another one."
    assert sentence_for("x" * 5000) == "This photo cannot be opened. Please choose it again, or another one."


@pytest.mark.parametrize("source", [None, 3, RAMP])
def test_a_programmer_who_passes_something_else_is_told_what_to_pass(source: Any) -> None:
    with pytest.raises(TypeError, match=f"a path, bytes or a binary file, not {type(source).__name__}"):
        read_photo(source)


@pytest.mark.parametrize(
    ("width", "height", "sentence"),
    [
        (1, 1, "This photo is only 1 × 1 pixels; at least 32 × 32 are needed. Please choose a larger one."),
        (31, 4000, "This photo is only 31 × 4000 pixels; at least 32 × 32 are needed."),
        (4000, 31, "This photo is only 4000 × 31 pixels"),
        (5000, 10_001, "This photo has 50.1 megapixels; the limit is 50. Please make it smaller and try again."),
        (12_000, 9_000, "This photo has 108 megapixels; the limit is 50. Please make it smaller and try again."),
        (65_000, 65_000, "This photo has 4,225 megapixels; the limit is 50."),
    ],
)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP"])
def test_a_photo_of_the_wrong_size_is_refused_by_its_header(kind: str, width: int, height: int, sentence: str) -> None:
    if kind == "WEBP" and max(width, height) >= 2**14:
        width = height = 16_000
        sentence = "This photo has 256 megapixels"
    # The file is a few hundred bytes: whatever decodes before looking at the size says "damaged" instead.
    assert sentence_for(claiming_size(kind, width, height)).startswith(sentence)


def test_a_gif_whose_frame_is_larger_than_its_screen_is_refused() -> None:
    gif = encoded(Image.fromarray(RAMP).convert("P"), "GIF")
    frame = struct.pack("<HHHH", 0, 0, WIDTH, HEIGHT)
    assert frame in gif
    sentence = sentence_for(gif.replace(frame, struct.pack("<HHHH", 0, 0, 65_000, 65_000)))
    assert sentence == "This photo has more than 50 megapixels. Please make it smaller and try again."


def test_a_file_that_is_far_too_long_is_refused_without_reading_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photos, "MAX_BYTES", 2_000_000)
    path = tmp_path / "long.png"
    with path.open("wb") as file:
        file.truncate(2_000_001)
    assert sentence_for(path) == "This file is larger than 2 MB. Please make the photo smaller and try again."


NOISE = Image.fromarray(np.random.default_rng(7).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8))
WHOLE = {
    "JPEG": encoded(NOISE, "JPEG"),
    "progressive JPEG": encoded(NOISE, "JPEG", progressive=True),
    "PNG": encoded(NOISE, "PNG"),
    "16-bit PNG": through_opencv(".png", np.asarray(NOISE).astype(np.uint16) * 257),
    "WebP": encoded(NOISE, "WEBP"),
    "lossless WebP": encoded(NOISE, "WEBP", lossless=True),
    "GIF": encoded(NOISE, "GIF"),
    "BMP": encoded(NOISE, "BMP"),
    "TIFF": encoded(NOISE, "TIFF"),
    "LZW TIFF": encoded(NOISE, "TIFF", compression="tiff_lzw"),
    "AVIF": encoded(NOISE, "AVIF"),
    "HEIC": HEIC,
}


@pytest.mark.parametrize("left", [0.98, 0.6, 0.3, 0.05])
@pytest.mark.parametrize("kind", WHOLE)
def test_half_a_photo_is_refused_and_not_shown(kind: str, left: float) -> None:
    whole = WHOLE[kind]
    assert min(read_photo(whole).shape[:2]) == HEIGHT
    if kind == "HEIC" and left > 0.9:  # only Exif is cut off; the picture is whole
        return
    with pytest.raises(PhotoError) as refusal:
        read_photo(whole[: int(len(whole) * left)])
    assert "Please save" in str(refusal.value)


def test_a_refusal_is_an_error_of_this_package_and_keeps_its_cause() -> None:
    with pytest.raises(VisionModelsError) as refusal:
        read_photo(WHOLE["PNG"][:200])
    assert isinstance(refusal.value, ValueError)
    assert refusal.value.__cause__ is not None


@pytest.mark.parametrize("library", ["pi_heif", "PIL.AvifImagePlugin"])
def test_a_format_whose_decoder_is_not_installed_is_named(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    kind = "HEIC" if library == "pi_heif" else "AVIF"
    assert sentence_for(WHOLE[kind]) == (
        f"{kind} photos cannot be read on this machine. Please save it as JPEG and try again."
    )


@pytest.mark.parametrize(
    ("why", "tiff"),
    [
        ("32-bit floats", encoded(flat("F", 0.5), "TIFF")),
        ("32-bit integers", encoded(flat("I", 70_000), "TIFF")),
        ("L*a*b*", encoded(flat("LAB", (128, 128, 128)), "TIFF")),
        ("float colour", through_opencv(".tiff", np.full((HEIGHT, WIDTH, 3), 0.5, np.float32))),
        (
            "16 bits in separate planes",
            with_tiff_tag(through_opencv(".tiff", np.zeros((HEIGHT, WIDTH, 3), np.uint16)), 284, 1, 2),
        ),
    ],
)
def test_a_tiff_of_numbers_rather_than_colours_is_refused(why: str, tiff: bytes) -> None:
    expected = "This kind of TIFF cannot be read here. Please save it as JPEG or as 8-bit PNG and try again."
    assert sentence_for(tiff) == expected, why


@pytest.mark.parametrize("tags", [{254: 1}, {50706: b"\1\4\0\0"}])
def test_a_camera_raw_file_is_refused_instead_of_showing_its_thumbnail(tags: dict[int, object]) -> None:
    thumbnail = encoded(Image.fromarray(RAMP), "TIFF", tiffinfo=tags)
    assert sentence_for(thumbnail) == "This is a camera raw file. Please export it as JPEG and try again."


def test_a_tag_of_the_wrong_type_is_no_crash() -> None:
    tiff = encoded(Image.fromarray(RAMP), "TIFF", tiffinfo={254: 0})
    as_integer, as_float = (struct.pack("<HHI", 254, kind, 1) for kind in (4, 11))
    assert as_integer in tiff
    assert sentence_for(tiff.replace(as_integer, as_float)).startswith("This photo is damaged or incomplete.")


# --- what is read ---


@pytest.mark.parametrize(
    ("kind", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("TIFF", {"compression": "tiff_adobe_deflate"}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("JPEG", {"quality": 95}, 12),
        ("JPEG", {"quality": 95, "progressive": True}, 12),
        ("WEBP", {"quality": 95}, 20),
        ("AVIF", {"quality": 95}, 12),
    ],
)
def test_every_format_gives_the_same_picture(kind: str, options: dict[str, Any], tolerance: int) -> None:
    image = read_photo(encoded(Image.fromarray(RAMP), kind, **options))
    assert image.shape == RAMP.shape
    assert image.dtype == np.uint8
    np.testing.assert_allclose(image.astype(int), RAMP, atol=tolerance)


def test_an_iphones_heic_is_read_cropped_and_turned_upright() -> None:
    image = read_photo(HEIC)
    assert image.shape == (WIDTH, HEIGHT, 3)
    np.testing.assert_allclose(image.astype(int), np.rot90(RAMP, -1), atol=12)


@pytest.mark.parametrize("item", [b"Ex\xfff\0", b"\x80xif\0"])
def test_a_heic_with_broken_text_in_its_list_of_items_does_not_end_the_process(item: bytes) -> None:
    assert sentence_for(HEIC.replace(b"Exif\0", item, 1)).startswith("This photo is damaged")
    large = HEIC.replace(b"\0\0\0\x15infe", b"\0\0\0\1infe")
    assert sentence_for(large).startswith("This photo is damaged")


def test_reading_registers_nothing_with_pillow() -> None:
    read_photo(HEIC)
    with pytest.raises(UnidentifiedImageError):
        Image.open(io.BytesIO(HEIC))


@pytest.mark.parametrize("how", ["str", "Path", "bytes", "bytearray", "BytesIO", "open file", "pipe"])
def test_a_photo_can_come_as_path_bytes_or_file(how: str, tmp_path: Path) -> None:
    data = encoded(Image.fromarray(RAMP), "PNG")
    path = tmp_path / "no ending"
    path.write_bytes(data)

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    with path.open("rb") as file:
        file.read(5)
        sources: dict[str, Any] = {
            "str": str(path),
            "Path": path,
            "bytes": data,
            "bytearray": bytearray(data),
            "BytesIO": io.BytesIO(data),
            "open file": file,
            "pipe": Pipe(data),
        }
        assert (read_photo(sources[how]) == RAMP).all()
        assert not file.closed


def test_the_array_can_be_changed_by_its_new_owner() -> None:
    image = read_photo(encoded(Image.fromarray(RAMP), "PNG"))
    image[0, 0] = 255
    assert image.flags.c_contiguous
    assert image[0, 0].tolist() == [255, 255, 255]


UPRIGHT = {
    1: RAMP,
    2: RAMP[:, ::-1],
    3: RAMP[::-1, ::-1],
    4: RAMP[::-1],
    5: RAMP.swapaxes(0, 1),
    6: np.rot90(RAMP, -1),
    7: RAMP[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90(RAMP),
    9: RAMP,  # not in the standard
}


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG", "AVIF"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_phone_photo_is_turned_upright(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    losses: dict[str, dict[str, Any]] = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95}}
    image = read_photo(encoded(Image.fromarray(RAMP), kind, exif=exif, **losses.get(kind, {})))
    expected = UPRIGHT[orientation]
    assert image.shape == expected.shape
    np.testing.assert_allclose(image.astype(int), expected, atol=16 if kind in {"JPEG", "AVIF"} else 0)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_16_bit_photo_is_turned_upright_once(kind: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    grey = RAMP[..., 0]
    image = read_photo(encoded(Image.fromarray(grey.astype(np.uint16) * 257), kind, exif=exif))
    assert (image == np.rot90(grey, -1)[..., None]).all()


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff"])
def test_broken_metadata_does_not_cost_the_picture(exif: bytes) -> None:
    image = read_photo(encoded(Image.fromarray(RAMP), "PNG", exif=exif))
    assert (image == RAMP).all()


@pytest.mark.parametrize(
    ("what", "image", "colour"),
    [
        ("1 bit, black", flat("1", 0), (0, 0, 0)),
        ("1 bit, white", flat("1", 1), (255, 255, 255)),
        ("grey", flat("L", 128), (128, 128, 128)),
        ("grey, half transparent", flat("LA", (0, 128)), (127, 127, 127)),
        ("grey, transparent", flat("LA", (40, 0)), (255, 255, 255)),
        ("grey, opaque", flat("LA", (40, 255)), (40, 40, 40)),
        ("colour, opaque", flat("RGBA", (10, 20, 30, 255)), (10, 20, 30)),
        ("colour, transparent", flat("RGBA", (10, 20, 30, 0)), (255, 255, 255)),
        ("red, half transparent", flat("RGBA", (255, 0, 0, 128)), (255, 127, 127)),
        ("palette", flat("RGB", (200, 100, 50)).convert("P", palette=Image.Palette.ADAPTIVE), (200, 100, 50)),
    ],
)
def test_grey_palette_and_transparent_pngs_lie_on_white_paper(
    what: str, image: Image.Image, colour: tuple[int, int, int]
) -> None:
    read = read_photo(encoded(image, "PNG"))
    np.testing.assert_allclose(read[5, 5].astype(int), colour, atol=1, err_msg=what)
    assert (read == read[0, 0]).all()


def test_the_transparent_entries_of_a_palette_become_white_too() -> None:
    palette = flat("P", 0)
    palette.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200])
    palette.paste(1, (0, 0, WIDTH, 10))
    palette.paste(2, (0, 10, WIDTH, 20))
    for transparency in (b"\xff\x00\x80", 1):  # an opacity for each entry; one entry that is not there
        image = read_photo(encoded(palette, "PNG", transparency=transparency))
        assert image[40, 5].tolist() == [200, 0, 0]
        assert image[5, 5].tolist() == [255, 255, 255]
    assert image[15, 5].tolist() == [0, 0, 200]
    keyed = read_photo(encoded(flat("RGB", (1, 2, 3)), "PNG", transparency=(1, 2, 3)))
    assert keyed[5, 5].tolist() == [255, 255, 255]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_of_an_animation_the_first_frame_is_read(kind: str) -> None:
    frames = [flat("RGB", colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    image = read_photo(encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options))
    assert image.shape == (HEIGHT, WIDTH, 3)
    np.testing.assert_allclose(image[20, 20].astype(int), (255, 0, 0), atol=3)


# --- 16 bits ---

DEEP_LEVELS = np.array([0, 128, 129, 1000, 32_768, 65_000, 65_406, 65_407, 65_535], np.uint16)
ROUNDED = np.rint(DEEP_LEVELS / 257).astype(np.uint8)
DEEP_GREY = np.resize(DEEP_LEVELS, (HEIGHT, DEEP_LEVELS.size * 5))


@pytest.mark.parametrize("ending", [".png", ".tiff"])
def test_16_bit_photos_are_rounded_neither_clipped_nor_truncated(ending: str) -> None:
    grey = read_photo(through_opencv(ending, DEEP_GREY))
    assert ROUNDED[4] == 128
    assert (grey[0, :9] == ROUNDED[:, None]).all()

    colour = np.dstack([DEEP_GREY, DEEP_GREY[:, ::-1], DEEP_GREY // 2])
    expected = np.rint(colour / 257).astype(np.uint8)
    assert (read_photo(through_opencv(ending, colour)) == expected).all()

    alpha = np.full_like(DEEP_GREY, 65_535)
    alpha[:, :5] = 0
    image = read_photo(through_opencv(ending, np.dstack([colour, alpha])))
    assert (image[:, :5] == 255).all()
    assert (image[:, 5:] == expected[:, 5:]).all()


def test_a_transparent_colour_of_a_16_bit_png_becomes_white() -> None:
    png = through_opencv(".png", np.full((HEIGHT, WIDTH, 3), (1000, 2000, 3000), np.uint16))
    assert (read_photo(png) == (4, 8, 12)).all()
    assert (read_photo(with_png_chunk(png, b"tRNS", struct.pack(">HHH", 1000, 2000, 3000))) == 255).all()


@pytest.mark.parametrize("bits", [8, 16])
def test_a_scan_whose_zero_means_white_is_not_shown_as_a_negative(bits: int) -> None:
    values = np.full((HEIGHT, WIDTH), 60 if bits == 8 else 60 * 257, np.uint8 if bits == 8 else np.uint16)
    tiff = encoded(Image.fromarray(values), "TIFF")
    assert (read_photo(tiff) == 60).all()
    assert (read_photo(with_tiff_tag(tiff, 262, 1, 0)) == 195).all()


# --- colour spaces ---


def profile_with(**tags: tuple[float, float, float]) -> bytes:
    """sRGB's profile with some of its primaries exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for entry in range(132, 132 + 12 * struct.unpack_from(">I", profile, 128)[0], 12):
        name, offset, _ = struct.unpack_from(">4sII", profile, entry)
        if name.decode() in tags:
            struct.pack_into(">3i", profile, offset + 8, *(round(v * 65_536) for v in tags[name.decode()]))
    return bytes(profile)


SRGB = profile_with()
DISPLAY_P3 = profile_with(
    rXYZ=(0.51512, 0.24120, -0.00105), gXYZ=(0.29198, 0.69225, 0.04189), bXYZ=(0.15710, 0.06657, 0.78407)
)


def p3_to_srgb(colour: tuple[int, int, int]) -> np.ndarray:
    """The same colour in sRGB, by the definition of both spaces (they share their tone curve)."""
    encoded_p3 = np.array(colour) / 255
    linear = np.where(encoded_p3 <= 0.04045, encoded_p3 / 12.92, ((encoded_p3 + 0.055) / 1.055) ** 2.4)
    matrix = np.array([[1.22494, -0.22494, 0], [-0.04206, 1.04206, 0], [-0.01964, -0.07864, 1.09827]])
    linear = np.clip(matrix @ linear, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("colour", [(255, 0, 0), (180, 60, 50), (200, 160, 140), (30, 120, 60), (90, 90, 90)])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_an_iphones_display_p3_colours_are_converted(kind: str, colour: tuple[int, int, int]) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    image = read_photo(encoded(flat("RGB", colour), kind, icc_profile=DISPLAY_P3, **options))
    np.testing.assert_allclose(image[5, 5].astype(float), p3_to_srgb(colour), atol=1.6)


def test_skin_in_display_p3_is_redder_than_its_numbers_say() -> None:
    skin = read_photo(encoded(flat("RGB", (200, 160, 140)), "PNG", icc_profile=DISPLAY_P3))[5, 5]
    assert skin[0] > 200 + 4
    assert skin[2] < 140 - 1


def test_p3_conversion_keeps_transparency_and_16_bits_and_rotation() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    half = Image.fromarray(np.dstack([np.full((HEIGHT, WIDTH, 3), (180, 60, 50)), RAMP[..., 0]]).astype(np.uint8))
    image = read_photo(encoded(half, "PNG", icc_profile=DISPLAY_P3, exif=exif))
    assert image.shape == (WIDTH, HEIGHT, 3)
    alpha = RAMP[0, :, :1] / 255
    np.testing.assert_allclose(image[:, 7], p3_to_srgb((180, 60, 50)) * alpha + 255 * (1 - alpha), atol=2)

    png = through_opencv(".png", np.full((HEIGHT, WIDTH, 3), np.array([180, 60, 50]) * 257, np.uint16))
    deep = with_png_chunk(png, b"iCCP", b"P3\0\0" + zlib.compress(DISPLAY_P3))
    np.testing.assert_allclose(read_photo(deep)[5, 5].astype(float), p3_to_srgb((180, 60, 50)), atol=1.6)


def test_grey_and_palette_pictures_follow_their_profile_too() -> None:
    grey = read_photo(encoded(flat("L", 90), "PNG", icc_profile=DISPLAY_P3))
    np.testing.assert_allclose(grey[5, 5].astype(int), (90, 90, 90), atol=1)
    palette = flat("RGB", (180, 60, 50)).convert("P", palette=Image.Palette.ADAPTIVE)
    colour = read_photo(encoded(palette, "PNG", icc_profile=DISPLAY_P3))
    np.testing.assert_allclose(colour[5, 5].astype(float), p3_to_srgb((180, 60, 50)), atol=1.6)


def grey_profile(gamma: float) -> bytes:
    """The smallest grey ICC profile: a white point and a tone curve."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63_190, 65_536, 54_061)
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    tags = struct.pack(">I4sII4sII", 2, b"wtpt", 156, len(white), b"kTRC", 156 + len(white), len(curve))
    body = tags + white + curve
    header = struct.pack(">I4sI4s4s4s", 128 + len(body), b"\0\0\0\0", 0x02400000, b"mntr", b"GRAY", b"XYZ ")
    header += (
        struct.pack(">6H4s", 2024, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + struct.pack(">3i", 63_190, 65_536, 54_061)
    )
    return header.ljust(128, b"\0") + body


def test_a_grey_scan_follows_its_grey_profile() -> None:
    image = read_photo(encoded(flat("L", 128), "PNG", icc_profile=grey_profile(1.0)))
    np.testing.assert_allclose(image[5, 5].astype(int), (188, 188, 188), atol=1)  # half the light is level 188
    translucent = read_photo(encoded(flat("LA", (128, 255)), "PNG", icc_profile=grey_profile(1.0)))
    np.testing.assert_allclose(translucent[5, 5].astype(int), (188, 188, 188), atol=1)


@pytest.mark.parametrize(
    "profile",
    [
        SRGB,
        b"",
        b"not a profile",
        DISPLAY_P3[:200],
        DISPLAY_P3[:128] + bytes(400),
        DISPLAY_P3.replace(b"RGB ", b"CMYK", 1),
        DISPLAY_P3.replace(b"RGB ", b"ZZZZ", 1),
        DISPLAY_P3.replace(b"RGB ", b"\xffGB ", 1),
        grey_profile(1.0),
    ],
    ids=["sRGB", "empty", "text", "truncated", "zeros", "says CMYK", "says nonsense", "says no text", "grey"],
)
def test_pixels_are_untouched_by_srgb_and_by_profiles_that_are_broken_or_not_theirs(profile: bytes) -> None:
    assert (read_photo(encoded(Image.fromarray(RAMP), "PNG", icc_profile=profile)) == RAMP).all()


@pytest.mark.parametrize(
    ("cmyk", "rgb"),
    [
        ((0, 0, 0, 0), (255, 255, 255)),
        ((0, 0, 0, 255), (0, 0, 0)),
        ((0, 255, 255, 0), (255, 0, 0)),
        ((255, 0, 255, 0), (0, 255, 0)),
        ((128, 64, 0, 64), (95, 143, 191)),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_print_files_in_cmyk_keep_their_colours(kind: str, cmyk: tuple[int, ...], rgb: tuple[int, int, int]) -> None:
    options = {"quality": 100} if kind == "JPEG" else {}
    image = read_photo(encoded(flat("CMYK", cmyk), kind, **options))
    np.testing.assert_allclose(image[5, 5].astype(int), rgb, atol=2)


def test_the_jpegs_of_photoshop_in_ycck_keep_their_colours() -> None:
    # YCCK takes the amounts of cyan, magenta and yellow ink for red, green and blue and stores their YCbCr.
    # Write those numbers as if they were inks (inverted, as Adobe does), then let Adobe's marker say what they are.
    stored = [c.point(lambda v: 255 - v) for c in flat("RGB", (0, 255, 255)).convert("YCbCr").split()]
    cmyk = encoded(Image.merge("CMYK", [*stored, flat("L", 0)]), "JPEG", quality=100)
    marker = b"Adobe\0\x64\0\0\0\0"
    assert marker + b"\0" in cmyk
    image = read_photo(cmyk.replace(marker + b"\0", marker + b"\2"))
    np.testing.assert_allclose(image[5, 5].astype(int), (255, 0, 0), atol=3)


def ink_profile() -> bytes:
    """A CMYK profile (lut8, two points per ink) for a press whose inks are all the same grey dye."""
    curves = bytes(range(256)) * 4
    lightness = [255 - 60 * inks.bit_count() for inks in range(16)]
    table = b"".join(bytes((level, 128, 128)) for level in lightness)
    matrix = struct.pack(">9i", 65_536, 0, 0, 0, 65_536, 0, 0, 0, 65_536)
    lut = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + matrix + curves + table + bytes(range(256)) * 3
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63_190, 65_536, 54_061)
    tags = struct.pack(">I4sII4sII", 2, b"wtpt", 156, len(white), b"A2B0", 156 + len(white), len(lut))
    body = tags + white + lut
    header = struct.pack(">I4sI4s4s4s", 128 + len(body), b"\0\0\0\0", 0x02400000, b"prtr", b"CMYK", b"Lab ")
    header += (
        struct.pack(">6H4s", 2024, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + struct.pack(">3i", 63_190, 65_536, 54_061)
    )
    return header.ljust(128, b"\0") + body


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_print_files_follow_the_profile_of_their_press(kind: str) -> None:
    paper, ink = (
        read_photo(encoded(flat("CMYK", inks), kind, icc_profile=ink_profile()))[5, 5].astype(int)
        for inks in ((0, 0, 0, 0), (0, 255, 0, 0))
    )
    assert paper.min() > 250
    assert 170 < ink.mean() < 200  # L* = 76, and not magenta: without the profile this would be (255, 0, 255)
    assert np.ptp(ink) <= 3


# --- writing ---


@pytest.mark.parametrize("shape", [(1, 1), (HEIGHT, WIDTH), (33, 100)])
def test_a_png_comes_back_bit_for_bit(shape: tuple[int, int], tmp_path: Path) -> None:
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    path = write_png(image, tmp_path / "picture.png")
    assert path == tmp_path / "picture.png"
    with Image.open(path) as written:
        assert written.format == "PNG"
        assert (np.asarray(written) == image).all()
    write_png(image[::-1, ::-1], path)  # a view, over an existing file
    with Image.open(path) as written:
        assert (np.asarray(written) == image[::-1, ::-1]).all()


@pytest.mark.parametrize(
    ("image", "seen"),
    [
        (np.zeros((0, 0), np.uint8), r"uint8 \(0, 0\)"),
        (np.zeros((4, 4, 4), np.uint8), r"uint8 \(4, 4, 4\)"),
        (np.zeros((4, 4, 3), np.float32), r"float32 \(4, 4, 3\)"),
        ([[0]], "list"),
    ],
)
def test_only_pictures_are_written_as_png(image: Any, seen: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"uint8 array of shape \(height, width, 3\), not {seen}"):
        write_png(image, tmp_path / "picture.png")


RADIANCE = np.exp2(np.random.default_rng(2).uniform(-12, 12, (HEIGHT, WIDTH, 3))).astype(np.float32)


@pytest.mark.parametrize("ending", [".exr", ".EXR", ".hdr"])
def test_radiance_comes_back_as_precisely_as_its_format_can(ending: str, tmp_path: Path) -> None:
    path = write_radiance(RADIANCE, tmp_path / f"scene{ending}")
    read = read_radiance(path)
    assert path == tmp_path / f"scene{ending}"
    assert read.dtype == np.float32
    assert read.shape == RADIANCE.shape
    if ending == ".hdr":  # the three channels share the exponent of the brightest
        assert (np.abs(read - RADIANCE) <= RADIANCE.max(axis=2, keepdims=True) / 128).all()
    else:
        np.testing.assert_allclose(read, RADIANCE, rtol=2**-11)


@pytest.mark.parametrize(("ending", "brightest"), [(".exr", 65_504), (".hdr", 2.0**126)])
def test_radiance_beyond_the_format_becomes_its_limits(ending: str, brightest: float, tmp_path: Path) -> None:
    scene = np.array([[[-1, 0, 3e38], [0, 0, 0]]], np.float32)
    read = read_radiance(write_radiance(scene, tmp_path / f"scene{ending}"))
    assert read.tolist() == [[[0, 0, brightest], [0, 0, 0]]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_radiance_that_is_not_finite_is_not_written(value: float, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not finite"):
        write_radiance(np.full((4, 4, 3), value, np.float32), tmp_path / "scene.hdr")
    assert not (tmp_path / "scene.hdr").exists()


@pytest.mark.parametrize("name", ["scene", "scene.png", "scene.hdr.txt"])
def test_radiance_needs_one_of_two_endings(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.exr or \.hdr files; the name .* ends in neither"):
        write_radiance(RADIANCE, tmp_path / name)
    with pytest.raises(ValueError, match=r"\.exr or \.hdr"):
        read_radiance(tmp_path / name)


@pytest.mark.parametrize("write", [write_png, write_radiance])
@pytest.mark.parametrize("ending", [".exr", ".hdr"])
def test_a_folder_that_does_not_exist_is_an_ordinary_error(
    write: Callable[[np.ndarray, Path], Path], ending: str, tmp_path: Path
) -> None:
    path = tmp_path / "nowhere" / f"scene{ending}"
    with pytest.raises(FileNotFoundError):
        write(RAMP if write is write_png else RADIANCE, path)
    with pytest.raises(FileNotFoundError):
        read_radiance(path)


def test_exr_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    for use in (lambda path: write_radiance(RADIANCE, path), read_radiance):
        with pytest.raises(ModuleNotFoundError, match="pip install OpenEXR"):
            use(tmp_path / "scene.exr")
    assert not (tmp_path / "scene.exr").exists()


@pytest.mark.parametrize("ending", [".exr", ".hdr"])
@pytest.mark.parametrize("left", [0, 5, 400, -1])
def test_half_a_radiance_file_is_refused(ending: str, left: int, tmp_path: Path) -> None:
    path = write_radiance(RADIANCE, tmp_path / f"scene{ending}")
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(PhotoError, match="Please export it again"):
        read_radiance(path)


def test_exrs_of_other_programs_are_read(tmp_path: Path) -> None:
    openexr = pytest.importorskip("OpenEXR")

    def scene(**channels: np.ndarray) -> Path:
        header = {"compression": openexr.ZIP_COMPRESSION, "type": openexr.scanlineimage}
        openexr.File(header, channels).write(str(tmp_path / "scene.exr"))
        return tmp_path / "scene.exr"

    red, green, blue = (np.ascontiguousarray(RADIANCE[..., c]) for c in range(3))
    with_alpha = read_radiance(scene(R=red, G=green, B=blue, A=red))
    assert (with_alpha == RADIANCE).all()
    mixed = read_radiance(scene(R=red, G=green.astype(np.float16), B=blue))
    np.testing.assert_allclose(mixed, RADIANCE, rtol=2**-11)
    grey = read_radiance(scene(Y=red))
    assert (grey == red[..., None]).all()
    assert grey.shape == RADIANCE.shape

    sun = red.copy()
    sun[0, :3] = np.inf, np.nan, -1
    cleaned = read_radiance(scene(R=sun, G=green, B=blue))
    assert cleaned[0, :3, 0].tolist() == [max(sun[np.isfinite(sun)].max(), green.max(), blue.max()), 0, 0]
    with pytest.raises(PhotoError, match="no channels named R, G and B"):
        read_radiance(scene(Z=red))


# --- previews ---


@pytest.mark.parametrize(
    ("shape", "max_side", "expected"),
    [
        ((48, 64, 3), 64, (48, 64, 3)),
        ((48, 64, 3), 1000, (48, 64, 3)),
        ((48, 64, 3), 32, (24, 32, 3)),
        ((64, 48, 3), 32, (32, 24, 3)),
        ((48, 64), 32, (24, 32)),
        ((2, 1000, 3), 10, (1, 10, 3)),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_preview_fits_and_is_never_enlarged(
    shape: tuple[int, ...], max_side: int, expected: tuple[int, ...], dtype: type
) -> None:
    image: np.ndarray = np.ones(shape, dtype)
    preview = resize_to_fit(image, max_side)
    assert preview.shape == expected
    assert preview.dtype == dtype
    assert (preview is image) == (shape == expected)


def test_a_preview_averages_what_it_cannot_show() -> None:
    board = np.zeros((64, 64, 3), np.float32)
    board[::2, ::2] = board[1::2, 1::2] = 1
    np.testing.assert_allclose(resize_to_fit(board, 32), 0.5, atol=1e-6)


@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("bits", [8, 16])
def test_tiff_in_separate_planes_is_read_or_refused_but_never_garbled(
    tmp_path: Path, bits: int, compression: str | None
) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (64, 48, 3)).astype(np.uint8)
    values = photo if bits == 8 else photo.astype(np.uint16) * 257
    tifffile = pytest.importorskip("tifffile")
    planes = {"photometric": "rgb", "planarconfig": "separate", "compression": compression}
    tifffile.imwrite(tmp_path / "planes.tif", np.ascontiguousarray(values.transpose(2, 0, 1)), **planes)
    if bits == 8:
        np.testing.assert_array_equal(read_photo(tmp_path / "planes.tif"), photo)
    else:
        with pytest.raises(PhotoError, match="cannot be read here"):
            read_photo(tmp_path / "planes.tif")


def test_a_picture_too_wide_for_its_format_is_refused_in_a_sentence(tmp_path: Path) -> None:
    strip = np.zeros((1, 1_000_001, 3), np.uint8)
    for name in ("strip.png", "strip.jpg"):
        with pytest.raises(ValueError, match="pixels a side"):
            write_photo(strip, tmp_path / name)
    assert not [*tmp_path.iterdir()]


def test_a_picture_is_written_as_its_name_says_or_not_at_all(tmp_path: Path) -> None:
    picture = np.full((40, 40, 3), 99, np.uint8)
    assert write_photo(picture, tmp_path / "a.JPG").read_bytes().startswith(b"\xff\xd8")
    assert write_photo(picture, tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="has to end in"):
        write_photo(picture, tmp_path / "a.tif")


def test_the_transparent_value_of_a_16_bit_grey_png_becomes_white() -> None:
    grey = np.full((40, 40), 20_000, np.uint16)
    grey[:20] = 777
    data = bytes(cv2.imencode(".png", grey)[1].tobytes())
    chunk = b"tRNS" + (777).to_bytes(2, "big")
    end = data.index(b"IDAT") - 4
    chunk = (2).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    photo = read_photo(data[:end] + chunk + data[end:])
    assert photo[0, 0].tolist() == [255, 255, 255]
    assert photo[30, 0].tolist() == [78, 78, 78]
