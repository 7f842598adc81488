"""Whatever people have: several streams, joined recordings, interlaced, transparent, with bars; and GIFs with words.

Every video is made here, by the ffmpeg that also reads it.
"""

from __future__ import annotations

import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from vision_models.media.bars import without_bars
from vision_models.media.clips import write_gif
from vision_models.media.edits import Edits, Shape
from vision_models.media.videos import probe, read_frames, read_key_frames

H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
RED, BLUE = "color=red:s=64x48:r=10:d=1", "color=blue:s=160x120:r=10:d=2"
MANDELBROT, MOVING = "mandelbrot=s=320x180:r=10", "testsrc2=s=320x180:r=10:d=2"

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make a file of lavfi sources and files, the rest of ffmpeg's command line behind them."""

    def run(name: str, *inputs: str | Path, options: tuple[str, ...] = H264) -> Path:
        sources = [
            word for one in inputs for word in (["-f", "lavfi"] if isinstance(one, str) else []) + ["-i", str(one)]
        ]
        command = [
            imageio_ffmpeg.get_ffmpeg_exe(),
            "-loglevel",
            "error",
            "-y",
            *sources,
            *options,
            str(tmp_path / name),
        ]
        subprocess.run(command, check=True)
        return tmp_path / name

    return run


def middle(path: Path, time_s: float = 0.5) -> list[int]:
    """The colour in the middle of the picture at some time."""
    picture = next(read_frames(path, fps=10, start_s=time_s))[1]
    return [int(level) for level in picture[picture.shape[0] // 2, picture.shape[1] // 2]]


def is_blue(colour: list[int]) -> bool:
    return colour[2] > 200 and max(colour[:2]) < 60


# ---- which stream


def test_a_cover_picture_is_not_taken_for_the_video(make: Make) -> None:
    cover = make("cover.mp4", "color=red:s=640x640:r=10:d=0.1")
    video = make("plain.mp4", BLUE)
    both = make("both.mkv", cover, video, options=("-map", "0", "-map", "1", "-c", "copy"))
    assert probe(both).duration_s == pytest.approx(2, abs=0.05)
    assert is_blue(middle(both))
    assert all(is_blue(middle(write_gif(both, 0, 1, both.with_name(f"cut.{end}")))) for end in ("gif", "mp4"))


def test_the_default_stream_is_the_one_that_players_show(make: Make) -> None:
    chosen = ("-map", "0", "-map", "1", *H264, "-disposition:v:0", "0", "-disposition:v:1", "default")
    assert is_blue(middle(make("two.mkv", "color=red:s=640x480:r=10:d=2", BLUE, options=chosen)))


def test_of_equal_streams_the_largest_is_taken(make: Make) -> None:
    both = ("-map", "0", "-map", "1", "-disposition:v", "0", *H264)
    assert is_blue(middle(make("two.mkv", "color=red:s=64x48:r=10:d=2", BLUE, options=both)))


# ---- clocks


@pytest.mark.parametrize("ending", ["ts", "vob"])
@pytest.mark.parametrize("later", [0, 20_000])
def test_recordings_that_were_joined_play_to_their_end(make: Make, ending: str, later: int) -> None:
    codec = ("-c:v", "mpeg2video", "-q:v", "3")
    first = make(f"first.{ending}", "color=red:s=160x120:r=25:d=3", options=codec)
    second = make(
        f"second.{ending}", "color=blue:s=160x120:r=25:d=3", options=("-output_ts_offset", str(later), *codec)
    )
    joined = first.with_name(f"joined.{ending}")
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    video = probe(joined)
    assert video.duration_s == pytest.approx(6, abs=0.3)
    assert middle(joined, 1)[0] > 200
    assert is_blue(middle(joined, 5))
    assert is_blue(middle(write_gif(video, 4.5, 5.5, joined.with_name("cut.gif")), 0.2))


def test_a_player_that_begins_with_the_sound_shows_later_times(make: Make) -> None:
    plain = make("plain.mp4", MOVING)
    late = make("late.mp4", "sine=d=5", plain, options=("-c:a", "aac", "-c:v", "copy", "-map", "0", "-map", "1"))
    assert probe(late).lead_s == pytest.approx(0, abs=0.01)
    shift = ("-filter_complex", "[1:v]setpts=PTS+3/TB[v]", "-map", "0:a", "-map", "[v]", "-c:a", "aac", *H264)
    late = make("late.mp4", "sine=d=5", plain, options=shift)
    assert probe(late).lead_s == pytest.approx(3, abs=0.05)
    assert probe(late).duration_s == pytest.approx(2, abs=0.1)


# ---- pictures


def test_interlaced_video_has_no_combs(make: Make) -> None:
    source = "color=white:s=320x240:r=50:d=2,drawbox=x=20+100*t:y=0:w=40:h=240:c=black:t=fill,interlace,fieldorder=tff"
    video = make("video.mpg", source, options=("-c:v", "mpeg2video", "-q:v", "2", "-flags", "+ilme+ildct"))
    picture = next(read_frames(video, fps=10, start_s=1))[1][..., 1].astype(float)
    combs = np.abs(2 * picture[1:-1] - picture[:-2] - picture[2:]).mean()
    assert combs < 1


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("vp8.webm", ("-c:v", "libvpx", "-pix_fmt", "yuva420p", "-auto-alt-ref", "0")),
        ("vp9.webm", ("-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p")),
        ("qtrle.mov", ("-c:v", "qtrle")),
        ("moving.png", ("-f", "apng")),
        ("moving.webp", ("-c:v", "libwebp_anim", "-lossless", "1")),
        ("moving.gif", ("-vf", "split[a][b];[a]palettegen[p];[b][p]paletteuse")),
    ],
)
def test_what_is_transparent_is_white_in_every_container(make: Make, name: str, codec: tuple[str, ...]) -> None:
    source = "testsrc2=s=64x48:r=10:d=1,format=rgba,geq=r=0:g=0:b=255:a='255*gt(X,32+2*T)'"
    picture = next(read_frames(make(name, source, options=codec), fps=10, start_s=0.5))[1].astype(int)
    assert np.abs(picture[24, 8] - 255).max() < 12
    assert is_blue([int(level) for level in picture[24, 56]])


def test_wide_gamut_is_brought_into_srgb(make: Make) -> None:
    plain = "testsrc2=s=320x180:r=10:d=1"
    wide = f"{plain},format=gbrp,zscale=pin=bt709:tin=bt709:min=gbr:p=smpte432:t=bt709:m=bt709,format=yuv444p"
    tags = ("-color_primaries", "smpte432", "-color_trc", "bt709", "-colorspace", "bt709")
    one, other = (
        next(read_frames(path, fps=1))[1].astype(float)
        for path in (
            make("p3.mp4", wide, options=("-c:v", "libx264", "-qp", "1", *tags)),
            make("srgb.mp4", plain, options=("-c:v", "libx264", "-qp", "1", "-pix_fmt", "yuv444p")),
        )
    )
    assert np.abs(one - other).mean() < 8


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def test_animated_pngs_of_every_kind_are_read(make: Make, tmp_path: Path) -> None:
    frames = [Image.new("P", (32, 32), n) for n in range(3)]
    for frame in frames:
        frame.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    path = tmp_path / "palette.png"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=500, blend=1, default_image=False)
    assert probe(path).duration_s == pytest.approx(1.5, abs=0.05)
    assert is_blue(middle(path, 1.2))
    assert len(list(read_key_frames(path))) == 1
    whole = make("plain.png", MOVING, options=("-f", "apng")).read_bytes()
    profile = chunk(b"iTXt", b"Comment\0\0\0\0\0" + b"x" * 20_000)
    path.write_bytes(whole[:33] + profile + whole[33:])
    assert probe(path).duration_s == pytest.approx(2, abs=0.05)


def test_an_animated_webp_behind_a_large_profile_is_recognised(make: Make) -> None:
    path = make("moving.webp", MOVING, options=("-c:v", "libwebp_anim"))
    whole = path.read_bytes()
    profile = b"ICCP" + struct.pack("<I", 20_000) + b"x" * 20_000
    body = whole[12:20] + bytes([whole[20] | 0x20]) + whole[21:30] + profile + whole[30:]
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body)
    assert probe(path).duration_s == pytest.approx(2, abs=0.1)


# ---- bars


@pytest.mark.parametrize(
    ("padding", "size"),
    [
        ("pad=320:400:0:110", (320, 180)),
        ("pad=640:180:160:0:gray", (320, 180)),
        ("pad=400:240:40:30:white", (320, 180)),
    ],
)
def test_bars_around_the_picture_are_cut_off(make: Make, padding: str, size: tuple[int, int]) -> None:
    video = without_bars(probe(make("bars.mp4", f"{MANDELBROT},trim=duration=3,{padding}")))
    assert video.width == pytest.approx(size[0], abs=8)
    assert video.height == pytest.approx(size[1], abs=8)


def test_a_blurred_copy_beside_the_picture_is_cut_off(make: Make) -> None:
    chain = (
        "mandelbrot=s=180x320:r=10,trim=duration=3,noise=alls=20,split[a][b];"
        "[b]scale=568:1010,crop=568:320,gblur=sigma=18[c];[c][a]overlay=194:0"
    )
    video = without_bars(
        probe(make("blur.mp4", "color=s=16x16:d=1", options=("-filter_complex", chain, "-t", "3", *H264)))
    )
    assert video.width == pytest.approx(180, abs=10)
    assert video.height == 320


@pytest.mark.parametrize("source", [MOVING, "color=black:s=320x180:r=10:d=2", "gradients=s=320x180:r=10:d=2"])
def test_a_video_without_bars_stays_whole(make: Make, source: str) -> None:
    video = probe(make("whole.mp4", source))
    assert without_bars(video) is video


# ---- what people do to GIFs


@pytest.fixture
def film(make: Make) -> Path:
    return make("film.mp4", MOVING)


@pytest.mark.parametrize("ending", ["gif", "mp4", "webp"])
def test_words_are_written_on_it(film: Path, ending: str) -> None:
    plain = write_gif(film, 0, 1, film.with_name(f"plain.{ending}"))
    said = write_gif(film, 0, 1, film.with_name(f"said.{ending}"), edits=Edits("Hello", size=0.3))
    one, other = (next(read_frames(path, fps=5))[1].astype(int) for path in (plain, said))
    changed = np.abs(one - other).max(axis=2) > 100
    assert changed[-70:].mean() > 0.03
    assert changed[:90].mean() < 0.01


@pytest.mark.parametrize("ending", ["gif", "mp4", "webp"])
@pytest.mark.parametrize(
    ("edits", "lasts"), [(Edits(speed=2), 0.5), (Edits(speed=0.5), 2.0), (Edits(back_and_forth=True), 1.8)]
)
def test_it_is_slower_or_faster_or_plays_back_and_forth(film: Path, ending: str, edits: Edits, lasts: float) -> None:
    path = write_gif(film, 0, 1, film.with_name(f"edited.{ending}"), fps=10, edits=edits)
    assert probe(path).duration_s == pytest.approx(lasts, abs=0.11)
    if edits.back_and_forth:
        frames = [frame.astype(int) for _, frame in read_frames(path, fps=10)]
        assert np.abs(frames[2] - frames[-2]).mean() < np.abs(frames[2] - frames[6]).mean() / 2


@pytest.mark.parametrize(
    ("shape", "size"), [("square", (180, 180)), ("portrait", (144, 180)), ("as it is", (320, 180))]
)
def test_it_has_the_shape_that_was_asked_for(film: Path, shape: Shape, size: tuple[int, int]) -> None:
    edits = Edits(shape=shape)
    with Image.open(write_gif(film, 0, 1, film.with_name("shaped.gif"), edits=edits)) as picture:
        assert picture.size == size


@pytest.mark.parametrize("wish", [{"speed": 3}, {"size": 0.9}, {"caption": "x" * 300}])
def test_what_cannot_be_done_is_refused(wish: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"has to be|can have up to"):
        Edits(**wish)


def test_a_drawing_is_not_dithered(make: Make, tmp_path: Path) -> None:
    drawing = make("drawing.mp4", "color=0x3355aa:s=320x180:r=10:d=1,drawbox=x=40:y=40:w=90:h=60:c=0xffcc00:t=fill")
    with Image.open(write_gif(drawing, 0, 1, tmp_path / "drawing.gif")) as picture:
        assert len(picture.convert("RGB").getcolors(1000) or []) < 40


def test_the_picture_of_a_caption_wraps_long_lines(tmp_path: Path, film: Path) -> None:
    path = write_gif(film, 0, 0.5, tmp_path / "long.gif", edits=Edits("word " * 39, size=0.1))
    picture: NDArray[np.uint8] = next(read_frames(path, fps=5))[1]
    assert (picture[:, :4].min(axis=2) < 250).any()  # nothing runs over the edge
