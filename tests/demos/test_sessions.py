"""What stays in memory of those who have been here."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.request import Request, urlopen

import gradio as gr
import pytest
from conftest import launched
from gradio_client import Client

from demos.endpoint import endpoint
from demos.sessions import Sessions
from demos.shell import page


@pytest.fixture
def demo(page_files: Path) -> gr.Blocks:
    def shout(text: str) -> str:
        return text.upper()

    with page("A page", "for trying") as demo:
        seen = gr.State(0)
        text, button = gr.Textbox(), gr.Button()
        button.click(
            lambda known, said: (known + 1, f"{said} {known + 1}"), [seen, text], [seen, text], api_name="count"
        )
        endpoint(shout, "shout")
    return demo


def test_a_program_that_has_its_answer_leaves_nothing_behind(demo: gr.Blocks) -> None:
    with launched(demo) as url:
        call = f"{url.rstrip('/')}/gradio_api/call/shout"
        asked = Request(call, json.dumps({"data": ["a"]}).encode(), {"content-type": "application/json"})  # noqa: S310 - our own page
        name = json.loads(urlopen(asked).read())["event_id"]  # noqa: S310 - our own page
        assert b'["A"]' in urlopen(f"{call}/{name}").read()  # noqa: S310 - our own page
        assert not demo.state_holder.session_data
        assert not demo.state_holder.time_last_used


def test_a_visit_keeps_what_is_its_own_and_not_the_page(demo: gr.Blocks) -> None:
    with launched(demo) as url:
        visitor, other = Client(url, verbose=False), Client(url, verbose=False)
        said = [visitor.predict("a", api_name="/count"), visitor.predict("b", api_name="/count")]
        said.append(other.predict("c", api_name="/count"))
        assert said == ["a 1", "b 2", "c 1"]
        visits = demo.state_holder.session_data
        assert set(visits) == {visitor.session_hash, other.session_hash}
        assert not any(visit.config_values for visit in visits.values())
        visitor.close()
        other.close()


def test_a_visit_in_which_nobody_asks_for_anything_is_forgotten_with_its_files(demo: gr.Blocks) -> None:
    with launched(demo) as url:
        visitor = Client(url, verbose=False)
        visitor.predict("a", api_name="/count")
        sessions = Sessions(demo)
        sessions.forget_unused(60)
        assert visitor.predict("b", api_name="/count") == "b 2"
        sessions.forget_unused(0)
        assert visitor.predict("c", api_name="/count") == "c 1"
        visitor.close()
