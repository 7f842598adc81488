"""EfficientNet-Lite as published: its sizes, and the stride of its map."""

from __future__ import annotations

import pytest
import torch

from vision_models.backbones.efficientnet import EfficientNetLite, EfficientNetLite0, EfficientNetLite3


@pytest.mark.parametrize(
    ("kind", "blocks", "millions"),
    [(EfficientNetLite0, 16, 3.35), (EfficientNetLite3, 24, 6.88)],
)
def test_a_variant_has_its_published_size(kind: type[EfficientNetLite], blocks: int, millions: float) -> None:
    network = kind().eval()
    assert len(network.blocks) == blocks
    assert sum(part.numel() for part in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.01)
    with torch.inference_mode():
        assert network.spatial(torch.zeros(1, 3, 64, 96)).shape == (1, 1280, 2, 3)
        assert network(torch.zeros(1, 3, 64, 96, dtype=torch.uint8)).shape == (1, 1280)
