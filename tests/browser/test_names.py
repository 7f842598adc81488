"""Whatever a file is called, the page shows its name and does nothing else with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr
import numpy as np
import pytest
from conftest import Visitors, launched
from PIL import Image

from demos.components import part
from demos.components.gif_cards import Pick, sides
from demos.components.history import Liked, gallery
from demos.shell import line, status_line
from demos.shell import page as new_page
from vision_models.gifs.result import Clip

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

HOSTILE = """${document.title = "a"} {{ document.title = "b" }} <img src=x onerror="document.title = 'c'"> & so on"""


def shown(gif: Path) -> tuple[str, str, str]:
    """The history, the cards and the status line with this name in them."""
    one = Liked(gif, HOSTILE, np.zeros(3, np.float32))
    clip = Clip(start_s=1, end_s=5, score=1.0, segment=0, nearest=0, similarity=0.9)
    return gallery([one], [one]), sides([], [Pick(clip, "", one, gif)], [one]), line(HOSTILE)


@pytest.fixture(scope="module")
def url(page_files: Path) -> Iterator[str]:
    """A page with parts of ours that are there at first, and drawn anew on a click."""
    gif = page_files / f"{HOSTILE}.gif"
    Image.new("RGB", (16, 16), (200, 30, 30)).save(gif)
    with new_page("Names", "of files") as demo:
        gr.HTML("<h2>Names</h2>")
        with gr.Column(elem_id="liked"):
            history = part("history", shown(gif)[0], elem_id="history")
        cards = part("actions", shown(gif)[1], elem_id="cards")
        said = status_line("said")
        gr.Button("Once more").click(lambda: shown(gif), None, [history, cards, said])
    with launched(demo) as address:
        yield address


def attribute(page: Page, name: str, selector: str) -> list[str]:
    return page.locator(selector).evaluate_all(f"(all) => all.map((one) => one.getAttribute('{name}'))")


PICTURES_ARE_THERE = """() => {
    const pictures = [...document.querySelectorAll("#history img, #cards img")];
    return pictures.length === 4 && pictures.every((one) => one.complete && one.naturalWidth === 16);
}"""


def test_the_name_of_a_file_is_shown_and_does_nothing(visitors: Visitors, url: str) -> None:
    page = visitors.open(url)
    for drawn_anew in (False, True):
        if drawn_anew:
            page.get_by_role("button", name="Once more").click()
            page.locator("#said p").wait_for()
            assert page.locator("#said").inner_text() == HOSTILE
        page.wait_for_function(PICTURES_ARE_THERE)
        assert attribute(page, "alt", "#history img") == [f"GIF 1, {HOSTILE}", f"Not for you: {HOSTILE}"]
        assert attribute(page, "aria-label", "#history button")[0] == f"Remove GIF 1, {HOSTILE}"
        assert attribute(page, "download", "#cards a") == [f"{HOSTILE}.gif"]
    assert page.title() == "Names"
