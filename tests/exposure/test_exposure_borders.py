"""Bars and frames around a photo."""

import numpy as np
import pytest
from numpy.typing import NDArray

from vision_models.exposure.borders import NO_BORDERS, find_borders
from vision_models.exposure.predictor import ExposurePredictor

Photo = NDArray[np.uint8]


@pytest.fixture(scope="module")
def photo() -> Photo:
    """A colourful picture without a border."""
    return np.random.default_rng(0).integers(40, 160, (120, 180, 3)).astype(np.uint8)


@pytest.mark.parametrize("colour", [0, 255, 128])
def test_bars_and_frames_are_found_to_the_pixel(photo: Photo, colour: int) -> None:
    letterboxed = np.pad(photo, ((30, 20), (0, 0), (0, 0)), constant_values=colour)
    framed = np.pad(photo, ((9, 9), (14, 7), (0, 0)), constant_values=colour)
    assert find_borders(letterboxed).inside(170, 180) == (slice(30, 150), slice(0, 180))
    assert find_borders(framed).inside(138, 201) == (slice(9, 129), slice(14, 194))


def test_the_bars_of_a_dark_photo_are_found_too(photo: Photo) -> None:
    dark = np.pad(photo // 6, ((30, 30), (0, 0), (0, 0)))
    assert find_borders(dark).inside(180, 180) == (slice(30, 150), slice(0, 180))


def test_clipped_skies_and_white_grounds_are_no_borders(photo: Photo) -> None:
    sky = photo.copy()
    for column in range(180):
        sky[: 40 + (column % 37), column] = 255  # roofs
    product = np.full((120, 180, 3), 255, np.uint8)
    product[50:90, 70:110] = photo[50:90, 70:110]
    for picture in (photo, sky, product, np.zeros((90, 90, 3), np.uint8)):
        assert find_borders(picture) == NO_BORDERS


def test_a_photo_in_a_frame_is_corrected_as_it_would_be_alone(photo: Photo) -> None:
    predictor = ExposurePredictor.from_pretrained(device="cpu")
    dark = photo // 8
    framed = np.pad(dark, ((40, 40), (25, 0), (0, 0)), constant_values=255)
    corrected = predictor.correct(framed)
    np.testing.assert_array_equal(corrected.image[40:-40, 25:], predictor.correct(dark).image)
    assert (corrected.image[:40] == 255).all()
    assert (corrected.image[:, :25] == 255).all()
    assert np.isfinite(corrected.radiance).all()
