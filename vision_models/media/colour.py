"""What the numbers of a picture mean: the colour space that its file declares, and the way from there to sRGB.

An embedded ICC profile says it all, and LittleCMS converts. Files without one may say it in four numbers (cICP in PNG,
nclx in AVIF and HEIC; ITU-T H.273), in a gamma (gAMA and cHRM in PNG), or in two letters of Exif (R03 is Adobe RGB).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageCms

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.ImageCms import ImageCmsTransform
    from PIL.ImageFile import ImageFile

    Floats = NDArray[np.floating]

Point = tuple[float, float]  # CIE x and y

D65: Point = (0.3127, 0.3290)
_BT709 = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), D65)
_ADOBE = ((0.640, 0.330), (0.210, 0.710), (0.150, 0.060), D65)
# H.273, table 2. What is not here is taken for BT.709, as browsers do.
_PRIMARIES = {
    1: _BT709,
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65),  # BT.2020
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65),  # Display P3
}
ADOBE_GAMMA = 563 / 256
SRGB_GAMMA = 0.45455  # what gAMA says of an ordinary picture
WHITE_NITS = 203.0  # of diffuse white in an HDR picture, BT.2408
KNEE = 0.75  # of white: in an HDR picture that goes beyond white, what is over this is compressed
HEADER_BYTES = 1 << 20  # in which the boxes of an AVIF or HEIC are
ROWS = 256  # that are converted at a time
STEPS = 65535


@dataclass(frozen=True)
class ColourSpace:
    """Primaries with their white, and the way from numbers in 0..1 to light, in which 1 is white."""

    primaries: tuple[Point, Point, Point, Point]
    to_light: Callable[[Floats], Floats]
    is_hdr: bool = False  # light may be over 1


def declared(image: ImageFile, stream: BinaryIO) -> ColourSpace | None:
    """Return what a file without a profile declares, or None for sRGB and what is shown as such."""
    if image.format == "PNG":
        return _of_png(stream)
    if image.format in {"AVIF", "HEIF"}:
        return _of_boxes(stream)
    return _of_exif(image)


def to_srgb(picture: Image.Image, space: ColourSpace) -> Image.Image:
    """Convert a picture in mode RGB to sRGB; what is out of its gamut is clipped."""
    pixels = np.asarray(picture)
    lights = space.to_light(np.linspace(0, 1, 256)).astype(np.float32)
    matrix = (np.linalg.inv(_to_xyz(_BT709)) @ _to_xyz(space.primaries)).T.astype(np.float32)
    codes = np.round(255 * _encode(np.linspace(0, 1, STEPS + 1))).astype(np.uint8)
    peak = 1.0
    if space.is_hdr:
        brightest = lights[pixels.max(axis=-1)]
        peak = max(1.0, float(np.percentile(brightest, 99.9)))
    result = np.empty_like(pixels)
    for top in range(0, len(pixels), ROWS):
        light = lights[pixels[top : top + ROWS]] @ matrix
        if peak > 1:
            light = _compress(light, peak)
        result[top : top + ROWS] = codes[(light.clip(0, 1) * STEPS + 0.5).astype(np.uint16)]
    return Image.fromarray(result)


def profile_to_srgb(picture: Image.Image, icc: bytes) -> Image.Image:
    """Convert from an embedded profile, of a picture in mode L, RGB or CMYK, to sRGB; a broken profile is none."""
    # ValueError: the name of its colour space is not text.
    with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError):
        profile = ImageCms.ImageCmsProfile(BytesIO(icc))
        mode = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}.get(profile.profile.xcolor_space.strip())
        if (mode, picture.mode) == ("RGB", "L"):
            picture = picture.convert("RGB")
        if mode == picture.mode:  # else the profile is another picture's
            transform = ImageCms.buildTransform(
                profile,
                ImageCms.createProfile("sRGB"),
                mode,
                "RGB",
                ImageCms.Intent.RELATIVE_COLORIMETRIC,
                ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
            if not _keeps_colours(transform):
                return transform.apply(picture)
    return picture


def _keeps_colours(transform: ImageCmsTransform) -> bool:
    """Whether a transform is sRGB to sRGB: most photos' is, and skipping it saves 0.25 s of 12 megapixels."""
    if transform.input_mode != "RGB":
        return False
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(27, 27, 3)
    converted = np.asarray(transform.apply(Image.fromarray(colours)))
    return int(np.abs(converted.astype(int) - colours).max()) <= 1


def _of_codes(primaries: int, transfer: int) -> ColourSpace | None:
    """Return the space of H.273's numbers; None where nothing has to be done."""
    curves = {4: _power(2.2), 5: _power(2.8), 8: _power(1.0), 16: _pq, 18: _hlg}
    if transfer not in curves and primaries in {1, 2}:
        return None
    return ColourSpace(_PRIMARIES.get(primaries, _BT709), curves.get(transfer, _decode), is_hdr=transfer in {16, 18})


def _of_png(stream: BinaryIO) -> ColourSpace | None:
    chunks = dict(_png_header(stream))
    if len(codes := chunks.get(b"cICP", b"")) == 4:
        return _of_codes(codes[0], codes[1])
    if b"sRGB" in chunks or len(stored := chunks.get(b"gAMA", b"")) != 4:
        return None
    gamma = int.from_bytes(stored, "big") / 1e5
    primaries = _BT709
    if len(points := chunks.get(b"cHRM", b"")) == 32:
        white, *corners = ((int(x) / 1e5, int(y) / 1e5) for x, y in np.frombuffer(points, ">u4").reshape(4, 2))
        primaries = (corners[0], corners[1], corners[2], white)
    is_usual = abs(gamma - SRGB_GAMMA) < 0.02 and np.allclose(primaries, _BT709, atol=0.01)
    possible = 0.1 < gamma < 10 and all(y > 0 for _, y in primaries)
    return None if is_usual or not possible else ColourSpace(primaries, _power(1 / gamma))


def _png_header(stream: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of the chunks before the pixels."""
    stream.seek(8)
    while len(start := stream.read(8)) == 8 and start[4:] != b"IDAT":
        size = int.from_bytes(start[:4], "big")
        content = stream.read(size) if size <= 64 else b""  # those that tell a colour space are short
        stream.seek(size - len(content) + 4, 1)
        yield start[4:], content


def _of_boxes(stream: BinaryIO) -> ColourSpace | None:
    """Read the first colour box of an AVIF or HEIC ("colr", ISO/IEC 14496-12, 12.1.5)."""
    stream.seek(0)
    _, box, rest = stream.read(HEADER_BYTES).partition(b"colrnclx")
    if not box or len(rest) < 4:
        return None
    return _of_codes(int.from_bytes(rest[:2], "big"), int.from_bytes(rest[2:4], "big"))


def _of_exif(image: Image.Image) -> ColourSpace | None:
    """Read what cameras write that are set to Adobe RGB (DCF 2.0): no profile, but R03."""
    try:
        index = image.getexif().get_ifd(ExifTags.IFD.Interop).get(1)
    except Exception:  # noqa: BLE001 - metadata too broken to tell a colour space tells none
        return None
    text = index.decode("latin-1") if isinstance(index, bytes) else str(index)
    return ColourSpace(_ADOBE, _power(ADOBE_GAMMA)) if text.startswith("R03") else None


def _to_xyz(primaries: tuple[Point, Point, Point, Point]) -> Floats:
    """The matrix from RGB to CIE XYZ, both relative to one white."""
    points = np.array([(x / y, 1.0, (1 - x - y) / y) for x, y in primaries]).T
    matrix = points[:, :3] * np.linalg.solve(points[:, :3], points[:, 3])
    # Whites are taken for each other, as relative colorimetry does: all but those of cHRM are D65.
    white, wanted = points[:, 3], np.array([D65[0] / D65[1], 1.0, (1 - sum(D65)) / D65[1]])
    return matrix * (wanted / white)[:, None]


def _power(exponent: float) -> Callable[[Floats], Floats]:
    return lambda values: values**exponent


def _decode(values: Floats) -> Floats:
    """From sRGB to light."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _encode(light: Floats) -> Floats:
    """From light to sRGB."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def _pq(values: Floats) -> Floats:
    """From SMPTE ST 2084 to light."""
    power = values ** (1 / 78.84375)
    return (
        (np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (1 / 0.1593017578125) * 1e4 / WHITE_NITS
    )


def _hlg(values: Floats) -> Floats:
    """From hybrid log-gamma (BT.2100) to light, on a display of 1,000 cd/m^2."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(values <= 0.5, values**2 / 3, (np.exp((values - c) / a) + b) / 12)
    return scene**1.2 * 1e3 / WHITE_NITS


def _compress(light: Floats, peak: float) -> Floats:
    """Take light up to `peak` under 1; what is up to the knee stays, and so do hues."""
    brightest = light.max(axis=-1, keepdims=True)
    steepness = (peak - KNEE) / (1 - KNEE)
    over = ((brightest - KNEE) / (peak - KNEE)).clip(0, 1)
    wanted = KNEE + (1 - KNEE) * steepness * over / (1 + (steepness - 1) * over)
    return light * np.where(brightest > KNEE, wanted / np.maximum(brightest, KNEE), 1)
