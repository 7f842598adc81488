"""What the measures of the field share, and COCO's average precision of boxes.

Boxes are xyxy in pixels. Whatever is found is asked in the order of its score; of equal scores the first image comes
first. All measures are 0..1, higher is better, and NaN for a class that is nowhere to be found.

Lin et al., "Microsoft COCO", ECCV 2014.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision_models.interactions.boxes import areas
from vision_models.interactions.vocabulary import OBJECTS

IOU = 0.5  # from which on a box is right, in V-COCO and HICO-DET
PIXEL = 1.0  # what V-COCO and HICO-DET add to a box's width and height
RECALLS_101 = np.linspace(0, 1, 101)  # and COCO
COCO_IOUS = np.linspace(0.5, 0.95, 10)
COCO_MOST = 100  # boxes of a class in an image, the best ones


@dataclass(frozen=True, eq=False)
class TrueObjects:
    """The objects of an image."""

    boxes: NDArray[np.floating]  # (G, 4)
    labels: NDArray[np.integer]  # (G,) index into OBJECTS
    crowd: NDArray[np.bool_]  # (G,) one box around many: may be found any number of times, and need not be


@dataclass(frozen=True, eq=False)
class FoundObjects:
    """What a detector found in an image."""

    boxes: NDArray[np.floating]  # (D, 4)
    labels: NDArray[np.integer]  # (D,) index into OBJECTS
    scores: NDArray[np.floating]  # (D,)


@dataclass(frozen=True, eq=False)
class COCO:
    """Average precision by COCO's rules."""

    precisions: NDArray[np.float64]  # (10, C) at IoU 0.5, 0.55, ..., 0.95

    @property
    def ap(self) -> float:
        """AP: the mean over IoUs and classes."""
        return mean_precision(self.precisions)

    @property
    def ap50(self) -> float:
        """AP at an IoU of 0.5."""
        return mean_precision(self.precisions[0])

    @property
    def classes(self) -> NDArray[np.float64]:
        """AP of every class, (C,)."""
        return self.precisions.mean(axis=0)

    @property
    def classes50(self) -> NDArray[np.float64]:
        """AP at an IoU of 0.5 of every class, (C,)."""
        return self.precisions[0]


def evaluate_boxes(truth: Sequence[TrueObjects], found: Sequence[FoundObjects], classes: int = len(OBJECTS)) -> COCO:
    """Measure a detector by COCO's rules, for objects of all sizes and at most 100 boxes per class and image.

    The best box takes the object of its class that it overlaps most, then the next one what is still free. A box on a
    crowd alone, by the share of the box that lies inside, counts neither for nor against. Precision is interpolated and
    averaged over 101 recalls.

    Args:
        truth: per image.
        found: of the same images.
        classes: how many there are.

    Raises:
        ValueError: when there are not as many images found as true.
    """
    labels: list[NDArray[np.integer]] = [np.empty(0, np.int64)]
    scores: list[NDArray[np.floating]] = [np.empty(0)]
    hits, ignored = ([np.empty((0, len(COCO_IOUS)), np.bool_)] for _ in range(2))
    wanted = np.zeros(classes, np.int64)
    for true, said in zip(truth, found, strict=True):
        wanted += np.bincount(true.labels[~true.crowd], minlength=classes)
        order = np.lexsort((-said.scores, said.labels))  # class by class, best first
        label = said.labels[order]
        order = order[np.arange(len(order)) - np.searchsorted(label, label) < COCO_MOST]
        hit, on_crowd = _match(true, said.boxes[order], said.labels[order])
        labels.append(said.labels[order])
        scores.append(said.scores[order])
        hits.append(hit)
        ignored.append(on_crowd)
    number, score, right, aside = (np.concatenate(parts) for parts in (labels, scores, hits, ignored))
    precisions = np.full((len(COCO_IOUS), classes), np.nan)
    for one in range(classes):
        own = np.flatnonzero(number == one)
        own = own[np.argsort(-score[own], kind="stable")]
        for level in range(len(COCO_IOUS)):
            kept = right[own, level][~aside[own, level]]
            precisions[level, one] = average_precision(kept, int(wanted[one]), RECALLS_101)
    return COCO(precisions)


def _match(
    true: TrueObjects, boxes: NDArray[np.floating], labels: NDArray[np.integer]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether boxes (D, 4), best first in their class, find an object, and whether they find but a crowd: (D, 10)."""
    hits = np.zeros((len(boxes), len(COCO_IOUS)), np.bool_)
    on_crowd = np.zeros_like(hits)
    if not len(true.boxes):
        return hits, on_crowd
    shared, area, true_area = areas(boxes[:, None], true.boxes[None], 0.0)  # (D, G)
    overlaps = shared / np.maximum(np.where(true.crowd, area, area + true_area - shared), np.finfo(np.float64).tiny)
    overlaps[labels[:, None] != true.labels] = 0
    free = np.broadcast_to(~true.crowd, (len(COCO_IOUS), len(true.boxes))).copy()
    levels = np.arange(len(COCO_IOUS))
    for box in np.flatnonzero(overlaps.max(axis=1) >= IOU):
        near = overlaps[box] >= COCO_IOUS[:, None]  # (10, G)
        fit = np.where(near & free, overlaps[box], 0)
        best = fit.argmax(axis=1)
        hits[box] = fit[levels, best] > 0
        free[levels[hits[box]], best[hits[box]]] = False
        on_crowd[box] = ~hits[box] & (near & true.crowd).any(axis=1)
    return hits, on_crowd


def first_claims(
    scores: NDArray[np.floating], claims: NDArray[np.bool_], targets: NDArray[np.integer]
) -> NDArray[np.bool_]:
    """Put answers (N,) into the order of their scores, and let only the first that claims a target have it.

    Returns:
        Whether each is right, best first; an answer without a score, NaN, is none.
    """
    order = np.argsort(-scores, kind="stable")
    order = order[~np.isnan(scores[order])]
    claiming = np.flatnonzero(claims[order])
    first = np.unique(targets[order][claiming], return_index=True)[1]
    hits = np.zeros(len(order), np.bool_)
    hits[claiming[first]] = True
    return hits


def average_precision(hits: NDArray[np.bool_], wanted: int, recalls: NDArray[np.float64] | None = None) -> float:
    """Average the interpolated precision: at every recall the best there is at this recall or any higher one.

    Args:
        hits: (N,) whether each answer is right, best first.
        wanted: how many right ones there are to be found; NaN is the answer for none.
        recalls: (R,) at which the precision counts; by default all, so that this is the area under the curve.
    """
    if not wanted:
        return float("nan")
    found = np.cumsum(hits)
    recall = found / wanted
    precision = np.maximum.accumulate((found / np.arange(1, len(hits) + 1))[::-1])[::-1]
    if recalls is None:
        return float((np.diff(recall, prepend=0) * precision).sum())
    return float(np.append(precision, 0)[np.searchsorted(recall, recalls)].mean())


def mean_precision(precisions: NDArray[np.float64]) -> float:
    """Return the mean over the classes that there are, NaN for none."""
    there = precisions[~np.isnan(precisions)]
    return float(there.mean()) if len(there) else float("nan")
