"""What several parts say alike: times, sizes, scores, and where the page finds a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import quote

MOVING = {".mp4", ".webm", ".mov", ".mkv", ".m4v"}  # what browsers show in a <video>, not in an <img>


class Stretch(Protocol):
    """A clip or a segment of a video."""

    @property
    def start_s(self) -> float:
        """Where it begins, in seconds."""

    @property
    def end_s(self) -> float:
        """Where it ends, in seconds."""


class MovingPicture(NamedTuple):
    """A GIF, a WebP or a short video, which all play by themselves and start over."""

    address: str
    description: str
    is_video: bool


def moving_picture(file: Path, description: str) -> MovingPicture:
    """Describe a file of Gradio's cache for the macro of this name."""
    return MovingPicture(address(file), description, file.suffix.lower() in MOVING)


def address(file: Path) -> str:
    """Return where the page finds a file of Gradio's cache."""
    return f"gradio_api/file={quote(str(file))}"


def clock(seconds: float, *, exact: bool = False) -> str:
    """Return a time as people write it: 1:05, or 1:05.3 if `exact`."""
    seconds = round(seconds, 1 if exact else 0)
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    whole = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{whole}:{rest:04.1f}" if exact else f"{whole}:{int(rest):02}"


def span(time: Stretch, lead_s: float) -> str:
    """Return a stretch of time in words, as a player shows it: by `lead_s` later than we count."""
    return f"{clock(time.start_s + lead_s, exact=True)} – {clock(time.end_s + lead_s, exact=True)}"


def file_size(file: Path) -> str:
    """Return the size of a file in KB, as download pages count them."""
    return f"{max(round(file.stat().st_size / 1000), 1):,} KB"


def points(scores: Sequence[float]) -> list[int]:
    """Spread scores over 0 to 100: only their order within one video means something."""
    low, high = min(scores), max(scores)
    return [round(100 * (score - low) / (high - low)) if high > low else 50 for score in scores]
