"""What the GIF tab knows about one visitor and their video, and what it makes of that. No network is asked here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr
import numpy as np

from demos.components.gif_cards import Pick
from demos.components.history import Liked
from demos.components.words import clock
from demos.files import deleted_on_schedule
from demos.shell import UPLOAD_MEGABYTES, line
from vision_models.errors import VideoError
from vision_models.media.clips import write_gif
from vision_models.media.edits import AS_IT_IS, Edits
from vision_models.media.videos import Video

if TYPE_CHECKING:
    from vision_models.gifs.result import Clip, Highlights, VideoIndex

VIDEO_SECONDS = 3600
VIDEO_GIGAPIXELS = 250  # of all its pictures together: an hour of 1920 x 1080 at 30 a second has 224
HISTORY_GIFS = 50
HISTORY_SECONDS = 60  # of one of them
MAX_COUNT = 6  # GIFs
MIN_LENGTH, MAX_LENGTH = 1, 10  # seconds, as proposed
MAX_TRIMMED = 30  # seconds
LIMITS = f"""Up to one hour and {UPLOAD_MEGABYTES} MB. A minute of video takes some 5 seconds, ten minutes about
40."""
MEGABYTES = 5  # that a GIF has at most, unless something else is chosen
LIVELY = 50  # per cent of the video's frames in which less moves
SOMEBODY = 0.35  # how sure the network for joints is, on average, when there is a person
GONE = "This video is no longer on the server. Please drop it in again."


@dataclass(frozen=True)
class Look:
    """How a GIF file is made."""

    height: int
    fps: float
    suffix: str
    megabytes: float = MEGABYTES  # at most; 0 is no limit
    edits: Edits = AS_IT_IS


@dataclass(frozen=True, eq=False)
class Job:
    """A video that was watched. All pictures stay in files."""

    video: Path  # as uploaded
    index: "VideoIndex"
    film: str  # a data URI
    folder: Path  # for the GIFs

    @property
    def lead_s(self) -> float:
        """What a player, and so the visitor, shows at the first frame."""
        return self.index.video.lead_s

    def file(self, start_s: float, end_s: float, look: Look) -> Path:
        """Return where a GIF lies, or will lie once it is cut."""
        limit = "" if look.megabytes == MEGABYTES else f"-{look.megabytes:g}MB"
        if look.edits != AS_IT_IS:
            limit += f"-{sha256(repr(look.edits).encode()).hexdigest()[:8]}"
        start_s, end_s = start_s + self.lead_s, end_s + self.lead_s
        name = f"{self.video.stem}-{start_s:.2f}-{end_s:.2f}-{look.height}p-{look.fps:g}fps{limit}{look.suffix}"
        return self.folder / name

    def cut(self, start_s: float, end_s: float, look: Look) -> Path:
        """Cut a GIF, unless that was done before, and return its file."""
        file = self.file(start_s, end_s, look)
        if not file.exists():
            limit, wish = round(1e6 * look.megabytes) or None, look.edits
            write_gif(self.index.video, start_s, end_s, file, look.height, look.fps, max_bytes=limit, edits=wish)
        return deleted_on_schedule(file)


@dataclass
class Visit:
    """What the page knows about one visitor, for as long as their session lasts.

    Events change it in place, so that one that takes long notices when another has made it pointless: it goes on only
    while `wanted`, or `shown`, is still what it works for.
    """

    liked: list[Liked] = field(default_factory=list)
    disliked: list[Liked] = field(default_factory=list)
    wanted: Path | None = None  # the video to be watched; None once the visitor cancels
    job: Job | None = None
    highlights: "Highlights | None" = None  # of that video ...
    ranked_for: tuple[Liked, ...] = ()  # ... for these GIFs
    shown: tuple[tuple[Pick, ...], tuple[Pick, ...]] = ((), ())  # for everyone, for this visitor


def choose(
    highlights: "Highlights", count: int, length_s: float, liked: Sequence[Liked], unwanted: Sequence[Liked] = ()
) -> list[Pick]:
    """Return the best clips that do not touch a moment that the visitor did not want, or has taken already."""
    clips = highlights.best(count + 3 * len(unwanted), length_s)  # one moment touches two or three at most
    wanted = (c for c in clips if not any(c.start_s < one.end_s and one.start_s < c.end_s for one in unwanted))
    index = highlights.index
    picks = [Pick(c, about(index, c), None if c.nearest is None else liked[c.nearest]) for c in wanted]
    return picks[:count]


def about(index: "VideoIndex", clip: "Clip") -> str:
    """Say what is to be seen in a clip, as far as it was measured."""
    from vision_models.gifs.motion import SPEED  # not above: its package imports torch

    said = []
    inside = slice(*np.searchsorted(index.times, [clip.start_s, clip.end_s]))
    if len(index.motion) and inside.stop > inside.start:
        speed = index.motion[:, SPEED]
        calmer = 100 * float((speed < speed[inside].mean()).mean())
        said.append(f"livelier than {calmer:.0f} % of the video" if calmer >= LIVELY else "a calm moment")
    looks = slice(*np.searchsorted(index.look_times, [clip.start_s, clip.end_s]))
    if looks.stop > looks.start and index.joints[looks, :, 2].mean() > SOMEBODY:
        said.append("somebody is in it")
    return ", ".join(said)


def with_files(job: Job, picks: Sequence[Pick], look: Look) -> Iterator[Pick]:
    """Add to each pick its GIF, if it is there already."""
    for pick in picks:
        file = job.file(pick.clip.start_s, pick.clip.end_s, look)
        yield replace(pick, file=file if file.exists() else None)


def check_length(video: Video, limit_s: float, what: str) -> Video:
    """Refuse what would keep the page busy for too long."""
    if video.duration_s > limit_s:
        length, limit = clock(video.duration_s), clock(limit_s)
        raise VideoError(f"This {what} is {length} long; the limit is {limit}. Please cut it and try again.")
    pictures = video.duration_s * video.fps
    if pictures * video.width * video.height > VIDEO_GIGAPIXELS * 1e9:
        size = f"{pictures:,.0f} pictures of {video.width} × {video.height} pixels"
        raise VideoError(f"This {what} has {size}: more than can be looked at here. Please make it smaller, or cut it.")
    return video


def check_trim(job: Job | None, start_s: float, end_s: float) -> tuple[Job, float, float]:
    """Return the video, with start and end as a player shows them turned into ours, or say why they do not fit."""
    if job is None:
        raise VideoError(GONE)
    length_s = job.index.video.duration_s
    start_s, end_s = max(start_s - job.lead_s, min(start_s, 0.0)), end_s - job.lead_s
    end_s = min(end_s, length_s)
    if not 0 <= start_s < end_s:
        length = clock(length_s, exact=True)
        raise VideoError(f"The start has to come before the end, and both within the video, which is {length} long.")
    if end_s - start_s > MAX_TRIMMED:
        raise VideoError(f"A GIF can be up to {MAX_TRIMMED} seconds long here. Please move the start or the end.")
    return job, start_s, end_s


def check_number(name: str, value: object, low: float, high: float) -> None:
    """Refuse what no slider of the page would send."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise gr.Error(f"{name} has to be a number from {low} to {high}, not {value!r}.", print_exception=False)


def left_out(refusals: Sequence[tuple[Path, str]], surplus: int) -> str:
    """Return one line about files that did not become part of the history, or an empty one."""
    said = []
    if surplus:
        files = "1 file was" if surplus == 1 else f"{surplus} files were"
        said.append(f"A history holds up to {HISTORY_GIFS} GIFs: {files} left out.")
    if refusals:
        file, why = refusals[0]
        others = "" if len(refusals) == 1 else f" and {len(refusals) - 1} more"
        said.append(f"{file.name}{others} could not be added. {why}")
    return line(" ".join(said), "problem") if said else line("")
