"""The GIF tab's pictures, as HTML: what a visitor likes, the scores along a video, the GIFs and the reasons for them.

Functions from results to strings; they know nothing of networks, and of Gradio only the address at which it gives out a
file. Whatever can be clicked is a real button or link, so that a keyboard and a screen reader find it, and carries in
`data-` attributes what the scripts at the end of this file pass on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import cv2
import numpy as np
from numpy.typing import NDArray

from demos.samples import data_uri

if TYPE_CHECKING:
    from vision_models.gifs.result import Clip, Segment
    from vision_models.media.videos import Video

STRIP_PICTURES = 14
STRIP_SIZE = 112, 63  # pixels
MOVING = {".mp4", ".webm", ".mov", ".mkv", ".m4v"}  # what browsers show in a <video>, not in an <img>
ALIKE = 0.5  # cosine similarity from which on one sees it, too
TICKS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900)


@dataclass(frozen=True, eq=False)
class Liked:
    """A GIF that a visitor has liked, or has not."""

    file: Path
    name: str
    vector: NDArray[np.float32]  # what the network remembers of it
    video: Path | None = None  # it was cut out of, if it is a result of ours
    start_s: float = 0
    end_s: float = 0


@dataclass(frozen=True)
class Pick:
    """A clip that we propose, and its GIF as soon as there is one."""

    clip: "Clip"
    points: int  # 0 for the dullest moment of the video, 100 for its best
    like: Liked | None  # what it resembles
    file: Path | None = None


# ---- words


def clock(seconds: float, *, exact: bool = False) -> str:
    """Return a time as people write it: 1:05, or 1:05.3 if `exact`."""
    seconds = round(seconds, 1 if exact else 0)
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    whole = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{whole}:{rest:04.1f}" if exact else f"{whole}:{int(rest):02}"


def span(time: "Clip | Segment") -> str:
    """Return a stretch of time in words."""
    return f"{clock(time.start_s, exact=True)} – {clock(time.end_s, exact=True)}"


def file_size(file: Path) -> str:
    """Return the size of a file in KB, as download pages count them."""
    return f"{max(round(file.stat().st_size / 1000), 1):,} KB"


def points(scores: Sequence[float]) -> list[int]:
    """Spread scores over 0 to 100: only their order within one video means something."""
    low, high = min(scores), max(scores)
    return [round(100 * (score - low) / (high - low)) if high > low else 50 for score in scores]


# ---- files


def address(file: Path) -> str:
    """Return where the page finds a file of Gradio's cache."""
    return f"gradio_api/file={quote(str(file))}"


def moving_picture(file: Path, description: str) -> str:
    """Return HTML that shows a GIF, a WebP or a short video, which all play by themselves and start over."""
    if file.suffix.lower() in MOVING:
        about = f'aria-label="{escape(description)}"'
        return f'<video src="{address(file)}" {about} autoplay loop muted playsinline></video>'
    return f'<img src="{address(file)}" alt="{escape(description)}">'


class FilmStrip:
    """A few pictures of a video side by side, gathered while it is watched, however long it is."""

    def __init__(self, video: "Video") -> None:
        self.video = video
        self.pictures: dict[int, NDArray[np.uint8]] = {}

    def add(self, times: NDArray[np.float64], pictures: NDArray[np.uint8]) -> None:
        """Take a look at pictures (uint8 NxHxWx3 sRGB, squashed to any shape) and their times (N,) in seconds."""
        for time, picture in zip(times, pictures, strict=True):
            place = min(int(STRIP_PICTURES * time / self.video.duration_s), STRIP_PICTURES - 1)
            if place not in self.pictures:
                self.pictures[place] = self._fitted(picture)

    def _fitted(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        (width, height), shape = STRIP_SIZE, self.video.width / self.video.height
        size = (width, round(width / shape)) if shape < width / height else (round(height * shape), height)
        whole = cv2.resize(picture, (max(size[0], width), max(size[1], height)), interpolation=cv2.INTER_AREA)
        top, left = (whole.shape[0] - height) // 2, (whole.shape[1] - width) // 2
        return whole[top : top + height, left : left + width]

    def html(self) -> str:
        """Return the strip; a place without a picture shows the nearest one."""
        places = np.array(list(self.pictures))
        nearest = (places[np.abs(places - place).argmin()] for place in range(STRIP_PICTURES))
        strip = np.hstack([self.pictures[place] for place in nearest])
        return f'<img class="film" src="{data_uri(strip, max(strip.shape))}" alt="">'


# ---- what a visitor likes


def gallery(liked: Sequence[Liked], disliked: Sequence[Liked]) -> str:
    """Return HTML with all GIFs that count, each with what can be done about it."""
    if not liked and not disliked:
        return '<p class="none">Nothing yet, so you get what everyone gets.</p>'
    html = f'<ul class="liked">{"".join(_tile(n, one, len(liked)) for n, one in enumerate(liked))}</ul>'
    if disliked:
        unwanted = "".join(
            f"<li>{moving_picture(one.file, f'Not for you: {one.name}')}"
            f"<div>{_action('restore', n, '×', f'Forget that {one.name} is not for you')}</div></li>"
            for n, one in enumerate(disliked)
        )
        html += f'<p>Not for you:</p><ul class="liked disliked">{unwanted}</ul>'
    return html


def _tile(number: int, one: Liked, count: int) -> str:
    name = f"GIF {number + 1}, {one.name}"
    buttons = _action("earlier", number, "←", f"Move {name} forward") if number else ""
    buttons += _action("remove", number, "×", f"Remove {name}")
    buttons += _action("later", number, "→", f"Move {name} back") if number < count - 1 else ""
    return f"<li><b>{number + 1}</b>{moving_picture(one.file, name)}<div>{buttons}</div></li>"


def _action(what: str, index: int, text: str, title: str, **more: object) -> str:
    data = "".join(f' data-{key}="{value}"' for key, value in more.items())
    label = escape(title)
    return (
        f'<button type="button" data-action="{what}" data-index="{index}"{data} title="{label}" aria-label="{label}">'
        f"{text}</button>"
    )


# ---- scores along the video


def timeline(
    video: Path,
    strip: str,
    segments: Sequence["Segment"],
    everyones: Sequence[Pick],
    yours: Sequence[Pick],
    liked: Sequence[Liked],
) -> str:
    """Return HTML with the video, its scores, the chosen moments, and all of it once more as a table."""
    end = segments[-1].end_s
    times = [(one.start_s + one.end_s) / 2 for one in segments]
    is_personal = bool(yours)
    curves = [("generic", "Everyone's score", points([one.generic for one in segments]))]
    if is_personal:
        curves.append(("personal", "Your score", points([one.personal for one in segments])))
        curves.append(("fused", "Blend of both, by the slider", points([one.score for one in segments])))
    drawn = "".join(_curve(name, times, values, end) for name, _, values in reversed(curves))
    legend = "".join(f'<li class="{name}">{title}</li>' for name, title, _ in curves)
    lanes = _lane("you", yours, end) if is_personal else ""
    lanes += _lane("everyone", everyones, end)
    return f"""<h4>Why these: the scores along your video</h4>
<div class="chart">
    {strip}
    <svg viewBox="0 0 1000 100" preserveAspectRatio="none" aria-hidden="true" data-length="{end:.3f}">{drawn}</svg>
    {lanes}
    <div class="axis" aria-hidden="true">{_axis(end)}</div>
    <i class="playhead"></i>
</div>
<ul class="legend">{legend}</ul>
<div class="screen">
    <p>Press a number, or any place on the curves, to play it here.</p>
    <p class="sorry">Your browser cannot play this kind of video. The GIFs are not affected.</p>
    <video src="{address(video)}" controls preload="metadata" playsinline aria-label="Your video"></video>
</div>
{_table(segments, curves, liked)}"""


def _curve(name: str, times: Sequence[float], values: Sequence[int], end: float) -> str:
    corners = [(0.0, values[0]), *zip(times, values, strict=True), (end, values[-1])]
    path = " L".join(f"{1000 * time / end:.1f} {96 - 0.92 * value:.1f}" for time, value in corners)
    area = f'<path class="area" d="M{path} L1000 100 L0 100Z"/>' if name == "fused" else ""
    return f'{area}<path class="{name}" d="M{path}"/>'


def _lane(whose: str, picks: Sequence[Pick], end: float) -> str:
    name = {"you": "You", "everyone": "Everyone"}[whose]
    buttons = "".join(
        f'<button type="button" style="left:{100 * pick.clip.start_s / end:.2f}%;'
        f'width:{100 * (pick.clip.end_s - pick.clip.start_s) / end:.2f}%" {_stretch(pick.clip)}'
        f' title="Play" aria-label="Play GIF {number} for {name.lower()}, '
        f'{span(pick.clip)}">{number}</button>'
        for number, pick in enumerate(picks, start=1)
    )
    return f'<p>{name}</p><div class="lane {whose}">{buttons}</div>'


def _stretch(time: "Clip | Segment") -> str:
    return f'data-start="{time.start_s:.3f}" data-end="{time.end_s:.3f}"'


def _axis(end: float) -> str:
    step = next((step for step in TICKS_S if end / step <= 9), TICKS_S[-1])
    return "".join(
        f'<span style="left:{100 * time / end:.2f}%">{clock(time)}</span>' for time in np.arange(0, end * 0.97, step)
    )


def _table(segments: Sequence["Segment"], curves: Sequence[tuple[str, str, list[int]]], liked: Sequence[Liked]) -> str:
    heads = "".join(f'<th scope="col">{title}</th>' for _, title, _ in curves)
    is_personal = len(curves) > 1
    rows = []
    for number, one in enumerate(segments):
        time = f'<button type="button" {_stretch(one)} title="Play">{span(one)}</button>'
        cells = "".join(f"<td>{values[number]}</td>" for _, _, values in curves)
        if is_personal:
            alike = one.nearest is not None and one.nearest < len(liked)
            cells += f"<td>GIF {(one.nearest or 0) + 1} ({one.similarity:.2f})</td>" if alike else "<td></td>"
        rows.append(f'<tr><th scope="row">{time}</th>{cells}</tr>')
    nearest = '<th scope="col">Resembles your</th>' if is_personal else ""
    return (
        f"<details><summary>All {len(segments)} moments as a table</summary><table>"
        f'<thead><tr><th scope="col">Time</th>{heads}{nearest}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
        "</details>"
    )


# ---- the GIFs


def sides(everyones: Sequence[Pick], yours: Sequence[Pick], liked: Sequence[Liked]) -> str:
    """Return HTML with what everyone gets beside what this visitor gets."""
    everyone = "".join(_card(0, n, pick, liked) for n, pick in enumerate(everyones))
    if yours:
        you = f"<ol>{''.join(_card(1, n, pick, liked) for n, pick in enumerate(yours))}</ol>"
    elif liked:
        you = '<p class="none">You did not want any of these moments. Forget a “not for you”, or ask for fewer.</p>'
    else:
        you = '<p class="none">Add a GIF that you like, or press “More like this” on one of these.</p>'
    return f"""<div class="sides">
<section><h3>What everyone gets</h3><ol>{everyone}</ol></section>
<section class="yours"><h3>What you get</h3>{you}</section></div>"""


def _card(side: int, index: int, pick: Pick, liked: Sequence[Liked]) -> str:
    clip = pick.clip
    title = f"GIF {index + 1}, {span(clip)}"
    picture = '<p class="pending">Cutting…</p>'
    save = ""
    if pick.file:
        picture = moving_picture(pick.file, title)
        link = f'href="{address(pick.file)}" download="{escape(pick.file.name)}"'
        save = f"<a {link}>Save {file_size(pick.file)}</a>"
    why = ""
    if side and pick.like in liked and pick.like is not None and clip.similarity is not None:
        number = liked.index(pick.like) + 1
        how = "resembles" if clip.similarity >= ALIKE else "is closest to"
        why = (
            f'<p class="why">{moving_picture(pick.like.file, "")}<span>{how} your GIF {number}, '
            f"similarity {clip.similarity:.2f}</span></p>"
        )
    buttons = _action("like", index, "More like this", f"More like this: {title}", side=side)
    buttons += _action("dislike", index, "Not for me", f"Not for me: {title}", side=side)
    buttons += _action("trim", index, "Trim", f"Trim: {title}", side=side)
    return (
        f"<li>{picture}<p><b>{span(clip)}</b> <span>score {pick.points}</span></p>{why}"
        f'<div class="actions">{buttons}{save}</div></li>'
    )


# ---- what happens in the browser

# A click on a button with data-action becomes a `select` event that carries all its data attributes.
ACT = """element.addEventListener("click", (event) => {
    const button = event.target.closest("[data-action]");
    if (button) trigger("select", {...button.dataset});
});"""

# A click on a stretch of time plays it in the video, a click on the curves goes there; the playhead follows the video.
PLAY = """let end = Infinity, unfolded = false;
const video = () => element.querySelector(".screen video");
const go = (start, stop) => {
    const player = video();
    element.classList.add("playing");
    end = stop;
    player.currentTime = start;
    player.play().catch(() => {});  // what cannot be played says so below
};
element.addEventListener("click", (event) => {
    const stretch = event.target.closest("[data-start]");
    const curves = event.target.closest(".film, svg");
    const summary = event.target.closest("summary");
    if (summary) unfolded = !summary.parentElement.open;
    if (stretch) go(Number(stretch.dataset.start), Number(stretch.dataset.end));
    else if (curves) {
        const box = curves.getBoundingClientRect();
        const length = Number(element.querySelector("svg").dataset.length);
        go((event.clientX - box.left) / box.width * length, Infinity);
    }
});
watch("value", () => { element.querySelector("details").open = unfolded; });  // new scores fold it up
// Events of media do not bubble, but can be captured.
element.addEventListener("timeupdate", (event) => {
    if (event.target !== video()) return;
    const {currentTime, paused} = event.target;
    if (currentTime >= end && !paused) {
        event.target.pause();
        end = Infinity;
    }
    const length = Number(element.querySelector("svg").dataset.length);
    element.style.setProperty("--playhead", `${Math.min(100 * currentTime / length, 100)}%`);
}, true);
element.addEventListener("error", (event) => {
    if (event.target === video()) element.classList.add("unplayable");
}, true);
element.addEventListener("loadedmetadata", (event) => {
    if (event.target === video()) element.classList.remove("unplayable");
}, true);"""

# Files dropped on the gallery go the way of those chosen with its button.
DROP = (
    """const area = element.closest("#liked");
area.addEventListener("dragover", (event) => event.preventDefault());
area.addEventListener("drop", (event) => {
    event.preventDefault();
    const input = area.querySelector("input[type=file]");
    input.files = event.dataTransfer.files;
    input.dispatchEvent(new Event("change", {bubbles: true}));
});
"""
    + ACT
)
