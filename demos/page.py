"""What every page of ours shares: settings, header, footer, and how it is launched."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import gradio as gr
from gradio.context import LocalContext
from gradio.utils import get_upload_folder, is_in_or_equal

from demos.theme import THEME
from vision_models.errors import VisionModelsError, WeightsError

if TYPE_CHECKING:
    from vision_models.weights.record import Weights, WeightsFile

Predictor = TypeVar("Predictor")

HERE = Path(__file__).parent
KEEP_SECONDS = 3600  # how long uploads and results stay on the server
UPLOAD_MEGABYTES = 500  # of one file
PRIVACY = """What you upload goes to the server that runs this page and is used for your result alone. Uploads and
results are deleted after an hour. Until then, whoever is given the long random address of a file can open it."""

FAILED = "That did not work. Please try again in a minute."

SHOW, HIDE = gr.update(visible=True), gr.update(visible=False)


@contextmanager
def page(title: str, sentence: str) -> Iterator[gr.Blocks]:
    """Open a page with our header and footer; what is built inside the `with` comes between."""
    with gr.Blocks(title=title, analytics_enabled=False, delete_cache=(600, KEEP_SECONDS)) as demo:
        gr.HTML(f"<h1>{title}</h1><p>{sentence}</p>", elem_id="header")
        yield demo
        gr.HTML(f"<p><strong>Privacy.</strong> {PRIVACY}</p>", elem_classes="fine")


def launch(demo: gr.Blocks, **options: Any) -> tuple[Any, str, str | None]:
    """Launch `demo` with our looks and nothing that keeps or reports what visitors do.

    Returns what `gr.Blocks.launch` returns; `options` go to it and win over the ones below.
    """
    ours = {
        "theme": THEME,
        "css_paths": HERE / "theme.css",
        "favicon_path": HERE.parent / "assets" / "favicon.svg",
        "footer_links": ["api"],
        "run_history": False,  # would keep a visitor's runs in the browser
        "enable_monitoring": False,  # would show the usage of the page to anyone
        "show_error": False,  # internal messages hold paths; ours reach the page as gr.Error
        "max_file_size": f"{UPLOAD_MEGABYTES}mb",
    }
    return demo.queue(max_size=32).launch(**(ours | options))


# ---- for every tab


def scroll_on_phones(selector: str) -> str:
    """Return the script that brings a result into view where the page is one column."""
    return f"""() => {{
    if (innerWidth > 700) return;
    document.documentElement.style.overflowAnchor = "none";  // or the pictures, arriving later, push the page on
    setTimeout(() => document.querySelector("{selector}")?.scrollIntoView(), 100);
}}"""


def line(text: str, kind: str = "") -> str:
    """Return one line of HTML that says how things stand."""
    return f'<p class="{kind}">{escape(text)}</p>'


def offer(what: str, file: Path) -> dict[str, Any]:
    """Return the update that lets a download button hand out a finished file."""
    size = max(file.stat().st_size / 1e6, 0.1)
    return gr.update(label=f"Save {what} ({file.suffix}, {size:.1f} MB)", value=str(file), interactive=True)


def load_or_fall_back(load: Callable[..., Predictor], weights: "Weights") -> tuple[Predictor, str]:
    """Load a predictor, by its `from_pretrained`; its bundled weights if a Hub repository was named in vain.

    Returns:
        The predictor, and a sentence for the page on why it is the bundled one, or "".
    """
    try:
        return load(), ""
    except WeightsError as error:
        return load(weights.bundled_path), f"{error} Until then, this page uses the weights bundled with it."


def weights_source(file: "WeightsFile") -> str:
    """Say in a few words which weights answer."""
    return {
        "bundled": "the bundled copy",
        "hub": f"{file.repo_id}@{(file.revision or '')[:7]} on the Hub",
        "path": f"the file {file.path.name}",
    }[file.origin]


@contextmanager
def errors_on_page() -> Iterator[None]:
    """Show our own errors to the visitor. Of any other, Gradio says no more than that there was one."""
    try:
        yield
    except VisionModelsError as error:
        raise gr.Error(str(error), print_exception=False) from error


@contextmanager
def new_folder() -> Iterator[Path]:
    """Make a folder in Gradio's cache; what is shown from it is deleted on schedule, or at once if the work fails."""
    Path(get_upload_folder()).mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=get_upload_folder()))
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder)
        raise


def deleted_on_schedule(file: Path) -> Path:
    """Have Gradio delete a file when it is an hour old, as it does with those that go through one of its components."""
    demo = LocalContext.blocks.get()
    if demo is not None:
        demo.upload_file_set.add(str(file))
    return file


def uploaded(file: object) -> Path | None:
    """Return where an uploaded file lies, or None: only a file in Gradio's cache can have been uploaded."""
    path = file.get("path") if isinstance(file, dict) else None
    return Path(path) if isinstance(path, str) and is_in_or_equal(path, get_upload_folder()) else None
