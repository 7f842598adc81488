"""The networks of PHD-GIFs: one that describes pictures, and those that rank segments.

Garcia del Molino & Gygli, "PHD-GIFs", ACM Multimedia 2018, arXiv 1804.06604. The paper describes a segment by 8,192
numbers of C3D; here EfficientNet-Lite0 (Tan & Le, "EfficientNet", ICML 2019, in Google's Lite variant: no
squeeze-and-excite, ReLU6) looks at a few pictures of it, since that runs on a laptop. The ranking networks have the
paper's sizes.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from vision_models.phd_gifs.config import PHDConfig
from vision_models.phd_gifs.motion import MOTION_SIZE

FEATURES = 1280  # channels of the backbone's last map


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


class _Convolution(nn.Conv2d):
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
        self.expand = _Convolution(inputs, wide, 1) if expansion > 1 else None
        self.depthwise = _Convolution(wide, wide, kernel, stride, groups=wide)
        self.project = _Convolution(wide, outputs, 1)
        self.is_residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        y = functional.relu6(self.expand(x)) if self.expand else x
        y = self.project(functional.relu6(self.depthwise(y)))
        return x + y if self.is_residual else y


class EfficientNetLite0(nn.Module):
    """The backbone, without batch norm: its statistics were folded into the convolutions before training went on."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Convolution(3, 32, 3, stride=2)
        blocks = []
        channels = 32
        for stage in _STAGES:
            for number in range(stage.blocks):
                stride = stage.stride if number == 0 else 1
                blocks.append(_Block(channels, stage.channels, stage.kernel, stride, stage.expansion))
                channels = stage.channels
        self.blocks = nn.ModuleList(blocks)
        self.head = _Convolution(channels, FEATURES, 1)

    def trunk(self, pictures: Tensor, depth: int) -> Tensor:
        """Run the stem and the first `depth` blocks on (B, 3, H, W) uint8 pictures."""
        x = (pictures.float() - 127) / 128
        x = functional.relu6(self.stem(x))
        for block in self.blocks[:depth]:
            x = block(x)
        return x

    def tail(self, x: Tensor, depth: int) -> Tensor:
        """Run the rest on what `trunk` returned: (B, 1280)."""
        for block in self.blocks[depth:]:
            x = block(x)
        return functional.relu6(self.head(x)).mean(dim=(2, 3))

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 to (B, 1280)."""
        return self.tail(self.trunk(pictures, 0), 0)


class PictureEncoder(nn.Module):
    """What a picture shows, as a vector: (B, 3, side, side) uint8 to (B, embedding)."""

    def __init__(self, embedding: int) -> None:
        super().__init__()
        self.backbone = EfficientNetLite0()
        self.projection = nn.Linear(FEATURES, embedding)

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 3, side, side) uint8 to (B, embedding), of any length."""
        return self.projection(self.backbone(pictures))


class Ranker(nn.Module):
    """A feed-forward network with one score at its end; in the paper, its hidden layers have 512 and 64 units."""

    def __init__(self, inputs: int, hidden: tuple[int, int], dropout: float = 0.5) -> None:
        super().__init__()
        first, second = hidden
        self.layers = nn.Sequential(
            nn.Linear(inputs, first),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(first, second),
            nn.ReLU(inplace=True),
            nn.Linear(second, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) to (...)."""
        return self.layers(x).squeeze(-1)


class PHDGIFs(nn.Module):
    """All that is learned, in one checkpoint: features and scorers always match."""

    motion_mean: Tensor
    motion_scale: Tensor
    fusion_weight: Tensor
    background: Tensor

    def __init__(self, config: PHDConfig) -> None:
        super().__init__()
        self.config = config
        size = config.embedding + MOTION_SIZE
        self.encoder = PictureEncoder(config.embedding)
        self.generic = Ranker(size, config.hidden)  # Video2GIF: the segment alone
        self.phd_ca = Ranker(2 * size, config.hidden)  # [segment ; mean of the history]
        self.svm = nn.Linear(size, 1)  # Highlight SVM: the segment alone, linear
        self.svm_d = nn.Linear(config.nearest, 1)  # similarities to the nearest history elements
        self.register_buffer("motion_mean", torch.zeros(MOTION_SIZE))
        self.register_buffer("motion_scale", torch.ones(MOTION_SIZE))
        self.register_buffer("fusion_weight", torch.ones(()))
        self.register_buffer("background", torch.zeros(config.background, size))
