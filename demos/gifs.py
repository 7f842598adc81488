"""The GIF tab: GIFs that you like and a video go in, the GIFs that you would have cut out of it come out.

`build_gifs()` puts the tab into a page; `python demos/gifs.py` runs it alone.
"""

import spaces  # before torch: on ZeroGPU it takes CUDA's place

# isort: split
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
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
    UPLOAD_MEGABYTES,
    deleted_on_schedule,
    errors_on_page,
    launch,
    line,
    load_or_fall_back,
    new_folder,
    page,
    scroll_on_phones,
    uploaded,
    weights_source,
)
from demos.samples import TASTES, liked_gifs, sample_video, scene_strip, taste_buttons
from demos.timeline import (
    ACT,
    DROP,
    PLAY,
    FilmStrip,
    Liked,
    Pick,
    clock,
    file_size,
    gallery,
    moving_picture,
    points,
    sides,
    timeline,
)
from vision_models.errors import VideoError
from vision_models.media.clips import write_gif
from vision_models.media.videos import Video, probe

if TYPE_CHECKING:
    from vision_models.gifs.features import Samples
    from vision_models.gifs.predictor import HighlightPredictor
    from vision_models.gifs.result import Highlights, VideoIndex, VideoIndexPart

VIDEO_SECONDS = 3600
HISTORY_GIFS = 50
HISTORY_SECONDS = 60  # of one of them
MAX_COUNT = 6  # GIFs
MIN_LENGTH, MAX_LENGTH = 1, 10  # seconds, as proposed
MAX_TRIMMED = 30  # seconds
HEIGHTS = 160, 240, 360, 480  # pixels
RATES = 10, 12.5, 20, 25  # frames a second at which a GIF, whose clock ticks every 10 ms, plays at the right speed
FORMATS = {"GIF": ".gif", "MP4": ".mp4", "WebP": ".webp"}
HISTORY_TYPES = [".gif", ".mp4", ".webm", ".webp", ".mov", ".m4v"]
VIDEO_TYPES = ["video", ".mkv", ".gif"]

HEADLINE = "The GIFs that you would have cut."
SENTENCE = """Show a few GIFs that you like and drop in a video: its best moments come back, chosen the way you choose.
A single GIF is enough, and no words are needed."""
LIMITS = f"""Up to one hour and {UPLOAD_MEGABYTES} MB. A minute of video takes some 5 seconds, ten minutes about
40."""
EMPTY = """Your GIFs appear here: what you get beside what everyone gets, and why. A click on Cats, Coffee or Space
shows how it works."""
GONE = "This video is no longer on the server. Please drop it in again."
BORROW = "Nothing at hand? Borrow a taste, with a sample video:"
BLEND = "0 is what everyone gets, 100 is all yours."
ORIGIN = """After <a href="https://arxiv.org/abs/1804.06604">PHD-GIFs: Personalized Highlight Detection for Automatic
GIF Creation</a> (Garcia del Molino and Gygli, ACM Multimedia 2018). Code and weights are ours, not the authors'."""
SHOW_TRIMMER = """() => setTimeout(() => document.querySelector("#trimmer")?.scrollIntoView({block: "nearest"}), 200)"""


@dataclass(frozen=True)
class Look:
    """How a GIF file is made."""

    height: int
    fps: float
    suffix: str


@dataclass(frozen=True, eq=False)
class Job:
    """A video that was watched. All pictures stay in files."""

    video: Path  # as uploaded
    index: "VideoIndex"
    strip: str  # HTML
    folder: Path  # for the GIFs

    def file(self, start_s: float, end_s: float, look: Look, kilobytes: int | None = None) -> Path:
        """Return where a GIF lies, or will lie once it is cut."""
        limit = f"-{kilobytes}KB" if kilobytes else ""
        name = f"{self.video.stem}-{start_s:.2f}-{end_s:.2f}-{look.height}p-{look.fps:g}fps{limit}{look.suffix}"
        return self.folder / name

    def cut(self, start_s: float, end_s: float, look: Look, kilobytes: int | None = None) -> Path:
        """Cut a GIF, unless that was done before, and return its file."""
        file = self.file(start_s, end_s, look, kilobytes)
        if not file.exists():
            limit = 1000 * kilobytes if kilobytes else None
            write_gif(self.index.video, start_s, end_s, file, height=look.height, fps=look.fps, max_bytes=limit)
        return deleted_on_schedule(file)


@dataclass
class Visit:
    """What the page knows about one visitor, for as long as their session lasts.

    Events change it in place, so that one that takes long notices when another has made it pointless: it goes on only
    while `wanted`, or `shown`, is still what it works for.
    """

    liked: list[Liked] = field(default_factory=list)
    disliked: list[Liked] = field(default_factory=list)
    wanted: Path | None = None  # the video to be watched; None once the visitor cancels
    job: Job | None = None
    highlights: "Highlights | None" = None  # of that video ...
    ranked_for: tuple[Liked, ...] = ()  # ... for these GIFs
    shown: tuple[tuple[Pick, ...], tuple[Pick, ...]] = ((), ())  # for everyone, for this visitor


def load_predictor() -> tuple["HighlightPredictor", str]:
    """Return the predictor, and a sentence for the page if a Hub repository was named in vain."""
    from vision_models.gifs.config import WEIGHTS
    from vision_models.gifs.predictor import HighlightPredictor  # not above: it imports torch

    return load_or_fall_back(HighlightPredictor.from_pretrained, WEIGHTS)


# ---- one function per event


def begin(visit: Visit, file: dict[str, Any] | None) -> tuple[Any, ...]:
    """Note which video is wanted; work on any other one ends at its next stretch."""
    visit.wanted = uploaded(file)
    if visit.job and visit.job.video == visit.wanted:
        return visit, *KEEP
    return visit, *working("Waiting for a free place…")


def cancel(visit: Visit) -> dict[str, Any]:
    """Have the work on the video end at its next stretch."""
    visit.wanted = None
    return gr.update(value="Cancelling…", interactive=False)


def forget(visit: Visit) -> tuple[Any, ...]:
    """Go back to the empty page when the visitor removes the video."""
    visit.wanted = visit.job = visit.highlights = None
    return visit, *finished("")


def refuse() -> tuple[Any, ...]:
    """Say that something went wrong that no visitor can help, or that too many of them are waiting."""
    return finished(FAILED, "problem")


def apologise() -> str:
    """Say the same where the result stays."""
    return line(FAILED, "problem")


def arrange(visit: Visit, event: gr.EventData) -> tuple[Visit, str]:
    """Move or remove a GIF of the history."""
    index = int(event.index)
    match event.action:
        case "remove":
            visit.liked.pop(index)
        case "restore":
            visit.disliked.pop(index)
        case "earlier":
            visit.liked.insert(index - 1, visit.liked.pop(index))
        case "later":
            visit.liked.insert(index + 1, visit.liked.pop(index))
    return visit, gallery(visit.liked, visit.disliked)


def show(visit: Visit, percent: float, count: int, length_s: float, *look: Any) -> tuple[Any, ...]:
    """Choose by the slider between everyone's taste and the visitor's. Decodes nothing and asks no network."""
    job, highlights = visit.job, visit.highlights
    if job is None or highlights is None:
        raise gr.Error(GONE, print_exception=False)
    here = [one for one in visit.disliked if one.video == job.video]
    mine = highlights.reweight(percent / 100)
    yours = choose(mine, count, length_s, visit.ranked_for, here) if visit.ranked_for or visit.disliked else []
    everyones = choose(highlights.reweight(0), count, length_s, visit.ranked_for)
    visit.shown = tuple(with_files(job, everyones, Look(*look))), tuple(with_files(job, yours, Look(*look)))
    scores = timeline(job.video, job.strip, mine.segments, *visit.shown, visit.ranked_for)
    return scores, sides(*visit.shown, visit.ranked_for)


def draw(visit: Visit, *look: Any) -> Iterator[Any]:
    """Cut the GIFs that are missing, best first, for as long as they are still the ones on the page."""
    yield gr.skip()  # or Gradio empties the output when there is nothing to do
    job, shown = visit.job, visit.shown
    order = [pick for pair in zip_longest(*reversed(shown)) for pick in pair if pick and not pick.file]
    for pick in order:
        if job is None or visit.shown is not shown:
            return
        with errors_on_page():
            job.cut(pick.clip.start_s, pick.clip.end_s, Look(*look))
        if visit.shown is not shown:
            return
        everyones, yours = (tuple(with_files(job, picks, Look(*look))) for picks in shown)
        visit.shown = shown = everyones, yours
        yield sides(*shown, visit.ranked_for)


def trim(
    visit: Visit, start_s: float | None, end_s: float | None, kilobytes: float | None, *look: Any
) -> tuple[Any, ...]:
    """Cut between the times in the fields, into no more than so many kilobytes, and offer the file."""
    if start_s is None and end_s is None:
        return gr.skip(), gr.skip(), gr.skip()  # nothing was opened yet
    try:
        job, start_s, end_s = check_trim(visit.job, start_s or 0, end_s or 0)
        file = job.cut(start_s, end_s, Look(*look), round(kilobytes or 0) or None)
    except VideoError as error:
        return gr.skip(), line(str(error), "problem"), gr.update(label="Save", value=None, interactive=False)
    said = line(f"{end_s - start_s:.1f} seconds, {file_size(file)}")
    offer = gr.update(label=f"Save ({file.suffix}, {file_size(file)})", value=str(file), interactive=True)
    return moving_picture(file, "The trimmed GIF"), said, offer


# ---- what they are made of

READY = SHOW, HIDE  # the buttons that start and cancel
KEEP = (gr.skip(),) * 5


def working(text: str) -> tuple[Any, ...]:
    """Return status, buttons, result and its placeholder while a video is being watched."""
    return line(text), HIDE, gr.update(visible=True, value="Cancel", interactive=True), HIDE, SHOW


def finished(text: str, kind: str = "", *, result: bool = False) -> tuple[Any, ...]:
    """Return the same for when that is over, one way or the other."""
    return line(text, kind), *READY, *((SHOW, HIDE) if result else (HIDE, SHOW))


def choose(
    highlights: "Highlights", count: int, length_s: float, liked: Sequence[Liked], unwanted: Sequence[Liked] = ()
) -> list[Pick]:
    """Return the best clips that do not touch a moment that the visitor did not want."""
    scores = points([segment.score for segment in highlights.segments])
    clips = highlights.best(count + 3 * len(unwanted), length_s)  # one moment touches two or three at most
    wanted = (c for c in clips if not any(c.start_s < one.end_s and one.start_s < c.end_s for one in unwanted))
    picks = [Pick(c, scores[c.segment], None if c.nearest is None else liked[c.nearest]) for c in wanted]
    return picks[:count]


def with_files(job: Job, picks: Sequence[Pick], look: Look) -> Iterator[Pick]:
    """Add to each pick its GIF, if it is there already."""
    for pick in picks:
        file = job.file(pick.clip.start_s, pick.clip.end_s, look)
        yield replace(pick, file=file if file.exists() else None)


def check_length(video: Video, limit_s: float, what: str) -> Video:
    """Refuse what would keep the page busy for too long."""
    if video.duration_s > limit_s:
        length, limit = clock(video.duration_s), clock(limit_s)
        raise VideoError(f"This {what} is {length} long; the limit is {limit}. Please cut it and try again.")
    return video


def check_trim(job: Job | None, start_s: float, end_s: float) -> tuple[Job, float, float]:
    """Return the video, with start and end as they fit into it, or say why they do not."""
    if job is None:
        raise VideoError(GONE)
    length_s = job.index.video.duration_s
    end_s = min(end_s, length_s)
    if not 0 <= start_s < end_s:
        length = clock(length_s, exact=True)
        raise VideoError(f"The start has to come before the end, and both within the video, which is {length} long.")
    if end_s - start_s > MAX_TRIMMED:
        raise VideoError(f"A GIF can be up to {MAX_TRIMMED} seconds long here. Please move the start or the end.")
    return job, start_s, end_s


def check_number(name: str, value: object, low: float, high: float) -> None:
    """Refuse what no slider of the page would send."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise gr.Error(f"{name} has to be a number from {low} to {high}, not {value!r}.", print_exception=False)


def left_out(refusals: Sequence[tuple[Path, str]], surplus: int) -> str:
    """Return one line about files that did not become part of the history, or an empty one."""
    said = []
    if surplus:
        files = "1 file was" if surplus == 1 else f"{surplus} files were"
        said.append(f"A history holds up to {HISTORY_GIFS} GIFs: {files} left out.")
    if refusals:
        file, why = refusals[0]
        others = "" if len(refusals) == 1 else f" and {len(refusals) - 1} more"
        said.append(f"{file.name}{others} could not be added. {why}")
    return line(" ".join(said), "problem") if said else line("")


# ---- the tab


def build_gifs(load: Callable[[], tuple["HighlightPredictor", str]] = load_predictor) -> None:
    """Lay the tab out inside the open `gr.Blocks` and wire it.

    Args:
        load: Called once; returns the predictor and, if its weights are not the wanted ones, the reason.
    """
    predictor, excuse = load()

    @spaces.GPU(duration=15)
    def encode(samples: "Samples") -> "VideoIndexPart":
        with errors_on_page():  # in here, since ZeroGPU drops the message of any error but gr.Error
            return predictor.encode(samples)

    @spaces.GPU(duration=lambda gifs: 5 + len(gifs))
    def remember(gifs: Sequence[Path]) -> list["NDArray[np.float32] | str"]:
        """Return what the network remembers of each GIF, or a sentence that says why it cannot be used."""
        known: list[NDArray[np.float32] | str] = []
        for gif in gifs:
            try:
                known.append(predictor.remember(check_length(probe(gif), HISTORY_SECONDS, "clip")))
            except VideoError as error:
                known.append(str(error))
        return known

    def watch(visit: Visit, file: dict[str, Any] | None) -> Iterator[tuple[Any, ...]]:
        """Decode the video and look at it, stretch by stretch, for as long as the visitor wants it."""
        path = uploaded(file)
        if path is None:
            yield finished("There is no video yet. Drop one in, or borrow a taste.", "problem")
            return
        if visit.job and visit.job.video == path:
            yield gr.skip(), *READY, SHOW, HIDE
            return
        try:
            start = time.perf_counter()
            video = check_length(probe(path), VIDEO_SECONDS, "video")
            length = clock(video.duration_s)
            yield working(f"Watching your video, {length} long…")
            strip = FilmStrip(video)
            parts = []
            for samples in predictor.sample(video):
                if visit.wanted != path:
                    break
                parts.append(encode(samples))
                strip.add(samples.look_times, samples.windows[:, 0])
                left = (time.perf_counter() - start) * (video.duration_s / samples.end_s - 1)
                more = f", about {left:.0f} s to go" if left > 1 else ""
                yield working(f"Watched {clock(samples.end_s)} of {length}{more}…")
            if visit.wanted != path:
                yield finished("Cancelled.") if visit.wanted is None else KEEP
                return
            index = predictor.join(video, parts)
        except VideoError as error:
            yield finished(str(error), "problem")
            return
        with new_folder() as folder:
            visit.job = Job(path, index, strip.html(), folder)
        took = max(time.perf_counter() - start, 0.1)
        said = f"Watched {length} of video in {took:.1f} s. Weights: {weights_source(predictor.weights_file)}."
        yield finished(said, result=True)

    def rank(visit: Visit, percent: float, count: int, length_s: float, *look: Any) -> tuple[Any, ...]:
        """Score the video for the GIFs that count now, and show what that leads to."""
        slider = gr.update(interactive=bool(visit.liked or visit.disliked))
        if visit.job is None:
            return gr.skip(), gr.skip(), slider
        visit.ranked_for = tuple(visit.liked)
        liked, disliked = ([one.vector for one in some] for some in (visit.ranked_for, visit.disliked))
        visit.highlights = predictor.score(visit.job.index, liked, disliked)
        return *show(visit, percent, count, length_s, *look), slider

    def add(visit: Visit, files: list[dict[str, Any]] | None) -> Iterator[tuple[Any, ...]]:
        """Add GIFs to the history, and say which could not be, and why."""
        known = {one.file for one in visit.liked}
        paths = [path for file in files or [] if (path := uploaded(file)) and path not in known]
        room = max(HISTORY_GIFS - len(visit.liked), 0)
        new = paths[:room]
        yield visit, gr.skip(), None, line(f"Looking at {len(new)} GIFs…" if len(new) > 1 else "Looking at your GIF…")
        refusals = []
        for path, vector in zip(new, remember(new), strict=True):
            if isinstance(vector, str):
                refusals.append((path, vector))
            else:
                visit.liked.append(Liked(path, path.name, vector))
        yield visit, gallery(visit.liked, visit.disliked), None, left_out(refusals, len(paths) - len(new))

    def take_taste(visit: Visit, file: dict[str, Any] | None, event: gr.EventData) -> Iterator[tuple[Any, ...]]:
        """Take over the GIFs of a made-up visitor, and their video if there is none yet."""
        taste = TASTES[int(event.index)]
        yield visit, gr.skip(), gr.skip(), line("Preparing the sample…")
        with new_folder() as folder:
            gifs = [deleted_on_schedule(Path(shutil.copy(gif, folder))) for gif in liked_gifs(taste)]
            video = str(shutil.copy(sample_video(), folder)) if uploaded(file) is None else gr.skip()
        vectors = [vector for vector in remember(gifs) if not isinstance(vector, str)]
        visit.liked = [Liked(gif, gif.name, vector) for gif, vector in zip(gifs, vectors, strict=True)]
        visit.disliked = []
        yield visit, gallery(visit.liked, visit.disliked), video, line("")

    def judge(visit: Visit, event: gr.EventData, *look: Any) -> tuple[Any, ...]:
        """Take a result into the history, or among what is not for this visitor, or open it for trimming."""
        job = visit.job
        if job is None:
            raise gr.Error(GONE, print_exception=False)
        clip = visit.shown[int(event.side)][int(event.index)].clip
        if event.action == "trim":
            return visit, gr.skip(), gr.skip(), SHOW, round(clip.start_s, 1), round(clip.end_s, 1)
        said = gr.skip()
        if event.action == "like" and len(visit.liked) >= HISTORY_GIFS:
            said = line(f"A history holds up to {HISTORY_GIFS} GIFs. Remove one to make room.", "problem")
        else:
            vector = predictor.vectors(job.index, np.array([[clip.start_s, clip.end_s]]))[0]
            file = job.cut(clip.start_s, clip.end_s, Look(*look))
            name = f"{clock(clip.start_s)} of {job.video.name}"
            one = Liked(file, name, vector, job.video, clip.start_s, clip.end_s)
            (visit.liked if event.action == "like" else visit.disliked).append(one)
        return visit, gallery(visit.liked, visit.disliked), said, gr.skip(), gr.skip(), gr.skip()

    def gifs(  # noqa: PLR0917 - gradio passes them by position
        video: gr.FileData,
        history: list[gr.FileData] | None = None,
        count: int = 3,
        length_s: float = 4.0,
        weight: float = 1.0,
        height: int = 240,
        fps: float = 12.5,
    ) -> tuple[list[gr.FileData], list[dict[str, Any]]]:
        """Cut the GIFs out of a video that the owner of a few other GIFs would have cut.

        Args:
            video: A video file of up to one hour.
            history: GIFs or short clips that this person likes; without any, the GIFs are those that everyone gets.
            count: How many GIFs, from 1 to 6. They never overlap.
            length_s: How long each, from 1 to 10 seconds; up to 0.75 s more or less, for a better loop.
            weight: From 0 (what everyone gets) to 1 (fully personal).
            height: Of the GIFs in pixels, from 16 to 1080; never more than the video has.
            fps: Frames per second, from 1 to 50.

        Returns:
            The GIF files, best first, and for each of them start_s, end_s, score (comparable within this video only),
            nearest (place in the history, from 0, of the GIF that it resembles most, or null), similarity (a cosine).
        """
        path = uploaded(video)
        if path is None:
            how = 'No video arrived. Upload it as a file; with gradio_client: handle_file("video.mp4").'
            raise gr.Error(how, print_exception=False)
        for name, value, low, high in (
            ("count", count, 1, MAX_COUNT),
            ("length_s", length_s, MIN_LENGTH, MAX_LENGTH),
            ("weight", weight, 0, 1),
            ("height", height, 16, 1080),
            ("fps", fps, 1, 50),
        ):
            check_number(name, value, low, high)
        paths = [uploaded(file) for file in history or []]
        liked = [path for path in paths if path]
        if len(liked) < len(paths):
            raise gr.Error("A GIF of the history did not arrive. Upload each as a file.", print_exception=False)
        if len(liked) > HISTORY_GIFS:
            raise gr.Error(f"A history holds up to {HISTORY_GIFS} GIFs. Please send fewer.", print_exception=False)
        vectors = []
        for gif, vector in zip(liked, remember(liked), strict=True):
            if isinstance(vector, str):
                raise gr.Error(f"{gif.name} of the history: {vector}", print_exception=False)
            vectors.append(vector)
        with errors_on_page(), new_folder() as folder:
            known = check_length(probe(path), VIDEO_SECONDS, "video")
            index = predictor.join(known, [encode(samples) for samples in predictor.sample(known)])
            clips = predictor.score(index, vectors, weight=float(weight)).best(int(count), float(length_s))
            job = Job(path, index, "", folder)
            look = Look(int(height), float(fps), ".gif")
            files = [job.cut(clip.start_s, clip.end_s, look) for clip in clips]
        told = ("start_s", "end_s", "score", "nearest", "similarity")
        return [gr.FileData(path=str(file)) for file in files], [{k: getattr(c, k) for k in told} for c in clips]

    # Layout
    visit = gr.State(Visit(), time_to_live=KEEP_SECONDS)
    gr.HTML(f"<h2>{HEADLINE}</h2><p>{SENTENCE}</p>", elem_classes="lead")
    if excuse:
        gr.HTML(line(excuse), elem_classes="notice")
    with gr.Row(equal_height=False, elem_id="gifs-work"):
        with gr.Column(scale=4, min_width=320):
            with gr.Column(elem_id="liked", elem_classes="step"):
                gr.HTML("<h3><b>1</b> What you like <small>optional</small></h3>")
                history = gr.HTML(gallery([], []), js_on_load=DROP, apply_default_css=False, elem_id="history")
                upload = gr.UploadButton("Add GIFs or short clips", file_count="multiple", file_types=HISTORY_TYPES)
                gr.HTML(line(BORROW), elem_classes="fine")
                tastes = gr.HTML(taste_buttons(), js_on_load=ACT, apply_default_css=False, elem_id="tastes")
            with gr.Column(elem_classes="step"):
                gr.HTML("<h3><b>2</b> Your video</h3>")
                video = gr.File(label="Video", file_types=VIDEO_TYPES, height=140, elem_id="video")
                gr.HTML(line(LIMITS), elem_classes="fine")
                run = gr.Button("Find my GIFs", variant="primary")
                stop = gr.Button("Cancel", visible=False)
            status = gr.HTML(
                elem_id="gifs-status", elem_classes="status", js_on_load="element.setAttribute('role', 'status')"
            )
        with gr.Column(scale=8, min_width=320):
            with gr.Column(elem_id="gifs-empty", elem_classes="empty") as empty:
                gr.HTML(f"{scene_strip()}<p>{EMPTY}</p>")
            with gr.Column(visible=False, elem_id="gifs-result", elem_classes="step") as result:
                gr.HTML("<h3><b>3</b> Your GIFs</h3>")
                weight = gr.Slider(
                    0, 100, 100, step=5, label="How personal (%)", info=BLEND, interactive=False, elem_id="weight"
                )
                cards = gr.HTML(js_on_load=ACT, apply_default_css=False, elem_id="cards")
                with gr.Accordion("Number, length, size and format", open=False):
                    with gr.Row():
                        count = gr.Slider(1, MAX_COUNT, 3, step=1, label="How many")
                        length = gr.Slider(MIN_LENGTH, MAX_LENGTH, 4, step=0.5, label="Length (seconds)")
                    with gr.Row():
                        height = gr.Dropdown(HEIGHTS, value=240, label="Height (pixels)")
                        fps = gr.Dropdown(RATES, value=12.5, label="Frames per second")
                        kind = gr.Radio(list(FORMATS.items()), value=".gif", label="Format")
                with gr.Column(visible=False, elem_id="trimmer") as trimmer, gr.Row(equal_height=False):
                    preview = gr.HTML(apply_default_css=False, elem_id="preview")
                    with gr.Column():
                        with gr.Row():
                            start = gr.Number(label="Start (s)", minimum=0, step=0.1, min_width=90)
                            end = gr.Number(label="End (s)", minimum=0, step=0.1, min_width=90)
                            kilobytes = gr.Number(0, label="At most (KB, 0: any)", minimum=0, step=100, min_width=90)
                        size = gr.HTML(elem_classes="status")
                        save = gr.DownloadButton("Save", interactive=False, variant="primary")
                scores = gr.HTML(js_on_load=PLAY, apply_default_css=False, elem_id="scores")
    gr.HTML(f"<p>{ORIGIN}</p>", elem_classes="fine")

    # Wiring
    quiet = {"api_visibility": "private", "show_progress": "hidden"}  # the status line says it in words
    at_once = quiet | {"queue": False}
    waiting = quiet | {"preprocess": False}
    latest = {"trigger_mode": "always_last"}
    in_turn = {"concurrency_id": "video", "concurrency_limit": 1}  # not with the photos, which need not wait so long
    several = {"concurrency_limit": 4}  # visitors at a time
    look = [height, fps, kind]
    gr.api(gifs, api_name="gifs", **in_turn)
    wishes = [visit, weight, count, length, *look]
    outcome = [status, run, stop, result, empty]
    trimming = [visit, start, end, kilobytes, *look], [preview, size, save]

    def redraw(event: Any) -> None:
        """Have the missing GIFs cut after `event`."""
        event.success(draw, [visit, *look], cards, **quiet, **several, **latest)

    def rerank(event: Any) -> None:
        """Have the video scored for another history after `event`."""
        redraw(event.success(rank, wishes, [scores, cards, weight], **at_once))

    arranged = history.select(arrange, visit, [visit, history], **at_once, trigger_mode="multiple")
    added = upload.upload(add, [visit, upload], [visit, history, upload, status], **waiting, **several)
    judged = cards.select(judge, [visit, *look], [visit, history, status, trimmer, start, end], **quiet)
    judged.success(trim, *trimming, **quiet).success(None, js=SHOW_TRIMMER)
    for event in (arranged, added, judged):
        rerank(event)
    taken = tastes.select(take_taste, [visit, video], [visit, history, video, status], **waiting, **several)
    for event in (added, taken):
        event.failure(apologise, None, status, **at_once)
    for begun in (video.upload, run.click, taken.success):
        watched = begun(begin, [visit, video], [visit, *outcome], **at_once, preprocess=False).then(
            watch, [visit, video], outcome, **waiting, **in_turn, **latest
        )
        watched.failure(refuse, None, outcome, **at_once)
        watched.success(None, js=scroll_on_phones("#gifs-result"))
        rerank(watched)
    stop.click(cancel, visit, stop, **at_once)
    video.clear(forget, visit, [visit, *outcome], **at_once)
    for wish in (weight, count, length, height, fps, kind):
        redraw(wish.change(show, wishes, [scores, cards], **at_once, **latest))
    for one in (start, end, kilobytes, height, fps, kind):
        one.change(trim, *trimming, **quiet, **latest)


if __name__ == "__main__":
    with page("GIF highlights", "one of our vision models") as demo:
        build_gifs()
    launch(demo)
