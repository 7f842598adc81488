"""What somebody meets at the command line: help at once, and one red line when something is wrong."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from vision_models.cli.app import app
from vision_models.media.photos import read_photo, write_png

MODELS = ("exposure", "gifs", "interactions")


def test_help_waits_for_no_networks() -> None:
    code = (
        "import json, sys; from typer.testing import CliRunner; from vision_models.cli.app import app; "
        "result = CliRunner().invoke(app, ['--help']); "
        "print(json.dumps([result.exit_code, result.stdout, 'torch' in sys.modules, 'cv2' in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    exit_code, said, *loaded = json.loads(done.stdout)
    assert (exit_code, loaded) == (0, [False, False])
    for command in ("correct", "gif", "detect", "label", "publish", "train", "evaluate", "bench"):
        assert command in said


@pytest.mark.parametrize("group", ["train", "evaluate", "bench"])
def test_every_model_is_called_the_same_in_every_group(group: str) -> None:
    said = CliRunner().invoke(app, [group, "--help"]).stdout
    assert all(model in said for model in MODELS)


@pytest.mark.parametrize(
    "arguments",
    [
        ["correct", "{file}", "-o", "{folder}/out.png"],
        ["detect", "{file}"],
        ["gif", "{file}", "-o", "{folder}"],
        ["gif", "{file}", "-o", "{folder}", "--history", "{file}"],
    ],
)
def test_a_file_that_cannot_be_read_is_named_in_one_line(tmp_path: Path, arguments: list[str]) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("no photo, no video")
    result = CliRunner().invoke(app, [one.format(file=file, folder=tmp_path) for one in arguments])
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"{file}: This file is not a ")


@pytest.mark.parametrize("model", MODELS)
def test_an_evaluation_of_nothing_says_which_folders_it_takes(model: str) -> None:
    result = CliRunner().invoke(app, ["evaluate", model])
    assert result.exit_code == 1
    assert result.stderr.startswith("There is nothing to evaluate on. Give --data or --")


def test_a_wrong_ending_is_said_before_any_network_is_asked(tmp_path: Path) -> None:
    photo = write_png(np.full((40, 40, 3), 30, np.uint8), tmp_path / "photo.png")
    command = ["correct", str(photo), "-o", str(tmp_path / "out.png"), "--radiance", str(tmp_path / "light.tiff")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert "light.tiff should end in .exr or .hdr" in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


def test_a_folder_of_photos_is_corrected_and_the_same_call_goes_on_where_it_ended(tmp_path: Path) -> None:
    photos, output = tmp_path / "photos", tmp_path / "corrected"
    (photos / "trip").mkdir(parents=True)
    dark = (np.linspace(0, 60, 64 * 48 * 3).reshape(48, 64, 3)).astype(np.uint8)
    write_png(dark, photos / "a.png")
    write_png(dark, photos / "trip" / "b.png")
    (photos / "broken.jpg").write_bytes(b"not a photo")
    call = ["correct", str(photos), "-o", str(output)]
    said = CliRunner().invoke(app, call)
    assert said.exit_code == 0, said.output
    assert "1 failed" in said.stdout
    assert "broken.jpg,This file is not a photo" in (output / "failed.csv").read_text().replace('"', "")
    assert (output / "trip" / "b.png").is_file()
    kept = (output / "trip" / "b.png").stat().st_mtime_ns
    (output / "a.png").unlink()
    (photos / "broken.jpg").unlink()
    assert CliRunner().invoke(app, call).exit_code == 0
    assert (output / "a.png").is_file()
    assert (output / "trip" / "b.png").stat().st_mtime_ns == kept
    assert not (output / "failed.csv").exists()


def test_interactions_are_found_in_a_folder_of_photos(tmp_path: Path) -> None:
    photos, output = tmp_path / "photos", tmp_path / "found"
    (photos / "trip").mkdir(parents=True)
    write_png(np.full((64, 80, 3), 90, np.uint8), photos / "trip" / "a.png")
    call = ["detect", str(photos), "-o", str(output)]
    said = CliRunner().invoke(app, call)
    assert said.exit_code == 0, said.output
    assert json.loads((output / "trip" / "a.json").read_text())["width"] == 80
    kept = (output / "trip" / "a.png").stat().st_mtime_ns
    assert CliRunner().invoke(app, call).exit_code == 0
    assert (output / "trip" / "a.png").stat().st_mtime_ns == kept
    refused = CliRunner().invoke(app, ["detect", str(photos)])
    assert refused.exit_code == 1
    assert "A folder of photos needs --output" in " ".join(refused.stderr.split())


def test_gifs_are_cut_out_of_a_folder_of_videos(tmp_path: Path) -> None:
    videos, output = tmp_path / "videos", tmp_path / "gifs"
    (videos / "trip").mkdir(parents=True)
    pictures = np.random.default_rng(0).integers(0, 255, (25, 64, 96, 3), np.uint8)
    writer = imageio_ffmpeg.write_frames(videos / "trip" / "A.MP4", (96, 64), fps=10)
    writer.send(None)
    for picture in pictures:
        writer.send(picture)
    writer.close()
    (videos / "broken.mov").write_bytes(b"not a video")
    call = ["gif", str(videos), "-o", str(output), "--count", "1", "--height", "32"]
    said = CliRunner().invoke(app, call)
    assert said.exit_code == 0, said.output
    assert (output / "trip" / "A" / "A-1.gif").is_file()
    assert "broken.mov" in (output / "failed.csv").read_text()
    assert not (output / "broken").exists()
    kept = (output / "trip" / "A" / "A-1.gif").stat().st_mtime_ns
    (output / ".broken").mkdir(exist_ok=True)  # as a call that is killed leaves it
    assert CliRunner().invoke(app, call).exit_code == 0
    assert (output / "trip" / "A" / "A-1.gif").stat().st_mtime_ns == kept


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three photos, and one that is none."""
    folder = tmp_path / "photos"
    (folder / "trip").mkdir(parents=True)
    for name, dark in (("a.png", 30), ("b.png", 60), ("trip/a.png", 90)):
        write_png(np.full((48, 64, 3), dark, np.uint8), folder / name)
    (folder / "broken.jpg").write_bytes(b"not a photo")
    return folder


def test_several_processes_share_a_folder_and_go_on_where_one_was_killed(photos: Path, tmp_path: Path) -> None:
    output, here = tmp_path / "output", tmp_path / "here"
    assert CliRunner().invoke(app, ["correct", str(photos), "-o", str(here)]).exit_code == 0
    output.mkdir()
    (output / "a.png").write_bytes(b"made before")
    (output / ".b.png").write_bytes(b"half")  # as a call that is killed leaves it
    command = str(Path(sys.executable).with_name("vision-models"))
    call = [command, "correct", str(photos), "-o", str(output), "--processes", "2"]
    said = subprocess.run(call, capture_output=True, text=True, check=True)
    assert "1 failed" in said.stdout
    assert "broken.jpg,This file is not a photo" in (output / "failed.csv").read_text().replace('"', "")
    assert (output / "a.png").read_bytes() == b"made before"
    for one in ("b.png", "trip/a.png"):
        assert (read_photo(output / one) == read_photo(here / one)).all()
    assert sorted(path.name for path in output.iterdir()) == ["a.png", "b.png", "failed.csv", "trip"]


DEADLY = """
import os, sys
from pathlib import Path
from vision_models.cli.many import for_each

def begin():
    return lambda file, result: os._exit(9) if file.name == "b.png" else result.write_bytes(b"made")

for_each(Path(sys.argv[1]), Path(sys.argv[2]), ".png", [".png"], begin, processes=1)
"""


def test_a_file_that_ends_its_process_is_named_and_the_others_are_made(photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    call = [sys.executable, "-c", DEADLY, str(photos), str(output)]
    said = subprocess.run(call, capture_output=True, text=True, check=True, timeout=300)
    assert "1 failed" in said.stdout
    assert "b.png,The process ended" in (output / "failed.csv").read_text().replace('"', "")
    made = sorted(str(path.relative_to(output)) for path in output.rglob("*") if path.is_file())
    assert made == ["a.png", "failed.csv", "trip/a.png"]


def test_the_photos_that_a_table_names_are_looked_at(photos: Path, tmp_path: Path) -> None:
    table, output = tmp_path / "some.parquet", tmp_path / "found"
    named = [str(photos / "a.png"), str(photos / "trip" / "a.png"), str(photos / "gone.png")]
    parquet.write_table(pa.table({"path": named}), table)
    said = CliRunner().invoke(app, ["detect", str(table), "-o", str(output)])
    assert said.exit_code == 0, said.output
    assert sorted(path.relative_to(output) for path in output.rglob("*.json")) == [Path("a.json"), Path("trip/a.json")]
    assert "gone.png" in (output / "failed.csv").read_text()
    parquet.write_table(pa.table({"file": named}), table)
    refused = CliRunner().invoke(app, ["detect", str(table), "-o", str(output)])
    assert refused.exit_code == 1
    assert "a column `path`" in " ".join(refused.stderr.split())


def test_whoever_ends_the_command_ends_the_copies_of_the_page(tmp_path: Path) -> None:
    (tmp_path / "demos").mkdir()
    (tmp_path / "demos" / "__init__.py").touch()
    (tmp_path / "demos" / "replicas.py").write_text(
        "import os, time\ndef serve(*wish):\n    print(os.getpid(), *wish, flush=True)\n    time.sleep(60)\n"
    )
    command = [str(Path(sys.executable).with_name("vision-models")), "serve", str(tmp_path), "--replicas", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as page:
        assert page.stdout is not None
        assert page.stdout.readline().split() == [str(page.pid), "3", "127.0.0.1", "7860"]
        page.terminate()
        assert page.wait(10) == -signal.SIGTERM


def test_bench_without_a_model_prints_one_table(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(command[-1])
        return subprocess.CompletedProcess(command, 0, stdout=f"{command[-1]} takes 0.5\nand memory\n")

    monkeypatch.setattr(subprocess, "run", run)
    said = CliRunner().invoke(app, ["bench"])
    assert said.exit_code == 0
    assert asked == ["exposure", "interactions", "gifs"]
    assert said.stdout.splitlines()[2] == "| exposure | exposure takes 0.5 |"
    assert len(said.stdout.splitlines()) == 2 + 3 * 2


def test_an_hdr_photo_is_written_beside_the_corrected_one(tmp_path: Path) -> None:
    photo = write_png(np.linspace(0, 60, 64 * 48 * 3).reshape(48, 64, 3).astype(np.uint8), tmp_path / "dark.png")
    call = ["correct", str(photo), "-o", str(tmp_path / "out.png"), "--hdr", str(tmp_path / "hdr.jpg")]
    said = CliRunner().invoke(app, call)
    assert said.exit_code == 0, said.output
    assert b"hdrgm:GainMapMax" in (tmp_path / "hdr.jpg").read_bytes()
