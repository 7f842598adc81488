"""Videos in, frames out: `probe` measures a video, `read_frames` and `read_key_frames` give its frames and their times.

Times are seconds from the first frame, whatever the file's own clock says; a player, and so the visitor, counts from
`Video.lead_s` earlier. Frames are upright (the phone's rotation applied), with square pixels, in sRGB, on white where
they are transparent. What cannot be read is refused with a `VideoError` whose sentence can be shown to a visitor: it
names no file, no folder and no library.
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np

from vision_models.errors import VideoError
from vision_models.media.ffmpeg import (
    DAMAGED,
    MAX_PIXELS,
    SAY_NOTHING_S,
    TOO_LARGE,
    Ffmpeg,
    Stream,
    frame_filters,
    opened,
    patience_s,
    raw,
    sampled,
    seek,
)
from vision_models.media.tracks import HAVE_NO_KEY_FRAMES, KEYS_APART_S, measure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


# Of the files that are taken from a folder of videos.
VIDEO_SUFFIXES = frozenset(
    {".3gp", ".asf", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4"}
    | {".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".vob", ".webm", ".wmv"}
)
ANIMATION_SUFFIXES = frozenset({".apng", ".avif", ".gif", ".png", ".webp"})  # of photos, too, but some can move
MAX_HOURS = 12
_HAVE_TIME_LINE = {"mov", "matroska"}
_HASTY = ["-skip_loop_filter", "all"]  # edges of blocks stay
_FLUENT_FPS = 20  # from here on, no B-frame is missed; below, what moves would be seen too seldom
_EARLIER_S = 0.02  # by so much a frame may come early: others of the same pace are too far apart
KEY_PAUSE_S = 0.5  # a frame after a longer pause does not follow a key frame: it is one

# What a file is, by its first bytes; the name's ending proves nothing. ffmpeg is told the answer, so that it
# never guesses: playlists, whose entries could be files of this machine, are not among them.
_SIGNATURES = {
    rb"....(ftyp|moov|mdat|wide|free|skip)": "mov",
    rb"\x1aE\xdf\xa3": "matroska",
    rb"GIF8[79]a": "gif",
    rb"RIFF....AVI ": "avi",
    rb"FLV\x01": "flv",
    rb"OggS": "ogg",
    rb"0&\xb2u\x8ef\xcf\x11": "asf",  # WMV
    rb"\0\0\x01\xba": "mpeg",
    rb"(.{4})?G.{187}(.{4})?G": "mpegts",  # with or without the 4 bytes that camcorders put first
}
_HEAD_BYTES = 4096
_NOT_A_VIDEO = "This file is not a video that can be read here. Please use an MP4, MOV, WebM, MKV, AVI or GIF file."
_TOO_LONG = f"This video says that it lasts more than {MAX_HOURS} hours. Please cut it into shorter ones."


class Crop(NamedTuple):
    """A part of a frame, in shares of its width and height."""

    left: float = 0.0
    top: float = 0.0
    width: float = 1.0
    height: float = 1.0


WHOLE = Crop()


@dataclass(frozen=True)
class Video:
    """A video that can be read, as `probe` measured it."""

    path: Path
    duration_s: float  # from the first frame to the end of the last, > 0
    width: int  # of the upright frame, with square pixels
    height: int
    fps: float  # average
    key_frames: int  # frames that can be decoded without any other; at least 1
    key_gap_s: float  # the longest time without one
    lead_s: float  # what a player shows at the first frame: above 0 where, say, the sound begins earlier
    start_s: float = field(repr=False)  # the time of the first frame by the file's own clock
    demuxer: str = field(repr=False)  # ffmpeg's name of the container
    stream: Stream = field(repr=False)
    key_times: tuple[float, ...] = field(default=(), repr=False)  # seconds; without those closer together than ...
    keys_apart_s: float = field(default=KEYS_APART_S[0], repr=False)  # ... this
    has_dense_keys: bool = field(default=False, repr=False)  # whether these are everywhere
    crop: Crop = WHOLE  # what is shown of the frames; width and height are those of this part

    def cropped(self, crop: Crop) -> Video:
        """Return the same video, of which only a part is shown."""
        old = self.crop
        part = Crop(
            old.left + crop.left * old.width,
            old.top + crop.top * old.height,
            crop.width * old.width,
            crop.height * old.height,
        )
        width, height = max(round(self.width * crop.width), 1), max(round(self.height * crop.height), 1)
        return replace(self, crop=part, width=width, height=height)


def probe(path: str | os.PathLike[str]) -> Video:
    """Measure a video: walk through the file once, decode its first frame.

    The length in a header is often missing (GIF, recordings of browsers) or wrong (downloads that ended
    early), so the packets are counted: 0.4 s for ten minutes of 720p. Of a file whose end is missing,
    what is there counts.

    Args:
        path: an MP4, MOV, WebM, MKV, AVI, FLV, Ogg, WMV, MPEG or GIF file, or an animated WebP or PNG.

    Raises:
        VideoError: no such file, not a video, damaged, no frames in it, frames of more than
            8192 x 8192, or longer than 12 hours. The text is meant for the person who chose the file.
    """
    path = Path(path)
    demuxer = _recognise(path)
    track, stream, frame, file_start_s = measure(path, demuxer)
    if frame.width * frame.height > MAX_PIXELS:  # few pixels, but each as wide as many
        raise VideoError(TOO_LARGE)
    # Browsers count from zero where the file has a time line of its own, else from its first sound or frame.
    players_zero_s = 0.0 if demuxer in _HAVE_TIME_LINE or stream.joined else file_start_s
    duration_s = float(track.end * track.clock) - frame.time_s
    if duration_s <= 0:
        duration_s = 0.1  # a single frame; browsers give such GIFs as much
    if duration_s > MAX_HOURS * 3600:
        raise VideoError(_TOO_LONG)
    keys, keys_apart_s, has_dense_keys = track.few_keys()
    return Video(
        path=path,
        duration_s=duration_s,
        width=frame.width,
        height=frame.height,
        fps=track.count / duration_s,
        key_frames=max(track.key_frames, 1),
        key_gap_s=float(track.key_gap * track.clock),
        lead_s=max(frame.time_s - players_zero_s, 0.0),
        start_s=frame.time_s,
        demuxer=demuxer,
        stream=stream,
        key_times=tuple(float(key * track.clock) - frame.time_s for key in keys),
        keys_apart_s=keys_apart_s,
        has_dense_keys=has_dense_keys,
    )


def read_frames(
    video: Video | str | os.PathLike[str],
    *,
    fps: float,
    size: tuple[int, int] | None = None,
    start_s: float = 0.0,
    end_s: float | None = None,
    exact: bool = True,
) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Give the frames that are on the screen at start_s, start_s + 1/fps, ... before end_s.

    Sampling goes by time, not by counting, so variable frame rates come out right. One frame is held
    at a time. The decoder is stopped when the iterator ends, is closed or is forgotten.

    Args:
        video: a path, or what `probe` said about it.
        fps: frames per second, > 0; those of a slower video come more than once.
        size: (width, height) in pixels, the whole frame squeezed into it; None keeps it as it is.
        start_s: seconds from the first frame, >= 0.
        end_s: None, and anything behind the end, means to the end.
        exact: False leaves B-frames undecoded, and the edges of blocks as they are. Of H.264 as x264 makes it, that
            saves two thirds of the time; a sample may then be older, by up to 0.2 s as a rule.

    Yields:
        The time of the sample in seconds from the first frame, and uint8 HxWx3 sRGB, writable.

    Raises:
        VideoError: as `probe`; nothing there can be decoded; or it takes far too long.
    """
    video = video if isinstance(video, Video) else probe(video)
    size = size or (video.width, video.height)
    span_s = min(video.duration_s if end_s is None else end_s, video.duration_s) - start_s
    count = math.ceil(span_s * fps - 1e-6)
    if count <= 0:
        return
    cut_from = opened(video, [*([] if exact else _hasty(video)), *seek(video, start_s)])
    filters = f"{sampled(video, start_s, fps, count)},{frame_filters(video, size, 'area')}"
    with Ffmpeg([*cut_from, *raw(video, filters)], cpu_s=patience_s(video, span_s)) as run:
        for index, frame in enumerate(run.frames(size)):
            yield start_s + index / fps, frame
        run.finish()
    if not run.gave_frames:
        raise VideoError(DAMAGED)


def read_key_frames(
    video: Video | str | os.PathLike[str],
    *,
    size: tuple[int, int] | None = None,
    follow_s: float = 0.0,
    fps: float = 1.0,
) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Give the frames that can be decoded without any other, with the times at which they are shown.

    Nothing between them is decoded: H.264 is read some thirty times as fast as by `read_frames`. How many
    there are was the choice of whoever made the video, one in 2 to 10 s as a rule, in a GIF often one.

    Args:
        video: a path, or what `probe` said about it.
        size: (width, height) in pixels, the whole frame squeezed into it; None keeps it as it is.
        follow_s: above 0, the key frames at `Video.key_times` alone, and after each the frames of so many seconds, up
            to 1.25, as `read_frames` gives them when it need not be exact. They show how things move there.
        fps: frames per second that are given of those, about.

    Yields:
        The time in seconds from the first frame, and uint8 HxWx3 sRGB, writable.

    Raises:
        VideoError: as `probe`; none can be decoded; or it takes far too long.
    """
    video = video if isinstance(video, Video) else probe(video)
    size = size or (video.width, video.height)
    if video.demuxer in HAVE_NO_KEY_FRAMES:
        yield next(read_frames(video, fps=1, size=size))
        return
    # Keeping the others from the decoder: VP9's does not obey -skip_frame, and -discard spoils the times.
    unwanted, wanted = "not(key)", ""
    if follow_s:
        since = "abs(dts*tb-ld(0))"  # the key frame that was kept last; without a time, nothing follows it
        begins = f"key*(eq(n,0)+not(lt({since},{video.keys_apart_s})))"
        unwanted = f"if({begins},st(0,dts*tb)*0,not(lte({since},{follow_s})))"
        follows = f"between(t-prev_selected_t,{1 / fps - _EARLIER_S:.4f},{KEY_PAUSE_S})"
        wanted = f"select='key+{follows}',"
    options = ["-bsf:v", f"noise=drop='{unwanted}'", *(_hasty(video) if follow_s else [])]
    filters = f"{wanted}{frame_filters(video, size, 'area')},showinfo=checksum=0"
    cpu_s = patience_s(video, video.duration_s)
    with Ffmpeg([*opened(video, options), *raw(video, filters)], cpu_s=cpu_s) as run:
        for frame in run.frames(size):
            yield max(run.shown.get(timeout=SAY_NOTHING_S).time_s - video.start_s, 0.0), frame
        run.finish()
    if not run.gave_frames:
        raise VideoError(DAMAGED)


def _hasty(video: Video) -> list[str]:
    """Options for decoding that is not exact."""
    return [*_HASTY, "-skip_frame", "bidir"] if video.fps >= _FLUENT_FPS else _HASTY


def _recognise(path: Path) -> str:
    """Name the demuxer for a file."""
    try:
        if path.is_dir():
            raise VideoError("This is a folder, not a video. Please choose one video in it.")
        if not path.is_file():
            raise VideoError("This video cannot be found. Please choose it again.")
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            if _is_animated_png(file):
                return "apng"
    except OSError as error:
        raise VideoError("This video cannot be opened. Please choose it again, or another one.") from error
    if not head:
        raise VideoError("This file is empty. Please choose the video again.")
    if head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and head[20] & 2:
        return "webp_anim"
    for signature, demuxer in _SIGNATURES.items():
        if re.match(signature, head, re.DOTALL):
            return demuxer
    raise VideoError(_NOT_A_VIDEO)


def _is_animated_png(file: BinaryIO) -> bool:
    """Look for the chunk that says so; it comes before the first picture, but colour profiles may come before it."""
    file.seek(0)
    if file.read(8) != b"\x89PNG\r\n\x1a\n":
        return False
    while len(head := file.read(8)) == 8 and head[4:] != b"IDAT":  # length and name of a chunk
        if head[4:] == b"acTL":
            return True
        file.seek(int.from_bytes(head[:4], "big") + 4, os.SEEK_CUR)
    return False
