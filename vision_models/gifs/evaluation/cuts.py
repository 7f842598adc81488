"""How many cuts are found between clips, and how many are found where there is none."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from vision_models.gifs.features import measure
from vision_models.gifs.predictor import HighlightPredictor
from vision_models.gifs.segments import shots
from vision_models.gifs.training.data import Clip
from vision_models.media.videos import probe, read_frames

PAIRS = 400
SECONDS = 3  # on each side of a cut
LOW = 0.4  # of the contrast: fog, night, surveillance

Frames = NDArray[np.uint8]  # (F, h, w, 3)


def evaluate_cuts(clips: Sequence[Clip], predictor: HighlightPredictor) -> str:
    """Put clips behind each other, as they are and with the brightness and contrast of the one before.

    Returns:
        A Markdown table. Whatever is found inside a clip counts as wrong, though a clip may have a cut.
    """
    fps, size = predictor.encoder.fps, predictor.encoder.size
    rng = np.random.default_rng(0)
    pieces = []
    for clip in clips:
        seen = [frame for _, frame in read_frames(probe(clip.path), fps=fps, size=size, end_s=2 * SECONDS, exact=False)]
        pieces.append(np.stack([cv2.resize(one, (48, 27), interpolation=cv2.INTER_AREA) for one in seen]))
    wrong = sum(_found(piece, fps) for piece in pieces)
    found = np.zeros(3, int)
    for _ in range(PAIRS):
        before, after = (pieces[n] for n in rng.choice(len(pieces), 2, replace=False))
        before, after = before[-int(SECONDS * fps) :], after[: int(SECONDS * fps)]
        matched = _like(before, after)
        joined = [(before, after), (before, matched), (_pale(before), _pale(matched))]
        found += [_found(np.concatenate(both), fps, at=len(before)) for both in joined]
    plain, alike, pale = (f"{100 * count / PAIRS:.1f}" for count in found)
    frames = sum(len(piece) - 1 for piece in pieces)
    columns = ["as they are", "of equal brightness and contrast", "and pale", "inside clips"]
    return f"""| cuts found, % | {" | ".join(columns)} |
|---|---|---|---|---|
| {PAIRS} cuts | {plain} | {alike} | {pale} | {wrong} in {frames} steps |
"""


def _found(frames: Frames, fps: float, at: int | None = None) -> int:
    """Count the cuts, or those before frame `at`."""
    times, _, signatures = measure((number / fps, frame) for number, frame in enumerate(frames))
    length_s = len(frames) / fps
    edges = shots(times, signatures, length_s, max_s=length_s)[1:, 0]
    return len(edges) if at is None else int((np.abs(edges * fps - (at - 0.5)) < 0.1).sum())


def _like(before: Frames, after: Frames) -> Frames:
    """Give what comes after a cut the brightness and the contrast of what is before it."""
    was, becomes = (np.stack([cv2.cvtColor(one, cv2.COLOR_RGB2GRAY) for one in some]) for some in (before[-1:], after))
    gain = was.std() / max(becomes.std(), 1)
    return ((after - becomes.mean()) * gain + was.mean()).clip(0, 255).astype(np.uint8)


def _pale(frames: Frames) -> Frames:
    return ((frames - 110.0) * LOW + 110).astype(np.uint8)
