"""What the scorers of PHD-GIFs learn from: rankings of simulated users."""

from __future__ import annotations

import torch
from torch import Tensor

from vision_models.gifs.network import PHDGIFs, similarity_features
from vision_models.gifs.training.users import Users


def ranking_loss(scores: Tensor, wanted: Tensor, huber: float) -> Tensor:
    """Video2GIF's loss on all pairs of a video: scores (U, S), wanted (U, S) bool. A scalar."""
    margin = 1 - scores[:, :, None] + scores[:, None, :]  # (U, S, S): row above column?
    slack = margin.clamp_min(0)
    loss = torch.where(slack <= huber, 0.5 * slack.square(), huber * (slack - 0.5 * huber))
    pairs = wanted[:, :, None] & ~wanted[:, None, :]
    return loss[pairs].mean()


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
