"""Whether a video is ranked alike however it is read and framed: from key frames, with bars, beside a blurred copy."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from vision_models.gifs.predictor import HighlightPredictor
from vision_models.gifs.scorers import Vectors
from vision_models.gifs.training.data import Clip

VIDEOS = 6
CLIPS = 20  # in each
LENGTHS_S = 3, 4, 5, 6, 7  # of a clip
FRAME = "640:360"
DULL = (
    "color=black:s=640x360:r=25:d=5",
    "smptebars=s=640x360:r=25:d=5",
    "mandelbrot=s=640x360:r=25,trim=duration=5,fade=t=out:st=1:d=3",
    "smptehdbars=s=640x360:r=25:d=5,boxblur=20",
)
CHANGES = {
    "black bars above and below": "pad=iw:2*ih:0:ih/2",
    "black bars at the sides": "pad=2*iw:ih:iw/2:0",
    "beside a blurred copy": "split[a][b];[b]scale=2*iw:-2,crop=iw:ih/2,gblur=sigma=20[c];[c][a]overlay=(W-w)/2:0",
}


def evaluate_mixed(clips: Sequence[Clip], predictor: HighlightPredictor) -> str:
    """Make videos of clips that do not belong together, and rank them in several ways.

    Returns:
        A Markdown table: the rank correlation with the ranking of the whole, unchanged video.
    """
    found: dict[str, list[list[float]]] = {}
    for number in range(VIDEOS):
        rng = np.random.default_rng(number)
        order = rng.permutation(len(clips))
        liked = [predictor.remember(clips[order[-1]].path)]
        with tempfile.TemporaryDirectory() as folder:
            video = mixed_video([clips[n].path for n in order[:-1][:CLIPS]], Path(folder), rng)
            for name, ranks, expected in _rankings(video, predictor, liked):
                alike = [float(np.corrcoef(one, other)[0, 1]) for one, other in zip(ranks, expected, strict=True)]
                found.setdefault(name, []).append(alike)
    lines = ["| rank correlation with the whole video | no history | one GIF |", "|---|---|---|"]
    for name, videos in found.items():
        errors = np.std(videos, axis=0) / VIDEOS**0.5
        told = (f"{mean:.2f} ± {error:.2f}" for mean, error in zip(np.mean(videos, axis=0), errors, strict=True))
        lines.append(f"| {name} | {' | '.join(told)} |")
    return "\n".join([f"{VIDEOS} videos of {CLIPS} clips and {len(DULL)} dull stretches:", "", *lines, ""])


def mixed_video(paths: Sequence[Path], folder: Path, rng: np.random.Generator) -> Path:
    """Put clips of several seconds and dull stretches one behind the other, with a key frame every two seconds."""
    shape = f"fps=25,scale={FRAME}:force_original_aspect_ratio=increase,crop={FRAME},setsar=1,format=yuv420p"
    lengths = rng.choice(LENGTHS_S, len(paths))
    sources = [["-t", str(length), "-i", str(path)] for path, length in zip(paths, lengths, strict=True)]
    for number, dull in enumerate(DULL):
        sources.insert((number + 1) * len(sources) // (len(DULL) + 1), ["-f", "lavfi", "-i", dull])
    parts = [folder / f"{number}.mkv" for number in range(len(sources))]
    for part, source in zip(parts, sources, strict=True):
        _ffmpeg(*source, "-an", "-vf", shape, "-c:v", "libx264", "-preset", "ultrafast", "-qp", "10", part)
    (folder / "parts.txt").write_text("".join(f"file '{part}'\n" for part in parts))
    whole = folder / "whole.mp4"
    _ffmpeg("-f", "concat", "-safe", "0", "-i", folder / "parts.txt", *_with_keys(2), whole)
    return whole


def _rankings(
    video: Path, predictor: HighlightPredictor, liked: Sequence[Vectors]
) -> Iterator[tuple[str, list[NDArray[np.intp]], list[NDArray[np.intp]]]]:
    """Rank a video in each way: how, the ranks without and with a history, and those of the whole video."""

    def ranks(path: Path, *, key_frames: bool = False) -> list[NDArray[np.intp]]:
        index = predictor.index(path, key_frames=key_frames)
        ranked = (predictor.score(index, history) for history in ([], liked))
        return [np.argsort(np.argsort([segment.score for segment in one.segments])) for one in ranked]

    expected = ranks(video)
    yield "key frames, every 2 s, and what follows", ranks(video, key_frames=True), expected
    changed = video.with_name("changed.mp4")
    for name, keys in {"every 2 s and at cuts": _with_keys(2, at_cuts=True), "every 4 s": _with_keys(4)}.items():
        _ffmpeg("-i", video, *keys, changed)
        yield f"key frames, {name}, and what follows", ranks(changed, key_frames=True), ranks(changed)
    for name, filters in CHANGES.items():
        _ffmpeg("-i", video, "-vf", filters, *_with_keys(2), changed)
        yield name, ranks(changed), expected


def _with_keys(every_s: int, *, at_cuts: bool = False) -> list[str]:
    encoder = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "22"]
    return [*encoder, "-g", str(25 * every_s), *([] if at_cuts else ["-sc_threshold", "0"])]


def _ffmpeg(*arguments: str | Path) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True)  # noqa: S603 - our own words
