"""HDR photos in a JPEG that every program shows: an sRGB picture, and a small map of how much brighter its lights get.

Screens that can multiply each pixel by 2 to the power of what the map says there; all others show the picture. The map
is described twice: in XMP, as "Ultra HDR Image Format v1.1" (Android) says, and in binary, as ISO 21496-1 does. Where
it lies in the file stands in a Multi-Picture Format index (CIPA DC-007).
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from vision_models.errors import PhotoError
from vision_models.media.photos import MAX_JPEG_SIDE, check_array

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

MOST_STOPS = 2.5  # that lights get brighter: 5.7 times white
SHRUNK = 4  # times smaller than the picture is the map
OFFSET = 1 / 64  # keeps ratios finite in the dark
WHITE_FROM = 0.5  # of linear white: what is darker is shown as it is on every screen
QUALITY = 95
_HEAD_BYTES, _BOXES_BYTES = 256_000, 4096  # where it stands: in segments of a JPEG, in boxes of a HEIC or AVIF
_GAMMA = np.float32(2.2)
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
_XMP, _ISO = b"http://ns.adobe.com/xap/1.0/\0", b"urn:iso:std:iso:ts:21496:-1\0"


def gain_stops(image: NDArray[np.uint8], radiance: NDArray[np.float32]) -> NDArray[np.float32]:
    """How many stops brighter than a picture its lights should be shown, float32 (h, w), 4 times smaller, in 0..2.5.

    Args:
        image: uint8 (H, W, 3), sRGB.
        radiance: float32 (H, W, 3), linear: the light of the scene, in any unit.
    """
    check_array(image, np.uint8)
    check_array(radiance, np.float32)
    size = (max(image.shape[1] // SHRUNK, 1), max(image.shape[0] // SHRUNK, 1))
    shown = (cv2.resize(image, size, interpolation=cv2.INTER_AREA) / np.float32(255)) ** _GAMMA @ _LUMINANCE
    light = np.maximum(cv2.resize(radiance, size, interpolation=cv2.INTER_AREA) @ _LUMINANCE, 0)
    middle = (shown > 0.05) & (shown < WHITE_FROM)
    if not middle.any():
        return np.zeros(shown.shape, np.float32)
    unit = np.median(shown[middle] / (light[middle] + 1e-6))  # so that middle tones stay where they are
    stops = np.log2((light * unit + OFFSET) / (shown + OFFSET))
    share = np.clip((shown - WHITE_FROM / 2) / (WHITE_FROM / 2), 0, 1)
    gain = np.clip(stops * share, 0, MOST_STOPS).astype(np.float32)
    return cv2.GaussianBlur(gain, (0, 0), 1.0)


def has_gain_map(path: str | os.PathLike[str]) -> bool:
    """Whether a file has a gain map. `read_photo` reads nothing of it, but the picture that every program shows."""
    with Path(path).open("rb") as file:
        head = file.read(_HEAD_BYTES)
    return b"hdr-gain-map" in head or _ISO in head or b"HDRGainMap" in head or b"tmap" in head[:_BOXES_BYTES]


def write_hdr_jpeg(image: NDArray[np.uint8], radiance: NDArray[np.float32], path: str | os.PathLike[str]) -> Path:
    """Write a photo as JPEG with a gain map: an HDR photo for phones and browsers that know it, a photo for all others.

    Args:
        image: uint8 (H, W, 3), sRGB.
        radiance: float32 (H, W, 3), linear, >= 0: the light of the scene.
        path: an existing file is replaced.

    Returns:
        The path.

    Raises:
        ValueError: arrays of other types or shapes.
        PhotoError: more than 65,500 pixels a side.
        OSError: the file cannot be written there.
    """
    gain = gain_stops(image, radiance)
    most = max(float(gain.max()), 0.1)
    levels = (gain / most * 255 + 0.5).astype(np.uint8)
    picture = _jpeg(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    small = _with_segments(_jpeg(levels), [(0xE1, _XMP + _map_xmp(most)), (0xE2, _ISO + _map_iso(most))])
    first = [(0xE1, _XMP + _picture_xmp(len(small))), (0xE2, _ISO + struct.pack(">HH", 0, 0))]
    # The index counts from its own place, and has the same length whatever stands in it.
    ahead = len(_with_segments(picture, first)) - len(picture) + 2
    whole = len(picture) + ahead - 2 + 4 + len(_index(0, 0, 0))
    index = (0xE2, _index(whole, len(small), ahead + 4 + 4))
    path = Path(path)
    path.write_bytes(_with_segments(picture, [*first, index]) + small)
    return path


def _jpeg(picture: NDArray[np.uint8]) -> bytes:
    if max(picture.shape[:2]) > MAX_JPEG_SIDE:
        raise PhotoError(f"A JPEG has at most {MAX_JPEG_SIDE:,} pixels a side. Please write a PNG.")
    return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes())


def _with_segments(jpeg: bytes, segments: list[tuple[int, bytes]]) -> bytes:
    """Put segments right behind the start of a JPEG."""
    parts = [struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content for marker, content in segments]
    return jpeg[:2] + b"".join(parts) + jpeg[2:]


def _rdf(namespaces: str, attributes: str, content: str = "") -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"{namespaces} hdrgm:Version="1.0"'
        f"{attributes}>"
        f"{content}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def _picture_xmp(map_bytes: int) -> bytes:
    google = "http://ns.google.com/photos/1.0/container/"
    item = '<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="{}" Item:Mime="image/jpeg"{}/></rdf:li>'
    items = item.format("Primary", "") + item.format("GainMap", f' Item:Length="{map_bytes}"')
    return _rdf(
        f' xmlns:Container="{google}" xmlns:Item="{google}item/"',
        "",
        f"<Container:Directory><rdf:Seq>{items}</rdf:Seq></Container:Directory>",
    )


def _map_xmp(most: float) -> bytes:
    values = {"GainMapMin": 0, "GainMapMax": most, "Gamma": 1, "OffsetSDR": OFFSET, "OffsetHDR": OFFSET}
    values |= {"HDRCapacityMin": 0, "HDRCapacityMax": most}
    told = "".join(f' hdrgm:{name}="{value:.6f}"' for name, value in values.items())
    return _rdf("", told + ' hdrgm:BaseRenditionIsHDR="False"')


def _map_iso(most: float) -> bytes:
    """Versions, flags (the map is in the primaries of the picture), headroom of both, then as XMP, all as fractions."""
    unit = 1_000_000
    fractions = [0, most, 0, most, 1, OFFSET, OFFSET]  # headroom of picture and HDR; least, most, gamma, both offsets
    numbers = [number for fraction in fractions for number in (round(fraction * unit), unit)]
    return struct.pack(">HHB", 0, 0, 0x40) + struct.pack(">14I", *numbers)


def _index(picture_bytes: int, map_bytes: int, place: int) -> bytes:
    """The index of a file of two pictures, which lies `place` bytes behind its start."""
    entries = struct.pack(">IIIHH", 0x030000, picture_bytes, 0, 0, 0)
    entries += struct.pack(">IIIHH", 0, map_bytes, max(picture_bytes - place, 0), 0, 0)
    tags = struct.pack(">HHI4s", 0xB000, 7, 4, b"0100") + struct.pack(">HHII", 0xB001, 4, 1, 2)
    tags += struct.pack(">HHII", 0xB002, 7, len(entries), 8 + 2 + 3 * 12 + 4)
    return b"MPF\0" + b"MM\0*" + struct.pack(">IH", 8, 3) + tags + struct.pack(">I", 0) + entries
