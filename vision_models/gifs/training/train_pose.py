"""Training of the network that finds a person's joints: checkpoints, resumes, CPU and CUDA.

It begins with MoveNet's public weights, and learns to say of a frame of bad video what MoveNet, its teacher, says of
the clean picture.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import IterableDataset

from vision_models.backbones.movenet import SIDE, JointMaps, MoveNet
from vision_models.devices import choose_device
from vision_models.distributed import Part, average_gradients, first_alone, here, pooled
from vision_models.gifs.training.data import cached_images, cut_out, degrade, read_photos, split_topics
from vision_models.gifs.training.teacher import read_movenet
from vision_models.gifs.training.train_encoder import CACHE_SIDE
from vision_models.training import (
    CHECKPOINT,
    Logbook,
    Stateful,
    TrainingRun,
    follow,
    learning_rate,
    loader,
    own_numbers,
)
from vision_models.weights.checkpoint import save_tensors


@dataclass(frozen=True)
class PoseRecipe:
    """All that a training run depends on, besides its photos and its teacher. Kept with the weights."""

    samples: int = 8_000  # views of photos
    batch: int = 32
    learning_rate: float = 1e-4
    warm_up: float = 0.05  # share of the run
    likely: float = 20.0  # how much more a place counts where the teacher is sure
    ema_decay: float = 0.98
    seed: int = 0


@dataclass(frozen=True, eq=False)
class _Views(IterableDataset[tuple[NDArray[np.uint8], NDArray[np.uint8]]]):
    """A reproducible stream of views, clean and degraded: number n depends on nothing but the seed and n."""

    cache: Path
    rows: NDArray[np.int64]  # (N,) of the cache
    seed: int
    start: int  # the first number, and ...
    stop: int  # ... the one after the last
    part: Part = field(default_factory=here)  # whose views are yielded

    def __iter__(self) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
        images = np.load(self.cache, mmap_mode="r")
        for number in own_numbers(self.start, self.stop, self.part):
            rng = np.random.default_rng([self.seed, number])
            clean = cut_out(np.asarray(images[rng.choice(self.rows)]), SIDE, rng)
            yield clean, degrade(clean, rng)


@dataclass
class PoseRun(TrainingRun):
    """A training run's state: everything that a checkpoint keeps."""

    recipe: PoseRecipe
    device: torch.device
    teacher: MoveNet
    seen: int = 0
    seconds: float = 0.0
    network: MoveNet = field(init=False)
    average: MoveNet = field(init=False)  # the exponential average of the weights, which is what ships
    optimiser: torch.optim.AdamW = field(init=False)

    def __post_init__(self) -> None:
        torch.manual_seed(self.recipe.seed)
        self.teacher.to(self.device).requires_grad_(requires_grad=False)
        self.network, self.average = (MoveNet().to(self.device) for _ in range(2))
        for network in (self.network, self.average):
            network.load_state_dict(self.teacher.state_dict())
        self.optimiser = torch.optim.AdamW(self.network.parameters(), weight_decay=0.0)

    def parts(self) -> Mapping[str, Stateful]:
        """Name what changes in the course of the run."""
        return {"network": self.network, "average": self.average, "optimiser": self.optimiser}

    def step(self, clean: Tensor, degraded: Tensor) -> Tensor:
        """Learn from one batch: (B, 3, side, side) uint8 views, clean for the teacher and degraded. Return the loss.

        Of several processes that train together, each is given its part of the batch.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.recipe, self.seen)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.device.type == "cuda"):
            with torch.no_grad():
                taught = self.teacher(clean)
            said = self.network(degraded)
        loss = difference(said, taught, self.recipe.likely)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(self.optimiser)
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        follow(self.average, self.network, self.recipe.ema_decay)
        self.seen += len(clean) * here().size
        return loss.detach()


def difference(said: JointMaps, taught: JointMaps, likely: float) -> Tensor:
    """Compare maps: the shares squared, the distances where the teacher sees a middle or a joint."""
    heat, centre = taught.heat.float().sigmoid(), taught.centre.float().sigmoid()
    shares = sum(
        ((1 + likely * wanted) * (logits.float().sigmoid() - wanted).square()).mean()
        for logits, wanted in ((said.heat, heat), (said.centre, centre))
    )
    joints = heat.repeat_interleave(2, dim=1)
    reach = (centre * (said.reach - taught.reach).abs()).sum() / (centre.sum() * said.reach.shape[1])
    offset = (joints * (said.offset - taught.offset).abs()).sum() / joints.sum()
    return shares + 0.02 * pooled(reach, centre.sum()) + 0.02 * pooled(offset, joints.sum())


def train_pose(
    data: Path, teacher: Path, out: Path, recipe: PoseRecipe, *, device: str | None = None, workers: int = 1
) -> Path:
    """Train on photo sets below `data` (see `data.py`); the same call again resumes.

    Args:
        data: Folder of photo sets; the topics kept for validation are left out.
        teacher: `movenet-lightning.json` (see `teacher.py`).
        out: Folder for the decoded photos, which the other commands use again. Below it, `pose` gets `checkpoint.pt`,
            `log.jsonl`, `recipe.json` and `pose.safetensors`.
        recipe: Lengths, rates, seed.
        device: "cpu" or "cuda"; the GPU when there is one.
        workers: Processes that prepare views.

    Returns:
        The path of the network's weights.
    """
    torch.set_flush_denormal(True)
    folder = out / "pose"
    folder.mkdir(parents=True, exist_ok=True)
    photos = read_photos(data)
    topics = split_topics(photos)[0]
    with first_alone():
        _, readable = cached_images(photos, CACHE_SIDE, out / "photos.npy")
    rows = np.array([row for row, photo in enumerate(photos) if photo.topic in topics and readable[row]])
    run = PoseRun(recipe, choose_device(device), read_movenet(teacher))
    run.resume(folder / CHECKPOINT)
    views = _Views(out / "photos.npy", rows, recipe.seed, run.seen, recipe.samples)
    logbook = Logbook(run, recipe.samples, folder)
    for clean, degraded in loader(views, here().of(recipe.batch), workers):
        shown = (batch.to(run.device).permute(0, 3, 1, 2) for batch in (clean, degraded))  # channels last in memory
        logbook.note({"difference": run.step(*shown)})
    logbook.close()
    weights = folder / "pose.safetensors"
    if here().rank:
        return weights
    done = {"seconds": round(run.seconds), "device": run.device.type, "photos": len(rows)}
    (folder / "recipe.json").write_text(json.dumps(asdict(recipe) | done, indent=2) + "\n")
    save_tensors(weights, run.average.state_dict(), {})
    return weights
