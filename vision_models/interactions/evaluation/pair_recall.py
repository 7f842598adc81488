"""How many of the annotated pairs of a person and an object are found, and how many are among the first things said."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision_models.interactions.boxes import iou
from vision_models.interactions.evaluation.metrics import IOU, PIXEL
from vision_models.interactions.evaluation.vcoco_metrics import TruePeople
from vision_models.interactions.result import Interactions
from vision_models.interactions.vocabulary import ACTIONS, Action

MOST = 10  # interactions of a photo, the best ones


@dataclass(frozen=True)
class PairRecall:
    """Counts over photos."""

    pairs: int  # of a person, an action and the box of its target
    boxes: int  # of them, how many have both boxes found, whatever is said about them
    said: int  # ... and how many are among the ten best interactions with an object

    def __add__(self, other: PairRecall) -> PairRecall:
        return PairRecall(self.pairs + other.pairs, self.boxes + other.boxes, self.said + other.said)

    def __str__(self) -> str:
        boxes, said = (count / max(self.pairs, 1) for count in (self.boxes, self.said))
        return (
            f"Of {self.pairs} annotated pairs, {boxes:.1%} have both boxes found, "
            f"and {said:.1%} are among the {MOST} best of their photo."
        )


def pair_recall(truth: TruePeople, found: Interactions) -> PairRecall:
    """Count in a photo. A pair that is said twice counts once."""
    known = ~np.isnan(truth.roles[..., 0]) & truth.annotated[:, None]
    wanted = [(int(row), int(column)) for row, column in np.argwhere(known)]
    people = _hits(truth.people, found.boxes)  # (P, N)
    targets = {pair: _hits(truth.roles[pair][None], found.boxes)[0] for pair in wanted}  # (N,) each
    persons = list(found.people)
    boxes = sum(bool(people[row, persons].any() and targets[row, column].any()) for row, column in wanted)
    said: set[tuple[int, int]] = set()
    for one in [one for one in found.interactions if one.object is not None][:MOST]:
        action = ACTIONS.index(Action(one.verb, one.role or ""))
        for row, column in wanted:
            is_it = column == action and people[row, one.person] and targets[row, column][one.object]
            if is_it and (row, column) not in said:
                said.add((row, column))
                break
    return PairRecall(len(wanted), boxes, len(said))


def _hits(true: NDArray[np.floating], found: NDArray[np.floating]) -> NDArray[np.bool_]:
    return iou(true[:, None], found[None], PIXEL) >= IOU
