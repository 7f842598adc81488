"""InteractNet learns: labels from a teacher and from topics, both branches, checkpoints."""

import gzip
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from made_teacher import write_teacher
from torchvision.models.detection import fasterrcnn_resnet50_fpn
from two_processes import expect_the_same, in_two_processes
from typer.testing import CliRunner

from vision_models import training as shared
from vision_models.cli.app import app
from vision_models.interactions.backbone import LEVELS, Pyramid, Width
from vision_models.interactions.config import InteractNetConfig
from vision_models.interactions.network import InteractNet
from vision_models.interactions.training import losses as losses_module
from vision_models.interactions.training import train as training
from vision_models.interactions.training.data import Sample, read_samples, repeats, verb_counts, view
from vision_models.interactions.training.initialise import load_torchvision_detector
from vision_models.interactions.training.label import label
from vision_models.interactions.training.losses import Labels
from vision_models.interactions.training.subjects import TOPICS
from vision_models.interactions.training.teacher import Teacher
from vision_models.interactions.training.train import LOSSES, PAPER_RECIPE, Run, train
from vision_models.interactions.vocabulary import ACTIONS, OBJECTS, PERSON, VERB_NAMES, Action
from vision_models.weights.checkpoint import load_tensors

# The paper's size takes minutes and gigabytes; this is the same code.
TINY = replace(
    PAPER_RECIPE,
    config=InteractNetConfig(min_side=64, max_side=96, box_hidden=96, human_hidden=16, object_hidden=16, pooled=3),
    samples=8,
    batch=2,
    shapes=((96, 64), (64, 64), (64, 96)),
)
HORSE = OBJECTS.index("horse")
RIDING = TOPICS["stanford40", "riding_a_horse"]


@pytest.fixture
def teacher(tmp_path: Path) -> Path:
    return write_teacher(tmp_path / "teacher.npz")


@pytest.fixture
def photo_sets(tmp_path: Path) -> Path:
    """A person on a horse, in a set whose topics are known, and a photo of another set."""
    root = tmp_path / "sets"
    rng = np.random.default_rng(0)
    for source, folder, names in (
        ("willow7", "dataset/TrainSet/Riding Horse", ["1.jpg", "2.jpg"]),
        ("others", "", ["3.jpg"]),
    ):
        photos = root / source / folder
        photos.mkdir(parents=True)
        found = {}
        for name in names:
            cv2.imwrite(str(photos / name), rng.integers(0, 256, (240, 320, 3), np.uint8))
            boxes = [[PERSON, 0.9, 100, 40, 180, 160], [HORSE, 0.8, 60, 90, 260, 230], [PERSON, 0.2, 0, 0, 20, 40]]
            boxes += [[HORSE, 0.8, 200, 20, 300, 120]] if source == "others" else []
            found[f"{Path(folder).name}/{name}".lstrip("/")] = {"size": [320, 240], "boxes": boxes}
        labels = root / "labels" / f"{source}.json.gz"
        labels.parent.mkdir(exist_ok=True)
        labels.write_bytes(gzip.compress(json.dumps(found).encode()))
    return root


def riders() -> Sample:
    boxes = np.array([[PERSON, 0.9, 100, 40, 180, 160], [HORSE, 0.8, 60, 90, 260, 230]], np.float32)
    return Sample(Path("photo.jpg"), "stanford40", (320, 240), boxes, RIDING, boxes[0, 2:])


@pytest.fixture
def rider_view(monkeypatch: pytest.MonkeyPatch) -> Callable[[Sample], Labels]:
    """Views of a grey photo that lies nowhere."""
    encoded = cv2.imencode(".jpg", np.full((240, 320, 3), 128, np.uint8))[1]
    monkeypatch.setattr(np, "fromfile", lambda *_: encoded)
    return lambda sample: view(sample, np.random.default_rng(3), (256, 384))[1]


# ------------------------------------------------------------------------------ the network


def test_the_pyramid_has_four_levels() -> None:
    levels = Pyramid("m", 112)(torch.rand(2, 3, 128, 192))
    shapes = {name: tuple(level.shape) for name, level in levels.items()}
    assert shapes == {name: (2, 112, 128 // s, 192 // s) for name, s in zip(LEVELS, (8, 16, 32, 64), strict=True)}


@pytest.mark.parametrize("width", ["m", "m-1.5x"])
def test_a_teacher_of_either_width_labels_photos(tmp_path: Path, width: Width) -> None:
    teacher = Teacher(write_teacher(tmp_path / "teacher.npz", width=width))
    assert teacher.width == width
    rows = teacher.label([np.zeros((90, 120, 3), np.uint8)], threshold=0.0, most=5)[0]
    assert rows.shape == (5, 6)
    assert (rows[:, 2:] <= (120, 90, 120, 90)).all()


def test_the_papers_network_has_the_papers_branches() -> None:
    network = InteractNet(InteractNetConfig())
    shapes = [tuple(part.shape) for part in network.heads.human.head.parameters() if part.ndim == 2]
    assert shapes == [(1024, 256 * 7 * 7), (1024, 1024)]
    assert network.heads.nms_thresh == pytest.approx(0.3)
    assert not network.config.extras


def test_torchvisions_coco_weights_fit_the_papers_network() -> None:
    torch.manual_seed(0)
    theirs = fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None)
    network = InteractNet(InteractNetConfig())
    load_torchvision_detector(network, theirs.state_dict())
    features = torch.rand(3, 1024)
    their_scores, their_boxes = theirs.roi_heads.box_predictor(features)
    scores, boxes = network.heads.box_predictor(features)
    toothbrush = OBJECTS.index("toothbrush") + 1
    torch.testing.assert_close(scores[:, toothbrush], their_scores[:, 90])
    torch.testing.assert_close(boxes[:, 4 * toothbrush :], their_boxes[:, 4 * 90 :])


def test_other_weights_are_refused() -> None:
    with pytest.raises(RuntimeError, match="not the tensors of fasterrcnn_resnet50_fpn"):
        load_torchvision_detector(InteractNet(InteractNetConfig()), {"one.more": torch.zeros(1)})


def test_a_file_without_the_teachers_weights_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", something=np.zeros(3))
    with pytest.raises(ValueError, match=r"other.npz does not hold the weights of NanoDet-Plus-m"):
        Teacher(tmp_path / "other.npz")


def test_both_branches_look_once_at_every_box_whatever_the_pairs() -> None:
    network = InteractNet(TINY.config).eval()
    looked: list[int] = []
    network.heads.object.register_forward_hook(lambda *call: looked.append(len(call[2])))
    network.heads.human.register_forward_hook(lambda *call: looked.append(len(call[2][0])))
    boxes = torch.tensor([[0.0, 0, 30, 60], [20.0, 0, 60, 60], [40.0, 10, 90, 90]])
    found = [{"boxes": boxes, "labels": torch.tensor([1, 1, HORSE + 1]), "scores": torch.ones(3)}]
    features = network.backbone(torch.rand(1, 3, 128, 128))
    (one,) = network.heads.look(features, found, [(128, 128)])
    assert looked == [2, 3]
    assert one.people.tolist() == [0, 1]
    assert (one.human_logits.shape, one.object_logits.shape) == ((2, 26), (3, 26))


def test_boxes_are_in_pixels_of_the_photo() -> None:
    torch.manual_seed(0)
    network = InteractNet(replace(TINY.config, min_box_score=0.0, boxes=20)).eval()
    with torch.inference_mode():
        (found,) = network([torch.rand(3, 60, 200)])
    assert len(found.boxes) == 20
    assert found.boxes.min() >= 0
    assert 60 < found.boxes[:, 2].max() <= 200
    assert found.boxes[:, 3].max() <= 60.01


# ------------------------------------------------------------------------------ labels


def test_a_rider_rides_and_the_horse_is_what_is_ridden(rider_view: Callable[[Sample], Labels]) -> None:
    labels = rider_view(riders())
    ride = VERB_NAMES.index("ride")
    assert labels.people.tolist() == [0]
    assert labels.verbs[0, ride] == labels.verb_weights[0, ride] == 1
    assert labels.pairs.tolist() == [[0, 1]]
    assert labels.pair_verbs[0, ride] == 1
    assert labels.pair_actions[0].nonzero()[:, 0].tolist() == [
        ACTIONS.index(Action("sit", "instr")),
        ACTIONS.index(Action("ride", "instr")),
    ]


def test_verbs_that_any_photo_may_show_hardly_count_as_absent(rider_view: Callable[[Sample], Labels]) -> None:
    weights = rider_view(riders()).verb_weights[0]
    assert weights[VERB_NAMES.index("drink")] == 1
    assert 0 < weights[VERB_NAMES.index("smile")] < 0.5


def test_what_the_teacher_is_not_sure_of_is_neither_object_nor_background(
    rider_view: Callable[[Sample], Labels],
) -> None:
    sample = riders()
    sample.boxes[1, 1] = 0.2
    assert rider_view(sample).labels.tolist() == [PERSON + 1, -1]


def test_a_photo_without_a_topic_teaches_objects_alone(rider_view: Callable[[Sample], Labels]) -> None:
    labels = rider_view(replace(riders(), doings=(), actor=None))
    assert len(labels.boxes) == 2
    assert not len(labels.people)
    assert labels.pair_verbs.shape == (0, 26)


def test_an_actor_that_was_not_found_teaches_no_verb(rider_view: Callable[[Sample], Labels]) -> None:
    far_away = np.array([280, 0, 310, 30], np.float32)
    assert not len(rider_view(replace(riders(), actor=far_away)).people)


def test_a_mirrored_or_shrunk_photo_keeps_its_boxes_inside(rider_view: Callable[[Sample], Labels]) -> None:
    for seed in range(20):
        picture, labels = view(riders(), np.random.default_rng(seed), (256, 384))
        height, width = picture.shape[:2]
        assert labels.boxes.min() >= 0
        assert (labels.boxes[:, 2:] <= torch.tensor([width, height])).all()
        assert (labels.boxes[:, 2:] > labels.boxes[:, :2]).all()


def test_sets_are_read_with_their_topics(photo_sets: Path) -> None:
    samples = read_samples(photo_sets)
    assert [sample.source for sample in samples] == ["others", "willow7", "willow7"]
    assert [bool(sample.doings) for sample in samples] == [False, True, True]
    assert all(sample.path.exists() for sample in samples)
    assert verb_counts(samples)["ride"] == (2, 0)


def test_an_empty_folder_says_how_to_make_labels(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="vision-models label"):
        read_samples(tmp_path)


def test_photos_of_rare_things_are_shown_more_often() -> None:
    common = [replace(riders(), boxes=riders().boxes[:1]) for _ in range(400)]
    assert repeats([*common, riders()])[-1] > repeats([*common, riders()])[0] == 1


def test_labelling_a_folder_writes_what_training_reads(photo_sets: Path, teacher: Path) -> None:
    out = photo_sets / "labels/willow7.json.gz"
    run("label", photo_sets / "willow7/dataset/TrainSet", "-o", out, "--teacher", teacher)
    found = json.loads(gzip.decompress(out.read_bytes()))
    assert list(found) == ["Riding Horse/1.jpg", "Riding Horse/2.jpg"]
    assert found["Riding Horse/1.jpg"]["size"] == [320, 240]
    assert len(read_samples(photo_sets)) == 3


def test_labelling_a_folder_without_photos_says_so(tmp_path: Path, teacher: Path) -> None:
    with pytest.raises(ValueError, match="no photos below"):
        label(tmp_path / "nothing", Teacher(teacher), tmp_path / "out.json.gz")


# ------------------------------------------------------------------------------ training


def run(*arguments: object) -> str:
    """Run a command and return what it said."""
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_command_trains_the_papers_size(photo_sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "PAPER_RECIPE", TINY)
    out = tmp_path / "run"
    said = run("train", "interactions", "--size", "paper", "--data", photo_sets, "--out", out, "--workers", 0)
    weights = out / "interactions.safetensors"
    assert str(weights) in said
    tensors, config = load_tensors(weights)
    assert config == asdict(TINY.config)
    assert tensors["verb_photos"][VERB_NAMES.index("ride")] == 2
    assert {path.name for path in out.iterdir()} >= {"checkpoint.pt", "recipe.json"}
    assert json.loads((out / "recipe.json").read_text())["samples"] == 8
    found = run("detect", photo_sets / "willow7/dataset/TrainSet/Riding Horse/1.jpg", "--weights", weights)
    assert "no interaction scores 0.25 or more" in found or "person" in found


def test_the_papers_size_needs_photo_sets(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["train", "interactions", "--size", "paper", "--out", str(tmp_path)])
    assert result.exit_code == 1
    assert "The size paper needs --data" in result.output


def test_an_interrupted_training_goes_on_where_it_stopped(
    photo_sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Run.step
    seen: list[int] = []

    def broken_off(run: Run, pictures: torch.Tensor, labels: list[Labels]) -> dict[str, torch.Tensor]:
        if len(seen) == 2:
            run.save(tmp_path / "run" / "checkpoint.pt")
            raise KeyboardInterrupt
        losses = step(run, pictures, labels)
        seen.append(run.seen)
        return losses

    monkeypatch.setattr(Run, "step", broken_off)
    with pytest.raises(KeyboardInterrupt):
        train(photo_sets, tmp_path / "run", TINY, device="cpu", workers=0)

    def counted(run: Run, pictures: torch.Tensor, labels: list[Labels]) -> dict[str, torch.Tensor]:
        losses = step(run, pictures, labels)
        seen.append(run.seen)
        return losses

    monkeypatch.setattr(Run, "step", counted)
    train(photo_sets, tmp_path / "run", TINY, device="cpu", workers=0)
    assert seen == [2, 4, 6, 8]


UNEQUAL = replace(TINY, config=replace(TINY.config, proposals=20), batch=4, seed=35)


def learn(photo_sets: Path, out: Path) -> None:
    """Train two steps, each of them logged. Chance, of which every process has its own, has no say in what is seen."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared, "LOG_SECONDS", -1)
        patch.setattr(torch, "randperm", lambda many, device: torch.arange(many, device=device))
        patch.setattr(losses_module, "shaken", lambda boxes: boxes)
        train(photo_sets, out, UNEQUAL, device="cpu", workers=0)


def test_two_processes_learn_from_the_joint_batch_what_one_does(photo_sets: Path, tmp_path: Path) -> None:
    batches = training.Views(read_samples(photo_sets), UNEQUAL, 0, 2)
    people = [[len(one.people) for one in labels] for _, labels in batches]
    assert people == [[1, 0, 1, 0], [1, 1, 0, 1]]  # of which the second process has none, then more than the first
    learn(photo_sets, tmp_path / "alone")
    in_two_processes(learn, tmp_path, photo_sets, tmp_path / "together")
    expect_the_same(tmp_path / "alone", tmp_path / "together")


def test_every_loss_teaches_something(photo_sets: Path) -> None:
    run = Run(TINY, torch.device("cpu"))
    run.begin([0] * 26)
    before = {name: tensor.clone() for name, tensor in run.network.state_dict().items()}
    picture, labels = view(read_samples(photo_sets)[-1], np.random.default_rng(0), (128, 192))
    losses = run.step(torch.from_numpy(picture)[None].repeat(2, 1, 1, 1), [labels, labels])
    assert set(losses) == set(LOSSES)
    assert all(loss > 0 for loss in losses.values())
    changed = {name for name, tensor in run.network.state_dict().items() if not torch.equal(tensor, before[name])}
    for part in ("backbone.body.layer4", "backbone.fpn", "rpn.head", "heads.box_head", "heads.human.verbs"):
        assert any(name.startswith(part) for name in changed), part
    frozen = ("backbone.body.conv1", "backbone.body.layer1", "relations")
    assert not any(name.startswith(frozen) and "running" not in name for name in changed)
