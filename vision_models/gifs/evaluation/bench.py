"""Speed and memory of PHD-GIFs, as ratios within one run, so that they hold on any machine."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import imageio_ffmpeg
import torch

from vision_models.bench import peak_memory, seconds
from vision_models.gifs.predictor import HighlightPredictor
from vision_models.media.videos import probe

FRAME = "1280x720"
PIECE_S = 60  # of new frames, which are repeated
MINUTES = 10
LONGER = 6  # times as long is the video that memory is measured on: an hour
KEY_FRAME_S = 2  # what phones and streaming sites do, or less; x264 alone would put 10 s between key frames


def bench(predictor: HighlightPredictor) -> str:
    """Time the way from a 10-minute 720p file to ranked segments against FFmpeg's decoding of that file.

    Returns:
        Lines of text with the ratios.
    """
    with tempfile.TemporaryDirectory() as folder:
        video = make_video(Path(folder))
        predictor.rank(_shortened(video, 20))  # warm up
        decoding = seconds(lambda: _ffmpeg("-i", str(video), "-map", "0:v", "-f", "null", "-"))
        ours = seconds(lambda: predictor.rank(video, key_frames=False))
        at_ten_minutes = peak_memory()
        key_frames = seconds(lambda: predictor.rank(video, key_frames=True))
        longer = _repeated(video, LONGER)
        hour = seconds(lambda: predictor.rank(longer))
        at_an_hour = peak_memory()
        known = probe(video)
    memory = f"{at_ten_minutes / 1e9:.2f} GB by the end of ten minutes, {at_an_hour / 1e9:.2f} GB by the end of an hour"
    lines = [
        f"{torch.get_num_threads()} CPU threads, {predictor.device}",
        f"{MINUTES} minutes of {known.width} x {known.height}, {known.fps:.0f} frames/s: {decoding:.1f} s to decode",
        f"from file to ranked segments: {ours / decoding:.2f} of FFmpeg's time to decode the file",
        f"the same from key frames and what follows them: {key_frames / decoding:.2f}",
        f"an hour of it, as `rank` does by default: {hour / decoding / LONGER:.2f} of FFmpeg's time",
        f"peak memory of this process, to which FFmpeg's decoder comes: {memory}",
    ]
    return "\n".join(lines)


def make_video(folder: Path) -> Path:
    """Make ten minutes of moving, noisy 720p: no one's film, but as hard to decode as one."""
    piece, video = folder / "piece.mp4", folder / "video.mp4"
    scene = f"mandelbrot=size={FRAME}:rate=25:start_scale=2:end_scale=0.05:end_pts=1500,noise=alls=12:allf=t"
    rate = ["-g", str(25 * KEY_FRAME_S), "-b:v", "4M", "-preset", "veryfast", "-pix_fmt", "yuv420p"]
    _ffmpeg("-f", "lavfi", "-i", scene, "-t", str(PIECE_S), "-c:v", "libx264", *rate, str(piece))
    _ffmpeg("-stream_loop", str(MINUTES - 1), "-i", str(piece), "-c", "copy", str(video))
    return video


def _shortened(video: Path, length_s: int) -> Path:
    short = video.with_name("short.mp4")
    _ffmpeg("-i", str(video), "-t", str(length_s), "-c", "copy", str(short))
    return short


def _repeated(video: Path, times: int) -> Path:
    longer = video.with_name("longer.mp4")
    _ffmpeg("-stream_loop", str(times - 1), "-i", str(video), "-c", "copy", str(longer))
    return longer


def _ffmpeg(*arguments: str) -> None:
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *arguments], check=True)  # noqa: S603
