"""From what the branches say of each box to triplets (sections 3.1 and 3.3).

The heads have looked at every box once. What is left for the pairs is a sum: of two logits for the action, and of four
squared distances for the place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vision_models.interactions.boxes import SIGMA, encode
from vision_models.interactions.vocabulary import ACTIONS, VERB_NAMES, VERB_OF_ACTION, VERBS

LEAST_SCORE = 0.05  # of a box that takes part in interactions
# With the pair branch: the detector's score at which a box may as well be no object at all, and how fast that changes.
DOUBTFUL, DOUBT = 0.15, 0.08
# What a person does, but hardly with anything that was found, they do with something that was missed: where all
# candidates together have less than this share of the verb's chance, this share of what is left.
EXPLAINED, MISSED = 0.2, 0.3


@dataclass(frozen=True)
class Interaction:
    """One person, one verb, and what plays one role in it.

    The score is the product of four factors (section 3), s_h, s_o, s_a and g. With the extras it is that of person,
    action and target. What s_o and g say is then relative to all that the object could be; or, where a pair branch
    judges the object's class and place, the target's part is how far the detector can be trusted, see `trust`.
    """

    person: int  # index into the boxes
    verb: str
    role: str | None  # None: the verb takes no object
    object: int | None  # index into the boxes; None: the verb takes no object, or its target is not visible
    score: float
    person_score: float  # s_h; with the extras, how likely the photo is about this person
    object_score: float  # s_o; 1 without an object
    action_score: float  # s^a_h, or s^a_(h,o) where the interaction branch had an object to look at
    location_score: float  # g^a_(h,o); of a target that is not visible, what its place counts instead; else 1
    target_score: float  # s_o times g; with the extras, its share among all candidates, or its trust; else 1


@dataclass(frozen=True, eq=False)
class Factors:
    """What the branches say of the N boxes of a photo, P of which are people."""

    people: NDArray[np.int64]  # (P,) indices into the boxes
    human_logits: NDArray[np.float32]  # (P, 26) of the human-centric branch, per verb
    object_logits: NDArray[np.float32]  # (N, 26) of the interaction branch, to be added to a person's
    targets: NDArray[np.float32]  # (P, 25, 4) mu: where the object of an action is to be expected
    sigmas: NDArray[np.float32]  # (25, 4) spread of the target density; 0.3 in the paper
    compatibility: NDArray[np.float32]  # (N, 25) log of how usual the box's class is in the role; 0 in the paper
    vacancy: NDArray[np.float32]  # (25,) log of what it counts that the target is not visible; -inf in the paper
    relative: bool = False  # whether a target counts by its share among all candidates; not in the paper
    # (2, 2, P, 25, N + 1) logits of the pair branch, which is not in the paper: how likely a person does this with this
    # candidate, or with something out of sight. [0]: of all that it sees; [1, :] without the place, [:, 1] without
    # what the object is.
    pairs: NDArray[np.float32] | None = None
    prominence: NDArray[np.float32] | None = None  # (P,) what counts for s_h; not in the paper

    def without_extras(self) -> Factors:
        """Return the factors as in the paper: one sigma, all classes alike, always a target, absolute scores."""
        return replace(
            self,
            sigmas=np.full_like(self.sigmas, SIGMA),
            compatibility=np.zeros_like(self.compatibility),
            vacancy=np.full_like(self.vacancy, -np.inf),
            relative=False,
            pairs=None,
            prominence=None,
        )


@dataclass(frozen=True, eq=False)
class Pairs:
    """Logs of what counts for every person, action and candidate: the N boxes, and that the target is not visible.

    All are (P, 25, N + 1).
    """

    action: NDArray[np.float32]  # s_a
    place: NDArray[np.float32]  # g
    target: NDArray[np.float32]  # s_o times g, its share, or its trust

    @property
    def total(self) -> NDArray[np.float32]:
        """The log of the score; the chosen candidate is the one that maximises it."""
        return self.action + self.target


def weigh(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    factors: Factors,
    *,
    location: bool = True,
    interaction: bool = True,
) -> Pairs:
    """Weigh all candidates of all people. The arguments are those of `rank`."""
    people, verbs = factors.people, np.array(VERB_OF_ACTION)
    human = factors.human_logits[:, verbs, None]  # (P, 25, 1)
    logits = human + (factors.object_logits.T[verbs] if interaction else np.zeros((1, len(boxes))))  # (P, 25, N)
    place = np.zeros_like(logits)  # log g
    if location:
        offsets = encode(boxes[None, :], boxes[people][:, None])[:, None]  # (P, 1, N, 4)
        distances = (offsets - factors.targets[:, :, None]) / factors.sigmas[:, None]
        place = -np.square(distances).sum(axis=-1) / 2
    target = place + factors.compatibility.T + np.log(np.maximum(scores, 1e-9))
    target[np.arange(len(people)), :, people] = -np.inf  # nobody is the object of their own action
    target[:, :, scores < LEAST_SCORE] = -np.inf
    if factors.pairs is not None:
        chance = -np.logaddexp(0, -factors.pairs[int(not location), int(not interaction)])
        chance[..., :-1][np.isneginf(target)] = -np.inf
        place = np.concatenate([place, np.zeros_like(human)], axis=-1)
        target = np.concatenate([np.log(trust(scores)), [0]]) + np.zeros_like(chance)
        done, explained = _sigmoid(human[..., 0]), 1 - (1 - np.exp(chance + target)[..., :-1]).prod(axis=-1)
        missed = MISSED * (done - explained) * (explained < EXPLAINED * done)
        chance[..., -1] = np.maximum(chance[..., -1], np.log(np.maximum(missed, 1e-9)))
        return Pairs(chance, place, target)
    absent = np.broadcast_to(factors.vacancy[:, None], human.shape)
    target = np.concatenate([target, absent], axis=-1)
    if factors.relative:
        target = target - np.logaddexp.reduce(target, axis=-1, keepdims=True)
    action = -np.logaddexp(0, -np.concatenate([logits, human], axis=-1))
    return Pairs(action, np.concatenate([place, absent], axis=-1), target)


def trust(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how far boxes (N,) of the detector's scores can be trusted to be objects at all, 0..1.

    The pair branch learned little of boxes that are nothing. Not in the paper, whose factor is s_o itself.
    """
    return _sigmoid((scores - DOUBTFUL) / DOUBT)


def rank(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    factors: Factors,
    *,
    location: bool = True,
    interaction: bool = True,
) -> list[Interaction]:
    """Choose the target of every person and action, and return what they make, best first.

    Args:
        boxes: (N, 4) xyxy.
        scores: (N,) of the detector, s_h and s_o.
        factors: of these boxes.
        location: whether the target density g is used; without it every place is equally good.
        interaction: whether the interaction branch is used; without it an action's score is the person's alone.
    """
    if not len(factors.people):
        return []
    pairs = weigh(boxes, scores, factors, location=location, interaction=interaction)
    total = pairs.total
    best = np.where(np.isneginf(total.max(axis=-1)), len(boxes), total.argmax(axis=-1))  # (P, 25)
    found = []
    for row, person in enumerate(factors.people):
        found += [one_of(pairs, scores, factors, row, column, int(best[row, column])) for column in range(len(ACTIONS))]
        s_h = _person_score(scores, factors, row)
        for column, verb in enumerate(VERB_NAMES):
            if not VERBS[verb]:
                s_a = float(_sigmoid(factors.human_logits[row, column]))
                found.append(Interaction(int(person), verb, None, None, s_h * s_a, s_h, 1.0, s_a, 1.0, 1.0))
    return sorted(found, key=lambda one: -one.score)


def one_of(
    pairs: Pairs, scores: NDArray[np.float32], factors: Factors, row: int, column: int, candidate: int
) -> Interaction:
    """Return what a person (row), an action (column) and a candidate make."""
    person = int(factors.people[row])
    target = None if candidate == len(scores) else candidate
    s_h, s_o = _person_score(scores, factors, row), 1.0 if target is None else float(scores[target])
    s_a, g, share = (float(np.exp(part[row, column, candidate])) for part in (pairs.action, pairs.place, pairs.target))
    return Interaction(person, *ACTIONS[column], target, s_h * s_a * share, s_h, s_o, s_a, g, share)


def _person_score(scores: NDArray[np.float32], factors: Factors, row: int) -> float:
    return float(scores[factors.people[row]] if factors.prominence is None else factors.prominence[row])


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.exp(-np.logaddexp(0, -logits))
