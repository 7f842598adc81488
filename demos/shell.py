"""What every page of ours shares: settings, header, footer, and how it is launched."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import gradio as gr

from demos.components import STYLES, render, script
from demos.connections import impatient
from demos.files import upload_folder
from demos.front import Front, Told
from demos.gate import Gate
from demos.jobs import Jobs
from demos.sessions import Sessions
from demos.sweeper import start_sweeping
from demos.theme import THEME
from vision_models.errors import WeightsError
from vision_models.media.ffmpeg import end_all

if TYPE_CHECKING:
    from vision_models.predictor import Predictor
    from vision_models.weights.record import WeightsFile

Answering = TypeVar("Answering", bound="Predictor[Any]")

HERE = Path(__file__).parent
DRAIN_SECONDS = 10  # for the jobs that run when the program is told to end
FETCH_SECONDS = 1.5  # in which the last answers are fetched
QUEUE = 32  # jobs that wait, of all visitors
KEEP_SECONDS = 3600  # how long uploads and results stay on the server
UPLOAD_MEGABYTES = 500  # of one file
PRIVACY = """What you upload, or have fetched from an address, goes to the server that runs this page and is used for
your result alone. Uploads and results are deleted after an hour. Until then, whoever is given the long random address
of a file can open it."""

FAILED = "That did not work. Please try again in a minute."

SHOW, HIDE = gr.update(visible=True), gr.update(visible=False)


@contextmanager
def page(title: str, sentence: str) -> Iterator[gr.Blocks]:
    """Open a page with our header and footer; what is built inside the `with` comes between."""
    os.environ["GRADIO_TEMP_DIR"] = str(upload_folder())
    if "gradio.mcp" in sys.modules:  # has read the variable when it was imported, and keeps there what assistants send
        setattr(sys.modules["gradio.mcp"], "DEFAULT_TEMP_DIR", str(upload_folder()))  # noqa: B010 - mypy knows no such module
    with gr.Blocks(title=title, analytics_enabled=False, delete_cache=(600, KEEP_SECONDS)) as demo:
        header = render("header", title=title, sentence=sentence)
        gr.HTML(header, js_on_load=script("header"), elem_id="header")
        yield demo
        gr.HTML(f"<p><strong>Privacy.</strong> {PRIVACY}</p>", elem_classes="fine")


def launch(
    demo: gr.Blocks, *, told: Told | None = None, told_of: Mapping[str, Told] = MappingProxyType({}), **options: Any
) -> tuple[Any, str, str | None]:
    """Launch `demo` with our looks and nothing that keeps or reports what visitors do.

    Args:
        demo: The page.
        told: What a link to it says in a chat.
        told_of: The same for its tabs, by their names in the address.
        options: They go to `gr.Blocks.launch`, and win over ours.

    Returns:
        What `gr.Blocks.launch` returns.
    """
    middleware, jobs, going = _guarded(demo, told, told_of)
    if not options.get("prevent_thread_lock"):  # or whoever launches the page ends it, too
        _leave_on_sigterm(jobs, going)
    ours = _ours() | {"app_kwargs": {"middleware": middleware}}
    try:
        started: tuple[Any, str, str | None] = demo.launch(**(ours | options | {"prevent_thread_lock": True}))
    except OSError as error:
        raise SystemExit(f"The page cannot start: {error} Set GRADIO_SERVER_PORT to a port that is free.") from error
    config = demo.server.config  # which uvicorn asks at each connection
    config.http_protocol_class = impatient(config.http_protocol_class)
    if not options.get("prevent_thread_lock"):
        demo.block_thread()
    return started


def mounted(app: Any, demo: gr.Blocks, told: Told, told_of: Mapping[str, Told]) -> Any:
    """Put `demo` into a FastAPI application that somebody else serves; all else is as with `launch`."""
    middleware, _, _ = _guarded(demo, told, told_of)
    for layer, _, options in reversed(middleware):
        app.add_middleware(layer, **options)  # the last one that is added sees a request first
    return gr.mount_gradio_app(app, demo, "", **_ours())


def _guarded(
    demo: gr.Blocks, told: Told | None, told_of: Mapping[str, Told]
) -> tuple[list[tuple[Any, tuple[()], dict[str, Any]]], Jobs, threading.Event]:
    """Queue the page's jobs and sweep its folder.

    Returns:
        What stands before Gradio, outermost first, as Starlette's Middleware unpacks to; the jobs; and what is set when
        the page is about to end.
    """
    demo.queue(max_size=QUEUE, api_open=False)  # not open: what has to queue has no way around the queue
    sessions, going = Sessions(demo), threading.Event()
    jobs = Jobs(demo, sessions)
    start_sweeping(upload_folder(), KEEP_SECONDS, sessions.forget_unused)
    endpoints = {name[1:]: end["parameters"] for name, end in demo.get_api_info()["named_endpoints"].items()}
    gate = {"jobs": jobs, "folder": upload_folder(), "is_going": going.is_set, "endpoints": endpoints}
    bars = [block for block in demo.blocks.values() if isinstance(block, gr.Tabs) and block.selected]
    tabs = [str(tab.id) for bar in bars[:1] for tab in bar.children if isinstance(tab, gr.Tab)]
    front = {"page": told or Told(demo.title, ""), "told_of": told_of, "tabs": tabs}
    return [(Gate, (), gate), (Front, (), front)], jobs, going


def _ours() -> dict[str, Any]:
    """Return our looks, and that nothing keeps or reports what visitors do."""
    return {
        "theme": THEME,
        "css_paths": [HERE / "theme.css", *STYLES],
        "favicon_path": HERE.parent / "assets" / "favicon.svg",
        "footer_links": ["api"],
        "run_history": False,  # would keep a visitor's runs in the browser
        "enable_monitoring": False,  # would show the usage of the page to anyone
        "mcp_server": find_spec("mcp") is not None,  # on a Space its platform decides whether it is there
        "show_error": False,  # internal messages hold paths; ours reach the page as gr.Error
        "max_file_size": f"{UPLOAD_MEGABYTES}mb",
    }


def _leave_on_sigterm(jobs: Jobs, going: threading.Event) -> None:
    """Told to end, take no new jobs, let those that run come to their end for some seconds, and end the program."""
    page = os.getpid()

    def leave(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one ends it at once
        if os.getpid() != page:  # a worker, which has this from the page that it was forked from
            os.kill(os.getpid(), signal.SIGTERM)
        going.set()
        until = time.monotonic() + DRAIN_SECONDS
        while jobs.waiting() + jobs.running() and time.monotonic() < until:
            time.sleep(0.1)
        time.sleep(FETCH_SECONDS)
        end_all()
        raise KeyboardInterrupt  # what Gradio closes its server on

    with suppress(ValueError):  # only a main thread hears signals
        signal.signal(signal.SIGTERM, leave)


# ---- for every tab


def opening(headline: str, sentence: str, excuse: str = "") -> None:
    """Lay out what a tab begins with: what it is for, and why its weights are not the wanted ones, if they are not."""
    gr.HTML(render("lead", headline=headline, sentence=sentence), elem_classes="lead")
    if excuse:
        gr.HTML(line(excuse), elem_classes="notice")


def status_line(elem_id: str) -> gr.HTML:
    """Lay out the line that says how things stand, which screen readers read out."""
    return gr.HTML(elem_id=elem_id, elem_classes="status", js_on_load=script("status"))


def scroll_on_phones(selector: str) -> str:
    """Return the script that brings a result into view where the page is one column."""
    return f"""() => {{
    if (innerWidth > 767) return;
    document.documentElement.style.overflowAnchor = "none";  // or the pictures, arriving later, push the page on
    setTimeout(() => document.querySelector("{selector}")?.scrollIntoView(), 100);
}}"""


def line(text: str, kind: str = "") -> str:
    """Return one line of HTML that says how things stand."""
    return render("status", text=text, kind=kind)


def load_or_fall_back(predictor: type[Answering]) -> tuple[Answering, str]:
    """Load a predictor; with its bundled weights if a Hub repository was named in vain.

    Returns:
        The predictor, and a sentence for the page on why it is the bundled one, or "".
    """
    try:
        return predictor.from_pretrained(), ""
    except WeightsError as error:
        excuse = f"{error} Until then, this page uses the weights bundled with it."
        return predictor.from_pretrained(predictor.weights.bundled_path), excuse


def weights_source(file: "WeightsFile") -> str:
    """Say in a few words which weights answer."""
    return {
        "bundled": "the bundled copy",
        "hub": f"{file.repo_id}@{(file.revision or '')[:7]} on the Hub",
        "path": f"the file {file.path.name}",
    }[file.origin]
