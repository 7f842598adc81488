"""Cameras: exposures, curves, noise, and the fusion of a bracket.

The paper's LDR ground truth was retouched by hand in Photoshop. No retoucher took part here: where no photo says how a
scene should look, the ground truth is an exposure fusion of clean renders.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vision_models.exposure.config import LUMINANCE

Floats = NDArray[np.floating]  # float32 throughout; NumPy's type hints lose the precision in arithmetic
Curve = Callable[[Floats], Floats]

MIDDLE_GREY = 0.18  # a scene is scaled to this geometric-mean luminance, if nothing else says how bright it is
FUSED_EXPOSURES = (-4.0, -2.5, -1.0, 0.0, 1.0, 2.0)  # EV of the renders that the ground truth is fused from
KNEE, WHITEST = 0.6, 0.98  # of a fused bracket: from where on it is brightened, and how bright it gets
_LUMINANCE = np.array(LUMINANCE, np.float32)


def luminance_of(picture: Floats) -> Floats:
    """Of a picture HxWx3, linear or not, as HxW."""
    return picture @ _LUMINANCE


def normalise(radiance: Floats) -> Floats:
    """Scale linear radiance HxWx3 to a geometric-mean luminance of 0.18."""
    luminance = np.maximum(luminance_of(radiance), 1e-6)
    return radiance * np.float32(MIDDLE_GREY / np.exp(np.log(luminance).mean()))


def gamma_curve(exposed: Floats) -> Floats:
    """The plain display curve, x^(1/2.2), for x in 0..1."""
    return exposed ** np.float32(1 / 2.2)


def expose(radiance: Floats, ev: float, curve: Curve = gamma_curve) -> Floats:
    """Photograph linear radiance at an exposure: curve(clip(H * 2^EV, 0, 1)), in 0..1."""
    return curve(np.clip(radiance * np.float32(2.0**ev), 0, 1))


def to_uint8(image: Floats) -> NDArray[np.uint8]:
    """Round values in 0..1 to 8 bits."""
    return (image * 255 + 0.5).astype(np.uint8)


def linearise(photo: NDArray[np.uint8]) -> Floats:
    """Undo the plain display curve of an 8-bit photo: linear, in 0..1."""
    return (photo.astype(np.float32) / 255) ** np.float32(2.2)


@dataclass(frozen=True)
class Camera:
    """How a scene becomes pictures: its curve, and the exposures of the bracket that the ground truth is fused from."""

    curve: Curve
    bracket: Sequence[float]  # EV


PLAIN_CAMERA = Camera(gamma_curve, FUSED_EXPOSURES)


def random_camera(rng: np.random.Generator) -> Camera:
    """A camera as people have them: a curve that crushes blacks more or less, and a bracket about its own metering.

    The curves are the sigmoids of Eilertsen et al., "HDR image reconstruction", 2017, steepened around the middle.
    """
    n = np.float32(np.clip(rng.normal(0.9, 0.1), 0.6, 1.2))
    sigma = np.float32(np.clip(rng.normal(0.6, 0.1), 0.3, 0.9))
    contrast = np.float32(rng.uniform(0, 0.7))
    black = np.float32(rng.uniform(0, 0.03))

    def curve(exposed: Floats) -> Floats:
        power = exposed**n
        tone = (1 + sigma) * power / (power + sigma)
        tone = tone + contrast * (tone * tone * (3 - 2 * tone) - tone)
        return np.clip((tone - black) / (1 - black), 0, 1)

    brackets = ((-2, 0, 2), (-3, -2, -1, 0, 1, 2, 3), (-4, -2, 0, 2, 4))
    shift = rng.normal(-0.4, 0.7)
    return Camera(curve, [ev + shift for ev in brackets[int(rng.integers(len(brackets)))]])


def deepen(radiance: Floats, rng: np.random.Generator) -> Floats:
    """Stretch contrast and colours of a normalised view at random: small panoramas are softer than real scenes."""
    contrast = np.float32(np.exp(rng.uniform(0, np.log(2))))
    saturation = np.float32(rng.uniform(1.0, 1.5))
    luminance = np.maximum(luminance_of(radiance), 1e-6)[..., None]
    colours = np.maximum(luminance + saturation * (radiance - luminance), 0) / luminance
    return colours * MIDDLE_GREY * (luminance / MIDDLE_GREY) ** contrast


def fuse(radiance: Floats, camera: Camera = PLAIN_CAMERA) -> Floats:
    """Ground truth: the fusion of a bracket of 8-bit renders of the scene. HxWx3 in 0..1."""
    return fuse_photos([to_uint8(expose(radiance, ev, camera.curve)) for ev in camera.bracket])


def fuse_photos(photos: Sequence[NDArray[np.uint8]]) -> Floats:
    """Fuse a bracket (Mertens, Kautz, Van Reeth, "Exposure Fusion", 2007). HxWx3 in 0..1."""
    return np.clip(cv2.createMergeMertens().process(list(photos)), 0, 1)


def brighten_lights(fused: Floats) -> Floats:
    """Take the lights of a fused bracket up to white: fusion leaves even lamps grey. What is under 0.6 stays."""
    top = float(np.percentile(fused.max(axis=-1), 99.8))
    if not KNEE < top < WHITEST:
        return fused
    over = np.maximum(fused - np.float32(KNEE), 0)
    return np.minimum(fused + over**2 * np.float32((WHITEST - top) / (top - KNEE) ** 2), 1)


def take_photo(radiance: Floats, ev: float, curve: Curve, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Photograph a scene as a camera does: sensor noise, exposure, curve, 8 bits, sometimes JPEG."""
    exposed = radiance * np.float32(2.0**ev)
    if rng.random() < 0.6:
        shot = np.exp(rng.uniform(np.log(1e-6), np.log(3e-4)))
        read = np.exp(rng.uniform(np.log(1e-5), np.log(1e-3)))
        deviation = np.sqrt(shot * np.minimum(exposed, 1) + read**2)
        exposed = exposed + deviation * rng.standard_normal(exposed.shape, dtype=np.float32)
    photo = to_uint8(curve(np.clip(exposed, 0, 1).astype(np.float32)))
    if rng.random() < 0.6:
        _, jpeg = cv2.imencode(".jpg", photo[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 99))])
        return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR_RGB), np.uint8)
    return photo
