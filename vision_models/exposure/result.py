"""What DRHT says about a photo, and the corrected photo that comes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vision_models.exposure.borders import NO_BORDERS, Borders
from vision_models.exposure.upsampling import LocalAffine, Quieter, bands, fit, luminance_of, smooth_lights
from vision_models.media.photos import check_photo

GAMMA = 2.2


@dataclass(frozen=True, eq=False)
class Correction:
    """A corrected photo."""

    image: NDArray[np.uint8]  # (H, W, 3) sRGB
    light: Callable[[], NDArray[np.float32]] = field(repr=False)  # computes `radiance`, which takes as long as `image`

    @cached_property
    def radiance(self) -> NDArray[np.float32]:
        """The light of the scene, (H, W, 3) linear, >= 0; 1.0 is white at a normal exposure."""
        return self.light()

    def expose(self, ev: float) -> NDArray[np.uint8]:
        """Photograph the radiance at another exposure: clip(H * 2^EV, 0, 1)^(1/2.2), uint8 (H, W, 3)."""
        exposed = torch.from_numpy(np.require(self.radiance, np.float32, ["C", "W"])) * 2.0**ev

        return (exposed.clamp(0, 1).pow_(1 / GAMMA) * 255 + 0.5).to(torch.uint8).numpy()


@dataclass(frozen=True, eq=False)
class Estimate:
    """What the networks said about a photo, at working size. Small, picklable, independent of any device.

    `render` turns it into a full-size `Correction`, as often as wanted and at any strength, without the networks.
    """

    photo: NDArray[np.float32]  # (h, w, 3) the photo as the networks saw it, sRGB in 0..1
    corrected: NDArray[np.float32]  # (h, w, 3) the corrected photo, sRGB, about 0..1
    encoded_radiance: NDArray[np.float32]  # (h, w, 3) H^(1/2.2)
    need: float = 1.0  # how much of the correction the photo needs, 0 (it is well exposed) to 1
    is_grey: bool = False  # a photo in black and white stays one
    borders: Borders = NO_BORDERS  # bars and frames around what was estimated; they stay as they are

    def save(self, path: Path) -> Path:
        """Write it to a file of NumPy's (.npz), some megabytes, which `load` reads."""
        arrays = {name: getattr(self, name) for name in ("photo", "corrected", "encoded_radiance")}
        np.savez(path, **arrays, need=self.need, is_grey=self.is_grey, borders=np.array(self.borders))
        return path

    @classmethod
    def load(cls, path: Path) -> Estimate:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: the file is not there.
        """
        with np.load(path, allow_pickle=False) as found:
            borders = Borders(*found["borders"].tolist())
            need, is_grey = float(found["need"]), bool(found["is_grey"])
            return cls(found["photo"], found["corrected"], found["encoded_radiance"], need, is_grey, borders)

    def render(
        self, image: NDArray[np.uint8], strength: float | None = None, device: str | torch.device = "cpu"
    ) -> Correction:
        """Carry the estimate over to the photo at its own resolution, or to a smaller copy of it.

        Time grows linearly with the pixels.

        Args:
            image: (H, W, 3) sRGB, the photo that was estimated, at any size.
            strength: 0 (the photo as it is) to 1 (fully corrected); None: as much as the photo needs.
            device: where to compute.

        Raises:
            PhotoError: for an array that is no photo.
            ValueError: for a strength outside 0..1.
        """
        check_photo(image)
        strength = self.need if strength is None else strength
        if not 0 <= strength <= 1:
            raise ValueError(f"strength must be between 0 and 1, not {strength}")
        rows, columns = self.borders.inside(*image.shape[:2])
        inner = np.require(image[rows, columns], requirements=["C", "W"])
        where = torch.device(device)
        corrected = self._corrected(inner, strength, where)
        if not any(self.borders):
            return Correction(corrected, lambda: self._radiance(inner, where))
        whole = image.copy()
        whole[rows, columns] = corrected

        def light() -> NDArray[np.float32]:
            radiance = np.power(image / np.float32(255), np.float32(GAMMA))
            radiance[rows, columns] = self._radiance(inner, where)
            return radiance

        return Correction(whole, light)

    def _corrected(self, image: NDArray[np.uint8], strength: float, device: torch.device) -> NDArray[np.uint8]:
        """Correct what is between the borders."""
        result = torch.empty(image.shape, dtype=torch.uint8, pin_memory=device.type == "cuda")
        with torch.inference_mode():
            guide = planes(self.photo, device)
            correct = fit(guide, smooth_lights(guide, planes(self.corrected, device)))
            for rows, original, calm in self._bands(image, correct):
                corrected = correct(calm, rows, image.shape[0]).clamp_(0, 1)
                if self.is_grey:
                    corrected = luminance_of(corrected).expand_as(corrected)
                blended = torch.lerp(original, corrected, strength).mul_(255).round_()
                result[rows].copy_(blended.to(torch.uint8).permute(1, 2, 0), non_blocking=True)
        _wait_for(device)
        return result.numpy()

    def _radiance(self, image: NDArray[np.uint8], device: torch.device) -> NDArray[np.float32]:
        """Estimate the light of what is between the borders."""
        result = torch.empty(image.shape, dtype=torch.float32, pin_memory=device.type == "cuda")
        with torch.inference_mode():
            guide = planes(self.photo, device)
            correct, encode = (fit(guide, planes(part, device)) for part in (self.corrected, self.encoded_radiance))
            for rows, _, calm in self._bands(image, correct):
                encoded = encode(calm, rows, image.shape[0]).clamp_min_(0)
                if self.is_grey:
                    encoded = luminance_of(encoded).expand_as(encoded)
                result[rows].copy_(encoded.pow(GAMMA).permute(1, 2, 0), non_blocking=True)
        _wait_for(device)
        return result.numpy()

    @staticmethod
    def _bands(image: NDArray[np.uint8], correct: LocalAffine) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """The photo in bands: their rows, (3, rows, W) in 0..1, and the same with less noise where it is brightened."""
        photo = torch.from_numpy(image).to(correct.slope.device).permute(2, 0, 1)  # (3, H, W)
        quieten = Quieter.of(photo, correct.slope.mean(dim=0, keepdim=True))
        height = photo.shape[1]
        for rows, wider, inner in bands(height, Quieter.MARGIN):
            original = photo[:, wider].float() / 255
            calm = (quieten(original, wider, height) if quieten else original)[:, inner]
            yield rows, original[:, inner], calm


def _wait_for(device: torch.device) -> None:
    """Wait for copies into pinned memory, which a GPU writes to several times faster."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def planes(picture: NDArray[np.float32], device: torch.device) -> Tensor:
    """Return a picture (h, w, 3) as planes (3, h, w) on a device."""
    return torch.from_numpy(picture).to(device).permute(2, 0, 1).contiguous()
