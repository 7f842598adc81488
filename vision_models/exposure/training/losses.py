"""What the two networks of DRHT learn from."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from vision_models.exposure.config import DRHTConfig
from vision_models.exposure.network import Prediction, encode_radiance

# Root mean squared differences of a photo from what it should be, in 0..1: up to here it needs nothing; from there on
# the whole correction.
GOOD, BAD = 0.05, 0.15


def structural_similarity(a: Tensor, b: Tensor) -> Tensor:
    """SSIM of two batches (B, 3, H, W) in 0..1, with a 7x7 box window (Wang et al., 2004). A scalar."""

    def mean(x: Tensor) -> Tensor:
        return functional.avg_pool2d(x, 7, stride=1)

    mean_a, mean_b = mean(a), mean(b)
    variance_a, variance_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    return (
        ((2 * mean_a * mean_b + c1) * (2 * covariance + c2))
        / ((mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2))
    ).mean()


def needed(photo: Tensor, right: Tensor) -> Tensor:
    """How much of a correction photos (B, 3, H, W) need, given what is right: (B,) in 0..1."""
    distance = (photo - right).square().mean(dim=(1, 2, 3)).sqrt()
    return ((distance - GOOD) / (BAD - GOOD)).clamp(0, 1)


def losses(
    prediction: Prediction, radiance: Tensor, right: Tensor, config: DRHTConfig, ssim_weight: float
) -> tuple[Tensor, Tensor]:
    """The losses of the two networks, (HDR, LDR), as scalars.

    HDR: L1 where the paper has a squared error, in the paper's domain H^gamma; a squared error sees little but the sun.
    LDR: the root mean squared error of each photo by itself, so that easy exposures count as much as hard ones, and
    SSIM.
    """
    alpha = config.alpha
    hdr = (prediction.encoded - encode_radiance(radiance, config)).abs().mean() / alpha
    squared = (prediction.corrected - right).square().mean(dim=(1, 2, 3))
    ldr = (squared + 1e-6).sqrt().mean() + ssim_weight * (1 - structural_similarity(prediction.corrected, right))
    return hdr, ldr
