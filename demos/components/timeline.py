"""The scores along a video, with the chosen moments, and all of it once more as a table."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from demos.components import render
from demos.components.gif_cards import Pick
from demos.components.history import Liked
from demos.components.words import address, clock, points, span
from demos.samples.photos import data_uri

if TYPE_CHECKING:
    from vision_models.gifs.result import Segment
    from vision_models.media.videos import Video

STRIP_PICTURES = 14
STRIP_SIZE = 112, 63  # pixels
TICKS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900)


class FilmStrip:
    """A few frames of a video side by side, gathered while it is watched, however long it is."""

    def __init__(self, video: "Video") -> None:
        self.video = video
        self.frames: dict[int, NDArray[np.uint8]] = {}

    def add(self, times: NDArray[np.float64], frames: NDArray[np.uint8]) -> None:
        """Take a look at frames (uint8 NxHxWx3 sRGB, squashed to any shape) and their times (N,) in seconds."""
        for time, frame in zip(times, frames, strict=True):
            place = min(int(STRIP_PICTURES * time / self.video.duration_s), STRIP_PICTURES - 1)
            if place not in self.frames:
                self.frames[place] = self._fitted(frame)

    def _fitted(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        (width, height), shape = STRIP_SIZE, self.video.width / self.video.height
        size = (width, round(width / shape)) if shape < width / height else (round(height * shape), height)
        whole = cv2.resize(frame, (max(size[0], width), max(size[1], height)), interpolation=cv2.INTER_AREA)
        top, left = (whole.shape[0] - height) // 2, (whole.shape[1] - width) // 2
        return whole[top : top + height, left : left + width]

    def picture(self, *, so_far: bool = False) -> str:
        """Return the strip as a data URI; a place without a frame shows the nearest one, but nothing yet to be seen."""
        if not self.frames:
            return ""
        places = np.array(list(self.frames))
        nearest = [places[np.abs(places - place).argmin()] for place in range(STRIP_PICTURES)]
        width, height = STRIP_SIZE
        unseen = np.full((height, width, 3), 128, np.uint8)
        last = places.max() if so_far else STRIP_PICTURES
        strip = np.hstack([self.frames[n] if place <= last else unseen for place, n in enumerate(nearest)])
        return data_uri(strip, max(strip.shape))


@dataclass(frozen=True)
class _Curve:
    name: str
    title: str
    values: list[int]
    path: str


def timeline(
    video: Path,
    film: str,
    segments: Sequence["Segment"],
    everyones: Sequence[Pick],
    yours: Sequence[Pick],
    liked: Sequence[Liked],
    *,
    lead_s: float,
) -> str:
    """Return HTML with the video, its scores, the chosen moments and the table.

    A player's times, which the page shows, are by `lead_s` later than ours.
    """
    end = segments[-1].end_s
    is_personal = bool(yours)
    curves = [_curve("generic", "Everyone's score", segments, [one.generic for one in segments])]
    if is_personal:
        yours_alone = _curve("personal", "Your score", segments, [one.personal for one in segments])
        blend = _curve("fused", "Blend of both, by the slider", segments, [one.score for one in segments])
        if yours_alone.values == blend.values:  # the slider is at its end: one curve says it all
            curves.append(replace(blend, title="Your score"))
        else:
            curves += [yours_alone, blend]
    lanes = [_lane("you", yours, end, lead_s)] if is_personal else []
    step = next((step for step in TICKS_S if end / step <= 9), TICKS_S[-1])
    return render(
        "timeline",
        film=film,
        video=address(video),
        length_s=end,
        lead_s=lead_s,
        curves=curves,
        lanes=[*lanes, _lane("everyone", everyones, end, lead_s)],
        ticks=[{"left": 100 * time / end, "text": clock(time + lead_s)} for time in np.arange(0, end * 0.97, step)],
        rows=[_row(number, one, liked, lead_s) for number, one in enumerate(segments)],
        is_personal=is_personal,
    )


def _curve(name: str, title: str, segments: Sequence["Segment"], scores: Sequence[float]) -> _Curve:
    values, end = points(scores), segments[-1].end_s
    times = [(one.start_s + one.end_s) / 2 for one in segments]
    corners = [(0.0, values[0]), *zip(times, values, strict=True), (end, values[-1])]
    path = " L".join(f"{1000 * time / end:.1f} {96 - 0.92 * value:.1f}" for time, value in corners)
    return _Curve(name, title, values, path)


def _lane(whose: str, picks: Sequence[Pick], end: float, lead_s: float) -> dict[str, Any]:
    stretches = [
        {
            "left": 100 * pick.clip.start_s / end,
            "width": 100 * (pick.clip.end_s - pick.clip.start_s) / end,
            "start_s": pick.clip.start_s + lead_s,
            "end_s": pick.clip.end_s + lead_s,
            "span": span(pick.clip, lead_s),
        }
        for pick in picks
    ]
    return {"whose": whose, "name": {"you": "You", "everyone": "Everyone"}[whose], "stretches": stretches}


def _row(number: int, one: "Segment", liked: Sequence[Liked], lead_s: float) -> dict[str, Any]:
    alike = one.nearest is not None and one.nearest < len(liked)
    resembles = f"GIF {(one.nearest or 0) + 1} ({one.similarity:.2f})" if alike else ""
    times = {"start_s": one.start_s + lead_s, "end_s": one.end_s + lead_s, "span": span(one, lead_s)}
    return times | {"number": number, "resembles": resembles}
