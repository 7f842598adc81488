"""Bars and frames around the picture of a video, for as long as it lasts: black, of any colour, or a blurred copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from vision_models.errors import VideoError
from vision_models.media.videos import WHOLE, Crop, Video, read_frames

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIDE = 384  # pixels: the longer side of what is looked at
_LOOKS = 9  # spread over the video
_SHORT_S = 20  # a video that is not longer is decoded whole; of others, single frames
_CHANGE = 14  # of 255: noise and compression
_EDGE = 0.5  # of the pixels along a bar differ from it at some time: a dark scene has no straight edge
_THICKEST = 0.46  # of a side
_THINNEST = 0.01
_BLUR = 0.25  # of the picture's sharpness that a blurred copy has at most
_SHADES = 6.0  # of 255: how much a blurred copy varies at least
_STEP = 3.0  # of 255: the least step where picture and blurred copy meet ...
_SEAM = 4.0  # ... and times what is usual around it


def without_bars(video: Video) -> Video:
    """Find bars that stay for the whole video, and return the video without them: smaller, or as it is.

    Raises:
        VideoError: damaged, or it takes far too long.
    """
    scale = min(_SIDE / max(video.width, video.height), 1)
    size = max(round(video.width * scale), 1), max(round(video.height * scale), 1)
    frames = _looks(video, size)
    if not len(frames):
        return video
    crop = _flat(frames)
    if crop == WHOLE:
        crop = _blurred(frames)
    return video if crop == WHOLE else video.cropped(crop)


def _looks(video: Video, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Frames (N, h, w, 3) from everywhere in the video."""
    if video.duration_s <= _SHORT_S:
        return np.stack([frame for _, frame in read_frames(video, fps=_LOOKS / video.duration_s, size=size)])
    found = []
    for number in range(_LOOKS):
        start_s = (number + 0.5) * video.duration_s / _LOOKS
        try:
            found += [frame for _, frame in read_frames(video, fps=10, size=size, start_s=start_s, end_s=start_s + 0.1)]
        except VideoError:  # a damaged stretch, of which the ranking hears, too
            continue
    return np.stack(found) if found else np.empty((0, size[1], size[0], 3), np.uint8)


def _flat(frames: NDArray[np.uint8]) -> Crop:
    """Bars of one colour that never change, each with a straight edge."""
    highest, lowest = frames.max(axis=0), frames.min(axis=0)
    height, width = highest.shape[:2]
    top, bottom = _thickness(highest, lowest), _thickness(highest[::-1], lowest[::-1])
    high, low = (x[top : height - bottom].transpose(1, 0, 2) for x in (highest, lowest))
    left, right = _thickness(high, low), _thickness(high[::-1], low[::-1])
    return Crop(left / width, top / height, 1 - (left + right) / width, 1 - (top + bottom) / height)


def _thickness(highest: NDArray[np.uint8], lowest: NDArray[np.uint8]) -> int:
    """How many rows from the top on are a bar, by the most and the least that each pixel ever was."""
    colour = np.median(highest[0], axis=0)
    differs = np.maximum(np.abs(highest - colour), np.abs(lowest - colour)).max(axis=2)
    is_bar = (differs <= _CHANGE).mean(axis=1) >= 0.99
    rows = int(is_bar.argmin()) if not is_bar.all() else len(is_bar)
    if not _THINNEST * len(is_bar) <= rows <= _THICKEST * len(is_bar):
        return 0
    edge = (differs[rows : rows + 3] > 2 * _CHANGE).any(axis=0).mean()
    return min(rows + 1, len(is_bar) - 1) if edge >= _EDGE else 0  # a row more: the first one is a mixture


def _blurred(frames: NDArray[np.uint8]) -> Crop:
    """A blurred copy of the picture on both sides of it, which is how phones' videos are put into wide frames."""
    grey = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]).astype(np.float32)
    side = _seam(grey)
    if side:
        width = grey.shape[2]
        return Crop(side / width, 0, 1 - 2 * side / width, 1)
    side = _seam(grey.transpose(0, 2, 1))
    height = grey.shape[1]
    return Crop(0, side / height, 1, 1 - 2 * side / height) if side else WHOLE


def _seam(grey: NDArray[np.float32]) -> int:
    """How many columns on both sides are blurred; 0 for none."""
    width = grey.shape[2]
    steps = np.abs(np.diff(grey, axis=2)).mean(axis=(0, 1))  # (W - 1,) from each column to the next
    detail = np.abs(np.diff(grey, 2, axis=1)).mean(axis=(0, 1))  # (W,) along the columns
    both = np.minimum(steps, steps[::-1])
    for place in np.argsort(-both)[:4] + 1:
        side = min(int(place), width - int(place))
        if not 0.1 * width <= side <= _THICKEST * width:
            continue
        around = np.median(np.r_[steps[side - 9 : side - 2], steps[side + 1 : side + 8]])
        outside = max(detail[: side - 1].mean(), detail[width - side + 1 :].mean())
        outer = side * 3 // 4
        shades = min(part.std(axis=(1, 2)).mean() for part in (grey[:, :, :outer], grey[:, :, width - outer :]))
        if shades < _SHADES:  # plain, so not a copy of anything
            continue
        if both[side - 1] > max(_SEAM * around, _STEP) and outside < _BLUR * detail[side + 1 : width - side - 1].mean():
            return side + 1
    return 0
