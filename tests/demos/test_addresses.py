"""Pictures by their address: what is fetched, and what is not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from conftest import finish

from demos import addresses
from demos.addresses import AddressError, fetch

PICTURE = b"a picture" * 1000


class Server(BaseHTTPRequestHandler):
    """A server of pictures, some of which are elsewhere, too large, or not there."""

    def do_GET(self) -> None:
        if self.path == "/inside":
            self.send_response(302)
            self.send_header("location", "http://127.0.0.2/secret")
        elif self.path == "/round":
            self.send_response(302)
            self.send_header("location", "/round")
        elif self.path == "/moved":
            self.send_response(301)
            self.send_header("location", "/cat.jpg")
        elif self.path == "/missing":
            self.send_response(404)
        else:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(PICTURE)
            return
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The server's address, which for once counts as public."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        monkeypatch.setattr(addresses, "_is_public", lambda place: place == "127.0.0.1")
        monkeypatch.setattr(addresses, "PORTS", {server.server_port, None})
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("name", ["cat.jpg", "moved"])
def test_a_picture_comes_whole_by_its_address(url: str, name: str, tmp_path: Path) -> None:
    file = finish(fetch(f"{url}/{name}"))
    assert file.read_bytes() == PICTURE
    assert file.name == "cat.jpg"
    assert file.is_relative_to(tmp_path / "uploads")


@pytest.mark.parametrize(
    ("name", "said"), [("inside", "not on the public net"), ("round", "check it"), ("missing", "404 Not Found")]
)
def test_what_does_not_come_is_explained(url: str, name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(AddressError, match=said):
        finish(fetch(f"{url}/{name}"))
    assert not list((tmp_path / "uploads").glob("*/*"))


def test_what_is_too_large_is_broken_off_and_deleted(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "MOST_MEGABYTES", len(PICTURE) // 2 / 1024**2)
    with pytest.raises(AddressError, match="larger than"):
        finish(fetch(f"{url}/cat.jpg"))
    assert not list((tmp_path / "uploads").glob("*"))


def test_a_file_of_this_page_is_found_and_not_fetched(url: str, tmp_path: Path) -> None:
    file = tmp_path / "uploads" / "some" / "my cat.jpg"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"cat")
    assert finish(fetch(f"https://somewhere.example/app/gradio_api/file={file.parent}/my%20cat.jpg")) == file


@pytest.mark.parametrize(
    "address",
    ["", "cat.jpg", "file:///etc/passwd", "ftp://example.com/a", "http://a@example.com/", "http://1.1.1.1:22/"],
)
def test_what_is_no_address_of_a_picture_is_refused(address: str) -> None:
    with pytest.raises(AddressError, match="https://"):
        finish(fetch(address))


@pytest.mark.parametrize(
    "place",
    [
        *(
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.1.2.3",
            "224.0.0.1",
        ),
        *("::1", "::", "fe80::1", "fd00::1", "::ffff:127.0.0.1", "2002:7f00:1::", "ff02::1"),
    ],
)
def test_the_machine_s_own_net_is_not_public(place: str) -> None:
    host = f"[{place}]" if ":" in place else place
    with pytest.raises(AddressError, match="not on the public net"):
        finish(fetch(f"http://{host}/secret"))
