"""HICO-DET's measure, in its Default and its Known Object setting.

Both corners of a box are pixels that belong to it, so that (0, 0, 9, 9) is ten pixels wide. Chao et al., "Learning to
Detect Human-Object Interactions", WACV 2018; github.com/ywchao/ho-rcnn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision_models.interactions.boxes import iou
from vision_models.interactions.evaluation.metrics import (
    IOU,
    PIXEL,
    average_precision,
    first_claims,
    mean_precision,
)
from vision_models.interactions.result import Interactions

RARE = 10  # instances in HICO-DET's training images; a class with fewer is rare
# At which the precision counts: 0:0.1:1 as MATLAB has it, which counts from both ends, so that 3 of 5 reach .6.
RECALLS_11 = np.array([*(0.1 * n for n in range(5)), 0.5, *(1 - 0.1 * n for n in range(4, -1, -1))])


@dataclass(frozen=True, eq=False)
class TruePairs:
    """The people and objects of an image that interact, a row per interaction."""

    people: NDArray[np.floating]  # (N, 4)
    objects: NDArray[np.floating]  # (N, 4)
    classes: NDArray[np.integer]  # (N,) index into the caller's list of interaction classes, a verb and an object each


@dataclass(frozen=True, eq=False)
class FoundPairs(TruePairs):
    """What was found in an image."""

    scores: NDArray[np.floating]  # (N,)

    @classmethod
    def of(cls, found: Interactions, classes: Sequence[tuple[str, str]]) -> FoundPairs:
        """Keep the interactions with an object that are of a class (verb, COCO's name of the object)."""
        index = {pair: number for number, pair in enumerate(classes)}
        kept = [
            (one.person, one.object, index[one.verb, found.name(one.object)], one.score)
            for one in found.interactions
            if one.object is not None and (one.verb, found.name(one.object)) in index
        ]
        person, target, number, score = np.array(kept, np.float64).reshape(-1, 4).T
        people, objects = found.boxes[person.astype(np.int64)], found.boxes[target.astype(np.int64)]
        return cls(people, objects, number.astype(np.int64), score)


@dataclass(frozen=True, eq=False)
class HICO:
    """Average precision by HICO-DET's rules."""

    classes: NDArray[np.float64]  # (C,)
    is_rare: NDArray[np.bool_]  # (C,)

    @property
    def full(self) -> float:
        """Mean over all classes."""
        return mean_precision(self.classes)

    @property
    def rare(self) -> float:
        """Mean over the classes with fewer than 10 training instances."""
        return mean_precision(self.classes[self.is_rare])

    @property
    def non_rare(self) -> float:
        """Mean over the others."""
        return mean_precision(self.classes[~self.is_rare])


def evaluate_hico(
    truth: Sequence[TruePairs],
    found: Sequence[FoundPairs],
    training_instances: NDArray[np.integer],
    objects: NDArray[np.integer] | None = None,
) -> HICO:
    """Measure by the rules of HICO-DET's official evaluator.

    In its Default setting all images count for all classes. In its Known Object setting, which asks for `objects`, a
    class is looked for only in images on which somebody interacts with an object of its kind.

    What is found stands for the true pair of its class that it overlaps most, where the smaller of the two boxes' IoU
    decides, and is right if that is 0.5 at least. A pair that was found already makes a further one wrong. Precision is
    interpolated and averaged over eleven recalls.

    Args:
        truth: per image; pairs that are not visible left out, as the official evaluator does.
        found: of the same images.
        training_instances: (C,) how many pairs of each class HICO-DET's training images have.
        objects: (C,) the object of each class, by any number; None for the Default setting.

    Raises:
        ValueError: when there are not as many images found as true.
    """
    count = len(training_instances)
    classes: list[NDArray[np.integer]] = [np.empty(0, np.int64)]
    scores: list[NDArray[np.floating]] = [np.empty(0)]
    right, pairs = [np.empty(0, np.bool_)], [np.empty(0, np.int64)]
    shown = [np.empty((0, count), np.bool_)]  # whether each answer's image counts, per class
    wanted = np.zeros(count, np.int64)
    before = 0  # pairs of earlier images
    for true, said in zip(truth, found, strict=True):
        wanted += np.bincount(true.classes, minlength=count)
        nearest, is_right = np.zeros(len(said.classes), np.int64), np.zeros(len(said.classes), np.bool_)
        if len(true.classes):
            overlaps = np.minimum(
                iou(said.people[:, None], true.people[None], PIXEL),
                iou(said.objects[:, None], true.objects[None], PIXEL),
            )
            overlaps[said.classes[:, None] != true.classes] = 0
            nearest = overlaps.argmax(axis=1)
            is_right = overlaps.max(axis=1) >= IOU
        classes.append(said.classes)
        scores.append(said.scores)
        right.append(is_right)
        pairs.append(before + nearest)
        here = np.ones(count, np.bool_) if objects is None else np.isin(objects, objects[true.classes])
        shown.append(np.broadcast_to(here, (len(said.classes), count)))
        before += len(true.classes)
    number, score, claim, pair = (np.concatenate(parts) for parts in (classes, scores, right, pairs))
    counts = np.concatenate(shown)
    precisions = np.full(count, np.nan)
    for one in range(count):
        own = (number == one) & counts[:, one]
        hits = first_claims(score[own], claim[own], pair[own])
        precisions[one] = average_precision(hits, int(wanted[one]), RECALLS_11)
    return HICO(precisions, np.asarray(training_instances) < RARE)
