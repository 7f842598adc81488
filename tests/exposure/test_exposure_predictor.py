"""Correcting photos with the bundled weights, as a visitor or a programmer would."""

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from numpy.typing import NDArray

from vision_models.errors import PhotoError, WeightsFormatError
from vision_models.exposure import upsampling
from vision_models.exposure.config import WEIGHTS, DRHTConfig
from vision_models.exposure.predictor import ExposurePredictor, keep_blacks, keep_whites, working_shape
from vision_models.exposure.result import Correction, Estimate
from vision_models.weights.checkpoint import save_tensors

Photo = NDArray[np.uint8]


@pytest.fixture(scope="module")
def predictor() -> ExposurePredictor:
    return ExposurePredictor.from_pretrained(WEIGHTS.bundled_path, device="cpu")


@pytest.fixture(scope="module")
def coffee() -> Photo:
    return skimage.data.coffee()


def exposed(photo: Photo, ev: float) -> Photo:
    """The photo as a camera would have taken it at another exposure."""
    light = (photo.astype(np.float32) / 255) ** 2.2 * 2.0**ev
    return np.rint(np.clip(light, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)


def distance(a: Photo, b: Photo) -> float:
    return float(np.abs(a.astype(float) - b).mean())


def plain_estimate(photo: Photo, gain: float, side: int = 64) -> Estimate:
    """What networks that merely multiply by `gain` would say."""
    small = cv2.resize(photo.astype(np.float32) / 255, (side, side), interpolation=cv2.INTER_AREA)
    return Estimate(small, small * np.float32(gain), small * np.float32(gain))


@pytest.mark.parametrize("ev", [-4, -3, 2.5])
def test_a_badly_exposed_photo_comes_closer_to_the_good_one(
    predictor: ExposurePredictor, coffee: Photo, ev: float
) -> None:
    photo = exposed(coffee, ev)
    corrected = predictor.correct(photo).image
    assert distance(corrected, coffee) < 0.75 * distance(photo, coffee)


def test_a_dark_photo_gets_brighter_and_a_bright_one_darker(predictor: ExposurePredictor, coffee: Photo) -> None:
    dark, bright = exposed(coffee, -4), exposed(coffee, 3)
    assert predictor.correct(dark).image.mean() > 2 * dark.mean()
    assert predictor.correct(bright).image.mean() < bright.mean()


def test_a_photo_is_not_written_to_and_may_be_read_only(predictor: ExposurePredictor, coffee: Photo) -> None:
    photo = coffee[::2, ::-2].copy()
    before = photo.copy()
    photo.flags.writeable = False
    correction = predictor.correct(photo)
    correction.radiance.flags.writeable = False
    assert correction.expose(1).shape == photo.shape
    np.testing.assert_array_equal(photo, before)


def test_the_same_photo_gives_the_same_result(predictor: ExposurePredictor, coffee: Photo) -> None:
    np.testing.assert_array_equal(predictor.correct(coffee).image, predictor.correct(coffee).image)


def test_an_estimate_comes_back_from_its_file(predictor: ExposurePredictor, coffee: Photo, tmp_path: Path) -> None:
    dark = cv2.copyMakeBorder(exposed(coffee, -3), 40, 40, 0, 0, cv2.BORDER_CONSTANT)
    estimate = predictor.estimate(dark)
    again = Estimate.load(estimate.save(tmp_path / "estimate.npz"))
    assert (again.need, again.is_grey, again.borders) == (estimate.need, estimate.is_grey, estimate.borders)
    assert again.borders.top > 0
    np.testing.assert_array_equal(again.render(dark).image, estimate.render(dark).image)


def test_blocks_of_compression_in_a_burnt_sky_are_not_amplified() -> None:
    rng = np.random.default_rng(0)
    blocks = cv2.resize(rng.integers(248, 251, (8, 8, 3)).astype(np.uint8), (64, 64), interpolation=cv2.INTER_NEAREST)
    sky = blocks.astype(np.float32) / 255
    steep = Estimate(sky, 12 * (sky - 0.92), sky)  # what networks do that see much in little
    shown = steep.render(blocks).image.astype(float)
    assert shown.std() < 0.6 * (255 * steep.corrected).std()
    assert abs(shown.mean() - 255 * steep.corrected.mean()) < 3


def test_networks_that_see_a_frame_leave_none(coffee: Photo) -> None:
    small = cv2.resize(coffee, (96, 64), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    framed = small * np.float32(0.8)
    framed[3:-3, 3:-3] = small[3:-3, 3:-3]
    shown = Estimate(small, framed, framed).render(coffee).image
    assert distance(shown[:20], coffee[:20]) < 3


def test_strength_goes_from_the_photo_itself_to_the_full_correction(
    predictor: ExposurePredictor, coffee: Photo
) -> None:
    photo = exposed(coffee, -3)
    estimate = predictor.estimate(photo)
    none, half, full = (estimate.render(photo, strength).image for strength in (0.0, 0.5, 1.0))
    np.testing.assert_array_equal(none, photo)
    np.testing.assert_array_equal(full, predictor.correct(photo, 1.0).image)
    middle = (none.astype(float) + full) / 2
    assert np.abs(half - middle).max() <= 1


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_a_strength_outside_0_to_1_is_refused(strength: float) -> None:
    photo = np.full((40, 40, 3), 50, np.uint8)
    with pytest.raises(ValueError, match="between 0 and 1"):
        plain_estimate(photo, 2).render(photo, strength)


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (32, 900), (700, 40), (301, 203)])
def test_any_size_and_aspect_comes_back_as_it_was(predictor: ExposurePredictor, size: tuple[int, int]) -> None:
    photo = np.random.default_rng(0).integers(0, 60, (*size, 3)).astype(np.uint8)
    correction = predictor.correct(photo)
    assert correction.image.shape == photo.shape
    assert correction.image.dtype == np.uint8
    assert correction.radiance.shape == photo.shape
    assert correction.radiance.dtype == np.float32
    assert np.isfinite(correction.radiance).all()
    assert correction.radiance.min() >= 0


@pytest.mark.parametrize("value", [0, 255])
def test_an_all_black_or_all_white_photo_gives_a_plain_result(predictor: ExposurePredictor, value: int) -> None:
    correction = predictor.correct(np.full((200, 300, 3), value, np.uint8))
    assert np.isfinite(correction.radiance).all()
    assert correction.image[40:-40, 40:-40].std() < 12


def test_what_is_black_does_not_become_grey_fog(predictor: ExposurePredictor, coffee: Photo) -> None:
    photo = exposed(coffee, -3)
    photo[:100] = 0
    corrected = predictor.correct(photo).image
    assert corrected[20:80].mean() < 0.15 * 255
    assert corrected[150:].mean() > 2 * photo[150:].mean()


def test_a_lit_window_in_the_dark_does_not_light_the_wall(predictor: ExposurePredictor) -> None:
    photo = np.zeros((320, 320, 3), np.uint8)
    photo[60:120, 200:260] = (250, 220, 160)
    wall = predictor.correct(photo, 1.0).image[200:300, 20:160]
    assert np.median(wall) <= 21
    assert wall.std() < 4


@pytest.mark.parametrize("ev", [-3, 0, 2])
def test_a_photo_in_black_and_white_stays_one(predictor: ExposurePredictor, coffee: Photo, ev: int) -> None:
    grey = exposed(coffee, ev).mean(axis=-1, keepdims=True).astype(np.uint8).repeat(3, axis=-1)
    correction = predictor.correct(grey, 1.0)
    assert np.ptp(correction.image, axis=-1).max() == 0
    assert np.ptp(correction.radiance, axis=-1).max() < 1e-4


def test_what_is_white_stays_white_unless_the_photo_is_darkened() -> None:
    photo = np.full((20, 20, 3), 0.4, np.float32)
    photo[:5] = 1.0
    paper = np.where(photo == 1, np.float32(0.85), np.float32(0.42))
    kept = keep_whites(photo, paper, need=1.0)
    np.testing.assert_allclose(kept[:5], 1, atol=1e-5)
    np.testing.assert_array_equal(kept[5:], paper[5:])
    burnt = np.where(photo == 1, np.float32(0.85), np.float32(0.25))
    np.testing.assert_array_equal(keep_whites(photo, burnt, need=1.0), burnt)
    assert keep_whites(photo, burnt, need=0.2)[:5].min() > 0.99


def test_pulling_blacks_down_leaves_a_picture_without_fog_alone() -> None:
    photo = np.full((8, 8, 3), 0.2, np.float32)
    corrected = np.full((8, 8, 3), 0.5, np.float32)
    np.testing.assert_array_equal(keep_blacks(photo, corrected), corrected)
    photo[0] = 0
    fogged = corrected.copy()
    fogged[0] = (0.3, 0.28, 0.2)
    cleared = keep_blacks(photo, fogged)
    np.testing.assert_allclose(cleared[0], np.full((8, 3), 0.08), rtol=1e-4)
    assert (cleared[1:] < fogged[1:]).all()


@pytest.mark.parametrize(
    ("photo", "words"),
    [
        (np.zeros((0, 0, 3), np.uint8), "pixels"),
        (np.zeros((31, 400, 3), np.uint8), "at least 32"),
        (np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (10_000, 10_000, 3)), "megapixels"),
        (np.zeros((64, 64), np.uint8), "read_photo"),
        (np.zeros((64, 64, 4), np.uint8), "read_photo"),
        (np.zeros((64, 64, 3), np.float32), "read_photo"),
        ([[1, 2, 3]], "read_photo"),
    ],
)
def test_what_is_no_photo_is_refused_with_the_next_step(predictor: ExposurePredictor, photo: Photo, words: str) -> None:
    with pytest.raises(PhotoError, match=words):
        predictor.correct(photo)


def test_the_hdr_estimate_can_be_seen_at_any_exposure() -> None:
    radiance = np.array([[[0.0, 0.25, 4.0]]], np.float32)
    correction = Correction(np.zeros((1, 1, 3), np.uint8), lambda: radiance)
    assert correction.expose(0).tolist() == [[[0, 136, 255]]]
    assert correction.expose(2).tolist() == [[[0, 255, 255]]]
    assert correction.expose(-2).tolist() == [[[0, 72, 255]]]


def test_the_hdr_estimate_goes_beyond_what_the_screen_shows(predictor: ExposurePredictor, coffee: Photo) -> None:
    assert predictor.correct(exposed(coffee, 2)).radiance.max() > 1


def test_an_estimate_survives_the_way_to_another_process(predictor: ExposurePredictor, coffee: Photo) -> None:
    estimate = predictor.estimate(coffee)
    sent = pickle.dumps(estimate)
    assert len(sent) < 4_000_000
    received = pickle.loads(sent)  # noqa: S301 - our own bytes, as ZeroGPU does it
    np.testing.assert_array_equal(received.render(coffee).image, estimate.render(coffee).image)


def test_a_preview_looks_like_the_full_picture(predictor: ExposurePredictor) -> None:
    photo = exposed(cv2.resize(skimage.data.astronaut(), (1500, 1500), interpolation=cv2.INTER_CUBIC), -3)
    estimate = predictor.estimate(photo)
    small = (500, 500)
    preview = estimate.render(cv2.resize(photo, small, interpolation=cv2.INTER_AREA)).image
    full = cv2.resize(estimate.render(photo).image, small, interpolation=cv2.INTER_AREA)
    assert distance(preview, full) < 2.5


def test_fine_detail_survives_the_small_networks() -> None:
    stripes = np.tile(np.array([20, 40], np.uint8).repeat(2), 200)  # four pixels a period, far below the working size
    photo = np.repeat(np.tile(stripes, (800, 1))[..., None], 3, axis=-1)
    result = plain_estimate(photo, 3).render(photo).image
    assert np.ptp(result[400, 400:404, 0].astype(int)) >= 50


def test_an_edge_gets_no_halo() -> None:
    photo = np.full((800, 800, 3), 15, np.uint8)
    photo[:, 400:] = 200
    small = cv2.resize(photo.astype(np.float32) / 255, (64, 64), interpolation=cv2.INTER_AREA)
    target = np.where(small < 0.4, 0.35, 0.8).astype(np.float32)
    row = Estimate(small, target, target).render(photo).image[400, :, 0].astype(int)
    assert row[:380].max() - row[:380].min() <= 3
    assert row[:399].max() <= 0.35 * 255 + 6
    assert row[420:].max() - row[420:].min() <= 3


def test_shadows_do_not_turn_into_coloured_noise() -> None:
    rng = np.random.default_rng(0)
    photo = np.clip(np.rint(20 + rng.normal(0, 4, (600, 600, 3))), 0, 255).astype(np.uint8)
    gain = 5.0
    result = plain_estimate(photo, gain).render(photo).image.astype(float)
    colour = result - result.mean(axis=-1, keepdims=True)
    plain = gain * (photo.astype(float) - photo.mean(axis=-1, keepdims=True))
    assert colour.std() < 0.25 * plain.std()
    assert abs(result.mean() - gain * photo.mean()) < 3


def test_a_good_photo_keeps_its_grain() -> None:
    rng = np.random.default_rng(0)
    photo = np.clip(np.rint(120 + rng.normal(0, 4, (300, 300, 3))), 0, 255).astype(np.uint8)
    np.testing.assert_array_equal(plain_estimate(photo, 1.0).render(photo).image, photo)


def test_bands_leave_no_seams(monkeypatch: pytest.MonkeyPatch, predictor: ExposurePredictor, coffee: Photo) -> None:
    photo = exposed(coffee, -4)
    estimate = predictor.estimate(photo)
    whole = estimate.render(photo)
    monkeypatch.setattr(upsampling, "BAND", 37)
    banded = estimate.render(photo)
    assert np.abs(whole.image.astype(int) - banded.image).max() <= 1
    np.testing.assert_allclose(whole.radiance, banded.radiance, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("size", "shape"),
    [((256, 256), (256, 256)), ((3000, 4000), (224, 288)), ((4000, 3000), (288, 224)), ((32, 32), (256, 256))],
)
def test_the_networks_see_the_photo_s_own_aspect(size: tuple[int, int], shape: tuple[int, int]) -> None:
    assert working_shape(size, 256) == shape


def test_a_checkpoint_of_another_size_is_refused_whole(tmp_path: Path, predictor: ExposurePredictor) -> None:
    other = tmp_path / "other.safetensors"
    save_tensors(other, predictor.network.state_dict(), {"width": 8, "working_size": 64})
    with pytest.raises(WeightsFormatError):
        ExposurePredictor.from_pretrained(other)


def test_a_config_with_unknown_settings_is_refused(tmp_path: Path, predictor: ExposurePredictor) -> None:
    other = tmp_path / "other.safetensors"
    save_tensors(other, predictor.network.state_dict(), {"depth": 3})
    with pytest.raises(WeightsFormatError, match="config"):
        ExposurePredictor.from_pretrained(other)


def test_the_bundled_weights_are_the_compact_ones(predictor: ExposurePredictor) -> None:
    assert predictor.weights_file.origin == "bundled"
    assert not predictor.config.is_paper_size
    assert predictor.config != DRHTConfig()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cpu_and_gpu_agree(predictor: ExposurePredictor, coffee: Photo) -> None:
    on_gpu = ExposurePredictor.from_pretrained(WEIGHTS.bundled_path, device="cuda")
    photo = exposed(coffee, -3)
    a, b = predictor.correct(photo), on_gpu.correct(photo)
    assert np.abs(a.image.astype(int) - b.image).max() <= 3
    assert np.median(np.abs(a.radiance - b.radiance) / (a.radiance + 1e-3)) < 0.01


def test_results_can_be_compared(predictor: ExposurePredictor) -> None:
    estimate = predictor.estimate(np.full((64, 64, 3), 40, np.uint8))
    one, other = (estimate.render(np.full((64, 64, 3), 40, np.uint8)) for _ in range(2))
    assert one == one  # noqa: PLR0124 - arrays inside made it raise
    assert one != other
    assert [estimate].index(estimate) == 0
