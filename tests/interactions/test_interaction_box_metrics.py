"""COCO's measure of boxes, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vision_models.interactions.evaluation.metrics import COCO, FoundObjects, TrueObjects, evaluate_boxes

Box = tuple[float, float, float, float]
NAN = float("nan")

DOG, CAT = 0, 1
HERE: Box = (0, 0, 100, 100)
MOST_OF_IT: Box = (0, 0, 62, 100)  # right up to an IoU of 0.6
THERE: Box = (200, 0, 300, 100)
INSIDE: Box = (210, 10, 220, 20)


def objects(*rows: tuple[int, Box], crowds: tuple[tuple[int, Box], ...] = ()) -> TrueObjects:
    every = [*rows, *crowds]
    boxes, labels = np.array([box for _, box in every]).reshape(-1, 4), np.array([row[0] for row in every], np.int64)
    return TrueObjects(boxes, labels, np.arange(len(every)) >= len(rows))


def found_objects(*rows: tuple[float, int, Box]) -> FoundObjects:
    plain = objects(*(row[1:] for row in rows))
    return FoundObjects(plain.boxes, plain.labels, np.array([row[0] for row in rows]))


DOG_HERE = objects((DOG, HERE))
DOGS = objects((DOG, HERE), (DOG, THERE))
DOG_AND_CROWD = objects((DOG, HERE), crowds=((DOG, THERE),))
CAT_CROWD = objects((DOG, HERE), crowds=((CAT, THERE),))


@pytest.mark.parametrize(
    ("truth", "said", "expected"),
    [
        pytest.param(objects(), found_objects(), NAN, id="nothing"),
        pytest.param(objects(), found_objects((0.5, DOG, HERE)), NAN, id="nothing, and something found"),
        pytest.param(DOG_HERE, found_objects(), 0, id="nothing found"),
        pytest.param(DOGS, found_objects((0.8, DOG, HERE), (0.9, DOG, THERE)), 1, id="perfect"),
        pytest.param(DOGS, found_objects((0.8, DOG, HERE)), 51 / 101, id="one of two"),
        pytest.param(DOG_HERE, found_objects((0.9, DOG, HERE), (0.8, DOG, HERE)), 1, id="duplicate after all"),
        pytest.param(
            DOGS,
            found_objects((0.9, DOG, HERE), (0.8, DOG, HERE), (0.7, DOG, THERE)),
            (51 + 50 * 2 / 3) / 101,
            id="duplicate",
        ),
        pytest.param(DOG_HERE, found_objects((0.9, CAT, HERE)), 0, id="wrong class"),
        pytest.param(DOG_HERE, found_objects((0.9, CAT, HERE), (0.8, DOG, HERE)), 1, id="wrong class beside"),
        pytest.param(DOG_HERE, found_objects((0.9, DOG, MOST_OF_IT)), 0.3, id="right at three of ten IoUs"),
        pytest.param(
            DOG_HERE, found_objects((0.9, DOG, MOST_OF_IT), (0.8, DOG, HERE)), 0.3 + 0.7 / 2, id="better one later"
        ),
        pytest.param(DOG_AND_CROWD, found_objects((0.9, DOG, THERE), (0.8, DOG, HERE)), 1, id="crowd"),
        pytest.param(
            DOG_AND_CROWD,
            found_objects((0.9, DOG, INSIDE), (0.85, DOG, INSIDE), (0.8, DOG, HERE)),
            1,
            id="inside a crowd, twice",
        ),
        pytest.param(CAT_CROWD, found_objects((0.9, DOG, INSIDE), (0.8, DOG, HERE)), 0.5, id="crowd of another class"),
        pytest.param(objects(crowds=((DOG, HERE),)), found_objects((0.9, DOG, HERE)), NAN, id="a crowd need not be"),
    ],
)
def test_coco_by_hand(truth: TrueObjects, said: FoundObjects, expected: float) -> None:
    quality = evaluate_boxes([truth], [said], classes=2)
    assert quality.ap == pytest.approx(expected, nan_ok=True)
    assert quality.classes[DOG] == pytest.approx(expected, nan_ok=True)
    assert np.isnan(quality.classes[CAT])


def test_a_box_takes_the_object_that_it_overlaps_most_and_the_next_what_is_free() -> None:
    beside: Box = (20, 0, 120, 100)
    truth = objects((DOG, HERE), (DOG, beside))
    said = found_objects((0.9, DOG, beside), (0.8, DOG, (5, 0, 105, 100)))
    assert evaluate_boxes([truth], [said], classes=1).ap50 == 1


def test_only_the_hundred_best_boxes_of_a_class_count() -> None:
    wrong = [(0.9, DOG, THERE)] * 100
    assert evaluate_boxes([DOG_HERE], [found_objects(*wrong[1:], (0.1, DOG, HERE))], classes=2).ap == pytest.approx(
        0.01
    )
    assert evaluate_boxes([DOG_HERE], [found_objects(*wrong, (0.1, DOG, HERE))], classes=2).ap == 0
    cats = [(0.9, CAT, THERE)] * 100
    assert evaluate_boxes([DOG_HERE], [found_objects(*cats, (0.1, DOG, HERE))], classes=2).ap == 1


def test_ap50_and_classes_are_means_of_the_same_table() -> None:
    table = np.linspace(0.1, 1.0, 10)[::-1, None] * [1, 0.5, np.nan]
    quality = COCO(table)
    assert quality.ap50 == pytest.approx(0.75)
    assert quality.ap == pytest.approx(0.55 * 0.75)
    np.testing.assert_allclose(quality.classes, [0.55, 0.275, np.nan])
    np.testing.assert_allclose(quality.classes50, [1, 0.5, np.nan])
