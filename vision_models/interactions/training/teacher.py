"""NanoDet-Plus as a teacher: it labels photos with objects, and its weights are where the compact pyramid begins.

RangiLyu, "NanoDet-Plus", 2021 (Apache-2.0). Its weights are read from a .npz whose arrays are named like the layers of
the published ncnn file, `<layer>.weight` and `<layer>.bias`.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.ops import batched_nms

from vision_models.errors import DataError
from vision_models.interactions.backbone import CHANNELS, LEVELS, STAGES, CompactPyramid, Width, convolutions

SIDE = 416  # pixels of its input
MEAN_BGR, STD_BGR = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)
CLASSES, BINS = 80, 8  # bins of each distance, in strides
FIRST = "convrelu_1"  # a layer whose size tells the width
DENSE = (77, 80, 83, 86)  # numbers of the last convolutions, strides 8 to 64


class Teacher(nn.Module):
    """The whole detector."""

    def __init__(self, weights: Path) -> None:
        """Read its weights.

        Raises:
            DataError: for a file that does not hold them.
        """
        super().__init__()
        try:
            with np.load(weights, allow_pickle=False) as stored:
                self.width: Width = "m" if len(stored[f"{FIRST}.bias"]) == STAGES["m"][0] // 2 else "m-1.5x"
                self.pyramid = CompactPyramid(self.width)
                self.dense = nn.ModuleList(nn.Conv2d(CHANNELS[self.width], CLASSES + 4 * BINS, 1) for _ in LEVELS)
                last = zip((f"conv_{number}" for number in DENSE), convolutions(self.dense), strict=True)
                for name, convolution in (*self.pyramid.in_nanodet_order(), *last):
                    for part, tensor in convolution.named_parameters():
                        tensor.data.copy_(torch.from_numpy(stored[f"{name}.{part}"]).view_as(tensor))
        except (KeyError, RuntimeError, OSError, ValueError) as error:
            raise DataError(f"{weights} does not hold the weights of NanoDet-Plus-m or m-1.5x: {error}") from error
        self.eval().requires_grad_(requires_grad=False)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Return probabilities (B, N, 80) and boxes (B, N, 4) in pixels of normalised BGR pictures (B, 3, H, W)."""
        scores, boxes = [], []
        for level, dense in zip(self.pyramid.towers_of(pictures), self.dense, strict=True):
            stride = pictures.shape[-1] / level.shape[-1]
            grid_y, grid_x = torch.meshgrid(
                *(torch.arange(n, device=level.device) * stride for n in level.shape[-2:]), indexing="ij"
            )
            predicted = dense(level).flatten(2).transpose(1, 2)  # (B, N, 112)
            scores.append(predicted[..., :CLASSES].sigmoid())
            distances = predicted[..., CLASSES:].unflatten(-1, (4, BINS)).softmax(-1)
            distances = distances @ torch.arange(BINS, dtype=level.dtype, device=level.device) * stride  # (B, N, 4)
            x, y = grid_x.flatten(), grid_y.flatten()
            left, top, right, bottom = distances.unbind(-1)
            boxes.append(torch.stack([x - left, y - top, x + right, y + bottom], dim=-1))
        return torch.cat(scores, dim=1), torch.cat(boxes, dim=1)

    @torch.inference_mode()
    def label(
        self, pictures: list[NDArray[np.uint8]], *, threshold: float = 0.15, iou: float = 0.6, most: int = 60
    ) -> list[NDArray[np.float32]]:
        """Find the objects of photos, each (H, W, 3) uint8 RGB: (K, 6) class, score, x1, y1, x2, y2 in pixels."""
        batch = np.zeros((len(pictures), SIDE, SIDE, 3), np.float32)
        scales = []
        for canvas, picture in zip(batch, pictures, strict=True):
            scale = SIDE / max(picture.shape[:2])
            width, height = (max(round(n * scale), 1) for n in picture.shape[1::-1])
            resized = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
            canvas[:height, :width] = (resized[..., ::-1].astype(np.float32) - MEAN_BGR) / STD_BGR
            scales.append(scale)
        probabilities, boxes = self(torch.from_numpy(batch).permute(0, 3, 1, 2))
        found = []
        for picture, scale, scores, places in zip(pictures, scales, probabilities, boxes, strict=True):
            where, labels = (scores > threshold).nonzero(as_tuple=True)
            kept_scores = scores[where, labels]
            kept_boxes = places[where] / scale
            height, width = picture.shape[:2]
            kept_boxes = torch.minimum(kept_boxes.clamp_min(0), torch.tensor([width, height, width, height]))
            keep = batched_nms(kept_boxes, kept_scores, labels, iou)[:most]
            rows = torch.cat([labels[keep, None], kept_scores[keep, None], kept_boxes[keep]], dim=1)
            found.append(rows.numpy().astype(np.float32))
        return found
