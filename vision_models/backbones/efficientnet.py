"""EfficientNet-Lite: a backbone that knows what a photo shows as a whole.

Tan & Le, "EfficientNet", ICML 2019, in Google's Lite variants: no squeeze-and-excite, ReLU6, stem and head of one size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

FEATURES, STRIDE = 1280, 32  # channels and stride of the backbone's last map
_STEM = 32  # channels


class _Stage(NamedTuple):
    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


# EfficientNet-B0's table (Tan & Le, Table 1).
_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)


def _stages(width: float, depth: float) -> list[_Stage]:
    """Scale the table: channels to the nearest multiple of 8 that is not 10 % less, and repeats but the two ends'."""
    scaled = []
    for number, stage in enumerate(_STAGES):
        wanted = stage.channels * width
        channels = max(8, int(wanted + 4) // 8 * 8)
        channels += 8 * (channels < 0.9 * wanted)
        inner = 0 < number < len(_STAGES) - 1
        scaled.append(
            stage._replace(channels=channels, blocks=math.ceil(stage.blocks * depth) if inner else stage.blocks)
        )
    return scaled


class PaddedConvolution(nn.Conv2d):
    """A convolution that pads as TensorFlow does: at stride 2, one pixel less before than after (even sizes only)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, padding=0 if stride == 2 else kernel // 2, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        if self.stride[0] == 2:
            before = (self.kernel_size[0] - 2) // 2
            x = functional.pad(x, (before, before + 1, before, before + 1))
        return super().forward(x)


class _Block(nn.Module):
    """Inverted residual: widen, filter each channel by itself, narrow."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expand = PaddedConvolution(inputs, wide, 1) if expansion > 1 else None
        self.depthwise = PaddedConvolution(wide, wide, kernel, stride, groups=wide)
        self.project = PaddedConvolution(wide, outputs, 1)
        self.is_residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        y = functional.relu6(self.expand(x)) if self.expand else x
        y = self.project(functional.relu6(self.depthwise(y)))
        return x + y if self.is_residual else y


class EfficientNetLite(nn.Module):
    """The backbone, without batch norm: its statistics were folded into the convolutions before training went on."""

    width: ClassVar[float]  # multiples of EfficientNet-B0's channels and repeats
    depth: ClassVar[float]
    mean: ClassVar[float]  # of what the published weights take for 0..255: (x - mean) * scale
    scale: ClassVar[float]

    def __init__(self) -> None:
        super().__init__()
        self.stem = PaddedConvolution(3, _STEM, 3, stride=2)
        blocks = []
        channels = _STEM
        for stage in _stages(self.width, self.depth):
            for number in range(stage.blocks):
                stride = stage.stride if number == 0 else 1
                blocks.append(_Block(channels, stage.channels, stage.kernel, stride, stage.expansion))
                channels = stage.channels
        self.blocks = nn.ModuleList(blocks)
        self.head = PaddedConvolution(channels, FEATURES, 1)

    @torch.no_grad()
    def expect(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Change the stem of published weights so that `spatial` takes images in 0..1, less a mean, by a deviation."""
        weight, bias = self.stem.parameters()
        bias.add_((weight.sum(dim=(2, 3)) * (torch.tensor(mean) * 255 - self.mean) * self.scale).sum(dim=1))
        weight.mul_((torch.tensor(std) * 255 * self.scale)[:, None, None])

    def spatial(self, x: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W), as `expect` has it, to (B, 1280, H / 32, W / 32)."""
        x = functional.relu6(self.stem(x))
        for block in self.blocks:
            x = block(x)
        return functional.relu6(self.head(x))

    def trunk(self, images: Tensor, depth: int) -> Tensor:
        """Run the stem and the first `depth` blocks on (B, 3, H, W) uint8 images."""
        x = (images.float() - self.mean) * self.scale
        x = functional.relu6(self.stem(x))
        for block in self.blocks[:depth]:
            x = block(x)
        return x

    def tail(self, x: Tensor, depth: int) -> Tensor:
        """Run the rest on what `trunk` returned: (B, 1280)."""
        for block in self.blocks[depth:]:
            x = block(x)
        return functional.relu6(self.head(x)).mean(dim=(2, 3))

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 to (B, 1280)."""
        return self.tail(self.trunk(images, 0), 0)


class EfficientNetLite0(EfficientNetLite):
    """The smallest one: 3.4 million parameters."""

    width, depth = 1.0, 1.0
    mean, scale = 127.0, 1 / 128


class EfficientNetLite3(EfficientNetLite):
    """6.9 million parameters."""

    width, depth = 1.2, 1.4
    mean, scale = 130.0, 0.012667
