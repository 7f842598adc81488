"""The GIF tab, as programs and as visitors meet it; its predictor tells pictures apart by their colours alone."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.request import urlopen

import cv2
import gradio as gr
import httpx
import imageio_ffmpeg
import numpy as np
import pytest
import torch
from accessibility import CONTRAST, PHONE, tab_to
from conftest import Visitors, launched, run_alone
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from vision_models.errors import HubUnreachableError
from vision_models.gifs import features as encoder_module
from vision_models.gifs.config import WEIGHTS, PHDConfig
from vision_models.gifs.network import PHDGIFs
from vision_models.gifs.predictor import HighlightPredictor
from vision_models.gifs.result import Highlights, Segment, VideoIndex
from vision_models.media.videos import probe
from vision_models.weights.record import WeightsFile

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from playwright.sync_api import Locator, Page

RED, GREEN, BLUE, GREY = (200, 30, 30), (30, 160, 60), (40, 60, 200), (120, 120, 120)
SCENE_S = 5


# ---- a predictor that needs no weights


@dataclass
class Colours:
    """Looks at nothing but colours, and counts how often it does."""

    fps: ClassVar[float] = 4.0
    size: ClassVar[tuple[int, int]] = (32, 32)
    window: ClassVar[int] = 1
    stride_s: ClassVar[float] = 1.25
    dim: ClassVar[int] = 64
    looks: list[int] = field(default_factory=list)
    may_go_on: threading.Event = field(default_factory=threading.Event)
    is_asked: threading.Event = field(default_factory=threading.Event)

    def hold(self) -> None:
        """Keep whoever asks waiting, until `may_go_on` is set."""
        self.is_asked.clear()
        self.may_go_on.clear()

    def encode(self, windows: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.is_asked.set()
        assert self.may_go_on.wait(300)
        self.looks.append(len(windows))
        counts = [cv2.calcHist([one], [0, 1, 2], None, [4, 4, 4], [0, 256] * 3).ravel() for one in windows[:, 0]]
        return np.stack(counts).astype(np.float32)


class ColourPredictor(HighlightPredictor):
    """Everyone likes movement; a person likes the colours of their history."""

    def score(
        self, index: VideoIndex, history: Any, disliked: Any = (), *, weight: float = 1.0, **_: Any
    ) -> Highlights:
        spans = index.spans()
        vectors = self.vectors(index, spans)
        segments = []
        for (start, end), vector in zip(spans, vectors, strict=True):
            inside = (index.times >= start) & (index.times < end)
            generic = personal = float(index.motion[inside, 1].mean())
            likeness = [float(vector @ gif) for gif in history]
            if likeness:
                personal = max(likeness)
            personal -= max((float(vector @ gif) for gif in disliked), default=0)
            nearest = int(np.argmax(likeness)) if likeness else None
            similarity = max(likeness, default=None)
            segments.append(Segment(start, end, generic, personal, 0, nearest, similarity))
        return Highlights(index, tuple(segments), 1).reweight(weight)


@pytest.fixture(scope="module")
def predictor() -> ColourPredictor:
    torch.manual_seed(0)
    config = PHDConfig(embedding=Colours.dim, motion_weight=0.0, pose_weight=0.0)
    colours = Colours()
    colours.may_go_on.set()
    weights = WeightsFile(WEIGHTS.bundled_path, "bundled", None, None, WEIGHTS)
    return ColourPredictor(PHDGIFs(config).eval(), weights, torch.device("cpu"), colours)


# ---- videos


def ffmpeg(*arguments: str) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *arguments]
    subprocess.run(command, check=True)


@pytest.fixture(scope="module")
def write_clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write a video with one scene after the other: a colour, and a white square that moves at some speed."""
    folder = tmp_path_factory.mktemp("videos")

    def write(name: str, *scenes: tuple[tuple[int, int, int], float], seconds: float = SCENE_S) -> Path:
        frames = []
        for colour, speed in scenes:
            for number in range(round(seconds * 10)):
                frame = np.full((72, 128, 3), colour, np.uint8)
                left = round(10 + 40 * (1 + np.sin(speed * number / 3)))
                frame[30:42, left : left + 12] = 255
                frames.append(frame)
        if name.endswith(".gif"):
            pictures = [Image.fromarray(frame) for frame in frames]
            pictures[0].save(folder / name, save_all=True, append_images=pictures[1:], duration=100)
            return folder / name
        writer = imageio_ffmpeg.write_frames(folder / name, (128, 72), fps=10, macro_block_size=2)
        writer.send(None)
        for frame in frames:
            writer.send(frame)
        writer.close()
        return folder / name

    return write


@pytest.fixture(scope="module")
def film(write_clip: Callable[..., Path]) -> Path:
    """Thirty seconds: most moves in the red scene at 0:05, green at 0:15, blue at 0:25."""
    return write_clip("film.mp4", (GREY, 0), (RED, 0.5), (GREY, 0.2), (GREEN, 0.3), (GREY, 0.2), (BLUE, 0.3))


@pytest.fixture(scope="module")
def green_gif(write_clip: Callable[..., Path]) -> Path:
    return write_clip("leaf.gif", (GREEN, 1), seconds=2)


@pytest.fixture(scope="module")
def blue_gif(write_clip: Callable[..., Path]) -> Path:
    return write_clip("sea.gif", (BLUE, 1), seconds=2)


def colour(file: Path | bytes) -> NDArray[np.float64]:
    """The colour of a corner of a GIF."""
    import io

    with Image.open(io.BytesIO(file) if isinstance(file, bytes) else file) as gif:
        return np.asarray(gif.convert("RGB"), float)[2, 2]


# ---- the page


@dataclass(frozen=True)
class Site:
    url: str
    files: Path
    colours: Colours


@pytest.fixture(scope="module")
def site(predictor: ColourPredictor, page_files: Path) -> Iterator[Site]:
    """The app with the GIF tab first, and another one behind it."""
    from app import build_app
    from demos.gifs import build_gifs

    def build_other() -> None:
        gr.HTML("<h2>Another tab</h2>")

    tabs = {"gifs": ("GIF highlights", lambda: build_gifs(lambda: (predictor, ""))), "other": ("Other", build_other)}
    with pytest.MonkeyPatch.context() as patch, launched(build_app(tabs)) as url:
        patch.setattr(encoder_module, "CHUNK_LOOKS", 8)  # ten seconds of video
        assert isinstance(predictor.encoder, Colours)
        yield Site(url, page_files, predictor.encoder)


@pytest.fixture(scope="module")
def client(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    client = Client(site.url, verbose=False, download_files=tmp_path_factory.mktemp("downloads"))
    yield client
    client.close()


@pytest.fixture
def page(visitors: Visitors, site: Site) -> Page:
    return visitors.open(f"{site.url}?__theme=light")


# ---- /gifs


def test_the_api_is_one_documented_endpoint(client: Client) -> None:
    api = client.view_api(return_format="dict", print_info=False)
    assert isinstance(api, dict)
    assert list(api["named_endpoints"]) == ["/gifs"]
    assert not api["unnamed_endpoints"]
    gifs = api["named_endpoints"]["/gifs"]
    assert [(one["parameter_name"], one["python_type"]["type"]) for one in gifs["parameters"]] == [
        ("video", "filepath"),
        ("history", "None | list[filepath]"),
        ("count", "int"),
        ("length_s", "float"),
        ("weight", "float"),
        ("height", "int"),
        ("fps", "float"),
        ("max_mb", "float"),
    ]
    assert gifs["returns"][0]["python_type"]["type"] == "list[filepath]"
    assert gifs["description"].startswith("Cut the GIFs out of a video")


def test_without_a_history_a_program_gets_what_everyone_gets(client: Client, film: Path) -> None:
    files, clips = client.predict(handle_file(film), api_name="/gifs")
    assert len(files) == len(clips) == 3
    assert 5 <= clips[0]["start_s"] < clips[0]["end_s"] <= 10  # most movement
    assert clips[0]["nearest"] is None
    np.testing.assert_allclose(colour(files[0]), RED, atol=40)


def test_anything_that_speaks_http_can_fetch_the_gifs(site: Site, film: Path) -> None:
    files, _ = Client(site.url, download_files=False, verbose=False).predict(
        handle_file(film), None, 1, api_name="/gifs"
    )
    assert files[0]["url"].startswith(site.url)
    with urlopen(files[0]["url"], timeout=60) as answer:  # noqa: S310 - our own page
        assert answer.read(6) == b"GIF89a"


def test_one_gif_as_history_changes_what_a_program_gets(client: Client, film: Path, green_gif: Path) -> None:
    files, clips = client.predict(handle_file(film), [handle_file(green_gif)], 2, 3.0, 1.0, 48, 10.0, api_name="/gifs")
    assert len(files) == len(clips) == 2
    assert 15 <= clips[0]["start_s"] < clips[0]["end_s"] <= 20
    assert clips[0]["nearest"] == 0
    assert clips[0]["similarity"] > clips[1]["similarity"]
    np.testing.assert_allclose(colour(files[0]), GREEN, atol=40)
    gif = probe(files[0])
    assert gif.height == 48
    assert gif.fps == pytest.approx(10, rel=0.05)
    assert gif.duration_s == pytest.approx(clips[0]["end_s"] - clips[0]["start_s"], abs=0.11)


def test_at_weight_0_the_history_does_not_count(client: Client, film: Path, green_gif: Path) -> None:
    everyones = client.predict(handle_file(film), api_name="/gifs")[1]
    mine = client.predict(handle_file(film), [handle_file(green_gif)], weight=0.0, api_name="/gifs")[1]
    assert [clip["start_s"] for clip in mine] == [clip["start_s"] for clip in everyones]


def test_a_video_of_a_single_picture_becomes_a_gif(client: Client, tmp_path: Path) -> None:
    Image.new("RGB", (64, 48), GREEN).save(tmp_path / "still.gif")
    files, clips = client.predict(handle_file(tmp_path / "still.gif"), api_name="/gifs")
    assert len(files) == len(clips) == 1
    np.testing.assert_allclose(colour(files[0]), GREEN, atol=10)


def test_a_portrait_clip_with_an_odd_size_works(client: Client, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (45, 81), (20 * n, 90, 120)) for n in range(10)]
    frames[0].save(tmp_path / "odd.gif", save_all=True, append_images=frames[1:], duration=100)
    files, _ = client.predict(handle_file(tmp_path / "odd.gif"), api_name="/gifs")
    assert (probe(files[0]).width, probe(files[0]).height) == (45, 81)


NO_VIDEOS: list[tuple[str, Callable[[Path, Path], object], str]] = [
    ("empty.mp4", lambda path, _: path.write_bytes(b""), "empty"),
    ("letter.mp4", lambda path, _: path.write_text("Dear editor, " * 50), "video"),
    ("truncated.mp4", lambda path, film: path.write_bytes(film.read_bytes()[:3000]), "video"),
    ("sound.mp4", lambda path, _: ffmpeg("-f", "lavfi", "-i", "sine=duration=1", str(path)), "picture|video"),
    (
        "playlist.mp4",
        lambda path, _: path.write_text("#EXTM3U\n#EXTINF:1,\n/etc/hostname\n#EXT-X-ENDLIST\n"),
        "video",
    ),
    (
        "three-hours.mp4",
        lambda path, _: ffmpeg("-f", "lavfi", "-i", "color=size=32x32:rate=1/60:duration=10800", str(path)),
        "3:00:00 long; the limit is 1:00:00",
    ),
    (
        "huge.gif",
        lambda path, _: path.write_bytes(b"GIF89a\x00\xf0\x00\xf0\x80\x00\x00" + bytes(6) + b"\x3b"),
        "video|picture",
    ),
]


@pytest.mark.parametrize(("name", "write", "said"), NO_VIDEOS, ids=[name for name, *_ in NO_VIDEOS])
@pytest.mark.parametrize("place", ["video", "history"])
def test_what_cannot_be_used_is_refused_in_a_sentence_that_names_no_path(
    client: Client,
    site: Site,
    tmp_path: Path,
    film: Path,
    name: str,
    write: Callable[..., object],
    said: str,
    place: str,
) -> None:
    write(tmp_path / name, film)
    files = (tmp_path / name, []) if place == "video" else (film, [tmp_path / name])
    with pytest.raises(AppError) as refused:
        client.predict(handle_file(files[0]), [handle_file(file) for file in files[1]], api_name="/gifs")
    message = str(refused.value)
    if place == "history":
        assert message.startswith(f"{name} of the history: ")
        said = said.replace("1:00:00", "1:00")
    assert re.search(said, message)
    assert re.search(r"(Please|Use|Choose|Cut)\b.*\.$", message)  # says what to do
    assert str(site.files) not in message
    assert "Error" not in message


def test_too_long_a_history_is_refused(client: Client, site: Site, film: Path, green_gif: Path) -> None:
    with green_gif.open("rb") as file:
        lies_at = httpx.post(f"{site.url}gradio_api/upload", files={"files": file}).json()[0]
    gif = {"path": lies_at, "meta": {"_type": "gradio.FileData"}}
    with pytest.raises(AppError, match="up to 50 GIFs"):
        client.predict(handle_file(film), [gif] * 51, api_name="/gifs")


@pytest.mark.parametrize(
    ("name", "value"),
    [("count", 0), ("count", 100), ("length_s", 0), ("length_s", "long"), ("weight", 2), ("height", 1), ("fps", 0)],
)
def test_a_wrong_number_is_explained(client: Client, film: Path, name: str, value: object) -> None:
    with pytest.raises(AppError, match=f"{name} has to be a number from"):
        client.predict(handle_file(film), **{name: value}, api_name="/gifs")


def test_a_missing_video_is_explained(client: Client) -> None:
    with pytest.raises(AppError, match="No video arrived"):
        client.predict(None, api_name="/gifs")
    with pytest.raises(AppError, match="No video arrived"):
        client.predict("film.mp4", api_name="/gifs")


@pytest.mark.parametrize("meta", [{"meta": {"_type": "gradio.FileData"}}, {}])
@pytest.mark.parametrize(
    ("event", "before"), [("gifs", []), ("gifs", [None]), ("begin", [None]), ("watch", [None]), ("add", [None])]
)
def test_a_file_of_the_server_cannot_be_had(
    site: Site, green_gif: Path, event: str, before: list[Any], meta: dict[str, Any]
) -> None:
    secret = {"path": str(green_gif)} | meta  # outside the folder of uploads
    data = [*before, [secret] if event == "add" or (event == "gifs" and before) else secret]
    call = f"{site.url}gradio_api/call/{event}"
    asked = httpx.post(call, json={"data": data})
    answer = httpx.get(f"{call}/{asked.json().get('event_id')}", timeout=300).text
    assert "leaf" not in answer


def test_an_internal_error_tells_nothing_internal(
    predictor: ColourPredictor, page_files: Path, monkeypatch: pytest.MonkeyPatch, film: Path
) -> None:
    def explode(self: object, samples: object) -> None:
        raise RuntimeError("secret /home/us")

    monkeypatch.setattr(ColourPredictor, "encode", explode)
    with launched(gifs_page(lambda: (predictor, ""))) as url:
        client = Client(url, verbose=False)
        with pytest.raises(AppError) as error:
            client.predict(handle_file(film), api_name="/gifs")
        client.close()
    assert "secret" not in str(error.value)


def test_nothing_of_a_visitor_is_left_when_the_page_closes(
    predictor: ColourPredictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, film: Path, green_gif: Path
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    with launched(gifs_page(lambda: (predictor, ""))) as url:
        client = Client(url, verbose=False, download_files=tmp_path / "downloads")
        client.predict(handle_file(film), [handle_file(green_gif)], api_name="/gifs")
        client.close()
        kept = {path.name for path in (tmp_path / "gradio").rglob("*") if path.is_file()}
    assert {"film.mp4", "leaf.gif"} <= kept
    assert [path for path in (tmp_path / "gradio").rglob("*") if path.is_file()] == []


def gifs_page(load: Callable[[], tuple[Any, str]]) -> gr.Blocks:
    from demos.gifs import build_gifs
    from demos.shell import page

    with page("GIF highlights", "alone") as demo:
        build_gifs(load)
    return demo


def test_when_the_hub_fails_the_bundled_copy_answers_and_the_page_says_why(
    predictor: ColourPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from demos.gifs import load_predictor

    def from_pretrained(source: Path | None = None) -> ColourPredictor:
        if source is None:
            raise HubUnreachableError("The Hub cannot be reached.")
        return predictor

    monkeypatch.setattr(HighlightPredictor, "from_pretrained", from_pretrained)
    answering, excuse = load_predictor()
    demo = gifs_page(lambda: (answering, excuse))
    assert "The Hub cannot be reached. Until then" in str(demo.get_config_file())


def test_one_video_is_watched_at_a_time_and_photos_do_not_wait_for_it(predictor: ColourPredictor) -> None:
    events = [event for event in gifs_page(lambda: (predictor, "")).fns.values() if event.concurrency_id == "video"]
    assert {event.name for event in events} == {"watch", "gifs"}
    assert {event.concurrency_limit for event in events} == {1}


def test_the_tab_runs_alone(page_files: Path) -> None:
    without_weights = """
weights, model = types.ModuleType("weights"), types.ModuleType("model")
weights.WEIGHTS = None
model.HighlightPredictor = types.SimpleNamespace(from_pretrained=lambda **options: None)
sys.modules |= {"vision_models.gifs.config": weights, "vision_models.gifs.predictor": model}
"""
    done = run_alone("gifs", page_files, without_weights)
    assert done.stdout == "launched\n", done.stderr


def test_the_bundled_weights_find_what_each_taste_likes_in_the_sample_video() -> None:
    from demos.samples.videos import SCENES, TASTES, liked_gifs, sample_video

    ours = HighlightPredictor.from_pretrained(WEIGHTS.bundled_path, device="cpu")
    index = ours.index(sample_video())

    def found(history: list[NDArray[np.float32]]) -> list[str]:
        return [SCENES[clip.segment].picture for clip in ours.score(index, history).best(2, 4)]

    everyones = found([])
    for taste in TASTES:
        mine = found([ours.remember(gif) for gif in liked_gifs(taste)])
        assert set(mine) <= {move.picture for move in taste.liked}
        assert mine != everyones


# ---- what visitors do

browser = pytest.mark.browser


def upload(page: Page, video: Path) -> None:
    page.locator("#video input[type=file]").set_input_files(video)


def remove(page: Page) -> None:
    """Remove the video, and wait until the page has noted that."""
    page.locator("#video").get_by_role("button", name="Clear").click()
    page.locator("#gifs-status p:empty").wait_for(state="attached")


def like(page: Page, *gifs: Path) -> None:
    page.locator("#liked input[type=file]").set_input_files(gifs)


def status(page: Page, text: str) -> None:
    page.locator("#gifs-status").get_by_text(text).wait_for()


def wait_until_done(page: Page) -> None:
    status(page, "Watched 0:30 of video")
    wait_for_gifs(page)


def wait_for_gifs(page: Page) -> None:
    """Wait until every result has its file."""
    page.wait_for_function("""() => {
        const cards = [...document.querySelectorAll("#cards li")];
        return cards.length > 0 && cards.every((card) => card.querySelector("a"));
    }""")


def open_trimmer(page: Page) -> None:
    """Open the first GIF for trimming. Like a visitor, click again where the cards were drawn anew under the click."""
    wait_for_gifs(page)
    from playwright.sync_api import TimeoutError as TooLate

    for _ in range(10):
        everyones(page).first.get_by_role("button", name="Trim").click()
        try:
            page.locator("#trimmer").get_by_text("Save (.gif").wait_for(timeout=20_000)
        except TooLate:
            continue
        return
    pytest.fail("the trimmer does not open")


def everyones(page: Page) -> Locator:
    return page.locator("#cards section").nth(0).locator("li")


def yours(page: Page) -> Locator:
    return page.locator("#cards section.yours li")


def first_begins(cards: Locator, time: str) -> None:
    """Wait until the first of the results begins at such a time."""
    cards.first.get_by_text(re.compile(rf"^{time}")).wait_for()


def content(page: Page, card: Locator) -> bytes:
    """The file that a result shows."""
    return page.request.get(f"{page.url.split('?')[0]}{card.locator('img').first.get_attribute('src')}").body()


def slide(page: Page, name: str, key: str, reached: int) -> None:
    """Press a key on a slider until that has an effect: one that has just appeared may not listen yet."""
    slider = page.get_by_label(f"range slider for {name}")
    while slider.input_value() != str(reached):
        slider.press(key)
        page.wait_for_timeout(100)


def watched(page: Page, film: Path, *gifs: Path) -> None:
    """Have the film watched, for these GIFs."""
    if gifs:
        like(page, *gifs)
        page.locator(".liked > li").nth(len(gifs) - 1).wait_for()
    upload(page, film)
    wait_until_done(page)


IN_RED, IN_GREEN, IN_BLUE = r"0:0[5-9]\.", r"0:1[5-9]\.", r"0:2[5-9]\."


@browser
def test_one_click_on_a_taste_shows_what_personalisation_does(page: Page) -> None:
    page.get_by_role("button", name="Coffee").click()
    status(page, "Watched 1:10 of video")
    wait_for_gifs(page)
    assert page.locator(".liked > li").count() == 2
    assert "resembles your GIF" in yours(page).first.inner_text()
    times = [cards.first.locator("b").first.inner_text() for cards in (everyones(page), yours(page))]
    assert times[0] != times[1]
    # Another taste looks at the same video without watching it again.
    page.get_by_role("button", name="Space").click()
    page.locator(".liked > li").nth(2).wait_for()
    page.wait_for_function(
        "(old) => (document.querySelector('#cards section.yours li b')?.innerText ?? old) !== old", arg=times[1]
    )


@browser
def test_a_taste_that_somebody_has_tried_is_not_looked_at_again(visitors: Visitors, page: Page, site: Site) -> None:
    page.get_by_role("button", name="Streets").click()
    wait_for_gifs(page)
    asked = len(site.colours.looks)
    other = visitors.open(site.url)
    other.get_by_role("button", name="Streets").click()
    wait_for_gifs(other)
    assert other.locator(".liked > li").count() == 2
    assert len(site.colours.looks) == asked


@browser
def test_a_video_alone_gives_what_everyone_gets_and_one_gif_makes_it_personal_at_once(
    page: Page, site: Site, film: Path, green_gif: Path
) -> None:
    watched(page, film)
    first_begins(everyones(page), IN_RED)
    assert yours(page).count() == 0
    assert page.get_by_label("range slider for How personal").is_disabled()
    looks = len(site.colours.looks)
    like(page, green_gif)
    first_begins(yours(page), IN_GREEN)
    wait_for_gifs(page)
    np.testing.assert_allclose(colour(content(page, yours(page).first)), GREEN, atol=40)
    assert "resembles your GIF 1" in yours(page).first.inner_text()
    first_begins(everyones(page), IN_RED)
    assert len(site.colours.looks) == looks + 1  # at the GIF alone


@browser
def test_the_slider_leads_from_yours_to_everyones_without_a_new_look(
    page: Page, site: Site, film: Path, green_gif: Path
) -> None:
    watched(page, film, green_gif)
    looks = len(site.colours.looks)
    slide(page, "How personal", "Home", 0)
    first_begins(yours(page), IN_RED)
    slide(page, "How personal", "End", 100)
    first_begins(yours(page), IN_GREEN)
    assert len(site.colours.looks) == looks


@browser
def test_more_like_this_makes_a_result_part_of_the_history(page: Page, site: Site, film: Path) -> None:
    watched(page, film)
    looks = len(site.colours.looks)
    everyones(page).first.get_by_text("More like this").click()
    page.locator(".liked img[alt*='of film.mp4']").wait_for()
    yours(page).get_by_text("GIF 1").first.wait_for()
    assert not any(re.match(IN_RED, card) for card in yours(page).all_inner_texts())  # it is theirs already
    assert len(site.colours.looks) == looks


@browser
def test_what_is_not_for_me_goes_away_until_it_is_forgotten(page: Page, film: Path, green_gif: Path) -> None:
    watched(page, film, green_gif)
    first_begins(yours(page), IN_GREEN)
    yours(page).first.get_by_text("Not for me").click()
    page.get_by_text("Not for you:").wait_for()
    gone = "(time) => !RegExp(time).test(document.querySelector('#cards .yours').innerText)"
    page.wait_for_function(gone, arg=IN_GREEN)
    page.get_by_role("button", name="is not for you").click()
    first_begins(yours(page), IN_GREEN)
    assert page.get_by_text("Not for you:").count() == 0


@browser
def test_the_history_can_be_reordered_and_emptied(page: Page, film: Path, green_gif: Path, blue_gif: Path) -> None:
    watched(page, film, green_gif, blue_gif)
    tiles = page.locator(".liked > li > img")
    assert [tile.get_attribute("alt") for tile in tiles.all()] == ["GIF 1, leaf.gif", "GIF 2, sea.gif"]
    page.get_by_role("button", name="Move GIF 2, sea.gif forward").click()
    page.locator(".liked > li > img[alt='GIF 1, sea.gif']").wait_for()
    yours(page).get_by_text("resembles your GIF 2").first.wait_for()
    page.get_by_role("button", name="Remove GIF 2, leaf.gif").click()
    first_begins(yours(page), IN_BLUE)
    page.get_by_role("button", name="Remove GIF 1, sea.gif").click()
    page.get_by_text("Nothing yet").wait_for()
    yours(page).first.wait_for(state="hidden")


@browser
def test_the_history_takes_several_kinds_of_files_and_says_which_it_could_not(
    page: Page, tmp_path: Path, green_gif: Path, write_clip: Callable[..., Path]
) -> None:
    clip = write_clip("wave.mp4", (BLUE, 1), seconds=2)
    ffmpeg("-i", str(clip), str(tmp_path / "wave.webm"))
    (tmp_path / "broken.gif").write_bytes(b"GIF89a")
    like(page, green_gif, clip, tmp_path / "wave.webm", tmp_path / "broken.gif")
    page.locator(".liked > li").nth(2).wait_for()
    assert page.locator(".liked video").count() == 2
    status(page, "broken.gif could not be added.")


@browser
def test_a_history_ends_at_50_gifs(page: Page, tmp_path: Path) -> None:
    files = []
    for number in range(60):
        files.append(tmp_path / f"{number}.gif")
        Image.new("RGB", (16, 16), (4 * number, 0, 0)).save(files[-1])
    like(page, *files)
    status(page, "A history holds up to 50 GIFs: 10 files were left out.")
    assert page.locator(".liked > li").count() == 50


# ---- the scores


@browser
def test_the_timeline_shows_curves_that_differ_the_chosen_moments_and_a_table(
    page: Page, film: Path, green_gif: Path
) -> None:
    watched(page, film, green_gif)
    for name, count in (("generic", 1), ("personal", 0), ("fused", 1)):
        assert page.locator(f"#scores path.{name}").count() == count
    assert page.locator(".lane.you button").count() == page.locator(".lane.everyone button").count() == 3
    page.get_by_text("All 6 moments as a table").click()
    rows = page.locator("#scores tbody tr")
    assert rows.count() == 6
    assert re.search(r"0:15\.0 – 0:20\.0\s+\d+\s+100\s+GIF 1 \((1\.00|0\.99)\)", rows.nth(3).inner_text())
    slide(page, "How personal", "Home", 0)
    first_begins(yours(page), IN_RED)
    rows.nth(0).wait_for()  # stays unfolded
    assert page.locator("#scores path.personal").count() == 1


PLAYING = """([low, high]) => {
    const {currentTime} = document.querySelector(".screen video");
    return currentTime >= low && currentTime <= high;
}"""


@browser
def test_a_moment_is_played_by_a_click_and_by_the_keyboard(page: Page, film: Path, green_gif: Path) -> None:
    watched(page, film, green_gif)
    page.get_by_role("button", name="Play GIF 1 for you").click()
    page.wait_for_function(PLAYING, arg=[15, 22])
    page.get_by_role("button", name="Play GIF 1 for everyone").press("Enter")
    page.wait_for_function(PLAYING, arg=[5, 12])
    page.wait_for_function("() => document.querySelector('.screen video').paused")  # at its end
    page.wait_for_function(PLAYING, arg=[5, 12])
    page.locator("#scores svg").click(position={"x": 2, "y": 20})
    page.wait_for_function(PLAYING, arg=[0, 5])


@browser
def test_a_video_that_the_browser_cannot_play_still_becomes_gifs(page: Page, tmp_path: Path, film: Path) -> None:
    ffmpeg("-i", str(film), "-c:v", "mpeg4", str(tmp_path / "film.avi"))
    watched(page, tmp_path / "film.avi")
    page.get_by_role("button", name="Play GIF 1 for everyone").click()
    page.get_by_text("Your browser cannot play this kind of video.").wait_for()


# ---- the files


@browser
def test_a_result_is_saved_with_one_click_and_its_size_is_known_before(page: Page, film: Path) -> None:
    watched(page, film)
    link = everyones(page).first.get_by_role("link")
    with page.expect_download() as download:
        link.click()
    saved = Path(download.value.path())
    kilobytes = int(re.sub(r"\D", "", link.inner_text()))
    assert kilobytes == max(round(saved.stat().st_size / 1000), 1)
    assert re.fullmatch(r"film-\d+\.\d\d-\d+\.\d\d-240p-12\.5fps\.gif", download.value.suggested_filename)
    np.testing.assert_allclose(colour(saved.read_bytes()), RED, atol=40)


@browser
def test_number_and_format_of_the_results_can_be_chosen(page: Page, film: Path) -> None:
    watched(page, film)
    page.get_by_text("Number, length, size and format").click()
    slide(page, "How many", "Home", 1)
    everyones(page).nth(1).wait_for(state="detached")
    page.get_by_role("radio", name="MP4").check()
    page.locator("#cards li video").wait_for()
    wait_for_gifs(page)
    assert everyones(page).first.get_by_role("link").get_attribute("download").endswith(".mp4")  # type: ignore[union-attr]


@browser
def test_a_result_can_be_trimmed_and_limited_in_size(page: Page, film: Path) -> None:
    watched(page, film)
    open_trimmer(page)
    trimmer = page.locator("#trimmer")
    trimmer.get_by_label("Start (s)").fill("6")
    trimmer.get_by_label("End (s)").fill("7.5")
    trimmer.get_by_text("1.5 seconds,").wait_for()
    trimmer.get_by_label("End (s)").fill("3")
    trimmer.get_by_text("The start has to come before the end").wait_for()
    trimmer.get_by_label("End (s)").fill("8")
    trimmer.get_by_text("2.0 seconds,").wait_for()
    with page.expect_download() as download:
        trimmer.get_by_text("Save (.gif").click()
    assert probe(Path(download.value.path())).duration_s == pytest.approx(2, abs=0.1)


@browser
def test_the_edges_of_a_gif_can_be_dragged_and_moved_with_the_keys(page: Page, film: Path) -> None:
    watched(page, film)
    open_trimmer(page)
    trimmer = page.locator("#trimmer")
    start, end = (trimmer.get_by_label(f"{edge} (s)") for edge in ("Start", "End"))
    before = float(end.input_value())
    trimmer.get_by_role("slider", name="End").press("ArrowLeft")
    page.wait_for_function("(most) => Number(document.querySelectorAll('#trimmer input')[1].value) < most", arg=before)
    assert float(end.input_value()) == pytest.approx(before - 0.1, abs=0.02)
    handle = trimmer.get_by_role("slider", name="Start")
    box = handle.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 40, box["y"] + 20, steps=4)
    page.mouse.up()
    earlier = start.input_value()
    page.wait_for_function(
        "(was) => document.querySelectorAll('#trimmer input')[0].value !== was || was > 0", arg=earlier
    )
    trimmer.get_by_text("seconds,").wait_for()
    page.locator("#video").get_by_role("button", name="Clear").click()
    upload(page, film)
    wait_for_gifs(page)
    page.locator("#trimmer").wait_for(state="hidden")


@browser
def test_words_speed_and_shape_of_a_gif_can_be_chosen(page: Page, film: Path) -> None:
    watched(page, film)
    open_trimmer(page)
    trimmer = page.locator("#trimmer")
    trimmer.get_by_text("Words, speed and shape").click()
    length = float(trimmer.get_by_text("seconds,").inner_text().split()[0])
    trimmer.get_by_label("Forwards, then backwards").check()
    trimmer.get_by_text(f"{2 * length:.1f} seconds,").wait_for()
    trimmer.get_by_label("Words on it").fill("Hello")
    trimmer.get_by_label("square").check()
    page.wait_for_function(
        "() => { const i = document.querySelector('#preview img'); return i && i.naturalWidth === i.naturalHeight; }"
    )


# ---- what goes wrong


@browser
@pytest.mark.parametrize(("name", "write", "said"), NO_VIDEOS[1:3], ids=["letter", "truncated"])
def test_a_bad_video_is_explained_in_one_sentence_and_the_next_one_works(
    page: Page, tmp_path: Path, film: Path, name: str, write: Callable[..., object], said: str
) -> None:
    write(tmp_path / name, film)
    upload(page, tmp_path / name)
    page.locator("#gifs-status .problem").wait_for()
    assert re.search(said, page.locator("#gifs-status").inner_text())
    page.locator("#gifs-result").wait_for(state="hidden")
    assert page.locator(".toast-body").count() == 0  # said once
    remove(page)
    upload(page, film)
    wait_until_done(page)


@browser
def test_a_click_without_a_video_asks_for_one(page: Page) -> None:
    page.get_by_role("button", name="Find my GIFs").click()
    status(page, "There is no video yet.")
    assert page.locator("#gifs-status [role=status]").inner_text().startswith("There is no video yet.")


@browser
def test_cancel_ends_the_work_and_a_second_try_finishes_it(page: Page, site: Site, film: Path) -> None:
    looks = len(site.colours.looks)
    site.colours.hold()
    try:
        upload(page, film)
        status(page, "Watching your video, 0:30 long…")
        assert site.colours.is_asked.wait(300)
        page.get_by_role("button", name="Cancel").click()
        page.get_by_role("button", name="Cancelling…").wait_for()
    finally:
        site.colours.may_go_on.set()
    status(page, "Cancelled.")
    assert len(site.colours.looks) <= looks + 1  # of three stretches
    page.locator("#gifs-result").wait_for(state="hidden")
    page.get_by_role("button", name="Find my GIFs").click()
    wait_until_done(page)
    page.get_by_role("button", name="Cancel").wait_for(state="hidden")


@browser
def test_a_new_video_takes_the_place_of_the_one_being_watched(
    page: Page, site: Site, film: Path, write_clip: Callable[..., Path]
) -> None:
    other = write_clip("short.mp4", (RED, 1), (BLUE, 2))
    site.colours.hold()
    try:
        upload(page, film)
        status(page, "Watching your video, 0:30 long…")
        assert site.colours.is_asked.wait(300)
        remove(page)
        upload(page, other)
        page.locator("#video").get_by_text("short").wait_for()
    finally:
        site.colours.may_go_on.set()
    status(page, "Watched 0:10 of video")
    everyones(page).first.locator("a[download^=short]").wait_for()


@browser
def test_removing_the_video_leads_back_to_the_empty_page(page: Page, film: Path) -> None:
    watched(page, film)
    remove(page)
    page.get_by_text("Your GIFs appear here").wait_for()
    page.locator("#gifs-result").wait_for(state="hidden")
    assert page.locator("#video").get_by_text("film").count() == 0


@browser
def test_two_visitors_never_see_each_others_history_or_video(
    visitors: Visitors, site: Site, film: Path, green_gif: Path, blue_gif: Path, write_clip: Callable[..., Path]
) -> None:
    other = write_clip("holiday.mp4", *[(GREY, 0.2), (GREEN, 0.3), (RED, 1), (BLUE, 0.5), (GREY, 0.1), (GREY, 0)])
    pages = [visitors.open(site.url) for _ in range(2)]
    for page, video, gif in zip(pages, (film, other), (green_gif, blue_gif), strict=True):
        watched(page, video, gif)
    first_begins(yours(pages[0]), IN_GREEN)
    first_begins(yours(pages[1]), IN_GREEN)  # where the other video is blue
    for page, foreign in zip(pages, (["sea.gif", "holiday.mp4"], ["leaf.gif", "film.mp4"]), strict=True):
        html = page.content()
        assert not any(name in html for name in foreign)
        assert page.locator(".liked > li").count() == 1
    pages[0].get_by_role("button", name="Remove GIF 1").click()
    pages[0].get_by_text("Nothing yet").wait_for()
    slide(pages[1], "How personal", "Home", 0)
    first_begins(yours(pages[1]), r"0:")
    assert pages[1].locator(".liked > li").count() == 1
    newcomer = visitors.open(site.url)
    assert newcomer.locator(".liked > li").count() == 0


# ---- the page itself


@browser
def test_at_first_there_is_only_what_can_be_used_and_the_limits_are_said(page: Page) -> None:
    page.get_by_text("Up to one hour and 500 MB.").wait_for()
    for control in ("How personal (%)", "Cancel", "Trim"):
        assert page.get_by_text(control).locator("visible=true").count() == 0


@browser
def test_on_a_phone_nothing_sticks_out_and_the_result_comes_into_view(
    visitors: Visitors, site: Site, film: Path, green_gif: Path
) -> None:
    page = visitors.open(site.url, **PHONE, device_scale_factor=2, is_mobile=True, has_touch=True)
    overhang = "document.documentElement.scrollWidth - innerWidth"
    assert page.evaluate(overhang) <= 0
    watched(page, film, green_gif)
    page.wait_for_function("""() => {
        const box = document.querySelector("#gifs-result").getBoundingClientRect();
        return box.top > -50 && box.top < innerHeight / 2;
    }""")
    assert page.evaluate(overhang) <= 0
    open_trimmer(page)
    assert page.evaluate(overhang) <= 0


@browser
def test_the_keyboard_reaches_everything_from_a_taste_to_the_saved_file(page: Page) -> None:
    tab_to(page, "Add GIFs")
    tab_to(page, "Coffee")
    page.keyboard.press("Enter")
    status(page, "Watched 1:10 of video")
    wait_for_gifs(page)
    for control in ("Find my GIFs", "How personal", "More like this", "Not for me", "Trim", "Save"):
        tab_to(page, control)
    tab_to(page, "Play GIF 1 for you")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('.screen video').currentTime > 0")
    tab_to(page, "moments as a table")


@browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_text_stands_out_in_light_and_in_dark(
    visitors: Visitors, site: Site, tmp_path: Path, film: Path, green_gif: Path, theme: str
) -> None:
    page = visitors.open(f"{site.url}?__theme={theme}")
    assert page.evaluate(CONTRAST) == []
    watched(page, film, green_gif)
    page.get_by_text("moments as a table").click()
    page.get_by_text("Number, length, size and format").click()
    open_trimmer(page)
    yours(page).nth(1).get_by_text("Not for me").click()
    page.get_by_text("Not for you:").wait_for()
    wait_for_gifs(page)
    assert page.evaluate(CONTRAST) == []
    (tmp_path / "broken.gif").write_bytes(b"GIF89a")
    like(page, tmp_path / "broken.gif")
    status(page, "broken.gif could not be added.")
    assert page.evaluate(CONTRAST) == []
