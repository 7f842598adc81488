"""The compact network: what it learns from labelled people, and what it says about pairs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from made_teacher import write_teacher
from two_processes import in_two_processes
from typer.testing import CliRunner

from vision_models.backbones.efficientnet import EfficientNetLite3
from vision_models.cli.app import app
from vision_models.distributed import here
from vision_models.errors import DataError
from vision_models.interactions.evaluation.vcoco import read_photo_index
from vision_models.interactions.evaluation.vcoco_metrics import TruePeople
from vision_models.interactions.network import CompactInteractNet, geometry
from vision_models.interactions.predictor import InteractionPredictor
from vision_models.interactions.ranking import MISSED, Factors
from vision_models.interactions.relations import Relations
from vision_models.interactions.result import Interactions
from vision_models.interactions.training import features
from vision_models.interactions.training import train_branches as training
from vision_models.interactions.training.data import verb_labels
from vision_models.interactions.training.features import PhotoFeatures, look_at_photo
from vision_models.interactions.training.subjects import TOPICS
from vision_models.interactions.training.weak_people import WeakPerson, read_captions, role_classes
from vision_models.interactions.vocabulary import ACTIONS, OBJECTS, VERB_NAMES, Action
from vision_models.media.photos import read_photo
from vision_models.weights.checkpoint import load_tensors

RIDE = ACTIONS.index(Action("ride", "instr"))
RIDER, HORSE, CUP = range(3)


# ---- training


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Options of the command: two photos of a rider with labels, and published networks that nobody trained."""
    write_teacher(tmp_path / "teacher.npz", width="m-1.5x")
    scene = {name: part.numpy() for name, part in EfficientNetLite3().state_dict().items()}
    np.savez(tmp_path / "scene.npz", allow_pickle=False, **scene)
    (tmp_path / "photos").mkdir()
    rng = np.random.default_rng(0)
    lines = []
    for number in (1, 2):
        cv2.imwrite(str(tmp_path / "photos" / f"COCO_{number:012d}.jpg"), rng.integers(0, 255, (96, 128, 3), np.uint8))
        ride = {"verb": "ride", "role": "instr", "box": [0.2, 0.5, 0.9, 1]}
        rider = {"verbs": ["ride", "look"], "box": [0.3, 0.1, 0.6, 0.8], "roles": [ride]}
        nobody_knows = {"verbs": ["sit"], "box": None, "roles": []}
        photo = {"coco_id": number, "split": "train", "width": 128, "height": 96, "persons": [rider, nobody_knows]}
        lines.append(json.dumps(photo))
    (tmp_path / "index.jsonl").write_text("\n".join(lines))
    walker = {"box": [0, 0, 0.5, 1], "score": 0.9, "verbs": {"walk": "single person", "sit": "all prominent people"}}
    crowd = {"box": [0.5, 0, 1, 1], "score": 0.9, "verbs": {"sit": "all prominent people"}}
    photo = {"path": "set/COCO_000000000001.jpg", "in_vcoco_index": False, "persons": [walker, crowd]}
    (tmp_path / "captions.jsonl").write_text(json.dumps(photo))
    monkeypatch.setattr(training, "train_relations", lambda _: Relations())
    names = {"index": "index.jsonl", "photos": "photos", "vcoco": "", "teacher": "teacher.npz", "scene": "scene.npz"}
    names |= {"captions": "captions.jsonl", "caption-photos": "photos"}
    return [word for name, file in names.items() for word in (f"--{name}", str(tmp_path / file))]


def train(sources: list[str], out: Path) -> str:
    result = CliRunner().invoke(
        app, ["train", "interactions", *sources, "--out", str(out), "--device", "cpu", "--workers", "0"]
    )
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_trains_weights_that_answer(
    sources: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "BranchesRecipe", lambda: replace(RECIPE, epochs=2))
    said = train(sources, tmp_path / "run")
    assert "epoch   2   verbs" in said
    predictor = InteractionPredictor.from_pretrained(tmp_path / "run" / "interactions.safetensors", device="cpu")
    assert predictor.training_photos["ride"] == 2
    assert predictor.training_photos["sit"] == 0
    found = predictor.detect(read_photo(tmp_path / "photos" / "COCO_000000000001.jpg"))
    assert (found.width, found.height) == (128, 96)
    for look in ("look_at_photo", "look_at_person"):
        monkeypatch.setattr(training, look, lambda *_: pytest.fail("what was seen is kept"))
    train(sources, tmp_path / "run")


RECIPE = training.BranchesRecipe()


def learn(folder: Path, out: Path) -> None:
    """Train on the photos that `sources` made, and write down which process looked at which photo."""
    looked_at: list[str] = []

    def look(network: CompactInteractNet, photo: tuple[Path, TruePeople]) -> dict[str, torch.Tensor]:
        looked_at.append(photo[0].name)
        return look_at_photo(network, photo)

    names = ("index.jsonl", "photos", "", "teacher.npz", "scene.npz", "captions.jsonl", "photos")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "train_relations", lambda _: Relations())
        patch.setattr(training, "look_at_photo", look)
        patch.setattr(features, "CHUNK", 1)
        recipe = replace(RECIPE, epochs=2)
        training.train_branches(training.Sources(*(folder / name for name in names)), out, recipe, device="cpu")
    (out / f"{here().rank}.json").write_text(json.dumps(looked_at))


def test_two_processes_look_at_photos_together_and_leave_the_weights_that_one_does(
    sources: list[str], tmp_path: Path
) -> None:
    alone, together = tmp_path / "alone", tmp_path / "together"
    learn(tmp_path, alone)
    in_two_processes(learn, tmp_path, tmp_path, together)
    looked_at = [json.loads((together / f"{rank}.json").read_text()) for rank in (0, 1)]
    assert looked_at == [["COCO_000000000001.jpg"], ["COCO_000000000002.jpg"]]
    expected, found = (load_tensors(run / "interactions.safetensors")[0] for run in (alone, together))
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


def test_every_branch_learns(sources: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = CompactInteractNet(RECIPE.config).eval()
    training.begin_with(network, tmp_path / "teacher.npz", tmp_path / "scene.npz")
    (known,) = list(read_photo_index(tmp_path / "index.jsonl", "train", complete=False).values())[:1]
    seen = PhotoFeatures(**look_at_photo(network, (tmp_path / "photos" / "COCO_000000000001.jpg", known)))
    horse = torch.tensor([[0.2 * 128, 0.5 * 96, 0.9 * 128, 96.0]])
    seen = replace(seen, boxes=horse, labels=torch.tensor([17]), scores=torch.tensor([0.9]), things=seen.things[:1])
    pairs = torch.zeros(len(seen.people), 1, len(ACTIONS))
    pairs[:, :, RIDE] = 1
    torch.manual_seed(0)
    losses = [training._losses(network, [replace(seen, pairs=pairs)], RECIPE, torch.device("cpu"))]
    training.fit(network, [replace(seen, pairs=pairs)] * 4, {}, replace(RECIPE, epochs=20, warm_up=1, batch=4))
    losses.append(training._losses(network, [replace(seen, pairs=pairs)], RECIPE, torch.device("cpu")))
    assert (losses[1] < losses[0]).all()


def test_a_caption_teaches_the_verbs_that_it_names_and_no_others(sources: list[str], tmp_path: Path) -> None:
    (person,) = read_captions(tmp_path / "captions.jsonl", tmp_path / "photos")
    assert {VERB_NAMES[verb] for verb in np.flatnonzero(person.verbs)} == {"walk", "sit"}
    assert (person.weights == person.verbs).all()


CUP_CLASS, BOTTLE_CLASS, HORSE_CLASS = (OBJECTS.index(name) for name in ("cup", "bottle", "horse"))
DRINK, HOLD = ACTIONS.index(Action("drink", "instr")), ACTIONS.index(Action("hold", "obj"))


def test_a_topic_teaches_which_classes_play_a_role_and_that_what_is_not_done_is_done_with_nothing() -> None:
    classes = role_classes(TOPICS["stanford40", "drinking"])
    assert classes[DRINK, CUP_CLASS] == classes[DRINK, BOTTLE_CLASS] == 1
    assert classes[DRINK, HORSE_CLASS] == 0
    assert (classes[RIDE] == 0).all()
    assert np.isnan(classes[ACTIONS.index(Action("look", "obj"))]).all()


def test_the_surest_object_of_a_topic_within_reach_is_taken_for_its_target() -> None:
    person = torch.tensor([0.0, 0, 50, 100])
    cup, far_cup, same_place, horse = [20.0, 20, 30, 30], [80.0, 20, 90, 30], [20.0, 20, 30, 31], [40.0, 50, 90, 100]
    boxes, labels = (
        torch.tensor([cup, far_cup, same_place, horse]),
        torch.tensor([CUP_CLASS, CUP_CLASS, 0, HORSE_CLASS]),
    )
    classes = torch.from_numpy(role_classes(TOPICS["stanford40", "drinking"]))
    pairs, away = features._roles(person, boxes, labels, torch.tensor([0.6, 0.9, 0.5, 0.8]), classes)
    assert pairs[0, DRINK] == 1
    assert pairs[1:3, DRINK].isnan().all()  # may be it as well
    assert pairs[3, DRINK] == 0
    assert (pairs[:, RIDE] == 0).all()
    assert away[DRINK] == away[RIDE] == 0
    _, away = features._roles(person, boxes[1:], labels[1:], torch.tensor([0.9, 0.5, 0.8]), classes)
    assert away[DRINK] == 1  # it is done with something that was not found


def test_what_topics_tell_of_objects_is_learned(sources: list[str], tmp_path: Path) -> None:
    network = CompactInteractNet(RECIPE.config).eval()
    training.begin_with(network, tmp_path / "teacher.npz", tmp_path / "scene.npz")
    topic = TOPICS["stanford40", "drinking"]
    box = np.array([0.2, 0.1, 0.8, 1], np.float32)
    actor = WeakPerson(tmp_path / "photos" / "COCO_000000000001.jpg", box, *verb_labels(topic), role_classes(topic))
    seen = {name: part.clone() for name, part in features.look_at_person(network, actor).items()}
    assert seen["pairs"].shape == (RECIPE.config.boxes, len(ACTIONS))
    seen |= {"labels": torch.full_like(seen["labels"], CUP_CLASS), "pairs": torch.zeros_like(seen["pairs"])}
    seen["pairs"][:, DRINK] = 1
    people = {name: part[None] for name, part in seen.items()}
    torch.manual_seed(0)
    before = training._weak_losses(network, people, RECIPE)
    known = read_photo_index(tmp_path / "index.jsonl", "train", complete=False).values()
    looked_at = look_at_photo(network, (actor.photo, next(iter(known))))
    photo = PhotoFeatures(**{name: part.clone() for name, part in looked_at.items()})
    training.fit(network, [photo] * 4, {"actors": [seen]}, replace(RECIPE, epochs=20, warm_up=1, batch=4))
    assert (training._weak_losses(network, people, RECIPE) < before).all()


def test_a_mirrored_photo_has_its_people_and_objects_on_the_other_side(sources: list[str], tmp_path: Path) -> None:
    network = CompactInteractNet(RECIPE.config).eval()
    (known,) = list(read_photo_index(tmp_path / "index.jsonl", "train", complete=False).values())[:1]
    seen = PhotoFeatures(**look_at_photo(network, (tmp_path / "photos" / "COCO_000000000001.jpg", known)))
    other = seen.mirrored()
    assert other.people[-1].tolist() == pytest.approx([128 * 0.4, 96 * 0.1, 128 * 0.7, 96 * 0.8])
    assert other.targets[-1, RIDE, 0] == -seen.targets[-1, RIDE, 0]
    torch.testing.assert_close(other.mirrored().people, seen.people)
    place = seen.features[:, -1, -8:]  # left, top, right, bottom, ...
    torch.testing.assert_close(place[1, [0, 2]], 1 - place[0, [2, 0]], atol=1e-3, rtol=0)


def test_photos_that_are_not_there_are_named(sources: list[str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    files = (tmp_path / name for name in ("index.jsonl", "empty", "", "teacher.npz", "scene.npz"))
    with pytest.raises(DataError, match=r"None of the photos that index\.jsonl names"):
        training.train_branches(training.Sources(*files), tmp_path / "run", RECIPE, device="cpu")
    np.savez(tmp_path / "scene.npz", something=np.zeros(3))
    with pytest.raises(DataError, match=r"scene\.npz does not hold the weights of EfficientNet-Lite3"):
        training.begin_with(CompactInteractNet(RECIPE.config), tmp_path / "teacher.npz", tmp_path / "scene.npz")


def test_the_command_says_what_it_needs(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["train", "interactions", "--out", str(tmp_path)])
    assert result.exit_code == 1
    assert "needs --index, --photos, --vcoco, --teacher and --scene" in result.output


def test_captions_without_their_photos_are_not_left_out_in_silence(sources: list[str], tmp_path: Path) -> None:
    lonely = sources[: sources.index("--caption-photos")]
    result = CliRunner().invoke(app, ["train", "interactions", *lonely, "--out", str(tmp_path / "run")])
    assert result.exit_code == 1
    assert "name both --captions and --caption-photos" in result.output


# ---- pairs


def found_pairs(logits: np.ndarray) -> Interactions:
    """A rider, a horse and a cup, of which the pair branch says this: (2, 2, 1, 25, 4)."""
    factors = Factors(
        people=np.array([RIDER]),
        human_logits=np.full((1, len(VERB_NAMES)), -4, np.float32),
        object_logits=np.zeros((3, len(VERB_NAMES)), np.float32),
        targets=np.zeros((1, len(ACTIONS), 4), np.float32),
        sigmas=np.ones((len(ACTIONS), 4), np.float32),
        compatibility=np.zeros((3, len(ACTIONS)), np.float32),
        vacancy=np.zeros(len(ACTIONS), np.float32),
        relative=True,
        pairs=logits.astype(np.float32),
    )
    boxes = np.array([[0, 0, 50, 90], [10, 40, 90, 99], [80, 0, 99, 20]], np.float32)
    return Interactions(
        100, 100, boxes, ("person", "horse", "cup"), np.array([0.8, 0.6, 0.5], np.float32), (), factors
    ).rank_again()


@pytest.fixture
def logits() -> np.ndarray:
    return np.full((2, 2, 1, len(ACTIONS), 4), -6.0)


def test_the_best_pair_is_said_with_the_share_of_its_chance(logits: np.ndarray) -> None:
    logits[0, 0, 0, RIDE] = [9, 0, -1, -2]  # oneself, horse, cup, out of sight
    best = found_pairs(logits).interactions[0]
    assert (best.person, best.verb, best.object) == (RIDER, "ride", HORSE)
    assert best.score == pytest.approx(0.8 * 0.5 * best.target_score)


def test_a_box_of_which_the_detector_is_unsure_is_said_more_doubtfully(logits: np.ndarray) -> None:
    logits[0, 0, 0, RIDE] = [-6, 2, 2, -6]  # the horse, and just as well the cup
    found = found_pairs(logits)
    scores = {}
    for score in (0.06, 0.3, 0.6):
        here = replace(found, scores=np.array([0.8, score, 0.05], np.float32)).rank_again()
        scores[score] = here.interactions[0].score
    assert scores[0.06] < 0.3 * scores[0.6]
    assert 0.8 * scores[0.6] < scores[0.3] < scores[0.6]
    assert replace(found, scores=np.array([0.8, 0.06, 0.4], np.float32)).rank_again().interactions[0].object == CUP


def test_what_is_out_of_sight_is_said_where_that_is_likelier(logits: np.ndarray) -> None:
    logits[0, 0, 0, RIDE] = [-6, 0, -1, 1]
    assert found_pairs(logits).interactions[0].object is None


def test_what_a_person_surely_does_is_said_even_if_its_object_was_not_found(logits: np.ndarray) -> None:
    found = found_pairs(logits)
    factors = replace(found.factors, human_logits=found.factors.human_logits.copy())
    factors.human_logits[0, VERB_NAMES.index("talk_on_phone")] = 5
    best = replace(found, factors=factors).rank_again().interactions[0]
    assert (best.verb, best.object) == ("talk_on_phone", None)
    assert best.score == pytest.approx(0.8 * MISSED, abs=0.02)


def test_place_and_things_can_be_left_out(logits: np.ndarray) -> None:
    logits[0, 0, 0, RIDE, HORSE], logits[1, 0, 0, RIDE, CUP], logits[0, 1, 0, RIDE, 3] = 2, 2, 2
    found = found_pairs(logits)
    assert [found.rank_again(**switch).interactions[0].object for switch in ({}, {"location": False})] == [HORSE, CUP]
    assert found.rank_again(interaction=False).interactions[0].object is None
    assert {one.action_score for one in found.rank_again(extras=False).interactions} != {0.0}
    assert found.candidates(RIDER, "ride")[0].object == HORSE


def test_places_tell_nothing_of_the_size_of_a_photo() -> None:
    boxes = torch.tensor([[10.0, 10, 60, 90], [20, 50, 90, 99]])
    here, twice = geometry(boxes[:1], boxes, (100, 120)), geometry(2 * boxes[:1], 2 * boxes, (200, 240))
    assert here.shape == (1, 2, 10)
    torch.testing.assert_close(here, twice)
