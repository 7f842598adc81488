"""The measures of the field, written anew from their rules: V-COCO, HICO-DET, and COCO's average precision of boxes.

Boxes are xyxy in pixels. V-COCO and HICO-DET take both corners as pixels that belong to the box, so that (0, 0, 9, 9)
is ten pixels wide; COCO does not. Whatever is found is asked in the order of its score; of equal scores the first image
comes first. All measures are 0..1, higher is better, and NaN for a class that is nowhere to be found.

Gupta & Malik, "Visual Semantic Role Labeling", 2015, arXiv 1505.04474; Chao et al., "Learning to Detect Human-Object
Interactions", WACV 2018; Lin et al., "Microsoft COCO", ECCV 2014.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision_models.interactions.result import Interactions
from vision_models.interactions.vocabulary import ACTIONS, OBJECTS, VERB_NAMES, VERB_OF_ACTION, Action

IOU = 0.5  # from which on a box is right, in V-COCO and HICO-DET
PIXEL = 1.0  # what V-COCO and HICO-DET add to a box's width and height
RARE = 10  # instances in HICO-DET's training images; a class with fewer is rare
RECALLS_11 = np.linspace(0, 1, 11)  # at which HICO-DET looks at the precision
RECALLS_101 = np.linspace(0, 1, 101)  # and COCO
COCO_IOUS = np.linspace(0.5, 0.95, 10)
COCO_MOST = 100  # boxes of a class in an image, the best ones
POINT = ACTIONS.index(Action("point", "instr"))  # so rare that papers leave it out of AP_role


# ------------------------------------------------------------------------------------- V-COCO


@dataclass(frozen=True, eq=False)
class TruePeople:
    """The people of an image as V-COCO has them: every person of COCO's, annotated or not."""

    people: NDArray[np.floating]  # (P, 4)
    annotated: NDArray[np.bool_]  # (P,) V-COCO says nothing about the others, and what is found there does not count
    verbs: NDArray[np.integer]  # (P, 26) 1 where the person does it
    roles: NDArray[np.floating]  # (P, 25, 4) the target's box; NaN where it is not annotated


@dataclass(frozen=True, eq=False)
class FoundPeople:
    """The people that were found in an image, each with one answer per verb and one box per action."""

    people: NDArray[np.floating]  # (D, 4)
    verb_scores: NDArray[np.floating]  # (D, 26) NaN: not found doing it
    role_scores: NDArray[np.floating]  # (D, 25) likewise
    role_boxes: NDArray[np.floating]  # (D, 25, 4) NaN or zeros: the target is not to be seen

    @classmethod
    def of(cls, found: Interactions) -> FoundPeople:
        """Write interactions down the way V-COCO's evaluator wants them: a record per person.

        A verb's score is that of the person and the action alone, s_h * s^a, the best over the verb's roles. Only the
        best target of a role counts.
        """
        rows = {person: row for row, person in enumerate(found.people)}
        verb_scores = np.full((len(rows), len(VERB_NAMES)), np.nan)
        role_scores = np.full((len(rows), len(ACTIONS)), np.nan)
        role_boxes = np.full((len(rows), len(ACTIONS), 4), np.nan)
        for one in reversed(found.interactions):  # best first, so that the best is written last
            row, verb = rows[one.person], VERB_NAMES.index(one.verb)
            verb_scores[row, verb] = np.fmax(verb_scores[row, verb], one.person_score * one.action_score)
            if one.role is not None:
                action = ACTIONS.index(Action(one.verb, one.role))
                role_scores[row, action] = one.score
                role_boxes[row, action] = np.nan if one.object is None else found.boxes[one.object]
        return cls(found.boxes[list(rows)], verb_scores, role_scores, role_boxes)


@dataclass(frozen=True, eq=False)
class VCOCO:
    """Average precision by V-COCO's rules."""

    agents: NDArray[np.float64]  # (26,) of the verbs
    scenario_1: NDArray[np.float64]  # (25,) of the actions; where no target is annotated, none may be given
    scenario_2: NDArray[np.float64]  # (25,) where no target is annotated, any will do

    @property
    def agent(self) -> float:
        """AP_agent: the mean over 26 verbs, where a verb that nobody does counts as 0."""
        return float(np.nansum(self.agents) / len(self.agents))

    @property
    def role_1(self) -> float:
        """AP_role in scenario 1: the mean over the 25 actions that somebody does."""
        return _mean(self.scenario_1)

    @property
    def role_2(self) -> float:
        """AP_role in scenario 2."""
        return _mean(self.scenario_2)

    @property
    def role_1_without_point(self) -> float:
        """AP_role in scenario 1 over 24 actions, the figure that papers print."""
        return _mean(np.delete(self.scenario_1, POINT))

    @property
    def role_2_without_point(self) -> float:
        """AP_role in scenario 2 over 24 actions."""
        return _mean(np.delete(self.scenario_2, POINT))


_NOBODY = TruePeople(  # stands in an image without people, where all that is found is wrong
    np.zeros((1, 4)),
    np.ones(1, np.bool_),
    np.zeros((1, len(VERB_NAMES)), np.int64),
    np.full((1, len(ACTIONS), 4), np.nan),
)


def evaluate_vcoco(truth: Sequence[TruePeople], found: Sequence[FoundPeople]) -> VCOCO:
    """Measure by the rules of V-COCO's official evaluator.

    * Whoever is found stands for the person of the highest IoU, even of none at all. If V-COCO does not annotate that
      person, the answer is dropped.
    * An answer is right if both boxes have an IoU of 0.5 at least and the person does it. Nobody looks at the object's
      class. A person who was found doing it already makes a further answer wrong.
    * All who do it are to be found, whether their target is annotated or not.
    * The average precision is the area under the interpolated precision, at all points.

    Args:
        truth: per image. The official boxes are (x, y, x + w - 1, y + h - 1) of COCO's.
        found: of the same images.

    Raises:
        ValueError: when these are not as many.
    """
    verb_of = np.array(VERB_OF_ACTION)
    people, agents, right, roles, right_1, right_2 = [], [], [], [], [], []
    wanted = np.zeros(len(VERB_NAMES), np.int64)
    before = 0  # people of earlier images
    for image, said in zip(truth, found, strict=True):
        true = image if len(image.people) else _NOBODY
        overlaps = iou(said.people[:, None], true.people[None], PIXEL)  # (D, P)
        nearest = overlaps.argmax(axis=1)
        counts = true.annotated[nearest]
        nearest = nearest[counts]
        does = (true.verbs[nearest] == 1) & (overlaps[counts].max(axis=1) >= IOU)[:, None]  # (K, 26)
        missing = np.isnan(true.roles[nearest]).all(axis=-1)  # (K, 25)
        boxes = said.role_boxes[counts]
        empty = (np.isnan(boxes) | (boxes == 0)).all(axis=-1)
        hit = iou(boxes, true.roles[nearest], PIXEL) >= IOU  # False for NaN
        people.append(before + nearest)
        agents.append(said.verb_scores[counts])
        right.append(does)
        roles.append(said.role_scores[counts])
        right_1.append(does[:, verb_of] & np.where(missing, empty, hit))
        right_2.append(does[:, verb_of] & (missing | hit))
        wanted += (true.verbs[true.annotated] == 1).sum(axis=0)
        before += len(true.people)
    return VCOCO(
        _columns(agents, right, people, wanted),
        _columns(roles, right_1, people, wanted[verb_of]),
        _columns(roles, right_2, people, wanted[verb_of]),
    )


def _columns(
    scores: Sequence[NDArray[np.floating]],
    right: Sequence[NDArray[np.bool_]],
    people: Sequence[NDArray[np.int64]],
    wanted: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Average precision of every column (A,); per image: scores and right (K, A), people (K,)."""
    if not scores:
        return np.full(len(wanted), np.nan)
    every, true, who = np.concatenate(scores), np.concatenate(right), np.concatenate(people)
    return np.array(
        [
            average_precision(first_claims(every[:, column], true[:, column], who), int(count))
            for column, count in enumerate(wanted)
        ]
    )


# ----------------------------------------------------------------------------------- HICO-DET


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
        return _mean(self.classes)

    @property
    def rare(self) -> float:
        """Mean over the classes with fewer than 10 training instances."""
        return _mean(self.classes[self.is_rare])

    @property
    def non_rare(self) -> float:
        """Mean over the others."""
        return _mean(self.classes[~self.is_rare])


def evaluate_hico(
    truth: Sequence[TruePairs], found: Sequence[FoundPairs], training_instances: NDArray[np.integer]
) -> HICO:
    """Measure by the rules of HICO-DET's official evaluator, in its Default setting: all images count for all classes.

    What is found stands for the true pair of its class that it overlaps most, where the smaller of the two boxes' IoU
    decides, and is right if that is 0.5 at least. A pair that was found already makes a further one wrong. Precision is
    interpolated and averaged over eleven recalls.

    Args:
        truth: per image; pairs that are not visible left out, as the official evaluator does.
        found: of the same images.
        training_instances: (C,) how many pairs of each class HICO-DET's training images have.

    Raises:
        ValueError: when there are not as many images found as true.
    """
    count = len(training_instances)
    classes: list[NDArray[np.integer]] = [np.empty(0, np.int64)]
    scores: list[NDArray[np.floating]] = [np.empty(0)]
    right, pairs = [np.empty(0, np.bool_)], [np.empty(0, np.int64)]
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
        before += len(true.classes)
    number, score, claim, pair = (np.concatenate(parts) for parts in (classes, scores, right, pairs))
    precisions = np.full(count, np.nan)
    for one in range(count):
        own = number == one
        hits = first_claims(score[own], claim[own], pair[own])
        precisions[one] = average_precision(hits, int(wanted[one]), RECALLS_11)
    return HICO(precisions, np.asarray(training_instances) < RARE)


# --------------------------------------------------------------------------------------- COCO


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
        return _mean(self.precisions)

    @property
    def ap50(self) -> float:
        """AP at an IoU of 0.5."""
        return _mean(self.precisions[0])

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
    shared, area, true_area = _areas(boxes[:, None], true.boxes[None], 0.0)  # (D, G)
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


# ------------------------------------------------------------------------------- what they share


def iou(a: NDArray[np.floating], b: NDArray[np.floating], border: float = 0.0) -> NDArray[np.float64]:
    """Intersection over union of boxes (..., 4), which broadcast. NaN where a box is.

    Args:
        a: xyxy.
        b: xyxy.
        border: added to every width and height: 1 where the corners are pixels of the box.
    """
    shared, area, other = _areas(a, b, border)
    return shared / np.maximum(area + other - shared, np.finfo(np.float64).tiny)


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


def _areas(
    a: NDArray[np.floating], b: NDArray[np.floating], border: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Areas that two boxes share and that each has."""
    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])
    shared, own, other = (
        (end - start + border).clip(0).prod(axis=-1, dtype=np.float64)
        for start, end in ((low, high), (a[..., :2], a[..., 2:]), (b[..., :2], b[..., 2:]))
    )
    return shared, own, other


def _mean(precisions: NDArray[np.float64]) -> float:
    """Mean over the classes that there are, NaN for none."""
    there = precisions[~np.isnan(precisions)]
    return float(there.mean()) if len(there) else float("nan")
