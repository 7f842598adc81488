"""Scene radiance in .exr and .hdr files: the lossless ways out and in for an HDR estimate."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from vision_models.errors import PhotoError
from vision_models.media.photos import check_array

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray


# The two endings of radiance files, and the largest number each holds: a half float; a shared exponent of 8 bits.
_BRIGHTEST = {".exr": 65504.0, ".hdr": 2.0**126}
RADIANCE_SUFFIXES = tuple(_BRIGHTEST)
_DAMAGED_RADIANCE = "This file is not .exr or .hdr radiance that can be read, or is damaged. Please export it again."


def write_radiance(radiance: NDArray[np.float32], path: str | os.PathLike[str]) -> Path:
    """Write linear scene radiance as OpenEXR or Radiance RGBE, whichever the path's ending says.

    OpenEXR is written in half floats: 11 significant bits (steps of 0.05 %) are far finer than an
    estimate from an 8-bit photo, every program reads them, and the file of a 12-megapixel photo
    takes about 45 MB and half a second instead of 120 MB and two seconds. Radiance RGBE keeps 8 bits
    under an exponent that the three channels share (steps of up to 0.8 % of the brightest channel).

    Args:
        radiance: float32 HxWx3, linear, in the primaries of sRGB. Negative values become 0, values
            above what the format holds (65504 in .exr) become its largest.
        path: ends in .exr or .hdr; an existing file is replaced.

    Returns:
        The path.

    Raises:
        ValueError: another ending, not a float32 HxWx3 array, or values that are not finite.
        ModuleNotFoundError: .exr without the OpenEXR package.
        OSError: the file cannot be written there.
    """
    path = Path(path)
    ending = _radiance_ending(path)
    check_array(radiance, np.float32)
    if not np.isfinite(radiance).all():
        raise ValueError("The radiance holds values that are not finite. Replace NaN and infinity before writing it.")
    radiance = np.clip(radiance, 0, _BRIGHTEST[ending])
    if ending == ".hdr":
        path.write_bytes(cv2.imencode(".hdr", cv2.cvtColor(radiance, cv2.COLOR_RGB2BGR))[1].tobytes())
        return path

    openexr = _import_openexr()
    path.touch()  # raises the usual OSError where OpenEXR has only a RuntimeError
    header = {"compression": openexr.PIZ_COMPRESSION, "type": openexr.scanlineimage}
    openexr.File(header, {"RGB": radiance.astype(np.float16)}).write(str(path))
    return path


def read_radiance(path: str | os.PathLike[str]) -> NDArray[np.float32]:
    """Read linear scene radiance from an .exr or .hdr file.

    Args:
        path: ends in .exr or .hdr. Of an OpenEXR file the channels R, G and B (or Y alone, a grey
            picture) of the first part are read, with their values as they are.

    Returns:
        float32 HxWx3, linear, finite, >= 0: negative values and NaN are read as 0, infinity as the
        largest finite value of the file.

    Raises:
        ValueError: another ending.
        PhotoError: damaged, or without the colour channels.
        ModuleNotFoundError: .exr without the OpenEXR package.
        OSError: the file cannot be opened.
    """
    path = Path(path)
    radiance = _read_rgbe(path) if _radiance_ending(path) == ".hdr" else _read_openexr(path)
    finite = np.isfinite(radiance)
    if not finite.all():
        brightest = radiance.max(where=finite, initial=0)
        radiance = np.nan_to_num(radiance, copy=False, nan=0, posinf=brightest, neginf=0)
    return np.maximum(radiance, 0, out=radiance)


def _radiance_ending(path: Path) -> str:
    ending = path.suffix.lower()
    if ending not in _BRIGHTEST:
        raise ValueError(f"Radiance is kept in .exr or .hdr files; the name {path.name!r} ends in neither.")
    return ending


def _import_openexr() -> ModuleType:
    try:
        return importlib.import_module("OpenEXR")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "OpenEXR files need the OpenEXR package. Install it with `pip install OpenEXR`, or use .hdr.",
            name="OpenEXR",
        ) from error


def _read_rgbe(path: Path) -> NDArray[np.float32]:
    content = np.fromfile(path, np.uint8)
    bgr = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if content.size else None
    if bgr is None or bgr.dtype != np.float32:
        raise PhotoError(_DAMAGED_RADIANCE)
    return cast("NDArray[np.float32]", cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))


def _read_openexr(path: Path) -> NDArray[np.float32]:
    openexr = _import_openexr()
    path.open("rb").close()  # raises the usual OSError where OpenEXR has only a RuntimeError
    try:
        channels = openexr.File(str(path), separate_channels=True).channels()
    except (RuntimeError, ValueError) as error:
        raise PhotoError(_DAMAGED_RADIANCE) from error
    names = ("Y", "Y", "Y") if "Y" in channels and "R" not in channels else ("R", "G", "B")
    if not channels.keys() >= set(names):
        raise PhotoError("This OpenEXR file has no channels named R, G and B. Please export it as RGB.")
    return np.stack([channels[name].pixels for name in names], axis=-1).astype(np.float32, copy=False)
