"""Every figure of the interaction model's card comes out of code that runs here, on a few made photos."""

import json
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import skimage.data
from typer.testing import CliRunner

from vision_models.cli.app import app
from vision_models.errors import DataError
from vision_models.interactions.evaluation import bench as bench_module
from vision_models.interactions.evaluation.hico_metrics import RECALLS_11, FoundPairs, TruePairs, evaluate_hico
from vision_models.interactions.evaluation.metrics import average_precision
from vision_models.interactions.evaluation.pair_recall import PairRecall, pair_recall
from vision_models.interactions.evaluation.vcoco import read_ground_truth, read_photo_index
from vision_models.interactions.evaluation.vcoco_metrics import FoundPeople, TruePeople, evaluate_vcoco
from vision_models.interactions.ranking import Interaction
from vision_models.interactions.result import Interactions
from vision_models.interactions.vocabulary import ACTIONS, COCO_IDS, OBJECTS, VERB_NAMES, VERBS

RIDE, RIDDEN = VERB_NAMES.index("ride"), ACTIONS.index(("ride", "instr"))
HORSE = OBJECTS.index("horse")


def evaluate(*options: object) -> str:
    result = CliRunner().invoke(app, ["evaluate", "interactions", *map(str, options), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    return result.stdout


def write_astronaut(path: Path) -> None:
    """A person on a photo of 128 x 128 pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.resize(skimage.data.astronaut(), (128, 128), interpolation=cv2.INTER_AREA)[..., ::-1])


# ---- the command, on folders of the layout that it expects


def test_objects_and_verbs_are_measured_on_photo_sets(tmp_path: Path) -> None:
    for number in range(4):
        write_astronaut(tmp_path / "coco128" / "images" / f"{number}.jpg")
        labels = tmp_path / "coco128" / "labels" / f"{number}.txt"
        labels.parent.mkdir(exist_ok=True)
        labels.write_text("0 0.4 0.5 0.8 1.0\n")
    write_astronaut(tmp_path / "stanford40" / "JPEGImages" / "riding_a_horse_001.jpg")
    splits, boxes = (tmp_path / "stanford40" / name for name in ("ImageSplits", "XMLAnnotations"))
    splits.mkdir()
    boxes.mkdir()
    (splits / "riding_a_horse_test.txt").write_text("riding_a_horse_001.jpg\n")
    corners = "<xmin>5</xmin><ymin>3</ymin><xmax>100</xmax><ymax>127</ymax>"
    (boxes / "riding_a_horse_001.xml").write_text(f"<a><object><bndbox>{corners}</bndbox></object></a>")
    write_astronaut(tmp_path / "sports100" / "data" / "test" / "surfing" / "1.jpg")
    said = evaluate("--data", tmp_path)
    assert "2 photos of COCO train2017, 2 boxes" in said
    assert "the detector of the bundled weights has seen them in its own" in said
    assert "Stanford 40, official test: 1 photos" in said
    assert "100 sports, valid and test" in said
    verbs = tmp_path / "map.json"
    verbs.write_text(json.dumps({"stanford40": {"riding_a_horse": {"strong": ["hold"], "weak": []}}}))
    assert "| hold | 1 of 1 |" in evaluate("--data", tmp_path, "--verb-map", verbs)


def vcoco(folder: Path, instances: Path) -> None:
    """Photo 7: a bystander whom V-COCO does not annotate, a rider, a horse, and a person of a flat box."""
    things = [(70, "person", (0, 0, 20, 60)), (71, "person", (40, 10, 40, 80)), (72, "horse", (-30, 40, 130, 200))]
    things += [(73, "person", (100, 140, 20, 20))]
    blocks = []
    for verb, roles in VERBS.items():
        rides = verb == "ride"
        targets = [[72 * rides, 0] for _ in roles]
        blocks.append(
            {
                "action_name": verb,
                "role_name": ["agent", *roles],
                "image_id": [7, 7],
                "ann_id": [71, 73],
                "label": [int(rides), int(rides)],
                "role_object_id": [71, 73, *(target for role in targets for target in role)],
            }
        )
    for split in ("train", "val"):
        (folder / f"vcoco_{split}.json").write_text(json.dumps(blocks))
    annotations = [
        {"id": number, "image_id": 7, "category_id": COCO_IDS[OBJECTS.index(name)], "bbox": box, "area": 100}
        for number, name, box in things
    ]
    instances.write_text(json.dumps({"images": [{"id": 7, "width": 128, "height": 128}], "annotations": annotations}))


def test_agents_and_roles_are_measured_on_vcoco_photos(tmp_path: Path) -> None:
    instances = tmp_path / "instances.json"
    vcoco(tmp_path, instances)
    write_astronaut(tmp_path / "photos" / "000000000007.jpg")
    said = evaluate("--vcoco", tmp_path, "--photos", tmp_path / "photos", "--instances", instances)
    assert "Target choice on V-COCO val" in said
    assert "### V-COCO val, 1 photos" in said
    assert "| all factors |" in said


def photo_index(folder: Path, **changes: object) -> Path:
    """One photo of a rider, who looks at something out of sight, with its labels in a line."""
    ride = {"verb": "ride", "role": "instr", "box": [0.25, 0.5, 1, 1]}
    look = {"verb": "look", "role": "obj", "box": None}
    rider = {"verbs": ["ride", "look"], "box": [0, 0, 0.5, 1], "roles": [ride, look]}
    photo = {"coco_id": 7, "split": "val", "width": 128, "height": 100, "persons": [rider]} | changes
    (folder / "index.jsonl").write_text(json.dumps(photo) + "\n")
    return folder / "index.jsonl"


def test_an_index_of_photos_is_measured_with_its_pairs(tmp_path: Path) -> None:
    write_astronaut(tmp_path / "photos" / "COCO_000000000007.jpg")
    said = evaluate("--index", photo_index(tmp_path), "--photos", tmp_path / "photos", "--limit", 5)
    assert "### V-COCO val, 1 photos" in said
    assert "Of 1 annotated pairs, 0.0% have both boxes found" in said
    assert "| ride, instr | " in said


def test_an_index_gives_boxes_in_pixels_and_leaves_out_who_has_none(tmp_path: Path) -> None:
    (people,) = read_photo_index(photo_index(tmp_path), "val").values()
    assert people.people.tolist() == [[0, 0, 63, 99]]
    assert people.roles[0, RIDDEN].tolist() == [32, 50, 127, 99]
    assert np.isnan(people.roles[0]).all(axis=1).sum() == len(ACTIONS) - 1
    assert people.verbs[0, RIDE] == 1
    assert read_photo_index(tmp_path / "index.jsonl", "train") == {}
    nobody_knows: dict[str, object] = {"verbs": [], "box": None, "roles": []}
    assert read_photo_index(photo_index(tmp_path, persons=[nobody_knows]), "val") == {}
    with pytest.raises(DataError, match=r"index\.jsonl is no index"):
        read_photo_index(photo_index(tmp_path, persons=None), "val")


def test_an_index_is_made_from_official_labels(tmp_path: Path) -> None:
    instances, index = tmp_path / "instances.json", tmp_path / "index.jsonl"
    vcoco(tmp_path, instances)
    result = CliRunner().invoke(app, ["convert", "vcoco-index", str(tmp_path), str(instances), "-o", str(index)])
    assert result.exit_code == 0, result.output
    (official,) = read_ground_truth(tmp_path, "val", instances).values()
    (people,) = read_photo_index(index, "val").values()
    rider = official.annotated.argmax()
    np.testing.assert_allclose(people.people[0], official.people[rider], atol=0.01)
    assert people.verbs[0].tolist() == official.verbs[rider].tolist()
    assert np.isnan(people.roles[0]).tolist() == np.isnan(official.roles[rider]).tolist()


def test_a_pair_counts_once_among_the_ten_best() -> None:
    people = np.array([[0.0, 0, 99, 99]])
    roles = np.full((1, len(ACTIONS), 4), np.nan)
    roles[0, RIDDEN] = [50, 50, 149, 149]
    truth = TruePeople(people, np.ones(1, np.bool_), np.zeros((1, 26), np.int64), roles)
    boxes = np.array([[0, 0, 99, 99], [50, 50, 149, 149], [50, 50, 145, 149]], np.float32)
    factors = SimpleNamespace(people=np.array([0]))

    def found(*objects: int) -> Interactions:
        said = tuple(Interaction(0, "ride", "instr", one, 0.5, 1, 1, 1, 1, 1) for one in objects)
        names = ("person", "horse", "horse")
        return Interactions(200, 200, boxes, names, np.ones(3, np.float32), said, factors)  # type: ignore[arg-type]

    assert pair_recall(truth, found(2, 1)) == PairRecall(1, 1, 1)
    assert pair_recall(truth, found(*[0] * 10, 1)) == PairRecall(1, 1, 0)


def test_pairs_are_measured_on_hico_photos_in_both_settings(tmp_path: Path) -> None:
    photo = {"boxes_h": [[6, 4, 101, 128]], "boxes_o": [[1, 1, 30, 30]], "hoi": [0]}
    shared = {"verbs": ["hold", "wave"], "objects": ["cell_phone", "horse"], "correspondence": [[0, 0, 0], [1, 1, 1]]}
    test = shared | {"filenames": ["a.jpg"], "annotation": [photo]}
    (tmp_path / "instances_test2015.json").write_text(json.dumps(test))
    (tmp_path / "instances_train2015.json").write_text(json.dumps({"annotation": [photo] * 12}))
    write_astronaut(tmp_path / "photos" / "a.jpg")
    said = evaluate("--hico", tmp_path, "--hico-photos", tmp_path / "photos")
    assert "### HICO-DET test, 1 photos" in said
    assert "| Default |" in said
    assert "| Known Object |" in said


def test_the_bench_prints_ratios(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_module, "SIZE", (96, 128))
    monkeypatch.setattr(bench_module, "REPEATS", 1)
    monkeypatch.setattr(bench_module, "CROWD", 12)
    result = CliRunner().invoke(app, ["bench", "interactions", "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert "with 12 people:" in result.stdout
    assert "of the detector's time" in result.stdout


# ---- the rules of the official evaluators


def said_of_photo_7(*people: tuple[float, tuple[float, ...]]) -> FoundPeople:
    """Everybody rides the horse."""
    verbs, roles = np.full((len(people), 26), np.nan), np.full((len(people), 25), np.nan)
    boxes = np.full((len(people), 25, 4), np.nan)
    verbs[:, RIDE] = roles[:, RIDDEN] = [score for score, _ in people]
    boxes[:, RIDDEN] = (0, 40, 99, 127)
    return FoundPeople(np.array([box for _, box in people]), verbs, roles, boxes)


def test_ground_truth_keeps_cocos_order_clips_all_sides_and_drops_flat_boxes(tmp_path: Path) -> None:
    vcoco(tmp_path, tmp_path / "instances.json")
    (truth,) = read_ground_truth(tmp_path, "val", tmp_path / "instances.json").values()
    assert truth.people.tolist() == [[0, 0, 19, 59], [40, 10, 79, 89]]
    assert truth.annotated.tolist() == [False, True]
    assert truth.verbs[:, RIDE].tolist() == [-1, 1]
    assert truth.roles[1, RIDDEN].tolist() == [0, 40, 99, 127]


def test_an_answer_that_falls_on_an_unannotated_person_is_dropped(tmp_path: Path) -> None:
    vcoco(tmp_path, tmp_path / "instances.json")
    (truth,) = read_ground_truth(tmp_path, "val", tmp_path / "instances.json").values()
    rider = (0.5, (40.0, 10.0, 79.0, 89.0))
    far_away = (0.9, (100.0, 0.0, 120.0, 20.0))  # of all people, an IoU of 0 with the first
    quality = evaluate_vcoco([truth], [said_of_photo_7(far_away, rider)])
    assert (quality.agents[RIDE], quality.scenario_1[RIDDEN]) == (1, 1)
    first = truth.people[::-1], truth.annotated[::-1], truth.verbs[::-1], truth.roles[::-1]
    quality = evaluate_vcoco([type(truth)(*first)], [said_of_photo_7(far_away, rider)])
    assert (quality.agents[RIDE], quality.scenario_1[RIDDEN]) == (0.5, 0.5)


def test_of_equal_scores_the_official_evaluator_asks_the_last_first(tmp_path: Path) -> None:
    vcoco(tmp_path, tmp_path / "instances.json")
    (truth,) = read_ground_truth(tmp_path, "val", tmp_path / "instances.json").values()
    rider = (0.5, (40.0, 10.0, 79.0, 89.0))
    quality = evaluate_vcoco([truth], [said_of_photo_7(rider, rider)])
    assert quality.agents[RIDE] == 0.5


@pytest.mark.parametrize(("hits", "wanted", "elevenths"), [(3, 5, 7), (7, 10, 8), (1, 2, 6), (1, 10, 2)])
def test_a_recall_that_is_just_reached_counts(hits: int, wanted: int, elevenths: int) -> None:
    assert average_precision(np.ones(hits, np.bool_), wanted, RECALLS_11) == pytest.approx(elevenths / 11)


def test_in_the_known_object_setting_images_without_the_object_do_not_count() -> None:
    person, thing = np.array([[0.0, 0, 9, 9]]), np.array([[20.0, 0, 29, 9]])
    truth = [TruePairs(person, thing, np.array([0])), TruePairs(person, thing, np.array([1]))]
    right = FoundPairs(person, thing, np.array([0]), np.array([0.5]))
    elsewhere = FoundPairs(person, thing, np.array([0]), np.array([0.9]))
    training, objects = np.array([20, 20]), np.array([7, 8])
    default = evaluate_hico(truth, [right, elsewhere], training)
    known = evaluate_hico(truth, [right, elsewhere], training, objects)
    assert default.classes[0] == pytest.approx(0.5)
    assert known.classes[0] == pytest.approx(1)
