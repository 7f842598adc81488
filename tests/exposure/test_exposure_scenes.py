"""What DRHT learns from besides panoramas: real brackets, photos that are right, pictures made for it."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from vision_models.errors import DataError
from vision_models.exposure.training.camera import brighten_lights, expose, normalise, to_uint8
from vision_models.exposure.training.pictures import MADE, night_sky, on_white
from vision_models.exposure.training.scenes import align, find_stacks, merge, read_stack, scene_of_photo
from vision_models.media.photos import write_png

Photo = NDArray[np.uint8]


def blobs(height: int, width: int, *, seed: int = 0) -> NDArray[np.float32]:
    """A colourful picture in 0..1, with details."""
    small = np.random.default_rng(seed).random((height // 5, width // 5, 3), np.float32)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC).clip(0.02, 1)


@pytest.fixture
def bracket(tmp_path: Path) -> tuple[Path, NDArray[np.float32]]:
    """Five photos of one scene in a folder, two stops apart, and the scene."""
    radiance = normalise(blobs(120, 160) ** 3)
    for ev in (-4, -2, 0, 2, 4):
        write_png(to_uint8(expose(radiance, ev)), tmp_path / f"stack{ev + 4}.png")
    return tmp_path, radiance.astype(np.float32)


def test_a_real_bracket_becomes_a_scene_with_its_own_photos(bracket: tuple[Path, NDArray[np.float32]]) -> None:
    folder, radiance = bracket
    (paths,) = find_stacks(folder)
    scene = read_stack(paths)
    assert len(scene.photos) == 5
    assert scene.right is not None
    assert 0.3 < scene.right.mean() < 0.7
    ratio = np.log2(scene.radiance / radiance)
    assert np.abs(ratio - np.median(ratio)).mean() < 0.2  # stops


def test_photos_held_by_hand_are_shifted_onto_each_other() -> None:
    scene = np.random.default_rng(3).random((40, 52, 3)).astype(np.float32)
    scene = cv2.resize(scene, (260, 200), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    moved = [to_uint8(scene[10 + y : 190 + y, 10 + x : 250 + x] * gain) for x, y, gain in ((0, 0, 0.6), (4, -6, 0.8))]
    first, second = align(moved)
    assert np.abs(first / 0.6 - second / 0.8).mean() < np.abs(moved[0] / 0.6 - moved[1] / 0.8).mean() / 3


def test_a_bracket_of_two_sizes_or_of_nothing_is_refused(tmp_path: Path) -> None:
    for name, photo in {
        "a": np.full((40, 60, 3), 90),
        "b": np.full((60, 40, 3), 90),
        "c": np.full((40, 60, 3), 200),
    }.items():
        write_png(photo.astype(np.uint8), tmp_path / f"{name}.png")
    with pytest.raises(DataError, match="not of one size"):
        read_stack(find_stacks(tmp_path)[0])
    for name in "abc":
        write_png(np.zeros((40, 60, 3), np.uint8), tmp_path / f"{name}.png")
    with pytest.raises(DataError, match="show something"):
        read_stack(find_stacks(tmp_path)[0])


def test_merging_keeps_the_order_of_light() -> None:
    radiance = normalise(np.linspace(0.001, 1, 64, dtype=np.float32)[None, :, None].repeat(32, 0).repeat(3, 2))
    merged = merge([to_uint8(expose(radiance, ev)) for ev in (-3, 0, 3)])
    assert (np.diff(merged.mean(axis=(0, 2))) > -1e-3).all()


def test_what_is_dark_or_white_on_purpose_stays_as_it_is() -> None:
    rng = np.random.default_rng(0)
    ordinary = to_uint8(0.2 + 0.5 * blobs(64, 64))
    night = np.full((64, 64, 3), 12, np.uint8)
    too_dark = night.copy()
    night[10:14, 10:40] = 250  # lamps
    product = np.full((64, 64, 3), 255, np.uint8)
    product[16:48, 16:48] = ordinary[16:48, 16:48]
    too_bright = np.full((64, 64, 3), 230, np.uint8)

    def kind(photo: Photo) -> str:
        scene = scene_of_photo(photo, rng)
        return "badly exposed" if scene is None else "right" if scene.is_right else "ordinary"

    kinds = [kind(photo) for photo in (ordinary, night, product, too_dark, too_bright)]
    assert kinds == ["ordinary", "right", "ordinary", "badly exposed", "badly exposed"]


def test_made_pictures_are_varied_and_a_night_sky_is_dark() -> None:
    rng = np.random.default_rng(0)
    for make in MADE:
        assert make(64, rng).shape == (64, 64, 3)
        assert not np.array_equal(make(64, rng), make(64, rng))
    assert np.median(night_sky(64, rng)) < 30


def test_a_thing_on_white_keeps_its_own_colours() -> None:
    photo = np.full((64, 64, 3), 100, np.uint8)
    picture = on_white(photo, np.random.default_rng(1))
    assert (picture[0] >= 245).all()
    assert (np.abs(picture.astype(int) - 100) <= 1).all(axis=-1).mean() > 0.02


def test_lights_of_a_fused_bracket_become_white_and_the_rest_stays() -> None:
    fused = np.linspace(0.1, 0.85, 100, dtype=np.float32)[None, :, None].repeat(10, 0).repeat(3, 2)
    brightened = brighten_lights(fused)
    assert brightened.max() == pytest.approx(0.98, abs=0.01)
    np.testing.assert_array_equal(brightened[fused < 0.6], fused[fused < 0.6])
    assert (np.diff(brightened[0, :, 0]) > 0).all()
