"""A detector that nobody trained, in a file as the published ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from vision_models.interactions.backbone import NanoDet, Width, convolutions
from vision_models.interactions.training.teacher import DENSE


def write_teacher(path: Path, seed: int = 0, width: Width = "m") -> Path:
    """NanoDet-Plus with weights that nobody trained."""
    torch.manual_seed(seed)
    pyramid = NanoDet(width).pyramid
    named = dict(pyramid.in_nanodet_order())
    named |= {f"conv_{number}": output for number, output in zip(DENSE, convolutions(pyramid.outputs), strict=True)}
    arrays = {}
    for name, convolution in named.items():
        for part, tensor in convolution.named_parameters():
            arrays[f"{name}.{part}"] = tensor.detach().numpy().reshape(-1)  # some publish them flat
    np.savez(path, allow_pickle=False, **arrays)
    return path
