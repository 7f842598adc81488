"""The page in several copies behind one address, on Ray Serve: each visitor stays with one of them.

Who a visitor is says the cookie that the page sets when a browser loads it; programs, which keep none, their address.
A copy that dies is replaced; nobody but its own visitors notices.
"""

import logging
import os
import re
import signal
import time
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import Any

from demos.front import Application, Message, Receive, Scope, Send
from demos.jobs import visitor_of

COOKIE = "visit"
MOST_REQUESTS = 1000  # at a time, of one copy: each open page holds one
DRAIN_SECONDS = 15.0
_VISIT = re.compile(rf"(?:^|;\s*){COOKIE}=([0-9a-f]{{16}})(?:;|$)")


def visit_of(scope: Scope) -> str:
    """Say who asks: by the cookie of the page, or else by the address."""
    return _cookie(scope) or visitor_of(scope, "")


def _cookie(scope: Scope) -> str | None:
    cookies = (value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie")
    return next((match[1] for match in map(_VISIT.search, cookies) if match), None)


class Recognising:
    """An ASGI application around another: a browser that loads the page is given a cookie, which is a random number."""

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the other's answer and, where it is wanted, a cookie."""
        accepted = dict(scope.get("headers", ())).get(b"accept", b"")
        loads = b"text/html" in accepted and not _cookie(scope)

        async def sent(message: Message) -> None:
            if loads and message["type"] == "http.response.start":
                cookie = f"{COOKIE}={token_hex(8)}; Path=/; HttpOnly; SameSite=Lax".encode()
                message = {**message, "headers": [*message["headers"], (b"set-cookie", cookie)]}
            await send(message)

        await self.app(scope, receive, sent)


def build() -> Any:
    """Build one copy of the page, as an ASGI application."""
    from fastapi import FastAPI

    from app import TOLD, TOLD_OF, build_app
    from demos.shell import mounted

    logging.getLogger("demos").setLevel(logging.INFO)
    page = mounted(FastAPI(openapi_url=None), build_app(), TOLD, TOLD_OF)
    page.add_middleware(Recognising)
    return page


def serve(replicas: int, host: str, port: int) -> None:
    """Serve so many copies of the page until the program is told to end."""
    cores = os.cpu_count() or 1
    here, given = str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")
    os.environ |= {  # what all of Ray's processes begin with
        "RAY_USAGE_STATS_ENABLED": "0",  # nobody is told what runs here
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",  # its processes take their time on few cores, ...
        "RAY_SERVE_QUEUE_LENGTH_RESPONSE_DEADLINE_S": "5",  # ... and one that is busy is not gone,
        "RAY_SERVE_MAX_QUEUE_LENGTH_RESPONSE_DEADLINE_S": "10",
        "OMP_NUM_THREADS": str(max(cores // replicas, 1)),
        "PYTHONPATH": f"{here}{os.pathsep}{given}" if given else here,
    }
    import ray
    from ray import serve as engine
    from ray.serve.config import RequestRouterConfig
    from ray.serve.schema import LoggingConfig

    ray.init(num_cpus=max(cores, replicas), include_dashboard=False, log_to_driver=False)
    engine.start(http_options={"host": host, "port": port}, logging_config=LoggingConfig(log_level="WARNING"))
    page = engine.deployment(
        num_replicas=replicas,
        max_ongoing_requests=MOST_REQUESTS,
        graceful_shutdown_timeout_s=DRAIN_SECONDS,
        ray_actor_options={"num_cpus": 1},
        request_router_config=RequestRouterConfig(
            request_router_class="demos.replica_router.StickyRouter",
            request_router_kwargs={"num_fallback_replicas": 0},  # another copy knows nothing of the visitor
        ),
    )(engine.ingress(build)(type("Page", (), {})))
    engine.run(page.bind(), name="vision-models")
    print(f"{replicas} copies of the page at http://{host}:{port}", flush=True)  # noqa: T201 - where it is to be found
    with suppress(KeyboardInterrupt):
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # Ray's own aborts, and says so at length
        while True:
            time.sleep(3600)
    engine.shutdown()
    ray.shutdown()
