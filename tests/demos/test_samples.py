"""What visitors can try is whole, however many of them click at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from demos.samples import store
from demos.samples.store import made_once
from demos.samples.videos import TASTES, liked_gifs, sample_video
from vision_models.media.videos import probe

Answer = TypeVar("Answer")
VISITORS = 4


@pytest.fixture(autouse=True)
def _nothing_is_made_yet() -> Iterator[None]:
    """A folder of samples of the test's own."""
    forget()
    yield
    forget()


def forget() -> None:
    store.sample_folder().cleanup()
    store.sample_folder.cache_clear()


def at_once(ask: Callable[[], Answer]) -> list[Answer]:
    """What several visitors get who ask at the same moment."""
    ready = threading.Barrier(VISITORS)

    def visit(_: int) -> Answer:
        ready.wait()
        return ask()

    with ThreadPoolExecutor(VISITORS) as visitors:
        return list(visitors.map(visit, range(VISITORS)))


def test_the_sample_video_is_whole_for_all_who_click_at_once() -> None:
    videos = at_once(sample_video)
    assert len(set(videos)) == 1
    assert [probe(video).duration_s for video in videos] == [70.0] * VISITORS


def test_the_gifs_of_a_taste_are_whole_for_all_who_click_at_once() -> None:
    answers = at_once(lambda: liked_gifs(TASTES[0]))
    assert len(set(answers)) == 1
    assert [probe(gif).height for gif in answers[0]] == [180] * len(TASTES[0].liked)


def test_a_sample_is_made_once_and_appears_when_it_is_whole() -> None:
    made: list[Path] = []

    def make_slowly(path: Path) -> None:
        made.append(path)
        path.write_bytes(b"half")
        time.sleep(0.05)
        path.write_bytes(b"whole")

    assert {path.read_bytes() for path in at_once(lambda: made_once("slow.txt", make_slowly))} == {b"whole"}
    assert len(made) == 1


def test_what_could_not_be_made_is_tried_again() -> None:
    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        made_once("again.txt", fail)
    assert list(Path(store.sample_folder().name).iterdir()) == []
    assert made_once("again.txt", lambda path: path.write_bytes(b"whole")).read_bytes() == b"whole"


def test_who_waits_while_it_cannot_be_made_makes_it_next() -> None:
    made: list[Path] = []

    def fail_at_first(path: Path) -> None:
        made.append(path)
        path.write_bytes(b"half")
        if len(made) == 1:
            raise OSError("no space left")
        path.write_bytes(b"whole")

    def ask() -> bytes:
        try:
            return made_once("waited.txt", fail_at_first).read_bytes()
        except OSError as error:
            return str(error).encode()

    assert sorted(at_once(ask)) == [b"no space left"] + [b"whole"] * (VISITORS - 1)
    assert len(made) == 2
