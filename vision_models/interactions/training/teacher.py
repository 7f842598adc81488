"""NanoDet-Plus as it was published: it labels photos with objects, and is the detector of the compact network.

RangiLyu, "NanoDet-Plus", 2021 (Apache-2.0). Its weights are read from a .npz whose arrays are named like the layers of
the published ncnn file, `<layer>.weight` and `<layer>.bias`.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torchvision.ops import batched_nms

from vision_models.errors import DataError
from vision_models.interactions.backbone import STAGES, NanoDet, convolutions
from vision_models.interactions.network import MEAN, STD

SIDE = 416  # pixels of its input
FIRST = "convrelu_1"  # a layer whose size tells the width
DENSE = (77, 80, 83, 86)  # numbers of the last convolutions, strides 8 to 64


class Teacher(NanoDet):
    """The whole detector, with its weights."""

    def __init__(self, weights: Path) -> None:
        """Read its weights.

        Raises:
            DataError: for a file that does not hold them.
        """
        try:
            with np.load(weights, allow_pickle=False) as stored:
                super().__init__("m" if len(stored[f"{FIRST}.bias"]) == STAGES["m"][0] // 2 else "m-1.5x")
                for name, convolution in (*self.pyramid.in_nanodet_order(), *self.dense.items()):
                    for part, tensor in convolution.named_parameters():
                        tensor.data.copy_(torch.from_numpy(stored[f"{name}.{part}"]).view_as(tensor))
        except (KeyError, RuntimeError, OSError, ValueError) as error:
            raise DataError(f"{weights} does not hold the weights of NanoDet-Plus-m or m-1.5x: {error}") from error
        stem = self.pyramid.body.stem.weight
        stem.data = stem.data.flip(1)  # the published weights read BGR
        self.eval().requires_grad_(requires_grad=False)

    @property
    def dense(self) -> dict[str, nn.Conv2d]:
        """The last convolutions by their names in the published file, strides 8 to 64."""
        return dict(zip((f"conv_{number}" for number in DENSE), convolutions(self.pyramid.outputs), strict=True))

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
            canvas[:height, :width] = (resized.astype(np.float32) / 255 - MEAN) / STD
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
