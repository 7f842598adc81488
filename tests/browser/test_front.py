"""What a link to the page says in a chat, and where Back and a reload lead."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from urllib.request import Request, urlopen

import gradio as gr
import pytest
from conftest import Visitors, launched

from demos.components import part, render
from demos.front import Front, Told
from demos.shell import page

PAGE = Told("Our page", "What it is for.")
TABS = {"one": Told('The "first" tab', "It does <something>."), "two": Told("The second tab", "It does more.")}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with page("Our page", "for trying") as demo:
        with gr.Tabs() as bar:
            for tab_id, label in (("one", "First"), ("two", "Second")):
                with gr.Tab(label, id=tab_id):
                    gr.HTML(f"<h2>{label}</h2><p>This is {tab_id}.</p>")
        part("address", render("address", title="Our page", tabs={"one": "First", "two": "Second"}))

        def open_tab(request: gr.Request) -> gr.Tabs:
            return gr.Tabs(selected=request.query_params.get("tab", "one").lower())

        demo.load(open_tab, None, bar)
    with launched(demo, told=PAGE, told_of=TABS) as address:
        yield address


def fetched(url: str, **headers: str) -> tuple[bytes, dict[str, str]]:
    with urlopen(Request(url, headers=headers), timeout=60) as answer:  # noqa: S310 - our own page
        return answer.read(), {name.lower(): value for name, value in answer.headers.items()}


def told(html: str) -> dict[str, str]:
    return dict(re.findall(r'<meta (?:property|name)="(og:[\w:]+|description)" content="([^"]*)">', html))


@pytest.mark.browser
def test_a_link_says_what_the_page_and_each_tab_are_for(url: str) -> None:
    html = fetched(url)[0].decode()
    assert told(html)["og:title"] == "Our page"
    assert html.count("og:title") == html.count("<title>") == 1
    html = fetched(f"{url}?tab=ONE")[0].decode()
    assert told(html)["og:title"] == "The &quot;first&quot; tab"
    assert told(html)["description"] == told(html)["og:description"] == "It does &lt;something&gt;."
    picture, headers = fetched(told(html)["og:image"])
    assert headers["content-type"] == "image/jpeg"
    assert picture.startswith(b"\xff\xd8")


@pytest.mark.browser
def test_the_page_is_compressed_for_whoever_can_read_it(url: str) -> None:
    whole, _ = fetched(url)
    small, headers = fetched(url, **{"Accept-Encoding": "gzip"})
    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(small) == whole
    assert len(small) < len(whole) / 2


@pytest.mark.browser
def test_the_address_follows_the_tab_and_back_and_reload_lead_there(visitors: Visitors, url: str) -> None:
    page = visitors.open(f"{url}?tab=Two&keep=1")
    page.get_by_text("This is two.").wait_for()
    page.get_by_role("tab", name="First").click()
    page.wait_for_url("**/?tab=one&keep=1")
    assert page.title() == "First · Our page"
    page.reload()
    page.get_by_text("This is one.").wait_for()
    page.wait_for_function("document.title === 'First · Our page'")  # or nobody listens yet
    page.go_back()
    page.get_by_text("This is two.").wait_for()


def test_behind_a_proxy_the_addresses_are_those_of_the_proxy() -> None:
    async def nothing(*_: object) -> None:
        """Serve nothing."""

    front = Front(nothing, PAGE, TABS)
    html = front.mended("<head><title>x</title></head>", "https://demo.example/apps/ours", "tab=two")
    assert told(html)["og:url"] == "https://demo.example/apps/ours/?tab=two"
    assert told(html)["og:image"] == "https://demo.example/apps/ours/share.jpg"
