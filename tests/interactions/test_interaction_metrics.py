"""The measures of interactions and of boxes, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from vision_models.interactions.boxes import iou
from vision_models.interactions.evaluation.hico_metrics import HICO, RECALLS_11, FoundPairs, TruePairs, evaluate_hico
from vision_models.interactions.evaluation.metrics import (
    PIXEL,
    RECALLS_101,
    average_precision,
    first_claims,
)
from vision_models.interactions.evaluation.vcoco_metrics import POINT, VCOCO, FoundPeople, TruePeople, evaluate_vcoco
from vision_models.interactions.ranking import Factors, Interaction
from vision_models.interactions.result import Interactions
from vision_models.interactions.vocabulary import ACTIONS, VERB_NAMES, VERB_OF_ACTION, Action

Box = tuple[float, float, float, float]
ANNA: Box = (10, 10, 49, 89)
BERT: Box = (100, 10, 139, 89)
NEAR_BERT: Box = (125, 10, 164, 89)  # overlaps Bert by less than half
NOWHERE: Box = (300, 300, 339, 379)
BALL: Box = (60, 60, 69, 69)
HALF_A_BALL: Box = (60, 60, 69, 64)  # 10 x 5 of 10 x 10 pixels; without the border 9 x 4 of 9 x 9
LESS_THAN_HALF: Box = (60, 60, 69, 63.9)
OTHER_BALL: Box = (80, 60, 89, 69)
ZEROS: Box = (0, 0, 0, 0)
KICK = ACTIONS.index(Action("kick", "obj"))
NAN = float("nan")

# a person's box, and the target of the kick: None is not visible, False does not kick
Kicker = tuple[Box, Box | bool | None]


def true(*kickers: Kicker, ignored: tuple[Box, ...] = ()) -> TruePeople:
    people = [*kickers, *((box, False) for box in ignored)]
    verbs = np.zeros((len(people), 26), np.int64)
    roles = np.full((len(people), 25, 4), np.nan)
    for row, (_, target) in enumerate(people):
        verbs[row, VERB_OF_ACTION[KICK]] = target is not False
        if isinstance(target, tuple):
            roles[row, KICK] = target
    annotated = np.arange(len(people)) < len(kickers)
    return TruePeople(np.array([box for box, _ in people]).reshape(-1, 4), annotated, verbs, roles)


def found(*kickers: tuple[float, Box, Box | None]) -> FoundPeople:
    scores = np.array([score for score, _, _ in kickers])
    verb_scores, role_scores = np.full((len(kickers), 26), np.nan), np.full((len(kickers), 25), np.nan)
    verb_scores[:, VERB_OF_ACTION[KICK]] = role_scores[:, KICK] = scores
    boxes = np.full((len(kickers), 25, 4), np.nan)
    for row, (_, _, target) in enumerate(kickers):
        boxes[row, KICK] = np.nan if target is None else target
    return FoundPeople(np.array([box for _, box, _ in kickers]).reshape(-1, 4), verb_scores, role_scores, boxes)


# ------------------------------------------------------------------------------------- V-COCO

EMPTY = true()
ONE = true((ANNA, BALL))
TWO = true((ANNA, BALL), (BERT, OTHER_BALL))
UNSEEN = true((ANNA, None))
IDLE_BERT = true((BERT, False), (ANNA, BALL))
IGNORED_BERT = replace(IDLE_BERT, annotated=np.array([False, True]))
RIGHT = (0.5, ANNA, BALL)


@pytest.mark.parametrize(
    ("truth", "said", "agent", "scenario_1", "scenario_2"),
    [
        pytest.param(EMPTY, found(), NAN, NAN, NAN, id="nobody, and nobody found"),
        pytest.param(EMPTY, found(RIGHT), NAN, NAN, NAN, id="nobody, and somebody found"),
        pytest.param(ONE, found(), 0, 0, 0, id="nobody found"),
        pytest.param(ONE, found(RIGHT), 1, 1, 1, id="person and target found"),
        pytest.param(ONE, found((0.5, ANNA, OTHER_BALL)), 1, 0, 0, id="another target"),
        pytest.param(ONE, found((0.5, ANNA, None)), 1, 0, 0, id="no target, where there is one"),
        pytest.param(ONE, found((0.9, ANNA, OTHER_BALL), RIGHT), 1, 0.5, 0.5, id="wrong target first"),
        pytest.param(TWO, found((0.4, BERT, OTHER_BALL), RIGHT), 1, 1, 1, id="both"),
        pytest.param(
            TWO, found((0.9, ANNA, BALL), RIGHT, (0.4, BERT, OTHER_BALL)), 5 / 6, 5 / 6, 5 / 6, id="duplicate"
        ),
        pytest.param(UNSEEN, found((0.5, ANNA, None)), 1, 1, 1, id="empty role, answered by NaN"),
        pytest.param(UNSEEN, found((0.5, ANNA, ZEROS)), 1, 1, 1, id="empty role, answered by zeros"),
        pytest.param(UNSEEN, found((0.5, ANNA, BALL)), 1, 0, 1, id="empty role, answered by a box"),
        pytest.param(true((ANNA, BALL), (BERT, None)), found(RIGHT), 0.5, 0.5, 0.5, id="an unannotated role is wanted"),
        pytest.param(IDLE_BERT, found((0.9, BERT, BALL), RIGHT), 0.5, 0.5, 0.5, id="somebody who does not"),
        pytest.param(IGNORED_BERT, found((0.9, BERT, BALL), RIGHT), 1, 1, 1, id="ignored person"),
        pytest.param(IDLE_BERT, found((0.9, NEAR_BERT, BALL), RIGHT), 0.5, 0.5, 0.5, id="not quite somebody"),
        pytest.param(IGNORED_BERT, found((0.9, NEAR_BERT, BALL), RIGHT), 1, 1, 1, id="not quite an ignored person"),
        pytest.param(IDLE_BERT, found((0.9, NOWHERE, BALL), RIGHT), 0.5, 0.5, 0.5, id="IoU 0 goes to the first"),
        pytest.param(IGNORED_BERT, found((0.9, NOWHERE, BALL), RIGHT), 1, 1, 1, id="IoU 0 goes to the first, ignored"),
        pytest.param(ONE, found((0.5, ANNA, HALF_A_BALL)), 1, 1, 1, id="half of the target, counted in pixels"),
        pytest.param(ONE, found((0.5, ANNA, LESS_THAN_HALF)), 1, 0, 0, id="less than half"),
    ],
)
def test_vcoco_by_hand(
    truth: TruePeople, said: FoundPeople, agent: float, scenario_1: float, scenario_2: float
) -> None:
    quality = evaluate_vcoco([truth], [said])
    assert quality.agents[VERB_OF_ACTION[KICK]] == pytest.approx(agent, nan_ok=True)
    assert quality.scenario_1[KICK] == pytest.approx(scenario_1, nan_ok=True)
    assert quality.scenario_2[KICK] == pytest.approx(scenario_2, nan_ok=True)
    others = np.delete(quality.scenario_1, KICK)
    assert np.isnan(others).all()  # nobody does anything else


def test_boxes_are_counted_in_pixels() -> None:
    assert iou(np.array(BALL), np.array(HALF_A_BALL), PIXEL) == pytest.approx(0.5)
    assert iou(np.array(BALL), np.array(HALF_A_BALL)) == pytest.approx(4 / 9)
    assert np.isnan(iou(np.array(BALL), np.full(4, np.nan), PIXEL))


def test_no_image_is_no_score() -> None:
    quality = evaluate_vcoco([], [])
    assert np.isnan([quality.role_1, quality.role_2, quality.role_1_without_point]).all()
    assert quality.agent == 0


def test_people_of_two_images_are_not_the_same() -> None:
    quality = evaluate_vcoco([ONE, ONE], [found(RIGHT), found(RIGHT)])
    assert quality.scenario_1[KICK] == 1
    quality = evaluate_vcoco([ONE, ONE], [found(RIGHT, (0.4, ANNA, BALL)), found()])
    assert quality.scenario_1[KICK] == 0.5


def test_images_have_to_be_as_many_as_answers() -> None:
    with pytest.raises(ValueError, match="shorter"):
        evaluate_vcoco([ONE, ONE], [found()])


def test_both_averages_are_those_of_the_papers() -> None:
    rng = np.random.default_rng(0)
    quality = VCOCO(rng.random(26), rng.random(25), rng.random(25))
    for roles, mean, without in (
        (quality.scenario_1, quality.role_1, quality.role_1_without_point),
        (quality.scenario_2, quality.role_2, quality.role_2_without_point),
    ):
        assert mean == pytest.approx(roles.sum() / 25)
        assert without == pytest.approx((mean * 25 - roles[POINT]) / 24)
    assert ACTIONS[POINT] == ("point", "instr")


def test_a_verb_that_nobody_does_counts_for_agents_alone() -> None:
    quality = evaluate_vcoco([ONE], [found(RIGHT)])
    assert quality.agent == pytest.approx(1 / 26)
    assert quality.role_1 == quality.role_2 == 1


def test_the_two_roles_of_a_verb_are_asked_for_separately() -> None:
    objects, instruments = (ACTIONS.index(Action("hit", role)) for role in ("obj", "instr"))
    truth, said = true((ANNA, False)), found((0.5, ANNA, None))
    truth.verbs[0, VERB_NAMES.index("hit")] = 1
    truth.roles[0, objects] = BALL
    said.role_scores[0, [objects, instruments]] = 0.5
    said.role_boxes[0, [objects, instruments]] = BALL
    quality = evaluate_vcoco([truth], [said])
    assert quality.scenario_1[[objects, instruments]].tolist() == [1, 0]
    assert quality.scenario_2[[objects, instruments]].tolist() == [1, 1]


def spelled_out(truth: list[TruePeople], said: list[FoundPeople], action: int, *, scenario: int) -> float:
    """The rules of one action, answer by answer."""
    verb, answers, wanted = VERB_OF_ACTION[action], [], 0
    for image, (true_people, found_people) in enumerate(zip(truth, said, strict=True)):
        wanted += int(true_people.verbs[true_people.annotated, verb].sum())
        for score, box, target in zip(
            found_people.role_scores[:, action], found_people.people, found_people.role_boxes[:, action], strict=True
        ):
            answers.append((float(score), image, box, target))
    taken, hits = set(), []
    for _, image, box, target in sorted(answers, key=lambda answer: -answer[0]):
        overlaps = [overlap(box, person) for person in truth[image].people]
        nearest = int(np.argmax(overlaps))
        if not truth[image].annotated[nearest]:
            continue
        role = truth[image].roles[nearest, action]
        if np.isnan(role).all():
            right = scenario == 2 or bool(np.isnan(target).all()) or not target.any()
        else:
            right = not np.isnan(target).any() and overlap(target, role) >= 0.5
        does = truth[image].verbs[nearest, verb] == 1 and overlaps[nearest] >= 0.5
        hits.append(bool(does and right and (image, nearest) not in taken))
        if hits[-1]:
            taken.add((image, nearest))
    precisions = [sum(hits[: n + 1]) / (n + 1) for n in range(len(hits))]
    return sum(max(precisions[n:]) for n, hit in enumerate(hits) if hit) / wanted if wanted else NAN


def overlap(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    shared = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b)]
    return float(shared / (sum(areas) - shared))


def test_vcoco_agrees_with_its_rules_spelled_out_on_random_images() -> None:
    rng = np.random.default_rng(0)

    def boxes(*shape: int) -> NDArray[np.float64]:
        corner = rng.integers(0, 12, (*shape, 2))
        return np.concatenate([corner, corner + rng.integers(4, 12, (*shape, 2))], axis=-1).astype(np.float64)

    truth, said = [], []
    for _ in range(60):
        people, answers = int(rng.integers(1, 4)), int(rng.integers(0, 6))
        roles, targets = boxes(people, 25), boxes(answers, 25)
        roles[rng.random((people, 25)) < 0.3] = np.nan
        targets[rng.random((answers, 25)) < 0.2] = np.nan
        annotated = rng.random(people) < 0.8
        truth.append(TruePeople(boxes(people), annotated, rng.integers(0, 2, (people, 26)), roles))
        said.append(FoundPeople(boxes(answers), rng.random((answers, 26)), rng.random((answers, 25)), targets))
    quality = evaluate_vcoco(truth, said)
    for action in range(25):
        assert quality.scenario_1[action] == pytest.approx(spelled_out(truth, said, action, scenario=1))
        assert quality.scenario_2[action] == pytest.approx(spelled_out(truth, said, action, scenario=2))
    assert 0 < quality.role_1 < quality.role_2 < 1


# -------------------------------------------------------------------------- what is handed over


def interactions(*ranked: Interaction) -> Interactions:
    boxes = np.array([ANNA, BALL, BERT, OTHER_BALL], np.float32)
    factors = Factors(
        people=np.array([0, 2]),
        human_logits=np.zeros((2, 26), np.float32),
        object_logits=np.zeros((4, 26), np.float32),
        targets=np.zeros((2, 25, 4), np.float32),
        sigmas=np.ones((25, 4), np.float32),
        compatibility=np.zeros((4, 25), np.float32),
        vacancy=np.zeros(25, np.float32),
    )
    labels = ("person", "sports ball", "person", "frisbee")
    return Interactions(400, 400, boxes, labels, np.full(4, 0.8, np.float32), ranked, factors)


def kick(person: int, target: int | None, score: float, action_score: float = 0.5) -> Interaction:
    return Interaction(person, "kick", "obj", target, score, 0.8, 1.0, action_score, 1.0, 1.0)


def test_a_photo_without_interactions_is_people_who_do_nothing() -> None:
    said = FoundPeople.of(interactions())
    np.testing.assert_array_equal(said.people, [ANNA, BERT])
    assert np.isnan(said.verb_scores).all()
    assert np.isnan(said.role_scores).all()
    assert evaluate_vcoco([TWO], [said]).role_1 == 0


def test_interactions_are_judged_as_they_were_ranked() -> None:
    running = Interaction(2, "run", None, None, 0.4, 0.8, 1.0, 0.5, 1.0, 1.0)
    said = FoundPeople.of(interactions(kick(0, 1, 0.7), kick(0, 3, 0.6, 0.9), running, kick(2, None, 0.3)))
    assert said.role_scores[:, KICK].tolist() == [0.7, 0.3]
    np.testing.assert_array_equal(said.role_boxes[:, KICK], [BALL, [np.nan] * 4])
    assert said.verb_scores[0, VERB_NAMES.index("kick")] == pytest.approx(0.8 * 0.9)
    assert said.verb_scores[1, VERB_NAMES.index("run")] == pytest.approx(0.8 * 0.5)
    assert evaluate_vcoco([TWO], [said]).scenario_1[KICK] == 0.5
    assert evaluate_vcoco([true((ANNA, BALL), (BERT, None))], [said]).scenario_1[KICK] == 1


def test_interactions_of_the_callers_classes_become_pairs() -> None:
    ranked = interactions(kick(0, 1, 0.7), kick(0, 3, 0.6), kick(2, 1, 0.5), kick(2, None, 0.3))
    pairs = FoundPairs.of(ranked, [("hold", "sports ball"), ("kick", "sports ball")])
    assert pairs.classes.tolist() == [1, 1]
    assert pairs.scores.tolist() == [0.7, 0.5]
    np.testing.assert_array_equal(pairs.people, [ANNA, BERT])
    np.testing.assert_array_equal(pairs.objects, [BALL, BALL])
    assert FoundPairs.of(ranked, []).people.shape == (0, 4)


# ------------------------------------------------------------------------------- what they share


@pytest.mark.parametrize(
    ("hits", "wanted", "area", "at_11", "at_101"),
    [
        ([], 0, NAN, NAN, NAN),
        ([], 2, 0, 0, 0),
        ([0, 0], 2, 0, 0, 0),
        ([1, 1], 2, 1, 1, 1),
        ([1], 2, 1 / 2, 6 / 11, 51 / 101),  # recalls 0 to 0.5
        ([1, 0, 1], 2, (1 + 2 / 3) / 2, (6 + 5 * 2 / 3) / 11, (51 + 50 * 2 / 3) / 101),
        ([0, 1, 1], 2, 2 / 3, 2 / 3, 2 / 3),  # 1/2 is raised to 2/3: the envelope
        ([1, 1, 0, 0, 0], 2, 1, 1, 1),  # what comes after all are found does not matter
    ],
)
def test_average_precision_by_hand(hits: list[int], wanted: int, area: float, at_11: float, at_101: float) -> None:
    right = np.array(hits, np.bool_)
    assert average_precision(right, wanted) == pytest.approx(area, nan_ok=True)
    assert average_precision(right, wanted, RECALLS_11) == pytest.approx(at_11, nan_ok=True)
    assert average_precision(right, wanted, RECALLS_101) == pytest.approx(at_101, nan_ok=True)


def test_the_best_score_is_asked_first_and_of_equal_ones_the_first() -> None:
    scores, claims = np.array([0.2, 0.9, NAN, 0.9, 0.2]), np.array([True, False, True, True, True])
    assert first_claims(scores, claims, np.array([0, 0, 1, 0, 2])).tolist() == [False, True, False, True]


# ----------------------------------------------------------------------------------- HICO-DET


def pairs(*rows: tuple[int, Box, Box]) -> TruePairs:
    people = np.array([person for _, person, _ in rows]).reshape(-1, 4)
    objects = np.array([target for _, _, target in rows]).reshape(-1, 4)
    return TruePairs(people, objects, np.array([number for number, _, _ in rows], np.int64))


def found_pairs(*rows: tuple[float, int, Box, Box]) -> FoundPairs:
    plain = pairs(*(row[1:] for row in rows))
    return FoundPairs(plain.people, plain.objects, plain.classes, np.array([row[0] for row in rows]))


@pytest.mark.parametrize(
    ("truth", "said", "expected"),
    [
        pytest.param(pairs(), found_pairs(), [NAN, NAN], id="nothing"),
        pytest.param(pairs(), found_pairs((0.5, 0, ANNA, BALL)), [NAN, NAN], id="nothing, and something found"),
        pytest.param(pairs((0, ANNA, BALL)), found_pairs(), [0, NAN], id="nothing found"),
        pytest.param(pairs((0, ANNA, BALL)), found_pairs((0.5, 0, ANNA, HALF_A_BALL)), [1, NAN], id="found"),
        pytest.param(pairs((0, ANNA, BALL)), found_pairs((0.5, 1, ANNA, BALL)), [0, NAN], id="as another class"),
        pytest.param(pairs((0, ANNA, BALL)), found_pairs((0.5, 0, ANNA, LESS_THAN_HALF)), [0, NAN], id="object beside"),
        pytest.param(pairs((0, ANNA, BALL)), found_pairs((0.5, 0, BERT, BALL)), [0, NAN], id="another person"),
        pytest.param(
            pairs((0, ANNA, BALL), (0, BERT, BALL)),
            found_pairs((0.9, 0, ANNA, BALL), (0.8, 0, ANNA, BALL), (0.7, 0, BERT, BALL)),
            [(6 + 5 * 2 / 3) / 11, NAN],
            id="duplicate",
        ),
        pytest.param(
            pairs((0, ANNA, BALL), (1, ANNA, BALL)),
            found_pairs((0.9, 0, ANNA, BALL), (0.8, 1, ANNA, BALL)),
            [1, 1],
            id="two classes of one pair",
        ),
    ],
)
def test_hico_by_hand(truth: TruePairs, said: FoundPairs, expected: list[float]) -> None:
    quality = evaluate_hico([truth], [said], np.array([9, 10]))
    np.testing.assert_allclose(quality.classes, expected)


def test_rare_classes_have_fewer_than_ten_training_instances() -> None:
    quality = HICO(np.array([0.2, 0.4, 0.9, NAN]), np.array([9, 0, 10, 500]) < 10)
    assert quality.rare == pytest.approx(0.3)
    assert quality.non_rare == pytest.approx(0.9)
    assert quality.full == pytest.approx(0.5)
    counted = evaluate_hico([pairs()], [found_pairs()], np.array([9, 10]))
    assert counted.is_rare.tolist() == [True, False]
    assert np.isnan([counted.full, counted.rare, counted.non_rare]).all()


def test_pairs_of_two_images_are_not_the_same() -> None:
    one, said = pairs((0, ANNA, BALL)), found_pairs((0.5, 0, ANNA, BALL))
    assert evaluate_hico([one, one], [said, said], np.array([10])).full == 1
    assert evaluate_hico([], [], np.array([10])).is_rare.tolist() == [False]
