"""What there is to photograph: HDR panoramas, ordinary photos, real brackets, and pictures that are right as they are.

The paper's triplets come from HDR panoramas alone. Photos bring what visitors really photograph, and that a good photo
stays as it is; brackets bring real cameras; night, snow, paper and drawings bring what is dark or white on purpose.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vision_models.errors import DataError
from vision_models.exposure.training.camera import Floats, fuse_photos, linearise, normalise
from vision_models.media.photos import read_photo
from vision_models.media.radiance import read_radiance
from vision_models.training import find_photos

Photo = NDArray[np.uint8]

RADIANCE_LIMIT = 30.0**2.2  # alpha * H**gamma reaches 1 here
HELD_OUT_EVERY = 6  # one panorama in six is never trained on
SMALLEST_STACK = 3  # frames
FRAMES = 7  # of a stack, at most
STACK_SIDE = 320  # pixels of a frame's shorter side
SHIFT_BITS = 4  # frames are up to 2**4 pixels apart
BLIND = (2, 252)  # a frame of a mean outside shows nothing
WHITE = 245  # from here on a ground is white on purpose


@dataclass(frozen=True, eq=False)
class Scene:
    """What a camera is pointed at: all pictures are HxWx3 and show the same."""

    radiance: Floats  # linear; 1.0 is white at EV 0
    right: Floats | None = None  # what a photo of it should look like, in 0..1; None: what a fused bracket shows
    photos: tuple[Photo, ...] = ()  # real photos of it; none: a camera takes them
    is_right: bool = False  # what `right` shows is the only photo of it

    def crop(self, size: int, rng: np.random.Generator) -> Scene:
        """Cut out a random square, and shrink or enlarge it to size x size."""
        square = random_square(self.radiance, rng)

        def cut(picture: NDArray[Any]) -> NDArray[Any]:
            return resize(picture[square], size)

        return Scene(
            cut(self.radiance),
            None if self.right is None else np.clip(cut(self.right), 0, 1),
            tuple(cut(photo) for photo in self.photos),
            self.is_right,
        )

    def mirrored(self) -> Scene:
        """Return what a mirror shows."""
        right = None if self.right is None else self.right[:, ::-1]
        return Scene(self.radiance[:, ::-1], right, tuple(photo[:, ::-1] for photo in self.photos), self.is_right)


def random_square(picture: NDArray[Any], rng: np.random.Generator) -> tuple[slice, slice]:
    """Rows and columns of a square within a picture, of 60 to 100 % of its shorter side."""
    height, width = picture.shape[:2]
    side = int(min(height, width) * rng.uniform(0.6, 1.0))
    top, left = (int(rng.integers(free + 1)) for free in (height - side, width - side))
    return slice(top, top + side), slice(left, left + side)


def resize(picture: NDArray[Any], size: int) -> NDArray[Any]:
    """Shrink or enlarge a square picture to size x size."""
    shrinks = picture.shape[0] > size
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def split_scenes(folder: Path) -> tuple[list[Path], list[Path]]:
    """Split a folder of .hdr or .exr panoramas by name into (training, held out): every sixth name is held out."""
    scenes = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".hdr", ".exr"})
    if len(scenes) < HELD_OUT_EVERY:
        raise DataError(f"{folder} holds {len(scenes)} .hdr or .exr panoramas; at least {HELD_OUT_EVERY} are needed.")
    held_out = scenes[::HELD_OUT_EVERY]
    return [scene for scene in scenes if scene not in held_out], held_out


def load_panoramas(paths: Sequence[Path]) -> list[Floats]:
    """Read panoramas: a list of float32 HxWx3, linear."""
    return [read_radiance(path) for path in paths]


def perspective(
    panorama: Floats, size: tuple[int, int], fov: float, yaw: float, pitch: float = 0.0, roll: float = 0.0
) -> Floats:
    """Look into an equirectangular panorama.

    Args:
        panorama: HxWx3.
        size: (height, width) of the view in pixels.
        fov: angle across the longer side, in degrees.
        yaw: Turn to the right, in degrees.
        pitch: Tilt down, in degrees.
        roll: Turn about the line of sight, in degrees.
    """
    height, width = size
    focal = max(size) / 2 / np.tan(np.radians(fov) / 2)
    x, y = np.meshgrid(np.arange(width) - (width - 1) / 2, np.arange(height) - (height - 1) / 2)
    rays = np.stack([x, y, np.full_like(x, focal)], axis=-1).reshape(-1, 3)
    rotation, _ = cv2.Rodrigues(np.array([0.0, np.radians(yaw), 0.0]))
    tilt, _ = cv2.Rodrigues(np.array([np.radians(pitch), 0.0, 0.0]))
    turn, _ = cv2.Rodrigues(np.array([0.0, 0.0, np.radians(roll)]))
    rays = rays @ (rotation @ tilt @ turn).T
    longitude = np.arctan2(rays[:, 0], rays[:, 2])
    latitude = np.arcsin(rays[:, 1] / np.linalg.norm(rays, axis=1))
    rows, columns = panorama.shape[:2]
    u = ((longitude / np.pi + 1) / 2 * columns - 0.5).reshape(height, width).astype(np.float32)
    v = ((latitude / np.pi + 0.5) * rows - 0.5).clip(0, rows - 1).reshape(height, width).astype(np.float32)
    return cv2.remap(panorama, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


def random_view(panorama: Floats, size: int, rng: np.random.Generator) -> Scene:
    """Look somewhere into a panorama, through a lens of 45 to 100 degrees."""
    view = perspective(
        panorama,
        (size, size),
        fov=rng.uniform(45, 100),
        yaw=rng.uniform(0, 360),
        pitch=rng.normal(0, 15),
        roll=rng.normal(0, 4),
    )
    balance = np.exp(rng.normal(0, 0.06, 3)).astype(np.float32)
    return Scene(normalise(view * balance))


def scene_of_photo(photo: Photo, rng: np.random.Generator) -> Scene | None:
    """Make a scene of a photo (size x size x 3), which shows how it should look; None if it is badly exposed itself.

    What is dark and has lamps in it, and what is bright and has black in it, is so on purpose: it stays as it is.
    """
    brightest, mean = photo.max(axis=-1), photo.mean()
    edge = np.concatenate([photo[0], photo[-1], photo[:, 0], photo[:, -1]]).min(axis=-1)
    clipped = (photo.min(axis=-1) >= 250).mean()
    low, high = np.percentile(brightest, [2, 99.5])
    right = photo.astype(np.float32) / 255
    if (50 < mean < 195 and clipped < 0.02) or ((edge >= WHITE).mean() > 0.5 and clipped < 0.9):
        return Scene(radiance_from_photo(photo, rng), right)
    if (mean <= 50 and high > 200) or (mean >= 195 and low < 70 and clipped < 0.5):
        return Scene(linearise(photo), right, is_right=True)
    return None


def radiance_from_photo(photo: Photo, rng: np.random.Generator) -> Floats:
    """Make a plausible HDR scene of an ordinary, well-exposed photo: linearise it and stretch its highlights."""
    linear = linearise(photo)
    peak = np.exp(rng.uniform(0, np.log(16)))  # what white becomes
    steepness = rng.uniform(2, 5)
    brightest = linear.max(axis=-1, keepdims=True)
    return linear / (1 - (1 - 1 / peak) * brightest ** np.float32(steepness))


def find_stacks(folder: Path) -> list[list[Path]]:
    """List the exposure stacks below a folder: each folder with at least three photos in it."""
    places: dict[Path, list[Path]] = defaultdict(list)
    for path in find_photos(folder):
        places[path.parent].append(path)
    return [paths for paths in places.values() if len(paths) >= SMALLEST_STACK]


def read_stack(paths: Sequence[Path]) -> Scene:
    """Read a bracket of real photos, aligned by their median thresholds and shrunk to 320 pixels.

    Raises:
        DataError: the photos are not of one size.
    """
    frames = []
    for path in paths:
        photo = read_photo(path)
        scale = min(STACK_SIDE / min(photo.shape[:2]), 1)
        size = (round(photo.shape[1] * scale), round(photo.shape[0] * scale))
        frames.append(cv2.resize(photo, size, interpolation=cv2.INTER_AREA))
    if len({frame.shape for frame in frames}) > 1:
        raise DataError(f"The photos of {paths[0].parent} are not of one size.")
    frames = [frame for frame in frames if BLIND[0] < frame.mean() < BLIND[1]]
    if len(frames) < 2:
        raise DataError(f"Fewer than two photos of {paths[0].parent} show something.")
    frames.sort(key=lambda frame: float(frame.mean()))
    chosen = np.unique(np.linspace(0, len(frames) - 1, FRAMES).round().astype(int))
    aligned = align([frames[number] for number in chosen])
    return Scene(merge(aligned), fuse_photos(aligned), tuple(aligned))


def align(frames: Sequence[Photo]) -> list[Photo]:
    """Shift photos onto the middle one by their median thresholds (Ward, 2003); cut off what not all of them see."""
    greys = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    shift = cv2.createAlignMTB(max_bits=SHIFT_BITS).calculateShift
    shifts = np.array([shift(greys[len(frames) // 2], grey) for grey in greys])  # to the right, and down
    shifts[np.abs(shifts) <= 1] = 0  # of photos from a tripod, which it is not exact enough for
    margin = int(np.abs(shifts).max())
    height, width = greys[0].shape
    return [
        frame[margin - y : height - margin - y, margin - x : width - margin - x]
        for frame, (x, y) in zip(frames, shifts, strict=True)
    ]


def merge(frames: Sequence[Photo]) -> Floats:
    """Merge aligned photos, darkest first, into radiance, as a plain curve tells it (Debevec, Malik, 1997)."""
    total: Floats = np.zeros(frames[0].shape, np.float32)
    weights: Floats = np.full(frames[0].shape, 1e-6, np.float32)
    exposure, former = 1.0, None
    for frame in frames:
        linear = linearise(frame)
        if former is not None:
            shared = (frame > 20) & (frame < 235) & (former > 20) & (former < 235)
            if shared.any():
                exposure *= max(float(np.median(linear[shared] / linearise(former)[shared])), 1.0)
        weight = np.minimum(frame, 255 - frame).astype(np.float32) / 128
        if former is None:  # alone knows how bright the lights are
            weight[frame > 127] = 1
        weight = weight * np.float32(exposure) + 1e-6
        total += weight * linear / np.float32(exposure)
        weights += weight
        former = frame
    return normalise(total / weights)
