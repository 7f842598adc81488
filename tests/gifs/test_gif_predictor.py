"""Ranking videos with the bundled weights, as a visitor or a programmer would."""

import pickle
import subprocess
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np
import pytest
import skimage.data
import torch
from numpy.typing import NDArray
from typer.testing import CliRunner

from vision_models.cli.app import app
from vision_models.errors import VideoError, WeightsFormatError
from vision_models.gifs.config import WEIGHTS
from vision_models.gifs.features import VideoNetworkEncoder
from vision_models.gifs.predictor import HighlightPredictor
from vision_models.gifs.result import Highlights, VideoIndex
from vision_models.media.videos import probe
from vision_models.weights.hub import fetch

FPS = 10
SCENES = ("coffee", "rocket", "chelsea", "astronaut", "coffee", "rocket")  # 5 s each; chelsea is a cat
CAT = 2


@pytest.fixture(scope="module")
def predictor() -> HighlightPredictor:
    return HighlightPredictor.from_pretrained(WEIGHTS.bundled_path, device="cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("videos")


@pytest.fixture(scope="module")
def video(folder: Path) -> Path:
    """Half a minute: a camera moves over one photo after another."""
    pictures = [
        picture for number, name in enumerate(SCENES) for picture in camera_move(getattr(skimage.data, name)(), number)
    ]
    return write(pictures, folder / "video.mp4")


@pytest.fixture(scope="module")
def gifs(folder: Path) -> dict[str, Path]:
    """What people may have liked before: other views of the same subjects, mirrored."""
    return {
        name: write(camera_move(getattr(skimage.data, name)()[:, ::-1], 7, seconds=2), folder / f"{name}.gif")
        for name in ("chelsea", "rocket")
    }


@pytest.fixture(scope="module")
def index(predictor: HighlightPredictor, video: Path) -> VideoIndex:
    return predictor.index(video)


def camera_move(photo: NDArray[np.uint8], seed: int, seconds: float = 5) -> list[NDArray[np.uint8]]:
    """A window of two thirds of the photo wanders over it."""
    height, width = photo.shape[:2]
    h, w = 2 * height // 3, 2 * width // 3
    start, end = np.random.default_rng(seed).random((2, 2)) * (height - h, width - w)
    steps = np.linspace(0, 1, int(seconds * FPS))[:, None]
    corners = (start + steps * (end - start)).astype(int)
    return [cv2.resize(photo[y : y + h, x : x + w], (192, 128), interpolation=cv2.INTER_AREA) for y, x in corners]


def write(pictures: Sequence[NDArray[np.uint8]], path: Path) -> Path:
    height, width = pictures[0].shape[:2]
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(FPS), "-i", "-"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", *raw, "-pix_fmt", "yuv420p", str(path)]
    if path.suffix == ".gif":
        command[-3:-1] = []
    subprocess.run(command, input=np.stack(pictures).tobytes(), check=True)
    return path


def ranks(highlights: Highlights) -> list[int]:
    """Segments, best first."""
    return [int(n) for n in np.argsort([-segment.score for segment in highlights.segments])]


# ---- what a visitor sees


def test_one_gif_of_a_cat_is_enough_to_find_the_cat(
    predictor: HighlightPredictor, index: VideoIndex, gifs: dict[str, Path]
) -> None:
    nobody = predictor.score(index, [])
    cat_lover = predictor.score(index, [predictor.remember(gifs["chelsea"])])
    assert ranks(cat_lover)[0] == CAT
    assert ranks(nobody).index(CAT) > 0


def test_another_history_gives_other_gifs(
    predictor: HighlightPredictor, index: VideoIndex, gifs: dict[str, Path]
) -> None:
    rocket_lover = predictor.score(index, [predictor.remember(gifs["rocket"])])
    assert {SCENES[n] for n in ranks(rocket_lover)[:2]} == {"rocket"}
    assert ranks(rocket_lover).index(CAT) > 1


def test_without_a_history_everyone_gets_the_same(predictor: HighlightPredictor, index: VideoIndex) -> None:
    for segment in predictor.score(index, []).segments:
        assert segment.personal == segment.generic == segment.score
        assert segment.nearest is None
        assert segment.similarity is None


def test_each_segment_names_the_gif_it_is_most_like(
    predictor: HighlightPredictor, index: VideoIndex, gifs: dict[str, Path]
) -> None:
    history = [predictor.remember(gifs[name]) for name in ("rocket", "chelsea")]
    segments = predictor.score(index, history).segments
    assert segments[CAT].nearest == 1
    assert segments[1].nearest == segments[5].nearest == 0
    similarity = segments[CAT].similarity
    assert similarity is not None
    assert 0.5 < similarity <= 1


def test_what_is_not_for_me_goes_down(predictor: HighlightPredictor, index: VideoIndex, gifs: dict[str, Path]) -> None:
    cat = predictor.remember(gifs["chelsea"])
    before, after = predictor.score(index, []), predictor.score(index, [], [cat])
    assert ranks(after).index(CAT) == len(SCENES) - 1
    assert after.segments[CAT].score < before.segments[CAT].score


def test_moving_the_slider_asks_no_network_and_decodes_nothing(
    predictor: HighlightPredictor, index: VideoIndex, gifs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    personal = predictor.score(index, [predictor.remember(gifs["chelsea"])])
    monkeypatch.setattr(torch.nn.Module, "__call__", None)
    monkeypatch.setattr(subprocess, "Popen", None)
    generic = personal.reweight(0)
    half = personal.reweight(0.5)
    assert [s.score for s in generic.segments] == [s.generic for s in personal.segments]
    assert half.segments[0].score == pytest.approx((personal.segments[0].generic + personal.segments[0].personal) / 2)
    assert half.best(2)


def test_segments_cover_the_video_in_time_order(predictor: HighlightPredictor, index: VideoIndex) -> None:
    for by_shots in (False, True):
        segments = predictor.score(index, [], by_shots=by_shots).segments
        assert segments[0].start_s == 0
        assert segments[-1].end_s == pytest.approx(index.video.duration_s)
        for before, after in pairwise(segments):
            assert before.end_s == after.start_s


def test_shots_begin_where_the_picture_changes(predictor: HighlightPredictor, index: VideoIndex) -> None:
    starts = [segment.start_s for segment in predictor.score(index, [], by_shots=True).segments]
    for cut in range(5, 30, 5):
        assert min(abs(start - cut) for start in starts) <= 0.3


@pytest.mark.parametrize("length_s", [1.0, 3.0, 5.0, 8.0, None])
def test_gifs_do_not_overlap_and_lie_inside_the_video(
    predictor: HighlightPredictor, index: VideoIndex, length_s: float | None
) -> None:
    clips = predictor.score(index, []).best(10, length_s)
    assert clips
    assert [clip.score for clip in clips] == sorted((clip.score for clip in clips), reverse=True)
    in_time = sorted(clips, key=lambda clip: clip.start_s)
    for before, after in pairwise(in_time):
        assert before.end_s <= after.start_s + 1e-6
    for clip in clips:
        assert 0 <= clip.start_s < clip.end_s <= index.video.duration_s + 1e-6
        if length_s:  # shots are 5 seconds long
            assert clip.end_s - clip.start_s == pytest.approx(min(length_s, 4.5), abs=0.2 * length_s + 0.25)
        assert all(not clip.start_s < cut - 0.3 < clip.end_s - 0.6 for cut in range(5, 30, 5))


def test_asking_for_no_length_at_all_is_refused(predictor: HighlightPredictor, index: VideoIndex) -> None:
    with pytest.raises(ValueError, match="above 0"):
        predictor.score(index, []).best(1, 0)


def test_the_same_video_gives_the_same_ranking(
    predictor: HighlightPredictor, video: Path, gifs: dict[str, Path]
) -> None:
    first, second = (predictor.rank(video, [gifs["chelsea"]]) for _ in range(2))
    assert first.segments == second.segments


def test_progress_is_told_in_seconds_of_video(predictor: HighlightPredictor, video: Path) -> None:
    told: list[float] = []
    predictor.rank(video, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(30, abs=0.5)


def test_key_frames_alone_find_the_cat_too(
    predictor: HighlightPredictor, index: VideoIndex, gifs: dict[str, Path], folder: Path
) -> None:
    dense = folder / "dense.mp4"
    source = ["-i", str(index.video.path), "-g", "20", "-keyint_min", "20"]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", *source, str(dense)], check=True)
    highlights = predictor.rank(dense, [gifs["chelsea"]], key_frames=True)
    assert ranks(highlights)[0] == CAT
    clips = highlights.best(3, 4)
    assert len(clips) == 3
    dense.unlink()  # what was looked at around the clips is remembered
    assert highlights.reweight(0.999).best(3, 4)[0].start_s == clips[0].start_s


def test_a_single_key_frame_does_not_stand_for_the_whole_video(predictor: HighlightPredictor, folder: Path) -> None:
    path = write(camera_move(skimage.data.coffee(), 0, seconds=8), folder / "one_key.mp4")
    index = predictor.index(path, key_frames=True)
    assert not index.is_whole
    assert index.times[-1] < 2
    assert predictor.score(index, []).best(1, 3)


def test_without_a_history_key_frames_and_what_follows_them_rank_as_the_whole_video(
    predictor: HighlightPredictor, folder: Path
) -> None:
    photo = skimage.data.coffee()
    quiet, busy = ([camera_move(photo, seed, seconds=5) for seed in some] for some in ((0, 1, 2), (3, 4, 5)))
    parts = [part[:1] * len(part) if number % 2 else part for number, part in enumerate([*quiet, *busy])]
    path, dense = write([picture for part in parts for picture in part], folder / "calm.mp4"), folder / "calm2.mp4"
    source = ["-i", str(path), "-r", "25", "-g", "50", "-keyint_min", "50", "-sc_threshold", "0"]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", *source, str(dense)], check=True)
    quick, whole = (predictor.index(dense, key_frames=quickly) for quickly in (True, False))
    assert not quick.is_whole
    assert whole.is_whole
    assert len(quick.times) < len(whole.times)
    assert {*ranks(predictor.score(quick, []))[:3]} == {*ranks(predictor.score(whole, []))[:3]} == {0, 2, 4}


def test_a_picture_that_stands_still_for_a_moment_is_a_video_too(
    predictor: HighlightPredictor, folder: Path, gifs: dict[str, Path]
) -> None:
    still = write(camera_move(skimage.data.coffee(), 0, seconds=0.1), folder / "still.gif")
    highlights = predictor.rank(still, [gifs["chelsea"], still])
    assert len(highlights.segments) == 1
    assert highlights.segments[0].nearest == 1
    assert len(highlights.best(3, 4)) == 1


def test_a_file_that_is_no_video_is_refused_in_words(predictor: HighlightPredictor, folder: Path, video: Path) -> None:
    text = folder / "text.mp4"
    text.write_text("not a video")
    with pytest.raises(VideoError, match="not a video"):
        predictor.rank(text)
    with pytest.raises(VideoError, match="not a video"):
        predictor.rank(video, [text])


def test_what_the_page_keeps_of_a_video_is_small_and_pickles(index: VideoIndex) -> None:
    packed = pickle.dumps(index)
    assert len(packed) < 300_000
    assert probe(index.video.path) == pickle.loads(packed).video  # noqa: S301 - our own bytes


# ---- what a programmer sees


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan")])
def test_a_weight_outside_0_to_1_is_refused(predictor: HighlightPredictor, index: VideoIndex, weight: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        predictor.score(index, [], weight=weight)
    with pytest.raises(ValueError, match="between 0 and 1"):
        predictor.score(index, []).reweight(weight)


def test_another_encoder_can_be_dropped_in(predictor: HighlightPredictor, video: Path) -> None:
    class Average(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean(dim=(2, 3, 4)).repeat(1, predictor.config.embedding // 3)

    encoder = VideoNetworkEncoder(Average(), dim=predictor.config.embedding, window=8, fps=4)
    other = HighlightPredictor(predictor.network, predictor.weights_file, predictor.device, encoder)
    assert len(other.rank(video).segments) == len(SCENES)


def test_weights_that_do_not_fit_are_refused_in_words(folder: Path) -> None:
    pickled = folder / "model.pt"
    pickled.write_bytes(pickle.dumps({"weights": 1}))
    with pytest.raises(WeightsFormatError, match="safetensors"):
        HighlightPredictor.from_pretrained(pickled)


def test_the_bundled_weights_are_the_ones_the_package_states() -> None:
    assert fetch(WEIGHTS, None).origin == "bundled"
    assert WEIGHTS.bundled_path.stat().st_size < 10_000_000  # a Space takes no larger file without LFS


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gpu_and_cpu_rank_alike(predictor: HighlightPredictor, video: Path, gifs: dict[str, Path]) -> None:
    there = HighlightPredictor.from_pretrained(WEIGHTS.bundled_path, device="cuda")
    here = [s.score for s in predictor.rank(video, [gifs["chelsea"]]).segments]
    assert np.allclose([s.score for s in there.rank(video, [gifs["chelsea"]]).segments], here, atol=0.02)


def test_the_command_writes_gifs_and_says_why(video: Path, gifs: dict[str, Path], tmp_path: Path) -> None:
    likes = ["--history", str(gifs["rocket"]), "--history", str(gifs["chelsea"])]
    options = ["--count", "2", "--height", "64", "--disliked", str(gifs["rocket"]), "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(app, ["gif", str(video), *likes, *options])
    assert result.exit_code == 0, result.output
    written = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in written] == ["video-1.gif", "video-2.gif"]
    assert "like chelsea.gif" in result.output.splitlines()[0]
    assert [probe(path).height for path in written] == [64, 64]


def test_a_gif_of_the_history_is_never_written_over(video: Path, gifs: dict[str, Path], tmp_path: Path) -> None:
    liked = tmp_path / f"{video.stem}-1.gif"
    liked.write_bytes(gifs["chelsea"].read_bytes())
    result = CliRunner().invoke(app, ["gif", str(video), "--history", str(liked), "-o", str(tmp_path)])
    assert result.exit_code == 1
    assert "Name another one" in result.output
    assert liked.read_bytes() == gifs["chelsea"].read_bytes()


def test_a_history_before_the_video_leaves_the_video_alone(video: Path, gifs: dict[str, Path], tmp_path: Path) -> None:
    options = ["--history", str(gifs["chelsea"]), str(video), "--count", "1", "--height", "64", "-o", str(tmp_path)]
    result = CliRunner().invoke(app, ["gif", *options])
    assert result.exit_code == 0, result.output
    assert "like chelsea.gif" in result.output


def test_rankings_can_be_compared(predictor: HighlightPredictor, index: VideoIndex) -> None:
    one, other = (predictor.score(index, []) for _ in range(2))
    assert one == one  # noqa: PLR0124 - arrays inside made it raise
    assert one != other
    assert one.segments == other.segments


@pytest.mark.parametrize("kind", ["mp4", "webp"])
def test_the_command_writes_other_formats(video: Path, tmp_path: Path, kind: str) -> None:
    options = ["--count", "1", "--format", kind, "--length", "2", "-o", str(tmp_path)]
    result = CliRunner().invoke(app, ["gif", str(video), *options])
    assert result.exit_code == 0, result.output
    assert probe(tmp_path / f"video-1.{kind}").duration_s == pytest.approx(2, abs=0.6)


def test_the_command_says_which_file_cannot_be_read(video: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.gif"
    text.write_text("not a gif")
    result = CliRunner().invoke(app, ["gif", str(video), "--history", str(text), "-o", str(tmp_path)])
    assert result.exit_code == 1
    assert "text.gif: This file is not a video" in result.stderr
