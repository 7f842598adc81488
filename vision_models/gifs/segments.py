"""Where a video is cut: segments to rank, and the stretch of a segment that becomes a GIF.

All times are in seconds from the first frame of the video.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]

THUMBNAIL = (16, 9)  # pixels, width and height, of what tells cuts and loop points
PIXELS = THUMBNAIL[0] * THUMBNAIL[1]  # a signature is the brightness of that many, then two differences of colour
CUT_LEVELS = 4.7  # mean change of a signature's numbers, of 255, below which nothing is a cut
# What the calmest quarter of the pixels changes by at most; little, where somebody walks past and hides only a part:
EVERYWHERE = 0.12  # of a cut it is at least so much of the mean change ...
CUT_RATIO = 4.5  # ... and so many times what is usual around it: pans and fast sports are no cuts
CUT_NEIGHBOURS = 8  # steps on each side that say what is usual
SHORTEST_SHOT_S = 1.0
BLANK_LEVELS = 5.0  # standard deviation of a thumbnail's brightness below which there is nothing to be seen in it
FADED = 0.5  # a frame with less than this share of its take's usual contrast is part of a fade
LATE_S = 0.2  # a sample may be older than its time says by so much (see `read_frames`)
TOUCHING_S = 1e-6  # spans that overlap by less only touch: 3 * 0.1 is not quite 0.3


def grid(duration_s: float, length_s: float = 5.0) -> Times:
    """Cut a video into segments of equal length, as the paper does.

    A last segment shorter than half of `length_s` becomes part of the one before it.

    Returns:
        (S, 2) start and end, S >= 1; they cover the video without gaps.

    Raises:
        ValueError: for a duration or a length that is not above 0.

    Example:
        >>> grid(12.0)
        array([[ 0.,  5.],
               [ 5., 12.]])
    """
    _check_positive("duration_s", duration_s)
    _check_positive("length_s", length_s)
    count = max(1, int(duration_s / length_s + 0.5))
    return _spans(np.append(np.arange(count) * length_s, duration_s))


def shots(times: Times, signatures: NDArray[np.number], duration_s: float, max_s: float = 8.0) -> Times:
    """Cut a video where its frame changes at once, and what is still longer than `max_s` into equal parts.

    Args:
        times: (F,) of the frames, ascending.
        signatures: (F, d) thumbnails of them, brightness first, in levels of 0..255.
        duration_s: Of the video.
        max_s: No segment is longer.

    Returns:
        (S, 2) start and end, S >= 1; they cover the video without gaps. A cut lies halfway between two frames, at
        least a second from the next cut and from both ends of the video.

    Raises:
        ValueError: for a duration or a length that is not above 0.
    """
    _check_positive("duration_s", duration_s)
    _check_positive("max_s", max_s)
    edges = [0.0, *_cuts(np.asarray(times, np.float64), signatures, duration_s), float(duration_s)]
    parts = [
        np.linspace(start, end, max(1, int(np.ceil((end - start) / max_s - TOUCHING_S))), endpoint=False)
        for start, end in pairwise(edges)
    ]
    return _spans(np.append(np.concatenate(parts), duration_s))


def takes(times: Times, signatures: NDArray[np.number], duration_s: float) -> Times:
    """Find the stretches without a cut, a fade or a blank frame: where a GIF can lie.

    Args:
        times: (F,) of the frames, ascending.
        signatures: (F, d) thumbnails of them, brightness first, in levels of 0..255.
        duration_s: Of the video.

    Returns:
        (T, 2) start and end. A stretch begins with the first frame that surely belongs to it and ends before the last,
        so up to two frames of every cut are in none. A video of blank frames alone is one
        stretch, as is one without any.
    """
    if not len(times):
        return np.array([[0.0, duration_s]])
    looks = np.asarray(signatures, np.float32)
    contrast = looks[:, :PIXELS].std(axis=1)
    blank = contrast < BLANK_LEVELS
    breaks = {number + 1 for number in _cut_steps(looks)}
    found = []
    for run in np.split(np.arange(len(times)), sorted(breaks | _edges(blank))):
        if blank[run[0]]:
            continue
        clear = run[contrast[run] >= FADED * np.median(contrast[run])]
        first, last = int(clear[0]), int(clear[-1])
        start = 0.0 if first == 0 else float(times[first])
        end = float(duration_s) if last == len(times) - 1 else float(times[last]) - LATE_S
        if end > start:
            found.append((start, end))
    return np.array(found or [(0.0, float(duration_s))])


def sub_window(
    times: Times, energy: NDArray[np.floating], start_s: float, end_s: float, length_s: float, duration_s: float
) -> tuple[float, float]:
    """Find the window of `length_s` with the most energy: inside the span, or around it where the span is shorter.

    Args:
        times: (F,) of the frames, ascending.
        energy: (F,) >= 0, such as how much moves. Each frame stands for the time that is nearer to it than to others.
        start_s: Of the span.
        end_s: Of the span.
        length_s: Of the window; a video shorter than that is taken whole.
        duration_s: Of the video; the window never reaches past it.

    Returns:
        Start and end of the window. Where several have as much energy, the one in the middle of them.

    Raises:
        ValueError: for a duration or a length that is not above 0.
    """
    _check_positive("duration_s", duration_s)
    _check_positive("length_s", length_s)
    if length_s >= duration_s:
        return 0.0, float(duration_s)
    latest = duration_s - length_s
    first, last = np.clip(sorted((start_s, end_s - length_s)), 0.0, latest)
    middle = (first + last) / 2
    # The energy up to a time is piecewise linear, so the best window begins or ends at a border between two frames.
    if not len(times):
        times, energy = np.zeros(1), np.zeros(1)
    # Of an hour, only the frames that a window can reach, and one more on each side.
    low, high = np.searchsorted(times, [first, last + length_s])
    near = slice(max(low - 1, 0), high + 1)
    times, energy = times[near], energy[near]
    borders = np.concatenate([[0.0], (times[1:] + times[:-1]) / 2, [duration_s]]).clip(0.0, duration_s)
    spent = np.concatenate([[0.0], np.cumsum(energy * np.diff(borders))])
    starts = np.concatenate([[middle, first, last], borders, borders - length_s])
    starts = starts[(starts >= first) & (starts <= last)]
    inside = np.interp(starts + length_s, borders, spent) - np.interp(starts, borders, spent)
    best = starts[inside >= inside.max() - 1e-9 * max(float(spent[-1]), 1e-300)]
    start = float(best[np.abs(best - middle).argmin()])
    return start, start + length_s


def loop_point(times: Times, signatures: NDArray[np.number], start_s: float, end_s: float, slack_s: float) -> float:
    """Move the end of a GIF to where the frame looks most like the one at its start, so that it loops well.

    The frame at the returned time is the first that is not shown: the one at the start takes its place.

    Args:
        times: (F,) of the frames, ascending.
        signatures: (F, d) thumbnails of them.
        start_s: Of the GIF.
        end_s: Of the GIF.
        slack_s: The end moves by no more than this, and the GIF keeps at least half of its length.

    Returns:
        The new end; `end_s` itself where no other frame is nearer to the first.
    """
    if not len(times):
        return float(end_s)
    first, last = (int(np.abs(times - time).argmin()) for time in (start_s, end_s))
    earliest = max(end_s - slack_s, (start_s + end_s) / 2)
    candidates = np.flatnonzero((times >= earliest) & (times <= end_s + slack_s))
    candidates = candidates[candidates > first]
    if last <= first or not len(candidates):
        return float(end_s)
    looks = np.asarray(signatures[[first, last, *candidates]], np.float32)
    distances = np.abs(looks[1:] - looks[0]).mean(axis=1)
    unmoved, distances = distances[0], distances[1:]
    nearest = distances.min()
    if nearest >= unmoved:
        return float(end_s)
    ends = times[candidates[distances == nearest]]
    return float(ends[np.abs(ends - end_s).argmin()])


def _cuts(times: Times, signatures: NDArray[np.number], duration_s: float) -> list[float]:
    """Times at which one shot ends and the next begins, ascending: the hardest cuts where two would be too near."""
    kept: list[float] = []
    for number in _cut_steps(signatures):
        cut = float(times[number] + times[number + 1]) / 2
        if all(abs(cut - other) >= SHORTEST_SHOT_S for other in (0.0, float(duration_s), *kept)) and cut < duration_s:
            kept.append(cut)
    return sorted(kept)


def _cut_steps(signatures: NDArray[np.number]) -> list[int]:
    """Numbers of the frames after which the picture changes at once, the hardest cut first."""
    if len(signatures) < 2:
        return []
    changes = np.abs(np.diff(np.asarray(signatures, np.float32), axis=0))
    steps = changes.mean(axis=1)
    of_pixels = changes.reshape(len(changes), -1, min(PIXELS, changes.shape[1])).mean(axis=1)
    calm = np.percentile(of_pixels, 25, axis=1)
    candidates = np.argsort(-steps, kind="stable")[: int((steps >= CUT_LEVELS).sum())]
    return [
        int(number)
        for number in candidates
        if calm[number] >= max(EVERYWHERE * steps[number], CUT_RATIO * _usual(calm, int(number)))
    ]


def _edges(flags: NDArray[np.bool_]) -> set[int]:
    """Numbers of the frames at which a flag differs from the one before."""
    return {int(number) for number in np.flatnonzero(np.diff(flags)) + 1}


def _usual(steps: NDArray[np.float32], number: int) -> float:
    """The median step around one, without itself."""
    around = np.r_[steps[max(number - CUT_NEIGHBOURS, 0) : number], steps[number + 1 : number + 1 + CUT_NEIGHBOURS]]
    return float(np.median(around)) if len(around) else 0.0


def _spans(edges: Times) -> Times:
    return np.column_stack([edges[:-1], edges[1:]]).astype(np.float64)


def _check_positive(name: str, value: float) -> None:
    if not 0 < value < np.inf:
        raise ValueError(f"{name} must be above 0 and finite, not {value}")
