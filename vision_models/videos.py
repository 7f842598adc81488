"""Videos to pictures and back: the only place of this package that knows video formats.

Everything goes through the ffmpeg program that imageio-ffmpeg brings, in a process of its own: a
stranger's file can crash or stall that process and nothing else. `probe` measures a video, `read_frames`
and `read_key_frames` give its pictures with their times, `write_gif` cuts a piece out as GIF, MP4 or
WebP. Times are seconds from the first picture, whatever the file's own clock says; pictures are
upright (the phone's rotation applied), with square pixels, in sRGB. What cannot be read is refused with
a `VideoError` whose sentence can be shown to a visitor: it names no file, no folder and no library.
"""

from __future__ import annotations

import math
import os
import queue
import re
import subprocess
import tempfile
import threading
from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import IO, TYPE_CHECKING, ParamSpec, Self, TypeVar, cast

import imageio_ffmpeg
import numpy as np

from vision_models.errors import VideoError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import BufferedReader

    from numpy.typing import NDArray

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

# Of the files that are taken from a folder of videos.
VIDEO_SUFFIXES = frozenset({".avi", ".flv", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".webm"})
MAX_PIXELS = 8192 * 8192  # of one picture: 8K passes
MAX_HOURS = 12
MAX_GIF_PIXELS = 200_000_000  # of all its pictures: they wait, 4 bytes a pixel, until the palette has seen the last

# What a file is, by its first bytes; the name's ending proves nothing. ffmpeg is told the answer, so that it
# never guesses: playlists, whose entries could be files of this machine, are not among them.
_SIGNATURES = {
    rb"....(ftyp|moov|mdat|wide|free|skip)": "mov",
    rb"\x1aE\xdf\xa3": "matroska",
    rb"GIF8[79]a": "gif",
    rb"RIFF....AVI ": "avi",
    rb"RIFF....WEBPVP8X.{14,4000}ANIM": "webp_anim",
    rb"\x89PNG\r\n\x1a\n.{4,4000}acTL": "apng",
    rb"FLV\x01": "flv",
    rb"OggS": "ogg",
    rb"0&\xb2u\x8ef\xcf\x11": "asf",  # WMV
    rb"\0\0\x01\xba": "mpeg",
    rb"(.{4})?G.{187}(.{4})?G": "mpegts",  # with or without the 4 bytes that camcorders put first
}
_HEAD_BYTES = 4096
_HAVE_KEY_FRAME_TABLES = {"mov", "matroska"}  # of the others, seeking can end up behind the time asked for
_HAVE_ALPHA = {"webp_anim", "apng"}  # so has GIF, but there ffmpeg itself puts white behind
_HDR = {"smpte2084", "arib-std-b67"}  # PQ and HLG

_DAMAGED = "This video is damaged or incomplete. Please save or download it again, then try once more."
_NOT_A_VIDEO = "This file is not a video that can be read here. Please use an MP4, MOV, WebM, MKV, AVI or GIF file."
_UNKNOWN_KIND = "This kind of video cannot be read here. Please save it as MP4 (H.264) and try again."
_TOO_SLOW = "Reading this video takes too long. Please save it as MP4 (H.264), smaller or shorter, and try again."
_TOO_LARGE = "The pictures of this video are larger than 8192 × 8192. Please export it smaller and try again."
_TOO_LONG = f"This video says that it lasts more than {MAX_HOURS} hours. Please cut it into shorter ones."

# What ffmpeg says about a file that it cannot use, and what a person should read.
_REASONS = {
    rb"exceeds specified max pixel count|Picture size \d{4,}x\d{4,} is invalid": _TOO_LARGE,
    rb"matches no streams": "There are no pictures in this file, only sound or data. Please choose a video.",
    rb"no decoder found|Unknown input format": _UNKNOWN_KIND,  # older ffmpegs have no animated WebP
    rb"No space left on device": "There is no room left to write this file. Please make room and try again.",
}

_SAY_NOTHING_S = 60  # how long ffmpeg may go on without giving a picture or a line
_EARLY_S = 0.002  # clocks that count milliseconds show a picture up to half of one late

# The first line that showinfo writes about each picture, and what the second says about its colours.
_SHOWN = re.compile(rb"\] n: *\d+ pts: *(-?\d+) .*sar:(\d+)/(\d+) s:(\d+)x(\d+) ")
_COLOURS = re.compile(rb" color_space:(\S+) color_primaries:\S+ color_trc:(\S+)")
_CLOCK = re.compile(rb"config in time_base: (\d+)/(\d+)")


@dataclass(frozen=True)
class Video:
    """A video that can be read, as `probe` measured it."""

    path: Path
    duration_s: float  # from the first picture to the end of the last, > 0
    width: int  # of the upright picture, with square pixels
    height: int
    fps: float  # average
    key_frames: int  # pictures that can be decoded without any other; at least 1
    key_gap_s: float  # the longest time without one
    start_s: float = field(repr=False)  # the time of the first picture by the file's own clock
    demuxer: str = field(repr=False)  # ffmpeg's names of the container and of the colours
    matrix: str = field(repr=False)
    transfer: str = field(repr=False)


def probe(path: str | os.PathLike[str]) -> Video:
    """Measure a video: walk through the file once, decode its first picture.

    The length in a header is often missing (GIF, recordings of browsers) or wrong (downloads that ended
    early), so the packets are counted: 0.4 s for ten minutes of 720p. Of a file whose end is missing,
    what is there counts.

    Args:
        path: an MP4, MOV, WebM, MKV, AVI, FLV, Ogg, WMV, MPEG or GIF file, or an animated WebP or PNG.

    Raises:
        VideoError: no such file, not a video, damaged, no pictures in it, pictures of more than
            8192 x 8192, or longer than 12 hours. The text is meant for the person who chose the file.
    """
    path = Path(path)
    demuxer = _recognise(path)
    # One line per packet on stdout; what showinfo tells about the first picture on stderr.
    outputs = ["-map", "0:V:0", "-c", "copy", "-f", "framecrc", "-"]
    outputs += ["-map", "0:V:0", "-vf", "showinfo=checksum=0", "-frames:v", "1", "-f", "null", "-"]
    clock, count, key_frames = Fraction(0), 0, 0
    first, last, end, last_key, key_gap = math.inf, -math.inf, -math.inf, math.inf, 0.0
    with _Ffmpeg([*_source(path, demuxer), *outputs], cpu_s=120) as run:
        for line in run.lines():
            if line.startswith(b"#tb"):
                clock = Fraction(line.split()[-1].decode())
            if line.startswith(b"#"):
                continue
            packet, _, flags = line.partition(b", F=")  # 1 is a key frame, and is left out if there is no other flag
            decoded_at, shown_at, length = map(int, packet.split(b",")[1:4])
            shown_at = max(decoded_at, shown_at)  # what is not known is a large negative number
            first, last, end = min(first, shown_at), max(last, shown_at), max(end, shown_at + length)
            count += 1
            if not flags or int(flags.split(b",")[0], 16) & 1:
                key_frames += 1
                key_gap = max(key_gap, shown_at - last_key)
                last_key = shown_at
        run.finish()
    if run.shown.empty() or not count:
        raise VideoError(_DAMAGED)
    picture = run.shown.get()
    if picture.width * picture.height > MAX_PIXELS:  # few pixels, but each as wide as many
        raise VideoError(_TOO_LARGE)

    if end == last:  # how long the last picture stays is not known
        end += (last - first) / max(count - 1, 1)
    duration_s = float(end * clock) - picture.time_s
    if duration_s <= 0:
        duration_s = 0.1  # a single picture; browsers give such GIFs as much
    if duration_s > MAX_HOURS * 3600:
        raise VideoError(_TOO_LONG)
    return Video(
        path=path,
        duration_s=duration_s,
        width=picture.width,
        height=picture.height,
        fps=count / duration_s,
        key_frames=max(key_frames, 1),
        key_gap_s=float(max(key_gap, end - last_key) * clock) if key_frames else duration_s,
        start_s=picture.time_s,
        demuxer=demuxer,
        matrix=run.matrix,
        transfer=run.transfer,
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
    """Give the pictures that are on the screen at start_s, start_s + 1/fps, ... before end_s.

    Sampling goes by time, not by counting, so variable frame rates come out right. One picture is held
    at a time. The decoder is stopped when the iterator ends, is closed or is forgotten.

    Args:
        video: a path, or what `probe` said about it.
        fps: pictures per second, > 0; those of a slower video come more than once.
        size: (width, height) in pixels, the whole picture squeezed into it; None keeps it as it is.
        start_s: seconds from the first picture, >= 0.
        end_s: None, and anything behind the end, means to the end.
        exact: False leaves undecoded the pictures that no other one is predicted from. That saves a
            third of the time; a sample may then be older, by one to three of the video's pictures.

    Yields:
        The time of the sample in seconds from the first picture, and uint8 HxWx3 sRGB, writable.

    Raises:
        VideoError: as `probe`; nothing there can be decoded; or it takes far too long.
    """
    video = video if isinstance(video, Video) else probe(video)
    size = size or (video.width, video.height)
    span_s = min(video.duration_s if end_s is None else end_s, video.duration_s) - start_s
    count = math.ceil(span_s * fps - 1e-6)
    if count <= 0:
        return
    source = _source(video.path, video.demuxer, [*([] if exact else ["-skip_frame", "noref"]), *_seek(video, start_s)])
    filters = f"{_sampled(video, start_s, fps, count)},{_pictured(video, size, 'area')}"
    with _Ffmpeg([*source, *_raw(filters)], cpu_s=_patience_s(video, span_s)) as run:
        for index, picture in enumerate(run.pictures(size)):
            yield start_s + index / fps, picture
        run.finish()
    if not run.gave_pictures:
        raise VideoError(_DAMAGED)


def read_key_frames(
    video: Video | str | os.PathLike[str], *, size: tuple[int, int] | None = None
) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Give the pictures that can be decoded without any other, with the times at which they are shown.

    Nothing between them is decoded: H.264 is read some thirty times as fast as by `read_frames`. How many
    there are was the choice of whoever made the video, one in 2 to 10 s as a rule, in a GIF often one.

    Args:
        video: a path, or what `probe` said about it.
        size: (width, height) in pixels, the whole picture squeezed into it; None keeps it as it is.

    Yields:
        The time in seconds from the first picture, and uint8 HxWx3 sRGB, writable.

    Raises:
        VideoError: as `probe`; none can be decoded; or it takes far too long.
    """
    video = video if isinstance(video, Video) else probe(video)
    size = size or (video.width, video.height)
    # Keeping the others from the decoder: VP9's does not obey -skip_frame, and -discard spoils the times.
    only_keys = ["-bsf:v", "noise=drop=not(key)"]
    filters = f"{_pictured(video, size, 'area')},showinfo=checksum=0"
    with _Ffmpeg(
        [*_source(video.path, video.demuxer, only_keys), *_raw(filters)], cpu_s=_patience_s(video, video.duration_s)
    ) as run:
        for picture in run.pictures(size):
            yield max(run.shown.get(timeout=_SAY_NOTHING_S).time_s - video.start_s, 0.0), picture
        run.finish()
    if not run.gave_pictures:
        raise VideoError(_DAMAGED)


def write_gif(  # noqa: PLR0917 - in the order in which one says it: from when to when, where to, how
    video: Video | str | os.PathLike[str],
    start_s: float,
    end_s: float,
    path: str | os.PathLike[str],
    height: int | None = None,
    fps: float = 12.5,
    max_bytes: int | None = None,
    *,
    loop: bool = True,
) -> Path:
    """Cut a piece out of a video and write it as GIF, MP4 or WebP, whichever the path's ending says.

    A GIF counts time in 1/100 s, so fps becomes the nearest of 50, 33.3, 25, 20, 16.7, 14.3, 12.5, 11.1,
    10, ... and plays at the right speed. Its 256 colours are chosen for the piece, and dithered with a
    fixed pattern, which neither flickers nor bloats the file. MP4 (H.264) and WebP keep fps; MP4 is
    made for browsers: even width and height, 4:2:0, index at the front. There is no sound, and nothing
    of the video's metadata (such as the place where it was recorded) is copied.

    Args:
        video: a path, or what `probe` said about it.
        start_s: seconds from the first picture; before it counts as 0.
        end_s: behind the end counts as the end. The result lasts end_s - start_s, to within half a
            picture of it.
        path: ends in .gif, .mp4 or .webp; an existing file is replaced.
        height: in pixels; None or more than the video has keeps it as it is. The width follows.
        fps: pictures per second.
        max_bytes: the largest file that will do. If need be, the picture gets smaller, comes less often, and
            (not in GIF) is compressed more. Two to five files are written to find out how much.
        loop: play forever rather than once. Players decide about MP4 themselves.

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
    video = video if isinstance(video, Video) else probe(video)
    start_s, end_s = max(start_s, 0.0), min(end_s, video.duration_s)
    if start_s >= end_s:
        raise VideoError(
            f"There is nothing to cut out: choose a start before the end, both within {video.duration_s:.1f} s."
        )
    clip = _Clip(video, start_s, end_s, min(height or video.height, video.height), fps, loop)
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

    @property
    def pixels(self) -> float:
        """Of all its pictures together."""
        return (self.end_s - self.start_s) * self.fps * self.height**2 * self.video.width / self.video.height

    def write(self, part: Path, share: float = 1.0) -> None:
        """Write a file that has about `share` times the bytes of one that gives up nothing.

        How many bytes giving up something saves was measured on films and recordings. GIF: area^0.96,
        fps^0.55, colours^0.36; fewer colours look worse than a smaller picture of the same bytes and are
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
        span_s = self.end_s - self.start_s
        filters = _sampled(self.video, self.start_s, fps, max(round(span_s * fps), 1))
        filters += "," + _pictured(self.video, (width, height), "lanczos", pixels)
        if part.suffix == ".gif":
            # stats_mode=diff gives up to 3 % smaller files, but loses the colours that come after a still moment.
            filters += ",split[a][b];[a]palettegen=stats_mode=full[palette]"
            filters += ";[b][palette]paletteuse=dither=bayer:bayer_scale=4:diff_mode=rectangle"
        source = _source(self.video.path, self.video.demuxer, _seek(self.video, self.start_s))
        output = ["-map", "0:V:0", "-vf", filters, "-fps_mode", "passthrough", "-map_metadata", "-1"]
        output += ["-map_chapters", "-1", *options]
        cpu_s = _patience_s(self.video, span_s) + 3e-6 * self.pixels
        with _Ffmpeg([*source, *output, f"file:{part.absolute()}"], cpu_s=cpu_s) as run:
            run.finish(within_s=10 * cpu_s)


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


@dataclass(frozen=True)
class _Picture:
    """What ffmpeg's showinfo tells about a picture."""

    time_s: float  # by the file's own clock
    width: int  # with square pixels
    height: int


class _Ffmpeg:
    """One run of ffmpeg, over with the `with` block at the latest.

    A thread reads what it says, so that it never waits for room in that pipe.
    """

    def __init__(self, arguments: list[str], *, cpu_s: float) -> None:
        options = ["-hide_banner", "-nostdin", "-nostats", "-y", "-loglevel", "repeat+level+info"]
        options += ["-timelimit", str(math.ceil(cpu_s))]  # kept by the kernel, and does not count while nobody reads
        self._process = subprocess.Popen(  # noqa: S603 - no shell, and no word of the command is a visitor's
            [imageio_ffmpeg.get_ffmpeg_exe(), *options, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._output = cast("BufferedReader", self._process.stdout)
        self._speech = cast("IO[bytes]", self._process.stderr)
        self._errors: deque[bytes] = deque(maxlen=50)
        self._silent = False
        self.shown: queue.SimpleQueue[_Picture] = queue.SimpleQueue()
        self.matrix = self.transfer = "unknown"
        self.gave_pictures = False
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._listener.join()
        self._output.close()
        self._speech.close()

    def lines(self) -> Iterator[bytes]:
        """Give what arrives as text."""
        rest = b""
        while block := self._patiently(_SAY_NOTHING_S, self._output.read1):
            *lines, rest = (rest + block).split(b"\n")
            yield from lines

    def pictures(self, size: tuple[int, int]) -> Iterator[NDArray[np.uint8]]:
        """Give what arrives as raw RGB, each picture in memory of its own."""
        while True:
            picture = np.empty((size[1], size[0], 3), np.uint8)
            if self._patiently(_SAY_NOTHING_S, self._output.readinto, picture.data.cast("B")) < picture.nbytes:
                return
            self.gave_pictures = True
            yield picture

    def finish(self, *, within_s: float = _SAY_NOTHING_S) -> None:
        """Wait for the end, and raise a VideoError unless it is a good one."""
        code = self._patiently(within_s, self._process.wait)
        self._listener.join()
        if code == 0:
            return
        said = b"".join(self._errors)
        if self._silent or code in {255, -9}:  # what becomes of it when its time is over, gently and less so
            reason = _TOO_SLOW
        else:
            reason = next((reason for words, reason in _REASONS.items() if re.search(words, said)), _DAMAGED)
        raise VideoError(reason) from subprocess.CalledProcessError(code, self._process.args, stderr=said)

    def _patiently(
        self, within_s: float, wait: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """Wait for ffmpeg to do something, and end it if it does not."""
        watchdog = threading.Timer(within_s, self._end)
        watchdog.daemon = True
        watchdog.start()
        try:
            return wait(*args, **kwargs)
        finally:
            watchdog.cancel()

    def _end(self) -> None:
        self._silent = True
        self._process.kill()

    def _listen(self) -> None:
        clock = Fraction(1)
        for line in self._speech:
            if not line.startswith(b"[Parsed_showinfo"):
                if b"[error]" in line or b"[fatal]" in line:
                    self._errors.append(line)
            elif found := _CLOCK.search(line):
                clock = Fraction(int(found[1]), int(found[2]))
            elif found := _SHOWN.search(line):
                pts, above, below, width, height = map(int, found.groups())
                aspect = Fraction(above, below) if above and below else Fraction(1)
                self.shown.put(_Picture(float(pts * clock), max(round(width * aspect), 1), height))
            elif found := _COLOURS.search(line):
                self.matrix, self.transfer = found[1].decode(), found[2].decode()


def _recognise(path: Path) -> str:
    """Name the demuxer for a file."""
    try:
        if path.is_dir():
            raise VideoError("This is a folder, not a video. Please choose one video in it.")
        if not path.is_file():
            raise VideoError("This video cannot be found. Please choose it again.")
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise VideoError("This video cannot be opened. Please choose it again, or another one.") from error
    if not head:
        raise VideoError("This file is empty. Please choose the video again.")
    for signature, demuxer in _SIGNATURES.items():
        if re.match(signature, head, re.DOTALL):
            return demuxer
    raise VideoError(_NOT_A_VIDEO)


def _source(path: Path, demuxer: str, options: list[str] | None = None) -> list[str]:
    """The input: one local file, one demuxer, times as the file has them."""
    threads = min(4, os.cpu_count() or 1)  # each of a decoder's holds pictures of its own
    limits = ["-threads", str(threads), "-max_pixels", str(MAX_PIXELS), "-protocol_whitelist", "file"]
    return [*limits, "-copyts", "-reinit_filter", "0", *(options or []), "-f", demuxer, "-i", f"file:{path.absolute()}"]


def _raw(filters: str) -> list[str]:
    """The output: raw pictures on stdout."""
    return ["-map", "0:V:0", "-vf", filters, "-fps_mode", "passthrough", "-f", "rawvideo", "-"]


def _seek(video: Video, start_s: float) -> list[str]:
    """Begin at a key frame before start_s; what is too early, _sampled leaves out."""
    early_s = 0 if video.demuxer in _HAVE_KEY_FRAME_TABLES else video.key_gap_s + 1
    if start_s <= early_s:
        return []
    return ["-noaccurate_seek", "-seek_timestamp", "1", "-ss", f"{video.start_s + start_s - early_s:.6f}"]


def _sampled(video: Video, start_s: float, fps: float, count: int) -> str:
    """Filters that give `count` pictures, the i-th being the one on the screen at start_s + i / fps."""
    zero_s = video.start_s + start_s + _EARLY_S
    return (
        f"settb=AVTB,setpts=PTS-({zero_s:.6f})/TB,fps={fps:.6f}:start_time=0:round=up"
        f",tpad=stop_mode=clone:stop=-1,trim=end_frame={count}"
    )


def _pictured(video: Video, size: tuple[int, int], scaler: str, pixels: str = "rgb24") -> str:
    """Filters that make pictures of this size, in ffmpeg's format `pixels`, and for YUV after a colon its matrix."""
    pixels, _, matrix = pixels.partition(":")
    filters = [f"scale={size[0]}:{size[1]}:flags={scaler}"]
    if video.matrix == "unknown" and video.height >= 720:
        filters[0] += ":in_color_matrix=bt709"  # what browsers take large pictures for; ffmpeg takes all for bt601
    if video.demuxer in _HAVE_ALPHA:
        filters.insert(0, "format=rgba,split[shape][white];[white]drawbox=c=white:t=fill:replace=1[paper]")
        filters[0] += ";[paper][shape]overlay=format=rgb"
    if video.transfer in _HDR:
        filters.append(
            "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,tonemap=mobius:desat=0,zscale=t=bt709,format=gbrp"
        )
    if matrix:
        filters.append(f"scale=out_color_matrix={matrix}:out_range=tv")
        filters.append("setparams=color_primaries=bt709:color_trc=bt709")
    return ",".join([*filters, "setsar=1", f"format={pixels}"])


def _patience_s(video: Video, span_s: float) -> float:
    """How many seconds of one core decoding may take; 8K at 60 pictures/s needs 8 for each second of video."""
    return 60 + 20 * (span_s + video.key_gap_s)
