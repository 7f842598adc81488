"""Who may ask for what, and how often: the outermost ASGI application, before Gradio sees a request.

It closes the doors that no page of ours needs, bounds what one visitor takes, and answers those who run the page:
`/health`, `/ready` and, on the machine's own net alone, `/metrics`.
"""

import asyncio
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import uuid4

from demos.addresses import AT_A_TIME, AddressError, fetch
from demos.files import NO_ROOM
from demos.front import Application, Message, Receive, Scope, Send, answer
from demos.jobs import PLACES, Jobs, is_near, visitor_of
from demos.sweeper import files_in

_CLOSED = re.compile(
    r"(/gradio_api)?/(run-history|runs|deep_link|monitoring|proxy=|process_recording|vibe-|undo-vibe-edit|profiling|dev/"
    r"|stream/|custom_component|file=https?:|file/https?:)"
)
_JOINS = re.compile(r"(/gradio_api)?/(queue/join|call/)")
_CALLS = re.compile(r"(?:/gradio_api)?/call/(\w+)/?$")
_UPLOADS = re.compile(r"(/gradio_api)?/upload/?$")
_FILES = re.compile(r"(/gradio_api)?/file[=/]")
_NAME = re.compile(rb"[\w.-]{1,64}")
QUESTION_BYTES = 2 * 1024**2  # of a request that uploads nothing
SILENT_SECONDS = 30.0  # between two pieces of a request
FREE_BYTES = 1024**3  # of the disk; with less, no upload is taken
INVALID = 400  # the status of what cannot be answered as it was asked
CLOSED = "There is nothing here."
TOO_LARGE = "This request is too large. Please upload files, and send their names."
TOO_SLOW = "This request did not arrive. Please try again."
LONGEST_WAIT_SECONDS = 3.0  # beyond, it is better to know
FEW = 4  # jobs that may wait however long they take
CROWDED = "Many people are here at the moment."
MOST_ADDRESSES = 8  # in one question
TOO_MANY = f"No more than {MOST_ADDRESSES} addresses at a time, please. Upload the files instead."
GOING = "This page is about to be restarted. Please try again in a minute."


class RefusedError(Exception):
    """A request that is not let in."""

    def __init__(self, status: int, reason: str, sentence: str, wait_s: float = 0) -> None:
        super().__init__(sentence)
        self.status, self.reason, self.sentence, self.wait_s = status, reason, sentence, wait_s


class Gate:
    """An ASGI application around another."""

    def __init__(
        self,
        app: Application,
        jobs: Jobs,
        folder: Path,
        is_going: Callable[[], bool],
        endpoints: Mapping[str, Sequence[Any]],
    ) -> None:
        """Stand before `app`; `endpoints` are the parameters of each, as `gr.Blocks.get_api_info` has them."""
        self.app, self.jobs, self.folder, self.is_going, self.endpoints = app, jobs, folder, is_going, endpoints
        self.fetching = asyncio.Semaphore(AT_A_TIME)
        self.answered: Counter[str] = Counter()  # by the first digit of the status
        self.refused: Counter[str] = Counter()  # by reason

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or say why not."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        name = next((value for key, value in scope["headers"] if key == b"x-request-id"), b"")
        name = name if _NAME.fullmatch(name) else uuid4().hex.encode()
        begun = False

        async def sent(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                self.answered[f"{message['status'] // 100}xx"] += 1
                more = [(b"x-request-id", name), (b"x-content-type-options", b"nosniff")]
                more += [(b"referrer-policy", b"no-referrer")]
                given = {key.lower() for key, _ in message["headers"]}
                if _FILES.match(path) and b"cache-control" not in given:
                    more += [(b"cache-control", b"private, max-age=3600")]  # of one visitor, and gone in an hour
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        try:
            if (told := self._told(scope, path)) is not None:
                await answer(sent, *told)
            else:
                await self.app(scope, await self._let_in(scope, path, receive), sent)
        except RefusedError as refusal:
            self.refused[refusal.reason] += 1
            if begun:
                raise  # the connection breaks off: there is no other way left to say so
            status, detail = _put(refusal, scope)
            content = json.dumps({"detail": detail, "error": refusal.sentence}).encode()
            headers = [(b"content-type", b"application/json")]
            if refusal.wait_s:
                headers += [(b"retry-after", str(round(refusal.wait_s)).encode())]
            await answer(sent, status, content, headers)

    def _told(self, scope: Scope, path: str) -> tuple[int, bytes, list[tuple[bytes, bytes]]] | None:
        """Answer those who run the page."""
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        if scope["method"] not in {"GET", "HEAD"}:
            return None
        if path == "/health":
            return 200, b'{"status": "ok"}', headers
        if path == "/ready":
            why_not = GOING if self.is_going() else "" if self._has_room() else NO_ROOM
            return (503 if why_not else 200), json.dumps({"ready": not why_not, "why": why_not}).encode(), headers
        if path == "/metrics" and is_near(scope):
            return 200, "".join(self._metrics()).encode(), [(b"content-type", b"text/plain; version=0.0.4")]
        return None

    async def _let_in(self, scope: Scope, path: str, receive: Receive) -> Receive:
        """Check a request; return where its body comes from, which for a question is what was read of it."""
        if _CLOSED.match(path):
            raise RefusedError(404, "closed", CLOSED)
        if scope["method"] != "POST":
            return receive
        if _UPLOADS.match(path):
            if not self._has_room():
                raise RefusedError(507, "no room", NO_ROOM, wait_s=120)
            return _impatient(receive)
        body = await _whole(_impatient(receive))
        if _JOINS.match(path):
            body = await self._queue_up(scope, path, body)
        read = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def again() -> Message:
            return next(read, None) or await receive()

        return again

    async def _queue_up(self, scope: Scope, path: str, body: bytes) -> bytes:
        """Refuse a job that would wait too long; return what is asked, with files where addresses were."""
        if self.is_going():
            raise RefusedError(503, "going", GOING, wait_s=30)
        try:
            asked = json.loads(body)
        except ValueError:
            return body  # Gradio says what is wrong with it
        if not isinstance(asked, dict):
            return body
        called = _CALLS.match(path)
        if called and isinstance(asked.get("data"), list):
            asked["data"] += _left_out(called[1], self.endpoints.get(called[1], ()), len(asked["data"]))
            body = json.dumps(asked).encode()
        waiting, seconds = self.jobs.before(asked, path.rstrip("/").rpartition("/")[2])
        again = f"Please try again in about {max(seconds, 1):.0f} s."
        if self.jobs.of(visitor_of(scope, str(asked.get("session_hash") or ""))) >= PLACES:
            raise RefusedError(429, "busy", f"{PLACES} of your jobs wait here already. {again}", max(seconds, 1))
        if waiting >= FEW and seconds > LONGEST_WAIT_SECONDS:
            raise RefusedError(503, "crowded", f"{CROWDED} {again}", max(seconds, 1))
        named = [file for file in _files(asked) if file["path"].lower().startswith(("http:", "https:"))]
        if not named:
            return body
        if len(named) > MOST_ADDRESSES:
            raise RefusedError(INVALID, "address", TOO_MANY)
        for file in named:
            try:
                async with self.fetching:
                    path = str(await fetch(file["path"]))
            except AddressError as error:
                raise RefusedError(INVALID, "address", str(error)) from error
            file.clear()
            file |= {"path": path, "meta": {"_type": "gradio.FileData"}}
        return json.dumps(asked).encode()

    def _has_room(self) -> bool:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            return os.access(self.folder, os.W_OK) and shutil.disk_usage(self.folder).free > FREE_BYTES
        except OSError:
            return False

    def _metrics(self) -> Iterator[str]:
        """Figures for Prometheus; none says who."""
        jobs = self.jobs
        yield from _figures("jobs_waiting", "gauge", {"": jobs.waiting()})
        yield from _figures("jobs_running", "gauge", {"": jobs.running()})
        ended = {f'{{endpoint="{end}",outcome="{out}"}}': count for (end, out), count in jobs.ended.items()}
        yield from _figures("jobs_total", "counter", ended)
        seconds = {f'{{endpoint="{endpoint}"}}': seconds for endpoint, seconds in jobs.seconds.items()}
        yield from _figures("job_seconds_total", "counter", seconds)
        answered = {f'{{status="{status}"}}': count for status, count in self.answered.items()}
        yield from _figures("requests_total", "counter", answered)
        refused = {f'{{reason="{reason}"}}': count for reason, count in self.refused.items()}
        yield from _figures("refused_total", "counter", refused)
        taken = sum(file.bytes for file in files_in(self.folder))
        yield from _figures("upload_bytes", "gauge", {"": taken})
        with suppress(OSError):  # other systems have no such file
            resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            yield from _figures("resident_memory_bytes", "gauge", {"": resident})


def _left_out(name: str, parameters: Sequence[Any], given: int) -> list[Any]:
    """Return the defaults of the parameters after the `given` first ones: Gradio fills them in by name alone."""
    if needed := [
        parameter["parameter_name"] for parameter in parameters[given:] if not parameter["parameter_has_default"]
    ]:
        order = ", ".join(parameter["parameter_name"] for parameter in parameters)
        raise RefusedError(INVALID, "arguments", f"{needed[0]} is missing. {name} takes, in this order: {order}.")
    return [parameter["parameter_default"] for parameter in parameters[given:]]


def _put(refusal: RefusedError, scope: Scope) -> tuple[int, object]:
    """Return a status and a sentence; for Gradio's Python client, through which assistants come, as it passes it on."""
    agent = next((value for name, value in scope["headers"] if name == b"user-agent"), b"")
    if refusal.status != INVALID or not agent.startswith(b"gradio_client"):
        return refusal.status, refusal.sentence
    part = {"__type__": "validate", "is_valid": False, "parameter_name": refusal.reason, "message": refusal.sentence}
    return HTTPStatus.UNPROCESSABLE_ENTITY, [part]


def _figures(name: str, kind: str, values: dict[str, Any]) -> Iterator[str]:
    yield f"# TYPE vision_models_{name} {kind}\n"
    for labels, value in values.items():
        yield f"vision_models_{name}{labels} {value}\n"


def _impatient(receive: Receive) -> Receive:
    """Where a body comes from, unless nothing comes for too long."""

    async def received() -> Message:
        try:
            return await asyncio.wait_for(receive(), SILENT_SECONDS)
        except TimeoutError as error:
            raise RefusedError(408, "slow", TOO_SLOW) from error

    return received


async def _whole(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return bytes(body)  # whoever asked has gone
        body.extend(message.get("body", b""))
        if len(body) > QUESTION_BYTES:
            raise RefusedError(413, "large", TOO_LARGE)
        if not message.get("more_body"):
            return bytes(body)


def _files(value: object) -> Iterator[dict[str, Any]]:
    """All files in what was sent, as Gradio describes them."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if isinstance(part.get("path"), str):
                yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
