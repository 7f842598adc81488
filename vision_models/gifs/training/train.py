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
from vision_models.distributed import average, average_gradients, first_alone, here, own_chance
from vision_models.gifs.config import WEIGHTS, PHDConfig
from vision_models.gifs.evaluation.metrics import average_precision
from vision_models.gifs.network import PHDGIFs
from vision_models.gifs.pose import STILL_SIZE, describe_pose, joints_in
from vision_models.gifs.predictor import HighlightPredictor
from vision_models.gifs.scorers import Comparison, Vectors
from vision_models.gifs.training.data import Photo, cached_images, clip_movements, jitter, read_photos, split_topics
from vision_models.gifs.training.everyone import Everyone, read_everyone
from vision_models.gifs.training.losses import everyone_losses, generic_losses, personal_losses
from vision_models.gifs.training.train_encoder import CACHE_SIDE
from vision_models.gifs.training.users import VIEWS, Habits, Moves, Pool, Views, make_pool, simulate
from vision_models.weights.checkpoint import compressed, load_strictly, load_tensors, save_tensors, sha256_of
from vision_models.weights.record import WeightsFile

LOG = logging.getLogger(__name__)

LOG_STEPS = 200  # from one line about progress to the next
USUAL_ASPECT = 4 / 3  # of the photos, which are kept squashed


@dataclass(frozen=True)
class Recipe:
    """All that a training run depends on, besides its data and the encoder. Kept with the weights."""

    config: PHDConfig = field(default_factory=PHDConfig)
    habits: Habits = field(default_factory=Habits)  # of the users that the personal scorers learn from
    # Those without a history: most agree on lively moments and topics of action.
    everyone: Habits = field(default_factory=lambda: Habits(active_share=0.9, moment_share=0.0, lively_share=0.6))
    photos_per_topic: int = 100
    dull: int = 400  # segments, made here, that nobody wants
    steps: int = 2500
    users: int = 64  # in a batch
    learning_rate: float = 1e-3
    svm_learning_rate: float = 1e-2
    weight_decay: float = 1e-3
    svm_decay: float = 1e-2  # L2 of the two linear SVMs
    lively_weight: float = 0.8  # of liveliness beside what the generic ranker says
    huber: float = 1.5  # Video2GIF's: beyond, the loss grows linearly
    seed: int = 0


def train(
    data: Path,
    encoder: Path,
    pose: Path,
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
        pose: What `train_pose` wrote.
        out: Folder for `views-*.npz`, `movements-*.npz`, `recipe.json` and the finished `gifs.safetensors`. That of
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
    load_strictly(model.pose, load_tensors(pose)[0])
    model.to(where)

    photos = read_photos(data)
    training, validation = split_topics(photos)
    seen = sha256_of(encoder)[:8] + sha256_of(pose)[:8]
    with first_alone():
        movements = clip_movements(data, recipe.config, model.pose, out / f"movements-{seen}.npz")
    motion, moved = (_standardised(some) for some in (movements.motion, movements.pose))
    for name, (_, mean, scale) in (("motion", motion), ("pose", moved)):
        model.get_buffer(f"{name}_mean").copy_(torch.from_numpy(mean))
        model.get_buffer(f"{name}_scale").copy_(torch.from_numpy(scale))
    moves = Moves(motion[0], moved[0][:, STILL_SIZE:])
    with first_alone():
        views, rows = _photo_views(model, photos, recipe, out / f"views-{seen}.npz")
    names = np.array([photos[row].topic for row in rows])
    pools = [make_pool(views, names, split, moves, recipe.config) for split in (training, validation)]

    everyone = None
    if (data / "gifs").is_dir():
        predictor, kept = _predictor(model, encoder, where), out / f"everyone-{seen}.npz"
        with first_alone():
            everyone = read_everyone(data, predictor, recipe.dull, recipe.seed, kept)

    started = time.monotonic()
    _fit(model, pools[0], everyone, recipe)
    weights = out / "gifs.safetensors"
    if here().rank:
        return weights
    _choose_fusion(model, pools[1], recipe)
    if everyone is not None:
        _log_everyone(model, everyone)
    record = asdict(recipe) | {
        "seconds": round(time.monotonic() - started),
        "device": where.type,
        "fusion_weight": model.fusion_weight.item(),
        "topics": {"training": sorted(training), "validation": sorted(validation)},
    }
    (out / "recipe.json").write_text(json.dumps(record, indent=2) + "\n")
    # In 8 bits: a Space takes no file above 10 MB without LFS, and what it ranks is the same.
    save_tensors(weights, compressed(model.state_dict()), asdict(recipe.config))
    return weights


def _predictor(model: PHDGIFs, encoder: Path, device: torch.device) -> HighlightPredictor:
    return HighlightPredictor(model.eval(), WeightsFile(encoder, "path", None, None, WEIGHTS), device)


def _fit(model: PHDGIFs, pool: Pool, everyone: Everyone | None, recipe: Recipe) -> None:
    """Train all scorers, each on its own loss."""
    rng = np.random.default_rng(recipe.seed)
    model.lively_weight.fill_(recipe.lively_weight)
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
    own_chance()
    for step in range(1, recipe.steps + 1):
        users = simulate(pool, recipe.users, recipe.habits, rng).of(here())
        agreed = simulate(pool, recipe.users // 2, recipe.everyone, rng).of(here())
        losses = personal_losses(model, users, recipe.huber) | generic_losses(model, agreed, recipe.huber)
        if everyone is not None:
            losses |= everyone_losses(model, everyone, recipe.users, recipe.huber, rng)
        decay = recipe.svm_decay * (model.svm.weight.square().sum() + 0.01 * model.svm_d.weight.square().sum())
        loss = sum(losses.values(), decay)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(optimiser)
        optimiser.step()
        schedule.step()
        if step % LOG_STEPS == 0:
            means = average(torch.stack([*losses.values()]).detach())
            said = "   ".join(f"{name} {value:.3f}" for name, value in zip(losses, means.tolist(), strict=True))
            LOG.info(f"{step:>7} of {recipe.steps} steps   {said}")
    model.eval()


@torch.inference_mode()
def _log_everyone(model: PHDGIFs, everyone: Everyone) -> None:
    """Say how often a GIF of a collection that was held out wins against a stretch that was not chosen."""
    score = Comparison(model).generic
    gifs, ordinary, dull = (score(some, some[:0]) for some in (everyone.held_out, everyone.ordinary, everyone.dull))
    said = [float((gifs[:, None] > some).mean()) for some in (ordinary, dull)]
    LOG.info(f"held-out GIFs win against {said[0]:.1%} of ordinary stretches, {said[1]:.1%} of dull ones")


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


def _standardised(rows: NDArray[np.float32]) -> tuple[Vectors, Vectors, Vectors]:
    """Return rows (M, D) of mean 0 and deviation 1, and the mean and deviation (D,) that they had."""
    mean, scale = rows.mean(axis=0), rows.std(axis=0).clip(1e-3)
    return ((rows - mean) / scale).astype(np.float32), mean, scale


def _photo_views(
    model: PHDGIFs, photos: Sequence[Photo], recipe: Recipe, kept: Path
) -> tuple[Views, NDArray[np.int64]]:
    """Look at two views of some photos of every topic. Returns that, and which photos they are, (N,)."""
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
        still = np.empty((len(rows), VIEWS, STILL_SIZE), np.float32)
        presence = np.empty((len(rows), VIEWS), np.float32)
        device = next(model.encoder.parameters()).device
        model.encoder.to(memory_format=torch.channels_last)
        for start in range(0, len(rows), 32):
            part = rows[start : start + 32]
            shown = np.stack([jitter(np.asarray(images[row]), side, rng) for row in part for _ in range(VIEWS)])
            with torch.inference_mode():
                said = model.encoder(torch.from_numpy(shown).to(device).permute(0, 3, 1, 2))
            here = slice(start, start + len(part))
            vectors[here] = functional.normalize(said, dim=1).cpu().numpy().reshape(len(part), VIEWS, -1)
            poses = [describe_pose(joints[None], USUAL_ASPECT) for joints in joints_in(model.pose, shown)]
            still[here] = np.stack([pose.still for pose in poses]).reshape(len(part), VIEWS, -1)
            presence[here] = np.array([pose.presence for pose in poses]).reshape(len(part), VIEWS)
            if start % 3200 == 0:
                LOG.info(f"{start:>7} of {len(rows)} photos seen")
        np.savez(kept, vectors=vectors, still=still, presence=presence, rows=rows)
    with np.load(kept) as saved:
        mean, scale = (b.numpy(force=True)[:STILL_SIZE] for b in (model.pose_mean, model.pose_scale))
        return Views(saved["vectors"], (saved["still"] - mean) / scale, saved["presence"]), saved["rows"]
