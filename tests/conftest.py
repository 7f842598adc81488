"""Fixtures for everything that needs the page: one app, launched once, and browsers that look at it."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest

if TYPE_CHECKING:
    import gradio as gr
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

    from vision_models.exposure.predictor import ExposurePredictor

Result = TypeVar("Result")

ROOT = Path(__file__).parent.parent

BROWSER_SWITCHES = [
    "--no-sandbox",  # containers give Chromium no namespaces of its own
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
]


@dataclass(frozen=True)
class Site:
    """A launched app."""

    url: str
    files: Path  # where it keeps uploads and results
    predictor: ExposurePredictor
    runs: list[None]  # one for every time the networks ran


@contextmanager
def launched(demo: gr.Blocks, **options: Any) -> Iterator[str]:
    """Launch `demo` on a free port and give its address."""
    from demos.shell import launch

    with socket.socket() as probe:  # gradio, left to search for a port, leaks a socket for every one in use
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    _, url, _ = launch(demo, prevent_thread_lock=True, quiet=True, server_port=port, **options)
    try:
        yield url
    finally:
        demo.close(verbose=False)


def run_alone(tab: str, folder: Path, stand_ins: str = "") -> subprocess.CompletedProcess[str]:
    """Do in a folder what `python demos/<tab>.py` does, up to the launch. `stand_ins` is code that runs before it."""
    program = f"""
import runpy, sys, types, gradio
gradio.Blocks.launch = lambda *args, **options: sys.exit(print("launched"))
sys.path[0] = {str(ROOT / "demos")!r}
{stand_ins}
runpy.run_path({str(ROOT / "demos" / f"{tab}.py")!r}, run_name="__main__")
"""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def predictor() -> ExposurePredictor:
    """The predictor with the weights that come with the package."""
    from vision_models.exposure.config import WEIGHTS
    from vision_models.exposure.predictor import ExposurePredictor

    return ExposurePredictor.from_pretrained(WEIGHTS.bundled_path, device="cpu")


@pytest.fixture(scope="session")
def page_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty folder in place of Gradio's cache."""
    folder = tmp_path_factory.mktemp("gradio")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        yield folder


@pytest.fixture(scope="session")
def site(predictor: ExposurePredictor, page_files: Path) -> Iterator[Site]:
    """The whole app, as visitors see it."""
    from app import build_app
    from demos.exposure import build_exposure

    demo = build_app({"exposure": ("Exposure", lambda: build_exposure(lambda: (predictor, "")))})
    runs: list[None] = []
    counter = predictor.network.register_forward_hook(lambda *_: runs.append(None))
    with launched(demo) as url:
        yield Site(url, page_files, predictor, runs)
    counter.remove()


@pytest.fixture(scope="session")
def suite(page_files: Path) -> Iterator[str]:
    """The address of all three tabs, as `app.py` starts them."""
    from app import build_app

    with launched(build_app()) as url:
        yield url.rstrip("/")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("THE PAGE IS NOT TESTED: there is no `chromium` command. Debian: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=BROWSER_SWITCHES)
        yield browser
        browser.close()


@dataclass
class Visitors:
    """Opens pages the way visitors would, each with a browser profile of its own, and notes what goes wrong there."""

    browser: Browser
    contexts: list[BrowserContext] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def open(self, url: str, width: int = 1280, height: int = 900, **options: Any) -> Page:
        context = self.browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(180_000)  # ms: a busy machine takes seconds for what is there at once elsewhere
        self.contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: self.troubles.append(f"script error: {error}"))
        page.on("console", self._note_errors)
        page.on("request", self._note_other_hosts)
        page.goto(url)
        page.locator("h2").locator("visible=true").wait_for()
        return page

    def _note_errors(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.troubles.append(f"console: {said.text}")

    def _note_other_hosts(self, request: Request) -> None:
        if urlsplit(request.url).hostname not in {"127.0.0.1", None}:  # None: data and blob URLs
            self.troubles.append(f"request to another host: {request.url}")


def finish(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end; in a thread of its own, since Playwright keeps this one's loop running."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def save(page: Page, button: str) -> Path:
    """Save a file with a button as soon as that offers one, under the name that the page proposes."""
    page.get_by_text(button).wait_for()
    with page.expect_download() as download:
        page.get_by_text(button).click()
    path = Path(download.value.path())
    return path.rename(path.with_name(download.value.suggested_filename))


@pytest.fixture
def visitors(browser: Browser) -> Iterator[Visitors]:
    visitors = Visitors(browser)
    yield visitors
    for context in visitors.contexts:
        context.close()
    assert visitors.troubles == []


@pytest.fixture
def page(visitors: Visitors, site: Site) -> Page:
    """The app in a fresh browser, in light colours."""
    return visitors.open(f"{site.url}?__theme=light")


@pytest.fixture(scope="session")
def write_photo(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write a made photo, much too dark unless told otherwise, and return its path."""
    folder = tmp_path_factory.mktemp("photos")

    def write(name: str = "dark.png", width: int = 300, height: int = 200, brightness: float = 0.2) -> Path:
        across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
        image = np.stack([across, down, (np.sin(20 * across) + 1) / 2], axis=-1) * brightness * 255
        cv2.imwrite(str(folder / name), image.astype(np.uint8)[..., ::-1])
        return folder / name

    return write
