"""How good DRHT is on scenes it never saw, beside doing nothing and four classical methods.

A case is a perspective view of a held-out panorama, scaled to a geometric-mean luminance of 0.18, photographed at some
EV with a plain gamma curve in 8 bits. The reference is the exposure fusion of clean renders, as in
`vision_models.exposure.training.camera`.
HDR-VDP-2, which the paper uses, has no maintained Python version: PU21-PSNR and ColorVideoVDP stand instead.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from vision_models.exposure.predictor import ExposurePredictor
from vision_models.exposure.training.camera import Floats, expose, fuse, fuse_photos, linearise, normalise, to_uint8
from vision_models.exposure.training.scenes import find_stacks, load_panoramas, perspective, split_scenes
from vision_models.media.photos import read_photo

LOG = logging.getLogger(__name__)

Photo = NDArray[np.uint8]

EXPOSURES = (-4, -3, -2, -1, 0, 1, 2, 3, 4)  # EV
HARD_EXPOSURES = (-4, -3, -2, 2, 3, 4)
VIEW = (256, 256)
FIELD_OF_VIEW = 75.0
YAWS = (0.0, 90.0, 180.0, 270.0)
WHITE_NITS = 100.0  # cd/m^2 that radiance 1.0 is shown at for the HDR metrics
DISPLAY_NITS = (0.005, 4000.0)  # of PU21-PSNR; ColorVideoVDP's display, standard_hdr_linear, clips at 1,500


def unchanged(photo: Photo) -> Photo:
    """Do nothing."""
    return photo


def auto_gamma(photo: Photo) -> Photo:
    """The power that takes the mean to 0.5."""
    mean = np.clip(photo.mean() / 255, 1e-3, 1 - 1e-3)
    return to_uint8((photo.astype(np.float32) / 255) ** np.float32(np.log(0.5) / np.log(mean)))


def equalise(photo: Photo) -> Photo:
    """Histogram equalisation of the lightness L of CIE Lab."""
    return _on_lightness(photo, cv2.equalizeHist)


def clahe(photo: Photo) -> Photo:
    """Contrast-limited adaptive histogram equalisation of L: limit 2, 8 x 8 tiles."""
    return _on_lightness(photo, cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8)).apply)


def fuse_single(photo: Photo) -> Photo:
    """Mertens fusion of six exposures made from the one photo."""
    return to_uint8(fuse(linearise(photo)))


CLASSICAL: dict[str, Callable[[Photo], Photo]] = {
    "nothing": unchanged,
    "auto-gamma": auto_gamma,
    "hist. eq.": equalise,
    "CLAHE": clahe,
    "Mertens of one": fuse_single,
}


def cases(data: Path) -> Iterator[tuple[int, Photo, Floats, Floats]]:
    """Every (EV, photo uint8, reference in 0..1, radiance), all HxWx3, of the held-out scenes of a folder."""
    for panorama in load_panoramas(split_scenes(data)[1]):
        for yaw in YAWS:
            radiance = normalise(perspective(panorama, VIEW, FIELD_OF_VIEW, yaw))
            reference = fuse(radiance)
            for ev in EXPOSURES:
                yield ev, to_uint8(expose(radiance, ev)), reference, radiance


def psnr(a: Floats, b: Floats) -> float:
    """Peak signal-to-noise ratio in dB of two pictures in 0..1."""
    return float(-10 * np.log10(max(float(np.mean((a - b) ** 2)), 1e-10)))


def ssim(a: Floats, b: Floats) -> float:
    """Structural similarity of two pictures HxWx3 in 0..1, with the 11x11 Gaussian window of Wang et al. (2004)."""
    from skimage.metrics import structural_similarity

    wang = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return float(structural_similarity(a, b, channel_axis=-1, data_range=1.0, **wang))


def pu21_psnr(radiance: Floats, reference: Floats) -> float:
    """PSNR in dB of two linear HDR pictures, HxWx3, after PU21 encoding (Mantiuk, Azimi, 2021, banding and glare)."""
    return psnr(_pu21(_as_shown(radiance)) / 256, _pu21(_as_shown(reference)) / 256)


def evaluate(data: Path, predictor: ExposurePredictor, *, hdr: bool = True) -> str:
    """Compare DRHT with the classical methods on the held-out scenes of a folder of panoramas.

    Args:
        data: folder of .hdr or .exr panoramas; every sixth by name is evaluated.
        predictor: what to evaluate.
        hdr: also score the HDR estimate, which takes several times longer.

    Returns:
        Tables in Markdown: PSNR, SSIM (11x11 Gaussian window) and FSIM of every method at every EV, then PU21-PSNR and
        ColorVideoVDP.
    """
    from piq import fsim

    scores: dict[str, dict[tuple[str, int], list[float]]] = {
        "PSNR": defaultdict(list),
        "SSIM": defaultdict(list),
        "FSIM": defaultdict(list),
    }
    hdr_scores: dict[str, dict[tuple[str, int], list[float]]] = {
        "PU21-PSNR": defaultdict(list),
        "JOD": defaultdict(list),
    }
    visible_difference = _colour_video_vdp() if hdr else None
    for count, (ev, photo, reference, radiance) in enumerate(cases(data)):
        if count % (len(EXPOSURES) * len(YAWS)) == 0:
            LOG.info(f"scene {count // (len(EXPOSURES) * len(YAWS)) + 1}")
        correction = predictor.correct(photo)
        results = {name: method(photo) for name, method in CLASSICAL.items()} | {"DRHT": correction.image}
        for name, image in results.items():
            result = image.astype(np.float32) / 255
            scores["PSNR"][name, ev].append(psnr(result, reference))
            scores["SSIM"][name, ev].append(ssim(result, reference))
            scores["FSIM"][name, ev].append(float(fsim(_tensor(result), _tensor(reference), data_range=1.0)))
        if visible_difference is None:
            continue
        for name, estimate in (("nothing", linearise(photo)), ("DRHT", correction.radiance)):
            aligned = _align(estimate, radiance)
            hdr_scores["PU21-PSNR"][name, ev].append(pu21_psnr(aligned, radiance))
            hdr_scores["JOD"][name, ev].append(visible_difference(_as_shown(aligned), _as_shown(radiance)))
    tables = [
        _table(metric, values, [*CLASSICAL, "DRHT"], digits=2 if metric == "PSNR" else 3)
        for metric, values in scores.items()
    ]
    if hdr:
        tables += [
            _table(f"{metric} of the HDR estimate", values, ["nothing", "DRHT"], digits=2)
            for metric, values in hdr_scores.items()
        ]
    return "\n\n".join(tables)


def evaluate_stacks(folder: Path, predictor: ExposurePredictor) -> str:
    """Compare DRHT with the classical methods on real exposure stacks.

    The reference is the Mertens fusion of a whole stack, at 256 x 256 (the largest centred square). "Hard under" is the
    frame whose mean is nearest 0.3 of the reference's, "hard over" the one nearest 1.6; a stack without one under 0.6
    or over 1.25 is left out of that row.

    Args:
        folder: Every folder below it that holds at least three JPEG or PNG files is a stack.
        predictor: What to evaluate.

    Returns:
        A table in Markdown: PSNR and SSIM (11x11 Gaussian window) of every method.
    """
    methods = CLASSICAL | {"DRHT": lambda photo: predictor.correct(photo).image}
    scores: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    stacks = find_stacks(folder)
    for paths in stacks:
        frames = [_centre(read_photo(path)) for path in paths]
        reference = fuse_photos(frames)
        ratios = np.array([frame.mean() / 255 for frame in frames]) / reference.mean()
        for kind, target, wrong in (("hard under", 0.3, ratios < 0.6), ("hard over", 1.6, ratios > 1.25)):
            if not wrong.any():
                continue
            photo = frames[int(np.argmin(np.where(wrong, np.abs(np.log(ratios / target)), np.inf)))]
            for name, method in methods.items():
                result = method(photo).astype(np.float32) / 255
                similarity = ssim(result, reference)
                scores[name, kind].append((psnr(result, reference), similarity))
    lines = [f"| PSNR / SSIM on {len(stacks)} real stacks | hard under | hard over |", "|---|---|---|"]
    for name in methods:
        means = [np.mean(scores[name, kind], axis=0) for kind in ("hard under", "hard over")]
        lines.append(
            f"| {name} | " + " | ".join(f"{decibels:.2f} / {similarity:.3f}" for decibels, similarity in means) + " |"
        )
    return "\n".join(lines)


def _centre(photo: Photo) -> Photo:
    side = min(photo.shape[:2])
    top, left = (photo.shape[0] - side) // 2, (photo.shape[1] - side) // 2
    square = photo[top : top + side, left : left + side]
    return np.asarray(cv2.resize(square, VIEW, interpolation=cv2.INTER_AREA), np.uint8)


def _table(metric: str, values: dict[tuple[str, int], list[float]], methods: list[str], digits: int) -> str:
    """One metric: a row per method, a column per EV, and the mean over the hard exposures."""
    header = (
        f"| {metric} | " + " | ".join(f"{ev:+d} EV" if ev else "0 EV" for ev in EXPOSURES) + " | mean of ±2, ±3, ±4 |"
    )
    lines = [header, "|" + "---|" * (len(EXPOSURES) + 2)]
    for method in methods:
        means = {ev: float(np.mean(values[method, ev])) for ev in EXPOSURES}
        hard = np.mean([means[ev] for ev in HARD_EXPOSURES])
        lines.append(
            f"| {method} | " + " | ".join(f"{means[ev]:.{digits}f}" for ev in EXPOSURES) + f" | {hard:.{digits}f} |"
        )
    return "\n".join(lines)


def _on_lightness(photo: Photo, change: Callable[[Photo], Photo]) -> Photo:
    lab = cv2.cvtColor(photo, cv2.COLOR_RGB2LAB)
    lab[..., 0] = change(np.ascontiguousarray(lab[..., 0]))
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)


def _tensor(image: Floats) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.clip(0, 1).transpose(2, 0, 1)))[None]


def _align(estimate: Floats, reference: Floats) -> Floats:
    """Radiance has no absolute scale: match the median ratio, so that clipped parts do not decide."""
    ratio = np.median((reference.mean(axis=-1) + 1e-4) / (estimate.mean(axis=-1) + 1e-4))
    return estimate * np.float32(ratio)


def _as_shown(radiance: Floats) -> Floats:
    """cd/m^2 on an HDR display: radiance 1.0 at 100, clipped to 0.005..4000."""
    return np.clip(radiance * WHITE_NITS, *DISPLAY_NITS).astype(np.float32)


def _pu21(nits: Floats) -> Floats:
    """PU21 code values of luminance in cd/m^2; 100 cd/m^2 is 256."""
    a, b, c, d, e, f, g = (
        0.353487901,
        0.3734658629,
        8.277049286e-05,
        0.9062562627,
        0.09150303166,
        0.9099517204,
        596.3148142,
    )
    power = nits**d
    return g * (((a + b * power) / (1 + c * power)) ** e - f)


def _colour_video_vdp() -> Callable[[Floats, Floats], float]:
    """ColorVideoVDP (Mantiuk et al., 2024): (test, reference) in cd/m^2 to JOD, 10 for no visible difference.

    Its display shows up to 1,500 cd/m^2; what is brighter is clipped there.
    """
    import pycvvdp

    metric = pycvvdp.cvvdp(display_name="standard_hdr_linear", heatmap=None, device=torch.device("cpu"))

    def jod(test: Floats, reference: Floats) -> float:
        value, _ = metric.predict(test, reference, dim_order="HWC")
        return float(value)

    return jod
