"""How much of a correction a photo needs: one number, from what both networks saw and what they would change."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vision_models.exposure.upsampling import luminance_of

BINS = 24  # of luminance
HIDDEN = 64
CLIPPED = 4 / 255  # from black and from white
EQUAL = 0.5 / 255  # neighbours that are no further apart are the same colour: in drawings most are
FEATURES = 3 * BINS + 3 + 5


class Judge(nn.Module):
    """Two layers on the latent means of both networks and on figures of the photo before and after."""

    def __init__(self, latent: int) -> None:
        super().__init__()
        inputs = 2 * latent + FEATURES
        self.layers = nn.Sequential(
            nn.BatchNorm1d(inputs), nn.Linear(inputs, HIDDEN), nn.ELU(), nn.Dropout(0.3), nn.Linear(HIDDEN, 1)
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits (B,) of (B, 2 * latent + FEATURES), see `judged`."""
        return self.layers(inputs)[:, 0]


def judged(photo: Tensor, corrected: Tensor, *latents: Tensor) -> Tensor:
    """Put together what a judge looks at.

    Args:
        photo: (B, 3, H, W) in 0..1.
        corrected: the same.
        latents: the means of the networks' latent maps, each (B, latent).
    """
    corrected = corrected.clamp(0, 1)
    before, after = (luminance_of(picture).flatten(1) for picture in (photo, corrected))
    change, shades = after - before, _shares(before)
    bin_change = (shades * change[:, None]).mean(dim=2)
    brightest, darkest = photo.amax(dim=1), photo.amin(dim=1)
    figures = [
        change.mean(dim=1),
        change.abs().mean(dim=1),
        (corrected - photo).square().mean(dim=(1, 2, 3)).sqrt(),
        (darkest >= 1 - CLIPPED).float().mean(dim=(1, 2)),
        (brightest <= CLIPPED).float().mean(dim=(1, 2)),
        (photo.diff(dim=2).abs().amax(dim=1) <= EQUAL).float().mean(dim=(1, 2)),
        (photo.diff(dim=3).abs().amax(dim=1) <= EQUAL).float().mean(dim=(1, 2)),
        (brightest - darkest).mean(dim=(1, 2)),
    ]
    parts = [shades.mean(dim=2), _shares(after).mean(dim=2), bin_change, torch.stack(figures, dim=1)]
    return torch.cat([*parts, *latents], dim=1)


def _shares(values: Tensor) -> Tensor:
    """How much each value (B, N) in 0..1 belongs to each of the bins, between whose centres it lies: (B, BINS, N)."""
    centres = torch.linspace(0, 1, BINS, device=values.device)
    return (1 - (values[:, None] - centres[None, :, None]).abs() * (BINS - 1)).clamp_min(0)
