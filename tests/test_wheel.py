"""What `pip install vision-models` brings: predictions, and nothing of the page."""

import json
import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]

PREDICT_WITH_EACH_MODEL = """
import importlib.util, json, sys
import cv2, numpy as np, torch
torch.set_num_threads(1)
import vision_models
from vision_models import ExposurePredictor, HighlightPredictor, InteractionPredictor, write_gif

photo = np.random.default_rng(0).integers(0, 60, (120, 160, 3), np.uint8)
video = cv2.VideoWriter("video.avi", cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
for level in range(60):
    video.write(np.full((48, 64, 3), 4 * level, np.uint8))
video.release()
corrected = ExposurePredictor.from_pretrained(device="cpu").correct(photo).image
found = InteractionPredictor.from_pretrained(device="cpu").detect(photo)
clip = HighlightPredictor.from_pretrained(device="cpu").rank("video.avi").best(1, length_s=2)[0]
write_gif("video.avi", clip.start_s, clip.end_s, "clip.gif")
page = [name for name in ("gradio", "spaces", "skimage", "piq", "pytest") if importlib.util.find_spec(name)]
print(json.dumps({
    "from": vision_models.__file__, "page": page, "photo": [found.width, found.height], "corrected": corrected.shape,
    "brighter": bool(corrected.mean() > photo.mean()), "clip": clip.end_s - clip.start_s,
    "research": [name for name in sys.modules if name.startswith("vision_models.") and name.count(".") > 1
                 and name.split(".")[2] in ("training", "evaluation")],
}))
"""


def needed(names: list[str]) -> dict[str, Distribution]:
    """Distributions that an installer would bring for these requirements, without any extras."""
    found: dict[str, Distribution] = {}
    waiting = [Requirement(name) for name in names]
    while waiting:
        requirement = waiting.pop()
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if applies and requirement.name not in found:
            found[requirement.name] = distribution(requirement.name)
            waiting += map(Requirement, found[requirement.name].requires or ())
    return found


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that holds the wheel and what it requires: no extras, nothing of the tests.

    The wheel is installed; the packages that it requires, gigabytes, are links to those of this environment.
    """
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env", symlinks=True, with_pip=False)
    python = folder / "env" / "bin" / "python"
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "env")}))
    install = ["--python", str(python), "install", "--no-deps", "--no-index", "--quiet", str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", *install], check=True, capture_output=True)
    metadata = next(packages.glob("vision_models-*.dist-info"))
    requires = Distribution.at(metadata).requires or []
    for one in needed(requires).values():
        for top in {file.parts[0] for file in one.files or ()} - {"..", "__pycache__"}:
            link = packages / top
            if not link.exists():
                link.symlink_to(Path(str(one.locate_file(top))).resolve())
    return python


def test_without_extras_each_model_answers_and_nothing_of_the_page_is_there(python: Path, tmp_path: Path) -> None:
    result = subprocess.run(
        [python, "-I", "-c", PREDICT_WITH_EACH_MODEL], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout)
    assert Path(said["from"]).is_relative_to(python.parents[1])
    assert said["page"] == []
    assert said["research"] == []
    assert said["corrected"] == [120, 160, 3]
    assert said["brighter"]
    assert said["photo"] == [160, 120]
    assert 1 < said["clip"] < 3
    assert (tmp_path / "clip.gif").read_bytes().startswith(b"GIF8")


def test_the_wheel_holds_weights_and_cards_but_neither_demos_nor_tests(python: Path) -> None:
    (package,) = python.parents[1].glob("lib/python*/site-packages/vision_models")
    for model in ("exposure", "gifs", "interactions"):
        assert (package / model / "MODEL_CARD.md").is_file()
        assert list((package / model / "weights").glob("*.safetensors"))
    assert not any((package.parent / name).exists() for name in ("demos", "tests", "app.py"))
