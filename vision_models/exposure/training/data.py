"""Training triplets for DRHT, rendered on the fly: an LDR photo, its HDR scene, and what the photo should become."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from vision_models.distributed import Part, here
from vision_models.exposure.training.camera import (
    PLAIN_CAMERA,
    Camera,
    Floats,
    brighten_lights,
    deepen,
    fuse,
    linearise,
    luminance_of,
    random_camera,
    take_photo,
    to_uint8,
)
from vision_models.exposure.training.pictures import MADE, on_white
from vision_models.exposure.training.scenes import (
    RADIANCE_LIMIT,
    Photo,
    Scene,
    random_square,
    random_view,
    read_stack,
    resize,
    scene_of_photo,
)
from vision_models.media.radiance import read_radiance
from vision_models.training import own_numbers

Triplet = tuple[Tensor, Tensor, Tensor]

TRIES = 4
LARGEST_MADE = 3  # times the size that is looked at: screens are larger than that
MEANS = (0.15, 2.2)  # of a photo, as shares of what it should be: outside, nothing is left to see


@dataclass(frozen=True)
class Shares:
    """How often a group of triplets comes from where; the rest from panoramas."""

    photos: float = 0.35
    stacks: float = 0.2
    made: float = 0.06
    grey: float = 0.06  # of all: in black and white
    on_white: float = 0.12  # of the photos: cut out and put on a white ground
    untouched: float = 0.5  # of the groups from photos: one is the photo itself


def random_ev(rng: np.random.Generator) -> float:
    """Exposures from -4.6 to +4.3 EV, with well-exposed ones drawn more often."""
    return float(rng.normal(0, 0.6) if rng.random() < 0.15 else rng.uniform(-4.6, 4.3))


@dataclass(frozen=True, eq=False)
class Triplets(IterableDataset[Triplet]):
    """A seeded stream of groups of triplets: one scene seen at several exposures.

    Yields (photos, radiance, right): uint8 (exposures, 3, size, size), and float32 (3, size, size) twice. Group i is a
    function of (seed, i) alone, so that a resumed run goes on where it stopped.
    """

    panoramas: Sequence[Path]
    photos: Sequence[Path]
    stacks: Sequence[Sequence[Path]]
    size: int
    exposures: int
    seed: int
    start: int
    stop: int
    shares: Shares = field(default_factory=Shares)
    part: Part = field(default_factory=here)  # whose groups are yielded

    # Every process reads its own, each when it is needed first: a GPU would wait for a minute otherwise.
    @cached_property
    def _panorama(self) -> Callable[[Path], Floats]:
        return cache(read_radiance)

    @cached_property
    def _stack(self) -> Callable[[tuple[Path, ...]], Scene]:
        return cache(read_stack)

    def __iter__(self) -> Iterator[Triplet]:
        if get_worker_info():
            cv2.setNumThreads(1)  # the other processes have their own share of the cores
        for index in own_numbers(self.start, self.stop, self.part):
            yield self.group(index)

    def group(self, index: int) -> Triplet:
        """Render group `index`."""
        rng = np.random.default_rng([self.seed, index])
        scene = self._scene(rng)
        if rng.random() < 0.5:
            scene = scene.mirrored()
        camera = random_camera(rng) if rng.random() < 0.5 else PLAIN_CAMERA
        radiance = scene.radiance
        if scene.right is None and camera is not PLAIN_CAMERA:
            radiance = deepen(radiance, rng)
        radiance = np.minimum(radiance, np.float32(RADIANCE_LIMIT))
        right = fuse(radiance, camera) if scene.right is None else scene.right
        if scene.right is None or scene.photos:
            right = brighten_lights(right)
        photos = [self._photo(scene, radiance, right, camera, rng) for _ in range(self.exposures)]
        if scene.right is not None and not scene.photos and rng.random() < self.shares.untouched:
            photos[0] = to_uint8(right)
        inputs = np.stack(photos)
        if rng.random() < self.shares.grey:
            inputs, radiance, right = to_uint8(_grey(inputs / 255)), _grey(radiance), _grey(right)
        return (
            torch.from_numpy(np.ascontiguousarray(inputs.transpose(0, 3, 1, 2))),
            torch.from_numpy(np.ascontiguousarray(radiance.transpose(2, 0, 1), np.float32)),
            torch.from_numpy(np.ascontiguousarray(right.transpose(2, 0, 1), np.float32)),
        )

    def _photo(self, scene: Scene, radiance: Floats, right: Floats, camera: Camera, rng: np.random.Generator) -> Photo:
        """A photo at a random exposure that has something in it, or the one that is right."""
        if scene.is_right:
            return take_photo(radiance, 0.0, PLAIN_CAMERA.curve, rng)
        for _ in range(TRIES):
            if scene.photos:
                photo = scene.photos[int(rng.integers(len(scene.photos)))]
            else:
                photo = take_photo(radiance, random_ev(rng), camera.curve, rng)
            if (camera is PLAIN_CAMERA and scene.right is None) or (
                MEANS[0] < photo.mean() / 255 / max(right.mean(), 1e-3) < MEANS[1]
            ):
                break
        return photo

    def _scene(self, rng: np.random.Generator) -> Scene:
        place, shares = rng.random(), self.shares
        if place < shares.made:
            make, larger = MADE[int(rng.integers(len(MADE)))], int(rng.integers(1, LARGEST_MADE + 1))
            picture = resize(make(larger * self.size, rng), self.size)
            return Scene(linearise(picture), picture.astype(np.float32) / 255, is_right=True)
        place -= shares.made
        if self.stacks and place < shares.stacks:
            return self._stack(tuple(self.stacks[int(rng.integers(len(self.stacks)))])).crop(self.size, rng)
        place -= shares.stacks
        if self.photos and (place < shares.photos or not self.panoramas):
            for _ in range(TRIES):
                found = self._of_a_photo(rng)
                if found is not None:
                    return found
        return random_view(self._panorama(self.panoramas[int(rng.integers(len(self.panoramas)))]), self.size, rng)

    def _of_a_photo(self, rng: np.random.Generator) -> Scene | None:
        """A random square of a random photo; None when the photo is itself badly exposed, or too small."""
        photo = cv2.imread(str(self.photos[int(rng.integers(len(self.photos)))]), cv2.IMREAD_COLOR_RGB)
        if photo is None or min(photo.shape[:2]) < 64:
            return None
        square = resize(photo[random_square(photo, rng)], self.size)
        return scene_of_photo(on_white(square, rng) if rng.random() < self.shares.on_white else square, rng)


def batches(groups: Sequence[Triplet]) -> Triplet:
    """Collate groups: photos uint8 (G, exposures, 3, H, W); radiance and what is right, (G, 3, H, W)."""
    photos, radiance, right = zip(*groups, strict=True)
    return torch.stack(photos), torch.stack(radiance), torch.stack(right)


def _grey(picture: Floats) -> Floats:
    return np.repeat(luminance_of(picture)[..., None], 3, axis=-1)
