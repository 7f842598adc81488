"""Joint training of both networks of DRHT: checkpoints, resumes, CPU and CUDA."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from vision_models.devices import choose_device
from vision_models.exposure.config import DRHTConfig
from vision_models.exposure.network import DRHT
from vision_models.exposure.training.data import Floats, Triplets, batches, find_photos, load_panoramas, split_scenes
from vision_models.exposure.training.losses import losses
from vision_models.training import CHECKPOINT, Logbook, Stateful, TrainingRun, follow, learning_rate, loader
from vision_models.weights.checkpoint import save_tensors


@dataclass(frozen=True)
class Stage:
    """A part of a training run at one picture size."""

    size: int  # training views are size x size pixels
    samples: int  # LDR photos seen in this stage
    batch: int


@dataclass(frozen=True)
class Recipe:
    """All that a training run depends on, besides its data. Kept with the weights."""

    config: DRHTConfig
    stages: tuple[Stage, ...]
    exposures: int = 2  # photos of each rendered scene in a batch
    learning_rate: float = 2e-3
    warm_up: float = 0.02  # share of the run
    frozen_norm: float = 0.2  # share of the run, its end, in which batch norm uses its running statistics
    hdr_weight: float = 0.3
    ssim_weight: float = 0.2
    ema_decay: float = 0.99
    photo_share: float = 0.4
    seed: int = 0

    @property
    def samples(self) -> int:
        """How many LDR photos a run sees."""
        return sum(stage.samples for stage in self.stages)


COMPACT = Recipe(
    config=DRHTConfig(width=24, working_size=256, global_context=True, keep_blacks=True),
    stages=(Stage(size=128, samples=48_000, batch=8), Stage(size=256, samples=1_600, batch=4)),
)
PAPER = Recipe(
    config=DRHTConfig(),
    stages=(Stage(size=256, samples=400_000, batch=32), Stage(size=384, samples=100_000, batch=16)),
    learning_rate=1e-3,
)
RECIPES = {"compact": COMPACT, "paper": PAPER}


@dataclass
class Run(TrainingRun):
    """A training run's state: everything that a checkpoint keeps."""

    recipe: Recipe
    device: torch.device
    seen: int = 0  # photos
    seconds: float = 0.0
    network: DRHT = field(init=False)
    average: DRHT = field(init=False)  # the exponential average of the network's weights, which is what ships
    optimiser: torch.optim.Adam = field(init=False)

    def __post_init__(self) -> None:
        torch.manual_seed(self.recipe.seed)
        self.network = DRHT(self.recipe.config).to(self.device)
        self.average = DRHT(self.recipe.config).to(self.device)
        self.average.load_state_dict(self.network.state_dict())
        self.optimiser = torch.optim.Adam(self.network.parameters())

    def parts(self) -> Mapping[str, Stateful]:
        """Name what changes in the course of the run."""
        return {"network": self.network, "average": self.average, "optimiser": self.optimiser}

    def step(self, photo: Tensor, radiance: Tensor, fused: Tensor) -> Tensor:
        """Learn from one batch, each (B, 3, H, W). Returns both losses, (2,)."""
        recipe = self.recipe
        self.network.train()
        if self.seen >= (1 - recipe.frozen_norm) * recipe.samples:
            _freeze_norm(self.network)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(recipe, self.seen)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.device.type == "cuda"):
            prediction = self.network(photo)
        hdr, ldr = losses(prediction, radiance, fused, recipe.config, recipe.ssim_weight)
        self.optimiser.zero_grad(set_to_none=True)
        (recipe.hdr_weight * hdr + ldr).backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        follow(self.average, self.network, recipe.ema_decay)
        self.seen += len(photo)
        return torch.stack([hdr.detach(), ldr.detach()])


def train(
    data: Path,
    out: Path,
    recipe: Recipe,
    *,
    photos: Path | None = None,
    device: str | None = None,
    workers: int = 1,
) -> Path:
    """Train on a folder of HDR panoramas; the same call again resumes.

    Args:
        data: Folder of .hdr or .exr panoramas; every sixth by name is left out.
        out: Folder for `checkpoint.pt`, `log.jsonl`, `recipe.json` and the finished `exposure.safetensors`.
        recipe: Sizes, lengths, rates, seed.
        photos: Folder of ordinary photos that are made into further scenes.
        device: "cpu" or "cuda"; the GPU when there is one.
        workers: Processes that render triplets. With one, a resumed run sees exactly what it would have seen.

    Returns:
        The path of the weights.
    """
    torch.set_flush_denormal(True)  # dark photos fill the networks with denormals, which are 40 times slower on a CPU
    out.mkdir(parents=True, exist_ok=True)
    run = Run(recipe, choose_device(device))
    run.resume(out / CHECKPOINT)
    panoramas = load_panoramas(split_scenes(data)[0])
    photo_paths = find_photos(photos) if photos else []

    logbook = Logbook(run, recipe.samples, out)
    for batch in _batches(recipe, panoramas, photo_paths, run.seen, workers):
        hdr, ldr = run.step(*(part.to(run.device, memory_format=torch.channels_last) for part in batch))
        logbook.note({"HDR": hdr, "LDR": ldr}, size=batch[0].shape[-1])
    logbook.close()
    record = asdict(recipe) | {"seconds": round(run.seconds), "device": run.device.type}
    (out / "recipe.json").write_text(json.dumps(record, indent=2) + "\n")
    weights = out / "exposure.safetensors"
    save_tensors(weights, run.average.state_dict(), asdict(recipe.config))
    return weights


def _batches(
    recipe: Recipe, panoramas: Sequence[Floats], photos: Sequence[Path], seen: int, workers: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """The batches that are still to come after `seen` photos, stage by stage."""
    first = 0
    for number, stage in enumerate(recipe.stages):
        groups = stage.samples // recipe.exposures
        done = min(max(seen - first, 0) // recipe.exposures, groups)
        first += stage.samples
        if done == groups:
            continue
        triplets = Triplets(
            panoramas=panoramas,
            photos=photos,
            size=stage.size,
            exposures=recipe.exposures,
            seed=recipe.seed + number,
            start=done,
            stop=groups,
            photo_share=recipe.photo_share,
        )
        yield from loader(triplets, stage.batch // recipe.exposures, workers, batches)


def _freeze_norm(network: nn.Module) -> None:
    """Let batch norm use its running statistics, as the finished model will, while everything else goes on learning."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
