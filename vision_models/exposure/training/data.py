"""Training triplets for DRHT, rendered on the fly: an LDR photo, its HDR scene, and the LDR picture it should become.

The paper's triplets come from HDR panoramas, with the LDR ground truth retouched by hand in Photoshop. No retoucher
took part here: the ground truth is an exposure fusion (Mertens, Kautz, Van Reeth, "Exposure Fusion", 2007) of clean
renders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, get_worker_info

from vision_models.errors import DataError
from vision_models.exposure.config import LUMINANCE
from vision_models.media.photos import PHOTO_SUFFIXES
from vision_models.media.radiance import read_radiance
from vision_models.training import own_numbers

Floats = NDArray[np.floating]  # float32 throughout; NumPy's type hints lose the precision in arithmetic
Curve = Callable[[Floats], Floats]

MIDDLE_GREY = 0.18  # every scene is scaled to this geometric-mean luminance
FUSED_EXPOSURES = (-4.0, -2.5, -1.0, 0.0, 1.0, 2.0)  # EV of the renders that the ground truth is fused from
RADIANCE_LIMIT = 30.0**2.2  # alpha * H**gamma reaches 1 here
HELD_OUT_EVERY = 6  # one scene in six is never trained on
_LUMINANCE = np.array(LUMINANCE, np.float32)


def split_scenes(folder: Path) -> tuple[list[Path], list[Path]]:
    """Split a folder of .hdr or .exr panoramas by name into (training, held out): every sixth name is held out."""
    scenes = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".hdr", ".exr"})
    if len(scenes) < HELD_OUT_EVERY:
        raise DataError(f"{folder} holds {len(scenes)} .hdr or .exr panoramas; at least {HELD_OUT_EVERY} are needed.")
    held_out = scenes[::HELD_OUT_EVERY]
    return [scene for scene in scenes if scene not in held_out], held_out


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


def normalise(radiance: Floats) -> Floats:
    """Scale linear radiance HxWx3 to a geometric-mean luminance of 0.18."""
    luminance = np.maximum(radiance @ _LUMINANCE, 1e-6)
    return radiance * np.float32(MIDDLE_GREY / np.exp(np.log(luminance).mean()))


def gamma_curve(exposed: Floats) -> Floats:
    """The plain display curve, x^(1/2.2), for x in 0..1."""
    return exposed ** np.float32(1 / 2.2)


def expose(radiance: Floats, ev: float, curve: Curve = gamma_curve) -> Floats:
    """Photograph linear radiance at an exposure: curve(clip(H * 2^EV, 0, 1)), in 0..1."""
    return curve(np.clip(radiance * np.float32(2.0**ev), 0, 1))


def to_uint8(image: Floats) -> NDArray[np.uint8]:
    """Round values in 0..1 to 8 bits."""
    return (image * 255 + 0.5).astype(np.uint8)


def linearise(photo: NDArray[np.uint8]) -> Floats:
    """Undo the plain display curve of an 8-bit photo: linear, in 0..1."""
    return (photo.astype(np.float32) / 255) ** np.float32(2.2)


def radiance_from_photo(photo: NDArray[np.uint8], rng: np.random.Generator) -> Floats:
    """Make a plausible HDR scene of an ordinary, well-exposed photo: linearise it and stretch its highlights.

    Panoramas are few and have no people in them; photos bring what visitors really photograph.
    """
    linear = linearise(photo)
    peak = np.exp(rng.uniform(0, np.log(16)))  # what white becomes
    steepness = rng.uniform(2, 5)
    brightest = linear.max(axis=-1, keepdims=True)
    return linear / (1 - (1 - 1 / peak) * brightest ** np.float32(steepness))


@dataclass(frozen=True)
class Camera:
    """How a scene becomes pictures: its curve, and the exposures of the bracket that the ground truth is fused from."""

    curve: Curve
    bracket: Sequence[float]  # EV


PLAIN_CAMERA = Camera(gamma_curve, FUSED_EXPOSURES)


def random_camera(rng: np.random.Generator) -> Camera:
    """A camera as people have them: a curve that crushes blacks more or less, and a bracket about its own metering.

    The curves are the sigmoids of Eilertsen et al., "HDR image reconstruction", 2017, steepened around the middle.
    """
    n = np.float32(np.clip(rng.normal(0.9, 0.1), 0.6, 1.2))
    sigma = np.float32(np.clip(rng.normal(0.6, 0.1), 0.3, 0.9))
    contrast = np.float32(rng.uniform(0, 0.7))
    black = np.float32(rng.uniform(0, 0.03))

    def curve(exposed: Floats) -> Floats:
        power = exposed**n
        tone = (1 + sigma) * power / (power + sigma)
        tone = tone + contrast * (tone * tone * (3 - 2 * tone) - tone)
        return np.clip((tone - black) / (1 - black), 0, 1)

    brackets = ((-2, 0, 2), (-3, -2, -1, 0, 1, 2, 3), (-4, -2, 0, 2, 4))
    shift = rng.normal(-0.4, 0.7)
    return Camera(curve, [ev + shift for ev in brackets[int(rng.integers(len(brackets)))]])


def deepen(radiance: Floats, rng: np.random.Generator) -> Floats:
    """Stretch contrast and colours of a normalised view at random: small panoramas are softer than real scenes."""
    contrast = np.float32(np.exp(rng.uniform(0, np.log(2))))
    saturation = np.float32(rng.uniform(1.0, 1.5))
    luminance = np.maximum(radiance @ _LUMINANCE, 1e-6)[..., None]
    colours = np.maximum(luminance + saturation * (radiance - luminance), 0) / luminance
    return colours * MIDDLE_GREY * (luminance / MIDDLE_GREY) ** contrast


def fuse(radiance: Floats, camera: Camera = PLAIN_CAMERA) -> Floats:
    """Ground truth: the Mertens fusion of a bracket of 8-bit renders of the scene. HxWx3 in 0..1."""
    stack = [to_uint8(expose(radiance, ev, camera.curve)) for ev in camera.bracket]
    return np.clip(cv2.createMergeMertens().process(stack), 0, 1)


def take_photo(radiance: Floats, ev: float, curve: Curve, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Photograph a scene as a camera does: sensor noise, exposure, curve, 8 bits, sometimes JPEG."""
    exposed = radiance * np.float32(2.0**ev)
    if rng.random() < 0.6:
        shot = np.exp(rng.uniform(np.log(1e-6), np.log(3e-4)))
        read = np.exp(rng.uniform(np.log(1e-5), np.log(1e-3)))
        deviation = np.sqrt(shot * np.minimum(exposed, 1) + read**2)
        exposed = exposed + deviation * rng.standard_normal(exposed.shape, dtype=np.float32)
    photo = to_uint8(curve(np.clip(exposed, 0, 1).astype(np.float32)))
    if rng.random() < 0.6:
        _, jpeg = cv2.imencode(".jpg", photo[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 99))])
        return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR_RGB), np.uint8)
    return photo


def random_ev(rng: np.random.Generator) -> float:
    """Exposures from -4.6 to +4.3 EV, with well-exposed ones drawn more often, so that good photos stay as they are."""
    return float(rng.normal(0, 0.6) if rng.random() < 0.15 else rng.uniform(-4.6, 4.3))


@dataclass(frozen=True, eq=False)
class Triplets(IterableDataset[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]):
    """A seeded stream of groups of triplets: one scene seen at several exposures.

    Yields (photos, radiance, fused): float32 tensors of shape (exposures, 3, size, size), (3, size, size) and
    (3, size, size). Group i is a function of (seed, i) alone, so that a resumed run goes on where it stopped.
    """

    panoramas: Sequence[Floats]
    photos: Sequence[Path]
    size: int
    exposures: int
    seed: int
    start: int
    stop: int
    photo_share: float = 0.4

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        if get_worker_info():
            cv2.setNumThreads(1)  # the other processes have their own share of the cores
        for index in own_numbers(self.start, self.stop):
            yield self.group(index)

    def group(self, index: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Render group `index`."""
        rng = np.random.default_rng([self.seed, index])
        radiance, from_panorama = self._scene(rng)
        if rng.random() < 0.5:
            radiance = radiance[:, ::-1]
        balance = np.exp(rng.normal(0, 0.06, 3)).astype(np.float32)
        radiance = normalise(radiance * balance)
        camera = PLAIN_CAMERA
        if rng.random() < 0.5:
            camera = random_camera(rng)
            if from_panorama:
                radiance = deepen(radiance, rng)
        radiance = np.minimum(radiance, np.float32(RADIANCE_LIMIT))
        fused = fuse(radiance, camera)
        photos = [self._photo(radiance, fused, camera, rng) for _ in range(self.exposures)]
        inputs = np.stack(photos).astype(np.float32) / 255
        return (
            torch.from_numpy(np.ascontiguousarray(inputs.transpose(0, 3, 1, 2))),
            torch.from_numpy(np.ascontiguousarray(radiance.transpose(2, 0, 1))),
            torch.from_numpy(np.ascontiguousarray(fused.transpose(2, 0, 1))),
        )

    def _photo(self, radiance: Floats, fused: Floats, camera: Camera, rng: np.random.Generator) -> NDArray[np.uint8]:
        """A photo at a random exposure; a camera that crushes blacks is not asked for a photo with nothing in it."""
        for _ in range(4):
            photo = take_photo(radiance, random_ev(rng), camera.curve, rng)
            if camera is PLAIN_CAMERA or 0.2 < photo.mean() / 255 / fused.mean() < 1.9:
                break
        return photo

    def _scene(self, rng: np.random.Generator) -> tuple[Floats, bool]:
        """A linear picture, and whether it is of a panorama."""
        if self.photos and rng.random() < self.photo_share:
            crop = self._photo_crop(rng)
            if crop is not None:
                return radiance_from_photo(crop, rng), False
        panorama = self.panoramas[int(rng.integers(len(self.panoramas)))]
        view = perspective(
            panorama,
            (self.size, self.size),
            fov=rng.uniform(45, 100),
            yaw=rng.uniform(0, 360),
            pitch=rng.normal(0, 15),
            roll=rng.normal(0, 4),
        )
        return view, True

    def _photo_crop(self, rng: np.random.Generator) -> NDArray[np.uint8] | None:
        """A random square of a random photo; None when the photo is itself badly exposed."""
        photo = cv2.imread(str(self.photos[int(rng.integers(len(self.photos)))]), cv2.IMREAD_COLOR_RGB)
        if photo is None or min(photo.shape[:2]) < 64:
            return None
        side = int(min(photo.shape[:2]) * rng.uniform(0.6, 1.0))
        top = rng.integers(photo.shape[0] - side + 1)
        left = rng.integers(photo.shape[1] - side + 1)
        crop = photo[top : top + side, left : left + side]
        shrinks = side > self.size
        crop = cv2.resize(crop, (self.size, self.size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
        clipped = (crop.min(axis=-1) >= 250).mean()
        return crop if clipped < 0.02 and 50 < crop.mean() < 190 else None


def find_photos(folder: Path) -> list[Path]:
    """All JPEG, PNG and BMP files below a folder, by name."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in PHOTO_SUFFIXES)


def load_panoramas(paths: Sequence[Path]) -> list[Floats]:
    """Read panoramas: a list of float32 HxWx3, linear."""
    return [read_radiance(path) for path in paths]


def batches(
    groups: Sequence[tuple[torch.Tensor, torch.Tensor, torch.Tensor]],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Collate groups: every photo gets its scene's radiance and ground truth. Each is (B, 3, H, W)."""
    photos = torch.cat([photos for photos, _, _ in groups])
    radiance = torch.cat([radiance.expand(len(photos), -1, -1, -1) for photos, radiance, _ in groups])
    fused = torch.cat([fused.expand(len(photos), -1, -1, -1) for photos, _, fused in groups])
    return photos, radiance, fused
