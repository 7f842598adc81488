"""The door of DRHT: a photo in, the corrected photo and its estimated radiance out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from vision_models.exposure.borders import find_borders
from vision_models.exposure.config import WEIGHTS, DRHTConfig
from vision_models.exposure.network import DRHT, STRIDE
from vision_models.exposure.result import GAMMA, Correction, Estimate
from vision_models.media.photos import check_photo
from vision_models.predictor import Predictor

BLACK = 6 / 255  # a photo's values up to here are black
BLACK_LEVEL = np.float32(0.08)  # where black goes in the corrected photo, at most
BLACK_SHARE = 0.01  # of the photo that has to be black for the full effect
WHITE = 250 / 255  # a photo's values from here on are white
MIDDLE = (0.2, 0.8)  # middle tones
DARKENED = (0.8, 0.95)  # times as bright as before: over-exposed for sure, and not at all
WHITE_KNEE = 0.6  # of the level of white, from where on it is taken up
WELL = (0.35, 0.6)  # needs, of a photo whose whites are meant for sure, and of one of which that is not known
CERTAIN = (0.25, 0.65)  # what the judge says of photos that need nothing, and all
COARSE = 4  # times the working size, to which large photos are shrunk first, in 8 bits: rounding averages out
NEED_STEP = 0.05  # finer differences cannot be seen
COLOURLESS = 3 / 255  # channels that are no further apart are grey


class ExposurePredictor(Predictor[DRHT]):
    """Corrects under- and over-exposed photos with DRHT.

    A photo's result depends on nothing but the photo and the weights. A CPU's and a GPU's may differ by rounding; where
    there is a GPU, the tests allow 3 of 255.

    Example:
        >>> predictor = ExposurePredictor.from_pretrained()
        >>> correction = predictor.correct(read_photo("dark.jpg"), strength=0.8)
        >>> write_png(correction.image, "corrected.png")
    """

    weights = WEIGHTS

    @classmethod
    def build(cls, config: Mapping[str, Any]) -> DRHT:
        """Make the network from the config inside a weights file."""
        return DRHT(DRHTConfig(**config))

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
        borders = find_borders(image)
        image = image[borders.inside(*image.shape[:2])]
        height, width = working_shape(image.shape[:2], self.config.working_size)
        if min(image.shape[0] / height, image.shape[1] / width) > 2 * COARSE:  # a copy in floats would be large
            image = cv2.resize(image, (COARSE * width, COARSE * height), interpolation=cv2.INTER_AREA)
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
            need = 1.0 if prediction.need is None else decided(float(prediction.need[0]))
            if self.config.keep_blacks:
                corrected = keep_whites(photo, keep_blacks(photo, corrected), need)
            encoded = (prediction.radiance[0].pow(1 / GAMMA)).permute(1, 2, 0).cpu().numpy()
        return Estimate(
            photo,
            np.ascontiguousarray(corrected),
            np.ascontiguousarray(encoded),
            need,
            is_grey(photo),
            borders,
        )

    def correct(self, image: NDArray[np.uint8], strength: float | None = None) -> Correction:
        """Correct a photo at its own resolution.

        Args:
            image: (H, W, 3) uint8 sRGB, from 32 x 32 pixels to 50 megapixels, of any aspect.
            strength: 0 (the photo as it is) to 1 (fully corrected); None: as much as the photo needs.

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
    level = np.median(corrected[black], axis=0)  # (3,)
    wanted = np.minimum(level, level + share * (BLACK_LEVEL - level))
    return np.where(level < 1, 1 - (1 - corrected) * (1 - wanted) / np.maximum(1 - level, 1e-3), corrected)


def decided(need: float) -> float:
    """Sharpen what a judge says, in steps of a twentieth: it hedges, and near either end that is no doubt."""
    sharper = min(max((need - CERTAIN[0]) / (CERTAIN[1] - CERTAIN[0]), 0.0), 1.0)
    return round(sharper / NEED_STEP) * NEED_STEP


def keep_whites(photo: NDArray[np.float32], corrected: NDArray[np.float32], need: float) -> NDArray[np.float32]:
    """Take a corrected picture's white point up again if what was white in the photo became grey.

    The best guess for a clipped pixel is a light grey, too. In a photo that is badly exposed and whose middle tones are
    darkened, that is right; in any other, white was meant. Both pictures are (h, w, 3), in 0..1.
    """
    white, before = photo.min(axis=-1) >= WHITE, photo.mean(axis=-1)
    middle = (before > MIDDLE[0]) & (before < MIDDLE[1])
    if not white.any() or not middle.any():
        return corrected
    after = corrected.mean(axis=-1)
    ratio = float(np.median(after[middle] / before[middle]))
    is_well = (WELL[1] - need) / (WELL[1] - WELL[0])
    trust = np.float32(np.clip(max((ratio - DARKENED[0]) / (DARKENED[1] - DARKENED[0]), is_well), 0, 1))
    level = np.median(corrected[white], axis=0)  # (3,)
    knee = WHITE_KNEE * level.mean()
    share = ((after - knee) / max(level.mean() - knee, 1e-3)).clip(0, 1) ** 2
    return corrected + trust * share[..., None] * np.maximum(1 - level, 0)


def is_grey(photo: NDArray[np.float32]) -> bool:
    """Whether a photo (h, w, 3), in 0..1, is in black and white."""
    return bool(np.percentile(photo.max(axis=-1) - photo.min(axis=-1), 99.5) <= COLOURLESS)


def working_shape(size: tuple[int, int], working_size: int) -> tuple[int, int]:
    """(height, width) at which the networks see a photo: its aspect, about working_size**2 pixels, multiples of 32."""
    height, width = size
    scale = working_size / (height * width) ** 0.5
    return max(round(height * scale / STRIDE), 1) * STRIDE, max(round(width * scale / STRIDE), 1) * STRIDE
