"""What visitors see: the page in Chromium, with the bundled weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr
import numpy as np
import pytest
from accessibility import CONTRAST, PHONE, tab_to
from conftest import Site, Visitors, launched, save
from PIL import Image

from vision_models.media.photos import read_photo
from vision_models.media.radiance import read_radiance

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from playwright.sync_api import Locator, Page, Route

pytestmark = pytest.mark.browser


# ---- what visitors do


def upload(page: Page, photo: Path) -> None:
    page.locator("#exposure-work input[type=file]").set_input_files(photo)


def wait_until_done(page: Page) -> None:
    page.locator("#exposure-status").get_by_text("Done in").wait_for()
    page.wait_for_function("""() => {
        const pictures = [...document.querySelectorAll("#compare img")];
        return pictures.length === 2 && pictures.every((picture) => picture.complete && picture.naturalWidth);
    }""")


def pictures(page: Page) -> tuple[Locator, Locator]:
    """Before and after."""
    return page.locator("#compare img").nth(0), page.locator("#compare img").nth(1)


def content(page: Page, picture: Locator) -> NDArray[np.uint8]:
    """The pixels of a picture on the page."""
    return read_photo(page.request.get(picture.get_attribute("src") or "").body())


def wait_for_divider(page: Page, percent: float, tolerance: float = 1) -> None:
    """Wait until the line between before and after stands that far right."""
    page.wait_for_function(
        """([percent, tolerance]) => {
            const after = document.querySelectorAll("#compare img")[1];  // clipped away left of the line
            return Math.abs(parseFloat(after?.style.clipPath.split(" ").at(-1)) - percent) <= tolerance;
        }""",
        arg=[percent, tolerance],
    )


def wait_for_new(picture: Locator, old: str | None) -> None:
    """Wait until another file is shown."""
    picture.and_(picture.page.locator(f"[src='{old}']")).wait_for(state="detached")


# ---- the way of a photo


def test_a_sample_is_corrected_by_one_click(page: Page) -> None:
    page.get_by_role("button", name="Coffee, 4 stops too dark").click()
    wait_until_done(page)
    assert re.search(
        r"Done in \d+\.\d s: 600 × 400 pixels\. Brightened.*\. Weights: the bundled copy, compact",
        page.locator("#exposure-status").inner_text(),
    )
    before, after = pictures(page)
    assert content(page, before).mean() < 40
    assert content(page, after).mean() > content(page, before).mean() + 25


def test_what_stands_below_a_picture_hardly_moves_when_it_arrives(page: Page) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/after.png", hold)
    page.get_by_role("button", name="Coffee").click()
    page.locator("#exposure-status").get_by_text("Done in").wait_for()
    page.locator("#strength").wait_for()
    before = page.locator("#strength").bounding_box()
    while not held:
        page.wait_for_timeout(50)
    held[0].continue_()
    wait_until_done(page)
    after = page.locator("#strength").bounding_box()
    assert before
    assert after
    assert abs(after["y"] - before["y"]) < 200  # pixels of 900; without room for the picture, it is 500


SHIFTS = """() => {
    window.shift = 0;
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
    }).observe({type: "layout-shift", buffered: true});
}"""


@pytest.mark.parametrize("size", [{"width": 1280, "height": 800}, PHONE])
@pytest.mark.parametrize(("tab", "sample"), [("exposure", "Coffee"), ("interactions", "Cyclist")])
def test_nothing_in_view_jumps_while_the_page_and_its_result_arrive(
    visitors: Visitors, suite: str, size: dict[str, int], tab: str, sample: str
) -> None:
    page = visitors.open(suite, **size)
    page.add_init_script(f"({SHIFTS})()")
    page.goto(f"{suite}/?tab={tab}")
    page.get_by_role("button", name=sample).click()
    page.locator(f"#{tab}-status").get_by_text("Done in").wait_for()
    page.locator("#compare img, #pairs img").first.evaluate("picture => picture.decode()")
    page.wait_for_timeout(500)  # ms, in which all else arrives
    assert page.evaluate("shift") < 0.1  # what browsers' makers call good


def test_every_sample_has_a_picture_a_caption_and_a_licence(page: Page) -> None:
    samples = page.locator("#exposure-samples button")
    samples.first.wait_for()
    assert 3 <= samples.count() <= 6
    for sample in samples.all():
        assert sample.locator("img").evaluate("image => image.naturalWidth") > 100
        assert re.search(r"stops too (dark|bright)\s+(CC0|public domain)", sample.inner_text())


def test_before_is_left_after_is_right_and_both_lie_on_each_other(page: Page, write_photo: Callable[..., Path]) -> None:
    photo = write_photo()
    upload(page, photo)
    wait_until_done(page)
    before, after = pictures(page)
    assert before.bounding_box() == after.bounding_box()
    assert (content(page, before) == read_photo(photo)).all()
    wait_for_divider(page, 50)


def test_a_phone_photo_lying_on_its_side_stands_upright(page: Page, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees to the right
    lying = Image.linear_gradient("L").resize((120, 80)).convert("RGB")
    lying.save(tmp_path / "phone.jpg", exif=exif)
    upload(page, tmp_path / "phone.jpg")
    wait_until_done(page)
    assert "80 × 120 pixels" in page.locator("#exposure-status").inner_text()
    assert content(page, pictures(page)[1]).shape == (120, 80, 3)


def test_a_photo_that_browsers_cannot_show_is_shown_and_saved_in_full_size(
    page: Page, tmp_path: Path, site: Site, write_photo: Callable[..., Path]
) -> None:
    upload(page, write_photo("scan.tiff", width=2200, height=64))
    wait_until_done(page)
    page.wait_for_function("() => document.querySelector('#exposure-work img').naturalWidth === 2048")
    assert (
        "2200 × 64 pixels, shown here at 2048 × 60, saved in full size" in page.locator("#exposure-status").inner_text()
    )
    # Once more, from the readable copy that the input shows now: the result still has full size.
    after = pictures(page)[1]
    old = after.get_attribute("src")
    page.get_by_role("button", name="Correct the photo").click()
    wait_for_new(after, old)
    assert read_photo(save(page, "Save photo (.png")).shape == (64, 2200, 3)


def test_saved_files_have_full_size_and_the_photos_name(
    page: Page, site: Site, write_photo: Callable[..., Path]
) -> None:
    photo = write_photo("garden.png", width=2400, height=300)
    upload(page, photo)
    wait_until_done(page)
    corrected, radiance = save(page, "Save photo (.png"), save(page, "Save HDR (.exr")
    expected = site.predictor.correct(read_photo(photo))
    assert corrected.name == "garden-corrected.png"
    assert (read_photo(corrected) == expected.image).all()  # nothing lost on the way
    np.testing.assert_allclose(read_radiance(radiance), expected.radiance, rtol=2e-3, atol=1e-4)  # half floats


# ---- the controls of a result


def test_strength_redraws_without_asking_the_network_and_changes_the_file(
    page: Page, site: Site, write_photo: Callable[..., Path]
) -> None:
    photo = write_photo()
    upload(page, photo)
    wait_until_done(page)
    save(page, "Save photo (.png")
    runs = len(site.runs)
    after = pictures(page)[1]
    old = after.get_attribute("src")
    page.get_by_label("range slider for Strength").press("Home")
    wait_for_new(after, old)
    assert (content(page, after) == read_photo(photo)).all()
    assert (read_photo(save(page, "Save photo (.png")) == read_photo(photo)).all()
    old = after.get_attribute("src")
    page.locator("#strength").get_by_label("Reset to default value").click()
    wait_for_new(after, old)
    assert content(page, after).mean() > read_photo(photo).mean() + 20
    assert len(site.runs) == runs


def test_before_and_after_can_be_compared_with_the_keyboard_alone(page: Page, write_photo: Callable[..., Path]) -> None:
    upload(page, write_photo())
    wait_until_done(page)
    wait_for_divider(page, 50)
    for side, position in (("After", 0), ("Before", 100), ("Both", 50)):
        page.get_by_role("radio", name=side).press("Space")
        wait_for_divider(page, position)
    assert page.get_by_role("radio", name="Both").is_checked()


def test_the_divider_follows_the_mouse(page: Page, write_photo: Callable[..., Path]) -> None:
    upload(page, write_photo())
    wait_until_done(page)
    wait_for_divider(page, 50)
    box = pictures(page)[0].bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, middle, steps=5)
    page.mouse.up()
    wait_for_divider(page, 80, tolerance=3)
    assert pictures(page)[0].bounding_box() == box  # nothing but the divider has moved


def test_the_hdr_estimate_is_shown_at_the_chosen_exposure(
    page: Page, site: Site, write_photo: Callable[..., Path]
) -> None:
    upload(page, write_photo())
    wait_until_done(page)
    runs = len(site.runs)
    page.get_by_role("tab", name="HDR estimate").click()
    light = page.locator("#light img")
    light.wait_for()
    normal, old = content(page, light).mean(), light.get_attribute("src")
    page.get_by_label("range slider for Exposure").press("ArrowRight")
    wait_for_new(light, old)
    assert content(page, light).mean() > normal
    assert len(site.runs) == runs


# ---- what goes wrong


def test_a_damaged_photo_is_explained_in_one_sentence_and_the_next_one_works(
    page: Page, tmp_path: Path, write_photo: Callable[..., Path]
) -> None:
    good = write_photo()
    (tmp_path / "cut.png").write_bytes(good.read_bytes()[:2000])
    upload(page, good)
    wait_until_done(page)
    upload_again(page, tmp_path / "cut.png")
    page.get_by_text("This photo is damaged or incomplete.").wait_for()
    page.locator("#exposure-result").wait_for(state="hidden")  # not the last photo's
    assert page.locator(".toast-body").count() == 0  # said once
    upload_again(page, good)
    wait_until_done(page)
    assert page.locator("#exposure-result").is_visible()


def remove(page: Page) -> None:
    page.get_by_label("Remove Image").click()
    page.locator("#exposure-status p").wait_for(state="detached")


def upload_again(page: Page, photo: Path) -> None:
    remove(page)
    upload(page, photo)


def test_a_click_without_a_photo_asks_for_one(page: Page) -> None:
    page.get_by_role("button", name="Correct the photo").click()
    page.get_by_text("There is no photo yet.").wait_for()
    assert page.locator("#exposure-status [role=status]").inner_text().startswith("There is no photo yet.")


def test_removing_the_photo_leads_back_to_the_empty_page(page: Page, write_photo: Callable[..., Path]) -> None:
    upload(page, write_photo())
    wait_until_done(page)
    remove(page)
    page.get_by_text("Your corrected photo appears here").wait_for()
    page.locator("#exposure-result").wait_for(state="hidden")
    assert page.locator("#exposure-status").inner_text() == ""


def test_two_visitors_see_only_their_own_photos(
    visitors: Visitors, site: Site, write_photo: Callable[..., Path]
) -> None:
    photos = [write_photo("wide.png", width=260, height=90), write_photo("tall.png", width=90, height=260)]
    pages = [visitors.open(site.url) for _ in photos]
    for page, photo in zip(pages, photos, strict=True):
        upload(page, photo)
        wait_until_done(page)
    for page, photo in zip(pages, photos, strict=True):
        after = pictures(page)[1]
        old = after.get_attribute("src")
        page.get_by_label("range slider for Strength").press("Home")
        wait_for_new(after, old)
        own = read_photo(photo)
        for _ in range(50):  # on a busy machine, what the photo needs is drawn once more before
            if np.array_equal(content(page, after), own):
                break
            page.wait_for_timeout(200)
        assert np.array_equal(content(page, after), own)


# ---- the page itself


def test_the_empty_page_shows_what_is_to_come(page: Page) -> None:
    strip = page.locator("#exposure-empty img")
    strip.wait_for()
    page.wait_for_function("document.querySelector('#exposure-empty img').naturalWidth === 480")


def test_at_first_there_is_only_what_can_be_used(page: Page) -> None:
    page.get_by_text("Your corrected photo appears here").wait_for()
    for control in ("Strength (%)", "Save photo", "HDR estimate"):
        assert page.get_by_text(control).locator("visible=true").count() == 0


def test_a_load_asks_no_other_host_and_keeps_nothing_in_the_browser(page: Page) -> None:
    # Any request to another host fails every test here; see the fixture.
    page.get_by_text("Too dark? Too bright?").wait_for()
    assert page.context.cookies() == []
    assert "Privacy." in page.locator("body").inner_text()


@pytest.fixture(scope="module")
def two_tabs(page_files: Path) -> Iterator[str]:
    from app import build_app

    def tab(words: str) -> Callable[[], None]:
        def build() -> None:
            gr.HTML(f"<h2>{words}</h2>")

        return build

    with launched(build_app({"one": ("One", tab("The first")), "two": ("Two", tab("The second"))})) as url:
        yield url


@pytest.mark.parametrize(
    ("query", "shown"),
    [("?tab=two", "The second"), ("?tab=one", "The first"), ("", "The first"), ("?tab=x", "The first")],
)
def test_the_address_opens_the_tab(visitors: Visitors, two_tabs: str, query: str, shown: str) -> None:
    page = visitors.open(two_tabs + query)
    page.get_by_role("heading", name=shown).wait_for()
    assert page.get_by_role("heading", level=2).count() == 1


def test_the_page_works_inside_another_page(visitors: Visitors, site: Site, write_photo: Callable[..., Path]) -> None:
    page = visitors.open(site.url)
    page.set_content(f'<iframe src="{site.url}?tab=exposure&__theme=dark" width="900" height="900"></iframe>')
    frame = page.frame_locator("iframe")
    frame.locator("#exposure-work input[type=file]").set_input_files(write_photo())
    frame.locator("#exposure-status").get_by_text("Done in").wait_for()
    frame.locator("#compare img").nth(1).wait_for()
    assert frame.locator("#compare img").count() == 2


def test_on_a_phone_nothing_sticks_out_and_the_result_comes_into_view(
    visitors: Visitors, site: Site, write_photo: Callable[..., Path]
) -> None:
    page = visitors.open(site.url, **PHONE, device_scale_factor=2, is_mobile=True, has_touch=True)
    overhang = "document.documentElement.scrollWidth - innerWidth"
    assert page.evaluate(overhang) <= 0
    upload(page, write_photo())
    wait_until_done(page)
    page.wait_for_function("""() => {
        const box = document.querySelector("#compare").getBoundingClientRect();
        return box.height > 50 && box.top >= 0 && box.bottom <= innerHeight;
    }""")
    assert page.evaluate(overhang) <= 0
    page.get_by_role("tab", name="HDR estimate").tap()
    page.locator("#light img").wait_for()
    assert page.evaluate(overhang) <= 0


def test_the_keyboard_reaches_everything_from_a_sample_to_the_saved_file(page: Page) -> None:
    tab_to(page, "choose one")
    tab_to(page, "Correct the photo")
    tab_to(page, "Cat")
    page.keyboard.press("Enter")
    wait_until_done(page)
    for control in ("Before", "After", "Strength", "Save photo", "Save HDR"):
        tab_to(page, control)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_text_stands_out_in_light_and_in_dark(
    visitors: Visitors, site: Site, tmp_path: Path, write_photo: Callable[..., Path], theme: str
) -> None:
    page = visitors.open(f"{site.url}?__theme={theme}")
    (tmp_path / "empty.png").write_bytes(b"")
    assert page.evaluate(CONTRAST) == []
    upload(page, write_photo())
    wait_until_done(page)
    assert page.evaluate(CONTRAST) == []
    page.get_by_role("tab", name="HDR estimate").click()
    page.locator("#light img").wait_for()
    assert page.evaluate(CONTRAST) == []
    upload_again(page, tmp_path / "empty.png")
    page.get_by_text("This file is empty.").wait_for()
    assert page.evaluate(CONTRAST) == []
