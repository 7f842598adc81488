"""What V-COCO's boxes teach: read from tiny files of its layout, learned from scenes of our own."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vision_models.interactions.evaluation.target_choice import target_choice
from vision_models.interactions.evaluation.vcoco import NOT_VISIBLE, UNKNOWN, Scene, read_ground_truth, read_vcoco
from vision_models.interactions.ranking import Factors, rank
from vision_models.interactions.relations import Relations
from vision_models.interactions.training.train_relations import RelationsRecipe, fit, mirrored, train_relations
from vision_models.interactions.vocabulary import ACTIONS, COCO_IDS, OBJECTS, PERSON, VERB_NAMES, VERBS

PICTURE = (640, 480)
RIDE, HOLD = ACTIONS.index(("ride", "instr")), ACTIONS.index(("hold", "obj"))
HORSE, CUP, BENCH = OBJECTS.index("horse"), OBJECTS.index("cup"), OBJECTS.index("bench")
QUICK = RelationsRecipe(hidden=16, dropout=0.0, steps=60, learning_rate=0.02)

# Photo 7: person 71 rides horse 72 and holds something that is not visible; person 73, who holds cup 75, has a box;
# person 74 has none. Photo 8: person 81 rides 82, which has no box.
BOXES = {71: (100, 50, 160, 200), 72: (60, 120, 220, 300), 73: (300, 80, 360, 300), 75: (340, 120, 350, 135)}
BOXES |= {81: (0, 0, 50, 100)}
NAMES = {71: "person", 72: "horse", 73: "person", 75: "cup", 81: "person"}
PEOPLE = [(7, 71), (7, 73), (7, 74), (8, 81)]
TARGETS = {(71, "ride"): 72, (71, "hold"): 0, (73, "hold"): 75, (81, "ride"): 82}


def labels() -> list[dict[str, Any]]:
    numbers = [number for _, number in PEOPLE]
    blocks = []
    for verb, roles in VERBS.items():
        targets = [[TARGETS.get((number, verb), 0) for number in numbers] for _ in roles]
        blocks.append(
            {
                "action_name": verb,
                "role_name": ["agent", *roles],
                "image_id": [photo for photo, _ in PEOPLE],
                "ann_id": numbers,
                "label": [int((number, verb) in TARGETS) for number in numbers],
                "role_object_id": [*numbers, *(target for role in targets for target in role)],
            }
        )
    return blocks


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    recovered = {
        "boxes_xyxy": {str(number): box for number, box in BOXES.items()},
        "category": {str(number): name for number, name in NAMES.items()},
    }
    for split in ("train", "val"):
        (tmp_path / f"vcoco_{split}.json").write_text(json.dumps(labels()))
        (tmp_path / f"recovered_boxes_{split}.json").write_text(json.dumps(recovered))
    return tmp_path


@pytest.fixture
def instances(tmp_path: Path) -> Path:
    """COCO's file: all boxes, a bystander (76), and photos that V-COCO does not have."""
    known = {**BOXES, 74: (400, 100, 450, 290), 76: (500, 10, 800, 50), 82: (0, 50, 90, 160), 91: (0, 0, 9, 9)}
    names = {**NAMES, 74: "person", 76: "person", 82: "horse", 91: "toothbrush"}
    path = tmp_path / "instances_train2014.json"
    things = [
        {
            "id": number,
            "image_id": number // 10,
            "category_id": COCO_IDS[OBJECTS.index(names[number])],
            "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
            "area": 1.0,
        }
        for number, box in known.items()
    ]
    photos = [{"id": photo, "width": 600, "height": 400} for photo in (7, 8, 9)]
    path.write_text(json.dumps({"images": photos, "annotations": things}))
    return path


def test_people_verbs_and_targets_of_a_photo_are_read(folder: Path) -> None:
    scene = read_vcoco(folder, "val")[0]
    assert scene.photo == 7
    assert scene.boxes[scene.people].tolist() == [list(BOXES[71]), list(BOXES[73])]
    assert sorted(OBJECTS[label] for label in scene.labels) == ["cup", "horse", "person", "person"]
    assert [VERB_NAMES[verb] for verb in np.flatnonzero(scene.verbs[0])] == ["hold", "ride"]
    assert scene.boxes[scene.targets[0, RIDE]].tolist() == list(BOXES[72])
    assert scene.boxes[scene.targets[1, HOLD]].tolist() == list(BOXES[75])


def test_a_target_that_is_not_to_be_seen_differs_from_a_verb_that_is_not_done(folder: Path) -> None:
    scene = read_vcoco(folder, "train")[0]
    assert scene.targets[0, HOLD] == NOT_VISIBLE
    assert scene.targets[1, RIDE] == UNKNOWN
    assert (np.delete(scene.targets, [RIDE, HOLD], axis=1) == UNKNOWN).all()


def test_photos_with_boxes_missing_say_so_and_are_not_measured(folder: Path) -> None:
    scenes = read_vcoco(folder, "train")
    assert [scene.complete for scene in scenes] == [False, False]  # person 74 has no box, and neither has target 82
    assert scenes[1].targets[0, RIDE] == UNKNOWN
    assert read_ground_truth(folder, "train") == {}


def test_with_cocos_file_everyone_is_there_and_bystanders_are_not_annotated(folder: Path, instances: Path) -> None:
    scenes = read_vcoco(folder, "val", instances)
    assert [scene.photo for scene in scenes] == [7, 8]
    assert all(scene.complete and scene.size == (600, 400) for scene in scenes)
    truth = read_ground_truth(folder, "val", instances)[7]
    assert truth.annotated.tolist() == [True, True, True, False]
    assert truth.verbs[3].tolist() == [-1] * 26
    assert truth.roles[0, RIDE].tolist() == [60, 120, 219, 299]  # the last pixel belongs to the box
    assert truth.people[3].tolist() == [500, 10, 599, 49]  # and lies in the photo
    assert np.isnan(truth.roles[0, HOLD]).all()


@pytest.mark.parametrize(
    ("missing", "advice"),
    [("vcoco_val.json", "github.com/s-gupta/v-coco"), ("recovered_boxes_val.json", "cocodataset.org")],
)
def test_a_missing_file_says_where_to_get_it(folder: Path, missing: str, advice: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(FileNotFoundError, match=f"{missing}.*{advice}"):
        read_vcoco(folder, "val")


def test_cocos_file_missing_says_where_to_get_it(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"annotations_trainval2014\.zip"):
        read_vcoco(folder, "val", folder / "instances_train2014.json")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("vcoco_val.json", "<html>"),
        ("vcoco_val.json", "{}"),
        ("vcoco_val.json", "[]"),
        ("recovered_boxes_val.json", "[]"),
        ("instances_train2014.json", '{"images": [], "annotations": []}'),
        ("instances_train2014.json", "[]"),
    ],
)
def test_a_file_of_another_kind_is_refused(folder: Path, instances: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    with pytest.raises(ValueError, match=name):
        read_vcoco(folder, "val", instances if name == instances.name else None)


def test_the_splits_are_train_and_val(folder: Path) -> None:
    with pytest.raises(ValueError, match="train and val, not 'test'"):
        read_vcoco(folder, "test")


def scene(rng: np.random.Generator, *, holds: bool | None) -> Scene:
    """Make a rider on a horse, below, before a bench, beside; holding a cup, nothing (None: nobody says), or unseen."""
    x, y = rng.uniform(150, 350), rng.uniform(60, 200)
    person = [x, y, x + 60, y + 150]
    horse = [x - 60, y + 80, x + 120, y + 250]
    bench = [x + 90, y + 20, x + 200, y + 90]
    cup = [x + 50, y + 50, x + 60, y + 62]
    boxes = [person, bench, horse, *([cup] if holds else [])]
    targets = np.full((1, 25), UNKNOWN)
    targets[0, RIDE] = 2
    if holds is not None:
        targets[0, HOLD] = 3 if holds else NOT_VISIBLE
    verbs = np.zeros((1, 26), np.int8)
    return Scene(
        0,
        PICTURE,
        np.array(boxes, np.float32),
        np.array([PERSON, BENCH, HORSE, CUP][: len(boxes)]),
        np.array([0]),
        verbs,
        targets,
        complete=True,
    )


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    rng = np.random.default_rng(0)
    return [scene(rng, holds=holds) for holds in (True, False, None) for _ in range(10)]


@pytest.fixture(scope="module")
def learned(scenes: list[Scene]) -> Relations:
    return fit(scenes, QUICK)


@torch.no_grad()
def factors(relations: Relations, seen: Scene) -> Factors:
    boxes = torch.from_numpy(seen.boxes)
    return Factors(
        people=seen.people,
        human_logits=np.zeros((len(seen.people), 26), np.float32),
        object_logits=np.zeros((len(boxes), 26), np.float32),
        targets=relations.targets(boxes[seen.people], seen.size).numpy(),
        sigmas=relations.sigmas.numpy(),
        compatibility=relations.compatibility(torch.from_numpy(seen.labels), boxes, seen.size).numpy(),
        vacancy=relations.vacancy.numpy(),
    )


def target_of(relations: Relations, seen: Scene, verb: str) -> int | None:
    ranked = rank(seen.boxes, np.ones(len(seen.boxes), np.float32), factors(relations, seen))
    return next(one.object for one in ranked if one.verb == verb)


def test_untrained_they_are_the_papers() -> None:
    relations = Relations()
    boxes = torch.tensor([[0.0, 0.0, 10.0, 20.0], [5.0, 5.0, 5.0, 5.0]])
    compatibility = relations.compatibility(torch.tensor([PERSON, CUP]), boxes, PICTURE)
    assert torch.equal(relations.targets(boxes, PICTURE), torch.zeros(2, 25, 4))
    assert torch.allclose(relations.sigmas, torch.tensor(0.3))
    assert torch.equal(compatibility, torch.zeros(2, 25))
    assert bool((relations.vacancy == -torch.inf).all())


def test_a_picture_without_people_or_objects_is_answered(learned: Relations) -> None:
    nothing = torch.zeros(0, 4)
    assert learned.targets(nothing, PICTURE).shape == (0, 25, 4)
    assert learned.compatibility(torch.zeros(0, dtype=torch.int64), nothing, PICTURE).shape == (0, 25)


def test_what_is_ridden_is_expected_below(learned: Relations, scenes: list[Scene]) -> None:
    across, down, width, height = factors(learned, scenes[0]).targets[0, RIDE]
    assert abs(across) < 0.2
    assert down == pytest.approx(90 / 150, abs=0.2)
    assert width > height


def test_the_answer_does_not_depend_on_the_resolution(learned: Relations, scenes: list[Scene]) -> None:
    people = torch.from_numpy(scenes[0].boxes[:1])
    twice = learned.targets(2 * people, (1280, 960))
    assert torch.allclose(twice, learned.targets(people, PICTURE), atol=1e-5)
    assert torch.allclose(twice, learned.targets(2 * people, torch.tensor([[1280.0, 960.0]])), atol=1e-5)


def test_the_usual_object_fits_better(learned: Relations, scenes: list[Scene]) -> None:
    compatibility = factors(learned, scenes[0]).compatibility
    _, bench, horse, cup = compatibility
    assert horse[RIDE] > bench[RIDE]
    assert cup[HOLD] > max(bench[HOLD], horse[HOLD])


def test_the_right_one_of_all_boxes_is_chosen(learned: Relations, scenes: list[Scene]) -> None:
    assert target_of(learned, scenes[0], "ride") == 2
    assert target_of(learned, scenes[0], "hold") == 3


def test_where_nothing_fits_the_target_is_not_to_be_seen(learned: Relations, scenes: list[Scene]) -> None:
    assert target_of(learned, scenes[10], "hold") is None
    assert target_of(learned, scenes[10], "ride") == 2


def test_the_same_training_gives_the_same_relations_and_leaves_the_callers_dice_alone(
    scenes: list[Scene], learned: Relations
) -> None:
    torch.manual_seed(1)
    again = fit(scenes, QUICK).state_dict()
    after = torch.rand(3)
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(3))
    assert all(torch.equal(value, again[name]) for name, value in learned.state_dict().items())


def test_training_a_network_that_holds_them_changes_no_answer(learned: Relations, scenes: list[Scene]) -> None:
    people = torch.from_numpy(scenes[0].boxes[:1])
    before = learned.targets(people, PICTURE)
    learned.train()
    during = learned.targets(people, PICTURE)
    learned.eval()
    assert torch.equal(before, during)


def test_the_measure_counts_right_choices(learned: Relations, scenes: list[Scene]) -> None:
    measured = target_choice(learned, scenes)
    assert (measured.cases, measured.visible_cases, measured.vacant_cases) == (40, 40, 10)
    assert measured.chance == pytest.approx((20 / 3 + 20 / 2) / 40)  # three candidates where there is a cup, or two
    assert measured.nearest < 1.0
    assert measured.learned == measured.balanced == 1.0
    untrained = target_choice(Relations(), scenes)
    assert untrained.learned < 1.0
    assert (untrained.visible, untrained.vacant) == (1.0, 0.0)


def test_without_steps_training_counts(scenes: list[Scene]) -> None:
    counted = fit(scenes, RelationsRecipe(steps=0))
    people = torch.from_numpy(np.concatenate([one.boxes[:1] for one in scenes]))
    targets = counted.targets(people, PICTURE)
    assert torch.equal(targets[:1].expand_as(targets), targets)  # whoever it is
    assert targets[0, RIDE].tolist() == pytest.approx([0, 0.6, np.log(3), np.log(170 / 150)], abs=1e-3)
    assert bool((counted.classes[RIDE, HORSE] >= counted.classes[RIDE]).all())


def test_nothing_to_measure_is_no_number() -> None:
    measured = target_choice(Relations(), [])
    assert measured.cases == 0
    assert np.isnan([measured.chance, measured.paper, measured.learned, measured.balanced]).all()


def test_a_mirrored_scene_looks_to_the_other_side(scenes: list[Scene]) -> None:
    once = mirrored(scenes[0])
    assert once.boxes[0, 0] == pytest.approx(PICTURE[0] - scenes[0].boxes[0, 2])
    assert (once.boxes[:, 2] > once.boxes[:, 0]).all()
    assert np.allclose(mirrored(once).boxes, scenes[0].boxes, atol=1e-3)


def test_training_without_a_choice_says_what_to_use(folder: Path) -> None:
    with pytest.raises(ValueError, match="V-COCO's train split"):
        fit([], RelationsRecipe(steps=1))


def test_training_reads_the_files(folder: Path, instances: Path) -> None:
    relations = train_relations(folder, RelationsRecipe(steps=2))
    assert bool(torch.isfinite(relations.vacancy).all())
    with_all = train_relations(folder, RelationsRecipe(steps=2), instances=instances)
    assert all(bool(torch.isfinite(value).all()) for value in with_all.state_dict().values())
