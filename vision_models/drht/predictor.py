"""The door of DRHT: a photo in, the corrected photo and its estimated radiance out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from vision_models.devices import choose_device
from vision_models.drht.config import WEIGHTS, DRHTConfig
from vision_models.drht.network import DRHT, STRIDE
from vision_models.drht.upsampling import Quieter, bands, fit
from vision_models.hub import WeightsFile, load_network
from vision_models.photos import check_photo

_GAMMA = 2.2
BLACK = 6 / 255  # a photo's values up to here are black
BLACK_LEVEL = np.float32(0.08)  # where black goes in the corrected photo, at most
BLACK_SHARE = 0.01  # of the photo that has to be black for the full effect


@dataclass(frozen=True)
class Correction:
    """A corrected photo."""

    image: NDArray[np.uint8]  # (H, W, 3) sRGB
    radiance: NDArray[np.float32]  # (H, W, 3) linear, >= 0; 1.0 is white at a normal exposure

    def expose(self, ev: float) -> NDArray[np.uint8]:
        """Photograph the radiance at another exposure: clip(H * 2^EV, 0, 1)^(1/2.2), uint8 (H, W, 3)."""
        exposed = torch.from_numpy(np.require(self.radiance, np.float32, ["C", "W"])) * 2.0**ev

        return (exposed.clamp(0, 1).pow_(1 / _GAMMA) * 255 + 0.5).to(torch.uint8).numpy()


@dataclass(frozen=True)
class Estimate:
    """What the networks said about a photo, at working size. Small, picklable, independent of any device.

    `render` turns it into a full-size `Correction`, as often as wanted and at any strength, without the networks.
    """

    photo: NDArray[np.float32]  # (h, w, 3) the photo as the networks saw it, sRGB in 0..1
    corrected: NDArray[np.float32]  # (h, w, 3) the corrected photo, sRGB, about 0..1
    encoded_radiance: NDArray[np.float32]  # (h, w, 3) H^(1/2.2)

    def render(self, image: NDArray[np.uint8], strength: float = 1.0, device: str | torch.device = "cpu") -> Correction:
        """Carry the estimate over to the photo at its own resolution, or to a smaller copy of it.

        Time grows linearly with the pixels.

        Args:
            image: (H, W, 3) sRGB, the photo that was estimated, at any size.
            strength: 0 (the photo as it is) to 1 (fully corrected).
            device: where to compute.

        Raises:
            PhotoError: for an array that is no photo.
            ValueError: for a strength outside 0..1.
        """
        check_photo(image)
        if not 0 <= strength <= 1:
            raise ValueError(f"strength must be between 0 and 1, not {strength}")
        where = torch.device(device)
        pinned = where.type == "cuda"  # memory that the GPU writes to several times faster
        result = torch.empty(image.shape, dtype=torch.uint8, pin_memory=pinned)
        radiance = torch.empty(image.shape, dtype=torch.float32, pin_memory=pinned)
        with torch.inference_mode():
            photo = torch.from_numpy(np.require(image, requirements=["C", "W"])).to(where).permute(2, 0, 1)  # (3, H, W)
            guide = _planes(self.photo, where)
            correct = fit(guide, _planes(self.corrected, where))
            estimate_radiance = fit(guide, _planes(self.encoded_radiance, where))
            quieten = Quieter.of(photo, correct.slope.mean(dim=0, keepdim=True))
            height = photo.shape[1]
            for rows, wider, inner in bands(height, Quieter.MARGIN):
                original = photo[:, wider].float() / 255
                calm = (quieten(original, wider, height) if quieten else original)[:, inner]
                original = original[:, inner]
                corrected = correct(calm, rows, height).clamp_(0, 1)
                blended = torch.lerp(original, corrected, strength).mul_(255).round_()
                encoded = estimate_radiance(calm, rows, height).clamp_min_(0)
                result[rows].copy_(blended.to(torch.uint8).permute(1, 2, 0), non_blocking=True)
                radiance[rows].copy_(encoded.pow_(_GAMMA).permute(1, 2, 0), non_blocking=True)
        if pinned:
            torch.cuda.synchronize(where)
        return Correction(result.numpy(), radiance.numpy())


@dataclass(frozen=True)
class ExposurePredictor:
    """Corrects under- and over-exposed photos with DRHT.

    A photo's result depends on nothing but the photo and the weights. A CPU's and a GPU's may differ by rounding; where
    there is a GPU, the tests allow 3 of 255.

    Example:
        >>> predictor = ExposurePredictor.from_pretrained()
        >>> correction = predictor.correct(read_photo("dark.jpg"), strength=0.8)
        >>> write_png(correction.image, "corrected.png")
    """

    network: DRHT = field(repr=False)
    weights_file: WeightsFile  # which weights answer, and where they came from
    device: torch.device

    @classmethod
    def from_pretrained(
        cls,
        device: str | torch.device | None = None,
        repo_id: str | None = None,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        *,
        path: str | Path | None = None,
    ) -> Self:
        """Load weights: from `path`, else from a Hub repository when one is named, else the copy inside the package.

        Args:
            device: "cpu", "cuda", ...; the GPU when there is one.
            repo_id: "owner/name" on the Hub; by default what the environment variable VISION_MODELS_REPO names, if any.
            revision: commit of that repository; a full commit hash that is cached already needs no network.
            cache_dir: where the Hub's files are kept, instead of the usual cache.
            local_files_only: never use the network.
            path: a .safetensors file of your own, as `vision-models train drht` writes it.

        Raises:
            WeightsError: one subclass per cause, each with a sentence that says what to do.
        """
        network, found = load_network(
            WEIGHTS,
            lambda config: DRHT(DRHTConfig(**config)),
            "DRHT",
            path=path,
            repo_id=repo_id,
            revision=revision,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
        )
        where = choose_device(device)
        return cls(network.to(where), found, where)

    @property
    def config(self) -> DRHTConfig:
        """Size and constants of the networks."""
        return self.network.config

    def estimate(self, image: NDArray[np.uint8]) -> Estimate:
        """Run both networks on a photo, (H, W, 3) uint8 sRGB, shrunk to working size.

        Raises:
            PhotoError: for an array that is no photo, or has more than 50 megapixels or a side under 32 pixels.
        """
        check_photo(image)
        height, width = working_shape(image.shape[:2], self.config.working_size)
        shrinks = height * width < image.shape[0] * image.shape[1]
        photo = cv2.resize(
            image.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        )
        photo = np.clip(photo / 255, 0, 1)
        if self.device.type == "cpu":
            torch.set_flush_denormal(True)  # per thread; dark photos are 40 times slower without it
        with torch.inference_mode():
            batch = torch.from_numpy(photo).permute(2, 0, 1)[None].to(self.device)
            prediction = self.network(batch)
            corrected = prediction.corrected[0].permute(1, 2, 0).cpu().numpy()
            if self.config.keep_blacks:
                corrected = keep_blacks(photo, corrected)
            encoded = (prediction.radiance[0].pow(1 / _GAMMA)).permute(1, 2, 0).cpu().numpy()
        return Estimate(photo, np.ascontiguousarray(corrected), np.ascontiguousarray(encoded))

    def correct(self, image: NDArray[np.uint8], strength: float = 1.0) -> Correction:
        """Correct a photo at its own resolution.

        Args:
            image: (H, W, 3) uint8 sRGB, from 32 x 32 pixels to 50 megapixels, of any aspect.
            strength: 0 (the photo as it is) to 1 (fully corrected).

        Raises:
            PhotoError: for an array that is no photo, or is too small or too large.
            ValueError: for a strength outside 0..1.
        """
        return self.estimate(image).render(image, strength, self.device)


def keep_blacks(photo: NDArray[np.float32], corrected: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pull down a corrected picture's black point if what was black in the photo became grey.

    The best guess in the least-squares sense for a pixel without any light is the average of all scenes, a grey; over a
    whole dark photo that looks like fog. Both pictures are (h, w, 3), in 0..1.
    """
    black = photo.max(axis=-1) <= BLACK
    if not black.any():
        return corrected
    share = np.float32(min(black.mean() / BLACK_SHARE, 1))
    fog = np.maximum(np.median(corrected[black], axis=0) - BLACK_LEVEL, 0) * share  # (3,)
    return (corrected - fog) / (1 - fog)


def working_shape(size: tuple[int, int], working_size: int) -> tuple[int, int]:
    """(height, width) at which the networks see a photo: its aspect, about working_size**2 pixels, multiples of 32."""
    height, width = size
    scale = working_size / (height * width) ** 0.5
    return max(round(height * scale / STRIDE), 1) * STRIDE, max(round(width * scale / STRIDE), 1) * STRIDE


def _planes(picture: NDArray[np.float32], device: torch.device) -> torch.Tensor:
    return torch.from_numpy(picture).to(device).permute(2, 0, 1).contiguous()
