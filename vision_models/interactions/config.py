"""Settings of InteractNet.

Gkioxari, Girshick, Dollar & He, "Detecting and Recognizing Human-Object Interactions", CVPR 2018, arXiv 1704.07333.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from vision_models.weights.record import Weights

Backbone = Literal["resnet50", "nanodet"]


@dataclass(frozen=True)
class InteractNetConfig:
    """Sizes of the network. The defaults are the paper's; `COMPACT` is what ships."""

    # ResNet-50-FPN, or NanoDet-Plus, whole, beside EfficientNet-Lite3
    backbone: Backbone = "resnet50"
    min_side: int = 800  # pixels: a photo's shorter side is brought to this,
    max_side: int = 1333  # unless that makes the longer one longer than this
    pooled: int = 7  # bins per side of a region's features
    box_hidden: int = 1024  # units in both layers of each branch
    human_hidden: int = 1024
    object_hidden: int = 1024
    proposals: int = 1000  # regions that the box branch looks at
    boxes: int = 100  # most that are reported
    min_box_score: float = 0.05  # of those
    nms_iou: float = 0.3  # of two boxes of a class that overlap more, the better one is reported
    extras: bool = False  # class prior, spread per action, and "no visible target", none of which is in the paper

    def __post_init__(self) -> None:
        if self.backbone not in get_args(Backbone):
            raise ValueError(f"backbone must be {', '.join(get_args(Backbone))}, not {self.backbone}")
        if min(self.pooled, self.box_hidden, self.human_hidden, self.object_hidden, self.proposals, self.boxes) < 1:
            raise ValueError("the sizes of the branches must be at least 1")


COMPACT = InteractNetConfig(
    backbone="nanodet",
    min_side=416,
    max_side=640,
    human_hidden=384,
    object_hidden=48,
    boxes=40,
    min_box_score=0.05,
    nms_iou=0.45,
    extras=True,
)

WEIGHTS = Weights(
    name="interactions-compact",
    filename="interactions/interactions-compact.safetensors",
    sha256="4272200d04bc769e9bacfac91868d88bc711e8961ec5cd2d4c7e27673479b22d",
    license="Apache-2.0",
    paper="https://arxiv.org/abs/1704.07333",
    bundled="interactions/weights/interactions-compact.safetensors",
    card="interactions/MODEL_CARD.md",
)
