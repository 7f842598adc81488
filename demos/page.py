"""What every page of ours shares: settings, header, footer, and how it is launched."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr

from demos.theme import THEME

HERE = Path(__file__).parent
KEEP_SECONDS = 3600  # how long uploads and results stay on the server
PRIVACY = """Your photo goes to the server that runs this page and is used for your result alone. Photos and results
are deleted after an hour. Until then, whoever is given the long random address of a file can open it."""


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
        "max_file_size": "60mb",
    }
    return demo.queue(max_size=32).launch(**(ours | options))
