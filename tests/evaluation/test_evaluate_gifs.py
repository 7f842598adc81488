"""Every figure of the GIF model's card comes out of code that runs here, on a few made clips."""

import subprocess
from pathlib import Path

import imageio_ffmpeg
import pytest
from typer.testing import CliRunner

from vision_models.cli.app import app
from vision_models.gifs.evaluation import bench as bench_module
from vision_models.gifs.evaluation import cuts, mixed
from vision_models.gifs.evaluation import evaluate as evaluation


def clip(path: Path, source: str) -> None:
    """A second of moving test picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scene = f"{source}=size=64x48:rate=8"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-f", "lavfi", "-i", scene, "-t", "1", str(path)]
    subprocess.run(command, check=True)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two topics, each filmed in four places, some of a sport, and fights among calm scenes."""
    root = tmp_path_factory.mktemp("clips")
    for topic, source in (("Spin", "testsrc2"), ("Zoom", "mandelbrot")):
        for number in range(12):
            group, name = 18 + number % 4, f"c{number:02}"
            clip(root / "ucf101" / topic / f"v_{topic}_g{group}_{name}.avi", source)
    for number in range(3, 40, 3):
        clip(root / "skate" / "Tricks" / "Flip" / f"flip{number}.mov", "smptebars")
    for topic, source in (("fight", "mandelbrot"), ("noFight", "smptebars")):
        for number in range(12):
            clip(root / "fight" / topic / f"{number}.mp4", source)
    return root


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [*map(str, arguments), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_all_scorers_are_compared_on_clips_and_fights(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "CASES", 2)
    monkeypatch.setattr(evaluation.cases, "__defaults__", (0, 2))
    monkeypatch.setattr(evaluation, "FIGHT_CASES", 3)
    monkeypatch.setattr(cuts, "PAIRS", 2)
    for name, less in {"VIDEOS": 1, "CLIPS": 3, "DULL": mixed.DULL[:1], "FRAME": "64:36"}.items():
        monkeypatch.setattr(mixed, name, less)
    said = run("evaluate", "gifs", "--data", clips)
    assert "37 clips, 6 users" in said
    for scorer in ("Random", "Colour histogram, nearest", "Video2GIF (generic)", "SVM-D", "PHD-CA + SVM-D"):
        assert f"| {scorer} |" in said
    assert "cut out of six videos" in said
    assert "Two fights among ten calm scenes" in said
    assert "| Mean motion |" in said
    assert "1 videos of 3 clips and 1 dull stretches" in said
    assert "| key frames, every 2 s, and what follows | " in said
    assert "| 2 cuts | " in said


def test_the_bench_prints_ratios(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_module, "FRAME", "64x36")
    monkeypatch.setattr(bench_module, "PIECE_S", 6)
    monkeypatch.setattr(bench_module, "MINUTES", 2)
    monkeypatch.setattr(bench_module, "LONGER", 2)
    said = run("bench", "gifs")
    assert "of FFmpeg's time to decode the file" in said
    assert "the same from key frames and what follows them" in said
