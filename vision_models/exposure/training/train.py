"""Joint training of both networks of DRHT, then of their judge: checkpoints, resumes, CPU and CUDA."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from vision_models.devices import choose_device
from vision_models.distributed import ALONE, here, parallel
from vision_models.exposure.config import DRHTConfig
from vision_models.exposure.network import DRHT
from vision_models.exposure.training.data import Shares, Triplet, Triplets, batches
from vision_models.exposure.training.losses import losses
from vision_models.exposure.training.scenes import find_stacks, split_scenes
from vision_models.exposure.training.train_judge import JudgeRecipe, train_judge
from vision_models.training import (
    CHECKPOINT,
    Logbook,
    Stateful,
    TrainingRun,
    find_photos,
    follow,
    learning_rate,
    loader,
)
from vision_models.weights.checkpoint import load_strictly, load_tensors, save_tensors, sha256_of


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
    exposures: int = 2  # photos of each scene in a batch
    learning_rate: float = 2e-3
    warm_up: float = 0.02  # share of the run
    frozen_norm: float = 0.2  # share of the run, its end, in which batch norm uses its running statistics
    hdr_weight: float = 0.3
    ssim_weight: float = 0.2
    ema_decay: float = 0.99
    shares: Shares = field(default_factory=Shares)
    judge: JudgeRecipe = field(default_factory=JudgeRecipe)
    seed: int = 0

    @property
    def samples(self) -> int:
        """How many LDR photos a run sees."""
        return sum(stage.samples for stage in self.stages)


COMPACT = Recipe(
    config=DRHTConfig(
        width=32,
        working_size=256,
        global_context=True,
        smooth_decoder=True,
        trust_unclipped=True,
        judge_need=True,
        keep_blacks=True,
    ),
    stages=(
        Stage(size=128, samples=172_000, batch=64),
        Stage(size=256, samples=12_608, batch=32),
        Stage(size=128, samples=11_000, batch=16),
        Stage(size=256, samples=3_000, batch=8),
    ),
    learning_rate=1e-3,
    ema_decay=0.998,
    judge=JudgeRecipe(samples=5_000),
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
    parallel: nn.Module = field(init=False)  # the network, as it learns together with those of other processes
    average: DRHT = field(init=False)  # the exponential average of the network's weights, which is what ships
    optimiser: torch.optim.Adam = field(init=False)

    def __post_init__(self) -> None:
        torch.manual_seed(self.recipe.seed)
        self.network = DRHT(self.recipe.config).to(self.device)
        if self.network.judge is not None:
            self.network.judge.requires_grad_(requires_grad=False)  # it learns later, in the average
        self.parallel = parallel(self.network)
        self.average = DRHT(self.recipe.config).to(self.device)
        self.average.load_state_dict(self.network.state_dict())
        self.optimiser = torch.optim.Adam(self.network.parameters())

    def parts(self) -> Mapping[str, Stateful]:
        """Name what changes in the course of the run."""
        return {"network": self.network, "average": self.average, "optimiser": self.optimiser}

    def begin_with(self, weights: Path) -> None:
        """Take over the tensors of an earlier run.

        Raises:
            WeightsFormatError: the file is damaged, or of another width.
        """
        tensors, _ = load_tensors(weights)
        own = self.network.state_dict()
        load_strictly(self.network, {name: tensors.get(name, tensor) for name, tensor in own.items()})
        self.average.load_state_dict(self.network.state_dict())

    def step(self, photos: Tensor, radiance: Tensor, right: Tensor) -> dict[str, Tensor]:
        """Learn from this process's part of a batch, as `data.batches` makes them. Returns the losses by name."""
        recipe = self.recipe
        self.network.train()
        if self.seen >= (1 - recipe.frozen_norm) * recipe.samples:
            _freeze_norm(self.network)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(recipe, self.seen)
        groups, exposures = photos.shape[:2]
        photo = photos.flatten(0, 1).float().div(255).to(memory_format=torch.channels_last)
        radiance, right = (part.repeat_interleave(exposures, dim=0) for part in (radiance, right))
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.device.type == "cuda"):
            prediction = self.parallel(photo)
        hdr, ldr = losses(prediction, radiance, right, recipe.config, recipe.ssim_weight)
        self.optimiser.zero_grad(set_to_none=True)
        (recipe.hdr_weight * hdr + ldr).backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        follow(self.average, self.network, recipe.ema_decay)
        self.seen += groups * exposures * here().size
        return {"HDR": hdr.detach(), "LDR": ldr.detach()}


def train(
    data: Path,
    out: Path,
    recipe: Recipe,
    *,
    photos: Path | None = None,
    stacks: Path | None = None,
    begin_with: Path | None = None,
    device: str | None = None,
    workers: int = 1,
) -> Path:
    """Train on a folder of HDR panoramas; the same call again resumes.

    Args:
        data: Folder of .hdr or .exr panoramas; every sixth by name is left out.
        out: Folder for `checkpoint.pt`, `log.jsonl`, `recipe.json` and the finished `exposure.safetensors`.
        recipe: Sizes, lengths, rates, seed.
        photos: Folder of ordinary photos that are made into further scenes.
        stacks: Folder of real exposure stacks, each a folder of photos.
        begin_with: Weights of an earlier run of this width, whose convolutions a new run takes over.
        device: "cpu" or "cuda"; the GPU when there is one.
        workers: Processes that render triplets. With one, a resumed run sees exactly what it would have seen.

    Returns:
        The path of the weights.
    """
    torch.set_flush_denormal(True)  # dark photos fill the networks with denormals, which are 40 times slower on a CPU
    out.mkdir(parents=True, exist_ok=True)
    torch.backends.cudnn.benchmark = True  # all pictures of a stage are of one size
    run = Run(recipe, choose_device(device))
    if not run.resume(out / CHECKPOINT) and begin_with:
        run.begin_with(begin_with)
    triplets = partial(
        Triplets,
        split_scenes(data)[0],
        find_photos(photos) if photos else [],
        find_stacks(stacks) if stacks else [],
        exposures=recipe.exposures,
    )

    for stage in recipe.stages:
        here().of(stage.batch // recipe.exposures)  # or an error, before hours of work
    logbook = Logbook(run, recipe.samples, out)
    for batch in _batches(recipe, triplets, run.seen, workers):
        logbook.note(run.step(*(part.to(run.device) for part in batch)), size=batch[0].shape[-1])
    logbook.close()
    weights = out / "exposure.safetensors"
    if here().rank:
        return weights  # what is left takes minutes: the first process does it
    judge = recipe.judge
    groups = judge.samples // recipe.exposures
    photographed = triplets(size=judge.size, seed=judge.seed, start=0, stop=groups, shares=judge.shares, part=ALONE)
    train_judge(run.average, photographed, out, judge, workers)
    record = asdict(recipe) | {"begun_with": sha256_of(begin_with) if begin_with else None}
    record |= {"seconds": round(run.seconds), "device": run.device.type}
    (out / "recipe.json").write_text(json.dumps(record, indent=2) + "\n")
    state = run.average.state_dict()
    halved = {name: tensor.half() if tensor.dim() == 4 else tensor for name, tensor in state.items()}
    save_tensors(weights, halved, asdict(recipe.config))
    return weights


def _batches(recipe: Recipe, triplets: Callable[..., Triplets], seen: int, workers: int) -> Iterator[Triplet]:
    """The batches that are still to come after `seen` photos, stage by stage."""
    first = 0
    for number, stage in enumerate(recipe.stages):
        groups, batch = stage.samples // recipe.exposures, stage.batch // recipe.exposures
        done = min(max(seen - first, 0) // recipe.exposures, groups)
        first += stage.samples
        if done == groups:
            continue
        stream = triplets(size=stage.size, seed=recipe.seed + number, start=done, stop=groups, shares=recipe.shares)
        yield from loader(stream, here().of(batch), workers, batches)


def _freeze_norm(network: nn.Module) -> None:
    """Let batch norm use its running statistics, as the finished model will, while everything else goes on learning."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
