"""The networks of PHD-GIFs: one that describes frames, and those that rank segments.

Garcia del Molino & Gygli, "PHD-GIFs", ACM Multimedia 2018, arXiv 1804.06604. The paper describes a segment by 8,192
numbers of C3D; here EfficientNet-Lite0 (Tan & Le, "EfficientNet", ICML 2019, in Google's Lite variant: no
squeeze-and-excite, ReLU6) looks at a few frames of it, and a network for joints at the people in them, since that runs
on a laptop. The ranking networks have the paper's sizes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vision_models.backbones.efficientnet import FEATURES, EfficientNetLite0
from vision_models.backbones.movenet import MoveNet
from vision_models.gifs.config import PHDConfig
from vision_models.gifs.motion import BRIGHTNESS_CHANGE, MOTION_SIZE
from vision_models.gifs.pose import POSE_SIZE


class FrameEncoder(nn.Module):
    """What a frame shows, as a vector: (B, 3, side, side) uint8 to (B, embedding)."""

    def __init__(self, embedding: int) -> None:
        super().__init__()
        self.backbone = EfficientNetLite0()
        self.projection = nn.Linear(FEATURES, embedding)

    def forward(self, frames: Tensor) -> Tensor:
        """(B, 3, side, side) uint8 to (B, embedding), of any length."""
        return self.projection(self.backbone(frames))


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
    pose_mean: Tensor
    pose_scale: Tensor
    fusion_weight: Tensor
    lively_weight: Tensor
    background: Tensor

    def __init__(self, config: PHDConfig) -> None:
        super().__init__()
        self.config = config
        size = config.embedding + MOTION_SIZE + POSE_SIZE
        self.encoder = FrameEncoder(config.embedding)
        self.pose = MoveNet()
        self.generic = Ranker(size, config.hidden)  # Video2GIF: the segment alone
        self.phd_ca = Ranker(2 * size, config.hidden)  # [segment ; mean of the history]
        self.svm = nn.Linear(size, 1)  # Highlight SVM: the segment alone, linear
        self.svm_d = nn.Linear(config.nearest, 1)  # similarities to the nearest history elements
        self.register_buffer("motion_mean", torch.zeros(MOTION_SIZE))
        self.register_buffer("motion_scale", torch.ones(MOTION_SIZE))
        self.register_buffer("pose_mean", torch.zeros(POSE_SIZE))
        self.register_buffer("pose_scale", torch.ones(POSE_SIZE))
        self.register_buffer("fusion_weight", torch.ones(()))
        self.register_buffer("lively_weight", torch.zeros(()))
        self.register_buffer("background", torch.zeros(config.background, size))

    def forward(self, segments: Tensor, history: Tensor, similarities: Tensor) -> Tensor:
        """PHD-GIFs: h = h_FNN + w * h_SVM, late fusion of PHD-CA and SVM-D.

        Args:
            segments: (S, D) rows of unit length.
            history: (H, D) rows of unit length. Without any, the generic ranker answers.
            similarities: (S, H) cosines of the two.

        Returns:
            (S,) scores; only their order within a video means something.
        """
        if not len(history):
            return self.for_everyone(segments)
        return self.h_fnn(segments, history) + self.fusion_weight * self.h_svm(similarities)

    def for_everyone(self, segments: Tensor) -> Tensor:
        """What the generic ranker says, and how lively a segment is: (..., D) to (...)."""
        shown = segments[..., : self.config.embedding].norm(dim=-1).clamp_min(1e-6)
        change = segments[..., self.config.embedding + BRIGHTNESS_CHANGE] * MOTION_SIZE**0.5 / shown
        lively = change / max(self.config.motion_weight, 1e-6)  # -1..1, as `segment_vector` has it
        return self.generic(segments) + 2 * self.lively_weight * lively

    def h_fnn(self, segments: Tensor, history: Tensor) -> Tensor:
        """PHD-CA: a feed-forward network that sees each segment beside the mean of the history, (S,)."""
        return self.phd_ca(torch.cat([segments, history.mean(dim=0).expand_as(segments)], dim=1))

    def h_svm(self, similarities: Tensor) -> Tensor:
        """SVM-D: a linear ranking SVM on similarities (S, H) to the nearest history elements, (S,)."""
        return self.svm_d(similarity_features(similarities, self.config.nearest))[:, 0]


def similarity_features(similarities: Tensor, nearest: int) -> Tensor:
    """What SVM-D looks at: similarities (..., S, H) to the history, sorted, the `nearest` largest: (..., S, nearest).

    A shorter history repeats its least similar element, so that one GIF is enough.
    """
    top = similarities.topk(min(nearest, similarities.shape[-1]), dim=-1).values
    missing = nearest - top.shape[-1]
    return torch.cat([top, top[..., -1:].expand(*top.shape[:-1], missing)], dim=-1)
