"""Parts of the page, each with a template, a style sheet and a script of its own beside it.

Templates are Jinja2's, rendered here, which escapes every value. `gr.HTML` has templates too, but evaluates what they
give as a JavaScript template: a file that somebody called `${...}` would run in the page.
"""

from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr
import jinja2

HERE = Path(__file__).parent
STYLES = tuple(sorted(HERE.glob("*.css")))
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(name: str, **values: Any) -> str:
    """Return the HTML of a part: its template `<name>.html` with these values."""
    return _TEMPLATES.get_template(f"{name}.html").render(values)


@cache
def script(name: str) -> str:
    """Return what a part does in the browser: `<name>.js`, which may use what `place.js` knows."""
    return "".join((HERE / f"{file}.js").read_text(encoding="utf-8") for file in ("place", name))


def part(name: str, html: str = "", **options: Any) -> gr.HTML:
    """Lay out a part that has a script; what that triggers arrives as a `select` event."""
    return gr.HTML(html, js_on_load=script(name), apply_default_css=False, **options)
