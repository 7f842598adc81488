"""The GIF tab: GIFs that you like and a video go in, the GIFs that you would have cut out of it come out.

`build_gifs()` puts the tab into a page; `python demos/gifs.py` runs it alone.
"""

# isort: split
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from demos.about import Paper, about
from demos.components import part, render
from demos.components.history import gallery
from demos.endpoint import endpoint
from demos.gif_events import (
    Events,
    apologise,
    arrange,
    begin,
    cancel,
    close_trimmer,
    draw,
    forget,
    move,
    refuse,
    show,
    trim,
)
from demos.gif_visit import (
    LIMITS,
    MAX_COUNT,
    MAX_LENGTH,
    MEGABYTES,
    MIN_LENGTH,
    Visit,
)
from demos.samples.videos import TASTES, scene_strip
from demos.shell import (
    KEEP_SECONDS,
    launch,
    line,
    load_or_fall_back,
    opening,
    page,
    scroll_on_phones,
    status_line,
)
from vision_models.media.edits import FASTEST, LONGEST_CAPTION, SLOWEST
from vision_models.media.videos import ANIMATION_SUFFIXES, VIDEO_SUFFIXES

if TYPE_CHECKING:
    from vision_models.gifs.predictor import HighlightPredictor


HEIGHTS = 160, 240, 360, 480  # pixels
RATES = 10, 12.5, 20, 25  # frames a second at which a GIF, whose clock ticks every 10 ms, plays at the right speed
SIZES = [("1 MB", 1), ("2 MB", 2), ("5 MB", 5), ("10 MB", 10), ("Any size", 0)]
FORMATS = {"GIF": ".gif", "MP4": ".mp4", "WebP": ".webp"}
HISTORY_TYPES = ["video", *sorted(VIDEO_SUFFIXES | ANIMATION_SUFFIXES)]
VIDEO_TYPES = HISTORY_TYPES  # which endings a browser calls video depends on the system

HEADLINE = "The GIFs that you would have cut."
SENTENCE = """Show a few GIFs that you like and drop in a video: its best moments come back, chosen the way you choose.
A single GIF is enough, and no words are needed."""
EMPTY = """Your GIFs appear here: what you get beside what everyone gets, and why. A click on Cats, Coffee, Space
or Streets shows how it works."""
BORROW = "Nothing at hand? Borrow a taste, with a sample video:"
BLEND = "0 is what everyone gets, 100 is all yours."
HOW = """A network looks at some pictures a second of your video and of your GIFs, and puts into numbers what it sees.
Moments that resemble what you like come first; how lively a moment is, and whether people tend to cut such, count as
well. None of the GIFs runs over a change of scene."""
PAPER = Paper(
    "PHD-GIFs: Personalized Highlight Detection for Automatic GIF Creation",
    ("Garcia del Molino", "Gygli"),
    "ACM Multimedia",
    2018,
    "1804.06604",
)
SHOW_TRIMMER = """() => setTimeout(() => document.querySelector("#trimmer")?.scrollIntoView({block: "nearest"}), 200)"""


def load_predictor() -> tuple["HighlightPredictor", str]:
    """Return the predictor, and a sentence for the page if a Hub repository was named in vain."""
    from vision_models.gifs.predictor import HighlightPredictor  # not above: it imports torch

    return load_or_fall_back(HighlightPredictor)


# ---- the tab


@dataclass(frozen=True)
class _Inputs:
    """The parts on the left that events need."""

    history: gr.HTML
    upload: gr.UploadButton
    tastes: gr.HTML
    video: gr.File
    run: gr.Button
    stop: gr.Button
    status: gr.HTML


@dataclass(frozen=True)
class _Trimmer:
    """The parts with which a result is cut by hand."""

    column: gr.Column
    bar: gr.HTML
    preview: gr.HTML
    start: gr.Number
    end: gr.Number
    edits: list[gr.components.Component]  # caption, its position, speed, back and forth, shape
    size: gr.HTML
    save: gr.DownloadButton


@dataclass(frozen=True)
class _Result:
    """The parts on the right that events need."""

    weight: gr.Slider
    cards: gr.HTML
    count: gr.Slider
    length: gr.Slider
    look: list[gr.components.Component]  # height, frames per second, format, megabytes
    trimmer: _Trimmer
    scores: gr.HTML


def _lay_out_inputs() -> _Inputs:
    with gr.Column(elem_id="liked", elem_classes="step"):
        gr.HTML("<h3><b>1</b> What you like <small>optional</small></h3>")
        history = part("history", gallery([], []), elem_id="history")
        upload = gr.UploadButton("Add GIFs or short clips", file_count="multiple", file_types=HISTORY_TYPES)
        gr.HTML(line(BORROW), elem_classes="fine")
        tastes = part("actions", render("tastes", tastes=TASTES), elem_id="tastes")
    with gr.Column(elem_classes="step"):
        gr.HTML("<h3><b>2</b> Your video</h3>")
        video = gr.File(label="Video", file_types=VIDEO_TYPES, height=140, elem_id="video")
        gr.HTML(line(LIMITS), elem_classes="fine")
        run = gr.Button("Find my GIFs", variant="primary")
        stop = gr.Button("Cancel", visible=False)
    return _Inputs(history, upload, tastes, video, run, stop, status_line("gifs-status"))


def _lay_out_result() -> _Result:
    gr.HTML("<h3><b>3</b> Your GIFs</h3>")
    weight = gr.Slider(0, 100, 100, step=5, label="How personal (%)", info=BLEND, interactive=False, elem_id="weight")
    part("still", render("still"), elem_id="gifs-still")
    cards = part("actions", elem_id="cards")
    with gr.Accordion("Number, length, size and format", open=False):
        with gr.Row():
            count = gr.Slider(1, MAX_COUNT, 3, step=1, label="How many")
            length = gr.Slider(MIN_LENGTH, MAX_LENGTH, 4, step=0.5, label="Length (seconds)")
        with gr.Row():
            height = gr.Dropdown(HEIGHTS, value=240, label="Height (pixels)")
            fps = gr.Dropdown(RATES, value=12.5, label="Frames per second")
            kind = gr.Radio(list(FORMATS.items()), value=".gif", label="Format")
            most = gr.Dropdown(SIZES, value=MEGABYTES, label="Largest file")
    trimmer = _lay_out_trimmer()
    scores = part("timeline", elem_id="scores")
    return _Result(weight, cards, count, length, [height, fps, kind, most], trimmer, scores)


def _lay_out_trimmer() -> _Trimmer:
    with gr.Column(visible=False, elem_id="trimmer") as column:
        gr.HTML("<h4>Trim</h4>")
        bar = part("trim_bar", elem_id="trim-bar")
        with gr.Row(equal_height=False):
            preview = gr.HTML(apply_default_css=False, elem_id="preview")
            with gr.Column():
                with gr.Row():
                    start = gr.Number(label="Start (s)", minimum=0, step=0.1, min_width=90)
                    end = gr.Number(label="End (s)", minimum=0, step=0.1, min_width=90)
                with gr.Accordion("Words, speed and shape", open=False):
                    caption = gr.Textbox(label="Words on it", max_length=LONGEST_CAPTION, placeholder="none")
                    position = gr.Radio(["top", "middle", "bottom"], value="bottom", label="Where")
                    speed = gr.Slider(SLOWEST, FASTEST, 1, step=0.25, label="Speed (1 is as filmed)")
                    back_and_forth = gr.Checkbox(label="Forwards, then backwards")
                    shape = gr.Radio(["as it is", "square", "portrait"], value="as it is", label="Shape")
                size = gr.HTML(elem_classes="status")
                save = gr.DownloadButton("Save", interactive=False, variant="primary")
    return _Trimmer(column, bar, preview, start, end, [caption, position, speed, back_and_forth, shape], size, save)


def build_gifs(load: Callable[[], tuple["HighlightPredictor", str]] = load_predictor) -> None:
    """Lay the tab out inside the open `gr.Blocks` and wire it.

    Args:
        load: Called once; returns the predictor and, if its weights are not the wanted ones, the reason.
    """
    predictor, excuse = load()
    visit = gr.State(Visit(), time_to_live=KEEP_SECONDS)
    opening(HEADLINE, SENTENCE, excuse)
    with gr.Row(equal_height=False, elem_id="gifs-work"):
        with gr.Column(scale=4, min_width=320):
            inputs = _lay_out_inputs()
        with gr.Column(scale=8, min_width=320):
            with gr.Column(elem_id="gifs-empty", elem_classes="empty") as empty:
                gr.HTML(render("empty", art=scene_strip(), text=EMPTY))
            progress = part("actions", visible=False, elem_id="gifs-progress")
            with gr.Column(visible=False, elem_id="gifs-result", elem_classes=["step", "result"]) as column:
                result = _lay_out_result()
    about("gifs", HOW, PAPER, "#cards img")
    outcome = [inputs.status, inputs.run, inputs.stop, column, empty, progress]
    _wire(Events(predictor), visit, inputs, result, outcome)


def _wire(events: Events, visit: gr.State, inputs: _Inputs, result: _Result, outcome: list[Any]) -> None:
    """Say what happens on which event."""
    quiet = {"api_visibility": "private", "show_progress": "hidden"}  # the status line says it in words
    at_once = quiet | {"queue": False}
    waiting = quiet | {"preprocess": False}
    latest = {"trigger_mode": "always_last"}
    in_turn = {"concurrency_id": "video", "concurrency_limit": 1}  # not with the photos, which need not wait so long
    several = {"concurrency_limit": 4}  # visitors at a time
    endpoint(events.gifs, "gifs", **in_turn)
    wishes = [visit, result.weight, result.count, result.length, *result.look]
    trimmer = result.trimmer
    trimming = (
        [visit, trimmer.start, trimmer.end, *result.look, *trimmer.edits],
        [trimmer.preview, trimmer.size, trimmer.save],
    )

    def redraw(event: Any) -> None:
        """Have the missing GIFs cut after `event`."""
        event.success(draw, [visit, *result.look], result.cards, **quiet, **several, **latest)

    def rerank(event: Any) -> None:
        """Have the video scored for another history after `event`."""
        redraw(event.success(events.rank, wishes, [result.scores, result.cards, result.weight], **at_once, **latest))

    arranged = inputs.history.select(arrange, visit, [visit, inputs.history], **at_once, trigger_mode="multiple")
    known = [visit, inputs.history, inputs.upload, inputs.status]
    added = inputs.upload.upload(events.add, [visit, inputs.upload], known, **waiting, **several)
    opened = [visit, inputs.history, inputs.status, trimmer.column, trimmer.start, trimmer.end, trimmer.bar]
    judged = result.cards.select(events.judge, [visit, *result.look], opened, **quiet)
    judged.success(trim, *trimming, **quiet).success(None, js=SHOW_TRIMMER)
    for event in (arranged, added, judged):
        rerank(event)
    sample = [visit, inputs.history, inputs.video, inputs.status]
    taken = inputs.tastes.select(events.take_taste, [visit, inputs.video], sample, **waiting, **several)
    for event in (added, taken):
        event.failure(apologise, None, inputs.status, **at_once)
    for begun in (inputs.video.upload, inputs.run.click, taken.success):
        started = begun(begin, [visit, inputs.video], [visit, *outcome], **at_once, preprocess=False)
        started.success(None, js=scroll_on_phones("#gifs-progress"))
        watched = started.then(events.watch, [visit, inputs.video], outcome, **waiting, **in_turn, **latest)
        watched.failure(refuse, None, outcome, **at_once)
        watched.success(None, js=scroll_on_phones("#gifs-result"))
        rerank(watched)
    for stop in (inputs.stop.click, outcome[-1].select):
        stop(cancel, visit, inputs.stop, **at_once)
    inputs.video.clear(forget, visit, [visit, *outcome], **at_once)
    for wish in (result.weight, result.count, result.length, *result.look):
        redraw(wish.change(show, wishes, [result.scores, result.cards], **at_once, **latest))
    trimmer.bar.select(move, None, [trimmer.start, trimmer.end], **at_once)
    for one in (trimmer.start, trimmer.end, *result.look, *trimmer.edits):
        one.change(trim, *trimming, **quiet, **latest)
    put_away = [trimmer.column, trimmer.start, trimmer.end, trimmer.bar, *trimming[1]]
    for gone in (inputs.video.upload, inputs.video.clear, taken.success):
        gone(close_trimmer, None, put_away, **at_once)


if __name__ == "__main__":
    with page("GIF highlights", "one of our vision models") as demo:
        build_gifs()
    launch(demo)
