"""Two processes that train together, for tests, and whether they learn what one does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, distributed
from torch.multiprocessing.spawn import start_processes


def in_two_processes(work: Callable[..., object], folder: Path, *arguments: object) -> None:
    """Call a function of a module in two processes, which meet in a folder."""
    start_processes(_join, (folder / "meeting", work, arguments), nprocs=2, start_method="spawn")


def _join(rank: int, meeting: Path, work: Callable[..., object], arguments: tuple[object, ...]) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=meeting.as_uri(), rank=rank, world_size=2)
    work(*arguments)
    distributed.barrier()
    distributed.destroy_process_group()


def expect_the_same(alone: Path, together: Path) -> None:
    """Compare the folders of two runs that logged every step: losses, weights, the optimisers' means of gradients."""
    one, other = (
        [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()] for folder in (alone, together)
    )
    assert len(one) == len(other) >= 2
    for mine, joint in zip(one, other, strict=True):
        assert joint | {"seconds": 0} == pytest.approx(mine | {"seconds": 0}, rel=1e-4, abs=1e-7), (mine, joint)
    expected, found = (
        _tensors(torch.load(folder / "checkpoint.pt", weights_only=True)) for folder in (alone, together)
    )
    assert expected.keys() == found.keys()
    apart = {name: _distance(expected[name], found[name]) for name in expected}
    far = {name: distance for name, distance in apart.items() if distance > 5e-3}
    assert not far, far


def _tensors(part: Any, name: str = "") -> dict[str, Tensor]:
    """Return all tensors of a checkpoint by their places in it."""
    if isinstance(part, Tensor):
        return {name: part.float()}
    if isinstance(part, Mapping):
        return {k: v for key, inner in part.items() for k, v in _tensors(inner, f"{name}.{key}").items()}
    return {}


def _distance(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / a.norm().clamp_min(1e-9))
