"""From the networks' small pictures to full resolution, without running the networks on millions of pixels.

At the working size the input and a result are known for every pixel. Around each of those pixels the result is taken
to be an affine function of the input, per channel, fitted by ridge regression in closed form, as in the guided filter
(He, Sun, Tang, "Guided Image Filtering", 2010) and its fast form (He, Sun, "Fast Guided Filter", 2015). Slopes and
offsets are smooth, so they can be interpolated; applied to the full-resolution input they carry over its detail, and
edges stay where they were. Two changes: the ridge pulls slopes towards the plain gain (result / input) instead of 0,
and offsets are chosen last, so that the small picture is reproduced exactly, but for its edges.
Where the input is clipped it has no detail, and the small picture itself shows.

Pictures are float tensors (C, H, W) in 0..1 on any device. On a CPU, OpenCV enlarges and averages: it takes a
thirtieth of the time that PyTorch takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import torch
from torch import Tensor
from torch.nn import functional

from vision_models.exposure.config import LUMINANCE

NOISE_BLOCK = 24  # pixels
BAND = 128  # rows that are worked on at a time, so that memory does not grow with the photo
_RIDGE = 1e-2  # relative to the squared local brightness
_BLACK = 1e-3  # keeps gains finite in black areas
_LARGEST_SLOPE = 16.0
_LIGHTS = 0.85  # from here to 1, the brightest channel of a pixel says less and less
_SKY = 6  # pixels, the radius in which lights are smoothed
_SKY_STEP = 1e-2  # of 0..1: where the guide varies less, nothing but compression shows
_FRAME = 4  # pixels along the edges of what the networks say, which know nothing of what lies outside


@dataclass(frozen=True, eq=False)
class LocalAffine:
    """An affine function of the guide around every pixel: slope * guide + offset, both (C, h, w)."""

    slope: Tensor
    offset: Tensor

    def __call__(self, guide: Tensor, rows: slice, height: int) -> Tensor:
        """Evaluate rows of an enlargement to `height` rows; guide is (C, rows, W), or (1, rows, W) for all channels."""
        size = (height, guide.shape[-1])
        return torch.addcmul(enlarge(self.offset, rows, size), enlarge(self.slope, rows, size), guide)


def fit(guide: Tensor, target: Tensor) -> LocalAffine:
    """Fit target = slope * guide + offset around every pixel; both are (3, h, w) at working size, in 0..1."""
    mean_guide, mean_target, variance, covariance = _moments(guide, target, 1)
    ridge = _RIDGE * (mean_guide**2 + _BLACK)
    gain = (mean_target + _BLACK) / (mean_guide + _BLACK)
    slope = (covariance + ridge * gain) / (variance + ridge)
    slope = _box(slope.clamp(0, _LARGEST_SLOPE), 1)
    return LocalAffine(_without_frame(slope), _without_frame(target - slope * guide))


def smooth_lights(guide: Tensor, target: Tensor) -> Tensor:
    """Take compression's blocks and glow along edges out of a corrected picture where the guide is nearly clipped.

    There the networks amplify what little the guide says by a lot; a sky is smoother than that. Both are (3, h, w) in
    0..1; the result is that of a guided filter.
    """
    mean_guide, mean_target, variance, covariance = _moments(guide, target, _SKY)
    slope = covariance / (variance + _SKY_STEP**2)
    smooth = _box(slope, _SKY) * guide + _box(mean_target - slope * mean_guide, _SKY)
    share = (guide.amax(dim=0, keepdim=True) - _LIGHTS) / (1 - _LIGHTS)
    return torch.lerp(target, smooth, share.clamp(0, 1))


def _without_frame(x: Tensor) -> Tensor:
    """Along the edges of (C, h, w), repeat what stands next to them: the target has a faint frame there."""
    frame = min(_FRAME, (min(x.shape[1:]) - 1) // 2)
    inside = x[:, frame : x.shape[1] - frame, frame : x.shape[2] - frame]
    return functional.pad(inside[None], (frame,) * 4, mode="replicate")[0]


def bands(height: int, margin: int) -> Iterator[tuple[slice, slice, slice]]:
    """Split rows 0..height: (a band's rows, the same with a margin for filters, where the former lie in the latter)."""
    for start in range(0, height, BAND):
        stop = min(start + BAND, height)
        first, last = max(start - margin, 0), min(stop + margin, height)
        yield slice(start, stop), slice(first, last), slice(start - first, stop - first)


def enlarge(small: Tensor, rows: slice, size: tuple[int, int]) -> Tensor:
    """Some rows of a bilinear enlargement of `small` (C, h, w) to `size` (height, width)."""
    height, width = size
    count = small.shape[-2]
    centres = (torch.arange(rows.start, rows.stop, device=small.device) + 0.5) * (count / height) - 0.5
    centres = centres.clamp(0, count - 1)
    above = centres.floor().long()
    below = (above + 1).clamp_max(count - 1)
    mixed = torch.lerp(small[:, above], small[:, below], (centres - above)[:, None])
    if small.device.type == "cpu":
        wide = torch.empty(len(small), len(centres), width)
        for plane, into in zip(mixed.numpy(), wide.numpy(), strict=True):
            cv2.resize(plane, (width, len(centres)), into, interpolation=cv2.INTER_LINEAR)
        return wide
    return functional.interpolate(mixed[None], size=(len(centres), width), mode="bilinear", align_corners=False)[0]


@dataclass(frozen=True, eq=False)
class Quieter:
    """Takes noise out of those parts of a photo that are about to be brightened a lot, before they are.

    Luminance: the local Wiener filter (Lee, 1980). Colour: a guided filter that follows the luminance, fitted on a
    smaller copy of the photo and so over a wider window, because coloured blotches disturb more than grain.
    """

    noise: float  # standard deviation of the photo's luminance noise, in 0..1
    gain: Tensor  # (1, h, w) how much each part will be amplified; nothing happens below 1.3
    colour: LocalAffine  # colour minus luminance, as a function of luminance

    MARGIN = 2  # rows around a band that the filters look at

    @classmethod
    def of(cls, photo: Tensor, gain: Tensor) -> Quieter | None:
        """Prepare for a photo (3, H, W) uint8; None if nothing is amplified, there is no noise, or the networks saw it.

        A photo of at most twice the pixels of the networks' input, whose size `gain` has, is left alone: the
        networks saw its noise.
        """
        if photo[0].numel() <= 2 * gain.numel() or not (gain > 1.3).any():
            return None
        noise = noise_level(photo)
        if noise == 0:
            return None
        factor = max(round(min(photo.shape[1:]) / 700), 1)
        small = torch.cat(
            [
                functional.avg_pool2d(photo[:, rows].float() / 255, factor, ceil_mode=True)
                for rows, _, _ in bands(photo.shape[1], 0)
            ],
            dim=1,
        )
        luminance = luminance_of(small)
        colour = small - luminance
        mean, mean_colour, variance, covariance = _moments(luminance, colour, 2)
        slope = covariance / (variance + 4 * noise**2 + 1e-6)
        return cls(noise, gain, LocalAffine(_box(slope, 2), _box(mean_colour - slope * mean, 2)))

    def __call__(self, photo: Tensor, rows: slice, height: int) -> Tensor:
        """Quieten rows (3, rows, W) of the photo."""
        amount = ((enlarge(self.gain, rows, (height, photo.shape[-1])) - 1.3) / 1.2).clamp_(0, 1)
        luminance = luminance_of(photo)
        mean = _box(luminance, 2)
        variance = (_box(luminance**2, 2) - mean**2).clamp_min_(0)
        trust = (variance - 2 * self.noise**2).clamp_min_(0) / (variance + 1e-9)
        calm = torch.lerp(mean, luminance, trust)
        return torch.lerp(photo, self.colour(calm, rows, height) + calm, amount)


def noise_level(photo: Tensor) -> float:
    """The standard deviation of the noise in the luminance of a photo (3, H, W) uint8, in 0..1.

    Immerkaer, "Fast Noise Variance Estimation", 1996, block by block on sixteen tiles spread over the photo. Texture
    looks like noise to it, so that the quietest tenth of the blocks decides; black and white blocks have no say.
    """
    mask = torch.tensor([[1.0, -2, 1], [-2, 4, -2], [1, -2, 1]], device=photo.device)
    height, width = photo.shape[1:]
    tile = min(192, height, width)
    levels = []
    for top in torch.linspace(0, height - tile, 4).int().tolist():
        for left in torch.linspace(0, width - tile, 4).int().tolist():
            luminance = luminance_of(photo[:, top : top + tile, left : left + tile].float() / 255)
            response = functional.conv2d(luminance[None], mask[None, None])[0]
            block = min(NOISE_BLOCK, *response.shape[1:])
            values = functional.unfold(response[None], block, stride=block)[0]  # (block * block, blocks)
            light = functional.avg_pool2d(luminance[:, 1:-1, 1:-1], block).flatten()
            levels.append(values.abs().median(dim=0).values[(light > 0.01) & (light < 0.98)])
    every = torch.cat(levels)
    return float(every.quantile(0.1)) / (0.6745 * 6) if len(every) else 0.0


def luminance_of(photo: Tensor) -> Tensor:
    """Of pictures (..., 3, h, w), as (..., 1, h, w)."""
    red, green, blue = LUMINANCE
    return red * photo[..., :1, :, :] + green * photo[..., 1:2, :, :] + blue * photo[..., 2:, :, :]


def _moments(guide: Tensor, target: Tensor, radius: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Means of both over a square window, the guide's variance (>= 0), and their covariance."""
    mean_guide, mean_target = _box(guide, radius), _box(target, radius)
    variance = (_box(guide * guide, radius) - mean_guide**2).clamp_min(0)
    return mean_guide, mean_target, variance, _box(guide * target, radius) - mean_guide * mean_target


def _box(x: Tensor, radius: int) -> Tensor:
    """The mean of (C, h, w) over a square window; at the border, over its part inside."""
    side = 2 * radius + 1
    if x.device.type == "cpu":
        mean = torch.empty_like(x)
        for plane, into in zip(x.numpy(), mean.numpy(), strict=True):
            cv2.boxFilter(plane, -1, (side, side), into, normalize=False, borderType=cv2.BORDER_CONSTANT)
        inside_y, inside_x = (_inside(size, radius) for size in x.shape[1:])
        return mean.div_(inside_y[:, None]).div_(inside_x)
    x = functional.avg_pool2d(x, (side, 1), stride=1, padding=(radius, 0), count_include_pad=False)
    return functional.avg_pool2d(x, (1, side), stride=1, padding=(0, radius), count_include_pad=False)


def _inside(size: int, radius: int) -> Tensor:
    """How many of the numbers no further from each of 0..size - 1 than `radius` are among these."""
    places = torch.arange(size)
    return ((places + radius).clamp_max(size - 1) - (places - radius).clamp_min(0) + 1).float()
