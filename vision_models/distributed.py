"""Training in several processes that `torchrun` starts, on CPUs (gloo) or a GPU each (nccl), as if it were one.

The sizes of batches are those of the joint batch. Every process takes as many of its samples as the others (`Part`),
and computes a loss whose average over the processes is the joint loss; the average of their gradients is then the joint
gradient. A mean over samples is such a loss already. A mean over what not every process has as many of becomes one by
`pooled`, what compares samples with each other by `gather`, and batch norm by `parallel`.

Alone, a process is the first of one, and everything here leaves what it is given as it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, Self, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

PATIENCE = timedelta(days=1)  # for what the first process does alone


class Sliceable(Protocol):
    """A range, a list, an array, a tensor."""

    def __getitem__(self, rows: slice, /) -> Self:
        """Take some of it."""


Samples = TypeVar("Samples", bound=Sliceable)


@dataclass(frozen=True)
class Part:
    """Which process this is, of how many."""

    rank: int = 0
    size: int = 1

    def of(self, count: int) -> int:
        """How many of a batch of so many are this process's.

        Raises:
            ValueError: the processes would not have as many each.
        """
        if count % self.size:
            raise ValueError(
                f"{self.size} processes cannot share a batch of {count} equally. Start as many as divide it."
            )
        return count // self.size

    def share(self, samples: Samples) -> Samples:
        """Take this process's part of a sequence of samples, or of an array that holds one in each row."""
        return samples[self.rank :: self.size]


ALONE = Part()


def here() -> Part:
    """Return which of the processes that train together this one is."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return ALONE
    return Part(distributed.get_rank(), distributed.get_world_size())


@contextmanager
def joined() -> Iterator[Part]:
    """Join the processes that torchrun has started. After an error, torchrun ends them all."""
    local_rank = int(os.environ["LOCAL_RANK"])
    if local_rank < torch.cuda.device_count():
        torch.cuda.set_device(local_rank)
    distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
    yield here()
    wait()
    distributed.destroy_process_group()


def wait() -> None:
    """Wait until all processes are here."""
    if here().size > 1:
        distributed.barrier()


def own_chance() -> None:
    """Let dropout and the like differ between processes, which have all begun with one seed."""
    if here().rank:
        torch.manual_seed(torch.initial_seed() + here().rank)


@contextmanager
def first_alone() -> Iterator[None]:
    """Let the first process do something before the others, who then find its files."""
    if here().rank:
        wait()
    yield
    if not here().rank:
        wait()


class _Average(torch.autograd.Function):
    """The average over the processes, and over their gradients of it."""

    @staticmethod
    def forward(ctx: Any, ours: Tensor) -> Tensor:  # noqa: ARG004 - backward needs nothing of it
        total = ours.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total / here().size

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ARG004
        return average(*gradients)


def average(ours: Tensor) -> Tensor:
    """Return the average of the processes' tensors, floats of one shape."""
    return ours if here().size == 1 else _Average.apply(ours)


def pooled(mean: Tensor, count: Tensor | float) -> Tensor:
    """Weigh the mean over so many things of this process, so that the processes' average is the mean over all things.

    No process need have any, as long as `mean` is a number.
    """
    if here().size == 1:
        return mean
    count = torch.as_tensor(count, dtype=mean.dtype, device=mean.device)
    return mean * count / average(count).clamp_min(torch.finfo(mean.dtype).tiny)


def gather(ours: Tensor) -> Tensor:
    """Return the rows of all processes, each of which has as many."""
    part = here()
    if part.size == 1:
        return ours
    rows = [ours if rank == part.rank else torch.zeros_like(ours) for rank in range(part.size)]
    return average(torch.cat(rows)) * part.size


def average_gradients(optimiser: torch.optim.Optimizer) -> None:
    """After a backward pass, give what is trained the average of the processes' gradients.

    By hand, where `parallel` does not fit: where a loss asks parts of a network, several networks, or parameters that
    are of none, DistributedDataParallel has no forward to hook into.
    """
    if here().size == 1:
        return
    trained = [weight for group in optimiser.param_groups for weight in group["params"] if weight.grad is not None]
    together = average(torch.cat([weight.grad.flatten() for weight in trained]))
    for weight, gradient in zip(trained, together.split([weight.numel() for weight in trained]), strict=True):
        weight.grad.copy_(gradient.view_as(weight))


class _JointNorm(nn.BatchNorm2d):
    """Batch norm over the pictures of all processes. PyTorch's own, SyncBatchNorm, runs on GPUs alone."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.running_mean is None or self.running_var is None or self.momentum is None:
            return super().forward(x)
        wide = x.float()
        mean = average(wide.mean(dim=(0, 2, 3)))
        centred = wide - mean[:, None, None]
        variance = average(centred.square().mean(dim=(0, 2, 3)))
        count = x.numel() // len(mean) * here().size
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)


def parallel(network: nn.Module) -> nn.Module:
    """Return what to call in place of a network: its gradients and its batch norm are then the joint batch's."""
    if here().size == 1:
        return network
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.__class__ = _JointNorm
    return DistributedDataParallel(network)
