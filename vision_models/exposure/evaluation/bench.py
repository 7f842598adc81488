"""Speed and memory of DRHT, as ratios within one run, so that they hold on any machine."""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from vision_models.bench import peak_memory, seconds
from vision_models.exposure.predictor import ExposurePredictor

SIZES = ((1500, 2000), (3000, 4000), (6000, 8000))  # 3, 12 and 48 megapixels


def bench(predictor: ExposurePredictor) -> str:
    """Time a 12-megapixel photo against Mertens fusion of three such, the growth with size, and peak memory.

    Returns:
        Lines of text with the ratios.
    """
    before = peak_memory()
    photos = {size: dark_photo(size) for size in SIZES[:2]}
    predictor.correct(photos[SIZES[0]])  # warm up
    times = {size: seconds(partial(predictor.correct, photo), repeats=5) for size, photo in photos.items()}
    memory = peak_memory()
    photo = photos[SIZES[1]]
    exposures = [photo, cv2.convertScaleAbs(photo, alpha=2), cv2.convertScaleAbs(photo, alpha=4)]
    mertens = seconds(lambda: cv2.createMergeMertens().process(exposures), repeats=3)
    largest = dark_photo(SIZES[2])
    times[SIZES[2]] = seconds(lambda: predictor.correct(largest))
    ours = times[SIZES[1]]
    lines = [
        f"{torch.get_num_threads()} CPU threads, {predictor.device}, width {predictor.config.width}",
        f"12 megapixels: {ours / mertens:.2f} of the time of Mertens fusion of three ({ours:.2f} s, {mertens:.2f} s)",
        f"peak memory of the process by then: {memory / 1e9:.2f} GB ({before / 1e9:.2f} GB before the first photo)",
        *(
            f"{h * w / 1e6:.0f} megapixels: {s / (h * w) * 12e6 / ours:.2f} of the time per pixel at 12 megapixels"
            for (h, w), s in times.items()
        ),
    ]
    if predictor.device.type == "cuda":
        gpu = seconds(lambda: predictor.estimate(photo), repeats=20)
        lines.append(f"estimate on the GPU: {1000 * gpu:.0f} ms, {gpu / ours:.2f} of the whole")
    return "\n".join(lines)


def dark_photo(size: tuple[int, int]) -> NDArray[np.uint8]:
    """A synthetic under-exposed photo with structure and noise at every scale, made without much memory."""
    rng = np.random.default_rng(0)
    photo = np.empty((*size, 3), np.uint8)
    noise = 2 * rng.standard_normal(size, np.float32)
    for channel in range(3):
        plane = np.zeros(size, np.float32)
        for side in (4, 16, 64, 256):
            coarse = rng.random((side * size[0] // size[1], side), np.float32) * np.float32(22 / side**0.25)
            plane += cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
        plane += noise
        photo[..., channel] = np.clip(plane, 0, 255)
    return photo
