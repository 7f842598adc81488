"""What a full disk, a read-only disk and `kill -9` do to the page: `python tests/failures.py FOLDER`, by root on Linux.

FOLDER is an empty file system of its own of a little more than a gigabyte, which is filled and remounted:
`mount -t tmpfs -o size=1100m tmpfs FOLDER`. Prints what the page says, line by line.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import HTTPError

from load import ask, call, first_answer, free_port, own_photo, upload

ROOT = Path(__file__).parent.parent
LITTLE = 200  # megabytes; with them on the disk, less than a gigabyte is free
PHOTO, _ = own_photo(0)


def begin(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start a page that keeps its files in a folder; return it, and its address."""
    port = free_port()
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": str(folder)}
    page = subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )
    url = f"http://127.0.0.1:{port}"
    first_answer(page, url)
    return page, url


def tell(when: str, url: str, earlier: dict[str, object]) -> dict[str, object]:
    """Print whether the page is ready, takes a photo, and answers about one that it has; return the new photo."""
    said, new = [], earlier
    try:
        said.append(ask(f"{url}/ready", 0).decode())
    except HTTPError as error:
        said.append(f"{error.code} {error.read().decode()}")
    try:
        new = upload(url, 0, "p.png", PHOTO)
        said.append("taken")
    except HTTPError as error:
        said.append(f"{error.code} {error.read().decode()}")
    kind, answer = call(url, 0, "correct", new, 1.0)
    said.append("answered" if kind == "complete" else str(answer["error"]))
    for what, how in zip(("ready", "upload", "job"), said, strict=True):
        print(f"{when:>22} | {what:>6} | {how}", flush=True)  # noqa: T201 - what it is for
    return new


@contextmanager
def filled(file: Path, megabytes: int | None = None) -> Iterator[None]:
    """Fill the disk: with so much, or to the last byte."""
    with suppress(OSError), file.open("wb", buffering=0) as filler:
        for _ in range(megabytes or sys.maxsize):
            filler.write(bytes(2**20))
    yield
    file.unlink()


@contextmanager
def read_only(disk: Path) -> Iterator[None]:
    """Let nothing be written."""
    for how in ("ro", "rw"):
        subprocess.run(["mount", "-o", f"remount,{how}", disk], check=True)  # noqa: S607 - the system's
        if how == "ro":
            yield


def main() -> None:
    disk = Path(sys.argv[1]).resolve()
    page, url = begin(disk / "files")
    photo = tell("at first", url, {})
    with filled(disk / "filler", LITTLE):
        tell("under 1 GB free", url, photo)
    with filled(disk / "filler"):
        tell("full", url, photo)
    tell("with room again", url, photo)
    with read_only(disk):
        tell("read-only", url, photo)
    tell("writable again", url, photo)
    page.kill()
    page.wait()
    with read_only(disk):
        page, url = begin(disk / "files")
        tell("begun on read-only", url, photo)
        page.kill()
        page.wait()
    page, url = begin(disk / "files")
    tell("after two kill -9", url, photo)
    page.terminate()
    print(f"{'SIGTERM':>22} | ended with {page.wait(60)}")  # noqa: T201 - what it is for


if __name__ == "__main__":
    main()
