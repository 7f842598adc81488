"""From the frames of a video to the vectors of its segments.

A `SegmentEncoder` looks at a few consecutive frames now and then; a segment's vector joins what it saw with how
things moved, and has unit length. Any encoder can be dropped in (C3D, R(2+1)D, one from the Hub); the scorers then have
to be trained on its vectors.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from vision_models.devices import in_batches
from vision_models.errors import VideoError
from vision_models.gifs.config import PHDConfig
from vision_models.gifs.motion import MOTION_SIZE, MotionMeter, summarise
from vision_models.gifs.network import FrameEncoder
from vision_models.gifs.segments import CUT_LEVELS, PIXELS, THUMBNAIL
from vision_models.media.videos import KEY_PAUSE_S

LOOKS = 3  # at a video that is shorter than that many strides, so that a short GIF is seen as often as a segment
SAME_S = 0.002  # times that differ by no more are one
CHUNK_LOOKS = 96


class SegmentEncoder(Protocol):
    """A network that turns a few consecutive frames into features."""

    @property
    def fps(self) -> float:
        """Frames a second that it wants."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frames, in pixels; they are squashed to it."""

    @property
    def window(self) -> int:
        """Consecutive frames of one look."""

    @property
    def stride_s(self) -> float:
        """Seconds from one look to the next."""

    @property
    def dim(self) -> int:
        """Numbers that a look gives."""

    def encode(self, windows: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Turn looks (N, window, height, width, 3) sRGB into vectors (N, dim) of any length."""


class CompactEncoder:
    """Ours: single frames through EfficientNet-Lite0, three for every five seconds."""

    window = 1

    def __init__(self, network: FrameEncoder, config: PHDConfig) -> None:
        self.network = network.eval().to(memory_format=torch.channels_last)
        self.fps = config.fps
        self.size = (config.side, config.side)
        self.stride_s = config.stride_s
        self.dim = config.embedding

    def encode(self, windows: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Turn frames (N, 1, side, side, 3) sRGB into vectors (N, embedding)."""
        return in_batches(self.network, windows[:, 0], (0, 3, 1, 2))


class VideoNetworkEncoder:
    """A network on short clips, such as C3D, or those of torchvision.models.video without their last layer.

    Example:
        >>> network = torchvision.models.video.r2plus1d_18(weights="DEFAULT")
        >>> network.fc = torch.nn.Identity()
        >>> encoder = VideoNetworkEncoder(network, dim=512, size=(112, 112), window=16, fps=8)
    """

    def __init__(
        self,
        network: nn.Module,
        dim: int,
        *,
        size: tuple[int, int] = (112, 112),
        window: int = 16,
        fps: float = 8.0,
        stride_s: float = 2.5,
        mean: Sequence[float] = (0.43216, 0.394666, 0.37645),
        deviation: Sequence[float] = (0.22803, 0.22145, 0.216989),
    ) -> None:
        self.dim, self.size, self.window, self.fps, self.stride_s = dim, size, window, fps, stride_s
        self.network = nn.Sequential(_Normalise(mean, deviation), network).eval()

    def encode(self, windows: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Turn looks (N, window, height, width, 3) sRGB into vectors (N, dim)."""
        return in_batches(self.network, windows, (0, 4, 1, 2, 3))


class _Normalise(nn.Module):
    """uint8 (N, 3, T, H, W) to what networks trained on Kinetics expect; these constants are torchvision's."""

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, mean: Sequence[float], deviation: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).view(3, 1, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x.float() / 255 - self.mean) / self.deviation


@dataclass(frozen=True, eq=False)
class Samples:
    """What is kept of a stretch of video before the network looks at it. Picklable."""

    windows: NDArray[np.uint8]  # (N, window, h, w, 3) the looks
    look_times: NDArray[np.float64]  # (N,) seconds, the middle of each look
    times: NDArray[np.float64]  # (F,) seconds of all frames of the stretch; of key frames, those that follow them
    motion: NDArray[np.float32]  # (F, 18) how each differs from the one before (`MotionMeter`)
    signatures: NDArray[np.uint8]  # (F, 432) thumbnails: brightness, then colour
    end_s: float  # how far into the video the stretch reaches


def sample(
    frames: Iterable[tuple[float, NDArray[np.uint8]]],
    encoder: SegmentEncoder,
    duration_s: float,
    *,
    moments: Sequence[float] = (),
    first: int = CHUNK_LOOKS,
    most: int = CHUNK_LOOKS,
) -> Iterator[Samples]:
    """Keep what is needed of a stream of frames, stretch by stretch; memory does not grow with length.

    Args:
        frames: (seconds, (h, w, 3)) in time order, at `encoder.size` and `encoder.fps`.
        encoder: Says how often to look, and at how many frames.
        duration_s: Of the video, in seconds.
        moments: When to look instead, ascending, in seconds. A shot that has none of them is looked at once.
        first: Looks of the first stretch; each one has twice as many as the one before.
        most: Looks of the longest stretch.
    """
    stride = min(encoder.stride_s, duration_s / LOOKS)
    meter = MotionMeter()
    kept = _Kept(encoder)
    recent: list[NDArray[np.uint8]] = []
    looks, time, was_cut = 0, None, False
    unseen: tuple[float, Sequence[NDArray[np.uint8]]] | None = None  # the beginning of a shot without a look so far
    for time, frame in frames:
        recent = [*recent, frame][-encoder.window :]
        kept.see(time, frame, meter(frame))
        is_cut = kept.has_jumped()
        due = bisect_right(moments, time) if moments else int(time / stride + 0.5)
        if due > looks and len(recent) == encoder.window:
            kept.look(time, recent)
            looks, unseen = due, None
        elif was_cut and not is_cut and len(recent) == encoder.window:
            if unseen:
                kept.look(*unseen)
            unseen = time, recent
        was_cut = is_cut
        if len(kept.windows) == first:
            yield kept.until(time)
            kept, first = _Kept(encoder), min(2 * first, most)
    if unseen:
        kept.look(*unseen)
    if time is not None and not looks:  # a single frame, or fewer than a window has
        kept.look(time, [recent[0]] * (encoder.window - len(recent)) + recent)
    if kept.times:
        yield kept.until(duration_s)


def sample_key_frames(
    frames: Iterable[tuple[float, NDArray[np.uint8]]],
    encoder: SegmentEncoder,
    duration_s: float,
    key_times: Sequence[float],
) -> Iterator[Samples]:
    """Keep what `sample` does of key frames, each with the few that follow it (`read_key_frames`)."""
    meter, kept = MotionMeter(), _Kept(encoder)
    last_s = -np.inf
    for time, frame in frames:
        nearest = bisect_left(key_times, time - SAME_S)
        is_key = nearest < len(key_times) and key_times[nearest] <= time + SAME_S
        if is_key or time - last_s >= KEY_PAUSE_S:  # times of joined recordings may not agree
            if len(kept.windows) == CHUNK_LOOKS:
                yield kept.until(time)
                kept = _Kept(encoder)
            meter = MotionMeter()
            meter(frame)
            kept.look(time, [frame])
        else:
            kept.see(time, frame, meter(frame))
        last_s = time
    if kept.windows:
        yield kept.until(duration_s)


def measure(
    frames: Iterable[tuple[float, NDArray[np.uint8]]],
) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.uint8]]:
    """Measure frames without looking at what they show: their times (F,), motion (F, 18) and thumbnails (F, 432).

    Raises:
        VideoError: there is none.
    """
    meter, times, motion, signatures = MotionMeter(), [], [], []
    for time, frame in frames:
        times.append(time)
        motion.append(meter(frame))
        signatures.append(_signature(frame))
    if not times:
        raise VideoError("There is no picture here that can be decoded. Please try another part of the video.")
    return np.array(times), np.stack(motion), np.stack(signatures)


def _signature(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Brightness, then red and blue less brightness, of a thumbnail: scenes of one brightness differ in colour."""
    small = cv2.resize(frame, THUMBNAIL, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_RGB2YCrCb).transpose(2, 0, 1).ravel()


def segment_vector(
    looks: NDArray[np.floating], motion: NDArray[np.float32] | None, weight: float, pose: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Join what a segment shows with how it moves, and how somebody in it does.

    Args:
        looks: (..., E) the mean of its looks, of any length.
        motion: (..., 36) standardised; None if it was not measured.
        weight: The length of the motion part, beside 1 for what it shows.
        pose: (..., 238) what `pose_part` made of the joints.

    Returns:
        (..., E + 36 + 238), unit length.
    """
    shown = looks / np.linalg.norm(looks, axis=-1, keepdims=True).clip(1e-6)
    if motion is None:
        motion = np.zeros((*looks.shape[:-1], MOTION_SIZE), np.float32)
    moves = np.tanh(motion / 2) * (weight / MOTION_SIZE**0.5)
    joined = np.concatenate([shown, moves, pose], axis=-1)
    return (joined / np.linalg.norm(joined, axis=-1, keepdims=True)).astype(np.float32)


def looks_of(spans: NDArray[np.float64], look_times: NDArray[np.float64]) -> list[slice]:
    """Say which looks show each segment (S, 2): those inside, or the nearest one where there is none."""
    found = []
    for start, end in spans:
        first, last = map(int, np.searchsorted(look_times, [start, end]))
        if first == last:
            first = int(np.abs(look_times - (start + end) / 2).argmin())
            last = first + 1
        found.append(slice(first, last))
    return found


def motion_of(
    spans: NDArray[np.float64], times: NDArray[np.float64], motion: NDArray[np.float32]
) -> NDArray[np.float32] | None:
    """Summarise how each segment (S, 2) moves: (S, 36), or None if that was not measured."""
    if not len(motion):
        return None
    # The first frame is compared with the one before the segment, so it does not count.
    return np.stack([summarise(motion[slice(*np.searchsorted(times, span))][1:]) for span in spans])


class _Kept:
    """What is kept of a stretch while it lasts."""

    def __init__(self, encoder: SegmentEncoder) -> None:
        width, height = encoder.size
        self.empty = np.empty((0, encoder.window, height, width, 3), np.uint8)
        self.windows: list[NDArray[np.uint8]] = []
        self.look_times: list[float] = []
        self.times: list[float] = []
        self.motion: list[NDArray[np.float32]] = []
        self.signatures: list[NDArray[np.uint8]] = []

    def see(self, time: float, frame: NDArray[np.uint8], motion: NDArray[np.float32]) -> None:
        self.times.append(time)
        self.signatures.append(_signature(frame))
        self.motion.append(motion)

    def has_jumped(self) -> bool:
        """Tell whether the last frame is quite another than the one before."""
        if len(self.signatures) < 2:
            return False
        return float(cv2.absdiff(self.signatures[-1], self.signatures[-2]).mean()) >= CUT_LEVELS

    def look(self, time: float, window: Sequence[NDArray[np.uint8]]) -> None:
        self.windows.append(np.stack(window))
        self.look_times.append(time)

    def until(self, end_s: float) -> Samples:
        return Samples(
            np.stack(self.windows) if self.windows else self.empty,
            np.array(self.look_times, np.float64),
            np.array(self.times, np.float64),
            np.stack(self.motion) if self.motion else np.empty((0, MOTION_SIZE // 2), np.float32),
            np.stack(self.signatures) if self.signatures else np.empty((0, 3 * PIXELS), np.uint8),
            end_s,
        )
