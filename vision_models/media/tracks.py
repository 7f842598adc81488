"""Which stream of a file is the video, and how its clock runs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from vision_models.errors import VideoError
from vision_models.media.ffmpeg import DAMAGED, Ffmpeg, Frame, Stream, source

if TYPE_CHECKING:
    from pathlib import Path

_MAY_JUMP = {"mpegts", "mpeg"}  # recordings are joined by putting one behind the other, each with a clock of its own
_JUMP_S = 10  # a clock that goes ahead by more has jumped; what ffmpeg takes for a jump, too
HAVE_NO_KEY_FRAMES = {"apng"}  # or so ffmpeg says
_UNKNOWN = -(2**62)  # a time that is not known is below
# A key frame that follows another one sooner tells little; the second, where the first leaves gaps that are too long:
KEYS_APART_S = 1.75, 0.75
KEYS_DENSE_S = 2.75  # key frames that are no farther apart tell what there is to see
_MOVES = 0.1  # of the pictures of the longest stream: a cover has one, or a few


@dataclass
class Track:
    """What the packets of one stream of pictures say."""

    clock: Fraction = Fraction(1)
    pixels: int = 0
    count: int = 0
    key_frames: int = 0
    key_gap: float = 0.0
    first: float = math.inf  # like the other times, in ticks of the clock
    last: float = -math.inf
    end: float = -math.inf
    jumps: bool = False  # ahead
    keys: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))  # so far apart, see KEYS_APART_S
    _last_key: float = math.inf
    _decoded_at: float = -math.inf

    def add(self, packet: str, flags: str) -> None:
        """Take in one line of ffmpeg's framecrc."""
        decoded_at, shown_at, length = map(int, packet.split(",")[1:4])
        shown_at = max(decoded_at, shown_at)  # what is not known is a large negative number
        self.first, self.last = min(self.first, shown_at), max(self.last, shown_at)
        self.end = max(self.end, shown_at + length)
        if decoded_at > _UNKNOWN:
            self.jumps |= _UNKNOWN < self._decoded_at < decoded_at - _JUMP_S / self.clock
            self._decoded_at = decoded_at
        self.count += 1
        if not flags or int(flags.partition(",")[0], 16) & 1:  # 1 is a key frame; left out if nothing else is set
            self.key_frames += 1
            self.key_gap = max(self.key_gap, shown_at - self._last_key)
            self._last_key = shown_at
            for keys, apart_s in zip(self.keys, KEYS_APART_S, strict=True):
                if not keys or (shown_at - keys[-1]) * self.clock >= apart_s:
                    keys.append(shown_at)

    def finish(self) -> None:
        """Count what only the end tells."""
        if self.end == self.last:  # how long the last frame stays is not known
            self.end += (self.last - self.first) / max(self.count - 1, 1)
        self.key_gap = max(self.key_gap, self.end - self._last_key) if self.key_frames else self.end - self.first

    def few_keys(self) -> tuple[list[float], float, bool]:
        """Key frames that tell enough: when they are shown, seconds that are between them at least, and if they do."""
        for keys, apart_s in zip(self.keys, KEYS_APART_S, strict=True):
            gaps = (after - before for before, after in pairwise([*keys, self.end]))
            if keys and max(gaps) * self.clock <= KEYS_DENSE_S:
                return keys, apart_s, True
        return self.keys[0], KEYS_APART_S[0], False


def measure(path: Path, demuxer: str) -> tuple[Track, Stream, Frame, float]:
    """Walk through the packets of a file, and decode the first frame of the stream that a player would show.

    That is the default stream, or else the largest; one that moves, if any does.

    Returns:
        What its packets say, how to read it, its first frame, and where the clock of the file starts, in seconds.

    Raises:
        VideoError: damaged, or there are no pictures in it.
    """
    stream = Stream()
    tracks, run = _walk(path, demuxer, stream)
    if demuxer in _MAY_JUMP and (run.went_back or any(track.jumps for track in tracks)):
        stream = Stream(joined=True)
        tracks, run = _walk(path, demuxer, stream)
    longest = max(track.count for track in tracks)
    best = max(  # the first of equals
        range(len(tracks)),
        key=lambda n: (tracks[n].count > _MOVES * longest, run.streams[n].is_default, tracks[n].pixels),
    )
    track, said = tracks[best], run.streams[best]
    stream = replace(said, joined=stream.joined)
    if best or stream.decoder:
        run = _first_frame(path, demuxer, stream)
    if run.shown.empty() or not track.count:
        raise VideoError(DAMAGED)
    frame = run.shown.get()
    track.finish()
    stream = replace(
        stream,
        interlaced=stream.interlaced or frame.interlaced,
        matrix=run.matrix,
        primaries=run.primaries,
        transfer=run.transfer,
    )
    return track, stream, frame, run.start_s


def _walk(path: Path, demuxer: str, stream: Stream) -> tuple[list[Track], Ffmpeg]:
    """Read all packets of all streams of pictures, and decode the first frame of the first of them."""
    # One line per packet on stdout; what showinfo tells about the first frame on stderr.
    copied = ["-copyinkf"] if demuxer in HAVE_NO_KEY_FRAMES else []
    outputs = ["-map", "0:V", "-c", "copy", *copied, "-f", "framecrc", "-"]
    tracks: list[Track] = []
    with Ffmpeg([*source(path, demuxer, stream), *outputs, *_shown("0:V:0")], cpu_s=120) as run:
        for raw_line in run.lines():
            line = raw_line.decode()
            if line.startswith("#tb"):
                tracks.append(Track(Fraction(line.split()[-1])))
            elif line.startswith("#dimensions"):
                width, height = map(int, line.split()[-1].split("x"))
                tracks[-1].pixels = width * height
            elif not line.startswith("#"):
                packet, _, flags = line.partition(", F=")
                tracks[int(packet.split(",")[0])].add(packet, flags)
        run.finish()
    if not tracks or len(tracks) != len(run.streams):
        raise VideoError(DAMAGED)
    return tracks, run


def _first_frame(path: Path, demuxer: str, stream: Stream) -> Ffmpeg:
    with Ffmpeg([*source(path, demuxer, stream), *_shown(stream.place)], cpu_s=120) as run:
        run.finish()
    return run


def _shown(place: str) -> list[str]:
    return ["-map", place, "-vf", "showinfo=checksum=0", "-frames:v", "1", "-f", "null", "-"]
