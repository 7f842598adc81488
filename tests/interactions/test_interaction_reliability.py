"""How often answers of a score are right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vision_models.interactions.evaluation.reliability import Answer, judged, reliability
from vision_models.interactions.evaluation.vcoco_metrics import TruePeople
from vision_models.interactions.ranking import Factors, Interaction
from vision_models.interactions.result import Interactions
from vision_models.interactions.vocabulary import ACTIONS, VERB_NAMES, Action

RIDER, HORSE, BYSTANDER = range(3)
BOXES = np.array([[0, 0, 50, 90], [10, 40, 90, 99], [70, 0, 90, 30]], np.float32)


def test_an_answer_is_right_where_person_verb_and_object_are() -> None:
    verbs = np.zeros((1, len(VERB_NAMES)), np.int64)
    verbs[0, [VERB_NAMES.index("ride"), VERB_NAMES.index("look")]] = 1
    roles = np.full((1, len(ACTIONS), 4), np.nan)
    roles[0, ACTIONS.index(Action("ride", "instr"))] = BOXES[HORSE]
    truth = TruePeople(BOXES[:1], np.ones(1, np.bool_), verbs, roles)
    said = [
        said_of(RIDER, "ride", "instr", HORSE),
        said_of(RIDER, "ride", "instr", BYSTANDER),
        said_of(RIDER, "ride", "instr", None),
        said_of(RIDER, "look", "obj", None),
        said_of(RIDER, "walk", None, None),
        said_of(BYSTANDER, "ride", "instr", HORSE),
    ]
    none = np.zeros((0, len(ACTIONS), 4), np.float32)
    factors = Factors(np.array([RIDER, BYSTANDER]), *(none,) * 6)
    answers = list(judged(truth, found(said, factors)))
    assert [one.is_right for one in answers] == [True, False, False, True, False, False]
    assert [one.is_known for one in answers] == [True] * 5 + [False]
    assert not any(
        one.is_known for one in judged(replace(truth, annotated=np.zeros(1, np.bool_)), found(said, factors))
    )


def found(said: list[Interaction], factors: Factors) -> Interactions:
    return Interactions(100, 100, BOXES, ("person", "horse", "person"), np.ones(3, np.float32), tuple(said), factors)


def said_of(person: int, verb: str, role: str | None, thing: int | None) -> Interaction:
    return Interaction(person, verb, role, thing, 0.5, 1.0, 1.0, 0.5, 1.0, 1.0)


def test_the_table_counts_each_answer_once() -> None:
    right = Answer(0.95, is_right=True, is_known=True)
    wrong = Answer(1.0, is_right=False, is_known=True)
    rows = reliability([right, wrong, Answer(0.26, is_right=False, is_known=False)]).splitlines()
    assert "| 0.8 to 1.0 | 2 | 50% | 50% | 0 |" in rows
    assert "| 0.25 to 0.3 | 1 | – | 50% | 1 |" in rows
    assert reliability([]) == "Nothing was said.\n"
