"""What the file of a picture claims about itself, checked before any decoder believes it.

A few bytes can claim gigabytes, and decoders set memory aside for what is claimed: nothing in a file is longer than the
file. And a JPEG may draw a picture in thousands of empty scans, each of which costs as much as the whole picture.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO

from PIL import ExifTags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from PIL.TiffImagePlugin import TiffImageFile

MAX_SCANS = 100  # of a JPEG; encoders write 3 to 15
MAX_BOXES = 10_000  # of a HEIC or AVIF
MAX_TILE = 50_000_000  # pixels of a tile in a TIFF
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}  # markers of a JPEG: TEM, RST0 to RST7, SOI
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # after the bits of a scan, in which 0xff is followed by 0
_CONTAINERS = {b"meta": 4, b"iprp": 0, b"ipco": 0, b"moov": 0, b"trak": 0, b"mdia": 0, b"minf": 0, b"stbl": 0}


class FalseClaimError(ValueError):
    """A file says of itself what cannot be true."""


def check_claims(kind: str, stream: BinaryIO) -> None:
    """Check the lengths that a file declares.

    Args:
        kind: "JPEG", "PNG", "WebP", "HEIC" or "AVIF"; of other formats nothing is checked here.
        stream: the file, from its start, to which it is put back.

    Raises:
        FalseClaimError: a part that ends behind the file, or more of them than any program writes.
    """
    check = _CHECKS.get(kind)
    if check is not None:
        check(stream.read())
        stream.seek(0)


def check_tiff_claims(image: TiffImageFile, size: int) -> None:
    """Check where the strips and tiles of an opened TIFF lie in its file of `size` bytes, and how large tiles are.

    Raises:
        FalseClaimError: they end behind the file, or are larger than any picture that is taken.
    """
    tags, names = image.tag_v2, ExifTags.Base
    for offsets, counts in ((names.StripOffsets, names.StripByteCounts), (names.TileOffsets, names.TileByteCounts)):
        starts, lengths = (_numbers(tags.get(name, ())) for name in (offsets, counts))
        if any(start + length > size for start, length in zip(starts, lengths, strict=False)):
            raise FalseClaimError("A strip or tile ends behind the file.")
    width, height = (int(tags.get(name, 0)) for name in (names.TileWidth, names.TileLength))
    if width * height > MAX_TILE:
        raise FalseClaimError("A tile is larger than any picture.")


def _numbers(value: object) -> Sequence[int]:
    return [int(number) for number in value] if isinstance(value, tuple) else [int(str(value))]


def _check_png(data: bytes) -> None:
    """Chunks: four bytes of length, four of name, the content, four of checksum (PNG, 5.3)."""
    place = 8
    while place + 8 <= len(data):
        length, name = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        place += 12 + length
        if place > len(data):
            raise FalseClaimError("A chunk ends behind the file.")
        if name == b"IEND":
            return


def _check_jpeg(data: bytes) -> None:
    """Segments: a marker, two bytes of length that count themselves; the bits of a scan follow its header (T.81, B)."""
    place, scans = 2, 0
    while (found := _NEXT_MARKER.search(data, place)) is not None:
        marker, place = data[found.end() - 1], found.end()
        if marker == _END_OF_IMAGE:
            return
        if marker in _WITHOUT_LENGTH:
            continue
        place += int.from_bytes(data[place : place + 2], "big")
        scans += marker == _START_OF_SCAN
        if scans > MAX_SCANS or place > len(data):
            raise FalseClaimError("A segment ends behind the file, or there are too many scans.")


def _check_webp(data: bytes) -> None:
    """Chunks in one large chunk: four bytes of name, four of length, the content, padded to an even length (RIFF)."""
    end = 8 + int.from_bytes(data[4:8], "little")
    place = 12
    while place + 8 <= min(end, len(data)):
        place += 8 + int.from_bytes(data[place + 4 : place + 8], "little")
        if place > len(data):
            raise FalseClaimError("A chunk ends behind the file.")
        place += place % 2


def _check_boxes(data: bytes) -> None:
    """Boxes: four bytes of length that count themselves, four of name, the content (ISO/IEC 14496-12, 4.2)."""
    for name, start, end in _boxes(data, 0, len(data), [MAX_BOXES]):
        if name == b"iloc" and any(stop > len(data) for stop in _extents(data[start:end])):
            raise FalseClaimError("A picture ends behind the file.")
    _check_items(data)


def _boxes(data: bytes, place: int, stop: int, left: list[int]) -> Iterator[tuple[bytes, int, int]]:
    """Walk through boxes and those in them: name, and where the content starts and ends."""
    while place + 8 <= stop:
        length, name = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        start = place + 8
        if length == 1:  # eight bytes of length follow
            length, start = int.from_bytes(data[start : start + 8], "big"), start + 8
        end = place + length if length else stop  # 0: up to the end
        left[0] -= 1
        if end > stop or end < start or left[0] < 0:
            raise FalseClaimError("A box ends behind the one around it, or before it began, or there are too many.")
        yield name, start, end
        if name in _CONTAINERS:
            yield from _boxes(data, start + _CONTAINERS[name], end, left)
        place = end


def _extents(iloc: bytes) -> Iterator[int]:
    """Where the pieces of pictures end in the file, as the box "iloc" says (ISO/IEC 14496-12, 8.11.3)."""
    version, place = iloc[0], 6
    offset_size, length_size, base_size, index_size = iloc[4] >> 4, iloc[4] & 15, iloc[5] >> 4, iloc[5] & 15
    wide = 4 if version == 2 else 2

    def number(size: int) -> int:
        nonlocal place
        place += size
        if place > len(iloc):
            raise FalseClaimError("A list of pictures ends behind its box.")
        return int.from_bytes(iloc[place - size : place], "big")

    for _ in range(number(wide)):
        number(wide)  # the item's name
        in_file = not (number(2) & 15 if version else 0)  # or in another box
        number(2)
        base = number(base_size)
        for _ in range(number(2)):
            if version:
                number(index_size)
            offset, length = number(offset_size), number(length_size)
            if in_file:
                yield base + offset + length


def _check_items(data: bytes) -> None:
    """Refuse files whose list of items holds broken text: pi-heif 1.4 ends the whole process on them.

    It hands the type of a metadata item to Python as text and then uses the null pointer that it gets
    for text that is not UTF-8. The boxes are searched for rather than walked through, so that no odd
    nesting leads to an item that this function has not seen. Box "infe": ISO/IEC 14496-12, 8.11.6.
    """
    for match in re.finditer(b"infe", data):
        start = match.start() - 4  # of the box: size, "infe", version and flags, id and protection, then text
        size, version = int.from_bytes(data[start : start + 4], "big"), data[start + 8 : start + 9]
        if version > b"\3":
            continue  # chance, inside the coded picture; libheif refuses such an item
        text = data[start + (18 if version == b"\3" else 16) : start + size]
        try:
            text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise FalseClaimError("The name of an item is no text.") from error
        if not text:  # a size that says "64 bits follow" or "to the end": no writer of photos needs it
            raise FalseClaimError("An item has no name.")


_CHECKS: dict[str, Callable[[bytes], None]] = {
    "PNG": _check_png,
    "JPEG": _check_jpeg,
    "WebP": _check_webp,
    "HEIC": _check_boxes,
    "AVIF": _check_boxes,
}
