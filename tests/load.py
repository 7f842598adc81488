"""Many visitors at once, each in a process of its own: `python tests/load.py URL [--clients 50] [--seconds 120]`.

Every client uploads a photo of a colour that no other has, asks for the whole correction through the page's queue, and
checks that what comes back is its own. Prints how many were served and how quickly, how many were refused and how soon,
how many got somebody else's photo, and the page's memory before, after a first answer, and when it has come to rest.
Nothing but a page of your own should be the target.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import socket
import subprocess
import time
from contextlib import suppress
from http.client import HTTPException
from io import BytesIO
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4

import numpy as np

SIDE = 256  # pixels
START_SECONDS = 180
REST_S = 70  # after which the page has swept once more


def ask(url: str, client: int, body: bytes | None = None, kind: str = "text/plain") -> bytes:
    """Ask as a client of its own, as a proxy in front of the page would tell of it."""
    headers = {"Content-Type": kind, "X-Forwarded-For": f"93.184.{client // 250}.{client % 250 + 1}"}
    with urlopen(Request(url, body, headers), timeout=120) as answer:  # noqa: S310 - http alone
        return bytes(answer.read())


def upload(url: str, client: int, name: str, content: bytes) -> dict[str, Any]:
    """Upload a file; returns it as the page's endpoints take it."""
    boundary = uuid4().hex
    form = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode()
    form += content + f"\r\n--{boundary}--\r\n".encode()
    said = ask(f"{url}/gradio_api/upload", client, form, f"multipart/form-data; boundary={boundary}")
    return {"path": json.loads(said)[0], "meta": {"_type": "gradio.FileData"}}


def call(url: str, client: int, name: str, *data: object) -> tuple[str, Any]:
    """Ask an endpoint; returns how it ended, "complete" or "error", and what it said."""
    question = json.dumps({"data": data}).encode()
    told = ask(f"{url}/gradio_api/call/{name}", client, question, "application/json")
    said = ask(f"{url}/gradio_api/call/{name}/{json.loads(told)['event_id']}", client).decode()
    kind, _, rest = said.rpartition("event: ")[2].partition("\ndata: ")
    return kind, json.loads(rest.strip() or "null")


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def first_answer(page: subprocess.Popen[bytes], url: str) -> str:
    """What a page that has just been started answers, as soon as it does."""
    begun = time.monotonic()
    while page.poll() is None and time.monotonic() < begun + START_SECONDS:
        with suppress(OSError):
            return ask(url, 0).decode()
        time.sleep(0.5)
    raise SystemExit("The page does not answer.")


def own_photo(client: int) -> tuple[bytes, int]:
    """A dark photo in PNG that has a size of its own: it says whose it is."""
    from PIL import Image

    width = SIDE + client
    photo = np.random.default_rng(client).integers(0, 60, (SIDE, width, 3)).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(photo).save(file, "PNG")
    return file.getvalue(), width


def visit(url: str, client: int, until: float) -> list[tuple[str, float]]:
    """Ask again and again; what became of each, and after how many seconds that was known."""
    from PIL import Image

    photo, width = own_photo(client)
    found = []
    while time.time() < until:
        begun = time.monotonic()
        try:
            file = upload(url, client, "p.png", photo)
            begun = time.monotonic()
            kind, said = call(url, client, "correct", file, 1.0)
            if kind != "complete":
                found.append(("failed", time.monotonic() - begun))
                continue
            size = Image.open(BytesIO(ask(said[0]["url"], client))).size
            found.append(("served" if size == (width, SIDE) else "CROSSED", time.monotonic() - begun))
        except HTTPError as error:
            found.append((f"refused, {error.code}", time.monotonic() - begun))
            time.sleep(random.uniform(0.5, 1.5))  # noqa: S311 - not for secrets
        except (OSError, HTTPException):
            found.append(("broken off", time.monotonic() - begun))
            time.sleep(1)
    return found


def memory(url: str) -> float:
    """Megabytes that the page holds, as it tells those on its own machine; 0 where it does not."""
    with urlopen(f"{url}/metrics", timeout=60) as answer:  # noqa: S310 - http alone
        told = [line.split()[1] for line in answer.read().decode().splitlines() if "resident_memory_bytes " in line]
    return float(told[-1]) / 1e6 if told else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0] if __doc__ else "")
    parser.add_argument("url")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=120)
    wish = parser.parse_args()
    url = wish.url.rstrip("/")
    held = [memory(url)]
    visit(url, 0, time.time() + 1)
    held.append(memory(url))
    until = time.time() + wish.seconds
    with multiprocessing.get_context("spawn").Pool(wish.clients) as pool:
        asked = [(url, client, until) for client in range(wish.clients)]
        outcomes = [outcome for one in pool.starmap(visit, asked, chunksize=1) for outcome in one]
    for kind in sorted({kind for kind, _ in outcomes}):
        seconds = [taken for known, taken in outcomes if known == kind]
        middle, late = np.percentile(seconds, [50, 95])
        print(f"{kind}: {len(seconds)}, known after {middle:.2f} s (median), {late:.2f} s (95 %)")  # noqa: T201 - what it is for
    time.sleep(REST_S)
    held.append(memory(url))
    print("memory: {:.0f} MB before, {:.0f} after one answer, {:.0f} at rest again".format(*held))  # noqa: T201 - what it is for


if __name__ == "__main__":
    main()
