"""The two networks of DRHT and the two domain conversions between them.

Yang, Xu, Song, Zhang, Wei, Lau, "Image Correction via Deep Reciprocating HDR Transformation", CVPR
2018, arXiv 1804.04371. An LDR photo goes to the HDR domain and comes back with the details that domain can hold:

    x --[HDR estimation]--> alpha * H^gamma --> H --> log(H + 1/255) --[LDR correction]--> corrected x

Both networks are the same auto-encoder: five convolution blocks, a latent block and five deconvolution blocks,
ELU, batch norm, a skip from every convolution block to its mirror, and one skip from input to output.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from vision_models.exposure.config import DRHTConfig
from vision_models.exposure.judge import Judge, judged

CLIPPED = 0.85  # from here to 1, the brightest channel of a pixel is trusted less and less to tell its radiance
STRIDE = 32  # the encoder halves the picture five times; inputs must be a multiple of this


class Prediction(NamedTuple):
    """What DRHT makes of a batch of photos."""

    encoded: Tensor  # (B, 3, H, W) alpha * H^gamma as network 1 said it, not clipped: the domain of its loss
    radiance: Tensor  # (B, 3, H, W) the same in the HDR domain: linear, > 0; 1.0 is white at a normal exposure
    corrected: Tensor  # (B, 3, H, W) sRGB-like, about 0..1, not clipped
    judged: Tensor | None = None  # (B, ...) what the judge looks at, in evaluation mode
    need: Tensor | None = None  # (B,) how much of the correction the photo needs, in 0..1


def encode_radiance(radiance: Tensor, config: DRHTConfig) -> Tensor:
    """Take HDR values to the LDR domain: alpha * H^gamma."""
    return config.alpha * radiance.clamp_min(1e-8).pow(config.gamma)


def decode_radiance(encoded: Tensor, config: DRHTConfig) -> Tensor:
    """Take the output of the HDR estimation network back to the HDR domain (the inverse of `encode_radiance`)."""
    return (encoded / config.alpha).clamp(1e-4, 1 / config.alpha).pow(1 / config.gamma)


def log_radiance(radiance: Tensor, config: DRHTConfig) -> Tensor:
    """The logarithm that the LDR correction network reads: log(H + 1/255)."""
    return torch.log(radiance + config.log_offset)


def _convolution(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ELU(inplace=True),
    )


class Smooth(nn.Module):
    """The binomial filter 1-2-1 in both directions: what alternates from pixel to pixel is gone.

    A transposed convolution of stride 2 gives a flat picture such a pattern, as Sugawara, Shiota, Kiya,
    "Checkerboard artifacts free convolutional neural networks", 2019, show.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        x = functional.pad(x, (1, 1, 1, 1), mode="replicate")
        return functional.avg_pool2d(functional.avg_pool2d(x, 2, stride=1), 2, stride=1)


def _deconvolution(inputs: int, outputs: int, kernel: int, *, smooth: bool) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, outputs, kernel, stride=2, padding=kernel // 2, output_padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ELU(inplace=True),
        Smooth() if smooth else nn.Identity(),
    )


class AutoEncoder(nn.Module):
    """Either network of DRHT, without its skip from input to output.

    Kernels and channels are those of the article; the first block keeps the picture's size and the five after it halve
    it, as in the authors' graph. The latent is a map, so any size that is a multiple of 32 goes in.
    """

    def __init__(self, width: int, *, global_context: bool = False, smooth: bool = False) -> None:
        super().__init__()
        w = width
        self.encoder = nn.ModuleList(
            [
                _convolution(3, w, kernel=9, stride=1),  # (B, 64, H, W) at the paper's width
                _convolution(w, w, kernel=5, stride=2),  # (B, 64, H/2, W/2)
                _convolution(w, 2 * w, kernel=3, stride=2),  # (B, 128, H/4, W/4)
                _convolution(2 * w, 4 * w, kernel=3, stride=2),  # (B, 256, H/8, W/8)
                _convolution(4 * w, 4 * w, kernel=3, stride=2),  # (B, 256, H/16, W/16)
            ]
        )
        self.latent = _convolution(4 * w, 8 * w, kernel=3, stride=2)  # (B, 512, H/32, W/32)
        self.context = (
            nn.Sequential(nn.Linear(8 * w, 8 * w), nn.ELU(), nn.Linear(8 * w, 8 * w)) if global_context else None
        )
        self.decoder = nn.ModuleList(
            [
                _deconvolution(8 * w, 4 * w, kernel=3, smooth=smooth),  # (B, 256, H/16, W/16)
                _deconvolution(4 * w, 4 * w, kernel=3, smooth=smooth),  # (B, 256, H/8, W/8)
                _deconvolution(4 * w, 2 * w, kernel=3, smooth=smooth),  # (B, 128, H/4, W/4)
                _deconvolution(2 * w, w, kernel=5, smooth=smooth),  # (B, 64, H/2, W/2)
                _deconvolution(w, w, kernel=9, smooth=smooth),  # (B, 64, H, W)
            ]
        )
        self.output = nn.Conv2d(w, 3, kernel_size=3, padding=1)
        for parameter in self.output.parameters():
            nn.init.zeros_(parameter)  # training starts from the skip alone

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) to (B, 3, H, W), and the mean of the latent map (B, 8 * width); H, W are multiples of 32."""
        skips = []
        for block in self.encoder:
            x = block(x)
            skips.append(x)
        x = self.latent(x)
        mean = x.mean(dim=(2, 3))
        if self.context is not None:
            x = x + self.context(mean)[:, :, None, None]
        for block in self.decoder:
            x = block(x) + skips.pop()
        return self.output(x), mean


def _number(inputs: int) -> nn.Sequential:
    """One number per photo, which begins at 0."""
    last = nn.Linear(64, 1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(inputs, 64), nn.ELU(), last)


class DRHT(nn.Module):
    """HDR estimation, the conversions, LDR correction."""

    def __init__(self, config: DRHTConfig) -> None:
        super().__init__()
        self.config = config
        extras = {"global_context": config.global_context, "smooth": config.smooth_decoder}
        self.hdr_estimation = AutoEncoder(config.width, **extras)
        self.ldr_correction = AutoEncoder(config.width, **extras)
        self.gain = _number(8 * config.width) if config.trust_unclipped else None
        self.judge = Judge(8 * config.width) if config.judge_need else None

    def forward(self, photo: Tensor) -> Prediction:
        """Correct a batch of photos.

        Args:
            photo: (B, 3, H, W) float, sRGB in 0..1, H and W multiples of 32.
        """
        if photo.shape[-1] % STRIDE or photo.shape[-2] % STRIDE:
            raise ValueError(f"height and width must be multiples of {STRIDE}, got {tuple(photo.shape[-2:])}")
        config = self.config
        # Conversions stay in float32 when the networks run in half precision: powers and logarithms need the digits.
        estimated, latent = self.hdr_estimation(photo - 0.5)
        unclipped, estimated = photo, estimated.float()
        if self.gain is not None:
            # As Eilertsen et al., "HDR image reconstruction", 2017, blend; what is not clipped has its radiance in it.
            brightest = photo.amax(dim=1, keepdim=True)
            estimated = estimated * ((brightest - CLIPPED) / (1 - CLIPPED)).clamp(0, 1)
            unclipped = photo * self.gain(latent).float().exp()[:, :, None, None]
        encoded = config.alpha * (unclipped + estimated)
        radiance = decode_radiance(encoded, config)
        correction, other_latent = self.ldr_correction(log_radiance(radiance, config))
        corrected = encode_radiance(radiance, config) + correction.float()
        if self.judge is None or self.training:
            return Prediction(encoded, radiance, corrected)
        inputs = judged(photo, corrected, latent, other_latent)
        return Prediction(encoded, radiance, corrected, inputs, self.judge(inputs).sigmoid())
