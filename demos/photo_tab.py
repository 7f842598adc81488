"""The shape of a tab that takes a photo: the photo, samples and a status line on the left, the result on the right.

    with photo_tab("edges", WORDS, PEOPLE, excuse) as tab:  # lays out all but the result, which the block lays out
        picture = gr.Image(...)
        detail = gr.Slider(...)
        save = download_button("drawing", ".png")
    tab.wire(look, [View(show, [picture], [detail])], [Download(save, write, [detail])])

A photo is decoded once, when it arrives; views are drawn from a copy of the size of a screen. Files in full size are
made on the click that asks for them.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import gradio as gr
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from demos.addresses import AT_A_TIME, fetch
from demos.components import part, render
from demos.files import deleted_on_schedule, errors_on_page, new_folder, uploaded
from demos.photo_input import GONE, NO_PHOTO, open_photo, photo_input, pixel_size, pixels, readable, shrink
from demos.shell import FAILED, HIDE, KEEP_SECONDS, SHOW, line, opening, scroll_on_phones, status_line
from vision_models.errors import PhotoError
from vision_models.media.gain_map import has_gain_map
from vision_models.media.photos import write_png

Result = TypeVar("Result")

PRIVATE = {"api_visibility": "private"}
AT_ONCE = PRIVATE | {"queue": False, "show_progress": "hidden"}
LATEST = PRIVATE | {"trigger_mode": "always_last"}
ON_GPU = {"concurrency_id": "gpu", "concurrency_limit": 1}
FETCHING = "Getting the photo…"
BASE_ALONE = "of an HDR photo, whose additional light is not read"
SAVE_IN_BROWSER = """(file) => {
    if (!file) return;
    const link = Object.assign(document.createElement("a"), {href: file.url, download: file.orig_name});
    document.body.append(link);
    link.click();
    link.remove();
}"""


class SamplePhoto(Protocol):
    """A photo to try: what its button shows, and the photo itself."""

    @property
    def caption(self) -> str:
        """What is on it."""

    @property
    def credit(self) -> str:
        """Whose it is, and under which licence."""

    @property
    def picture(self) -> str:
        """Its address, or "" where there is no picture before somebody wants it."""

    @property
    def title(self) -> str:
        """What stands in place of the picture, in two words."""

    def write(self, folder: Path) -> Path:
        """Write it into a folder and return its file."""


@dataclass(frozen=True)
class Words:
    """What a tab says."""

    headline: str
    sentence: str
    empty: str
    button: str
    working: str
    saved: str = ""  # added where a photo is shown smaller than it is


@dataclass(frozen=True, eq=False)
class Job(Generic[Result]):
    """The photo on a visitor's screen, as their session remembers it. All pixels stay in files."""

    photo: Path  # as uploaded
    shown: Path  # the same, upright and no larger than a screen
    folder: Path  # for what is made of it
    result: Result  # what the network said about it
    again: bool = False  # whether it was on the screen before: what the visitor set belongs to them


class View(NamedTuple):
    """A part of the result that is drawn when a photo arrives, and again when one of its controls changes."""

    show: Callable[..., Any]  # (job, screen-size pixels, *values of the controls) to the values of `outputs`
    outputs: Sequence[gr.components.Component]
    controls: Sequence[gr.components.Component] = ()
    starts: Callable[[Any], Sequence[Any]] | None = None  # the result to where the controls begin for a new photo


class SaveButton(NamedTuple):
    """A button that has a file made and saved, and where the page keeps that file."""

    button: gr.Button
    file: gr.DownloadButton
    what: str
    suffix: str

    def label(self, size: str = "") -> str:
        """What the button says, with the size of the file once that is known."""
        return f"Save {self.what} ({', '.join(filter(None, (self.suffix, size)))})"


class Download(NamedTuple):
    """A file in full size, made on the click that asks for it."""

    save: SaveButton
    make: Callable[..., Path]  # (job, *values of the controls) to the file; quick if it was made before
    controls: Sequence[gr.components.Component] = ()


@dataclass(frozen=True)
class PhotoTab:
    """The parts of the tab that events need."""

    name: str
    words: Words
    samples: Sequence[SamplePhoto]
    side: int  # pixels of what is shown
    photo: gr.Image
    button: gr.Button
    status: gr.HTML
    picker: gr.HTML
    address: gr.Textbox
    empty: gr.Column
    result: gr.Column
    job: gr.State = field(default_factory=lambda: gr.State(time_to_live=KEEP_SECONDS))

    def wire(
        self,
        look: Callable[[NDArray[np.uint8]], Any],
        views: Sequence[View] = (),
        downloads: Sequence[Download] = (),
        said: Callable[[Any], str] = lambda _: "",
        keep: Callable[[Any, Path], Any] = lambda answer, _: answer,
    ) -> list[Any]:
        """Wire a photo to its result.

        Args:
            look: Asks the network about a photo, (H, W, 3) uint8 sRGB.
            views: What is shown of the answer.
            downloads: What can be saved.
            said: What the status line adds about an answer.
            keep: Makes of an answer what the session remembers; in the folder that it gets, large ones can lie.

        Returns:
            The events, one for each way in which a photo can arrive, after which the job is there.
        """
        outputs = [output for view in views for output in view.outputs]
        inputs = [control for view in views for control in view.controls]
        started = [control for view in views if view.starts for control in view.controls]
        outcome = [self.job, self.result, self.empty, self.status, self.photo, *outputs, *started]

        def refuse(why: str = FAILED) -> tuple[Any, ...]:
            nothing = [None] * len(outputs) + [gr.skip()] * len(started)
            return None, HIDE, SHOW, line(why, "problem"), gr.skip(), *nothing

        def show(
            look: Callable[[NDArray[np.uint8]], Any], photo: dict[str, Any] | None, job: Job[Any] | None, *wishes: Any
        ) -> tuple[Any, ...]:
            """Ask about the photo and show the result, or say why there is none."""
            start, path, last = time.perf_counter(), uploaded(photo), job and job.photo
            if path is None:
                return refuse(NO_PHOTO)
            if job and path == job.shown:  # the field shows our readable copy of a HEIC photo
                path = job.photo
            try:
                image = open_photo(path)
            except PhotoError as error:
                return refuse(str(error))
            answer, screen = look(image), shrink(image, self.side)
            with new_folder() as folder:
                shown_copy = deleted_on_schedule(write_png(screen, folder / "photo.png"))
                job = Job(path, shown_copy, folder, keep(answer, folder), again=path == last)
            shown = _drawn(views, job, answer, screen, wishes)
            starts = [gr.skip() if job.again else one for view in views if view.starts for one in view.starts(answer)]
            done = _done(time.perf_counter() - start, path, image)
            if screen is not image:
                done += f", shown here at {pixel_size(screen)}{self.words.saved}"
            return job, SHOW, HIDE, line(f"{done}. {said(answer)}"), readable(path, job.shown), *shown, *starts

        finished = []
        sampled, brought = self._take_sample(), self._bring_from_address()
        of_sample = remembering(look, len(self.samples))
        for begin in (self.photo.upload, self.button.click, sampled.success, brought.success):
            done = begin(
                lambda: line(self.words.working), None, self.status, **AT_ONCE
            ).then(
                _run(show, of_sample if begin == sampled.success else look),
                [self.photo, self.job, *inputs],
                outcome,
                **LATEST,
                **ON_GPU,
                preprocess=False,  # what Gradio cannot open is for read_photo to read, or to explain
                show_progress_on=[self.empty, *outputs[:1]],
            )
            done.failure(refuse, None, outcome, **AT_ONCE)
            done.success(None, js=scroll_on_phones(f"#{self.name}-result"))
            finished.append(done)
        for view in views:
            self._redraw_on_change(view)
        for download in downloads:
            self._save_on_click(download)
        gone = [self.job, self.result, self.empty, self.status]
        self.photo.clear(lambda: (None, HIDE, SHOW, ""), None, gone, **AT_ONCE)
        return finished

    def _offer(self) -> str:
        return render("sample_picker", samples=self.samples)

    def _pick(self, event: gr.EventData) -> str:
        """Write the sample that was clicked to a file, and return its path."""
        index = int(event.index)
        if not 0 <= index < len(self.samples):
            raise gr.Error("This sample is no longer there. Please reload the page.", print_exception=False)
        with errors_on_page(), new_folder() as folder:
            return str(self.samples[index].write(folder))

    def _take_sample(self) -> Any:
        if not all(sample.picture for sample in self.samples):
            gr.on(None, self._offer, None, self.picker, **AT_ONCE)  # when a visitor comes: some are fetched by then
        self.picker.select(lambda: line(FETCHING), None, self.status, **AT_ONCE)
        sample = gr.State()  # what cannot be had leaves Gradio's red "Error" on a part that nobody sees
        fetched = self.picker.select(self._pick, None, sample, **PRIVATE)
        fetched.failure(lambda: "", None, self.status, **AT_ONCE)
        return fetched.success(lambda path: (path, self._offer()), sample, [self.photo, self.picker], **AT_ONCE)

    def _bring_from_address(self) -> Any:
        async def bring(address: str) -> str:
            with errors_on_page():
                return str(await fetch(address))

        path = gr.State()
        asked = self.address.submit(lambda: line(FETCHING), None, self.status, **AT_ONCE)
        fetched = asked.then(
            bring, self.address, path, **PRIVATE, concurrency_id="addresses", concurrency_limit=AT_A_TIME
        )
        fetched.failure(lambda: "", None, self.status, **AT_ONCE)
        return fetched.success(lambda path: (path, ""), path, [self.photo, self.address], **AT_ONCE)

    def _redraw_on_change(self, view: View) -> None:
        def redraw(job: Job[Any] | None, *wishes: Any) -> Any:
            return view.show(job, shown_pixels(job), *wishes)

        for control in view.controls:
            control.change(redraw, [self.job, *view.controls], view.outputs, **LATEST)

    def _save_on_click(self, download: Download) -> None:
        button, file = download.save.button, download.save.file

        def make(job: Job[Any] | None, *wishes: Any) -> Iterator[tuple[Any, Any]]:
            yield gr.update(value="Preparing full size…", interactive=False), gr.skip()
            if job is None:
                raise gr.Error(GONE, print_exception=False)
            with errors_on_page():
                path = deleted_on_schedule(download.make(job, *wishes))
            size = f"{max(path.stat().st_size / 1e6, 0.1):.1f} MB"
            yield gr.update(value=download.save.label(size), interactive=True), str(path)

        def restore() -> Any:
            return gr.update(value=download.save.label(), interactive=True)

        made = button.click(make, [self.job, *download.controls], [button, file], **PRIVATE, show_progress="hidden")
        made.success(None, file, js=SAVE_IN_BROWSER)
        made.failure(restore, None, button, **AT_ONCE)
        for control in (self.job, *download.controls):
            control.change(restore, None, button, **AT_ONCE)


def _run(show: Callable[..., Any], look: Callable[..., Any]) -> Callable[..., Any]:
    """Return what Gradio calls, by a name that stays."""

    def run(photo: dict[str, Any] | None, job: Job[Any] | None, *wishes: Any) -> Any:
        return show(look, photo, job, *wishes)

    return run


def remembering(look: Callable[[NDArray[np.uint8]], Result], most: int) -> Callable[[NDArray[np.uint8]], Result]:
    """Return `look` for samples: it knows the answers to the first `most` of them from then on."""
    answers: dict[bytes, Result] = {}

    def remembered(photo: NDArray[np.uint8]) -> Result:
        key = sha256(photo.tobytes()).digest()
        answer = answers.get(key) or look(photo)
        if len(answers) < most:
            answers[key] = answer
        return answer

    return remembered


@contextmanager
def photo_tab(
    name: str,
    words: Words,
    samples: Sequence[SamplePhoto],
    excuse: str = "",
    *,
    side: int = 2048,
    art: str | Markup = "",
    scale: int = 7,
) -> Iterator[PhotoTab]:
    """Lay out a tab whose result the `with` block lays out.

    Args:
        name: Of the tab; ids on the page begin with it.
        words: What it says.
        samples: Photos to try.
        excuse: Why the weights are not the wanted ones, or "".
        side: Pixels of the longer side of what is shown; no screen shows more than 2048.
        art: A picture for the empty page, as its address or as markup.
        scale: How wide the result is, beside 4 for the photo.
    """
    opening(words.headline, words.sentence, excuse)
    with gr.Row(equal_height=False, elem_id=f"{name}-work", elem_classes="work"):
        with gr.Column(scale=4, min_width=320):
            photo = photo_input()
            button = gr.Button(words.button, variant="primary")
            status = status_line(f"{name}-status")
            picker = part(
                "sample_picker",
                render("sample_picker", samples=samples),
                elem_id=f"{name}-samples",
                elem_classes="picker",
            )
            address = gr.Textbox(
                label="Address of a photo",
                placeholder="Or the address of a photo: https://…",
                container=False,
                max_lines=1,
                submit_btn=True,
                elem_id=f"{name}-address",
                elem_classes="address",
            )
        with gr.Column(scale=scale, min_width=320):
            with gr.Column(elem_id=f"{name}-empty", elem_classes="empty") as empty:
                gr.HTML(render("empty", art=art, text=words.empty))
            with gr.Column(visible=False, elem_id=f"{name}-result", elem_classes="result") as result:
                yield PhotoTab(name, words, samples, side, photo, button, status, picker, address, empty, result)


def download_button(what: str, suffix: str) -> SaveButton:
    """Lay out a button that saves a file which is made when it is clicked."""
    button = gr.Button(f"Save {what} ({suffix})")
    return SaveButton(button, gr.DownloadButton(visible=False), what, suffix)


def shown_pixels(job: Job[Any] | None) -> NDArray[np.uint8]:
    """Return the photo at screen size, or say that it is gone."""
    if job is None:
        raise gr.Error(GONE, print_exception=False)
    return pixels(job.shown)


def _done(seconds: float, path: Path, image: NDArray[np.uint8]) -> str:
    """Say how long it took and what was read."""
    said = f"Done in {max(seconds, 0.1):.1f} s: {pixel_size(image)} pixels"
    return f"{said} {BASE_ALONE}" if has_gain_map(path) else said


def _drawn(
    views: Sequence[View], job: Job[Any], answer: Any, screen: NDArray[np.uint8], wishes: Sequence[Any]
) -> list[Any]:
    """Return the values of all views' outputs, one after the other."""
    values: list[Any] = []
    first = 0
    for view in views:
        own = wishes[first : first + len(view.controls)]
        shown = view.show(job, screen, *(view.starts(answer) if view.starts and not job.again else own))
        values += [shown] if len(view.outputs) == 1 else shown
        first += len(view.controls)
    return values
