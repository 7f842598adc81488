"""NanoDet-Plus: ShuffleNetV2, Ghost-PAN and dense heads, which find the people and objects of a photo.

Ma et al., "ShuffleNet V2", ECCV 2018; RangiLyu, "NanoDet-Plus", 2021 (Apache-2.0). Batch normalisation is folded into
the convolutions, which is how the published weights come.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from vision_models.interactions.vocabulary import OBJECTS

Width = Literal["m", "m-1.5x"]  # NanoDet-Plus's own names

BLOCKS = (4, 8, 4)  # at strides 8, 16 and 32
STAGES: dict[Width, tuple[int, ...]] = {"m": (116, 232, 464), "m-1.5x": (176, 352, 704)}  # their channels
CHANNELS: dict[Width, int] = {"m": 96, "m-1.5x": 128}  # inside the pyramid
BINS = 8  # of each distance that NanoDet-Plus tells, in strides
LEVELS = ("p3", "p4", "p5", "p6")  # strides 8, 16, 32, 64
SLOPE = 0.1  # of the leaky ReLU
SHRINKING = 2  # stride of the first block of a stage


def _conv(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)


def _depthwise(channels: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return _conv(channels, channels, kernel, stride, groups=channels)


def convolutions(module: nn.Module) -> list[nn.Conv2d]:
    """List the convolutions of a module, in the order in which it was built."""
    return [part for part in module.modules() if isinstance(part, nn.Conv2d)]


def _activate(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, SLOPE)


class ShuffleBlock(nn.Module):
    """A unit of ShuffleNetV2: half of the channels pass, or, with stride 2, all go both ways."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        half = outputs // 2
        self.stride = stride
        self.reduce = _conv(inputs if stride == SHRINKING else half, half)
        self.spatial = _depthwise(half, 3, stride)
        self.expand = _conv(half, half)
        if stride == SHRINKING:
            self.side_spatial = _depthwise(inputs, 3, 2)
            self.side_expand = _conv(inputs, half)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs, H / stride, W / stride)."""
        if self.stride == SHRINKING:
            passing = _activate(self.side_expand(self.side_spatial(x)))
        else:
            passing, x = x.chunk(2, dim=1)
        worked = _activate(self.expand(self.spatial(_activate(self.reduce(x)))))
        return functional.channel_shuffle(torch.cat([passing, worked], dim=1), 2)


class ShuffleNetV2(nn.Module):
    """Images (B, 3, H, W) to three maps of `channels` at strides 8, 16 and 32."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.stem = _conv(3, 24, 3, 2)
        stages, inputs = [], 24
        for outputs, blocks in zip(channels, BLOCKS, strict=True):
            stages.append(
                nn.Sequential(
                    ShuffleBlock(inputs, outputs, 2), *(ShuffleBlock(outputs, outputs, 1) for _ in range(blocks - 1))
                )
            )
            inputs = outputs
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the three maps."""
        x = functional.max_pool2d(_activate(self.stem(x)), 3, 2, 1)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class GhostBlock(nn.Module):
    """GhostNet's bottleneck: half of the channels by 1x1 convolution, the other half cheaply from them; twice."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.primary_1, self.cheap_1 = _conv(inputs, half), _depthwise(half, 3)
        self.primary_2, self.cheap_2 = _conv(outputs, half), _depthwise(half, 3)
        self.shortcut = nn.Sequential(_depthwise(inputs, 5), _conv(inputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs, H, W)."""
        first = _activate(self.primary_1(x))
        inner = torch.cat([first, _activate(self.cheap_1(first))], dim=1)
        second = self.primary_2(inner)
        result: Tensor = torch.cat([second, self.cheap_2(second)], dim=1) + self.shortcut(x)
        return result


class SeparableConv(nn.Module):
    """A 5x5 depthwise convolution and a 1x1 convolution, both activated."""

    def __init__(self, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.spatial, self.mix = _depthwise(channels, 5, stride), _conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, channels, H / stride, W / stride)."""
        return _activate(self.mix(_activate(self.spatial(x))))


class GhostPAN(nn.Module):
    """Three maps of `inputs` channels to four levels of `channels` at strides 8 to 64: top-down, then bottom-up."""

    def __init__(self, inputs: Sequence[int], channels: int) -> None:
        super().__init__()
        self.reduce = nn.ModuleList(_conv(one, channels) for one in inputs)
        self.top_down = nn.ModuleList(GhostBlock(2 * channels, channels) for _ in range(2))  # strides 16, 8
        self.down = nn.ModuleList(SeparableConv(channels, 2) for _ in range(2))  # strides 16, 32
        self.bottom_up = nn.ModuleList(GhostBlock(2 * channels, channels) for _ in range(2))
        self.extra_in, self.extra_out = SeparableConv(channels, 2), SeparableConv(channels, 2)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Return the four levels."""
        c3, c4, c5 = (_activate(reduce(x)) for reduce, x in zip(self.reduce, maps, strict=True))
        inner = self.top_down[0](torch.cat([_upsample(c5, c4), c4], dim=1))
        levels = [self.top_down[1](torch.cat([_upsample(inner, c3), c3], dim=1))]
        for down, block, x in zip(self.down, self.bottom_up, (inner, c5), strict=True):
            levels.append(block(torch.cat([down(levels[-1]), x], dim=1)))
        return [*levels, self.extra_in(c5) + self.extra_out(levels[-1])]


def _upsample(x: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)


class Pyramid(nn.Module):
    """Normalised RGB pictures (B, 3, H, W), sides multiples of 64, to `LEVELS`: (B, outputs, H / stride, W / stride).

    Two separable convolutions and a dense one follow each level of Ghost-PAN.
    """

    def __init__(self, width: Width, outputs: int) -> None:
        super().__init__()
        channels = CHANNELS[width]
        self.body, self.neck = ShuffleNetV2(STAGES[width]), GhostPAN(STAGES[width], channels)
        self.towers = nn.ModuleList(nn.Sequential(SeparableConv(channels), SeparableConv(channels)) for _ in LEVELS)
        self.outputs = nn.ModuleList(_conv(channels, outputs) for _ in LEVELS)

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        """Return the levels by name."""
        parts = zip(LEVELS, self.neck(self.body(x)), self.towers, self.outputs, strict=True)
        return OrderedDict((name, output(tower(level))) for name, level, tower, output in parts)

    def in_nanodet_order(self) -> Iterator[tuple[str, nn.Conv2d]]:
        """Name each convolution as NanoDet-Plus's ncnn files do."""
        number, depthwise = 1, 161
        yield "convrelu_0", self.body.stem
        for block in self.body.stages.modules():
            if not isinstance(block, ShuffleBlock):
                continue
            if block.stride == SHRINKING:
                yield f"convdw_{depthwise}", block.side_spatial
                depthwise += 1
                yield f"convrelu_{number + 2}", block.side_expand
            yield f"convrelu_{number}", block.reduce
            yield f"convdw_{depthwise}", block.spatial
            yield f"convrelu_{number + 1}", block.expand
            number, depthwise = number + 1 + block.stride, depthwise + 1
        neck = self.neck
        yield from zip(("convrelu_39", "convrelu_37", "convrelu_36"), convolutions(neck.reduce), strict=True)
        ghosts = [part for part in neck.modules() if isinstance(part, GhostBlock)]
        for name, dense, cheap, ghost in zip((38, 40, 42, 44), (60, 63, 67, 71), (0, 1, 3, 5), ghosts, strict=True):
            yield f"convrelu_{name}", ghost.primary_1
            yield f"convdwrelu_{cheap}", ghost.cheap_1
            yield f"conv_{dense}", ghost.primary_2
            yield f"convdw_{dense + 121}", ghost.cheap_2
            shortcut = (f"convdw_{dense + 122}", f"conv_{dense + 1}")
            yield from zip(shortcut, convolutions(ghost.shortcut), strict=True)
        separable = [part for part in self.modules() if isinstance(part, SeparableConv)]
        spatial, mix = (2, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), (41, 43, 46, 45, 47, 54, 48, 53, 49, 52, 50, 51)
        for one, other, conv in zip(spatial, mix, separable, strict=True):
            yield f"convdwrelu_{one}", conv.spatial
            yield f"convrelu_{other}", conv.mix


class NanoDet(nn.Module):
    """NanoDet-Plus: normalised RGB images (B, 3, H, W), sides multiples of 64, to what there may be at every place."""

    def __init__(self, width: Width) -> None:
        super().__init__()
        self.width = width
        self.pyramid = Pyramid(width, len(OBJECTS) + 4 * BINS)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return probabilities (B, N, 80) and boxes (B, N, 4), xyxy in pixels of the images."""
        scores, boxes = [], []
        for level in self.pyramid(images).values():
            stride = images.shape[-1] / level.shape[-1]
            grid_y, grid_x = torch.meshgrid(
                *(torch.arange(n, device=level.device) * stride for n in level.shape[-2:]), indexing="ij"
            )
            predicted = level.flatten(2).transpose(1, 2)  # (B, N, 112)
            scores.append(predicted[..., : len(OBJECTS)].sigmoid())
            distances = predicted[..., len(OBJECTS) :].unflatten(-1, (4, BINS)).softmax(-1)
            distances = distances @ torch.arange(BINS, dtype=level.dtype, device=level.device) * stride  # (B, N, 4)
            x, y = grid_x.flatten(), grid_y.flatten()
            left, top, right, bottom = distances.unbind(-1)
            boxes.append(torch.stack([x - left, y - top, x + right, y + bottom], dim=-1))
        return torch.cat(scores, dim=1), torch.cat(boxes, dim=1)
