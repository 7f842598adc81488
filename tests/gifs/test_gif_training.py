"""Encoder, scorers, training and evaluation of the GIF highlights: on tiny pictures and clips of our own."""

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import cv2
import imageio_ffmpeg
import numpy as np
import pytest
import torch
from two_processes import expect_the_same, in_two_processes
from typer.testing import CliRunner

from vision_models import training
from vision_models.backbones.efficientnet import EfficientNetLite0
from vision_models.backbones.movenet import MoveNet
from vision_models.cli.app import app
from vision_models.distributed import here
from vision_models.errors import WeightsFormatError
from vision_models.gifs.config import PHDConfig
from vision_models.gifs.evaluation.evaluate import cases
from vision_models.gifs.features import VideoNetworkEncoder, looks_of, motion_of, sample
from vision_models.gifs.motion import MOTION_SIZE, MotionMeter, summarise
from vision_models.gifs.network import PHDGIFs, similarity_features
from vision_models.gifs.pose import POSE_SIZE
from vision_models.gifs.predictor import HighlightPredictor
from vision_models.gifs.scorers import Comparison
from vision_models.gifs.training import data, train_encoder, train_pose
from vision_models.gifs.training import train as train_module
from vision_models.gifs.training.data import jitter, read_clips, read_photos, split_topics, topic_named
from vision_models.gifs.training.losses import ranking_loss
from vision_models.gifs.training.train import Recipe
from vision_models.gifs.training.train_encoder import EncoderRecipe
from vision_models.gifs.training.train_pose import PoseRecipe
from vision_models.gifs.training.users import Habits
from vision_models.weights.checkpoint import load_tensors, save_tensors

CONFIG = PHDConfig(side=32, embedding=8, hidden=(16, 8), background=4)
ENCODER = EncoderRecipe(config=CONFIG, samples=24, batch=8)
POSE = PoseRecipe(samples=16, batch=8)
RECIPE = Recipe(config=CONFIG, habits=Habits(segments=6), photos_per_topic=8, dull=5, steps=10, users=4)
Network = TypeVar("Network", bound=torch.nn.Module)
TOPICS = [f"topic {letter}" for letter in "abcdefghijk"]


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven topics of photos, each with its colour, as in 100 sports; two topics of clips, as in UCF101."""
    root = tmp_path_factory.mktemp("sets")
    rng = np.random.default_rng(0)
    for number, topic in enumerate(TOPICS):
        folder = root / "sports100" / "data" / "train" / topic
        folder.mkdir(parents=True)
        for photo in range(8):
            picture = rng.integers(0, 60, (40, 48, 3)).astype(np.uint8)
            picture[..., number % 3] += np.uint8(15 * number)
            cv2.imwrite(str(folder / f"{photo}.png"), picture)
    (root / "sports100" / "data" / "train" / TOPICS[0] / "broken.jpg").write_bytes(b"not a photo")
    for topic, source in (("Spin", "testsrc2"), ("Zoom", "mandelbrot")):
        folder = root / "ucf101" / topic
        folder.mkdir(parents=True)
        for group in ("01", "18", "19"):
            for clip in ("01", "02"):
                name = folder / f"v_{topic}_g{group}_c{clip}.avi"
                scene = f"{source}=size=64x48:rate=8"
                command = [
                    imageio_ffmpeg.get_ffmpeg_exe(),
                    "-v",
                    "error",
                    "-f",
                    "lavfi",
                    "-i",
                    scene,
                    "-t",
                    "2",
                    str(name),
                ]
                subprocess.run(command, check=True)
    for collection in "abcd":
        folder = root / "gifs" / collection
        folder.mkdir(parents=True)
        for avi in sorted((root / "ucf101").glob("*/*_c01.avi"))[:2]:
            subprocess.run(
                [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", avi, folder / f"{avi.stem}.gif"],
                check=True,
            )
    return root


def run(*arguments: object) -> Path:
    """Run a training command and return the weights that it says it wrote."""
    result = CliRunner().invoke(app, ["train", *map(str, arguments), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    return Path(result.stdout.split()[1].rstrip("."))


@pytest.fixture(scope="module")
def trained(sets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What both commands make of few small photos, from a random backbone in place of the public one."""
    out = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_encoder, "initial_backbone", random_backbone)
        patch.setattr(train_encoder, "EncoderRecipe", lambda: ENCODER)
        patch.setattr(train_pose, "read_movenet", lambda _: random_movenet())
        patch.setattr(train_pose, "PoseRecipe", lambda: POSE)
        patch.setattr(train_module, "Recipe", lambda: RECIPE)
        encoder = run("gifs-encoder", "--data", sets, "--out", out, "--workers", 0)
        pose = run("gifs-pose", "--data", sets, "--teacher", encoder, "--out", out, "--workers", 0)
        return run("gifs", "--data", sets, "--encoder", encoder, "--pose", pose, "--out", out)


def random_backbone() -> EfficientNetLite0:
    torch.manual_seed(0)
    return EfficientNetLite0()


def random_movenet() -> MoveNet:
    torch.manual_seed(0)
    return MoveNet()


# ---- data


def test_no_topic_is_in_training_and_in_validation(sets: Path) -> None:
    training, validation = split_topics(read_photos(sets))
    assert training | validation == set(TOPICS)
    assert not training & validation
    assert validation


def test_topics_of_the_test_clips_are_never_trained_on(tmp_path: Path) -> None:
    for topic in ("brushing_teeth", "rowing"):
        folder = tmp_path / "sports22" / "data" / topic
        folder.mkdir(parents=True)
        (folder / "1.jpg").touch()
    assert {photo.topic for photo in read_photos(tmp_path)} == {"rowing"}


@pytest.mark.parametrize(
    ("name", "source", "topic"),
    [
        ("riding_a_bike", "stanford40", "riding a bike"),
        ("cycling", "har15", "riding a bike"),
        ("hockey", "sports100", "hockey"),
        ("hockey", "sports22", "field hockey"),
        ("ice_hockey", "sports22", "hockey"),
        ("football", "sports22", "soccer"),
    ],
)
def test_one_topic_has_one_name_in_all_sets(name: str, source: str, topic: str) -> None:
    assert topic_named(name, source) == topic


def test_a_folder_without_photo_sets_says_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"stanford40, sports100"):
        read_photos(tmp_path)


def test_clips_filmed_in_one_place_are_all_for_the_test_or_none(sets: Path) -> None:
    clips = read_clips(sets)
    assert {clip.group for clip in clips if clip.is_test} == {"Spin 18", "Spin 19", "Zoom 18", "Zoom 19"}
    assert {clip.group for clip in clips if not clip.is_test} == {"Spin 01", "Zoom 01"}


def test_the_same_seed_shows_the_same_view_of_a_photo() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    views = [jitter(photo, 32, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert views[0].shape == (32, 32, 3)
    assert np.array_equal(views[0], views[1])
    assert not np.array_equal(views[0], views[2])


# ---- training


def test_training_writes_a_checkpoint_that_ranks(trained: Path) -> None:
    predictor = HighlightPredictor.from_pretrained(trained, device="cpu")
    assert predictor.config == CONFIG
    record = json.loads((trained.parent / "recipe.json").read_text())
    assert set(record["topics"]["training"]) | set(record["topics"]["validation"]) == set(TOPICS)
    tensors, _ = load_tensors(trained)
    numbers = sum(tensor.numel() for tensor in tensors.values())
    assert trained.stat().st_size < 1.5 * numbers  # bytes: large tensors in 8 bits, small ones in 16


def stumbling(calls: list[int]) -> Callable[..., tuple[torch.Tensor, torch.Tensor]]:
    """A step of the encoder's training that notes how far the run is, and is interrupted at the third call."""
    step = train_encoder.EncoderRun.step

    def stumble(run: train_encoder.EncoderRun, *batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        calls.append(run.seen)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return step(run, *batch)

    return stumble


def test_an_interrupted_encoder_run_goes_on_where_it_was(
    sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_encoder, "initial_backbone", random_backbone)
    once = train_encoder.train_encoder(sets, tmp_path / "once", ENCODER, device="cpu", workers=0)

    monkeypatch.setattr(training, "SAVE_SECONDS", -1)  # after every step
    calls: list[int] = []
    monkeypatch.setattr(train_encoder.EncoderRun, "step", stumbling(calls))
    with pytest.raises(KeyboardInterrupt):
        train_encoder.train_encoder(sets, tmp_path / "twice", ENCODER, device="cpu", workers=0)
    twice = train_encoder.train_encoder(sets, tmp_path / "twice", ENCODER, device="cpu", workers=0)
    assert calls == [0, 8, 16, 16]
    assert twice.read_bytes() == once.read_bytes()


def lively(network: Network) -> Network:
    """Let a random network see more of a picture, of which its layers otherwise leave nothing."""
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(2)
    return network


def learn(sets: Path, scorers: Path, out: Path) -> None:
    """Train encoder and joints in one folder, and the scorers in that of another run. Every step is logged."""
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "LOG_SECONDS", -1)
        patch.setattr(train_encoder, "initial_backbone", lambda: lively(random_backbone()))
        train_encoder.train_encoder(sets, out, ENCODER, device="cpu", workers=0)
        patch.setattr(train_pose, "read_movenet", lambda _: lively(random_movenet()))
        train_pose.train_pose(sets, sets, out, POSE, device="cpu", workers=0)
        patch.setattr(torch.nn.Dropout, "forward", lambda _, x: x)  # every process draws its own
        patch.setattr(train_module, "LOG_STEPS", 1)
        patch.setattr(train_module.LOG, "info", said.append)
        patch.setattr(train_module, "compressed", dict)
        encoder, pose = (scorers / name / f"{name}.safetensors" for name in ("encoder", "pose"))
        train_module.train(sets, encoder, pose, scorers, replace(RECIPE, steps=2), device="cpu")
    if not here().rank:
        (scorers / "said.txt").write_text("\n".join(said))


def learn_and_stumble(sets: Path, scorers: Path, out: Path, other: Path) -> None:
    """Do that, and train the encoder once more in another folder, with a break."""
    learn(sets, scorers, out)
    calls: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "SAVE_SECONDS", -1)
        patch.setattr(train_encoder, "initial_backbone", lambda: lively(random_backbone()))
        patch.setattr(train_encoder.EncoderRun, "step", stumbling(calls))
        with pytest.raises(KeyboardInterrupt):
            train_encoder.train_encoder(sets, other, ENCODER, device="cpu", workers=0)
        train_encoder.train_encoder(sets, other, ENCODER, device="cpu", workers=0)
    assert calls == [0, 8, 16, 16]


def test_two_processes_learn_from_the_joint_batch_what_one_does_and_go_on_after_a_break(
    sets: Path, trained: Path, tmp_path: Path
) -> None:
    runs = [tmp_path / "alone", tmp_path / "together"]
    for run in runs:
        shutil.copytree(trained.parent, run / "scorers")
    alone, together = runs
    learn(sets, alone / "scorers", alone)
    in_two_processes(learn_and_stumble, tmp_path, sets, together / "scorers", together, tmp_path / "stumbled")
    for network in ("encoder", "pose"):
        expect_the_same(alone / network, together / network)
    weights = [folder / "encoder" / "encoder.safetensors" for folder in (together, tmp_path / "stumbled")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    one, other = (load_tensors(run / "scorers" / "gifs.safetensors")[0] for run in runs)
    for name, tensor in one.items():
        if tensor.dim() > 1:  # what is added to all scores is of no consequence, and drifts
            torch.testing.assert_close(other[name], tensor, rtol=1e-4, atol=1e-5)
    mine, joint = ((run / "scorers" / "said.txt").read_text() for run in runs)
    assert "2 of 2 steps   svm_d" in mine
    assert joint == mine


def test_a_view_that_shows_a_wanted_segment_first_costs_less() -> None:
    wanted = torch.tensor([[True, False, False]])
    losses = [
        ranking_loss(torch.tensor([scores]), wanted, 1.5).item() for scores in ([2.0, 0, 0], [0.5, 0, 0], [0.0, 1, 1])
    ]
    assert losses[0] == 0
    assert losses[0] < losses[1] < losses[2]


def test_the_network_begins_with_the_weights_of_the_public_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batch norm folded into a convolution computes what the two compute one after the other."""
    public: dict[str, torch.Tensor] = {}
    generator = torch.Generator().manual_seed(0)

    def add(convolution: str, norm: str, module: torch.nn.Module | torch.Tensor) -> None:
        assert isinstance(module, torch.nn.Conv2d)
        public[f"{convolution}.weight"] = torch.randn(module.weight.shape, generator=generator)
        for part in ("weight", "bias", "running_mean", "running_var"):
            public[f"{norm}.{part}"] = torch.rand(module.out_channels, generator=generator) + 0.5

    network = EfficientNetLite0()
    add("_conv_stem", "_bn0", network.stem)
    add("_conv_head", "_bn1", network.head)
    for number, block in enumerate(network.blocks):
        if block.expand is not None:
            add(f"_blocks.{number}._expand_conv", f"_blocks.{number}._bn0", block.expand)
        add(f"_blocks.{number}._depthwise_conv", f"_blocks.{number}._bn1", block.depthwise)
        add(f"_blocks.{number}._project_conv", f"_blocks.{number}._bn2", block.project)
    package = tmp_path / "public_weights"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").touch()
    torch.save(public, package / "models" / "lite0.pth")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(train_encoder, "INITIAL_PACKAGE", "public_weights")

    folded = train_encoder.initial_backbone()
    x = torch.randn(2, 320, 3, 3, generator=generator)
    norm = torch.nn.BatchNorm2d(1280, eps=1e-3).eval()
    parts = ("running_mean", "running_var", "weight", "bias")
    norm.load_state_dict({part: public[f"_bn1.{part}"] for part in parts}, strict=False)
    expected = norm(torch.nn.functional.conv2d(x, public["_conv_head.weight"]))
    assert torch.allclose(folded.head(x), expected, rtol=1e-4, atol=1e-3)


def test_without_the_public_weights_the_command_says_what_to_install(
    sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_encoder, "INITIAL_PACKAGE", "no_such_package")
    result = CliRunner().invoke(app, ["train", "gifs-encoder", "--data", str(sets), "--out", str(tmp_path)])
    assert result.exit_code == 1
    assert "vision-models[train,evaluate]" in result.stderr


# ---- scorers


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    torch.manual_seed(0)
    model = PHDGIFs(CONFIG).eval()
    torch.nn.init.constant_(model.svm_d.weight, 0.5)
    model.background.copy_(torch.from_numpy(unit(4, seed=9)))
    return Comparison(model)


def unit(count: int, seed: int = 0) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    x = np.random.default_rng(seed).normal(size=(count, CONFIG.embedding + MOTION_SIZE + POSE_SIZE))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(
    "name",
    [
        "Video2GIF (generic)",
        "Highlight SVM",
        "Maximal similarity",
        "Video-MMR",
        "Residual model",
        "SVM-D",
        "PHD-CA",
        "PHD-CA + SVM-D",
    ],
)
@pytest.mark.parametrize("length", [0, 1, 7])
def test_every_method_ranks_with_any_history(comparison: Comparison, name: str, length: int) -> None:
    segments, history = unit(6), unit(length, seed=1)
    scores = comparison.scorers[name](segments, history)
    assert scores.shape == (6,)
    assert np.isfinite(scores).all()
    if not length and name != "Highlight SVM":
        assert np.array_equal(scores, comparison.generic(segments, history))


@pytest.mark.parametrize("name", ["Maximal similarity", "Video-MMR", "Residual model", "SVM-D"])
def test_a_segment_that_is_in_the_history_comes_first(comparison: Comparison, name: str) -> None:
    segments = unit(6)
    assert comparison.scorers[name](segments, segments[3:4]).argmax() == 3


def test_what_is_like_a_disliked_gif_goes_down(comparison: Comparison) -> None:
    segments, history = unit(6), unit(2, seed=1)
    before = comparison.fusion(segments, history)
    after = comparison.fusion(segments, history, segments[2:3])
    loss = before - after
    assert loss.argmax() == 2
    nobody = comparison.fusion(segments, history[:0], segments[2:3])
    assert (comparison.generic(segments, history[:0]) - nobody).argmax() == 2


def test_a_short_history_counts_its_least_similar_gif_again() -> None:
    features = similarity_features(torch.tensor([[0.1, 0.9]]), nearest=4)
    assert torch.allclose(features, torch.tensor([[0.9, 0.1, 0.1, 0.1]]))


# ---- encoder


def test_a_still_video_has_no_motion_and_a_moving_one_has() -> None:
    rng = np.random.default_rng(0)
    scene = cv2.resize(rng.integers(0, 256, (12, 12, 3), np.uint8), (96, 96), interpolation=cv2.INTER_CUBIC)
    moved = scene.copy()
    moved[40:60, 40:60] = np.roll(scene[40:60, 40:60], 4, axis=1)
    still, moving = MotionMeter(), MotionMeter()
    calm = [still(scene) for _ in range(3)]
    lively = [moving(picture) for picture in (scene, moved, scene)]
    assert summarise(calm[1:]).max() < 0.05
    assert summarise(lively[1:]).max() > 0.2
    assert summarise([]).shape == (MOTION_SIZE,)


def test_a_cut_is_not_motion() -> None:
    meter = MotionMeter()
    meter(np.zeros((64, 64, 3), np.uint8))
    assert not meter(np.full((64, 64, 3), 255, np.uint8)).any()


def test_a_gif_of_one_picture_is_looked_at_once() -> None:
    encoder = VideoNetworkEncoder(torch.nn.Flatten(), dim=4 * 3 * 8 * 8, size=(8, 8), window=4, fps=8)
    picture = np.zeros((8, 8, 3), np.uint8)
    (samples,) = sample([(0.0, picture)], encoder, 0.1)
    assert samples.windows.shape == (1, 4, 8, 8, 3)
    assert encoder.encode(samples.windows).shape == (1, encoder.dim)


def test_a_long_video_is_handed_on_in_stretches() -> None:
    encoder = VideoNetworkEncoder(torch.nn.Flatten(), dim=192, size=(8, 8), window=1, fps=1, stride_s=1)
    pictures = ((float(second), np.zeros((8, 8, 3), np.uint8)) for second in range(250))
    stretches = list(sample(pictures, encoder, 250))
    assert [len(part.windows) for part in stretches] == [96, 96, 57]
    assert np.array_equal(np.concatenate([part.times for part in stretches]), np.arange(250))


def test_a_segment_without_a_look_of_its_own_takes_the_nearest() -> None:
    spans = np.array([[0.0, 1], [1, 2], [9, 10]])
    assert looks_of(spans, np.array([0.5, 9.9])) == [slice(0, 1), slice(0, 1), slice(1, 2)]
    assert motion_of(spans, np.empty(0), np.empty((0, 18), np.float32)) is None


# ---- evaluation


def test_a_history_is_never_from_the_place_of_the_video(sets: Path) -> None:
    clips = [
        data.Clip(Path(f"{topic}{group}{n}.avi"), topic, f"{topic} {group}", is_test=True)
        for topic in "ABC"
        for group in "1234"
        for n in range(4)
    ]
    drawn = list(cases(clips, per_topic=5))
    assert len(drawn) == 15
    for case in drawn:
        wanted = case.segments[case.truth]
        topic = clips[wanted[0]].topic
        assert case.truth.sum() == 2
        assert {clips[n].topic for n in case.history} == {topic}
        assert not {clips[n].group for n in case.history} & {clips[n].group for n in wanted}
        assert topic not in {clips[n].topic for n in case.wrong}


def test_weights_of_another_model_are_refused_in_words(trained: Path, tmp_path: Path) -> None:
    tensors, config = load_tensors(trained)
    save_tensors(tmp_path / "other.safetensors", tensors, config | {"colour": "red"})
    with pytest.raises(WeightsFormatError, match="does not fit HighlightPredictor"):
        HighlightPredictor.from_pretrained(tmp_path / "other.safetensors", device="cpu")
