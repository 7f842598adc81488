"""From what the branches say of each box to triplets (sections 3.1 and 3.3).

The heads have looked at every box once. What is left for the pairs is a sum: of two logits for the action, and of four
squared distances for the place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vision_models.interactnet.actions import ACTIONS, VERB_NAMES, VERB_OF_ACTION, VERBS
from vision_models.interactnet.geometry import SIGMA, encode

LEAST_SCORE = 0.05  # of a box that takes part in interactions


@dataclass(frozen=True)
class Interaction:
    """One person, one verb, and what plays one role in it. The score is the product of the four factors (section 3)."""

    person: int  # index into the boxes
    verb: str
    role: str | None  # None: the verb takes no object
    object: int | None  # index into the boxes; None: the verb takes no object, or its target is not to be seen
    score: float
    person_score: float  # s_h
    object_score: float  # s_o; 1 without an object
    action_score: float  # s^a_h, or s^a_(h,o) where the interaction branch had an object to look at
    location_score: float  # g^a_(h,o); of a target that is not to be seen, what its place counts instead; else 1


@dataclass(frozen=True)
class Factors:
    """What the branches say of the N boxes of a photo, P of which are people."""

    people: NDArray[np.int64]  # (P,) indices into the boxes
    human_logits: NDArray[np.float32]  # (P, 26) of the human-centric branch, per verb
    object_logits: NDArray[np.float32]  # (N, 26) of the interaction branch, to be added to a person's
    targets: NDArray[np.float32]  # (P, 25, 4) mu: where the object of an action is to be expected
    sigmas: NDArray[np.float32]  # (25, 4) spread of the target density; 0.3 in the paper
    compatibility: NDArray[np.float32]  # (N, 25) log of how usual the box's class is in the role; 0 in the paper
    vacancy: NDArray[np.float32]  # (25,) log of what it counts that the target is not to be seen; -inf in the paper

    def without_extras(self) -> Factors:
        """Return the factors as in the paper: one sigma, all classes alike, and always a target."""
        return replace(
            self,
            sigmas=np.full_like(self.sigmas, SIGMA),
            compatibility=np.zeros_like(self.compatibility),
            vacancy=np.full_like(self.vacancy, -np.inf),
        )


def rank(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    factors: Factors,
    *,
    location: bool = True,
    interaction: bool = True,
    min_score: float = 0.0,
) -> list[Interaction]:
    """Choose the target of every person and action, and return what they make, best first.

    Args:
        boxes: (N, 4) xyxy.
        scores: (N,) of the detector, s_h and s_o.
        factors: of these boxes.
        location: whether the target density g is used; without it every place is equally good.
        interaction: whether the interaction branch is used; without it an action's score is the person's alone.
        min_score: leave out what scores less.
    """
    people, verbs = factors.people, np.array(VERB_OF_ACTION)
    if not len(people):
        return []
    human = factors.human_logits  # (P, 26)
    logits = np.repeat(human[:, verbs, None], len(boxes), axis=2)  # (P, 25, N)
    if interaction:
        logits = logits + factors.object_logits.T[verbs]
    place = np.zeros_like(logits)  # log g
    if location:
        offsets = encode(boxes[None, :], boxes[people][:, None])[:, None]  # (P, 1, N, 4)
        distances = (offsets - factors.targets[:, :, None]) / factors.sigmas[:, None]
        place = -np.square(distances).sum(axis=-1) / 2
    fit = place + factors.compatibility.T  # (P, 25, N)
    fit[np.arange(len(people)), :, people] = -np.inf  # nobody is the object of their own action
    fit[:, :, scores < LEAST_SCORE] = -np.inf
    total = fit + np.log(np.maximum(scores, 1e-9)) - np.logaddexp(0, -logits)
    best = total.argmax(axis=-1)  # (P, 25)
    absent = factors.vacancy - np.logaddexp(0, -human[:, verbs])  # (P, 25) "not to be seen" is one more candidate

    found = []
    for row, person in enumerate(people):
        s_h = float(scores[person])
        for column, action in enumerate(ACTIONS):
            target = int(best[row, column])
            if total[row, column, target] > absent[row, column]:
                s_o, s_a = float(scores[target]), _sigmoid(logits[row, column, target])
                g = float(np.exp(place[row, column, target]))
                found.append(Interaction(int(person), *action, target, s_h * s_o * s_a * g, s_h, s_o, s_a, g))
            else:
                s_a, g = _sigmoid(human[row, verbs[column]]), float(np.exp(factors.vacancy[column]))
                found.append(Interaction(int(person), *action, None, s_h * s_a * g, s_h, 1.0, s_a, g))
        for column, verb in enumerate(VERB_NAMES):
            if not VERBS[verb]:
                s_a = _sigmoid(human[row, column])
                found.append(Interaction(int(person), verb, None, None, s_h * s_a, s_h, 1.0, s_a, 1.0))
    return sorted((one for one in found if one.score >= min_score), key=lambda one: -one.score)


def _sigmoid(logit: np.float32) -> float:
    return float(1 / (1 + np.exp(-logit)))
