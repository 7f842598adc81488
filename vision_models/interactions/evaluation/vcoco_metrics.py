"""V-COCO's measures, AP_agent and AP_role, equal to those of the official evaluator to 1e-6.

Both corners of a box are pixels that belong to it, so that (0, 0, 9, 9) is ten pixels wide. All is computed in the
official evaluator's precision, float32, and of equal scores its order counts.

Gupta & Malik, "Visual Semantic Role Labeling", 2015, arXiv 1505.04474; github.com/s-gupta/v-coco.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vision_models.interactions.evaluation.metrics import IOU, average_precision, mean_precision
from vision_models.interactions.result import Interactions
from vision_models.interactions.vocabulary import ACTIONS, VERB_NAMES, VERB_OF_ACTION, Action

POINT = ACTIONS.index(Action("point", "instr"))  # so rare that papers leave it out of AP_role


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
    role_scores: NDArray[np.floating]  # (D, 25) NaN: not found doing it
    role_boxes: NDArray[np.floating]  # (D, 25, 4) NaN or zeros: the target is not visible

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
            agent = one.person_score * one.action_score
            if found.factors.pairs is not None:  # whose action score is of the pair
                agent = one.person_score / (1 + np.exp(-found.factors.human_logits[row, verb]))
            verb_scores[row, verb] = np.fmax(verb_scores[row, verb], agent)
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
        return mean_precision(self.scenario_1)

    @property
    def role_2(self) -> float:
        """AP_role in scenario 2."""
        return mean_precision(self.scenario_2)

    @property
    def role_1_without_point(self) -> float:
        """AP_role in scenario 1 over 24 actions, the figure that papers print."""
        return mean_precision(np.delete(self.scenario_1, POINT))

    @property
    def role_2_without_point(self) -> float:
        """AP_role in scenario 2 over 24 actions."""
        return mean_precision(np.delete(self.scenario_2, POINT))


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
    agents, roles_1, roles_2 = [], [], []
    wanted = np.zeros(len(VERB_NAMES), np.int64)
    before = 0  # people of earlier images
    for image, said in zip(truth, found, strict=True):
        true = image if len(image.people) else _NOBODY
        overlaps = _overlaps(true.people[None], said.people[:, None])  # (D, P)
        nearest = overlaps.argmax(axis=1) if len(said.people) else np.empty(0, np.int64)
        counts = true.annotated[nearest]
        does = (true.verbs[nearest] == 1) & (overlaps.max(axis=1, initial=0) >= IOU)[:, None]  # (D, 26)
        role_boxes = true.roles[nearest].astype(np.float32)
        missing = np.isnan(role_boxes).all(axis=-1)  # (D, 25)
        empty = (np.isnan(said.role_boxes) | (said.role_boxes == 0)).all(axis=-1)
        hit = _overlaps(role_boxes, said.role_boxes) >= IOU  # False for NaN
        who = before + nearest
        agents.append(_Answers(said.verb_scores, does, who, counts))
        right = does[:, verb_of]
        roles_1.append(_Answers(said.role_scores, right & np.where(missing, empty, hit), who, counts))
        roles_2.append(_Answers(said.role_scores, right & (missing | hit), who, counts))
        wanted += (true.verbs[true.annotated] == 1).sum(axis=0)
        before += len(true.people)
    return VCOCO(_columns(agents, wanted), _columns(roles_1, wanted[verb_of]), _columns(roles_2, wanted[verb_of]))


class _Answers(NamedTuple):
    """What was said about an image, per person that was found and verb or action."""

    scores: NDArray[np.floating]  # (D, A) NaN: no answer
    right: NDArray[np.bool_]  # (D, A)
    people: NDArray[np.int64]  # (D,) whom the person stands for
    counts: NDArray[np.bool_]  # (D,) whether V-COCO annotates that person


def _overlaps(boxes: NDArray[np.floating], other: NDArray[np.floating]) -> NDArray[np.float32]:
    """IoU of boxes (..., 4) that broadcast, in float32 and in the order of the official evaluator's sums."""
    a, b, one = boxes.astype(np.float32), other.astype(np.float32), np.float32(1)
    width = np.maximum(np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0]) + one, 0)
    height = np.maximum(np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1]) + one, 0)
    shared = width * height
    area_a, area_b = ((c[..., 2] - c[..., 0] + one) * (c[..., 3] - c[..., 1] + one) for c in (a, b))
    return shared / (area_b + area_a - shared)


def _columns(answers: Sequence[_Answers], wanted: NDArray[np.int64]) -> NDArray[np.float64]:
    """Average precision of every verb or action, (A,)."""
    return np.array([_average_precision(answers, column, int(count)) for column, count in enumerate(wanted)])


def _average_precision(answers: Sequence[_Answers], column: int, wanted: int) -> float:
    """Average precision of one verb or action."""
    scores, hits = [np.empty(0, np.float32)], [np.empty(0, np.bool_)]
    for image in answers:
        said = image.scores[:, column].astype(np.float32)
        rows = np.flatnonzero(~np.isnan(said))
        rows = rows[np.argsort(said[rows])[::-1]]
        rows = rows[image.counts[rows]]
        claims = np.flatnonzero(image.right[rows, column])
        first = np.unique(image.people[rows][claims], return_index=True)[1]
        hit = np.zeros(len(rows), np.bool_)
        hit[claims[first]] = True
        scores.append(said[rows])
        hits.append(hit)
    order = np.argsort(np.concatenate(scores))[::-1]
    return average_precision(np.concatenate(hits)[order], wanted)
