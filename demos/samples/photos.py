"""Photos of the installed scikit-image to try, and for the exposure tab some that we expose wrongly."""

import base64
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray

from demos.pictures import address_of
from vision_models.media.photos import write_png

THUMBNAIL_SIDE = 240  # pixels; shown at half of that, which is sharp on phones


@dataclass(frozen=True)
class InstalledPhoto:
    """A photo out of the installed scikit-image."""

    name: str  # of the function in skimage.data, and of the file a visitor downloads
    caption: str
    licence: str

    def photo(self) -> NDArray[np.uint8]:
        """Return the photo (uint8 HxWx3 sRGB), the same one at every call."""
        photo: NDArray[np.uint8] = getattr(skimage.data, self.name)()
        return photo

    def write(self, folder: Path) -> Path:
        """Write the photo into a folder and return its file."""
        return write_png(self.photo(), folder / f"{self.name}.png")

    @cached_property
    def picture(self) -> str:
        """The address of a small copy."""
        return address_of(small_jpeg(self.photo(), THUMBNAIL_SIDE))

    @property
    def title(self) -> str:
        """Nothing: its picture says it."""
        return ""

    @property
    def credit(self) -> str:
        """Whose the photo is."""
        return self.licence


@dataclass(frozen=True)
class WronglyExposed(InstalledPhoto):
    """A well exposed photo and the mistake we make with it."""

    stops: float  # exposure change in EV

    def photo(self) -> NDArray[np.uint8]:
        """Return the photo as it came out."""
        return expose_wrongly(super().photo(), self.stops)


def expose_wrongly(image: NDArray[np.uint8], stops: float) -> NDArray[np.uint8]:
    """Return `image` (uint8 HxWx3 sRGB) as a camera would have taken it `stops` EV brighter.

    The change happens in linear light, with the shot and read noise of a small sensor, and clips
    where a sensor would: what is lost here is lost, as in a real photo.
    """
    noise = np.random.default_rng(0).standard_normal(image.shape, np.float32)
    light = (image.astype(np.float32) / 255) ** 2.2 * 2.0**stops
    light += noise * np.sqrt(1e-4 * light + 1e-7)
    return np.rint(np.clip(light, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)


def small_jpeg(image: NDArray[np.uint8], side: int) -> bytes:
    """Return `image` (uint8 HxWx3 sRGB) as a JPEG with `side` pixels on its longer side."""
    scale = side / max(image.shape)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    _, jpeg = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
    return jpeg.tobytes()


def data_uri(image: NDArray[np.uint8], side: int) -> str:
    """Return the same as a data URI."""
    return "data:image/jpeg;base64," + base64.b64encode(small_jpeg(image, side)).decode()


SAMPLES = (
    WronglyExposed("coffee", "Coffee, 4 stops too dark", "CC0, Rachel Michetti", -4),
    WronglyExposed("rocket", "Rocket, 3 stops too dark", "public domain, SpaceX", -3),
    WronglyExposed("chelsea", "Cat, 2 stops too bright", "CC0, Stefan van der Walt", 2),
    WronglyExposed("astronaut", "Astronaut, 1½ stops too bright", "public domain, NASA", 1.5),
)


def exposure_strip() -> str:
    """Return the address of one picture in five exposures side by side, as a darkroom's test strip."""
    stops = (-5, -3, 0, 1.5, 3)
    bands = np.array_split(skimage.data.coffee(), len(stops), axis=1)
    strip = np.hstack([expose_wrongly(band, ev) for band, ev in zip(bands, stops, strict=True)])
    return address_of(small_jpeg(strip, 480))
