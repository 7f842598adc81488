"""The measures of the paper's comparison, for one video each: AP, nMSD and Recall@5.

They look at frames, ten a second. All frames of a segment have its score, so two segments with equal scores would be
told apart by nothing but their order; `break_ties` does it by a little seeded noise instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

FRAMES = 10  # a second
TIE_NOISE = 1e-7  # less than the distance between two float32 numbers around 1: it decides between equal scores alone


def break_ties(segment_scores: ArrayLike, seed: int | np.random.Generator) -> NDArray[np.float64]:
    """Add seeded noise of 0..1e-7 to every segment's score (S,), in float64 since float32 would swallow it."""
    scores = np.asarray(segment_scores, np.float64)
    return scores + TIE_NOISE * np.random.default_rng(seed).random(len(scores))


class Quality(NamedTuple):
    """The three measures, in percent."""

    ap: float
    nmsd: float  # lower is better
    recall: float  # of the wanted frames, inside the five best segments


def measure(
    segment_scores: NDArray[np.float64], segment_of_frame: NDArray[np.integer], gifs: NDArray[np.bool_]
) -> Quality:
    """Take all three measures of one video.

    Args:
        segment_scores: (S,), ties broken.
        segment_of_frame: (F,) index of the segment that a frame is in.
        gifs: (G, F) frames of each GIF that the user cut. nMSD is the mean over them.

    Raises:
        ValueError: when no frame is true, or the lengths differ.
    """
    said, truth = segment_scores[segment_of_frame], gifs.any(axis=0)
    return Quality(
        100 * average_precision(said, truth),
        100 * float(np.mean([msd(said, gif) for gif in gifs])),
        100 * recall_at(segment_scores, segment_of_frame, truth),
    )


def mean_quality(videos: Sequence[Quality]) -> Quality:
    """Average every measure over videos."""
    ap, nmsd, recall = np.mean(videos, axis=0).tolist()
    return Quality(ap, nmsd, recall)


def average_precision(scores: ArrayLike, truth: ArrayLike) -> float:
    """Average the interpolated precision over the points at which recall changes.

    A point is a threshold: all frames with at least that score are retrieved, so frames with equal scores come
    together. The interpolated precision is the best at this recall or any higher one. Every point counts the same,
    however much recall it adds.

    Args:
        scores: (F,)
        truth: (F,) bool, whether a frame is in a GIF of the user's.

    Returns:
        0..1, higher is better.

    Raises:
        ValueError: when no frame is true, or the lengths differ.
    """
    said, wanted = _checked(scores, truth)
    order = np.argsort(-said, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(said[order])), len(said) - 1)  # the last frame of each threshold
    found = np.cumsum(wanted[order])[ends]
    precision = np.maximum.accumulate((found / (ends + 1))[::-1])[::-1]
    return float(precision[np.diff(found, prepend=0) > 0].mean())


def msd(scores: ArrayLike, gif: ArrayLike) -> float:
    """Measure how much of a video has to be kept to keep half of one GIF: normalised meaningful summary duration.

    The threshold is the median score of the GIF's frames, which keeps at least half of them. With n frames of the video
    kept by it, nMSD is (n - |GIF| / 2) / (F - |GIF| / 2).

    Args:
        scores: (F,)
        gif: (F,) bool, whether a frame is in this GIF.

    Returns:
        0..1, lower is better.

    Raises:
        ValueError: when no frame is true, or the lengths differ.
    """
    said, wanted = _checked(scores, gif)
    half = wanted.sum() / 2
    kept = (said >= np.median(said[wanted])).sum()
    return float((kept - half) / (len(said) - half))


def recall_at(segment_scores: ArrayLike, segment_of_frame: NDArray[np.integer], truth: ArrayLike, k: int = 5) -> float:
    """Share of the true frames that lie inside the `k` best segments.

    Args:
        segment_scores: (S,); of equal ones the first is taken, unless `break_ties` went before.
        segment_of_frame: (F,) index of the segment that a frame is in.
        truth: (F,) bool.
        k: How many segments.

    Returns:
        0..1, higher is better.

    Raises:
        ValueError: when no frame is true, or the lengths differ.
    """
    of_frame, wanted = _checked(segment_of_frame, truth)
    best = np.argsort(-np.asarray(segment_scores, np.float64), kind="stable")[:k]
    return float(np.isin(of_frame, best)[wanted].mean())


def _checked(frames: ArrayLike, truth: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    values, wanted = np.asarray(frames, np.float64), np.asarray(truth, bool)
    if values.shape != wanted.shape or values.ndim != 1:
        raise ValueError(f"There must be one value and one truth per frame, not {values.shape} and {wanted.shape}.")
    if not wanted.any():
        raise ValueError("No frame is true, so there is nothing to find. Leave this video out.")
    return values, wanted
