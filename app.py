"""The suite as one page: every demo is a tab, `?tab=<id>` opens one of them.

Start it with `python app.py`.
"""

import spaces  # noqa: F401  # before torch: on ZeroGPU it takes CUDA's place

# isort: split
import logging
from collections.abc import Callable, Mapping

import gradio as gr

from demos.components import part, render
from demos.exposure import build_exposure
from demos.front import Told
from demos.gifs import build_gifs
from demos.interactions import build_interactions
from demos.shell import launch, page

# tab id: (label, function that builds the tab)
TABS: dict[str, tuple[str, Callable[[], None]]] = {
    "gifs": ("GIFs", build_gifs),  # three short labels, so that a phone shows them all
    "interactions": ("Interactions", build_interactions),
    "exposure": ("Exposure", build_exposure),
}


TITLE = "Vision models"
TOLD = Told(
    TITLE, "Three vision papers of 2018 to try on your own videos and photos: GIF highlights, interactions, exposure."
)
TOLD_OF = {
    "gifs": Told(
        f"GIF highlights · {TITLE}",
        "Show a few GIFs that you like and drop in a video: the moments come back that you would have cut.",
    ),
    "interactions": Told(
        f"Interactions · {TITLE}", "Drop in a photo of people: see who does what to which object, and why."
    ),
    "exposure": Told(
        f"Exposure · {TITLE}",
        "Drop in a photo that came out too dark or too bright: get it back as it should have been.",
    ),
}


def build_app(tabs: Mapping[str, tuple[str, Callable[[], None]]] = TABS) -> gr.Blocks:
    """Compose `tabs` into one page."""
    with page(TITLE, "research you can try on your own pictures") as demo:
        with gr.Tabs(selected=next(iter(tabs))):
            for tab_id, (label, build) in tabs.items():
                with gr.Tab(label, id=tab_id):
                    build()
        part("address", render("address", title=TITLE, tabs={tab_id: label for tab_id, (label, _) in tabs.items()}))
    return demo


if __name__ == "__main__":
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for ours in ("demos", "vision_models"):
        logging.getLogger(ours).setLevel(logging.INFO)
    launch(build_app(), told=TOLD, told_of=TOLD_OF)
