"""Training of the judge, on finished networks: what they make of photos is computed once."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch.nn import functional

from vision_models.exposure.network import DRHT
from vision_models.exposure.training.data import Shares, Triplets, batches
from vision_models.exposure.training.losses import needed
from vision_models.training import loader
from vision_models.weights.checkpoint import load_tensors, save_tensors

LOG = logging.getLogger(__name__)

LOOKED_AT = "judged.safetensors"  # in the folder of a run


@dataclass(frozen=True)
class JudgeRecipe:
    """All that this training depends on, besides its photos and the networks."""

    size: int = 256  # pixels a side
    samples: int = 2_000  # photos
    batch: int = 8  # photos that are looked at together
    epochs: int = 100
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    # Pictures that need nothing are rare among the scenes of the networks, and what visitors bring is mostly such.
    shares: Shares = field(default_factory=lambda: Shares(photos=0.45, stacks=0.12, made=0.24, untouched=0.7))
    seed: int = 1000


def train_judge(network: DRHT, triplets: Triplets, out: Path, recipe: JudgeRecipe, workers: int) -> None:
    """Train the judge of a network in place.

    Args:
        network: whose convolutions are trained.
        triplets: of `recipe`, from the data that the networks were trained on.
        out: folder that keeps what the networks said, so that a second call need not ask them again.
        recipe: rates and lengths.
        workers: processes that render photos.
    """
    if network.judge is None:
        return
    cache, device = out / LOOKED_AT, next(network.parameters()).device
    if not cache.exists():
        save_tensors(cache, _look(network, triplets, recipe, workers), {"samples": recipe.samples})
    seen, _ = load_tensors(cache)
    inputs, wanted = seen["inputs"].to(device), seen["wanted"].to(device)
    torch.manual_seed(recipe.seed)
    optimiser = torch.optim.AdamW(network.judge.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    network.judge.train()
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.epochs)
    for _ in range(recipe.epochs):
        losses = []
        for rows in torch.randperm(len(inputs), device=device).split(256):
            if len(rows) < 2:  # too few for a batch norm
                continue
            loss = functional.binary_cross_entropy_with_logits(network.judge(inputs[rows]), wanted[rows])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            losses.append(loss.detach())
        schedule.step()
    network.judge.eval()
    LOG.info(f"judge loss {float(torch.stack(losses).mean()):.4f}")


@torch.inference_mode()
def _look(network: DRHT, triplets: Triplets, recipe: JudgeRecipe, workers: int) -> dict[str, torch.Tensor]:
    """What the judge will see of each photo, and how much that needs."""
    network.eval()
    device = next(network.parameters()).device
    inputs, wanted = [], []
    for photos, _, right in loader(triplets, max(recipe.batch // triplets.exposures, 1), workers, batches):
        photo = photos.flatten(0, 1).to(device).float() / 255
        inputs.append(network(photo).judged.cpu())
        wanted.append(needed(photo.cpu(), right.repeat_interleave(photos.shape[1], dim=0)))
        if len(inputs) % 25 == 0:
            LOG.info(f"{len(inputs) * len(photo):>7} of {recipe.samples} photos looked at")
    return {"inputs": torch.cat(inputs), "wanted": torch.cat(wanted)}
