"""Joint training of both networks of DRHT: checkpoints, resumes, CPU and CUDA."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from vision_models.drht.config import DRHTConfig
from vision_models.drht.data import Triplets, batches, find_photos, load_panoramas, split_scenes
from vision_models.drht.network import DRHT, Prediction, encode_radiance
from vision_models.hub import save_tensors


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
    ema_decay: float = 0.998
    photo_share: float = 0.4
    seed: int = 0

    @property
    def samples(self) -> int:
        return sum(stage.samples for stage in self.stages)


COMPACT = Recipe(
    config=DRHTConfig(width=24, working_size=256, global_context=True),
    stages=(Stage(size=128, samples=36_000, batch=16), Stage(size=256, samples=8_000, batch=8)),
)
PAPER = Recipe(
    config=DRHTConfig(),
    stages=(Stage(size=256, samples=400_000, batch=32), Stage(size=384, samples=100_000, batch=16)),
    learning_rate=1e-3,
)
RECIPES = {"compact": COMPACT, "paper": PAPER}


def structural_similarity(a: Tensor, b: Tensor) -> Tensor:
    """SSIM of two batches (B, 3, H, W) in 0..1, with a 7x7 box window (Wang et al., 2004). A scalar."""

    def mean(x: Tensor) -> Tensor:
        return functional.avg_pool2d(x, 7, stride=1)

    mean_a, mean_b = mean(a), mean(b)
    variance_a, variance_b = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    return (((2 * mean_a * mean_b + c1) * (2 * covariance + c2)) / ((mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2))).mean()


def loss(prediction: Prediction, radiance: Tensor, fused: Tensor, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """The losses of the two networks, (HDR, LDR), as scalars.

    HDR: L1 where the paper has a squared error, in the paper's domain H^gamma; a squared error sees little but the sun.
    LDR: the root mean squared error of every photo by itself, so that easy exposures count as much as hard ones, and SSIM.
    """
    alpha = recipe.config.alpha
    hdr = (prediction.encoded - encode_radiance(radiance, recipe.config)).abs().mean() / alpha
    squared = (prediction.corrected - fused).square().mean(dim=(1, 2, 3))
    ldr = (squared + 1e-6).sqrt().mean() + recipe.ssim_weight * (1 - structural_similarity(prediction.corrected, fused))
    return hdr, ldr


def learning_rate(recipe: Recipe, seen: int) -> float:
    """Linear warm-up, then a cosine down to 1 % of the highest rate."""
    progress = seen / recipe.samples
    if progress < recipe.warm_up:
        return recipe.learning_rate * (progress / recipe.warm_up + 0.01)
    cosine = (1 + math.cos(math.pi * (progress - recipe.warm_up) / (1 - recipe.warm_up))) / 2
    return recipe.learning_rate * (0.01 + 0.99 * cosine)


def train(data: Path, out: Path, recipe: Recipe, *, photos: Path | None = None, device: str | None = None, workers: int = 1) -> Path:
    """Train on a folder of HDR panoramas; run the same command again to resume.

    Args:
        data: folder of .hdr or .exr panoramas; every sixth by name is left out.
        out: folder for `checkpoint.pt`, `log.jsonl` and the finished `drht.safetensors`.
        recipe: sizes, lengths, rates, seed.
        photos: folder of ordinary photos that are made into further scenes.
        device: "cpu" or "cuda"; the GPU when there is one.
        workers: processes that render triplets.

    Returns:
        The path of the weights.
    """
    torch.set_flush_denormal(True)  # dark photos fill the networks with denormals, which are 40 times slower on a CPU
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    network = DRHT(recipe.config).to(where, memory_format=torch.channels_last)
    average = DRHT(recipe.config).to(where, memory_format=torch.channels_last)
    average.load_state_dict(network.state_dict())
    optimiser = torch.optim.Adam(network.parameters())
    state = {"seen": 0, "seconds": 0.0}
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location=where, weights_only=True)
        network.load_state_dict(saved["network"])
        average.load_state_dict(saved["average"])
        optimiser.load_state_dict(saved["optimiser"])
        state = saved["state"]

    def save() -> None:
        parts = {"network": network, "average": average, "optimiser": optimiser}
        torch.save({name: part.state_dict() for name, part in parts.items()} | {"state": state}, out / "checkpoint.new")
        (out / "checkpoint.new").replace(checkpoint)

    panoramas = load_panoramas(split_scenes(data)[0])
    photo_paths = find_photos(photos) if photos else []
    started = saved_at = logged_at = time.monotonic() - state["seconds"]
    sums = torch.zeros(2, device=where)
    logged = 0
    saved_at = logged_at = time.monotonic()
    for size, batch in _batches(recipe, panoramas, photo_paths, state["seen"], workers):
        if state["seen"] >= (1 - recipe.frozen_norm) * recipe.samples:
            _freeze_norm(network)
        else:
            network.train()
        photo, radiance, fused = (part.to(where, non_blocking=True, memory_format=torch.channels_last) for part in batch)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(recipe, state["seen"])
        with torch.autocast(where.type, dtype=torch.bfloat16, enabled=where.type == "cuda"):
            prediction = network(photo)
        hdr, ldr = loss(prediction, radiance, fused, recipe)
        optimiser.zero_grad(set_to_none=True)
        (recipe.hdr_weight * hdr + ldr).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        _follow(average, network, recipe.ema_decay)
        sums += torch.stack([hdr.detach(), ldr.detach()])
        logged += 1
        state["seen"] += len(photo)
        state["seconds"] = time.monotonic() - started
        if time.monotonic() - logged_at > 30:
            line = {"seen": state["seen"], "seconds": round(state["seconds"]), "size": size}
            line |= dict(zip(("hdr", "ldr"), (round(value, 4) for value in (sums / logged).tolist()), strict=True))
            with (out / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
            print(f"{state['seen']:>7} of {recipe.samples} photos  {size} px  hdr {line['hdr']:.4f}  ldr {line['ldr']:.4f}", flush=True)
            sums.zero_()
            logged, logged_at = 0, time.monotonic()
        if time.monotonic() - saved_at > 120:
            save()
            saved_at = time.monotonic()
    save()
    weights = out / "drht.safetensors"
    recipe_record = asdict(recipe) | {"seconds": round(state["seconds"]), "device": where.type}
    save_tensors(weights, average.state_dict(), asdict(recipe.config))
    (out / "recipe.json").write_text(json.dumps(recipe_record, indent=2) + "\n")
    return weights


def _batches(recipe: Recipe, panoramas: list, photos: list[Path], seen: int, workers: int) -> Iterator[tuple[int, list[Tensor]]]:
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
        loader = DataLoader(triplets, stage.batch // recipe.exposures, num_workers=workers, collate_fn=batches, prefetch_factor=4 if workers else None)
        for batch in loader:
            yield stage.size, batch


def _freeze_norm(network: nn.Module) -> None:
    """Let batch norm use its running statistics while everything else goes on learning: what the finished model will see."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


@torch.no_grad()
def _follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move the averaged weights, which are the ones that ship, towards the current ones."""
    for slow, fast in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if slow.is_floating_point():
            slow.lerp_(fast, 1 - decay)
        else:
            slow.copy_(fast)
