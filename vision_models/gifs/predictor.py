"""The door of PHD-GIFs: a video and GIFs that a person liked go in, the GIFs they would have cut come out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vision_models.backbones.movenet import JOINTS
from vision_models.errors import VideoError
from vision_models.gifs.config import WEIGHTS, PHDConfig
from vision_models.gifs.features import (
    CompactEncoder,
    Samples,
    SegmentEncoder,
    looks_of,
    motion_of,
    sample,
    sample_key_frames,
    segment_vector,
)
from vision_models.gifs.network import PHDGIFs
from vision_models.gifs.pose import STILL_SIZE, describe_pose, joints_in, pose_part
from vision_models.gifs.result import Highlights, Piece, Segment, VideoIndex, VideoIndexPart, blend, check_weight
from vision_models.gifs.scorers import Comparison, Vectors
from vision_models.media.bars import without_bars
from vision_models.media.videos import Video, probe, read_frames, read_key_frames
from vision_models.predictor import Predictor
from vision_models.weights.record import WeightsFile

FIRST_LOOKS, MOST_LOOKS = 4, 24  # of a stretch: seconds of work, so that whoever waits can be told, and can go away
FOLLOW_S = 1.25  # of what follows a key frame is decoded, to see how things move
LONG_S = 5 * 60  # from this length on, key frames and what follows them have to do


class HighlightPredictor(Predictor[PHDGIFs]):
    """Ranks the segments of a video for a person whose earlier GIFs are known, or for everyone.

    Example:
        >>> predictor = HighlightPredictor.from_pretrained()
        >>> highlights = predictor.rank("match.mp4", history=["goal.gif", "save.gif"])
        >>> for number, clip in enumerate(highlights.best(3, length_s=4)):
        ...     write_gif("match.mp4", clip.start_s, clip.end_s, f"highlight-{number}.gif", height=240)
    """

    weights = WEIGHTS

    def __init__(
        self,
        network: PHDGIFs,
        weights_file: WeightsFile,
        device: torch.device,
        encoder: SegmentEncoder | None = None,
    ) -> None:
        super().__init__(network, weights_file, device)
        self.encoder = encoder or CompactEncoder(network.encoder, network.config)

    @classmethod
    def build(cls, config: Mapping[str, Any]) -> PHDGIFs:
        """Make the network from the config inside a weights file."""
        return PHDGIFs(PHDConfig.from_json(config))

    @classmethod
    def place(cls, network: PHDGIFs, device: torch.device) -> PHDGIFs:
        """Move what looks at frames: the scorers are small, and `score` has to work where no GPU is lent."""
        network.encoder.to(device)
        network.pose.to(device)
        return network

    @property
    def config(self) -> PHDConfig:
        """Sizes of the encoder and of the scorers."""
        return self.network.config

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
            by_shots: Cut segments where the frame changes, instead of every 5 seconds.
            key_frames: Decode nothing but key frames and the 1.25 seconds that follow each: faster, and nearly the same
                ranking where there is one every two seconds, which is where more than five minutes are read so by
                default.
            progress: Told the seconds of video that are done.

        Raises:
            VideoError: for a file that is no video, or a damaged one.
            ValueError: for a weight outside 0..1.
        """
        check_weight(weight)
        known = [self.remember(gif) for gif in history]
        unwanted = [self.remember(gif) for gif in disliked]
        index = self.index(video, key_frames=key_frames, by_shots=by_shots, progress=progress)
        return self.score(index, known, unwanted, weight=weight, by_shots=by_shots)

    def index(
        self,
        video: str | Path | Video,
        *,
        key_frames: bool | None = None,
        by_shots: bool = False,
        progress: Callable[[float], None] = lambda _: None,
    ) -> VideoIndex:
        """Decode a video once and look at it; `score` needs nothing else. Memory does not grow with the frames.

        Bars around its picture are cut off, and clips will have none; a `Video` is taken as it is. By default, where
        shots will be asked for (`by_shots`), all of it is decoded.
        """
        known = video if isinstance(video, Video) else without_bars(probe(video))
        if by_shots and key_frames is None:
            key_frames = False  # between key frames cuts are not seen
        parts = []
        for samples in self.sample(known, key_frames=key_frames):
            parts.append(self.encode(samples))
            progress(samples.end_s)
        return self.join(known, parts)

    def sample(self, video: Video, *, key_frames: bool | None = None) -> Iterator[Samples]:
        """Decode a video, on the CPU, stretch by stretch."""
        if key_frames is None:
            key_frames = video.duration_s > LONG_S and video.has_dense_keys
        size, fps = self.encoder.size, self.encoder.fps
        if key_frames and self.encoder.window == 1:
            frames = read_key_frames(video, size=size, follow_s=FOLLOW_S, fps=fps)
            return sample_key_frames(frames, self.encoder, video.duration_s, video.key_times)
        frames = read_frames(video, fps=fps, size=size, exact=False)
        moments = video.key_times if video.has_dense_keys else ()  # so both ways see the same, and rank alike
        stretches = sample(frames, self.encoder, video.duration_s, moments=moments, first=FIRST_LOOKS, most=MOST_LOOKS)
        return _ahead(stretches)

    def encode(self, samples: Samples) -> VideoIndexPart:
        """Look at a stretch, with the network. Argument and result pickle, so this may run in another process."""
        looks = (
            self.encoder.encode(samples.windows)
            if len(samples.windows)
            else np.empty((0, self.encoder.dim), np.float32)
        )
        looks /= np.linalg.norm(looks, axis=1, keepdims=True).clip(1e-6)
        frames = samples.windows[:, -1]
        wants_pose = self.config.pose_weight > 0
        joints = joints_in(self.network.pose, frames) if wants_pose else np.zeros((len(frames), JOINTS, 3), np.float32)
        return VideoIndexPart(samples.look_times, looks, samples.times, samples.motion, samples.signatures, joints)

    def join(self, video: Video, parts: Sequence[VideoIndexPart]) -> VideoIndex:
        """Put the stretches of a video together again.

        Raises:
            VideoError: when there is not a single frame.
        """
        if not sum(len(part.looks) for part in parts):
            raise VideoError("This video has no picture that can be decoded. Please try another file.")
        joined = VideoIndexPart(*map(np.concatenate, zip(*parts, strict=True)))
        return VideoIndex(video, *joined, is_whole=0.0 in joined.times[:1])  # the first frame follows no key frame

    def remember(
        self, gif: str | Path | Video, start_s: float = 0.0, end_s: float | None = None
    ) -> NDArray[np.float32]:
        """Turn one GIF, or a part of a video, into an element of a history: (D,), unit length.

        Raises:
            VideoError: for a file that is no video, or a damaged one.
        """
        known = gif if isinstance(gif, Video) else without_bars(probe(gif))
        end_s = known.duration_s if end_s is None else min(end_s, known.duration_s)
        frames = read_frames(known, fps=self.encoder.fps, size=self.encoder.size, start_s=start_s, end_s=end_s)
        moved = ((time - start_s, frame) for time, frame in frames)
        span = replace(known, duration_s=max(end_s - start_s, 1e-3))
        index = self.join(span, [self.encode(part) for part in sample(moved, self.encoder, span.duration_s)])
        return self.vectors(index, np.array([[0.0, np.inf]]))[0]

    def vectors(self, index: VideoIndex, spans: NDArray[np.float64]) -> Vectors:
        """Describe segments (S, 2), in seconds, by unit vectors (S, D)."""
        network, video = self.network, index.video
        motion = motion_of(spans, index.times, index.motion)
        if motion is not None:
            motion = (motion - network.motion_mean.numpy(force=True)) / network.motion_scale.numpy(force=True)
        shown = looks_of(spans, index.look_times)
        poses = [describe_pose(index.joints[some], video.width / video.height) for some in shown]
        told = np.stack([np.concatenate([pose.still, pose.moves]) for pose in poses])
        told = (told - network.pose_mean.numpy(force=True)) / network.pose_scale.numpy(force=True)
        if motion is None:  # of single frames, far apart, that do not tell how anybody moves
            told[:, STILL_SIZE:] = 0
        presence = np.array([pose.presence for pose in poses], np.float32)
        pose = pose_part(told[:, :STILL_SIZE], told[:, STILL_SIZE:], presence, self.config.pose_weight)
        looks = np.stack([index.looks[some].mean(axis=0) for some in shown])
        return segment_vector(looks, motion, self.config.motion_weight, pose)

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
        check_weight(weight)
        spans = index.spans(by_shots=by_shots)
        pieces, owners = index.pieces(spans)
        segments = [Segment(**one) for one in self._scores(index, spans, history, disliked, weight)]
        ranked = [
            Piece(**one, segment=int(owner))
            for one, owner in zip(self._scores(index, pieces, history, disliked, weight), owners, strict=True)
        ]
        return Highlights(index, tuple(segments), weight, tuple(ranked))

    def _scores(
        self,
        index: VideoIndex,
        spans: NDArray[np.float64],
        history: Sequence[NDArray[np.float32]],
        disliked: Sequence[NDArray[np.float32]],
        weight: float,
    ) -> Iterator[dict[str, Any]]:
        """Say of each stretch of time (S, 2) what a `Segment` holds."""
        segments = self.vectors(index, spans)
        liked = np.stack(history) if len(history) else np.empty((0, segments.shape[1]), np.float32)
        unwanted = np.stack(disliked) if len(disliked) else None
        comparison = Comparison(self.network)
        generic = comparison.generic(segments, liked)
        personal = comparison.fusion(segments, liked, unwanted)
        similarities = segments @ liked.T
        for n, (start, end) in enumerate(spans):
            yield {
                "start_s": float(start),
                "end_s": float(end),
                "generic": float(generic[n]),
                "personal": float(personal[n]),
                "score": blend(float(generic[n]), float(personal[n]), weight),
                "nearest": int(similarities[n].argmax()) if len(history) else None,
                "similarity": float(similarities[n].max()) if len(history) else None,
            }


def _ahead(stretches: Iterator[Samples]) -> Iterator[Samples]:
    """Have the next stretch decoded while the network looks at this one."""
    decoder = ThreadPoolExecutor(1)
    try:
        coming = decoder.submit(next, stretches, None)
        while samples := coming.result():
            coming = decoder.submit(next, stretches, None)
            yield samples
    finally:
        decoder.shutdown(wait=False)  # whoever goes away need not wait for the stretch that is being decoded
