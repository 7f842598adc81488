"""How often answers of a score are right: what is said with 50 % should be right every second time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from vision_models.interactions.boxes import iou
from vision_models.interactions.evaluation.metrics import IOU, PIXEL
from vision_models.interactions.evaluation.vcoco_metrics import TruePeople
from vision_models.interactions.ranking import Interaction
from vision_models.interactions.result import Interactions
from vision_models.interactions.vocabulary import ACTIONS, VERB_NAMES, Action

EDGES = (0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)  # of the scores that are counted together


class Answer(NamedTuple):
    """An interaction that was said, and whether it is right."""

    score: float
    is_right: bool
    is_known: bool  # whether V-COCO says anything about this person; else nobody knows


def judged(truth: TruePeople, found: Interactions) -> Iterator[Answer]:
    """Judge every interaction of a photo.

    The person and the object have to be found at an IoU of 0.5; "not found" is right where the annotators have no box
    either.
    """
    for one in found.interactions:
        overlap = iou(truth.people, found.boxes[one.person][None], PIXEL)
        row = int(overlap.argmax()) if len(overlap) else 0
        is_known = bool(len(overlap)) and overlap[row] >= IOU and bool(truth.annotated[row])
        yield Answer(one.score, is_known and _is_right(truth, row, one, found), is_known)


def _is_right(truth: TruePeople, row: int, one: Interaction, found: Interactions) -> bool:
    if truth.verbs[row, VERB_NAMES.index(one.verb)] != 1:
        return False
    if one.role is None:
        return True
    target = truth.roles[row, ACTIONS.index(Action(one.verb, one.role))]
    if one.object is None or np.isnan(target[0]):
        return one.object is None and bool(np.isnan(target[0]))
    return bool(iou(target, found.boxes[one.object], PIXEL) >= IOU)


def reliability(answers: Sequence[Answer]) -> str:
    """Return a Markdown table: of the answers of a score, and of all that are as sure or surer, how many are right."""
    if not answers:
        return "Nothing was said.\n"
    scores, right, known = (np.array(column) for column in zip(*answers, strict=True))
    rows = []
    for low, high in pairwise(EDGES):
        surer = scores >= low
        here = surer & ((scores < high) | (high == EDGES[-1]))
        shares = (f"{right[some].mean():.0%}" if some.any() else "–" for some in (here & known, surer & known))
        rows.append(f"| {low} to {high} | {here.sum()} | {' | '.join(shares)} | {(here & ~known).sum()} |")
    return "\n".join(
        [
            "| score | answers | right | right of these and all surer ones | about people of whom nobody knows |",
            "| --- | ---: | ---: | ---: | ---: |",
            *rows,
            "",
        ]
    )
