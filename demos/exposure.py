"""The exposure tab: a photo that is far too dark or far too bright goes in, one in which you can see comes out.

`build_exposure()` puts the tab into a page; `python demos/exposure.py` runs it alone.
"""

import spaces  # before torch: on ZeroGPU it takes CUDA's place

# isort: split
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demos.about import Paper, about
from demos.batch import batch, make_archive
from demos.endpoint import endpoint
from demos.files import appearing_whole, deleted_on_schedule, errors_on_page, new_folder
from demos.photo_input import GONE, open_photo, pixels, sent, shrink
from demos.photo_tab import ON_GPU, Download, Job, SaveButton, View, Words, download_button, photo_tab
from demos.samples.photos import SAMPLES, exposure_strip
from demos.shell import launch, load_or_fall_back, page, weights_source
from vision_models.media.gain_map import write_hdr_jpeg
from vision_models.media.photos import write_photo, write_png
from vision_models.media.radiance import write_radiance

if TYPE_CHECKING:
    from vision_models.exposure.predictor import ExposurePredictor
    from vision_models.exposure.result import Estimate

LITTLE = 35  # percent up to which there is little to correct
FAINT = 0.02  # of white: changes below it are not seen
MOSTLY = 1.5  # times as much in one half of the photo as in the other
LIGHT_SIDE = 1024  # pixels: the view of the HDR estimate has to keep up with a slider
RADIANCE = ".exr"  # a third of the size of .hdr, and written faster

WORDS = Words(
    headline="Too dark? Too bright? Bring it back.",
    sentence="""Drop in a photo that went wrong. A neural network works out what it should have looked like and gives it
back in full size, within seconds.""",
    empty="""Your corrected photo appears here: slide between before and after, choose the strength, look at the light
behind it, take both home.""",
    button="Correct the photo",
    working="Correcting…",
    saved=", saved in full size",
)
HOW = """A first network estimates the light of the scene, more of it than a photo can hold. A second turns that into
a photo again, in which shadows and lights show what is in them. A third, very small one says how much of the change
your photo needs, and the strength begins there."""
PAPER = Paper(
    "Image Correction via Deep Reciprocating HDR Transformation",
    ("Yang", "Xu", "Song", "Zhang", "Wei", "Lau"),
    "CVPR",
    2018,
    "1804.04371",
)
STRENGTH = "Begins at what the photo needs. At 0 it stays as it is."
BEFORE = "Before"
AGAINST = {  # what else can be left of the slider: the method's name in the tables of the model card
    "Auto-gamma": "auto-gamma",
    "Histogram equalisation": "hist. eq.",
    "CLAHE": "CLAHE",
    "Exposure fusion of the one photo": "Mertens of one",
}
OTHERS = "On the left of the slider: the photo as it was, or as a method without a network corrects it."
LIGHT = "The light that the network thinks was there, as a camera set darker or brighter would have caught it."
MOVE_DIVIDER = "(position) => ({__type__: 'update', slider_position: position})"

ExposureJob = Job[Path]  # of the estimate's file: two megabytes for each visitor would fill the memory
_one_at_a_time = threading.Lock()  # for a click on one button while the other's is still at work


def load_predictor() -> tuple["ExposurePredictor", str]:
    """Return the predictor, and a sentence for the page if a Hub repository was named in vain."""
    from vision_models.exposure.predictor import ExposurePredictor  # not above: it imports torch

    return load_or_fall_back(ExposurePredictor)


def keep_estimate(estimate: "Estimate", folder: Path) -> Path:
    """Write an estimate where a visitor's files lie."""
    return deleted_on_schedule(estimate.save(folder / "estimate.npz"))


def estimate_of(job: ExposureJob) -> "Estimate":
    """Read it again, or say that it is gone."""
    from vision_models.exposure.result import Estimate  # not above: it imports torch

    try:
        return Estimate.load(job.result)
    except OSError as error:
        raise gr.Error(GONE, print_exception=False) from error


def compare(job: ExposureJob, screen: NDArray[np.uint8], percent: float, against: str = BEFORE) -> Any:
    """Return the photo before (or as another method corrects it) and after, at screen size."""
    from vision_models.exposure.evaluation.evaluate import CLASSICAL  # not above: it imports torch

    with new_folder() as folder:
        after = write_png(estimate_of(job).render(screen, percent / 100).image, folder / "after.png")
        other = job.shown
        if against != BEFORE:
            other = write_png(CLASSICAL[AGAINST[against]](screen), folder / "other.png")
        return gr.update(value=(str(other), str(after)), label=f"{against} (left) and after (right)")


def expose(job: ExposureJob, screen: NDArray[np.uint8], stops: float) -> str:
    """Return the HDR estimate as a camera set `stops` EV brighter would take it, at screen size."""
    with new_folder() as folder:
        light = estimate_of(job).render(shrink(screen, LIGHT_SIDE)).expose(stops)
        return str(write_png(light, folder / "light.png"))


class Kind(NamedTuple):
    """A file that can be saved: what its button calls it, its ending, and what is added to the photo's name."""

    what: str
    ending: str
    name: str


JPEG, PNG = Kind("photo", ".jpg", "corrected"), Kind("photo", ".png", "corrected")
HDR_JPEG, LIGHT_FILE = Kind("HDR photo", ".jpg", "hdr"), Kind("HDR", RADIANCE, "light")
KINDS = (JPEG, PNG, HDR_JPEG, LIGHT_FILE)


def full_size(job: ExposureJob, percent: float, kind: Kind) -> Path:
    """Return a file of full size, made unless it is there: the corrected photo, the same for HDR screens, or the light.

    It appears when it is whole, so that nobody saves half of one.
    """
    folder = job.folder if kind is LIGHT_FILE else job.folder / f"{percent:g}"  # the light knows no strength
    folder.mkdir(exist_ok=True)
    file = folder / f"{job.photo.stem}-{kind.name}{kind.ending}"
    with _one_at_a_time:
        if not file.exists():
            result = estimate_of(job).render(pixels(job.photo), percent / 100)
            with appearing_whole(file) as unfinished:
                if kind is LIGHT_FILE:
                    write_radiance(result.radiance, unfinished)
                elif kind is HDR_JPEG:
                    write_hdr_jpeg(result.image, result.radiance, unfinished)
                else:
                    write_photo(result.image, unfinished)
    return file


def needed_percent(estimate: "Estimate") -> int:
    """Return the strength that a photo needs, as the slider shows it."""
    return round(100 * estimate.need)


def what_was_done(estimate: "Estimate") -> str:
    """Say in a sentence how much was corrected, and where."""
    percent = needed_percent(estimate)
    if percent == 0:
        return "Nothing to correct: this photo is well exposed."
    if percent <= LITTLE:
        return f"Little to correct: {percent} %."
    before, after = (picture.clip(0, 1).mean(axis=-1) for picture in (estimate.photo, estimate.corrected))
    change = np.log2((after + FAINT) / (before + FAINT))  # as an eye sees it
    is_dark = before <= np.median(before)
    shadows = float(change[is_dark].mean())
    lights = shadows if is_dark.all() else float(change[~is_dark].mean())
    if shadows * lights < 0:
        done = "Shadows brightened, lights darkened" if shadows > 0 else "Contrast raised"
    else:
        done = "Brightened" if shadows + lights > 0 else "Darkened"
        least, most = sorted((abs(shadows), abs(lights)))
        if most > MOSTLY * least:
            done += f", most of all the {'shadows' if abs(shadows) == most else 'lights'}"
    return f"{done}: {percent} % of the whole correction."


def weights_line(predictor: "ExposurePredictor") -> str:
    """Say which weights answer, and whether they have the size of the paper's."""
    size = "the paper's size" if predictor.config.is_paper_size else "compact, smaller than in the paper"
    return f"Weights: {weights_source(predictor.weights_file)}, {size}."


@dataclass(frozen=True)
class _Result:
    """The parts of the result that events need."""

    compare: gr.ImageSlider
    view: gr.Radio
    against: gr.Dropdown
    strength: gr.Slider
    light: gr.Image
    stops: gr.Slider
    files: list[SaveButton]  # of KINDS


def _lay_out_result() -> _Result:
    with gr.Tabs():
        with gr.Tab("Corrected photo"):
            slider = gr.ImageSlider(
                label="Before (left) and after (right)",
                format="png",
                interactive=False,
                buttons=["fullscreen"],
                max_height=560,
                elem_id="compare",
            )
            sides = [("Before", 100), ("Both", 50), ("After", 0)]
            view = gr.Radio(sides, value=50, label="Show", elem_id="view", elem_classes="segmented")
            against = gr.Dropdown(
                [BEFORE, *AGAINST], value=BEFORE, label="Compare with", info=OTHERS, elem_id="against"
            )
            strength = gr.Slider(0, 100, 100, step=5, label="Strength (%)", info=STRENGTH, elem_id="strength")
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
        files = [download_button(kind.what, kind.ending) for kind in KINDS]
    return _Result(slider, view, against, strength, light, stops, files)


def _several(estimate: Callable[[NDArray[np.uint8]], "Estimate"]) -> None:
    """Lay out the corner for several photos, and offer the same to programs."""

    def corrected(path: Path, folder: Path) -> Path:
        """Correct one photo as much as it needs; JPEG, since PNG would take ten times the room."""
        image = open_photo(path)
        return write_photo(estimate(image).render(image).image, folder / f"{path.stem}-corrected.jpg")

    batch("exposure", "Correct all", "corrected", corrected)

    def correct_all(photos: list[gr.FileData]) -> gr.FileData:
        """Correct up to 50 photos, each as much as it needs.

        Args:
            photos: Photo files, as for /correct.

        Returns:
            An archive (.zip) of JPEG files, with the reasons for those left out in `not-done.txt`.
        """
        paths = [sent(photo) for photo in photos]
        with errors_on_page(), new_folder() as folder:
            *_, (_, archive, _) = make_archive(paths, corrected, folder)
        return gr.FileData(path=str(archive))

    endpoint(correct_all, "correct_all", concurrency_id="batch", concurrency_limit=1)


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

    def correct(photo: gr.FileData, strength: float | None = None) -> tuple[gr.FileData, gr.FileData]:
        """Correct the exposure of a photo, in its full size.

        Args:
            photo: A photo file (JPEG, PNG, WebP, HEIC, AVIF, TIFF), from 32x32 pixels to 50 megapixels.
            strength: From 0 (the photo as it is) to 1 (the full correction). Without it, what the photo needs.

        Returns:
            The corrected photo as a PNG file, and the estimated light of the scene as an OpenEXR file
            (linear, 1.0 is white at a normal exposure). Both have the size of the photo.
        """
        path = sent(photo)
        if strength is not None and not (isinstance(strength, int | float) and 0 <= strength <= 1):
            raise gr.Error(f"strength has to be a number from 0 to 1, not {strength!r}.", print_exception=False)
        image = pixels(path)
        result = estimate(image).render(image, strength)
        with new_folder() as folder:
            corrected = write_png(result.image, folder / f"{path.stem}-corrected.png")
            light = write_radiance(result.radiance, folder / f"{path.stem}-light{RADIANCE}")
        return gr.FileData(path=str(corrected)), gr.FileData(path=str(light))

    with photo_tab("exposure", WORDS, SAMPLES, excuse, art=exposure_strip()) as tab:
        result = _lay_out_result()
    tab.wire(
        estimate,
        [
            View(
                compare,
                [result.compare],
                [result.strength, result.against],
                lambda estimate: [needed_percent(estimate), BEFORE],
            ),
            View(expose, [result.light], [result.stops]),
        ],
        [
            Download(button, partial(full_size, kind=kind), [result.strength])
            for kind, button in zip(KINDS, result.files, strict=True)
        ],
        said=lambda estimate: f"{what_was_done(estimate)} {weights_line(predictor)}",
        keep=keep_estimate,
    )
    result.view.input(None, result.view, result.compare, js=MOVE_DIVIDER)
    _several(estimate)
    about("exposure", HOW, PAPER, "#compare img:last-of-type", before="#compare img:first-of-type")
    endpoint(correct, "correct", **ON_GPU)


if __name__ == "__main__":
    with page("Exposure", "one of our vision models") as demo:
        build_exposure()
    launch(demo)
