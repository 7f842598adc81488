"""What the page lets in, what it refuses and in which words, and what it tells those who run it."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import gradio as gr
import pytest
from conftest import ROOT, launched
from gradio_client import Client, handle_file

from demos import connections
from demos.endpoint import endpoint
from demos.gate import FEW, MOST_ADDRESSES, QUESTION_BYTES
from demos.jobs import PLACES, is_near, visitor_of
from demos.shell import launch, page

GO_ON = threading.Event()


@pytest.fixture(scope="module")
def url(page_files: Path) -> Iterator[str]:
    """A page with one job that waits until it is told to go on."""

    def work(text: str) -> str:
        GO_ON.wait(30)
        return text.upper()

    def often(text: str, times: int = 2) -> str:
        return text * times

    with page("A page", "for trying") as demo:
        gr.Interface(work, "text", "text", api_name="work")
        endpoint(often, "often")
    with launched(demo) as address:
        yield address.rstrip("/")


def ask(url: str, question: object = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
    body = question if isinstance(question, bytes | None) else json.dumps(question).encode()
    request = Request(url, body, {"content-type": "application/json"} | headers)  # noqa: S310 - our own page
    try:
        with urlopen(request, timeout=60) as answer:  # noqa: S310 - our own page
            return answer.status, {key.lower(): value for key, value in answer.headers.items()}, answer.read()
    except HTTPError as error:
        return error.code, {key.lower(): value for key, value in error.headers.items()}, error.read()


def join(url: str, session: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    config = json.loads(ask(f"{url}/config")[2])
    number = next(job["id"] for job in config["dependencies"] if job["api_name"] == "work")
    question = {"data": ["a"], "fn_index": number, "session_hash": session}
    return ask(f"{url}/gradio_api/queue/join", question, **headers)


def scope(peer: str, *forwarded: str) -> dict[str, object]:
    return {"client": (peer, 1), "headers": [(b"x-forwarded-for", part.encode()) for part in forwarded]}


@pytest.mark.parametrize(
    ("door", "question"),
    [
        ("gradio_api/proxy=http://127.0.0.1/secret", None),
        ("gradio_api/file=http://127.0.0.1/secret", None),
        ("gradio_api/process_recording", b"x"),
        ("gradio_api/runs", None),
        ("monitoring/summary", None),
        ("gradio_api/deep_link", None),
        ("gradio_api/run/work", {"data": ["a"]}),
        ("gradio_api/api/work", {"data": ["a"]}),
    ],
)
def test_doors_that_nobody_needs_are_closed(url: str, door: str, question: object) -> None:
    assert ask(f"{url}/{door}", question)[0] == 404


def test_those_who_run_the_page_learn_how_it_is(url: str) -> None:
    assert json.loads(ask(f"{url}/health")[2]) == {"status": "ok"}
    assert json.loads(ask(f"{url}/ready")[2])["ready"] is True
    said = ask(f"{url}/metrics")[2].decode()
    assert "vision_models_jobs_waiting 0" in said
    assert 'vision_models_requests_total{status="2xx"}' in said
    assert float(said.rpartition("vision_models_resident_memory_bytes ")[2]) > 1e6
    assert ask(f"{url}/metrics", **{"x-forwarded-for": "93.184.216.34"})[0] == 404


def test_a_disk_that_cannot_be_written_to_takes_no_uploads(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert ask(f"{url}/ready")[0] == 503
    status, _, said = ask(f"{url}/gradio_api/upload", b"")
    assert status == 507
    assert b"no room for files" in said


def test_answers_have_a_name_and_are_not_guessed_at(url: str) -> None:
    headers = ask(f"{url}/health", **{"x-request-id": "mine-1"})[1]
    assert headers["x-request-id"] == "mine-1"
    assert headers["x-content-type-options"] == "nosniff"
    assert ask(f"{url}/health", **{"x-request-id": "<script>"})[1]["x-request-id"] != "<script>"


def test_one_visitor_cannot_take_all_places_and_others_are_served(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demos.gate.LONGEST_WAIT_SECONDS", 60)
    wait_until(url, "jobs_waiting 0", "jobs_running 0")
    GO_ON.clear()
    try:
        assert [join(url, "greedy")[0] for _ in range(PLACES)] == [200] * PLACES
        status, headers, said = join(url, "greedy")
        assert status == 429
        assert int(headers["retry-after"]) >= 1
        assert "Please try again in about" in json.loads(said)["detail"]
        assert join(url, "modest")[0] == 200
        wait_until(url, f"jobs_waiting {PLACES}", "jobs_running 1")
    finally:
        GO_ON.set()


def test_who_would_wait_too_long_is_told_so_at_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demos.gate.LONGEST_WAIT_SECONDS", 0.1)
    wait_until(url, "jobs_waiting 0", "jobs_running 0")
    GO_ON.clear()
    try:
        assert join(url, "first")[0] == 200
        wait_until(url, "jobs_running 1")
        assert [join(url, f"visitor {number}")[0] for number in range(FEW)] == [200] * FEW
        status, headers, said = join(url, "one more")
        assert status == 503
        assert int(headers["retry-after"]) >= 1
        assert "Many people are here" in json.loads(said)["detail"]
    finally:
        GO_ON.set()


def test_each_job_leaves_one_line_that_names_nobody(url: str, caplog: pytest.LogCaptureFixture) -> None:
    from gradio_client import Client

    GO_ON.set()
    with caplog.at_level(logging.INFO, "demos.jobs"):
        assert Client(url, verbose=False).predict("secret", api_name="/work") == "SECRET"
    line = json.loads(next(text for text in reversed(caplog.messages) if text.startswith("{")))
    assert (line["endpoint"], line["outcome"]) == ("work", "done")
    assert set(line) == {"job", "endpoint", "outcome", "waited_s", "seconds"}
    assert "secret" not in caplog.text


@pytest.mark.parametrize("address", ["http://127.0.0.1/cat.jpg", "http://[::1]/cat.jpg", "http://169.254.169.254/meta"])
def test_nothing_of_the_machine_s_own_net_is_fetched_for_anybody(url: str, address: str) -> None:
    question = {"data": [{"path": address, "meta": {"_type": "gradio.FileData"}}]}
    status, _, said = ask(f"{url}/gradio_api/call/work", question)
    assert status == 400
    assert "not on the public net" in json.loads(said)["detail"]


def test_no_more_than_a_few_addresses_are_fetched_at_once(url: str) -> None:
    file = {"path": "https://example.com/cat.jpg", "meta": {"_type": "gradio.FileData"}}
    status, _, said = ask(f"{url}/gradio_api/call/work", {"data": [[file] * (MOST_ADDRESSES + 1)]})
    assert status == 400
    assert "at a time" in json.loads(said)["detail"]


def test_a_program_reads_why_an_address_is_not_fetched(url: str) -> None:
    client = Client(url, verbose=False)
    with pytest.raises(ValueError, match="not on the public net"):
        client.predict(handle_file("http://127.0.0.1/cat.jpg"), api_name="/work")


def test_what_is_left_out_at_the_end_is_as_on_the_page(url: str) -> None:
    GO_ON.set()
    event = json.loads(ask(f"{url}/gradio_api/call/often", {"data": ["ab"]})[2])["event_id"]
    assert b'["abab"]' in ask(f"{url}/gradio_api/call/often/{event}")[2]


def test_what_has_to_be_given_is_named(url: str) -> None:
    status, _, said = ask(f"{url}/gradio_api/call/often", {"data": []})
    assert status == 400
    assert json.loads(said)["detail"] == "text is missing. often takes, in this order: text, times."


def test_whoever_sends_no_whole_request_loses_the_connection(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)
    where = urlsplit(url)
    for begun in (b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /"):
        with socket.create_connection((where.hostname, where.port), timeout=30) as visitor:
            visitor.sendall(begun)
            answer = b"".join(iter(lambda: visitor.recv(4096), b""))  # to the end, which comes
        assert answer.count(b"200 OK") == begun.count(b"health")


def test_a_question_of_megabytes_is_refused(url: str) -> None:
    assert ask(f"{url}/gradio_api/call/work", {"data": ["a" * QUESTION_BYTES]})[0] == 413


def test_who_asks_is_told_by_the_proxies_that_can_be_trusted() -> None:
    assert visitor_of(scope("93.184.216.34", "1.1.1.1"), "s") == "93.184.216.34"
    assert visitor_of(scope("10.0.0.1", "6.6.6.6, 93.184.216.34, 10.0.0.2"), "s") == "93.184.216.34"
    assert visitor_of(scope("127.0.0.1"), "s") != visitor_of(scope("127.0.0.1"), "t")
    assert is_near(scope("127.0.0.1"))
    assert not is_near(scope("127.0.0.1", "93.184.216.34"))
    assert not is_near(scope("93.184.216.34"))


PROGRAM = """
import time, gradio as gr
from demos.shell import launch, page
def work(text):
    time.sleep(2)
    return text.upper()
with page("A page", "for trying") as demo:
    gr.Interface(work, "text", "text", api_name="work")
launch(demo, server_port={port})
"""


def test_a_page_that_is_told_to_end_finishes_what_it_has_begun(unused_port: int, tmp_path: Path) -> None:
    from gradio_client import Client

    program = [sys.executable, "-c", PROGRAM.format(port=unused_port)]
    environment = os.environ | {"GRADIO_TEMP_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(program, cwd=ROOT, env=environment, stdout=subprocess.PIPE)
    try:
        url = f"http://127.0.0.1:{unused_port}"
        wait_for(url)
        job = Client(url, verbose=False).submit("a", api_name="/work")
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        assert job.result(timeout=90) == "A"
        assert process.wait(timeout=90) == 0
    finally:
        process.kill()
        process.communicate()


def test_a_port_that_is_taken_ends_the_start_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def launch_in_vain(*_: object, **__: object) -> None:
        raise OSError("Cannot find empty port in range: 7860-7860.")

    monkeypatch.setattr(gr.Blocks, "launch", launch_in_vain)
    with page("A page", "for trying") as demo:
        gr.Markdown("nothing")
    with pytest.raises(SystemExit, match="Set GRADIO_SERVER_PORT to a port that is free"):
        launch(demo)


def wait_until(url: str, *figures: str) -> None:
    for _ in range(300):
        said = ask(f"{url}/metrics")[2].decode()
        if all(f"vision_models_{figure}\n" in said for figure in figures):
            return
        time.sleep(0.1)
    pytest.fail(f"never {figures}")


def wait_for(url: str) -> None:
    for _ in range(1200):
        try:
            if ask(f"{url}/health")[0] == 200:
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail("the page did not start")


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
