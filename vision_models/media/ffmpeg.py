"""One run of the ffmpeg program that imageio-ffmpeg brings, and the filters that say what it should give.

A stranger's file can crash or stall that process and nothing else. Only `videos` and `clips` use this module.
"""

from __future__ import annotations

import math
import os
import queue
import re
import subprocess
import threading
from collections import deque
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import IO, TYPE_CHECKING, ParamSpec, Self, TypeVar, cast
from weakref import WeakSet

import imageio_ffmpeg
import numpy as np

from vision_models.errors import VideoError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import BufferedReader

    from numpy.typing import NDArray

    from vision_models.media.videos import Video


Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
MAX_PIXELS = 8192 * 8192  # of one frame: 8K passes
_HAVE_KEY_FRAME_TABLES = {"mov", "matroska"}  # of the others, seeking can end up behind the time asked for
_HDR = {"smpte2084", "arib-std-b67"}  # PQ and HLG
_WIDE = {"bt2020", "smpte431", "smpte432"}  # BT.2020 and the two P3
_ALPHA = re.compile(rb", (yuva|gbrap|rgba|bgra|argb|abgr|ayuv|ya8|ya16|vuya)")
_ALPHA_DECODERS = {b"vp8": "libvpx", b"vp9": "libvpx-vp9"}  # ffmpeg's own know of none
_INTERLACED = re.compile(rb"(top|bottom) (coded )?first")

DAMAGED = "This video is damaged or incomplete. Please save or download it again, then try once more."
_UNKNOWN_KIND = "This kind of video cannot be read here. Please save it as MP4 (H.264) and try again."
_TOO_SLOW = "Reading this video takes too long. Please save it as MP4 (H.264), smaller or shorter, and try again."
TOO_LARGE = "The pictures of this video are larger than 8192 × 8192. Please export it smaller and try again."

# What ffmpeg says about a file that it cannot use, and what a person should read.
_REASONS = {
    rb"exceeds specified max pixel count|Picture size \d{4,}x\d{4,} is invalid": TOO_LARGE,
    rb"matches no streams": "There are no pictures in this file, only sound or data. Please choose a video.",
    rb"no decoder found|Unknown input format": _UNKNOWN_KIND,  # older ffmpegs have no animated WebP
    rb"No space left on device": "There is no room left to write this file. Please make room and try again.",
}

SAY_NOTHING_S = 60  # how long ffmpeg may go on without giving a frame or a line
_EARLY_S = 0.002  # clocks that count milliseconds show a frame up to half of one late

# The first line that showinfo writes about each frame, and what the second says about its colours.
_SHOWN = re.compile(rb"\] n: *\d+ pts: *(-?\d+) .*sar:(\d+)/(\d+) s:(\d+)x(\d+) i:(\S)")
_COLOURS = re.compile(rb" color_space:(\S+) color_primaries:(\S+) color_trc:(\S+)")
# What it says of the file.
_STREAM = re.compile(rb" Stream #0:(\d+)\S*: Video: (\w+)")
_START = re.compile(rb" Duration: \S+,.* start: (-?[\d.]+)")
_CLOCK = re.compile(rb"config in time_base: (\d+)/(\d+)")


@dataclass(frozen=True)
class Frame:
    """What ffmpeg's showinfo tells about a frame."""

    time_s: float  # by the file's own clock
    width: int  # with square pixels
    height: int
    interlaced: bool


@dataclass(frozen=True)
class Stream:
    """How to read the pictures of a file: which of its streams, and what has to be done to them."""

    number: int | None = None  # None is the first with pictures
    is_default: bool = False
    decoder: str | None = None  # None is ffmpeg's own choice
    has_alpha: bool = False
    interlaced: bool = False
    joined: bool = False  # of recordings whose clocks do not go on from one to the next
    matrix: str = "unknown"
    primaries: str = "unknown"
    transfer: str = "unknown"

    @property
    def place(self) -> str:
        """How ffmpeg is told."""
        return "0:V:0" if self.number is None else f"0:{self.number}"


_RUNS: WeakSet[Ffmpeg] = WeakSet()


def end_all() -> None:
    """End every run of ffmpeg, as a program does that is told to end itself; whoever waits for one gets an error."""
    for run in list(_RUNS):
        run.end()


class Ffmpeg:
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
        self.shown: queue.SimpleQueue[Frame] = queue.SimpleQueue()
        self.streams: list[Stream] = []  # those with pictures
        self.start_s = 0.0  # by the file's own clock
        self.went_back = False  # whether the clock of a stream that is copied does
        self.matrix = self.primaries = self.transfer = "unknown"
        self.gave_frames = False
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        _RUNS.add(self)

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
        while block := self._patiently(SAY_NOTHING_S, self._output.read1):
            *lines, rest = (rest + block).split(b"\n")
            yield from lines

    def frames(self, size: tuple[int, int]) -> Iterator[NDArray[np.uint8]]:
        """Give what arrives as raw RGB, each picture in memory of its own."""
        while True:
            frame = np.empty((size[1], size[0], 3), np.uint8)
            if self._patiently(SAY_NOTHING_S, self._output.readinto, frame.data.cast("B")) < frame.nbytes:
                return
            self.gave_frames = True
            yield frame

    def finish(self, *, within_s: float = SAY_NOTHING_S) -> None:
        """Wait for the end, and raise a VideoError unless it is a good one."""
        code = self._patiently(within_s, self._process.wait)
        self._listener.join()
        if code == 0:
            return
        said = b"".join(self._errors)
        if self._silent or code in {255, -9}:  # what becomes of it when its time is over, gently and less so
            reason = _TOO_SLOW
        else:
            reason = next((reason for words, reason in _REASONS.items() if re.search(words, said)), DAMAGED)
        raise VideoError(reason) from subprocess.CalledProcessError(code, self._process.args, stderr=said)

    def _patiently(
        self, within_s: float, wait: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """Wait for ffmpeg to do something, and end it if it does not."""
        watchdog = threading.Timer(within_s, self.end)
        watchdog.daemon = True
        watchdog.start()
        try:
            return wait(*args, **kwargs)
        finally:
            watchdog.cancel()

    def end(self) -> None:
        """End it now, and say later that it took too long."""
        self._silent = True
        self._process.kill()

    def _listen(self) -> None:
        clock = Fraction(1)
        reads_input = True
        for line in self._speech:
            if not line.startswith(b"[Parsed_showinfo"):
                if b"[error]" in line or b"[fatal]" in line:
                    self._errors.append(line)
                self.went_back = self.went_back or b"on-monotonic DTS" in line
                reads_input = reads_input and not line.startswith(b"[info] Output")
                if reads_input:
                    self._learn(line)
            elif found := _CLOCK.search(line):
                clock = Fraction(int(found[1]), int(found[2]))
            elif found := _SHOWN.search(line):
                pts, above, below, width, height = map(int, found.groups()[:5])
                aspect = Fraction(above, below) if above and below else Fraction(1)
                width = max(round(width * aspect), 1)
                self.shown.put(Frame(float(pts * clock), width, height, found[6] in {b"T", b"B"}))
            elif found := _COLOURS.search(line):
                self.matrix, self.primaries, self.transfer = (part.decode() for part in found.groups())

    def _learn(self, line: bytes) -> None:
        """Take in what ffmpeg says of the file before it begins."""
        if found := _START.search(line):
            self.start_s = float(found[1])
        elif (found := _STREAM.search(line)) and b"(attached pic)" not in line:
            stream = Stream(
                int(found[1]),
                is_default=b"(default)" in line,
                has_alpha=bool(_ALPHA.search(line)),
                interlaced=bool(_INTERLACED.search(line)),
            )
            self.streams.append(stream)
            self._codec = found[2]
        elif b" alpha_mode" in line.lower() and line.rstrip().endswith(b": 1") and self.streams:
            self.streams[-1] = replace(self.streams[-1], has_alpha=True, decoder=_ALPHA_DECODERS.get(self._codec))


def source(path: Path, demuxer: str, stream: Stream, options: list[str] | None = None) -> list[str]:
    """The input: one local file, one demuxer, times as the file has them, unless they jump."""
    # Each of a decoder's threads holds frames of its own. Several of Theora's now and then give frames of before.
    threads = 1 if demuxer == "ogg" else min(4, os.cpu_count() or 1)
    limits = ["-threads", str(threads), "-max_pixels", str(MAX_PIXELS), "-protocol_whitelist", "file"]
    clock = [] if stream.joined else ["-copyts"]  # without, ffmpeg mends jumps, and counts from the start of the file
    decoder = ["-c:v", stream.decoder] if stream.decoder else []
    limits += [*clock, "-reinit_filter", "0", *decoder]
    return [*limits, *(options or []), "-f", demuxer, "-i", f"file:{path.absolute()}"]


def opened(video: Video, options: list[str] | None = None) -> list[str]:
    """The input, for a video that is known."""
    return source(video.path, video.demuxer, video.stream, options)


def raw(video: Video, filters: str) -> list[str]:
    """The output: raw pictures on stdout."""
    return ["-map", video.stream.place, "-vf", filters, "-fps_mode", "passthrough", "-f", "rawvideo", "-"]


def seek(video: Video, start_s: float) -> list[str]:
    """Begin at a key frame before start_s; what is too early, sampled leaves out."""
    early_s = 0 if video.demuxer in _HAVE_KEY_FRAME_TABLES else video.key_gap_s + 1
    if start_s <= early_s or video.stream.joined:
        return []
    return ["-noaccurate_seek", "-seek_timestamp", "1", "-ss", f"{video.start_s + start_s - early_s:.6f}"]


def sampled(video: Video, start_s: float, fps: float, count: int) -> str:
    """Filters that give `count` frames, the i-th being the one on the screen at start_s + i / fps."""
    zero_s = video.start_s + start_s + _EARLY_S
    return (
        f"{woven(video)}settb=AVTB,setpts=PTS-({zero_s:.6f})/TB,fps={fps:.6f}:start_time=0:round=up"
        f",tpad=stop_mode=clone:stop=-1,trim=end_frame={count}"
    )


def frame_filters(video: Video, size: tuple[int, int], scaler: str, pixels: str = "rgb24") -> str:
    """Filters that make pictures of this size, in ffmpeg's format `pixels`, and for YUV after a colon its matrix."""
    pixels, _, matrix = pixels.partition(":")
    stream = video.stream
    filters = [f"scale={size[0]}:{size[1]}:flags={scaler}"]
    if stream.matrix == "unknown" and video.height >= 720:
        filters[0] += ":in_color_matrix=bt709"  # what browsers take large frames for; ffmpeg takes all for bt601
    if video.crop != (0, 0, 1, 1):
        left, top, width, height = video.crop
        filters.insert(0, f"crop=iw*{width:.5f}:ih*{height:.5f}:iw*{left:.5f}:ih*{top:.5f}")
    if stream.has_alpha:
        filters.insert(0, "format=rgba,split[shape][white];[white]drawbox=c=white:t=fill:replace=1[paper]")
        filters[0] += ";[paper][shape]overlay=format=rgb"
    if stream.transfer in _HDR:
        filters.append(
            "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt709,tonemap=mobius:desat=0,zscale=t=bt709,format=gbrp"
        )
    elif stream.primaries in _WIDE:
        known = "bt709" if stream.transfer in {"unknown", "reserved"} else stream.transfer
        filters += [f"format=gbrp,setparams=color_primaries={stream.primaries}:color_trc={known}:colorspace=gbr"]
        filters += ["zscale=t=linear,format=gbrpf32le,zscale=p=bt709,zscale=t=bt709,format=gbrp"]
    return ",".join([*filters, "setsar=1", output_format(f"{pixels}:{matrix}" if matrix else pixels)])


def output_format(pixels: str) -> str:
    """Filters that turn pictures into ffmpeg's format `pixels`, and for YUV after a colon its matrix."""
    pixels, _, matrix = pixels.partition(":")
    if not matrix:
        return f"format={pixels}"
    tagged = "setparams=color_primaries=bt709:color_trc=bt709"
    return f"scale=out_color_matrix={matrix}:out_range=tv,{tagged},format={pixels}"


def woven(video: Video) -> str:
    """A filter, with a comma behind it, that makes whole pictures of the two halves of interlaced ones."""
    return "bwdif=mode=send_frame:deint=interlaced," if video.stream.interlaced else ""


def patience_s(video: Video, span_s: float) -> float:
    """How many seconds of one core decoding may take; 8K at 60 frames/s needs 8 for each second of video."""
    return 60 + 20 * (span_s + video.key_gap_s)
