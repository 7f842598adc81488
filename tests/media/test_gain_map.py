"""HDR photos in JPEGs: a photo for every program, and a map of its lights that a reader finds where the file says."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from vision_models.media.gain_map import MOST_STOPS, gain_stops, has_gain_map, write_hdr_jpeg
from vision_models.media.photos import read_photo, write_jpeg

NUMBER_OF_PICTURES, PICTURES = 0xB001, 0xB002  # tags of the index


@pytest.fixture
def scene() -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A grey ramp with a lamp in it that is shown as white, and has eight times the light of white."""
    image = np.repeat(np.linspace(20, 200, 96)[None, :, None], 64, axis=0).repeat(3, axis=2).astype(np.uint8)
    cv2.circle(image, (48, 32), 12, (255, 255, 255), cv2.FILLED)
    radiance: NDArray[np.float32] = ((image / 255) ** 2.2).astype(np.float32)
    radiance[image.min(axis=-1) == 255] = 8
    return image, radiance


def test_every_program_sees_the_photo(scene: tuple[NDArray[np.uint8], NDArray[np.float32]], tmp_path: Path) -> None:
    image, radiance = scene
    shown = read_photo(write_hdr_jpeg(image, radiance, tmp_path / "photo.jpg"))
    assert shown.shape == image.shape
    assert np.abs(shown.astype(float) - image).mean() < 2


def test_the_index_says_where_the_map_is_and_the_map_where_the_light_is(
    scene: tuple[NDArray[np.uint8], NDArray[np.float32]], tmp_path: Path
) -> None:
    file = write_hdr_jpeg(*scene, tmp_path / "photo.jpg")
    data = file.read_bytes()
    with Image.open(file) as picture:
        assert isinstance(picture, JpegImageFile)
        index = picture._getmp()
        assert index is not None
        assert index[NUMBER_OF_PICTURES] == 2
        first, second = index[PICTURES]
        start = picture.info["mpoffset"] + second["DataOffset"]
        assert b"GainMap" in picture.info["xmp"]
    assert first["Size"] == start
    assert start + second["Size"] == len(data)
    assert data[start : start + 2] == b"\xff\xd8"
    assert b"hdrgm:GainMapMax" in data[start:]
    levels = np.asarray(cv2.imdecode(np.frombuffer(data[start:], np.uint8), cv2.IMREAD_GRAYSCALE))
    assert levels.shape == (16, 24)
    assert levels[8, 12] > 200
    assert levels[:, 0].max() < 10


def test_only_lights_get_brighter_and_not_without_end(
    scene: tuple[NDArray[np.uint8], NDArray[np.float32]],
) -> None:
    image, radiance = scene
    gain = gain_stops(image, radiance * 100)  # light has no unit
    assert gain.max() <= MOST_STOPS
    assert gain[8, 12] > 2
    assert gain[:, :6].max() < 0.1


def test_a_photo_without_middle_tones_stays_as_it_is(tmp_path: Path) -> None:
    black = np.zeros((40, 40, 3), np.uint8)
    assert gain_stops(black, np.zeros((40, 40, 3), np.float32)).max() == 0
    assert read_photo(write_hdr_jpeg(black, np.zeros((40, 40, 3), np.float32), tmp_path / "black.jpg")).max() < 3


def test_a_photo_whose_light_is_not_read_is_known(
    scene: tuple[NDArray[np.uint8], NDArray[np.float32]], tmp_path: Path
) -> None:
    assert has_gain_map(write_hdr_jpeg(*scene, tmp_path / "hdr.jpg"))
    assert not has_gain_map(write_jpeg(scene[0], tmp_path / "plain.jpg"))
