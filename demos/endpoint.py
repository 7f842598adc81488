"""Functions that programs call, with what their docstrings say on the page's API page."""

import inspect
import re
from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio.context import Context

_PART = re.compile(r"^(Args|Returns):\n((?:[ \t]+.*\n?|\n)+)", re.MULTILINE)
_ARGUMENT = re.compile(r"^ {4}(\w+): ((?:.*\n?)(?: {5,}.*\n?)*)", re.MULTILINE)


def endpoint(function: Callable[..., Any], name: str, **options: Any) -> None:
    """Offer a function under a name; Gradio alone would call its parameters "1st", "2nd" and so on.

    Args:
        function: its docstring has a line for each parameter, and one for what it returns.
        name: of the endpoint.
        options: they go to `gr.api`.
    """
    dependency = gr.api(function, api_name=name, **options)
    parts = dict(_PART.findall((inspect.getdoc(function) or "") + "\n"))
    texts = {word: " ".join(text.split()) for word, text in _ARGUMENT.findall(parts.get("Args", ""))}
    blocks = Context.root_block.blocks if Context.root_block else {}
    # The request, which comes last and by itself, has no component.
    for number, word in zip(dependency["inputs"], inspect.signature(function).parameters, strict=False):
        component = blocks.get(number)
        if component is not None and word in texts:
            component.label = texts[word]
    for number in dependency["outputs"]:
        if (component := blocks.get(number)) is not None:
            component.label = " ".join(parts.get("Returns", "").split())
