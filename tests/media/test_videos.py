"""What a person meets who hands in a video: the right pictures at the right times, or one clear sentence.

Every video is made here, by the ffmpeg that also reads it. Most get brighter with every picture, so that
its grey says which one it is; others have corners of four colours, which say which way up they are.
"""

from __future__ import annotations

import gc
import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageSequence

from vision_models.errors import VideoError, VisionModelsError
from vision_models.media import clips, videos
from vision_models.media import ffmpeg as ffmpeg_run
from vision_models.media.clips import write_gif
from vision_models.media.videos import probe, read_frames, read_key_frames

if TYPE_CHECKING:
    from numpy.typing import NDArray

MakeVideo = Callable[..., Path]

H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
LOSSLESS = ("-c:v", "ffv1", "-pix_fmt", "bgr0")
CORNERS = (
    "color=black:s=64x48:r=10:d=0.5,format=gbrp,drawbox=c=red:w=32:h=24:t=fill,"
    "drawbox=c=lime:x=32:w=32:h=24:t=fill,drawbox=c=blue:y=24:w=32:h=24:t=fill"
)
SIZE = (64, 48)


def ffmpeg(*arguments: str | Path) -> None:
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-y", *map(str, arguments)], check=True)


def described(path: Path) -> str:
    """What ffmpeg says about a file."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-i", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


def number(picture: NDArray[np.uint8]) -> int:
    """Which picture of `clock` this is."""
    return round((float(picture.mean()) - 16) / 4)


def picture_at(path: Path, start_s: float = 0.0, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    return next(read_frames(path, fps=10, start_s=start_s, size=size))[1]


def quarters(picture: NDArray[np.uint8]) -> list[list[int]]:
    """The colours at the centres of the four quarters: top left, top right, bottom left, bottom right."""
    height, width = picture.shape[:2]
    rows, columns = [height // 4, height // 4, height * 3 // 4, height * 3 // 4], [width // 4, width * 3 // 4] * 2
    return picture[rows, columns].tolist()


def gif_delays_ms(path: Path) -> list[int]:
    with Image.open(path) as gif:
        return [picture.info["duration"] for picture in ImageSequence.Iterator(gif)]


@pytest.fixture(scope="session")
def make_video(tmp_path_factory: pytest.TempPathFactory) -> MakeVideo:
    """Make a video with ffmpeg, from its own sources or from another file; once per name."""
    folder = tmp_path_factory.mktemp("videos")

    def make(name: str, source: str | Path, *options: str) -> Path:
        path = folder / name
        if not path.exists():
            ffmpeg(*(["-i", source] if isinstance(source, Path) else ["-f", "lavfi", "-i", source]), *options, path)
        return path

    return make


@pytest.fixture(scope="session")
def clock(make_video: MakeVideo) -> Path:
    """50 pictures in 2 s, each 4 levels brighter than the one before; a key frame at 0 and at 1 s."""
    source = "color=black:s=64x48:r=25:d=2,format=gray,geq=lum='16+4*N'"
    return make_video("clock.mp4", source, *H264, "-qp", "2", "-bf", "2", "-g", "25")


@pytest.fixture(scope="session")
def film(make_video: MakeVideo) -> Path:
    """2 s that are hard to compress."""
    return make_video("film.mp4", "mandelbrot=s=256x144:r=25", "-t", "2", *H264, "-qp", "10")


@pytest.fixture(scope="session")
def uneven(make_video: MakeVideo, clock: Path) -> Path:
    """Only the pictures 0 to 24, 30 and 40 of the clock, each at its time."""
    return make_video("uneven.mkv", clock, "-vf", "select='lt(n,25)+eq(n,30)+eq(n,40)'", "-fps_mode", "vfr", *H264)


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """Every process that is started during the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(popen(*arguments, **options))
        return started[-1]

    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", start)
    return started


# Reading


def test_measures_what_the_person_sees(clock: Path) -> None:
    video = probe(clock)
    assert (video.width, video.height, video.key_frames) == (64, 48, 2)
    assert video.duration_s == pytest.approx(2)
    assert video.fps == pytest.approx(25)
    assert video.key_gap_s == pytest.approx(1)


def test_what_was_measured_can_be_sent_to_another_process(clock: Path) -> None:
    video = probe(clock)
    assert pickle.loads(pickle.dumps(video)) == video  # noqa: S301 - it is ours


def test_a_sample_is_the_picture_on_the_screen_at_its_time(clock: Path) -> None:
    samples = list(read_frames(clock, fps=10))
    assert [time for time, _ in samples] == pytest.approx(np.arange(20) / 10)
    assert [number(picture) for _, picture in samples] == [int(time * 25 + 1e-6) for time, _ in samples]


def test_pictures_are_writable_rgb_of_the_size_asked_for(clock: Path) -> None:
    picture = picture_at(clock, size=(30, 20))
    assert picture.shape == (20, 30, 3)
    assert picture.dtype == np.uint8
    assert picture.flags.writeable


def test_every_picture_has_memory_of_its_own(clock: Path) -> None:
    assert len({number(picture) for _, picture in list(read_frames(clock, fps=25))}) == 50


def test_samples_keep_to_the_clock_when_the_frame_rate_varies(uneven: Path) -> None:
    numbers = [number(picture) for _, picture in read_frames(uneven, fps=10)]
    assert numbers == [0, 2, 5, 7, 10, 12, 15, 17, 20, 22, 24, 24, 30, 30, 30, 30, 40][: len(numbers)]
    assert len(numbers) == 17  # the last picture stays as long as those before did


def test_a_slow_video_gives_the_same_picture_more_than_once(make_video: MakeVideo) -> None:
    slides = make_video("slides.mkv", "color=black:s=64x48:r=1:d=2,format=gray,geq=lum='16+4*N'", *LOSSLESS)
    assert [number(picture) for _, picture in read_frames(slides, fps=2)] == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("copy.mkv", ["-c", "copy"]),
        ("copy.mov", ["-c", "copy"]),
        ("copy.ts", ["-c", "copy"]),
        ("copy.flv", ["-c", "copy"]),
        ("pieces.mp4", ["-c", "copy", "-movflags", "frag_keyframe+empty_moov"]),
        ("vp9.webm", ["-c:v", "libvpx-vp9", "-crf", "5", "-b:v", "0", "-cpu-used", "8", "-g", "25"]),
        ("motion.avi", ["-c:v", "mjpeg", "-q:v", "2"]),
        ("disc.mpg", ["-c:v", "mpeg2video", "-q:v", "2", "-g", "12"]),
        ("free.ogv", ["-c:v", "libtheora", "-q:v", "10", "-g", "12"]),
        ("windows.wmv", ["-c:v", "wmv2", "-q:v", "2", "-g", "12"]),
        ("old.gif", []),
        ("late.mkv", ["-c", "copy", "-output_ts_offset", "7"]),
    ],
)
def test_a_piece_from_the_middle_is_the_right_one_in_every_container(
    make_video: MakeVideo, clock: Path, name: str, options: list[str]
) -> None:
    path = make_video(name, clock, *options)
    video = probe(path)
    assert video.duration_s == pytest.approx(2, abs=0.09)
    samples = list(read_frames(video, fps=5, start_s=1.3, end_s=1.8))
    assert [time for time, _ in samples] == pytest.approx([1.3, 1.5, 1.7])
    assert [number(picture) for _, picture in samples] == pytest.approx([32, 37, 42], abs=1)


def test_theora_gives_every_picture_in_its_place_at_every_reading(make_video: MakeVideo, clock: Path) -> None:
    path = make_video("every.ogv", clock, "-c:v", "libtheora", "-q:v", "10", "-g", "12")
    for _ in range(10):
        assert [number(picture) for _, picture in read_frames(path, fps=25)] == list(range(50))


def test_time_begins_with_the_first_picture_not_with_the_sound(make_video: MakeVideo, clock: Path) -> None:
    options = ["-f", "lavfi", "-i", "sine=d=3", "-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "aac"]
    path = make_video("sound_first.mp4", clock, *options, "-shortest")
    late = make_video("sound_first.mkv", path, "-itsoffset", "-0.5", "-i", str(path), "-map", "0:v", "-map", "1:a")
    assert probe(late).duration_s == pytest.approx(2, abs=0.05)
    assert [number(picture) for _, picture in read_frames(late, fps=2)] == pytest.approx([0, 12, 25, 37], abs=1)


def test_a_length_that_no_header_tells_is_measured(tmp_path: Path, clock: Path) -> None:
    path = tmp_path / "recording.webm"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(clock), "-c:v", "libvpx", "-f", "webm", "pipe:1"]
    path.write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)
    assert "Duration: N/A" in described(path)
    assert probe(path).duration_s == pytest.approx(2, abs=0.05)


def test_a_download_that_ended_early_is_as_long_as_what_is_there(tmp_path: Path, film: Path) -> None:
    whole, part = tmp_path / "whole.mp4", tmp_path / "part.mp4"
    ffmpeg("-i", film, "-c", "copy", "-movflags", "+faststart", whole)
    part.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    video = probe(part)
    assert 0.5 < video.duration_s < 1.5
    assert len(list(read_frames(video, fps=10))) == pytest.approx(video.duration_s * 10, abs=1)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_phone_videos_are_upright(make_video: MakeVideo, degrees: int) -> None:
    lying = make_video("corners.mp4", CORNERS, *H264, "-qp", "2")
    path = lying.with_name(f"turned{degrees}.mp4")
    ffmpeg("-display_rotation:v:0", str(degrees), "-i", lying, "-c", "copy", path)
    picture, upright = picture_at(path), np.rot90(picture_at(lying), degrees // 90)  # both count against the clock
    assert (probe(path).height, probe(path).width) == picture.shape[:2] == upright.shape[:2]
    assert np.abs(np.subtract(quarters(picture), quarters(upright))).max() <= 3


def test_stretched_pixels_become_square(make_video: MakeVideo) -> None:
    video = probe(make_video("wide.mkv", f"{CORNERS},setsar=2", *H264))
    assert (video.width, video.height) == (128, 48)
    assert picture_at(video.path).shape == (48, 128, 3)


def test_a_change_of_size_on_the_way_is_evened_out(make_video: MakeVideo, tmp_path: Path, clock: Path) -> None:
    first = make_video("copy.ts", clock, "-c", "copy")
    larger = make_video("larger.ts", clock, "-vf", "scale=128:96", *H264, "-bf", "0", "-output_ts_offset", "2")
    both = tmp_path / "both.ts"
    both.write_bytes(first.read_bytes() + larger.read_bytes())
    pictures = [picture for _, picture in read_frames(both, fps=5)]
    assert {picture.shape for picture in pictures} == {(48, 64, 3)}
    assert [number(picture) for picture in pictures[10:]] == pytest.approx(
        [0, 5, 10, 15, 20, 25, 30, 35, 40, 45], abs=3
    )
    assert probe(write_gif(both, 1, 3, tmp_path / "both.webp")).duration_s == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("ending", ["gif", "webp", "png"])
def test_transparent_parts_are_white(tmp_path: Path, ending: str) -> None:
    drawn = [Image.new("RGBA", SIZE) for _ in range(3)]
    for index, drawing in enumerate(drawn):
        ImageDraw.Draw(drawing).rectangle((8 + 8 * index, 10, 23 + 8 * index, 30), fill="blue")
    path = tmp_path / f"sticker.{ending}"
    drawn[0].save(path, save_all=True, append_images=drawn[1:], duration=100, disposal=2, lossless=True)
    for index, (_, picture) in enumerate(read_frames(path, fps=10)):
        assert picture[2, 2].tolist() == [255, 255, 255]
        assert picture[20, 15 + 8 * index].tolist() == [0, 0, 255]
        assert picture[20, 5 + 8 * index].tolist() == [255, 255, 255]


def test_a_gif_of_one_picture_is_a_short_video(make_video: MakeVideo, tmp_path: Path) -> None:
    still = make_video("still.gif", CORNERS, "-frames:v", "1")
    assert 0 < probe(still).duration_s <= 0.1
    assert [time for time, _ in read_frames(still, fps=4)] == [0]
    assert [time for time, _ in read_key_frames(still)] == [0]
    assert gif_delays_ms(write_gif(still, 0, 5, tmp_path / "again.gif")) == [80]


def test_8k_can_be_read(make_video: MakeVideo) -> None:
    source = f"{CORNERS},format=yuvj420p,scale=7680:4320:flags=neighbor,setsar=1"
    path = make_video("8k.avi", source, "-frames:v", "1", "-c:v", "mjpeg")
    assert (probe(path).width, probe(path).height) == (7680, 4320)
    assert np.abs(np.subtract(quarters(picture_at(path, size=SIZE))[0], [255, 0, 0])).max() <= 20


@pytest.mark.parametrize(("size", "matrix"), [("640x480", "bt601"), ("1280x720", "bt709")])
def test_colours_that_a_file_does_not_explain_are_taken_as_browsers_take_them(
    make_video: MakeVideo, size: str, matrix: str
) -> None:
    untagged = f"scale=out_color_matrix={matrix}:out_range=tv,format=yuv444p,setparams=colorspace=unknown:range=unknown"
    path = make_video(f"{matrix}.mkv", f"color=red:s={size}:d=0.1,format=gbrp,{untagged}", "-c:v", "ffv1")
    assert np.abs(picture_at(path, size=SIZE)[0, 0].astype(int) - [255, 0, 0]).max() <= 4


@pytest.mark.parametrize(("transfer", "white"), [("arib-std-b67", 721), ("smpte2084", 572)])
def test_white_of_an_hdr_video_is_nearly_white(make_video: MakeVideo, transfer: str, white: int) -> None:
    source = f"color=s=64x48:d=0.1,format=yuv420p10le,geq=lum={white}:cb=512:cr=512"
    tags = f"setparams=color_trc={transfer}:color_primaries=bt2020:colorspace=bt2020nc:range=tv"
    picture = picture_at(make_video(f"{transfer}.mkv", f"{source},{tags}", "-c:v", "ffv1"))
    assert 200 <= picture.min() <= picture.max() <= 235  # brighter than white is still to come


@pytest.mark.parametrize("name", ["clock.mp4", "vp9.webm", "copy.ts"])
def test_key_frames_come_alone_and_at_their_times(make_video: MakeVideo, clock: Path, name: str) -> None:
    options = {
        "vp9.webm": ["-c:v", "libvpx-vp9", "-crf", "5", "-b:v", "0", "-cpu-used", "8", "-g", "25"],
        "copy.ts": ["-c", "copy"],
    }
    path = clock if name == clock.name else make_video(name, clock, *options[name])
    samples = list(read_key_frames(path, size=(32, 24)))
    assert [time for time, _ in samples] == pytest.approx([0, 1], abs=0.001)
    assert [number(picture) for _, picture in samples] == pytest.approx([0, 25], abs=1)


def test_what_follows_a_key_frame_comes_with_it_and_no_more(make_video: MakeVideo) -> None:
    video = probe(make_video("dense.mp4", "testsrc2=s=64x48:r=25", "-t", "5", *H264, "-g", "25", "-sc_threshold", "0"))
    assert video.key_times == pytest.approx([0, 2, 4], abs=0.001)  # one every second is more than is needed
    times = np.array([time for time, _ in read_key_frames(video, size=(16, 12), follow_s=0.75, fps=4)])
    bursts = np.split(times, np.flatnonzero(np.diff(times) > 0.5) + 1)
    assert [burst[0] for burst in bursts] == pytest.approx([0, 2, 4], abs=0.001)
    for burst in bursts:
        assert len(burst) >= 3
        assert burst[-1] - burst[0] <= 0.9
        assert np.diff(burst) == pytest.approx(0.25, abs=0.1)


def test_key_frames_that_come_irregularly_are_dense_where_those_between_fill_the_gaps(make_video: MakeVideo) -> None:
    scene = "testsrc2=s=64x48:r=25"
    keys = [*H264, "-g", "100", "-sc_threshold", "0", "-force_key_frames"]
    video = probe(make_video("cuts.mp4", scene, "-t", "7", *keys, "0,2,3.2,5.2"))
    assert video.has_dense_keys
    assert video.key_times == pytest.approx([0, 2, 3.2, 5.2], abs=0.001)
    times = np.array([time for time, _ in read_key_frames(video, size=(16, 12), follow_s=0.5, fps=4)])
    assert all(np.abs(times - key).min() < 0.001 for key in video.key_times)
    assert not ((times > 2.6) & (times < 3.1)).any()
    rare = probe(make_video("rare.mp4", scene, "-t", "7", *keys, "0,3"))
    assert not rare.has_dense_keys


def test_quick_samples_are_at_most_three_pictures_old(clock: Path) -> None:
    samples = [(time, number(picture)) for time, picture in read_frames(clock, fps=10, exact=False)]
    assert len(samples) == 20
    assert all(0 <= time * 25 + 1e-6 - shown < 4 for time, shown in samples)


def test_nothing_is_read_before_the_start_or_behind_the_end(clock: Path) -> None:
    assert list(read_frames(clock, fps=5, start_s=2)) == []
    assert list(read_frames(clock, fps=5, start_s=1, end_s=1)) == []
    assert len(list(read_frames(clock, fps=5, start_s=1, end_s=99))) == 5


# Refusing


def gif_head(side: int) -> bytes:
    """The beginning of a GIF with one square picture."""
    size = 2 * side.to_bytes(2, "little")
    return b"GIF89a" + size + b"\x80\0\0" + b"\xff\0\0\0\0\0" + b",\0\0\0\0" + size + b"\0\x02\x02L\x01\0;"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("empty.mp4", b"", "empty"),
        ("letter.mp4", b"Dear all,\nplease find attached my video.\n" * 99, "not a video"),
        ("photo.jpg", b"\xff\xd8\xff\xe0" + bytes(500), "not a video"),
        ("zeros.mp4", bytes(5000), "not a video"),
        ("head.mp4", b"\0\0\0\x20ftypisom" + bytes(500), "damaged or incomplete"),
        ("head.mkv", b"\x1aE\xdf\xa3" + bytes(500), "damaged or incomplete"),
        ("nothing.gif", gif_head(16)[:19] + b";", "damaged or incomplete"),
        ("poster.gif", gif_head(10_000), "larger than 8192 × 8192"),
        ("hall.gif", gif_head(65_535), "larger than 8192 × 8192"),
    ],
)
def test_what_is_not_a_video_is_refused_in_one_sentence(
    tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(VideoError, match=sentence) as refusal:
        probe(path)
    assert str(tmp_path) not in str(refusal.value)
    assert "ffmpeg" not in str(refusal.value).lower()


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="This is a folder"):
        probe(tmp_path)
    with pytest.raises(VideoError, match="cannot be found"):
        next(read_frames(tmp_path / "gone.mp4", fps=1))


@pytest.mark.parametrize("name", ["list.mp4", "list.m3u8", "list.txt"])
@pytest.mark.parametrize(
    "text", ["#EXTM3U\n#EXTINF:2,\n{path}\n#EXT-X-ENDLIST\n", "ffconcat version 1.0\nfile {path}\n"]
)
def test_a_list_of_files_of_this_machine_opens_none_of_them(
    tmp_path: Path, clock: Path, processes: list[object], name: str, text: str
) -> None:
    path = tmp_path / name
    path.write_text(text.format(path=clock))
    for read in (probe, lambda path: next(read_frames(path, fps=1)), lambda path: next(read_key_frames(path))):
        with pytest.raises(VideoError, match="not a video"):
            read(path)
    assert processes == []


def test_sound_alone_is_refused(make_video: MakeVideo) -> None:
    with pytest.raises(VideoError, match="no pictures in this file"):
        probe(make_video("song.mp4", "sine=d=1"))


def test_a_video_without_a_single_picture_is_refused(make_video: MakeVideo) -> None:
    with pytest.raises(VideoError, match=r"no pictures in this file|damaged or incomplete"):
        probe(make_video("void.mkv", CORNERS, *H264, "-frames:v", "0"))


def test_a_file_cut_off_before_its_index_is_refused(tmp_path: Path, clock: Path) -> None:
    path = tmp_path / "cut.mp4"
    path.write_bytes(clock.read_bytes()[:2000])
    with pytest.raises(VideoError, match="damaged or incomplete"):
        probe(path)


@pytest.mark.parametrize(
    ("table", "offset"), [(b"stsz", 12), (b"stts", 8), (b"stsc", 8), (b"stco", 8), (b"ctts", 8), (b"stss", 8)]
)
def test_a_header_that_promises_billions_is_refused_or_ignored(
    tmp_path: Path, clock: Path, table: bytes, offset: int
) -> None:
    content = bytearray(clock.read_bytes())
    start = content.index(table) + offset
    content[start : start + 4] = b"\x7f\xff\xff\xff"
    path = tmp_path / "promises.mp4"
    path.write_bytes(content)
    try:
        assert probe(path).duration_s <= 2.1
    except VideoError as refusal:
        assert "damaged" in str(refusal)  # noqa: PT017 - either is right


def test_a_video_of_days_is_refused(make_video: MakeVideo) -> None:
    path = make_video("days.mkv", CORNERS, "-vf", "setpts=N*20000/TB", "-fps_mode", "passthrough", *LOSSLESS)
    with pytest.raises(VideoError, match="more than 12 hours"):
        probe(path)


def test_pixels_of_an_absurd_width_are_refused(make_video: MakeVideo) -> None:
    path = make_video("absurd.mp4", f"{CORNERS},scale=1280:720,setsar=99", "-frames:v", "1", *H264)
    with pytest.raises(VideoError, match="larger than 8192 × 8192"):
        probe(path)


def test_a_codec_that_nobody_knows_is_refused(tmp_path: Path, clock: Path) -> None:
    path = tmp_path / "unknown.mp4"
    path.write_bytes(clock.read_bytes().replace(b"avc1", b"xyz1"))
    with pytest.raises(VideoError, match="kind of video cannot be read"):
        probe(path)


# Staying alive


@pytest.mark.parametrize("leave", ["close", "forget", "fail"])
def test_whoever_stops_reading_stops_the_decoder(
    film: Path, processes: list[subprocess.Popen[bytes]], leave: str
) -> None:
    video = probe(film)
    frames: Any = read_frames(video, fps=25, size=(1024, 1024))
    next(frames)
    assert processes[-1].poll() is None
    if leave == "close":
        frames.close()
    elif leave == "fail":
        with pytest.raises(KeyboardInterrupt):
            frames.throw(KeyboardInterrupt)
    del frames
    gc.collect()
    assert processes[-1].poll() is not None


def test_a_decoder_that_does_nothing_is_ended(
    film: Path, processes: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    video = probe(film)
    monkeypatch.setattr(ffmpeg_run, "SAY_NOTHING_S", 0)
    with pytest.raises(VideoError, match="takes too long"):
        list(read_frames(video, fps=1))
    assert processes[-1].poll() is not None


def test_a_decoder_that_uses_up_its_time_is_ended(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = probe(film)
    monkeypatch.setattr(videos, "patience_s", lambda *_: 1)
    frames = read_frames(video, fps=1000, size=(2048, 2048))
    with pytest.raises(VideoError, match="takes too long"):
        for _ in frames:
            pass


@pytest.mark.parametrize("script", ["kill -SEGV $$", "echo nonsense; echo '[error] nonsense' >&2; exit 1", "exit 0"])
def test_a_crash_of_the_decoder_is_one_sentence(
    clock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    video = probe(clock)
    program = tmp_path / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: str(program))
    with pytest.raises(VideoError, match="damaged or incomplete"):
        list(read_frames(video, fps=1))
    with pytest.raises(VisionModelsError, match="damaged or incomplete"):
        list(read_key_frames(video))


# Writing


@pytest.mark.parametrize(
    ("fps", "delay_ms"), [(10, 100), (12, 80), (12.5, 80), (15, 70), (20, 50), (25, 40), (30, 30), (60, 20)]
)
def test_a_gif_plays_at_the_right_speed_and_lasts_as_long_as_its_span(
    clock: Path, tmp_path: Path, fps: float, delay_ms: int
) -> None:
    delays = gif_delays_ms(write_gif(clock, 0.4, 1.6, tmp_path / "piece.gif", fps=fps))
    assert set(delays) == {delay_ms}
    assert sum(delays) == pytest.approx(1200, abs=delay_ms / 2)


@pytest.mark.parametrize("ending", ["gif", "mp4", "webp"])
def test_a_piece_shows_its_span_and_nothing_else(uneven: Path, tmp_path: Path, ending: str) -> None:
    path = write_gif(uneven, 0.8, 1.4, tmp_path / f"piece.{ending}", fps=10)
    assert path == tmp_path / f"piece.{ending}"
    numbers = [number(picture) for _, picture in read_frames(path, fps=10)]
    assert numbers == pytest.approx([20, 22, 24, 24, 30, 30], abs=1)
    assert probe(path).duration_s == pytest.approx(0.6, abs=0.01)


@pytest.mark.parametrize("ending", ["gif", "mp4", "webp"])
def test_a_piece_looks_like_the_video(film: Path, tmp_path: Path, ending: str) -> None:
    path = write_gif(film, 1, 1.2, tmp_path / f"piece.{ending}")
    error = picture_at(path).astype(float) - picture_at(film, start_s=1)
    assert 10 * np.log10(255**2 / np.square(error).mean()) > 28  # dB


def test_a_span_that_reaches_over_the_edges_is_cut_to_the_video(clock: Path, tmp_path: Path) -> None:
    assert sum(gif_delays_ms(write_gif(clock, -3, 99, tmp_path / "all.gif"))) == 2000


@pytest.mark.parametrize(("start_s", "end_s"), [(1, 1), (1.5, 0.5), (2, 3), (-2, -1)])
def test_a_span_with_nothing_in_it_is_refused(clock: Path, tmp_path: Path, start_s: float, end_s: float) -> None:
    with pytest.raises(VideoError, match=r"nothing to cut out: choose a start before the end, both within 2\.0 s"):
        write_gif(clock, start_s, end_s, tmp_path / "piece.gif")


@pytest.mark.parametrize(
    ("height", "ending", "size"),
    [
        (None, "gif", (65, 47)),
        (None, "webp", (65, 47)),
        (None, "mp4", (64, 46)),
        (24, "gif", (33, 24)),
        (25, "mp4", (34, 24)),
        (999, "gif", (65, 47)),
        (1, "mp4", (2, 2)),
    ],
)
def test_a_piece_has_the_height_asked_for_and_is_never_enlarged(
    make_video: MakeVideo, tmp_path: Path, height: int | None, ending: str, size: tuple[int, int]
) -> None:
    odd = make_video("odd.mkv", "testsrc=s=65x47:r=10:d=0.5", *LOSSLESS)
    video = probe(write_gif(odd, 0, 0.5, tmp_path / f"piece.{ending}", height=height))
    assert (video.width, video.height) == size


@pytest.mark.parametrize("ending", ["gif", "webp"])
def test_a_piece_loops_unless_told_otherwise(clock: Path, tmp_path: Path, ending: str) -> None:
    path = write_gif(clock, 0, 0.5, tmp_path / f"loop.{ending}")
    with Image.open(path) as forever, Image.open(write_gif(clock, 0, 0.5, path, loop=False)) as once:
        assert forever.info["loop"] == 0
        assert once.info.get("loop", 1) == 1


def test_an_mp4_plays_in_browsers_and_tells_nothing_about_its_origin(make_video: MakeVideo, tmp_path: Path) -> None:
    sound = ["-f", "lavfi", "-i", "sine=d=1", "-map", "0:v", "-map", "1:a"]
    told = ["-metadata", "location=+48.0+011.0/", "-metadata", "title=My garden", "-movflags", "use_metadata_tags"]
    garden = make_video("garden.mp4", "testsrc=s=64x48:d=1", *sound, *told, "-c:v", "libx264")
    assert "My garden" in described(garden)
    path = write_gif(garden, 0, 1, tmp_path / "piece.mp4")
    content, said = path.read_bytes(), described(path)
    assert "h264" in said
    assert "yuv420p(tv, bt709" in said
    assert "Audio" not in said
    assert "garden" not in said
    assert "+48" not in said
    assert content.index(b"moov") < content.index(b"mdat")


@pytest.mark.parametrize("ending", ["gif", "mp4", "webp"])
@pytest.mark.parametrize("share", [0.7, 0.25])
def test_a_limit_is_kept_and_used(film: Path, tmp_path: Path, ending: str, share: float) -> None:
    free = write_gif(film, 0, 2, tmp_path / f"free.{ending}")
    limit = int(free.stat().st_size * share)
    path = write_gif(film, 0, 2, tmp_path / f"limited.{ending}", max_bytes=limit)
    assert 0.75 * limit < path.stat().st_size <= limit
    assert probe(path).duration_s == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("ending", ["gif", "mp4", "webp"])
def test_a_limit_that_is_not_reached_changes_nothing(film: Path, tmp_path: Path, ending: str) -> None:
    free = write_gif(film, 0, 1, tmp_path / f"free.{ending}")
    limited = write_gif(film, 0, 1, tmp_path / f"limited.{ending}", max_bytes=free.stat().st_size)
    assert limited.read_bytes() == free.read_bytes()


@pytest.mark.parametrize("ending", ["gif", "mp4", "webp"])
def test_what_does_not_fit_leaves_everything_as_it_was(film: Path, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"piece.{ending}"
    path.write_bytes(b"the piece from before")
    with pytest.raises(VideoError, match="does not fit into 0 KB"):
        write_gif(film, 0, 1, path, max_bytes=60)
    assert path.read_bytes() == b"the piece from before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_gif_that_would_not_fit_into_memory_is_refused_or_made_smaller(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clips, "MAX_GIF_PIXELS", 100_000)
    with pytest.raises(VideoError, match="too large to make"):
        write_gif(film, 0, 1, tmp_path / "piece.gif")
    path = write_gif(film, 0, 1, tmp_path / "piece.gif", max_bytes=10**6)
    assert 0 < probe(path).height < 144


def test_other_endings_are_a_mistake_of_the_caller(clock: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.gif, \.mp4 or \.webp"):
        write_gif(clock, 0, 1, tmp_path / "piece.avi")


def test_a_folder_that_is_not_there_is_an_os_error(clock: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_gif(clock, 0, 1, tmp_path / "nowhere" / "piece.gif")
