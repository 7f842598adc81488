"""Boxes, xyxy: where a person's target is expected (section 3.2 of the paper), and how far boxes overlap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIGMA = 0.3  # of the paper's density, for all four coordinates
_SMALLEST = 1e-3  # of a side, so that a degenerate box has a logarithm


def encode(boxes: NDArray[np.float32], people: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return where boxes lie as seen from people: ((x_o - x_h) / w_h, (y_o - y_h) / h_h, log w_o / w_h, log h_o / h_h).

    Both are (..., 4) and broadcast; x and y are of the centres.
    """
    size = np.maximum(people[..., 2:] - people[..., :2], _SMALLEST)
    shift = (boxes[..., :2] + boxes[..., 2:] - people[..., :2] - people[..., 2:]) / 2 / size
    scale = np.log(np.maximum(boxes[..., 2:] - boxes[..., :2], _SMALLEST) / size)
    return np.concatenate([shift, np.broadcast_to(scale, shift.shape)], axis=-1)


def decode(target: NDArray[np.float32], person: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the box (4,) that lies at a place (4,) as seen from a person's box (4,)."""
    size = np.maximum(person[2:] - person[:2], _SMALLEST)
    centre = (person[:2] + person[2:]) / 2 + target[:2] * size
    half = size * np.exp(target[2:]) / 2
    return np.concatenate([centre - half, centre + half])


def density(
    target: NDArray[np.float32], sigma: NDArray[np.float32], person: NDArray[np.float32], width: int, height: int
) -> NDArray[np.float32]:
    """Evaluate the target density for the centre of the object at every pixel: (height, width), 0..1.

    Args:
        target: (4,) mu, in sizes of the person.
        sigma: (4,) its spread.
        person: (4,) pixels.
        width: of the picture, pixels.
        height: of the picture, pixels.
    """
    size = np.maximum(person[2:] - person[:2], _SMALLEST)
    centre = (person[:2] + person[2:]) / 2 + target[:2] * size
    across = (np.arange(width) + 0.5 - centre[0]) / (size[0] * sigma[0])
    down = (np.arange(height) + 0.5 - centre[1]) / (size[1] * sigma[1])
    return np.exp(-(across[None, :] ** 2 + down[:, None] ** 2) / 2).astype(np.float32)


def iou(a: NDArray[np.floating], b: NDArray[np.floating], border: float = 0.0) -> NDArray[np.float64]:
    """Intersection over union of boxes (..., 4), which broadcast. NaN where a box is.

    Args:
        a: xyxy.
        b: xyxy.
        border: added to every width and height: 1 where the corners are pixels of the box.
    """
    shared, area, other = areas(a, b, border)
    return shared / np.maximum(area + other - shared, np.finfo(np.float64).tiny)


def areas(
    a: NDArray[np.floating], b: NDArray[np.floating], border: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the areas that boxes (..., 4) share and that each has; `border` as in `iou`."""
    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])
    shared, own, other = (
        (end - start + border).clip(0).prod(axis=-1, dtype=np.float64)
        for start, end in ((low, high), (a[..., :2], a[..., 2:]), (b[..., :2], b[..., 2:]))
    )
    return shared, own, other
