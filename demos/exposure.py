"""The exposure tab: a photo that is far too dark or far too bright goes in, one in which you can see comes out.

`build_exposure()` puts the tab into a page; `python demos/exposure.py` runs it alone.
"""

import spaces  # before torch: on ZeroGPU it takes CUDA's place

# isort: split
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demos.page import (
    FAILED,
    HIDE,
    KEEP_SECONDS,
    SHOW,
    errors_on_page,
    launch,
    line,
    load_or_fall_back,
    new_folder,
    offer,
    page,
    scroll_on_phones,
    uploaded,
    weights_source,
)
from demos.photo_input import GONE, NO_PHOTO, open_photo, photo_input, pixel_size, pixels, readable, sent
from demos.samples import PICK, SAMPLES, exposure_strip, sample_buttons
from vision_models.errors import PhotoError
from vision_models.media.photos import MIN_SIDE, resize_to_fit, write_png
from vision_models.media.radiance import write_radiance

if TYPE_CHECKING:
    from vision_models.exposure.predictor import ExposurePredictor
    from vision_models.exposure.result import Estimate

PREVIEW_SIDE = 2048  # pixels: no screen shows more of a photo
LIGHT_SIDE = 1024  # pixels: the view of the HDR estimate has to keep up with a slider
RADIANCE = ".exr"  # a third of the size of .hdr, and written faster

HEADLINE = "Too dark? Too bright? Bring it back."
SENTENCE = """Drop in a photo that went wrong. A neural network works out what it should have looked like and gives it
back in full size, within seconds."""
EMPTY = """Your corrected photo appears here: slide between before and after, choose the strength, look at the light
behind it, take both home."""
STRENGTH = "At 0 the photo stays as it is."
LIGHT = "The light that the network thinks was there, as a camera set darker or brighter would have caught it."
ORIGIN = """After <a href="https://arxiv.org/abs/1804.04371">Image Correction via Deep Reciprocating HDR
Transformation</a> (Yang et al., CVPR 2018). Code and weights are ours, not the authors'."""

MOVE_DIVIDER = "(position) => ({__type__: 'update', slider_position: position})"


@dataclass(frozen=True, eq=False)
class Job:
    """The photo on a visitor's screen, as their session remembers it. All pixels stay in files."""

    photo: Path  # as uploaded
    preview: Path  # the same, upright and no larger than a screen
    estimate: "Estimate"  # what the network said about it


def load_predictor() -> tuple["ExposurePredictor", str]:
    """Return the predictor, and a sentence for the page if a Hub repository was named in vain."""
    from vision_models.exposure.config import WEIGHTS
    from vision_models.exposure.predictor import ExposurePredictor  # not above: it imports torch

    return load_or_fall_back(ExposurePredictor.from_pretrained, WEIGHTS)


# ---- one function per event


def announce() -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Say that work has begun, and withdraw the files of the photo before."""
    return line("Correcting…"), withdraw(), withdraw()


def forget() -> tuple[Any, ...]:
    """Go back to the empty page when the visitor removes the photo."""
    return None, None, HIDE, SHOW, ""


def pick_sample(event: gr.EventData) -> str:
    """Write the sample that was clicked to a file, and return its path."""
    sample = SAMPLES[event.index]
    with new_folder() as folder:
        return str(write_png(sample.photo(), folder / f"{sample.name}.png"))


def refuse(why: str = FAILED) -> tuple[Any, ...]:
    """Show the reason instead of a result; by default the one for a page that failed, or has too many visitors."""
    return None, None, HIDE, SHOW, line(why, "problem"), gr.skip()


def show(job: Job | None, percent: float) -> tuple[str, str]:
    """Return the photo before and after, at screen size; the network is not asked again."""
    if job is None:
        raise gr.Error(GONE, print_exception=False)
    after = job.estimate.render(pixels(job.preview), percent / 100).image
    with new_folder() as folder:
        return str(job.preview), str(write_png(after, folder / "after.png"))


def expose(job: Job | None, stops: float) -> str | None:
    """Return the HDR estimate as a camera set `stops` EV brighter would take it, at screen size."""
    if job is None:
        return None
    small = shrink(pixels(job.preview), LIGHT_SIDE)
    with new_folder() as folder:
        return str(write_png(job.estimate.render(small).expose(stops), folder / "light.png"))


def save_photo(job: Job | None, percent: float) -> Iterator[dict[str, Any]]:
    """Write the corrected photo in full size and offer it; offer nothing while that goes on."""
    yield PREPARING
    if job is not None:
        after = job.estimate.render(pixels(job.photo), percent / 100).image
        with new_folder() as folder:
            file = write_png(after, folder / f"{job.photo.stem}-corrected.png")
        yield offer("photo", file)


def withdraw() -> dict[str, Any]:
    """Offer no file that no longer belongs to what is on screen."""
    return PREPARING


def save_light(job: Job | None) -> Iterator[dict[str, Any]]:
    """Write the HDR estimate in full size and offer it; offer nothing while that goes on."""
    yield PREPARING
    if job is not None:
        light = job.estimate.render(pixels(job.photo)).radiance
        with new_folder() as folder:
            file = write_radiance(light, folder / f"{job.photo.stem}-light{RADIANCE}")
        yield offer("HDR", file)


# ---- what they are made of

PREPARING = gr.update(label="Preparing full size…", value=None, interactive=False)


def shrink(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Shrink a photo to `side` pixels on the long side, but never so far that it is too thin to be corrected."""
    short, long = sorted(image.shape[:2])
    return resize_to_fit(image, max(side, math.ceil(MIN_SIDE * long / short)))


def weights_line(predictor: "ExposurePredictor") -> str:
    """Say which weights answer, and whether they have the size of the paper's."""
    size = "the paper's size" if predictor.config.is_paper_size else "compact, smaller than in the paper"
    return f"Weights: {weights_source(predictor.weights_file)}, {size}."


# ---- the tab


def build_exposure(load: Callable[[], tuple["ExposurePredictor", str]] = load_predictor) -> None:
    """Lay the tab out inside the open `gr.Blocks` and wire it.

    Args:
        load: Called once; returns the predictor and, if its weights are not the wanted ones, the reason.
    """
    predictor, excuse = load()

    @spaces.GPU(duration=10)
    def estimate(image: NDArray[np.uint8]) -> "Estimate":
        with errors_on_page():  # in here, since ZeroGPU drops the message of any error but gr.Error
            return predictor.estimate(image)

    def correct(photo: dict[str, Any] | None, percent: float, job: Job | None) -> tuple[Any, ...]:
        """Ask the network about the photo and show the result, or say why there is none."""
        start = time.perf_counter()
        path = uploaded(photo)
        if path is None:
            return refuse(NO_PHOTO)
        if job and path == job.preview:  # the input shows our readable copy of a HEIC photo
            path = job.photo
        try:
            image = open_photo(path)
        except PhotoError as error:
            return refuse(str(error))
        shown = shrink(image, PREVIEW_SIDE)
        with new_folder() as folder:
            job = Job(path, write_png(shown, folder / "before.png"), estimate(image))
        pair = show(job, percent)
        done = f"Done in {max(time.perf_counter() - start, 0.1):.1f} s: {pixel_size(image)} pixels"
        if shown is not image:
            done += f", shown here at {pixel_size(shown)}, saved in full size"
        said = line(f"{done}. {weights_line(predictor)}")
        return job, pair, SHOW, HIDE, said, readable(path, job.preview)

    def correct_file(photo: gr.FileData, strength: float = 1.0) -> tuple[gr.FileData, gr.FileData]:
        """Correct the exposure of a photo, in its full size.

        Args:
            photo: A photo file (JPEG, PNG, WebP, HEIC, AVIF, TIFF), from 32x32 pixels to 50 megapixels.
            strength: From 0 (the photo as it is) to 1 (the full correction).

        Returns:
            The corrected photo as a PNG file, and the estimated light of the scene as an OpenEXR file
            (linear, 1.0 is white at a normal exposure). Both have the size of the photo.
        """
        path = sent(photo)
        if not isinstance(strength, int | float) or not 0 <= strength <= 1:
            raise gr.Error(f"strength has to be a number from 0 to 1, not {strength!r}.", print_exception=False)
        image = pixels(path)
        result = estimate(image).render(image, strength)
        with new_folder() as folder:
            corrected = write_png(result.image, folder / f"{path.stem}-corrected.png")
            light = write_radiance(result.radiance, folder / f"{path.stem}-light{RADIANCE}")
        return gr.FileData(path=str(corrected)), gr.FileData(path=str(light))

    # Layout
    job = gr.State(time_to_live=KEEP_SECONDS)
    gr.HTML(f"<h2>{HEADLINE}</h2><p>{SENTENCE}</p>", elem_classes="lead")
    if excuse:
        gr.HTML(line(excuse), elem_classes="notice")
    with gr.Row(equal_height=False, elem_id="work"):
        with gr.Column(scale=4, min_width=320):
            photo = photo_input()
            button = gr.Button("Correct the photo")
            status = gr.HTML(
                elem_id="status", elem_classes="status", js_on_load="element.setAttribute('role', 'status')"
            )
            samples = gr.HTML(sample_buttons(), js_on_load=PICK, apply_default_css=False, elem_id="samples")
        with gr.Column(scale=7, min_width=320):
            with gr.Column(elem_id="empty", elem_classes="empty") as empty:
                gr.HTML(f"{exposure_strip()}<p>{EMPTY}</p>")
            with gr.Column(visible=False, elem_id="result") as result:
                with gr.Tabs():
                    with gr.Tab("Corrected photo"):
                        compare = gr.ImageSlider(
                            label="Before (left) and after (right)",
                            format="png",
                            interactive=False,
                            buttons=["fullscreen"],
                            max_height=560,
                            elem_id="compare",
                        )
                        sides = [("Before", 100), ("Both", 50), ("After", 0)]
                        view = gr.Radio(sides, value=50, label="Show", elem_id="view")
                        strength = gr.Slider(
                            0, 100, 100, step=5, label="Strength (%)", info=STRENGTH, elem_id="strength"
                        )
                    with gr.Tab("HDR estimate"):
                        light = gr.Image(
                            label="The light of the scene",
                            format="png",
                            interactive=False,
                            buttons=["fullscreen"],
                            elem_id="light",
                        )
                        stops = gr.Slider(-6, 6, 0, step=0.5, label="Exposure (EV)", info=LIGHT, elem_id="stops")
                with gr.Row():
                    photo_file = gr.DownloadButton("Save photo", interactive=False, variant="primary")
                    light_file = gr.DownloadButton("Save HDR", interactive=False)
    gr.HTML(f"<p>{ORIGIN}</p>", elem_classes="fine")

    # Wiring
    gr.api(correct_file, api_name="correct", concurrency_id="gpu", concurrency_limit=1)
    private = {"api_visibility": "private"}
    at_once = private | {"queue": False, "show_progress": "hidden"}
    latest = private | {"trigger_mode": "always_last"}
    outcome = [job, compare, result, empty, status, photo]
    chosen = samples.select(pick_sample, None, photo, **private, show_progress="hidden")
    for begin in (photo.upload, button.click, chosen.success):
        done = begin(announce, None, [status, photo_file, light_file], **at_once).then(
            correct,
            [photo, strength, job],
            outcome,
            **latest,
            preprocess=False,  # what Gradio cannot open is for read_photo to read, or to explain
            concurrency_id="gpu",
            concurrency_limit=1,
            show_progress_on=[compare, empty],
        )
        done.failure(refuse, None, outcome, **at_once)
        done.success(None, js=scroll_on_phones("#result"))
        done.success(save_photo, [job, strength], photo_file, **latest)
        done.success(expose, [job, stops], light, **latest)
        done.success(save_light, job, light_file, **latest)
    strength.change(withdraw, None, photo_file, **at_once)
    redrawn = strength.change(show, [job, strength], compare, **latest)
    redrawn.success(save_photo, [job, strength], photo_file, **latest)
    stops.change(expose, [job, stops], light, **latest)
    view.input(None, view, compare, js=MOVE_DIVIDER)
    photo.clear(forget, None, [job, compare, result, empty, status], **at_once)


if __name__ == "__main__":
    with page("Exposure", "one of our vision models") as demo:
        build_exposure()
    launch(demo)
