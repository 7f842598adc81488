"""Rendering triplets, training, evaluating: on tiny panoramas of our own."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from two_processes import expect_the_same
from typer.testing import CliRunner

from vision_models import training
from vision_models.cli.app import app
from vision_models.errors import WeightsFormatError
from vision_models.exposure.config import DRHTConfig
from vision_models.exposure.evaluation import evaluate
from vision_models.exposure.predictor import ExposurePredictor
from vision_models.exposure.training import train
from vision_models.exposure.training.camera import expose, fuse, normalise, take_photo
from vision_models.exposure.training.data import Shares, Triplets
from vision_models.exposure.training.scenes import perspective, radiance_from_photo, split_scenes
from vision_models.exposure.training.train import Recipe, Stage
from vision_models.exposure.training.train_judge import JudgeRecipe
from vision_models.media.photos import read_photo, write_png
from vision_models.media.radiance import read_radiance, write_radiance
from vision_models.weights.checkpoint import load_tensors, sha256_of

TINY = Recipe(
    config=DRHTConfig(
        width=4, working_size=64, global_context=True, smooth_decoder=True, trust_unclipped=True, judge_need=True
    ),
    stages=(Stage(size=32, samples=24, batch=4), Stage(size=64, samples=8, batch=4)),
    judge=JudgeRecipe(size=32, samples=24, batch=4, epochs=2),
)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven small panoramas: a bright sky over a dark, textured ground."""
    folder = tmp_path_factory.mktemp("scenes")
    for number in range(7):
        rng = np.random.default_rng(number)
        panorama = cv2.resize(rng.random((8, 16, 3), np.float32), (128, 64), interpolation=cv2.INTER_CUBIC).clip(0.01)
        panorama[:32] *= 20
        write_radiance(panorama.astype(np.float32), folder / f"scene{number}.hdr")
    return folder


def test_every_sixth_scene_is_never_trained_on(scenes: Path) -> None:
    training, held_out = split_scenes(scenes)
    assert [path.stem for path in held_out] == ["scene0", "scene6"]
    assert [path.stem for path in training] == ["scene1", "scene2", "scene3", "scene4", "scene5"]


def test_a_folder_without_panoramas_says_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"at least 6 are needed"):
        split_scenes(tmp_path)


def test_a_view_looks_where_it_is_pointed() -> None:
    panorama = np.zeros((64, 128, 3), np.float32)
    panorama[:, 96:] = 1  # a quarter turn to the right begins here
    assert perspective(panorama, (32, 32), fov=20, yaw=135).min() == 1
    assert perspective(panorama, (32, 32), fov=20, yaw=0).max() == 0
    half = perspective(panorama, (32, 32), fov=20, yaw=90)
    assert half[:, :14].max() == 0
    assert half[:, 18:].min() == 1


def test_up_is_up() -> None:
    panorama = np.zeros((64, 128, 3), np.float32)
    panorama[:32] = 1
    view = perspective(panorama, (32, 32), fov=60, yaw=10)
    assert view[:14].min() == 1
    assert view[18:].max() == 0


def test_scenes_are_scaled_to_middle_grey() -> None:
    radiance = normalise(np.random.default_rng(0).random((20, 20, 3), np.float32) * 50 + 1)
    luminance = radiance @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    assert np.exp(np.log(luminance).mean()) == pytest.approx(0.18, rel=1e-4)


def test_one_ev_doubles_the_light() -> None:
    radiance = np.full((4, 4, 3), 0.1, np.float32)
    assert expose(radiance, 1)[0, 0, 0] == pytest.approx(0.2 ** (1 / 2.2))
    assert expose(radiance, 10).max() == 1


def test_the_ground_truth_shows_both_shadows_and_lights() -> None:
    radiance = np.full((64, 64, 3), 0.02, np.float32)
    radiance[:, 32:] = 8.0
    radiance *= np.random.default_rng(0).uniform(0.8, 1.2, radiance.shape).astype(np.float32)
    fused = fuse(normalise(radiance))
    assert 0.1 < fused[:, :24].mean() < fused[:, 40:].mean() < 0.95


def test_the_same_seed_gives_the_same_triplets(scenes: Path) -> None:
    stream = Triplets(split_scenes(scenes)[0], (), (), size=32, exposures=2, seed=1, start=0, stop=9)
    for a, b in zip(stream.group(5), stream.group(5), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)  # OpenCV's fusion adds in no fixed order
    assert not torch.equal(stream.group(5)[0], stream.group(6)[0])
    photos, radiance, right = stream.group(5)
    assert photos.shape == (2, 3, 32, 32)
    assert photos.dtype == torch.uint8
    assert radiance.shape == right.shape == (3, 32, 32)
    assert 0 <= right.min() <= right.max() <= 1


def test_ordinary_photos_become_scenes_too(scenes: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    photo = rng.integers(60, 160, (90, 120, 3)).astype(np.uint8)
    write_png(photo, tmp_path / "photo.png")
    only_photos = Shares(photos=1, stacks=0, made=0, grey=0, on_white=0, untouched=1)
    stream = Triplets([], (tmp_path / "photo.png",), (), 32, exposures=2, seed=0, start=0, stop=1, shares=only_photos)
    photos, _, right = stream.group(0)
    assert right.shape == (3, 32, 32)
    torch.testing.assert_close(photos[0] / 255, right, rtol=0, atol=0.003)  # one that needs nothing is among them
    assert radiance_from_photo(photo, rng).min() >= 0


def test_a_camera_adds_noise_but_no_bias() -> None:
    radiance = np.full((64, 64, 3), 0.18, np.float32)
    plain = expose(radiance, 0).mean() * 255
    means = [
        take_photo(radiance, 0.0, lambda x: x ** np.float32(1 / 2.2), np.random.default_rng(i)).mean() for i in range(8)
    ]
    assert means == pytest.approx([plain] * 8, abs=1.5)


@pytest.fixture(scope="module")
def trained(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of one whole run of the training command, on a network of four channels."""
    out = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(train.RECIPES, "compact", TINY)
        return run_command(scenes, out)


@pytest.fixture(autouse=True)
def _tiny_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(train.RECIPES, "compact", TINY)


def run_command(scenes: Path, out: Path, *options: str) -> Path:
    """Run `train exposure` and return the weights that it says it wrote."""
    folders = ["--data", str(scenes), "--out", str(out)]
    result = CliRunner().invoke(app, ["train", "exposure", *folders, "--device", "cpu", "--workers", "0", *options])
    assert result.exit_code == 0, result.output
    return Path(result.stdout.split()[1].rstrip("."))


def test_a_run_leaves_weights_checkpoint_log_and_recipe(trained: Path) -> None:
    assert trained.name == "exposure.safetensors"
    assert {path.name for path in trained.parent.iterdir()} >= {"checkpoint.pt", "recipe.json"}
    assert json.loads((trained.parent / "recipe.json").read_text())["stages"][0]["size"] == 32
    assert ExposurePredictor.from_pretrained(trained, device="cpu").config == TINY.config


def test_the_paper_s_size_can_be_trained(scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two_steps = replace(train.PAPER, stages=(Stage(size=64, samples=4, batch=2),))
    monkeypatch.setitem(train.RECIPES, "paper", two_steps)
    weights = run_command(scenes, tmp_path, "--size", "paper")
    predictor = ExposurePredictor.from_pretrained(weights, device="cpu")
    assert predictor.config.is_paper_size
    assert predictor.correct(np.full((64, 64, 3), 30, np.uint8)).image.shape == (64, 64, 3)


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(
    scenes: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "SAVE_SECONDS", 0)
    steps = 0

    class Interrupted(train.Run):
        def step(self, photos: torch.Tensor, radiance: torch.Tensor, right: torch.Tensor) -> dict[str, torch.Tensor]:
            nonlocal steps
            steps += 1
            if steps == 5:
                raise KeyboardInterrupt
            return super().step(photos, radiance, right)

    with monkeypatch.context() as patch:
        patch.setattr(train, "Run", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            train.train(scenes, tmp_path / "resumed", TINY, device="cpu", workers=0)
    resumed = train.train(scenes, tmp_path / "resumed", TINY, device="cpu", workers=0)
    a, config = load_tensors(trained)
    b, _ = load_tensors(resumed)
    assert config["width"] == 4
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=1e-3, atol=1e-5)


TWO_STEPS = replace(TINY, stages=(Stage(size=32, samples=16, batch=8),), learning_rate=1e-2)


def test_torchrun_with_two_processes_learns_from_the_joint_batch_what_one_does(
    scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "LOG_SECONDS", -1)
    alone, together = tmp_path / "alone", tmp_path / "together"
    train.train(scenes, alone, TWO_STEPS, device="cpu", workers=0)
    program = tmp_path / "program.py"
    program.write_text(f"""
import sys
sys.path[:0] = {sys.path!r}
from test_exposure_training import TWO_STEPS, app, train, training
training.LOG_SECONDS = -1
train.RECIPES["compact"] = TWO_STEPS
app()
""")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(program)]
    command = [*torchrun, "train", "exposure", "--data", str(scenes), "--out", str(together), "--device", "cpu"]
    done = subprocess.run([*command, "--workers", "0"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Wrote ") == done.stdout.count("\n") == 1
    assert done.stderr.count("16 of 16 samples   HDR loss") == 1
    expect_the_same(alone, together)


def test_training_learns(scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "YAWS", (0.0,))
    monkeypatch.setattr(evaluate, "VIEW", (64, 64))
    recipe = replace(TINY, stages=(Stage(size=32, samples=480, batch=8),), learning_rate=1e-2, ema_decay=0.9)
    predictor = ExposurePredictor.from_pretrained(
        train.train(scenes, tmp_path, recipe, device="cpu", workers=0), device="cpu"
    )
    errors: dict[str, list[float]] = {"photo": [], "corrected": []}
    for ev, photo, reference, _ in evaluate.cases(scenes):
        if ev in (-4, -3):
            errors["photo"].append(evaluate.psnr(photo / np.float32(255), reference))
            errors["corrected"].append(evaluate.psnr(predictor.correct(photo, 1.0).image / np.float32(255), reference))
    assert np.mean(errors["corrected"]) > np.mean(errors["photo"]) + 0.5


def test_a_judge_learns_what_needs_a_correction(scenes: Path, tmp_path: Path) -> None:
    photo = np.full((64, 64, 3), 128, np.uint8) + np.random.default_rng(0).integers(0, 60, (64, 64, 3)).astype(np.uint8)
    (tmp_path / "photos").mkdir()
    write_png(photo, tmp_path / "photos" / "photo.png")
    good_and_bad = Shares(photos=1, stacks=0, made=0, grey=0, on_white=0, untouched=1)
    judge = JudgeRecipe(size=32, samples=200, batch=8, epochs=60, shares=good_and_bad)
    recipe = replace(TINY, stages=(Stage(size=32, samples=4, batch=4),), judge=judge)
    weights = train.train(scenes, tmp_path / "run", recipe, photos=tmp_path / "photos", device="cpu", workers=0)
    predictor = ExposurePredictor.from_pretrained(weights, device="cpu")
    assert predictor.estimate(photo).need < predictor.estimate(photo // 5).need - 0.3


def test_a_run_goes_on_from_the_weights_of_another(scenes: Path, trained: Path, tmp_path: Path) -> None:
    weights = run_command(scenes, tmp_path, "--begin-with", str(trained))
    assert json.loads((tmp_path / "recipe.json").read_text())["begun_with"] == sha256_of(trained)
    assert load_tensors(weights)[0].keys() == load_tensors(trained)[0].keys()


def test_weights_of_another_width_are_refused(scenes: Path, trained: Path, tmp_path: Path) -> None:
    wider = replace(TINY, config=replace(TINY.config, width=8))
    with pytest.raises(WeightsFormatError):
        train.train(scenes, tmp_path, wider, begin_with=trained, device="cpu", workers=0)


def test_the_learning_rate_warms_up_and_ends_low() -> None:
    rates = [training.learning_rate(TINY, seen) for seen in range(TINY.samples)]
    assert max(rates) == pytest.approx(TINY.learning_rate, rel=0.05)
    assert rates[0] < 0.1 * TINY.learning_rate
    assert rates[-1] < 0.05 * TINY.learning_rate


def test_the_command_line_corrects_a_photo(tmp_path: Path) -> None:
    photo = np.random.default_rng(0).integers(0, 40, (50, 60, 3)).astype(np.uint8)
    write_png(photo, tmp_path / "dark.png")
    out, hdr = tmp_path / "out.png", tmp_path / "out.hdr"
    result = CliRunner().invoke(app, ["correct", str(tmp_path / "dark.png"), "-o", str(out), "--radiance", str(hdr)])
    assert result.exit_code == 0, result.output
    assert read_photo(out).shape == (50, 60, 3)
    assert read_radiance(hdr).shape == (50, 60, 3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-o", "dark.png"], "Name another one"),
        (["-o", "out.tif"], ".png or .jpg"),
        (["-o", "out.png", "--radiance", "light.tif"], ".exr or .hdr"),
        (["-o", "out.png", "--radiance", "dark.png"], ".exr or .hdr"),
    ],
)
def test_a_slip_in_a_name_costs_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_png(np.full((40, 40, 3), 30, np.uint8), "dark.png")
    before = Path("dark.png").read_bytes()
    result = CliRunner().invoke(app, ["correct", "dark.png", *options])
    assert result.exit_code == 1
    assert words in " ".join(result.output.split())
    assert Path("dark.png").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["dark.png"]


def test_the_command_line_writes_what_the_name_says(tmp_path: Path) -> None:
    write_png(np.full((40, 40, 3), 30, np.uint8), tmp_path / "dark.png")
    out = tmp_path / "out.JPG"
    result = CliRunner().invoke(app, ["correct", str(tmp_path / "dark.png"), "-o", str(out)])
    assert result.exit_code == 0, result.output
    assert out.read_bytes().startswith(b"\xff\xd8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["correct", "missing.jpg", "-o", "out.png"], "missing.jpg"),
        (["evaluate", "exposure"], "Give --data or --stacks or --harm"),
    ],
)
def test_the_command_line_says_what_is_wrong_in_one_sentence(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert words in result.output
    assert 10 < len(result.output) < 300
