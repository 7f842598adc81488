"""What everyone would click on, from GIFs that people made and kept, beside what nobody would.

Below the folder of the other sets: `gifs/<collection>/*.gif`, collections of GIFs; and the clips, of which random
stretches stand for video that nobody has chosen from. What nobody wants in any case is made here: black and fading
pictures, title cards, credits, test pictures, slides and frozen frames.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vision_models.errors import VideoError
from vision_models.gifs.config import SEGMENT_S
from vision_models.gifs.features import sample
from vision_models.gifs.predictor import HighlightPredictor
from vision_models.gifs.scorers import Vectors
from vision_models.gifs.training.data import degrade, read_clips
from vision_models.media.bars import without_bars
from vision_models.media.ffmpeg import Stream
from vision_models.media.videos import VIDEO_SUFFIXES, Video, probe, read_frames

LOG = logging.getLogger(__name__)

HELD_OUT = 4  # every so many collections, by name, are for validation
SHORTEST_S = 0.5  # of a GIF, and of a stretch
STRETCHES = 12  # of one clip, at most
_SIDE = 192  # pixels


@dataclass(frozen=True, eq=False)
class Everyone:
    """Vectors of segments."""

    gifs: Vectors  # (G, D) of GIFs that somebody made
    ordinary: Vectors  # (O, D) of random stretches of video
    dull: Vectors  # (N, D) of what nobody wants
    held_out: Vectors  # (V, D) GIFs of other collections


def read_everyone(data: Path, predictor: HighlightPredictor, made: int, seed: int, cache: Path) -> Everyone:
    """Look at all of it, each as a bad copy might show it, and keep that in a file.

    Args:
        data: Folder of the sets.
        predictor: Of the encoder and the pose network that are ready.
        made: How many segments to make that nobody wants.
        seed: Of chance.
        cache: The file.
    """
    if not cache.exists():
        rng = np.random.default_rng(seed)
        collections = sorted(path for path in (data / "gifs").glob("*") if path.is_dir())
        gifs: list[NDArray[np.float32]] = []
        held_out: list[NDArray[np.float32]] = []
        for number, collection in enumerate(collections):
            some = held_out if number % HELD_OUT == HELD_OUT - 1 else gifs
            some += [v for path in sorted(collection.glob("*.gif")) for v in _stretches(path, predictor, rng, 1)]
            LOG.info(f"{collection.name}: {len(some)} GIFs so far")
        clips = [clip.path for clip in read_clips(data) if not clip.is_test]
        others = sorted(path for path in (data / "clips").glob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
        ordinary = [v for path in [*clips, *others] for v in _stretches(path, predictor, rng, STRETCHES)]
        LOG.info(f"{len(ordinary)} ordinary stretches")
        dull = [_look(frames, predictor, rng) for frames in dull_segments(made, rng)]
        np.savez(cache, gifs=gifs, ordinary=ordinary, dull=dull, held_out=held_out)
    with np.load(cache) as saved:
        return Everyone(**saved)


def _stretches(
    path: Path, predictor: HighlightPredictor, rng: np.random.Generator, most: int
) -> Iterator[NDArray[np.float32]]:
    """Look at random stretches of five seconds of a video, one for each five seconds of it."""
    try:
        video = without_bars(probe(path))
    except VideoError:
        return
    if video.duration_s < SHORTEST_S:
        return
    for _ in range(min(most, max(int(video.duration_s / SEGMENT_S), 1))):
        start_s = rng.uniform(0, max(video.duration_s - SEGMENT_S, 0))
        fps, end_s = predictor.encoder.fps, start_s + SEGMENT_S
        frames = [f for _, f in read_frames(video, fps=fps, size=(_SIDE, _SIDE), start_s=start_s, end_s=end_s)]
        if len(frames) > 1 and any((frame != frames[0]).any() for frame in frames):  # a GIF that moves
            yield _look(frames, predictor, rng, video.width / video.height)


def _look(
    frames: list[NDArray[np.uint8]], predictor: HighlightPredictor, rng: np.random.Generator, aspect: float = 16 / 9
) -> NDArray[np.float32]:
    """Describe a segment, whose frames are all made worse in one way, so that nothing tells where it is from."""
    seed = int(rng.integers(2**31))
    worse = [degrade(frame, np.random.default_rng(seed)) for frame in frames]
    fps = predictor.encoder.fps
    length_s = len(worse) / fps
    video = Video(Path("made"), length_s, round(720 * aspect), 720, fps, 1, length_s, 0.0, 0.0, "mov", Stream())
    timed = ((number / fps, frame) for number, frame in enumerate(worse))
    index = predictor.join(video, [predictor.encode(part) for part in sample(timed, predictor.encoder, length_s)])
    return predictor.vectors(index, np.array([[0.0, np.inf]]))[0]


def dull_segments(count: int, rng: np.random.Generator) -> Iterator[list[NDArray[np.uint8]]]:
    """Make segments that nobody wants: each a list of frames (192, 192, 3), four for every second."""
    kinds: list[Callable[[np.random.Generator], Iterator[NDArray[np.uint8]]]] = [_blank, _fade, _card, _credits, _bars]
    for number in range(count):
        yield [frame for _, frame in zip(range(20), kinds[number % len(kinds)](rng), strict=False)]


def _blank(rng: np.random.Generator) -> Iterator[NDArray[np.uint8]]:
    level = rng.choice([0, 4, 16, 235, 255])
    while True:
        yield (np.full((_SIDE, _SIDE, 3), level) + rng.normal(0, 1.5, (_SIDE, _SIDE, 1))).clip(0, 255).astype(np.uint8)


def _scene(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Soft blobs of colour: something is there, but nothing to recognise."""
    small = rng.uniform(0, 255, (int(rng.integers(2, 9)), int(rng.integers(2, 9)), 3)).astype(np.float32)
    return cv2.resize(small, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)


def _fade(rng: np.random.Generator) -> Iterator[NDArray[np.uint8]]:
    scene, start = _scene(rng).astype(np.float32), rng.uniform(0.2, 1.0)
    for share in np.linspace(start, 0, int(rng.integers(8, 20))):
        yield (scene * share).astype(np.uint8)
    yield from _blank(np.random.default_rng(0))


def _text(frame: NDArray[np.uint8], rng: np.random.Generator, top: int, lines: int) -> NDArray[np.uint8]:
    colour = [int(level) for level in rng.integers(0, 256, 3)] if rng.random() < 0.3 else [235] * 3
    for line in range(lines):
        word = "".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz  "), int(rng.integers(6, 16))))
        place = int(rng.integers(5, 60)), top + 24 * line
        font = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_COMPLEX]))
        cv2.putText(frame, word, place, font, 0.6, colour, int(rng.integers(1, 3)), cv2.LINE_AA)
    return frame


def _card(rng: np.random.Generator) -> Iterator[NDArray[np.uint8]]:
    """A title card or a slide, still."""
    ground = _scene(rng) if rng.random() < 0.4 else np.full((_SIDE, _SIDE, 3), rng.integers(0, 256, 3), np.uint8)
    frame = _text(ground, rng, int(rng.integers(40, 100)), int(rng.integers(1, 5)))
    while True:
        yield frame


def _credits(rng: np.random.Generator) -> Iterator[NDArray[np.uint8]]:
    """Text that moves up."""
    long = _text(np.full((4 * _SIDE, _SIDE, 3), rng.integers(0, 40), np.uint8), rng, 20, 30)
    for top in range(0, 3 * _SIDE, int(rng.integers(3, 16))):
        yield long[top : top + _SIDE]


def _bars(rng: np.random.Generator) -> Iterator[NDArray[np.uint8]]:
    """A test picture: bars of colour, a grid, or noise."""
    kind = rng.integers(3)
    colours = rng.integers(0, 2, (1, 8, 3)) * 255 if kind == 0 else rng.integers(0, 256, (12, 12, 3))
    frame = cv2.resize(colours.astype(np.uint8), (_SIDE, _SIDE), interpolation=cv2.INTER_NEAREST)
    while True:
        yield rng.integers(0, 256, (_SIDE, _SIDE, 3), np.uint8) if kind == 2 else frame
