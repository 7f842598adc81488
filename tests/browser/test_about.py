"""What stands below each tab: how it works, whose idea it is, a link, and HTML that puts the tab on another page."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import urlopen

import gradio as gr
import pytest
from conftest import Visitors, launched

from demos.about import Paper, about
from demos.components import part, render
from demos.shell import page

pytestmark = pytest.mark.browser

PAPER = Paper("On Things", ("Doe", "Roe", "Poe"), "Things", 2018, "1234.56789")
PICTURE = "data:image/gif;base64,R0lGODlhAQABAIAAAP///wAAACwAAAAAAQABAAACAkQBADs="


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with page("Our page", "for trying") as demo:
        with gr.Tabs(), gr.Tab("Exposure", id="exposure"):
            gr.HTML(f"<h2>A tab</h2><img id=result src='{PICTURE}' alt='a result'>")
            more = gr.HTML("", elem_id="more")
            gr.Button("Grow").click(lambda: "<p style='height: 900px'>tall</p>", None, more)
            about("exposure", "First. Second. Third.", PAPER, "#result")
        part("address", render("address", title="Our page", tabs={"exposure": "Exposure"}))
    with launched(demo) as address:
        yield address.rstrip("/")


def test_a_link_to_the_tab_is_copied(visitors: Visitors, url: str) -> None:
    page = visitors.open(f"{url}/?tab=exposure", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").click()
    page.get_by_text("Link copied.").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == f"{url}/?tab=exposure"


def test_the_result_is_copied_as_a_picture_that_names_the_page(visitors: Visitors, url: str) -> None:
    page = visitors.open(url, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy picture").click()
    page.get_by_text("Picture copied.").wait_for()
    size = page.evaluate(
        """async () => {
            const [item] = await navigator.clipboard.read();
            const picture = await createImageBitmap(await item.getType("image/png"));
            return [picture.width, picture.height];
        }"""
    )
    assert size == [480, 480 + 24]  # the picture is a square; below it stands the address
    page.locator("#result").evaluate("picture => picture.remove()")
    page.get_by_role("button", name="Copy picture").click()
    page.get_by_text("There is no result yet.").wait_for()


def test_it_says_how_it_works_with_the_visitors_own_result(visitors: Visitors, url: str) -> None:
    page = visitors.open(url)
    page.get_by_text("How it works").click()
    page.get_by_text("First. Second. Third.").wait_for()
    picture = page.get_by_alt_text("The result above")
    picture.wait_for()
    assert picture.get_attribute("src") == PICTURE


def test_the_paper_can_be_cited_and_the_card_read(visitors: Visitors, url: str) -> None:
    page = visitors.open(url, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_text("Paper and citation").click()
    assert page.get_by_role("link", name="On Things").get_attribute("href") == "https://arxiv.org/abs/1234.56789"
    page.get_by_text("Doe et al., Things 2018").wait_for()
    page.get_by_role("button", name="Copy BibTeX").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()").startswith("@inproceedings{doe2018,")
    with urlopen(f"{url}/cards/exposure.md", timeout=60) as card:  # noqa: S310 - our own page
        assert b"## Limits" in card.read()


@pytest.mark.parametrize("width", [320, 390, 720, 760, 1024, 1920])
def test_in_a_frame_it_is_as_wide_as_that_and_as_high_as_its_content(visitors: Visitors, url: str, width: int) -> None:
    page = visitors.open(url)
    html = page.locator("[data-embed]").text_content() or ""
    page.set_viewport_size({"width": width, "height": 800})
    page.set_content(f"<!doctype html><body style='margin: 0'>{html}</body>")
    frame = page.frame_locator("iframe")
    frame.get_by_role("heading", name="A tab").wait_for()
    before = page.locator("iframe").evaluate("frame => frame.clientHeight")
    frame.get_by_role("button", name="Grow").click()
    page.wait_for_function("(before) => document.querySelector('iframe').clientHeight > before + 500", arg=before)
    inside = page.frames[-1]
    assert inside.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@contextmanager
def served(html: str) -> Iterator[str]:
    """Somebody's page, at an address of its own."""

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/blog"
        server.shutdown()


def test_without_a_frame_it_leaves_the_page_that_it_stands_on_as_it_is(visitors: Visitors, suite: str) -> None:
    page = visitors.open(f"{suite}/?tab=exposure")
    html = page.locator("#exposure-about [data-element]").text_content() or ""
    with served(f"<title>Blog</title><p>Text</p>{html}") as blog:
        page.goto(blog)
        page.get_by_role("heading", name="Too dark?").wait_for()  # the tab that the element asks for
        picture = page.get_by_role("button", name="Coffee").locator("img")
        assert picture.evaluate("async (picture) => { await picture.decode(); return picture.naturalWidth; }") > 100
        picture.click()
        page.locator("#exposure-status").get_by_text("Done in").wait_for()
        assert page.locator("#exposure-about [data-element]").text_content() == html
        page.get_by_role("tab", name="Interactions").click()
        page.get_by_role("heading", name="Who does what").wait_for()
        assert (page.title(), page.url) == ("Blog", blog)


def test_light_and_dark_are_one_click_away_and_a_reload_keeps_them(visitors: Visitors, url: str) -> None:
    page = visitors.open(f"{url}/?__theme=light")
    page.get_by_role("button", name="Light or dark").click()
    page.wait_for_url("**__theme=dark**")
    page.reload()
    page.locator("body.dark").wait_for()


def test_a_link_can_begin_with_a_sample(visitors: Visitors, suite: str) -> None:
    page = visitors.open(f"{suite}/?tab=exposure&sample=coffee")
    page.locator("#exposure-status").get_by_text("Done in").wait_for()
