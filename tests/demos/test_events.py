"""What a page sends about itself may be out of date: a second click, or one on what has gone since."""

from __future__ import annotations

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
from numpy.typing import NDArray

from demos import exposure, interactions
from demos.components.gif_cards import Pick, sides
from demos.components.history import Liked, gallery
from demos.exposure import KINDS, LIGHT_FILE, PNG, Kind, full_size
from demos.gif_events import Events, arrange
from demos.gif_visit import Visit, left_out
from demos.photo_input import shrink
from demos.photo_tab import Job
from demos.shell import line
from vision_models.exposure.predictor import ExposurePredictor
from vision_models.exposure.result import Estimate
from vision_models.gifs.result import Clip
from vision_models.media.photos import read_photo, write_png
from vision_models.media.radiance import read_radiance, write_radiance

HOSTILE = """${alert(1)} {{ 7 * 7 }} <img src=x onerror="alert(2)"> & 'so'"""


def click(**said: Any) -> gr.EventData:
    """An event that carries what the page says."""
    return gr.EventData(None, said)


def liked(*names: str) -> list[Liked]:
    return [Liked(Path(f"{name}.gif"), name, np.zeros(3, np.float32)) for name in names]


def names(some: list[Liked]) -> str:
    return "".join(one.name for one in some)


@pytest.mark.parametrize(
    ("action", "index", "left"),
    [
        ("remove", 1, "ac"),
        ("remove", 3, "abc"),  # the second of two quick clicks on the last one
        ("remove", -1, "abc"),
        ("earlier", 2, "acb"),
        ("earlier", 0, "abc"),
        ("earlier", 3, "abc"),
        ("earlier", -1, "abc"),
        ("later", 0, "bac"),
        ("later", 2, "abc"),
        ("later", 7, "abc"),
        ("later", -1, "abc"),
    ],
)
def test_the_history_is_arranged_by_what_is_still_there(
    action: str, index: int, left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("demos.gif_events.gallery", lambda *_: "")
    visit, _ = arrange(Visit(liked=liked("a", "b", "c")), click(action=action, index=str(index)))
    assert names(visit.liked) == left


@pytest.mark.parametrize(("index", "left"), [(0, "y"), (5, "xy"), (-1, "xy")])
def test_what_was_not_wanted_is_forgotten_once(index: int, left: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demos.gif_events.gallery", lambda *_: "")
    visit, _ = arrange(Visit(liked=liked("a"), disliked=liked("x", "y")), click(action="restore", index=str(index)))
    assert (names(visit.liked), names(visit.disliked)) == ("a", left)


@pytest.mark.parametrize(("side", "index"), [("0", "1"), ("1", "0"), ("0", "-1"), ("2", "0"), ("-1", "0")])
def test_a_card_that_has_gone_is_not_judged(side: str, index: str) -> None:
    pick = Pick(Clip(start_s=1, end_s=5, score=1.0, segment=0, nearest=None, similarity=None), "", None)
    visit = Visit(job=SimpleNamespace(), shown=((pick,), ()))  # type: ignore[arg-type]  # nothing of it is looked at
    events = Events(SimpleNamespace())  # type: ignore[arg-type]  # no network is asked
    answer = events.judge(visit, click(action="like", side=side, index=index), 240, 12.5, ".gif")
    assert answer[0] is visit
    assert all(one == gr.skip() for one in answer[1:])
    assert (visit.liked, visit.disliked) == ([], [])


@pytest.mark.parametrize("index", ["-1", "99"])
def test_a_taste_that_is_not_there_changes_nothing(index: str) -> None:
    visit = Visit(liked=liked("a"))
    events = Events(SimpleNamespace())  # type: ignore[arg-type]  # no network is asked
    answers = list(events.take_taste(visit, None, click(action="taste", index=index)))
    assert answers == [(visit, gr.skip(), gr.skip(), gr.skip())]
    assert names(visit.liked) == "a"


@pytest.mark.parametrize("index", [1, -1, 99])
def test_a_pair_that_has_gone_explains_nothing(index: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interactions, "choose", lambda *_: None)
    monkeypatch.setattr(interactions, "pairs", lambda _: [SimpleNamespace()])  # there is but one
    event = gr.SelectData(None, {"index": index, "value": "rides"})
    for job in (None, SimpleNamespace(result=None)):
        assert interactions.choose_pair(job, event) == (gr.skip(),) * 3  # type: ignore[arg-type]


# ---- an upload


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    return write_png(random.integers(0, 60, (160, 240, 3), dtype=np.uint8), tmp_path / "dark.png")


@pytest.fixture
def job(photo: Path, tmp_path: Path, predictor: ExposurePredictor) -> exposure.ExposureJob:
    """The photo as it is remembered once it was looked at, shown smaller than it is."""
    image = read_photo(photo)
    shown = write_png(shrink(image, 120), tmp_path / "shown.png")
    (tmp_path / "results").mkdir()
    kept = exposure.keep_estimate(predictor.estimate(image), tmp_path / "results")
    return Job(photo, shown, tmp_path / "results", kept)


@pytest.fixture
def renders(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of the photos that were rendered."""
    shapes: list[tuple[int, ...]] = []
    render = Estimate.render

    def counted(self: Estimate, image: NDArray[np.uint8], strength: float = 1.0) -> Any:
        shapes.append(image.shape)
        return render(self, image, strength)

    monkeypatch.setattr(Estimate, "render", counted)
    return shapes


def test_each_file_is_made_once_and_no_other_with_it(job: exposure.ExposureJob, renders: list[tuple[int, ...]]) -> None:
    files = [full_size(job, 100, kind) for kind in KINDS]
    assert [full_size(job, 100, kind) for kind in KINDS] == files
    assert renders == [(160, 240, 3)] * len(KINDS)
    jpeg, png, hdr = (read_photo(file) for file in files[:3])
    assert jpeg.shape == png.shape == hdr.shape == (160, 240, 3)
    assert abs(png.mean() - jpeg.mean()) < 2
    assert abs(png.mean() - hdr.mean()) < 2
    assert read_radiance(files[3]).shape == (160, 240, 3)


def test_two_clicks_on_a_button_at_once_render_once_and_save_whole_files(
    job: exposure.ExposureJob, renders: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    half, asked = threading.Event(), threading.Event()

    def write_slowly(radiance: NDArray[np.float32], path: Path) -> Path:
        path.write_bytes(b"half")
        half.set()
        asked.wait(0.2)  # were the other click to be answered now, it would be at once
        return write_radiance(radiance, path)

    def click_too() -> bytes:
        assert half.wait(60)
        file = full_size(job, 100, LIGHT_FILE)
        asked.set()
        return file.read_bytes()

    monkeypatch.setattr(exposure, "write_radiance", write_slowly)
    with ThreadPoolExecutor(2) as clicks:
        too = clicks.submit(click_too)
        file = full_size(job, 100, LIGHT_FILE)
        assert too.result() == file.read_bytes()
    assert len(renders) == 1


@pytest.mark.parametrize(("writer", "kind"), [("write_radiance", LIGHT_FILE), ("write_photo", PNG)])
def test_a_file_that_could_not_be_written_is_made_at_the_next_click(
    job: exposure.ExposureJob, monkeypatch: pytest.MonkeyPatch, writer: str, kind: Kind
) -> None:
    def fail(_: object, path: Path) -> Path:
        path.write_bytes(b"half")
        raise OSError("no space left")

    with monkeypatch.context() as full_disk:
        full_disk.setattr(exposure, writer, fail)
        with pytest.raises(OSError, match="no space left"):
            full_size(job, 100, kind)
    read = read_radiance if kind is LIGHT_FILE else read_photo
    assert read(full_size(job, 100, kind)).shape == (160, 240, 3)


def test_another_strength_makes_another_photo_of_the_same_light(
    job: exposure.ExposureJob, renders: list[tuple[int, ...]]
) -> None:
    assert full_size(job, 100, PNG) != full_size(job, 50, PNG)
    assert full_size(job, 100, LIGHT_FILE) == full_size(job, 50, LIGHT_FILE)
    assert len(renders) == 3


@pytest.mark.parametrize("method", exposure.AGAINST)
def test_other_methods_correct_the_photo_on_the_left(
    method: str, job: exposure.ExposureJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    screen = read_photo(job.shown)
    shown = exposure.compare(job, screen, 100, method)
    assert shown["label"] == f"{method} (left) and after (right)"
    assert read_photo(shown["value"][0]).mean() != screen.mean()
    assert exposure.compare(job, screen, 100)["value"][0] == str(job.shown)


def test_what_is_shown_is_rendered_at_the_size_of_a_screen(
    job: exposure.ExposureJob, renders: list[tuple[int, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    screen = read_photo(job.shown)
    exposure.compare(job, screen, 100)
    exposure.expose(job, screen, 0)
    assert renders == [(80, 120, 3)] * 2
    assert list(job.folder.iterdir()) == [job.result]  # no file of full size before somebody asks for it


def test_a_visitor_s_photo_takes_no_memory_while_they_look_at_it(job: exposure.ExposureJob) -> None:
    assert len(pickle.dumps(job)) < 10_000


def test_an_estimate_that_was_deleted_meanwhile_is_explained(job: exposure.ExposureJob) -> None:
    job.result.unlink()
    with pytest.raises(gr.Error, match="no longer on the server"):
        exposure.compare(job, read_photo(job.shown), 100)


@pytest.mark.parametrize(
    ("need", "gain", "said"),
    [
        (0.0, 2.0, "Nothing to correct"),
        (0.2, 2.0, "Little to correct: 20 %"),
        (1.0, 2.0, "Brightened: 100 %"),
        (0.8, 0.5, "Darkened: 80 %"),
    ],
)
def test_the_page_says_how_much_was_corrected(need: float, gain: float, said: str) -> None:
    photo = np.random.default_rng(0).uniform(0.2, 0.4, (40, 40, 3)).astype(np.float32)
    estimate = Estimate(photo, np.float32(gain) * photo, photo, need)
    assert exposure.what_was_done(estimate).startswith(said)


def test_the_page_says_where_it_was_corrected() -> None:
    photo = np.full((40, 40, 3), 0.1, np.float32)
    photo[20:] = 0.6
    lifted, opposed = photo.copy(), photo.copy()
    lifted[:20] = opposed[:20] = 0.3
    opposed[20:] = 0.5
    assert "Brightened, most of all the shadows" in exposure.what_was_done(Estimate(photo, lifted * 1.02, photo))
    assert "Shadows brightened, lights darkened" in exposure.what_was_done(Estimate(photo, opposed, photo))


# ---- names


class Markup(HTMLParser):
    """What a browser would make of HTML: elements with their attributes, and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, tag: str, attribute: str) -> list[str | None]:
        return [attributes[attribute] for name, attributes in self.elements if name == tag and attribute in attributes]


@pytest.fixture
def gif(tmp_path: Path) -> Path:
    (tmp_path / f"{HOSTILE}.gif").write_bytes(b"GIF89a")
    return tmp_path / f"{HOSTILE}.gif"


def test_names_in_the_history_come_out_as_text(gif: Path) -> None:
    one = Liked(gif, HOSTILE, np.zeros(3, np.float32))
    history = Markup(gallery([one], [one]))
    assert history.values("img", "alt") == [f"GIF 1, {HOSTILE}", f"Not for you: {HOSTILE}"]
    titles = [f"Remove GIF 1, {HOSTILE}", f"Forget that {HOSTILE} is not for you"]
    assert history.values("button", "title") == history.values("button", "aria-label") == titles
    assert {name for tag, attributes in history.elements for name in attributes if tag == "img"} == {"src", "alt"}


def test_names_on_the_cards_come_out_as_text(gif: Path) -> None:
    one = Liked(gif, HOSTILE, np.zeros(3, np.float32))
    clip = Clip(start_s=1, end_s=5, score=1.0, segment=0, nearest=0, similarity=0.9)
    cards = Markup(sides([], [Pick(clip, "", one, gif)], [one]))
    assert cards.values("a", "download") == [gif.name]
    assert len(cards.values("img", "src")) == 2
    assert {name for tag, attributes in cards.elements for name in attributes if tag == "img"} == {"src", "alt"}
    assert "resembles your GIF 1" in cards.text


def test_names_in_the_status_line_come_out_as_text(gif: Path) -> None:
    for said, text in ((line(HOSTILE), HOSTILE), (left_out([(gif, "Sorry.")], 0), f"{gif.name} could not be added.")):
        status = Markup(said)
        assert [tag for tag, _ in status.elements] == ["p"]
        assert status.text.startswith(text)
