"""The predictor of interactions answers on real photos with the bundled weights."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from typer.testing import CliRunner

from vision_models import InteractionPredictor, Interactions
from vision_models.cli.app import app
from vision_models.errors import PhotoError, WeightsChecksumError
from vision_models.interactions.config import WEIGHTS
from vision_models.interactions.evaluation.bench import crowd_of
from vision_models.interactions.network import CompactInteractNet
from vision_models.interactions.vocabulary import VERB_NAMES
from vision_models.media.photos import read_photo
from vision_models.weights.checkpoint import sha256_of


@pytest.fixture(scope="module")
def predictor() -> InteractionPredictor:
    return InteractionPredictor.from_pretrained(device="cpu")


@pytest.fixture(scope="module")
def astronaut(predictor: InteractionPredictor) -> Interactions:
    return predictor.detect(skimage.data.astronaut())


def test_an_astronaut_is_found_where_she_is(astronaut: Interactions) -> None:
    x1, y1, x2, y2 = astronaut.boxes[astronaut.people[0]]
    assert astronaut.scores[astronaut.people[0]] > 0.5
    assert max(x1, y1) < 130
    assert x2 > 300
    assert y2 > 450
    assert astronaut.name(astronaut.people[0]) == "person"


def test_a_cat_is_a_cat_and_does_nothing(predictor: InteractionPredictor) -> None:
    found = predictor.detect(skimage.data.chelsea())
    assert found.labels[0] == "cat"
    assert not found.filter(min_score=0.2).interactions


def test_a_picture_without_anything_has_no_interactions(predictor: InteractionPredictor) -> None:
    found = predictor.detect(np.zeros((64, 64, 3), np.uint8))
    assert not found.filter(min_score=0.2).interactions
    assert found.boxes.shape == (len(found.labels), 4)


def test_the_same_photo_gives_the_same_answer(predictor: InteractionPredictor, astronaut: Interactions) -> None:
    assert predictor.detect(skimage.data.astronaut()).interactions == astronaut.interactions


def test_several_photos_at_once_are_answered_as_each_alone(
    predictor: InteractionPredictor, astronaut: Interactions
) -> None:
    several = predictor.detect_many([skimage.data.chelsea(), skimage.data.astronaut()])
    assert [one.labels[0] for one in several] == ["cat", astronaut.labels[0]]
    assert several[1].interactions == astronaut.interactions


def test_the_person_a_photo_is_about_outranks_bystanders(predictor: InteractionPredictor) -> None:
    network = predictor.network
    assert isinstance(network, CompactInteractNet)
    people = torch.tensor([[200.0, 80, 380, 460], [20.0, 200, 40, 250], [60.0, 205, 78, 248]])
    with torch.inference_mode():
        one, *others = network.prominence(people, torch.tensor([0.7, 0.7, 0.7]), (640, 480)).sigmoid().tolist()
    assert one > 0.5
    assert max(others) < 0.2


def test_ranking_again_with_everything_changes_nothing(astronaut: Interactions) -> None:
    again = astronaut.rank_again().interactions[: len(astronaut.interactions)]
    assert again == astronaut.interactions


def test_without_extras_every_role_has_an_object(astronaut: Interactions) -> None:
    plain = astronaut.rank_again(extras=False)
    assert len(astronaut.labels) > 1
    assert all(one.object is not None for one in plain.interactions if one.role)


def test_boxes_lie_in_the_photo(predictor: InteractionPredictor) -> None:
    found = predictor.detect(skimage.data.astronaut()[100:400, 30:500])
    assert found.boxes.min() >= 0
    assert (found.boxes <= np.array([470, 300, 470, 300]) + 0.01).all()


@pytest.mark.parametrize("shape", [(32, 32), (40, 400), (400, 40), (33, 65)])
def test_photos_of_any_shape_are_answered(predictor: InteractionPredictor, shape: tuple[int, int]) -> None:
    found = predictor.detect(np.full((*shape, 3), 120, np.uint8))
    assert (found.height, found.width) == shape


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((64, 64), np.uint8),
        np.zeros((64, 64, 4), np.uint8),
        np.zeros((64, 64, 3), np.float32),
        np.zeros((8, 64, 3), np.uint8),
    ],
    ids=["grey", "alpha", "float", "small"],
)
def test_what_is_no_photo_is_refused_with_a_sentence(predictor: InteractionPredictor, image: np.ndarray) -> None:
    with pytest.raises(PhotoError, match=r"\."):
        predictor.detect(image)


def test_a_hundred_people_are_looked_at(predictor: InteractionPredictor) -> None:
    network = predictor.network
    assert isinstance(network, CompactInteractNet)
    picture, crowd = torch.rand(3, 384, 512), crowd_of(100, (384, 512), torch.device("cpu"))
    with torch.inference_mode():
        scene = network.look_at(picture)
        found = network.judge(picture, scene, crowd["boxes"], crowd["labels"] - 1, crowd["scores"])
    assert found.human_logits.shape == (100, len(VERB_NAMES))


def test_the_weights_say_how_many_photos_taught_each_verb(predictor: InteractionPredictor) -> None:
    photos = predictor.training_photos
    assert set(photos) == set(VERB_NAMES)
    assert photos["ride"] > photos["point"] > 0


def test_the_bundled_file_is_the_pinned_one_and_small_enough_for_a_space() -> None:
    file = Path(str(InteractionPredictor.from_pretrained(device="cpu").weights_file.path))
    assert sha256_of(file) == WEIGHTS.sha256
    assert file.stat().st_size < 30e6


def test_another_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InteractionPredictor, "weights", replace(WEIGHTS, sha256="0" * 64))
    with pytest.raises(WeightsChecksumError):
        InteractionPredictor.from_pretrained(device="cpu")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_says_what_the_cpu_says(astronaut: Interactions) -> None:
    found = InteractionPredictor.from_pretrained(device="cuda").detect(skimage.data.astronaut())
    assert found.labels[: len(found.people)] == astronaut.labels[: len(found.people)]
    np.testing.assert_allclose(found.boxes[0], astronaut.boxes[0], atol=1)
    np.testing.assert_allclose(found.scores[0], astronaut.scores[0], atol=0.01)


def test_the_command_writes_json_and_a_picture(tmp_path: Path, write_photo: Callable[..., Path]) -> None:
    json_file, picture = tmp_path / "found.json", tmp_path / "found.png"
    photo = write_photo()
    result = CliRunner().invoke(app, ["detect", str(photo), "--json", str(json_file), "--image", str(picture)])
    assert result.exit_code == 0, result.output
    assert json_file.exists()
    assert read_photo(picture).ndim == 3
