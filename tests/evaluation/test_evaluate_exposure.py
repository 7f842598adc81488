"""Every figure of the exposure model's card comes out of code that runs here, on made scenes."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from vision_models.cli.app import app
from vision_models.exposure.evaluation import bench as bench_module
from vision_models.exposure.evaluation import evaluate, harm
from vision_models.exposure.training.camera import expose, normalise
from vision_models.media.photos import write_png
from vision_models.media.radiance import write_radiance


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six small panoramas, of which one is held out."""
    folder = tmp_path_factory.mktemp("scenes")
    for number in range(6):
        rng = np.random.default_rng(number)
        panorama = cv2.resize(rng.random((8, 16, 3), np.float32), (128, 64), interpolation=cv2.INTER_CUBIC).clip(0.01)
        panorama[:32] *= 20
        write_radiance(panorama.astype(np.float32), folder / f"scene{number}.hdr")
    return folder


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [*map(str, arguments), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_100_nits_are_pu21_256_and_equal_pictures_have_no_difference() -> None:
    white = np.ones((8, 8, 3), np.float32)
    assert evaluate.pu21_psnr(white, white) == pytest.approx(100)
    assert evaluate.pu21_psnr(white, white * 2) < evaluate.pu21_psnr(white, white * 1.1)


def test_ssim_looks_through_a_gaussian_window_of_11_pixels() -> None:
    """By the formula of Wang et al. (2004), at the centre of two pictures of one window's size."""
    rng = np.random.default_rng(0)
    a, b = (rng.random((11, 11, 3)).astype(np.float32) for _ in range(2))
    window = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(window, window) / window.sum() ** 2
    expected = []
    for channel in range(3):
        x, y = a[..., channel], b[..., channel]
        mean_x, mean_y = (window * x).sum(), (window * y).sum()
        var_x, var_y = (window * x**2).sum() - mean_x**2, (window * y**2).sum() - mean_y**2
        covariance = (window * x * y).sum() - mean_x * mean_y
        c1, c2 = 0.01**2, 0.03**2
        top = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
        expected.append(top / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)))
    assert evaluate.ssim(a, b) == pytest.approx(np.mean(expected), abs=1e-6)


@pytest.mark.parametrize("name", list(evaluate.CLASSICAL))
def test_classical_methods_keep_the_photo_s_shape(name: str) -> None:
    photo = np.random.default_rng(0).integers(0, 60, (64, 80, 3)).astype(np.uint8)
    result = evaluate.CLASSICAL[name](photo)
    assert result.shape == photo.shape
    assert result.dtype == np.uint8
    assert result.mean() >= photo.mean()


@pytest.mark.filterwarnings("ignore")  # ColorVideoVDP and what it imports are older than this Python
@pytest.mark.parametrize("hdr", [False, True])
def test_the_evaluation_prints_every_method_and_exposure(
    scenes: Path, monkeypatch: pytest.MonkeyPatch, hdr: bool
) -> None:
    monkeypatch.setattr(evaluate, "EXPOSURES", evaluate.HARD_EXPOSURES[:2] if hdr else evaluate.HARD_EXPOSURES)
    monkeypatch.setattr(evaluate, "HARD_EXPOSURES", evaluate.EXPOSURES)
    monkeypatch.setattr(evaluate, "YAWS", (0.0,))
    monkeypatch.setattr(evaluate, "VIEW", (64, 64))
    said = run("evaluate", "exposure", "--data", scenes, "--hdr" if hdr else "--no-hdr")
    for word in ["| PSNR |", "| SSIM |", "| FSIM |", "-4 EV", *evaluate.CLASSICAL, "| DRHT |"]:
        assert word in said
    assert ("| JOD of the HDR estimate |" in said) is hdr


def test_real_exposure_stacks_are_compared_frame_by_frame(tmp_path: Path) -> None:
    scene = cv2.resize(np.random.default_rng(0).random((6, 6, 3), np.float32), (80, 60), interpolation=cv2.INTER_CUBIC)
    radiance = normalise(scene.clip(0.02).astype(np.float32))
    (tmp_path / "stack").mkdir()
    for number, ev in enumerate((-4, -2, 0, 2, 4)):
        write_png((expose(radiance, ev) * 255).astype(np.uint8), tmp_path / "stack" / f"{number}.png")
    said = run("evaluate", "exposure", "--stacks", tmp_path)
    assert "1 real stacks" in said
    for word in [*evaluate.CLASSICAL, "DRHT"]:
        assert f"| {word} |" in said


def test_the_bench_prints_ratios(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_module, "SIZES", ((60, 80), (120, 160), (240, 320)))
    said = run("bench", "exposure")
    assert "of the time of Mertens fusion of three" in said
    assert "of the time per pixel at 12 megapixels" in said


def test_harm_done_to_good_pictures_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harm, "SEEDS", range(1))
    monkeypatch.setattr(harm, "SIZE", 320)
    monkeypatch.setattr(harm, "EVERYDAY", ("coffee",))
    write_png(np.full((64, 64, 3), 120, np.uint8), tmp_path / "photo.png")
    table = run("evaluate", "exposure", "--harm", "--photos", tmp_path)
    rows = [row.split(" | ") for row in table.splitlines()[2:]]
    assert {len(row) for row in rows} == {4}
    found = {row[0].strip("| "): row[3].strip("| ") for row in rows}
    assert "1 photos of the folder" in found
    assert found["a dark photo in black and white"] == "0"
    assert float(found["coffee in black bars"]) < 1
