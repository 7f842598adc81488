"""Whether DRHT leaves alone what is well: on pictures made here, scikit-image's, and ordinary photos of a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from vision_models.exposure.evaluation.evaluate import psnr
from vision_models.exposure.predictor import ExposurePredictor
from vision_models.exposure.training.camera import expose, to_uint8
from vision_models.exposure.training.pictures import drawing, night_sky, on_white, page
from vision_models.media.photos import read_photo
from vision_models.training import find_photos

Photo = NDArray[np.uint8]

SIZE = 384  # pixels, of what is made
SEEDS = range(20)  # none of them is one of training's, which have two numbers
WHITE = 250  # of 255
EVERYDAY = ("astronaut", "chelsea", "coffee", "rocket", "cat")  # of scikit-image
BAR = 60  # pixels


class Finding(NamedTuple):
    """One row of the table."""

    picture: str
    measure: str
    wanted: str
    found: str


def evaluate_harm(predictor: ExposurePredictor, photos: Path | None = None) -> str:
    """Measure what the default correction does to pictures that need none. Returns a table in Markdown."""
    lines = ["| picture | measure | wanted | found |", "|---|---|---|---|"]
    lines += ["| " + " | ".join(one) + " |" for one in _findings(predictor, photos)]
    return "\n".join(lines)


def _findings(predictor: ExposurePredictor, photos: Path | None) -> Iterator[Finding]:
    from skimage import data

    everyday = [np.asarray(getattr(data, name)()) for name in EVERYDAY]

    def corrected(pictures: list[Photo]) -> list[Photo]:
        return [predictor.correct(picture).image for picture in pictures]

    yield _unchanged(f"{len(everyday)} photos of scikit-image", everyday, corrected(everyday))
    if photos:
        ordinary = [read_photo(path) for path in find_photos(photos)]
        yield _unchanged(f"{len(ordinary)} photos of the folder", ordinary, corrected(ordinary))
    for name, make in {"pages of text": page, "drawings": drawing}.items():
        made = [make(SIZE, np.random.default_rng(seed)) for seed in SEEDS]
        yield _unchanged(f"{len(SEEDS)} {name}", made, corrected(made))
    nights = [night_sky(SIZE, np.random.default_rng(seed)) for seed in SEEDS]
    skies = corrected(nights)
    yield _unchanged(f"{len(SEEDS)} night skies", nights, skies)
    yield Finding("night skies", "median, brightest of all", "dark", f"{max(np.median(sky) for sky in skies):.0f}")
    yield from _whites(predictor, everyday)
    yield from _sky(predictor)
    window = np.zeros((SIZE, SIZE, 3), np.uint8)
    window[60:120, 200:260] = (250, 220, 160)
    wall = predictor.correct(window, 1.0).image[200:]
    yield Finding("a lit window in the dark, whole correction", "the wall's median", "<= 20", f"{np.median(wall):.0f}")
    yield Finding("", "its standard deviation", "flat", f"{wall.std(axis=(0, 1)).mean():.1f}")
    camera = np.asarray(data.camera())[..., None].repeat(3, axis=-1)
    for name, grey in {"dark": camera // 5, "bright": np.clip(camera * 2.2 + 60, 0, 255).astype(np.uint8)}.items():
        spread = np.ptp(predictor.correct(grey, 1.0).image, axis=-1).max()
        yield Finding(f"a {name} photo in black and white", "distance between channels", "0", f"{spread}")
    coffee = everyday[EVERYDAY.index("coffee")]
    for name, photo, colour in (("black bars", coffee, 0), ("a white frame", coffee // 5, 255)):
        framed = np.pad(photo, ((BAR, BAR), (BAR, BAR), (0, 0)), constant_values=colour)
        inside = predictor.correct(framed).image[BAR:-BAR, BAR:-BAR]
        apart = abs(_lightness(inside) - _lightness(predictor.correct(photo).image))
        yield Finding(f"coffee in {name}", "lightness L apart from without", "<= 3", f"{apart:.1f}")


def _unchanged(name: str, pictures: list[Photo], results: list[Photo]) -> Finding:
    """How far the default result is from the picture, on average."""
    apart = [
        min(psnr(one / np.float32(255), result / np.float32(255)), 60.0)
        for one, result in zip(pictures, results, strict=True)
    ]
    return Finding(
        name, "PSNR from the input, mean and least, 60 at most", ">= 32 dB", f"{np.mean(apart):.1f}, {min(apart):.1f}"
    )


def _whites(predictor: ExposurePredictor, everyday: list[Photo]) -> Iterator[Finding]:
    """What becomes of white grounds and of snow."""
    grounds, kept = [], []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        photo = everyday[seed % len(everyday)]
        product = on_white(cv2.resize(photo, (SIZE, SIZE), interpolation=cv2.INTER_AREA), rng)
        result = predictor.correct(product).image
        white = product.min(axis=-1) >= WHITE
        grounds.append(np.median(result[white]) if white.any() else 255)
        kept.append((result.min(axis=-1) >= WHITE).sum() / max(white.sum(), 1))
    yield Finding(f"{len(SEEDS)} things on white", "median of the ground, darkest", "255", f"{min(grounds):.0f}")
    yield Finding("", "white that stays white", "1", f"{np.mean(kept):.2f}")
    rng = np.random.default_rng(0)
    slope = np.linspace(225, 245, SIZE)[:, None, None] + rng.normal(0, 3, (SIZE, SIZE, 1))
    snow = np.clip(slope + np.zeros(3), 0, 255).astype(np.uint8)
    cv2.circle(snow, (SIZE // 2, SIZE // 2), SIZE // 8, (40, 60, 110), cv2.FILLED, cv2.LINE_AA)
    ground = np.median(predictor.correct(snow).image[:40])
    yield Finding("snow of 226", "its median", "stays", f"{ground:.0f}")


def _sky(predictor: ExposurePredictor) -> Iterator[Finding]:
    """What becomes of a sky behind a white wall, three stops too bright and compressed."""
    half, ground, down = SIZE // 2, SIZE // 6, np.linspace(0, 1, SIZE, dtype=np.float32)[:, None, None]
    light = np.broadcast_to(0.07 + 0.05 * down + np.array([-0.02, 0.005, 0.03]), (SIZE, SIZE, 3)).astype(np.float32)
    light[SIZE // 4 :, half:] = 0.3
    rng = np.random.default_rng(0)
    light[-ground:] = rng.uniform(0.002, 0.03, (ground, SIZE, 1))
    clouds = cv2.resize(rng.normal(0, 1, (ground, ground)), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    light *= 1 + 0.01 * clouds[..., None].astype(np.float32)
    photo = to_uint8(expose(light, 3))
    _, jpeg = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 75])
    result = predictor.correct(np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8), 1.0).image.astype(np.float32)
    sky, wall = result[: -SIZE // 3, : half - 16], result[SIZE // 3 : -SIZE // 3, half + 16 : -16]
    steps = np.abs(np.diff(sky, axis=1)).mean(axis=(0, 2))
    seams = np.arange(1, len(steps) + 1) % 8 == 0  # between the blocks
    name = "a sky behind a white wall, +3 EV, JPEG"
    yield Finding(name, "blocks, of 255", "<= 0.5", f"{steps[seams].mean() - steps[~seams].mean():.1f}")
    yield Finding("", "lightness L of the wall above the sky's", "> 0", f"{_light(wall) - _light(sky):.0f}")
    frame = max(abs(_light(sky[:4]) - _light(sky[10:14])), abs(_light(sky[:, :4]) - _light(sky[:, 10:14])))
    yield Finding("", "lightness L of a frame along its edge", "<= 2", f"{frame:.1f}")


def _light(part: NDArray[np.float32]) -> float:
    return _lightness(part.astype(np.uint8))


def _lightness(picture: Photo) -> float:
    lab = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return float(lab[..., 0].mean())
