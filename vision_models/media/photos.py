"""Photos in, arrays out, and back: the only place of this package that knows image formats.

`read_photo` turns what people really have (phone photos lying on their side, HEIC, wide-gamut
colour, scans in CMYK or 16 bits, animations, broken downloads) into one thing: uint8 sRGB,
HxWx3, upright. Whatever cannot become that is refused with a `PhotoError` whose sentence can be
shown to a visitor: it names no file, no folder and no library. `write_png` is the lossless way out.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import os
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar, cast

import cv2
import numpy as np
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import TiffImageFile

from vision_models.errors import PhotoError
from vision_models.media.claims import check_claims, check_tiff_claims
from vision_models.media.colour import declared, profile_to_srgb, to_srgb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from PIL.ImageFile import ImageFile


Pixel = TypeVar("Pixel", np.uint8, np.float32)

# Of the files that are taken from a folder of photos, and of all that can be read.
PHOTO_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".webp"})
READ_SUFFIXES = PHOTO_SUFFIXES | {".avif", ".gif", ".heic", ".heif", ".hif", ".jfif", ".jpe", ".tif", ".tiff"}
WRITTEN_SUFFIXES = (".png", ".jpg", ".jpeg")
MAX_PIXELS = 50_000_000
MIN_SIDE = 32
MAX_PNG_SIDE = 1_000_000  # of libpng
MAX_JPEG_SIDE = 65_500  # of libjpeg
MAX_BYTES = 500_000_000  # 50 megapixels of 16-bit RGBA take 400 MB when nothing is compressed

# The decoders, by name of the format. They are called directly rather than through Image.open: that way
# nothing is registered for the whole process (pi-heif), no other of Pillow's forty formats is ever tried
# on a stranger's file (EPS starts Ghostscript), and Pillow's own bomb warning, which can only be silenced
# for all threads at once, gives way to the limits above.
_DECODERS = {
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "WebP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "HEIC": ("pi_heif", "HeifImageFile"),
}

_SIGNATURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",  # BigTIFF
    b"MM\0+": "TIFF",
    b"%PDF": "PDF",
    b"\x1aE\xdf\xa3": "video",  # Matroska and WebM
    b"FLV\x01": "video",
    b"\0\0\x01\xba": "video",  # MPEG
    b"FUJIFILMCCD-RAW": "raw",
    b"IIRO": "raw",  # Olympus
    b"IIRS": "raw",
    b"IIU\0": "raw",  # Panasonic
}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
# 16 bits in Pillow's words, grey, with colour and with alpha. Not CMYK;16 and not RGBa;16 (multiplied by its
# alpha): of those Pillow's high byte is good enough.
_DEEP = ("I;16", "LA;16", "RGB;16", "RGBA;16", "RGBX;16")
_BITS = ExifTags.Base.BitsPerSample
_SEPARATE_PLANES = 2  # a value of TIFF's PlanarConfiguration
_HEAD_BYTES = 4096  # enough for every signature, and for the <svg> after a long XML prologue

_USE_THESE = "Please use a JPEG, PNG, WebP or HEIC photo."
_NOT_PHOTOS = {
    "PDF": "This is a PDF document, not a photo. Please export its page as JPEG or PNG and try again.",
    "SVG": "This is an SVG drawing, not a photo. Please export it as PNG and try again.",
    "video": "This is a video, not a photo. Please save one of its frames as JPEG or PNG and try again.",
    "raw": "This is a camera raw file. Please export it as JPEG and try again.",
}
_DAMAGED = "This photo is damaged or incomplete. Please save or download it again, then try once more."
_UNREADABLE_KIND = "This kind of {} cannot be read here. Please save it as JPEG or as 8-bit PNG and try again."

# Exif orientation -> what makes the picture upright; 1, and anything that is not in the standard, is upright.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_photo(source: str | os.PathLike[str] | bytes | BinaryIO) -> NDArray[np.uint8]:
    """Read a photo, whatever its format, as upright sRGB.

    Reads JPEG, PNG, WebP, GIF, TIFF, BMP, HEIC and AVIF. The camera's rotation is applied. Colours
    are converted to sRGB from the embedded profile (a broken one is ignored), or from what the file
    declares without one; HDR pictures (PQ, HLG) are tone-mapped. CMYK without a profile is converted
    by the plain formula. 16-bit values are rounded to 8 bits. Transparent parts become white. Of an
    animation, the first frame is read. The size is checked in the file's header, before any pixel is
    decoded.

    Args:
        source: a path, the bytes of the file, or a binary file (read from its start, left open).

    Returns:
        uint8 HxWx3, sRGB, C-contiguous and writable; at least 32 pixels a side, at most 50,000,000 in all.

    Raises:
        PhotoError: nothing there, not a photo, damaged, truncated, too large or too small. The
            text is meant for the person who chose the file.

    Example:
        >>> from io import BytesIO
        >>> from PIL import Image
        >>> file = BytesIO()
        >>> Image.new("CMYK", (64, 48), (0, 255, 255, 0)).save(file, "TIFF")
        >>> read_photo(file)[0, 0]
        array([255,   0,   0], dtype=uint8)
    """
    with _opened(source) as stream:
        try:
            image = _open_image(stream)
            check_size(*image.size)
            return _decode(image, stream)
        except PhotoError:
            raise
        except Exception as error:  # what decoders raise on damaged bytes has no common base
            raise PhotoError(_DAMAGED) from error


def write_png(image: NDArray[np.uint8], path: str | os.PathLike[str]) -> Path:
    """Write a picture without loss, fast enough to wait for: about 0.5 s for 12 megapixels.

    There is no compression level to choose. OpenCV's default, filtered rows with run-length
    deflate, is the quickest that compresses at all. Level 6 takes 4 to 7 times as long for a noisy
    photo that comes out larger, or a smooth one a fifth smaller; Pillow's level 1 takes twice as long.

    Args:
        image: uint8 HxWx3 sRGB.
        path: where to write; an existing file is replaced.

    Returns:
        The path.

    Raises:
        ValueError: not a uint8 HxWx3 array, or one with more than 1,000,000 pixels a side.
        OSError: the file cannot be written there.
    """
    check_array(image, np.uint8)
    if max(image.shape[:2]) > MAX_PNG_SIDE:
        raise ValueError(f"A PNG has at most {MAX_PNG_SIDE:,} pixels a side, this picture {max(image.shape[:2]):,}.")
    return _write(image, Path(path), ".png", [])


def write_jpeg(image: NDArray[np.uint8], path: str | os.PathLike[str]) -> Path:
    """Write a picture as JPEG of quality 95, which browsers and phones take for sRGB; nothing else is in the file.

    Args and returns: as `write_png`.

    Raises:
        ValueError: not a uint8 HxWx3 array, or one with more than 65,500 pixels a side.
        OSError: the file cannot be written there.
    """
    check_array(image, np.uint8)
    if max(image.shape[:2]) > MAX_JPEG_SIDE:
        raise ValueError(f"A JPEG has at most {MAX_JPEG_SIDE:,} pixels a side. Please write a PNG.")
    return _write(image, Path(path), ".jpg", [cv2.IMWRITE_JPEG_QUALITY, 95])


def write_photo(image: NDArray[np.uint8], path: str | os.PathLike[str]) -> Path:
    """Write a picture as its name's ending says: .png, .jpg or .jpeg; see `write_png` and `write_jpeg`.

    Raises:
        ValueError: another ending, or what these raise it for.
        OSError: the file cannot be written there.
    """
    ending = Path(path).suffix.lower()
    if ending not in WRITTEN_SUFFIXES:
        raise ValueError(f"The name of the file has to end in {' or '.join(WRITTEN_SUFFIXES)}, not {ending!r}.")
    return write_png(image, path) if ending == ".png" else write_jpeg(image, path)


def _write(image: NDArray[np.uint8], path: Path, ending: str, options: list[int]) -> Path:
    encoded = cv2.imencode(ending, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)[1]
    path.write_bytes(encoded.tobytes())
    return path


def resize_to_fit(image: NDArray[Pixel], max_side: int) -> NDArray[Pixel]:
    """Shrink a picture until its longer side is at most `max_side`, averaging over areas.

    Args:
        image: uint8 or float32, HxW or HxWxC.
        max_side: in pixels, at least 1.

    Returns:
        The smaller picture, same dtype; `image` itself if it fits already. Never larger.
    """
    height, width = image.shape[:2]
    scale = max_side / max(height, width)
    if scale >= 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cast("NDArray[Pixel]", cv2.resize(image, size, interpolation=cv2.INTER_AREA))


@contextlib.contextmanager
def _opened(source: str | os.PathLike[str] | bytes | BinaryIO) -> Iterator[BinaryIO]:
    """Yield the source as a seekable binary file of bounded size, at its start."""
    with contextlib.ExitStack() as stack:
        if isinstance(source, bytes | bytearray | memoryview):
            stream: BinaryIO = BytesIO(source)
        elif isinstance(source, str | os.PathLike):
            try:
                stream = stack.enter_context(Path(source).open("rb"))
            except IsADirectoryError as error:
                raise PhotoError("This is a folder, not a photo. Please choose one photo in it.") from error
            except FileNotFoundError as error:
                raise PhotoError("This photo cannot be found. Please choose it again.") from error
            except (OSError, ValueError) as error:  # ValueError: a name with a null byte
                raise PhotoError("This photo cannot be opened. Please choose it again, or another one.") from error
        elif not hasattr(source, "read"):
            raise TypeError(f"read_photo takes a path, bytes or a binary file, not {type(source).__name__}.")
        elif source.seekable():
            stream = source
        else:
            stream = BytesIO(source.read(MAX_BYTES + 1))

        size = stream.seek(0, os.SEEK_END)
        if size == 0:
            raise PhotoError("This file is empty. Please choose the photo again.")
        if size > MAX_BYTES:
            raise PhotoError(
                f"This file is larger than {MAX_BYTES // 10**6} MB. Please make the photo smaller and try again."
            )
        stream.seek(0)
        yield stream


def _recognise(head: bytes) -> str:  # noqa: PLR0911 - one return per family of formats
    """Name the format that the first bytes of a file announce; the name's ending proves nothing."""
    for signature, kind in _SIGNATURES.items():
        if head.startswith(signature):
            return kind
    if head.startswith(b"RIFF"):
        return {b"WEBP": "WebP", b"AVI ": "video"}.get(head[8:12], "unknown")
    if head[4:8] == b"ftyp":  # the box of the ISO base media file format, shared by MP4, HEIC and AVIF
        major, box = head[8:12], head[8 : max(16, int.from_bytes(head[:4], "big"))]
        brands = {major} | {box[i : i + 4] for i in range(8, len(box), 4)}
        if brands & {b"avif", b"avis"}:
            return "AVIF"
        if brands & _HEIC_BRANDS:
            return "HEIC"
        return "raw" if major == b"crx " else "video"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<svg", b"<?xml", b"<!--", b"<!doctype svg")) and b"<svg" in text:
        return "SVG"
    return "unknown"


def _open_image(stream: BinaryIO) -> ImageFile:
    """Parse the header; no pixel is decoded yet."""
    head = stream.read(_HEAD_BYTES)
    stream.seek(0)
    kind = _recognise(head)
    if kind not in _DECODERS:
        raise PhotoError(_NOT_PHOTOS.get(kind, f"This file is not a photo that can be read here. {_USE_THESE}"))
    _check(lambda: check_claims(kind, stream))
    module, name = _DECODERS[kind]
    try:
        decoder = getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise PhotoError(
            f"{kind} photos cannot be read on this machine. Please save it as JPEG and try again."
        ) from error
    try:
        image: ImageFile = decoder(stream)
    except Image.DecompressionBombError as error:  # of GIF, which checks its first frame in the header
        raise PhotoError(
            f"This photo has more than {MAX_PIXELS // 10**6} megapixels. Please make it smaller and try again."
        ) from error
    except Exception as error:
        raise PhotoError(_UNREADABLE_KIND.format(kind) if kind == "TIFF" else _DAMAGED) from error
    if isinstance(image, TiffImageFile):
        _check(lambda: check_tiff_claims(image, stream.seek(0, os.SEEK_END)))
        _check_tiff(image, head)
    return image


def _check(claims: Callable[[], None]) -> None:
    """Refuse a file of false claims, or one in which not even those can be read."""
    try:
        claims()
    except (ValueError, IndexError, TypeError) as error:
        raise PhotoError(_DAMAGED) from error


def _check_tiff(image: TiffImageFile, head: bytes) -> None:
    """Refuse the TIFFs that would open as something else than the picture in them."""
    tags = image.tag_v2
    # Raw files are TIFFs whose first picture is a thumbnail: it would pass for the photo.
    if head[8:10] == b"CR" or ExifTags.Base.DNGVersion in tags or tags.get(ExifTags.Base.NewSubfileType, 0) & 1:
        raise PhotoError(_NOT_PHOTOS["raw"])
    # Pillow 11 reads the low bytes of 16-bit colour in separate planes, and OpenCV 5 the first plane thrice.
    if tags.get(ExifTags.Base.PlanarConfiguration) == _SEPARATE_PLANES and max(tags.get(_BITS, (1,))) > 8:
        raise PhotoError(_UNREADABLE_KIND.format("TIFF"))
    # 32-bit integers and floats have no agreed black and white; Pillow cannot turn L*a*b* into colours.
    if image.mode in {"I", "F", "LAB"}:
        raise PhotoError(_UNREADABLE_KIND.format("TIFF"))


def check_photo(image: NDArray[np.uint8]) -> None:
    """Check that an array is a photo, (H, W, 3) uint8, of a size that predictors take.

    Raises:
        PhotoError: it is not.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise PhotoError(
            "A photo is a uint8 array of shape (height, width, 3); read_photo() makes one of any image file."
        )
    check_size(image.shape[1], image.shape[0])


def decode_bgr(path: Path) -> NDArray[np.uint8] | None:
    """Decode a photo of a data set: (H, W, 3) BGR as stored, neither turned nor converted; None if that fails."""
    content = np.fromfile(path, np.uint8)
    return cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None


def check_size(width: int, height: int) -> None:
    """Raise PhotoError for a photo of too few or too many pixels, with what to do about it."""
    if min(width, height) < MIN_SIDE:
        raise PhotoError(
            f"This photo is only {width} × {height} pixels; at least {MIN_SIDE} × {MIN_SIDE} are needed. "
            "Please choose a larger one."
        )
    if width * height > MAX_PIXELS:
        megapixels = math.ceil(width * height / 1e5) / 10  # upwards: 50.01 must not read as 50
        raise PhotoError(
            f"This photo has {megapixels:,.10g} megapixels; the limit is {MAX_PIXELS // 10**6}. "
            "Please make it smaller and try again."
        )


def _decode(image: ImageFile, stream: BinaryIO) -> NDArray[np.uint8]:
    """Decode an opened picture of an acceptable size."""
    profile = image.info.get("icc_profile")
    deep = image.format in {"PNG", "TIFF"} and _raw_mode(image).startswith(_DEEP)
    image.load()  # raises on a truncated file
    turn = _UPRIGHT.get(_orientation(image))  # asked for now: TIFF has turned itself while loading
    picture = _round_to_8_bits(image, stream) if deep else image

    alpha = None
    plain = {"1": "L", "LA": "L", "L": "L", "CMYK": "CMYK"}.get(picture.mode, "RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        alpha = picture.getchannel("A")
    space = None if profile else declared(image, stream)
    picture = _in_mode(picture, plain)
    picture = _in_mode(profile_to_srgb(picture, profile) if profile else picture, "RGB")
    if space:
        picture = to_srgb(picture, space)
    if alpha is not None:
        paper = Image.new("RGB", picture.size, "white")
        paper.paste(picture, mask=alpha)
        picture = paper
    if turn is not None:
        picture = picture.transpose(turn)
    return np.array(picture)


def _in_mode(picture: Image.Image, mode: str) -> Image.Image:
    return picture if picture.mode == mode else picture.convert(mode)  # convert copies even then


def _raw_mode(image: ImageFile) -> str:
    """How the pixels lie in the file, in Pillow's words: "RGB;16B" is big-endian 16-bit RGB."""
    arguments = image.tile[0].args if image.tile else ""
    return str(arguments[0] if isinstance(arguments, tuple) else arguments)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 - metadata too broken to say which way is up is no reason to refuse the picture
        return 1


def _round_to_8_bits(image: ImageFile, stream: BinaryIO) -> Image.Image:
    """Read a 16-bit PNG or TIFF, found intact by Pillow, once more through OpenCV and round it.

    Pillow has no 16-bit colour and keeps the high byte alone, v >> 8: up to a level too dark in the
    shadows, which is all there is in an under-exposed photo. 16-bit grey it clips when converting.
    """
    stream.seek(0)
    values = cv2.imdecode(np.frombuffer(stream.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16 or values.shape[1::-1] != image.size:
        raise PhotoError(_UNREADABLE_KIND.format(image.format))
    levels = cv2.convertScaleAbs(values, alpha=255 / 65535)
    if levels.ndim == 2:
        # Neither library turns this one round.
        white_is_zero = (
            isinstance(image, TiffImageFile) and image.tag_v2.get(ExifTags.Base.PhotometricInterpretation) == 0
        )
        grey = Image.fromarray(255 - levels if white_is_zero else levels)
        transparent = image.info.get("transparency")
        if not isinstance(transparent, int):
            return grey
        return Image.merge("LA", (grey, Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8))))
    if not image.has_transparency_data:
        levels = levels[..., :3]  # a fourth channel that TIFF does not call alpha
    return Image.fromarray(levels[..., [2, 1, 0, 3][: levels.shape[2]]])


def check_array(image: NDArray[np.generic], dtype: type[np.generic]) -> None:
    """Raise a ValueError unless this is an array (H, W, 3) of that dtype."""
    if not isinstance(image, np.ndarray) or image.dtype != dtype or image.ndim != 3 or image.shape[2] != 3:
        what = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ValueError(f"Expected a {np.dtype(dtype)} array of shape (height, width, 3), not {what}.")
