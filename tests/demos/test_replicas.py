"""Several copies of the page behind one address: who goes to which."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import finish

from demos.replicas import COOKIE, Recognising, visit_of


def scope(**headers: str) -> dict[str, Any]:
    names = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return {"type": "http", "client": ("93.184.216.34", 5), "headers": list(names.items())}


def loaded(asked: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    """The headers of the answer."""
    told: list[dict[str, Any]] = []

    async def page(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": b"page"})

    async def send(message: Any) -> None:
        told.append(message)

    finish(Recognising(page)(asked, None, send))  # type: ignore[arg-type]
    assert told[1]["body"] == b"page"
    return list(told[0]["headers"])


def test_a_browser_is_known_again_by_the_cookie_that_it_got_with_the_page() -> None:
    cookies = [value.decode() for name, value in loaded(scope(accept="text/html")) if name == b"set-cookie"]
    assert len(cookies) == 1
    assert "HttpOnly" in cookies[0]
    cookie = cookies[0].partition(";")[0]
    visit = visit_of(scope(cookie=f"theme=dark; {cookie}"))
    assert cookie == f"{COOKIE}={visit}"
    assert visit_of(scope(cookie=cookie, x_forwarded_for="1.1.1.1")) == visit
    again = loaded(scope(accept="text/html", cookie=cookie))
    assert [name for name, _ in again] == [b"content-type"]


@pytest.mark.parametrize(
    "cookie", ["", "visit=", "visit=../../etc", "visitor=0123456789abcdef", "visit=0123456789ABCDEF"]
)
def test_programs_are_known_by_their_address(cookie: str) -> None:
    assert visit_of(scope(cookie=cookie)) == "93.184.216.34"
    assert [name for name, _ in loaded(scope(accept="*/*", cookie=cookie))] == [b"content-type"]
