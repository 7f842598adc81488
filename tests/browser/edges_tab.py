"""The edges tab: a photo goes in, a drawing of its edges comes out. It stands for the tab of a fourth model."""

from pathlib import Path

import cv2
import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demos.endpoint import endpoint
from demos.files import new_folder
from demos.photo_input import pixels, sent
from demos.photo_tab import ON_GPU, Download, Job, View, Words, download_button, photo_tab
from demos.samples.photos import InstalledPhoto
from vision_models.media.photos import write_png

WORDS = Words(
    headline="Every edge, and nothing else.",
    sentence="Drop in a photo; its edges come back as a drawing.",
    empty="Your drawing appears here.",
    button="Draw the edges",
    working="Drawing…",
)
SAMPLES = [InstalledPhoto("astronaut", "Astronaut", "public domain, NASA")]


def median(image: NDArray[np.uint8]) -> float:
    """What the "network" says."""
    return float(np.median(image))


def draw(image: NDArray[np.uint8], middle: float, percent: float) -> NDArray[np.uint8]:
    return cv2.cvtColor(255 - cv2.Canny(image, middle * percent / 100, 2 * middle), cv2.COLOR_GRAY2RGB)


def show(job: Job[float], screen: NDArray[np.uint8], percent: float) -> str:
    with new_folder() as folder:
        return str(write_png(draw(screen, job.result, percent), folder / "edges.png"))


def save(job: Job[float], percent: float) -> Path:
    return write_png(draw(pixels(job.photo), job.result, percent), job.folder / f"{job.photo.stem}-edges.png")


def edges(photo: gr.FileData, percent: float = 66) -> gr.FileData:
    """Draw the edges of a photo."""
    image = pixels(sent(photo))
    with new_folder() as folder:
        return gr.FileData(path=str(write_png(draw(image, median(image), percent), folder / "edges.png")))


def build_edges() -> None:
    with photo_tab("edges", WORDS, SAMPLES) as tab:
        picture = gr.Image(label="Edges", format="png", interactive=False, elem_id="edges")
        detail = gr.Slider(0, 100, 66, step=1, label="Detail (%)", elem_id="detail")
        button = download_button("drawing", ".png")
    tab.wire(median, [View(show, [picture], [detail])], [Download(button, save, [detail])])
    endpoint(edges, "edges", **ON_GPU)
