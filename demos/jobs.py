"""What the page is busy with, whose it is, and what is told of it to those who run the page.

Gradio's queue says none of it to anybody else. What is used of it here is not documented: where it has changed, nothing
is counted and nobody is refused.
"""

import json
import logging
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any, cast

import gradio as gr

from demos.sessions import Sessions

LOG = logging.getLogger(__name__)
PLACES = 8  # of one visitor, waiting or at work; the queue has 32 for all
USUAL_SECONDS = 0.5  # of a job, as long as none of its kind has been seen
NEWER = 0.2  # how much the last job of a kind counts against all before it


class Jobs:
    """The jobs of a page, from the moment at which they are queued."""

    def __init__(self, demo: gr.Blocks, sessions: Sessions) -> None:
        self._demo = demo
        self._sessions = sessions
        self._queue = cast("Any", getattr(demo, "_queue", None))
        self._lock = threading.Lock()
        self._begun: dict[str, float] = {}  # by the job's name: when it began
        self.ended: Counter[tuple[str, str]] = Counter()  # by endpoint and outcome
        self.seconds: defaultdict[str, float] = defaultdict(float)  # by endpoint
        self._usual: defaultdict[str, float] = defaultdict(lambda: USUAL_SECONDS)  # by endpoint
        send = getattr(self._queue, "send_message", None)
        if send is None:
            LOG.warning("This Gradio's queue is another: jobs are neither counted nor limited.")
            return

        def watched(event: Any, message: Any) -> None:
            try:
                self._note(event, message)
            except AttributeError as error:
                LOG.warning(f"This Gradio's jobs are other ones: {error}")
            send(event, message)

        self._queue.send_message = watched

    def _note(self, event: Any, message: Any) -> None:
        kind, now = str(getattr(message, "msg", "")), time.monotonic()
        if kind.endswith("process_starts"):
            self._begun[_name(event)] = now
        if not kind.endswith("process_completed"):
            return
        begun = self._begun.pop(_name(event), now)
        endpoint, outcome = _endpoint(event.fn), "done" if message.success else "failed"
        with self._lock:
            self.ended[endpoint, outcome] += 1
            self.seconds[endpoint] += now - begun
            self._usual[endpoint] += NEWER * (now - begun - self._usual[endpoint])
        waited = max(begun - event.enqueue_time, 0.0)
        line = {"job": _name(event), "endpoint": endpoint, "outcome": outcome, "waited_s": round(waited, 3)}
        LOG.info(json.dumps(line | {"seconds": round(now - begun, 3)}))
        if session_of(event):
            self._sessions.slim(event.session_hash)
        else:
            self._sessions.forget(event.session_hash)

    def waiting(self) -> int:
        """How many jobs have not begun."""
        return len(list(self._waiting()))

    def running(self) -> int:
        """How many have, and are not done."""
        return len(list(self._running()))

    def of(self, visitor: str) -> int:
        """How many of them are one visitor's."""
        events = [*self._waiting(), *self._running()]
        return sum(visitor_of(event.request.scope, session_of(event)) == visitor for event in events)

    def before(self, asked: Mapping[str, Any], name: str) -> tuple[int, float]:
        """How many jobs wait for the same place as one that is asked for, and about how many seconds they will take.

        Args:
            asked: what the page sends, with `fn_index`.
            name: of the endpoint, which programs send instead.
        """
        functions = getattr(self._demo, "fns", {})
        wanted = functions.get(asked.get("fn_index")) or next(
            (function for function in functions.values() if function.api_name == name), None
        )
        place = getattr(wanted, "concurrency_id", None)
        waiting = [event for event in self._waiting() if event.concurrency_id == place]
        running = [event for event in self._running() if event.concurrency_id == place]
        with self._lock:
            return len(waiting), sum(self._usual[_endpoint(event.fn)] for event in waiting + running)

    def _waiting(self) -> Iterator[Any]:
        queues = getattr(self._queue, "event_queue_per_concurrency_id", {})
        for queue in list(queues.values()):
            yield from list(queue.queue)

    def _running(self) -> Iterator[Any]:
        for events in list(getattr(self._queue, "active_jobs", ())):
            yield from events or ()


def _endpoint(function: Any) -> str:
    return str(function.api_name or function.name)


def _name(event: Any) -> str:
    return str(event._id)  # noqa: SLF001 - the name by which Gradio's answers call it, nowhere else to be had


def session_of(event: Any) -> str:
    """The session that a job belongs to; jobs of programs that have none are each named by themselves."""
    return "" if event.session_hash == _name(event) else str(event.session_hash)


def visitor_of(scope: Mapping[str, Any], session: str) -> str:
    """Say who asks: an address as far as proxies tell it; on this machine's own net, where all have one, a session."""
    here = _peer(scope)
    if not _is_ours(here):
        return here
    # Each proxy adds to the end whom it has seen. What stands before, anybody can have made up.
    for address in reversed(_forwarded(scope)):
        if not _is_ours(address):
            return address
    return f"{here} {session}"


def is_near(scope: Mapping[str, Any]) -> bool:
    """Whether a request comes from this machine or its own net, and through no proxy."""
    return _is_ours(_peer(scope)) and not _forwarded(scope)


def _peer(scope: Mapping[str, Any]) -> str:
    return str((scope.get("client") or ("",))[0])


def _forwarded(scope: Mapping[str, Any]) -> list[str]:
    told = (value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"x-forwarded-for")
    return [part.strip() for header in told for part in header.split(",") if part.strip()]


def _is_ours(address: str) -> bool:
    """Whether an address is one of a proxy or of this machine: not of the public net."""
    try:
        return not ip_address(address).is_global
    except ValueError:
        return True
