"""What a link to the page looks like in a chat: the title, the sentence and the picture that the served HTML names."""

import gzip
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import gradio

import vision_models
from demos.pictures import picture_at

PICTURE = Path(__file__).parent.parent / "assets" / "share.jpg"
# What makes a `<gradio-app>` in somebody's page this page: it lies in Gradio's package, which does not serve it itself.
ELEMENT, ELEMENT_PATH = Path(gradio.__file__).parent / "templates" / "frontend" / "gradio.js", "/gradio.js"
PICTURE_PATH, PICTURE_SIZE = "/share.jpg", (1200, 630)

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_THEIRS = re.compile(r'<meta\s[^>]*?(?:property|name)="(?:og:\w+|twitter:[\w:]+|description)"[^>]*>\s*', re.DOTALL)
_MODELS = Path(vision_models.__file__).parent
_CARD = re.compile(r"/cards/(exposure|gifs|interactions)\.md")
_TITLE = re.compile(r"<title>.*?</title>", re.DOTALL)


class Told(NamedTuple):
    """What is said of a page, or of one of its tabs."""

    title: str
    description: str


class Front:
    """An ASGI application around Gradio's, which alone knows how the page is served."""

    def __init__(self, app: Application, page: Told, told_of: Mapping[str, Told], tabs: Sequence[str] = ()) -> None:
        """Stand before `app`, whose page is laid out with the first of `tabs` open."""
        self.app, self.page, self.told_of, self.tabs = app, page, told_of, tabs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer for pictures and model cards, mend the page that Gradio answers with, leave all else alone."""
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        asked = scope["type"] == "http" and scope["method"] in {"GET", "HEAD"}
        if asked and path == PICTURE_PATH:
            await answer(send, 200, PICTURE.read_bytes(), [(b"content-type", b"image/jpeg")])
        elif asked and (picture := picture_at(path)):
            kept = (b"cache-control", b"public, max-age=31536000, immutable")  # its name says what is in it
            await answer(send, 200, picture, [(b"content-type", b"image/jpeg"), kept])
        elif asked and (card := _CARD.fullmatch(path)):
            text = (_MODELS / card[1] / "MODEL_CARD.md").read_bytes()
            await answer(send, 200, text, [(b"content-type", b"text/plain; charset=utf-8")])
        elif asked and path == ELEMENT_PATH:
            anybody = (b"access-control-allow-origin", b"*")  # a module from elsewhere runs only where this is said
            await answer(send, 200, ELEMENT.read_bytes(), [(b"content-type", b"text/javascript"), anybody])
        elif asked and path in {"", "/"}:
            await self._mend(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _mend(self, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message = {}
        body = bytearray()

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                body.extend(message.get("body", b""))

        await self.app(scope, receive, keep)
        headers = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
        content = bytes(body)
        if dict(headers).get(b"content-type", b"").startswith(b"text/html") and content:
            content = self.mended(content.decode(), address(scope), scope.get("query_string", b"").decode()).encode()
            if b"gzip" in dict(scope["headers"]).get(b"accept-encoding", b""):
                content = gzip.compress(content, 6)
                headers += [(b"content-encoding", b"gzip"), (b"vary", b"accept-encoding")]
        await answer(send, start["status"], content, headers)

    def mended(self, html: str, where: str, query: str) -> str:
        """Say of the page, or of the tab that the query asks for, what is true of it, and no more what Gradio says."""
        tab = next(iter(parse_qs(query).get("tab", [])), "").lower()
        told = self.told_of.get(tab, self.page)
        place = f"{where}/?tab={tab}" if tab in self.told_of else f"{where}/"
        title, description = escape(told.title), escape(told.description)
        width, height = PICTURE_SIZE
        ours = f"""<title>{title}</title>
<meta name="description" content="{description}">
<meta property="og:type" content="website">
<meta property="og:title" content="{title}">
<meta property="og:description" content="{description}">
<meta property="og:url" content="{escape(place)}">
<meta property="og:image" content="{escape(where + PICTURE_PATH)}">
<meta property="og:image:width" content="{width}">
<meta property="og:image:height" content="{height}">
<meta name="twitter:card" content="summary_large_image">
"""
        bare = _TITLE.sub("", _THEIRS.sub("", html), count=1)
        if (
            tab in self.tabs
        ):  # in what Gradio lays the page out from, so that it begins with the tab and does not jump to it
            bare = bare.replace(f'"selected":"{self.tabs[0]}"', f'"selected":"{tab}"', 1)
        return bare.replace("<head>", f"<head>\n{ours}", 1)


def address(scope: Scope) -> str:
    """Where the visitor found the page, behind proxies, too; without a slash at the end."""
    headers = {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}
    scheme = (headers.get("x-forwarded-proto") or str(scope["scheme"])).split(",")[0].strip()
    host = headers.get("x-forwarded-host") or headers.get("host", "localhost")
    return f"{scheme}://{host}{scope.get('root_path', '').rstrip('/')}"


async def answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """Send a whole answer."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
