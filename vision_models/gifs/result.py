"""What PHD-GIFs says about a video: how its segments rank, and the clips to cut."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vision_models.gifs.config import SEGMENT_S
from vision_models.gifs.motion import SPEED
from vision_models.gifs.segments import grid, loop_point, shots, sub_window, suppress
from vision_models.media.videos import Video

LOOP_SLACK_S = 0.75  # a GIF may end so much earlier or later to loop well


@dataclass(frozen=True)
class Segment:
    """A stretch of a video and how it ranks."""

    start_s: float
    end_s: float
    generic: float  # what everyone would say; comparable within one video only, like the other two
    personal: float  # what PHD-GIFs says for this history; the generic score when there is none
    score: float  # between the two, by weight
    nearest: int | None  # the history GIF that it is most like
    similarity: float | None  # cosine with that one, -1..1


@dataclass(frozen=True)
class Clip:
    """A GIF to be cut: never overlaps another one of the same answer."""

    start_s: float
    end_s: float
    score: float
    segment: int  # index of the segment it is from
    nearest: int | None
    similarity: float | None


class VideoIndexPart(NamedTuple):
    """What is known of a stretch of a video; the fields are those of `VideoIndex`, in their order."""

    look_times: NDArray[np.float64]
    looks: NDArray[np.float32]
    times: NDArray[np.float64]
    motion: NDArray[np.float32]
    signatures: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class VideoIndex:
    """All that is ever needed of a video: decoded and seen once, small, picklable, without frames to recognise."""

    video: Video
    look_times: NDArray[np.float64]  # (P,) seconds
    looks: NDArray[np.float32]  # (P, E) unit length
    times: NDArray[np.float64]  # (F,) seconds
    motion: NDArray[np.float32]  # (F, 18), or no rows when only key frames were decoded
    signatures: NDArray[np.uint8]  # (F, 144) grey thumbnails of 16 x 9 pixels

    def spans(self, *, by_shots: bool = False) -> NDArray[np.float64]:
        """Cut into segments (S, 2), start and end in seconds: of 5 seconds as in the paper, or by shots."""
        if by_shots and len(self.motion):
            return shots(self.times, self.signatures, self.video.duration_s)
        return grid(self.video.duration_s, SEGMENT_S)


@dataclass(frozen=True, eq=False)
class Highlights:
    """A ranked video."""

    index: VideoIndex = field(repr=False)
    segments: tuple[Segment, ...]  # in time order; they cover the video without gaps
    weight: float  # of the personal score: 0 gives everyone the same, 1 is PHD-GIFs

    def reweight(self, weight: float) -> Highlights:
        """Blend the generic and the personal scores anew. Neither decodes nor asks a network.

        Raises:
            ValueError: for a weight outside 0..1.
        """
        check_weight(weight)
        blended = tuple(replace(s, score=blend(s.generic, s.personal, weight)) for s in self.segments)
        return Highlights(self.index, blended, weight)

    def best(self, k: int = 5, length_s: float | None = None) -> tuple[Clip, ...]:
        """Choose up to `k` clips, best first, that do not overlap.

        Args:
            k: How many at most.
            length_s: How long each, in seconds; the best part of a longer segment, or more than a shorter one. None
                keeps the segments whole. The end may move by up to 0.75 s to where the GIF loops best.

        Raises:
            ValueError: for a length that is not above 0.
        """
        if length_s is not None and not length_s > 0:
            raise ValueError(f"length_s must be above 0, not {length_s}")
        spans = [self._window(segment, length_s) for segment in self.segments]
        chosen = suppress(np.array(spans), np.array([s.score for s in self.segments]), k)
        return tuple(
            Clip(*spans[n], self.segments[n].score, n, self.segments[n].nearest, self.segments[n].similarity)
            for n in chosen
        )

    def _window(self, segment: Segment, length_s: float | None) -> tuple[float, float]:
        if length_s is None:
            return segment.start_s, segment.end_s
        index = self.index
        moving = len(index.motion) > 0
        energy = index.motion[:, SPEED] if moving else np.zeros(len(index.times))
        start, end = sub_window(index.times, energy, segment.start_s, segment.end_s, length_s, index.video.duration_s)
        if moving:
            slack = min(LOOP_SLACK_S, 0.2 * (end - start))
            end = min(loop_point(index.times, index.signatures, start, end, slack), index.video.duration_s)
        return start, end


def blend(generic: float, personal: float, weight: float) -> float:
    """Return a score between everyone's (weight 0) and the personal one (1)."""
    return (1 - weight) * generic + weight * personal


def check_weight(weight: float) -> None:
    """Raise a ValueError for a weight outside 0..1."""
    if not 0 <= weight <= 1:
        raise ValueError(f"weight must be between 0 and 1, not {weight}")
