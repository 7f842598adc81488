"""How things move in a segment: optical flow, once the movement of the camera is taken out."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 64  # pixels: flow is measured on frames of this size
CUT = 0.2  # mean change of brightness, of 1: more is another shot, not motion
SPEED, BRIGHTNESS_CHANGE = 1, 3  # places in the numbers of `MotionMeter`: how fast things move, how lively it looks
_CELLS = 3  # a side of the grid that says where things move
_DIRECTIONS = 4
_PER_PAIR = 5 + _CELLS**2 + _DIRECTIONS
MOTION_SIZE = 2 * _PER_PAIR  # mean and maximum over the pairs of a segment


class MotionMeter:
    """Measures the motion between frames that follow each other; keeps nothing but the last one."""

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._last: NDArray[np.uint8] | None = None

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compare a frame (h, w, 3) with the one before: (18,), all >= 0; zeros for the first and after a cut.

        In order: speed of the camera, mean speed of the rest, its 90th percentile, mean and 90th percentile of the
        change in brightness, then where (3 x 3 cells) and in which direction (right, down, left, up) the rest moves.
        Speeds are in widths or heights of the frame between two frames.
        """
        grey = cv2.resize(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        last, self._last = self._last, grey
        if last is None:
            return np.zeros(_PER_PAIR, np.float32)
        change = cv2.absdiff(last, grey).astype(np.float32) / 255
        if change.mean() > CUT:
            return np.zeros(_PER_PAIR, np.float32)
        flow = self._flow.calc(last, grey, None) / SIDE  # (64, 64, 2)
        camera = np.median(flow.reshape(-1, 2), axis=0)
        rest = flow - camera
        speed = np.hypot(rest[..., 0], rest[..., 1])
        cells = cv2.resize(speed, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA).reshape(-1)
        x, y = rest[..., 0], rest[..., 1]
        directions = [part.clip(0).mean() for part in (x, y, -x, -y)]
        parts = [
            np.hypot(*camera),
            speed.mean(),
            np.quantile(speed, 0.9),
            change.mean(),
            np.quantile(change, 0.9),
            *cells,
            *directions,
        ]
        return np.array(parts, np.float32)


def summarise(pairs: Sequence[NDArray[np.float32]] | NDArray[np.float32]) -> NDArray[np.float32]:
    """Describe a segment by what `MotionMeter` said of its frames: (36,), on a logarithmic scale; zeros for none."""
    if not len(pairs):
        return np.zeros(MOTION_SIZE, np.float32)
    stacked = np.asarray(pairs)
    return np.log1p(100 * np.concatenate([stacked.mean(axis=0), stacked.max(axis=0)]))
