"""What the training commands share: photos, learning rate, checkpoints, log, averaged weights.

A command keeps its state in a `TrainingRun` and tells a `Logbook` after each step; then the same call again resumes:

    class Run(TrainingRun):  # recipe, device, networks, optimiser
        def parts(self): ...  # of a checkpoint: {"network": self.network, "optimiser": self.optimiser}
        def step(self, batch): ...  # at learning_rate(self.recipe, self.seen); adds to self.seen

    run = Run(recipe, choose_device(device))
    run.resume(out / CHECKPOINT)
    logbook = Logbook(run, recipe.samples, out)
    for batch in loader(Samples(start=run.seen, stop=recipe.samples), recipe.batch, workers):
        logbook.note({"box": run.step(batch)})
    logbook.close()
"""

from __future__ import annotations

import json
import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from vision_models.distributed import ALONE, Part, average, here
from vision_models.media.photos import PHOTO_SUFFIXES

LOG = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.pt"  # in the folder of a run, beside log.jsonl and recipe.json
LOG_SECONDS = 30
SAVE_SECONDS = 120


class Schedule(Protocol):
    """The part of a recipe that the learning rate follows."""

    @property
    def samples(self) -> int:
        """How many a run sees."""

    @property
    def learning_rate(self) -> float:
        """Peak of the schedule."""

    @property
    def warm_up(self) -> float:
        """Share of the run."""


def learning_rate(recipe: Schedule, seen: int) -> float:
    """Linear warm-up, then a cosine down to 1 % of the highest rate."""
    progress = seen / recipe.samples
    if progress < recipe.warm_up:
        return recipe.learning_rate * (progress / recipe.warm_up + 0.01)
    cosine = (1 + math.cos(math.pi * (progress - recipe.warm_up) / (1 - recipe.warm_up))) / 2
    return recipe.learning_rate * (0.01 + 0.99 * cosine)


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move exponentially averaged weights towards the current ones."""
    for slow, fast in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if slow.is_floating_point():
            slow.lerp_(fast, 1 - decay)
        else:
            slow.copy_(fast)


class Stateful(Protocol):
    """A network, an optimiser."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""

    def load_state_dict(self, state_dict: dict[str, Any], /) -> object:
        """Take that back."""


class TrainingRun(ABC):
    """A training run's state: everything that a checkpoint keeps."""

    device: torch.device
    seen: int  # samples
    seconds: float

    @abstractmethod
    def parts(self) -> Mapping[str, Stateful]:
        """Name what changes in the course of the run."""

    def save(self, checkpoint: Path) -> None:
        """Write a checkpoint; an interrupted write leaves the former one in place."""
        unfinished = checkpoint.with_suffix(".unfinished")
        content: dict[str, Any] = {name: part.state_dict() for name, part in self.parts().items()}
        torch.save(content | {"state": {"seen": self.seen, "seconds": self.seconds}}, unfinished)
        unfinished.replace(checkpoint)

    def resume(self, checkpoint: Path) -> bool:
        """Go on from a checkpoint. Returns whether there was one."""
        if not checkpoint.exists():
            return False
        saved = torch.load(checkpoint, map_location=self.device, weights_only=True)
        for name, part in self.parts().items():
            part.load_state_dict(saved[name])
        self.seen, self.seconds = saved["state"]["seen"], saved["state"]["seconds"]
        return True


class Logbook:
    """Keeps a run's time, and now and then saves it, logs its losses and tells of them, in the first process alone."""

    def __init__(self, run: TrainingRun, samples: int, out: Path) -> None:
        self.run, self.samples = run, samples
        self.checkpoint, self.log = out / CHECKPOINT, out / "log.jsonl"
        self._started = time.monotonic() - run.seconds
        self._saved_at = self._logged_at = time.monotonic()
        self._losses: list[Tensor] = []

    def note(self, losses: Mapping[str, Tensor], **more: float) -> None:
        """Follow a step: its losses by name, each a scalar, and what else the log should say."""
        run, now = self.run, time.monotonic()
        run.seconds = now - self._started
        mean = average(torch.stack([*losses.values()]))
        if here().rank:
            return
        self._losses.append(mean)
        if now - self._logged_at > LOG_SECONDS:
            means = dict(zip(losses, torch.stack(self._losses).mean(dim=0).tolist(), strict=True))
            with self.log.open("a") as log:
                log.write(json.dumps({"seen": run.seen, "seconds": round(run.seconds)} | more | means) + "\n")
            said = "".join(f"   {name} loss {value:.4f}" for name, value in means.items())
            LOG.info(f"{run.seen:>7} of {self.samples} samples{said}")
            self._losses, self._logged_at = [], now
        if now - self._saved_at > SAVE_SECONDS:
            run.save(self.checkpoint)
            self._saved_at = now

    def close(self) -> None:
        """Save the finished run."""
        if not here().rank:
            self.run.save(self.checkpoint)


def find_photos(folder: Path) -> list[Path]:
    """All files below a folder that are photos by their names, in order."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in PHOTO_SUFFIXES)


def loader(
    samples: IterableDataset[Any],
    batch: int | None,
    workers: int,
    collate: Callable[[list[Any]], Any] | None = None,
) -> DataLoader[Any]:
    """Make batches of samples in so many processes, or in this one for 0. Batch None: the samples are batches."""
    return DataLoader(
        samples,
        batch,
        num_workers=workers,
        collate_fn=collate,
        prefetch_factor=4 if workers else None,
        # A forked process would have OpenCV's threads in name only, and hang.
        multiprocessing_context="spawn" if workers else None,
    )


def own_numbers(start: int, stop: int, part: Part = ALONE) -> range:
    """Which of the samples `start` to `stop` - 1 this process makes; every sample is made in one process.

    Each of several processes that train together makes its part of every joint batch, and as many as the others: the
    last few of a run are left out where they do not suffice for all.
    """
    worker = get_worker_info()
    numbers = range(start + worker.id, stop, worker.num_workers) if worker else range(start, stop)
    return part.share(numbers[: len(numbers) - len(numbers) % part.size])
