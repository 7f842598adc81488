"""Settings of PHD-GIFs.

Garcia del Molino & Gygli, "PHD-GIFs: Personalized Highlight Detection for Automatic GIF Creation", ACM Multimedia 2018,
arXiv 1804.06604.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from vision_models.weights.record import Weights

SEGMENT_S = 5.0  # the paper's segments are 5 seconds long
PAPER_HIDDEN = (512, 64)  # of PHD-CA's feed-forward network


@dataclass(frozen=True)
class PHDConfig:
    """Sizes of the encoder and of the scorers. The hidden layers are the paper's; its features (C3D) are not."""

    side: int = 192  # pixels: a frame is squashed to side x side
    stride_s: float = SEGMENT_S / 3  # seconds from one frame that the network looks at to the next
    fps: float = 4.0  # frames a second that motion is measured on
    embedding: int = 384  # numbers that describe what a frame shows
    motion_weight: float = 0.3  # length of the motion part of a segment's vector; the frame part has length 1
    pose_weight: float = 0.9  # length of the part that says how somebody moves, where there is somebody
    hidden: tuple[int, int] = PAPER_HIDDEN  # of the generic ranker and of PHD-CA
    nearest: int = 5  # history elements whose similarity SVM-D looks at
    background: int = 64  # segments nobody asked for, kept as negatives of the residual model

    def __post_init__(self) -> None:
        if self.side % 32:
            raise ValueError(f"side must be a multiple of 32, not {self.side}")
        if min(self.nearest, self.embedding, self.background) < 1:
            raise ValueError("nearest, embedding and background must be at least 1")

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Make the config from what a weights file holds, where a tuple has become a list.

        Raises:
            TypeError, ValueError, KeyError: for anything else.
        """
        return cls(**{**stored, "hidden": tuple(stored["hidden"])})


WEIGHTS = Weights(
    name="gifs-compact",
    filename="gifs/gifs-compact.safetensors",
    sha256="6cf276eef64e62e8e6572e1924324a2c3ee8e978f044567b25836532910b9d0e",
    license="Apache-2.0",
    paper="https://arxiv.org/abs/1804.06604",
    bundled="gifs/weights/gifs-compact.safetensors",
    card="gifs/MODEL_CARD.md",
)
