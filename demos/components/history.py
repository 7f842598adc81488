"""What a visitor likes: all GIFs that count, each with what can be done about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demos.components import render
from demos.components.words import MovingPicture, moving_picture


@dataclass(frozen=True, eq=False)
class Liked:
    """A GIF that a visitor has liked, or has not."""

    file: Path
    name: str
    vector: NDArray[np.float32]  # what the network remembers of it
    video: Path | None = None  # it was cut out of, if it is a result of ours
    start_s: float = 0
    end_s: float = 0

    def shown(self, description: str) -> MovingPicture:
        """Return the GIF as the page shows it."""
        return moving_picture(self.file, description)


def gallery(liked: Sequence[Liked], disliked: Sequence[Liked]) -> str:
    """Return HTML with all of them, in the order in which they count."""
    return render("history", liked=liked, disliked=disliked)
