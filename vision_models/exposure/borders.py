"""Bars, frames and mats around a photo: they are no light, and say nothing about the exposure between them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SPREAD = 12  # of 255, that a border's values differ by within one row
STEP = 6  # of 255, from a border to the picture at the least
EDGE = 0.6  # of the row next to a border that has to be another colour: a clipped sky has no straight edge
THINNEST = 0.005  # of the photo's side
THICKEST = 0.45
SMALLEST = 32  # pixels that have to be left of the picture, each way
PROBED = 3  # rows next to the border: in a JPEG, the first of them is a mixture


class Borders(NamedTuple):
    """How much of a photo's height and width its borders take, on each side."""

    top: float = 0.0
    bottom: float = 0.0
    left: float = 0.0
    right: float = 0.0

    def inside(self, height: int, width: int) -> tuple[slice, slice]:
        """Return the rows and columns of the picture between the borders, in a copy of the photo of any size."""
        rows = slice(round(self.top * height), height - round(self.bottom * height))
        return rows, slice(round(self.left * width), width - round(self.right * width))


NO_BORDERS = Borders()


def find_borders(image: NDArray[np.uint8]) -> Borders:
    """Find borders of one colour along the sides of a photo, (H, W, 3) uint8, each with a straight edge."""
    height, width = image.shape[:2]
    top, bottom = _thickness(image), _thickness(image[::-1])
    between = image[top : height - bottom].transpose(1, 0, 2)
    left, right = _thickness(between), _thickness(between[::-1])
    if min(height - top - bottom, width - left - right) < SMALLEST:
        return NO_BORDERS
    return Borders(top / height, bottom / height, left / width, right / width)


def _thickness(image: NDArray[np.uint8]) -> int:
    """How many rows from the top on are a border; 0 if there is none."""
    limit = int(THICKEST * len(image))
    colour = np.median(image[0], axis=0).astype(np.int16)
    rows = 0
    while rows < limit and np.abs(image[rows] - colour).max() <= SPREAD:
        rows += 1
    if not max(THINNEST * len(image), 1) <= rows < limit:
        return 0
    step = max(STEP, 2 * int(np.abs(image[:rows] - colour).max()))
    differs = np.abs(image[rows : rows + PROBED] - colour).max(axis=-1) > step
    return rows if differs.mean(axis=-1).max() > EDGE else 0
