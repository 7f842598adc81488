"""A network that finds the 17 joints of the person a picture is about: MoveNet Lightning's form.

CenterNet (Zhou et al., "Objects as Points", 2019, arXiv 1904.07850) on MobileNetV2 (Sandler et al., CVPR 2018, arXiv
1801.04381) and a feature pyramid, as in Google's MoveNet. Batch normalisation is folded into the convolutions.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from vision_models.backbones.efficientnet import PaddedConvolution

JOINTS = 17  # COCO's order: nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles; left before right
SIDE = 192  # pixels that it was trained on
_BLOCKS = (1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1)
_FIRST_STRIDES = 1, 2, 2, 2, 1, 2, 1
_LEVELS = 2, 5, 9  # blocks whose results the pyramid takes up, at strides of 4, 8 and 16
_DEPTHS = 64, 32, 24  # channels of the pyramid, from coarse to fine
_HEAD = 96
_NEAR = 1.8  # cells; MoveNet's own constant


class JointMaps(NamedTuple):
    """What the network says of every place of a grid of a quarter of the picture's size."""

    heat: Tensor  # (B, 17, h, w) logits: a joint is here
    reach: Tensor  # (B, 34, h, w) from a person's middle to its joints, y and x in turn, in cells
    centre: Tensor  # (B, 1, h, w) logits: a person's middle is here
    offset: Tensor  # (B, 34, h, w) from a joint's cell to the joint, in cells


class _Inverted(nn.Module):
    """MobileNetV2's block: expand, look around, project."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expand = PaddedConvolution(inputs, inner, 1) if expansion > 1 else None
        self.depthwise = PaddedConvolution(inner, inner, 3, stride, groups=inner)
        self.project = PaddedConvolution(inner, outputs, 1)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else functional.relu6(self.expand(x))
        y = self.project(functional.relu6(self.depthwise(y)))
        return x + y if self.adds else y


class _Separable(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.pointwise(self.depthwise(x)))


class MoveNet(nn.Module):
    """Pictures to joints."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = PaddedConvolution(3, 32, 3, 2)
        blocks, inputs = [], 32
        for (expansion, channels, count), first in zip(_BLOCKS, _FIRST_STRIDES, strict=True):
            for number in range(count):
                blocks.append(_Inverted(inputs, channels, expansion, 1 if number else first))
                inputs = channels
        self.blocks = nn.ModuleList(blocks)
        self.last = PaddedConvolution(inputs, 1280, 1)
        coarse, middle, fine = _DEPTHS
        self.laterals = nn.ModuleList(
            nn.Conv2d(i, o, 1) for i, o in ((1280, coarse), (64, coarse), (32, middle), (24, fine))
        )
        self.merges = nn.ModuleList(_Separable(i, o) for i, o in ((coarse, middle), (middle, fine), (fine, fine)))
        self.heads = nn.ModuleList(
            nn.Sequential(_Separable(fine, _HEAD), nn.Conv2d(_HEAD, outputs, 1))
            for outputs in (JOINTS, 2 * JOINTS, 1, 2 * JOINTS)
        )

    def forward(self, frames: Tensor) -> JointMaps:
        """(B, 3, h, w) uint8 sRGB, h and w multiples of 32, to the maps."""
        x = functional.relu6(self.stem(frames.float() / 127.5 - 1))
        levels = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in _LEVELS:
                levels.append(x)
        x = self.laterals[0](functional.relu6(self.last(x)))
        for lateral, merge, level in zip(self.laterals[1:], self.merges, reversed(levels), strict=True):
            x = merge(functional.interpolate(x, scale_factor=2.0, mode="bilinear") + lateral(level))
        return JointMaps(*(head(x) for head in self.heads))


def find_joints(maps: JointMaps) -> Tensor:
    """Choose the person in the middle of the picture and read their joints off the maps.

    Returns:
        (B, 17, 3): y and x, 0..1 of the picture's height and width, and how sure the network is, 0..1.
    """
    heat, centre = maps.heat.sigmoid(), maps.centre.sigmoid()
    batch, _, height, width = heat.shape
    y, x = (torch.arange(size).to(heat) for size in (height, width))
    y, x = torch.meshgrid(y, x, indexing="ij")
    nearness = 1 / (torch.hypot(y - height / 2, x - width / 2) + _NEAR)
    place = (centre[:, 0] * nearness).flatten(1).argmax(dim=1)  # (B,)
    at = place.view(batch, 1, 1).expand(-1, 2 * JOINTS, 1)
    reach = maps.reach.flatten(2).gather(2, at).view(batch, JOINTS, 2)
    middle = torch.stack([place // width, place % width], dim=1)[:, None]  # (B, 1, 2)
    guess = (middle + reach)[..., None, None]  # (B, 17, 2, 1, 1)
    far = torch.hypot(y - guess[:, :, 0], x - guess[:, :, 1])
    found = (heat / (far + _NEAR)).flatten(2).argmax(dim=2, keepdim=True)  # (B, 17, 1)
    offset = maps.offset.view(batch, JOINTS, 2, -1).gather(3, found[..., None].expand(-1, -1, 2, -1))[..., 0]
    cell = torch.cat([found // width, found % width], dim=2)
    size = torch.tensor([height, width]).to(heat)
    return torch.cat([(cell + offset) / size, heat.flatten(2).gather(2, found)], dim=2)
