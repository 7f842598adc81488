"""Where networks compute, and how much at a time."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

BATCH, CPU_BATCH = 32, 4  # pictures; on a CPU, few at a time stay in its cache: half the time of 32


def choose_device(device: str | torch.device | None = None) -> torch.device:
    """Return the device of this name ("cpu", "cuda", ...); for None the GPU when there is one."""
    return torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))


def in_batches(
    network: nn.Module,
    pictures: NDArray[np.uint8],
    order: tuple[int, ...],
    read: Callable[[Any], Tensor] = lambda said: said,
) -> NDArray[np.float32]:
    """Show a network many pictures, some at a time, where it is.

    Args:
        network: Takes a batch of them.
        pictures: (N, ...), N >= 1.
        order: Of the axes that the network wants.
        read: Turns what it says of a batch into a tensor (B, ...).

    Returns:
        What it says of all of them, (N, ...).
    """
    device = next(chain(network.parameters(), network.buffers())).device
    batch = BATCH
    if device.type == "cpu":
        torch.set_flush_denormal(True)
        batch = CPU_BATCH
    with torch.inference_mode():
        parts = [
            read(network(torch.from_numpy(pictures[start : start + batch]).to(device).permute(*order)))
            for start in range(0, len(pictures), batch)
        ]
    return torch.cat(parts).float().cpu().numpy()
