"""PHD2, the test set of the paper: what 850 people cut out of videos of their own choice.

The annotations are `testing.csv` of https://github.com/gifs/personalized-highlights-dataset, a row per GIF with columns
youtubeId, start, duration, user_id, video_duration, is_last. A user's last video is the target, all others are history.
The videos are on YouTube, about 30 % of them gone.

How a video is measured; the figures in the docstring of `baselines` hold for this only:

* Ten frames a second, as many as fit into the video whole. A GIF has the frames floor(10 start) to floor(10 end) - 1,
  at least one.
* The dataset gives the duration of some videos as -1 (6 targets), or as shorter than a GIF needs. The end of the last
  GIF stands in for a target's. History GIFs of a video of unknown duration have no relative position: the habit
  baseline skips them. It takes those that end after their video as they are, even with their middle past its end.
* The segments of the baselines are plain 5 seconds, the last one as short as it comes (`segments.grid` would join a
  last one of less than half to the one before). A predictor brings segments of its own.
* Equal scores are told apart by the noise of `metrics.break_ties`, one draw per segment, users in the file's order.
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from vision_models.errors import DataError, VideoError
from vision_models.gifs.evaluation.metrics import FRAMES, Quality, break_ties, mean_quality, measure
from vision_models.gifs.scorers import Scorer, Vectors
from vision_models.media.videos import VIDEO_SUFFIXES

LOG = logging.getLogger(__name__)

COLUMNS = ("youtubeId", "start", "duration", "user_id", "video_duration", "is_last")
SEGMENT_FRAMES = 50
SEEDS = 8  # of the random baseline
HABIT_WIDTH = 0.1  # standard deviation, in lengths of a video
EARLY_S = 5.0  # many GIFs begin where their video does, perhaps because nobody moved the handle


@dataclass(frozen=True)
class Selection:
    """A GIF of a user's history, as the dataset has it."""

    video: str  # id on YouTube
    start_s: float
    end_s: float
    duration_s: float | None  # of the video, where the dataset knows it


@dataclass(frozen=True)
class User:
    """Who is asked for, in which video, and what they had cut before."""

    name: str
    target: str  # id on YouTube
    duration_s: float  # of the target, not before the end of its last GIF
    gifs: tuple[tuple[float, float], ...]  # start and end in the target, in seconds; one at least
    history: tuple[Selection, ...]

    @property
    def begins_early(self) -> bool:
        """Whether a GIF of the target starts in its first 5 seconds."""
        return min(start for start, _ in self.gifs) < EARLY_S

    @property
    def frames(self) -> int:
        """How many frames of the target are looked at."""
        return max(1, int(round(self.duration_s * FRAMES, 6)))

    def truth(self) -> NDArray[np.bool_]:
        """Frames of each GIF of the target, (G, F)."""
        first = np.array([int(start * FRAMES) for start, _ in self.gifs]).clip(max=self.frames - 1)
        end = np.maximum([int(end * FRAMES) for _, end in self.gifs], first + 1)
        frame = np.arange(self.frames)
        return (frame >= first[:, None]) & (frame < end[:, None])


Index = TypeVar("Index", bound="Segmented")


class Segmented(Protocol):
    """What a predictor makes of a video."""

    def spans(self) -> NDArray[np.float64]:
        """Start and end of the segments (S, 2), in seconds."""


class Predictor(Protocol[Index]):
    """The part of `HighlightPredictor` that this needs."""

    def index(self, video: Path, /) -> Index:
        """Look at a video once."""

    def vectors(self, index: Index, spans: NDArray[np.float64], /) -> Vectors:
        """Describe segments (S, 2) by vectors (S, D)."""

    def remember(self, gif: Path, start_s: float, end_s: float | None, /) -> NDArray[np.float32]:
        """Describe a part of a video by a vector (D,)."""


def read_phd2(path: Path) -> list[User]:
    """Read the annotations.

    Returns:
        The users, in the order of the file. One without a target is left out.

    Raises:
        DataError: for a file that is not of this kind; it says which line.
        OSError: for a file that cannot be opened.
    """
    rows: dict[str, list[tuple[Selection, bool]]] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        table = csv.DictReader(file)
        missing = [column for column in COLUMNS if column not in (table.fieldnames or ())]
        if missing:
            raise DataError(f"{path.name} has no column {', '.join(missing)}. It should be testing.csv of PHD2.")
        for row in table:
            try:
                selection, is_last = _selection(row)
            except (TypeError, ValueError) as error:
                raise DataError(f"Line {table.line_num} of {path.name} cannot be read: {error}") from error
            rows.setdefault(row["user_id"], []).append((selection, is_last))
    users = [_user(name, selections) for name, selections in rows.items() if any(last for _, last in selections)]
    if not users:
        raise DataError(f"{path.name} has no user with a target video. It should be testing.csv of PHD2.")
    return users


def baselines(users: Sequence[User]) -> str:
    """Measure what needs no frame: chance, the beginning of the video, the user's habit, and the best there could be.

    The habit is where in a video, relative to its length, the middles of the user's earlier GIFs are: a Gaussian of 0.1
    around each. The oracle scores a segment by its seconds of overlap with the one GIF that it overlaps most. Noise and
    random scores come from generators of seeds 0 to 7; all but "Random" use seed 0, and so does the last column.

    Returns:
        A table in Markdown, in percent. On the whole test file:

        | 850 users | mAP | nMSD | Recall@5 | mAP of the 759 whose GIFs start after 5 s |
        |---|---|---|---|---|
        | Random | 12.97 ± 0.23 | 50.83 | 22.18 | 11.07 |
        | Earliest first | 17.18 | 46.57 | 25.05 | 11.84 |
        | Own habit | 16.22 | 46.83 | 26.38 | 14.52 |
        | Oracle, 5 s | 63.36 | 3.98 | 98.07 | 62.50 |

    Raises:
        DataError: for no users.
    """
    if not users:
        raise DataError("There are no users to measure.")
    late = [user for user in users if not user.begins_early]
    lines = [
        f"| {len(users)} users | mAP | nMSD | Recall@5 | mAP of the {len(late)} whose GIFs start after 5 s |",
        "|---|---|---|---|---|",
    ]
    rows: dict[str, tuple[Baseline, int]] = {
        "Random": (_random, SEEDS),
        "Earliest first": (_earliest, 1),
        "Own habit": (_habit, 1),
        "Oracle, 5 s": (_oracle, 1),
    }
    for name, (scorer, seeds) in rows.items():
        runs = np.array([_run(users, scorer, seed) for seed in range(seeds)])  # (seeds, 3)
        ap, nmsd, recall = runs.mean(axis=0)
        spread = f" ± {runs[:, 0].std():.2f}" if seeds > 1 else ""
        without = f"{_run(late, scorer, 0).ap:.2f}" if late else "none"
        lines.append(f"| {name} | {ap:.2f}{spread} | {nmsd:.2f} | {recall:.2f} | {without} |")
    return "\n".join(lines)


def find_videos(folder: Path) -> dict[str, Path]:
    """Find videos that are named after their id on YouTube, such as dhuI9TO1rY8.mp4, in a folder."""
    return {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in VIDEO_SUFFIXES}


def evaluate_phd2(
    users: Sequence[User],
    videos: Path,
    predictor: Predictor[Index],
    scorers: Mapping[str, Scorer],
) -> str:
    """Run the article's comparison on the videos that are there.

    A user whose target is missing, or cannot be read, is left out, and so is one of whose history nothing is there.
    Otherwise the history is what there is of it.

    Args:
        users: From `read_phd2`.
        videos: Folder of videos, each named after its id on YouTube.
        predictor: Such as a `HighlightPredictor`.
        scorers: By name, such as those of `Comparison`.

    Returns:
        A table in Markdown, in percent, and a sentence on who was left out.

    Raises:
        DataError: when nobody is left.
    """
    found = find_videos(videos)
    rng = np.random.default_rng(0)
    results: dict[str, list[Quality]] = {name: [] for name in scorers}
    missing = unreadable = wanted = used = 0
    for number, user in enumerate(users):
        present = [gif for gif in user.history if gif.video in found]
        if user.target not in found or not present:
            missing += 1
            continue
        LOG.info(f"user {number + 1} of {len(users)}")
        history = _remember(predictor, found, present)
        try:
            index = predictor.index(found[user.target])
        except VideoError:
            index = None
        if index is None or not history:
            unreadable += 1
            continue
        spans = index.spans()
        segments = predictor.vectors(index, spans)
        wanted += len(user.history)
        used += len(history)
        of_frame = _segment_of_frame(spans, user.frames)
        for name, scorer in scorers.items():
            results[name].append(measure(break_ties(scorer(segments, np.stack(history)), rng), of_frame, user.truth()))
    kept = len(users) - missing - unreadable
    left_out = f"{missing} were left out because videos are missing, {unreadable} because videos cannot be read"
    if not kept:
        raise DataError(
            f"None of the {len(users)} users can be measured: {left_out}. "
            f"{videos} should hold videos that are named after their id on YouTube, such as {users[0].target}.mp4."
            if users
            else "There are no users to measure."
        )
    lines = [f"| {kept} users | mAP | nMSD | Recall@5 |", "|---|---|---|---|"]
    for name, values in results.items():
        lines.append(f"| {name} | " + " | ".join(f"{value:.2f}" for value in mean_quality(values)) + " |")
    lines += ["", f"Of {len(users)} users, {left_out}. {used} of the others' {wanted} history GIFs were there."]
    return "\n".join(lines)


Baseline = Callable[[User, np.random.Generator], NDArray[np.float64]]  # -> scores (S,)


def _random(user: User, rng: np.random.Generator) -> NDArray[np.float64]:
    return rng.random(_count(user))


def _earliest(user: User, rng: np.random.Generator) -> NDArray[np.float64]:  # noqa: ARG001
    return -np.arange(_count(user), dtype=np.float64)


def _habit(user: User, rng: np.random.Generator) -> NDArray[np.float64]:  # noqa: ARG001
    places = [(gif.start_s + gif.end_s) / 2 / gif.duration_s for gif in user.history if gif.duration_s is not None]
    if not places:
        return np.zeros(_count(user))
    here = (np.arange(_count(user)) + 0.5) * SEGMENT_FRAMES / user.frames
    return np.exp(-(((here[:, None] - places) / HABIT_WIDTH) ** 2) / 2).mean(axis=1)


def _oracle(user: User, rng: np.random.Generator) -> NDArray[np.float64]:  # noqa: ARG001
    start = np.arange(_count(user)) * SEGMENT_FRAMES / FRAMES
    end = np.minimum(start + SEGMENT_FRAMES / FRAMES, user.frames / FRAMES)
    gifs = np.array(user.gifs)[:, :, None]  # (G, 2, 1)
    return (np.minimum(end, gifs[:, 1]) - np.maximum(start, gifs[:, 0])).clip(0).max(axis=0)


def _run(users: Sequence[User], scorer: Baseline, seed: int) -> Quality:
    """Means over users."""
    rng = np.random.default_rng(seed)
    return mean_quality(
        [
            measure(break_ties(scorer(user, rng), rng), np.arange(user.frames) // SEGMENT_FRAMES, user.truth())
            for user in users
        ]
    )


def _count(user: User) -> int:
    return -(-user.frames // SEGMENT_FRAMES)


def _segment_of_frame(spans: NDArray[np.float64], frames: int) -> NDArray[np.int64]:
    """By the middle of each frame; what lies past the last segment, as a file may be shorter, is counted to it."""
    middles = (np.arange(frames) + 0.5) / FRAMES
    return (np.searchsorted(spans[:, 0], middles, side="right") - 1).clip(0)


def _remember(
    predictor: Predictor[Index], found: Mapping[str, Path], gifs: Sequence[Selection]
) -> list[NDArray[np.float32]]:
    vectors = []
    for gif in gifs:
        try:
            vectors.append(predictor.remember(found[gif.video], gif.start_s, gif.end_s))
        except VideoError:  # a download that ended early, or a GIF past the end of what is on YouTube today
            continue
    return vectors


def _selection(row: Mapping[str, str]) -> tuple[Selection, bool]:
    start, length, duration = (float(row[column]) for column in ("start", "duration", "video_duration"))
    if not (0 <= start < np.inf and 0 < length < np.inf and duration < np.inf):
        raise ValueError(f"a GIF of {length} s from {start} s on, in a video of {duration} s, cannot be")
    if row["is_last"] not in {"True", "False"}:
        raise ValueError(f"is_last is {row['is_last']!r}, not True or False")
    return Selection(row["youtubeId"], start, start + length, duration if duration > 0 else None), row[
        "is_last"
    ] == "True"


def _user(name: str, selections: Sequence[tuple[Selection, bool]]) -> User:
    last = [selection for selection, is_last in selections if is_last]
    end = max(selection.end_s for selection in last)
    return User(
        name,
        last[0].video,
        max(last[0].duration_s or 0.0, end),
        tuple((selection.start_s, selection.end_s) for selection in last if selection.video == last[0].video),
        tuple(selection for selection, is_last in selections if not is_last),
    )
