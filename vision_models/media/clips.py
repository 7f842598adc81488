"""Pieces of a video as GIF, MP4 or WebP files."""

from __future__ import annotations

import math
import os
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from vision_models.errors import VideoError
from vision_models.media.bars import without_bars
from vision_models.media.edits import AS_IT_IS, Edits, caption_picture, shaped
from vision_models.media.ffmpeg import Ffmpeg, frame_filters, opened, output_format, patience_s, sampled, seek
from vision_models.media.videos import Video, probe, read_frames

FLAT_LOOKS = 4  # frames that tell whether a clip is a drawing
FLAT_COLOURS, FLAT_SHARE = 200, 0.985  # so many colours, of 32 levels each way, make up so much of it
MAX_GIF_PIXELS = 200_000_000  # of all its frames: they wait, 4 bytes a pixel, until the palette has seen the last


def write_gif(  # noqa: PLR0913, PLR0917 - in the order in which one says it: from when to when, where to, how
    video: Video | str | os.PathLike[str],
    start_s: float,
    end_s: float,
    path: str | os.PathLike[str],
    height: int | None = None,
    fps: float = 12.5,
    max_bytes: int | None = None,
    *,
    loop: bool = True,
    edits: Edits = AS_IT_IS,
) -> Path:
    """Cut a piece out of a video and write it as GIF, MP4 or WebP, whichever the path's ending says.

    A GIF counts time in 1/100 s, so fps becomes the nearest of 50, 33.3, 25, 20, 16.7, 14.3, 12.5, 11.1,
    10, ... and plays at the right speed. Its 256 colours are chosen for the piece, and dithered with a
    fixed pattern, which neither flickers nor bloats the file; drawings of few colours are not dithered.
    MP4 (H.264) and WebP keep fps; MP4 is made for browsers: even width and height, 4:2:0, index at the
    front. There is no sound, and nothing of the video's metadata (such as the place where it was
    recorded) is copied.

    Args:
        video: a path, of which bars around the picture are cut off; or what `probe` said, as it is.
        start_s: seconds from the first frame; before it counts as 0.
        end_s: behind the end counts as the end. The result lasts end_s - start_s, to within half a
            frame of it.
        path: ends in .gif, .mp4 or .webp; an existing file is replaced.
        height: in pixels; None or more than the video has keeps it as it is. The width follows.
        fps: frames per second.
        max_bytes: the largest file that will do. If need be, frames get smaller, come less often, and
            (not in GIF) is compressed more. Two to five files are written to find out how much.
        loop: play forever rather than once. Players decide about MP4 themselves.
        edits: a caption, another speed, back and forth, another shape.

    Returns:
        The path.

    Raises:
        VideoError: as `probe`; nothing between start and end; too large a GIF for memory; or it does
            not fit into max_bytes.
        ValueError: another ending.
        OSError: the file cannot be written there.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in {".gif", ".mp4", ".webp"}:
        raise ValueError(f"Clips are written as .gif, .mp4 or .webp; the name {path.name!r} ends in none of them.")
    video = video if isinstance(video, Video) else without_bars(probe(video))
    start_s, end_s = max(start_s, 0.0), min(end_s, video.duration_s)
    if start_s >= end_s:
        raise VideoError(
            f"There is nothing to cut out: choose a start before the end, both within {video.duration_s:.1f} s."
        )
    video = shaped(video, edits.shape)
    clip = _Clip(video, start_s, end_s, min(height or video.height, video.height), fps, loop, edits)
    most = min(1.0, MAX_GIF_PIXELS / clip.pixels) if ending == ".gif" else 1.0
    if most < 1 and max_bytes is None:
        raise VideoError("This GIF would be too large to make. Please make it shorter or less high, or choose MP4.")
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:  # beside its place, where it then appears complete
        part = Path(folder, f"clip{ending}")
        if max_bytes is None:
            clip.write(part)
        else:
            part = _largest_that_fits(clip, part, max_bytes, most)
        part.replace(path)
    return path


@dataclass(frozen=True)
class _Clip:
    """What to cut out, and how it should look if the size of the file did not matter."""

    video: Video
    start_s: float
    end_s: float
    height: int
    fps: float
    loop: bool
    edits: Edits

    @property
    def pixels(self) -> float:
        """Of all its pictures together."""
        seconds = (self.end_s - self.start_s) / self.edits.speed * (2 if self.edits.back_and_forth else 1)
        return seconds * self.fps * self.height**2 * self.video.width / self.video.height

    @cached_property
    def is_flat(self) -> bool:
        """Whether few colours make it up, as in drawings and screen recordings; dithering harms those."""
        size = max(round(self.video.width * self.height / self.video.height), 1), self.height
        rate = FLAT_LOOKS / (self.end_s - self.start_s)
        frames = read_frames(self.video, fps=rate, size=size, start_s=self.start_s, end_s=self.end_s)
        codes = np.concatenate([(frame >> 3).reshape(-1, 3) @ np.array([1024, 32, 1]) for _, frame in frames])
        return bool(np.sort(np.bincount(codes))[-FLAT_COLOURS:].sum() >= FLAT_SHARE * len(codes))

    def write(self, part: Path, share: float = 1.0) -> None:
        """Write a file that has about `share` times the bytes of one that gives up nothing.

        How many bytes giving up something saves was measured on films and recordings. GIF: area^0.96,
        fps^0.55, colours^0.36; fewer colours look worse than a smaller frame of the same bytes and are
        left alone. WebP: fps, quality^0.9. H.264: 2^(-CRF / 5), area.
        """
        fps = self.fps
        slower = max(share**0.25, 0.6)
        if part.suffix == ".gif":
            fps = 100 / max(round(100 / (fps * slower)), 2)
            area = share / slower**0.55
            pixels = "bgra"
            options = ["-f", "gif", "-loop", "0" if self.loop else "-1"]
        elif part.suffix == ".webp":
            fps *= slower
            quality = max(75 * math.sqrt(share), 30)
            area = share / slower / (quality / 75) ** 0.9
            pixels = "yuv420p:bt601"
            options = ["-f", "webp", "-c:v", "libwebp_anim", "-quality", f"{quality:.0f}"]
            options += ["-loop", "0" if self.loop else "1"]
        else:
            crf = min(20 - 4 * math.log2(share), 32)
            area = share * 2 ** ((crf - 20) / 5)
            pixels = "yuv420p:bt709"
            options = ["-f", "mp4", "-c:v", "libx264", "-preset", "fast", "-crf", f"{crf:.1f}"]
            options += ["-movflags", "+faststart"]

        height = max(round(self.height * math.sqrt(min(area, 1))), 2)
        width = max(round(self.video.width * height / self.video.height), 2)
        if part.suffix == ".mp4":
            width, height = width // 2 * 2, height // 2 * 2
        captions = []
        if self.edits.caption:
            written = part.with_name("caption.png")
            caption_picture(self.edits, (width, height)).save(written)
            captions = ["-i", f"file:{written.absolute()}"]
        filters = self._filters(fps, (width, height), pixels)
        if part.suffix == ".gif":
            # stats_mode=diff gives up to 3 % smaller files, but loses the colours that come after a still moment.
            dither = "none" if self.is_flat else "bayer:bayer_scale=5"
            filters += ",split[a][b];[a]palettegen=stats_mode=full[palette]"
            filters += f";[b][palette]paletteuse=dither={dither}:diff_mode=rectangle"
        cut_from = [*opened(self.video, seek(self.video, self.start_s)), *captions]
        output = ["-filter_complex", f"{filters}[out]", "-map", "[out]", "-fps_mode", "passthrough"]
        output += ["-map_metadata", "-1", "-map_chapters", "-1", *options]
        cpu_s = patience_s(self.video, self.end_s - self.start_s) + 3e-6 * self.pixels
        with Ffmpeg([*cut_from, *output, f"file:{part.absolute()}"], cpu_s=cpu_s) as run:
            run.finish(within_s=10 * cpu_s)

    def _filters(self, fps: float, size: tuple[int, int], pixels: str) -> str:
        """Say how the frames come about, up to their colours; a caption is the second input."""
        edits = self.edits
        count = max(round((self.end_s - self.start_s) / edits.speed * fps), 1)
        filters = f"[{self.video.stream.place}]{sampled(self.video, self.start_s, fps / edits.speed, count)}"
        filters += "," + frame_filters(self.video, size, "lanczos", "rgba" if edits.caption else pixels)
        if edits.back_and_forth and count > 2:
            filters += (
                f",split[on][off];[off]reverse,trim=start_frame=1:end_frame={count - 1},setpts=PTS-STARTPTS[back]"
            )
            filters += ";[on][back]concat"
        if edits != AS_IT_IS:  # the frames that are left follow each other at the wanted rate
            filters += f",settb=AVTB,setpts=N/({fps:.6f}*TB),fps={fps:.6f}"
        if edits.caption:
            filters += f"[bare];[bare][1:0]overlay=format=rgb,{output_format(pixels)}"
        return filters


def _largest_that_fits(clip: _Clip, part: Path, max_bytes: int, most: float) -> Path:
    """Write files of different shares (of `most` at most) until one fills its limit, and return that."""
    fits, too_large = 0.0, math.inf
    share, before = most, None
    best = part.with_stem("best")
    for attempt in range(8):
        clip.write(part, share)
        size = part.stat().st_size
        if size <= max_bytes:
            fits = share
            part.replace(best)
            if share == most or size > 0.9 * max_bytes or attempt >= 3:
                break
        else:
            too_large = share
            if clip.height * math.sqrt(share) < 16 and not fits:
                break
        # Along a line through the logarithms of the last two, the first time of slope 1.
        slope = math.log(size / before[1]) / math.log(share / before[0]) if before else 1.0
        before = share, size
        share = min(share * (0.95 * max_bytes / size) ** (1 / min(max(slope, 0.5), 2)), most)
        if not fits < share < too_large:
            share = math.sqrt(fits * too_large) if fits else too_large / 2
    if not fits:
        raise VideoError(
            f"This piece does not fit into {max_bytes / 1000:.0f} KB. Please make it shorter, or allow a larger file."
        )
    return best
