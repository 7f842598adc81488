"""Connections that ask for nothing: whoever opens one and sends no whole request, or one byte a minute, loses it.

uvicorn bounds how long a connection may rest between two requests, and not how long a request's head may take to come.
Each such connection is a file that the program holds open, of which it has some hundreds.
"""

import asyncio
from typing import Any

HEAD_SECONDS = 20.0  # until the head of a request is there


def impatient(protocol: type[Any]) -> type[Any]:
    """Return uvicorn's protocol for HTTP with that limit."""

    class Impatient(protocol):
        waiting: asyncio.TimerHandle | None = None  # for a head

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self.look_again()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.look_again()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self.stop_waiting()

        def look_again(self) -> None:
            if self.cycle is not None and not self.cycle.response_complete:
                self.stop_waiting()
            elif self.waiting is None:
                self.waiting = self.loop.call_later(HEAD_SECONDS, self.transport.close)

        def stop_waiting(self) -> None:
            if self.waiting is not None:
                self.waiting.cancel()
                self.waiting = None

    return Impatient
