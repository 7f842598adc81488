"""Pictures made here that need no correction: pages of text, drawings, night skies, snow; and things on white."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Photo = NDArray[np.uint8]
FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX)
LETTERS = np.array(list("etaoinshrdlucmfwypvbgkETAOINSHRDL0123456789,.-"))


def page(size: int, rng: np.random.Generator) -> Photo:
    """Lines of text on paper or on a screen, with a heading and a bar now and then."""
    ground, ink = _ground_and_ink(rng)
    picture = np.full((size, size, 3), ground, np.uint8)
    if rng.random() < 0.4:
        height = int(rng.integers(size // 16, size // 5))
        picture[:height] = rng.integers(0, 256, 3)
    font, scale = FONTS[rng.integers(len(FONTS))], float(np.exp(rng.uniform(np.log(0.3), np.log(1.6))))
    margin, line = int(rng.integers(2, size // 6)), max(int(30 * scale * rng.uniform(1, 1.6)), 8)
    for bottom in range(margin + line, size - 2, line):
        words = "".join(rng.choice(LETTERS, 80)) if rng.random() < 0.8 else ""
        spaced = " ".join(words[start : start + 6] for start in range(0, len(words), int(rng.integers(4, 8))))
        end = size - margin if rng.random() < 0.7 else int(rng.integers(margin, size))
        strip = picture[:, :end]
        thickness = 1 + int(scale > 0.8 and rng.random() < 0.5)
        cv2.putText(strip, spaced, (margin, bottom), font, scale, ink.tolist(), thickness, cv2.LINE_AA)
    return picture


def drawing(size: int, rng: np.random.Generator) -> Photo:
    """Flat shapes: a logo, a chart, line art."""
    ground, ink = _ground_and_ink(rng)
    picture = np.full((size, size, 3), ground, np.uint8)
    flat = rng.random() < 0.7
    for _ in range(int(rng.integers(1, 12))):
        colour = rng.integers(0, 256, 3).tolist() if rng.random() < 0.7 else ink.tolist()
        a, b = (tuple(int(c) for c in rng.integers(0, size, 2)) for _ in range(2))
        filled = cv2.FILLED if flat else int(rng.integers(1, 4))
        kind = rng.integers(4)
        if kind == 0:
            cv2.rectangle(picture, a, b, colour, filled)
        elif kind == 1:
            cv2.circle(picture, a, int(rng.integers(3, size // 3)), colour, filled, cv2.LINE_AA)
        elif kind == 2:
            cv2.line(picture, a, b, colour, int(rng.integers(1, 6)), cv2.LINE_AA)
        else:
            cv2.fillPoly(picture, [rng.integers(0, size, (int(rng.integers(3, 7)), 2))], colour, cv2.LINE_AA)
    return picture


def night_sky(size: int, rng: np.random.Generator) -> Photo:
    """Stars over a horizon, sometimes with the moon: nearly black on purpose."""
    top, bottom = (rng.uniform(0, 0.05) * rng.uniform(0.4, 1.0, 3) for _ in range(2))
    fade = np.linspace(0, 1, size, dtype=np.float32)[:, None, None] ** 2
    sky = np.repeat(top * (1 - fade) + bottom * rng.uniform(1, 3) * fade, size, axis=1).astype(np.float32)
    haze = cv2.resize(rng.random((6, 6), np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    sky *= 1 + rng.uniform(0, 1.5) * (haze[..., None] - 0.5)
    stars = np.zeros((size, size), np.float32)
    count = int(rng.integers(20, 400))
    stars[rng.integers(0, size, count), rng.integers(0, size, count)] = rng.pareto(1.5, count) * 0.25
    sky += cv2.GaussianBlur(stars, (0, 0), rng.uniform(0.4, 0.8))[..., None] * rng.uniform(0.8, 1.0, 3)
    if rng.random() < 0.3:
        moon = np.zeros((size, size), np.float32)
        centre = tuple(int(c) for c in rng.integers(0, size, 2))
        cv2.circle(moon, centre, int(rng.integers(2, max(size // 12, 3))), 1.0, cv2.FILLED, cv2.LINE_AA)
        sky += moon[..., None] * rng.uniform(0.7, 1.0)
    if rng.random() < 0.6:
        ridge = cv2.resize(rng.random((1, 12), np.float32), (size, 1), interpolation=cv2.INTER_CUBIC)[0]
        below = np.arange(size)[:, None] > size * (rng.uniform(0.6, 1.0) + 0.15 * (ridge - 0.5))
        sky[below] *= rng.uniform(0, 0.5)
    sky += rng.normal(0, rng.uniform(0, 0.01), sky.shape)
    return np.clip(sky * 255 + 0.5, 0, 255).astype(np.uint8)


def snow(size: int, rng: np.random.Generator) -> Photo:
    """Snow, sand or fog with some dark things in it, and a sky: nearly white on purpose."""
    relief = cv2.resize(rng.random((8, 8), np.float32), (size, size), interpolation=cv2.INTER_CUBIC) - 0.5
    slope = np.linspace(-0.5, 0.5, size)[:, None] * rng.uniform(-25, 25)
    ground = rng.uniform(200, 248) + relief * rng.uniform(2, 25) + slope
    picture = ground[..., None] * (1 - rng.uniform(0, 0.06) * np.array([1.0, 0.5, 0.0])[:: rng.choice([-1, 1])])
    if rng.random() < 0.5:
        picture[: int(size * rng.uniform(0.1, 0.5))] = rng.uniform(150, 250) - rng.uniform(0, 60) * rng.random(3)
    picture += rng.normal(0, rng.uniform(0, 5), (size, size, 1))
    picture = np.clip(picture, 0, 255).astype(np.uint8)
    for _ in range(int(rng.integers(1, 16))):
        colour = rng.integers(10, 140, 3).tolist()
        x, y = (int(c) for c in rng.integers(0, size, 2))
        tall, wide = (max(int(size * rng.uniform(0.02, most)), 2) for most in (0.3, 0.1))
        if rng.random() < 0.5:
            corners = np.array([[x - wide, y], [x + wide, y], [x, y - tall]])
            cv2.fillPoly(picture, [corners], colour, cv2.LINE_AA)
        else:
            cv2.ellipse(picture, (x, y), (wide, tall // 2 + 1), rng.uniform(-30, 30), 0, 360, colour, cv2.FILLED)
    return cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 1.2))


def on_white(photo: Photo, rng: np.random.Generator) -> Photo:
    """Cut a thing of any shape out of a photo (size x size x 3), and put it on white, with or without a shadow."""
    size = len(photo)
    angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 12))))
    radii = size * rng.uniform(0.12, 0.45) * rng.uniform(0.6, 1.3, len(angles))
    outline = (
        size / 2 + size * rng.uniform(-0.1, 0.1, 2) + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    )
    mask = np.zeros((size, size), np.float32)
    cv2.fillPoly(mask, [outline.round().astype(np.int32)], 1.0)
    if rng.random() < 0.5:
        mask = (cv2.GaussianBlur(mask, (0, 0), size / 24) > 0.5).astype(np.float32)
    mask = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.4, 1.2))
    ground = np.full(photo.shape, rng.uniform(247, 255.5) if rng.random() < 0.5 else 255, np.float32)
    if rng.random() < 0.5:
        shadow = cv2.GaussianBlur(np.roll(mask, int(rng.integers(2, 20)), axis=0), (0, 0), size / 20)
        ground *= (1 - rng.uniform(0.05, 0.4) * shadow)[..., None]
    return np.clip(mask[..., None] * photo + (1 - mask[..., None]) * ground, 0, 255).astype(np.uint8)


MADE: tuple[Callable[[int, np.random.Generator], Photo], ...] = (page, drawing, night_sky, snow)


def _ground_and_ink(rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    kind = rng.random()
    if kind < 0.5:
        return np.full(3, 255), rng.integers(0, 90, 3) if rng.random() < 0.3 else np.full(3, rng.integers(0, 60))
    if kind < 0.75:
        return 255 - rng.integers(0, 40, 3), np.full(3, rng.integers(0, 90))
    if kind < 0.9:
        return rng.integers(0, 50, 3), 255 - rng.integers(0, 90, 3)
    return rng.integers(0, 256, 3), rng.integers(0, 256, 3)
