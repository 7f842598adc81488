"""Sample photos for the exposure tab: pictures out of the installed scikit-image, exposed wrongly by us.

Nothing is downloaded and nothing is stored in the repository; `assets/LICENSES.md` lists the sources.
"""

import base64
from dataclasses import dataclass
from html import escape

import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray

THUMBNAIL_SIDE = 240  # pixels; shown at half of that, which is sharp on phones


@dataclass(frozen=True)
class Sample:
    """A well exposed picture and the mistake we make with it."""

    name: str  # of the function in skimage.data, and of the file a visitor downloads
    caption: str
    stops: float  # exposure change in EV
    licence: str

    def photo(self) -> NDArray[np.uint8]:
        """Return the wrongly exposed photo (uint8 HxWx3 sRGB), the same one at every call."""
        return expose_wrongly(getattr(skimage.data, self.name)(), self.stops)

    def thumbnail(self) -> str:
        """Return the photo as a small JPEG in a data URI, which no cache can lose."""
        return data_uri(self.photo(), THUMBNAIL_SIDE)


def expose_wrongly(image: NDArray[np.uint8], stops: float) -> NDArray[np.uint8]:
    """Return `image` (uint8 HxWx3 sRGB) as a camera would have taken it `stops` EV brighter.

    The change happens in linear light, with the shot and read noise of a small sensor, and clips
    where a sensor would: what is lost here is lost, as in a real photo.
    """
    noise = np.random.default_rng(0).standard_normal(image.shape, np.float32)
    light = (image.astype(np.float32) / 255) ** 2.2 * 2.0**stops
    light += noise * np.sqrt(1e-4 * light + 1e-7)
    return np.rint(np.clip(light, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)


def data_uri(image: NDArray[np.uint8], side: int) -> str:
    """Return `image` (uint8 HxWx3 sRGB) as a JPEG data URI with `side` pixels on its longer side."""
    scale = side / max(image.shape)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    _, jpeg = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode()


SAMPLES = (
    Sample("coffee", "Coffee, 4 stops too dark", -4, "CC0, Rachel Michetti"),
    Sample("rocket", "Rocket, 3 stops too dark", -3, "public domain, SpaceX"),
    Sample("chelsea", "Cat, 2 stops too bright", 2, "CC0, Stefan van der Walt"),
    Sample("astronaut", "Astronaut, 1½ stops too bright", 1.5, "public domain, NASA"),
)

# A click on a picture becomes a `select` event that carries the picture's place in the list.
PICK = """element.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) trigger("select", {index: Number(button.value)});
});"""


def sample_buttons(samples: tuple[Sample, ...] = SAMPLES) -> str:
    """Return HTML with one captioned picture button per sample."""
    buttons = (
        f'<button type="button" value="{index}"><img src="{sample.thumbnail()}" alt="">'
        f"{escape(sample.caption)}<small>{escape(sample.licence)}</small></button>"
        for index, sample in enumerate(samples)
    )
    return (
        f'<p class="samples-intro">No photo at hand? Try one of these.</p><div class="samples">{"".join(buttons)}</div>'
    )


def exposure_strip() -> str:
    """Return HTML with one picture in five exposures side by side, as a darkroom's test strip."""
    stops = (-5, -3, 0, 1.5, 3)
    bands = np.array_split(skimage.data.coffee(), len(stops), axis=1)
    strip = np.hstack([expose_wrongly(band, ev) for band, ev in zip(bands, stops, strict=True)])
    return f'<img class="strip" src="{data_uri(strip, 480)}" alt="">'
