"""From what the branches say of boxes to triplets: all pairs, by brute force, and the paper's four factors."""

import itertools
import json
import pickle
from dataclasses import replace

import numpy as np
import pytest

from vision_models.interactions.boxes import SIGMA, decode, density, encode
from vision_models.interactions.ranking import Factors, rank
from vision_models.interactions.result import Interactions
from vision_models.interactions.vocabulary import ACTIONS, COCO_IDS, OBJECTS, VERB_NAMES, VERB_OF_ACTION, Action

RIDE = ACTIONS.index(Action("ride", "instr"))


def some_factors(rng: np.random.Generator, people: list[int], boxes: int) -> Factors:
    """What untrained branches could say."""
    return Factors(
        np.array(people, np.int64),
        rng.normal(0, 2, (len(people), 26)).astype(np.float32),
        rng.normal(0, 2, (boxes, 26)).astype(np.float32),
        rng.normal(0, 0.5, (len(people), 25, 4)).astype(np.float32),
        np.full((25, 4), SIGMA, np.float32),
        np.zeros((boxes, 25), np.float32),
        np.full(25, -np.inf, np.float32),
    )


def some_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    corner = rng.uniform(0, 300, (count, 2))
    return np.concatenate([corner, corner + rng.uniform(20, 200, (count, 2))], axis=1).astype(np.float32)


def a_rider() -> Interactions:
    """A person above a horse, with a cup far away."""
    boxes = np.array([[100, 50, 160, 200], [60, 120, 220, 300], [400, 10, 420, 40]], np.float32)
    factors = some_factors(np.random.default_rng(0), [0], 3)
    factors.human_logits[:] = -4
    factors.human_logits[0, VERB_NAMES.index("ride")] = 3
    factors.human_logits[0, VERB_NAMES.index("smile")] = 1
    factors.object_logits[:] = 0
    factors.targets[0, RIDE] = encode(boxes[1], boxes[0])
    found = Interactions(
        500, 320, boxes, ("person", "horse", "cup"), np.array([0.9, 0.8, 0.95], np.float32), (), factors
    )
    return found.rank_again()


def test_the_vocabulary_is_v_cocos() -> None:
    assert (len(VERB_NAMES), len(ACTIONS), len(OBJECTS), len(COCO_IDS)) == (26, 25, 80, 80)
    assert [VERB_NAMES[verb] for verb in VERB_OF_ACTION] == [action.verb for action in ACTIONS]
    assert {verb for verb, _ in ACTIONS} == set(VERB_NAMES) - {"stand", "walk", "run", "smile"}
    assert COCO_IDS[OBJECTS.index("toothbrush")] == 90


@pytest.mark.parametrize(("people", "boxes"), [([], 0), ([], 3), ([0], 1), ([0, 2], 5), ([1, 3, 4], 9)])
@pytest.mark.parametrize(("location", "interaction"), list(itertools.product([True, False], repeat=2)))
def test_the_cascade_finds_what_brute_force_over_all_pairs_finds(
    people: list[int], boxes: int, location: bool, interaction: bool
) -> None:
    rng = np.random.default_rng(boxes)
    places, scores = some_boxes(rng, boxes), rng.uniform(0.1, 1, boxes).astype(np.float32)
    factors = some_factors(rng, people, boxes)
    ranked = rank(places, scores, factors, location=location, interaction=interaction)
    best = {(one.person, one.verb, one.role): one for one in ranked}
    assert len(best) == len(ranked) == len(people) * (len(ACTIONS) + 4)
    assert [one.score for one in ranked] == sorted((one.score for one in ranked), reverse=True)
    for (row, person), (column, action) in itertools.product(enumerate(people), enumerate(ACTIONS)):
        verb = VERB_NAMES.index(action.verb)
        expected = -1.0
        for other in set(range(boxes)) - {person}:
            logit = factors.human_logits[row, verb] + interaction * factors.object_logits[other, verb]
            offset = encode(places[other], places[person]) - factors.targets[row, column]
            g = np.exp(-np.square(offset).sum() / (2 * SIGMA**2)) if location else 1.0
            expected = max(expected, scores[person] * scores[other] / (1 + np.exp(-logit)) * g)
        one = best[person, action.verb, action.role]
        if boxes > 1:
            assert one.score == pytest.approx(expected, rel=1e-4, abs=1e-12)
            assert one.object not in {None, person}
        else:
            assert one.object is None


def test_a_score_is_the_product_of_its_four_factors() -> None:
    for one in a_rider().interactions:
        product = one.person_score * one.object_score * one.action_score * one.location_score
        assert one.score == pytest.approx(product, rel=1e-5)


def test_with_the_extras_a_target_counts_by_its_share_among_all_it_could_be() -> None:
    found = a_rider()
    found.factors.vacancy[:] = -0.5
    relative = replace(found, factors=replace(found.factors, relative=True))
    ranked = relative.candidates(0, "ride")
    assert sum(one.target_score for one in ranked) == pytest.approx(1, rel=1e-5)
    for one in [*ranked, *relative.rank_again().interactions]:
        assert one.score == pytest.approx(one.person_score * one.action_score * one.target_score, rel=1e-5)
    assert [one.object for one in ranked] == [one.object for one in found.candidates(0, "ride")]
    by_paper = relative.rank_again(extras=False)
    assert by_paper.interactions == a_rider().interactions


def test_an_object_that_is_seen_faintly_but_has_no_rival_does_not_make_the_action_unlikely() -> None:
    found = a_rider()
    found.scores[1:] = 0.1
    found.factors.vacancy[:] = -9
    relative = replace(found, factors=replace(found.factors, relative=True))
    ride, absolute = (one.rank_again().interactions[0] for one in (relative, found))
    assert (ride.verb, ride.object) == ("ride", 1)
    assert ride.object_score == pytest.approx(0.1)
    assert ride.score > 0.8
    assert absolute.verb != "ride"


def test_a_rider_rides_the_horse_and_not_the_cup() -> None:
    best = a_rider().interactions[0]
    assert (best.verb, best.object) == ("ride", 1)
    assert best.location_score == pytest.approx(1)


def test_without_the_target_density_the_surest_object_wins() -> None:
    found = a_rider().rank_again(location=False)
    ride = next(one for one in found.interactions if one.verb == "ride")
    assert (found.name(ride.object), ride.location_score) == ("cup", 1.0)


def test_without_the_interaction_branch_the_person_alone_decides() -> None:
    found = a_rider()
    found.factors.object_logits[1, VERB_NAMES.index("ride")] = -9
    with_branch = next(one for one in found.rank_again().interactions if one.verb == "ride")
    without = next(one for one in found.rank_again(interaction=False).interactions if one.verb == "ride")
    assert with_branch.action_score < 0.1
    assert without.action_score > 0.9


def test_a_target_that_nothing_fits_is_not_to_be_seen() -> None:
    found = a_rider()
    found.factors.vacancy[:] = -0.5
    found.factors.targets[0, RIDE] = 5
    ride = next(one for one in found.rank_again().interactions if one.verb == "ride")
    assert (ride.object, ride.object_score) == (None, 1.0)
    assert ride.location_score == pytest.approx(np.exp(-0.5))


def test_a_sure_object_in_its_place_beats_not_to_be_seen_and_a_faint_one_does_not() -> None:
    found = a_rider()
    found.factors.vacancy[:] = -0.5
    assert next(one for one in found.rank_again().interactions if one.verb == "ride").object == 1
    found.scores[1] = 0.3
    assert next(one for one in found.rank_again().interactions if one.verb == "ride").object is None


def test_candidates_of_a_verb_are_each_object_once_and_that_none_is_seen() -> None:
    found = a_rider()
    found.factors.vacancy[:] = -0.5
    ranked = found.candidates(0, "ride")
    assert [one.object for one in ranked] == [1, None, 2]
    assert ranked[0] == next(one for one in found.rank_again().interactions if one.verb == "ride")


def test_how_usual_a_class_is_decides_between_two_that_are_as_well_placed() -> None:
    found = a_rider()
    found.boxes[2] = found.boxes[1]
    found.factors.compatibility[:, RIDE] = (-9, 0, -6)
    ride = next(one for one in found.rank_again().interactions if one.verb == "ride")
    assert found.name(ride.object) == "horse"


def test_a_smile_needs_no_object() -> None:
    smile = next(one for one in a_rider().interactions if one.verb == "smile")
    assert (smile.role, smile.object, smile.object_score) == (None, None, 1.0)


def test_filtering_keeps_boxes_and_their_numbers() -> None:
    found = a_rider()
    few = found.filter(min_score=0.3, verbs={"ride"}, person=0)
    assert [one.verb for one in few.interactions] == ["ride"]
    assert few.boxes is found.boxes
    assert not found.filter(verbs=set()).interactions


@pytest.mark.parametrize(
    ("wrong", "said"), [({"verbs": {"juggle"}}, "juggle is not a verb"), ({"person": 1}, "box 1 is no person")]
)
def test_filtering_by_what_is_not_there_says_so(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        a_rider().filter(**wrong)  # type: ignore[arg-type]


def test_the_expected_box_is_where_the_object_was_expected() -> None:
    found = a_rider()
    np.testing.assert_allclose(found.expected_box(0, "ride"), found.boxes[1], atol=1e-3)


def test_the_density_peaks_at_the_expected_place_at_image_size() -> None:
    found = a_rider()
    heat = found.density(0, "ride")
    y, x = np.unravel_index(heat.argmax(), heat.shape)
    assert heat.shape == (320, 500)
    assert (x, y) == pytest.approx((140, 210), abs=1)
    assert heat.max() == pytest.approx(1, abs=1e-3)
    assert heat[0, -1] < 1e-3


def test_the_density_falls_by_the_papers_sigma() -> None:
    target, person = np.zeros(4, np.float32), np.array([0, 0, 100, 100], np.float32)
    heat = density(target, np.full(4, SIGMA, np.float32), person, 200, 100)
    assert heat[50, 50 + 30] == pytest.approx(np.exp(-0.5), abs=0.02)


def test_a_verb_without_objects_has_no_density() -> None:
    with pytest.raises(ValueError, match="smile takes no object"):
        a_rider().density(0, "smile")


def test_places_are_encoded_and_decoded_alike() -> None:
    rng = np.random.default_rng(0)
    boxes, people = some_boxes(rng, 6), some_boxes(rng, 6)
    for box, person in zip(boxes, people, strict=True):
        np.testing.assert_allclose(decode(encode(box, person), person), box, rtol=1e-4, atol=1e-2)


def test_json_names_every_box_and_refers_to_it_by_index() -> None:
    found = a_rider().filter(min_score=0.3)
    content = json.loads(found.to_json())
    assert [box["label"] for box in content["boxes"]] == ["person", "horse", "cup"]
    assert content["interactions"][0]["object"] == 1
    assert set(content["interactions"][0]) >= {"person_score", "object_score", "action_score", "location_score"}


def test_a_result_can_be_sent_between_processes() -> None:
    found = a_rider()
    again = pickle.loads(pickle.dumps(found))  # noqa: S301  # our own bytes
    assert again.interactions == found.interactions


def test_a_photo_without_people_has_no_interactions() -> None:
    found = a_rider()
    nobody = replace(
        found.factors,
        people=np.zeros(0, np.int64),
        human_logits=np.zeros((0, 26), np.float32),
        targets=np.zeros((0, 25, 4), np.float32),
    )
    assert not rank(found.boxes, found.scores, nobody)
