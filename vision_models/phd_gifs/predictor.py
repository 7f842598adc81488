"""The door of PHD-GIFs: a video and GIFs that a person liked go in, the GIFs they would have cut come out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray

from vision_models.devices import choose_device
from vision_models.errors import VideoError
from vision_models.hub import WeightsFile, load_network
from vision_models.phd_gifs.config import SEGMENT_S, WEIGHTS, PHDConfig
from vision_models.phd_gifs.encoder import CompactEncoder, Samples, SegmentEncoder, describe, sample, segment_vector
from vision_models.phd_gifs.motion import SPEED
from vision_models.phd_gifs.network import PHDGIFs
from vision_models.phd_gifs.scorers import Comparison, Vectors
from vision_models.phd_gifs.segments import grid, loop_point, shots, sub_window, suppress
from vision_models.videos import Video, probe, read_frames, read_key_frames

LONG_S = 15 * 60  # from this length on, key frames are looked at first: decoding them alone takes a tenth of the time
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


@dataclass(frozen=True)
class VideoIndex:
    """All that is ever needed of a video: decoded and seen once, small, picklable, without pictures to recognise."""

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


@dataclass(frozen=True)
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
        _check_weight(weight)
        blended = tuple(replace(s, score=_blend(s.generic, s.personal, weight)) for s in self.segments)
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


@dataclass(frozen=True)
class HighlightPredictor:
    """Ranks the segments of a video for a person whose earlier GIFs are known, or for everyone.

    Example:
        >>> predictor = HighlightPredictor.from_pretrained()
        >>> highlights = predictor.rank("match.mp4", history=["goal.gif", "save.gif"])
        >>> for number, clip in enumerate(highlights.best(3, length_s=4)):
        ...     write_gif("match.mp4", clip.start_s, clip.end_s, f"highlight-{number}.gif", height=240)
    """

    model: PHDGIFs = field(repr=False)
    config: PHDConfig
    encoder: SegmentEncoder = field(repr=False)
    weights_file: WeightsFile  # which weights answer, and where they came from
    device: torch.device

    @classmethod
    def from_pretrained(
        cls,
        device: str | torch.device | None = None,
        repo_id: str | None = None,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        *,
        path: str | Path | None = None,
    ) -> Self:
        """Load weights: from `path`, else from a Hub repository when one is named, else the copy inside the package.

        Args:
            device: "cpu", "cuda", ...; the GPU when there is one.
            repo_id: "owner/name" on the Hub; by default what the environment variable VISION_MODELS_REPO names, if any.
            revision: commit of that repository; a full commit hash that is cached already needs no network.
            cache_dir: where the Hub's files are kept, instead of the usual cache.
            local_files_only: never use the network.
            path: a .safetensors file of your own, as `vision-models train phd-gifs` writes it.

        Raises:
            WeightsError: one subclass per cause, each with a sentence that says what to do.
        """
        model, found = load_network(
            WEIGHTS,
            lambda config: PHDGIFs(PHDConfig.from_json(config)),
            "PHD-GIFs",
            path=path,
            repo_id=repo_id,
            revision=revision,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
        )
        where = choose_device(device)
        model.encoder.to(where)  # the scorers are small, and `score` has to work where no GPU is lent
        return cls(model, model.config, CompactEncoder(model.encoder, model.config), found, where)

    def rank(
        self,
        video: str | Path,
        history: Sequence[str | Path] = (),
        disliked: Sequence[str | Path] = (),
        *,
        weight: float = 1.0,
        by_shots: bool = False,
        key_frames: bool | None = None,
        progress: Callable[[float], None] = lambda _: None,
    ) -> Highlights:
        """Rank a video.

        Args:
            video: Any video file that FFmpeg reads.
            history: GIFs or short videos that the person cut or liked; none gives what everyone would like.
            disliked: Such that they would not have cut.
            weight: 0 (what everyone gets) to 1 (fully personal).
            by_shots: Cut segments where the picture changes, instead of every 5 seconds.
            key_frames: Decode key frames alone: ten times faster, blind to motion. By default, only where a video of
                more than 15 minutes has one at least every 5 seconds.
            progress: Told the seconds of video that are done.

        Raises:
            VideoError: for a file that is no video, or a damaged one.
            ValueError: for a weight outside 0..1.
        """
        _check_weight(weight)
        known = [self.remember(gif) for gif in history]
        unwanted = [self.remember(gif) for gif in disliked]
        index = self.index(video, key_frames=key_frames, progress=progress)
        return self.score(index, known, unwanted, weight=weight, by_shots=by_shots)

    def index(
        self,
        video: str | Path | Video,
        *,
        key_frames: bool | None = None,
        progress: Callable[[float], None] = lambda _: None,
    ) -> VideoIndex:
        """Decode a video once and look at it; `score` needs nothing else. Memory does not grow with the pictures."""
        known = video if isinstance(video, Video) else probe(video)
        parts = []
        for samples in self.sample(known, key_frames=key_frames):
            parts.append(self.encode(samples))
            progress(samples.end_s)
        return self.join(known, parts)

    def sample(self, video: Video, *, key_frames: bool | None = None) -> Iterator[Samples]:
        """Decode a video, on the CPU, stretch by stretch."""
        if key_frames is None:
            key_frames = video.duration_s > LONG_S and video.key_gap_s <= SEGMENT_S
        if key_frames and self.encoder.window == 1:
            pictures = read_key_frames(video, size=self.encoder.size)
            return sample(pictures, self.encoder, video.duration_s, moving=False)
        pictures = read_frames(video, fps=self.encoder.fps, size=self.encoder.size, exact=False)
        return sample(pictures, self.encoder, video.duration_s)

    def encode(self, samples: Samples) -> VideoIndexPart:
        """Look at a stretch, with the network. Argument and result pickle, so this may run in another process."""
        looks = (
            self.encoder.encode(samples.windows)
            if len(samples.windows)
            else np.empty((0, self.encoder.dim), np.float32)
        )
        looks /= np.linalg.norm(looks, axis=1, keepdims=True).clip(1e-6)
        return VideoIndexPart(samples.look_times, looks, samples.times, samples.motion, samples.signatures)

    def join(self, video: Video, parts: Sequence[VideoIndexPart]) -> VideoIndex:
        """Put the stretches of a video together again.

        Raises:
            VideoError: when there is not a single picture.
        """
        if not sum(len(part.looks) for part in parts):
            raise VideoError("This video has no picture that can be decoded. Please try another file.")
        return VideoIndex(video, *map(np.concatenate, zip(*parts, strict=True)))

    def remember(
        self, gif: str | Path | Video, start_s: float = 0.0, end_s: float | None = None
    ) -> NDArray[np.float32]:
        """Turn one GIF, or a part of a video, into an element of a history: (D,), unit length.

        Raises:
            VideoError: for a file that is no video, or a damaged one.
        """
        known = gif if isinstance(gif, Video) else probe(gif)
        end_s = known.duration_s if end_s is None else min(end_s, known.duration_s)
        pictures = read_frames(known, fps=self.encoder.fps, size=self.encoder.size, start_s=start_s, end_s=end_s)
        moved = ((time - start_s, picture) for time, picture in pictures)
        span = replace(known, duration_s=max(end_s - start_s, 1e-3))
        index = self.join(span, [self.encode(part) for part in sample(moved, self.encoder, span.duration_s)])
        return self.vectors(index, np.array([[0.0, np.inf]]))[0]

    def vectors(self, index: VideoIndex, spans: NDArray[np.float64]) -> Vectors:
        """Describe segments (S, 2), in seconds, by unit vectors (S, D)."""
        looks, motion = describe(spans, index.look_times, index.looks, index.times, index.motion)
        if motion is not None:
            motion = (motion - self.model.motion_mean.numpy(force=True)) / self.model.motion_scale.numpy(force=True)
        return segment_vector(looks, motion, self.config.motion_weight)

    def score(
        self,
        index: VideoIndex,
        history: Sequence[NDArray[np.float32]],
        disliked: Sequence[NDArray[np.float32]] = (),
        *,
        weight: float = 1.0,
        by_shots: bool = False,
    ) -> Highlights:
        """Rank an indexed video for a history of vectors that `remember` made; takes milliseconds."""
        _check_weight(weight)
        spans = index.spans(by_shots=by_shots)
        segments = self.vectors(index, spans)
        liked = np.stack(history) if len(history) else np.empty((0, segments.shape[1]), np.float32)
        unwanted = np.stack(disliked) if len(disliked) else None
        comparison = Comparison(self.model)
        generic = comparison.generic(segments, liked)
        personal = comparison.fusion(segments, liked, unwanted)
        similarities = segments @ liked.T
        return Highlights(
            index,
            tuple(
                Segment(
                    float(start),
                    float(end),
                    float(generic[n]),
                    float(personal[n]),
                    _blend(float(generic[n]), float(personal[n]), weight),
                    int(similarities[n].argmax()) if len(history) else None,
                    float(similarities[n].max()) if len(history) else None,
                )
                for n, (start, end) in enumerate(spans)
            ),
            weight,
        )


def _blend(generic: float, personal: float, weight: float) -> float:
    return (1 - weight) * generic + weight * personal


def _check_weight(weight: float) -> None:
    if not 0 <= weight <= 1:
        raise ValueError(f"weight must be between 0 and 1, not {weight}")
