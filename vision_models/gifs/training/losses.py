"""What the scorers of PHD-GIFs learn from: rankings of simulated users."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from vision_models.distributed import here, pooled
from vision_models.gifs.network import PHDGIFs, similarity_features
from vision_models.gifs.training.everyone import Everyone
from vision_models.gifs.training.users import Users


def ranking_loss(scores: Tensor, wanted: Tensor, huber: float) -> Tensor:
    """Video2GIF's loss on all pairs of a video: scores (U, S), wanted (U, S) bool. A scalar.

    Of several processes that train together, each has its own videos.
    """
    margin = 1 - scores[:, :, None] + scores[:, None, :]  # (U, S, S): row above column?
    slack = margin.clamp_min(0)
    loss = torch.where(slack <= huber, 0.5 * slack.square(), huber * (slack - 0.5 * huber))
    pairs = wanted[:, :, None] & ~wanted[:, None, :]
    return pooled(loss[pairs].mean(), pairs.sum())


def personal_losses(model: PHDGIFs, users: Users, huber: float) -> dict[str, Tensor]:
    """What SVM-D and PHD-CA get wrong, each a scalar."""
    device = model.fusion_weight.device
    segments, history = (torch.from_numpy(part).to(device) for part in (users.segments, users.history))
    wanted, length = torch.from_numpy(users.wanted).to(device), torch.from_numpy(users.length).to(device)
    mean = history.sum(dim=1) / length[:, None]
    similarities = segments @ history.transpose(1, 2)  # (U, S, H)
    closeness = torch.stack(
        [
            model.svm_d(similarity_features(s[:, :h], model.config.nearest))[:, 0]
            for s, h in zip(similarities, length, strict=True)
        ]
    )
    paired = torch.cat([segments, mean[:, None].expand_as(segments)], dim=-1)
    scores = {"svm_d": closeness, "phd_ca": model.phd_ca(paired)}
    return {name: ranking_loss(score, wanted, huber) for name, score in scores.items()}


def generic_losses(model: PHDGIFs, users: Users, huber: float) -> dict[str, Tensor]:
    """What the generic ranker and the Highlight SVM get wrong, each a scalar."""
    device = model.fusion_weight.device
    segments, wanted = (torch.from_numpy(part).to(device) for part in (users.segments, users.wanted))
    scores = {"generic": model.generic(segments), "svm": model.svm(segments)[..., 0]}
    return {name: ranking_loss(score, wanted, huber) for name, score in scores.items()}


def everyone_losses(
    model: PHDGIFs, everyone: Everyone, pairs: int, huber: float, rng: np.random.Generator
) -> dict[str, Tensor]:
    """What the same two get wrong of GIFs beside random stretches of video, and beside what nobody wants."""
    device = model.fusion_weight.device
    chosen = [some[rng.integers(len(some), size=pairs)] for some in (everyone.gifs, everyone.ordinary, everyone.dull)]
    some = torch.from_numpy(here().share(np.stack(chosen, axis=1))).to(device)  # (pairs, 3, D)
    wanted = torch.tensor([True, False, False], device=device).expand(len(some), 3)
    over = torch.tensor([True, True, False], device=device).expand(len(some), 3)
    scores = {"generic": model.generic(some), "svm": model.svm(some)[..., 0]}
    return {
        f"{name}_everyone": ranking_loss(score, wanted, huber) + ranking_loss(score, over, huber)
        for name, score in scores.items()
    }
