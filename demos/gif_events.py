"""What happens on the GIF tab: events that ask no network, and those that do."""

import spaces  # before torch: on ZeroGPU it takes CUDA's place

# isort: split
import shutil
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from demos.components import render
from demos.components.gif_cards import sides
from demos.components.history import Liked, gallery
from demos.components.timeline import FilmStrip, timeline
from demos.components.trim_bar import trim_bar
from demos.components.words import clock, file_size, moving_picture
from demos.files import deleted_on_schedule, errors_on_page, fetchable, new_folder, uploaded
from demos.gif_visit import (
    GONE,
    HISTORY_GIFS,
    HISTORY_SECONDS,
    MAX_COUNT,
    MAX_LENGTH,
    MIN_LENGTH,
    VIDEO_SECONDS,
    Job,
    Look,
    Visit,
    check_length,
    check_number,
    check_trim,
    choose,
    left_out,
    with_files,
)
from demos.samples.videos import TASTES, is_sample, liked_gifs, sample_video
from demos.shell import FAILED, HIDE, SHOW, line, weights_source
from vision_models.errors import VideoError, VisionModelsError
from vision_models.media.bars import without_bars
from vision_models.media.edits import LONGEST_CAPTION, Edits
from vision_models.media.videos import Video, probe

if TYPE_CHECKING:
    from vision_models.gifs.features import Samples
    from vision_models.gifs.predictor import HighlightPredictor
    from vision_models.gifs.result import VideoIndexPart


READY = SHOW, HIDE  # the buttons that start and cancel
KEEP = (gr.skip(),) * 6


# ---- events that ask no network


def working(text: str, percent: float = 0, film: str = "") -> tuple[Any, ...]:
    """Return status, buttons, result, its placeholder and the progress in its place while a video is being watched."""
    progress = render("watching", text=text, percent=round(percent), film=film)
    stop = gr.update(visible=True, value="Cancel", interactive=True)
    return line(text), HIDE, stop, HIDE, HIDE, gr.update(value=progress, visible=True)


def finished(text: str, kind: str = "", *, result: bool = False) -> tuple[Any, ...]:
    """Return the same for when that is over, one way or the other."""
    return line(text, kind), *READY, *((SHOW, HIDE) if result else (HIDE, SHOW)), gr.update(value="", visible=False)


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
    """Move or remove a GIF of the history; one that is gone already, after a second click, stays gone."""
    index, some = int(event.index), visit.disliked if event.action == "restore" else visit.liked
    if 0 <= index < len(some):
        one = some.pop(index)
        step = {"earlier": -1, "later": 1}.get(event.action)
        if step is not None:
            some.insert(max(index + step, 0), one)
    return visit, gallery(visit.liked, visit.disliked)


def show(visit: Visit, percent: float, count: int, length_s: float, *look: Any) -> tuple[Any, ...]:
    """Choose by the slider between everyone's taste and the visitor's. Decodes nothing and asks no network."""
    job, highlights = visit.job, visit.highlights
    if job is None or highlights is None:
        raise gr.Error(GONE, print_exception=False)
    here = [one for one in (*visit.disliked, *visit.liked) if one.video == job.video]
    mine = highlights.reweight(percent / 100)
    yours = choose(mine, count, length_s, visit.ranked_for, here) if visit.ranked_for or visit.disliked else []
    everyones = choose(highlights.reweight(0), count, length_s, visit.ranked_for, here)
    visit.shown = tuple(with_files(job, everyones, Look(*look))), tuple(with_files(job, yours, Look(*look)))
    scores = timeline(job.video, job.film, mine.segments, *visit.shown, visit.ranked_for, lead_s=job.lead_s)
    return scores, sides(*visit.shown, visit.ranked_for, job.lead_s)


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
        yield sides(*shown, visit.ranked_for, job.lead_s)


def move(event: gr.EventData) -> tuple[float, float]:
    """Take over where the edges of the trim bar were dragged to."""
    return round(float(event.start), 2), round(float(event.end), 2)


def close_trimmer() -> tuple[Any, ...]:
    """Put the trimmer away with the video that it was for."""
    return HIDE, None, None, "", "", line(""), gr.update(label="Save", value=None, interactive=False)


def trim(visit: Visit, start_s: float | None, end_s: float | None, *wishes: Any) -> tuple[Any, ...]:
    """Cut between the times in the fields, with what is wished for, and offer the file."""
    if not start_s and not end_s:
        return gr.skip(), gr.skip(), gr.skip()  # nothing was opened yet
    *look, caption, position, speed, back_and_forth, shape = wishes
    try:
        job, start_s, end_s = check_trim(visit.job, start_s or 0, end_s or 0)
        text = str(caption or "").strip()[:LONGEST_CAPTION]
        edits = Edits(text, position, speed=float(speed), back_and_forth=bool(back_and_forth), shape=shape)
        file = job.cut(start_s, end_s, replace(Look(*look), edits=edits))
    except VideoError as error:
        return gr.skip(), line(str(error), "problem"), gr.update(label="Save", value=None, interactive=False)
    length_s = (end_s - start_s) / edits.speed * (2 if edits.back_and_forth else 1)
    said = line(f"{length_s:.1f} seconds, {file_size(file)}")
    offer = gr.update(label=f"Save ({file.suffix}, {file_size(file)})", value=str(file), interactive=True)
    return render("preview", picture=moving_picture(file, "The trimmed GIF")), said, offer


# ---- events that ask the network


class Events:
    """What happens on the tab with a predictor at hand."""

    def __init__(self, predictor: "HighlightPredictor") -> None:
        self.predictor = predictor

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
                    clip = check_length(probe(gif), HISTORY_SECONDS, "clip")
                    known.append(predictor.remember(without_bars(clip)))
                except VisionModelsError as error:
                    known.append(str(error))
            return known

        self.encode, self.remember = encode, remember
        # Samples, which are nobody's, are looked at once.
        self.of_sample: tuple[list[VideoIndexPart], str] | None = None  # with its film strip
        self.of_tastes: dict[int, list[NDArray[np.float32]]] = {}

    def watch(self, visit: Visit, file: dict[str, Any] | None) -> Iterator[tuple[Any, ...]]:
        """Decode the video and look at it, stretch by stretch, for as long as the visitor wants it."""
        path = uploaded(file)
        if path is None:
            yield finished("There is no video yet. Drop one in, or borrow a taste.", "problem")
            return
        if visit.job and visit.job.video == path:
            yield gr.skip(), *READY, SHOW, HIDE, HIDE
            return
        try:
            start = time.perf_counter()
            video = without_bars(check_length(probe(path), VIDEO_SECONDS, "video"))
            length = clock(video.duration_s)
            yield working(f"Watching your video, {length} long…")
            sample = is_sample(path)
            parts, strip = self.of_sample if sample and self.of_sample else (yield from self._look(visit, video, start))
            if visit.wanted != path:
                yield finished("Cancelled.") if visit.wanted is None else KEEP
                return
            if sample:
                self.of_sample = parts, strip
            index = self.predictor.join(video, parts)
        except VideoError as error:
            yield finished(str(error), "problem")
            return
        with new_folder() as folder:
            visit.job = Job(path, index, strip, folder)
        took = max(time.perf_counter() - start, 0.1)
        said = f"Watched {length} of video in {took:.1f} s. Weights: {weights_source(self.predictor.weights_file)}."
        yield finished(said, result=True)

    def _look(
        self, visit: Visit, video: Video, start: float
    ) -> Generator[tuple[Any, ...], None, tuple[list["VideoIndexPart"], str]]:
        """Give what the page shows meanwhile; return what the network saw of each stretch, and the film strip."""
        strip, parts = FilmStrip(video), []
        for samples in self.predictor.sample(video):
            if visit.wanted != video.path:
                break
            parts.append(self.encode(samples))
            strip.add(samples.look_times, samples.windows[:, 0])
            left = (time.perf_counter() - start) * (video.duration_s / samples.end_s - 1)
            more = f", about {left:.0f} s to go" if left > 1 else ""
            said = f"Watched {clock(samples.end_s)} of {clock(video.duration_s)}{more}…"
            yield working(said, 100 * samples.end_s / video.duration_s, strip.picture(so_far=True))
        return parts, strip.picture()

    def rank(self, visit: Visit, percent: float, count: int, length_s: float, *look: Any) -> tuple[Any, ...]:
        """Score the video for the GIFs that count now, and show what that leads to."""
        slider = gr.update(interactive=bool(visit.liked or visit.disliked))
        if visit.job is None:
            return gr.skip(), gr.skip(), slider
        visit.ranked_for = tuple(visit.liked)
        liked, disliked = ([one.vector for one in some] for some in (visit.ranked_for, visit.disliked))
        visit.highlights = self.predictor.score(visit.job.index, liked, disliked)
        return *show(visit, percent, count, length_s, *look), slider

    def add(self, visit: Visit, files: list[dict[str, Any]] | None) -> Iterator[tuple[Any, ...]]:
        """Add GIFs to the history, and say which could not be, and why."""
        known = {one.file for one in visit.liked}
        paths = [path for file in files or [] if (path := uploaded(file)) and path not in known]
        room = max(HISTORY_GIFS - len(visit.liked), 0)
        new = paths[:room]
        yield visit, gr.skip(), None, line(f"Looking at {len(new)} GIFs…" if len(new) > 1 else "Looking at your GIF…")
        refusals = []
        for path, vector in zip(new, self.remember(new), strict=True):
            if isinstance(vector, str):
                refusals.append((path, vector))
            else:
                visit.liked.append(Liked(path, path.name, vector))
        yield visit, gallery(visit.liked, visit.disliked), None, left_out(refusals, len(paths) - len(new))

    def take_taste(self, visit: Visit, file: dict[str, Any] | None, event: gr.EventData) -> Iterator[tuple[Any, ...]]:
        """Take over the GIFs of a made-up visitor, and their video if there is none yet."""
        index = int(event.index)
        if not 0 <= index < len(TASTES):
            yield visit, gr.skip(), gr.skip(), gr.skip()
            return
        yield visit, gr.skip(), gr.skip(), line("Preparing the sample…")
        with new_folder() as folder:
            gifs = [deleted_on_schedule(Path(shutil.copy(gif, folder))) for gif in liked_gifs(TASTES[index])]
            video = str(shutil.copy(sample_video(), folder)) if uploaded(file) is None else gr.skip()
        if index not in self.of_tastes:
            self.of_tastes[index] = [vector for vector in self.remember(gifs) if not isinstance(vector, str)]
        visit.liked = [Liked(gif, gif.name, seen) for gif, seen in zip(gifs, self.of_tastes[index], strict=True)]
        visit.disliked = []
        yield visit, gallery(visit.liked, visit.disliked), video, line("")

    def judge(self, visit: Visit, event: gr.EventData, *look: Any) -> tuple[Any, ...]:
        """Take a result into the history, or among what is not for this visitor, or open it for trimming."""
        job = visit.job
        if job is None:
            raise gr.Error(GONE, print_exception=False)
        side, index = int(event.side), int(event.index)
        if side not in {0, 1} or not 0 <= index < len(visit.shown[side]):  # drawn anew since the click
            return visit, *(gr.skip(),) * 6
        clip = visit.shown[side][index].clip
        if event.action == "trim":
            start_s, end_s = clip.start_s + job.lead_s, clip.end_s + job.lead_s
            film = trim_bar(job.index.video, clip.start_s, clip.end_s)
            return visit, gr.skip(), gr.skip(), SHOW, round(start_s, 2), round(end_s, 2), film
        said = gr.skip()
        if event.action == "like" and len(visit.liked) >= HISTORY_GIFS:
            said = line(f"A history holds up to {HISTORY_GIFS} GIFs. Remove one to make room.", "problem")
        else:
            vector = self.predictor.vectors(job.index, np.array([[clip.start_s, clip.end_s]]))[0]
            file = job.cut(clip.start_s, clip.end_s, Look(*look))
            name = f"{clock(clip.start_s + job.lead_s)} of {job.video.name}"
            one = Liked(file, name, vector, job.video, clip.start_s, clip.end_s)
            (visit.liked if event.action == "like" else visit.disliked).append(one)
        return visit, gallery(visit.liked, visit.disliked), said, *(gr.skip(),) * 4

    def gifs(  # noqa: PLR0913, PLR0917 - gradio passes them by position
        self,
        video: gr.FileData,
        history: list[gr.FileData] | None = None,
        count: int = 3,
        length_s: float = 4.0,
        weight: float = 1.0,
        height: int = 240,
        fps: float = 12.5,
        max_mb: float = 5.0,
        request: gr.Request | None = None,
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
            max_mb: No file is larger than so many megabytes, from 0.1 to 100; if need be, frames get smaller and fewer.
            request: Comes by itself.

        Returns:
            The GIF files, best first, and for each of them start_s and end_s as a player shows them, score (comparable
            within this video only),
            nearest (place in the history, from 0, of the GIF that it resembles most, or null), similarity (a cosine).
        """
        path = uploaded(video)
        if path is None:
            how = 'No video arrived. Upload it as a file; with gradio_client: handle_file("video.mp4").'
            raise gr.Error(how, print_exception=False)
        check_number("count", count, 1, MAX_COUNT)
        check_number("length_s", length_s, MIN_LENGTH, MAX_LENGTH)
        check_number("weight", weight, 0, 1)
        check_number("height", height, 16, 1080)
        check_number("fps", fps, 1, 50)
        check_number("max_mb", max_mb, 0.1, 100)
        vectors = self._sent_history(history or [])
        with errors_on_page(), new_folder() as folder:
            known = without_bars(check_length(probe(path), VIDEO_SECONDS, "video"))
            index = self.predictor.join(known, [self.encode(samples) for samples in self.predictor.sample(known)])
            clips = self.predictor.score(index, vectors, weight=float(weight)).best(int(count), float(length_s))
            job = Job(path, index, "", folder)
            look = Look(int(height), float(fps), ".gif", float(max_mb))
            files = [job.cut(clip.start_s, clip.end_s, look) for clip in clips]
        told = ("score", "nearest", "similarity")
        lead_s = known.lead_s
        moments = [
            {"start_s": c.start_s + lead_s, "end_s": c.end_s + lead_s} | {k: getattr(c, k) for k in told} for c in clips
        ]
        return [fetchable(file, request) for file in files], moments

    def _sent_history(self, history: Sequence[object]) -> list[NDArray[np.float32]]:
        """Return what the network remembers of GIFs that a program has sent, or say why one cannot be used."""
        paths = [uploaded(file) for file in history]
        liked = [path for path in paths if path]
        if len(liked) < len(paths):
            raise gr.Error("A GIF of the history did not arrive. Upload each as a file.", print_exception=False)
        if len(liked) > HISTORY_GIFS:
            raise gr.Error(f"A history holds up to {HISTORY_GIFS} GIFs. Please send fewer.", print_exception=False)
        vectors = []
        for gif, vector in zip(liked, self.remember(liked), strict=True):
            if isinstance(vector, str):
                raise gr.Error(f"{gif.name} of the history: {vector}", print_exception=False)
            vectors.append(vector)
        return vectors
