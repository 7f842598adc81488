"""Training of the scorers on simulated users (see `users.py`): minutes, once the photos are encoded.

Topics of training and validation users are disjoint, and so are the photos.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from vision_models.devices import choose_device
from vision_models.gifs.config import PHDConfig
from vision_models.gifs.evaluation.metrics import average_precision
from vision_models.gifs.network import FrameEncoder, PHDGIFs
from vision_models.gifs.scorers import Comparison, Vectors
from vision_models.gifs.training.data import Photo, cached_images, clip_motion, jitter, read_photos, split_topics
from vision_models.gifs.training.losses import generic_losses, personal_losses
from vision_models.gifs.training.train_encoder import CACHE_SIDE
from vision_models.gifs.training.users import VIEWS, Habits, Pool, make_pool, simulate
from vision_models.weights.checkpoint import load_strictly, load_tensors, save_tensors, sha256_of

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """All that a training run depends on, besides its data and the encoder. Kept with the weights."""

    config: PHDConfig = field(default_factory=PHDConfig)
    habits: Habits = field(default_factory=Habits)  # of the users that the personal scorers learn from
    # Those without a history: most agree on lively moments and topics of action.
    everyone: Habits = field(default_factory=lambda: Habits(active_share=0.9, moment_share=0.0, lively_share=0.6))
    photos_per_topic: int = 100
    steps: int = 2500
    users: int = 64  # in a batch
    learning_rate: float = 1e-3
    svm_learning_rate: float = 1e-2
    weight_decay: float = 1e-3
    svm_decay: float = 1e-2  # L2 of the two linear SVMs
    huber: float = 1.5  # Video2GIF's: beyond, the loss grows linearly
    seed: int = 0


def train(
    data: Path,
    encoder: Path,
    out: Path,
    recipe: Recipe,
    *,
    device: str | None = None,
) -> Path:
    """Train all scorers on simulated users.

    The vectors of the photos and the motion of the clips are computed once and kept in `out`; the training itself takes
    minutes.

    Args:
        data: Folder of photo sets and of clips (see `data.py`).
        encoder: What `train_encoder` wrote.
        out: Folder for `vectors-*.npz`, `motion.npy`, `recipe.json` and the finished `gifs.safetensors`. That of
            `train_encoder` holds the decoded photos already.
        recipe: Sizes, lengths, rates, seed.
        device: "cpu" or "cuda"; the GPU when there is one.

    Returns:
        The path of the weights.
    """
    torch.set_flush_denormal(True)
    torch.manual_seed(recipe.seed)
    where = choose_device(device)
    out.mkdir(parents=True, exist_ok=True)
    tensors, config = load_tensors(encoder)
    recipe = replace(recipe, config=PHDConfig.from_json(config))
    model = PHDGIFs(recipe.config)
    load_strictly(model.encoder, tensors)
    model.to(where)

    photos = read_photos(data)
    training, validation = split_topics(photos)
    kept = out / f"vectors-{sha256_of(encoder)[:12]}.npz"
    vectors, rows = _photo_vectors(model.encoder, photos, recipe, kept)
    motion = clip_motion(data, recipe.config, out / "motion.npy")
    mean, scale = motion.mean(axis=0), motion.std(axis=0).clip(1e-3)
    model.motion_mean.copy_(torch.from_numpy(mean))
    model.motion_scale.copy_(torch.from_numpy(scale))
    standard = ((motion - mean) / scale).astype(np.float32)
    names = np.array([photos[row].topic for row in rows])
    pools = [
        make_pool(vectors, names, split, standard, recipe.config.motion_weight) for split in (training, validation)
    ]

    started = time.monotonic()
    _fit(model, pools[0], recipe)
    _choose_fusion(model, pools[1], recipe)
    record = asdict(recipe) | {
        "seconds": round(time.monotonic() - started),
        "device": where.type,
        "fusion_weight": model.fusion_weight.item(),
        "topics": {"training": sorted(training), "validation": sorted(validation)},
    }
    (out / "recipe.json").write_text(json.dumps(record, indent=2) + "\n")
    weights = out / "gifs.safetensors"
    # Half precision: the file is half as large, and what it ranks is the same.
    save_tensors(weights, {name: t.half() for name, t in model.state_dict().items()}, asdict(recipe.config))
    return weights


def _fit(model: PHDGIFs, pool: Pool, recipe: Recipe) -> None:
    """Train all scorers, each on its own loss."""
    rng = np.random.default_rng(recipe.seed)
    background = simulate(pool, -(-recipe.config.background // recipe.habits.segments), recipe.habits, rng)
    model.background.copy_(
        torch.from_numpy(background.segments.reshape(-1, background.segments.shape[-1])[: recipe.config.background])
    )
    optimiser = torch.optim.AdamW(
        [
            {"params": [*model.generic.parameters(), *model.phd_ca.parameters()], "lr": recipe.learning_rate},
            {"params": [*model.svm.parameters(), *model.svm_d.parameters()], "lr": recipe.svm_learning_rate},
        ],
        weight_decay=recipe.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.steps)
    model.train()
    for step in range(1, recipe.steps + 1):
        users = simulate(pool, recipe.users, recipe.habits, rng)
        everyone = simulate(pool, recipe.users // 2, recipe.everyone, rng)
        losses = personal_losses(model, users, recipe.huber) | generic_losses(model, everyone, recipe.huber)
        decay = recipe.svm_decay * (model.svm.weight.square().sum() + 0.01 * model.svm_d.weight.square().sum())
        loss = sum(losses.values(), decay)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 200 == 0:
            said = "   ".join(f"{name} {value.item():.3f}" for name, value in losses.items())
            LOG.info(f"{step:>7} of {recipe.steps} steps   {said}")
    model.eval()


@torch.inference_mode()
def _choose_fusion(model: PHDGIFs, pool: Pool, recipe: Recipe) -> None:
    """Set w of h = h_FNN + w * h_SVM to what ranks best for validation users, over histories of 1 to 10.

    These are users who like what a video shows, in the world as it is: liveliness is PHD-CA's alone, and invented
    topics are for training.
    """
    habits = replace(recipe.habits, lively_share=0.0, invented_share=0.0)
    rng = np.random.default_rng([recipe.seed, 1])
    batches = [simulate(pool, 150, habits, rng, length) for length in (1, 2, 5, 10)]
    comparison = Comparison(model)
    cases = [
        (users.segments[n], users.history[n, : users.length[n]], users.wanted[n])
        for users in batches
        for n in range(len(users.wanted))
    ]
    parts = [(comparison.phd_ca(s, h), comparison.closeness(s, h), w) for s, h, w in cases]
    grid = [0.0, *np.geomspace(0.1, 10, 21)]
    quality = [float(np.mean([average_precision(ca + weight * d, w) for ca, d, w in parts])) for weight in grid]
    best = int(np.argmax(quality))
    model.fusion_weight.fill_(float(grid[best]))
    alone = float(np.mean([average_precision(d, w) for _, d, w in parts]))
    nobody = float(np.mean([average_precision(comparison.generic(s, h), w) for s, h, w in cases]))
    LOG.info(
        f"validation mAP: generic {nobody:.3f}, PHD-CA {quality[0]:.3f}, SVM-D {alone:.3f}, "
        f"fusion {quality[best]:.3f} with w = {grid[best]:.2f}"
    )


def _photo_vectors(
    encoder: FrameEncoder, photos: Sequence[Photo], recipe: Recipe, kept: Path
) -> tuple[Vectors, NDArray[np.int64]]:
    """Two views of some photos of every topic: unit vectors (N, VIEWS, embedding), and which photos they are, (N,)."""
    if not kept.exists():
        images, readable = cached_images(photos, CACHE_SIDE, kept.with_name("photos.npy"))
        rng = np.random.default_rng(recipe.seed)
        names = np.array([photo.topic for photo in photos])
        chosen = [
            rng.permutation(np.flatnonzero((names == topic) & readable))[: recipe.photos_per_topic]
            for topic in np.unique(names)
        ]
        rows = np.sort(np.concatenate(chosen))
        side = recipe.config.side
        vectors = np.empty((len(rows), VIEWS, recipe.config.embedding), np.float32)
        device = next(encoder.parameters()).device
        encoder.to(memory_format=torch.channels_last)
        for start in range(0, len(rows), 32):
            part = rows[start : start + 32]
            shown = np.stack([jitter(np.asarray(images[row]), side, rng) for row in part for _ in range(VIEWS)])
            with torch.inference_mode():
                said = encoder(torch.from_numpy(shown).to(device).permute(0, 3, 1, 2))
            vectors[start : start + 32] = functional.normalize(said, dim=1).cpu().numpy().reshape(len(part), VIEWS, -1)
            if start % 3200 == 0:
                LOG.info(f"{start:>7} of {len(rows)} photos encoded")
        np.savez(kept, vectors=vectors, rows=rows)
    with np.load(kept) as saved:
        return saved["vectors"], saved["rows"]
