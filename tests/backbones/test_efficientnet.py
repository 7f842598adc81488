"""EfficientNet-Lite as published: its sizes, and the strides of its maps."""

from __future__ import annotations

import pytest
import torch

from vision_models.backbones.efficientnet import EfficientNetLite, EfficientNetLite0, EfficientNetLite3


@pytest.mark.parametrize(
    ("kind", "blocks", "millions", "channels"),
    [(EfficientNetLite0, 16, 3.35, (40, 112, 320, 1280)), (EfficientNetLite3, 24, 6.88, (48, 136, 384, 1280))],
)
def test_a_variant_has_its_published_size(
    kind: type[EfficientNetLite], blocks: int, millions: float, channels: tuple[int, ...]
) -> None:
    network = kind().eval()
    assert len(network.blocks) == blocks
    assert sum(part.numel() for part in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.01)
    assert network.map_channels == channels
    with torch.inference_mode():
        maps = network.maps(torch.zeros(1, 3, 64, 96))
        assert network(torch.zeros(1, 3, 64, 96, dtype=torch.uint8)).shape == (1, 1280)
    strides = zip(channels, (8, 16, 32, 32), strict=True)
    assert [tuple(one.shape) for one in maps] == [(1, c, 64 // s, 96 // s) for c, s in strides]
