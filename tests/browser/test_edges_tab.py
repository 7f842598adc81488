"""A fourth tab, built on the shape that the photo tabs share, does all that a visitor expects of one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import edges_tab
import numpy as np
import pytest
from conftest import Visitors, launched, save
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from numpy.typing import NDArray

from demos import photo_input
from demos.shell import page as new_page
from vision_models.media.photos import read_photo

if TYPE_CHECKING:
    from playwright.sync_api import Dialog, Page

browser = pytest.mark.browser
SHOWN = "#edges img"


@pytest.fixture(scope="module")
def looks() -> list[tuple[int, ...]]:
    """The shapes of the photos that the "network" was asked about."""
    return []


@pytest.fixture(scope="module")
def reads() -> list[str]:
    """The names of the files that were decoded."""
    return []


@pytest.fixture(scope="module")
def url(page_files: Path, looks: list[tuple[int, ...]], reads: list[str]) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        ask = edges_tab.median

        def noted(path: Path) -> NDArray[np.uint8]:
            reads.append(path.name)
            return read_photo(path)

        def median(image: NDArray[np.uint8]) -> float:
            looks.append(image.shape)
            return ask(image)

        patch.setattr(edges_tab, "median", median)
        patch.setattr(photo_input, "read_photo", noted)
        with new_page("Edges", "a fourth tab") as demo:
            edges_tab.build_edges()
        with launched(demo) as address:
            yield address


@pytest.fixture
def page(visitors: Visitors, url: str) -> Page:
    return visitors.open(f"{url}?__theme=light")


def upload(page: Page, photo: Path) -> None:
    page.locator("#edges-work input[type=file]").set_input_files(photo)


def drawn(page: Page) -> str:
    """The address of the drawing, once there is one."""
    page.locator("#edges-status").get_by_text("Done in").wait_for()
    page.locator(SHOWN).wait_for()
    return page.locator(SHOWN).get_attribute("src") or ""


def test_a_fourth_tab_costs_sixty_lines() -> None:
    assert len(Path(edges_tab.__file__).read_text(encoding="utf-8").splitlines()) <= 60


@browser
def test_a_photo_is_drawn_and_saved_in_full_size(page: Page, write_photo: Callable[..., Path]) -> None:
    photo = write_photo("wide.png", width=2500, height=100, brightness=0.9)
    upload(page, photo)
    shown = read_photo(page.request.get(drawn(page)).body())
    assert shown.shape == (82, 2048, 3)
    assert "2500 × 100 pixels, shown here at 2048 × 82" in page.locator("#edges-status").inner_text()
    saved = save(page, "Save drawing")
    assert saved.name == "wide-edges.png"
    assert read_photo(saved).shape == (100, 2500, 3)


@browser
def test_an_upload_is_decoded_once_and_a_file_is_made_on_the_click(
    page: Page, reads: list[str], page_files: Path, write_photo: Callable[..., Path]
) -> None:
    upload(page, write_photo("once.png", width=2200, height=50))
    drawn(page)
    assert reads.count("once.png") == 1
    assert list(page_files.rglob("once-edges.png")) == []
    save(page, "Save drawing")
    assert reads.count("once.png") == 2
    assert len(list(page_files.rglob("once-edges.png"))) == 1


@browser
def test_a_sample_is_drawn_by_one_click(page: Page) -> None:
    page.get_by_role("button", name="Astronaut").click()
    assert read_photo(page.request.get(drawn(page)).body()).shape == (512, 512, 3)


@browser
def test_a_sample_that_somebody_has_tried_is_not_looked_at_again(
    visitors: Visitors, page: Page, url: str, looks: list[tuple[int, ...]]
) -> None:
    page.get_by_role("button", name="Astronaut").click()
    drawn(page)
    asked = len(looks)
    other = visitors.open(url)
    other.get_by_role("button", name="Astronaut").click()
    assert read_photo(other.request.get(drawn(other)).body()).shape == (512, 512, 3)
    assert len(looks) == asked


@browser
def test_a_photo_is_taken_by_its_address_and_the_server_s_own_net_is_not_asked(
    page: Page, url: str, page_files: Path, write_photo: Callable[..., Path]
) -> None:
    address = page.get_by_label("Address of a photo")
    address.fill("http://127.0.0.1/secret.png")
    address.press("Enter")
    page.get_by_text("This address is not on the public net").wait_for()
    assert page.get_by_text("Your drawing appears here.").is_visible()
    (page_files / "by address").mkdir()
    photo = write_photo("far away.png", width=300, height=200, brightness=0.9)
    shutil.copy(photo, page_files / "by address")
    address.fill(f"{url}gradio_api/file={page_files}/by%20address/far%20away.png")  # the one place that a test may ask
    address.press("Enter")
    assert read_photo(page.request.get(drawn(page)).body()).shape == (200, 300, 3)
    assert address.input_value() == ""


@browser
def test_a_server_that_is_gone_is_told_of_until_it_is_back(visitors: Visitors, page: Page) -> None:
    page.route("**/*", lambda route: route.abort())
    page.get_by_role("button", name="Astronaut").click()
    lost = page.get_by_role("alert").filter(has_text="The server does not answer")
    lost.wait_for()
    page.unroute("**/*")
    lost.wait_for(state="hidden")
    assert all("ERR_FAILED" in trouble or "Failed to fetch" in trouble for trouble in visitors.troubles)
    visitors.troubles.clear()  # they were what this is about


@browser
def test_a_file_of_another_kind_is_refused_with_what_to_do(page: Page, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear photographer", encoding="utf-8")
    upload(page, tmp_path / "letter.txt")
    page.get_by_text("“letter.txt” is of a kind that is not taken here. Please choose another file.").wait_for()


@browser
def test_the_slider_draws_anew_without_another_look(page: Page, looks: list[tuple[int, ...]]) -> None:
    page.get_by_role("button", name="Astronaut").click()
    before, asked = drawn(page), len(looks)
    page.locator("#detail input[type=number]").fill("5")
    page.locator("#detail input[type=number]").press("Enter")
    page.locator(f"{SHOWN}[src='{before}']").wait_for(state="detached")
    old, new = (read_photo(page.request.get(address).body()) for address in (before, drawn(page)))
    assert (new < 255).sum() > (old < 255).sum() > 0  # a lower threshold lets more edges through
    assert len(looks) == asked


@browser
def test_what_is_no_photo_is_explained_and_removing_it_brings_the_empty_page_back(page: Page, tmp_path: Path) -> None:
    (tmp_path / "letter.png").write_bytes(b"Dear photographer")
    upload(page, tmp_path / "letter.png")
    page.locator("#edges-status").get_by_text("is not a photo that can be read here").wait_for()
    page.get_by_role("button", name="Astronaut").click()
    drawn(page)
    page.get_by_label("Remove Image").click()
    page.get_by_text("Your drawing appears here.").wait_for()
    assert page.locator("#edges-status").inner_text() == ""


@browser
def test_the_name_of_a_file_does_nothing_but_name_what_is_saved(page: Page, write_photo: Callable[..., Path]) -> None:
    asked: list[str] = []

    def note(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", note)
    upload(page, write_photo("${alert(1)}<img src=x onerror=alert(2)>.png", brightness=0.9))
    drawn(page)
    assert "onerror=alert(2)" in save(page, "Save drawing").name  # of the rest, Gradio takes away what harms disks
    assert page.locator("img[src=x]").count() == 0
    assert asked == []


def test_the_tab_is_an_api_too(url: str, write_photo: Callable[..., Path], tmp_path: Path) -> None:
    client = Client(url, verbose=False, download_files=tmp_path)
    drawing = client.predict(handle_file(write_photo()), 50, api_name="/edges")
    with pytest.raises(AppError, match="No photo arrived"):
        client.predict(None, api_name="/edges")
    client.close()
    assert read_photo(drawing).shape == read_photo(write_photo()).shape


@browser
@pytest.mark.parametrize("place", ["-1", "1"])
def test_a_sample_that_is_not_there_is_explained_and_changes_nothing(
    page: Page, looks: list[tuple[int, ...]], place: str
) -> None:
    asked = len(looks)
    sample = page.get_by_role("button", name="Astronaut")
    sample.evaluate(f"button => {{ button.value = '{place}'; button.click(); }}")
    page.get_by_text("This sample is no longer there").wait_for()
    assert page.get_by_text("Your drawing appears here.").is_visible()
    page.wait_for_function("document.querySelector('#edges-status').innerText === ''")
    assert len(looks) == asked
    sample.evaluate("button => { button.value = '0'; button.click(); }")
    drawn(page)
