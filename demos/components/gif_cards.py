"""What everyone gets beside what this visitor gets, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demos.components import render
from demos.components.history import Liked
from demos.components.words import address, file_size, moving_picture, span

if TYPE_CHECKING:
    from vision_models.gifs.result import Clip

ALIKE = 0.5  # cosine similarity from which on one sees it, too


@dataclass(frozen=True)
class Pick:
    """A clip that we propose, and its GIF as soon as there is one."""

    clip: "Clip"
    about: str  # what is to be seen in it, in words
    like: Liked | None  # what it resembles
    file: Path | None = None


def sides(everyones: Sequence[Pick], yours: Sequence[Pick], liked: Sequence[Liked], lead_s: float = 0.0) -> str:
    """Return HTML with both columns; a player's times are by `lead_s` later than ours."""
    return render(
        "gif_cards",
        everyones=[_card(pick, lead_s) for pick in everyones],
        yours=[_card(pick, lead_s) | {"why": _why(pick, liked)} for pick in yours],
        liked=bool(liked),
    )


def _card(pick: Pick, lead_s: float) -> dict[str, Any]:
    card: dict[str, Any] = {"span": span(pick.clip, lead_s), "about": pick.about, "picture": None, "why": None}
    if pick.file is None:
        return card
    shown = {"picture": partial(moving_picture, pick.file), "address": address(pick.file)}
    return card | shown | {"name": pick.file.name, "size": file_size(pick.file)}


def _why(pick: Pick, liked: Sequence[Liked]) -> dict[str, Any] | None:
    """Say which GIF of the history a clip resembles, if that is still there."""
    similarity = pick.clip.similarity
    if pick.like is None or pick.like not in liked or similarity is None:
        return None
    how = "resembles" if similarity >= ALIKE else "is closest to"
    number = liked.index(pick.like) + 1
    return {"picture": pick.like.shown(""), "how": how, "number": number}
