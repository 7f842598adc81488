"""What PHD-GIFs says about a video: how its segments rank, and the clips to cut."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vision_models.errors import VideoError
from vision_models.gifs.config import SEGMENT_S
from vision_models.gifs.features import looks_of, measure
from vision_models.gifs.motion import BRIGHTNESS_CHANGE, SPEED
from vision_models.gifs.segments import LATE_S, TOUCHING_S, grid, loop_point, shots, sub_window, takes
from vision_models.media.videos import Video, read_frames

LOOP_SLACK_S = 0.75  # a GIF may end so much earlier or later to loop well
STILL = 0.0008  # change of brightness, of 1, from frame to frame: less is a slide or a frozen picture
ONE_SCENE = 0.75  # cosine of the looks before and after what could be a cut; of cuts it is below 0.5
SUDDEN = 2.0  # times the steps beside it: a change that is as sudden is a cut, even within one place
MOST_SEEN = 12  # stretches that are remembered
CUT_S = 1.0  # the longest time between two takes that only a cut is between
SHORT = 0.2  # of the length that was asked for: a clip that is shorter comes last
AROUND_S = 3.0  # of the video is decoded on both sides of a clip that only key frames are known of ...
CLOSER_FPS, CLOSER_SIZE = 4.0, (192, 192)  # ... at this rate and size
SHORTEST_S = 0.5  # a moment that is shorter is the last to be chosen
ALIKE = 0.97  # cosine of what two moments show: more is a replay, or the same once more


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
class Piece(Segment):
    """What of a segment lies in one take, ranked by itself."""

    segment: int  # index of the segment it is from


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
    joints: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class VideoIndex:
    """All that is ever needed of a video: decoded and seen once, small, picklable, without frames to recognise."""

    video: Video
    look_times: NDArray[np.float64]  # (P,) seconds
    looks: NDArray[np.float32]  # (P, E) unit length
    times: NDArray[np.float64]  # (F,) seconds
    motion: NDArray[np.float32]  # (F, 18); no rows where nothing follows the key frames
    signatures: NDArray[np.uint8]  # (F, 432) thumbnails of 16 x 9 pixels: brightness, then colour
    joints: NDArray[np.float32]  # (P, 17, 3) of somebody at each look: y, x and sureness, all 0..1
    is_whole: bool = True  # whether frames from everywhere were seen, or only some that follow key frames

    @cached_property
    def seen_closer(self) -> dict[tuple[float, float], tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
        """What `measure` said of the last stretches chosen from key frames: whoever chooses, chooses again."""
        return {}

    @cached_property
    def takes(self) -> NDArray[np.float64]:
        """Where a GIF can lie, without running over a cut, a fade or a blank frame: (T, 2) seconds."""
        if not self.is_whole:  # what is between key frames, cuts among it, is not known
            return np.array([[0.0, self.video.duration_s]])
        found: list[NDArray[np.float64]] = []
        for take in takes(self.times, self.signatures, self.video.duration_s):
            if found and take[0] - found[-1][1] <= CUT_S and self._is_one_scene(found[-1][1], take[0]):
                found[-1] = np.array([found[-1][0], take[1]])
            else:
                found.append(take)
        return np.array(found)

    def _is_one_scene(self, before_s: float, after_s: float) -> bool:
        """Tell a hasty movement from a cut: it takes more than one step, and the same is seen before and after it."""
        first, last = np.searchsorted(self.times, [before_s, after_s])
        steps = np.abs(np.diff(self.signatures[max(first - 2, 0) : last + 2].astype(np.float32), axis=0)).mean(axis=1)
        hardest = int(steps[1:-1].argmax()) + 1 if len(steps) > 2 else 0
        beside = max((float(steps[n]) for n in (hardest - 1, hardest + 1) if 0 <= n < len(steps)), default=0.0)
        if steps[hardest] >= SUDDEN * beside:
            return False
        before = int(np.searchsorted(self.look_times, before_s + LATE_S, "right")) - 1
        after = int(np.searchsorted(self.look_times, after_s))
        if before < 0 or after >= len(self.looks):
            return False
        return float(self.looks[before] @ self.looks[after]) >= ONE_SCENE

    def pieces(self, spans: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Cut segments (S, 2) where a take ends: (P, 2), and the segment that each is from, (P,).

        None is shorter than half a second, unless nothing else is left of its segment. A segment in which there is
        nothing to be seen is a piece as it is.
        """
        found: list[tuple[float, float]] = []
        owners = []
        for number, (start, end) in enumerate(spans):
            first, last = np.searchsorted(self.takes[:, 1], start, "right"), np.searchsorted(self.takes[:, 0], end)
            inside = [(max(start, low), min(end, high)) for low, high in self.takes[first:last]]
            long = [(low, high) for low, high in inside if high - low >= SHORTEST_S]
            own = long or [max(inside, key=lambda one: one[1] - one[0], default=(start, end))]
            found += own
            owners += [number] * len(own)
        return np.array(found), np.array(owners)

    def spans(self, *, by_shots: bool = False) -> NDArray[np.float64]:
        """Cut into segments (S, 2), start and end in seconds: of 5 seconds as in the paper, or by shots."""
        if by_shots and self.is_whole:
            return shots(self.times, self.signatures, self.video.duration_s)
        return grid(self.video.duration_s, SEGMENT_S)


@dataclass(frozen=True, eq=False)
class Highlights:
    """A ranked video."""

    index: VideoIndex = field(repr=False)
    segments: tuple[Segment, ...]  # in time order; they cover the video without gaps
    weight: float  # of the personal score: 0 gives everyone the same, 1 is PHD-GIFs
    pieces: tuple[Piece, ...] = field(default=(), repr=False)  # clips are cut out of these; of segments without any

    def reweight(self, weight: float) -> Highlights:
        """Blend the generic and the personal scores anew. Neither decodes nor asks a network.

        Raises:
            ValueError: for a weight outside 0..1.
        """
        check_weight(weight)
        segments = tuple(replace(s, score=blend(s.generic, s.personal, weight)) for s in self.segments)
        pieces = tuple(replace(p, score=blend(p.generic, p.personal, weight)) for p in self.pieces)
        return Highlights(self.index, segments, weight, pieces)

    def best(self, k: int = 5, length_s: float | None = None) -> tuple[Clip, ...]:
        """Choose up to `k` clips, best first, that do not overlap and are moments of their own.

        No clip runs over a cut or a fade. What comes right after another one in the same shot, or shows the same once
        more, comes after all others, and what is still, blank or too short comes last. Of a video of which only key
        frames are known, what is around the chosen moments is decoded to find cuts, start and end.

        Args:
            k: How many at most.
            length_s: How long each, in seconds; the best part of a longer segment, or more than a shorter one, but no
                longer than its shot. None keeps the segments as they are, up to the next cut. The end may move by up
                to 0.75 s to where the GIF loops best.

        Raises:
            ValueError: for a length that is not above 0.
        """
        if length_s is not None and not length_s > 0:
            raise ValueError(f"length_s must be above 0, not {length_s}")
        chosen: list[_Moment] = []
        pieces = self.pieces or [Piece(**vars(one), segment=number) for number, one in enumerate(self.segments)]
        index = self.index
        left = sorted((_moment(index, index.takes, piece, length_s) for piece in pieces), key=_rank)
        for is_new in (_is_another, _is_apart):
            for moment in list(left):
                too_early = moment.is_dull and is_new is _is_another
                if len(chosen) < k and not too_early and all(is_new(moment, other) for other in chosen):
                    chosen.append(moment)
                    left.remove(moment)
        if not index.is_whole:
            for number, one in enumerate(chosen):
                nearer = _seen_closer(index, one, length_s)
                if all(_is_apart(nearer, other) for other in chosen if other is not one):
                    chosen[number] = nearer
        return tuple(
            Clip(one.start_s, one.end_s, piece.score, piece.segment, piece.nearest, piece.similarity)
            for one in sorted(chosen, key=_rank)
            for piece in [one.piece]
        )


def _seen_closer(index: VideoIndex, moment: _Moment, length_s: float | None) -> _Moment:
    """Decode what is around a moment that only key frames are known of, and place its clip between cuts."""
    video = index.video
    low_s, high_s = max(moment.start_s - AROUND_S, 0.0), min(moment.end_s + AROUND_S, video.duration_s)
    seen = index.seen_closer.get((low_s, high_s))
    if seen is None:
        try:
            frames = read_frames(video, fps=CLOSER_FPS, size=CLOSER_SIZE, start_s=low_s, end_s=high_s)
            seen = measure(frames)
        except VideoError:  # gone, or damaged there: what the key frames say has to do
            return moment
        while len(index.seen_closer) >= MOST_SEEN:
            index.seen_closer.pop(next(iter(index.seen_closer)))
        index.seen_closer[low_s, high_s] = seen
    times, motion, signatures = seen
    known = replace(index, times=times, motion=motion, signatures=signatures, is_whole=True)
    nearer = _moment(known, takes(times - low_s, signatures, high_s - low_s) + low_s, moment.piece, length_s)
    return moment if nearer.is_dull else nearer


def _moment(index: VideoIndex, where: NDArray[np.float64], piece: Piece, length_s: float | None) -> _Moment:
    """Find where, of the takes (T, 2), a piece's clip lies, and what tells it from others."""
    start, end = piece.start_s, piece.end_s
    overlaps = np.minimum(where[:, 1], end) - np.maximum(where[:, 0], start)
    take = int(overlaps.argmax())
    blank = bool(overlaps[take] <= 0)
    low, high = (0.0, index.video.duration_s) if blank else map(float, where[take])
    if length_s is not None:
        start, end = _window(index, (start, end), min(length_s, high - low), (low, high))
    else:
        start, end = max(start, low), min(end, high)
    inside = slice(*np.searchsorted(index.times, [start, end]))
    moves = index.motion[inside, BRIGHTNESS_CHANGE]
    still = len(moves) > 1 and float(np.median(moves)) < STILL
    look = index.looks[looks_of(np.array([[start, end]]), index.look_times)[0]].mean(axis=0)
    short = end - start < min(max(SHORTEST_S, SHORT * (length_s or 0)), index.video.duration_s)
    return _Moment(start, end, piece, -1 if blank else take, look, blank or still or short)


def _window(
    index: VideoIndex, span: tuple[float, float], length_s: float, within: tuple[float, float]
) -> tuple[float, float]:
    """Find the best window of this length near a stretch, inside its take."""
    low, high = within
    inside = slice(*np.searchsorted(index.times, [low, high]))
    times, energy = index.times[inside] - low, index.motion[inside, SPEED]
    start, end = sub_window(times, energy, span[0] - low, span[1] - low, length_s, high - low)
    if index.is_whole:
        slack = min(LOOP_SLACK_S, 0.2 * (end - start))
        end = min(loop_point(times, index.signatures[inside], start, end, slack), high - low)
    return low + start, low + end


@dataclass(frozen=True, eq=False)
class _Moment:
    """A clip that could be cut."""

    start_s: float
    end_s: float
    piece: Piece
    take: int  # -1 for none
    look: NDArray[np.float32]  # (E,)
    is_dull: bool


def _rank(one: _Moment) -> tuple[bool, float]:
    return one.is_dull, -one.piece.score


def _is_apart(one: _Moment, other: _Moment) -> bool:
    return one.start_s >= other.end_s - TOUCHING_S or other.start_s >= one.end_s - TOUCHING_S


def _is_another(one: _Moment, other: _Moment) -> bool:
    """Tell a moment of its own from a part of the same shot, and from a replay."""
    gap_s = max(one.start_s - other.end_s, other.start_s - one.end_s)
    norms = float(np.linalg.norm(one.look)) * float(np.linalg.norm(other.look))
    is_like = float(one.look @ other.look) >= ALIKE * norms
    return gap_s >= (SEGMENT_S if one.take == other.take else -TOUCHING_S) and not is_like


def blend(generic: float, personal: float, weight: float) -> float:
    """Return a score between everyone's (weight 0) and the personal one (1)."""
    return (1 - weight) * generic + weight * personal


def check_weight(weight: float) -> None:
    """Raise a ValueError for a weight outside 0..1."""
    if not 0 <= weight <= 1:
        raise ValueError(f"weight must be between 0 and 1, not {weight}")
