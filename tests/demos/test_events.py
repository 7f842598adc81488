"""What a page sends about itself may be out of date: a second click, or one on what has gone since."""

from __future__ import annotations

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
from demos.exposure import full_size
from demos.gif_events import Events, arrange
from demos.gif_visit import Visit
from demos.photo_input import shrink
from demos.photo_tab import Job
from demos.shell import line
from vision_models.exposure.predictor import ExposurePredictor
from vision_models.exposure.result import Estimate
from vision_models.gifs.result import Clip
from vision_models.media.photos import read_photo, write_png

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
        ("later", 0, "bac"),
        ("later", 2, "abc"),
        ("later", 7, "abc"),
    ],
)
def test_the_history_is_arranged_by_what_is_still_there(
    action: str, index: int, left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("demos.gif_events.gallery", lambda *_: "")
    visit, _ = arrange(Visit(liked=liked("a", "b", "c")), click(action=action, index=str(index)))
    assert names(visit.liked) == left


@pytest.mark.parametrize(("index", "left"), [(0, "y"), (5, "xy")])
def test_what_was_not_wanted_is_forgotten_once(index: int, left: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demos.gif_events.gallery", lambda *_: "")
    visit, _ = arrange(Visit(liked=liked("a"), disliked=liked("x", "y")), click(action="restore", index=str(index)))
    assert (names(visit.liked), names(visit.disliked)) == ("a", left)


@pytest.mark.parametrize(("side", "index"), [("0", "1"), ("1", "0"), ("0", "-1"), ("2", "0")])
def test_a_card_that_has_gone_is_not_judged(side: str, index: str) -> None:
    pick = Pick(Clip(start_s=1, end_s=5, score=1.0, segment=0, nearest=None, similarity=None), 50, None)
    visit = Visit(job=SimpleNamespace(), shown=((pick,), ()))  # type: ignore[arg-type]  # nothing of it is looked at
    events = Events(SimpleNamespace())  # type: ignore[arg-type]  # no network is asked
    answer = events.judge(visit, click(action="like", side=side, index=index), 240, 12.5, ".gif")
    assert answer[0] is visit
    assert all(one == gr.skip() for one in answer[1:])
    assert (visit.liked, visit.disliked) == ([], [])


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
def job(photo: Path, tmp_path: Path, predictor: ExposurePredictor) -> Job[Estimate]:
    """The photo as it is remembered once it was looked at, shown smaller than it is."""
    image = read_photo(photo)
    shown = write_png(shrink(image, 120), tmp_path / "shown.png")
    (tmp_path / "results").mkdir()
    return Job(photo, shown, tmp_path / "results", predictor.estimate(image))


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


def test_both_files_of_a_photo_are_rendered_once(job: Job[Estimate], renders: list[tuple[int, ...]]) -> None:
    corrected, light = full_size(job, 100)
    assert full_size(job, 100) == (corrected, light)
    assert renders == [(160, 240, 3)]
    assert read_photo(corrected).shape == (160, 240, 3)
    assert light.stat().st_size > 0


def test_another_strength_makes_another_photo_of_the_same_light(
    job: Job[Estimate], renders: list[tuple[int, ...]]
) -> None:
    full, light = full_size(job, 100)
    made = light.stat().st_mtime_ns
    half, same = full_size(job, 50)
    assert full != half
    assert (same, same.stat().st_mtime_ns) == (light, made)
    assert len(renders) == 2


def test_what_is_shown_is_rendered_at_the_size_of_a_screen(
    job: Job[Estimate], renders: list[tuple[int, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    screen = read_photo(job.shown)
    exposure.compare(job, screen, 100)
    exposure.expose(job, screen, 0)
    assert renders == [(80, 120, 3)] * 2
    assert list(job.folder.iterdir()) == []  # no file of full size before somebody asks for it


# ---- names


def test_names_of_files_come_out_as_text(tmp_path: Path) -> None:
    gif = tmp_path / "a.gif"
    gif.write_bytes(b"GIF89a")
    one = Liked(gif, HOSTILE, np.zeros(3, np.float32))
    clip = Clip(start_s=1, end_s=5, score=1.0, segment=0, nearest=0, similarity=0.9)
    named = tmp_path / "${alert(1)}<b>.gif"
    named.write_bytes(b"GIF89a")
    history, cards, said = gallery([one], [one]), sides([], [Pick(clip, 50, one, named)], [one]), line(HOSTILE)
    for html in (history, cards, said):
        assert "<img src=x" not in html
        assert "<b>.gif" not in html
    assert "{{ 7 * 7 }} &lt;img" in said
