"""Samples for the tabs, made by us out of the pictures in the installed scikit-image.

For the exposure tab photos, exposed wrongly; for the GIF tab a video of camera moves over pictures, and visitors with a
taste. For the interactions tab also photos that lie on another server: the address of each is fixed, its bytes are
verified, and it is fetched when somebody clicks on it. Nothing is stored in the repository; `assets/LICENSES.md` lists
the sources.
"""

import base64
import hashlib
import tempfile
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from html import escape
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import imageio_ffmpeg
import numpy as np
import skimage.data
from numpy.typing import NDArray

from vision_models.errors import PhotoError
from vision_models.media.clips import write_gif
from vision_models.media.photos import write_png

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


# ---- for the GIF tab: a video in which there is something for everyone, and three visitors with a taste

VIDEO_SIZE = 480, 270  # pixels
VIDEO_FPS = 10
SCENE_SECONDS = 5.0
LIKED_SECONDS = 2.4
LIKED_HEIGHT = 180  # pixels


@dataclass(frozen=True)
class Move:
    """A camera move over a picture. A view is a middle (x, y) and a height, as shares of the picture's height."""

    picture: str  # name of the function in skimage.data
    first: tuple[float, float, float]
    last: tuple[float, float, float]
    shake: float = 0  # standard deviation, as a share of the picture's height
    mirrored: bool = False

    def frames(self, seconds: float) -> Iterator[NDArray[np.uint8]]:
        """Yield frames (uint8 HxWx3 sRGB) of `VIDEO_SIZE`, `VIDEO_FPS` a second, the same at every call."""
        picture = getattr(skimage.data, self.picture)()
        if picture.ndim == 2:
            picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)
        if self.mirrored:
            picture = np.ascontiguousarray(picture[:, ::-1])
        width, height = VIDEO_SIZE
        random = np.random.default_rng(0)
        for share in (1 - np.cos(np.linspace(0, np.pi, round(seconds * VIDEO_FPS)))) / 2:  # starts and stops gently
            x, y, view = (np.array(self.first) * (1 - share) + np.array(self.last) * share) * len(picture)
            x, y = (x, y) + random.normal(0, self.shake, 2) * len(picture)
            zoom = height / view
            to_frame = np.array([[zoom, 0, width / 2 - zoom * x], [0, zoom, height / 2 - zoom * y]])
            yield cv2.warpAffine(picture, to_frame, VIDEO_SIZE, borderMode=cv2.BORDER_REFLECT_101)


@dataclass(frozen=True)
class Taste:
    """A made-up visitor and the GIFs they have liked."""

    name: str
    caption: str
    liked: tuple[Move, ...]


SCENES = (
    Move("brick", (0.6, 0.4, 0.6), (0.4, 0.6, 0.6)),
    Move("coffee", (0.75, 0.55, 0.85), (0.75, 0.5, 0.55)),
    Move("rocket", (0.75, 0.5, 0.9), (0.75, 0.45, 0.75)),
    Move("chelsea", (0.75, 0.5, 0.8), (0.85, 0.5, 0.65)),
    Move("gravel", (0.5, 0.5, 0.5), (0.5, 0.5, 0.48)),
    Move("hubble_deep_field", (0.3, 0.3, 0.5), (0.8, 0.6, 0.4)),
    Move("coffee", (0.95, 0.65, 0.4), (0.7, 0.4, 0.45)),
    Move("grass", (0.5, 0.5, 0.5), (0.55, 0.5, 0.5)),
    Move("chelsea", (0.5, 0.4, 0.5), (0.9, 0.45, 0.4), shake=0.004),
    Move("coins", (0.6, 0.5, 0.8), (0.65, 0.5, 0.75)),
    Move("astronaut", (0.45, 0.42, 0.8), (0.45, 0.27, 0.38), shake=0.003),
    Move("camera", (0.5, 0.5, 0.55), (0.5, 0.4, 0.5)),
    Move("coffee", (0.7, 0.45, 0.5), (0.75, 0.45, 0.9)),
    Move("rocket", (0.72, 0.85, 0.35), (0.72, 0.4, 0.35), shake=0.004),
)
TASTES = (
    Taste(
        "cat",
        "Cats",
        (
            Move("chelsea", (0.7, 0.45, 0.6), (0.6, 0.5, 0.55), mirrored=True),
            Move("chelsea", (0.6, 0.35, 0.45), (0.7, 0.45, 0.55), mirrored=True),
        ),
    ),
    Taste(
        "coffee",
        "Coffee",
        (
            Move("coffee", (0.8, 0.5, 0.6), (0.75, 0.5, 0.7), mirrored=True),
            Move("coffee", (0.6, 0.45, 0.5), (0.8, 0.55, 0.5), mirrored=True),
        ),
    ),
    Taste(
        "space",
        "Space",
        (
            Move("hubble_deep_field", (0.6, 0.7, 0.4), (0.4, 0.5, 0.5), mirrored=True),
            Move("rocket", (0.8, 0.55, 0.7), (0.8, 0.5, 0.5), mirrored=True),
            Move("astronaut", (0.55, 0.3, 0.5), (0.5, 0.35, 0.6), mirrored=True),
        ),
    ),
)


@cache
def sample_folder() -> tempfile.TemporaryDirectory[str]:
    """Return the folder in which samples lie once they are made: the same for everyone, and nobody's."""
    return tempfile.TemporaryDirectory(prefix="vision-models-samples-")


@cache
def sample_video() -> Path:
    """Return a video of all `SCENES`, one after the other; made at the first call, within a second or two."""
    frames = (frame for scene in SCENES for frame in scene.frames(SCENE_SECONDS))
    return write_video(frames, Path(sample_folder().name) / "sample.mp4")


@cache
def liked_gifs(taste: Taste) -> tuple[Path, ...]:
    """Return the GIFs that `taste` has liked; made at the first call."""
    folder = Path(sample_folder().name)
    gifs = []
    for number, move in enumerate(taste.liked, start=1):
        video = write_video(move.frames(LIKED_SECONDS), folder / f"{taste.name}-{number}.mp4")
        gifs.append(write_gif(video, 0, LIKED_SECONDS, video.with_suffix(".gif"), height=LIKED_HEIGHT))
        video.unlink()
    return tuple(gifs)


def write_video(frames: Iterable[NDArray[np.uint8]], path: Path) -> Path:
    """Write frames (uint8 HxWx3 sRGB) of `VIDEO_SIZE` as an MP4 that browsers play."""
    options = ["-preset", "superfast", "-crf", "28", "-movflags", "faststart"]
    writer = imageio_ffmpeg.write_frames(
        path, VIDEO_SIZE, fps=VIDEO_FPS, quality=None, macro_block_size=2, output_params=options
    )
    writer.send(None)
    for frame in frames:
        writer.send(np.ascontiguousarray(frame))
    writer.close()
    return path


def taste_buttons(tastes: tuple[Taste, ...] = TASTES) -> str:
    """Return HTML with one picture button per taste."""
    buttons = []
    for index, taste in enumerate(tastes):
        pictures = (data_uri(next(move.frames(1)), THUMBNAIL_SIDE // 2) for move in taste.liked)
        images = "".join(f'<img src="{picture}" alt="">' for picture in pictures)
        data = f'data-action="taste" data-index="{index}"'
        buttons.append(f'<button type="button" {data}><span>{images}</span>{escape(taste.caption)}</button>')
    return f'<div class="tastes">{"".join(buttons)}</div>'


def scene_strip() -> str:
    """Return HTML with one picture of each scene of the sample video, side by side."""
    pictures = (cv2.resize(next(scene.frames(1)), None, fx=0.25, fy=0.25) for scene in SCENES[:6])
    return f'<img class="strip" src="{data_uri(np.hstack(list(pictures)), 720)}" alt="">'


# ---- for the interactions tab: people who do something

REMOTE_BYTES = 10_000_000  # of a photo
REMOTE_SECONDS = 10  # without a byte


@dataclass(frozen=True)
class InstalledPhoto:
    """A photo out of the installed scikit-image."""

    name: str  # of the function in skimage.data
    caption: str
    licence: str

    def write(self, folder: Path) -> Path:
        """Write the photo into a folder and return its file."""
        return write_png(getattr(skimage.data, self.name)(), folder / f"{self.name}.png")

    def picture(self) -> str:
        """Return HTML for its button."""
        return f'<img src="{data_uri(getattr(skimage.data, self.name)(), THUMBNAIL_SIDE)}" alt="">'


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
        known = Path(sample_folder().name) / self.sha256
        content = known.read_bytes() if known.exists() else self._fetch()
        file = folder / Path(urlsplit(self.address).path).name
        file.write_bytes(content)
        if not known.exists():
            part = known.with_name(f"{self.sha256}-{folder.name}")  # so that nobody reads half a file
            part.write_bytes(content)
            part.replace(known)
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

    def picture(self) -> str:
        """Return HTML for its button: words, as there is no picture before somebody wants it."""
        return f'<span class="unseen">{escape(self.title)}</span>'


PEOPLE: tuple[InstalledPhoto | RemotePhoto, ...] = (
    InstalledPhoto("astronaut", "Astronaut", "public domain, NASA"),
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


def people_buttons() -> str:
    """Return HTML with one captioned button per photo of people."""
    buttons = "".join(
        f'<button type="button" value="{index}">{photo.picture()}{escape(photo.caption)}'
        f"<small>{escape(_credit(photo))}</small></button>"
        for index, photo in enumerate(PEOPLE)
    )
    return f'<p class="samples-intro">No photo at hand? Try one of these.</p><div class="samples">{buttons}</div>'


def _credit(photo: InstalledPhoto | RemotePhoto) -> str:
    return photo.licence if isinstance(photo, InstalledPhoto) else f"{photo.licence}, {photo.author}"
